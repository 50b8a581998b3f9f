"""Running circuits on a processor, virtual or real, through the same code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.circuit import Gate, count_resources
from vqe_prune.errors import InputError, PendingError
from vqe_prune.google_credentials import GOOGLE
from vqe_prune.hardware.compilation import (
    ROUTED_CANDIDATES,
    CompiledCircuit,
    Target,
    compile_circuit,
    count_physical_moments,
    count_two_qubit_gates,
    find_targets,
    place_circuits,
    validate,
)
from vqe_prune.hardware.jobs import (
    JOB_FILE,
    Batch,
    collect,
    moved_aside,
    plan_batch,
    read_batch,
    run_batch,
    submit_batch,
)
from vqe_prune.hardware.placement import Placement
from vqe_prune.hardware.processors import describe_processor, explained
from vqe_prune.hardware.twirling import can_twirl, split_shots

if TYPE_CHECKING:
    import cirq
    from cirq_google.engine import AbstractProcessor


ROUTED_GATES = 600
"""Two-qubit gates that are routed when placements are tried: fewer are tried of longer circuits, at seconds each."""

ANGLE_DIGITS = 6
"""Digits (radian) by which circuits are told apart."""


class DeviceRunner:
    """Compiles circuits for a processor, places them by its calibration, runs them and returns logical outcomes.

    All circuits of a runner start on the same physical qubits: the first call of `run` chooses them for its circuits,
    or `place` does, so that what later calls calibrate is what the earlier ones used. Where a circuit has to be routed
    its qubits are measured where routing left them; `measured_positions` says so.

    Args:
        processor: From `open_processor`.
        n_qubits: Logical qubits; outcomes have one column each.
        folder: Where each call of `run` keeps its batch, ``0000``, ``0001``, ...; the same calls on the same folder
            go on where a killed process stopped. None keeps nothing.
        settings_digest: Of whatever else results depend on; a folder of other settings is refused.
        first_call: Number of the first call of `run`, above 0 where an earlier process made those before.
        prepare: Whether gates on qubits that are still in |00> may be replaced by a cheaper preparation.
        twirls: Random frames that the shots of each circuit are shared among, at most; 0 for none. See
            `twirl_circuit`.
        seed: Of the frames.
        say: Told what the user should know, one line each.
        send: Whether circuits may be sent to Google's service; False only collects what was sent before.
        wait: Whether `run` waits for jobs of the service; False raises PendingError where some are not done.

    Attributes:
        n_two_qubit_gates: Largest number in a circuit of the last `run`, folding counted; None before.
        depth: Largest number of moments that take time, measurement left out; None before.
        placement: Physical qubits and expected error; None before.
        compiled: The circuits of the last `run`; as compiled, or in their first frame where an earlier call sent them.
        blocks: Of the last `run`, how many shots of each circuit were taken in one frame after the other.
        notes: What the user should know, in words.

    """

    def __init__(
        self,
        processor: AbstractProcessor,
        n_qubits: int,
        *,
        folder: Path | None = None,
        settings_digest: str = "",
        first_call: int = 0,
        prepare: bool = True,
        twirls: int = 0,
        seed: int = 0,
        say: Callable[[str], Any] = print,
        send: bool = True,
        wait: bool = True,
    ) -> None:
        self._processor, self._n_qubits, self._folder = processor, n_qubits, folder
        self._twirls, self._seed = twirls, seed
        self._digest, self._prepare, self._say = settings_digest, prepare, say
        self._sends, self._waits = send, wait
        with explained(processor):
            calibration = processor.get_current_calibration()
            self._targets = find_targets(processor.get_device(), calibration)
        self._target: Target | None = None
        self._known: dict[tuple[Gate, ...], CompiledCircuit] = {}
        self._calls = first_call
        self.n_two_qubit_gates: int | None = None
        self.depth: int | None = None
        self.placement: Placement | None = None
        self.compiled: tuple[CompiledCircuit, ...] = ()
        self.blocks: tuple[tuple[int, ...], ...] = ()
        self.notes: tuple[str, ...] = ()
        if calibration is None:
            self.notes += ("the processor publishes no calibration: qubits were chosen by their neighbours alone",)

    @property
    def measured_positions(self) -> tuple[tuple[int, ...] | None, ...]:
        """For each circuit of the last `run`, the start position whose physical qubit each logical one was read from.

        (0, 1, ...) where nothing was routed; None where routing left a qubit on one that no circuit starts from.
        """
        return tuple(each.positions for each in self.compiled)

    def place(self, circuits: Sequence[Sequence[Gate]], weights: Sequence[float] = ()) -> Placement:
        """Choose gate set and qubits for circuits; later calls of `run` keep them.

        Args:
            circuits: What will be run.
            weights: How much each matters; empty: all alike. `run` takes their shots, which are allocated by how far
                a circuit can move the energy.

        """
        self._check(circuits)
        gates = max((count_resources(each).n_two_qubit_gates for each in circuits), default=0)
        candidates = min(ROUTED_CANDIDATES, max(2, ROUTED_GATES // max(gates, 1)))
        self._target, self.placement = place_circuits(
            circuits, self._n_qubits, self._targets, weights=weights, prepare=self._prepare, candidates=candidates
        )
        self._known.clear()
        return self.placement

    def compile(self, circuits: Sequence[Sequence[Gate]], weights: Sequence[float] = ()) -> tuple[CompiledCircuit, ...]:
        """Compile circuits on the runner's qubits, choosing them with the weights of `place` at the first call."""
        self._check(circuits)
        if self._target is None and self.placement is not None:  # of a batch that was sent earlier
            same = [target for target in self._targets if target.errors.gate == self.placement.gate]
            if not same:
                raise InputError(
                    f"the processor has no {self.placement.gate} gate any more, for which the circuits in "
                    f"{self._folder} were compiled; choose another folder"
                )
            self._target = same[0]
        elif self._target is None:
            self.place(circuits, weights)
        assert self._target is not None and self.placement is not None
        for gates in map(tuple, circuits):
            if gates not in self._known:
                self._known[gates] = compile_circuit(gates, self.placement, self._target, prepare=self._prepare)
        return tuple(self._known[tuple(gates)] for gates in circuits)

    def run(
        self, circuits: Sequence[Sequence[Gate]], shots: Sequence[int], *, fold: int = 1
    ) -> list[NDArray[np.bool_]]:
        """Run circuits in one batch.

        Args:
            circuits: Gates on qubits 0 to n_qubits - 1.
            shots: Of each circuit.
            fold: Odd; every two-qubit gate U of the compiled circuits becomes U (U^dagger U)^((fold - 1) / 2).

        Returns:
            Outcomes, one array (shots, n_qubits) a circuit, True for 1.

        Raises:
            InputError: Shots or fold cannot be used, or the folder holds another batch.
            ConvergenceError: A job failed.
            PendingError: Jobs are not done or were never sent, and the runner does not wait or send.

        """
        if not circuits and not len(shots):
            return []
        if self._folder is None:
            batch = self._plan(circuits, shots, fold, self._calls)
            self._calls += 1
            return _joined(run_batch(self._processor, batch), self.blocks)
        folder, batch = self._send(circuits, shots, fold, self._calls)
        if batch.placement is not None:
            self._adopt(batch)
        else:  # written before placements were
            self._plan(circuits, shots, fold, self._calls)
        outcomes = collect(folder, processor=self._processor, say=self._say, send=self._sends, wait=self._waits)
        self._calls += 1
        return _joined(outcomes, self.blocks)

    def submit(self, calls: Sequence[tuple[Sequence[Sequence[Gate]], Sequence[int], int]]) -> None:
        """Send the batches of the next calls of `run`, circuits, shots and fold of each, so that they queue together.

        Raises:
            InputError: As `run`, or the runner has no folder to keep them in.
            PendingError: Nothing may be sent, and one was not sent before.

        """
        if self._folder is None:
            raise InputError("submitting needs a folder that keeps the jobs")
        for ahead, (circuits, shots, fold) in enumerate(calls):
            self._send(circuits, shots, fold, self._calls + ahead)

    def fetch(self, calls: Sequence[tuple[Sequence[Sequence[Gate]], Sequence[int], int]]) -> None:
        """Store what is done of the batches of the next calls of `run`, and say what of all of them is not.

        Raises:
            PendingError: Jobs are not done or were never sent, and the runner does not wait or send.

        """
        pending = []
        for ahead, (circuits, shots, fold) in enumerate(calls):
            try:
                folder, _ = self._send(circuits, shots, fold, self._calls + ahead)
                collect(folder, processor=self._processor, say=self._say, send=self._sends, wait=self._waits)
            except PendingError as error:
                pending.append(f"at fold {fold}, {error}" if fold != 1 else str(error))
        if pending:
            raise PendingError(", ".join(pending))

    def _send(
        self, circuits: Sequence[Sequence[Gate]], shots: Sequence[int], fold: int, call: int
    ) -> tuple[Path, Batch]:
        """Send a batch unless it was sent before, and return its folder and content."""
        assert self._folder is not None
        folder = self._folder / f"{call:04d}"
        if (folder / JOB_FILE).exists():
            batch = read_batch(folder)
            if batch.digest != self._digest_of(circuits, shots, fold, call):
                raise InputError(
                    f"{folder / JOB_FILE} is of other circuits or settings: choose another folder (of a study "
                    f"output_dir=), or {moved_aside(folder)}"
                )
            if self.placement is None and batch.placement is not None:
                self.placement = batch.placement  # later batches go to the same qubits
            return folder, batch
        if not self._sends and describe_processor(self._processor)["name"] == GOOGLE:
            raise PendingError(f"{folder} was not sent; the study's own command sends it")
        batch = self._plan(circuits, shots, fold, call)
        submit_batch(self._processor, batch, folder, self._say)
        return folder, batch

    def _plan(self, circuits: Sequence[Sequence[Gate]], shots: Sequence[int], fold: int, call: int) -> Batch:
        """Compile a batch."""
        if len(shots) != len(circuits) or any(number < 1 for number in shots):
            raise InputError(f"shots={list(shots)} must be one number, 1 or more, for each of {len(circuits)} circuits")
        self.compiled = self.compile(circuits, shots)
        self.blocks, programs = self._in_frames(shots, fold, call)
        assert self._target is not None
        if fold != 1 or len(programs) > len(circuits):  # else they are what compiling validated
            for program in programs:
                validate(program, self._target.device)
        self._count(programs)
        each = [number for sizes in self.blocks for number in sizes]
        digest = self._digest_of(circuits, shots, fold, call)
        return plan_batch(self._processor, programs, each, digest, self.placement, list(map(len, self.blocks)))

    def _in_frames(
        self, shots: Sequence[int], fold: int, call: int
    ) -> tuple[tuple[tuple[int, ...], ...], list[cirq.Circuit]]:
        """Shots of all circuits in their frames, and the programs of these."""
        blocks, programs = [], []
        for k, (compiled, number) in enumerate(zip(self.compiled, shots, strict=True)):
            plain = compiled.program(fold)
            sizes = split_shots(int(number), self._twirls if can_twirl(plain) else 0)
            blocks.append(sizes)
            for twirl in range(len(sizes)):
                frames = np.random.default_rng([self._seed, call, k, twirl])
                programs.append(compiled.program(fold, frames) if len(sizes) > 1 else plain)
        return tuple(blocks), programs

    def _adopt(self, batch: Batch) -> None:
        """Take over where a batch was sent: a calibration of today might place it elsewhere."""
        assert batch.placement is not None
        self.placement, self.blocks = batch.placement, batch.blocks
        places = np.cumsum([0, *map(len, batch.blocks)])[:-1]
        self.compiled = tuple(
            CompiledCircuit(
                circuit=program[:-1], starts=batch.placement.qubits, ends=next(iter(program[-1].operations)).qubits
            )
            for program in (batch.programs[k] for k in places)
        )
        self._count(batch.programs)

    def _count(self, programs: Sequence[cirq.Circuit]) -> None:
        self.n_two_qubit_gates = max(map(count_two_qubit_gates, programs))
        self.depth = max(map(count_physical_moments, programs))

    def _check(self, circuits: Sequence[Sequence[Gate]]) -> None:
        used = max((q for gates in circuits for gate in gates for q in gate.qubits), default=-1)
        if used >= self._n_qubits:
            raise InputError(f"a circuit uses qubit {used}, but the runner has {self._n_qubits} qubits, 0 first")

    def _digest_of(self, circuits: Sequence[Sequence[Gate]], shots: Sequence[int], fold: int, call: int) -> str:
        content = {
            "processor": describe_processor(self._processor),
            "call": call,
            "circuits": [[_rounded(gate) for gate in gates] for gates in circuits],
            "shots": [int(number) for number in shots],
            "fold": fold,
            "n_qubits": self._n_qubits,
            "prepare": self._prepare,
            "twirls": [self._twirls, self._seed],
            "settings": self._digest,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=float).encode()).hexdigest()


def _joined(outcomes: Sequence[NDArray[np.bool_]], blocks: Sequence[Sequence[int]]) -> list[NDArray[np.bool_]]:
    """Outcomes of each circuit from those of its frames, one after the other."""
    rest = iter(outcomes)
    return [np.concatenate([next(rest) for _ in sizes]) for sizes in blocks]


def _rounded(gate: Gate) -> list[Any]:
    """A gate whose angle an optimiser may leave 1e-8 elsewhere in the next run: it is the same circuit then."""
    angle = None if gate.angle is None else round(float(gate.angle), ANGLE_DIGITS) + 0.0  # no minus zero
    return [gate.name, list(gate.qubits), angle]
