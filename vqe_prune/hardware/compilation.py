"""From gates to a program that a processor accepts: native gates, placed, routed where needed, validated, folded.

Two properties of cirq-google's noise models decide the form of one-qubit gates. Errors are keyed by PhasedXZGate, so
X, H or PhasedXPowGate would run without any; rotations about Z are changes of frame and cost nothing. Every one-qubit
gate is therefore one PhasedXZGate, and one ZPowGate where it is a rotation about Z.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from vqe_prune.circuit import Gate, to_cirq
from vqe_prune.errors import InputError
from vqe_prune.hardware.placement import (
    DeviceErrors,
    Placement,
    count_workload,
    rank_placements,
    read_errors,
)
from vqe_prune.hardware.twirling import can_twirl, twirl_circuit

if TYPE_CHECKING:
    import cirq
    import cirq_google
    import numpy as np

NATIVE_GATES = {
    "GoogleCZTargetGateset": "cz",
    "CZTargetGateset": "cz",
    "SqrtIswapTargetGateset": "sqrt_iswap",
    "SycamoreTargetGateset": "sycamore",
}
"""Two-qubit gate of each of cirq's target gate sets, in the words of calibrations."""

NEGLIGIBLE = 1e-8
"""Exponents and matrix elements below this are rounding."""

ROUTED_CANDIDATES = 6
"""Placements that are tried where routing is needed: what its swaps cost is not known before."""

ROUTED_CIRCUITS = 3
"""Circuits, those of most weight times two-qubit gates, that they are tried on."""

HEAVY = 0.3
"""Share of the largest weight from which on a circuit helps to choose: those alone may need no routing at all."""

CACHED_CIRCUITS = 256
"""Settings of a measurement differ in their last gates; what comes before is compiled once."""

TURN_DIGITS = 7
"""Digits of a rotation, in half turns. Gates of a pair rotation have infinitely many decompositions of one length, of
which rounding would choose: with angles 1e-16 apart the circuits, and energies under noise, would be others."""

MEASUREMENT_KEY = "m"

Step = TypeVar("Step", Gate, "cirq.Operation")


@dataclass(frozen=True, eq=False, kw_only=True)
class CompiledCircuit:
    """A circuit in a processor's gates on its qubits.

    Attributes:
        circuit: Without measurement. On the mapped qubits it equals the logical circuit up to a phase; with
            ``prepare`` it does so on |0...0>, the state that it starts from.
        starts: Physical qubit where each logical qubit starts.
        ends: Physical qubit where each logical qubit is measured: elsewhere, where routing moved it.

    """

    circuit: cirq.Circuit
    starts: tuple[cirq.Qid, ...]
    ends: tuple[cirq.Qid, ...]

    @property
    def positions(self) -> tuple[int, ...] | None:
        """The logical qubit that started where each one is read; None where one is read where none started."""
        start = {qubit: k for k, qubit in enumerate(self.starts)}
        return tuple(start[q] for q in self.ends) if set(self.ends) <= set(start) else None

    @property
    def n_two_qubit_gates(self) -> int:
        """Native gates on two qubits."""
        return count_two_qubit_gates(self.circuit)

    @property
    def depth(self) -> int:
        """Moments that take time: those with anything but rotations about Z."""
        return count_physical_moments(self.circuit)

    def program(self, fold: int = 1, frames: np.random.Generator | None = None) -> cirq.Circuit:
        """Return the circuit with a measurement of the logical qubits in their order under the key ``m``.

        Args:
            fold: See `fold_two_qubit_gates`.
            frames: Chooses a frame for each two-qubit gate, see `twirl_circuit`; None leaves them as compiled.

        """
        import cirq

        circuit = fold_two_qubit_gates(self.circuit, fold)
        if frames is not None and can_twirl(circuit):
            circuit = cirq.align_right(_tidy(twirl_circuit(circuit, frames)))
        return circuit + cirq.Moment(cirq.measure(*self.ends, key=MEASUREMENT_KEY))


