"""A study from settings to a folder of results: the only file that knows the order of the steps."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from vqe_prune import config, report
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.chemistry import Molecule
from vqe_prune.circuit import Gate, ansatz_gates, count_resources, write_circuit
from vqe_prune.config import Settings
from vqe_prune.engine.kernels import compiled_before
from vqe_prune.errors import InputError
from vqe_prune.journal import TraceJournal
from vqe_prune.objective import sector_hamiltonian
from vqe_prune.problem import Problem, molecular_problem
from vqe_prune.prune.pruning import Limits, Pruning, Stage, choose, prune_ansatz, reference_energy
from vqe_prune.report import Record
from vqe_prune.run_folder import Trace, check_writable, locked, write_atomically

QSIM_AGREEMENT = 1e-5
"""Largest difference (hartree) between qsim, in single precision, and the exact engine that is not an error."""

QSIM_QUBITS = 28
"""Largest circuit that is checked on qsim: 2 GiB of single-precision amplitudes."""

LONG_QSIM_QUBITS = 20
"""From here on a check on qsim takes long enough to be announced: 20,000 gates on 24 qubits take two minutes."""

PACKAGES = ("vqe-prune", "pyscf", "numpy", "scipy", "numba", "openfermion", "cirq-core", "cirq-google", "qsimcirq")


def run(settings: Settings, *, write: Callable[[str], Any] | None = None) -> Record:
    """Run a study, or finish one that was interrupted, or say that it is complete.

    Args:
        settings: What to study; `vqe_prune.config.parse_settings` makes it.
        write: Prints text, default to standard output.

    Returns:
        The record, as written to the folder.

    Raises:
        InputError: The input cannot be used or the folder belongs to another study.
        ConvergenceError: A calculation does not converge or contradicts another.

    """
    began = time.perf_counter()
    write = write or _print
    folder = config.output_folder(settings)
    check_writable(folder)
    molecule = _molecule(settings)
    complete = _complete_record(folder, settings)
    if complete is not None:
        write(report.summary(complete) + f"\nThis study is complete; its report is {folder / 'report.html'}\n")
        return complete
    write(f"{molecule.name} in {molecule.basis}: mean field, reference energies, exact energy ...\n")
    threads = _threads(settings)
    problem = molecular_problem(molecule, exact=settings.exact)
    if not uccsd(problem.n_orbitals, *problem.n_electrons).rotations:
        raise InputError(
            f"{problem.name} in {molecule.basis} has no excitation: nothing is left to correlate; "
            f"try a larger molecule.basis or molecule.active_space"
        )
    times = {"problem": time.perf_counter() - began}
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, write):
        complete = _complete_record(folder, settings)  # another run may have finished it while this one waited
        if complete is not None:
            write(report.summary(complete) + f"\nThis study is complete; its report is {folder / 'report.html'}\n")
            return complete
        trace = _open_trace(folder, settings)
        return _compute(settings, problem, trace, folder, times, began, write, threads)


def _compute(
    settings: Settings,
    problem: Problem,
    trace: Trace,
    folder: Path,
    times: dict[str, float],
    began: float,
    write: Callable[[str], Any],
    threads: int,
) -> Record:
    """Prune, print the tables, check the circuit and write the results; everything known so far is in the trace."""
    journal = TraceJournal(trace, write, problem.energies["exact"])
    journal.say(report.format_energies(problem.energies, problem.name))
    mark = time.perf_counter()
    limits = Limits(
        tolerance=settings.pruner.tolerance,
        relative_to=settings.pruner.relative_to,
        parameters=settings.pruner.parameters,
    )
    if not compiled_before():
        journal.say("First run of this installation: compiling kernels, a few seconds")
    pruning = prune_ansatz(
        problem,
        uccsd(problem.n_orbitals, *problem.n_electrons),
        rules=settings.pruner.rules,
        limits=limits,
        seed=settings.seed,
        gradient_tolerance=settings.optimizer.gradient_tolerance,
        max_steps=settings.optimizer.max_steps,
        threads=threads,
        journal=journal,
    )
    times["pruning"] = time.perf_counter() - mark
    rows, plan = [_stage_row(problem, stage) for stage in pruning.stages], _plan_rows(pruning)
    _say_tables(journal, pruning, rows, plan)
    times["table"] = time.perf_counter() - began
    mark = time.perf_counter()
    gates = _gates(problem, pruning.final)
    if LONG_QSIM_QUBITS <= rows[-1]["n_qubits"] <= QSIM_QUBITS:
        journal.say(f"qsim: {len(gates)} gates on {rows[-1]['n_qubits']} qubits ...")
    qsim, complaint = _check_on_qsim(problem, pruning.final, gates, rows[-1]["n_qubits"])
    times["qsim"] = time.perf_counter() - mark
    record = Record(
        problem=_problem_row(problem, settings),
        energies=dict(problem.energies),
        stages=rows,
        plan=plan,
        certificate=asdict(pruning.certificate),
        qsim=qsim,
        times={**times, "total": time.perf_counter() - began},
        versions=_versions(),
        seed=settings.seed,
    )
    mark = time.perf_counter()
    _write_results(folder, record, pruning, gates, trace, limits)
    times["files"] = time.perf_counter() - mark
    times["total"] = time.perf_counter() - began
    record = replace(record, times=times)
    report.write_record(folder, record)  # last: a folder with a record is complete
    journal.say(report.format_check(qsim, times, folder))
    if complaint:
        journal.say(f"WARNING: {complaint}")
    return record


def _say_tables(
    journal: TraceJournal, pruning: Pruning, rows: list[dict[str, Any]], plan: list[dict[str, Any]]
) -> None:
    journal.say(report.format_stages(rows))
    journal.say(report.format_plan(plan, _kept_rotations(pruning.final)))
    journal.say(report.format_certificate(asdict(pruning.certificate)))
    for note in pruning.notes:
        journal.say(f"Note: {note}")


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _molecule(settings: Settings) -> Molecule:
    chosen = settings.molecule
    return Molecule(
        name=chosen.name,
        atoms=config.read_geometry(chosen),
        basis=chosen.basis,
        charge=chosen.charge,
        spin=chosen.spin,
        active_space=None if chosen.active_space is None else (chosen.active_space[0], chosen.active_space[1]),
        frozen_core=chosen.frozen_core,
    )


def _threads(settings: Settings) -> int:
    """Threads to use, PySCF's included: what was set, else what this process may run on."""
    from pyscf import lib

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = settings.threads or usable or 1
    lib.num_threads(threads)
    return threads


