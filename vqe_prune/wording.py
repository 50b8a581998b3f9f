"""Words that depend on a number."""

from __future__ import annotations

from collections.abc import Sequence

MOST_NAMED = 6
"""More points than this are given as first and last."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one.

    >>> counted(1, "parameter"), counted(2, "two-qubit gate")
    ('1 parameter', '2 two-qubit gates')

    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], outer: Sequence[str] | None = None) -> str:
    """Return names of points in a row, of more than six how many there are, the first and the last.

    Args:
        names: Of the points.
        outer: What the first and the last are called where they stand for all, default their names.

    >>> listed(["1", "2"]), listed(list("1234567"))
    ('1, 2', '7 points from 1 to 7')

    """
    if len(names) <= MOST_NAMED:
        return ", ".join(names)
    first, last = (outer or names)[0], (outer or names)[-1]
    return f"{len(names)} points from {first} to {last}"
