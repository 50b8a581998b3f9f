"""The energy of an encoding from shots: a plan of circuits, whatever runs them, and estimates with error bars.

A plan is made from the encoding alone and holds every circuit and its shots; a `Runner` gives outcomes, perhaps much
later; estimates are computed from the two. Everything that a user may trust differently is an estimate of its own.

Left out, as benchmarks/mitigation.py measures: echo verification and virtual distillation, which at equal shots would
be at most some two times better, on circuits of fifty two-qubit gates, if the gates they add had no errors, and worse
than post-selection where circuits are short; classical shadows, whose random bases need several to many times the shots
of groupings and break the numbers that post-selection checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vqe_prune.circuit import Gate, to_cirq
from vqe_prune.encoding import Encoding
from vqe_prune.errors import near_misses
from vqe_prune.measurement_plan import FOLD, MeasurementPlan, plan_measurement
from vqe_prune.mitigation import (
    Reading,
    Tally,
    UnusableDataError,
    calibrate_readout,
    extrapolate,
    mixed_energy,
    read_energy,
    rescale,
    subtract_reference,
    tally,
)

if TYPE_CHECKING:
    import cirq

Outcomes = NDArray[np.bool_]
"""Bits that one circuit gave; shape (shots, n_qubits)."""

NOTES = {
    "raw": "all noise is in it",
    "post_selection": "errors that keep the conserved numbers stay",
    "readout": "takes readout errors for independent and gate errors for none",
    "reference": "takes the reference's error for that of the state; the bias of mixing a share p is p times the "
    "difference of their energies",
    "clifford": "takes the factor by which noise shrinks the energy for that of Clifford circuits nearby; the bar "
    "holds the spread among them",
    "zne": "scales errors of two-qubit gates only; the bar holds the spread of the fits and half of the linear "
    "correction",
}
"""What each estimate assumes."""


class Run(NamedTuple):
    """What one call of a runner gave.

    Attributes:
        outcomes: Of each circuit; shape (shots, n_qubits).
        positions: `Runner.measured_positions` of that call.
        blocks: `Runner.blocks` of that call.

    """

    outcomes: Sequence[Outcomes]
    positions: Sequence[tuple[int, ...] | None] = ()
    blocks: Sequence[Sequence[int]] = ()


class Runner(Protocol):
    """What runs circuits: a simulator, a virtual processor or a real one.

    Attributes:
        n_two_qubit_gates: Of the last compiled circuit; None for a simulator that compiles nothing.

    """

    n_two_qubit_gates: int | None

    @property
    def measured_positions(self) -> Sequence[tuple[int, ...] | None]:
        """For each circuit of the last `run`, the position where each of its qubits was at the start and was read.

        A routed circuit moves its qubits; None where one was read on a qubit on which no circuit starts. Empty where
        nothing is routed.
        """
        ...

    @property
    def blocks(self) -> Sequence[Sequence[int]]:
        """For each circuit of the last `run`, its shots in blocks that have more in common than the circuit.

        One random frame makes such a block. Empty where all shots of a circuit are alike.
        """
        ...

    def run(self, circuits: Sequence[Sequence[Gate]], shots: Sequence[int], *, fold: int = 1) -> list[Outcomes]:
        """Run circuits on qubits 0 to n - 1 and return their outcomes, one array (shots, n_qubits) each.

        Args:
            circuits: Gates of each.
            shots: Of each circuit.
            fold: Odd; each two-qubit gate U of the compiled circuit becomes U (U^dagger U)^((fold - 1) / 2).

        """
        ...


@dataclass(kw_only=True)
class SamplerRunner:
    """Circuits on a `cirq.Sampler`, as they are; `sampler_runner` makes it."""

    sampler: cirq.Sampler
    n_qubits: int
    n_two_qubit_gates: int | None = None
    measured_positions: tuple[tuple[int, ...] | None, ...] = ()
    blocks: tuple[tuple[int, ...], ...] = ()

    def run(self, circuits: Sequence[Sequence[Gate]], shots: Sequence[int], *, fold: int = 1) -> list[Outcomes]:
        """Run circuits and return their outcomes; see `Runner.run`."""
        if fold < 1 or fold % 2 == 0:
            raise ValueError(f"Argument `fold` must be odd and positive, but it is {fold}")
        import cirq

        qubits = cirq.LineQubit.range(self.n_qubits)
        programs = []
        for gates in circuits:
            # every two-qubit gate here is its own inverse
            folded = [gate for gate in gates for _ in range(fold if len(gate.qubits) == 2 else 1)]
            programs.append(to_cirq(folded) + cirq.measure(*qubits, key="outcome"))
        results = self.sampler.run_batch(programs, repetitions=[int(n) for n in shots])
        return [result[0].measurements["outcome"].astype(np.bool_) for result in results]


def sampler_runner(sampler: cirq.Sampler, n_qubits: int) -> SamplerRunner:
    """Return a runner that hands circuits to any Cirq sampler on line qubits, uncompiled.

    Args:
        sampler: For instance ``cirq.Simulator(seed=1)`` or ``cirq.DensityMatrixSimulator(noise=..., seed=1)``.
        n_qubits: Qubits that are measured.

    """
    return SamplerRunner(sampler=sampler, n_qubits=n_qubits)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One energy from shots.

    Attributes:
        name: What was done, such as ``raw`` or ``readout, post_selection, reference``.
        value: Energy in the Hamiltonian's unit (hartree for molecules).
        error: One standard error.
        shots: All shots that it used, calibration included.
        kept: Fraction of shots that post-selection kept, or its weight after readout correction.
        change: Value less that of ``raw``.
        assumes: What its bias comes from.

    """

    name: str
    value: float
    error: float
    shots: int
    kept: float
    change: float
    assumes: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Measurement:
    """What a measurement gave.

    Attributes:
        plan: What was run.
        estimates: ``raw`` first.
        left_out: Names of estimates that the outcomes do not give, with the reason.

    """

    plan: MeasurementPlan
    estimates: tuple[Estimate, ...]
    left_out: tuple[tuple[str, str], ...]

    def __getitem__(self, name: str) -> Estimate:
        """Return an estimate by its name; KeyError where there is none."""
        for estimate in self.estimates:
            if estimate.name == name:
                return estimate
        raise KeyError(f"no estimate {name!r}{near_misses(name, [each.name for each in self.estimates])}")


