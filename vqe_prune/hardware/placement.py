"""Which qubits of a processor a circuit should run on: those whose calibration predicts the least error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import shortest_path

from vqe_prune.errors import InputError

if TYPE_CHECKING:
    import cirq
    import cirq_google
    import networkx as nx

Losses = NDArray[np.float64]
Found = tuple[float, tuple[int, ...]]
"""Loss, and positions of the physical qubits among the calibrated ones."""

BEAM_WIDTH = 400
"""Partial placements kept at each step of the search; all of those of two qubits on the processors here."""

SWAP_GATES = 3
"""Native two-qubit gates that exchange two qubits."""

UNCALIBRATED_ERRORS = (1e-2, 1e-3, 2e-2)
"""Two-qubit, one-qubit and readout error of every qubit where a processor publishes no calibration."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DeviceErrors:
    """What a processor's calibration says of one kind of two-qubit gate, of its one-qubit gates and of its readout.

    Attributes:
        gate: ``cz``, ``sqrt_iswap`` or ``sycamore``.
        two_qubit: Pauli error of the gate on each pair of neighbours, both orders.
        one_qubit: Pauli error of a one-qubit gate, each qubit.
        readout: Mean of P(1 read | 0) and P(0 read | 1), each qubit.
        measured: False where the processor publishes no calibration and all qubits are taken to be equal.

    """

    gate: str
    two_qubit: Mapping[tuple[cirq.Qid, cirq.Qid], float]
    one_qubit: Mapping[cirq.Qid, float]
    readout: Mapping[cirq.Qid, float]
    measured: bool = True


