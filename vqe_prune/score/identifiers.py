"""What a gate is in LiePrune's eyes: its one-parameter subgroup, where it stands in it, and what it does to the states.

U = exp(-i x G) is a point x of the subgroup {exp(-i t G)}; two gates of one subgroup are compared by x modulo the
period, by the Fubini-Study distance of what they make of the states that enter them, and by the Fisher information
4 Var(G) there. Everything follows from one spectrum, the weights of those states on the eigenvalues of G:

    <exp(-i x G)> = sum_i p_i exp(-i x lambda_i),   Var(G) = sum_i p_i lambda_i^2 - (sum_i p_i lambda_i)^2.

For involutions and for generators with G^3 = G these weights are moments of G; sums of commuting Pauli strings have
them from the means of the products of their strings.

Source: H. Shao, B. Yang, W. Liu, X. Deng, Y. Jiang, LiePrune: Lie Group and Quantum Geometric Dual Representation for
    One-Shot Structured Pruning of Quantum Neural Networks, arXiv 2512.09469, gives subgroups, algebra coordinates,
    Fubini-Study distance and Fisher information; this identifier, its weights and its ensemble are our
    reconstruction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Generator
from vqe_prune.electrons import excitation_irrep
from vqe_prune.engine import kernels, pauli_kernels
from vqe_prune.engine.determinants import Sector, string_excitations
from vqe_prune.engine.sector import compile_ansatz as compile_excitations
from vqe_prune.engine.statevector import compile_ansatz as compile_strings
from vqe_prune.errors import InputError
from vqe_prune.exact import apply_string
from vqe_prune.paulis import Clifford, PauliString, PauliSum, commutator, multiply_strings
from vqe_prune.problem import Problem
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.score.space import MaskSum, clifford_sum, mask_sum

Vector = NDArray[np.float64]

Subgroup = tuple[Any, ...]
"""A generator up to sign and scale: strings with their coefficients, or the spin orbitals of an excitation."""

ENSEMBLES = ("trajectory", "reference", "data")

PATH_POINTS = (0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0)
"""Shares of the angles at which the trajectory from none to all of them is looked at; the last is the optimum."""

MOST_INDEPENDENT_STRINGS = 6
"""With more independent strings the 2^r weights of a generator cost too much; bounds take their place."""

EQUAL_EIGENVALUES = 1e-9

LEAST_FREQUENCY = 1e-3
"""A common divisor of frequencies below this share of the largest is rounding: there is no period worth the name."""


@dataclass(frozen=True, kw_only=True)
class Identifier:
    """One rotation exp(-i angle G), G = scale * (generator of the subgroup).

    The subgroup's generator has 1/2 as its largest coefficient, its first one positive, so that exp(-i x P / 2) has
    the coordinate x; that of an excitation is i (T - T^dagger) with T and its indices in a fixed order.

    Attributes:
        subgroup: Equal for gates of the same one-parameter subgroup.
        scale: The generator divided by the subgroup's.
        coordinate: angle * scale modulo the period, in [-period / 2, period / 2].
        period: Least x > 0 for which exp(-i x G), G the subgroup's generator, is a phase: 2 pi for excitations and
            Pauli strings; a controlled exp(-i angle P / 2) has scale 1/2, so that its angle has 4 pi; infinite where
            eigenvalues are incommensurate.
        wires: Qubits or spin orbitals it acts on.
        information: 4 Var(G), G the subgroup's generator, mean over the ensemble.
        eigenvalues: Of the subgroup's generator; empty where they are too many.
        weights: Probability of each eigenvalue in the state that enters the gate, a row for each ensemble member;
            where eigenvalues are too many, the variance of G instead.
        flags: For excitations the product of the irreps; for Pauli sums 1 for each register-wide symmetry kept.

    """

    subgroup: Subgroup
    scale: float
    coordinate: float
    period: float
    wires: tuple[int, ...]
    information: float
    eigenvalues: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    flags: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights of the three terms of a distance (our choice; the source gives none).

    Attributes:
        algebra: Of the difference of coordinates modulo the period, radian.
        fubini: Of the Fubini-Study distance, radian, the largest over the states that enter the gates.
        fisher: Of the difference of the roots of the Fisher informations.

    """

    algebra: float = 1.0
    fubini: float = 1.0
    fisher: float = 0.1


