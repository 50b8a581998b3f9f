"""Jobs of Google's service from the command line: sent together, left alone, collected; nothing is sent twice."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import cirq
import cirq_google
import numpy as np
import pytest
from cirq_google.cloud import quantum
from cirq_google.engine import create_default_noisy_quantum_virtual_machine
from cirq_google.engine.engine_client import EngineException

from vqe_prune.__main__ import main
from vqe_prune.circuit import Gate, pair_gates
from vqe_prune.errors import InputError, PendingError
from vqe_prune.hardware import DeviceRunner, collect, open_processor
from vqe_prune.hardware.processors import ConfiguredProcessor, configuration_of, describe_processor
from vqe_prune.report import read_record

State = quantum.ExecutionStatus.State


class _Service:
    """A stand-in for Google's service: it keeps its jobs as long as the test lasts, and is as slow as it is told."""

    def __init__(self) -> None:
        self.engine = create_default_noisy_quantum_virtual_machine("weber", cirq.DensityMatrixSimulator)
        self.engine.project_id = "my-project"
        self.processor = self.engine.get_processor("weber")
        self.sent: list[dict[str, object]] = []
        send = self.processor.run_sweep

        def counted(**keywords: object) -> object:
            self.sent.append(keywords)
            return send(**keywords)

        self.processor.run_sweep = counted

    @property
    def jobs(self) -> list[cirq_google.engine.SimulatedLocalJob]:
        return [job for program in self.processor.list_programs() for job in program.list_jobs()]

    def set_all(self, state: State) -> None:
        for job in self.jobs:
            job._state = state


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Service]:
    found = _Service()
    monkeypatch.setattr(cirq_google, "get_engine", lambda _: found.engine)
    monkeypatch.setattr("google.auth.default", lambda: (None, "my-project"))
    yield found


def command(folder: Path, *more: str) -> list[str]:
    google = ["device=google", "device.project=my-project", "device.processor=weber"]
    measured = ["device.shots=1000", "device.mitigation=[zne]", "device.stages=[pruned]", "device.twirls=0"]
    return ["molecule=H2", *google, *measured, f"output_dir={folder}", *more]


