"""ADAPT against dense matrices, finite differences, PySCF's FCI, OpenFermion's Jordan-Wigner and hand-made cases."""

from itertools import combinations

import numpy as np
import openfermion
import pytest
import scipy.linalg
from conftest import CHAIN, error_mha
from dense_twin import anti_hermitian, determinant

from vqe_prune.adapt import (
    Growth,
    GrowthStop,
    PrunedAdapt,
    fermionic_pool,
    grow,
    pauli_pool,
    pool_gradients,
    qubit_excitation,
    qubit_pool,
)
from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.chemistry import Molecule
from vqe_prune.errors import InputError
from vqe_prune.lattice import chain
from vqe_prune.models import fermi_hubbard, heisenberg
from vqe_prune.paulis import Clifford, PauliSum, QubitHamiltonian
from vqe_prune.problem import molecular_problem, qubit_hamiltonian
from vqe_prune.qubit_problem import model_problem, molecular_qubit_problem, pauli_problem

EMPTY = Ansatz(name="adapt", rotations=(), n_parameters=0)


@pytest.fixture(scope="module")
def hydrogen():
    """Return a chain of hydrogen atoms 1 angstrom apart, the odd one a doublet, and the same on qubits."""
    problems = [molecular_problem(Molecule(name=f"H{n}", atoms=CHAIN[:n], spin=n % 2)) for n in range(5)[3:]]
    return {problem.name: (problem, molecular_qubit_problem(problem)) for problem in problems}


def full_ci(atoms, spin: int = 0) -> float:
    """FCI energy by PySCF alone."""
    from pyscf import fci, gto, scf

    molecule = gto.M(atom=list(atoms), basis="sto-3g", spin=spin, verbose=0)
    return float(fci.FCI(scf.RHF(molecule).run()).kernel()[0])


def generator_matrix(generator, n_qubits: int) -> np.ndarray:
    """i (T - T^dagger) or the Pauli sum, by OpenFermion."""
    if isinstance(generator, Excitation):
        return 1j * anti_hermitian(generator, n_qubits).toarray()
    operator = openfermion.QubitOperator()
    for coefficient, string in generator.terms:
        operator += openfermion.QubitOperator(string, coefficient)
    return openfermion.get_sparse_operator(operator, n_qubits).toarray()


def sizes(growth: Growth, exact: float, budgets) -> dict:
    """Fewest operators with which the error is within each budget (mHa)."""
    found = [(p.ansatz.n_parameters, 1e3 * (p.optimum.value - exact)) for p in growth.points]
    return {b: min((n for n, error in found if error <= b), default=None) for b in budgets}


@pytest.mark.parametrize("kind", ["fermionic", "generalised", "qubit", "pauli"])
def test_pool_gradients_are_finite_differences_of_dense_energies(hydrogen, kind: str) -> None:
    problem, qubits = hydrogen["H3"]
    pool = {
        "fermionic": fermionic_pool(problem),
        "generalised": fermionic_pool(problem, generalised=True),
        "qubit": qubit_pool(problem),
        "pauli": pauli_pool(qubits)[:12],
    }[kind]
    first = [pool[-1], pool[0], pool[-1]]
    ansatz = Ansatz(name="adapt", rotations=tuple(Rotation(g, k) for k, g in enumerate(first)), n_parameters=3)
    angles = np.array([0.4, -0.7, 0.2])
    found = pool_gradients(qubits if kind in ("qubit", "pauli") else problem, ansatz, angles, pool)
    hamiltonian = openfermion.get_sparse_operator(qubit_hamiltonian(problem), problem.n_qubits)
    state = determinant(problem.reference_occupied, problem.n_qubits)
    for generator, angle in zip(first, angles, strict=True):
        state = scipy.linalg.expm(-1j * angle * generator_matrix(generator, problem.n_qubits)) @ state
    step = 1e-3  # the fourth-order error is of order 1e-12, rounding 1e-13 / 1e-3
    for generator, gradient in zip(pool, found, strict=True):
        forward = scipy.linalg.expm(-1j * step * generator_matrix(generator, problem.n_qubits))
        moved = [np.linalg.matrix_power(forward, k) @ state for k in (-2, -1, 1, 2)]
        energies = [(psi.conj() @ (hamiltonian @ psi)).real for psi in moved]
        difference = (energies[0] - 8 * energies[1] + 8 * energies[2] - energies[3]) / (12 * step)
        assert gradient == pytest.approx(difference, abs=1e-9)
    assert np.abs(found).max() > 1e-2


