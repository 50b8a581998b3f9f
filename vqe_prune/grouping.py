"""Which terms of a Hamiltonian are measured together, after which basis change, and with how many shots.

Candidates are groups of terms that commute qubit by qubit; of terms that commute, which takes two-qubit gates; of hops
of pairs, whose basis changes keep the number of ones; and of all terms on disjoint pairs of qubits, commuting or not.
Which needs fewest shots is found from the circuit's exact state; a price on two-qubit gates stands for their errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vqe_prune.basis_change import (
    Conserved,
    Setting,
    Stabiliser,
    Term,
    block_setting,
    clifford_setting,
    is_diagonal,
    pair_setting,
    pauli_setting,
)
from vqe_prune.circuit import Gate, count_resources, to_cirq
from vqe_prune.clifford import commutation, tableau_of
from vqe_prune.errors import InputError
from vqe_prune.paulis import QubitHamiltonian, State
from vqe_prune.symmetry import pauli_symmetries

Vector = NDArray[np.float64]
Node = TypeVar("Node")

EXACT_QUBITS = 16
"""Up to so many qubits the circuit's exact state, and tables of all outcomes, are computed."""

FLOOR = 0.2
"""A setting's least share of the shots, over an even share: noise makes variance where the exact state has none."""

FEWEST_SHOTS = 2
"""Of each circuit: one shot has no variance."""

ALIKE = 1.02
"""Groupings whose shots differ by less than this factor are equally good: each setting is a circuit to compile."""

MOST_GENERAL_TERMS = 1_000
"""With more terms general commuting groups are not tried: their circuits take minutes to find."""

MOST_SYMMETRIES = 5
"""Of more independent strings that commute with the Hamiltonian only so many are looked at, with their products."""

STABLE = 1e-9
"""A string stabilises a state when its expectation value is +1 or -1 to within this."""

EQUAL = 1e-10
"""Coefficients of XX and YY that differ by less, relative to the larger, are one hop."""


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

    @property
    def n_two_qubit_gates(self) -> int:
        """Of all basis changes together."""
        return sum(count_resources(setting.gates).n_two_qubit_gates for setting in self.settings)

    def checks_all(self, conserved: Conserved) -> bool:
        """Return whether every setting keeps all the conserved numbers."""
        return all(len(setting.checks) == len(conserved) for setting in self.settings)

    def expected_bias(self, gate_error: float, n_circuit_gates: int, *, checked: bool) -> float:
        """Estimate what errors of two-qubit gates do to the energy, in its unit.

        p sum_g n_g 2^(-k_g) (sum_{j in g} c_j^2)^(1/2): n_g gates of the circuit and of setting g err with probability
        p each, an error moves the setting's mean by its spread in the mixed state, and each of k_g checks finds half of
        the errors. It is our reconstruction, good to a factor of a few.

        Args:
            gate_error: p.
            n_circuit_gates: Two-qubit gates of the circuit itself.
            checked: Whether outcomes are post-selected.

        """
        total = 0.0
        for setting in self.settings:
            n_gates = n_circuit_gates + count_resources(setting.gates).n_two_qubit_gates
            spread = math.sqrt(sum(coefficient**2 for coefficient, _ in setting.terms))
            total += n_gates * spread * 0.5 ** (setting.n_checks if checked else 0)
        return gate_error * total


@dataclass(frozen=True, kw_only=True)
class GatePrice:
    """What two-qubit gates cost.

    Attributes:
        error: Probability that one errs.
        shots: The more there are, the more a bias matters.
        n_circuit_gates: Two-qubit gates of the circuit itself.

    """

    error: float
    shots: int
    n_circuit_gates: int


