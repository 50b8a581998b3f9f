"""Which terms of a Hamiltonian are measured together, after which basis change, and with how many shots.

Terms whose operators commute qubit by qubit share one setting, after Clifford gates on single qubits. The Hamiltonian
of pairs on orbitals (Z, ZZ and XX + YY terms) has settings of its own, whose basis changes keep the number of ones, so
that every shot can be checked for it. Which of the two needs fewer shots is found from the circuit's exact state.

Left out: general commuting groups, whose Clifford diagonalisation costs two-qubit gates and breaks what is conserved;
basis changes whose angles follow the Hamiltonian's coefficients, which for one pair would undo the circuit itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vqe_prune.circuit import HALF_PI, Gate, pair_gates, to_cirq
from vqe_prune.errors import InputError
from vqe_prune.paulis import PauliString, QubitHamiltonian, State

Vector = NDArray[np.float64]
Conserved = tuple[tuple[tuple[int, ...], int], ...]
"""Sets of qubits and the number of ones that they hold."""

Term = tuple[float, PauliString]
Node = TypeVar("Node")

EXACT_QUBITS = 16
"""Up to so many qubits the circuit's exact state, and tables of all outcomes, are computed."""

FLOOR = 0.2
"""A setting's least share of the shots, over an even share: noise makes variance where the exact state has none."""

FEWEST_SHOTS = 2
"""Of each circuit: one shot has no variance."""

ALIKE = 1.02
"""Groupings whose shots differ by less than this factor are equally good: each setting is a circuit to compile."""

EQUAL = 1e-10
"""Coefficients of XX and YY that differ by less, relative to the larger, are one hop."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Setting:
    """A basis change and the terms that it makes products of Z.

    Attributes:
        gates: The basis change U, after the circuit.
        terms: Coefficients c_j and strings P_j of the Hamiltonian that are measured here.
        diagonal: Coefficients d_k and qubits S_k with U (sum_j c_j P_j) U^dagger = sum_k d_k prod_{q in S_k} Z_q.
        checks: Those conserved numbers of ones that U keeps.

    """

    gates: tuple[Gate, ...]
    terms: tuple[Term, ...]
    diagonal: tuple[tuple[float, tuple[int, ...]], ...]
    checks: Conserved = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Grouping:
    """All terms of a Hamiltonian in settings, each term in one of them.

    Attributes:
        name: How they were found.
        settings: The settings.
        variances: Of one shot of each setting, its terms' covariances included; squares of the energy's unit.

    """

    name: str
    settings: tuple[Setting, ...]
    variances: Vector

    @property
    def variance_at_one_shot(self) -> float:
        """(sum_g sigma_g)^2: over the number of shots, the energy's variance when they are shared in the best way."""
        return float(np.sqrt(self.variances).sum() ** 2)

    def checks_all(self, conserved: Conserved) -> bool:
        """Return whether every setting keeps all the conserved numbers."""
        return all(len(setting.checks) == len(conserved) for setting in self.settings)


def settings_of(
    hamiltonian: QubitHamiltonian,
    conserved: Conserved = (),
    *,
    state: State | None = None,
    keep_conserved: bool = False,
) -> Grouping:
    """Put the terms of a Hamiltonian into settings: of several groupings the one that needs the fewest shots.

    Among those within 2 % of it that with the fewest settings is taken. Terms that commute qubit by qubit are coloured
    in order of their coefficients (sorted insertion) and of their conflicts; hops of pairs are matched, so that each
    qubit is in one hop of a setting.

    Args:
        hamiltonian: What is measured.
        conserved: Sets of qubits and the number of ones that they hold in the circuit.
        state: The circuit's state, shape (2^n,), for the variances; without it those of the maximally mixed state.
        keep_conserved: Take groupings only that keep every conserved number in every setting, where there are any.

    Returns:
        The settings and the variance of one shot of each.

    Reference: O. Crawford, B. van Straaten, D. Wang, T. Parks, E. Campbell, S. Brierley, Efficient quantum measurement
        of Pauli operators in the presence of finite sampling error, arXiv 1908.06942, for sorted insertion; T. E.
        O'Brien et al., Purification-based quantum error mitigation of pair-correlated electron simulations, arXiv
        2210.10799, for number-conserving basis changes of pairs; matchings by round robin are our reconstruction.

    """
    groupings = [
        Grouping(name=name, settings=settings, variances=variances_of(settings, hamiltonian.n_qubits, state))
        for name, settings in _candidates(hamiltonian, conserved).items()
    ]
    if keep_conserved:
        groupings = [each for each in groupings if each.checks_all(conserved)] or groupings
    least = min(each.variance_at_one_shot for each in groupings)
    alike = [each for each in groupings if each.variance_at_one_shot <= ALIKE * least]
    return min(alike, key=lambda each: len(each.settings))


