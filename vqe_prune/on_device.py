"""A study on a processor: the pruned circuit, and the unpruned ones beside it, compiled and measured there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.circuit import Gate, count_resources
from vqe_prune.clifford_points import clifford_points
from vqe_prune.device_settings import AUTO, DEVICE_STAGES
from vqe_prune.device_time import Planned, fit_seconds, predicted_seconds
from vqe_prune.device_vqe import STAGE, optimise_on_device
from vqe_prune.encoding import CHECK_WORTH, Encoding, encode
from vqe_prune.errors import InputError, PendingError
from vqe_prune.google_credentials import GOOGLE
from vqe_prune.hardware import DeviceRunner, open_processor
from vqe_prune.hardware.processors import configuration_of
from vqe_prune.measure import Measurement, estimate, run_plan
from vqe_prune.measurement_plan import (
    GATE_ERROR,
    REFERENCE_ANGLE,
    MeasurementPlan,
    available_mitigations,
    plan_measurement,
)
from vqe_prune.noisy_energy import critical_noise_scales, noisy_energies
from vqe_prune.problem import Problem
from vqe_prune.prune.calibration import load_calibration
from vqe_prune.prune.pruning import Pruning
from vqe_prune.prune.steps import Stage
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.report.device_table import NOTHING_LEFT
from vqe_prune.settings import DeviceSettings
from vqe_prune.units import CHEMICAL_ACCURACY, HARTREE
from vqe_prune.wording import counted

if TYPE_CHECKING:
    from cirq_google.engine import AbstractProcessor

REFERENCE_WORTH = 10.0
"""By default a reference is measured where the expected bias is this many standard errors: `expected_bias` is some ten
times too large for LiH, and on circuits of one two-qubit gate the reference takes more shots than its bias is worth."""

SAME_ANGLE = 1e-6
"""Radian: two optimisations of one ansatz end within some 1e-7 of each other, gradients being that small, and such
angles move an energy by 1e-12 hartree, which no number of shots can see."""

MOST_GATES = 250
"""Longer circuits (two-qubit gates) are not measured anywhere: no processor leaves anything of their state."""

MITIGATED = (
    "readout, post_selection, clifford",
    "readout, clifford",
    "post_selection, clifford",
    "raw, clifford",
    "readout, post_selection, reference",
    "readout, reference",
    "post_selection, reference",
    "raw, reference",
    "readout, post_selection, zne linear",
    "readout, zne linear",
    "post_selection, zne linear",
    "raw, zne linear",
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
        run=chosen.run,
        snapshot=chosen.snapshot,
        config=chosen.config,
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
    *,
    seed: int = 0,
    collect: bool = False,
) -> dict[str, Any]:
    """Measure the ansatz as built, what symmetry leaves of it and the pruned one, and optimise that there if asked to.

    Args:
        pruning: What was pruned.
        processor: From `open_device`.
        chosen: Shots, mitigation and stages, and the optimiser.
        encoding: Of electrons, see `vqe_prune.encoding.encode`.
        folder: Where each stage keeps its jobs, so that a killed run goes on.
        say: Told the user's lines.
        seed: Of the random frames, and of the optimiser.
        collect: Whether nothing may be sent to Google's service and nothing is waited for.

    Returns:
        Rows for the record: name and settings of the device, and a measurement of each stage; where it was asked for,
        ``optimization`` of `vqe_prune.device_vqe.optimise_on_device`, its angles measured as a stage of their own.

    Raises:
        InputError: An optimisation is to be collected, which has to send.
        PendingError: With `collect` or ``device.wait=false``: jobs of the service are not done.

    """
    if collect and chosen.optimizer != "none":
        raise InputError("device.optimizer sends what it measures next; run the study's own command to go on with it")

    def measure(stages: Mapping[Stage, Encoding], seconds: float) -> tuple[list[Planned], float]:
        planned = [_plan(stage, encoded, pruning, chosen, encoding) for stage, encoded in stages.items()]
        left = fit_seconds(planned, chosen, seconds)
        _measure(planned, pruning, processor, chosen, folder, say, seed, collect)
        return planned, left

    measured, left = measure(_stages(pruning, chosen, encoding), chosen.seconds)
    rows = [each.row for each in measured]
    found: dict[str, Any] = {}
    if chosen.optimizer != "none":
        if rows[-1]["estimates"]:
            own, again = folder / "optimization", predicted_seconds(measured[-1])  # fresh shots at the end
            row, best, left = optimise_on_device(pruning, processor, chosen, encoding, seed, own, say, left - again)
            if best is not None:
                rows.append(measure({best: _encoded(best, pruning, encoding)}, left + again)[0][0].row)
        else:
            row = {"method": chosen.optimizer, "iterations": [], "left_out": rows[-1]["left_out"][0][1]}
        found = {"optimization": row}
    exact = pruning.problem.energies["exact"]
    for row in rows:
        for estimate_row in row["estimates"]:
            estimate_row["error_to_exact"] = None if exact is None else estimate_row["energy"] - exact
    kept: dict[str, Any] = {"name": chosen.name, "processor": chosen.processor, "noise_scale": chosen.noise_scale}
    if chosen.name == GOOGLE:
        kept |= {"configuration": configuration_of(processor)}
    return {**kept, "twirls": chosen.twirls, "shots": chosen.shots, "measurements": rows, **found}


def _measure(
    planned: Sequence[Planned],
    pruning: Pruning,
    processor: AbstractProcessor,
    chosen: DeviceSettings,
    folder: Path,
    say: Callable[[str], Any],
    seed: int,
    collect: bool,
) -> None:
    """Measure what is planned, all jobs of the service sent before any is waited for, and fill the rows."""
    runners = {}
    for each in planned:
        if each.plan is not None:
            runners[each.stage.name] = DeviceRunner(
                processor,
                each.plan.encoding.n_qubits,
                folder=folder / each.stage.name,
                # fresh shots even where the optimiser ends at the pruned angles
                settings_digest=STAGE if each.stage.name == STAGE else "",
                twirls=each.twirls,
                seed=seed,
                say=say,
                send=not collect,
                wait=chosen.wait and not collect,
            )
            if chosen.name == GOOGLE and not collect:  # all at once, so that they queue together
                runners[each.stage.name].submit(_calls(each.plan))
    pending = []
    for each in planned:
        if each.plan is not None:
            n_qubits, shots = each.plan.encoding.n_qubits, each.plan.total_shots
            say(f"{each.stage.name} on {chosen.name}: {counted(n_qubits, 'qubit')}, {shots} shots ...")
            try:
                if chosen.name == GOOGLE:
                    runners[each.stage.name].fetch(_calls(each.plan))
                each.row |= _measured(each, each.plan, runners[each.stage.name], chosen, pruning)
            except PendingError as error:
                pending.append(f"{each.stage.name}: {error}")
    if pending:
        raise PendingError("; ".join(pending) + f"; when they are done: python -m vqe_prune collect {folder.parent}")


def _stages(pruning: Pruning, chosen: DeviceSettings, encoding: str) -> dict[Stage, Encoding]:
    """The stages that were chosen, on qubits; what symmetry leaves only where its circuit is none of the others'."""
    named = {"full": pruning.stages[0], "pruned": pruning.final}
    named |= {stage.name: stage for stage in pruning.stages if stage.name == "symmetry"}
    wanted = [name for name in DEVICE_STAGES if name in named and (not chosen.stages or name in chosen.stages)]
    encoded = {named[name]: _encoded(named[name], pruning, encoding) for name in wanted}
    gates = {name: encoded[named[name]].gates for name in wanted}
    others = [gates[name] for name in wanted if name != "symmetry"]
    kept = [name for name in wanted if name != "symmetry" or not any(same_circuit(gates[name], o) for o in others)]
    return {named[name]: encoded[named[name]] for name in kept}


