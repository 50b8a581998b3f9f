"""The ways in which a run ends early, each with its exit status, and the words of their messages."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Any

MOST_LISTED = 40
"""Names that a message lists."""

LONGEST_MESSAGE = 1000
"""Characters of a message; what is left out of a longer one stands before its end, which says what to type."""


class InputError(ValueError):
    """What the user gave cannot be used: one line that says what, where and what to type instead (exit status 2)."""

    exit_status = 2


class ConvergenceError(RuntimeError):
    """A calculation did not converge: one line that says which and what to try (exit status 3)."""

    exit_status = 3


class PendingError(RuntimeError):
    """Jobs are not done, or were never sent: one line that says which and what to type (exit status 3)."""

    exit_status = 3


def near_misses(name: str, options: Iterable[str]) -> str:
    """Return what a wrong name may have meant, or all options, as the end of a message."""
    options = list(options)
    lowered = {option.lower(): option for option in options}
    close = [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.55)]
    if close:
        return f"; did you mean {', '.join(close)}?"
    if len(options) > MOST_LISTED:
        return "; --help lists them all"
    return f"; available: {', '.join(options)}"


def check_choice(key: str, value: str, options: Collection[str]) -> None:
    """Raise InputError for a value of a setting that is none of its options."""
    if value not in options:
        raise InputError(f"unknown {key}={value}{near_misses(value, options)}")


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, its type where it has none."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def as_typed(value: Any) -> str:
    """Return a value as it stands on a command line."""
    if isinstance(value, list):
        return f"[{','.join(map(as_typed, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{as_typed(each)}" for key, each in value.items()) + "}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def shortened(value: Any) -> str:
    """Return a value as text of at most 40 characters."""
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def one_line(error: object) -> str:
    r"""Return a message on one line of limited length, whatever was in the input that it quotes.

    >>> print(one_line("molecule=a" + chr(10) + "b.xyz: no such file"))
    molecule=a\nb.xyz: no such file

    """
    text = str(error)
    if len(text) > LONGEST_MESSAGE:
        text = f"{text[: LONGEST_MESSAGE // 2]} [...] {text[-LONGEST_MESSAGE // 2 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
