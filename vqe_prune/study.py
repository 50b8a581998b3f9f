"""A study from settings to a folder of results: the only file that knows the order of the steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune import config, report
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.console import Console
from vqe_prune.engine.accelerator import device_label
from vqe_prune.engine.kernels import compiled_before
from vqe_prune.errors import InputError
from vqe_prune.excited import add_nuclei, check_nuclei, check_spin, excited_states
from vqe_prune.google_credentials import GOOGLE
from vqe_prune.inputs import open_accelerator, set_up
from vqe_prune.journal import TraceJournal
from vqe_prune.on_device import measure_on_device, open_device
from vqe_prune.orbitals import free_pairs
from vqe_prune.parallel import usable_cores
from vqe_prune.problem import Problem
from vqe_prune.prune.calibration import load_calibration
from vqe_prune.prune.lie_options import LieOptions
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.pruning import Pruning, prune_ansatz
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.report import Record
from vqe_prune.results import (
    certificate_row,
    check_on_qsim,
    circuit_of,
    kept_rotations,
    plan_rows,
    problem_row,
    stage_row,
    too_much_for_qsim,
    versions,
    write_results,
)
from vqe_prune.run_folder import Trace, check_writable, check_written, locked
from vqe_prune.score.identifiers import Weights
from vqe_prune.settings import Settings, digest
from vqe_prune.starts import starting_angles
from vqe_prune.training import Training

LONG_QSIM_QUBITS = 20
"""From here on a check on qsim takes long enough to be announced."""


def run(
    settings: Settings,
    *,
    write: Callable[[str], Any] | None = None,
    collect: bool = False,
    known: Problem | None = None,
) -> Record:
    """Run a study, or finish one that was interrupted, or say that it is complete.

    Args:
        settings: What to study; `vqe_prune.config.parse_settings` makes it.
        write: Prints text, default to standard output.
        collect: Whether only jobs that were sent to Google's service before are collected: none is sent or waited for.
        known: The problem of electrons where it has been solved already.

    Returns:
        The record, as written to the folder.

    Raises:
        InputError: The input cannot be used or the folder belongs to another study.
        ConvergenceError: A calculation does not converge or contradicts another.
        PendingError: With `collect` or ``device.wait=false``: jobs of Google's service are not done.

    """
    began = time.perf_counter()
    console = Console(write, settings.output)
    folder = config.output_folder(settings)
    check_writable(folder)
    complete = complete_record(folder, settings)
    if complete is not None:
        return _show(complete, folder, console)
    if collect and settings.device.name is None:
        raise InputError(f"the study in {folder} measures on no device: there is nothing to collect")
    check_nuclei(settings)
    settings = replace(settings, engine="cpu") if collect else settings  # what is left is little, a GPU may not be here
    open_accelerator(settings)
    if collect and settings.device.name != GOOGLE:
        command = f"{config.command_line(asdict(settings))} output_dir={folder}"
        raise InputError(
            f"the study in {folder} measures on the virtual {settings.device.name}, whose jobs end with their process: "
            f"there is nothing to collect; to go on with it type {command}"
        )
    threads = use_threads(settings)
    processor = open_device(settings.device, settings.seed) if settings.device.name else None  # or fails at once
    problem, ansatz = set_up(settings, console.say, known)
    check_spin(settings, problem)
    free_pairs(problem, settings.pruner.orbitals)  # what is wrong with them is said before anything is written
    starts = _starts(settings, problem, ansatz)
    times = {"problem": time.perf_counter() - began}
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, console.say):
        complete = complete_record(folder, settings)  # another run may have finished it while this one waited
        if complete is not None:
            return _show(complete, folder, console)
        trace = open_trace(folder, settings, console.say)
        with console.logging(folder, config.command_line(asdict(settings))):
            common = starts, times, began, console, threads, processor, collect
            return _compute(settings, problem, ansatz, trace, folder, *common)


def _compute(
    settings: Settings,
    problem: Problem | QubitProblem,
    ansatz: Ansatz,
    trace: Trace,
    folder: Path,
    starts: tuple[NDArray[np.float64], ...],
    times: dict[str, float],
    began: float,
    console: Console,
    threads: int,
    processor: Any,
    collect: bool,
) -> Record:
    """Prune, print the tables, check the circuit and write the results; everything known so far is in the trace."""
    unit = problem.unit
    journal = TraceJournal(trace, console, problem.energies["exact"], unit)
    journal.say(report.format_energies(problem.energies, problem.name, unit))
    if isinstance(problem, QubitProblem):
        journal.say("Symmetries: " + "; ".join(problem.symmetries.describe()))
        journal.say(f"Reference: {problem.reference_label}")
    mark, limits = time.perf_counter(), limits_of(settings)
    pruning = _prune(settings, problem, ansatz, starts, limits, journal, threads)
    times["pruning"] = time.perf_counter() - mark
    return finish(settings, pruning, limits, trace, folder, times, began, journal, processor, collect)


def finish(
    settings: Settings,
    pruning: Pruning,
    limits: Limits,
    trace: Trace,
    folder: Path,
    times: dict[str, float],
    began: float,
    journal: TraceJournal,
    processor: Any = None,
    collect: bool = False,
) -> Record:
    """Print the tables of a pruning, check its circuit, measure it where asked for, and write its folder.

    Args:
        settings: Of the study.
        pruning: Its result.
        limits: How far it was pruned.
        trace: The run's trace.
        folder: The run's folder.
        times: Seconds of the steps so far; more are added.
        began: When the run began, by `time.perf_counter`.
        journal: Told what is found.
        processor: Open device, None to measure nothing.
        collect: Whether only jobs that were sent before are collected.

    """
    problem, unit = pruning.problem, pruning.problem.unit
    rows, plan = [stage_row(problem, stage, settings.encoding) for stage in pruning.stages], plan_rows(pruning)
    _say_tables(journal, pruning, rows, plan, unit)
    _add_excited(settings, pruning, rows, journal)
    add_nuclei(settings, pruning, rows, folder, journal)
    times["table"] = time.perf_counter() - began
    mark = time.perf_counter()
    circuit = circuit_of(pruning.final_problem, pruning.final, settings.encoding)
    gates = circuit.gates
    last = rows[-1]
    if last["n_qubits"] >= LONG_QSIM_QUBITS and not too_much_for_qsim(last["n_two_qubit_gates"], last["n_qubits"]):
        journal.say(f"qsim: {len(gates)} gates on {last['n_qubits']} qubits ...")
    qsim, complaint = check_on_qsim(pruning.final_problem, pruning.final, circuit, rows[-1]["n_qubits"])
    times["qsim"] = time.perf_counter() - mark
    mark, device = time.perf_counter(), None
    if processor is not None:
        common = settings.device, settings.encoding, folder / "device", journal.say
        device = measure_on_device(pruning, processor, *common, seed=settings.seed, collect=collect)
        times["device"] = time.perf_counter() - mark
        journal.say("\n" + report.format_device(device, unit))
    record = Record(
        problem=problem_row(problem, settings),
        energies=dict(problem.energies),
        stages=rows,
        plan=plan,
        certificate=certificate_row(pruning),
        qsim=qsim,
        times={**times, "total": time.perf_counter() - began},
        versions=versions() | _engine_version(settings),
        seed=settings.seed,
        device=device,
    )
    mark = time.perf_counter()
    write_results(folder, record, pruning, gates, trace, limits)
    times["files"] = time.perf_counter() - mark
    times["total"] = time.perf_counter() - began
    record = replace(record, times=times)
    report.write_record(folder, record, trace)  # last: a folder with a record is complete
    ending = report.format_check(qsim, times, folder, unit)
    journal.console.conclude(ending, f"{report.headline(record)}: {folder / 'report.html'}")
    for each in [complaint, *report.complaints(record)]:
        if each:
            journal.console.warn(each)
    return record


def _show(record: Record, folder: Path, console: Console) -> Record:
    """Show a study that is complete, and return it."""
    page = folder / "report.html"
    text = f"{report.summary(record)}\nThis study is complete; its report is {page}"
    console.conclude(text, f"{report.headline(record)}: {page}")
    if console.level == "quiet":
        for each in report.complaints(record):
            console.warn(each)
    return record


def _prune(
    settings: Settings,
    problem: Problem | QubitProblem,
    ansatz: Ansatz,
    starts: tuple[NDArray[np.float64], ...],
    limits: Limits,
    journal: TraceJournal,
    threads: int,
) -> Pruning:
    on_qubits, accelerator = isinstance(problem, QubitProblem), open_accelerator(settings)
    if accelerator is not None:
        journal.say(f"Energies on {device_label(accelerator)}; kernels are compiled for each shape, a minute or less")
    if not compiled_before("pauli_kernels" if on_qubits else "kernels"):
        journal.say(f"First run of this installation: compiling kernels, {'some 15' if on_qubits else 'a few'} seconds")
    return prune_ansatz(
        problem,
        ansatz,
        rules=settings.pruner.rules,
        limits=limits,
        lie=_lie_options(settings),
        training=_training(settings),
        starts=starts,
        orbitals=settings.pruner.orbitals,
        seed=settings.seed,
        gradient_tolerance=settings.optimizer.gradient_tolerance,
        max_steps=settings.optimizer.max_steps,
        threads=threads,
        journal=journal,
        accelerator=accelerator,
    )


def _engine_version(settings: Settings) -> dict[str, str]:
    """What computed the energies, where that was not the processor's cores."""
    accelerator = open_accelerator(settings)
    return {} if accelerator is None else {"engine": device_label(accelerator)}


