"""Circuits against matrix exponentials, Cirq's own counts, the sector engine and qsim."""

import re

import cirq
import numpy as np
import openfermion
import pytest
import scipy.linalg
from dense_twin import anti_hermitian, dense_state, embed

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.circuit import (
    Gate,
    ansatz_gates,
    cancel_neighbours,
    conserved_parities,
    count_resources,
    excitation_gates,
    qubit_gates,
    to_cirq,
    to_qasm,
    write_circuit,
)
from vqe_prune.engine.determinants import Sector, SectorHamiltonian
from vqe_prune.engine.qsim import qsim_energy, qsim_qubit_energy, sector_state
from vqe_prune.engine.sector import SectorEngine
from vqe_prune.engine.statevector import StatevectorEngine
from vqe_prune.paulis import CLIFFORD_QUBITS, Clifford, PauliSum, QubitHamiltonian
from vqe_prune.qubit_problem import prepared_state

EXCITATIONS = [
    Excitation((2,), (0,)),
    Excitation((6,), (0,)),
    Excitation((1,), (7,)),
    Excitation((4, 5), (0, 1)),
    Excitation((4, 7), (0, 1)),
    Excitation((6, 3), (2, 1)),
    Excitation((7, 4), (1, 0)),
    Excitation((4, 6), (0, 2)),
    Excitation((6, 4), (0, 2)),
    Excitation((1, 7), (5, 3)),
    Excitation((4, 5, 6), (0, 1, 2)),
]


def unitary(gates: list[Gate], n_qubits: int) -> np.ndarray:
    return to_cirq(gates).unitary(
        qubit_order=cirq.LineQubit.range(n_qubits), qubits_that_should_be_present=cirq.LineQubit.range(n_qubits)
    )


@pytest.mark.parametrize("excitation", EXCITATIONS, ids=lambda e: e.label)
def test_gates_are_the_matrix_exponential(excitation: Excitation) -> None:
    angle = np.random.default_rng([17, *excitation.spin_orbitals]).uniform(-7.0, 7.0)  # past a whole turn
    exact = scipy.linalg.expm(angle * anti_hermitian(excitation, 8).toarray())
    found = unitary(excitation_gates(excitation, angle), 8)
    assert np.abs(found - exact).max() < 1e-10  # double precision, 13 to 200 gates


@pytest.mark.parametrize("excitation", EXCITATIONS, ids=lambda e: e.label)
@pytest.mark.parametrize("filled", [(), (3,), (2, 3)])
def test_quiet_qubits_cost_no_gate_and_keep_the_sign(excitation: Excitation, filled: tuple[int, ...]) -> None:
    angle, own = -0.41, set(excitation.spin_orbitals)
    quiet = [q for q in range(8) if q not in own]
    gates = excitation_gates(excitation, angle, conserved=[1 << q for q in quiet], occupied=filled)
    assert {qubit for gate in gates for qubit in gate.qubits} <= own
    indices = np.arange(2**8)
    right = np.all([(indices >> (7 - q) & 1) == (q in filled) for q in quiet], axis=0)
    exact = scipy.linalg.expm(angle * anti_hermitian(excitation, 8).toarray())
    assert np.abs((unitary(gates, 8) - exact)[np.ix_(right, right)]).max() < 1e-10  # double precision


@pytest.mark.parametrize("seed", range(8))
def test_conserved_parities_shorten_circuits_and_keep_the_state(seed: int) -> None:
    """Random ansätze of a few excitations, whose conserved parities differ from seed to seed."""
    rng = np.random.default_rng([31, seed])
    pool = [rotation.generator for rotation in uccsd(4, 2, 2).rotations]
    chosen = [pool[k] for k in rng.choice(len(pool), size=4, replace=False)]
    ansatz = Ansatz(name="few", rotations=tuple(Rotation(e, k) for k, e in enumerate(chosen)), n_parameters=4)
    angles, occupied = rng.normal(size=4), (0, 1, 2, 3)
    gates = ansatz_gates(ansatz, angles, occupied)
    vector = to_cirq([*gates, *(Gate("x", (q,)) for q in range(8) for _ in range(2))])
    state = vector.final_state_vector(qubit_order=cirq.LineQubit.range(8), dtype=np.complex128)
    assert np.abs(state - dense_state(ansatz, angles, occupied, 8)).max() < 1e-10  # double precision
    naive = [g for e, t in zip(chosen, angles, strict=True) for g in excitation_gates(e, t)]
    assert count_resources(gates).n_two_qubit_gates <= count_resources(naive).n_two_qubit_gates
    for parity in conserved_parities(ansatz):
        assert all(sum(parity >> q & 1 for q in e.spin_orbitals) % 2 == 0 for e in chosen)


