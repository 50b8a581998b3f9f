"""What a run must say of itself in words: another sector or mean field, and what was asked for and is not done."""

from __future__ import annotations

from vqe_prune.report.device_table import NOTHING_LEFT
from vqe_prune.report.record import Record
from vqe_prune.report.table import sector_complaints

SIGMAS = 3.0
"""A measured energy that is so many error bars below the exact one is not there by chance."""


def complaints(record: Record) -> list[str]:
    """Return every warning of a record, each a line without its end."""
    warned = record.problem.get("warnings", ())
    return [*warned, *sector_complaints(record), *_below_exact(record), *unfinished(record)]


def unfinished(record: Record) -> list[str]:
    """Say in words what was asked for and is not done: optimisations that stopped early, a device without a result.

    A command whose study has such a line ends with exit status 3.

    Args:
        record: Of the study; stages of older versions do not say whether they converged and are taken for it.

    """
    return [*_stopped(record), *_unmeasured(record)]


def _stopped(record: Record) -> list[str]:
    names = [str(stage["name"]) for stage in record.stages if not stage.get("converged", True)]
    if not names:
        return []
    chosen = record.problem.get("settings", {}).get("optimizer", {}).get("max_steps")
    limit = f"optimizer.max_steps={chosen}" if chosen is not None else "optimizer.max_steps"
    return [
        f"not converged: optimising {' and '.join(names)} stopped at {limit}; these energies are above their minimum, "
        "and what pruning cost is not known; raise optimizer.max_steps"
    ]


def _below_exact(record: Record) -> list[str]:
    """Measured energies that no state has: extrapolation and readout correction are not variational."""
    rows = [] if record.device is None else record.device["measurements"]
    found = []
    for row in rows:
        for each in row["estimates"]:
            error, bar = each["error_to_exact"], each["error_bar"]
            if each["name"] == row["mitigated"] and error is not None and bar and error < -SIGMAS * bar:
                found.append(
                    f"measured below the exact energy: {each['name']} of {row['stage']}, by {-error / bar:.1f} error "
                    "bars; no state has it: mitigation is not variational, and is off by more than its error bar"
                )
    return found


def _unmeasured(record: Record) -> list[str]:
    rows = [] if record.device is None else record.device["measurements"]
    if record.device is None or any(row["estimates"] for row in rows):
        return []
    reasons = [f"{row['stage']}: {row['left_out'][0][1]}" for row in rows if row["left_out"][0][1] != NOTHING_LEFT]
    return [f"nothing was measured on {record.device['name']}: {'; '.join(reasons)}"] if reasons else []
