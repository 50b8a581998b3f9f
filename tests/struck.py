"""Runs of H2 that are struck at one of their writes: killed, stopped, or told that the disk is full.

Python tells its audit hooks of every file that is opened, renamed or made, so that no write can be forgotten here, nor
by code that is yet to come. Everything runs in a process of `forked`: its server has computed nothing, so it may fork.
"""

import contextlib
import errno
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vqe_prune import config, journal, study
from vqe_prune.__main__ import main
from vqe_prune.report import Record, page, read_record
from vqe_prune.run_folder import TEMPORARY, Trace, read_arrays

EVENTS = ("open", "os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate")

ENERGY = -1.1372701746609

LOGGED = "run.log"


class Blow:
    """What happens at a write, counted from one.

    Args:
        folder: Only writes there count.
        number: Of the write.
        strike: Called then.
        lasting: Whether it is called at every later write as well.

    """

    active: "Blow | None" = None

    def __init__(self, folder: Path, number: int, strike: Callable[[str], Any], *, lasting: bool = False) -> None:
        self.folder, self.number, self.strike, self.lasting = str(folder), number, strike, lasting
        self.count = 0

    def __enter__(self) -> "Blow":
        """Be ready."""
        Blow.active = self
        return self

    def __exit__(self, *_: object) -> None:
        """Be over."""
        Blow.active = None

    def see(self, event: str, place: Any, mode: Any, flags: Any) -> None:
        """Count a write, and strike."""
        if not isinstance(place, str) or not place.startswith(self.folder):
            return
        if event == "open" and not flags & (os.O_WRONLY | os.O_RDWR):
            return
        self.count += 1
        if self.count == self.number or (self.lasting and self.count > self.number):
            self.strike(place)


def _hook(event: str, arguments: tuple) -> None:
    if Blow.active is not None and event in EVENTS:
        Blow.active.see(event, *(*arguments, None, 0)[:3])


def prepare(place: Path) -> tuple[Callable[[Path], int], Record]:
    """Return a run of H2 in a folder, and the record of one that nothing struck; its problem is solved once."""
    from pyscf import lib

    lib.num_threads(1)  # a process with threads must not fork
    solved: list[Any] = []
    real, parsed = study.set_up, config.parse_settings

    def set_up(settings: Any, say: Any, known: Any) -> Any:
        if not solved:
            solved.append(real(settings, say, known))
        return solved[0]

    study.set_up = set_up
    settings = parsed(["molecule=H2", "threads=1"])

    def parse(words: list[str]) -> Any:
        settings.output_dir = words[0].partition("=")[2]
        return settings

    config.parse_settings = parse
    page.energy_picture = page.path_picture = lambda *_, **__: "<svg></svg>"  # drawing takes longer than all the rest
    os.fsync = lambda _: None
    journal.CHECKPOINT_SECONDS = 0.0  # so that every step is written
    sys.addaudithook(_hook)

    def run(folder: Path) -> int:
        with contextlib.redirect_stdout(io.StringIO()):
            return main([f"output_dir={folder}"])

    assert run(place / "whole") == 0
    return run, read_record(place / "whole")


def same(folder: Path, whole: Record) -> None:
    """A folder is complete, equal to one that nothing struck, and holds nothing else."""
    record = read_record(folder)
    assert abs(record.stages[-1]["energy"] - ENERGY) < 1e-8
    for mine, theirs in zip(record.stages, whole.stages, strict=True):
        for key, value in theirs.items():
            if key in ("properties", "gradient", "steps"):  # how it got there
                continue
            expected = pytest.approx(value, abs=1e-8) if isinstance(value, float) else value
            assert mine[key] == expected, (key, mine[key], value)
    assert [row["decision"] for row in record.plan] == [row["decision"] for row in whole.plan]
    assert min(record.times.values()) >= 0.0
    found, expected = ({p.name for p in each.iterdir()} for each in (folder, folder.parent / "whole"))
    assert found - {"trace.jsonl.damaged"} == expected
    arrays, others = read_arrays(folder / "angles.npz"), read_arrays(folder.parent / "whole" / "angles.npz")
    for name, values in others.items():
        assert arrays[name].tolist() == pytest.approx(values.tolist(), abs=1e-7)


