# ruff: noqa: E402  what needs PyTorch is imported once it is known to be there
"""Click-through-rate models: attentions, gradients, training that goes on as if not stopped, pruning the head."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'vqe-prune[tasks]'")
pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'vqe-prune[tasks]'")

from vqe_prune.config import parse_settings
from vqe_prune.tasks.circuit_head import expectation, head_circuit, mean_z, with_data_as_parameters
from vqe_prune.tasks.click_logs import ClickLog, TimeSplit, split_by_time
from vqe_prune.tasks.click_metrics import area_under_curve, log_loss
from vqe_prune.tasks.click_synthetic import Synthetic, synthetic_log
from vqe_prune.tasks.ctr_models import ModelSizes
from vqe_prune.tasks.ctr_pruning import HeadTask
from vqe_prune.tasks.ctr_runs import Bench
from vqe_prune.tasks.ctr_training import Fitting, fit, predict
from vqe_prune.tasks.fin import (
    BODIES,
    ClickModel,
    DenseHead,
    LastClicks,
    TargetAttention,
    simplified_attention,
    vector_sets,
)
from vqe_prune.tasks.memory import Memory

SIZES = ModelSizes(width=8, hidden=8, events=200, fragment=40, recent=20, last=20, set_items=16)


@pytest.fixture(scope="module")
def log() -> ClickLog:
    return synthetic_log(5, Synthetic(n_users=20, clicks_each=200, requests_each=24, n_places=6, n_categories=6))


@pytest.fixture(scope="module")
def split(log: ClickLog) -> TimeSplit:
    return split_by_time(log)


def model_of(name: str, log: ClickLog, split: TimeSplit, seed: int = 0) -> ClickModel:
    torch.manual_seed(seed)
    body = BODIES[name](log, split, SIZES)
    return ClickModel(body, DenseHead(body.n_outputs, SIZES.hidden, 0.2))


def test_simplified_attention_is_its_formula() -> None:
    rng = np.random.default_rng(1)
    t, e = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4))
    present = np.array([[True, True, False, True, False], [False] * 5])
    found = simplified_attention(*map(torch.from_numpy, (t, e, present))).numpy()
    weights = np.exp(t[0] @ e[0][present[0]].T / 2.0)
    wanted = (weights / weights.sum(axis=1, keepdims=True)) @ e[0][present[0]]
    np.testing.assert_allclose(found[0], wanted, atol=1e-12)
    assert np.all(found[1] == 0.0), "nothing there, nothing pooled"


def test_target_attention_as_pytorch_does_it() -> None:
    """With the same matrices it is PyTorch's own multi-head attention, whose matrices act on the whole sequence."""
    torch.manual_seed(2)
    ours, theirs = TargetAttention(8, 2), torch.nn.MultiheadAttention(8, 2, bias=False, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.out_proj.weight.copy_(ours.out.weight)
        ours.out.bias.zero_()
    t, e, present = torch.randn(3, 2, 8), torch.randn(3, 6, 8), torch.rand(3, 6) < 0.7
    present[:, 0] = True
    wanted = theirs(t, e, e, key_padding_mask=~present, need_weights=False)[0]
    torch.testing.assert_close(ours(t, e, present), wanted, atol=1e-5, rtol=1e-5)  # single precision


def test_activation_unit_is_a_perceptron_of_the_four_parts(log: ClickLog, split: TimeSplit) -> None:
    """Weights of (e, t, e - t, e * t), folded into three layers, give what the written-out sum gives."""
    torch.manual_seed(3)
    body = LastClicks(log, split, SIZES)
    model, rows = ClickModel(body, DenseHead(body.n_outputs, 4)), np.array([30, 200])
    batch = model.batch(rows)
    with torch.no_grad():
        found = body(batch)
        context = body.tables.contexts(batch["places"], batch["periods"])
        things = body.tables.things(batch["items"])
        for k in range(2):
            e = torch.cat([body.tables.clicked(batch["clicks"][k]), body.tables.clicked_where(batch["clicks"][k])], 1)
            for c in range(things.shape[1]):
                t = torch.cat([things[k, c], context[k]])
                hidden = body.of_event(e) + body.of_target(t) + (e * t) @ body.of_product.T
                pooled = body.weigh(torch.nn.functional.silu(hidden)).T @ e * SIZES.last**-0.5
                torch.testing.assert_close(found[k, c, 16:32], pooled[0], atol=1e-5, rtol=1e-4)


def test_vector_sets() -> None:
    parts = torch.tensor([[[1.0, 5.0], [2.0, 3.0], [0.0, 4.0]]])
    union, intersection, difference = vector_sets(parts)[0].split(3)
    assert union.tolist() == [[2.0, 5.0], [1.0, 5.0], [2.0, 4.0]]
    assert intersection.tolist() == [[1.0, 3.0], [0.0, 4.0], [0.0, 3.0]]
    assert difference.tolist() == [[-1.0, 2.0], [1.0, 1.0], [2.0, -1.0]]


@pytest.mark.parametrize("name", list(BODIES))
def test_nothing_of_the_future_moves_a_prediction(name: str, log: ClickLog, split: TimeSplit) -> None:
    """Other clicks after a request, its own clicks and its labels included, leave its logits as they are."""
    from dataclasses import replace

    row = np.array([int(split.test[40])])
    scores = predict(model_of(name, log, split), row)
    own = np.arange(len(log.clicks))
    inside = (own >= log.requests.first[row[0]]) & (own < log.requests.last[row[0]])
    mixed = np.where(inside, log.clicks.items, log.clicks.items[::-1]).astype(np.int32)
    changed = replace(log, clicks=replace(log.clicks, items=mixed), labels=1.0 - log.labels)
    np.testing.assert_array_equal(predict(model_of(name, changed, split), row), scores)
    moved = log.clicks.items.copy()
    moved[inside] = (moved[inside] + 7) % log.n_items
    changed = replace(log, clicks=replace(log.clicks, items=moved))
    assert not np.array_equal(predict(model_of(name, changed, split), row), scores), "the history does count"


def test_a_candidate_does_not_see_the_others(log: ClickLog, split: TimeSplit) -> None:
    model, rows = model_of("fin", log, split), split.test[:30]
    together = predict(model, rows)
    apart = np.concatenate([predict(model, rows[k : k + 1]) for k in range(30)])
    np.testing.assert_allclose(together, apart, atol=1e-5)  # single precision, other shapes of matrices


def test_training_learns_and_resumes_bit_for_bit(tmp_path: Path, log: ClickLog, split: TimeSplit) -> None:
    how = Fitting(epochs=2, batch=40, learning_rate=0.01, weight_decay=0.01, patience=9, seed=1)
    whole, halved = model_of("fin", log, split), model_of("fin", log, split)
    torch.manual_seed(11)
    progress = fit(whole, log, split, how)
    assert progress.losses[-1] < progress.losses[0]
    torch.manual_seed(11)
    path = tmp_path / "fin.npz"
    fit(halved, log, split, Fitting(**{**vars(how), "epochs": 1}), checkpoint=path)
    torch.manual_seed(99)  # the checkpoint brings its own
    fresh = model_of("fin", log, split, seed=77)
    again = fit(fresh, log, split, how, checkpoint=path)
    assert again.losses == progress.losses and again.areas == progress.areas
    np.testing.assert_array_equal(predict(fresh, split.test), predict(whole, split.test))
    with np.load(path, allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files), "nothing pickled"


@pytest.mark.parametrize("damage", [b"", b"not an archive", None])
def test_a_broken_checkpoint_starts_anew(tmp_path: Path, damage: bytes | None, log: ClickLog, split: TimeSplit) -> None:
    path = tmp_path / "x.npz"
    how = Fitting(epochs=1, batch=100, learning_rate=0.01, weight_decay=0.0, patience=2, seed=0)
    if damage is None:
        np.savez(path, progress=np.array("{}"))
    else:
        path.write_bytes(damage)
    assert len(fit(model_of("mean_pooling", log, split), log, split, how, checkpoint=path).losses) == 1


def test_expectation_is_differentiable() -> None:
    """Against finite differences, in double precision."""
    from vqe_prune.engine.statevector import StatevectorEngine

    ansatz, rng = head_circuit(2, 2), np.random.default_rng(4)
    engine = StatevectorEngine(hamiltonian=mean_z(2), ansatz=with_data_as_parameters(ansatz))
    angles = torch.tensor(rng.normal(size=ansatz.n_parameters), requires_grad=True)
    data = torch.tensor(rng.normal(size=(3, 2)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, d: expectation(a, d, engine), (angles, data))


def test_frozen_head_is_the_model_and_prunes(tmp_path: Path, log: ClickLog, split: TimeSplit) -> None:
    settings = parse_settings(
        ["task=ctr", "task.head=circuit", "task.qubits=2", "ansatz.layers=1", "task.epochs=1", "task.compression=2"]
    )
    bench = Bench(
        log=log, split=split, sizes=SIZES, settings=settings, seed=0, threads=1, memory=Memory(tmp_path / "t.jsonl"),
        say=lambda text: None,
    )  # fmt: skip
    full = head_circuit(2, 1)
    task = HeadTask(bench, "mean_pooling", full)
    frozen = task.frozen
    model, _ = bench.fitted("mean_pooling", "circuit", full, frozen.angles)  # read from its checkpoint
    np.testing.assert_allclose(frozen.logits(full, frozen.angles), predict(model, split.test), atol=1e-5)
    value, _ = frozen.binder(10**9)(full).value_and_gradient(frozen.angles)
    labels = log.labels[log.candidates(split.validation)]
    assert value == pytest.approx(log_loss(labels, predict(model, split.validation)), abs=1e-6)
    tuned, curve = task.train(full, frozen.angles, "curvature, tuned")
    assert curve["train"][-1] <= value and len(tuned) == full.n_parameters


def test_area_counts_pairs() -> None:
    rng = np.random.default_rng(6)
    labels, scores = rng.integers(2, size=60), rng.integers(8, size=60).astype(float)
    pairs = scores[labels == 1][:, None] - scores[labels == 0]
    assert area_under_curve(labels, scores) == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
    assert area_under_curve(np.ones(50), np.zeros(50)) is None
