"""How far the rule ``lie`` goes and how it compares gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vqe_prune.errors import InputError, near_misses
from vqe_prune.lie_settings import DISTANCES
from vqe_prune.prune.calibration import Calibration
from vqe_prune.score.identifiers import Weights

ONE_LIMIT = "the rule lie needs one of epsilon, parameters and largest_increase, a number from 0, or a calibration"


@dataclass(frozen=True, kw_only=True)
class LieOptions:
    """How far the rule goes and how it compares gates; `lie_merge` needs exactly one of the first four.

    Attributes:
        epsilon: Distance up to which gates are one.
        parameters: Budget: the smallest distance that leaves no more parameters is taken.
        largest_increase: The largest distance is taken whose predicted increase of the energy is within this.
        calibration: Gates are one that the errors of this device blur; see `calibration`.
        weights: Of the terms of a distance.
        ensemble: States at which gates are compared, see `identify`.
        data: Those of the ensemble ``data``.
        distance: ``geometric``, which `weights`, `ensemble` and `data` are of, or ``task``: what a merge does to the
            energy, in its unit; see `distances`.
        condense: In `prune_ansatz`: first look for optima with fewer distinct angles, see `condense`; not for a fixed
            tolerance, which has no measure of what is better.

    """

    epsilon: float | None = None
    parameters: int | None = None
    largest_increase: float | None = None
    calibration: Calibration | None = None
    weights: Weights = field(default_factory=Weights)
    ensemble: str = "trajectory"
    data: Sequence[NDArray[np.complex128]] | None = None
    distance: str = "geometric"
    condense: bool = False

    def __post_init__(self) -> None:
        numbers = [each for each in (self.epsilon, self.parameters, self.largest_increase) if each is not None]
        given = [*numbers, *([] if self.calibration is None else [self.calibration.name])]
        if len(given) > 1 or not all(limit >= 0 for limit in numbers):
            raise InputError(f"{ONE_LIMIT}; it was given {', '.join(map(str, given))}")
        if self.distance not in DISTANCES:
            raise InputError(f"unknown distance {self.distance!r}{near_misses(self.distance, DISTANCES)}")
        geometry = (self.weights, self.ensemble, self.data) != (Weights(), "trajectory", None)
        if self.distance == "task" and geometry:
            raise InputError("weights, ensemble and data have no effect with distance='task'; leave them out")
        if self.condense and (self.epsilon is not None or self.calibration is not None):
            raise InputError("condense has no effect beside epsilon and calibration; leave one of them out")

    @property
    def limited(self) -> bool:
        """Whether a limit is given."""
        limits = (self.epsilon, self.parameters, self.largest_increase, self.calibration)
        return any(limit is not None for limit in limits)
