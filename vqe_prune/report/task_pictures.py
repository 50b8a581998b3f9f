"""Pictures of a task as SVG: trainings, pruning paths, confusion matrices, samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vqe_prune.report.pictures import COLOURS, FONT, GREY, WIDTH, new_figure, svg_text

Content = Mapping[str, Any]

SMALLEST = 1e-12
"""Losses below this are drawn at it: the axis is logarithmic."""


def curves_picture(content: Content, name: str) -> str:
    """Draw the mean over the seeds of the losses of every training.

    Args:
        content: Of record.json; ``curves`` of its runs hold ``train`` and ``validation`` by the name of the row.
        name: What the loss is called.

    Returns:
        An SVG element.

    """
    from matplotlib.ticker import MaxNLocator

    figure, (axis,) = new_figure(1, WIDTH, 3.6)
    rows = list(dict.fromkeys(row for run in content["runs"] for row in run["curves"]))
    for row, colour in zip(rows, COLOURS * len(rows), strict=False):
        curves = [run["curves"][row] for run in content["runs"] if row in run["curves"]]
        for key, style in (("train", "-"), ("validation", "--")):
            mean = mean_curve([curve[key] for curve in curves])
            label = row if key == "train" else None
            axis.plot(range(len(mean)), mean, style, color=colour, label=label, linewidth=1.2)
    axis.set_yscale("log")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("epoch" if any(c["validation"] for r in content["runs"] for c in r["curves"].values()) else "step")
    axis.set_ylabel(name)
    axis.legend(frameon=False, fontsize=0.8 * FONT)
    return svg_text(figure)


def mean_curve(curves: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean at every step of the curves that are that long."""
    longest = max((len(curve) for curve in curves), default=0)
    return [max(float(np.mean([curve[k] for curve in curves if k < len(curve)])), SMALLEST) for k in range(longest)]


def pruning_picture(content: Content, name: str) -> str:
    """Draw the loss of every circuit on the pruning paths against its number of parameters.

    Args:
        content: Of record.json; ``paths`` of its runs hold pairs of number and loss by the name of the rule.
        name: What the loss is called.

    Returns:
        An SVG element.

    """
    figure, (axis,) = new_figure(1, WIDTH, 3.4)
    rules = list(dict.fromkeys(rule for run in content["runs"] for rule in run["paths"]))
    for rule, colour in zip(rules, COLOURS * len(rules), strict=False):
        for k, run in enumerate(content["runs"]):
            counts, losses = zip(*run["paths"][rule], strict=True)
            drawn = [max(loss, SMALLEST) for loss in losses]
            axis.plot(counts, drawn, color=colour, linewidth=1, alpha=0.8, label=None if k else rule)
    axis.set_yscale("log")
    axis.invert_xaxis()
    axis.set_xlabel("parameters left")
    axis.set_ylabel(name)
    axis.legend(frameon=False, fontsize=0.85 * FONT)
    return svg_text(figure)


def confusion_picture(matrices: Mapping[str, Sequence[Sequence[int]]], classes: Sequence[str]) -> str:
    """Draw confusion matrices side by side, the share of each row as shade, the count as text.

    Args:
        matrices: Counts by name; rows are true classes.
        classes: Their names.

    Returns:
        An SVG element.

    """
    n, k = len(classes), len(matrices)
    figure, (axis,) = new_figure(1, WIDTH, 0.9 + WIDTH / (k + 0.3) * 0.9)
    for place, (name, counts) in enumerate(matrices.items()):
        left = place * (n + 1.0)
        axis.text(left + n / 2, -0.25, name, ha="center", va="bottom", fontsize=FONT)
        for i, row in enumerate(counts):
            for j, count in enumerate(row):
                share = count / max(sum(row), 1)
                colour = COLOURS[0] if i == j else COLOURS[1]
                axis.fill(
                    [left + j, left + j + 1, left + j + 1, left + j], [i, i, i + 1, i + 1], color=colour, alpha=share
                )
                size = FONT if n < 5 else 0.6 * FONT
                axis.text(left + j + 0.5, i + 0.5, str(count), ha="center", va="center", fontsize=size)
            axis.text(left - 0.1, i + 0.5, classes[i], ha="right", va="center", fontsize=0.9 * FONT)
        for j in range(n):
            axis.text(left + j + 0.5, n + 0.1, classes[j], ha="center", va="top", fontsize=0.9 * FONT)
    axis.set_xlim(-0.5, k * (n + 1.0) - 0.9)
    axis.set_ylim(n + 0.4, -0.5)
    axis.set_axis_off()
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.02, top=0.98)
    return svg_text(figure)


def samples_picture(samples: Mapping[str, Content], rows: int, columns: int) -> str:
    """Draw images drawn from circuits, those that are not of the target framed.

    Args:
        samples: By name: ``samples``, bit strings of the pixels row by row, and ``valid``.
        rows: Of an image.
        columns: Of an image.

    Returns:
        An SVG element.

    """
    across = 12
    down = max(-(-len(each["samples"]) // across) for each in samples.values())
    step = columns + 1.0
    tall = down * (rows + 1.0) + 1.2
    figure, (axis,) = new_figure(1, WIDTH, WIDTH / (across * step) * tall * len(samples) + 0.1)
    for place, (name, drawn) in enumerate(samples.items()):
        top = place * tall
        axis.text(0, top + 0.2, name, ha="left", va="bottom", fontsize=0.9 * FONT)
        for k, (bits, valid) in enumerate(zip(drawn["samples"], drawn["valid"], strict=True)):
            x, y = (k % across) * step, top + 0.5 + (k // across) * (rows + 1.0)
            for pixel, bit in enumerate(bits):
                i, j = divmod(pixel, columns)
                corners = [x + j, x + j + 1, x + j + 1, x + j], [y + i, y + i, y + i + 1, y + i + 1]
                axis.fill(*corners, facecolor=COLOURS[0] if bit == "1" else "none", edgecolor=GREY, linewidth=0.4)
            if not valid:
                corners = [x - 0.2, x + columns + 0.2], [y - 0.2, y + rows + 0.2]
                (low, high), (first, last) = corners
                axis.plot(
                    [low, high, high, low, low], [first, first, last, last, first], color=COLOURS[1], linewidth=1.6
                )
    axis.set_xlim(-0.4, across * step)
    axis.set_ylim(len(samples) * tall, -0.8)
    axis.set_axis_off()
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.99)
    return svg_text(figure)
