"""Symmetric pruning: the published counts, what is refused and why, and plans that compose."""

from functools import cache

import numpy as np
import openfermion
import pytest
from conftest import GEOMETRIES

from vqe_prune import lattice as lat
from vqe_prune import models
from vqe_prune.ansatz.layered import connected_pairs, hamiltonian_variational, hardware_efficient
from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.chemistry import Molecule
from vqe_prune.engine.statevector import StatevectorEngine
from vqe_prune.errors import InputError
from vqe_prune.paulis import Clifford, PauliSum, QubitHamiltonian, qubit_hamiltonian_of
from vqe_prune.problem import molecular_problem
from vqe_prune.prune import pruning as pruning_module
from vqe_prune.prune.eqntk import SymmetricPass, symmetric_passes
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.passes import broken_symmetry, depth_plan, layers_of, spatial_plan
from vqe_prune.prune.plan import Action, Decision, PrunePlan, apply_plan, chain
from vqe_prune.prune.pruning import prune_ansatz
from vqe_prune.prune.steps import folded_angles
from vqe_prune.qubit_problem import QubitProblem, model_problem, molecular_qubit_problem, pauli_problem
from vqe_prune.score.space import effective_space
from vqe_prune.score.summary import space_of
from vqe_prune.training import Training, train

RING_6 = -7.72740661031  # docs/reference_numbers.md


def dense(terms, n: int) -> np.ndarray:
    operator = openfermion.QubitOperator()
    for coefficient, string in terms:
        operator += openfermion.QubitOperator(string, coefficient)
    return openfermion.get_sparse_operator(operator, n).toarray()


@cache
def ring() -> QubitProblem:
    return model_problem(models.transverse_field_ising(lat.ring(6)))


@cache
def pruned_ring(layers: int = 12, **options) -> tuple[Ansatz, list[SymmetricPass], list[str]]:
    ansatz = hardware_efficient(6, layers, **options)
    return ansatz, *symmetric_passes(ring(), ansatz)


def sizes(passes: list[SymmetricPass]) -> dict[str, tuple[int, int]]:
    return {each.name: (each.ansatz.n_parameters, len(each.ansatz.rotations)) for each in passes}


def trained(problem: QubitProblem, ansatz: Ansatz, n_seeds: int = 8, steps: int = 600) -> np.ndarray:
    """Errors of trainings by L-BFGS, smallest first."""
    settings = Training(method="l-bfgs", n_seeds=n_seeds, steps=steps)
    exact = problem.energies["exact"]
    return train(problem.hamiltonian, ansatz, problem.reference_state, settings, exact=exact).lowest_errors


def letters(ansatz: Ansatz) -> set[str]:
    """Letters of the strings, or the names of fixed gates."""
    found = set()
    for rotation in ansatz.rotations:
        generator = rotation.generator
        if isinstance(generator, PauliSum):
            found |= {"".join(letter for _, letter in string) for _, string in generator.terms}
        else:
            found.add(generator.name)
    return found


def test_the_counts_of_the_published_case() -> None:
    """Methods page, section 3: 216 parameters, 144 without Z, 24 tied, 8 of four layers."""
    ansatz, passes, notes = pruned_ring(backwards=True)
    assert ansatz.n_parameters == 216
    assert sizes(passes) == {"system": (144, 144), "spatial": (24, 144), "depth": (8, 48)}
    assert notes == []
    assert [letters(each.ansatz) for each in passes] == [{"X", "ZZ"}] * 3
    for each in passes:
        assert each.plan.rule == each.name
    dropped = [d for d in passes[0].plan.decisions if d.action is Action.DROP]
    assert len(dropped) == 72
    assert {d.reason for d in dropped} == {"does not commute with X0 X1 X2 X3 X4 X5"}
    errors = trained(ring(), passes[-1].ansatz)
    assert errors == pytest.approx(np.zeros(8), abs=1e-9)  # gradients of 1e-7, the energy to its square
    assert ring().energies["exact"] == pytest.approx(RING_6, abs=1e-10)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["system", "spatial", "depth"]),
        ({"backwards": True, "blocks": ("x", "y"), "entangler": "yy"}, ["system", "structure", "spatial", "depth"]),
        ({"backwards": True, "blocks": ("x",), "entangler": "yy"}, ["structure", "spatial", "depth"]),
        ({"backwards": True, "blocks": ("x", "z"), "entangler": "cz"}, ["structure", "spatial", "depth"]),
        ({"backwards": True, "blocks": ("x", "z"), "entangler": "heisenberg"}, ["structure", "spatial", "depth"]),
    ],
)
def test_other_ansatze_end_at_the_same_eight_parameters(options: dict, names: list[str]) -> None:
    _, passes, notes = pruned_ring(6, **options)
    assert [each.name for each in passes][-3:] == names[-3:]
    final = passes[-1].ansatz
    assert (final.n_parameters, len(final.rotations), letters(final)) == (8, 48, {"X", "ZZ"})
    assert notes == []
    assert trained(ring(), final, 2) == pytest.approx(
        np.zeros(2), abs=1e-9
    )  # gradients of 1e-7, the energy to its square


