"""Click logs out of files: the published Ele.me log, and Foursquare check-ins made into next-visit click data.

*Ele.me*: comma separated rows of 39 columns without a header, lists inside a column separated by semicolons. What we
could verify, in three independent public programs that read the data set (Tianchi 131047, released with the papers on
StEN and BASM): the columns and their order (`COLUMNS`), the separators, labels 0 and 1, hours 0 to 23, empty fields,
files named D1_0.csv, D3_1.csv and so on by day. What we could not: the unit and sign of ``timediff_list`` and the order
of the lists (we order them by it, the smallest last), the names of ``time_type``, and any row of the data itself.

*Foursquare*: tab separated rows of user, venue, category id, category name, latitude, longitude, minutes from UTC, and
UTC time as ``Tue Apr 03 18:00:09 +0000 2012``: dataset_TSMC2014_NYC.txt and _TKY.txt of D. Yang et al., Modeling User
Activity Preference by Leveraging User Spatial Temporal Characteristics in LBSNs, IEEE TSMC 45 (2015).
"""

from __future__ import annotations

import calendar
import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.errors import InputError, first_line, shortened
from vqe_prune.files import check_ordinary, lines_of
from vqe_prune.tasks.click_logs import PERIODS, ClickLog, Clicks, Requests, histories_before, period_of_hour

COLUMNS = (
    "clicked", "user_id", "gender", "visit_city", "avg_price", "is_supervip", "ctr_30", "ord_30", "total_amt_30",
    "shop_id", "item_id", "city_id", "district_id", "shop_aoi_id", "shop_geohash_6", "shop_geohash_12", "brand_id",
    "category_1_id", "merge_standard_food_id", "rank_7", "rank_30", "rank_90", "shop_id_list", "item_id_list",
    "category_1_id_list", "merge_standard_food_id_list", "brand_id_list", "price_list", "shop_aoi_id_list",
    "shop_geohash6_list", "timediff_list", "hours_list", "time_type_list", "weekdays_list", "times", "hours",
    "time_type", "weekdays", "geohash12",
)  # fmt: skip
"""Of the Ele.me log."""

LISTS = ("item_id_list", "category_1_id_list", "shop_geohash6_list", "time_type_list", "timediff_list")
"""What is read of the history."""

LONGEST_LINE = 1 << 23
"""Characters; a file without lines would be read into memory as a whole."""

LONGEST_FIELD = 1 << 22
"""Characters; the csv module's own limit is too low for long lists."""

CELL_CHARACTERS = 5
"""Of a geohash that makes a place of check-ins: a cell of some 5 km."""


def eleme_log(source: Path, rows: int) -> ClickLog:
    """Return the log of Ele.me files: each row one candidate, with its own history.

    Place is the shop's geohash of six characters, for candidates and history alike, the only one that both have; meal
    time is ``time_type``. Rows in a row with the same user, hour, meal time and history are one request. Time is the
    day in the file's name and the hour; where the day is missing, one file is one day, in the order of their names.

    Args:
        source: A file, or a folder with files D1_0.csv and so on.
        rows: Most rows of each file.

    Raises:
        InputError: A file cannot be read, or a row is not of this kind.

    """
    files = sorted(source.glob("*.csv")) if source.is_dir() else [source]
    if not files:
        raise InputError(f"task.data_dir={source} holds no .csv file; it should hold D1_0.csv and others of Ele.me")
    codes: dict[str, dict[str, int]] = defaultdict(dict)
    table = _Growing()
    for number, path in enumerate(files):
        found = re.match(r"D(\d+)", path.name)
        day = int(found[1]) if found else number
        for line, row in _eleme_rows(path, rows):
            _add_eleme_row(table, codes, row, day, f"{path}, line {line}")
    if not table.labels:
        raise InputError(f"{files[0]}: no row of an Ele.me log")
    return table.log(f"Ele.me, {len(files)} file{'s' if len(files) > 1 else ''}", codes, list(codes["period"]))


