"""From full UCCSD to what a processor can run: two-qubit gates of LiH, and errors on cirq-google's virtual processors.

Three tables. Sizes: LiH in STO-3G at 1.595 angstrom, noiseless errors to full configuration interaction of all four
electrons in all orbitals, gates in CX and CZ as built and in native ones compiled for willow_pink; `whole` keeps the
unitary, `prepared` only what it does to |0...0>, `naive` has one ladder of CX a Pauli string and is not compiled.
Noise: errors with each device's noise in the limit of infinitely many shots in the mean over random frames, raw,
post-selected on conserved numbers, and `mitigated` by readout calibration, post-selection and the reference, which
`device=` measures by default only where its bias is worth the shots; of that the lowest and the highest of single
frames, the circuits as compiled, and what `shots` give, with the bar. Factors: by how much all error rates may be
multiplied until an error is 1.594 mHa; 0 where it is larger without noise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from cases import load_problem, show, verdict
from circuits import naive_two_qubit_gates
from pareto import picture_file

from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.circuit import count_resources
from vqe_prune.encoding import CHECK_WORTH, Encoding, encode
from vqe_prune.hardware import DeviceRunner, compile_circuit, find_targets, open_processor, place_circuits
from vqe_prune.lie_settings import CALIBRATIONS
from vqe_prune.measure import estimate, run_plan
from vqe_prune.measurement_plan import GATE_ERROR, REFERENCE_ANGLE, available_mitigations, plan_measurement
from vqe_prune.noisy_energy import critical_noise_scales, noisy_energies
from vqe_prune.on_device import MITIGATED, MOST_GATES
from vqe_prune.problem import Problem
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.pruning import Pruning, prune_ansatz
from vqe_prune.report.pictures import COLOURS, GREY, WIDTH, log_axis, new_figure
from vqe_prune.settings import DeviceSettings
from vqe_prune.units import CHEMICAL_ACCURACY

SHOTS = 100_000
SEED = 2024

MOST_LIH = {"n_qubits": 5, "n_parameters": 3, "whole": 8}
"""Claim: qubits, parameters and native two-qubit gates of LiH with frozen core within 1.594 mHa of full FCI."""

FRAMES = {"full": 2, "symmetry": 2, "pruned": 8}
"""Random frames of two-qubit gates that errors are averaged over. Circuits of many gates average by themselves."""

LEAST_GAIN = 10.0
"""Claim: how many times as much noise as the full ansatz a pruned one bears, post-selected, on every device."""

MANY_GATES = 10
"""Native gates of a full ansatz from which on this is claimed: H2 has 3 as built, and nothing to gain."""

GOOD = "willow_pink"
"""Claim: on this device something of every case is within chemical accuracy, post-selected or mitigated further, in the
mean over shots and frames."""

CASES = {
    "H2": ("molecule=H2",),
    "LiH": ("molecule=LiH",),
    "LiH, frozen core": ("molecule=LiH", "molecule.frozen_core=true"),
    "LiH 2.4, 3 orbitals": ("molecule=LiH", "molecule.bond_length=2.4", "molecule.active_space=[2,3]"),
}

ALL_ELECTRONS = {"LiH, frozen core": "LiH"}
"""Cases whose errors refer to the exact energy of another one."""


class Step(NamedTuple):
    """One ansatz.

    Attributes:
        label: In the tables.
        kind: ``full``, ``symmetry`` or ``pruned``.
        orbitals: ``fixed`` or ``optimise``.
        tolerance: Of curvature, hartree.
        encoding: See `vqe_prune.encoding.ENCODINGS`.

    """

    label: str
    kind: str
    orbitals: str = "fixed"
    tolerance: float = 1.5e-3
    encoding: str = "auto"


FULL, SYMMETRY = Step("full", "full"), Step("symmetry", "symmetry")
FIXED = Step("pruned", "pruned")
FREE, FREE_4, FREE_5 = (Step(f"orbitals {1e3 * t:g}", "pruned", "optimise", t) for t in (1.5e-3, 2.5e-4, 1e-5))

SIZES = {
    "LiH": (FULL, SYMMETRY, FIXED, FREE, FREE_4),
    "LiH, frozen core": (FULL, SYMMETRY, FIXED, FREE, FREE_4, FREE_5),
}
NOISE = {
    "H2": (FULL, SYMMETRY._replace(encoding="jordan_wigner"), FIXED),
    "LiH 2.4, 3 orbitals": (FULL, SYMMETRY, FIXED, FREE, FREE_4),
    "LiH, frozen core": (FREE, FREE_4, FREE_5),
}

Task = tuple[str, str, Step, str]
"""What is computed (sizes or noise), the case, the ansatz and the device."""


@cache
def problem_of(case: str) -> Problem:
    return load_problem(*CASES[case])


@cache
def pruning_of(case: str, orbitals: str, tolerance: float) -> Pruning:
    problem = problem_of(case)
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    return prune_ansatz(problem, ansatz, limits=Limits(tolerance=tolerance), orbitals=orbitals)


class Built(NamedTuple):
    """An ansatz, and what it is without noise.

    Attributes:
        at: Its circuit at given angles, radian, in an encoding; with numbers that can be checked where asked for.
        row: For the tables.
        angles: Of its optimum.
        exact: Energy that errors refer to, hartree.

    """

    at: Callable[..., Encoding]
    row: dict[str, Any]
    angles: np.ndarray
    exact: float


def build(case: str, step: Step) -> Built:
    """Prune."""
    pruning = pruning_of(case, step.orbitals, step.tolerance)
    stage = pruning.final if step.kind == "pruned" else next(s for s in pruning.stages if s.name == step.kind)
    problem = pruning.problem_of(stage)

    def at(angles: np.ndarray, encoding: str = step.encoding, check_worth: int = 0) -> Encoding:
        return encode(problem, stage.ansatz, angles, encoding, check_worth=check_worth)

    own, exact = (problem_of(name).energies["exact"] for name in (case, ALL_ELECTRONS.get(case, case)))
    assert own is not None and exact is not None
    row = {
        "case": case,
        "ansatz": step.label,
        "n_parameters": stage.ansatz.n_parameters,
        "n_rotations": len(stage.ansatz.rotations),
        "noiseless_mha": 1e3 * (stage.optimum.value - exact),
        "to_own_exact_mha": 1e3 * (stage.optimum.value - own),
    }
    return Built(at, row, stage.optimum.angles, exact)


def size_row(case: str, step: Step, device: str) -> dict[str, Any]:
    """Return what an ansatz costs as built, in the encoding of fewest gates, and in native gates."""
    built = build(case, step)
    encoded = built.at(built.angles)
    gates, n = encoded.gates, encoded.n_qubits
    built_gates = count_resources(gates).n_two_qubit_gates
    processor = open_processor(device)
    targets = find_targets(processor.get_device(), processor.get_current_calibration())
    row = {**built.row, "n_qubits": n, "encoding": encoded.name, "two_qubit_gates": built_gates}
    if step.kind == "full":
        row["naive"] = naive_two_qubit_gates(pruning_of(case, step.orbitals, step.tolerance).stages[0].ansatz)
    for name, prepare in (("whole", False), ("prepared", True)):
        tried = {"candidates": 1} if built_gates > MOST_GATES else {}  # routing takes half a minute a placement
        target, placement = place_circuits([gates], n, targets, prepare=prepare, **tried)
        row[name] = compile_circuit(gates, placement, target, prepare=prepare).n_two_qubit_gates
        row["routed"] = "no" if placement.adjacent else "yes"
    return row


def noise_row(case: str, step: Step, device: str) -> dict[str, Any]:
    """Return what a device makes of an ansatz, and how good it would have to be."""
    built = build(case, step)
    encoded = built.at(built.angles, check_worth=CHECK_WORTH)
    reference = built.at(np.full(len(built.angles), REFERENCE_ANGLE), encoded.name)
    mitigation = [m for m in available_mitigations(encoded, reference=reference) if m != "zne"]
    plan = plan_measurement(encoded, shots=SHOTS, mitigation=mitigation, reference=reference, gate_error=GATE_ERROR)
    processor, twirls = open_processor(device, seed=SEED), DeviceSettings().twirls
    runner = DeviceRunner(processor, encoded.n_qubits, twirls=twirls, seed=SEED, say=lambda line: None)
    measured = estimate(plan, run_plan(plan, runner))
    names = [each.name for each in measured.estimates]
    chosen = measured[next(name for name in MITIGATED if name in names)]
    assert runner.placement is not None
    frames: Sequence[int | None] = range(FRAMES[step.kind])

    @cache
    def errors(factor: float, frames: Sequence[int | None] = frames) -> dict[str, float]:
        energies = noisy_energies(plan, runner, device, factor, frames)
        return {name: 1e3 * (energies[name] - built.exact) for name in energies}

    at_one, shown = errors(1.0), {"raw": "raw", "post_selection": "post_selected", chosen.name: "mitigated"}
    single = [errors(1.0, (frame,)).get(chosen.name, np.nan) for frame in frames]
    factors = critical_noise_scales(errors, 0.0, CHEMICAL_ACCURACY, tuple(shown))
    return {
        **built.row,
        "n_qubits": encoded.n_qubits,
        "encoding": encoded.name,
        "kind": step.kind,
        "device": device,
        "gate": runner.placement.gate,
        "native_gates": runner.n_two_qubit_gates,
        "n_settings": len(plan.settings),
        **{f"{label}_mha": at_one.get(name) for name, label in shown.items()},
        "lowest_mha": min(single),
        "highest_mha": max(single),
        "as_compiled_mha": errors(1.0, (None,)).get(chosen.name),
        "measured_mha": 1e3 * (chosen.value - built.exact),
        "bar_mha": 1e3 * chosen.error,
        "mitigated": chosen.name,
        "shots": chosen.shots,
        **{f"{label}_factor": factors.get(name, 0.0) for name, label in shown.items()},
    }


def _size(error: float | None) -> float:
    return np.inf if error is None else abs(error)


def run_task(task: Task) -> dict[str, Any]:
    kind, case, step, device = task
    work: dict[str, Callable[[str, Step, str], dict[str, Any]]] = {"sizes": size_row, "noise": noise_row}
    return {"table": kind, **work[kind](case, step, device)}


def run_all(tasks: list[Task], processes: int) -> list[dict[str, Any]]:
    """Run tasks, the long ones first, and return their rows in the order of the tasks."""
    if processes == 1:
        return [run_task(task) for task in tasks]
    first = sorted(range(len(tasks)), key=lambda k: tasks[k][2].kind)  # full, pruned, symmetry
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        rows = dict(zip(first, pool.map(run_task, [tasks[k] for k in first]), strict=True))
    return [rows[k] for k in range(len(tasks))]


def judge(rows: list[dict[str, Any]]) -> list[str]:
    """Return what falls short of the claims."""
    failures = []
    small = [
        row
        for row in rows
        if row["table"] == "sizes"
        and row["noiseless_mha"] <= CHEMICAL_ACCURACY
        and all(row[key] <= most for key, most in MOST_LIH.items())
    ]
    if not small:
        failures.append(f"LiH: nothing within {CHEMICAL_ACCURACY} mHa of full FCI has at most {MOST_LIH}")
    noisy = [row for row in rows if row["table"] == "noise"]
    for case, device in dict.fromkeys((row["case"], row["device"]) for row in noisy):
        factors = {
            row["ansatz"]: np.inf if row["post_selected_factor"] is None else row["post_selected_factor"]
            for row in noisy
            if (row["case"], row["device"]) == (case, device)
        }
        gates = [
            row["native_gates"]
            for row in noisy
            if (row["case"], row["device"], row["ansatz"]) == (case, device, "full")
        ]
        if gates and gates[0] >= MANY_GATES and max(factors.values()) < LEAST_GAIN * factors["full"]:
            failures.append(f"{case} on {device}: factors {factors}")
    good = [
        row["case"]
        for row in noisy
        if row["device"] == GOOD
        and min(_size(row["post_selected_mha"]), _size(row["mitigated_mha"])) <= CHEMICAL_ACCURACY
    ]
    failures += [f"{case} on {GOOD}: nothing within chemical accuracy" for case in NOISE if case not in good]
    return failures


FILLED = {"raw": "none", "post_selected": "bottom", "mitigated": "full"}
"""How much of a marker each estimate fills."""


def draw(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write the picture: one panel a device, errors against native two-qubit gates."""
    noisy = [row for row in rows if row["table"] == "noise"]
    devices = list(dict.fromkeys(row["device"] for row in noisy))
    most = max(row["native_gates"] for row in noisy)
    figure, axes = new_figure(len(devices), WIDTH + 0.8, 8.6, top=1.0, heights=(1.0,) * len(devices))
    figure.subplots_adjust(hspace=0.28)
    colours = dict(zip(("full", "symmetry", "pruned"), COLOURS, strict=False))
    markers = dict(zip(NOISE, "osD", strict=True))
    for axis, device in zip(axes, devices, strict=True):
        for row in (r for r in noisy if r["device"] == device):
            style: dict[str, Any] = {"color": colours[row["kind"]], "linewidth": 0.8, "markersize": 6}
            x, sizes = row["native_gates"], {fill: _size(row[f"{name}_mha"]) for name, fill in FILLED.items()}
            axis.plot([x] * len(sizes), list(sizes.values()), **style)
            for fill, y in sizes.items():
                axis.plot([x], [y], marker=markers[row["case"]], linestyle="none", fillstyle=fill, **style)
        axis.axhline(CHEMICAL_ACCURACY, color=GREY, linestyle=":", linewidth=1)
        axis.set_xscale("log")
        axis.set_ylim(0.08, 500)
        log_axis(axis)
        axis.set_xlim(0.8, 1.3 * most)
        axis.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
        axis.set_title(device, loc="left", fontsize=10)
        axis.set_ylabel("error / mHa")
    axes[-1].set_xlabel("native two-qubit gates")
    for kind, colour in colours.items():
        axes[0].plot([], [], color=colour, linewidth=3, label=kind)
    for case, marker in markers.items():
        axes[0].plot([], [], color=GREY, marker=marker, linestyle="none", fillstyle="none", label=case)
    for name, fill in FILLED.items():
        label = name.replace("_", "-")
        axes[0].plot([], [], color=GREY, marker="o", linestyle="none", fillstyle=fill, label=label)
    axes[0].legend(frameon=False, fontsize=7, ncols=3, loc="lower left", bbox_to_anchor=(-0.02, 1.1), borderpad=0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hardware.svg").write_text(picture_file(figure), encoding="utf-8")


SHOWN = {
    "sizes": "case ansatz n_parameters n_rotations n_qubits encoding naive two_qubit_gates whole prepared routed "
    "noiseless_mha to_own_exact_mha",
    "noise": "case device ansatz n_parameters n_qubits encoding gate native_gates n_settings noiseless_mha raw_mha "
    "post_selected_mha mitigated_mha lowest_mha highest_mha as_compiled_mha measured_mha bar_mha",
    "factors": "case device ansatz native_gates raw_factor post_selected_factor mitigated_factor",
}


def print_tables(rows: list[dict[str, Any]]) -> None:
    for table, keys in SHOWN.items():
        chosen = [row for row in rows if row["table"] == ("sizes" if table == "sizes" else "noise")]
        print(f"\n{table}")
        show([{key: _cell(key, row.get(key)) for key in keys.split()} for row in chosen], as_json=False)


def _cell(key: str, value: Any) -> Any:
    if key.endswith("_factor"):
        return ">" if value is None else f"{value:.3g}"
    return "-" if value is None else f"{value:.4f}" if key.endswith("_mha") else value


def main() -> int:
    """Print the tables; the status says whether every claim holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--processes", type=int, default=2, help="processes of one thread each (default 2)")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write the picture of docs/hardware.md")
    arguments = parser.parse_args()
    if arguments.processes < 1:
        parser.error("--processes must be at least 1")
    tasks: list[Task] = [("sizes", case, step, "willow_pink") for case, steps in SIZES.items() for step in steps]
    tasks += [("noise", case, step, device) for case in NOISE for device in CALIBRATIONS for step in NOISE[case]]
    rows = run_all(tasks, arguments.processes)
    if arguments.json:
        show(rows, as_json=True)
    else:
        print_tables(rows)
    if arguments.pictures is not None:
        draw(arguments.pictures, rows)
    failures = judge(rows)
    return verdict(failures)


if __name__ == "__main__":
    sys.exit(main())
