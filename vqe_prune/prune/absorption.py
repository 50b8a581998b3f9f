"""Absorbing orbital rotations at the end of a circuit: they go into the Hamiltonian's orbitals and cost no gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation
from vqe_prune.orbitals import Matrix, orbital_matrix
from vqe_prune.prune.plan import Action, Decision, PrunePlan
from vqe_prune.prune.rule import AnyRule
from vqe_prune.score.identifiers import generators_commute

Vector = NDArray[np.float64]

SAME_ANGLE = 1e-6
"""Alpha and beta angles (radian) closer than this are equal: optimisers leave as much, energies feel its square."""

REASON = "turns orbitals at the end of the circuit: goes into the Hamiltonian"


def steps_of(rules: Sequence[AnyRule], orbitals: str) -> list[AnyRule]:
    """Return the steps of a pruning: its rules, with ``orbitals`` before the first that trades energy and ``absorb``.

    Args:
        rules: Names of rules, and rules of one's own.
        orbitals: ``fixed``, ``absorb`` or ``optimise``.

    """
    if orbitals == "fixed":
        return list(rules)
    exact = [rule for rule in rules[:1] if rule == "symmetry"]
    steps: list[AnyRule] = [*exact, "orbitals"] if orbitals == "optimise" else [*exact]
    for rule in rules[len(exact) :]:
        steps += [rule, "absorb"]
    return steps


def absorption_plan(ansatz: Ansatz, angles: Vector, n_orbitals: int) -> tuple[PrunePlan, Matrix]:
    """Take rotations of the orbital-rotation subgroup that stand at the end of a circuit out of it; exact.

    Single excitations of alpha and beta electrons by equal angles turn orbitals. They stand at the end where they
    commute with every later rotation that is not absorbed as well. A parameter goes as a whole or not at all. Ours.

    Args:
        ansatz: Excitation rotations.
        angles: Its parameters, radian, (n_parameters,).
        n_orbitals: Number of spatial orbitals.

    Returns:
        One decision a rotation, and the orbitals that the rest acts in: U of `vqe_prune.orbitals.rotated_electrons`.

    """
    turned, generators = ansatz.rotation_angles(angles), ansatz.excitations
    members: list[list[int]] = [[] for _ in range(ansatz.n_parameters)]
    for k, rotation in enumerate(ansatz.rotations):
        if rotation.parameter is not None:
            members[rotation.parameter].append(k)
    going = {k for rotations in members if _turn_orbitals(rotations, generators, turned) for k in rotations}

    def blocked(k: int) -> bool:
        later = (j for j in range(k + 1, len(generators)) if j not in going)
        return any(not generators_commute(generators[k], generators[j], 2 * n_orbitals) for j in later)

    while stuck := {ansatz.rotations[k].parameter for k in going if blocked(k)}:
        going = {k for k in going if ansatz.rotations[k].parameter not in stuck}
    if not _turn_orbitals(sorted(going), generators, turned):  # alpha and beta in different orders
        going = set()
    decisions = [
        Decision(action=Action.ABSORB, reason=REASON) if k in going else Decision(action=Action.KEEP, reason="")
        for k in range(len(generators))
    ]
    alpha = [k for k in sorted(going) if generators[k].created[0] % 2 == 0]
    pairs = [_orbitals(generators[k]) for k in alpha]
    return PrunePlan(rule="absorb", decisions=tuple(decisions)), orbital_matrix(n_orbitals, pairs, turned[alpha])


def _turn_orbitals(rotations: Iterable[int], generators: list[Excitation], turned: Vector) -> bool:
    """Whether these are single excitations that turn alpha and beta orbitals alike, in the same order."""
    spins: tuple[list[int], list[int]] = ([], [])
    for k in rotations:
        if len(generators[k].created) != 1:
            return False
        spins[generators[k].created[0] % 2].append(k)
    alpha, beta = spins
    same = [_orbitals(generators[k]) for k in alpha] == [_orbitals(generators[k]) for k in beta]
    return same and bool(np.all(np.abs(turned[alpha] - turned[beta]) < SAME_ANGLE))


def _orbitals(single: Excitation) -> tuple[int, int]:
    return single.annihilated[0] // 2, single.created[0] // 2
