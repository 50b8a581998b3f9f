"""How fast gradient descent moves: the quantum neural tangent kernel, its Haar mean, and barren plateaus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.objective import Objective
from vqe_prune.paulis import PauliString, QubitHamiltonian
from vqe_prune.score.space import EffectiveSpace, WeightedStrings, project_sum

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Estimate:
    """A mean over random draws.

    Attributes:
        mean: The mean.
        error: Its standard error.
        samples: Number of draws.

    """

    mean: float
    error: float
    samples: int


def qntk(objective: Objective, angles: Vector) -> float:
    """Return the quantum neural tangent kernel Q = sum_j (d eps / d theta_j)^2 of the residual eps = E - E0.

    Gradient descent on eps^2 / 2 with step eta shrinks eps by (1 - eta Q) a step while Q is frozen.

    Args:
        objective: The energy E.
        angles: Parameters (radian); shape (n_parameters,).

    Returns:
        Q, in the square of the energy's unit.

    Source: J. Liu, F. Tacchino, J. R. Glick, L. Jiang, A. Mezzacapo, Representation learning via quantum neural
        tangent kernels, arXiv 2111.04225.

    """
    return float(np.sum(objective.value_and_gradient(angles)[1] ** 2))


def mean_qntk(objective: Objective, *, samples: int = 64, seed: int = 0) -> Estimate:
    """Return the mean of the quantum neural tangent kernel over random angles.

    Args:
        objective: The energy.
        samples: Number of draws, at least 2.
        seed: Seed of the angles, uniform in [0, 2 pi) radian.

    Returns:
        Mean and standard error; divide by the number of parameters to compare ansätze.

    Raises:
        ValueError: Fewer than two samples, which give no error.

    """
    kernels = np.sum(random_gradients(objective, samples, seed) ** 2, axis=1)
    return Estimate(mean=float(kernels.mean()), error=float(kernels.std(ddof=1) / np.sqrt(samples)), samples=samples)


def random_gradients(objective: Objective, samples: int, seed: int) -> Vector:
    """Return gradients at uniform angles, shape (samples, n_parameters), in one batch where the objective can."""
    if samples < 2:
        raise ValueError(f"Argument `samples` must be at least 2, but it is {samples}")
    angles = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, (samples, objective.ansatz.n_parameters))
    batched: Any = getattr(objective, "values_and_gradients", None)
    if batched is not None:
        return batched(angles)[1]
    return np.array([objective.value_and_gradient(row)[1] for row in angles])


def haar_gradient_square(generator: NDArray[Any], observable: NDArray[Any]) -> float:
    """Return the mean of (d eps / d theta)^2 for one gate exp(-i theta X) between Haar-random unitaries.

    2 [Tr X^2 - (Tr X)^2 / d] [d Tr O^2 - (Tr O)^2] / [d (d + 1) (d^2 - 1)].

    Args:
        generator: The Hermitian matrix X, shape (d, d).
        observable: The Hermitian matrix O whose mean is the energy, shape (d, d).

    Returns:
        The mean, 0 for d = 1.

    Source: The Haar integral is standard; in this form it is our reconstruction, checked by Monte Carlo.

    """
    return _haar_mean(len(generator), _matrix_traces(generator), _matrix_traces(observable))


Traces = tuple[float, float]
"""Tr X and Tr X^2 of a Hermitian matrix."""


def projected_traces(terms: Iterable[tuple[float, PauliString]], space: EffectiveSpace) -> Traces:
    """Return Tr X and Tr X^2 of a sum of Pauli strings projected on a space, in closed form where it is everything."""
    terms = tuple(terms)
    if space.dimension == space.basis.shape[1]:
        return 0.0, space.dimension * sum(coefficient**2 for coefficient, _ in terms)
    return _matrix_traces(project_sum(terms, space))


def haar_gradient_of(generator: Traces, observable: Traces, space: EffectiveSpace) -> float:
    """Return `haar_gradient_square` from the traces of generator and observable on a space."""
    return _haar_mean(space.dimension, generator, observable)


def _matrix_traces(matrix: NDArray[Any]) -> Traces:
    return float(np.trace(matrix).real), float(np.sum(np.abs(matrix) ** 2))  # Tr X^2 = sum of |X_ij|^2


def _haar_mean(d: int, generator: Traces, observable: Traces) -> float:
    if d == 1:
        return 0.0
    spread = generator[1] - generator[0] ** 2 / d
    width = d * observable[1] - observable[0] ** 2
    return float(2.0 * spread * width / (d * (d + 1.0) * (d * d - 1.0)))


def haar_eqntk(hamiltonian: QubitHamiltonian, space: EffectiveSpace, generators: Sequence[WeightedStrings]) -> float:
    """Return the Haar mean of the effective quantum neural tangent kernel: generators and H projected on the space.

    It takes what stands before and after each gate for Haar-random on the space. It is not valid for free-fermion
    models (X and ZZ on a chain), whose unitaries never fill the unitary group of their space.

    Args:
        hamiltonian: H.
        space: A whole effective space, dimension d_eff.
        generators: One for each turn of a parameter, coefficients included, as `parameter_generators` gives them; a
            parameter with several clusters counts as the sum of them, cross terms left out.

    Returns:
        Sum over the generators of `haar_gradient_square`, in the square of the energy's unit.

    Raises:
        ValueError: The space is not whole.

    Source: X. You, S. Chakrabarti, B. Chen, X. Wu, Analyzing convergence in quantum neural networks: deviations from
        neural tangent kernels, arXiv 2303.14844 (effective kernels); this estimate is our reconstruction.

    """
    if not space.whole:
        raise ValueError("Argument `space` must be whole, but its search was stopped; try a larger `limit`")
    observable = projected_traces(hamiltonian.terms, space)
    return float(
        sum(
            count * haar_gradient_of(projected_traces(generator, space), observable, space)
            for generator, count in Counter(generators).items()
        )
    )


def gradient_variance(objective: Objective, *, samples: int = 100, seed: int = 0) -> Vector:
    """Return the variance of each component of the gradient over random angles, <g^2> - <g>^2.

    Args:
        objective: The energy.
        samples: Number of draws, at least 2.
        seed: Seed of the angles, uniform in [0, 2 pi) radian.

    Returns:
        Variances in the square of the energy's unit; shape (n_parameters,).

    Raises:
        ValueError: Fewer than two samples.

    Source: J. R. McClean, S. Boixo, V. N. Smelyanskiy, R. Babbush, H. Neven, Barren plateaus in quantum neural network
        training landscapes, arXiv 1803.11173.

    """
    return random_gradients(objective, samples, seed).var(axis=0)


def plateau_exponent(sizes: Sequence[int], variances: Sequence[float] | Vector) -> float:
    """Return how fast a gradient's variance falls with the number of qubits: b of log2(variance) = a - b n.

    Args:
        sizes: Numbers of qubits n, at least two different ones.
        variances: The variance at each size, positive.

    Returns:
        The slope b by least squares; large where there is a barren plateau, 0 for polynomial decay.

    Raises:
        ValueError: Sizes and variances differ in number, there is no slope to fit, or a variance is not positive.

    """
    n, values = np.asarray(sizes, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    if n.shape != values.shape or len(set(n.tolist())) < 2:
        raise ValueError("Arguments `sizes` and `variances` must be as many, with at least two different sizes")
    if np.any(values <= 0.0):
        raise ValueError(f"Argument `variances` must be positive, but the smallest is {values.min()}")
    centred = n - n.mean()
    return float(-(centred @ np.log2(values)) / (centred @ centred))
