"""The state-vector engine against dense matrices, finite differences, a known energy and itself on another path."""

import tracemalloc
from functools import reduce

import numpy as np
import openfermion
import pytest
from scipy.linalg import expm
from scipy.sparse.linalg import LinearOperator, eigsh

from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.engine import pauli_kernels, statevector
from vqe_prune.engine.statevector import StatevectorEngine, compile_ansatz, split_into_segments
from vqe_prune.paulis import CLIFFORD_QUBITS, Clifford, PauliSum, product_state, qubit_hamiltonian_of

PAULI = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.array([[1, 0], [0, -1]]),
}
ONE_QUBIT = {
    "h": np.array([[1, 1], [1, -1]]) / np.sqrt(2),
    "s": np.diag([1, 1j]),
    "sdg": np.diag([1, -1j]),
    "x": PAULI["X"],
    "y": PAULI["Y"],
    "z": PAULI["Z"],
}


def kron(factors) -> np.ndarray:
    return reduce(np.kron, factors)


def pauli_matrix(string, n: int) -> np.ndarray:
    letters = dict(string)
    return kron([PAULI[letters.get(q, "I")] for q in range(n)])


def generator_matrix(generator: PauliSum, n: int) -> np.ndarray:
    return sum(c * pauli_matrix(string, n) for c, string in generator.terms)


def clifford_matrix(gate: Clifford, n: int) -> np.ndarray:
    """Controlled gates as |0><0| x 1 + |1><1| x U; a swap as (1 + XX + YY + ZZ) / 2."""
    if gate.name in ONE_QUBIT:
        return kron([ONE_QUBIT[gate.name] if q == gate.qubits[0] else np.eye(2) for q in range(n)])
    first, second = gate.qubits
    if gate.name == "swap":
        return sum(pauli_matrix([(first, p), (second, p)] if p != "I" else [], n) for p in "IXYZ") / 2
    up = {first: np.diag([1, 0])}
    down = {first: np.diag([0, 1]), second: PAULI[gate.name[1].upper()]}
    return sum(kron([part.get(q, np.eye(2)) for q in range(n)]) for part in (up, down))


def dense_state(ansatz: Ansatz, angles: np.ndarray, reference: np.ndarray, n: int) -> np.ndarray:
    state = reference
    for rotation in ansatz.rotations:
        if isinstance(rotation.generator, Clifford):
            state = clifford_matrix(rotation.generator, n) @ state
        else:
            angle = rotation.coefficient * (1.0 if rotation.parameter is None else angles[rotation.parameter])
            state = expm(-1j * angle * generator_matrix(rotation.generator, n)) @ state
    return state


def random_string(n: int, rng: np.random.Generator, letters: str = "XYZ") -> tuple[tuple[int, str], ...]:
    qubits = np.sort(rng.choice(n, size=rng.integers(1, n + 1), replace=False))
    return tuple((int(q), str(rng.choice(list(letters)))) for q in qubits)


def random_sum(n: int, size: int, rng: np.random.Generator) -> PauliSum:
    """Random strings, those kept that commute with all before."""
    terms = {random_string(n, rng): float(rng.normal())}
    while len(terms) < size:
        one = PauliSum(((float(rng.normal()), random_string(n, rng)),))
        if all(one.commutes_with(PauliSum(((c, string),))) for string, c in terms.items()):
            terms[one.terms[0][1]] = one.terms[0][0]
    return PauliSum(tuple((c, string) for string, c in terms.items()))


def random_ansatz(n: int, rng: np.random.Generator) -> Ansatz:
    """Random Pauli sums among all Clifford gates, parameters shared, two constant angles, runs of diagonal gates."""
    rotations = [Rotation(random_sum(n, 1 + k % 3, rng), k % 7, float(rng.normal())) for k in range(21)]
    rotations += [Rotation(random_sum(n, 2, rng), None, float(rng.normal())) for _ in range(2)]
    for name, width in CLIFFORD_QUBITS.items():
        qubits = rng.choice(n, size=width, replace=False)
        rotations.append(Rotation(Clifford(name, tuple(int(q) for q in qubits)), None))
    rotations = [rotations[k] for k in rng.permutation(len(rotations))]
    for place in (0, 9, 20, len(rotations)):
        strings = [random_string(n, rng, "Z") for _ in range(5)]
        rotations[place:place] = [Rotation(PauliSum(((1.0, string),)), k) for k, string in enumerate(strings)]
    return Ansatz(name="random", rotations=tuple(rotations), n_parameters=7)


