"""Where the points of a multirun run: processes here, joblib, submitit (here or Slurm) or Ray, one interface for all.

Each launcher is used in a ``with`` block and has ``run(function, tasks, done)`` as `vqe_prune.parallel.Workers`, with
the same promise: a task that fails, or whose process is killed, is a `Failure` and takes no other with it.

Hydra's launcher plug-ins are not used: they take a whole Hydra application whose ``hydra.launcher._target_`` names the
class to import, raise at the first job that fails and lose the others, and tell nothing before all have ended.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from vqe_prune.errors import InputError
from vqe_prune.launcher_settings import USUAL_JOBS, USUAL_MINUTES, LauncherSettings
from vqe_prune.parallel import KILLED, THREAD_SETTINGS, Failure, Workers, guarded, main_hidden, threads_of, usable_cores

POLL_SECONDS = 0.2
"""How often jobs of submitit on this machine are asked for; Slurm is asked by submitit as it sees fit."""

SLURM_POLL_SECONDS = 5.0

CONNECT_SECONDS = 10.0

KILLED_THERE = KILLED.split(";")[0]
"""Fewer at once does not help where each has a machine of its own."""

Done = Callable[[int, Any], None]


class Launcher(Protocol):
    """Runs tasks somewhere, in a ``with`` block."""

    def __enter__(self) -> Self:
        """Make ready."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is still running where an error or Ctrl-C ends the block."""

    def run(
        self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], done: Done | None = None
    ) -> list[Any]:
        """Return ``function(*task)`` of every task, a `Failure` where there is none; call `done` as each ends."""


