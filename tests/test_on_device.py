"""A study on a virtual processor, and the settings of it."""

import subprocess
import sys
from pathlib import Path

import pytest

import vqe_prune as vp
from vqe_prune import config, device_settings, on_device
from vqe_prune.__main__ import main
from vqe_prune.google_credentials import check_credentials
from vqe_prune.inputs import set_up
from vqe_prune.measurement_plan import MITIGATIONS
from vqe_prune.on_device import measure_on_device, open_device
from vqe_prune.report import summary
from vqe_prune.settings import DeviceSettings
from vqe_prune.study import run


def h2_pruning() -> vp.Pruning:
    atoms = (("H", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.7414)))
    problem = vp.molecular_problem(vp.Molecule(name="H2", atoms=atoms))
    return vp.prune_ansatz(problem, vp.uccsd(2, 1, 1))


def test_a_noiseless_device_measures_the_exact_energy(tmp_path: Path) -> None:
    chosen = DeviceSettings(name="willow_pink", shots=20_000, noise_scale=0.0, mitigation=["post_selection"])
    device = measure_on_device(h2_pruning(), open_device(chosen, seed=3), chosen, "auto", tmp_path, lambda text: None)
    assert [row["stage"] for row in device["measurements"]] == ["full", "curvature"]
    for row in device["measurements"]:
        for each in row["estimates"]:
            assert abs(each["energy"] - row["noiseless_energy"]) < 4 * each["error_bar"]  # 1 in 16,000 by chance
            assert each["kept"] == pytest.approx(1.0)  # no shot is lost to a broken number
    full, pruned = device["measurements"]
    assert (full["encoding"], pruned["encoding"]) == ("bravyi_kitaev", "pairs")
    assert pruned["n_two_qubit_gates"] <= full["n_two_qubit_gates"]


def test_a_circuit_is_measured_once_where_symmetry_only_renames_its_angles() -> None:
    """HeH+: symmetry drops what has no angle, and the two circuits differ by rounding."""
    settings = config.parse_settings(["molecule=HeH+"])
    problem, ansatz = set_up(settings, lambda text: None)
    pruning = vp.prune_ansatz(problem, ansatz)
    chosen = DeviceSettings(name="weber")
    assert [stage.name for stage in pruning.stages] == ["full", "symmetry", "curvature"]
    full = on_device._encoded(pruning.stages[0], pruning, "auto").gates
    turned = [gate if gate.angle is None else gate._replace(angle=gate.angle + 1e-7) for gate in full]
    assert full != turned and on_device.same_circuit(full, turned)
    assert not on_device.same_circuit(full, [g if g.angle is None else g._replace(angle=0.1) for g in full])
    assert not on_device.same_circuit(full, full[1:])
    assert [stage.name for stage in on_device._stages(pruning, chosen, "auto")] == ["full", "curvature"]


def test_noise_shows_and_is_mitigated(tmp_path: Path) -> None:
    common = ["molecule=H2", "device=rainbow", "device.shots=4000", "device.mitigation=[post_selection,readout]"]
    arguments = [*common, f"output_dir={tmp_path}/run"]
    said: list[str] = []
    record = run(config.parse_settings(arguments), write=said.append)
    assert "Measured on rainbow" in "".join(said)
    again = run(config.parse_settings(arguments), write=said.append)
    assert again.device == record.device
    assert "* is mitigated as chosen beforehand" in summary(again)
    assert "On the processor" in (tmp_path / "run" / "report.html").read_text()
    assert record.device is not None
    for row in record.device["measurements"]:
        estimates = {each["name"]: each for each in row["estimates"]}
        assert row["mitigated"] == "readout, post_selection"
        raw = estimates["raw"]
        assert raw["error_to_exact"] > 3 * raw["error_bar"]  # the device of 2021 errs by some 100 mHa
        assert abs(estimates[row["mitigated"]]["error_to_exact"]) < 0.5 * raw["error_to_exact"]
    text = (tmp_path / "run" / "record.json").read_text()
    (tmp_path / "run" / "record.json").write_text(text.replace('"estimates": [', '"estimates": [3, ', 1))
    with pytest.raises(vp.InputError, match="device must hold"):
        vp.read_record(tmp_path / "run")