def random_terms(n: int, size: int, rng: np.random.Generator) -> dict:
    return {(): 0.7} | {random_string(n, rng): float(rng.normal()) for _ in range(size)}


def random_state(n: int, rng: np.random.Generator) -> np.ndarray:
    psi = rng.normal(size=1 << n) + 1j * rng.normal(size=1 << n)
    return psi / np.linalg.norm(psi)


def random_engine(n: int, seed: int, threads: int = 1) -> tuple[StatevectorEngine, dict, np.ndarray]:
    rng = np.random.default_rng(seed)
    terms, ansatz, reference = random_terms(n, 25, rng), random_ansatz(n, rng), random_state(n, rng)
    hamiltonian = qubit_hamiltonian_of(terms, n)
    engine = StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, reference=reference, threads=threads)
    return engine, terms, rng.normal(size=ansatz.n_parameters)


def differences(function, angles: np.ndarray, step: float = 2e-3) -> np.ndarray:
    """Sixth-order central differences: truncation and rounding are both below 1e-10 here."""
    weights = ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))
    moves = np.eye(len(angles)) * step
    return np.array(
        [sum(w * (function(angles + k * m) - function(angles - k * m)) for k, w in weights) / step for m in moves]
    )


def ring(n: int) -> dict:
    zz = {tuple(sorted(((q, "Z"), ((q + 1) % n, "Z")))): -1.0 for q in range(n)}
    return zz | {((q, "X"),): -1.0 for q in range(n)}


CASES = [(3, 1), (3, 2), (4, 3), (4, 4), (4, 5), (6, 6)]


@pytest.mark.parametrize(("n", "seed"), CASES)
def test_state_and_energy_are_those_of_dense_matrices(n: int, seed: int) -> None:
    engine, terms, angles = random_engine(n, seed)
    dense = dense_state(engine.ansatz, angles, engine.reference, n)
    assert np.abs(engine.state(angles) - dense).max() < 1e-12  # double precision, fifty gates
    assert np.linalg.norm(engine.state(angles)) == pytest.approx(1.0, abs=1e-13)
    matrix = sum(c * pauli_matrix(string, n) for string, c in terms.items())
    energy = (dense.conj() @ matrix @ dense).real
    assert engine.energy(angles) == pytest.approx(energy, abs=1e-12)
    assert engine.energy_and_gradient(angles)[0] == pytest.approx(energy, abs=1e-12)


@pytest.mark.parametrize(("n", "seed"), CASES)
def test_gradient_hessian_and_jacobian_are_finite_differences(n: int, seed: int) -> None:
    engine, _, angles = random_engine(n, seed + 10)
    assert np.abs(engine.energy_and_gradient(angles)[1] - differences(engine.energy, angles)).max() < 1e-9
    hessian = engine.hessian(angles)
    # derivatives of a hundred: differences of gradients round at 1e-16 * 1e2 / step, a Hessian's products at 1e-12
    assert np.abs(hessian - differences(lambda x: engine.energy_and_gradient(x)[1], angles)).max() < 1e-7
    directions = np.random.default_rng(seed).normal(size=(2, len(angles)))
    assert np.abs(engine.hessian_products(angles, directions) - directions @ hessian).max() < 1e-10
    jacobian = engine.jacobian(angles)
    assert jacobian.shape == (7, 1 << n)
    assert np.abs(jacobian - differences(engine.state, angles)).max() < 1e-9


@pytest.mark.parametrize("name", sorted(CLIFFORD_QUBITS))
@pytest.mark.parametrize("qubits", [(0, 1), (1, 0), (2, 0), (1, 2)])
def test_clifford_gates_are_their_matrices(name: str, qubits: tuple[int, int]) -> None:
    gate = Clifford(name, qubits[: CLIFFORD_QUBITS[name]])
    reference = random_state(3, np.random.default_rng(20))
    hamiltonian = qubit_hamiltonian_of(ring(3), 3)
    ansatz = Ansatz(name="one", rotations=(Rotation(gate, None, 0.4),), n_parameters=0)
    engine = StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, reference=reference)
    after = clifford_matrix(gate, 3) @ reference
    assert np.abs(engine.state(np.zeros(0)) - after).max() < 1e-15  # one multiplication
    energy, gradient = engine.energy_and_gradient(np.zeros(0))
    assert energy == pytest.approx(engine.energy(np.zeros(0)), abs=1e-14)
    assert gradient.shape == (0,)


