"""What a pruning should tell the user in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.optimize import Optimum, StopReason
from vqe_prune.problem import Problem
from vqe_prune.prune.elimination import PathPoint
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.merge_certificate import LieCertificate
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.units import HARTREE, error_unit

ANOTHER_MINIMUM = 1e-7
"""Energies of optima that differ by more are of different minima."""

TURNED = 1e-8
"""An orbital that overlaps less with the one of its number in the mean field has turned: by more than 1e-4 radian."""


def shortfall_notes(
    rule: str, path: Sequence[PathPoint], chosen: PathPoint, limits: Limits, reference: float, unit: str
) -> list[str]:
    """Say in words why a rule removed nothing."""
    factor, name = error_unit(unit)

    def amount(value: float, form: str) -> str:
        return f"{format(factor * value, form if unit == HARTREE else '.3e')} {name}"

    if len(chosen.kept) < len(path[0].kept) or not path[0].kept:
        return []
    if limits.parameters is not None:
        return [f"{rule} removed nothing: {len(chosen.kept)} parameters fit the budget of {limits.parameters}"]
    error = path[0].value - reference
    if error <= limits.tolerance:
        return [f"{rule} removed nothing: every parameter is needed for {amount(limits.tolerance, 'g')}"]
    return [
        f"{rule} removed nothing: the ansatz before it already has an error of {amount(error, '.4f')}, more than the "
        f"{amount(limits.tolerance, 'g')} allowed; raise pruner.tolerance or set pruner.relative_to=full"
    ]


def orbital_notes(pairs: Sequence[tuple[int, int]], orbitals: NDArray[np.float64] | None) -> list[str]:
    """Say that the circuit acts in other orbitals than those of the mean field."""
    if orbitals is None:
        return []
    turned = int(np.sum(np.abs(np.diag(orbitals)) < 1.0 - TURNED))
    how = f"optimised together with the angles ({len(pairs)} pairs of one irrep)" if pairs else "absorbed exactly"
    return [
        f"orbitals were {how}: the circuit acts in orbitals of which {turned} are not those of the mean field; its "
        f"Hamiltonian is in hamiltonian.fcidump, rotated classically at no cost for the processor"
    ]


def start_notes(values: Sequence[float], unit: str) -> list[str]:
    """Say in words how far several starts ended apart.

    Args:
        values: Energy of the optimum of each start, the one that is not random first.
        unit: Of the energies.

    """
    factor, name = error_unit(unit)
    gain = values[0] - min(values)
    if gain < ANOTHER_MINIMUM:
        return [] if len(values) == 1 else [f"none of {len(values) - 1} restarts ends lower than the first start"]
    return [f"the best of {len(values) - 1} restarts ends {factor * gain:.4f} {name} lower than the first start"]


def single_start_notes(
    problem: Problem | QubitProblem, full: Optimum, limits: Limits, start: NDArray[np.float64] | None = None
) -> list[str]:
    """Say what to try where the ansatz as built, optimised from one start, ends further off than pruning may.

    Args:
        problem: Gives the exact energy.
        full: Optimum of the ansatz as built.
        limits: How far rules prune.
        start: Its first angles, None for zero.

    """
    exact = problem.energies.get("exact")
    if exact is None or full.value - exact <= limits.tolerance or full.reason is StopReason.STEPS:
        return []
    zero = start is None or not np.any(start)
    where = "zero angles" if zero else "its first angles"
    stuck = "does not leave" if full.steps == 0 else "may end in a saddle or a higher minimum from"
    factor, name = error_unit(problem.unit)
    return [
        f"the full ansatz {stuck} {where}, {factor * (full.value - exact):.4f} {name} above the exact energy; try "
        f"ansatz.restarts=5{' or ansatz.start=mp2' if zero else ''}"
    ]


def merge_notes(certificate: LieCertificate, n_parameters: int) -> list[str]:
    """Say in words where a device blurs every gate that the rule ``lie`` could keep."""
    if certificate.calibration is None or n_parameters:
        return []
    return [
        f"lie: by the calibration of {certificate.calibration.name} no rotation of this ansatz does as much as its own "
        "gates err: the reference alone is left; a shorter ansatz or a better device is needed"
    ]


def training_notes(
    problem: Problem | QubitProblem, stages: Sequence[tuple[str, Optimum, Mapping[str, Any] | None]]
) -> list[str]:
    """Say in words what the numbers of trainings mean.

    Args:
        problem: What was solved.
        stages: Name, optimum and training of each stage.

    """
    exact = problem.energies.get("exact")
    if not isinstance(problem, QubitProblem) or exact is None:
        return []
    same = 1e-6 * max(problem.hamiltonian.norm_bound, 1.0)
    full = stages[0][1]
    trained = [(name, training) for name, _, training in stages if training is not None]  # rules after eqntk train none
    notes = []
    if full.value < exact - same:
        notes.append(
            f"the full ansatz leaves the symmetry sector of the reference, with its electron numbers: its energy is "
            f"{exact - full.value:.6f} {problem.unit} below the exact one there"
        )
    elif full.value > exact + same:
        notes.append(
            f"the full ansatz stays {full.value - exact:.3e} {problem.unit} above the exact energy, from the "
            f"best of its starts: more ansatz.layers, another entangler or another reference may help"
        )
    if len(trained) > 1 and trained[-1][1]["n_successes"] < trained[-2][1]["n_successes"]:
        (_, before), (name, last) = trained[-2:]
        notes.append(
            f"the {name} stage trains less surely than the one before it: {last['n_successes']} instead of "
            f"{before['n_successes']} of {last['n_seeds']} starts succeed within the steps of training"
        )
    return notes
