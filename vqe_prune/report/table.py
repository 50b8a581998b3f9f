"""A run in plain text, at most 100 columns wide."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqe_prune.paulis import CLIFFORD_QUBITS
from vqe_prune.report.record import Record
from vqe_prune.units import HARTREE, error_unit
from vqe_prune.wording import counted

NAMES = {"reference": "reference", "hf": "HF", "mp2": "MP2", "ccsd": "CCSD", "exact": "exact"}
NOT_COMPUTED = "not computed"
PARTS = ("problem", "pruning", "qsim", "device", "files")
"""Times that add up to the total; ``table`` in the record is when the tables were there."""

LONGEST_LABEL = 48
"""Longer names of rotations are cut in tables."""

MANY_ROTATIONS = 40
"""More rotations than this are counted, not listed."""

VERBS = {"drop": "dropped", "tie": "tied", "replace": "replaced", "merge": "merged", "absorb": "absorbed"}

SCORE_HEADER = (
    "stage", "parameters", "d_eff", "Lie dim.", "Fisher rank", "QNTK/param.", "EQNTK (Haar)", "grad. variance",
)  # fmt: skip
SCORE_WIDTHS = (12, 11, 10, 11, 12, 13, 14, 16)
TRAINING_WIDTHS = (12, 11, 8, 9, 17, 23, 19)


WRONG_NUMBER = 1e-6
"""A mean number of electrons or S_z this far from the reference's is not the sector that was asked for."""

WRONG_SPREAD = 1e-3
"""So is a variance of it, or an <S^2> that is this far from S (S + 1)."""

ANOTHER_SPIN = 0.1
"""An <S^2> nearer than this to S (S + 1) is a little of another spin mixed in, which pruning may do."""

ROUNDING = 1e-12
"""Smaller differences of energies are rounding."""


def format_error(value: float | None, unit: str = HARTREE) -> str:
    """Return an energy difference without its unit: mHa with 4 decimals for hartree, else 4 digits in `unit` itself.

    Rounding leaves about 1e-14 of an energy of ten, which is not worth digits.
    """
    if unit == HARTREE:
        return millihartree(value)
    if value is None:
        return ""
    return f"{value:.3e}" if abs(value) >= ROUNDING else "<1e-12" if value else "0"


def millihartree(value: float | None, digits: int = 4) -> str:
    """Return an energy difference in mHa, an empty string for None, and zero without a minus sign."""
    if value is None:
        return ""
    text = f"{1e3 * value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def energy_rows(energies: Mapping[str, float | None], unit: str = HARTREE) -> list[tuple[str, str, str]]:
    """Return name, energy and error of each reference energy as text.

    A row of a molecule says where its energy was not computed; a model has no Hartree-Fock or the like to speak of.
    """
    exact = energies["exact"]
    rows = []
    for key, label in NAMES.items():
        energy = energies.get(key)
        if energy is None:
            if key == "exact" or (unit == HARTREE and key != "reference"):
                rows.append((label, NOT_COMPUTED, ""))
            continue
        rows.append((label, f"{energy:.8f}", format_error(None if exact is None else energy - exact, unit)))
    return rows


def format_energies(energies: Mapping[str, float | None], name: str, unit: str = HARTREE) -> str:
    """Return the reference energies and their errors to the exact one.

    Args:
        energies: hf, mp2, ccsd, exact and, for problems on qubits, reference; None where not computed.
        name: Of the problem.
        unit: Of the energies; errors are in mHa for hartree.

    """
    width = max(14, len(name))
    lines = [f"{name:<{width}}{f'energy / {unit}':>18}{f'error / {error_unit(unit)[1]}':>14}"]
    for label, energy, error in energy_rows(energies, unit):
        lines.append(f"  {label:<{width - 2}}{energy:>18}" + ("" if energy == NOT_COMPUTED else f"{error:>14}"))
    return "\n".join(lines)


