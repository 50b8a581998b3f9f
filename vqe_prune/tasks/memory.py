"""What one seed of a task remembers: every finished step, so that a killed run goes on behind the last of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vqe_prune.journal import point_content, read_point
from vqe_prune.prune.elimination import PathPoint
from vqe_prune.run_folder import Trace

CHECKPOINT_SECONDS = 5.0
"""A training that is killed loses at most this much work."""


class Memory:
    """The trace of one seed: JSON lines that are only appended to.

    Args:
        path: Its file.
        say: Told what of it is lost.

    """

    def __init__(self, path: Path, say: Callable[[str], Any] | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.folder = path.parent
        self._trace = Trace(path, say)
        self._saved = time.monotonic()

    def once(self, step: str, compute: Callable[[], Any]) -> Any:
        """Return what a step has found before, else compute it and keep it; plain data that JSON holds exactly."""
        found = self._trace.find("done", step=step)
        if found:
            return found[-1]["content"]
        content = compute()
        self._trace.add("done", step=step, content=content)
        return content

    def checkpoint(self, step: str) -> Any:
        """Return the last checkpoint of a step that is not done, None where there is none."""
        found = self._trace.find("checkpoint", step=step)
        return found[-1]["content"] if found else None

    def keep(self, step: str, content: Callable[[], Any]) -> None:
        """Keep a checkpoint of a step, unless the last one is only seconds old."""
        if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self._trace.add("checkpoint", step=step, content=content())
            self._saved = time.monotonic()

    def path(self, rule: str) -> Sequence[PathPoint]:
        """Return the points of a rule's path so far."""
        return [read_point(event) for event in self._trace.find("path", rule=rule)]

    def add_point(self, rule: str, point: PathPoint) -> None:
        """Keep a point of a rule's path."""
        self._trace.add("path", rule=rule, **point_content(point))
