"""The page of many runs: tables, Pareto and scan pictures in one self-contained HTML file, with CSV and Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vqe_prune.report.layout import figure, page, table
from vqe_prune.report.merge import Merged, Row
from vqe_prune.report.merge_pictures import pareto_picture
from vqe_prune.report.merge_table import (
    csv_text,
    data_of,
    has_runs,
    headline,
    passed_over,
    problems,
    scans_of,
    seeds_of,
    table_of,
    write_parquet,
)
from vqe_prune.report.scan_page import WIDE
from vqe_prune.report.scan_pictures import scan_curve_picture, scan_error_picture
from vqe_prune.run_folder import write_atomically
from vqe_prune.units import error_unit

MOST_PICTURES = 24
"""Problems and scans that are drawn: a page of more is slow to open."""


def write_merged(merged: Merged, folder: Path, *, name: str, command: str) -> list[str]:
    """Write the page and the tables of merged runs.

    Args:
        merged: What was found.
        folder: Where to.
        name: Of the files, without their ends.
        command: What to type to make them again.

    Returns:
        Names of the files; without ``.parquet`` where pyarrow is not installed.

    """
    data = data_of(merged)
    write_atomically(folder / f"{name}.csv", csv_text(data))
    written = [f"{name}.csv"]
    if write_parquet(data, folder / f"{name}.parquet"):
        written.append(f"{name}.parquet")
    write_atomically(folder / f"{name}.html", _page(merged, command, written))
    return [f"{name}.html", *written]


def _page(merged: Merged, command: str, files: list[str]) -> str:
    sections = [f"<h1>{escape(headline(merged))}</h1>"]
    links = ", ".join(f'<a href="{escape(file)}">{escape(file)}</a>' for file in files)
    sections.append(f"<p>The whole table: {links}</p>")
    lines = passed_over(merged)
    if lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        sections.append(f"<h2>Failed or passed over</h2><ul>{items}</ul>")
    groups = problems(merged)
    drawn = sorted((g for g in groups if len(g[1]) > 1 and has_runs(g[1])), key=lambda g: -len(g[1]))[:MOST_PICTURES]
    chosen = {title for title, _ in drawn}
    sections += [_problem(merged, title, rows, pictured=title in chosen) for title, rows in groups if has_runs(rows)]
    for unit in dict.fromkeys(str(content["unit"]) for _, content in merged.scans):
        header, rows = scans_of(merged, unit)
        if rows:
            title = f"<h2>Scans, errors in {escape(error_unit(unit)[1])}</h2>"
            sections.append(f"{title}{_wide(table(header, rows, text_columns=(3,)))}")
    sections += [_scan(folder, content) for folder, content in merged.scans[:MOST_PICTURES]]
    sections.append(f'<h2>How it was made</h2><pre class="command">{escape(command)}</pre>')
    return page(headline(merged), sections, further_style=WIDE)


def _problem(merged: Merged, title: str, rows: list[Row], *, pictured: bool) -> str:
    unit = error_unit(str(rows[0].values["unit"]))[1]
    header, lines = table_of(merged, rows)
    numbered = [[str(k), *line] for k, line in enumerate(lines, start=1)]
    columns = [k for k, name in enumerate(header, start=1) if name in ("ansatz", "pruner", "remark")]
    parts = [f"<h2>{escape(title)}, errors in {escape(unit)}</h2>"]
    picture = pareto_picture(rows) if pictured else ""
    if picture:
        caption = (
            "Error against size, one mark a run; squares are the ansätze as built, crosses the controls, rings "
            "energies below the exact one. The line joins the runs that no other one beats."
        )
        parts.append(figure("", picture, caption))
    links = [quote(f"{row.values['folder']}/report.html") for row in rows]
    parts.append(_wide(table(["run", *header], numbered, text_columns=columns, links=links)))
    header, lines = seeds_of(merged, rows)
    if lines:
        words = [k for k, name in enumerate(header) if name in ("ansatz", "pruner")]
        parts.append(f"<h3>Over seeds</h3>{_wide(table(header, lines, text_columns=words))}")
    return "".join(parts)


def _scan(folder: str, content: Mapping[str, Any]) -> str:
    """The two pictures of a scan, with its own page; nothing of one that an older version drew otherwise."""
    title = f"Scan of {content['name']} along {str(content['coordinate']['name']).replace('_', ' ')}"
    link = f'<p><a href="{escape(folder)}/report.html">Its report</a></p>'
    try:
        pictures = figure("", scan_curve_picture(content), "Energies along the curve; the black line is exact.")
        pictures += figure("", scan_error_picture(content), "Errors along the curve by their magnitude.")
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        pictures = "<p>Not drawn: its scan.json is of another version.</p>"
    return f"<h2>{escape(title)}</h2>{pictures}{link}"


def _wide(shown: str) -> str:
    return f'<div class="wide">{shown}</div>'
