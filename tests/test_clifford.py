"""Clifford circuits: every string becomes the product of Z that the tableau says, as matrices."""

from functools import reduce

import cirq
import numpy as np
import pytest

from vqe_prune.basis_change import clifford_setting
from vqe_prune.circuit import Gate, count_resources, to_cirq
from vqe_prune.clifford import Tableau, commutation, conjugate, diagonalise, tableau_of
from vqe_prune.paulis import PauliString


def matrix(string: PauliString, n: int) -> np.ndarray:
    letters = dict(string)
    return reduce(np.kron, [cirq.unitary(cirq.Pauli.by_index("XYZ".index(letters[q]))) if q in letters else np.eye(2)
                            for q in range(n)])  # fmt: skip


def unitary(gates: tuple[Gate, ...] | list[Gate], n: int) -> np.ndarray:
    return to_cirq(gates).unitary(qubits_that_should_be_present=cirq.LineQubit.range(n))


def string_of(tableau: Tableau, row: int) -> PauliString:
    letters = {(True, False): "X", (True, True): "Y", (False, True): "Z"}
    bits = zip(tableau.x[row].tolist(), tableau.z[row].tolist(), strict=True)
    return tuple((q, letters[each]) for q, each in enumerate(bits) if any(each))


def random_string(n: int, rng: np.random.Generator) -> PauliString:
    return tuple((q, "XYZ"[k - 1]) for q, k in enumerate(rng.integers(4, size=n)) if k)


def random_group(n: int, tries: int, rng: np.random.Generator) -> list[PauliString]:
    found: list[PauliString] = []
    for _ in range(tries):
        string = random_string(n, rng)
        if string and commutation(tableau_of([string], n), tableau_of(found, n)).all():
            found.append(string)
    return found


def test_gates_act_on_tableaus_as_on_matrices() -> None:
    rng = np.random.default_rng(1)
    for _ in range(60):
        n = 3
        gates = [Gate(str(rng.choice(["h", "s", "sdg", "x", "y", "z"])), (int(rng.integers(n)),)) for _ in range(4)]
        pairs = [tuple(map(int, rng.permutation(n)[:2])) for _ in range(3)]
        gates += [Gate(name, pair) for name, pair in zip(("cx", "cz", "swap"), pairs, strict=True)]
        gates = [gates[k] for k in rng.permutation(len(gates))]
        string = random_string(n, rng)
        tableau = tableau_of([string], n)
        conjugate(tableau, gates)
        u = unitary(gates, n)
        sign = -1 if tableau.negative[0] else 1
        turned = u @ matrix(string, n) @ u.conj().T
        np.testing.assert_allclose(turned, sign * matrix(string_of(tableau, 0), n), atol=1e-12)
    with pytest.raises(ValueError, match="rx was given"):
        conjugate(tableau_of([((0, "X"),)], 1), [Gate("rx", (0,), 0.1)])


def test_commuting_strings_become_products_of_z() -> None:
    rng = np.random.default_rng(2)
    for n in (1, 2, 3, 4, 5):
        for tries in (3, 40):
            group = random_group(n, tries, rng)
            gates = diagonalise(group, n)
            u = unitary(gates, n)
            for coefficient, qubits in clifford_setting([(1.0, string) for string in group]).diagonal:
                string = group.pop(0)
                product = matrix(tuple((q, "Z") for q in qubits), n)
                np.testing.assert_allclose(u @ matrix(string, n) @ u.conj().T, coefficient * product, atol=1e-12)
            assert not group
    with pytest.raises(ValueError, match="two of them do not"):
        diagonalise([((0, "X"),), ((0, "Y"),)], 1)


def test_few_gates_on_two_qubits() -> None:
    def count(group: list[PauliString], n: int) -> int:
        return count_resources(diagonalise(group, n)).n_two_qubit_gates

    assert count([((0, "X"), (1, "Y")), ((0, "X"),), ((2, "Z"),)], 3) == 0  # qubit by qubit
    assert count([((0, "X"), (1, "X")), ((0, "Y"), (1, "Y")), ((0, "Z"), (1, "Z"))], 2) == 1  # Bell states
    ghz: list[PauliString] = [((q, "Z"), (q + 1, "Z")) for q in range(5)]
    assert count([*ghz, tuple((q, "X") for q in range(6))], 6) == 5  # a connected graph of six qubits
    rng = np.random.default_rng(3)
    n = 6
    for _ in range(10):  # Gaussian elimination takes up to n (n - 1) / 2 CZ after making X independent
        assert count(random_group(n, 300, rng), n) <= n * (n - 1) // 2