def identify(
    problem: Problem | QubitProblem,
    ansatz: Ansatz,
    angles: Vector,
    *,
    ensemble: str = "trajectory",
    data: Sequence[NDArray[np.complex128]] | None = None,
) -> list[Identifier | None]:
    """Return the identifier of each rotation, None for a Clifford gate, from one forward pass a member of the ensemble.

    Args:
        problem: Gives the reference and the symmetries.
        ansatz: Excitations on its spin orbitals, or Pauli rotations and Clifford gates on its qubits.
        angles: Parameters, radian, (n_parameters,).
        ensemble: ``trajectory``: the circuit at four points from zero to all of the angles; ``reference``: the circuit
            at angles zero, so that every gate meets the reference; ``data``: given states enter the circuit.
        data: Those states; shape of a state of the problem each.

    Raises:
        InputError: The ensemble is unknown, or data are missing or have no effect.

    """
    if ensemble not in ENSEMBLES:
        raise InputError(f"unknown ensemble {ensemble!r}; available: {', '.join(ENSEMBLES)}")
    if (ensemble == "data") != (data is not None and len(data) > 0):
        raise InputError("the ensemble data needs at least one state in data, and no other ensemble takes any")
    if ensemble == "data" and data is not None:
        members = [input_weights(problem, ansatz, angles, state) for state in data]
    else:
        shares = PATH_POINTS if ensemble == "trajectory" else (0.0,)
        members = [input_weights(problem, ansatz, share * np.asarray(angles)) for share in shares]
    rotation_angles = ansatz.rotation_angles(angles)
    found: list[Identifier | None] = []
    flags: dict[Subgroup, tuple[int, ...]] = {}
    for k, rotation in enumerate(ansatz.rotations):
        generator = rotation.generator
        if isinstance(generator, Clifford):
            found.append(None)
            continue
        subgroup, scale = subgroup_of(generator)
        values = eigenvalues(subgroup)
        rows = tuple(member[k] for member in members)
        if subgroup not in flags:
            flags[subgroup] = _flags(problem, generator)
        period = common_period(np.subtract(values, values[0])) if values else math.inf
        found.append(
            Identifier(
                subgroup=subgroup,
                scale=scale,
                coordinate=reduced(float(rotation_angles[k]) * scale, period),
                period=period,
                wires=generator.spin_orbitals if isinstance(generator, Excitation) else generator.qubits,
                information=float(np.mean([4.0 * _variance(values, row) for row in rows])),
                eigenvalues=values,
                weights=rows,
                flags=flags[subgroup],
            )
        )
    return found


def subgroup_of(generator: PauliSum | Excitation) -> tuple[Subgroup, float]:
    """Return a generator up to sign and scale, and what the subgroup's generator is multiplied with."""
    if isinstance(generator, Excitation):
        created, annihilated = tuple(sorted(generator.created)), tuple(sorted(generator.annihilated))
        swaps = sum(
            p > q
            for part in (generator.created, generator.annihilated)
            for k, p in enumerate(part)
            for q in part[k + 1 :]
        )
        sign = -1.0 if swaps % 2 else 1.0
        if annihilated < created:  # T^dagger - T is minus T - T^dagger
            return (annihilated, created), -sign
        return (created, annihilated), sign
    terms = sorted(generator.terms, key=lambda term: term[1])
    scale = math.copysign(2.0 * max(abs(c) for c, _ in terms), terms[0][0])
    if scale == 0.0:
        raise InputError(f"the generator {generator.label} is zero: drop the gate")
    return tuple((round(c / scale, 9), string) for c, string in terms), scale


def eigenvalues(subgroup: Subgroup) -> tuple[float, ...]:
    """Return the distinct eigenvalues of a subgroup's generator, ascending; none where they are too many."""
    if _is_excitation(subgroup):
        return (-1.0, 0.0, 1.0)
    structure = _string_structure(subgroup)
    return () if structure is None else structure.values


def _is_excitation(subgroup: Subgroup) -> bool:
    first = subgroup[0]
    return isinstance(first, tuple) and isinstance(first[0], int)


