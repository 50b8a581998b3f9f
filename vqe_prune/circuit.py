"""From rotations to gates: few-CNOT circuits of excitations and Pauli rotations, on one qubit a spin orbital.

Qubit k is spin orbital k, qubit 0 the most significant as in Cirq. No circuit here has a global phase. Encodings on
fewer qubits are in `encoding`, gates, their counts and their export in `gates`, whose names stand here too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation
from vqe_prune.gates import (
    HALF_PI,
    Gate,
    Resources,
    cancel_neighbours,
    count_resources,
    merge_controlled,
    to_cirq,
    to_qasm,
    write_circuit,
)
from vqe_prune.multiplexed import circuits_of, multiplexed_of, two_couplings
from vqe_prune.paulis import Clifford, PauliString, PauliSum
from vqe_prune.problem import Problem
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.symmetry import kernel_gf2

__all__ = [
    "HALF_PI",
    "Gate",
    "Resources",
    "ansatz_gates",
    "cancel_neighbours",
    "conserved_parities",
    "count_resources",
    "excitation_gates",
    "operator_sign",
    "pair_gates",
    "problem_gates",
    "qubit_gates",
    "to_cirq",
    "to_qasm",
    "write_circuit",
]


def ansatz_gates(ansatz: Ansatz, angles: NDArray[np.float64], reference_occupied: Sequence[int]) -> list[Gate]:
    """Build the circuit of an ansatz on its reference determinant.

    Rotations whose angle is zero are built like the others, so that counts depend on the structure alone.

    Args:
        ansatz: Excitation rotations.
        angles: Parameters, radian; shape (n_parameters,).
        reference_occupied: Spin orbitals that the reference fills.

    Returns:
        X on the filled spin orbitals, then the rotations, neighbouring inverse gates cancelled.

    """
    conserved = conserved_parities(ansatz)
    occupied = set(reference_occupied)
    gates = [Gate("x", (qubit,)) for qubit in sorted(occupied)]
    for excitation, angle in zip(ansatz.excitations, ansatz.rotation_angles(angles), strict=True):
        gates += excitation_gates(excitation, float(angle), conserved=conserved, occupied=occupied)
    return cancel_neighbours(gates)


def problem_gates(problem: Problem | QubitProblem, ansatz: Ansatz, angles: NDArray[np.float64]) -> list[Gate]:
    """Build the circuit of an ansatz on a problem's reference: `ansatz_gates` or `qubit_gates`."""
    if isinstance(problem, QubitProblem):
        return qubit_gates(ansatz, angles, problem.reference, problem.preparation)
    return ansatz_gates(ansatz, angles, problem.reference_occupied)


def qubit_gates(
    ansatz: Ansatz, angles: NDArray[np.float64], reference: str, preparation: Sequence[Clifford] = ()
) -> list[Gate]:
    """Build the circuit of Pauli rotations and Clifford gates on a product state.

    Strings of a sum that flip the same qubits are made together where that takes fewer two-qubit gates: a qubit
    excitation of one electron takes 2, of two electrons 13. So are two of XX, YY and ZZ on one pair of qubits. Every
    other string has a ladder of its own.

    Args:
        ansatz: Rotations whose generators are a `PauliSum` or a `Clifford`.
        angles: Parameters, radian; shape (n_parameters,).
        reference: One letter out of 0, 1, + and - for each qubit.
        preparation: Clifford gates that act on it first.

    Returns:
        The gates, neighbouring inverse gates cancelled.

    """
    gates = [Gate("x", (q,)) for q, letter in enumerate(reference) if letter in "1-"]
    gates += [Gate("h", (q,)) for q, letter in enumerate(reference) if letter in "+-"]
    gates += [Gate(clifford.name, clifford.qubits) for clifford in preparation]
    for rotation, angle in zip(ansatz.rotations, ansatz.rotation_angles(angles), strict=True):
        generator = rotation.generator
        if isinstance(generator, Clifford):
            gates.append(Gate(generator.name, generator.qubits))
        elif isinstance(generator, PauliSum):
            gates += _pauli_sum(generator, float(angle))
        else:
            raise ValueError(f"Argument `ansatz` must be of qubits, but it has {generator.label}; see `ansatz_gates`")
    return cancel_neighbours(gates)


def _pauli_sum(generator: PauliSum, angle: float) -> list[Gate]:
    """exp(-i angle sum c P): strings that flip the same qubits together where that takes fewer gates."""
    groups: dict[tuple[int, ...], list[tuple[float, PauliString]]] = {}
    for term in generator.terms:
        groups.setdefault(tuple(q for q, letter in term[1] if letter != "Z"), []).append(term)
    together: list[Gate] = []
    for flipped, terms in groups.items():
        rotation = multiplexed_of(terms, angle) if flipped and len(terms) > 1 else None
        if rotation is not None:
            candidates = [merge_controlled(gates) for gates in circuits_of(rotation)]
            candidates.append(_separate(terms, angle))
            together += min(candidates, key=lambda gates: count_resources(gates).n_two_qubit_gates)
    rest = [term for flipped, terms in groups.items() if not flipped or len(terms) == 1 for term in terms]
    apart = _separate(generator.terms, angle)
    found = cancel_neighbours([*together, *_separate(rest, angle)])
    return min(apart, found, key=lambda gates: count_resources(gates).n_two_qubit_gates)


