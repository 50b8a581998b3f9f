"""LiePrune: identifiers against dense matrices, the traps of the methods page, bounds, and molecules and chains."""

import math
from dataclasses import replace

import numpy as np
import openfermion
import pytest
import scipy.linalg
from conftest import error_mha
from dense_twin import anti_hermitian, embed

from vqe_prune.ansatz.layered import hardware_efficient
from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.engine.determinants import Sector
from vqe_prune.engine.statevector import StatevectorEngine
from vqe_prune.errors import InputError
from vqe_prune.lattice import ring
from vqe_prune.models import transverse_field_ising
from vqe_prune.objective import EnergyObjective, QubitEnergyObjective, sector_hamiltonian
from vqe_prune.optimize import minimize
from vqe_prune.paulis import Clifford, PauliSum, QubitHamiltonian
from vqe_prune.problem import Problem, problem_from_integrals
from vqe_prune.prune.cells import cells_of
from vqe_prune.prune.lie import contraction_plan, lie_merge, lie_plan
from vqe_prune.prune.lie_options import LieOptions
from vqe_prune.prune.plan import Action, Decision, PrunePlan, apply_plan, carry_angles, chain
from vqe_prune.qubit_problem import QubitProblem, model_problem, pauli_problem
from vqe_prune.score.identifiers import (
    Weights,
    common_period,
    distance,
    fubini_study,
    generators_commute,
    identify,
    input_weights,
    operator_distance,
    subgroup_of,
)
from vqe_prune.score.information import fisher_information
from vqe_prune.symmetry import SignedPermutation

ROUNDING = 1e-12
LETTERS = "XYZ"


def turn(letters: str, *qubits: int, factor: float = 0.5) -> PauliSum:
    """exp(-i angle P / 2) by default."""
    return PauliSum(((factor, tuple(sorted(zip(qubits, letters, strict=True)))),))


CONTROLLED_X = PauliSum(((0.25, ((1, "X"),)), (-0.25, ((0, "Z"), (1, "X")))))
"""exp(-i angle X / 2) on qubit 1 where qubit 0 is 1."""


def circuit(*gates: PauliSum | Clifford | Excitation) -> Ansatz:
    """A parameter of its own for every gate that has one."""
    count, rotations = 0, []
    for gate in gates:
        fixed = isinstance(gate, Clifford)
        rotations.append(Rotation(gate, None if fixed else count))
        count += not fixed
    return Ansatz(name="test", rotations=tuple(rotations), n_parameters=count)


def qubits(n: int, reference: str | None = None, seed: int = 0) -> QubitProblem:
    """A Hamiltonian without symmetries."""
    rng = np.random.default_rng([7, n, seed])
    terms = [(float(rng.normal()), ((q, letter),)) for q in range(n) for letter in LETTERS]
    terms += [(float(rng.normal()), ((q, a), (q + 1, b))) for q in range(n - 1) for a in LETTERS for b in LETTERS]
    hamiltonian = QubitHamiltonian(n_qubits=n, terms=tuple(terms))
    return pauli_problem(hamiltonian, reference=reference or "0" * n, exact=False)


def orbitals(n: int, n_electrons: tuple[int, int]) -> Problem:
    """Orbitals without symmetries, for the sake of their sector."""
    rng = np.random.default_rng([8, n])
    h = rng.normal(size=(n, n))
    return problem_from_integrals(h + h.T, np.zeros((n, n, n, n)), n_electrons, exact=False)


def matrix(generator, n: int) -> np.ndarray:
    if isinstance(generator, Excitation):
        return 1j * anti_hermitian(generator, n).toarray()
    if isinstance(generator, Clifford):
        engine = StatevectorEngine(
            hamiltonian=QubitHamiltonian(n_qubits=n, terms=()), ansatz=circuit(generator), reference=None
        )
        rows = [StatevectorEngine(hamiltonian=engine.hamiltonian, ansatz=engine.ansatz, reference=e).state(np.zeros(0))
                for e in np.eye(2**n, dtype=complex)]  # fmt: skip
        return np.array(rows).T
    operator = openfermion.QubitOperator()
    for coefficient, string in generator.terms:
        operator += openfermion.QubitOperator(string, coefficient)
    return openfermion.get_sparse_operator(operator, n).toarray()


def unitary(generator, angle: float, n: int) -> np.ndarray:
    return scipy.linalg.expm(-1j * angle * matrix(generator, n))


def bind(problem, ansatz: Ansatz):
    if isinstance(problem, QubitProblem):
        return QubitEnergyObjective(problem.hamiltonian, ansatz, problem.reference_state)
    return EnergyObjective(sector_hamiltonian(problem), ansatz)


