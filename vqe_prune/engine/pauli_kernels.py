"""Numba kernels of the state-vector engine: Pauli rotations and Clifford gates in place, and H psi.

A Pauli string acts as P|k> = i^nY (-1)^|k & z| |k ^ x>, nY the number of Y, so exp(-i t P) couples pairs (k, k ^ x):

    a' = c a - i s conj(f) b,    b' = c b - i s f a,    a = psi[k], b = psi[k ^ x], f = i^nY (-1)^|k & z|.

f is real for even nY and imaginary for odd nY, so every case needs real factors only. Below the lowest bit of x | z
the sign does not change: loops run over *runs* of 2^low neighbouring amplitudes, or, where runs are short, over blocks
with a table of signs. Neighbouring gates without X and Y are one pass: products of their phases, block by block.
"""
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False, disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

DIAGONAL, EVEN, ODD, CLIFFORD = range(4)
"""Kinds of gates: Pauli strings without X and Y, with even and odd number of Y; and Clifford gates."""

BLOCK_BITS = 10
"""H psi is made in blocks of 2^10 amplitudes: the block written and the block read stay in the first-level cache."""

FUSED_BITS = 9
"""Diagonal gates share a pass in blocks of 2^9 amplitudes: two states, phases and overlaps stay in that cache."""

SHORT_RUN = 8
"""Below this length a loop over a run costs more than what it does: blocks of 32 with a table of signs instead."""

_SIGNS = np.array([[1.0 - 2.0 * ((j & z).bit_count() % 2) for j in range(32)] for z in range(32)])

WHOLE = np.zeros(1, dtype=np.int64)
"""The values of a segment that is not split."""


class Gates(NamedTuple):
    """An ansatz compiled to elementary gates: one for each Pauli string of a generator, one for each Clifford gate.

    Attributes:
        kinds: DIAGONAL, EVEN, ODD or CLIFFORD; shape (n_gates,).
        x: Bits flipped; shape (n_gates,).
        z: Bits whose parity gives the sign, or on which the condition of a Clifford gate lies; shape (n_gates,).
        values: What those bits must be for a Clifford gate to act on k; shape (n_gates,).
        signs: +1 or -1, the real factor in i^nY; shape (n_gates,).
        matrices: What a Clifford gate does to a pair (k, k ^ x), row by row; shape (n_gates, 4).

    """

    kinds: NDArray[np.int64]
    x: NDArray[np.int64]
    z: NDArray[np.int64]
    values: NDArray[np.int64]
    signs: NDArray[np.float64]
    matrices: NDArray[np.complex128]


class Terms(NamedTuple):
    """A Hamiltonian's Pauli strings, those that flip the same bits together.

    Attributes:
        diagonal: Sum of all strings without X and Y on every basis state; shape (2^n,).
        flips: Bits flipped by each group; shape (n_groups,).
        starts: First string of each group and, last, the number of strings; shape (n_groups + 1,).
        z: Bits whose parity gives the sign; shape (n_strings,).
        weights: Coefficient times (-i)^nY; shape (n_strings,).

    """

    diagonal: NDArray[np.float64]
    flips: NDArray[np.int64]
    starts: NDArray[np.int64]
    z: NDArray[np.int64]
    weights: NDArray[np.complex128]


def _kernel(function: Any) -> Any:
    """Compile; sums may be reordered, so that they vectorise, but NaN and infinity stay what they are."""
    return njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})(function)


@_kernel
def _sign(bits):
    """Return (-1)^(number of set bits); there are no more than 32 qubits."""
    bits ^= bits >> 16
    bits ^= bits >> 8
    bits ^= bits >> 4
    return 1.0 - 2.0 * ((0x6996 >> (bits & 15)) & 1)


@_kernel
def _highest(x):
    """Return the highest set bit of x as a mask: a pair (k, k ^ x) is met once, at the k where that bit is 0."""
    bit = 1
    while x >> 1:
        bit, x = bit << 1, x >> 1
    return bit


@_kernel
def _run(mask):
    """Return how many neighbouring amplitudes are treated alike: up to the lowest set bit."""
    return mask & -mask


