"""Measuring: settings diagonalise their terms, estimates are unbiased with honest bars, mitigation removes noise."""

from collections.abc import Sequence
from functools import cache, reduce
from itertools import combinations
from operator import xor

import cirq
import numpy as np
import pytest
from test_encoding import pairs_ansatz, random_problem, state_of

import vqe_prune as vp
from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.basis_change import Setting, pauli_setting
from vqe_prune.circuit import Gate, to_cirq
from vqe_prune.clifford_points import clifford_points
from vqe_prune.encoding import Encoding, encode
from vqe_prune.grouping import (
    GatePrice,
    _candidates,
    allocate,
    exact_state,
    settings_of,
    stabilisers_of,
    variances_of,
)
from vqe_prune.measure import Measurement, Run, estimate, measure_energy, run_plan, sampler_runner
from vqe_prune.measurement_plan import MITIGATIONS, REFERENCE_ANGLE, available_mitigations, plan_measurement
from vqe_prune.mitigation import (
    Reading,
    Readout,
    UnusableDataError,
    calibrate_readout,
    extrapolate,
    mixed_energy,
    read_energy,
    rescale,
    right_outcomes,
    subtract_reference,
    tally,
)
from vqe_prune.paulis import PauliSum, qubit_hamiltonian_of

RUNS = 140
SPREAD = 0.18
"""The standard deviation of 140 values is known to 6 %: three times that."""


def dense(terms: Sequence[tuple[float, Sequence[tuple[int, str]]]], n_qubits: int) -> np.ndarray:
    total = np.zeros((1 << n_qubits, 1 << n_qubits), dtype=np.complex128)
    for coefficient, string in terms:
        letters = "".join(dict(string).get(q, "I") for q in range(n_qubits))
        total += coefficient * cirq.unitary(cirq.DensePauliString(letters))
    return total


def unitary_of(gates: Sequence[Gate], n_qubits: int) -> np.ndarray:
    return to_cirq(gates).unitary(qubits_that_should_be_present=cirq.LineQubit.range(n_qubits))


@cache
def pair_encoding(n: int = 4, n_filled: int = 2, scale: float = 0.3, seed: int = 5) -> Encoding:
    problem = random_problem(n, (n_filled, n_filled), seed)
    ansatz = pairs_ansatz(n, n_filled)
    angles = scale * np.random.default_rng(seed).normal(size=ansatz.n_parameters)
    return encode(problem, ansatz, angles, "pairs")


@cache
def reference_encoding(n: int = 4, n_filled: int = 2, seed: int = 5) -> Encoding:
    ansatz = pairs_ansatz(n, n_filled)
    angles = np.full(ansatz.n_parameters, REFERENCE_ANGLE)
    return encode(random_problem(n, (n_filled, n_filled), seed), ansatz, angles, "pairs")


@cache
def electron_encoding() -> Encoding:
    """Two electrons in two orbitals, pairs broken, in Jordan-Wigner."""
    rotations = (Rotation(Excitation((2,), (0,)), 0), Rotation(Excitation((2, 3), (0, 1)), 1))
    ansatz = Ansatz(name="two", rotations=rotations, n_parameters=2)
    return encode(random_problem(2, (1, 1), 3), ansatz, np.array([0.4, 0.7]), "jordan_wigner")


def exact_energy(encoding: Encoding) -> float:
    state = state_of(encoding)
    matrix = dense(encoding.hamiltonian.terms, encoding.n_qubits)
    return float(np.vdot(state, matrix @ state).real) + encoding.hamiltonian.constant


class ExactRunner:
    """Multinomial outcomes of Cirq's exact probabilities; bits flip and outcomes are mixed as told."""

    n_two_qubit_gates = None
    measured_positions: tuple[tuple[int, ...] | None, ...] = ()
    blocks: tuple[tuple[int, ...], ...] = ()

    def __init__(self, n_qubits: int, seed: int, flips: np.ndarray | None = None, mixed: float = 0.0) -> None:
        self.n, self.rng, self.flips, self.mixed = n_qubits, np.random.default_rng(seed), flips, mixed
        self.known: dict[tuple[Gate, ...], np.ndarray] = {}

    def probabilities(self, gates: tuple[Gate, ...]) -> np.ndarray:
        if gates not in self.known:
            order = cirq.LineQubit.range(self.n)
            state = cirq.Simulator(dtype=np.complex128).simulate(to_cirq(gates), qubit_order=order).final_state_vector
            found = np.abs(state) ** 2 * (1.0 - self.mixed) + self.mixed / len(state)
            self.known[gates] = found / found.sum()
        return self.known[gates]

    def run(self, circuits: Sequence[Sequence[Gate]], shots: Sequence[int], *, fold: int = 1) -> list[np.ndarray]:
        outcomes = []
        for gates, n in zip(circuits, shots, strict=True):
            counts = self.rng.multinomial(n, self.probabilities(tuple(gates)))
            index = np.repeat(np.arange(1 << self.n), counts)
            bits = (index[:, None] >> np.arange(self.n - 1, -1, -1) & 1).astype(bool)
            if self.flips is not None:
                bits ^= self.rng.random(bits.shape) < np.where(bits, self.flips[1], self.flips[0])
            outcomes.append(bits)
        return outcomes


