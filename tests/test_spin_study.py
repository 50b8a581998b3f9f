"""Whole runs of spin models and of qubit ansätze, as a user makes them."""

import json
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import cirq
import numpy as np
import openfermion
import pytest

from vqe_prune import config, study
from vqe_prune.__main__ import main
from vqe_prune.errors import InputError
from vqe_prune.lattice import chain
from vqe_prune.models import transverse_field_ising
from vqe_prune.qubit_problem import model_problem
from vqe_prune.report import read_record

ISSUE = ["model=tfim", "model.n=6", "ansatz=hardware_efficient", "ansatz.layers=12", "pruner=eqntk"]


@pytest.fixture(scope="module")
def ring(tmp_path_factory) -> Path:
    """A finished run of the Ising ring."""
    folder = tmp_path_factory.mktemp("ring") / "run"
    assert main([*ISSUE, f"output_dir={folder}"]) == 0
    return folder


def test_the_symmetric_ansatz_is_found_and_trained(ring: Path) -> None:
    record = read_record(ring)
    assert [stage["name"] for stage in record.stages] == ["full", "system", "spatial", "depth"]
    assert [stage["n_parameters"] for stage in record.stages] == [216, 144, 24, 8]
    assert [stage["training"]["n_successes"] for stage in record.stages] == [0, 8, 8, 8]  # docs/reference_numbers.md
    assert [stage["scores"]["d_eff"] for stage in record.stages] == [64, 32, 8, 8]
    assert [stage["scores"]["fisher_rank"] for stage in record.stages] == [126, 30, 6, 6]
    assert record.energies["exact"] == pytest.approx(-7.72740661031, abs=1e-10)  # free fermions, as many digits
    assert abs(record.stages[-1]["error_to_exact"]) < 1e-9  # the optimiser's tolerance squared
    assert abs(record.qsim["difference"]) < 2e-6  # qsim computes in single precision
    assert len(record.plan) == 216 and all(row["reason"] for row in record.plan if row["decision"] != "keep")
    assert record.problem["unit"] == "J" and record.problem["n_electrons"] is None


def test_the_circuit_on_file_gives_the_energy_without_our_engine(ring: Path) -> None:
    circuit = cirq.read_json(ring / "circuit.json")
    state = circuit.final_state_vector(qubit_order=cirq.LineQubit.range(6), dtype=np.complex128)
    operator = openfermion.QubitOperator()
    for q in range(6):
        operator -= openfermion.QubitOperator(f"Z{q} Z{(q + 1) % 6}") + openfermion.QubitOperator(f"X{q}")
    matrix = openfermion.get_sparse_operator(operator, 6)
    assert np.vdot(state, matrix @ state).real == pytest.approx(-7.72740661031, abs=1e-8)
    page = (ring / "report.html").read_text()
    for word in ("Symmetries", "Scores", "Training", "q0 |+⟩", "216"):
        assert word in page


def test_angles_on_file_hold_the_pruned_ansatz(ring: Path) -> None:
    arrays = np.load(ring / "angles.npz", allow_pickle=False)
    generators = [json.loads(str(text)) for text in arrays["rotations"]]
    assert len(generators) == 48 and arrays["depth_angles"].shape == (8,)
    assert generators[0] == {"strings": [[0.5, [[0, "Z"], [1, "Z"]]]]}


