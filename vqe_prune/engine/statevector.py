"""The state-vector engine: exact energies, gradients, Hessians and tangents of Pauli rotations and Clifford gates.

One forward pass, one H psi and one backward pass give the energy and its whole gradient (adjoint method); carrying a
derivative through the same passes gives one column of the Hessian. Complex arithmetic, double precision; amplitudes
are ordered with qubit 0 most significant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.engine import pauli_kernels as kernels
from vqe_prune.paulis import Clifford, PauliSum, QubitHamiltonian, string_masks

State = NDArray[np.complex128]
Vector = NDArray[np.float64]

COMPILED_QUBITS = 13
"""Up to so many qubits a gradient is one compiled call on one thread; above, segments are shared between threads."""

LOWEST_SPLIT = 9
"""Bits below this one are not left alone by a segment: pieces would be made of runs of a few amplitudes."""

PIECE_BITS = 13
"""Two states' pieces of 2^13 amplitudes, 256 KiB, stay in a second-level cache."""

PARTS = 2
"""Parts for each thread: one that the machine holds up does not hold up the others as long."""

_HALF = np.sqrt(0.5)
_CLIFFORDS = {
    "h": (_HALF, _HALF, _HALF, -_HALF),
    "x": (0.0, 1.0, 1.0, 0.0),
    "y": (0.0, -1.0j, 1.0j, 0.0),
    "cx": (0.0, 1.0, 1.0, 0.0),
    "swap": (0.0, 1.0, 1.0, 0.0),
    "s": (1.0j, 0.0, 0.0, 1.0j),
    "sdg": (-1.0j, 0.0, 0.0, -1.0j),
    "z": (-1.0, 0.0, 0.0, -1.0),
    "cz": (-1.0, 0.0, 0.0, -1.0),
}
"""What a Clifford gate does to a pair of amplitudes, row by row; a diagonal one to one amplitude, written twice."""

_DIAGONAL = ("s", "sdg", "z", "cz")


@dataclass(frozen=True, eq=False, kw_only=True)
class CompiledAnsatz:
    """An ansatz as elementary gates; the angle of gate g is coefficients[g] * angles[parameters[g]].

    Attributes:
        gates: The tables that the kernels read.
        parameters: Parameter of each gate, -1 for a constant angle; shape (n_gates,).
        coefficients: Factor of that parameter or constant angle; shape (n_gates,).

    """

    gates: kernels.Gates
    parameters: NDArray[np.int64]
    coefficients: Vector


def compile_ansatz(n_qubits: int, ansatz: Ansatz, *, with_data: bool = False) -> CompiledAnsatz:
    """Tabulate every Pauli string and Clifford gate of an ansatz.

    Args:
        n_qubits: Number of qubits n.
        ansatz: Rotations whose generators are a `PauliSum` or a `Clifford`.
        with_data: Whether gates that encode a sample's features are allowed.

    Returns:
        The elementary gates, one for each Pauli string.

    Raises:
        ValueError: A generator is of another kind or acts on a qubit that does not exist, or a Clifford gate has a
            parameter.

    """
    rows: list[tuple[int, int, int, int, float]] = []
    matrices: list[tuple[complex, ...]] = []
    parameters: list[int] = []
    coefficients: list[float] = []
    for index, rotation in enumerate(ansatz.rotations):
        generator: object = rotation.generator
        if not isinstance(generator, PauliSum | Clifford):
            raise ValueError(
                f"Argument `ansatz` must consist of Pauli sums and Clifford gates, "
                f"but rotation {index} is a {type(generator).__name__}"
            )
        if max(generator.qubits) >= n_qubits:
            raise ValueError(
                f"Argument `ansatz` must act on {n_qubits} qubits, but rotation {index} is {generator.label}"
            )
        if rotation.feature is not None and not with_data:
            raise ValueError(f"Argument `ansatz` must not encode data, but rotation {index} follows a feature")
        if isinstance(generator, Clifford):
            if rotation.parameter is not None:
                raise ValueError(
                    f"A Clifford gate must have no parameter, "
                    f"but rotation {index} ({generator.label}) has {rotation.parameter}"
                )
            row, matrix = _clifford_row(generator, n_qubits)
            rows.append(row)
            matrices.append(matrix)
            parameters.append(-1)
            coefficients.append(0.0)
            continue
        for factor, string in generator.terms:
            flips, z = string_masks(string, n_qubits)
            n_y = (flips & z).bit_count()
            kind = kernels.DIAGONAL if flips == 0 else kernels.ODD if n_y % 2 else kernels.EVEN
            rows.append((kind, flips, z, 0, 1.0 if n_y % 4 < 2 else -1.0))
            matrices.append((0.0,) * 4)
            parameters.append(-1 if rotation.parameter is None else rotation.parameter)
            coefficients.append(factor * rotation.coefficient)
    return CompiledAnsatz(
        gates=_gates(rows, matrices),
        parameters=np.array(parameters, dtype=np.int64),
        coefficients=np.array(coefficients, dtype=np.float64),
    )


