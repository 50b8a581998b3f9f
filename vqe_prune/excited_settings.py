"""What the settings of excited states and nuclear gradients may be, and which have no effect beside the others."""

from __future__ import annotations

import math

from vqe_prune.errors import InputError, check_choice
from vqe_prune.settings import Settings

NUCLEI = ("fixed", "gradient", "optimise")

METHODS = ("expansion", "self_consistent", "deflation")

ANSATZE = ("uccsd", "uccgsd")
"""Of deflation."""

MOST_STATES = 100

BELONGING = {"spin": METHODS[:2], "threshold": METHODS[:1], "ansatz": METHODS[2:], "penalty": METHODS[2:]}
"""Settings that only some methods have."""


def check_excited(settings: Settings, given: set[str], on_qubits: bool) -> None:
    """Raise InputError for settings of excited states and nuclei that are out of range or have no effect.

    Args:
        settings: The settings.
        given: Names of the settings that the user gave, ``excited.states`` and the like.
        on_qubits: Whether the ansatz acts on qubits, also where it is the default.

    """
    chosen = settings.excited
    check_choice("nuclei", settings.nuclei, NUCLEI)
    if "nuclei" in given and on_qubits:
        raise InputError(f"nuclei={settings.nuclei} is for molecules with an ansatz of excitations; leave it out")
    if settings.nuclei in NUCLEI[1:] and settings.molecule.spin and settings.pruner.orbitals != "optimise":
        raise InputError(
            f"nuclei={settings.nuclei} of an open shell needs orbitals that are all optimised; "
            f"add pruner.orbitals=optimise"
        )
    if settings.nuclei in NUCLEI[1:] and settings.molecule.fcidump is not None:
        raise InputError(
            f"nuclei={settings.nuclei} needs a geometry, but {settings.molecule.fcidump} holds integrals; leave it out"
        )
    if settings.nuclei in NUCLEI[1:] and settings.molecule.orbitals != "hf":
        raise InputError(
            f"nuclei={settings.nuclei} needs orbitals of Hartree-Fock, whose response is known; leave out "
            f"molecule.orbitals={settings.molecule.orbitals}"
        )
    own = sorted(key for key in given if key.startswith("excited."))
    if own and on_qubits:
        raise InputError(f"{own[0]} has no effect on an ansatz of qubits; it is for molecules and excitations")
    if own and "excited.states" not in given:
        raise InputError(f"{own[0]} has no effect without excited states; add excited.states=3")
    if not 0 <= chosen.states <= MOST_STATES:
        raise InputError(f"excited.states={chosen.states} must be from 0 to {MOST_STATES}")
    if chosen.states == 0 and len(own) > 1:
        useless = next(key for key in own if key != "excited.states")
        raise InputError(f"{useless} has no effect with excited.states=0; leave it out")
    check_choice("excited.method", chosen.method, METHODS)
    for field, methods in BELONGING.items():
        if f"excited.{field}" in given and chosen.method not in methods:
            raise InputError(
                f"excited.{field} has no effect with excited.method={chosen.method}; it belongs to "
                f"excited.method={' or '.join(methods)}"
            )
    check_choice("excited.ansatz", chosen.ansatz, ANSATZE)
    if not 0 < chosen.threshold < 1:
        raise InputError(f"excited.threshold={chosen.threshold} must be between 0 and 1")
    if chosen.penalty is not None and not (math.isfinite(chosen.penalty) and chosen.penalty > 0):
        raise InputError(f"excited.penalty={chosen.penalty} must be above 0 hartree")
