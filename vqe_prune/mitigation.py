"""Energies from outcomes: raw, post-selected, corrected for readout, less a reference's error, and extrapolated.

How the outcomes were obtained is no matter here. A `Reading` carries, beside its value and sampling variance, how far
each calibrated readout rate moves it, so that the error of a calibration that two readings share cancels where they
are subtracted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from vqe_prune.basis_change import Setting
from vqe_prune.grouping import EXACT_QUBITS

Vector = NDArray[np.float64]

LEAST_CONTRAST = 0.1
"""A qubit whose readout tells 0 from 1 by less (1 - P(1|0) - P(0|1)) says nothing that can be corrected."""


SEEN = 2.0
"""Standard errors by which two energies must differ for a decay to be fitted."""


class UnusableDataError(Exception):
    """These outcomes give no value of this kind; the message says why."""


@dataclass(frozen=True, eq=False)
class Tally:
    """Outcomes, each distinct one once.

    Attributes:
        bits: Distinct outcomes; shape (n_distinct, n_qubits).
        counts: How often each was seen; shape (n_distinct,).
        blocks: The same in each block of shots that have more in common than the circuit, such as one random frame;
            shape (n_blocks, n_distinct), None where the shots are independent.

    """

    bits: NDArray[np.bool_]
    counts: NDArray[np.int64]
    blocks: NDArray[np.int64] | None = None


def tally(outcomes: NDArray[np.bool_], blocks: Sequence[int] = ()) -> Tally:
    """Count outcomes, shape (shots, n_qubits), in blocks of so many shots one after the other where there are any."""
    packed, place, counts = np.unique(np.packbits(outcomes, axis=1), axis=0, return_inverse=True, return_counts=True)
    bits = np.unpackbits(packed, axis=1, count=outcomes.shape[1]).astype(np.bool_)
    inside = None
    if len(blocks) > 1:
        ends = np.cumsum(blocks)[:-1]
        inside = np.stack([np.bincount(part.ravel(), minlength=len(bits)) for part in np.split(place, ends)])
    return Tally(bits, counts.astype(np.int64), inside)


@dataclass(frozen=True, eq=False)
class Readout:
    """How often each qubit is read wrongly, on its own.

    Attributes:
        rates: P(1 read | 0) and P(0 read | 1) of each qubit; shape (2, n_qubits).
        errors: Their standard errors; same shape.

    """

    rates: Vector
    errors: Vector


def calibrate_readout(zeros: Tally, ones: Tally) -> Readout:
    """Return the readout rates from outcomes of the circuits that prepare all zeros and all ones."""
    rates, errors = [], []
    for counted, wrong in ((zeros, zeros.bits), (ones, ~ones.bits)):
        shots = int(counted.counts.sum())
        seen = counted.counts @ wrong
        likely = (seen + 1.0) / (shots + 2.0)  # of no error in n shots one must not conclude an error of 0 +- 0
        rates.append(seen / shots)
        errors.append(np.sqrt(likely * (1.0 - likely) / shots))
    return Readout(np.array(rates), np.array(errors))


@dataclass(frozen=True, eq=False)
class Reading:
    """One energy from the outcomes of all settings.

    Attributes:
        value: Energy.
        variance: Its sampling variance.
        slopes: Change of the value when a calibrated rate grows by its standard error; shape (2 n_qubits,).
        kept: Fraction of the shots that post-selection keeps.

    """

    value: float
    variance: float
    slopes: Vector
    kept: float = 1.0

    @property
    def error(self) -> float:
        """One standard error: sampling of the settings and of the calibration."""
        return math.sqrt(self.variance + float(self.slopes @ self.slopes))


def read_energy(
    constant: float,
    settings: Sequence[Setting],
    tallies: Sequence[Tally],
    variances: Vector,
    *,
    post_select: bool = False,
    readout: Readout | None = None,
    positions: Sequence[tuple[int, ...] | None] = (),
) -> Reading:
    """Return the energy: constant + sum_g mean of setting g's observable over its shots.

    The variance is that of the per-shot values of the whole observable, so covariances of its terms count. It is never
    taken below what the exact state predicts: few shots may all miss a rare outcome; nor below what the spread between
    blocks of shots says.

    With readout rates e0, e1 of a qubit, z becomes (z - (e1 - e0)) / (1 - e0 - e1) in products of Z. With
    post-selection as well the outcome probabilities are corrected first, since reading comes last, and then restricted
    to the conserved numbers and parities: E_g = sum_y p(y) w(y) / sum_y p(y) d(y), w = M^-T (g f), d = M^-T g, with
    the observable f, the indicator g of right outcomes and the matrix M of readout errors.

    Args:
        constant: Coefficient of the identity.
        settings: What each circuit measured.
        tallies: Outcomes of each.
        variances: Predicted variance of one shot of each setting; shape (n_settings,).
        post_select: Keep only outcomes with the numbers and parities that their setting keeps.
        readout: Rates to correct for.
        positions: For each setting, the calibrated qubit that each of its qubits was read on, where a circuit was
            routed; None for one that was not calibrated. Empty: each on its own.

    Raises:
        UnusableDataError: Post-selection leaves too little, or a qubit's readout has no contrast or is not calibrated.

    """
    n_qubits = tallies[0].bits.shape[1] if tallies else 0
    if readout is not None and (1.0 - readout.rates.sum(axis=0)).min() < LEAST_CONTRAST:
        worst = int(np.argmax(readout.rates.sum(axis=0)))
        raise UnusableDataError(f"the readout of qubit {worst} hardly tells 0 from 1")
    value, variance, kept, shots = constant, 0.0, 0.0, 0
    slopes = np.zeros((2, n_qubits))
    for k, (setting, counted, least) in enumerate(zip(settings, tallies, variances, strict=True)):
        try:
            places = list(_places(positions[k] if positions else tuple(range(n_qubits)), readout is not None))
            own = None if readout is None else Readout(readout.rates[:, places], readout.errors[:, places])
            read = _reader(setting, counted.bits, post_select, readout is not None)
            rates = np.zeros((2, n_qubits)) if own is None else own.rates
            mean, spread, weight = _mean(read(rates), counted, float(least))
        except UnusableDataError as error:
            raise UnusableDataError(f"setting {k}: {error}") from None
        n = int(counted.counts.sum())
        value, variance, kept, shots = value + mean, variance + spread, kept + n * weight, shots + n
        if own is not None:
            slopes[:, places] += _slopes(read, counted.counts, _measured_qubits(setting, post_select), own)
    return Reading(value, variance, slopes.ravel(), kept / shots if shots else 1.0)


def _places(position: tuple[int, ...] | None, needed: bool) -> tuple[int, ...]:
    """Calibrated qubits of a setting's qubits; of no interest where nothing is corrected."""
    if position is None and needed:
        raise UnusableDataError("routing left its qubits where none was calibrated")
    return position or ()


