"""Pruning the circuit at the head of a click-through-rate model, by the project's rules, with controls.

The network in front is frozen, so that each candidate is a few angles; the circuit's own angles are then an objective
like any other, the log-loss of candidates of the training part. A rule deletes one parameter after another and lets the
rest follow, on `PRUNING` of them; then the angles that are left are tuned on `TUNING`.

This module imports PyTorch; `vqe_prune.tasks.ctr` imports it when a circuit is pruned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.engine.samples import SampleEngine
from vqe_prune.engine.statevector import StatevectorEngine
from vqe_prune.optimize import minimize
from vqe_prune.prune.controls import rank_at_random, rank_by_fisher, rank_by_magnitude
from vqe_prune.prune.curvature import rank_by_curvature
from vqe_prune.prune.elimination import PathPoint, Ranking, eliminate, restrict
from vqe_prune.tasks.circuit_head import CircuitHead, head_circuit, mean_z, with_data_as_parameters
from vqe_prune.tasks.click_logs import ClickLog, TimeSplit
from vqe_prune.tasks.ctr_runs import Bench, Row, n_weights
from vqe_prune.tasks.ctr_training import AT_ONCE
from vqe_prune.tasks.fin import ClickModel
from vqe_prune.tasks.losses import LogLoss, z_diagonals
from vqe_prune.tasks.objective import SampleObjective

Vector = NDArray[np.float64]

PRUNING = 2_000
"""Candidates of the training part by which parameters are deleted."""

TUNING = 10_000
"""Candidates of the training part by which the angles that are left are tuned."""

RULES: dict[str, Ranking] = {
    "curvature": rank_by_curvature,
    "magnitude": rank_by_magnitude,
    "fisher": rank_by_fisher,
}

GRADIENT_TOLERANCE = 1e-4
"""Nat per radian: far below what the candidates' number lets one know."""

TUNING_STEPS = 100


@dataclass(frozen=True, eq=False, kw_only=True)
class FrozenHead:
    """The circuit of a trained model, with what the network in front of it makes of candidates.

    Attributes:
        n_qubits: Number of qubits.
        ansatz: The circuit.
        angles: Its angles, radian; shape (n_parameters,).
        scale: Factor of <Z>.
        bias: Added to it.
        training: Angles by the data of some candidates of training; shape (n_samples, n_qubits).
        labels: Of these candidates; shape (n_samples,).
        test: Angles by the data of all candidates of the test; shape (n_test, n_qubits).
        threads: Of the engine.

    """

    n_qubits: int
    ansatz: Ansatz
    angles: Vector
    scale: float
    bias: float
    training: Vector
    labels: NDArray[np.int64]
    test: Vector
    threads: int

    @cached_property
    def loss(self) -> LogLoss:
        """Log-loss of the logit scale * <Z> + bias; class 0 is a click."""
        diagonal = self.scale * z_diagonals(self.n_qubits, range(self.n_qubits)).mean(axis=0) + self.bias
        return LogLoss(diagonals=diagonal[None], labels=1 - self.labels, scale=1.0)

    def binder(self, n_samples: int) -> Callable[[Ansatz], SampleObjective]:
        """Return what makes the mean log-loss of some candidates of a circuit."""
        reference = np.zeros(1 << self.n_qubits, dtype=np.complex128)
        reference[0] = 1.0
        rows = np.arange(min(n_samples, len(self.labels)))

        def bind(ansatz: Ansatz) -> SampleObjective:
            engine = SampleEngine(
                n_qubits=self.n_qubits, ansatz=ansatz, references=reference, features=self.training
            )
            return SampleObjective(engine, self.loss, rows, self.threads)

        return bind

    def logits(self, ansatz: Ansatz, angles: Vector) -> Vector:
        """Return the logits of the test's candidates with another circuit in place."""
        joint = with_data_as_parameters(ansatz)
        engine = StatevectorEngine(hamiltonian=mean_z(self.n_qubits), ansatz=joint, threads=self.threads)
        rows = np.hstack([np.tile(angles, (len(self.test), 1)), self.test])
        return self.scale * engine.energies_and_gradients(rows)[0] + self.bias


