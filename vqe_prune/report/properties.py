"""Dipole moments and natural occupations of a run, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

MANY_OCCUPATIONS = 24
"""More occupations than this are cut in the middle: those near 2 and 0 say least."""


def dipole_rows(stages: Sequence[Mapping[str, Any]], controls: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, size and components of each dipole moment, in debye: of the reference, each stage, the exact state.

    Args:
        stages: Stages of the record.
        controls: ``hf`` or ``reference`` and ``exact`` dipole moments (x, y, z), None where not known.

    """
    found = [("HF", controls.get("hf")), ("reference", controls.get("reference"))]
    found += [(str(stage["name"]), stage.get("properties", {}).get("dipole")) for stage in stages]
    found += [("exact", controls.get("exact"))]
    return [
        (name, f"{math.hypot(*dipole):.4f}", " ".join(map(_fixed, dipole)))
        for name, dipole in found
        if dipole is not None
    ]


def _fixed(value: float) -> str:
    return f"{value:.4f}".replace("-0.0000", "0.0000")


def occupations_text(stage: Mapping[str, Any]) -> str:
    """Return the natural occupations of a stage, largest first, an empty string where it has none."""
    occupations = [_fixed(x) for x in stage.get("properties", {}).get("natural_occupations", [])]
    if len(occupations) > MANY_OCCUPATIONS:
        half = MANY_OCCUPATIONS // 2
        occupations = [*occupations[:half], "...", *occupations[-half:]]
    return " ".join(occupations)


def format_properties(stages: Sequence[Mapping[str, Any]], controls: Mapping[str, Any]) -> str:
    """Return the dipole moments of all stages and the natural occupations of the last, nothing where there are none."""
    lines = []
    rows = dipole_rows(stages, controls)
    if rows:
        lines.append("Dipole / debye: " + ", ".join(f"{name} {size}" for name, size, _ in rows))
    text = occupations_text(stages[-1])
    if text:
        lines.append(f"Natural occupations: {text}")
    return "\n".join(lines)
