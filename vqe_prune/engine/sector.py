"""The sector engine: exact energies, gradients, Hessians and tangents of excitation ansätze, electrons in their sector.

One forward pass, one H psi and one backward pass give the energy and its whole gradient (adjoint method); carrying a
derivative through the same passes gives one column of the Hessian. Real arithmetic, double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation
from vqe_prune.electrons import excitation_irrep
from vqe_prune.engine import kernels
from vqe_prune.engine.determinants import Sector, SectorHamiltonian, string_excitations, string_irreps

State = NDArray[np.float64]
Vector = NDArray[np.float64]

THREADED_DIMENSION = 20_000
"""Sectors smaller than this run on one thread: handing out a segment costs more than it saves."""


def compile_ansatz(
    sector: Sector, ansatz: Ansatz, irreps: NDArray[np.int64] | None = None, irrep: int = 0
) -> kernels.Tables:
    """Tabulate which determinant pairs each rotation couples.

    Args:
        sector: The determinants.
        ansatz: Excitation rotations on the sector's spin orbitals.
        irreps: Abelian irrep of each orbital, products by exclusive or, to tabulate only pairs in one irrep, which all
            rotations must keep; None tabulates all pairs.
        irrep: The one.

    Returns:
        The tables that the kernels read.

    Raises:
        ValueError: A rotation names a spin orbital that the sector does not have.

    """
    if irreps is None:
        irreps, irrep = np.zeros(sector.n_orbitals, dtype=np.int64), 0
    columns = string_irreps(sector.beta_strings, irreps)
    rows = string_irreps(sector.alpha_strings, irreps) ^ irrep
    n_classes = 1 + int(max(columns.max(initial=0), rows.max(initial=0)))
    alpha = _PartTable(sector.alpha_strings, np.zeros_like(rows), 1)
    beta = _PartTable(sector.beta_strings, columns, n_classes)
    order_signs, b_slices, segments = [], [], []
    previous = None
    for index, excitation in enumerate(ansatz.excitations):
        if excitation.spin_orbitals[-1] >= 2 * sector.n_orbitals:
            raise ValueError(
                f"Argument `ansatz` must act on {2 * sector.n_orbitals} spin orbitals, "
                f"but rotation {index} is {excitation.label}"
            )
        sign, alpha_part, beta_part = split_spins(excitation)
        order_signs.append(sign)
        b_slices.append(beta.bounds(beta_part))
        if alpha_part != previous:
            segments.append([index, index, *alpha.bounds(alpha_part)])
            previous = alpha_part
        segments[-1][1] = index + 1
    a_from, a_to, a_sign = alpha.arrays()
    b_from, b_to, b_sign = beta.arrays()
    b_bounds = np.array(b_slices, dtype=np.int64).reshape(-1, n_classes + 1)
    return kernels.Tables(
        a_from,
        a_to,
        a_sign,
        b_from,
        b_to,
        b_sign,
        np.ascontiguousarray(b_bounds[:, :-1]),
        np.ascontiguousarray(b_bounds[:, 1:]),
        rows,
        np.array(order_signs, dtype=np.float64),
        np.array(segments, dtype=np.int64).reshape(-1, 4),
    )


Part = tuple[tuple[int, ...], tuple[int, ...]]


class _PartTable:
    """Determinant pairs of every distinct one-spin part met so far, concatenated, those of a part by source class."""

    def __init__(self, strings: NDArray[np.int64], classes: NDArray[np.int64], n_classes: int) -> None:
        self._strings, self._classes, self._n_classes = strings, classes, n_classes
        self._bounds: dict[Part, NDArray[np.int64]] = {}
        self._columns: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]] = []
        self._length = 0

    def bounds(self, part: Part) -> NDArray[np.int64]:
        """Where the pairs of each class begin, and where those of the last one end; shape (n_classes + 1,)."""
        if part not in self._bounds:
            source, target, sign = string_excitations(self._strings, *part)
            order = np.argsort(self._classes[source], kind="stable")
            self._columns.append((source[order], target[order], sign[order]))
            starts = np.searchsorted(self._classes[source[order]], np.arange(self._n_classes + 1))
            self._bounds[part] = self._length + starts
            self._length += len(source)
        return self._bounds[part]

    def arrays(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
        if not self._columns:
            return np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0)
        source, target, sign = zip(*self._columns, strict=True)
        return np.concatenate(source), np.concatenate(target), np.concatenate(sign)


def is_symmetric(excitation: Excitation, irreps: NDArray[np.int64]) -> bool:
    """Return whether an excitation is totally symmetric; spin orbitals that are not there count as symmetric."""
    return excitation_irrep(irreps, [q for q in excitation.spin_orbitals if q < 2 * len(irreps)]) == 0


def split_spins(excitation: Excitation) -> tuple[float, Part, Part]:
    """Write T = sign * (alpha operators)(beta operators), each part in orbitals of its spin."""
    operators = excitation.created + excitation.annihilated[::-1]
    swaps = sum(1 for k, p in enumerate(operators) if p % 2 for q in operators[k + 1 :] if q % 2 == 0)

    def part(spin: int) -> Part:
        return (
            tuple(p // 2 for p in excitation.created if p % 2 == spin),
            tuple(p // 2 for p in excitation.annihilated if p % 2 == spin),
        )

    return (-1.0) ** swaps, part(0), part(1)


@dataclass(frozen=True, eq=False, kw_only=True)
class SectorEngine:
    """An ansatz bound to a sector Hamiltonian and a reference determinant, to be evaluated again and again.

    The state is psi(angles) = product of rotations |reference>; angles have shape (n_parameters,), radian.

    Attributes:
        hamiltonian: The Hamiltonian's action on the sector.
        ansatz: Excitation rotations.
        reference: Alpha and beta string index of the reference determinant.
        threads: Threads for sectors of at least `THREADED_DIMENSION` determinants.

    """

    hamiltonian: SectorHamiltonian
    ansatz: Ansatz
    reference: tuple[int, int] = (0, 0)
    threads: int = 1

    @cached_property
    def tables(self) -> kernels.Tables:
        """The compiled ansatz."""
        irreps = None if self.irrep is None else self.hamiltonian.irreps
        return compile_ansatz(self.hamiltonian.sector, self.ansatz, irreps, self.irrep or 0)

    @property
    def order_signs(self) -> Vector:
        """Sign of moving each rotation's alpha operators before its beta ones; shape (n_rotations,)."""
        return self.tables.order_signs

    @cached_property
    def irrep(self) -> int | None:
        """Irrep of the state at all angles; None where it has none: an excitation leaves the reference's, or no irreps.

        In one irrep the amplitudes of all others are zero, and nobody need go through them.
        """
        hamiltonian = self.hamiltonian
        if not hamiltonian.irreps.any() or not all(
            is_symmetric(e, hamiltonian.irreps) for e in self.ansatz.excitations
        ):
            return None
        strings = hamiltonian.sector.alpha_strings, hamiltonian.sector.beta_strings
        alpha, beta = (string_irreps(each, hamiltonian.irreps) for each in strings)
        return int(alpha[self.reference[0]] ^ beta[self.reference[1]])

    @cached_property
    def _folding(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        parameters = self.ansatz.parameters
        return parameters, self.ansatz.coefficients, parameters >= 0

    @cached_property
    def _symmetric_part(self) -> tuple[SectorEngine, NDArray[np.bool_]] | None:
        """The engine of the totally symmetric rotations alone, each a parameter, and which they are; None for all."""
        irreps = self.hamiltonian.irreps
        if self.irrep is not None or not irreps.any():
            return None
        kept = np.array([is_symmetric(excitation, irreps) for excitation in self.ansatz.excitations], dtype=bool)
        chosen = [rotation for rotation, keep in zip(self.ansatz.rotations, kept, strict=True) if keep]
        rotations = tuple(replace(rotation, parameter=k, coefficient=1.0) for k, rotation in enumerate(chosen))
        ansatz = Ansatz(name=self.ansatz.name, rotations=rotations, n_parameters=len(rotations))
        return replace(self, ansatz=ansatz), kept

    def state(self, angles: Vector) -> State:
        """Return the normalised state, shape (n_alpha_strings, n_beta_strings)."""
        return self.rotated(self._reference_state(), angles)

    def rotated(self, psi: State, angles: Vector) -> State:
        """Return another state than the reference, of the same irrep, after the rotations; it is overwritten."""
        cosines, sines = self._trigonometry(angles)
        self._sweep(partial(kernels.rotate, self.tables, cosines, sines, psi))
        return psi

    def energy(self, angles: Vector) -> float:
        """Return <H> in hartree."""
        psi = self.state(angles)
        return float(np.vdot(psi, self.hamiltonian.apply(psi, self.irrep))) + self.hamiltonian.constant

    def energy_and_gradient(self, angles: Vector) -> tuple[float, Vector]:
        """Return <H> (hartree) and dE/d angles, shape (n_parameters,).

        Where every rotation that leaves the reference's irrep has angle zero, as in an optimisation that starts from
        zero, the state is in that irrep, and those rotations have no gradient: the others alone are computed.
        """
        if self._symmetric_part is not None:
            part, kept = self._symmetric_part
            turned = self.ansatz.rotation_angles(angles)
            if not turned[~kept].any():
                energy, slopes = part.energy_and_gradient(turned[kept])
                overlaps = np.zeros(len(kept))
                overlaps[kept] = 0.5 * slopes
                return energy, 2.0 * self._fold(overlaps)
        energy, overlaps = self._energy_and_overlaps(*self._trigonometry(angles))
        return energy + self.hamiltonian.constant, 2.0 * self._fold(overlaps)

    def hessian(self, angles: Vector) -> Vector:
        """Return d2E/d angles^2 in hartree, shape (n_parameters, n_parameters)."""
        products = self.hessian_products(angles, np.eye(self.ansatz.n_parameters))
        return 0.5 * (products + products.T)

    def hessian_products(self, angles: Vector, directions: Vector) -> Vector:
        """Return the Hessian times each of the directions, both of shape (n_directions, n_parameters)."""
        overlaps = self._overlap_derivatives(*self._trigonometry(angles), self._speeds(directions))
        return 2.0 * np.array([self._fold(row) for row in overlaps]).reshape(directions.shape)

    def tangents(self, angles: Vector, directions: Vector) -> Iterator[State]:
        """Yield the derivative of the state along each direction (n_parameters,), one state at a time."""
        cosines, sines = self._trigonometry(angles)
        for speed in self._speeds(directions):
            yield self._tangent(cosines, sines, speed)[1]

    def _tangent(self, cosines: Vector, sines: Vector, speed: Vector) -> tuple[State, State]:
        psi = self._reference_state()
        dpsi = np.zeros_like(psi)
        self._sweep(partial(kernels.rotate_tangent, self.tables, cosines, sines, speed, psi, dpsi))
        return psi, dpsi

    def _energy_and_overlaps(self, cosines: Vector, sines: Vector) -> tuple[float, Vector]:
        """Return <H> without the constant and <H psi| T - T^dagger |psi> of each rotation where it acts."""
        psi = self._reference_state()
        matrix = self.hamiltonian.matrix
        if matrix is not None:
            overlaps = np.zeros(len(sines))
            work = psi, np.empty_like(psi)
            return float(kernels.energy_and_overlaps(self.tables, cosines, sines, *matrix, *work, overlaps)), overlaps
        self._sweep(partial(kernels.rotate, self.tables, cosines, sines, psi))
        lam = self.hamiltonian.apply(psi, self.irrep)
        energy = float(np.vdot(psi, lam))
        return energy, self._collect(partial(kernels.unwind, self.tables, cosines, sines, psi, lam))

    def _overlap_derivatives(self, cosines: Vector, sines: Vector, speeds: Vector) -> Vector:
        """Return the derivatives of the overlaps along d angle = speeds, both of shape (n_directions, n_rotations)."""
        matrix = self.hamiltonian.matrix
        if matrix is None:
            return np.array([self._overlap_derivative(cosines, sines, speed) for speed in speeds])
        overlaps = np.zeros_like(speeds)
        psi = self._reference_state()
        work = np.empty_like(psi), np.empty_like(psi), np.empty_like(psi)
        kernels.overlap_derivatives(self.tables, cosines, sines, speeds, *matrix, psi, *work, overlaps)
        return overlaps

    def _overlap_derivative(self, cosines: Vector, sines: Vector, speed: Vector) -> Vector:
        psi, dpsi = self._tangent(cosines, sines, speed)
        lam, dlam = (self.hamiltonian.apply(each, self.irrep) for each in (psi, dpsi))
        return self._collect(partial(kernels.unwind_tangent, self.tables, cosines, sines, speed, psi, dpsi, lam, dlam))

    def _reference_state(self) -> State:
        psi = np.zeros(self.hamiltonian.sector.shape)
        psi[self.reference] = 1.0
        return psi

    def _trigonometry(self, angles: Vector) -> tuple[Vector, Vector]:
        rotation_angles = self.ansatz.rotation_angles(angles)
        return np.cos(rotation_angles), np.sin(rotation_angles) * self.order_signs

    def _speeds(self, directions: Vector) -> Vector:
        parameters, coefficients, free = self._folding
        return np.ascontiguousarray(np.where(free, directions[:, parameters] * coefficients, 0.0))

    def _fold(self, overlaps: Vector) -> Vector:
        """Sum coefficient * overlap over the rotations of each parameter."""
        parameters, coefficients, free = self._folding
        weights = (coefficients * overlaps)[free]
        sums = np.bincount(parameters[free], weights=weights, minlength=self.ansatz.n_parameters)
        return sums.astype(np.float64)  # bincount of nothing is an array of integers

    @property
    def _n_threads(self) -> int:
        return self.threads if self.hamiltonian.sector.dimension >= THREADED_DIMENSION else 1

    def _sweep(self, kernel: Callable[..., None]) -> None:
        """Run a forward kernel over all segments, the row pairs of each shared between threads."""
        with ThreadPoolExecutor(self._n_threads) as pool:
            for first, last, lo, hi in self.tables.segments:
                if self._n_threads == 1:
                    kernel(first, last, lo, hi)
                else:
                    cuts = np.linspace(lo, hi, self._n_threads + 1).astype(int)
                    list(pool.map(partial(kernel, first, last), cuts[:-1], cuts[1:]))

    def _collect(self, kernel: Callable[..., None]) -> Vector:
        """Run a backward kernel over all segments, last first, and return the overlaps it adds up."""
        partials = np.zeros((self._n_threads, len(self.ansatz.rotations)))
        with ThreadPoolExecutor(self._n_threads) as pool:
            for first, last, lo, hi in self.tables.segments[::-1]:
                if self._n_threads == 1:
                    kernel(partials[0], first, last, lo, hi)
                else:
                    cuts = np.linspace(lo, hi, self._n_threads + 1).astype(int)
                    list(pool.map(kernel, partials, repeat(first), repeat(last), cuts[:-1], cuts[1:]))
        return partials.sum(axis=0)
