"""Pictures of what stages are worth: Fisher spectra, dimensions, kernels, and training from many seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vqe_prune.report.pictures import COLOURS, GREY, WIDTH, clipped_error, log_axis, new_figure, svg_text
from vqe_prune.report.table import format_dimension
from vqe_prune.units import HARTREE, error_unit
from vqe_prune.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMALLEST_EIGENVALUE = 1e-10
"""Fisher eigenvalues below this fraction of the largest are drawn at it; they are rounding."""


def scores_picture(stages: Sequence[Mapping[str, Any]]) -> str:
    """Draw the Fisher spectra of the stages, and below them their dimensions beside their parameters.

    Args:
        stages: Stages of the record; those without scores are passed over.

    Returns:
        An SVG element, an empty string where no stage has scores.

    """
    scored = [stage for stage in stages if stage.get("scores")]
    spectra = [(stage["name"], values) for stage in scored if (values := stage["scores"].get("fisher_spectrum"))]
    if not scored:
        return ""
    rows = [_dimensions(stage) for stage in scored]
    heights = [2.2] * bool(spectra) + [0.6 + 0.17 * sum(len(row) + 1 for row in rows)]
    figure, axes = new_figure(len(heights), WIDTH, sum(heights) + 0.9, heights=heights)
    names = [stage["name"] for stage in scored]
    if spectra:
        largest = max(max(values) for _, values in spectra)
        for name, values in spectra:
            clipped = [max(value, SMALLEST_EIGENVALUE * largest or 1.0) for value in values]
            place = names.index(name)  # the first is the largest: equal spectra hide each other less
            style: dict[str, Any] = {
                "color": COLOURS[place % len(COLOURS)],
                "label": name,
                "marker": ".",
                "linewidth": 1.2,
            }
            axes[0].plot(range(1, len(values) + 1), clipped, markersize=max(4, 12 - 4 * place), **style)
        log_axis(axes[0])
        axes[0].set_ylabel("Fisher eigenvalue")
        axes[0].set_xlabel("index")
        axes[0].legend(frameon=False)
    _draw_dimensions(axes[-1], names, rows)
    return svg_text(figure)


def _dimensions(stage: Mapping[str, Any]) -> list[tuple[float, str, bool]]:
    """Value, value in words, and whether it is more than a lower bound, of each dimension of a stage that is known."""
    scores = {"n_parameters": stage["n_parameters"], **stage["scores"]}
    kinds = (
        ("parameters", "n_parameters", ""),
        ("Fisher rank", "fisher_rank", ""),
        ("d_eff", "d_eff", "d_eff_whole"),
        ("Lie algebra", "lie_dimension", "lie_whole"),
    )
    return [
        (scores[key], f"{format_dimension(scores, key, whole)} {kind}", scores.get(whole) is not False)
        for kind, key, whole in kinds
        if scores.get(key) is not None
    ]


def _draw_dimensions(axis: Axes, names: Sequence[str], rows: Sequence[Sequence[tuple[float, str, bool]]]) -> None:
    """Draw one dot a dimension, hollow where it is a lower bound, with words beside it; stages below each other."""
    largest = max(1.0, *(value for row in rows for value, _, _ in row))
    ticks, height = [], 0.0
    for row, colour in zip(rows, COLOURS * len(rows), strict=False):
        ticks.append(height - 0.5 * (len(row) - 1))
        for value, words, whole in row:
            style: dict[str, Any] = {"color": colour, "markersize": 6, "fillstyle": "full" if whole else "none"}
            axis.plot([value], [height], "o", **style)
            side = -1 if math.log1p(value) > 0.5 * math.log1p(largest) else 1  # where there is room
            place: dict[str, Any] = {
                "xytext": (7 * side, 0),
                "textcoords": "offset points",
                "ha": "right" if side < 0 else "left",
            }
            axis.annotate(words, (value, height), va="center", fontsize=8.5, **place)
            height -= 1.0
        height -= 0.8
    axis.set_yticks(ticks, names)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(height + 1.1, 0.7)
    axis.set_xscale("symlog", linthresh=1.0, linscale=0.3)
    axis.set_xlim(0.0, 1.5 * largest)
    axis.set_xlabel("dimension")


def kernel_picture(stages: Sequence[Mapping[str, Any]]) -> str:
    """Draw how strongly each stage is pulled to its ground state: kernels and gradient variance per parameter.

    Args:
        stages: Stages of the record; those without scores are passed over.

    Returns:
        An SVG element, an empty string where nothing was computed.

    """
    scored = [stage for stage in stages if stage.get("scores")]
    kinds = (
        ("qntk", "QNTK", "o"),
        ("haar_eqntk", "EQNTK (Haar)", "s"),
        ("gradient_variance", "gradient variance", "x"),
    )
    drawn = [
        (label, marker, [(k, value) for k, stage in enumerate(scored) if (value := stage["scores"].get(key))])
        for key, label, marker in kinds
    ]
    if not any(points for _, _, points in drawn):
        return ""
    figure, (axis,) = new_figure(1, WIDTH, 2.4)
    for place, (label, marker, points) in enumerate(drawn):
        style: dict[str, Any] = {"color": COLOURS[place], "marker": marker, "linewidth": 0.8, "markersize": 6}
        axis.plot([k for k, _ in points], [value for _, value in points], label=label, **style)
    log_axis(axis)
    axis.set_xticks(range(len(scored)), [stage["name"] for stage in scored])
    axis.set_xlim(-0.3, len(scored) - 0.7)
    axis.set_ylabel("per parameter")
    axis.legend(frameon=False)
    return svg_text(figure)


def training_picture(stages: Sequence[Mapping[str, Any]], unit: str = HARTREE) -> str:
    """Draw the error against the step for every stage that was trained from many seeds.

    Args:
        stages: Stages of the record; those without training are passed over.
        unit: Of the errors.

    Returns:
        An SVG element, an empty string where no stage was trained.

    """
    trained = [stage for stage in stages if stage.get("training")]
    if not trained:
        return ""
    figure, (axis,) = new_figure(1, WIDTH, 3.6)
    scale, name = error_unit(unit)
    for stage, colour in zip(trained, COLOURS * len(trained), strict=False):
        curve = stage["training"]["curve"]
        low, median, high = ([clipped_error(error, unit) for error in curve[key]] for key in ("low", "median", "high"))
        axis.fill_between(curve["steps"], low, high, color=colour, alpha=0.2, linewidth=0)
        label = f"{stage['name']}, {counted(stage['n_parameters'], 'parameter')}"
        axis.plot(curve["steps"], median, color=colour, linewidth=1.4, label=label)
    for threshold in sorted({scale * stage["training"]["threshold"] for stage in trained}):
        axis.axhline(threshold, color=GREY, linestyle=":", linewidth=1)
    log_axis(axis)
    axis.set_xlabel("optimiser step")
    axis.set_ylabel(f"error / {name}")
    axis.legend(frameon=False)
    return svg_text(figure)
