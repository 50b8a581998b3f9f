"""Giving a family of problems, such as the geometries along a bond, the same orbitals in the same order and sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vqe_prune.electrons import Electrons
from vqe_prune.errors import InputError
from vqe_prune.problem import Problem
from vqe_prune.symmetry import orbital_energies, spin_orbital_symmetries

NO_OVERLAP = 1e-8
"""Products of integrals (hartree^2) that sum to less than this say nothing about signs."""


def align_problems(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Order the orbitals of every problem like those of the first, and give them the signs of the one before.

    The k-th orbital of an irrep among the doubly, singly or not occupied ones, by orbital energy, stands where the
    k-th of them stands in the first problem. Then orbital p is multiplied by s_p = +1 or -1, chosen so that integrals
    resemble those of the problem before: the parity equations s_p s_q ... = sign(sum of products of the two problems'
    integrals with these indices) are solved over GF(2), the heaviest first. Neither changes an energy of the problem;
    they make one excitation mean the same everywhere, so that angles can be handed on and ties have one sign (ours).

    Args:
        problems: Neighbours in the order given, such as bond lengths from short to long; at least one.

    Returns:
        The problems; the first as it was, the others with their orbitals permuted and signed.

    Raises:
        InputError: Numbers of orbitals or electrons, point groups or the irreps of occupied orbitals differ.

    """
    if not problems:
        raise InputError("a family needs at least one problem, but none is given")
    aligned = [problems[0]]
    for problem in problems[1:]:
        aligned.append(align_with(problems[0], aligned[-1], problem)[0])
    return tuple(aligned)


def align_with(first: Problem, before: Problem, problem: Problem) -> tuple[Problem, NDArray[np.float64]]:
    """Order the orbitals of a problem like those of the first, sign them like those of the one before.

    Returns:
        The problem as `align_problems` makes it, and its orbitals in terms of those that it had, a column for each: a
        signed permutation of shape (n_orbitals, n_orbitals).

    """
    _check_alike(first, problem)
    order = _matching_order(first.electrons, problem.electrons)
    signs = _matching_signs(before.electrons, _reordered(problem.electrons, order, np.ones(len(order))))
    electrons = _reordered(problem.electrons, order, signs)
    aligned = replace(problem, electrons=electrons, symmetries=spin_orbital_symmetries(electrons))
    return aligned, np.eye(len(order))[:, order] * signs


def follow_orbitals(
    problems: Sequence[Problem], frames: Sequence[NDArray[np.float64]]
) -> tuple[tuple[Problem, ...], tuple[NDArray[np.float64], ...]]:
    """Order the orbitals of every problem, and give them signs, like those of the problem before by their overlaps.

    Energies of orbitals cross along a curve, and inside one irrep their characters swap where crossings are avoided; an
    index or a rank by energy then means another orbital. Orbital q of a problem stands where the orbital p of the
    problem before stands that it overlaps with: the assignment with the largest sum of <p|q>^2 among orbitals of one
    irrep that are all doubly, singly or not occupied, and the sign that makes <p|q> positive. Ours.

    Args:
        problems: Neighbours in the order given; at least one.
        frames: Orbitals of each problem in orthonormal functions that move with the atoms, a column for each, so that
            <p|q> is the product of two frames (`vqe_prune.neighbours.carried_orbitals`).

    Returns:
        The problems, the first as it was, and their frames in the same order.

    Raises:
        InputError: Numbers of orbitals or electrons, point groups or the irreps of occupied orbitals differ.

    """
    from scipy.optimize import linear_sum_assignment

    if not problems:
        raise InputError("a family needs at least one problem, but none is given")
    aligned, turned = [problems[0]], [np.asarray(frames[0])]
    for problem, frame in zip(problems[1:], frames[1:], strict=True):
        _check_alike(problems[0], problem)
        overlaps = turned[-1].T @ frame
        order = np.zeros(problem.n_orbitals, dtype=np.int64)
        for shell in _shells(problem.electrons):
            same = aligned[-1].electrons.irreps[shell][:, None] == problem.electrons.irreps[shell][None, :]
            rows, columns = linear_sum_assignment(-(overlaps[np.ix_(shell, shell)] ** 2) - 2.0 * len(order) * same)
            order[shell[rows]] = shell[columns]
        signs = np.where(overlaps[np.arange(len(order)), order] < 0.0, -1.0, 1.0)
        electrons = _reordered(problem.electrons, order, signs)
        aligned.append(replace(problem, electrons=electrons, symmetries=spin_orbital_symmetries(electrons)))
        turned.append(frame[:, order] * signs)
    return tuple(aligned), tuple(turned)


