"""Multiruns: points from Hydra's grammar, what cannot be used, resuming, failures, duplicates, the launchers."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from launched import square_or_fail

from vqe_prune import batch, config, multirun
from vqe_prune.__main__ import main
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.launcher_settings import LAUNCHERS, LauncherSettings, multirun_keys, read_launcher
from vqe_prune.launchers import open_launcher
from vqe_prune.parallel import KILLED, Failure, Workers
from vqe_prune.search import ask, check_search
from vqe_prune.settings import Settings, digest
from vqe_prune.sweep import Interval, grid_points, read_sweep


def names(*arguments: str) -> list[str]:
    return [point.name for point in grid_points(read_sweep(arguments))[0]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def in_this_process(monkeypatch) -> None:
    """Points run here: a process of their own would import everything anew."""
    monkeypatch.setattr(multirun, "open_launcher", lambda *_: Workers(1))


@pytest.fixture
def pretended(monkeypatch, in_this_process, h2_record) -> Callable[[Settings], None]:
    """What a study of H2 leaves behind, without computing it."""

    def pretend(settings: Settings) -> None:
        own = {"digest": digest(settings), "settings": asdict(settings)}
        content = {**h2_record, "seed": settings.seed, "problem": {**h2_record["problem"], **own}}
        folder = config.output_folder(settings)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "record.json").write_text(json.dumps(content))

    monkeypatch.setattr(batch, "run_quietly", pretend)
    return pretend


def listed(folder: Path) -> dict:
    (path,) = (folder / "outputs" / "multirun").glob("*/multirun.json")
    return json.loads(path.read_text())


def test_points_are_what_hydra_would_sweep() -> None:
    assert names("molecule=LiH,BeH2", "seed=range(2)") == [
        "molecule=LiH seed=0", "molecule=LiH seed=1", "molecule=BeH2 seed=0", "molecule=BeH2 seed=1",
    ]  # fmt: skip
    assert names("pruner=symmetry,curvature") == ["pruner=symmetry", "pruner=curvature"]
    assert names("pruner=[symmetry,curvature],[symmetry,random]") == [
        "pruner=[symmetry,curvature]", "pruner=[symmetry,random]",
    ]  # fmt: skip
    assert names("pruner.tolerance=choice(1e-3,5e-4)") == ["pruner.tolerance=0.001", "pruner.tolerance=0.0005"]
    # Hydra's ranges leave out their stop; 0.7 + 2 * 0.1 is 0.8999999999999999, not 0.9
    assert names("molecule.bond_length=range(0.7,0.9,0.1)") == ["molecule.bond_length=0.7", "molecule.bond_length=0.8"]
    assert names("molecule.basis=6-31g(d,p),sto-3g") == ["molecule.basis=6-31g(d,p)", "molecule.basis=sto-3g"]
    assert names("molecule=glob([Li*,B*],exclude=BH*)")[0] == "molecule=LiH"
    assert names("molecule=LiH") == ["the only point"]


def test_files_fit_a_pattern_and_quoted_commas(here: Path) -> None:
    for name in ("a,b.xyz", "c.xyz"):
        (here / name).write_text("2\n\nH 0 0 0\nH 0 0 0.74\n")
    assert names("molecule=glob(./*.xyz)") == ["molecule=./a,b.xyz", "molecule=./c.xyz"]
    assert names("molecule='a,b.xyz',c.xyz") == ["molecule=a,b.xyz", "molecule=c.xyz"]


def test_a_point_is_the_study_of_its_own_command() -> None:
    points, _ = grid_points(read_sweep(["molecule=H2", "pruner=symmetry,curvature", "seed=1,2"]))
    alone = [config.parse_settings(point.arguments) for point in points]
    assert [asdict(point.settings) for point in points] == [asdict(each) for each in alone]
    assert len({config.output_folder(point.settings) for point in points}) == 4
    moved, _ = grid_points(read_sweep(["molecule=H2", "seed=1,2", "output_dir=other"]))
    assert Path(moved[0].settings.output_dir or "").parts[:2] == ("other", "H2")
    assert moved[0].digest == points[2].digest  # where results go changes no result


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("molecule=LiH,BeH",), "at molecule=BeH: unknown molecule 'BeH'; did you mean"),
        (("molecule=LiH,Foo", "seed=1,-2"), "3 of 4 points cannot be used"),
        (("sed=1,2",), "unknown setting 'sed'; did you mean seed"),
        (("seed=interval(1,5)",), "an interval has no points; add sweeper=optuna"),
        (("seed=range(90)", "ansatz.restarts=range(90)"), "8100 points is more than 5000; sweep fewer settings"),
        (("seed=range(1e12)",), "more than 5000 values"),
        (("seed=range(1,9,0)",), "a step other than 0"),
        (("pruner.tolerance=range(0,inf)",), "with finite numbers"),
        (("seed=1,2", "seed=3"), "seed is set twice"),
        (("seed=1,",), "cannot be read"),
        (("seed=1,2", "output_dir=a,b"), "output_dir is one for all points"),
        (("study=scan,ground_state",), "study is one for all points"),
        (("molecule=glob(Q*)",), "nothing fits; names: H2"),
        (("seed=glob(*)",), "glob is for names: molecule"),
        (("molecule=H2,LiH", "molecule.bond_length=0.001"), "at molecule=H2: molecule H2: atoms 1 and 2"),
        (("model=tfim", "model.n=1,4"), "at model.n=1"),
        (("launcher=submitit",), "unknown launcher=submitit; did you mean submitit_slurm"),
        (("launcher.partition=debug",), "has no effect with launcher=processes; it is for submitit_slurm"),
        (("launcher=a,b",), "launcher has one value"),
        (("launcher.cpus=0",), "launcher.cpus=0 must be above 0"),
        (("launcher.cpus=x",), "launcher.cpus=x is not a whole number"),
        (("launcher=submitit_slurm", "launcher.partition=--wrap=x"), "is not a name"),
        (("launcher.taget=x",), "unknown setting 'launcher.taget'"),
        (("launcher._target_=os.system",), "unknown setting 'launcher._target_'"),
        (("sweeper.trials=3",), "has no effect with sweeper=grid; add sweeper=optuna"),
        (("sweeper=optuna", "sweeper.minimise=eror"), "did you mean error?"),
        (("sweeper=optuna", "sweeper.minimise=error,depth"), "write a list: [error,depth]"),
        (("--foo",), "unknown option --foo"),
    ],
)
def test_bad_multiruns_are_one_line(arguments: tuple[str, ...], message: str, here: Path, capsys) -> None:
    assert main(["--multirun", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and message in captured.err
    assert not list(here.iterdir())


def test_settings_of_a_multirun_need_one(capsys) -> None:
    assert main(["launcher=ray"]) == 2 and main(["sweeper.trials=4"]) == 2
    assert capsys.readouterr().err.count("no effect without --multirun") == 2
    assert main(["seed=1,2"]) == 2 and "add --multirun" in capsys.readouterr().err
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(key + "=" in text for key in multirun_keys()) and all(name in text for name in LAUNCHERS)


def test_what_is_missing_is_said_before_anything_starts(here: Path, monkeypatch, capsys) -> None:
    for module in ("launchers", "search"):
        monkeypatch.setattr(f"vqe_prune.{module}.find_spec", lambda name: None)
    for name, package in (("joblib", "joblib"), ("submitit_slurm", "submitit"), ("ray", "ray")):
        assert main(["-m", f"launcher={name}", "molecule=H2", "seed=1,2"]) == 2
        assert f"needs {package}: pip install 'vqe-prune[cluster]'" in capsys.readouterr().err
    assert main(["-m", "sweeper=optuna", "molecule=H2", "pruner=symmetry,curvature"]) == 2
    assert "pip install 'vqe-prune[sweep]'" in capsys.readouterr().err
    assert not list(here.iterdir())


def test_threads_are_those_of_this_machine() -> None:
    chosen = LauncherSettings(name="submitit_slurm", cpus=4)
    try:
        open_launcher(chosen, 2, Path("jobs"))
    except InputError as error:
        assert "launcher.jobs=" in str(error) or "pip install" in str(error)
    workers = open_launcher(read_launcher({"launcher.cpus": 3}), 7, Path("jobs"))
    assert isinstance(workers, Workers) and workers.count == 2


def test_a_multirun_resumes_lists_failures_and_runs_doubles_once(here: Path, monkeypatch, pretended, capsys) -> None:
    ran: list[int] = []

    def run(settings) -> None:
        ran.append(settings.seed)
        if settings.seed == 1 and len(ran) == 2:
            raise ConvergenceError("SCF does not converge")
        if settings.seed == 2 and len(ran) == 3:
            raise KeyboardInterrupt
        pretended(settings)

    monkeypatch.setattr(batch, "run_quietly", run)
    command = ["--multirun", "molecule=H2", "seed=0,1,2", "pruner=curvature,[symmetry,curvature]"]
    assert main(command) == 130  # Ctrl-C while the third runs
    assert ran == [0, 1, 2] and "goes on where this one stopped" in capsys.readouterr().err
    assert main(command) == 0
    out = capsys.readouterr().out
    assert ran == [0, 1, 2, 1, 2] and "3 of 3 points done" in out and "1 of them found done" in out
    assert "3 of 6 points are the same study as another one and run once" in out
    content = listed(here)
    assert [point["status"] for point in content["points"]] == ["done"] * 3
    for point in content["points"]:
        folder = here / "outputs" / "multirun" / content["digest"] / point["folder"]
        assert folder.resolve().parent == here / "outputs" / "H2" and (folder / "record.json").exists()
    assert main(["molecule=H2", "pruner=curvature", "seed=1"]) == 0
    assert "This study is complete" in capsys.readouterr().out
    assert main([*command[:2], "seed=2,0,1", "pruner=curvature"]) == 0  # another order is the same multirun
    assert ran == [0, 1, 2, 1, 2] and listed(here)["digest"] == content["digest"]


def test_failed_points_are_listed_and_others_done(here: Path, monkeypatch, pretended, capsys) -> None:
    def run(settings) -> None:
        if settings.seed == 1:
            raise ZeroDivisionError("nobody expected that")
        pretended(settings)

    monkeypatch.setattr(batch, "run_quietly", run)
    assert main(["-m", "molecule=H2", "seed=0,1", "output=quiet"]) == 3
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 2 and "1 of 2 points done, 1 failed: outputs" in out  # and the warning
    assert main(["-m", "molecule=H2", "seed=0,1"]) == 3
    out = capsys.readouterr().out
    assert "failed: seed=1: ZeroDivisionError: nobody expected that" in out and "1 of 2 points done" in out
    failed = listed(here)["points"][1]
    assert failed["status"] == "failed" and "Traceback" in failed["details"]
    page = next((here / "outputs").glob("multirun/*/report.html")).read_text()
    assert "seed=1: ZeroDivisionError" in page and "src=" not in page and "<script" not in page


@pytest.mark.usefixtures("in_this_process")
def test_where_no_point_can_use_the_input_it_is_bad_input(here: Path, capsys) -> None:
    assert main(["-m", "molecule=H2", "molecule.active_space=[2,9]", "seed=0,1"]) == 2
    assert "all 2 points fail, the first at seed=0" in capsys.readouterr().err


@pytest.mark.usefixtures("in_this_process")
def test_a_scan_can_be_a_point(here: Path, capsys) -> None:
    assert main(["-m", "study=scan", "molecule=H2", "scan.bond_length=[0.7,0.9,0.2]", "seed=0"]) == 0
    (point,) = listed(here)["points"]
    assert point["status"] == "done" and len(list((here / "outputs").rglob("scan.json"))) == 1
    page = next((here / "outputs").glob("multirun/*/report.html")).read_text()
    assert "Scan of H2 along bond length" in page and page.count("<svg") == 2


@pytest.mark.parametrize("name", [name for name in LAUNCHERS if name != "submitit_slurm"])
def test_launchers_keep_what_a_killed_process_does_not_take(name: str, tmp_path: Path, monkeypatch) -> None:
    package = {"submitit_local": "submitit", "processes": "vqe_prune"}.get(name, name)
    pytest.importorskip(package, reason=f"launcher={name} is tried where {package} is installed")
    if name == "ray" and "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("Ray takes seconds to start; run this file with -n 0")
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))  # where the function is found again
    found: dict[int, object] = {}
    with open_launcher(LauncherSettings(name=name), 2, tmp_path / "jobs") as launcher:
        results = launcher.run(square_or_fail, [(1,), (2,), (3,), (4,)], found.__setitem__)
    assert results[0] == 1 and results[3] == 16 and found == dict(enumerate(results))
    assert isinstance(results[1], Failure) and results[1].bad_input and results[1].reason == "two is not for this"
    assert isinstance(results[2], Failure) and KILLED.split(";")[0] in results[2].reason


def test_a_search_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="sweeper=optuna is tried where optuna is installed")
    from vqe_prune.launcher_settings import SweeperSettings
    from vqe_prune.search import Trial

    sweep = read_sweep(["molecule=LiH", "pruner.tolerance=tag(log,interval(1e-4,5e-3))", "pruner=curvature,magnitude"])
    chosen = SweeperSettings(name="optuna", trials=30)
    assert len(check_search(sweep, chosen)) == 4
    trials: list[Trial] = []
    while len(trials) < 28:
        new = ask(sweep, chosen, trials)
        assert new == ask(sweep, chosen, trials) and len(new) == 4
        for trial in new:
            assert 1e-4 <= float(trial.chosen["pruner.tolerance"]) <= 5e-3
            # a made-up landscape: the error is best at a small tolerance, and magnitude is always worse
            error = float(trial.chosen["pruner.tolerance"]) + (trial.chosen["pruner"] == "magnitude")
            trials.append(Trial(chosen=trial.chosen, values=(error, 1.0)))
    assert len(ask(sweep, chosen, trials)) == 2  # what is left of 30
    late = [trial.chosen["pruner"] for trial in trials[12:]]
    assert late.count("curvature") > 12  # it has learned; by chance it would be 8 of 16
    other = ask(sweep, SweeperSettings(name="optuna", trials=30, seed=1), [])
    assert other != ask(sweep, chosen, [])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("molecule=H2,LiH",), "molecule: sweeper=optuna searches settings of one problem"),
        (("molecule=H2",), "needs something to search"),
        (("pruner.tolerance=interval(1e-4,1e-3)", "pruner=curvature,symmetry"), "pruner.tolerance has no effect with"),
        (("pruner.tolerance=interval(1e-3,1e-4)",), "the interval is empty"),
        (("pruner.tolerance=tag(log,interval(0,1e-4))",), "needs ends above 0"),
        (("pruner.tolerance=interval(1e-4,1e-3)", "exact=false", "pruner.relative_to=full"), "needs the exact energy"),
    ],
)
def test_bad_searches_are_one_line(arguments: tuple[str, ...], message: str, here: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("vqe_prune.search.find_spec", lambda name: name)
    assert main(["-m", "sweeper=optuna", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and message in captured.err and not list(here.iterdir())


def test_a_search_goes_on_as_if_it_had_not_been_stopped(tmp_path: Path, monkeypatch, pretended, capsys) -> None:
    pytest.importorskip("optuna", reason="sweeper=optuna is tried where optuna is installed")
    command = ["-m", "sweeper=optuna", "molecule=H2", "sweeper.trials=6", "sweeper.batch=2"]
    command += ["pruner.tolerance=tag(log,interval(1e-4,5e-3))", "pruner=curvature,random"]
    traces = []
    count = 0

    def stop_at_four(settings) -> None:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        pretended(settings)

    for place in ("whole", "stopped"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        if place == "stopped":
            monkeypatch.setattr(batch, "run_quietly", stop_at_four)
            assert main(command) == 130
        assert main(command) == 0
        traces.append(next(Path("outputs").glob("multirun/*/trace.jsonl")).read_text())
    assert traces[0] == traces[1] and traces[0].count('"asked"') == 3
    assert "Best of 6 trials by error, two_qubit_gates" in capsys.readouterr().out


def test_an_interval_of_whole_numbers() -> None:
    sweep = read_sweep(["pruner.parameters=interval(1,8)", "pruner.tolerance=interval(1e-4,1e-3)"])
    assert sweep.swept["pruner.parameters"] == Interval(low=1, high=8, log=False, whole=True)
    assert sweep.swept["pruner.tolerance"] == Interval(low=1e-4, high=1e-3, log=False, whole=False)