@_kernel
def _insert(m, mask):
    """Return m with a 0 inserted at every set bit of a mask."""
    while mask:
        bit = mask & -mask
        low = m & (bit - 1)
        m = ((m - low) << 1) | low
        mask ^= bit
    return m


@_kernel
def _count(mask):
    """Return the number of set bits."""
    count = 0
    while mask:
        mask &= mask - 1
        count += 1
    return count


@_kernel
def _turn(odd, c, t, a, b):
    """Return the pair (a, b) after a rotation; t is the sine with the sign of f."""
    if odd:
        return (
            complex(c * a.real - t * b.real, c * a.imag - t * b.imag),
            complex(c * b.real + t * a.real, c * b.imag + t * a.imag),
        )
    return (
        complex(c * a.real + t * b.imag, c * a.imag - t * b.real),
        complex(c * b.real + t * a.imag, c * b.imag - t * a.real),
    )


@_kernel
def _block(length, split, largest):
    """Return how many neighbouring amplitudes make a block: no more than all of them, or than a piece has in a row."""
    return min(length, largest, _run(split)) if split else min(length, largest)


@_kernel
def _rotate_diagonal(z, run, c, s, psi, split, value):
    for m in range(0, len(psi) >> _count(split), run):
        start = _insert(m, split) | value
        t = s * _sign(start & z)
        for k in range(start, start + run):
            a = psi[k]
            psi[k] = complex(c * a.real + t * a.imag, c * a.imag - t * a.real)


@_kernel
def _rotate_pairs(odd, x, z, c, s, psi, split, value):
    """Rotate by a Pauli string with X or Y."""
    run = _run(x | z | split)
    if run >= SHORT_RUN:
        zeros = split | _highest(x)
        for m in range(0, len(psi) >> _count(zeros), run):
            start = _insert(m, zeros) | value
            t = s * _sign(start & z)
            near, far = psi[start : start + run], psi[start ^ x : (start ^ x) + run]
            for k in range(run):
                near[k], far[k] = _turn(odd, c, t, near[k], far[k])
        return
    block = _block(len(psi), split, len(_SIGNS))
    inside = x < block  # pairs inside a block, or between two
    zeros, step, pairs = (split, _highest(x), block >> 1) if inside else (split | _highest(x), block, block)
    low, signs = x & (block - 1), _SIGNS[z & (block - 1)]
    for m in range(0, len(psi) >> _count(zeros), block):
        start = _insert(m, zeros) | value
        t = s * _sign(start & z)
        other = start ^ (x - low)
        near, far = psi[start : start + block], psi[other : other + block]
        for i in range(pairs):
            j = ((i & -step) << 1) | (i & (step - 1))  # i with a 0 inserted at the bit `step`
            near[j], far[j ^ low] = _turn(odd, c, t * signs[j], near[j], far[j ^ low])


@_kernel
def _overlap(gates, r, lam, psi, split, value):
    """Return Im <lam|P|psi> on one piece for the Pauli string P of gate r."""
    x, z, odd = gates.x[r], gates.z[r], gates.kinds[r] == ODD
    run = _run(x | z | split)
    long = run >= len(_SIGNS)  # a sum over a shorter one costs more to finish than to make
    block = run if long else _block(len(psi), split, len(_SIGNS))
    low, signs = x & (block - 1), _SIGNS[z & (block - 1) & (len(_SIGNS) - 1)]
    overlap = 0.0
    for m in range(0, len(psi) >> _count(split), block):
        start = _insert(m, split) | value
        source, total = start ^ (x - low), 0.0
        bra, ket = lam[start : start + block], psi[source : source + block]
        if long:
            for k in range(block):
                product = bra[k].conjugate() * ket[k]
                total -= product.real if odd else -product.imag
        else:
            for k in range(block):
                product = bra[k].conjugate() * ket[k ^ low]
                total -= signs[k] * (product.real if odd else -product.imag)
        overlap += total * _sign(start & z)
    return overlap * gates.signs[r]