def test_gradients_of_the_bare_reference(molecular) -> None:
    """Brillouin: singles have none; the double of H2 has twice the exchange integral, <ref|H|double> = (01|01)."""
    problem = molecular("H2")
    pool = (Excitation((2,), (0,)), Excitation((2, 3), (0, 1)))
    exchange = problem.electrons.two_body[0, 1, 0, 1]
    assert pool_gradients(problem, EMPTY, np.zeros(0), pool) == pytest.approx([0.0, 2 * exchange], abs=1e-7)


def test_numbers_of_operators_of_lih(molecular) -> None:
    """The project's prototype, benchmarks/pruning.py: tolerance in mHa -> operators from the UCCSD pool."""
    problem = molecular("LiH")
    growth = grow(problem, fermionic_pool(problem), target_error=1e-4)
    assert problem.energies["exact"] == pytest.approx(full_ci((("Li", (0, 0, 0)), ("H", (0, 0, 1.595)))), abs=1e-8)
    assert sizes(growth, problem.energies["exact"], (1.594, 0.5, 0.1)) == {1.594: 5, 0.5: 11, 0.1: 16}
    assert growth.reason is GrowthStop.ENERGY
    assert growth.points[0].optimum.value == pytest.approx(problem.energies["hf"], abs=1e-9)
    assert [p.ansatz.n_parameters for p in growth.points] == list(range(17))
    assert all(np.diff([p.optimum.value for p in growth.points]) < 0)
    assert [r.generator for r in growth.final.ansatz.rotations] == [p.chosen for p in growth.points[1:]]


def test_pools_reach_chemical_accuracy(hydrogen, molecular) -> None:
    """Numbers of operators at 1.6 mHa as first found here; the errors are to PySCF's FCI."""
    four, on_qubits = hydrogen["H4"]
    lithium = molecular_qubit_problem(molecular("LiH"))
    cases = {
        "H4 fermionic": (four, fermionic_pool(four), 9),
        "H4 generalised": (four, fermionic_pool(four, generalised=True), 9),
        "H4 qubit": (on_qubits, qubit_pool(four), 9),
        "H4 pauli": (on_qubits, pauli_pool(on_qubits), 10),
        "LiH qubit": (lithium, qubit_pool(molecular("LiH")), 5),
        "LiH pauli": (lithium, pauli_pool(lithium), 5),
    }
    exact = {"H4": full_ci(CHAIN[:4]), "LiH": molecular("LiH").energies["exact"]}
    for name, (problem, pool, operators) in cases.items():
        growth = grow(problem, pool, target_error=1.6e-3)
        assert 0.0 <= growth.final.optimum.value - exact[name.split()[0]] <= 1.6e-3, name
        assert growth.final.ansatz.n_parameters == operators, name
        assert growth.reason is GrowthStop.ENERGY


def test_doublet_reaches_full_ci_with_generalised_excitations(hydrogen) -> None:
    problem, qubits = hydrogen["H3"]
    exact = full_ci(CHAIN[:3], spin=1)
    for where, pool in (
        (problem, fermionic_pool(problem, generalised=True)),
        (qubits, qubit_pool(problem, generalised=True)),
        (qubits, pauli_pool(qubits)),
    ):
        growth = grow(where, pool, gradient_tolerance=1e-6)
        assert growth.reason is GrowthStop.GRADIENT
        assert growth.largest_gradient <= 1e-6
        assert growth.final.optimum.value == pytest.approx(exact, abs=1e-8)


def test_hydrogen_needs_one_operator_of_any_pool(molecular) -> None:
    problem = molecular("H2")
    qubits = molecular_qubit_problem(problem)
    exact = full_ci((("H", (0, 0, 0)), ("H", (0, 0, 0.7414))))
    strings = pauli_pool(qubits)
    assert len(strings) == 8  # X and Y on four qubits with an odd number of Y; singles are of another irrep
    for where, pool in ((problem, fermionic_pool(problem)), (qubits, qubit_pool(problem)), (qubits, strings)):
        growth = grow(where, pool)
        assert growth.final.ansatz.n_parameters == 1
        assert growth.reason is GrowthStop.GRADIENT
        assert growth.final.optimum.value == pytest.approx(exact, abs=1e-9)


