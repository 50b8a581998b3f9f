"""Pareto fronts of pruned ansätze: parameters and two-qubit gates against the error, and their pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vqe_prune.report.pictures import COLOURS, GREY, WIDTH, clipped_error, log_axis, new_figure, svg_text
from vqe_prune.units import error_unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAME_ERROR = 1e-6
"""Errors closer than this (hartree or J) are equal: optima of one ansatz from different starts differ by rounding."""

FADING = ("#161616", "#e8e8e8")
"""Letters and axes on a light and on a dark page."""

MARKERS = "osD^v<>ph*XPd"


class Point(NamedTuple):
    """What an ansatz costs and how wrong its energy is (hartree or J)."""

    n_parameters: int
    n_two_qubit_gates: int
    error: float


def dominates(first: Point, second: Point, *, axes: Sequence[str] = ("n_parameters", "n_two_qubit_gates")) -> bool:
    """Whether a point is at most as costly and at most as wrong as another one, and strictly better in one of these.

    Args:
        first: The point that may be better.
        second: The other one.
        axes: Costs to look at beside the error.

    """
    gain = second.error - first.error
    costs = [getattr(first, axis) - getattr(second, axis) for axis in axes]
    return all(cost <= 0 for cost in costs) and gain >= -SAME_ERROR and (gain > SAME_ERROR or min(costs) < 0)


def dominators(point: Point, others: Mapping[str, Iterable[Point]], **axes: Sequence[str]) -> dict[str, Point]:
    """Return the methods that have a point which dominates another one, with the most accurate of these points."""
    better = {name: [p for p in points if dominates(p, point, **axes)] for name, points in others.items()}
    return {name: min(points, key=lambda p: p.error) for name, points in better.items() if points}


def smaller(point: Point, others: Mapping[str, Iterable[Point]], tolerance: float) -> list[str]:
    """Return the methods that are within a tolerance with at most the same parameters and gates, and less of one."""
    cost = point.n_parameters, point.n_two_qubit_gates
    found = []
    for name, points in others.items():
        costs = [(p.n_parameters, p.n_two_qubit_gates) for p in points if p.error <= tolerance + SAME_ERROR]
        if any(c != cost and c[0] <= cost[0] and c[1] <= cost[1] for c in costs):
            found.append(name)
    return found


def front(points: Iterable[Point]) -> list[Point]:
    """Return the points that no other one of them dominates, each once, fewest parameters first."""
    found: list[Point] = []
    unique = sorted(set(points))
    for point in unique:
        known = any(p[:2] == point[:2] and abs(p.error - point.error) <= SAME_ERROR for p in found)
        if not known and not any(dominates(other, point) for other in unique):
            found.append(point)
    return found


def staircase(points: Iterable[Point], axis: str) -> list[Point]:
    """Return what is undominated in the plane of one cost and the error, cheapest first."""
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (getattr(p, axis), p.error)):
        if not found or point.error < found[-1].error:
            found.append(point)
    return found


def pareto_picture(
    title: str, lines: Mapping[str, Sequence[Point]], spots: Mapping[str, Sequence[Point]], tolerance: float, unit: str
) -> str:
    """Draw errors against parameters and against two-qubit gates.

    Args:
        title: Name of the case.
        lines: Points of methods that have a path.
        spots: Points of methods that end where the tolerance lets them.
        tolerance: Largest allowed error, in the unit.
        unit: Of the errors.

    Returns:
        An SVG document.

    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_figure(2, WIDTH + 0.8, 7.4, top=1.3, heights=(2.6, 2.6))
    scale, name = error_unit(unit)
    columns = ("n_parameters", "n_two_qubit_gates")
    everything = [p for points in (*lines.values(), *spots.values()) for p in points]
    for axis, column in zip(axes, columns, strict=True):
        for k, (method, points) in enumerate(lines.items()):
            steps = staircase(points, column)
            style: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k], "markersize": 4}
            style |= {"linewidth": 2.0 if k == 0 else 1.0, "zorder": 3 if k == 0 else 2}
            axis.plot(*_columns(steps, column, unit), label=method, **style)
        for k, (method, points) in enumerate(spots.items()):
            style = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[-1 - k % len(MARKERS)], "markersize": 7}
            axis.plot(*_columns(points, column, unit), label=method, linestyle="none", fillstyle="none", **style)
        axis.axhline(scale * tolerance, color=GREY, linestyle=":", linewidth=1)
        axis.set_ylim(*_range([scale * tolerance, *(clipped_error(p.error, unit) for p in everything)], scale))
        log_axis(axis)
        axis.set_ylabel(f"error / {name}")
        most = max(getattr(p, column) for points in lines.values() for p in points)
        axis.set_xlim(0, 1.05 * most)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_xlabel("parameters")
    axes[1].set_xlabel("two-qubit gates")
    axes[0].set_title(title, loc="left", pad=72, fontsize=11)
    axes[0].legend(frameon=False, fontsize=7, ncols=3, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderpad=0)
    return picture_file(figure)


def picture_file(figure: Figure) -> str:
    """Return a figure as an SVG document of its own, whose letters are readable on light and dark pages."""
    light, dark = FADING
    style_text = f"svg{{color:{light}}}@media (prefers-color-scheme:dark){{svg{{color:{dark}}}}}"
    picture = svg_text(figure)
    opening = picture.index(">") + 1
    tag = re.sub(r'style="width:([0-9.]+pt);max-width:100%"', r'width="\1"', picture[:opening])  # a file of its own
    return f"{tag}<style>{style_text}</style>{picture[opening:]}\n"


def _columns(points: Iterable[Point], column: str, unit: str) -> tuple[list[float], list[float]]:
    points = list(points)
    return [getattr(p, column) for p in points], [clipped_error(p.error, unit) for p in points]


def _range(errors: Sequence[float], scale: float) -> tuple[float, float]:
    """From the smallest error, at most four decades below the tolerance, to at most two above it."""
    middle = errors[0]
    return max(min(errors) / 1.5, 1e-4 * middle), min(max(errors) * 1.5, 1e2 * middle)