def test_fixed_entanglers_become_couplings() -> None:
    ansatz, passes, _ = pruned_ring(6, backwards=True, blocks=("x", "z"), entangler="cz")
    structure = passes[0]
    for decision, rotation in zip(structure.plan.decisions, ansatz.rotations, strict=True):
        if isinstance(rotation.generator, Clifford):
            assert decision.action is Action.REPLACE
            assert decision.replacement is not None
            string = tuple((q, "Z") for q in sorted(rotation.generator.qubits))
            assert [s for _, s in decision.replacement.terms] == [string]
            assert "fixed gate becomes" in decision.reason
        else:
            wanted = Action.KEEP if rotation.generator.terms[0][1][0][1] == "X" else Action.DROP
            assert decision.action is wanted
    applied = apply_plan(structure.plan, ansatz)
    assert applied.n_parameters == len(applied.rotations) == 72
    assert letters(applied) == {"X", "ZZ"}
    assert sorted(r.parameter for r in applied.rotations) == list(range(72))


def dihedral(n: int) -> list[tuple[int, ...]]:
    turns = [tuple((q + k) % n for q in range(n)) for k in range(n)]
    return turns + [tuple((k - q) % n for q in range(n)) for k in range(n)]


def permutation_matrix(g: tuple[int, ...]) -> np.ndarray:
    n = len(g)
    result = np.zeros((1 << n, 1 << n))
    for k in range(1 << n):
        bits = [(k >> (n - 1 - q)) & 1 for q in range(n)]
        image = [0] * n
        for q in range(n):
            image[g[q]] = bits[q]
        result[sum(bit << (n - 1 - q) for q, bit in enumerate(image)), k] = 1.0
    return result


def test_tied_gates_keep_all_permutations_and_the_parity() -> None:
    _, passes, _ = pruned_ring(backwards=True)
    tied = next(each.ansatz for each in passes if each.name == "spatial")
    symmetries = [permutation_matrix(g) for g in dihedral(6)]
    assert len({m.tobytes() for m in symmetries}) == 12
    symmetries.append(dense([(1.0, tuple((q, "X") for q in range(6)))], 6))
    for parameter in (0, 1, 22, 23):
        terms = [t for r in tied.rotations if r.parameter == parameter for t in r.generator.terms]
        assert len(terms) == 6
        generator = dense(terms, 6)
        for symmetry in symmetries:
            assert np.abs(generator @ symmetry - symmetry @ generator).max() < 1e-10  # the acceptance test asks for it
    angles = np.random.default_rng(3).uniform(0.0, 2.0 * np.pi, tied.n_parameters)
    psi = StatevectorEngine(hamiltonian=ring().hamiltonian, ansatz=tied, reference=ring().reference_state).state(angles)
    for symmetry in symmetries:
        assert np.vdot(psi, symmetry @ psi).real == pytest.approx(1.0, abs=1e-10)  # 144 gates, double precision


