"""A task from settings to a folder of results: every seed on its own, in parallel processes, then one table.

A task is a module with three functions, listed in `TASKS`:

    check(settings) -> dict          facts about the data, found before anything is computed; InputError where they
                                     cannot be had
    run_seed(settings, seed, memory, say) -> dict
                                     {"rows": [...], ...} of one seed (`report.task_table` says what a row holds)
    figures(content) -> list         (title, SVG, caption) of each picture of report.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from vqe_prune import config
from vqe_prune.batch import nothing
from vqe_prune.console import Console
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.parallel import Failure, Workers, usable_cores
from vqe_prune.report.task_page import write_task_page
from vqe_prune.report.task_table import TASK_SCHEMA, format_task, summarise
from vqe_prune.results import versions
from vqe_prune.run_folder import check_writable, check_written, locked, write_last
from vqe_prune.settings import Settings, digest
from vqe_prune.study import open_trace
from vqe_prune.task_settings import task_name
from vqe_prune.tasks.memory import Memory

Content = dict[str, Any]
Say = Callable[[str], Any]


class TaskModule(Protocol):
    """What a task's module offers."""

    def check(self, settings: Settings) -> Content:
        """Return facts about the data; raise InputError where they cannot be had."""
        ...

    def run_seed(self, settings: Settings, seed: int, memory: Memory, say: Say) -> Content:
        """Return the rows of one seed and what its pictures need."""
        ...

    def figures(self, content: Content) -> list[tuple[str, str, str]]:
        """Return title, SVG and caption of each picture of the page."""
        ...


def _module(name: str) -> TaskModule:
    """The module of a task, imported only when it is asked for."""
    if name == "classify":
        from vqe_prune.tasks import classify

        return classify
    if name == "ctr":
        from vqe_prune.tasks import ctr

        return ctr
    from vqe_prune.tasks import generate

    return generate


def run(settings: Settings, *, write: Callable[[str], Any] | None = None) -> Content:
    """Run a task for all its seeds, or finish one that was interrupted, or say that it is complete.

    Args:
        settings: With a task; `vqe_prune.config.parse_settings` makes it.
        write: Prints text, default to standard output.

    Returns:
        What record.json holds.

    Raises:
        InputError: The input cannot be used, or the folder belongs to another study.
        ConvergenceError: Some seeds failed; all others are done.

    """
    began, console = time.perf_counter(), Console(write, settings.output)
    folder = config.output_folder(settings)
    check_writable(folder)
    complete = _complete(folder, settings)
    if complete is not None:
        page = folder / "report.html"
        text = f"{format_task(complete)}\nThis task is complete; its report is {page}"
        console.conclude(text, f"{complete['name']}: {page}")
        return complete
    name = str(settings.task.name)
    facts = _module(name).check(settings)
    folder.mkdir(parents=True, exist_ok=True)
    command = config.command_line(asdict(settings))
    with locked(folder, console.say), console.logging(folder, command):
        trace = open_trace(folder, settings, console.say)
        for fact in facts["lines"]:
            console.say(fact)
        runs = _run_seeds(settings, folder, console)
        content = _content(settings, facts, runs, time.perf_counter() - began)
        write_task_page(folder, content, command, _module(name).figures(content))
        trace.add("complete", seconds=content["seconds"])
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        write_last(trace, folder / "record.json", text)  # a folder with a record is complete
        results = f"Results: {folder / 'report.html'} and {folder / 'record.json'}"
        console.conclude(f"{format_task(content)}\n{results}", f"{content['name']}: {folder / 'report.html'}")
    return content


def _run_seeds(settings: Settings, folder: Path, console: Console) -> list[Content]:
    """Run every seed, side by side where there are cores."""
    count = settings.task.seeds or 1
    seeds = range(settings.seed, settings.seed + count)
    ended = 0

    def done(k: int, result: Any) -> None:
        nonlocal ended
        ended += 1
        if isinstance(result, Failure):
            console.warn(f"seed {seeds[k]} failed, {ended} of {count} ended: {result.reason}")
        else:
            console.say(f"seed {seeds[k]} done, {ended} of {count} ended")

    with Workers(min(settings.threads or usable_cores(), count)) as workers:
        tasks = [(settings, seed, folder / f"seed-{seed}") for seed in seeds]
        runs = workers.run(_run_seed, tasks, done)
    failures = [run for run in runs if isinstance(run, Failure)]
    if failures and all(failure.bad_input for failure in failures):
        raise InputError(failures[0].reason)
    if failures:
        raise ConvergenceError(
            f"{len(failures)} of {count} seeds failed: {failures[0].reason}; the others are kept, and the same command "
            "tries the failed ones again"
        )
    return runs


def _run_seed(settings: Settings, seed: int, folder: Path) -> Content:
    """Do one seed, in a process of its own; what it tells is appended to run.log there."""
    folder.mkdir(parents=True, exist_ok=True)
    console = Console(nothing)
    with locked(folder, console.say), console.logging(folder, f"seed {seed}"):
        memory = Memory(folder / "trace.jsonl", console.say)
        rows = _module(str(settings.task.name)).run_seed(settings, seed, memory, console.say)
    return {"seed": seed, **rows}


def _content(settings: Settings, facts: Content, runs: list[Content], seconds: float) -> Content:
    return {
        "schema": TASK_SCHEMA,
        "kind": "task",
        "task": settings.task.name,
        "name": task_name(settings.task),
        "digest": digest(settings),
        "settings": asdict(settings),
        "facts": facts,
        "summary": summarise(runs),
        "runs": runs,
        "seconds": seconds,
        "versions": versions(),
    }


def _complete(folder: Path, settings: Settings) -> Content | None:
    """Return the folder's record where it is of this task."""
    path = folder / "record.json"
    if not path.exists():
        return None
    check_written(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        own = content.get("digest") == digest(settings)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not the record of a task; remove it or choose another output_dir") from error
    if not own:
        raise InputError(f"output_dir={folder} holds another study's record; choose another output_dir")
    return content
