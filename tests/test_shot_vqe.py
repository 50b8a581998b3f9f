"""Optimising from shots: shift rules against exact gradients, convergence, error bars, restarts and bad input."""

import json
import random
from dataclasses import replace
from pathlib import Path

import cirq
import numpy as np
import pytest

import vqe_prune as vp
from vqe_prune import config, device_settings, device_vqe, shot_vqe
from vqe_prune.device_vqe import optimise_on_device
from vqe_prune.errors import InputError
from vqe_prune.grouping import exact_state
from vqe_prune.hardware import DeviceRunner, open_processor
from vqe_prune.measure import SamplerRunner
from vqe_prune.objective import energy_of
from vqe_prune.report import summary
from vqe_prune.settings import DeviceSettings
from vqe_prune.shift_rules import gradient_shifts, with_fixed_angles
from vqe_prune.shot_energy import ShotEnergy
from vqe_prune.shot_vqe import ShotDescent, minimize_shots, read_progress
from vqe_prune.study import run

EXACT = 1e-10  # double precision on a few hundred amplitudes


class NumberedRunner(SamplerRunner):
    """Cirq's simulator whose shots follow from the number of the call, as those of a virtual processor do."""

    def __init__(self, n_qubits: int, seed: int = 1, calls: int = 0, last: int = 10**9) -> None:
        super().__init__(sampler=cirq.Simulator(), n_qubits=n_qubits)
        self.seed, self.calls, self.last = seed, calls, last

    def run(self, circuits, shots, *, fold=1):
        if self.calls == self.last:
            raise KeyboardInterrupt
        self.sampler = cirq.Simulator(seed=1000 * self.seed + self.calls)
        self.calls += 1
        return super().run(circuits, shots, fold=fold)


@pytest.fixture(scope="module")
def h2(molecular) -> vp.Pruning:
    return vp.prune_ansatz(molecular("H2"), vp.uccsd(2, 1, 1))


@pytest.fixture(scope="module")
def h2_energy(h2) -> ShotEnergy:
    return ShotEnergy(problem=h2.final_problem, ansatz=h2.final.ansatz)


def tied_excitations() -> vp.Ansatz:
    """Singles and doubles of LiH whose parameters move several rotations, each by its own factor, and a fixed one."""
    found = [
        ((4, 5), (2, 3), 0, 1.0),
        ((10,), (2,), 1, 0.7),
        ((11,), (3,), 1, -1.3),
        ((6, 7), (2, 3), 0, -0.4),
        ((10, 5), (2, 3), 2, 1.0),
        ((8, 9), (2, 3), None, 0.3),
        ((4, 11), (0, 3), 1, 2.0),
    ]
    return vp.Ansatz(
        name="tied",
        rotations=tuple(vp.Rotation(vp.Excitation(c, a), k, x) for c, a, k, x in found),
        n_parameters=3,
    )


def pauli_sums() -> vp.Ansatz:
    """Sums with unequal coefficients that share parameters, and a Clifford gate between."""
    hop = vp.PauliSum(((0.5, ((0, "X"), (1, "X"))), (-0.8, ((0, "Y"), (1, "Y")))))
    field = vp.PauliSum(tuple((0.5 + 0.1 * q, ((q, "X"),)) for q in range(4)))
    long = vp.PauliSum(((1.0, ((1, "Z"), (2, "Y"), (3, "X"))),))
    rotations = (
        vp.Rotation(hop, 0, 0.9),
        vp.Rotation(field, 1),
        vp.Rotation(vp.Clifford("cx", (1, 2)), None),
        vp.Rotation(long, 0, -0.6),
        vp.Rotation(hop, None, 0.4),
        vp.Rotation(field, 0, 0.25),
    )
    return vp.Ansatz(name="sums", rotations=rotations, n_parameters=2)


