"""ADAPT-VQE: an ansatz grown from a pool of generators, the steepest one at a time, and pruned on the way if wanted.

Reference: H. R. Grimsley et al., An adaptive variational algorithm for exact molecular simulations on a quantum
    computer, arXiv 1812.11173.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Generator, Rotation
from vqe_prune.ansatz.ucc import uccgsd, uccsd
from vqe_prune.circuit import count_resources, problem_gates
from vqe_prune.electrons import excitation_irrep
from vqe_prune.errors import InputError
from vqe_prune.objective import Objective, check_ansatz, energy_of
from vqe_prune.optimize import Optimum, minimize
from vqe_prune.paulis import PauliString, PauliSum, strings_commute
from vqe_prune.problem import Problem
from vqe_prune.qubit_problem import QubitProblem

Vector = NDArray[np.float64]

EQUAL_GRADIENTS = 1e-6
"""Gradients closer than this fraction are equal: mirror images differ by the optimiser's error only."""

PATIENCE = 3
"""So many steps in a row must gain too little before growth ends: a flat step often comes before a steep one."""

OPTIMISER_GRADIENT = 1e-7
"""Largest gradient component of each optimum, hartree per radian, unless the pool's tolerance asks for less."""


def fermionic_pool(problem: Problem, *, generalised: bool = False) -> tuple[Excitation, ...]:
    """Return the excitations that keep the reference's irrep, in the order of `uccsd`.

    Args:
        problem: Electron numbers and irreps.
        generalised: All pairs of spin orbitals instead of those from filled to empty ones; each excitation stands for
            its inverse too. Doubles with an index in common, singles that ask for a filled orbital, are left out.

    Returns:
        Singles, alpha-beta doubles, same-spin doubles; LiH in a minimal basis has 34, generalised 156.

    """
    ansatz = uccgsd(problem.n_orbitals) if generalised else uccsd(problem.n_orbitals, *problem.n_electrons)
    irreps = problem.electrons.irreps
    return tuple(e for e in ansatz.excitations if excitation_irrep(irreps, e.spin_orbitals) == 0)


def qubit_pool(problem: Problem, *, generalised: bool = False) -> tuple[PauliSum, ...]:
    """Return the excitations of `fermionic_pool` on qubits, without the Z strings of Jordan and Wigner.

    They conserve N and S_z as the fermionic ones do, and act on 2 or 4 qubits each; see `qubit_excitation`.

    Args:
        problem: Electron numbers and irreps; grow on its `molecular_qubit_problem`.
        generalised: As in `fermionic_pool`.

    Source: Y. S. Yordanov et al., Qubit-excitation-based adaptive variational quantum eigensolver, arXiv 2011.10540.

    """
    return tuple(qubit_excitation(excitation) for excitation in fermionic_pool(problem, generalised=generalised))


def qubit_excitation(excitation: Excitation) -> PauliSum:
    """Return i (T - T^dagger) under Jordan-Wigner with the Z letters left out: commuting strings of X and Y.

    Every creation operator is (X - iY)/2 on its qubit and every annihilation operator (X + iY)/2; the fermionic sign is
    that of sorting each of the two lists of T.
    """
    lists = excitation.created, excitation.annihilated
    swaps = sum(p > q for indices in lists for k, p in enumerate(indices) for q in indices[k + 1 :])
    factors = {**dict.fromkeys(excitation.created, -1.0j), **dict.fromkeys(excitation.annihilated, 1.0j)}
    terms = []
    for string in _odd_strings(excitation.spin_orbitals):
        weight = np.prod([factors[qubit] if letter == "Y" else 1.0 for qubit, letter in string])
        # T = sum of w P / 2^n, so i (T - T^dagger) = sum of -2 Im(w) P / 2^n; strings with an even number of Y cancel
        terms.append((-2.0 * float(weight.imag) * (-1.0) ** swaps / 2 ** len(string), string))
    return PauliSum(tuple(terms))


