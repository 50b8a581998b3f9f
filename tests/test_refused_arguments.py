"""Arguments of Python that cannot be used, and how the command line ends when the system fails under it."""

import math

import numpy as np
import pytest

from vqe_prune import __main__ as command
from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.engine.statevector import StatevectorEngine, compile_ansatz
from vqe_prune.errors import InputError
from vqe_prune.paulis import Clifford, PauliSum, QubitHamiltonian, qubit_hamiltonian_of

Z0, Z1, X0 = ((0, "Z"),), ((1, "Z"),), ((0, "X"),)
ON_Z = PauliSum(((1.0, Z0),))


def ansatz_of(*rotations: Rotation) -> Ansatz:
    return Ansatz(name="test", rotations=rotations, n_parameters=1)


REFUSED = {
    "at least one Pauli string": lambda: PauliSum(()),
    "empty string": lambda: PauliSum(((1.0, ()),)),
    "finite coefficients": lambda: PauliSum(((math.nan, Z0),)),
    "string once, but one repeats in": lambda: PauliSum(((1.0, Z0), (2.0, Z0))),
    "commuting strings, but": lambda: PauliSum(((1.0, Z0), (1.0, X0))),
    "ascending order": lambda: PauliSum(((1.0, ((1, "Z"), (0, "Z"))),)),
    "made of X, Y and Z": lambda: PauliSum(((1.0, ((0, "I"),)),)),
    "`name` must be one of": lambda: Clifford("t", (0,)),
    "2 distinct qubits": lambda: Clifford("cx", (1, 1)),
    "strings on 1 qubits with finite": lambda: QubitHamiltonian(n_qubits=1, terms=((1.0, Z1),)),
    "once, but one repeats$": lambda: QubitHamiltonian(n_qubits=1, terms=((1.0, Z0), (1.0, Z0))),
    "rotation 0 is a Excitation": lambda: compile_ansatz(2, ansatz_of(Rotation(Excitation((2,), (0,)), 0))),
    "must act on 1 qubits": lambda: compile_ansatz(1, ansatz_of(Rotation(PauliSum(((1.0, Z1),)), 0))),
    "must not encode data": lambda: compile_ansatz(1, ansatz_of(Rotation(ON_Z, 0), Rotation(ON_Z, None, 1.0, 0))),
    "`reference` must have shape": lambda: StatevectorEngine(
        hamiltonian=QubitHamiltonian(n_qubits=1, terms=((1.0, Z0),)),
        ansatz=ansatz_of(Rotation(PauliSum(((1.0, Z0),)), 0)),
        reference=np.ones(4),
    ),
}


@pytest.mark.parametrize("words", REFUSED)
def test_an_argument_is_refused_with_what_it_must_be(words: str) -> None:
    with pytest.raises(ValueError, match=words):
        REFUSED[words]()


@pytest.mark.parametrize(
    ("value", "words"), [(math.inf, "is not finite"), (1e30, "units of its largest coupling"), (1j, "must be real")]
)
def test_a_hamiltonian_is_refused_for_its_coefficients(value: complex, words: str) -> None:
    with pytest.raises(InputError, match=words):
        qubit_hamiltonian_of({Z0: value}, 1)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (OSError(28, "No space left on device", "run/record.json"), 2, "run/record.json: No space left on device"),
        (MemoryError(), 2, "out of memory; choose a smaller basis"),
        (KeyboardInterrupt(), 130, "the same command goes on where this one stopped"),
    ],
)
def test_what_the_system_does_ends_in_one_line(monkeypatch, capsys, error, status: int, words: str) -> None:
    def fails(_: object) -> int:
        raise error

    monkeypatch.setattr(command, "_run", fails)
    assert command.main([]) == status
    said = capsys.readouterr().err
    assert words in said and said.strip().count("\n") == 0
