"""What the settings of ansätze of excitations may be, and which of them have no effect beside the others."""

from __future__ import annotations

from vqe_prune.errors import InputError, check_choice, near_misses
from vqe_prune.settings import OF_ELECTRONS, AnsatzSettings

ORDERS = ("singles_first", "doubles_first", "mp2_amplitude", "excitation_energy")

USUAL_ORDERS = {"uccsd": "singles_first", "uccgsd": "singles_first", "kupccgsd": "doubles_first"}
"""Orders in which ansätze with singles and doubles are built."""

STARTS = ("zero", "mp2", "ccsd")

SINGLETS = ("uccsd", "uccd", "kupccgsd")
"""Ansätze whose alpha and beta excitations can share parameters as singlets do."""

FABRICS = {"tups": 3, "qnp": 4}
"""Ansätze of blocks on a chain of orbitals, and how many layers by default.

From zero angles they stop where orbitals of different irreps cannot mix: they start from random angles as well, and the
symmetry rule, which would hold them there, is not put before others.
"""

USUAL_RESTARTS = 5
"""Of fabrics."""

USUAL_K = 2

MOST_LAYERS = 100

FIELDS = ("k", "singlet", "order", "start", "restarts")
"""Fields of `AnsatzSettings` that only ansätze of excitations have."""

MOST_RESTARTS = 10_000


def fill_excitation_defaults(ansatz: AnsatzSettings) -> None:
    """Put in what None stands for."""
    if ansatz.name == "kupccgsd":
        ansatz.k = ansatz.k or USUAL_K
    if ansatz.name in OF_ELECTRONS and ansatz.restarts is None:
        ansatz.restarts = USUAL_RESTARTS if ansatz.name in FABRICS else 0
    ansatz.order = ansatz.order or USUAL_ORDERS.get(ansatz.name or "")


def check_excitations(ansatz: AnsatzSettings, name: str, given: set[str]) -> None:
    """Raise InputError for settings of excitations that are out of range or have no effect.

    Args:
        ansatz: The settings.
        name: The ansatz, also where it is the default.
        given: Names of the settings that the user gave, ``ansatz.k`` and the like.

    """
    own = [field for field in FIELDS if f"ansatz.{field}" in given]
    if own and name not in OF_ELECTRONS:
        raise InputError(
            f"ansatz.{own[0]} has no effect with ansatz={name}; it is of excitations: {', '.join(OF_ELECTRONS)}"
        )
    if "k" in own and name != "kupccgsd":
        raise InputError(f"ansatz.k has no effect with ansatz={name}; it counts the layers of ansatz=kupccgsd")
    if ansatz.k is not None and not 1 <= ansatz.k <= MOST_LAYERS:
        raise InputError(f"ansatz.k={ansatz.k} must be from 1 to {MOST_LAYERS}")
    if "singlet" in own and name not in SINGLETS:
        why = "keeps the total spin anyway" if name != "uccgsd" else "has no form with singlets here"
        raise InputError(f"ansatz.singlet has no effect with ansatz={name}, which {why}; leave it out")
    if ansatz.order is not None and ansatz.order not in ORDERS:
        raise InputError(f"unknown ansatz.order={ansatz.order}{near_misses(ansatz.order, ORDERS)}")
    if ansatz.order is not None and name in FABRICS:
        raise InputError(f"ansatz.order={ansatz.order} has no effect with ansatz={name}, whose blocks have their own")
    if ansatz.order in ORDERS[:2] and name in OF_ELECTRONS and name not in USUAL_ORDERS:
        raise InputError(f"ansatz.order={ansatz.order} has no effect with ansatz={name}, which has no singles")
    check_choice("ansatz.start", ansatz.start, STARTS)
    if ansatz.restarts is not None and not 0 <= ansatz.restarts <= MOST_RESTARTS:
        raise InputError(f"ansatz.restarts={ansatz.restarts} must be from 0 to {MOST_RESTARTS}")
