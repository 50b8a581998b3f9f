"""One pruned ansatz for several geometries, against PySCF's full configuration interaction of each of them."""

from dataclasses import replace

import numpy as np
import openfermion
import pyscf
import pyscf.fci
import pytest
from dense_twin import dense_state

from vqe_prune.alignment import align_problems
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.chemistry import Molecule
from vqe_prune.continuation import Family
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.lattice import ring
from vqe_prune.models import transverse_field_ising
from vqe_prune.objective import EnergyObjective, sector_hamiltonian
from vqe_prune.optimize import minimize
from vqe_prune.problem import Problem, molecular_problem, problem_from_integrals, qubit_hamiltonian
from vqe_prune.prune.family import FamilyPruning, needed_parameters, prune_family
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.plan import Action, apply_plan
from vqe_prune.prune.pruning import prune_ansatz
from vqe_prune.qubit_problem import model_problem

CHEMICAL = Limits(tolerance=1.594e-3)  # hartree, 1 kcal/mol
BONDS = (1.0, 1.6, 2.4, 3.5)


def lithium_hydride(bond: float) -> Molecule:
    return Molecule(name=f"LiH {bond}", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, bond))))


def beryllium_hydride(bond: float) -> Molecule:
    return Molecule(name=f"BeH2 {bond}", atoms=(("Be", (0, 0, 0)), ("H", (0, 0, bond)), ("H", (0, 0, -bond))))


def full_ansatz(problem: Problem) -> Ansatz:
    return uccsd(problem.n_orbitals, *problem.n_electrons)


def exact_energy(molecule: Molecule) -> float:
    """Full configuration interaction without symmetry and without this package."""
    mean_field = pyscf.scf.RHF(pyscf.gto.M(atom=list(molecule.atoms), basis="sto-3g", verbose=0)).run(conv_tol=1e-12)
    return float(pyscf.fci.FCI(mean_field).run(conv_tol=1e-12).e_tot)


def reordered(problem: Problem, order: list[int], signs: list[float]) -> Problem:
    """The same problem with its orbitals permuted and multiplied by signs."""
    turn = np.eye(problem.n_orbitals)[order] * np.array(signs)[:, None]
    electrons = problem.electrons
    return replace(
        problem,
        electrons=replace(
            electrons,
            one_body=turn @ electrons.one_body @ turn.T,
            two_body=np.einsum("pi,qj,rk,sl,ijkl->pqrs", *[turn] * 4, electrons.two_body, optimize=True),
            irreps=electrons.irreps[order],
        ),
    )


def tied_by_signs(ansatz: Ansatz) -> Ansatz:
    rotations = tuple(replace(r, coefficient=float(np.sign(r.coefficient))) for r in ansatz.rotations)
    return replace(ansatz, rotations=rotations)


@pytest.fixture(scope="module")
def curve() -> list[Problem]:
    return [molecular_problem(lithium_hydride(bond)) for bond in BONDS]


@pytest.fixture(scope="module")
def pruning(curve) -> FamilyPruning:
    return prune_family(curve, full_ansatz(curve[0]), limits=CHEMICAL)


def test_one_structure_stays_within_chemical_accuracy_on_the_whole_lih_curve(pruning) -> None:
    full, symmetric, pruned = pruning.stages
    assert (full.ansatz.n_parameters, symmetric.ansatz.n_parameters) == (92, 18)
    assert (pruned.ansatz.n_parameters, len(pruned.ansatz.rotations)) == (6, 10)
    for bond, optimum, error in zip(BONDS, pruned.optima, pruning.errors(), strict=True):
        exact = exact_energy(lithium_hydride(bond))
        assert 0 < optimum.value - exact <= 1.594e-3
        assert optimum.value - exact == pytest.approx(error, abs=1e-8)  # hartree; both FCI to 1e-9
    assert "curvature: 6 parameters, 10 rotations, largest error 0.4390 mHa at LiH 1.0" in str(pruning)


