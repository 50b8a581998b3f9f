"""Many studies from one command: ``--multirun molecule=LiH,BeH2 seed=range(5)``, resumed wherever they were stopped.

Every point has the folder that it would have on its own, so that what is done, by whichever command, is found again by
the hash of its settings; the multirun itself is a small folder that lists its points and shows their results together.
"""

from __future__ import annotations

import json
import os
import shlex
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vqe_prune import batch, config, report, scan, study
from vqe_prune.console import Console
from vqe_prune.errors import ConvergenceError, InputError, PendingError
from vqe_prune.launcher_settings import LauncherSettings, SweeperSettings, read_launcher, read_sweeper
from vqe_prune.launchers import Launcher, open_launcher
from vqe_prune.parallel import Failure
from vqe_prune.report.merge import merge_points
from vqe_prune.report.merge_page import write_merged
from vqe_prune.report.merge_table import format_merged
from vqe_prune.report.table import format_error
from vqe_prune.results import versions
from vqe_prune.run_folder import Trace, check_writable, locked, write_atomically
from vqe_prune.search import Trial, ask, check_search, front, values_of
from vqe_prune.settings import Settings
from vqe_prune.sweep import Point, Sweep, grid_points, multirun_digest, read_sweep
from vqe_prune.time_left import duration
from vqe_prune.units import error_unit
from vqe_prune.wording import counted

MULTIRUN_SCHEMA = 1
"""Version of multirun.json: digest, command, launcher, sweeper, points (arguments, swept, digest, folder relative to
this one, status, reason, details of errors nobody expected), best (positions, of a search), notes, seconds and
versions."""

DONE, UNFINISHED, SENT, FAILED, WAITING = "done", "unfinished", "sent", "failed", "waiting"
"""What a point can be; ``sent`` waits for jobs of Google's service."""

LISTED_SECONDS = 5.0
"""How often multirun.json is written while points end."""

TICK_SECONDS = 0.5
"""How often the time so far is told anew."""


@dataclass(eq=False)
class _State:
    """How far a point has come."""

    point: Point
    status: str = WAITING
    reason: str = ""
    details: str = ""
    bad_input: bool = False


@dataclass(eq=False)
class _Multirun:
    """What all steps of a multirun share; the states are filled as points end."""

    sweep: Sweep
    launcher: LauncherSettings
    sweeper: SweeperSettings
    arguments: Sequence[str]
    folder: Path
    console: Console
    notes: list[str]
    began: float
    states: dict[str, _State] = field(default_factory=dict)
    trials: list[str] = field(default_factory=list)
    listed: float = 0.0

    def say(self, text: str) -> None:
        """Tell the user one line."""
        self.console.say(text)


def run(arguments: Sequence[str], *, write: Callable[[str], Any] | None = None) -> int:
    """Run every point of a command line with sweeps, or those that are left.

    Args:
        arguments: As on the command line, without ``--multirun``.
        write: Prints text, default to standard output.

    Returns:
        The exit status: 0 where all is done, 3 where some points failed or are not converged.

    Raises:
        InputError: Something cannot be used, at any point; nothing has started.

    """
    began, sweep = time.perf_counter(), read_sweep(arguments)
    console = Console(write, sweep.output)
    launcher = read_launcher({key: value for key, value in sweep.own.items() if key.startswith("launcher")})
    sweeper = read_sweeper({key: value for key, value in sweep.own.items() if key.startswith("sweeper")})
    points: list[Point] = []
    notes: list[str] = []
    if sweeper.name == "optuna":
        own = multirun_digest([*check_search(sweep, sweeper), f"{sweep.swept}", _searched(sweeper)])
    else:
        points, notes = grid_points(sweep)
        own = multirun_digest([point.digest for point in points])
    folder = sweep.root / "multirun" / own
    check_writable(folder)
    for point in points:
        check_writable(config.output_folder(point.settings))
    runner = open_launcher(launcher, sweep.cores, folder / "jobs")
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, console.say), console.logging(folder, command_of(arguments)):
        multirun = _Multirun(sweep, launcher, sweeper, arguments, folder, console, notes, began)
        with runner:
            if sweeper.name == "optuna":
                _search(multirun, runner, Trace(folder / "trace.jsonl", console.say))
            else:
                _run_points(multirun, runner, points, len(points))
        return _finish(multirun)


