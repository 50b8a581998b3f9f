"""Deleting many parameters at a time, where a gradient takes seconds: the coarse part of curvature's path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.objective import EnergyObjective, QubitEnergyObjective
from vqe_prune.optimize import Optimum, minimize
from vqe_prune.prune.elimination import PathPoint, begin_path, restrict
from vqe_prune.prune.journal import Journal

Vector = NDArray[np.float64]

PROBES = 12
"""Products of the Hessian with random signs, from which its diagonal is estimated."""

LEAST_CURVATURE = 0.25
"""Estimates below this fraction of their median are taken for its noise."""

SHARES = (0.3, 0.6, 0.9)
"""Of what is left of the tolerance, how much the first, second and each later group may be predicted to cost."""

LOOSE_GRADIENT = 1e-4
"""Gradient (hartree per radian) that is enough on the way: energies are then some 1e-6 hartree above their minima."""

MOST = 0.5
"""Of the parameters, how many go at a time at most; where only a number of them is the limit, a tenth of this."""


def estimate_curvatures(objective: EnergyObjective | QubitEnergyObjective, angles: Vector, seed: int = 0) -> Vector:
    """Estimate the diagonal of the Hessian from a few of its products, hartree per radian^2, shape (n_parameters,).

    diag M is the mean of v * (M v) over random signs v, with the variance sum_l M_kl^2 (l other than k) a probe. What
    comes out below a quarter of the median is raised to it: too small a curvature would make a parameter look free.

    Args:
        objective: With its Hessian's products.
        angles: Where; radian, shape (n_parameters,).
        seed: Of the signs.

    Reference: C. Bekas, E. Kokiopoulou, Y. Saad, An estimator for the diagonal of a matrix, 2007.

    """
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(PROBES, len(angles)))
    found = np.mean([sign * objective.hessian_products(angles, sign[None])[0] for sign in signs], axis=0)
    return np.maximum(found, LEAST_CURVATURE * float(np.median(np.abs(found))))


def remembered_curvatures(
    journal: Journal, rule: str, objective: EnergyObjective | QubitEnergyObjective, angles: Vector
) -> Vector:
    """Return `estimate_curvatures`, computed once: a run that goes on has them in its journal."""
    name = f"{rule}, Hessian's diagonal"
    known = journal.noted(name)
    if known is None:
        known = {"diagonal": estimate_curvatures(objective, angles).tolist()}
        journal.note(name, known)
    return np.array(known["diagonal"])


def eliminate_coarsely(
    bind: Callable[[Ansatz], EnergyObjective | QubitEnergyObjective],
    ansatz: Ansatz,
    optimum: Optimum,
    *,
    highest: float,
    fewest: int = 0,
    enough: Callable[[PathPoint], bool],
    earlier: Sequence[PathPoint] = (),
    curvatures: Vector | None = None,
    gradient_tolerance: float = 1e-7,
    progress: Callable[[PathPoint], None] | None = None,
) -> list[PathPoint]:
    """Delete groups of parameters of least curvature score, re-optimise, and go on while the value is within a limit.

    A parameter's score is angles_k^2 M_kk / 2 for each of its rotations, the response of the others left out: it is
    larger than the exact deletion cost, so that groups come out cheaper than predicted. A group whose re-optimised
    value exceeds the limit is taken back and halved. Ours.

    Args:
        bind: Makes the energy of an ansatz; it may have further angles behind those of the ansatz, which stay.
        ansatz: Where the path starts.
        optimum: Its optimum, angles of all that `bind` has.
        highest: Value (hartree) that no point exceeds; infinite where only `fewest` limits the path.
        fewest: Parameters that are left at least.
        enough: Whether to stop after a point.
        earlier: Points of an interrupted path, which continues after the last of them.
        curvatures: `estimate_curvatures` of the first point where they are known.
        gradient_tolerance: Of each re-optimisation, hartree per radian.
        progress: Called with each new point.

    Returns:
        The path; its first point is `ansatz` itself.

    """
    points = begin_path(ansatz, optimum, earlier, progress)
    whole = estimate_curvatures(bind(ansatz), optimum.angles) if curvatures is None else curvatures
    while points[-1].kept and not enough(points[-1]):
        point = points[-1]
        current = restrict(ansatz, point.kept)
        n_rotations = np.bincount(current.parameters[current.parameters >= 0])
        costs = 0.5 * point.angles[: len(point.kept)] ** 2 * whole[list(point.kept)]
        order = np.argsort(costs / n_rotations, kind="stable")
        allowed = SHARES[min(len(points), len(SHARES)) - 1] * (highest - point.value)
        size = int(np.searchsorted(np.cumsum(costs[order]), allowed, side="right"))
        share = MOST if np.isfinite(highest) else 0.1 * MOST
        size = min(max(1, min(size, int(share * len(order)))), len(order) - fewest)
        found = None
        while size and found is None:
            group = np.sort(order[:size])
            found = _without(bind, ansatz, point, group, costs, gradient_tolerance)
            if found.value > highest:
                found, size = None, size // 2
        if found is None:
            break
        points.append(replace(found, score=float((costs / n_rotations)[group].max())))
        if progress is not None:
            progress(points[-1])
    return points


def _without(
    bind: Callable[[Ansatz], EnergyObjective | QubitEnergyObjective],
    ansatz: Ansatz,
    point: PathPoint,
    group: NDArray[np.int64],
    costs: Vector,
    gradient_tolerance: float,
) -> PathPoint:
    gone = {point.kept[k] for k in group}
    kept = tuple(p for p in point.kept if p not in gone)
    smaller = restrict(ansatz, kept)
    start = np.delete(point.angles, group)
    optimum = minimize(bind(smaller), start, gradient_tolerance=gradient_tolerance)
    return PathPoint(
        kept=kept,
        n_rotations=len(smaller.rotations),
        optimum=optimum,
        removed=tuple(sorted(gone)),
        predicted=point.predicted + float(costs[group].sum()),
    )