def test_open_chains_are_tied_in_mirror_pairs() -> None:
    problem = model_problem(models.transverse_field_ising(lat.chain(4)))
    ansatz = hardware_efficient(4, 4, pairs=connected_pairs("linear", 4), backwards=True)
    passes, _ = symmetric_passes(problem, ansatz)
    tied = next(each.ansatz for each in passes if each.name == "spatial")
    assert tied.n_parameters == 4 * (2 + 2)  # X on {0 3}, {1 2}; ZZ on {01 23}, {12}
    for parameter in range(tied.n_parameters):
        supports = {r.generator.qubits for r in tied.rotations if r.parameter == parameter}
        assert supports == {tuple(sorted(3 - q for q in qubits)) for qubits in supports}
    assert trained(problem, passes[-1].ansatz, 4)[0] < 1e-9


def test_a_field_that_differs_leaves_fewer_ties() -> None:
    terms = [(-1.0, tuple((q, "Z") for q in sorted((k, (k + 1) % 4)))) for k in range(4)]
    terms += [(-1.0 - 0.5 * (q == 0), ((q, "X"),)) for q in range(4)]
    problem = pauli_problem(QubitHamiltonian(n_qubits=4, terms=tuple(terms)))
    passes, _ = symmetric_passes(problem, hardware_efficient(4, 5, backwards=True))
    tied = next(each.ansatz for each in passes if each.name == "spatial")
    first = [r for r, layer in zip(tied.rotations, layers_of(tied), strict=True) if layer == 0]
    assert len({r.parameter for r in first}) == 2 + 3  # bonds {01 03}, {12 23}; fields {0}, {1 3}, {2}


def tied_sets(problem: QubitProblem, ansatz: Ansatz) -> set[frozenset[str]]:
    """Gates that the spatial plan puts on one parameter, by their strings."""
    tied = apply_plan(spatial_plan(problem, ansatz), ansatz)
    names: dict[int, set[str]] = {}
    for rotation in tied.rotations:
        string = rotation.generator.terms[0][1]
        names.setdefault(rotation.parameter, set()).add(" ".join(f"{letter}{q}" for q, letter in string))
    return {frozenset(group) for group in names.values()}


def test_ties_need_the_whole_orbit_the_reference_and_gates_that_commute() -> None:
    everywhere = {frozenset({"X0", "X1", "X2", "X3"}), frozenset({"Z0 Z1", "Z1 Z2", "Z2 Z3", "Z0 Z3"})}
    closed = hardware_efficient(4, 1, blocks=("x",), pairs=connected_pairs("circular", 4))
    opened = hardware_efficient(4, 1, blocks=("x",), pairs=connected_pairs("linear", 4))
    problem = model_problem(models.transverse_field_ising(lat.ring(4)))
    assert tied_sets(problem, closed) == everywhere
    mirror = {frozenset(group) for group in ({"X0", "X3"}, {"X1", "X2"}, {"Z0 Z1", "Z2 Z3"}, {"Z1 Z2"})}
    assert tied_sets(problem, opened) == mirror  # turns of the ring would need the bond that the ansatz has not
    single = model_problem(models.transverse_field_ising(lat.ring(4)), reference="+++-")
    fixed = {frozenset(group) for group in ({"X0", "X2"}, {"X1"}, {"X3"}, {"Z0 Z1", "Z1 Z2"}, {"Z2 Z3", "Z0 Z3"})}
    assert tied_sets(single, closed) == fixed  # only the mirror through site 3 keeps the reference
    pair = model_problem(models.transverse_field_ising(lat.chain(2)))
    strings = [((0, "X"),), ((0, "Z"), (1, "Z")), ((1, "X"),)]
    rotations = tuple(Rotation(PauliSum(((0.5, string),)), k) for k, string in enumerate(strings))
    between = Ansatz(name="between", rotations=rotations, n_parameters=3)
    assert tied_sets(pair, between) == {frozenset({"X0"}), frozenset({"Z0 Z1"}), frozenset({"X1"})}


# What is refused


