"""Rules to compare with: smallest angle, chance, and least independent Fisher information."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqe_prune.objective import Objective
from vqe_prune.prune.elimination import Ranking
from vqe_prune.score.information import fisher_information, independent_information

Vector = NDArray[np.float64]


def rank_by_magnitude(objective: Objective, angles: Vector, inverse_hessian: Vector) -> Vector:
    """Score parameters by |angle| in radian."""
    return np.abs(angles)


def rank_by_fisher(objective: Objective, angles: Vector, inverse_hessian: Vector) -> Vector:
    """Score parameters by the Fisher information that the others cannot replace, 1 / [F^-1]_kk."""
    return independent_information(fisher_information(objective, angles))


def rank_at_random(seed: int) -> Ranking:
    """Return a rule that scores parameters by chance.

    The numbers depend on the seed and on how many parameters are left, so that an interrupted path continues alike.
    """

    def rank(objective: Objective, angles: Vector, inverse_hessian: Vector) -> Vector:
        return np.random.default_rng([seed, len(angles)]).random(len(angles))

    return rank
