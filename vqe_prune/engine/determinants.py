"""Determinants of a sector: occupation strings, excitation tables and the Hamiltonian's action."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Sector:
    """All determinants with fixed numbers of alpha and beta electrons.

    A state is a real array psi[I, J] over alpha strings I and beta strings J, PySCF's layout; the determinant is
    (alpha creators, ascending) (beta creators, ascending) |vacuum>.

    Attributes:
        n_orbitals: Number of spatial orbitals.
        n_alpha: Number of alpha electrons.
        n_beta: Number of beta electrons.

    """

    n_orbitals: int
    n_alpha: int
    n_beta: int

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of alpha and of beta strings."""
        return comb(self.n_orbitals, self.n_alpha), comb(self.n_orbitals, self.n_beta)

    @property
    def dimension(self) -> int:
        """Number of determinants."""
        return self.shape[0] * self.shape[1]

    @cached_property
    def alpha_strings(self) -> NDArray[np.int64]:
        """Occupations of the alpha strings as bit masks, ascending; shape (shape[0],)."""
        return occupation_strings(self.n_orbitals, self.n_alpha)

    @cached_property
    def beta_strings(self) -> NDArray[np.int64]:
        """Occupations of the beta strings as bit masks, ascending; shape (shape[1],)."""
        return occupation_strings(self.n_orbitals, self.n_beta)


def occupation_strings(n_orbitals: int, n_electrons: int) -> NDArray[np.int64]:
    """Return all bit masks with `n_electrons` of `n_orbitals` bits set, ascending (PySCF's string order)."""
    from pyscf.fci import cistring

    return np.asarray(cistring.make_strings(range(n_orbitals), n_electrons), dtype=np.int64).reshape(-1)


