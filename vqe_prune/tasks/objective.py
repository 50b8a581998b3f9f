"""A loss on the probabilities of a circuit's outcomes as an objective, which every pruning rule can ask."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.engine.samples import Block, Rows, SampleEngine
from vqe_prune.engine.statevector import _on_threads

Vector = NDArray[np.float64]

LARGEST_INVERSE = 2_000
"""Parameters; eigenvalues of a larger Hessian take seconds."""

SMALLEST = 1e-12
"""Probabilities below this count as this one in a quotient."""


class Loss(Protocol):
    """A sum over samples of a function of their probabilities, shape (2^n, n_rows) of the samples `rows`."""

    def value_and_slopes(self, probabilities: Vector, rows: Rows) -> tuple[float, Vector]:
        """Return the loss and its derivative by every probability, of the shape of `probabilities`."""
        ...

    def slope_changes(self, probabilities: Vector, changes: Vector, rows: Rows) -> Vector:
        """Return how the slopes change as the probabilities do, same shapes."""
        ...

    def information_slopes(self, probabilities: Vector, rows: Rows) -> list[Vector] | None:
        """Return slopes whose outputs, the sums over outcomes of slope * probability, hold the Fisher information.

        F = sum over slopes and samples of g g^T, g the gradient of the output with the slope held fixed. None where it
        is that of the outcomes themselves, of a single sample.
        """
        ...


class SampleObjective:
    """The mean loss of a circuit over samples, as a function of its angles.

    Args:
        engine: The circuit on all samples.
        loss: Of their probabilities.
        rows: The samples that count, default all; shape (n_rows,).
        threads: Threads that share blocks of samples.
        damping: Curvature that `hessian` adds to every direction, as a share of the mean.

    """

    def __init__(self, engine: SampleEngine, loss: Loss, rows: Rows, threads: int = 1, damping: float = 0.0) -> None:
        self.engine, self.loss, self.rows, self.threads = engine, loss, np.asarray(rows), threads
        self.damping = damping
        self._blocks: list[tuple[Rows, Block]] | None = None

    @property
    def ansatz(self) -> Ansatz:
        """The ansatz whose angles are the arguments."""
        return self.engine.ansatz

    @property
    def cheap_hessian(self) -> bool:
        """Whether a Hessian costs little beside a re-optimisation: it does, unless its inverse does not."""
        return self.ansatz.n_parameters <= LARGEST_INVERSE

    def value_and_gradient(self, angles: Vector) -> tuple[float, Vector]:
        """Return the mean loss and its gradient, shape (n_parameters,)."""
        trigonometry = self.engine.trigonometry(angles)

        def work(rows: Rows, block: Block) -> tuple[float, Vector]:
            psi = block.states(trigonometry)
            value, slopes = self.loss.value_and_slopes(block.probabilities(psi), rows)
            return value, block.overlaps(trigonometry, psi, slopes)

        found = self._over_blocks(work)
        n = len(self.rows)
        gradient = self.engine.fold(sum(overlaps for _, overlaps in found))
        return sum(value for value, _ in found) / n, gradient / n

    def value(self, angles: Vector) -> float:
        """Return the mean loss."""
        trigonometry = self.engine.trigonometry(angles)

        def work(rows: Rows, block: Block) -> float:
            return self.loss.value_and_slopes(block.probabilities(block.states(trigonometry)), rows)[0]

        return sum(self._over_blocks(work)) / len(self.rows)

    def sampled(self, angles: Vector, shots: int, rng: np.random.Generator) -> tuple[float, Vector]:
        """Return the mean loss and its gradient where the loss is asked for frequencies in some shots.

        The derivative of the probabilities is exact. The gradient is right on average where the slopes are linear in
        the probabilities, as those of `Discrepancy`.

        Args:
            angles: Radian, shape (n_parameters,).
            shots: For each sample.
            rng: Draws the outcomes.

        """
        trigonometry = self.engine.trigonometry(angles)

        def work(rows: Rows, block: Block) -> tuple[float, Vector]:
            psi = block.states(trigonometry)
            exact = block.probabilities(psi).T
            drawn = rng.multinomial(shots, exact / exact.sum(axis=1, keepdims=True)).T / shots
            value, slopes = self.loss.value_and_slopes(drawn, rows)
            return value, block.overlaps(trigonometry, psi, slopes)

        found = self._over_blocks(work)
        n = len(self.rows)
        return sum(value for value, _ in found) / n, self.engine.fold(sum(each for _, each in found)) / n

    def hessian(self, angles: Vector) -> Vector:
        """Return the Fisher information as the Hessian, its part without second derivatives of the circuit (Gauss and
        Newton); shape (n_parameters, n_parameters).

        It is positive semi-definite, costs little more than a gradient, and is the whole Hessian where the loss cannot
        be lower; `exact_hessian` has the rest. Damping keeps a step from going far along directions that look flat.

        Reference: B. Hassibi, D. G. Stork, Second order derivatives for network pruning: optimal brain surgeon, 1992,
            which prunes by it.

        """
        if self._of_outcomes:
            probabilities, rates = self._rates(angles)
            found = rates @ self.loss.slope_changes(probabilities[:, None], rates.T, self.rows)
        else:
            rows = self.jacobian(angles)
            found = 4.0 * rows @ rows.T
        return found + self.damping * np.trace(found) / max(len(found), 1) * np.eye(len(found))

    def exact_hessian(self, angles: Vector) -> Vector:
        """Return the second derivatives of the mean loss, shape (n_parameters, n_parameters)."""
        products = self.hessian_products(angles, np.eye(self.ansatz.n_parameters))
        return 0.5 * (products + products.T)

    def hessian_products(self, angles: Vector, directions: Vector) -> Vector:
        """Return the Hessian times each of the directions, both of shape (n_directions, n_parameters)."""
        trigonometry = self.engine.trigonometry(angles)

        def work(rows: Rows, block: Block, speeds: Vector) -> Vector:
            psi, dpsi = block.tangents(trigonometry, speeds)
            probabilities, changes = block.probabilities(psi), block.changes(psi, dpsi)
            slopes = self.loss.value_and_slopes(probabilities, rows)[1]
            bends = self.loss.slope_changes(probabilities, changes, rows)
            return block.overlap_changes(trigonometry, speeds, psi, dpsi, slopes, bends)

        products = []
        for direction in directions:
            found = self._over_blocks(partial(work, speeds=self.engine.speeds(direction)))
            products.append(self.engine.fold(sum(found)) / len(self.rows))
        return np.array(products).reshape(directions.shape)

    def jacobian(self, angles: Vector) -> Vector:
        """Return J with 4 J J^T the mean Fisher information of the outputs, shape (n_parameters, n_outputs)."""
        if self._of_outcomes:
            probabilities, rates = self._rates(angles)
            return 0.5 * rates / np.sqrt(np.maximum(probabilities, SMALLEST))
        trigonometry = self.engine.trigonometry(angles)

        def work(rows: Rows, block: Block) -> Vector:
            psi = block.states(trigonometry)
            slopes = self.loss.information_slopes(block.probabilities(psi), rows) or []
            each = [self.engine.fold_samples(block.sample_overlaps(trigonometry, psi, slope)) for slope in slopes]
            return np.concatenate(each, axis=1)

        return 0.5 * np.concatenate(self._over_blocks(work), axis=1) / np.sqrt(len(self.rows))

    @property
    def _of_outcomes(self) -> bool:
        return self.loss.information_slopes(np.zeros((1, 0)), self.rows[:0]) is None

    def _rates(self, angles: Vector) -> tuple[Vector, Vector]:
        """Return the probabilities of the single sample, (2^n,), and their derivatives, (n_parameters, 2^n)."""
        trigonometry, block = self.engine.trigonometry(angles), self.engine.bind(self.rows)
        return block.probabilities(block.states(trigonometry))[:, 0], block.rates(trigonometry)

    def probabilities(self, angles: Vector) -> Vector:
        """Return the probabilities of every outcome, shape (2^n, n_rows)."""
        trigonometry = self.engine.trigonometry(angles)
        return np.concatenate(
            self._over_blocks(lambda rows, block: block.probabilities(block.states(trigonometry))), axis=1
        )

    def of(self, rows: Rows) -> SampleObjective:
        """Return the mean loss over other samples."""
        return SampleObjective(self.engine, self.loss, rows, self.threads, self.damping)

    def _over_blocks(self, work: Callable[..., Any]) -> list[Any]:
        """Return work(rows, block) of every block of samples, in their order."""
        if self._blocks is None:
            self._blocks = [(self.rows[place], block) for place, block in self.engine.blocks(self.rows)]
        found: dict[int, Any] = {}

        def one(_: int, k: int) -> None:
            found[k] = work(*self._blocks[k])  # type: ignore[index]

        _on_threads(self.threads, one, range(len(self._blocks)))
        return [found[k] for k in range(len(self._blocks))]
