"""Layered ansätze on qubits: hardware-efficient, Hamiltonian-variational and QAOA-like.

All angles are those of exp(-i angle P / 2), as of RX, RZ and RZZ gates.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.errors import InputError
from vqe_prune.paulis import Clifford, PauliString, PauliSum, QubitHamiltonian, strings_commute

BLOCKS = ("x", "y", "z")
"""Rotations that a block is made of."""

ENTANGLERS: dict[str, str | tuple[str, ...]] = {
    "cz": "cz",
    "cx": "cx",
    "zz": ("ZZ",),
    "xx": ("XX",),
    "yy": ("YY",),
    "xy": ("XX", "YY"),
    "heisenberg": ("XX", "YY", "ZZ"),
}
"""Entanglers by name: fixed gates, and sums of commuting strings that follow a parameter."""

CONNECTIVITIES = ("linear", "circular", "full", "grid", "lattice")


def hardware_efficient(
    n_qubits: int,
    layers: int,
    *,
    blocks: Sequence[str] = ("x", "z"),
    entangler: str = "zz",
    pairs: Sequence[tuple[int, int]] | None = None,
    backwards: bool = False,
) -> Ansatz:
    """Build layers of single-qubit rotations and entanglers, a parameter of its own for every rotation.

    Args:
        n_qubits: Number of qubits.
        layers: Number of layers.
        blocks: Rotations of every qubit in each layer, in their order: x, y or z.
        entangler: A key of `ENTANGLERS`: cz and cx are fixed gates, the others have parameters.
        pairs: Qubits that entanglers act on, default the ring of `connected_pairs`.
        backwards: Begin each layer with the entanglers and end it with the first block; right for references of + and
            -, which rotations about X only multiply by a phase.

    Returns:
        The ansatz; 6 qubits and 12 layers of x, z and zz on a ring have 216 parameters.

    Raises:
        InputError: A name is unknown or nothing is left to turn.

    """
    unknown = [name for name in blocks if name not in BLOCKS]
    if unknown or entangler not in ENTANGLERS:
        options = ", ".join(BLOCKS if unknown else ENTANGLERS)
        raise InputError(f"unknown gate {(unknown or [entangler])[0]!r} of a hardware-efficient ansatz; try {options}")
    if layers < 1:
        raise InputError(f"a layered ansatz needs at least one layer, but {layers} were asked for")
    pairs = connected_pairs("circular", n_qubits) if pairs is None else pairs
    rotations: list[Rotation] = []
    count = 0
    for _ in range(layers):
        turning: list[list[PauliSum | Clifford]] = [
            [PauliSum(((0.5, ((q, letter.upper()),)),)) for q in range(n_qubits)] for letter in blocks
        ]
        steps = [*turning, [_entangler(entangler, pair) for pair in pairs]]
        for gate in (gate for step in (reversed(steps) if backwards else steps) for gate in step):
            turns = isinstance(gate, PauliSum)
            rotations.append(Rotation(gate, count if turns else None))
            count += turns
    if count == 0:
        raise InputError("a hardware-efficient ansatz needs a rotation or an entangler with a parameter")
    return Ansatz(name="hardware_efficient", rotations=tuple(rotations), n_parameters=count)


def _entangler(name: str, pair: tuple[int, int]) -> PauliSum | Clifford:
    kind = ENTANGLERS[name]
    if isinstance(kind, str):
        return Clifford(kind, pair)
    return PauliSum(tuple((0.5, _pair_string(*pair, letters)) for letters in kind))


def connected_pairs(
    connectivity: str, n_qubits: int, bonds: Sequence[tuple[int, int, float]] | None = None
) -> list[tuple[int, int]]:
    """Return the pairs of qubits that entanglers act on.

    Args:
        connectivity: linear, circular (a ring), full, grid (the squarest one, row by row) or lattice (the bonds of a
            model's lattice).
        n_qubits: Number of qubits.
        bonds: Sites and weight of the lattice's bonds.

    Raises:
        InputError: The name is unknown or does not fit.

    """
    if connectivity == "full":
        return list(combinations(range(n_qubits), 2))
    if connectivity == "lattice":
        if bonds is None:
            raise InputError("ansatz.connectivity=lattice needs a model with one qubit a site; try linear or full")
        return [(i, j) for i, j, _ in bonds]
    if connectivity == "grid":
        columns = next(c for c in range(int(n_qubits**0.5), 0, -1) if n_qubits % c == 0)
        columns = n_qubits // columns
        right = [(q, q + 1) for q in range(n_qubits) if (q + 1) % columns]
        return right + [(q, q + columns) for q in range(n_qubits - columns)]
    if connectivity not in ("linear", "circular"):
        raise InputError(f"unknown ansatz.connectivity={connectivity}; available: {', '.join(CONNECTIVITIES)}")
    pairs = [(q, q + 1) for q in range(n_qubits - 1)]
    return [*pairs, (0, n_qubits - 1)] if connectivity == "circular" and n_qubits > 2 else pairs


def hamiltonian_variational(hamiltonian: QubitHamiltonian, layers: int, reference: str | None = None) -> Ansatz:
    """Build layers of exp(-i angle H_g / 2) over groups H_g of commuting terms of the Hamiltonian, one angle a group.

    Commuting strings on the same qubits (such as XX + YY + ZZ of a bond) stay together, so that gates keep U(1) and
    SU(2); groups that only multiply the reference by a phase act last. A group is scaled to a largest coefficient 1.

    Args:
        hamiltonian: Its terms are the generators.
        layers: Number of layers.
        reference: Product state 0, 1, +, - of each qubit that the first layer acts on.

    Raises:
        InputError: There is no layer or no term.

    Source: D. Wecker, M. B. Hastings, M. Troyer, Progress towards practical quantum variational algorithms,
        arXiv 1507.08969; the grouping is ours.

    """
    if layers < 1 or not hamiltonian.terms:
        raise InputError("a Hamiltonian-variational ansatz needs a layer and a Hamiltonian with terms")
    groups = commuting_groups(hamiltonian)
    if reference is not None:
        groups.sort(key=lambda group: all(_only_phase(s, reference) for unit in group for _, s in unit.terms))
    return _repeated("hva", groups, layers)


def qaoa(hamiltonian: QubitHamiltonian, layers: int) -> Ansatz:
    """Build layers of exp(-i angle C / 2), C the diagonal terms of the Hamiltonian, and of exp(-i angle sum X / 2).

    Args:
        hamiltonian: Its strings of Z are the cost C, scaled to a largest coefficient 1.
        layers: Number of layers.

    Raises:
        InputError: There is no layer, or no term is diagonal.

    Source: E. Farhi, J. Goldstone, S. Gutmann, A quantum approximate optimization algorithm, arXiv 1411.4028.

    """
    cost = [(c, string) for c, string in hamiltonian.terms if all(letter == "Z" for _, letter in string)]
    if layers < 1 or not cost:
        raise InputError("a QAOA ansatz needs a layer and a Hamiltonian with strings of Z; try ansatz=hva")
    largest = max(abs(c) for c, _ in cost)
    mixer = [PauliSum(((0.5, ((q, "X"),)),)) for q in range(hamiltonian.n_qubits)]
    return _repeated("qaoa", [[PauliSum(((0.5 * c / largest, s),)) for c, s in cost], mixer], layers)


def commuting_groups(hamiltonian: QubitHamiltonian) -> list[list[PauliSum]]:
    """Split a Hamiltonian into groups of commuting gates, coefficients scaled to 1/2 at most.

    First terms on the same qubits that commute are joined into one gate; then gates are packed greedily, kinds of
    letters one after the other, into groups whose gates all commute.

    Args:
        hamiltonian: At least one term.

    """
    units: dict[tuple[int, ...], list[list[tuple[float, PauliString]]]] = {}
    for coefficient, string in hamiltonian.terms:
        bins = units.setdefault(tuple(q for q, _ in string), [])
        fitting = (b for b in bins if all(strings_commute(string, other) for _, other in b))
        target = next(fitting, None)
        if target is None:
            bins.append([(coefficient, string)])
        else:
            target.append((coefficient, string))
    ordered = sorted((unit for bins in units.values() for unit in bins), key=_kind)
    groups: list[list[list[tuple[float, PauliString]]]] = []
    for unit in ordered:
        for group in groups:
            if all(strings_commute(a, b) for _, a in unit for other in group for _, b in other):
                group.append(unit)
                break
        else:
            groups.append([unit])
    scaled = []
    for group in groups:
        largest = max(abs(c) for unit in group for c, _ in unit)
        scaled.append([PauliSum(tuple((0.5 * c / largest, s) for c, s in unit)) for unit in group])
    return scaled


def _repeated(name: str, groups: Sequence[Sequence[PauliSum]], layers: int) -> Ansatz:
    rotations = [
        Rotation(generator, layer * len(groups) + k)
        for layer in range(layers)
        for k, group in enumerate(groups)
        for generator in group
    ]
    return Ansatz(name=name, rotations=tuple(rotations), n_parameters=layers * len(groups))


def _kind(unit: Sequence[tuple[float, PauliString]]) -> tuple[int, str]:
    """Strings of fewest single qubits last, so that couplings come before fields."""
    letters = "".join(letter for _, letter in unit[0][1])
    return -len(letters), letters


def _only_phase(string: PauliString, reference: str) -> bool:
    return all((letter == "Z") == (reference[q] in "01") and letter != "Y" for q, letter in string)


def _pair_string(first: int, second: int, letters: str) -> PauliString:
    return tuple(sorted(((first, letters[0]), (second, letters[1]))))