def test_pairs_have_no_parity() -> None:
    """Orbitals that only pair excitations fill are filled twice or not at all: nothing has to be counted."""
    pairs = [Excitation((2 * a, 2 * a + 1), (2 * i, 2 * i + 1)) for i in range(2) for a in range(2, 5)]
    ansatz = Ansatz(
        name="pairs",
        rotations=(*(Rotation(e, k) for k, e in enumerate(pairs)), Rotation(Excitation((10,), (0,)), 6)),
        n_parameters=7,
    )
    gates = ansatz_gates(ansatz, np.full(7, 0.1), (0, 1, 2, 3))
    assert count_resources(gates).n_two_qubit_gates <= 6 * 13 + 2 + 2  # the single excitation counts one qubit


def test_two_qubit_gates_of_each_kind() -> None:
    def count(excitation: Excitation) -> int:
        return count_resources(excitation_gates(excitation, 0.3)).n_two_qubit_gates

    assert count(Excitation((1,), (7,))) == 2 + 2 * (5 - 1) + 2  # a Givens rotation, five qubits in between
    assert count(Excitation((2,), (0,))) == 2 + 2
    quiet = excitation_gates(Excitation((2,), (0,)), 0.3, conserved=[1 << 1])
    assert count_resources(quiet).n_two_qubit_gates == 2
    assert count(Excitation((4, 5), (0, 1))) == 13
    assert count(Excitation((6, 5), (0, 1))) == 13  # neighbours: nothing lies between 0 and 1, nor between 5 and 6
    assert count(Excitation((4, 7), (0, 1))) == 13 + 2 * (2 - 1) + 2


def test_neighbouring_inverses_cancel_and_nothing_else() -> None:
    first, second = Gate("cx", (0, 1)), Gate("cz", (1, 2))
    assert cancel_neighbours([first, first]) == []
    assert cancel_neighbours([first, Gate("cx", (1, 0))]) == [first, Gate("cx", (1, 0))]
    assert cancel_neighbours([first, second, first]) == [first, second, first]
    assert cancel_neighbours([first, second, Gate("cz", (2, 1)), first]) == []
    assert cancel_neighbours([first, Gate("x", (2,)), first]) == [Gate("x", (2,))]
    ansatz = uccsd(3, 1, 1)
    angles = np.random.default_rng(5).normal(size=ansatz.n_parameters)
    plain = [g for r, t in zip(ansatz.rotations, angles, strict=True) for g in excitation_gates(r.generator, t)]
    shorter = cancel_neighbours(plain)
    assert len(shorter) < len(plain)
    assert np.abs(unitary(shorter, 6) - unitary(plain, 6)).max() < 1e-12  # double precision, 100 gates


def random_problem(seed: int) -> tuple[SectorHamiltonian, Ansatz, np.ndarray, tuple[int, ...]]:
    rng = np.random.default_rng(seed)
    n = 4
    sector = Sector(n_orbitals=n, n_alpha=2, n_beta=1)
    one = rng.normal(size=(n, n))
    two = rng.normal(size=(n, n, n, n))
    for axes in ((1, 0, 2, 3), (0, 1, 3, 2), (2, 3, 0, 1)):
        two = two + two.transpose(axes)
    hamiltonian = SectorHamiltonian(
        sector=sector,
        constant=0.5,
        one_body=0.1 * (one + one.T),  # ||H|| of 4 to 7 hartree, that of a small molecule
        two_body=0.1 * two,
        irreps=np.zeros(n, dtype=np.int64),
    )
    ansatz = uccsd(n, 2, 1)
    return hamiltonian, ansatz, rng.normal(size=ansatz.n_parameters), (0, 1, 2)


