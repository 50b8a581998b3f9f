"""Encodings: each circuit is the exponential of its generator, each Hamiltonian gives the energy of the state."""

from itertools import combinations

import cirq
import numpy as np
import pytest
from pyscf import fci
from scipy.linalg import expm

import vqe_prune as vp
from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.circuit import count_resources, pair_gates, to_cirq
from vqe_prune.encoding import ENCODINGS, Encoding, encode
from vqe_prune.objective import energy_of

ROUNDING = 1e-12
"""Of some hundred double-precision gates and terms of a few hartree."""


def random_problem(n: int, electrons: tuple[int, int], seed: int) -> vp.Problem:
    """Electrons with random integrals of the eightfold symmetry: no other symmetry hides a mistake."""
    rng = np.random.default_rng(seed)
    h = rng.normal(size=(n, n))
    factors = rng.normal(size=(3, n, n))
    factors += factors.transpose(0, 2, 1)
    two = np.einsum("kpq,krs->pqrs", factors, factors)
    return vp.problem_from_integrals(h + h.T, two, electrons, constant=0.7)


def pairs_ansatz(n: int, n_filled: int, extra: bool = True) -> Ansatz:
    """Every pair excitation and one among empty orbitals, created spin orbitals in either order."""
    moves = [(i, a) for i in range(n_filled) for a in range(n_filled, n)]
    moves += [(n_filled, n - 1)] if extra else []
    rotations = []
    for k, (i, a) in enumerate(moves):
        created, annihilated = (2 * a, 2 * a + 1), (2 * i, 2 * i + 1)
        if k % 2:
            created = created[::-1]
        rotations.append(Rotation(Excitation(created, annihilated), k))
    return Ansatz(name="pairs", rotations=tuple(rotations), n_parameters=len(rotations))


def state_of(encoding: Encoding) -> np.ndarray:
    order = cirq.LineQubit.range(encoding.n_qubits)
    simulator = cirq.Simulator(dtype=np.complex128)
    return simulator.simulate(to_cirq(encoding.gates), qubit_order=order).final_state_vector


def energy(encoding: Encoding, state: np.ndarray) -> float:
    return float(np.vdot(state, encoding.hamiltonian.apply(state)).real) + encoding.hamiltonian.constant


def test_a_pair_excitation_is_a_givens_rotation_of_two_cx() -> None:
    angle = 0.37
    lower = np.array([[0.0, 1.0], [0.0, 0.0]])  # b on one qubit, |1> the pair
    move = np.kron(lower, lower.T)  # b_0 b+_1: from qubit 0 to qubit 1
    gates = pair_gates(0, 1, angle)
    unitary = cirq.unitary(to_cirq(gates))
    np.testing.assert_allclose(unitary, expm(angle * (move - move.T)), atol=ROUNDING)
    assert count_resources(gates).n_two_qubit_gates == 2


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("n", "n_filled"), [(3, 1), (4, 2), (5, 2)])
def test_both_encodings_give_the_energy_of_the_engine(n: int, n_filled: int, seed: int) -> None:
    problem = random_problem(n, (n_filled, n_filled), seed)
    ansatz = pairs_ansatz(n, n_filled)
    angles = np.random.default_rng(seed).normal(size=ansatz.n_parameters)
    exact, _ = energy_of(problem)(ansatz).value_and_gradient(angles)
    scale = 1.0 + abs(exact)
    for name, n_qubits in (("jordan_wigner", 2 * n), ("pairs", n)):
        encoding = encode(problem, ansatz, angles, name)
        assert (encoding.name, encoding.n_qubits) == (name, n_qubits)
        assert abs(energy(encoding, state_of(encoding)) - exact) < 10 * ROUNDING * scale


@pytest.mark.parametrize("name", ["jordan_wigner", "pairs"])
def test_what_is_conserved_is_so_in_every_outcome(name: str) -> None:
    problem = random_problem(4, (2, 2), 5)
    ansatz = pairs_ansatz(4, 2)
    encoding = encode(problem, ansatz, np.random.default_rng(5).normal(size=ansatz.n_parameters), name)
    probabilities = np.abs(state_of(encoding)) ** 2
    outcomes = np.flatnonzero(probabilities > 1e-14)
    assert len(outcomes) > 4
    for qubits, number in encoding.conserved:
        for outcome in outcomes:
            assert sum(int(outcome) >> (encoding.n_qubits - 1 - q) & 1 for q in qubits) == number


