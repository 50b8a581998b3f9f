"""Electrons in orbitals: the second-quantised Hamiltonian, its electron numbers and its orbital irreps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vqe_prune.dipole import Dipole
from vqe_prune.errors import InputError

FORBIDDEN = 1e-6
"""Integrals (hartree) that irreps forbid are below this; mislabelled orbitals show up in 1e-2, SCF noise in 1e-8."""

SAME_ENERGY = 1e-8
"""Determinants (hartree) closer than this count as equally low."""

Indices = NDArray[np.int64]
Filled = Sequence[int] | Indices
"""Orbitals that electrons of one spin fill."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Electrons:
    """Electrons in orthonormal orbitals: the second-quantised Hamiltonian and how many electrons it holds.

    H = constant + sum h_pq E_pq + 1/2 sum (pq|rs) (E_pq E_rs - delta_qr E_ps). Orbitals are ordered so that the
    reference determinant fills the first n_alpha and the first n_beta of them.

    Attributes:
        one_body: h_pq in hartree; shape (n_orbitals, n_orbitals).
        two_body: (pq|rs) in chemists' order, hartree; shape (n_orbitals,) * 4.
        constant: Nuclear repulsion and frozen electrons, hartree.
        n_alpha: Number of alpha electrons.
        n_beta: Number of beta electrons, at most n_alpha.
        irreps: Irrep of each orbital in an Abelian group, products by exclusive or; shape (n_orbitals,).
        group: Point group of the molecule, C1 where it is not known.
        dipole: The dipole operator in these orbitals, None where it is not known.

    Raises:
        InputError: Shapes or electron numbers do not fit, integrals are not finite or not symmetric.

    """

    one_body: NDArray[np.float64]
    two_body: NDArray[np.float64]
    constant: float
    n_alpha: int
    n_beta: int
    irreps: NDArray[np.int64]
    group: str = "C1"
    dipole: Dipole | None = None

    def __post_init__(self) -> None:
        h, g = np.array(self.one_body, dtype=float), np.array(self.two_body, dtype=float)
        irreps = np.array(self.irreps, dtype=np.int64)
        n = len(h) if h.ndim else 0
        if n == 0 or h.shape != (n, n) or g.shape != (n,) * 4 or irreps.shape != (n,):
            raise InputError(
                f"integrals must have shapes (n, n) and (n, n, n, n) with n irreps, "
                f"but they have {h.shape}, {g.shape} and {irreps.shape}"
            )
        if not (np.isfinite(h).all() and np.isfinite(g).all() and math.isfinite(self.constant)):
            raise InputError("integrals must be finite, but some are NaN or infinite")
        asymmetry = max(abs(h - h.T).max(), *(abs(g - g.transpose(p)).max() for p in _EIGHTFOLD))
        if asymmetry > 1e-8:  # hartree; PySCF's own integrals are symmetric to 1e-14
            raise InputError(
                f"integrals must be real and symmetric, h_pq = h_qp and (pq|rs) = (qp|rs) = (rs|pq) in chemists' "
                f"order, but they differ by {asymmetry:.1e} hartree; try two_body.transpose(0, 3, 1, 2) if yours are "
                f"in physicists' order <pq|rs>"
            )
        if not 0 <= self.n_beta <= self.n_alpha <= n or self.n_alpha == 0:
            raise InputError(
                f"electron numbers must satisfy 0 <= beta <= alpha <= {n} orbitals with at least one electron, "
                f"but alpha is {self.n_alpha} and beta is {self.n_beta}"
            )
        h, g = _remove_forbidden(h, g, irreps)
        for name, array in (("one_body", h), ("two_body", g), ("irreps", irreps)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def n_orbitals(self) -> int:
        """Number of spatial orbitals."""
        return len(self.one_body)

    @property
    def sector_dimension(self) -> int:
        """Number of determinants with these numbers of alpha and beta electrons."""
        return math.comb(self.n_orbitals, self.n_alpha) * math.comb(self.n_orbitals, self.n_beta)

    @property
    def reference_energy(self) -> float:
        """Energy of the reference determinant in hartree."""
        filled = np.arange(self.n_alpha), np.arange(self.n_beta)
        return self.constant + determinant_energies(self.one_body, self.two_body)(*filled)


def determinant_energies(
    one_body: NDArray[np.float64], two_body: NDArray[np.float64]
) -> Callable[[Filled, Filled], float]:
    """Return what gives the energy of a determinant without the constant, hartree, from its alpha and beta orbitals.

    E = sum_p n_p h_pp + 1/2 sum_pq n_p n_q (pp|qq) - 1/2 sum_s sum_pq n_ps n_qs (pq|qp), n_p = n_pa + n_pb.

    Args:
        one_body: h_pq in hartree; shape (n, n).
        two_body: (pq|rs) in hartree; shape (n, n, n, n).

    """
    levels = np.diag(one_body)
    coulomb, exchange = np.einsum("iijj->ij", two_body), np.einsum("ijji->ij", two_body)

    def energy(alpha: Filled, beta: Filled) -> float:
        spins = np.zeros((2, len(levels)))
        spins[0, list(alpha)], spins[1, list(beta)] = 1.0, 1.0
        total = spins.sum(axis=0)
        return float(total @ levels + 0.5 * total @ coulomb @ total - 0.5 * sum(d @ exchange @ d for d in spins))

    return energy


_EIGHTFOLD = ((1, 0, 2, 3), (0, 1, 3, 2), (2, 3, 0, 1))


def _remove_forbidden(
    h: NDArray[np.float64], g: NDArray[np.float64], irreps: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Set integrals that the irreps forbid to zero, after checking that they are rounding noise."""
    noise = forbidden_noise(h, g, irreps)
    if noise > FORBIDDEN:
        raise InputError(
            f"orbital irreps do not fit the integrals: an integral of {noise:.1e} hartree is forbidden by them; "
            f"leave the irreps out (all zero)"
        )
    one_forbidden, two_forbidden = _forbidden(irreps)
    return np.where(one_forbidden, 0.0, h), np.where(two_forbidden, 0.0, g)


def forbidden_noise(h: NDArray[np.float64], g: NDArray[np.float64], irreps: NDArray[np.int64]) -> float:
    """Return the largest one- or two-body integral (hartree) that the irreps say must vanish."""
    one_forbidden, two_forbidden = _forbidden(irreps)
    return float(max(abs(h[one_forbidden]).max(initial=0.0), abs(g[two_forbidden]).max(initial=0.0)))


def _forbidden(irreps: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    pair = irreps[:, None] ^ irreps[None, :]
    return pair != 0, pair[:, :, None, None] != pair[None, None, :, :]


def irrep_product(irreps: NDArray[np.int64]) -> int:
    """Return the product (exclusive or) of Abelian irreps."""
    return int(np.bitwise_xor.reduce(irreps, initial=0))


def excitation_irrep(irreps: NDArray[np.int64], spin_orbitals: Sequence[int]) -> int:
    """Return the irrep of an excitation: the product of those of its orbitals, 0 where it is totally symmetric.

    Args:
        irreps: Of the spatial orbitals; shape (n_orbitals,).
        spin_orbitals: Created and annihilated.

    """
    return irrep_product(irreps[np.array(spin_orbitals, dtype=np.int64) // 2])


def aufbau_order(one_body: NDArray[np.float64], two_body: NDArray[np.float64], n_alpha: int, n_beta: int) -> Indices:
    """Return the orbitals with those first that the reference fills: the lowest ones of its own Fock operator.

    The diagonal f_p = h_pp + sum_q n_q [(pp|qq) - (pq|qp)/2] depends on the occupations n, so that it is filled again
    until nothing moves, from the orbitals as they stand and from those of lowest h_pp; of all determinants on the way
    the one of lowest energy counts, of equally low ones the orbitals as they stand.

    Args:
        one_body: h_pq in hartree; shape (n, n).
        two_body: (pq|rs) in hartree; shape (n, n, n, n).
        n_alpha: Number of alpha electrons.
        n_beta: Number of beta electrons, at most n_alpha.

    Returns:
        Doubly occupied, singly occupied and empty orbitals, each by f_p, degenerate ones as they stood; shape (n,).

    """
    n, levels = len(one_body), np.diag(one_body)
    coulomb, exchange = np.einsum("iijj->ij", two_body), np.einsum("ijji->ij", two_body)

    def fock(order: Indices) -> NDArray[np.float64]:
        occupied = np.zeros(n)
        occupied[order[:n_alpha]] += 1.0
        occupied[order[:n_beta]] += 1.0
        return np.round(levels + (coulomb - 0.5 * exchange) @ occupied, 6)

    determinant = determinant_energies(one_body, two_body)

    def energy(order: Indices) -> float:
        return determinant(order[:n_alpha], order[:n_beta])

    best = np.arange(n)
    lowest = energy(best)
    for order in (best, np.argsort(levels, kind="stable")):
        seen: set[tuple[int, ...]] = set()
        while tuple(order) not in seen:
            seen.add(tuple(order))
            if energy(order) < lowest - SAME_ENERGY:
                best, lowest = order, energy(order)
            order = np.argsort(fock(order), kind="stable")
    found = fock(best)
    parts = [np.sort(part) for part in np.split(best, [n_beta, n_alpha])]
    return np.concatenate([part[np.argsort(found[part], kind="stable")] for part in parts])


def electrons_in_space(
    electrons: Electrons, core: Sequence[int], active: Sequence[int], n_alpha: int, n_beta: int
) -> Electrons:
    """Return some electrons in some of the orbitals, in the field of a doubly occupied core.

    h'_pq = h_pq + sum_i [2 (pq|ii) - (pi|iq)], constant' = constant + sum_i 2 h_ii + sum_ij [2 (ii|jj) - (ij|ji)], with
    i and j in the core.

    Args:
        electrons: All electrons in all orbitals.
        core: Orbitals that stay doubly occupied.
        active: Orbitals that are kept, those of the reference first.
        n_alpha: Alpha electrons in them.
        n_beta: Beta electrons in them.

    """
    h, g, i, p = electrons.one_body, electrons.two_body, list(core), list(active)
    coulomb, exchange = np.einsum("iijj->ij", g)[np.ix_(i, i)], np.einsum("ijji->ij", g)[np.ix_(i, i)]
    constant = electrons.constant + 2.0 * np.diag(h)[i].sum() + (2.0 * coulomb - exchange).sum()
    field = 2.0 * np.einsum("pqii->pq", g[np.ix_(p, p, i, i)]) - np.einsum("piiq->pq", g[np.ix_(p, i, i, p)])
    return replace(
        electrons,
        one_body=h[np.ix_(p, p)] + field,
        two_body=g[np.ix_(p, p, p, p)],
        constant=float(constant),
        n_alpha=n_alpha,
        n_beta=n_beta,
        irreps=electrons.irreps[p],
        dipole=None,
    )
