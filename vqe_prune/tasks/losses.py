"""Losses of tasks: log-loss of a classifier that reads <Z>, and divergences from a distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Rows = NDArray[np.int64]

SMALLEST = 1e-12
"""Probabilities below this count as this one in a logarithm."""


def z_diagonals(n_qubits: int, qubits: Sequence[int]) -> Vector:
    """Return the diagonals of Z on some qubits, qubit 0 most significant; shape (n_readouts, 2^n)."""
    outcomes = np.arange(1 << n_qubits)
    return np.array([1.0 - 2.0 * (outcomes >> (n_qubits - 1 - q) & 1) for q in qubits])


@dataclass(frozen=True, eq=False, kw_only=True)
class LogLoss:
    """The log-loss -log p(label), p the softmax of scale * <Z_k>, or of (scale <Z>, 0) for one readout.

    Attributes:
        diagonals: Of what is read, one for each class, or one for two classes; shape (n_readouts, 2^n).
        labels: Class of every sample, from 0; shape (n_samples,).
        scale: Factor of <Z>, without which no probability is near 0 or 1.

    """

    diagonals: Vector
    labels: NDArray[np.int64]
    scale: float

    @cached_property
    def _weights(self) -> Vector:
        """Logits from probabilities, shape (n_classes, 2^n)."""
        rows = self.scale * self.diagonals
        return np.vstack([rows, np.zeros_like(rows)]) if len(rows) == 1 else rows

    def predictions(self, probabilities: Vector) -> Vector:
        """Return the probability of every class, shape (n_classes, n_rows)."""
        logits = self._weights @ probabilities
        found = np.exp(logits - logits.max(axis=0))
        return found / found.sum(axis=0)

    def value_and_slopes(self, probabilities: Vector, rows: Rows) -> tuple[float, Vector]:
        """Return the sum of the samples' losses, and its derivative by every probability."""
        classes, columns = self.predictions(probabilities), np.arange(len(rows))
        value = -np.log(np.maximum(classes[self.labels[rows], columns], SMALLEST)).sum()
        classes[self.labels[rows], columns] -= 1.0
        return float(value), self._weights.T @ classes

    def slope_changes(self, probabilities: Vector, changes: Vector, rows: Rows) -> Vector:
        """Return how the slopes change as the probabilities do."""
        classes, logit_changes = self.predictions(probabilities), self._weights @ changes
        centred = logit_changes - (classes * logit_changes).sum(axis=0)
        return self._weights.T @ (classes * centred)

    def information_slopes(self, probabilities: Vector, rows: Rows) -> list[Vector] | None:
        """Return sqrt(p_k) (w_k - sum over j of p_j w_j) for every class k, w the logits; one slope for two classes."""
        if not len(rows):
            return []
        classes, weights = self.predictions(probabilities), self._weights
        if len(weights) == 2:
            return [np.sqrt(classes[0] * classes[1]) * (weights[0] - weights[1])[:, None]]
        mean = weights.T @ classes
        return [np.sqrt(p) * (row[:, None] - mean) for p, row in zip(classes, weights, strict=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Divergence:
    """The Kullback-Leibler divergence sum_x p(x) log(p(x) / q(x)) of a circuit's outcomes q from a target p.

    Attributes:
        target: p, shape (2^n,).

    """

    target: Vector

    def value_and_slopes(self, probabilities: Vector, rows: Rows) -> tuple[float, Vector]:
        """Return the divergence and -p / q."""
        bounded = np.maximum(probabilities, SMALLEST)
        p = self.target[:, None]
        inside = p > 0
        value = np.sum(np.where(inside, p * np.log(np.where(inside, p, 1.0) / bounded), 0.0))
        return float(value), -p / bounded

    def slope_changes(self, probabilities: Vector, changes: Vector, rows: Rows) -> Vector:
        """Return p / q^2 dq."""
        return self.target[:, None] / np.maximum(probabilities, SMALLEST) ** 2 * changes

    def information_slopes(self, probabilities: Vector, rows: Rows) -> list[Vector] | None:
        """Return None: the information is that of the outcomes."""
        return None


@dataclass(frozen=True, eq=False, kw_only=True)
class Discrepancy:
    """The squared maximum mean discrepancy (q - p)^T K (q - p) of a circuit's outcomes q from a target p.

    Attributes:
        target: p, shape (2^n,).
        kernel: K, positive definite, shape (2^n, 2^n).

    Source: J.-G. Liu, L. Wang, Differentiable learning of quantum circuit Born machines, arXiv 1804.04168.

    """

    target: Vector
    kernel: Vector

    def value_and_slopes(self, probabilities: Vector, rows: Rows) -> tuple[float, Vector]:
        """Return the discrepancy and 2 K (q - p)."""
        difference = probabilities - self.target[:, None]
        turned = self.kernel @ difference
        return float(np.sum(difference * turned)), 2.0 * turned

    def slope_changes(self, probabilities: Vector, changes: Vector, rows: Rows) -> Vector:
        """Return 2 K dq."""
        return 2.0 * self.kernel @ changes

    def information_slopes(self, probabilities: Vector, rows: Rows) -> list[Vector] | None:
        """Return None: the information is that of the outcomes."""
        return None


def hamming_kernel(n_qubits: int, widths: Sequence[float] = (0.5, 2.0)) -> Vector:
    """Return the mean of exp(-d(x, y) / (2 w)) over widths w, d the number of bits that differ; shape (2^n, 2^n)."""
    outcomes = np.arange(1 << n_qubits)
    distance = np.bitwise_count(outcomes[:, None] ^ outcomes[None, :]).astype(np.float64)
    return np.mean([np.exp(-distance / (2.0 * width)) for width in widths], axis=0)
