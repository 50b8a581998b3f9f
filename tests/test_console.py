"""What a run says at its three levels, on a terminal, in a pipe and in run.log; how long it says it still takes."""

import io
import math
import re
import sys
from dataclasses import asdict

import numpy as np
import pytest

from vqe_prune import console as module
from vqe_prune.config import command_line, parse_settings
from vqe_prune.console import ERASE, Console, fitted
from vqe_prune.errors import InputError
from vqe_prune.journal import TraceJournal
from vqe_prune.optimize import Optimum, StopReason
from vqe_prune.run_folder import Trace
from vqe_prune.settings import digest
from vqe_prune.time_left import duration, steps_left


class Clock:
    """A clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


class Terminal(io.StringIO):
    """Standard output of a terminal."""

    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Terminal:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in {"COLUMNS": "40", "TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)
    return screen


PARTS = ["full: step 3", "E = -7.88239129 Eh", "about 12 s to go", "2 ms a step"]


def tell(console: Console, clock: Clock) -> None:
    """A run of a quarter of an hour that reports each second."""
    console.say("LiH in sto-3g")
    console.begin()
    for _ in range(900):
        clock.now += 1.0
        if console.due():
            console.progress(PARTS)
    console.warn("not converged")
    console.conclude("a table\nof two lines", "LiH: 3 parameters")


def test_each_level_says_its_part_and_the_log_says_all(tmp_path, monkeypatch) -> None:
    logs = {}
    for level in ("quiet", "normal", "verbose"):
        clock, said = Clock(monkeypatch), []
        console, folder = Console(said.append, level), tmp_path / level
        folder.mkdir()
        with console.logging(folder, "a command"):
            tell(console, clock)
        text = "".join(said)
        assert "WARNING: not converged\n" in text and "\x1b" not in text and "\r" not in text
        assert text.count("full: step 3") == {"quiet": 0, "normal": 30, "verbose": 900}[level]
        assert ("LiH in sto-3g\n" in text) == ("a table\nof two lines\n" in text) == (level != "quiet")
        assert ("LiH: 3 parameters\n" in text) == (level == "quiet")
        logs[level] = (folder / "run.log").read_text()
    for level, log in logs.items():
        steps = log.count("full: step 3")
        # a pipe's are at 10, 20 ... 100 s, then log 9 / log(1 / 0.9) = 20, each a tenth later than the one before
        assert steps == (900 if level == "verbose" else 30)
        lines = log.splitlines()
        assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \S", line) for line in lines[:-1])
        assert "--- a command, process " in lines[0] and "of two lines" in lines[-1] and lines[-1].startswith(" " * 21)


def test_a_terminal_has_one_line_that_fits_and_is_taken_away(monkeypatch) -> None:
    screen, clock = terminal(monkeypatch), Clock(monkeypatch)
    console = Console()
    clock.now += 1.0
    console.progress(PARTS)
    clock.now += 0.01
    console.progress(PARTS)  # too soon
    console.say("done")
    live, last = screen.getvalue().split("\x1b[0m")
    assert live == ERASE + "\x1b[2m" + "full: step 3, E = -7.88239129 Eh"  # 40 columns have no room for more
    assert last == ERASE + "done\n"
    screen, console = terminal(monkeypatch, NO_COLOR="1"), Console()
    clock.now += 1.0
    console.progress(PARTS)
    console.warn("x")
    assert screen.getvalue() == f"{ERASE}full: step 3, E = -7.88239129 Eh{ERASE}WARNING: x\n"
    screen, console = terminal(monkeypatch, TERM="dumb"), Console()
    clock.now += 1.0
    console.progress(PARTS)
    assert screen.getvalue() == "" and not console.on_terminal
    screen, written = terminal(monkeypatch), []
    console = Console(written.append)  # a worker of a scan, whose standard output is the terminal too
    clock.now += 60.0
    console.progress(PARTS)
    assert screen.getvalue() == "" and "\x1b" not in "".join(written)


def test_lines_are_cut_to_any_width() -> None:
    for columns in range(200):
        text = fitted(PARTS, columns)
        assert len(text) <= columns and (columns < 12 or text.startswith("full: step 3"))
    assert fitted(PARTS, 200) == ", ".join(PARTS) and fitted(PARTS, 5) == "full…"


def test_the_log_goes_on_over_runs_and_says_what_stopped_one(tmp_path) -> None:
    first, second = Console(lambda text: None), Console(lambda text: None)
    first.say("before there is a folder")
    with pytest.raises(KeyboardInterrupt), first.logging(tmp_path, "first"):
        first.say("working")
        raise KeyboardInterrupt
    with (tmp_path / "run.log").open("a") as file:
        file.write("half a li")  # killed while it wrote
    with second.logging(tmp_path, "second"):
        second.say("resumed")
    said = [line[21:] for line in (tmp_path / "run.log").read_text().splitlines()]
    assert said[1:4] == ["before there is a folder", "working", "--- stopped by KeyboardInterrupt"]
    assert said[5].startswith("--- second, process") and said[6:] == ["resumed"]


def test_the_level_is_no_part_of_a_study() -> None:
    plain, quiet = parse_settings(["molecule=H2"]), parse_settings(["molecule=H2", "output=quiet"])
    assert digest(plain) == digest(quiet) and quiet.output == "quiet"
    assert "output" not in command_line(asdict(quiet))
    with pytest.raises(InputError, match=r"unknown output=results; available: quiet, normal, verbose; .*output_dir="):
        parse_settings(["molecule=H2", "output=results"])
    with pytest.raises(InputError, match="did you mean verbose"):
        parse_settings(["molecule=H2", "output=verbos"])


def test_steps_that_fall_by_a_factor_are_counted_to_their_end() -> None:
    """E_k = E + a r^k ends where its decrease a (1 - r) r^k is 1e-14 |E|: a closed form."""
    energy, amplitude = -7.88, 0.02
    for ratio in (0.3, 0.5, 0.9, 0.97):
        end = math.log(1e-14 * abs(energy) / (amplitude * (1 - ratio))) / math.log(ratio)
        for share in (0.5, 0.8):
            k = round(share * end)
            left = steps_left([energy + amplitude * ratio**j for j in range(k)])
            assert left is not None and end - k - 1 <= left <= end - k + k / 4 + 1  # from the mean of a quarter


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert steps_left([]) is None and steps_left([1.0] * 7) is None
    assert steps_left([-1.0] * 50) is None  # a plateau
    assert steps_left([-float(k) for k in range(50)]) is None  # a slope without an end
    plateau = [-1.0 - 0.1 * (1 - 0.5**k) for k in range(40)] + [-1.1 - 1e-7 * k for k in range(40)]
    assert steps_left(plateau) is None
    assert steps_left([math.nan] * 20) is None


def test_times_are_in_words() -> None:
    words = [duration(seconds) for seconds in (0.2, 59.6, 61, 599, 3540, 3600, 86400 * 2.5)]
    assert words == ["1 s", "1 min 0 s", "1 min 1 s", "9 min 59 s", "59 min", "1 h 0 min", "2 d 12 h"]


def test_a_journal_says_how_long_and_remembers_every_step(tmp_path, monkeypatch) -> None:
    clock, said = Clock(monkeypatch), []
    console = Console(said.append)
    trace = Trace(tmp_path / "trace.jsonl")
    journal = TraceJournal(trace, console, -7.9)
    for step in range(1, 41):
        clock.now += 3.1
        journal.stepped("full", step, -7.9 + 0.02 * 0.7**step, np.zeros(2))
    last = said[-1]
    assert re.match(r"full: step 40, E = -7.89999999 Eh, error 0.0000 mHa, about 1 min \d+ s to go, 2 min 4 s so", last)
    assert "3.1 s a step" in last and len(said) < 12
    optimum = Optimum(angles=np.zeros(2), value=-7.9, gradient=0.0, steps=40, reason=StopReason.GRADIENT)
    journal.reached("full", optimum, 124.0)
    kept = Trace(tmp_path / "trace.jsonl")  # as a run that goes on reads it
    assert [event["step"] for event in kept.find("step")] == list(range(1, 41))
    assert kept.find("step")[1].get("angles") == [0.0, 0.0]  # every five seconds: what a killed run starts from
