"""Gates as plain tuples, so that counting them needs no Cirq; cancelling, counting and exporting them.

Qubit 0 is the most significant one as in Cirq; `to_cirq` makes the same circuit of Cirq gates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vqe_prune.run_folder import write_atomically

if TYPE_CHECKING:
    import cirq

HALF_PI = np.pi / 2


class Gate(NamedTuple):
    """One gate.

    Attributes:
        name: x, y, z, h, s, sdg, rx, ry, rz, cx (control first), cz or swap.
        qubits: The qubits it acts on.
        angle: Of rx, ry, rz in radian, rz(t) = exp(-i t Z / 2); None for the others.

    """

    name: str
    qubits: tuple[int, ...]
    angle: float | None = None


class Resources(NamedTuple):
    """What a circuit costs.

    Attributes:
        n_two_qubit_gates: Gates on two qubits.
        depth: Moments when every gate starts as early as its qubits allow, all gates counted.
        n_qubits: Qubits that a gate other than the reference's X acts on.

    """

    n_two_qubit_gates: int
    depth: int
    n_qubits: int


_SELF_INVERSE = frozenset({"x", "y", "z", "h", "cx", "cz", "swap"})


def cancel_neighbours(gates: Iterable[Gate]) -> list[Gate]:
    """Remove pairs of equal self-inverse gates with no other gate between them on their qubits; one linear pass."""
    kept: list[Gate | None] = []
    last: dict[int, list[int]] = {}  # positions in `kept` of the gates on each qubit, cancelled ones taken off
    for gate in gates:
        stacks = [last.setdefault(qubit, []) for qubit in gate.qubits]
        tops = {stack[-1] if stack else -1 for stack in stacks}
        top = tops.pop()
        if not tops and top >= 0 and gate.name in _SELF_INVERSE and _same(kept[top], gate):
            kept[top] = None
            for stack in stacks:
                stack.pop()
            continue
        for stack in stacks:
            stack.append(len(kept))
        kept.append(gate)
    return [gate for gate in kept if gate is not None]


def _same(first: Gate | None, second: Gate) -> bool:
    if first is None or first.name != second.name:
        return False
    if second.name in ("cz", "swap"):
        return set(first.qubits) == set(second.qubits)
    return first.qubits == second.qubits


_AXES = {"x": "X", "rx": "X", "y": "Y", "ry": "Y", "z": "Z", "rz": "Z", "s": "Z", "sdg": "Z"}
"""Pauli matrix that a gate on one qubit is a function of; `h` is none."""


def _axis(gate: Gate, qubit: int) -> str | None:
    """Pauli matrix that a gate acts on a qubit by; gates with equal ones on all common qubits commute."""
    if gate.name == "cx":
        return "Z" if qubit == gate.qubits[0] else "X"
    return "Z" if gate.name == "cz" else _AXES.get(gate.name)


def commute(first: Gate, second: Gate) -> bool:
    """Return whether two gates commute for certain: they act by the same Pauli matrix on each common qubit."""
    for qubit in first.qubits:
        if qubit in second.qubits:
            axis = _axis(first, qubit)
            if axis is None or axis != _axis(second, qubit):
                return False
    return True


def append_cancelling(gates: list[Gate], gate: Gate) -> None:
    """Append a gate to a circuit, or take out the equal self-inverse one that it meets past gates it commutes with."""
    if gate.name in _SELF_INVERSE:
        for k in range(len(gates) - 1, -1, -1):
            other = gates[k]
            if gate.qubits[0] not in other.qubits and gate.qubits[-1] not in other.qubits:
                continue
            if _same(other, gate):
                del gates[k]
                return
            if not commute(other, gate):
                break
    gates.append(gate)


def append_known(gates: list[Gate], known: dict[int, int], gate: Gate) -> None:
    """Append a gate as `append_cancelling` does, simplified where a qubit is still known to be |0> or |1>.

    Args:
        gates: The circuit, changed in place.
        known: Bit of each qubit that no gate has brought into superposition or correlation, changed in place.
        gate: The gate; the circuit that results is the same on the state that `known` describes.

    """
    if gate.name in ("cx", "cz"):
        control, target = gate.qubits
        if gate.name == "cz" and control not in known:
            control, target = target, control
        if control in known:
            if known[control]:
                append_known(gates, known, Gate("x" if gate.name == "cx" else "z", (target,)))
            return
        if gate.name == "cx":
            known.pop(target, None)
    elif gate.name == "x":
        if gate.qubits[0] in known:
            known[gate.qubits[0]] ^= 1
    elif gate.name not in ("z", "s", "sdg", "rz"):
        for qubit in gate.qubits:
            known.pop(qubit, None)
    append_cancelling(gates, gate)


def merge_controlled(gates: Sequence[Gate]) -> list[Gate]:
    """Make one two-qubit gate of each CZ and CX on the same qubits that meet past gates the CZ commutes with.

    X Z = -i Y, so CZ and then CX are a controlled Y and a phase of the control: S+ of the target, CX, S, S+ of the
    control; CX and then CZ end with S of the control.
    """
    forward = _merged_forward(gates, "sdg")
    return _merged_forward(forward[::-1], "s")[::-1]


def _merged_forward(gates: Sequence[Gate], phase: str) -> list[Gate]:
    """CZ merged into a later CX of the list; listed backwards, `phase` is the other one and S, S+ stay where they are.

    Backwards the list holds S, CX, S+, so in time it is S+, CX, S again.
    """
    before, after = ("sdg", "s") if phase == "sdg" else ("s", "sdg")
    found: list[Gate] = []
    pending = list(gates)
    for k, gate in enumerate(pending):
        merged = False
        if gate.name == "cz":
            for later in range(k + 1, len(pending)):
                other = pending[later]
                if other.name == "cx" and set(other.qubits) == set(gate.qubits):
                    pending[later] = Gate("cy", other.qubits)
                    merged = True
                    break
                if not commute(gate, other):
                    break
        if gate.name == "cy":
            control, target = gate.qubits
            found += [Gate(before, (target,)), Gate("cx", gate.qubits), Gate(after, (target,)), Gate(phase, (control,))]
        elif not merged:
            found.append(gate)
    return found


def inverse_gates(gates: Sequence[Gate]) -> list[Gate]:
    """Return the inverse circuit."""
    names = {"s": "sdg", "sdg": "s"}
    return [Gate(names.get(g.name, g.name), g.qubits, None if g.angle is None else -g.angle) for g in reversed(gates)]


def count_resources(gates: Iterable[Gate]) -> Resources:
    """Count what a circuit costs."""
    two_qubit_gates = 0
    busy: dict[int, int] = {}
    touched: set[int] = set()
    for gate in gates:
        two_qubit_gates += len(gate.qubits) == 2
        moment = 1 + max(busy.get(qubit, 0) for qubit in gate.qubits)
        for qubit in gate.qubits:
            busy[qubit] = moment
        if gate.name != "x":
            touched.update(gate.qubits)
    return Resources(two_qubit_gates, max(busy.values(), default=0), len(touched))


def within_period(angle: float) -> float:
    """Return a gate's angle less whole periods of 4 pi: trainings may end at some 10^4 turns, which single precision
    and files of few digits would round away.
    """
    return angle if abs(angle) <= 4.0 * math.pi else math.remainder(angle, 4.0 * math.pi)


def to_cirq(gates: Iterable[Gate]) -> cirq.Circuit:
    """Return the circuit as a Cirq circuit on line qubits, every gate as early as possible."""
    import cirq

    fixed = {"x": cirq.X, "y": cirq.Y, "z": cirq.Z, "h": cirq.H, "s": cirq.S, "sdg": cirq.S**-1}
    fixed |= {"cx": cirq.CNOT, "cz": cirq.CZ, "swap": cirq.SWAP}
    turning = {"rx": cirq.rx, "ry": cirq.ry, "rz": cirq.rz}
    operations = []
    for gate in gates:
        operation = fixed[gate.name] if gate.angle is None else turning[gate.name](within_period(gate.angle))
        operations.append(operation.on(*map(cirq.LineQubit, gate.qubits)))
    return cirq.Circuit(operations, strategy=cirq.InsertStrategy.EARLIEST)


def write_circuit(gates: Sequence[Gate], json_path: Path, qasm_path: Path) -> None:
    """Write a circuit as Cirq JSON and as OpenQASM 2.

    Args:
        gates: The circuit.
        json_path: File that `cirq.read_json` reads.
        qasm_path: OpenQASM 2 file.

    """
    import cirq

    write_atomically(json_path, cirq.to_json(to_cirq(gates)))
    write_atomically(qasm_path, to_qasm(gates))


def to_qasm(gates: Sequence[Gate]) -> str:
    """Return the circuit as OpenQASM 2; angles with all their digits.

    Cirq's own exporter rounds angles to ten digits of a multiple of pi; these gates are all in qelib1.
    """
    n_qubits = 1 + max((qubit for gate in gates for qubit in gate.qubits), default=-1)
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{n_qubits}];"]
    for gate in gates:
        argument = "" if gate.angle is None else f"({_qasm_real(gate.angle)})"
        lines.append(f"{gate.name}{argument} {','.join(f'q[{qubit}]' for qubit in gate.qubits)};")
    return "\n".join(lines) + "\n"


def _qasm_real(number: float) -> str:
    """All digits of a number; OpenQASM 2 wants a point before the exponent, which Python leaves out of 1e-05."""
    digits = repr(float(number))  # NumPy's floats would print their type
    return digits if "." in digits else digits.replace("e", ".0e")