@dataclass(frozen=True, eq=False, kw_only=True)
class Target:
    """What circuits are compiled for.

    Attributes:
        device: The processor's device; it validates every program.
        gateset: One of its compilation target gate sets.
        errors: Errors of that gate set's gates.

    """

    device: cirq.Device
    gateset: cirq.CompilationTargetGateset
    errors: DeviceErrors


def find_targets(device: cirq.Device, calibration: cirq_google.Calibration | None) -> tuple[Target, ...]:
    """Return the gate sets that a device can be used with.

    A gate set whose two-qubit gate stands in no calibration is left out: rainbow and weber accept CZ, but nobody knows
    how it errs there, and their virtual machines run it without error. The Sycamore gate is used only where nothing
    else is there: a pair rotation takes four of them, and folding needs an inverse that the device does not have.

    Args:
        device: Of a processor.
        calibration: Of the same processor, None where it publishes none.

    Raises:
        InputError: The device has no gate set that can be used.

    """
    gatesets = device.metadata.compilation_target_gatesets
    found = []
    for gateset in gatesets:
        gate = NATIVE_GATES.get(type(gateset).__name__)
        errors = None if gate is None else read_errors(calibration, gate, device.metadata.nx_graph)
        if errors is not None:
            found.append(Target(device=device, gateset=_without_others(gateset, errors.gate), errors=errors))
    targets = [target for target in found if target.errors.gate != "sycamore"] or found
    if not targets:
        names = ", ".join(type(gateset).__name__ for gateset in gatesets) or "none"
        raise InputError(f"the processor has no target gate set with calibrated two-qubit gates (it has {names})")
    return tuple(targets)


def _without_others(gateset: cirq.CompilationTargetGateset, gate: str) -> cirq.CompilationTargetGateset:
    """A target gate set that does not also accept the device's other two-qubit gates, which would stay as they are."""
    import cirq

    if gate != "sqrt_iswap":
        return gateset
    return cirq.SqrtIswapTargetGateset(additional_gates=[cirq.SQRT_ISWAP_INV, cirq.ZPowGate])


def place_circuits(
    circuits: Sequence[Sequence[Gate]],
    n_qubits: int,
    targets: Sequence[Target],
    *,
    weights: Sequence[float] = (),
    prepare: bool = True,
    candidates: int = ROUTED_CANDIDATES,
) -> tuple[Target, Placement]:
    """Choose the gate set and the qubits on which circuits should err least, one placement for all of them.

    Args:
        circuits: Gates on qubits 0 to n_qubits - 1.
        n_qubits: Number of qubits, all measured.
        targets: From `find_targets`.
        weights: How much each circuit matters, such as its shots; empty: all alike.
        prepare: As in `compile_circuit`.
        candidates: How many placements are tried where something must be routed; 1 tries nothing and takes the one
            that seems best, for circuits whose routing takes minutes.

    """
    found = []
    shares = list(weights) or [1.0] * len(circuits)
    for target in targets:
        native = [_native(gates, target.gateset, prepare) for gates in circuits]
        placements = rank_placements(count_workload(native, n_qubits, shares), target.errors, candidates)
        if not placements[0].adjacent and candidates > 1:
            heavy = [k for k, share in enumerate(shares) if share >= HEAVY * max(shares)]
            busiest = count_workload([native[k] for k in heavy], n_qubits, [shares[k] for k in heavy])
            others = [replace(each, adjacent=False) for each in rank_placements(busiest, target.errors, candidates)]
            placements = list({each.qubits: each for each in (*others, *placements)}.values())
            loads = [share * count_two_qubit_gates(circuit) for circuit, share in zip(native, shares, strict=True)]
            order = sorted(range(len(loads)), key=loads.__getitem__)[-ROUTED_CIRCUITS:]
            busy = [(circuits[k], shares[k]) for k in order]
            placements = [_as_routed(busy, placement, target, prepare) for placement in placements]
            placements.sort(key=lambda placement: placement.expected_error)  # stable: ties keep their rank
        found.append((target, placements[0]))
    return min(found, key=lambda each: each[1].expected_error)