@pytest.mark.parametrize("name", sorted(CLIFFORD_QUBITS))
def test_gradients_pass_backwards_through_clifford_gates(name: str) -> None:
    """A rotation before the gate: what the backward pass undoes must be the gate's adjoint."""
    x = PauliSum(((0.5, ((0, "X"), (1, "Y"), (2, "Y"))),))
    rotations = (Rotation(x, 0), Rotation(Clifford(name, (2, 0)[: CLIFFORD_QUBITS[name]]), None), Rotation(x, 1))
    ansatz = Ansatz(name="sandwich", rotations=rotations, n_parameters=2)
    rng = np.random.default_rng(21)
    hamiltonian = qubit_hamiltonian_of(random_terms(3, 20, rng), 3)
    engine = StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, reference=random_state(3, rng))
    angles = np.array([0.4, -1.1])
    assert np.abs(engine.energy_and_gradient(angles)[1] - differences(engine.energy, angles)).max() < 1e-10


def test_qubit_zero_is_the_most_significant() -> None:
    rotations = (Rotation(Clifford("x", (0,)), None), Rotation(Clifford("cx", (0, 2)), None))
    engine = StatevectorEngine(
        hamiltonian=qubit_hamiltonian_of({((0, "Z"),): 1.0}, 3),
        ansatz=Ansatz(name="flip", rotations=rotations, n_parameters=0),
    )
    assert np.array_equal(engine.state(np.zeros(0)), np.eye(8)[0b101])
    assert engine.energy(np.zeros(0)) == -1.0


def test_signs_of_rotations_are_those_of_the_convention() -> None:
    """exp(-i t Y / 2)|0> = cos(t/2)|0> + sin(t/2)|1>, exp(-i t Z / 2)|1> = e^(i t/2)|1>, X turns Z towards -Y."""
    t = 0.3
    cases = [
        ("Y", "0", [np.cos(t / 2), np.sin(t / 2)]),
        ("Z", "1", [0.0, np.exp(0.5j * t)]),
        ("X", "0", [np.cos(t / 2), -1j * np.sin(t / 2)]),
    ]
    for letter, start, expected in cases:
        ansatz = Ansatz(name="one", rotations=(Rotation(PauliSum(((0.5, ((0, letter),)),)), 0),), n_parameters=1)
        hamiltonian = qubit_hamiltonian_of({((0, "Z"),): 1.0}, 1)
        engine = StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, reference=product_state(start))
        assert np.abs(engine.state(np.array([t])) - expected).max() < 1e-15  # one rotation


def test_ring_ising_model_has_its_exact_energy() -> None:
    """E0 = -sum over k = pi/6, pi/2, 5 pi/6 and their negatives of sqrt(2 + 2 cos k) (free fermions)."""
    hamiltonian = qubit_hamiltonian_of(ring(6), 6)
    operator = LinearOperator((64, 64), matvec=lambda v: hamiltonian.apply(v.ravel().astype(complex)), dtype=complex)
    start = product_state("+" * 6)
    lowest = eigsh(operator, k=1, which="SA", v0=start, tol=1e-13, return_eigenvectors=False)[0]
    momenta = np.pi * np.arange(-5, 6, 2) / 6
    assert lowest == pytest.approx(-np.sqrt(2 + 2 * np.cos(momenta)).sum(), abs=1e-11)  # energies of 10
    assert lowest == pytest.approx(-7.72740661031, abs=1e-10)  # as many digits as it is quoted with


@pytest.mark.parametrize("n", [4, 11, 12])
def test_hamiltonian_is_the_sparse_matrix_of_openfermion(n: int) -> None:
    rng = np.random.default_rng(30)
    operator = openfermion.QubitOperator("X1 Y2 Z3", 0.3) - openfermion.QubitOperator("Y1 X2", 0.2)
    operator += openfermion.QubitOperator("X1 Z3", 0.1)  # alone, and beside others that flip the same bits
    for string, coefficient in random_terms(n, 40, rng).items():
        operator += openfermion.QubitOperator(string, coefficient)
    hamiltonian, psi = qubit_hamiltonian_of(operator.terms, n), random_state(n, rng)
    expected = openfermion.get_sparse_operator(operator, n) @ psi
    assert np.abs(hamiltonian.apply(psi) + hamiltonian.constant * psi - expected).max() < 1e-13  # forty terms of 1
    assert hamiltonian.constant == 0.7