def same_circuit(gates: Sequence[Gate], others: Sequence[Gate]) -> bool:
    """Return whether two circuits are one but for where their optimisations stopped (`SAME_ANGLE`)."""
    return len(gates) == len(others) and all(
        (gate.name, gate.qubits) == (other.name, other.qubits)
        and abs((gate.angle or 0.0) - (other.angle or 0.0)) < SAME_ANGLE
        for gate, other in zip(gates, others, strict=True)
    )


def _encoded(stage: Stage, pruning: Pruning, encoding: str) -> Encoding:
    """A stage on qubits, at its optimum."""
    problem, angles = pruning.problem_of(stage), stage.optimum.angles
    return encode(problem, stage.ansatz, angles, encoding, check_worth=CHECK_WORTH)


def _known_circuits(
    problem: Problem | QubitProblem, stage: Stage, encoding: str, chosen: DeviceSettings
) -> tuple[Encoding | None, tuple[Encoding, ...]]:
    """The reference, or for qubits the Clifford points: benchmarks/mitigation.py shows what leaves less error."""

    def build(angles: NDArray[np.float64]) -> Encoding:
        return encode(problem, stage.ansatz, angles, encoding)

    training: tuple[Encoding, ...] = ()
    if isinstance(problem, QubitProblem) and {"clifford", AUTO} & set(chosen.mitigation):
        training = clifford_points(stage.ansatz, stage.optimum.angles, build)
    if len(training) > 1:
        return None, training
    return build(np.full(stage.ansatz.n_parameters, REFERENCE_ANGLE)), ()


