"""Pruning an ansatz from end to end: optimise it, apply the rules in turn, certify what they did."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.engine.determinants import SectorHamiltonian
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.objective import EnergyObjective, check_ansatz, sector_hamiltonian
from vqe_prune.optimize import Optimum, minimize
from vqe_prune.problem import Problem
from vqe_prune.prune.certificate import Certificate, energy_change_bound
from vqe_prune.prune.controls import rank_at_random, rank_by_fisher, rank_by_magnitude
from vqe_prune.prune.curvature import rank_by_curvature
from vqe_prune.prune.elimination import PathPoint, Ranking, eliminate, elimination_plan, restrict
from vqe_prune.prune.journal import Journal
from vqe_prune.prune.plan import Action, Decision, PrunePlan, apply_plan, carry_angles, chain
from vqe_prune.prune.symmetry import symmetry_plan

Vector = NDArray[np.float64]

VARIATIONAL_SLACK = 1e-8
"""An energy this much (hartree) below the exact one is rounding; more is a wrong answer."""

HESSIAN_COLUMN = 2.5
"""Time of a column of the Hessian in gradients: two states and their derivatives instead of two states."""

NOTICEABLE_SECONDS = 3.0

LOOK_AHEAD = 2.0
"""Where steps are expensive a path ends once its error is this many times the tolerance."""

RANKINGS: dict[str, Ranking] = {
    "curvature": rank_by_curvature,
    "magnitude": rank_by_magnitude,
    "fisher": rank_by_fisher,
}
"""Rules that delete parameters one at a time; ``random`` is made with its seed, ``symmetry`` is a plan of its own."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Stage:
    """An ansatz and its optimum at one stage of a pruning.

    Attributes:
        name: ``full``, ``symmetry`` or the rule's name.
        ansatz: The ansatz.
        optimum: Its optimum, value in hartree.

    """

    name: str
    ansatz: Ansatz
    optimum: Optimum


