"""Numba kernels of the sector engine: Givens rotations on pairs of determinants, forwards, backwards, differentiated.

Every excitation rotation couples the determinants (I, J) and (I', J') with a sign s = s_alpha(I) s_beta(J):

    x' = cos(t) x - s sin(t) y,    y' = cos(t) y + s sin(t) x,    x = psi[I, J], y = psi[I', J'].

Where the state is in one irrep and every rotation is totally symmetric, a row holds only the columns of one irrep, and
each rotation goes through its pairs of these alone.

Consecutive rotations with the same alpha part form a *segment*. The row pairs (I, I') of a segment are disjoint, so
each pair of rows goes through all beta parts of the segment while it is in cache, and the row pairs of a segment can
be shared between threads.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

State = NDArray[np.float64]


class Tables(NamedTuple):
    """An ansatz compiled for a sector; each alpha or beta part that occurs is tabulated once.

    Attributes:
        a_from, a_to, a_sign: Rows I, I' and signs of all alpha parts, one after the other.
        b_from, b_to, b_sign: Columns J, J' and signs of all beta parts, one after the other.
        b_start, b_stop: Slice of the beta tables for each rotation and class of rows; shape (n_rotations, n_classes).
        row_class: Class of each row: the irrep that its columns need where the state is in one irrep, else 0; shape
            (n_alpha_strings,).
        order_signs: Sign of moving each rotation's alpha operators before its beta ones; shape (n_rotations,).
        segments: First rotation, last + 1, first row pair, last + 1; shape (n_segments, 4).

    """

    a_from: NDArray[np.int32]
    a_to: NDArray[np.int32]
    a_sign: NDArray[np.float64]
    b_from: NDArray[np.int32]
    b_to: NDArray[np.int32]
    b_sign: NDArray[np.float64]
    b_start: NDArray[np.int64]
    b_stop: NDArray[np.int64]
    row_class: NDArray[np.int64]
    order_signs: NDArray[np.float64]
    segments: NDArray[np.int64]


def compiled_before(module: str = "kernels") -> bool:
    """Return whether an earlier run left a module's kernels beside this file (or where NUMBA_CACHE_DIR says).

    Args:
        module: ``kernels`` of the sector engine or ``pauli_kernels``.

    """
    folder = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path(folder)] if folder else [Path(__file__).parent / "__pycache__"]
    return any(any(place.rglob(f"{module}.energ*_and_overlaps*.nbc")) for place in places)


def _kernel(function: Any) -> Any:
    return njit(cache=True, nogil=True, error_model="numpy")(function)


@_kernel
def rotate(tables, cosines, sines, psi, first, last, lo, hi):
    """Apply the rotations [first, last) of one segment to psi in place, for its row pairs [lo, hi)."""
    for k in range(lo, hi):
        row, row_to, sign = tables.a_from[k], tables.a_to[k], tables.a_sign[k]
        kind = tables.row_class[row]
        for r in range(first, last):
            c, s = cosines[r], sines[r] * sign
            for m in range(tables.b_start[r, kind], tables.b_stop[r, kind]):
                j, j_to, t = tables.b_from[m], tables.b_to[m], s * tables.b_sign[m]
                x, y = psi[row, j], psi[row_to, j_to]
                psi[row, j] = c * x - t * y
                psi[row_to, j_to] = c * y + t * x


@_kernel
def unwind(tables, cosines, sines, psi, lam, overlaps, first, last, lo, hi):
    """Undo the rotations on psi and lam in place; add <lam| T - T^dagger |psi> of each to overlaps (n_rotations,)."""
    for k in range(lo, hi):
        row, row_to, sign = tables.a_from[k], tables.a_to[k], tables.a_sign[k]
        kind = tables.row_class[row]
        for r in range(last - 1, first - 1, -1):
            c, s = cosines[r], sines[r] * sign
            total = 0.0
            for m in range(tables.b_start[r, kind], tables.b_stop[r, kind]):
                j, j_to, g = tables.b_from[m], tables.b_to[m], tables.b_sign[m]
                t = s * g
                x, y = psi[row, j], psi[row_to, j_to]
                u, v = lam[row, j], lam[row_to, j_to]
                total += g * (v * x - u * y)
                psi[row, j] = c * x + t * y
                psi[row_to, j_to] = c * y - t * x
                lam[row, j] = c * u + t * v
                lam[row_to, j_to] = c * v - t * u
            overlaps[r] += total * sign * tables.order_signs[r]


@_kernel
def rotate_tangent(tables, cosines, sines, speeds, psi, dpsi, first, last, lo, hi):
    """Apply the rotations to psi and carry its derivative dpsi along d angle[r] = speeds[r], both in place."""
    for k in range(lo, hi):
        row, row_to, sign = tables.a_from[k], tables.a_to[k], tables.a_sign[k]
        kind = tables.row_class[row]
        for r in range(first, last):
            c, s, w = cosines[r], sines[r] * sign, speeds[r] * sign * tables.order_signs[r]
            for m in range(tables.b_start[r, kind], tables.b_stop[r, kind]):
                j, j_to, g = tables.b_from[m], tables.b_to[m], tables.b_sign[m]
                t, d = s * g, w * g
                x, y = psi[row, j], psi[row_to, j_to]
                x, y = c * x - t * y, c * y + t * x
                dx, dy = dpsi[row, j], dpsi[row_to, j_to]
                psi[row, j], psi[row_to, j_to] = x, y
                dpsi[row, j] = c * dx - t * dy - d * y
                dpsi[row_to, j_to] = c * dy + t * dx + d * x


@_kernel
def unwind_tangent(tables, cosines, sines, speeds, psi, dpsi, lam, dlam, overlaps, first, last, lo, hi):
    """Undo the rotations on both states and both derivatives; add the derivative of <lam| T - T^dagger |psi>."""
    for k in range(lo, hi):
        row, row_to, sign = tables.a_from[k], tables.a_to[k], tables.a_sign[k]
        kind = tables.row_class[row]
        for r in range(last - 1, first - 1, -1):
            c, s, w = cosines[r], sines[r] * sign, speeds[r] * sign * tables.order_signs[r]
            total = 0.0
            for m in range(tables.b_start[r, kind], tables.b_stop[r, kind]):
                j, j_to, g = tables.b_from[m], tables.b_to[m], tables.b_sign[m]
                t, d = s * g, w * g
                x, y = psi[row, j], psi[row_to, j_to]
                u, v = lam[row, j], lam[row_to, j_to]
                dx, dy = dpsi[row, j], dpsi[row_to, j_to]
                du, dv = dlam[row, j], dlam[row_to, j_to]
                total += g * (dv * x - du * y + v * dx - u * dy)
                dx, dy = dx + d * y, dy - d * x
                du, dv = du + d * v, dv - d * u
                psi[row, j], psi[row_to, j_to] = c * x + t * y, c * y - t * x
                lam[row, j], lam[row_to, j_to] = c * u + t * v, c * v - t * u
                dpsi[row, j], dpsi[row_to, j_to] = c * dx + t * dy, c * dy - t * dx
                dlam[row, j], dlam[row_to, j_to] = c * du + t * dv, c * dv - t * du
            overlaps[r] += total * sign * tables.order_signs[r]


@_kernel
def multiply(indptr, indices, values, psi, out):
    """Write the product of a matrix in compressed rows with psi, both flattened, into out."""
    for i in range(len(out)):
        total = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            total += values[k] * psi[indices[k]]
        out[i] = total


@_kernel
def energy_and_overlaps(tables, cosines, sines, indptr, indices, values, psi, lam, overlaps):
    """Return <H> and fill overlaps, one forward pass, one H psi and one backward pass without leaving compiled code.

    psi enters and leaves as the reference state; lam is work space of its shape; overlaps enters as zeros.
    """
    segments = tables.segments
    for n in range(len(segments)):
        rotate(tables, cosines, sines, psi, segments[n, 0], segments[n, 1], segments[n, 2], segments[n, 3])
    flat, image = psi.reshape(psi.size), lam.reshape(lam.size)
    multiply(indptr, indices, values, flat, image)
    energy = np.dot(flat, image)
    for n in range(len(segments) - 1, -1, -1):
        first, last, lo, hi = segments[n, 0], segments[n, 1], segments[n, 2], segments[n, 3]
        unwind(tables, cosines, sines, psi, lam, overlaps, first, last, lo, hi)
    return energy


@_kernel
def overlap_derivatives(tables, cosines, sines, speeds, indptr, indices, values, psi, dpsi, lam, dlam, overlaps):
    """Fill overlaps, shape (n_directions, n_rotations), with derivatives of those of `energy_and_overlaps`.

    speeds (n_directions, n_rotations) holds the directions; psi is the reference state, the rest is work space.
    """
    segments = tables.segments
    for p in range(len(speeds)):
        dpsi[:] = 0.0
        for n in range(len(segments)):
            first, last, lo, hi = segments[n, 0], segments[n, 1], segments[n, 2], segments[n, 3]
            rotate_tangent(tables, cosines, sines, speeds[p], psi, dpsi, first, last, lo, hi)
        multiply(indptr, indices, values, psi.reshape(psi.size), lam.reshape(lam.size))
        multiply(indptr, indices, values, dpsi.reshape(psi.size), dlam.reshape(lam.size))
        for n in range(len(segments) - 1, -1, -1):
            first, last, lo, hi = segments[n, 0], segments[n, 1], segments[n, 2], segments[n, 3]
            unwind_tangent(tables, cosines, sines, speeds[p], psi, dpsi, lam, dlam, overlaps[p], first, last, lo, hi)
