"""Ansätze and Hamiltonians of other programs: against OpenFermion's matrices and energies that they printed."""

from itertools import combinations

import numpy as np
import openfermion as of
import pytest
import scipy.sparse.linalg

import vqe_prune as vp
from vqe_prune.ansatz.rotation import Excitation
from vqe_prune.errors import InputError
from vqe_prune.objective import energy_of
from vqe_prune.problem import qubit_hamiltonian

N_ORBITALS = 4
FILLED, EMPTY = range(4), range(4, 8)
SINGLES = [[i, a] for i in FILLED for a in EMPTY if i % 2 == a % 2]
DOUBLES = [
    [*pair, *empty]
    for pair in combinations(FILLED, 2)
    for empty in combinations(EMPTY, 2)
    if sum(p % 2 for p in pair) == sum(p % 2 for p in empty)
]
"""As qml.qchem.excitations(4, 8) of PennyLane 0.45 returns them."""

HOPS = [[((i,), (a,)) for i in (k, k + 1) for a in (k + 2, k + 3)] for k in (0, 4)]
QISKIT = [
    *HOPS[0],
    *HOPS[1],
    ((0, 1), (2, 3)),
    *((first[0] + second[0], first[1] + second[1]) for first in HOPS[0] for second in HOPS[1]),
    ((4, 5), (6, 7)),
]
"""As UCCSD(4, (2, 2), ...).excitation_list of Qiskit Nature 0.8 holds them."""


@pytest.fixture(scope="module")
def problem():
    """Return four electrons in the random integrals of benchmarks/migration.py, which no symmetry helps."""
    random = np.random.default_rng(11)
    h, g = random.normal(size=(4, 4)), 0.3 * random.normal(size=(4, 4, 4, 4))
    for axes in ((1, 0, 2, 3), (0, 1, 3, 2), (2, 3, 0, 1)):
        g = 0.5 * (g + g.transpose(axes))
    return vp.problem_from_integrals(0.5 * (h + h.T), g, (2, 2), constant=0.7)


@pytest.fixture(scope="module")
def operator(problem):
    """Its Hamiltonian as an OpenFermion operator."""
    return of.reverse_jordan_wigner(qubit_hamiltonian(problem))


def angles_of(n: int) -> np.ndarray:
    """Return the angles of benchmarks/migration.py."""
    return np.random.default_rng(7).normal(scale=0.3, size=n)


def energy(problem, ansatz) -> float:
    return energy_of(problem)(ansatz).value_and_gradient(angles_of(ansatz.n_parameters))[0]


def matrix_energy(problem, numbered) -> float:
    """<H> after exp(angle_k (T - T^dagger)) of each (k, T) in turn, by sparse matrices of all qubits."""
    n, angles = problem.n_qubits, angles_of(1 + max(k for k, _ in numbered))
    state = np.zeros(2**n, dtype=complex)
    state[int("11110000", 2)] = 1.0
    for k, half in numbered:
        generator = of.get_sparse_operator(half - of.hermitian_conjugated(half), n).tocsc()
        state = scipy.sparse.linalg.expm_multiply(angles[k] * generator, state)
    return float(np.vdot(state, of.get_sparse_operator(qubit_hamiltonian(problem), n) @ state).real)


def test_pennylanes_halves_and_order(problem) -> None:
    halves = [of.FermionOperator(((p, 1), (r, 0)), 0.5) for r, p in SINGLES]
    halves += [of.FermionOperator(((p, 1), (q, 1), (r, 0), (s, 0)), 0.5) for s, r, q, p in DOUBLES]
    numbered = list(enumerate(halves))
    found = energy(problem, vp.ansatz_from_pennylane(SINGLES, DOUBLES))
    expected = matrix_energy(problem, [*numbered[len(SINGLES) :], *numbered[: len(SINGLES)]])
    assert found == pytest.approx(expected, abs=1e-10)  # double precision, 26 exponentials
    assert found == pytest.approx(-0.8052910920175522, abs=1e-8)  # printed by PennyLane 0.45.1


def test_qiskits_signs_and_blocks(problem) -> None:
    def place(p: int) -> int:
        return 2 * p if p < N_ORBITALS else 2 * (p - N_ORBITALS) + 1

    halves = [
        of.FermionOperator((*((place(p), 1) for p in filled), *((place(p), 0) for p in empty)))
        for filled, empty in QISKIT
    ]
    found = energy(problem, vp.ansatz_from_qiskit(QISKIT, N_ORBITALS))
    assert found == pytest.approx(matrix_energy(problem, list(enumerate(halves))), abs=1e-10)
    assert found == pytest.approx(0.8220966926473343, abs=1e-8)  # printed by Qiskit Nature 0.8.0


def test_pennylanes_qubit_gates(problem) -> None:
    ansatz = vp.ansatz_from_pennylane(SINGLES, DOUBLES, template="AllSinglesDoubles")
    found = energy(vp.molecular_qubit_problem(problem, exact=False), ansatz)
    assert found == pytest.approx(-0.5232609054022737, abs=1e-8)  # printed by PennyLane 0.45.1