def run_plan(plan: MeasurementPlan, runner: Runner) -> dict[int, Run]:
    """Run all circuits of a plan, one call for each fold, and return what it gave by fold."""
    runs = {}
    for fold, shots in plan.shots.items():
        if shots:
            outcomes = runner.run(plan.circuits[fold], shots, fold=fold)
            runs[fold] = Run(outcomes, tuple(runner.measured_positions), tuple(runner.blocks))
    return runs


def estimate(plan: MeasurementPlan, runs: Mapping[int, Run]) -> Measurement:
    """Compute every estimate that a plan was made for.

    ``raw``; ``post_selection``; ``readout``; ``readout, post_selection``; and of ``raw`` and of the last of these
    ``reference``, ``clifford``, ``zne linear`` and ``zne exponential``.

    Args:
        plan: What was run.
        runs: What `run_plan` returned for it.

    Returns:
        The estimates, and those that the outcomes do not give.

    Raises:
        ValueError: The outcomes are not those of the plan.

    """
    for fold, shots in plan.shots.items():
        if [len(each) for each in runs.get(fold, Run(())).outcomes] != list(shots):
            raise ValueError(f"Argument `runs` must hold the plan's circuits and shots, but at fold {fold} differs")
    return estimate_counted(plan, {fold: _count(run) for fold, run in runs.items()})


def estimate_counted(plan: MeasurementPlan, counted: Mapping[int, Counted]) -> Measurement:
    """Compute every estimate from counted outcomes by fold; see `estimate`."""
    found: dict[str, tuple[Reading, int]] = {}
    left_out: list[tuple[str, str]] = []
    bases = [steps for steps in _BASES if set(steps) <= set(plan.mitigation)]
    for steps in bases:
        name = ", ".join(steps) or "raw"
        try:
            found[name] = (_read(plan, counted, "energy", steps), _spent(plan, steps))
            if steps in (bases[0], bases[-1]):
                further, missing = _further(plan, counted, steps, name, found[name][0])
                found |= further
                left_out += missing
        except UnusableDataError as error:
            left_out.append((name, str(error)))
    raw = found["raw"][0].value
    estimates = tuple(
        Estimate(
            name=name,
            value=reading.value,
            error=reading.error,
            shots=shots,
            kept=reading.kept,
            change=reading.value - raw,
            assumes=_assumptions(name),
        )
        for name, (reading, shots) in found.items()
    )
    return Measurement(plan=plan, estimates=estimates, left_out=tuple(left_out))


class Counted(NamedTuple):
    """Outcomes of the circuits of one fold, and `Run.positions`."""

    tallies: Sequence[Tally]
    positions: Sequence[tuple[int, ...] | None]


def _count(run: Run) -> Counted:
    blocks = run.blocks or [()] * len(run.outcomes)
    return Counted([tally(each, own) for each, own in zip(run.outcomes, blocks, strict=True)], run.positions)


def _assumptions(name: str) -> str:
    words = name.replace(",", "").split()
    return "; ".join(NOTES[word] for word in words if word in NOTES and (word != "raw" or len(words) == 1))