def open_launcher(chosen: LauncherSettings, cores: int | None, folder: Path) -> Launcher:
    """Return the launcher that settings name.

    Args:
        chosen: Checked settings.
        cores: How many of this machine may be used, None for all.
        folder: Where submitit keeps its jobs.

    Raises:
        InputError: Its package is not installed, or `cores` has no effect.

    """
    package = {"submitit_local": "submitit", "submitit_slurm": "submitit", "processes": None}.get(
        chosen.name, chosen.name
    )
    if package is not None and find_spec(package) is None:
        raise InputError(f"launcher={chosen.name} needs {package}: pip install 'vqe-prune[cluster]'")
    if cores is not None and (chosen.name == "submitit_slurm" or chosen.address is not None):
        limit = "launcher.jobs= and " if chosen.name == "submitit_slurm" else ""
        raise InputError(f"threads= is for this machine; with launcher={chosen.name} set {limit}launcher.cpus=")
    if chosen.name == "submitit_slurm" and shutil.which("srun") is None:
        raise InputError("launcher=submitit_slurm: there is no srun here; start it on a login node of a Slurm cluster")
    at_once = max(1, (cores or usable_cores()) // chosen.cpus)
    if chosen.name == "joblib":
        return JoblibWorkers(at_once, chosen.cpus)
    if chosen.name.startswith("submitit"):
        return SubmititWorkers(chosen, at_once, folder)
    if chosen.name == "ray":
        return RayWorkers(chosen, cores or usable_cores())
    return Workers(at_once, cores=chosen.cpus, apart=True)


class JoblibWorkers:
    """Processes of joblib's ``loky``.

    Args:
        count: How many at once.
        cores: Threads of each.

    """

    def __init__(self, count: int, cores: int) -> None:
        self._count, self._cores = count, cores

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes, at once where an error or Ctrl-C ends the block."""
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True, kill_workers=kind is not None)

    def run(
        self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], done: Done | None = None
    ) -> list[Any]:
        """As `Launcher.run`; what a killed process takes with it is run again, each task alone."""
        results: dict[int, Any] = {}

        def end(k: int, result: Any) -> None:
            results[k] = result
            if done is not None:
                done(k, result)

        suspects = self._some(function, tasks, range(len(tasks)), end)
        for k in suspects:
            if self._some(function, tasks, [k], end):
                end(k, Failure(KILLED))
        return [results[k] for k in range(len(tasks))]

    def _some(
        self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], positions: Sequence[int], end: Done
    ) -> list[int]:
        """Run some tasks and return those that have no result because a process was killed."""
        import joblib
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        left = list(positions)
        with (
            threads_of(self._cores),
            main_hidden(),
            joblib.parallel_config(backend="loky", inner_max_num_threads=self._cores),
        ):
            # with one job joblib would run the task in this process
            run = joblib.Parallel(n_jobs=max(2, self._count), return_as="generator_unordered", pre_dispatch="all")
            limit = 1 if self._count == 1 else len(left)
            try:
                for first in range(0, len(positions), max(1, limit)):
                    some = positions[first : first + max(1, limit)]
                    for k, result in run(joblib.delayed(_numbered)(os.getpid(), k, function, tasks[k]) for k in some):
                        left.remove(k)
                        end(k, result)
            except TerminatedWorkerError:
                return left
        return left


def _numbered(parent: int, k: int, function: Callable[..., Any], task: tuple[Any, ...]) -> tuple[int, Any]:
    """Run a task and return its position with its result."""
    with ended_with(parent):
        return k, guarded(function, task)


@contextmanager
def ended_with(parent: int) -> Iterator[None]:
    """End this process with the one that wants its result, and leave Ctrl-C to that one."""
    import signal
    import threading

    over = threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            if os.getppid() != parent:
                os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


class SubmititWorkers:
    """Jobs of submitit: processes on this machine, or one array of jobs on Slurm.

    A job that runs out of its minutes, or is preempted, is queued again and goes on where it stopped; after submitit's
    limit of three times it is a failure. Jobs outlive a killed parent; what they finish is found by the next run.

    Args:
        chosen: Settings.
        at_once: Most jobs at once on this machine.
        folder: Where submitit keeps jobs and their output; all nodes must see it.

    """

    def __init__(self, chosen: LauncherSettings, at_once: int, folder: Path) -> None:
        self._chosen, self._at_once, self._folder = chosen, at_once, folder
        self._running: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what is still running."""
        for job in self._running.values():
            with contextlib.suppress(Exception):
                job.cancel(check=False)
        self._running.clear()

    def _executor(self) -> Any:
        import submitit

        chosen, slurm = self._chosen, self._chosen.name == "submitit_slurm"
        executor = submitit.AutoExecutor(folder=self._folder, cluster="slurm" if slurm else "local")
        executor.update_parameters(
            name="vqe_prune", timeout_min=chosen.minutes or USUAL_MINUTES, cpus_per_task=chosen.cpus
        )
        if slurm:
            executor.update_parameters(slurm_array_parallelism=chosen.jobs or USUAL_JOBS)
            if chosen.memory is not None:
                executor.update_parameters(mem_gb=chosen.memory)
            if chosen.partition is not None:
                executor.update_parameters(slurm_partition=chosen.partition)
            if chosen.account is not None:
                executor.update_parameters(slurm_account=chosen.account)
        return executor

    def run(
        self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], done: Done | None = None
    ) -> list[Any]:
        """As `Launcher.run`."""
        results: list[Any] = [None] * len(tasks)
        slurm = self._chosen.name == "submitit_slurm"
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            executor = self._executor()
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            raise InputError(f"launcher={self._chosen.name}: {_line(error)}") from error
        waiting = deque(range(len(tasks)))
        while waiting or self._running:
            with threads_of(self._chosen.cpus):
                if slurm and waiting:
                    self._submit_array(executor, function, [(k, tasks[k]) for k in waiting])
                    waiting.clear()
                while waiting and len(self._running) < self._at_once:
                    k = waiting.popleft()
                    self._running[k] = executor.submit(Resumable(self._chosen.cpus), function, tasks[k])
            for k in [k for k, job in self._running.items() if job.done()]:
                results[k] = _result_of(self._running.pop(k))
                if done is not None:
                    done(k, results[k])
            if self._running:
                time.sleep(SLURM_POLL_SECONDS if slurm else POLL_SECONDS)
        return results

    def _submit_array(
        self, executor: Any, function: Callable[..., Any], tasks: Sequence[tuple[int, tuple[Any, ...]]]
    ) -> None:
        """Hand all tasks to Slurm as one array."""
        try:
            with executor.batch():
                jobs = [executor.submit(Resumable(self._chosen.cpus), function, task) for _, task in tasks]
        except Exception as error:  # sbatch refused it: submitit has several classes for that
            raise InputError(f"launcher=submitit_slurm: Slurm refused the jobs: {_line(error)}") from error
        self._running |= {k: job for (k, _), job in zip(tasks, jobs, strict=True)}


