"""Training click-through-rate models by PyTorch: minibatches of requests, early stopping, checkpoints without pickle.

This module imports PyTorch; `vqe_prune.tasks.ctr` imports it when a model is trained.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vqe_prune.run_folder import read_arrays, write_atomically
from vqe_prune.tasks.click_logs import ClickLog, TimeSplit
from vqe_prune.tasks.click_metrics import area_under_curve
from vqe_prune.tasks.fin import ClickModel, loss_of

Vector = NDArray[np.float64]

AT_ONCE = 256
"""Requests at once where nothing is learned."""


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """How a model is trained.

    Attributes:
        epochs: Most passes over the training requests.
        batch: Requests of a step.
        learning_rate: Of Adam.
        weight_decay: Of Adam, apart from the gradient (AdamW).
        patience: Passes without a better area on the validation part after which training ends.
        seed: Of the order of the requests.

    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    patience: int
    seed: int


@dataclass(kw_only=True)
class Progress:
    """What a training has done so far; plain numbers that JSON holds exactly.

    Attributes:
        losses: Mean training loss of each epoch, in nats.
        areas: Area under the ROC curve on the validation part after each epoch.
        seconds: Of training, without validation.
        clicks: Clicks of histories that training has gone over, those of a request once a pass.
        candidates: Candidates that it has gone over.

    """

    losses: list[float] = field(default_factory=list)
    areas: list[float] = field(default_factory=list)
    seconds: float = 0.0
    clicks: int = 0
    candidates: int = 0

    @property
    def best(self) -> int:
        """Epoch with the largest area, the first of equal ones."""
        return int(np.argmax(self.areas))


def fit(
    model: ClickModel,
    log: ClickLog,
    split: TimeSplit,
    how: Fitting,
    *,
    checkpoint: Path | None = None,
    say: Callable[[str], Any] = lambda text: None,
) -> Progress:
    """Train a model, or go on where a training was stopped, and leave it with the weights of its best epoch.

    Args:
        model: Trained in place.
        log: The log.
        split: Which requests train and which validate.
        how: Number of passes and so on.
        checkpoint: File that is written after each epoch and read at the beginning, .npz; None for none.
        say: Told each epoch.

    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay)
    progress, best = Progress(), _weights(model)
    if checkpoint is not None and checkpoint.exists():
        progress, best = read_checkpoint(checkpoint, model, optimizer)
    labels = log.labels[log.candidates(split.validation)]
    looked_at = np.minimum(log.lengths, model.body.reach)
    while len(progress.losses) < how.epochs and not _stale(progress, how.patience):
        epoch = len(progress.losses)
        order = np.random.default_rng([how.seed, epoch]).permutation(split.training)
        began = time.perf_counter()
        progress.losses.append(_one_pass(model, optimizer, order, how.batch))
        progress.seconds += time.perf_counter() - began
        progress.clicks += int(looked_at[order].sum())
        progress.candidates += len(log.candidates(order))
        progress.areas.append(area_under_curve(labels, predict(model, split.validation)) or 0.5)
        if progress.best == epoch:
            best = _weights(model)
        if checkpoint is not None:
            write_checkpoint(checkpoint, model, optimizer, progress, best)
        say(
            f"epoch {epoch + 1}: loss {progress.losses[-1]:.4f}, validation AUC {progress.areas[-1]:.4f}; "
            f"{throughput(progress)}"
        )
    _set_weights(model, best)
    return progress


def throughput(progress: Progress) -> str:
    """Return how fast a training was, as text."""
    seconds = max(progress.seconds, 1e-9)
    return f"{progress.clicks / seconds:,.0f} events/s, {progress.candidates / seconds:,.0f} candidates/s"


def predict(model: ClickModel, rows: NDArray[np.int64]) -> Vector:
    """Return the logits of all candidates of some requests, one after another."""
    model.train(False)
    with torch.no_grad():
        parts = [model(model.batch(rows[k : k + AT_ONCE])).numpy() for k in range(0, len(rows), AT_ONCE)]
    return np.concatenate(parts).astype(np.float64)


def _one_pass(model: ClickModel, optimizer: torch.optim.Optimizer, order: NDArray[np.int64], size: int) -> float:
    model.train()
    total, count = 0.0, 0
    for start in range(0, len(order), size):
        batch = model.batch(order[start : start + size])
        loss = loss_of(model(batch), batch["labels"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total, count = total + loss.item() * len(batch["labels"]), count + len(batch["labels"])
    return total / count


def _stale(progress: Progress, patience: int) -> bool:
    return bool(progress.areas) and len(progress.areas) - 1 - progress.best >= patience


def _weights(model: nn.Module) -> dict[str, NDArray[Any]]:
    return {name: values.detach().numpy().copy() for name, values in model.state_dict().items()}


def _set_weights(model: nn.Module, weights: dict[str, NDArray[Any]]) -> None:
    model.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in weights.items()})


def write_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    best: dict[str, NDArray[Any]],
) -> None:
    """Write all that a training needs to go on as if it had not been stopped: plain arrays in an .npz file.

    Args:
        path: The file.
        model: Its weights now.
        optimizer: Its moments.
        progress: What has been done.
        best: Weights of the best epoch.

    """
    arrays: dict[str, Any] = {f"now/{name}": values for name, values in _weights(model).items()}
    arrays |= {f"best/{name}": values for name, values in best.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        arrays |= {f"adam/{index}/{name}": values.numpy() for name, values in moments.items()}
    arrays["random"] = torch.get_rng_state().numpy()
    arrays["progress"] = np.array(json.dumps(vars(progress)))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def read_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[Progress, dict[str, NDArray[Any]]]:
    """Set a model, its optimizer and PyTorch's random numbers to a checkpoint; nothing is unpickled.

    Returns:
        What has been done, and the weights of the best epoch; nothing and the weights now where the file is broken or
        of another model.

    """
    try:
        arrays = read_arrays(path)
        now, best = (
            {name.removeprefix(part): values for name, values in arrays.items() if name.startswith(part)}
            for part in ("now/", "best/")
        )
        progress = Progress(**json.loads(str(arrays["progress"])))
        states: dict[int, dict[str, torch.Tensor]] = {}
        for key, values in arrays.items():
            if key.startswith("adam/"):
                _, index, name = key.split("/")
                states.setdefault(int(index), {})[name] = torch.from_numpy(values)
        _set_weights(model, now)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return Progress(), _weights(model)
    optimizer.load_state_dict(optimizer.state_dict() | {"state": states})
    torch.set_rng_state(torch.from_numpy(arrays["random"]))
    return progress, best
