"""Whole runs as a user makes them: results, resuming after any end, two at once, folders that cannot be used."""

import json
import random
import subprocess
import sys
from pathlib import Path

import cirq
import numpy as np
import pytest
from forked import start, start_program

from vqe_prune import config, journal, study
from vqe_prune import results as results_module
from vqe_prune.__main__ import main
from vqe_prune.report import read_record

COMMAND = [sys.executable, "-m", "vqe_prune"]
FILES = {
    ".lock",
    "angles.npz",
    "circuit.json",
    "circuit.qasm",
    "density_matrices.npz",
    "hamiltonian.fcidump",
    "record.json",
    "report.html",
    "run.log",
    "trace.jsonl",
}


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def lih(tmp_path_factory) -> Path:
    """A finished run of LiH, made by the command line."""
    folder = tmp_path_factory.mktemp("lih")
    done = run(folder, "molecule=LiH")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (folder / "stdout").write_text(done.stdout)
    return folder


def results(folder: Path) -> Path:
    (found,) = (folder / "outputs" / "LiH").iterdir()
    return found


def test_the_run_reaches_its_numbers(lih: Path) -> None:
    record = read_record(results(lih))
    assert [stage["n_parameters"] for stage in record.stages] == [92, 18, 3]
    assert [stage["n_rotations"] for stage in record.stages] == [92, 34, 5]
    assert record.stages[0]["error_to_exact"] == pytest.approx(1.06e-5, abs=2e-7)  # docs/reference_numbers.md
    assert abs(record.stages[1]["energy"] - record.stages[0]["energy"]) < 1e-9
    assert record.stages[2]["error_to_exact"] < 1.5e-3
    assert record.stages[2]["n_two_qubit_gates"] < record.stages[1]["n_two_qubit_gates"] / 5
    certificate = record.certificate
    assert certificate["predicted_increase"] == pytest.approx(certificate["measured_increase"], rel=0.05)
    assert certificate["measured_increase"] <= certificate["bound"]
    assert abs(record.qsim["difference"]) < 2e-6
    assert len(record.plan) == 92
    assert {row["decision"] for row in record.plan} == {"keep", "drop", "tie"}
    out = (lih / "stdout").read_text()
    for text in ("HF", "MP2", "CCSD", "exact", "Certificate", "qsim", "dropped", "Seconds", "\r"):
        assert (text in out) == (text != "\r")  # no live line off a terminal
    assert max(map(len, out.splitlines())) <= 110


def test_the_folder_holds_what_the_design_says(lih: Path) -> None:
    folder = results(lih)
    assert {path.name for path in folder.iterdir()} == FILES
    circuit = cirq.read_json(folder / "circuit.json")
    assert (
        sum(len(op.qubits) == 2 for op in circuit.all_operations())
        == read_record(folder).stages[2]["n_two_qubit_gates"]
    )
    with np.load(folder / "angles.npz", allow_pickle=False) as arrays:
        assert arrays["curvature_angles"].shape == (3,)
        assert [json.loads(text) for text in arrays["rotations"].tolist()][-1] == [[10, 11], [2, 3]]
        assert arrays["parameters"].shape == arrays["coefficients"].shape == (5,)
    page = (folder / "report.html").read_text()
    assert page.count("<figure>") == 4 and "92 → 3 parameters" in page


