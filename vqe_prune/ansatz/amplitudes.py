"""Cluster amplitudes of MP2 and CCSD by PySCF: angles to start from, and an order of rotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation
from vqe_prune.correlation import mean_field_on
from vqe_prune.electrons import Electrons
from vqe_prune.errors import ConvergenceError, InputError, near_misses

METHODS = ("mp2", "ccsd")

CYCLES = 200
"""Iterations of CCSD before it is given up."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Amplitudes:
    """Amplitudes of exp(T1 + T2)|reference>: T1 = sum t_i^a a+ i, T2 = 1/4 sum t_ij^ab a+ b+ j i over spin orbitals.

    Attributes:
        n_electrons: Alpha and beta electrons; filled orbitals count from 0, empty ones from these.
        singles: t_i^a of alpha and of beta electrons; shape (n_filled, n_empty) each.
        same: t_ij^ab of two alpha and of two beta electrons; shape (n_filled, n_filled, n_empty, n_empty) each.
        mixed: t_ij^ab with i, a alpha and j, b beta.

    """

    n_electrons: tuple[int, int]
    singles: tuple[NDArray[np.float64], NDArray[np.float64]]
    same: tuple[NDArray[np.float64], NDArray[np.float64]]
    mixed: NDArray[np.float64]

    def of(self, excitation: Excitation) -> float:
        """Return the amplitude of T of an excitation, minus that of its inverse; 0 where neither occurs in T1 + T2."""
        there = self._directed(excitation.created, excitation.annihilated)
        return there - self._directed(excitation.annihilated, excitation.created)

    def _directed(self, created: tuple[int, ...], annihilated: tuple[int, ...]) -> float:
        lists = (created, annihilated)
        swaps = sum(p % 2 > q % 2 for indices in lists for k, p in enumerate(indices) for q in indices[k + 1 :])
        a, i = (sorted(indices, key=lambda p: p % 2) for indices in lists)  # alpha before beta
        spins = tuple(p % 2 for p in a)
        empty = tuple(p // 2 - self.n_electrons[p % 2] for p in a)
        filled = tuple(p // 2 for p in i)
        if min(empty) < 0 or any(p // 2 >= self.n_electrons[p % 2] for p in i) or len(a) > 2:
            return 0.0
        if len(a) == 1:
            value = self.singles[spins[0]][filled[0], empty[0]]
        else:
            tensor = self.mixed if spins == (0, 1) else self.same[spins[0]]
            value = tensor[filled[0], filled[1], empty[0], empty[1]]
        return float(value) * (-1.0) ** swaps


def cluster_amplitudes(electrons: Electrons, method: str) -> Amplitudes:
    """Return the amplitudes of first-order perturbation theory or of CCSD on the reference, by PySCF.

    Args:
        electrons: Integrals in the orbitals of the reference; equal numbers of alpha and beta electrons are treated as
            a closed shell, others with a spin-unrestricted cluster operator.
        method: ``mp2`` or ``ccsd``; mp2 is the first-order wave function, whose singles vanish in canonical orbitals.

    Raises:
        InputError: The method is unknown or filled and empty orbitals are degenerate.
        ConvergenceError: CCSD does not converge.

    """
    if method not in METHODS:
        raise InputError(f"unknown amplitudes {method!r}{near_misses(method, METHODS)}")
    numbers, n = (electrons.n_alpha, electrons.n_beta), electrons.n_orbitals
    if numbers[0] == n or numbers == (0, 0):
        raise InputError(f"ansatz.start={method} has no effect: the reference has no empty or no filled orbital")
    solver = _solver(electrons)
    integrals = solver.ao2mo()
    with np.errstate(divide="ignore", invalid="ignore"):
        _, t1, t2 = solver.init_amps(integrals)
    if not all(np.isfinite(each).all() for each in (*t1, *t2)):
        raise InputError(f"ansatz.start={method}: filled and empty orbitals are degenerate; leave it out")
    if method == "ccsd":
        _, t1, t2 = solver.kernel(t1, t2, eris=integrals)
        if not solver.converged:
            raise ConvergenceError(f"CCSD did not converge in {CYCLES} steps; try ansatz.start=mp2 or zero")
    if numbers[0] != numbers[1]:
        return Amplitudes(n_electrons=numbers, singles=tuple(t1), same=(t2[0], t2[2]), mixed=t2[1])
    same = t2 - t2.transpose(0, 1, 3, 2)
    return Amplitudes(n_electrons=numbers, singles=(t1, t1), same=(same, same), mixed=t2)


def _solver(electrons: Electrons) -> Any:
    """PySCF's CCSD on a mean field made of the integrals."""
    from pyscf import cc

    solver = cc.CCSD(mean_field_on(electrons))
    solver.verbose, solver.conv_tol, solver.conv_tol_normt, solver.max_cycle = 0, 1e-9, 1e-7, CYCLES
    return solver


def angles_of(ansatz: Ansatz, amplitudes: Amplitudes) -> NDArray[np.float64]:
    """Return angles whose state agrees with the cluster operator to first order, as far as the ansatz can.

    Where a generator G occurs with angles c_r theta_p(r), their sum should be its amplitude: solved for the smallest
    theta by least squares, so that layers share an amplitude and tied rotations take a mean.

    Args:
        ansatz: Excitation rotations.
        amplitudes: Of the same reference.

    Returns:
        Angles in radian; shape (n_parameters,).

    """
    import scipy.sparse as sparse
    from scipy.sparse.linalg import lsmr

    rows: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    entries = []
    for rotation, excitation in zip(ansatz.rotations, ansatz.excitations, strict=True):
        row = rows.setdefault((excitation.created, excitation.annihilated), len(rows))
        if rotation.parameter is not None:
            entries.append((rotation.coefficient, row, rotation.parameter))
    wanted = np.array([amplitudes.of(Excitation(*each)) for each in rows])
    if not entries or not wanted.any():
        return np.zeros(ansatz.n_parameters)
    values, at, parameters = zip(*entries, strict=True)
    system = sparse.csr_array((values, (at, parameters)), shape=(len(rows), ansatz.n_parameters))
    return np.asarray(lsmr(system, wanted, atol=1e-12, btol=1e-12)[0])
