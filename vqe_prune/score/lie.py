"""The dynamical Lie algebra of an ansatz: the directions that nested commutators of its generators open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.paulis import Clifford, PauliString, PauliSum, string_masks
from vqe_prune.score.space import MaskSum, WeightedStrings, clifford_sum, independent_generators

Codes = NDArray[np.int64]
Vector = NDArray[np.float64]

STRING_LIMIT = 100_000
"""Dimension at which the search stops where every generator is one string: all of eight qubits are 65,535."""

SUM_LIMIT = 2_000
"""The same for sums of strings, whose elements are vectors that must be orthogonalised."""

MOST_ENTRIES = 1 << 27
"""Numbers in the vectors of a search among sums, 1 GiB, before it stops."""

LEAST_SHARE = 1e-9
"""What is left of a commutator of length 1 outside the algebra counts as new above this."""

MOST_QUBITS = 31
"""Both masks of a string share one 64-bit integer."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LieAlgebra:
    """How large a dynamical Lie algebra is.

    Attributes:
        dimension: Its real dimension, or the dimension reached where the search was stopped.
        whole: Whether it is closed; False where the search was stopped.

    """

    dimension: int
    whole: bool


def lie_algebra_dimension(ansatz: Ansatz, n_qubits: int, *, limit: int | None = None) -> LieAlgebra:
    """Return the dimension of the real Lie algebra spanned by nested commutators of i times the generators.

    Commutators with the generators alone span it (left-nested brackets). Fixed gates are left out, so that with any of
    them after the first parameter this is a lower bound; `cliffords_first` moves Clifford gates out of the way.

    Args:
        ansatz: Rotations of Pauli sums; their generators are those of `independent_generators`.
        n_qubits: Number of qubits n, at most 31.
        limit: Dimension at which to stop, default `STRING_LIMIT` or, for sums of several strings, `SUM_LIMIT`.

    Returns:
        The dimension; 0 without a parameter.

    Raises:
        ValueError: A generator acts on a qubit that is not there, or there are too many qubits.

    Source: M. Larocca, P. Czarnik, K. Sharma, G. Muraleedharan, P. J. Coles, M. Cerezo, Diagnosing barren plateaus
        with tools from quantum optimal control, arXiv 2105.14377 (the algebra); the two closures are ours.

    """
    if n_qubits > MOST_QUBITS:
        raise ValueError(f"Argument `n_qubits` must be at most {MOST_QUBITS}, but it is {n_qubits}")
    generators = independent_generators(ansatz)
    if all(len(generator) == 1 for generator in generators):
        codes = np.array([_code(generator, n_qubits)[0] for generator in generators], dtype=np.int64)
        return _close_strings(codes, n_qubits, STRING_LIMIT if limit is None else limit)
    return _close_sums(generators, n_qubits, SUM_LIMIT if limit is None else limit)


def cliffords_first(ansatz: Ansatz) -> Ansatz:
    """Return the same circuit with all Clifford gates in front, where they belong to the preparation.

    C exp(-i a G) = exp(-i a C G C^dagger) C, exactly; so CX RZ CX becomes one rotation about Z Z, and an effective
    space or a Lie algebra needs no closing under the Clifford gates. States agree up to a global phase.

    Args:
        ansatz: Rotations of Pauli sums and Clifford gates.

    Returns:
        As many rotations, the parameters as they were.

    Raises:
        ValueError: A generator is neither a Pauli sum nor a Clifford gate.

    """
    if any(isinstance(rotation.generator, Excitation) for rotation in ansatz.rotations):
        raise ValueError("Argument `ansatz` must consist of Pauli sums and Clifford gates, but has an excitation")
    generators = [r.generator for r in ansatz.rotations if isinstance(r.generator, PauliSum | Clifford)]
    n_qubits = 1 + max((qubit for generator in generators for qubit in generator.qubits), default=0)
    later: list[Clifford] = []  # gates after the rotation, the first to act last
    turned: list[Rotation] = []
    for rotation in reversed(ansatz.rotations):
        generator = rotation.generator
        if isinstance(generator, Clifford):
            later.append(generator)
        elif isinstance(generator, PauliSum):
            terms = (_conjugated(factor, string, later[::-1], n_qubits) for factor, string in generator.terms)
            turned.append(Rotation(PauliSum(tuple(terms)), rotation.parameter, rotation.coefficient))
    gates = (Rotation(gate, None) for gate in later[::-1])
    return Ansatz(name=ansatz.name, rotations=(*gates, *turned[::-1]), n_parameters=ansatz.n_parameters)