def test_the_circuit_on_file_gives_the_energy_without_our_engine(lih: Path) -> None:
    """Cirq's simulator and OpenFermion's Hamiltonian from PySCF integrals know nothing of the sector engine."""
    import openfermion
    from conftest import GEOMETRIES

    from vqe_prune.chemistry import Molecule
    from vqe_prune.problem import molecular_problem, qubit_hamiltonian

    circuit = cirq.read_json(results(lih) / "circuit.json")
    last = read_record(results(lih)).stages[-1]
    wires = last["wires"].split()
    qubits = cirq.LineQubit.range(len(wires))
    compact = cirq.Simulator(dtype=np.complex128).simulate(circuit, qubit_order=qubits).final_state_vector
    state = np.zeros(2**12, dtype=complex)
    for index in np.flatnonzero(compact):  # spin orbitals without a qubit are as in the reference: 0 and 1 filled
        occupied = [1, 1, 1, 1, *[0] * 8]
        for k, wire in enumerate(wires):  # such as 2a or, for both, 2ab
            for spin in wire.lstrip("0123456789"):
                occupied[2 * int(wire.rstrip("ab")) + "ab".index(spin)] = int(index) >> (len(wires) - 1 - k) & 1
        state[int("".join(map(str, occupied)), 2)] = compact[index]
    problem = molecular_problem(Molecule(name="LiH", atoms=GEOMETRIES["LiH"]))
    matrix = openfermion.get_sparse_operator(qubit_hamiltonian(problem), 12)
    energy = np.vdot(state, matrix @ state).real
    assert energy == pytest.approx(last["energy"], abs=1e-9)


def test_the_same_command_again_shows_the_result(lih: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in results(lih).iterdir() if path.name != ".lock"}
    status, output, _ = start(lih, ["molecule=LiH"]).finish()
    assert status == 0 and "This study is complete" in output
    assert before == {path: path.stat().st_mtime_ns for path in before}


def same_result(folder: Path, other: Path) -> None:
    mine, theirs = read_record(folder), read_record(other)
    for a, b in zip(mine.stages, theirs.stages, strict=True):
        own, other_properties = a.pop("properties"), b.pop("properties")
        assert a == pytest.approx(b, abs=1e-8)
        for key, values in own.items():
            assert values == pytest.approx(other_properties[key], abs=1e-4)  # the root of the energy's accuracy
    for a, b in zip(mine.plan, theirs.plan, strict=True):
        assert (a["rotation"], a["decision"], a["reason"]) == (b["rotation"], b["decision"], b["reason"])
        assert a["score"] == pytest.approx(b["score"], abs=1e-8)
    for key in ("certificate", "qsim", "energies"):
        assert getattr(mine, key) == pytest.approx(getattr(theirs, key), abs=1e-6 if key == "qsim" else 1e-8)


