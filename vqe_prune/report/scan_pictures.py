"""Pictures of a scan as SVG: the curves, and their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vqe_prune.report.pictures import (
    COLOURS,
    FONT,
    GREY,
    SMALLEST_ERROR,
    WIDTH,
    accuracy_line,
    clipped_error,
    log_axis,
    new_figure,
    svg_text,
)
from vqe_prune.report.scan_table import ALONE, FINAL, curve_label, energy_at, error_at
from vqe_prune.units import error_unit

Content = Mapping[str, Any]

STYLES: dict[str, dict[str, Any]] = {
    "hf": {"color": GREY, "linestyle": "--"},
    "mp2": {"color": COLOURS[4], "linestyle": ":"},
    "ccsd": {"color": COLOURS[5], "linestyle": "-."},
    "full": {"color": COLOURS[0], "marker": "."},
    FINAL: {"color": COLOURS[1], "marker": "o", "markersize": 4},
    ALONE: {"color": COLOURS[2], "marker": "x", "markersize": 5},
}

LEGEND = 0.5
"""Inches above the axes for two lines of names: curves go everywhere inside."""

RING = 6
"""Size of the markers of energies below the exact one, points."""


def scan_curve_picture(content: Content) -> str:
    """Draw the energies of a scan: exact, of the reference methods, of the pruned ansatz, common and each.

    Args:
        content: Of scan.json.

    Returns:
        An SVG element.

    """
    figure, (axis,) = new_figure(1, WIDTH, 3.4 + LEGEND, top=LEGEND + 0.1)
    keys = [row["key"] for row in content["curves"] if row["key"] not in ("full", "symmetry")]
    for key in (*keys, "exact"):
        style = {"color": "#000000", "linewidth": 1.0} if key == "exact" else {"linewidth": 1.2, **STYLES.get(key, {})}
        if key in (FINAL, ALONE):
            style |= {"linestyle": ""}
        _line(axis, content, key, [energy_at(point, key) for point in content["points"]], style)
    axis.set_ylabel(f"energy / {content['unit']}")
    axis.ticklabel_format(useOffset=False)
    return _finished(figure, axis, content)


def scan_error_picture(content: Content) -> str:
    """Draw the magnitudes of a scan's errors on a logarithmic axis, negative ones as rings; as `scan_curve_picture`."""
    unit = content["unit"]
    figure, (axis,) = new_figure(1, WIDTH, 3.6 + LEGEND, top=LEGEND + 0.1)
    for row in content["curves"]:
        errors = [error_at(point, row["key"]) for point in content["points"]]
        if row["key"] != "symmetry" and any(error is not None and error != 0.0 for error in errors):
            drawn = [None if error is None else clipped_error(abs(error), unit) for error in errors]
            below = [error is not None and error < -SMALLEST_ERROR for error in errors]
            _line(axis, content, row["key"], drawn, {"linewidth": 1.2, **STYLES.get(row["key"], {})}, below)
    accuracy_line(axis, unit)
    log_axis(axis)
    axis.set_ylabel(f"error / {error_unit(unit)[1]}")
    return _finished(figure, axis, content)


def _line(
    axis: Any,
    content: Content,
    key: str,
    numbers: Sequence[float | None],
    style: dict[str, Any],
    hollow: Sequence[bool] = (),
) -> None:
    """Draw a curve, broken where a point is missing or the structure changes; points may have hollow markers."""
    starts = {piece["positions"][0] for piece in content["segments"][1:]} if key == FINAL else set()
    label: str | None = "exact" if key == "exact" else curve_label(content, key)
    x: list[float] = []
    y: list[float] = []
    rings: list[bool] = []
    for k, (point, number) in enumerate(zip(content["points"], numbers, strict=True)):
        if k in starts or number is None:
            label = _draw(axis, x, y, rings, label, style)
            x, y, rings = [], [], []
        if number is not None:
            x.append(point["value"])
            y.append(number)
            rings.append(bool(hollow) and hollow[k])
    _draw(axis, x, y, rings, label, style)


def _draw(
    axis: Any, x: list[float], y: list[float], rings: list[bool], label: str | None, style: dict[str, Any]
) -> str | None:
    """Draw a piece and return the label of the next one, which has none."""
    if not x:
        return label
    filled = [k for k, ring in enumerate(rings) if not ring]
    chosen = {"marker": "." if len(x) == 1 else None, **style, "label": label, "markevery": filled}
    (line,) = axis.plot(x, y, **chosen)
    if len(filled) < len(x):
        ring = {"marker": "o", "markersize": RING, "markerfacecolor": "none", "linestyle": ""}
        axis.plot(x, y, **ring, color=line.get_color(), markevery=[k for k in range(len(x)) if rings[k]])
    return None


def _finished(figure: Any, axis: Any, content: Content) -> str:
    coordinate = content["coordinate"]
    axis.set_xlabel(coordinate["name"].replace("_", " ") + (f" / {coordinate['unit']}" if coordinate["unit"] else ""))
    axis.legend(frameon=False, fontsize=0.85 * FONT, ncols=4, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return svg_text(figure)
