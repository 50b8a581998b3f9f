"""What a processor with many small cores needs of a sector: amplitudes in equal blocks, and tables of equal shape.

An amplitude psi[I, J] lies in a block for each irrep of its beta string J; a state of one irrep keeps in block b only
the rows I that complete it. Blocks are filled up with zeros to one shape, so that one array holds them all:
states have shape (n_blocks, n_rows, n_columns). Everything here is NumPy, made once and then moved to the processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import ceil, comb

import numpy as np
from numpy.typing import NDArray

from vqe_prune.engine.determinants import (
    Sector,
    SectorHamiltonian,
    same_spin_matrix,
    string_excitations,
    string_irreps,
    string_links,
)
from vqe_prune.engine.sector import Part

Indices = NDArray[np.int64]
State = NDArray[np.float64]

BATCH_NUMBERS = 2**24
"""Numbers of one spin's single excitations of a state that are held at once: 128 MiB."""

LARGEST_INT32 = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the amplitudes of a sector, or of one irrep of it, lie in blocks.

    Attributes:
        sector: The determinants.
        irreps: Irrep of each orbital, products by exclusive or; shape (n_orbitals,).
        irrep: The state's irrep, None for a state of all irreps, which is one block.

    """

    sector: Sector
    irreps: Indices
    irrep: int | None

    @cached_property
    def classes(self) -> tuple[Indices, Indices]:
        """Block of each alpha string and of each beta string, -1 for strings that meet none of the other spin."""
        if self.irrep is None:
            return tuple(np.zeros(n, dtype=np.int64) for n in self.sector.shape)  # type: ignore[return-value]
        columns = string_irreps(self.sector.beta_strings, self.irreps)
        rows = string_irreps(self.sector.alpha_strings, self.irreps) ^ self.irrep
        number = np.full(1 + max(columns.max(), rows.max()), -1)
        number[self.labels] = np.arange(len(self.labels))
        return number[rows], number[columns]

    @cached_property
    def labels(self) -> Indices:
        """Irrep of the beta strings of each block; shape (n_blocks,)."""
        if self.irrep is None:
            return np.zeros(1, dtype=np.int64)
        columns = string_irreps(self.sector.beta_strings, self.irreps)
        rows = string_irreps(self.sector.alpha_strings, self.irreps) ^ self.irrep
        return np.intersect1d(columns, rows)

    @cached_property
    def members(self) -> tuple[list[Indices], list[Indices]]:
        """Alpha strings and beta strings of each block, ascending."""
        rows, columns = self.classes
        blocks = range(len(self.labels))
        return [np.flatnonzero(rows == b) for b in blocks], [np.flatnonzero(columns == b) for b in blocks]

    @cached_property
    def places(self) -> tuple[Indices, Indices]:
        """Row of each alpha string and column of each beta string in its block."""
        found = tuple(np.zeros(n, dtype=np.int64) for n in self.sector.shape)
        for place, blocks in zip(found, self.members, strict=True):
            for strings in blocks:
                place[strings] = np.arange(len(strings))
        return found[0], found[1]

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of blocks, of rows and of columns; columns are a multiple of `batch`."""
        rows, columns = (max((len(strings) for strings in blocks), default=1) for blocks in self.members)
        return len(self.labels), rows, self.batch * ceil(columns / self.batch)

    @cached_property
    def batch(self) -> int:
        """Columns that H psi is computed for at once, so that `BATCH_NUMBERS` are not exceeded by much."""
        rows, columns = (max((len(strings) for strings in blocks), default=1) for blocks in self.members)
        products = self.irreps[:, None] ^ self.irreps[None, :]
        n_pairs = int(np.bincount(products[np.tril_indices(len(products))]).max())
        n_batches = ceil(n_pairs * rows * columns / BATCH_NUMBERS)
        return ceil(columns / n_batches)

    @property
    def size(self) -> int:
        """Numbers in a state, zeros that fill up blocks included."""
        return int(np.prod(self.shape))

    @property
    def index_type(self) -> type:
        """Integers that hold an index and the sum of two that point nowhere."""
        return np.int32 if 2 * self.size <= LARGEST_INT32 else np.int64

    def pack(self, psi: State) -> State:
        """Return a state of the sector's shape in blocks; amplitudes of other irreps are left out."""
        packed = np.zeros(self.shape)
        for block, rows, columns in zip(packed, *self.members, strict=True):
            block[: len(rows), : len(columns)] = psi[np.ix_(rows, columns)]
        return packed

    def unpack(self, packed: State) -> State:
        """Return a state in blocks in the sector's shape, other irreps zero."""
        psi = np.zeros(self.sector.shape)
        for block, rows, columns in zip(packed, *self.members, strict=True):
            psi[np.ix_(rows, columns)] = block[: len(rows), : len(columns)]
        return psi

    def index(self, row: int, column: int) -> int:
        """Return where the amplitude of an alpha and a beta string lies in the flattened blocks."""
        rows, columns = self.places
        block = int(self.classes[0][row])
        return int((block * self.shape[1] + rows[row]) * self.shape[2] + columns[column])