@pytest.mark.parametrize("kind", ["excitations", "pauli sums"])
def test_shifted_energies_give_the_exact_gradient(molecular, kind: str) -> None:
    if kind == "excitations":
        problem, ansatz = molecular("LiH"), tied_excitations()
        occupied = problem.reference_occupied
    else:
        problem, ansatz, occupied = vp.model_problem(vp.transverse_field_ising(vp.ring(4))), pauli_sums(), ()
    bind = energy_of(problem)
    for seed in (1, 2):
        angles = np.random.default_rng(seed).uniform(-2.0, 2.0, ansatz.n_parameters)
        gradient = np.zeros(ansatz.n_parameters)
        for shift in gradient_shifts(ansatz, occupied):
            gradient[shift.parameter] += shift.weight * energy_at(bind, with_fixed_angles(ansatz, angles, shift))
        value, exact = bind(ansatz).value_and_gradient(angles)
        assert energy_at(bind, with_fixed_angles(ansatz, angles)) == pytest.approx(value, abs=EXACT)
        np.testing.assert_allclose(gradient, exact, atol=EXACT, rtol=0.0)
        assert np.abs(exact).min() > 1e-3  # a test of something


def energy_at(bind, fixed: vp.Ansatz) -> float:
    """The exact energy of an ansatz without parameters: engines want one, so a rotation by nothing is appended."""
    generator = fixed.rotations[0].generator
    rotations = (*fixed.rotations, vp.Rotation(generator, 0))
    with_one = vp.Ansatz(name=fixed.name, rotations=rotations, n_parameters=1)
    return bind(with_one).value_and_gradient(np.zeros(1))[0]


def test_excitations_need_four_energies_or_two_or_none() -> None:
    """Two where the reference is moved whole, four where an earlier rotation acted, none where nothing is moved."""
    moves, mixes, idles = (((4, 5), (2, 3)), ((6, 7), (2, 3)), ((10, 11), (8, 9)))
    rotations = tuple(vp.Rotation(vp.Excitation(*each), k) for k, each in enumerate((moves, mixes, idles)))
    shifts = gradient_shifts(vp.Ansatz(name="three", rotations=rotations, n_parameters=3), (0, 1, 2, 3))
    assert [sum(shift.parameter == k for shift in shifts) for k in range(3)] == [2, 4, 0]


@pytest.mark.parametrize("encoding", ["jordan_wigner", "auto"])
def test_circuits_of_shifted_angles_have_the_shifted_energies(molecular, h2, encoding: str) -> None:
    problem, ansatz = molecular("LiH"), tied_excitations()
    if encoding == "auto":
        problem, ansatz = h2.final_problem, h2.final.ansatz
    energy = ShotEnergy(problem=problem, ansatz=ansatz, encoding=encoding)
    encoded, bind = energy.encoded, energy_of(problem)
    angles = np.linspace(0.2, -0.4, ansatz.n_parameters)
    for shift in gradient_shifts(ansatz, problem.reference_occupied)[:: 1 if encoding == "auto" else 9]:
        fixed = with_fixed_angles(ansatz, angles, shift)
        state = exact_state(energy.gates(fixed), encoded.n_qubits)
        value = float(np.vdot(state, encoded.hamiltonian.apply(state)).real) + encoded.hamiltonian.constant
        assert value == pytest.approx(energy_at(bind, fixed), abs=1e-9)  # 1,000 gates


@pytest.mark.parametrize("post_select", [False, True])
def test_measured_gradients_keep_their_error_bars(h2, post_select: bool) -> None:
    energy = ShotEnergy(problem=h2.final_problem, ansatz=h2.final.ansatz, post_select=post_select)
    exact = energy_of(h2.final_problem)(h2.final.ansatz).value_and_gradient(np.array([0.2]))
    pulls = []
    for seed in range(25):
        descent = ShotDescent(method="parameter_shift", iterations=1, shots=5_000)
        first = minimize_shots(energy, NumberedRunner(2, seed), np.array([0.2]), descent).history[0]
        pulls += [
            (first.energy - exact[0]) / first.error_bar,
            (first.gradient[0] - exact[1][0]) / first.gradient_bars[0],
        ]
    assert 25 < np.square(pulls).sum() < 87  # chi^2 of 50 numbers: each end 1 in 1,000
    assert first.gradient_bars[0] < 0.05  # of a gradient of 1.0: the bars are not only wide


