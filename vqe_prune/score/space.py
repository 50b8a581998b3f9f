"""The effective space of an ansatz: the smallest invariant space that holds every state it can make."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np

from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.objective import QubitEnergyObjective
from vqe_prune.paulis import (
    NEGLIGIBLE,
    Clifford,
    PauliString,
    PauliSum,
    QubitHamiltonian,
    State,
    string_masks,
    strings_commute,
)

WeightedStrings = tuple[tuple[float, PauliString], ...]
"""A Hermitian generator: real coefficients, each with its Pauli string."""

MaskSum = dict[tuple[int, int], complex]
"""A sum of Pauli strings as `string_masks` gives them: coefficient of each pair of masks (x, z)."""

LEAST_REMAINDER = 1e-8
"""What is left of a vector outside a space counts as a new direction above this; rounding leaves about 1e-13."""

CLEAR_REMAINDER = 1e-3
"""The same for a state on a random walk: scaled to length 1 it loses no more than three digits."""

FAINT = 1e-4
"""Directions with less than this share of the clearest one wait: squares are compared, which halves the digits."""

FEWEST_WALKS, MOST_WALKS = 4, 1024
"""Random walks at once; their number doubles while every one of them finds a new direction."""

FIRST_SAMPLES = 8
"""States drawn before the number is doubled for the first time."""

_HALF = 0.5**0.5
_CLIFFORD_SUMS: dict[str, tuple[tuple[complex, str], ...]] = {
    "h": ((_HALF, "X"), (_HALF, "Z")),
    "s": ((0.5 + 0.5j, "I"), (0.5 - 0.5j, "Z")),
    "sdg": ((0.5 - 0.5j, "I"), (0.5 + 0.5j, "Z")),
    "x": ((1.0, "X"),),
    "y": ((1.0, "Y"),),
    "z": ((1.0, "Z"),),
    "cx": ((0.5, "II"), (0.5, "ZI"), (0.5, "IX"), (-0.5, "ZX")),
    "cz": ((0.5, "II"), (0.5, "ZI"), (0.5, "IZ"), (-0.5, "ZZ")),
    "swap": ((0.5, "II"), (0.5, "XX"), (0.5, "YY"), (0.5, "ZZ")),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class EffectiveSpace:
    """The smallest space that holds the reference and is invariant under an ansatz.

    Attributes:
        dimension: Its dimension d_eff, or the limit where the search was stopped.
        basis: Orthonormal rows; shape (d_eff, 2^n).
        whole: Whether it is closed; False where the search was stopped.
        ground_energy: Lowest eigenvalue of the Hamiltonian projected on it, the constant included.
        leaves: Spectral norm of what the Hamiltonian moves out of it, 0 where it is invariant.

    """

    dimension: int
    basis: State
    whole: bool
    ground_energy: float
    leaves: float


@dataclass(frozen=True, eq=False, kw_only=True)
class _Block:
    """Rotations of one parameter moved together, exp(-i a sum_j c_j P_j), or one fixed gate."""

    parameter: int | None
    weights: Mapping[PauliString, float]
    qubits: frozenset[int]

    def commutes_with(self, other: _Block) -> bool:
        if not self.weights or not other.weights:  # a Clifford gate
            return not self.qubits & other.qubits
        return all(strings_commute(first, second) for first in self.weights for second in other.weights)


def parameter_generators(ansatz: Ansatz) -> list[WeightedStrings]:
    """Return what each parameter turns: one generator for each cluster of its rotations, in the order of the circuit.

    Rotations of one parameter that commute with each other and with all that stands between them act as
    exp(-i a sum_k c_k G_k); commutation is tested string by string, which is sufficient, not necessary. Moving them
    together rewrites the circuit, so that no two clusters rely on orders that exclude each other.

    Args:
        ansatz: Rotations of Pauli sums, with or without fixed gates, which are left out.

    Returns:
        Coefficients c_k included, angles a as the parameters are; a layer that repeats gives its generators again.

    Raises:
        ValueError: A generator is neither a Pauli sum nor a Clifford gate.

    """
    blocks: list[_Block] = []
    seen: set[int] = set()
    for rotation in ansatz.rotations:
        block = _block(rotation)
        place = _place_to_join(blocks, block) if block.parameter in seen else None
        if place is None:
            blocks.append(block)
        else:
            weights = dict(blocks[place].weights)
            for string, weight in block.weights.items():
                weights[string] = weights.get(string, 0.0) + weight
            qubits = blocks[place].qubits | block.qubits
            blocks[place] = _Block(parameter=block.parameter, weights=weights, qubits=qubits)
        if block.parameter is not None:
            seen.add(block.parameter)
    return [
        tuple((weight, string) for string, weight in sorted(block.weights.items()))
        for block in blocks
        if block.parameter is not None
    ]


def _block(rotation: Rotation) -> _Block:
    generator = rotation.generator
    if isinstance(generator, Clifford):
        return _Block(parameter=None, weights={}, qubits=frozenset(generator.qubits))
    if not isinstance(generator, PauliSum):
        raise ValueError(f"Argument `ansatz` must consist of Pauli sums and Clifford gates, but has {generator.label}")
    weights = {string: rotation.coefficient * factor for factor, string in generator.terms}
    return _Block(parameter=rotation.parameter, weights=weights, qubits=frozenset(generator.qubits))


def _place_to_join(blocks: Sequence[_Block], block: _Block) -> int | None:
    """Return the last block of the same parameter if `block` can be moved back to it, None if not."""
    for place in range(len(blocks) - 1, -1, -1):
        if not blocks[place].commutes_with(block):
            return None
        if blocks[place].parameter == block.parameter:
            return place
    return None


def independent_generators(ansatz: Ansatz) -> list[WeightedStrings]:
    """Return the distinct generators that single parameters turn, up to their scale.

    A parameter whose rotations form several clusters (tied across layers, say) gives each as a generator of its own:
    what they generate together holds what the parameter can do, and may be larger.

    Args:
        ansatz: Rotations of Pauli sums, with or without fixed gates, which are left out.

    Returns:
        Each generator once, its largest coefficient 1 in absolute value and its first one positive.

    """
    distinct: dict[WeightedStrings, WeightedStrings] = {}
    for generator in parameter_generators(ansatz):
        largest = max(abs(weight) for weight, _ in generator)
        kept = [(weight, string) for weight, string in generator if abs(weight) > NEGLIGIBLE]
        if kept:  # rotations tied with opposite signs may cancel
            scale = largest if kept[0][0] > 0.0 else -largest
            scaled = tuple((weight / scale, string) for weight, string in kept)
            distinct.setdefault(tuple((round(weight, 12), string) for weight, string in scaled), scaled)
    return list(distinct.values())


def fixed_gates(ansatz: Ansatz) -> tuple[tuple[Rotation, ...], list[tuple[Rotation, ...]]]:
    """Return the Clifford gates and constant rotations: the preparation, and the distinct runs of them after it.

    Args:
        ansatz: Any rotations.

    Returns:
        The fixed gates before the first parameter, which belong to the reference; and each run of fixed gates between
        two parameterised rotations or at the end, which acts as one unitary.

    """
    free = [k for k, rotation in enumerate(ansatz.rotations) if rotation.parameter is not None]
    if not free:
        return ansatz.rotations, []
    ends = [*free, len(ansatz.rotations)]
    runs = [ansatz.rotations[first + 1 : last] for first, last in pairwise(ends)]
    return ansatz.rotations[: free[0]], list(dict.fromkeys(run for run in runs if run))


def prepared_reference(ansatz: Ansatz, reference: State) -> State:
    """Return the state that the first parameter finds: the leading fixed gates on the reference, shape (2^n,)."""
    return apply_gates(fixed_gates(ansatz)[0], np.asarray(reference, dtype=np.complex128)[None])[0]


def mask_sum(terms: Iterable[tuple[complex, PauliString]], n_qubits: int) -> MaskSum:
    """Return a sum of Pauli strings, each string once, with its strings as bit masks."""
    return {string_masks(string, n_qubits): coefficient for coefficient, string in terms}


def apply_sum(terms: MaskSum, block: State) -> State:
    """Return a sum of Pauli strings times many states.

    Args:
        terms: The sum.
        block: One state a row; shape (n_states, 2^n).

    Returns:
        A new array of the same shape.

    """
    index = np.arange(block.shape[1])
    weights: dict[int, State] = {}  # of each amplitude, one array for all strings that flip the same bits
    for (x, z), coefficient in terms.items():
        factor = coefficient * 1j ** ((x & z).bit_count() % 4)
        array = weights.setdefault(x, np.zeros(len(index), dtype=np.complex128))
        array += factor * (1.0 - 2.0 * (np.bitwise_count(index & z) & 1))
    out = np.zeros(block.shape, dtype=np.complex128)
    for x, array in weights.items():
        out += block * array if x == 0 else (block * array)[:, index ^ x]
    return out


def clifford_sum(gate: Clifford, n_qubits: int) -> MaskSum:
    """Return a Clifford gate as a sum of Pauli strings."""
    strings = []
    for coefficient, letters in _CLIFFORD_SUMS[gate.name]:
        pairs = zip(gate.qubits, letters, strict=True)
        strings.append((coefficient, tuple(sorted(pair for pair in pairs if pair[1] != "I"))))
    return mask_sum(strings, n_qubits)


def _gate_factors(rotation: Rotation, n_qubits: int) -> list[MaskSum]:
    """Return a fixed gate as factors, each a sum of Pauli strings."""
    if isinstance(rotation.generator, Clifford):
        return [clifford_sum(rotation.generator, n_qubits)]
    return [_exponential(string_masks(string, n_qubits), angle) for string, angle in _block(rotation).weights.items()]


def apply_gates(gates: Iterable[Rotation], block: State) -> State:
    """Return fixed gates, the first one first, on each row of a block, shape (n_rows, 2^n)."""
    n_qubits = _n_qubits(block)
    return _multiplied([factor for gate in gates for factor in _gate_factors(gate, n_qubits)], block)


def _n_qubits(block: State) -> int:
    return int(block.shape[-1]).bit_length() - 1


def effective_space(
    hamiltonian: QubitHamiltonian, ansatz: Ansatz, reference: State, *, limit: int = 4096
) -> EffectiveSpace:
    """Return the smallest space that holds the reference and is invariant under an ansatz, by exact closure.

    Generators are Hermitian, so that a space invariant under G is invariant under exp(-i a G). A space of finite
    dimension that a unitary maps into itself is mapped onto itself: fixed gates need no adjoints.

    Args:
        hamiltonian: Gives the ground energy; it need not keep the space.
        ansatz: Rotations of Pauli sums and fixed gates; the space is closed under the runs of fixed gates after the
            preparation too, at any depth (see `lie.cliffords_first` for the space of this very circuit).
        reference: Amplitudes; shape (2^n,).
        limit: Dimension at which to stop.

    Returns:
        The space; an upper bound of the span of the states where a parameter has several clusters of rotations.

    Raises:
        ValueError: The reference has another shape.

    Source: X. You, S. Chakrabarti, X. Wu, A convergence theory for over-parameterized variational quantum
        eigensolvers, arXiv 2205.12481 (effective dimension); this closure is our reconstruction.

    """
    n_qubits = hamiltonian.n_qubits
    if np.shape(reference) != (1 << n_qubits,):
        raise ValueError(f"Argument `reference` must have shape {(1 << n_qubits,)}, but it is {np.shape(reference)}")
    generators = [mask_sum(generator, n_qubits) for generator in independent_generators(ansatz)]
    runs = [[f for gate in run for f in _gate_factors(gate, n_qubits)] for run in fixed_gates(ansatz)[1]]
    start = prepared_reference(ansatz, reference)
    basis, whole = _closure(start[None] / np.linalg.norm(start), generators, runs, limit)
    images = np.array([hamiltonian.apply(row) for row in basis])
    outside = images - _projected(images, basis)
    return EffectiveSpace(
        dimension=len(basis),
        basis=basis,
        whole=whole,
        ground_energy=_lowest_eigenvalue(basis.conj() @ images.T) + hamiltonian.constant,
        leaves=float(np.sqrt(max(np.linalg.eigvalsh(outside @ outside.conj().T)[-1], 0.0))),
    )


def _closure(
    start: State, generators: Sequence[MaskSum], runs: Sequence[Sequence[MaskSum]], limit: int
) -> tuple[State, bool]:
    """Return orthonormal rows that hold `start` and are closed under generators and runs, and whether they are whole.

    Closing under the generators alone scales up the rounding of the newest rows, level after level, and is wrong from
    twelve tied qubits. Random walks with exp(-i a G) stay in the space to rounding and fill it evenly, so they find
    the directions; the generators then decide whether the space is closed, and add what the walks missed.
    """
    basis, whole = _explored(start, generators, runs, limit)
    operators = [*([generator] for generator in generators), *runs]
    while whole and len(basis) < basis.shape[1]:
        images = (_new_directions(_multiplied(factors, basis), basis, LEAST_REMAINDER) for factors in operators)
        missed = next((image for image in images if len(image)), basis[:0])
        if not len(missed):
            break
        basis, whole = _extended(basis, missed, limit)
    return basis, whole


def _explored(
    start: State, generators: Sequence[MaskSum], runs: Sequence[Sequence[MaskSum]], limit: int
) -> tuple[State, bool]:
    """Return orthonormal rows that span random walks from `start`, and False where there are more than `limit`."""
    rng = np.random.default_rng(0)
    basis, walks, fresh, whole = start, np.repeat(start, FEWEST_WALKS, axis=0), start, True
    while whole and len(fresh) and len(basis) < basis.shape[1]:
        walks = _walked(walks, generators, runs, rng)
        fresh = _new_directions(walks, basis, CLEAR_REMAINDER)
        if len(fresh) == len(walks) < MOST_WALKS:
            walks = np.repeat(walks, 2, axis=0)
        basis, whole = _extended(basis, fresh, limit)
    if not whole or len(basis) == basis.shape[1]:
        return basis, whole
    # rows found late carry the rounding of all before them; what far walks have of each row does not
    filtered = np.zeros_like(basis)
    for _ in range(-(-2 * len(basis) // len(walks))):
        walks = _walked(walks, generators, runs, rng)
        filtered += (basis @ walks.conj().T) @ walks
    return _new_directions(np.concatenate([start, filtered]), basis[:0], CLEAR_REMAINDER), True


def _extended(basis: State, fresh: State, limit: int) -> tuple[State, bool]:
    """Return the rows of both up to `limit`, and whether that is all of them."""
    return np.concatenate([basis, fresh])[:limit], len(basis) + len(fresh) <= limit


def _walked(
    walks: State, generators: Sequence[MaskSum], runs: Sequence[Sequence[MaskSum]], rng: np.random.Generator
) -> State:
    """Return each row after exp(-i a G) for all generators, angles of its own, and all runs, in random order."""
    for place in rng.permutation(len(generators) + len(runs)).tolist():
        if place >= len(generators):
            walks = _multiplied(runs[place - len(generators)], walks)
            continue
        angles = rng.uniform(0.0, 2.0 * np.pi, (len(walks), 1))
        for masks, weight in generators[place].items():  # commuting strings, one factor each
            turn = angles * weight.real
            walks = np.cos(turn) * walks - 1j * np.sin(turn) * apply_sum({masks: 1.0}, walks)
    return walks


def _multiplied(factors: Sequence[MaskSum], block: State) -> State:
    return reduce(lambda states, factor: apply_sum(factor, states), factors, block)


def _exponential(masks: tuple[int, int], angle: float) -> MaskSum:
    """Return exp(-i angle P) = cos angle - i sin angle P."""
    return {(0, 0): math.cos(angle), masks: -1j * math.sin(angle)}


def _new_directions(candidates: State, basis: State, least: float) -> State:
    """Return orthonormal rows for what the candidates have outside the basis, the clear ones if some are faint.

    Directions of remainders below `least` are left out, and so are those far below the clearest: they are found again
    when the others are in the basis.
    """
    for _ in range(2):
        candidates = candidates - _projected(candidates, basis)
        candidates = candidates[np.linalg.norm(candidates, axis=1) > least]
    if not len(candidates):
        return candidates
    squares, vectors = np.linalg.eigh(candidates.conj() @ candidates.T)
    kept = (squares > least**2) & (squares > FAINT**2 * squares[-1])
    rows = (vectors[:, kept] / np.sqrt(squares[kept])).T @ candidates
    # small remainders were scaled up with their rounding: once more, now that they have length 1
    rows = rows - _projected(rows, basis)
    return np.linalg.solve(np.linalg.cholesky(rows @ rows.conj().T), rows)


def _projected(rows: State, basis: State) -> State:
    """Return the part of each row that lies in the span of the orthonormal basis."""
    return (basis @ rows.conj().T).conj().T @ basis


def _lowest_eigenvalue(matrix: State) -> float:
    import scipy.linalg

    return float(scipy.linalg.eigh(matrix, eigvals_only=True, subset_by_index=[0, 0], check_finite=False)[0])


def project_sum(terms: Iterable[tuple[complex, PauliString]], space: EffectiveSpace) -> State:
    """Return the matrix <b_i| sum_j c_j P_j |b_j> of a sum of Pauli strings on a space, shape (d_eff, d_eff)."""
    return space.basis.conj() @ apply_sum(mask_sum(terms, _n_qubits(space.basis)), space.basis).T


def sampled_dimension(objective: QubitEnergyObjective, *, samples: int | None = None, seed: int = 0) -> int:
    """Return the dimension of the span of the states at random angles, a lower bound of the effective dimension.

    Args:
        objective: Its engine makes the states.
        samples: Number of states; None doubles it until the dimension stops growing.
        seed: Seed of the angles, uniform in [0, 2 pi) radian.

    Returns:
        Singular values above 1e-8 of the largest.

    """
    rng = np.random.default_rng(seed)
    states: list[State] = []
    rank, size = 0, FIRST_SAMPLES if samples is None else samples
    while True:
        angles = rng.uniform(0.0, 2.0 * np.pi, (size - len(states), objective.ansatz.n_parameters))
        states += [objective.engine.state(row) for row in angles]
        singular = np.linalg.svd(np.array(states), compute_uv=False)
        before, rank = rank, int(np.sum(singular > LEAST_REMAINDER * singular[0]))
        if samples is not None or rank == before or rank == len(states[0]):
            return rank
        size *= 2
