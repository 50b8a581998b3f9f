"""A user's own ansatz: a YAML list of Pauli rotations and Clifford gates, or a parameterised Cirq circuit.

Both follow the convention of RX, RZ and RZZ: a rotation is exp(-i angle P / 2), so that its generator is 0.5 P.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.errors import InputError, first_line
from vqe_prune.files import check_name, check_ordinary, parse_yaml
from vqe_prune.paulis import CLIFFORD_QUBITS, NEGLIGIBLE, Clifford, PauliString, PauliSum

if TYPE_CHECKING:
    import cirq

LARGEST_FILE = 2**18
"""Bytes: some 10,000 gates, which take a second to read."""

LARGEST_NUMBER = 1e6
"""Of an angle, a factor or a coefficient: with more, little is left of a double's digits within one turn."""

DEEPEST = 2  # how often a Cirq gate is decomposed before it counts as not supported
FILE_FIELDS = ("name", "gates")
ROTATION_FIELDS = ("rotate", "parameter", "factor", "angle")

TERM = re.compile(
    r"\s*(?P<sign>[+-]?)\s*(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|)\s*"
    r"(?P<string>(?:[XYZ][0-9]{1,6}\s*)+)"
)
"""One term of an operator, such as ``- 0.5 Y0 Y1``; more digits than a qubit can have are left over."""

SUPPORTED = (
    "supported are Clifford gates, powers of X, Y, Z, XX, YY, ZZ, ISWAP and CZ, PauliStringPhasor, and what Cirq "
    "decomposes into these"
)


def read_ansatz(path: str | Path, n_qubits: int | None = None) -> Ansatz:
    """Read a list of Pauli rotations and Clifford gates from a YAML file.

    A gate is a Clifford gate, ``cx 0 1``, or a rotation of a sum of commuting Pauli strings sum_j c_j P_j:
    ``{rotate: X0 X1 + Y0 Y1, parameter: a, factor: -1.0}`` is exp(-i factor a/2 sum_j c_j P_j), with factor 1 where
    none is given, and ``{rotate: Z0 - 0.5 Z1, angle: 0.3}`` is exp(-i 0.3/2 sum_j c_j P_j). So the generator of a
    rotation is sum_j 0.5 c_j P_j, the convention of RX, RZ and RZZ. Gates act in the order of the list.

    Args:
        path: File with the field ``gates`` and, if wished, ``name``; without it, the ansatz is named as the file.
        n_qubits: Number of qubits that there are, None to accept any.

    Returns:
        The ansatz; parameters are numbered from 0 in the order in which their names are first used.

    Raises:
        InputError: The file cannot be read, or a gate in it is not one; the gate is numbered from 1.

    """
    path = Path(path)
    content = _read_mapping(path)
    name = content.get("name", path.stem)
    if "name" in content:
        check_name(name, f"{path}: the field name")
    entries = content.get("gates")
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: the field gates must be a list with at least one gate, such as - h 0")
    numbers: dict[str, int] = {}
    rotations = []
    for position, entry in enumerate(entries, start=1):
        try:
            generator, parameter, factor = _gate_of(entry, numbers)
            if n_qubits is not None and max(generator.qubits) >= n_qubits:
                raise InputError(f"qubit {max(generator.qubits)} is not there; {n_qubits} qubits are numbered from 0")
        except InputError as error:
            raise InputError(f"{path}: gate {position}: {error}") from error
        rotations.append(Rotation(generator, parameter, factor))
    return Ansatz(name=name.strip(), rotations=tuple(rotations), n_parameters=len(numbers))


def _read_mapping(path: Path) -> dict[Any, Any]:
    """Fields of the file; their names are checked, their values are not."""
    try:
        check_ordinary(path, str(path))
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path}: larger than {LARGEST_FILE} bytes, not a list of gates")
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except InputError:  # is a ValueError as well
        raise
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or type(error).__name__}") from error
    except ValueError as error:  # not text, or not YAML
        raise InputError(f"{path}: not YAML ({first_line(error)})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold the field gates, a list such as - h 0, {_but(content)}")
    for key in content:
        if key not in FILE_FIELDS:
            raise InputError(f"{path}: unknown field {_shown(key)}{_near(key, FILE_FIELDS)}")
    return content