@_kernel
def _clifford(x, bits, wanted, run, matrix, adjoint, psi, split, value):
    """Apply a 2 x 2 matrix, or its adjoint, to the pairs (k, k ^ x) with k & bits == wanted; for x = 0 a phase."""
    m00, m01, m10, m11 = matrix[0], matrix[1], matrix[2], matrix[3]
    if adjoint:
        m00, m01, m10, m11 = m00.conjugate(), m10.conjugate(), m01.conjugate(), m11.conjugate()
    for m in range(0, len(psi) >> _count(split), run):
        start = _insert(m, split) | value
        if start & bits == wanted:
            shift = (start ^ x) - start
            for k in range(start, start + run):
                a, b = psi[k], psi[k + shift]
                psi[k] = m00 * a + m01 * b
                psi[k + shift] = m10 * a + m11 * b


@_kernel
def _apply(gates, r, c, s, adjoint, psi, split, value):
    """Apply gate r, or its adjoint, to psi in place; a rotation by the angle whose cosine and sine are c and s."""
    kind, x, z = gates.kinds[r], gates.x[r], gates.z[r]
    run = _run(x | z | split)
    t = -s * gates.signs[r] if adjoint else s * gates.signs[r]
    if kind == DIAGONAL:
        _rotate_diagonal(z, run, c, t, psi, split, value)
    elif kind == CLIFFORD:
        _clifford(x, z, gates.values[r], run, gates.matrices[r], adjoint, psi, split, value)
    else:
        _rotate_pairs(kind == ODD, x, z, c, t, psi, split, value)


@_kernel
def _low_strings(z, first, last, block):
    """Return the distinct z & (block - 1) of some gates, ascending, and the place of each among them."""
    places, lows, n = np.zeros(block, dtype=np.int64), np.empty(block, dtype=np.int64), 0
    for r in range(first, last):
        places[z[r] & (block - 1)] = 1
    for low in range(block):
        if places[low]:
            places[low], lows[n] = n, low
            n += 1
    return lows[:n], places


@_kernel
def _block_phases(gates, cosines, sines, first, last, start, lows, places, phases, work):
    """Write the product of all phases of diagonal gates [first, last) on the block at `start` to phases.

    Strings alike inside the block are one phase factor. Where a bit is 1 instead of 0, the factors of the strings
    that have it as highest bit are conjugated: one bit after another doubles what is known of the block.
    """
    block = len(phases)
    factors = np.ones(len(lows), dtype=np.complex128)
    for r in range(first, last):
        z = gates.z[r]
        factors[places[z & (block - 1)]] *= complex(cosines[r], -sines[r] * _sign(start & z))
    g = 1 if lows[0] == 0 else 0
    phases[0] = factors[0] if g else 1.0
    half = 1
    while half < block:
        work[:half] = 1.0
        while g < len(lows) and lows[g] < 2 * half:
            rest, factor = lows[g] - half, factors[g]
            run = _run(rest) if rest else half
            for k in range(0, half, run):
                signed = complex(factor.real, factor.imag * _sign(k & rest))
                for j in range(k, k + run):
                    work[j] *= signed
            g += 1
        for j in range(half):
            phases[half + j] = phases[j] * work[j].conjugate()
            phases[j] *= work[j]
        half *= 2


@_kernel
def _rotate_fused(gates, cosines, sines, first, last, psi, split, value):
    """Apply neighbouring diagonal gates [first, last) to one piece in one pass."""
    block = _block(len(psi), split, 1 << FUSED_BITS)
    lows, places = _low_strings(gates.z, first, last, block)
    phases, work = np.empty(block, dtype=np.complex128), np.empty(block, dtype=np.complex128)
    for m in range(0, len(psi) >> _count(split), block):
        start = _insert(m, split) | value
        _block_phases(gates, cosines, sines, first, last, start, lows, places, phases, work)
        amplitudes = psi[start : start + block]
        for j in range(block):
            amplitudes[j] *= phases[j]


@_kernel
def _unwind_fused(gates, cosines, sines, first, last, psi, lam, overlaps, split, value):
    """Undo neighbouring diagonal gates on one piece of psi and lam in one pass; add Im <lam|P|psi> to overlaps.

    The gates leave Im (conj(lam) psi) of each amplitude alone: its transform holds the overlap of every string.
    """
    block = _block(len(psi), split, 1 << FUSED_BITS)
    lows, places = _low_strings(gates.z, first, last, block)
    phases, work = np.empty(block, dtype=np.complex128), np.empty(block, dtype=np.complex128)
    products = np.empty(block)
    for m in range(0, len(psi) >> _count(split), block):
        start = _insert(m, split) | value
        _block_phases(gates, cosines, sines, first, last, start, lows, places, phases, work)
        amplitudes, others = psi[start : start + block], lam[start : start + block]
        for j in range(block):
            a, u, back = amplitudes[j], others[j], phases[j].conjugate()
            products[j] = u.real * a.imag - u.imag * a.real
            amplitudes[j] = a * back
            others[j] = u * back
        transform(products, block)
        for r in range(first, last):
            overlaps[r] += _sign(start & gates.z[r]) * products[gates.z[r] & (block - 1)]


