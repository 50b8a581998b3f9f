"""Tasks: how far classifiers and Born machines shrink, against random pruning and training from scratch; and speed.

Run: python benchmarks/tasks.py [--mnist DIR] [--fashion DIR] [--seeds N] [--json]

DIR holds IDX files; without it the published ones are fetched once. With PennyLane and its lightning simulator
installed, training is timed against it on the same circuit, images and batches.

Exits with 1 where it falls short: parameters divided by 10 at least, with a mean test accuracy at most 0.5 points below
the full circuit or a median KL no higher than its (1e-6 counts as 0); random pruning to the same size worse by more
than a standard error; training of 8 qubits on 1,000 images in two minutes, and faster than lightning.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from vqe_prune import config
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.report.task_table import format_task
from vqe_prune.tasks import study
from vqe_prune.tasks.classify import ACCURACY, Classifier
from vqe_prune.tasks.comparison import FULL, REGULAR, SAME_GATES, random_start
from vqe_prune.tasks.data import load_images, split_images
from vqe_prune.tasks.generate import KL
from vqe_prune.tasks.memory import Memory

POINTS = 0.5
"""Test accuracy that a pruned circuit may lose, percent."""

ZERO = 1e-6
"""A divergence below this is none."""

SECONDS = 120.0
STEPS = 3
"""Minibatches that lightning is timed on."""


def main() -> int:
    arguments = parse()
    tasks = ["task=classify", f"task.seeds={arguments.seeds}"]
    # the numbers of layers, 24 by default and 36, were chosen on digits with seeds 0 to 4, on MNIST with 0 and 1
    cases = {
        "digits 4/9": [
            *tasks,
            "task.dataset=digits",
            "task.classes=[4,9]",
            "seed=5",
            "pruner=[curvature,magnitude,fisher,lie]",
        ],
        "MNIST 4/9": [
            *tasks,
            "task.dataset=mnist",
            "task.classes=[4,9]",
            "seed=2",
            "ansatz.layers=36",
            *folder(arguments.mnist),
        ],
        "Fashion 0/1": [*tasks, "task.dataset=fashion_mnist", "task.classes=[0,1]", *folder(arguments.fashion)],
        "bars and stripes 2 x 2": [
            "task=generate",
            "task.size=[2,2]",
            f"task.seeds={arguments.seeds}",
            "pruner=[curvature,magnitude,fisher,lie,eqntk]",
        ],
        "bars and stripes 3 x 3": [
            "task=generate",
            "task.size=[3,3]",
            f"task.seeds={arguments.seeds}",
            "pruner.parameters=48",
        ],
    }
    complaints = []
    with tempfile.TemporaryDirectory() as scratch:
        for place, (case, words) in enumerate(cases.items()):
            if arguments.only and arguments.only not in case:
                continue
            settings = config.parse_settings([*words, f"output_dir={arguments.keep or scratch}/{place}"])
            began = time.perf_counter()
            content = study.run(settings, write=lambda text: None)
            row = judged(case, content, time.perf_counter() - began)
            complaints += [f"{case}: {text}" for text in row.pop("complaints")]
            print(json.dumps(row) if arguments.json else format_task(content), flush=True)
        if not arguments.only:
            row = training_time(cases["MNIST 4/9"], Path(scratch))
            complaints += row.pop("complaints")
            print(json.dumps(row) if arguments.json else sentence(row), flush=True)
    for complaint in complaints:
        print(f"FALLS SHORT: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", help="folder of MNIST's IDX files")
    parser.add_argument("--fashion", help="folder of Fashion-MNIST's IDX files")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="cases whose name has this in it, without the timing")
    parser.add_argument("--keep", help="folder for the runs, which the same command goes on with")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def folder(name: str | None) -> list[str]:
    return [] if name is None else [f"task.data_dir={name}"]


def judged(case: str, content: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The figures of a task, and what falls short."""
    rows = {row["name"]: row for row in content["summary"]}
    score = ACCURACY if content["task"] == "classify" else KL
    values = {name: np.array(row["scores"][score]["values"]) for name, row in rows.items()}
    rule = content["settings"]["pruner"]["rules"][0]
    full, tuned, chance = values[FULL], values[f"{rule}, tuned"], values["random, tuned"]
    ratio = rows[FULL]["n_parameters"][0] / rows[f"{rule}, tuned"]["n_parameters"][1]
    complaints = [] if ratio >= 10.0 else [f"only {ratio:.1f} times fewer parameters"]
    if score == ACCURACY:
        behind, gain = float(full.mean() - tuned.mean()), tuned - chance
        complaints += [f"{behind:.2f} points behind the full circuit"] if behind > POINTS else []
    else:
        full, tuned, chance = (np.maximum(each, ZERO) for each in (full, tuned, chance))
        if np.median(tuned) > np.median(full):
            complaints.append(f"median KL {np.median(tuned):.2g}, of the full circuit {np.median(full):.2g}")
        gain = np.log(chance) - np.log(tuned)
    if gain.mean() <= gain.std(ddof=1) / math.sqrt(len(gain)):
        complaints.append("random pruning to the same size is not clearly worse")
    named = {"full": FULL, "pruned": rule, "tuned": f"{rule}, tuned", "random": "random, tuned"}
    named |= {"same_gates_from_scratch": SAME_GATES, "regular_from_scratch": REGULAR}
    unit = "accuracy_percent" if score == ACCURACY else "kl_nat"
    figures = {f"{key}_{unit}": float(values[name].mean()) for key, name in named.items() if name in values}
    return {
        "case": case,
        "n_parameters_full": rows[FULL]["n_parameters"][0],
        "rule": rule,
        "n_parameters": rows[f"{rule}, tuned"]["n_parameters"][1],
        **figures,
        "seconds": seconds,
        "complaints": complaints,
    }


