"""What a state should have beside a low energy: its number of electrons, S_z and S^2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.engine.sector import THREADED_DIMENSION
from vqe_prune.objective import energy_of
from vqe_prune.paulis import PauliString, State, commutator
from vqe_prune.problem import Problem
from vqe_prune.qubit_problem import QubitProblem


@dataclass(frozen=True, kw_only=True)
class Observables:
    """Expectation values that tell a state's sector, None where they mean nothing for the problem.

    Attributes:
        n_electrons_mean: <N>, None for spins.
        n_electrons_variance: <N^2> - <N>^2, 0 where the state has a definite number of electrons.
        spin_z: <S_z> in units of hbar, of electrons (n_alpha - n_beta) / 2, of spins the sum of Z / 2.
        spin_z_variance: <S_z^2> - <S_z>^2.
        spin_squared: <S^2> in units of hbar^2: 0 for a singlet, 0.75 for a doublet, 2 for a triplet.

    """

    n_electrons_mean: float | None = None
    n_electrons_variance: float | None = None
    spin_z: float | None = None
    spin_z_variance: float | None = None
    spin_squared: float | None = None

    def as_row(self) -> dict[str, float | None]:
        """Return the values as a record holds them."""
        return asdict(self)


def observe(problem: Problem | QubitProblem, ansatz: Ansatz, angles: NDArray[np.float64]) -> Observables:
    """Return the observables of the state that an ansatz prepares on a problem's reference.

    Args:
        problem: Of electrons or of qubits; qubits are electrons where the problem has electron numbers (qubit 2p alpha,
            2p+1 beta of orbital p under Jordan-Wigner) and spins 1/2 where it has none.
        ansatz: It must fit the problem.
        angles: Radian; shape (n_parameters,).

    """
    return observables_of(problem, energy_of(problem)(ansatz).engine.state(np.asarray(angles, dtype=np.float64)))


def observables_of(problem: Problem | QubitProblem, state: NDArray[Any]) -> Observables:
    """Return the observables of a normalised state.

    <S^2> = ||S_+ psi||^2 + <S_z (S_z + 1)>. For spins <S_z> is given where the Hamiltonian conserves the total Z, <S^2>
    where it conserves the total spin; the Ising model, for one, conserves neither.

    Args:
        problem: Says what the amplitudes are.
        state: Of a `Problem` shape (n_alpha_strings, n_beta_strings), PySCF's order; of a `QubitProblem` (2^n,).

    """
    if isinstance(problem, Problem):
        return _in_sector(problem, state)
    n = problem.n_qubits
    weights = np.abs(state) ** 2
    if problem.n_electrons is not None:
        alpha, beta = (_ones(range(spin, n, 2), n) for spin in (0, 1))
        # a+_(p alpha) a_(p beta) moves an electron to the qubit beside it: Jordan and Wigner's signs cancel
        raised = _raised(state, [(q, q + 1) for q in range(0, n, 2)])
        return _observables(weights, alpha + beta, 0.5 * (alpha - beta), raised)
    total_z = (0.5 * n) - _ones(range(n), n)
    if not problem.symmetries.su2:
        return _observables(weights, None, total_z) if _conserves_total_z(problem) else Observables()
    return _observables(weights, None, total_z, _raised(state, [(q,) for q in range(n)]))


def _in_sector(problem: Problem, state: NDArray[np.float64]) -> Observables:
    """Electron numbers are those of the sector, which excitations cannot leave; PySCF gives <S^2>."""
    from pyscf import lib
    from pyscf.fci import spin_op

    n_alpha, n_beta = problem.n_electrons
    with lib.with_omp_threads(1 if state.size < THREADED_DIMENSION else None):  # waiting for threads would take longer
        spin_squared, _ = spin_op.spin_square0(np.ascontiguousarray(state), problem.n_orbitals, (n_alpha, n_beta))
    norm = float(np.vdot(state, state).real)
    return Observables(
        n_electrons_mean=norm * (n_alpha + n_beta),
        n_electrons_variance=0.0,
        spin_z=0.5 * norm * (n_alpha - n_beta),
        spin_z_variance=0.0,
        spin_squared=float(spin_squared),
    )


def _observables(
    weights: NDArray[np.float64],
    electrons: NDArray[np.float64] | None,
    spin_z: NDArray[np.float64],
    raised: State | None = None,
) -> Observables:
    """Means and variances of numbers that every basis state has, and <S^2> where S_+ psi is known."""
    n_mean, n_variance = (None, None) if electrons is None else _moments(weights, electrons)
    z_mean, z_variance = _moments(weights, spin_z)
    spin_squared = None
    if raised is not None:
        spin_squared = float(np.vdot(raised, raised).real + weights @ (spin_z * (spin_z + 1.0)))
    return Observables(
        n_electrons_mean=n_mean,
        n_electrons_variance=n_variance,
        spin_z=z_mean,
        spin_z_variance=z_variance,
        spin_squared=spin_squared,
    )


def _moments(weights: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, float]:
    mean = float(weights @ values)
    return mean, float(weights @ (values - mean) ** 2)


def _ones(qubits: Sequence[int], n_qubits: int) -> NDArray[np.float64]:
    """How many of some qubits are 1 in each basis state, qubit 0 most significant; shape (2^n,)."""
    mask = sum(1 << (n_qubits - 1 - q) for q in qubits)
    return np.bitwise_count(np.arange(1 << n_qubits) & mask).astype(np.float64)


def _raised(state: State, sites: Sequence[tuple[int, ...]]) -> State:
    """S_+ psi: the sum over sites of what turns the site's spin up.

    A site of two qubits holds an electron that goes from the second to the first, a site of one is a spin |1> -> |0>.
    """
    n = len(state).bit_length() - 1
    index, raised = np.arange(len(state)), np.zeros_like(state)
    for *first, last in sites:
        up, down = sum(1 << (n - 1 - q) for q in first), 1 << (n - 1 - last)
        down_here = (index & (up | down)) == down
        raised[index[down_here] ^ (up | down)] += state[down_here]
    return raised


def _conserves_total_z(problem: QubitProblem) -> bool:
    total: list[tuple[float, PauliString]] = [(1.0, ((q, "Z"),)) for q in range(problem.n_qubits)]
    return not commutator(total, problem.hamiltonian.terms)
