"""The slow, obvious twin of the engines: 2^n-dimensional matrices by OpenFermion and SciPy."""

from __future__ import annotations

import numpy as np
import openfermion
import scipy.sparse.linalg
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation
from vqe_prune.engine.determinants import Sector


def anti_hermitian(excitation: Excitation, n_qubits: int) -> scipy.sparse.csc_matrix:
    """T - T^dagger under Jordan-Wigner."""
    terms = [(p, 1) for p in excitation.created] + [(p, 0) for p in reversed(excitation.annihilated)]
    operator = openfermion.FermionOperator(tuple(terms))
    return openfermion.get_sparse_operator(operator - openfermion.hermitian_conjugated(operator), n_qubits)


def determinant(occupied: tuple[int, ...], n_qubits: int) -> NDArray[np.float64]:
    """The Jordan-Wigner basis state of a determinant, qubit 0 most significant."""
    state = np.zeros(2**n_qubits)
    state[sum(1 << (n_qubits - 1 - q) for q in occupied)] = 1.0
    return state


def dense_state(
    ansatz: Ansatz, angles: NDArray[np.float64], occupied: tuple[int, ...], n_qubits: int
) -> NDArray[np.float64]:
    """The product of exponentials on the reference, one expm a rotation."""
    state = determinant(occupied, n_qubits)
    for rotation, angle in zip(ansatz.rotations, ansatz.rotation_angles(angles), strict=True):
        state = scipy.sparse.linalg.expm_multiply(angle * anti_hermitian(rotation.generator, n_qubits), state).real
    return state


def embed(state: NDArray[np.float64], sector: Sector) -> NDArray[np.float64]:
    """Jordan-Wigner vector of a sector state, each sign by counting transpositions; the first determinant positive."""
    n_qubits = 2 * sector.n_orbitals
    vector = np.zeros(2**n_qubits, dtype=state.dtype)
    first = 0
    for row, alpha in enumerate(sector.alpha_strings):
        for column, beta in enumerate(sector.beta_strings):
            creators = [2 * p for p in range(sector.n_orbitals) if alpha >> p & 1]
            creators += [2 * p + 1 for p in range(sector.n_orbitals) if beta >> p & 1]
            swaps = sum(a > b for k, a in enumerate(creators) for b in creators[k + 1 :])
            if row == column == 0:
                first = swaps
            vector += (-1) ** (swaps - first) * state[row, column] * determinant(tuple(creators), n_qubits)
    return vector
