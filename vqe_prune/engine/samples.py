"""One circuit on many samples: states, and the gradient of a loss on their probabilities by the adjoint method.

A sample enters as the state that the circuit acts on (angle or amplitude encoding), by the angles of gates that follow
its features (data re-uploading), or both. Blocks of samples are states with a few more qubits that no gate touches, so
that the kernels of the state-vector engine do all samples of a block at once and their loops run over neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.engine import pauli_kernels as kernels
from vqe_prune.engine import sample_kernels
from vqe_prune.engine.statevector import CompiledAnsatz, compile_ansatz
from vqe_prune.paulis import PauliSum

State = NDArray[np.complex128]
Vector = NDArray[np.float64]
Rows = NDArray[np.int64]

BLOCK_AMPLITUDES = 1 << 13
"""Of a block of samples: two such states, 256 KiB, stay in a second-level cache."""


class Stretch(NamedTuple):
    """Neighbouring gates [first, last), all of one kind: with the angles of every sample, or with common ones."""

    first: int
    last: int
    of_data: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class SampleEngine:
    """A circuit bound to the samples of a data set.

    The state of sample s is psi_s(angles) = product of rotations |reference_s>. A gate with a feature turns by
    coefficient * features[s, feature], every other one as in `StatevectorEngine`.

    Attributes:
        n_qubits: Number of qubits n.
        ansatz: Pauli rotations and Clifford gates.
        references: Normalised first states, shape (n_samples, 2^n), or (2^n,) for one that all share.
        features: Shape (n_samples, n_features); None where no gate encodes data.

    Raises:
        ValueError: Shapes do not fit, or a gate follows a feature that there is not.

    """

    n_qubits: int
    ansatz: Ansatz
    references: State
    features: Vector | None = None

    def __post_init__(self) -> None:
        if self.references.shape[-1] != 1 << self.n_qubits or self.references.ndim > 2:
            raise ValueError(
                f"Argument `references` must have shape (n_samples, {1 << self.n_qubits}), "
                f"but it is {self.references.shape}"
            )
        wanted = max((each.feature for each in self.ansatz.rotations if each.feature is not None), default=-1)
        if wanted >= (0 if self.features is None else self.features.shape[1]):
            raise ValueError(f"Argument `features` must have a column for feature {wanted}, which a gate follows")

    @cached_property
    def compiled(self) -> CompiledAnsatz:
        """The compiled ansatz."""
        return compile_ansatz(self.n_qubits, self.ansatz, with_data=True)

    @cached_property
    def followed(self) -> NDArray[np.int64]:
        """Feature of each elementary gate, -1 for none; shape (n_gates,)."""
        found: list[int] = []
        for rotation in self.ansatz.rotations:
            n_gates = len(rotation.generator.terms) if isinstance(rotation.generator, PauliSum) else 1
            found += [-1 if rotation.feature is None else rotation.feature] * n_gates
        return np.array(found, dtype=np.int64)

    @cached_property
    def stretches(self) -> list[Stretch]:
        """The gates, cut where they begin or cease to encode data."""
        places = groupby(range(len(self.followed)), key=lambda gate: bool(self.followed[gate] >= 0))
        return [Stretch(part[0], part[-1] + 1, kind) for kind, part in ((kind, list(part)) for kind, part in places)]

    @property
    def block(self) -> int:
        """Most samples of a block, a power of 2."""
        return max(1, BLOCK_AMPLITUDES >> self.n_qubits)

    def blocks(self, rows: Rows) -> Iterator[tuple[slice, Block]]:
        """Yield the samples `rows` in blocks, each with its place among them."""
        for start in range(0, len(rows), self.block):
            part = rows[start : start + self.block]
            yield slice(start, start + len(part)), self.bind(part)

    def bind(self, rows: Rows) -> Block:
        """Return a block of samples, filled up with empty ones to a power of 2."""
        size = 1 << (len(rows) - 1).bit_length()
        first = np.zeros((1 << self.n_qubits, size), dtype=np.complex128)
        first[:, : len(rows)] = self.references[rows].T if self.references.ndim == 2 else self.references[:, None]
        shift = size.bit_length() - 1
        gates = self.compiled.gates
        gates = gates._replace(x=gates.x << shift, z=gates.z << shift, values=gates.values << shift)
        turns = []
        for first_gate, last_gate, of_data in self.stretches:
            angles = np.zeros((last_gate - first_gate, size))
            if of_data and self.features is not None:
                factors = self.compiled.coefficients[first_gate:last_gate, None]
                angles[:, : len(rows)] = factors * self.features[rows].T[self.followed[first_gate:last_gate]]
            turns.append((np.cos(angles), np.sin(angles)) if of_data else None)
        return Block(engine=self, gates=gates, first=first.ravel(), turns=turns, n_samples=len(rows))

    def trigonometry(self, angles: Vector) -> tuple[Vector, Vector]:
        """Return cosine and sine of each gate's angle; those of gates that encode data have no meaning."""
        extended = np.append(np.asarray(angles, dtype=np.float64), 1.0)  # index -1: a constant is coefficient * 1
        gate_angles = extended[self.compiled.parameters] * self.compiled.coefficients
        return np.cos(gate_angles), np.sin(gate_angles)

    def speeds(self, direction: Vector) -> Vector:
        """Return how fast each gate's angle grows along a direction of the parameters."""
        return np.append(direction, 0.0)[self.compiled.parameters] * self.compiled.coefficients

    def fold(self, overlaps: Vector) -> Vector:
        """Sum 2 * coefficient * overlap over the gates of each parameter."""
        parameters = self.compiled.parameters
        free = parameters >= 0
        weights = (2.0 * self.compiled.coefficients * overlaps)[free]
        return np.bincount(parameters[free], weights=weights, minlength=self.ansatz.n_parameters).astype(np.float64)

    def fold_samples(self, overlaps: Vector) -> Vector:
        """Fold the overlaps of each sample, (n_gates, n_samples), to shape (n_parameters, n_samples)."""
        parameters, found = self.compiled.parameters, np.zeros((self.ansatz.n_parameters, overlaps.shape[1]))
        free = parameters >= 0
        np.add.at(found, parameters[free], 2.0 * self.compiled.coefficients[free, None] * overlaps[free])
        return found


