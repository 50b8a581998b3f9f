"""Unitary coupled cluster: products of excitation exponentials on a reference determinant."""

from __future__ import annotations

from itertools import combinations, product

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation


def uccsd(n_orbitals: int, n_alpha: int, n_beta: int) -> Ansatz:
    """Build UCCSD as a product of spin-orbital excitation exponentials.

    |psi> = prod_k exp(angle_k (T_k - T_k^dagger)) |reference>; singles act first, then alpha-beta doubles, then
    same-spin doubles; every excitation has its own parameter.

    Args:
        n_orbitals: Number of spatial orbitals.
        n_alpha: Alpha electrons; the reference fills the lowest orbitals of each spin.
        n_beta: Beta electrons.

    Returns:
        The ansatz; LiH in a minimal basis has 92 rotations.

    """
    occupied = [[2 * p + spin for p in range(n)] for spin, n in enumerate((n_alpha, n_beta))]
    virtual = [[2 * p + spin for p in range(n, n_orbitals)] for spin, n in enumerate((n_alpha, n_beta))]
    singles = [[((a,), (i,)) for i, a in product(occupied[spin], virtual[spin])] for spin in (0, 1)]
    mixed = [(a + b, i + j) for (a, i), (b, j) in product(*singles)]
    same = [
        pair
        for spin in (0, 1)
        for pair in ((ab, ij) for ij in combinations(occupied[spin], 2) for ab in combinations(virtual[spin], 2))
    ]
    excitations = [Excitation(*pair) for pair in singles[0] + singles[1] + mixed + same]
    rotations = tuple(Rotation(excitation, k) for k, excitation in enumerate(excitations))
    return Ansatz(name="uccsd", rotations=rotations, n_parameters=len(rotations))
