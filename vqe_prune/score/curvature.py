"""What deleting a parameter costs, to second order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

EXACT_HESSIANS = 300
"""With more parameters than this a Hessian's columns cost too much; the optimiser's own estimate serves instead."""

CURVATURE_FLOOR = 1e-9
"""Curvatures below this fraction of the largest are rounding noise; flat directions are given this one instead."""


def invert_hessian(hessian: Vector) -> Vector:
    """Return the inverse of a Hessian, negative and vanishing curvatures replaced by small positive ones.

    Args:
        hessian: Symmetric matrix, hartree per radian^2; shape (n_parameters, n_parameters).

    Returns:
        A positive definite matrix of the same shape.

    """
    values, vectors = np.linalg.eigh(hessian)
    largest = max(float(np.abs(values).max(initial=0.0)), 1e-12)
    bounded = np.maximum(np.abs(values), CURVATURE_FLOOR * largest)
    return _symmetric((vectors / bounded) @ vectors.T)


def deletion_costs(angles: Vector, inverse_hessian: Vector) -> Vector:
    """Return the predicted increase when a parameter is set to zero and the others follow.

    cost_k = angles_k^2 / (2 [M^-1]_kk) to second order, M the Hessian at a minimum.

    Args:
        angles: Parameters at the minimum (radian); shape (n_parameters,).
        inverse_hessian: M^-1; shape (n_parameters, n_parameters).

    Returns:
        Cost of each parameter in hartree; shape (n_parameters,).

    Reference: B. Hassibi, D. G. Stork, Second order derivatives for network pruning: optimal brain surgeon, 1992; its
        use on ansätze is ours.

    """
    return 0.5 * angles**2 / np.diag(inverse_hessian)


def deletion_response(angles: Vector, inverse_hessian: Vector, parameter: int) -> Vector:
    """Return where the other parameters move when one is deleted: angles - angles_k M^-1[:, k] / [M^-1]_kk.

    Args:
        angles: Parameters at the minimum (radian); shape (n_parameters,).
        inverse_hessian: M^-1; shape (n_parameters, n_parameters).
        parameter: The parameter k that is deleted.

    Returns:
        Angles of the others; shape (n_parameters - 1,).

    """
    column = inverse_hessian[:, parameter]
    return np.delete(angles - angles[parameter] * column / column[parameter], parameter)


def remaining_inverse_hessian(inverse_hessian: Vector, parameter: int) -> Vector:
    """Return the inverse of the Hessian without one parameter's row and column, from the inverse with it."""
    column = inverse_hessian[:, parameter]
    rest = inverse_hessian - np.outer(column, column) / column[parameter]
    return _symmetric(np.delete(np.delete(rest, parameter, axis=0), parameter, axis=1))


def _symmetric(matrix: Vector) -> Vector:
    """Symmetric to the last bit: SciPy refuses an inverse Hessian that rounding made lopsided."""
    return 0.5 * (matrix + matrix.T)
