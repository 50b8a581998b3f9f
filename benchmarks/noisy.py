"""Energies under a device's noise without any shot, in the mean over random frames of the two-qubit gates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vqe_prune.hardware import DeviceRunner
from vqe_prune.hardware.virtual import noisy_circuits
from vqe_prune.measure import Counted, estimate_counted
from vqe_prune.measurement_plan import MeasurementPlan
from vqe_prune.mitigation import Tally
from vqe_prune.noisy_energy import FINE


def framed_energies(
    plan: MeasurementPlan, runner: DeviceRunner, device: str, factor: float, frames: Sequence[int | None]
) -> dict[str, float]:
    """Return the energies that a plan would give with infinitely many shots, shared equally among random frames.

    Like `vqe_prune.noisy_energy.noisy_energies`, which knows circuits as compiled.

    Args:
        plan: Its shots are of no matter; without ``zne``.
        runner: For the same device; it places and compiles the plan's circuits.
        device: Name of a virtual processor.
        factor: Of all its error rates.
        frames: Seeds, see `vqe_prune.hardware.twirling`; None stands for the circuits as compiled.

    Returns:
        Energies by the names of `vqe_prune.measure.estimate`.

    """
    compiled = runner.compile(plan.circuits[1])
    tallies = []
    for circuit in compiled:
        programs = [circuit.program(frames=None if k is None else np.random.default_rng(k)) for k in frames]
        circuits = noisy_circuits(device, factor, frozenset(programs[0].all_qubits()))
        same = [circuits.probabilities(program, circuit.ends) for program in programs]
        tallies.append(_as_tally(np.mean(same, axis=0), plan.encoding.n_qubits))
    start = {qubit: k for k, qubit in enumerate(compiled[0].starts)}
    positions = [tuple(start[q] for q in c.ends) if set(c.ends) <= set(start) else None for c in compiled]
    return {each.name: each.value for each in estimate_counted(plan, {1: Counted(tallies, positions)}).estimates}


def _as_tally(probabilities: NDArray[np.float64], n_qubits: int) -> Tally:
    bits = (np.arange(1 << n_qubits)[:, None] >> np.arange(n_qubits - 1, -1, -1) & 1).astype(np.bool_)
    return Tally(bits, np.rint(FINE * np.maximum(probabilities, 0.0)).astype(np.int64))