def _separate(terms: Iterable[tuple[float, PauliString]], angle: float) -> list[Gate]:
    """exp(-i angle sum c P): two of XX, YY, ZZ on a pair together, the other strings one by one."""
    pairs: dict[tuple[int, ...], list[tuple[float, str]]] = {}
    gates: list[Gate] = []
    for coefficient, string in terms:
        letters = {letter for _, letter in string}
        if len(string) == 2 and len(letters) == 1:
            pairs.setdefault(tuple(q for q, _ in string), []).append((coefficient, letters.pop()))
        else:
            gates += _pauli_rotation(string, 2.0 * angle * coefficient)
    for qubits, couplings in pairs.items():
        if len(couplings) > 1:
            gates += two_couplings(qubits, couplings[:2], angle)
        for coefficient, letter in couplings[2:] if len(couplings) > 1 else couplings:
            gates += _pauli_rotation(tuple((q, letter) for q in qubits), 2.0 * angle * coefficient)
    return gates


def _pauli_rotation(string: PauliString, angle: float) -> list[Gate]:
    """exp(-i angle/2 P)."""
    if len(string) == 1:
        return [Gate(f"r{string[0][1].lower()}", (string[0][0],), angle)]
    letters = {q: letter for q, letter in string if letter != "Z"}
    return _pauli_ladder(letters, [q for q, letter in string if letter == "Z"], angle)


def conserved_parities(ansatz: Ansatz) -> list[int]:
    """Return independent sets of qubits whose parity no rotation of an ansatz changes, as bit masks.

    A rotation flips all its spin orbitals at once, so a set is conserved when it holds an even number of them: the sets
    are the kernel of the rotations' supports over GF(2). A qubit that no rotation acts on is such a set, and so are the
    two spin orbitals of an orbital that only pair excitations fill.
    """
    supports = {_mask(excitation.spin_orbitals) for excitation in ansatz.excitations}
    return kernel_gf2(supports, max((mask.bit_length() for mask in supports), default=0))


def excitation_gates(
    excitation: Excitation,
    angle: float,
    *,
    conserved: Sequence[int] = (),
    occupied: Collection[int] = (),
) -> list[Gate]:
    """Build exp(angle (T - T^dagger)) of a fermionic excitation under Jordan-Wigner.

    A single excitation is a Givens rotation of 2 CX, a double one takes 13 two-qubit gates; the fermionic sign, the
    parity of the qubits in between, is collected by a CX staircase and flips the rotation through one CZ on each side.
    Higher excitations are products of Pauli rotations.

    Args:
        excitation: The generator.
        angle: Radian.
        conserved: Sets of qubits (bit masks) whose parity is that of `occupied` in every state that the gates will
            meet; they shorten the parity (ours), and the gates are exact on such states only.
        occupied: Filled qubits of the reference.

    Returns:
        The gates, first one first.

    Reference: Y. S. Yordanov, D. R. M. Arvidsson-Shukur, C. H. W. Barnes, Efficient quantum circuits for quantum
        computational chemistry, arXiv 2005.14475, for the structure; our double excitation conditions its rotation on
        a Gray code and merges the last CZ into a CX.

    """
    between, sign = _shortest_parity(excitation, conserved, _mask(occupied))
    angle *= operator_sign(excitation) * sign
    if len(excitation.created) == 1:
        core = _single(excitation.annihilated[0], excitation.created[0], angle)
    elif len(excitation.created) == 2:
        core = _double(excitation.annihilated, excitation.created, angle)
    else:
        return _pauli_product(excitation, angle, between)
    if not between:
        return core
    staircase = [Gate("cx", pair) for pair in pairwise(between)]
    flip = Gate("cz", (between[-1], excitation.annihilated[0]))  # Z on one of its qubits reverses the rotation
    return [*staircase, flip, *core, flip, *reversed(staircase)]


