"""What a state has beside its energy: electron number, S_z and S^2; density matrices, dipole, natural occupations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.electrons import irrep_product
from vqe_prune.engine.determinants import occupation_strings, string_irreps
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


@dataclass(frozen=True, eq=False, kw_only=True)
class DensityMatrices:
    """Reduced density matrices of a real state, in the orbitals of its problem.

    Attributes:
        alpha: <a+_p a_q> of alpha electrons; shape (n_orbitals, n_orbitals).
        beta: The same of beta electrons.
        two_body: sum_st <a+_ps a+_rt a_st a_qs>, spins s and t, PySCF's order: E = constant + sum h_pq D_pq
            + 1/2 sum (pq|rs) two_body_pqrs; None where not asked for. Shape (n_orbitals,) * 4.

    """

    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    two_body: NDArray[np.float64] | None = None

    @property
    def one_body(self) -> NDArray[np.float64]:
        """D_pq = <E_pq>, alpha and beta electrons together."""
        return self.alpha + self.beta


def density_matrices(
    problem: Problem, ansatz: Ansatz, angles: NDArray[np.float64], *, two_body: bool = True
) -> DensityMatrices:
    """Return the one- and two-electron density matrices of the state that an ansatz prepares on a problem's reference.

    Args:
        problem: Of electrons; for a stage in orbitals of its own that of `Pruning.problem_of`.
        ansatz: Excitation rotations.
        angles: Radian; shape (n_parameters,).
        two_body: Whether to compute the two-electron matrix: 5 seconds for 12 electrons in 12 orbitals.

    """
    state = energy_of(problem)(ansatz).engine.state(np.asarray(angles, dtype=np.float64))
    return density_matrices_of(problem, state, two_body=two_body)


def density_matrices_of(problem: Problem, state: NDArray[Any], *, two_body: bool = True) -> DensityMatrices:
    """Return the density matrices of a state, shape (n_alpha_strings, n_beta_strings), by PySCF."""
    from pyscf import lib
    from pyscf.fci import direct_spin1

    vector, n, numbers = np.ascontiguousarray(state), problem.n_orbitals, problem.n_electrons
    with lib.with_omp_threads(1 if state.size < THREADED_DIMENSION else None):
        if not two_body:
            alpha, beta = direct_spin1.make_rdm1s(vector, n, numbers)
            return DensityMatrices(alpha=alpha, beta=beta)
        (alpha, beta), (same_alpha, mixed, same_beta) = direct_spin1.make_rdm12s(vector, n, numbers)
    whole = same_alpha + mixed + mixed.transpose(2, 3, 0, 1) + same_beta
    return DensityMatrices(alpha=alpha, beta=beta, two_body=whole)


@dataclass(frozen=True, kw_only=True)
class Properties:
    """What a chemist reads off a state.

    Attributes:
        dipole: <mu_x>, <mu_y>, <mu_z> in debye about the origin of the geometry, on which those of ions depend; None
            where the dipole operator is not known.
        natural_occupations: Eigenvalues of the one-electron density matrix, largest first: 2 and 0 in a closed-shell
            determinant; of the active orbitals.

    """

    dipole: tuple[float, float, float] | None
    natural_occupations: tuple[float, ...]

    def as_row(self) -> dict[str, Any]:
        """Return the values as a record holds them."""
        dipole = None if self.dipole is None else list(self.dipole)
        return {"dipole": dipole, "natural_occupations": list(self.natural_occupations)}


def properties_of(problem: Problem, state: NDArray[Any], orbitals: NDArray[np.float64] | None = None) -> Properties:
    """Return the properties of a normalised state.

    Args:
        problem: Of electrons.
        state: Shape (n_alpha_strings, n_beta_strings), PySCF's order.
        orbitals: The orbitals that the state is in, a column for each in terms of the problem's; None for its own.

    """
    density = density_matrices_of(problem, state, two_body=False).one_body
    if orbitals is not None:
        density = orbitals @ density @ orbitals.T
    dipole = problem.electrons.dipole
    return Properties(
        dipole=None if dipole is None else dipole.moment(density),
        natural_occupations=tuple(np.linalg.eigvalsh(density)[::-1].tolist()),
    )


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


def weight_outside(problem: Problem, state: NDArray[Any]) -> float:
    """Return the weight of a state's determinants in other irreps than the reference's.

    Args:
        problem: Gives the irreps of the orbitals that the determinants are of.
        state: Normalised amplitudes; shape (n_alpha_strings, n_beta_strings).

    """
    electrons = problem.electrons
    alpha, beta = (
        string_irreps(occupation_strings(electrons.n_orbitals, n), electrons.irreps)
        for n in (electrons.n_alpha, electrons.n_beta)
    )
    own = irrep_product(electrons.irreps[np.array(problem.reference_occupied, dtype=np.int64) // 2])
    weights = np.abs(state) ** 2
    return float(sum(weights[alpha == irrep][:, (beta ^ irrep) != own].sum() for irrep in np.unique(alpha)))