def limits_of(settings: Settings) -> Limits:
    """Return how far a study prunes."""
    chosen = settings.pruner
    return Limits(tolerance=chosen.tolerance, relative_to=chosen.relative_to, parameters=chosen.parameters)


def _starts(settings: Settings, problem: Problem | QubitProblem, ansatz: Ansatz) -> tuple[NDArray[np.float64], ...]:
    """First angles of an ansatz of excitations; ansätze on qubits are trained."""
    if isinstance(problem, QubitProblem):
        return ()
    chosen, keep = settings.ansatz, "symmetry" in settings.pruner.rules
    return starting_angles(
        problem, ansatz, chosen.start, restarts=chosen.restarts or 0, seed=settings.seed, keep_irrep=keep
    )


def _training(settings: Settings) -> Training:
    chosen = settings.training
    return Training(
        method=chosen.method,
        n_seeds=chosen.seeds,
        steps=chosen.steps,
        learning_rate=chosen.learning_rate,
        threshold=chosen.threshold,
    )


def _lie_options(settings: Settings) -> LieOptions:
    chosen = settings.pruner
    algebra, fubini, fisher = chosen.weights
    return LieOptions(
        epsilon=chosen.epsilon,
        calibration=None if chosen.calibration is None else load_calibration(chosen.calibration),
        distance=chosen.distance,
        condense=chosen.condense,
        weights=Weights(algebra=algebra, fubini=fubini, fisher=fisher),
        ensemble=chosen.ensemble,
    )