def string_irreps(strings: NDArray[np.int64], irreps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the irrep of each occupation string, the product (exclusive or) of those of its orbitals.

    Args:
        strings: Occupations as bit masks; shape (n_strings,).
        irreps: Abelian irrep of each orbital; shape (n_orbitals,).

    """
    found = np.zeros(len(strings), dtype=np.int64)
    for orbital, irrep in enumerate(irreps):
        found ^= np.where((strings >> orbital) & 1, irrep, 0)
    return found


def string_excitations(
    strings: NDArray[np.int64],
    created: tuple[int, ...],
    annihilated: tuple[int, ...],
    targets: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """List the pairs of strings that one spin's part of an excitation couples.

    a+_{c1} ... a+_{ck} a_{dk} ... a_{d1} |source> = sign |target>.

    Args:
        strings: Occupation masks of this spin, ascending; shape (n_strings,).
        created: Orbitals c1 ... ck; with `annihilated` empty too, the identity.
        annihilated: Orbitals d1 ... dk.
        targets: Occupation masks that the images are among, ascending; default `strings`, which are the right ones
            where as many electrons are created as annihilated.

    Returns:
        Source indices, target indices and signs, shape (n_pairs,) each.

    """
    source = np.arange(len(strings), dtype=np.int32)
    occupied, sign = strings, np.ones(len(strings))
    for orbital in annihilated:
        keep = (occupied >> orbital) & 1 == 1
        source, occupied, sign = source[keep], occupied[keep], sign[keep]
        sign = sign * _parity_below(occupied, orbital)
        occupied = occupied ^ (1 << orbital)
    for orbital in reversed(created):
        keep = (occupied >> orbital) & 1 == 0
        source, occupied, sign = source[keep], occupied[keep], sign[keep]
        sign = sign * _parity_below(occupied, orbital)
        occupied = occupied ^ (1 << orbital)
    return source, np.searchsorted(strings if targets is None else targets, occupied).astype(np.int32), sign


def _parity_below(occupied: NDArray[np.int64], orbital: int) -> NDArray[np.float64]:
    below = np.bitwise_count(occupied & ((1 << orbital) - 1)).astype(np.int64)
    return 1.0 - 2.0 * (below & 1)


def interleaving_signs(sector: Sector) -> NDArray[np.float64]:
    """Return the sign of each determinant when its creators are reordered to spin orbitals ascending.

    A sector amplitude times this sign is the Jordan-Wigner amplitude of the same occupation (interleaved spins);
    the sign is -1 to the number of pairs (alpha orbital p, beta orbital q) with q < p, relative to that of the first
    determinant, so that the reference is positive in both.

    Args:
        sector: The sector; the result has its shape.

    """
    alpha, beta = sector.alpha_strings, sector.beta_strings
    swaps = np.zeros(sector.shape, dtype=np.int64)
    for orbital in range(sector.n_orbitals):
        occupied = (alpha >> orbital) & 1
        below = np.bitwise_count(beta & ((1 << orbital) - 1)).astype(np.int64)
        swaps += occupied[:, None] * below[None, :]
    return 1.0 - 2.0 * ((swaps - swaps[0, 0]) & 1)


def hamiltonian_matrix(
    sector: Sector,
    one_body: NDArray[np.float64],
    two_body: NDArray[np.float64],
    irreps: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
    """Build the sparse Hamiltonian of a small sector.

    H = H_alpha x 1 + 1 x H_beta + sum_{pqrs} (pq|rs) E^alpha_pq x E^beta_rs; the same-spin blocks come from PySCF's
    `pspace`, the links E_pq from its `gen_linkstr_index`.

    Args:
        sector: The determinants.
        one_body: Core Hamiltonian h_pq in hartree; shape (n_orbitals, n_orbitals).
        two_body: (pq|rs) in chemists' order, hartree; shape (n_orbitals,) * 4.
        irreps: Abelian irrep of each orbital, products by exclusive or; shape (n_orbitals,).

    Returns:
        Row pointers, column indices and values of the symmetric matrix in compressed rows, without the constant.

    """
    import scipy.sparse as sparse

    n_alpha_strings, n_beta_strings = sector.shape
    blocks = []
    if sector.n_alpha:
        same_spin = same_spin_matrix(sector.n_orbitals, sector.n_alpha, one_body, two_body)
        blocks.append(sparse.kron(same_spin, sparse.identity(n_beta_strings), format="coo"))
    if sector.n_beta:
        same_spin = same_spin_matrix(sector.n_orbitals, sector.n_beta, one_body, two_body)
        blocks.append(sparse.kron(sparse.identity(n_alpha_strings), same_spin, format="coo"))
    if sector.n_alpha and sector.n_beta:
        alpha_links = string_links(sector.n_orbitals, sector.n_alpha)
        beta_links = string_links(sector.n_orbitals, sector.n_beta)
        for product in range(int(irreps.max()) * 2 + 2):  # (pq|rs) vanishes unless both pairs have the same product
            a, i, a_to, a_from, a_sign = (
                x[irreps[alpha_links[0]] ^ irreps[alpha_links[1]] == product] for x in alpha_links
            )
            b, j, b_to, b_from, b_sign = (
                x[irreps[beta_links[0]] ^ irreps[beta_links[1]] == product] for x in beta_links
            )
            if len(a) == 0 or len(b) == 0:
                continue
            values = two_body[a, i][:, b, j] * np.outer(a_sign, b_sign)
            rows = a_to[:, None] * n_beta_strings + b_to[None, :]
            columns = a_from[:, None] * n_beta_strings + b_from[None, :]
            keep = np.abs(values) > 1e-14
            blocks.append(sparse.coo_array((values[keep], (rows[keep], columns[keep])), shape=(sector.dimension,) * 2))
    values = np.concatenate([block.data for block in blocks])
    rows = np.concatenate([block.coords[0] for block in blocks])
    columns = np.concatenate([block.coords[1] for block in blocks])
    matrix = sparse.coo_array((values, (rows, columns)), shape=(sector.dimension,) * 2).tocsr()
    matrix.data[np.abs(matrix.data) < 1e-13] = 0.0  # noise of forbidden integrals, far below any energy we print
    matrix.eliminate_zeros()
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data


def same_spin_matrix(
    n_orbitals: int, n_electrons: int, one_body: NDArray[np.float64], two_body: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return H on the strings of electrons of one spin alone, by PySCF; shape (n_strings, n_strings), hartree."""
    from pyscf.fci import direct_spin1

    n_strings = comb(n_orbitals, n_electrons)
    _, matrix = direct_spin1.pspace(one_body, two_body, n_orbitals, (n_electrons, 0), np=n_strings + 1)
    return np.asarray(matrix)


def string_links(n_orbitals: int, n_electrons: int) -> tuple[NDArray[np.int64], ...]:
    """Orbitals p, q, target, source and sign of every nonzero E_pq |source> = sign |target>."""
    from pyscf.fci import cistring

    table = np.asarray(cistring.gen_linkstr_index(range(n_orbitals), n_electrons), dtype=np.int64)
    source = np.repeat(np.arange(table.shape[0]), table.shape[1])
    created, annihilated, target, sign = table.reshape(-1, 4).T
    return created, annihilated, target, source, sign.astype(np.float64)


MATRIX_DIMENSION = 3_000
"""Largest sector whose Hamiltonian is kept as a sparse matrix; above it PySCF's `contract_2e` is as fast."""

SparseMatrix = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]


