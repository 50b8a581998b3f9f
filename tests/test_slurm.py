"""What a launcher hands to Slurm and makes of its jobs, with a stand-in for submitit: no cluster is needed."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from launched import square_or_fail

from vqe_prune import launchers
from vqe_prune.errors import InputError
from vqe_prune.launcher_settings import LauncherSettings
from vqe_prune.launchers import Resumable, SubmititWorkers, open_launcher
from vqe_prune.parallel import THREAD_SETTINGS, Failure


class UncompletedJobError(RuntimeError):
    """As submitit names what a killed job leaves."""


class Job:
    """Ends when it has been asked twice, or never starts because Slurm kills it or its time is over."""

    def __init__(self, task: Any, number: int) -> None:
        self.task, self.number, self.asked = task, number, 0
        self.paths = SimpleNamespace(stderr=f"job{number}.err")
        self.cancelled = False

    def done(self) -> bool:
        self.asked += 1
        return self.asked > 1

    def result(self) -> Any:
        if self.number == 4:
            raise UncompletedJobError("Job is missing output")
        if self.number == 5:
            raise RuntimeError("Job timed-out too many times")
        return self.task()

    def cancel(self, check: bool) -> None:
        self.cancelled = True


class Executor:
    """Collects jobs and parameters; an array is everything submitted within one `batch`."""

    made: list[Executor]
    refuses = False

    def __init__(self, folder: Path, cluster: str) -> None:
        self.cluster, self.parameters, self.jobs, self.arrays = cluster, {}, [], 0
        Executor.made.append(self)

    def update_parameters(self, **parameters: Any) -> None:
        self.parameters |= parameters

    def submit(self, function: Any, *arguments: Any) -> Job:
        self.jobs.append(Job(lambda: function(*arguments), len(self.jobs) + 1))
        return self.jobs[-1]

    @contextmanager
    def batch(self) -> Any:
        yield
        if self.refuses:
            raise RuntimeError("sbatch: error: invalid account")
        self.arrays += 1


@pytest.fixture
def submitit(monkeypatch) -> ModuleType:
    module = ModuleType("submitit")
    module.AutoExecutor = Executor
    module.helpers = SimpleNamespace(DelayedSubmission=lambda *parts: parts)
    monkeypatch.setitem(sys.modules, "submitit", module)
    monkeypatch.setattr(Executor, "made", [], raising=False)
    monkeypatch.setattr(launchers, "SLURM_POLL_SECONDS", 0.0)
    monkeypatch.setattr(launchers, "POLL_SECONDS", 0.0)
    for name in THREAD_SETTINGS:  # jobs set them in this process here
        monkeypatch.setenv(name, "1")
    return module


SLURM = LauncherSettings(
    name="submitit_slurm", cpus=2, memory=3.5, minutes=30, partition="long", account="chem", jobs=7
)  # fmt: skip


def test_slurm_gets_one_array_and_the_settings(submitit, tmp_path: Path) -> None:
    found: dict[int, Any] = {}
    with SubmititWorkers(SLURM, 1, tmp_path / "jobs") as workers:
        results = workers.run(square_or_fail, [(1,), (2,), (5,), (6,), (7,)], found.__setitem__)
    (executor,) = Executor.made
    assert (executor.cluster, executor.arrays, len(executor.jobs)) == ("slurm", 1, 5)
    assert executor.parameters == {
        "name": "vqe_prune", "timeout_min": 30, "cpus_per_task": 2, "slurm_array_parallelism": 7, "mem_gb": 3.5,
        "slurm_partition": "long", "slurm_account": "chem",
    }  # fmt: skip
    assert (results[0], results[2]) == (1, 25) and found == dict(enumerate(results))
    bad, killed, slow = results[1], results[3], results[4]
    assert all(isinstance(each, Failure) for each in (bad, killed, slow))
    assert bad.bad_input and bad.reason == "two is not for this"
    assert killed.reason == f"{launchers.KILLED_THERE} (its output is in job4.err)"
    assert "raise launcher.minutes" in slow.reason and "job5.err" in slow.reason


def test_jobs_here_start_as_many_at_once_as_there_are_cores_for(submitit, tmp_path: Path) -> None:
    chosen = LauncherSettings(name="submitit_local")
    with SubmititWorkers(chosen, 2, tmp_path / "jobs") as workers:
        assert workers.run(square_or_fail, [(1,), (5,), (6,)]) == [1, 25, 36]
    (executor,) = Executor.made
    assert (executor.cluster, executor.arrays) == ("local", 0)
    assert executor.parameters == {"name": "vqe_prune", "timeout_min": 240, "cpus_per_task": 1}


def test_what_slurm_refuses_is_one_line_and_what_runs_is_cancelled(submitit, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Executor, "refuses", True)
    with pytest.raises(InputError, match=r"^launcher=submitit_slurm: Slurm refused the jobs: .*invalid account"):
        SubmititWorkers(SLURM, 1, tmp_path).run(square_or_fail, [(1,)])
    monkeypatch.setattr(Job, "done", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr(Executor, "refuses", False)
    with pytest.raises(KeyboardInterrupt), SubmititWorkers(SLURM, 1, tmp_path) as workers:
        workers.run(square_or_fail, [(1,), (5,)])
    assert [job.cancelled for job in Executor.made[-1].jobs] == [True, True]

    def no_slurm(**_: Any) -> None:
        raise RuntimeError("Could not detect sbatch")

    monkeypatch.setattr(submitit, "AutoExecutor", no_slurm)
    with pytest.raises(InputError, match=r"^launcher=submitit_slurm: .*sbatch"):
        SubmititWorkers(SLURM, 1, tmp_path).run(square_or_fail, [(1,)])


def test_a_stopped_job_is_queued_again_with_its_task(submitit) -> None:
    job = Resumable(2)
    assert job.checkpoint(square_or_fail, (3,)) == (job, square_or_fail, (3,))


def test_launchers_say_what_they_miss(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(launchers, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"launcher=ray needs ray: pip install 'vqe-prune\[cluster\]'"):
        open_launcher(LauncherSettings(name="ray"), None, tmp_path)
    monkeypatch.setattr(launchers, "find_spec", lambda name: object())
    monkeypatch.setattr(launchers.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="there is no srun here"):
        open_launcher(SLURM, None, tmp_path)
    for chosen, hint in (
        (SLURM, "launcher.jobs= and "),
        (LauncherSettings(name="ray", address="auto"), "set launcher.cpus"),
    ):
        with pytest.raises(InputError, match=f"threads= is for this machine.*{hint}"):
            open_launcher(chosen, 2, tmp_path)
