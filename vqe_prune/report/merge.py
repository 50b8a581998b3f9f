"""Many runs in one table: records of single runs, scans and multiruns, wherever they lie below some folders.

What is no result of ours, or broken, is named in a line and passed over; an old record lacks what it did not know.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vqe_prune.errors import InputError, first_line
from vqe_prune.files import check_ordinary, check_place, whole_number
from vqe_prune.report.complaints import complaints, unfinished
from vqe_prune.report.record import Record, read_record

CONTROLS = ("magnitude", "random", "fisher")
"""Rules to compare with."""

COLUMNS = (
    "folder", "digest", "name", "study", "ansatz", "pruner", "control", "seed", "finished", "unit", "n_qubits",
    "n_electrons", "sector_dimension", "hf", "mp2", "ccsd", "exact",
    "full_parameters", "full_rotations", "full_two_qubit_gates", "full_depth", "full_energy", "full_error",
    "parameters", "rotations", "two_qubit_gates", "depth", "qubits", "energy", "error",
    "predicted_increase", "measured_increase", "bound", "qsim_difference",
    "device", "device_energy", "device_error_bar", "device_error", "seconds", "version", "warnings",
)  # fmt: skip
"""What is known of every run, in the order of the table; energies in ``unit``, errors to the exact energy."""

SIZES = {
    "parameters": "n_parameters",
    "rotations": "n_rotations",
    "two_qubit_gates": "n_two_qubit_gates",
    "depth": "depth",
}

NOT_SWEPT = (
    "ansatz.name", "pruner.rules", "device.name", "output_dir", "threads", "study", "molecule.name", "molecule.source",
    "molecule.geometry", "molecule.fcidump", "model.name", "device.wait",
)  # fmt: skip
"""Settings that have columns of their own, or that change nothing."""

LARGEST_LIST = 64 * 2**20
"""Bytes of scan.json and multirun.json that are read."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Row:
    """One run.

    Attributes:
        values: By COLUMNS; None where a number is not known.
        settings: All settings by dotted name, empty for a record that has none.
        problem: Hash of what was solved: the molecule or the model with its settings.

    """

    values: Mapping[str, Any]
    settings: Mapping[str, Any]
    problem: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Merged:
    """All that was found.

    Attributes:
        rows: Of runs, each study once.
        scans: Folder and content of each scan.json.
        failed: Name and reason of each point that has failed.
        notes: What was passed over, a line each.
        doubled: Folders of a study that another folder holds as well, and that one.

    """

    rows: list[Row] = field(default_factory=list)
    scans: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubled: list[tuple[str, str]] = field(default_factory=list)

    def varying(self, rows: Sequence[Row] | None = None) -> list[str]:
        """Return the settings that differ between rows, default all of them."""
        found: dict[str, set[str]] = {}
        chosen = [row for row in (self.rows if rows is None else rows) if row.settings]
        for key in dict.fromkeys(key for row in chosen for key in row.settings):
            found[key] = {json.dumps(row.settings.get(key), sort_keys=True) for row in chosen}
        return [key for key, texts in found.items() if len(texts) > 1 and key not in NOT_SWEPT]


def merge_folders(folders: Sequence[Path]) -> Merged:
    """Read every run, scan and multirun below some folders.

    Args:
        folders: Of runs, or of folders of runs; links to folders are not followed.

    Raises:
        InputError: One of them is no folder.

    """
    merged = Merged()
    seen: dict[Path | str, str] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; give one with results, such as outputs")
        base = folder if len(folders) == 1 else Path(".")
        for place in _folders(folder, merged):
            _add(merged, seen, place, base)
        if (folder / "multirun.json").is_file():  # its points lie elsewhere
            for place, _, _ in _points_of(folder, merged):
                _add(merged, seen, place, base)
    return merged


def merge_points(folder: Path) -> Merged:
    """Read the points of one multirun; where a scan is a point, its points as well."""
    merged = Merged()
    seen: dict[Path | str, str] = {}
    for place, name, reason in _points_of(folder, merged):
        if reason is not None:
            merged.failed.append((name, reason))
        if place.is_dir():
            for inner in _folders(place, merged):
                _add(merged, seen, inner, folder)
    return merged


def _folders(folder: Path, merged: Merged) -> Iterator[Path]:
    """A folder and all below it, sorted; those of jobs and of devices hold no runs."""

    def complain(error: OSError) -> None:
        merged.notes.append(f"{error.filename}: cannot be read: {error.strerror}")

    for root, inner, files in os.walk(folder, onerror=complain):
        inner[:] = sorted((name for name in inner if not name.startswith(".")), key=_natural)
        if "record.json" in files or "multirun.json" in files:
            inner[:] = []
        yield Path(root)


def _natural(name: str) -> tuple[float, str]:
    """Numbers in their order, before names."""
    try:
        return (float(name), name)
    except ValueError:
        return (float("inf"), name)


def _add(merged: Merged, seen: dict[Path | str, str], place: Path, base: Path) -> None:
    """Add what a folder holds itself."""
    real = place.resolve()
    if real in seen:
        return
    seen[real] = str(place)
    label = os.path.relpath(place, base)
    label = place.name if label == "." else label
    if (place / "record.json").exists():
        _add_record(merged, seen, place, os.path.relpath(place, base), label)
    elif (place / "scan.json").exists():
        _add_scan(merged, place, os.path.relpath(place, base), label)
    elif (place / "multirun.json").exists():
        for _, name, reason in _points_of(place, merged):
            if reason is not None:
                merged.failed.append((name, reason))
    elif (place / "trace.jsonl").exists():
        merged.notes.append(f"{label}: not finished; its command goes on with it")