def pauli_pool(problem: QubitProblem) -> tuple[PauliSum, ...]:
    """Return the single Pauli strings of the qubit excitations from filled to empty spin orbitals of the reference.

    Strings with an odd number of Y turn a real state into a real one; strings that break a parity (Z2) of the
    Hamiltonian, as the excitations of other irreps do, are left out. They conserve parities, not N and S_z.

    Args:
        problem: Electrons on qubits, qubit 2p alpha and 2p+1 beta of orbital p, on a reference of 0 and 1.

    Returns:
        The strings, each once with coefficient 1, those of single excitations first.

    Raises:
        InputError: The problem is not of electrons.

    Source: H. L. Tang et al., Qubit-ADAPT-VQE, arXiv 1911.10205, whose pool these strings are without their Z letters.

    """
    if problem.n_electrons is None or set(problem.reference) - {"0", "1"} or problem.preparation:
        raise InputError(
            f"pauli_pool of {problem.name}: it needs electrons on a reference of 0 and 1, but the reference is "
            f"{problem.reference_label}; give `grow` your own PauliSum generators"
        )
    filled, empty = ([q for q, letter in enumerate(problem.reference) if letter == which] for which in "10")
    found: dict[PauliString, None] = {}
    for rank in (1, 2):
        for pair in product(combinations(filled, rank), combinations(empty, rank)):
            if sum(q % 2 for q in pair[0]) == sum(q % 2 for q in pair[1]):
                found.update(dict.fromkeys(_odd_strings(sorted(pair[0] + pair[1]))))
    parities = problem.symmetries.parities
    allowed = [string for string in found if all(strings_commute(string, parity) for parity in parities)]
    return tuple(PauliSum(((1.0, string),)) for string in allowed)


def _odd_strings(qubits: Iterable[int]) -> list[PauliString]:
    """All strings of X and Y on some qubits, ascending, with an odd number of Y; they commute with each other."""
    qubits = tuple(qubits)
    letters = [word for word in product("XY", repeat=len(qubits)) if word.count("Y") % 2]
    return [tuple(zip(qubits, word, strict=True)) for word in letters]


class GrowthStop(enum.Enum):
    """Why growth ended; the value says what it means and what to do."""

    GRADIENT = "converged: no generator of the pool has a gradient above gradient_tolerance"
    ENERGY = "converged: the error is within target_error, or several steps gained less than energy_tolerance each"
    LENGTH = "stopped at the largest number of operators: raise max_operators"


@dataclass(frozen=True, kw_only=True)
class PrunedAdapt:
    """Which operators Pruned-ADAPT takes out again after each growth step.

    Operator i of N, the oldest first, has the score exp(-alpha i / N) / angle_i^2. The one with the highest score goes
    if |angle_i| < fraction * mean |angle| of the newest `recent` operators; the others are then re-optimised, and the
    next one is looked for. A generator that is chosen again after it went stays for good: else stretched LiH with
    spared=1 would add and remove two by turns for ever. The score follows the article's description (amplitude,
    position, a threshold from recent operators) and the default numbers the authors' program VQEmulti; re-optimising at
    once, going on until nothing is small, sparing the newest and removing each generator once only are our
    reconstruction.

    Attributes:
        alpha: How much position counts beside amplitude: the higher it is, the more are old operators preferred.
        fraction: Of the mean amplitude of recent operators.
        recent: How many operators are recent.
        spared: How many of the newest operators stay, at least the one just added; by default the recent ones, which
            the threshold is made of.

    Raises:
        InputError: A number is out of range.

    Reference: N. Vaquero-Sabater, A. Carreras, D. Casanova, Pruned-ADAPT-VQE: compacting molecular ansätze by removing
        irrelevant operators, arXiv 2504.04652.

    """

    alpha: float = 11.0
    fraction: float = 0.1
    recent: int = 4
    spared: int = 4

    def __post_init__(self) -> None:
        if not 0.0 <= self.alpha < np.inf:
            raise InputError(f"alpha={self.alpha}: must be a number from 0; try 11")
        if not 0.0 < self.fraction < 1.0:
            raise InputError(f"fraction={self.fraction}: must be between 0 and 1; try 0.1")
        for name, number in (("recent", self.recent), ("spared", self.spared)):
            if number < 1:
                raise InputError(f"{name}={number}: must be at least 1; try {getattr(PrunedAdapt, name)}")

    def candidate(self, angles: Vector, kept: Sequence[int] = ()) -> int | None:
        """Return the operator to remove, None where all may stay.

        Args:
            angles: Of the operators, the oldest first, radian; shape (n_operators,).
            kept: Operators that must stay.

        """
        sizes = np.abs(angles)
        positions = np.arange(len(sizes)) / max(len(sizes), 1)
        scores = -self.alpha * positions - 2.0 * np.log(np.maximum(sizes, 1e-150))  # logarithm: an angle may be 0
        scores[max(len(sizes) - self.spared, 0) :] = -np.inf
        scores[list(kept)] = -np.inf
        if not np.isfinite(scores).any():
            return None
        best = int(np.argmax(scores))
        return best if sizes[best] < self.fraction * sizes[-self.recent :].mean() else None


