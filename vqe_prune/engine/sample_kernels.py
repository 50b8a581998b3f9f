"""Numba kernels of circuits on many samples: rotations whose angle differs from sample to sample.

The amplitudes of a block of samples lie side by side, sample last: psi[k * B + s] is amplitude k of sample s. To all
other gates the block is one state with log2(B) more qubits, least significant, that no gate touches.
"""
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False, disallow-untyped-decorators=False

from __future__ import annotations

from vqe_prune.engine.pauli_kernels import DIAGONAL, ODD, _apply, _highest, _kernel, _sign


@_kernel
def turn_samples(gates, first, last, cosines, sines, adjoint, psi):
    """Apply the gates [first, last), or undo them, each by the angle that every sample has there.

    Cosines and sines have shape (last - first, B), B a power of 2 below the lowest bit of every gate.
    """
    n = cosines.shape[1]
    for i in range(last - first):
        r = last - 1 - i if adjoint else first + i
        x, z, odd = gates.x[r], gates.z[r], gates.kinds[r] == ODD
        c, s, side = cosines[r - first], sines[r - first], -gates.signs[r] if adjoint else gates.signs[r]
        if gates.kinds[r] == DIAGONAL:
            for start in range(0, len(psi), n):
                sign = side * _sign(start & z)
                row = psi[start : start + n]
                for j in range(n):
                    a, t = row[j], sign * s[j]
                    row[j] = complex(c[j] * a.real + t * a.imag, c[j] * a.imag - t * a.real)
            continue
        top = _highest(x)
        for start in range(0, len(psi), n):
            if start & top:
                continue
            sign = side * _sign(start & z)
            near, far = psi[start : start + n], psi[start ^ x : (start ^ x) + n]
            for j in range(n):
                a, b, t = near[j], far[j], sign * s[j]
                if odd:
                    near[j] = complex(c[j] * a.real - t * b.real, c[j] * a.imag - t * b.imag)
                    far[j] = complex(c[j] * b.real + t * a.real, c[j] * b.imag + t * a.imag)
                else:
                    near[j] = complex(c[j] * a.real + t * b.imag, c[j] * a.imag - t * b.real)
                    far[j] = complex(c[j] * b.real + t * a.imag, c[j] * b.imag - t * a.real)


@_kernel
def undo_samples(gates, first, last, cosines, sines, psi, lam, n, overlaps):
    """Undo the gates [first, last) on psi and lam; add Im <lam|P|psi> of each of n samples to overlaps (n_gates, n)."""
    for r in range(last - 1, first - 1, -1):
        if gates.kinds[r] <= ODD:
            x, z, odd, row = gates.x[r], gates.z[r], gates.kinds[r] == ODD, overlaps[r]
            for start in range(0, len(psi), n):
                sign = gates.signs[r] * _sign(start & z)
                bra, ket = lam[start : start + n], psi[start ^ x : (start ^ x) + n]
                for j in range(n):
                    product = bra[j].conjugate() * ket[j]
                    row[j] -= sign * (product.real if odd else -product.imag)
        _apply(gates, r, cosines[r], sines[r], True, psi, 0, 0)
        _apply(gates, r, cosines[r], sines[r], True, lam, 0, 0)
