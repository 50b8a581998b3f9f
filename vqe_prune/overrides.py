"""Arguments of a command line: which can be used at all, and how Hydra's grammar reads ``key=value``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vqe_prune.errors import InputError, first_line, shortened

LONGEST_ARGUMENT = 2**16
"""Characters of an argument, such as a list of files to sweep."""

LONGEST_VALUE = 2**12
"""Characters that Hydra's parser is given; its time grows faster than their number."""

DEEPEST_VALUE = 4
TOO_DEEP = "too deeply nested"

LARGEST_WHOLE = 2**63 - 1
"""Of a whole number, the largest that arrays hold."""


def check_arguments(arguments: Sequence[str]) -> None:
    """Raise InputError for an argument that is too long or holds what cannot be printed; a geometry may have lines."""
    for argument in arguments:
        given = repr(shortened(argument))
        if len(argument) > LONGEST_ARGUMENT:
            raise InputError(f"{given}: longer than {LONGEST_ARGUMENT} characters")
        allowed = "\n\t" if argument.startswith("molecule.geometry=") else ""
        wrong = [letter for letter in argument if not letter.isprintable() and letter not in allowed]
        if wrong:
            kind = "bytes that are no UTF-8" if "\ud800" <= wrong[0] <= "\udfff" else "a control character"
            raise InputError(f"{given}: holds {kind} ({wrong[0]!r}); leave it out, or rename the file")


def parse_override(argument: str) -> Any:
    """Return a Hydra override; nothing in it is imported, called or interpolated.

    Args:
        argument: ``key=value``.

    Raises:
        InputError: Hydra cannot read it, or a number or the whole is too long.

    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    if len(argument) > LONGEST_VALUE:
        raise InputError(f"{shortened(argument)}: longer than {LONGEST_VALUE} characters; put it into a file")
    try:
        override = OverridesParser.create().parse_override(argument)
        _check_value(override.value())
    except (HydraException, ValueError, RecursionError) as error:
        why = TOO_DEEP if isinstance(error, RecursionError) else first_line(error)
        raise InputError(f"{argument}: cannot be read ({why}); quote text with spaces") from error
    return override


def _check_value(value: Any, depth: int = 0) -> None:
    """Raise ValueError for lists in lists without end, and for whole numbers that no array holds."""
    if depth > DEEPEST_VALUE:
        raise ValueError(TOO_DEEP)
    if isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            _check_value(each, depth + 1)
    elif isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise ValueError(f"a whole number must be at most {LARGEST_WHOLE}")
