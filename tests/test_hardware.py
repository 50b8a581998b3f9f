"""Processors: what was meant is compiled, on the best qubits, with the noise of the device, and no result is lost."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import permutations
from pathlib import Path

import cirq
import cirq_google
import networkx as nx
import numpy as np
import pytest
from cirq_google.engine import create_default_noisy_quantum_virtual_machine
from cirq_google.engine.engine_client import EngineException

from vqe_prune.circuit import Gate, pair_gates, to_cirq
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.hardware import (
    CompiledCircuit,
    DeviceRunner,
    choose_placement,
    collect,
    compile_circuit,
    find_targets,
    open_processor,
    place_circuits,
    read_errors,
)
from vqe_prune.hardware import jobs as jobs_module
from vqe_prune.hardware import processors as processors_module
from vqe_prune.hardware.compilation import Target, _route, count_two_qubit_gates, fold_two_qubit_gates
from vqe_prune.hardware.placement import Workload, expected_error
from vqe_prune.hardware.twirling import split_shots
from vqe_prune.hardware.virtual import VirtualProcessor, _scaled, load_properties, scaled_device_noise

DEVICES = ("rainbow", "weber", "willow_pink")

COMPILED = 1e-6
"""cirq drops rotations below 1e-8 of a half turn; a circuit has some tens of them."""


def star() -> list[Gate]:
    """A filled orbital's pair rotated into three empty ones: what two electrons in four orbitals take."""
    return [Gate("x", (0,)), *pair_gates(0, 1, 0.31), *pair_gates(0, 2, -0.52), *pair_gates(0, 3, 0.17)]


def triangle() -> list[Gate]:
    """Three qubits that all interact: on a square grid something must be routed."""
    return [Gate("x", (0,)), *pair_gates(0, 1, 0.4), *pair_gates(1, 2, 0.7), *pair_gates(0, 2, -0.9), Gate("h", (1,))]


def scrambled(n: int, seed: int) -> list[Gate]:
    """Random rotations and CX, to which no special case applies."""
    rng = np.random.default_rng(seed)
    gates = []
    for _ in range(4):
        gates += [Gate("ry", (q,), rng.normal()) for q in range(n)] + [Gate("rz", (q,), rng.normal()) for q in range(n)]
        gates += [Gate("cx", (q, q + 1)) for q in range(n - 1)]
    return gates


def compiled(gates: list[Gate], n: int, name: str, prepare: bool) -> CompiledCircuit:
    return _compiled(tuple(gates), n, name, prepare)


def all_targets(name: str) -> tuple[Target, ...]:
    processor = open_processor(name)
    return find_targets(processor.get_device(), processor.get_current_calibration())


@cache
def _compiled(gates: tuple[Gate, ...], n: int, name: str, prepare: bool) -> CompiledCircuit:
    target, placement = place_circuits([gates], n, all_targets(name), prepare=prepare)
    return compile_circuit(gates, placement, target, prepare=prepare)


def logical_unitary(gates: list[Gate], n: int) -> np.ndarray:
    return to_cirq(gates).unitary(
        qubit_order=cirq.LineQubit.range(n), qubits_that_should_be_present=cirq.LineQubit.range(n)
    )


def physical_unitary(circuit: CompiledCircuit) -> np.ndarray:
    """From start to end qubits, both in logical order; the other qubits are in |0> before and after."""
    n = len(circuit.starts)
    others = sorted((circuit.circuit.all_qubits() | set(circuit.starts) | set(circuit.ends)) - set(circuit.starts))
    before = [*circuit.starts, *others]
    full = circuit.circuit.unitary(qubit_order=before, qubits_that_should_be_present=before)
    rest = [q for q in before if q not in circuit.ends]
    axes = [before.index(q) for q in [*circuit.ends, *rest]]
    columns = full.reshape((2,) * len(before) + (-1,)).transpose([*axes, len(before)])
    return columns.reshape(2**n, 2 ** len(rest), 2**n, 2 ** len(others))[:, 0, :, 0]


# ---------------------------------------------------------------------------------------------------- compilation


@pytest.mark.parametrize("name", DEVICES)
def test_a_compiled_circuit_is_the_logical_one_on_its_qubits(name: str) -> None:
    for gates, n in ((star(), 4), (triangle(), 3), (scrambled(3, 11), 3)):
        circuit = compiled(gates, n, name, prepare=False)
        cirq.testing.assert_allclose_up_to_global_phase(
            physical_unitary(circuit), logical_unitary(gates, n), atol=COMPILED
        )


