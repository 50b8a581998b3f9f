"""What a multirun may be told: where its points run, and how settings are searched; fixed names and checked numbers.

A launcher is one of a few names. No setting names an object to import, as Hydra's own ``hydra.launcher._target_`` does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

from vqe_prune.errors import InputError, as_typed, check_choice, shortened

LAUNCHERS = {
    "processes": ("cpus",),
    "joblib": ("cpus",),
    "submitit_local": ("cpus", "minutes"),
    "submitit_slurm": ("cpus", "memory", "minutes", "partition", "account", "jobs"),
    "ray": ("cpus", "memory", "address"),
}
"""Where points run, and the settings that each launcher takes."""

SWEEPERS = ("grid", "optuna")

OBJECTIVES = {
    "error": "error_to_exact",
    "two_qubit_gates": "n_two_qubit_gates",
    "parameters": "n_parameters",
    "rotations": "n_rotations",
    "depth": "depth",
}
"""What a search may make small, and what the record calls it in the final stage."""

SEARCHED = ("pruner", "ansatz", "training", "optimizer", "encoding")
"""Groups of settings that a search may set: those of one problem."""

USUAL_JOBS, USUAL_MINUTES = 100, 240

ON_CLUSTERS = ("submitit_slurm", "ray")
"""Launchers that may reach beyond this machine."""


@dataclass
class LauncherSettings:
    """Where points run: cores of each, memory in GiB and minutes of each, and what Slurm and Ray must be told."""

    name: str = "processes"
    cpus: int = 1
    memory: float | None = None
    minutes: int | None = None
    partition: str | None = None
    account: str | None = None
    jobs: int | None = None
    address: str | None = None


@dataclass
class SweeperSettings:
    """How points are chosen: all of a grid, or a search for small numbers by Optuna."""

    name: str = "grid"
    minimise: list[str] = field(default_factory=lambda: ["error", "two_qubit_gates"])
    trials: int = 32
    batch: int = 4
    seed: int = 0


def multirun_keys() -> list[str]:
    """Return the dotted names of the settings that only a multirun has."""
    return [
        *(f"launcher.{each.name}" if each.name != "name" else "launcher" for each in fields(LauncherSettings)),
        *(f"sweeper.{each.name}" if each.name != "name" else "sweeper" for each in fields(SweeperSettings)),
    ]


def read_launcher(values: Mapping[str, Any]) -> LauncherSettings:
    """Return checked settings of a launcher.

    Args:
        values: Plain values by dotted name, ``launcher`` among them.

    Raises:
        InputError: A value is wrong, or has no effect with this launcher.

    """
    chosen = LauncherSettings()
    _fill(chosen, "launcher", values)
    check_choice("launcher", chosen.name, LAUNCHERS)
    for key in values:
        name = key.partition(".")[2]
        if name and name not in LAUNCHERS[chosen.name]:
            takers = [each for each, taken in LAUNCHERS.items() if name in taken]
            raise InputError(f"{key} has no effect with launcher={chosen.name}; it is for {', '.join(takers)}")
    for name in ("cpus", "memory", "minutes", "jobs"):
        value = getattr(chosen, name)
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"launcher.{name}={as_typed(value)} must be above 0")
    for name in ("partition", "account", "address"):
        text = getattr(chosen, name)
        if text is not None and (not text or text.startswith("-") or not text.isprintable() or " " in text):
            raise InputError(f"launcher.{name}={text} is not a name; leave it out or give one word")
    return chosen


def read_sweeper(values: Mapping[str, Any]) -> SweeperSettings:
    """Return checked settings of a sweeper; arguments and errors as of `read_launcher`."""
    chosen = SweeperSettings()
    _fill(chosen, "sweeper", values)
    check_choice("sweeper", chosen.name, SWEEPERS)
    useless = sorted(key for key in values if key != "sweeper")
    if chosen.name == "grid" and useless:
        raise InputError(f"{useless[0]} has no effect with sweeper=grid; add sweeper=optuna or leave it out")
    for objective in chosen.minimise:
        check_choice("sweeper.minimise", objective, OBJECTIVES)
    if not chosen.minimise or len(set(chosen.minimise)) != len(chosen.minimise):
        raise InputError(f"sweeper.minimise={as_typed(chosen.minimise)} must name each number once")
    for name, least in (("trials", 1), ("batch", 1), ("seed", 0)):
        if getattr(chosen, name) < least:
            raise InputError(f"sweeper.{name}={getattr(chosen, name)} must be {least} or more")
    return chosen


def _fill(chosen: Any, group: str, values: Mapping[str, Any]) -> None:
    """Put values into settings, each of the kind that its field has."""
    kinds = get_type_hints(type(chosen))
    for key, value in values.items():
        name = key.partition(".")[2] or "name"
        kind = str(kinds[name])
        if "list" in kind:
            value = [value] if isinstance(value, str) else value
            fits, word = isinstance(value, list) and all(isinstance(x, str) for x in value), "a list of names: [a,b]"
        elif "float" in kind:
            fits, word = isinstance(value, int | float) and not isinstance(value, bool), "a number"
        elif "int" in kind:
            fits, word = type(value) is int, "a whole number"
        else:
            fits, word = isinstance(value, str), "a text"
        if not fits:
            raise InputError(f"{key}={shortened(as_typed(value))} is not {word}")
        setattr(chosen, name, value)
