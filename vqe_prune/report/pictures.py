"""Pictures of a run as SVG, by Matplotlib: optimiser steps, the pruning path, the circuit."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHEMICAL_ACCURACY = 1.594
"""1 kcal/mol in mHa."""

SMALLEST_ERROR = 1e-6
"""Errors (mHa) below this are drawn at it: the axis is logarithmic."""

COLOURS = ("#2f7fd8", "#d9822b", "#1f9d6b", "#b0468f", "#8a7bd8", "#a3862a")
"""Readable on white and on near-black."""

MOST_ROTATIONS = 60
"""Larger circuits are not drawn."""

Rotations = Sequence[tuple[str, tuple[int, ...], tuple[int, ...], int, float]]
"""Label, created and annihilated spin orbitals, parameter and angle (radian) of each rotation."""


def energy_picture(steps: Sequence[Mapping[str, Any]]) -> str:
    """Draw the energy and its error at every optimiser step.

    Args:
        steps: stage, step, energy (hartree) and error (hartree or None) in their order.

    Returns:
        An SVG element.

    """
    from matplotlib.ticker import MaxNLocator

    has_error = bool(steps) and all(step["error"] is not None for step in steps)
    figure, axes = _figure(2 if has_error else 1, 6.4, 4.6 if has_error else 2.6)
    stages = list(dict.fromkeys(step["stage"] for step in steps))
    for stage, colour in zip(stages, COLOURS * len(stages), strict=False):
        positions = [k for k, step in enumerate(steps, start=1) if step["stage"] == stage]
        chosen = [step for step in steps if step["stage"] == stage]
        style = {"color": colour, "label": stage, "marker": ".", "linewidth": 1.2}
        axes[0].plot(positions, [step["energy"] for step in chosen], **style)
        if has_error:
            axes[1].plot(positions, [_clipped(step["error"]) for step in chosen], **style)
    axes[0].set_ylabel("energy / hartree")
    axes[0].ticklabel_format(useOffset=False)
    axes[0].legend(frameon=False)
    if has_error:
        axes[1].set_yscale("log")
        axes[1].minorticks_off()
        _accuracy_line(axes[1])
        axes[1].set_ylabel("error / mHa")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[-1].set_xlabel("optimiser step")
    return _svg(figure)


def path_picture(path: Sequence[Mapping[str, Any]], chosen: int | None, tolerance: float | None) -> str:
    """Draw the error of every point of a pruning path against its number of parameters.

    Args:
        path: n_parameters, n_rotations and error (hartree) of each point.
        chosen: Index of the point that was chosen.
        tolerance: Largest allowed error, hartree.

    Returns:
        An SVG element.

    """
    from matplotlib.ticker import MaxNLocator

    figure, (axis,) = _figure(1, 6.4, 3.6)
    counts = [point["n_parameters"] for point in path]
    errors = [_clipped(point["error"]) for point in path]
    axis.plot(counts, errors, color=COLOURS[0], marker="o", markersize=4, linewidth=1.2)
    axis.set_yscale("log")
    axis.minorticks_off()
    if tolerance is not None:
        axis.axhline(1e3 * tolerance, color=COLOURS[1], linestyle="--", linewidth=1)
        axis.text(max(counts), 1e3 * tolerance, "tolerance", color=COLOURS[1], ha="left", va="bottom")
    if chosen is not None:
        point = path[chosen]
        axis.plot(counts[chosen], errors[chosen], marker="o", markersize=11, fillstyle="none", color=COLOURS[3])
        axis.annotate(
            f"{point['n_parameters']} parameters, {point['n_rotations']} rotations, {errors[chosen]:.3g} mHa",
            (counts[chosen], errors[chosen]),
            xytext=(0.03, 0.93),
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "color": COLOURS[3], "linewidth": 0.8},
            color=COLOURS[3],
        )
    axis.invert_xaxis()
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("parameters left")
    axis.set_ylabel("error / mHa")
    return _svg(figure)


def circuit_picture(rotations: Rotations, occupied: Sequence[int]) -> str:
    """Draw the rotations of an ansatz on the spin orbitals they act on.

    Args:
        rotations: In the order in which they act.
        occupied: Spin orbitals that the reference fills.

    Returns:
        An SVG element, or a sentence where there are too many or none.

    """
    if not rotations or len(rotations) > MOST_ROTATIONS:
        return f"<p>{len(rotations)} rotations: not drawn.</p>"
    wires = sorted({q for _, created, annihilated, _, _ in rotations for q in (*created, *annihilated)})
    height = {q: -k for k, q in enumerate(wires)}
    figure, (axis,) = _figure(1, 1.2 + 0.62 * len(rotations), 1.1 + 0.34 * len(wires))
    for q in wires:
        axis.axhline(height[q], color="#888888", linewidth=0.8, zorder=0)
        axis.text(-0.9, height[q], f"{q // 2}{'ab'[q % 2]}{' ●' if q in occupied else ' ○'}", ha="right", va="center")
    for x, (_, created, annihilated, parameter, angle) in enumerate(rotations):
        colour = COLOURS[parameter % len(COLOURS)]
        ends = [height[q] for q in (*created, *annihilated)]
        axis.plot([x, x], [min(ends), max(ends)], color=colour, linewidth=2)
        axis.plot([x] * len(created), [height[q] for q in created], "^", color=colour, markersize=9)
        axis.plot([x] * len(annihilated), [height[q] for q in annihilated], "v", color=colour, markersize=9)
        axis.text(x, 0.75, f"p{parameter}", ha="center", va="bottom", color=colour)
        axis.text(x, -len(wires) + 0.35, f"{angle:+.3f}", ha="center", va="top", fontsize=7)
    axis.set_xlim(-1.0, len(rotations) - 0.4)
    axis.set_ylim(-len(wires) - 0.3, 1.5)
    axis.set_axis_off()
    return _svg(figure, shrinks=False)


def _figure(rows: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure that no window or global state knows of."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axes = list(figure.subplots(rows, 1, squeeze=False, sharex=True)[:, 0])
    figure.subplots_adjust(left=0.85 / width, right=1 - 0.1 / width, bottom=0.5 / height, top=1 - 0.1 / height)
    for axis in axes:  # fixed margins: a layout engine would draw everything twice
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _clipped(error: float) -> float:
    return max(1e3 * error, SMALLEST_ERROR)


def _accuracy_line(axis: Axes) -> None:
    axis.axhline(CHEMICAL_ACCURACY, color="#888888", linestyle=":", linewidth=1)
    axis.text(0.99, CHEMICAL_ACCURACY, "1 kcal/mol", color="#888888", ha="right", transform=axis.get_yaxis_transform())


def _svg(figure: Figure, *, shrinks: bool = True) -> str:
    """The figure as an SVG element whose black follows the page's text colour; the same input gives the same text.

    A picture that does not shrink keeps its width on a phone, where its box scrolls.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "vqe_prune", "font.size": 9}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    width = r'\1 style="width:\2pt;max-width:' + ("100%" if shrinks else "none") + '"'
    text = re.sub(r'(<svg[^>]*?) width="([0-9.]+)pt" height="[0-9.]+pt"', width, text, count=1)
    text = re.sub(r"(stroke|fill): ?#000000", r"\1: currentColor", text)
    return text.replace('<g id="text', '<g fill="currentColor" id="text')