def test_a_start_that_breaks_the_parity_keeps_its_gates() -> None:
    """From |000000> gates that keep the parity stop far above: those that break it must stay."""
    problem = model_problem(models.transverse_field_ising(lat.ring(6)), reference="000000")
    ansatz = hardware_efficient(6, 12, backwards=True)
    passes, _ = symmetric_passes(problem, ansatz)
    assert "system" not in sizes(passes) and "structure" not in sizes(passes)
    final = passes[-1].ansatz if passes else ansatz
    assert letters(final) == {"X", "Z", "ZZ"}
    assert trained(problem, final, 2)[0] < 1e-6
    symmetric = hamiltonian_variational(problem.hamiltonian, 8)
    assert trained(problem, symmetric, 2, 200)[0] > 0.1  # what the refused ansatz would have found


def test_couplings_alone_are_no_ansatz() -> None:
    """Y and Z break the parity and CZ would become ZZ: nothing that moves |++++++> to the ground state is left."""
    ansatz, passes, notes = pruned_ring(6, backwards=True, blocks=("y", "z"), entangler="cz")
    assert passes == [] and letters(ansatz) == {"Y", "Z", "cz"}
    assert any(note.startswith("eqntk: ") for note in notes)


def test_gates_that_cannot_reach_the_ground_state_are_left_alone() -> None:
    """X and XX all commute with |++++++>: nothing can be reached, and nothing is removed."""
    ansatz = hardware_efficient(6, 3, blocks=("x",), entangler="xx")
    passes, notes = symmetric_passes(ring(), ansatz)
    assert passes == []
    assert len(notes) == 1 and "cannot reach the ground state (at best 1.727" in notes[0]  # RING_6 + 6


def test_time_reversal_is_an_invariant_of_two_copies() -> None:
    """Y, Z and CZ Y CZ = ZYZ have odd weight: with T = Y K on each qubit, <psi|T psi> is conserved.

    |++++++> has none of it and the ground state has some, so that no state in reach is the ground state, though the
    gates of the tied ansatz leave no subspace of theirs invariant.
    """
    ansatz, _, notes = pruned_ring(6, backwards=True, blocks=("y", "z"), entangler="cz")
    assert any("no angles are shared by spatial symmetry" in note and "overlap" in note for note in notes)
    vectors = np.linalg.eigh(dense(ring().hamiltonian.terms, 6))[1]
    reverse = dense([(1.0, tuple((q, "Y") for q in range(6)))], 6)
    ground = vectors[:, 0]
    assert abs(np.vdot(ground, reverse @ ground.conj())) > 0.01
    engine = StatevectorEngine(hamiltonian=ring().hamiltonian, ansatz=ansatz, reference=ring().reference_state)
    psi = engine.state(np.random.default_rng(2).normal(size=ansatz.n_parameters))
    assert abs(np.vdot(psi, reverse @ psi.conj())) < 1e-10  # 108 gates, double precision


def test_shallow_ansatze_are_said_not_to_be_over_parameterised() -> None:
    _, passes, notes = pruned_ring(2, backwards=True)
    assert sizes(passes) == {"system": (24, 24), "spatial": (4, 24)}
    assert len(notes) == 1 and "4 parameters move the state in 4 directions" in notes[0]
    plan, note = depth_plan(ring(), passes[-1].ansatz)
    assert all(decision.action is Action.KEEP for decision in plan.decisions) and note == notes[0]


def test_fixed_gates_keep_or_break_a_symmetry() -> None:
    x, z = ((1.0, ((0, "X"), (1, "X"))),), ((1.0, ((0, "Z"), (1, "Z"))),)
    charge = ((1.0, ((0, "Z"),)), (1.0, ((1, "Z"),)), (1.0, ((2, "Z"),)))
    keeps = {
        "cz": [z, charge], "swap": [x, z, charge], "cx": [], "z": [z, charge], "x": [x], "h": [], "s": [z, charge],
    }  # fmt: skip
    for name, kept in keeps.items():
        gate = Clifford(name, (0, 1)[: 2 if name in ("cz", "swap", "cx") else 1])
        assert [s for s in (x, z, charge) if broken_symmetry(gate, [s]) is None] == kept, name
    assert broken_symmetry(Clifford("cz", (2, 3)), [x]) is None  # elsewhere
    assert broken_symmetry(PauliSum(((0.5, ((0, "X"), (1, "X"))), (0.5, ((0, "Y"), (1, "Y"))))), [charge]) is None
    assert broken_symmetry(PauliSum(((0.5, ((0, "X"), (1, "X"))),)), [x, charge]) == charge


