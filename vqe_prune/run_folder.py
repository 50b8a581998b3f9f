"""The folder of one run: files that are whole or absent, a trace that is only appended to, one writer at a time."""

from __future__ import annotations

import errno
import json
import os
import socket
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqe_prune.errors import InputError
from vqe_prune.files import check_run_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOG = "run.log"
FILES = ("record.json", "trace.jsonl", LOG, ".lock")
FOLDERS = ("device",)
"""What a study needs as files and as folders under its own."""

OWN_FOLDERS = ("device", "points", "each")
"""Folders that a run that goes on writes into; of a task also seed-0, seed-1, ..."""

ATTEMPTS = 20
"""At a folder that other runs make and take away meanwhile."""

TEMPORARY = ".vqe_prune"
"""How the names of files end that are not written yet, so that those of killed runs are known for what they are."""

ROOM = 65536
"""Bytes that must fit on the disk before a study begins: about what a small one writes."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)

LONGEST_OWNER = 200
"""Bytes of a lock file that are read."""


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Name what is written in the errors of the system, which often do not, and say what helps where it is full."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in NO_ROOM:
            why += "; make room and type the same command again: it goes on where this one stopped"
        raise OSError(error.errno, why, str(path)) from error


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name beside it and rename it, so that readers see all of it or none."""
    data = content.encode() if isinstance(content, str) else content
    with writing(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner reads
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):  # what went wrong first is what is said
                os.unlink(temporary)
            raise


def remove_temporary(folder: Path) -> None:
    """Remove what killed runs had begun to write into a folder of which the caller is the one writer."""
    for path in folder.glob(f".*{TEMPORARY}"):
        with suppress(OSError):
            path.unlink()


def checksum(content: str | bytes) -> str:
    """Return the CRC-32 of a content as eight hexadecimal digits.

    >>> checksum("123456789")  # the check value that tables of CRCs give
    'cbf43926'

    """
    return f"{zlib.crc32(content.encode() if isinstance(content, str) else content):08x}"


def with_checksum(content: dict[str, Any]) -> dict[str, Any]:
    """Return what a JSON file is to hold with the checksum of all that stands before it."""
    return {**content, "checksum": checksum(json.dumps(content))}


