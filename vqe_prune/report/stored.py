"""Results as a user names them: the folder or the file of a run or of a scan, read with care and shown again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqe_prune.errors import InputError, first_line
from vqe_prune.report.record import LARGEST_RECORD, Record, checked_record, is_task, read_content
from vqe_prune.report.scan_table import SCAN_SCHEMA, Content, curve_row, format_scan, scan_curves
from vqe_prune.report.summary import summary
from vqe_prune.report.task_table import TASK_SCHEMA, format_task

RECORD, SCAN, PAGE = "record.json", "scan.json", "report.html"

DEPTH = 3
"""Folders below which runs are looked for."""

MOST_NAMED = 3

BROKEN = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError)
"""What reading a file of the right layout with wrong contents ends in."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Stored:
    """A finished run, scan or task on data; of a task there is only the text.

    Attributes:
        path: Of its file.
        text: What the run printed at its end.
        record: Of a run, else None.
        scan: What scan.json holds of a scan, curves computed anew, else None.

    """

    path: Path
    text: str
    record: Record | None = None
    scan: Content | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings with which it was made, groups as mappings; empty where they were not kept."""
        known = self.record.problem.get("settings") if self.record is not None else (self.scan or {}).get("settings")
        return known if isinstance(known, Mapping) else {}


def read_stored(path: Path) -> Stored:
    """Read the results of a run or of a scan.

    Args:
        path: Its folder, its record.json or its scan.json; or a folder in which there is just one run.

    Raises:
        InputError: There is nothing to show, the run is not finished, or the file is broken.

    """
    file = _file_of(path)
    try:
        if file.name == SCAN:
            content = _read_scan(file)
            return Stored(path=file, text=format_scan(content).lstrip("\n"), scan=content)
        found = read_content(file)
        if is_task(found):
            _check_schema(found, file, "task", TASK_SCHEMA)
            return Stored(path=file, text=format_task(found).lstrip("\n"))
        record = checked_record(found, file)
        return Stored(path=file, text=summary(record), record=record)
    except InputError:
        raise
    except BROKEN as error:
        raise InputError(f"{file}: cannot be shown, its content is broken ({first_line(error)})") from error


def _file_of(path: Path) -> Path:
    try:
        if path.is_file():
            return path
        if not path.is_dir():
            raise InputError(f"{path}: no such folder or file; give the folder that a run has printed")
        for name in (SCAN, RECORD):
            if (path / name).is_file():
                return path / name
        if (path / "trace.jsonl").is_file():
            raise InputError(f"{path}: this run is not finished; its own command goes on with it")
        found = sorted(_below(path, DEPTH))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if not found:
        raise InputError(f"{path}: holds no run: there is no {RECORD} and no {SCAN}")
    if len(found) > 1:
        names = ", ".join(str(each.parent) for each in found[:MOST_NAMED])
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        raise InputError(f"{path}: holds {len(found)} runs, {names}{more}; name one of them")
    return found[0]


def _below(folder: Path, depth: int) -> list[Path]:
    """Files of the runs in a folder; points of a scan belong to the scan."""
    for name in (SCAN, RECORD):
        if (folder / name).is_file():
            return [folder / name]
    if depth == 0:
        return []
    return [found for each in folder.iterdir() if each.is_dir() for found in _below(each, depth - 1)]


def _read_scan(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > LARGEST_RECORD:
            raise InputError(f"{file}: larger than {LARGEST_RECORD} bytes, not the results of a scan")
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    except (RecursionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: not the results of a scan ({first_line(error)})") from error
    _check_schema(content, file, "scan", SCAN_SCHEMA)
    content["curves"] = [curve_row(content, key) for key in scan_curves(content)]  # older ones have another meaning
    return content


def _check_schema(content: Any, file: Path, kind: str, newest: int) -> None:
    if not isinstance(content, dict) or type(content.get("schema")) is not int:
        raise InputError(f"{file}: not the results of a {kind}: it has no schema")
    if content["schema"] > newest:
        raise InputError(f"{file}: schema {content['schema']}, but this version reads up to {newest}")
