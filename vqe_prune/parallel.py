"""Independent tasks in processes of one thread each: failures are results, and no process outlives its parent.

A process is started afresh (spawn), so that a task depends on nothing but its arguments. Ctrl-C and a killed parent end
all of them at once; a process that is killed, for memory for example, takes down only its own task.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from vqe_prune.errors import ConvergenceError, InputError, PendingError

THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Environment variables that libraries read when they are loaded."""

KILLED = "its process was killed, perhaps for want of memory; try fewer at once: threads=1"


@dataclass(frozen=True)
class Failure:
    """Why a task has no result.

    Attributes:
        reason: One line.
        details: The traceback of an error that nobody expected, empty for others.
        bad_input: Whether it was an InputError, which trying again does not mend.

    """

    reason: str
    details: str = ""
    bad_input: bool = False


def failure_of(error: InputError | ConvergenceError | PendingError) -> Failure:
    """Return one of our own errors as the result of a task."""
    return Failure(str(error), bad_input=isinstance(error, InputError))


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return usable or 1


class Workers:
    """Processes that do tasks, to be used in a ``with`` block; they stay for all of its calls of `run`.

    Args:
        count: How many at once; with one, tasks are done in this process.
        cores: Threads that libraries of each process may use.
        apart: Whether a single one is a process of its own as well, so that a task may be killed alone.

    """

    def __init__(self, count: int, *, cores: int = 1, apart: bool = False) -> None:
        self.count, self._cores, self._apart = count, cores, apart
        self._pool: ProcessPoolExecutor | None = None
        self._others: set[int | None] = set()

    def __enter__(self) -> Self:
        """Start nothing yet: processes come with the first task."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes, at once where an error or Ctrl-C ends the block."""
        self._stop(kill=kind is not None)

    def run(
        self,
        function: Callable[..., Any],
        tasks: Sequence[tuple[Any, ...]],
        done: Callable[[int, Any], None] | None = None,
    ) -> list[Any]:
        """Return ``function(*task)`` of every task, a `Failure` where it raised.

        Args:
            function: Of a module, so that a process can import it.
            tasks: Arguments; they and the results are copied between processes.
            done: Called here with the position and the result of each task as it ends.

        """
        results: list[Any] = [None] * len(tasks)

        def end(k: int, result: Any) -> None:
            results[k] = result
            if done is not None:
                done(k, result)

        if (self.count == 1 and not self._apart) or len(tasks) == 0:
            for k, task in enumerate(tasks):
                end(k, guarded(function, task))
            return results
        waiting, suspects = deque(range(len(tasks))), deque[int]()
        running: dict[Future[Any], int] = {}
        while waiting or suspects or running:
            self._fill(function, tasks, running, waiting, suspects)
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = []
            for future in finished:
                k = running.pop(future)
                try:
                    end(k, future.result())
                except BrokenProcessPool:
                    broken.append(k)
            if broken:
                broken += running.values()
                running.clear()
                self._stop(kill=True)
                if len(broken) == 1:
                    end(broken[0], Failure(KILLED))
                else:  # which of them it was is seen where each is alone
                    suspects.extend(sorted(broken))
        return results

    def _fill(
        self,
        function: Callable[..., Any],
        tasks: Sequence[tuple[Any, ...]],
        running: dict[Future[Any], int],
        waiting: deque[int],
        suspects: deque[int],
    ) -> None:
        """Hand out tasks, of those that may have killed a process one at a time."""
        while (suspects and not running) or (waiting and not suspects and len(running) < self.count):
            k = suspects.popleft() if suspects else waiting.popleft()
            try:
                with (
                    without_interrupts(),
                    threads_of(self._cores),
                    main_hidden(),
                ):  # processes start here, with the environment of now
                    running[self._started().submit(guarded, function, tasks[k])] = k
            except BrokenProcessPool:  # a process ended while it had nothing to do
                self._stop(kill=True)
                (suspects if suspects else waiting).appendleft(k)
                suspects.extend(running.values())
                running.clear()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._others = {process.pid for process in multiprocessing.active_children()}
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, mp_context=context, initializer=_begin)
        return self._pool

    def _stop(self, *, kill: bool) -> None:
        if self._pool is None:
            return
        if kill:
            for process in multiprocessing.active_children():
                if process.pid not in self._others:
                    process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None


def _begin() -> None:
    """Make a new process leave Ctrl-C to its parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def guarded(function: Callable[..., Any], task: tuple[Any, ...]) -> Any:
    """Return ``function(*task)``, a `Failure` where it raised."""
    try:
        return function(*task)
    except (InputError, ConvergenceError, PendingError) as error:
        return failure_of(error)
    except MemoryError:
        return Failure("out of memory; try fewer at once: threads=1")
    except OSError as error:
        return Failure(f"{error.filename or 'file'}: {error.strerror or error}")
    except Exception as error:
        text = (str(error).strip() or "no message").splitlines()[0]
        return Failure(f"{type(error).__name__}: {text}", traceback.format_exc())


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back from this thread, and for good from processes started here: they leave it to their parent.

    A process that is only importing its modules would answer with a traceback. Ctrl-C held back comes at the end.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # its start lets Ctrl-C through again
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)


@contextmanager
def threads_of(count: int) -> Iterator[None]:
    """Let processes that are started here use so many threads each; this process keeps its own settings."""
    kept = {name: os.environ.get(name) for name in THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, str(count)))
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def main_hidden() -> Iterator[None]:
    """Let spawned processes not run the user's script again: they need modules alone, not what started them."""
    names: dict[str, Any] = vars(sys.modules["__main__"])
    kept: dict[str, Any] = {name: names.get(name) for name in ("__file__", "__spec__") if name in names}
    names.pop("__file__", None)
    names["__spec__"] = None
    try:
        yield
    finally:
        names.update(kept)
