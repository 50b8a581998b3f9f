"""Commands that run no study: list, show, compare and completion."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from vqe_prune.catalogue import catalogue_text
from vqe_prune.completion import SHELLS, completion_script
from vqe_prune.errors import InputError
from vqe_prune.molecule_input import molecule_names

COLLECT = "collect"
"""The command that finishes a study; `__main__` runs it."""

LIKE_A_COMMAND = 0.7
"""Similarity of a word that is taken for a misspelt command, not for a misplaced molecule."""


def run_command(arguments: Sequence[str]) -> str | None:
    """Return what a command prints, None where the arguments are of no command here.

    Args:
        arguments: Of the command line.

    Raises:
        InputError: What follows the command is wrong, or the first word is a command misspelt.

    """
    word = arguments[0] if arguments else ""
    if word in COMMANDS:
        return COMMANDS[word](arguments[1:])
    if word in ELSEWHERE:
        raise InputError(f"{word} is no command; type {ELSEWHERE[word]}")
    close = difflib.get_close_matches(word, (*COMMANDS, COLLECT), cutoff=LIKE_A_COMMAND)
    if close and word != COLLECT and word not in molecule_names():
        raise InputError(f"unknown command {word!r}; did you mean {' or '.join(close)}?")
    return None


def _list(arguments: Sequence[str]) -> str:
    kinds = [word for word in arguments if word != "--json"]
    return catalogue_text(kinds, as_json="--json" in arguments)


def _show(arguments: Sequence[str]) -> str:
    if len(arguments) != 1:
        raise InputError("show takes one folder or file of a run: python -m vqe_prune show RUN")
    from vqe_prune.report.stored import PAGE, read_stored

    place = Path(arguments[0])
    listed = place if place.name == "multirun.json" else place / "multirun.json"
    if listed.is_file():
        return _multirun_text(listed)
    stored = read_stored(place)
    page = stored.path.parent / PAGE
    return f"{stored.text}\n" + (f"Report: {page}" if page.is_file() else f"Results: {stored.path}")


def _multirun_text(listed: Path) -> str:
    """What a multirun found, read anew from the folders of its points."""
    from vqe_prune.report.merge import merge_points
    from vqe_prune.report.merge_table import format_merged, headline, passed_over

    merged = merge_points(listed.parent)
    if not merged.rows and not merged.scans:
        raise InputError("; ".join([f"{listed.parent}: this multirun has no finished run", *passed_over(merged)]))
    lines = [format_merged(merged), "", headline(merged), *passed_over(merged)]
    page = listed.parent / "report.html"
    return "\n".join([*lines, f"Report: {page}" if page.is_file() else f"Results: {listed}"])


def _compare(arguments: Sequence[str]) -> str:
    if len(arguments) < 2:
        raise InputError("compare takes two or more folders or files of runs: python -m vqe_prune compare RUN RUN")
    from vqe_prune.report.comparison import compare
    from vqe_prune.report.stored import BROKEN, read_stored

    runs = [read_stored(Path(argument)) for argument in arguments]
    try:
        return compare(runs)
    except InputError:
        raise
    except BROKEN as error:
        raise InputError(f"these runs cannot be compared: the content of one is broken ({error})") from error


def _completion(arguments: Sequence[str]) -> str:
    if len(arguments) != 1:
        raise InputError(f"completion takes the name of a shell: python -m vqe_prune completion {'|'.join(SHELLS)}")
    return completion_script(arguments[0], (*COMMANDS, COLLECT))


ELSEWHERE = {
    "report": "python -m vqe_prune.report FOLDER to merge runs, or show RUN to see one",
    "multirun": "--multirun and the settings, see --help",
    "help": "--help",
}
"""Words that are likely to be tried, and what does it."""

COMMANDS: dict[str, Callable[[Sequence[str]], str]] = {
    "list": _list,
    "show": _show,
    "compare": _compare,
    "completion": _completion,
}