@dataclass(frozen=True, eq=False, kw_only=True)
class GrowthPoint:
    """The ansatz after one growth step.

    Attributes:
        ansatz: What has grown so far, one parameter a rotation, the oldest first.
        optimum: Its optimum.
        chosen: The generator that this step added, None for the first point, the bare reference.
        gradient: Magnitude of its gradient when it was chosen, in the problem's unit per radian.
        removed: Generators that this step took out again.

    """

    ansatz: Ansatz
    optimum: Optimum
    chosen: Generator | None = None
    gradient: float | None = None
    removed: tuple[Generator, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Growth:
    """The result of growing.

    Attributes:
        points: The reference and the ansatz after each growth step.
        reason: Why growth ended.
        largest_gradient: Largest gradient of the pool at the last point, in the problem's unit per radian.

    """

    points: tuple[GrowthPoint, ...]
    reason: GrowthStop
    largest_gradient: float

    @property
    def final(self) -> GrowthPoint:
        """The last point."""
        return self.points[-1]


def pool_gradients(
    problem: Problem | QubitProblem, ansatz: Ansatz, angles: Vector, pool: Sequence[Generator], *, threads: int = 1
) -> Vector:
    """Return dE/d angle at angle 0 of each generator of a pool behind an ansatz, by one adjoint pass over all of them.

    Args:
        problem: Of electrons for excitations, of qubits for Pauli sums.
        ansatz: What has grown so far; it may be empty.
        angles: Its angles, radian; shape (n_parameters,).
        pool: The generators.
        threads: Threads for large states.

    Returns:
        Gradients in the problem's unit per radian; shape (len(pool),).

    Raises:
        InputError: The pool is empty or does not fit the problem.

    """
    _check_pool(problem, pool)
    return _gradients(energy_of(problem, threads), ansatz, angles, pool)


def grow(
    problem: Problem | QubitProblem,
    pool: Sequence[Generator],
    *,
    gradient_tolerance: float = 1e-5,
    energy_tolerance: float = 1e-8,
    target_error: float | None = None,
    max_operators: int = 100,
    prune: PrunedAdapt | None = None,
    seed: int | None = None,
    threads: int = 1,
    progress: Callable[[GrowthPoint], None] | None = None,
) -> Growth:
    """Grow an ansatz from the reference: append the generator with the largest gradient, re-optimise, and go on.

    Of generators with equal gradients the one whose ansatz takes fewest two-qubit gates is appended, of those the first
    of the pool. A generator may be chosen again, also right away: growth ends on gradient, energy and length only.

    Args:
        problem: Of electrons for `fermionic_pool`, of qubits for `qubit_pool` and `pauli_pool`.
        pool: The generators.
        gradient_tolerance: Growth ends where no gradient of the pool is larger, in the problem's unit per radian.
        energy_tolerance: Growth ends where `PATIENCE` steps in a row gain no more than this each, in the problem's
            unit.
        target_error: Growth ends at this error to the exact energy, default never.
        max_operators: Growth ends at so many operators in the ansatz.
        prune: Take operators out again after each step, default never.
        seed: Draw among generators with equal gradients and equal gates, default the first of the pool.
        threads: Threads for large states.
        progress: Called with each new point.

    Returns:
        All points, and why growth ended.

    Raises:
        InputError: The pool is empty or does not fit the problem, a tolerance is not positive, or the exact energy is
            not known.

    """
    _check_pool(problem, pool)
    goal = _check_settings(problem, gradient_tolerance, energy_tolerance, target_error, max_operators)
    bind = energy_of(problem, threads)
    tolerance = min(OPTIMISER_GRADIENT, 0.1 * gradient_tolerance)
    draws = None if seed is None else np.random.default_rng(seed)

    def optimise(ansatz: Ansatz, start: Vector) -> Optimum:
        return minimize(bind(ansatz), start, gradient_tolerance=tolerance)

    nothing = _ansatz(())
    points = [GrowthPoint(ansatz=nothing, optimum=optimise(nothing, np.zeros(0)))]
    pruned_once: set[Generator] = set()
    idle = 0
    while True:
        ansatz, optimum = points[-1].ansatz, points[-1].optimum
        if progress is not None:
            progress(points[-1])
        slopes = np.abs(_gradients(bind, ansatz, optimum.angles, pool))
        steepest = float(slopes.max())
        reason = None
        if optimum.value <= goal or idle >= PATIENCE:
            reason = GrowthStop.ENERGY
        elif steepest <= gradient_tolerance:
            reason = GrowthStop.GRADIENT
        elif ansatz.n_parameters >= max_operators:
            reason = GrowthStop.LENGTH
        if reason is not None:
            return Growth(points=tuple(points), reason=reason, largest_gradient=steepest)
        chosen = pool[_choose(problem, ansatz, pool, slopes, draws)]
        ansatz = _ansatz((*_generators(ansatz), chosen))
        optimum = optimise(ansatz, np.append(optimum.angles, 0.0))
        removed: list[Generator] = []
        while prune is not None:
            generators = _generators(ansatz)
            back = [k for k, generator in enumerate(generators) if generator in pruned_once]
            k = prune.candidate(optimum.angles, back)
            if k is None:
                break
            removed.append(generators[k])
            pruned_once.add(generators[k])
            ansatz = _ansatz((*generators[:k], *generators[k + 1 :]))
            optimum = optimise(ansatz, np.delete(optimum.angles, k))
        points.append(
            GrowthPoint(ansatz=ansatz, optimum=optimum, chosen=chosen, gradient=steepest, removed=tuple(removed))
        )
        gain = points[-2].optimum.value - optimum.value
        idle = idle + 1 if gain <= energy_tolerance else 0


def _choose(
    problem: Problem | QubitProblem,
    ansatz: Ansatz,
    pool: Sequence[Generator],
    slopes: Vector,
    draws: np.random.Generator | None,
) -> int:
    """Index of the steepest generator; of equal ones with fewest gates, of those the first or one drawn."""
    equal = np.flatnonzero(slopes >= slopes.max() * (1.0 - EQUAL_GRADIENTS))
    if len(equal) > 1:
        counts = [_two_qubit_gates(problem, _ansatz((*_generators(ansatz), pool[k]))) for k in equal.tolist()]
        equal = equal[np.array(counts) == min(counts)]
    return int(equal[0] if draws is None else draws.choice(equal))


def _two_qubit_gates(problem: Problem | QubitProblem, ansatz: Ansatz) -> int:
    angles = np.ones(ansatz.n_parameters)  # counts depend on the structure alone
    return count_resources(problem_gates(problem, ansatz, angles)).n_two_qubit_gates


def _gradients(
    bind: Callable[[Ansatz], Objective], ansatz: Ansatz, angles: Vector, pool: Sequence[Generator]
) -> Vector:
    # at angle 0 a rotation does nothing to those behind it, so all of the pool can stand there together
    joined = _ansatz(pool, behind=ansatz)
    _, gradient = bind(joined).value_and_gradient(np.append(angles, np.zeros(len(pool))))
    return gradient[ansatz.n_parameters :]


def _generators(ansatz: Ansatz) -> tuple[Generator, ...]:
    return tuple(rotation.generator for rotation in ansatz.rotations)


def _ansatz(generators: Iterable[Generator], behind: Ansatz | None = None) -> Ansatz:
    """An ansatz with one parameter for each generator, behind the rotations of another one."""
    first = () if behind is None else behind.rotations
    start = 0 if behind is None else behind.n_parameters
    rotations = tuple(Rotation(generator, start + k) for k, generator in enumerate(generators))
    return Ansatz(name="adapt", rotations=first + rotations, n_parameters=start + len(rotations))


def _check_pool(problem: Problem | QubitProblem, pool: Sequence[Generator]) -> None:
    if not pool:
        raise InputError(f"pool of {problem.name}: it is empty; try fermionic_pool or qubit_pool with generalised=True")
    for generator in pool:
        if not isinstance(generator, Excitation | PauliSum):
            raise InputError(f"pool of {problem.name}: {generator.label} has no angle; give Excitation or PauliSum")
    check_ansatz(problem, _ansatz(pool))


def _check_settings(
    problem: Problem | QubitProblem, gradient: float, energy: float, error: float | None, operators: int
) -> float:
    """Return the energy at which growth ends, minus infinity for never."""
    for name, value, example in (("gradient_tolerance", gradient, 1e-5), ("energy_tolerance", energy, 1e-8)):
        if not 0.0 < value < np.inf:
            raise InputError(f"{name}={value}: must be a positive number; try {example:g}")
    if operators < 1:
        raise InputError(f"max_operators={operators}: must be at least 1; try 100")
    if error is None:
        return -np.inf
    if not 0.0 < error < np.inf:
        raise InputError(f"target_error={error}: must be a positive number; try 1.5e-3")
    exact = problem.energies.get("exact")
    if exact is None:
        raise InputError(f"target_error={error}: the exact energy of {problem.name} is not known; leave it out")
    return exact + error