@dataclass(frozen=True, eq=False, kw_only=True)
class Pruning:
    """The result of pruning.

    Attributes:
        problem: What was solved.
        stages: The ansatz as built, after each rule, each re-optimised.
        plan: What happened to each rotation of the ansatz as built.
        path: Points of the last rule's path, empty where the rules are exact.
        certificate: What pruning cost.
        notes: What the user should know, in words.

    """

    problem: Problem
    stages: tuple[Stage, ...]
    plan: PrunePlan
    path: tuple[PathPoint, ...]
    certificate: Certificate
    notes: tuple[str, ...]

    @property
    def final(self) -> Stage:
        """The pruned and re-optimised ansatz."""
        return self.stages[-1]

    def __str__(self) -> str:
        """Return one line a stage: parameters, rotations, energy and its error."""
        exact = self.problem.energies.get("exact")
        lines = []
        for stage in self.stages:
            energy = stage.optimum.value
            error = "" if exact is None else f", error {1e3 * (energy - exact):.4f} mHa"
            lines.append(
                f"{stage.name}: {stage.ansatz.n_parameters} parameters, {len(stage.ansatz.rotations)} rotations, "
                f"energy {energy:.6f} hartree{error}"
            )
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How far rules prune.

    Attributes:
        tolerance: Largest allowed error (hartree).
        relative_to: ``exact`` or ``full``, what the error refers to; without an exact energy always ``full``.
        parameters: A budget instead of a tolerance.

    """

    tolerance: float = 1.5e-3
    relative_to: str = "exact"
    parameters: int | None = None


def prune_ansatz(
    problem: Problem,
    ansatz: Ansatz,
    *,
    rules: Sequence[str] = ("symmetry", "curvature"),
    limits: Limits | None = None,
    seed: int = 0,
    gradient_tolerance: float = 1e-7,
    max_steps: int = 2000,
    threads: int = 1,
    journal: Journal | None = None,
) -> Pruning:
    """Optimise an ansatz, prune it rule by rule, and certify the result.

    Args:
        problem: The ground-state problem.
        ansatz: Excitation rotations on its spin orbitals.
        rules: ``symmetry`` and then any of ``curvature``, ``magnitude``, ``random``, ``fisher``.
        limits: How far to prune, default an error of 1.5e-3 hartree to the exact energy.
        seed: Seed of the random rule.
        gradient_tolerance: Largest gradient component of an optimum, hartree per radian.
        max_steps: Largest number of optimiser steps.
        threads: Threads for large sectors.
        journal: Where progress goes and an interrupted run's past comes from.

    Returns:
        Stages, plan, path and certificate.

    Raises:
        InputError: A rule is unknown or the ansatz does not fit the problem.
        ConvergenceError: An energy is below the exact one, so something is wrong.

    """
    journal, limits = journal or Journal(), limits or Limits()
    unknown = [rule for rule in rules if rule not in (*RANKINGS, "random", "symmetry")]
    if unknown:
        raise InputError(f"unknown rule {unknown[0]!r}; available: symmetry, random, {', '.join(RANKINGS)}")
    check_ansatz(problem, ansatz)
    work = _Work(problem, sector_hamiltonian(problem), journal, gradient_tolerance, max_steps, threads)
    stages = [work.optimise("full", ansatz, np.zeros(ansatz.n_parameters))]
    plans: list[PrunePlan] = []
    path: list[PathPoint] = []
    predicted, notes = 0.0, list(problem.warnings)
    for rule in rules:
        before = stages[-1]
        if rule == "symmetry":
            plan = symmetry_plan(problem, before.ansatz, before.optimum.angles)
            start = carry_angles(plan, before.ansatz, before.optimum.angles)
            stage = work.optimise(rule, apply_plan(plan, before.ansatz), start)
        else:
            ranking = rank_at_random(seed) if rule == "random" else RANKINGS[rule]
            path = work.eliminate(rule, ranking, before, limits, stages[0].optimum.value)
            reference = reference_energy(problem, limits, stages[0].optimum.value)
            chosen = choose(path, limits, reference)
            notes += _shortfall(rule, path, chosen, limits, reference)
            plan = elimination_plan(rule, before.ansatz, path, chosen)
            stage = Stage(name=rule, ansatz=restrict(before.ansatz, chosen.kept), optimum=chosen.optimum)
            predicted += chosen.predicted
        plans.append(plan)
        stages.append(stage)
    _check_variational(problem, stages)
    return Pruning(
        problem=problem,
        stages=tuple(stages),
        plan=chain(plans) if plans else _keep_all(ansatz),
        path=tuple(path),
        certificate=work.certify(stages[0], stages[-1], predicted),
        notes=tuple(notes),
    )


def reference_energy(problem: Problem, limits: Limits, full_energy: float) -> float:
    """Return the energy (hartree) that errors are counted from."""
    exact = problem.energies.get("exact")
    return full_energy if exact is None or limits.relative_to == "full" else exact


def choose(path: Sequence[PathPoint], limits: Limits, reference: float) -> PathPoint:
    """Return the point with fewest parameters within the limits, the first point where none is.

    Args:
        path: A pruning path.
        limits: Tolerance or budget.
        reference: Energy (hartree) that errors are counted from.

    """
    if limits.parameters is not None:
        within = [point for point in path if len(point.kept) >= limits.parameters]
    else:
        within = [point for point in path if point.value - reference <= limits.tolerance]
    return min(within, key=lambda point: len(point.kept), default=path[0])


def _shortfall(rule: str, path: Sequence[PathPoint], chosen: PathPoint, limits: Limits, reference: float) -> list[str]:
    """Say in words why a rule removed nothing."""
    if len(chosen.kept) < len(path[0].kept) or not path[0].kept:
        return []
    if limits.parameters is not None:
        return [f"{rule} removed nothing: {len(chosen.kept)} parameters are within the budget of {limits.parameters}"]
    error = path[0].value - reference
    if error <= limits.tolerance:
        return [f"{rule} removed nothing: every parameter is needed for {1e3 * limits.tolerance:g} mHa"]
    return [
        f"{rule} removed nothing: the ansatz before it already has an error of {1e3 * error:.4f} mHa, more than the "
        f"{1e3 * limits.tolerance:g} mHa allowed; raise pruner.tolerance or set pruner.relative_to=full"
    ]


def _keep_all(ansatz: Ansatz) -> PrunePlan:
    decisions = tuple(Decision(action=Action.KEEP, reason="no rule was asked for") for _ in ansatz.rotations)
    return PrunePlan(rule="none", decisions=decisions)


def _check_variational(problem: Problem, stages: Sequence[Stage]) -> None:
    exact = problem.energies.get("exact")
    for stage in stages:
        if exact is not None and stage.optimum.value < exact - VARIATIONAL_SLACK:
            raise ConvergenceError(
                f"the {stage.name} ansatz of {problem.name} gave {stage.optimum.value:.8f} hartree, below the exact "
                f"{exact:.8f}: one of them is wrong; please report this with the input"
            )


@dataclass(frozen=True, eq=False)
class _Work:
    """What all steps of one pruning share."""

    problem: Problem
    hamiltonian: SectorHamiltonian
    journal: Journal
    gradient_tolerance: float
    max_steps: int
    threads: int

    def bind(self, ansatz: Ansatz) -> EnergyObjective:
        """Return the energy of an ansatz."""
        return EnergyObjective(self.hamiltonian, ansatz, self.threads)

    def optimise(self, name: str, ansatz: Ansatz, start: Vector) -> Stage:
        """Return a stage's optimum, from the journal where it was reached before."""
        known = self.journal.optimum(name)
        if known is not None and len(known.angles) == ansatz.n_parameters:
            return Stage(name=name, ansatz=ansatz, optimum=known)
        resumed = self.journal.angles(name)
        if resumed is not None and len(resumed) == ansatz.n_parameters:
            start = resumed
        began = time.perf_counter()
        optimum = minimize(
            self.bind(ansatz),
            start,
            gradient_tolerance=self.gradient_tolerance,
            max_steps=self.max_steps,
            progress=partial(self.journal.stepped, name),
        )
        self.journal.reached(name, optimum, time.perf_counter() - began)
        return Stage(name=name, ansatz=ansatz, optimum=optimum)

    def eliminate(
        self, rule: str, ranking: Ranking, before: Stage, limits: Limits, full_energy: float
    ) -> list[PathPoint]:
        """Return a rule's path: to the last parameter where that is cheap, else a little past the limits."""
        reference = reference_energy(self.problem, limits, full_energy)
        objective = self.bind(before.ansatz)
        whole = objective.cheap_hessian
        hopeless = limits.parameters is None and before.optimum.value - reference > limits.tolerance
        if not whole and not hopeless:
            self._announce_hessian(rule, objective, before.optimum.angles)

        def enough(point: PathPoint) -> bool:
            if whole:
                return False
            if hopeless:
                return True
            if limits.parameters is not None:
                return len(point.kept) <= limits.parameters
            return point.value - reference > LOOK_AHEAD * limits.tolerance

        return eliminate(
            self.bind,
            before.ansatz,
            before.optimum,
            ranking,
            enough=enough,
            earlier=self.journal.path(rule),
            gradient_tolerance=self.gradient_tolerance,
            progress=partial(self.journal.pruned, rule),
        )

    def _announce_hessian(self, rule: str, objective: EnergyObjective, angles: Vector) -> None:
        """Say how long the Hessian will take where the user would notice."""
        began = time.perf_counter()
        objective.value_and_gradient(angles)
        seconds = HESSIAN_COLUMN * len(angles) * (time.perf_counter() - began)
        if seconds > NOTICEABLE_SECONDS and not self.journal.path(rule):
            self.journal.say(f"{rule}: Hessian of {len(angles)} parameters, about {seconds:.0f} s")

    def certify(self, first: Stage, last: Stage, predicted: float) -> Certificate:
        """Compare what pruning cost with what was predicted and with what the two states allow."""
        states = [self.bind(stage.ansatz).engine.state(stage.optimum.angles) for stage in (first, last)]
        measured = last.optimum.value - first.optimum.value
        bound = energy_change_bound(self.hamiltonian, states[0], states[1])
        if abs(measured) > bound + VARIATIONAL_SLACK:
            raise ConvergenceError(
                f"pruning changed the energy by {measured:.3e} hartree, more than the {bound:.3e} that the two states "
                f"allow: one of them is wrong; please report this with the input"
            )
        return Certificate(predicted_increase=predicted, measured_increase=measured, bound=bound)