@pytest.mark.parametrize(("method", "bound"), [("spsa", 1.6e-3), ("parameter_shift", 2e-4)])
def test_both_methods_find_the_ground_state_of_h2(h2, h2_energy, method: str, bound: float) -> None:
    """From the reference, 20.5 mHa up; bounds are three times the median error of benchmarks/shot_vqe.py and more."""
    descent = ShotDescent(method=method, shots=100_000, seed=5)
    progress = minimize_shots(h2_energy, NumberedRunner(2), np.zeros(1), descent)
    exact = energy_of(h2.final_problem)(h2.final.ansatz).value_and_gradient
    assert exact(np.zeros(1))[0] - h2.final.optimum.value > 0.02
    assert 0.0 <= exact(progress.final_angles)[0] - h2.final.optimum.value < bound
    assert progress.shots <= descent.shots
    assert progress.stop is shot_vqe.StopReason.GRADIENT
    assert len(progress.history) < descent.iterations


def test_steps_are_those_of_the_formulas(h2_energy) -> None:
    descent = ShotDescent(method="parameter_shift", iterations=8, shots=40_000)
    progress = minimize_shots(h2_energy, NumberedRunner(2), np.zeros(1), descent)
    reached = [each.angles[0] for each in progress.history[1:]] + [progress.angles[0]]
    angle = first = second = 0.0
    for k, (each, expected) in enumerate(zip(progress.history, reached, strict=True), start=1):
        gradient = each.gradient[0]
        first, second = 0.7 * first + 0.3 * gradient, 0.99 * second + 0.01 * gradient**2
        mean, square = first / (1 - 0.7**k), second / (1 - 0.99**k)
        angle -= 0.05 / np.sqrt(1 + k / 10) * mean / np.sqrt(square)
        assert angle == pytest.approx(expected, abs=1e-9)  # Adam's 1e-12 in the denominator
    descent = replace(descent, method="spsa")
    progress = minimize_shots(h2_energy, NumberedRunner(2), np.zeros(1), descent)
    assert 0.5 / 3.23 < progress.gain < 2.0 / 3.23  # of the second derivative, 3.23 hartree, seen with a bar of 0.5
    for k, (before, after) in enumerate(zip(progress.history, progress.history[1:], strict=False), start=1):
        gain = progress.gain * ((0.8 + 1) / (0.8 + k)) ** 0.602
        step = np.clip(gain * before.gradient[0], -0.2, 0.2)
        assert before.angles[0] - step == pytest.approx(after.angles[0], abs=EXACT)
    assert progress.final_angles[0] == pytest.approx(
        np.mean([p.angles[0] for p in progress.history[5:]] + [progress.angles[0]])
    )


def test_it_does_not_stop_while_the_gradient_is_seen(h2_energy) -> None:
    """Steps so small that it hardly moves: the mean gradients stay significant until the end."""
    descent = ShotDescent(method="parameter_shift", shots=100_000, iterations=21)
    rate, shot_vqe.LEARNING_RATE = shot_vqe.LEARNING_RATE, 1e-4
    try:
        progress = minimize_shots(h2_energy, NumberedRunner(2), np.zeros(1), descent)
    finally:
        shot_vqe.LEARNING_RATE = rate
    assert progress.stop is shot_vqe.StopReason.ITERATIONS
    assert len(progress.history) == 21


