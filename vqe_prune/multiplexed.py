"""Circuits of sums of Pauli strings that flip the same qubits: one rotation whose angle other qubits choose.

Excitations in every encoding that is linear in the occupations are such sums. CX from one flipped qubit, the target,
to the others leave it alone to turn, about X or Y with Z letters on other qubits. The 2^r strings of an excitation have
all products of r Z words; a walk in Gray code order through them takes one CZ a string.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vqe_prune.gates import HALF_PI, Gate, inverse_gates
from vqe_prune.paulis import PauliString

MOST_TARGETS = 6
"""Flipped qubits that are tried as the one that turns; strings of parity encodings flip many more."""

LARGEST_RANK = 6
"""Sums whose Z words span more than this many dimensions are not taken together."""

Known = Sequence[tuple[int, int]]
"""Sets of qubits (bit masks) and the parity of the ones in each, in every state that a circuit meets."""


class Multiplexed(NamedTuple):
    """The rotation exp(-i/2 sum_S angles[S] P Z^(base + sum_{j in S} directions[j])), S a set of directions.

    Attributes:
        flips: Qubits (bit mask) that every string flips.
        letter: X or Y, what P is on the target once CX from it to the other flipped qubits have undone their flips.
        base: Qubits with a Z letter in the string of the empty set; a letter on the target has no meaning.
        directions: Independent sets of qubits.
        angles: Radian, 2^r of them, bit j of the index for direction j; None where there is no string.

    """

    flips: int
    letter: str
    base: int
    directions: tuple[int, ...]
    angles: tuple[float | None, ...]


def bits(mask: int) -> list[int]:
    """Return the qubits of a bit mask, ascending."""
    return [q for q in range(mask.bit_length()) if mask >> q & 1]


def combined(masks: Sequence[int], chosen: int) -> int:
    """Return the sum over GF(2) of the masks that the bits of `chosen` name."""
    total = 0
    for k in bits(chosen):
        total ^= masks[k]
    return total


def shorten(mask: int, known: Known, ignored: int = 0) -> tuple[int, int]:
    """Return a Z word with as few letters as known parities allow, and the parity by which it differs.

    One or two parities at a time are tried: an exhaustive search doubles with every one of them.

    Args:
        mask: Qubits of the word.
        known: Parities.
        ignored: Qubits whose letters cost nothing.

    """
    bit, improved = 0, True
    while improved:
        improved = False
        weight = (mask & ~ignored).bit_count()
        if weight == 0:
            break
        for first, first_bit in known:
            for second, second_bit in ((0, 0), *known):
                candidate = mask ^ first ^ second
                if (candidate & ~ignored).bit_count() < weight:
                    mask, bit, improved = candidate, bit ^ first_bit ^ second_bit, True
                    weight = (candidate & ~ignored).bit_count()
    return mask, bit


def multiplexed_of(terms: Iterable[tuple[float, PauliString]], angle: float) -> Multiplexed | None:
    """Return exp(-i angle sum_j c_j P_j) of commuting strings that flip the same qubits; None where they do not fit."""
    found: dict[int, float] = {}
    flips = letter = None
    for coefficient, string in terms:
        x = sum(1 << q for q, name in string if name != "Z")
        z = sum(1 << q for q, name in string if name != "X")
        n_y = (x & z).bit_count()
        if x == 0 or (flips is not None and x != flips):
            return None
        flips, letter = x, "XY"[n_y % 2]  # i^n_y X^x Z^z becomes i^n_y X Z = i^(n_y - 1) Y on the target, or i^n_y X
        found[z] = 2.0 * angle * coefficient * (-1) ** (n_y // 2)
    if flips is None or letter is None:
        return None
    base = next(iter(found))
    positions = {base: 0}  # every word of the span with its set of directions
    directions: list[int] = []
    for word in found:
        if word not in positions:
            if len(directions) == LARGEST_RANK:
                return None
            positions |= {w ^ base ^ word: at | 1 << len(directions) for w, at in positions.items()}
            directions.append(word ^ base)
    angles: list[float | None] = [None] * len(positions)
    for word, value in found.items():
        angles[positions[word]] = value
    return Multiplexed(flips, letter, base, tuple(directions), tuple(angles))


class _Walk(NamedTuple):
    """A multiplexed rotation with its Z words brought onto single qubits.

    Attributes:
        target: The qubit that turns.
        gathers: CX (control, target) that bring the words onto the pivots.
        base: Qubits with a Z letter in every string.
        pivots: The qubit that holds each direction.
        angles: As in `Multiplexed`, bit j of the index for pivot j.

    """

    target: int
    gathers: tuple[tuple[int, int], ...]
    base: int
    pivots: tuple[int, ...]
    angles: tuple[float | None, ...]


def circuits_of(rotation: Multiplexed, known: Known = ()) -> list[list[Gate]]:
    """Return several circuits of a rotation, from which a caller takes the one that fits best to its neighbours.

    A single string takes 2 (m - 1 + w) two-qubit gates for m flipped qubits and w Z letters, a Givens rotation (two
    strings) as many, and r > 1 directions 2 (m - 1 + w) + 2^r and what their words need to be gathered.

    Args:
        rotation: What to turn.
        known: Parities that hold in every state that the circuit meets; it is exact on such states only.

    Source: the walk generalises the double excitation of Y. S. Yordanov, D. R. M. Arvidsson-Shukur, C. H. W. Barnes,
        Efficient quantum circuits for quantum computational chemistry, arXiv 2005.14475; ours is its use for any
        linear encoding and the shortening of words by parities known at that point of the circuit.

    """
    targets = bits(rotation.flips)
    if len(targets) > MOST_TARGETS:
        half = MOST_TARGETS // 2
        targets = [*targets[:half], *targets[-half:]]
    found = []
    for target in targets:
        walk = _gathered(rotation, target, known)
        found.append(_gates(rotation, walk))
        if len(walk.pivots) > 1:
            turned = walk._replace(angles=tuple(None if a is None else -a for a in walk.angles))
            found.append(inverse_gates(_gates(rotation, turned)))  # the same from its end: other gates stand there
    return found


def _gathered(rotation: Multiplexed, target: int, known: Known) -> _Walk:
    """Choose short words for the directions and bring each onto one qubit by CX."""
    hidden = ~(1 << target)
    rank = len(rotation.directions)
    parities = [(mask & hidden, bit) for mask, bit in known]
    words = []
    for chosen in range(1, 1 << rank):
        word, bit = shorten(combined(rotation.directions, chosen) & hidden, parities)
        words.append((word.bit_count(), chosen, word, bit))
    base, base_bit = rotation.base & hidden, 0
    basis: list[tuple[int, int]] = []  # for each pivot the set of directions it stands for, and a sign
    pivots: list[int] = []
    gathers: list[tuple[int, int]] = []
    span = {0}
    for _, chosen, word, bit in sorted(words):
        if chosen in span:
            continue
        span |= {each ^ chosen for each in span}
        for pivot, rest in _steps(pivots, gathers):
            word ^= rest if word >> pivot & 1 else 0
        for (other, other_bit), pivot in zip(basis, pivots, strict=True):
            if word >> pivot & 1:
                word, chosen, bit = word ^ 1 << pivot, chosen ^ other, bit ^ other_bit
        pivot = max(bits(word), key=lambda q: (rotation.flips >> q & 1, -q))
        rest = word ^ 1 << pivot
        gathers += [(q, pivot) for q in bits(rest)]
        parities = [(mask ^ rest if mask >> pivot & 1 else mask, value) for mask, value in parities]
        base ^= rest if base >> pivot & 1 else 0
        basis.append((chosen, bit))
        pivots.append(pivot)
    occupied = sum(1 << pivot for pivot in pivots)
    base, base_bit = shorten(base, parities, occupied)
    angles = []
    for index in range(1 << rank):
        at, sign = 0, base_bit
        for k, (chosen, bit) in enumerate(basis):
            if (index >> k ^ base >> pivots[k]) & 1:
                at, sign = at ^ chosen, sign ^ bit
        value = rotation.angles[at]
        angles.append(value if value is None else (-1) ** sign * value)
    return _Walk(target, tuple(gathers), base & ~occupied, tuple(pivots), tuple(angles))


def _steps(pivots: Sequence[int], gathers: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """For each pivot in turn the letters that a word with one there gains or loses."""
    return [(pivot, sum(1 << q for q, p in gathers if p == pivot)) for pivot in pivots]


def _gates(rotation: Multiplexed, walk: _Walk) -> list[Gate]:
    target, pivots = walk.target, walk.pivots
    others = [q for q in bits(rotation.flips) if q != target]
    givens = len(pivots) == 1 and pivots[0] in others
    fan = [Gate("cx", (target, q)) for q in others if not (givens and q == pivots[0])]
    into = [*fan, *(Gate("cx", pair) for pair in walk.gathers), *(Gate("cz", (q, target)) for q in bits(walk.base))]
    if givens:  # its CX from the target commutes with those gathered onto the same pivot
        core = _givens(target, pivots[0], rotation.letter, walk.angles)
    else:
        core = _gray_walk(rotation, walk)
    return [*into, *core, *reversed(into)]


def _gray_walk(rotation: Multiplexed, walk: _Walk) -> list[Gate]:
    """Turn once for every set of pivots; the last CZ is on a flipped pivot where there is one, to meet its CX."""
    gathered = {q for _, q in walk.gathers}
    rank = len(walk.pivots)
    order = sorted(range(rank), key=lambda k: bool(rotation.flips >> walk.pivots[k] & 1) and k not in gathered)
    gates, index = [], 0
    for step in range(1 << rank):
        angle = walk.angles[index]
        if angle is not None:
            gates.append(Gate(f"r{rotation.letter.lower()}", (walk.target,), angle))
        if rank:
            low = (step + 1) & -(step + 1)  # the bit that changes in Gray code; the last step closes the cycle
            toggled = order[min(low.bit_length() - 1, rank - 1)]
            index ^= 1 << toggled
            gates.append(Gate("cz", (walk.pivots[toggled], walk.target)))
    return gates


def _givens(target: int, pivot: int, letter: str, angles: Sequence[float | None]) -> list[Gate]:
    """exp(-i/2 (a XX - b YY)), or with S on the target exp(-i/2 (a YX + b XY)): what CX makes of a P + b P Z."""
    first, second = (angle or 0.0 for angle in angles)
    core = two_couplings((target, pivot), ((0.5 * first, "X"), (-0.5 * second, "Y")), 1.0)
    return core if letter == "X" else [Gate("sdg", (target,)), *core, Gate("s", (target,))]


_TO_XZ: dict[str, tuple[tuple[str, float | None], ...]] = {
    "XZ": (),
    "YZ": (("sdg", None),),
    "XY": (("rx", HALF_PI),),
}
"""Gates on each of two qubits that turn the first letter into X and the second into Z, up to signs that cancel."""


def two_couplings(qubits: Sequence[int], terms: Sequence[tuple[float, str]], angle: float) -> list[Gate]:
    """Build exp(-i angle (a PP + b QQ)): as XX and ZZ one CX makes X on the control and Z on the target of them.

    Args:
        qubits: Control and target.
        terms: (a, P) and (b, Q), two different letters.
        angle: Radian.

    """
    first, second = sorted(terms, key=lambda term: term[1])
    into = [Gate(name, (q,), turn) for name, turn in _TO_XZ[first[1] + second[1]] for q in qubits]
    control, target = qubits
    middle = [
        Gate("cx", (control, target)),
        Gate("rx", (control,), 2.0 * angle * first[0]),
        Gate("rz", (target,), 2.0 * angle * second[0]),
        Gate("cx", (control, target)),
    ]
    return [*into, *middle, *inverse_gates(into)]
