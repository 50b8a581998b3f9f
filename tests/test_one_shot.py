"""Rules that tie and merge the gates of a task's circuit, against permutations tried one by one and merges by hand."""

from itertools import permutations

import numpy as np
import pytest

from vqe_prune.ansatz.layered import connected_pairs, hardware_efficient
from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.config import parse_settings
from vqe_prune.engine.samples import SampleEngine
from vqe_prune.errors import InputError
from vqe_prune.paulis import Clifford, PauliSum
from vqe_prune.prune.elimination import eliminate
from vqe_prune.prune.lie_options import LieOptions
from vqe_prune.prune.plan import Action, apply_plan
from vqe_prune.tasks.generate import bars_and_stripes
from vqe_prune.tasks.losses import Divergence, LogLoss, z_diagonals
from vqe_prune.tasks.objective import SampleObjective
from vqe_prune.tasks.one_shot import merged_by_distance, permutations_of, register_of, tied_by_symmetry


def zero(n: int) -> np.ndarray:
    state = np.zeros(1 << n, dtype=np.complex128)
    state[0] = 1.0
    return state


def moved(p: np.ndarray, permutation: tuple[int, ...]) -> np.ndarray:
    """The distribution with what bit q said at bit permutation[q], bit strings moved one at a time."""
    n = len(permutation)
    found = np.zeros_like(p)
    for index, value in enumerate(p):
        bits = f"{index:0{n}b}"
        image = "".join(bits[permutation.index(q)] for q in range(n))
        found[int(image, 2)] = value
    return found


def keepers(p: np.ndarray) -> list[tuple[int, ...]]:
    """All permutations of the bits that leave a distribution as it is, by trying each."""
    n = len(p).bit_length() - 1
    return [each for each in permutations(range(n)) if np.allclose(moved(p, each), p, atol=1e-12)]


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (2, 3)])
def test_permutations_of_bars_and_stripes_are_those_that_keep_them(rows: int, columns: int) -> None:
    target = bars_and_stripes(rows, columns)
    found = permutations_of(target)
    assert found.order == len(keepers(target))
    assert all(np.allclose(moved(target, each), target) for each in found.generators)


def test_a_distribution_without_symmetry_has_the_identity_alone() -> None:
    p = np.random.default_rng(3).dirichlet(np.ones(16))
    assert permutations_of(p).order == len(keepers(p)) == 1


def test_a_tied_circuit_keeps_every_permutation_of_the_target_at_all_angles() -> None:
    target, rng = bars_and_stripes(2, 2), np.random.default_rng(5)
    register = register_of(4, zero(4)[None, :], permutations_of(target))
    full = hardware_efficient(4, 5, blocks=["y", "z"], entangler="xx", pairs=connected_pairs("full", 4))
    plan, start = tied_by_symmetry(register, full, rng.normal(0.0, 1.0, full.n_parameters))
    tied = apply_plan(plan, full)
    assert tied.n_parameters == len(start) < full.n_parameters / 3
    angles = rng.normal(0.0, 1.0, tied.n_parameters)
    engine = SampleEngine(n_qubits=4, ansatz=tied, references=zero(4))
    p = SampleObjective(engine, Divergence(target=target), np.zeros(1, dtype=np.int64)).probabilities(angles)[:, 0]
    assert all(np.allclose(moved(p, each), p, atol=1e-12) for each in keepers(target))


def test_a_loss_without_symmetry_cannot_be_tied() -> None:
    register = register_of(3, zero(3)[None, :])
    ansatz = hardware_efficient(3, 2)
    with pytest.raises(InputError, match="connectivity=full"):
        tied_by_symmetry(register, ansatz, np.ones(ansatz.n_parameters))


def one_qubit_loss(states: np.ndarray):
    """Log-loss of two classes by <Z> of qubit 0 of two, as a function of the ansatz."""
    loss = LogLoss(diagonals=np.array([z_diagonals(2, [0]).sum(axis=0)]), labels=np.arange(len(states)) % 2, scale=2.0)
    rows = np.arange(len(states))
    return lambda ansatz: SampleObjective(SampleEngine(n_qubits=2, ansatz=ansatz, references=states), loss, rows)