def format_stages(stages: Sequence[Mapping[str, Any]], unit: str = HARTREE) -> str:
    """Return one row a stage: what it needs and how good it is, energies in `unit`."""
    header = (
        f"{'stage':<12}{'parameters':>11}{'rotations':>11}{'2-qubit gates':>15}{'depth':>8}{'qubits':>8}"
        f"{f'energy / {unit}':>19}{f'error / {error_unit(unit)[1]}':>13}"
    )
    lines = [header, "-" * len(header)]
    for row in stages:
        lines.append(
            f"{row['name']:<12}{row['n_parameters']:>11}{row['n_rotations']:>11}{row['n_two_qubit_gates']:>15}"
            f"{row['depth']:>8}{row['n_qubits']:>8}{row['energy']:>19.8f}"
            f"{format_error(row['error_to_exact'], unit):>13}"
        )
    return "\n".join(lines)


def observable_texts(stage: Mapping[str, Any]) -> dict[str, str]:
    """Return <N>, <S_z> and <S^2> of a stage that has them, each with its variance where that is not zero."""
    texts = {}
    for label, name in (("<N>", "n_electrons_mean"), ("<S_z>", "spin_z"), ("<S^2>", "spin_squared")):
        value = stage.get(name)
        if value is None:
            continue
        variance = stage.get(f"{name.removesuffix('_mean')}_variance") or 0.0
        texts[label] = f"{value:.6f}".replace("-0.000000", "0.000000")
        texts[label] += f" (variance {variance:.1e})" if variance > WRONG_SPREAD else ""
    return texts


def format_observables(stages: Sequence[Mapping[str, Any]]) -> str:
    """Return one line about the last stage's state, an empty string where no observable means anything."""
    texts = observable_texts(stages[-1])
    return f"Final state: {', '.join(f'{label} = {text}' for label, text in texts.items())}" if texts else ""


def sector_complaints(record: Record) -> list[str]:
    """Say in words where the final state has other electron numbers or another total spin than was asked for.

    The reference has S = |n_alpha - n_beta| / 2. Spin models may end in any sector and are not judged.
    """
    alpha, beta = (record.problem.get(key) for key in ("n_alpha", "n_beta"))
    if type(alpha) is not int or type(beta) is not int:
        return []
    stage, spin = record.stages[-1], abs(alpha - beta) / 2
    found = []
    for label, name, wanted, allowed in (
        ("<N>", "n_electrons_mean", alpha + beta, WRONG_NUMBER),
        ("<S_z>", "spin_z", (alpha - beta) / 2, WRONG_NUMBER),
        ("<S^2>", "spin_squared", spin * (spin + 1), WRONG_SPREAD),
    ):
        value = stage.get(name)
        spread = stage.get(f"{name.removesuffix('_mean')}_variance") or 0.0
        if value is not None and (abs(value - wanted) > allowed or spread > WRONG_SPREAD):
            mixed = f", with a variance of {spread:.1e}" if spread > WRONG_SPREAD else ""
            slight = name == "spin_squared" and abs(value - wanted) < ANOTHER_SPIN
            verdict = "spin contamination" if slight else "wrong sector"
            found.append(f"{verdict}: the final state has {label} = {value:.6f}{mixed} instead of {wanted:g}")
    return found


