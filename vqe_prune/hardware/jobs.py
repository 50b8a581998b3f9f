"""Jobs that outlive the process: written down before they are sent, collected after a restart.

A folder holds ``job.json`` (processor, placement, ids of programs and jobs, circuits as numbers of their moments, those
as Cirq JSON, shots, digest) and, as they come, ``results_K.npz`` with the outcomes of job K's circuits. Ids are chosen
here and written before anything is sent, so that a process killed in between leaves no job that nobody knows of.
"""

from __future__ import annotations

import io
import json
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.errors import ConvergenceError, InputError, PendingError, first_line
from vqe_prune.files import check_archive
from vqe_prune.google_credentials import GOOGLE
from vqe_prune.hardware.compilation import MEASUREMENT_KEY
from vqe_prune.hardware.placement import Placement
from vqe_prune.hardware.processors import (
    configuration_of,
    describe_processor,
    explained,
    open_processor,
)
from vqe_prune.run_folder import locked, read_arrays, with_checksum, without_checksum, write_atomically

if TYPE_CHECKING:
    import cirq
    from cirq_google.engine import AbstractJob, AbstractProcessor

    Outcomes = list[NDArray[np.bool_]]

JOB_FILE = "job.json"
SCHEMA = 2
"""1, which is still read, wrote every circuit out; circuits of a measurement have most of their moments in common."""

FAILED = ("FAILURE", "CANCELLED")
"""States of a job that will never have results."""

CIRCUITS_PER_JOB = 20
"""Circuits sent in one job: few enough that a virtual job that is killed loses little."""

MOST_WIRES = 1000
"""Qubits of any processor: stored results that are larger are none."""

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
        placement: Where circuits start, None where nobody said.
        frames: How many programs in a row are one circuit in random frames; empty where each is one.

    """

    processor: Mapping[str, Any]
    digest: str
    programs: tuple[cirq.Circuit, ...]
    shots: tuple[int, ...]
    jobs: tuple[Job, ...]
    placement: Placement | None = None
    frames: tuple[int, ...] = ()

    @property
    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """Shots of the programs of each circuit."""
        rest = iter(self.shots)
        return tuple(tuple(next(rest) for _ in range(n)) for n in self.frames or (1,) * len(self.shots))


def plan_batch(
    processor: AbstractProcessor,
    programs: Sequence[cirq.Circuit],
    shots: Sequence[int],
    digest: str,
    placement: Placement | None = None,
    frames: Sequence[int] = (),
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
        placement=placement,
        frames=tuple(frames),
    )


def run_batch(processor: AbstractProcessor, batch: Batch) -> Outcomes:
    """Send a batch, wait for its results and write nothing down.

    Args:
        processor: Where it runs.
        batch: The circuits.

    Returns:
        Outcomes of each circuit, (shots, n_qubits), logical qubits in order.

    """
    sent = [_send(processor, batch, job) for job in batch.jobs]
    return _merged(batch, [_results(processor, each, job) for each, job in zip(sent, batch.jobs, strict=True)])


def submit_batch(processor: AbstractProcessor, batch: Batch, folder: Path, say: Callable[[str], Any] = print) -> None:
    """Write a batch into a folder and send it; `collect` waits for its results.

    Args:
        processor: Where it runs.
        batch: The circuits.
        folder: Where ``job.json`` is written before anything is sent.
        say: Told what the user should know, one line.

    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, say):
        _write(batch, folder)
        for job in batch.jobs:
            _send(processor, batch, job)