def _gate_of(entry: object, numbers: dict[str, int]) -> tuple[Clifford | PauliSum, int | None, float]:
    """Fields of one gate's rotation; a parameter's name that is new gets the next number."""
    if isinstance(entry, str):
        return _clifford_of(entry), None, 1.0
    if not isinstance(entry, dict):
        raise InputError(f"must be text such as h 0 or a rotation such as {{rotate: Z0, angle: 0.3}}, {_but(entry)}")
    for key in entry:
        if key not in ROTATION_FIELDS:
            raise InputError(f"unknown field {_shown(key)}{_near(key, ROTATION_FIELDS)}")
    if not isinstance(entry.get("rotate"), str):
        raise InputError(f"the field rotate must be Pauli strings such as X0 X1 + Y0 Y1, {_but(entry.get('rotate'))}")
    generator = _operator_of(entry["rotate"])
    if ("parameter" in entry) == ("angle" in entry):
        has = "both" if "angle" in entry else "neither"
        raise InputError(f"a rotation must have a parameter or an angle, but it has {has}")
    if "angle" in entry:
        if "factor" in entry:
            raise InputError("the field factor goes with a parameter, but the rotation has an angle")
        return generator, None, _number_of("angle", entry["angle"])
    name = entry["parameter"]
    if not (isinstance(name, str) and name.strip()) and not (type(name) is int and 0 <= name < 1 << 63):
        raise InputError(f"the field parameter must be text or a whole number from 0, {_but(name)}; try quotes")
    factor = _number_of("factor", entry.get("factor", 1.0))
    if factor == 0.0:
        raise InputError("the field factor must not be 0: the parameter would not move the rotation")
    return generator, numbers.setdefault(str(name).strip(), len(numbers)), factor


def _clifford_of(text: str) -> Clifford:
    """The Clifford gate of a text such as ``cx 0 1``."""
    name, *words = text.split() or [""]
    if name not in CLIFFORD_QUBITS:
        raise InputError(f"unknown gate {_shown(name)}{_near(name, tuple(CLIFFORD_QUBITS))}")
    if not all(re.fullmatch("[0-9]{1,6}", word) for word in words) or len(words) > 2:
        raise InputError(f"{name} must be followed by {CLIFFORD_QUBITS[name]} qubits, such as 0, {_but(text)}")
    try:
        return Clifford(name, tuple(int(word) for word in words))
    except ValueError as error:
        raise InputError(str(error).replace("Argument `qubits`", "the qubits")) from error


def _operator_of(text: str) -> PauliSum:
    """The generator sum_j 0.5 c_j P_j of a text such as ``X0 X1 - 0.5 Y0 Y1``."""
    terms: list[tuple[float, PauliString]] = []
    position, form = 0, "must be made of X, Y and Z with qubits, such as X0 X1 - 0.5 Y0 Y1"
    while position < len(text) or not terms:
        match = TERM.match(text, position)
        if match is None or (terms and not match["sign"]):
            raise InputError(f"the field rotate {form}, but it is not from {_shown(text[position:].strip())} on")
        coefficient = float(match["sign"] + (match["number"] or "1"))
        string = tuple(sorted((int(qubit), letter) for letter, qubit in re.findall("([XYZ])([0-9]+)", match["string"])))
        if coefficient == 0.0:
            raise InputError(f"a coefficient must not be 0, but it is before {_shown(match['string'].strip())}")
        if LARGEST_NUMBER < abs(coefficient) < math.inf:  # what is not finite is refused below
            raise InputError(f"a coefficient must be at most {LARGEST_NUMBER:g}, but it is {coefficient:g}")
        terms.append((0.5 * coefficient, string))
        position = match.end()
    try:
        return PauliSum(tuple(terms))
    except ValueError as error:
        raise InputError(str(error).replace("Argument `terms`", "the operator")) from error


