"""Putting an ansatz of electrons on as few qubits and two-qubit gates as it needs.

Jordan-Wigner, parity and Bravyi-Kitaev qubits, idle ones left out; each of them tapered, by every parity that the
ansatz conserves; and one qubit a pair. Where an ansatz only moves electron pairs between some orbitals, each of these
is empty or doubly occupied in all its states: one qubit holds the orbital, and a pair excitation is a Givens rotation
of two CX. With all orbitals of that kind the Hamiltonian has, on these states, only Z, ZZ and XX + YY terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import SPIN_LETTERS, Ansatz, Excitation
from vqe_prune.circuit import ansatz_gates, problem_gates
from vqe_prune.errors import InputError, near_misses
from vqe_prune.gates import Gate, count_resources
from vqe_prune.linear_map import LinearMap, linear_map, mapped_gates, paired_map, supports_of
from vqe_prune.multiplexed import bits
from vqe_prune.paulis import PauliString, QubitHamiltonian, qubit_hamiltonian_of
from vqe_prune.problem import Problem, qubit_hamiltonian
from vqe_prune.qubit_problem import QubitProblem

MAPPINGS = ("jordan_wigner", "parity", "bravyi_kitaev")
"""Encodings that hold every spin orbital which an ansatz touches."""

TAPERED = "tapered_"
"""Before one of `MAPPINGS`: without the qubits that parities which the ansatz conserves fix."""

ENCODINGS = (
    "auto",
    "jordan_wigner",
    "pairs",
    "partial_pairs",
    "parity",
    "bravyi_kitaev",
    *(TAPERED + name for name in MAPPINGS),
)
"""How spin orbitals become qubits; ``auto`` takes the circuit with fewest two-qubit gates, of those fewest qubits."""

AUTO_ROTATIONS = 60
"""Of longer ansätze ``auto`` looks at Jordan-Wigner alone, orbitals of pairs on one qubit: the others lose there."""

CHECK_WORTH = 4
"""Two-qubit gates that it is worth on a noisy processor to be able to check electron numbers.

From one run of H2 on the virtual ``rainbow``, 100,000 shots: two qubits that hold pairs (1 CX, 0.6 +- 1.6 mHa) did
better than a tapered one (none, 1.8 +- 4.4 mHa), two tapered qubits (1 CX, 4.0 +- 3.3 mHa) better than four that were
checked (5 CX, 18.7 +- 2.1 mHa). It is a choice by these, not a law.
"""

NEGLIGIBLE = 1e-12
"""Coefficients (hartree) below this are rounding."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Encoding:
    """A circuit on qubits 0, 1, ... with the Hamiltonian that its state has there.

    Attributes:
        name: One of `ENCODINGS`, or ``qubits`` for a problem that is of qubits itself.
        gates: The circuit, reference included.
        held: What each qubit holds: a spin orbital, with pairs an orbital, else a qubit of the problem. With parity and
            Bravyi-Kitaev the last of a range of spin orbitals whose parity it holds.
        conserved: Sets of qubits and the number of ones that they hold in every state of the circuit: those of alpha
            and of beta electrons or of pairs. Where a qubit holds the parity of several spin orbitals, no number of
            ones is conserved: parity has none as a rule, Bravyi-Kitaev that of alpha, which are single in it. Tapering
            takes out the very qubits that would show a wrong parity.
        problem: What is solved, in the orbitals of the circuit.
        layout: What the qubits of electrons hold and flip; None for a problem of qubits.

    """

    name: str
    gates: tuple[Gate, ...]
    held: tuple[int, ...]
    conserved: tuple[tuple[tuple[int, ...], int], ...]
    problem: Problem | QubitProblem
    layout: LinearMap | None = None

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return len(self.held)

    @property
    def wires(self) -> tuple[str, ...]:
        """Names of the qubits: a spin orbital ``1a``, a pair ``1ab``, a parity of several ``0a-1b``, or ``q1``."""
        if self.layout is None:
            return tuple(f"q{q}" for q in self.held)
        wires = []
        for row, flips in zip(self.layout.rows, self.layout.flips, strict=True):
            first, last = bits(row)[0], row.bit_length() - 1
            if self.name in ("pairs", "partial_pairs") and flips.bit_count() == 2:
                wires.append(f"{first // 2}ab")
            else:
                wires.append(_wire(last) if first == last else f"{_wire(first)}-{_wire(last)}")
        return tuple(wires)

    def on_spin_orbitals(self) -> list[Gate]:
        """Return the circuit of a Jordan-Wigner encoding with qubit k for spin orbital k, the reference included."""
        assert isinstance(self.problem, Problem) and self.name == "jordan_wigner"
        idle = [q for q in self.problem.reference_occupied if q not in self.held]
        moved = [gate._replace(qubits=tuple(self.held[q] for q in gate.qubits)) for gate in self.gates]
        return [*(Gate("x", (q,)) for q in idle), *moved]

    @cached_property
    def hamiltonian(self) -> QubitHamiltonian:
        """H on the states that the circuit can reach; its expectation value is the energy, hartree."""
        if isinstance(self.problem, QubitProblem):
            return self.problem.hamiltonian
        if self.name == "pairs":
            return _pair_hamiltonian(self.problem, self.held)
        assert self.layout is not None
        return self.layout.hamiltonian(qubit_hamiltonian(self.problem).terms)


