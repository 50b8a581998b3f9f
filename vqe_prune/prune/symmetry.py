"""The symmetry rule: drop what leaves the reference's irrep, tie what a symmetry maps onto each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.electrons import excitation_irrep
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
        ansatz: Excitation rotations; a parameter that several share is dropped or tied with all of them, and
            generators that come again (layers) are compared with those of the same layer.
        angles: Angles of an optimum of `ansatz`, (n_parameters,), radian; None ties with +-1.

    Returns:
        One decision a rotation.

    """
    orbits = _orbits(problem, ansatz)
    decisions = []
    for rotation, excitation in zip(ansatz.rotations, ansatz.excitations, strict=True):
        if rotation.parameter is None:
            decisions.append(Decision(action=Action.KEEP, reason="has a constant angle"))
            continue
        irrep = excitation_irrep(problem.electrons.irreps, excitation.spin_orbitals)
        orbit = orbits[rotation.parameter]
        if irrep and angles is not None and abs(angles[rotation.parameter]) > SMALL_ANGLE:
            reason = "leaves the reference's irrep, but the optimum uses it: its state breaks the symmetry"
            decisions.append(Decision(action=Action.KEEP, reason=reason))
        elif irrep:
            reason = f"leaves the reference's irrep in {problem.electrons.group}: its gradient is always zero"
            decisions.append(Decision(action=Action.DROP, reason=reason, score=0.0))
        elif orbit.cancels and (angles is None or abs(angles[rotation.parameter]) < SMALL_ANGLE):
            reason = f"{orbit.symmetry} maps it onto minus itself: its gradient is always zero"
            decisions.append(Decision(action=Action.DROP, reason=reason, score=0.0))
        elif orbit.leader == rotation.parameter or orbit.cancels:
            decisions.append(Decision(action=Action.KEEP, reason="allowed by symmetry"))
        else:
            leader = next(k for k, each in enumerate(ansatz.rotations) if each.parameter == orbit.leader)
            first = ansatz.rotations[leader]
            coefficient = _tie_coefficient(orbit, rotation.parameter, angles)
            if coefficient is None:
                reason = f"{orbit.symmetry} of {first.generator.label}, but its angle at the optimum is too different"
                decisions.append(Decision(action=Action.KEEP, reason=f"{reason} to share"))
                continue
            coefficient *= rotation.coefficient / first.coefficient
            reason = f"{orbit.symmetry} of {first.generator.label}: shares its angle"
            decisions.append(Decision(action=Action.TIE, reason=reason, leader=leader, coefficient=coefficient))
    return PrunePlan(rule="symmetry", decisions=tuple(decisions))


@dataclass(frozen=True, kw_only=True)
class _Orbit:
    """Where a parameter stands among its images: the first of them, the sign to it, and by which symmetry."""

    leader: int
    sign: int
    symmetry: str
    cancels: bool = False


def _tie_coefficient(orbit: _Orbit, index: int, angles: NDArray[np.float64] | None) -> float | None:
    """Return a parameter over its leader, None where they are too different to be one."""
    if angles is None or max(abs(angles[index]), abs(angles[orbit.leader])) < SMALL_ANGLE:
        return float(orbit.sign)
    if abs(angles[index] - orbit.sign * angles[orbit.leader]) > LARGEST_CORRECTION * abs(angles[orbit.leader]):
        return None
    return float(angles[index] / angles[orbit.leader])


def _orbits(problem: Problem, ansatz: Ansatz) -> list[_Orbit]:
    """Orbit of every parameter, with all its rotations, under the group that the signed permutations generate."""
    members = _members(ansatz)
    position = {(layer, frozenset(own)): p for p, (layer, own) in enumerate(members)}
    orbits: dict[int, _Orbit] = {}
    for start in range(ansatz.n_parameters):
        if start in orbits:
            continue
        found = {start: (1, "")}
        queue, cancelled_by = [start], ""
        while queue:
            current = queue.pop(0)
            layer, own = members[current]
            for symmetry in problem.symmetries:
                image = _moved(own, symmetry)
                target = position.get((layer, frozenset(image)))
                sign = None if target is None else _ratio(image, members[target][1])
                if target is None or sign is None:
                    continue  # the ansatz has no such parameter to tie to
                total = found[current][0] * sign
                if target not in found:
                    found[target] = (total, symmetry.name if current == start else "symmetry image")
                    queue.append(target)
                elif found[target][0] != total:
                    cancelled_by = symmetry.name
        for member, (sign, name) in found.items():
            orbits[member] = _Orbit(leader=start, sign=sign, symmetry=cancelled_by or name, cancels=bool(cancelled_by))
    return [orbits[p] for p in range(ansatz.n_parameters)]


Canonical = tuple[tuple[int, ...], tuple[int, ...]]
Member = dict[Canonical, float]
"""The generators that a parameter turns, each with the sum of its coefficients."""


def _members(ansatz: Ansatz) -> list[tuple[int, Member]]:
    """What every parameter turns, and in which layer: how many parameters before it turn the same generators."""
    members: list[Member] = [{} for _ in range(ansatz.n_parameters)]
    for rotation, excitation in zip(ansatz.rotations, ansatz.excitations, strict=True):
        if rotation.parameter is not None:
            generator, sign = _canonical(excitation.created, excitation.annihilated)
            own = members[rotation.parameter]
            own[generator] = own.get(generator, 0.0) + sign * rotation.coefficient
    seen: Counter[frozenset[Canonical]] = Counter()
    layered = []
    for own in members:
        layered.append((seen[frozenset(own)], own))
        seen[frozenset(own)] += 1
    return layered


def _moved(own: Member, symmetry: SignedPermutation) -> Member:
    """The images of a parameter's generators."""
    moved = {}
    for (created, annihilated), factor in own.items():
        lists = ([int(symmetry.targets[p]) for p in indices] for indices in (created, annihilated))
        image, sign = _canonical(*lists)
        moved[image] = factor * sign * int(np.prod(symmetry.signs[list(created + annihilated)]))
    return moved


def _ratio(image: Member, other: Member) -> int | None:
    """+1 or -1 where one is the other up to this sign, None where coefficients differ otherwise."""
    for sign in (1, -1):
        if all(abs(image[key] - sign * other[key]) < 1e-12 for key in image):
            return sign
    return None


def _canonical(created: Sequence[int], annihilated: Sequence[int]) -> tuple[Canonical, int]:
    """Sorted operator lists of an excitation, or of its inverse where that comes first, and the sign to them."""
    lists = (created, annihilated)
    swaps = sum(p > q for indices in lists for k, p in enumerate(indices) for q in indices[k + 1 :])
    sign = -1 if swaps % 2 else 1
    filled, emptied = tuple(sorted(created)), tuple(sorted(annihilated))
    return ((filled, emptied), sign) if filled > emptied else ((emptied, filled), -sign)  # T - T+ = -(T+ - T)