def _conjugated(
    factor: float, string: PauliString, gates: Iterable[Clifford], n_qubits: int
) -> tuple[float, PauliString]:
    """Return C factor P C^dagger for the product C of gates, the first acting first: again one string."""
    masks, factor = string_masks(string, n_qubits), float(factor)
    for gate in gates:
        unitary = clifford_sum(gate, n_qubits)
        adjoint = {key: value.conjugate() for key, value in unitary.items()}
        product = multiply_sums(multiply_sums(unitary, {masks: 1.0}), adjoint)
        masks, sign = max(product.items(), key=lambda item: abs(item[1]))
        factor *= round(sign.real)
    x, z = masks
    bits = [(qubit, 1 << (n_qubits - 1 - qubit)) for qubit in range(n_qubits)]
    return factor, tuple((q, "IXZY"[bool(x & bit) + 2 * bool(z & bit)]) for q, bit in bits if (x | z) & bit)


def multiply_sums(first: MaskSum, second: MaskSum) -> MaskSum:
    """Return the product of two sums of Pauli strings.

    P(x, z) P(u, w) = i^(y_1 + y_2 - y_12) (-1)^|z & u| P(x ^ u, z ^ w), with y the numbers of letters Y.
    """
    product: MaskSum = {}
    for (x, z), left in first.items():
        for (u, w), right in second.items():
            power = (x & z).bit_count() + (u & w).bit_count() - ((x ^ u) & (z ^ w)).bit_count()
            phase = (1.0, 1.0j, -1.0, -1.0j)[(power + 2 * (z & u).bit_count()) % 4]
            key = (x ^ u, z ^ w)
            product[key] = product.get(key, 0.0) + phase * left * right
    return product


def _code(generator: WeightedStrings, n_qubits: int) -> list[int]:
    """Return each string of a generator as one integer, x in the upper and z in the lower n bits."""
    return [x << n_qubits | z for x, z in (string_masks(string, n_qubits) for _, string in generator)]


def _anticommute(codes: Codes, code: int, n_qubits: int) -> NDArray[np.bool_]:
    """Return which strings anticommute with one: they differ on an odd number of the qubits that they share."""
    swapped = (code & (1 << n_qubits) - 1) << n_qubits | code >> n_qubits
    return (np.bitwise_count(codes & swapped) & 1).astype(bool)


def _close_strings(generators: Codes, n_qubits: int, limit: int) -> LieAlgebra:
    """Close single strings, which is arithmetic of bits: the commutator of two is zero or again one string."""
    known = frontier = np.unique(generators)
    while len(frontier):
        found = [_missing(frontier[_anticommute(frontier, code, n_qubits)] ^ code, known) for code in generators]
        frontier = np.unique(np.concatenate(found))
        known = np.sort(np.concatenate([known, frontier]))
        if len(known) > limit:
            return LieAlgebra(dimension=limit, whole=False)
    return LieAlgebra(dimension=len(known), whole=True)


def _missing(codes: Codes, known: Codes) -> Codes:
    """Return the codes that are not in the sorted array `known`."""
    places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return codes[known[places] != codes]


