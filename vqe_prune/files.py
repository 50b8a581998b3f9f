"""Files from strangers: ordinary ones, YAML that cannot grow, and run folders that no link leads out of.

Reading a pipe would wait for ever and reading a device would never end, so both are refused before they are opened.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from vqe_prune.errors import InputError, first_line, shortened

LARGEST_FILE = 2**28
"""Bytes of the largest file whose content makes a study another one; readers refuse smaller ones."""

LONGEST_LINE = 2**22
"""Characters of the first line of a trace, which holds the settings; a geometry in them may be a megabyte."""

LONGEST_NUMBER = 500
"""Characters of a whole number in YAML: those of base 60, as 1:1:1, take time that grows with the square of them."""

LONGEST_NAME = 80
"""Characters of the name of a molecule or a lattice."""

RUN_FILES = ("record.json", "scan.json", "multirun.json", "trace.jsonl", "run.log", ".lock")
RUN_FOLDERS = ("device", "points", "each", "seed-", "jobs")
"""What a run reads or appends to, and how the names of the folders begin that it writes into."""

DEEPEST_LINK = 3
"""Folders below a run's own one in which links are looked for; results lie no deeper."""


def is_ordinary(path: Path) -> bool:
    """Return whether a name is that of a file, itself or by links, and not of a folder, a pipe or a device."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no system takes
        return False


def hash_of(path: Path) -> str:
    """SHA-256 of a file, so that a study is another one when the file has changed; empty where it cannot be read."""
    try:
        small = is_ordinary(path) and path.stat().st_size <= LARGEST_FILE  # a device has no end
        return hashlib.sha256(path.read_bytes()).hexdigest() if small else ""
    except OSError:
        return ""


def check_ordinary(path: Path, where: str) -> None:
    """Raise InputError where there is no file, or something else of that name.

    Args:
        path: Of the file.
        where: Begins the message, such as the setting and the name.

    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{where}: no such file") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
        raise InputError(f"{where}: {why}") from error
    if not stat.S_ISREG(mode):
        raise InputError(f"{where}: no such file: it is a {'folder' if stat.S_ISDIR(mode) else 'pipe or a device'}")


def lines_of(file: TextIO, where: str, longest: int) -> Iterator[str]:
    """Yield the lines of a text file with their ends; InputError where one is longer than `longest` characters."""
    number = 0
    while line := file.readline(longest + 1):
        number += 1
        if len(line) > longest:
            raise InputError(f"{where}, line {number}: longer than {longest} characters")
        yield line


def check_name(name: object, where: str) -> None:
    """Raise InputError for the name of a thing in a file that is not one line of text that can be printed."""
    text = isinstance(name, str) and name.isprintable() and name.strip()
    if not text or len(str(name)) > LONGEST_NAME:
        shown = repr(shortened(name)) if isinstance(name, str) else f"a {type(name).__name__}"
        raise InputError(f"{where} must be text: one line of at most {LONGEST_NAME} characters, but it is {shown}")


def check_archive(path: Path, largest: int) -> None:
    """Raise ValueError where a zip archive would be unpacked to more bytes than there should be, or is none.

    Args:
        path: Of the archive.
        largest: Bytes of its members, besides a thousand for what stands before each of them.

    """
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, struct.error) as error:
        raise ValueError(first_line(error)) from error
    size = sum(member.file_size for member in members)
    if size > largest + 1000 * len(members):
        raise ValueError(f"it would be unpacked to {size} bytes")


def whole_number(digits: str) -> int:
    """Return a whole number of JSON; ValueError where no array would hold it."""
    if len(digits) > 20:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def check_place(name: str) -> None:
    """Raise ValueError for the name of a folder that no system takes."""
    if not name.isprintable() or any(len(part) > 200 for part in name.split("/")) or len(name) > 4000:
        raise ValueError(f"{shortened(name)!r} is no name of a folder")


def parse_yaml(text: str) -> Any:
    """Return the content of a YAML document: plain data, each key once and nothing that stands for something else.

    Aliases (``*name``) are refused: nested ones make a short file larger than any memory. No tag makes an object.

    Raises:
        ValueError: It is not such a document; one line that names the line of the fault.

    """
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        problem = " ".join((error.problem or error.context or "cannot be read").split())
        mark = error.problem_mark or error.context_mark
        raise ValueError(f"{problem}{'' if mark is None else f', line {mark.line + 1}'}") from error
    except RecursionError as error:
        raise ValueError("too deeply nested") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        reason = first_line(error) if isinstance(error, yaml.YAMLError | ValueError) else "a value does not fit its tag"
        raise ValueError(reason) from error


@cache
def _loader() -> Any:
    """A SafeLoader without aliases, repeated keys and endless numbers."""
    import yaml

    class PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
        """What `parse_yaml` accepts."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark
                raise yaml.composer.ComposerError(None, None, "aliases (*name) are not allowed: write it out", mark)
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                if isinstance(key, yaml.ScalarNode):
                    if (key.tag, key.value) in seen:
                        problem = f"the key {shortened(key.value)!r} is there twice"
                        raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                    seen.add((key.tag, key.value))
            return super().construct_mapping(node, deep)

        def construct_whole(self, node: Any) -> Any:
            if len(node.value) > LONGEST_NUMBER:
                problem = f"a number of {len(node.value)} characters"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
            return super().construct_yaml_int(node)

    PlainLoader.add_constructor("tag:yaml.org,2002:int", PlainLoader.construct_whole)
    return PlainLoader


def check_run_folder(folder: Path) -> None:
    """Raise InputError where results would be written through a link, or read from a pipe or a device.

    A folder that somebody else made may hold a link in place of a file that a run appends to.

    Args:
        folder: Of the run; it may be a link itself, since its name was given.

    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name in RUN_FILES or path.name.startswith(RUN_FOLDERS):
            _check_no_link(folder, path)
        if path.name in RUN_FILES and not path.is_dir():
            check_ordinary(path, f"output_dir={folder} cannot be used: {path}")
        if path.name.startswith(RUN_FOLDERS) and path.is_dir():
            for root, inner, own in os.walk(path):
                for name in (*inner, *own):
                    _check_no_link(folder, Path(root, name))
                if len(Path(root).relative_to(folder).parts) > DEEPEST_LINK:
                    inner.clear()


def _check_no_link(folder: Path, path: Path) -> None:
    if path.is_symlink():
        raise InputError(
            f"output_dir={folder} cannot be used: {path} is a link to {os.readlink(path)}, and results are written to "
            "no other place; remove it or choose another output_dir"
        )
