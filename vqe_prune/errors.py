"""The two ways in which a run ends early, each with its exit status."""

from __future__ import annotations


class InputError(ValueError):
    """What the user gave cannot be used: one line that says what, where and what to type instead (exit status 2)."""

    exit_status = 2


class ConvergenceError(RuntimeError):
    """A calculation did not converge: one line that says which and what to try (exit status 3)."""

    exit_status = 3
