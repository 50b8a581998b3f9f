"""Runs beside each other: the settings that differ, energies, errors and sizes, a column a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vqe_prune.errors import InputError, as_typed
from vqe_prune.report.record import Record
from vqe_prune.report.stored import Stored
from vqe_prune.report.table import format_error
from vqe_prune.settings import NOT_IN_DIGEST, Settings
from vqe_prune.units import error_unit

WIDTH = 100
"""Columns of text; runs that do not fit stand below."""

LONGEST = 30
"""Characters of a value in the table."""

METHODS = {"reference": "reference", "hf": "HF", "mp2": "MP2", "ccsd": "CCSD", "exact": "exact"}

SIZES = {
    "n_parameters": "parameters",
    "n_rotations": "rotations",
    "n_two_qubit_gates": "2-qubit gates",
    "depth": "depth",
    "n_qubits": "qubits",
}
OF_NAMES = ("molecule.name", "molecule.source", "molecule.fcidump")
"""Settings that say where a problem comes from, not which it is."""

SAME_ENERGY = 1e-6
"""Exact energies of one problem, in two programs' versions or after another SCF, agree within this."""

Row = tuple[str, list[str]]


def compare(runs: Sequence[Stored]) -> str:
    """Return a table of runs, or of scans, one column each.

    Args:
        runs: At least two.

    Raises:
        InputError: Runs and scans are mixed, or scans go along different coordinates.

    """
    for run in runs:
        if run.record is None and run.scan is None:
            raise InputError(
                f"compare: {run.path} is of a task on data, whose table holds its comparison; show prints it"
            )
    scans = [run.scan for run in runs if run.scan is not None]
    if scans and len(scans) < len(runs):
        mixed = next(run.path for run in runs if run.scan is None), next(run.path for run in runs if run.scan)
        raise InputError(f"{mixed[0]} is a single run and {mixed[1]} a scan: compare runs with runs, scans with scans")
    lines = [f"{k}  {run.path.parent}: {_name(run)}" for k, run in enumerate(runs, start=1)]
    blocks = [("settings that differ", _settings_rows(runs))]
    if scans:
        _check_scans(runs)
        blocks += _scan_blocks(scans)
        notes: list[str] = []
    else:
        records = [run.record for run in runs if run.record is not None]
        notes = _notes(runs, records)
        blocks += _record_blocks(records, energies=not notes)
    if not blocks[0][1]:
        kept = all(run.settings for run in runs)
        blocks[0] = ("", [])
        notes.append("no setting differs" if kept else "settings were not kept in every record")
    tables = _tables([block for block in blocks if block[1]], len(runs))
    return "\n".join([*lines, "", *tables, *(["", *(f"Note: {note}" for note in notes)] if notes else [])])