@_kernel
def rotate(gates, cosines, sines, psi, first, last, split, values, lo, hi):
    """Apply the gates [first, last) to psi in place, one piece after another.

    A piece is where the bits of the mask `split` are those of one of values[lo:hi]; no gate may flip such a bit.
    """
    for piece in range(lo, hi):
        r = first
        while r < last:
            begin = r
            while r < last and gates.kinds[r] == DIAGONAL:
                r += 1
            if r > begin:
                _rotate_fused(gates, cosines, sines, begin, r, psi, split, values[piece])
            else:
                _apply(gates, r, cosines[r], sines[r], False, psi, split, values[piece])
                r += 1


@_kernel
def unwind(gates, cosines, sines, psi, lam, overlaps, first, last, split, values, lo, hi):
    """Undo the gates [first, last) on psi and lam in place, piece by piece; add Im <lam|P|psi> of each to overlaps."""
    for piece in range(lo, hi):
        value, r = values[piece], last
        while r > first:
            end = r
            while r > first and gates.kinds[r - 1] == DIAGONAL:
                r -= 1
            if r < end:
                _unwind_fused(gates, cosines, sines, r, end, psi, lam, overlaps, split, value)
                continue
            r -= 1
            if gates.kinds[r] <= ODD:
                overlaps[r] += _overlap(gates, r, lam, psi, split, value)
            _apply(gates, r, cosines[r], sines[r], True, psi, split, value)
            _apply(gates, r, cosines[r], sines[r], True, lam, split, value)


@_kernel
def add_generated(gates, r, w, psi, out):
    """Add -i w P psi to out for the Pauli string P of gate r."""
    x, z = gates.x[r], gates.z[r]
    run, odd = _run(x | z), gates.kinds[r] == ODD
    w = w * gates.signs[r]
    for start in range(0, len(psi), run):
        t = w * _sign(start & z)
        shift = (start ^ x) - start
        for k in range(start, start + run):
            b = psi[k + shift]
            if odd:
                out[k] -= t * b
            else:
                out[k] += complex(t * b.imag, -t * b.real)


@_kernel
def rotate_tangent(gates, cosines, sines, speeds, psi, dpsi, first, last):
    """Apply the gates [first, last) to psi and carry its derivative dpsi along d angle[r] = speeds[r], in place."""
    for r in range(first, last):
        for state in (psi, dpsi):
            _apply(gates, r, cosines[r], sines[r], False, state, 0, 0)
        if speeds[r] != 0.0:
            add_generated(gates, r, speeds[r], psi, dpsi)


@_kernel
def unwind_tangent(gates, cosines, sines, speeds, psi, dpsi, lam, dlam, overlaps, first, last):
    """Undo the gates [first, last) on states and derivatives; add the derivative of Im <lam|P|psi> of each."""
    for r in range(last - 1, first - 1, -1):
        if gates.kinds[r] <= ODD:
            overlaps[r] += _overlap(gates, r, dlam, psi, 0, 0) + _overlap(gates, r, lam, dpsi, 0, 0)
        if speeds[r] != 0.0:
            add_generated(gates, r, -speeds[r], psi, dpsi)
            add_generated(gates, r, -speeds[r], lam, dlam)
        for state in (psi, dpsi, lam, dlam):
            _apply(gates, r, cosines[r], sines[r], True, state, 0, 0)