def _as_routed(
    circuits: Sequence[tuple[Sequence[Gate], float]], placement: Placement, target: Target, prepare: bool
) -> Placement:
    """Replace the estimate of what routing costs by what it does cost, in the weighted mean over circuits."""
    whole = sum(weight for _, weight in circuits)
    errors = [w * _predicted_error(*_routed(c, placement, target, prepare), target.errors) for c, w in circuits]
    return replace(placement, expected_error=sum(errors) / whole)


def _predicted_error(circuit: cirq.Circuit, ends: Sequence[cirq.Qid], errors: DeviceErrors) -> float:
    """Like `expected_error`, of a compiled circuit that measures only some of its qubits."""
    survives, begun = 1.0, set()
    for moment in circuit:
        begun.update(moment.qubits)
        pairs = [operation.qubits for operation in moment if len(operation.qubits) == 2]
        survives *= math.prod(1.0 - errors.two_qubit[a, b] for a, b in pairs)
        survives *= math.prod(1.0 - errors.one_qubit[q] for q in begun - {q for pair in pairs for q in pair})
    return 1.0 - survives * math.prod(1.0 - errors.readout[q] for q in ends)


def compile_circuit(
    gates: Sequence[Gate], placement: Placement, target: Target, *, prepare: bool = True
) -> CompiledCircuit:
    """Compile a circuit for a processor.

    Args:
        gates: Gates on qubits 0, 1, ...
        placement: Where they start.
        target: Gate set and device.
        prepare: Whether the first gates on a pair of qubits may be replaced by others that do the same to |00>: one
            two-qubit gate instead of two for a pair rotation of the reference. The unitary then differs.

    Returns:
        Native gates on the processor's qubits, validated by its device.

    Raises:
        InputError: The device refuses the circuit.

    """
    circuit, ends = _routed(gates, placement, target, prepare)
    compiled = CompiledCircuit(circuit=circuit, starts=placement.qubits, ends=ends)
    validate(compiled.program(), target.device)
    return compiled


def _routed(
    gates: Sequence[Gate], placement: Placement, target: Target, prepare: bool
) -> tuple[cirq.Circuit, tuple[cirq.Qid, ...]]:
    """Put a circuit on its qubits, with swaps where they are not neighbours, and where each qubit ends.

    All gates but those after a qubit's last coupling are as late as can be; these are the last moment. Circuits that
    differ in these alone, as the settings of a measurement do, have all other moments in common.
    """
    import cirq

    head, tail = split_turns([_rounded(gate) for gate in gates])
    moments, turns, ends = _placed_head(tuple(head), placement.qubits, target, prepare)
    read = dict(zip(cirq.LineQubit.range(len(ends)), ends, strict=True))
    last = _tidy(cirq.Circuit([*turns, *to_cirq(tail).transform_qubits(read).all_operations()]))
    return cirq.Circuit([*moments, cirq.Moment(last.all_operations())] if last else moments), ends


@lru_cache(maxsize=CACHED_CIRCUITS)
def _placed_head(
    head: tuple[Gate, ...], qubits: tuple[cirq.Qid, ...], target: Target, prepare: bool
) -> tuple[tuple[cirq.Moment, ...], tuple[cirq.Operation, ...], tuple[cirq.Qid, ...]]:
    """Moments up to each qubit's last coupling, what it does afterwards, and where it ends."""
    import cirq
    import networkx as nx

    starts = dict(zip(cirq.LineQubit.range(len(qubits)), qubits, strict=True))
    native, turns = _native_head(head, target.gateset, prepare)
    graph = nx.Graph(sorted(pair for pair in target.errors.two_qubit if pair[0] < pair[1]))
    if all(graph.has_edge(*(starts[q] for q in pair)) for pair in _pairs_of(native)):
        core, ends = native.unfreeze().transform_qubits(starts), qubits
        after = [operation.transform_qubits(starts) for operation in turns]
    else:
        routed, ends = _route(native, qubits, target)
        read = dict(zip(starts, ends, strict=True))
        whole = _tidy(cirq.Circuit([*routed.all_operations(), *(o.transform_qubits(read) for o in turns)]))
        before, after = split_turns(list(whole.all_operations()))
        core = cirq.Circuit(before)
    return tuple(cirq.align_right(core)), tuple(after), ends


