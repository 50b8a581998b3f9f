"""Pruning the circuit at the head of a click-through-rate model, by the project's rules, with controls.

The network in front is frozen, so that each candidate is a few angles; the circuit's own angles are then an objective
like any other, the log-loss of candidates. Those of the validation part are taken, not those of training, which the
network in front knows too well. A rule deletes one parameter after another and lets the rest follow, on `PRUNING`
candidates; then the angles that are left are tuned on `TUNING`.

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
from vqe_prune.prune.elimination import restrict
from vqe_prune.tasks.circuit_head import FIRST_ANGLES, CircuitHead, head_circuit, mean_z, with_data_as_parameters
from vqe_prune.tasks.click_logs import ClickLog, TimeSplit
from vqe_prune.tasks.comparison import FULL, REGULAR, CircuitTask, budget_of, compare, random_start
from vqe_prune.tasks.ctr_runs import Bench, Row, n_weights
from vqe_prune.tasks.ctr_training import AT_ONCE
from vqe_prune.tasks.fin import ClickModel
from vqe_prune.tasks.losses import LogLoss, z_diagonals
from vqe_prune.tasks.objective import SampleObjective

Vector = NDArray[np.float64]

PRUNING = 2_000
"""Candidates of the validation part by which parameters are deleted."""

TUNING = 10_000
"""Candidates of the validation part by which the angles that are left are tuned."""

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
        seen: Angles by the data of some candidates of the validation part; shape (n_samples, n_qubits).
        labels: Of these candidates; shape (n_samples,).
        test: Angles by the data of all candidates of the test; shape (n_test, n_qubits).
        threads: Of the engine.

    """

    n_qubits: int
    ansatz: Ansatz
    angles: Vector
    scale: float
    bias: float
    seen: Vector
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
            engine = SampleEngine(n_qubits=self.n_qubits, ansatz=ansatz, references=reference, features=self.seen)
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
        split: By time; pruning sees nothing of the test.
        seed: Of the order of the requests that it sees.

    """
    head = model.head
    assert isinstance(head, CircuitHead)
    order = np.random.default_rng([seed, 8]).permutation(split.validation)
    counts = log.requests.shown[order + 1] - log.requests.shown[order]
    order = order[: 1 + int(np.searchsorted(np.cumsum(counts), TUNING))]
    return FrozenHead(
        n_qubits=head.n_qubits,
        ansatz=head.ansatz,
        angles=head.angles.detach().double().numpy(),
        scale=head.scale.item(),
        bias=head.bias.item(),
        seen=_data_angles(model, order),
        labels=log.labels[log.candidates(order)].astype(np.int64),
        test=_data_angles(model, split.test),
        threads=head.threads,
    )


def _data_angles(model: ClickModel, rows: NDArray[np.int64]) -> Vector:
    """Angles by the data of all candidates of some requests."""
    model.train(False)
    parts = []
    with torch.no_grad():
        for start in range(0, len(rows), AT_ONCE):
            batch = model.batch(rows[start : start + AT_ONCE])
            parts.append(model.head.data(model.body(batch)[batch["there"]]).double().numpy())
    return np.concatenate(parts)


class HeadTask:
    """The circuit of a model as `compare` wants it: the first training is of the whole model, all later ones of angles.

    Args:
        bench: The log and the settings.
        name: Of the network in front.
        full: The circuit.

    """

    def __init__(self, bench: Bench, name: str, full: Ansatz) -> None:
        self._bench, self._name, self._full = bench, name, full
        self.fits: dict[str, Row] = {}

    @cached_property
    def frozen(self) -> FrozenHead:
        """The trained model's circuit; a training that was finished is taken from its checkpoint."""
        start = random_start(self._full, FIRST_ANGLES, self._bench.seed, 0)
        model, row = self._bench.fitted(self._name, "circuit", self._full, start)
        in_front = n_weights(model) - self._full.n_parameters
        self._bench.say(f"{in_front:,} weights in front of the circuit stay as they are")
        self.fits["circuit"] = row
        return freeze(model, self._bench.log, self._bench.split, self._bench.seed)

    def train(self, ansatz: Ansatz, start: Vector, name: str) -> tuple[Vector, dict[str, Any]]:
        """Return trained angles and the losses on the way: of the whole model for the full circuit, else alone."""
        if name == FULL:
            return self.frozen.angles, {"train": self.fits["circuit"]["losses"], "validation": []}
        losses: list[float] = []
        found = minimize(
            self.frozen.binder(TUNING)(ansatz),
            start,
            gradient_tolerance=GRADIENT_TOLERANCE,
            max_steps=TUNING_STEPS,
            progress=lambda step, value, angles: losses.append(value),
        )
        return found.angles, {"train": losses, "validation": []}

    def scores(self, ansatz: Ansatz, angles: Vector) -> dict[str, float]:
        """Return areas and log-loss on the test part."""
        return self._bench.scores(self.frozen.logits(ansatz, angles))


def circuit_run(bench: Bench, name: str) -> dict[str, Any]:
    """Return what a seed finds of a model with a circuit as head: full, pruned, tuned, and controls.

    Controls besides those of `compare`: the same network with a perceptron, and with a single linear layer, as head;
    and with a regular small circuit, all trained as a whole.

    Args:
        bench: The log and the settings.
        name: Of the network in front.

    """
    settings, task = bench.settings, bench.settings.task
    n_qubits = int(task.qubits or 0)
    full = head_circuit(n_qubits, int(settings.ansatz.layers or 0))
    budget = min(full.n_parameters, budget_of(settings, full.n_parameters))
    head = HeadTask(bench, name, full)
    regular = restrict(full, range(budget))  # its first gates
    circuit = CircuitTask(
        n_qubits=n_qubits,
        full=full,
        regular=lambda _: regular,
        bind=lambda ansatz: head.frozen.binder(PRUNING)(ansatz),
        train=head.train,
        scores=head.scores,
        details=lambda ansatz, angles: {},
        spread=FIRST_ANGLES,
        gradient_tolerance=GRADIENT_TOLERANCE,
        share=0.0,
        trial_steps=None,
        polishing_steps=TUNING_STEPS,
    )
    found = compare(circuit, settings.pruner.rules, budget, bench.seed, bench.memory, bench.say)
    whole = bench.train(name, "regular circuit", regular, random_start(regular, FIRST_ANGLES, bench.seed, 2))
    whole |= {"name": f"{REGULAR}, network too", "n_parameters": budget}
    others = [bench.train(name, "linear"), bench.train(name, "mlp")]
    names = {"circuit": head.frozen and head.fits["circuit"]} | {row["name"]: row for row in (whole, *others)}
    fits = {label: {key: row[key] for key in ("losses", "areas")} for label, row in names.items()}
    rows = [
        *found["rows"],
        *({key: row[key] for key in ("name", "n_parameters", "scores")} for row in (whole, *others)),
    ]
    return found | {"rows": rows, "fits": fits}
