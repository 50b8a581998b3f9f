"""The reference determinant of a given irrep: which orbitals it fills, lowest energy first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from vqe_prune.electrons import Electrons, determinant_energies, irrep_product
from vqe_prune.errors import InputError, near_misses
from vqe_prune.fcidump import LINEAR

Indices = NDArray[np.int64]

SAME_LEVEL = 1e-6
"""Energies (hartree) closer than this are one: the exact solver ends within 1e-9."""

PURE_SPIN = 0.1
"""An <S^2> nearer than this to S (S + 1) is that of S: exact states have a definite spin unless they are degenerate."""

MOST_MOVED = 2
"""Singly filled orbitals that may be others than after SCF, beside one doubly filled orbital."""


def irrep_name(electrons: Electrons, irrep: int) -> str:
    """Return the name of an Abelian irrep, its number where the group is not known."""
    from pyscf import symm

    group = LINEAR.get(electrons.group, electrons.group)
    try:
        return str(symm.irrep_id2name(group, irrep))
    except (KeyError, IndexError):
        return str(irrep)


def reference_irrep(electrons: Electrons) -> int:
    """Return the irrep of the reference: the product of those of its singly filled orbitals."""
    return irrep_product(electrons.irreps[electrons.n_beta : electrons.n_alpha])


def wrong_sector(electrons: Electrons, irrep: int, spin_squared: float, above: float, *, unstable: bool) -> list[str]:
    """Say in words where the ground state is in another irrep or spin than the reference, and what to type.

    Args:
        electrons: With the reference.
        irrep: Of the lowest state with these numbers of alpha and beta electrons.
        spin_squared: Its <S^2>.
        above: By how much (hartree) the lowest state of the reference's irrep is higher.
        unstable: Whether mixing orbitals of different irreps lowers the mean field.

    """
    spin = electrons.n_alpha - electrons.n_beta
    total = round(np.sqrt(1.0 + 4.0 * spin_squared) - 1.0)
    pure = abs(spin_squared - total / 2 * (total / 2 + 1)) < PURE_SPIN and (total - spin) % 2 == 0
    more = spin_squared > spin / 2 * (spin / 2 + 1) + PURE_SPIN
    if above < SAME_LEVEL and not more:
        return []
    if not pure:  # states of several spins have one energy, as atoms far from each other have
        return [
            f"the exact state has <S^2> = {spin_squared:.2f}, no definite spin: states of several spins have its energy"
        ]
    labels = len(set(electrons.irreps.tolist())) > 1
    theirs, own = (f"{multiplicity(s)} of {irrep_name(electrons, i)}" if labels else multiplicity(s)
                   for s, i in ((total, irrep), (spin, reference_irrep(electrons))))  # fmt: skip
    words = [f"molecule.spin={total}"] if total != spin else []
    words += [f"molecule.irrep={irrep_name(electrons, irrep)}"] if labels and total else []
    remedy = f"type {' '.join(words)}"
    if not words:
        remedy = "no closed shell has its symmetry; type excited=1 to find it out of the reference"
        remedy += ", or molecule.stability=follow for orbitals without the point group" * unstable
    gap = f", {1e3 * above:.3f} mHa below the lowest state of the reference's irrep" if above >= SAME_LEVEL else ""
    return [
        f"the ground state is in another symmetry sector than the reference: it is a {theirs} (<S^2> = "
        f"{spin_squared:.2f}){gap}, the reference is a {own}, and an ansatz that keeps symmetries stays there; {remedy}"
    ]


def multiplicity(spin: int) -> str:
    """Return what a state of 2 S = spin is called."""
    names = ("singlet", "doublet", "triplet", "quartet", "quintet", "sextet", "septet")
    return names[spin] if spin < len(names) else f"state of 2S+1 = {spin + 1}"


def order_for_irrep(electrons: Electrons, irrep: str | None, name: str) -> Indices:
    """Return the orbitals in an order whose reference is the lowest determinant of an irrep.

    Determinants with up to one doubly filled and two singly filled orbitals exchanged are looked at; the orbitals stay
    those of SCF.

    Args:
        electrons: With the reference of SCF.
        irrep: Name in the Abelian point group (of linear molecules in D2h or C2v), None for the order as it is.
        name: Of the molecule, for messages.

    Returns:
        Doubly filled, singly filled and empty orbitals, each in the order in which they stood; shape (n_orbitals,).

    Raises:
        InputError: No such determinant has the irrep.

    """
    n, n_alpha, n_beta = electrons.n_orbitals, electrons.n_alpha, electrons.n_beta
    if irrep is None or irrep_name(electrons, reference_irrep(electrons)) == irrep:
        return np.arange(n)
    energy_of = determinant_energies(electrons.one_body, electrons.two_body)
    lowest: dict[str, tuple[float, tuple[int, ...], tuple[int, ...]]] = {}
    for both, single in _determinants(n, n_alpha, n_beta):
        found = irrep_name(electrons, irrep_product(electrons.irreps[list(single)]))
        energy = energy_of((*both, *single), both)
        if energy < lowest.get(found, (np.inf,))[0]:
            lowest[found] = energy, both, single
    if irrep not in lowest:
        group = LINEAR.get(electrons.group, electrons.group)
        why = near_misses(irrep, sorted(lowest))
        if n_alpha == n_beta:
            why = f": a closed shell has {irrep_name(electrons, 0)}; try another molecule.spin"
        raise InputError(f"molecule.irrep={irrep}: no reference of {name} has this irrep in {group}{why}")
    _, both, single = lowest[irrep]
    rest = [p for p in range(n) if p not in (*both, *single)]
    return np.array([*both, *single, *rest], dtype=np.int64)


def _determinants(n: int, n_alpha: int, n_beta: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Doubly and singly filled orbitals of the reference and of determinants near it, each once."""
    for moved in range(min(1, n_beta, n - n_beta) + 1):
        for left in combinations(range(n_beta), moved):
            for taken in combinations(range(n_beta, n), moved):
                both = tuple(sorted({*range(n_beta)} - {*left} | {*taken}))
                free = [p for p in range(n) if p not in both]
                usual = free[: n_alpha - n_beta]
                for out in range(min(MOST_MOVED, len(usual), len(free) - len(usual)) + 1):
                    for gone in combinations(usual, out):
                        for new in combinations(free[len(usual) :], out):
                            yield both, tuple(sorted({*usual} - {*gone} | {*new}))


def reordered(electrons: Electrons, order: Indices) -> Electrons:
    """Return the electrons with their orbitals in another order, of which the reference fills the first."""
    return replace(
        electrons,
        one_body=electrons.one_body[np.ix_(order, order)],
        two_body=electrons.two_body[np.ix_(order, order, order, order)],
        irreps=electrons.irreps[order],
        dipole=None if electrons.dipole is None else electrons.dipole.turned(np.eye(len(order))[:, order]),
    )
