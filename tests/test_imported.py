"""Imported ansätze against Cirq's own unitaries, each up to one global phase."""

from pathlib import Path

import cirq
import numpy as np
import pytest
import sympy
from scipy.linalg import expm

from vqe_prune.ansatz.imported import ansatz_from_cirq, read_ansatz
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.errors import InputError
from vqe_prune.paulis import Clifford, PauliSum

A, B, C = sympy.symbols("a b c")
Q = cirq.LineQubit.range(4)
VALUES = {"a": 0.731, "b": -1.234, "c": 0.418}

PAULIS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


def string_matrix(letters: dict[int, str], n: int) -> np.ndarray:
    out = np.ones((1, 1))
    for qubit in range(n):
        out = np.kron(out, PAULIS[letters.get(qubit, "I")])
    return out


def clifford_matrix(gate: Clifford, n: int) -> np.ndarray:
    """From projectors and Pauli strings, not from Cirq."""
    first, last = gate.qubits[0], gate.qubits[-1]
    x, y, z = (string_matrix({first: letter}, n) for letter in "XYZ")
    one = np.eye(2**n)
    if gate.name in ("cx", "cz"):
        target = string_matrix({last: "X" if gate.name == "cx" else "Z"}, n)
        return (one + z) / 2 + (one - z) / 2 @ target
    if gate.name == "swap":
        return (one + sum(string_matrix({first: letter, last: letter}, n) for letter in "XYZ")) / 2
    phase = {"s": 1j, "sdg": -1j}.get(gate.name, 1)
    return {"x": x, "y": y, "z": z, "h": (x + z) / np.sqrt(2)}.get(gate.name, (one + z) / 2 + phase * (one - z) / 2)


def unitary_of(ansatz: Ansatz, angles: list[float], n: int) -> np.ndarray:
    out = np.eye(2**n)
    turns = ansatz.rotation_angles(np.array(angles))
    for rotation, angle in zip(ansatz.rotations, turns, strict=True):
        generator = rotation.generator
        if isinstance(generator, Clifford):
            out = clifford_matrix(generator, n) @ out
        else:
            assert isinstance(generator, PauliSum)
            dense = sum(c * string_matrix(dict(string), n) for c, string in generator.terms)
            out = expm(-1j * angle * dense) @ out
    return out


def assert_same_up_to_phase(one: np.ndarray, other: np.ndarray) -> None:
    phase = np.vdot(other, one) / one.shape[0]
    assert abs(abs(phase) - 1) < 1e-10
    assert np.abs(one - phase * other).max() < 1e-10


def check(circuit: cirq.AbstractCircuit, n: int) -> Ansatz:
    ansatz, numbers = ansatz_from_cirq(circuit)
    assert sorted(numbers.values()) == list(range(ansatz.n_parameters))
    angles = [0.0] * len(numbers)
    for symbol, number in numbers.items():
        angles[number] = VALUES[symbol]
    expected = cirq.resolve_parameters(circuit, VALUES).unitary(Q[:n])
    assert_same_up_to_phase(unitary_of(ansatz, angles, n), expected)
    return ansatz


EXPONENTS = [0.37, -1.6, A, -0.7 * A, A / sympy.pi, A + 0.5, 0.25 - 2 * A, sympy.Rational(1, 3), (A + 1) ** 2 - A**2]
POWERS = [
    cirq.X, cirq.Y, cirq.Z, cirq.H, cirq.CNOT, cirq.CZ, cirq.SWAP, cirq.ISWAP, cirq.XX, cirq.YY, cirq.ZZ,
]  # fmt: skip


@pytest.mark.parametrize("gate", POWERS, ids=str)
@pytest.mark.parametrize("exponent", EXPONENTS, ids=str)
def test_powers(gate: cirq.Gate, exponent: object) -> None:
    qubits = Q[:2][: cirq.num_qubits(gate)]
    check(cirq.Circuit((gate**exponent).on(*qubits)), 2)
    check(cirq.Circuit((gate**exponent).on(*reversed(qubits))), 2)