def test_a_run_resumes_from_any_line_of_its_trace(ring: Path, tmp_path: Path) -> None:
    lines = (ring / "trace.jsonl").read_text().splitlines(keepends=True)
    whole = read_record(ring)
    for kept in (len(lines) // 2, len(lines) - 1):
        folder = tmp_path / str(kept)
        folder.mkdir()
        (folder / "trace.jsonl").write_text("".join(lines[:kept]))
        assert main([*ISSUE, f"output_dir={folder}"]) == 0
        again = read_record(folder)
        for stage, other in zip(whole.stages, again.stages, strict=True):
            energies = ("energy", "error_to_exact", "training")
            assert {**stage, **dict.fromkeys(energies)} == {**other, **dict.fromkeys(energies)}
            assert stage["energy"] == pytest.approx(other["energy"], abs=1e-8)
            for key in ("n_seeds", "n_successes", "steps_quartiles"):
                assert stage["training"][key] == other["training"][key]
            # a busy machine trains in processes of its own, which round differently
            assert stage["training"]["error_quartiles"] == pytest.approx(other["training"]["error_quartiles"], abs=1e-9)


def test_the_same_command_again_says_that_it_is_complete(ring: Path, capsys) -> None:
    assert main([*ISSUE, f"output_dir={ring}"]) == 0
    assert "complete" in capsys.readouterr().out


def test_the_command_that_repeats_a_study() -> None:
    for arguments in (
        ISSUE,
        ["model=xxz", "model.delta=0.5", "ansatz=hva", "pruner=curvature"],
        ["molecule=H2", "ansatz=hva"],
    ):
        settings = config.parse_settings(arguments)
        words = shlex.split(config.command_line(asdict(settings)))[3:]
        assert config.digest(config.parse_settings(words)) == config.digest(settings), words


@pytest.mark.parametrize(
    ("arguments", "most"),
    [
        (
            ["molecule=LiH", "molecule.active_space=[2,2]", "ansatz=hardware_efficient", "ansatz.connectivity=full"],
            20,
        ),
        (["molecule=H2", "ansatz=hva", "ansatz.layers=4", "pruner=[eqntk,curvature]"], 16),
        (["model=heisenberg", "model.n=4", "ansatz=hva", "ansatz.layers=4", "pruner=curvature"], 8),
        (
            ["model=tfim", "model.lattice=chain", "model.n=3", "ansatz=qaoa", "pruner=magnitude", "training.seeds=2"],
            12,
        ),
    ],
)
def test_other_studies_reach_the_exact_energy(arguments: list[str], most: int, tmp_path: Path) -> None:
    assert main([*arguments, f"output_dir={tmp_path / 'x'}"]) == 0
    record = read_record(tmp_path / "x")
    first, last = record.stages[0], record.stages[-1]
    assert abs(last["error_to_exact"]) < 1.6e-3  # the tolerance of rules that trade energy, 1.5e-3
    assert last["n_parameters"] < first["n_parameters"] and last["n_parameters"] <= most


def test_wrong_references_are_said_in_words(tmp_path: Path, capsys) -> None:
    common = ["model=tfim", "model.n=4", "ansatz=hva", "pruner=curvature", "training.seeds=1"]
    assert main([*common, "model.reference=0000", f"output_dir={tmp_path / 'a'}"]) == 0
    assert "breaks a symmetry of the Hamiltonian (X0 X1 X2 X3)" in capsys.readouterr().out
    assert main([*common, "model.reference=-+++", f"output_dir={tmp_path / 'b'}"]) == 0
    assert "outside the sector of the lowest state" in capsys.readouterr().out
    degenerate = ["model=heisenberg", "model.n=3", "ansatz=hva", "pruner=curvature", "training.seeds=1"]
    assert main([*degenerate, f"output_dir={tmp_path / 'c'}"]) == 0
    assert "-fold degenerate" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model=tfim", "model.n=2"], "ring"),
        (["model=tfim", "model.n=0"], "must have 2 to 30 sites"),
        (["model=tfim", "model.reference=++"], "must be 6 letters"),
        (["model=tfim", "model.h=nan"], "finite"),
        (["model=tfim", "model.lattice=square"], "shape"),
        (["model=tfim", "model.n=28", "model.lattice=chain"], "more than the 24"),
        (["model=heisenberg", "ansatz=qaoa", "model.n=1"], "site"),
        (["molecule=H2O", "molecule.basis=6-31g", "ansatz=hva"], "more than the 24"),
    ],
)
def test_impossible_models_are_one_line(arguments: list[str], message: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_files_of_models_lattices_and_ansaetze(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sum.txt").write_text("-1.0 Z0 Z1\n-0.5 X0\n-0.5 X1\n0.25\n")
    Path("bonds.yaml").write_text("bonds: [[0, 1], [1, 2, 0.5]]\n")
    Path("gates.yaml").write_text(
        "gates:\n- {rotate: Z0 Z1, parameter: a}\n- {rotate: X0, parameter: b}\n- {rotate: X1, parameter: b}\n"
    )
    assert main(["model=sum.txt", "ansatz=gates.yaml", "pruner=curvature", "output_dir=a"]) == 0
    record = read_record(Path("a"))
    # -ZZ - (X0 + X1) / 2 on two spins has the ground energy -sqrt(2); the constant is added
    assert record.energies["exact"] == pytest.approx(0.25 - np.sqrt(2.0), abs=1e-12)
    assert main(["model=tfim", "model.lattice=bonds.yaml", "ansatz=hva", "output_dir=b"]) == 0
    assert read_record(Path("b")).problem["bonds"] == [[0, 1, 1.0], [1, 2, 0.5]]


def test_a_problem_without_exact_energy_is_trained_all_the_same(tmp_path: Path) -> None:
    arguments = ["model=tfim", "model.n=4", "ansatz=hva", "pruner=curvature", "exact=false"]
    settings = config.parse_settings([*arguments, f"output_dir={tmp_path / 'x'}"])
    record = study.run(settings, write=lambda text: None)
    assert record.energies["exact"] is None and record.stages[-1]["error_to_exact"] is None
    momenta = np.pi * np.arange(-3, 4, 2) / 4
    exact = -np.sqrt(2 + 2 * np.cos(momenta)).sum()  # free fermions
    assert record.stages[0]["energy"] == pytest.approx(exact, abs=1e-9)
    with pytest.raises(InputError, match="needs the exact energy"):
        config.parse_settings(["model=tfim", "pruner=eqntk", "exact=false"])


def test_a_changed_file_is_another_study(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for field, exact in ((0.5, -np.sqrt(2.0)), (1.0, -np.sqrt(5.0))):  # two spins: -sqrt(1 + 4 h^2)
        Path("sum.txt").write_text(f"-1.0 Z0 Z1\n-{field} X0\n-{field} X1\n")
        assert main(["model=sum.txt", "ansatz=hva", "pruner=curvature", "training.seeds=1"]) == 0
        assert f"{exact:.8f}" in capsys.readouterr().out
    assert len(list(Path("outputs/sum").iterdir())) == 2


def test_long_trainings_do_not_run_the_script_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import vqe_prune as vp\n"
        "from vqe_prune import training\n"
        "training.WORTH_PROCESSES = 0.0\n"
        "print('once')\n"
        "problem = vp.model_problem(vp.transverse_field_ising(vp.ring(3)))\n"
        "ansatz = vp.hamiltonian_variational(problem.hamiltonian, 2, problem.reference)\n"
        "study = vp.train(problem.hamiltonian, ansatz, problem.reference_state, workers=2)\n"
        "print(len(study.runs))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["once", "8"]


def test_large_couplings_are_no_contradiction(tmp_path: Path) -> None:
    common = ["model=tfim", "model.lattice=chain", "model.n=3", "ansatz=hva", "pruner=curvature", "training.seeds=1"]
    assert main([*common, "model.j=1e8", "model.h=1e8", f"output_dir={tmp_path / 'x'}"]) == 0
    record = read_record(tmp_path / "x")
    assert abs(record.stages[0]["error_to_exact"]) < 1e-4  # 1e-13 of the energy


def test_the_field_may_point_the_other_way() -> None:
    problem = model_problem(transverse_field_ising(chain(4), j=1.0, h=-2.0))
    assert problem.energies["reference"] == pytest.approx(-8.0, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "most"),
    [
        (["molecule=LiH", "pruner=lie"], 4),
        (["molecule=LiH", "pruner=[symmetry,lie,curvature]"], 3),
        (["molecule=LiH", "pruner=lie", "pruner.parameters=5"], 5),
        (["model=tfim", "pruner=[eqntk,lie]"], 8),
        (["model=tfim", "model.n=4", "ansatz.layers=4", "pruner=lie"], 40),
    ],
)
def test_merging_in_one_shot_keeps_to_the_tolerance(arguments: list[str], most: int, tmp_path: Path, capsys) -> None:
    assert main([*arguments, f"output_dir={tmp_path / 'x'}"]) == 0
    record = read_record(tmp_path / "x")
    last = record.stages[-1]
    assert last["n_parameters"] <= most < record.stages[0]["n_parameters"]
    assert last["error_to_exact"] <= 1.5e-3  # the tolerance
    assert last["error_to_exact"] >= -1e-9  # variational, up to rounding
    assert "lie: " in capsys.readouterr().out
    assert len(record.plan) == record.stages[0]["n_rotations"]
