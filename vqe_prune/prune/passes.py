"""The passes of symmetric pruning as plans: what each would do with every gate, before anything is accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import combinations

import numpy as np

from vqe_prune.ansatz.rotation import Ansatz, Generator, Rotation
from vqe_prune.automorphism import Permutation, permuted
from vqe_prune.objective import QubitEnergyObjective
from vqe_prune.paulis import Clifford, PauliString, PauliSum, State, commutator, strings_commute
from vqe_prune.prune.plan import Action, Decision, PrunePlan
from vqe_prune.qubit_problem import QubitProblem, prepared_state
from vqe_prune.score.information import fisher_rank, fits_in_memory
from vqe_prune.score.space import fixed_gates, prepared_reference
from vqe_prune.symmetry import Sum, sum_label

MOST_ELEMENTS = 20_000
"""Of larger permutation groups the generators alone are used."""

SPARE_PARAMETERS = 4 / 3
"""Parameters that the depth pass keeps for each direction (ours): with one a part of the trainings of Ising rings get
stuck, with a third more none does."""

RANK_SEEDS = (0, 1, 2)
"""Random angles at which Fisher ranks are taken; the largest counts."""

FEWEST_LAYERS = 2
"""One layer may have the full Fisher rank and still miss the ground state (LiH, two electrons in three orbitals)."""


def broken_symmetry(generator: Generator, symmetries: Sequence[Sum]) -> Sum | None:
    """The first symmetry that a gate breaks, None where it keeps all."""
    for symmetry in symmetries:
        if isinstance(generator, PauliSum) and commutator(generator.terms, symmetry):
            return symmetry
        if isinstance(generator, Clifford) and not _clifford_keeps(generator, symmetry):
            return symmetry
    return None


_MATRICES = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


def _clifford_keeps(gate: Clifford, symmetry: Sum) -> bool:
    """Whether a fixed gate commutes with a Pauli string or with a sum of one-qubit operators."""
    unitary = np.array(
        [prepared_state(format(k, f"0{len(gate.qubits)}b"), (_local(gate),)) for k in range(_size(gate))]
    )
    total = np.zeros((_size(gate), _size(gate)), dtype=np.complex128)
    for coefficient, string in symmetry:
        letters = dict(string)
        if len(symmetry) == 1 or any(q in letters for q in gate.qubits):
            total += coefficient * reduce(np.kron, [_MATRICES[letters.get(q, "I")] for q in gate.qubits])
    return bool(np.abs(unitary.T @ total - total @ unitary.T).max() < 1e-12)


def _local(gate: Clifford) -> Clifford:
    return Clifford(gate.name, tuple(range(len(gate.qubits))))


def _size(gate: Clifford) -> int:
    return 1 << len(gate.qubits)


def system_plan(symmetries: Sequence[Sum], ansatz: Ansatz, scores: Sequence[float | None]) -> PrunePlan:
    """Drop rotations that do not commute with a symmetry; fixed gates are the structure pass's matter."""
    decisions = []
    for rotation, score in zip(ansatz.rotations, scores, strict=True):
        broken = None if isinstance(rotation.generator, Clifford) else broken_symmetry(rotation.generator, symmetries)
        if broken is None:
            reason = "keeps every symmetry of the register" if symmetries else ""
            decisions.append(Decision(action=Action.KEEP, reason=reason, score=score))
        else:
            reason = f"does not commute with {sum_label(broken)}"
            decisions.append(Decision(action=Action.DROP, reason=reason, score=score))
    return PrunePlan(rule="system", decisions=tuple(decisions))


Couplings = dict[tuple[int, ...], PauliSum]
"""The gate that a Hamiltonian offers for a pair of qubits."""