class _Strings:
    """The strings seen so far; each is a column of the vectors."""

    def __init__(self, n_qubits: int) -> None:
        self.n_qubits = n_qubits
        self.column: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.column)

    @property
    def codes(self) -> Codes:
        return np.fromiter(self.column, dtype=np.int64, count=len(self.column))

    def columns(self, codes: Sequence[int]) -> Codes:
        """Return the column of each code, a new one where it was not seen before."""
        return np.array([self.column.setdefault(code, len(self.column)) for code in codes], dtype=np.int64)

    def commutators(self, codes: Codes, weights: Vector, rows: Vector) -> Vector:
        """Return (i / 2) [G, A] for G = sum_j w_j P_j and each row A, both as real coefficients of strings.

        (i / 2) [P_1, P_2] = i P_1 P_2 = i^(1 + y_1 + y_2 - y_12) (-1)^|z_1 & x_2| P_12 where they anticommute.
        """
        n, low = self.n_qubits, (1 << self.n_qubits) - 1
        used = np.flatnonzero(np.any(rows, axis=0))
        present = self.codes[used]
        parts: list[tuple[Codes, Vector]] = []
        for code, weight in zip(codes.tolist(), weights.tolist(), strict=True):
            partners = _anticommute(present, code, n)
            second = present[partners]
            y = [np.bitwise_count(c & low & c >> n).astype(np.int64) for c in (np.int64(code), second, second ^ code)]
            power = 1 + y[0] + y[1] - y[2] + 2 * np.bitwise_count((code & low) & second >> n).astype(np.int64)
            signs = weight * (1.0 - (power % 4))  # the power is 0 or 2
            parts.append((self.columns((second ^ code).tolist()), signs * rows[:, used[partners]]))
        out = np.zeros((len(rows), len(self)))
        for columns, values in parts:
            out[:, columns] += values
        return out


def _close_sums(generators: Sequence[WeightedStrings], n_qubits: int, limit: int) -> LieAlgebra:
    """Close sums of strings as vectors of real coefficients, by orthogonalisation."""
    strings = _Strings(n_qubits)
    sums = [(np.array(_code(g, n_qubits), dtype=np.int64), np.array([weight for weight, _ in g])) for g in generators]
    sums = [(codes, weights / np.linalg.norm(weights)) for codes, weights in sums]
    places = [strings.columns(codes.tolist()) for codes, _ in sums]
    first = np.zeros((len(sums), len(strings)))
    for row, columns, (_, weights) in zip(first, places, sums, strict=True):
        row[columns] = weights
    basis, done = _new_elements(first, np.zeros((0, len(strings)))), 0
    while done < len(basis):
        newest, done = basis[done:], len(basis)
        for codes, weights in sums:
            found = strings.commutators(codes, weights, newest)
            basis = np.pad(basis, ((0, 0), (0, len(strings) - basis.shape[1])))
            basis = np.concatenate([basis, _new_elements(found, basis)])
            if len(basis) > limit or basis.size > MOST_ENTRIES:
                return LieAlgebra(dimension=min(len(basis), limit), whole=False)
    return LieAlgebra(dimension=len(basis), whole=True)


def _new_elements(candidates: Vector, basis: Vector) -> Vector:
    """Return orthonormal rows that span what the candidates have outside the basis, each taken with length 1."""
    import scipy.linalg

    lengths = np.linalg.norm(candidates, axis=1, keepdims=True)
    present = lengths[:, 0] > LEAST_SHARE
    candidates = candidates[present] / lengths[present]
    for _ in range(2):
        candidates = candidates - (candidates @ basis.T) @ basis
        candidates = candidates[np.linalg.norm(candidates, axis=1) > LEAST_SHARE]
    if not len(candidates):
        return candidates
    columns, triangle, _ = scipy.linalg.qr(candidates.T, mode="economic", pivoting=True, check_finite=False)
    rows: Vector = columns.T[np.abs(np.diag(triangle)) > LEAST_SHARE]
    # small remainders were scaled up with their rounding: once more, now that they have length 1
    return np.linalg.qr((rows - (rows @ basis.T) @ basis).T)[0].T