def settings_of(
    hamiltonian: QubitHamiltonian,
    conserved: Conserved = (),
    *,
    state: State | None = None,
    keep_conserved: bool = False,
    price: GatePrice | None = None,
    entangle: bool = True,
) -> Grouping:
    """Put the terms of a Hamiltonian into settings: of several groupings the one that needs the fewest shots.

    Groups of commuting terms, qubit by qubit or in general, are coloured in order of their coefficients (sorted
    insertion) and of their conflicts; hops of pairs, and blocks of all terms on a pair of qubits, are matched, so that
    each qubit is in one pair of a setting. Among those within 2 % of the best that with the fewest settings is taken,
    of these the one with the fewest two-qubit gates. With a price the mean square error, variance / shots + bias^2
    with `Grouping.expected_bias`, takes the place of the variance.

    Args:
        hamiltonian: What is measured.
        conserved: Sets of qubits and the number of ones that they hold in the circuit.
        state: The circuit's state, shape (2^n,), for the variances; without it those of the maximally mixed state.
        keep_conserved: Outcomes will be checked: take groupings only that keep every conserved number in every
            setting, and of those without any only what has a number or a parity to check, where there are any.
        price: Of two-qubit gates, on a processor; None where they are free.
        entangle: False takes groupings without two-qubit gates alone.

    Returns:
        The settings and the variance of one shot of each.

    Reference: O. Crawford, B. van Straaten, D. Wang, T. Parks, E. Campbell, S. Brierley, Efficient quantum measurement
        of Pauli operators in the presence of finite sampling error, arXiv 1908.06942, for sorted insertion; T. E.
        O'Brien et al., Purification-based quantum error mitigation of pair-correlated electron simulations, arXiv
        2210.10799, for number-conserving basis changes of pairs; matchings by round robin are our reconstruction.

    """
    stabilisers = stabilisers_of(hamiltonian, state)
    groupings = [
        Grouping(name=name, settings=settings, variances=variances_of(settings, hamiltonian.n_qubits, state))
        for name, settings in _candidates(hamiltonian, conserved, stabilisers).items()
    ]
    if not entangle:
        groupings = [each for each in groupings if each.n_two_qubit_gates == 0]
    if keep_conserved:
        checked = [each for each in groupings if any(setting.n_checks for setting in each.settings)]
        groupings = [each for each in checked if each.checks_all(conserved)] or checked or groupings

    def cost(each: Grouping) -> float:
        if price is None:
            return each.variance_at_one_shot
        bias = each.expected_bias(price.error, price.n_circuit_gates, checked=keep_conserved)
        return each.variance_at_one_shot / price.shots + bias**2

    least = min(map(cost, groupings))
    alike = [each for each in groupings if cost(each) <= ALIKE * least]
    return min(alike, key=lambda each: (len(each.settings), each.n_two_qubit_gates))


def stabilisers_of(hamiltonian: QubitHamiltonian, state: State | None) -> tuple[Stabiliser, ...]:
    """Return the Pauli strings that commute with every term and of which a state is an eigenstate, with their signs.

    Args:
        hamiltonian: Its terms.
        state: Shape (2^n,); None knows nothing.

    """
    if state is None or not hamiltonian.terms:
        return ()
    n = hamiltonian.n_qubits
    symmetries = pauli_symmetries([string for _, string in hamiltonian.terms], n)[:MOST_SYMMETRIES]
    found = []
    for picks in range(1, 1 << len(symmetries)):
        bits = tableau_of([s for k, s in enumerate(symmetries) if picks >> k & 1], n)
        x, z = (part.sum(axis=0) % 2 == 1 for part in bits[:2])  # the product, up to a phase
        string = tuple((q, "ZXY"[x[q] * (1 + z[q])]) for q in range(n) if x[q] or z[q])
        moved = QubitHamiltonian(n_qubits=n, terms=((1.0, string),)).apply(state)
        value = float(np.vdot(state, moved).real)
        if abs(abs(value) - 1.0) < STABLE:
            found.append((string, value < 0.0))
    return tuple(found)


def _candidates(
    hamiltonian: QubitHamiltonian, conserved: Conserved, stabilisers: Sequence[Stabiliser] = ()
) -> dict[str, tuple[Setting, ...]]:
    """Groupings by name."""
    terms = sorted(hamiltonian.terms, key=lambda term: (-abs(term[0]), term[1]))  # greedy colouring follows this order
    found = {
        f"qubit-wise, {order}": tuple(pauli_setting(group, conserved, stabilisers) for group in groups)
        for order, groups in _coloured(terms, _qubit_wise_conflicts(terms)).items()
    }
    hops = _hops(terms)
    if hops:
        diagonal = [term for term in terms if is_diagonal(term[1])]
        for order, matchings in _matchings(hops, hamiltonian.n_qubits).items():
            settings = [pauli_setting(diagonal, conserved)] if diagonal else []
            settings += [pair_setting({pair: hops[pair] for pair in pairs}, conserved) for pairs in matchings]
            found[f"pairs, {order}"] = tuple(settings)
    for order, blocks in _blocks(terms, hamiltonian.n_qubits).items():
        found[f"blocks, {order}"] = tuple(block_setting(each, conserved, stabilisers) for each in blocks)
    if len(terms) <= MOST_GENERAL_TERMS:
        strings = [string for string, _ in stabilisers]
        for order, groups in _coloured(terms, _conflicts(terms, hamiltonian.n_qubits)).items():
            found[f"commuting, {order}"] = tuple(clifford_setting(each, conserved, stabilisers) for each in groups)
            if strings:
                found[f"commuting and checked, {order}"] = tuple(
                    clifford_setting(each, conserved, stabilisers, strings) for each in groups
                )
    return found