@pytest.mark.parametrize("method", ["spsa", "parameter_shift"])
def test_a_killed_optimisation_goes_on_as_if_it_had_not_been(h2_energy, tmp_path: Path, method: str) -> None:
    descent, start = ShotDescent(method=method, iterations=6, shots=6_000), np.zeros(1)
    path = tmp_path / "progress.json"
    whole = minimize_shots(h2_energy, NumberedRunner(2), start, descent)
    for last in (1, 4):
        with pytest.raises(KeyboardInterrupt):
            calls = 0 if last == 1 else 1
            minimize_shots(h2_energy, NumberedRunner(2, calls=calls, last=last), start, descent, checkpoint=path)
        kept = read_progress(path)
        assert kept is not None and kept.calls == last and kept.stop is None
    resumed = minimize_shots(h2_energy, NumberedRunner(2, calls=4), start, descent, checkpoint=path)
    assert resumed == whole
    runs_nothing = NumberedRunner(2, last=0)
    assert minimize_shots(h2_energy, runs_nothing, start, descent, checkpoint=path) == whole
    rng, data, refused = random.Random(24), path.read_bytes(), 0
    for _ in range(200):  # a damaged byte is never taken for an iteration
        k = rng.randrange(len(data))
        path.write_bytes(data[:k] + bytes([data[k] ^ 1 << rng.randrange(7)]) + data[k + 1 :])
        try:
            assert read_progress(path) == whole
        except InputError:
            refused += 1
    assert refused > 100  # the rest was between the numbers


def test_a_killed_optimisation_on_a_virtual_processor_goes_on(h2_energy, tmp_path: Path, monkeypatch) -> None:
    """Killed when a job's results were there, but not yet the checkpoint."""
    descent, start = ShotDescent(iterations=3, shots=9_000), np.full(1, 1e-3)

    def optimise(folder: Path, calls: int = 0) -> shot_vqe.ShotProgress:
        folder.mkdir(exist_ok=True)
        processor = open_processor("willow_pink", seed=3)
        runner = DeviceRunner(processor, 2, folder=folder, first_call=calls, say=lambda text: None)
        runner.place(h2_energy.typical_circuits())
        return minimize_shots(h2_energy, runner, start, descent, checkpoint=folder / "progress.json")

    whole = optimise(tmp_path / "whole")
    written = shot_vqe.write_atomically

    def killed(path: Path, content: str) -> None:
        if (path.parent / "0002").exists():
            raise KeyboardInterrupt
        written(path, content)

    monkeypatch.setattr(shot_vqe, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        optimise(tmp_path / "killed")
    monkeypatch.undo()
    kept = read_progress(tmp_path / "killed" / "progress.json")
    assert kept is not None and kept.calls == 2
    assert optimise(tmp_path / "killed", kept.calls) == whole


def test_bad_input_is_refused(h2_energy, h2, molecular, tmp_path: Path) -> None:
    start, runner = np.zeros(1), NumberedRunner(2)
    with pytest.raises(vp.InputError, match="did you mean spsa"):
        ShotDescent(method="spas")
    with pytest.raises(vp.InputError, match="iterations=0 must be at least 1"):
        ShotDescent(iterations=0)
    with pytest.raises(vp.InputError, match="too few") as refused:
        minimize_shots(h2_energy, runner, start, ShotDescent(shots=1_000))
    enough = int(str(refused.value).split("shots=")[2].split()[0])
    assert minimize_shots(h2_energy, runner, start, ShotDescent(shots=enough)).shots <= enough
    with pytest.raises(vp.InputError, match="must be 1 finite angles"):
        minimize_shots(h2_energy, runner, np.array([np.nan]), ShotDescent())
    nothing = vp.Ansatz(name="nothing", rotations=(vp.Rotation(vp.Excitation((2,), (0,)), None),), n_parameters=0)
    with pytest.raises(vp.InputError, match="no parameter"):
        ShotEnergy(problem=molecular("H2"), ansatz=nothing)
    checkpoint = tmp_path / "progress.json"
    minimize_shots(h2_energy, runner, start, ShotDescent(iterations=2, shots=2_000), checkpoint=checkpoint)
    with pytest.raises(vp.InputError, match="of another optimisation"):
        minimize_shots(h2_energy, runner, start, ShotDescent(iterations=3, shots=3_000), checkpoint=checkpoint)
    content = json.loads(checkpoint.read_text())
    for broken in ("{", "[]", json.dumps(content | {"history": [{"angles": 3}]}), json.dumps(content | {"stop": "x"})):
        checkpoint.write_text(broken)
        with pytest.raises(
            vp.InputError, match=r"cannot be read .*: move its folder aside .* iterations .* are then lost"
        ):
            read_progress(checkpoint)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["device.optimizer=spsa"], "device.optimizer has no effect without a device"),
        (["device=weber", "device.optimizer=sps"], "did you mean spsa"),
        (["device=weber", "device.iterations=3"], "device.iterations has no effect without an optimiser"),
        (["device=weber", "device.start=zero", "device.optimizer=none"], "device.start has no effect without"),
        (["device=weber", "device.optimizer=spsa", "device.start=zeros"], "did you mean zero"),
        (["device=weber", "device.optimizer=spsa", "device.iterations=0"], "must be from 1 to 1000"),
    ],
)
def test_settings_without_effect_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(vp.InputError, match=message):
        config.parse_settings(arguments)
    assert device_settings.OPTIMIZERS == ("none", *shot_vqe.METHODS)