def difference(first: Problem, problem: Problem) -> str:
    """Return in words why two problems cannot share an ansatz, empty where they can."""
    for what, expected, given in (
        ("orbitals are", first.n_orbitals, problem.n_orbitals),
        ("alpha and beta electrons are", first.n_electrons, problem.n_electrons),
        ("point group is", first.electrons.group, problem.electrons.group),
    ):
        if expected != given:
            return f"its {what} {given}, not {expected}"
    for occupied, (here, there) in zip(
        ("doubly occupied", "singly occupied", "empty"),
        zip(_shells(problem.electrons), _shells(first.electrons), strict=True),
        strict=True,
    ):
        irreps, expected_irreps = problem.electrons.irreps[here], first.electrons.irreps[there]
        if sorted(irreps) != sorted(expected_irreps):
            return (
                f"its {occupied} orbitals have the irreps {sorted(irreps.tolist())}, not "
                f"{sorted(expected_irreps.tolist())}, so its reference is another configuration"
            )
    return ""


def _check_alike(first: Problem, problem: Problem) -> None:
    """Raise InputError where two problems cannot share an ansatz."""
    reason = difference(first, problem)
    if reason:
        raise InputError(
            f"{problem.name} cannot share an ansatz with {first.name}: {reason}; leave it out or prune it on its own"
        )


def _shells(electrons: Electrons) -> list[NDArray[np.int64]]:
    """Positions of doubly, singly and not occupied orbitals."""
    ends = (0, electrons.n_beta, electrons.n_alpha, electrons.n_orbitals)
    return [np.arange(start, end) for start, end in pairwise(ends)]


def _matching_order(first: Electrons, other: Electrons) -> NDArray[np.int64]:
    """Orbital of `other` that stands at each place: of the same irrep, shell and rank by energy as in `first`."""
    order = np.zeros(first.n_orbitals, dtype=np.int64)
    energies = [np.round(orbital_energies(electrons), 9) for electrons in (first, other)]
    for shell in _shells(first):
        for irrep in np.unique(first.irreps[shell]):
            places, candidates = (
                shell[each.irreps[shell] == irrep][
                    np.argsort(energy[shell][each.irreps[shell] == irrep], kind="stable")
                ]
                for each, energy in zip((first, other), energies, strict=True)
            )
            order[places] = candidates
    return order


def _reordered(electrons: Electrons, order: NDArray[np.int64], signs: NDArray[np.float64]) -> Electrons:
    """Electrons whose orbital p is signs[p] times orbital order[p] of the given ones."""
    h = electrons.one_body[np.ix_(order, order)] * np.multiply.outer(signs, signs)
    pairs = np.multiply.outer(signs, signs)
    g = electrons.two_body[np.ix_(order, order, order, order)] * np.multiply.outer(pairs, pairs)
    dipole = None if electrons.dipole is None else electrons.dipole.turned(np.eye(len(order))[:, order] * signs)
    return replace(electrons, one_body=h, two_body=g, irreps=electrons.irreps[order], dipole=dipole)


def _matching_signs(before: Electrons, electrons: Electrons) -> NDArray[np.float64]:
    """Signs of orbitals that make integrals most alike, +1 where integrals do not tell; shape (n_orbitals,)."""
    weights: dict[int, float] = {}  # mask of the orbitals that occur an odd number of times -> sum of products
    for one, other in ((before.one_body, electrons.one_body), (before.two_body, electrons.two_body)):
        products = one * other
        indices = np.argwhere(products)
        masks = np.bitwise_xor.reduce(np.int64(1) << indices, axis=1)
        unique, position = np.unique(masks, return_inverse=True)
        for mask, weight in zip(unique, np.bincount(position, weights=products[tuple(indices.T)]), strict=True):
            weights[int(mask)] = weights.get(int(mask), 0.0) + float(weight)
    pivots: dict[int, tuple[int, int]] = {}  # highest orbital -> the others and whether their signs multiply to -1
    for mask, weight in sorted(weights.items(), key=lambda item: -abs(item[1])):
        bit = int(weight < 0)
        while mask and abs(weight) > NO_OVERLAP:
            highest = mask.bit_length() - 1
            if highest not in pivots:
                pivots[highest] = mask ^ 1 << highest, bit
                break
            lower, value = pivots[highest]
            mask, bit = mask ^ 1 << highest ^ lower, bit ^ value
    negative = 0
    for highest in sorted(pivots):
        lower, bit = pivots[highest]
        negative |= (bit ^ (lower & negative).bit_count() & 1) << highest
    return np.array([-1.0 if negative >> p & 1 else 1.0 for p in range(electrons.n_orbitals)])
