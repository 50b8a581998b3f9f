"""Putting an ansatz of electrons on as few qubits as it needs: idle spin orbitals left out, or one qubit a pair.

Where an ansatz only moves electron pairs between orbitals, every orbital it touches is empty or doubly occupied in all
its states: one qubit holds an orbital, a pair excitation is a Givens rotation of two CX, and the Hamiltonian has, on
these states, only Z, ZZ and XX + YY terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import SPIN_LETTERS, Ansatz, Excitation
from vqe_prune.circuit import Gate, ansatz_gates, cancel_neighbours, count_resources, pair_gates, problem_gates
from vqe_prune.errors import InputError, near_misses
from vqe_prune.paulis import PauliString, QubitHamiltonian, qubit_hamiltonian_of
from vqe_prune.problem import Problem, qubit_hamiltonian
from vqe_prune.qubit_problem import QubitProblem

ENCODINGS = ("auto", "jordan_wigner", "pairs")
"""How spin orbitals become qubits; ``auto`` takes the circuit with fewest two-qubit gates, of those fewest qubits."""

NEGLIGIBLE = 1e-12
"""Coefficients (hartree) below this are rounding."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Encoding:
    """A circuit on qubits 0, 1, ... with the Hamiltonian that its state has there.

    Attributes:
        name: ``jordan_wigner``, ``pairs``, or ``qubits`` for a problem that is of qubits itself.
        gates: The circuit, reference included.
        held: What each qubit holds: a spin orbital, with pairs an orbital, else a qubit of the problem.
        conserved: Sets of qubits and the number of ones that they hold in every state of the circuit.
        problem: What is solved, in the orbitals of the circuit.

    """

    name: str
    gates: tuple[Gate, ...]
    held: tuple[int, ...]
    conserved: tuple[tuple[tuple[int, ...], int], ...]
    problem: Problem | QubitProblem

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return len(self.held)

    @property
    def wires(self) -> tuple[str, ...]:
        """Names of the qubits: a spin orbital such as ``1a``, an orbital's pair such as ``1ab``, or ``q1``."""
        if self.name == "pairs":
            return tuple(f"{p}ab" for p in self.held)
        if self.name == "qubits":
            return tuple(f"q{q}" for q in self.held)
        return tuple(f"{q // 2}{SPIN_LETTERS[q % 2]}" for q in self.held)

    @cached_property
    def hamiltonian(self) -> QubitHamiltonian:
        """H on the states that the circuit can reach; its expectation value is the energy, hartree."""
        if isinstance(self.problem, QubitProblem):
            return self.problem.hamiltonian
        build = _pair_hamiltonian if self.name == "pairs" else _idle_removed
        return build(self.problem, self.held)


def encode(
    problem: Problem | QubitProblem, ansatz: Ansatz, angles: NDArray[np.float64], encoding: str = "auto"
) -> Encoding:
    """Put an ansatz and its problem on qubits.

    Args:
        problem: Electrons in the orbitals that the ansatz acts in, or qubits, which stay as they are.
        ansatz: Excitation rotations, or rotations of qubits.
        angles: Its parameters, radian, (n_parameters,).
        encoding: Of electrons, one of `ENCODINGS`.

    Returns:
        Circuit, Hamiltonian and what is conserved.

    Raises:
        InputError: The encoding is unknown, or pairs are asked for and the ansatz breaks them.

    """
    if encoding not in ENCODINGS:
        raise InputError(f"unknown encoding={encoding!r}{near_misses(encoding, ENCODINGS)}")
    if isinstance(problem, QubitProblem):
        gates = tuple(problem_gates(problem, ansatz, angles))
        return Encoding(name="qubits", gates=gates, held=tuple(range(problem.n_qubits)), conserved=(), problem=problem)
    broken = _breaks_pairs(problem, ansatz)
    if encoding == "pairs" and broken:
        raise InputError(f"encoding=pairs does not hold {broken}; try encoding=auto")
    candidates = []
    if encoding != "pairs":
        candidates.append(_jordan_wigner(problem, ansatz, angles))
    if encoding != "jordan_wigner" and not broken:
        candidates.append(_pairs(problem, ansatz, angles))
    return min(candidates, key=lambda each: (count_resources(each.gates).n_two_qubit_gates, each.n_qubits))


def _jordan_wigner(problem: Problem, ansatz: Ansatz, angles: NDArray[np.float64]) -> Encoding:
    """One qubit for each spin orbital that a gate acts on; the others keep their occupation."""
    gates = ansatz_gates(ansatz, angles, problem.reference_occupied)
    touched = sorted({q for gate in gates if gate.name != "x" for q in gate.qubits})
    place = {q: k for k, q in enumerate(touched)}
    occupied = set(problem.reference_occupied)
    conserved = []
    for spin in (0, 1):
        qubits = tuple(place[q] for q in touched if q % 2 == spin)
        if qubits:
            conserved.append((qubits, sum(q % 2 == spin for q in occupied & set(touched))))
    return Encoding(
        name="jordan_wigner",
        gates=tuple(_placed(gates, place)),
        held=tuple(touched),
        conserved=tuple(conserved),
        problem=problem,
    )