def lie_stage(problem, ansatz: Ansatz, angles, options: LieOptions):
    """One shot of the rule and the fine-tuning after it: merge, smaller ansatz, energy before tuning, optimum."""
    merge = lie_merge(problem, ansatz, angles, options)
    smaller = apply_plan(merge.plan, ansatz)
    objective = bind(problem, smaller)
    return merge, smaller, objective.value_and_gradient(merge.start)[0], minimize(objective, merge.start)


# traps of the methods page, section 4


def test_one_reference_state_is_blind_and_the_algebra_is_not() -> None:
    """RZ(0) and RZ(pi) agree on |0>, but as operators they differ by 1.414 (the methods page)."""
    problem, ansatz = qubits(1), circuit(turn("Z", 0), turn("Z", 0))
    first, second = identify(problem, ansatz, np.array([0.0, math.pi]), ensemble="reference")
    assert fubini_study(first, np.array(math.pi)) == pytest.approx(0.0, abs=ROUNDING)
    dense = np.linalg.norm(unitary(turn("Z", 0), 0.0, 1) - unitary(turn("Z", 0), math.pi, 1), 2)
    assert operator_distance(first, math.pi) == pytest.approx(dense, abs=ROUNDING)
    assert dense == pytest.approx(1.414, abs=5e-4)
    assert distance(first, second) >= math.pi
    assert distance(first, second, Weights(algebra=0.0)) == pytest.approx(0.0, abs=ROUNDING)  # the trap
    lone = circuit(turn("Z", 0))
    plan = lie_plan(problem, lone, np.array([math.pi]), LieOptions(epsilon=0.5, ensemble="reference"))
    assert plan.decisions[0].action is Action.KEEP


@pytest.mark.parametrize(
    ("generator", "period"),
    [
        (turn("X", 0), 2.0),
        (turn("XY", 0, 1, factor=-3.0), 1.0 / 3.0),
        (PauliSum(((0.5, ((0, "X"), (1, "X"))), (0.5, ((0, "Y"), (1, "Y"))))), 2.0),
        (CONTROLLED_X, 4.0),
        (PauliSum(((0.5, ((0, "X"),)), (0.5 * math.sqrt(2.0), ((1, "X"),)))), math.inf),
    ],
)
def test_coordinates_are_reduced_modulo_the_period_of_the_gate(generator: PauliSum, period: float) -> None:
    problem = qubits(2)
    found = identify(problem, circuit(generator), np.array([0.1]))[0]
    _, scale = subgroup_of(generator)
    assert found.period / abs(scale) == pytest.approx(period * math.pi)
    if math.isfinite(period):
        whole = found.period / scale
        dense = unitary(generator, whole, 2)
        assert abs(abs(np.trace(dense)) - 4.0) < ROUNDING  # a phase
        half = unitary(generator, whole / 2.0, 2)
        assert abs(np.trace(half)) < 4.0 - 1e-3
        again = identify(problem, circuit(generator), np.array([0.1 + 3.0 * whole]))[0]
        assert again.coordinate == pytest.approx(found.coordinate, abs=ROUNDING)


def test_a_whole_turn_is_dropped_and_half_the_period_of_a_controlled_gate_is_not() -> None:
    ansatz = circuit(turn("X", 0), CONTROLLED_X)
    plan = lie_plan(qubits(2, "01"), ansatz, np.full(2, 2.0 * math.pi), LieOptions(epsilon=1e-6))
    assert [d.action for d in plan.decisions] == [Action.DROP, Action.KEEP]


def test_excitations_have_the_period_two_pi() -> None:
    problem = orbitals(3, (1, 1))
    ansatz = circuit(Excitation((2,), (0,)), Excitation((0,), (2,)), Excitation((5, 2), (1, 0)))
    found = identify(problem, ansatz, np.array([2.0 * math.pi + 0.3, 0.3, 0.4]))
    assert [each.period for each in found] == pytest.approx([2.0 * math.pi] * 3)
    assert found[0].subgroup == found[1].subgroup != found[2].subgroup
    assert [each.coordinate for each in found] == pytest.approx([-found[1].coordinate, found[1].coordinate, -0.4])
    assert distance(found[0], found[2]) == math.inf


def test_partners_a_period_apart_are_averaged_in_one_period() -> None:
    problem = qubits(2, "++")
    ansatz = circuit(turn("Z", 0), turn("X", 0), turn("Z", 0))
    angles = np.array([0.60, 1.3, 0.62 - 2.0 * math.pi])
    merge, _, _, _ = lie_stage(problem, ansatz, angles, LieOptions(epsilon=0.2))
    assert [d.action for d in merge.plan.decisions] == [Action.KEEP, Action.KEEP, Action.TIE]
    assert merge.start == pytest.approx([0.61, 1.3], abs=ROUNDING)
    assert carry_angles(merge.plan, ansatz, merge.angles) == pytest.approx(merge.start, abs=ROUNDING)
    assert "same subgroup as gate 0, distance 0.0" in merge.plan.decisions[2].reason