def test_without_an_exact_energy_there_is_no_test() -> None:
    problem = model_problem(models.transverse_field_ising(lat.ring(4)), exact=False)
    with pytest.raises(InputError, match="needs the exact energy"):
        symmetric_passes(problem, hardware_efficient(4, 2))


# Molecules


@cache
def lih(orbitals: int) -> QubitProblem:
    molecule = Molecule(name="LiH", atoms=GEOMETRIES["LiH"], active_space=(2, orbitals))
    return molecular_qubit_problem(molecular_problem(molecule))


@pytest.mark.parametrize(
    ("orbitals", "options"),
    [
        (2, {}),
        (2, {"entangler": "cz"}),
        (2, {"blocks": ("z",), "entangler": "xy"}),
        (3, {}),
        (3, {"entangler": "cz"}),
    ],
)
def test_pruned_ansatze_of_lih_reach_full_ci(orbitals: int, options: dict) -> None:
    """XY entanglers on two orbitals become hops that entangle nothing: they must not pass (all seeds end at HF)."""
    problem = lih(orbitals)
    ansatz = hardware_efficient(2 * orbitals, 6, pairs=connected_pairs("full", 2 * orbitals), **options)
    passes, notes = symmetric_passes(problem, ansatz)
    final = passes[-1].ansatz
    assert notes == []
    assert final.n_parameters < ansatz.n_parameters
    assert np.sum(trained(problem, final) < 1e-6) >= 6


# Plans


def same(first: Ansatz, second: Ansatz) -> None:
    """Two ansätze agree up to the numbers of their parameters."""
    assert first.n_parameters == second.n_parameters
    assert [r.generator for r in first.rotations] == [r.generator for r in second.rotations]
    assert [r.coefficient for r in first.rotations] == [r.coefficient for r in second.rotations]
    pairs = {(a.parameter, b.parameter) for a, b in zip(first.rotations, second.rotations, strict=True)}
    used = {r.parameter for r in first.rotations}
    assert len(pairs) == len(used) == len({b for _, b in pairs})  # one to one


@pytest.mark.parametrize(
    "options",
    [
        {"backwards": True},
        {"backwards": True, "blocks": ("x", "z"), "entangler": "cz"},
        {"backwards": True, "blocks": ("x", "y"), "entangler": "yy"},
    ],
    ids=["drop and tie", "fixed gates replaced and tied", "entanglers replaced and tied"],
)
def test_chained_passes_are_the_passes_one_after_another(options: dict) -> None:
    ansatz, passes, _ = pruned_ring(6, **options)
    current, plans = ansatz, []
    for each in passes:
        plans.append(each.plan)
        current = apply_plan(each.plan, current)
        same(current, each.ansatz)
        same(apply_plan(chain(plans), ansatz), current)
    whole = chain(plans)
    assert len(whole.decisions) == len(ansatz.rotations)
    actions = {decision.action for decision in whole.decisions}
    assert {Action.TIE, Action.DROP} <= actions
    assert (Action.REPLACE in actions) == (options.get("entangler") is not None)
    state = [
        StatevectorEngine(hamiltonian=ring().hamiltonian, ansatz=a, reference=ring().reference_state).state(
            np.linspace(0.1, 2.0, a.n_parameters)
        )
        for a in (current, apply_plan(whole, ansatz))
    ]
    assert np.abs(state[0] - state[1]).max() < 1e-12


# From end to end