def _candidates(hamiltonian: QubitHamiltonian, conserved: Conserved) -> dict[str, tuple[Setting, ...]]:
    """Groupings by name."""
    terms = sorted(hamiltonian.terms, key=lambda term: (-abs(term[0]), term[1]))  # greedy colouring follows this order
    found = {
        f"qubit-wise, {order}": tuple(pauli_setting(group, conserved) for group in groups)
        for order, groups in _qubit_wise(terms).items()
    }
    hops = _hops(terms)
    if hops:
        diagonal = [term for term in terms if _is_diagonal(term[1])]
        for order, matchings in _matchings(hops, hamiltonian.n_qubits).items():
            settings = [pauli_setting(diagonal, conserved)] if diagonal else []
            settings += [pair_setting({pair: hops[pair] for pair in pairs}, conserved) for pairs in matchings]
            found[f"pairs, {order}"] = tuple(settings)
    return found


def _qubit_wise(terms: Sequence[Term]) -> dict[str, list[list[Term]]]:
    """Colour the graph of terms that do not commute qubit by qubit."""
    import networkx

    n_qubits = 1 + max((string[-1][0] for _, string in terms), default=-1)
    letters = np.zeros((len(terms), n_qubits), dtype=np.int8)
    for row, (_, string) in zip(letters, terms, strict=True):
        for qubit, letter in string:
            row[qubit] = "IXYZ".index(letter)
    graph = networkx.Graph()
    graph.add_nodes_from(range(len(terms)))
    for k, row in enumerate(letters):
        rest = letters[k + 1 :]
        conflict = ((row != rest) & (row != 0) & (rest != 0)).any(axis=1)
        graph.add_edges_from((k, k + 1 + int(other)) for other in np.flatnonzero(conflict))
    orders: dict[str, str | Callable[..., Sequence[int]]] = {
        "sorted insertion": lambda graph, colors: sorted(graph),
        "largest degree first": "largest_first",
    }
    found = {}
    for name, order in orders.items():
        colours: dict[int, int] = networkx.greedy_color(graph, order)
        found[name] = [[terms[k] for k in group] for group in _inverted(colours)]
    return found


def _inverted(colours: Mapping[Node, int]) -> list[list[Node]]:
    """Nodes of each colour."""
    groups: list[list[Node]] = [[] for _ in range(1 + max(colours.values(), default=-1))]
    for node, colour in colours.items():
        groups[colour].append(node)
    return groups


def pauli_setting(terms: Sequence[Term], conserved: Conserved = ()) -> Setting:
    """Return the setting of terms that commute qubit by qubit: H turns X into Z, H S^dagger turns Y into Z.

    Args:
        terms: Coefficients and strings.
        conserved: Sets of qubits and the number of ones that they hold.

    Raises:
        ValueError: Two terms have different letters on one qubit.

    """
    letters: dict[int, str] = {}
    for _, string in terms:
        for qubit, letter in string:
            if letters.setdefault(qubit, letter) != letter:
                raise ValueError(f"Argument `terms` must commute qubit by qubit, but they differ on qubit {qubit}")
    gates: list[Gate] = []
    for qubit in sorted(letters):
        if letters[qubit] == "Y":
            gates.append(Gate("sdg", (qubit,)))
        if letters[qubit] != "Z":
            gates.append(Gate("h", (qubit,)))
    turned = {gate.qubits[0] for gate in gates}
    return Setting(
        gates=tuple(gates),
        terms=tuple(terms),
        diagonal=tuple((coefficient, tuple(q for q, _ in string)) for coefficient, string in terms),
        checks=tuple((qubits, number) for qubits, number in conserved if turned.isdisjoint(qubits)),
    )


def pair_setting(hops: Mapping[tuple[int, int], float], conserved: Conserved = ()) -> Setting:
    """Return the setting of hops c (X_p X_q + Y_p Y_q) on disjoint pairs: a Givens rotation by pi/4 on each pair.

    U c (X_p X_q + Y_p Y_q) U^dagger = c (Z_p - Z_q), and U keeps the number of ones of the pair. It costs two CX, the
    fewest: it leaves |00> and |11> products and entangles the other two, and one CX entangles all four alike.

    Args:
        hops: Coefficient c of each pair of qubits.
        conserved: Sets of qubits and the number of ones that they hold.

    """
    gates: list[Gate] = []
    for p, q in hops:
        gates += pair_gates(p, q, HALF_PI / 2)
    together = [{p, q} for p, q in hops]
    return Setting(
        gates=tuple(gates),
        terms=tuple((c, ((p, letter), (q, letter))) for (p, q), c in hops.items() for letter in "XY"),
        diagonal=tuple((sign * c, (qubit,)) for (p, q), c in hops.items() for sign, qubit in ((1, p), (-1, q))),
        checks=tuple(
            (qubits, number) for qubits, number in conserved if all(len(pair & set(qubits)) != 1 for pair in together)
        ),
    )