def test_wires_layers_and_shared_parameters(problem) -> None:
    wires = [list(range(r, p + 1)) for r, p in SINGLES], [[[s, r], list(range(q, p + 1))] for s, r, q, p in DOUBLES]
    plain, ranges = vp.ansatz_from_pennylane(SINGLES, DOUBLES), vp.ansatz_from_pennylane(*wires)
    assert plain.rotations == ranges.rotations
    assert plain.rotations[0].parameter == len(SINGLES)  # doubles act first, their weights come last
    twice = vp.ansatz_from_qiskit(np.array(QISKIT[:8]), N_ORBITALS, repeats=2)
    assert [r.parameter for r in twice.rotations] == list(range(16))
    # beta are 0 to 3, alpha 4 to 7
    shared = vp.ansatz_from_tencirchem([(6, 5), (2, 1), (6, 2, 1, 5)], N_ORBITALS, [0, 0, 1])
    assert shared.n_parameters == 2
    assert shared.rotations[0].generator == Excitation((4,), (2,))
    assert shared.rotations[1].generator == Excitation((5,), (3,))
    numbered = [
        (0, of.FermionOperator(((4, 1), (2, 0)))),
        (0, of.FermionOperator(((5, 1), (3, 0)))),
        (1, of.FermionOperator(((4, 1), (5, 1), (3, 0), (2, 0)))),
    ]
    assert energy(problem, shared) == pytest.approx(matrix_energy(problem, numbered), abs=1e-10)


def test_openfermion_operators_come_back(problem, operator) -> None:
    for given in (operator, of.normal_ordered(operator)):
        read = vp.problem_from_openfermion(given, (2, 2))
        assert np.abs(read.electrons.one_body - problem.electrons.one_body).max() < 1e-10  # rounding of the mapping
        assert np.abs(read.electrons.two_body - problem.electrons.two_body).max() < 1e-10
        assert read.energies["exact"] == pytest.approx(problem.energies["exact"], abs=1e-9)
    qubits = vp.problem_from_openfermion(of.jordan_wigner(operator), (2, 2), n_orbitals=N_ORBITALS)
    assert (qubits.reference, qubits.unit) == ("11110000", "hartree")
    assert qubits.energies["exact"] == pytest.approx(problem.energies["exact"], abs=1e-9)


def test_openfermion_generators_are_exponentials(problem, operator) -> None:
    double = of.FermionOperator("4^ 5^ 1 0", 0.7)
    both = of.FermionOperator("6^ 2") + of.FermionOperator("7^ 1", -0.5)  # they commute: two rotations, one angle
    swapped = of.FermionOperator("7^ 3 0 6^", 1.3)  # in no order at all
    generators = [half - of.hermitian_conjugated(half) for half in (double, both, swapped)]
    ansatz = vp.ansatz_from_openfermion(generators)
    assert [rotation.parameter for rotation in ansatz.rotations] == [0, 1, 1, 2]
    expected = matrix_energy(problem, list(enumerate((double, both, swapped))))
    assert energy(problem, ansatz) == pytest.approx(expected, abs=1e-10)
    hermitian = vp.ansatz_from_openfermion([1j * generator for generator in generators])
    assert energy(problem, hermitian) == pytest.approx(expected, abs=1e-10)
    on_qubits = vp.molecular_qubit_problem(problem, exact=False)
    paulis = [of.jordan_wigner(generator) for generator in generators]
    assert energy(on_qubits, vp.ansatz_from_openfermion(paulis)) == pytest.approx(expected, abs=1e-10)
    flipped = vp.ansatz_from_openfermion([1j * pauli for pauli in paulis])
    assert energy(on_qubits, flipped) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: vp.ansatz_from_pennylane([], []), "no excitation"),
        (lambda: vp.ansatz_from_pennylane([[0, 3]], []), "singles 1, [0, 3]: Excitation 0a -> 1b must conserve S_z"),
        (lambda: vp.ansatz_from_pennylane([[0]], []), "singles 1"),
        (lambda: vp.ansatz_from_pennylane([["a", 2]], []), "must be whole numbers"),
        (lambda: vp.ansatz_from_pennylane([[0, 2]], [[0, 1, 2]]), "doubles 1"),
        (lambda: vp.ansatz_from_pennylane([[0, 2]], [], template="UCSD"), "did you mean UCCSD"),
        (lambda: vp.ansatz_from_pennylane([[0, 2]], [], repeats=0), "repeats=0"),
        (lambda: vp.ansatz_from_qiskit([((0,), (12,))], 5), "there are 10"),
        (lambda: vp.ansatz_from_qiskit([(0, 2)], 5), "must be a list"),
        (lambda: vp.ansatz_from_tencirchem([(1, 0)], 5, [1]), "param_ids must number"),
        (lambda: vp.ansatz_from_openfermion(of.FermionOperator("2^ 0")), "list of operators"),
        (lambda: vp.ansatz_from_openfermion([of.FermionOperator("2^ 0")]), "anti-Hermitian"),
        (lambda: vp.ansatz_from_openfermion([of.FermionOperator("2^ 2")]), "distinct spin orbitals"),
        (lambda: vp.ansatz_from_openfermion([of.FermionOperator()]), "generator 1 is zero"),
        (lambda: vp.ansatz_from_openfermion([3]), "must be an OpenFermion operator"),
        (lambda: vp.ansatz_from_openfermion([of.QubitOperator("X0", 1j) + of.QubitOperator("Z0", 1j)]), "not commute"),
        (lambda: vp.problem_from_openfermion(of.FermionOperator("2^ 0"), (1, 1)), "must be Hermitian"),
        (lambda: vp.problem_from_openfermion(of.FermionOperator("0^ 0"), (1, 1)), "the same for alpha and beta"),
        (lambda: vp.problem_from_openfermion(of.FermionOperator("0^ 1^"), (1, 1)), "conserve the number"),
        (lambda: vp.problem_from_openfermion(of.FermionOperator("0^ 0"), (3, 1)), "n_electrons=(3, 1)"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(call, words: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert words in str(caught.value)


def test_sums_that_do_not_commute_are_refused() -> None:
    half = of.FermionOperator("2^ 0") + of.FermionOperator("4^ 2")
    with pytest.raises(InputError, match="do not commute"):
        vp.ansatz_from_openfermion([half - of.hermitian_conjugated(half)])
