"""Minimising an objective over the angles of its ansatz, with a trace, a reason for stopping and a way to resume."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.objective import Objective

Vector = NDArray[np.float64]
Progress = Callable[[int, float, Vector], None]
"""Called with the step, the value and the angles after each step of an optimiser."""


class StopReason(enum.Enum):
    """Why an optimisation ended; the value says what it means and what to do."""

    GRADIENT = "converged: every gradient component is below the tolerance"
    PRECISION = "converged as far as double precision goes: no step lowers the value any more"
    STEPS = "stopped at the largest number of steps: raise optimizer.max_steps"


@dataclass(frozen=True, eq=False, kw_only=True)
class Optimum:
    """The end of an optimisation.

    Attributes:
        angles: Parameters in radian; shape (n_parameters,).
        value: Value of the objective there (hartree for an energy).
        gradient: Largest gradient component by magnitude.
        steps: Steps of the optimiser.
        reason: Why it ended.
        inverse_hessian: Approximate inverse of the Hessian, where the method keeps one; shape (n, n).

    """

    angles: Vector
    value: float
    gradient: float
    steps: int
    reason: StopReason
    inverse_hessian: Vector | None = None


def minimize(
    objective: Objective,
    start: Vector,
    *,
    inverse_hessian: Vector | None = None,
    gradient_tolerance: float = 1e-7,
    max_steps: int = 2000,
    progress: Progress | None = None,
) -> Optimum:
    """Minimise an objective by SciPy: L-BFGS from scratch, BFGS where an inverse Hessian is known.

    Args:
        objective: Value and gradient.
        start: First angles (radian); shape (n_parameters,).
        inverse_hessian: Inverse Hessian near the minimum; with it a handful of steps are enough.
        gradient_tolerance: Largest gradient component at the end, hartree per radian.
        max_steps: Largest number of steps.
        progress: Called after each step.

    Returns:
        The minimum.

    """
    import scipy.optimize

    start = np.asarray(start, dtype=float)
    if len(start) == 0:
        value, _ = objective.value_and_gradient(start)
        return Optimum(angles=start, value=value, gradient=0.0, steps=0, reason=StopReason.GRADIENT)
    steps = 0

    def callback(intermediate_result: scipy.optimize.OptimizeResult) -> None:
        nonlocal steps
        steps += 1
        if progress is not None:
            progress(steps, float(intermediate_result.fun), np.array(intermediate_result.x))

    common: dict[str, Any] = {"jac": True, "callback": callback}
    options: dict[str, Any]
    if inverse_hessian is None:
        options = {"gtol": gradient_tolerance, "ftol": 0.0, "maxiter": max_steps, "maxfun": 10**9, "maxcor": 20}
        result = scipy.optimize.minimize(
            objective.value_and_gradient, start, method="L-BFGS-B", options=options, **common
        )
    else:
        options = {"gtol": gradient_tolerance, "maxiter": max_steps, "hess_inv0": inverse_hessian}
        result = scipy.optimize.minimize(objective.value_and_gradient, start, method="BFGS", options=options, **common)
    gradient = float(np.abs(result.jac).max())
    if gradient <= gradient_tolerance:
        reason = StopReason.GRADIENT
    elif result.nit >= max_steps:
        reason = StopReason.STEPS
    else:
        reason = StopReason.PRECISION  # the line search found no lower point
    return Optimum(
        angles=np.array(result.x),
        value=float(result.fun),
        gradient=gradient,
        steps=int(result.nit),
        reason=reason,
        inverse_hessian=None if inverse_hessian is None else np.asarray(result.hess_inv),
    )
