"""Rules of one's own: a function that makes a plan, or a score by which parameters are deleted one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.errors import InputError
from vqe_prune.objective import EnergyObjective, QubitEnergyObjective
from vqe_prune.problem import Problem
from vqe_prune.prune.elimination import Ranking
from vqe_prune.prune.plan import PrunePlan
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.score.curvature import EXACT_HESSIANS

Vector = NDArray[np.float64]

FLAT = 1e-6
"""Curvatures below this fraction of the largest, and negative ones, do not say where a minimum is."""


class Rule(Protocol):
    """A function that decides about each rotation of an optimised ansatz; `prune_ansatz` takes it among its rules.

    It never edits: `prune_ansatz` applies its plan, lets the angles that are left follow, and certifies the result. The
    stage has the name of the plan's `rule`. How far it goes is its own affair: it is not told of the limits, and those
    who need them write a `DeletionRule`.
    """

    def __call__(self, problem: Problem | QubitProblem, ansatz: Ansatz, angles: Vector, /) -> PrunePlan:
        """Return one decision a rotation.

        Args:
            problem: What is solved, in the orbitals that the ansatz acts in.
            ansatz: The ansatz of the stage before.
            angles: Its optimum, radian, (n_parameters,).

        """
        ...


@dataclass(frozen=True, kw_only=True)
class DeletionRule:
    """A rule that deletes the parameter of the lowest score, re-optimises, and goes on as far as the limits allow.

    Attributes:
        name: Of its stage; not that of a rule of the package.
        score: From the objective, its angles (radian) and the inverse of its Hessian there, (n_parameters,
            n_parameters), the score of each parameter, (n_parameters,). The inverse Hessian is right at small problems
            and a quasi-Newton estimate at large ones. With orbitals that follow, their angles stand behind those of
            the ansatz, and so may their scores, which are not looked at.

    """

    name: str
    score: Ranking


AnyRule = str | Rule | DeletionRule
"""What stands in a list of rules: the name of one of the package's, or one of one's own."""


def check_own_name(name: str, known: Iterable[str]) -> None:
    """Raise InputError where a rule of one's own has the name of a rule of the package, or none."""
    if not name or name in known:
        raise InputError(f"a rule of your own is called {name!r}, which is taken; give it another name")


def plan_of(
    rule: Rule, problem: Problem | QubitProblem, ansatz: Ansatz, angles: Vector, known: Iterable[str]
) -> PrunePlan:
    """Return what a rule of one's own decides, checked for what a function may return by mistake.

    Args:
        rule: The function; it gets a copy of the angles.
        problem: What is solved.
        ansatz: The ansatz that it decides about.
        angles: Its optimum, radian, (n_parameters,).
        known: Names of the package's rules.

    Raises:
        InputError: It returned something else than a plan for this ansatz.

    """
    name = str(getattr(rule, "__name__", type(rule).__name__))
    plan = rule(problem, ansatz, np.array(angles))
    if not isinstance(plan, PrunePlan):
        raise InputError(f"the rule {name} returned {type(plan).__name__}; it must return a PrunePlan")
    check_own_name(plan.rule, known)
    if len(plan.decisions) != len(ansatz.rotations):
        raise InputError(
            f"the rule {name} decided on {len(plan.decisions)} rotations; the ansatz has "
            f"{len(ansatz.rotations)}: return one Decision for each"
        )
    return plan


def expected_value(objective: EnergyObjective | QubitEnergyObjective, start: Vector) -> float:
    """Return the value after one Newton step from a start, or at the start where that is lower.

    The step -M^-1 g, M the Hessian without its flat and negative directions, leads to the minimum of a quadratic
    function; of another one the value there is still one that the ansatz has, which no optimisation needs to exceed.
    Where Hessians cost too much, the value at the start. Ours: for rules that only hand over a plan.

    Args:
        objective: The energy of the smaller ansatz.
        start: The angles that it inherits, radian, (n_parameters,).

    """
    value, gradient = objective.value_and_gradient(start)
    if not 0 < len(start) <= EXACT_HESSIANS or objective.costly:
        return value
    curvatures, directions = np.linalg.eigh(objective.hessian(start))
    stiff = curvatures > FLAT * np.abs(curvatures).max()
    step = -directions[:, stiff] @ (directions[:, stiff].T @ gradient / curvatures[stiff])
    return min(value, objective.value_and_gradient(start + step)[0])
