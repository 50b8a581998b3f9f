"""What kind of value each setting takes, in the user's words."""

from __future__ import annotations

import re
import types
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from vqe_prune.errors import InputError, as_typed, shortened
from vqe_prune.settings import Settings

KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list[str]: "a list of names in brackets: [a,b]",
    list[int]: "a list of whole numbers in brackets: [2,3]",
    list[float]: "a list of numbers in brackets: [1,1,0.1]",
}
"""Settings of any kind are checked where they are used."""

SPAN = "start, stop and step in brackets: [1.0,3.5,0.1]"
"""What a coordinate of a scan takes."""

NONE = "none"
"""Stands for no mitigation at all."""


@cache
def kinds() -> dict[str, Any]:
    """Return the type of each setting by its dotted name, without the None that stands for a default."""
    return _kinds(Settings, "")


def _kinds(schema: type, prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    hints = get_type_hints(schema)
    for entry in fields(schema):
        kind = hints[entry.name]
        if get_origin(kind) in (Union, types.UnionType):
            (kind,) = (each for each in get_args(kind) if each is not type(None))
        if is_dataclass(kind):
            found |= _kinds(kind, f"{prefix}{entry.name}.")  # type: ignore[arg-type]
        else:
            found[prefix + entry.name] = kind
    return found


def listed(key: str, value: Any) -> Any:
    """Return a single word where names are asked for as a list of it, as if it had been given in brackets.

    Raises:
        InputError: The value is a list with something in it that no setting takes.

    """
    if (
        isinstance(value, list)
        and kinds().get(key) is not Any
        and any(item is None or isinstance(item, list) for item in value)
    ):
        raise InputError(wrong_kind(key, value))
    if key == "device.mitigation" and value in (NONE, [NONE]):
        return []
    return [value] if kinds().get(key) == list[str] and isinstance(value, str) and value else value


def wrong_kind(key: str, value: Any) -> str:
    """Return in words that a value is not what a setting takes, as ``device.shots=1.5 is not a whole number``."""
    kind = SPAN if key.startswith("scan.") and kinds().get(key) == list[float] else None
    kind = kind or KINDS.get(kinds().get(key), "what this setting takes")
    return f"{key}={shortened(as_typed(value))} is not {kind}"


def typed(value: Any) -> str:
    """Return a value as it is typed; a text that Hydra's grammar would take apart is in quotes."""
    if isinstance(value, str) and re.search(r"[\s,;'\"\\{}\[\]]", value):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return as_typed(value)