def _say_tables(
    journal: TraceJournal, pruning: Pruning, rows: list[dict[str, Any]], plan: list[dict[str, Any]], unit: str
) -> None:
    journal.say(report.format_stages(rows, unit))
    if report.format_observables(rows):
        journal.say(report.format_observables(rows))
    if isinstance(pruning.problem, Problem):
        journal.say(report.format_properties(rows, pruning.problem.dipoles))
    for table in (report.format_training(rows, unit), report.format_scores(rows)):
        if table:
            journal.say("\n" + table)
    journal.say("\n" + report.format_plan(plan, kept_rotations(pruning.final)))
    journal.say(report.format_certificate(certificate_row(pruning), unit))
    warned = pruning.problem.warnings if isinstance(pruning.problem, Problem) else ()  # said last, as warnings
    for note in pruning.notes:
        if note not in warned:
            journal.say(f"Note: {note}")


def _add_excited(settings: Settings, pruning: Pruning, rows: list[dict[str, Any]], journal: TraceJournal) -> None:
    """Find the excited states that are asked for, say them and put them into the row of the final stage."""
    spectrum = excited_states(settings, pruning, journal)
    if spectrum is not None:
        rows[-1]["excited"] = spectrum.as_row()
        journal.say("\n" + report.format_excited(rows[-1]["excited"]))


def use_threads(settings: Settings) -> int:
    """Return the threads to use, PySCF's included: what was set, else what this process may run on."""
    from pyscf import lib

    threads = settings.threads or usable_cores()
    lib.num_threads(threads)
    return threads


def complete_record(folder: Path, settings: Settings) -> Record | None:
    """Return the folder's record where it is of this study, None where there is none."""
    if not (folder / "record.json").exists():
        return None
    check_written(folder / "record.json")
    record = report.read_record(folder)
    if record.problem.get("digest") != digest(settings):
        raise InputError(f"output_dir={folder} holds another study's record; choose another output_dir")
    return record


def open_trace(folder: Path, settings: Settings, say: Callable[[str], Any] | None = None) -> Trace:
    """Open the trace of an interrupted run of this study, or begin one; `say` is told what of it is lost."""
    path, own = folder / "trace.jsonl", digest(settings)
    trace = Trace(path, say)
    begun = trace.find("settings")
    if not trace.events:
        trace.add("settings", digest=own, settings=asdict(settings))
    elif not begun or begun[0].get("digest") != own:
        raise InputError(f"output_dir={folder} holds another study's trace; choose another output_dir")
    return trace
