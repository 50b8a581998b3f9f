"""Minimising: closed forms, and the end of a search where values are rounding noise."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vqe_prune.optimize import StopReason, minimize

CURVATURES = np.geomspace(0.5, 8.0, 12)
MINIMUM = np.linspace(-0.4, 0.5, 12)


@dataclass
class Bowl:
    """A quadratic function far below zero, with rounding as a sum over a large sector has it."""

    noise: float
    calls: int = 0
    values: list[float] = field(default_factory=list)

    def value_and_gradient(self, angles: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        self.calls += 1
        offset = angles - MINIMUM
        jitter = self.noise * np.sin(1e9 * angles.sum())  # the same point has the same value, its neighbours have not
        self.values.append(-7.0 + 0.5 * float(CURVATURES @ offset**2) + jitter)
        return self.values[-1], CURVATURES * offset


def test_minimum_of_a_quadratic_function_is_found() -> None:
    bowl = Bowl(noise=0.0)
    optimum = minimize(bowl, np.zeros(12))
    assert optimum.reason is StopReason.GRADIENT
    assert optimum.gradient <= 1e-7
    assert np.allclose(optimum.angles, MINIMUM, rtol=0, atol=2e-7)  # gradient tolerance over the least curvature


def test_search_ends_where_values_are_noise_and_takes_the_flattest_point() -> None:
    bowl = Bowl(noise=3e-14)  # relative to 7 a few units in the last place
    optimum = minimize(bowl, np.zeros(12), gradient_tolerance=1e-12)
    assert optimum.value <= min(bowl.values) + 1e-12
    assert optimum.gradient == np.abs(CURVATURES * (optimum.angles - MINIMUM)).max()
    assert optimum.gradient < 1e-6  # 1e-13 of value are 1e-6 of gradient where the curvature is 8
    reached = next(k for k, value in enumerate(bowl.values) if value <= min(bowl.values) + 1e-12)
    assert bowl.calls - reached <= 8  # SciPy's line searches alone would try 20 points, and begin again with 20 more


def test_start_at_the_minimum_costs_one_evaluation() -> None:
    bowl = Bowl(noise=0.0)
    assert minimize(bowl, MINIMUM).steps == 0
    assert bowl.calls == 1


def test_largest_number_of_steps_is_a_reason_of_its_own() -> None:
    assert minimize(Bowl(noise=0.0), np.zeros(12), max_steps=2).reason is StopReason.STEPS
