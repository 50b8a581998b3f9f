"""Properties of the rule ``lie`` on random circuits, from outside: its merges against distances taken one by one."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from test_lie import bind, circuit, orbitals, qubits, random_circuit, turn

from vqe_prune.ansatz.layered import hardware_efficient
from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.lattice import ring
from vqe_prune.models import transverse_field_ising
from vqe_prune.objective import EnergyObjective, sector_hamiltonian
from vqe_prune.paulis import Clifford
from vqe_prune.prune.cells import cells_of
from vqe_prune.prune.lie import contraction_plan, lie_merge
from vqe_prune.prune.lie_options import LieOptions
from vqe_prune.prune.plan import Action, apply_plan, carry_angles
from vqe_prune.qubit_problem import model_problem
from vqe_prune.score.identifiers import Weights, distance, fubini_study, identify

SLACK = 1e-9
DISTANCES = ("geometric", "task")


def from_identity(identifier) -> float:
    """The distance of a gate of its own parameter to none at all."""
    return abs(identifier.coordinate) + float(fubini_study(identifier, np.array(identifier.coordinate)))


def clusters_of(plan, ansatz: Ansatz) -> tuple[list[set[int]], set[int]]:
    """Rotations that share an angle after the plan, and those that are dropped."""
    groups: dict[int, set[int]] = {}
    for k, decision in enumerate(plan.decisions):
        if not isinstance(ansatz.rotations[k].generator, Clifford) and decision.action is not Action.DROP:
            groups.setdefault(k if decision.leader is None else decision.leader, set()).add(k)
    dropped = {k for k, decision in enumerate(plan.decisions) if decision.action is Action.DROP}
    return list(groups.values()), dropped


@pytest.mark.parametrize("seed", range(10))
def test_redundant_gates_are_merged_and_others_are_not(seed: int) -> None:
    """Distances one pair at a time: nothing beyond epsilon is merged, and complete linkage could merge no more."""
    rng = np.random.default_rng([41, seed])
    n = 3 + seed % 2
    problem = qubits(n, "".join(rng.choice(list("01+-"), size=n)), seed)
    whole, trained = random_circuit(rng, n)
    exact = contraction_plan(problem, whole)
    ansatz, angles = apply_plan(exact, whole), carry_angles(exact, whole, trained)
    epsilon = float(rng.choice([0.05, 0.2, 0.6]))
    found = identify(problem, ansatz, angles)
    merge = lie_merge(problem, ansatz, angles, LieOptions(epsilon=epsilon))
    undone = [k for k, d in enumerate(merge.plan.decisions) if d.action is Action.MERGE]
    clusters, dropped = clusters_of(merge.plan, ansatz)
    for k in dropped:
        assert from_identity(found[k]) <= epsilon + SLACK
    single = [cluster for cluster in clusters if not cluster & set(undone)]
    for cluster in single:
        for i, j in combinations(sorted(cluster), 2):
            assert distance(found[i], found[j]) <= epsilon + SLACK
        for k in cluster:
            assert from_identity(found[k]) > epsilon - SLACK
    if not undone:  # contracted at the end, gates have another angle than the one that was compared
        for first, second in combinations(clusters, 2):
            assert max(distance(found[i], found[j]) for i in first for j in second) > epsilon - SLACK


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("measure", DISTANCES)
def test_comparisons_are_those_of_cells(seed: int, measure: str) -> None:
    """Each member with the identity and each pair of a cell once: sum n (n + 1) / 2, of all pairs of gates."""
    rng = np.random.default_rng([42, seed])
    n = 3 + seed % 2
    problem = qubits(n, "0" * n, seed)
    ansatz, angles = random_circuit(rng, n)
    found = lie_merge(problem, ansatz, angles, LieOptions(epsilon=0.1, distance=measure)).certificate
    contracted = apply_plan(contraction_plan(problem, ansatz), ansatz)
    sizes = [len(cell.members) for cell in cells_of(problem, contracted)]
    assert found.n_comparisons == sum(size * (size + 1) // 2 for size in sizes)
    assert found.n_cells == len(sizes)
    assert found.n_pairs == math.comb(ansatz.n_parameters, 2)


def test_comparisons_grow_with_cells_and_not_with_all_pairs() -> None:
    """X, Z and ZZ of a ring are a cell each, as rotations of the ring map their qubits onto each other."""
    problem = model_problem(transverse_field_ising(ring(6)))
    ansatz = hardware_efficient(6, 3)
    found = lie_merge(problem, ansatz, np.random.default_rng(43).uniform(0, 6, 54), LieOptions(epsilon=0.1)).certificate
    assert found.n_cells == 3 and found.n_comparisons == 3 * 18 * 19 // 2 and found.n_pairs == 54 * 53 // 2


@pytest.mark.parametrize("seed", range(8))
def test_bounds_of_the_task_hold_on_random_circuits(seed: int) -> None:
    """The measured deviation against every bound, in operator and in state form, when energies decide what merges."""
    rng = np.random.default_rng([44, seed])
    n = 3 + seed % 2
    problem = qubits(n, "".join(rng.choice(list("01+-"), size=n)), seed)
    ansatz, angles = random_circuit(rng, n)
    merge = lie_merge(problem, ansatz, angles, LieOptions(epsilon=float(rng.choice([0.05, 0.5])), distance="task"))
    found, smaller = merge.certificate, apply_plan(merge.plan, ansatz)
    states = [bind(problem, a).engine.state(x) for a, x in ((ansatz, angles), (smaller, merge.start))]
    overlap = np.vdot(*states)
    deviation = np.linalg.norm(states[1] - states[0] * overlap / abs(overlap))
    energies = [bind(problem, a).value_and_gradient(x)[0] for a, x in ((ansatz, angles), (smaller, merge.start))]
    assert deviation <= found.operator_deviation + SLACK
    assert math.acos(min(abs(overlap), 1.0)) <= found.path_distance + 1e-6  # arccos has lost half the digits
    for bound in (found.operator_bound, found.path_bound, found.state_bound, found.overlap_bound):
        assert abs(energies[1] - energies[0]) <= bound + SLACK
    assert found.overlap_bound <= found.state_bound + SLACK
    assert found.redundancy_checked and found.widest_merge <= found.epsilon + 1e-11


@pytest.mark.parametrize("seed", range(6))
def test_bounds_hold_on_random_circuits_of_excitations(seed: int) -> None:
    rng = np.random.default_rng([45, seed])
    problem = orbitals(4, (2, 1 + seed % 2))
    pool = [Excitation((4,), (0,)), Excitation((6,), (2,)), Excitation((5,), (1,)), Excitation((4, 5), (0, 1)),
            Excitation((6, 5), (2, 1))]  # fmt: skip
    chosen = rng.integers(len(pool), size=14)
    shared = rng.integers(2, size=14)  # some of them turn with the gate before
    parameters = np.maximum(np.cumsum(np.where(np.arange(14) == 0, 1, shared)) - 1, 0)
    rotations = tuple(
        Rotation(pool[k], int(p), float(rng.choice([1.0, -1.0]))) for k, p in zip(chosen, parameters, strict=True)
    )
    ansatz = Ansatz(name="test", rotations=rotations, n_parameters=int(parameters[-1]) + 1)
    angles = rng.choice([0.0, 0.4, -0.9], size=ansatz.n_parameters) + 0.05 * rng.normal(size=ansatz.n_parameters)
    for measure in DISTANCES:
        merge = lie_merge(problem, ansatz, angles, LieOptions(epsilon=0.3, distance=measure))
        found, smaller = merge.certificate, apply_plan(merge.plan, ansatz)
        objectives = [EnergyObjective(sector_hamiltonian(problem), each) for each in (ansatz, smaller)]
        states = [o.engine.state(x).ravel() for o, x in zip(objectives, (angles, merge.start), strict=True)]
        overlap = float(np.dot(*states))
        deviation = np.linalg.norm(states[1] - states[0] * np.sign(overlap))
        energies = [o.value_and_gradient(x)[0] for o, x in zip(objectives, (angles, merge.start), strict=True)]
        assert deviation <= found.operator_deviation + SLACK
        assert found.state_deviation == pytest.approx(deviation, abs=1e-7)
        for bound in (found.operator_bound, found.path_bound, found.state_bound, found.overlap_bound):
            assert abs(energies[1] - energies[0]) <= bound + SLACK
        assert smaller.n_parameters < ansatz.n_parameters or found.state_deviation < 1e-7


@pytest.mark.parametrize("seed", range(3))
def test_a_larger_tolerance_drops_more_and_a_tolerance_of_nothing_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng([46, seed])
    problem = qubits(3, "0+1", seed)
    ansatz, angles = random_circuit(rng, 3)
    for measure in DISTANCES:
        dropped = []
        for epsilon in (0.0, 0.01, 0.1, 1.0, 100.0):
            merge = lie_merge(problem, ansatz, angles, LieOptions(epsilon=epsilon, distance=measure))
            dropped.append({k for k, d in enumerate(merge.plan.decisions) if d.action is Action.DROP})
            if epsilon == 0.0:
                assert merge.certificate.state_distance < 1e-6
        assert all(less <= more for less, more in pairwise(dropped))
        fixed = {k for k, r in enumerate(ansatz.rotations) if r.parameter is None}
        gone = [d for k, d in enumerate(merge.plan.decisions) if k not in fixed]
        assert {d.action for d in gone} <= {Action.DROP, Action.MERGE}


def test_weights_scale_distances() -> None:
    """At a fixed share of the weights the same gates merge at the same share of the tolerance."""
    rng = np.random.default_rng(47)
    problem = qubits(3, "0+1")
    ansatz, angles = random_circuit(rng, 3)
    whole = lie_merge(problem, ansatz, angles, LieOptions(epsilon=0.4))
    quarter = Weights(algebra=0.25, fubini=0.25, fisher=0.025)
    part = lie_merge(problem, ansatz, angles, LieOptions(epsilon=0.1, weights=quarter))
    assert [d.action for d in part.plan.decisions] == [d.action for d in whole.plan.decisions]
    assert part.certificate.widest_merge == pytest.approx(0.25 * whole.certificate.widest_merge)


@pytest.mark.parametrize("seed", range(3))
def test_chains_of_close_gates_are_cut_where_their_ends_are_far(seed: int) -> None:
    """Neighbours are within epsilon and ends are not: no cluster is wider, and the pairs left apart are counted."""
    rng = np.random.default_rng([48, seed])
    gates = [gate for _ in range(8) for gate in (turn("X", 0), turn("ZZ", 0, 1), turn("Y", 1))]
    ansatz, angles = circuit(*gates), np.full(24, 0.3)
    angles[::3] = 0.6 + np.cumsum(rng.uniform(0.05, 0.09, 8))
    angles[1::3] = -1.0 - np.cumsum(rng.uniform(0.05, 0.09, 8))
    problem, epsilon = qubits(2, "0+", seed), 0.2
    found = identify(problem, ansatz, angles)
    merge = lie_merge(problem, ansatz, angles, LieOptions(epsilon=epsilon))
    clusters, _ = clusters_of(merge.plan, ansatz)
    apart = 0
    for first, second in combinations(clusters, 2):
        between = [distance(found[i], found[j]) for i in first for j in second]
        apart += sum(each <= epsilon for each in between)
        assert max(between) > epsilon
    for cluster in clusters:
        assert all(distance(found[i], found[j]) <= epsilon + SLACK for i, j in combinations(cluster, 2))
    assert apart == merge.certificate.left_apart > 0