class Resumable:
    """A task that submitit may stop and queue again: a study goes on where it stopped.

    Args:
        cores: Threads that libraries may use.

    """

    def __init__(self, cores: int) -> None:
        self._cores = cores

    def __call__(self, function: Callable[..., Any], task: tuple[Any, ...]) -> Any:
        """Return the result of the task, a `Failure` where it raised."""
        os.environ.update(dict.fromkeys(THREAD_SETTINGS, str(self._cores)))
        return guarded(function, task)

    def checkpoint(self, function: Callable[..., Any], task: tuple[Any, ...]) -> Any:
        """Return the same task once more."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, function, task)


def _result_of(job: Any) -> Any:
    """The result of a submitit job that has ended, a `Failure` where it left none."""
    try:
        return job.result()
    except Exception as error:
        if "timed-out too many times" in str(error):
            reason = "its minutes were not enough; raise launcher.minutes"
        else:
            reason = KILLED_THERE if type(error).__name__ == "UncompletedJobError" else _line(error, last=True)
        return Failure(f"{reason} (its output is in {job.paths.stderr})")


class RayWorkers:
    """Tasks of Ray, on a cluster that runs already or on one that is started here and ends with this process.

    Args:
        chosen: Settings.
        cores: Of this machine, where Ray is started here.

    """

    def __init__(self, chosen: LauncherSettings, cores: int) -> None:
        self._chosen, self._cores = chosen, cores

    def __enter__(self) -> Self:
        """Start Ray, or connect to it."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        chosen = self._chosen
        if chosen.address is None:  # within this machine: else Ray asks for its outer address, and listens there
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        import ray

        own: dict[str, Any] = {"num_cpus": max(self._cores, chosen.cpus), "include_dashboard": False}
        started = own if chosen.address is None else {"address": chosen.address}
        variables = dict.fromkeys(THREAD_SETTINGS, str(chosen.cpus))
        _check_reachable(chosen.address)
        try:
            ray.init(log_to_driver=False, logging_level="error", runtime_env={"env_vars": variables}, **started)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            raise InputError(f"launcher=ray cannot be started: {_line(error)}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the cluster; tasks of this process end with that."""
        import ray

        ray.shutdown()

    def run(
        self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], done: Done | None = None
    ) -> list[Any]:
        """As `Launcher.run`."""
        import ray

        chosen = self._chosen
        memory = {} if chosen.memory is None else {"memory": int(chosen.memory * 2**30)}
        remote = ray.remote(guarded).options(num_cpus=chosen.cpus, max_retries=0, **memory)
        running = {remote.remote(function, task): k for k, task in enumerate(tasks)}
        results: list[Any] = [None] * len(tasks)
        while running:
            (ready, *_), _ = ray.wait(list(running), num_returns=1)
            k = running.pop(ready)
            try:
                results[k] = ray.get(ready)
            except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                results[k] = Failure(KILLED_THERE)
            except ray.exceptions.RayError as error:
                results[k] = Failure(_line(error, last=True), details=str(error))
            if done is not None:
                done(k, results[k])
        return results


def _check_reachable(address: str | None) -> None:
    """Raise InputError where nobody listens at host:port; Ray itself would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # none, or auto
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(f"launcher.address={address} cannot be reached: {_line(error)}") from error


def _line(error: BaseException, *, last: bool = False) -> str:
    """The first line of an error's text, or the last one, where a traceback says what it was; else its class."""
    lines = [line.strip("- ") for line in str(error).splitlines() if line.strip("- ")]
    return (lines[-1 if last else 0] if lines else type(error).__name__)[:200]
