"""Sizes of the models of click-through rates, without PyTorch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelSizes:
    """Widths and lengths of the models.

    Attributes:
        width: Length of an embedding.
        heads: Of the multi-head attentions, a divisor of `width`.
        hidden: Width of the head's hidden layer.
        events: Newest clicks of a history that are looked at.
        fragment: Most clicks of a sub-sequence by place or meal time.
        recent: Clicks of the recent sub-sequence, at most `fragment`.
        last: Clicks that the baseline with attention sees.
        set_items: Most items of a set.
        sets: What set operations act on, one of `vqe_prune.ctr_settings.SET_READINGS`.
        dropout: Share of features that training leaves out.

    """

    width: int = 16
    heads: int = 2
    hidden: int = 64
    events: int = 1_000
    fragment: int = 200
    recent: int = 100
    last: int = 100
    set_items: int = 64
    sets: str = "both"
    dropout: float = 0.2
