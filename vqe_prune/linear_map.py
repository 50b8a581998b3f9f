"""Encodings that are linear in the occupations: each qubit holds the parity of some spin orbitals.

Jordan-Wigner, parity and Bravyi-Kitaev are three such maps. Only the states matter that an ansatz can reach: its
excitations flip their spin orbitals all at once, so occupations stay in the reference plus the span of their supports
over GF(2). A set of spin orbitals that shares an even number with each support is a conserved parity: particle numbers,
point groups, pairs that never break, idle spin orbitals, whatever there is. Tapering keeps as many qubits as the span
has dimensions. Terms of the Hamiltonian that leave the span have no expectation value and are left out.

Reference: S. Bravyi, J. M. Gambetta, A. Mezzacapo, K. Temme, Tapering off qubits to simulate fermionic Hamiltonians,
    arXiv 1701.08213; taking the parities of the ansatz instead of those of the Hamiltonian is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation
from vqe_prune.circuit import operator_sign
from vqe_prune.gates import Gate, append_known, merge_controlled
from vqe_prune.multiplexed import Multiplexed, bits, circuits_of, combined
from vqe_prune.paulis import PauliString, QubitHamiltonian, qubit_hamiltonian_of
from vqe_prune.symmetry import kernel_gf2

NEGLIGIBLE = 1e-12
"""Coefficients (hartree) below this are rounding."""


@dataclass(frozen=True, kw_only=True)
class LinearMap:
    """Qubits that hold parities of occupations, for occupations reference + any sum of `flips`.

    Attributes:
        reference: Filled spin orbitals, a bit mask.
        rows: For each qubit the spin orbitals whose parity it holds, bit masks.
        flips: For each qubit the spin orbitals that change when it alone changes; row q and flip r share an odd number
            of them where q = r, else an even one.

    """

    reference: int
    rows: tuple[int, ...]
    flips: tuple[int, ...]

    @cached_property
    def start(self) -> int:
        """The reference on the qubits, a bit mask."""
        return sum(_parity(row & self.reference) << q for q, row in enumerate(self.rows))

    def word(self, spin_orbitals: int) -> tuple[int, int]:
        """Return the qubits whose parity is that of some spin orbitals, and the constant to add to it."""
        mask = sum(_parity(spin_orbitals & flip) << q for q, flip in enumerate(self.flips))
        return mask, _parity(spin_orbitals & self.reference) ^ _parity(mask & self.start)

    def flipped(self, spin_orbitals: int) -> int | None:
        """Return the qubits that change when some spin orbitals do; None where these leave the map's occupations."""
        mask = sum(_parity(row & spin_orbitals) << q for q, row in enumerate(self.rows))
        return mask if combined(self.flips, mask) == spin_orbitals else None

    def hamiltonian(self, terms: Mapping[PauliString, complex]) -> QubitHamiltonian:
        """Return a Jordan-Wigner Hamiltonian on these qubits.

        Args:
            terms: Coefficient of each string, qubit k spin orbital k, such as the `.terms` of an OpenFermion operator.

        """
        found: dict[PauliString, complex] = {}
        for string, coefficient in terms.items():
            x = sum(1 << q for q, letter in string if letter != "Z")
            z = sum(1 << q for q, letter in string if letter != "X")
            flips = self.flipped(x)
            if flips is None:
                continue
            word, sign = self.word(z)
            # Y = i X Z, so a string is i^n_y X^x Z^z; the number of Y differs between the two by an even one
            phase = (-1) ** (sign + ((x & z).bit_count() - (flips & word).bit_count()) // 2)
            letters = tuple((q, _letter(flips >> q & 1, word >> q & 1)) for q in bits(flips | word))
            found[letters] = found.get(letters, 0.0) + phase * coefficient
        kept = {string: c for string, c in found.items() if abs(c) > NEGLIGIBLE or not string}
        return qubit_hamiltonian_of(kept, len(self.rows))

    def numbers(self, spins: Sequence[int]) -> list[tuple[tuple[int, ...], int]]:
        """Return sets of qubits whose number of ones is that of alpha or of beta electrons, where there are some.

        Args:
            spins: Spin orbitals of alpha and of beta electrons, bit masks.

        """
        found = []
        for spin in spins:
            qubits = []
            for orbital in bits(spin):
                mask, constant = self.word(1 << orbital)
                if mask:
                    qubits.append(mask if mask.bit_count() == 1 and not constant else 0)
            if qubits and all(qubits) and len(set(qubits)) == len(qubits):
                places = tuple(sorted(mask.bit_length() - 1 for mask in qubits))
                found.append((places, sum(self.start >> q & 1 for q in places)))
        return list(dict.fromkeys(found))


def _letter(x: int, z: int) -> str:
    return "Y" if x and z else "X" if x else "Z"


def _parity(mask: int) -> int:
    return mask.bit_count() & 1


def parity_rows(encoding: str, n: int) -> tuple[int, ...]:
    """Return the spin orbitals whose parity each of n qubits holds, bit masks.

    Args:
        encoding: ``jordan_wigner`` (its own spin orbital), ``parity`` (all up to its own) or ``bravyi_kitaev`` (as many
            up to its own as the lowest set bit of its number, counted from 1: a Fenwick tree).
        n: Number of spin orbitals.

    Reference: J. T. Seeley, M. J. Richard, P. J. Love, The Bravyi-Kitaev transformation for quantum computation of
        electronic structure, arXiv 1208.5986.

    """
    lengths = {
        "jordan_wigner": [1] * n,
        "parity": list(range(1, n + 1)),
        "bravyi_kitaev": [k & -k for k in range(1, n + 1)],
    }
    return tuple(((1 << length) - 1) << (q + 1 - length) for q, length in enumerate(lengths[encoding]))


def span_of(supports: Iterable[int]) -> list[int]:
    """Return independent ones of some bit masks, in their order."""
    found: list[int] = []
    reduced: dict[int, int] = {}
    for support in supports:
        rest = support
        for pivot, row in reduced.items():
            rest ^= row if rest >> pivot & 1 else 0
        if rest:
            reduced[rest.bit_length() - 1] = rest
            found.append(support)
    return found


def supports_of(ansatz: Ansatz) -> list[int]:
    """Return the spin orbitals of each excitation as bit masks."""
    return [sum(1 << q for q in excitation.spin_orbitals) for excitation in ansatz.excitations]


def linear_map(encoding: str, supports: Sequence[int], reference: int, n: int, *, tapered: bool) -> LinearMap:
    """Return the map of an encoding to the qubits that an ansatz needs.

    Args:
        encoding: As in `parity_rows`.
        supports: Spin orbitals of each excitation, bit masks.
        reference: Filled spin orbitals, a bit mask.
        n: Number of spin orbitals.
        tapered: Remove a qubit for every conserved parity; else only the qubits that never change.

    """
    rows = parity_rows(encoding, n)
    span = span_of(supports)
    active = [row for row in rows if any(_parity(row & support) for support in span)]
    if not tapered:
        # the other rows stay as they are: the columns of the inverse of all rows are what one qubit flips
        return LinearMap(reference=reference, rows=tuple(active), flips=_dual(rows, [1 << p for p in range(n)], active))
    chosen: list[int] = []
    images: list[int] = []
    for row in active:
        image = sum(_parity(row & support) << k for k, support in enumerate(span))
        if len(span_of([*images, image])) > len(images):
            chosen.append(row)
            images.append(image)
    return LinearMap(reference=reference, rows=tuple(chosen), flips=_dual(chosen, span, chosen))


def paired_map(supports: Sequence[int], reference: int, n: int, *, all_pairs: bool = False) -> LinearMap:
    """Return the Jordan-Wigner map with one qubit for each orbital that is only ever empty or doubly occupied.

    Args:
        supports: Spin orbitals of each excitation, bit masks.
        reference: Filled spin orbitals, a bit mask.
        n: Number of spin orbitals.
        all_pairs: Every orbital that is touched is one of those, so that only whole pairs move.

    """
    rows, flips = [], []
    for alpha in range(0, n, 2):
        both = 3 << alpha
        touched = [s for s in supports if s & both]
        paired = all(s & both == both for s in touched) and _parity(reference & both) == 0
        if touched and paired:
            rows.append(1 << alpha)
            flips.append(both)
        elif not all_pairs:
            own = [1 << q for q in (alpha, alpha + 1) if any(s >> q & 1 for s in touched)]
            rows += own
            flips += own
    return LinearMap(reference=reference, rows=tuple(rows), flips=tuple(flips))


def _dual(rows: Sequence[int], span: Sequence[int], wanted: Sequence[int]) -> tuple[int, ...]:
    """For each wanted row the vector of the span that has an odd overlap with it alone among all rows; GF(2)."""
    images = [sum(_parity(row & vector) << k for k, row in enumerate(rows)) for vector in span]
    vectors = list(span)
    for k in range(len(rows)):
        pivot = next(j for j in range(k, len(images)) if images[j] >> k & 1)
        images[k], images[pivot] = images[pivot], images[k]
        vectors[k], vectors[pivot] = vectors[pivot], vectors[k]
        for j in range(len(images)):
            if j != k and images[j] >> k & 1:
                images[j] ^= images[k]
                vectors[j] ^= vectors[k]
    return tuple(vectors[list(rows).index(row)] for row in wanted)


def mapped_gates(ansatz: Ansatz, angles: NDArray[np.float64], encoded: LinearMap) -> list[Gate]:
    """Build the circuit of an ansatz of excitations on the qubits of a map, reference included.

    Every excitation is a multiplexed rotation (see `multiplexed`). Parities that no excitation up to there changes are
    known at that point, so its Z words shrink; some qubits are still |0> or |1>, so CX on them go; and of several
    circuits of a rotation the one is taken whose gates cancel most with those before. All of this follows from the
    structure alone, not from angles.

    Args:
        ansatz: Excitation rotations.
        angles: Parameters, radian; shape (n_parameters,).
        encoded: The qubits.

    Returns:
        The gates; the circuit prepares the state from |0...0> and is no more than that.

    """
    n_qubits = len(encoded.rows)
    gates: list[Gate] = []
    bits_known = dict.fromkeys(range(n_qubits), 0)
    for qubit in bits(encoded.start):
        append_known(gates, bits_known, Gate("x", (qubit,)))
    reached: list[int] = []
    parities: list[tuple[int, int]] = [(1 << q, encoded.start >> q & 1) for q in range(n_qubits)]
    for excitation, angle in zip(ansatz.excitations, ansatz.rotation_angles(angles), strict=True):
        flips = encoded.flipped(sum(1 << q for q in excitation.spin_orbitals))
        if flips is None:
            raise ValueError(f"Argument `encoded` must hold {excitation.label}, but it leaves its occupations")
        rotation = encoded_excitation(encoded, excitation, float(angle), parities)
        if rotation is None:
            continue  # it acts on no state that there is yet
        if len(span_of([*reached, flips])) > len(reached):
            reached.append(flips)
            parities = [(mask, _parity(mask & encoded.start)) for mask in kernel_gf2(reached, n_qubits)]
        _append_best(gates, bits_known, circuits_of(rotation, parities))
    return merge_controlled(gates)


RECENT = 200
"""Gates at a circuit's end that a new rotation's gates may cancel with."""


def _append_best(gates: list[Gate], known: dict[int, int], candidates: Sequence[Sequence[Gate]]) -> None:
    """Append the candidate that leaves fewest two-qubit gates."""
    best: tuple[int, list[Gate], dict[int, int]] | None = None
    for candidate in candidates:
        longer, bits_known = gates[-RECENT:], dict(known)
        for gate in candidate:
            append_known(longer, bits_known, gate)
        cost = sum(len(gate.qubits) == 2 for gate in longer)
        if best is None or cost < best[0]:
            best = cost, longer, bits_known
    assert best is not None
    gates[-RECENT:] = best[1]
    known.clear()
    known.update(best[2])


def encoded_excitation(
    encoded: LinearMap, excitation: Excitation, angle: float, known: Sequence[tuple[int, int]]
) -> Multiplexed | None:
    """Return exp(angle (T - T^dagger)) on the qubits of a map; None where it acts on no state with these parities.

    T - T^dagger flips the excitation's spin orbitals where the annihilated ones are filled and the created ones empty,
    or the other way round. With one annihilated spin orbital d it is -s (-1)^(n_d) X^f prod_j (1 + (-1)^(u_j)) / 2: the
    parities u_j of d and each other one are fixed, and s is the fermionic sign, the parity of what lies between. Each
    u_j that known parities and the others fix halves the number of Z words.

    Args:
        encoded: The map.
        excitation: T.
        angle: Radian.
        known: Parities of qubits that hold before and after the rotation.

    """
    own = sum(1 << q for q in excitation.spin_orbitals)
    flips = encoded.flipped(own)
    if not flips:
        return None
    first = excitation.annihilated[0]
    between = 0
    qubits = excitation.spin_orbitals
    for low, high in zip(qubits[0::2], qubits[1::2], strict=True):
        between ^= ((1 << high) - (1 << (low + 1))) & ~own
    base, sign = encoded.word(between ^ 1 << first)
    directions: list[int] = []
    values: list[int] = []
    for other in qubits:
        if other == first:
            continue
        word, constant = encoded.word(1 << first ^ 1 << other)
        required = constant ^ (other in excitation.created)  # of the parity of `word` where the rotation acts
        dependent = _dependence(word, [*known, *zip(directions, values, strict=True)])
        if dependent is None:
            directions.append(word)
            values.append(required)
        elif dependent != required:
            return None
    rank = len(directions)
    scale = -2.0 * angle * operator_sign(excitation) * (-1) ** sign / 2**rank
    signs = sum(value << k for k, value in enumerate(values))
    weights = [scale * (-1) ** _parity(signs & chosen) for chosen in range(1 << rank)]
    return Multiplexed(flips, "Y", base, tuple(directions), tuple(weights))


def _dependence(word: int, fixed: Sequence[tuple[int, int]]) -> int | None:
    """Return the parity of a word that follows from given ones; None where none does."""
    reduced: dict[int, tuple[int, int]] = {}
    mask, value = word, 0
    for mask, value in [*fixed, (word, 0)]:
        for pivot, (row, bit) in reduced.items():
            if mask >> pivot & 1:
                mask, value = mask ^ row, value ^ bit
        if mask:
            reduced[mask.bit_length() - 1] = mask, value
    return None if mask else value
