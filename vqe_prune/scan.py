"""A scan along a bond length, an angle or a coupling: points in parallel processes, one structure or one for each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vqe_prune import batch, config, report, study
from vqe_prune.console import Console
from vqe_prune.curve import CurveJournal, point_pruning, prune_segment
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.inputs import build_ansatz, build_model, read_molecule
from vqe_prune.journal import TraceJournal
from vqe_prune.neighbours import CurvePoint, Segment, segments, solve_curve, solve_point
from vqe_prune.parallel import Failure, Workers, failure_of, usable_cores
from vqe_prune.prune.family import FamilyPruning
from vqe_prune.prune.pruning import Pruning
from vqe_prune.report.scan_table import SCAN_SCHEMA, curve_row, format_scan, scan_headline
from vqe_prune.results import versions
from vqe_prune.run_folder import Trace, check_writable, check_written, locked, write_last
from vqe_prune.scan_settings import Coordinate, coordinate_of, point_settings
from vqe_prune.settings import Settings, digest
from vqe_prune.time_left import duration

Content = dict[str, Any]
PROBLEM_FILE = "problem.npz"


@dataclass(frozen=True, eq=False)
class _Scan:
    """What all steps of a scan share."""

    settings: Settings
    coordinate: Coordinate
    folder: Path
    console: Console
    trace: Trace
    workers: Workers

    @property
    def names(self) -> list[str]:
        """What each point is called in a sentence."""
        return [self.coordinate.with_unit(value) for value in self.coordinate.values]

    @property
    def structure(self) -> str:
        """``common``, ``each`` or ``both``."""
        return str(self.settings.scan.structure)

    def point(self, k: int, place: str = "points", *, alone: bool = False) -> Settings:
        """Settings of a point that go to its folder."""
        value = self.coordinate.values[k]
        found = point_settings(self.settings, value, alone=alone)
        if not alone:
            found.scan.structure = "each" if place == "each" or self.structure == "each" else "common"
        found.output_dir = str(self.folder / place / self.coordinate.text(value))
        return found

    def say(self, text: str) -> None:
        """Tell the user one line."""
        self.console.say(text)

    def counter(self, what: str, total: int) -> Callable[[int, Any], None]:
        """Return what is called with each point that ends."""
        ended, began, first = 0, time.monotonic(), 0.0  # seconds to the end of the first round
        self.console.begin()

        def done(k: int, result: Any) -> None:
            nonlocal ended, first
            ended += 1
            seconds, round_size = time.monotonic() - began, self.workers.count
            if ended <= round_size:
                first = seconds
            if isinstance(result, Failure):
                self.console.warn(f"{what} {ended}/{total}: {self.names[k]} FAILED: {result.reason}")
            elif ended == total:
                self.say(f"{what} {ended}/{total}, {duration(seconds)}")
            else:
                parts = [f"{what} {ended}/{total}", f"{duration(seconds)} so far"]
                if ended > round_size:  # the first round has the start of the processes in it
                    left = (seconds - first) / (ended - round_size) * (total - ended)
                    parts.insert(1, f"about {duration(left)} to go")
                self.console.progress(parts)

        return done


def run(settings: Settings, *, write: Callable[[str], Any] | None = None) -> Content:
    """Run a scan, or finish one that was interrupted, or say that it is complete.

    Args:
        settings: With ``study=scan``; `vqe_prune.config.parse_settings` makes it.
        write: Prints text, default to standard output.

    Returns:
        What scan.json holds (`vqe_prune.report.scan_table.SCAN_SCHEMA` says what that is); see `unfinished`.

    Raises:
        InputError: The input cannot be used, at any point, or the folder belongs to another study.
        ConvergenceError: Some points failed; all others are done and everything is written.

    """
    began, console = time.perf_counter(), Console(write, settings.output)
    study.use_threads(settings)
    coordinate, folder = coordinate_of(settings), config.output_folder(settings)
    check_writable(folder)
    check_points(settings, coordinate)
    complete = complete_scan(folder, settings)
    if complete is not None:
        page = folder / "report.html"
        text = f"{format_scan(complete)}\nThis scan is complete; its report is {page}"
        console.conclude(text, f"{scan_headline(complete)}: {page}")
        return complete
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, console.say), console.logging(folder, config.command_line(asdict(settings))):
        trace = study.open_trace(folder, settings, console.say)
        with Workers(min(settings.threads or usable_cores(), len(coordinate.values))) as workers:
            scan = _Scan(settings, coordinate, folder, console, trace, workers)
            failures, found = _on_qubits(scan) if settings.on_qubits else _of_electrons(scan)
        _check_any(scan, failures)
        content = _content(scan, failures, found, time.perf_counter() - began)
        report.write_scan_page(folder, content, config.command_line(asdict(settings)))
        write_last(trace, folder / "scan.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
        text = f"{format_scan(content)}\nResults: {folder / 'report.html'} and {folder / 'scan.json'}"
        console.conclude(text, f"{scan_headline(content)}: {folder / 'report.html'}")
    if failures:
        k, failure = next(iter(failures.items()))
        again = "" if failure.bad_input else ", and the same command tries the failed ones again"
        raise ConvergenceError(
            f"{len(failures)} of {len(coordinate.values)} points failed, the first at {scan.names[k]}: "
            f"{failure.reason}; the others are done{again}"
        )
    return content


def unfinished(content: Content) -> bool:
    """Whether any point of a scan lacks what was asked for (`vqe_prune.report.unfinished`): exit status 3."""
    return any(point["unfinished"] for point in content["points"])


def _check_any(scan: _Scan, failures: dict[int, Failure]) -> None:
    """Raise InputError where no point can use the input: it is the scan's then, not one point's."""
    if len(failures) == len(scan.coordinate.values) and all(each.bad_input for each in failures.values()):
        first = failures[0].reason
        alike = all(each.reason == first for each in failures.values())
        raise InputError(first if alike else f"every point fails, at {scan.names[0]}: {first}")


def check_points(settings: Settings, coordinate: Coordinate) -> None:
    """Say what is wrong with any point before anything is computed."""
    for value in coordinate.values:
        point = point_settings(settings, value)
        try:
            if coordinate.group == "molecule":
                read_molecule(point.molecule)
            else:
                build_model(point.model)
        except InputError as error:
            raise InputError(f"scan.{coordinate.name}: at {coordinate.text(value)}: {error}") from error


def complete_scan(folder: Path, settings: Settings) -> Content | None:
    """Return the folder's scan.json where it is of this scan and schema and no point failed."""
    path = folder / "scan.json"
    if not path.exists():
        if (folder / "record.json").exists():
            raise InputError(f"output_dir={folder} holds another study's record; choose another output_dir")
        return None
    check_written(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        own = content["digest"] == digest(settings) and content["schema"] <= SCAN_SCHEMA
        older = content["schema"] < SCAN_SCHEMA  # made anew out of the points
        failed = any(point["failed"] for point in content["points"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: not the results of a scan; remove it or choose another output_dir") from error
    if not own:
        raise InputError(f"output_dir={folder} holds another scan's results; choose another output_dir")
    return None if failed or older else content


def _on_qubits(scan: _Scan) -> tuple[dict[int, Failure], Content]:
    """Run every point as an ordinary study of its own."""
    studies = [scan.point(k, alone=True) for k in range(len(scan.coordinate.values))]
    results = batch.run_studies(studies, scan.workers, done=scan.counter("points", len(studies)))
    return {k: each for k, each in enumerate(results) if each is not None}, {"notes": [], "segments": []}


def _of_electrons(scan: _Scan) -> tuple[dict[int, Failure], Content]:
    """Solve the chemistry of all points, prune them together, each, or both ways."""
    points, notes = _points(scan)
    failures = {k: point for k, point in enumerate(points) if isinstance(point, Failure)}
    pieces, cuts = segments(points, scan.names)
    for note in (*notes, *cuts):
        scan.say(f"Note: {note}")
    found: Content = {"notes": [*notes, *cuts], "segments": []}
    if scan.structure in ("common", "both"):
        pruned: list[tuple[Segment, FamilyPruning]] = []
        for piece in pieces:
            try:
                pruning, steps = _prune_together(scan, piece)
            except (InputError, ConvergenceError) as error:
                failures |= dict.fromkeys(piece.positions, failure_of(error))
                continue
            pruned.append((piece, pruning))
            found["segments"].append(_segment_row(piece, pruning, steps))
        found["notes"] += dict.fromkeys(note for _, pruning in pruned for note in pruning.notes)
        failures |= _write_points(scan, pruned)
    if scan.structure in ("each", "both"):
        place = "points" if scan.structure == "each" else "each"
        problems = {k: problem for piece in pieces for k, problem in zip(piece.positions, piece.problems, strict=True)}
        chosen = sorted(set(problems) - set(failures))
        results = batch.run_studies(
            [scan.point(k, place) for k in chosen],
            scan.workers,
            known=[problems[k] for k in chosen],
            done=_renumbered(scan.counter("pruned on their own", len(chosen)), chosen),
        )
        failures |= {k: each for k, each in zip(chosen, results, strict=True) if each is not None}
    return dict(sorted(failures.items())), found


def _renumbered(done: Callable[[int, Any], None], positions: Sequence[int]) -> Callable[[int, Any], None]:
    return lambda k, result: done(positions[k], result)


def _points(scan: _Scan) -> tuple[list[CurvePoint | Failure], list[str]]:
    """Mean fields one after the other, since each helps its neighbour; then the rest of the chemistry in parallel."""
    settings, values = scan.settings, scan.coordinate.values
    molecules = [read_molecule(point_settings(settings, value).molecule) for value in values]
    scan.say(f"{molecules[0].name} in {molecules[0].basis}: mean fields of {len(values)} points ...")
    densities, energies, notes = solve_curve(molecules, scan.names)
    key = digest(settings)
    results: list[Any] = list(densities)
    solved = [k for k, density in enumerate(densities) if not isinstance(density, Failure)]
    tasks = []
    for k in solved:
        folder = Path(scan.point(k).output_dir or "")
        folder.mkdir(parents=True, exist_ok=True)
        tasks.append((molecules[k], densities[k], settings.exact, folder / PROBLEM_FILE, f"{key} {energies[k]:.8f}"))
    done = _renumbered(scan.counter("chemistry", len(solved)), solved)
    for k, result in zip(solved, scan.workers.run(solve_point, tasks, done), strict=True):
        results[k] = result
    return results, notes


def _prune_together(scan: _Scan, piece: Segment) -> tuple[FamilyPruning, int]:
    chosen = scan.settings
    (rule,) = (each for each in chosen.pruner.rules if each != "symmetry")
    if len(piece.positions) < len(scan.coordinate.values):
        first, last = (scan.names[piece.positions[k]] for k in (0, -1))
        scan.say(f"{first}:" if first == last else f"{first} to {last}:")
    return prune_segment(
        piece.problems,
        build_ansatz(chosen, piece.problems[0]),
        rule=rule,
        limits=study.limits_of(chosen),
        seed=chosen.seed,
        gradient_tolerance=chosen.optimizer.gradient_tolerance,
        max_steps=chosen.optimizer.max_steps,
        threads=study.use_threads(chosen),
        workers=scan.workers,
        journal=CurveJournal(scan.trace, piece.positions),
        say=scan.say,
    )


def _segment_row(piece: Segment, pruning: FamilyPruning, steps: int) -> Content:
    """What scan.json says about a piece of the curve with one structure."""
    return {
        "positions": list(piece.positions),
        "n_parameters": pruning.final.ansatz.n_parameters,
        "rotations": [rotation.generator.label for rotation in pruning.final.ansatz.rotations],
        "parameters": [-1 if r.parameter is None else r.parameter for r in pruning.final.ansatz.rotations],
        "full_steps": steps,
        "pruned_on": [piece.positions[k] for k in pruning.members],
    }


def _write_points(scan: _Scan, pruned: Sequence[tuple[Segment, FamilyPruning]]) -> dict[int, Failure]:
    """Make each point of the common structure an ordinary run folder; return the failures."""
    tasks, positions = [], []
    for piece, pruning in pruned:
        for g, k in enumerate(piece.positions):
            settings = scan.point(k)
            record = study.complete_record(config.output_folder(settings), settings)
            if record is None or not _is_of(record, pruning, g):
                tasks.append((settings, pruning, g))
                positions.append(k)
    done = _renumbered(scan.counter("points", len(tasks)), positions)
    results = scan.workers.run(_write_point, tasks, done)
    return {k: each for k, each in zip(positions, results, strict=True) if isinstance(each, Failure)}


def _is_of(record: report.Record, pruning: FamilyPruning, g: int) -> bool:
    """Whether a point's record is of this structure, not of one without a point that failed then."""
    decisions = [decision.action.value for decision in pruning.plan.decisions]
    energy = pruning.final.optima[g].value
    return [row["decision"] for row in record.plan] == decisions and abs(record.stages[-1]["energy"] - energy) < 1e-9


def _write_point(settings: Settings, family: FamilyPruning, g: int) -> None:
    """Write the run folder of a point of the common structure."""
    began, folder, console = time.perf_counter(), config.output_folder(settings), Console(batch.nothing)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, console.say), console.logging(folder, "a point of a scan"):
        trace = study.open_trace(folder, settings, console.say)
        pruning: Pruning = point_pruning(family, g)
        problem = pruning.problem
        journal = TraceJournal(trace, console, problem.energies["exact"], problem.unit)
        journal.say(report.format_energies(problem.energies, problem.name, problem.unit))
        times = {"pruning": time.perf_counter() - began}
        study.finish(settings, pruning, family.limits, trace, folder, times, began, journal)


def _point_row(scan: _Scan, k: int, failure: Failure | None) -> tuple[Content, str]:
    """Return what scan.json says about a point, out of its records, and the unit of its energies."""
    value, unit = scan.coordinate.values[k], ""
    point: Content = {
        "value": value,
        "folder": f"points/{scan.coordinate.text(value)}",
        "failed": None if failure is None else failure.reason,
        "energies": {},
        "stages": [],
        "alone": None,
        "warnings": [],
        "unfinished": False,
    }
    if failure is None:
        record = report.read_record(config.output_folder(scan.point(k, alone=scan.settings.on_qubits)))
        unit = record.unit
        point["energies"] = dict(record.energies)
        point["stages"] = [_stage(stage) for stage in record.stages]
        point["warnings"] = report.complaints(record)
        point["unfinished"] = bool(report.unfinished(record))
        if scan.structure == "both":
            own = report.read_record(config.output_folder(scan.point(k, "each")))
            point["alone"] = _stage(own.stages[-1])
            point["warnings"] += [f"pruned on its own: {text}" for text in report.complaints(own)]
            point["unfinished"] |= bool(report.unfinished(own))
    return point, unit


def _warnings(coordinate: Coordinate, points: Sequence[Content]) -> list[str]:
    """Return what the records of the points warn of, each text once with all of its points."""
    where: dict[str, list[float]] = {}
    for point in points:
        for text in point["warnings"]:
            where.setdefault(text, []).append(point["value"])
    return [f"at {coordinate.listed(values)}: {text}" for text, values in where.items()]


def _content(scan: _Scan, failures: dict[int, Failure], found: Content, seconds: float) -> Content:
    """Return what scan.json holds, out of the records of the points."""
    coordinate = scan.coordinate
    rows = [_point_row(scan, k, failures.get(k)) for k in range(len(coordinate.values))]
    points, unit = [point for point, _ in rows], max(unit for _, unit in rows)
    name = scan.settings.model.name or scan.settings.molecule.name
    content: Content = {
        "schema": SCAN_SCHEMA,
        "digest": digest(scan.settings),
        "settings": asdict(scan.settings),
        "name": name if coordinate.group == "molecule" else f"{name} model",
        "coordinate": {"name": coordinate.name, "unit": coordinate.unit},
        "unit": unit or "hartree",
        "structure": scan.structure,
        "points": points,
        "segments": found["segments"],
        "notes": [*found["notes"], *_warnings(coordinate, points)],
        "seconds": seconds,
        "versions": versions(),
    }
    content["curves"] = [curve_row(content, key) for key in report.scan_curves(content)]
    return content


def _stage(stage: Content) -> Content:
    keys = ("name", "n_parameters", "n_rotations", "n_two_qubit_gates", "energy", "error_to_exact")
    return {key: stage[key] for key in keys}