@pytest.mark.parametrize("angles", [(2.0 * math.pi + 0.60, 0.62), (math.pi - 0.01, 0.03 - math.pi)])
def test_means_are_taken_on_the_circle(angles: tuple[float, float]) -> None:
    problem, ansatz = qubits(2, "++"), circuit(turn("Z", 0), turn("X", 0), turn("Z", 0))
    given = np.array([angles[0], 1.3, angles[1]])
    merge, smaller, _, _ = lie_stage(problem, ansatz, given, LieOptions(epsilon=0.2))
    assert smaller.n_parameters == 2
    middle = 0.5 * np.sum(np.exp(1j * np.array(angles)))
    assert np.exp(1j * merge.start[0]) == pytest.approx(middle / abs(middle), abs=1e-9)
    assert merge.certificate.operator_deviation < 0.03
    turns = (merge.angles - given) / (2.0 * math.pi)
    assert turns == pytest.approx(np.round(turns), abs=1e-12)


def test_the_least_blind_state_of_an_ensemble_decides() -> None:
    data = [np.array([1.0, 0.0], dtype=complex), np.array([1.0, 1.0], dtype=complex) / math.sqrt(2.0)]
    found = identify(qubits(1), circuit(turn("Z", 0)), np.zeros(1), ensemble="data", data=data)[0]
    assert fubini_study(found, np.array(0.8)) == pytest.approx(0.4)
    assert found.information == pytest.approx(0.5)  # the mean of 0 and 1


def test_contraction_past_a_gate_in_the_way_errs_where_tying_does_not() -> None:
    """0.69 and 0.025, angles 0.70 and 0.75 (the methods page); here a controlled Z is between."""
    gate = turn("X", 0)
    between = matrix(Clifford("cz", (0, 1)), 2)
    whole = unitary(gate, 0.70, 2) @ between @ unitary(gate, 0.75, 2)
    contracted = between @ unitary(gate, 1.45, 2)
    tied = unitary(gate, 0.725, 2) @ between @ unitary(gate, 0.725, 2)
    assert np.linalg.norm(whole - contracted, 2) == pytest.approx(0.69, abs=5e-3)
    assert np.linalg.norm(whole - tied, 2) == pytest.approx(0.025, abs=5e-4)
    problem = qubits(2, "0+")
    ansatz = circuit(gate, Clifford("cz", (0, 1)), gate)
    merge = lie_merge(problem, ansatz, np.array([0.75, 0.70]), LieOptions(epsilon=0.5))
    assert [d.action for d in merge.plan.decisions] == [Action.KEEP, Action.KEEP, Action.TIE]
    assert merge.start == pytest.approx([0.725])
    assert merge.certificate.operator_deviation == pytest.approx(0.025, abs=5e-6)
    assert merge.certificate.state_deviation <= 0.025


# identifiers against dense matrices


def random_state(rng: np.random.Generator, shape, dtype=complex) -> np.ndarray:
    state = rng.normal(size=shape) + (1j * rng.normal(size=shape) if dtype is complex else 0.0)
    return state / np.linalg.norm(state)


@pytest.mark.parametrize(
    "generator",
    [
        turn("XY", 0, 2),
        turn("Z", 1, factor=-0.8),
        CONTROLLED_X,
        PauliSum(tuple((c, ((0, a), (1, a))) for c, a in ((0.5, "X"), (0.3, "Y"), (0.5, "Z")))),
        PauliSum(tuple((0.125, ((0, a), (1, b), (2, c))) for a, b, c in ("XXY", "XYX", "YXX", "YYY"))),
    ],
)
def test_fubini_study_fisher_and_norm_of_strings_are_those_of_matrices(generator: PauliSum) -> None:
    rng = np.random.default_rng(1)
    problem, state = qubits(3), random_state(rng, 8)
    found = identify(problem, circuit(generator), np.zeros(1), ensemble="data", data=[state])[0]
    dense = matrix(generator, 3) / found.scale
    values = np.unique(np.round(np.linalg.eigvalsh(dense), 9))
    assert found.eigenvalues == pytest.approx(values)
    assert sum(found.weights[0]) == pytest.approx(1.0)
    variance = np.vdot(state, dense @ dense @ state).real - np.vdot(state, dense @ state).real ** 2
    assert found.information == pytest.approx(4.0 * variance)
    for shift in (1e-7, 0.3, -1.7, 4.0):
        rotation = scipy.linalg.expm(-1j * shift * dense)
        overlap = abs(np.vdot(state, rotation @ state))
        assert fubini_study(found, np.array(shift)) == pytest.approx(math.acos(min(overlap, 1.0)), abs=3e-8)
        norm = np.linalg.norm(np.eye(8) - rotation, 2)
        assert operator_distance(found, shift) == pytest.approx(norm, abs=ROUNDING)
    small = fubini_study(found, np.array(1e-7))
    assert small == pytest.approx(1e-7 * math.sqrt(variance), rel=1e-6)  # arccos has lost these digits


