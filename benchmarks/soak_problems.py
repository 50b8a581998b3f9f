"""Random small problems for `soak.py`: molecules, spin models and what is asked of them, as words of the command line.

Each is drawn from its number alone, so that any of them can be run again. A few are drawn so that they cannot be run
(a spin of the wrong parity, an active space that does not fit): those must be refused in one line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MODEL_SHARE = 0.4
"""Of all problems; the others are molecules."""

MOST_SPIN_ORBITALS = 12
"""Of a molecule's ansatz of excitations: 400 determinants, whose matrix the oracle diagonalises."""

MOST_GENERALISED = 4
"""Orbitals of generalised singles and doubles."""

MOST_QUBITS = 8
"""Of an ansatz on qubits."""

CHARGES = {"H": 1, "He": 2, "Li": 3, "Be": 4, "B": 5, "C": 6, "N": 7, "O": 8, "F": 9}

PAIRS = (*((element, "H") for element in ("Li", "Be", "B", "C", "N", "O", "F", "He")), ("He", "He"))
TRIPLES = (("O", "H", "H"), ("C", "H", "H"), ("Be", "H", "H"), ("N", "H", "H"), ("H", "H", "H"))

EXCITATIONS = ("uccsd", "uccsd", "uccsd", "uccsd", "uccd", "puccd", "uccgsd", "kupccgsd", "tups", "qnp")
"""Ansätze of electrons; uccsd more often."""

ENCODINGS = (
    "auto", "auto", "jordan_wigner", "jordan_wigner", "parity", "bravyi_kitaev", "partial_pairs",
    "tapered_jordan_wigner", "tapered_parity", "tapered_bravyi_kitaev",
)  # fmt: skip

ENTANGLERS = ("cz", "cx", "zz", "xx", "yy", "xy", "heisenberg")


@dataclass(frozen=True)
class Draw:
    """A problem as drawn.

    Attributes:
        kind: Under which it is counted.
        words: Settings of the command line; {folder} stands for the folder of `files`.
        files: Name and content of what the words name.
        facts: What the oracle must know.

    """

    kind: str
    words: list[str]
    files: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)


def draw(seed: int, number: int) -> Draw:
    """Return problem `number` of a series."""
    random = np.random.default_rng([seed, number])
    return draw_model(random) if random.random() < MODEL_SHARE else draw_molecule(random)


def pick(random: np.random.Generator, options: Any) -> Any:
    """Return one of a sequence."""
    return options[int(random.integers(len(options)))]


def atoms_of(random: np.random.Generator) -> tuple[str, list[tuple[str, np.ndarray]]]:
    """Return the name of a kind of molecule and its atoms, at random lengths, angles and orientation (angstrom)."""
    shape = pick(random, ("chain", "cloud", "pair", "pair", "triple"))
    length = float(random.uniform(0.7, 2.6))
    if shape in ("chain", "cloud"):
        n = int(random.integers(2, 7))
        places = [np.array([0.0, 0.0, length * k]) for k in range(n)]
        while shape == "cloud":
            places = list(random.normal(scale=1.2, size=(n, 3)))
            gaps = [np.linalg.norm(a - b) for k, a in enumerate(places) for b in places[:k]]
            if min(gaps) > 0.6:
                break
        atoms = [("H", place) for place in places]
        name = f"H{n}"
    elif shape == "pair":
        elements = pick(random, PAIRS)
        atoms = [(elements[0], np.zeros(3)), (elements[1], np.array([0.0, 0.0, length]))]
        name = "".join(elements)
    else:
        elements = pick(random, TRIPLES)
        angle, other = random.uniform(1.0, np.pi), length if random.random() < 0.6 else float(random.uniform(0.7, 2.6))
        ends = [np.array([0.0, 0.0, length]), other * np.array([np.sin(angle), 0.0, np.cos(angle)])]
        atoms = [(elements[0], np.zeros(3)), *zip(elements[1:], ends, strict=True)]
        name = f"{elements[0]}H2" if elements[0] != "H" else "H3"
    if random.random() < 0.5:
        turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
        atoms = [(element, turn @ place) for element, place in atoms]
    return name, [(element, place.round(6)) for element, place in atoms]  # as many digits as the file has


