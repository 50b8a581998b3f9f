"""Logs of clicks with places and times: what was clicked before, what was shown, and an honest split by time.

All clicks lie in one table, those of a user (or of one row of a published log) one after another, oldest first. A
request is a moment at which a user was shown candidates at a place: it has the range of clicks that lie before it. Its
own clicks are never in that range: where times are known, that is checked when a log is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.errors import InputError

Codes = NDArray[np.int32]
Places = NDArray[np.int64]

PERIODS = {"breakfast": (5, 10), "lunch": (10, 14), "afternoon": (14, 17), "dinner": (17, 21), "night": (21, 29)}
"""Meal times: first hour and the hour after the last, local time; the night goes on to the next morning. Ours."""

FRACTIONS = (0.7, 0.1, 0.2)
"""Of the requests, in the order of time: training, validation, test."""

FEWEST = 10
"""Fewer clicks or non-clicks in a part of a log give an AUC that means nothing."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Clicks:
    """What was clicked, a user's clicks one after another and oldest first.

    Attributes:
        items: Code of the item from 0; shape (n_clicks,).
        places: Code of the place; shape (n_clicks,).
        periods: Code of the meal time; shape (n_clicks,).
        times: Seconds, or None where a log does not tell; shape (n_clicks,).

    """

    items: Codes
    places: Codes
    periods: Codes
    times: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, eq=False, kw_only=True)
class Requests:
    """Moments at which candidates were shown.

    Attributes:
        places: Code of the place; shape (n_requests,).
        periods: Code of the meal time; shape (n_requests,).
        times: Seconds, ascending; shape (n_requests,).
        first: First click of the history, an index into the clicks; shape (n_requests,).
        last: One past the last click of the history; shape (n_requests,).
        shown: First candidate of each request and, last, the number of candidates; shape (n_requests + 1,).

    """

    places: Codes
    periods: Codes
    times: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    shown: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True, eq=False, kw_only=True)
