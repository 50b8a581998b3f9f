"""Basis changes after a circuit that make products of Z of several terms, and what can still be checked then.

Terms that commute qubit by qubit take gates on one qubit; those that commute otherwise a Clifford circuit; hops of
pairs a Givens rotation each; and terms on pairs of qubits that share none, whether they commute or not, the
eigenvectors of their sum on each pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.circuit import HALF_PI, Gate, pair_gates
from vqe_prune.clifford import conjugate, diagonalise, tableau_of
from vqe_prune.paulis import PauliString

Conserved = tuple[tuple[tuple[int, ...], int], ...]
"""Sets of qubits and the number of ones that they hold."""

Term = tuple[float, PauliString]

Stabiliser = tuple[PauliString, bool]
"""A string of which a circuit's state is an eigenstate; True where the eigenvalue is -1."""

Matrix = NDArray[np.complex128]

ROUNDING = 1e-9
"""Matrix elements below this are zero."""

_MATRICES = {
    "I": np.eye(2, dtype=np.complex128),
    "X": np.array([[0, 1], [1, 0]], dtype=np.complex128),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0 + 0j, -1.0]),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Setting:
    """A basis change and the terms that it makes products of Z.

    Attributes:
        gates: The basis change U, after the circuit.
        terms: Coefficients c_j and strings P_j of the Hamiltonian that are measured here.
        diagonal: Coefficients d_k and qubits S_k with U (sum_j c_j P_j) U^dagger = sum_k d_k prod_{q in S_k} Z_q.
        checks: Those conserved numbers of ones that U keeps.
        parities: Sets of qubits that then hold an even (0) or odd (1) number of ones, independent of each other and of
            the checks.

    """

    gates: tuple[Gate, ...]
    terms: tuple[Term, ...]
    diagonal: tuple[tuple[float, tuple[int, ...]], ...]
    checks: Conserved = ()
    parities: Conserved = ()

    @property
    def n_checks(self) -> int:
        """Numbers and parities that every outcome can be checked for."""
        return len(self.checks) + len(self.parities)


def is_diagonal(string: PauliString) -> bool:
    """Return whether a string is a product of Z."""
    return all(letter == "Z" for _, letter in string)


def pauli_setting(terms: Sequence[Term], conserved: Conserved = (), stabilisers: Sequence[Stabiliser] = ()) -> Setting:
    """Return the setting of terms that commute qubit by qubit: H turns X into Z, H S^dagger turns Y into Z.

    Args:
        terms: Coefficients and strings.
        conserved: Sets of qubits and the number of ones that they hold.
        stabilisers: Strings that have one value on the circuit's state.

    Raises:
        ValueError: Two terms have different letters on one qubit.

    """
    letters: dict[int, str] = {}
    for _, string in terms:
        for qubit, letter in string:
            if letters.setdefault(qubit, letter) != letter:
                raise ValueError(f"Argument `terms` must commute qubit by qubit, but they differ on qubit {qubit}")
    for string, _ in stabilisers:  # qubits that nothing is measured on may be turned for a check
        if all(letters.get(qubit, letter) == letter for qubit, letter in string):
            letters.update(string)
    gates: list[Gate] = []
    for qubit in sorted(letters):
        if letters[qubit] == "Y":
            gates.append(Gate("sdg", (qubit,)))
        if letters[qubit] != "Z":
            gates.append(Gate("h", (qubit,)))
    return _clifford_setting(gates, terms, conserved, stabilisers)


def clifford_setting(
    terms: Sequence[Term],
    conserved: Conserved = (),
    stabilisers: Sequence[Stabiliser] = (),
    along: Sequence[PauliString] = (),
) -> Setting:
    """Return the setting of terms that commute, with the two-qubit gates of `vqe_prune.clifford.diagonalise`.

    Args:
        terms: Coefficients and strings.
        conserved: Sets of qubits and the number of ones that they hold.
        stabilisers: Strings that have one value on the circuit's state.
        along: Strings that commute with all of these and are made products of Z as well.

    Raises:
        ValueError: Two strings do not commute.

    """
    strings = [*(string for _, string in terms), *along]
    n_qubits = 1 + max((string[-1][0] for string in strings if string), default=-1)
    return _clifford_setting(diagonalise(strings, n_qubits), terms, conserved, stabilisers)