@pytest.mark.parametrize("gate", POWERS, ids=str)
def test_half_integer_powers(gate: cirq.Gate) -> None:
    for halves in (1, 2, 3, -1, -2, -3, 5, 7, 6):
        qubits = Q[: cirq.num_qubits(gate)]
        ansatz = check(cirq.Circuit(gate.on(*qubits), (gate ** (halves / 2)).on(*qubits)), 2)
        whole = halves % 2 == 0 and gate in (cirq.H, cirq.CNOT, cirq.CZ, cirq.SWAP)
        if gate in (cirq.X, cirq.Y, cirq.Z) or whole:
            assert all(isinstance(r.generator, Clifford) for r in ansatz.rotations)


@pytest.mark.parametrize("angle", [0.3, A, -0.5 * A, A - 0.2], ids=str)
def test_angle_gates(angle: float | sympy.Expr) -> None:
    for gate in (cirq.rx, cirq.ry, cirq.rz):
        check(cirq.Circuit(cirq.H(Q[1]), cirq.H(Q[0]), gate(angle).on(Q[1])), 2)
    check(cirq.Circuit(cirq.ms(angle).on(Q[0], Q[1])), 2)
    check(cirq.Circuit(cirq.givens(angle).on(Q[0], Q[1])), 2)
    check(cirq.Circuit(cirq.FSimGate(angle, 0.4).on(Q[1], Q[0])), 2)
    check(cirq.Circuit(cirq.FSimGate(angle, B).on(Q[0], Q[1])), 2)
    check(cirq.Circuit(cirq.PhasedXPowGate(phase_exponent=B, exponent=angle).on(Q[0]), cirq.X(Q[1])), 2)
    check(cirq.Circuit(cirq.PhasedISwapPowGate(phase_exponent=0.3, exponent=angle).on(Q[0], Q[1])), 2)


def test_rotation_has_the_coefficient_of_its_angle() -> None:
    ansatz, numbers = ansatz_from_cirq(cirq.Circuit(cirq.rz(-2 * B).on(Q[0]), cirq.rx(A).on(Q[0])))
    assert numbers == {"b": 0, "a": 1}
    assert [(r.generator.label, r.parameter, r.coefficient) for r in ansatz.rotations] == [
        ("0.5 Z0", 0, -2.0),
        ("0.5 X0", 1, 1.0),
    ]


@pytest.mark.parametrize("exponent", [0.3, A, -0.5 * A, A + 0.2], ids=str)
@pytest.mark.parametrize("sign", [1, -1])
def test_pauli_string_phasor(exponent: float | sympy.Expr, sign: int) -> None:
    string = cirq.PauliString({Q[2]: cirq.Y, Q[0]: cirq.X, Q[1]: cirq.Z}, coefficient=sign)
    check(cirq.Circuit(cirq.PauliStringPhasor(string, exponent_neg=exponent)), 3)
    check(cirq.Circuit(cirq.PauliStringPhasor(string, exponent_neg=-0.1, exponent_pos=exponent)), 3)


def test_other_operations() -> None:
    circuit = cirq.Circuit(
        cirq.global_phase_operation(1j),
        cirq.I(Q[0]),
        cirq.S(Q[0]).with_tags("t"),
        cirq.S(Q[1]) ** -1,
        cirq.T(Q[2]),
        cirq.PauliString({Q[0]: cirq.X, Q[2]: cirq.Y}),
        cirq.CCZ(*Q[:3]),
        cirq.CCX(*Q[:3]) ** A,
        cirq.MatrixGate(cirq.testing.random_unitary(4, random_state=11)).on(Q[2], Q[0]),
        cirq.PauliSumExponential(cirq.X(Q[0]) * cirq.X(Q[1]) + cirq.Y(Q[0]) * cirq.Y(Q[1]), B),
        cirq.CircuitOperation(cirq.FrozenCircuit(cirq.X(Q[0]) ** A, cirq.CZ(Q[0], Q[1]) ** B), repetitions=2),
    )
    check(circuit, 3)
    check(cirq.Circuit(circuit).freeze(), 3)


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_random_circuit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gates = [*POWERS, cirq.S, cirq.H, cirq.CNOT]
    circuit = cirq.Circuit(cirq.I.on_each(*Q))
    for _ in range(40):
        gate = gates[rng.integers(len(gates))]
        symbol = [A, B, C][rng.integers(3)]
        exponent = [1, 0.5, -1.3, symbol, -0.4 * symbol, 0.3 - symbol][rng.integers(6)]
        qubits = [Q[k] for k in rng.permutation(4)[: cirq.num_qubits(gate)]]
        circuit.append((gate**exponent).on(*qubits))
    ansatz = check(circuit, 4)
    assert ansatz.n_parameters == 3
    assert ansatz.name == "imported"