def _complete_record(folder: Path, settings: Settings) -> Record | None:
    """Return the folder's record where it is of this study, None where there is none."""
    if not (folder / "record.json").exists():
        return None
    record = report.read_record(folder)
    if record.problem.get("digest") != config.digest(settings):
        raise InputError(f"output_dir={folder} holds another study's record; choose another output_dir")
    return record


def _open_trace(folder: Path, settings: Settings) -> Trace:
    """Open the trace of an interrupted run of this study, or begin one."""
    path, digest = folder / "trace.jsonl", config.digest(settings)
    trace = Trace(path)
    begun = trace.find("settings")
    if not trace.events:
        trace.add("settings", digest=digest, settings=asdict(settings))
    elif not begun or begun[0].get("digest") != digest:
        raise InputError(f"output_dir={folder} holds another study's trace; choose another output_dir")
    return trace


def _gates(problem: Problem, stage: Stage) -> list[Gate]:
    return ansatz_gates(stage.ansatz, stage.optimum.angles, problem.reference_occupied)


def _stage_row(problem: Problem, stage: Stage) -> dict[str, Any]:
    resources = count_resources(_gates(problem, stage))
    exact = problem.energies["exact"]
    return {
        "name": stage.name,
        "n_parameters": stage.ansatz.n_parameters,
        "n_rotations": len(stage.ansatz.rotations),
        "n_two_qubit_gates": resources.n_two_qubit_gates,
        "depth": resources.depth,
        "n_qubits": resources.n_qubits,
        "energy": stage.optimum.value,
        "error_to_exact": None if exact is None else stage.optimum.value - exact,
    }


def _plan_rows(pruning: Pruning) -> list[dict[str, Any]]:
    rotations = pruning.stages[0].ansatz.rotations
    return [
        {
            "rotation": rotation.generator.label,
            "decision": decision.action.value,
            "score": decision.score,
            "reason": decision.reason,
        }
        for rotation, decision in zip(rotations, pruning.plan.decisions, strict=True)
    ]


