"""Scans: points, smoothness, continuation, resuming, failures, processes that end."""

import json
import operator
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyscf
import pyscf.fci
import pytest

from vqe_prune import config, neighbours, scan
from vqe_prune.__main__ import main
from vqe_prune.alignment import align_problems, follow_orbitals
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.chemistry import Molecule, solve_mean_field
from vqe_prune.continuation import Family, follow
from vqe_prune.curve import CurveJournal, point_pruning, prune_segment
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.parallel import KILLED, Failure, Workers
from vqe_prune.problem import mean_field_problem, molecular_problem
from vqe_prune.prune.limits import Limits
from vqe_prune.report import read_record
from vqe_prune.report.scan_pictures import scan_error_picture
from vqe_prune.report.scan_table import curve_row, largest_jump
from vqe_prune.run_folder import Trace
from vqe_prune.scan_settings import scan_values

ARGUMENTS = ("study=scan", "molecule=H2", "scan.bond_length=[0.6,1.5,0.3]", "scan.structure=both", "threads=1")


def diatomic(first: str, second: str, bond: float) -> Molecule:
    return Molecule(name=f"{first}{second} {bond}", atoms=((first, (0, 0, 0)), (second, (0, 0, bond))))


def hydrogen_chain(bond: float) -> Molecule:
    return Molecule(name=f"H4 {bond}", atoms=tuple(("H", (0, 0, k * bond)) for k in range(4)))


def run(folder: Path, *arguments: str) -> int:
    return main([*(arguments or ARGUMENTS), f"output_dir={folder}"])


def content_of(folder: Path) -> dict:
    content = json.loads((folder / "scan.json").read_text())
    del content["seconds"], content["settings"]["output_dir"]
    return content


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scan") / "h2"
    assert run(folder) == 0
    return folder