def test_qubit_numbers() -> None:
    def qubits_of(circuit: cirq.Circuit) -> list[tuple[int, ...]]:
        return [rotation.generator.qubits for rotation in ansatz_from_cirq(circuit, name="x")[0].rotations]

    assert qubits_of(cirq.Circuit(cirq.CNOT(Q[3], Q[1]))) == [(3, 1)]
    line = cirq.LineQubit(-1)
    assert qubits_of(cirq.Circuit(cirq.CNOT(Q[3], line))) == [(1, 0)]
    named = cirq.NamedQubit.range(2, prefix="q")
    assert qubits_of(cirq.Circuit(cirq.CNOT(named[1], named[0]), cirq.ZZ(*named) ** A)) == [(1, 0), (0, 1)]


BAD_CIRCUITS = {
    "product": (lambda: cirq.X(Q[0]) ** (A * B), ["X**", "not linear in one symbol", "number * symbol"]),
    "sum": (lambda: cirq.ZZ(Q[0], Q[1]) ** (A + B), ["ZZ**", "not linear in one symbol"]),
    "sine": (lambda: cirq.X(Q[0]) ** sympy.sin(A), ["sin(a)", "not linear"]),
    "floor": (lambda: cirq.X(Q[0]) ** sympy.floor(A), ["floor(a)", "not linear"]),
    "mod": (lambda: cirq.X(Q[0]) ** sympy.Mod(A, 1), ["Mod(a, 1)", "not linear"]),
    "square": (lambda: cirq.CNOT(Q[0], Q[1]) ** A**2, ["CNOT**", "not linear"]),
    "inverse": (lambda: cirq.FSimGate(1 / A, B).on(Q[0], Q[1]), ["FSim", "not linear"]),
    "complex": (lambda: cirq.X(Q[0]) ** (sympy.I * A), ["X**", "not real"]),
    "nan": (lambda: cirq.X(Q[0]) ** float("nan"), ["X**nan", "not finite"]),
    "infinite": (lambda: cirq.rx(A + sympy.oo).on(Q[0]), ["Rx", "exponent"]),
    "measured": (lambda: cirq.measure(Q[0], key="m"), ["measurements", "left out"]),
    "controlled by a measurement": (lambda: cirq.X(Q[0]).with_classical_controls("m"), ["left out"]),
    "noise": (lambda: cirq.depolarize(0.1).on(Q[0]), ["depolarize", "DepolarizingChannel is not supported"]),
    "reset": (lambda: cirq.ResetChannel().on(Q[0]), ["ResetChannel is not supported"]),
    "controlled": (lambda: cirq.rz(A).on(Q[0]).controlled_by(Q[1]), ["CRz", "ControlledGate is not supported"]),
    "qudit": (lambda: cirq.IdentityGate(qid_shape=(3,)).on(cirq.LineQid(0, 3)), ["2 levels"]),
    "matrix": (
        lambda: cirq.MatrixGate(cirq.testing.random_unitary(16, random_state=5)).on(*Q),
        ["operation", "MatrixGate is not supported"],
    ),
    "idle qubits": (  # Cirq 1.7 decomposes them to Z, against its documentation
        lambda: cirq.PauliStringPhasor(cirq.PauliString({Q[2]: cirq.Y}), Q[:3], exponent_neg=A),
        ["without a letter", "leave those qubits out"],
    ),
    "nothing": (lambda: cirq.I(Q[0]), ["no gates"]),
}


@pytest.mark.parametrize("case", BAD_CIRCUITS)
def test_bad_circuits(case: str) -> None:
    make, words = BAD_CIRCUITS[case]
    circuit = cirq.Circuit(make())
    with pytest.raises(InputError) as caught:
        ansatz_from_cirq(circuit)
    assert len(str(caught.value).splitlines()) == 1
    for word in words:
        assert word in str(caught.value)