def common_period(frequencies: Iterable[float] | Vector) -> float:
    """Return the least T > 0 with f T a multiple of 2 pi for all frequencies f, infinite where there is none.

    Args:
        frequencies: Differences of eigenvalues; zeros do not count.

    """
    values = [abs(float(f)) for f in frequencies if abs(f) > EQUAL_EIGENVALUES]
    largest = max(values, default=0.0)
    divisor = largest
    for value in values:
        other = value
        while other > 1e-7 * largest:  # Euclid with the nearest multiple; rounding of coefficients is far below
            divisor, other = other, abs(divisor - other * round(divisor / other))
    return math.inf if divisor <= LEAST_FREQUENCY * largest else 2.0 * math.pi / divisor


def reduced(coordinate: float, period: float) -> float:
    """Return a coordinate modulo the period, in [-period / 2, period / 2]."""
    return coordinate - period * round(coordinate / period) if math.isfinite(period) else coordinate


def input_weights(
    problem: Problem | QubitProblem, ansatz: Ansatz, angles: Vector, state: NDArray[np.complex128] | None = None
) -> list[tuple[float, ...]]:
    """Return, for each rotation, the weights of the state that enters it on its generator's eigenvalues.

    Args:
        problem: Gives the sector or the number of qubits, and the reference.
        ansatz: The circuit.
        angles: Parameters, radian, (n_parameters,).
        state: What enters the circuit, default the reference: real (n_alpha_strings, n_beta_strings), or (2^n,).

    Returns:
        A row for each rotation: its weights, empty for Clifford gates, the variance alone where eigenvalues are many.

    """
    if isinstance(problem, QubitProblem):
        given: NDArray[np.complex128] = problem.reference_state if state is None else state
        start = np.array(given, dtype=np.complex128)
        if start.shape != (1 << problem.n_qubits,):
            raise InputError(f"a state of {problem.name} has shape {(1 << problem.n_qubits,)}, not {start.shape}")
        return list(_qubit_weights(ansatz, np.asarray(angles, dtype=np.float64), start))
    electrons = problem.electrons
    sector = Sector(n_orbitals=electrons.n_orbitals, n_alpha=electrons.n_alpha, n_beta=electrons.n_beta)
    psi = np.zeros(sector.shape)
    psi[0, 0] = 1.0
    if state is not None:
        if state.shape != sector.shape or np.iscomplexobj(state):
            raise InputError(f"a state of {problem.name} is real with shape {sector.shape}, not {state.shape}")
        psi = np.array(state, dtype=np.float64)
    return list(_sector_weights(sector, ansatz, angles, psi))


def _sector_weights(sector: Sector, ansatz: Ansatz, angles: Vector, psi: Vector) -> Iterator[tuple[float, ...]]:
    """Yield the weights on -1, 0, 1: a real state has <G> = 0, and <G^2> is what it has on the pairs that G couples."""
    tables = compile_excitations(sector, ansatz)
    rotation_angles = ansatz.rotation_angles(angles)
    cosines, sines = np.cos(rotation_angles), np.sin(rotation_angles) * tables.order_signs
    squared = psi * psi
    for first, last, lo, hi in tables.segments:
        for r in range(first, last):
            columns = slice(tables.b_start[r, 0], tables.b_stop[r, 0])
            here = squared[np.ix_(tables.a_from[lo:hi], tables.b_from[columns])].sum()
            there = squared[np.ix_(tables.a_to[lo:hi], tables.b_to[columns])].sum()
            second_moment = min(float(here + there), 1.0)
            yield 0.5 * second_moment, 1.0 - second_moment, 0.5 * second_moment
            kernels.rotate(tables, cosines, sines, psi, r, r + 1, lo, hi)
            np.multiply(psi, psi, out=squared)


def _qubit_weights(ansatz: Ansatz, angles: Vector, psi: NDArray[np.complex128]) -> Iterator[tuple[float, ...]]:
    n_qubits = int(psi.size).bit_length() - 1
    compiled = compile_strings(n_qubits, ansatz)
    gate_angles = np.append(angles, 1.0)[compiled.parameters] * compiled.coefficients
    cosines, sines = np.cos(gate_angles), np.sin(gate_angles)
    gate = 0
    for rotation in ansatz.rotations:
        generator, length = rotation.generator, 1
        if isinstance(generator, PauliSum):
            length = len(generator.terms)
            subgroup, _ = subgroup_of(generator)
            structure = _string_structure(subgroup)
            if structure is None:
                image = sum(c * apply_string(string, psi, n_qubits) for c, string in subgroup)
                yield (float(np.vdot(image, image).real - np.vdot(psi, image).real ** 2),)
            else:
                means = [float(np.vdot(psi, apply_string(p, psi, n_qubits)).real) for p in structure.strings]
                yield tuple(np.maximum(structure.to_weights @ np.array(means), 0.0).tolist())
        else:
            yield ()
        pauli_kernels.rotate(compiled.gates, cosines, sines, psi, gate, gate + length, 0, pauli_kernels.WHOLE, 0, 1)
        gate += length


