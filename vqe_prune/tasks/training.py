"""Adam on batches of samples, with early stopping and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.tasks.memory import Memory

Vector = NDArray[np.float64]
Content = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and in which steps Adam trains.

    Attributes:
        epochs: Most passes over all samples.
        batch: Samples of a step, of `n_samples`.
        n_samples: All of them.
        learning_rate: Radian a step.
        patience: Epochs without a lower watched loss after which training ends; None never ends early.
        seed: Of the order of the samples, which is another one each epoch.

    """

    epochs: int
    batch: int
    n_samples: int
    learning_rate: float
    patience: int | None
    seed: int


def train_in_batches(
    gradient: Callable[[Vector, NDArray[np.int64]], tuple[float, Vector]],
    watched: Callable[[Vector], float],
    start: Vector,
    schedule: Schedule,
    memory: Memory,
    step: str,
) -> tuple[Vector, Content]:
    """Minimise a mean over samples by Adam; return the angles whose watched loss was lowest.

    Args:
        gradient: Loss and gradient at some angles of the samples at some positions.
        watched: A loss that the gradient does not see, such as that of the validation samples.
        start: First angles, radian; shape (n_parameters,).
        schedule: Epochs, batches, learning rate.
        memory: Keeps a checkpoint now and then, and gives the last one back.
        step: What it is kept as.

    Returns:
        Angles, and ``train`` and ``validation``, the losses before the first and after every epoch, and ``best``, the
        epoch of the angles.

    Source: D. P. Kingma, J. Ba, Adam: a method for stochastic optimization, arXiv 1412.6980.

    """
    state = memory.checkpoint(step)
    if state is None:
        seen = watched(start)
        state = {
            "angles": start.tolist(), "mean": [0.0] * len(start), "square": [0.0] * len(start), "count": 0, "epoch": 0,
            "best": start.tolist(), "curve": {"train": [], "validation": [seen], "best": 0},
        }  # fmt: skip
    angles, mean, square, best = (np.array(state[key], dtype=float) for key in ("angles", "mean", "square", "best"))
    count, curve = state["count"], state["curve"]
    for epoch in range(state["epoch"], schedule.epochs):
        if schedule.patience is not None and epoch - curve["best"] >= schedule.patience:
            break
        order = np.random.default_rng([schedule.seed, 2, epoch]).permutation(schedule.n_samples)
        losses = []
        for first in range(0, schedule.n_samples, schedule.batch):
            loss, slope = gradient(angles, order[first : first + schedule.batch])
            losses.append(loss)
            count += 1
            mean += 0.1 * (slope - mean)
            square += 0.001 * (slope**2 - square)
            scale = np.sqrt(square / (1.0 - 0.999**count)) + 1e-8
            angles = angles - schedule.learning_rate * mean / (1.0 - 0.9**count) / scale
        curve["train"].append(float(np.mean(losses)))
        curve["validation"].append(watched(angles))
        if curve["validation"][-1] < curve["validation"][curve["best"]]:
            curve["best"], best = epoch + 1, angles
        found = {"angles": angles, "mean": mean, "square": square, "best": best}
        memory.keep(
            step,
            lambda found=found, epoch=epoch, count=count: {  # type: ignore[misc]
                **{key: value.tolist() for key, value in found.items()},
                "count": count, "epoch": epoch + 1, "curve": curve,
            },
        )  # fmt: skip
    return best, curve