def freeze(model: ClickModel, log: ClickLog, split: TimeSplit, seed: int) -> FrozenHead:
    """Return the circuit of a trained model and the angles by the data that the network in front gives it.

    Args:
        model: With a `CircuitHead`.
        log: The log.
        split: By time; pruning sees training alone.
        seed: Of which requests of training it sees.

    """
    head = model.head
    assert isinstance(head, CircuitHead)
    order, count = np.random.default_rng([seed, 8]).permutation(split.training), 0
    for n_requests in range(len(order)):
        if count >= TUNING:
            order = order[:n_requests]
            break
        count += int(log.requests.shown[order[n_requests] + 1] - log.requests.shown[order[n_requests]])
    return FrozenHead(
        n_qubits=head.n_qubits,
        ansatz=head.ansatz,
        angles=head.angles.detach().double().numpy(),
        scale=head.scale.item(),
        bias=head.bias.item(),
        training=_data_angles(model, order),
        labels=log.labels[log.candidates(order)].astype(np.int64),
        test=_data_angles(model, split.test),
        threads=head.threads,
    )


def _data_angles(model: ClickModel, rows: NDArray[np.int64]) -> Vector:
    """Angles by the data of all candidates of some requests."""
    model.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(rows), AT_ONCE):
            batch = model.batch(rows[start : start + AT_ONCE])
            parts.append(model.head.data(model.body(batch)[batch["there"]]).double().numpy())
    return np.concatenate(parts)


def prune_to(frozen: FrozenHead, rank: Ranking, budget: int) -> list[PathPoint]:
    """Delete parameters one at a time by a rule, the others following, down to a budget.

    Args:
        frozen: The circuit and its data.
        rank: The rule.
        budget: Parameters to be left.

    """
    bind = frozen.binder(PRUNING)
    optimum = minimize(bind(frozen.ansatz), frozen.angles, gradient_tolerance=GRADIENT_TOLERANCE, max_steps=TUNING_STEPS)
    return eliminate(
        bind,
        frozen.ansatz,
        optimum,
        rank,
        enough=lambda point: len(point.kept) <= budget,
        gradient_tolerance=GRADIENT_TOLERANCE,
    )


def circuit_runs(bench: Bench, name: str) -> list[Row]:
    """Return the rows of a model with a circuit as head: full, pruned by each rule and by chance, tuned, and controls.

    Args:
        bench: The log and the settings.
        name: Of the network in front.

    """
    settings, task = bench.settings, bench.settings.task
    full = head_circuit(int(task.qubits or 0), int(settings.ansatz.layers or 0))
    budget = settings.pruner.parameters or max(1, int(full.n_parameters / float(task.compression or 1.0)))
    rows = [bench.train(name, "mlp"), bench.train(name, "linear")]
    rows += bench.memory.once("circuit", lambda: _full_and_pruned(bench, name, full, min(budget, full.n_parameters)))
    small = restrict(full, range(min(budget, full.n_parameters)))
    return [*rows, bench.memory.once("from scratch", lambda: _from_scratch(bench, name, small))]


def _from_scratch(bench: Bench, name: str, ansatz: Ansatz) -> Row:
    model, row = bench.fitted(name, "from scratch", ansatz)
    return row | {"name": "same size from scratch", **_counts(model.head.ansatz)}


def _full_and_pruned(bench: Bench, name: str, full: Ansatz, budget: int) -> list[Row]:
    """Train with the full circuit, prune it by each rule and by chance, and tune what is left."""
    model, row = bench.fitted(name, "circuit", full)
    in_front = n_weights(model) - full.n_parameters
    bench.say(f"{in_front:,} weights in front of the circuit are not pruned; pruning {full.n_parameters} -> {budget}")
    frozen = freeze(model, bench.log, bench.split, bench.seed)
    rows = [row | {"name": "circuit, full"} | _counts(full)]
    ranks = {rule: RULES[rule] for rule in bench.settings.pruner.rules} | {"random": rank_at_random(bench.seed)}
    for rule, rank in ranks.items():
        point = prune_to(frozen, rank, budget)[-1]
        smaller = restrict(full, point.kept)
        tuned = minimize(
            frozen.binder(TUNING)(smaller), point.angles, gradient_tolerance=GRADIENT_TOLERANCE, max_steps=TUNING_STEPS
        )
        for label, angles in ((rule, point.angles), (f"{rule}, tuned", tuned.angles)):
            rows.append(bench.measured(label, frozen.logits(smaller, angles), 0) | _counts(smaller))
        bench.say(f"{rule}: AUC {rows[-1]['scores']['AUC']:.4f}, parameters {list(point.kept)} kept")
    return rows


def _counts(ansatz: Ansatz) -> dict[str, Any]:
    """Size of a circuit: parameters that are trained, and all rotations, those by the data included."""
    return {"n_parameters": ansatz.n_parameters, "n_rotations": len(ansatz.rotations)}
