"""The processors that cirq-google ships as virtual machines, with their noise scaled by a factor.

Imports cirq-google when it is imported; `processors` does so only when a device is opened.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import cirq
import cirq_google
import numpy as np
from cirq_google.engine import (
    SimulatedLocalEngine,
    SimulatedLocalProcessor,
    ValidatingSampler,
    create_device_from_processor_id,
    load_device_noise_properties,
    load_median_device_calibration,
)
from cirq_google.engine.virtual_engine_factory import create_device_spec_from_processor_id
from numpy.typing import NDArray

from vqe_prune.errors import InputError
from vqe_prune.hardware.cost import MOST_QUBITS
from vqe_prune.hardware.transfer import NoisyCircuits


def scaled_device_noise(name: str, factor: float, qubits: Iterable[cirq.Qid] | None = None) -> cirq.NoiseModel:
    """Build the noise model of a device's calibration with all its error rates multiplied by a factor.

    Pauli errors and readout errors are multiplied by the factor, T1 and Tphi are divided by it; the angles by which
    two-qubit gates are off are multiplied by its square root, since the infidelity goes with their square. With 1 it is
    the noise of cirq-google's virtual machine, with 0 there is none. Scaling is our reconstruction.

    Args:
        name: ``rainbow``, ``weber`` or ``willow_pink``.
        factor: 0 or more.
        qubits: Keep the noise of these alone, which is faster to apply and changes nothing on circuits of them.

    Raises:
        InputError: The factor is negative, or makes an error rate larger than it can be.

    """
    check_noise_scale(factor)
    if factor == 0.0:
        return cirq.NO_NOISE
    properties = load_properties(name)
    kept = frozenset(properties.t1_ns) if qubits is None else frozenset(qubits)
    known = set(properties.t1_ns)
    if not kept <= known:
        raise InputError(f"{name} has no qubit {min(kept - known)}")
    return cirq_google.NoiseModelFromGoogleNoiseProperties(_scaled(properties, name, factor, kept))


def check_noise_scale(factor: float) -> None:
    """Raise InputError where a factor of noise is not 0 or more."""
    if not (math.isfinite(factor) and factor >= 0.0):
        raise InputError(f"noise scale {factor} must be 0 or more: 0 is no noise, 1 the device's calibration")


@lru_cache(maxsize=4)
def load_properties(name: str) -> cirq_google.GoogleNoiseProperties:
    """Return the noise properties of a virtual processor; reading them takes a tenth of a second."""
    return load_device_noise_properties(name)


def _scaled(
    properties: cirq_google.GoogleNoiseProperties, name: str, factor: float, kept: frozenset[cirq.Qid]
) -> cirq_google.GoogleNoiseProperties:
    pauli = {i: factor * e for i, e in properties.gate_pauli_errors.items() if kept.issuperset(i.qubits)}
    readout = {q: [factor * e for e in errors] for q, errors in properties.readout_errors.items() if q in kept}
    readout = {q: errors for q, errors in readout.items() if sum(errors) > 0.0}  # cirq divides by the sum
    largest = max([*pauli.values(), *map(sum, readout.values())], default=0.0)
    if largest > 1.0:
        raise InputError(
            f"noise scale {factor:g} makes an error rate on {name} larger than 1; at most {factor / largest:.3g}"
        )
    angle = math.sqrt(factor)
    coherent = {
        i: cirq.PhasedFSimGate(*(angle * a for a in (g.theta, g.zeta, g.chi, g.gamma, g.phi)))
        for i, g in properties.fsim_errors.items()
        if kept.issuperset(i.qubits)
    }
    return replace(
        properties,
        t1_ns={q: t / factor for q, t in properties.t1_ns.items() if q in kept},
        tphi_ns={q: t / factor for q, t in properties.tphi_ns.items() if q in kept},
        readout_errors=readout,
        gate_pauli_errors=pauli,
        fsim_errors=coherent,
    )


@lru_cache(maxsize=1)
def noisy_circuits(name: str, factor: float, qubits: frozenset[cirq.Qid]) -> NoisyCircuits:
    """Return what simulates circuits on some qubits under a device's scaled noise; it remembers how they begin."""
    return NoisyCircuits(scaled_device_noise(name, factor, qubits), qubits)


