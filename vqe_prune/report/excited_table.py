"""Excited states of a run, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vqe_prune.report.table import millihartree

EV = 27.211386245988
"""One hartree in electronvolt; CODATA 2018."""


WIDTHS = (5, 7, 6, 8, 12, 9, 10, 11, 11, 8, 6, 7)


def excited_header(deflated: bool) -> list[str]:
    """Return what the texts of `excited_rows` are; energies above the ground state, errors in mHa."""
    last = ["full", "pruned"] if deflated else []
    return ["state", "irrep", "2S+1", "<S^2>", "E - E0 / Ha", "eV", "exact eV", "error mHa", "total mHa", "f", *last]


def excited_rows(excited: Mapping[str, Any]) -> list[list[str]]:
    """Return one row of texts for each excited state, in the order of `excited_header`."""
    rows = []
    for number, state in enumerate(excited["states"], start=1):
        exact, above = state["exact_excitation_energy"], state["excitation_energy"]
        error = None if exact is None else above - exact
        total = None if state["exact_energy"] is None else state["energy"] - state["exact_energy"]
        strength = state["oscillator_strength"]
        row = [
            str(number),
            state["irrep"],
            str(state["multiplicity"]),
            f"{state['spin_squared']:.4f}".replace("-0.0000", "0.0000"),
            f"{above:.6f}",
            f"{EV * above:.4f}",
            "" if exact is None else f"{EV * exact:.4f}",
            millihartree(error),
            millihartree(total),
            "" if strength is None else f"{strength:.4f}",
        ]
        if "n_parameters" in state:
            row += [str(state["n_parameters_full"]), str(state["n_parameters"])]
        rows.append(row)
    return rows


def format_excited(excited: Mapping[str, Any]) -> str:
    """Return the table of excited states with what it was made by."""
    rows = excited_rows(excited)
    header = excited_header(any("n_parameters" in state for state in excited["states"]))
    lines = [
        f"{row[0]:<{WIDTHS[0]}}" + "".join(f"{cell:>{width}}" for cell, width in zip(row[1:], WIDTHS[1:], strict=False))
        for row in (header, *rows)
    ]
    notes = [f"Note: {note}" for note in excited.get("notes", ())]
    return "\n".join([*excited_titles(excited), lines[0], "-" * len(lines[0]), *lines[1:], *notes])


def excited_titles(excited: Mapping[str, Any]) -> list[str]:
    """Return in words how the states were found and what they are counted from."""
    if excited["method"] == "deflation":
        how = f"deflation: ansatz {excited['ansatz']}, penalty {excited['penalty']:.3g} hartree"
    else:
        how = (
            f"{excited['method']}: {excited['subspace_dimension']} of {excited['n_operators']} operators for "
            f"{excited['sector_dimension']} determinants"
        )
    exact, ground = excited["exact_ground_energy"], excited["ground_energy"]
    error = "" if exact is None else f", {millihartree(ground - exact)} mHa above the exact one"
    return [f"Excited states by {how}", f"Ground state E0 by the same: {ground:.8f} hartree{error}"]
