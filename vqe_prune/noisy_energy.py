"""Energies that infinitely many shots on a noisy processor would give, and how good the processor must be.

No shot is drawn: probabilities of outcomes are exact, so what is left of an error is the noise itself. For more than
`hardware.cost.MOST_QUBITS` qubits there are only shots: `measure_energy` on a `DeviceRunner` gives an energy
with a bar.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vqe_prune.errors import InputError
from vqe_prune.hardware.cost import MOST_QUBITS
from vqe_prune.measure import Counted, estimate_counted
from vqe_prune.measurement_plan import MeasurementPlan
from vqe_prune.mitigation import Tally

if TYPE_CHECKING:
    from vqe_prune.hardware import DeviceRunner

FINE = 10**12
"""Shots that stand for exact probabilities where outcomes are counted; an energy is off by some 1e-12 of its norm."""

LARGEST_SCALE = 64.0
"""Larger factors of the noise are not looked for."""

SHARP = 1e-2
"""Relative tolerance of a critical factor."""


def noisy_energies(
    plan: MeasurementPlan,
    runner: DeviceRunner,
    device: str,
    noise_scale: float = 1.0,
    frames: Sequence[int | None] = (None,),
) -> dict[str, float]:
    """Return the energies that a plan gives with infinitely many shots under a device's scaled noise.

    Args:
        plan: From `plan_measurement`; its shots are of no matter, its mitigation is, ``zne`` left out.
        runner: For the same device; it places and compiles the plan's circuits.
        device: ``rainbow``, ``weber`` or ``willow_pink``.
        noise_scale: Factor of all error rates, see `hardware.virtual.scaled_device_noise`.
        frames: Seeds of random frames of the two-qubit gates (`hardware.twirling`), which share the shots equally; None
            stands for the circuits as compiled.

    Returns:
        Energies by the names of `measure.estimate`, in the Hamiltonian's unit, ``raw`` first; those left out that the
        outcomes do not give.

    Raises:
        InputError: The device is unknown, the factor is negative or too large, or there are too many qubits.

    """
    from vqe_prune.hardware.virtual import noisy_circuits

    if plan.encoding.n_qubits > MOST_QUBITS:
        raise InputError(
            f"{plan.encoding.n_qubits} qubits are more than {MOST_QUBITS}: exact energies under noise take hours; "
            "measure_energy gives one with an error bar"
        )
    compiled = runner.compile(plan.circuits[1])
    tallies = []
    for circuit in compiled:
        programs = [circuit.program(frames=None if k is None else np.random.default_rng(k)) for k in frames]
        circuits = noisy_circuits(device, noise_scale, frozenset(programs[0].all_qubits()))
        found = np.mean([circuits.probabilities(program, circuit.ends) for program in programs], axis=0)
        tallies.append(_as_tally(found, plan.encoding.n_qubits))
    positions = [circuit.positions for circuit in compiled]
    unfolded = replace(plan, mitigation=tuple(name for name in plan.mitigation if name != "zne"))
    measured = estimate_counted(unfolded, {1: Counted(tallies, positions)})
    return {each.name: each.value for each in measured.estimates}


def _as_tally(probabilities: NDArray[np.float64], n_qubits: int) -> Tally:
    bits = (np.arange(1 << n_qubits)[:, None] >> np.arange(n_qubits - 1, -1, -1) & 1).astype(np.bool_)
    return Tally(bits, np.rint(FINE * probabilities).astype(np.int64))


def critical_noise_scales(
    energies: Callable[[float], Mapping[str, float]],
    exact: float,
    budget: float,
    names: Collection[str] | None = None,
) -> dict[str, float | None]:
    """Return, for each estimate, the smallest factor of a device's noise at which its error reaches a budget.

    Args:
        energies: From the factor to energies by name, such as ``lambda x: noisy_energies(plan, runner, name, x)``; each
            factor is asked for once.
        exact: The energy to compare with.
        budget: Largest size of the error, in the energies' unit; chemical accuracy is 1.594e-3 hartree.
        names: Of the estimates that are asked for; None for all.

    Returns:
        Factors to 1 % by the names that exist without noise: 0 where the error exceeds the budget without noise, None
        where it does not up to `LARGEST_SCALE` or the largest factor that the device allows. An error that crosses the
        budget, comes back and crosses it again within a quarter of the found factor is not seen.

    """
    known: dict[float, Mapping[str, float]] = {}

    def excess(name: str, scale: float) -> float:
        if scale not in known:
            known[scale] = energies(scale)
        value = known[scale].get(name)
        return budget if value is None else abs(value - exact) - budget  # no value is no accuracy

    excess("", 0.0)
    return {name: _crossing(partial(excess, name)) for name in known[0.0] if names is None or name in names}


def _crossing(excess: Callable[[float], float]) -> float | None:
    """The smallest zero that is found of a function that begins below zero, 0 where it does not."""
    from scipy.optimize import brentq

    if excess(0.0) > 0.0:
        return 0.0
    low, high = 0.0, 1.0
    try:
        while excess(high) < 0.0:
            low, high = high, 2.0 * high
            if high > LARGEST_SCALE:
                return None
    except InputError:  # larger than the device's error rates allow
        return None
    if low == 0.0:
        while high > 1e-6 and excess(high / 4.0) > 0.0:  # errors may turn: the smallest crossing counts
            high /= 4.0
        low = high / 4.0
    return float(brentq(excess, low, high, rtol=SHARP))