class NoisyGates(cirq.NoiseModel):
    """Depolarising after each two-qubit gate, bit flips before reading."""

    def __init__(self, depolarize: float = 0.0, flip: float = 0.0) -> None:
        self.depolarize, self.flip = depolarize, flip

    def noisy_operation(self, operation: cirq.Operation) -> list[cirq.Operation]:
        if cirq.is_measurement(operation):
            return [*cirq.bit_flip(self.flip).on_each(*operation.qubits), operation]
        if len(operation.qubits) == 2:
            return [operation, cirq.depolarize(self.depolarize, n_qubits=2).on(*operation.qubits)]
        return [operation]


@cache
def ring_encoding(n: int = 4, seed: int = 4) -> Encoding:
    """A ring of spins with couplings and fields that differ, in a state of even parity of X."""
    rng = np.random.default_rng(seed)
    bonds = [(min(q, (q + 1) % n), max(q, (q + 1) % n)) for q in range(n)]
    terms = {((p, letter), (q, letter)): float(rng.normal()) for p, q in bonds for letter in "ZY"}
    terms |= {((q, "X"),): float(rng.normal()) for q in range(n)}
    problem = vp.pauli_problem(qubit_hamiltonian_of(terms), reference="+" * n)
    rotations = tuple(Rotation(PauliSum(((1.0, string),)), k) for k, string in enumerate(terms))
    ansatz = Ansatz(name="ring", rotations=rotations, n_parameters=len(rotations))
    return encode(problem, ansatz, 0.4 * rng.normal(size=len(rotations)))


CASES = [
    pair_encoding,
    lambda: pair_encoding(5, 2, 1.0, 6),
    lambda: pair_encoding(3, 1, 0.5, 7),
    electron_encoding,
    ring_encoding,
]


@pytest.mark.parametrize("case", CASES)
def test_every_basis_change_diagonalises_its_terms_and_each_term_is_measured_once(case) -> None:
    encoding = case()
    hamiltonian, n = encoding.hamiltonian, encoding.n_qubits
    ones = [
        np.diag([float(sum(k >> (n - 1 - q) & 1 for q in s)) for k in range(1 << n)]) for s, _ in encoding.conserved
    ]
    state = state_of(encoding)
    stabilisers = stabilisers_of(hamiltonian, state)
    assert stabilisers
    candidates = _candidates(hamiltonian, encoding.conserved, stabilisers)
    assert any(name.startswith("pairs") for name in candidates) == (encoding.name == "pairs")
    assert any(name.startswith("blocks") for name in candidates) == (encoding is not electron_encoding())
    for name, settings in candidates.items():
        shares: dict[tuple[tuple[int, str], ...], float] = {}
        for coefficient, string in (term for setting in settings for term in setting.terms):
            shares[string] = shares.get(string, 0.0) + coefficient
        assert shares == pytest.approx({string: coefficient for coefficient, string in hamiltonian.terms}, abs=1e-12)
        for setting in settings:
            unitary = unitary_of(setting.gates, n)
            turned = unitary @ dense(setting.terms, n) @ unitary.conj().T
            products = dense([(c, [(q, "Z") for q in qubits]) for c, qubits in setting.diagonal], n)
            np.testing.assert_allclose(turned, products, atol=1e-11)  # some ten terms of a few hartree
            kept = [np.allclose(unitary @ number, number @ unitary, atol=1e-12) for number in ones]
            claimed = [conserved in setting.checks for conserved in encoding.conserved]
            assert claimed == kept, "a conserved number is checked exactly where the basis change keeps it"
            if name.startswith(("pairs", "blocks")) and encoding.name == "pairs":
                assert all(kept) and kept
            outcomes = np.arange(1 << n)[np.abs(unitary @ state) > 1e-9]
            seen = (outcomes[:, None] >> np.arange(n - 1, -1, -1) & 1).astype(np.bool_)
            assert right_outcomes(setting, seen).all(), "every check holds for the circuit's state"
            masks = [sum(1 << q for q in qubits) for qubits, _ in (*setting.checks, *setting.parities)]
            products = [reduce(xor, chosen, 0) for k in range(len(masks) + 1) for chosen in combinations(masks, k)]
            assert len(set(products)) == 1 << len(masks), "no check follows from the others"
            if "checked" in name:
                assert setting.n_checks


def test_outcomes_of_pair_settings_hold_the_number_of_pairs() -> None:
    encoding = pair_encoding()
    plan = plan_measurement(encoding, shots=4000, mitigation=["post_selection"])
    assert plan.grouping.name.startswith(("pairs", "blocks"))
    outcomes = run_plan(plan, sampler_runner(cirq.Simulator(seed=1), encoding.n_qubits))
    for bits in outcomes[1].outcomes:
        assert (bits.sum(axis=1) == 2).all()
    for setting, bits in zip(plan.settings, outcomes[1].outcomes, strict=True):
        assert setting.checks == encoding.conserved and right_outcomes(setting, bits).all()
        assert not right_outcomes(setting, ~np.eye(4, dtype=np.bool_)).any()


