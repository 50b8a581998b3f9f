"""Pictures of the task ctr as SVG, by Matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from vqe_prune.report.pictures import COLOURS, FONT, GREY, WIDTH, new_figure, svg_text

Content = Mapping[str, Any]


def fits_picture(runs: Sequence[Content]) -> str:
    """Draw training loss and validation area of each model along its passes.

    Args:
        runs: One a seed; their ``fits`` hold ``losses`` and ``areas`` by the name of the model.

    """
    from matplotlib.ticker import MaxNLocator

    names = list(dict.fromkeys(name for run in runs for name in run["fits"]))
    figure, (above, below) = new_figure(2, WIDTH, 4.6)
    for colour, name in zip(cycle(COLOURS), names, strict=False):
        rows = [run["fits"][name] for run in runs if name in run["fits"]]
        for axes, key in ((above, "losses"), (below, "areas")):
            for row in rows:
                axes.plot(range(1, len(row[key]) + 1), row[key], color=colour, alpha=0.3, linewidth=0.8)
            longest = max(len(row[key]) for row in rows)
            means = [np.mean([row[key][k] for row in rows if len(row[key]) > k]) for k in range(longest)]
            axes.plot(range(1, longest + 1), means, color=colour, linewidth=2, marker="o", markersize=3, label=name)
    above.set_ylabel("training loss / nat")
    below.set_ylabel("validation AUC")
    below.set_xlabel("pass over the training part")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    above.legend(frameon=False, fontsize=0.8 * FONT)
    return svg_text(figure)


def period_picture(summary: Sequence[Content], periods: Sequence[str]) -> str:
    """Draw the area under the ROC curve by meal time, a group of bars each.

    Args:
        summary: Rows of the record's summary.
        periods: Names of the meal times.

    """
    rows = list(summary[: len(COLOURS)])
    known = [name for name in periods if all(f"AUC {name}" in row["scores"] for row in rows)][:8]
    if not known or not rows:
        return ""
    figure, (axes,) = new_figure(1, WIDTH, 3.0)
    width = 0.8 / len(rows)
    for k, row in enumerate(rows):
        scores = [row["scores"][f"AUC {name}"] for name in known]
        places = np.arange(len(known)) + (k - (len(rows) - 1) / 2) * width
        heights, bars = [score["mean"] for score in scores], [score["deviation"] for score in scores]
        axes.bar(places, np.array(heights) - 0.5, width, bottom=0.5, yerr=bars, color=COLOURS[k], label=row["name"])
    axes.axhline(0.5, color=GREY, linewidth=0.8)
    axes.set_xticks(range(len(known)), known)
    axes.set_ylabel("AUC")
    axes.set_ylim(0.5, 0.5 + 1.35 * (axes.get_ylim()[1] - 0.5))  # room for the names
    axes.legend(frameon=False, fontsize=0.8 * FONT, ncols=3, loc="upper left")
    return svg_text(figure)
