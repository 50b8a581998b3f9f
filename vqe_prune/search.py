"""A search for good settings by Optuna: which ones to try next, from those tried before, the same for the same seed.

Trials are asked for in batches; a batch depends on the seed and on the batches before it alone, not on how many
processes there are or on which point ended first, so that a search that was killed goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from typing import Any

from vqe_prune.errors import InputError
from vqe_prune.launcher_settings import OBJECTIVES, SweeperSettings
from vqe_prune.report import Record
from vqe_prune.sweep import Interval, Sweep, check_searched

DIGITS = 4
"""Significant digits of a number that a search sets: more tell nothing, and fewer make equal points equal."""

MOST_CHECKED = 256
"""Combinations of names and ends of intervals that are checked before a search starts."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A point of a search: a text for each swept setting, and its numbers, None before its end or where it failed."""

    chosen: Mapping[str, str]
    values: tuple[float, ...] | None = None


def check_search(sweep: Sweep, chosen: SweeperSettings) -> list[str]:
    """Check a search before it starts and return the digests of points at its corners.

    Raises:
        InputError: Optuna is missing, or settings that the search may try cannot be used together.

    """
    if find_spec("optuna") is None:
        raise InputError("sweeper=optuna needs optuna: pip install 'vqe-prune[sweep]'")
    check_searched(sweep)
    ends = [
        (_text(values.low, values.whole), _text(values.high, values.whole)) if isinstance(values, Interval) else values
        for values in sweep.swept.values()
    ]
    digests = []
    for combination, _ in zip(product(*ends), range(MOST_CHECKED), strict=False):
        texts = dict(zip(sweep.swept, combination, strict=True))
        try:
            point = sweep.point(texts)
        except InputError as error:
            raise InputError(f"at {' '.join(f'{key}={text}' for key, text in texts.items())}: {error}") from error
        if "error" in chosen.minimise and not point.settings.exact:
            raise InputError("sweeper.minimise=error needs the exact energy; leave out exact=false")
        digests.append(point.digest)
    return digests


def ask(sweep: Sweep, chosen: SweeperSettings, trials: Sequence[Trial]) -> list[Trial]:
    """Return the next batch of trials.

    The tree-structured Parzen estimator (Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011) as
    Optuna has it, also for several numbers; the first ten trials are random.

    Args:
        sweep: What is swept, and between which values.
        chosen: Numbers to make small, how many trials, how many at once, and the seed.
        trials: All trials of the batches before.

    """
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {key: _distribution(values) for key, values in sweep.swept.items()}
    sampler = optuna.samplers.TPESampler(seed=(chosen.seed * 1_000_003 + len(trials)) % 2**32)
    study = optuna.create_study(directions=["minimize"] * len(chosen.minimise), sampler=sampler)
    for trial in trials:
        study.add_trial(
            create_trial(
                params={key: _value(sweep.swept[key], text) for key, text in trial.chosen.items()},
                distributions=distributions,
                values=trial.values,
                state=TrialState.FAIL if trial.values is None else TrialState.COMPLETE,
            )
        )
    count = min(chosen.batch, chosen.trials - len(trials))
    asked = [study.ask(distributions).params for _ in range(count)]
    return [Trial(chosen={key: _rounded(sweep.swept[key], params[key]) for key in sweep.swept}) for params in asked]


def values_of(record: Record, chosen: SweeperSettings) -> tuple[float, ...] | None:
    """Return the numbers that a search makes small: of the final stage, the error by its magnitude.

    Nine decimals: what is beyond is rounding, and would decide between equal points.
    """
    last = record.stages[-1]
    found = [last[OBJECTIVES[name]] for name in chosen.minimise]
    return None if None in found else tuple(round(abs(float(value)), 9) for value in found)


def front(values: Sequence[tuple[float, ...] | None]) -> list[int]:
    """Return the positions of all points that no other one beats: as small everywhere and smaller somewhere.

    Of points with the same numbers the first counts.

    >>> front([(1.0, 3.0), (2.0, 2.0), (2.0, 3.0), None, (1.0, 3.0)])
    [0, 1]

    """
    best = []
    for k, mine in enumerate(values):
        if mine is not None and not any(
            other is not None
            and all(b <= a for a, b in zip(mine, other, strict=True))
            and (other != mine or position < k)
            for position, other in enumerate(values)
            if position != k
        ):
            best.append(k)
    return best


def _distribution(values: tuple[str, ...] | Interval) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(values, Interval):
        return CategoricalDistribution(values)
    if values.whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)


def _value(values: tuple[str, ...] | Interval, text: str) -> Any:
    if not isinstance(values, Interval):
        return text
    return int(text) if values.whole else float(text)


def _rounded(values: tuple[str, ...] | Interval, value: Any) -> str:
    if not isinstance(values, Interval):
        return str(value)
    text = _text(value, values.whole)
    return text if values.low <= float(text) <= values.high else _text(value, values.whole, digits=17)


def _text(value: float, whole: bool, digits: int = DIGITS) -> str:
    return str(int(value)) if whole else f"{value:.{digits}g}"
