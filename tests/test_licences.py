"""The page of licences lists what is needed, and nothing needed always is under more than a permissive licence."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAKE = runpy.run_path(str(ROOT / "docs" / "make_licences.py"), run_name="make")
PROJECT = MAKE["PROJECT"]
PAGE = (ROOT / "docs" / "reference" / "licences.md").read_text()
PERMISSIVE = re.compile(
    r"(MIT(-0|-CMU)?|BSD(-[23]-Clause)?|0BSD|Apache-2\.0( WITH LLVM-exception)?|PSF-2\.0|Zlib|CC0-1\.0|BSL-1\.0)"
)
WEAK = "MPL-2.0"  # its copyleft ends at its own files
KNOWN = {  # extras that nobody needs who does not ask for them, with what the page says of them in words
    "igraph": "Copyleft in an extra: igraph",
    "geometric": "No open licence in an extra: geomeTRIC",
}

OLDER = {"pytz"}  # MIT; pandas before 3 needs it, which comes with the oldest versions


def listed() -> list[dict[str, str]]:
    """Return the licences in each of the page's tables."""
    parts = PAGE.split("\n## ")[1:]
    return [dict(re.findall(r"^\| ([a-z][\w.-]*) \| ([^|]+) \|", part, re.MULTILINE)) for part in parts]


def test_every_package_that_is_named_or_needed_is_listed() -> None:
    required, needed, extras = ({name for name in part if name != "package"} for part in listed())
    assert required == set(MAKE["names"](PROJECT["dependencies"]))
    assert extras == {
        name for needs in PROJECT["optional-dependencies"].values() for name in MAKE["names"](needs)
    }  # fmt: skip
    assert set(MAKE["closure"](PROJECT["dependencies"])) <= needed | required | OLDER


def test_no_licence_conflicts_with_that_of_the_project() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    required, needed, extras = listed()
    for name, licence in {**required, **needed, **extras}.items():
        if name == "package":
            continue
        parts = set(re.split(r" AND | OR ", licence))
        if name in KNOWN:
            assert name in extras and name not in {**required, **needed} and KNOWN[name] in PAGE
        else:
            assert all(PERMISSIVE.fullmatch(part) or part == WEAK for part in parts), (name, licence)


def test_a_package_that_says_nothing_stops_the_script(monkeypatch) -> None:
    monkeypatch.delitem(MAKE["READ"], "geometric")
    pytest.importorskip("geometric", reason="geomeTRIC's metadata name no licence")
    with pytest.raises(SystemExit, match="geometric: read its licence"):
        MAKE["licence"]("geometric")
