"""Optimising angles on a processor: SPSA and parameter-shift gradients from shots alone, with a way to resume.

The optimiser sees measured energies only. The angles that it returns are a mean over its last iterations, fixed before
any result is known: the lowest of many noisy energies is too low (the winner's curse) and its angles are no better than
their neighbours'. Their energy has to be measured again with fresh shots.
"""

from __future__ import annotations

import enum
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.errors import InputError, first_line, near_misses
from vqe_prune.measure import Runner
from vqe_prune.problem import Problem
from vqe_prune.run_folder import with_checksum, without_checksum, write_atomically
from vqe_prune.shift_rules import gradient_shifts, with_fixed_angles
from vqe_prune.shot_energy import ShotEnergy

Vector = NDArray[np.float64]

METHODS = ("spsa", "parameter_shift")

SCHEMA = 1

ENERGY_SHARE = 0.2
"""Of an iteration's shots, those of the energy at the angles themselves; the rest goes to the gradient."""

WINDOW = 10
"""Iterations over which final angles are averaged and significance is tested."""

SIGNIFICANT = 2.0
"""Standard errors that tell a number from zero."""

CALIBRATION_PAIRS = 5
"""Pairs of energies from which SPSA finds its gains; they cost the shots of as many iterations."""

CENTRE_SHARE = 0.3
"""Of these shots, those of the energy between the pairs, which stands twice in every curvature."""

FIRST_PROBE, LEAST_PROBE, LARGEST_PROBE = 0.2, 0.1, 0.4
"""Radian; larger ones would show the energy's cosines rather than its slope."""

FIRST_STEP, LARGEST_STEP = 0.1, 0.2
"""Radian a parameter; amplitudes of electron pairs are of the order of the first."""

DECAY, PROBE_DECAY = 0.602, 0.101
"""Spall's exponents of the gains."""

LEARNING_RATE, FIRST_MOMENT, SECOND_MOMENT = 0.05, 0.7, 0.99
"""Of Adam; moments are forgotten faster than by its authors, as there are tens of steps, not thousands."""

SETTLING = 10.0
"""Iterations after which Adam's learning rate begins to fall."""


class StopReason(enum.Enum):
    """Why an optimisation with shots ended; the value says what it means and what to do."""

    GRADIENT = "converged: the mean gradient is zero within its error bar; more shots would see a smaller one"
    ITERATIONS = "stopped at the largest number of iterations"


@dataclass(frozen=True, kw_only=True)
class ShotDescent:
    """How angles are optimised from shots.

    Attributes:
        method: ``spsa`` (two energies an iteration, however many parameters), or ``parameter_shift`` (exact gradients).
        iterations: Largest number of iterations.
        shots: Of all iterations together, the calibration of SPSA included, divided equally.
        seed: Of SPSA's directions.

    Raises:
        InputError: The method is unknown or a number is not positive.

    """

    method: str = "spsa"
    iterations: int = 40
    shots: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"unknown optimizer={self.method!r}{near_misses(self.method, METHODS)}")
        for name in ("iterations", "shots"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)} must be at least 1")

    @property
    def shots_an_iteration(self) -> int:
        """Shots of one iteration."""
        return self.shots // (self.iterations + (CALIBRATION_PAIRS if self.method == "spsa" else 0))


@dataclass(frozen=True, kw_only=True)
class Iteration:
    """What one iteration measured.

    Attributes:
        angles: Parameters, radian.
        energy: Measured there, with its standard error `error_bar`.
        gradient: Estimate of its gradient, each component with its standard error in `gradient_bars`; for SPSA the
            slope along one random direction, times the direction.
        shots: Of all its circuits.
        kept: Fraction of them that post-selection kept.

    """

    angles: tuple[float, ...]
    energy: float
    error_bar: float
    gradient: tuple[float, ...]
    gradient_bars: tuple[float, ...]
    shots: int
    kept: float


