"""Optima whose angles are fewer, for the rule ``lie`` to merge: training with a penalty on distinct angles (ours).

A trained circuit with more parameters than it needs has a valley of optima, and training from random angles ends
anywhere in it, with every angle different. The penalty

    E(angles) + mu sum over cells [ sum_i w(x_i) + (1 / n) sum_{i<j} w(x_i - x_j) ],
    w(x) = log(1 + (T / 2 pi)^2 sin^2(pi x / T) / s^2),

x the coordinates of the n members of a cell and T their period, pulls coordinates to the identity and to each other.
It is concave away from zero, so that what is near goes all the way and what is far stays (reweighted sparsity). mu is
lowered in steps and then switched off: what is returned is an optimum of E alone.

Source: E. J. Candès, M. B. Wakin, S. P. Boyd, Enhancing sparsity by reweighted l1 minimization, arXiv 0711.1612, for
    the logarithm; its use on cells of gates is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vqe_prune.objective import EnergyObjective, QubitEnergyObjective
from vqe_prune.problem import Problem
from vqe_prune.prune.cells import cells_of
from vqe_prune.prune.certificate import spectral_ends
from vqe_prune.prune.distances import CellDistances, geometric_distances
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.score.identifiers import Weights, identify

Vector = NDArray[np.float64]

STRENGTHS = (3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
"""mu in units of (c - E) a qubit that are tried: a weak one finds nothing, a strong one leaves the valley."""

LOWERED = (1.0, 0.1, 0.01)
"""Shares of mu, one after the other."""

WIDTH = 0.1
"""s, radian: coordinates nearer than this to each other are pulled together for good."""

MOST_STEPS = 300


class SparsityPenalty:
    """The penalty over mu and its gradient.

    Args:
        cells: Of an ansatz; only members, scales and periods count.
        n_parameters: Of the ansatz.

    """

    def __init__(self, cells: Sequence[CellDistances], n_parameters: int) -> None:
        rows, rates, weights, heights = [], [], [], []
        for each in cells:
            n = len(each.scales)
            single = np.zeros((n, n_parameters))
            single[np.arange(n), [unit.parameter for unit in each.cell.members]] = each.scales
            first, second = np.triu_indices(n, 1)
            both = np.concatenate([single, single[first] - single[second]])
            finite = math.isfinite(each.period)
            rows.append(both)
            weights.append(np.repeat([1.0, 1.0 / n], [n, len(first)]))
            rates.append(np.full(len(both), math.pi / each.period if finite else 0.0))
            heights.append(np.full(len(both), 1.0 / (4.0 * WIDTH**2)))
        self.rows = np.concatenate(rows) if rows else np.zeros((0, n_parameters))
        self.weights, self.rates, self.heights = (np.concatenate([*each, []]) for each in (weights, rates, heights))

    def __call__(self, angles: Vector) -> tuple[float, Vector]:
        """Return the value and its gradient, shape (n_parameters,)."""
        x = self.rows @ angles
        k = np.where(self.rates > 0.0, self.rates, 1.0)
        periodic = self.rates > 0.0  # (T / 2 pi)^2 sin^2(pi x / T) is x^2 / 4 where there is no period
        square = self.heights * np.where(periodic, (np.sin(k * x) / k) ** 2, x**2)
        slope = self.heights * np.where(periodic, np.sin(2.0 * k * x) / k, 2.0 * x)
        value = float(self.weights @ np.log1p(square))
        return value, self.rows.T @ (self.weights * slope / (1.0 + square))


def condense(
    problem: Problem | QubitProblem, objective: EnergyObjective | QubitEnergyObjective, angles: Vector, strength: float
) -> Vector:
    """Return angles near an optimum with fewer distinct values, to be led to it by minimising the energy alone.

    Args:
        problem: Gives the symmetries that relate cells.
        objective: The energy of an ansatz on it.
        angles: Where to start, radian, (n_parameters,).
        strength: mu in units of (c - E) / n_qubits, c the middle of the spectrum.

    Returns:
        The angles, (n_parameters,).

    """
    import scipy.optimize

    ansatz = objective.ansatz
    identifiers = identify(problem, ansatz, angles, ensemble="reference")
    cells = [geometric_distances(cell, identifiers, angles, Weights()) for cell in cells_of(problem, ansatz)]
    penalty = SparsityPenalty(cells, len(angles))
    height = 0.5 * sum(spectral_ends(objective.engine.hamiltonian)) - objective.value_and_gradient(angles)[0]
    for share in LOWERED:
        mu = share * strength * height / problem.n_qubits

        def penalised(x: Vector, mu: float = mu) -> tuple[float, Vector]:
            value, gradient = objective.value_and_gradient(x)
            extra, slope = penalty(x)
            return value + mu * extra, gradient + mu * slope

        options = {"maxiter": MOST_STEPS}
        found = scipy.optimize.minimize(penalised, angles, jac=True, method="L-BFGS-B", options=options)
        angles = np.asarray(found.x, dtype=np.float64)
    return angles
