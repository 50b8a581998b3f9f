"""Energies measured on a processor, as a picture and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vqe_prune.report.pictures import COLOURS, GREY, WIDTH, new_figure, svg_text
from vqe_prune.units import HARTREE

ROW = 0.24
"""Inches of an estimate."""

LABEL = 8
"""Points of the estimates' names, the longest of which would else take half of the picture."""

EXPLANATIONS = {
    "raw": "the outcomes as they are: all noise is in it, and pulls it towards the energy of a random state",
    "post_selection": "shots with a wrong number of electrons, pairs or parity are thrown away; errors that keep these "
    "numbers stay",
    "readout": "outcomes are corrected by how often each qubit was misread on circuits of known outcome; errors of "
    "gates stay",
    "reference": "the error of the same circuit at angles of almost zero, whose energy is known, is subtracted; it "
    "takes noise to be the same at all angles",
    "clifford": "the energy is stretched by the factor by which noise shrinks those of nearby Clifford circuits, which "
    "are known",
    "zne": "the noise is made three times as large and the energy extrapolated to none; it takes two-qubit gates for "
    "the only ones that err",
}
"""What is done to the outcomes, by the words of an estimate's name, and what error stays."""

KEPT = (
    "the share of shots that post-selection kept; after readout correction it is a weight of which noise can make "
    "somewhat more than 1, shown as 1"
)


def explanations(device: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what each word among the names of a device's estimates means, one sentence each, and what kept means.

    Args:
        device: Of the record.

    """
    names = [each["name"] for measured in device["measurements"] for each in measured["estimates"]]
    words = {word for name in names for word in name.replace(",", "").split()}
    return [(word, text) for word, text in EXPLANATIONS.items() if word in words] + ([("kept", KEPT)] if names else [])


def device_picture(device: Mapping[str, Any], exact: float | None, unit: str = HARTREE) -> str:
    """Draw each measured energy with two standard errors, beside the noiseless energy of its circuit and the exact one.

    Args:
        device: Of the record; stages that were not measured are left out.
        exact: The exact energy, None where it is not known.
        unit: Of the energies.

    Returns:
        An SVG element, an empty string where nothing was measured.

    """
    measurements = [measured for measured in device["measurements"] if measured["estimates"]]
    if not measurements:
        return ""
    n_rows = sum(len(measured["estimates"]) + 1 for measured in measurements)
    figure, (axis,) = new_figure(1, WIDTH, ROW * n_rows + 1.0, top=0.4)
    labels, row = {}, 0
    style: dict[str, Any] = {"elinewidth": 1.2, "capsize": 2.5, "linestyle": "none"}
    for measured, colour in zip(measurements, COLOURS * len(measurements), strict=False):
        top = row
        labels[row], row = str(measured["stage"]), row + 1
        for each in measured["estimates"]:
            chosen = each["name"] == measured["mitigated"]
            marker = "*" if chosen else "."
            bar, size = 2.0 * each["error_bar"], 10 if chosen else 7
            axis.errorbar(each["energy"], row, xerr=bar, color=colour, marker=marker, markersize=size, **style)
            labels[row], row = each["name"] + (" *" if chosen else ""), row + 1
        noiseless = measured["noiseless_energy"]
        axis.vlines(noiseless, top + 0.4, row - 0.5, color=colour, linestyle="--", linewidth=1.2)
    if exact is not None:
        axis.axvline(exact, color=GREY, linestyle=":", linewidth=1.2)
        where: dict[str, Any] = {"transform": axis.get_xaxis_transform(), "fontsize": LABEL, "color": GREY}
        axis.text(exact, 1.01, "exact", ha="center", va="bottom", **where)
    axis.set_ylim(row - 0.5, -0.5)
    axis.set_yticks(list(labels), list(labels.values()), fontsize=LABEL)
    axis.tick_params(axis="y", length=0)
    for place, tick in zip(labels, axis.get_yticklabels(), strict=True):
        if labels[place] in {str(measured["stage"]) for measured in measurements}:
            tick.set_fontweight("bold")
    axis.ticklabel_format(axis="x", useOffset=False)
    axis.locator_params(axis="x", nbins=4)
    axis.margins(x=0.08)
    axis.set_xlabel(f"energy / {unit}")
    return svg_text(figure)
