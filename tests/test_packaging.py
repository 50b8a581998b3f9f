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


def pinned(path: str) -> dict[str, tuple[int, ...]]:
    lines = [line for line in (ROOT / path).read_text().splitlines() if not line.startswith("#")]
    return {name.lower(): numbers(version) for name, version in (line.split("==") for line in lines)}


def needed() -> dict[str, tuple[int, ...]]:
    """Lower bounds of all that the package uses: every extra but the tools for development; jax as on the CPU."""
    extras = PROJECT["project"]["optional-dependencies"]
    used = [each for name in extras if name not in {"dev", "docs", "gpu"} for each in extras[name]]
    return bounds([*PROJECT["project"]["dependencies"], *used, *(each for each in extras["dev"] if "jax" in each)])


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    tried = pinned(".ci/oldest.txt")
    assert needed() == {name: version for name, version in tried.items() if name != "pyparsing"}
    assert "pyparsing" in tried


def test_the_newest_versions_are_of_all_that_is_used_and_the_lock_has_the_same() -> None:
    newest, locked = pinned(".ci/newest.txt"), pinned("requirements.txt")
    for name, lowest in needed().items():
        assert newest[name] >= lowest, name
    for name in bounds([*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]):
        assert locked[name] == newest[name], name


def test_no_bound_from_above_but_of_the_tool_that_needs_one() -> None:
    project = PROJECT["project"]
    capped = [
        each
        for needs in (project["dependencies"], *project["optional-dependencies"].values())
        for each in needs
        if "<" in each
    ]
    assert capped == ["sphinx>=9.0.4,<9.1"]


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


@pytest.mark.parametrize("name", ["requirements.txt", ".ci/oldest.txt", ".ci/oldest", ".ci/newest.txt", ".ci/newest"])
def test_environments_name_no_place(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"https?://|file:|--(extra-)?index-url|-e ", re.sub(r"-e '\.\[", "", text))