def test_idle_orbitals_are_left_out() -> None:
    problem = random_problem(5, (3, 3), 7)
    one = Ansatz(name="one", rotations=(Rotation(Excitation((8, 9), (2, 3)), 0),), n_parameters=1)
    angles = np.array([0.6])
    exact, _ = energy_of(problem)(one).value_and_gradient(angles)
    for name, wires in (("pairs", ("1ab", "4ab")), ("jordan_wigner", ("1a", "1b", "4a", "4b"))):
        encoding = encode(problem, one, angles, name)
        assert encoding.wires == wires
        assert abs(energy(encoding, state_of(encoding)) - exact) < 10 * ROUNDING * (1.0 + abs(exact))


def test_the_pair_hamiltonian_is_that_of_doubly_occupied_determinants() -> None:
    n, n_filled = 4, 2
    problem = random_problem(n, (n_filled, n_filled), 11)
    electrons = problem.electrons
    # PySCF's matrix elements between determinants, an independent reading of the integrals
    hamiltonian = fci.direct_spin1.pspace(electrons.one_body, electrons.two_body, n, (n_filled, n_filled), np=10**6)
    addresses, matrix = hamiltonian
    strings = fci.cistring.make_strings(range(n), n_filled)
    paired = [int(np.flatnonzero(addresses == k * len(strings) + k)[0]) for k in range(len(strings))]
    expected = matrix[np.ix_(paired, paired)] + electrons.constant * np.eye(len(paired))
    encoding = encode(problem, pairs_ansatz(n, n_filled), np.zeros(5), "pairs")
    columns = []
    for string in strings:
        occupied = [p for p in range(n) if int(string) >> p & 1]
        basis = np.zeros(1 << n, dtype=np.complex128)
        basis[sum(1 << (n - 1 - p) for p in occupied)] = 1.0
        columns.append(basis)
    found = [[np.vdot(row, encoding.hamiltonian.apply(column)).real for column in columns] for row in columns]
    found = np.array(found) + encoding.hamiltonian.constant * np.eye(len(columns))
    np.testing.assert_allclose(found, expected, atol=1e-11)


def test_auto_takes_the_cheaper_circuit() -> None:
    problem = random_problem(4, (2, 2), 13)
    pairs = pairs_ansatz(4, 2)
    angles = np.zeros(pairs.n_parameters)
    every = [encode(problem, pairs, angles, name) for name in ENCODINGS[1:]]
    costs = {each.name: count_resources(each.gates).n_two_qubit_gates for each in every}
    assert costs["pairs"] <= 2 * len(pairs.rotations)  # a Givens rotation each
    found = encode(problem, pairs, angles)
    assert costs[found.name] == min(costs.values())
    assert found.n_qubits == min(each.n_qubits for each in every if costs[each.name] == costs[found.name])
    mixed = vp.uccsd(3, 1, 1)
    problem = random_problem(3, (1, 1), 13)
    assert encode(problem, mixed, np.zeros(mixed.n_parameters)).name != "pairs"
    with pytest.raises(vp.InputError, match="0a -> 1a, which breaks a pair"):
        encode(problem, mixed, np.zeros(mixed.n_parameters), "pairs")
    with pytest.raises(vp.InputError, match="did you mean pairs"):
        encode(problem, pairs, angles, "pair")
    split = Ansatz(name="split", rotations=(Rotation(Excitation((2, 5), (0, 1)), 0),), n_parameters=1)
    with pytest.raises(vp.InputError, match="breaks a pair"):
        encode(problem, split, np.zeros(1), "pairs")


def test_unpaired_electrons_have_no_pairs() -> None:
    problem = random_problem(3, (2, 1), 17)
    one = Ansatz(name="one", rotations=(Rotation(Excitation((4, 5), (0, 1)), 0),), n_parameters=1)
    assert encode(problem, one, np.array([0.3])).n_qubits == 1  # a turn between two determinants
    with pytest.raises(vp.InputError, match="unpaired electrons"):
        encode(problem, one, np.array([0.3]), "pairs")


def test_random_ansatz_in_jordan_wigner_on_the_touched_qubits() -> None:
    rng = np.random.default_rng(19)
    problem = random_problem(4, (2, 1), 19)
    pool = [Excitation((2 * a + s,), (2 * i + s,)) for i, a in combinations(range(3), 2) for s in (0, 1)]
    rotations = tuple(Rotation(pool[k], n) for n, k in enumerate(rng.permutation(len(pool))))
    ansatz = Ansatz(name="random", rotations=rotations, n_parameters=len(rotations))
    angles = rng.normal(size=len(rotations))
    exact, _ = energy_of(problem)(ansatz).value_and_gradient(angles)
    encoding = encode(problem, ansatz, angles, "jordan_wigner")
    assert encoding.n_qubits == 6  # the fourth orbital is idle
    assert abs(energy(encoding, state_of(encoding)) - exact) < 10 * ROUNDING * (1.0 + abs(exact))
