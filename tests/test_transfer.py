"""Exact noisy probabilities: those of cirq's density matrix, of qsim's trajectories, and of channels written out."""

import cirq
import numpy as np
import pytest

from vqe_prune.circuit import Gate, pair_gates
from vqe_prune.hardware import CompiledCircuit, DeviceRunner, open_processor
from vqe_prune.hardware.cost import MOST_QUBITS
from vqe_prune.hardware.transfer import NoisyCircuits, transfer_matrix
from vqe_prune.hardware.virtual import NoisySampler, scaled_device_noise

SINGLE = 2e-6
"""cirq's thermal Kraus operators are single precision, and its simulator multiplies them in another order."""


def circuits(name: str) -> tuple[CompiledCircuit, ...]:
    """A triangle, which is routed, and two of its settings."""
    whole = [Gate("x", (0,)), *pair_gates(0, 1, 0.4), *pair_gates(1, 2, 0.7), *pair_gates(0, 2, -0.9)]
    runner = DeviceRunner(open_processor(name), 3)
    return runner.compile([whole, [*whole, Gate("h", (1,))], [*whole, Gate("h", (0,)), Gate("rx", (2,), 0.3)], []])


def oracle(program: cirq.Circuit, noise: cirq.NoiseModel) -> np.ndarray:
    """cirq's density matrix with everything but the measurement applied, readout errors included."""
    (measurement,) = (o for o in program.all_operations() if cirq.is_measurement(o))
    noisy = program.with_noise(noise)
    kept = cirq.Circuit(cirq.Moment(o for o in moment if not cirq.is_measurement(o)) for moment in noisy)
    others = sorted(program.all_qubits() - set(measurement.qubits))
    simulator = cirq.DensityMatrixSimulator(dtype=np.complex128)
    rho = simulator.simulate(kept, qubit_order=[*measurement.qubits, *others]).final_density_matrix
    return rho.diagonal().real.reshape(1 << len(measurement.qubits), -1).sum(axis=1)


@pytest.mark.parametrize("name", ["rainbow", "weber", "willow_pink"])
def test_probabilities_are_those_of_the_density_matrix(name: str) -> None:
    compiled = circuits(name)
    qubits = frozenset(compiled[0].program().all_qubits())
    assert compiled[0].ends != compiled[0].starts
    for factor in (1.0, 0.1):
        noise = scaled_device_noise(name, factor, qubits)
        simulated = NoisyCircuits(noise, qubits)
        for circuit in compiled:
            found = simulated.probabilities(circuit.program(), circuit.ends)
            np.testing.assert_allclose(found, oracle(circuit.program(), noise), atol=SINGLE)
    fold = compiled[0].program(3)
    np.testing.assert_allclose(simulated.probabilities(fold, compiled[0].ends), oracle(fold, noise), atol=SINGLE)


def test_random_channels_in_any_order() -> None:
    """Pairs in both orders, gates that follow on one qubit of a pair, and a qubit that is not measured."""
    rng = np.random.default_rng(7)
    qubits = cirq.LineQubit.range(4)
    program = cirq.Circuit()
    for _ in range(25):
        a, b = (qubits[k] for k in rng.permutation(4)[:2])
        kraus = cirq.testing.random_superposition(4 * 4, random_state=int(rng.integers(2**31))).reshape(4, 4)
        gate = cirq.MatrixGate(np.linalg.qr(kraus)[0])
        program += [gate.on(a, b), cirq.amplitude_damp(0.1 * rng.random()).on(a), cirq.depolarize(0.05).on(b)]
        program += cirq.depolarize(0.1, n_qubits=2).on(b, a)
    program += cirq.measure(qubits[2], qubits[0], key="m")
    found = NoisyCircuits(cirq.NO_NOISE, qubits).probabilities(program, (qubits[2], qubits[0]))
    np.testing.assert_allclose(found, oracle(program, cirq.NO_NOISE), atol=1e-7)  # cirq sums single-precision Kraus


def test_transfer_matrices_of_known_channels() -> None:
    a, b = cirq.LineQubit.range(2)
    np.testing.assert_allclose(transfer_matrix(cirq.S(a)), [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(transfer_matrix(cirq.depolarize(0.3)(a)), np.diag([1, 0.6, 0.6, 0.6]), atol=1e-12)
    damp = transfer_matrix(cirq.amplitude_damp(0.36)(a))
    np.testing.assert_allclose(damp[3], [0.36, 0, 0, 0.64], atol=1e-12)  # towards |0>: Z grows
    cx = transfer_matrix(cirq.CNOT(a, b))
    names = [p + q for p in "IXYZ" for q in "IXYZ"]
    moved = {names[k]: names[int(np.flatnonzero(column)[0])] for k, column in enumerate(np.round(cx.T, 12))}
    assert [moved[p] for p in ("XI", "IX", "ZI", "IZ")] == ["XX", "IX", "ZI", "ZZ"]


def test_ten_qubits_agree_with_trajectories_of_qsim() -> None:
    """Two independent simulators; each qubit's mean of 1,500 trajectories within four standard errors."""
    import qsimcirq

    gates = [Gate("x", (k,)) for k in (0, 4, 9)] + [g for k in range(9) for g in pair_gates(k, k + 1, 0.5 + 0.1 * k)]
    runner = DeviceRunner(open_processor("willow_pink"), 10)
    (circuit,) = runner.compile([gates])
    qubits = frozenset(circuit.program().all_qubits())
    noise = scaled_device_noise("willow_pink", 3.0, qubits)
    probabilities = NoisyCircuits(noise, qubits).probabilities(circuit.program(), circuit.ends)
    outcomes = qsimcirq.QSimSimulator(noise=noise, seed=11).run(circuit.program(), repetitions=1500).measurements["m"]
    bits = np.arange(1 << 10)[:, None] >> np.arange(9, -1, -1) & 1
    mean = probabilities @ bits
    assert (np.abs(outcomes.mean(axis=0) - mean) < 4 * np.sqrt(mean * (1 - mean) / 1500)).all()
    ideal = np.abs(cirq.final_state_vector(circuit.circuit, qubit_order=circuit.ends)) ** 2 @ bits
    assert np.abs(mean - ideal).max() > 0.04  # noise is in it


def test_a_sampler_takes_measurements_as_cirq_does() -> None:
    """Two keys, an inverted bit; and what is measured on the way goes to qsim."""
    a, b = sorted(open_processor("willow_pink").get_device().metadata.nx_graph.nodes)[:2]
    flip = cirq.PhasedXZGate(x_exponent=1.0, z_exponent=0.0, axis_phase_exponent=0.0)
    program = cirq.Circuit(flip(a), cirq.measure(a, key="x", invert_mask=(True,)), cirq.measure(b, key="y"))
    sampler = NoisySampler("willow_pink", 1.0, seed=3)
    result = sampler.run(program, repetitions=400)
    assert result.measurements["x"].mean() < 0.1 and result.measurements["y"].mean() < 0.1
    assert 0 < result.measurements["x"].sum() + result.measurements["y"].sum()
    between = cirq.Circuit(flip(a), cirq.measure(a, key="x"), flip(a), cirq.measure(a, key="y"))
    result = sampler.run(between, repetitions=50)
    assert result.measurements["x"].mean() > 0.8 and result.measurements["y"].mean() < 0.2


def test_too_many_qubits() -> None:
    with pytest.raises(ValueError, match=f"at most {MOST_QUBITS}"):
        NoisyCircuits(cirq.NO_NOISE, cirq.LineQubit.range(MOST_QUBITS + 1))