def test_too_many_strings_are_bounded() -> None:
    generator = PauliSum(tuple((0.1 * (q + 1), ((q, "X"),)) for q in range(7)))
    state = random_state(np.random.default_rng(2), 128)
    found = identify(qubits(7), circuit(generator), np.array([0.2]), ensemble="data", data=[state])[0]
    assert found.eigenvalues == () and found.period == math.inf
    dense = matrix(generator, 7) / found.scale
    variance = np.vdot(state, dense @ dense @ state).real - np.vdot(state, dense @ state).real ** 2
    assert found.information == pytest.approx(4.0 * variance)
    for shift in (0.01, 0.5):
        rotation = scipy.linalg.expm(-1j * shift * dense)
        assert math.acos(abs(np.vdot(state, rotation @ state))) <= fubini_study(found, np.array(shift))
        assert np.linalg.norm(np.eye(128) - rotation, 2) <= operator_distance(found, shift) + ROUNDING


def test_fubini_study_and_fisher_of_excitations_are_those_of_matrices() -> None:
    rng = np.random.default_rng(3)
    problem, sector = orbitals(3, (2, 1)), Sector(n_orbitals=3, n_alpha=2, n_beta=1)
    state = random_state(rng, sector.shape, float)
    vector = embed(state, sector)
    excitations = [
        Excitation((4,), (2,)),
        Excitation((3,), (1,)),
        Excitation((4, 5), (0, 1)),
        Excitation((5, 2), (0, 3)),
    ]
    for excitation in excitations:
        found = identify(problem, circuit(excitation), np.zeros(1), ensemble="data", data=[state])[0]
        dense = matrix(excitation, 6)
        assert found.information == pytest.approx(4.0 * np.linalg.norm(dense @ vector) ** 2)
        for shift in (0.4, -2.0, 3.1):
            overlap = abs(np.vdot(vector, scipy.linalg.expm(-1j * shift * dense) @ vector))
            assert fubini_study(found, np.array(shift)) == pytest.approx(math.acos(min(overlap, 1.0)), abs=1e-7)
        assert operator_distance(found, 0.4) == pytest.approx(
            np.linalg.norm(np.eye(64) - scipy.linalg.expm(-0.4j * dense), 2)
        )


def test_fisher_information_is_the_diagonal_of_the_fisher_matrix(molecular) -> None:
    rng = np.random.default_rng(4)
    lih, ising = molecular("LiH"), model_problem(transverse_field_ising(ring(5)))
    cases = [
        (lih, uccsd(6, 2, 2), np.pad(np.eye(1), ((0, 14), (0, 14)))),
        (ising, hardware_efficient(5, 2, entangler="heisenberg"), ising.reference_state),
    ]
    for problem, ansatz, reference in cases:
        angles = rng.normal(size=ansatz.n_parameters)
        found = identify(problem, ansatz, angles, ensemble="data", data=[reference])
        matrix_diagonal = np.diag(fisher_information(bind(problem, ansatz), angles))
        assert [each.information * each.scale**2 for each in found] == pytest.approx(matrix_diagonal, abs=1e-10)
        path = identify(problem, ansatz, angles)
        assert path[-1].weights[-1] == pytest.approx(input_weights(problem, ansatz, angles)[-1])
        assert len(path[0].weights) == 4


def test_flags_say_which_symmetries_a_gate_keeps(molecular) -> None:
    lih = molecular("LiH")
    pi, sigma = Excitation((6,), (2,)), Excitation((10,), (2,))
    flags = [each.flags for each in identify(lih, circuit(pi, sigma), np.zeros(2))]
    assert flags[0] != (0,) and flags[1] == (0,)
    ising = model_problem(transverse_field_ising(ring(4)))
    assert [each.flags for each in identify(ising, circuit(turn("X", 0), turn("Z", 0)), np.zeros(2))] == [(1,), (0,)]


def test_commutation_is_exact() -> None:
    rng, seen = np.random.default_rng(5), set()
    pool: list = [e.generator for e in uccsd(3, 2, 1).rotations]
    matrices = [matrix(generator, 6) for generator in pool]
    for _ in range(150):
        k, m = rng.integers(len(pool), size=2)
        first, second, a, b = pool[k], pool[m], matrices[k], matrices[m]
        expected = bool(np.abs(a @ b - b @ a).max() < 1e-12)
        shared = bool(set(first.spin_orbitals) & set(second.spin_orbitals))
        seen.add((expected, shared))
        assert generators_commute(first, second, 6) == expected, (first.label, second.label)
    assert {(True, True), (False, True), (True, False)} == seen
    xx_yy = PauliSum(((0.5, ((0, "X"), (1, "X"))), (0.5, ((0, "Y"), (1, "Y")))))
    z_z = PauliSum(((0.5, ((0, "Z"),)), (0.5, ((1, "Z"),))))  # commutes as a sum, not string by string
    pool = [xx_yy, z_z, CONTROLLED_X, turn("X", 1), turn("ZX", 0, 2), turn("Y", 2)]
    pool += [Clifford("cx", (0, 1)), Clifford("h", (0,)), Clifford("swap", (0, 1)), Clifford("s", (1,))]
    matrices = [matrix(generator, 3) for generator in pool]
    for first, a in zip(pool, matrices, strict=True):
        for second, b in zip(pool, matrices, strict=True):
            assert generators_commute(first, second, 3) == bool(np.abs(a @ b - b @ a).max() < 1e-12)
    assert generators_commute(xx_yy, z_z, 3)


