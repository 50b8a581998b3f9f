"""Prune plans: what happens to each rotation and why, as data; one function applies them."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Rotation


class Action(enum.Enum):
    """What a plan does with a rotation."""

    KEEP = "keep"
    DROP = "drop"
    TIE = "tie"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One rotation's fate.

    Attributes:
        action: Keep it, drop it, or tie it to another rotation's angle.
        reason: Why, in words.
        score: The number behind it, where there is one.
        leader: For a tie, the rotation whose angle it follows.
        coefficient: For a tie, its angle divided by the leader's.

    """

    action: Action
    reason: str
    score: float | None = None
    leader: int | None = None
    coefficient: float = 1.0


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
        return [k for k, decision in enumerate(self.decisions) if decision.action is not Action.DROP]


def apply_plan(plan: PrunePlan, ansatz: Ansatz) -> Ansatz:
    """Return the smaller ansatz: dropped rotations gone, tied ones on their leader's parameter, parameters renumbered.

    Args:
        plan: One decision a rotation.
        ansatz: The ansatz the plan was made for.

    Raises:
        ValueError: The plan has another number of rotations, or ties to a rotation that it drops or ties.

    """
    if len(plan.decisions) != len(ansatz.rotations):
        raise ValueError(
            f"Argument `plan` must decide on {len(ansatz.rotations)} rotations, but it has {len(plan.decisions)}"
        )
    numbers: dict[int, int] = {}
    rotations = []
    for index in plan.survivors:
        decision, rotation = plan.decisions[index], ansatz.rotations[index]
        if decision.action is Action.TIE:
            leader = decision.leader
            if leader is None or plan.decisions[leader].action is not Action.KEEP:
                raise ValueError(f"Argument `plan` must tie rotation {index} to a kept one, but it names {leader}")
            target = ansatz.rotations[leader]
            rotation = Rotation(rotation.generator, target.parameter, decision.coefficient * target.coefficient)
        if rotation.parameter is not None:
            rotation = replace(rotation, parameter=numbers.setdefault(rotation.parameter, len(numbers)))
        rotations.append(rotation)
    return replace(ansatz, rotations=tuple(rotations), n_parameters=len(numbers))


def carry_angles(plan: PrunePlan, ansatz: Ansatz, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return angles for the smaller ansatz: of each parameter the mean of what its rotations had.

    Args:
        plan: One decision a rotation.
        ansatz: The ansatz before the plan.
        angles: Its parameters, radian, (n_parameters,).

    """
    smaller = apply_plan(plan, ansatz)
    old = ansatz.rotation_angles(angles)[plan.survivors]
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
                decisions[index] = replace(earlier, score=score, reason=f"{earlier.reason}; {later.reason}")
            elif later.action is Action.TIE and later.leader is not None:
                decisions[index] = replace(later, leader=survivors[later.leader])
            else:
                decisions[index] = later
        total = PrunePlan(rule=f"{total.rule}, {plan.rule}", decisions=tuple(decisions))
    return _rehang_ties(total)


def _rehang_ties(plan: PrunePlan) -> PrunePlan:
    """Give ties whose leader a later plan dropped or tied a kept leader again.

    A parameter goes as a whole when its leader is dropped, so a surviving follower only occurs after a later tie.
    """
    decisions = list(plan.decisions)
    for index, decision in enumerate(decisions):
        leader, coefficient = decision.leader, decision.coefficient
        while leader is not None and decisions[leader].action is Action.TIE:
            coefficient *= decisions[leader].coefficient
            leader = decisions[leader].leader
        if leader != decision.leader:
            decisions[index] = replace(decision, leader=leader, coefficient=coefficient)
    return replace(plan, decisions=tuple(decisions))
