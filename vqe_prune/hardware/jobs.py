"""Jobs that outlive the process: written down before they are sent, collected after a restart.

A folder holds ``job.json`` (processor, ids of programs and jobs, circuits as numbers of their moments, those as Cirq
JSON, shots, digest) and, as they come, ``results_K.npz`` with the outcomes of job K's circuits. Ids are chosen here and written before anything is sent,
so that a process killed in between leaves no job that nobody knows of.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.errors import ConvergenceError, InputError, first_line
from vqe_prune.hardware.compilation import MEASUREMENT_KEY
from vqe_prune.hardware.processors import GOOGLE, describe_processor, explained, open_processor
from vqe_prune.run_folder import locked, write_atomically

if TYPE_CHECKING:
    import cirq
    from cirq_google.engine import AbstractJob, AbstractProcessor

    Outcomes = list[NDArray[np.bool_]]

JOB_FILE = "job.json"
SCHEMA = 2
"""1, which is still read, wrote every circuit out; circuits of a measurement have most of their moments in common."""

CIRCUITS_PER_JOB = 20
"""Circuits sent in one job: few enough that a virtual job that is killed loses little."""

MOST_SHOTS_PER_JOB = 5_000_000
"""Of Google's service, shots of all circuits together."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of a batch.

    Attributes:
        program_id: Of its program; unique in the project.
        job_id: Of the job in that program.
        circuits: Positions in the batch.
        shots: Of each circuit.

    """

    program_id: str
    job_id: str
    circuits: tuple[int, ...]
    shots: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Batch:
    """Circuits that are run together; the content of ``job.json``.

    Attributes:
        processor: Arguments of `open_processor`.
        digest: Of everything that decides about the results.
        programs: Compiled circuits with their measurement.
        shots: Of each circuit.
        jobs: How they are sent.

    """

    processor: Mapping[str, Any]
    digest: str
    programs: tuple[cirq.Circuit, ...]
    shots: tuple[int, ...]
    jobs: tuple[Job, ...]


def plan_batch(
    processor: AbstractProcessor, programs: Sequence[cirq.Circuit], shots: Sequence[int], digest: str
) -> Batch:
    """Divide circuits into jobs: circuits of one job have the same number of shots, which the service asks for."""
    jobs = []
    for number in sorted(set(shots), reverse=True):
        same = [k for k, each in enumerate(shots) if each == number]
        size = max(1, min(CIRCUITS_PER_JOB, MOST_SHOTS_PER_JOB // number))
        for start in range(0, len(same), size):
            jobs.append(
                _with_new_ids(Job(program_id="", job_id="", circuits=tuple(same[start : start + size]), shots=number))
            )
    return Batch(
        processor=describe_processor(processor),
        digest=digest,
        programs=tuple(programs),
        shots=tuple(shots),
        jobs=tuple(jobs),
    )


def run_batch(
    processor: AbstractProcessor, batch: Batch, folder: Path | None, say: Callable[[str], Any] = print
) -> Outcomes:
    """Send a batch and wait for its results.

    Args:
        processor: Where it runs.
        batch: The circuits.
        folder: Where ``job.json`` is written before and results are written while waiting; None writes nothing.
        say: Told what the user should know, one line.

    Returns:
        Outcomes of each circuit, (shots, n_qubits), logical qubits in order.

    """
    if folder is None:
        sent = [_send(processor, batch, job) for job in batch.jobs]
        return _merged(batch, [_results(processor, each, job) for each, job in zip(sent, batch.jobs, strict=True)])
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, lambda text: say(text.rstrip("\n"))):
        _write(batch, folder)
        sent = [_send(processor, batch, job) for job in batch.jobs]
        return _await(processor, batch, dict(enumerate(sent)), folder)


def collect(folder: Path, *, processor: AbstractProcessor | None = None, say: Callable[[str], Any] = print) -> Outcomes:
    """Return the results of a batch that was sent earlier, by this process or one that is gone.

    Results that are in the folder are read from it. Jobs of Google's service are fetched by their ids. Those of virtual
    processors die with their process: they are run again, and `say` is told so.

    Args:
        folder: With a ``job.json``.
        processor: Where the batch was sent; None opens what ``job.json`` names, if it is needed.
        say: Told what happens, one line each.

    Returns:
        Outcomes of each circuit, (shots, n_qubits), logical qubits in order.

    Raises:
        InputError: The folder holds no batch.
        ConvergenceError: A job failed.

    """
    read_batch(folder)  # before a lock file is made in a folder that is none of ours
    with locked(folder, lambda text: say(text.rstrip("\n"))):
        batch = read_batch(folder)
        missing = [k for k in range(len(batch.jobs)) if not _results_file(folder, k).exists()]
        if missing and processor is None:
            processor = open_processor(**batch.processor)
        sent: dict[int, AbstractJob] = {}
        jobs = list(batch.jobs)
        lost = []
        for k in missing:
            assert processor is not None
            found = _find(processor, jobs[k])
            if found is None:
                lost.append(k)
                jobs[k] = _with_new_ids(jobs[k])
            else:
                sent[k] = found
        if lost:
            say(_loss_message(batch, len(lost)))
            batch = replace(batch, jobs=tuple(jobs))
            _write(batch, folder)
        for k in lost:
            assert processor is not None
            sent[k] = _send(processor, batch, batch.jobs[k])
        return _await(processor, batch, sent, folder)


def read_batch(folder: Path) -> Batch:
    """Read ``job.json``.

    Raises:
        InputError: It is not there or not whole.

    """
    import cirq

    path = folder / JOB_FILE
    if not path.is_file():
        raise InputError(f"{folder} holds no {JOB_FILE}: nothing was sent from there; give the folder of a run")
    try:
        content = json.loads(path.read_text())
        if content["schema"] not in (1, SCHEMA):
            raise InputError(f"{path} has schema {content['schema']}, but this version reads {SCHEMA}")
        if content["schema"] == 1:
            programs = tuple(cirq.read_json(json_text=json.dumps(each)) for each in content["circuits"])
        else:
            moments = cirq.read_json(json_text=json.dumps(content["moments"]))
            programs = tuple(cirq.Circuit([moments[k] for k in each]) for each in content["circuits"])
        return Batch(
            processor=content["processor"],
            digest=content["digest"],
            programs=programs,
            shots=tuple(content["shots"]),
            jobs=tuple(Job(**{**job, "circuits": tuple(job["circuits"])}) for job in content["jobs"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as a batch ({type(error).__name__}); remove the folder") from error


def _write(batch: Batch, folder: Path) -> None:
    import cirq

    places: dict[cirq.Moment, int] = {}
    circuits = [[places.setdefault(moment, len(places)) for moment in program] for program in batch.programs]
    content = {
        "schema": SCHEMA,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": dict(batch.processor),
        "digest": batch.digest,
        "shots": list(batch.shots),
        "jobs": [asdict(job) for job in batch.jobs],
        "moments": json.loads(cirq.to_json(list(places))),
        "circuits": circuits,
    }
    write_atomically(folder / JOB_FILE, json.dumps(content))


def _with_new_ids(job: Job) -> Job:
    """Ids are never used twice: the service refuses a second program of the same id."""
    token = secrets.token_hex(8)
    return replace(job, program_id=f"vqe-prune-{token}", job_id=f"job-{token}")


def _send(processor: AbstractProcessor, batch: Batch, job: Job) -> AbstractJob:
    programs = [batch.programs[k] for k in job.circuits]
    with explained(processor):
        sampler = processor.get_sampler()  # knows the processor's default configuration
        return processor.run_sweep(
            program=programs[0] if len(programs) == 1 else programs,
            program_id=job.program_id,
            job_id=job.job_id,
            repetitions=job.shots,
            program_labels={"digest": batch.digest[:32], "job": str(batch.jobs.index(job))},
            run_name=sampler.run_name,
            device_config_name=sampler.device_config_name,
        )


def _find(processor: AbstractProcessor, job: Job) -> AbstractJob | None:
    """The job on the processor's service, None where the service has never had it."""
    from cirq_google.engine.engine_client import EngineException

    engine = processor.engine()
    if engine is None:
        return None
    with explained(processor):
        try:
            found = engine.get_program(job.program_id).get_job(job.job_id)
            found.execution_status()  # the service is asked here
        except KeyError:
            return None
        except EngineException as error:
            if getattr(error.code, "value", error.code) == 404:
                return None
            raise
    return found