# merges


def test_contraction_is_exact_and_asks_that_all_between_commute() -> None:
    problem = qubits(3, "+0+")
    ansatz = circuit(
        turn("ZZ", 0, 1), turn("X", 2), turn("Z", 1), Clifford("cz", (0, 2)), turn("ZZ", 0, 1, factor=-1.0),
        turn("X", 1), turn("ZZ", 0, 1), turn("X", 2),
    )  # fmt: skip
    plan = contraction_plan(problem, ansatz)
    names = [d.action.value for d in plan.decisions]
    assert names == ["keep", "keep", "keep", "keep", "merge", "keep", "keep", "keep"]
    assert plan.decisions[4].leader == 0 and plan.decisions[4].coefficient == -2.0
    angles = np.random.default_rng(6).normal(size=7)
    smaller = apply_plan(plan, ansatz)
    before, after = bind(problem, ansatz), bind(problem, smaller)
    carried = carry_angles(plan, ansatz, angles)
    assert carried[0] == pytest.approx(angles[0] - 2.0 * angles[3])
    assert np.abs(before.engine.state(angles) - after.engine.state(carried)).max() < 1e-12


def test_contraction_of_excitations_is_exact(molecular) -> None:
    problem = molecular("LiH")
    first, other, crossing = Excitation((6, 7), (2, 3)), Excitation((8, 9), (0, 1)), Excitation((6,), (2,))
    mirrored = Excitation((7, 6), (2, 3))
    ansatz = circuit(first, other, mirrored, Excitation((10,), (0,)), first, crossing, first)
    plan = contraction_plan(problem, ansatz)
    actions = [d.action for d in plan.decisions]
    commute = generators_commute(first, crossing, 12)
    assert not commute
    assert actions == [Action.KEEP, Action.KEEP, Action.MERGE, Action.KEEP, Action.MERGE, Action.KEEP, Action.KEEP]
    angles = np.random.default_rng(7).normal(size=7)
    carried = carry_angles(plan, ansatz, angles)
    assert carried[0] == pytest.approx(angles[0] - angles[2] + angles[4])
    before, after = bind(problem, ansatz), bind(problem, apply_plan(plan, ansatz))
    assert np.abs(before.engine.state(angles) - after.engine.state(carried)).max() < 1e-12


def test_a_circuit_with_every_gate_doubled_shrinks_to_half_exactly() -> None:
    """Neighbours commute inside a layer, so both copies of a layer's gates come together."""
    problem = model_problem(transverse_field_ising(ring(6)))
    single = hardware_efficient(6, 3, blocks=("x", "z"), backwards=True)
    layers = [single.rotations[k : k + 6] for k in range(0, 54, 6)]
    doubled = circuit(*(rotation.generator for layer in layers for rotation in (*layer, *layer)))
    angles = np.random.default_rng(8).uniform(0.4, 0.9, doubled.n_parameters)
    merge, smaller, energy, _ = lie_stage(problem, doubled, angles, LieOptions(epsilon=0.0))
    assert smaller.n_parameters == single.n_parameters == 54
    assert [r.generator for r in smaller.rotations] == [r.generator for r in single.rotations]
    difference = bind(problem, doubled).engine.state(angles) - bind(problem, smaller).engine.state(merge.start)
    assert np.abs(difference).max() < 1e-12
    assert energy == pytest.approx(bind(problem, doubled).value_and_gradient(angles)[0], abs=1e-12)
    assert [d.action.value for d in merge.plan.decisions].count("merge") == 54


def test_parameters_that_turn_many_gates_are_contracted_and_tied_as_a_whole() -> None:
    problem = model_problem(transverse_field_ising(ring(4)))
    kinds = [[turn("X", q) for q in range(4)], [turn("ZZ", q, (q + 1) % 4) for q in range(4)]]
    order = [0, 1, 1, 0, 1]  # both ZZ layers in the middle are one
    rotations = tuple(Rotation(g, p, 1.0 if p else 0.5) for p, kind in enumerate(order) for g in kinds[kind])
    ansatz = Ansatz(name="tied", rotations=rotations, n_parameters=5)
    angles = np.array([0.8, 0.3, 0.25, 0.41, 0.56])
    merge = lie_merge(problem, ansatz, angles, LieOptions(epsilon=0.3))
    smaller = apply_plan(merge.plan, ansatz)
    assert smaller.n_parameters == 2 and len(smaller.rotations) == 16
    assert merge.start == pytest.approx([0.81, 0.555])  # X: 0.4 and 0.41 in coordinates; ZZ: 0.55 and 0.56
    certificate = merge.certificate
    assert certificate.state_distance <= certificate.path_distance + ROUNDING
    assert certificate.redundancy_checked