@dataclass(frozen=True, kw_only=True)
class Workload:
    """How often circuits use their qubits, in the mean over the circuits.

    Attributes:
        n_qubits: Logical qubits, all of them measured.
        two_qubit: Number of two-qubit gates on each pair (smaller qubit first).
        one_qubit: Number of moments that each qubit spends without a two-qubit gate, from its first gate on.

    """

    n_qubits: int
    two_qubit: Mapping[tuple[int, int], float]
    one_qubit: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Physical qubits of a circuit's logical ones.

    Attributes:
        qubits: Where each logical qubit starts.
        expected_error: 1 - product over all gates and readouts of (1 - error), gates that routing adds estimated.
        gate: The native two-qubit gate that this was computed for.
        adjacent: Whether all pairs that interact are neighbours, so that nothing has to be routed.

    """

    qubits: tuple[cirq.Qid, ...]
    expected_error: float
    gate: str
    adjacent: bool


def read_errors(calibration: cirq_google.Calibration | None, gate: str, graph: nx.Graph) -> DeviceErrors | None:
    """Read the errors of one kind of two-qubit gate from a processor's calibration.

    Metrics are found by what their names begin and end with, since names differ between processors; those measured
    with all gates in parallel are preferred.

    Args:
        calibration: From `AbstractProcessor.get_current_calibration`; None gives every qubit the same errors.
        gate: ``cz``, ``sqrt_iswap`` or ``sycamore``.
        graph: Neighbours on the device.

    Returns:
        The errors, None where the calibration has none of this gate: how it errs on the processor is not known.

    """
    if calibration is None:
        two, one, readout = UNCALIBRATED_ERRORS
        pairs = {pair: two for a, b in graph.edges for pair in ((a, b), (b, a))}
        return DeviceErrors(
            gate=gate,
            two_qubit=pairs,
            one_qubit=dict.fromkeys(graph, one),
            readout=dict.fromkeys(graph, readout),
            measured=False,
        )
    edges = _metric(calibration, (f"two_qubit_{gate}_gate", f"two_qubit_parallel_{gate}_gate"), "pauli_error_per_cycle")
    one_qubit = _metric(calibration, ("single_qubit_rb", "parallel_rb"), "pauli_error_per_gate")
    zeros = _metric(calibration, ("parallel_p00", "single_qubit_p00"), "error")
    ones = _metric(calibration, ("parallel_p11", "single_qubit_p11"), "error")
    if not edges:
        return None
    known = set(one_qubit) & set(zeros) & set(ones)
    return DeviceErrors(
        gate=gate,
        two_qubit={
            pair: error
            for (a, b), error in edges.items()
            if {(a,), (b,)} <= known and graph.has_edge(a, b)
            for pair in ((a, b), (b, a))
        },
        one_qubit={key[0]: one_qubit[key] for key in known},
        readout={key[0]: 0.5 * (zeros[key] + ones[key]) for key in known},
    )


def _metric(
    calibration: cirq_google.Calibration, prefixes: Sequence[str], suffix: str
) -> dict[tuple[cirq.Qid, ...], float]:
    """Values of a metric by qubits; of several prefixes later ones overwrite earlier ones."""
    found: dict[tuple[cirq.Qid, ...], float] = {}
    for prefix in prefixes:
        for name in sorted(calibration):
            if name.startswith(prefix) and name.endswith(suffix):
                found |= {tuple(key): float(value[0]) for key, value in calibration[name].items()}
    return {key: min(max(value, 0.0), 0.999) for key, value in found.items() if math.isfinite(value)}


def count_workload(circuits: Sequence[cirq.AbstractCircuit], n_qubits: int, weights: Sequence[float] = ()) -> Workload:
    """Count how often native circuits on line qubits 0 to n - 1 use them, in the (weighted) mean over the circuits."""
    pairs: dict[tuple[int, int], float] = {}
    moments = np.zeros(n_qubits)
    shares = list(weights) or [1.0] * len(circuits)
    for circuit, share in zip(circuits, shares, strict=True):
        begun: set[int] = set()
        for moment in circuit:
            busy: set[int] = set()
            for operation in moment:
                qubits = sorted(qubit.x for qubit in operation.qubits)
                begun.update(qubits)
                if len(qubits) == 2:
                    pairs[qubits[0], qubits[1]] = pairs.get((qubits[0], qubits[1]), 0.0) + share
                    busy.update(qubits)
            for qubit in begun - busy:
                moments[qubit] += share
    whole = sum(shares) or 1.0
    two_qubit = {pair: count / whole for pair, count in sorted(pairs.items())}
    return Workload(n_qubits=n_qubits, two_qubit=two_qubit, one_qubit=tuple(float(m) / whole for m in moments))


def expected_error(workload: Workload, qubits: Sequence[cirq.Qid], errors: DeviceErrors) -> float:
    """Return 1 - product of (1 - error) over gates and readouts on given qubits that need no routing.

    Raises:
        InputError: Two qubits that interact are not neighbours.

    """
    loss = sum(_local_loss(workload, k, qubit, errors) for k, qubit in enumerate(qubits))
    for (a, b), count in workload.two_qubit.items():
        if (qubits[a], qubits[b]) not in errors.two_qubit:
            raise InputError(f"qubits {qubits[a]} and {qubits[b]} interact, but are no calibrated neighbours")
        loss += count * _loss(errors.two_qubit[qubits[a], qubits[b]])
    return 1.0 - math.exp(-loss)


def choose_placement(workload: Workload, errors: DeviceErrors) -> Placement:
    """Choose the qubits on which circuits should err least: the first of `rank_placements`."""
    return rank_placements(workload, errors, 1)[0]


def rank_placements(workload: Workload, errors: DeviceErrors, most: int) -> list[Placement]:
    """Find the qubits on which circuits should err least, the best first.

    The loss sum of -log(1 - error) over gates and readouts is minimised by a beam search that places logical qubits one
    after the other, each beside those it interacts with. Only where that is impossible may qubits that interact lie
    apart; they then cost the swaps along the path of least loss between them. Our reconstruction; it draws no random
    numbers, ties go to the smaller qubits.

    Args:
        workload: What the circuits do.
        errors: Of the processor.
        most: How many placements are wanted at most.

    Raises:
        InputError: The processor has too few calibrated qubits that hang together.

    """
    physical = sorted(set(errors.one_qubit) & {qubit for pair in errors.two_qubit for qubit in pair})
    index = {qubit: k for k, qubit in enumerate(physical)}
    local = np.array([[_local_loss(workload, k, q, errors) for q in physical] for k in range(workload.n_qubits)])
    gate = np.full((len(physical), len(physical)), np.inf)
    for (a, b), error in errors.two_qubit.items():
        gate[index[a], index[b]] = _loss(error)
    order = _placing_order(workload)
    near = np.isfinite(gate)
    found = _search(workload, order, local, gate, np.where(near, 0.0, np.inf), near)
    adjacent = bool(found)
    if not found:
        found = _search(workload, order, local, *_routed_losses(gate), near)
    if not found:
        raise InputError(
            f"the circuit needs {workload.n_qubits} qubits that hang together, but the processor has only "
            f"{len(physical)} calibrated ones; try a larger processor or stronger pruning"
        )
    placements = []
    for loss, placed in found[:most]:
        where = dict(zip(order, placed, strict=True))
        qubits = tuple(physical[where[k]] for k in range(workload.n_qubits))
        error = 1.0 - math.exp(-loss)
        placements.append(Placement(qubits=qubits, expected_error=error, gate=errors.gate, adjacent=adjacent))
    return placements


def _search(
    workload: Workload, order: Sequence[int], local: Losses, gate: Losses, path: Losses, near: NDArray[np.bool_]
) -> list[Found]:
    """Place logical qubits in an order by beam search; the placements of finite loss that it ends with, best first.

    `gate` and `path` are what a gate on two physical qubits costs, and bringing them together once. Each qubit is the
    neighbour (`near`) of one placed before it: Cirq swaps through the circuit's own qubits only. Partial placements
    are dropped where two qubits are farther apart than the chain of interactions between them could ever reach.
    """
    weight = np.zeros((workload.n_qubits, workload.n_qubits))
    for (a, b), count in workload.two_qubit.items():
        weight[a, b] = weight[b, a] = count
    reachable = np.isfinite(path)
    steps = shortest_path(reachable, unweighted=True)
    chain = shortest_path(weight > 0, unweighted=True)
    beam: list[Found] = [(float(loss), (k,)) for k, loss in enumerate(local[order[0]])]
    beam = sorted(beam)[:BEAM_WIDTH]
    for step, logical in enumerate(order[1:], start=1):
        before = list(order[:step])
        partners = [(place, weight[logical, other]) for place, other in enumerate(before) if weight[logical, other]]
        grown: list[Found] = []
        for loss, placed in beam:
            added = local[logical].copy()
            for place, count in partners:
                added += count * gate[placed[place]] + path[placed[place]]
            added[~near[list(placed)].any(axis=0)] = np.inf
            added[list(placed)] = np.inf
            added[(steps[list(placed)] > chain[before, logical][:, None]).any(axis=0)] = np.inf
            grown += [(loss + float(added[k]), (*placed, int(k))) for k in np.flatnonzero(np.isfinite(added))]
        beam = sorted(grown)[:BEAM_WIDTH]
    return beam


def _loss(error: float) -> float:
    return -math.log1p(-error)


def _local_loss(workload: Workload, logical: int, qubit: cirq.Qid, errors: DeviceErrors) -> float:
    return workload.one_qubit[logical] * _loss(errors.one_qubit[qubit]) + _loss(errors.readout[qubit])


def _routed_losses(gate: Losses) -> tuple[Losses, Losses]:
    """What a gate on any two qubits costs where it can be run, and the swaps along the way of least loss to there."""
    near = np.isfinite(gate)
    swaps = shortest_path(np.where(near, SWAP_GATES * gate + 1e-15, 0.0))  # SciPy takes 0 for no edge
    path, last = np.where(near, 0.0, np.inf), gate.copy()
    for b in range(len(gate)):
        around = np.flatnonzero(near[b])
        for a in np.flatnonzero(~near[b]):
            if a != b and len(around):
                best = around[np.argmin(swaps[a, around] + gate[around, b])]
                path[a, b], last[a, b] = swaps[a, best], gate[best, b]
    return last, path


def _placing_order(workload: Workload) -> list[int]:
    """Logical qubits, the busiest first, then always the one that interacts most with those before it."""

    def between(qubit: int, others: Sequence[int]) -> float:
        return sum(workload.two_qubit.get((min(qubit, o), max(qubit, o)), 0.0) for o in others)

    everyone = list(range(workload.n_qubits))
    order = [min(everyone, key=lambda q: (-between(q, everyone), q))]
    while len(order) < workload.n_qubits:
        rest = [q for q in everyone if q not in order]
        order.append(min(rest, key=lambda q: (-between(q, order), -between(q, everyone), q)))
    return order