def turns(*gates: str) -> Ansatz:
    """Gates as ``y0``, a rotation of its own angle, or ``cz``."""
    rotations, count = [], 0
    for gate in gates:
        if gate == "cz":
            rotations.append(Rotation(Clifford("cz", (0, 1)), None))
        else:
            rotations.append(Rotation(PauliSum(((0.5, ((int(gate[1]), gate[0].upper()),)),)), count))
            count += 1
    return Ansatz(name="by hand", rotations=tuple(rotations), n_parameters=count)


def some_states() -> np.ndarray:
    states = np.random.default_rng(11).normal(size=(6, 4)) + 0j
    return states / np.linalg.norm(states, axis=1, keepdims=True)


def test_gates_that_are_close_share_their_mean() -> None:
    ansatz = turns("y0", "cz", "y0", "cz", "y1")
    register, angles = register_of(2, some_states()), np.array([0.30, 0.32, 1.9])
    plan, start = merged_by_distance(register, one_qubit_loss(some_states()), ansatz, angles, LieOptions(parameters=2))
    assert [decision.action for decision in plan.decisions if decision.action is not Action.KEEP] == [Action.TIE]
    np.testing.assert_allclose(start, [0.31, 1.9], atol=1e-12)


def test_by_the_task_a_gate_that_no_reading_sees_goes_first_however_far_it_turns() -> None:
    states = some_states()
    bind, register = one_qubit_loss(states), register_of(2, states)
    ansatz, angles = turns("y0", "y1", "cz", "y0", "z0"), np.array([0.4, 0.2, 0.3, 2.5])
    plan, start = merged_by_distance(register, bind, ansatz, angles, LieOptions(parameters=3, distance="task"))
    assert plan.decisions[4].action is Action.DROP
    before, after = bind(ansatz).value(angles), bind(apply_plan(plan, ansatz)).value(start)
    assert after == pytest.approx(before, abs=1e-12)
    near, _ = merged_by_distance(register, bind, ansatz, angles, LieOptions(parameters=3))
    assert near.decisions[4].action is Action.KEEP  # the geometric distance goes by how far it turns


def test_points_of_a_path_are_minima_where_deletions_are_tried_in_a_few_steps() -> None:
    target = bars_and_stripes(2, 2)
    engine = SampleEngine

    def bind(ansatz: Ansatz) -> SampleObjective:
        circuit = engine(n_qubits=4, ansatz=ansatz, references=zero(4))
        return SampleObjective(circuit, Divergence(target=target), np.zeros(1, dtype=np.int64))

    from vqe_prune.optimize import minimize
    from vqe_prune.tasks.comparison import RANKINGS

    ansatz = hardware_efficient(4, 3, blocks=["y"], entangler="xx")
    first = minimize(bind(ansatz), np.random.default_rng(1).normal(0.0, 0.5, ansatz.n_parameters))
    path = eliminate(
        bind, ansatz, first, RANKINGS["curvature"], enough=lambda point: len(point.kept) <= 12, verify=True,
        trial_steps=2, gradient_tolerance=1e-6,
    )  # fmt: skip
    assert len(path[-1].kept) == 12
    for point in path[1:]:
        assert point.optimum.gradient <= 1e-6 or "precision" in point.optimum.reason.value


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["task=classify", "pruner=eqntk"], "not for task=classify"),
        (["task=classify", "pruner=lie", "task.encoding=reuploading"], "encode data"),
        (["task=generate", "pruner.distance=task"], "no effect with pruner=curvature"),
        (["task=generate", "pruner=lie", "pruner.distance=far"], "pruner.distance"),
    ],
)
def test_rules_that_have_no_meaning_are_refused_in_words(words: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_settings(words)
