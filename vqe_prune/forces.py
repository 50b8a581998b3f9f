"""Forces on nuclei: the derivative of an optimised energy with respect to the geometry, orbital response included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.chemistry import MeanField, require_memory, solve_mean_field
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.objective import energy_of
from vqe_prune.observables import density_matrices_of
from vqe_prune.orbitals import in_orbitals
from vqe_prune.problem import Problem

Matrix = NDArray[np.float64]

STATIONARY = 1e-6
"""Derivatives with respect to orbital rotations (hartree) below this are zero: nothing responds."""

DEGENERATE = 1e-5
"""Orbital energies closer than this (hartree) are of partners, which no totally symmetric energy turns."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Orbitals:
    """A closed-shell or stationary set of canonical orbitals, all of them, core first, then active, then empty ones."""

    coefficients: Matrix
    energies: NDArray[np.float64]
    occupations: NDArray[np.float64]
    n_core: int
    n_active: int


def nuclear_gradient(
    problem: Problem,
    ansatz: Ansatz,
    angles: NDArray[np.float64],
    *,
    orbitals: Matrix | None = None,
    place: Matrix | None = None,
) -> Matrix:
    """Return dE/dR of an optimised state with its ansatz held, in hartree per bohr; shape (n_atoms, 3).

    dE/dR = sum h^R D + 1/2 sum (pq|rs)^R Gamma - sum S^R W + nuclei, with D and Gamma of the state and the response of
    the Hartree-Fock orbitals by a Lagrangian: E + sum_pq z_pq F_pq is stationary in all rotations of orbitals. z solves
    the coupled-perturbed equations between filled and empty orbitals, and z_pq = -(Y_pq) / (e_p - e_q) among filled and
    among empty ones, where Y is the antisymmetric part of the generalised Fock matrix: an ansatz, unlike full
    configuration interaction, changes where active orbitals turn among themselves, so that PySCF's CASCI gradients,
    which leave this out, do not serve. The energy must be stationary in the angles.

    Args:
        problem: Of a molecule, as `molecular_problem` makes it, closed shell unless all orbitals are optimised.
        ansatz: Excitation rotations.
        angles: Their optimum, radian; shape (n_parameters,).
        orbitals: Orbitals of the ansatz in terms of the problem's (`Stage.orbitals`), None for the problem's own; those
            that were optimised must be at their optimum.
        place: The problem's orbitals in terms of those of `solve_mean_field` where they have been aligned, a signed
            permutation; shape (n_orbitals, n_orbitals).

    Raises:
        InputError: The problem comes from integrals, or its orbitals have no response here (open shells).
        ConvergenceError: The response does not converge.

    Reference: the Lagrangian is that of T. Helgaker, P. Jorgensen, Configuration-interaction energy derivatives in a
        fully variational formulation, Theor. Chim. Acta 75, 111 (1989); derivative integrals are PySCF's.

    """
    if problem.molecule is None:
        raise InputError(f"{problem.name} has no geometry: a nuclear gradient needs a molecule, not integrals")
    state = energy_of(in_orbitals(problem, orbitals))(ansatz).engine.state(np.asarray(angles, dtype=np.float64))
    found = density_matrices_of(problem, state)
    turn = np.eye(problem.n_orbitals) if orbitals is None else orbitals
    turn = turn if place is None else place @ turn
    assert found.two_body is not None
    one = turn @ found.one_body @ turn.T
    two = np.einsum("pqrs,ip,jq,kr,ls->ijkl", found.two_body, turn, turn, turn, turn, optimize=True)
    return gradient_of_densities(solve_mean_field(problem.molecule), one, two)


