"""The unit of energies: hartree for molecules, the coupling J for models."""

from __future__ import annotations

HARTREE = "hartree"
"""The unit of molecules."""

CHEMICAL_ACCURACY = 1.594
"""1 kcal/mol in mHa."""


def error_unit(unit: str = HARTREE) -> tuple[float, str]:
    """Return what errors are multiplied by and called where energies are in `unit`: 1000 and mHa for hartree."""
    return (1e3, "mHa") if unit == HARTREE else (1.0, unit)
