"""The certificate of a pruning: the predicted increase, the measured one, and a bound that neither may exceed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.engine.determinants import SectorHamiltonian
from vqe_prune.paulis import QubitHamiltonian

DENSE_DIMENSION = 400
"""Sectors up to this size are diagonalised whole, which is faster than Lanczos there."""

ROUGH_DIMENSION = 200_000
"""In larger sectors both ends come from some thirty products with H: bounds grow by a few per cent."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What pruning cost.

    Attributes:
        predicted_increase: Sum of the increases that curvature predicted, hartree.
        measured_increase: Energy of the pruned ansatz minus that of the ansatz as built, hartree.
        bound: Largest change that the two states allow, hartree.

    """

    predicted_increase: float
    measured_increase: float
    bound: float


def spectral_ends(hamiltonian: SectorHamiltonian | QubitHamiltonian) -> tuple[float, float]:
    """Return the lowest and the highest eigenvalue, hartree or the Hamiltonian's unit, the constant included.

    Small sectors are diagonalised; for larger ones both ends come from Lanczos, each moved outwards by the norm of its
    residual, so that an end that has not converged makes a bound larger, not smaller.
    """
    import scipy.sparse.linalg as linalg

    if isinstance(hamiltonian, SectorHamiltonian):
        shape: tuple[int, ...] = hamiltonian.sector.shape
        dtype: type = np.float64
    else:
        shape, dtype = (1 << hamiltonian.n_qubits,), np.complex128
    dimension = int(np.prod(shape))

    def apply(vector: NDArray[Any]) -> NDArray[Any]:
        return hamiltonian.apply(np.ascontiguousarray(vector, dtype=dtype).reshape(shape)).ravel()

    if dimension <= DENSE_DIMENSION:
        spectrum = np.linalg.eigvalsh(np.array([apply(column) for column in np.eye(dimension)]).T)
        return float(spectrum[0]) + hamiltonian.constant, float(spectrum[-1]) + hamiltonian.constant
    operator = linalg.LinearOperator((dimension, dimension), matvec=apply, dtype=dtype)
    start = np.random.default_rng(0).normal(size=dimension)  # overlaps with every irrep; fixed for repeatability
    options: dict[str, Any] = {"v0": start.astype(dtype), "ncv": 12, "tol": 1e-4}
    if dimension > ROUGH_DIMENSION and dtype is np.float64:
        pairs = [linalg.eigsh(operator, k=2, which="BE", **(options | {"tol": 1e-2}))]
    else:
        pairs = [linalg.eigsh(operator, k=1, which=which, **options) for which in ("SA", "LA")]
    energies = np.concatenate([found for found, _ in pairs])
    vectors = np.concatenate([found for _, found in pairs], axis=1)
    residuals = [np.linalg.norm(apply(vector) - e * vector) for e, vector in zip(energies, vectors.T, strict=True)]
    ends = energies + np.array([-1.0, 1.0]) * residuals + hamiltonian.constant
    return float(ends[0]), float(ends[1])


def energy_change_bound(
    hamiltonian: SectorHamiltonian | QubitHamiltonian,
    state: NDArray[Any],
    other: NDArray[Any],
    ends: tuple[float, float] | None = None,
) -> float:
    """Bound the difference of two states' energies by their Fubini-Study distance D.

    The smaller of two bounds. For any states |dE| <= 2 ||H - c|| sin D with ||H - c|| = (E_max - E_min) / 2. With
    |other> = cos D |state> + sin D |rest>, dE = sin^2 D (<rest|H|rest> - E) + 2 sin D cos D Re <rest|H|state>, hence
    |dE| <= sin^2 D max(E_max - E, E - E_min) + 2 sin D cos D s with s^2 = <H^2> - E^2 at the first state, which is
    small near an eigenstate (ours).

    Args:
        hamiltonian: H on the sector, or on qubits.
        state: A normalised state that it acts on.
        other: Another one.
        ends: `spectral_ends` of H where they are known.

    Returns:
        The bound in hartree, or the Hamiltonian's unit.

    """
    lowest, highest = ends or spectral_ends(hamiltonian)
    overlap = float(abs(np.vdot(state, other)))
    sine = float(np.linalg.norm(other - np.vdot(state, other) * state))  # 1 - overlap^2 would cancel for close states
    image = hamiltonian.apply(state)
    energy = float(np.vdot(state, image).real)
    deviation = float(np.linalg.norm(image - energy * state))
    energy += hamiltonian.constant
    second_order = sine**2 * max(highest - energy, energy - lowest) + 2.0 * sine * min(overlap, 1.0) * deviation
    return min((highest - lowest) * sine, second_order)