SPLITS = [(0, 3, 0), (0, 3, 2), (0, 5, 3)]
"""COMPILED_QUBITS, PIECE_BITS, LOWEST_SPLIT: pieces of 8 or 32 amplitudes, in runs of 1, 4 or 8."""


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("n", "seed", "threads"), [(6, 40, 1), (6, 41, 2), (7, 42, 3), (8, 43, 2)])
def test_split_states_and_threads_change_nothing(monkeypatch, split, n: int, seed: int, threads: int) -> None:
    engine, _, angles = random_engine(n, seed)
    energy, gradient = engine.energy_and_gradient(angles)
    state = engine.state(angles)
    for name, value in zip(("COMPILED_QUBITS", "PIECE_BITS", "LOWEST_SPLIT"), split, strict=True):
        monkeypatch.setattr(statevector, name, value)
    large, _, _ = random_engine(n, seed, threads)
    pieces = [len(segment.values) for segment in large.segments]
    assert len(pieces) > 1 and max(pieces) > 1
    other_energy, other_gradient = large.energy_and_gradient(angles)
    assert other_energy == pytest.approx(energy, abs=1e-12)  # double precision, energies of 10
    assert large.energy(angles) == pytest.approx(energy, abs=1e-12)
    assert np.abs(gradient - other_gradient).max() < 1e-12 * np.abs(gradient).max()
    assert np.abs(large.state(angles) - state).max() < 1e-13
    energies, gradients = large.energies_and_gradients(np.array([angles, 0.5 * angles]))
    assert energies[0] == pytest.approx(energy, abs=1e-12)
    assert np.abs(gradients[1] - large.energy_and_gradient(0.5 * angles)[1]).max() < 1e-12


@pytest.mark.parametrize("threads", [1, 3])
def test_a_batch_is_many_single_calls(threads: int) -> None:
    engine, _, angles = random_engine(5, 50, threads)
    sets = np.random.default_rng(51).normal(size=(8, len(angles)))
    energies, gradients = engine.energies_and_gradients(sets)
    for k, row in enumerate(sets):
        energy, gradient = engine.energy_and_gradient(row)
        assert energies[k] == energy  # the same kernel on the same numbers
        assert np.array_equal(gradients[k], gradient)
    energies, gradients = engine.energies_and_gradients(sets[:0])
    assert energies.shape == (0,) and gradients.shape == (0, 7)


def test_segments_hold_every_gate_once_and_flip_no_split_bit(monkeypatch) -> None:
    monkeypatch.setattr(statevector, "PIECE_BITS", 4)
    monkeypatch.setattr(statevector, "LOWEST_SPLIT", 1)
    rng = np.random.default_rng(60)
    for n in (2, 5, 9):
        for size in (0, 1, 40):
            flips = [int(x) for x in rng.integers(0, 1 << n, size=size) & rng.integers(0, 1 << n, size=size)]
            segments = split_into_segments(flips, n)
            assert [g for s in segments for g in range(s.first, s.last)] == list(range(size))
            for segment in segments:
                assert all(flips[g] & segment.split == 0 for g in range(segment.first, segment.last))
                assert segment.split & 1 == 0
                subsets = {k & segment.split for k in range(1 << n)}
                assert len(segment.values) == len(subsets) and set(segment.values.tolist()) == subsets


def pauli_on(string, psi: np.ndarray, n: int) -> np.ndarray:
    """Return P psi, qubit by qubit on a tensor of n axes."""
    tensor = psi.reshape((2,) * n)
    for qubit, letter in string:
        tensor = np.moveaxis(np.tensordot(PAULI[letter], tensor, axes=(1, qubit)), 0, qubit)
    return tensor.reshape(-1)


@pytest.mark.parametrize("n", [11, 14])
def test_blocks_do_not_matter_on_more_qubits(n: int) -> None:
    """More qubits than a fused block or one of the Hamiltonian has bits; at 14, two threads on a really split state."""
    rng = np.random.default_rng(70)
    letters = ("XYZ", "Z", "Z", "Z", "XZ", "Z")
    strings = [random_string(n, rng, letters[k % len(letters)]) for k in range(30)]
    strings += [((q, "XYZ"[q % 3]),) for q in range(n)] + [((q, "X"),) for q in range(n)]
    rotations = tuple(Rotation(PauliSum(((0.7, string),)), k) for k, string in enumerate(strings))
    terms, reference = random_terms(n, 12, rng), random_state(n, rng)
    engine = StatevectorEngine(
        hamiltonian=qubit_hamiltonian_of(terms, n),
        ansatz=Ansatz(name="many", rotations=rotations, n_parameters=len(strings)),
        reference=reference,
        threads=2,
    )
    angles = rng.normal(size=len(strings))
    psi = reference
    for angle, string in zip(angles, strings, strict=True):
        psi = np.cos(0.7 * angle) * psi - 1j * np.sin(0.7 * angle) * pauli_on(string, psi, n)
    assert np.abs(engine.state(angles) - psi).max() < 1e-13
    assert np.linalg.norm(engine.state(angles)) == pytest.approx(1.0, abs=1e-13)
    lam = sum(c * (pauli_on(string, psi, n) if string else psi) for string, c in terms.items())
    energy, gradient = engine.energy_and_gradient(angles)
    assert energy == pytest.approx(np.vdot(psi, lam).real, abs=1e-12)
    for k in range(len(strings) - 1, -1, -1):  # undo gate by gate: dE = 2 * 0.7 Im <lam|P|psi>
        brought = pauli_on(strings[k], psi, n)
        assert gradient[k] == pytest.approx(1.4 * np.vdot(lam, brought).imag, abs=1e-12), strings[k]
        c, s = np.cos(0.7 * angles[k]), np.sin(0.7 * angles[k])
        psi, lam = c * psi + 1j * s * brought, c * lam + 1j * s * pauli_on(strings[k], lam, n)


