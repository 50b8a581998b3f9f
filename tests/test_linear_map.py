"""Encodings that are linear in the occupations, against OpenFermion's transforms and exponentials of matrices."""

from itertools import combinations, pairwise

import cirq
import numpy as np
import openfermion
import pytest
from dense_twin import anti_hermitian
from scipy.linalg import expm
from scipy.sparse.linalg import expm_multiply
from test_circuit import pauli_matrix, random_pauli_sum, unitary
from test_encoding import energy, pairs_ansatz, random_problem, state_of

from vqe_prune.adapt import qubit_excitation
from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.circuit import excitation_gates, qubit_gates
from vqe_prune.encoding import ENCODINGS, Encoding, encode
from vqe_prune.gates import (
    Gate,
    append_cancelling,
    append_known,
    commute,
    count_resources,
    inverse_gates,
    merge_controlled,
    to_cirq,
)
from vqe_prune.linear_map import parity_rows
from vqe_prune.multiplexed import Multiplexed, circuits_of, multiplexed_of
from vqe_prune.objective import energy_of
from vqe_prune.paulis import PauliSum

MAPPINGS = {
    "jordan_wigner": (openfermion.jordan_wigner, openfermion.jordan_wigner_code),
    "parity": (lambda op: openfermion.binary_code_transform(op, openfermion.parity_code(8)), openfermion.parity_code),
    "bravyi_kitaev": (lambda op: openfermion.bravyi_kitaev(op, 8), openfermion.bravyi_kitaev_code),
}
ALL = [name for name in ENCODINGS if name not in ("auto", "pairs")]


def random_excitation(n: int, rng: np.random.Generator) -> Excitation:
    """One, two or three electrons of any spins that keep S_z, in any order."""
    rank = int(rng.choice([1, 2, 2, 2, 3]))
    while True:
        chosen = [int(q) for q in rng.permutation(n)[: 2 * rank]]
        if sum(q % 2 for q in chosen[:rank]) == sum(q % 2 for q in chosen[rank:]):
            return Excitation(tuple(chosen[:rank]), tuple(chosen[rank:]))


def random_ansatz(n: int, size: int, rng: np.random.Generator) -> Ansatz:
    rotations = [Rotation(random_excitation(n, rng), k % 3, float(rng.normal())) for k in range(size)]
    return Ansatz(name="random", rotations=tuple(rotations), n_parameters=3)


def paired_ansatz() -> Ansatz:
    """Orbitals 0 and 2 are filled in pairs only, 1 and 3 not."""
    some = [((4, 5), (0, 1)), ((6, 3), (0, 1)), ((7, 2), (4, 5)), ((6,), (2,)), ((5, 4), (2, 3)), ((0, 1), (4, 5))]
    return Ansatz(
        name="some pairs",
        rotations=tuple(Rotation(Excitation(c, a), k % 3) for k, (c, a) in enumerate(some)),
        n_parameters=3,
    )


def mapped_state(ansatz: Ansatz, angles: np.ndarray, occupied: tuple[int, ...], name: str, n: int) -> np.ndarray:
    """Exponentials of OpenFermion's qubit operators, one after the other, on the encoded reference; all n qubits."""
    transform, code = MAPPINGS[name]
    encoder = code(n).encoder.toarray()
    bits = encoder @ [q in occupied for q in range(n)] % 2
    state = np.zeros(1 << n, dtype=complex)
    state[int("".join(map(str, bits)), 2)] = 1.0
    for excitation, angle in zip(ansatz.excitations, ansatz.rotation_angles(angles), strict=True):
        terms = [(p, 1) for p in excitation.created] + [(p, 0) for p in reversed(excitation.annihilated)]
        operator = openfermion.FermionOperator(tuple(terms))
        mapped = transform(operator - openfermion.hermitian_conjugated(operator))
        state = expm_multiply(angle * openfermion.get_sparse_operator(mapped, n), state)
    return state


def restricted(state: np.ndarray, encoding: Encoding, n: int) -> np.ndarray:
    """The state on the qubits that an encoding kept; no two basis states of weight may fall on one."""
    found = np.zeros(1 << encoding.n_qubits, dtype=complex)
    for index in np.flatnonzero(np.abs(state) > 1e-12):
        place = int("0" + "".join(str(int(index) >> (n - 1 - q) & 1) for q in encoding.held), 2)
        assert found[place] == 0.0
        found[place] = state[index]
    return found


@pytest.mark.parametrize("name", ["jordan_wigner", "parity", "bravyi_kitaev"])
@pytest.mark.parametrize("n", [4, 6, 8, 10, 14])
def test_rows_are_those_of_openfermion(name: str, n: int) -> None:
    rows = [[row >> q & 1 for q in range(n)] for row in parity_rows(name, n)]
    np.testing.assert_array_equal(rows, MAPPINGS[name][1](n).encoder.toarray() % 2)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", range(4))
