"""Prune plans: what happens to each rotation and why, as data; one function applies them."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Generator, Rotation


class Action(enum.Enum):
    """What a plan does with a rotation."""

    KEEP = "keep"
    DROP = "drop"
    TIE = "tie"
    REPLACE = "replace"
    MERGE = "merge"
    ABSORB = "absorb"


GONE = (Action.DROP, Action.MERGE, Action.ABSORB)
"""Rotations that are in the circuit no more."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One rotation's fate.

    Attributes:
        action: Keep it, drop it, tie it to another rotation's angle, put another generator in its place, merge it into
            another rotation of the same generator, or absorb it into the orbitals of the Hamiltonian.
        reason: Why, in words.
        score: The number behind it, where there is one.
        leader: For a tie, the rotation whose angle it follows; for a merge, the one that takes over its angle.
        coefficient: For a tie, its angle divided by the leader's; for a merge, its generator divided by the leader's.
        replacement: The generator that takes its place: of a replaced rotation, with a parameter of its own, and of a
            tied one that was replaced before.

    """

    action: Action
    reason: str
    score: float | None = None
    leader: int | None = None
    coefficient: float = 1.0
    replacement: Generator | None = None


@dataclass(frozen=True, kw_only=True)
class PrunePlan:
    """A rule's decisions, one for each rotation of the ansatz it looked at.

    Attributes:
        rule: Name of the rule.
        decisions: In the order of the ansatz' rotations.

    """

    rule: str
    decisions: tuple[Decision, ...]

    @property
    def survivors(self) -> list[int]:
        """Rotations that stay, ascending."""
        return [k for k, each in enumerate(self.decisions) if each.action not in GONE]


def apply_plan(plan: PrunePlan, ansatz: Ansatz) -> Ansatz:
    """Return the smaller ansatz: dropped, merged and absorbed rotations gone, tied ones on their leader's parameter.

    Parameters are renumbered. What a merged rotation turned is in its leader's angle (`carry_angles`).

    Args:
        plan: One decision a rotation.
        ansatz: The ansatz the plan was made for.

    Raises:
        ValueError: The plan has another number of rotations, ties to a rotation that it drops or ties, or merges into
            one that it merges.

    """
    if len(plan.decisions) != len(ansatz.rotations):
        raise ValueError(
            f"Argument `plan` must decide on {len(ansatz.rotations)} rotations, but it has {len(plan.decisions)}"
        )
    for index, decision in enumerate(plan.decisions):
        if decision.action is Action.MERGE:
            leader = decision.leader
            if leader is None or plan.decisions[leader].action is Action.MERGE:
                raise ValueError(f"Argument `plan` must merge rotation {index} into a kept one, but it names {leader}")
    numbers: dict[int, int] = {}
    rotations = []
    for index in plan.survivors:
        decision = plan.decisions[index]
        rotation = _planned(plan, ansatz, index)
        if decision.action is Action.TIE:
            leader = decision.leader
            if leader is None or plan.decisions[leader].action not in (Action.KEEP, Action.REPLACE):
                raise ValueError(f"Argument `plan` must tie rotation {index} to a kept one, but it names {leader}")
            target = _planned(plan, ansatz, leader)
            rotation = Rotation(rotation.generator, target.parameter, decision.coefficient * target.coefficient)
        if rotation.parameter is not None:
            rotation = replace(rotation, parameter=numbers.setdefault(rotation.parameter, len(numbers)))
        rotations.append(rotation)
    return replace(ansatz, rotations=tuple(rotations), n_parameters=len(numbers))


def _planned(plan: PrunePlan, ansatz: Ansatz, index: int) -> Rotation:
    """A rotation with its generator after the plan and, where it is new, a parameter that no other rotation has."""
    decision, rotation = plan.decisions[index], ansatz.rotations[index]
    if decision.replacement is None:
        return rotation
    if decision.action is Action.REPLACE:
        return Rotation(decision.replacement, ansatz.n_parameters + index)
    return Rotation(decision.replacement, rotation.parameter, rotation.coefficient)


def carry_angles(plan: PrunePlan, ansatz: Ansatz, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return angles for the smaller ansatz: of each parameter the mean of what its rotations had, 0 where it is new.

    What a merged rotation had is added to its leader first.

    Args:
        plan: One decision a rotation.
        ansatz: The ansatz before the plan.
        angles: Its parameters, radian, (n_parameters,).

    """
    smaller = apply_plan(plan, ansatz)
    replaced = np.array([decision.action is Action.REPLACE for decision in plan.decisions])
    whole = ansatz.rotation_angles(angles)
    for index, decision in enumerate(plan.decisions):
        if decision.action is Action.MERGE and decision.leader is not None and decision.replacement is None:
            whole[decision.leader] += decision.coefficient * whole[index]
    old = np.where(replaced, 0.0, whole)[plan.survivors]
    free = smaller.parameters >= 0
    coefficients, parameters = smaller.coefficients[free], smaller.parameters[free]
    totals = np.bincount(parameters, weights=old[free] / coefficients, minlength=smaller.n_parameters)
    return totals / np.maximum(np.bincount(parameters, minlength=smaller.n_parameters), 1)


def chain(plans: Sequence[PrunePlan]) -> PrunePlan:
    """Compose plans, each made for the result of the one before, into one plan for the first ansatz."""
    total = plans[0]
    for plan in plans[1:]:
        survivors = total.survivors
        decisions = list(total.decisions)
        for index, later in zip(survivors, plan.decisions, strict=True):
            earlier = decisions[index]
            if later.action is Action.KEEP:
                score = earlier.score if later.score is None else later.score
                reason = "; ".join(text for text in (earlier.reason, later.reason) if text)
                decisions[index] = replace(earlier, score=score, reason=reason)
            elif later.action in (Action.TIE, Action.MERGE) and later.leader is not None:
                generator = later.replacement or earlier.replacement
                decisions[index] = replace(later, leader=survivors[later.leader], replacement=generator)
            else:
                if later.action is Action.REPLACE and any(decision.leader == index for decision in decisions):
                    raise ValueError(f"Argument `plans` must not replace rotation {index}, which others are tied to")
                decisions[index] = later
        total = PrunePlan(rule=f"{total.rule}, {plan.rule}", decisions=tuple(decisions))
    return _rehang(total)


def _rehang(plan: PrunePlan) -> PrunePlan:
    """Give ties whose leader a later plan tied, and merges whose leader it merged, the last leader of the line.

    A parameter goes as a whole when its leader is dropped, so a surviving follower only occurs after a later tie.
    """
    decisions = list(plan.decisions)
    for index, decision in enumerate(decisions):
        leader, coefficient = decision.leader, decision.coefficient
        while leader is not None and decisions[leader].action is decision.action:
            coefficient *= decisions[leader].coefficient
            leader = decisions[leader].leader
        if leader != decision.leader:
            decisions[index] = replace(decision, leader=leader, coefficient=coefficient)
    return replace(plan, decisions=tuple(decisions))