def test_pruning_from_end_to_end() -> None:
    problem = model_problem(models.transverse_field_ising(lat.ring(4)))
    ansatz = hardware_efficient(4, 6, backwards=True)
    training = Training(method="l-bfgs", n_seeds=3, steps=200)
    pruning = prune_ansatz(problem, ansatz, training=training)
    assert [stage.name for stage in pruning.stages] == ["full", "system", "spatial", "depth"]
    assert pruning.stages[0].ansatz is ansatz
    for stage in pruning.stages:
        assert stage.training is not None and stage.training["n_seeds"] == 3
        assert stage.scores is not None and stage.scores["d_eff_whole"]
        assert stage.optimum.value >= problem.floor - 1e-8
    d_eff = [stage.scores["d_eff"] for stage in pruning.stages]
    assert d_eff == [16, 8, 4, 4]  # docs/reference_numbers.md
    assert pruning.final.optimum.value == pytest.approx(-2 * (1 / np.sin(np.pi / 8)), abs=1e-9)  # -sum 2 cos(k / 2)
    assert abs(pruning.certificate.measured_increase) <= pruning.certificate.bound + 1e-8
    assert pruning.certificate.predicted_increase == 0.0
    assert len(pruning.plan.decisions) == len(ansatz.rotations)
    for decision in pruning.plan.decisions:
        assert decision.reason or decision.action is Action.KEEP
    assert {d.action for d in pruning.plan.decisions} == {Action.KEEP, Action.DROP, Action.TIE}
    same(apply_plan(pruning.plan, ansatz), pruning.final.ansatz)
    assert "depth:" in str(pruning) and "J, error" in str(pruning)
    scores = [d.score for d in pruning.plan.decisions]
    assert any(score is not None and score > 0.0 for score in scores)


def test_a_pass_that_costs_energy_is_not_kept(monkeypatch) -> None:
    """Whatever a pass promises, training has the last word: here one that leaves X alone, which moves nothing."""
    problem = model_problem(models.transverse_field_ising(lat.ring(4)))
    ansatz = hamiltonian_variational(problem.hamiltonian, 3, problem.reference)
    keep, drop = (Decision(action=action, reason="test") for action in (Action.KEEP, Action.DROP))
    harmless = PrunePlan(rule="first", decisions=tuple(keep for _ in ansatz.rotations))
    lossy = PrunePlan(
        rule="second", decisions=tuple(keep if len(r.generator.qubits) == 1 else drop for r in ansatz.rotations)
    )
    passes = [SymmetricPass(name=plan.rule, plan=plan, ansatz=apply_plan(plan, ansatz)) for plan in (harmless, lossy)]
    monkeypatch.setattr(pruning_module, "symmetric_passes", lambda problem, ansatz: (passes, ["said"]))
    pruning = prune_ansatz(problem, ansatz, training=Training(method="l-bfgs", n_seeds=2, steps=200))
    assert [stage.name for stage in pruning.stages] == ["full", "first"]
    same(apply_plan(pruning.plan, ansatz), ansatz)
    assert "said" in pruning.notes
    assert any("the second pass is not kept" in note and "1.226e+00 J higher" in note for note in pruning.notes)


def test_rules_belong_to_their_problems(molecular) -> None:
    problem = model_problem(models.transverse_field_ising(lat.ring(4)))
    ansatz = hamiltonian_variational(problem.hamiltonian, 2)
    with pytest.raises(InputError, match="the rule symmetry is for excitations; here use eqntk"):
        prune_ansatz(problem, ansatz, rules=("symmetry", "curvature"))
    with pytest.raises(InputError, match="unknown rule 'curvatur'; available: eqntk"):
        prune_ansatz(problem, ansatz, rules=("curvatur",))
    h2 = molecular("H2")
    with pytest.raises(InputError, match="the rule eqntk is for qubit ansätze; here use symmetry"):
        prune_ansatz(h2, uccsd(2, 1, 1), rules=("eqntk",))
    with pytest.raises(InputError, match="is an excitation, but"):
        prune_ansatz(problem, uccsd(2, 1, 1))
    with pytest.raises(InputError, match="needs more than the 4 qubits"):
        prune_ansatz(problem, hardware_efficient(5, 1))
    with pytest.raises(InputError, match="is of qubits, but"):
        prune_ansatz(h2, ansatz)