def test_fermionic_pool_is_the_allowed_part_of_uccsd(molecular) -> None:
    assert len(fermionic_pool(molecular("LiH"))) == 34  # of 92, as in tests/test_pruning.py
    for name in ("LiH", "H2"):
        problem = molecular(name)
        orbitals, labels = range(problem.n_qubits), problem.electrons.irreps
        ranks = [frozenset(map(frozenset, pair)) for k in (1, 2) for pair in combinations(combinations(orbitals, k), 2)]
        wanted = {
            pair
            for pair in ranks
            if len(frozenset.union(*pair)) == sum(map(len, pair))  # no index in common
            and len({sum(p % 2 for p in half) for half in pair}) == 1
            and np.bitwise_xor.reduce([labels[p // 2] for half in pair for p in half]) == 0
        }
        pool = fermionic_pool(problem, generalised=True)
        pairs = [frozenset((frozenset(e.created), frozenset(e.annihilated))) for e in pool]
        assert len(set(pairs)) == len(pairs)
        assert set(pairs) == wanted


def test_qubit_excitations_are_jordan_wigner_without_z(hydrogen) -> None:
    problem, _ = hydrogen["H4"]
    unsorted = (Excitation((6, 1), (4, 3)), Excitation((0,), (4,)), Excitation((7, 3, 4), (2, 1, 5)))
    n = problem.n_qubits
    number, spin = openfermion.number_operator(n), openfermion.sz_operator(n // 2)
    charges = [openfermion.get_sparse_operator(charge, n).diagonal().real for charge in (number, spin)]
    start = np.random.default_rng(5).normal(size=2**n)
    for excitation in (*fermionic_pool(problem, generalised=True)[::3], *unsorted):
        operators = [(p, 1) for p in excitation.created] + [(p, 0) for p in excitation.annihilated[::-1]]
        t = openfermion.FermionOperator(tuple(operators))
        image = openfermion.jordan_wigner(1j * (t - openfermion.hermitian_conjugated(t)))
        stripped = openfermion.QubitOperator()
        for string, coefficient in image.terms.items():
            stripped += openfermion.QubitOperator(tuple(s for s in string if s[1] != "Z"), coefficient)
        wanted = openfermion.get_sparse_operator(stripped, n).toarray()
        found = generator_matrix(qubit_excitation(excitation), n)
        assert np.abs(found - wanted).max() < 1e-14
        evolved = scipy.linalg.expm(-0.7j * found) @ np.diag(start)
        for charge in charges:
            assert np.abs(charge[:, None] * evolved - evolved * charge[None, :]).max() < 1e-12


def test_qubit_pool_follows_the_fermionic_one(hydrogen) -> None:
    problem, _ = hydrogen["H4"]
    for generalised in (False, True):
        fermions = fermionic_pool(problem, generalised=generalised)
        pool = qubit_pool(problem, generalised=generalised)
        assert [g.qubits for g in pool] == [e.spin_orbitals for e in fermions]
    assert {len(g.terms) for g in pool} == {2, 8}
    assert {abs(c) for g in pool for c, _ in g.terms} == {0.5, 0.125}


@pytest.mark.parametrize("name", ["H3", "H4", "LiH"])
def test_pauli_pool_is_the_strings_of_the_qubit_pool(hydrogen, molecular, name: str) -> None:
    problem, qubits = hydrogen[name] if name in hydrogen else (molecular(name), None)
    qubits = qubits or molecular_qubit_problem(problem, exact=False)
    pool = pauli_pool(qubits)
    strings = [generator.terms[0][1] for generator in pool]
    assert all(len(generator.terms) == 1 and generator.terms[0][0] == 1.0 for generator in pool)
    assert len(set(strings)) == len(strings)
    assert all(sum(letter == "Y" for _, letter in string) % 2 for string in strings)
    assert set(strings) == {string for generator in qubit_pool(problem) for _, string in generator.terms}


def test_hubbard_dimer_by_its_formula() -> None:
    """Half-filled dimer: U/2 - sqrt(U^2/4 + 4 t^2), from a reference that does not fill the first orbitals."""
    problem = model_problem(fermi_hubbard(chain(2), t=1.0, u=4.0))
    growth = grow(problem, pauli_pool(problem), gradient_tolerance=1e-6)
    assert growth.final.optimum.value == pytest.approx(2.0 - np.sqrt(8.0), abs=1e-9)


def test_generators_may_repeat(hydrogen) -> None:
    problem, _ = hydrogen["H4"]
    pool = fermionic_pool(problem)
    growth = grow(problem, pool)
    chosen = [point.chosen for point in growth.points[1:]]
    assert len(chosen) > len(pool) >= len(set(chosen))
    first = next(k for k, generator in enumerate(chosen) if generator in chosen[:k])
    energies = [point.optimum.value for point in growth.points]
    assert energies[first + 1] < energies[first] - 1e-6
    assert growth.reason is GrowthStop.GRADIENT
    assert np.abs(pool_gradients(problem, growth.final.ansatz, growth.final.optimum.angles, pool)).max() <= 1e-5


def test_reasons_to_stop(hydrogen, molecular) -> None:
    problem, _ = hydrogen["H4"]
    pool = fermionic_pool(problem)
    assert grow(molecular("H2"), (Excitation((2,), (0,)),)).reason is GrowthStop.GRADIENT
    assert len(grow(molecular("H2"), (Excitation((2,), (0,)),)).points) == 1
    short = grow(problem, pool, max_operators=3)
    assert (short.reason, short.final.ansatz.n_parameters) == (GrowthStop.LENGTH, 3)
    lithium = molecular("LiH")
    flat = grow(lithium, fermionic_pool(lithium), energy_tolerance=3e-5)
    gains = -np.diff([point.optimum.value for point in flat.points])
    assert flat.reason is GrowthStop.ENERGY
    assert np.all(gains[-3:] <= 3e-5)
    assert not any(np.all(gains[k : k + 3] <= 3e-5) for k in range(len(gains) - 3))
    near = grow(problem, pool, target_error=5e-3)
    errors = [error_mha(problem, point.optimum.value) for point in near.points]
    assert near.reason is GrowthStop.ENERGY
    assert errors[-1] <= 5.0 < errors[-2]


def test_equal_gradients() -> None:
    """On |000> Z is 1, so Y0, Y0 Z1 and Y0 Z2 turn qubit 0 alike: fewest gates, then the first, or by lot."""
    terms = ((1.0, ((0, "X"),)), (0.1, ((1, "Z"),)), (0.1, ((2, "Z"),)))
    problem = pauli_problem(QubitHamiltonian(n_qubits=3, terms=terms), reference="000")
    plain, *controlled = (
        PauliSum(((1.0, string),)) for string in (((0, "Y"),), *(((0, "Y"), (q, "Z")) for q in (2, 1)))
    )
    assert pool_gradients(problem, EMPTY, np.zeros(0), [plain, *controlled]) == pytest.approx([2.0] * 3)
    assert grow(problem, [*controlled, plain]).points[1].chosen == plain
    assert grow(problem, controlled).points[1].chosen == controlled[0]
    assert grow(problem, controlled[::-1]).points[1].chosen == controlled[1]
    drawn = [grow(problem, controlled, seed=seed).points[1].chosen for seed in range(8)]
    assert set(drawn) == set(controlled)
    assert grow(problem, [*controlled, plain], seed=3).points[1].chosen == plain
    assert grow(problem, [plain]).final.optimum.value == pytest.approx(-1.0 + 0.2, abs=1e-12)


def test_pruned_adapt_is_never_longer_on_lih(molecular) -> None:
    """At every error that plain ADAPT meets; strictly shorter on stretched LiH, whose path has a flat part."""
    budgets = (1.594, 1.0, 0.5, 0.2, 0.1)
    shorter = {}
    for name in ("LiH", "LiH 3.0"):
        problem = molecular(name)
        exact, pool = problem.energies["exact"], fermionic_pool(problem)
        plain = grow(problem, pool, target_error=1e-4)
        pruned = grow(problem, pool, target_error=1e-4, prune=PrunedAdapt())
        few, fewer = sizes(plain, exact, budgets), sizes(pruned, exact, budgets)
        assert all(few[b] is not None and fewer[b] is not None and fewer[b] <= few[b] for b in budgets), (few, fewer)
        shorter[name] = [b for b in budgets if fewer[b] < few[b]]
        assert pruned.reason is GrowthStop.ENERGY
        gone = [generator for point in pruned.points for generator in point.removed]
        assert len(set(gone)) == len(gone)
        n_operators = np.cumsum([(p.chosen is not None) - len(p.removed) for p in pruned.points])
        assert [p.ansatz.n_parameters for p in pruned.points] == n_operators.tolist()
        for point in pruned.points:
            assert point.optimum.value >= exact - 1e-10  # variational
            assert point.chosen is None or point.ansatz.rotations[-1].generator == point.chosen
            assert point.optimum.gradient < 1e-5  # re-optimised
    assert 0.5 in shorter["LiH 3.0"]


def test_pruned_adapt_does_not_go_round_in_circles(molecular) -> None:
    """Sparing only the newest, stretched LiH at 0.66 mHa would add and remove two flat doubles by turns."""
    problem = molecular("LiH 3.0")
    growth = grow(problem, fermionic_pool(problem), target_error=1e-4, prune=PrunedAdapt(spared=1))
    gone = [generator for point in growth.points for generator in point.removed]
    assert len(gone) == len(set(gone)) > 1
    assert error_mha(problem, growth.final.optimum.value) <= 0.1


def test_removal_candidates() -> None:
    rule = PrunedAdapt(alpha=0.0, fraction=0.1, recent=2, spared=1)
    assert rule.candidate(np.array([0.3, 0.01, -0.02, 0.2, -0.3])) == 1
    assert rule.candidate(np.array([0.3, 0.01, -0.02, 0.2, -0.3]), kept=[1]) == 2
    assert rule.candidate(np.array([0.3, 0.01, -0.02, 0.2, -0.3]), kept=range(5)) is None
    assert rule.candidate(np.array([0.3, 0.03, 0.2, 0.3])) is None  # 0.03 is above 0.1 * 0.25
    assert rule.candidate(np.array([0.3, 0.4, 0.2, 0.001])) is None  # the newest stays
    assert rule.candidate(np.array([0.3, 0.0, 0.2, 0.1])) == 1
    assert rule.candidate(np.zeros(0)) is None
    # position counts: the smaller of two small ones goes, unless the other is old enough
    angles = np.array([0.012, 0.3, 0.3, 0.01, 0.3])
    assert rule.candidate(angles) == 3
    # log scores: -2 log 0.012 = 8.85 against -2 log 0.01 - 1.0 * 3/5 = 8.61
    assert PrunedAdapt(alpha=1.0, recent=2, spared=1).candidate(angles) == 0
    assert PrunedAdapt(alpha=0.0, recent=2, spared=2).candidate(angles) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gradient_tolerance": 0.0}, "gradient_tolerance=0.0"),
        ({"energy_tolerance": -1.0}, "energy_tolerance=-1.0"),
        ({"max_operators": 0}, "max_operators=0"),
        ({"target_error": 0.0}, "target_error=0.0"),
    ],
)
def test_useless_settings_are_errors(molecular, settings, message: str) -> None:
    with pytest.raises(InputError, match=message):
        grow(molecular("H2"), fermionic_pool(molecular("H2")), **settings)


def test_pools_must_fit_the_problem(molecular, hydrogen) -> None:
    problem, qubits = hydrogen["H3"]
    with pytest.raises(InputError, match="is empty"):
        grow(problem, ())
    with pytest.raises(InputError, match="is of qubits"):
        grow(problem, qubit_pool(problem))
    with pytest.raises(InputError, match="is an excitation"):
        grow(qubits, fermionic_pool(problem))
    with pytest.raises(InputError, match="no angle"):
        grow(qubits, [Clifford("h", (0,))])
    with pytest.raises(InputError, match="needs electrons"):
        pauli_pool(model_problem(heisenberg(chain(4))))
    unknown = molecular_qubit_problem(problem, exact=False)
    with pytest.raises(InputError, match="not known"):
        grow(unknown, qubit_pool(problem), target_error=1e-3)
    for wrong in ({"alpha": -1.0}, {"fraction": 1.0}, {"recent": 0}, {"spared": 0}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))}="):
            PrunedAdapt(**wrong)