def test_large_circuits_are_not_measured_but_counted(tmp_path: Path) -> None:
    atoms = (("Li", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.595)))
    problem = vp.molecular_problem(vp.Molecule(name="LiH", atoms=atoms))
    pruning = vp.prune_ansatz(problem, vp.uccsd(6, 2, 2), rules=["symmetry"])
    chosen = DeviceSettings(name="weber", shots=1000, seconds=1.0)
    device = measure_on_device(pruning, open_device(chosen, seed=0), chosen, "auto", tmp_path, lambda text: None)
    for row, gates in zip(device["measurements"], (957, 297), strict=True):
        assert row["n_two_qubit_gates"] == gates
        assert row["expected_error"] > 0.99
        assert not row["estimates"]
    reasons = [row["left_out"][0][1] for row in device["measurements"]]
    assert "957 two-qubit gates are more than 250" in reasons[0]
    assert "297 two-qubit gates are more than 250" in reasons[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["device=willow"], "did you mean willow_pink"),
        (["device=weber", "device.twirls=1"], "must be 0 \\(none\\) or from 2"),
        (["device.shots=2000"], "device.shots has no effect without a device"),
        (["device=weber", "device.project=x"], "device.project has no effect with the virtual device=weber"),
        (["device=google", "device.noise_scale=2"], "device.noise_scale has no effect"),
        (["device=weber", "device.mitigation=[readouts]"], "did you mean readout"),
        (["device=weber", "device.optimizer=spsa", "device.stages=[full]"], "leaves out; add pruned to it"),
        (["device=weber", "device.shots=10"], "must be at least 1000"),
        (["device=weber", "device.noise_scale=-1"], "must be from 0 to 100"),
    ],
)
def test_device_settings_without_effect_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(vp.InputError, match=message):
        config.parse_settings(arguments)
    assert MITIGATIONS == device_settings.MITIGATIONS


def test_google_without_credentials_fails_before_anything_is_computed(tmp_path: Path, monkeypatch) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    arguments = ["molecule=H2", "device=google", "device.processor=x", f"output_dir={tmp_path}/run"]
    said: list[str] = []
    with pytest.raises(vp.InputError, match="credentials"):
        run(config.parse_settings(arguments), write=said.append)
    assert not said
    assert not (tmp_path / "run").exists()
    code = "import sys; from vqe_prune.__main__ import main; print(main(sys.argv[1:]), *sys.modules)"
    for refused, why in ((arguments, "finds no credentials"), (arguments[:2], "needs device.processor=ID")):
        done = subprocess.run([sys.executable, "-c", code, *refused], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("2 ") and why in done.stderr
        assert not {"cirq", "pyscf", "cirq_google"} & set(done.stdout.split())  # they take ten seconds to import
    monkeypatch.setattr("google.auth.default", lambda: (None, None))
    with pytest.raises(vp.InputError, match=r"give device.project=ID or set GOOGLE_CLOUD_PROJECT"):
        check_credentials(None)
    check_credentials("my-project")


def test_a_device_that_measures_nothing_is_said_and_is_status_3(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Planning alone takes longer than a tenth of a second."""
    arguments = ["molecule=H2", "device=rainbow", "device.shots=1000", "device.mitigation=[]", "device.stages=[pruned]"]
    assert main([*arguments, "device.seconds=0.1", f"output_dir={tmp_path}/short"]) == 3
    said = capsys.readouterr().out
    assert "Nothing was measured on rainbow" in said and "Measured on" not in said
    warning = next(line for line in said.splitlines() if line.startswith("WARNING: nothing was measured on rainbow"))
    assert "more than is left of device.seconds=0.1" in warning
    assert "WARNING: nothing was measured" in (tmp_path / "short" / "report.html").read_text()
    enough = warning.rpartition("=")[2]
    assert main([*arguments, f"device.seconds={enough}", f"output_dir={tmp_path}/enough"]) == 0
    assert "Measured on rainbow" in capsys.readouterr().out


def test_an_optimisation_that_stopped_early_has_no_certificate(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["molecule=H4", "optimizer.max_steps=1", f"output_dir={tmp_path}/run"]
    for _ in range(2):  # the same command again shows it
        assert main(arguments) == 3
        said = capsys.readouterr().out
        assert "WARNING: not converged: optimising full and symmetry stopped at optimizer.max_steps=1" in said
        assert "No certificate: " in said and "Certificate: " not in said
    record = vp.read_record(tmp_path / "run")
    assert [stage["converged"] for stage in record.stages] == [False, False, True]
    assert record.certificate["predicted_increase"] is None
    page = (tmp_path / "run" / "report.html").read_text()
    assert "WARNING: not converged" in page and ">No certificate</h2>" in page and "was predicted" not in page
