"""Orbital rotations: the part of an ansatz that a classical computer carries out, by rotating the integrals.

exp(kappa) with kappa = sum_{p<q} x_pq sum_s (a+_{qs} a_{ps} - a+_{ps} a_{qs}) behind a circuit is no gate:
<psi|e^-kappa H e^kappa|psi> is the energy of the circuit alone in other orbitals. So the orbitals of an ansatz are
optimised as angles of rotations that stand behind it, with the exact derivatives of the engine, together with its own,
and then go into the Hamiltonian.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.electrons import Electrons
from vqe_prune.errors import InputError, near_misses
from vqe_prune.problem import Problem
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.symmetry import spin_orbital_symmetries

Matrix = NDArray[np.float64]
Pair = tuple[int, int]

TREATMENTS = ("fixed", "absorb", "optimise")
"""What pruning may do with the orbitals."""

UNITARY = 1e-9
"""Orbitals whose overlaps differ by more than this from the identity are not orthonormal."""


def free_pairs(problem: Problem | QubitProblem, orbitals: str) -> tuple[Pair, ...]:
    """Return the pairs of orbitals that turn while an ansatz is optimised, none unless `orbitals` is ``optimise``.

    Raises:
        InputError: `orbitals` is unknown, or has no effect on this problem.

    """
    if orbitals not in TREATMENTS:
        raise InputError(f"unknown orbitals={orbitals!r}{near_misses(orbitals, TREATMENTS)}")
    if orbitals == "fixed":
        return ()
    if isinstance(problem, QubitProblem):
        raise InputError(f"orbitals={orbitals} is for excitations of electrons, but {problem.name} is of qubits")
    pairs = orbital_pairs(problem.electrons)
    if not pairs:
        raise InputError(
            f"orbitals={orbitals} has no effect: no two of the {problem.n_orbitals} orbitals of {problem.name} share "
            f"an irrep of {problem.electrons.group}; leave it out or take a larger active space"
        )
    return pairs if orbitals == "optimise" else ()


def orbital_pairs(electrons: Electrons) -> tuple[Pair, ...]:
    """Return the pairs p < q of orbitals that may mix: those of one irrep, since others would break the symmetry."""
    n, irreps = electrons.n_orbitals, electrons.irreps
    return tuple((p, q) for p in range(n) for q in range(p + 1, n) if irreps[p] == irreps[q])


def with_orbital_rotations(ansatz: Ansatz, pairs: Sequence[Pair]) -> Ansatz:
    """Return an ansatz with orbital rotations behind it, each of alpha and beta alike, on parameters after its own.

    Args:
        ansatz: Excitation rotations.
        pairs: Orbitals (p, q); the rotation turns p by its angle towards q.

    """
    behind = [
        Rotation(Excitation((2 * q + spin,), (2 * p + spin,)), ansatz.n_parameters + k)
        for k, (p, q) in enumerate(pairs)
        for spin in (0, 1)
    ]
    rotations = (*ansatz.rotations, *behind)
    return replace(ansatz, rotations=rotations, n_parameters=ansatz.n_parameters + len(pairs))


def orbital_matrix(n_orbitals: int, pairs: Sequence[Pair], angles: Sequence[float] | NDArray[np.float64]) -> Matrix:
    """Return the orbitals that a sequence of rotations leads to, a+'_p = sum_r a+_r U_rp.

    exp(x (a+_q a_p - a+_p a_q)) takes a+_p to cos x a+_p + sin x a+_q; of several rotations the first acts first.

    Args:
        n_orbitals: Number of orbitals.
        pairs: Orbitals (p, q) of each rotation.
        angles: Angle of each, radian.

    Returns:
        Orthogonal matrix U, a column for each new orbital; shape (n_orbitals, n_orbitals).

    """
    matrix = np.eye(n_orbitals)
    for (p, q), angle in zip(pairs, angles, strict=True):
        cosine, sine = np.cos(angle), np.sin(angle)
        matrix[[p, q]] = [cosine * matrix[p] - sine * matrix[q], sine * matrix[p] + cosine * matrix[q]]
    return matrix


def rotated_electrons(electrons: Electrons, orbitals: Matrix) -> Electrons:
    """Return the same electrons in other orbitals: h' = U^T h U, (pq|rs)' with each index turned.

    Args:
        electrons: Integrals in the old orbitals.
        orbitals: U, orthogonal, mixing orbitals of one irrep only; shape (n_orbitals, n_orbitals).

    Raises:
        ValueError: The matrix is not orthogonal.

    """
    from pyscf import ao2mo

    n = electrons.n_orbitals
    if orbitals.shape != (n, n) or np.abs(orbitals.T @ orbitals - np.eye(n)).max() > UNITARY:
        raise ValueError(f"Argument `orbitals` must be an orthogonal matrix of {n} orbitals")
    two_body = ao2mo.restore(1, ao2mo.incore.full(ao2mo.restore(8, electrons.two_body, n), orbitals), n)
    one_body = orbitals.T @ electrons.one_body @ orbitals
    dipole = None if electrons.dipole is None else electrons.dipole.turned(orbitals)
    return replace(electrons, one_body=one_body, two_body=two_body, dipole=dipole)


def in_orbitals(problem: Problem, orbitals: Matrix | None) -> Problem:
    """Return a problem in other orbitals; energies stay, and the reference now fills the first of the new ones.

    Args:
        problem: The problem in its own orbitals.
        orbitals: U of `rotated_electrons`, None for the problem as it is.

    """
    if orbitals is None:
        return problem
    electrons = rotated_electrons(problem.electrons, orbitals)
    return replace(problem, electrons=electrons, symmetries=spin_orbital_symmetries(electrons))


def state_in_old_orbitals(state: Matrix, electrons: Electrons, orbitals: Matrix | None) -> Matrix:
    """Return a state of rotated orbitals on the determinants of the old ones, by PySCF.

    Args:
        state: Amplitudes on determinants of the new orbitals; shape (n_alpha_strings, n_beta_strings).
        electrons: Gives the electron numbers.
        orbitals: U of `rotated_electrons`, None where nothing was rotated.

    """
    if orbitals is None:
        return state
    from pyscf.fci import addons

    return np.asarray(addons.transform_ci(state, (electrons.n_alpha, electrons.n_beta), orbitals.T))