RowPairs = tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.float64], NDArray[np.int32]]
"""Where the rows I and I' begin in the flattened blocks, the sign, and the block of I; shape (n_pairs,) each."""

ColumnPairs = tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.float64]]
"""Columns J and J' and the sign; shape (n_blocks, n_pairs) each."""


def row_pairs(layout: Layout, part: Part, n_pairs: int) -> RowPairs:
    """Tabulate the rows that an excitation's alpha part couples, filled up with rows that lie nowhere."""
    source, target, sign = string_excitations(layout.sector.alpha_strings, *part)
    blocks, places = layout.classes[0], layout.places[0]
    inside = (blocks[source] >= 0) & (blocks[target] >= 0)
    source, target, sign = source[inside], target[inside], sign[inside]
    _, n_rows, n_columns = layout.shape

    def starts(strings: NDArray[np.integer]) -> NDArray[np.integer]:
        found: NDArray[np.integer] = np.full(n_pairs, layout.size, dtype=layout.index_type)
        found[: len(strings)] = (blocks[strings] * n_rows + places[strings]) * n_columns
        return found

    signs, kinds = np.zeros(n_pairs), np.zeros(n_pairs, dtype=np.int32)
    signs[: len(source)], kinds[: len(source)] = sign, blocks[source]
    return starts(source), starts(target), signs, kinds


def column_pairs(layout: Layout, part: Part) -> ColumnPairs:
    """Tabulate the columns that an excitation's beta part couples, by block and as wide as the widest."""
    source, target, sign = string_excitations(layout.sector.beta_strings, *part)
    blocks, places = layout.classes[1], layout.places[1]
    inside = (blocks[source] >= 0) & (blocks[target] >= 0)
    source, target, sign = source[inside], target[inside], sign[inside]
    order = np.argsort(blocks[source], kind="stable")
    source, target, sign = source[order], target[order], sign[order]
    bounds = np.searchsorted(blocks[source], np.arange(layout.shape[0] + 1))
    width = int(np.diff(bounds).max())
    tables: list[NDArray[np.integer]]
    tables = [np.full((layout.shape[0], width), layout.size, dtype=layout.index_type) for _ in range(2)]
    signs = np.zeros((layout.shape[0], width))
    for b, (lo, hi) in enumerate(pairwise(bounds)):
        tables[0][b, : hi - lo], tables[1][b, : hi - lo] = places[source[lo:hi]], places[target[lo:hi]]
        signs[b, : hi - lo] = sign[lo:hi]
    return tables[0], tables[1], signs


def widened(pairs: ColumnPairs, width: int, size: int) -> ColumnPairs:
    """Return column pairs filled up to a width with columns that lie nowhere, at `size`."""
    more = ((0, 0), (0, width - pairs[0].shape[1]))
    source, target = (np.pad(columns, more, constant_values=size) for columns in pairs[:2])
    return source, target, np.pad(pairs[2], more)


def most_pairs(n_orbitals: int, n_electrons: int, rank: int) -> int:
    """Return how many pairs of strings a part that moves `rank` electrons couples, at least 1."""
    free = n_orbitals - 2 * rank
    return max(1, comb(free, n_electrons - rank)) if 0 <= n_electrons - rank <= free else 1


