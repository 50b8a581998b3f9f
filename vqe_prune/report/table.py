"""A run in plain text, at most 100 columns wide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqe_prune.report.record import Record

NAMES = {"hf": "HF", "mp2": "MP2", "ccsd": "CCSD", "exact": "exact"}
MANY_ROTATIONS = 40
"""More rotations than this are counted, not listed."""


def millihartree(value: float | None, digits: int = 4) -> str:
    """Return an energy difference in mHa, an empty string for None, and zero without a minus sign."""
    if value is None:
        return ""
    text = f"{1e3 * value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def format_energies(energies: Mapping[str, float | None], name: str) -> str:
    """Return the reference energies (hartree) and their errors to the exact one (mHa)."""
    exact = energies["exact"]
    lines = [f"{name:<14}{'energy / hartree':>18}{'error / mHa':>14}"]
    for key, label in NAMES.items():
        energy = energies[key]
        if energy is None:
            lines.append(f"  {label:<12}{'not computed':>18}")
            continue
        error = millihartree(None if exact is None else energy - exact)
        lines.append(f"  {label:<12}{energy:>18.8f}{error:>14}")
    return "\n".join(lines)


def format_stages(stages: Sequence[Mapping[str, Any]]) -> str:
    """Return one row a stage: what it needs and how good it is."""
    header = (
        f"{'stage':<12}{'parameters':>11}{'rotations':>11}{'2-qubit gates':>15}{'depth':>8}{'qubits':>8}"
        f"{'energy / hartree':>19}{'error / mHa':>13}"
    )
    lines = [header, "-" * len(header)]
    for row in stages:
        lines.append(
            f"{row['name']:<12}{row['n_parameters']:>11}{row['n_rotations']:>11}{row['n_two_qubit_gates']:>15}"
            f"{row['depth']:>8}{row['n_qubits']:>8}{row['energy']:>19.8f}{millihartree(row['error_to_exact']):>13}"
        )
    return "\n".join(lines)


def removal_counts(plan: Sequence[Mapping[str, Any]]) -> list[tuple[int, str, str]]:
    """Return how many rotations had each decision for each reason, most frequent first; keeps are left out."""
    counts = Counter(
        (str(row["decision"]), reason_kind(str(row["reason"]))) for row in plan if row["decision"] != "keep"
    )
    return [(count, decision, reason) for (decision, reason), count in counts.most_common()]


def reason_kind(reason: str) -> str:
    """Return a reason without what is particular to one rotation."""
    if "shares its angle" in reason:
        return reason.split(" of ")[0]
    return reason.split(" of ")[0] if " score of " in reason else reason


def format_plan(plan: Sequence[Mapping[str, Any]], kept: Sequence[tuple[str, int, float]]) -> str:
    """Return what was removed and why, and the rotations that are left.

    Args:
        plan: Entries of the record's plan.
        kept: Label, parameter and angle (radian) of each rotation of the final ansatz.

    """
    lines = [f"{len(plan)} rotations -> {len(kept)}:"]
    verbs = {"drop": "dropped", "tie": "tied"}
    for count, decision, reason in removal_counts(plan):
        lines.append(f"  {count:>4} {verbs.get(decision, decision)}: {reason}")
    if len(kept) <= MANY_ROTATIONS:
        lines += [
            f"  kept: {label:<24} parameter {parameter:>3}, angle {angle:>9.5f}" for label, parameter, angle in kept
        ]
    return "\n".join(lines)


def format_certificate(certificate: Mapping[str, float | None]) -> str:
    """Return the certificate in mHa."""
    predicted, measured, bound = (certificate[key] for key in ("predicted_increase", "measured_increase", "bound"))
    return (
        f"Certificate: predicted increase {millihartree(predicted)} mHa, measured {millihartree(measured)} mHa, "
        f"at most {millihartree(bound)} mHa"
    )


def format_check(qsim: Mapping[str, float | None], times: Mapping[str, float], folder: Path | None) -> str:
    """Return qsim's verdict, the times and where the results are."""
    energy, difference = qsim["energy"], qsim["difference"]
    if energy is None or difference is None:
        lines = ["qsim: final circuit not simulated"]
    else:
        lines = [f"qsim: final circuit {energy:.7f} hartree, {difference:+.1e} from the exact engine"]
    parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in times.items() if name != "total")
    lines.append(f"Seconds: {parts}; {times['total']:.2f} in all")
    if folder is not None:
        lines.append(f"Results: {folder / 'report.html'} and {folder / 'record.json'}")
    return "\n".join(lines)


def summary(record: Record) -> str:
    """Return a whole record as text."""
    return "\n".join(
        [
            format_energies(record.energies, str(record.problem["name"])),
            format_stages(record.stages),
            format_certificate(record.certificate),
            format_check(record.qsim, record.times, None),
        ]
    )