@pytest.mark.parametrize("name", DEVICES)
def test_prepared_pairs_give_the_same_state_with_a_gate_less(name: str) -> None:
    for gates, n in ((star(), 4), (triangle(), 3)):
        whole, short = (compiled(gates, n, name, prepare) for prepare in (False, True))
        cirq.testing.assert_allclose_up_to_global_phase(
            physical_unitary(short)[:, :1], logical_unitary(gates, n)[:, :1], atol=COMPILED
        )
        assert short.n_two_qubit_gates < whole.n_two_qubit_gates


@pytest.mark.parametrize("name", DEVICES)
def test_a_pair_rotation_takes_two_native_gates_and_its_preparation_one(name: str) -> None:
    gates = [Gate("x", (0,)), *pair_gates(0, 1, 0.3)]
    assert compiled(gates, 2, name, prepare=False).n_two_qubit_gates == 2
    assert compiled(gates, 2, name, prepare=True).n_two_qubit_gates == 1
    assert compiled(star(), 4, name, prepare=False).n_two_qubit_gates == 6
    if name != "willow_pink":  # X, two square roots of iSWAP, and rotations about Z, which take no time
        assert compiled(gates, 2, name, prepare=False).depth == 3


def test_what_fits_the_grid_is_not_routed_and_what_does_not_is_measured_where_it_went() -> None:
    assert compiled(star(), 4, "willow_pink", prepare=True).starts == compiled(star(), 4, "willow_pink", True).ends
    routed = compiled(triangle(), 3, "willow_pink", prepare=True)
    assert routed.starts != routed.ends
    measured = routed.program()[-1].operations[0]
    assert measured.qubits == routed.ends


def test_settings_share_their_routing_and_each_is_its_own_circuit() -> None:
    """Only gates after the last coupling differ; angles of one circuit must not serve another one."""
    runner = DeviceRunner(open_processor("weber"), 3, prepare=False)
    ends = [[], [Gate("h", (0,)), Gate("rx", (2,), 0.3)], [Gate("sdg", (1,)), Gate("h", (1,))]]
    other = [gate._replace(angle=-gate.angle) if gate.name == "rz" and gate.angle else gate for gate in triangle()]
    circuits = [[*first, *end] for first in (triangle(), other) for end in ends]
    for gates, circuit in zip(circuits, runner.compile(circuits), strict=True):
        assert circuit.starts != circuit.ends
        cirq.testing.assert_allclose_up_to_global_phase(
            physical_unitary(circuit), logical_unitary(gates, 3), atol=COMPILED
        )


@pytest.mark.parametrize("name", DEVICES)
def test_rounding_of_angles_does_not_change_the_compiled_circuit(name: str) -> None:
    """Optima of two runs differ by 1e-13; cirq's decompositions of pair rotations would differ by whole turns."""

    def circuit(shift: float) -> cirq.Circuit:
        angles = np.array([0.027489767707, 0.027500125419, 0.145893727049]) * (1.0 + shift)
        gates = [Gate("x", (0,)), *(gate for k, a in enumerate(angles) for gate in pair_gates(0, k + 1, a))]
        return compiled(gates, 4, name, prepare=True).circuit

    for shift in (1e-16, 3e-16, 1e-14, 1e-13, 1e-12):
        assert circuit(shift) == circuit(0.0)


def test_no_gate_hides_in_a_block() -> None:
    """Where Cirq finds nothing shorter for two CZ it returns them as one operation, which noise models leave alone."""
    turned = Gate("cz", (2, 1)), Gate("rx", (1,), 1.1780972450961724), Gate("cz", (2, 1))
    circuit = compiled([Gate("cx", (0, 1)), *turned], 3, "willow_pink", True)
    assert circuit.n_two_qubit_gates == 2  # the first CX does nothing to |00>
    assert all(operation.gate is not None for operation in circuit.circuit.all_operations())


def test_swaps_that_tie_to_the_end_are_routed() -> None:
    """Two qubits meet over and over at the ends of a line of three: exchanging either with the middle is as good."""
    processor = open_processor("willow_pink")
    (target,) = find_targets(processor.get_device(), processor.get_current_calibration())
    left, middle, right = cirq.GridQubit.rect(1, 3, 6, 5)
    a, b = cirq.LineQubit.range(2)
    circuit = cirq.FrozenCircuit(cirq.Circuit([cirq.CZ(a, b), cirq.X(a) ** 0.3, cirq.Y(b) ** 0.2] for _ in range(12)))
    with pytest.raises(IndexError):  # else cirq has changed, and the second try can go
        cirq.RouteCQC(nx.Graph([(left, middle), (middle, right)])).route_circuit(
            circuit, initial_mapper=cirq.HardCodedInitialMapper({a: left, b: right, cirq.LineQubit(2): middle})
        )
    routed, ends = _route(circuit, (left, right, middle), target)
    assert set(ends) == {left, middle, right}
    assert all(target.errors.two_qubit[o.qubits] > 0 for o in routed.all_operations() if len(o.qubits) == 2)


