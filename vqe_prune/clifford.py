"""Clifford circuits that turn commuting Pauli strings into products of Z, with few gates on two qubits.

Strings are rows of a tableau: bits x and z of each qubit (X is 10, Z is 01, Y is 11) and a sign; gates act on columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vqe_prune.circuit import Gate, cancel_neighbours
from vqe_prune.paulis import PauliString

Bits = NDArray[np.bool_]

LETTERS = {"X": (True, False), "Y": (True, True), "Z": (False, True)}

MOST_PRODUCTS = 8
"""Up to so many generators all their products are searched for light ones, above only products of two."""


class Tableau(NamedTuple):
    """Pauli strings with signs.

    Attributes:
        x: Shape (n_strings, n_qubits).
        z: Same shape.
        negative: Signs; shape (n_strings,).

    """

    x: Bits
    z: Bits
    negative: Bits

    def copy(self) -> Tableau:
        """Return one that can be changed on its own."""
        return Tableau(self.x.copy(), self.z.copy(), self.negative.copy())


def tableau_of(strings: Sequence[PauliString], n_qubits: int) -> Tableau:
    """Return strings as bits; all signs are positive."""
    x, z = np.zeros((2, len(strings), n_qubits), dtype=np.bool_)
    for row, string in enumerate(strings):
        for qubit, letter in string:
            x[row, qubit], z[row, qubit] = LETTERS[letter]
    return Tableau(x, z, np.zeros(len(strings), dtype=np.bool_))


def commutation(first: Tableau, second: Tableau) -> Bits:
    """Return which strings commute: True where x.z' + z.x' is even; shape (n_first, n_second)."""
    overlaps = first.x.astype(np.int64) @ second.z.T.astype(np.int64)
    overlaps += first.z.astype(np.int64) @ second.x.T.astype(np.int64)
    return np.asarray(overlaps % 2 == 0)


def conjugate(tableau: Tableau, gates: Sequence[Gate]) -> None:
    """Replace every string P by U P U^dagger for Clifford gates U = U_last ... U_first, signs included.

    Args:
        tableau: Changed in place.
        gates: Out of h, s, sdg, x, y, z, cx, cz and swap.

    Raises:
        ValueError: A gate is not one of these.

    Reference: S. Aaronson, D. Gottesman, Improved simulation of stabilizer circuits, arXiv quant-ph/0406196.

    """
    x, z, negative = tableau
    for gate in gates:
        a, b = gate.qubits[0], gate.qubits[-1]
        match gate.name:
            case "x" | "y" | "z":
                negative ^= z[:, a] if gate.name == "x" else x[:, a] if gate.name == "z" else x[:, a] ^ z[:, a]
            case "h":
                negative ^= x[:, a] & z[:, a]
                x[:, a], z[:, a] = z[:, a].copy(), x[:, a].copy()
            case "s" | "sdg":
                negative ^= x[:, a] & (z[:, a] if gate.name == "s" else ~z[:, a])
                z[:, a] ^= x[:, a]
            case "cx":
                negative ^= x[:, a] & z[:, b] & ~(x[:, b] ^ z[:, a])
                x[:, b] ^= x[:, a]
                z[:, a] ^= z[:, b]
            case "cz":
                negative ^= x[:, a] & x[:, b] & (z[:, a] ^ z[:, b])
                z[:, a] ^= x[:, b]
                z[:, b] ^= x[:, a]
            case "swap":
                for bits in (x, z):
                    bits[:, [a, b]] = bits[:, [b, a]]
            case _:
                raise ValueError(f"Argument `gates` must be Clifford gates, but {gate.name} was given")


def diagonalise(strings: Sequence[PauliString], n_qubits: int) -> tuple[Gate, ...]:
    """Return a Clifford circuit U so that U P U^dagger is a product of Z, up to a sign, for commuting strings P.

    A qubit where all strings have one letter, or none, takes a gate on this qubit alone. While there are others, the
    lightest product of strings on them is made lighter, one qubit by one two-qubit gate: controlled Pauli operators
    take P_a P_b to P_a. Once it acts on one qubit, no string that commutes with it has another letter there. Of all
    such gates that one is taken which leaves the fewest qubits with several letters, and of those the lightest strings.

    Args:
        strings: Which commute with each other.
        n_qubits: Number of qubits.

    Returns:
        Gates h, s, sdg and cz.

    Raises:
        ValueError: Two strings do not commute.

    Reference: P. Gokhale, O. Angiuli, Y. Ding, K. Gui, T. Tomesh, M. Suchara, M. Martonosi, F. T. Chong, Minimizing
        state preparations in variational quantum eigensolver by partitioning into commuting families, arXiv
        1907.13623, for the elimination; the greedy choice of its gates is our reconstruction.

    """
    tableau = tableau_of(strings, n_qubits)
    if not commutation(tableau, tableau).all():
        raise ValueError("Argument `strings` must commute with each other, but two of them do not")
    tableau = _generators(tableau)
    gates: list[Gate] = []
    while True:
        open_qubits = np.flatnonzero(_is_open(tableau))
        if not len(open_qubits):
            break
        best = min(_lighter(tableau, open_qubits), key=lambda step: _cost(tableau, step))
        conjugate(tableau, best)
        gates += best
    for qubit in range(n_qubits):
        x, z = tableau.x[:, qubit], tableau.z[:, qubit]
        if x.any():
            row = int(np.argmax(x))
            gates += _to_z(qubit, bool(x[row]), bool(z[row]))
    return tuple(cancel_neighbours(gates))


def _generators(tableau: Tableau) -> Tableau:
    """Independent strings that generate all of them, in reduced echelon form; signs do not matter here."""
    rows = np.concatenate([tableau.x, tableau.z], axis=1)
    rank = 0
    for column in range(rows.shape[1]):
        found = np.flatnonzero(rows[rank:, column])
        if len(found):
            rows[[rank, rank + found[0]]] = rows[[rank + found[0], rank]]
            others = rows[:, column].copy()
            others[rank] = False
            rows[others] ^= rows[rank]
            rank += 1
    n = tableau.x.shape[1]
    return Tableau(rows[:rank, :n].copy(), rows[:rank, n:].copy(), np.zeros(rank, dtype=np.bool_))


def _is_open(tableau: Tableau) -> Bits:
    """Qubits where two strings have different letters; shape (n_qubits,)."""
    x, z = tableau.x, tableau.z
    kinds = [(x & ~z).any(axis=0), (~x & z).any(axis=0), (x & z).any(axis=0)]
    return np.asarray(np.sum(kinds, axis=0) > 1)


def _lighter(tableau: Tableau, qubits: NDArray[np.int64]) -> list[list[Gate]]:
    """Gates that take one qubit off one of the lightest products of strings, counted on given qubits."""
    x, z = tableau.x[:, qubits], tableau.z[:, qubits]
    n_rows = len(x)
    if n_rows <= MOST_PRODUCTS:
        picks = (np.arange(1, 1 << n_rows)[:, None] >> np.arange(n_rows) & 1).astype(np.int64)
    else:
        chosen = [(k,) for k in range(n_rows)] + list(combinations(range(n_rows), 2))
        picks = np.zeros((len(chosen), n_rows), dtype=np.int64)
        for row, members in enumerate(chosen):
            picks[row, list(members)] = 1
    px, pz = picks @ x % 2, picks @ z % 2
    weights = (px | pz).sum(axis=1)
    lightest = np.flatnonzero(weights == weights[weights > 0].min())
    steps = []
    for letters in np.unique(np.stack([px[lightest], pz[lightest]], axis=-1), axis=0):
        support = np.flatnonzero(letters.any(axis=1))
        for a, b in permutations(support, 2):
            for turned in (False, True):  # the control is one of the two letters that differ from that of the product
                to_x = [*_to_z(int(qubits[a]), *map(bool, letters[a])), Gate("h", (int(qubits[a]),))]
                to_x += [Gate("s", (int(qubits[a]),))] * turned
                to_z = _to_z(int(qubits[b]), *map(bool, letters[b]))
                steps.append([*to_x, *to_z, Gate("cz", (int(qubits[a]), int(qubits[b])))])
    return steps


def _to_z(qubit: int, x: bool, z: bool) -> list[Gate]:
    """Gates that turn a letter into Z, up to a sign."""
    if not x:
        return []
    return [Gate("sdg", (qubit,)), Gate("h", (qubit,))] if z else [Gate("h", (qubit,))]


def _cost(tableau: Tableau, gates: Sequence[Gate]) -> tuple[int, int, int]:
    """Open qubits and letters that are left; of equal ones that between near qubits, which a processor may couple."""
    after = tableau.copy()
    conjugate(after, gates)
    a, b = gates[-1].qubits
    return int(_is_open(after).sum()), int((after.x | after.z).sum()), abs(a - b)
