"""Which orbitals are active: around the Fermi level by count, from a list, or by their natural occupations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqe_prune.errors import InputError

SHOWN = 6
"""Natural occupations on either side of a threshold that a message shows."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ActiveSpace:
    """Orbitals that stay doubly occupied and orbitals that the calculation is about, by position, ascending.

    Positions count from 0 through doubly occupied, singly occupied and empty orbitals; the rest is left out.

    Attributes:
        core: Doubly occupied in every determinant.
        active: The others that are kept.
        n_alpha: Active alpha electrons.
        n_beta: Active beta electrons.

    """

    core: tuple[int, ...]
    active: tuple[int, ...]
    n_alpha: int
    n_beta: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Shells:
    """What an active space is chosen from.

    Attributes:
        name: Of the molecule, for messages.
        n_electrons: Without those of effective core potentials.
        spin: Alpha minus beta electrons.
        n_orbitals: Number of spatial orbitals.

    """

    name: str
    n_electrons: int
    spin: int
    n_orbitals: int

    @property
    def n_filled(self) -> int:
        """Number of doubly occupied orbitals of the reference."""
        return (self.n_electrons - self.spin) // 2


def space_without_core(shells: Shells, n_core: int) -> ActiveSpace:
    """Return all orbitals but the first few doubly occupied ones."""
    n_core = min(n_core, shells.n_filled)
    return _space(shells, range(n_core), range(n_core, shells.n_orbitals))


def space_by_count(shells: Shells, n_electrons: int, n_orbitals: int) -> ActiveSpace:
    """Return so many electrons and orbitals around the Fermi level.

    Raises:
        InputError: There are fewer, or they do not fit.

    """
    name, total, spin = shells.name, shells.n_electrons, shells.spin
    where = f"molecule.active_space=[{n_electrons},{n_orbitals}]"
    if n_electrons > total or n_orbitals > shells.n_orbitals:
        raise InputError(f"{where} is larger than {name}, which has {total} electrons in {shells.n_orbitals} orbitals")
    if (total - n_electrons) % 2 or n_electrons < max(spin, 1):
        raise InputError(f"{where} must leave pairs of the {total} electrons (spin {spin}) in the core")
    n_core = (total - n_electrons) // 2
    if n_core + n_orbitals > shells.n_orbitals or (n_electrons + spin) // 2 > n_orbitals:
        raise InputError(
            f"{where} does not fit: {n_core} core orbitals leave {shells.n_orbitals - n_core} of {shells.n_orbitals} "
            f"orbitals, and {n_orbitals} orbitals hold at most {2 * n_orbitals - spin} electrons of spin {spin}"
        )
    return _space(shells, range(n_core), range(n_core, n_core + n_orbitals))


def space_by_list(shells: Shells, listed: Sequence[int], order: Sequence[int]) -> ActiveSpace:
    """Return listed orbitals; those of the reference that are not listed stay doubly occupied, others are left out.

    Args:
        shells: What to choose from.
        listed: Numbers of the orbitals, from 1.
        order: The number minus 1 of the orbital at each position, doubly occupied ones first.

    Raises:
        InputError: There is no such orbital, a singly occupied one is missing, or nothing is left to do.

    """
    where = f"molecule.active_orbitals=[{','.join(map(str, listed))}]"
    n, filled, singles = shells.n_orbitals, shells.n_filled, range(shells.n_filled, shells.n_filled + shells.spin)
    if not listed or len(set(listed)) != len(listed) or not 1 <= min(listed) <= max(listed) <= n:
        raise InputError(f"{where} must name each orbital once, from 1 to {n}: {shells.name} has {n} orbitals")
    place = {number: position for position, number in enumerate(order)}
    active = sorted(place[number - 1] for number in listed)
    missing = [order[p] + 1 for p in singles if p not in active]
    if missing:
        raise InputError(f"{where} must hold the singly occupied orbitals too: add {', '.join(map(str, missing))}")
    if active[0] >= filled + shells.spin:
        raise InputError(f"{where} holds empty orbitals alone: add some of the {filled} doubly occupied ones")
    return _space(shells, [p for p in range(filled) if p not in active], active)


def space_by_occupation(shells: Shells, occupations: NDArray[np.float64], threshold: float) -> ActiveSpace:
    """Return the orbitals whose natural occupation n is far from both ends, threshold <= n <= 2 - threshold.

    Args:
        shells: What to choose from.
        occupations: Natural occupations, descending; shape (n_orbitals,).
        threshold: In electrons.

    Raises:
        InputError: No such orbitals, or all of them filled or all empty.

    """
    where = f"molecule.active_space=auto with molecule.occupation_threshold={threshold:g}"
    inside = np.flatnonzero((occupations >= threshold) & (occupations <= 2.0 - threshold))
    filled, n_alpha = shells.n_filled, shells.n_filled + shells.spin
    edge = occupations[max(filled - SHOWN, 0) : n_alpha + SHOWN]
    shown = " ".join(f"{x:.4f}" for x in edge)
    none = not len(inside) or inside[0] >= n_alpha or inside[-1] < filled or len(inside) < 2
    if none or (inside[0] >= filled and inside[-1] < n_alpha):  # filled or empty orbitals alone, or singly filled ones
        raise InputError(
            f"{where} leaves nothing to correlate in {shells.name}: natural occupations around the Fermi level are "
            f"{shown}; try a smaller threshold"
        )
    low, high = min(int(inside[0]), filled), max(int(inside[-1]), n_alpha - 1)
    return _space(shells, range(low), range(low, high + 1))


def _space(shells: Shells, core: Sequence[int], active: Sequence[int]) -> ActiveSpace:
    n_filled = sum(p < shells.n_filled for p in active)
    return ActiveSpace(core=tuple(core), active=tuple(active), n_alpha=n_filled + shells.spin, n_beta=n_filled)