@pytest.mark.parametrize("name", DEVICES)
def test_every_gate_has_noise_in_the_device_s_model(name: str) -> None:
    """rainbow and weber accept CZ, and every device accepts PhasedXPowGate, but their models run them without error."""
    circuit = compiled(star(), 4, name, prepare=True)
    known = {(i.gate_type, i.qubits) for i in cirq_google.engine.load_device_noise_properties(name).gate_pauli_errors}
    for operation in circuit.circuit.all_operations():
        assert (type(operation.gate), operation.qubits) in known, operation
    chosen = [Gate("ry", (2,), 0.3), Gate("cz", (1, 2)), Gate("ry", (2,), 0.8), Gate("cz", (0, 2))]  # by 0 and 1
    longer = compiled([Gate("cx", (0, 1)), Gate("cx", (1, 2)), *chosen], 3, name, prepare=True)
    for operation in longer.circuit.all_operations():  # blocks that cirq merges must be gates again
        if type(operation.gate) is not cirq.ZPowGate:  # a change of frame
            assert (type(operation.gate), operation.qubits) in known, operation


def test_folding_multiplies_two_qubit_gates_and_keeps_the_unitary() -> None:
    for name in DEVICES:
        circuit = compiled(star(), 4, name, prepare=True)
        for fold in (3, 5):
            folded = fold_two_qubit_gates(circuit.circuit, fold)
            assert sum(len(o.qubits) == 2 for o in folded.all_operations()) == fold * circuit.n_two_qubit_gates
            cirq.testing.assert_allclose_up_to_global_phase(
                cirq.unitary(folded), cirq.unitary(circuit.circuit), atol=COMPILED
            )
            open_processor(name).get_device().validate_circuit(circuit.program(fold))
    for fold in (0, 2, -1, True):
        with pytest.raises(InputError, match="odd"):
            fold_two_qubit_gates(circuit.circuit, fold)


def test_the_sycamore_gate_is_used_only_where_there_is_no_other() -> None:
    device = open_processor("weber").get_device()
    calibration = open_processor("weber").get_current_calibration()
    assert [target.errors.gate for target in find_targets(device, calibration)] == ["sqrt_iswap"]
    assert read_errors(calibration, "cz", device.metadata.nx_graph) is None
    syc = cirq_google.SYC(*sorted(device.metadata.nx_graph.edges)[0])
    with pytest.raises(InputError, match="Sycamore"):
        fold_two_qubit_gates(cirq.Circuit(syc), 3)


# ------------------------------------------------------------------------------------------------------- placement


@pytest.mark.parametrize("name", ["rainbow", "weber"])
def test_placement_finds_the_best_patch(name: str) -> None:
    """Against every monomorphism of the interactions into the grid, enumerated by networkx."""
    processor = open_processor(name)
    graph = processor.get_device().metadata.nx_graph
    errors = read_errors(processor.get_current_calibration(), "sqrt_iswap", graph)
    assert errors is not None
    shapes = {
        "line": [(0, 1), (1, 2), (2, 3)],
        "star": [(0, 1), (0, 2), (0, 3)],
        "ring": [(0, 1), (1, 2), (2, 3), (0, 3)],
    }
    for edges in shapes.values():
        work = Workload(n_qubits=4, two_qubit={e: 2.0 + e[1] for e in edges}, one_qubit=(3.0, 4.0, 5.0, 6.0))
        matcher = nx.algorithms.isomorphism.GraphMatcher(nx.Graph(list(errors.two_qubit)), nx.Graph(edges))
        all_of_them = [
            expected_error(work, [q for q, _ in sorted(found.items(), key=lambda pair: pair[1])], errors)
            for found in matcher.subgraph_monomorphisms_iter()
        ]
        placement = choose_placement(work, errors)
        assert placement.adjacent
        assert placement.expected_error == pytest.approx(min(all_of_them), abs=1e-12)
        assert placement.expected_error == pytest.approx(expected_error(work, placement.qubits, errors), abs=1e-12)


