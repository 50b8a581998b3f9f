"""Sub-sequences of long click histories by place and meal time, and sets of items made of them: compiled loops.

A history is walked from its newest click to its oldest, so that a limit keeps the newest; each part is written newest
first. Indices point into the table of clicks, -1 fills the rest.

Source: J. Li et al., Fragment and Integrate Network (FIN): A Novel Spatial-Temporal Modeling Based on Long Sequential
    Behavior for Online Food Ordering Click-Through Rate Prediction, arXiv 2308.15703, gives the four sub-sequences and
    the three set operations; which sub-sequences are joined on item identifiers, and their limits, are ours.
"""
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False, disallow-untyped-decorators=False

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from vqe_prune.tasks.click_logs import ClickLog

FRAGMENTS = ("place", "period", "recent", "both")
"""Clicks at the same place, at the same meal time, the newest, and those at the same place and meal time."""

SETS = ("union", "intersection", "difference")
"""Of the items of the fragments `place` and `period`: in any, in both, in one only."""

PLACE, PERIOD, RECENT, BOTH = range(4)


def cut_fragments(log: ClickLog, rows: NDArray[np.int64], *, events: int, length: int) -> NDArray[np.int32]:
    """Return the clicks of the four fragments of each request's history.

    Args:
        log: The log.
        rows: Requests, (n,).
        events: Newest clicks of a history that are looked at.
        length: Most clicks of a fragment, the newest.

    Returns:
        Indices of clicks, newest first, then -1; shape (n, 4, length), in the order of `FRAGMENTS`.

    """
    requests, clicks = log.requests, log.clicks
    out = np.full((len(rows), len(FRAGMENTS), length), -1, dtype=np.int32)
    where = requests.first[rows], requests.last[rows], requests.places[rows], requests.periods[rows]
    _cut(clicks.places, clicks.periods, *where, events, out)
    return out


def newest_clicks(log: ClickLog, rows: NDArray[np.int64], length: int) -> NDArray[np.int32]:
    """Return the newest clicks of each request's history, newest first, then -1; shape (n, length)."""
    first, last = log.requests.first[rows][:, None], log.requests.last[rows][:, None]
    indices = last - 1 - np.arange(length)
    return np.where(indices >= first, indices, -1).astype(np.int32)


def item_sets(log: ClickLog, fragments: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    """Return union, intersection and difference of the items at the same place and of those at the same meal time.

    With P the items of the fragment `place` and M those of `period`: P or M, P and M, (P or M) without (P and M). An
    item stands for its newest click in either fragment.

    Args:
        log: The log.
        fragments: As `cut_fragments` returns them, (n, 4, any).
        length: Most items of a set, those clicked last.

    Returns:
        Indices of clicks, newest first, then -1; shape (n, 3, length), in the order of `SETS`.

    """
    out = np.full((len(fragments), len(SETS), length), -1, dtype=np.int32)
    _join(log.clicks.items, log.n_items, fragments, out)
    return out


def _kernel(function: Any) -> Any:
    return njit(cache=True, nogil=True, error_model="numpy")(function)


@_kernel
def _cut(click_places, click_periods, first, last, places, periods, events, out):
    length = out.shape[2]
    for row in range(len(first)):
        n_place = n_period = n_recent = n_both = 0
        for k in range(last[row] - 1, max(first[row], last[row] - events) - 1, -1):
            if n_recent < length:
                out[row, RECENT, n_recent] = k
                n_recent += 1
            here, now = click_places[k] == places[row], click_periods[k] == periods[row]
            if here and n_place < length:
                out[row, PLACE, n_place] = k
                n_place += 1
            if now and n_period < length:
                out[row, PERIOD, n_period] = k
                n_period += 1
            if here and now and n_both < length:
                out[row, BOTH, n_both] = k
                n_both += 1


@_kernel
def _join(click_items, n_items, fragments, out):
    in_place, in_period = np.zeros(n_items, dtype=np.int32), np.zeros(n_items, dtype=np.int32)  # last row that had it
    done = np.zeros(n_items, dtype=np.int32)
    length, n_clicks = out.shape[2], fragments.shape[2]
    for row in range(len(fragments)):
        stamp = row + 1
        for j in range(n_clicks):
            if fragments[row, PLACE, j] >= 0:
                in_place[click_items[fragments[row, PLACE, j]]] = stamp
            if fragments[row, PERIOD, j] >= 0:
                in_period[click_items[fragments[row, PERIOD, j]]] = stamp
        a = b = n_union = n_both = n_one = 0
        while True:  # both fragments together, newest first
            left = fragments[row, PLACE, a] if a < n_clicks else -1
            right = fragments[row, PERIOD, b] if b < n_clicks else -1
            k = max(left, right)
            if k < 0:
                break
            a += left == k
            b += right == k
            item = click_items[k]
            if done[item] == stamp:
                continue
            done[item] = stamp
            if n_union < length:
                out[row, 0, n_union] = k
                n_union += 1
            if in_place[item] == stamp and in_period[item] == stamp:
                if n_both < length:
                    out[row, 1, n_both] = k
                    n_both += 1
            elif n_one < length:
                out[row, 2, n_one] = k
                n_one += 1
