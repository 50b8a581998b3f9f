"""Exact lowest states of qubit Hamiltonians, by dense diagonalisation or Lanczos, whole or in a symmetry sector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.errors import ConvergenceError
from vqe_prune.paulis import PauliString, QubitHamiltonian, State, multiply_strings, string_masks

DENSE_QUBITS = 8
"""Up to here the whole matrix is diagonalised, which finds every degenerate state at once."""

DEGENERATE = 1e-8
"""Energies closer than this, times the sum of all coefficients, are one level."""

MOST_COPIES = 8
"""A level of more states than this is not counted to the end."""


@dataclass(frozen=True, eq=False, kw_only=True)
class GroundLevel:
    """The lowest level of a Hamiltonian.

    Attributes:
        energy: Its energy, the constant included.
        states: Orthonormal states of the level, at most MOST_COPIES; shape (n_states, 2^n).
        whole: False where there may be more states than these.
        gap: Distance to the next level, None where it was not computed.

    """

    energy: float
    states: State
    gap: float | None
    whole: bool = True


@dataclass(frozen=True, eq=False, kw_only=True)
class QubitSector:
    """A set of states with given values of Pauli strings and of sums of Z.

    Attributes:
        parities: Pauli strings that commute, each with its value +1 or -1.
        allowed: Basis states that the sums of Z allow, None for all; shape (2^n,).

    """

    parities: tuple[tuple[PauliString, int], ...] = ()
    allowed: NDArray[np.bool_] | None = None

    def project(self, psi: State, n_qubits: int) -> State:
        """Return the part of a state, shape (2^n,), that lies in the sector."""
        if self.allowed is not None:
            psi = np.where(self.allowed, psi, 0.0)
        for string, value in self.parities:
            psi = 0.5 * (psi + value * apply_string(string, psi, n_qubits))
        return psi

    def inside(self, level: GroundLevel, n_qubits: int) -> State:
        """Return orthonormal states of a level that lie in the sector, shape (n_inside, 2^n)."""
        parts = np.array([self.project(state, n_qubits) for state in level.states])
        _, weights, rows = np.linalg.svd(parts, full_matrices=False)
        return rows[weights > 0.5]  # the projector commutes with H: of a whole level weights are 0 or 1 up to rounding

    def dimension(self, n_qubits: int) -> int:
        """Return the number of independent states: the trace of the projector.

        Strings of Z restrict the basis states; any other string halves what is left, since it maps them in pairs. They
        are multiplied with each other first, for a product such as XX YY = -ZZ is a string of Z.
        """
        index = np.arange(1 << n_qubits)
        kept = np.ones(len(index), dtype=bool) if self.allowed is None else self.allowed.copy()
        flips: dict[int, tuple[PauliString, int]] = {}
        for string, value in self.parities:
            for highest, (other, its) in flips.items():
                if string_masks(string, n_qubits)[0] >> highest & 1:
                    phase, string = multiply_strings(string, other)
                    value *= its * round(phase.real)
            x, z = string_masks(string, n_qubits)
            if x:
                flips[x.bit_length() - 1] = string, value
            else:
                kept &= 1 - 2 * (np.bitwise_count(index & z).astype(np.int64) & 1) == value
        return int(kept.sum()) >> len(flips)


def apply_string(string: PauliString, psi: State, n_qubits: int) -> State:
    """Return P psi of a Pauli string, psi of shape (..., 2^n)."""
    x, z = string_masks(string, n_qubits)
    index = np.arange(1 << n_qubits) ^ x
    signs = 1.0 - 2.0 * (np.bitwise_count(index & z).astype(np.int64) & 1)
    return (1.0j ** (x & z).bit_count()) * signs * psi[..., index]


def ground_level(hamiltonian: QubitHamiltonian, sector: QubitSector | None = None) -> GroundLevel:
    """Find the lowest energy and the states that have it, at most MOST_COPIES of them.

    Lanczos (ARPACK) finds one state at a time; each one found is lifted out of the way before the next is looked for,
    so that degenerate states are counted and not guessed.

    Args:
        hamiltonian: The Hamiltonian.
        sector: Where to look, default everywhere.

    Raises:
        ConvergenceError: Lanczos does not converge.

    """
    n, shift = hamiltonian.n_qubits, hamiltonian.norm_bound + 1.0
    tolerance = DEGENERATE * max(hamiltonian.norm_bound, 1e-300)
    if n <= DENSE_QUBITS:
        energies, vectors = np.linalg.eigh(_lowered_matrix(hamiltonian, sector, shift))
        count = int(np.sum(energies - energies[0] < tolerance))
        gap = float(energies[count] - energies[0]) if count < len(energies) and energies[count] < -0.5 else None
        states = vectors.T[: min(count, MOST_COPIES)].astype(np.complex128)
        energy = float(energies[0]) + shift + hamiltonian.constant
        return GroundLevel(energy=energy, states=states, gap=gap, whole=count <= MOST_COPIES)
    found: list[State] = []
    lowest, gap = 0.0, None
    while len(found) < MOST_COPIES:
        energy, state = _lowest(hamiltonian, sector, shift, found, 1e-7 if found else 1e-10)
        if not found:
            lowest = energy
        elif energy - lowest > tolerance:
            gap = float(energy - lowest) if energy < -0.5 else None
            break
        found.append(state)
    whole = len(found) < MOST_COPIES
    return GroundLevel(energy=lowest + shift + hamiltonian.constant, states=np.array(found), gap=gap, whole=whole)


def _lowered_matrix(hamiltonian: QubitHamiltonian, sector: QubitSector | None, shift: float) -> State:
    """P (H - shift) P as a matrix; energies inside are all below -0.5 and what is outside is zero."""
    n = hamiltonian.n_qubits
    columns = []
    for column in np.eye(1 << n, dtype=np.complex128):
        inside = column if sector is None else sector.project(column, n)
        image = hamiltonian.apply(inside) - shift * inside
        columns.append(image if sector is None else sector.project(image, n))
    return np.array(columns).T


def _lowest(
    hamiltonian: QubitHamiltonian, sector: QubitSector | None, shift: float, known: Sequence[State], tolerance: float
) -> tuple[float, State]:
    """Lowest eigenvalue of P (H - shift) P and its state, those already known lifted to zero.

    The tolerance is that of the state, relative; the energy's error is its square.
    """
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    n = hamiltonian.n_qubits
    odd = any(sum(letter == "Y" for _, letter in string) % 2 for string in hamiltonian.strings)
    odd = odd or any(sum(letter == "Y" for _, letter in s) % 2 for s, _ in (sector.parities if sector else ()))
    dtype = np.complex128 if odd else np.float64

    def lowered(vector: NDArray[Any]) -> NDArray[Any]:
        psi = np.asarray(vector, dtype=np.complex128).ravel()
        for state in known:
            psi = psi - np.vdot(state, psi) * state
        inside = psi if sector is None else sector.project(psi, n)
        image = hamiltonian.apply(inside) - shift * inside
        image = image if sector is None else sector.project(image, n)
        for state in known:
            image = image - np.vdot(state, image) * state
        return image if odd else image.real

    start = np.random.default_rng(len(known)).normal(size=1 << n).astype(dtype)  # literal seeds: repeatable
    operator = LinearOperator((1 << n, 1 << n), matvec=lowered, dtype=dtype)
    inwards = lowered(start)
    if np.linalg.norm(inwards) < 1e-6 * shift:
        return 0.0, np.zeros(1 << n, dtype=np.complex128)  # the known states are all of a small sector
    try:
        energies, vectors = eigsh(operator, k=1, which="SA", v0=inwards, tol=tolerance, ncv=24)
    except ArpackNoConvergence as error:
        raise ConvergenceError(f"the exact energy of {n} qubits does not converge; set exact=false") from error
    return float(energies[0]), np.asarray(vectors[:, 0], dtype=np.complex128)