def couplings(problem: QubitProblem, ansatz: Ansatz) -> list[Couplings]:
    """What may take an entangler's place: couplings of just its two qubits, hops between them, moves through them.

    A hop moves an excitation (or an electron under Jordan-Wigner): strings with X and Y on just the two qubits and Z
    anywhere. A move has X and Y on four qubits, as a pair of electrons that jumps; it takes the place of an entangler
    on two of them that has no hop, largest coefficients first. Where few qubits are connected, a hop between two that
    are not passes through those between, where its strings have Z: at last moves, and hops without an entangler of
    their own, are spread over the entanglers between their first and last qubit, so that most of their weight finds a
    place.

    Args:
        problem: Gives the Hamiltonian.
        ansatz: Its entanglers are what is replaced.

    """
    direct: dict[tuple[int, ...], list[tuple[float, PauliString]]] = {}
    moves: dict[tuple[int, ...], list[tuple[float, PauliString]]] = {}
    for coefficient, string in problem.hamiltonian.terms:
        support = tuple(q for q, _ in string)
        if len(support) == 2:
            direct.setdefault(support, []).append((coefficient, string))
        moves.setdefault(tuple(q for q, letter in string if letter != "Z"), []).append((coefficient, string))
    shortest = {at: [t for t in terms if len(t[1]) == min(len(s) for _, s in terms)] for at, terms in moves.items()}
    supports = {tuple(sorted(getattr(rotation.generator, "qubits", ()))) for rotation in ansatz.rotations}
    pairs = sorted(support for support in supports if len(support) == 2)
    first = {pair: _gate_of(terms) for pair, terms in direct.items()}
    second = first | {pair: _gate_of(terms) for pair, terms in shortest.items() if len(pair) == 2}
    third = dict(second)
    largest = sorted((at for at in shortest if len(at) == 4), key=lambda at: -max(abs(c) for c, _ in shortest[at]))
    taken = {pair for pair in moves if len(pair) == 2}
    for at in largest:
        pair = next((pair for pair in combinations(at, 2) if pair in pairs and pair not in taken), None)
        if pair is not None:
            third[pair] = _gate_of(shortest[at])
            taken.add(pair)
    homeless = [at for at in shortest if len(at) == 2 and at not in supports]
    spread = _spread({at: shortest[at] for at in homeless + largest}, [pair for pair in pairs if pair not in moves])
    options = [first, second, third, second | spread]
    return [option for k, option in enumerate(options) if option not in options[:k]]


def _spread(
    moves: Mapping[tuple[int, ...], list[tuple[float, PauliString]]], free: Sequence[tuple[int, ...]]
) -> Couplings:
    """Give free entanglers moves that begin and end around them, the sum of the largest coefficients at its largest."""
    from scipy.optimize import linear_sum_assignment

    weights = np.zeros((len(moves), len(free)))
    for row, (at, terms) in zip(weights, moves.items(), strict=True):
        around = [at[0] <= first and last <= at[-1] for first, last in free]
        row[around] = max(abs(c) for c, _ in terms)
    gates = [_gate_of(terms) for terms in moves.values()]
    rows, columns = linear_sum_assignment(weights, maximize=True)
    return {free[j]: gates[i] for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if weights[i, j]}


def _gate_of(terms: Sequence[tuple[float, PauliString]]) -> PauliSum:
    """One gate of the terms that commute with the largest, coefficients scaled to 1/2."""
    ordered = sorted(terms, key=lambda term: -abs(term[0]))
    chosen: list[tuple[float, PauliString]] = []
    for coefficient, string in ordered:
        if all(strings_commute(string, other) for _, other in chosen):
            chosen.append((0.5 * coefficient / abs(ordered[0][0]), string))
    return PauliSum(tuple(sorted(chosen, key=lambda term: term[1])))


def structure_plan(problem: QubitProblem, ansatz: Ansatz, symmetries: Sequence[Sum], couplings: Couplings) -> PrunePlan:
    """Keep gates that occur in the Hamiltonian, put its couplings in the place of entanglers, drop the rest."""
    present = set(problem.hamiltonian.strings)
    leading = len(fixed_gates(ansatz)[0])
    decisions = []
    for index, rotation in enumerate(ansatz.rotations):
        generator = rotation.generator
        coupling = couplings.get(tuple(sorted(getattr(generator, "qubits", ()))))
        occurs = isinstance(generator, PauliSum) and all(string in present for _, string in generator.terms)
        wanted = coupling is None or (isinstance(generator, PauliSum) and _strings(generator) == _strings(coupling))
        if index < leading and broken_symmetry(generator, symmetries) is None:
            decisions.append(Decision(action=Action.KEEP, reason=""))  # prepares the reference
        elif coupling is not None and not wanted and broken_symmetry(coupling, symmetries) is None:
            kind = "fixed gate" if isinstance(generator, Clifford) else "entangler"
            reason = f"{kind} becomes the Hamiltonian's coupling of its qubits, {coupling.label}"
            decisions.append(Decision(action=Action.REPLACE, reason=reason, replacement=coupling))
        elif occurs:
            decisions.append(Decision(action=Action.KEEP, reason="occurs in the Hamiltonian"))
        else:
            decisions.append(Decision(action=Action.DROP, reason="does not occur in the Hamiltonian"))
    return PrunePlan(rule="structure", decisions=tuple(decisions))


