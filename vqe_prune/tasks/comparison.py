"""One seed of a task: train the full circuit, prune it by each rule and at random, and train controls of the same size.

Everything goes through an objective, as with energies: nothing here knows what a circuit is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.circuit import qubit_gates
from vqe_prune.gates import count_resources
from vqe_prune.journal import optimum_content, read_optimum
from vqe_prune.objective import Objective
from vqe_prune.optimize import Optimum, minimize
from vqe_prune.paulis import Clifford, PauliSum
from vqe_prune.prune.controls import rank_at_random
from vqe_prune.prune.elimination import PathPoint, Ranking, eliminate, restrict
from vqe_prune.prune.lie_options import LieOptions
from vqe_prune.prune.plan import apply_plan
from vqe_prune.prune.rounds import eliminate_in_rounds
from vqe_prune.prune.steps import RANKINGS
from vqe_prune.score.identifiers import Weights
from vqe_prune.settings import Settings
from vqe_prune.tasks.memory import Memory
from vqe_prune.tasks.one_shot import Register, merged_by_distance, tied_by_symmetry

Vector = NDArray[np.float64]
Content = dict[str, Any]
Say = Callable[[str], Any]

FULL, RANDOM = "full", "random"
CAREFUL = 2
"""From this many times the budget on, parameters go one at a time, and others are tried where one costs too much."""

SAME_GATES, REGULAR = "same gates from scratch", "regular circuit from scratch"
"""Controls: the gates that the first rule left, and an unpruned circuit that is as small, from random angles."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CircuitTask:
    """What the comparison needs to know of a task.

    Attributes:
        n_qubits: Number of qubits.
        full: The circuit to prune.
        regular: Returns an unpruned circuit with at most so many parameters, None where there is none.
        bind: Returns what is pruned by, the loss of an ansatz.
        train: Returns angles and plain data about the training, from an ansatz, its first angles and a name to
            remember it by.
        scores: Returns numbers for the table, of an ansatz and its angles.
        details: Returns plain data for the pictures, of an ansatz and its angles.
        spread: Standard deviation of first angles, radian.
        gradient_tolerance: Of re-optimisations on the way.
        share: Of the parameters left, how many are deleted at a time while there are many; 0 for one at a time.
        trial_steps: Most steps of re-optimisations after deletions that are only tried; None for no limit.
        polishing_steps: Most steps from the trained angles to the minimum of the loss that is pruned by.
        register: What the rules ``lie`` and ``eqntk`` see, None where they are not among the rules.
        lie: How the rule ``lie`` compares gates.

    """

    n_qubits: int
    full: Ansatz
    regular: Callable[[int], Ansatz | None]
    bind: Callable[[Ansatz], Objective]
    train: Callable[[Ansatz, Vector, str], tuple[Vector, Content]]
    scores: Callable[[Ansatz, Vector], dict[str, float]]
    details: Callable[[Ansatz, Vector], Content]
    spread: float
    gradient_tolerance: float
    share: float
    trial_steps: int | None
    polishing_steps: int
    register: Register | None = None
    lie: LieOptions = field(default_factory=LieOptions)


def budget_of(settings: Settings, n_parameters: int) -> int:
    """Return how many parameters a circuit is pruned to: as many as were asked for, or by the compression."""
    return settings.pruner.parameters or max(1, int(n_parameters / float(settings.task.compression or 1.0)))


def lie_options_of(settings: Settings) -> LieOptions:
    """Return how the rule ``lie`` compares gates; its budget is not among the settings of the rule."""
    algebra, fubini, fisher = settings.pruner.weights
    return LieOptions(distance=settings.pruner.distance, weights=Weights(algebra=algebra, fubini=fubini, fisher=fisher))


