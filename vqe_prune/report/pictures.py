"""Pictures of a run as SVG, by Matplotlib: optimiser steps and the pruning path, and what other pictures share."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vqe_prune.units import CHEMICAL_ACCURACY, HARTREE, error_unit
from vqe_prune.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALLEST_ERROR = 1e-9
"""Errors (hartree or J) below this are drawn at it: the axis is logarithmic."""

COLOURS = ("#2f7fd8", "#d9822b", "#1f9d6b", "#b0468f", "#8a7bd8", "#a3862a")
"""Readable on white and on near-black."""

GREY = "#888888"
FONT = 10.0
"""Points; Matplotlib's own."""

WIDTH = 5.2
"""Inches: letters are still readable where a phone shows all of it."""

GROWTH = 1.15
"""How much larger a desk shows it."""


MOST_MARKED = 300
"""Steps; of more the curve is drawn without a dot for each, which would overlap and take most of the page's bytes."""


def energy_picture(steps: Sequence[Mapping[str, Any]], unit: str = HARTREE) -> str:
    """Draw the energy and its error at every optimiser step.

    Args:
        steps: stage, step, energy and error (or None) in their order.
        unit: Of energies and errors.

    Returns:
        An SVG element.

    """
    from matplotlib.ticker import MaxNLocator

    has_error = bool(steps) and all(step["error"] is not None for step in steps)
    figure, axes = new_figure(2 if has_error else 1, WIDTH, 4.4 if has_error else 2.6)
    stages = list(dict.fromkeys(step["stage"] for step in steps))
    for stage, colour in zip(stages, COLOURS * len(stages), strict=False):
        positions = [k for k, step in enumerate(steps, start=1) if step["stage"] == stage]
        chosen = [step for step in steps if step["stage"] == stage]
        marker = "." if len(steps) <= MOST_MARKED else ""
        style: dict[str, Any] = {"color": colour, "label": stage, "marker": marker, "linewidth": 1.2}
        axes[0].plot(positions, [step["energy"] for step in chosen], **style)
        if has_error:
            axes[1].plot(positions, [clipped_error(step["error"], unit) for step in chosen], **style)
    axes[0].set_ylabel(f"energy / {unit}")
    axes[0].ticklabel_format(useOffset=False)
    axes[0].legend(frameon=False)
    if has_error:
        accuracy_line(axes[1], unit)
        log_axis(axes[1])
        axes[1].set_ylabel(f"error / {error_unit(unit)[1]}")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[-1].set_xlabel("optimiser step")
    return svg_text(figure)


def path_picture(
    path: Sequence[Mapping[str, Any]], chosen: int | None, tolerance: float | None, unit: str = HARTREE
) -> str:
    """Draw the error of every point of a pruning path against its number of parameters.

    Args:
        path: n_parameters, n_rotations and error of each point.
        chosen: Index of the point that was chosen.
        tolerance: Largest allowed error.
        unit: Of the errors and the tolerance.

    Returns:
        An SVG element.

    """
    from matplotlib.ticker import MaxNLocator

    scale, name = error_unit(unit)
    figure, (axis,) = new_figure(1, WIDTH, 3.4, top=0.3)
    counts = [point["n_parameters"] for point in path]
    errors = [clipped_error(point["error"], unit) for point in path]
    axis.plot(counts, errors, color=COLOURS[0], marker="o", markersize=4, linewidth=1.2)
    if tolerance is not None:
        axis.axhline(scale * tolerance, color=COLOURS[1], linestyle="--", linewidth=1)
        style: dict[str, Any] = {
            "color": COLOURS[1],
            "ha": "left",
            "va": "bottom",
            "transform": axis.get_yaxis_transform(),
        }
        axis.text(0.02, scale * tolerance, "tolerance", **style)
    if chosen is not None:
        point, floor = path[chosen], clipped_error(0.0, unit)
        error = f"{errors[chosen]:.3g}" if errors[chosen] > floor else f"< {_short(floor)}"
        axis.plot(counts[chosen], errors[chosen], marker="o", markersize=11, fillstyle="none", color=COLOURS[3])
        axis.set_title(
            f"{counted(point['n_parameters'], 'parameter')}, {counted(point['n_rotations'], 'rotation')}, "
            f"{error} {name}",
            color=COLOURS[3],
            fontsize=FONT,
            loc="left",
        )
    log_axis(axis)
    axis.invert_xaxis()
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("parameters left")
    axis.set_ylabel(f"error / {name}")
    return svg_text(figure)