def test_plans_with_merges_chain_and_are_refused_where_they_do_not_fit() -> None:
    ansatz = circuit(*[turn("Z", 0)] * 4)
    keep, drop = Decision(action=Action.KEEP, reason="kept"), Decision(action=Action.DROP, reason="dropped")

    def merged(leader: int, coefficient: float = 1.0) -> Decision:
        return Decision(action=Action.MERGE, reason="merged", leader=leader, coefficient=coefficient)

    angles = np.array([0.1, 0.2, 0.4, 0.8])
    first = PrunePlan(rule="one", decisions=(keep, keep, merged(1), keep))
    middle, carried = apply_plan(first, ansatz), carry_angles(first, ansatz, angles)
    assert carried == pytest.approx([0.1, 0.6, 0.8])
    seconds = [
        (PrunePlan(rule="two", decisions=(keep, merged(0, -2.0), keep)), [0.1 - 1.2, 0.8]),
        (PrunePlan(rule="two", decisions=(keep, drop, keep)), [0.1, 0.8]),
        (PrunePlan(rule="two", decisions=(keep, Decision(action=Action.TIE, reason="", leader=0), keep)), [0.35, 0.8]),
    ]
    for second, expected in seconds:
        together = chain([first, second])
        assert apply_plan(together, ansatz).rotations == apply_plan(second, middle).rotations
        assert carry_angles(second, middle, carried) == pytest.approx(expected)
        assert carry_angles(together, ansatz, angles) == pytest.approx(expected)
    with pytest.raises(ValueError, match="must merge rotation 2 into a kept one"):
        apply_plan(PrunePlan(rule="bad", decisions=(keep, merged(0), merged(1), keep)), ansatz)


# bounds


def random_circuit(rng: np.random.Generator, n: int) -> tuple[Ansatz, np.ndarray]:
    """Gates of a few subgroups whose angles come in groups, near zero too."""
    gates: list[PauliSum | Clifford] = []
    pairs = [(q, q + 1) for q in range(n - 1)]
    for _ in range(int(rng.integers(8, 20))):
        kind = int(rng.integers(6))
        pair = pairs[int(rng.integers(len(pairs)))]
        if kind == 0:
            gates.append(Clifford(str(rng.choice(["cx", "cz", "swap"])), pair))
        elif kind == 1:
            gates.append(PauliSum(tuple((0.5, tuple((q, a) for q in pair)) for a in "XY")))
        elif kind == 2:
            gates.append(turn("ZZ", *pair, factor=float(rng.choice([0.5, -0.5, 1.0]))))
        else:
            gates.append(turn(str(rng.choice(list(LETTERS))), int(rng.integers(n))))
    gates.append(turn("X", 0))
    ansatz = circuit(*gates)
    centres = rng.choice([0.0, 0.7, -1.9, 2.0 * math.pi], size=ansatz.n_parameters)
    return ansatz, centres + 0.05 * rng.normal(size=ansatz.n_parameters)


@pytest.mark.parametrize("seed", range(50))
def test_bounds_hold_on_random_circuits(seed: int) -> None:
    rng = np.random.default_rng([9, seed])
    n = 3 + seed % 2
    problem = qubits(n, "".join(rng.choice(list("01+-"), size=n)), seed)
    ansatz, angles = random_circuit(rng, n)
    options = LieOptions(epsilon=float(rng.choice([0.05, 0.2, 0.6])))
    merge = lie_merge(problem, ansatz, angles, options)
    smaller, found = apply_plan(merge.plan, ansatz), merge.certificate
    states = [bind(problem, a).engine.state(x) for a, x in ((ansatz, angles), (smaller, merge.start))]
    overlap = np.vdot(*states)
    deviation = np.linalg.norm(states[1] - states[0] * overlap / abs(overlap))
    assert found.state_deviation == pytest.approx(deviation, abs=1e-7)
    assert found.state_distance == pytest.approx(math.acos(min(abs(overlap), 1.0)), abs=1e-6)
    assert found.state_distance <= found.path_distance + ROUNDING
    assert found.state_deviation <= found.operator_deviation + ROUNDING
    values = np.linalg.eigvalsh(np.array([problem.hamiltonian.apply(e) for e in np.eye(2**n, dtype=complex)]).T)
    energies = [bind(problem, a).value_and_gradient(x)[0] for a, x in ((ansatz, angles), (smaller, merge.start))]
    assert found.measured_increase == pytest.approx(energies[1] - energies[0], abs=1e-10)
    width = values[-1] - values[0]
    assert found.operator_bound == pytest.approx(width * found.operator_deviation)
    for bound in (found.operator_bound, found.path_bound, found.state_bound):
        assert abs(found.measured_increase) <= bound + ROUNDING
    assert found.redundancy_checked and found.widest_merge <= found.epsilon + 1e-11
    assert bind(problem, ansatz).value_and_gradient(merge.angles)[0] == pytest.approx(energies[0], abs=1e-10)
    assert carry_angles(merge.plan, ansatz, merge.angles) == pytest.approx(merge.start, abs=1e-10)