def compare(task: CircuitTask, rules: Sequence[str], budget: int, seed: int, memory: Memory, say: Say) -> Content:
    """Return the rows of one seed and what its pictures need.

    Args:
        task: The task.
        rules: Of `vqe_prune.prune.steps.RANKINGS`, ``lie`` and ``eqntk``; the circuit of the first is drawn, its gates
            trained from scratch.
        budget: Parameters to prune to.
        seed: Of first angles and of the random rule.
        memory: Of what is done already.
        say: Told of every row.

    Returns:
        ``rows``, ``curves`` (of trainings by row), ``details`` (by row) and ``gates`` (labels and angles of the first
        rule's circuit).

    """
    task = _of_gates_that_act(task)
    found = _Rows(task, memory, say)
    first = random_start(task.full, task.spread, seed, 0)
    angles = found.trained(FULL, task.full, first)
    optimum = _polished(task, task.full, angles, memory)
    pruned: dict[str, tuple[Ansatz, Vector]] = {}
    for rule in [*rules, RANDOM]:
        smaller, start, path = _pruned(task, rule, optimum, budget, seed, memory, say)
        found.add(rule, smaller, start)
        pruned[rule] = smaller, found.trained(f"{rule}, tuned", smaller, start)
        found.paths[rule] = path
    smaller, tuned = pruned[rules[0]]
    found.trained(SAME_GATES, smaller, random_start(smaller, task.spread, seed, 1))
    regular = task.regular(budget)
    if regular is not None:
        found.trained(REGULAR, regular, random_start(regular, task.spread, seed, 2))
    return {
        "rows": found.rows,
        "curves": found.curves,
        "paths": found.paths,
        "details": found.details,
        "gates": [
            [rotation.generator.label, rotation.parameter, float(angle)]
            for rotation, angle in zip(smaller.rotations, smaller.rotation_angles(tuned), strict=True)
        ],
    }


def _of_gates_that_act(task: CircuitTask) -> CircuitTask:
    """The task, losses and trainings on circuits without idle gates: of a pruned circuit they are most of the time."""
    return replace(
        task,
        bind=lambda ansatz: task.bind(without_idle_gates(ansatz)),
        train=lambda ansatz, start, name: task.train(without_idle_gates(ansatz), start, name),
    )


def random_start(ansatz: Ansatz, spread: float, seed: int, stream: int) -> Vector:
    """Return normal first angles around 0 that depend on seed and stream alone, radian, shape (n_parameters,)."""
    return np.random.default_rng([seed, 1, stream]).normal(0.0, spread, ansatz.n_parameters)


def without_idle_gates(ansatz: Ansatz) -> Ansatz:
    """Return an ansatz without pairs of equal CZ gates that only gates of Z stand between: it is the same circuit."""
    kept: list[Rotation] = []
    for rotation in ansatz.rotations:
        partner = _equal_before(kept, rotation)
        if partner is None:
            kept.append(rotation)
        else:
            del kept[partner]
    return replace(ansatz, rotations=tuple(kept))


def _equal_before(kept: Sequence[Rotation], rotation: Rotation) -> int | None:
    """Place of the CZ that a CZ cancels, None where there is none."""
    generator = rotation.generator
    if not (isinstance(generator, Clifford) and generator.name == "cz"):
        return None
    for place in range(len(kept) - 1, -1, -1):
        other = kept[place].generator
        if isinstance(other, Clifford) and other.name == "cz" and set(other.qubits) == set(generator.qubits):
            return place
        if isinstance(other, Clifford):
            diagonal = other.name in ("cz", "z", "s", "sdg")
        else:
            terms = other.terms if isinstance(other, PauliSum) else ()
            diagonal = bool(terms) and all(letter == "Z" for _, string in terms for _, letter in string)
        shared = not isinstance(other, PauliSum | Clifford) or set(other.qubits) & set(generator.qubits)
        if shared and not diagonal:
            return None
    return None


