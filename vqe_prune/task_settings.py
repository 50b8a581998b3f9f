"""Settings of tasks that are no ground states: which belong to which, their defaults and their checks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from vqe_prune.ctr_settings import CTR_DATASETS, CTR_DEFAULTS, CTR_OTHERS, CTR_RULES, check_ctr, fill_ctr
from vqe_prune.errors import InputError, check_choice, near_misses
from vqe_prune.lie_settings import check_lie
from vqe_prune.settings import BLOCKS, CONNECTIVITIES, ENTANGLERS, MoleculeSettings, Settings, TaskSettings

TASKS: dict[str, dict[str, Any]] = {
    "classify": {
        "dataset": "digits",
        "data_dir": None,
        "classes": [4, 9],
        "samples": None,
        "qubits": None,
        "features": None,
        "encoding": "amplitude",
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
        "epochs": 1000,
        "learning_rate": None,
        "compression": 10.0,
        "seeds": 5,
    },
    "ctr": CTR_DEFAULTS,
}
"""Tasks, the fields of `TaskSettings` that each has, and their defaults; all others have no effect with it."""

DATASETS = {"classify": ("digits", "mnist", "fashion_mnist"), "generate": ("bars_and_stripes",), "ctr": CTR_DATASETS}

TASK_ENCODINGS = ("angle", "amplitude", "reuploading")
"""How features enter a circuit."""

SIZES = ([2, 2], [2, 3], [3, 3])
"""Rows and columns of bars and stripes."""

LARGEST = SIZES[-1]

MOST_QUBITS, MOST_FEATURES, MOST_LAYERS = 12, 64, 100

CONNECTED = tuple(name for name in CONNECTIVITIES if name != "lattice")
"""Connectivities of the circuits of a task, which has no lattice."""

LOSSES = ("kl", "mmd")
"""What a generator is trained by."""

IN_DATA_DIR = ("mnist", "fashion_mnist")
"""Data sets that are read from files."""

RULES = {
    "classify": ("curvature", "magnitude", "fisher", "lie"),
    "generate": ("curvature", "magnitude", "fisher", "lie", "eqntk"),
    "ctr": CTR_RULES,
}
"""Pruning rules that a task can compare; the random one is always among them, as a control."""

CIRCUIT = ("ansatz.name", "ansatz.layers", "ansatz.blocks", "ansatz.entangler", "ansatz.connectivity")
PRUNING = ("pruner.rules", "pruner.parameters", "pruner.distance", "pruner.weights")
EVERYWHERE = ("seed", "threads", "output", "output_dir")

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
    if "lie" in rules or any(key in given for key in PRUNING[2:]):
        check_lie(settings.pruner, given, rules or ["curvature"])
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


SHAPING = ("dataset", "encoding", "loss", "head", "size")
"""Fields that the defaults of others depend on."""


def usual_task(given: Mapping[str, Any]) -> Settings:
    """Return the settings of a task with the defaults that belong to the data set, encoding and loss given."""
    named = {key: given["task"][key] for key in ("name", *SHAPING)}
    settings = Settings(task=TaskSettings(**named), molecule=MoleculeSettings(**given["molecule"]))
    fill_task_defaults(settings)
    for key in SHAPING:
        setattr(settings.task, key, TASKS[named["name"]].get(key))
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
    whole = ("qubits", "features", "shots", "epochs", "batch", "patience", "seeds")
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
    task = settings.task
    encoding, dataset = task.encoding or "amplitude", task.dataset or "digits"
    check_choice("task.encoding", encoding, TASK_ENCODINGS)
    if task.data_dir is not None and dataset not in IN_DATA_DIR:
        raise InputError(
            f"task.data_dir has no effect with task.dataset={dataset}, which scikit-learn has; leave it out"
        )
    classes = task.classes or TASKS["classify"]["classes"]
    if len(classes) < 2 or len(set(classes)) < len(classes) or not all(0 <= label <= 9 for label in classes):
        raise InputError(f"task.classes={list(classes)} must be two or more different labels from 0 to 9: [4,9]")
    n = task.qubits or _usual_qubits(encoding, dataset)
    if n > MOST_QUBITS:
        raise InputError(f"task.qubits={n} is more than {MOST_QUBITS}: training would take hours")
    if task.features is not None and encoding != "reuploading":
        raise InputError(f"task.features has no effect with task.encoding={encoding}, which has its own number")
    if task.features is not None and not 1 <= task.features <= MOST_FEATURES:
        raise InputError(f"task.features={task.features} must be from 1 to {MOST_FEATURES}")
    if task.samples is not None and (len(task.samples) != 3 or min(task.samples) < 1):
        raise InputError(f"task.samples={task.samples} must be three counts of 1 and more: [training,validation,test]")
    readout = task.readout if task.readout is not None else list(range(n))
    if len(set(readout)) < len(readout) or not all(0 <= qubit < n for qubit in readout):
        raise InputError(f"task.readout={readout} must be different qubits from 0 to {n - 1}")
    if len(readout) < len(classes) and not (len(readout) == 1 and len(classes) == 2):
        short = f"task.readout={readout}" if task.readout is not None else f"task.qubits={n}"
        raise InputError(f"{short}: {len(classes)} classes need as many qubits to read")
    if encoding == "reuploading" and "lie" in settings.pruner.rules:
        raise InputError("pruner=lie has no measure for gates that encode data; try task.encoding=amplitude or angle")
    _check_layers(settings)


def _check_generate(settings: Settings, given: set[str]) -> None:
    """Raise InputError for settings of a generator that cannot be used."""
    task = settings.task
    if task.size is not None and task.size not in SIZES:
        raise InputError(f"task.size={task.size} must be {', '.join(str(size).replace(' ', '') for size in SIZES)}")
    loss = task.loss or "kl"
    check_choice("task.loss", loss, LOSSES)
    for key in ("shots", "learning_rate"):
        if f"task.{key}" in given and loss == "kl":
            raise InputError(f"task.{key} has no effect with task.loss=kl, which is exact; add task.loss=mmd")
    _check_layers(settings)


def _check_layers(settings: Settings) -> None:
    """Raise InputError for a circuit that cannot be built."""
    ansatz = settings.ansatz
    choices: list[tuple[str, str | None, Sequence[str]]] = [
        ("ansatz", ansatz.name, ("hardware_efficient",)),
        ("ansatz.entangler", ansatz.entangler, ENTANGLERS),
        ("ansatz.connectivity", ansatz.connectivity, CONNECTED),
        *(("ansatz.blocks", block, BLOCKS) for block in ansatz.blocks or ()),
    ]
    for key, value, known in choices:
        if value is not None and value not in known:
            raise InputError(f"{key}={value} is not for task={settings.task.name}{near_misses(value, known)}")
    if ansatz.layers is not None and ansatz.layers > MOST_LAYERS:
        raise InputError(f"ansatz.layers={ansatz.layers} is more than {MOST_LAYERS}: pruning would take hours")
    if ansatz.blocks == [] and ansatz.entangler in ("cz", "cx"):
        raise InputError(f"ansatz.blocks=[] and ansatz.entangler={ansatz.entangler} leave nothing to turn")


def readout_groups(readout: Sequence[int], n_classes: int) -> list[list[int]]:
    """Deal the qubits that are read to the classes in turn; one qubit alone is for the first of two."""
    if len(readout) < n_classes:
        return [list(readout)]
    return [list(readout[k::n_classes]) for k in range(n_classes)]


def _usual_qubits(encoding: str, dataset: str) -> int:
    """Qubits that hold the pixels of the data set as amplitudes, else 8."""
    return 6 if (encoding, dataset) == ("amplitude", "digits") else 8


def _fill_circuit(settings: Settings) -> None:
    """Defaults of a task whose model is a circuit alone."""
    ansatz = settings.ansatz
    ansatz.name = ansatz.name or "hardware_efficient"
    ansatz.layers = ansatz.layers or 12
    ansatz.connectivity = ansatz.connectivity or "circular"
    settings.pruner.rules = settings.pruner.rules or ["curvature"]


def _fill_classify(settings: Settings) -> None:
    task = settings.task
    ansatz = settings.ansatz
    ansatz.layers, ansatz.connectivity = ansatz.layers or 24, ansatz.connectivity or "linear"
    _fill_circuit(settings)
    ansatz.blocks = ["y"] if ansatz.blocks is None else ansatz.blocks  # images are real, and RY and CZ keep them so
    ansatz.entangler = ansatz.entangler or "cz"
    task.qubits = task.qubits or _usual_qubits(str(task.encoding), str(task.dataset))
    task.readout = list(range(task.qubits)) if task.readout is None else task.readout
    if task.encoding == "reuploading":
        task.features = task.features or task.qubits


def _fill_generate(settings: Settings) -> None:
    task = settings.task
    ansatz = settings.ansatz
    if task.size == LARGEST:  # on a ring no rule gets far: its layers have few of the target's symmetries
        ansatz.layers, ansatz.connectivity = ansatz.layers or 16, ansatz.connectivity or "full"
        settings.pruner.rules = settings.pruner.rules or ["eqntk"]
    _fill_circuit(settings)
    ansatz.blocks = ["y", "z"] if ansatz.blocks is None else ansatz.blocks
    ansatz.entangler = ansatz.entangler or "xx"
    if task.loss == "mmd":
        task.shots = task.shots or 1000
        task.learning_rate = task.learning_rate or 0.05


CHECKS = {"classify": _check_classify, "generate": _check_generate, "ctr": check_ctr}
FILLS = {"classify": _fill_classify, "generate": _fill_generate, "ctr": fill_ctr}

assert all(set(own) <= {entry.name for entry in fields(TaskSettings)} for own in TASKS.values())