class ClickLog:
    """Clicks, requests and candidates with the sizes of their vocabularies.

    Attributes:
        name: What the log is.
        clicks: All clicks.
        requests: All requests, earliest first.
        items: Code of each candidate, those of a request one after another; shape (n_samples,).
        labels: 1.0 where the candidate was clicked, else 0.0; shape (n_samples,).
        categories: Category of each item; shape (n_items,).
        n_categories: Number of categories.
        n_places: Number of places.
        periods: Names of the meal times.

    Raises:
        ValueError: A history has a click that is not earlier than its request, or tables do not fit each other.

    """

    name: str
    clicks: Clicks
    requests: Requests
    items: Codes
    labels: NDArray[np.float32]
    categories: Codes
    n_categories: int
    n_places: int
    periods: tuple[str, ...]

    def __post_init__(self) -> None:
        requests, times = self.requests, self.clicks.times
        if np.any(np.diff(requests.times) < 0):
            raise ValueError("Argument `requests` must be ordered by time, but some are earlier than those before them")
        if np.any(requests.last < requests.first) or np.any(requests.last > len(self.clicks)):
            raise ValueError("Argument `requests` must name ranges of clicks, but some are none")
        if requests.shown[-1] != len(self.items) or np.any(np.diff(requests.shown) < 1):
            raise ValueError("Argument `requests` must share out all candidates, but some have none or are left over")
        if times is not None and len(times):
            some = requests.last > requests.first
            late = times[requests.last[some] - 1] >= requests.times[some]
            if late.any():
                raise ValueError(f"A history must lie before its request, but {int(late.sum())} have later clicks")

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.categories)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Clicks before each request; shape (n_requests,)."""
        return self.requests.last - self.requests.first

    def candidates(self, rows: Places) -> Places:
        """Return the candidates of some requests, in their order."""
        shown = self.requests.shown
        lengths = shown[rows + 1] - shown[rows]
        starts = np.repeat(shown[rows] - (np.cumsum(lengths) - lengths), lengths)
        return starts + np.arange(lengths.sum())

    def summary(self) -> str:
        """Return one line on what is in the log."""
        lengths = self.lengths
        return (
            f"{self.name}: {len(self.requests):,} requests with {len(self.items):,} candidates, "
            f"{100 * self.labels.mean():.1f} % clicked; {np.median(lengths):,.0f} clicks before a request (median, "
            f"most {lengths.max():,}), {self.n_items:,} items, {self.n_categories} categories, {self.n_places} places"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class TimeSplit:
    """A log's requests by time: training lies before validation, validation before the test.

    Attributes:
        training: Rows of the requests.
        validation: Likewise.
        test: Likewise.
        known_items: Whether an item occurs among the candidates of training or in their histories; shape (n_items,).

    """

    training: Places
    validation: Places
    test: Places
    known_items: NDArray[np.bool_]


def split_by_time(log: ClickLog, fractions: tuple[float, float, float] = FRACTIONS) -> TimeSplit:
    """Split a log's requests by time; requests of the same moment stay together.

    Args:
        log: The log.
        fractions: Of the requests, for training, validation and test.

    Returns:
        The split, with the items that training has seen: others have no embedding of their own.

    Raises:
        InputError: A part would have fewer than `FEWEST` clicks or non-clicks.

    """
    times, n = log.requests.times, len(log.requests)
    ends = [int(np.searchsorted(times, times[min(int(n * share), n - 1)])) for share in np.cumsum(fractions)[:2]]
    parts = [np.arange(*limits, dtype=np.int64) for limits in ((0, ends[0]), (ends[0], ends[1]), (ends[1], n))]
    for name, rows in zip(("training", "validation", "test"), parts, strict=True):
        labels = log.labels[log.candidates(rows)]
        positive = int(labels.sum())
        if min(positive, len(labels) - positive) < FEWEST:
            raise InputError(
                f"{log.name}: the {name} part, a span of time, has {positive} clicks among {len(labels)} candidates, "
                f"too few for an AUC; give more data"
            )
    known = np.zeros(log.n_items, dtype=np.bool_)
    known[log.items[log.candidates(parts[0])]] = True
    known[log.clicks.items[_covered(log, parts[0])]] = True
    return TimeSplit(training=parts[0], validation=parts[1], test=parts[2], known_items=known)


def _covered(log: ClickLog, rows: Places) -> NDArray[np.bool_]:
    """Which clicks lie in the history of at least one of some requests; shape (n_clicks,)."""
    ends = np.zeros(len(log.clicks) + 1, dtype=np.int64)
    np.add.at(ends, log.requests.first[rows], 1)
    np.add.at(ends, log.requests.last[rows], -1)
    return np.cumsum(ends)[:-1] > 0


def period_of_hour(hours: NDArray[Any]) -> Codes:
    """Return the code of the meal time of each hour of the day, local time.

    >>> [list(PERIODS)[code] for code in period_of_hour(np.array([4, 5, 12, 15, 18, 23]))]
    ['night', 'breakfast', 'lunch', 'afternoon', 'dinner', 'night']
    """
    table = np.empty(24, dtype=np.int32)
    for code, (begin, end) in enumerate(PERIODS.values()):
        table[[hour % 24 for hour in range(begin, end)]] = code
    return table[np.asarray(hours, dtype=np.int64) % 24]


def histories_before(
    click_users: NDArray[Any], click_times: NDArray[np.float64], users: NDArray[Any], times: NDArray[np.float64]
) -> tuple[Places, Places]:
    """Return, for each request, the first and one past the last click of its user strictly before its time.

    Args:
        click_users: User of each click, ascending; shape (n_clicks,).
        click_times: Seconds, ascending for each user; shape (n_clicks,).
        users: User of each request; shape (n_requests,).
        times: Its time in seconds; shape (n_requests,).

    """
    first = np.searchsorted(click_users, users, side="left").astype(np.int64)
    end = np.searchsorted(click_users, users, side="right").astype(np.int64)
    last = np.empty_like(first)
    order = np.argsort(users, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(users[order])) + 1):
        lo, hi = first[rows[0]], end[rows[0]]
        last[rows] = lo + np.searchsorted(click_times[lo:hi], times[rows], side="left")
    return first, last
