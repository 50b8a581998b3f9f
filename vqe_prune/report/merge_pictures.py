"""What pruning buys, as a picture: error against two-qubit gates and against parameters, over many runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vqe_prune.report.merge import Row
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
from vqe_prune.units import error_unit

MARKERS = ("o", "s", "^", "D", "v", "P")
CONTROL_MARKERS = ("x", "+", "1", "2")


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other one beats in both numbers, by the first number.

    >>> pareto_front([(3, 1.0), (1, 4.0), (2, 5.0), (2, 2.0)])
    [(1, 4.0), (2, 2.0), (3, 1.0)]

    """
    best: list[tuple[float, float]] = []
    for size, error in sorted(points):
        if not best or error < best[-1][1]:
            best.append((size, error))
    return best


def pareto_picture(rows: Sequence[Row]) -> str:
    """Draw the errors of the runs of one problem against their two-qubit gates and their parameters.

    Rules have filled markers, controls crosses, ansätze as built hollow squares; hollow rings are energies below the
    exact one. The line joins the runs that no other one beats.

    Args:
        rows: Runs of one problem.

    Returns:
        An SVG element, an empty text where no error is known.

    """
    known = [row for row in rows if row.values["error"] is not None]
    if not known:
        return ""
    unit = str(known[0].values["unit"])
    figure, axes = new_figure(2, WIDTH, 6.0, heights=[2.2, 2.2])
    for axis, key, name in zip(axes, ("two_qubit_gates", "parameters"), ("two-qubit gates", "parameters"), strict=True):
        _draw(axis, known, key, unit)
        accuracy_line(axis, unit)
        log_axis(axis)
        axis.set_xlabel(name)
        if axis.get_xscale() == "linear":
            axis.locator_params(axis="x", integer=True)
        axis.set_ylabel(f"error / {error_unit(unit)[1]}")
    axes[0].legend(frameon=False, fontsize=0.85 * FONT, ncols=2)
    return svg_text(figure)


def _draw(axis: Any, rows: Sequence[Row], key: str, unit: str) -> None:
    """Draw one panel; sizes above a hundred times the smallest get a logarithmic axis."""
    full = {(row.values[f"full_{key}"], row.values["full_error"]) for row in rows}
    built = sorted((size, error) for size, error in full if error is not None)
    style: dict[str, Any] = {"linestyle": "", "color": GREY, "markersize": 6}
    if built:
        errors = [clipped_error(abs(error), unit) for _, error in built]
        axis.plot([size for size, _ in built], errors, marker="s", fillstyle="none", label="as built", **style)
    sizes = [size for size, _ in built] + [row.values[key] for row in rows]
    if max(sizes) > 100 * max(1, min(sizes)):
        axis.set_xscale("symlog", linthresh=1.0, linscale=0.3)
    points = [(row.values[key], clipped_error(abs(row.values["error"]), unit)) for row in rows]
    best = pareto_front(points)
    axis.step([x for x, _ in best], [y for _, y in best], where="post", color=GREY, linewidth=0.8)
    rules = list(dict.fromkeys((row.values["control"], row.values["pruner"]) for row in rows))
    kinds = {False: 0, True: 0}
    for control, rule in rules:
        place, kinds[control] = kinds[control], kinds[control] + 1
        markers = CONTROL_MARKERS if control else MARKERS
        colour = GREY if control else COLOURS[place % len(COLOURS)]
        chosen = [k for k, row in enumerate(rows) if row.values["pruner"] == rule]
        look: dict[str, Any] = {"linestyle": "", "marker": markers[place % len(markers)], "color": colour}
        name = rule.removeprefix("symmetry+")  # the exact rule comes before all others
        label = f"{name} (control)" if control else name
        axis.plot([points[k][0] for k in chosen], [points[k][1] for k in chosen], markersize=5, label=label, **look)
        below = [k for k in chosen if rows[k].values["error"] < -SMALLEST_ERROR]
        ring: dict[str, Any] = {"linestyle": "", "marker": "o", "fillstyle": "none", "color": colour, "markersize": 9}
        axis.plot([points[k][0] for k in below], [points[k][1] for k in below], **ring)