@dataclass(frozen=True, eq=False)
class _StringStructure:
    """The eigenvalues of a sum of commuting strings and the products of them whose means give their weights."""

    values: tuple[float, ...]
    strings: tuple[PauliString, ...]
    to_weights: Vector


@cache
def _string_structure(subgroup: Subgroup) -> _StringStructure | None:
    """Diagonalise a sum of commuting strings by characters of the group that they generate.

    With r independent strings, signs s in {+1, -1}^r label the common eigenspaces, whose weights are
    p_s = 2^-r sum_b (prod_{i in b} s_i) <prod_{i in b} g_i> over all subsets b.
    """
    terms: list[tuple[float, PauliString]] = list(subgroup)
    elements: list[tuple[float, PauliString]] = [(1.0, ())]
    members = []  # of each term its coefficient, with the sign of its string, and the subset that it is
    for coefficient, string in terms:
        place = next((b for b, (_, known) in enumerate(elements) if known == string), None)
        if place is None:
            if len(elements) == 1 << MOST_INDEPENDENT_STRINGS:
                return None
            place = len(elements)
            products = [(sign, *multiply_strings(known, string)) for sign, known in elements]
            elements += [(sign * phase.real, product) for sign, phase, product in products]
        members.append((coefficient * elements[place][0], place))
    subsets = np.arange(len(elements))
    characters = 1.0 - 2.0 * (np.bitwise_count(subsets[:, None] & subsets) & 1)
    spectrum = np.round(sum(c * characters[:, place] for c, place in members), 9)
    values, columns = np.unique(spectrum, return_inverse=True)
    signs = np.array([sign for sign, _ in elements])
    together = np.zeros((len(values), len(elements)))
    np.add.at(together, columns, characters * signs / len(elements))
    return _StringStructure(tuple(values.tolist()), tuple(string for _, string in elements), together)


def _variance(values: Sequence[float], row: Sequence[float]) -> float:
    if not values:
        return row[0]
    mean = float(np.dot(row, values))
    return max(float(np.dot(row, np.square(values))) - mean * mean, 0.0)


def _flags(problem: Problem | QubitProblem, generator: PauliSum | Excitation) -> tuple[int, ...]:
    if isinstance(problem, Problem) and isinstance(generator, Excitation):
        return (excitation_irrep(problem.electrons.irreps, generator.spin_orbitals),)
    if isinstance(problem, QubitProblem) and isinstance(generator, PauliSum):
        symmetries = problem.symmetries.register_wide
        return tuple(int(not commutator(generator.terms, symmetry)) for symmetry in symmetries)
    raise InputError(f"{generator.label} is not a gate of {problem.name}")


def fubini_study(identifier: Identifier, shifts: Vector) -> Vector:
    """Return the Fubini-Study distance of exp(-i x G) and exp(-i (x + shift) G) on the states that enter a gate.

    arccos |sum_i p_i exp(-i shift lambda_i)|; with too many eigenvalues its bound |shift| sqrt(Var G).

    Args:
        identifier: The gate; the largest value over its ensemble counts.
        shifts: Differences of coordinates, any shape.

    Returns:
        Distances in radian, at most pi / 2, same shape.

    """
    weights, shifts = np.array(identifier.weights), np.asarray(shifts, dtype=np.float64)
    if not identifier.eigenvalues:
        return np.minimum(np.abs(shifts) * math.sqrt(max(weights.max(), 0.0)), 0.5 * math.pi)
    values = np.array(identifier.eigenvalues)
    gaps = values[:, None] - values
    # 1 - |<U>|^2 = 2 sum_ij p_i p_j sin^2(shift gap_ij / 2): no digits are lost where the distance is small
    sines = np.sin(0.5 * shifts[..., None, None] * gaps) ** 2
    squares = np.einsum("...ij,mi,mj->...m", 2.0 * sines, weights, weights)
    sine = np.sqrt(np.clip(squares, 0.0, 1.0))
    return np.arcsin(sine).max(axis=-1)