def _strings(generator: PauliSum) -> set[PauliString]:
    return {string for _, string in generator.terms}


def gate_key(generator: Generator) -> Hashable:
    """What two gates share that turn the same operator."""
    if isinstance(generator, PauliSum):
        return frozenset((string, round(coefficient, 9)) for coefficient, string in generator.terms)
    return generator


def _moved(key: Hashable, permutation: Permutation) -> Hashable:
    """The key of a gate after a permutation of the qubits."""
    if isinstance(key, Clifford):
        qubits = tuple(permutation[q] for q in key.qubits)
        return Clifford(key.name, tuple(sorted(qubits)) if key.name in ("cz", "swap") else qubits)
    assert isinstance(key, frozenset)
    return frozenset((permuted(string, permutation), coefficient) for string, coefficient in key)


def layers_of(ansatz: Ansatz) -> list[int]:
    """Return the layer of each rotation: how often its gate came before it."""
    seen: Counter[Hashable] = Counter()
    layers = []
    for rotation in ansatz.rotations:
        key = gate_key(rotation.generator)
        layers.append(seen[key])
        seen[key] += 1
    return layers


def spatial_plan(problem: QubitProblem, ansatz: Ansatz) -> PrunePlan:
    """Tie the rotations of a layer that permutations of the qubits map onto each other.

    Only permutations that keep the Hamiltonian, the reference and every layer count, and only gates that commute with
    each other and with all between them, so that the tied gates keep the permutation exactly.
    """
    layers, keys = layers_of(ansatz), [gate_key(rotation.generator) for rotation in ansatz.rotations]
    counts = Counter(rotation.parameter for rotation in ansatz.rotations)
    decisions = [Decision(action=Action.KEEP, reason="") for _ in ansatz.rotations]
    members = [{key for key, at in zip(keys, layers, strict=True) if at == layer} for layer in range(max(layers) + 1)]
    state = prepared_reference(ansatz, problem.reference_state)
    group = problem.symmetries.permutations
    group = replace(group, generators=tuple(g for g in group.elements(MOST_ELEMENTS) if _keeps_all(g, members, state)))
    for layer in range(max(layers) + 1):
        position = {keys[k]: k for k, at in enumerate(layers) if at == layer}
        for orbit in group.orbits_of(list(position), lambda g, key: _moved(key, g)):
            indices = sorted(position[key] for key in orbit)
            if any(counts[ansatz.rotations[k].parameter] != 1 for k in indices) or not _joinable(ansatz, indices):
                continue  # a fixed gate, or an angle that is shared already
            if len(indices) > 1:
                reason = f"leads the {len(indices)} gates of its orbit"
                decisions[indices[0]] = Decision(action=Action.KEEP, reason=reason)
            for index in indices[1:]:
                reason = f"symmetry image of {ansatz.rotations[indices[0]].generator.label}: shares its angle"
                decisions[index] = Decision(action=Action.TIE, reason=reason, leader=indices[0])
    return PrunePlan(rule="spatial", decisions=tuple(decisions))


def _keeps_all(permutation: Permutation, members: Sequence[set[Hashable]], state: State) -> bool:
    """Whether a permutation keeps the gates of every layer and the reference up to a phase."""
    n = len(permutation)
    if any({_moved(key, permutation) for key in layer} != layer for layer in members):
        return False
    axes = [permutation.index(q) for q in range(n)]  # qubit q of the image was qubit permutation^-1(q)
    image = state.reshape((2,) * n).transpose(axes).ravel()
    return bool(abs(abs(np.vdot(state, image)) - 1.0) < 1e-9)


