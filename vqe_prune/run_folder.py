"""The folder of one run: files that are whole or absent, a trace that is only appended to, one writer at a time."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vqe_prune.errors import InputError

LOG = "run.log"
FILES = ("record.json", "trace.jsonl", LOG, ".lock")
FOLDERS = ("device",)
"""What a study needs as files and as folders under its own."""

ATTEMPTS = 20
"""At a folder that other runs make and take away meanwhile."""


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name beside it and rename it, so that readers see all of it or none."""
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner reads
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def check_writable(folder: Path) -> None:
    """Raise InputError where a study could not write into `folder`: make it, write a file, and take both away again."""
    for attempt in reversed(range(ATTEMPTS)):
        try:
            _try_to_write(folder)
            return
        except OSError as error:
            if isinstance(error, FileNotFoundError) and attempt:
                continue  # another run that only tries has just taken the folder away
            where = Path(error.filename or folder)
            known = where in (folder, *folder.parents) or where.parent == folder
            why = f"{where if known else folder}: {error.strerror}"
            raise InputError(f"output_dir={folder} cannot be written ({why}); choose another output_dir") from error


def _try_to_write(folder: Path) -> None:
    made: list[Path] = []
    try:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            made.append(path)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for path in folder.iterdir():
            if path.name in FILES + FOLDERS and path.is_dir() != (path.name in FOLDERS):
                kind = "file" if path.name in FILES else "folder"
                raise InputError(f"output_dir={folder} cannot be used: {path} is no {kind}; choose another output_dir")
            if path.name in FILES and not os.access(path, os.R_OK | os.W_OK):
                raise PermissionError(0, "may not be written", str(path))
    finally:
        for path in reversed(made):
            with suppress(OSError):  # another run is there already
                path.rmdir()


class Trace:
    """The run's memory: JSON lines that are only appended to, read back to resume a run that was killed.

    Args:
        path: The file; made when the first event is added.

    """

    def __init__(self, path: Path) -> None:
        self._path, self._waiting = path, list[str]()
        self.events = _read_events(path)
        if path.exists():  # drop a line that a killed run did not finish, so that the next one starts on its own
            write_atomically(path, "".join(json.dumps(event) + "\n" for event in self.events))

    def add(self, event: str, **content: Any) -> None:
        """Append an event; it is on its way to the disk when this returns."""
        self.remember(event, **content)
        with self._path.open("a") as file:
            file.write("".join(self._waiting))
        self._waiting.clear()

    def remember(self, event: str, **content: Any) -> None:
        """Append an event that goes to the disk with the next one: opening the file takes longer than a small step."""
        line = {"event": event, **content}
        self.events.append(line)
        self._waiting.append(json.dumps(line) + "\n")

    def find(self, event: str, **content: Any) -> list[dict[str, Any]]:
        """Return the events of one kind whose fields have the given values, oldest first."""
        return [
            line
            for line in self.events
            if line["event"] == event and all(line.get(key) == value for key, value in content.items())
        ]


def _read_events(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    events = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            break  # nothing after a broken line can be trusted
        if not isinstance(event, dict) or "event" not in event:
            break
        events.append(event)
    return events


@contextmanager
def locked(folder: Path, say: Callable[[str], Any]) -> Iterator[None]:
    """Hold the folder's lock, waiting for another run that holds it.

    The operating system frees the lock when its holder ends, however it ends.

    Args:
        folder: The run's folder.
        say: Told where the lock has to be waited for.

    """
    import fcntl

    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another run is working in {folder}: waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
