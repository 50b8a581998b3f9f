"""What there is to choose from, with a line each: ``python -m vqe_prune list``.

Names come from the registries that the checks use; a molecule's line is the first one of its file. A test holds the
descriptions below against the registries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vqe_prune import config, device_settings, task_settings
from vqe_prune.errors import InputError, near_misses
from vqe_prune.molecule_input import molecule_names, molecules_folder

MODELS = {
    "tfim": "transverse-field Ising: -j sum ZZ - h sum X",
    "xxz": "spin chain j sum (XX + YY + delta ZZ), on any lattice",
    "heisenberg": "j sum (XX + YY + ZZ)",
    "j1j2": "Heisenberg with j1 between neighbours, j2 between next ones",
    "fermi_hubbard": "electrons that hop by t and repel by u, two qubits a site",
}
LATTICES = {
    "ring": "model.n sites, closed",
    "chain": "model.n sites, open",
    "ladder": "model.n sites on two legs",
    "square": "model.shape=[rows,columns]",
    "triangular": "model.shape=[rows,columns], a square with one diagonal",
    "kagome": "model.shape=[rows,columns] of triangles",
}
ANSATZE = {
    "uccsd": "unitary coupled cluster, singles and doubles from filled to empty orbitals (molecules: the default)",
    "uccd": "its doubles alone",
    "puccd": "doubles that move pairs alone; one qubit can hold an orbital",
    "uccgsd": "singles and doubles between all orbitals",
    "kupccgsd": "layers of pair doubles and singles between all orbitals (ansatz.k)",
    "tups": "fabric of tiled pair exchanges and orbital turns, perfect pairing (ansatz.layers)",
    "qnp": "fabric of quantum-number-preserving gates (ansatz.layers)",
    "hardware_efficient": "layers of one-qubit rotations and entanglers (models: the default)",
    "hva": "Hamiltonian variational: layers of the Hamiltonian's own terms",
    "qaoa": "layers with two angles, of the Hamiltonian and of a mixer",
}
PRUNERS = {
    "symmetry": "drops what leaves the reference's sector, ties what a symmetry maps onto each other; exact",
    "eqntk": "symmetric pruning of ansätze on qubits: by system, space and depth; exact",
    "lie": "merges gates of one subgroup that are close, in one shot",
    "curvature": "deletes what costs least energy once all others have followed, again and again",
    "magnitude": "control: deletes the smallest angle",
    "random": "control: deletes at random",
    "fisher": "control: deletes what the Fisher information says least about",
}
DEVICES = {
    "rainbow": "virtual, 23 qubits, calibration of 2021",
    "weber": "virtual, 53 qubits, calibration of 2021",
    "willow_pink": "virtual, 105 qubits, calibration of 2024",
    "google": "a processor of Google's service (device.project, device.processor)",
}


TASKS = {
    "classify": "images told apart by a circuit: digits, MNIST, Fashion-MNIST",
    "generate": "bars and stripes from a circuit Born machine",
    "ctr": "click-through rates by FIN (place, meal time, recency), with a circuit as its head",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One choice.

    Attributes:
        name: As it is typed.
        setting: What it is a value of.
        description: One line.

    """

    name: str
    setting: str
    description: str


KINDS = {"molecules": "molecule", "models": "model", "lattices": "model.lattice", "ansatze": "ansatz",
         "pruners": "pruner", "devices": "device", "tasks": "task"}  # fmt: skip
"""What can be listed, and the setting that takes it."""


def entries(kind: str) -> list[Entry]:
    """Return all choices of one kind.

    Raises:
        InputError: There is no such kind; the message names near misses.

    """
    if kind not in KINDS:
        raise InputError(f"list: unknown kind {kind!r}{near_misses(kind, KINDS)}")
    registries: dict[str, tuple[Sequence[str], dict[str, str]]] = {
        "models": (tuple(config.MODELS), MODELS),
        "lattices": (config.LATTICES, LATTICES),
        "ansatze": (config.ANSATZE, ANSATZE),
        "pruners": (config.RULES, PRUNERS),
        "devices": (device_settings.DEVICES, DEVICES),
        "tasks": (tuple(task_settings.TASKS), TASKS),
    }
    if kind == "molecules":
        described = [(name, _molecule_line(name)) for name in molecule_names()]
    else:
        names, texts = registries[kind]
        described = [(name, texts.get(name, "")) for name in names]
    return [Entry(name=name, setting=KINDS[kind], description=text) for name, text in described]


def _molecule_line(name: str) -> str:
    """The first comment of a molecule's file, and the coordinates that its geometry has."""
    text = (molecules_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    comment = re.match(r"#\s*(.*?)\.?\s*(?:\n|$)", text)
    values = re.findall(r"^(bond_length|angle|dihedral): *(\S+)", text, re.MULTILINE)
    line = re.sub(r" \(angstrom[^)]*\)", "", comment[1]) if comment else ""
    return line + (f"; {', '.join(f'{key}={value}' for key, value in values)}" if values else "")


def catalogue_text(kinds: Sequence[str], *, as_json: bool = False) -> str:
    """Return choices as text, or as one JSON object.

    Args:
        kinds: What to list, none for everything.
        as_json: Whether a program reads it: kinds, each with a list of name, setting and description.

    """
    found = {kind: entries(kind) for kind in [kind.replace("ä", "a") for kind in kinds] or KINDS}
    if as_json:
        content: dict[str, Any] = {kind: [vars(entry) for entry in each] for kind, each in found.items()}
        return json.dumps(content, indent=1, ensure_ascii=False)
    blocks = []
    for kind, each in found.items():
        width = max(len(entry.name) for entry in each)
        rows = [f"  {entry.name:<{width}}  {entry.description}".rstrip() for entry in each]
        blocks.append("\n".join([f"{kind} ({KINDS[kind]}=NAME)", *rows]))
    return "\n\n".join(blocks)
