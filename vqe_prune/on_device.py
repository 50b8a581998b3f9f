"""A study on a processor: the pruned circuit, and the unpruned one beside it, compiled and measured there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vqe_prune.circuit import count_resources
from vqe_prune.device_vqe import STAGE, optimise_on_device
from vqe_prune.encoding import CHECK_WORTH, Encoding, encode
from vqe_prune.errors import InputError
from vqe_prune.hardware import DeviceRunner, open_processor
from vqe_prune.hardware.processors import GOOGLE
from vqe_prune.measure import Measurement, measure_energy
from vqe_prune.measurement_plan import REFERENCE_ANGLE, available_mitigations
from vqe_prune.problem import Problem
from vqe_prune.prune.calibration import load_calibration
from vqe_prune.prune.pruning import Pruning
from vqe_prune.prune.steps import Stage
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.settings import DeviceSettings

if TYPE_CHECKING:
    from cirq_google.engine import AbstractProcessor

AnyProblem = Problem | QubitProblem

MOST_VIRTUAL_QUBITS = 8
"""Larger circuits are not measured on a virtual processor: noise on them takes a trajectory a shot, which is hours."""

MOST_GATES = 400
"""Longer circuits (two-qubit gates) are not measured anywhere: no processor leaves anything of their state."""

MITIGATED = (
    "readout, post_selection, reference",
    "readout, reference",
    "post_selection, reference",
    "raw, reference",
    "readout, post_selection",
    "post_selection",
    "readout",
    "raw",
)
"""The first of these that a measurement gives is what a study calls mitigated: chosen beforehand, not by its result."""


def open_device(chosen: DeviceSettings, seed: int) -> AbstractProcessor:
    """Open the processor of a study; see `vqe_prune.hardware.open_processor`.

    Raises:
        InputError: The name, a credential or an id is wrong or missing.
        ConvergenceError: The service does not answer.

    """
    assert chosen.name is not None
    virtual = chosen.name != GOOGLE
    return open_processor(
        chosen.name,
        project=chosen.project,
        processor=chosen.processor,
        noise_scale=chosen.noise_scale if virtual else 1.0,
        seed=seed if virtual else None,
    )


def measure_on_device(
    pruning: Pruning,
    processor: AbstractProcessor,
    chosen: DeviceSettings,
    encoding: str,
    folder: Path,
    say: Callable[[str], Any],
    seed: int = 0,
) -> dict[str, Any]:
    """Measure the ansatz as built and the pruned one on a processor, and optimise the pruned one there if asked to.

    Args:
        pruning: What was pruned.
        processor: From `open_device`.
        chosen: Shots and mitigation, and the optimiser.
        encoding: Of electrons, see `vqe_prune.encoding.encode`.
        folder: Where each stage keeps its jobs, so that a killed run goes on.
        say: Told the user's lines.
        seed: Of the random frames, and of the optimiser.

    Returns:
        Rows for the record: name and settings of the device, and a measurement of each stage; where it was asked for,
        ``optimization`` of `vqe_prune.device_vqe.optimise_on_device`, its angles measured as a stage of their own.

    """
    rows = []

    def measure(stage: Stage, problem: AnyProblem) -> None:
        encoded = encode(problem, stage.ansatz, stage.optimum.angles, encoding, check_worth=CHECK_WORTH)
        same = encoding if isinstance(problem, QubitProblem) else encoded.name
        small = encode(problem, stage.ansatz, np.full(stage.ansatz.n_parameters, REFERENCE_ANGLE), same)
        row = _row(stage, encoded, chosen)
        rows.append(row)
        refusal = _refusal(encoded, row["n_two_qubit_gates"], chosen)
        if refusal:
            row["left_out"].append([stage.name, refusal])
            return
        own = STAGE if stage.name == STAGE else ""  # fresh shots even where the optimiser ends at the pruned angles
        runner = DeviceRunner(
            processor,
            encoded.n_qubits,
            folder=folder / stage.name,
            settings_digest=own,
            twirls=chosen.twirls,
            seed=seed,
            say=say,
        )
        say(f"{stage.name} on {chosen.name}: {encoded.n_qubits} qubits, {chosen.shots} shots ...")
        row |= _measure(encoded, small, runner, chosen)

    for stage in dict.fromkeys((pruning.stages[0], pruning.final)):
        measure(stage, pruning.problem_of(stage))
    found: dict[str, Any] = {}
    if chosen.optimizer != "none":
        if rows[-1]["estimates"]:
            own = folder / "optimization"
            row, best = optimise_on_device(pruning, processor, chosen, encoding, seed, own, say)
            if best is not None:
                measure(best, pruning.final_problem)
        else:
            row = {"method": chosen.optimizer, "iterations": [], "left_out": rows[-1]["left_out"][0][1]}
        found = {"optimization": row}
    exact = pruning.problem.energies["exact"]
    for row in rows:
        for estimate in row["estimates"]:
            estimate["error_to_exact"] = None if exact is None else estimate["energy"] - exact
    kept = {"name": chosen.name, "processor": chosen.processor, "noise_scale": chosen.noise_scale}
    return {**kept, "twirls": chosen.twirls, "shots": chosen.shots, "measurements": rows, **found}


def _row(stage: Stage, encoded: Encoding, chosen: DeviceSettings) -> dict[str, Any]:
    """What is known of a stage before it is measured."""
    resources = count_resources(encoded.gates)
    row: dict[str, Any] = {
        "stage": stage.name,
        "encoding": encoded.name,
        "n_qubits": encoded.n_qubits,
        "n_two_qubit_gates": resources.n_two_qubit_gates,
        "noiseless_energy": stage.optimum.value,
        "expected_error": None,
        "qubits": [],
        "estimates": [],
        "mitigated": None,
        "left_out": [],
    }
    if chosen.name != GOOGLE:
        row["expected_error"] = load_calibration(str(chosen.name)).rotation_error(encoded.gates)
    return row


def _measure(encoded: Encoding, small: Encoding, runner: DeviceRunner, chosen: DeviceSettings) -> dict[str, Any]:
    mitigation = [m for m in chosen.mitigation if m in available_mitigations(encoded, reference=small)]
    reference = small if "reference" in mitigation else None
    try:
        measured = measure_energy(encoded, runner, shots=chosen.shots, mitigation=mitigation, reference=reference)
    except InputError as error:
        raise InputError(f"device.{error}" if str(error).startswith(("shots", "mitigation")) else str(error)) from error
    return _measured_row(measured, runner)


def _refusal(encoded: Encoding, n_two_qubit_gates: int, chosen: DeviceSettings) -> str:
    """Why a circuit is not measured; empty where it is."""
    if not encoded.n_qubits or not encoded.hamiltonian.terms:
        return "nothing is left to measure: its energy is known"
    if chosen.name != GOOGLE and encoded.n_qubits > MOST_VIRTUAL_QUBITS:
        return f"{encoded.n_qubits} qubits with noise are more than {MOST_VIRTUAL_QUBITS}: it would take hours"
    if n_two_qubit_gates > MOST_GATES:
        return f"{n_two_qubit_gates} two-qubit gates are more than {MOST_GATES}: noise leaves nothing of the state"
    return ""


def _measured_row(measured: Measurement, runner: DeviceRunner) -> dict[str, Any]:
    names = [estimate.name for estimate in measured.estimates]
    mitigated = next(name for name in MITIGATED if name in names)
    assert runner.placement is not None
    return {
        "n_two_qubit_gates": runner.n_two_qubit_gates,
        "qubits": [str(qubit) for qubit in runner.placement.qubits],
        "n_settings": len(measured.plan.settings),
        "estimates": [
            {
                "name": each.name,
                "energy": each.value,
                "error_bar": each.error,
                "shots": each.shots,
                "kept": each.kept,
                "assumes": each.assumes,
            }
            for each in measured.estimates
        ],
        "mitigated": mitigated,
        "left_out": [list(each) for each in measured.left_out],
    }