def _plan(stage: Stage, encoded: Encoding, pruning: Pruning, chosen: DeviceSettings, encoding: str) -> Planned:
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
        built = load_calibration(str(chosen.name)).rotation_error(encoded.gates)
        row["expected_error"] = 1.0 - (1.0 - built) ** chosen.noise_scale
    if not encoded.n_qubits or not encoded.hamiltonian.terms:
        row["left_out"].append([stage.name, NOTHING_LEFT])
        return Planned(stage=stage, row=row)
    if resources.n_two_qubit_gates > MOST_GATES:
        reason = f"{resources.n_two_qubit_gates} two-qubit gates are more than {MOST_GATES}: noise leaves nothing"
        row["left_out"].append([stage.name, f"{reason} of the state"])
        return Planned(stage=stage, row=row)
    problem = pruning.problem_of(stage)
    same = encoding if isinstance(problem, QubitProblem) else encoded.name
    small, training = _known_circuits(problem, stage, same, chosen)
    usable = available_mitigations(encoded, reference=small, training=training)
    wanted = (
        ("post_selection", "readout", "reference", "clifford") if chosen.mitigation == [AUTO] else chosen.mitigation
    )

    if chosen.mitigation != [AUTO]:
        row["left_out"] += [[name, "has no effect on this circuit"] for name in chosen.mitigation if name not in usable]

    def plan_with(mitigation: Sequence[str]) -> MeasurementPlan:
        return plan_measurement(
            encoded,
            shots=chosen.shots,
            mitigation=mitigation,
            reference=small if "reference" in mitigation else None,
            training=training if "clifford" in mitigation else (),
            gate_error=GATE_ERROR,
        )

    try:
        plan = plan_with([name for name in wanted if name in usable])
        if chosen.mitigation == [AUTO] and "reference" in plan.mitigation:
            without = plan_with([name for name in wanted if name in usable and name != "reference"])
            checked = "post_selection" in without.mitigation
            bias = without.grouping.expected_bias(GATE_ERROR, resources.n_two_qubit_gates, checked=checked)
            plan = plan if bias > REFERENCE_WORTH * without.predicted_error else without
    except InputError as error:
        raise InputError(f"device.{error}" if str(error).startswith(("shots", "mitigation")) else str(error)) from error
    noiseless = chosen.name != GOOGLE and chosen.noise_scale == 0.0
    return Planned(stage=stage, row=row, plan=plan, twirls=0 if noiseless else chosen.twirls)


def _calls(plan: MeasurementPlan) -> list[tuple[Any, Any, int]]:
    """Return circuits, shots and fold of each call that `run_plan` makes."""
    return [(plan.circuits[fold], shots, fold) for fold, shots in plan.shots.items() if shots]


def _measured(
    planned: Planned, plan: MeasurementPlan, runner: DeviceRunner, chosen: DeviceSettings, pruning: Pruning
) -> dict[str, Any]:
    row = _measured_row(estimate(plan, run_plan(plan, runner)), runner)
    row["left_out"] = [*planned.row["left_out"], *row["left_out"], *_unlike_references(plan, runner)]
    assert runner.placement is not None
    row["expected_error"] = 1.0 - (1.0 - runner.placement.expected_error) ** chosen.noise_scale
    exact = pruning.problem.energies["exact"]
    virtual = chosen.name if chosen.name != GOOGLE else None
    if virtual is None or exact is None or pruning.problem.unit != HARTREE or not planned.scaled:
        return row
    row["critical_noise_scales"] = critical_noise_scales(
        lambda scale: noisy_energies(plan, runner, virtual, scale),
        exact,
        1e-3 * CHEMICAL_ACCURACY,
        ("raw", row["mitigated"]),
    )
    return row


def _unlike_references(plan: MeasurementPlan, runner: DeviceRunner) -> list[list[str]]:
    """Say where the reference, whose error stands for that of the state, has other gates than it."""
    if not plan.known["reference"] or len(runner.compiled) < 2 * len(plan.settings):
        return []
    n = len(plan.settings)
    own, other = (sum(each.n_two_qubit_gates for each in runner.compiled[k : k + n]) for k in (0, n))
    if own == other:
        return []
    return [["reference", f"doubtful: its circuits have {other} two-qubit gates, those of the state {own}"]]


def _measured_row(measured: Measurement, runner: DeviceRunner) -> dict[str, Any]:
    names = [estimate.name for estimate in measured.estimates]
    mitigated = next(name for name in MITIGATED if name in names)
    assert runner.placement is not None
    return {
        "n_two_qubit_gates": runner.n_two_qubit_gates,
        "qubits": [str(qubit) for qubit in runner.placement.qubits],
        "n_settings": len(measured.plan.settings),
        "n_frames": max((len(sizes) for sizes in runner.blocks), default=1),
        "shots": measured.plan.total_shots,
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
