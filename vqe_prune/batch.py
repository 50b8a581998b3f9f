"""Many studies in parallel processes, each in its own folder: failures are listed, and all can be killed and resumed.

A study that is complete is not run again; one that was killed goes on from its trace; what a study says is appended
to ``run.log`` in its folder, and nothing is printed. Scans use it, and so can any list of settings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from vqe_prune import study
from vqe_prune.config import output_folder
from vqe_prune.errors import InputError
from vqe_prune.parallel import Failure, Workers
from vqe_prune.problem import Problem
from vqe_prune.run_folder import check_writable
from vqe_prune.settings import Settings


def run_studies(
    studies: Sequence[Settings],
    workers: Workers,
    *,
    known: Sequence[Problem | None] | None = None,
    done: Callable[[int, Failure | None], None] | None = None,
) -> list[Failure | None]:
    """Run studies, as many at once as there are workers.

    Args:
        studies: Settings with an ``output_dir`` or digest each of their own; one thread each is usual.
        workers: Where they run.
        known: Problems of electrons that have been solved already, None for those that have not.
        done: Called with the position of each study that ends, and its failure; at once for complete ones.

    Returns:
        None for each study that is complete, else why it is not.

    Raises:
        InputError: Two studies have one folder, or a folder cannot be written.

    """
    folders = [output_folder(each) for each in studies]
    doubled = [folder for folder, times in Counter(folders).items() if times > 1]
    if doubled:
        raise InputError(f"two studies have the folder {min(doubled)}; give each its own output_dir")
    failures: list[Failure | None] = [None] * len(studies)
    pending = []
    for k, (settings, folder) in enumerate(zip(studies, folders, strict=True)):
        check_writable(folder)
        if study.complete_record(folder, settings) is None:
            pending.append(k)
        elif done is not None:
            done(k, None)

    def end(position: int, result: Failure | None) -> None:
        failures[pending[position]] = result
        if done is not None:
            done(pending[position], result)

    workers.run(run_quietly, [(studies[k], known[k] if known else None) for k in pending], end)
    return failures


def run_quietly(settings: Settings, known: Problem | None = None) -> None:
    """Run one study that prints nothing: what it says is in ``run.log`` in its folder."""
    study.run(settings, write=nothing, known=known)


def nothing(text: str) -> None:
    """Print nothing."""