def _name(run: Stored) -> str:
    if run.record is not None:
        return str(run.record.problem["name"])
    assert run.scan is not None
    return f"scan of {run.scan['name']} along {run.scan['coordinate']['name']}"


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their dotted names; what an older version did not know is at its default.

    Of the molecule that a model takes no notice of there is nothing, nor of a model beside a molecule.
    """
    found: dict[str, Any] = {}
    for source in (asdict(Settings()), settings) if settings else ():
        for key, value in source.items():
            if isinstance(value, Mapping) and key != "file_contents":
                found |= {f"{key}.{name}": each for name, each in value.items()}
            else:
                found[key] = value
    other = "model" if found.get("model.name") is None else "molecule"
    return {key: value for key, value in found.items() if not key.startswith(f"{other}.")}


def _settings_rows(runs: Sequence[Stored]) -> list[Row]:
    flat = [_flat(run.settings) for run in runs]
    if not all(flat):
        return []
    rows = []
    for key in dict.fromkeys(key for each in flat for key in each):
        values = [each.get(key) for each in flat]
        hidden = key in ("molecule.geometry", "molecule.source", "output_dir", "threads", "file_contents")
        if not hidden and any(value != values[0] for value in values):
            texts = ["-" if value is None else _cut(as_typed(value)) for value in values]
            rows.append((key.removesuffix(".name").removesuffix(".rules"), texts))
    for key, what in (("molecule.geometry", "geometry"), ("file_contents", "content of files")):
        values = [each.get(key) for each in flat]
        if any(value != values[0] for value in values):
            same = [f"as {1 + values.index(value)}" for value in values]
            rows.append((what, ["own" if each == f"as {k}" else each for k, each in enumerate(same, start=1)]))
    return rows


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _notes(runs: Sequence[Stored], records: Sequence[Record]) -> list[str]:
    """Say why energies are no comparison; nothing where all are of one problem."""
    units = {record.unit for record in records}
    if len(units) > 1:
        return [f"energies are in {' and '.join(sorted(units))}: only sizes can be compared, each error is in its unit"]
    if not _one_problem(runs, records):
        return ["these are different problems: energies are not compared, each error is to its own exact energy"]
    return []


def _one_problem(runs: Sequence[Stored], records: Sequence[Record]) -> bool:
    """Whether Hamiltonians and sectors are the same, as far as settings, sizes and exact energies tell."""
    first = records[0]
    for key in ("n_qubits", "n_electrons", "n_alpha", "n_beta"):
        if any(record.problem.get(key) != first.problem.get(key) for record in records):
            return False
    exact = [record.energies["exact"] for record in records]
    known = [energy for energy in exact if energy is not None]
    if known and max(known) - min(known) > SAME_ENERGY:
        return False
    if len(known) == len(exact):
        return True
    problems = [
        {key: value for key, value in _flat(run.settings).items() if key.startswith(("molecule.", "model."))}
        for run in runs
    ]
    kept = [{key: each[key] for key in each if key not in (*OF_NAMES, *NOT_IN_DIGEST)} for each in problems]
    return all(kept) and all(each == kept[0] for each in kept)


def _record_blocks(records: Sequence[Record], *, energies: bool) -> list[tuple[str, list[Row]]]:
    unit, blocks = records[0].unit, []
    alike = len({record.unit for record in records}) == 1
    if energies:
        rows: list[Row] = []
        for key, label in METHODS.items():
            values = [record.energies.get(key) for record in records]
            if any(value is not None for value in values):
                rows.append((label, [_energy(value) for value in values]))
        blocks.append((f"energies / {unit}", rows))
    names = list(dict.fromkeys(str(stage["name"]) for record in records for stage in record.stages[:-1]))
    names = [name for name in names if all(_stage(record, name) for record in records)]
    picks: list[tuple[str, Callable[[Record], Mapping[str, Any]]]] = [
        *((name, lambda record, name=name: _stage(record, name) or {}) for name in names),
        ("pruned", lambda record: record.stages[-1]),
    ]
    for title, pick in picks:
        stages = [pick(record) for record in records]
        rows = [("last stage", [str(stage["name"]) for stage in stages])] if title == "pruned" else []
        if energies:
            rows.append((f"energy / {unit}", [_energy(stage["energy"]) for stage in stages]))
        errors = [format_error(stage["error_to_exact"], r.unit) for stage, r in zip(stages, records, strict=True)]
        if alike:
            rows.append((f"error / {error_unit(unit)[1]}", [error or "-" for error in errors]))
        else:
            own = [f"{e} {error_unit(r.unit)[1]}" if e else "-" for e, r in zip(errors, records, strict=True)]
            rows.append(("error", own))
        rows += [(label, [str(stage[key]) for stage in stages]) for key, label in SIZES.items()]
        blocks.append((title, rows))
    blocks.append(("time / s", [("total", [f"{record.times['total']:.1f}" for record in records])]))
    return blocks


def _stage(record: Record, name: str) -> Mapping[str, Any] | None:
    return next((stage for stage in record.stages if stage["name"] == name), None)


def _energy(value: float | None) -> str:
    return "-" if value is None else f"{value:.8f}"


def _check_scans(runs: Sequence[Stored]) -> None:
    first = runs[0].scan
    assert first is not None
    for run in runs:
        assert run.scan is not None
        here, there = (
            (scan["coordinate"]["name"], [point["value"] for point in scan["points"]], scan["unit"], scan["name"])
            for scan in (first, run.scan)
        )
        if here != there:
            raise InputError(
                f"{runs[0].path.parent} and {run.path.parent} are scans of different problems, coordinates or points: "
                f"how good a curve is cannot be compared"
            )


def _scan_blocks(scans: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Row]]]:
    unit, blocks = scans[0]["unit"], []
    name = error_unit(unit)[1]
    for key in dict.fromkeys(row["key"] for scan in scans for row in scan["curves"]):
        curves: list[Mapping[str, Any]] = [
            next((row for row in scan["curves"] if row["key"] == key), {}) for scan in scans
        ]
        rows: list[Row] = [
            (f"{label} / {name}", [format_error(curve.get(field), unit) or "-" for curve in curves])
            for field, label in (
                ("largest_error", "largest error"), ("non_parallelity", "non-parallelity"), ("largest_jump", "jump"),
            )
        ]  # fmt: skip
        for field, label in (("n_parameters", "parameters"), ("n_two_qubit_gates", "2-qubit gates")):
            spans = [curve.get(field) for curve in curves]
            if any(spans):
                rows.append(
                    (label, ["-" if s is None else f"{s[0]}" if s[0] == s[1] else f"{s[0]}-{s[1]}" for s in spans])
                )
        blocks.append((str(next(curve["label"] for curve in curves if curve)), rows))
    return blocks


def _tables(blocks: Sequence[tuple[str, list[Row]]], n_runs: int) -> list[str]:
    """The same rows for as many runs as fit beside each other, then for the next ones."""
    left = max(max(len(title), 2 + max(len(label) for label, _ in rows)) for title, rows in blocks)
    widths = [max(len(str(k + 1)), *(len(cells[k]) for _, rows in blocks for _, cells in rows)) for k in range(n_runs)]
    lines: list[str] = []
    start = 0
    while start < n_runs:
        end, used = start, left
        while end < n_runs and (end == start or used + 2 + widths[end] <= WIDTH):
            used += 2 + widths[end]
            end += 1
        shown = range(start, end)
        lines += [""] if lines else []
        lines.append(" " * left + "".join(f"  {k + 1:>{widths[k]}}" for k in shown))
        for title, rows in blocks:
            lines.append(title)
            for label, cells in rows:
                lines.append(f"  {label}".ljust(left) + "".join(f"  {cells[k]:>{widths[k]}}" for k in shown))
        start = end
    return lines