def test_energies_of_the_pruned_ansatz_are_those_of_matrix_exponentials(pruning) -> None:
    problem, optimum = pruning.problems[-1], pruning.final.optima[-1]
    matrix = openfermion.get_sparse_operator(qubit_hamiltonian(problem), problem.n_qubits)
    state = dense_state(pruning.final.ansatz, optimum.angles, problem.reference_occupied, problem.n_qubits)
    assert np.vdot(state, matrix @ state).real == pytest.approx(optimum.value, abs=1e-9)  # 10 exponentials


def test_each_parameter_left_is_needed_so_no_pruning_leaves_fewer(pruning) -> None:
    gone = {deletion.parameter for deletion in pruning.deletions}
    kept = tuple(p for p in range(pruning.stages[1].ansatz.n_parameters) if p not in gone)
    assert needed_parameters(pruning) == kept
    generous = replace(pruning, limits=Limits(tolerance=5e-3))
    needed = needed_parameters(generous)
    assert set(needed) < set(kept)  # what 5 mHa can spare is not needed
    assert kept[1] not in needed  # 1a -> 5a and its mirror: without them alone 2.1 mHa at 3.5 angstrom


def test_curvature_predicts_the_largest_error_of_each_deletion(pruning) -> None:
    before = pruning.errors(pruning.stages[1]).max()
    for deletion in pruning.deletions:
        rise = deletion.measured_error - before
        assert deletion.predicted_error - before == pytest.approx(rise, rel=0.05, abs=1e-6)  # second order in the angle
        before = deletion.measured_error
    assert before == pytest.approx(pruning.errors().max(), abs=1e-9)


def test_the_plan_leads_from_the_ansatz_as_built_to_the_pruned_one(pruning) -> None:
    planned = apply_plan(pruning.plan, pruning.stages[0].ansatz)
    assert planned.rotations == pruning.final.ansatz.rotations
    reasons = {decision.reason for decision in pruning.plan.decisions if decision.action is Action.DROP}
    assert any("its gradient is always zero" in reason for reason in reasons)
    assert any("lowest curvature score over the problems of 18 parameters" in reason for reason in reasons)


def test_ties_are_the_same_for_all_and_cost_next_to_nothing(pruning) -> None:
    full, symmetric, _ = pruning.stages
    assert set(np.abs(symmetric.ansatz.coefficients)) == {1.0}
    rises = pruning.errors(symmetric) - pruning.errors(full)
    assert rises[:2].max() < 2e-8  # near equilibrium partners almost commute: methods that tie with +-1 lose 4e-9
    assert 0 < rises.max() < 2e-5  # stretched; the order of two partners that excite the same pair
    assert any("sharing angles by symmetry raises the energy by up to 0.015" in note for note in pruning.notes)


def test_pruning_on_one_geometry_takes_in_those_that_it_misses(curve, pruning) -> None:
    said: list[str] = []
    grown = prune_family(curve, full_ansatz(curve[0]), limits=CHEMICAL, members=[1], progress=said.append)
    assert set(grown.members) > {1}
    assert grown.errors().max() <= 1.594e-3
    assert grown.final.ansatz.rotations == pruning.final.ansatz.rotations
    assert any("LiH 3.5 is above the tolerance: pruned on too" in line for line in said)


def test_structure_of_one_geometry_alone_fails_on_the_curve(curve) -> None:
    alone = prune_family(curve[1:2], full_ansatz(curve[0]), limits=CHEMICAL)
    single = prune_ansatz(curve[1], full_ansatz(curve[0]), limits=CHEMICAL).final
    assert (alone.final.ansatz.n_parameters, len(alone.final.ansatz.rotations)) == (3, 5)
    assert alone.final.ansatz.rotations == tied_by_signs(single.ansatz).rotations
    assert alone.errors()[0] == pytest.approx(single.optimum.value - curve[1].energies["exact"], abs=2e-8)  # ties
    stretched = EnergyObjective(sector_hamiltonian(curve[-1]), alone.final.ansatz)
    starts = [alone.final.optima[0].angles, np.zeros(3), *np.random.default_rng(5).normal(size=(3, 3))]
    lowest = min(minimize(stretched, start).value for start in starts)
    assert lowest - curve[-1].energies["exact"] > 10e-3


