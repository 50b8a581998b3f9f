"""The command task=ctr as a whole, its pictures, and what it says where it cannot run."""

import json
from pathlib import Path

import numpy as np
import pytest

from vqe_prune.config import parse_settings
from vqe_prune.errors import InputError
from vqe_prune.tasks import ctr
from vqe_prune.tasks.click_logs import ClickLog, split_by_time
from vqe_prune.tasks.click_metrics import areas_by_period, log_loss
from vqe_prune.tasks.click_synthetic import Synthetic, synthetic_log
from vqe_prune.tasks.ctr_pictures import fits_picture, period_picture
from vqe_prune.tasks.study import run

SMALL = Synthetic(n_users=20, clicks_each=200, requests_each=24, n_places=6, n_categories=6)


def small_log(*_: object) -> ClickLog:
    return synthetic_log(5, SMALL)


def test_a_training_is_a_thin_line_a_seed() -> None:
    fits = [{"fin": {"losses": [0.6, 0.5], "areas": [0.6, 0.7]}}, {"fin": {"losses": [0.7, 0.4], "areas": [0.5, 0.6]}}]
    for runs in (fits[:1], fits):
        picture = fits_picture([{"fits": each} for each in runs])
        assert "fin" in picture and picture.count("stroke-opacity: 0.3") == 2 * len(runs), "in each of two panels"


def test_meal_times_are_drawn_where_every_model_has_them() -> None:
    score = {"mean": 0.8, "deviation": 0.1}
    row = {"name": "fin", "scores": {"AUC lunch": score, "AUC night": score}}
    less = {"name": "din", "scores": {"AUC lunch": score}}
    picture = period_picture([row, less], ["lunch", "night", "tea"])
    assert "lunch" in picture and "din" in picture and "night" not in picture and "tea" not in picture
    assert period_picture([row], ["tea"]) == period_picture([], ["lunch"]) == ""


def test_areas_of_meal_times_count_pairs_within_them() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'vqe-prune[tasks]'")
    log = small_log()
    rows = np.arange(len(log.requests))
    scores = np.random.default_rng(7).integers(5, size=len(log.candidates(rows))).astype(float)
    periods = np.repeat(log.requests.periods, np.diff(log.requests.shown))
    for code, (name, area) in enumerate(areas_by_period(log, rows, scores).items()):
        labels, own = log.labels[periods == code], scores[periods == code]
        pairs = own[labels == 1][:, None] - own[labels == 0]
        assert name == log.periods[code] and area == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
    assert log_loss(np.array([1.0, 0.0]), np.array([0.0, 0.0])) == pytest.approx(np.log(2.0))


def test_what_is_missing_is_said_before_anything_is_trained(monkeypatch, tmp_path: Path) -> None:
    files = ["task=ctr", "task.dataset=foursquare", f"task.data_dir={tmp_path}"]
    with pytest.raises(InputError, match=r"is a folder; for task.dataset=foursquare give the file"):
        ctr.read_log(parse_settings(files), 0)
    with pytest.raises(InputError, match=r"task.data_dir=.*nowhere does not exist"):
        ctr.read_log(parse_settings([*files[:2], f"task.data_dir={tmp_path / 'nowhere'}"]), 0)
    monkeypatch.setattr(ctr, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs torch and scikit-learn: pip install 'vqe-prune\[tasks\]'"):
        ctr.check(parse_settings(["task=ctr"]))


def test_facts_count_the_parts(monkeypatch) -> None:
    monkeypatch.setattr(ctr, "find_spec", lambda name: object())
    monkeypatch.setattr(ctr, "read_log", small_log)
    facts, log = ctr.check(parse_settings(["task=ctr"])), small_log()
    split = split_by_time(log)
    rows = log.candidates(split.test)
    seen = {int(k) for k in log.items[log.candidates(split.training)]}
    seen |= {
        int(k) for row in split.training for k in log.clicks.items[log.requests.first[row] : log.requests.last[row]]
    }
    new = 100 * np.mean([int(k) not in seen for k in log.items[rows]])
    counts = f"{len(split.training):,} requests for training, then {len(split.validation):,} for validation"
    assert counts in facts["lines"][1] and f"{new:.1f} % of the test's candidates" in facts["lines"][1]


def test_the_command_trains_prunes_and_reports(monkeypatch, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'vqe-prune[tasks]'")
    monkeypatch.setattr(ctr, "read_log", small_log)
    common = ["task=ctr", "task.epochs=1", "task.seeds=1", "threads=1", "task.models=[mean_pooling]"]
    said: list[str] = []
    plain = run(parse_settings([*common, f"output_dir={tmp_path / 'plain'}"]), write=said.append)
    (row,) = plain["runs"][0]["rows"]
    assert row["name"] == "mean_pooling" and 0.0 < row["scores"]["AUC"] < 1.0
    assert plain["summary"][0]["scores"]["AUC"]["mean"] == pytest.approx(row["scores"]["AUC"])
    circuit = ["task.head=circuit", "task.qubits=2", "ansatz.layers=1", "task.compression=2", "pruner=[magnitude]"]
    settings = parse_settings([*common, *circuit, f"output_dir={tmp_path / 'circuit'}"])
    content = run(settings, write=said.append)
    found = {each["name"]: each for each in content["runs"][0]["rows"]}
    assert {"full", "mean_pooling", "mean_pooling, linear"} <= set(found), "as heads a circuit, a perceptron, one layer"
    pruned = [row["n_parameters"] for name, row in found.items() if name.startswith("magnitude")]
    assert pruned and 0 < max(pruned) <= -(-found["full"]["n_parameters"] // 2)
    page = (tmp_path / "circuit" / "report.html").read_text()
    assert page.count("<svg") == 3 and json.loads((tmp_path / "circuit" / "record.json").read_text()) == content
    again = run(settings, write=said.append)
    assert again == content and "This task is complete" in said[-1]