def test_a_run_resumes_from_any_line_of_its_trace(lih: Path, tmp_path: Path, capsys) -> None:
    lines = (results(lih) / "trace.jsonl").read_text().splitlines(keepends=True)
    rng = random.Random(11)
    for cut in (1, 5, len(lines) // 2, len(lines) - 3, len(lines)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        torn = lines[cut][: rng.randrange(1, len(lines[cut]) - 1)] if cut < len(lines) else ""
        (folder / "trace.jsonl").write_text("".join(lines[:cut]) + torn)
        assert main(["molecule=LiH", f"output_dir={folder}"]) == 0
        same_result(folder, results(lih))
    capsys.readouterr()


def test_checkpoints_inside_an_optimisation_are_used(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(journal, "CHECKPOINT_SECONDS", 0.0)
    settings = config.parse_settings(["molecule=LiH", f"output_dir={tmp_path / 'a'}"])
    reference = study.run(settings)
    lines = (tmp_path / "a" / "trace.jsonl").read_text().splitlines(keepends=True)
    steps = [k for k, line in enumerate(lines) if json.loads(line)["event"] == "step"]
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "trace.jsonl").write_text("".join(lines[: steps[20]]))
    settings.output_dir = str(tmp_path / "b")
    resumed = study.run(settings)
    assert resumed.stages[0]["energy"] == pytest.approx(reference.stages[0]["energy"], abs=1e-8)
    events = [json.loads(line) for line in (tmp_path / "b" / "trace.jsonl").read_text().splitlines()]
    repeated = [event for event in events if event["event"] == "step" and event["stage"] == "full"][20:]
    assert len(repeated) < len(steps)
    capsys.readouterr()


def test_killed_runs_leave_nothing_half_written_and_resume(lih: Path, tmp_path: Path) -> None:
    rng = random.Random(12)
    for _ in range(4):
        process = start(tmp_path, ["molecule=LiH"]).process
        process.join(rng.uniform(0.1, 1.0))  # the whole run takes a second or two
        process.kill()
        process.join()
        for record in tmp_path.glob("outputs/LiH/*/record.json"):
            read_record(record)
    assert start(tmp_path, ["molecule=LiH"]).finish()[0] == 0
    same_result(results(tmp_path), results(lih))


def test_interrupting_says_how_to_go_on(tmp_path: Path, monkeypatch, capsys) -> None:
    def interrupt(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "prune_ansatz", interrupt)
    assert main(["molecule=H2", f"output_dir={tmp_path / 'x'}"]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_two_runs_in_one_folder_wait_for_each_other(lih: Path, tmp_path: Path) -> None:
    commands = [start(tmp_path, ["molecule=LiH"], name) for name in ("first", "second")]
    ends = [command.finish() for command in commands]
    assert [status for status, _, _ in ends] == [0, 0]
    assert sum("This study is complete" in output for _, output, _ in ends) == 1
    same_result(results(tmp_path), results(lih))


def test_folders_that_cannot_be_used_are_refused(lih: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    assert main(["molecule=H2", f"output_dir={tmp_path / 'file' / 'x'}"]) == 2
    assert main(["molecule=H2", f"output_dir={tmp_path / 'file'}"]) == 2
    assert main(["molecule=H2", f"output_dir={results(lih)}"]) == 2
    other = tmp_path / "other"
    other.mkdir()
    (other / "trace.jsonl").write_text('{"event": "settings", "digest": "0"}\n')
    assert main(["molecule=H2", f"output_dir={other}"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 4
    assert all("choose another output_dir" in line for line in errors)


def test_folders_that_cannot_be_made_are_refused_before_the_chemistry(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("vqe_prune.study.set_up", None)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "x")
    (tmp_path / "trace" / "trace.jsonl").mkdir(parents=True)
    (tmp_path / "record" / "record.json").mkdir(parents=True)
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / "device").write_text("")
    before = sorted(tmp_path.rglob("*"))
    for folder, why in {
        tmp_path / "dangling": "File exists",
        tmp_path / ("x" * 300): "name too long",
        Path("/proc/none"): "No such file",  # no folder can be made there, not even by root
        tmp_path / "trace": "trace.jsonl is no file",
        tmp_path / "record": "record.json is no file",
        tmp_path / "sent": "device is no folder",
    }.items():
        assert main(["molecule=H2", f"output_dir={folder}"]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"vqe_prune: output_dir={folder} cannot be ") and error.count("\n") == 1
        assert why in error and "choose another output_dir" in error

    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")  # root may write everywhere

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    assert main(["molecule=H2", f"output_dir={tmp_path / 'new' / 'one'}"]) == 2
    assert f"output_dir={tmp_path / 'new' / 'one'} cannot be written" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device", "circuit.json")

    monkeypatch.setattr(results_module, "write_circuit", full)
    assert main(["molecule=H2", f"output_dir={tmp_path / 'x'}"]) == 2
    assert capsys.readouterr().err == "vqe_prune: circuit.json: No space left on device\n"
    assert not (tmp_path / "x" / "record.json").exists()


def test_qsim_that_disagrees_is_impossible_to_miss(tmp_path: Path, monkeypatch, capsys) -> None:
    from vqe_prune.engine import qsim

    monkeypatch.setattr(qsim, "qsim_energy", lambda *arguments: (-1.0, 0.5))
    monkeypatch.setattr(qsim, "qsim_qubit_energy", lambda *arguments: -2.0)
    for encoding, energy in (("jordan_wigner", -1), ("auto", -2)):  # what is left of H2 is a pair
        assert main(["molecule=H2", f"encoding={encoding}", f"output_dir={tmp_path / encoding}"]) == 0
        assert f"WARNING: qsim gives {energy}.00000000 hartree" in capsys.readouterr().out


@pytest.mark.parametrize("rule", ["symmetry", "magnitude", "random", "fisher"])
def test_every_rule_runs(rule: str, tmp_path: Path, capsys) -> None:
    assert main(["molecule=H4", f"pruner={rule}", f"output_dir={tmp_path / 'x'}"]) == 0
    record = read_record(tmp_path / "x")
    assert [stage["name"] for stage in record.stages][1] == "symmetry"
    assert record.stages[-1]["error_to_exact"] < 1.5e-3
    assert rule in capsys.readouterr().out


def test_open_shells_own_files_and_no_exact_energy(tmp_path: Path, capsys) -> None:
    (tmp_path / "OH.xyz").write_text("2\nhydroxyl\nO 0 0 0\nH 0 0 0.97\n")
    where = f"molecule={tmp_path / 'OH.xyz'}"
    assert main([where, "molecule.spin=1", "exact=false", f"output_dir={tmp_path / 'x'}"]) == 0
    record = read_record(tmp_path / "x")
    assert record.energies["exact"] is None and record.energies["mp2"] is None
    assert record.stages[-1]["error_to_exact"] is None
    assert record.stages[-1]["energy"] - record.stages[0]["energy"] <= 1.5e-3
    assert "not computed" in capsys.readouterr().out


def test_nothing_to_correlate_is_an_error(tmp_path: Path, capsys) -> None:
    (tmp_path / "He.xyz").write_text("1\n\nHe 0 0 0\n")
    assert main([f"molecule={tmp_path / 'He.xyz'}", f"output_dir={tmp_path / 'x'}"]) == 2
    assert "nothing is left to correlate" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["molecule=H2", "molecule.charge=5"], "leaves -3 electrons"),
        (["molecule=H2", "molecule.spin=1"], "try molecule.spin=0"),
        (["molecule=H2", "molecule.bond_length=0"], "0 angstrom apart"),
        (["molecule=H2", "molecule.bond_length=1e300"], "not a length"),
        (["molecule=H2", "molecule.basis=sto-3"], "did you mean sto3g"),
        (["molecule=H2", "molecule.basis=/etc/passwd"], "no such basis"),
        (["molecule=H2", "molecule.active_space=[2,9]"], "larger than H2"),
        (["molecule=LiH", "molecule.active_space=[3,4]"], "must leave pairs"),
        (["molecule=H2", "molecule.frozen_core=true"], "has no core orbitals"),
        (["molecule=LiH", "molecule.frozen_core=true", "molecule.active_space=[2,2]"], "no effect beside"),
        (["molecule=N2", "molecule.basis=cc-pvtz"], "GiB"),
        (["molecule=H2", "molecule.geometry='H 0 0 0; Hx 0 0 bond_length'"], "unknown element 'Hx'"),
        (["molecule=H2", "molecule.geometry='U 0 0 0; H 0 0 bond_length'", "molecule.spin=1"], "does not cover"),
    ],
)
def test_impossible_molecules_are_one_line(arguments: list[str], message: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_scf_that_does_not_converge_has_its_own_status(tmp_path, monkeypatch, capsys) -> None:
    from vqe_prune import chemistry

    monkeypatch.setattr(chemistry, "SCF_CYCLES", 1)
    assert main(["molecule=H2O", f"output_dir={tmp_path / 'x'}"]) == 3
    assert "did not converge" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_the_readme_programs_print_what_the_readme_says(number: int, tmp_path: Path) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    program, rest = readme.split("```python\n")[number + 1].split("```", 1)
    expected = rest.split("prints\n\n```\n")[1].split("```")[0]
    status, output, errors = start_program(tmp_path, program).finish()
    assert (status, output) == (0, expected), errors