def _mean(read: tuple[Vector, Vector], counted: Tally, least: float) -> tuple[float, float, float]:
    """Mean of the observable, variance of that mean, and the fraction of shots that count."""
    values, weights = read
    counts = counted.counts
    n = int(counts.sum())
    weight = float(counts @ weights) / n
    if weight * n < 2.0:
        raise UnusableDataError(f"post-selection keeps {max(weight, 0.0) * n:.0f} of {n} shots")
    mean = float(counts @ values) / (n * weight)
    residuals = values - mean * weights  # of the ratio: they sum to zero
    sample = float(counts @ residuals**2) / (n - 1)
    if counted.blocks is not None:  # of sums over independent blocks, per shot
        n_blocks = len(counted.blocks)
        between = float(((counted.blocks @ residuals) ** 2).sum()) * n_blocks / ((n_blocks - 1) * n)
        sample = max(sample, between)
    return mean, max(sample, least * weight) / (n * weight**2), weight


def _slopes(read: _Read, counts: NDArray[np.int64], qubits: Collection[int], readout: Readout) -> Vector:
    """Change of a setting's mean when each rate grows by its error, by central differences; (2, n_qubits)."""
    found = np.zeros_like(readout.rates)
    for kind in (0, 1):
        for qubit in qubits:
            ends = []
            for sign in (1.0, -1.0):
                rates = readout.rates.copy()
                rates[kind, qubit] += sign * readout.errors[kind, qubit]
                values, weights = read(rates)
                ends.append(float(counts @ values) / max(float(counts @ weights), 1.0))
            found[kind, qubit] = 0.5 * (ends[0] - ends[1])
    return found


def _measured_qubits(setting: Setting, post_select: bool) -> set[int]:
    """Qubits whose bits an estimate uses."""
    checks = (*setting.checks, *setting.parities) if post_select else ()
    return {q for _, qubits in setting.diagonal for q in qubits} | {q for qubits, _ in checks for q in qubits}


_Read = Callable[[Vector], tuple[Vector, Vector]]
"""From readout rates, (2, n_qubits), to the observable's value and weight for each outcome, shapes (n_distinct,)."""