def test_jobs_are_sent_left_and_collected(service: _Service, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "run"
    assert main(command(folder, "device.wait=false")) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("curvature: 2 queued of 2 jobs on weber, at fold 3, 2 queued of 2 jobs on weber;")
    assert said.endswith(f"when they are done: python -m vqe_prune collect {folder}")
    sent = len(service.sent)
    assert sent == len(service.jobs) >= 2 and not (folder / "record.json").exists()

    service.jobs[0]._state = State.RUNNING
    assert main(["collect", str(folder)]) == 3
    refused = capsys.readouterr().err
    assert refused.count("\n") == 1 and "1 queued, 1 running of 2 jobs" in refused
    assert main(command(folder, "device.wait=false")) == 0  # as often as one likes
    assert len(service.sent) == sent

    service.set_all(State.SUCCESS)
    capsys.readouterr()
    assert main(["collect", str(folder)]) == 0
    assert "Measured on google weber" in capsys.readouterr().out
    assert len(service.sent) == sent
    record = read_record(folder)
    assert record.device is not None
    assert [row["stage"] for row in record.device["measurements"]] == ["curvature"]
    assert all(row["shots"] == 1000 for row in record.device["measurements"])
    assert main(["collect", str(folder)]) == main(command(folder)) == 0
    assert capsys.readouterr().out.count("This study is complete") == 2
    assert len(service.sent) == sent


def test_what_was_not_sent_is_not_sent_by_collecting(
    service: _Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    folder, send = tmp_path / "run", service.processor.run_sweep

    def killed(**keywords: object) -> object:
        raise KeyboardInterrupt

    service.processor.run_sweep = killed
    assert main(command(folder)) == 130
    service.processor.run_sweep = send
    capsys.readouterr()
    assert main(["collect", str(folder)]) == 3
    refused = capsys.readouterr().err
    assert "jobs never reached weber; the study's own command sends them" in refused
    assert "curvature: 2 of 2 jobs" in refused
    assert not service.sent
    assert main(command(folder)) == 0  # the same command sends everything and waits
    assert (folder / "record.json").exists() and service.sent
    assert "jobs never reached weber: sent now" in capsys.readouterr().out


def test_failed_jobs_are_sent_again_by_the_study_alone(
    service: _Service, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "run"
    assert main(command(folder, "device.wait=false")) == 0
    service.set_all(State.SUCCESS)
    service.jobs[0]._state, sent = State.FAILURE, len(service.sent)
    service.jobs[0]._failure_code, service.jobs[0]._failure_message = "OVERLOADED", "try later"
    capsys.readouterr()
    assert main(["collect", str(folder)]) == 3
    assert "failed: OVERLOADED: try later; the study's own command sends it again" in capsys.readouterr().err
    assert len(service.sent) == sent
    assert main(command(folder)) == 0
    assert len(service.sent) == sent + 1
    assert "jobs failed (OVERLOADED: try later): sent again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (None, [], "collect takes one folder"),
        (None, ["run", "device=weber"], "collect takes one folder"),
        (None, ["device=weber"], "collect takes one folder"),
        (None, ["nowhere"], "is not a folder"),
        (None, ["."], "holds no study: there is no trace.jsonl"),
        ("", ["."], "cannot be read as the trace"),
        ("{}\n", ["."], "cannot be read as the trace"),
        ('{"event": "settings", "digest": "x", "settings": {"molecul": 3}}\n', ["."], "cannot be read as the trace"),
        ('{"event": "settings", "digest": "x", "settings": {"output_dir": "${oc.env:HOME}"}}\n', ["."], "cannot be"),
        ('{"event": "settings", "digest": "x", "settings": {"seed": 3}}\n', ["."], "another version"),
    ],
)
def test_folders_that_cannot_be_collected(
    content: str | None,
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "trace.jsonl").write_text(content)
    before = sorted(tmp_path.iterdir())
    assert main(["collect", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_study_without_a_device_has_nothing_to_collect(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["molecule=H2", f"output_dir={tmp_path}/run"]) == 0
    (tmp_path / "run" / "record.json").unlink()  # as if it had been interrupted
    assert main(["collect", f"{tmp_path}/run"]) == 2
    assert "measures on no device" in capsys.readouterr().err


def test_a_virtual_study_has_nothing_to_collect(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Its jobs end with their process: nothing is simulated again under the name of collecting."""
    virtual = ["device=willow_pink", "device.mitigation=[]", "device.shots=1000", "device.stages=[pruned]"]
    assert main(["molecule=H2", *virtual, f"output_dir={tmp_path}/run"]) == 0
    assert main(["collect", f"{tmp_path}/run"]) == 0  # a complete one is shown
    first = read_record(tmp_path / "run").device
    (tmp_path / "run" / "record.json").unlink()
    capsys.readouterr()
    assert main(["collect", f"{tmp_path}/run"]) == 2
    refused = capsys.readouterr().err
    assert "on the virtual willow_pink" in refused and "nothing to collect" in refused and refused.count("\n") == 1
    command = shlex.split(refused.partition("type python -m vqe_prune ")[2])
    assert not (tmp_path / "run" / "record.json").exists()
    assert main(command) == 0
    assert read_record(tmp_path / "run").device == first


# ----------------------------------------------------------------------------------------- calibrations that change


def star() -> list[Gate]:
    return [Gate("x", (0,)), *pair_gates(0, 1, 0.31), *pair_gates(0, 2, -0.52), *pair_gates(0, 3, 0.17)]


def test_a_batch_stays_on_the_qubits_that_it_was_sent_to(tmp_path: Path) -> None:
    """Between sending and collecting the calibration, and so the best patch, may be another one."""
    runner = DeviceRunner(open_processor("willow_pink", seed=1), 4, folder=tmp_path)
    runner.submit([([star()], [50], 1)])
    first, placement = runner.run([star()], [50]), runner.placement
    assert placement is not None
    processor = open_processor("willow_pink", seed=1)
    processor._calibrations = {}
    later = DeviceRunner(processor, 4, folder=tmp_path)
    np.testing.assert_array_equal(later.run([star()], [50])[0], first[0])
    assert later.placement == placement and later.measured_positions == ((0, 1, 2, 3),)
    assert later.n_two_qubit_gates == runner.n_two_qubit_gates and later.depth == runner.depth
    later.run([star()], [20])  # a further batch goes to the same qubits
    assert later.placement == placement
    assert DeviceRunner(processor, 4).place([star()]).qubits != placement.qubits


def test_submitting_needs_a_folder_and_sends_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a folder"):
        DeviceRunner(open_processor("weber"), 4).submit([([star()], [50], 1)])
    runner = DeviceRunner(open_processor("weber", seed=1), 4, folder=tmp_path)
    runner.submit([([star()], [50], 1), ([star()], [30], 3)])
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0000", "0001"]
    written = (tmp_path / "0000" / "job.json").read_text()
    assert runner.run([star()], [50])[0].shape == (50, 4)
    assert runner.run([star()], [30], fold=3)[0].shape == (30, 4)
    assert (tmp_path / "0000" / "job.json").read_text() == written


def test_batches_of_the_first_schema_are_read(tmp_path: Path) -> None:
    runner = DeviceRunner(open_processor("weber", seed=1), 4, folder=tmp_path)
    first = runner.run([star()], [50])
    path = tmp_path / "0000" / "job.json"
    content = json.loads(path.read_text())
    moments = cirq.read_json(json_text=json.dumps(content.pop("moments")))
    circuits = [cirq.Circuit(moments[k] for k in each) for each in content["circuits"]]
    content |= {"schema": 1, "circuits": [json.loads(cirq.to_json(each)) for each in circuits]}
    del content["placement"]
    path.write_text(json.dumps(content))
    np.testing.assert_array_equal(collect(tmp_path / "0000")[0], first[0])
    again = DeviceRunner(open_processor("weber", seed=1), 4, folder=tmp_path)
    np.testing.assert_array_equal(again.run([star()], [50])[0], first[0])
    assert again.placement == runner.placement


# ------------------------------------------------------------------------------------------------ configurations


class _Configurations:
    """The part of an EngineProcessor that knows device configurations."""

    def __init__(self, processor: object) -> None:
        self._processor = processor
        self.asked: list[tuple[object, str]] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._processor, name)

    def get_sampler(self) -> cirq_google.ProcessorSampler:
        return cirq_google.ProcessorSampler(processor=self, run_name="current", device_config_name="plain")

    def get_config(self, device_config_revision: object = None, config_name: str = "") -> object:
        self.asked.append((device_config_revision, config_name))
        if getattr(device_config_revision, "id", "") == "nowhere":
            raise EngineException("no such run", 404)
        return self.list_configs()[0] if config_name == "surface" else None

    def list_configs(self, device_config_revision: object = None) -> list[object]:
        class Configuration:
            config_name = "surface"
            effective_device = self._processor.get_device()
            calibration = self._processor.get_current_calibration()

        return [Configuration()]


@pytest.fixture
def configured(service: _Service, monkeypatch: pytest.MonkeyPatch) -> _Configurations:
    found = _Configurations(service.processor)
    monkeypatch.setattr(service.engine, "get_processor", lambda _: found)
    return found


@pytest.mark.parametrize(
    ("given", "passed", "kept"),
    [
        ({"run": "monday"}, {"run_name": "monday"}, {"run": "monday", "snapshot": None}),
        ({"snapshot": "s7"}, {"snapshot_id": "s7"}, {"run": None, "snapshot": "s7"}),
        ({}, {"run_name": "current"}, {"run": "current", "snapshot": None}),
    ],
)
def test_a_configuration_is_passed_on_and_kept(
    service: _Service,
    configured: _Configurations,
    given: dict[str, str],
    passed: dict[str, str],
    kept: dict[str, str | None],
    tmp_path: Path,
) -> None:
    processor = open_processor("google", processor="weber", config="surface", **given)
    assert isinstance(processor, ConfiguredProcessor)
    assert configuration_of(processor) == {**passed, "device_config_name": "surface"}
    DeviceRunner(processor, 4, folder=tmp_path).run([star()], [20])
    assert {key: service.sent[0].get(key) for key in passed} == passed
    assert service.sent[0]["device_config_name"] == "surface"
    place = json.loads((tmp_path / "0000" / "job.json").read_text())["processor"]
    assert place == {"name": "google", "project": "my-project", "processor": "weber", "config": "surface", **kept}
    assert describe_processor(open_processor(**place)) == place


def test_configurations_that_are_not_there(configured: _Configurations) -> None:
    for given, message in (
        ({"config": "surfaces"}, r"device\.config=surfaces: weber has no such .* device\.run=current; it has surface$"),
        ({"run": "nowhere", "config": "surface"}, r"in device\.run=nowhere or no such run or snapshot$"),
        ({"run": "a", "snapshot": "b"}, r"device\.run and device\.snapshot exclude each other"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            open_processor("google", processor="weber", **given)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"device\.snapshot has no effect with the virtual device=weber"):
        open_processor("weber", snapshot="s7")


def test_an_unknown_processor_lists_those_of_the_project(service: _Service) -> None:
    with pytest.raises(InputError, match=r"has no processor wiber .*; project my-project has weber$"):
        open_processor("google", project="my-project", processor="wiber")


def test_waiting_is_left_to_the_caller(service: _Service, tmp_path: Path) -> None:
    processor = open_processor("google", processor="weber")
    runner = DeviceRunner(processor, 4, folder=tmp_path, wait=False)
    for _ in range(2):  # asking again is asking again
        with pytest.raises(PendingError, match="1 queued of 1 jobs on weber"):
            runner.run([star()], [20])
    service.set_all(State.SUCCESS)
    assert runner.run([star()], [20])[0].shape == (20, 4)
    assert len(service.sent) == 1


def test_frames_are_collected_as_they_were_sent(tmp_path: Path) -> None:
    """Several programs a circuit: a later process joins them again, and knows how many shots each frame took."""
    runner = DeviceRunner(open_processor("willow_pink", seed=1), 4, folder=tmp_path, twirls=4, seed=3)
    runner.submit([([star(), [Gate("x", (2,))]], [50, 20], 1)])
    first, blocks = runner.run([star(), [Gate("x", (2,))]], [50, 20]), runner.blocks
    assert blocks == ((13, 13, 12, 12), (20,))
    later = DeviceRunner(open_processor("willow_pink", seed=1), 4, folder=tmp_path, twirls=4, seed=3)
    for left, right in zip(later.run([star(), [Gate("x", (2,))]], [50, 20]), first, strict=True):
        np.testing.assert_array_equal(left, right)
    assert later.blocks == blocks and later.measured_positions == ((0, 1, 2, 3),) * 2
    assert later.n_two_qubit_gates == runner.n_two_qubit_gates
    whole = DeviceRunner(open_processor("willow_pink", seed=1), 4, twirls=4, seed=3)
    for left, right in zip(whole.run([star(), [Gate("x", (2,))]], [50, 20]), first, strict=True):
        np.testing.assert_array_equal(left, right)
