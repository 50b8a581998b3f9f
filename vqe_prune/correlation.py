"""MP2 and CCSD by PySCF on integrals alone, on the reference determinant whatever its orbitals are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.electrons import Electrons

STATIONARY = 1e-5
"""Fock elements (hartree) between filled and empty orbitals of a Hartree-Fock state are below this: SCF ends at some
1e-7, and other orbitals show 1e-2."""

SINGULAR_DIIS = (np.linalg.LinAlgError, AttributeError)
"""Raised by PySCF where its DIIS meets a singular matrix, stretched HF for one: it looks for NumPy's error where NumPy
2 no longer has it, in `numpy.linalg.linalg`."""


def mean_field_on(electrons: Electrons) -> Any:
    """Return PySCF's RHF or, for open shells, UHF object with the reference in the orbitals of the integrals.

    Its basis functions are the orbitals; its energies are without the constant.
    """
    from pyscf import ao2mo, gto, scf

    n, numbers = electrons.n_orbitals, np.array([electrons.n_alpha, electrons.n_beta])
    mol = gto.M(verbose=0)
    mol.nelectron, mol.spin, mol.incore_anyway = int(numbers.sum()), int(numbers[0] - numbers[1]), True
    closed = mol.spin == 0
    field = scf.RHF(mol) if closed else scf.UHF(mol)
    field.get_hcore = lambda *_: electrons.one_body
    field.get_ovlp = lambda *_: np.eye(n)
    field._eri = ao2mo.restore(8, electrons.two_body, n)
    filled = np.array([np.arange(n) < number for number in numbers], dtype=float)
    field.mo_occ = 2.0 * filled[0] if closed else filled
    field.mo_coeff = np.eye(n) if closed else np.array([np.eye(n)] * 2)
    fock = field.get_fock(dm=field.make_rdm1())
    field.mo_energy = np.diagonal(fock, axis1=-2, axis2=-1).copy()
    field.converged = True
    return field


def brillouin_residual(electrons: Electrons) -> float:
    """Return the largest Fock element (hartree) between a filled and an empty spin orbital of the reference.

    Hartree-Fock orbitals of a closed shell have none; ROHF orbitals have some in each spin, but not in their sum.
    """
    field = mean_field_on(electrons)
    fock = np.asarray(field.get_fock(dm=field.make_rdm1()))
    a, b = electrons.n_alpha, electrons.n_beta
    if a == b:
        return float(np.abs(fock[:a, a:]).max(initial=0.0))
    alpha, beta = fock
    mixed = [alpha[b:a, a:], beta[:b, b:a], (alpha + beta)[:b, a:] / 2]  # ROHF: single to empty, filled to single, both
    return float(max(np.abs(block).max(initial=0.0) for block in mixed))


def correlated_energies(electrons: Electrons) -> dict[str, float | None]:
    """Return MP2 and CCSD energies (hartree) of the electrons in their orbitals, None where a method does not apply.

    MP2 is left out for open shells and where the reference is not a Hartree-Fock state: its formula would be wrong.
    """
    from pyscf import cc, mp

    if electrons.n_beta == 0 or electrons.n_alpha == electrons.n_orbitals:
        return {"mp2": None, "ccsd": None}  # no electron pair or no empty orbital: nothing to correlate
    field, reference = mean_field_on(electrons), electrons.reference_energy
    mp2 = None
    if electrons.n_alpha == electrons.n_beta and brillouin_residual(electrons) < STATIONARY:
        _make_canonical(field, electrons.n_alpha)
        with np.errstate(divide="ignore", invalid="ignore"):  # degenerate occupied and empty orbitals: infinite
            mp2 = reference + float(mp.MP2(field).run(verbose=0).e_corr)
    if mp2 is not None and not math.isfinite(mp2):
        mp2 = None
    coupled_cluster = cc.CCSD(field)
    coupled_cluster.verbose = 0
    coupled_cluster.conv_tol = 1e-9
    try:
        with np.errstate(all="ignore"):  # amplitudes of a reference that is far from the ground state may run away
            coupled_cluster.kernel()
    except (*SINGULAR_DIIS, ValueError):
        return {"mp2": mp2, "ccsd": None}
    done = coupled_cluster.converged and math.isfinite(coupled_cluster.e_corr)
    return {"mp2": mp2, "ccsd": reference + float(coupled_cluster.e_corr) if done else None}


def _make_canonical(field: Any, n_filled: int) -> None:
    """Diagonalise the Fock operator among the filled and among the empty orbitals, which leaves the state as it is."""
    fock = np.asarray(field.get_fock(dm=field.make_rdm1()))
    orbitals: NDArray[np.float64] = np.zeros_like(fock)
    for block in (slice(0, n_filled), slice(n_filled, None)):
        field.mo_energy[block], orbitals[block, block] = np.linalg.eigh(fock[block, block])
    field.mo_coeff = orbitals
