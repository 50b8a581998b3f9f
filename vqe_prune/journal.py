"""What a study tells while it runs, and what it remembers so that a killed run goes on where it stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.optimize import Optimum, StopReason
from vqe_prune.prune.elimination import PathPoint
from vqe_prune.prune.journal import Journal
from vqe_prune.report.table import millihartree
from vqe_prune.run_folder import Trace
from vqe_prune.units import HARTREE
from vqe_prune.wording import counted

CHECKPOINT_SECONDS = 5.0
"""An optimisation that is killed loses at most this much work."""

LINE_SECONDS = 10.0
"""Off a terminal, how often a long step reports itself."""


class TraceJournal(Journal):
    """A journal that prints progress and writes it to the run's trace.

    Args:
        trace: The run's trace.
        write: Prints text; carriage returns are only sent to a terminal.
        exact: Exact energy that errors refer to, None where it is not known.
        unit: Unit of energies, hartree or J.

    """

    def __init__(self, trace: Trace, write: Callable[[str], Any], exact: float | None, unit: str = HARTREE) -> None:
        self._trace, self._write, self._exact, self._unit = trace, write, exact, unit
        self._live = sys.stdout.isatty()
        self._began = self._printed = self._saved = time.monotonic()
        self._open_line = False

    def say(self, text: str) -> None:
        """Tell the user one line or table."""
        self._close_line()
        self._write(text + "\n")

    def angles(self, stage: str) -> NDArray[np.float64] | None:
        """Return the angles of a stage's last checkpoint."""
        found = [event for event in self._trace.find("step", stage=stage) if "angles" in event]
        return np.array(found[-1]["angles"]) if found else None

    def optimum(self, stage: str) -> Optimum | None:
        """Return a stage's optimum from the trace."""
        found = self._trace.find("optimum", stage=stage)
        if not found:
            return None
        return read_optimum(found[-1])

    def noted(self, stage: str) -> dict[str, Any] | None:
        """Return a stage's training and scores from the trace."""
        found = self._trace.find("noted", stage=stage)
        return found[-1]["content"] if found else None

    def note(self, stage: str, content: dict[str, Any]) -> None:
        """Trace a stage's training and scores."""
        self._trace.add("noted", stage=stage, content=content)
        self._began = time.monotonic()  # steps of the optimiser that follows are timed from here

    def path(self, rule: str) -> list[PathPoint]:
        """Return the points of a rule's path from the trace."""
        return [
            PathPoint(
                kept=tuple(event["kept"]),
                n_rotations=event["n_rotations"],
                optimum=read_optimum(event),
                removed=tuple(event["removed"]),
                score=event["score"],
                predicted=event["predicted_increase"],
            )
            for event in self._trace.find("path", rule=rule)
        ]

    def stepped(self, stage: str, step: int, energy: float, angles: NDArray[np.float64]) -> None:
        """Trace a step, with its angles now and then."""
        now = time.monotonic()
        content: dict[str, Any] = {"stage": stage, "step": step, "energy": energy, "error": self._error(energy)}
        if now - self._saved > CHECKPOINT_SECONDS:
            content["angles"], self._saved = angles.tolist(), now
        self._trace.add("step", **content)
        per_step = (now - self._began) / step
        self._progress(f"{stage}: step {step}, {self._energy(energy)}, {per_step:.2g} s a step")

    def reached(self, stage: str, optimum: Optimum, seconds: float) -> None:
        """Trace and print an optimum."""
        self._trace.add(
            "optimum",
            stage=stage,
            **self._optimum_content(optimum),
        )
        self.say(
            f"{stage}: {counted(len(optimum.angles), 'parameter')}, {self._energy(optimum.value)}, "
            f"{counted(optimum.steps, 'step')} in {seconds:.2f} s"
        )
        if optimum.reason is StopReason.STEPS:
            self.say(f"{stage}: {optimum.reason.value}")
        self._began = time.monotonic()

    def pruned(self, rule: str, point: PathPoint) -> None:
        """Trace a point of a path and show how far it has come."""
        self._trace.add(
            "path",
            rule=rule,
            n_parameters=len(point.kept),
            n_rotations=point.n_rotations,
            **self._optimum_content(point.optimum),
            predicted_increase=point.predicted,
            removed=list(point.removed),
            score=point.score,
            kept=list(point.kept),
        )
        if not point.removed:
            self._began = time.monotonic()
            return
        started = self._trace.find("path", rule=rule)[0]["n_parameters"]
        left = len(point.kept)
        remaining = (time.monotonic() - self._began) / max(started - left, 1) * left
        self._progress(
            f"{rule}: {counted(left, 'parameter')} left, {self._energy(point.value)}, at most {remaining:.0f} s to go"
        )

    def _optimum_content(self, optimum: Optimum) -> dict[str, Any]:
        return {**optimum_content(optimum), "error": self._error(optimum.value)}

    def _error(self, energy: float) -> float | None:
        return None if self._exact is None else energy - self._exact

    def _energy(self, energy: float) -> str:
        error = self._error(energy)
        if self._unit != HARTREE:
            return f"E = {energy:.8f} {self._unit}" + ("" if error is None else f", error {error:.1e} {self._unit}")
        return f"E = {energy:.8f} Eh" + ("" if error is None else f", error {millihartree(error)} mHa")

    def _progress(self, text: str) -> None:
        now = time.monotonic()
        if self._live and now - self._printed > 0.1:
            self._write(f"\r\x1b[K{text}")
            self._open_line, self._printed = True, now
        elif not self._live and now - self._printed > LINE_SECONDS:
            self._write(text + "\n")
            self._printed = now

    def _close_line(self) -> None:
        if self._open_line:
            self._write("\r\x1b[K")
            self._open_line = False


def optimum_content(optimum: Optimum) -> dict[str, Any]:
    """Return an optimum as a trace holds it."""
    return {
        "energy": optimum.value,
        "gradient": optimum.gradient,
        "steps": optimum.steps,
        "reason": optimum.reason.name,
        "angles": optimum.angles.tolist(),
    }


def read_optimum(event: Mapping[str, Any]) -> Optimum:
    """Return the optimum that a trace holds."""
    return Optimum(
        angles=np.array(event["angles"], dtype=float),
        value=event["energy"],
        gradient=event["gradient"],
        steps=event["steps"],
        reason=StopReason[event["reason"]],
    )