def _searched(sweeper: SweeperSettings) -> str:
    """What makes a search another one; more trials only make it longer."""
    return f"{','.join(sweeper.minimise)} {sweeper.batch} {sweeper.seed}"


def run_point(settings: Settings, place: str) -> str:
    """Run one point, a study or a scan, in its own folder.

    Args:
        settings: Of the point.
        place: Folder that relative names are relative to.

    Returns:
        An empty text, or what jobs of Google's service it still waits for.

    """
    if os.getcwd() != place:  # a node of a cluster
        os.chdir(place)
    try:
        if settings.study == "scan":
            scan.run(settings, write=batch.nothing)
        else:
            batch.run_quietly(settings)
    except PendingError as error:
        return str(error)
    return ""


def _run_points(multirun: _Multirun, runner: Launcher, points: Sequence[Point], total: int) -> None:
    """Run those points that are not complete; all states are known afterwards."""
    for point in points:
        multirun.states[point.digest] = _known(point)
    pending = [point for point in points if multirun.states[point.digest].status == WAITING]
    progress = _Progress(multirun, total, len(pending))
    _write_list(multirun)
    tasks = [(_on(point.settings, multirun.launcher.cpus), os.getcwd()) for point in pending]

    def end(k: int, result: Any) -> None:
        state = multirun.states[pending[k].digest]
        if isinstance(result, Failure):
            state.status, state.reason, state.details = FAILED, result.reason, result.details
            state.bad_input = result.bad_input
        elif result:
            state.status, state.reason = SENT, result
        else:
            fresh = _known(pending[k])
            state.status, state.reason = fresh.status, fresh.reason
            if state.status == WAITING:
                state.status, state.reason = FAILED, "it ended without a result; see run.log in its folder"
        progress.ended(state)
        if time.monotonic() - multirun.listed > LISTED_SECONDS:
            _write_list(multirun)

    with progress:
        if tasks:
            runner.run(run_point, tasks, end)


def _on(settings: Settings, cores: int) -> Settings:
    settings.threads = cores
    return settings


def _known(point: Point) -> _State:
    """What the folder of a point says."""
    settings, folder = point.settings, config.output_folder(point.settings)
    try:
        if settings.study == "scan":
            content = scan.complete_scan(folder, settings) if folder.exists() else None
            if content is None:
                return _State(point)
            texts = list(dict.fromkeys(text for each in content["points"] for text in each["warnings"]))
            open_ends = texts if scan.unfinished(content) else []
        else:
            record = study.complete_record(folder, settings)
            if record is None:
                return _State(point)
            open_ends = report.unfinished(record)
    except InputError as error:
        return _State(point, FAILED, str(error), bad_input=True)
    return _State(point, UNFINISHED if open_ends else DONE, "; ".join(open_ends))


def _search(multirun: _Multirun, runner: Launcher, trace: Trace) -> None:
    """Ask for trials and run them, batch after batch; what was asked and found is in the trace."""
    sweep, sweeper = multirun.sweep, multirun.sweeper
    trials: list[Trial] = []
    told = {event["batch"]: event["values"] for event in trace.find("told")}
    asked = [event["trials"] for event in trace.find("asked")]
    number = 0
    multirun.say(f"A search of {sweeper.trials} trials, {sweeper.batch} at once; {multirun.launcher.name}")
    while len(trials) < sweeper.trials:
        if number < len(asked):
            new = [Trial(chosen=chosen) for chosen in asked[number]]
        else:
            new = ask(sweep, sweeper, trials)
            trace.add("asked", batch=number, trials=[dict(trial.chosen) for trial in new])
        points = [sweep.point(trial.chosen) for trial in new]
        multirun.trials += [point.digest for point in points]
        fresh = list({point.digest: point for point in points}.values())
        _run_points(multirun, runner, fresh, sweeper.trials)
        values = told.get(number)
        if values is None:
            values = [_values(multirun, point) for point in points]
            trace.add("told", batch=number, values=values)
        trials += [
            Trial(chosen=trial.chosen, values=None if found is None else tuple(found))
            for trial, found in zip(new, values, strict=True)
        ]
        number += 1


