"""How far rules prune, and what counts as rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vqe_prune.problem import Problem
from vqe_prune.prune.elimination import PathPoint
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.units import HARTREE

VARIATIONAL_SLACK = 1e-8
"""An energy of a molecule this much (hartree) below the exact one is rounding; more is a wrong answer."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How far rules prune.

    Attributes:
        tolerance: Largest allowed error (hartree).
        relative_to: ``exact`` or ``full``, what the error refers to; without an exact energy always ``full``.
        parameters: A budget instead of a tolerance.

    """

    tolerance: float = 1.5e-3
    relative_to: str = "exact"
    parameters: int | None = None


def reference_energy(problem: Problem | QubitProblem, limits: Limits, full_energy: float) -> float:
    """Return the energy (hartree) that errors are counted from."""
    exact = problem.energies.get("exact")
    return full_energy if exact is None or limits.relative_to == "full" else exact


def choose(path: Sequence[PathPoint], limits: Limits, reference: float) -> PathPoint:
    """Return the point with fewest parameters within the limits, the first point where none is.

    Args:
        path: A pruning path.
        limits: Tolerance or budget.
        reference: Energy (hartree) that errors are counted from.

    """
    if limits.parameters is not None:
        within = [point for point in path if len(point.kept) >= limits.parameters]
    else:
        within = [point for point in path if point.value - reference <= limits.tolerance]
    return min(within, key=lambda point: len(point.kept), default=path[0])


def rounding_of(problem: Problem | QubitProblem) -> float:
    """Rounding of an energy: that of molecules, or of a qubit Hamiltonian by the sum of its coefficients."""
    if isinstance(problem, Problem) or problem.unit == HARTREE:
        return VARIATIONAL_SLACK
    return 1e-9 * problem.hamiltonian.norm_bound