def nothing_half(folder: Path) -> None:
    """Files are whole or absent, and at most one was being written."""
    if not folder.exists():
        return
    for path in folder.iterdir():
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".npz":
            read_arrays(path)
        elif path.suffix == ".html":
            assert path.read_text().rstrip().endswith("</html>")
    assert len(list(folder.glob(f".*{TEMPORARY}"))) <= 1


def events(folder: Path) -> list[dict[str, Any]]:
    """What the trace of a folder holds; reading it changes nothing that is whole."""
    return Trace(folder / "trace.jsonl").events


def child(work: Callable[[], Any]) -> int:
    """Do something in a fork of this process and return its number."""
    number = os.fork()
    if number == 0:
        try:
            work()
        finally:
            os._exit(0)
    return number


def killed(run: Callable[[Path], int], folder: Path, k: int) -> bool:
    """Run in a child that is killed at its k-th write; whether it came that far."""

    def work() -> None:
        with Blow(folder, k, lambda path: os.kill(os.getpid(), signal.SIGKILL)):
            run(folder)

    _, status = os.waitpid(child(work), 0)
    return os.WIFSIGNALED(status)


def kills(place: Path) -> None:
    """What is on the disk before each write of a run is what kill -9 leaves there: the same command ends it alike.

    Then in earnest: one folder in which each run is killed at one write later than the one before.
    """
    run, whole = prepare(place)
    images: list[Path] = []

    def keep(_: str) -> None:
        images.append(place / f"killed {len(images)}")
        if (place / "struck").exists():
            shutil.copytree(place / "struck", images[-1])

    with Blow(place / "struck", 1, keep, lasting=True):
        assert run(place / "struck") == 0
    assert len(images) > 40
    for folder in images:
        nothing_half(folder)
        before = events(folder) if folder.exists() else []
        assert run(folder) == 0
        after = events(folder)
        assert after[: len(before)] == before  # what was kept stays and is not computed again
        optima = [event["stage"] for event in after if event["event"] == "optimum"]
        assert len(optima) == len(set(optima))
        same(folder, whole)
    k, folder = 1, place / "often"
    while killed(run, folder, k):
        nothing_half(folder)
        k += 1
    same(folder, whole)
    assert k > 25


def full(place: Path) -> None:
    """From each write on nothing can be made any more: one line, status 2; with room the run goes on and ends alike."""
    run, whole = prepare(place)

    def refuse(path: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    k, folder = 1, place / "full"
    while True:
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), Blow(folder, k, refuse, lasting=True) as blow:
            status = run(folder)
        if status == 0:
            break
        assert status == 2, (k, status)
        complaint(errors.getvalue(), folder)
        nothing_half(folder)
        k += 1
    assert blow.count < k and k > 25  # fewer than at once: what was written before is there
    same(folder, whole)


def complaint(text: str, folder: Path) -> None:
    """One line that names a file or the folder, says what is the matter and what helps."""
    assert text.startswith("vqe_prune: ") and text.count("\n") == 1, text
    assert str(folder) in text and ("No space left" in text or "too large" in text), text
    assert "make room" in text or "choose another output_dir" in text, text


def limited(place: Path) -> None:
    """The same by a limit of the system on the size of files, which breaks off a write in the middle."""
    import resource

    from vqe_prune import run_folder

    run, whole = prepare(place)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(path.stat().st_size for path in (place / "whole").iterdir())
    folder = place / "limited"
    for room in (run_folder.ROOM, 0):  # the folder is tried before anything is computed; else each file fails in turn
        run_folder.ROOM = room
        for size in (0, 20, 90, 300, 700, 1000, 1500, 2500, 4000, 6000, 9000, largest - 1):
            reader, writer = os.pipe()  # which has no limit

            def work(size: int = size, room: int = room, writer: int = writer) -> None:
                os.dup2(writer, 2)
                sys.stderr = open(2, "w", closefd=False)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
                if room:
                    study.set_up = None  # nothing may be computed
                print(f"status {run(folder)}", file=sys.stderr, flush=True)

            number = child(work)
            os.close(writer)
            with open(reader) as stream:
                *lines, status = stream.read().splitlines(keepends=True)
            os.waitpid(number, 0)
            assert status == "status 2\n", (size, lines, status)
            complaint("".join(lines), folder)
            nothing_half(folder)
    assert run(folder) == 0
    same(folder, whole)


