"""An optimisation on a processor, as text, as rows of a table and as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vqe_prune.report.pictures import COLOURS, WIDTH, new_figure, svg_text
from vqe_prune.report.table import format_error
from vqe_prune.units import HARTREE, error_unit

MOST_ROWS = 12
"""Longer histories are thinned out, first and last iteration kept."""

WIDTHS = (10, 20, 14, 18, 26, 10)


def optimization_header(unit: str = HARTREE) -> list[str]:
    """Return what the texts of `optimization_rows` are."""
    name = error_unit(unit)[1]
    return ["iteration", f"energy / {unit}", f"+- / {name}", "noiseless there", f"gradient / {name}", "shots"]


def optimization_rows(found: Mapping[str, Any], unit: str = HARTREE) -> list[list[str]]:
    """Return texts of some iterations: measured energy, its bar, the noiseless energy there, the gradient's norm.

    Args:
        found: ``optimization`` of the record's device.
        unit: Of the energies.

    """
    iterations = found["iterations"]
    step = max(1, math.ceil(len(iterations) / MOST_ROWS))
    shown = sorted({*range(0, len(iterations), step), len(iterations) - 1} - {-1})
    rows = []
    for k in shown:
        each = iterations[k]
        norm, bar = (math.sqrt(sum(g * g for g in each[key])) for key in ("gradient", "gradient_bars"))
        rows.append(
            [
                str(k + 1),
                f"{each['energy']:.6f}",
                _digits(each["error_bar"], unit),
                f"{each['noiseless_energy']:.6f}",
                f"{_digits(norm, unit)} +- {_digits(bar, unit)}",
                str(each["shots"]),
            ]
        )
    return rows


def optimization_title(found: Mapping[str, Any]) -> str:
    """Return what was done, or why nothing was."""
    if found["left_out"]:
        return f"{found['method']}: nothing optimised: {found['left_out']}"
    kind = "post-selected" if found["post_selection"] else "raw"
    return (
        f"Optimised there by {found['method']} from {found['start']} angles, {found['n_circuits']} circuits an "
        f"iteration, {kind} energies, {found['shots']} shots in all; {found['stop']}"
    )


def format_optimization(found: Mapping[str, Any], unit: str = HARTREE) -> str:
    """Return an optimisation on a processor as text.

    Args:
        found: ``optimization`` of the record's device.
        unit: Of the energies; errors are in mHa for hartree.

    """
    lines = [optimization_title(found)]
    rows = optimization_rows(found, unit)
    if rows:
        header = _line(optimization_header(unit))
        lines += [header, "-" * len(header), *map(_line, rows), "Final angles are the mean over the last iterations."]
    return "\n".join(lines)


def optimization_picture(found: Mapping[str, Any], unit: str = HARTREE) -> str:
    """Draw the measured energy with two standard errors at each iteration beside the noiseless one at its angles.

    Args:
        found: ``optimization`` of the record's device.
        unit: Of the energies.

    Returns:
        An SVG element.

    """
    from matplotlib.ticker import MaxNLocator

    figure, (axis,) = new_figure(1, WIDTH, 3.1, top=0.55)
    iterations = found["iterations"]
    numbers = range(1, len(iterations) + 1)
    energies, bars = [each["energy"] for each in iterations], [2.0 * each["error_bar"] for each in iterations]
    style: dict[str, Any] = {"fmt": ".", "elinewidth": 1, "capsize": 2}
    axis.errorbar(numbers, energies, yerr=bars, color=COLOURS[0], label="measured, 2 standard errors", **style)
    exact = [each["noiseless_energy"] for each in iterations]
    axis.plot(numbers, exact, color=COLOURS[1], linewidth=1.4, label="without noise at these angles")
    axis.set_ylabel(f"energy / {unit}")
    axis.ticklabel_format(useOffset=False)
    axis.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.2)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("iteration")
    return svg_text(figure)


def _line(cells: list[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))


def _digits(value: float, unit: str) -> str:
    return f"{1e3 * value:.2f}" if unit == HARTREE else format_error(value, unit)