def test_variances_are_those_of_the_observables() -> None:
    for case in CASES:
        encoding = case()
        n, state = encoding.n_qubits, state_of(encoding)
        np.testing.assert_allclose(exact_state(encoding.gates, n), state, atol=1e-12)
        for settings in _candidates(encoding.hamiltonian, encoding.conserved).values():
            expected = []
            for setting in settings:
                moved = dense(setting.terms, n) @ state
                expected.append(np.vdot(moved, moved).real - np.vdot(state, moved).real ** 2)
            np.testing.assert_allclose(variances_of(settings, n, state), expected, atol=1e-9)


def test_the_grouping_with_fewest_shots_is_taken() -> None:
    encoding = pair_encoding()
    state = state_of(encoding)
    best = settings_of(encoding.hamiltonian, encoding.conserved, state=state)
    for settings in _candidates(encoding.hamiltonian, encoding.conserved).values():
        other = np.sqrt(variances_of(settings, encoding.n_qubits, state)).sum() ** 2
        assert best.variance_at_one_shot <= other * 1.02
    kept = settings_of(encoding.hamiltonian, encoding.conserved, state=state, keep_conserved=True)
    assert kept.checks_all(encoding.conserved)
    for name, settings in _candidates(encoding.hamiltonian, encoding.conserved).items():
        if not name.startswith("blocks"):  # which share terms among settings
            mixed = variances_of(settings, encoding.n_qubits, None)
            np.testing.assert_allclose(mixed.sum(), sum(c**2 for c, _ in encoding.hamiltonian.terms))


def test_two_qubit_gates_have_a_price() -> None:
    """Blocks save shots and cost two gates a pair; where these err so often that it shows, single letters remain."""
    encoding = ring_encoding()
    state = state_of(encoding)

    def chosen(error: float, shots: int, checked: bool = False) -> str:
        price = GatePrice(error=error, shots=shots, n_circuit_gates=0)
        found = settings_of(encoding.hamiltonian, state=state, price=price, keep_conserved=checked)
        bias = found.expected_bias(error, 0, checked=checked)
        assert (bias == 0.0) == (error == 0.0 or found.n_two_qubit_gates == 0)
        return found.name.partition(",")[0]

    assert chosen(0.0, 1000) == settings_of(encoding.hamiltonian, state=state).name.partition(",")[0] == "blocks"
    assert chosen(1e-5, 1000) == "blocks"
    assert chosen(0.01, 10**7) == "qubit-wise"
    assert chosen(0.01, 10) == "blocks"


def test_blocks_save_shots_of_an_ising_ring() -> None:
    """In the ground state of H = A + B the fields alone vary by 6, half of all terms on three disjoint bonds by 1/2.

    6 is <sum_{jk} X_j X_k> - <sum_j X_j>^2 of free fermions at h = J on six sites; with every pair in the eigenbasis of
    its own terms 24 shots' worth become 2.
    """
    problem = vp.model_problem(vp.transverse_field_ising(vp.ring(6), j=1.0, h=1.0))
    hamiltonian = problem.hamiltonian
    state = np.linalg.eigh(dense(hamiltonian.terms, 6))[1][:, 0]
    plain = settings_of(hamiltonian, state=state, price=GatePrice(error=1.0, shots=10**9, n_circuit_gates=0))
    assert plain.name.startswith("qubit-wise") and plain.variance_at_one_shot == pytest.approx(24.0)
    blocks = settings_of(hamiltonian, state=state, keep_conserved=True)
    assert blocks.name.startswith("blocks") and blocks.variance_at_one_shot == pytest.approx(2.0)
    assert [setting.n_checks for setting in blocks.settings] == [1, 1] and blocks.n_two_qubit_gates == 12


def test_round_robin_needs_as_few_settings_as_the_graph_of_hops_allows() -> None:
    for n in (4, 5, 6, 7):
        hops = {((p, letter), (q, letter)): 0.1 + p + q for p in range(n) for q in range(p + 1, n) for letter in "XY"}
        settings = _candidates(qubit_hamiltonian_of(hops), ())["pairs, round robin"]
        assert len(settings) == (n - 1 if n % 2 == 0 else n)  # the edge chromatic number of a complete graph


def test_allocation_beats_equal_shots() -> None:
    for case in CASES:
        encoding = case()
        plan = plan_measurement(encoding, shots=30_001)
        variances, shots = plan.grouping.variances, plan.setting_shots
        assert shots.sum() == plan.total_shots == 30_001
        assert (variances / shots).sum() < (variances / (30_001 / len(shots))).sum()
    np.testing.assert_array_equal(allocate(np.array([9.0, 1.0, 4.0]), 600), [300, 100, 200])
    np.testing.assert_array_equal(allocate(np.array([1.0, 0.0]), 100), [90, 10])  # the floor: a fifth of an even share
    np.testing.assert_array_equal(allocate(np.zeros(3), 10).sum(), 10)
    with pytest.raises(vp.InputError, match="3 settings need 2 each; try 6"):
        allocate(np.ones(3), 5)