def _eleme_rows(path: Path, rows: int) -> Iterator[tuple[int, dict[str, str]]]:
    csv.field_size_limit(LONGEST_FIELD)
    check_ordinary(path, str(path))
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line, row in enumerate(csv.reader(lines_of(file, str(path), LONGEST_LINE)), 1):
                if (line == 1 and row[:1] in (["label"], ["clicked"])) or not row:
                    continue
                if line > rows:
                    return
                if len(row) != len(COLUMNS):
                    raise InputError(
                        f"{path}, line {line}: {len(row)} columns, not the {len(COLUMNS)} of an Ele.me log"
                    )
                yield line, dict(zip(COLUMNS, row, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as an Ele.me log ({first_line(error)})") from error


def _add_eleme_row(
    table: _Growing, codes: dict[str, dict[str, int]], row: dict[str, str], day: int, where: str
) -> None:
    """Add a row's candidate, and its request where that is a new one."""
    if row["clicked"] not in ("0", "1"):
        raise InputError(f"{where}: clicked is {shortened(row['clicked'])!r}, not 0 or 1")
    try:
        hour = int(row["hours"] or 0)
    except ValueError:
        raise InputError(f"{where}: hours is {shortened(row['hours'])!r}, not a whole number") from None
    period, place = _code(codes["period"], row["time_type"]), _code(codes["place"], row["shop_geohash_6"])
    item = _code(codes["item"], row["item_id"])
    table.categories.setdefault(item, _code(codes["category"], row["category_1_id"]))
    key = (row["user_id"], day, hour, period, place, *(row[name] for name in LISTS))
    if key != table.key:
        items, kinds = _listed(row["item_id_list"]), _listed(row["category_1_id_list"])
        places, periods = _listed(row["shop_geohash6_list"]), _listed(row["time_type_list"])
        lengths = {len(each) for each in (items, kinds, places, periods)}
        if len(lengths) > 1:
            raise InputError(f"{where}: lists of items, categories, places and meal times of lengths {sorted(lengths)}")
        for k in _oldest_first(_listed(row["timediff_list"]), len(items)):
            past = _code(codes["item"], items[k])
            table.categories.setdefault(past, _code(codes["category"], kinds[k]))
            table.clicks.append((past, _code(codes["place"], places[k]), _code(codes["period"], periods[k])))
        table.begin(key, place, period, 3600.0 * (24 * day + hour), len(items))
    table.show(item, row["clicked"] == "1")


def _oldest_first(ages: Sequence[str], n: int) -> list[int]:
    """Places in a list from the largest time difference to the smallest; as they are where there are none."""
    try:
        values = [float(age) for age in ages]
    except ValueError:
        values = []
    return sorted(range(n), key=lambda k: -values[k]) if len(values) == n else list(range(n))


def _listed(text: str) -> list[str]:
    return text.split(";") if text else []


def _code(known: dict[str, int], name: str) -> int:
    return known.setdefault(name, len(known))


class _Growing:
    """A log that grows row by row."""

    def __init__(self) -> None:
        self.key: tuple[Any, ...] | None = None
        self.clicks: list[tuple[int, int, int]] = []
        self.requests: list[tuple[int, int, float, int, int]] = []
        self.shown: list[int] = []
        self.items: list[int] = []
        self.labels: list[bool] = []
        self.categories: dict[int, int] = {}

    def begin(self, key: tuple[Any, ...], place: int, period: int, time: float, n_clicks: int) -> None:
        """Begin a request, whose history are the clicks added last."""
        self.key = key
        self.requests.append((place, period, time, len(self.clicks) - n_clicks, len(self.clicks)))
        self.shown.append(len(self.items))

    def show(self, item: int, clicked: bool) -> None:
        """Add a candidate to the last request."""
        self.items.append(item)
        self.labels.append(clicked)

    def log(self, name: str, codes: dict[str, dict[str, int]], periods: Sequence[str]) -> ClickLog:
        """Return the log, requests ordered by time."""
        places, meal_times, times, first, last = (np.array(column) for column in zip(*self.requests, strict=True))
        order = np.argsort(times, kind="stable")
        ends = np.append(self.shown, len(self.items))
        counts = np.diff(ends)[order]
        rows = np.concatenate([np.arange(ends[k], ends[k + 1]) for k in order])
        clicks = np.array(self.clicks, dtype=np.int32).reshape(-1, 3)
        return ClickLog(
            name=name,
            clicks=Clicks(
                items=clicks[:, 0].copy(), places=clicks[:, 1].copy(), periods=clicks[:, 2].copy(), times=None
            ),
            requests=Requests(
                places=places[order].astype(np.int32),
                periods=meal_times[order].astype(np.int32),
                times=times[order].astype(np.float64),
                first=first[order].astype(np.int64),
                last=last[order].astype(np.int64),
                shown=np.append(0, np.cumsum(counts)),
            ),
            items=np.array(self.items, dtype=np.int32)[rows],
            labels=np.array(self.labels, dtype=np.float32)[rows],
            categories=np.array([self.categories[item] for item in range(len(codes["item"]))], dtype=np.int32),
            n_categories=len(codes["category"]),
            n_places=len(codes["place"]),
            periods=tuple(text or "unnamed" for text in periods),
        )


def foursquare_log(source: Path, *, negatives: int, fewest: int, seed: int) -> ClickLog:
    """Return next-visit click data out of check-ins: the venue that was visited, and some that were not.

    A check-in is a click. From a user's check-in number `fewest` on, each one is a request at the cell of the venue
    that was visited then (the user is there): that venue is clicked, and `negatives` others are not, drawn evenly, by
    seed, from the venues of the same cell where somebody checked in before. Candidates share cell and moment, so that
    neither tells the click, and a venue where nobody was before is no candidate, clicked or not, so that novelty does
    not tell it either. Venues that are visited more often are clicked more often: that stays.

    Args:
        source: The file.
        negatives: Candidates of a request that are not clicked; a cell with fewer known venues repeats none of them.
        fewest: Check-ins of a user before the first request.
        seed: Of the draw.

    Raises:
        InputError: The file cannot be read, or a row is not of this kind.

    """
    codes: dict[str, dict[str, int]] = defaultdict(dict)
    columns = [_check_in(codes, row, where) for where, row in _foursquare_rows(source)]
    if not columns:
        raise InputError(f"{source}: no check-in")
    user, venue, category, place, period, time = (np.array(column) for column in zip(*columns, strict=True))
    order = np.lexsort((time, user))
    user, venue, place, period, time = (each[order] for each in (user, venue, place, period, time))
    categories, home = np.zeros(len(codes["venue"]), dtype=np.int32), np.zeros(len(codes["venue"]), dtype=np.int32)
    categories[venue], home[venue] = category[order], place  # of a venue with several, those of its last row
    place = home[venue]
    known_since = np.full(len(categories), np.inf)
    np.minimum.at(known_since, venue, time)
    first, last = histories_before(user, time, user, time)
    asked = np.flatnonzero((last - first >= fewest) & (known_since[venue] < time))
    asked = asked[np.argsort(time[asked], kind="stable")]
    others = _draw_others(venue[asked], time[asked], home, known_since, negatives, seed)
    some = np.array([len(each) > 0 for each in others], dtype=np.bool_)
    asked, others = asked[some], [each for each in others if len(each)]
    if not len(asked):
        raise InputError(f"{source}: no user has {fewest} check-ins and then one at a venue known by then")
    shown = [np.append(venue[row], other) for row, other in zip(asked, others, strict=True)]
    counts = np.array([len(each) for each in shown])
    ends = np.append(0, np.cumsum(counts))
    labels = np.zeros(ends[-1], dtype=np.float32)
    labels[ends[:-1]] = 1.0
    return ClickLog(
        name=f"check-ins of {source.name}, {negatives} venues not visited for each visited one, seed {seed}",
        clicks=Clicks(items=venue.astype(np.int32), places=place, periods=period.astype(np.int32), times=time),
        requests=Requests(
            places=place[asked],
            periods=period[asked].astype(np.int32),
            times=time[asked],
            first=first[asked],
            last=last[asked],
            shown=ends,
        ),
        items=np.concatenate(shown).astype(np.int32),
        labels=labels,
        categories=categories,
        n_categories=len(codes["category"]),
        n_places=len(codes["place"]),
        periods=tuple(PERIODS),
    )


def _foursquare_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    check_ordinary(path, str(path))
    try:
        with path.open(encoding="latin-1", newline="") as file:  # category names of the published files are not UTF-8
            for line, text in enumerate(lines_of(file, str(path), LONGEST_LINE), 1):
                row = text.rstrip("\r\n").split("\t")
                if len(row) != 8:
                    raise InputError(f"{path}, line {line}: {len(row)} columns with tabs between, not 8 of a check-in")
                yield f"{path}, line {line}", row
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def _check_in(codes: dict[str, dict[str, int]], row: list[str], where: str) -> tuple[int, int, int, int, int, float]:
    """Codes of user, venue, category, cell and meal time, and the time in seconds UTC."""
    user, venue, category, _, latitude, longitude, offset, moment = row
    try:
        cell = geohash(float(latitude), float(longitude), CELL_CHARACTERS)
        minutes = int(offset)
        time = utc_seconds(moment)
    except ValueError as error:
        raise InputError(f"{where}: {first_line(error)}") from error
    hour = int((time + 60 * minutes) // 3600 % 24)
    period = int(period_of_hour(np.array([hour]))[0])
    named = _code(codes["user"], user), _code(codes["venue"], venue), _code(codes["category"], category)
    return (*named, _code(codes["place"], cell), period, time)


def _draw_others(
    venue: NDArray[Any],
    time: NDArray[np.float64],
    home: NDArray[np.int32],
    known_since: NDArray[np.float64],
    negatives: int,
    seed: int,
) -> list[NDArray[np.int64]]:
    """For each visit, other venues of its cell that were known before."""
    rng = np.random.default_rng([seed, 20120403])
    by_age = np.argsort(known_since, kind="stable")
    in_cell = {cell: by_age[home[by_age] == cell] for cell in np.unique(home)}
    found = []
    for k in range(len(venue)):
        pool = in_cell[home[venue[k]]]
        pool = pool[: np.searchsorted(known_since[pool], time[k], side="left")]
        pool = pool[pool != venue[k]]
        found.append(rng.choice(pool, size=min(negatives, len(pool)), replace=False))
    return found


def utc_seconds(text: str) -> float:
    """Return seconds since 1970 of a time such as ``Tue Apr 03 18:00:09 +0000 2012``.

    >>> utc_seconds("Thu Jan 01 01:00:05 +0000 1970")
    3605.0

    Raises:
        ValueError: It is not such a time.

    """
    found = re.fullmatch(r"\w{3} (\w{3}) (\d\d) (\d\d):(\d\d):(\d\d) \+0000 (\d{4})", text)
    if not found or found[1] not in ENGLISH_MONTHS:
        raise ValueError(f"{shortened(text)!r} is not a time such as 'Tue Apr 03 18:00:09 +0000 2012'")
    day, hour, minute, second, year = (int(found[k]) for k in (2, 3, 4, 5, 6))
    return float(calendar.timegm((year, ENGLISH_MONTHS.index(found[1]) + 1, day, hour, minute, second)))


ENGLISH_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_BASE32 = "0123456789bcdefghjkmnpqrstuvwxyz"


def geohash(latitude: float, longitude: float, characters: int) -> str:
    """Return the geohash of a point: bits of longitude and latitude in turn, five a character.

    >>> geohash(57.64911, 10.40744, 11)
    'u4pruydqqvj'

    Raises:
        ValueError: The point is not on Earth.

    """
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError(f"latitude {latitude}, longitude {longitude} are not a place on Earth")
    limits, values = [[-180.0, 180.0], [-90.0, 90.0]], (longitude, latitude)
    text = ""
    for k in range(characters):
        code = 0
        for bit in range(5):
            axis = (5 * k + bit) % 2
            middle = sum(limits[axis]) / 2
            upper = values[axis] >= middle
            limits[axis][0 if upper else 1] = middle
            code = 2 * code + upper
        text += _BASE32[code]
    return text