@dataclass(frozen=True, eq=False, kw_only=True)
class Block:
    """Some samples that the kernels treat as one state; its arrays are (2^n, size), made flat.

    Attributes:
        engine: The circuit.
        gates: Its gates, all bits shifted by those of the samples.
        first: The reference states.
        turns: For each stretch that encodes data, cosines and sines, shape (n_gates, size) each.
        n_samples: Samples that are not empty.

    """

    engine: SampleEngine
    gates: kernels.Gates
    first: State
    turns: list[tuple[Vector, Vector] | None]
    n_samples: int

    def states(self, trigonometry: tuple[Vector, Vector]) -> State:
        """Return the final states, flat."""
        cosines, sines = trigonometry
        psi = self.first.copy()
        for (first, last, _), turns in zip(self.engine.stretches, self.turns, strict=True):
            if turns is None:
                kernels.rotate(self.gates, cosines, sines, psi, first, last, 0, kernels.WHOLE, 0, 1)
            else:
                sample_kernels.turn_samples(self.gates, first, last, *turns, False, psi)
        return psi

    def probabilities(self, psi: State) -> Vector:
        """Return |psi|^2 of the samples, shape (2^n, n_samples)."""
        return (psi.real**2 + psi.imag**2).reshape(-1, self.size)[:, : self.n_samples]

    def overlaps(self, trigonometry: tuple[Vector, Vector], psi: State, slopes: Vector) -> Vector:
        """Return sum over samples of Im <psi|D P|psi> at every gate; psi is used up.

        Args:
            trigonometry: Cosine and sine of each gate.
            psi: What `states` returned.
            slopes: Derivative of the loss by each probability, the diagonal of D; shape (2^n, n_samples).

        """
        cosines, sines = trigonometry
        lam, found = self._times(slopes, psi), np.zeros(len(cosines))
        for (first, last, _), turns in zip(reversed(self.engine.stretches), reversed(self.turns), strict=True):
            if turns is None:
                kernels.unwind(self.gates, cosines, sines, psi, lam, found, first, last, 0, kernels.WHOLE, 0, 1)
            else:
                for state in (psi, lam):
                    sample_kernels.turn_samples(self.gates, first, last, *turns, True, state)
        return found

    def sample_overlaps(self, trigonometry: tuple[Vector, Vector], psi: State, slopes: Vector) -> Vector:
        """Return Im <psi|D P|psi> at every gate for each sample alone, shape (n_gates, n_samples); psi stays."""
        cosines, sines = trigonometry
        psi, lam = psi.copy(), self._times(slopes, psi)
        found = np.zeros((len(cosines), self.size))
        for (first, last, _), turns in zip(reversed(self.engine.stretches), reversed(self.turns), strict=True):
            if turns is None:
                sample_kernels.undo_samples(self.gates, first, last, cosines, sines, psi, lam, self.size, found)
            else:
                for state in (psi, lam):
                    sample_kernels.turn_samples(self.gates, first, last, *turns, True, state)
        return found[:, : self.n_samples]

    def rates(self, trigonometry: tuple[Vector, Vector]) -> Vector:
        """Return the derivative of the probabilities of one sample by every parameter, shape (n_parameters, 2^n)."""
        compiled, (cosines, sines), psi = self.engine.compiled, trigonometry, self.first.copy()
        if self.size > 1 or any(turns is not None for turns in self.turns):
            raise ValueError("Rates are of a block of one sample without gates that encode data")
        rows = np.zeros((self.engine.ansatz.n_parameters, len(psi)), dtype=np.complex128)
        kernels.jacobian(self.gates, cosines, sines, compiled.parameters, compiled.coefficients, psi, rows)
        return 2.0 * (psi.real * rows.real + psi.imag * rows.imag)

    def tangents(self, trigonometry: tuple[Vector, Vector], speeds: Vector) -> tuple[State, State]:
        """Return the final states and their derivative along d angle[gate] = speeds[gate], flat."""
        cosines, sines = trigonometry
        psi = self.first.copy()
        dpsi = np.zeros_like(psi)
        for (first, last, _), turns in zip(self.engine.stretches, self.turns, strict=True):
            if turns is None:
                kernels.rotate_tangent(self.gates, cosines, sines, speeds, psi, dpsi, first, last)
            else:
                for state in (psi, dpsi):
                    sample_kernels.turn_samples(self.gates, first, last, *turns, False, state)
        return psi, dpsi

    def changes(self, psi: State, dpsi: State) -> Vector:
        """Return the derivative of the probabilities, 2 Re conj(psi) dpsi, shape (2^n, n_samples)."""
        rates = 2.0 * (psi.real * dpsi.real + psi.imag * dpsi.imag)
        return rates.reshape(-1, self.size)[:, : self.n_samples]

    def overlap_changes(
        self,
        trigonometry: tuple[Vector, Vector],
        speeds: Vector,
        psi: State,
        dpsi: State,
        slopes: Vector,
        slope_changes: Vector,
    ) -> Vector:
        """Return the derivative of `overlaps` along the same direction; the states are used up.

        Args:
            trigonometry: Cosine and sine of each gate.
            speeds: The direction.
            psi: States.
            dpsi: Their derivatives.
            slopes: Derivative of the loss by each probability, shape (2^n, n_samples).
            slope_changes: Its derivative along the direction, same shape.

        """
        cosines, sines = trigonometry
        lam, found = self._times(slopes, psi), np.zeros(len(cosines))
        dlam = self._times(slopes, dpsi) + self._times(slope_changes, psi)
        for (first, last, _), turns in zip(reversed(self.engine.stretches), reversed(self.turns), strict=True):
            if turns is None:
                states = psi, dpsi, lam, dlam
                kernels.unwind_tangent(self.gates, cosines, sines, speeds, *states, found, first, last)
            else:
                for state in (psi, dpsi, lam, dlam):
                    sample_kernels.turn_samples(self.gates, first, last, *turns, True, state)
        return found

    @property
    def size(self) -> int:
        """Samples of the block, empty ones included."""
        return len(self.first) >> self.engine.n_qubits

    def _times(self, diagonal: Vector, psi: State) -> State:
        product = np.zeros((1 << self.engine.n_qubits, self.size), dtype=np.complex128)
        product[:, : self.n_samples] = diagonal * psi.reshape(product.shape)[:, : self.n_samples]
        return product.ravel()
