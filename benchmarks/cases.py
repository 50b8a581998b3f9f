"""Problems and printing that the benchmarks share."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from vqe_prune.config import parse_settings
from vqe_prune.inputs import read_molecule
from vqe_prune.problem import Problem, molecular_problem


def load_problem(*arguments: str, exact: bool = True) -> Problem:
    """Return the problem of command-line settings such as ``molecule=LiH``."""
    return molecular_problem(read_molecule(parse_settings(list(arguments)).molecule), exact=exact)


def parse_arguments(description: str | None, *flags: str) -> argparse.Namespace:
    """Read the flags of a benchmark; ``--json`` is always one of them."""
    parser = argparse.ArgumentParser(description=description)
    for flag in ("--json", *flags):
        parser.add_argument(flag, action="store_true")
    return parser.parse_args()


def one_thread() -> dict[str, str]:
    """Return this process's environment, with one thread for every library of a process that gets it."""
    return {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}}


def has_module(python: str, module: str) -> bool:
    """Return whether an interpreter can import a module."""
    if python == sys.executable:
        return importlib.util.find_spec(module) is not None
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


def last_line(done: subprocess.CompletedProcess[str], otherwise: str = "no message") -> str:
    """Return what a process that failed said last."""
    return (done.stderr.strip().splitlines() or [otherwise])[-1][:160]


def show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Print rows as a table under their keys, or as one JSON object a line."""
    if as_json:
        for row in rows:
            print(json.dumps(row))
        return
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_text(row.get(key)) for key in keys] for row in rows]
    widths = [max(len(key), *(len(line[k]) for line in cells)) for k, key in enumerate(keys)]
    for line in [keys, *cells]:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def run_cases(
    names: Iterable[Any], run_case: Callable[[Any], tuple[list[dict[str, Any]], list[str]]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of all cases and what falls short of the claims."""
    rows: list[dict[str, Any]] = []
    failures: list[str] = []
    for name in names:
        found, missed = run_case(name)
        rows += found
        failures += missed
    return rows, failures


def verdict(failures: Sequence[str]) -> int:
    """Print what falls short of the claims, a line each, and return the exit status: 1 where there is something."""
    for failure in failures:
        print(f"short of the claim: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
