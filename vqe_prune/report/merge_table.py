"""Merged runs as text, CSV and Parquet: one row a run, and what random seeds change."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from vqe_prune.errors import as_typed
from vqe_prune.report.merge import COLUMNS, Merged, Row
from vqe_prune.report.scan_table import ALONE, FINAL
from vqe_prune.report.table import format_error
from vqe_prune.run_folder import write_atomically
from vqe_prune.units import error_unit
from vqe_prune.wording import counted

MOST_SETTINGS = 6
"""Settings that a table of texts has room for; the files have all."""

MOST_LINES = 200
"""Runs that are printed; the page and the files have all."""


def problems(merged: Merged) -> list[tuple[str, list[Row]]]:
    """Return the rows of each problem with its name, which tells it from others of the same molecule or model."""
    groups: dict[str, list[Row]] = {}
    for row in merged.rows:
        groups.setdefault(row.problem, []).append(row)
    named: dict[str, list[list[Row]]] = {}
    for rows in groups.values():
        named.setdefault(str(rows[0].values["name"]), []).append(rows)
    found = []
    for name, alike in named.items():
        keys = [key for key in merged.varying([row for rows in alike for row in rows]) if _of_problem(key)]
        for rows in alike:
            differing = merged.varying(rows)
            texts = [f"{key.partition('.')[2]} {_text(rows[0].settings.get(key))}" for key in keys if len(alike) > 1]
            found.append((", ".join([name, *texts]), sorted(rows, key=partial(_place, differing))))
    return found


def _place(keys: Sequence[str], row: Row) -> list[tuple[bool, float, str]]:
    """What rows are sorted by: controls last, then rules, settings and seeds."""
    parts = [row.values["control"], row.values["ansatz"], row.values["pruner"], *map(row.settings.get, keys)]
    return [
        (False, float(part), "") if isinstance(part, int | float) else (True, 0.0, _text(part))
        for part in [*parts, row.values["seed"]]
    ]


def _of_problem(key: str) -> bool:
    return key.partition(".")[0] in ("molecule", "model")


def format_merged(merged: Merged) -> str:
    """Return the tables of all problems as text, of seeds where several were run, and what was passed over."""
    parts, shown = [], 0
    for name, rows in problems(merged):
        if shown >= MOST_LINES or not has_runs(rows):
            continue
        header, lines = table_of(merged, rows)
        unit = error_unit(str(rows[0].values["unit"]))[1]
        parts.append(f"{name}, errors in {unit}\n" + columns(header, lines[: MOST_LINES - shown]))
        shown += len(lines)
        header, lines = seeds_of(merged, rows)
        if lines:
            parts.append(f"{name}, over seeds\n" + columns(header, lines))
    if len(merged.rows) > MOST_LINES:
        parts.append(f"{len(merged.rows) - MOST_LINES} more runs are not printed; the files have all")
    for unit in dict.fromkeys(str(content["unit"]) for _, content in merged.scans):
        header, lines = scans_of(merged, unit)
        if lines:
            parts.append(f"scans, errors in {error_unit(unit)[1]}\n" + columns(header, lines))
    return "\n\n".join(parts) or "no finished run"


def has_runs(rows: Sequence[Row]) -> bool:
    """Whether any of some rows is more than a point of a scan, which has a table of its own."""
    return any(row.values["study"] == "run" for row in rows)


def scans_of(merged: Merged, unit: str) -> tuple[list[str], list[list[str]]]:
    """Return header and texts of the scans whose energies have a unit: sizes and errors of their pruned curves."""
    header = [
        "scan",
        "along",
        "points",
        "pruner",
        "structure",
        "parameters",
        "2-qubit gates",
        "largest",
        "non-parallelity",
    ]
    lines = []
    for _, content in merged.scans:
        try:
            rules = "+".join(content["settings"]["pruner"]["rules"])
            for row in content["curves"]:
                if content["unit"] != unit or row["key"] not in (FINAL, ALONE):
                    continue
                sizes = [_span(row[name] or [0]) for name in ("n_parameters", "n_two_qubit_gates")]
                errors = [format_error(row[name], unit) for name in ("largest_error", "non_parallelity")]
                done = sum(not point["failed"] for point in content["points"])
                along = str(content["coordinate"]["name"])
                lines.append([str(content["name"]), along, str(done), rules, str(row["label"]), *sizes, *errors])
        except (KeyError, TypeError, ValueError):  # of another version; its own page has its numbers
            continue
    return header, lines


def table_of(merged: Merged, rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return header and texts of the runs of one problem: what differs between them, sizes and errors."""
    keys = [key for key in merged.varying(rows) if key != "seed" and not _of_problem(key)][:MOST_SETTINGS]
    seeds = len({row.values["seed"] for row in rows}) > 1
    own = [name for name in ("ansatz", "pruner") if len({row.values[name] for row in rows}) > 1]
    devices = any(row.values["device_energy"] is not None for row in rows)
    header = [*own, *keys, *(["seed"] if seeds else []), "parameters", "rotations", "2-qubit gates", "error"]
    header += ["measured error", "error bar"] if devices else []
    header += ["remark"] if any(_remark(row) for row in rows) else []
    lines = []
    for row in rows:
        values = row.values
        line = [str(values[name]) for name in own] + [_text(row.settings.get(key)) for key in keys]
        line += [str(values["seed"])] if seeds else []
        line += [str(values[name]) for name in ("parameters", "rotations", "two_qubit_gates")]
        line.append(format_error(values["error"], str(values["unit"])))
        if devices:
            line += [format_error(values[key], str(values["unit"])) for key in ("device_error", "device_error_bar")]
        lines.append([*line, _remark(row)] if header[-1] == "remark" else line)
    return header, lines


