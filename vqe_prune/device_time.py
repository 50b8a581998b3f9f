"""What of a measurement fits into the seconds that a virtual device may take, as predicted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vqe_prune.device_settings import FEWEST_SHOTS
from vqe_prune.errors import InputError
from vqe_prune.google_credentials import GOOGLE
from vqe_prune.hardware.cost import MOST_QUBITS, Cost, noise_seconds, planning_seconds, predict_cost
from vqe_prune.measurement_plan import GATE_ERROR, MeasurementPlan, plan_measurement
from vqe_prune.prune.steps import Stage
from vqe_prune.settings import DeviceSettings

MOST_SCALED_SECONDS = 10.0
"""A study asks how good the processor must be where that takes no longer than this."""

SCALES_TRIED = 20
"""Factors of the noise that finding two critical ones takes."""

FEWER_TWIRLS = (1000, 8, 4, 0)
"""Random frames of a circuit, at most, that are tried where a virtual device would take too long with those chosen."""


Option = tuple[MeasurementPlan, int, Cost, int]
"""A plan with its random frames, what that costs, and its shots."""


@dataclass(eq=False, kw_only=True)
class Planned:
    """One ansatz to be measured; no plan where it cannot be."""

    stage: Stage
    row: dict[str, Any]
    plan: MeasurementPlan | None = None
    twirls: int = 0
    scaled: bool = True  # whether there is time to ask how good the processor must be


def fit_seconds(planned: Sequence[Planned], chosen: DeviceSettings, seconds: float) -> float:
    """Make do with the seconds that a virtual device may take, as predicted; the last ansatz chooses first.

    Fewer random frames, then settings without two-qubit gates, which share the noise of the circuit before them, then
    above `MOST_QUBITS` qubits fewer shots, then nothing. What is left then goes to the question how good the processor
    must be.

    Args:
        planned: What is to be measured; its plans are changed.
        chosen: Device and shots.
        seconds: That are left of ``device.seconds``.

    Returns:
        What is left of them.

    """
    if chosen.name == GOOGLE:
        return math.inf
    plans = [each.plan for each in planned if each.plan is not None]
    spent = sum(planning_seconds(len(p.encoding.hamiltonian.terms), len(p.encoding.gates)) for p in plans)
    left, enough = seconds - spent, chosen.seconds - seconds + spent
    for each in reversed(planned):
        if each.plan is None or chosen.noise_scale == 0.0:
            continue
        tried: list[Option] = []
        for option in _options(each, chosen):
            tried.append(option)
            if option[2].seconds(chosen.shots) <= left:
                break
        plan, twirls, cost, shots = tried[-1]
        fitting = tried[-1] if cost.seconds(shots) <= left else _fewer_shots(plan, twirls, cost, left)
        if fitting is not None:
            each.plan, each.twirls, cost, shots = fitting
            left -= cost.seconds(shots)
            enough += max(option[2].seconds(chosen.shots) for option in tried)  # with more time it may take that
            continue
        shots = FEWEST_SHOTS if cost.per_shot else chosen.shots
        needed = min(option[2].seconds(shots) for option in tried)
        enough += needed
        reason = (
            f"noise on {plan.encoding.n_qubits} qubits would take some {needed:.{0 if needed >= 10.0 else 1}f} s"
            f"{f' for {shots} shots' if cost.per_shot else ''}, more than is left of device.seconds="
            f"{chosen.seconds:g}; try device.seconds={math.ceil(enough)}"
        )
        each.row["left_out"].append([each.stage.name, reason])
        each.plan = None
    for each in reversed(planned):
        if each.plan is not None:
            needed = SCALES_TRIED * noise_seconds(each.plan.circuits[1], each.plan.encoding.n_qubits)
            each.scaled = each.plan.encoding.n_qubits <= MOST_QUBITS and needed <= min(MOST_SCALED_SECONDS, left)
            left -= needed if each.scaled else 0.0
    return left


def predicted_seconds(planned: Planned) -> float:
    """Seconds of a measurement as it was planned."""
    plan = planned.plan
    assert plan is not None
    cost = predict_cost(plan.circuits, plan.shots, plan.encoding.n_qubits, planned.twirls)
    return cost.seconds(plan.total_shots) + planning_seconds(
        len(plan.encoding.hamiltonian.terms), len(plan.encoding.gates)
    )


def _options(each: Planned, chosen: DeviceSettings) -> Iterator[Option]:
    """The ways to measure an ansatz with all its shots, the best one first."""
    plans = [each.plan] if each.plan is not None else []
    while plans:
        plan = plans.pop()
        n_qubits = plan.encoding.n_qubits
        for twirls in dict.fromkeys(min(each.twirls, most) for most in FEWER_TWIRLS):
            yield plan, twirls, predict_cost(plan.circuits, plan.shots, n_qubits, twirls), chosen.shots
        if plan is each.plan and n_qubits <= MOST_QUBITS:
            plans = _unentangled(plan, chosen.shots)


def _fewer_shots(plan: MeasurementPlan, twirls: int, cost: Cost, left: float) -> Option | None:
    """The cheapest way with as many shots as there is time for, None where that is too few."""
    shots = max(int((left - cost.fixed) / cost.per_shot), 0) if cost.per_shot else 0
    shots -= shots % 10 ** max(len(str(shots)) - 2, 0)  # two digits: no more is known
    if shots < FEWEST_SHOTS:
        return None
    try:
        return _replanned(plan, shots), twirls, cost, shots
    except InputError:  # too few for its settings
        return None


def _unentangled(plan: MeasurementPlan, shots: int) -> list[MeasurementPlan]:
    """The same measurement without two-qubit gates in its settings, where it can be done."""
    try:
        return [_replanned(plan, shots, entangle=False)]
    except InputError:  # too few shots for that many settings, or nothing to check in them
        return []


def _replanned(plan: MeasurementPlan, shots: int, *, entangle: bool = True) -> MeasurementPlan:
    """The same measurement with other shots or other settings."""
    known = {name: [circuit.encoding for circuit in plan.known[name]] for name in plan.known}
    return plan_measurement(
        plan.encoding,
        shots=shots,
        mitigation=plan.mitigation,
        reference=next(iter(known["reference"]), None),
        training=known["clifford"],
        gate_error=GATE_ERROR,
        entangle=entangle,
    )
