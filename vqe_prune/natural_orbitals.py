"""Natural orbitals of UHF and of MP2 as restricted orbitals to start from, each in one irrep of the point group."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.errors import ConvergenceError, InputError

SAME_OCCUPATION = 1e-6
"""Natural occupations closer than this count as equal; their orbitals are then those of the Fock operator."""

SAME_ENERGY = 1e-7
"""UHF this little (hartree) below RHF is RHF."""

MOST_MIXED = 3
"""Pairs of orbitals around the Fermi level that a start of UHF mixes, as in a triple bond."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class NaturalOrbitals:
    """Natural orbitals, most occupied first.

    Attributes:
        turn: Columns in terms of the mean field's orbitals, orthogonal; shape (n_orbitals, n_orbitals).
        occupations: In electrons, of orbitals held frozen 2; shape (n_orbitals,).
        irreps: Of each; shape (n_orbitals,).

    """

    turn: Matrix
    occupations: NDArray[np.float64]
    irreps: NDArray[np.int64]


def natural_orbitals(
    method: Any, order: NDArray[np.int64], irreps: NDArray[np.int64], kind: str, n_frozen: int, name: str
) -> NaturalOrbitals:
    """Return natural orbitals of a charge density, averaged over the point group and diagonalised irrep by irrep.

    UHF natural orbitals: P. Pulay and T. P. Hamilton, UHF natural orbitals for defining and starting MC-SCF
    calculations, J. Chem. Phys. 88, 4926 (1988). MP2 densities are PySCF's, without orbital relaxation: of RHF,
    for open shells of UHF.

    Args:
        method: PySCF's converged RHF or ROHF.
        order: Its orbitals, doubly occupied, singly occupied and empty; shape (n_orbitals,).
        irreps: Of the orbitals in this order; shape (n_orbitals,).
        kind: ``uno`` or ``mp2_natural``.
        n_frozen: The first orbitals in this order stay as they are.
        name: Of the molecule, for messages.

    Raises:
        InputError: UHF is RHF, or MP2 has broken down.
        ConvergenceError: UHF does not converge.

    """
    orbitals, overlap = method.mo_coeff[:, order], method.get_ovlp()
    if kind == "uno":
        field = _unrestricted(method, order, name)
        if field.e_tot > method.e_tot - SAME_ENERGY:
            raise InputError(
                f"molecule.orbitals=uno has no effect: UHF of {name} is {'ROHF' if method.mol.spin else 'RHF'}, so no "
                f"natural occupation is between 0 and 2; try molecule.orbitals=mp2_natural"
            )
        density = sum(field.make_rdm1())
    else:
        density = _mp2_density(method, order, n_frozen, name)
    half = overlap @ orbitals
    found = half.T @ density @ half
    energies = np.asarray(method.mo_energy)[order]
    n = len(order)
    turn, occupations = np.eye(n), np.full(n, 2.0)
    for irrep in np.unique(irreps):
        mine = np.flatnonzero((irreps == irrep) & (np.arange(n) >= n_frozen))
        if len(mine):
            occupations[mine], turn[np.ix_(mine, mine)] = _diagonalised(found[np.ix_(mine, mine)], energies[mine])
    if kind == "mp2_natural" and (occupations.min() < -SAME_OCCUPATION or occupations.max() > 2 + SAME_OCCUPATION):
        raise InputError(
            f"molecule.orbitals=mp2_natural: MP2 has broken down for {name}, with natural occupations from "
            f"{occupations.min():.3f} to {occupations.max():.3f}; try molecule.orbitals=uno"
        )
    fock = np.einsum("pi,p,pi->i", turn, energies, turn)
    steps = np.round(occupations / SAME_OCCUPATION)
    position = np.array([*range(n_frozen), *(n_frozen + np.lexsort((fock[n_frozen:], -steps[n_frozen:])))], dtype=int)
    return NaturalOrbitals(turn=turn[:, position], occupations=occupations[position], irreps=irreps[position])


