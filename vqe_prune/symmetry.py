"""Symmetries of a Hamiltonian: signed permutations of spin orbitals, and Pauli strings that commute with every term."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vqe_prune.electrons import Electrons

if TYPE_CHECKING:
    from openfermion import QubitOperator

DEGENERATE = 1e-6
"""Orbital energies (hartree) and integrals closer than this count as equal; SCF leaves differences of 1e-9."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SignedPermutation:
    """A symmetry that maps every spin orbital onto another one up to a sign: a+_p -> signs[p] a+_{targets[p]}.

    Attributes:
        name: How to call it in a reason.
        targets: Image of each spin orbital; shape (2 n_orbitals,).
        signs: +1 or -1 for each spin orbital; shape (2 n_orbitals,).

    """

    name: str
    targets: NDArray[np.int64]
    signs: NDArray[np.int64]


def spin_orbital_symmetries(electrons: Electrons) -> tuple[SignedPermutation, ...]:
    """Find the signed permutations that leave the Hamiltonian and the reference determinant as they are.

    The alpha-beta mirror holds where the electron numbers are equal. Degenerate partners are the two orbitals of each
    two-dimensional irrep, swapped all at once, as the mirror x <-> y of a linear molecule does; they are found from
    the integrals alone, each sign by elimination over GF(2).

    Args:
        electrons: Hamiltonian and electron numbers.

    Returns:
        The mirror, the partner map, both or none.

    """
    n = electrons.n_orbitals
    found = []
    if electrons.n_alpha == electrons.n_beta:
        spin_orbitals = np.arange(2 * n)
        found.append(
            SignedPermutation(name="alpha-beta mirror", targets=spin_orbitals ^ 1, signs=np.ones(2 * n, dtype=np.int64))
        )
    for targets in _partner_candidates(electrons):
        signs = _invariance_signs(electrons, targets)
        if signs is not None:
            interleaved = np.stack([2 * targets, 2 * targets + 1], axis=1).ravel()
            found.append(SignedPermutation(name="degenerate partner", targets=interleaved, signs=np.repeat(signs, 2)))
            break
    return tuple(found)


def orbital_energies(electrons: Electrons) -> NDArray[np.float64]:
    """Return the diagonal of the closed- or open-shell Fock operator of the reference, hartree, (n_orbitals,)."""
    orbitals = np.arange(electrons.n_orbitals)
    density = (orbitals < electrons.n_alpha).astype(float) + (orbitals < electrons.n_beta)
    coulomb = np.einsum("iijj->ij", electrons.two_body)
    exchange = np.einsum("ijji->ij", electrons.two_body)
    return np.diag(electrons.one_body) + (coulomb - 0.5 * exchange) @ density


def _partner_candidates(electrons: Electrons) -> Iterator[NDArray[np.int64]]:
    """Permutations that swap pairs of degenerate orbitals of different irreps, most pairs swapped first."""
    energies = orbital_energies(electrons)
    pairs: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for p in range(electrons.n_orbitals):
        partners = np.flatnonzero(np.abs(energies - energies[p]) < DEGENERATE)
        if len(partners) == 2 and partners[0] == p and electrons.irreps[p] != electrons.irreps[partners[1]]:
            q = int(partners[1])
            key = tuple(sorted((int(electrons.irreps[p]), int(electrons.irreps[q]))))
            pairs.setdefault((key[0], key[1]), []).append((p, q))
    choices = sorted(product((True, False), repeat=len(pairs)), key=lambda swapped: -sum(swapped))
    for swapped in choices:
        if not any(swapped):
            continue
        targets = np.arange(electrons.n_orbitals)
        for swap, members in zip(swapped, pairs.values(), strict=True):
            for p, q in members if swap else ():
                targets[[p, q]] = q, p
        if all(set(targets[:k]) == set(range(k)) for k in (electrons.n_alpha, electrons.n_beta)):
            yield targets