def test_whole_circuit_is_the_engine_state_on_cirq_and_on_qsim() -> None:
    hamiltonian, ansatz, angles, occupied = random_problem(1)
    engine = SectorEngine(hamiltonian=hamiltonian, ansatz=ansatz)
    state = engine.state(angles)
    gates = ansatz_gates(ansatz, angles, occupied)
    vector = cirq.Simulator(dtype=np.complex128).simulate(to_cirq(gates)).final_state_vector
    assert np.abs(vector - embed(state, hamiltonian.sector)).max() < 1e-10  # double precision, 400 gates
    assert np.abs(vector - dense_state(ansatz, angles, occupied, 8)).max() < 1e-10
    found, leaked = sector_state(gates, hamiltonian.sector, occupied)
    assert np.abs(found - state).max() < 1e-5  # single precision
    assert leaked < 1e-5
    energy, _ = qsim_energy(gates, hamiltonian, occupied)
    assert energy == pytest.approx(engine.energy(angles), abs=2e-6)  # single precision: 2e-7 of ||H||, doubled


def test_quiet_qubits_are_not_simulated() -> None:
    hamiltonian, _, _, occupied = random_problem(2)
    ansatz = Ansatz(name="one", rotations=(Rotation(Excitation((4,), (0,)), 0),), n_parameters=1)
    gates = ansatz_gates(ansatz, np.array([0.6]), occupied)
    assert count_resources(gates).n_qubits == 2
    found, leaked = sector_state(gates, hamiltonian.sector, occupied)
    state = SectorEngine(hamiltonian=hamiltonian, ansatz=ansatz).state(np.array([0.6]))
    assert np.abs(found - state).max() < 1e-6  # single precision, few gates
    assert leaked < 1e-6
    bare = Ansatz(name="none", rotations=(), n_parameters=0)
    energy, _ = qsim_energy(ansatz_gates(bare, np.zeros(0), occupied), hamiltonian, occupied)
    assert energy == pytest.approx(SectorEngine(hamiltonian=hamiltonian, ansatz=bare).energy(np.zeros(0)), abs=1e-12)


def test_qsim_state_has_the_sign_of_the_engine_from_any_reference() -> None:
    hamiltonian, ansatz, angles, _ = random_problem(6)
    sector = hamiltonian.sector
    for row, column in np.ndindex(sector.shape):
        alpha, beta = sector.alpha_strings[row], sector.beta_strings[column]
        occupied = [2 * p for p in range(4) if alpha >> p & 1] + [2 * p + 1 for p in range(4) if beta >> p & 1]
        engine = SectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, reference=(row, column))
        found, leaked = sector_state(ansatz_gates(ansatz, angles, occupied), sector, occupied)
        assert np.abs(found - engine.state(angles)).max() < 1e-5  # single precision
        assert leaked < 1e-5


def test_a_reference_outside_the_sector_is_refused() -> None:
    hamiltonian, ansatz, angles, occupied = random_problem(6)
    gates = ansatz_gates(ansatz, angles, occupied)
    for wrong in ((0, 2), (0, 1, 3), (0, 1, 2, 3), (0, 1, 8)):
        with pytest.raises(ValueError, match="2 alpha"):
            sector_state(gates, hamiltonian.sector, wrong)


def test_counts_are_those_of_cirq() -> None:
    _, ansatz, angles, occupied = random_problem(3)
    gates = ansatz_gates(ansatz, angles, occupied)
    circuit = to_cirq(gates)
    resources = count_resources(gates)
    assert resources.depth == len(circuit)
    assert resources.n_two_qubit_gates == sum(len(op.qubits) == 2 for op in circuit.all_operations())
    assert resources.n_qubits == 8


def test_qasm_angles_follow_the_grammar_with_all_their_digits() -> None:
    angles = [0.0, -1e-17, 1e-5, 2e22, 12345.678901234567, np.float64(0.1), -np.pi / 3]
    text = to_qasm([Gate("rz", (0,), angle) for angle in angles])
    found = re.findall(r"rz\((.*?)\)", text)
    real = r"-?([0-9]+\.[0-9]*|[0-9]*\.[0-9]+)([eE][-+]?[0-9]+)?"  # OpenQASM 2, arXiv 1707.03429
    assert all(re.fullmatch(real, angle) for angle in found)
    assert [float(angle) for angle in found] == angles