def test_curvature_goes_on_where_symmetry_ends() -> None:
    problem = model_problem(models.transverse_field_ising(lat.ring(6), h=2.0))
    ansatz = hamiltonian_variational(problem.hamiltonian, 6, problem.reference)
    training = Training(method="l-bfgs", n_seeds=3)
    limits = Limits(tolerance=5e-3)
    pruning = prune_ansatz(problem, ansatz, rules=("eqntk", "curvature"), limits=limits, training=training)
    assert pruning.stages[-1].name == "curvature"
    before, after = pruning.stages[-2:]
    assert after.ansatz.n_parameters < before.ansatz.n_parameters < 12
    error = after.optimum.value - problem.energies["exact"]
    assert -1e-9 < error <= 5e-3
    same(apply_plan(pruning.plan, ansatz), after.ansatz)


@pytest.mark.parametrize("seed", range(4))
def test_folded_angles_make_the_same_state_up_to_a_sign(seed: int) -> None:
    rng = np.random.default_rng([71, seed])
    strings = [((0, "X"),), ((1, "Z"), (2, "Z")), ((0, "Y"), (2, "X"))]
    pair = PauliSum(((0.5, ((0, "X"), (1, "X"))), (0.5, ((0, "Y"), (1, "Y")))))
    odd = PauliSum(((0.3, ((1, "X"),)),))
    rotations = [Rotation(PauliSum(((0.5, string),)), k) for k, string in enumerate(strings)]
    rotations += [Rotation(pair, 3), Rotation(odd, 4), Rotation(PauliSum(((0.5, ((2, "Y"),)),)), 0, -1.0)]
    rotations += [Rotation(Clifford("cz", (0, 1)), None), Rotation(PauliSum(((0.5, ((0, "Z"),)),)), 5, 0.4)]
    ansatz = Ansatz(name="test", rotations=tuple(rotations), n_parameters=6)
    angles = rng.uniform(-20.0, 20.0, size=6)
    folded = folded_angles(ansatz, angles)
    assert np.all(np.abs(folded[:4]) <= np.pi + 1e-12)
    assert np.array_equal(folded[4:], angles[4:])  # 0.3 and 0.2 of a turn are none
    hamiltonian = QubitHamiltonian(n_qubits=3, terms=((1.0, ((0, "Z"),)),))
    psi = rng.normal(size=8) + 1j * rng.normal(size=8)
    engine = StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, reference=psi / np.linalg.norm(psi))
    overlap = np.vdot(engine.state(angles), engine.state(folded))
    assert abs(overlap.real) == pytest.approx(1.0, abs=1e-12)  # six gates, double precision


def test_a_reference_orthogonal_to_the_ground_state_may_still_reach_it() -> None:
    """A diagonal cost whose lowest state is another basis state: X rotations lead there."""
    terms = {((0, "Z"), (1, "Z")): 1.0, ((1, "Z"), (2, "Z")): 1.0, ((0, "Z"),): 0.3, ((1, "Z"),): 0.2, ((2, "Z"),): 0.1}
    problem = pauli_problem(qubit_hamiltonian_of(terms), reference="000")
    ansatz = hardware_efficient(3, 3)
    passes, notes = symmetric_passes(problem, ansatz)
    assert not any("split the space" in note for note in notes)
    final = passes[-1].ansatz if passes else ansatz
    study = train(problem.hamiltonian, final, problem.reference_state, Training(method="l-bfgs"), exact=problem.floor)
    assert study.lowest_errors[0] < 1e-8  # the optimiser's tolerance squared


def test_spaces_of_other_circuits_are_not_taken_from_memory() -> None:
    """Two constant turns with a gate between them, and next to each other, give spaces of their own."""
    problem = pauli_problem(qubit_hamiltonian_of({((0, "Z"), (1, "Z")): 1.0, ((0, "X"),): 0.5}), reference="00")
    turn = Rotation(PauliSum(((0.5, ((0, "X"),)),)), None, 0.4)
    couple = PauliSum(((0.5, ((0, "Z"), (1, "Z"))),))
    between = Ansatz(name="a", rotations=(turn, Rotation(couple, 0), turn, Rotation(couple, 1)), n_parameters=2)
    together = Ansatz(name="b", rotations=(turn, turn, Rotation(couple, 0)), n_parameters=1)
    for ansatz in (between, together):
        alone = effective_space(problem.hamiltonian, ansatz, problem.reference_state).dimension
        assert space_of(problem, ansatz).dimension == alone