def operator_distance(identifier: Identifier, shift: float) -> float:
    """Return ||exp(-i x G) - exp(-i (x + shift) G)|| = max_i 2 |sin(shift lambda_i / 2)|, or a bound of it."""
    if identifier.eigenvalues:
        return float(np.max(2.0 * np.abs(np.sin(0.5 * shift * np.array(identifier.eigenvalues)))))
    return min(abs(shift) * sum(abs(c) for c, _ in identifier.subgroup), 2.0)


def distance(
    first: Identifier, second: Identifier, weights: Weights | None = None, *, sign: float | None = None
) -> float:
    """Return how far two gates are from being one.

    w_algebra |x - y modulo the period| + w_fubini D + w_fisher |sqrt F - sqrt F'|, infinite for different subgroups.

    Args:
        first: A gate.
        second: Another one.
        weights: Of the three terms.
        sign: +1 or -1 where a symmetry maps the second's subgroup onto the first's with that sign.

    """
    weights = weights or Weights()
    if sign is None and first.subgroup != second.subgroup:
        return math.inf
    shift = reduced((sign or 1.0) * second.coordinate - first.coordinate, first.period)
    fubini = max(float(fubini_study(each, np.array(shift))) for each in (first, second))
    fisher = abs(math.sqrt(first.information) - math.sqrt(second.information))
    return weights.algebra * abs(shift) + weights.fubini * fubini + weights.fisher * fisher


def generators_commute(first: Generator, second: Generator, n_qubits: int) -> bool:
    """Return whether two gates commute at all angles, tested exactly.

    Excitations are compared on the Fock space of the spin orbitals that they touch: an operator of as many creators
    as annihilators has no sign from the others. Pauli sums and Clifford gates are multiplied out string by string.

    Args:
        first: A generator or a Clifford gate.
        second: Another one, both excitations or neither.
        n_qubits: Number of qubits.

    """
    if isinstance(first, Excitation) and isinstance(second, Excitation):
        if not set(first.spin_orbitals) & set(second.spin_orbitals):
            return True
        touched = sorted({*first.spin_orbitals, *second.spin_orbitals})
        place = {p: k for k, p in enumerate(touched)}
        parts = [tuple(place[p] for p in part) for e in (first, second) for part in (e.created, e.annihilated)]
        return _excitations_commute(parts[0], parts[1], parts[2], parts[3], len(touched))
    if isinstance(first, Excitation) or isinstance(second, Excitation):
        raise ValueError("Arguments `first` and `second` must both be excitations or both act on qubits")
    if not set(first.qubits) & set(second.qubits):
        return True
    return _sums_commute(_operator(first, n_qubits), _operator(second, n_qubits))


@cache
def _excitations_commute(
    created: tuple[int, ...], annihilated: tuple[int, ...], other: tuple[int, ...], emptied: tuple[int, ...], n: int
) -> bool:
    occupations = np.arange(1 << n, dtype=np.int64)
    matrices = []
    for part in ((created, annihilated), (other, emptied)):
        source, target, sign = string_excitations(occupations, *part)
        matrix = np.zeros((1 << n, 1 << n))
        matrix[target, source] = sign
        matrices.append(matrix - matrix.T)
    first, second = matrices
    return not np.any(first @ second - second @ first)  # small integers: exact


def _operator(generator: PauliSum | Clifford, n_qubits: int) -> MaskSum:
    return clifford_sum(generator, n_qubits) if isinstance(generator, Clifford) else mask_sum(generator.terms, n_qubits)


def _sums_commute(first: MaskSum, second: MaskSum) -> bool:
    """P = i^(number of Y) X^x Z^z, and Z^z X^x = (-1)^(bits of x & z) X^x Z^z."""
    result: dict[tuple[int, int], complex] = {}
    for (x, z), a in first.items():
        for (u, w), b in second.items():
            ahead, behind = (z & u).bit_count() % 2, (w & x).bit_count() % 2
            if ahead != behind:
                phase = 1j ** (((x & z).bit_count() + (u & w).bit_count()) % 4)
                result[x ^ u, z ^ w] = result.get((x ^ u, z ^ w), 0.0) + 2.0 * a * b * phase * (behind - ahead)
    return all(abs(value) < 1e-12 for value in result.values())