def test_files_hold_the_same_circuit(tmp_path) -> None:
    _, ansatz, angles, occupied = random_problem(4)
    gates = ansatz_gates(ansatz, angles, occupied)
    write_circuit(gates, tmp_path / "c.json", tmp_path / "c.qasm")
    assert cirq.read_json(tmp_path / "c.json") == to_cirq(gates)
    text = (tmp_path / "c.qasm").read_text()
    found = [float(angle) for angle in re.findall(r"r[xyz]\((.*?)\)", text)]
    assert found == [gate.angle for gate in gates if gate.angle is not None]
    assert text == to_qasm(gates)
    from cirq.contrib.qasm_import import circuit_from_qasm

    read = circuit_from_qasm(text)
    names = [f"q_{k}" for k in range(8)]
    state = cirq.Simulator(dtype=np.complex128).simulate(read, qubit_order=[cirq.NamedQubit(n) for n in names])
    expected = cirq.Simulator(dtype=np.complex128).simulate(to_cirq(gates))
    assert np.abs(state.final_state_vector - expected.final_state_vector).max() < 1e-10  # double precision


# Circuits of qubit ansätze

SMALL = {  # product states by hand; H and X of Cirq make them in the circuit
    "0": np.array([1.0, 0.0]),
    "1": np.array([0.0, 1.0]),
    "+": np.array([1.0, 1.0]) / 2**0.5,
    "-": np.array([1.0, -1.0]) / 2**0.5,
}


def pauli_matrix(terms, n_qubits: int) -> np.ndarray:
    operator = openfermion.QubitOperator()
    for coefficient, string in terms:
        operator += openfermion.QubitOperator(string, coefficient)
    return openfermion.get_sparse_operator(operator, n_qubits).toarray()


def random_pauli_sum(n_qubits: int, size: int, rng: np.random.Generator) -> PauliSum:
    """Random strings of any letters, tried until they commute."""
    while True:
        terms = []
        for _ in range(size):
            qubits = np.sort(rng.choice(n_qubits, size=int(rng.integers(1, n_qubits + 1)), replace=False))
            terms.append((float(rng.normal()), tuple((int(q), str(rng.choice(["X", "Y", "Z"]))) for q in qubits)))
        try:
            return PauliSum(tuple(terms))
        except ValueError:  # they repeat or do not commute
            continue


def final_state(gates: list[Gate], n_qubits: int) -> np.ndarray:
    simulator = cirq.Simulator(dtype=np.complex128)
    return simulator.simulate(to_cirq(gates), qubit_order=cirq.LineQubit.range(n_qubits)).final_state_vector


def random_qubit_ansatz(n: int, rng: np.random.Generator) -> Ansatz:
    """Sums of one to three strings on shared parameters and constants, and every Clifford gate."""
    rotations = [Rotation(random_pauli_sum(n, 1 + k % 3, rng), k % 4, float(rng.normal())) for k in range(9)]
    rotations.append(Rotation(random_pauli_sum(n, 2, rng), None, 0.3))
    for name, width in CLIFFORD_QUBITS.items():
        qubits = tuple(int(q) for q in rng.choice(n, size=width, replace=False))
        rotations.append(Rotation(Clifford(name, qubits), None))
    order = rng.permutation(len(rotations))
    return Ansatz(name="random", rotations=tuple(rotations[k] for k in order), n_parameters=4)


@pytest.mark.parametrize("seed", range(12))
def test_qubit_circuits_make_the_state_of_the_engine(seed: int) -> None:
    rng = np.random.default_rng([41, seed])
    n = 2 + seed % 2
    ansatz, angles = random_qubit_ansatz(n, rng), rng.normal(size=4)
    reference = "".join(rng.choice(list("01+-"), size=n))
    preparation = (Clifford("cx", (1, 0)), Clifford("s", (1,)), Clifford("swap", (0, 1)))
    terms = tuple((float(rng.normal()), ((q, letter),)) for q in range(n) for letter in "XYZ")
    hamiltonian = QubitHamiltonian(n_qubits=n, terms=terms, constant=0.7)
    start = prepared_state(reference, preparation)
    engine = StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, reference=start)
    gates = qubit_gates(ansatz, angles, reference, preparation)
    found, expected = final_state(gates, n), engine.state(angles)
    overlap = np.vdot(expected, found)
    assert np.abs(found - overlap / abs(overlap) * expected).max() < 1e-10  # double precision, up to a phase
    energy = np.vdot(found, pauli_matrix(terms, n) @ found).real + 0.7
    assert engine.energy(angles) == pytest.approx(energy, abs=1e-10)
    assert qsim_qubit_energy(gates, hamiltonian) == pytest.approx(energy, abs=1e-5)  # single precision