def collect(
    folder: Path,
    *,
    processor: AbstractProcessor | None = None,
    say: Callable[[str], Any] = print,
    send: bool = True,
    wait: bool = True,
) -> Outcomes:
    """Return the results of a batch that was sent earlier, by this process or one that is gone.

    Results that are in the folder are read from it. Jobs of Google's service are fetched by their ids. Those of virtual
    processors die with their process: they are run again, and `say` is told so. So are, once, jobs that failed.

    Args:
        folder: With a ``job.json``.
        processor: Where the batch was sent; None opens what ``job.json`` names, if it is needed.
        say: Told what happens, one line each.
        send: Whether jobs that never arrived or failed may be sent to Google's service again; virtual ones always are.
        wait: Whether to wait for jobs of the service that are not done.

    Returns:
        Outcomes of each circuit, (shots, n_qubits), logical qubits in order.

    Raises:
        InputError: The folder holds no batch.
        ConvergenceError: A job failed.
        PendingError: Without `send` or `wait`: jobs never arrived, or are not done; results of the others are stored.

    """
    read_batch(folder)  # before a lock file is made in a folder that is none of ours
    with locked(folder, say):
        batch = read_batch(folder)
        missing = [k for k in range(len(batch.jobs)) if not _results_file(folder, k).exists()]
        if missing and processor is None:
            processor = open_processor(**batch.processor)
        found: dict[int, AbstractJob | None] = {}
        for k in missing:
            assert processor is not None
            found[k] = _find(processor, batch.jobs[k])
        lost = [k for k, job in found.items() if job is None]
        failed = [k for k, job in found.items() if job is not None and _state(job) in FAILED]
        again = lost + failed
        if again and not (send or batch.processor["name"] != GOOGLE):
            raise _unsent(batch, found, lost, failed)
        sent = {k: job for k, job in found.items() if job is not None and k not in failed}
        if again:
            assert processor is not None
            for message in _loss_messages(batch, found, lost, failed):
                say(message)
            jobs = tuple(_with_new_ids(job) if k in again else job for k, job in enumerate(batch.jobs))
            batch = replace(batch, jobs=jobs)
            _write(batch, folder)
            sent |= {k: _send(processor, batch, batch.jobs[k]) for k in again}
        waiting = {} if wait or batch.processor["name"] != GOOGLE else _unfinished(sent)
        outcomes = _await(processor, batch, {k: job for k, job in sent.items() if k not in waiting}, folder)
        if waiting:
            states = Counter(waiting.values())
            words = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
            raise PendingError(f"{words} of {len(batch.jobs)} jobs on {batch.processor['processor']}")
        return outcomes


def _unfinished(sent: Mapping[int, AbstractJob]) -> dict[int, str]:
    """What the jobs that are not done are doing, in words."""
    states = {k: _state(job) for k, job in sent.items()}
    return {k: "queued" if state == "READY" else "running" for k, state in states.items() if state != "SUCCESS"}


def _unsent(
    batch: Batch, found: Mapping[int, AbstractJob | None], lost: Sequence[int], failed: Sequence[int]
) -> Exception:
    if failed:
        job = found[failed[0]]
        assert job is not None
        return ConvergenceError(
            f"job {batch.jobs[failed[0]].job_id} failed: {_reason(job)}; the study's own command sends it again"
        )
    return PendingError(
        f"{len(lost)} of {len(batch.jobs)} jobs never reached {batch.processor['processor']}; "
        "the study's own command sends them"
    )


def _state(job: AbstractJob) -> str:
    return str(job.execution_status().name)


def _reason(job: AbstractJob) -> str:
    failure = job.failure() or ("", "")
    return ": ".join(part for part in failure if part) or _state(job).lower()


def read_batch(folder: Path) -> Batch:
    """Read ``job.json``.

    Raises:
        InputError: It is not there, not whole or of another version; the message says what moving it aside loses.

    """
    import cirq

    path = folder / JOB_FILE
    if not path.is_file():
        raise InputError(f"{folder} holds no {JOB_FILE}: nothing was sent from there; give the folder of a run")
    try:
        content = json.loads(path.read_text())
        if '"sympy.' in json.dumps(content):  # nested powers of numbers would never end
            raise ValueError("its circuits must have numbers for angles")
        if content["schema"] not in (1, SCHEMA):
            raise InputError(
                f"{path} was written by another version of vqe_prune (schema {content['schema']}, this one reads 1 to "
                f"{SCHEMA}): collect its jobs with that version, or {moved_aside(folder)}"
            )
        if content["schema"] == 1:
            programs = tuple(cirq.read_json(json_text=json.dumps(each)) for each in content["circuits"])
        else:
            content = without_checksum(content)
            moments = cirq.read_json(json_text=json.dumps(content["moments"]))
            programs = tuple(cirq.Circuit([moments[k] for k in each]) for each in content["circuits"])
        batch = Batch(
            processor=content["processor"],
            digest=content["digest"],
            programs=programs,
            shots=tuple(content["shots"]),
            placement=_read_placement(content.get("placement")),
            frames=tuple(content.get("frames", ())),
            jobs=tuple(Job(**{**job, "circuits": tuple(job["circuits"])}) for job in content["jobs"]),
        )
        sent = sorted(k for job in batch.jobs for k in job.circuits)
        if sent != list(range(len(programs))) or len(batch.shots) != len(programs) or "name" not in batch.processor:
            raise ValueError("its jobs do not fit its circuits")
        return batch
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        why = first_line(error) if isinstance(error, ValueError) else type(error).__name__
        raise InputError(
            f"{path} cannot be read as a batch ({why}): bring back a copy of it that is whole, or {moved_aside(folder)}"
        ) from error


def moved_aside(folder: Path) -> str:
    """Return the advice to move a batch's folder aside, and what that costs."""
    stored = len(list(folder.glob("results_*.npz")))
    results = f" and the stored results of {stored} jobs" if stored else ""
    return (
        f"move the folder aside (mv {folder} {folder}.aside) and all its circuits are sent again: the ids of jobs that "
        f"were sent, on a real processor paid for,{results} are then lost to the study, so keep what was moved"
    )