def _diagonalised(density: Matrix, energies: NDArray[np.float64]) -> tuple[NDArray[np.float64], Matrix]:
    """Occupations, descending, and orbitals; among equally occupied ones those that diagonalise the Fock operator."""
    occupations, orbitals = np.linalg.eigh((density + density.T) / 2)
    occupations, orbitals = occupations[::-1].copy(), orbitals[:, ::-1].copy()
    edges = [0, *(np.flatnonzero(-np.diff(occupations) > SAME_OCCUPATION) + 1), len(occupations)]
    for low, high in pairwise(edges):
        if high - low > 1:
            block = orbitals[:, low:high]
            orbitals[:, low:high] = block @ np.linalg.eigh(block.T @ (energies[:, None] * block))[1]
    largest = np.abs(orbitals).argmax(axis=0)
    return occupations, orbitals * np.sign(orbitals[largest, np.arange(len(occupations))])


def _unrestricted(method: Any, order: NDArray[np.int64], name: str) -> Any:
    """The lowest UHF from starts in which 0 to 3 pairs of orbitals are mixed oppositely for alpha and beta electrons.

    It may break the point group, as at a stretched bond, where only alpha here and beta there is right. PySCF's
    stability analysis does not find such solutions: it starts from a vector as symmetric as the orbitals.
    """
    from pyscf import scf

    mol = method.mol.copy()
    mol.symmetry = False
    mol.build(dump_input=False, parse_arg=False)
    n_alpha, n_beta = mol.nelec
    orbitals = method.mo_coeff[:, order]
    best = None
    for n_mixed in range(0 if mol.spin else 1, MOST_MIXED + 1):
        if n_mixed > max(min(n_beta, orbitals.shape[1] - n_alpha), 0):
            break
        field = scf.UHF(mol)
        field.conv_tol, field.verbose, field.max_cycle = 1e-11, 0, method.max_cycle
        field.kernel(dm0=_mixed(orbitals, n_alpha, n_beta, n_mixed))
        if not field.converged:
            field = field.newton()
            field.verbose = 0
            field.kernel()
        if field.converged and (best is None or field.e_tot < best.e_tot - SAME_ENERGY):
            best = field
    if best is None:
        raise ConvergenceError(f"UHF of {name} did not converge; try molecule.orbitals=mp2_natural or hf")
    return best


def _mixed(orbitals: Matrix, n_alpha: int, n_beta: int, n_mixed: int) -> Matrix:
    """Density matrices of alpha and beta electrons in turned orbitals; shape (2, n, n)."""
    densities = []
    for n_filled, sign in ((n_alpha, 1.0), (n_beta, -1.0)):
        turned = orbitals.copy()
        for k in range(n_mixed):
            filled, empty = n_beta - 1 - k, n_alpha + k
            turned[:, filled] = (orbitals[:, filled] + sign * orbitals[:, empty]) / np.sqrt(2.0)
            turned[:, empty] = (orbitals[:, empty] - sign * orbitals[:, filled]) / np.sqrt(2.0)
        densities.append(turned[:, :n_filled] @ turned[:, :n_filled].T)
    return np.array(densities)


def _mp2_density(method: Any, order: NDArray[np.int64], n_frozen: int, name: str) -> Matrix:
    """Density matrix of MP2 in basis functions."""
    from pyscf import mp

    if method.mol.spin == 0:
        frozen = sorted(int(k) for k in order[:n_frozen]) or None
        field, solver = method, mp.MP2(method, frozen=frozen)
    else:
        field = _unrestricted(method, order, name)
        solver = mp.UMP2(field, frozen=n_frozen or None)
    solver.verbose = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        solver.kernel()
        density = solver.make_rdm1()
    parts = [(density, field.mo_coeff)] if method.mol.spin == 0 else list(zip(density, field.mo_coeff, strict=True))
    total: Matrix = sum(c @ d @ c.T for d, c in parts)
    if not np.isfinite(total).all():
        raise InputError(
            f"molecule.orbitals=mp2_natural: filled and empty orbitals of {name} are degenerate; try another "
            f"molecule.spin or molecule.orbitals=uno"
        )
    return total