def _values(multirun: _Multirun, point: Point) -> tuple[float, ...] | None:
    """The numbers that a search makes small at a point, None where it failed."""
    if multirun.states[point.digest].status not in (DONE, UNFINISHED):
        return None
    return values_of(report.read_record(config.output_folder(point.settings)), multirun.sweeper)


def _finish(multirun: _Multirun) -> int:
    """Write and print what was found, and return the exit status."""
    states = list(multirun.states.values())
    bad = [state for state in states if state.status == FAILED]
    _write_list(multirun)
    if bad and len(bad) == len(states) and all(state.bad_input for state in bad):
        where = "" if len(bad) == 1 else f"all {len(bad)} points fail, the first at {bad[0].point.name}: "
        raise InputError(where + bad[0].reason)
    merged = merge_points(multirun.folder)
    write_merged(merged, multirun.folder, name="report", command=command_of(multirun.arguments))
    multirun.say("\n" + format_merged(merged))
    notes = list(multirun.notes)
    if "seed" in multirun.sweep.swept:
        notes += seed_notes([(state.point.swept, _result(state)) for state in states])
    for note in notes:
        multirun.say(f"Note: {note}")
    _say_best(multirun)
    for state in states:
        if state.status in (FAILED, UNFINISHED, SENT):
            multirun.say(f"{state.status}: {state.point.name}: {state.reason}")
    counts = Counter(state.status for state in states)
    done = counts.pop(DONE, 0)
    ending = ", ".join([f"{done} of {len(states)} points done", *(f"{n} {status}" for status, n in counts.items())])
    page = multirun.folder / "report.html"
    multirun.console.conclude(f"\n{ending}. Results: {page}, report.csv there", f"{ending}: {page}")
    if bad and not all(state.bad_input for state in bad):
        multirun.say("The same command tries the failed points again.")
    waits = all(state.status in (DONE, SENT) and not state.point.settings.device.wait for state in states)
    return 0 if done == len(states) or waits else ConvergenceError.exit_status


def _result(state: _State) -> tuple[int, float] | None:
    """Parameters and energy that a run has ended with; None for scans and for points without a result."""
    if state.point.settings.study == "scan" or state.status not in (DONE, UNFINISHED):
        return None
    last = report.read_record(config.output_folder(state.point.settings)).stages[-1]
    return last["n_parameters"], round(last["energy"], 8)


def seed_notes(results: Sequence[tuple[Mapping[str, str], tuple[int, float] | None]]) -> list[str]:
    """Say where points that differ by their seed alone have all found the same.

    >>> lie = {"pruner": "lie"}
    >>> seed_notes([(lie | {"seed": "0"}, (4, -7.9)), (lie | {"seed": "1"}, (4, -7.9))])
    ['seed= made no difference at 1 of 1 settings: nothing is left to chance there, one seed would do']
    >>> seed_notes([(lie | {"seed": "0"}, (4, -7.9)), (lie | {"seed": "1"}, (3, -7.9))])
    []

    """
    groups: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = {}
    for swept, result in results:
        if result is not None:
            key = tuple(item for item in swept.items() if item[0] != "seed")
            groups.setdefault(key, []).append(result)
    several = [found for found in groups.values() if len(found) > 1]
    alike = sum(len(set(found)) == 1 for found in several)
    where = f"at {alike} of {len(several)} settings"
    text = f"seed= made no difference {where}: nothing is left to chance there, one seed would do"
    return [text] if alike else []


def _best(multirun: _Multirun) -> list[int]:
    """Positions among the states of the points of a search that no other one beats."""
    if multirun.sweeper.name != "optuna":
        return []
    return front([_values(multirun, state.point) for state in multirun.states.values()])


