"""What the benchmark of all methods calls dominated."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from pareto import Point, dominates, dominators, front, pareto_picture, smaller, staircase

HERE = Point(5, 50, 1e-3)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Point(5, 50, 1e-3), False),  # itself
        (Point(4, 50, 1e-3), True),
        (Point(5, 49, 1e-3), True),
        (Point(5, 50, 9e-4), True),
        (Point(5, 50, 1e-3 - 1e-8), False),  # rounding of an optimiser
        (Point(4, 50, 1e-3 + 1e-8), True),
        (Point(4, 51, 1e-3), False),
        (Point(1, 1, 2e-3), False),
    ],
)
def test_a_point_is_dominated_by_what_is_nowhere_worse_and_somewhere_better(other, expected) -> None:
    assert dominates(other, HERE) is expected


def test_in_a_plane_only_one_cost_counts() -> None:
    wide = {"few gates": [Point(9, 40, 1e-3)], "few parameters": [Point(4, 90, 1e-3), Point(4, 90, 1e-4)]}
    assert dominators(HERE, wide) == {}
    assert dominators(HERE, wide, axes=("n_two_qubit_gates",)) == {"few gates": Point(9, 40, 1e-3)}
    assert dominators(HERE, wide, axes=("n_parameters",)) == {"few parameters": Point(4, 90, 1e-4)}


def test_within_a_tolerance_only_costs_count() -> None:
    others = {"same": [Point(5, 50, 1e-5)], "cheaper": [Point(5, 40, 9e-3)], "too wrong": [Point(1, 1, 2e-2)]}
    assert smaller(HERE, others, 1e-2) == ["cheaper"]


def test_a_front_is_what_every_pair_of_points_leaves() -> None:
    rng = random.Random(0)
    points = [Point(rng.randrange(9), rng.randrange(9), rng.randrange(9) * 1e-3) for _ in range(60)]
    kept = front(points)
    assert kept and all(not dominates(p, q) for p in kept for q in kept)
    assert all(p in kept or any(dominates(q, p) for q in kept) for p in points)  # the relation is transitive
    steps = staircase(points, "n_parameters")
    assert [p.error for p in steps] == sorted((p.error for p in steps), reverse=True)


def test_a_picture_stands_alone_in_light_and_dark() -> None:
    picture = pareto_picture("LiH", {"chain": [HERE, Point(9, 90, 1e-5)]}, {"control": [Point(5, 70, 3e-3)]}, 1e-3, "J")
    assert picture.startswith("<svg ") and 'xmlns="http://www.w3.org/2000/svg"' in picture
    assert "prefers-color-scheme:dark" in picture and "currentColor" in picture
    for text in ("LiH", "chain", "control", "parameters", "two-qubit gates", "error / J"):
        assert f">{text}<" in picture