def draw_molecule(random: np.random.Generator) -> Draw:
    """Return a molecule with a basis, charge, spin, active space, ansatz and rules."""
    name, atoms = atoms_of(random)
    small = all(element in ("H", "He") for element, _ in atoms)
    basis = "6-31g" if small and random.random() < 0.35 else "sto-3g"
    charge = int(pick(random, (0, 0, 0, 1, -1))) + (1 if name == "HeH" else 0)
    n_electrons = sum(CHARGES[element] for element, _ in atoms) - charge
    spin = int(n_electrons % 2 + 2 * (random.random() < 0.25))
    if random.random() < 0.04:
        spin += 1  # of the wrong parity
    per_light = 2 if basis == "6-31g" else 1
    n_orbitals = sum(per_light if element in ("H", "He") else 5 for element, _ in atoms)
    on_qubits = random.random() < 0.12
    room = (MOST_QUBITS if on_qubits else MOST_SPIN_ORBITALS) // 2
    rows = [f"{element} {' '.join(f'{x:.6f}' for x in place)}" for element, place in atoms]
    lines = [f"name: {name}", f"basis: {basis}", f"charge: {charge}", f"spin: {spin}", "geometry: |"]
    text = "\n".join([*lines, *(f"  {row}" for row in rows)]) + "\n"
    space = draw_space(random, n_electrons, n_orbitals, spin, room)
    words = ["molecule={folder}/molecule.yaml", *space]
    words += draw_qubit_ansatz(random, 2) if on_qubits else draw_excitations(random)
    if "ansatz=uccgsd" in words and n_active(space, n_orbitals) > MOST_GENERALISED:
        words.remove("ansatz=uccgsd")  # some 600 parameters in six orbitals, minutes to prune one by one
    facts = {"atoms": [(e, p.tolist()) for e, p in atoms], "basis": basis, "charge": charge, "spin": spin}
    facts |= {"space": space, "on_qubits": on_qubits, "unit": "hartree"}
    kind = f"{name}{'+' * max(charge, 0)}{'-' * max(-charge, 0)}"
    return Draw(kind, words, {"molecule.yaml": text}, facts)


