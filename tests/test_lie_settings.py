"""The rule ``lie`` from the command line: what may be set, what has no effect, and that it does what it says."""

import shlex
from dataclasses import asdict
from pathlib import Path

import pytest

from vqe_prune import config
from vqe_prune.__main__ import main
from vqe_prune.config import parse_settings
from vqe_prune.errors import InputError
from vqe_prune.lie_settings import CALIBRATIONS, ENSEMBLES
from vqe_prune.report import read_record
from vqe_prune.score import identifiers
from vqe_prune.score.identifiers import Weights
from vqe_prune.settings import PrunerSettings

BAD = [
    (["pruner=curvature", "pruner.epsilon=0.1"], "no effect with pruner=curvature; it is of the rule lie"),
    (["pruner.ensemble=reference"], "no effect with pruner=symmetry,curvature; "),
    (["model=tfim", "pruner.weights=[1,0,0]"], "no effect with pruner=eqntk; .* try pruner=lie"),
    (["pruner=lie", "pruner.epsilon=0.1", "pruner.parameters=3"], "pruner.parameters has no effect beside pruner.eps"),
    (["pruner=lie", "pruner.epsilon=0.1", "pruner.tolerance=1e-3"], "pruner.tolerance has no effect beside pruner.eps"),
    (["pruner=[lie]", "pruner.epsilon=0.1", "pruner.relative_to=full"], "pruner.relative_to has no effect beside"),
    (["pruner=lie", "pruner.calibration=weber", "pruner.tolerance=1e-3"], "no effect beside pruner.calibration"),
    (["pruner=lie", "pruner.calibration=weber", "pruner.epsilon=0.1"], "pruner.epsilon has no effect beside"),
    (["pruner=lie", "pruner.calibration=willow"], "did you mean willow_pink"),
    (["pruner=lie", "pruner.calibration=os.system"], "unknown pruner.calibration=os.system; available: rainbow, weber"),
    (["pruner.calibration=weber"], "no effect with pruner=symmetry,curvature; "),
    (["pruner.distance=task"], "no effect with pruner=symmetry,curvature; "),
    (["pruner.condense=true"], "no effect with pruner=symmetry,curvature; "),
    (["pruner=lie", "pruner.condense=true", "pruner.epsilon=0.1"], "pruner.condense has no effect beside pruner.eps"),
    (["pruner=lie", "pruner.condense=maybe"], "pruner.condense=maybe"),
    (["pruner=lie", "pruner.distance=tsk"], "did you mean task"),
    (["pruner=lie", "pruner.distance=task", "pruner.weights=[1,1,1]"], "weights has no effect with pruner.dist"),
    (["pruner=lie", "pruner.distance=task", "pruner.ensemble=reference"], "ensemble has no effect with pruner.dist"),
    (["pruner=lie", "pruner.epsilon=-0.1"], "pruner.epsilon=-0.1 must be 0 or more"),
    (["pruner=lie", "pruner.epsilon=nan"], "must be 0 or more"),
    (["pruner=lie", "pruner.epsilon=small"], "pruner.epsilon=small"),
    (["pruner=lie", "pruner.epsilom=0.1"], "did you mean pruner.epsilon"),
    (["pruner=lie", "pruner.weights=[1,1]"], r"must be \[algebra,fubini,fisher\]"),
    (["pruner=lie", "pruner.weights=[1,-1,0]"], "0 or more and not all 0"),
    (["pruner=lie", "pruner.weights=[0,0,0]"], "0 or more and not all 0"),
    (["pruner=lie", "pruner.weights=1"], "pruner.weights=1"),
    (["pruner=lie", "pruner.ensemble=trajectori"], "did you mean trajectory"),
    (["pruner=lie", "pruner.ensemble=data"], r"data needs states: in Python, LieOptions\(ensemble='data'"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_settings_that_cannot_be_or_have_no_effect_are_one_line(arguments, message, capsys) -> None:
    with pytest.raises(InputError, match=message):
        parse_settings(arguments)
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_defaults_are_those_of_python() -> None:
    chosen = PrunerSettings()
    assert chosen.weights == list(asdict(Weights()).values())
    assert set(ENSEMBLES) | {"data"} == set(identifiers.ENSEMBLES)
    assert chosen.ensemble == ENSEMBLES[0] == identifiers.ENSEMBLES[0]


def test_calibrations_are_those_that_come_with_cirq() -> None:
    from cirq_google.engine import list_virtual_processors

    assert set(CALIBRATIONS) == set(list_virtual_processors())


def test_a_later_rule_may_use_the_limit_that_lie_does_not() -> None:
    settings = parse_settings(["pruner=[symmetry,lie,curvature]", "pruner.epsilon=0.01", "pruner.parameters=4"])
    assert settings.pruner.epsilon == 0.01 and settings.pruner.parameters == 4
    command = config.command_line(asdict(settings))
    assert "pruner.epsilon=0.01" in command and "weights" not in command
    assert parse_settings(shlex.split(command)[3:]) == settings


def certificate_of(folder: Path, *arguments: str) -> dict:
    assert main(["molecule=H4", "pruner=[lie]", *arguments, f"output_dir={folder}"]) == 0
    return dict(read_record(folder).certificate["merge"])


def test_the_tolerance_is_the_one_that_was_set(tmp_path: Path) -> None:
    """Half the weights are half the distances: the same gates are merged at half the tolerance."""
    wide = certificate_of(tmp_path / "a", "pruner.epsilon=0.02")
    half = certificate_of(tmp_path / "b", "pruner.epsilon=0.01", "pruner.weights=[0.5,0.5,0.05]")
    assert wide["epsilon"] == 0.02 and half["epsilon"] == 0.01
    assert half["widest_merge"] == pytest.approx(0.5 * wide["widest_merge"])
    assert half["state_distance"] == pytest.approx(wide["state_distance"]) and wide["state_distance"] > 1e-4
    nothing = certificate_of(tmp_path / "c", "pruner.epsilon=0")
    assert nothing["state_distance"] < 1e-7


def test_the_ensemble_decides_at_which_states_gates_are_compared(tmp_path: Path) -> None:
    """At the determinant all pair excitations have the Fisher information 4; on the way to the optimum they differ."""
    arguments = ("pruner.epsilon=0.02", "pruner.weights=[0,1,1]")
    path = certificate_of(tmp_path / "a", *arguments)
    reference = certificate_of(tmp_path / "b", *arguments, "pruner.ensemble=reference")
    assert path["n_comparisons"] == reference["n_comparisons"]
    assert reference["state_distance"] == pytest.approx(path["state_distance"])  # the same gates
    assert reference["widest_merge"] < 0.5 * path["widest_merge"]  # but measured where Fisher sees no difference


def test_a_device_whose_gates_err_more_than_they_do_leaves_the_reference(tmp_path: Path, capsys) -> None:
    """Weber errs by some percent a CX; no pair of H4 at this geometry turns the state that far in energy."""
    found = certificate_of(tmp_path / "a", "pruner.calibration=weber", "pruner.distance=task")
    assert found["distance"] == "task" and found["calibration"]["name"] == "weber"
    assert 0.0 < found["smallest_epsilon"] < found["epsilon"]
    record, out = read_record(tmp_path / "a"), capsys.readouterr().out
    assert record.stages[-1]["n_parameters"] == 0
    assert (
        "the reference alone is left" in out
        and "the reference alone is left" in (tmp_path / "a/report.html").read_text()
    )
    assert f"a CX by {found['calibration']['two_qubit_error']:.2e}" in out
    assert record.stages[-1]["energy"] == pytest.approx(record.energies["hf"], abs=1e-9)