class NoisySampler(cirq.Sampler):  # type: ignore[misc]  # cirq is untyped here
    """Samples with a device's noise, by the simulator that suits the number of qubits.

    Up to `cost.MOST_QUBITS` all shots are drawn from the exact probabilities of outcomes, which their number costs
    nothing. Above, and where a circuit does not measure each qubit once at its end, qsim runs a trajectory for each
    shot; either way shots are independent.

    Args:
        name: The device.
        noise_scale: Factor of all its error rates.
        seed: Of all shots drawn; None draws one.

    """

    def __init__(self, name: str, noise_scale: float, seed: int | None) -> None:
        self._name, self._scale = name, noise_scale
        self._random = np.random.RandomState(seed)  # cirq and qsim take nothing newer
        self._models: dict[frozenset[cirq.Qid], cirq.NoiseModel] = {}

    def run_sweep(self, program: cirq.AbstractCircuit, params: Any, repetitions: int = 1) -> Any:
        """Sample a circuit, as `cirq.Sampler.run_sweep`."""
        qubits = program.all_qubits()
        if self._scale == 0.0:
            return cirq.Simulator(seed=self._random).run_sweep(program, params, repetitions)
        if len(qubits) <= MOST_QUBITS and _measures_once(program):
            found = []
            for resolver in cirq.to_resolvers(params):
                resolved = cirq.resolve_parameters(program, resolver)
                found.append(cirq.ResultDict(params=resolver, measurements=self._draw(resolved, repetitions)))
            return found
        if qubits not in self._models:
            self._models[qubits] = scaled_device_noise(self._name, self._scale, qubits)
        import qsimcirq

        simulator = qsimcirq.QSimSimulator(noise=self._models[qubits], seed=int(self._random.randint(2**31)))
        return simulator.run_sweep(program, params, repetitions)

    def _draw(self, program: cirq.AbstractCircuit, repetitions: int) -> dict[str, NDArray[np.uint8]]:
        """Outcomes of each measurement, shape (repetitions, n_qubits)."""
        measurements = [o for o in program.all_operations() if cirq.is_measurement(o)]
        measured = [qubit for operation in measurements for qubit in operation.qubits]
        circuits = noisy_circuits(self._name, self._scale, frozenset(program.all_qubits()))
        probabilities = circuits.probabilities(program, measured)
        outcomes = self._random.choice(len(probabilities), size=repetitions, p=probabilities)
        bits = (outcomes[:, None] >> np.arange(len(measured) - 1, -1, -1) & 1).astype(np.uint8)
        found, start = {}, 0
        for operation in measurements:
            mask = np.array(operation.gate.full_invert_mask(), dtype=np.uint8)
            end = start + len(operation.qubits)
            found[cirq.measurement_key_name(operation)] = bits[:, start:end] ^ mask
            start = end
        return found


def _measures_once(program: cirq.AbstractCircuit) -> bool:
    """Whether nothing follows a measurement and each has a key of its own."""
    measurements = [o for o in program.all_operations() if cirq.is_measurement(o)]
    plain = all(isinstance(o.gate, cirq.MeasurementGate) and not o.gate.confusion_map for o in measurements)
    keys = program.all_measurement_key_objs()
    return plain and len(keys) == len(measurements) > 0 and bool(program.are_all_measurements_terminal())


class VirtualProcessor(SimulatedLocalProcessor):  # type: ignore[misc]
    """One of cirq-google's virtual processors: its device, its calibration, its noise times a factor.

    Attributes:
        noise_scale: Factor of all error rates.
        seed: Of its shots, None for a fresh one.

    Args:
        name: ``rainbow``, ``weber`` or ``willow_pink``.
        noise_scale: 0 for a noiseless one, 1 for the device.
        seed: Of its shots.

    """

    def __init__(self, name: str, noise_scale: float = 1.0, seed: int | None = None) -> None:
        check_noise_scale(noise_scale)
        calibration = load_median_device_calibration(name)
        super().__init__(
            processor_id=name,
            sampler=NoisySampler(name, noise_scale, seed),
            device=create_device_from_processor_id(name),
            calibrations={calibration.timestamp // 1000: calibration},
            device_specification=create_device_spec_from_processor_id(name),
        )
        self.noise_scale, self.seed = noise_scale, seed
        SimulatedLocalEngine([self])  # registers itself as this processor's engine

    async def run_sweep_async(self, *args: Any, program_labels: dict[str, str] | None = None, **keywords: Any) -> Any:
        """Send a job, as `AbstractProcessor.run_sweep_async`.

        With a seed, a job's shots depend on its labels and on nothing that was run before: a job that is run again
        after a restart gives what it would have given.
        """
        if self.seed is not None and program_labels:
            words = hashlib.sha256(json.dumps([self.seed, program_labels], sort_keys=True).encode()).digest()
            sampler = NoisySampler(self.processor_id, self.noise_scale, int.from_bytes(words[:4]))
            self._sampler = ValidatingSampler(device=self.get_device(), sampler=sampler)
        return await super().run_sweep_async(*args, program_labels=program_labels, **keywords)