def _joinable(ansatz: Ansatz, indices: Sequence[int]) -> bool:
    """Whether gates commute with each other and with all gates between the first and the last of them."""
    chosen = [ansatz.rotations[k].generator for k in indices]
    between = [r.generator for r in ansatz.rotations[indices[0] : indices[-1] + 1]]
    return all(_commute(first, second) for first in chosen for second in between)


def _commute(first: Generator, second: Generator) -> bool:
    if isinstance(first, PauliSum) and isinstance(second, PauliSum):
        return not commutator(first.terms, second.terms)
    return not set(getattr(first, "qubits", ())) & set(getattr(second, "qubits", ()))


def depth_plan(problem: QubitProblem, ansatz: Ansatz) -> tuple[PrunePlan, str]:
    """Drop layers beyond the first ones that already move the state in every direction that all layers can (ours).

    The Fisher rank at random angles grows with the layers until the ansatz is over-parameterised; what comes after
    adds parameters and gates and no direction. A third more parameters than directions are kept, and two layers.
    """
    objective = QubitEnergyObjective(problem.hamiltonian, ansatz, problem.reference_state)
    if not fits_in_memory(objective):
        kept = tuple(Decision(action=Action.KEEP, reason="") for _ in ansatz.rotations)
        return PrunePlan(rule="depth", decisions=kept), "no layer is removed: Fisher ranks would not fit in memory"
    layers = layers_of(ansatz)
    count = max(layers) + 1
    full = largest_rank(problem, ansatz)
    first = next((p for p in range(1, count) if _is_enough(problem, _first_layers(ansatz, p), full)), count)
    enough = first if first == count else max(first, FEWEST_LAYERS)
    decisions = []
    for layer in layers:
        if layer < enough:
            reason = f"layer {layer + 1} of {enough}, for a Fisher rank of {full}"
            decisions.append(Decision(action=Action.KEEP, reason=reason))
        else:
            reason = f"layers after {enough} add no direction: the Fisher rank stays {full}"
            decisions.append(Decision(action=Action.DROP, reason=reason))
    note = ""
    if first == count and ansatz.n_parameters < SPARE_PARAMETERS * full:
        note = (
            f"the ansatz may not be over-parameterised: {ansatz.n_parameters} parameters move the state in {full} "
            f"directions, and a third more than that train surely; more ansatz.layers help"
        )
    elif first == count and count > 1:
        note = (
            f"the ansatz may not be over-parameterised: its last layer still adds directions (Fisher rank {full}); "
            f"training may end in local minima, more ansatz.layers help"
        )
    return PrunePlan(rule="depth", decisions=tuple(decisions)), note


def _is_enough(problem: QubitProblem, ansatz: Ansatz, rank: int) -> bool:
    """Whether an ansatz has that Fisher rank, and so many more parameters that training does not get stuck."""
    return ansatz.n_parameters >= SPARE_PARAMETERS * rank and largest_rank(problem, ansatz) == rank


def _first_layers(ansatz: Ansatz, count: int) -> Ansatz:
    """The ansatz without the layers after the first ones."""
    rotations = [r for r, layer in zip(ansatz.rotations, layers_of(ansatz), strict=True) if layer < count]
    numbers = {p: k for k, p in enumerate(sorted({r.parameter for r in rotations if r.parameter is not None}))}
    renumbered = tuple(
        r if r.parameter is None else Rotation(r.generator, numbers[r.parameter], r.coefficient) for r in rotations
    )
    return replace(ansatz, rotations=renumbered, n_parameters=len(numbers))


def largest_rank(problem: QubitProblem, ansatz: Ansatz) -> int:
    """Return the largest Fisher rank of an ansatz at a few random angles."""
    objective = QubitEnergyObjective(problem.hamiltonian, ansatz, problem.reference_state)
    draws = (np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, ansatz.n_parameters) for seed in RANK_SEEDS)
    return max(fisher_rank(objective, angles) for angles in draws)