def _gates(rows: list[tuple[int, int, int, int, float]], matrices: list[tuple[complex, ...]]) -> kernels.Gates:
    integers = np.array([row[:4] for row in rows], dtype=np.int64).reshape(-1, 4).T.copy()
    kinds, x, z, values = integers
    return kernels.Gates(
        kinds=kinds,
        x=x,
        z=z,
        values=values,
        signs=np.array([row[4] for row in rows], dtype=np.float64),
        matrices=np.array(matrices, dtype=np.complex128).reshape(-1, 4),
    )


def _clifford_row(gate: Clifford, n_qubits: int) -> tuple[tuple[int, int, int, int, float], tuple[complex, ...]]:
    """Return a Clifford gate's row: kind, bits flipped, bits of the condition, their values, 1; and its matrix."""
    bits = [1 << (n_qubits - 1 - qubit) for qubit in gate.qubits]
    every = sum(bits)
    if gate.name in _DIAGONAL:
        flips, value = 0, every
    else:
        flips = every if gate.name == "swap" else bits[-1]
        value = bits[0] if gate.name in ("cx", "swap") else 0
    return (kernels.CLIFFORD, flips, every, value, 1.0), _CLIFFORDS[gate.name]


class Segment(NamedTuple):
    """Neighbouring gates that flip none of some bits, so that each value of those bits is a piece of its own.

    Attributes:
        first: First gate.
        last: One past the last gate.
        split: Mask of the bits.
        values: What the bits may be, one piece of the state each; shape (n_pieces,).

    """

    first: int
    last: int
    split: int
    values: NDArray[np.int64]


def split_into_segments(flips: Sequence[int], n_qubits: int) -> list[Segment]:
    """Cut a sequence of gates so that each segment leaves some bits alone for as long as possible.

    All gates of a segment act on one piece after another: a piece stays in the cache, and threads do not meet.

    Args:
        flips: Bits that each gate flips or swaps.
        n_qubits: Number of qubits; pieces have 2^PIECE_BITS amplitudes.

    Returns:
        Segments in the order of the gates.

    """
    following = [[len(flips)] * n_qubits for _ in range(len(flips) + 1)]  # next gate that flips each bit
    for gate in range(len(flips) - 1, -1, -1):
        following[gate] = [gate if flips[gate] >> bit & 1 else later for bit, later in enumerate(following[gate + 1])]
    segments, first = [], 0
    while first < len(flips):
        usable = range(LOWEST_SPLIT, n_qubits)
        quiet = sorted(usable, key=lambda bit: (-following[first][bit], -bit))[: max(n_qubits - PIECE_BITS, 1)]
        quiet = [bit for bit in quiet if following[first][bit] > first]
        last = max(min((following[first][bit] for bit in quiet), default=0), first + 1)
        values = np.zeros(1, dtype=np.int64)
        for bit in sorted(quiet):
            values = np.concatenate([values, values | 1 << bit])
        segments.append(Segment(first, last, sum(1 << bit for bit in quiet), values))
        first = last
    return segments