@pytest.mark.parametrize(("name", "gate"), [("rainbow", "sqrt_iswap"), ("weber", "sqrt_iswap"), ("willow_pink", "cz")])
def test_placement_is_better_than_a_line_that_ignores_calibration(name: str, gate: str) -> None:
    processor = open_processor(name)
    device = processor.get_device()
    errors = read_errors(processor.get_current_calibration(), gate, device.metadata.nx_graph)
    assert errors is not None
    for n in (2, 5, 8):
        work = Workload(n_qubits=n, two_qubit={(k, k + 1): 2.0 for k in range(n - 1)}, one_qubit=(4.0,) * n)
        line = cirq_google.line_on_device(device, n)
        assert choose_placement(work, errors).expected_error < expected_error(work, line, errors)


def test_expected_error_is_the_probability_that_anything_errs() -> None:
    """Against the product written out, on two neighbours."""
    processor = open_processor("willow_pink")
    calibration = processor.get_current_calibration()
    errors = read_errors(calibration, "cz", processor.get_device().metadata.nx_graph)
    assert errors is not None
    a, b = cirq.GridQubit(3, 9), cirq.GridQubit(3, 10)
    survives = (1 - calibration["two_qubit_parallel_cz_gate_xeb_pauli_error_per_cycle"][a, b][0]) ** 2
    for qubit, moments in ((a, 3), (b, 5)):
        survives *= (1 - calibration["single_qubit_rb_pauli_error_per_gate"][qubit,][0]) ** moments
        survives *= 1 - sum(calibration[f"single_qubit_{p}_error"][qubit,][0] for p in ("p00", "p11")) / 2
    work = Workload(n_qubits=2, two_qubit={(0, 1): 2.0}, one_qubit=(3.0, 5.0))
    assert expected_error(work, (a, b), errors) == pytest.approx(1 - survives, abs=1e-12)


def test_a_processor_without_calibration_is_placed_by_its_neighbours_and_says_so() -> None:
    processor = open_processor("willow_pink", noise_scale=0.0)
    processor._calibrations = {}
    runner = DeviceRunner(processor, 4)
    assert runner.place([star()]).adjacent
    assert "no calibration" in runner.notes[0]


def test_too_few_qubits_are_an_error() -> None:
    work = Workload(n_qubits=24, two_qubit={(k, k + 1): 1.0 for k in range(23)}, one_qubit=(1.0,) * 24)
    processor = open_processor("rainbow")
    errors = read_errors(processor.get_current_calibration(), "sqrt_iswap", processor.get_device().metadata.nx_graph)
    assert errors is not None
    with pytest.raises(InputError, match="24 qubits"):
        choose_placement(work, errors)


# ----------------------------------------------------------------------------------------------------------- noise


@pytest.mark.parametrize("name", DEVICES)
def test_noise_scaled_by_one_is_that_of_the_shipped_virtual_machine(name: str) -> None:
    circuit = compiled(star(), 4, name, prepare=True)
    qubits = circuit.circuit.all_qubits()
    shipped = cirq_google.NoiseModelFromGoogleNoiseProperties(cirq_google.engine.load_device_noise_properties(name))
    states = [
        cirq.DensityMatrixSimulator(noise=noise, dtype=np.complex128).simulate(circuit.circuit).final_density_matrix
        for noise in (shipped, scaled_device_noise(name, 1.0, qubits))
    ]
    np.testing.assert_allclose(states[1], states[0], atol=1e-7)  # cirq's Kraus operators are single precision


def test_infidelity_is_proportional_to_a_small_noise_scale() -> None:
    circuit = compiled(star(), 4, "willow_pink", prepare=True)
    qubits = circuit.circuit.all_qubits()
    pure = cirq.final_state_vector(circuit.circuit, dtype=np.complex128)
    infidelity = {}
    for factor in (0.0, 0.01, 0.02):
        simulator = cirq.DensityMatrixSimulator(
            noise=scaled_device_noise("willow_pink", factor, qubits), dtype=np.complex128
        )
        rho = simulator.simulate(circuit.circuit).final_density_matrix
        infidelity[factor] = 1.0 - np.vdot(pure, rho @ pure).real
    assert abs(infidelity[0.0]) < 1e-7
    assert infidelity[0.02] / infidelity[0.01] == pytest.approx(2.0, rel=0.02)  # second order, and single precision