def new_figure(
    rows: int, width: float, height: float, *, top: float = 0.1, heights: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure that no window or global state knows of; rows of own `heights` have x axes of their own."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    grid = figure.subplots(rows, 1, squeeze=False, sharex=heights is None, height_ratios=heights)
    axes = list(grid[:, 0])
    space = 0.2 if heights is None else 0.65 * rows / sum(heights)
    figure.subplots_adjust(right=1 - 0.15 / width, bottom=0.5 / height, top=1 - top / height, hspace=space)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def clipped_error(error: float, unit: str) -> float:
    """An error as drawn."""
    return error_unit(unit)[0] * max(error, SMALLEST_ERROR)


def accuracy_line(axis: Axes, unit: str) -> None:
    """Draw a line at 1 kcal/mol, where energies are of molecules."""
    if unit != HARTREE:
        return
    axis.axhline(CHEMICAL_ACCURACY, color=GREY, linestyle=":", linewidth=1)
    style: dict[str, Any] = {
        "color": GREY,
        "ha": "right",
        "va": "bottom",
        "transform": axis.get_yaxis_transform(),
        "fontsize": 8,
    }
    axis.text(0.99, CHEMICAL_ACCURACY, "1 kcal/mol", **style)


def log_axis(axis: Axes) -> None:
    """Make the y axis logarithmic, with labels even where it spans less than two decades; call it after drawing."""
    from matplotlib.ticker import MaxNLocator

    axis.set_yscale("log")
    axis.minorticks_off()
    low, high = axis.get_ylim()
    if high < 1.1 * low:  # all but one value: labels would need many digits
        low, high = low / 1.05, high * 1.05
        axis.set_ylim(low, high)
    decades = [10.0**k for k in range(-18, 19) if low <= 10.0**k <= high]
    if len(decades) > 1:
        return
    ticks = [digit * 10.0**k for k in range(-18, 19) for digit in (1, 2, 5) if low <= digit * 10.0**k <= high]
    if len(ticks) < 3:
        ticks = [
            tick for tick in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= tick <= high
        ]
    axis.set_yticks(ticks, [_short(tick) for tick in ticks])


def _short(value: float) -> str:
    return f"{value:.4g}".replace("e-0", "e-")


def _fit_left(figure: Figure) -> None:
    """Give labels of the y axes the room they need by measuring their texts alone: nothing is drawn twice."""
    from matplotlib.textpath import text_to_path

    longest = 0.0
    for axis in figure.axes:
        labels = axis.yaxis.get_major_formatter().format_ticks(list(axis.yaxis.get_major_locator()()))
        font = axis.yaxis.get_major_ticks(1)[0].label1.get_fontproperties()
        for label in labels:
            longest = max(longest, text_to_path.get_text_width_height_descent(label, font, ismath="$" in label)[0])
    points = longest + 11 + 2 * FONT  # ticks, pads and the turned label
    figure.subplots_adjust(left=points / 72 / figure.get_figwidth())


def svg_text(figure: Figure) -> str:
    """The figure as an SVG element whose black follows the page's text colour; the same input gives the same text."""
    import matplotlib

    buffer = io.StringIO()
    _fit_left(figure)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "vqe_prune"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    width = f"{figure.get_figwidth() * 72 * GROWTH:.4g}pt"
    style = f'style="width:{width};max-width:100%"'
    text = re.sub(r' width="[0-9.]+pt" height="[0-9.]+pt"', f" {style}", text, count=1)
    text = re.sub(r"(stroke|fill): ?#000000", r"\1: currentColor", text)
    return text.replace('<g id="text', '<g fill="currentColor" id="text')
