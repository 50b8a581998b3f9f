"""The folder of one run: files that are whole or absent, a trace that is only appended to, one writer at a time."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vqe_prune.errors import InputError


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
    """Raise InputError where `folder` cannot be made or written, without making it."""
    existing = folder.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise InputError(f"output_dir={folder}: {existing} is not a folder; choose another output_dir")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"output_dir={folder}: {existing} cannot be written to; choose another output_dir")


class Trace:
    """The run's memory: JSON lines that are only appended to, read back to resume a run that was killed.

    Args:
        path: The file; made when the first event is added.

    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.events = _read_events(path)
        if path.exists():  # drop a line that a killed run did not finish, so that the next one starts on its own
            write_atomically(path, "".join(json.dumps(event) + "\n" for event in self.events))

    def add(self, event: str, **content: Any) -> None:
        """Append an event; it is on its way to the disk when this returns."""
        line = {"event": event, **content}
        self.events.append(line)
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")

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
def locked(folder: Path, write: Callable[[str], Any]) -> Iterator[None]:
    """Hold the folder's lock, waiting for another run that holds it.

    The operating system frees the lock when its holder ends, however it ends.

    Args:
        folder: The run's folder.
        write: Told where the lock has to be waited for.

    """
    import fcntl

    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            write(f"Another run is working in {folder}: waiting for it.\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