# cells and limits


def test_cells_know_symmetry_images_and_their_signs(molecular) -> None:
    problem = molecular("LiH")
    pair, partner, mirror = Excitation((6, 7), (2, 3)), Excitation((9, 8), (2, 3)), Excitation((10, 3), (2, 5))
    ansatz = circuit(pair, partner, Excitation((8, 9), (2, 3)), mirror)
    cells = cells_of(problem, ansatz)
    assert [len(cell.members) for cell in cells] == [3, 1]
    coordinates = [f * u.scale for f, u in zip(cells[0].factors, cells[0].members, strict=True)]
    assert coordinates[0] == -coordinates[1] == coordinates[2]  # a+_9 a+_8 = - a+_8 a+_9
    merge = lie_merge(problem, circuit(pair, partner, mirror), np.array([0.10, -0.101, 0.3]), LieOptions(epsilon=0.01))
    assert [d.action for d in merge.plan.decisions] == [Action.KEEP, Action.TIE, Action.KEEP]
    assert merge.plan.decisions[1].coefficient == -1.0
    assert merge.start == pytest.approx([0.1005, 0.3])
    assert "symmetry image of gate 0" in merge.plan.decisions[1].reason


def test_signs_of_a_symmetry_are_signs_of_its_ties() -> None:
    swap = SignedPermutation(name="swap", targets=np.array([0, 1, 4, 5, 2, 3]), signs=np.array([1, 1, -1, -1, -1, -1]))
    problem = replace(orbitals(3, (1, 1)), symmetries=(swap,))
    ansatz = circuit(Excitation((2,), (0,)), Excitation((5,), (1,)), Excitation((4,), (0,)), Excitation((2, 3), (0, 1)))
    merge = lie_merge(problem, ansatz, np.array([0.3, 0.3, -0.301, 0.1]), LieOptions(epsilon=0.02))
    decisions = merge.plan.decisions
    assert [d.action for d in decisions] == [Action.KEEP, Action.KEEP, Action.TIE, Action.KEEP]
    assert decisions[2].leader == 0 and decisions[2].coefficient == -1.0


def test_a_current_that_a_symmetry_reverses_is_not_tied(molecular) -> None:
    """Exchange of the pi partners maps 3 -> 4 onto minus itself: no sign makes its mirror image a partner."""
    problem = molecular("LiH")
    ansatz = circuit(Excitation((8,), (6,)), Excitation((9,), (7,)))
    assert [len(cell.members) for cell in cells_of(problem, ansatz)] == [1, 1]