def gradient_of_densities(field: MeanField, one_body: Matrix, two_body: NDArray[np.float64]) -> Matrix:
    """Return dE/dR of a state that is stationary but for its orbitals, hartree per bohr; shape (n_atoms, 3).

    Args:
        field: The mean field whose orbitals the densities are in.
        one_body: <E_pq> of the active orbitals; shape (n_orbitals, n_orbitals).
        two_body: Two-electron density matrix in PySCF's order, see `DensityMatrices`; shape (n_orbitals,) * 4.

    """
    found = _orbitals_of(field)
    mf, c = field.scf, found.coefficients
    nao = int(mf.mol.nao)
    require_memory(
        3 * nao**4 + 2 * nao**4 + found.n_active**4,
        f"a nuclear gradient with {nao} basis functions",
        "a smaller molecule.basis",
    )
    first, last = found.n_core, found.n_core + found.n_active
    density = np.zeros((c.shape[1],) * 2)
    density[range(first), range(first)] = 2.0
    density[first:last, first:last] = one_body
    cumulant = two_body - np.einsum("pq,rs->pqrs", one_body, one_body)
    cumulant += 0.5 * np.einsum("ps,rq->pqrs", one_body, one_body)
    cumulant = 0.5 * (cumulant + cumulant.transpose(1, 0, 2, 3))  # as symmetric as the integrals
    active = c[:, first:last]
    fock = c.T @ (mf.get_hcore() + _potential(mf, c @ density @ c.T)) @ c
    generalised = fock @ density
    generalised[:, first:last] += _cumulant_fock(mf.mol, c, active, cumulant)
    z = _response(mf, found, generalised - generalised.T)
    return _contract(mf, found, density, z, generalised, cumulant)


def _orbitals_of(field: MeanField) -> _Orbitals:
    """All orbitals of a mean field, active ones in the order of its electrons."""
    mf, electrons = field.scf, field.electrons
    if field.core is None or field.active is None:
        raise InputError("a nuclear gradient needs the orbitals of Hartree-Fock: molecule.orbitals=hf")
    coefficients, occupations = np.asarray(mf.mo_coeff), np.asarray(mf.mo_occ)
    kept = {*field.core, *field.active}
    order = [*field.core, *field.active, *(p for p in range(len(occupations)) if p not in kept)]
    return _Orbitals(
        coefficients=coefficients[:, order],
        energies=np.asarray(mf.mo_energy)[order],
        occupations=occupations[order],
        n_core=len(field.core),
        n_active=electrons.n_orbitals,
    )


def _potential(mf: Any, density: Matrix) -> Matrix:
    """J - K / 2 of a symmetric density in the basis."""
    coulomb, exchange = mf.get_jk(mf.mol, density, hermi=1)
    return np.asarray(coulomb - 0.5 * exchange)


def _cumulant_fock(mol: Any, c: Matrix, active: Matrix, cumulant: NDArray[np.float64]) -> Matrix:
    """sum_uvw (pu|vw) cumulant_tuvw for all orbitals p and active t."""
    from pyscf import ao2mo

    n = active.shape[1]
    integrals = ao2mo.kernel(mol, (c, active, active, active), compact=False).reshape(c.shape[1], n, n, n)
    return np.einsum("puvw,tuvw->pt", integrals, cumulant, optimize=True)


