"""The certificate of the rule ``lie``: in the record, on the console, on the page, and held to its bounds."""

import json
import math
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest

from vqe_prune.__main__ import main
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.prune import lie
from vqe_prune.prune.lie import LieMerge
from vqe_prune.prune.merge_certificate import LieCertificate, check_certificate
from vqe_prune.prune.pruning import prune_ansatz
from vqe_prune.report import format_certificate, read_record
from vqe_prune.report.record import MERGE_KEYS, REQUIRED

H2 = ["molecule=H2", "pruner=[lie]"]


@pytest.fixture(scope="module")
def merged(tmp_path_factory) -> Path:
    """A run of H2 whose singles go in one shot."""
    folder = tmp_path_factory.mktemp("merged") / "run"
    assert main([*H2, f"output_dir={folder}"]) == 0
    return folder


def test_the_record_holds_every_field(merged: Path) -> None:
    certificate = read_record(merged).certificate
    assert set(certificate) == {*REQUIRED["certificate"], "merge"}
    assert set(MERGE_KEYS) <= {entry.name for entry in fields(LieCertificate)} == set(certificate["merge"])
    found = certificate["merge"]
    assert found["redundancy_checked"] is True
    assert found["n_pairs"] == 3  # of three excitations
    assert abs(found["measured_increase"]) <= found["overlap_bound"] <= found["state_bound"] + 1e-12
    assert (
        found["state_bound"] <= found["path_bound"] + 1e-12 and found["path_bound"] <= found["operator_bound"] + 1e-12
    )


def test_the_page_and_the_console_show_it(merged: Path, capsys) -> None:
    page = (merged / "report.html").read_text()
    assert main([*H2, f"output_dir={merged}"]) == 0  # complete: shown from the record
    out = capsys.readouterr().out
    for text in ("distances in", "pairs of gates", "redundancy: every pair was looked at again", "by the operators"):
        assert text in page and text in out
    assert max(map(len, format_certificate(read_record(merged).certificate).splitlines())) <= 100


def test_records_without_it_are_read_and_broken_ones_are_refused(merged: Path, tmp_path: Path) -> None:
    content = json.loads((merged / "record.json").read_text())
    file = tmp_path / "record.json"
    del content["certificate"]["merge"]["n_pairs"]
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"certificate\.merge must have the keys"):
        read_record(file)
    content["certificate"]["merge"]["n_pairs"] = True
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"certificate\.merge\.n_pairs must be a number"):
        read_record(file)
    del content["certificate"]["merge"]
    file.write_text(json.dumps(content))
    assert set(read_record(file).certificate) == set(REQUIRED["certificate"])


def test_python_users_see_the_merge(molecular) -> None:
    pruning = prune_ansatz(molecular("H2"), uccsd(2, 1, 1), rules=["lie"])
    (merge,) = pruning.merges
    assert isinstance(merge, LieMerge) and merge.certificate.redundancy_checked
    assert merge.plan.survivors == pruning.plan.survivors
    assert prune_ansatz(molecular("H2"), uccsd(2, 1, 1), rules=["symmetry"]).merges == ()


def test_a_broken_bound_stops_the_run(merged: Path, molecular) -> None:
    problem = molecular("H2")
    sound = LieCertificate(**read_record(merged).certificate["merge"])
    check_certificate(sound, problem)
    broken = {
        "measured_increase": (1e3, "the energy, by the operators, by 1.000e[+]03 hartree, more than the"),
        "state_deviation": (9.0, "the norm between the states"),
        "state_distance": (math.nan, "the Fubini-Study distance"),
        "overlap_bound": (-1.0, "by their overlap"),
        "redundancy_checked": (False, "not every pair of gates"),
    }
    for name, (value, words) in broken.items():
        with pytest.raises(ConvergenceError, match=words):
            check_certificate(replace(sound, **{name: value}), problem)


def test_a_wrong_merge_is_caught_in_the_run(monkeypatch, tmp_path: Path, capsys) -> None:
    """Gates whose distance is forgotten move the state; the bounds from the gates say so."""
    monkeypatch.setattr(lie, "operator_distance", lambda identifier, shift: 0.0)
    monkeypatch.setattr(lie, "fubini_study", lambda identifier, shifts: np.zeros_like(np.asarray(shifts)))
    assert main(["molecule=LiH", "pruner=lie", f"output_dir={tmp_path / 'x'}"]) == ConvergenceError.exit_status
    assert "lie: merging changed" in capsys.readouterr().err
    assert not (tmp_path / "x" / "record.json").exists()


def test_the_record_is_json_as_it_stands(merged: Path) -> None:
    merge = asdict(LieCertificate(**read_record(merged).certificate["merge"]))
    assert json.loads(json.dumps(merge, allow_nan=False)) == merge
