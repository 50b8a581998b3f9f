"""Commands in processes forked from one that has imported everything: real runs that can be killed, without 2 s each.

Nobody has computed anything in the server, so no thread of it is missing in its children.
"""

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from vqe_prune.__main__ import main

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["forked", "vqe_prune", "vqe_prune.study", "vqe_prune.results", "cirq", "matplotlib.figure", "openfermion",
     "pyscf.cc", "pyscf.fci", "pyscf.mp", "pyscf.scf", "qsimcirq"]
)  # fmt: skip


@dataclass
class Command:
    """A process that has been started."""

    process: BaseProcess
    folder: Path
    name: str

    def finish(self) -> tuple[int, str, str]:
        """Wait for it; exit status and what it printed to both streams."""
        self.process.join()
        status = self.process.exitcode
        assert status is not None
        return status, *((self.folder / f"{self.name}.{stream}").read_text() for stream in ("out", "err"))


def start(folder: Path, arguments: Sequence[str], name: str = "command") -> Command:
    """Start ``python -m vqe_prune ARGUMENTS`` in a folder."""
    return _start(folder, name, _run_command, (list(arguments),))


def start_program(folder: Path, program: str) -> Command:
    """Start ``python -c PROGRAM`` in a folder."""
    return _start(folder, "program", _run_program, (program,))


def _start(folder: Path, name: str, function: Callable[..., int], given: tuple) -> Command:
    process = SERVER.Process(target=_in_folder, args=(str(folder), name, function, given))
    process.start()
    return Command(process, folder, name)


def _in_folder(folder: str, name: str, function: Callable[..., int], given: tuple) -> None:
    os.chdir(folder)
    for descriptor, stream in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{name}.{stream}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), descriptor)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
    try:
        status = function(*given)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _run_command(arguments: list[str]) -> int:
    return main(arguments)


def _run_program(program: str) -> int:
    exec(compile(program, "program", "exec"), {"__name__": "__main__"})
    return 0