class _Rows:
    """The rows so far."""

    def __init__(self, task: CircuitTask, memory: Memory, say: Say) -> None:
        self._task, self._memory, self._say = task, memory, say
        self.rows: list[Content] = []
        self.curves: dict[str, Content] = {}
        self.details: dict[str, Content] = {}
        self.paths: dict[str, list[list[float]]] = {}

    def trained(self, name: str, ansatz: Ansatz, start: Vector) -> Vector:
        """Train, add the row, and return the angles."""

        def work() -> Content:
            angles, curve = self._task.train(ansatz, start, name)
            return {"angles": angles.tolist(), "curve": curve}

        done = self._memory.once(f"train {name}", work)
        self.curves[name] = done["curve"]
        angles = np.array(done["angles"], dtype=float)
        self.add(name, ansatz, angles)
        return angles

    def add(self, name: str, ansatz: Ansatz, angles: Vector) -> None:
        """Score an ansatz."""
        gates = qubit_gates(without_idle_gates(ansatz), angles, "0" * self._task.n_qubits)
        row: Content = {
            "name": name,
            "n_parameters": ansatz.n_parameters,
            "n_rotations": sum(rotation.parameter is not None for rotation in ansatz.rotations),
            "n_two_qubit_gates": count_resources(gates).n_two_qubit_gates,
            "scores": self._task.scores(ansatz, angles),
        }
        self.rows.append(row)
        self.details[name] = self._task.details(ansatz, angles)
        numbers = ", ".join(f"{score} {value:.4g}" for score, value in row["scores"].items())
        self._say(f"{name}: {row['n_parameters']} parameters, {numbers}")


def _pruned(
    task: CircuitTask, rule: str, optimum: Optimum, budget: int, seed: int, memory: Memory, say: Say
) -> tuple[Ansatz, Vector, list[list[float]]]:
    """Prune the full circuit by a rule: the smaller circuit, its angles, and the number of parameters and the loss on
    the way.
    """
    if rule == "lie":
        assert task.register is not None
        options = replace(task.lie, parameters=budget)
        plan, start = merged_by_distance(task.register, task.bind, task.full, optimum.angles, options)
        smaller = apply_plan(plan, task.full)
        value = task.bind(smaller).value_and_gradient(start)[0]
        return smaller, start, [[task.full.n_parameters, optimum.value], [smaller.n_parameters, value]]
    first, ways = task.full, [[task.full.n_parameters, optimum.value]]
    if rule == "eqntk":
        assert task.register is not None
        plan, start = tied_by_symmetry(task.register, task.full, optimum.angles)
        first = apply_plan(plan, task.full)
        optimum = _polished(task, first, start, memory, f"{rule}, ")
        ranking = RANKINGS["curvature"]
    else:
        ranking = rank_at_random(seed) if rule == RANDOM else RANKINGS[rule]
    path = _path(replace(task, full=first), rule, ranking, optimum, budget, memory, say)
    ways = [*(ways if rule == "eqntk" else []), *([len(point.kept), point.value] for point in path)]
    return restrict(first, path[-1].kept), path[-1].angles, ways


def _polished(task: CircuitTask, ansatz: Ansatz, angles: Vector, memory: Memory, mark: str = "") -> Optimum:
    """Go from trained angles to the minimum of the loss: deleting is predicted from there."""

    def work() -> Mapping[str, Any]:
        found = minimize(
            task.bind(ansatz), angles, gradient_tolerance=task.gradient_tolerance, max_steps=task.polishing_steps
        )
        return optimum_content(found)

    return read_optimum(memory.once(f"{mark}polish", work))


def _path(
    task: CircuitTask, rule: str, ranking: Ranking, optimum: Optimum, budget: int, memory: Memory, say: Say
) -> list[PathPoint]:
    def progress(point: PathPoint) -> None:
        memory.add_point(rule, point)
        if task.share or len(point.kept) % 20 == 0:
            say(f"{rule}: {len(point.kept)} parameters left, loss {point.value:.4g}")

    common: Content = {
        "earlier": memory.path(rule),
        "gradient_tolerance": task.gradient_tolerance,
        "progress": progress,
    }
    if task.share and _left(task, common["earlier"]) > CAREFUL * budget:
        steps, share = task.polishing_steps, task.share
        common["earlier"] = eliminate_in_rounds(
            task.bind, task.full, optimum, ranking, budget=CAREFUL * budget, share=share, max_steps=steps, **common
        )
    common |= {"verify": rule != RANDOM, "trial_steps": task.trial_steps}  # chance that is corrected is none
    return eliminate(task.bind, task.full, optimum, ranking, enough=lambda point: len(point.kept) <= budget, **common)


def _left(task: CircuitTask, path: Sequence[PathPoint]) -> int:
    """Parameters left at the end of a path that may not have begun."""
    return len(path[-1].kept) if path else task.full.n_parameters
