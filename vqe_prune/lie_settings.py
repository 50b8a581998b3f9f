"""What the settings of the rule ``lie`` may be, and which of them have no effect beside the others."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vqe_prune.errors import InputError, check_choice, near_misses
from vqe_prune.settings import PrunerSettings

ENSEMBLES = ("trajectory", "reference")
"""States at which gates are compared; ``data`` needs states, so only Python has it."""

DISTANCES = ("geometric", "task")

CALIBRATIONS = ("rainbow", "weber", "willow_pink")
"""Virtual processors of cirq-google, which is too slow to import for their names alone."""

OF_LIE = ("epsilon", "calibration", "distance", "condense", "weights", "ensemble")
"""Fields of `PrunerSettings` that only the rule ``lie`` has."""

SEARCHED = ("tolerance", "relative_to", "parameters")
"""Fields that say how far rules go; beside a fixed tolerance of distances ``lie`` has no use for them."""

WITHOUT_LIMITS = ("symmetry", "eqntk", "lie")


def check_lie(pruner: PrunerSettings, given: set[str], rules: Sequence[str]) -> None:
    """Raise InputError for settings of the rule ``lie`` that are out of range or have no effect.

    Args:
        pruner: The settings.
        given: Names of the settings that the user gave, ``pruner.epsilon`` and the like.
        rules: The rules that will run.

    """
    own = [f"pruner.{name}" for name in OF_LIE if f"pruner.{name}" in given]
    if own and "lie" not in rules:
        raise InputError(f"{own[0]} has no effect with pruner={','.join(rules)}; it is of the rule lie, try pruner=lie")
    if pruner.epsilon is not None and not (math.isfinite(pruner.epsilon) and pruner.epsilon >= 0):
        raise InputError(f"pruner.epsilon={pruner.epsilon} must be 0 or more: radian, or with distance=task an energy")
    if pruner.calibration is not None and pruner.calibration not in CALIBRATIONS:
        raise InputError(
            f"unknown pruner.calibration={pruner.calibration}{near_misses(pruner.calibration, CALIBRATIONS)}"
        )
    fixed = [name for name in ("epsilon", "calibration") if getattr(pruner, name) is not None]
    if len(fixed) > 1:
        raise InputError("pruner.epsilon has no effect beside pruner.calibration; leave one of them out")
    useless = [f"pruner.{name}" for name in SEARCHED if f"pruner.{name}" in given]
    if fixed and useless and set(rules) <= set(WITHOUT_LIMITS):
        raise InputError(f"{useless[0]} has no effect beside pruner.{fixed[0]}; leave one of them out")
    if fixed and pruner.condense:
        raise InputError(f"pruner.condense has no effect beside pruner.{fixed[0]}; leave one of them out")
    check_choice("pruner.distance", pruner.distance, DISTANCES)
    geometry = [f"pruner.{name}" for name in ("weights", "ensemble") if f"pruner.{name}" in given]
    if pruner.distance == "task" and geometry:
        raise InputError(f"{geometry[0]} has no effect with pruner.distance=task; leave one of them out")
    if pruner.ensemble not in ENSEMBLES:
        hint = "; data needs states: in Python, LieOptions(ensemble='data', data=...)"
        other = hint if pruner.ensemble == "data" else near_misses(pruner.ensemble, ENSEMBLES)
        raise InputError(f"unknown pruner.ensemble={pruner.ensemble}{other}")
    weights = pruner.weights
    if len(weights) != 3 or not all(math.isfinite(w) and w >= 0 for w in weights) or not any(weights):
        raise InputError(f"pruner.weights={weights} must be [algebra,fubini,fisher], 0 or more and not all 0")