def test_circuits_are_products_of_exponentials(name: str, seed: int) -> None:
    rng = np.random.default_rng([61, seed])
    n_electrons = ((2, 2), (2, 1), (1, 1), (3, 2))[seed]
    problem = random_problem(4, n_electrons, seed)
    ansatz = paired_ansatz() if seed == 0 else random_ansatz(8, 2 + 2 * seed, rng)
    angles = rng.normal(size=3)
    encoding = encode(problem, ansatz, angles, name)
    mapping = {"partial_pairs": "jordan_wigner"}.get(name, name.removeprefix("tapered_"))
    exact = restricted(mapped_state(ansatz, angles, problem.reference_occupied, mapping, 8), encoding, 8)
    assert np.abs(state_of(encoding) - exact).max() < 1e-10  # double precision, some hundred gates


@pytest.mark.parametrize("seed", range(3))
def test_every_encoding_has_the_energy_of_the_engine(seed: int) -> None:
    problem = random_problem(4, ((2, 2), (2, 1), (2, 2))[seed], 70 + seed)
    rng = np.random.default_rng([71, seed])
    pool = uccsd(4, *problem.n_electrons).rotations
    chosen = [pool[k].generator for k in rng.choice(len(pool), size=6, replace=False)]
    ansatz = (pairs_ansatz(4, 2), None, paired_ansatz())[seed] or Ansatz(
        name="few", rotations=tuple(Rotation(e, k) for k, e in enumerate(chosen)), n_parameters=6
    )
    angles = rng.normal(size=ansatz.n_parameters)
    exact, _ = energy_of(problem)(ansatz).value_and_gradient(angles)
    for name in ALL:
        encoding = encode(problem, ansatz, angles, name)
        assert encoding.hamiltonian.n_qubits == encoding.n_qubits == len(encoding.wires) == len(set(encoding.wires))
        assert abs(energy(encoding, state_of(encoding)) - exact) < 1e-9  # of energies of some ten hartree
        assert max((q for gate in encoding.gates for q in gate.qubits), default=-1) < encoding.n_qubits


def test_orbitals_filled_in_pairs_take_one_qubit() -> None:
    problem = random_problem(4, (2, 2), 3)
    ansatz, angles = paired_ansatz(), np.array([0.3, -0.8, 0.5])
    partial = encode(problem, ansatz, angles, "partial_pairs")
    assert partial.wires == ("0ab", "1a", "1b", "2ab", "3a", "3b")
    assert partial.conserved == (((0, 1, 3, 4), 2), ((0, 2, 3, 5), 2))
    outcomes = np.flatnonzero(np.abs(state_of(partial)) > 1e-12)
    assert len(outcomes) > 4
    for qubits, number in partial.conserved:
        assert {sum(int(k) >> (5 - q) & 1 for q in qubits) for k in outcomes} == {number}
    assert encode(problem, ansatz, angles, "jordan_wigner").n_qubits == 8
    assert encode(problem, ansatz, angles, "tapered_jordan_wigner").n_qubits == 4
    assert encode(problem, ansatz, angles, "parity").conserved == ()
    assert encode(problem, ansatz, angles, "parity").wires[0] == "0a"
    assert encode(problem, ansatz, angles, "bravyi_kitaev").wires == ("0a", "1a", "0a-1b", "2a", "3a")


def test_a_pair_costs_a_givens_rotation_and_a_lone_excitation_no_gate() -> None:
    problem = random_problem(4, (2, 2), 3)
    angles = np.array([0.3, -0.8])

    def cost(*excitations: tuple[tuple[int, ...], tuple[int, ...]], encoding: str) -> int:
        rotations = tuple(Rotation(Excitation(c, a), k % 2) for k, (c, a) in enumerate(excitations))
        ansatz = Ansatz(name="some", rotations=rotations, n_parameters=min(2, len(rotations)))
        return count_resources(encode(problem, ansatz, angles[: len(rotations)], encoding).gates).n_two_qubit_gates

    double = ((4, 7), (0, 3))
    assert cost(double, encoding="tapered_jordan_wigner") == 0
    assert cost(double, encoding="jordan_wigner") == 3  # a superposition of two determinants: three CX copy one qubit
    pair, other = ((4, 5), (0, 1)), ((6, 7), (0, 1))
    assert cost(pair, other, encoding="partial_pairs") == 1 + 2
    assert cost(pair, other, other, pair, encoding="partial_pairs") <= 1 + 3 * 2


