"""Settings of tasks that are no ground states: which belong to which, their defaults and their checks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from vqe_prune.ctr_settings import CTR_DATASETS, CTR_DEFAULTS, CTR_OTHERS, CTR_RULES, check_ctr, fill_ctr
from vqe_prune.errors import InputError, near_misses
from vqe_prune.settings import Settings, TaskSettings

TASKS: dict[str, dict[str, Any]] = {
    "classify": {
        "dataset": "digits",
        "data_dir": None,
        "classes": [4, 9],
        "samples": None,
        "qubits": 8,
        "encoding": "angle",
        "readout": None,
        "scale": 4.0,
        "epochs": 60,
        "batch": 32,
        "learning_rate": 0.03,
        "patience": 12,
        "compression": 10.0,
        "seeds": 5,
    },
    "generate": {
        "dataset": "bars_and_stripes",
        "size": [2, 2],
        "loss": "kl",
        "shots": None,
        "epochs": 600,
        "learning_rate": 0.05,
        "compression": 10.0,
        "seeds": 5,
    },
    "ctr": CTR_DEFAULTS,
}
"""Tasks, the fields of `TaskSettings` that each has, and their defaults; all others have no effect with it."""

DATASETS = {"classify": ("digits", "mnist", "fashion_mnist"), "generate": ("bars_and_stripes",), "ctr": CTR_DATASETS}

TASK_ENCODINGS = ("angle", "amplitude", "reuploading")
"""How features enter a circuit."""

LOSSES = ("kl", "mmd")
"""What a generator is trained by."""

IN_DATA_DIR = ("mnist", "fashion_mnist")
"""Data sets that are read from files."""

RULES = {
    "classify": ("curvature", "magnitude", "fisher"),
    "generate": ("curvature", "magnitude", "fisher"),
    "ctr": CTR_RULES,
}
"""Pruning rules that a task can compare; the random one is always among them, as a control."""

CIRCUIT = ("ansatz.name", "ansatz.layers", "ansatz.blocks", "ansatz.entangler", "ansatz.connectivity")
PRUNING = ("pruner.rules", "pruner.parameters")
EVERYWHERE = ("seed", "threads", "output_dir")

OTHERS = {"classify": (*CIRCUIT, *PRUNING), "generate": (*CIRCUIT, *PRUNING), "ctr": CTR_OTHERS}
"""Settings outside ``task.`` that a task has, besides those that every study has."""


def check_task(settings: Settings, given: set[str], rules: Sequence[str]) -> bool:
    """Check the settings of a task, and say whether there is one.

    Args:
        settings: All settings.
        given: Names of those that the user gave.
        rules: Pruning rules that the user gave.

    Raises:
        InputError: A name or a value is wrong, or a setting has no effect.

    """
    task = settings.task
    own = sorted(key for key in given if key.startswith("task."))
    if task.name is None:
        if own:
            raise InputError(f"{own[0]} has no effect without a task; write task=NAME, available: {', '.join(TASKS)}")
        return False
    if task.name not in TASKS:
        raise InputError(f"unknown task {task.name!r}{near_misses(task.name, TASKS)}")
    for key in own:
        if key != "task.name" and key.removeprefix("task.") not in TASKS[task.name]:
            raise InputError(f"{key} has no effect with task={task.name}; leave it out")
    for key in sorted(given - set(own)):
        if key not in (*OTHERS[task.name], *EVERYWHERE):
            raise InputError(f"{key} has no effect with task={task.name}; leave it out")
    if task.dataset is not None and task.dataset not in DATASETS[task.name]:
        raise InputError(f"unknown task.dataset={task.dataset}{near_misses(task.dataset, DATASETS[task.name])}")
    for rule in rules:
        if rule not in RULES[task.name]:
            raise InputError(f"pruner={rule} is not for task={task.name}{near_misses(rule, RULES[task.name])}")
    if settings.pruner.parameters is not None and "task.compression" in given:
        raise InputError("task.compression has no effect beside pruner.parameters; leave one of them out")
    _check_positive(settings)
    CHECKS[task.name](settings, given)
    return True


def fill_task_defaults(settings: Settings) -> None:
    """Put in what None stands for."""
    task = settings.task
    for key, value in TASKS[str(task.name)].items():
        if getattr(task, key) is None:
            setattr(task, key, list(value) if isinstance(value, list) else value)
    FILLS[str(task.name)](settings)


def usual_task(task: Mapping[str, Any]) -> Settings:
    """Return the settings of a task and data set with all defaults, to compare others with."""
    settings = Settings(task=TaskSettings(name=task["name"], dataset=task["dataset"]))
    fill_task_defaults(settings)
    settings.task.dataset = TASKS[task["name"]].get("dataset")
    return settings


def task_name(task: TaskSettings) -> str:
    """Return what a task is called in a folder's name, as ``classify-digits-4-9``."""
    numbers = [*(task.classes or ()), *(task.size or ())]
    return "-".join(str(part) for part in (task.name, task.dataset, *numbers) if part is not None)


def data_files(task: TaskSettings) -> dict[str, str]:
    """Return the files of ``task.data_dir`` that a data set can be read from, by a key for each."""
    if task.data_dir is not None and task.name == "ctr":
        source = Path(task.data_dir)
        found = sorted(source.glob("*.csv")) if source.is_dir() else [source]
        return {f"task.data_dir/{path.name}": str(path) for path in found}
    if task.data_dir is None or task.dataset not in IN_DATA_DIR:
        return {}
    found = sorted(path for path in Path(task.data_dir).glob("*-ubyte*") if path.is_file())
    return {f"task.data_dir/{path.name}": str(path) for path in found}


def _check_positive(settings: Settings) -> None:
    task = settings.task
    whole = ("qubits", "shots", "epochs", "batch", "patience", "seeds")
    values = {f"task.{key}": getattr(task, key) for key in (*whole, "scale", "learning_rate")}
    values |= {"threads": settings.threads, "ansatz.layers": settings.ansatz.layers}
    for key, value in values.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"{key}={value} must be above 0")
    if task.compression is not None and not (math.isfinite(task.compression) and task.compression >= 1):
        raise InputError(f"task.compression={task.compression} must be at least 1")
    if settings.pruner.parameters is not None and settings.pruner.parameters < 1:
        raise InputError(f"pruner.parameters={settings.pruner.parameters} must be at least 1")
    if settings.seed < 0:
        raise InputError(f"seed={settings.seed} must be 0 or more")
    if settings.output_dir == "":
        raise InputError("output_dir= is empty; give a folder, or leave it out")


def _check_classify(settings: Settings, given: set[str]) -> None:
    """Raise InputError for settings of a classification that cannot be used."""


def _check_generate(settings: Settings, given: set[str]) -> None:
    """Raise InputError for settings of a generator that cannot be used."""


def _fill_circuit(settings: Settings) -> None:
    """Defaults of a task whose model is a circuit alone."""
    ansatz = settings.ansatz
    ansatz.name = ansatz.name or "hardware_efficient"
    ansatz.entangler = ansatz.entangler or "zz"
    ansatz.connectivity = ansatz.connectivity or "circular"
    settings.pruner.rules = settings.pruner.rules or ["curvature"]


CHECKS = {"classify": _check_classify, "generate": _check_generate, "ctr": check_ctr}
FILLS = {"classify": _fill_circuit, "generate": _fill_circuit, "ctr": fill_ctr}

assert all(set(own) <= {entry.name for entry in fields(TaskSettings)} for own in TASKS.values())