def test_the_command_optimises_on_the_device_and_reports_it(tmp_path: Path) -> None:
    arguments = ["molecule=H2", "device=willow_pink", "device.optimizer=spsa", "device.iterations=3"]
    arguments += ["device.shots=9000", "device.mitigation=[post_selection]", f"output_dir={tmp_path}/run"]
    said: list[str] = []
    record = run(config.parse_settings(arguments), write=said.append)
    assert record.device is not None
    found, rows = record.device["optimization"], record.device["measurements"]
    assert len(found["iterations"]) == 3
    assert found["shots"] <= 9000
    assert found["post_selection"]
    assert [row["stage"] for row in rows] == ["full", "curvature", "optimised"]
    assert rows[2]["noiseless_energy"] >= rows[1]["noiseless_energy"]  # the control: no angles are below the optimum
    for each in found["iterations"]:
        assert abs(each["energy"] - each["noiseless_energy"]) < 5 * each["error_bar"]  # post-selected: little bias
    text = "".join(said)
    assert "Optimised there by spsa from zero angles" in text
    assert "Optimised there by spsa" in summary(vp.read_record(tmp_path / "run"))
    page = (tmp_path / "run" / "report.html").read_text()
    assert "without noise at these angles" in page
    content = json.loads((tmp_path / "run" / "record.json").read_text())
    del content["device"]["optimization"]["iterations"][1]["gradient"]
    (tmp_path / "run" / "record.json").write_text(json.dumps(content))
    with pytest.raises(vp.InputError, match="device must hold"):
        vp.read_record(tmp_path / "run")


def test_what_would_take_hours_is_left_out_and_says_so(h2, tmp_path: Path, monkeypatch) -> None:
    chosen = DeviceSettings(name="willow_pink", optimizer="spsa", iterations=1000, shots=1_000_000)
    monkeypatch.setattr(device_vqe, "MOST_VIRTUAL_WORK", 1000)
    processor = open_processor("willow_pink", seed=1)
    pruning = replace(h2, stages=(h2.stages[0],), path=())  # 4 qubits and more settings in Jordan-Wigner
    common = pruning, processor, chosen, "jordan_wigner", 0, tmp_path, lambda text: None
    row, stage, left = optimise_on_device(*common, 7.0)
    assert stage is None and left == 7.0
    assert "try device.iterations=" in row["left_out"]
    monkeypatch.undo()
    chosen.iterations = 100
    row, stage, _ = optimise_on_device(*common, 7.0)  # of device.seconds, which measuring has shared
    assert stage is None and "more than is left; try device.iterations=" in row["left_out"]
    assert int(row["left_out"].rpartition("device.seconds=")[2]) > chosen.seconds
    with pytest.raises(vp.InputError, match=r"device.shots=1000 is too few .* try shots="):
        few = replace(chosen, iterations=40, shots=1000)
        optimise_on_device(h2, processor, few, "auto", 0, tmp_path, lambda text: None)