def score_rows(stages: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return one row of texts, in the order of SCORE_HEADER, for each stage that has scores."""
    rows = []
    for stage in stages:
        scores = stage.get("scores")
        if not scores:
            continue
        rows.append(
            [
                str(stage["name"]),
                str(stage["n_parameters"]),
                format_dimension(scores, "d_eff", "d_eff_whole"),
                format_dimension(scores, "lie_dimension", "lie_whole"),
                format_dimension(scores, "fisher_rank"),
                *(
                    "-" if scores.get(key) is None else f"{scores[key]:.3e}"
                    for key in ("qntk", "haar_eqntk", "gradient_variance")
                ),
            ]
        )
    return rows


def format_dimension(scores: Mapping[str, Any], key: str, whole: str = "") -> str:
    """Return a dimension among a stage's scores, with >= where the search for it was cut off, - where unknown."""
    if scores.get(key) is None:
        return "-"
    return f"{'>= ' if scores.get(whole) is False else ''}{scores[key]:.8g}"


def format_scores(stages: Sequence[Mapping[str, Any]]) -> str:
    """Return one row for each stage that has scores, an empty string where none has.

    Args:
        stages: Stages of the record.

    """
    return _columns(SCORE_HEADER, score_rows(stages), SCORE_WIDTHS)


def training_header(unit: str = HARTREE) -> list[str]:
    """Return what the texts of `training_rows` are."""
    name = error_unit(unit)[1]
    return ["stage", "parameters", "method", "success", f"threshold / {name}", "steps to threshold", f"error / {name}"]


def training_rows(stages: Sequence[Mapping[str, Any]], unit: str = HARTREE) -> list[list[str]]:
    """Return one row of texts, in the order of `training_header`, for each stage that was trained from many seeds."""
    rows = []
    for stage in stages:
        training = stage.get("training")
        if training is None:
            continue
        steps = "-"
        if training["steps_quartiles"] is not None:
            low, median, high = training["steps_quartiles"]
            steps = f"{median:.0f} ({low:.0f} to {high:.0f})"
        rows.append(
            [
                str(stage["name"]),
                str(stage["n_parameters"]),
                training["method"],
                f"{training['n_successes']}/{training['n_seeds']}",
                format_error(training["threshold"], unit),
                steps,
                format_error(training["error_quartiles"][1], unit),
            ]
        )
    return rows


def format_training(stages: Sequence[Mapping[str, Any]], unit: str = HARTREE) -> str:
    """Return one row for each stage that was trained from many seeds, an empty string where none was.

    Steps are the median (and quartiles) over the seeds that reached the threshold, the error is the median over all.

    Args:
        stages: Stages of the record.
        unit: Of the energies; errors are in mHa for hartree.

    """
    return _columns(training_header(unit), training_rows(stages, unit), TRAINING_WIDTHS)


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    """A table whose first column is flush left; nothing where it has no rows."""
    if not rows:
        return ""
    lines = [
        f"{row[0]:<{widths[0]}}" + "".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in (header, *rows)
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def removal_counts(plan: Sequence[Mapping[str, Any]]) -> list[tuple[int, str, str]]:
    """Return how many rotations had each decision for each reason, most frequent first; keeps are left out."""
    counts = Counter(
        (str(row["decision"]), reason_kind(str(row["reason"]))) for row in plan if row["decision"] != "keep"
    )
    return [(count, decision, reason) for (decision, reason), count in counts.most_common()]


def reason_kind(reason: str) -> str:
    """Return a reason without what is particular to one rotation."""
    reason = re.sub(r" (as|of) gate \d+, distance [^:]*", "", reason)
    reason = re.sub(r"^distance [^:]+ from the identity: dropped$", "near the identity", reason)
    if "shares its angle" in reason:
        return reason.split(" of ")[0]
    return reason.split(" of ")[0] if " score of " in reason or " coupling of " in reason else reason


def format_plan(plan: Sequence[Mapping[str, Any]], kept: Sequence[tuple[str, int, float]]) -> str:
    """Return what was removed and why, and the rotations that are left.

    Args:
        plan: Entries of the record's plan.
        kept: Label, parameter (-1 for a fixed angle) and angle (radian) of each rotation of the final ansatz.

    """
    lines = [f"{counted(len(plan), 'rotation')} -> {len(kept)}:"]
    for count, decision, reason in removal_counts(plan):
        lines.append(f"  {count:>4} {VERBS.get(decision, decision)}: {reason}")
    if len(kept) <= MANY_ROTATIONS:
        for label, parameter, angle in kept:
            who = f"parameter {parameter:>3}" if parameter >= 0 else f"{'fixed':<13}"
            name = label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 3]}..."
            turn = "" if label.split()[0] in CLIFFORD_QUBITS else f", angle {angle:>9.5f}"
            lines.append(f"  kept: {name:<24} {who}{turn}")
    return "\n".join(lines)