def without_checksum(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a JSON file without its checksum, which must be right where there is one.

    Raises:
        ValueError: The content is not what was written.

    """
    rest = {key: value for key, value in content.items() if key != "checksum"}
    if content.get("checksum", known := checksum(json.dumps(rest))) != known:
        raise ValueError("its checksum does not fit: it is damaged or was changed")
    return rest


def read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of an .npz file; nothing is unpickled.

    Raises:
        OSError: It is not there or may not be read.
        ValueError: It is damaged; archives have a checksum of each array.

    """
    import numpy as np

    with path.open("rb") as stream:  # opened here: np.load leaves a broken archive open
        try:
            with np.load(stream, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except Exception as error:  # of zipfile, zlib, struct, tokenize ...: as many as there are bytes to damage
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ValueError(f"damaged: {first}") from error


def check_writable(folder: Path) -> None:
    """Raise InputError where a study could not write into `folder`: make it, write a file, and take both away again."""
    for attempt in reversed(range(ATTEMPTS)):
        try:
            check_run_folder(folder)
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
        with tempfile.TemporaryFile(dir=folder) as file:
            if not any((folder / name).exists() for name in ("record.json", "scan.json")):  # else nothing is written
                file.write(bytes(ROOM))
        for path in folder.iterdir():
            own = path.name in OWN_FOLDERS or path.name.startswith("seed-")
            if own and path.is_dir() and not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError(0, "may not be written", str(path))
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

    Each line ends with the checksum of what stands before it. Lines of older versions have none; behind one that has,
    all must. What follows a line that is damaged is not trusted.

    Args:
        path: The file; made when the first event is added.
        say: Told what had to be dropped.

    """

    def __init__(self, path: Path, say: Callable[[str], Any] | None = None) -> None:
        self._path, self._waiting = path, list[str]()
        self.events: list[dict[str, Any]] = []
        if path.exists():
            self._read(say or (lambda text: None))

    def _read(self, say: Callable[[str], Any]) -> None:
        """Read all lines up to a damaged one, and cut the file there, so that the next line starts on its own."""
        data = self._path.read_bytes()
        self.events, good = read_events(data)
        if good == len(data):
            return
        left = data[good:]
        if b"\n" not in left:
            say(f"{self._path}: its last line was not finished; what it was to hold is computed again")
        else:
            aside = self._path.with_name(f"{self._path.name}.damaged")
            write_atomically(aside, data)
            say(
                f"{self._path}: line {len(self.events) + 1} is damaged; what it and the lines behind it held, "
                f"{len(left.splitlines())} in all, is computed again; they are kept in {aside.name}"
            )
        with writing(self._path):
            os.truncate(self._path, good)

    def add(self, event: str, **content: Any) -> None:
        """Append an event; it is on its way to the disk when this returns."""
        self.remember(event, **content)
        with writing(self._path), self._path.open("a") as file:
            file.write("".join(self._waiting))
        self._waiting.clear()

    def remember(self, event: str, **content: Any) -> None:
        """Append an event that goes to the disk with the next one: opening the file takes longer than a small step."""
        line = {"event": event, **content}
        self.events.append(line)
        text = json.dumps(line)
        self._waiting.append(f'{text[:-1]}, "checksum": "{checksum(text)}"}}\n')  # json.dumps(with_checksum(line))

    def find(self, event: str, **content: Any) -> list[dict[str, Any]]:
        """Return the events of one kind whose fields have the given values, oldest first."""
        return [
            line
            for line in self.events
            if line["event"] == event and all(line.get(key) == value for key, value in content.items())
        ]


def read_events(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the events of a trace up to a line that is not whole, and how many of its bytes hold them."""
    events: list[dict[str, Any]] = []
    good, checked = 0, False
    for line in data.splitlines(keepends=True):
        event = _read_event(line, checked)
        if event is None:
            break
        checked |= "checksum" in event
        event.pop("checksum", None)
        events.append(event)
        good += len(line)
    return events, good


def _read_event(line: bytes, checked: bool) -> dict[str, Any] | None:
    """The event in a line, None where the line is not whole; `checked` says whether it must have a checksum."""
    try:
        event = json.loads(line)
        without_checksum(event)
    except (ValueError, AttributeError, RecursionError):
        return None
    whole = line.endswith(b"\n") and "event" in event and (not checked or "checksum" in event)
    return event if whole else None


def write_last(trace: Trace, path: Path, text: str) -> None:
    """Write the file that makes a folder complete, once its checksum is in the trace beside it."""
    trace.add("written", file=path.name, content=checksum(text))
    write_atomically(path, text)


def check_written(path: Path) -> None:
    """Raise InputError where a file is not what the trace beside it says was written; older traces say nothing."""
    trace = path.with_name("trace.jsonl")
    try:
        with trace.open("rb") as file:  # a line at a time: traces of large studies are large
            lines = [line for line in file if line.startswith(b'{"event": "written"')]
        events = [event for line in lines if (event := _read_event(line, True)) and event.get("file") == path.name]
        known = checksum(path.read_bytes())
    except OSError:
        return  # no trace; and whoever reads the file itself says why it cannot be read
    if events and known not in [event["content"] for event in events]:
        raise InputError(
            f"{path} is damaged or was changed: its checksum is not the one in {trace.name}; move it aside "
            f"(mv {path} {path}.aside) and the same command makes it again from {trace.name}"
        )


@contextmanager
def locked(folder: Path, say: Callable[[str], Any]) -> Iterator[None]:
    """Hold the folder's lock, waiting for another run that holds it, and remove what killed runs had begun to write.

    The operating system frees the lock when its holder ends, however it ends. Where a file system has no locks, as some
    that networks share, this is said and the run goes on: nothing then keeps a second one away.

    Args:
        folder: The run's folder.
        say: Told where the lock has to be waited for, with the process that has it.

    """
    import fcntl

    with writing(lock := folder / ".lock"):
        opened = lock.open("a+b", buffering=0)  # on a full disk closing it must not fail for want of what it has kept
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another run is working in {folder}{_owner(folder)}: waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            say(f"{folder} is on a file system without locks: start no second run there before this one has ended.")
        remove_temporary(folder)
        with suppress(OSError):  # who it is only helps others
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield


def _owner(folder: Path) -> str:
    """Who holds a folder's lock, where it has said so."""
    with suppress(OSError), (folder / ".lock").open("rb") as file:
        text = file.read(LONGEST_OWNER).decode(errors="replace").strip()
        if text.startswith("process ") and text.isprintable():
            return f" ({text})"
    return ""
