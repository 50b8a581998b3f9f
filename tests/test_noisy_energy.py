"""Energies under noise without shots, what they cost, and how good a processor must be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vqe_prune as vp
from vqe_prune import config, device_time, on_device
from vqe_prune.__main__ import USAGE
from vqe_prune.circuit import Gate, pair_gates
from vqe_prune.encoding import encode
from vqe_prune.hardware import DeviceRunner, open_processor
from vqe_prune.hardware.cost import MOST_QUBITS, Cost, noise_seconds, planning_seconds, predict_cost
from vqe_prune.measure import measure_energy
from vqe_prune.measurement_plan import REFERENCE_ANGLE, MeasurementPlan, plan_measurement
from vqe_prune.noisy_energy import critical_noise_scales, noisy_energies
from vqe_prune.on_device import measure_on_device, open_device
from vqe_prune.report import read_record, summary
from vqe_prune.report.device_table import device_lines
from vqe_prune.settings import DeviceSettings
from vqe_prune.study import run

ALL = ["post_selection", "readout", "reference"]


def h2_plan(shots: int) -> tuple[vp.Problem, MeasurementPlan]:
    problem = vp.molecular_problem(vp.Molecule(name="H2", atoms=(("H", (0, 0, 0)), ("H", (0, 0, 0.7414)))))
    stage = vp.prune_ansatz(problem, vp.uccsd(2, 1, 1), rules=["symmetry"]).final
    encoded = encode(problem, stage.ansatz, stage.optimum.angles, "pairs")
    small = encode(problem, stage.ansatz, np.full(1, REFERENCE_ANGLE), "pairs")
    return problem, plan_measurement(encoded, shots=shots, mitigation=ALL, reference=small)


def test_energies_are_those_that_many_shots_give() -> None:
    """A million shots of the same plan; four standard errors, and 1e-5 for the calibration's own rounding."""
    problem, plan = h2_plan(1_000_000)
    runner = DeviceRunner(open_processor("rainbow", seed=5), 2)
    measured = measure_energy(
        plan.encoding, runner, shots=1_000_000, mitigation=ALL, reference=plan.known["reference"][0].encoding
    )
    found = noisy_energies(plan, runner, "rainbow", 1.0)
    assert list(found) == [each.name for each in measured.estimates]
    for each in measured.estimates:
        assert abs(each.value - found[each.name]) < 4 * each.error + 1e-5, each.name
    exact = problem.energies["exact"]
    assert exact is not None
    without = noisy_energies(plan, runner, "rainbow", 0.0)
    for name, value in without.items():
        assert value == pytest.approx(exact, abs=5e-6), name  # angles are compiled to seven digits
    assert found["raw"] - exact > 10 * abs(found["readout, post_selection"] - exact)


def test_at_the_critical_scale_the_error_is_the_budget() -> None:
    problem, plan = h2_plan(1000)
    runner, exact = DeviceRunner(open_processor("willow_pink"), 2), problem.energies["exact"]
    assert exact is not None

    def energies(scale: float) -> dict[str, float]:
        return noisy_energies(plan, runner, "willow_pink", scale)

    found = critical_noise_scales(energies, exact, 1.594e-3, ("raw", "raw, reference"))
    assert set(found) == {"raw", "raw, reference"}
    for name, scale in found.items():
        assert scale is not None and 0.01 < scale < 20.0
        assert abs(energies(scale)[name] - exact) == pytest.approx(1.594e-3, rel=0.03)  # scales are to 1 %
    assert found["raw"] < found["raw, reference"]


def test_critical_scales_of_known_functions() -> None:
    def scale(error: object, budget: float) -> float | None:
        return critical_noise_scales(lambda x: {"raw": 2.0 + error(x)}, 2.0, budget)["raw"]  # type: ignore[operator]

    assert scale(lambda x: 0.1 + 4.0 * x, 0.5) == pytest.approx(0.1, rel=0.01)
    assert scale(lambda x: -0.1 - 0.02 * x, 0.5) == pytest.approx(20.0, rel=0.01)
    assert scale(lambda x: 2.0 + x, 0.5) == 0.0
    assert scale(lambda x: 0.1 * min(x, 1.0), 0.5) is None
    assert scale(lambda x: 40.0 * x * (1.5 - x), 1.0) == pytest.approx(0.0169, rel=0.02)  # not the one at 1.48
    asked = []
    critical_noise_scales(lambda x: asked.append(x) or {"a": x, "b": 2 * x}, 0.0, 0.5)  # type: ignore[func-returns-value]
    assert len(asked) == len(set(asked))

    def limited(x: float) -> dict[str, float]:
        if x > 3.0:
            raise vp.InputError("an error rate is larger than 1")
        return {"raw": 0.01 * x, "post_selection": 0.3 * x} if x < 2.0 else {"raw": 0.01 * x}

    assert critical_noise_scales(limited, 0.0, 0.5) == {"raw": None, "post_selection": pytest.approx(1.67, rel=0.01)}


