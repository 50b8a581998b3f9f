"""Deleting parameters one at a time and re-optimising the rest: the path that curvature and the controls share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.objective import Objective
from vqe_prune.optimize import Optimum, minimize
from vqe_prune.prune.plan import Action, Decision, PrunePlan, apply_plan
from vqe_prune.score.curvature import (
    deletion_costs,
    deletion_response,
    invert_hessian,
    remaining_inverse_hessian,
)

Vector = NDArray[np.float64]
Ranking = Callable[[Objective, Vector, Vector], Vector]
"""Score of each parameter, the lowest goes first, from the objective, the angles and the inverse Hessian there."""

NEARLY_EQUAL = 1e-6
"""Scores closer than this fraction are equal: of equal parameters the one with most rotations goes first."""

EXACT_HESSIANS = 600
"""With more parameters than this a Hessian's columns cost too much; the optimiser's own estimate serves instead."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PathPoint:
    """An ansatz on the way: what is left and how good it is once re-optimised.

    Attributes:
        kept: Parameters of the first ansatz that are left, ascending.
        n_rotations: Rotations that are left.
        optimum: The new optimum.
        removed: The parameter that went last, None for the first point.
        score: Its score by the rule that chose it.
        predicted: Sum of the increases predicted by curvature up to here (hartree).

    """

    kept: tuple[int, ...]
    n_rotations: int
    optimum: Optimum
    removed: int | None = None
    score: float | None = None
    predicted: float = 0.0

    @property
    def angles(self) -> Vector:
        """Angles that are left (radian); shape (len(kept),)."""
        return self.optimum.angles

    @property
    def value(self) -> float:
        """Value at the new optimum (hartree)."""
        return self.optimum.value


def eliminate(
    bind: Callable[[Ansatz], Objective],
    ansatz: Ansatz,
    optimum: Optimum,
    rank: Ranking,
    *,
    enough: Callable[[PathPoint], bool],
    earlier: Sequence[PathPoint] = (),
    gradient_tolerance: float = 1e-7,
    progress: Callable[[PathPoint], None] | None = None,
) -> list[PathPoint]:
    """Delete the parameter with the lowest score, let the others follow, re-optimise, and go on.

    Args:
        bind: Makes the objective of an ansatz.
        ansatz: Where the path starts.
        optimum: Its optimum.
        rank: Scores of the parameters that are left.
        enough: Whether to stop after a point.
        earlier: Points of an interrupted path, which continues after the last of them.
        gradient_tolerance: Of each re-optimisation, hartree per radian.
        progress: Called with each new point.

    Returns:
        The path; its first point is `ansatz` itself.

    """
    points = list(earlier)
    if not points:
        kept = tuple(range(ansatz.n_parameters))
        points = [PathPoint(kept=kept, n_rotations=len(ansatz.rotations), optimum=optimum)]
        if progress is not None:
            progress(points[0])
    inverse: Vector | None = None
    while points[-1].kept and not enough(points[-1]):
        point = points[-1]
        current = restrict(ansatz, point.kept)
        objective = bind(current)
        if inverse is None or objective.cheap_hessian:
            inverse = _inverse_hessian(objective, point.angles)
        scores = rank(objective, point.angles, inverse)
        k = _lowest(scores, np.bincount(current.parameters[current.parameters >= 0]))
        predicted = float(deletion_costs(point.angles, inverse)[k])
        start = deletion_response(point.angles, inverse, k)
        kept = tuple(p for p in point.kept if p != point.kept[k])
        smaller = restrict(ansatz, kept)
        found = minimize(
            bind(smaller),
            start,
            inverse_hessian=remaining_inverse_hessian(inverse, k),
            gradient_tolerance=gradient_tolerance,
        )
        inverse = found.inverse_hessian
        points.append(
            PathPoint(
                kept=kept,
                n_rotations=len(smaller.rotations),
                optimum=replace(found, inverse_hessian=None),  # a matrix a point would fill the memory
                removed=point.kept[k],
                score=float(scores[k]),
                predicted=point.predicted + predicted,
            )
        )
        if progress is not None:
            progress(points[-1])
    return points


def restrict(ansatz: Ansatz, kept: Sequence[int]) -> Ansatz:
    """Return the ansatz with only the rotations of the kept parameters (and of none), parameters renumbered."""
    numbers = {parameter: k for k, parameter in enumerate(kept)}
    rotations = tuple(
        rotation if rotation.parameter is None else replace(rotation, parameter=numbers[rotation.parameter])
        for rotation in ansatz.rotations
        if rotation.parameter is None or rotation.parameter in numbers
    )
    return replace(ansatz, rotations=rotations, n_parameters=len(numbers))


def elimination_plan(rule: str, ansatz: Ansatz, path: Sequence[PathPoint], chosen: PathPoint) -> PrunePlan:
    """Return the plan that leads from the start of a path to one of its points.

    Args:
        rule: Name of the rule that made the path.
        ansatz: Where the path started.
        path: All points up to at least `chosen`.
        chosen: The point to go to.

    """
    scores = {point.removed: point for point in path if point.removed is not None}
    decisions = []
    for rotation in ansatz.rotations:
        if rotation.parameter is None or rotation.parameter in chosen.kept:
            decisions.append(Decision(action=Action.KEEP, reason=f"kept by {rule}"))
            continue
        point = scores[rotation.parameter]
        reason = f"lowest {rule} score of {len(point.kept) + 1} parameters"
        decisions.append(Decision(action=Action.DROP, reason=reason, score=point.score))
    plan = PrunePlan(rule=rule, decisions=tuple(decisions))
    assert len(apply_plan(plan, ansatz).rotations) == chosen.n_rotations
    return plan


def _inverse_hessian(objective: Objective, angles: Vector) -> Vector:
    if objective.cheap_hessian or len(angles) <= EXACT_HESSIANS:
        return invert_hessian(objective.hessian(angles))
    refined = minimize(objective, angles, inverse_hessian=np.eye(len(angles)))
    return refined.inverse_hessian if refined.inverse_hessian is not None else np.eye(len(angles))


def _lowest(scores: Vector, n_rotations: NDArray[np.int64]) -> int:
    threshold = scores.min() + NEARLY_EQUAL * abs(scores.min()) + 1e-15
    candidates = np.flatnonzero(scores <= threshold)
    return int(candidates[np.argmax(n_rotations[candidates])])
