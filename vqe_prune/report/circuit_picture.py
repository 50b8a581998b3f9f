"""Circuits as SVG in rows that fit the window: the pruned ansatz with its labels, and its gates on qubits.

Own drawing: Cirq's SVG does not wrap, knows no excitations, and has colours that do not follow a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

from vqe_prune.report.pictures import COLOURS

MOST_DRAWN = 240
"""Gates after these are not drawn: packing takes a time that grows as their number squared."""

MOST_QUBIT_GATES = 400
"""Gates on qubits after these are not drawn."""

BROAD, NARROW = 960, 330
"""Pixels of a row on a desk and on a phone."""

LONGEST_STRING = 8
"""Letters of a Pauli string that is written below its column; longer ones are read off their boxes."""

WIRE = 24
LETTER = 6.4
"""Pixels between wires, and of a letter of the labels."""

TOP, LINE = 26, 14
"""Pixels above the first wire and of a line of text."""

CLIFFORDS = ("cx", "cz", "swap")
"""Clifford gates that are not drawn as a box with their name."""


class DrawnGate(NamedTuple):
    """A gate as `circuit_picture` draws it.

    Attributes:
        label: Its name, such as ``1a 1b -> 5a 5b`` or ``0.5 Z0 Z1``.
        wires: Wires it acts on, from 0.
        letters: One for each wire: ``^`` (created) and ``v`` (annihilated) of an excitation, ``X``, ``Y``, ``Z`` of a
            Pauli rotation, any short upper-case text of a rotation about several strings, or the lower-case name of a
            Clifford gate (``h``, ``s``, ``cx`` with the control first, ``cz``, ``swap``) once for each of its wires.
        parameter: Index of its parameter, None for a fixed gate.
        angle: Radian, None for a gate that has none; not shown for Clifford gates.

    """

    label: str
    wires: tuple[int, ...]
    letters: tuple[str, ...]
    parameter: int | None
    angle: float | None

    @property
    def is_clifford(self) -> bool:
        """Whether it is a Clifford gate, which has no angle."""
        return self.letters[0].islower() and self.letters[0] != "v"

    @property
    def is_excitation(self) -> bool:
        """Whether it moves electrons."""
        return self.letters[0] in "^v"

    @property
    def angle_text(self) -> str:
        """Its angle as shown."""
        return "" if self.is_clifford or self.angle is None else f"{self.angle:+.3f}"


class _Column(NamedTuple):
    """A column of a drawing: what is drawn on the wires, the text above, the lines below, and its width in pixels."""

    gates: Sequence[DrawnGate]
    above: str
    below: Sequence[str]
    width: float


def circuit_picture(gates: Sequence[DrawnGate], wires: Sequence[str]) -> str:
    """Draw the gates of an ansatz on the wires they act on, with their parameters, labels and angles.

    An excitation has a column of its own with its label below; Pauli rotations of one parameter and angle share a
    column where they commute with what is between and their lines do not cross.

    Args:
        gates: In the order in which they act.
        wires: Label of each wire, such as ``0a ●`` of a spin orbital that the reference fills or ``q0 |+>``.

    Returns:
        SVG elements in rows for wide and for narrow windows, and how many gates they do not show; a sentence where
        there are none.

    """
    if not gates:
        return "<p>0 rotations: not drawn.</p>"
    shown = gates[:MOST_DRAWN]
    columns = [_column(column) for column in _packed(shown)]
    missing = len(gates) - len(shown)
    left_out = f"<p>{missing} more gates not drawn; circuit.qasm has all of them.</p>" if missing else ""
    return _in_rows(columns, wires, "Ansatz") + left_out


def qubit_circuit_picture(gates: Sequence[DrawnGate], wires: Sequence[str]) -> str:
    """Draw the gates of a circuit on qubits, each as early as its qubits allow.

    Args:
        gates: With letters of one upper-case box (``Ry``) or of Clifford gates.
        wires: Label of each qubit, such as ``1ab`` of one that holds a pair.

    Returns:
        As `circuit_picture`.

    """
    if not gates:
        return "<p>0 gates: not drawn.</p>"
    columns: list[list[DrawnGate]] = []
    busy: dict[int, int] = {}
    for gate in gates[:MOST_QUBIT_GATES]:
        across = range(min(gate.wires), max(gate.wires) + 1)  # its line crosses the wires between
        first = max(busy.get(wire, 0) for wire in across)
        columns += [[]] * (first == len(columns))
        columns[first] = [*columns[first], gate]
        busy |= dict.fromkeys(across, first + 1)
    drawn = [_Column(column, "", (), 34.0) for column in columns]
    missing = max(len(gates) - MOST_QUBIT_GATES, 0)
    left_out = f"<p>{missing} more gates not drawn; circuit.qasm has all of them.</p>" if missing else ""
    return _in_rows(drawn, wires, "Circuit on qubits") + left_out


def _packed(gates: Sequence[DrawnGate]) -> list[list[DrawnGate]]:
    return [[gate] for gate in gates] if any(gate.is_excitation for gate in gates) else pack(gates)


def _column(gates: Sequence[DrawnGate]) -> _Column:
    first = gates[0]
    above = "" if first.parameter is None else f"p{first.parameter}"
    label: list[str] = []
    if first.is_excitation:
        emptied, _, filled = first.label.partition(" -> ")
        label = [emptied, f"→ {filled}"]
    elif len(gates) > 1:
        label = [f"{len(gates)} gates"]
    elif not first.is_clifford:
        string = first.label.partition(" ")[2]
        label = [string] if len(string) <= LONGEST_STRING else []
    below = [*label, first.angle_text]
    widest = max(len(text) for text in (above, *below))
    return _Column(gates, above, below, max(LETTER * widest + 12.0, 30.0))


def _in_rows(columns: Sequence[_Column], wires: Sequence[str], name: str) -> str:
    """Both drawings, for wide and for narrow windows; one where they are the same."""
    used = sorted({wire for column in columns for gate in column.gates for wire in gate.wires})
    height = {wire: TOP + WIRE * k for k, wire in enumerate(used)}
    left = LETTER * max(len(wires[wire]) for wire in used) + 12.0
    n_lines = max(len(column.below) for column in columns)
    broad, narrow = (_broken(columns, limit - left) for limit in (BROAD, NARROW))

    def drawing(rows: Sequence[Sequence[_Column]]) -> str:
        texts, begun = [], 0
        for row in rows:
            ended = begun + len(row)
            part = name if len(rows) == 1 else f"{name}, columns {begun + 1} to {ended} of {len(columns)}"
            texts.append(_row(row, height, wires, left, n_lines, part))
            begun = ended
        return "".join(texts)

    if len(narrow) == 1:
        return drawing(narrow)
    return f'<div class="broad">{drawing(broad)}</div><div class="narrow">{drawing(narrow)}</div>'


def _broken(columns: Sequence[_Column], limit: float) -> list[list[_Column]]:
    """Columns in rows no wider than the limit."""
    rows: list[list[_Column]] = [[]]
    for column in columns:
        if rows[-1] and sum(each.width for each in rows[-1]) + column.width > limit:
            rows.append([])
        rows[-1].append(column)
    return rows


def _row(
    columns: Sequence[_Column], height: Mapping[int, int], wires: Sequence[str], left: float, n_lines: int, name: str
) -> str:
    """One row as an SVG element."""
    width = left + sum(column.width for column in columns) + 4.0
    bottom = max(height.values()) + 14
    tall = bottom + LINE * n_lines + 8
    parts = [
        f'<text class="name" x="{left - 8:.0f}" y="{y + 4}">{escape(_label(wires[wire]))}</text>'
        f'<path class="wire" d="M{left - 2:.0f} {y}H{width:.0f}"/>'
        for wire, y in height.items()
    ]
    x = left
    for column in columns:
        centre = x + column.width / 2
        parts += [_gate(gate, centre, height) for gate in column.gates]
        number = column.gates[0].parameter
        if column.above:
            parts.append(f'<text class="p {_colour(number)}" x="{centre:.0f}" y="11">{column.above}</text>')
        for k, text in enumerate(column.below):
            soft = ' class="soft"' if k == len(column.below) - 1 else ""
            parts.append(f'<text{soft} x="{centre:.0f}" y="{bottom + LINE * (k + 1)}">{escape(text)}</text>')
        x += column.width
    return (
        f'<svg class="circuit" role="img" aria-label="{escape(name)}" width="{width:.0f}" '
        f'viewBox="0 0 {width:.0f} {tall}">' + "".join(parts) + "</svg>"
    )


def _label(wire: str) -> str:
    return wire.replace(">", "⟩") if "|" in wire else wire


def _colour(parameter: int | None) -> str:
    return "k" if parameter is None else f"k{parameter % len(COLOURS)}"


def _gate(gate: DrawnGate, x: float, height: Mapping[int, int]) -> str:
    """A line along the gate, on it one mark a wire."""
    ends = [height[wire] for wire in gate.wires]
    title = escape(f"{gate.label} {gate.angle_text}".strip())
    marks = "".join(_marks(gate, x, ends))
    link = f'<path class="link" d="M{x:.0f} {min(ends)}V{max(ends)}"/>' if len(ends) > 1 else ""
    return f'<g class="{_colour(gate.parameter)}"><title>{title}</title>{link}{marks}</g>'


def _marks(gate: DrawnGate, x: float, ends: Sequence[int]) -> Iterable[str]:
    for k, (y, letter) in enumerate(zip(ends, gate.letters, strict=True)):
        if letter == "^":
            yield f'<path class="mark" d="M{x:.0f} {y - 7}l7 12h-14z"/>'
        elif letter == "v":
            yield f'<path class="mark" d="M{x:.0f} {y + 7}l7 -12h-14z"/>'
        elif letter == "swap":
            yield f'<path class="link" d="M{x - 5:.0f} {y - 5}l10 10m0 -10l-10 10"/>'
        elif letter == "cx" and k == 1:
            yield f'<circle class="ring" cx="{x:.0f}" cy="{y}" r="8"/>'
            yield f'<path class="link" d="M{x - 8:.0f} {y}h16m-8 -8v16"/>'
        elif letter in CLIFFORDS:
            yield f'<circle class="mark" cx="{x:.0f}" cy="{y}" r="4"/>'
        else:
            wide = max(20.0, 8.0 * len(letter) + 6)
            yield f'<rect class="mark" x="{x - wide / 2:.0f}" y="{y - 8.5}" width="{wide:.0f}" height="17" rx="3"/>'
            yield f'<text class="on" x="{x:.0f}" y="{y + 4}">{escape(letter)}</text>'


def pack(gates: Sequence[DrawnGate]) -> list[list[DrawnGate]]:
    """Sort gates into columns, each as far left as those before it allow.

    Those of a column have the same parameter and angle and lines that do not overlap; a gate may pass others that it
    commutes with.
    """
    columns: list[list[DrawnGate]] = []
    for gate in gates:
        first = len(columns)
        while first and all(_commute(gate, other) for other in columns[first - 1]):
            first -= 1
        for column in columns[first:]:
            same = (column[0].parameter, column[0].angle_text) == (gate.parameter, gate.angle_text)
            if same and not any(_overlap(gate, other) for other in column):
                column.append(gate)
                break
        else:
            columns.append([gate])
    return columns


def _commute(gate: DrawnGate, other: DrawnGate) -> bool:
    """Whether two gates may change places: Pauli rotations whose letters differ on an even number of wires."""
    shared = set(gate.wires) & set(other.wires)
    if not shared:
        return True
    if not all(letter in ("X", "Y", "Z") for letter in (*gate.letters, *other.letters)):
        return False
    mine, theirs = (dict(zip(each.wires, each.letters, strict=True)) for each in (gate, other))
    return sum(mine[wire] != theirs[wire] for wire in shared) % 2 == 0


def _overlap(gate: DrawnGate, other: DrawnGate) -> bool:
    """Whether the lines of two gates in one column would meet."""
    return min(gate.wires) <= max(other.wires) and min(other.wires) <= max(gate.wires)