def draw_space(random: np.random.Generator, n_electrons: int, n_orbitals: int, spin: int, room: int) -> list[str]:
    """Return which orbitals are active, so few that the oracle can follow."""
    orbitals = pick(random, ("hf", "hf", "hf", "hf", "uno", "mp2_natural"))
    words = [] if orbitals == "hf" else [f"molecule.orbitals={orbitals}"]
    heavy = 1 if n_orbitals > 5 and n_electrons > 4 else 0
    if n_orbitals <= room and random.random() < 0.6:
        return words
    if n_orbitals - heavy <= room and heavy and random.random() < 0.5:
        return [*words, "molecule.frozen_core=true"]
    n = int(random.integers(2, min(room, n_orbitals) + 1))
    most = min(n_electrons, 2 * n)
    options = [k for k in range(max(1, spin), most + 1) if (n_electrons - k) % 2 == 0 and (k + spin) // 2 <= n]
    held = [k for k in options if (n_electrons - k) // 2 + n <= n_orbitals]
    if not held or random.random() < 0.03:
        return [*words, f"molecule.active_space=[{max(1, most)},{n}]"]  # most of these are refused
    chosen = int(pick(random, held))
    core = (n_electrons - chosen) // 2
    if random.random() < 0.25:
        filled = list(range(core + 1, core + (chosen + spin) // 2 + 1))
        rest = [p for p in range(1, n_orbitals + 1) if p not in range(1, core + len(filled) + 1)]
        more = sorted(random.choice(rest, size=n - len(filled), replace=False).tolist()) if n > len(filled) else []
        return [*words, f"molecule.active_orbitals=[{','.join(map(str, [*filled, *more]))}]"]
    return [*words, f"molecule.active_space=[{chosen},{n}]"]


def n_active(space: list[str], n_orbitals: int) -> int:
    """Return how many orbitals words leave."""
    for word in space:
        key, _, value = word.partition("=")
        if key.startswith("molecule.active_"):
            listed = json.loads(value)
            return int(listed[1]) if key.endswith("space") else len(listed)
    return n_orbitals


def draw_excitations(random: np.random.Generator) -> list[str]:
    """Return an ansatz of excitations with its rules, limits, orbitals and encoding."""
    ansatz = pick(random, EXCITATIONS)
    words = [] if ansatz == "uccsd" else [f"ansatz={ansatz}"]
    if ansatz in ("tups", "qnp"):
        words += [f"ansatz.layers={random.integers(1, 3)}", "ansatz.restarts=1"]
    elif random.random() < 0.2:
        words.append(f"ansatz.start={pick(random, ('mp2', 'ccsd'))}")
    elif random.random() < 0.1:
        words.append("ansatz.restarts=1")
    if ansatz in ("uccsd", "uccd") and random.random() < 0.15:
        words.append("ansatz.singlet=true")
    if ansatz in ("uccsd", "uccgsd") and random.random() < 0.25:
        words.append(f"ansatz.order={pick(random, ('doubles_first', 'mp2_amplitude', 'excitation_energy'))}")
    rule = pick(random, ("default", "default", "curvature", "magnitude", "fisher", "random", "lie", "symmetry", "bare"))
    if rule == "symmetry" and ansatz in ("tups", "qnp"):
        rule = "default"
    words += {"default": [], "bare": ["pruner=[curvature]"]}.get(rule, [f"pruner={rule}"])
    if rule != "symmetry":
        words += draw_limits(random)
        treatment = random.random()
        if treatment < 0.2:
            words.append(f"pruner.orbitals={'absorb' if treatment < 0.1 else 'optimise'}")
    words.append(f"encoding={pick(random, ENCODINGS)}")
    extra = random.random()
    if extra < 0.06:
        words.append("excited=2")
    elif extra < 0.1:
        words.append("nuclei=gradient")
    return [*words, f"seed={random.integers(1000)}"]


def draw_limits(random: np.random.Generator) -> list[str]:
    """Return how far rules prune."""
    way = random.random()
    if way < 0.4:
        return []
    if way < 0.7:
        relative = ["pruner.relative_to=full"] if random.random() < 0.4 else []
        return [f"pruner.tolerance={10 ** random.uniform(-4.5, -1.5):.2e}", *relative]
    return [f"pruner.parameters={random.integers(0, 8)}"]


def draw_qubit_ansatz(random: np.random.Generator, layers: int) -> list[str]:
    """Return an ansatz on qubits, short trainings and its rules."""
    blocks = pick(random, ("[x,z]", "[y]", "[x,y]", "[z,y,z]", "[y,z]"))
    connectivity = pick(random, ("linear", "circular", "full"))
    words = ["ansatz=hardware_efficient", f"ansatz.layers={layers}", f"ansatz.blocks={blocks}"]
    words += [f"ansatz.entangler={pick(random, ENTANGLERS)}", f"ansatz.connectivity={connectivity}"]
    return words + draw_training(random)


def draw_training(random: np.random.Generator) -> list[str]:
    """Return how an ansatz on qubits is trained, and its rules."""
    method = pick(random, ("adam", "l-bfgs"))
    words = [f"training.method={method}", "training.seeds=2", f"training.steps={150 if method == 'adam' else 300}"]
    rules = ("default", "default", "[eqntk,curvature]", "curvature", "magnitude", "random", "fisher", "lie")
    rule = pick(random, rules)
    if rule != "default":
        words.append(f"pruner={rule}")
        words += draw_limits(random)
    return [*words, f"seed={random.integers(1000)}"]


def draw_model(random: np.random.Generator) -> Draw:
    """Return a spin or Hubbard model on a lattice, its couplings signed and random, with an ansatz and rules."""
    model = pick(random, ("tfim", "tfim", "xxz", "heisenberg", "j1j2", "fermi_hubbard"))
    most = MOST_QUBITS // 2 if model == "fermi_hubbard" else 7
    n = int(random.integers(2 if model != "j1j2" else 5, most + 1))
    lattice = pick(random, ("ring", "chain", "graph")) if n > 2 else pick(random, ("chain", "graph"))
    bonds, second, words, files = draw_lattice(random, lattice, n, model == "j1j2")
    keys = {"tfim": "jh", "xxz": ("j", "delta"), "heisenberg": "j", "j1j2": ("j1", "j2"), "fermi_hubbard": "tu"}[model]
    couplings = {key: round(float(random.uniform(-2.0, 2.0)), 3) for key in keys}
    if random.random() < 0.3:
        couplings = {}  # the usual ones, where symmetries are largest
    words = [f"model={model}", *words, *(f"model.{key}={value}" for key, value in couplings.items())]
    if model == "fermi_hubbard" and random.random() < 0.5:
        words.append(f"model.electrons=[{random.integers(1, n)},{random.integers(1, n)}]")
    ansatz = pick(random, ("hardware_efficient", "hva", "qaoa"))
    layers = int(random.integers(1, 4))
    if ansatz == "hardware_efficient":
        words += draw_qubit_ansatz(random, layers)
    else:
        words += [f"ansatz={ansatz}", f"ansatz.layers={layers}", *draw_training(random)]
    usual = {"j": 1.0, "h": 1.0, "delta": 1.0, "j1": 1.0, "j2": 0.5, "t": 1.0, "u": 4.0}
    facts = {"model": model, "n": n, "bonds": bonds, "second": second, "couplings": {**usual, **couplings}, "unit": "J"}
    return Draw(model, words, files, facts)


def draw_lattice(
    random: np.random.Generator, lattice: str, n: int, with_second: bool
) -> tuple[list[list[float]], list[list[float]], list[str], dict[str, str]]:
    """Return weighted bonds, second ones, the words and the file that describe them."""
    if lattice != "graph":
        ends = [(k, k + 1) for k in range(n - 1)] + ([(0, n - 1)] if lattice == "ring" else [])
        far = {tuple(sorted((k, (k + 2) % n))) for k in range(n if lattice == "ring" else n - 2)} - set(ends)
        second = [[a, b, 1.0] for a, b in sorted(far)]
        return [[a, b, 1.0] for a, b in ends], second, [f"model.lattice={lattice}", f"model.n={n}"], {}
    pairs = [(a, b) for a in range(n) for b in range(a + 1, n)]
    ends = [(int(random.integers(k)), k) for k in range(1, n)]  # a tree, so that all sites are connected
    ends += [pair for pair in pairs if pair not in ends and random.random() < 0.2]
    bonds = [[a, b, round(float(random.uniform(0.3, 1.5)), 3)] for a, b in ends]
    rest = [pair for pair in pairs if pair not in ends]
    far = [pair for pair in rest if random.random() < 0.3] or rest[:1] if with_second else []
    second = [[a, b, 1.0] for a, b in far]
    text = f"name: graph\nn_sites: {n}\nbonds: {bonds}\n" + (f"second_bonds: {second}\n" if with_second else "")
    return bonds, second, ["model.lattice={folder}/graph.yaml"], {"graph.yaml": text}