def _reader(setting: Setting, bits: NDArray[np.bool_], post_select: bool, correct: bool) -> _Read:
    if post_select and setting.n_checks and correct:
        return _corrected_and_selected(setting, bits)
    signs, weights = _signs(bits), np.ones(len(bits))
    if post_select:
        weights = right_outcomes(setting, bits).astype(np.float64)

    def read(rates: Vector) -> tuple[Vector, Vector]:
        corrected = (signs - (rates[1] - rates[0])) / (1.0 - rates.sum(axis=0))
        return _observable(setting, corrected) * weights, weights

    return read


def _signs(bits: NDArray[np.bool_]) -> Vector:
    """Eigenvalue of Z: 1 for zero, -1 for one."""
    return np.where(bits, -1.0, 1.0)


def _observable(setting: Setting, signs: Vector) -> Vector:
    found = np.zeros(len(signs))
    for coefficient, qubits in setting.diagonal:
        found += coefficient * signs[:, list(qubits)].prod(axis=1)
    return found


def right_outcomes(setting: Setting, bits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which outcomes, shape (n, n_qubits), hold every number and parity that a setting can be checked for."""
    right = np.ones(len(bits), dtype=np.bool_)
    for qubits, number in setting.checks:
        right &= bits[:, list(qubits)].sum(axis=1) == number
    for qubits, parity in setting.parities:
        right &= bits[:, list(qubits)].sum(axis=1) % 2 == parity
    return right


@cache
def _all_outcomes(n_qubits: int) -> NDArray[np.bool_]:
    shifts = np.arange(n_qubits - 1, -1, -1)
    bits = (np.arange(1 << n_qubits)[:, None] >> shifts & 1).astype(np.bool_)
    bits.setflags(write=False)
    return bits


def _corrected_and_selected(setting: Setting, bits: NDArray[np.bool_]) -> _Read:
    n = bits.shape[1]
    every = _all_outcomes(n)
    right = right_outcomes(setting, every).astype(np.float64)
    exact = np.stack([right * _observable(setting, _signs(every)), right])
    index = bits @ (1 << np.arange(n - 1, -1, -1))

    def read(rates: Vector) -> tuple[Vector, Vector]:
        tables = exact
        for qubit, (low, high) in enumerate(rates.T):  # M^-T, one qubit at a time
            parts = tables.reshape(2 << qubit, 2, -1)
            zero, one = parts[:, 0], parts[:, 1]
            tables = np.stack([(1.0 - high) * zero - low * one, (1.0 - low) * one - high * zero], axis=1)
            tables /= 1.0 - low - high
        values, weights = tables.reshape(2, -1)
        return values[index], weights[index]

    return read


def subtract_reference(measured: Reading, reference: Reading, exact: float) -> Reading:
    """Subtract the error of a reference state of the same circuit: E - (E_reference - exact).

    Noise that mixes a share p of a fixed state into both leaves the bias p (E_reference - E), small where the
    reference's energy is close; noise that depends on the angles is not seen.

    Args:
        measured: Energy of the circuit.
        reference: Energy of the same circuit at other angles, in the same settings.
        exact: The reference's energy without noise.

    Reference: P. Lolur, M. Skogh, W. Dobrautz, C. Warren, J. Biznárová, A. Osman, G. Tancredi, G. Wendin, J. Bylander,
        M. Rahm, Reference-state error mitigation: a strategy for high accuracy quantum computation of chemistry, arXiv
        2203.14756; the note on its bias is ours.

    """
    return Reading(
        measured.value - (reference.value - exact),
        measured.variance + reference.variance,
        measured.slopes - reference.slopes,
        min(measured.kept, reference.kept),
    )


def rescale(measured: Reading, training: Sequence[Reading], exact: Sequence[float], mixed: float) -> Reading:
    """Multiply an energy by what noise divides those of training circuits by: A + a (E - A).

    a = sum_i (e_i - A) x_i / sum_i x_i^2 with x_i = E_i - A, the least-squares fit of exact energies e_i to noisy ones
    through the energy A of complete mixing. The bar holds sampling, and as for one more circuit of their kind what the
    ratios (e_i - A) / x_i spread beyond their own sampling: s^2 (1 + 1/n) (E - A)^2.

    Args:
        measured: Energy E of the circuit.
        training: Energies E_i of the same circuit at other angles, in the same settings.
        exact: Their energies e_i without noise.
        mixed: A.

    Raises:
        UnusableDataError: There are not two circuits, or noise leaves nothing of an energy.

    Reference: P. Czarnik, A. Arrasmith, P. J. Coles, L. Cincio, Error mitigation with Clifford quantum-circuit data,
        arXiv 2005.10189; the line through A, with one parameter instead of two, and the bar are our reconstruction.

    """
    noisy = np.array([each.value - mixed for each in training])
    wanted = np.array([energy - mixed for energy in exact])
    if len(noisy) < 2 or (noisy * wanted).min() <= 0.0:
        raise UnusableDataError("noise leaves too little of the training circuits' energies")
    norm = float(noisy @ noisy)
    factor = float(wanted @ noisy) / norm
    distance = measured.value - mixed
    sampled = np.array([each.variance for each in training]) * (wanted / noisy**2) ** 2
    spread = max(float(np.var(wanted / noisy, ddof=1) - sampled.mean()), 0.0) * (1.0 + 1.0 / len(noisy))
    variance, slopes = factor**2 * measured.variance + distance**2 * spread, factor * measured.slopes
    for each, change in zip(training, distance * (wanted - 2.0 * factor * noisy) / norm, strict=True):
        variance += change**2 * each.variance
        slopes = slopes + change * each.slopes
    kept = min(each.kept for each in (measured, *training))
    return Reading(mixed + factor * distance, variance, slopes, kept)


def extrapolate(single: Reading, triple: Reading, mixed: float | None) -> dict[str, Reading]:
    """Extrapolate to no two-qubit gate error from the circuit and the one with each two-qubit gate three times.

    Linear: 3/2 E_1 - 1/2 E_3. Exponential: A + B r^fold with the energy A of complete mixing, which two folds
    determine: A + (E_1 - A)^(3/2) / (E_3 - A)^(1/2). It is left out where E_3 is not between E_1 and A, or differs from
    E_1 by less than two standard errors: kept whenever chance makes it look like a decay, it would be biased. Each bar
    holds the sampling error, the difference of the two fits and half of the linear correction: two points show neither
    the curvature nor whether three gates really have three times the error (on processors idling adds to it).

    Args:
        single: The energy at fold 1.
        triple: At fold 3.
        mixed: Energy A of complete mixing, None where it is not known.

    Returns:
        Readings named ``linear`` and, where it exists, ``exponential``.

    Reference: K. Temme, S. Bravyi, J. M. Gambetta, Error mitigation for short-depth quantum circuits, arXiv 1612.02058,
        and T. Giurgica-Tiron, Y. Hindy, R. LaRose, A. Mari, W. J. Zeng, Digital zero noise extrapolation for quantum
        error mitigation, arXiv 2005.10921; the bar is our reconstruction.

    """
    found = {"linear": _combined(single, triple, 1.5 * single.value - 0.5 * triple.value, 1.5, -0.5)}
    if mixed is not None and single.value != mixed:
        near, far = single.value - mixed, triple.value - mixed
        if 0.0 < far / near < 1.0 and abs(near - far) > SEEN * _combined(single, triple, 0.0, 1.0, -1.0).error:
            root = math.sqrt(near / far)
            found["exponential"] = _combined(single, triple, mixed + near * root, 1.5 * root, -0.5 * root**3)
    between = max(each.value for each in found.values()) - min(each.value for each in found.values())
    unknown = between**2 + 0.25 * (found["linear"].value - single.value) ** 2
    return {name: Reading(each.value, each.variance + unknown, each.slopes, each.kept) for name, each in found.items()}


def _combined(first: Reading, second: Reading, value: float, d_first: float, d_second: float) -> Reading:
    """A function of two readings with its derivatives."""
    return Reading(
        value,
        d_first**2 * first.variance + d_second**2 * second.variance,
        d_first * first.slopes + d_second * second.slopes,
        min(first.kept, second.kept),
    )


def mixed_energy(constant: float, settings: Sequence[Setting], n_qubits: int, *, checked: bool) -> float | None:
    """Return what settings read from complete mixing; None where there are too many outcomes to list.

    Args:
        constant: Coefficient of the identity.
        settings: What is measured.
        n_qubits: Number of qubits.
        checked: Whether outcomes are post-selected: then the mean over those that hold all numbers and parities.

    """
    if not checked:
        return constant
    if n_qubits > EXACT_QUBITS:
        return None
    every = _all_outcomes(n_qubits)
    total = constant
    for setting in settings:
        right = every[right_outcomes(setting, every)]
        total += float(_observable(setting, _signs(right)).mean())
    return total
