"""Energies under a device's noise without any shot, and the factor of that noise at which an error reaches a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cirq
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from vqe_prune.errors import InputError
from vqe_prune.hardware import CompiledCircuit
from vqe_prune.hardware.virtual import scaled_device_noise
from vqe_prune.measurement_plan import MeasurementPlan
from vqe_prune.mitigation import Tally, UnusableDataError, read_energy

FINE = 10**12
"""Shots that stand for exact probabilities where outcomes are counted; an energy is off by some 1e-12 of its norm."""

LARGEST_FACTOR = 64.0
"""Factors of noise are not looked for above."""


@dataclass(eq=False)
class _Node:
    """The state after a moment, and the moments that follow in any of the circuits."""

    moment: cirq.Moment
    state: cirq.DensityMatrixSimulationState
    children: list[_Node] = field(default_factory=list)


def outcome_probabilities(
    circuits: Sequence[CompiledCircuit], noise: cirq.NoiseModel, frame: int | None = None
) -> list[NDArray[np.float64]]:
    """Return the probabilities of all outcomes of compiled circuits on the same qubits, readout errors included.

    Circuits of a measurement begin alike; moments that several of them share are simulated once.

    Args:
        circuits: Compiled for one placement.
        noise: From `scaled_device_noise`.
        frame: Seed of the random frames of two-qubit gates, the same for all circuits; None leaves them as compiled.

    Returns:
        For each circuit an array (2^n,), the first logical qubit the most significant.

    """
    programs = [each.program(frames=None if frame is None else np.random.default_rng(frame)) for each in circuits]
    qubits = sorted({qubit for program in programs for qubit in program.all_qubits()})
    root = _Node(cirq.Moment(), cirq.DensityMatrixSimulationState(qubits=qubits, dtype=np.complex128))
    found = []
    for circuit, program in zip(circuits, programs, strict=True):
        node = root
        for moment in program.with_noise(noise):
            node = _follow(node, cirq.Moment(o for o in moment if not cirq.is_measurement(o)))
        found.append(_diagonal(node.state.target_tensor, [qubits.index(qubit) for qubit in circuit.ends]))
    return found


def _follow(node: _Node, moment: cirq.Moment) -> _Node:
    for child in node.children:
        if child.moment == moment:
            return child
    state = node.state.copy()
    for operation in moment:
        cirq.act_on(operation, state)
    node.children.append(_Node(moment, state))
    return node.children[-1]


def _diagonal(tensor: NDArray[np.complex128], axes: Sequence[int]) -> NDArray[np.float64]:
    """Probabilities of the qubits on given axes, in that order; the other qubits are not looked at."""
    n = tensor.ndim // 2
    every = tensor.reshape(2**n, 2**n).diagonal().real.reshape((2,) * n)
    others = tuple(k for k in range(n) if k not in axes)
    kept = [k for k in range(n) if k in axes]
    return every.sum(axis=others).transpose([kept.index(k) for k in axes]).ravel()


def noisy_energies(
    plan: MeasurementPlan,
    circuits: Sequence[CompiledCircuit],
    device: str,
    factor: float,
    frames: Sequence[int | None] = (None,),
) -> tuple[float, float | None]:
    """Return the raw and the post-selected energy that infinitely many shots would give.

    Args:
        plan: With ``post_selection``; its settings.
        circuits: The compiled circuit of each setting.
        device: Name of a virtual processor.
        factor: Of all its error rates.
        frames: Seeds of random frames, see `vqe_prune.hardware.twirling`; shots are shared equally among them. None
            stands for the circuits as compiled.

    Returns:
        Hartree; the second is None where no setting keeps a number that can be checked, or nothing is left.

    """
    noise = scaled_device_noise(device, factor, circuits[0].program().all_qubits())
    each = [outcome_probabilities(circuits, noise, frame) for frame in frames]
    tallies = [_as_tally(np.mean(same, axis=0), plan.encoding.n_qubits) for same in zip(*each, strict=True)]
    found: list[float | None] = []
    for post_select in (False, True):
        if post_select and "post_selection" not in plan.mitigation:
            found.append(None)
            continue
        try:
            reading = read_energy(
                plan.encoding.hamiltonian.constant,
                plan.settings,
                tallies,
                plan.grouping.variances,
                post_select=post_select,
            )
            found.append(reading.value)
        except UnusableDataError:
            found.append(None)
    assert found[0] is not None
    return found[0], found[1]


def _as_tally(probabilities: NDArray[np.float64], n_qubits: int) -> Tally:
    bits = (np.arange(1 << n_qubits)[:, None] >> np.arange(n_qubits - 1, -1, -1) & 1).astype(np.bool_)
    return Tally(bits, np.rint(FINE * np.maximum(probabilities, 0.0)).astype(np.int64))


def critical_factor(error: Callable[[float], float], budget: float) -> float | None:
    """Return the factor of noise at which an error reaches a budget, the smallest one that is found.

    Args:
        error: From the factor to the size of the error; raises InputError where the factor is too large for the device.
        budget: In the error's unit.

    Returns:
        To 0.1 %; 0 where the budget is exceeded without noise, None where it is not up to `LARGEST_FACTOR` or the
        largest factor that the device allows.

    """

    def excess(factor: float) -> float:
        return error(factor) - budget

    if excess(0.0) > 0.0:
        return 0.0
    high = 1.0
    try:
        while excess(high) < 0.0:
            high *= 2.0
            if high > LARGEST_FACTOR:
                return None
    except InputError:
        return None
    while True:  # a crossing, then a smaller one if the error is above the budget again at half of it or a quarter
        high = float(brentq(excess, 0.0, high, rtol=1e-3, xtol=1e-9))
        above = [share * high for share in (0.25, 0.5) if excess(share * high) > 0.0]
        if not above:
            return high
        high = above[0]
