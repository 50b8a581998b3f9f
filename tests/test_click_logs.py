"""Click logs: what was clicked before and nothing else, splits by time, files of two kinds, fragments and sets."""

import re
import shlex
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from vqe_prune.config import command_line, parse_settings
from vqe_prune.errors import InputError
from vqe_prune.tasks.click_files import COLUMNS, eleme_log, foursquare_log, geohash
from vqe_prune.tasks.click_logs import ClickLog, split_by_time
from vqe_prune.tasks.click_synthetic import Synthetic, synthetic_log
from vqe_prune.tasks.fragments import FRAGMENTS, cut_fragments, item_sets, newest_clicks

SMALL = Synthetic(n_users=12, clicks_each=150, requests_each=20, n_places=6, n_categories=8)


@pytest.fixture(scope="module")
def log() -> ClickLog:
    return synthetic_log(3, SMALL)


def test_histories_end_before_their_requests(log: ClickLog) -> None:
    """Every click of a history is the user's own and earlier; the next click of the user is not earlier."""
    times, requests = log.clicks.times, log.requests
    assert times is not None
    starts = np.unique(requests.first)
    assert len(starts) == SMALL.n_users
    ends = np.append(starts[1:], len(log.clicks))
    for first, last, time in zip(requests.first, requests.last, requests.times, strict=True):
        end = ends[np.searchsorted(starts, first)]
        assert np.all(times[first:last] < time)
        assert np.all(times[last:end] >= time)


def test_a_clicked_candidate_is_in_later_histories_alone(log: ClickLog) -> None:
    times, requests = log.clicks.times, log.requests
    assert times is not None
    row = next(k for k in range(len(requests)) if log.labels[log.candidates(np.array([k]))].any())
    clicked = [k for k in log.candidates(np.array([row])) if log.labels[k]]
    own = np.flatnonzero(times == requests.times[row])
    assert sorted(log.clicks.items[own]) == sorted(log.items[clicked])
    assert own.min() == requests.last[row], "the first click that is not in the history"
    later = (requests.first == requests.first[row]) & (requests.times > requests.times[row])
    assert np.all(requests.last[later] > own.max())


def test_a_log_that_leaks_is_refused(log: ClickLog) -> None:
    late = log.requests.last.copy()
    late[0] += 1
    with pytest.raises(ValueError, match="later clicks"):
        replace(log, requests=replace(log.requests, last=late))


def test_split_is_by_time(log: ClickLog) -> None:
    split, times = split_by_time(log), log.requests.times
    assert times[split.training].max() < times[split.validation].min()
    assert times[split.validation].max() < times[split.test].min()
    rows = np.concatenate([split.training, split.validation, split.test])
    assert np.array_equal(rows, np.arange(len(log.requests)))
    seen = {
        int(item) for k in split.training for item in log.clicks.items[log.requests.first[k] : log.requests.last[k]]
    }
    seen |= set(log.items[log.candidates(split.training)].tolist())
    assert set(np.flatnonzero(split.known_items).tolist()) == seen


def test_planted_structure_is_there(log: ClickLog) -> None:
    """The share of a candidate's category among clicks at the same place and time tells clicks from others."""
    rows = np.arange(len(log.requests))
    fragment = cut_fragments(log, rows, events=1000, length=1000)[:, FRAGMENTS.index("both")]
    counts = np.diff(log.requests.shown)
    categories = np.where(fragment >= 0, log.categories[log.clicks.items[fragment]], -1).repeat(counts, axis=0)
    alike = (categories == log.categories[log.items][:, None]).mean(axis=1)
    assert alike[log.labels == 1].mean() > 1.5 * alike[log.labels == 0].mean()


def test_fragments_as_a_slow_loop_finds_them(log: ClickLog) -> None:
    rows, events, length = np.array([0, 57, 120, 239]), 90, 20
    found = cut_fragments(log, rows, events=events, length=length)
    for k, row in enumerate(rows):
        past = range(int(log.requests.last[row]) - 1, int(log.requests.last[row]) - 1 - events, -1)
        here = [j for j in past if log.clicks.places[j] == log.requests.places[row]]
        now = [j for j in past if log.clicks.periods[j] == log.requests.periods[row]]
        for fragment, wanted in zip(found[k], (here, now, list(past), [j for j in here if j in now]), strict=True):
            assert fragment[fragment >= 0].tolist() == wanted[:length]
    assert np.array_equal(newest_clicks(log, rows, length), found[:, FRAGMENTS.index("recent")])