def _say_best(multirun: _Multirun) -> None:
    best = _best(multirun)
    if not best:
        return
    states, names = list(multirun.states.values()), multirun.sweeper.minimise
    again = len(multirun.trials) - len(states)
    multirun.say(
        f"\nBest of {len(multirun.trials)} trials by {', '.join(names)}"
        + (f" ({again} of them points that had been tried before)" if again else "")
    )
    for k in best:
        values = _values(multirun, states[k].point) or ()
        unit = report.read_record(config.output_folder(states[k].point.settings)).unit
        texts = ", ".join(
            f"error {format_error(value, unit)} {error_unit(unit)[1]}" if name == "error" else f"{name} {value:.0f}"
            for name, value in zip(names, values, strict=True)
        )
        multirun.say(f"  {states[k].point.name}: {texts}")


def _write_list(multirun: _Multirun) -> None:
    """Write multirun.json: it lists points; what is done is known from their own folders."""
    content = {
        "schema": MULTIRUN_SCHEMA,
        "digest": multirun.folder.name,
        "command": command_of(multirun.arguments),
        "launcher": asdict(multirun.launcher),
        "sweeper": asdict(multirun.sweeper),
        "points": [
            {
                "arguments": list(state.point.arguments),
                "swept": dict(state.point.swept),
                "digest": digest,
                "folder": os.path.relpath(config.output_folder(state.point.settings), multirun.folder),
                "status": state.status,
                "reason": state.reason,
                "details": state.details,
            }
            for digest, state in multirun.states.items()
        ],
        "best": _best(multirun),
        "notes": multirun.notes,
        "seconds": time.perf_counter() - multirun.began,
        "versions": versions(),
    }
    write_atomically(multirun.folder / "multirun.json", json.dumps(content, indent=1) + "\n")
    multirun.listed = time.monotonic()


def command_of(arguments: Sequence[str]) -> str:
    """Return the command that repeats a multirun, quoted for a shell."""
    return "python -m vqe_prune --multirun " + shlex.join(arguments)


class _Progress:
    """Tells points done and failed, and the time left, while points run.

    Args:
        multirun: Whose points run.
        total: All its points.
        pending: How many run now.

    """

    def __init__(self, multirun: _Multirun, total: int, pending: int) -> None:
        self._multirun, self._total, self._pending = multirun, total, pending
        self._began, self._ended = time.monotonic(), 0
        self._lock, self._over = threading.Lock(), threading.Event()

    def __enter__(self) -> AbstractContextManager[Any]:
        """Say what is there already, and start to tell."""
        states = self._multirun.states.values()
        before = sum(state.status in (DONE, UNFINISHED) for state in states)
        if not self._multirun.trials:
            found = f", {before} of them found done" if before else ""
            self._multirun.say(f"{counted(self._total, 'point')}{found}; {self._multirun.launcher.name}")
        self._multirun.console.begin()
        if self._pending:
            threading.Thread(target=self._tick, daemon=True).start()
        return nullcontext()

    def __exit__(self, *_: object) -> None:
        """Tell no more."""
        self._over.set()
        with self._lock:
            self._multirun.console.close_line()

    def ended(self, state: _State) -> None:
        """Tell of a point that has ended."""
        with self._lock:
            self._ended += 1
            if state.status == FAILED:
                self._multirun.console.warn(f"failed: {state.point.name}: {state.reason}")
            if self._multirun.console.level == "verbose":
                self._multirun.console.progress([f"{state.status}: {state.point.name}", *self._parts()])

    def _tick(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            with self._lock:
                if not self._over.is_set() and self._multirun.console.level != "verbose":
                    self._multirun.console.progress(self._parts())

    def _parts(self) -> list[str]:
        states = self._multirun.states.values()
        done = sum(state.status in (DONE, UNFINISHED, SENT) for state in states)
        failed = sum(state.status == FAILED for state in states)
        spent = time.monotonic() - self._began
        parts = [f"{done} of {self._total} points done"]
        parts += [f"{failed} failed"] if failed else []
        left = self._total - done - failed
        if self._ended and left:
            parts.append(f"about {duration(spent / self._ended * left)} to go")
        return [*parts, f"{duration(spent)} so far"]
