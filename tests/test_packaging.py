"""What the wheel holds and what it asks for, in one place each."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import vqe_prune

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def bounds(requirements: list[str]) -> dict[str, tuple[int, ...]]:
    """Return the lower bound of each package without trailing zeros."""
    found = {}
    for each in requirements:
        name, _, version = each.partition(">=")
        found[name] = numbers(version)
    return found


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.sub(r"(\.0)+$", "", version).split("."))


def test_every_package_is_in_the_wheel_with_its_data() -> None:
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    there = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "vqe_prune").rglob("__init__.py")
    }  # fmt: skip
    assert listed == there | {"vqe_prune.molecules"}
    data = PROJECT["tool"]["setuptools"]["package-data"]
    assert "py.typed" in data["vqe_prune"] and (ROOT / "vqe_prune" / "py.typed").is_file()
    assert data["vqe_prune.molecules"] == ["*.yaml"]
    assert {path.suffix for path in (ROOT / "molecules").iterdir()} == {".yaml"}


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    lines = [line for line in (ROOT / ".ci" / "oldest.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = {name: numbers(version) for name, version in (line.split("==") for line in lines)}
    extras = PROJECT["project"]["optional-dependencies"]
    needed = bounds([*PROJECT["project"]["dependencies"], *extras["symmetry"], *extras["geometry"]])
    assert needed == {name: pinned[name] for name in needed}
    assert set(pinned) - set(needed) == {"pyparsing"}


def test_development_has_the_extras_that_the_tests_use() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    for name in ("symmetry", "geometry"):
        assert set(extras[name]) <= set(extras["dev"])
    readme = (ROOT / "README.md").read_text()
    for name in extras:
        assert f"vqe-prune[{name}]" in readme or f".[{name}]" in readme, name


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == vqe_prune.__version__ == PROJECT["project"]["version"]
    assert citation["license"] == PROJECT["project"]["license"]


@pytest.mark.parametrize("name", ["requirements.txt", ".ci/oldest.txt", ".ci/lock", ".ci/oldest"])
def test_environments_name_no_place(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"https?://|file:|--(extra-)?index-url|-e ", text.replace("-e '.[dev]'", ""))