def _invariance_signs(electrons: Electrons, targets: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Signs that make the permutation a symmetry of all integrals, None where there are none."""
    equations: dict[int, int] = {}  # mask of the orbitals whose signs multiply -> 1 where the product must be -1
    for tensor in (electrons.one_body, electrons.two_body):
        image = tensor[np.ix_(*[targets] * tensor.ndim)]
        if np.abs(np.abs(image) - np.abs(tensor)).max() > DEGENERATE:
            return None
        indices = np.argwhere(np.abs(tensor) > DEGENERATE)
        masks = np.bitwise_xor.reduce(np.int64(1) << indices, axis=1)
        negative = (image * tensor < 0)[tuple(indices.T)]
        for mask, bit in np.unique(np.stack([masks, negative], axis=1), axis=0):
            if equations.setdefault(int(mask), int(bit)) != int(bit):
                return None
    solution = _solve_gf2([(mask, bit) for mask, bit in equations.items()], electrons.n_orbitals)
    if solution is None:
        return None
    return np.array([-1 if solution >> p & 1 else 1 for p in range(electrons.n_orbitals)])


def _solve_gf2(equations: Iterable[tuple[int, int]], n_unknowns: int) -> int | None:
    """Solve parity(mask & x) = bit for all equations; unknowns that are free are 0; None where they contradict."""
    pivots: dict[int, tuple[int, int]] = {}
    for mask, bit in equations:
        for pivot, (row, value) in pivots.items():
            if mask >> pivot & 1:
                mask, bit = mask ^ row, bit ^ value
        if mask == 0:
            if bit:
                return None
            continue
        new = mask.bit_length() - 1
        for pivot, (row, value) in pivots.items():
            if row >> new & 1:
                pivots[pivot] = (row ^ mask, value ^ bit)
        pivots[new] = (mask, bit)
    return sum(1 << pivot for pivot, (_, value) in pivots.items() if value and pivot < n_unknowns)


def pauli_symmetries(terms: Sequence[Sequence[tuple[int, str]]], n_qubits: int) -> list[tuple[tuple[int, str], ...]]:
    """Find independent Pauli strings that commute with every term of a Hamiltonian and with each other.

    A string (x|z) commutes with a term (x'|z') when x.z' + z.x' = 0 over GF(2); the strings are the kernel of the
    terms' symplectic matrix, of which a mutually commuting set is kept.

    Args:
        terms: Pauli strings as OpenFermion writes them, tuples of (qubit, "X" | "Y" | "Z").
        n_qubits: Number of qubits.

    Returns:
        Generators of the Z2 symmetries in the same form.

    """
    rows = {
        sum(1 << (q + n_qubits * (op == "X")) | (op == "Y") << q | (op == "Y") << (q + n_qubits) for q, op in term)
        for term in terms
    }  # bit q: z of qubit q, bit n + q: x; swapped below by reading the kernel as (x|z)
    kernel = kernel_gf2(rows, 2 * n_qubits)
    chosen: list[int] = []
    low = (1 << n_qubits) - 1
    for vector in kernel:
        x, z = vector & low, vector >> n_qubits
        if all((bin(x & (v >> n_qubits)).count("1") + bin(z & v & low).count("1")) % 2 == 0 for v in chosen):
            chosen.append(vector)
    letters = {(0, 1): "Z", (1, 0): "X", (1, 1): "Y"}
    return [
        tuple(
            (q, letters[(v >> q & 1, v >> (q + n_qubits) & 1)])
            for q in range(n_qubits)
            if (v >> q | v >> (q + n_qubits)) & 1
        )
        for v in chosen
    ]


def kernel_gf2(rows: Iterable[int], n_columns: int) -> list[int]:
    """Return a basis of the bit masks v with an even number of bits in row & v for every row.

    Args:
        rows: Bit masks.
        n_columns: Number of bits.

    """
    pivots: dict[int, int] = {}
    for row in rows:
        for pivot, pivot_row in pivots.items():
            if row >> pivot & 1:
                row ^= pivot_row
        if row == 0:
            continue
        new = row.bit_length() - 1
        for pivot in pivots:
            if pivots[pivot] >> new & 1:
                pivots[pivot] ^= row
        pivots[new] = row
    free = [column for column in range(n_columns) if column not in pivots]
    return [1 << column | sum(1 << p for p, row in pivots.items() if row >> column & 1) for column in free]


def terms_of(operator: QubitOperator) -> list[tuple[tuple[int, str], ...]]:
    """Return the Pauli strings of an OpenFermion operator, the identity left out."""
    return [term for term in operator.terms if term]
