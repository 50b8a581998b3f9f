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


ROUNDING = 1e-13
"""Differences of values (relative, or absolute below one) that summation over a large sector leaves to chance."""

FLAT = 3
"""After so many evaluations in a row that differ from the lowest value by rounding alone there is nothing to gain."""


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


class _FlatError(Exception):
    """Raised where evaluations differ by rounding alone, to end SciPy's line search: it goes by values."""


class _Watched:
    """An objective that knows its best point: of those whose values are the lowest but for rounding, the flattest."""

    def __init__(self, objective: Objective, gradient_tolerance: float) -> None:
        self._objective, self._tolerance = objective, gradient_tolerance
        self.value, self.gradient, self.angles = np.inf, np.inf, np.zeros(0)
        self._flat = 0

    def __call__(self, angles: Vector) -> tuple[float, Vector]:
        value, gradient = self._objective.value_and_gradient(angles)
        slope, rounding = float(np.abs(gradient).max()), ROUNDING * max(1.0, abs(value))
        lower = value < self.value - rounding
        self._flat = 0 if lower or value > self.value + rounding else self._flat + 1
        if lower or (self._flat and slope < self.gradient):
            self.value, self.gradient, self.angles = value, slope, np.array(angles)
        if self._flat and (self._flat == FLAT or self.gradient <= self._tolerance):
            raise _FlatError
        return value, gradient


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
    options: dict[str, Any] = {"gtol": gradient_tolerance, "maxiter": max_steps}
    watched = _Watched(objective, gradient_tolerance)
    inverse, most = None, False
    try:
        if inverse_hessian is None:
            options |= {"ftol": 0.0, "maxfun": 10**9, "maxcor": 20}
            result = scipy.optimize.minimize(watched, start, method="L-BFGS-B", options=options, **common)
        else:
            options["hess_inv0"] = inverse_hessian
            value_and_gradient = objective.value_and_gradient  # watched, the new inverse Hessian would be lost
            result = scipy.optimize.minimize(value_and_gradient, start, method="BFGS", options=options, **common)
            inverse = np.asarray(result.hess_inv)
        angles, value, gradient = np.array(result.x), float(result.fun), float(np.abs(result.jac).max())
        most = result.nit >= max_steps
    except _FlatError:
        angles, value, gradient = watched.angles, watched.value, watched.gradient
    if gradient <= gradient_tolerance:
        reason = StopReason.GRADIENT
    else:  # unless it was stopped, no lower point was found
        reason = StopReason.STEPS if most else StopReason.PRECISION
    return Optimum(angles=angles, value=value, gradient=gradient, steps=steps, reason=reason, inverse_hessian=inverse)
