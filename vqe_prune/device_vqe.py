"""A study's ansatz optimised on its processor: what it runs, what it keeps for a restart, and what it reports."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vqe_prune.device_settings import AUTO
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.google_credentials import GOOGLE
from vqe_prune.hardware import DeviceRunner
from vqe_prune.measurement_plan import REFERENCE_ANGLE
from vqe_prune.objective import energy_of
from vqe_prune.prune.pruning import Pruning
from vqe_prune.prune.steps import Stage
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.run_folder import remove_temporary
from vqe_prune.settings import DeviceSettings
from vqe_prune.shot_energy import ShotEnergy
from vqe_prune.shot_vqe import ShotDescent, ShotProgress, circuits_an_iteration, minimize_shots, read_progress

if TYPE_CHECKING:
    from cirq_google.engine import AbstractProcessor

STAGE = "optimised"
"""Name of the stage at the angles that the processor found."""

CHECKPOINT = "progress.json"

MOST_VIRTUAL_WORK = 100_000
"""Circuits times 2^qubits: some minutes."""

SECONDS_OF_WORK = 4e-3
"""Of a circuit with noise, for each of the 2^qubits, from 2 to 8 qubits."""


def optimise_on_device(
    pruning: Pruning,
    processor: AbstractProcessor,
    chosen: DeviceSettings,
    encoding: str,
    seed: int,
    folder: Path,
    say: Callable[[str], Any],
    seconds: float = math.inf,
) -> tuple[dict[str, Any], Stage | None, float]:
    """Optimise the pruned ansatz on a processor, from its energies there alone.

    The noiseless energy of each iteration's angles, by the exact engine, stands in the result as a control; the
    optimiser never sees it.

    Args:
        pruning: What was pruned.
        processor: Where circuits run.
        chosen: Optimiser, iterations, start; shots of all iterations together; mitigation, of which each energy takes
            ``post_selection`` alone.
        encoding: Of electrons, see `vqe_prune.encoding.encode`.
        seed: Of SPSA's directions.
        folder: Where jobs and checkpoint are kept, so that a killed run goes on.
        say: Told the user's lines.
        seconds: That are left for a virtual processor, as predicted.

    Returns:
        A row for the record; the stage whose energy is to be measured with fresh shots, None where nothing was
        optimised, with the reason in the row's ``left_out``; and the seconds that are left then.

    Raises:
        InputError: There are too few shots.

    """
    final, problem = pruning.final, pruning.final_problem
    start = chosen.start or default_start(problem)
    row: dict[str, Any] = {"method": chosen.optimizer, "start": start, "iterations": [], "left_out": ""}
    try:
        energy = _energy(pruning, encoding, bool({"post_selection", AUTO} & set(chosen.mitigation)))
    except InputError as error:  # nothing to optimise: the study itself is none the worse
        return {**row, "left_out": str(error)}, None, seconds
    descent = ShotDescent(method=chosen.optimizer, iterations=chosen.iterations, shots=chosen.shots, seed=seed)
    n_circuits = circuits_an_iteration(energy, descent.method)
    an_iteration = n_circuits * 2**energy.encoded.n_qubits
    work = 0 if chosen.name == GOOGLE else an_iteration * descent.iterations
    if work > min(MOST_VIRTUAL_WORK, seconds / SECONDS_OF_WORK):
        reason = f"{descent.iterations} iterations of {n_circuits} circuits on {energy.encoded.n_qubits} qubits"
        return (
            {**row, "left_out": f"{reason} with noise {_too_long(chosen, work, an_iteration, seconds)}"},
            None,
            seconds,
        )
    seconds -= SECONDS_OF_WORK * work
    folder.mkdir(parents=True, exist_ok=True)
    remove_temporary(folder)  # of checkpoints; the study holds the lock above
    known = read_progress(folder / CHECKPOINT)
    runner = DeviceRunner(
        processor, energy.encoded.n_qubits, folder=folder, first_call=known.calls if known else 0, say=say
    )
    runner.place(energy.typical_circuits())  # by all its gates: at angles of zero a compiler would remove some
    say(f"{descent.method} on {chosen.name} from {start} angles: {descent.shots} shots, {n_circuits} circuits a step")
    angles = final.optimum.angles if start == "pruned" else np.full(final.ansatz.n_parameters, REFERENCE_ANGLE)
    try:
        progress = minimize_shots(energy, runner, angles, descent, checkpoint=folder / CHECKPOINT, say=say)
    except InputError as error:
        raise InputError(f"device.{error}" if str(error).startswith("shots") else str(error)) from error
    except ConvergenceError as error:
        return {**row, "left_out": str(error)}, None, seconds
    return {**row, **_row(pruning, energy, descent, progress)}, _stage(pruning, progress), seconds


def _too_long(chosen: DeviceSettings, work: int, an_iteration: int, seconds: float) -> str:
    """Say how long an optimisation would take and what to type instead."""
    most = int(min(MOST_VIRTUAL_WORK, max(seconds, 0.0) / SECONDS_OF_WORK) // an_iteration)
    advice = f"try device.iterations={most}" if most else "prune further"
    if work > MOST_VIRTUAL_WORK:
        return f"would take too long; {advice}"
    needed = SECONDS_OF_WORK * work
    enough = math.ceil(chosen.seconds - seconds + needed)
    return f"would take some {needed:.0f} s, more than is left; {advice}, or device.seconds={enough}"


def default_start(problem: Any) -> str:
    """Return where an optimisation starts: at zero, the reference, but for ansätze on qubits at the pruned angles.

    On qubits zero often is a saddle: all gradients of the transverse-field Ising model vanish on |+>.
    """
    return "pruned" if isinstance(problem, QubitProblem) else "zero"


def _energy(pruning: Pruning, encoding: str, post_select: bool) -> ShotEnergy:
    """What is measured, post-selected where that has an effect."""
    common: dict[str, Any] = {"problem": pruning.final_problem, "ansatz": pruning.final.ansatz, "encoding": encoding}
    if post_select:
        try:
            return ShotEnergy(**common, post_select=True)
        except InputError:
            pass  # either it has no effect, or the next line says what is wrong
    return ShotEnergy(**common)


def _row(pruning: Pruning, energy: ShotEnergy, descent: ShotDescent, progress: ShotProgress) -> dict[str, Any]:
    exact = energy_of(pruning.final_problem)(pruning.final.ansatz).value_and_gradient
    assert progress.stop is not None
    return {
        "post_selection": energy.post_select,
        "n_circuits": circuits_an_iteration(energy, descent.method),
        "calibration_shots": progress.calibration_shots,
        "shots": progress.shots,
        "stop": progress.stop.value,
        "angles": progress.final_angles.tolist(),
        "iterations": [
            {
                "energy": each.energy,
                "error_bar": each.error_bar,
                "noiseless_energy": exact(np.array(each.angles))[0],
                "angles": list(each.angles),
                "gradient": list(each.gradient),
                "gradient_bars": list(each.gradient_bars),
                "shots": each.shots,
                "kept": each.kept,
            }
            for each in progress.history
        ],
    }


def _stage(pruning: Pruning, progress: ShotProgress) -> Stage:
    """The pruned ansatz at the angles that were found, with its noiseless energy."""
    final, angles = pruning.final, progress.final_angles
    value, gradient = energy_of(pruning.final_problem)(final.ansatz).value_and_gradient(angles)
    optimum = replace(
        final.optimum,
        angles=angles,
        value=value,
        gradient=float(np.abs(gradient).max()),
        steps=len(progress.history),
        inverse_hessian=None,
    )
    return replace(final, name=STAGE, optimum=optimum)