def test_an_excitation_that_acts_on_nothing_costs_nothing() -> None:
    problem = random_problem(4, (2, 2), 3)
    ansatz = Ansatz(
        name="idle first",
        rotations=(Rotation(Excitation((7, 6), (4, 5)), 0), Rotation(Excitation((4, 5), (0, 1)), 1)),
        n_parameters=2,
    )
    angles = np.array([0.4, 0.9])
    exact, _ = energy_of(problem)(ansatz).value_and_gradient(angles)
    for name in [*ALL, "pairs"]:
        encoding = encode(problem, ansatz, angles, name)
        assert abs(energy(encoding, state_of(encoding)) - exact) < 1e-9
    empty = Ansatz(name="none", rotations=(), n_parameters=0)
    exact, _ = energy_of(problem)(empty).value_and_gradient(np.zeros(0))
    for name in [*ALL, "auto"]:
        encoding = encode(problem, empty, np.zeros(0), name)
        assert (encoding.n_qubits, encoding.gates) == (0, ())
        assert encoding.hamiltonian.constant == pytest.approx(exact)


def test_gates_follow_the_structure_alone() -> None:
    problem, ansatz = random_problem(4, (2, 2), 3), uccsd(4, 2, 2)
    for name in ALL:
        first, second = (encode(problem, ansatz, np.full(ansatz.n_parameters, a), name).gates for a in (0.0, 0.7))
        assert [(gate.name, gate.qubits) for gate in first] == [(gate.name, gate.qubits) for gate in second]


# Qubit excitations and other sums that flip the same qubits


@pytest.mark.parametrize(
    ("excitation", "cost"),
    [(Excitation((4,), (0,)), 2), (Excitation((5, 2), (0, 3)), 13), (Excitation((6, 3), (5, 2)), 13)],
)
def test_qubit_excitations_take_few_gates(excitation: Excitation, cost: int) -> None:
    generator = qubit_excitation(excitation)
    ansatz = Ansatz(name="one", rotations=(Rotation(generator, 0),), n_parameters=1)
    gates = qubit_gates(ansatz, np.array([0.83]), "0" * 7)
    assert count_resources(gates).n_two_qubit_gates == cost
    assert np.abs(unitary(gates, 7) - expm(-0.83j * pauli_matrix(generator.terms, 7))).max() < 1e-10


@pytest.mark.parametrize("excitation", [Excitation((6,), (0,)), Excitation((6, 3), (0, 1)), Excitation((0, 4), (6, 2))])
def test_mapped_fermionic_excitations_cost_no_more_than_the_excitation(excitation: Excitation) -> None:
    """An imported ansatz has them as sums of Pauli strings."""
    matrix = anti_hermitian(excitation, 7).toarray()
    operator = openfermion.FermionOperator(
        tuple([(p, 1) for p in excitation.created] + [(p, 0) for p in reversed(excitation.annihilated)])
    )
    mapped = openfermion.jordan_wigner(1j * (operator - openfermion.hermitian_conjugated(operator)))
    generator = PauliSum(tuple((c.real, string) for string, c in mapped.terms.items()))
    ansatz = Ansatz(name="one", rotations=(Rotation(generator, 0),), n_parameters=1)
    gates = qubit_gates(ansatz, np.array([0.83]), "0" * 7)
    assert np.abs(unitary(gates, 7) - expm(0.83 * matrix)).max() < 1e-10
    plain = count_resources(excitation_gates(excitation, 0.83)).n_two_qubit_gates
    assert count_resources(gates).n_two_qubit_gates <= plain


@pytest.mark.parametrize("seed", range(8))
def test_any_strings_that_flip_the_same_qubits_are_one_walk(seed: int) -> None:
    rng = np.random.default_rng([83, seed])
    n = 4
    while True:
        flips = rng.permutation(n)[: int(rng.integers(1, n + 1))]
        terms: dict[tuple[tuple[int, str], ...], float] = {}
        for _ in range(int(rng.integers(1, 7))):
            letters = {q: str(rng.choice(["X", "Y"] if q in flips else ["I", "Z"])) for q in range(n)}
            terms[tuple((q, letter) for q, letter in letters.items() if letter != "I")] = float(rng.normal())
        try:
            generator = PauliSum(tuple((c, string) for string, c in terms.items()))
            break
        except ValueError:  # they do not commute
            continue
    rotation = multiplexed_of(generator.terms, 0.7)
    assert rotation is not None
    exact = expm(-0.7j * pauli_matrix(generator.terms, n))
    for gates in circuits_of(rotation):
        assert np.abs(unitary(gates, n) - exact).max() < 1e-10
        assert np.abs(unitary(merge_controlled(gates), n) - exact).max() < 1e-10


def acted(gates: list[Gate], state: np.ndarray, n: int) -> np.ndarray:
    simulator, order = cirq.Simulator(dtype=np.complex128), cirq.LineQubit.range(n)
    return simulator.simulate(to_cirq(gates), qubit_order=order, initial_state=state).final_state_vector


