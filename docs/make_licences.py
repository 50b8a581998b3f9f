"""Write docs/reference/licences.md: the licence of every package that pyproject.toml names, and of what those need.

    python docs/make_licences.py

Licences are what installed packages say of themselves; the environment must hold every extra but `gpu`. What says
nothing that is understood stops the script, until somebody has read its licence and put it into `READ`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tomllib import loads

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "licences.md"
PROJECT = loads((ROOT / "pyproject.toml").read_text())["project"]

READ = {
    "cirq-core": "Apache-2.0",
    "cycler": "BSD-3-Clause",
    "geometric": "BSD-3-Clause with a clause against training data",
    "igraph": "GPL-2.0-or-later",
    "jupyter-cache": "MIT",
    "matplotlib": "PSF-2.0",
    "scipy": "BSD-3-Clause",
}
"""Licences that were read in the packages' own files, where the metadata say nothing, less or all of the text."""

WORDS = {
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD": "BSD",
    "BSD License": "BSD",
    "MIT License": "MIT",
}
"""What packages write, and the SPDX identifier that is meant; of BSD, many do not say which."""

IDENTIFIER = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*")
TEXT = """\
# Licences

vqe_prune is under Apache-2.0. This page is made by `python docs/make_licences.py` out of what the packages say of
themselves; a test compares its tables with `pyproject.toml` and with what is installed.

- **What a plain installation needs is permissive**: Apache, BSD, MIT, PSF and others. `certifi` and `tqdm` are in part
  under MPL-2.0, whose copyleft covers their own files alone. Nothing conflicts with Apache-2.0.
- **Copyleft in an extra: igraph** (`symmetry`), GPL-2.0 or later. Where it is installed it searches permutations of
  lattices; without it a search in Python answers. Who passes on a bundle with igraph in it does so under the GPL,
  version 3, which Apache-2.0 agrees with.
- Hypothesis (`dev`) is under MPL-2.0, whose copyleft covers its own files alone; the package does not import it.
- **No open licence in an extra: geomeTRIC** (`geometry`), which adds to BSD-3-Clause that its code must not be
  used as training data. It is imported for `nuclei=optimise` alone.
- The extra `gpu` brings NVIDIA's CUDA libraries under NVIDIA's own terms; jax itself is under Apache-2.0.
- Wheels of NumPy, SciPy and PyTorch hold compiled libraries of others (OpenBLAS, the run-time library of GCC); their
  licences are in those wheels.

## Needed always

{required}

## Needed by those

{closure}

## Extras

{extras}
"""


def licence(name: str) -> str:
    """Return the licence that an installed package has, as an SPDX expression where it says so much."""
    if name in READ:
        return READ[name]
    known = distribution(name).metadata
    classifiers = [each.rpartition(" :: ")[2] for each in known.get_all("Classifier", []) if each.startswith("License")]
    for said in (known.get("License-Expression"), known.get("License"), " AND ".join(classifiers)):
        meant = WORDS.get(said or "", said or "")
        if meant.startswith("BSD 3-Clause License"):
            return "BSD-3-Clause"
        if IDENTIFIER.fullmatch(meant) and meant != "UNKNOWN":
            return meant
    sys.exit(f"{name}: read its licence and put it into READ; it says {known.get('License')!r} and {classifiers}")


def names(requirements: Iterable[str]) -> list[str]:
    """Return the names that requirements of this machine are about, in small letters with hyphens."""
    wanted = (Requirement(each) for each in requirements)
    return [canonical(each.name) for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]


def canonical(name: str) -> str:
    """Return a package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(requirements: Iterable[str]) -> dict[str, list[str]]:
    """Return what requirements need in turn, as installed: each name with those that ask for it."""
    direct = names(requirements)
    asked: dict[str, list[str]] = {}
    waiting = list(direct)
    while waiting:
        by = waiting.pop(0)
        for name in names(distribution(by).requires or ()):
            if name not in asked and name not in direct:
                waiting.append(name)
            asked.setdefault(name, []).append(by)
    return {name: sorted(by) for name, by in sorted(asked.items()) if name not in direct}


def table(head: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of packages with their licences and a third column."""
    lines = [f"| {name} | {licence(name)} | {third} |" for name, third in rows]
    return "\n".join([f"| package | licence | {head} |", "|---|---|---|", *lines])


def page() -> str:
    """Return the text of the page."""
    required = PROJECT["dependencies"]
    extras: dict[str, list[str]] = {}
    for extra, needs in PROJECT["optional-dependencies"].items():
        for name in names(needs):
            extras.setdefault(name, []).append(f"`{extra}`")
    versions = [(name, distribution(name).version.partition("+")[0]) for name in sorted(names(required))]
    return TEXT.format(
        required=table("version looked at", versions),
        closure=table("for", ((name, ", ".join(by)) for name, by in closure(required).items())),
        extras=table("extra", ((name, ", ".join(of)) for name, of in sorted(extras.items()))),
    )


if __name__ == "__main__":
    try:
        PAGE.write_text(page())
    except PackageNotFoundError as error:
        sys.exit(f"{error.name} is not installed; the page needs all extras but gpu")