def test_each_kind_of_error_is_multiplied_by_the_factor() -> None:
    """Rates and 1/T exactly; the infidelity of a two-qubit gate's angles as long as they are small."""
    properties, qubits = load_properties("willow_pink"), frozenset(cirq.GridQubit.rect(2, 2, 5, 6))
    scaled = _scaled(properties, "willow_pink", 0.25, qubits)
    assert set(scaled.t1_ns) == qubits
    for qubit in qubits:
        assert scaled.t1_ns[qubit] == 4 * properties.t1_ns[qubit]
        assert scaled.tphi_ns[qubit] == 4 * properties.tphi_ns[qubit]
        assert scaled.readout_errors[qubit] == [0.25 * p for p in properties.readout_errors[qubit]]
    for key, error in scaled.gate_pauli_errors.items():
        assert error == 0.25 * properties.gate_pauli_errors[key]
    assert len(scaled.fsim_errors) == 8  # four pairs, both orders
    for key, gate in scaled.fsim_errors.items():
        loss = [1 - abs(np.trace(cirq.unitary(g))) ** 2 / 16 for g in (gate, properties.fsim_errors[key])]
        assert loss[0] == pytest.approx(0.25 * loss[1], rel=1e-3)  # angles below 0.1


def test_noise_scales_that_cannot_be() -> None:
    for factor in (-0.5, float("nan"), float("inf")):
        with pytest.raises(InputError, match="0 or more"):
            open_processor("rainbow", noise_scale=factor)
    with pytest.raises(InputError, match="larger than 1; at most"):
        scaled_device_noise("rainbow", 1000.0)


def test_more_than_twelve_qubits_are_sampled_by_trajectories() -> None:
    gates = [Gate("x", (k,)) for k in (0, 4, 12)] + [Gate("cx", (k, k + 1)) for k in range(12)]
    runner = DeviceRunner(open_processor("willow_pink", seed=5), 13)
    (outcomes,) = runner.run([gates], [200])
    ideal = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1], dtype=bool)
    agreement = (outcomes == ideal).mean(axis=0)
    assert outcomes.shape == (200, 13)
    assert (agreement > 0.8).all()
    assert agreement.mean() < 1.0  # nothing is noiseless


# ---------------------------------------------------------------------------------------------------------- runner


def test_outcomes_come_in_logical_order_routed_or_not() -> None:
    runner = DeviceRunner(open_processor("willow_pink", noise_scale=0.0, seed=7), 3)
    runner.place([triangle()])
    for flipped in permutations((0, 1, 2), 2):
        gates = [Gate("x", (q,)) for q in flipped]
        routed = [*triangle(), *[Gate("h", (1,))], *_inverse_pairs(), *gates]
        for circuit in (gates, routed):
            (outcomes,) = runner.run([circuit], [3])
            expected = np.isin(np.arange(3), flipped) ^ (np.arange(3) == 0 if circuit is routed else False)
            np.testing.assert_array_equal(outcomes, np.tile(expected, (3, 1)))


def _inverse_pairs() -> list[Gate]:
    return [*pair_gates(0, 2, 0.9), *pair_gates(1, 2, -0.7), *pair_gates(0, 1, -0.4)]


def test_probabilities_are_those_of_the_density_matrix() -> None:
    """Four standard errors, 20,000 shots; readout errors as in the model, from the calibration."""
    runner = DeviceRunner(open_processor("rainbow", seed=3), 4)
    (outcomes,) = runner.run([star()], [20_000])
    (circuit,) = runner.compiled
    noise = scaled_device_noise("rainbow", 1.0, circuit.circuit.all_qubits())
    rho = cirq.DensityMatrixSimulator(noise=noise).simulate(circuit.circuit, qubit_order=circuit.ends)
    probabilities = rho.final_density_matrix.diagonal().real.reshape((2,) * 4)
    calibration = open_processor("rainbow").get_current_calibration()
    for k, qubit in enumerate(circuit.ends):
        p00, p11 = (calibration[f"single_qubit_{p}_error"][qubit,][0] for p in ("p00", "p11"))
        confusion = np.array([[1 - p00, p11], [p00, 1 - p11]])
        probabilities = np.moveaxis(np.tensordot(confusion, probabilities, axes=(1, k)), 0, k)
    counts = np.bincount(outcomes @ [8, 4, 2, 1], minlength=16) / 20_000
    p = probabilities.ravel()
    assert (np.abs(counts - p) < 4 * np.sqrt(p * (1 - p) / 20_000) + 1e-4).all()


def test_one_placement_serves_all_circuits_and_counts_are_reported() -> None:
    runner = DeviceRunner(open_processor("willow_pink", seed=1), 4)
    circuits = [star(), [Gate("x", (k,)) for k in range(4)], [*star(), *[Gate("h", (k,)) for k in range(4)]]]
    outcomes = runner.run(circuits, [50, 20, 50])
    assert [each.shape for each in outcomes] == [(50, 4), (20, 4), (50, 4)]
    assert len({each.starts for each in runner.compiled}) == 1
    assert runner.measured_positions == ((0, 1, 2, 3),) * 3
    assert runner.n_two_qubit_gates == 5
    depth = runner.depth
    runner.run(circuits[:1], [10], fold=3)
    assert runner.n_two_qubit_gates == 15
    assert depth is not None and runner.depth is not None and runner.depth > depth


