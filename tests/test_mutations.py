"""The lines that benchmarks/mutations.py breaks are still there, and so are the tests that see them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import mutations


def test_every_line_to_break_is_there_just_once() -> None:
    assert len(mutations.MUTATIONS) >= 20
    assert len({each.what for each in mutations.MUTATIONS}) == len(mutations.MUTATIONS)
    for each in mutations.MUTATIONS:
        mutations.breakage(each)  # ValueError names the line that has changed
        assert each.new != each.old


def test_a_line_that_has_changed_is_named(tmp_path: Path) -> None:
    each = mutations.MUTATIONS[0]
    path = tmp_path / "vqe_prune" / each.file
    path.parent.mkdir(parents=True)
    path.write_text(each.old + "\n" + each.old)
    with pytest.raises(ValueError, match="is there 2 times, not once"):
        mutations.breakage(each, tmp_path)


def test_every_test_that_is_to_see_a_line_is_there() -> None:
    for name in {name for each in mutations.MUTATIONS for name in each.tests}:
        file, _, function = name.partition("::")
        text = (mutations.ROOT / "tests" / file).read_text()
        assert not function or f"\ndef {function}(" in text, name
