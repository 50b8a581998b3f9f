"""Settings of the task ctr, click-through rates: names, defaults and checks, without PyTorch."""

from __future__ import annotations

from typing import Any

from vqe_prune.errors import InputError, check_choice, near_misses
from vqe_prune.settings import Settings

CTR_DATASETS = ("synthetic", "eleme", "foursquare")

CTR_MODELS = ("fin", "din", "mean_pooling")
"""The fragment and integrate network and two baselines."""

SET_READINGS = ("items", "vectors", "both", "none")
"""What the set operations of the integrate network act on."""

HEADS = ("mlp", "circuit")
"""What makes a logit of a network's features."""

CTR_DEFAULTS: dict[str, Any] = {
    "dataset": "synthetic",
    "data_dir": None,
    "models": None,
    "sets": "both",
    "head": "mlp",
    "events": 1_000,
    "negatives": None,
    "rows": None,
    "qubits": None,
    "epochs": 6,
    "batch": 100,
    "learning_rate": 0.005,
    "patience": 2,
    "compression": None,
    "seeds": 5,
}
"""Fields of `TaskSettings` that the task has; None is filled by `fill_ctr` where it has an effect."""

CTR_RULES = ("curvature", "magnitude", "fisher")

CTR_OTHERS = ("ansatz.layers", "pruner.rules", "pruner.parameters")
"""Settings outside ``task.`` that a circuit as head has."""

OF_CIRCUIT = ("task.qubits", "task.compression", *CTR_OTHERS)

MOST_QUBITS = 12
"""Larger circuits take seconds for a batch."""


def check_ctr(settings: Settings, given: set[str]) -> None:
    """Raise InputError for values of the task ctr that cannot be used and for settings without effect."""
    task = settings.task
    head, dataset = task.head or CTR_DEFAULTS["head"], task.dataset or CTR_DEFAULTS["dataset"]
    check_choice("task.head", head, HEADS)
    if task.sets is not None and task.sets not in SET_READINGS:
        raise InputError(f"unknown task.sets={task.sets}{near_misses(task.sets, SET_READINGS)}")
    for key in OF_CIRCUIT:
        if key in given and head != "circuit":
            raise InputError(f"{key} has no effect with task.head={head}; add task.head=circuit or leave it out")
    for key, owner in (("negatives", "foursquare"), ("rows", "eleme")):
        if f"task.{key}" in given and dataset != owner:
            raise InputError(f"task.{key} has no effect with task.dataset={dataset}; it is of {owner}")
    if dataset == "synthetic" and task.data_dir is not None:
        raise InputError(
            "task.data_dir has no effect with task.dataset=synthetic; add task.dataset=eleme or foursquare"
        )
    if dataset != "synthetic" and not task.data_dir:
        what = "a file or a folder with D1_0.csv and others" if dataset == "eleme" else "a file of check-ins"
        raise InputError(f"task.dataset={dataset} reads files; give task.data_dir={what}, see docs/click_through.md")
    models = task.models if task.models is not None else list(CTR_MODELS)
    for model in models:
        if model not in CTR_MODELS:
            raise InputError(f"unknown model {model!r} in task.models{near_misses(model, CTR_MODELS)}")
    if not models or len(set(models)) < len(models):
        raise InputError(f"task.models={models} must name each model once; available: {', '.join(CTR_MODELS)}")
    if head == "circuit" and task.models is not None and len(models) > 1:
        raise InputError("task.head=circuit prunes the circuit of one model; give task.models=[fin] or another one")
    if "task.sets" in given and "fin" not in models:
        raise InputError("task.sets has no effect without fin among task.models; leave it out")
    if task.qubits is not None and not 2 <= task.qubits <= MOST_QUBITS:
        raise InputError(f"task.qubits={task.qubits} must be from 2 to {MOST_QUBITS}")
    for key in ("events", "negatives", "rows"):
        value = getattr(task, key)
        if value is not None and value < 1:
            raise InputError(f"task.{key}={value} must be above 0")


def fill_ctr(settings: Settings) -> None:
    """Put in what None stands for, where it has an effect."""
    task = settings.task
    if task.models is None:
        task.models = ["fin"] if task.head == "circuit" else list(CTR_MODELS)
    if task.dataset == "foursquare":
        task.negatives = task.negatives or 4
    if task.dataset == "eleme":
        task.rows = task.rows or 200_000
    if task.head == "circuit":
        task.qubits = task.qubits or 4
        settings.ansatz.layers = settings.ansatz.layers or 3
        settings.pruner.rules = settings.pruner.rules or ["curvature"]
        if settings.pruner.parameters is None:
            task.compression = task.compression or 10.0
