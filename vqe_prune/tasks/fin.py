"""Click-through-rate models in PyTorch: the fragment and integrate network, and two baselines.

This module imports PyTorch; `vqe_prune.tasks.ctr` imports it when a model is trained. A batch is of n requests with up
to c candidates each: what depends on the history alone is computed once for all candidates of a request.

Source: J. Li et al., Fragment and Integrate Network (FIN): A Novel Spatial-Temporal Modeling Based on Long Sequential
    Behavior for Online Food Ordering Click-Through Rate Prediction, arXiv 2308.15703. *Given* (we know it from its
    abstract and from a description of it, not from its code): four sub-sequences of a lifelong click sequence, a
    simplified attention for each of them, a complicated one for the recent clicks, and an integrate network that makes
    a new sequence by union, intersection and difference and gives it to a complicated attention. *Ours*: the formulas
    of both attentions, what the set operations act on (both readings), all sizes, and the head.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vqe_prune.tasks.click_logs import ClickLog, TimeSplit
from vqe_prune.tasks.ctr_models import ModelSizes
from vqe_prune.tasks.fragments import FRAGMENTS, RECENT, SETS, cut_fragments, item_sets, newest_clicks

NOWHERE = -1e9
"""The logit of clicks that are not there, before a softmax."""

ITEM_SPREAD = 0.01
"""Of first embeddings of items: small, so that a rare item is at first what its category is."""


class Tables(nn.Module):
    """Embedding tables of items, categories, places and meal times, each row of shape (d,).

    An item that training has not seen has the row of unknown items.

    Args:
        log: Its clicks and vocabularies.
        split: Which items training has seen.
        width: Length d of a vector.

    """

    def __init__(self, log: ClickLog, split: TimeSplit, width: int) -> None:
        super().__init__()
        rows = np.where(split.known_items, np.arange(log.n_items), log.n_items)
        self.register_buffer("item_rows", torch.from_numpy(rows), persistent=False)
        self.register_buffer("item_categories", torch.from_numpy(log.categories), persistent=False)
        for name in ("items", "places", "periods"):
            self.register_buffer(f"click_{name}", torch.from_numpy(getattr(log.clicks, name)), persistent=False)
        self.items, self.categories = nn.Embedding(log.n_items + 1, width), nn.Embedding(log.n_categories, width)
        self.places, self.periods = nn.Embedding(log.n_places, width), nn.Embedding(len(log.periods), width)
        nn.init.normal_(self.items.weight, std=ITEM_SPREAD)
        for table in (self.categories, self.places, self.periods):
            nn.init.normal_(table.weight, std=width**-0.5)

    def things(self, items: Tensor) -> Tensor:
        """Return items as vectors, item plus category; shape of the codes and (d,)."""
        if items.numel() < len(self.item_rows):
            return self.items(self.item_rows[items]) + self.categories(self.item_categories[items])
        whole = self.items(self.item_rows) + self.categories(self.item_categories)  # cheaper than two long look-ups
        return functional.embedding(items, whole)

    def contexts(self, places: Tensor, periods: Tensor) -> Tensor:
        """Return where and when as vectors, place plus meal time; shape of the codes and (d,)."""
        return self.places(places) + self.periods(periods)

    def clicked(self, clicks: Tensor) -> Tensor:
        """Return what was clicked as vectors; shape of the indices and (d,)."""
        return self.things(self.click_items[clicks.clamp(min=0)])

    def clicked_where(self, clicks: Tensor) -> Tensor:
        """Return where and when clicks were made as vectors; shape of the indices and (d,)."""
        index = clicks.clamp(min=0)
        return self.contexts(self.click_places[index], self.click_periods[index])


def simplified_attention(targets: Tensor, events: Tensor, present: Tensor) -> Tensor:
    """Return softmax(e . t / sqrt(d)) pooling of events by targets, zero where there are none. Ours.

    Args:
        targets: The candidates t; shape (n, c, d).
        events: The events e; shape (n, length, d).
        present: Which of them there are; shape (n, length).

    Returns:
        Shape (n, c, d).

    """
    logits = targets @ events.transpose(1, 2) * targets.shape[2] ** -0.5
    weights = torch.softmax(logits.masked_fill(~present[:, None], NOWHERE), dim=2) * present[:, None]
    return weights @ events


class TargetAttention(nn.Module):
    """Multi-head attention of targets to a sequence: softmax((W_q t) . (W_k e) / sqrt(d / heads)) W_v e. Ours.

    Args:
        width: Length d of a vector.
        heads: Number of heads, a divisor of `width`.

    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.value, self.out = nn.Linear(width, width, bias=False), nn.Linear(width, width)

    def forward(self, targets: Tensor, events: Tensor, present: Tensor) -> Tensor:
        """Return the attended vectors (n, c, d), the bias alone where there is no event.

        Shapes are as in `simplified_attention`. The key matrix is applied to the query and the value matrix to the
        result: the same function, and nothing of the length of the sequence is multiplied by a matrix.
        """
        n, c, width = targets.shape
        split = (width // self.heads) ** -0.5 * self.query(targets).view(n, c, self.heads, -1)
        keys = self.key.weight.view(self.heads, -1, width)
        asked = torch.einsum("ncha,had->nchd", split, keys).reshape(n, c * self.heads, width)
        pooled = _pooled(asked, events, present).view(n, c, self.heads, width)
        values = self.value.weight.view(self.heads, -1, width)
        return self.out(torch.einsum("nchd,had->ncha", pooled, values).reshape(n, c, width))


def _pooled(asked: Tensor, events: Tensor, present: Tensor) -> Tensor:
    weights = torch.softmax((asked @ events.transpose(1, 2)).masked_fill(~present[:, None], NOWHERE), dim=2)
    return (weights * present[:, None]) @ events


def vector_sets(parts: Tensor) -> Tensor:
    """Return union, intersection and difference of every pair of vectors, read as fuzzy sets: max, min and a - b. Ours.

    Args:
        parts: Vectors of the k fragments; shape (..., k, d).

    Returns:
        All pairs' maxima, then minima, then differences; shape (..., 3 k (k - 1) / 2, d).

    """
    a, b = torch.triu_indices(parts.shape[-2], parts.shape[-2], offset=1)
    first, second = parts[..., a, :], parts[..., b, :]
    return torch.cat([torch.maximum(first, second), torch.minimum(first, second), first - second], dim=-2)


class FragmentIntegrate(nn.Module):
    """The fragment and integrate network up to its head: everything it knows of a candidate as one vector.

    Args:
        log: The log that requests are of.
        split: Which items training has seen.
        sizes: Widths, lengths, and the reading of the set operations.

    """

    def __init__(self, log: ClickLog, split: TimeSplit, sizes: ModelSizes) -> None:
        super().__init__()
        self.log, self.sizes = log, sizes
        self.tables = Tables(log, split, sizes.width)
        self.recent = TargetAttention(sizes.width, sizes.heads)
        self.on_items, self.on_vectors = sizes.sets in ("items", "both"), sizes.sets in ("vectors", "both")
        n_pairs = len(FRAGMENTS) * (len(FRAGMENTS) - 1) // 2
        if self.on_items:
            self.item_attention = TargetAttention(sizes.width, sizes.heads)
            self.set_kinds = nn.Parameter(torch.zeros(len(SETS), 1, sizes.width))
        if self.on_vectors:
            self.vector_attention = TargetAttention(sizes.width, sizes.heads)
            self.pair_kinds = nn.Parameter(torch.zeros(len(SETS) * n_pairs, sizes.width))
        self.n_outputs = n_features(sizes.width, len(FRAGMENTS) + 1 + self.on_items + self.on_vectors)
        self.reach = sizes.events

    def prepare(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return what of the histories of some requests is looked at, as indices of clicks."""
        fragments = cut_fragments(self.log, rows, events=self.sizes.events, length=self.sizes.fragment)
        fragments[:, RECENT, self.sizes.recent :] = -1
        batch = {name: _trimmed(fragments[:, k]) for k, name in enumerate(FRAGMENTS)}
        if self.on_items:
            sets = item_sets(self.log, fragments, self.sizes.set_items)
            batch["sets"] = torch.from_numpy(sets)
        return batch

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the features of candidates; shape (n, c, n_outputs)."""
        targets = self.tables.things(batch["items"])
        parts = []
        for name in FRAGMENTS:
            events = self.tables.clicked(batch[name])
            parts.append(simplified_attention(targets, events, batch[name] >= 0))
            if name == "recent":
                recent = self.recent(targets, events, batch[name] >= 0)
        found = [*parts, recent]
        if self.on_items:
            sets = batch["sets"]
            joined = (self.tables.clicked(sets) + self.set_kinds).flatten(1, 2)
            found.append(self.item_attention(targets, joined, (sets >= 0).flatten(1)))
        if self.on_vectors:
            joined = (vector_sets(torch.stack(parts, dim=2)) + self.pair_kinds).flatten(0, 1)
            there = torch.ones(joined.shape[:2], dtype=torch.bool)
            found.append(self.vector_attention(targets.flatten(0, 1)[:, None], joined, there).view_as(targets))
        return features(targets, self.tables.contexts(batch["places"], batch["periods"]), found)


class LastClicks(nn.Module):
    """A baseline like the deep interest network: an activation unit weighs the last clicks, whose sum is taken.

    The weight of a click e for a target t is a perceptron of (e, t, e - t, e * t), not normalised, as in the paper.
    Both hold thing and context side by side, so that the unit can go by place and meal time; what it lacks is length.

    Args:
        log: The log that requests are of.
        split: Which items training has seen.
        sizes: Widths and lengths.

    Source: G. Zhou et al., Deep Interest Network for Click-Through Rate Prediction, arXiv 1706.06978; the sizes, the
        scale of the sum and the activation (SiLU) are ours.

    """

    def __init__(self, log: ClickLog, split: TimeSplit, sizes: ModelSizes) -> None:
        super().__init__()
        self.log, self.sizes, width = log, sizes, 2 * sizes.width
        self.tables = Tables(log, split, sizes.width)
        self.of_event, self.of_target = nn.Linear(width, UNIT), nn.Linear(width, UNIT, bias=False)
        self.of_product = nn.Parameter(torch.empty(UNIT, width).uniform_(-1, 1) * width**-0.5)
        self.weigh = nn.Linear(UNIT, 1)
        self.n_outputs, self.reach = n_features(sizes.width, 2), sizes.last

    def prepare(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the last clicks before some requests, as indices."""
        return {"clicks": torch.from_numpy(newest_clicks(self.log, rows, self.sizes.last))}

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the features of candidates; shape (n, c, n_outputs)."""
        clicks, things = batch["clicks"], self.tables.things(batch["items"])
        context = self.tables.contexts(batch["places"], batch["periods"])
        targets = torch.cat([things, context[:, None].expand_as(things)], dim=2)
        events = torch.cat([self.tables.clicked(clicks), self.tables.clicked_where(clicks)], dim=2)
        n, c, width = targets.shape
        # a linear layer of (e, t, e - t, e * t) is one of e, one of t and one of e * t
        products = events @ (targets[:, :, None] * self.of_product).view(n, c * UNIT, width).transpose(1, 2)
        hidden = products.view(n, -1, c, UNIT) + self.of_event(events)[:, :, None] + self.of_target(targets)[:, None]
        weights = self.weigh(functional.silu(hidden))[..., 0] * (clicks >= 0)[:, :, None]
        pooled = weights.transpose(1, 2) @ events * self.sizes.last**-0.5
        return features(things, context, list(pooled.split(self.sizes.width, dim=2)))


UNIT = 32
"""Width of the activation unit."""


class MeanPooling(nn.Module):
    """A baseline that takes the mean of the whole history: of what was clicked, and of where and when.

    Args:
        log: The log that requests are of.
        split: Which items training has seen.
        sizes: Widths and lengths.

    """

    def __init__(self, log: ClickLog, split: TimeSplit, sizes: ModelSizes) -> None:
        super().__init__()
        self.log, self.sizes = log, sizes
        self.tables = Tables(log, split, sizes.width)
        self.n_outputs, self.reach = n_features(sizes.width, 2), sizes.events

    def prepare(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the whole histories of some requests, as indices."""
        return {"clicks": torch.from_numpy(newest_clicks(self.log, rows, self.sizes.events))}

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the features of candidates; shape (n, c, n_outputs)."""
        clicks, things = batch["clicks"], self.tables.things(batch["items"])
        there = (clicks >= 0).float()[:, None]
        share = there / there.sum(2, keepdim=True).clamp(min=1.0)
        means = [share @ self.tables.clicked(clicks), share @ self.tables.clicked_where(clicks)]
        context = self.tables.contexts(batch["places"], batch["periods"])
        return features(things, context, [mean.expand_as(things) for mean in means])


def features(targets: Tensor, context: Tensor, found: list[Tensor]) -> Tensor:
    """Return targets, context, and what was found in the history with its product with the target, side by side.

    Args:
        targets: Candidates; shape (n, c, d).
        context: Of the requests; shape (n, d).
        found: Each of shape (n, c, d).

    """
    products = [(each * targets).sum(2, keepdim=True) for each in found]
    return torch.cat([targets, context[:, None].expand_as(targets), *found, *products], dim=2)


def n_features(width: int, n_found: int) -> int:
    """Return how many numbers `features` gives for a candidate."""
    return (2 + n_found) * width + n_found


class DenseHead(nn.Module):
    """A perceptron from features, brought to mean 0 and variance 1, to the logit of a click.

    Args:
        n_inputs: Number of features.
        width: Of the hidden layer, 0 for none.
        dropout: Share of numbers left out in training.

    """

    def __init__(self, n_inputs: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        hidden = [nn.Linear(n_inputs, width), nn.SiLU(), nn.Dropout(dropout)] if width else []
        last = nn.Linear(width or n_inputs, 1)
        self.layers = nn.Sequential(nn.BatchNorm1d(n_inputs), nn.Dropout(dropout), *hidden, last)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits; shape (...,) for inputs of (..., n_inputs)."""
        return self.layers(inputs)[..., 0]


class ClickModel(nn.Module):
    """A body that makes features of candidates and a head that makes logits of them.

    Args:
        body: One of the networks above.
        head: From (n, body.n_outputs) to (n,).

    """

    def __init__(self, body: Any, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def batch(self, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return all that the model looks at of some requests; labels are one after another."""
        log = self.body.log
        shown = log.candidates(rows)
        counts = log.requests.shown[rows + 1] - log.requests.shown[rows]
        there = np.arange(counts.max()) < counts[:, None]
        items = np.zeros(there.shape, dtype=np.int32)
        items[there] = log.items[shown]
        own = {"items": items, "there": there, "labels": log.labels[shown]}
        own |= {"places": log.requests.places[rows], "periods": log.requests.periods[rows]}
        return {name: torch.from_numpy(values) for name, values in own.items()} | self.body.prepare(rows)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the logits of all candidates, one after another; shape (n_candidates,)."""
        return self.head(self.body(batch)[batch["there"]])


def _trimmed(clicks: NDArray[np.int32]) -> Tensor:
    """As a tensor, without columns in which there is nothing; at least one is left."""
    longest = max(int((clicks >= 0).sum(axis=1).max()), 1)
    return torch.from_numpy(np.ascontiguousarray(clicks[:, :longest]))


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean binary cross-entropy, in nats."""
    return functional.binary_cross_entropy_with_logits(logits, labels)


BODIES: dict[str, Any] = {"fin": FragmentIntegrate, "din": LastClicks, "mean_pooling": MeanPooling}
"""Networks by the names of `task.models`."""