def _qubit_wise_conflicts(terms: Sequence[Term]) -> NDArray[np.bool_]:
    """Terms with different letters on one qubit."""
    n_qubits = 1 + max((string[-1][0] for _, string in terms), default=-1)
    letters = np.zeros((len(terms), n_qubits), dtype=np.int8)
    for row, (_, string) in zip(letters, terms, strict=True):
        for qubit, letter in string:
            row[qubit] = "IXYZ".index(letter)
    conflicts = np.zeros((len(terms), len(terms)), dtype=np.bool_)
    for k, row in enumerate(letters):
        conflicts[k] = ((row != letters) & (row != 0) & (letters != 0)).any(axis=1)
    return conflicts


def _conflicts(terms: Sequence[Term], n_qubits: int) -> NDArray[np.bool_]:
    """Terms that do not commute."""
    bits = tableau_of([string for _, string in terms], n_qubits)
    return ~commutation(bits, bits)


def _coloured(terms: Sequence[Term], conflicts: NDArray[np.bool_]) -> dict[str, list[list[Term]]]:
    """Groups of terms without conflicts: colours of the graph of conflicts, of shape (n_terms, n_terms)."""
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(range(len(terms)))
    graph.add_edges_from(np.argwhere(np.triu(conflicts)).tolist())
    orders: dict[str, str | Callable[..., Sequence[int]]] = {
        "sorted insertion": lambda graph, colors: sorted(graph),
        "largest degree first": "largest_first",
    }
    found = {}
    for name, order in orders.items():
        colours: dict[int, int] = networkx.greedy_color(graph, order)
        found[name] = [[terms[k] for k in group] for group in _inverted(colours)]
    return found


def _blocks(terms: Sequence[Term], n_qubits: int) -> dict[str, list[dict[tuple[int, int], list[Term]]]]:
    """Settings of blocks, disjoint pairs with all terms on them; empty where a term acts on more than two qubits.

    A term on one qubit is shared equally by the settings that have a block on it. Of two qubits there is one block:
    its eigenvectors are the solution, and to measure by them would ask nothing of the circuit.
    """
    pairs: dict[tuple[int, int], list[Term]] = {}
    single: dict[int, list[Term]] = {}
    for coefficient, string in terms:
        if len(string) == 1:
            single.setdefault(string[0][0], []).append((coefficient, string))
        elif len(string) == 2:
            pairs.setdefault((string[0][0], string[1][0]), []).append((coefficient, string))
        else:
            return {}
    if n_qubits < 3 or set(single) - {q for pair in pairs for q in pair}:
        return {}
    weights = {pair: math.sqrt(sum(c**2 for c, _ in own)) for pair, own in pairs.items()}
    found = {}
    for order, matchings in _matchings(weights, n_qubits).items():
        times = {q: sum(q in pair for matching in matchings for pair in matching) for q in range(n_qubits)}
        found[order] = [
            {
                pair: pairs[pair] + [(c / times[q], string) for q in pair for c, string in single.get(q, [])]
                for pair in matching
            }
            for matching in matchings
        ]
    return found


def _inverted(colours: Mapping[Node, int]) -> list[list[Node]]:
    """Nodes of each colour."""
    groups: list[list[Node]] = [[] for _ in range(1 + max(colours.values(), default=-1))]
    for node, colour in colours.items():
        groups[colour].append(node)
    return groups


def _hops(terms: Sequence[Term]) -> dict[tuple[int, int], float]:
    """Coefficients of X_p X_q + Y_p Y_q; empty unless all other terms are products of Z."""
    found: dict[tuple[int, int], dict[str, float]] = {}
    for coefficient, string in terms:
        if is_diagonal(string):
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
    """Edge colourings of a graph of weighted pairs: each colour a set of pairs without a common qubit."""
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
