"""All numbers about a qubit ansatz that a study reports, in one value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.objective import QubitEnergyObjective
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.score.information import fisher_spectrum, fits_in_memory, rank_of
from vqe_prune.score.kernel import haar_eqntk, random_gradients
from vqe_prune.score.lie import cliffords_first, lie_algebra_dimension
from vqe_prune.score.space import (
    EffectiveSpace,
    effective_space,
    fixed_gates,
    independent_generators,
    parameter_generators,
)

LARGEST_SPACE = 1024
"""Larger spaces are reported as at least this: closing them takes minutes; a pruned ansatz must have a smaller one."""

LARGEST_BASIS = 1 << 22
"""Amplitudes of the largest basis of a space, 64 MiB up to 18 qubits: of 14 qubits 256 vectors."""

LARGEST_ALGEBRA = 70_000
"""Larger algebras of single strings are reported as at least this: su(256), of 8 qubits, has 65,535 elements."""


@dataclass(frozen=True, kw_only=True)
class AnsatzScores:
    """What an ansatz can reach and how strongly it is pulled there, at random angles.

    Attributes:
        d_eff: Effective dimension, see `vqe_prune.score.space`.
        d_eff_whole: False where the space was not closed: then d_eff is a lower bound.
        lie_dimension: Dimension of the dynamical Lie algebra.
        lie_whole: False where it was not closed.
        fisher_rank: Rank of the Fisher information, None where its Jacobian would not fit in memory.
        fisher_spectrum: Its eigenvalues, largest first.
        qntk: Neural tangent kernel over the number of parameters, mean over angles.
        qntk_error: Standard error of that mean.
        haar_eqntk: The same from the Haar mean on V*, None where V* was not closed.
        gradient_variance: Variance of a gradient component, mean over parameters.

    """

    d_eff: int
    d_eff_whole: bool
    lie_dimension: int
    lie_whole: bool
    fisher_rank: int | None
    fisher_spectrum: tuple[float, ...]
    qntk: float
    qntk_error: float
    haar_eqntk: float | None
    gradient_variance: float

    def as_row(self) -> dict[str, Any]:
        """Return the numbers by name, as a record holds them."""
        return {**asdict(self), "fisher_spectrum": list(self.fisher_spectrum)}


def score_ansatz(problem: QubitProblem, ansatz: Ansatz, *, samples: int = 64, seed: int = 0) -> AnsatzScores:
    """Compute the scores of an ansatz at uniform random angles.

    Args:
        problem: Hamiltonian and reference.
        ansatz: Pauli rotations and Clifford gates.
        samples: Angles that the kernel and the variance are averaged over.
        seed: Seed of the angles.

    """
    space = space_of(problem, ansatz)
    ansatz = cliffords_first(ansatz)
    objective = QubitEnergyObjective(problem.hamiltonian, ansatz, problem.reference_state)
    sums = any(len(generator) > 1 for generator in parameter_generators(ansatz))
    algebra = lie_algebra_dimension(ansatz, problem.n_qubits, limit=None if sums else LARGEST_ALGEBRA)
    gradients = random_gradients(objective, samples, seed)
    kernels = np.sum(gradients**2, axis=1)
    angles = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, ansatz.n_parameters)
    spectrum = fisher_spectrum(objective, angles) if fits_in_memory(objective) else None
    count = max(ansatz.n_parameters, 1)
    haar = None
    if space.whole and space.dimension > 1:
        haar = haar_eqntk(problem.hamiltonian, space, parameter_generators(ansatz)) / count
    return AnsatzScores(
        d_eff=space.dimension,
        d_eff_whole=space.whole,
        lie_dimension=algebra.dimension,
        lie_whole=algebra.whole,
        fisher_rank=None if spectrum is None else rank_of(spectrum),
        fisher_spectrum=() if spectrum is None else tuple(float(value) for value in spectrum),
        qntk=float(kernels.mean()) / count,
        qntk_error=float(kernels.std(ddof=1)) / np.sqrt(samples) / count,
        haar_eqntk=haar,
        gradient_variance=float(gradients.var(axis=0).mean()),
    )


def space_of(problem: QubitProblem, ansatz: Ansatz) -> EffectiveSpace:
    """Return the effective space of an ansatz on a problem's reference, at most LARGEST_SPACE dimensions of it.

    A space depends on the generators alone, not on how often they come, so that the last few are remembered.
    """
    moved = cliffords_first(ansatz)
    preparation, runs = fixed_gates(moved)
    return _remembered_space(
        _SpaceKey(problem, frozenset(independent_generators(moved)), (preparation, tuple(runs)), moved)
    )


@dataclass(frozen=True)
class _SpaceKey:
    """What a space depends on; the ansatz itself is only a way to make it."""

    problem: QubitProblem
    generators: frozenset[Any]
    fixed: tuple[Any, ...]
    ansatz: Ansatz = field(compare=False)


@lru_cache(maxsize=6)
def _remembered_space(key: _SpaceKey) -> EffectiveSpace:
    limit = min(LARGEST_SPACE, LARGEST_BASIS >> key.problem.n_qubits)
    return effective_space(key.problem.hamiltonian, key.ansatz, key.problem.reference_state, limit=max(limit, 16))
