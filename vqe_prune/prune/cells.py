"""Cells of LiePrune: parameters that turn the same one-parameter subgroup, up to a symmetry of the problem."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vqe_prune.ansatz.rotation import Ansatz, Excitation
from vqe_prune.automorphism import Permutation, permuted
from vqe_prune.paulis import Clifford, PauliSum
from vqe_prune.problem import Problem
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.score.identifiers import Subgroup, subgroup_of
from vqe_prune.symmetry import SignedPermutation

MOST_ELEMENTS = 2_000
"""Of larger symmetry groups the generators alone relate gates."""

SAME_RATIO = 1e-9
"""Coefficients of rotations that share a parameter count as equal within this where a merge must be exact."""

GateKey = tuple[tuple[Subgroup, float], ...]
"""What one parameter turns, up to sign and scale: its rotations' subgroups and relative coefficients, sorted."""

Image = Callable[[Subgroup], tuple[Subgroup, float]]
"""A symmetry: the image of a subgroup and the factor of its generator."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Unit:
    """A parameter with all that it turns: exp(-i angle sum ...) as a point of a subgroup, coordinate scale * angle.

    Attributes:
        parameter: Its index.
        key: Its rotations' subgroups and coefficients relative to the first of them, sorted by subgroup.
        scale: Coordinate of the first of them, divided by the angle.
        ordered: The rotations in the order of the key.
        values: Coordinate of each of them divided by the angle, in the same order.

    """

    parameter: int
    key: GateKey
    scale: float
    ordered: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def rotations(self) -> list[int]:
        """Its rotations in the order of the circuit."""
        return sorted(self.ordered)


def units_of(ansatz: Ansatz) -> list[Unit]:
    """Return each parameter with all that it turns, in the order of the parameters."""
    members: list[list[tuple[Subgroup, float, int]]] = [[] for _ in range(ansatz.n_parameters)]
    for k, rotation in enumerate(ansatz.rotations):
        if rotation.parameter is not None and not isinstance(rotation.generator, Clifford):
            subgroup, scale = subgroup_of(rotation.generator)
            members[rotation.parameter].append((subgroup, rotation.coefficient * scale, k))
    units = []
    for parameter, rotations in enumerate(members):
        rotations.sort(key=lambda member: (member[0], member[2]))
        key, scale = _gate_key([(subgroup, value) for subgroup, value, _ in rotations])
        ordered, values = tuple(k for _, _, k in rotations), tuple(value for _, value, _ in rotations)
        units.append(Unit(parameter=parameter, key=key, scale=scale, ordered=ordered, values=values))
    return units


def _gate_key(members: Sequence[tuple[Subgroup, float]]) -> tuple[GateKey, float]:
    """Return subgroups with relative coefficients, sorted, and the coefficient that they are relative to."""
    ordered = sorted(members, key=lambda member: member[0])
    scale = ordered[0][1] or 1.0  # a coefficient of 0: the gate does nothing
    return tuple((subgroup, round(value / scale, 3)) for subgroup, value in ordered), scale


def same_ratios(first: Unit, second: Unit) -> bool:
    """Return whether two parameters turn the same gates in exactly the same proportions."""
    ratios = [b / a if a else math.nan for a, b in zip(first.values, second.values, strict=True)]
    return all(abs(ratio - ratios[0]) < SAME_RATIO * abs(ratios[0]) for ratio in ratios)


def symmetry_images(problem: Problem | QubitProblem) -> list[Image]:
    """Return how each symmetry of the problem maps one-parameter subgroups, the identity left out.

    Of electrons the signed permutations of spin orbitals, of qubits the permutations that keep the Hamiltonian: all
    products of them, or where they are too many the generators alone.
    """
    if isinstance(problem, QubitProblem):
        return [_qubit_image(element) for element in problem.symmetries.permutations.elements(MOST_ELEMENTS)]
    return [_orbital_image(element) for element in _signed_elements(problem.symmetries)]


def _qubit_image(permutation: Permutation) -> Image:
    def image(subgroup: Subgroup) -> tuple[Subgroup, float]:
        terms: list[tuple[float, tuple[tuple[int, str], ...]]] = list(subgroup)
        return subgroup_of(PauliSum(tuple((c, permuted(string, permutation)) for c, string in terms)))

    return image


def _orbital_image(symmetry: SignedPermutation) -> Image:
    def image(subgroup: Subgroup) -> tuple[Subgroup, float]:
        created, annihilated = (tuple(int(symmetry.targets[p]) for p in part) for part in subgroup)
        indices = [p for part in subgroup for p in part]
        moved, sign = subgroup_of(Excitation(created, annihilated))
        return moved, sign * float(np.prod(symmetry.signs[indices]))

    return image


def _signed_elements(generators: Sequence[SignedPermutation]) -> list[SignedPermutation]:
    """All products of signed permutations but the identity: there are a mirror and a partner map at most."""
    if not generators:
        return []
    size = len(generators[0].targets)
    identity: tuple[tuple[int, ...], tuple[int, ...]] = (tuple(range(size)), (1,) * size)
    queue = [identity]
    for targets, signs in queue:  # it grows while it is read
        for generator in generators:
            moved = generator.targets[list(targets)]
            image = (tuple(moved.tolist()), tuple((np.array(signs) * generator.signs[list(targets)]).tolist()))
            if image not in queue:
                queue.append(image)
    return [SignedPermutation(name="", targets=np.array(t), signs=np.array(s)) for t, s in queue[1:]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Cell:
    """Parameters whose gates are the same one-parameter subgroup up to a symmetry.

    Attributes:
        members: In the order of the circuit.
        factors: Coordinate in the cell divided by each member's own coordinate.

    """

    members: tuple[Unit, ...]
    factors: tuple[float, ...]


def cells_of(problem: Problem | QubitProblem, ansatz: Ansatz) -> list[Cell]:
    """Split the parameters of an ansatz into cells.

    Where symmetries relate two subgroups with both signs, as where one maps a generator onto minus itself, there is no
    common coordinate: each of these subgroups is a cell of its own.

    Args:
        problem: Gives the symmetries.
        ansatz: Any rotations.

    """
    by_key: dict[GateKey, list[Unit]] = {}
    for unit in sorted(units_of(ansatz), key=lambda each: each.rotations[0]):
        by_key.setdefault(unit.key, []).append(unit)
    images = symmetry_images(problem)
    found, done = [], set[GateKey]()
    for start in by_key:
        if start in done:
            continue
        factors, ambiguous = _orbit(start, by_key, images)
        done |= set(factors)
        groups = [[key] for key in factors] if ambiguous else [list(factors)]
        for group in groups:
            pairs = [(unit, 1.0 if ambiguous else factors[key]) for key in group for unit in by_key[key]]
            pairs.sort(key=lambda pair: pair[0].rotations[0])
            members, own = zip(*pairs, strict=True)
            found.append(Cell(members=members, factors=own))
    return found


def _orbit(
    start: GateKey, known: dict[GateKey, list[Unit]], images: Sequence[Image]
) -> tuple[dict[GateKey, float], bool]:
    """Return the factor of each subgroup in the orbit of one, and whether some symmetry gives two different ones."""
    factors, queue, ambiguous = {start: 1.0}, [start], False
    for current in queue:  # it grows while it is read
        for image in images:
            moved = []
            for subgroup, ratio in current:
                target, factor = image(subgroup)
                moved.append((target, ratio * factor))
            key, scale = _gate_key(moved)
            if key not in known:
                continue
            factor = factors[current] / scale
            if key not in factors:
                factors[key] = factor
                queue.append(key)
            elif abs(factors[key] - factor) > 1e-6:
                ambiguous = True
    return factors, ambiguous
