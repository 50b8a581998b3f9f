"""One pruned structure for a piece of a curve: warm starts along it, then pruning for all its points at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.continuation import Family, FamilyStage, follow
from vqe_prune.electrons import excitation_irrep
from vqe_prune.journal import optimum_content, read_optimum
from vqe_prune.objective import energy_of
from vqe_prune.optimize import Optimum
from vqe_prune.parallel import Failure, Workers
from vqe_prune.problem import Problem
from vqe_prune.prune.certificate import Certificate, energy_change_bound
from vqe_prune.prune.elimination import inverse_hessian_at, restrict
from vqe_prune.prune.family import Deletion, FamilyJournal, FamilyPruning, prune_family
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.pruning import Pruning
from vqe_prune.prune.steps import Stage
from vqe_prune.run_folder import Trace
from vqe_prune.wording import counted

Vector = NDArray[np.float64]

WORTH_PROCESSES = 1e8
"""Parameters times determinants times points from which on copying the two branches to processes pays: seconds."""

MOST_MEMBERS = 5
"""Points that deletions are tried on at first; the others are checked, and join where they miss the tolerance."""


class CurveJournal(FamilyJournal):
    """What a piece of a curve remembers, in the trace of the scan.

    Args:
        trace: Of the scan.
        positions: Of the piece's points on the curve; with others it is another piece.

    """

    def __init__(self, trace: Trace, positions: Sequence[int]) -> None:
        self._trace, self._points = trace, list(positions)

    def full(self) -> tuple[list[Optimum], int] | None:
        """Return the optima of the ansatz as built, and the steps they took, where they are known."""
        found = self._trace.find("full", points=self._points)
        return ([read_optimum(each) for each in found[-1]["optima"]], found[-1]["steps"]) if found else None

    def followed(self, optima: Sequence[Optimum], steps: int) -> None:
        """Take note of the optima of the ansatz as built."""
        self._trace.add("full", points=self._points, steps=steps, optima=[optimum_content(each) for each in optima])

    def deletions(self, members: tuple[int, ...]) -> list[tuple[Deletion, list[Vector]]]:
        """Return the deletions in the trace of a pruning on these members."""
        found = self._trace.find("deletion", points=self._points, members=list(members))
        return [(Deletion(**each["deletion"]), [np.array(a, dtype=float) for a in each["angles"]]) for each in found]

    def deleted(self, members: tuple[int, ...], deletion: Deletion, angles: Sequence[Vector]) -> None:
        """Trace a deletion."""
        content: dict[str, Any] = {"deletion": vars(deletion), "angles": [each.tolist() for each in angles]}
        self._trace.add("deletion", points=self._points, members=list(members), **content)


def prune_segment(
    problems: Sequence[Problem],
    ansatz: Ansatz,
    *,
    rule: str = "curvature",
    limits: Limits | None = None,
    seed: int = 0,
    gradient_tolerance: float = 1e-7,
    max_steps: int = 2000,
    threads: int = 1,
    workers: Workers | None = None,
    journal: CurveJournal | None = None,
    say: Callable[[str], None] | None = None,
) -> tuple[FamilyPruning, int]:
    """Prune one ansatz for the points of a curve, all within the tolerance.

    The ansatz is optimised from zero angles at the point of lowest reference energy, and followed from there in both
    directions (`vqe_prune.continuation.follow`) on the rotations that keep the reference's irrep: the others have a
    gradient of zero for ever. Then parameters are deleted for all points at once (`prune_family`). A deletion counts
    only where no point ends above the tolerance, so the target holds at every point; the union of the rotations that
    points keep when each is pruned alone would keep it too, but is larger, as every point brings its own. Ties are by
    +1 or -1: ratios of tied angles that hold the very state depend on the geometry, and one circuit has one of them.

    Args:
        problems: Neighbours with their orbitals followed.
        ansatz: Excitation rotations on their spin orbitals.
        rule: Of `prune_family`.
        limits: How far to prune.
        seed: Seed of the random rule.
        gradient_tolerance: Largest gradient component of an optimum, hartree per radian.
        max_steps: Largest number of optimiser steps.
        threads: Threads for large sectors.
        workers: Processes for the two directions, where they are worth it.
        journal: Where an interrupted pruning's past comes from.
        say: Told how far it has come.

    Returns:
        The pruning, and the optimiser steps that the ansatz as built took at all points.

    """
    say = say or (lambda text: None)
    known = journal.full() if journal else None
    if known is None:
        known = _follow_both_ways(problems, ansatz, gradient_tolerance, max_steps, threads, workers)
        if journal:
            journal.followed(*known)
    optima, steps = known
    sizes = f"{counted(ansatz.n_parameters, 'parameter')} at {counted(len(problems), 'point')}"
    say(f"full: {sizes}, {counted(steps, 'step')}{' from neighbour to neighbour' if len(problems) > 1 else ''}")
    pruning = prune_family(
        problems,
        ansatz,
        rule=rule,
        limits=limits,
        members=_members(problems),
        seed=seed,
        gradient_tolerance=gradient_tolerance,
        max_steps=max_steps,
        threads=threads,
        full=FamilyStage(name="full", ansatz=ansatz, optima=tuple(optima)),
        journal=journal,
        progress=say,
    )
    return pruning, steps


def _lowest_point(problems: Sequence[Problem]) -> int:
    return min(range(len(problems)), key=lambda g: problems[g].electrons.reference_energy)


def _members(problems: Sequence[Problem]) -> list[int]:
    """Ends, the lowest point, and points in between."""
    last = len(problems) - 1
    evenly = {round(last * k / (MOST_MEMBERS - 2)) for k in range(MOST_MEMBERS - 1)}
    return sorted(evenly | {_lowest_point(problems)})


def _follow_both_ways(
    problems: Sequence[Problem],
    ansatz: Ansatz,
    gradient_tolerance: float,
    max_steps: int,
    threads: int,
    workers: Workers | None,
) -> tuple[list[Optimum], int]:
    """Return the optima of the ansatz as built at all points, and the steps that they took."""
    irreps, lowest = problems[0].electrons.irreps, _lowest_point(problems)
    broken = {
        rotation.parameter
        for rotation, excitation in zip(ansatz.rotations, ansatz.excitations, strict=True)
        if excitation_irrep(irreps, excitation.spin_orbitals) != 0
    }
    kept = [p for p in range(ansatz.n_parameters) if p not in broken]
    smaller = restrict(ansatz, kept)
    family = Family([problems[lowest]], gradient_tolerance=gradient_tolerance, max_steps=max_steps, threads=threads)
    first = family.minimum(0, smaller, np.zeros(smaller.n_parameters))
    ways = [problems[lowest:], problems[lowest::-1]]
    common = (smaller, first, gradient_tolerance, max_steps)
    work = smaller.n_parameters * problems[0].electrons.sector_dimension * len(problems)
    if workers is not None and work > WORTH_PROCESSES:
        found = workers.run(_follow_one_way, [(way, *common, 1) for way in ways])
        found = [
            _follow_one_way(way, *common, threads) if isinstance(each, Failure) else each
            for way, each in zip(ways, found, strict=True)
        ]
    else:
        found = [_follow_one_way(way, *common, threads) for way in ways]
    (right, right_steps), (left, left_steps) = found

    def whole(optimum: Optimum) -> Optimum:
        angles = np.zeros(ansatz.n_parameters)
        angles[kept] = optimum.angles
        return replace(optimum, angles=angles, inverse_hessian=None)

    return [whole(each) for each in (*reversed(left[1:]), *right)], first.steps + right_steps + left_steps


def _follow_one_way(
    problems: Sequence[Problem],
    ansatz: Ansatz,
    first: Optimum,
    gradient_tolerance: float,
    max_steps: int,
    threads: int,
) -> tuple[list[Optimum], int]:
    """`follow`, as a process is told to."""
    return follow(problems, ansatz, first, gradient_tolerance=gradient_tolerance, max_steps=max_steps, threads=threads)


def point_pruning(family: FamilyPruning, g: int) -> Pruning:
    """Return what the pruning of a whole curve is at one of its points.

    Its certificate predicts the increase by second order for all deletions at once, which is
    theta_D (M^-1_DD)^-1 theta_D / 2 with the angles theta and the inverse Hessian M^-1 of the deleted parameters D
    at the optimum before them, plus what sharing angles by symmetry cost.

    Args:
        family: Of the curve.
        g: Position of the point among its problems.

    """
    problem = family.problems[g]
    full, symmetric, final = (
        Stage(name=stage.name, ansatz=stage.ansatz, optimum=stage.optima[g]) for stage in family.stages
    )
    bind = energy_of(problem)
    predicted = symmetric.optimum.value - full.optimum.value
    gone = [deletion.parameter for deletion in family.deletions]
    if gone:
        inverse = inverse_hessian_at(bind(symmetric.ansatz), symmetric.optimum.angles)[np.ix_(gone, gone)]
        angles = symmetric.optimum.angles[gone]
        predicted += 0.5 * float(angles @ np.linalg.solve(inverse, angles))
    engines = [bind(stage.ansatz).engine for stage in (full, final)]
    states = [engine.state(stage.optimum.angles) for engine, stage in zip(engines, (full, final), strict=True)]
    return Pruning(
        problem=problem,
        stages=(full, symmetric, final),
        plan=family.plan,
        path=(),
        certificate=Certificate(
            predicted_increase=predicted,
            measured_increase=final.optimum.value - full.optimum.value,
            bound=energy_change_bound(engines[0].hamiltonian, states[0], states[1]),
        ),
        notes=("pruned together with the other points of a scan: one structure for all", *problem.warnings),
    )
