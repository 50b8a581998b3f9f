"""Training from random angles, many seeds side by side: how often and how fast an ansatz finds its ground state."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.errors import InputError
from vqe_prune.objective import QubitEnergyObjective
from vqe_prune.optimize import minimize
from vqe_prune.parallel import main_hidden
from vqe_prune.paulis import QubitHamiltonian, State

Vector = NDArray[np.float64]

METHODS = ("adam", "l-bfgs")

QUARTILES = (0.25, 0.5, 0.75)

WORTH_PROCESSES = 20.0
"""Seconds of work from which on starting processes, some seconds each, pays."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How angles are found from random starts.

    Attributes:
        method: ``adam``, with a fixed number of steps, or ``l-bfgs``, until it converges.
        n_seeds: Number of random starts.
        steps: Steps of Adam, largest number of steps of L-BFGS.
        learning_rate: Of Adam, in radian a step.
        threshold: Error that counts as success when it is reached at any step.

    """

    method: str = "adam"
    n_seeds: int = 8
    steps: int = 600
    learning_rate: float = 0.05
    threshold: float = 1e-6


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingRun:
    """One training from random angles.

    Attributes:
        seed: What the first angles were drawn with.
        values: Value before the first and after every step; shape (n_steps + 1,).
        angles: Angles of the lowest value, radian; shape (n_parameters,).

    """

    seed: int
    values: Vector
    angles: Vector

    @property
    def lowest(self) -> float:
        """The lowest value of the run."""
        return float(self.values.min())

    def steps_to(self, value: float) -> int | None:
        """Return the first step at which the value is below a number, None where it never is."""
        below = np.flatnonzero(self.values < value)
        return int(below[0]) if len(below) else None


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingStudy:
    """Trainings of one ansatz from several seeds.

    Attributes:
        method: ``adam`` or ``l-bfgs``.
        runs: One a seed.
        exact: What errors are counted from, the lowest value of all runs where the exact one is not known.
        threshold: Error below which a run is a success.

    """

    method: str
    runs: tuple[TrainingRun, ...]
    exact: float
    threshold: float

    @property
    def best(self) -> TrainingRun:
        """The run with the lowest value."""
        return min(self.runs, key=lambda run: run.lowest)

    @property
    def successes(self) -> list[int]:
        """Steps to the threshold of every run that came so near to the exact value at any step, fewest first."""
        inside = [run for run in self.runs if run.lowest > self.exact - self.threshold]  # lower is another sector
        steps = [run.steps_to(self.exact + self.threshold) for run in inside]
        return sorted(step for step in steps if step is not None)

    @property
    def lowest_errors(self) -> Vector:
        """Lowest error of every run, smallest first; shape (n_seeds,)."""
        return np.sort([run.lowest - self.exact for run in self.runs])

    def as_row(self) -> dict[str, Any]:
        """Return what a record holds: success, quartiles of steps and errors, and the curve of errors."""
        steps, errors = self.quartiles()
        low, median, high = (row.tolist() for row in errors)
        reached = self.successes
        return {
            "method": self.method,
            "n_seeds": len(self.runs),
            "threshold": self.threshold,
            "n_successes": len(reached),
            "steps_quartiles": [float(q) for q in np.quantile(reached, QUARTILES)] if reached else None,
            "error_quartiles": [float(q) for q in np.quantile(self.lowest_errors, QUARTILES)],
            "curve": {"steps": steps.tolist(), "low": low, "median": median, "high": high},
        }

    def quartiles(self) -> tuple[NDArray[np.int64], Vector]:
        """Return at most 200 steps, shape (n_steps,), and the quartiles of the errors there, shape (3, n_steps).

        A run that has ended counts with its last value.
        """
        length = max(len(run.values) for run in self.runs)
        steps = np.unique(np.linspace(0, length - 1, min(length, 200)).astype(np.int64))
        errors = [run.values[np.minimum(steps, len(run.values) - 1)] - self.exact for run in self.runs]
        return steps, np.quantile(errors, QUARTILES, axis=0)


def train(
    hamiltonian: QubitHamiltonian,
    ansatz: Ansatz,
    reference: State,
    training: Training | None = None,
    *,
    seed: int = 0,
    exact: float | None = None,
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> TrainingStudy:
    """Train an ansatz from angles uniform in [0, 2 pi), from several seeds.

    Args:
        hamiltonian: What is minimised.
        ansatz: Pauli rotations and Clifford gates.
        reference: The state that they act on, shape (2^n,).
        training: Method, number of seeds and steps.
        seed: The first seed; a run depends on its own seed alone.
        exact: What errors are counted from.
        workers: Processes of one thread each that share the seeds of a long study; short ones stay in this process.
        progress: Told in words how long it will take, where that is noticeable.

    Raises:
        InputError: The method is unknown.

    """
    training = training or Training()
    method, steps = training.method, training.steps
    if method not in METHODS:
        raise InputError(f"unknown training.method={method}; available: {', '.join(METHODS)}")
    seeds = range(seed, seed + training.n_seeds)
    task = _Task(hamiltonian, ansatz, reference, method, steps, training.learning_rate)
    objective = QubitEnergyObjective(hamiltonian, ansatz, reference)
    trial = np.zeros(ansatz.n_parameters)
    objective.value_and_gradient(trial)  # compiles the ansatz
    began = time.perf_counter()
    objective.value_and_gradient(trial)
    seconds = (time.perf_counter() - began) * steps * len(seeds)
    workers = min(workers, len(seeds)) if seconds > WORTH_PROCESSES else 1
    if progress is not None and seconds / workers > 3.0:
        progress(f"{len(seeds)} trainings of {ansatz.n_parameters} parameters, about {seconds / workers:.0f} s")
    if workers == 1:
        runs = task(seeds)
    else:
        shares = [list(seeds[k::workers]) for k in range(workers)]
        with main_hidden(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            runs = [run for part in pool.map(task, shares) for run in part]
    runs = sorted(runs, key=lambda run: run.seed)
    exact = min(run.lowest for run in runs) if exact is None else exact
    return TrainingStudy(method=method, runs=tuple(runs), exact=exact, threshold=training.threshold)


@dataclass(frozen=True, eq=False)
class _Task:
    """What one process does; made of plain data, so that it can be sent to it."""

    hamiltonian: QubitHamiltonian
    ansatz: Ansatz
    reference: State
    method: str
    steps: int
    learning_rate: float

    def __call__(self, seeds: Sequence[int]) -> list[TrainingRun]:
        objective = QubitEnergyObjective(self.hamiltonian, self.ansatz, self.reference)
        starts = np.array([random_angles(self.ansatz, seed) for seed in seeds])
        if self.method == "adam":
            values, angles = adam(objective, starts, steps=self.steps, learning_rate=self.learning_rate)
            rows = zip(seeds, values.T, angles, strict=True)
            return [TrainingRun(seed=seed, values=row, angles=end) for seed, row, end in rows]
        return [self._by_lbfgs(objective, seed, start) for seed, start in zip(seeds, starts, strict=True)]

    def _by_lbfgs(self, objective: QubitEnergyObjective, seed: int, start: Vector) -> TrainingRun:
        values = [objective.value_and_gradient(start)[0]]
        optimum = minimize(
            objective,
            start,
            gradient_tolerance=1e-7,
            max_steps=self.steps,
            progress=lambda step, value, angles: values.append(value),
        )
        return TrainingRun(seed=seed, values=np.array(values), angles=optimum.angles)


def random_angles(ansatz: Ansatz, seed: int) -> Vector:
    """Return angles uniform in [0, 2 pi) that depend on the seed alone, shape (n_parameters,)."""
    return np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, ansatz.n_parameters)


def adam(
    objective: QubitEnergyObjective,
    starts: Vector,
    *,
    steps: int,
    learning_rate: float = 0.05,
    decay: tuple[float, float] = (0.9, 0.999),
) -> tuple[Vector, Vector]:
    """Minimise from many starts at once by Adam.

    Args:
        objective: Gives values and gradients of many angles together.
        starts: First angles, radian; shape (n_sets, n_parameters).
        steps: Number of steps.
        learning_rate: Radian a step.
        decay: Of the means of gradient and squared gradient.

    Returns:
        Values before the first and after every step, (steps + 1, n_sets), and the angles of the lowest value of each
        set, shape of `starts`.

    Source: D. P. Kingma, J. Ba, Adam: a method for stochastic optimization, arXiv 1412.6980.

    """
    angles = np.array(starts, dtype=float)
    mean, square = np.zeros_like(angles), np.zeros_like(angles)
    values = np.empty((steps + 1, len(angles)))
    best, lowest = angles.copy(), np.full(len(angles), np.inf)
    for step in range(steps + 1):
        values[step], gradients = objective.values_and_gradients(angles)
        better = values[step] < lowest
        best[better], lowest[better] = angles[better], values[step][better]
        if step == steps:
            break
        mean += (1.0 - decay[0]) * (gradients - mean)
        square += (1.0 - decay[1]) * (gradients**2 - square)
        corrected = mean / (1.0 - decay[0] ** (step + 1))
        scale = np.sqrt(square / (1.0 - decay[1] ** (step + 1))) + 1e-8
        angles -= learning_rate * corrected / scale
    return values, best