_BASES: tuple[tuple[str, ...], ...] = ((), ("post_selection",), ("readout",), ("readout", "post_selection"))
"""What is done to the outcomes themselves, in this order."""


def _further(
    plan: MeasurementPlan, counted: Mapping[int, Counted], steps: tuple[str, ...], name: str, reading: Reading
) -> tuple[dict[str, tuple[Reading, int]], list[tuple[str, str]]]:
    """What compares a reading with that of another circuit."""
    found, left_out = {}, []
    constant, n_qubits = plan.encoding.hamiltonian.constant, plan.encoding.n_qubits
    mixed = mixed_energy(constant, plan.settings, n_qubits, checked="post_selection" in steps)
    for step, circuits in plan.known.items():
        if not circuits:
            continue
        full = f"{name}, {step}"
        try:
            readings = [_read(plan, counted, step, steps, k) for k in range(len(circuits))]
            if step == "reference":
                corrected = subtract_reference(reading, readings[0], circuits[0].energy)
            else:
                assert mixed is not None  # the plan saw to it
                corrected = rescale(reading, readings, [each.energy for each in circuits], mixed)
            found[full] = (corrected, _spent(plan, (*steps, step)))
        except UnusableDataError as error:
            left_out.append((full, f"of a circuit of known energy, {error}"))
    if "zne" in plan.mitigation:
        try:
            folded = _read(plan, counted, "zne", steps)
        except UnusableDataError as error:
            return found, [*left_out, (f"{name}, zne", f"at fold {FOLD}, {error}")]
        fits = extrapolate(reading, folded, mixed)
        for fit, extrapolated in fits.items():
            found[f"{name}, zne {fit}"] = (extrapolated, _spent(plan, (*steps, "zne")))
        if "exponential" not in fits:
            left_out.append((f"{name}, zne exponential", "the two folds show no decay beyond their errors"))
    return found, left_out


def _read(
    plan: MeasurementPlan, counted: Mapping[int, Counted], data: str, steps: Sequence[str], which: int = 0
) -> Reading:
    """The energy from one set of circuits: energy, zne, or that of one circuit of known energy."""
    n = len(plan.settings)
    start = _starts(plan)[data] + which * n if data in plan.known else 0
    own = counted.get(FOLD if data == "zne" else 1, Counted((), ()))
    return read_energy(
        plan.encoding.hamiltonian.constant,
        plan.settings,
        own.tallies[start : start + n],
        plan.known[data][which].variances if data in plan.known else plan.grouping.variances,
        post_select="post_selection" in steps,
        readout=calibrate_readout(*counted[1].tallies[-2:]) if "readout" in steps else None,
        positions=own.positions[start : start + n],
    )


def _starts(plan: MeasurementPlan) -> dict[str, int]:
    """Where the circuits of known energy begin among those of fold 1."""
    first = len(plan.settings)
    return {"reference": first, "clifford": first * (1 + len(plan.known["reference"]))}


def _spent(plan: MeasurementPlan, steps: Sequence[str]) -> int:
    """Shots of the circuits that an estimate used."""
    n = len(plan.settings)
    spent = sum(plan.shots[1][:n])
    for name in set(plan.known) & set(steps):
        start = _starts(plan)[name]
        spent += sum(plan.shots[1][start : start + n * len(plan.known[name])])
    if "readout" in steps:
        spent += sum(plan.shots[1][-2:])
    if "zne" in steps:
        spent += sum(plan.shots[FOLD])
    return spent


def measure_energy(
    encoding: Encoding,
    runner: Runner,
    *,
    shots: int,
    mitigation: Sequence[str] = (),
    reference: Encoding | None = None,
    training: Sequence[Encoding] = (),
    gate_error: float = 0.0,
) -> Measurement:
    """Measure the energy of an encoding's circuit.

    E = constant + sum_g mean_g over settings g; the bar of each estimate is one standard error, covariances of terms
    of a setting and the readout calibration included. Seeds are those of the runner's sampler.

    Args:
        encoding: Circuit and Hamiltonian.
        runner: What runs circuits.
        shots: Of all circuits together, those that mitigation adds included.
        mitigation: Any of `measurement_plan.MITIGATIONS`: ``post_selection``, ``readout``, ``reference``,
            ``clifford``, ``zne``.
        reference: For ``reference``: the same circuit at angles near zero (`measurement_plan.REFERENCE_ANGLE`).
        training: For ``clifford``: the same circuit at several other angles, from `clifford_points`.
        gate_error: Probability that a two-qubit gate errs, default 0; it enters the choice of settings.

    Returns:
        The estimates, each with its shots.

    Raises:
        InputError: See `plan_measurement`.

    """
    plan = plan_measurement(
        encoding, shots=shots, mitigation=mitigation, reference=reference, training=training, gate_error=gate_error
    )
    return estimate(plan, run_plan(plan, runner))