def _shortest_parity(excitation: Excitation, conserved: Sequence[int], occupied: int) -> tuple[list[int], int]:
    """Qubits whose parity gives the fermionic sign, as few as possible, and the sign they leave out.

    The Z string may be multiplied by any conserved parity. What falls on the excitation's own qubits is an even number
    of them (that is what conserved means) and has one value wherever the rotation acts: that of its annihilated ones.
    """
    own, annihilated = _mask(excitation.spin_orbitals), _mask(excitation.annihilated)
    qubits = excitation.spin_orbitals
    string = 0
    for low, high in zip(qubits[0::2], qubits[1::2], strict=True):
        string |= ((1 << high) - (1 << (low + 1))) & ~own
    best, used = string, 0
    improved = True
    while improved:  # one or two parities at a time: an exhaustive search doubles with every one of them
        improved = False
        for first in conserved:
            for second in (0, *conserved):
                candidate = best ^ first ^ second
                if (candidate & ~own).bit_count() < (best & ~own).bit_count():
                    best, used, improved = candidate, used ^ first ^ second, True
    exponent = (used & occupied).bit_count() + (best & own & annihilated).bit_count()
    return [qubit for qubit in range(best.bit_length()) if best & ~own & 1 << qubit], (-1) ** exponent


def _mask(qubits: Iterable[int]) -> int:
    return sum(1 << qubit for qubit in qubits)


def operator_sign(excitation: Excitation) -> int:
    """Return the sign of T on the determinant that fills just its annihilated spin orbitals."""
    filled, sign = set(excitation.annihilated), 1
    for orbital in excitation.annihilated:
        filled.remove(orbital)
        sign *= (-1) ** sum(other < orbital for other in filled)
    for orbital in reversed(excitation.created):
        sign *= (-1) ** sum(other < orbital for other in filled)
        filled.add(orbital)
    return sign


def pair_gates(source: int, target: int, angle: float) -> list[Gate]:
    """Build exp(angle (b+_target b_source - h.c.)) of pairs on qubits that each hold an orbital: a Givens rotation.

    Args:
        source: Qubit of the orbital that the pair leaves.
        target: Qubit of the orbital that it goes to.
        angle: Radian.

    """
    return _single(source, target, angle)


def _single(source: int, target: int, angle: float) -> list[Gate]:
    """exp(i angle/2 (Y_s X_t - X_s Y_t)): local Cliffords make XX and ZZ of the strings, one CX pair rotates both."""
    return [
        Gate("sdg", (source,)),
        Gate("rx", (source,), -HALF_PI),
        Gate("rx", (target,), HALF_PI),
        Gate("cx", (source, target)),
        Gate("rx", (source,), -angle),
        Gate("rz", (target,), angle),
        Gate("cx", (source, target)),
        Gate("rx", (source,), HALF_PI),
        Gate("s", (source,)),
        Gate("rx", (target,), -HALF_PI),
    ]


def _double(sources: Sequence[int], targets: Sequence[int], angle: float) -> list[Gate]:
    """|1100> <-> |0011>: three CX leave one qubit to turn where i = 1, j = 0 and b = 0.

    That condition is (1 - Z_i)(1 + Z_j)(1 + Z_b) / 8, so the rotation is eight of Y_a Z_S with angle/4 each; CZ gates
    in Gray code order walk through the sets S. The last CZ and the CX after it make one controlled Y up to S gates.
    """
    (i, j), (a, b) = sources, targets
    gates = [Gate("cx", (i, j)), Gate("cx", (a, b)), Gate("cx", (a, i))]
    negative = False
    for control in (j, b, j, i, j, b, j, i):
        gates += [Gate("ry", (a,), -angle / 4 if negative else angle / 4), Gate("cz", (control, a))]
        negative ^= control == i
    gates.pop()
    gates += [Gate("sdg", (i,)), Gate("cx", (a, i)), Gate("s", (i,)), Gate("sdg", (a,))]
    return [*gates, Gate("cx", (a, b)), Gate("cx", (i, j))]


def _pauli_product(excitation: Excitation, angle: float, between: Sequence[int]) -> list[Gate]:
    """T - T^dagger = sum of i 2 Im(c) P over its X/Y strings, which commute; one ladder each."""
    qubits = [*excitation.created, *excitation.annihilated]
    raising = [-1j] * len(excitation.created) + [1j] * len(excitation.annihilated)  # (X -+ iY) / 2
    gates: list[Gate] = []
    for letters in product("XY", repeat=len(qubits)):
        weight = 1.0 + 0j
        for letter, factor in zip(letters, raising, strict=True):
            weight *= 0.5 * (factor if letter == "Y" else 1.0)
        if abs(weight.imag) > 0:
            gates += _pauli_ladder(dict(zip(qubits, letters, strict=True)), between, -4.0 * angle * weight.imag)
    return gates


def _pauli_ladder(letters: Mapping[int, str], between: Sequence[int], angle: float) -> list[Gate]:
    """exp(-i angle/2 P) with Z on the qubits in between."""
    into, back = [], []
    for qubit, letter in letters.items():
        into.append(Gate("h", (qubit,)) if letter == "X" else Gate("rx", (qubit,), HALF_PI))
        back.append(Gate("h", (qubit,)) if letter == "X" else Gate("rx", (qubit,), -HALF_PI))
    chain = sorted([*letters, *between])
    ladder = [Gate("cx", pair) for pair in pairwise(chain)]
    return [*into, *ladder, Gate("rz", (chain[-1],), angle), *reversed(ladder), *back]