def test_folding_makes_results_worse() -> None:
    """The pair number is conserved without noise; what leaves it grows with the number of gates."""
    runner = DeviceRunner(open_processor("willow_pink", seed=2), 4)
    lost = [np.mean(runner.run([star()], [20_000], fold=fold)[0].sum(axis=1) != 1) for fold in (1, 5, 9)]
    assert lost[0] < lost[1] < lost[2]


@pytest.mark.parametrize(("device", "fold"), [("willow_pink", 1), ("rainbow", 1), ("rainbow", 3)])
def test_frames_change_the_gates_but_not_what_they_do(device: str, fold: int) -> None:
    target, placement = place_circuits([star()], 4, all_targets(device))
    compiled = compile_circuit(star(), placement, target)
    plain, *framed = (compiled.program(fold, frames)[:-1] for frames in (None, *map(np.random.default_rng, range(4))))
    unitary = plain.unitary(qubit_order=compiled.starts)
    for circuit in framed:
        assert count_two_qubit_gates(circuit) == count_two_qubit_gates(plain)
        assert any(moment not in plain.moments for moment in circuit)
        own = circuit.unitary(qubit_order=compiled.starts)
        assert abs(abs(np.vdot(unitary, own)) / 16 - 1) < COMPILED
        target.device.validate_circuit(circuit)
    assert framed[0] != framed[1]


def test_frames_even_out_what_a_coherent_error_does() -> None:
    """Twelve controlled phases off by 0.06 pi: in one frame the errors add up, in the mean over 64 they do not."""
    qubits = tuple(cirq.GridQubit.rect(1, 2))
    native = cirq.Circuit(cirq.Moment(cirq.CZ(*qubits)) for _ in range(12))
    compiled = CompiledCircuit(circuit=native, starts=qubits, ends=qubits)
    flips = cirq.Circuit(cirq.H.on_each(qubits))

    def found(circuit: cirq.AbstractCircuit) -> float:
        """Probability of |++>, 1 without the error."""
        wrong = cirq.map_operations(circuit, lambda o, _: o.gate(*o.qubits) ** 1.06 if o.gate == cirq.CZ else o)
        state = (flips + wrong + flips).final_state_vector(qubit_order=qubits)
        return float(abs(state[0]) ** 2)

    coherent = found(native)
    mean = np.mean([found(compiled.program(1, np.random.default_rng(seed))[:-1]) for seed in range(64)])
    assert 1 - coherent > 3 * (1 - mean) > 0


def test_frames_share_the_shots() -> None:
    assert split_shots(50_000, 16) == (3125,) * 16
    assert split_shots(5_003, 16) == (1001, 1001, 1001, 1000, 1000)
    assert split_shots(1_000, 16) == (250,) * 4
    assert split_shots(3, 16) == (1, 1, 1)
    assert split_shots(7, 0) == (7,)
    runner = DeviceRunner(open_processor("willow_pink", noise_scale=0.0, seed=1), 4, twirls=3)
    circuits = [star(), [Gate("x", (2,))]]
    outcomes = runner.run(circuits, [5_000, 10])
    assert runner.blocks == ((1667, 1667, 1666), (10,))  # without two-qubit gates there is nothing to turn
    assert [len(each) for each in outcomes] == [5_000, 10]
    assert (outcomes[0].sum(axis=1) == 1).all()
    assert (outcomes[1] == [False, False, True, False]).all()


def test_qubits_are_chosen_for_the_circuits_that_matter() -> None:
    """Two circuits that want different pairs of one star: the weighted one gets the better pair of the device."""
    pair = {k: [Gate("x", (0,)), *pair_gates(0, k, 0.3), *pair_gates(0, k, 0.2), Gate("h", (k,))] for k in (1, 2)}
    chosen = {}
    for weights in ((1.0, 50.0), (50.0, 1.0)):
        target, placement = place_circuits([pair[1], pair[2]], 3, all_targets("willow_pink"), weights=weights)
        a, b, c = placement.qubits
        chosen[weights] = target.errors.two_qubit[a, b] - target.errors.two_qubit[a, c]
    assert chosen[1.0, 50.0] > 0 > chosen[50.0, 1.0]