def test_a_rotation_between_the_ends_has_its_closed_form() -> None:
    """exp(-i t XY / 2)|0...0> = cos(t/2)|0...0> + sin(t/2)|1...1> on the first and the last of twelve qubits."""
    n = pauli_kernels.BLOCK_BITS + 2
    far = PauliSum(((0.5, ((0, "X"), (n - 1, "Y"))),))
    ansatz = Ansatz(name="far", rotations=(Rotation(far, 0),), n_parameters=1)
    hamiltonian = qubit_hamiltonian_of({((0, "Z"),): 1.0, ((0, "X"), (n - 1, "X")): 2.0}, n)
    energy, gradient = StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz).energy_and_gradient(np.array([0.3]))
    assert energy == pytest.approx(np.cos(0.3) + 2 * np.sin(0.3), abs=1e-14)
    assert gradient[0] == pytest.approx(-np.sin(0.3) + 2 * np.cos(0.3), abs=1e-14)


def test_a_gradient_holds_no_more_than_four_states() -> None:
    n, rng = 15, np.random.default_rng(80)
    rotations = tuple(Rotation(PauliSum(((0.5, random_string(n, rng)),)), k) for k in range(10))
    ansatz, angles = Ansatz(name="memory", rotations=rotations, n_parameters=10), rng.normal(size=10)
    tracemalloc.start()
    try:
        hamiltonian, reference = qubit_hamiltonian_of(ring(n)), product_state("+" * n)
        engine = StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, reference=reference, threads=2)
        engine.energy_and_gradient(angles)
        tracemalloc.reset_peak()
        engine.energy_and_gradient(angles)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 3.5 < peak / reference.nbytes < 4.0  # psi, lam, the reference and half for the Hamiltonian's diagonal


def test_nothing_is_undefined_in_silence() -> None:
    """Sums may be reordered, but NaN must come out as NaN."""
    engine, _, angles = random_engine(4, 90)
    angles[0] = np.nan
    energy, gradient = engine.energy_and_gradient(angles)
    assert np.isnan(energy) and np.isnan(gradient).all()


def test_empty_ansatz_gives_the_reference() -> None:
    engine = StatevectorEngine(
        hamiltonian=qubit_hamiltonian_of({((0, "Z"),): 2.0, (): 0.5}, 2),
        ansatz=Ansatz(name="empty", rotations=(), n_parameters=0),
    )
    energy, gradient = engine.energy_and_gradient(np.zeros(0))
    assert energy == 2.5 and gradient.shape == (0,)
    assert compile_ansatz(2, engine.ansatz).gates.matrices.shape == (0, 4)


def test_what_the_engine_cannot_simulate_is_refused() -> None:
    hamiltonian = qubit_hamiltonian_of(ring(3), 3)
    far = PauliSum(((1.0, ((3, "X"),)),))
    for rotation, message in [
        (Rotation(far, 0), "must act on 3 qubits, but rotation 0 is 1 X3"),
        (Rotation("X0", 0), "must consist of Pauli sums and Clifford gates, but rotation 0 is a str"),
    ]:
        ansatz = Ansatz(name="wrong", rotations=(rotation,), n_parameters=1)
        with pytest.raises(ValueError, match=message):
            StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz).energy(np.zeros(1))
    with pytest.raises(ValueError, match="must have no parameter"):
        Rotation(Clifford("h", (0,)), 0)
    with pytest.raises(ValueError, match=r"`reference` must have shape \(8,\), but it is \(4,\)"):
        StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, reference=product_state("++"))