def _wire(spin_orbital: int) -> str:
    return f"{spin_orbital // 2}{SPIN_LETTERS[spin_orbital % 2]}"


def encode(
    problem: Problem | QubitProblem,
    ansatz: Ansatz,
    angles: NDArray[np.float64],
    encoding: str = "auto",
    *,
    check_worth: int = 0,
) -> Encoding:
    """Put an ansatz and its problem on qubits.

    Args:
        problem: Electrons in the orbitals that the ansatz acts in, or qubits, which stay as they are.
        ansatz: Excitation rotations, or rotations of qubits.
        angles: Its parameters, radian, (n_parameters,).
        encoding: Of electrons, one of `ENCODINGS`. ``jordan_wigner`` holds one spin orbital in a qubit, ``parity``
            the parity of all up to it, ``bravyi_kitaev`` of some; ``pairs`` one orbital, where only pairs move;
            ``partial_pairs`` one orbital where only pairs move in and out of it, spin orbitals elsewhere; with
            ``tapered_`` qubits that conserved parities fix are left out. ``auto`` takes the circuit with fewest
            two-qubit gates, of those fewest qubits.
        check_worth: Two-qubit gates that ``auto`` gives up for numbers that post-selection can check, see
            `CHECK_WORTH`.

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
        raise InputError(f"encoding=pairs does not hold {broken}; try encoding=partial_pairs or encoding=auto")
    names = [encoding] if encoding != "auto" else _tried(problem, ansatz, broken=bool(broken))

    def cost(found: Encoding) -> tuple[int, int, int]:
        gates = count_resources(found.gates).n_two_qubit_gates + (0 if found.conserved else check_worth)
        return gates, found.n_qubits, -len(found.conserved)

    return min((_encoded(name, problem, ansatz, angles) for name in names), key=cost)


def _tried(problem: Problem, ansatz: Ansatz, *, broken: bool) -> list[str]:
    """The encodings that may be the cheapest: of many rotations none needs fewer gates than Jordan-Wigner's."""
    if len(ansatz.rotations) > AUTO_ROTATIONS:
        supports = supports_of(ansatz)
        reference = sum(1 << q for q in problem.reference_occupied)
        paired = paired_map(supports, reference, problem.n_qubits)
        return ["partial_pairs" if any(flip.bit_count() > 1 for flip in paired.flips) else "jordan_wigner"]
    return [n for n in ENCODINGS if n != "auto" and not (broken and n == "pairs")]


def _encoded(name: str, problem: Problem, ansatz: Ansatz, angles: NDArray[np.float64]) -> Encoding:
    supports, n = supports_of(ansatz), problem.n_qubits
    reference = sum(1 << q for q in problem.reference_occupied)
    if name in ("pairs", "partial_pairs"):
        layout = paired_map(supports, reference, n, all_pairs=name == "pairs")
    else:
        layout = linear_map(name.removeprefix(TAPERED), supports, reference, n, tapered=name.startswith(TAPERED))
    gates = mapped_gates(ansatz, angles, layout)
    last = [row.bit_length() - 1 for row in layout.rows]
    if name == "jordan_wigner":
        place = {q: k for k, q in enumerate(last)}
        plain = [g for g in ansatz_gates(ansatz, angles, problem.reference_occupied) if g.qubits[0] in place]
        plain = [gate._replace(qubits=tuple(place[q] for q in gate.qubits)) for gate in plain]
        gates = min(gates, plain, key=lambda each: count_resources(each).n_two_qubit_gates)
    every = (1 << n) - 1
    alpha = sum(1 << q for q in range(0, n, 2))
    return Encoding(
        name=name,
        gates=tuple(gates),
        held=tuple(q // 2 for q in last) if name == "pairs" else tuple(last),
        conserved=tuple(layout.numbers((alpha, every ^ alpha))),
        problem=problem,
        layout=layout,
    )


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
    if len(excitation.created) != 2:
        return False
    (a, b), (i, j) = excitation.created, excitation.annihilated
    return a // 2 == b // 2 and i // 2 == j // 2


def _pair_hamiltonian(problem: Problem, orbitals: Sequence[int]) -> QubitHamiltonian:
    """H where every orbital is empty or doubly occupied, n_p = (1 - Z_p) / 2 pairs in orbital p.

    constant + sum_p (2 h_pp + (pp|pp)) n_p + sum_{p != q} (2 (pp|qq) - (pq|qp)) n_p n_q
    + sum_{p != q} (pq|pq) b+_p b_q.
    """
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