@lru_cache(maxsize=CACHED_CIRCUITS)
def _route(
    head: cirq.FrozenCircuit, starts: tuple[cirq.Qid, ...], target: Target
) -> tuple[cirq.FrozenCircuit, tuple[cirq.Qid, ...]]:
    """Route what the settings of a measurement have in common, which takes seconds, only once."""
    import cirq
    import networkx as nx

    graph = nx.Graph(sorted(pair for pair in target.errors.two_qubit if pair[0] < pair[1]))
    mapper = cirq.HardCodedInitialMapper(dict(zip(cirq.LineQubit.range(len(starts)), starts, strict=True)))
    router = cirq.RouteCQC(graph)
    try:
        routed, _, moved = router.route_circuit(head, initial_mapper=mapper)
    except IndexError:  # cirq looks for a pair of swaps where single ones tie, and for none where it looks to the end
        routed, _, moved = router.route_circuit(head, initial_mapper=mapper, lookahead_radius=len(head) + 1)
    circuit = cirq.optimize_for_target_gateset(routed, gateset=target.gateset, max_num_passes=None)
    return circuit.freeze(), tuple(moved.get(qubit, qubit) for qubit in starts)


def validate(program: cirq.Circuit, device: cirq.Device) -> None:
    """Raise InputError where a device refuses a program."""
    try:
        device.validate_circuit(program)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the processor refuses the compiled circuit: {reason}") from error