@dataclass(frozen=True, eq=False)
class LinkTables:
    """How single excitations E_pq + E_qp of one irrep act on the strings of each block, for psi of one irrep.

    Each pair p >= q takes at most one string to a given one, so that an excited state is read, never added up.

    Attributes:
        integrals: (pq|rs) among these pairs, hartree; shape (n_pairs, n_pairs).
        source: Block that each block's amplitudes come from; shape (n_blocks,).
        rows, row_signs: Row that each row comes from, sign 0 for none; shape (n_blocks, n_pairs, n_rows).
        columns, column_signs: Likewise; shape (n_blocks, n_pairs, n_columns).

    """

    integrals: State
    source: NDArray[np.int32]
    rows: NDArray[np.int32]
    row_signs: State
    columns: NDArray[np.int32]
    column_signs: State


def link_tables(layout: Layout, hamiltonian: SectorHamiltonian) -> list[LinkTables]:
    """Tabulate sum (pq|rs) E_pq(alpha) E_rs(beta), a table for each irrep of the pairs; none without beta electrons."""
    sector, irreps = layout.sector, hamiltonian.irreps
    if not (sector.n_alpha and sector.n_beta):
        return []
    p, q = np.tril_indices(sector.n_orbitals)
    products = irreps[p] ^ irreps[q]
    found = []
    for product in np.unique(products):
        chosen = np.flatnonzero(products == product)
        integrals = hamiltonian.two_body[p[chosen], q[chosen]][:, p[chosen], q[chosen]]
        labels = layout.labels if layout.irrep is None else layout.labels ^ product
        there = np.isin(labels, layout.labels)
        source = np.where(there, np.searchsorted(layout.labels, labels), 0) % len(layout.labels)
        sides = [
            _strings_linked(layout, side, electrons, chosen)
            for side, electrons in enumerate((sector.n_alpha, sector.n_beta))
        ]
        found.append(LinkTables(integrals, source.astype(np.int32), *sides[0], *sides[1]))
    return found


def _strings_linked(layout: Layout, side: int, n_electrons: int, chosen: Indices) -> tuple[NDArray[np.int32], State]:
    """Place and sign of the string that each pair of orbitals takes to each string of each block."""
    n = layout.sector.n_orbitals
    created, annihilated, target, origin, sign = string_links(n, n_electrons)
    upper, lower = np.maximum(created, annihilated), np.minimum(created, annihilated)
    number = np.full(n * (n + 1) // 2, -1)
    number[chosen] = np.arange(len(chosen))
    pair = number[upper * (upper + 1) // 2 + lower]
    blocks, places = layout.classes[side], layout.places[side]
    block = blocks[target]
    kept = (pair >= 0) & (block >= 0) & (blocks[origin] >= 0)
    shape = (layout.shape[0], len(chosen), layout.shape[1 + side])
    strings, signs = np.zeros(shape, dtype=np.int32), np.zeros(shape)
    at = block[kept], pair[kept], places[target[kept]]
    strings[at], signs[at] = places[origin[kept]], sign[kept]
    return strings, signs


def same_spin_blocks(layout: Layout, hamiltonian: SectorHamiltonian) -> tuple[State, State]:
    """Return H of alpha electrons and of beta electrons alone on the strings of each block.

    Returns:
        Shapes (n_blocks, n_rows, n_rows) and (n_blocks, n_columns, n_columns), hartree.

    """
    sector, found = layout.sector, []
    for side, electrons in enumerate((sector.n_alpha, sector.n_beta)):
        n = layout.shape[1 + side]
        blocks = np.zeros((layout.shape[0], n, n))
        if electrons:
            whole = same_spin_matrix(sector.n_orbitals, electrons, hamiltonian.one_body, hamiltonian.two_body)
            for block, strings in zip(blocks, layout.members[side], strict=True):
                block[: len(strings), : len(strings)] = whole[np.ix_(strings, strings)]
        found.append(blocks)
    return found[0], found[1]


def runs(kinds: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return where runs of equal neighbours begin and end."""
    cuts = [k for k in range(1, len(kinds)) if kinds[k] != kinds[k - 1]]
    return list(pairwise([0, *cuts, len(kinds)])) if kinds else []