def _read_placement(content: Mapping[str, Any] | None) -> Placement | None:
    import cirq

    if content is None:
        return None
    return Placement(
        qubits=tuple(cirq.read_json(json_text=json.dumps(content["qubits"]))),
        expected_error=float(content["expected_error"]),
        gate=str(content["gate"]),
        adjacent=bool(content["adjacent"]),
    )


def _write_placement(placement: Placement | None) -> dict[str, Any] | None:
    import cirq

    if placement is None:
        return None
    return {**vars(placement), "qubits": json.loads(cirq.to_json(list(placement.qubits)))}


def _write(batch: Batch, folder: Path) -> None:
    import cirq

    places: dict[cirq.Moment, int] = {}
    circuits = [[places.setdefault(moment, len(places)) for moment in program] for program in batch.programs]
    content = {
        "schema": SCHEMA,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": dict(batch.processor),
        "digest": batch.digest,
        "placement": _write_placement(batch.placement),
        "frames": list(batch.frames),
        "shots": list(batch.shots),
        "jobs": [asdict(job) for job in batch.jobs],
        "moments": json.loads(cirq.to_json(list(places))),
        "circuits": circuits,
    }
    write_atomically(folder / JOB_FILE, json.dumps(with_checksum(content)))


def _with_new_ids(job: Job) -> Job:
    """Ids are never used twice: the service refuses a second program of the same id."""
    token = secrets.token_hex(8)
    return replace(job, program_id=f"vqe-prune-{token}", job_id=f"job-{token}")


def _send(processor: AbstractProcessor, batch: Batch, job: Job) -> AbstractJob:
    programs = [batch.programs[k] for k in job.circuits]
    with explained(processor):
        return processor.run_sweep(
            program=programs[0] if len(programs) == 1 else programs,
            program_id=job.program_id,
            job_id=job.job_id,
            repetitions=job.shots,
            program_labels={"digest": batch.digest[:32], "job": str(batch.jobs.index(job))},
            **configuration_of(processor),
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
    """Wait for each job that was sent, store its results, and read all; nothing where some are still missing."""
    for k, job in sent.items():
        assert processor is not None
        outcomes = _results(processor, job, batch.jobs[k])
        buffer = io.BytesIO()
        named = {f"circuit_{c}": o for c, o in zip(batch.jobs[k].circuits, outcomes, strict=True)}
        np.savez_compressed(buffer, allow_pickle=False, **named)
        write_atomically(_results_file(folder, k), buffer.getvalue())
    stored: list[Outcomes] = []
    for k, planned in enumerate(batch.jobs):
        path = _results_file(folder, k)
        if not path.exists():
            return []  # some are not done
        try:
            check_archive(path, planned.shots * len(planned.circuits) * MOST_WIRES)
            arrays = read_arrays(path)
            stored.append([_outcomes(arrays[f"circuit_{c}"], batch.programs[c], planned) for c in planned.circuits])
        except (OSError, ValueError, KeyError) as error:
            again = "fetched by its id" if batch.processor["name"] == GOOGLE else "run"
            raise InputError(
                f"{path} cannot be read ({first_line(error)}); move it aside (mv {path} {path}.aside) and its job is "
                f"{again} again"
            ) from error
    return _merged(batch, stored)


def _outcomes(found: NDArray[Any], program: cirq.Circuit, planned: Job) -> NDArray[np.bool_]:
    """Outcomes of a circuit as they were stored; ValueError where they are not of it."""
    import cirq

    measured = sum(len(each.qubits) for each in program.all_operations() if cirq.is_measurement(each))
    if found.dtype != np.bool_ or found.shape != (planned.shots, measured):
        raise ValueError(f"outcomes of {planned.shots} shots on {measured} qubits should be there, not {found.shape}")
    return found


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


def _loss_messages(
    batch: Batch, found: Mapping[int, AbstractJob | None], lost: Sequence[int], failed: Sequence[int]
) -> list[str]:
    name, n_jobs = batch.processor["name"], len(batch.jobs)
    messages = []
    if lost and name == GOOGLE:
        messages.append(f"{len(lost)} of {n_jobs} jobs never reached {batch.processor['processor']}: sent now")
    elif lost:
        messages.append(f"{len(lost)} of {n_jobs} jobs on the virtual {name} ended with their process: run again")
    if failed:
        job = found[failed[0]]
        assert job is not None
        messages.append(f"{len(failed)} of {n_jobs} jobs failed ({_reason(job)}): sent again")
    return messages
