"""Generation of bars and stripes: a circuit Born machine, whose outcome probabilities are pulled to a distribution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.layered import connected_pairs, hardware_efficient
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.engine.samples import SampleEngine
from vqe_prune.optimize import minimize
from vqe_prune.report.task_pictures import curves_picture, pruning_picture, samples_picture
from vqe_prune.settings import Settings
from vqe_prune.tasks.comparison import FULL, CircuitTask, budget_of, compare, lie_options_of
from vqe_prune.tasks.losses import Discrepancy, Divergence, hamming_kernel
from vqe_prune.tasks.memory import Memory
from vqe_prune.tasks.objective import SampleObjective
from vqe_prune.tasks.one_shot import Register, permutations_of, register_of
from vqe_prune.tasks.training import Schedule, train_in_batches

Content = dict[str, Any]
Vector = NDArray[np.float64]
State = NDArray[np.complex128]

KL, VALID, MMD = "KL", "valid / %", "MMD"

N_SAMPLES = 24
"""Samples that a picture shows."""

START_SPREAD = 0.5
GRADIENT_TOLERANCE = 1e-6

MANY_PARAMETERS = 400
"""Of more, a tenth goes in every round as long as more than twice the budget is left."""

SHARE, TRIAL_STEPS = 0.1, 30
"""Of the parameters left in a round, and of re-optimisations after deletions that are only tried."""


def bars_and_stripes(rows: int, columns: int) -> Vector:
    """Return the uniform distribution over the images whose rows, or whose columns, are each all 0 or all 1.

    Pixels are qubits, row by row, qubit 0 most significant; shape (2^(rows * columns),). There are 2^rows + 2^columns
    - 2 such images.

    Source: M. Benedetti, D. Garcia-Pintos, O. Perdomo, V. Leyton-Ortega, Y. Nam, A. Perdomo-Ortiz, A generative
        modeling approach for benchmarking and training shallow quantum circuits, arXiv 1801.07686.

    """
    images = [np.repeat([bits], columns, axis=0).T for bits in product((0, 1), repeat=rows)]
    images += [np.repeat([bits], rows, axis=0) for bits in product((0, 1), repeat=columns)]
    places = {int("".join(map(str, image.ravel())), 2) for image in images}
    target = np.zeros(1 << (rows * columns))
    target[sorted(places)] = 1.0 / len(places)
    return target


@dataclass(frozen=True, eq=False, kw_only=True)
class BornMachine:
    """A distribution over bit strings that circuits are bound to.

    Attributes:
        settings: Of the study.
        seed: Of the shots.

    """

    settings: Settings
    seed: int

    @cached_property
    def target(self) -> Vector:
        """The distribution."""
        rows, columns = self.settings.task.size or (1, 1)
        return bars_and_stripes(rows, columns)

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return len(self.target).bit_length() - 1

    @cached_property
    def divergence(self) -> Divergence:
        """The Kullback-Leibler divergence from the target."""
        return Divergence(target=self.target)

    @cached_property
    def discrepancy(self) -> Discrepancy:
        """The squared maximum mean discrepancy from the target."""
        return Discrepancy(target=self.target, kernel=hamming_kernel(self.n_qubits))

    @cached_property
    def zero(self) -> State:
        """|0...0>, shape (2^n,)."""
        zero = np.zeros(len(self.target), dtype=np.complex128)
        zero[0] = 1.0
        return zero

    @cached_property
    def register(self) -> Register:
        """The qubits with the permutations that leave the distribution as it is."""
        return register_of(self.n_qubits, self.zero[None, :], permutations_of(self.target))

    def bind(self, ansatz: Ansatz, *, by: str | None = None) -> SampleObjective:
        """Return a divergence of an ansatz: exact, of the kind that it is trained by or another."""
        engine = SampleEngine(n_qubits=self.n_qubits, ansatz=ansatz, references=self.zero)
        loss = self.divergence if (by or self.settings.task.loss) == "kl" else self.discrepancy
        return SampleObjective(engine, loss, np.zeros(1, dtype=np.int64))

    def train(self, ansatz: Ansatz, start: Vector, memory: Memory, name: str) -> tuple[Vector, Content]:
        """Train by L-BFGS on the exact divergence, or by Adam on the discrepancy of shots."""
        task, objective = self.settings.task, self.bind(ansatz)
        if task.loss == "kl":
            values = [objective.value(start)]
            found = minimize(
                objective,
                start,
                gradient_tolerance=GRADIENT_TOLERANCE,
                max_steps=int(task.epochs or 0),
                progress=lambda step, value, angles: values.append(value),
            )
            return found.angles, {"train": values, "validation": [], "best": found.steps}
        rng = np.random.default_rng([self.seed, 3])
        schedule = Schedule(
            epochs=int(task.epochs or 0), batch=1, n_samples=1, learning_rate=float(task.learning_rate or 0.0),
            patience=None, seed=self.seed,
        )  # fmt: skip
        return train_in_batches(
            lambda angles, _: objective.sampled(angles, int(task.shots or 1), rng),
            objective.value, start, schedule, memory, name,
        )  # fmt: skip

    def scores(self, ansatz: Ansatz, angles: Vector) -> dict[str, float]:
        """Return the divergence, the share of samples that are bars or stripes, and the discrepancy."""
        q = self.bind(ansatz).probabilities(angles)[:, 0]
        return {
            KL: self.bind(ansatz, by="kl").value(angles),
            VALID: 100.0 * float(q[self.target > 0].sum()),
            MMD: self.bind(ansatz, by="mmd").value(angles),
        }

    def details(self, ansatz: Ansatz, angles: Vector) -> Content:
        """Return samples as bit strings."""
        q = self.bind(ansatz).probabilities(angles)[:, 0]
        drawn = np.random.default_rng([self.seed, 4]).choice(len(q), N_SAMPLES, p=q / q.sum())
        return {"samples": [f"{k:0{self.n_qubits}b}" for k in drawn], "valid": (self.target[drawn] > 0).tolist()}


def check(settings: Settings) -> Content:
    """Return facts about the distribution."""
    rows, columns = settings.task.size or (1, 1)
    target = bars_and_stripes(rows, columns)
    how = {
        "kl": "trained by the exact Kullback-Leibler divergence",
        "mmd": f"trained by the maximum mean discrepancy of {settings.task.shots} shots a step",
    }
    lines = [
        f"bars and stripes of {rows} x {columns} pixels: {np.count_nonzero(target)} of {len(target)} images",
        f"{rows * columns} qubits, {how[str(settings.task.loss)]}",
    ]
    return {"lines": lines}


def run_seed(settings: Settings, seed: int, memory: Memory, say: Callable[[str], Any]) -> Content:
    """Return the rows of one seed: first angles and shots are its own."""
    chosen, model = settings.ansatz, BornMachine(settings=settings, seed=seed)
    build = partial(hardware_efficient, model.n_qubits, pairs=connected_pairs(str(chosen.connectivity), model.n_qubits))
    full = build(int(chosen.layers or 1), blocks=list(chosen.blocks or ()), entangler=str(chosen.entangler))
    ring = partial(hardware_efficient, model.n_qubits, blocks=["y"], entangler="cx")
    circuit = CircuitTask(
        n_qubits=model.n_qubits,
        full=full,
        regular=lambda budget: ring(budget // model.n_qubits) if budget >= model.n_qubits else None,
        bind=model.bind,
        train=lambda ansatz, start, name: model.train(ansatz, start, memory, name),
        scores=model.scores,
        details=model.details,
        spread=START_SPREAD,
        gradient_tolerance=GRADIENT_TOLERANCE,
        share=SHARE if full.n_parameters > MANY_PARAMETERS else 0.0,
        trial_steps=TRIAL_STEPS,
        polishing_steps=int(settings.task.epochs or 0),
        register=model.register,
        lie=lie_options_of(settings),
    )
    return compare(circuit, settings.pruner.rules, budget_of(settings, full.n_parameters), seed, memory, say)


def figures(content: Content) -> list[tuple[str, str, str]]:
    """Return training curves, pruning paths and samples."""
    rule = content["settings"]["pruner"]["rules"][0]
    rows, columns = content["settings"]["task"]["size"]
    details = content["runs"][0]["details"]
    chosen = {name: details[name] for name in (FULL, f"{rule}, tuned", "random, tuned")}
    kind = "KL" if content["settings"]["task"]["loss"] == "kl" else "MMD"
    return [
        ("Training", curves_picture(content, kind), f"{kind} at every step, the mean over the seeds still training."),
        ("Pruning", pruning_picture(content, kind), f"{kind} of every re-optimised circuit, one line a seed."),
        (
            "Samples",
            samples_picture(chosen, rows, columns),
            "Images drawn from the circuits of the first seed; those that are neither bars nor stripes are framed.",
        ),
    ]