def _remark(row: Row) -> str:
    return "control" if row.values["control"] else "" if row.values["finished"] else "not converged or not measured"


def seeds_of(merged: Merged, rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return header and texts of runs that differ by their seed alone: how many, sizes, and the spread of errors."""
    keys = [key for key in merged.varying(rows) if key != "seed" and not _of_problem(key)]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        values = row.values
        groups.setdefault(
            (str(values["ansatz"]), str(values["pruner"]), *(_text(row.settings.get(key)) for key in keys)), []
        ).append(row)
    own = [k for k, name in enumerate(("ansatz", "pruner")) if len({row.values[name] for row in rows}) > 1]
    names = ["ansatz", "pruner", *keys[:MOST_SETTINGS]]
    shown = [*own, *range(2, len(names))]
    header = [*map(names.__getitem__, shown), "seeds", "parameters", "2-qubit gates", "smallest error", "median"]
    header.append("largest")
    lines = []
    for texts, alike in groups.items():
        if len(alike) < 2:
            continue
        sizes = [_span([row.values[name] for row in alike]) for name in ("parameters", "two_qubit_gates")]
        errors = sorted(row.values["error"] for row in alike if row.values["error"] is not None)
        unit = str(alike[0].values["unit"])
        spread = [errors[0], median(errors), errors[-1]] if errors else [None] * 3
        lines.append(
            [*map(texts.__getitem__, shown), str(len(alike)), *sizes, *(format_error(e, unit) for e in spread)]
        )
    return header, lines


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}-{high}"


def _text(value: Any) -> str:
    return "" if value is None else as_typed(value)


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as wide as its texts."""
    widths = [max(len(line[k]) for line in (header, *rows)) for k in range(len(header))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in (header, *rows)]
    return "\n".join(line.rstrip() for line in [lines[0], "-" * len(lines[0]), *lines[1:]])


def data_of(merged: Merged) -> dict[str, list[Any]]:
    """Return every column of the merged table: COLUMNS, then each setting that differs between runs."""
    found: dict[str, list[Any]] = {name: [row.values[name] for row in merged.rows] for name in COLUMNS}
    for key in merged.varying():
        if key not in found:
            found[key] = [_plain(row.settings.get(key)) for row in merged.rows]
    return found


def _plain(value: Any) -> Any:
    """Numbers and texts as they are, lists and mappings as they are typed."""
    return as_typed(value) if isinstance(value, list | dict) else value


def csv_text(data: Mapping[str, Sequence[Any]]) -> str:
    """Return a table as CSV: numbers with all their digits, empty where they are not known."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(data)
    for line in zip(*data.values(), strict=True):
        writer.writerow(["" if value is None else as_typed(value) for value in line])
    return buffer.getvalue()


def write_parquet(data: Mapping[str, Sequence[Any]], path: Path) -> bool:
    """Write a table as Parquet, each column with one type, and return whether pyarrow is there to do it."""
    if find_spec("pyarrow") is None:
        return False
    import pyarrow
    from pyarrow import parquet

    arrays = {}
    for name, column in data.items():
        kinds = {type(value) for value in column if value is not None}
        numbers = kinds <= {int, float} and len(kinds) == 2
        mixed = len(kinds) > 1 and not numbers
        values = [None if v is None else float(v) if numbers else as_typed(v) if mixed else v for v in column]
        arrays[name] = pyarrow.array(values, type=None if kinds else pyarrow.string())
    buffer = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(arrays), buffer)
    write_atomically(path, buffer.getvalue().to_pybytes())
    return True


def passed_over(merged: Merged) -> list[str]:
    """Return a line for each point that failed and for each folder that was passed over."""
    lines = [f"failed: {name}: {reason}" for name, reason in merged.failed] + merged.notes
    if merged.doubled:
        one, other = merged.doubled[0]
        runs = counted(len(merged.doubled), "run")
        lines.append(f"counted once: {runs} of the same study as another one, such as {one} and {other}")
    return lines


def headline(merged: Merged) -> str:
    """Return in words how much there is."""
    found = len({row.problem for row in merged.rows})
    parts = [counted(len(merged.rows), "run") + f" of {counted(found, 'problem')}"]
    parts += [counted(len(merged.scans), "scan")] if merged.scans else []
    parts += [f"{len(merged.failed)} failed"] if merged.failed else []
    return ", ".join(parts)