def _is_diagonal(string: PauliString) -> bool:
    return all(letter == "Z" for _, letter in string)


def _hops(terms: Sequence[Term]) -> dict[tuple[int, int], float]:
    """Coefficients of X_p X_q + Y_p Y_q; empty unless all other terms are products of Z."""
    found: dict[tuple[int, int], dict[str, float]] = {}
    for coefficient, string in terms:
        if _is_diagonal(string):
            continue
        letters = "".join(letter for _, letter in string)
        if letters not in ("XX", "YY"):
            return {}
        found.setdefault((string[0][0], string[1][0]), {})[letters] = coefficient
    for both in found.values():
        if len(both) < 2 or abs(both["XX"] - both["YY"]) > EQUAL * abs(both["XX"]):
            return {}
    return {pair: both["XX"] for pair, both in sorted(found.items())}


def _matchings(hops: Mapping[tuple[int, int], float], n_qubits: int) -> dict[str, list[list[tuple[int, int]]]]:
    """Edge colourings of the graph of hops: each colour a set of pairs without a common qubit."""
    import networkx

    n_even = n_qubits + n_qubits % 2
    rounds: dict[tuple[int, int], int] = {}
    for p, q in hops:  # the circle method: n - 1 rounds hold every pair of n players
        last = q == n_even - 1
        rounds[p, q] = (2 * p if last else p + q) % (n_even - 1)
    graph = networkx.Graph()
    graph.add_weighted_edges_from((p, q, abs(c)) for (p, q), c in hops.items())
    heaviest = []
    while graph.edges:
        matching = sorted((min(pair), max(pair)) for pair in networkx.max_weight_matching(graph))
        graph.remove_edges_from(matching)
        heaviest.append(matching)
    return {"round robin": [pairs for pairs in _inverted(rounds) if pairs], "heaviest matching": heaviest}


def exact_state(gates: Sequence[Gate], n_qubits: int) -> State | None:
    """Return the state of a circuit, shape (2^n,), by Cirq in double precision; None above `EXACT_QUBITS`."""
    if n_qubits > EXACT_QUBITS:
        return None
    import cirq

    order = cirq.LineQubit.range(n_qubits)
    simulator = cirq.Simulator(dtype=np.complex128)
    state = simulator.simulate(to_cirq(gates), qubit_order=order).final_state_vector
    return np.asarray(state, dtype=np.complex128)


def variances_of(settings: Sequence[Setting], n_qubits: int, state: State | None) -> Vector:
    """Return the variance of one shot of each setting's observable O_g = sum_j c_j P_j: <O_g^2> - <O_g>^2.

    Args:
        settings: The settings.
        n_qubits: Number of qubits n.
        state: The circuit's state, shape (2^n,); None for the maximally mixed state, where it is sum_j c_j^2.

    Returns:
        Shape (n_settings,), squares of the coefficients' unit.

    """
    found = np.empty(len(settings))
    for k, setting in enumerate(settings):
        if state is None:
            found[k] = sum(coefficient**2 for coefficient, _ in setting.terms)
            continue
        moved = QubitHamiltonian(n_qubits=n_qubits, terms=setting.terms).apply(state)
        mean = float(np.vdot(state, moved).real)
        found[k] = np.linalg.norm(moved - mean * state) ** 2  # without the cancellation of <O^2> - <O>^2
    return found


def allocate(variances: Vector, shots: int) -> NDArray[np.int64]:
    """Share shots among settings in proportion to sigma_g, which gives the least variance sum_g sigma_g^2 / shots_g.

    Args:
        variances: Of one shot of each setting; shape (n_settings,).
        shots: In all.

    Returns:
        Shots of each setting, which add up to `shots`; none has less than `FLOOR` of an even share.

    Raises:
        InputError: There are not two shots for each setting.

    """
    n = len(variances)
    if shots < FEWEST_SHOTS * n:
        raise InputError(f"shots={shots} is too few: {n} settings need {FEWEST_SHOTS} each; try {FEWEST_SHOTS * n}")
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    least = max(FEWEST_SHOTS, int(FLOOR * shots / n))
    sigmas = np.sqrt(variances)
    wanted = np.full(n, shots / n) if sigmas.sum() == 0.0 else shots * sigmas / sigmas.sum()
    low = np.zeros(n, dtype=bool)
    while True:  # what the floor adds to some is taken from the others in proportion
        rest = shots - least * int(low.sum())
        scaled = np.where(low, least, wanted * rest / max(wanted[~low].sum(), 1e-300))
        below = ~low & (scaled < least)
        if not below.any():
            break
        low |= below
    whole = np.floor(scaled).astype(np.int64)
    remainders = np.argsort(whole - scaled, kind="stable")
    whole[remainders[: shots - int(whole.sum())]] += 1
    return whole
