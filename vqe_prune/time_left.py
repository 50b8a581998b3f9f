"""How long a computation has still to go, from what it has done so far: nothing where that says nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

FEWEST_STEPS = 8
"""Before these nothing is said of an optimiser."""

ROUNDING = 1e-14
"""Decrease of an energy, relative to it, below which an optimiser ends: no gradient shows any more."""

AGREEMENT = 2.0
"""Two forecasts of the end, now and from three quarters of the steps, may differ by this factor."""


def steps_left(values: Sequence[float]) -> float | None:
    """Return about how many steps an optimiser has still to go, None where its past does not tell.

    Near a minimum the value falls by about the same factor each step. Of the last n of the decreases
    d_j = values[j] - values[j + 1], half of all, let a and b be the means over the older and the newer n / 2: the rate
    is r = 2 log(a / b) / n, and log(b / (1e-14 |value|)) / r steps remain. They count from b, not from the last step:
    the n / 4 steps between, at most, stand for those at the end that rounding no longer lets fall. Where three quarters
    of the steps foresaw an end twice as early or late, as on a plateau, nothing is said. Our own;
    ``benchmarks/progress.py`` compares it with what happened.

    Args:
        values: Of every step so far.

    """
    now, before = _forecast(values), _forecast(values[: 3 * len(values) // 4])
    if now is None or before is None:
        return None
    ends = len(values) + now, 3 * len(values) // 4 + before
    return now if max(ends) <= AGREEMENT * min(ends) else None


def _forecast(values: Sequence[float]) -> float | None:
    if len(values) < FEWEST_STEPS:
        return None
    decreases = [max(first - second, 0.0) for first, second in pairwise(values)]
    recent = decreases[len(decreases) // 2 :]
    half = len(recent) // 2
    older, newer = sum(recent[:half]) / half, sum(recent[-half:]) / half
    smallest = ROUNDING * max(1.0, abs(values[-1]))
    if not smallest < newer < older:
        return None
    rate = math.log(older / newer) / (len(recent) - half)
    return math.log(newer / smallest) / rate


def duration(seconds: float) -> str:
    """Return a time in words, as exact as anyone wants to know it.

    >>> duration(0.004), duration(7.6), duration(95), duration(7500)
    ('1 s', '8 s', '1 min 35 s', '2 h 5 min')

    """
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{round(whole / 60)} min"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"