def _await(
    processor: AbstractProcessor | None, batch: Batch, sent: Mapping[int, AbstractJob], folder: Path
) -> Outcomes:
    """Wait for each job that was sent, store its results, and read all."""
    for k, job in sent.items():
        assert processor is not None
        outcomes = _results(processor, job, batch.jobs[k])
        buffer = io.BytesIO()
        named = {f"circuit_{c}": o for c, o in zip(batch.jobs[k].circuits, outcomes, strict=True)}
        np.savez_compressed(buffer, allow_pickle=False, **named)
        write_atomically(_results_file(folder, k), buffer.getvalue())
    stored = []
    for k, planned in enumerate(batch.jobs):
        path = _results_file(folder, k)
        try:
            with np.load(path, allow_pickle=False) as file:
                stored.append([np.asarray(file[f"circuit_{c}"], dtype=np.bool_) for c in planned.circuits])
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path} cannot be read ({first_line(error)}); remove it and collect again") from error
    return _merged(batch, stored)


def _results(processor: AbstractProcessor, job: AbstractJob, planned: Job) -> Outcomes:
    with explained(processor):
        try:
            results = job.results()
        except RuntimeError as error:  # the service ran it and failed
            raise ConvergenceError(f"job {planned.job_id} failed: {first_line(error)}; run again") from error
    if len(results) != len(planned.circuits):
        raise ConvergenceError(
            f"job {planned.job_id} gave {len(results)} results for {len(planned.circuits)} circuits; run again"
        )
    return [np.asarray(result.measurements[MEASUREMENT_KEY], dtype=np.bool_) for result in results]


def _merged(batch: Batch, results: Sequence[Outcomes]) -> Outcomes:
    by_circuit = {
        k: o
        for job, outcomes in zip(batch.jobs, results, strict=True)
        for k, o in zip(job.circuits, outcomes, strict=True)
    }
    return [by_circuit[k] for k in range(len(batch.programs))]


def _results_file(folder: Path, k: int) -> Path:
    return folder / f"results_{k}.npz"


def _loss_message(batch: Batch, n_lost: int) -> str:
    name = batch.processor["name"]
    if name == GOOGLE:
        return f"{n_lost} of {len(batch.jobs)} jobs never reached {batch.processor['processor']}: sent now"
    return f"{n_lost} of {len(batch.jobs)} jobs on the virtual {name} ended with their process: run again"
