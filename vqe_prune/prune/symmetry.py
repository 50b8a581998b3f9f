"""The symmetry rule: drop what leaves the reference's irrep, tie what a symmetry maps onto each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation
from vqe_prune.electrons import irrep_product
from vqe_prune.problem import Problem
from vqe_prune.prune.plan import Action, Decision, PrunePlan
from vqe_prune.symmetry import SignedPermutation

SMALL_ANGLE = 1e-5
"""Angles (radian) below this are as small as the optimiser's error: no correction of a tie can be read off."""

LARGEST_CORRECTION = 0.5
"""Partners whose angles differ by more than this fraction at the optimum are not tied: it would cost energy."""


def symmetry_plan(problem: Problem, ansatz: Ansatz, angles: NDArray[np.float64] | None = None) -> PrunePlan:
    """Drop rotations that a symmetry forbids and tie rotations that a symmetry maps onto each other.

    A generator whose irrep product is not totally symmetric takes the state out of the reference's irrep; its gradient
    is zero for ever at angle 0. So is that of one that a symmetry maps onto minus itself, unless the order of rotations
    gave it an angle after all. Partners act one after the other;
    where they do not commute the symmetric state needs slightly different angles (two partners that share the pair
    they excite: tan a = sin b), so with `angles` the coefficient of a tie is the ratio found at the optimum: the tied
    ansatz then holds that very state, and its energy is unchanged. The coefficient is our reconstruction; methods that
    tie with +-1 lose 4e-9 hartree on LiH at equilibrium and 1e-5 on stretched LiH.

    Args:
        problem: Irreps and signed permutations.
        ansatz: Excitation rotations with one parameter each.
        angles: Angles of an optimum of `ansatz`, (n_parameters,), radian; None ties with +-1.

    Returns:
        One decision a rotation.

    """
    rotation_angles = None if angles is None else ansatz.rotation_angles(angles)
    orbits = _orbits(problem, ansatz)
    decisions = []
    for index, excitation in enumerate(ansatz.excitations):
        orbitals = np.array(excitation.spin_orbitals) // 2
        irrep = irrep_product(problem.electrons.irreps[orbitals])
        orbit = orbits[index]
        if irrep:
            reason = f"leaves the reference's irrep in {problem.electrons.group}: its gradient is always zero"
            decisions.append(Decision(action=Action.DROP, reason=reason, score=0.0))
        elif orbit.cancels and (rotation_angles is None or abs(rotation_angles[index]) < SMALL_ANGLE):
            reason = f"{orbit.symmetry} maps it onto minus itself: its gradient is always zero"
            decisions.append(Decision(action=Action.DROP, reason=reason, score=0.0))
        elif orbit.leader == index or orbit.cancels:
            decisions.append(Decision(action=Action.KEEP, reason="allowed by symmetry"))
        else:
            leader = ansatz.rotations[orbit.leader].generator.label
            coefficient = _tie_coefficient(orbit, index, rotation_angles)
            if coefficient is None:
                reason = f"{orbit.symmetry} of {leader}, but its angle at the optimum is too different to share"
                decisions.append(Decision(action=Action.KEEP, reason=reason))
                continue
            reason = f"{orbit.symmetry} of {leader}: shares its angle"
            decisions.append(Decision(action=Action.TIE, reason=reason, leader=orbit.leader, coefficient=coefficient))
    return PrunePlan(rule="symmetry", decisions=tuple(decisions))


@dataclass(frozen=True, kw_only=True)
class _Orbit:
    """Where a rotation stands among its images: the first of them, the sign to it, and by which symmetry."""

    leader: int
    sign: int
    symmetry: str
    cancels: bool = False


def _tie_coefficient(orbit: _Orbit, index: int, angles: NDArray[np.float64] | None) -> float | None:
    """Return a rotation's angle over its leader's, None where they are too different to be one parameter."""
    if angles is None or max(abs(angles[index]), abs(angles[orbit.leader])) < SMALL_ANGLE:
        return float(orbit.sign)
    if abs(angles[index] - orbit.sign * angles[orbit.leader]) > LARGEST_CORRECTION * abs(angles[orbit.leader]):
        return None
    return float(angles[index] / angles[orbit.leader])


def _orbits(problem: Problem, ansatz: Ansatz) -> list[_Orbit]:
    """Orbit of every rotation under the group that the problem's signed permutations generate."""
    excitations = ansatz.excitations
    position = {_canonical(excitation)[0]: k for k, excitation in enumerate(excitations)}
    orbits: dict[int, _Orbit] = {}
    for start in range(len(ansatz.rotations)):
        if start in orbits:
            continue
        members = {start: (1, "")}
        queue, cancelled_by = [start], ""
        while queue:
            current = queue.pop(0)
            for symmetry in problem.symmetries:
                image, sign = _image(excitations[current], symmetry)
                target = position.get(image)
                if target is None:
                    continue  # the ansatz has no such rotation to tie to
                _, own = _canonical(excitations[target])
                total = members[current][0] * sign * own
                if target not in members:
                    members[target] = (total, symmetry.name if current == start else "symmetry image")
                    queue.append(target)
                elif members[target][0] != total:
                    cancelled_by = symmetry.name
        for member, (sign, name) in members.items():
            orbits[member] = _Orbit(leader=start, sign=sign, symmetry=cancelled_by or name, cancels=bool(cancelled_by))
    return [orbits[k] for k in range(len(ansatz.rotations))]


Canonical = tuple[tuple[int, ...], tuple[int, ...]]


def _canonical(excitation: Excitation) -> tuple[Canonical, int]:
    """Sorted operator lists of an excitation and the sign of sorting them."""
    return _sorted_with_sign(excitation.created, excitation.annihilated)


def _image(excitation: Excitation, symmetry: SignedPermutation) -> tuple[Canonical, int]:
    """Sorted operator lists of the image of an excitation, and its sign."""
    created = tuple(int(symmetry.targets[p]) for p in excitation.created)
    annihilated = tuple(int(symmetry.targets[p]) for p in excitation.annihilated)
    sign = int(np.prod(symmetry.signs[list(excitation.created + excitation.annihilated)]))
    canonical, order = _sorted_with_sign(created, annihilated)
    return canonical, sign * order


def _sorted_with_sign(created: tuple[int, ...], annihilated: tuple[int, ...]) -> tuple[Canonical, int]:
    swaps = sum(p > q for indices in (created, annihilated) for k, p in enumerate(indices) for q in indices[k + 1 :])
    return (tuple(sorted(created)), tuple(sorted(annihilated))), -1 if swaps % 2 else 1
