"""What a study tells while it runs, and what it remembers so that a killed run goes on where it stopped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.console import Console
from vqe_prune.optimize import Optimum, StopReason
from vqe_prune.prune.elimination import PathPoint
from vqe_prune.prune.journal import Journal
from vqe_prune.report.table import millihartree
from vqe_prune.run_folder import Trace
from vqe_prune.time_left import duration, steps_left
from vqe_prune.units import HARTREE
from vqe_prune.wording import counted

CHECKPOINT_SECONDS = 5.0
"""An optimisation that is killed loses at most this much work, and its steps since then in the picture."""


class TraceJournal(Journal):
    """A journal that tells progress and writes it to the run's trace.

    Args:
        trace: The run's trace.
        console: Where what it tells goes.
        exact: Exact energy that errors refer to, None where it is not known.
        unit: Unit of energies, hartree or J.

    """

    def __init__(self, trace: Trace, console: Console, exact: float | None, unit: str = HARTREE) -> None:
        self._trace, self._exact, self._unit = trace, exact, unit
        self.console = console
        self._began = self._saved = time.monotonic()
        self._values: list[float] = []
        self._first, self._deleted = 0, 0.0

    def say(self, text: str) -> None:
        """Tell the user one line or table."""
        self.console.say(text)

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
        self._begin()

    def path(self, rule: str) -> list[PathPoint]:
        """Return the points of a rule's path from the trace."""
        return [read_point(event) for event in self._trace.find("path", rule=rule)]

    def stepped(self, stage: str, step: int, energy: float, angles: NDArray[np.float64]) -> None:
        """Trace a step, with its angles now and then."""
        now = time.monotonic()
        content: dict[str, Any] = {"stage": stage, "step": step, "energy": energy, "error": self._error(energy)}
        if now - self._saved > CHECKPOINT_SECONDS:
            content["angles"], self._saved = angles.tolist(), now
            self._trace.add("step", **content)
        else:
            self._trace.remember("step", **content)
        if step == 1:  # after a path its chosen point is optimised to the end
            self._began = max(self._began, self._deleted)
        self._values.append(energy)
        if self.console.due():
            seconds = now - self._began
            left = steps_left(self._values)
            parts = [f"{stage}: step {step}", *self._energies(energy)]
            if left is not None and left * seconds / len(self._values) > 1.0:
                parts.append(f"about {duration(left * seconds / len(self._values))} to go")
            per_step = f"{seconds / len(self._values):.2g} s a step"
            self.console.progress([*parts, f"{duration(seconds)} so far", per_step])

    def reached(self, stage: str, optimum: Optimum, seconds: float) -> None:
        """Trace and print an optimum."""
        self._trace.add(
            "optimum",
            stage=stage,
            **self._optimum_content(optimum),
        )
        self.say(
            f"{stage}: {counted(len(optimum.angles), 'parameter')}, {', '.join(self._energies(optimum.value))}, "
            f"{counted(optimum.steps, 'step')} in {seconds:.2f} s"
        )
        if optimum.reason is StopReason.STEPS:
            self.say(f"{stage}: {optimum.reason.value}")
        self._begin()

    def pruned(self, rule: str, point: PathPoint) -> None:
        """Trace a point of a path and show how far it has come."""
        self._trace.add(
            "path",
            rule=rule,
            n_parameters=len(point.kept),
            **point_content(point),
            error=self._error(point.value),
        )
        left, self._deleted = len(point.kept), time.monotonic()
        if not point.removed:
            self._begin()
            self._first = left
        elif self.console.due():
            first = self._first or left + len(point.removed)  # of a run that goes on, only its own deletions are timed
            seconds = time.monotonic() - self._began
            remaining = seconds / max(first - left, 1) * left
            to_go = f"at most {duration(remaining)} to go"
            parts = [f"{rule}: {counted(left, 'parameter')} left", *self._energies(point.value), to_go]
            self.console.progress([*parts, f"{duration(seconds)} so far"])

    def _optimum_content(self, optimum: Optimum) -> dict[str, Any]:
        return {**optimum_content(optimum), "error": self._error(optimum.value)}

    def _error(self, energy: float) -> float | None:
        return None if self._exact is None else energy - self._exact

    def _begin(self) -> None:
        """Time what follows from now."""
        self._began, self._values = time.monotonic(), []
        self.console.begin()

    def _energies(self, energy: float) -> list[str]:
        """An energy and its error, where that is known, in words."""
        error, unit = self._error(energy), "Eh" if self._unit == HARTREE else self._unit
        words = [f"E = {energy:.8f} {unit}"]
        if error is not None:
            words.append(f"error {millihartree(error)} mHa" if self._unit == HARTREE else f"error {error:.1e} {unit}")
        return words


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


def point_content(point: PathPoint) -> dict[str, Any]:
    """Return a point of a path as a trace holds it."""
    return {
        "n_rotations": point.n_rotations,
        **optimum_content(point.optimum),
        "predicted_increase": point.predicted,
        "removed": list(point.removed),
        "score": point.score,
        "kept": list(point.kept),
    }


def read_point(event: Mapping[str, Any]) -> PathPoint:
    """Return the point of a path that a trace holds."""
    return PathPoint(
        kept=tuple(event["kept"]),
        n_rotations=event["n_rotations"],
        optimum=read_optimum(event),
        removed=tuple(event["removed"]),
        score=event["score"],
        predicted=event["predicted_increase"],
    )
