"""What progress costs, and how good its estimates of the time left are.

Costs: processor seconds inside the journal of a study, of those of its optimisation, so that other work on the machine
counts for neither; the share is claimed where a step takes 5 ms and more. Estimates, of optimisations that converged:
at 40 to 90 per cent of the steps, the end that was foreseen over the one that came; the control is to take as many
steps again as there were.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cases import parse_arguments, show, verdict

from vqe_prune import study
from vqe_prune.config import parse_settings
from vqe_prune.journal import TraceJournal
from vqe_prune.run_folder import Trace
from vqe_prune.time_left import steps_left

CASES = {
    "LiH": ["molecule=LiH"],
    "BeH2": ["molecule=BeH2"],
    "H2O": ["molecule=H2O"],
    "H6": ["molecule=H6"],
    "N2": ["molecule=N2"],
    "TFIM 6": ["model=tfim", "training.seeds=1"],
    "XXZ 6": ["model=xxz", "training.seeds=1", "ansatz.layers=4"],
}
SHARES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
LARGEST_SHARE = 0.01
"""Of an optimisation's time."""

LONG_STEP = 5.0
"""Milliseconds of a step from which on the share is claimed; optimisations of shorter ones are over in a second."""

MOST_MICROSECONDS = 50.0
"""Of a step, where they are more than that share."""

LARGEST_ERROR = 0.25
"""Median over the estimates of a case: how far the end that was foreseen is from the one that came, as a part of it."""


class Timed(TraceJournal):
    """A journal that knows how long it took."""

    spent = 0.0
    optimised = 0.0
    last = 0.0

    def stepped(self, *arguments: Any) -> None:
        """Take note of a step, timed."""
        Timed.optimised += time.process_time() - Timed.last if arguments[1] > 1 else 0.0
        began = time.thread_time()
        super().stepped(*arguments)
        Timed.spent += time.thread_time() - began
        Timed.last = time.process_time()


def run(name: str, folder: Path) -> dict[str, Any]:
    """Run a case and return its row; kernels have been compiled before."""
    Timed.spent = Timed.optimised = 0.0
    settings = parse_settings([*CASES[name], f"output_dir={folder / name.replace(' ', '_')}"])
    with contextlib.redirect_stdout(io.StringIO()):
        study.run(settings)
    ends, control = [], []
    steps = len(Trace(Path(settings.output_dir or "") / "trace.jsonl").find("step"))
    for values in energies(Path(settings.output_dir or "")):
        for share in SHARES if len(values) >= 20 else ():
            k = round(share * len(values))
            left = steps_left(values[:k])
            if left is not None:
                ends.append((k + left) / len(values))
                control.append(2 * k / len(values))
    return {
        "case": name,
        "steps": steps,
        "optimised_cpu_milliseconds": 1e3 * Timed.optimised,
        "cpu_microseconds_a_step": 1e6 * Timed.spent / max(steps, 1),
        "share": Timed.spent / Timed.optimised,
        "foreseen": len(ends),
        "foreseen_end": statistics.median(ends) if ends else None,
        "error": statistics.median(abs(end - 1) for end in ends) if ends else None,
        "control_error": statistics.median(abs(end - 1) for end in control) if control else None,
    }


def energies(folder: Path) -> list[list[float]]:
    """Return the energies of every optimisation in a trace that converged."""
    found: dict[str, list[float]] = {}
    trace = Trace(folder / "trace.jsonl")
    stopped = {event["stage"] for event in trace.find("optimum", reason="STEPS")}
    for event in trace.find("step"):
        if event["stage"] not in stopped:
            found.setdefault(event["stage"], []).append(event["energy"])
    return list(found.values())


def main() -> int:
    """Print the table; the status says whether every claim holds."""
    arguments = parse_arguments(__doc__)
    study.TraceJournal = Timed  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        run("LiH", Path(folder) / "warm")
        run("TFIM 6", Path(folder) / "warm")
        rows = [run(name, Path(folder)) for name in CASES]
    show(rows, as_json=arguments.json)
    failures = [
        f"{row['case']}: progress takes {100 * row['share']:.1f} % of its optimisation"
        for row in rows
        if row["optimised_cpu_milliseconds"] > LONG_STEP * row["steps"] and row["share"] > LARGEST_SHARE
    ]
    failures += [
        f"{row['case']}: progress takes {row['cpu_microseconds_a_step']:.0f} microseconds a step"
        for row in rows
        if row["cpu_microseconds_a_step"] > MOST_MICROSECONDS and row["share"] > LARGEST_SHARE
    ]
    failures += [
        f"{row['case']}: the end is foreseen with an error of {100 * row['error']:.0f} %"
        for row in rows
        if row["error"] is not None and row["error"] > LARGEST_ERROR
    ]
    return verdict(failures)


if __name__ == "__main__":
    sys.exit(main())
