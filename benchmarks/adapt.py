"""ADAPT-VQE from the UCCSD pool, as a control for pruning.

Reference: H. R. Grimsley et al., An adaptive variational algorithm for exact molecular simulations on a quantum
    computer, arXiv 1812.11173.
"""

from __future__ import annotations

import numpy as np

from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.objective import EnergyObjective, sector_hamiltonian
from vqe_prune.optimize import minimize
from vqe_prune.problem import Problem

SMALLEST_GRADIENT = 1e-5
"""Hartree per radian; growth ends where no excitation of the pool has more."""


def grow(problem: Problem, tolerance: float) -> list[tuple[int, float]]:
    """Return number of parameters and energy (hartree) after each growth step.

    Args:
        problem: Its exact energy must be known.
        tolerance: Error to the exact energy (hartree) at which growth ends.

    """
    pool = [rotation.generator for rotation in uccsd(problem.n_orbitals, *problem.n_electrons).rotations]
    hamiltonian = sector_hamiltonian(problem)
    exact = problem.energies["exact"]
    assert exact is not None
    grown: list[int] = []
    angles = np.zeros(0)
    history: list[tuple[int, float]] = []
    while True:
        # every candidate stands behind the grown circuit at angle 0, so one gradient holds all of theirs
        candidates = _ansatz([pool[k] for k in (*grown, *range(len(pool)))])
        _, gradient = EnergyObjective(hamiltonian, candidates).value_and_gradient(
            np.append(angles, np.zeros(len(pool)))
        )
        slopes = np.abs(gradient[len(grown) :])
        if slopes.max() < SMALLEST_GRADIENT:
            return history
        best = int(np.flatnonzero(slopes > slopes.max() * (1 - 1e-6))[0])  # of equal ones the first
        grown.append(best)
        optimum = minimize(EnergyObjective(hamiltonian, _ansatz([pool[k] for k in grown])), np.append(angles, 0.0))
        angles = optimum.angles
        history.append((len(grown), optimum.value))
        if optimum.value - exact <= tolerance or len(grown) > 2 * len(pool):
            return history


def _ansatz(excitations: list) -> Ansatz:  # type: ignore[type-arg]
    rotations = tuple(Rotation(excitation, k) for k, excitation in enumerate(excitations))
    return Ansatz(name="adapt", rotations=rotations, n_parameters=len(rotations))