def test_seeds_give_the_same_shots_and_equal_calls_different_ones() -> None:
    runs = []
    for seed in (1, 1, 2):
        runner = DeviceRunner(open_processor("rainbow", seed=seed), 4)
        runs.append([runner.run([star()], [300])[0] for _ in range(2)])
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0][0] != runs[0][1]).any()
    assert (runs[0][0] != runs[2][0]).any()


def test_wrong_shots_and_qubits_are_refused() -> None:
    runner = DeviceRunner(open_processor("rainbow"), 2)
    with pytest.raises(InputError, match="shots"):
        runner.run([star()[:1]], [0])
    with pytest.raises(InputError, match="shots"):
        runner.run([star()[:1]], [1, 2])
    with pytest.raises(InputError, match="uses qubit 3"):
        runner.run([star()], [1])
    assert runner.run([], []) == []


# ------------------------------------------------------------------------------------------------------------ jobs


def batch() -> tuple[list[list[Gate]], list[int]]:
    return [star(), [Gate("x", (2,))], star()[:11]], [30, 20, 30]


def test_a_finished_folder_returns_its_results_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = DeviceRunner(open_processor("willow_pink", seed=1), 4, folder=tmp_path, settings_digest="a")
    first = runner.run(*batch())
    content = json.loads((tmp_path / "0000" / "job.json").read_text())
    assert content["processor"] == {"name": "willow_pink", "noise_scale": 1.0, "seed": 1}
    assert [job["shots"] for job in content["jobs"]] == [30, 20]
    assert list(jobs_module.read_batch(tmp_path / "0000").programs) == [c.program() for c in runner.compiled]
    monkeypatch.setattr(VirtualProcessor, "run_sweep", None)  # nothing may be sent
    monkeypatch.setattr(jobs_module, "open_processor", None)
    again = DeviceRunner(open_processor("willow_pink", seed=1), 4, folder=tmp_path, settings_digest="a").run(*batch())
    for results in (again, collect(tmp_path / "0000")):
        for left, right in zip(results, first, strict=True):
            np.testing.assert_array_equal(left, right)
    with pytest.raises(InputError, match="other circuits or settings"):
        DeviceRunner(open_processor("willow_pink", seed=1), 4, folder=tmp_path, settings_digest="b").run(*batch())


def two_flips() -> tuple[list[list[Gate]], list[int]]:
    return [[Gate("x", (2,))], [Gate("x", (0,))]], [20, 30]


def test_killed_jobs_are_collected(tmp_path: Path) -> None:
    """A process is killed after the first of two jobs; what it stored is kept, the rest is run again."""
    code = f"""
import os, signal
from pathlib import Path
from vqe_prune.circuit import Gate
from vqe_prune.hardware import DeviceRunner, jobs, open_processor
wait = jobs._results
def killed_at_the_second(processor, job, planned):
    if planned.shots == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return wait(processor, job, planned)
jobs._results = killed_at_the_second
runner = DeviceRunner(open_processor("willow_pink", seed=1), 3, folder=Path({str(tmp_path)!r}))
runner.run([[Gate("x", (2,))], [Gate("x", (0,))]], [20, 30])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    folder = tmp_path / "0000"
    stored = (folder / "results_0.npz").read_bytes()
    assert not (folder / "results_1.npz").exists()
    said: list[str] = []
    outcomes = collect(folder, say=said.append)
    assert said == ["1 of 2 jobs on the virtual willow_pink ended with their process: run again"]
    assert (folder / "results_0.npz").read_bytes() == stored
    assert [each.shape for each in outcomes] == [(20, 3), (30, 3)]
    assert outcomes[0][:, 2].mean() > 0.8 and outcomes[1][:, 0].mean() > 0.8
    whole = DeviceRunner(open_processor("willow_pink", seed=1), 3).run(*two_flips())
    for left, right in zip(outcomes, whole, strict=True):
        np.testing.assert_array_equal(left, right)  # as if nothing had happened
    assert collect(folder, say=said.append)[1].tolist() == outcomes[1].tolist()
    assert len(said) == 1


class _Service:
    """A service that keeps its jobs, as Google's does: a virtual processor that outlives the runner."""

    def __init__(self) -> None:
        self.processor = open_processor("willow_pink", seed=4)
        self.sent = 0
        send = self.processor.run_sweep

        def counted(*args: object, **keywords: object) -> object:
            self.sent += 1
            return send(*args, **keywords)

        self.processor.run_sweep = counted


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Service]:
    found = _Service()
    place = {"name": "google", "project": "my-project", "processor": "willow_pink"}
    monkeypatch.setattr(jobs_module, "describe_processor", lambda _: place)
    monkeypatch.setattr(jobs_module, "open_processor", lambda **_: found.processor)
    yield found