@pytest.mark.parametrize("seed", [1, 2, 4, 10, 14, 69])
def test_known_parities_shorten_a_walk_and_keep_it(seed: int) -> None:
    """Long words that known parities of either sign shorten, on all states that have these parities."""
    rng = np.random.default_rng(seed)
    n, flips, both = 8, 0b11, 0b11
    known: list[tuple[int, int]] = []
    while len(known) < 2:
        mask = int(rng.integers(1, 1 << n))
        if (mask & flips).bit_count() % 2 == 0:  # else the rotation would change it
            known.append((mask, int(rng.integers(2))))
    directions: list[int] = []
    while len(directions) < 3:
        word = int(rng.integers(1, 1 << n)) & ~1
        word |= (word & both) >> 1
        span = {0}
        for each in (*directions, *(mask for mask, _ in known)):
            span |= {other ^ each for other in span}
        if not any((word ^ each) & ~1 == 0 for each in span):
            directions.append(word)
    rotation = Multiplexed(flips, "Y", 1, tuple(directions), tuple(rng.normal(size=8)))
    right = np.ones(1 << n, dtype=bool)
    for mask, value in known:
        ones = [sum(index >> (n - 1 - q) & 1 for q in range(n) if mask >> q & 1) for index in range(1 << n)]
        right &= np.array(ones) % 2 == value
    start = right * (rng.normal(size=1 << n) + 1j * rng.normal(size=1 << n))
    exact = acted(circuits_of(rotation)[0], start / np.linalg.norm(start), n)
    for gates in circuits_of(rotation, known):
        found = acted(gates, start / np.linalg.norm(start), n)
        assert np.abs(found - exact).max() < 1e-12  # double precision, some twenty gates


def test_sums_that_flip_different_qubits_are_not_one_walk() -> None:
    assert multiplexed_of([(0.3, ((0, "X"),)), (0.2, ((0, "X"), (1, "X")))], 1.0) is None
    assert multiplexed_of([(0.3, ((0, "Z"),))], 1.0) is None


@pytest.mark.parametrize("seed", range(6))
def test_sums_of_both_kinds_are_their_exponential(seed: int) -> None:
    rng = np.random.default_rng([89, seed])
    generator = random_pauli_sum(3, 3, rng)
    ansatz = Ansatz(name="one", rotations=(Rotation(generator, 0),), n_parameters=1)
    found, exact = (
        unitary(qubit_gates(ansatz, np.array([0.7]), "000"), 3),
        expm(-0.7j * pauli_matrix(generator.terms, 3)),
    )
    assert abs(np.trace(exact.conj().T @ found)) == pytest.approx(8.0, abs=1e-10)


# Rules of gates

EVERY = [Gate("x", (0,)), Gate("y", (1,)), Gate("z", (2,)), Gate("h", (0,)), Gate("s", (1,)), Gate("sdg", (2,))]
EVERY += [Gate("rx", (0,), 0.3), Gate("ry", (1,), 0.4), Gate("rz", (2,), 0.5), Gate("swap", (0, 2))]
EVERY += [Gate(name, pair) for name in ("cx", "cz") for pair in ((0, 1), (1, 0), (1, 2), (2, 0))]


def test_gates_that_are_said_to_commute_do() -> None:
    said = 0
    for first, second in combinations(EVERY, 2):
        if commute(first, second):
            said += 1
            assert np.abs(unitary([first, second], 3) - unitary([second, first], 3)).max() < 1e-12
    assert said > 30


@pytest.mark.parametrize("seed", range(12))
def test_shorter_circuits_are_the_same(seed: int) -> None:
    rng = np.random.default_rng([97, seed])
    gates = [EVERY[k] for k in rng.choice(len(EVERY), size=40)]
    gates += [Gate("cz", (0, 1)), Gate("cx", (1, 0)), Gate("cx", (1, 2)), Gate("cz", (2, 1))]
    short: list[Gate] = []
    for gate in gates:
        append_cancelling(short, gate)
    merged = merge_controlled(short)
    assert np.abs(unitary(short, 3) - unitary(gates, 3)).max() < 1e-12
    assert np.abs(unitary(merged, 3) - unitary(gates, 3)).max() < 1e-12
    assert np.abs(unitary([*gates, *inverse_gates(gates)], 3) - np.eye(8)).max() < 1e-12
    prepared: list[Gate] = []
    known = dict.fromkeys(range(3), 0)
    for gate in gates:
        append_known(prepared, known, gate)
    states = [to_cirq([*each, *(Gate("x", (q,)) for q in range(3) for _ in range(2))]) for each in (gates, prepared)]
    first, second = (cirq.final_state_vector(each, dtype=np.complex128) for each in states)
    assert np.abs(first - second).max() < 1e-12
    counts = [count_resources(each).n_two_qubit_gates for each in (gates, short, merged)]
    assert all(after <= before for before, after in pairwise(counts))
