"""Optimising one ansatz for neighbouring problems, such as the geometries of a curve: angles are handed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.objective import EnergyObjective, QubitEnergyObjective, energy_of
from vqe_prune.optimize import Optimum, minimize
from vqe_prune.problem import Problem
from vqe_prune.score.curvature import EXACT_HESSIANS, invert_hessian

Vector = NDArray[np.float64]

LOWER = 1e-9
"""A neighbour's angles must lead this much (hartree) lower to be another minimum: optima are accurate to 1e-10."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FamilyStage:
    """One ansatz and its optimum for each problem of a family.

    Attributes:
        name: ``full``, ``symmetry`` or the rule's name.
        ansatz: The ansatz that all problems share.
        optima: Its optimum for each problem.

    """

    name: str
    ansatz: Ansatz
    optima: tuple[Optimum, ...]


class Family:
    """Aligned neighbouring problems, their Hamiltonians set up once, and how their optima are found.

    Args:
        problems: Neighbours in the order given, their orbitals aligned.
        gradient_tolerance: Largest gradient component of an optimum, hartree per radian.
        max_steps: Largest number of optimiser steps.
        threads: Threads for large sectors.

    """

    def __init__(
        self,
        problems: Sequence[Problem],
        *,
        gradient_tolerance: float = 1e-7,
        max_steps: int = 2000,
        threads: int = 1,
    ) -> None:
        self.problems = tuple(problems)
        self._energies: list[Callable[[Ansatz], EnergyObjective | QubitEnergyObjective]]
        self._energies = [energy_of(problem, threads) for problem in problems]
        self._gradient_tolerance, self._max_steps = gradient_tolerance, max_steps

    def objective(self, g: int, ansatz: Ansatz) -> EnergyObjective | QubitEnergyObjective:
        """Return the energy of an ansatz in problem g."""
        return self._energies[g](ansatz)

    def minimum(self, g: int, ansatz: Ansatz, start: Vector, inverse_hessian: Vector | None = None) -> Optimum:
        """Return the optimum of problem g from a start, shape (n_parameters,), radian."""
        return minimize(
            self.objective(g, ansatz),
            start,
            inverse_hessian=inverse_hessian,
            gradient_tolerance=self._gradient_tolerance,
            max_steps=self._max_steps,
        )

    def lowest(self, g: int, ansatz: Ansatz, starts: Sequence[Vector]) -> Optimum:
        """Return the lowest optimum of problem g from several starts."""
        return min((self.minimum(g, ansatz, start) for start in starts), key=lambda optimum: optimum.value)

    def settle(self, name: str, ansatz: Ansatz, starts: Sequence[Vector | Optimum]) -> FamilyStage:
        """Return each problem's lowest optimum from its own start and from its neighbours' angles.

        Angles are handed on from the first problem to the last and back: a stretched molecule may fall into a local
        minimum from zero angles, and its neighbour knows better.

        Args:
            name: Of the stage.
            ansatz: The ansatz that all problems share.
            starts: Angles (radian), or an optimum that is known, for each problem.

        """
        optima = [
            start if isinstance(start, Optimum) else self.minimum(g, ansatz, start) for g, start in enumerate(starts)
        ]
        forwards = [(g - 1, g) for g in range(1, len(optima))]
        for source, g in (*forwards, *((g, source) for source, g in reversed(forwards))):
            other = self.minimum(g, ansatz, optima[source].angles)
            if other.value < optima[g].value - LOWER:
                optima[g] = other
        return FamilyStage(name=name, ansatz=ansatz, optima=tuple(optima))


def beside(values: Sequence[Vector], position: int) -> list[Vector]:
    """Return the values of the neighbours to the left and to the right, where there are any."""
    return [values[k] for k in (position - 1, position + 1) if 0 <= k < len(values)]


def follow(
    problems: Sequence[Problem],
    ansatz: Ansatz,
    first: Optimum,
    *,
    gradient_tolerance: float = 1e-7,
    max_steps: int = 2000,
    threads: int = 1,
) -> tuple[list[Optimum], int]:
    """Optimise one ansatz along neighbouring problems, each from what is known of those before it.

    A problem starts from the angles of the one before or from their linear extrapolation from the two before,
    2 theta_(g-1) - theta_(g-2), whichever lies lower, and with the inverse Hessian at which the optimisation before
    ended: near its minimum BFGS then needs a few steps. The last problem is optimised from zero angles too; where that
    is lower, the others are tried from their outer neighbours on the way back, as a stretched molecule's ansatz has
    several minima. A predictor-corrector continuation; that the inverse Hessian is handed on as well is ours.

    Args:
        problems: Aligned neighbours in the order given.
        ansatz: The ansatz that all share; its parameters should keep the symmetry of the reference, since others make
            the Hessian indefinite.
        first: The optimum of the first problem.
        gradient_tolerance: Largest gradient component of an optimum, hartree per radian.
        max_steps: Largest number of optimiser steps.
        threads: Threads for large sectors.

    Returns:
        An optimum for each problem, the first as given, and the number of optimiser steps in all.

    """
    family = Family(problems, gradient_tolerance=gradient_tolerance, max_steps=max_steps, threads=threads)
    optima, steps, inverse = [first], 0, first.inverse_hessian
    if inverse is None and len(first.angles) <= EXACT_HESSIANS and len(problems) > 1:
        inverse = invert_hessian(family.objective(0, ansatz).hessian(first.angles))
    for g in range(1, len(problems)):
        starts = [optima[-1].angles]
        if g > 1:
            starts.append(2.0 * optima[-1].angles - optima[-2].angles)
        objective = family.objective(g, ansatz)
        start = min(starts, key=lambda angles: objective.value_and_gradient(angles)[0])
        optimum = family.minimum(g, ansatz, start, inverse)
        if inverse is not None and optimum.inverse_hessian is not None:
            inverse = 0.5 * (optimum.inverse_hessian + optimum.inverse_hessian.T)  # SciPy asks for exact symmetry
        optima.append(replace(optimum, inverse_hessian=None))
        steps += optimum.steps
    g = len(problems) - 1
    other = family.minimum(g, ansatz, np.zeros(ansatz.n_parameters)) if g else first
    while g and other.value < optima[g].value - LOWER:
        steps, optima[g], g = steps + other.steps, other, g - 1
        other = family.minimum(g, ansatz, other.angles) if g else first
    return optima, steps + (other.steps if g else 0)
