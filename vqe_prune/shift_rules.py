"""Exact gradients of an energy from energies at shifted angles: which rotations to shift, by how much, with which sign.

A processor gives energies, not states. The energy of a circuit is a trigonometric polynomial in each rotation's angle,
so that its derivative is a sum of a few values of it, however large the shifts.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.paulis import Clifford, PauliSum

QUARTER_PI = np.pi / 4

ONE_FREQUENCY = ((QUARTER_PI, 1.0), (-QUARTER_PI, -1.0))
"""Shifts and weights that give dE/dt of E = a + b cos 2t + c sin 2t."""

NEAR, FAR = (2.0 + np.sqrt(2.0)) / 4.0, (2.0 - np.sqrt(2.0)) / 4.0

TWO_FREQUENCIES = ((QUARTER_PI, NEAR), (-QUARTER_PI, -NEAR), (3 * QUARTER_PI, -FAR), (-3 * QUARTER_PI, FAR))
"""Shifts and weights that give dE/dt of E = a + sum over f = 1, 2 of b_f cos f t + c_f sin f t."""


class Shift(NamedTuple):
    """One energy of a gradient: dE/d(angles[parameter]) is the sum of weight * E(shifted) over its shifts.

    Attributes:
        parameter: Whose derivative it belongs to.
        weight: Factor of the energy.
        rotation: Which rotation is shifted, alone among those of its parameter.
        string: Which Pauli string of it, None for an excitation.
        angle: By how much; radian in exp(-i angle P) or exp(-i angle G).

    """

    parameter: int
    weight: float
    rotation: int
    string: int | None
    angle: float


def gradient_shifts(ansatz: Ansatz, occupied: Collection[int] = ()) -> tuple[Shift, ...]:
    """Return the energies that make up the gradient of an ansatz.

    A parameter moves several rotations, each by its coefficient: dE/d(angles[k]) = sum over its rotations l of
    coefficient_l dE/dt_l (product rule). A Pauli sum is a product of exp(-i t c_j P_j), whose derivatives are
    c_j [E(t c_j + pi/4) - E(t c_j - pi/4)]. An excitation's generator has the eigenvalues 0 and +-1, so E has the
    frequencies 1 and 2 in t and four values give its derivative. Where it finds its spin orbitals as the reference
    leaves them, the eigenvalue 0 does not occur, or nothing else does: then two or none are enough (ours).

    Args:
        ansatz: Excitation or Pauli rotations.
        occupied: Of excitations, spin orbitals that the reference fills.

    Returns:
        The shifts of all parameters, in the order of the rotations.

    Reference: J. S. Kottmann, A. Anand, A. Aspuru-Guzik, A feasible approach for automatically differentiable unitary
        coupled-cluster on quantum computers, arXiv 2011.05938; D. Wierichs, J. Izaac, C. Wang, C. Y.-Y. Lin, General
        parameter-shift rules for quantum gradients, arXiv 2107.12390, for the four terms; K. Mitarai, M. Negoro, M.
        Kitagawa, K. Fujii, Quantum circuit learning, arXiv 1803.00745, for the two of a Pauli rotation.

    """
    filled, touched = set(occupied), set[int]()
    found = []
    for index, rotation in enumerate(ansatz.rotations):
        generator, parameter = rotation.generator, rotation.parameter
        rules: list[tuple[int | None, float, tuple[tuple[float, float], ...]]] = []
        if isinstance(generator, Excitation):
            rules = [(None, 1.0, _excitation_rule(generator, filled, touched))]
            touched |= set(generator.spin_orbitals)
        elif isinstance(generator, PauliSum):
            rules = [(k, c, ONE_FREQUENCY) for k, (c, _) in enumerate(generator.terms)]
        if parameter is None:
            continue
        for string, factor, rule in rules:
            slope = rotation.coefficient * factor
            if slope != 0.0:
                found += [Shift(parameter, slope * weight, index, string, angle) for angle, weight in rule]
    return tuple(found)


def _excitation_rule(
    excitation: Excitation, filled: Collection[int], touched: Collection[int]
) -> tuple[tuple[float, float], ...]:
    """Shifts of an excitation after rotations that acted on the spin orbitals `touched`."""
    if not set(touched).isdisjoint(excitation.spin_orbitals):
        return TWO_FREQUENCIES
    full = {q for q in excitation.spin_orbitals if q in filled}
    return ONE_FREQUENCY if full in (set(excitation.annihilated), set(excitation.created)) else ()


def with_fixed_angles(ansatz: Ansatz, angles: NDArray[np.float64], shift: Shift | None = None) -> Ansatz:
    """Return an ansatz without parameters: each rotation at its angle, one of them shifted.

    Its circuit has the gates of the ansatz's own, at other angles.

    Args:
        ansatz: Excitation or Pauli rotations.
        angles: Parameters, radian, (n_parameters,).
        shift: Out of `gradient_shifts`; None shifts nothing.

    """
    rotations = []
    for index, (rotation, angle) in enumerate(zip(ansatz.rotations, ansatz.rotation_angles(angles), strict=True)):
        generator, turned = rotation.generator, float(angle)
        if isinstance(generator, Clifford):
            rotations.append(rotation)
            continue
        if shift is not None and shift.rotation == index:
            if isinstance(generator, PauliSum):
                terms = [(turned * c + (shift.angle if k == shift.string else 0.0), s)
                         for k, (c, s) in enumerate(generator.terms)]  # fmt: skip
                generator, turned = PauliSum(tuple(terms)), 1.0
            else:
                turned += shift.angle
        rotations.append(Rotation(generator, None, turned))
    return Ansatz(name=ansatz.name, rotations=tuple(rotations), n_parameters=0)
