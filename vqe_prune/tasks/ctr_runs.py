"""One seed of the task ctr: models made, trained and measured on one log.

This module imports PyTorch; `vqe_prune.tasks.ctr` imports it when a model is trained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.settings import Settings
from vqe_prune.tasks.circuit_head import CircuitHead
from vqe_prune.tasks.click_logs import ClickLog, TimeSplit
from vqe_prune.tasks.click_metrics import area_under_curve, areas_by_period, log_loss
from vqe_prune.tasks.ctr_models import ModelSizes
from vqe_prune.tasks.ctr_training import Fitting, fit, predict
from vqe_prune.tasks.fin import BODIES, ClickModel, DenseHead
from vqe_prune.tasks.memory import Memory

WEIGHT_DECAY = 0.1
"""Of AdamW; with less, item embeddings learn the training part by heart."""

Row = dict[str, Any]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Bench:
    """A log with all that models are trained and measured by.

    Attributes:
        log: The log.
        split: By time.
        sizes: Of the models.
        settings: Of the task.
        seed: Of first weights and of the order of the requests.
        threads: Of PyTorch and of the state-vector engine.
        memory: What has been done.
        say: Told what happens.

    """

    log: ClickLog
    split: TimeSplit
    sizes: ModelSizes
    settings: Settings
    seed: int
    threads: int
    memory: Memory
    say: Callable[[str], Any]

    @property
    def how(self) -> Fitting:
        """How models are trained."""
        task = self.settings.task
        return Fitting(
            epochs=int(task.epochs or 1),
            batch=int(task.batch or 1),
            learning_rate=float(task.learning_rate or 0.0),
            weight_decay=WEIGHT_DECAY,
            patience=int(task.patience or 1),
            seed=self.seed,
        )

    def model(self, name: str, head: str, ansatz: Ansatz | None = None, start: Vector | None = None) -> ClickModel:
        """Return an untrained model with the first weights of the seed.

        Args:
            name: One of `BODIES`.
            head: ``mlp`` or ``linear``; any other text where there is a circuit.
            ansatz: Of the circuit.
            start: Its first angles, radian.

        """
        torch.manual_seed(self.seed)
        body = BODIES[name](self.log, self.split, self.sizes)
        if ansatz is not None and start is not None:
            n_qubits = int(self.settings.task.qubits or 0)
            return ClickModel(
                body, CircuitHead(body.n_outputs, n_qubits, ansatz, start, self.threads, self.sizes.dropout)
            )
        width = self.sizes.hidden if head == "mlp" else 0
        return ClickModel(body, DenseHead(body.n_outputs, width, self.sizes.dropout))

    def fitted(
        self, name: str, head: str, ansatz: Ansatz | None = None, start: Vector | None = None
    ) -> tuple[ClickModel, Row]:
        """Return a trained model and its row; PyTorch's own random numbers are left as they were."""
        label = name if head == "mlp" else f"{name}, {head}"
        self.say(f"{label}:")
        with torch.random.fork_rng(devices=[]):
            torch.set_num_threads(self.threads)
            model = self.model(name, head, ansatz, start)
            path = self.memory.folder / f"{label.replace(', ', '-').replace(' ', '-')}.npz"
            progress = fit(model, self.log, self.split, self.how, checkpoint=path, say=self.say)
        scores = self.scores(predict(model, self.split.test))
        scores["events/s"] = progress.clicks / max(progress.seconds, 1e-9)
        row = {"name": label, "n_parameters": n_weights(model), "scores": scores}
        return model, row | {"losses": progress.losses, "areas": progress.areas}

    def train(self, name: str, head: str, ansatz: Ansatz | None = None, start: Vector | None = None) -> Row:
        """Return the row of a model, trained unless it has been."""
        return self.memory.once(f"{name}, {head}", lambda: self.fitted(name, head, ansatz, start)[1])

    def scores(self, logits: Vector) -> dict[str, float]:
        """Return what is measured on the test part: areas under the ROC curve, over all and by meal time, and log-loss.

        Args:
            logits: Of the test's candidates, one after another.

        """
        rows = self.split.test
        labels = self.log.labels[self.log.candidates(rows)]
        areas = {"AUC": area_under_curve(labels, logits)}
        areas |= {f"AUC {name}": area for name, area in areas_by_period(self.log, rows, logits).items()}
        known = {name: area for name, area in areas.items() if area is not None}
        return {**known, "log-loss": log_loss(labels, logits)}


def n_weights(model: nn.Module) -> int:
    """Return how many numbers are trained."""
    return sum(values.numel() for values in model.parameters())