def _clifford_setting(
    gates: Sequence[Gate], terms: Sequence[Term], conserved: Conserved, stabilisers: Sequence[Stabiliser]
) -> Setting:
    """What a Clifford circuit makes of terms and of what is known."""
    strings = [*(string for _, string in terms), *(string for string, _ in stabilisers)]
    qubits = [q for string in strings for q, _ in string] + [q for gate in gates for q in gate.qubits]
    images = tableau_of(strings, 1 + max(qubits, default=-1))
    conjugate(images, gates)
    diagonal = []
    for (coefficient, _), z, negative in zip(terms, images.z, images.negative, strict=False):
        diagonal.append((-coefficient if negative else coefficient, tuple(map(int, np.flatnonzero(z)))))
    turned = {q for gate in gates for q in gate.qubits if gate.name != "cz"}
    checks = tuple((qubits, number) for qubits, number in conserved if turned.isdisjoint(qubits))
    known = []
    for (_, sign), x, z, negative in zip(
        stabilisers, images.x[len(terms) :], images.z[len(terms) :], images.negative[len(terms) :], strict=True
    ):
        if not x.any():
            known.append((tuple(map(int, np.flatnonzero(z))), int(negative ^ sign)))
    return Setting(
        gates=tuple(gates),
        terms=tuple(terms),
        diagonal=tuple(diagonal),
        checks=checks,
        parities=_independent(known, checks),
    )


def _independent(parities: Sequence[tuple[tuple[int, ...], int]], checks: Conserved) -> Conserved:
    """Parities that do not follow from each other and from numbers."""
    pivots: dict[int, int] = {}

    def is_new(qubits: tuple[int, ...]) -> bool:
        mask = sum(1 << q for q in qubits)
        while mask:
            top = mask.bit_length()
            if top not in pivots:
                pivots[top] = mask
                return True
            mask ^= pivots[top]
        return False

    for qubits, _ in checks:
        is_new(qubits)
    return tuple(each for each in sorted(parities, key=lambda each: len(each[0])) if is_new(each[0]))


def pair_setting(hops: Mapping[tuple[int, int], float], conserved: Conserved = ()) -> Setting:
    """Return the setting of hops c (X_p X_q + Y_p Y_q) on disjoint pairs: a Givens rotation by pi/4 on each pair.

    U c (X_p X_q + Y_p Y_q) U^dagger = c (Z_p - Z_q), and U keeps the number of ones of the pair. It costs two CX, the
    fewest: it leaves |00> and |11> products and entangles the other two, and one CX entangles all four alike.

    Args:
        hops: Coefficient c of each pair of qubits.
        conserved: Sets of qubits and the number of ones that they hold.

    """
    gates: list[Gate] = []
    for p, q in hops:
        gates += pair_gates(p, q, HALF_PI / 2)
    return Setting(
        gates=tuple(gates),
        terms=tuple((c, ((p, letter), (q, letter))) for (p, q), c in hops.items() for letter in "XY"),
        diagonal=tuple((sign * c, (qubit,)) for (p, q), c in hops.items() for sign, qubit in ((1, p), (-1, q))),
        checks=_numbers_kept(hops, conserved),
    )


def _numbers_kept(pairs: Mapping[tuple[int, int], Any], conserved: Conserved) -> Conserved:
    """Conserved numbers that basis changes keep which keep the number of ones of each pair."""
    return tuple((qubits, n) for qubits, n in conserved if all(len({*pair} & set(qubits)) != 1 for pair in pairs))


def block_setting(
    blocks: Mapping[tuple[int, int], Sequence[Term]],
    conserved: Conserved = (),
    stabilisers: Sequence[Stabiliser] = (),
) -> Setting:
    """Return the setting of sums of terms on disjoint pairs of qubits, each measured by its own eigenvectors.

    The terms of a pair need not commute: H_pq = sum_k E_k |k><k|, and U takes the eigenvector |k> to a basis state of
    the two qubits, up to phases, with at most two CZ. Eigenvectors have the number of ones of their basis state where
    every block conserves it; else the values of stabilisers restricted to the pair.

    Args:
        blocks: Terms on p and q alone for each pair (p, q).
        conserved: Sets of qubits and the number of ones that they hold.
        stabilisers: Strings that commute with every term and have one value on the circuit's state.

    Reference: T.-C. Yen, A. F. Izmaylov, Cartan sub-algebra approach to efficient measurements of quantum observables,
        arXiv 2007.01234, for fragments that are diagonal after gates other than Clifford ones; fragments on pairs of
        qubits, and eigenvectors sorted by what is conserved, are our reconstruction.

    """
    matrices = {pair: matrix_of(terms, pair) for pair, terms in blocks.items()}
    kept = _numbers_kept(blocks, conserved)
    by_number = bool(kept) and all(np.abs(m[_OTHER_NUMBER]).max() < ROUNDING for m in matrices.values())
    gates: list[Gate] = []
    diagonal: list[tuple[float, tuple[int, ...]]] = []
    bases = {}
    for pair, matrix in matrices.items():
        basis = _by_number(matrix) if by_number else _by_stabiliser(matrix, pair, stabilisers)
        bases[pair] = basis
        gates += _two_qubit_gates(basis, pair)
        energies = np.einsum("ki,ij,kj->k", basis, matrix, basis.conj()).real
        for qubits, signs in _PRODUCTS:
            weight = float(energies @ signs) / 4.0
            if qubits and abs(weight) > ROUNDING:
                diagonal.append((weight, tuple(pair[k] for k in qubits)))
    known = [_image(string, sign, bases) for string, sign in stabilisers]
    checks = kept if by_number else ()
    return Setting(
        gates=tuple(gates),
        terms=tuple(term for terms in blocks.values() for term in terms),
        diagonal=tuple(diagonal),
        checks=checks,
        parities=_independent([each for each in known if each is not None], checks),
    )