def chain(n: int, layers: int) -> tuple[Gate, ...]:
    return tuple(gate for _ in range(layers) for k in range(n - 1) for gate in pair_gates(k, k + 1, 0.3))


def test_costs_grow_with_gates_qubits_and_beyond_twelve_with_shots() -> None:
    def cost(n: int, layers: int, settings: int = 1, twirls: int = 0) -> Cost:
        ends = [(Gate("h", (k % n,)), Gate("rz", (0,), 0.1 * k)) for k in range(settings)]
        circuits = {1: [(*chain(n, layers), *end) for end in ends]}
        return predict_cost(circuits, {1: [4000] * settings}, n, twirls)

    assert cost(10, 2).fixed > cost(10, 1).fixed > cost(5, 1).fixed
    assert noise_seconds([chain(12, 1)], 12) > 3 * noise_seconds([chain(11, 1)], 11) > 0  # 4^n
    assert cost(10, 8, 50).fixed < 10 * cost(10, 8).fixed  # settings share their noise
    assert cost(10, 8, 50, twirls=16).fixed > 20 * cost(10, 8, 50).fixed  # frames do not
    assert cost(12, 1).per_shot == 0.0 < cost(13, 1).per_shot < cost(14, 2).per_shot
    assert cost(13, 1).seconds(2000) == pytest.approx(cost(13, 1).fixed + 2000 * cost(13, 1).per_shot)
    two = [chain(3, 1), (*chain(3, 1), Gate("h", (0,)))]
    assert noise_seconds(two, 3) < 1.5 * noise_seconds(two[:1], 3)


def test_ten_qubits_are_measured() -> None:
    """20,000 shots, four standard errors; all of them drawn from one simulation."""
    problem = vp.model_problem(vp.transverse_field_ising(vp.ring(10)))
    ansatz = vp.hamiltonian_variational(problem.hamiltonian, 1)
    encoded = encode(problem, ansatz, np.linspace(0.2, 0.5, ansatz.n_parameters))
    plan = plan_measurement(encoded, shots=20_000, mitigation=["readout"])
    runner = DeviceRunner(open_processor("willow_pink", seed=2), 10)
    measured = measure_energy(encoded, runner, shots=20_000, mitigation=["readout"])
    exact = noisy_energies(plan, runner, "willow_pink", 1.0)
    for each in measured.estimates:
        assert abs(each.value - exact[each.name]) < 4 * each.error
    assert abs(exact["readout"] - noisy_energies(plan, runner, "willow_pink", 0.0)["raw"]) > 4 * measured["raw"].error


def test_what_takes_too_long_is_left_out_with_the_time_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UCCSD of LiH and what symmetry leaves of it; the last comes first."""
    atoms = (("Li", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.595)))
    problem = vp.molecular_problem(vp.Molecule(name="LiH", atoms=atoms, frozen_core=True))
    pruning = vp.prune_ansatz(problem, vp.uccsd(5, 1, 1), rules=["symmetry"])
    chosen = DeviceSettings(name="willow_pink", shots=4000, mitigation=[], seconds=2.0)
    plans: list[device_time.Planned] = []
    fit = device_time.fit_seconds

    def kept(planned: list[device_time.Planned], *rest: Any) -> float:
        plans.extend(replace(each) for each in planned)  # planning is what takes the time here
        return fit(planned, *rest)

    monkeypatch.setattr(on_device, "fit_seconds", kept)
    device = measure_on_device(
        pruning, open_device(chosen, seed=3), chosen, "partial_pairs", tmp_path, lambda text: None
    )
    needed = []
    for row in device["measurements"]:
        assert row["n_qubits"] >= 8 and not row["estimates"]
        reason = row["left_out"][0][1]
        assert (
            f"noise on {row['n_qubits']} qubits would take some" in reason
            and "more than is left of device.seconds=2" in reason
        )
        needed.append(int(reason.rpartition("=")[2]))
    full, symmetry = needed
    assert 5 < symmetry < full < 120  # both fit into the default
    planned = [replace(each) for each in plans]
    left = fit(planned, chosen, float(symmetry))
    assert [each.plan is not None for each in planned] == [False, True]
    assert 0.0 <= left < 1.0 and not planned[1].scaled  # what is left is not spent on something else
    assert fit(plans, chosen, float(full)) >= 0.0
    assert all(each.plan for each in plans)


def test_above_twelve_qubits_there_are_as_many_shots_as_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The limit is lowered to one qubit, so that H2 on two is a large circuit, sampled by qsim's trajectories."""
    for module in ("hardware.cost", "hardware.virtual", "device_time"):
        monkeypatch.setattr(f"vqe_prune.{module}.MOST_QUBITS", 1)
    _, plan = h2_plan(100_000)
    problem = plan.encoding.problem
    assert isinstance(problem, vp.Problem)
    pruning = vp.prune_ansatz(problem, vp.uccsd(2, 1, 1), rules=["symmetry"])
    chosen = DeviceSettings(name="rainbow", shots=100_000, mitigation=["post_selection"], stages=["pruned"])
    plan = plan_measurement(plan.encoding, shots=100_000, mitigation=["post_selection"])
    (final,) = on_device._stages(pruning, chosen, "auto").values()
    planning = planning_seconds(len(final.hamiltonian.terms), len(final.gates))
    chosen.seconds = planning + predict_cost(plan.circuits, plan.shots, 2).seconds(1590)
    measure = measure_on_device
    device = measure(pruning, open_device(chosen, seed=3), chosen, "auto", tmp_path / "a", lambda text: None)
    (row,) = device["measurements"]
    assert row["shots"] == 1500  # two digits
    assert row["estimates"][0]["shots"] == row["shots"]
    assert f"{row['shots']} shots: more would take longer than was allowed" in device_lines(device)[0]
    exact = noisy_energies_of(plan)
    for each in row["estimates"]:
        assert abs(each["energy"] - exact[each["name"]]) < 4 * each["error_bar"]
    chosen.seconds = planning + predict_cost(plan.circuits, plan.shots, 2).seconds(500)
    device = measure(pruning, open_device(chosen, seed=3), chosen, "auto", tmp_path / "b", lambda text: None)
    assert "s for 1000 shots, more than is left of device.seconds=0." in device_lines(device)[0]


