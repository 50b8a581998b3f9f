"""Classification of images by a circuit: encode, turn, read <Z>; pruned by its loss on the training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.layered import connected_pairs, hardware_efficient
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.engine.samples import SampleEngine
from vqe_prune.report.task_pictures import confusion_picture, curves_picture, pruning_picture
from vqe_prune.settings import Settings
from vqe_prune.task_settings import readout_groups
from vqe_prune.tasks.comparison import FULL, CircuitTask, budget_of, compare, lie_options_of
from vqe_prune.tasks.data import Images, Split, load_images, principal_components, resized, split_images
from vqe_prune.tasks.encoding import amplitude_states, angle_states, reuploading
from vqe_prune.tasks.losses import LogLoss, z_diagonals
from vqe_prune.tasks.memory import Memory
from vqe_prune.tasks.objective import SampleObjective
from vqe_prune.tasks.one_shot import register_of
from vqe_prune.tasks.training import Schedule, train_in_batches

Content = dict[str, Any]
Vector = NDArray[np.float64]
State = NDArray[np.complex128]
Rows = NDArray[np.int64]

ACCURACY, TRAIN_ACCURACY, LOSS = "test accuracy / %", "training accuracy / %", "test log-loss"

POLISHING_STEPS = 60
GRADIENT_TOLERANCE = 3e-3
"""Of re-optimisations while pruning, per radian: the mean log-loss is then within some 1e-4 of its minimum."""

DAMPING = 1e-2
"""Of the Hessian that pruning uses; see `SampleObjective`."""

TRIAL_STEPS = 8
"""Of a re-optimisation after a deletion that is only tried."""

SHARE = 0.1
"""Of the parameters left, how many go in a round of pruning."""

START_SPREAD = 0.3
"""Standard deviation of first angles, radian."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Classifier:
    """A data set, split and encoded, that circuits are bound to.

    Attributes:
        settings: Of the study.
        images: All images.
        split: Which are for what.
        seed: Of the split and the batches.

    """

    settings: Settings
    images: Images
    split: Split
    seed: int

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return int(self.settings.task.qubits or 0)

    @cached_property
    def features(self) -> Vector | None:
        """What gates follow, shape (n_images, n_features); None where the first state holds all."""
        task = self.settings.task
        if task.encoding == "reuploading":
            return principal_components(self.images.pixels, self.split.train, int(task.features or 0))
        return None

    @cached_property
    def references(self) -> State:
        """First states, shape (n_images, 2^n), or (2^n,) where all begin alike."""
        n, pixels = self.n_qubits, self.images.pixels
        if self.settings.task.encoding == "amplitude":
            height = 1 << (n // 2)
            return amplitude_states(resized(pixels, height, (1 << n) // height).reshape(len(pixels), -1))
        if self.settings.task.encoding == "angle":
            return angle_states(principal_components(pixels, self.split.train, n))
        zero = np.zeros(1 << n, dtype=np.complex128)
        zero[0] = 1.0
        return zero

    @cached_property
    def loss(self) -> LogLoss:
        """The log-loss of all images."""
        task, n = self.settings.task, self.n_qubits
        groups = readout_groups(list(task.readout or ()), len(task.classes or ()))
        diagonals = np.array([z_diagonals(n, group).sum(axis=0) for group in groups])
        return LogLoss(diagonals=diagonals, labels=self.images.labels, scale=float(task.scale or 0.0))

    def ansatz(self, layers: int, blocks: list[str], entangler: str) -> Ansatz:
        """Return a circuit of layers, with the features in each where they are re-uploaded."""
        n, chosen = self.n_qubits, self.settings.ansatz
        pairs = connected_pairs(str(chosen.connectivity), n)
        if self.features is None:
            return hardware_efficient(n, layers, blocks=blocks, entangler=entangler, pairs=pairs)
        n_features = self.features.shape[1]
        return reuploading(n, n_features, layers, blocks=blocks, entangler=entangler, pairs=pairs)

    def bind(self, ansatz: Ansatz, rows: Rows | None = None) -> SampleObjective:
        """Return the mean loss of an ansatz over some images, default those of the training."""
        engine = SampleEngine(n_qubits=self.n_qubits, ansatz=ansatz, references=self.references, features=self.features)
        threads = 1 if (self.settings.task.seeds or 1) > 1 else self.settings.threads or 1
        return SampleObjective(engine, self.loss, self.split.train if rows is None else rows, threads, DAMPING)

    def train(self, ansatz: Ansatz, start: Vector, memory: Memory, name: str) -> tuple[Vector, Content]:
        """Train by Adam until the loss on the validation images rises."""
        task, training = self.settings.task, self.bind(ansatz)
        validation = training.of(self.split.validation)
        schedule = Schedule(
            epochs=int(task.epochs or 0),
            batch=int(task.batch or 1),
            n_samples=len(self.split.train),
            learning_rate=float(task.learning_rate or 0.0),
            patience=task.patience,
            seed=self.seed,
        )
        return train_in_batches(
            lambda angles, places: training.of(self.split.train[places]).value_and_gradient(angles),
            validation.value,
            start,
            schedule,
            memory,
            name,
        )

    def scores(self, ansatz: Ansatz, angles: Vector) -> dict[str, float]:
        """Return accuracies in percent and the test loss."""
        test = self.bind(ansatz, self.split.test)
        return {
            ACCURACY: 100.0 * float(np.mean(self._predicted(test, angles) == self.images.labels[self.split.test])),
            TRAIN_ACCURACY: 100.0
            * float(np.mean(self._predicted(self.bind(ansatz), angles) == self.images.labels[self.split.train])),
            LOSS: test.value(angles),
        }

    def confusion(self, ansatz: Ansatz, angles: Vector) -> Content:
        """Return how many test images of each class (row) are taken for each (column)."""
        n = len(self.settings.task.classes or ())
        found = self._predicted(self.bind(ansatz, self.split.test), angles)
        counts = np.zeros((n, n), dtype=int)
        np.add.at(counts, (self.images.labels[self.split.test], found), 1)
        return {"confusion": counts.tolist()}

    def _predicted(self, objective: SampleObjective, angles: Vector) -> Rows:
        return self.loss.predictions(objective.probabilities(angles)).argmax(axis=0)


def check(settings: Settings) -> Content:
    """Return facts about the data, and check that there is enough of it."""
    task = settings.task
    images = load_images(str(task.dataset), list(task.classes or ()), task.data_dir)
    split = split_images(images, task.samples, settings.seed)
    counts = [len(rows) for rows in (split.train, split.validation, split.test)]
    height, width = images.pixels.shape[1:]
    what = {
        "angle": f"{task.qubits} principal components as angles",
        "amplitude": f"{1 << int(task.qubits or 0)} pixels as amplitudes",
        "reuploading": f"{task.features} principal components as angles of gates in every layer",
    }
    lines = [
        f"{task.dataset}: {len(images.labels)} images of {height} x {width} pixels, labels "
        f"{', '.join(map(str, task.classes or ()))}; train {counts[0]}, validation {counts[1]}, test {counts[2]}",
        f"{task.qubits} qubits: {what[str(task.encoding)]}; <Z> read on {', '.join(map(str, task.readout or ()))}",
    ]
    return {"lines": lines, "samples": counts}


def run_seed(settings: Settings, seed: int, memory: Memory, say: Callable[[str], Any]) -> Content:
    """Return the rows of one seed: split, first angles and batches are its own."""
    task, chosen, rules = settings.task, settings.ansatz, settings.pruner.rules
    images = load_images(str(task.dataset), list(task.classes or ()), task.data_dir)
    model = Classifier(settings=settings, images=images, split=split_images(images, task.samples, seed), seed=seed)
    full = model.ansatz(int(chosen.layers or 1), list(chosen.blocks or ()), str(chosen.entangler))
    circuit = CircuitTask(
        n_qubits=model.n_qubits,
        full=full,
        regular=lambda budget: (
            model.ansatz(budget // model.n_qubits, ["y"], "cz") if budget >= model.n_qubits else None
        ),
        bind=model.bind,
        train=lambda ansatz, start, name: model.train(ansatz, start, memory, name),
        scores=model.scores,
        details=model.confusion,
        spread=START_SPREAD,
        gradient_tolerance=GRADIENT_TOLERANCE,
        share=SHARE,
        trial_steps=TRIAL_STEPS,
        polishing_steps=POLISHING_STEPS,
        register=register_of(model.n_qubits, model.references[model.split.train]) if "lie" in rules else None,
        lie=lie_options_of(settings),
    )
    return compare(circuit, rules, budget_of(settings, full.n_parameters), seed, memory, say)


def figures(content: Content) -> list[tuple[str, str, str]]:
    """Return loss curves, the pruning paths, and confusion matrices of the full and the pruned circuit."""
    rule = content["settings"]["pruner"]["rules"][0]
    tuned = f"{rule}, tuned"
    classes = [str(label) for label in content["settings"]["task"]["classes"]]
    matrices = {
        name: np.sum([run["details"][name]["confusion"] for run in content["runs"]], axis=0).tolist()
        for name in (FULL, tuned)
    }
    return [
        (
            "Training",
            curves_picture(content, "log-loss"),
            "Loss on the training images (solid) and on the validation images (dashed) after every epoch, the mean "
            "over the seeds that are still training; the angles of the lowest validation loss are kept.",
        ),
        (
            "Pruning",
            pruning_picture(content, "training log-loss"),
            "Loss of every re-optimised circuit on the way, one line a seed.",
        ),
        (
            "Confusion",
            confusion_picture(matrices, classes),
            "Test images of each class (row) and what they are taken for (column), summed over the seeds.",
        ),
    ]