_PRODUCTS = [
    ((), np.array([1.0, 1.0, 1.0, 1.0])),
    ((0,), np.array([1.0, 1.0, -1.0, -1.0])),
    ((1,), np.array([1.0, -1.0, 1.0, -1.0])),
    ((0, 1), np.array([1.0, -1.0, -1.0, 1.0])),
]
"""Products of Z on two qubits by their qubits, each with its values on 00, 01, 10, 11."""

_OTHER_NUMBER = np.array([0, 1, 1, 2])[:, None] != np.array([0, 1, 1, 2])


def matrix_of(terms: Sequence[Term], pair: tuple[int, int]) -> Matrix:
    """Return the matrix, (4, 4), of what a sum of strings does to two qubits."""
    total: Matrix = np.zeros((4, 4), dtype=np.complex128)
    for coefficient, string in terms:
        letters = dict(string)
        total += coefficient * np.kron(*(_MATRICES[letters.get(q, "I")] for q in pair))
    return total


def _by_number(matrix: Matrix) -> Matrix:
    """Rows <k| for 00, 01, 10, 11: eigenvectors with as many ones."""
    basis = np.eye(4, dtype=np.complex128)
    basis[1:3, 1:3] = _nearest_diagonal(np.linalg.eigh(matrix[1:3, 1:3])[1].conj().T)
    return basis


def _nearest_diagonal(rows: Matrix) -> Matrix:
    """Order two eigenvectors so that they turn the basis states as little as can be."""
    return rows if abs(rows[0, 0]) >= abs(rows[0, 1]) else rows[::-1]


def _by_stabiliser(matrix: Matrix, pair: tuple[int, int], stabilisers: Sequence[Stabiliser]) -> Matrix:
    """Rows <k|: the first bit is the value of a stabiliser on the pair, the second that of another one if there is."""
    chosen: list[Matrix] = []
    for string, _ in stabilisers:
        own = matrix_of([(1.0, string)], pair)
        products = [np.eye(4), *chosen]
        new = all(np.abs(own - sign * each).max() > ROUNDING for each in products for sign in (1.0, -1.0))
        if new and len(chosen) < 2 and all(np.abs(own @ each - each @ own).max() < ROUNDING for each in chosen):
            chosen.append(own)
    scale = 1.0 + float(np.abs(matrix).sum())
    marked = matrix + sum(-(10.0 ** (2 - k)) * scale * own for k, own in enumerate(chosen))
    return np.linalg.eigh(marked)[1].conj().T  # ascending: the value 1 comes first, of the first one before the second


def _image(
    string: PauliString, negative: bool, bases: Mapping[tuple[int, int], Matrix]
) -> tuple[tuple[int, ...], int] | None:
    """Qubits whose parity is the value of a string after the basis change; None where it is no product of Z."""
    rest = dict(string)
    qubits: list[int] = []
    for pair, basis in bases.items():
        image = basis @ matrix_of([(1.0, string)], pair) @ basis.conj().T
        values = image.diagonal().real
        if np.abs(image - np.diag(values)).max() > ROUNDING:
            return None
        found = [(own, values @ signs / 4.0) for own, signs in _PRODUCTS if abs(values @ signs) > 4.0 - ROUNDING]
        if not found:
            return None
        qubits += [pair[k] for k in found[0][0]]
        negative ^= bool(found[0][1] < 0.0)
        for q in pair:
            rest.pop(q, None)
    if not is_diagonal(tuple(rest.items())):
        return None
    return tuple(sorted([*qubits, *rest])), int(negative)


def _two_qubit_gates(unitary: Matrix, pair: tuple[int, int]) -> list[Gate]:
    """A unitary up to phases of the basis states that it leads to, by at most two CZ."""
    import cirq

    lines = cirq.LineQubit.range(2)
    _, operations = cirq.two_qubit_matrix_to_diagonal_and_cz_operations(*lines, unitary)
    gates = []
    for operation in operations:
        qubits = tuple(pair[line.x] for line in operation.qubits)
        if len(qubits) == 2:
            gates.append(Gate("cz", qubits))
            continue
        turn = cirq.PhasedXZGate.from_matrix(cirq.unitary(operation))
        angles = (-turn.axis_phase_exponent, turn.x_exponent, turn.z_exponent + turn.axis_phase_exponent)
        gates += [Gate(name, qubits, np.pi * t) for name, t in zip(("rz", "rx", "rz"), angles, strict=True) if t]
    return gates