@dataclass(frozen=True, eq=False, kw_only=True)
class StatevectorEngine:
    """An ansatz bound to a qubit Hamiltonian and a reference state, to be evaluated again and again.

    The state is psi(angles) = product of rotations |reference>; angles have shape (n_parameters,), radian. Energies are
    in the unit of the Hamiltonian.

    Attributes:
        hamiltonian: The Hamiltonian.
        ansatz: Rotations whose generators are a `PauliSum` or a `Clifford`.
        reference: Normalised amplitudes of the first state, shape (2^n,); None for |0...0>.
        threads: Threads for more than `COMPILED_QUBITS` qubits, and for batches.

    Raises:
        ValueError: The reference has another shape.

    """

    hamiltonian: QubitHamiltonian
    ansatz: Ansatz
    reference: State | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        shape = (1 << self.hamiltonian.n_qubits,)
        if self.reference is not None and np.shape(self.reference) != shape:
            raise ValueError(f"Argument `reference` must have shape {shape}, but it is {np.shape(self.reference)}")

    @cached_property
    def compiled(self) -> CompiledAnsatz:
        """The compiled ansatz."""
        return compile_ansatz(self.hamiltonian.n_qubits, self.ansatz)

    @cached_property
    def segments(self) -> list[Segment]:
        """The gates, cut so that threads can share them."""
        flips = self.compiled.gates.x.tolist()
        if self._in_one_call:
            return [Segment(0, len(flips), 0, kernels.WHOLE)]
        return split_into_segments(flips, self.hamiltonian.n_qubits)

    def state(self, angles: Vector) -> State:
        """Return the normalised state, shape (2^n,), qubit 0 most significant."""
        cosines, sines = self._trigonometry(angles)
        psi = self._reference_state()
        self._sweep(partial(kernels.rotate, self.compiled.gates, cosines, sines, psi), self.segments)
        return psi

    def energy(self, angles: Vector) -> float:
        """Return <H>, in the unit of the Hamiltonian."""
        return self._multiplied(self.state(angles))[1] + self.hamiltonian.constant

    def energy_and_gradient(self, angles: Vector) -> tuple[float, Vector]:
        """Return <H> and dE/d angles, shape (n_parameters,)."""
        if self._in_one_call:
            energies, gradients = self.energies_and_gradients(np.asarray(angles)[None])
            return float(energies[0]), gradients[0]
        cosines, sines = self._trigonometry(angles)
        psi = self.state(angles)
        lam, energy = self._multiplied(psi)
        partials = np.zeros((self.threads, len(sines)))
        kernel = partial(kernels.unwind, self.compiled.gates, cosines, sines, psi, lam)
        self._sweep(kernel, self.segments[::-1], partials)
        return energy + self.hamiltonian.constant, 2.0 * self._fold(partials.sum(axis=0))

    def energies_and_gradients(self, angles: Vector) -> tuple[Vector, Vector]:
        """Return <H> and gradient of many parameter sets at once.

        Args:
            angles: One set a row, radian; shape (n_sets, n_parameters).

        Returns:
            Energies (n_sets,) and gradients (n_sets, n_parameters).

        """
        energies, gradients = np.empty(len(angles)), np.empty((len(angles), self.ansatz.n_parameters))
        if not self._in_one_call:
            for k, row in enumerate(angles):
                energies[k], gradients[k] = self.energy_and_gradient(row)
            return energies, gradients
        cosines, sines = self._trigonometry(angles)
        overlaps = np.zeros_like(sines)
        gates, terms, reference = self.compiled.gates, self.hamiltonian.compiled, self._first_state
        kernel = partial(kernels.energies_and_overlaps, gates, cosines, sines, terms, reference, energies, overlaps)
        self._share(kernel, len(angles), 1)
        for k, row in enumerate(overlaps):
            gradients[k] = 2.0 * self._fold(row)
        return energies + self.hamiltonian.constant, gradients

    def hessian(self, angles: Vector) -> Vector:
        """Return d2E/d angles^2, shape (n_parameters, n_parameters)."""
        products = self.hessian_products(angles, np.eye(self.ansatz.n_parameters))
        return 0.5 * (products + products.T)

    def hessian_products(self, angles: Vector, directions: Vector) -> Vector:
        """Return the Hessian times each of the directions, both of shape (n_directions, n_parameters)."""
        cosines, sines = self._trigonometry(angles)
        extended = np.pad(np.asarray(directions, dtype=np.float64), ((0, 0), (0, 1)))  # index -1: a constant rests
        speeds = np.ascontiguousarray(extended[:, self.compiled.parameters] * self.compiled.coefficients)
        overlaps = np.zeros_like(speeds)
        psi = self._reference_state()
        work = np.empty_like(psi), np.empty_like(psi), np.empty_like(psi)
        gates, terms = self.compiled.gates, self.hamiltonian.compiled
        kernels.overlap_derivatives(gates, cosines, sines, speeds, terms, psi, *work, overlaps)
        return 2.0 * np.array([self._fold(row) for row in overlaps]).reshape(directions.shape)

    def jacobian(self, angles: Vector) -> State:
        """Return the derivative of the state along each parameter, shape (n_parameters, 2^n)."""
        cosines, sines = self._trigonometry(angles)
        psi = self._reference_state()
        rows = np.zeros((self.ansatz.n_parameters, len(psi)), dtype=np.complex128)
        compiled = self.compiled
        kernels.jacobian(compiled.gates, cosines, sines, compiled.parameters, compiled.coefficients, psi, rows)
        return rows

    @property
    def _first_state(self) -> State:
        """The reference itself where it is an array that a kernel can take."""
        if self.reference is not None:
            return np.require(self.reference, np.complex128, ["C", "W"])
        psi = np.zeros(1 << self.hamiltonian.n_qubits, dtype=np.complex128)
        psi[0] = 1.0
        return psi

    def _reference_state(self) -> State:
        """Return amplitudes to be changed in place."""
        return self._first_state if self.reference is None else np.array(self.reference, dtype=np.complex128)

    @property
    def _in_one_call(self) -> bool:
        return self.hamiltonian.n_qubits <= COMPILED_QUBITS

    def _multiplied(self, psi: State) -> tuple[State, float]:
        """Return H psi and <H>, both without the constant; the BLAS that np.vdot calls has busy threads of its own."""
        out, length = np.empty_like(psi), len(psi)
        kernel = partial(kernels.multiply, self.hamiltonian.compiled, psi, out)
        return out, sum(self._share(kernel, length, 1 << kernels.BLOCK_BITS))

    def _share(self, kernel: Callable[..., Any], length: int, block: int) -> list[Any]:
        """Run a kernel on parts [lo, hi) of whole blocks, a few for each thread; return what it returns."""
        n_blocks = -(-length // block)
        if min(self.threads, n_blocks) <= 1:
            return [kernel(0, length)]
        cuts = np.linspace(0, n_blocks, min(PARTS * self.threads, n_blocks) + 1).astype(int) * block
        parts = list(pairwise(np.minimum(cuts, length).tolist()))
        return _on_threads(self.threads, lambda _, part: kernel(*part), parts)

    def _sweep(self, kernel: Callable[..., None], segments: Sequence[Segment], partials: Vector | None = None) -> None:
        """Run a kernel over segments, the pieces of each on all threads; each thread adds to a row of its own."""
        for first, last, split, values in segments:

            def work(thread: int, part: tuple[int, int]) -> None:
                row = () if partials is None else (partials[thread],)
                kernel(*row, first, last, split, values, *part)  # noqa: B023  # done before the next segment begins

            parts = min(PARTS * self.threads if self.threads > 1 else 1, len(values))
            cuts = np.linspace(0, len(values), parts + 1).astype(int).tolist()
            _on_threads(self.threads, work, list(pairwise(cuts)))

    def _trigonometry(self, angles: Vector) -> tuple[Vector, Vector]:
        """Return cosine and sine of each gate's angle, for one parameter set or for one a row."""
        ones = np.ones((*np.shape(angles)[:-1], 1))  # index -1: a constant is coefficient * 1
        extended = np.concatenate([np.asarray(angles, dtype=np.float64), ones], axis=-1)
        gate_angles = np.ascontiguousarray(extended[..., self.compiled.parameters] * self.compiled.coefficients)
        return np.cos(gate_angles), np.sin(gate_angles)

    def _fold(self, overlaps: Vector) -> Vector:
        """Sum coefficient * overlap over the gates of each parameter."""
        parameters = self.compiled.parameters
        free = parameters >= 0
        weights = (self.compiled.coefficients * overlaps)[free]
        sums = np.bincount(parameters[free], weights=weights, minlength=self.ansatz.n_parameters)
        return sums.astype(np.float64)  # bincount of nothing is an array of integers


def _on_threads(threads: int, work: Callable[[int, Any], Any], parts: Sequence[Any]) -> list[Any]:
    """Call work(thread, part) for all parts, in no order; a thread that is done takes the next one."""
    left = iter(parts)  # its next() is atomic

    def drain(thread: int) -> list[Any]:
        return [work(thread, part) for part in left]

    helpers = range(1, min(threads, len(parts)))
    tasks = [_pool(threads - 1).submit(drain, thread) for thread in helpers]
    results = drain(0)
    return results + [result for task in tasks for result in task.result()]


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that live as long as the process: starting them costs more than a small segment."""
    return ThreadPoolExecutor(threads)
