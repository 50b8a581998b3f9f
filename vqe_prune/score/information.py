"""The quantum Fisher information of an ansatz: how fast the state moves, and in how many directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqe_prune.objective import Objective, QubitEnergyObjective
from vqe_prune.score.curvature import invert_hessian

Vector = NDArray[np.float64]


LARGEST_JACOBIAN = 1 << 27
"""Amplitudes of the largest Jacobian that is made, 2 GiB: 500 parameters on 18 qubits."""

RANK_TOLERANCE = 1e-9
"""Eigenvalues of a Fisher matrix below this fraction of the largest are rounding; the gap above is many decades."""


def fisher_information(objective: Objective, angles: Vector) -> Vector:
    """Return the quantum Fisher information F_kl = 4 Re(<d_k|d_l> - <d_k|psi><psi|d_l>) of a normalised state.

    Args:
        objective: Its Jacobian is the state's derivative, the part along the state left out.
        angles: Parameters (radian); shape (n_parameters,).

    Returns:
        Symmetric matrix; shape (n_parameters, n_parameters).

    Source: J. J. Meyer, Fisher information in noisy intermediate-scale quantum applications, arXiv 2103.15191.

    """
    rows = np.ascontiguousarray(objective.jacobian(angles)).view(np.float64)  # Re <a|b> is the product of real pairs
    return 4.0 * rows @ rows.T


def fisher_rank(objective: Objective, angles: Vector) -> int:
    """Return in how many independent directions the parameters move the state at these angles."""
    return rank_of(fisher_spectrum(objective, angles))


def rank_of(spectrum: Vector) -> int:
    """Return how many eigenvalues of a Fisher matrix are more than rounding."""
    return int(np.sum(spectrum > RANK_TOLERANCE * max(spectrum.max(initial=0.0), 1e-300)))


def fits_in_memory(objective: QubitEnergyObjective) -> bool:
    """Whether the Jacobian of a qubit ansatz has at most LARGEST_JACOBIAN amplitudes."""
    return objective.ansatz.n_parameters << objective.engine.hamiltonian.n_qubits <= LARGEST_JACOBIAN


def fisher_spectrum(objective: Objective, angles: Vector) -> Vector:
    """Return the eigenvalues of the quantum Fisher information, largest first; shape (n_parameters,)."""
    return np.linalg.eigvalsh(fisher_information(objective, angles))[::-1].astype(np.float64)


def independent_information(fisher: Vector) -> Vector:
    """Return the Fisher information of each parameter that no combination of the others has, 1 / [F^-1]_kk.

    Almost zero for a parameter that the others can replace: those go first in Fisher-rank pruning.
    """
    return 1.0 / np.diag(invert_hessian(fisher))