def _add_record(merged: Merged, seen: dict[Path | str, str], place: Path, folder: str, label: str) -> None:
    try:
        row = _row(read_record(place), folder)
    except InputError as error:
        merged.notes.append(f"passed over: {error}")
        return
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        merged.notes.append(f"passed over: {place / 'record.json'}: not a record ({first_line(error)})")
        return
    own = row.values["digest"]
    if isinstance(own, str):
        if own in seen:
            merged.doubled.append((label, seen[own]))
            return
        seen[own] = folder
    merged.rows.append(row)


def _add_scan(merged: Merged, place: Path, folder: str, label: str) -> None:
    try:
        content = _read_json(place / "scan.json")
        known = {"name", "coordinate", "unit", "points", "curves", "segments", "structure", "notes"}
        if not known <= set(content) or not all("value" in point and "failed" in point for point in content["points"]):
            raise ValueError("its keys are others")
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        merged.notes.append(f"passed over: {place / 'scan.json'}: not the results of a scan ({first_line(error)})")
        return
    merged.scans.append((folder, content))
    name = content["coordinate"]["name"]
    merged.failed.extend(
        (f"{label} {name}={point['value']}", str(point["failed"])) for point in content["points"] if point["failed"]
    )


def _points_of(folder: Path, merged: Merged) -> list[tuple[Path, str, str | None]]:
    """Folder, name, and why it failed, of every point that a multirun.json lists."""
    try:
        content = _read_json(folder / "multirun.json")
        found: list[tuple[Path, str, str | None]] = []
        for point in content["points"]:
            swept = " ".join(f"{key}={text}" for key, text in point["swept"].items())
            check_place(str(point["folder"]))
            place = Path(os.path.normpath(folder / str(point["folder"])))
            found.append((place, swept or place.name, str(point["reason"]) if point["status"] == "failed" else None))
        return found
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        merged.notes.append(f"passed over: {folder / 'multirun.json'}: not a multirun ({first_line(error)})")
        return []


def _read_json(path: Path) -> dict[str, Any]:
    check_ordinary(path, str(path))
    if path.stat().st_size > LARGEST_LIST:
        raise ValueError(f"larger than {LARGEST_LIST} bytes")
    content = json.loads(path.read_text(encoding="utf-8"), parse_int=whole_number)
    if not isinstance(content, dict):
        raise ValueError("it is no mapping")
    return content


def _row(record: Record, folder: str) -> Row:
    first, last = record.stages[0], record.stages[-1]
    settings = record.problem.get("settings")
    flat = _flat(settings) if isinstance(settings, dict) else {}
    listed = flat.get("pruner.rules")
    rules = list(map(str, listed)) if isinstance(listed, list) else [stage["name"] for stage in record.stages[1:]]
    values: dict[str, Any] = {
        "folder": folder,
        "digest": record.problem.get("digest"),
        "name": record.problem["name"],
        "study": "point of a scan" if flat.get("study") == "scan" else "run",
        "ansatz": flat.get("ansatz.name"),
        "pruner": "+".join(rules),
        "control": any(rule in CONTROLS for rule in rules),
        "seed": record.seed,
        "finished": not unfinished(record),
        "unit": record.unit,
        **{key: record.problem[key] for key in ("n_qubits", "n_electrons", "sector_dimension")},
        **{key: record.energies[key] for key in ("hf", "mp2", "ccsd", "exact")},
        **{f"full_{key}": first[name] for key, name in SIZES.items()},
        "full_energy": first["energy"],
        "full_error": first["error_to_exact"],
        **{key: last[name] for key, name in SIZES.items()},
        "qubits": last["n_qubits"],
        "energy": last["energy"],
        "error": last["error_to_exact"],
        **{key: record.certificate[key] for key in ("predicted_increase", "measured_increase", "bound")},
        "qsim_difference": record.qsim["difference"],
        **_measured(record),
        "seconds": record.times["total"],
        "version": record.versions.get("vqe-prune", record.versions.get("vqe_prune")),
        "warnings": "; ".join(complaints(record)),
    }
    return Row(values=values, settings=flat, problem=_problem_of(settings, record))


def _measured(record: Record) -> dict[str, Any]:
    """The mitigated energy of the last stage that was measured on a processor."""
    found: dict[str, Any] = dict.fromkeys(("device", "device_energy", "device_error_bar", "device_error"))
    if record.device is None:
        return found
    found["device"] = record.device["name"]
    for row in record.device["measurements"]:
        for estimate in row["estimates"]:
            if estimate["name"] == row["mitigated"]:
                found["device_energy"], found["device_error_bar"] = estimate["energy"], estimate["error_bar"]
                found["device_error"] = estimate.get("error_to_exact")
    return found


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted name; mappings that are values of one setting stay."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and not prefix and key != "file_contents":
            found |= _flat(value, f"{key}.")
        elif key != "file_contents":
            found[prefix + key] = value
    return found


def _problem_of(settings: Any, record: Record) -> str:
    """A hash of what was solved."""
    content: Any = [record.problem["name"], record.energies["exact"]]
    if isinstance(settings, dict) and isinstance(settings.get("molecule"), dict):
        groups = {key: settings.get(key) for key in ("model", "file_contents")}
        model, files = (group if isinstance(group, dict) else {} for group in groups.values())
        chosen = {k: v for k, v in settings["molecule"].items() if k not in ("source", "fcidump")}
        content = [record.problem["name"], model if model.get("name") else chosen, {**files, "ansatz": None}]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]
