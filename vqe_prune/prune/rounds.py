"""Deleting a share of the parameters in every round and re-optimising the rest: for losses over many samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.objective import Objective
from vqe_prune.optimize import Optimum, minimize
from vqe_prune.prune.elimination import PathPoint, Ranking, begin_path, inverse_hessian_at, restrict
from vqe_prune.score.curvature import EXACT_HESSIANS, remaining_inverse_hessian

Vector = NDArray[np.float64]


def eliminate_in_rounds(
    bind: Callable[[Ansatz], Objective],
    ansatz: Ansatz,
    optimum: Optimum,
    rank: Ranking,
    *,
    budget: int,
    share: float,
    earlier: Sequence[PathPoint] = (),
    gradient_tolerance: float = 1e-3,
    max_steps: int = 2000,
    progress: Callable[[PathPoint], None] | None = None,
) -> list[PathPoint]:
    """Delete the parameters with the lowest scores, a share of those left at a time, and re-optimise, to a budget.

    As `vqe_prune.prune.elimination.eliminate`, in rounds; the others are first moved to where second order has them,
    angles - M^-1[:, G] M^-1[G, G]^-1 angles_G for the group G, M the Hessian.

    Args:
        bind: Makes the objective of an ansatz.
        ansatz: Where the path starts.
        optimum: Its optimum.
        rank: Scores of the parameters that are left.
        budget: Parameters to stop at.
        share: Of the parameters left, how many go in a round; always one at least.
        earlier: Points of an interrupted path, which continues after the last of them.
        gradient_tolerance: Of each re-optimisation, per radian.
        max_steps: Of each re-optimisation.
        progress: Called with each new point.

    Returns:
        The path; its first point is `ansatz` itself.

    """
    points = begin_path(ansatz, optimum, earlier, progress)
    while len(points[-1].kept) > budget:
        point = points[-1]
        objective = bind(restrict(ansatz, point.kept))
        inverse = inverse_hessian_at(objective, point.angles)
        scores = rank(objective, point.angles, inverse)
        size = min(max(1, int(share * len(scores))), len(scores) - budget)
        group = np.sort(np.argsort(scores, kind="stable")[:size])
        weights = np.linalg.solve(inverse[np.ix_(group, group)], point.angles[group])
        start = np.delete(point.angles - inverse[:, group] @ weights, group)
        for k in group[::-1]:
            inverse = remaining_inverse_hessian(inverse, int(k))
        gone = {point.kept[k] for k in group}
        kept = tuple(p for p in point.kept if p not in gone)
        smaller = restrict(ansatz, kept)
        known = inverse if len(kept) <= EXACT_HESSIANS else None  # of more, dense updates take longer than gradients
        found = minimize(
            bind(smaller), start, inverse_hessian=known, gradient_tolerance=gradient_tolerance, max_steps=max_steps
        )
        points.append(
            PathPoint(
                kept=kept,
                n_rotations=len(smaller.rotations),
                optimum=replace(found, inverse_hessian=None),
                removed=tuple(sorted(gone)),
                score=float(scores[group].max()),
                predicted=point.predicted + 0.5 * float(point.angles[group] @ weights),
            )
        )
        if progress is not None:
            progress(points[-1])
    return points