FLIPS = np.array([[0.01, 0.02, 0.005, 0.03], [0.03, 0.05, 0.02, 0.04]])
"""P(1 read | 0) and P(0 read | 1) of four qubits."""


def repeated(
    encoding: Encoding,
    names: Sequence[str],
    shots: int,
    reference: Encoding | None = None,
    training: Sequence[Encoding] = (),
    **noise,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Values and bars of every estimate in independent runs."""
    plan = plan_measurement(encoding, shots=shots, mitigation=names, reference=reference, training=training)
    runner = ExactRunner(encoding.n_qubits, 2024, **noise)
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(RUNS):
        for each in estimate(plan, run_plan(plan, runner)).estimates:
            found.setdefault(each.name, []).append((each.value, each.error))
    return {name: tuple(np.array(pairs).T) for name, pairs in found.items()}


def assert_honest(values: np.ndarray, bars: np.ndarray, exact: float) -> None:
    assert len(values) == RUNS
    deviation = values.std(ddof=1)
    assert abs(values.mean() - exact) < 3.0 * deviation / np.sqrt(RUNS)
    assert abs(np.sqrt((bars**2).mean()) / deviation - 1.0) < SPREAD


def test_estimates_without_noise_are_unbiased_with_honest_bars() -> None:
    encoding = pair_encoding()
    names = [name for name in MITIGATIONS if name != "clifford"]
    found = repeated(encoding, names, 20_000, reference_encoding())
    exact = exact_energy(encoding)
    for name, (values, bars) in found.items():
        if "exponential" in name:  # chance looks like a decay by two standard errors, on one side
            assert len(values) < 0.06 * RUNS
        else:
            assert_honest(values, bars, exact)
    assert len(set(found) - {"raw, zne exponential", "readout, post_selection, zne exponential"}) == 8
    values, bars = repeated(electron_encoding(), (), 3000)["raw"]
    assert_honest(values, bars, exact_energy(electron_encoding()))


def test_wrong_reading_is_corrected_and_the_bar_holds_the_calibration() -> None:
    encoding = pair_encoding()
    names = ("post_selection", "readout", "reference")
    found = repeated(encoding, names, 12_000, reference_encoding(), flips=FLIPS)
    exact = exact_energy(encoding)
    for name in ("readout", "readout, post_selection", "readout, post_selection, reference"):
        assert_honest(*found[name], exact)
    selected = found["post_selection"][0]
    assert_honest(*found["post_selection"], selected.mean())  # double flips bias it, yet its bar is right
    off = {name: abs(values.mean() - exact) for name, (values, _) in found.items()}
    assert off["raw"] > 20.0 * off["readout"]


def test_a_reference_removes_mixing_up_to_its_stated_bias() -> None:
    encoding, reference, share = pair_encoding(), reference_encoding(), 0.1
    values, bars = repeated(encoding, ("reference",), 20_000, reference, mixed=share)["raw, reference"]
    exact = exact_energy(encoding)
    assert_honest(values, bars, exact + share * (exact_energy(reference) - exact))


def ising_circuits(n: int = 4, layers: int = 2) -> tuple[Encoding, tuple[Encoding, ...]]:
    """Layers of an Ising ring at angles between Clifford points, and those points."""
    problem = vp.model_problem(vp.transverse_field_ising(vp.ring(n), j=1.0, h=1.2))
    rotations = []
    for layer in range(layers):
        rotations += [Rotation(PauliSum(((0.5, ((q, "Z"), (q + 1, "Z"))),)), 2 * layer) for q in range(n - 1)]
        rotations += [Rotation(PauliSum(((0.5, ((q, "X"),)),)), 2 * layer + 1) for q in range(n)]
    ansatz = Ansatz(name="layers", rotations=tuple(rotations), n_parameters=2 * layers)
    angles = np.array([0.3, 1.2, 0.2, 0.5])[: 2 * layers]

    def build(chosen: np.ndarray) -> Encoding:
        return encode(problem, ansatz, chosen)

    return build(angles), clifford_points(ansatz, angles, build)


def test_clifford_points_are_near_and_have_energies_of_stabiliser_states() -> None:
    encoding, training = ising_circuits()
    assert len(training) == len({each.gates for each in training}) == 4  # the others have lost half of the energy
    assert {each.wires for each in training} == {encoding.wires}
    for each in training:
        for gate in each.gates:
            if gate.angle is not None:  # 1e-3 away from a multiple of a quarter turn
                assert abs((gate.angle - 1e-3) / (np.pi / 2) - round(gate.angle / (np.pi / 2))) < 1e-9
        energy = exact_energy(each)
        near = sorted(a + 1.2 * b for a in range(-4, 5) for b in range(-4, 5))
        assert min(abs(energy - value) for value in near) < 1e-2  # expectation values of strings are -1, 0 or 1
        assert energy / exact_energy(encoding) > 0.5


def test_clifford_circuits_remove_mixing_and_their_spread_is_in_the_bar() -> None:
    encoding, training = ising_circuits()
    exact = exact_energy(encoding)
    names = ("post_selection", "clifford")
    found = repeated(encoding, names, 20_000, None, training, mixed=0.2)
    assert abs(found["raw"][0].mean() - 0.8 * exact) < 0.02 * abs(exact)  # mixing keeps 0.8 of a traceless energy
    for name in ("raw, clifford", "post_selection, clifford"):
        values, bars = found[name]
        deviation = values.std(ddof=1)
        assert abs(values.mean() - exact) < 3.0 * deviation / np.sqrt(RUNS) + 2e-3 * abs(exact)  # of a ratio
        assert 0.85 * deviation < np.sqrt((bars**2).mean()) < 1.6 * deviation  # chance spreads four ratios
    shots = {each.name: each.shots for each in estimate_once(encoding, names, training).estimates}
    assert shots["raw"] < shots["raw, clifford"] == 20_000


def estimate_once(encoding: Encoding, names: Sequence[str], training: Sequence[Encoding]) -> Measurement:
    plan = plan_measurement(encoding, shots=20_000, mitigation=names, training=training)
    return estimate(plan, run_plan(plan, ExactRunner(encoding.n_qubits, 1)))


def test_rescaling_is_a_least_squares_fit_through_the_mixed_energy() -> None:
    rng = np.random.default_rng(6)
    slopes = rng.normal(size=(4, 3)) * 1e-3
    values, exact = np.array([-4.1, -5.0, -5.6, -3.9]), np.array([-5.2, -6.0, -5.1])
    readings = [Reading(v, 1e-4, s) for v, s in zip(values, slopes, strict=True)]

    def fitted(inputs: np.ndarray) -> float:
        x = inputs[1:] - 0.5
        factor = np.linalg.lstsq(x[:, None], exact - 0.5, rcond=None)[0][0]
        return 0.5 + factor * (inputs[0] - 0.5)

    found = rescale(readings[0], readings[1:], list(exact), 0.5)
    assert found.value == pytest.approx(fitted(values))
    step = 1e-6
    change = np.array([(fitted(values + step * e) - fitted(values - step * e)) / (2 * step) for e in np.eye(4)])
    np.testing.assert_allclose(found.slopes, change @ slopes, rtol=1e-6)
    ratios = (exact - 0.5) / (values[1:] - 0.5)
    sampled = 1e-4 * np.mean((ratios / (values[1:] - 0.5)) ** 2)
    spread = (np.var(ratios, ddof=1) - sampled) * (1 + 1 / 3) * (values[0] - 0.5) ** 2
    assert found.variance == pytest.approx(1e-4 * change @ change + spread)
    with pytest.raises(UnusableDataError, match="too little"):
        rescale(readings[0], [Reading(0.6, 1e-4, slopes[0]), *readings[2:]], list(exact), 0.5)


def test_flipped_bits_of_a_noisy_simulator_are_removed() -> None:
    encoding = pair_encoding(3, 1, 0.5, 7)
    runner = sampler_runner(cirq.DensityMatrixSimulator(noise=NoisyGates(flip=0.01), seed=3), encoding.n_qubits)
    measured = measure_energy(encoding, runner, shots=40_000, mitigation=["post_selection", "readout"])
    exact = exact_energy(encoding)
    assert abs(measured["raw"].value - exact) > 5.0 * measured["raw"].error
    # two flips that keep the number of ones stay: about 1e-4 of the shots, below the bar
    for name in ("post_selection", "readout", "readout, post_selection"):
        each = measured[name]
        assert abs(each.value - exact) < 3.0 * each.error
        assert each.change == pytest.approx(each.value - measured["raw"].value)
    assert measured["post_selection"].kept == pytest.approx(0.99**3, abs=0.01)
    assert measured["readout, post_selection"].kept == pytest.approx(1.0, abs=0.01)
    assert measured["post_selection"].shots < measured["readout"].shots == measured.plan.total_shots == 40_000


def test_extrapolation_improves_a_depolarised_circuit() -> None:
    encoding = pair_encoding(3, 1, 0.5, 7)
    simulator = cirq.DensityMatrixSimulator(noise=NoisyGates(depolarize=0.03), seed=4)
    names = ["post_selection", "zne"]
    measured = measure_energy(encoding, sampler_runner(simulator, encoding.n_qubits), shots=300_000, mitigation=names)
    exact = exact_energy(encoding)
    for base in ("raw", "post_selection"):
        error = abs(measured[base].value - exact)
        assert error > 4.0 * measured[base].error
        for fit in ("linear", "exponential"):
            each = measured[f"{base}, zne {fit}"]
            if base == "raw":  # after post-selection too little is left for so few shots
                assert abs(each.value - exact) < 0.3 * error
            assert abs(each.value - exact) < 3.0 * each.error


def test_extrapolation_of_exact_decays() -> None:
    none = np.zeros(2)

    def reading(value: float) -> Reading:
        return Reading(value, 1e-6, none)

    fits = extrapolate(reading(2.0 + 3.0 * 0.9), reading(2.0 + 3.0 * 0.9**3), 2.0)
    assert fits["exponential"].value == pytest.approx(5.0, abs=1e-12)
    assert fits["linear"].value == pytest.approx(1.5 * 4.7 - 0.5 * (2.0 + 3.0 * 0.9**3))
    spread = np.hypot(fits["linear"].value - 5.0, 0.5 * (fits["linear"].value - 4.7))
    step = 1e-7
    slopes = [
        (extrapolate(reading(4.7 + a * step), reading(2.0 + 3.0 * 0.9**3 + b * step), 2.0)["exponential"].value - 5.0)
        / step
        for a, b in ((1, 0), (0, 1))
    ]
    assert fits["exponential"].variance == pytest.approx(1e-6 * np.dot(slopes, slopes) + spread**2, rel=1e-4)
    assert set(extrapolate(reading(4.0), reading(4.1), 2.0)) == {
        "linear"
    }  # no decay: it moves away from complete mixing
    assert set(extrapolate(reading(4.0), reading(3.998), 2.0)) == {"linear"}  # 1.4 standard errors
    assert set(extrapolate(reading(4.0), reading(3.9), None)) == {"linear"}


def test_the_mixed_energy_is_the_mean_of_the_sector() -> None:
    encoding = pair_encoding()
    n = encoding.n_qubits
    matrix = dense(encoding.hamiltonian.terms, n) + encoding.hamiltonian.constant * np.eye(1 << n)
    inside = [k for k in range(1 << n) if k.bit_count() == 2]
    constant = encoding.hamiltonian.constant
    for name, settings in _candidates(encoding.hamiltonian, encoding.conserved).items():
        if name.startswith(("pairs", "blocks")):  # the others do not keep the sector in every setting
            mixed = mixed_energy(constant, settings, n, checked=True)
            assert mixed == pytest.approx(matrix.diagonal()[inside].real.mean())
        assert mixed_energy(constant, settings, n, checked=False) == pytest.approx(np.trace(matrix).real / len(matrix))


def test_readout_correction_is_that_of_cirqs_confusion_matrices() -> None:
    terms = ((0.7, ((0, "Z"), (1, "Z"))), (-0.4, ((1, "Z"),)), (0.3, ((0, "Z"), (1, "Z"), (2, "Z"))))
    setting = pauli_setting(terms)
    rng = np.random.default_rng(8)
    bits = rng.random((500, 3)) < (0.2, 0.7, 0.5)
    zeros, ones = (rng.random((400, 3)) < 0.05, rng.random((400, 3)) > 0.1)
    readout = calibrate_readout(tally(zeros), tally(ones))
    np.testing.assert_allclose(readout.rates, [zeros.mean(axis=0), 1.0 - ones.mean(axis=0)], atol=1e-15)
    found = read_energy(0.0, [setting], [tally(bits)], np.zeros(1), readout=readout).value
    qubits = cirq.LineQubit.range(3)
    matrices = [np.array([[1.0 - low, low], [high, 1.0 - high]]) for low, high in readout.rates.T]
    confusion = cirq.TensoredConfusionMatrices(matrices, [[q] for q in qubits], repetitions=400, timestamp=0.0)
    seen = np.bincount(bits @ (4, 2, 1), minlength=8) / len(bits)
    probabilities = confusion.apply(seen, qubits, method="pseudo_inverse")
    diagonal = dense(terms, 3).diagonal().real
    assert found == pytest.approx(float(probabilities @ diagonal), abs=1e-12)
    checked = pauli_setting(terms, (((0, 1, 2), 2),))
    right = np.array([k.bit_count() == 2 for k in range(8)])
    each = read_energy(0.0, [checked], [tally(bits)], np.zeros(1), readout=readout, post_select=True)
    assert each.value == pytest.approx(float(probabilities[right] @ diagonal[right]) / probabilities[right].sum())
    assert each.kept == pytest.approx(probabilities[right].sum())


class Routing(ExactRunner):
    """Reads the energy's circuits on other qubits than they start on: columns are logical, flips physical."""

    def run(self, circuits: Sequence[Sequence[Gate]], shots: Sequence[int], *, fold: int = 1) -> list[np.ndarray]:
        moved, flips, found = (2, 3, 1, 0), self.flips, []
        positions: list[tuple[int, ...] | None] = []
        for gates, n in zip(circuits, shots, strict=True):
            routed = len(gates) > 4
            positions.append(moved if routed else (0, 1, 2, 3))
            self.flips = flips[:, moved] if routed else flips
            found += super().run([gates], [n])
        self.flips, self.measured_positions = flips, tuple(positions)
        return found


def test_routed_qubits_are_corrected_by_the_rates_of_where_they_were_read() -> None:
    encoding, exact = pair_encoding(), exact_energy(pair_encoding())
    names = ("post_selection", "readout")
    runner = Routing(4, 12, flips=4.0 * FLIPS)
    measured = measure_energy(encoding, runner, shots=400_000, mitigation=names)
    plan, runs = measured.plan, run_plan(measured.plan, runner)
    unmoved = estimate(plan, {1: Run(runs[1].outcomes)})
    for name in ("readout", "readout, post_selection"):
        assert abs(measured[name].value - exact) < 3.0 * measured[name].error
    assert abs(unmoved["readout"].value - exact) > 10.0 * unmoved["readout"].error
    lost = estimate(plan, {1: Run(runs[1].outcomes, (None, *runs[1].positions[1:]))})
    assert {each.name for each in lost.estimates} == {"raw", "post_selection"}
    assert "setting 0: routing left its qubits" in dict(lost.left_out)["readout"]
    one = Setting(gates=(), terms=((1.0, ((0, "Z"),)),), diagonal=((1.0, (0,)),))
    readout = Readout(np.array([[0.1, 0.2], [0.1, 0.2]]), np.array([[0.01, 0.0], [0.01, 0.0]]))
    bits = tally(np.array([[False, True]] * 30 + [[True, True]] * 10))
    here = read_energy(0.0, [one], [bits], np.zeros(1), readout=readout, positions=[(0, 1)])
    there = read_energy(0.0, [one], [bits], np.zeros(1), readout=readout, positions=[(1, 0)])
    assert (here.value, there.value) == pytest.approx((0.5 / 0.8, 0.5 / 0.6))
    assert np.abs(here.slopes).max() > 0.0 == np.abs(there.slopes).max()


def test_what_cannot_be_computed_is_named_and_the_rest_is_kept() -> None:
    encoding = pair_encoding()
    lost = np.array([[0.0] * 4, [1.0] * 4])  # every one is read as zero
    runner = ExactRunner(4, 1, flips=lost)
    measured = measure_energy(encoding, runner, shots=2000, mitigation=["post_selection", "readout"])
    assert [each.name for each in measured.estimates] == ["raw"]
    reasons = dict(measured.left_out)
    assert "keeps 0 of" in reasons["post_selection"]
    assert "qubit 0 hardly tells 0 from 1" in reasons["readout"]
    with pytest.raises(KeyError, match="did you mean raw"):
        measured["row"]


def test_a_rare_outcome_that_no_shot_saw_leaves_a_bar() -> None:
    encoding = pair_encoding(3, 1, 0.01, 7)
    plan = plan_measurement(encoding, shots=100, mitigation=["post_selection"])
    alike = [np.tile([True, False, False], (n, 1)) for n in plan.shots[1]]  # the reference determinant, every time
    for each in estimate(plan, {1: Run(alike)}).estimates:
        assert each.error == pytest.approx(plan.predicted_error) and each.error > 0.0


def test_shots_of_one_frame_are_not_counted_as_independent() -> None:
    """Blocks of 100 shots whose means scatter by 0.2: the bar of the mean of 40 blocks is 0.2 / sqrt(40)."""
    rng = np.random.default_rng(17)
    one = Setting(gates=(), terms=((1.0, ((0, "Z"),)),), diagonal=((1.0, (0,)),))
    sizes, found = (100,) * 40, []
    for _ in range(300):
        chances = np.clip(0.5 - 0.5 * rng.normal(0.3, 0.2, 40), 0.0, 1.0)
        bits = rng.random((40, 100)) < chances[:, None]
        outcomes = bits.reshape(-1, 1)
        read = [read_energy(0.0, [one], [tally(outcomes, own)], np.zeros(1)) for own in (sizes, ())]
        found.append((read[0].value, read[0].error, read[1].error))
    values, errors, careless = np.array(found).T
    expected = np.sqrt(0.2**2 / 40 + (1 - 0.3**2 - 0.2**2) / 4000)
    assert values.std() == pytest.approx(expected, rel=0.12)  # 300 samples: 4 % standard error
    assert errors.mean() == pytest.approx(expected, rel=0.05)
    assert careless.mean() < 0.5 * expected
    assert tally(outcomes, sizes).blocks.sum(axis=0).tolist() == tally(outcomes).counts.tolist()


def test_a_calibration_that_two_readings_share_cancels() -> None:
    measured, reference = Reading(-1.0, 4e-6, np.array([3e-3, 0.0])), Reading(-0.8, 5e-6, np.array([3e-3, 4e-3]))
    difference = subtract_reference(measured, reference, -0.9)
    assert difference.value == pytest.approx(-1.1)
    assert difference.error == pytest.approx(5e-3)  # of 9e-6 and 16e-6


def test_a_measurement_can_be_finished_later() -> None:
    encoding = electron_encoding()

    def finish() -> Measurement:
        plan = plan_measurement(encoding, shots=900, mitigation=["readout"])
        outcomes = run_plan(plan, sampler_runner(cirq.Simulator(seed=9), encoding.n_qubits))
        return estimate(plan_measurement(encoding, shots=900, mitigation=["readout"]), outcomes)

    first, second = finish(), finish()
    assert [each.value for each in first.estimates] == [each.value for each in second.estimates]
    assert abs(first["raw"].value - exact_energy(encoding)) < 3.0 * first["raw"].error
    with pytest.raises(ValueError, match="fold 1"):
        estimate(first.plan, {1: Run([])})


def test_folding_repeats_two_qubit_gates_only() -> None:
    seen = []

    class Watching(cirq.Simulator):
        def run_sweep(self, program, params, repetitions=1):
            seen.append(program)
            return super().run_sweep(program, params, repetitions)

    gates = [Gate("h", (0,)), Gate("cx", (0, 1)), Gate("rz", (1,), 0.3), Gate("cx", (0, 1))]
    runner = sampler_runner(Watching(seed=1), 2)
    runner.run([gates], [10], fold=3)
    operations = list(seen[0].all_operations())
    assert sum(op.gate == cirq.CNOT for op in operations) == 6 and len(operations) == 9
    np.testing.assert_allclose(cirq.unitary(seen[0][:-1]), cirq.unitary(to_cirq(gates)), atol=1e-12)
    with pytest.raises(ValueError, match="odd"):
        runner.run([gates], [10], fold=2)


def test_mitigation_without_effect_is_refused() -> None:
    encoding = pair_encoding()
    with pytest.raises(vp.InputError, match="did you mean post_selection"):
        plan_measurement(encoding, shots=1000, mitigation=["postselection"])
    with pytest.raises(vp.InputError, match="names one twice"):
        plan_measurement(encoding, shots=1000, mitigation=["zne", "zne"])
    with pytest.raises(vp.InputError, match="needs the argument `reference`"):
        plan_measurement(encoding, shots=1000, mitigation=["reference"])
    with pytest.raises(vp.InputError, match="without mitigation=reference"):
        plan_measurement(encoding, shots=1000, reference=reference_encoding())
    with pytest.raises(vp.InputError, match="its wires or gates differ"):
        plan_measurement(encoding, shots=1000, mitigation=["reference"], reference=electron_encoding())
    with pytest.raises(vp.InputError, match=r"shots=5 is too few.*try shots=") as caught:
        plan_measurement(encoding, shots=5, mitigation=["zne"])
    enough = int(str(caught.value).rpartition("=")[2])
    assert plan_measurement(encoding, shots=enough, mitigation=["zne"]).total_shots == enough
    hamiltonian = qubit_hamiltonian_of({((0, "Z"), (1, "Z")): 1.0, ((0, "X"),): 0.5, ((1, "X"),): 0.5})
    chain = Encoding(
        name="qubits",
        gates=(Gate("h", (0,)), Gate("ry", (1,), 0.3)),
        held=(0, 1),
        conserved=(),
        problem=vp.pauli_problem(hamiltonian, reference="00"),
    )
    for name, reason in (("zne", "no two-qubit gate"), ("post_selection", "no setting keeps")):
        with pytest.raises(vp.InputError, match=reason):
            plan_measurement(chain, shots=1000, mitigation=[name])
    assert available_mitigations(chain) == ("readout",)
    training = (reference_encoding(), reference_encoding())
    assert available_mitigations(encoding, reference=reference_encoding(), training=training) == MITIGATIONS
    with pytest.raises(vp.InputError, match="needs the argument `training`"):
        plan_measurement(encoding, shots=1000, mitigation=["clifford"])
    with pytest.raises(vp.InputError, match="two circuits or more"):
        plan_measurement(encoding, shots=1000, mitigation=["clifford"], training=training[:1])
    with pytest.raises(vp.InputError, match=r"too few.*try shots=") as caught:
        plan_measurement(encoding, shots=9, mitigation=["clifford"], training=training)
    enough = int(str(caught.value).rpartition("=")[2])
    assert plan_measurement(encoding, shots=enough, mitigation=["clifford"], training=training).total_shots == enough
    assert len(plan_measurement(chain, shots=1000).settings) == 2


def test_a_constant_needs_no_shots() -> None:
    atoms = (("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.7414)))
    problem = vp.molecular_problem(vp.Molecule(name="H2", atoms=atoms), exact=False)
    encoding = encode(problem, Ansatz(name="nothing", rotations=(), n_parameters=0), np.zeros(0), "jordan_wigner")
    assert encoding.n_qubits == 0
    measured = measure_energy(encoding, ExactRunner(0, 1), shots=100)
    assert measured["raw"].value == pytest.approx(problem.energies["hf"], abs=1e-9)  # SCF's own accuracy
    assert (measured["raw"].error, measured["raw"].shots) == (0.0, 0)
    with pytest.raises(vp.InputError, match="is a constant"):
        plan_measurement(encoding, shots=100, mitigation=["readout"])
