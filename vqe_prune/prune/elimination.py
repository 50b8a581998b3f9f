"""Deleting parameters one at a time and re-optimising the rest: the path that curvature and the controls share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.objective import Objective
from vqe_prune.optimize import Optimum, minimize
from vqe_prune.paulis import PauliSum
from vqe_prune.prune.plan import Action, Decision, PrunePlan, apply_plan
from vqe_prune.score.curvature import (
    EXACT_HESSIANS,
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

DOUBTFUL = 2.0
"""A deletion that costs more than this times its prediction was predicted beyond the second order's range."""

MOST_STEPS = 2000
"""Of a re-optimisation."""

NOTICEABLE = 1e-7
"""Increases (hartree or the problem's unit) below this are too small to doubt their prediction."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PathPoint:
    """An ansatz on the way: what is left and how good it is once re-optimised.

    Attributes:
        kept: Parameters of the first ansatz that are left, ascending.
        n_rotations: Rotations that are left.
        optimum: The new optimum.
        removed: The parameters that went last, none for the first point.
        score: The largest of their scores by the rule that chose them.
        predicted: Sum of the increases predicted by curvature up to here (hartree).

    """

    kept: tuple[int, ...]
    n_rotations: int
    optimum: Optimum
    removed: tuple[int, ...] = ()
    score: float | None = None
    predicted: float = 0.0

    @property
    def angles(self) -> Vector:
        """Angles that are left (radian); shape (len(kept),) or, with orbitals that follow, theirs behind."""
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
    verify: bool = False,
    free: float = 0.0,
    trial_steps: int | None = None,
    earlier: Sequence[PathPoint] = (),
    gradient_tolerance: float = 1e-7,
    progress: Callable[[PathPoint], None] | None = None,
) -> list[PathPoint]:
    """Delete the parameter with the lowest score, let the others follow, re-optimise, and go on.

    Args:
        bind: Makes the objective of an ansatz; it may have further angles behind those of the ansatz, which stay.
        ansatz: Where the path starts.
        optimum: Its optimum, angles of all that `bind` has.
        rank: Scores of the parameters that are left.
        enough: Whether to stop after a point.
        verify: Where a deletion raises the value by more than `DOUBTFUL` times what was predicted, try others as well
            and take the one that raised it least for each of its rotations.
        free: Of parameters with scores up to this the one whose gates are most expensive goes first: none is needed,
            and which of them has the lowest score is decided by rounding.
        trial_steps: Most steps of a re-optimisation after a deletion that is only tried; the one taken is re-optimised
            to the end. None for no limit.
        earlier: Points of an interrupted path, which continues after the last of them.
        gradient_tolerance: Of each re-optimisation, hartree per radian.
        progress: Called with each new point.

    Returns:
        The path; its first point is `ansatz` itself.

    """
    points = begin_path(ansatz, optimum, earlier, progress)
    inverse: Vector | None = None
    while points[-1].kept and not enough(points[-1]):
        point = points[-1]
        current = restrict(ansatz, point.kept)
        objective = bind(current)
        if inverse is None or objective.cheap_hessian:
            inverse = inverse_hessian_at(objective, point.angles)
        scores = rank(objective, point.angles, inverse)[: len(point.kept)]
        n_rotations = np.bincount(current.parameters[current.parameters >= 0])
        best = found = _without(bind, ansatz, point, inverse, _lowest(scores, current, free), gradient_tolerance)
        if verify and found.value - point.value > DOUBTFUL * (found.predicted - point.predicted) + NOTICEABLE:
            options: dict[str, Any] = {
                "gradient_tolerance": gradient_tolerance,
                "doubtful": True,
                "max_steps": trial_steps,
            }
            trial = partial(_without, bind, ansatz, point, inverse, **options)
            best = _least_rise(trial, point, scores, n_rotations, found)
            if trial_steps is not None and best is not found:
                best = _finished(bind, ansatz, best, gradient_tolerance)
        inverse = best.optimum.inverse_hessian
        bare = replace(best.optimum, inverse_hessian=None)  # a matrix a point would fill the memory
        points.append(replace(best, score=float(scores[_place(point, best)]), optimum=bare))
        if progress is not None:
            progress(points[-1])
    return points


def begin_path(
    ansatz: Ansatz,
    optimum: Optimum,
    earlier: Sequence[PathPoint],
    progress: Callable[[PathPoint], None] | None,
) -> list[PathPoint]:
    """Return the points of an interrupted path, or the first point of a new one, which `progress` is told."""
    points = list(earlier)
    if not points:
        kept = tuple(range(ansatz.n_parameters))
        points = [PathPoint(kept=kept, n_rotations=len(ansatz.rotations), optimum=optimum)]
        if progress is not None:
            progress(points[0])
    return points


def _without(
    bind: Callable[[Ansatz], Objective],
    ansatz: Ansatz,
    point: PathPoint,
    inverse: Vector,
    k: int,
    gradient_tolerance: float,
    doubtful: bool = False,
    max_steps: int | None = None,
) -> PathPoint:
    """Delete the k-th parameter of a point, let the others follow, and re-optimise them.

    Where second order is doubtful, also from where the others are: what they should move by may be too far.
    """
    kept = tuple(p for p in point.kept if p != point.kept[k])
    smaller = restrict(ansatz, kept)
    starts = [deletion_response(point.angles, inverse, k), np.delete(point.angles, k)]
    found = [
        minimize(
            bind(smaller),
            start,
            inverse_hessian=remaining_inverse_hessian(inverse, k),
            gradient_tolerance=gradient_tolerance,
            max_steps=MOST_STEPS if max_steps is None else max_steps,
        )
        for start in starts[: 1 + doubtful]
    ]
    optimum = min(found, key=lambda each: each.value)
    return PathPoint(
        kept=kept,
        n_rotations=len(smaller.rotations),
        optimum=optimum,
        removed=(point.kept[k],),
        predicted=point.predicted + float(deletion_costs(point.angles, inverse)[k]),
    )


def _finished(
    bind: Callable[[Ansatz], Objective], ansatz: Ansatz, point: PathPoint, gradient_tolerance: float
) -> PathPoint:
    """Re-optimise a point that was left on the way."""
    objective = bind(restrict(ansatz, point.kept))
    inverse = inverse_hessian_at(objective, point.angles)  # the optimiser's own is rough after a few steps
    optimum = minimize(objective, point.angles, inverse_hessian=inverse, gradient_tolerance=gradient_tolerance)
    return replace(point, optimum=optimum)


def _least_rise(
    without: Callable[[int], PathPoint],
    point: PathPoint,
    scores: Vector,
    n_rotations: NDArray[np.int64],
    first: PathPoint,
) -> PathPoint:
    """Try the deletions whose score is below what the best so far really cost for each rotation; return the best."""

    def rise(other: PathPoint) -> float:
        return (other.value - point.value) / float(n_rotations[_place(point, other)])

    best = first
    for k in np.argsort(scores, kind="stable").tolist():
        if scores[k] >= rise(best):
            break
        best = min(best, without(k), key=rise)
    return best


def _place(point: PathPoint, after: PathPoint) -> int:
    """Which of a point's parameters is gone in the one after it."""
    (gone,) = after.removed
    return point.kept.index(gone)


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
    scores = {gone: point for point in path for gone in point.removed}
    decisions = []
    for rotation in ansatz.rotations:
        if rotation.parameter is None or rotation.parameter in chosen.kept:
            decisions.append(Decision(action=Action.KEEP, reason=f"kept by {rule}"))
            continue
        point = scores[rotation.parameter]
        n = len(point.removed)
        which = f"lowest {rule} score" if n == 1 else f"one of the {n} lowest {rule} scores"
        reason = f"{which} of {len(point.kept) + n} parameters"
        decisions.append(Decision(action=Action.DROP, reason=reason, score=point.score))
    plan = PrunePlan(rule=rule, decisions=tuple(decisions))
    assert len(apply_plan(plan, ansatz).rotations) == chosen.n_rotations
    return plan


