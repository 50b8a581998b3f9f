"""Made-up click logs with a planted structure: what a user likes depends on where and when.

Every user likes a few categories anywhere, has a few places, and for each place, each meal time and each pair of both
a few more categories that are liked there and then. Clicks follow these likings. Users stay at one of their places for
some hundred clicks, then at another, so that the last hundred clicks tell little about the other places, and the whole
history tells much: that is what a model of long sequences by place and time can find and a model of the last clicks
cannot. All of it is ours; it shows that a model finds such a structure, not how strong it is in real logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.tasks.click_logs import PERIODS, ClickLog, Clicks, Requests, histories_before

BETWEEN = 86_400.0 / 3
"""Seconds between two clicks, on average."""


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """Sizes and strengths of a made-up log.

    Attributes:
        n_users: Users.
        clicks_each: Clicks of a user before the first request; those of the requests follow.
        requests_each: Requests of a user.
        shown: Candidates of a request, each of another category.
        n_places: Places in all.
        places_each: Places of a user.
        n_categories: Categories; every place has `items_each` items of each.
        items_each: Items of a category at a place.
        liked: Categories liked anywhere, at a place, at a meal time, and at both together.
        stay: Clicks that a user makes from one place, but for a few, before going on to another.
        loyalty: Share of these clicks that are made at that place; the others are made at any.
        user_strength: Log-odds that a liking of the user, wherever and whenever, adds.
        place_strength: Log-odds that a liking for the place adds.
        period_strength: Log-odds that a liking for the meal time adds.
        both_strength: Log-odds that a liking for place and meal time together adds.
        base: Log-odds of a click without any liking.

    """

    n_users: int = 240
    clicks_each: int = 1_200
    requests_each: int = 60
    shown: int = 5
    n_places: int = 24
    places_each: int = 4
    n_categories: int = 20
    items_each: int = 3
    liked: int = 3
    stay: int = 150
    loyalty: float = 0.85
    user_strength: float = 1.5
    place_strength: float = 1.0
    period_strength: float = 1.0
    both_strength: float = 3.0
    base: float = -2.4


@dataclass(frozen=True, eq=False, kw_only=True)
class _Users:
    """Places of each user, (n_users, places_each), and log-odds of a click, (..., n_periods, n_categories)."""

    places: NDArray[np.int64]
    log_odds: NDArray[np.float64]


def synthetic_log(seed: int, sizes: Synthetic | None = None) -> ClickLog:
    """Return a made-up log whose clicks depend on place and meal time.

    A candidate of category c, shown to user u at place p and meal time m, is clicked with the log-odds

        base + user_strength [c in L(u)] + place_strength [c in L(u,p)] + period_strength [c in L(u,m)]
        + both_strength [c in L(u,p,m)],

    L random sets of `liked` categories. Clicks before are drawn from the categories with these odds. Requests come from
    all places of a user alike, whichever one the user stays at, and candidates from all categories alike, so that
    nothing but the history tells a click. A clicked candidate is a click of later histories.

    Args:
        seed: Of all random numbers.
        sizes: Sizes and strengths.

    """
    sizes, rng = sizes or Synthetic(), np.random.default_rng(seed)
    users, n_periods = _draw_users(sizes, rng), len(PERIODS)
    n, early, late = sizes.n_users, sizes.clicks_each, sizes.requests_each
    user, step = np.divmod(np.arange(n * early), early)
    slot, period = _stays(sizes, rng), rng.integers(n_periods, size=n * early)
    odds = users.log_odds[user, slot, period]
    category = (odds + rng.gumbel(size=odds.shape)).argmax(axis=1)
    clicks = _rows(sizes, rng, users.places[user, slot], category)
    clicks |= {"user": user, "period": period, "time": (step + rng.random(n * early)) * BETWEEN}

    user = np.repeat(np.arange(n), late)
    slot, period = rng.integers(sizes.places_each, size=n * late), rng.integers(n_periods, size=n * late)
    time = (early + np.sort(rng.random((n, late)), axis=1).ravel() * late) * BETWEEN
    order = np.argsort(time, kind="stable")
    user, slot, period, time = user[order], slot[order], period[order], time[order]
    shown = rng.random((n * late, sizes.n_categories)).argsort(axis=1)[:, : sizes.shown].ravel()
    whose = np.repeat(np.arange(n * late), sizes.shown)
    candidates = _rows(sizes, rng, users.places[user, slot][whose], shown)
    odds = users.log_odds[user[whose], slot[whose], period[whose], shown]
    label = rng.random(len(odds)) < 1.0 / (1.0 + np.exp(-odds))
    candidates |= {"user": user[whose], "period": period[whose], "time": time[whose]}
    merged = {key: np.concatenate([clicks[key], candidates[key][label]]) for key in clicks}
    in_order = np.lexsort((merged["time"], merged["user"]))
    merged = {key: values[in_order] for key, values in merged.items()}
    first, last = histories_before(merged["user"], merged["time"], user, time)
    codes = {key: merged[key].astype(np.int32) for key in ("item", "place", "period")}
    return ClickLog(
        name=f"synthetic log, seed {seed}",
        clicks=Clicks(items=codes["item"], places=codes["place"], periods=codes["period"], times=merged["time"]),
        requests=Requests(
            places=users.places[user, slot].astype(np.int32),
            periods=period.astype(np.int32),
            times=time,
            first=first,
            last=last,
            shown=np.arange(n * late + 1) * sizes.shown,
        ),
        items=candidates["item"].astype(np.int32),
        labels=label.astype(np.float32),
        categories=_categories(sizes),
        n_categories=sizes.n_categories,
        n_places=sizes.n_places,
        periods=tuple(PERIODS),
    )


def _draw_users(sizes: Synthetic, rng: np.random.Generator) -> _Users:
    n, own, n_periods = sizes.n_users, sizes.places_each, len(PERIODS)

    def likings(*shape: int) -> NDArray[np.float64]:
        ranks = rng.random((*shape, sizes.n_categories)).argsort(axis=-1).argsort(axis=-1)
        return (ranks < sizes.liked).astype(np.float64)

    places = rng.random((n, sizes.n_places)).argsort(axis=1)[:, :own]
    log_odds = sizes.base + sizes.user_strength * likings(n)[:, None, None]
    log_odds = log_odds + sizes.place_strength * likings(n, own)[:, :, None]
    log_odds = log_odds + sizes.period_strength * likings(n, n_periods)[:, None]
    return _Users(places=places, log_odds=log_odds + sizes.both_strength * likings(n, own, n_periods))


def _stays(sizes: Synthetic, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which of the user's places each early click is made from, users one after another."""
    n_stays = -(-sizes.clicks_each // sizes.stay)
    stays = rng.integers(sizes.places_each, size=(sizes.n_users, n_stays))
    home = stays.repeat(sizes.stay, axis=1)[:, : sizes.clicks_each]
    away = rng.integers(sizes.places_each, size=home.shape)
    return np.where(rng.random(home.shape) < sizes.loyalty, home, away).ravel()


def _rows(
    sizes: Synthetic, rng: np.random.Generator, place: NDArray[np.int64], category: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Places and items: an item belongs to a place and a category."""
    shelf = (place * sizes.n_categories + category) * sizes.items_each
    return {"place": place, "item": shelf + rng.integers(sizes.items_each, size=len(place))}


def _categories(sizes: Synthetic) -> NDArray[np.int32]:
    """Category of each item."""
    shelves = np.arange(sizes.n_places * sizes.n_categories) % sizes.n_categories
    return shelves.repeat(sizes.items_each).astype(np.int32)
