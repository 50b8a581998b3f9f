"""Symmetries of a Hamiltonian, found from it alone.

Of electrons: signed permutations of spin orbitals. Of qubits: Pauli strings that commute with every term, conserved
sums of one-qubit operators (U(1), SU(2)), and permutations of the qubits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vqe_prune.automorphism import PermutationGroup, permutation_symmetries
from vqe_prune.electrons import Electrons
from vqe_prune.paulis import PauliString, QubitHamiltonian, commutator, string_label

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
    terms' symplectic matrix, of which a largest commuting set is kept: the first ones that commute, where these are
    as many as can; else of two that anticommute the first, and the others are multiplied by the second where they
    anticommute with the first.

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
    low = (1 << n_qubits) - 1

    def anticommute(a: int, b: int) -> bool:
        return bool(((a & b >> n_qubits & low).bit_count() + (a >> n_qubits & b & low).bit_count()) % 2)

    first: list[int] = []
    for vector in kernel:
        if not any(anticommute(vector, other) for other in first):
            first.append(vector)
    largest: list[int] = []
    kernel.sort(key=lambda vector: bool(vector & low))  # strings of Z first: product states have definite values
    while kernel:
        vector, *rest = kernel
        largest.append(vector)
        partner = next((other for other in rest if anticommute(vector, other)), None)
        kernel = [v if partner is None or not anticommute(vector, v) else v ^ partner for v in rest if v != partner]
    chosen = first if len(first) == len(largest) else largest
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


Sum = tuple[tuple[float, PauliString], ...]
"""A real sum of Pauli strings."""


@dataclass(frozen=True, eq=False, kw_only=True)
class HamiltonianSymmetries:
    """What a qubit Hamiltonian commutes with.

    Attributes:
        parities: Independent Pauli strings that commute with it and with each other (Z2).
        charges: Independent conserved sums of X, of Y or of Z on single qubits (U(1)).
        su2: Whether the total X, Y and Z are all conserved.
        permutations: Permutations of the qubits that keep it.

    """

    parities: tuple[PauliString, ...]
    charges: tuple[Sum, ...]
    su2: bool
    permutations: PermutationGroup

    @property
    def register_wide(self) -> list[Sum]:
        """Every symmetry that acts on the register as a whole, charges first."""
        return [*self.charges, *(((1.0, string),) for string in self.parities)]

    def describe(self) -> list[str]:
        """Return one line a kind of symmetry, in words."""
        lines = [f"Z2: {', '.join(string_label(string) for string in self.parities) or 'none'}"]
        lines.append(f"U(1): {', '.join(sum_label(charge) for charge in self.charges) or 'none'}")
        if self.su2:
            lines.append("SU(2): total spin is conserved")
        group = self.permutations
        orbits = ", ".join("{" + " ".join(map(str, orbit)) + "}" for orbit in group.orbits)
        found = f"{group.order} permutations of the qubits, orbits {orbits}" if group.order > 1 else "none but identity"
        return [*lines, f"spatial: {found}"]


def sum_label(terms: Sum) -> str:
    """Return a short readable name of a sum, for example ``Z0 + Z1`` or ``sum of Z on 12 qubits``."""
    if len(terms) > 4 and len({(c, string[0][1]) for c, string in terms}) == 1:
        qubits = [string[0][0] for _, string in terms]
        every = "even " if all(q % 2 == 0 for q in qubits) else "odd " if all(q % 2 for q in qubits) else ""
        return f"sum of {terms[0][1][0][1]} on {len(terms)} {every}qubits"
    parts = [f"{'-' if c < 0 else '+'} {'' if abs(c) == 1 else f'{abs(c):.6g} '}{string_label(s)}" for c, s in terms]
    return " ".join(parts).removeprefix("+ ")


def hamiltonian_symmetries(hamiltonian: QubitHamiltonian, *, method: str = "auto") -> HamiltonianSymmetries:
    """Find what a qubit Hamiltonian commutes with, from its terms alone.

    Args:
        hamiltonian: Pauli strings with their coefficients.
        method: How permutations are searched, see `vqe_prune.automorphism.permutation_symmetries`.

    Returns:
        Z2, U(1), SU(2) and spatial symmetries.

    """
    n = hamiltonian.n_qubits
    charges = [charge for letter in "ZXY" for charge in conserved_sums(hamiltonian, letter)]
    totals = [tuple((1.0, ((q, letter),)) for q in range(n)) for letter in "XYZ"]
    return HamiltonianSymmetries(
        parities=tuple(pauli_symmetries(hamiltonian.strings, n)),
        charges=tuple(charges),
        su2=all(not commutator(total, hamiltonian.terms) for total in totals),
        permutations=permutation_symmetries(hamiltonian, method=method),
    )


def conserved_sums(hamiltonian: QubitHamiltonian, letter: str) -> list[Sum]:
    """Find independent sums sum_q a_q P_q of one letter that commute with a Hamiltonian.

    [H, sum_q a_q P_q] = 0 is a linear system for the a_q: one equation for each string that some [H, P_q] holds.

    Args:
        hamiltonian: The Hamiltonian.
        letter: X, Y or Z.

    Returns:
        A basis in reduced row echelon form, so that sums on separate qubits stay apart.

    """
    n = hamiltonian.n_qubits
    rows: dict[PauliString, NDArray[np.float64]] = {}
    for qubit in range(n):
        for string, value in commutator([(1.0, ((qubit, letter),))], hamiltonian.terms).items():
            rows.setdefault(string, np.zeros(n))[qubit] = value
    system = np.array([*rows.values()]).reshape(-1, n)
    _, values, vectors = np.linalg.svd(np.vstack([system, np.zeros((n, n))]), full_matrices=False)
    scale = max(values.max(initial=0.0), 1e-300)
    kernel = vectors[values < 1e-9 * scale] if len(system) else np.eye(n)
    found: list[Sum] = []
    for row in _row_echelon(kernel):
        found.append(tuple((float(a), ((q, letter),)) for q, a in enumerate(row) if a != 0.0))
    return found


def _row_echelon(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reduced row echelon form by Gauss and Jordan with pivoting; rounding is removed."""
    rows, pivot = rows.copy(), 0
    for column in range(rows.shape[1]):
        if pivot == len(rows):
            break
        best = pivot + int(np.argmax(np.abs(rows[pivot:, column])))
        if abs(rows[best, column]) < 1e-8:
            continue
        rows[[pivot, best]] = rows[[best, pivot]]
        rows[pivot] /= rows[pivot, column]
        others = np.arange(len(rows)) != pivot
        rows[others] -= np.outer(rows[others, column], rows[pivot])
        pivot += 1
    return np.round(rows[:pivot], 9) + 0.0