def inverse_hessian_at(objective: Objective, angles: Vector) -> Vector:
    """Return the inverse Hessian at a minimum: exact, or the optimiser's own where its columns cost too much."""
    if objective.cheap_hessian or len(angles) <= EXACT_HESSIANS:
        return invert_hessian(objective.hessian(angles))
    refined = minimize(objective, angles, inverse_hessian=np.eye(len(angles)))
    return refined.inverse_hessian if refined.inverse_hessian is not None else np.eye(len(angles))


def _lowest(scores: Vector, ansatz: Ansatz, free: float) -> int:
    """Return the lowest score; of equal ones that with most rotations, of free ones that with most two-qubit gates."""
    loads = np.bincount(ansatz.parameters[ansatz.parameters >= 0]).astype(np.float64)
    threshold = scores.min() + NEARLY_EQUAL * abs(scores.min()) + 1e-15
    if threshold < free:
        threshold, loads = free, _entangling_gates(ansatz)
    candidates = np.flatnonzero(scores <= threshold)
    return int(candidates[np.argmax(loads[candidates])])


def _entangling_gates(ansatz: Ansatz) -> Vector:
    """Two-qubit gates of each parameter's Pauli rotations, each string a ladder of its own."""
    gates = np.zeros(ansatz.n_parameters)
    for rotation in ansatz.rotations:
        if rotation.parameter is not None and isinstance(rotation.generator, PauliSum):
            gates[rotation.parameter] += sum(2 * max(len(string) - 1, 0) for _, string in rotation.generator.terms)
    return gates
