"""Tables of a task: scores of the full circuit, of each rule and of the controls, mean and deviation over the seeds.

A row of a seed is

    {"name": "full" | "curvature" | "curvature, tuned" | "random" | ..., "n_parameters": int,
     "scores": {"test accuracy / %": float, ...}, and further counts such as "n_rotations", "n_two_qubit_gates"}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

TASK_SCHEMA = 1

Content = Mapping[str, Any]

COUNTS = {"n_parameters": "parameters", "n_rotations": "rotations", "n_two_qubit_gates": "2-qubit gates"}
"""Counts that a row may have, and how a table calls them."""


LARGE = 10_000
"""Numbers from here on are shown as whole ones."""


def summarise(runs: Sequence[Content]) -> list[dict[str, Any]]:
    """Return a row a name: counts as [fewest, most] and scores as values, mean and deviation over the seeds.

    Args:
        runs: One a seed, each with rows of the same names.

    """
    rows = []
    for name in dict.fromkeys(row["name"] for run in runs for row in run["rows"]):
        found = [row for run in runs for row in run["rows"] if row["name"] == name]
        summary: dict[str, Any] = {"name": name}
        for key in COUNTS:
            if all(row.get(key) is not None for row in found):
                summary[key] = [min(row[key] for row in found), max(row[key] for row in found)]
        summary["scores"] = {}
        for score in found[0]["scores"]:
            values = [row["scores"][score] for row in found]
            deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            summary["scores"][score] = {"values": values, "mean": float(np.mean(values)), "deviation": deviation}
        rows.append(summary)
    return rows


def task_header(content: Content) -> list[str]:
    """Return the header of the table of a task."""
    return ["model" if content["task"] == "ctr" else "circuit", *_counts(content).values(), *_scores(content)]


def task_rows(content: Content) -> list[list[str]]:
    """Return the rows of the table of a task."""
    rows = []
    for row in content["summary"]:
        counts = [_span(row.get(key)) for key in _counts(content)]
        rows.append([row["name"], *counts, *(_mean(row["scores"].get(score)) for score in _scores(content))])
    return rows


def format_task(content: Content) -> str:
    """Return the table of a task as text."""
    table = [task_header(content), *task_rows(content)]
    widths = [max(len(row[k]) for row in table) for k in range(len(table[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(row[k].rjust(widths[k]) for k in range(1, len(row)))]) for row in table
    ]
    n = len(content["runs"])
    title = (
        f"{content['name']}: mean and standard deviation over {n} seeds" if n > 1 else f"{content['name']}: one seed"
    )
    return "\n".join(["", title, *lines])


def _counts(content: Content) -> dict[str, str]:
    return {key: text for key, text in COUNTS.items() if any(key in row for row in content["summary"])}


def _scores(content: Content) -> list[str]:
    return list(dict.fromkeys(score for row in content["summary"] for score in row["scores"]))


def _span(limits: Sequence[int] | None) -> str:
    if limits is None:
        return ""
    return str(limits[0]) if limits[0] == limits[1] else f"{limits[0]}-{limits[1]}"


def _mean(score: Content | None) -> str:
    if score is None:
        return ""
    digits = ",.0f" if abs(score["mean"]) >= LARGE else ".4g"
    mean = format(score["mean"], digits)
    return (
        mean if len(score["values"]) == 1 else f"{mean} ± {score['deviation']:{',.0f' if digits != '.4g' else '.2g'}}"
    )