@pytest.mark.parametrize("reference", ["01", "+-", "-1", "0+", "10-", "+1+"])
def test_references_are_product_states_qubit_zero_first(reference: str) -> None:
    nothing = Ansatz(name="none", rotations=(), n_parameters=0)
    expected = np.ones(1)
    for letter in reference:
        expected = np.kron(expected, SMALL[letter])
    found = final_state(qubit_gates(nothing, np.zeros(0), reference), len(reference))
    assert found == pytest.approx(expected, abs=1e-12)  # one or two gates a qubit


PAIR_GATES = [  # letters of a sum on qubits 0 and 2 of three, and CX that its circuit takes
    ("XX YY", 2), ("XX ZZ", 2), ("YY ZZ", 2), ("YY XX", 2), ("ZZ XX", 2), ("ZZ", 2), ("XX", 2), ("YY", 2),
    ("XY", 2), ("XX YY ZZ", 4), ("XY YX", 2),
]  # fmt: skip


@pytest.mark.parametrize(("letters", "cost"), PAIR_GATES)
def test_couplings_of_a_pair_share_their_cx(letters: str, cost: int) -> None:
    strings = [((0, pair[0]), (2, pair[1])) for pair in letters.split()]
    generator = PauliSum(tuple((0.4 - 0.7 * k, string) for k, string in enumerate(strings)))
    ansatz = Ansatz(name="one", rotations=(Rotation(generator, 0, 1.3),), n_parameters=1)
    gates = qubit_gates(ansatz, np.array([0.9]), "000")
    assert count_resources(gates).n_two_qubit_gates == cost
    exact = scipy.linalg.expm(-1.3j * 0.9 * pauli_matrix(generator.terms, 3))
    found = unitary(gates, 3)
    phase = np.trace(exact.conj().T @ found) / 8
    assert abs(phase) == pytest.approx(1.0, abs=1e-12)  # double precision, at most a dozen gates
    assert np.abs(found - phase * exact).max() < 1e-12


def test_longer_strings_take_a_ladder() -> None:
    generator = PauliSum(((0.5, ((0, "X"), (1, "Z"), (2, "Y"))),))
    ansatz = Ansatz(name="one", rotations=(Rotation(generator, 0),), n_parameters=1)
    assert count_resources(qubit_gates(ansatz, np.array([0.9]), "000")).n_two_qubit_gates == 4
    single = Ansatz(name="one", rotations=(Rotation(PauliSum(((0.5, ((1, "Y"),)),)), 0),), n_parameters=1)
    assert qubit_gates(single, np.array([0.9]), "00") == [Gate("ry", (1,), 0.9)]
    excited = Ansatz(name="one", rotations=(Rotation(Excitation((2,), (0,)), 0),), n_parameters=1)
    with pytest.raises(ValueError, match="must be of qubits"):
        qubit_gates(excited, np.array([0.9]), "000")


def test_qasm_of_qubit_circuits_can_be_read() -> None:
    from cirq.contrib.qasm_import import circuit_from_qasm

    rotations = [Rotation(PauliSum(((0.5, ((q, letter),)),)), None, 0.3 + q) for q, letter in enumerate("XYZ")]
    names = ["y", "z", "swap", "s", "sdg", "cz"]
    cliffords = [Rotation(Clifford(name, (2, 0)[: CLIFFORD_QUBITS[name]]), None) for name in names]
    ansatz = Ansatz(name="all", rotations=(*rotations, *cliffords), n_parameters=0)
    gates = qubit_gates(ansatz, np.zeros(0), "+0-")
    text = to_qasm(gates)
    assert all(f"\n{name} q" in text for name in ("y", "z", "swap"))
    read = circuit_from_qasm(text)
    order = [cirq.NamedQubit(f"q_{k}") for k in range(3)]
    state = cirq.Simulator(dtype=np.complex128).simulate(read, qubit_order=order).final_state_vector
    assert np.abs(state - final_state(gates, 3)).max() < 1e-10  # double precision