def test_sets_of_items_as_python_finds_them(log: ClickLog) -> None:
    rows = np.array([3, 88, 200])
    fragments = cut_fragments(log, rows, events=150, length=40)
    items = log.clicks.items
    for k, sets in enumerate(item_sets(log, fragments, 200)):
        place, period = ({int(items[j]) for j in part if j >= 0} for part in fragments[k, :2])
        union, both, one = ([int(items[j]) for j in part if j >= 0] for part in sets)
        assert len(union) == len(set(union))
        assert (set(union), set(both), set(one)) == (place | period, place & period, place ^ period)
        newest = sets[0][sets[0] >= 0]
        assert np.all(np.diff(newest) < 0), "newest first"
    short, long = item_sets(log, fragments, 2), item_sets(log, fragments, 200)
    assert np.array_equal(short, long[:, :, :2]), "a limit keeps the newest"


def check_in(user: int, venue: str, day: int, hour: int, latitude: float = 40.7, offset: int = -240) -> str:
    time = f"Tue Apr {day:02d} {hour:02d}:00:09 +0000 2012"
    return "\t".join(map(str, (user, venue, f"c{venue[0]}", "Caf\xe9", latitude, -74.0, offset, time)))


def write_check_ins(path: Path) -> Path:
    rows = [
        check_in(user, f"{'abcd'[(user + day) % 4]}{day % 3}", day, 8 + user)
        for user in range(6)
        for day in range(1, 29)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="latin-1")
    return path


def test_check_ins_become_next_visits(tmp_path: Path) -> None:
    log = foursquare_log(write_check_ins(tmp_path / "nyc.txt"), negatives=3, fewest=5, seed=1)
    known: dict[int, float] = {}
    assert log.clicks.times is not None
    for item, time in zip(log.clicks.items, log.clicks.times, strict=True):
        known[item] = min(known.get(item, np.inf), time)
    for k in range(len(log.requests)):
        own = log.candidates(np.array([k]))
        assert log.labels[own].tolist() == [1.0] + [0.0] * (len(own) - 1)
        assert len(set(log.items[own].tolist())) == len(own) <= 4
        assert all(known[item] < log.requests.times[k] for item in log.items[own]), "nobody had been there"
        assert log.lengths[k] >= 5
    assert log.periods[log.clicks.periods[0]] == "night", "8 h UTC is 4 h in New York"
    again = foursquare_log(tmp_path / "nyc.txt", negatives=3, fewest=5, seed=1)
    other = foursquare_log(tmp_path / "nyc.txt", negatives=3, fewest=5, seed=2)
    assert np.array_equal(again.items, log.items) and not np.array_equal(other.items, log.items)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1\ta", "2 columns"),
        (check_in(1, "a", 3, 4, latitude=91.0), "not a place on Earth"),
        (check_in(1, "a", 3, 4, latitude=float("nan")), "not a place on Earth"),
        (check_in(1, "a", 3, 4).replace("Apr", "Xyz"), "is not a time"),
    ],
)
def test_bad_check_ins_name_their_line(tmp_path: Path, row: str, words: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(check_in(0, "b", 1, 1) + "\n" + row + "\n", encoding="latin-1")
    with pytest.raises(InputError, match=f"bad.txt, line 2: .*{words}"):
        foursquare_log(path, negatives=1, fewest=1, seed=0)


def test_geohash_of_known_points() -> None:
    """Published examples of the geohash: Jutland (Wikipedia) and the Statue of Liberty's cell."""
    assert geohash(57.64911, 10.40744, 11) == "u4pruydqqvj"
    assert geohash(40.6892, -74.0445, 5) == "dr5r7"


def eleme_row(**values: str) -> str:
    usual = {"clicked": "0", "user_id": "u", "item_id": "i1", "category_1_id": "c1", "shop_geohash_6": "wtw3s8"}
    usual |= {"hours": "11", "time_type": "lunch", "item_id_list": "i2;i3;i2", "category_1_id_list": "c2;c1;c2"}
    usual |= {"shop_geohash6_list": "wtw3s8;wtw3s9;wtw3s8", "time_type_list": "lunch;dinner;lunch"}
    usual |= {"timediff_list": "5;90;20"} | values
    return ",".join(usual.get(column, "") for column in COLUMNS)


def test_eleme_rows(tmp_path: Path) -> None:
    (tmp_path / "D2_0.csv").write_text(eleme_row(user_id="v", clicked="1") + "\n")
    rows = [eleme_row(), eleme_row(item_id="i4", category_1_id="c3", clicked="1"), eleme_row(hours="9", item_id_list="",
            category_1_id_list="", shop_geohash6_list="", time_type_list="", timediff_list="")]  # fmt: skip
    (tmp_path / "D1_0.csv").write_text("\n".join(rows) + "\n")
    log = eleme_log(tmp_path, 100)
    assert log.requests.times.tolist() == [3600.0 * hours for hours in (24 + 9, 24 + 11, 48 + 11)]
    assert np.diff(log.requests.shown).tolist() == [1, 2, 1], "two rows of the same request are one"
    assert log.labels.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert log.lengths.tolist() == [0, 3, 3]
    first, last = log.requests.first[1], log.requests.last[1]
    oldest = log.clicks.items[first:last]
    assert oldest[1] == oldest[2] != oldest[0], "ordered by the time difference, the smallest last"
    assert log.periods == ("lunch", "dinner")
    assert len(eleme_log(tmp_path, 1).requests) == 2, "one row of each file"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2,3", "3 columns, not the 39"),
        (eleme_row(clicked="2"), "clicked is '2'"),
        (eleme_row(hours="noon"), "hours is 'noon'"),
        (eleme_row(time_type_list="lunch"), "of lengths"),
    ],
)
def test_bad_eleme_rows_name_their_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "D1_0.csv").write_text(eleme_row() + "\n" + text + "\n")
    with pytest.raises(InputError, match=f"line 2: .*{re.escape(words)}"):
        eleme_log(tmp_path / "D1_0.csv", 100)