def _number_of(field: str, value: object) -> float:
    """A finite number; text is read as one too, because YAML takes 1e-3 (no dot) for text."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"the field {field} must be a finite number, {_but(value)}")
    if abs(number) > LARGEST_NUMBER:
        raise InputError(f"the field {field} must be at most {LARGEST_NUMBER:g}, {_but(value)}")
    return number


def _near(name: object, options: Sequence[str]) -> str:
    close = difflib.get_close_matches(_shown(name).strip("'").lower(), options, n=3, cutoff=0.55)
    return f"; did you mean {', '.join(close)}?" if close else f"; available: {', '.join(options)}"


def _shown(value: object) -> str:
    """A short text on one line; lists and mappings by their type, because aliases make them as long as they like."""
    if value is None or isinstance(value, bool | float):
        return str(value)
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:37] + "...")
    return str(value) if isinstance(value, int) and abs(value) < 1 << 63 else f"a {type(value).__name__}"


def _but(value: object) -> str:
    return f"but it is {_shown(value)}"


def ansatz_from_cirq(circuit: cirq.AbstractCircuit, *, name: str = "imported") -> tuple[Ansatz, dict[str, int]]:
    """Import a parameterised Cirq circuit that is made of Pauli rotations and Clifford gates.

    X**t = exp(-i pi t X / 2) up to a global phase, and so for Y, Z, XX, YY, ZZ; all global phases are dropped. An
    exponent is a number or linear in one symbol; an offset, as in a + 0.5, becomes a constant rotation before it.
    Numeric powers that are Clifford become Clifford gates. Where all qubits are ``cirq.LineQubit`` from 0, they keep
    their numbers, also where some in between are not used; other qubits are numbered from 0 in sorted order.

    Args:
        circuit: The circuit; qubit 0 is the most significant bit of a basis state, as in Cirq.
        name: Name of the ansatz.

    Returns:
        The ansatz, and the number of the parameter of each symbol's name, in the order of first use.

    Raises:
        InputError: The circuit has no gates, measures, or holds an operation that is not supported.

    """
    import cirq

    if not isinstance(circuit, cirq.AbstractCircuit):
        raise InputError(f"a cirq circuit is needed, but a {type(circuit).__name__} was given")
    places = _places_of(circuit)
    numbers: dict[str, int] = {}
    rotations: list[Rotation] = []
    for operation in circuit.all_operations():
        try:
            rotations += _rotations_of(operation, places, numbers, DEEPEST)
        except InputError as error:
            label = " ".join(str(operation).split())  # a matrix is printed on many lines
            raise InputError(f"operation {label if len(label) <= 80 else label[:77] + '...'}: {error}") from error
    if not rotations:
        raise InputError("the circuit has no gates, or they do nothing")
    return Ansatz(name=name, rotations=tuple(rotations), n_parameters=len(numbers)), numbers


def _places_of(circuit: cirq.AbstractCircuit) -> dict[cirq.Qid, int]:
    """Number of each qubit."""
    import cirq

    qubits = sorted(circuit.all_qubits())
    for qubit in qubits:
        if qubit.dimension != 2:
            raise InputError(f"qubit {qubit} must have 2 levels, but it has {qubit.dimension}")
    if all(isinstance(qubit, cirq.LineQubit) and qubit.x >= 0 for qubit in qubits):
        return {qubit: int(qubit.x) for qubit in qubits}
    return {qubit: place for place, qubit in enumerate(qubits)}


def _rotations_of(
    operation: cirq.Operation, places: Mapping[cirq.Qid, int], numbers: dict[str, int], depth: int
) -> list[Rotation]:
    """Gates of one operation, which is decomposed at most `depth` times; a new symbol gets the next number."""
    import cirq

    gate = operation.gate
    if isinstance(gate, cirq.GlobalPhaseGate):
        return []
    if cirq.is_measurement(operation) or operation.classical_controls:
        raise InputError("measurements and what they control must be left out of the circuit")
    if any(qubit not in places for qubit in operation.qubits):
        raise InputError(f"it decomposes into gates on extra qubits; {SUPPORTED}")
    qubits = tuple(places[qubit] for qubit in operation.qubits)
    fixed = _cliffords_of(gate, qubits)
    if fixed is not None:
        return fixed
    if isinstance(gate, cirq.PauliStringPhasorGate):
        # e^(i pi t) on the -1 eigenspace of a signed string P is exp(-i pi t P / 2) up to a phase
        sign = complex(gate.dense_pauli_string.coefficient).real
        string = _string_of("".join(map(str, gate.dense_pauli_string)), qubits)
        if len(string) < len(qubits):  # documented as idle, but Cirq 1.7 simulates a Z there
            raise InputError("Cirq's own unitary is wrong on qubits without a letter; leave those qubits out")
        return _turned(((0.5 * sign, string),), gate.exponent_relative, 1.0, numbers) if string else []
    for kind, scale, letters in _families():
        if isinstance(gate, kind):
            terms = tuple((0.5 * c, _string_of(word, qubits)) for word, c in letters.items())
            return _turned(terms, gate.exponent, scale, numbers)
    try:
        parts = cirq.decompose_once(operation, None) if depth else None
    except (TypeError, ValueError) as error:
        raise InputError(f"Cirq cannot decompose it ({type(error).__name__}); {SUPPORTED}") from error
    if parts is None:
        raise InputError(f"the gate {type(gate or operation.untagged).__name__} is not supported; {SUPPORTED}")
    return [rotation for part in parts for rotation in _rotations_of(part, places, numbers, depth - 1)]


def _families() -> tuple[tuple[Any, float, dict[str, float]], ...]:
    """Class, s and c of the gates whose power t is exp(-i pi s t / 2 sum_j c_j P_j) up to a phase."""
    import cirq

    return (
        *((getattr(cirq, f"{word}PowGate"), 1.0, {word: 1.0}) for word in ("X", "Y", "Z", "XX", "YY", "ZZ")),
        (cirq.ISwapPowGate, -0.5, {"XX": 1.0, "YY": 1.0}),
        (cirq.CZPowGate, 1.0, {"ZI": 0.5, "IZ": 0.5, "ZZ": -0.5}),
    )


def _string_of(word: str, qubits: Sequence[int]) -> PauliString:
    return tuple(sorted((qubit, letter) for qubit, letter in zip(qubits, word, strict=True) if letter != "I"))


def _cliffords_of(gate: Any, qubits: tuple[int, ...]) -> list[Rotation] | None:
    """Clifford gates, first one first, of a power that is a multiple of 1/2; None where it is none of them."""
    import cirq

    words: tuple[tuple[Any, tuple[str | None, ...]], ...] = (
        (cirq.XPowGate, ("", "h s h", "x", "h sdg h")),  # powers 0, 1/2, 1, 3/2
        (cirq.YPowGate, ("", "z h", "y", "h z")),
        (cirq.ZPowGate, ("", "s", "z", "sdg")),
        (cirq.HPowGate, ("", None, "h", None)),
        (cirq.CXPowGate, ("", None, "cx", None)),
        (cirq.CZPowGate, ("", None, "cz", None)),
        (cirq.SwapPowGate, ("", None, "swap", None)),
    )
    for kind, powers in words:
        if isinstance(gate, kind):
            _, symbol, angle = _linear(gate.exponent)
            halves = 2.0 * angle / math.pi
            exact = symbol is None and abs(halves - round(halves)) < NEGLIGIBLE
            word = powers[round(halves) % 4] if exact else None
            return None if word is None else [Rotation(Clifford(each, qubits), None) for each in word.split()]
    return None


def _turned(
    terms: tuple[tuple[float, PauliString], ...], exponent: Any, scale: float, numbers: dict[str, int]
) -> list[Rotation]:
    """Rotations of one generator by pi * scale * exponent: a constant one, one that follows a symbol, both or none."""
    coefficient, symbol, offset = _linear(exponent)
    rotations = []
    if abs(offset) > NEGLIGIBLE:
        rotations.append(Rotation(PauliSum(terms), None, scale * offset))
    if symbol is not None:
        number = numbers.setdefault(symbol, len(numbers))
        rotations.append(Rotation(PauliSum(terms), number, scale * coefficient))
    return rotations


def _linear(exponent: Any) -> tuple[float, str | None, float]:
    """Coefficient, symbol and offset of pi * exponent = coefficient * symbol + offset."""
    coefficient, symbol, offset = 0.0, None, exponent
    form = "supported is a number, or number * symbol + number"
    try:
        for name in getattr(exponent, "free_symbols", ()):  # then it is a sympy expression
            expanded = exponent.expand()  # (a + 1)**2 - a**2 is linear
            slope = expanded.diff(name)
            if len(exponent.free_symbols) > 1 or not expanded.is_polynomial(name) or slope.free_symbols:
                raise InputError(f"the exponent {_shown(str(exponent))} is not linear in one symbol; {form}")
            coefficient, offset = math.pi * float(slope), expanded.subs(name, 0)
            symbol = str(name) if coefficient else None
        offset = math.pi * float(offset)
    except TypeError as error:
        raise InputError(f"the exponent {_shown(str(exponent))} is not real; {form}") from error
    if not math.isfinite(coefficient) or not math.isfinite(offset):
        raise InputError(f"the exponent {_shown(str(exponent))} is not finite; {form}")
    return coefficient, symbol, offset