def test_jobs_of_the_service_are_fetched_by_their_ids(
    service: _Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = DeviceRunner(service.processor, 4, folder=tmp_path)
    with monkeypatch.context() as killed:
        killed.setattr(jobs_module, "_await", lambda *_: pytest.fail("killed while waiting"))
        with pytest.raises(pytest.fail.Exception):
            runner.run(*batch())
    ids = [job["job_id"] for job in json.loads((tmp_path / "0000" / "job.json").read_text())["jobs"]]
    assert service.sent == len(ids) == 2
    said: list[str] = []
    outcomes = collect(tmp_path / "0000", say=said.append)
    assert service.sent == 2 and not said  # fetched, not sent again
    assert [job["job_id"] for job in json.loads((tmp_path / "0000" / "job.json").read_text())["jobs"]] == ids
    assert [each.shape for each in outcomes] == [(30, 4), (20, 4), (30, 4)]
    assert outcomes[1][:, 2].mean() > 0.8  # the circuit in the middle went in the second job


def test_jobs_that_never_reached_the_service_are_sent(
    service: _Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = DeviceRunner(service.processor, 4, folder=tmp_path)
    with monkeypatch.context() as killed:
        killed.setattr(jobs_module, "_send", lambda *_: pytest.fail("killed before sending"))
        with pytest.raises(pytest.fail.Exception):
            runner.run(*batch())
    assert service.sent == 0
    said: list[str] = []
    assert len(collect(tmp_path / "0000", say=said.append)) == 3
    assert service.sent == 2
    assert said == ["2 of 2 jobs never reached willow_pink: sent now"]


def test_a_job_that_fails_is_one_line(service: _Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("Job failed: OVERLOADED\nmore")

    monkeypatch.setattr(cirq_google.engine.SimulatedLocalJob, "results", fail)
    with pytest.raises(ConvergenceError, match=r"job-\w+ failed: Job failed: OVERLOADED; run again$"):
        DeviceRunner(service.processor, 4).run(*batch())


def test_folders_that_hold_no_batch(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no job.json"):
        collect(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        collect(tmp_path)


# ------------------------------------------------------------------------------------------------- names and access


def test_names() -> None:
    with pytest.raises(InputError, match=r"unknown device='wilow'; did you mean willow_pink\?"):
        open_processor("wilow")
    with pytest.raises(InputError, match="available: rainbow, weber, willow_pink, google"):
        open_processor("xyz123")
    with pytest.raises(InputError, match=r"device\.project has no effect with the virtual device=weber"):
        open_processor("weber", project="p")
    with pytest.raises(InputError, match="no effect with device=google"):
        open_processor("google", seed=1)


def test_missing_credentials_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # google.auth would ask the network whether this is Google's cloud
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    for project in (None, "my-project"):
        with pytest.raises(InputError, match="gcloud auth application-default login") as caught:
            open_processor("google", project=project, processor="p")
        assert "\n" not in str(caught.value) and "device=google finds no credentials" in str(caught.value)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))
    with pytest.raises(InputError, match=r"nowhere\.json was not found"):
        open_processor("google", processor="p")


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (
            EngineException("denied", 403),
            InputError,
            r"device\.project=p may not use processor c .*ask Google for access",
        ),
        (EngineException("none", 404), InputError, r"device\.project=p has no processor c .*check device\.processor"),
        (EngineException("bad", 400), ConvergenceError, "service failed"),
        (TimeoutError("Reached max retry"), ConvergenceError, "service failed"),
        (OSError("Unable to determine project id"), InputError, "needs a project: give device.project=ID"),
    ],
)
def test_refusals_of_the_service_say_what_to_type(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, kind: type[Exception], message: str
) -> None:
    class Engine:
        project_id = "p"

        def get_processor(self, _: str) -> None:
            raise raised

    monkeypatch.setattr(cirq_google, "get_engine", lambda _: Engine())
    with pytest.raises(kind, match=message) as caught:
        open_processor("google", project="p", processor="c")
    assert "\n" not in str(caught.value)


def test_a_missing_processor_id_lists_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    virtual = create_default_noisy_quantum_virtual_machine("weber")
    virtual.project_id = "my-project"
    monkeypatch.setattr(cirq_google, "get_engine", lambda _: virtual)
    with pytest.raises(InputError, match=r"needs device\.processor=ID; project my-project has weber"):
        open_processor("google")
    assert open_processor("google", processor="weber").get_device() is not None
    assert processors_module.describe_processor(open_processor("google", processor="weber")) == {
        "name": "google",
        "project": "my-project",
        "processor": "weber",
    }
