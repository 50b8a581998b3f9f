"""How well clicks are told from non-clicks: the area under the ROC curve, over all candidates and by meal time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.tasks.click_logs import FEWEST, ClickLog


def area_under_curve(labels: NDArray[Any], scores: NDArray[Any]) -> float | None:
    """Return the chance that a click has a higher score than a non-click, by scikit-learn.

    Args:
        labels: 1 for a click, else 0; shape (n,).
        scores: The higher, the more likely; shape (n,).

    Returns:
        The area, or None with fewer than `FEWEST` clicks or non-clicks.

    """
    from sklearn.metrics import roc_auc_score

    positive = int(np.sum(labels))
    if min(positive, len(labels) - positive) < FEWEST:
        return None
    return float(roc_auc_score(labels, scores))


def areas_by_period(log: ClickLog, rows: NDArray[np.int64], scores: NDArray[Any]) -> dict[str, float | None]:
    """Return the area under the ROC curve among the requests of each meal time.

    Args:
        log: The log.
        rows: Requests.
        scores: Of their candidates, one after another.

    """
    labels = log.labels[log.candidates(rows)]
    counts = log.requests.shown[rows + 1] - log.requests.shown[rows]
    periods = np.repeat(log.requests.periods[rows], counts)
    parts = {name: periods == code for code, name in enumerate(log.periods)}
    return {name: area_under_curve(labels[part], scores[part]) for name, part in parts.items()}


def log_loss(labels: NDArray[Any], logits: NDArray[Any]) -> float:
    """Return the mean binary cross-entropy in nats; shapes (n,)."""
    return float(np.mean(np.logaddexp(0.0, logits) - labels * logits))
