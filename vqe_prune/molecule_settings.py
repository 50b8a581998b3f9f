"""What the settings of a molecule may be, and which of them have no effect beside the others."""

from __future__ import annotations

from typing import Any

from vqe_prune.errors import InputError, as_typed, near_misses, shortened
from vqe_prune.settings import MoleculeSettings

ORBITALS = ("hf", "uno", "mp2_natural")
"""Canonical orbitals of RHF or ROHF, natural orbitals of UHF, of MP2."""

STABILITIES = ("check", "follow", "none")
"""Whether SCF that ended in a saddle point says so, goes on to a minimum, or is not looked at."""

AUTO = "auto"
"""As an active space: the orbitals whose natural occupation says that they are neither filled nor empty."""

USUAL_THRESHOLD = 0.02

OF_FILES = ("name", "spin", "active_space", "active_orbitals", "irrep")
"""Settings that have an effect on integrals from a file."""


def check_molecule(chosen: MoleculeSettings, given: set[str]) -> None:
    """Raise InputError for settings of a molecule that cannot be or have no effect, and put in their defaults.

    Args:
        chosen: The settings; orbitals and threshold are filled in where they are None.
        given: Names of the settings that the user gave, ``molecule.basis`` and the like.

    """
    if chosen.fcidump is not None:
        for key in sorted(given):
            if key.startswith("molecule.") and key.removeprefix("molecule.") not in OF_FILES:
                raise InputError(f"{key} has no effect on the integrals of {chosen.fcidump}; leave it out")
        if chosen.active_space == AUTO:
            raise InputError("molecule.active_space=auto needs a geometry; give [electrons,orbitals] of the FCIDUMP")
    _check_active(chosen)
    for key in ("basis", "ecp"):
        _check_names(f"molecule.{key}", getattr(chosen, key), key == "basis" and chosen.fcidump is None)
    if chosen.orbitals is not None and chosen.orbitals not in ORBITALS:
        raise InputError(f"unknown molecule.orbitals={chosen.orbitals}{near_misses(chosen.orbitals, ORBITALS)}")
    if chosen.stability not in STABILITIES:
        raise InputError(f"unknown molecule.stability={chosen.stability}{near_misses(chosen.stability, STABILITIES)}")
    if chosen.irrep is not None and not chosen.irrep.strip():
        raise InputError("molecule.irrep= needs the name of an irrep, such as B1u")
    if chosen.active_space != AUTO and chosen.occupation_threshold is not None:
        raise InputError(
            "molecule.occupation_threshold is of molecule.active_space=auto; leave one out or add the other"
        )
    if chosen.active_space == AUTO and chosen.orbitals == "hf":
        raise InputError("molecule.active_space=auto needs natural orbitals: molecule.orbitals=mp2_natural or uno")
    threshold = chosen.occupation_threshold
    if threshold is not None and not 0 < threshold < 1:
        raise InputError(f"molecule.occupation_threshold={threshold} must be between 0 and 1 electrons, such as 0.02")
    if chosen.fcidump is None:
        chosen.orbitals = chosen.orbitals or ("mp2_natural" if chosen.active_space == AUTO else "hf")
    if chosen.active_space == AUTO:
        chosen.occupation_threshold = USUAL_THRESHOLD if threshold is None else threshold


def _check_active(chosen: MoleculeSettings) -> None:
    space, listed = chosen.active_space, chosen.active_orbitals
    numbers = isinstance(space, list) and all(type(x) is int for x in space)
    if space is not None and space != AUTO and not (numbers and len(space) == 2 and min(space) >= 1):
        raise InputError(
            f"molecule.active_space={shortened(as_typed(space))} must be [electrons,orbitals], both at least 1, or auto"
        )
    if listed is not None:
        if space is not None:
            raise InputError(
                "molecule.active_space has no effect beside molecule.active_orbitals; leave one of them out"
            )
        if not listed or min(listed) < 1:
            raise InputError(
                f"molecule.active_orbitals={shortened(as_typed(listed))} must be a list of orbitals, counted from 1"
            )
        if len(set(listed)) != len(listed):
            raise InputError(f"molecule.active_orbitals={shortened(as_typed(listed))} must name each orbital once")
    if chosen.frozen_core and (space is not None or listed is not None):
        key = "active_space" if space is not None else "active_orbitals"
        raise InputError(f"molecule.frozen_core has no effect beside molecule.{key}; leave one of them out")


def _check_names(key: str, value: Any, needed: bool) -> None:
    """A basis or potential is a name, or a mapping from elements to names."""
    if value is None and not needed:
        return
    names = list(value.values()) if isinstance(value, dict) else [value]
    elements = list(value) if isinstance(value, dict) else []
    if not names or not all(isinstance(each, str) and each.strip() for each in [*names, *elements]):
        raise InputError(
            f"{key}={shortened(value)} must be a name, or a name for each element, such as {{Ag: lanl2dz, H: sto-3g}} "
            f"(YAML reads some bare words as numbers or true and false: put them in quotes)"
        )


def basis_text(basis: Any) -> str:
    """Return a basis set, or one for each element, in words."""
    if isinstance(basis, dict):
        return ", ".join(f"{name} on {element}" for element, name in basis.items())
    return str(basis)