def test_too_little_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "D1_0.csv").write_text("\n".join([eleme_row()] * 5) + "\n")
    with pytest.raises(InputError, match="too few for an AUC"):
        split_by_time(eleme_log(tmp_path, 100))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["task.head=lstm"], "unknown task.head=lstm"),
        (["task.models=[finn]"], "did you mean fin"),
        (["task.models=[fin,fin]"], "each model once"),
        (["task.qubits=4"], "no effect with task.head=mlp"),
        (["pruner=curvature"], "no effect with task.head=mlp"),
        (["task.head=circuit", "task.models=[fin,din]"], "one model"),
        (["task.dataset=eleme"], "give task.data_dir"),
        (["task.data_dir=x"], "no effect with task.dataset=synthetic"),
        (["task.negatives=3"], "it is of foursquare"),
        (["task.models=[din]", "task.sets=items"], "without fin"),
        (["task.sets=vector"], "did you mean vectors"),
        (["task.events=0"], "must be above 0"),
        (["task.head=circuit", "task.qubits=40"], "from 2 to 12"),
        (["molecule=LiH"], "no effect with task=ctr"),
    ],
)
def test_settings_without_effect_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        parse_settings(["task=ctr", *words])


def test_defaults_are_filled() -> None:
    assert parse_settings(["task=ctr"]).task.models == ["fin", "din", "mean_pooling"]
    circuit = parse_settings(["task=ctr", "task.head=circuit"])
    assert (circuit.task.models, circuit.task.qubits, circuit.task.compression) == (["fin"], 4, 10.0)
    assert circuit.ansatz.layers == 3 and circuit.pruner.rules == ["curvature"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["task.models=[fin,din]", "task.sets=none", "seed=3"],
        ["task.head=circuit", "pruner=[magnitude]", "pruner.parameters=5", "ansatz.layers=2"],
        ["task.dataset=foursquare", "task.data_dir=a b.txt", "task.negatives=9"],
    ],
)
def test_the_command_of_a_record_repeats_it(words: list[str]) -> None:
    settings = parse_settings(["task=ctr", *words])
    command = shlex.split(command_line(asdict(settings)))
    assert command[:4] == ["python", "-m", "vqe_prune", "task=ctr"]
    assert len(command) - 4 == len(words)
    assert parse_settings(command[3:]) == settings
