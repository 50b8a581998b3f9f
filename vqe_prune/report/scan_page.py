"""The page of a scan: one self-contained HTML file, for phone and desk, light and dark."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from vqe_prune.report.layout import figure, page, pair, table, warning
from vqe_prune.report.scan_pictures import scan_curve_picture, scan_error_picture
from vqe_prune.report.scan_table import (
    curve_header,
    curve_rows,
    point_header,
    point_rows,
    scan_headline,
    scan_lines,
)
from vqe_prune.run_folder import write_atomically
from vqe_prune.units import error_unit

Content = Mapping[str, Any]

WIDE = """
.wide .scroll { width: max-content; min-width: 100%; max-width: 96vw; position: relative; left: 50%;
  transform: translateX(-50%); }
@media (min-width: 40rem) { .wide table { font-size: .9rem; } .wide th, .wide td { padding: .3rem .5rem; } }
"""
"""The table of all points has a column for every curve and takes more than the text's width where the window has it."""


def write_scan_page(folder: Path, content: Content, command: str) -> None:
    """Write report.html.

    Args:
        folder: Of the scan.
        content: Of scan.json.
        command: What to type to repeat the scan.

    """
    unit = error_unit(content["unit"])[1]
    failed = [point for point in content["points"] if point["failed"]]
    title = scan_headline(content)
    sections = [f"<h1>{escape(title)}</h1>"]
    if failed:
        sections.append(warning(f"{len(failed)} of {len(content['points'])} points failed; the reasons are below."))
    sections.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in scan_lines(content)) + "</ul>")
    if len(failed) < len(content["points"]):
        text = "Energies along the curve; the thin line is exact, the markers are the pruned ansatz."
        curve = figure("Curve", scan_curve_picture(content), text)
        text = (
            "Errors along the curve by their magnitude; hollow rings are energies below the exact one. What is below "
            "the axis is drawn at its end."
        )
        sections.append(pair(curve, figure("Errors", scan_error_picture(content), text)))
    text = (
        "<p>The non-parallelity error is the largest minus the smallest error along the curve. Kinks show as jumps "
        "from one second difference of the error to the next.</p>"
    )
    smooth = table(curve_header(content), curve_rows(content), name="How smooth the curves are")
    sections.append("<h2>How smooth</h2>" + smooth + text)
    sections.append(f"<h2>Errors of every point / {escape(unit)}</h2>" + _wide(content, errors=True))
    name = f"<h2>Energies of every point / {escape(content['unit'])}</h2>"
    sections.append(name + _wide(content, errors=False) + _links(content))
    parts = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
    sections.append(
        f'<h2>How it was made</h2><pre class="command">{escape(command)}</pre>'
        f"<p>{escape(parts)}; {content['seconds']:.1f} s.</p>"
    )
    write_atomically(folder / "report.html", page(title, sections, further_style=WIDE))


def _wide(content: Content, *, errors: bool) -> str:
    name = "Errors of every point" if errors else "Energies of every point"
    shown = table(point_header(content, errors=errors), point_rows(content, errors=errors), name=name)
    return f'<div class="wide">{shown}</div>'


def _links(content: Content) -> str:
    links = [
        f'<a href="{escape(point["folder"])}/report.html">{point["value"]:.10g}</a>'
        for point in content["points"]
        if not point["failed"]
    ]
    return f"<p>Reports of the points: {' · '.join(links)}</p>"