def test_limits_are_kept_and_comparisons_counted() -> None:
    problem = model_problem(transverse_field_ising(ring(6)))
    ansatz = hardware_efficient(6, 2, blocks=("x",), backwards=True)
    angles = minimize(bind(problem, ansatz), np.random.default_rng(10).uniform(0.1, 0.6, 24)).angles
    for budget in (20, 10, 3, 0):
        merge = lie_merge(problem, ansatz, angles, LieOptions(parameters=budget))
        assert apply_plan(merge.plan, ansatz).n_parameters <= budget
        assert merge.certificate.redundancy_checked
    assert merge.certificate.n_comparisons == 2 * (12 + 12 * 11 // 2)
    identifiers = identify(problem, ansatz, angles)
    merge = lie_merge(problem, ansatz, angles, LieOptions(parameters=8))
    assert any(d.action is Action.TIE for d in merge.plan.decisions)
    for index, decision in enumerate(merge.plan.decisions):
        if decision.action is Action.TIE:
            direct = distance(identifiers[decision.leader], identifiers[index], sign=1.0)
            assert decision.score == pytest.approx(direct) and direct <= merge.certificate.epsilon + ROUNDING
    for limit in (1e-9, 1e-3):
        merge = lie_merge(problem, ansatz, angles, LieOptions(largest_increase=limit))
        assert merge.certificate.predicted_increase <= limit


@pytest.mark.parametrize(
    "options", [{}, {"epsilon": 0.1, "parameters": 3}, {"epsilon": -1.0}, {"largest_increase": math.nan}]
)
def test_options_without_one_limit_are_refused(options) -> None:
    with pytest.raises(InputError, match="one of epsilon, parameters and largest_increase"):
        lie_merge(qubits(1), circuit(turn("X", 0)), np.zeros(1), LieOptions(**options))


def test_ensembles_that_do_not_fit_are_refused() -> None:
    problem, ansatz = qubits(2), circuit(turn("X", 0))
    with pytest.raises(InputError, match="unknown ensemble"):
        identify(problem, ansatz, np.zeros(1), ensemble="haar")
    with pytest.raises(InputError, match="at least one state"):
        identify(problem, ansatz, np.zeros(1), ensemble="data")
    with pytest.raises(InputError, match="at least one state"):
        identify(problem, ansatz, np.zeros(1), data=[problem.reference_state])
    with pytest.raises(InputError, match="has shape"):
        identify(problem, ansatz, np.zeros(1), ensemble="data", data=[np.ones(3)])
    with pytest.raises(ValueError, match="both be excitations"):
        generators_commute(turn("X", 0), Excitation((2,), (0,)), 4)
    assert common_period([0.0]) == math.inf


# molecules and chains


@pytest.fixture(scope="module")
def trained_lih(molecular):
    problem = molecular("LiH")
    ansatz = uccsd(6, 2, 2)
    return problem, ansatz, minimize(bind(problem, ansatz), np.zeros(92))


def test_partners_of_lih_are_found_from_its_trained_angles(trained_lih) -> None:
    problem, ansatz, full = trained_lih
    merge = lie_merge(problem, ansatz, full.angles, LieOptions(epsilon=1e-3))
    decisions, place = merge.plan.decisions, {r.generator: k for k, r in enumerate(ansatz.rotations)}

    def tied(first: Excitation, second: Excitation) -> float:
        decision = decisions[place[second]]
        assert decision.action is Action.TIE and decision.leader == place[first]
        return decision.coefficient

    assert tied(Excitation((6, 7), (2, 3)), Excitation((8, 9), (2, 3))) == 1.0  # pi partners
    assert tied(Excitation((4, 11), (2, 3)), Excitation((10, 5), (2, 3))) == 1.0  # alpha-beta mirror
    forbidden = [k for k, angle in enumerate(full.angles) if abs(angle) < 1e-9]
    assert all(decisions[k].action is Action.DROP for k in forbidden) and len(forbidden) >= 50
    assert apply_plan(merge.plan, ansatz).n_parameters <= 18  # what symmetry alone leaves


LIH = {1e-3: (13, 24, 0.0125), 3e-3: (9, 17, 0.030), 1e-2: (5, 8, 0.246)}
"""Tolerance -> parameters, rotations, error in mHa after tuning; the curvature rule reaches 0.244 with 5 (8) too."""


@pytest.mark.parametrize("epsilon", LIH)
def test_lih_shrinks_at_little_cost(trained_lih, epsilon: float) -> None:
    problem, ansatz, full = trained_lih
    parameters, rotations, error = LIH[epsilon]
    merge, smaller, energy, tuned = lie_stage(problem, ansatz, full.angles, LieOptions(epsilon=epsilon))
    assert smaller.n_parameters <= parameters and len(smaller.rotations) <= rotations
    assert full.value - 1e-10 <= tuned.value <= energy
    assert error_mha(problem, tuned.value) <= error
    found = merge.certificate
    assert found.measured_increase == pytest.approx(energy - full.value, abs=1e-9)
    assert found.predicted_increase == pytest.approx(tuned.value - full.value, rel=0.03, abs=1e-8)
    assert found.measured_increase <= found.state_bound <= found.path_bound <= found.operator_bound
    print(
        f"LiH epsilon {epsilon}: 92 -> {smaller.n_parameters} parameters, {len(smaller.rotations)} rotations; error "
        f"{error_mha(problem, full.value):.4f} -> {error_mha(problem, energy):.4f} -> "
        f"{error_mha(problem, tuned.value):.4f} mHa"
    )


def test_a_trained_ising_ring_comes_down_to_an_angle_a_layer() -> None:
    """From equal angles training keeps the ring's symmetry: 48 angles are 8, without loss (the methods page: 8)."""
    problem = model_problem(transverse_field_ising(ring(6)))
    ansatz = hardware_efficient(6, 4, blocks=("x",), backwards=True)
    full = minimize(bind(problem, ansatz), np.full(48, 0.3))
    assert full.value - problem.energies["exact"] < 1e-9
    merge, smaller, energy, tuned = lie_stage(problem, ansatz, full.angles, LieOptions(epsilon=1e-6))
    assert smaller.n_parameters == 8
    assert abs(energy - full.value) < 1e-10 and tuned.value - problem.energies["exact"] < 1e-9
    less, tiny, energy, tuned = lie_stage(problem, ansatz, full.angles, LieOptions(parameters=6))
    assert tiny.n_parameters <= 6
    assert 0.0 < energy - full.value <= less.certificate.state_bound
    assert tuned.value - problem.energies["exact"] < 1e-9
    assert merge.certificate.epsilon < less.certificate.epsilon