def test_not_a_circuit() -> None:
    with pytest.raises(InputError, match="str was given"):
        ansatz_from_cirq("X(q0)")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no gates"):
        ansatz_from_cirq(cirq.Circuit())


LIST = """
name: my ansatz
gates:
  - h 0
  - cx 0 1
  - sdg 2
  - swap 1 2
  - {rotate: X0 X1, parameter: a}
  - {rotate: "X0 X1 + Y0 Y1", parameter: 7, factor: -1.0}
  - {rotate: Z0 - 0.5 Z1, angle: 0.3}
  - {rotate: -Z2Y0 + 5e-1 X1, parameter: a, factor: 1e-1}
  - {rotate: +2Y1, parameter: "7"}
  - cz 2 1
"""


def test_list_equals_cirq(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text(LIST)
    ansatz = read_ansatz(path, 3)
    assert ansatz.name == "my ansatz"
    assert [r.parameter for r in ansatz.rotations] == [None] * 4 + [0, 1, None, 0, 1, None]
    assert ansatz.rotations[4].generator == PauliSum(((0.5, ((0, "X"), (1, "X"))),))
    pi = np.pi
    string = cirq.PauliString({Q[2]: cirq.Z, Q[0]: cirq.Y})
    circuit = cirq.Circuit(
        cirq.H(Q[0]),
        cirq.CNOT(Q[0], Q[1]),
        cirq.S(Q[2]) ** -1,
        cirq.SWAP(Q[1], Q[2]),
        cirq.XX(Q[0], Q[1]) ** (A / pi),
        cirq.ISWAP(Q[0], Q[1]) ** (2 * B / pi),  # exp(+i b/2 (XX + YY))
        cirq.rz(0.3).on(Q[0]),
        cirq.rz(-0.15).on(Q[1]),
        cirq.PauliStringPhasor(string, exponent_neg=-0.1 * A / pi),
        cirq.rx(0.05 * A).on(Q[1]),
        cirq.ry(2 * B).on(Q[1]),
        cirq.CZ(Q[1], Q[2]),
    )
    expected = cirq.resolve_parameters(circuit, VALUES).unitary(Q[:3])
    assert_same_up_to_phase(unitary_of(ansatz, [VALUES["a"], VALUES["b"]], 3), expected)
    again, numbers = ansatz_from_cirq(circuit)
    assert numbers == {"a": 0, "b": 1}
    assert_same_up_to_phase(unitary_of(again, [VALUES["a"], VALUES["b"]], 3), expected)


def test_name_of_the_file_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("gates: [h 0]")
    assert read_ansatz(str(path)).name == "mine"


BAD_LISTS = {
    "gates: [": ["not YAML"],
    "": ["must hold the field gates"],
    "- h 0": ["must hold the field gates", "a list"],
    "gates: []": ["at least one gate"],
    "name: x": ["at least one gate"],
    "gates: h 0": ["at least one gate"],
    "{name: [1], gates: [h 0]}": ["name must be text"],
    "{gate: [h 0]}": ["unknown field 'gate'; did you mean gates?"],
    "{1: 2}": ["unknown field 1"],
    "gates: [h 0, H 0]": ["gate 2", "unknown gate 'H'; did you mean h?"],
    "gates: [swp 0 1]": ["gate 1", "did you mean swap?"],
    "gates: [toffoli 0 1 2]": ["unknown gate", "available: h, s,"],
    "gates: ['']": ["unknown gate ''"],
    "gates: [cx 0]": ["gate 1", "2 distinct qubits"],
    "gates: [cx 0 0]": ["2 distinct qubits"],
    "gates: [h 0 1]": ["1 distinct qubits"],
    "gates: [cx 0 1 2]": ["2 qubits"],
    "gates: [h -1]": ["h must be followed by"],
    "gates: [h 99999999999]": ["h must be followed by"],
    "gates: [h 3]": ["gate 1", "qubit 3 is not there", "3 qubits"],
    "gates: [{rotate: Z0 Z5, angle: 1}]": ["qubit 5 is not there"],
    "gates: [5]": ["gate 1", "but it is 5"],
    "gates: [[h, 0]]": ["but it is a list"],
    "gates: [{rotat: X0, angle: 1}]": ["unknown field 'rotat'; did you mean rotate?"],
    "gates: [{angle: 1}]": ["field rotate", "None"],
    "gates: [{rotate: 1, angle: 1}]": ["field rotate", "but it is 1"],
    "gates: [{rotate: X0, angle: 1, parameter: a}]": ["has both"],
    "gates: [{rotate: X0}]": ["has neither"],
    "gates: [{rotate: X0, angle: .nan}]": ["angle must be a finite number", "nan"],
    "gates: [{rotate: X0, angle: .inf}]": ["angle must be a finite number"],
    "gates: [{rotate: X0, angle: 'pi/2'}]": ["angle must be a finite number", "'pi/2'"],
    "gates: [{rotate: X0, angle: true}]": ["angle must be a finite number", "True"],
    "gates: [{rotate: X0, angle: %s}]" % ("9" * 400): ["angle must be a finite number", "a int"],
    "gates: [{rotate: X0, angle: 1, factor: 2}]": ["factor goes with a parameter"],
    "gates: [{rotate: X0, parameter: a, factor: .nan}]": ["factor must be a finite number"],
    "gates: [{rotate: X0, parameter: a, factor: 0}]": ["factor must not be 0"],
    "gates: [{rotate: X0, parameter: 0.5}]": ["parameter must be text or a whole number", "0.5"],
    "gates: [{rotate: X0, parameter: yes}]": ["parameter must be text", "try quotes"],
    "gates: [{rotate: X0, parameter: }]": ["parameter must be text", "None"],
    "gates: [{rotate: A0, angle: 1}]": ["made of X, Y and Z", "'A0'"],
    "gates: [{rotate: x0, angle: 1}]": ["made of X, Y and Z", "'x0'"],
    "gates: [{rotate: '', angle: 1}]": ["made of X, Y and Z"],
    "gates: [{rotate: X0 +, angle: 1}]": ["made of X, Y and Z", "'+'"],
    "gates: [{rotate: X0 0.5 Y1, angle: 1}]": ["made of X, Y and Z", "'0.5 Y1'"],
    "gates: [{rotate: nan X0, angle: 1}]": ["made of X, Y and Z", "nan X0"],
    "gates: [{rotate: X1234567, angle: 1}]": ["made of X, Y and Z", "'7'"],
    "gates: [{rotate: X0 Z0, angle: 1}]": ["distinct qubits"],
    "gates: [{rotate: X0 + Z0, angle: 1}]": ["X0 and Z0 do not commute"],
    "gates: [{rotate: X0 - X0, angle: 1}]": ["each Pauli string once"],
    "gates: [{rotate: 0.0 X0, angle: 1}]": ["must not be 0"],
    "gates: [{rotate: 1e999 X0, angle: 1}]": ["finite"],
    'gates: ["h\\n\\x7f 0"]': ["h must be followed by"],
    "gates: [!!python/object/apply:os.getcwd []]": ["not YAML"],
    "gates: [h \x01]": ["not YAML"],
}


@pytest.mark.parametrize("text", BAD_LISTS)
def test_bad_lists(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_ansatz(path, 3)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(f"{path}: ")
    for word in BAD_LISTS[text]:
        assert word in message, message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read_ansatz(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="no such file"):
        read_ansatz(tmp_path)
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputError, match=r"binary\.yaml: not YAML"):
        read_ansatz(path)
    path.write_bytes(b"#" * (2**18 + 1))
    with pytest.raises(InputError, match="larger than"):
        read_ansatz(path)
    path.write_text("gates: " + "[" * 3000)
    with pytest.raises(InputError, match="not YAML"):
        read_ansatz(path)
    bomb = "x0: &x0 [1, 1]\n" + "".join(f"x{k}: &x{k} [*x{k - 1}, *x{k - 1}]\n" for k in range(1, 60))
    path.write_text(bomb)
    with pytest.raises(InputError, match="are not allowed: write it out"):
        read_ansatz(path)
    path.write_text(f"gates:\n  - {{{bomb.replace(chr(10), ', ')}}}")
    with pytest.raises(InputError, match="are not allowed: write it out"):
        read_ansatz(path)
