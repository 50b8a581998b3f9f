"""What a pruning tells while it runs and what it remembers of an interrupted one: here, nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.optimize import Optimum
from vqe_prune.prune.elimination import PathPoint


class Journal:
    """A journal that keeps silent and forgets: what a study in Python uses by default."""

    def say(self, text: str) -> None:
        """Tell the user one line or table."""

    def angles(self, stage: str) -> NDArray[np.float64] | None:
        """Return the last angles known of a stage, None where it has not begun."""
        return None

    def optimum(self, stage: str) -> Optimum | None:
        """Return a stage's optimum, None where it was not reached."""
        return None

    def noted(self, stage: str) -> dict[str, Any] | None:
        """Return what was noted about a stage's training and scores, None where nothing was."""
        return None

    def note(self, stage: str, content: dict[str, Any]) -> None:
        """Take note of a stage's training and scores."""

    def path(self, rule: str) -> list[PathPoint]:
        """Return the points of a rule's path that are known."""
        return []

    def stepped(self, stage: str, step: int, energy: float, angles: NDArray[np.float64]) -> None:
        """Take note of a step of an optimiser."""

    def reached(self, stage: str, optimum: Optimum, seconds: float) -> None:
        """Take note of a stage's optimum."""

    def pruned(self, rule: str, point: PathPoint) -> None:
        """Take note of a point of a pruning path."""