def training_time(words: list[str], scratch: Path) -> dict[str, Any]:
    """Train 8 qubits on 1,000 images, four layers, and take the first steps of the same training in lightning."""
    words = [word for word in words if not word.startswith("task.seeds")]
    settings = config.parse_settings([*words, "task.seeds=1", "task.epochs=20", "task.patience=20"])
    task = settings.task
    images = load_images("mnist", task.classes or [], task.data_dir)
    model = Classifier(settings=settings, images=images, split=split_images(images, task.samples, 0), seed=0)
    ansatz = model.ansatz(4, ["y", "z"], "xx")  # gates that lightning has one for one
    start = random_start(ansatz, 0.3, 0, 0)
    model.bind(ansatz).value_and_gradient(start)  # compiles
    began = time.perf_counter()
    _, curve = model.train(ansatz, start, Memory(scratch / "trace.jsonl"), "timing")
    seconds, epochs = time.perf_counter() - began, len(curve["train"])
    row: dict[str, Any] = {"case": "training MNIST 4/9", "n_parameters": ansatz.n_parameters, "n_epochs": epochs}
    row |= {"seconds": seconds, "complaints": []}
    if seconds > SECONDS:
        row["complaints"].append(f"training took {seconds:.0f} s")
    if importlib.util.find_spec("pennylane_lightning") is not None:
        rows = model.split.train[: task.batch]
        objective = model.bind(ansatz, rows)
        peer, peer_gradient = lightning_step(model, ansatz, rows)
        own, gradient = timed(lambda: objective.value_and_gradient(start)[1])
        theirs, other = timed(lambda: peer_gradient(start))
        assert np.allclose(gradient, other, atol=1e-8), "the two disagree"
        row |= {"step_milliseconds": 1e3 * own, f"{peer}_milliseconds": 1e3 * theirs, "times_faster": theirs / own}
        if theirs < own:
            row["complaints"].append("training: lightning is faster")
    return row


def timed(step: Any) -> tuple[float, Any]:
    result = step()
    began = time.perf_counter()
    for _ in range(STEPS):
        result = step()
    return (time.perf_counter() - began) / STEPS, result


def lightning_step(model: Classifier, ansatz: Ansatz, rows: np.ndarray) -> tuple[str, Any]:
    """Gradient of a minibatch's loss on lightning.qubit: its adjoint method, every sample as its state vector."""
    import pennylane as qml

    n = model.n_qubits
    device = qml.device("lightning.qubit", wires=n)
    tapes: list[Any] = []
    kinds = {"Y": qml.RY, "Z": qml.RZ, "X": qml.RX}
    weights = model.loss._weights[0] - model.loss._weights[1]
    signs = [weights[1 << (n - 1 - q)] for q in range(n)]  # a sum over qubits: read where one qubit is 1
    total = weights[0]
    factors = [(total - sign) / 2 for sign in signs]
    observable = qml.Hamiltonian(factors, [qml.PauliZ(q) for q in range(n)])

    def gradient(angles: np.ndarray) -> np.ndarray:
        tapes.clear()
        for row in rows:
            operations = [qml.StatePrep(model.references[row], wires=range(n))]
            for rotation, angle in zip(ansatz.rotations, ansatz.rotation_angles(angles), strict=True):
                ((_, string),) = rotation.generator.terms
                if len(string) == 1:
                    operations.append(kinds[string[0][1]](angle, wires=string[0][0]))
                else:
                    operations.append(qml.IsingXX(angle, wires=[qubit for qubit, _ in string]))
            tape = qml.tape.QuantumScript(operations, [qml.expval(observable)])
            tape.trainable_params = list(range(1, ansatz.n_parameters + 1))
            tapes.append(tape)
        config_of = qml.devices.ExecutionConfig(gradient_method="adjoint")
        program, config_of = device.preprocess(config_of)
        batch, _ = program(tapes)
        values, slopes = device.execute_and_compute_derivatives(batch, config_of)
        margins = np.array([float(np.squeeze(value)) for value in values])
        labels = model.images.labels[rows]
        errors = 1.0 / (1.0 + np.exp(-margins)) - (labels == 0)
        return np.mean([error * np.ravel(slope) for error, slope in zip(errors, slopes, strict=True)], axis=0)

    return "lightning", gradient


def sentence(row: dict[str, Any]) -> str:
    text = f"\nMNIST 4/9, 8 qubits, {row['n_parameters']} parameters, 1,000 images: "
    text += f"{row['n_epochs']} epochs in {row['seconds']:.1f} s"
    if "times_faster" in row:
        text += (
            f"\na minibatch of 32: {row['step_milliseconds']:.1f} ms, lightning.qubit "
            f"{row['lightning_milliseconds']:.1f} ms, {row['times_faster']:.0f} times as long"
        )
    return text


if __name__ == "__main__":
    sys.exit(main())