@_kernel
def jacobian(gates, cosines, sines, parameters, coefficients, psi, out):
    """Write the derivative of the state along each parameter to the rows of out, (n_parameters, 2^n), zeros before.

    One pass: after gate r every row made so far is carried on, and the gate's own derivative joins its row.
    """
    begun = np.zeros(len(out), dtype=np.bool_)
    for r in range(len(parameters)):
        _apply(gates, r, cosines[r], sines[r], False, psi, 0, 0)
        for p in range(len(out)):
            if begun[p]:
                _apply(gates, r, cosines[r], sines[r], False, out[p], 0, 0)
        p = parameters[r]
        if p >= 0 and coefficients[r] != 0.0:
            begun[p] = True
            add_generated(gates, r, coefficients[r], psi, out[p])


@_kernel
def transform(values, last):
    """Replace values[0:last], last a power of 2, by sum over z of values[z] (-1)^|k & z| (Walsh and Hadamard)."""
    half = 1
    if last >= 4:  # two bits at once while neighbours are near
        for k in range(0, last, 4):
            a, b, c, d = values[k], values[k + 1], values[k + 2], values[k + 3]
            a, b, c, d = a + b, a - b, c + d, c - d
            values[k], values[k + 1], values[k + 2], values[k + 3] = a + c, b + d, a - c, b - d
        half = 4
    while half < last:
        for start in range(0, last, 2 * half):
            for k in range(start, start + half):
                a, b = values[k], values[k + half]
                values[k], values[k + half] = a + b, a - b
        half *= 2


@_kernel
def multiply(terms, psi, out, lo, hi):
    """Write amplitudes [lo, hi), whole blocks, of H psi without the constant into out; return their part of <H>."""
    block = min(len(psi), 1 << BLOCK_BITS)
    factors, energy = np.empty(block, dtype=np.complex128), 0.0
    for start in range(lo, hi, block):
        for k in range(start, start + block):
            out[k] = terms.diagonal[k] * psi[k]
        for g in range(len(terms.flips)):
            low = terms.flips[g] & (block - 1)
            source = start ^ (terms.flips[g] - low)
            first, last = terms.starts[g], terms.starts[g + 1]
            if last - first == 1 and terms.z[first] & (block - 1) == 0:
                w = terms.weights[first] * _sign(start & terms.z[first])
                for k in range(block):
                    out[start + k] += w * psi[source + (k ^ low)]
                continue
            factors[:] = 0.0
            for t in range(first, last):
                factors[terms.z[t] & (block - 1)] += terms.weights[t] * _sign(start & terms.z[t])
            # all signs of a group on a block at once: log2(block) additions an amplitude for any number of strings
            transform(factors, block)
            for k in range(block):
                out[start + k] += factors[k] * psi[source + (k ^ low)]
        for k in range(start, start + block):
            energy += psi[k].real * out[k].real + psi[k].imag * out[k].imag
    return energy


@_kernel
def energies_and_overlaps(gates, cosines, sines, terms, reference, energies, overlaps, lo, hi):
    """Fill energies (n_sets,) and overlaps (n_sets, n_gates), zeros before, for the parameter sets [lo, hi).

    Forward pass, H psi and backward pass of every set without leaving compiled code.
    """
    psi, lam, n_gates = np.empty_like(reference), np.empty_like(reference), len(gates.kinds)
    for b in range(lo, hi):
        psi[:] = reference
        rotate(gates, cosines[b], sines[b], psi, 0, n_gates, 0, WHOLE, 0, 1)
        energies[b] = multiply(terms, psi, lam, 0, len(psi))
        unwind(gates, cosines[b], sines[b], psi, lam, overlaps[b], 0, n_gates, 0, WHOLE, 0, 1)


@_kernel
def overlap_derivatives(gates, cosines, sines, speeds, terms, psi, dpsi, lam, dlam, overlaps):
    """Add to overlaps, shape (n_directions, n_gates), the derivatives of those of `energies_and_overlaps`.

    speeds (n_directions, n_gates) holds the directions; psi is the reference state, the rest is work space.
    """
    n_gates = len(gates.kinds)
    for p in range(len(speeds)):
        dpsi[:] = 0.0
        rotate_tangent(gates, cosines, sines, speeds[p], psi, dpsi, 0, n_gates)
        multiply(terms, psi, lam, 0, len(psi))
        multiply(terms, dpsi, dlam, 0, len(psi))
        unwind_tangent(gates, cosines, sines, speeds[p], psi, dpsi, lam, dlam, overlaps[p], 0, n_gates)
