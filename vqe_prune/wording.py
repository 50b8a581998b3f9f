"""Words that depend on a number."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one.

    >>> counted(1, "parameter"), counted(2, "two-qubit gate")
    ('1 parameter', '2 two-qubit gates')

    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