def format_certificate(certificate: Mapping[str, Any], unit: str = HARTREE) -> str:
    """Return the certificate of energies in `unit`, with that of the rule ``lie`` where it has one."""
    predicted, measured, bound = certificate_texts(certificate, unit)
    lines = [f"Certificate: predicted increase {predicted}, measured {measured}, at most {bound}"]
    if certificate["predicted_increase"] is None:
        lines = [f"No certificate: {UNCERTIFIED}; the last energy minus the first is {measured}, at most {bound}"]
    if "merge" in certificate:
        merge = certificate["merge"]
        lines += [f"lie: {text}" for text in merge_texts(merge, unit)]
        rows = [("merging, before tuning", "measured", "at most"), *merge_rows(merge, unit)]
        lines += [f"  {what:<35}{measured:<12}{bounds}".rstrip() for what, measured, bounds in rows]
    return "\n".join(lines)


UNCERTIFIED = "an optimisation stopped before its minimum, so that what pruning cost is not known"


def merge_texts(merge: Mapping[str, Any], unit: str = HARTREE) -> list[str]:
    """Return in words what the rule ``lie`` compared and up to which distance it merged; energies in `unit`."""
    of_task = f" {unit}" if merge.get("distance") == "task" else ""
    widest = f"{merge['widest_merge']:.3g}{of_task}"
    calibration = merge.get("calibration")
    if calibration is None:
        limits = [f"gates within {merge['epsilon']:.3g}{of_task} are one, the widest merge is {widest}"]
    else:
        limits = [
            f"calibration of {calibration['name']}: one-qubit gates err by {calibration['one_qubit_error']:.2e}, "
            f"a CX by {calibration['two_qubit_error']:.2e}",
            f"gates within {merge['smallest_epsilon']:.3g} to {merge['epsilon']:.3g}{of_task}, as they err, are one, "
            f"the widest merge is {widest}",
        ]
    checked = "every pair was looked at again" if merge["redundancy_checked"] else "NOT every pair is as it should be"
    left = merge["left_apart"]
    apart = f"; {left} close pairs stay apart, as their clusters are further" if left else ""
    return [
        f"{merge['n_comparisons']} distances in {merge['n_cells']} cells, of {merge['n_pairs']} pairs of gates",
        *limits,
        f"redundancy: {checked}{apart}",
    ]


MERGE_BOUNDS = {
    "overlap": "the states' overlap",
    "state": "their distance",
    "path": "the path",
    "operator": "the operators",
}


def merge_rows(merge: Mapping[str, Any], unit: str = HARTREE) -> list[tuple[str, str, str]]:
    """Return what merging changed, how much, and what bounds it, as text; energies in `unit`."""
    name = error_unit(unit)[1]
    rows = [
        ("" if k else f"rise of the energy / {name}", "" if k else format_error(merge["measured_increase"], unit),
         f"{format_error(merge[f'{kind}_bound'], unit)} by {words}")
        for k, (kind, words) in enumerate(MERGE_BOUNDS.items())
    ]  # fmt: skip
    return [
        *rows,
        ("distance of the states / rad", f"{merge['state_distance']:.3e}", f"{merge['path_distance']:.3e} by the path"),
        ("norm of their difference", f"{merge['state_deviation']:.3e}",
         f"{merge['operator_deviation']:.3e} by the operators"),
        (f"rise expected after tuning / {name}", format_error(merge["predicted_increase"], unit), ""),
    ]  # fmt: skip


def certificate_texts(certificate: Mapping[str, Any], unit: str = HARTREE) -> list[str]:
    """Return the predicted increase, the measured one and the bound, each with its unit."""
    name = error_unit(unit)[1]
    return [
        f"{format_error(certificate[key], unit)} {name}" for key in ("predicted_increase", "measured_increase", "bound")
    ]


def format_check(
    qsim: Mapping[str, float | None], times: Mapping[str, float], folder: Path | None, unit: str = HARTREE
) -> str:
    """Return qsim's verdict, the times and where the results are; energies in `unit`."""
    energy, difference = qsim["energy"], qsim["difference"]
    if energy is None or difference is None:
        lines = ["qsim: final circuit not simulated"]
    else:
        lines = [f"qsim: final circuit {energy:.7f} {unit}, {difference:+.1e} from the exact engine"]
    parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in times.items() if name in PARTS)
    lines.append(f"Seconds: {parts}; {times['total']:.2f} in all")
    if folder is not None:
        lines.append(f"Results: {folder / 'report.html'} and {folder / 'record.json'}")
    return "\n".join(lines)