def test_a_budget_is_kept_at_any_cost(curve) -> None:
    pruning = prune_family(curve, full_ansatz(curve[0]), limits=Limits(parameters=4))
    assert pruning.final.ansatz.n_parameters == 4
    assert pruning.errors().max() > 1.594e-3  # six are needed
    assert not any("more than the" in note for note in pruning.notes)


def test_a_tolerance_that_the_ansatz_misses_prunes_nothing_and_says_where(curve) -> None:
    pruning = prune_family(curve, full_ansatz(curve[0]), limits=Limits(tolerance=1e-4))
    assert pruning.final.ansatz.n_parameters == 18 and not pruning.deletions
    assert any("symmetry: LiH 3.5 has an error of 0.135" in note for note in pruning.notes)


@pytest.mark.parametrize("rule", ["magnitude", "random", "curvature_sum"])
def test_controls_keep_the_tolerance_and_never_beat_what_is_needed(curve, rule: str) -> None:
    first = prune_family(curve[::3], full_ansatz(curve[0]), rule=rule, limits=CHEMICAL, attempts=1, seed=3)
    all_tried = prune_family(curve[::3], full_ansatz(curve[0]), rule=rule, limits=CHEMICAL, seed=3)
    assert max(first.errors().max(), all_tried.errors().max()) <= 1.594e-3
    assert first.final.ansatz.n_parameters >= all_tried.final.ansatz.n_parameters >= 6
    assert all(deletion.n_refused == 0 for deletion in first.deletions)


def test_expensive_hessians_are_replaced_by_the_optimisers_own(curve, pruning, monkeypatch) -> None:
    monkeypatch.setattr(EnergyObjective, "cheap_hessian", property(lambda self: False))
    other = prune_family(curve, full_ansatz(curve[0]), limits=CHEMICAL)
    assert other.final.ansatz.rotations == pruning.final.ansatz.rotations


def test_a_neighbours_angles_lead_out_of_a_local_minimum(curve, pruning) -> None:
    stage = pruning.final
    rng = np.random.default_rng(7)
    family = Family(pruning.problems)
    lost = next(
        start
        for start in rng.uniform(-np.pi, np.pi, size=(50, stage.ansatz.n_parameters))
        if family.minimum(2, stage.ansatz, start).value > stage.optima[2].value + 1e-3
    )
    starts = [optimum.angles for optimum in stage.optima]
    settled = family.settle("again", stage.ansatz, [*starts[:2], lost, starts[3]])
    for again, optimum in zip(settled.optima, stage.optima, strict=True):
        assert again.value == pytest.approx(optimum.value, abs=1e-9)  # hartree


def test_orbitals_in_another_order_are_put_in_the_first_ones(molecular) -> None:
    near, far = molecular("BeH2"), molecular_problem(beryllium_hydride(2.2))
    assert near.electrons.irreps.tolist() != far.electrons.irreps.tolist()  # an orbital has crossed the pi pair
    first, second = align_problems([near, far])
    assert first is near
    assert second.electrons.irreps.tolist() == near.electrons.irreps.tolist()
    assert second.electrons.reference_energy == pytest.approx(far.electrons.reference_energy, abs=1e-12)
    electrons = second.electrons
    total, _ = pyscf.fci.direct_spin1.kernel(
        electrons.one_body, electrons.two_body, electrons.n_orbitals, second.n_electrons, ecore=electrons.constant
    )
    assert total == pytest.approx(exact_energy(beryllium_hydride(2.2)), abs=1e-8)  # both FCI to 1e-9
    for symmetry in second.symmetries:  # found anew for the new order
        spatial = symmetry.targets[::2] // 2
        image = electrons.one_body[np.ix_(spatial, spatial)] * np.multiply.outer(*[symmetry.signs[::2]] * 2)
        assert np.abs(image - electrons.one_body).max() < 1e-6  # hartree; SCF leaves 1e-9