def noisy_energies_of(plan: MeasurementPlan) -> dict[str, float]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vqe_prune.noisy_energy.MOST_QUBITS", MOST_QUBITS)
        return noisy_energies(plan, DeviceRunner(open_processor("rainbow"), 2), "rainbow", 1.0)


def test_too_many_qubits_have_no_exact_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    _, plan = h2_plan(1000)
    monkeypatch.setattr("vqe_prune.noisy_energy.MOST_QUBITS", 1)
    with pytest.raises(vp.InputError, match="measure_energy gives one with an error bar"):
        noisy_energies(plan, DeviceRunner(open_processor("rainbow"), 2), "rainbow", 1.0)


def test_a_study_says_how_good_the_processor_must_be(tmp_path: Path) -> None:
    measured = ["device=willow_pink", "device.shots=2000", "device.stages=[pruned]"]
    record = run(config.parse_settings(["molecule=H2", *measured, f"output_dir={tmp_path}"]), write=lambda text: None)
    assert record.device is not None
    scales = record.device["measurements"][0]["critical_noise_scales"]
    assert list(scales) == ["raw", "readout, post_selection"]
    assert 0.0 < scales["raw"] < 1.0
    assert scales["readout, post_selection"] is None  # up to the factor at which an error rate is 1
    line = f"with enough shots within 1 kcal/mol raw at noise x {scales['raw']:.2g}, mitigated at any noise that was"
    assert line in summary(read_record(tmp_path))
    assert f"above {MOST_QUBITS} qubits takes fewer shots" in USAGE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["device=weber", "device.wait=false"], "device.wait has no effect with the virtual device=weber"),
        (["device=weber", "device.run=x"], "device.run has no effect with the virtual device=weber"),
        (["device=weber", "device.config=x"], "device.config has no effect with the virtual device=weber"),
        (["device=google", "device.seconds=5"], "device.seconds has no effect with device=google"),
        (["device=google", "device.processor=x", "device.run=a", "device.snapshot=b"], "exclude each other"),
        (["device=weber", "device.seconds=0"], "device.seconds=0.0 must be above 0"),
        (["device=weber", "device.stages=[prunned]"], "did you mean pruned"),
        (["device=weber", "device.stages=[]"], "must name each once; available: full, symmetry, pruned"),
        (["device=weber", "device.stages=[full,full]"], "must name each once"),
        (["device=weber", "device.stages=[symmetry]", "pruner=[curvature]"], "device.stages=symmetry has no effect"),
        (["device.stages=[full]"], "device.stages has no effect without a device"),
    ],
)
def test_device_settings(arguments: list[str], message: str) -> None:
    with pytest.raises(vp.InputError) as caught:
        config.parse_settings(arguments)
    assert message in str(caught.value)


def test_whether_to_wait_does_not_make_another_study() -> None:
    google = ["molecule=H2", "device=google", "device.processor=x"]
    wait, no_wait = (config.parse_settings([*google, *more]) for more in ([], ["device.wait=false"]))
    assert config.output_folder(wait) == config.output_folder(no_wait)
    assert config.output_folder(config.parse_settings([*google, "device.run=a"])) != config.output_folder(wait)