def _response(mf: Any, found: _Orbitals, y: Matrix) -> Matrix:
    """Multipliers z of the off-diagonal Fock matrix, symmetric, in orbitals; zero where nothing responds."""
    from pyscf.scf import rohf
    from scipy.sparse.linalg import LinearOperator, gmres

    if np.abs(y).max() < STATIONARY:
        return np.zeros_like(y)
    if isinstance(mf, rohf.ROHF):
        raise InputError(
            "a nuclear gradient of an open shell needs orbitals that are all optimised: "
            "pruner.orbitals=optimise without frozen or left-out orbitals"
        )
    filled = found.occupations > 0
    gaps = found.energies[:, None] - found.energies[None, :]
    same = filled[:, None] == filled[None, :]
    close = np.abs(gaps) < DEGENERATE
    if np.abs(y[same & close]).max(initial=0.0) > STATIONARY * 10:
        raise InputError("a nuclear gradient does not exist here: degenerate orbitals of one irrep turn freely")
    z = np.where(same & ~close, -y / np.where(close, 1.0, gaps), 0.0)
    c, (vir, occ) = found.coefficients, (np.flatnonzero(~filled), np.flatnonzero(filled))
    right = y[np.ix_(vir, occ)] + 2.0 * (c.T @ _potential(mf, c @ z @ c.T) @ c)[np.ix_(vir, occ)]

    differences = gaps[np.ix_(vir, occ)]

    def coupled(x: Any) -> Any:
        """(e_a - e_i) x + 2 V[x], each divided by its e_a - e_i."""
        trial = np.zeros_like(z)
        trial[np.ix_(vir, occ)] = np.reshape(x, right.shape)
        image = c.T @ _potential(mf, c @ (trial + trial.T) @ c.T) @ c
        return (trial[np.ix_(vir, occ)] + 2.0 * image[np.ix_(vir, occ)] / differences).ravel()

    operator = LinearOperator((right.size, right.size), matvec=coupled, dtype=np.float64)
    solved, failed = gmres(operator, -(right / differences).ravel(), rtol=1e-11, atol=0.0, maxiter=50)
    if failed:
        raise ConvergenceError("the response of the orbitals to the nuclei did not converge; try another geometry")
    solved = np.reshape(solved, right.shape)
    z[np.ix_(vir, occ)] = solved
    z[np.ix_(occ, vir)] = solved.T
    return z


def _contract(
    mf: Any, found: _Orbitals, density: Matrix, z: Matrix, generalised: Matrix, cumulant: NDArray[np.float64]
) -> Matrix:
    """Derivative integrals with densities, multipliers and energy-weighted densities."""
    from pyscf.grad import rhf

    mol, c = mf.mol, found.coefficients
    active = c[:, found.n_core : found.n_core + found.n_active]
    gradients = rhf.Gradients(mf)
    filled = np.diag(found.occupations)
    energies = found.energies[:, None] + found.energies[None, :]
    share = found.occupations[:, None] + found.occupations[None, :]
    lifted = c.T @ _potential(mf, c @ z @ c.T) @ c
    weighted = 0.5 * (generalised + generalised.T) + 0.5 * z * energies + 0.5 * lifted * share
    d, zs, d0, w = (c @ each @ c.T for each in (density, z, filled, weighted))
    hcore, overlap = gradients.hcore_generator(mol), np.asarray(gradients.get_ovlp(mol))
    moved = [np.asarray(gradients.get_veff(mol, each)) for each in (d, zs, d0)]
    pairs = np.einsum("pqrs,kq,lr,ms->pklm", cumulant, active, active, active, optimize=True)
    out = np.asarray(gradients.grad_nuc(mol)).copy()
    for atom, (shell0, shell1, p0, p1) in enumerate(mol.aoslice_by_atom()):
        out[atom] += np.einsum("xij,ij->x", hcore(atom), d + zs)
        out[atom] += 2.0 * np.einsum("xij,ij->x", moved[0][:, p0:p1], d[p0:p1])
        out[atom] += 2.0 * np.einsum("xij,ij->x", moved[2][:, p0:p1], zs[p0:p1])
        out[atom] += 2.0 * np.einsum("xij,ij->x", moved[1][:, p0:p1], d0[p0:p1])
        out[atom] -= 2.0 * np.einsum("xij,ij->x", overlap[:, p0:p1], w[p0:p1])
        n = mol.nbas
        shells = (shell0, shell1, 0, n, 0, n, 0, n)
        integrals = mol.intor("int2e_ip1", comp=3, aosym="s1", shls_slice=shells)
        own = np.einsum("ip,pklm->iklm", active[p0:p1], pairs, optimize=True)
        out[atom] -= 2.0 * np.einsum("xiklm,iklm->x", integrals, own, optimize=True)
    return out
