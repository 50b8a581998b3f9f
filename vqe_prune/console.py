"""What a run says: lines and one live line on a terminal, lines now and then in a pipe, all of it in run.log.

Own code in place of a library of progress bars: a run shows one line of words, whose end is mostly not known, and a bar
would say less. Cutting that line to the terminal's width and taking it away again is all that is needed.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from vqe_prune.errors import InputError, near_misses
from vqe_prune.run_folder import LOG, writing

OUTPUTS = ("quiet", "normal", "verbose")
"""Levels: warnings and the result in one line; what is found, with the live line; every step as a line of its own."""

LIVE_SECONDS = 0.1
"""How often the live line changes, at most."""

LINE_SECONDS = 10.0
"""In a pipe and in run.log, how often a long step reports itself at first; then after each tenth of its time so far."""

PATIENCE = 0.1

ERASE = "\r\x1b[K"
DIM, YELLOW, PLAIN = "\x1b[2m", "\x1b[33m", "\x1b[0m"


class Console:
    """Where the lines of a run go.

    Args:
        write: Prints text, default to standard output; only there is a live line, and only on a terminal.
        level: One of `OUTPUTS`.

    Raises:
        ValueError: The level is unknown.

    """

    def __init__(self, write: Callable[[str], Any] | None = None, level: str = "normal") -> None:
        if level not in OUTPUTS:
            raise ValueError(f"Argument `level` must be one of {', '.join(OUTPUTS)}, but {level!r} was given")
        self._write, self.level = write or print_now, level
        self.on_terminal = write is None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self._colours = self.on_terminal and not os.environ.get("NO_COLOR")
        self._log: TextIO | None = None
        self._backlog: list[str] = []
        self._open_line = False
        self._shown = self._told = self._begun = time.monotonic()

    @contextmanager
    def logging(self, folder: Path, title: str) -> Iterator[None]:
        """Append everything said from now on, and what was said before, to the folder's run.log.

        Args:
            folder: Of the run.
            title: What has begun, such as the command.

        """
        path = folder / LOG
        torn = path.exists() and path.stat().st_size > 0 and not _ends_a_line(path)  # a run was killed while it wrote
        with _appended(path) as file:
            self._log = file
            file.write("\n" if torn else "")
            self._note(f"--- {title}, process {os.getpid()}, clock {time.strftime('UTC%z')}")
            for text in self._backlog:
                self._note(text)
            self._backlog.clear()
            try:
                yield
            except BaseException as error:
                with suppress(OSError):  # on a full disk: what stopped the run is what is said
                    self._note(f"--- stopped by {type(error).__name__}: {error}".rstrip(": "))
                raise
            finally:
                self.close_line()
                self._log = None

    def say(self, text: str) -> None:
        """Tell what was found or what begins: lines without their end."""
        self._line(text, self.level != "quiet")

    def warn(self, text: str) -> None:
        """Tell what must not be missed, at every level: one line after the word WARNING."""
        text = f"WARNING: {text}"
        self._line(text, True, YELLOW)

    def conclude(self, text: str, short: str) -> None:
        """Tell how it ended; a quiet run says it in short."""
        if self.level == "quiet":
            self._write(f"{short}\n")
        self._line(text, self.level != "quiet")

    def begin(self) -> None:
        """Count the time of a long step from now."""
        self._begun = self._told = time.monotonic()

    def progress(self, parts: Sequence[str]) -> None:
        """Tell how far a step has come.

        Args:
            parts: Of the line, the most important first: those for which a terminal has no room are left out.

        """
        now = time.monotonic()
        if self.level == "verbose":
            self._line(", ".join(parts), True)
            return
        if self.on_terminal and self.level == "normal" and now - self._shown >= LIVE_SECONDS:
            text = fitted(parts, shutil.get_terminal_size().columns - 1)
            self._write(f"{ERASE}{DIM}{text}{PLAIN}" if self._colours else ERASE + text)
            self._open_line, self._shown = True, now
        if now - self._told >= max(LINE_SECONDS, PATIENCE * (now - self._begun)):
            self._told = now
            self._line(", ".join(parts), self.level == "normal" and not self.on_terminal)

    def due(self) -> bool:
        """Whether `progress` would tell anything now, so that nothing is prepared in vain."""
        now = time.monotonic()
        live = self.on_terminal and self.level == "normal" and now - self._shown >= LIVE_SECONDS
        return live or self.level == "verbose" or now - self._told >= LINE_SECONDS

    def close_line(self) -> None:
        """Take the live line away."""
        if self._open_line:
            self._write(ERASE)
            self._open_line = False

    def _line(self, text: str, shown: bool, colour: str = "") -> None:
        if shown:
            self.close_line()
            self._write(f"{colour}{text}{PLAIN}\n" if colour and self._colours else f"{text}\n")
        self._note(text)

    def _note(self, text: str) -> None:
        """Write a text to run.log, its first line after the time."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S  ")
        first, *others = text.strip("\n").split("\n")
        lines = "\n".join([first, *(" " * len(stamp) + line if line else "" for line in others)])
        if self._log is None:
            self._backlog.append(text)
        else:
            with writing(self._log.name):
                self._log.write(stamp + lines + "\n")


def check_level(level: str) -> None:
    """Raise InputError for a level that is none of `OUTPUTS`."""
    if level not in OUTPUTS:
        hint = near_misses(level, OUTPUTS)
        raise InputError(f"unknown output={level}{hint}; the folder of the results is output_dir=")


def fitted(parts: Sequence[str], columns: int) -> str:
    """Return the parts that fit, joined by commas, the first one cut where it alone is too long.

    >>> fitted(["full: step 3", "E = -7.88 Eh", "2 ms a step"], 30)
    'full: step 3, E = -7.88 Eh'

    """
    text = parts[0]
    if len(text) > columns:
        return text[: max(columns - 1, 0)] + "…" if columns > 0 else ""
    for part in parts[1:]:
        if len(text) + 2 + len(part) <= columns:
            text += f", {part}"
    return text


@contextmanager
def _appended(path: Path) -> Iterator[TextIO]:
    """A file that lines are appended to, each at once, so that closing it has nothing left to write or to say."""
    with writing(path):
        file = path.open("a", encoding="utf-8", errors="replace", buffering=1)
    try:
        yield file
    finally:
        with suppress(OSError):  # a line for which there was no room is tried once more
            file.close()


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def print_now(text: str) -> None:
    """Print text to standard output at once."""
    with writing("standard output"):
        sys.stdout.write(text)
        sys.stdout.flush()