def _kept_rotations(stage: Stage) -> list[tuple[str, int, float]]:
    """Label, parameter and angle (radian) of each rotation that is left."""
    angles = stage.ansatz.rotation_angles(stage.optimum.angles)
    return [
        (rotation.generator.label, -1 if rotation.parameter is None else rotation.parameter, float(angle))
        for rotation, angle in zip(stage.ansatz.rotations, angles, strict=True)
    ]


def _check_on_qsim(
    problem: Problem, stage: Stage, gates: list[Gate], n_qubits: int
) -> tuple[dict[str, float | None], str]:
    """Return qsim's energy of the final circuit beside the exact engine's, and a complaint where they disagree."""
    if n_qubits > QSIM_QUBITS:
        return {
            "energy": None,
            "difference": None,
        }, f"not checked on qsim: {n_qubits} qubits are more than {QSIM_QUBITS}"
    from vqe_prune.engine.qsim import qsim_energy

    energy, leaked = qsim_energy(gates, sector_hamiltonian(problem), problem.reference_occupied)
    difference = energy - stage.optimum.value
    complaint = ""
    if abs(difference) > QSIM_AGREEMENT or leaked > QSIM_AGREEMENT:
        complaint = (
            f"qsim gives {energy:.8f} hartree for the final circuit, {difference:.1e} from the exact engine, with "
            f"{leaked:.1e} of its weight outside the sector: do not trust this circuit, please report it"
        )
    return {"energy": energy, "difference": difference}, complaint


def _problem_row(problem: Problem, settings: Settings) -> dict[str, Any]:
    electrons, molecule = problem.electrons, problem.molecule
    return {
        "name": problem.name,
        "n_qubits": problem.n_qubits,
        "n_electrons": electrons.n_alpha + electrons.n_beta,
        "sector_dimension": electrons.sector_dimension,
        "n_orbitals": electrons.n_orbitals,
        "n_alpha": electrons.n_alpha,
        "n_beta": electrons.n_beta,
        "group": electrons.group,
        "geometry": None if molecule is None else [[symbol, *position] for symbol, position in molecule.atoms],
        "basis": None if molecule is None else molecule.basis,
        "settings": asdict(settings),
        "digest": config.digest(settings),
    }


def _versions() -> dict[str, str]:
    versions = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # run from a checkout that is not installed
            versions[package] = "not installed"
    return versions


def _write_results(
    folder: Path, record: Record, pruning: Pruning, gates: list[Gate], trace: Trace, limits: Limits
) -> None:
    """Write angles, circuit and page; the record comes last, so that a folder with a record is complete."""
    final = pruning.final
    buffer = io.BytesIO()
    generators = [rotation.generator for rotation in final.ansatz.rotations]
    arrays: dict[str, Any] = {f"{stage.name}_angles": stage.optimum.angles for stage in pruning.stages}
    arrays["rotations"] = np.array([json.dumps([g.created, g.annihilated]) for g in generators])  # text: no pickle
    arrays["parameters"], arrays["coefficients"] = final.ansatz.parameters, final.ansatz.coefficients
    np.savez(buffer, **arrays)
    write_atomically(folder / "angles.npz", buffer.getvalue())
    write_circuit(gates, folder / "circuit.json", folder / "circuit.qasm")
    reference = reference_energy(pruning.problem, limits, pruning.stages[0].optimum.value)
    path = [
        {
            "n_parameters": len(point.kept),
            "n_rotations": point.n_rotations,
            "energy": point.value,
            "error": point.value - reference,
            "predicted_increase": point.predicted,
        }
        for point in pruning.path
    ]
    chosen = None
    if pruning.path:
        chosen = pruning.path.index(choose(pruning.path, limits, reference))
    rotations = [
        (label, generator.created, generator.annihilated, parameter, angle)
        for (label, parameter, angle), generator in zip(_kept_rotations(final), generators, strict=True)
    ]
    report.write_page(
        folder,
        record,
        steps=[{key: event[key] for key in ("stage", "step", "energy", "error")} for event in trace.find("step")],
        path=path,
        chosen=chosen,
        tolerance=None if limits.parameters is not None else limits.tolerance,
        rotations=rotations,
        occupied=pruning.problem.reference_occupied,
        command=config.command_line(record.problem["settings"]),
        notes=pruning.notes,
    )