def _idle_removed(problem: Problem, touched: Sequence[int]) -> QubitHamiltonian:
    """The Jordan-Wigner Hamiltonian with the occupations of idle spin orbitals put in."""
    place = {q: k for k, q in enumerate(touched)}
    occupied = set(problem.reference_occupied)
    terms: dict[PauliString, complex] = {}
    for string, coefficient in qubit_hamiltonian(problem).terms.items():
        idle = [(q, letter) for q, letter in string if q not in place]
        if any(letter != "Z" for _, letter in idle):
            continue  # it moves an idle spin orbital out of its occupation: no expectation value
        sign = (-1) ** sum(q in occupied for q, _ in idle)
        rest = tuple((place[q], letter) for q, letter in string if q in place)
        terms[rest] = terms.get(rest, 0.0) + sign * coefficient
    return qubit_hamiltonian_of({s: c for s, c in terms.items() if abs(c) > NEGLIGIBLE or not s}, len(touched))


def _breaks_pairs(problem: Problem, ansatz: Ansatz) -> str:
    """What stands in the way of one qubit an orbital; empty where nothing does."""
    if problem.electrons.n_alpha != problem.electrons.n_beta:
        return f"the unpaired electrons of {problem.name}"
    for excitation in ansatz.excitations:
        if not moves_pair(excitation):
            return f"the rotation {excitation.label}, which breaks a pair"
    return ""


def moves_pair(excitation: Excitation) -> bool:
    """Return whether an excitation moves both electrons of one orbital into another one."""
    return _pair_move(excitation) is not None


def _pair_move(excitation: Excitation) -> tuple[int, int, int] | None:
    """Orbitals from and to which an excitation moves a pair, and its sign to b+_to b_from; None for any other."""
    if len(excitation.created) != 2:
        return None
    (a, b), (i, j) = excitation.created, excitation.annihilated
    if a // 2 != b // 2 or i // 2 != j // 2:
        return None
    return i // 2, a // 2, 1 if (a < b) == (i < j) else -1


def _pairs(problem: Problem, ansatz: Ansatz, angles: NDArray[np.float64]) -> Encoding:
    """One qubit for each orbital that a pair moves from or to; the others stay empty or doubly occupied.

    H on these states, n_p = (1 - Z_p) / 2 pairs in orbital p:
    constant + sum_p (2 h_pp + (pp|pp)) n_p + sum_{p != q} (2 (pp|qq) - (pq|qp)) n_p n_q
    + sum_{p != q} (pq|pq) b+_p b_q.
    """
    moves = [move for excitation in ansatz.excitations if (move := _pair_move(excitation)) is not None]
    touched = sorted({p for source, target, _ in moves for p in (source, target)})
    place = {p: k for k, p in enumerate(touched)}
    n_filled = problem.electrons.n_alpha
    gates = [Gate("x", (place[p],)) for p in touched if p < n_filled]
    for (source, target, sign), angle in zip(moves, ansatz.rotation_angles(angles), strict=True):
        gates += pair_gates(place[source], place[target], sign * float(angle))
    return Encoding(
        name="pairs",
        gates=tuple(cancel_neighbours(gates)),
        held=tuple(touched),
        conserved=((tuple(range(len(touched))), sum(p < n_filled for p in touched)),) if touched else (),
        problem=problem,
    )


def _pair_hamiltonian(problem: Problem, orbitals: Sequence[int]) -> QubitHamiltonian:
    electrons = problem.electrons
    single = 2.0 * np.diag(electrons.one_body) + np.einsum("pppp->p", electrons.two_body)
    both = 2.0 * np.einsum("ppqq->pq", electrons.two_body) - np.einsum("pqqp->pq", electrons.two_body)
    hop = np.einsum("pqpq->pq", electrons.two_body)
    np.fill_diagonal(both, 0.0)
    filled = [p for p in range(electrons.n_alpha) if p not in orbitals]
    constant = electrons.constant + single[filled].sum() + both[np.ix_(filled, filled)].sum()
    single = single + 2.0 * both[:, filled].sum(axis=1)
    terms: dict[PauliString, complex] = {(): constant}

    def add(string: PauliString, coefficient: float) -> None:
        terms[string] = terms.get(string, 0.0) + coefficient

    for k, p in enumerate(orbitals):
        add((), 0.5 * single[p])
        add(((k, "Z"),), -0.5 * single[p])
        for other, q in enumerate(orbitals[:k]):
            for string, sign in (((), 1.0), (((other, "Z"),), -1.0), (((k, "Z"),), -1.0)):
                add(string, 0.5 * sign * both[p, q])  # 2 both n_p n_q: the pair stands twice in the sum
            add(((other, "Z"), (k, "Z")), 0.5 * both[p, q])
            for letter in "XY":  # hop (b+_p b_q + b+_q b_p) = hop (XX + YY) / 2
                add(((other, letter), (k, letter)), 0.5 * hop[p, q])
    return qubit_hamiltonian_of({s: c for s, c in terms.items() if abs(c) > NEGLIGIBLE or not s}, len(orbitals))


def _placed(gates: Sequence[Gate], place: dict[int, int]) -> list[Gate]:
    return [gate._replace(qubits=tuple(place[q] for q in gate.qubits)) for gate in gates if gate.qubits[0] in place]