def fold_two_qubit_gates(circuit: cirq.Circuit, fold: int) -> cirq.Circuit:
    """Replace every two-qubit gate U by U (U^dagger U)^((fold - 1) / 2): the same unitary with more noise.

    Nothing is optimised afterwards, so that nothing of it cancels.

    Args:
        circuit: Native gates.
        fold: Odd, 1 or more.

    Raises:
        InputError: The number is not odd, or the gate has no native inverse.

    """
    import cirq

    if isinstance(fold, bool) or not isinstance(fold, int) or fold < 1 or fold % 2 == 0:
        raise InputError(f"fold={fold} must be an odd number, 1 or more: a gate is followed by its inverse and itself")
    if fold == 1:
        return circuit
    moments = []
    for moment in circuit:
        moments.append(moment)
        forward = [operation for operation in moment if len(operation.qubits) == 2]
        if forward:
            pair = [cirq.Moment(_inverse(operation) for operation in forward), cirq.Moment(forward)]
            moments += pair * ((fold - 1) // 2)
    return cirq.Circuit(moments)


def count_two_qubit_gates(circuit: cirq.Circuit) -> int:
    """Count gates on two qubits."""
    return sum(len(operation.qubits) == 2 for operation in circuit.all_operations() if not _is_measurement(operation))


def count_physical_moments(circuit: cirq.Circuit) -> int:
    """Count moments with a gate that is no rotation about Z, measurements left out."""
    return sum(any(not _is_virtual(o) and not _is_measurement(o) for o in moment) for moment in circuit)


def _inverse(operation: cirq.Operation) -> cirq.Operation:
    if type(operation.gate).__name__ == "SycamoreGate":
        raise InputError("fold: the Sycamore gate has no inverse on the processor; leave folding out")
    return operation**-1


def _native(gates: Sequence[Gate], gateset: cirq.CompilationTargetGateset, prepare: bool) -> cirq.Circuit:
    """Compile to a gate set on line qubits, wherever they will be."""
    import cirq

    head, tail = split_turns([_rounded(gate) for gate in gates])
    core, turns = _native_head(tuple(head), gateset, prepare)
    last = _tidy(cirq.Circuit([*turns, *to_cirq(tail).all_operations()]))
    return cirq.Circuit([*core.all_operations(), *last.all_operations()])


def _rounded(gate: Gate) -> Gate:
    return gate if gate.angle is None else gate._replace(angle=math.pi * round(gate.angle / math.pi, TURN_DIGITS))


@lru_cache(maxsize=CACHED_CIRCUITS)
def _native_head(
    head: tuple[Gate, ...], gateset: cirq.CompilationTargetGateset, prepare: bool
) -> tuple[cirq.FrozenCircuit, tuple[cirq.Operation, ...]]:
    """Compile what the settings of a measurement have in common only once, and split it again."""
    import cirq

    circuit = _prepare_first_pairs(to_cirq(head), gateset) if prepare else to_cirq(head)
    native = _tidy(cirq.optimize_for_target_gateset(circuit, gateset=gateset, max_num_passes=None))
    core, turns = split_turns(list(native.all_operations()))
    return cirq.FrozenCircuit(core), tuple(turns)


def split_turns(operations: Sequence[Step]) -> tuple[list[Step], list[Step]]:
    """Split off the gates on one qubit after which no gate on two acts on it."""
    head: list[Step] = []
    tail: list[Step] = []
    coupled: set[Any] = set()
    for operation in reversed(operations):
        if len(operation.qubits) == 2:
            coupled.update(operation.qubits)
        (tail if coupled.isdisjoint(operation.qubits) else head).append(operation)
    return head[::-1], tail[::-1]


def _prepare_first_pairs(circuit: cirq.Circuit, gateset: cirq.CompilationTargetGateset) -> cirq.Circuit:
    """Replace each block of gates on two qubits that are still in |00> by the cheapest preparation of its state."""
    import cirq

    prepare: Mapping[str, Callable[..., Any]] = {
        "cz": cirq.prepare_two_qubit_state_using_cz,
        "sqrt_iswap": cirq.prepare_two_qubit_state_using_sqrt_iswap,
    }
    preparation = prepare.get(NATIVE_GATES.get(type(gateset).__name__, ""))
    if preparation is None:
        return circuit
    touched: set[cirq.Qid] = set()
    operations: list[Any] = []
    for block in cirq.merge_k_qubit_unitaries_to_circuit_op(circuit, k=2).all_operations():
        if len(block.qubits) == 2 and touched.isdisjoint(block.qubits):
            operations += preparation(*block.qubits, cirq.unitary(block)[:, 0])
        else:
            merged = isinstance(block.untagged, cirq.CircuitOperation)
            operations.append(cirq.decompose_once(block) if merged else block)
        touched.update(block.qubits)
    return cirq.Circuit(operations)


def _tidy(circuit: cirq.Circuit) -> cirq.Circuit:
    """Make every one-qubit gate one PhasedXZGate, or one ZPowGate where it only turns about Z."""
    import cirq

    def frame_change(operation: cirq.Operation, _: int) -> cirq.Operation:
        gate = operation.gate
        if isinstance(gate, cirq.PhasedXZGate) and abs(gate.x_exponent) < NEGLIGIBLE:
            return cirq.ZPowGate(exponent=gate.z_exponent).on(*operation.qubits)
        return operation

    # where cirq finds no shorter decomposition it leaves a block whole, whose gates no one would count nor give noise
    circuit = cirq.unroll_circuit_op(circuit, deep=True, tags_to_check=None)
    merged = cirq.merge_single_qubit_gates_to_phxz(circuit, atol=NEGLIGIBLE)
    merged = cirq.map_operations(merged, frame_change)
    merged = cirq.drop_negligible_operations(merged, atol=NEGLIGIBLE)
    return cirq.Circuit(merged.all_operations())  # packed again: every gate as early as its qubits allow


def _pairs_of(circuit: cirq.AbstractCircuit) -> set[tuple[cirq.Qid, ...]]:
    return {operation.qubits for operation in circuit.all_operations() if len(operation.qubits) == 2}


def _is_measurement(operation: cirq.Operation) -> bool:
    import cirq

    return cirq.is_measurement(operation)


def _is_virtual(operation: cirq.Operation) -> bool:
    import cirq

    return isinstance(operation.gate, cirq.ZPowGate)
