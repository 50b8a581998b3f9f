"""The record of a run: what record.json holds, written whole and read back with care."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vqe_prune.errors import InputError
from vqe_prune.run_folder import write_atomically

SCHEMA = 1

LARGEST_RECORD = 64 * 2**20
"""Bytes; a record of 10,000 rotations takes 2 MiB."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "problem": ("name", "n_qubits", "n_electrons", "sector_dimension"),
    "energies": ("hf", "mp2", "ccsd", "exact"),
    "certificate": ("predicted_increase", "measured_increase", "bound"),
    "qsim": ("energy", "difference"),
    "times": ("total",),
}
STAGE_KEYS = (
    "name",
    "n_parameters",
    "n_rotations",
    "n_two_qubit_gates",
    "depth",
    "n_qubits",
    "energy",
    "error_to_exact",
)
PLAN_KEYS = ("rotation", "decision", "score", "reason")


@dataclass(frozen=True, eq=False, kw_only=True)
class Record:
    """What record.json holds; energies in hartree, times in seconds, None where a number was not computed.

    Attributes:
        problem: name, n_qubits, n_electrons, sector_dimension, geometry, settings and more.
        energies: hf, mp2, ccsd, exact.
        stages: First the ansatz as built, last the pruned and re-optimised one; keys STAGE_KEYS.
        plan: One entry a rotation of the ansatz as built; keys PLAN_KEYS.
        certificate: predicted_increase, measured_increase, bound.
        qsim: energy of the final circuit on qsim, and its difference to the exact engine.
        times: total and its parts.
        versions: Package versions.
        seed: Seed of every random choice.
        schema: Version of this layout.

    """

    problem: Mapping[str, Any]
    energies: Mapping[str, float | None]
    stages: list[dict[str, Any]]
    plan: list[dict[str, Any]]
    certificate: Mapping[str, float | None]
    qsim: Mapping[str, float | None]
    times: Mapping[str, float]
    versions: Mapping[str, str]
    seed: int
    schema: int = SCHEMA


def record_text(record: Record) -> str:
    """Return record.json's text; floats keep all their digits."""
    content = asdict(record)
    ordered = {"schema": content.pop("schema"), **content}
    return json.dumps(ordered, indent=1, allow_nan=False) + "\n"


def write_record(folder: Path, record: Record) -> None:
    """Write record.json into a run's folder, whole or not at all."""
    write_atomically(folder / "record.json", record_text(record))


def read_record(path: Path) -> Record:
    """Read a record and check its layout.

    Args:
        path: record.json, or the folder that holds it.

    Raises:
        InputError: The file is missing, broken or of another layout.

    """
    file = path / "record.json" if path.is_dir() else path
    try:
        if file.stat().st_size > LARGEST_RECORD:
            raise InputError(f"{file}: larger than {LARGEST_RECORD} bytes, not a record")
        content = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not a record ({str(error).splitlines()[0]})") from error
    return _checked(content, file)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not allowed")


def _checked(content: Any, file: Path) -> Record:
    names = {entry.name for entry in fields(Record)}
    if not isinstance(content, dict) or set(content) != names:
        raise InputError(f"{file}: not a record, its keys must be {', '.join(sorted(names))}")
    if content["schema"] != SCHEMA:
        raise InputError(f"{file}: schema {content['schema']!r}, but this version reads {SCHEMA}")
    for key in ("problem", "energies", "certificate", "qsim", "times", "versions"):
        if not isinstance(content[key], dict):
            raise InputError(f"{file}: {key} must be a mapping")
    for key, required in REQUIRED.items():
        missing = [name for name in required if name not in content[key]]
        if missing:
            raise InputError(f"{file}: {key} lacks {', '.join(missing)}")
    for key in ("energies", "certificate", "qsim", "times"):
        for name, value in content[key].items():
            if not _is_number(value, optional=key != "times"):
                raise InputError(f"{file}: {key}.{name} must be a number")
    for key, keys in (("stages", STAGE_KEYS), ("plan", PLAN_KEYS)):
        rows = content[key]
        if not isinstance(rows, list) or any(not isinstance(row, dict) or set(row) != set(keys) for row in rows):
            raise InputError(f"{file}: each entry of {key} must have the keys {', '.join(keys)}")
    for stage in content["stages"]:
        if not isinstance(stage["name"], str) or not all(
            _is_number(stage[name], optional=name == "error_to_exact") for name in STAGE_KEYS[1:]
        ):
            raise InputError(f"{file}: a stage must have a name and numbers")
    for row in content["plan"]:
        texts = (row["rotation"], row["decision"], row["reason"])
        if not all(isinstance(text, str) for text in texts) or not _is_number(row["score"], optional=True):
            raise InputError(f"{file}: an entry of the plan must have texts and a score")
    if not content["stages"] or not isinstance(content["problem"]["name"], str) or type(content["seed"]) is not int:
        raise InputError(f"{file}: a record needs stages, a problem's name and a whole seed")
    return Record(**content)


def _is_number(value: Any, *, optional: bool) -> bool:
    return (optional and value is None) or (isinstance(value, int | float) and not isinstance(value, bool))