def test_points_are_where_they_should_be() -> None:
    assert scan_values("bond_length", [1.0, 3.5, 0.1])[:4] == (1.0, 1.1, 1.2, 1.3)
    assert len(scan_values("bond_length", [1.0, 3.5, 0.1])) == 26
    assert scan_values("angle", [30, -30, -20]) == (30.0, 10.0, -10.0, -30.0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("study=scn",), "did you mean scan?"),
        (("study=scan",), "needs a coordinate: scan.bond_length=[start,stop,step]"),
        (("scan.bond_length=[1,2,1]",), "no effect without study=scan"),
        (("study=scan", "scan.bond_length=[1,2,-0.1]"), "leads away from 2; write [1,2,0.1]"),
        (("study=scan", "scan.bond_length=[1,1,0.1]"), "has one point"),
        (("study=scan", "scan.bond_length=[1,2,0]"), "the step is 0"),
        (("study=scan", "scan.bond_length=1.0:3.5:0.1"), "is not start, stop and step in brackets: [1.0,3.5,0.1]"),
        (("study=scan", "scan.bond_length=[1,2]"), "must be three numbers"),
        (("study=scan", "scan.bond_length=[1,2,0.3]"), "try [1,1.9,0.3]"),
        (("study=scan", "scan.bond_length=[1,2,0.0001]"), "more than 200"),
        (("study=scan", "scan.angle=[90,120,10]"), "is no coordinate of LiH: it has scan.bond_length"),
        (("study=scan", "scan.bond_length=[1,2,1]", "scan.angle=[1,2,1]"), "a scan has one"),
        (("study=scan", "scan.bond_length=[1,2,1]", "molecule.bond_length=1"), "no effect beside scan.bond_length"),
        (("study=scan", "scan.bond_length=[1,2,1]", "device=willow_pink"), "is not for study=scan"),
        (("study=scan", "scan.bond_length=[1,2,1]", "scan.structure=comon"), "did you mean common?"),
        (("study=scan", "scan.bond_length=[1,2,1]", "scan.structure=common", "pruner=lie"), "scan.structure=each"),
        (("study=scan", "scan.bond_length=[1,2,1]", "pruner.orbitals=optimise"), "add scan.structure=each"),
        (("study=scan", "model=tfim", "scan.delta=[1,2,1]"), "it has scan.j, scan.h"),
        (("study=scan", "scan.bond_length=[0.01,0.11,0.05]"), "at 0.01: molecule LiH: atoms 1 and 2"),
    ],
)
def test_bad_scans_are_one_line(arguments: tuple[str, ...], message: str, tmp_path: Path, capsys) -> None:
    assert run(tmp_path / "none", *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and message in captured.err
    assert not (tmp_path / "none").exists()


def test_a_scan_says_what_its_points_are(done: Path) -> None:
    content = content_of(done)
    assert content["schema"] == 2 and [point["value"] for point in content["points"]] == [0.6, 0.9, 1.2, 1.5]
    for point in content["points"]:
        atoms = f"H 0 0 0; H 0 0 {point['value']}"
        mean_field = pyscf.scf.RHF(pyscf.gto.M(atom=atoms, basis="sto-3g", verbose=0)).run(conv_tol=1e-12)
        exact = pyscf.fci.FCI(mean_field).run(conv_tol=1e-12).e_tot
        assert abs(point["energies"]["exact"] - exact) < 1e-9  # two solvers, each converged to 1e-10
        assert abs(point["stages"][-1]["energy"] - exact) < 1e-8  # one pair excitation is exact
        record = read_record(done / point["folder"])
        assert record.stages[-1]["energy"] == point["stages"][-1]["energy"]
        assert {"report.html", "trace.jsonl", "angles.npz", "run.log"} <= {
            path.name for path in (done / point["folder"]).iterdir()
        }
        assert point["alone"]["n_parameters"] == 1
    assert [piece["n_parameters"] for piece in content["segments"]] == [1]
    page = (done / "report.html").read_text()
    assert page.count("<svg") == 2 and "1 kcal/mol" in page and "src=" not in page


def test_the_command_of_a_point_is_that_of_the_scan(done: Path) -> None:
    record = read_record(done / "points" / "0.9")
    assert "molecule.bond_length" not in config.command_line(record.problem["settings"])


def test_the_same_command_again_shows_the_scan(done: Path, capsys) -> None:
    before = (done / "scan.json").stat().st_mtime_ns
    assert run(done) == 0
    assert "complete" in capsys.readouterr().out and (done / "scan.json").stat().st_mtime_ns == before
    assert run(done, *ARGUMENTS[:2], "scan.bond_length=[0.6,1.5,0.9]") == 2


def test_a_scan_goes_on_where_it_was_killed(done: Path, tmp_path: Path, monkeypatch) -> None:
    folder = shutil.copytree(done, tmp_path / "half")
    (folder / "scan.json").unlink()
    (folder / "points" / "0.9" / "record.json").unlink()
    (folder / "points" / "1.2" / "problem.npz").write_bytes(b"half")
    solved = []
    original = neighbours.mean_field_problem
    monkeypatch.setattr(
        neighbours, "mean_field_problem", lambda *args, **more: solved.append(1) or original(*args, **more)
    )
    assert run(folder) == 0
    assert len(solved) == 1  # the broken file alone
    assert content_of(folder) == content_of(done)


def test_interruptions_and_failed_points_are_not_fatal(tmp_path: Path, monkeypatch, capsys) -> None:
    folder, arguments = tmp_path / "gap", ("study=scan", "molecule=H2", "scan.bond_length=[0.6,1.2,0.3]", "threads=1")

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    def fails(molecule: Molecule, *arguments, **more):
        if abs(molecule.atoms[1][1][2] - 0.9) < 1e-9:
            raise ConvergenceError("SCF of H2 did not converge")
        return solve_mean_field(molecule, *arguments, **more)

    monkeypatch.setattr(neighbours, "solve_mean_field", fails)
    with monkeypatch.context() as patch:
        patch.setattr(scan, "point_pruning", interrupt)
        assert run(folder, *arguments) == 130
    assert "goes on" in capsys.readouterr().err
    assert run(folder, *arguments) == 3
    assert "1 of 3 points failed, the first at 0.9 angstrom: SCF of H2 did not converge" in capsys.readouterr().err
    content = content_of(folder)
    assert [point["failed"] is None for point in content["points"]] == [True, False, True]
    assert content["segments"][0]["positions"] == [0, 2] and content["curves"][-1]["largest_jump"] is None
    assert "1 of 3 points failed" in (folder / "report.html").read_text()
    monkeypatch.undo()
    assert run(folder, *arguments) == 0
    content = content_of(folder)
    assert content["segments"][0]["positions"] == [0, 1, 2]
    assert all(abs(point["stages"][-1]["error_to_exact"]) < 1e-8 for point in content["points"])


@pytest.mark.parametrize("structure", ["common", "each"])
def test_warnings_of_points_are_notes_of_the_scan(structure: str, tmp_path: Path, capsys) -> None:
    arguments = ("study=scan", "molecule=H2", "scan.bond_length=[0.6,1.2,0.6]", "optimizer.max_steps=1", "threads=1")
    assert run(tmp_path, *arguments, f"scan.structure={structure}") == 3
    content = content_of(tmp_path)
    (note,) = (note for note in content["notes"] if "not converged" in note)
    assert note.startswith("at 0.6, 1.2 angstrom: not converged: optimising full")
    assert f"Note: {note}" in capsys.readouterr().out and note in (tmp_path / "report.html").read_text()
    assert all(point["unfinished"] and point["warnings"] and not point["failed"] for point in content["points"])
    assert run(tmp_path, *arguments, f"scan.structure={structure}") == 3  # complete, and says it again
    assert note in capsys.readouterr().out


def test_warnings_of_models_are_notes_of_the_scan(tmp_path: Path) -> None:
    """Repulsion drives the lowest state of all electron numbers to fewer than half filling, which one layer reaches."""
    model = ("model=fermi_hubbard", "model.n=2", "model.lattice=chain", "ansatz.layers=1", "scan.u=[5,9,4]")
    assert run(tmp_path, "study=scan", *model, "threads=1") == 0  # converged, in another sector, as one run of it
    content = content_of(tmp_path)
    assert all(any("wrong sector" in text for text in point["warnings"]) for point in content["points"])
    for text in (text for point in content["points"] for text in point["warnings"]):
        assert any(note.startswith("at u = ") and note.endswith(f": {text}") for note in content["notes"])


def test_a_point_that_cannot_use_the_input_is_one_failed_point(tmp_path: Path, capsys) -> None:
    """At 0.7 angstrom UHF of H2 is RHF and has no natural orbitals of its own; at 2.1 and 3.5 it is broken."""
    arguments = ("study=scan", "molecule=H2", "molecule.orbitals=uno", "molecule.active_space=[2,2]", "threads=1")
    assert run(tmp_path / "some", *arguments, "scan.bond_length=[0.7,3.5,1.4]") == 3
    captured = capsys.readouterr()
    assert "1 of 3 points failed, the first at 0.7 angstrom: molecule.orbitals=uno has no effect" in captured.err
    assert "tries" not in captured.err and "failed at 0.7: molecule.orbitals=uno" in captured.out
    points = content_of(tmp_path / "some")["points"]
    assert [point["failed"] is None for point in points] == [False, True, True]
    assert all(abs(point["stages"][-1]["error_to_exact"]) < 1.6e-3 for point in points[1:])  # the tolerance
    assert run(tmp_path / "all", *arguments, "scan.bond_length=[0.6,0.7,0.1]") == 2
    assert capsys.readouterr().err.startswith("vqe_prune: molecule.orbitals=uno has no effect")
    assert not (tmp_path / "all" / "scan.json").exists()


def test_smoothness_is_what_its_words_say() -> None:
    errors = [0.0, 1.0, -2.0, 5.0, 0.5, 7.0]
    seconds = np.diff(errors, 2)
    assert largest_jump(errors) == pytest.approx(np.abs(np.diff(seconds)).max())
    assert largest_jump([*errors[:3], None, *errors[3:]]) is None
    points = [
        {"value": float(k), "failed": None, "energies": {"exact": 1.0, "hf": 1.0 + e}, "stages": [], "alone": None}
        for k, e in enumerate(errors)
    ]
    row = curve_row({"points": points, "structure": "each"}, "hf")
    assert (row["non_parallelity"], row["largest_error"], row["at"]) == (9.0, 7.0, 5.0)


def test_the_largest_error_is_that_of_magnitude() -> None:
    errors = (0.002, -1.888, -0.5)
    points = [
        {"value": float(k), "failed": None, "energies": {"exact": 1.0, "ccsd": 1.0 + e}, "stages": [], "alone": None}
        for k, e in enumerate(errors)
    ]
    content = {"points": points, "structure": "each", "segments": [], "unit": "hartree"}
    content |= {"coordinate": {"name": "bond_length", "unit": "angstrom"}}
    row = curve_row(content, "ccsd")
    assert (row["largest_error"], row["at"]) == (pytest.approx(1.888), 1.0)
    points[0]["stages"] = [{"name": "full", "energy": 1.0, "n_parameters": 1, "n_two_qubit_gates": 1}]
    content["curves"] = [row]
    mixed = scan_error_picture(content)
    assert mixed == scan_error_picture(content)
    for point in points:
        point["energies"]["ccsd"] = 2.0 - point["energies"]["ccsd"]
    points[0]["energies"]["ccsd"] = 1.002
    assert mixed != scan_error_picture(content)  # the same magnitudes, but no rings


def test_scf_takes_the_lower_of_two_solutions() -> None:
    near, far = diatomic("F", "H", 2.0), diatomic("F", "H", 2.5)
    densities, energies, notes = neighbours.solve_curve([near, far], ["2 angstrom", "2.5 angstrom"])
    assert energies[1] is not None and energies[1] < solve_mean_field(far).energy - 0.3
    stable = pyscf.scf.RHF(pyscf.gto.M(atom=list(far.atoms), basis="sto-3g", verbose=0)).newton()
    stable.kernel(dm0=densities[1])
    assert abs(stable.e_tot - energies[1]) < 1e-8 and stable.stability(return_status=True)[2]
    assert any("above the solution that continues" in note for note in notes)


def test_orbitals_are_followed_by_overlap_not_by_index_or_energy() -> None:
    fields = [solve_mean_field(hydrogen_chain(bond)) for bond in (1.0, 1.1)]
    problems = [mean_field_problem(hydrogen_chain(1.0), field) for field in fields]
    problems = [
        replace(p, electrons=replace(p.electrons, irreps=np.zeros(4, dtype=np.int64), group="C1")) for p in problems
    ]
    frames = [neighbours.carried_orbitals(field) for field in fields]
    usual, _ = follow_orbitals(problems, frames)
    turn = np.eye(4)[:, [1, 0, 3, 2]] * np.array([1.0, -1.0, -1.0, 1.0])
    electrons = problems[1].electrons
    mixed = replace(
        problems[1],
        electrons=replace(
            electrons,
            one_body=turn.T @ electrons.one_body @ turn,
            two_body=np.einsum("pi,qj,rk,sl,pqrs->ijkl", *[turn] * 4, electrons.two_body),
            dipole=None,
        ),
    )
    back, turned = follow_orbitals([problems[0], mixed], [frames[0], frames[1] @ turn])
    np.testing.assert_allclose(back[1].electrons.two_body, usual[1].electrons.two_body, atol=1e-12)
    np.testing.assert_allclose(back[1].electrons.one_body, usual[1].electrons.one_body, atol=1e-12)
    assert np.all(np.diag(turned[0].T @ turned[1]) > 0.9)


def test_a_changed_reference_cuts_the_curve_and_is_said() -> None:
    """Water's last point is straight: another point group."""
    points = []
    for degrees in (170.0, 180.0):
        angle = np.radians(degrees / 2)
        atoms = (("O", (0, 0, 0)), *(("H", (0.96 * s * np.sin(angle), 0, 0.96 * np.cos(angle))) for s in (1, -1)))
        molecule = Molecule(name="H2O", atoms=atoms)
        field = solve_mean_field(molecule)
        problem = mean_field_problem(molecule, field, exact=False)
        points.append(neighbours.CurvePoint(problem=problem, frame=neighbours.carried_orbitals(field)))
    pieces, notes = neighbours.segments([*points, Failure("lost")], ["170 degrees", "180 degrees", "190 degrees"])
    assert [piece.positions for piece in pieces] == [(0,), (1,)]
    assert "between 170 degrees and 180 degrees the problem changes" in notes[0] and "its point group is " in notes[0]


def test_warm_starts_end_where_cold_ones_do_in_fewer_steps() -> None:
    problems = align_problems([molecular_problem(hydrogen_chain(b)) for b in (0.9, 1.0, 1.1, 1.2, 1.3)])
    ansatz = uccsd(4, 2, 2)
    family = Family(problems)
    cold = [family.minimum(g, ansatz, np.zeros(ansatz.n_parameters)) for g in range(5)]
    pruning, steps = prune_segment(problems, ansatz, limits=Limits(tolerance=1e-3, relative_to="full"))
    for optimum, other in zip(pruning.stages[0].optima, cold, strict=True):
        assert abs(optimum.value - other.value) < 1e-9  # gradients below 1e-7
    assert steps < sum(optimum.steps for optimum in cold)
    lost = replace(cold[0], angles=cold[0].angles + 2 * np.pi)  # the same state; warm starts begin elsewhere
    optima, _ = follow(problems, ansatz, lost)
    assert max(abs(o.value - c.value) for o, c in zip(optima, cold, strict=True)) < 1e-9
    assert pruning.errors().max() <= 1e-3
    alone = point_pruning(pruning, 2)
    assert alone.certificate.measured_increase == pytest.approx(pruning.errors()[2], abs=1e-12)
    assert abs(alone.certificate.measured_increase) <= alone.certificate.bound


def test_pruning_a_curve_resumes_from_any_line(tmp_path: Path) -> None:
    problems = align_problems([molecular_problem(hydrogen_chain(b)) for b in (0.9, 1.1, 1.3)])
    limits = Limits(tolerance=2e-3, relative_to="full")
    whole, steps = prune_segment(
        problems, uccsd(4, 2, 2), limits=limits, journal=CurveJournal(Trace(tmp_path / "a"), (0, 1, 2))
    )
    lines = (tmp_path / "a").read_text().splitlines(keepends=True)
    assert len(lines) == 1 + len(whole.deletions) > 2
    for k in (1, 2, len(lines)):
        (tmp_path / "b").write_text("".join(lines[:k]))
        again, same = prune_segment(
            problems, uccsd(4, 2, 2), limits=limits, journal=CurveJournal(Trace(tmp_path / "b"), (0, 1, 2))
        )
        assert same == steps and again.plan == whole.plan
        np.testing.assert_allclose(again.errors(), whole.errors(), atol=1e-9)


def test_failures_are_results_and_a_killed_process_takes_only_its_task() -> None:
    tasks = [(operator.sub, 3, 1), (os._exit, 1), (operator.truediv, 1, 0), (operator.add, 3, 1)]
    ended = []
    with Workers(2) as workers:
        results = workers.run(operator.call, tasks, lambda k, result: ended.append(k))
        assert results[0] == 2 and results[3] == 4
        assert isinstance(results[1], Failure) and results[1].reason == KILLED
        assert isinstance(results[2], Failure) and "ZeroDivisionError" in results[2].reason
        assert sorted(ended) == [0, 1, 2, 3]
        assert workers.run(os.getenv, [("OMP_NUM_THREADS",)] * 2) == ["1", "1"]
    with Workers(1) as alone:
        assert isinstance(alone.run(solve_mean_field, [("nonsense",)])[0], Failure)


def test_two_studies_in_one_folder_are_refused(tmp_path: Path) -> None:
    from vqe_prune.batch import run_studies

    settings = config.parse_settings(["molecule=H2", f"output_dir={tmp_path / 'same'}"])
    with Workers(1) as workers, pytest.raises(InputError, match="two studies have the folder"):
        run_studies([settings, settings], workers)