@dataclass(frozen=True, eq=False, kw_only=True)
class SectorHamiltonian:
    """The action of H on the states of a sector, hartree.

    Attributes:
        sector: The determinants.
        constant: Energy that is added to every expectation value (nuclear repulsion, frozen core).
        one_body: Core Hamiltonian, shape (n_orbitals, n_orbitals).
        two_body: (pq|rs) in chemists' order, shape (n_orbitals,) * 4.
        irreps: Abelian irrep of each orbital; shape (n_orbitals,).

    """

    sector: Sector
    constant: float
    one_body: NDArray[np.float64]
    two_body: NDArray[np.float64]
    irreps: NDArray[np.int64]

    @cached_property
    def matrix(self) -> SparseMatrix | None:
        """H without the constant in compressed rows, None where the sector is too large to keep it."""
        if self.sector.dimension > MATRIX_DIMENSION:
            return None
        return hamiltonian_matrix(self.sector, self.one_body, self.two_body, self.irreps)

    @cached_property
    def _contraction(self) -> tuple[NDArray[np.float64], tuple[NDArray[np.int32], NDArray[np.int32]]]:
        from pyscf.fci import direct_spin1

        n, electrons = self.sector.n_orbitals, (self.sector.n_alpha, self.sector.n_beta)
        absorbed = direct_spin1.absorb_h1e(self.one_body, self.two_body, n, electrons, 0.5)
        return absorbed, direct_spin1._unpack(n, electrons, None)

    def apply(self, psi: NDArray[np.float64], irrep: int | None = None) -> NDArray[np.float64]:
        """Return (H - constant) psi for psi of the sector's shape; faster where psi is known to be in one irrep."""
        if self.matrix is not None:
            import scipy.sparse as sparse

            indptr, indices, values = self.matrix
            whole = sparse.csr_array((values, indices, indptr), shape=(psi.size, psi.size))  # columns may be empty
            return (whole @ psi.ravel()).reshape(psi.shape)
        from pyscf.fci import direct_spin1, direct_spin1_symm

        absorbed, links = self._contraction
        n, electrons = self.sector.n_orbitals, (self.sector.n_alpha, self.sector.n_beta)
        if irrep is None:
            return direct_spin1.contract_2e(absorbed, psi, n, electrons, links)
        found = direct_spin1_symm.contract_2e(absorbed, psi, n, electrons, links, orbsym=self.irreps, wfnsym=irrep)
        return np.asarray(found)