@pytest.mark.parametrize("name", ["LiH", "BeH2", "H2O", "H6"])
def test_shuffled_and_reflected_orbitals_come_back(molecular, name: str) -> None:
    problem = molecular(name)
    rng = np.random.default_rng(11)
    n, occupied = problem.n_orbitals, problem.n_electrons[0]
    order = [*rng.permutation(occupied), *(occupied + rng.permutation(n - occupied))]
    shuffled = reordered(problem, [int(p) for p in order], list(rng.choice([-1.0, 1.0], n)))
    _, back = align_problems([problem, shuffled])
    assert back.electrons.irreps.tolist() == problem.electrons.irreps.tolist()
    # up to the order of degenerate partners, whose integrals agree to 1e-8, and signs that no integral can tell
    assert np.abs(back.electrons.two_body - problem.electrons.two_body).max() < 1e-7
    assert np.abs(back.electrons.one_body - problem.electrons.one_body).max() < 1e-7


def test_shuffled_geometries_prune_alike(curve, pruning) -> None:
    order, signs = [1, 0, 5, 4, 2, 3], [1.0, -1.0, 1.0, -1.0, -1.0, 1.0]
    mixed = [*curve[:2], *(reordered(problem, order, signs) for problem in curve[2:])]
    other = prune_family(mixed, full_ansatz(curve[0]), limits=CHEMICAL)
    assert other.final.ansatz.rotations == pruning.final.ansatz.rotations
    assert other.errors() == pytest.approx(pruning.errors(), abs=1e-8)  # hartree


def test_problems_that_cannot_share_an_ansatz_are_refused(curve, molecular) -> None:
    ansatz = full_ansatz(curve[0])
    with pytest.raises(InputError, match="its orbitals are 7, not 6"):
        prune_family([curve[0], molecular("BeH2")], ansatz)
    with pytest.raises(InputError, match=r"its alpha and beta electrons are \(3, 3\), not \(2, 2\)"):
        prune_family([curve[0], molecular("H6")], ansatz)
    levels, repulsion = np.diag([-1.0, -0.5, 0.5, 1.0]), np.zeros((4,) * 4)
    two = [
        problem_from_integrals(levels, repulsion, (2, 2), irreps=np.array(irreps), name=name)
        for name, irreps in (("first", [0, 1, 0, 1]), ("second", [0, 0, 1, 1]))
    ]
    with pytest.raises(InputError, match=r"second .* doubly occupied orbitals have the irreps \[0, 0\], not \[0, 1\]"):
        align_problems(two)
    bent = molecular_problem(
        Molecule(name="bent", atoms=(("Be", (0, 0, 0)), ("H", (0, 0.3, 1.3)), ("H", (0, 0.3, -1.3))))
    )
    with pytest.raises(InputError, match="bent cannot share an ansatz with BeH2: its point group"):
        align_problems([molecular("BeH2"), bent])


def test_wrong_arguments_are_refused_in_words(curve) -> None:
    ansatz = full_ansatz(curve[0])
    with pytest.raises(InputError, match=r"unknown rule 'curvatur'.*did you mean curvature"):
        prune_family(curve, ansatz, rule="curvatur")
    with pytest.raises(InputError, match="members names problem 4, but there are 4"):
        prune_family(curve, ansatz, members=[4])
    with pytest.raises(InputError, match="members must name at least one"):
        prune_family(curve, ansatz, members=[])
    with pytest.raises(InputError, match="attempts=0"):
        prune_family(curve, ansatz, attempts=0)
    with pytest.raises(InputError, match="needs at least one problem"):
        prune_family([], ansatz)
    spins = model_problem(transverse_field_ising(ring(4), j=1.0, h=1.0))
    with pytest.raises(InputError, match="is of qubits"):
        prune_family([spins], ansatz)  # type: ignore[list-item]


def test_an_energy_below_the_exact_one_is_reported(curve) -> None:
    wrong = replace(curve[0], energies={**curve[0].energies, "exact": curve[0].energies["exact"] + 1e-3})
    with pytest.raises(ConvergenceError, match="below the exact"):
        prune_family([wrong], full_ansatz(curve[0]))