@dataclass(frozen=True, kw_only=True)
class ShotProgress:
    """How far an optimisation has come: all that it needs to go on, and the content of its checkpoint.

    Attributes:
        angles: Parameters of the next iteration, radian.
        moments: Adam's first and second moment.
        variances: Of one shot of each setting, as measured.
        gain: SPSA's first factor of the gradient, radian^2 an energy; 0 before the calibration.
        probe: SPSA's first displacement, radian.
        calls: How often the runner was called.
        calibration_shots: Shots of SPSA's calibration.
        history: The iterations.
        stop: Why it ended, None before.

    """

    angles: tuple[float, ...]
    moments: tuple[tuple[float, ...], tuple[float, ...]]
    variances: tuple[float, ...] | None = None
    gain: float = 0.0
    probe: float = FIRST_PROBE
    calls: int = 0
    calibration_shots: int = 0
    history: tuple[Iteration, ...] = ()
    stop: StopReason | None = None

    @property
    def final_angles(self) -> Vector:
        """Mean of the angles that the last `WINDOW` iterations led to, of fewer than twice as many the later half."""
        reached = [each.angles for each in self.history[1:]] + [self.angles]
        return np.mean(reached[-max(1, min(WINDOW, len(reached) // 2)) :], axis=0)

    @property
    def shots(self) -> int:
        """All shots so far."""
        return self.calibration_shots + sum(each.shots for each in self.history)


def minimize_shots(
    energy: ShotEnergy,
    runner: Runner,
    start: Vector,
    descent: ShotDescent,
    *,
    checkpoint: Path | None = None,
    say: Callable[[str], Any] = lambda text: None,
) -> ShotProgress:
    """Minimise a measured energy over the angles of its ansatz.

    ``spsa``: angles -= a_k (E(angles + c_k d) - E(angles - c_k d)) / (2 c_k) d with d_i = +-1 at random,
    a_k = a / (A + k)^0.602, c_k = c / k^0.101, A a tenth of the iterations. Five pairs and the energy between them give
    its slope and, from E_+ + E_- - 2 E, the trace of the Hessian with their errors: the first gain is one over that
    trace where it is seen, or makes a first step of 0.1 rad if that is shorter, and c is where the energy's change
    tr H c^2 / 2 equals the error of a pair. ``parameter_shift``: Adam on exact gradients (`gradient_shifts`), shots
    shared out by their weights. Both share each energy's shots among settings by the variances measured so far.

    It ends after its iterations, or from twice ten (`WINDOW`) on where the mean gradient of the last ten is zero within
    its error bars: chi^2 of n parameters below n + 2 sqrt(2 n).

    Args:
        energy: What is measured.
        runner: What runs circuits; called once an iteration, and once before for the calibration of SPSA.
        start: Angles to start from, radian, (n_parameters,).
        descent: Method, iterations, shots.
        checkpoint: A file that is written after each call of the runner, and gone on from where it is there. A runner
            whose shots follow from the circuits and the number of its call gives what it would have given: see
            `read_progress` for that number. None keeps nothing.
        say: Told how it goes, one line at a time.

    Returns:
        The iterations; its `final_angles` are to be measured with fresh shots.

    Raises:
        InputError: There are too few shots, the angles do not fit, or the checkpoint is of another optimisation.
        ConvergenceError: Post-selection leaves too little.

    Reference: J. C. Spall, Multivariate stochastic approximation using a simultaneous perturbation gradient
        approximation, IEEE Transactions on Automatic Control 37, 332 (1992); A. Kandala et al., Hardware-efficient
        variational quantum eigensolver for small molecules and quantum magnets, arXiv 1704.05018, for gains from
        measured differences; D. P. Kingma, J. Ba, Adam: a method for stochastic optimization, arXiv 1412.6980. Gains
        from the measured curvature, the falling learning rate, shares of shots and the tests are our reconstruction.

    """
    digest = _digest(energy, descent)
    found = None if checkpoint is None else read_progress(checkpoint, digest)
    progress = _begin(energy, np.asarray(start, dtype=np.float64)) if found is None else found
    _check_shots(energy, descent)
    if found is not None and found.stop is None:
        say(f"{descent.method}: going on after iteration {len(found.history)}")
    while progress.stop is None:
        calibrates = descent.method == "spsa" and progress.calls == 0
        progress = (_calibrate if calibrates else _iterate)(energy, runner, descent, progress)
        if checkpoint is not None:
            write_atomically(checkpoint, _progress_text(progress, digest))
        done = len(progress.history)
        if done and (progress.stop is not None or done % max(1, descent.iterations // 4) == 0):
            last = progress.history[-1]
            say(f"{descent.method} {done}: {last.energy:.6f} +- {last.error_bar:.6f}, {progress.shots} shots")
    return progress


def circuits_an_iteration(energy: ShotEnergy, method: str) -> int:
    """Return how many circuits an iteration runs."""
    n_energies = 3 if method == "spsa" else 1 + len(_shifts(energy))
    return n_energies * len(energy.grouping.settings)


def _shifts(energy: ShotEnergy) -> Any:
    occupied = energy.problem.reference_occupied if isinstance(energy.problem, Problem) else ()
    return gradient_shifts(energy.ansatz, occupied)


def _begin(energy: ShotEnergy, start: Vector) -> ShotProgress:
    n = energy.ansatz.n_parameters
    if start.shape != (n,) or not np.isfinite(start).all():
        raise InputError(f"start must be {n} finite angles, but it is {start}")
    return ShotProgress(angles=tuple(start.tolist()), moments=((0.0,) * n, (0.0,) * n))


def _check_shots(energy: ShotEnergy, descent: ShotDescent) -> None:
    """Refuse shots of which some energy would get too few."""
    weights = np.abs([0.5, 0.5] if descent.method == "spsa" else [shift.weight for shift in _shifts(energy)])
    if not weights.size:
        raise InputError("no rotation acts on the reference: there is nothing to optimise")
    share = min(ENERGY_SHARE, (1.0 - ENERGY_SHARE) * float(weights.min() / weights.sum()))
    least = math.ceil((energy.least_shots + 1) / share)
    if descent.shots_an_iteration < least:
        enough = least * (descent.shots // max(1, descent.shots_an_iteration) + 1)
        raise InputError(
            f"shots={descent.shots} is too few for {descent.iterations} iterations of "
            f"{circuits_an_iteration(energy, descent.method)} circuits; try shots={enough} or fewer iterations"
        )


def _iterate(energy: ShotEnergy, runner: Runner, descent: ShotDescent, progress: ShotProgress) -> ShotProgress:
    """Measure the energy and its gradient in one batch, and step."""
    angles, k = np.array(progress.angles), len(progress.history) + 1
    fixed, weights = _gradient_circuits(energy, descent, progress, angles)
    sizes = np.abs(weights).sum(axis=0)
    sizes *= (1.0 - ENERGY_SHARE) / sizes.sum()
    sizes[0] = ENERGY_SHARE
    shots = np.floor(descent.shots_an_iteration * sizes).astype(np.int64)
    known = None if progress.variances is None else np.array(progress.variances)
    seen = energy.measure(fixed, shots.tolist(), runner, known)
    gradient = weights @ seen.values
    bars = np.sqrt(weights**2 @ seen.errors**2)
    iteration = Iteration(
        angles=progress.angles,
        energy=float(seen.values[0]),
        error_bar=float(seen.errors[0]),
        gradient=tuple(gradient.tolist()),
        gradient_bars=tuple(bars.tolist()),
        shots=int(shots.sum()),
        kept=seen.kept,
    )
    if descent.method == "spsa":
        gain = progress.gain * ((_stability(descent) + 1.0) / (_stability(descent) + k)) ** DECAY
        step, moments = np.clip(gain * gradient, -LARGEST_STEP, LARGEST_STEP), progress.moments
    else:
        step, moments = _adam(gradient, progress.moments, k)
    # half of what was known before: the settings' variances change with the angles
    variances = seen.variances if known is None else 0.5 * (known + seen.variances)
    moved = replace(
        progress,
        angles=tuple((angles - step).tolist()),
        moments=moments,
        variances=tuple(variances.tolist()),
        calls=progress.calls + 1,
        history=(*progress.history, iteration),
    )
    return replace(moved, stop=_stop(moved, descent))


def _gradient_circuits(
    energy: ShotEnergy, descent: ShotDescent, progress: ShotProgress, angles: Vector
) -> tuple[list[Ansatz], Vector]:
    """The circuits of an iteration, the first at the angles themselves, and W with gradient = W energies."""
    if descent.method == "spsa":
        k = len(progress.history) + 1
        probe = progress.probe / k**PROBE_DECAY
        direction = _direction(descent, k, len(angles))
        sets = [angles, angles + probe * direction, angles - probe * direction]
        slopes = np.array([0.0, 0.5 / probe, -0.5 / probe])
        return [with_fixed_angles(energy.ansatz, each) for each in sets], np.outer(direction, slopes)
    shifts = _shifts(energy)
    weights = np.zeros((len(angles), 1 + len(shifts)))
    for column, shift in enumerate(shifts, start=1):
        weights[shift.parameter, column] = shift.weight
    fixed = [with_fixed_angles(energy.ansatz, angles, shift) for shift in (None, *shifts)]
    return fixed, weights


def _direction(descent: ShotDescent, iteration: int, n: int, pair: int = 0) -> Vector:
    """Signs at random that follow from the seed and the place alone, so that nothing has to be kept for a restart."""
    return np.random.default_rng([descent.seed, iteration, pair]).choice([-1.0, 1.0], size=n)


def _stability(descent: ShotDescent) -> float:
    """Spall's A: a tenth of the iterations."""
    return 0.1 * descent.iterations


def _adam(
    gradient: Vector, moments: tuple[tuple[float, ...], tuple[float, ...]], k: int
) -> tuple[Vector, tuple[tuple[float, ...], tuple[float, ...]]]:
    """Adam's step k (from 1), with a learning rate that falls as 1 / sqrt(1 + k / 10)."""
    first = FIRST_MOMENT * np.array(moments[0]) + (1.0 - FIRST_MOMENT) * gradient
    second = SECOND_MOMENT * np.array(moments[1]) + (1.0 - SECOND_MOMENT) * gradient**2
    size = np.sqrt(second / (1.0 - SECOND_MOMENT**k)) + 1e-12
    rate = LEARNING_RATE / math.sqrt(1.0 + k / SETTLING)
    return rate * first / (1.0 - FIRST_MOMENT**k) / size, (tuple(first.tolist()), tuple(second.tolist()))


def _calibrate(energy: ShotEnergy, runner: Runner, descent: ShotDescent, progress: ShotProgress) -> ShotProgress:
    """Find SPSA's gains from the slope and the curvature at the start, as far as they are seen above the noise."""
    angles, c = np.array(progress.angles), FIRST_PROBE
    sets = [angles]
    for pair in range(CALIBRATION_PAIRS):
        direction = _direction(descent, 0, len(angles), pair)
        sets += [angles + c * direction, angles - c * direction]
    sizes = np.array([CENTRE_SHARE] + [(1.0 - CENTRE_SHARE) / (len(sets) - 1)] * (len(sets) - 1))
    shots = np.floor(CALIBRATION_PAIRS * descent.shots_an_iteration * sizes).astype(np.int64)
    seen = energy.measure([with_fixed_angles(energy.ansatz, each) for each in sets], shots.tolist(), runner)
    (centre, plus, minus), bars = (seen.values[:1], seen.values[1::2], seen.values[2::2]), seen.errors
    noise = float(np.mean(bars[1:] ** 2))
    slope = math.sqrt(max(float(np.mean((plus - minus) ** 2)), 2.0 * noise)) / (2.0 * c)
    trace = float(np.mean(plus + minus - 2.0 * centre)) / c**2
    trace_bar = math.sqrt(2.0 * noise / CALIBRATION_PAIRS + 4.0 * float(bars[0]) ** 2) / c**2
    gain, probe = FIRST_STEP / slope, c
    if trace > SIGNIFICANT * trace_bar:
        gain = min(gain, 1.0 / trace)
        probe = float(np.clip(math.sqrt(2.0 * math.sqrt(2.0 * noise) / trace), LEAST_PROBE, LARGEST_PROBE))
    return replace(
        progress,
        variances=tuple(seen.variances.tolist()),
        gain=gain,
        probe=probe,
        calls=progress.calls + 1,
        calibration_shots=int(shots.sum()),
    )


def _stop(progress: ShotProgress, descent: ShotDescent) -> StopReason | None:
    """Why an optimisation is over, None where it is not."""
    history = progress.history
    if len(history) >= 2 * WINDOW:
        mean = np.mean([each.gradient for each in history[-WINDOW:]], axis=0)
        bars = np.sqrt(np.sum(np.square([each.gradient_bars for each in history[-WINDOW:]]), axis=0)) / WINDOW
        seen = bars > 0.0  # a parameter that moves nothing has neither gradient nor bar
        square, n = float(np.sum((mean[seen] / bars[seen]) ** 2)), np.count_nonzero(seen)
        if square < n + SIGNIFICANT * math.sqrt(2.0 * n):  # chi^2 of n numbers: mean n, variance 2 n
            return StopReason.GRADIENT
    return StopReason.ITERATIONS if len(history) >= descent.iterations else None


def read_progress(checkpoint: Path, digest: str | None = None) -> ShotProgress | None:
    """Read a checkpoint of `minimize_shots`; None where there is none.

    Args:
        checkpoint: The file.
        digest: Of the optimisation that it must be of; None takes any.

    Raises:
        InputError: The file is broken or of another optimisation.

    """
    if not checkpoint.exists():
        return None
    try:
        content = json.loads(checkpoint.read_text())
        if content.pop("schema") != SCHEMA:
            raise InputError(
                f"{checkpoint} is of another version of vqe_prune: use that one, or {_moved_aside(checkpoint)}"
            )
        content = without_checksum({"schema": SCHEMA, **content})
        del content["schema"]
        found = content.pop("digest")
        if digest is not None and found != digest:
            raise InputError(
                f"{checkpoint} is of another optimisation: choose another folder, or {_moved_aside(checkpoint)}"
            )
        history = tuple(Iteration(**_tuples(row)) for row in content.pop("history"))
        stop = content.pop("stop")
        return ShotProgress(**_tuples(content), history=history, stop=None if stop is None else StopReason[stop])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{checkpoint} cannot be read ({first_line(error)}): {_moved_aside(checkpoint)}") from error


def _moved_aside(checkpoint: Path) -> str:
    """The advice to move a checkpoint aside with the jobs beside it, and what that costs."""
    folder = checkpoint.parent
    return (
        f"move its folder aside (mv {folder} {folder}.aside) and the optimisation begins again: the iterations "
        "that were measured are then lost to it, so keep what was moved"
    )


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    """Lists of JSON as tuples."""
    return {key: _tuple(value) for key, value in row.items()}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


def _progress_text(progress: ShotProgress, digest: str) -> str:
    stop = None if progress.stop is None else progress.stop.name
    content = with_checksum({"schema": SCHEMA, "digest": digest, **asdict(progress), "stop": stop})
    return json.dumps(content, indent=1) + "\n"


def _digest(energy: ShotEnergy, descent: ShotDescent) -> str:
    """Of what decides about the course but the start, which an optimiser may leave 1e-8 elsewhere in the next run."""
    rotations = [[r.generator.label, r.parameter, round(r.coefficient, 6)] for r in energy.ansatz.rotations]
    content = [asdict(descent), rotations, energy.problem.name, energy.encoded.wires, energy.post_select]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
