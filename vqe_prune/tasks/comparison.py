"""One seed of a task: train the full circuit, prune it by each rule and at random, and train controls of the same size.

Everything goes through an objective, as with energies: nothing here knows what a circuit is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from vqe_prune.prune.rounds import eliminate_in_rounds
from vqe_prune.prune.steps import RANKINGS
from vqe_prune.settings import Settings
from vqe_prune.tasks.memory import Memory

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
        polishing_steps: Most steps from the trained angles to the minimum of the loss that is pruned by.

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
    polishing_steps: int


def budget_of(settings: Settings, n_parameters: int) -> int:
    """Return how many parameters a circuit is pruned to: as many as were asked for, or by the compression."""
    return settings.pruner.parameters or max(1, int(n_parameters / float(settings.task.compression or 1.0)))


def compare(task: CircuitTask, rules: Sequence[str], budget: int, seed: int, memory: Memory, say: Say) -> Content:
    """Return the rows of one seed and what its pictures need.

    Args:
        task: The task.
        rules: Of `vqe_prune.prune.steps.RANKINGS`; the circuit of the first is drawn, its gates trained from scratch.
        budget: Parameters to prune to.
        seed: Of first angles and of the random rule.
        memory: Of what is done already.
        say: Told of every row.

    Returns:
        ``rows``, ``curves`` (of trainings by row), ``details`` (by row) and ``gates`` (labels and angles of the first
        rule's circuit).

    """
    found = _Rows(task, memory, say)
    first = random_start(task.full, task.spread, seed, 0)
    angles = found.trained(FULL, task.full, first)
    optimum = _polished(task, angles, memory)
    pruned: dict[str, tuple[Ansatz, Vector]] = {}
    for rule in [*rules, RANDOM]:
        ranking = rank_at_random(seed) if rule == RANDOM else RANKINGS[rule]
        path = _path(task, rule, ranking, optimum, budget, memory, say)
        smaller = restrict(task.full, path[-1].kept)
        found.add(rule, smaller, path[-1].angles)
        pruned[rule] = smaller, found.trained(f"{rule}, tuned", smaller, path[-1].angles)
        found.paths[rule] = [[len(point.kept), point.value] for point in path]
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


def _polished(task: CircuitTask, angles: Vector, memory: Memory) -> Optimum:
    """Go from trained angles to the minimum of the loss: deleting is predicted from there."""

    def work() -> Mapping[str, Any]:
        found = minimize(
            task.bind(task.full), angles, gradient_tolerance=task.gradient_tolerance, max_steps=task.polishing_steps
        )
        return optimum_content(found)

    return read_optimum(memory.once("polish", work))


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
    careful = rule != RANDOM  # chance that is corrected is none
    return eliminate(
        task.bind, task.full, optimum, ranking, enough=lambda point: len(point.kept) <= budget, verify=careful, **common
    )


def _left(task: CircuitTask, path: Sequence[PathPoint]) -> int:
    """Parameters left at the end of a path that may not have begun."""
    return len(path[-1].kept) if path else task.full.n_parameters