def stopped(place: Path) -> None:
    """A second run waits for one that stands still, and says for which; that one goes on, or it is killed."""
    run, whole = prepare(place)
    for name, after in (("goes on", signal.SIGCONT), ("is killed", signal.SIGKILL)):
        folder = place / name

        def stand(folder: Path = folder) -> None:
            with Blow(folder, 20, lambda path: os.kill(os.getpid(), signal.SIGSTOP)):
                run(folder)

        first = child(stand)
        _, status = os.waitpid(first, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        said: list[str] = []

        def hear(text: str, said: list[str] = said, first: int = first, after: int = after) -> None:
            said.append(text)
            if "Another run" in text:
                os.kill(first, after)

        study.run(config.parse_settings([f"output_dir={folder}"]), write=hear)
        if not any("Another run" in text for text in said):
            os.kill(first, signal.SIGKILL)  # or it would stand still for ever
        os.waitpid(first, 0)
        waiting = f"Another run is working in {folder} (process {first} on {os.uname().nodename}): waiting for it.\n"
        assert said.count(waiting) == 1
        assert any("This study is complete" in text for text in said) == (name == "goes on")
        same(folder, whole)


def jumping(place: Path) -> None:
    """The clock of the wall is years back, ahead, or goes backwards while the run goes on; so do the times of files."""
    import time

    run, whole = prepare(place)
    real = time.strftime

    def show(form: str, *given: Any) -> str:
        return real(form, *(given or (time.gmtime(time.time()),)))

    time.strftime = show
    for name, now in {
        "1970": lambda: 5.0,
        "2200": lambda: 7.3e9,
        "back": iter(range(10**9, 0, -(10**5))).__next__,
    }.items():
        folder = place / name
        time.time = now
        assert killed(run, folder, 25)
        for path in folder.iterdir():
            os.utime(path, (7e9, 7e9) if name == "1970" else (0, 0))
        assert run(folder) == 0
        same(folder, whole)
        assert "-00" not in (folder / LOGGED).read_text()


def damaged(place: Path) -> None:
    """A trace that is cut, overwritten or filled with zeros gives the same record, and the run says what was lost."""
    run, whole = prepare(place)
    data = (place / "whole" / "trace.jsonl").read_bytes()
    ends = [k + 1 for k, byte in enumerate(data) if byte == 10]
    middle = len(data) // 2
    digit = data.index(b'"energy": -1.13') + len(b'"energy": -1.1')
    cases = {
        "empty": (b"", ""),
        "cut": (data[: ends[2] + 40], "last line was not finished"),
        "cut at a line": (data[: ends[3]], ""),
        "zeros behind": (data[: ends[2]] + bytes(4096), "last line was not finished"),
        "zeros inside": (data[:middle] + bytes(64) + data[middle + 64 :], "is damaged"),
        "all zeros": (bytes(len(data)), "last line was not finished"),
        "a digit": (data[:digit] + b"9" + data[digit + 1 :], "line 2 is damaged"),
        "a line gone": (data[: ends[0]] + data[ends[0] + 30 :], "line 2 is damaged"),
        "no checksum": (data[: ends[1]] + json.dumps({"event": "optimum"}).encode() + b"\n", "line 3 is damaged"),
    }
    for name, (content, said) in cases.items():
        folder = place / name
        folder.mkdir()
        (folder / "trace.jsonl").write_bytes(content)
        assert run(folder) == 0
        same(folder, whole)
        assert (said or "nothing") in (folder / LOGGED).read_text() or not said
        aside = folder / "trace.jsonl.damaged"
        assert aside.exists() == ("damaged" in said) and (not aside.exists() or aside.read_bytes() == content)
