"""Pruning one ansatz for a family of problems, such as the geometries of a curve: one structure, angles for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vqe_prune.alignment import align_problems
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.continuation import Family, FamilyStage, beside
from vqe_prune.errors import ConvergenceError, InputError, near_misses
from vqe_prune.objective import check_ansatz
from vqe_prune.optimize import Optimum
from vqe_prune.problem import Problem
from vqe_prune.prune.controls import rank_at_random
from vqe_prune.prune.elimination import Ranking, inverse_hessian_at, restrict
from vqe_prune.prune.limits import VARIATIONAL_SLACK, Limits, reference_energy
from vqe_prune.prune.plan import Action, Decision, PrunePlan, apply_plan, carry_angles, chain
from vqe_prune.prune.steps import RANKINGS
from vqe_prune.prune.symmetry import symmetry_plan
from vqe_prune.score.curvature import deletion_costs, deletion_response, remaining_inverse_hessian
from vqe_prune.units import error_unit
from vqe_prune.wording import counted

Vector = NDArray[np.float64]

SMALLEST_ALLOWANCE = 1e-9
"""A problem whose error is this near (hartree) to the tolerance, or above, forbids what costs it anything."""

SUMMED = "curvature_sum"
"""The control that adds costs in hartree over the problems, as if the mean error counted and not the largest."""


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """One parameter that went.

    Attributes:
        parameter: Its number in the ansatz of the stage before.
        score: Its score by the rule.
        n_refused: Parameters with lower scores that were tried before it and left a problem above the tolerance.
        predicted_error: Largest error (hartree) over the problems pruned on, as curvature predicted it.
        measured_error: The same after re-optimising.

    """

    parameter: int
    score: float
    n_refused: int
    predicted_error: float
    measured_error: float


class FamilyJournal:
    """What a pruning for a family remembers of an interrupted one: here, nothing."""

    def deletions(self, members: tuple[int, ...]) -> list[tuple[Deletion, list[Vector]]]:
        """Return the deletions known of a pruning on these members, and the members' angles after each."""
        return []

    def deleted(self, members: tuple[int, ...], deletion: Deletion, angles: Sequence[Vector]) -> None:
        """Take note of a deletion and of the members' angles after it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FamilyPruning:
    """The result of pruning one ansatz for several problems.

    Attributes:
        problems: The problems with their orbitals aligned; the ansatz acts on these.
        stages: The ansatz as built, after symmetry and after the rule, each with an optimum for every problem.
        plan: What happened to each rotation of the ansatz as built.
        limits: How far it was pruned.
        references: Energy that each problem's errors are counted from, hartree; shape (n_problems,).
        members: The problems that deletions were tested on; the others were only checked afterwards.
        deletions: The parameters that went, in this order.
        notes: What the user should know, in words.

    """

    problems: tuple[Problem, ...]
    stages: tuple[FamilyStage, ...]
    plan: PrunePlan
    limits: Limits
    references: Vector
    members: tuple[int, ...]
    deletions: tuple[Deletion, ...]
    notes: tuple[str, ...]

    @property
    def final(self) -> FamilyStage:
        """The pruned ansatz and its optima."""
        return self.stages[-1]

    def errors(self, stage: FamilyStage | None = None) -> Vector:
        """Return the error of each problem (hartree, shape (n_problems,)) at a stage, default the final one."""
        return np.array([optimum.value for optimum in (stage or self.final).optima]) - self.references

    def __str__(self) -> str:
        """Return one line a stage: parameters, rotations and the largest error."""
        factor, unit = error_unit()
        lines = []
        for stage in self.stages:
            errors = self.errors(stage)
            worst = int(errors.argmax())
            lines.append(
                f"{stage.name}: {counted(stage.ansatz.n_parameters, 'parameter')}, "
                f"{counted(len(stage.ansatz.rotations), 'rotation')}, "
                f"largest error {factor * errors[worst]:.4f} {unit} at {self.problems[worst].name}"
            )
        return "\n".join(lines)


def prune_family(
    problems: Sequence[Problem],
    ansatz: Ansatz,
    *,
    rule: str = "curvature",
    limits: Limits | None = None,
    members: Sequence[int] | None = None,
    attempts: int | None = None,
    seed: int = 0,
    gradient_tolerance: float = 1e-7,
    max_steps: int = 2000,
    threads: int = 1,
    progress: Callable[[str], None] | None = None,
    full: FamilyStage | None = None,
    journal: FamilyJournal | None = None,
) -> FamilyPruning:
    """Prune one ansatz for several problems at once: the same rotations and ties for all, angles for each.

    Orbitals are aligned (`align_problems`). What symmetry drops or ties for every problem is dropped or tied, by +1 or
    -1. Then parameters go one at a time, the lowest score first, as long as no problem ends above the tolerance:

        score_k = max_g  theta_gk^2 / (2 [M_g^-1]_kk) / (tolerance - error_g) / (number of rotations on k),

    the largest part of what a problem may still lose that curvature predicts to be lost, for each rotation that goes.
    A deletion that leaves a problem above the tolerance is refused and the next one tried. Every problem starts from
    its own response to the deletion and, before it is refused, from its neighbours'. Ours, after the optimal brain
    surgeon (see `vqe_prune.score.curvature.deletion_costs`).

    Args:
        problems: Neighbours in the order given, such as bond lengths from short to long.
        ansatz: Excitation rotations on their spin orbitals, one parameter each.
        rule: ``curvature``; the controls are ``curvature_sum``, which adds the costs of all problems in hartree, and
            ``magnitude``, ``fisher`` and ``random``, which score by the largest value over the problems.
        limits: Tolerance (hartree) that every problem must keep, default 1.5e-3 to its exact energy; or a number of
            parameters.
        members: Positions of the problems to prune on, default all. The others are checked afterwards; while one is
            above the tolerance the worst of them becomes a member and pruning begins again.
        attempts: Deletions tried at each size before pruning ends, default all.
        seed: Seed of the random rule.
        gradient_tolerance: Largest gradient component of an optimum, hartree per radian.
        max_steps: Largest number of optimiser steps.
        threads: Threads for large sectors.
        progress: Called with a line of text for each stage and each deletion.
        full: The ansatz as built with its optima where they are known; the orbitals are then taken as aligned.
        journal: Where deletions go and an interrupted pruning's past comes from.

    Returns:
        The stages with an optimum for each problem, the plan and the deletions.

    Raises:
        InputError: The problems cannot share an ansatz, the rule is unknown, or `members` names no problem.
        ConvergenceError: An energy is below the exact one, so something is wrong.

    """
    limits = limits or Limits()
    _check_arguments(problems, ansatz, rule, members, attempts)
    say = progress or (lambda text: None)
    aligned = problems if full else align_problems(problems)
    family = Family(aligned, gradient_tolerance=gradient_tolerance, max_steps=max_steps, threads=threads)
    full = full or family.settle("full", ansatz, [np.zeros(ansatz.n_parameters)] * len(problems))
    say(f"full: {counted(ansatz.n_parameters, 'parameter')}, {counted(len(problems), 'problem')} optimised")
    references = [reference_energy(p, limits, o.value) for p, o in zip(family.problems, full.optima, strict=True)]
    plan, starts = common_symmetry_plan(family.problems, full)
    symmetric = family.settle("symmetry", apply_plan(plan, ansatz), starts)
    say(f"symmetry: {counted(symmetric.ansatz.n_parameters, 'parameter')}")
    ranking = rank_at_random(seed) if rule == "random" else RANKINGS["curvature" if rule == SUMMED else rule]
    journal = journal or FamilyJournal()
    elimination = _Elimination(family, rule, ranking, limits, np.array(references), attempts, say, journal)
    chosen = tuple(sorted({range(len(problems))[k] for k in members})) if members else tuple(range(len(problems)))
    while True:
        kept, deletions, optima = elimination.run(symmetric, chosen)
        pruned = _follow(family, rule, symmetric, kept, dict(zip(chosen, optima, strict=True)))
        errors = np.array([optimum.value for optimum in pruned.optima]) - references
        rest = [k for k in range(len(problems)) if k not in chosen]
        worst = max(rest, key=lambda k: float(errors[k]), default=None)
        if worst is None or limits.parameters is not None or errors[worst] <= limits.tolerance or not deletions:
            break
        say(f"{family.problems[worst].name} is above the tolerance: pruned on too, from the beginning")
        chosen = tuple(sorted((*chosen, worst)))
    stages = (full, symmetric, pruned)
    _check_variational(family.problems, stages)
    deletion_plan = _deletion_plan(rule, symmetric.ansatz, kept, deletions)
    pruning = FamilyPruning(
        problems=family.problems,
        stages=stages,
        plan=chain([plan, deletion_plan]),
        limits=limits,
        references=np.array(references),
        members=chosen,
        deletions=deletions,
        notes=(),
    )
    return replace(pruning, notes=_notes(pruning))


def needed_parameters(pruning: FamilyPruning) -> tuple[int, ...]:
    """Return the parameters of the symmetric stage that every structure within the tolerance has.

    A parameter is needed when the symmetric ansatz without it alone misses the tolerance for some problem: whoever
    drops more of it cannot come lower. Their number is a lower bound on the parameters that any pruning of this
    ansatz leaves, as far as the optimiser finds the lowest minimum (from the response to the deletion, from zero
    angles and from the neighbours' angles). Ours.

    Args:
        pruning: A pruning by `prune_family`; its tolerance counts.

    Returns:
        Numbers of parameters of ``pruning.stages[1].ansatz``, ascending.

    """
    symmetric = pruning.stages[1]
    family = Family(pruning.problems)
    angles = [optimum.angles for optimum in symmetric.optima]
    inverses = [inverse_hessian_at(family.objective(g, symmetric.ansatz), a) for g, a in enumerate(angles)]
    needed = []
    for k in range(symmetric.ansatz.n_parameters):
        smaller = restrict(symmetric.ansatz, [p for p in range(symmetric.ansatz.n_parameters) if p != k])
        starts = [deletion_response(a, inverse, k) for a, inverse in zip(angles, inverses, strict=True)]
        costs = [float(deletion_costs(a, inverse)[k]) for a, inverse in zip(angles, inverses, strict=True)]
        for g in np.argsort(-(pruning.errors(symmetric) + costs), kind="stable"):
            tried = family.lowest(int(g), smaller, [starts[g], np.zeros(len(starts[g])), *beside(starts, int(g))])
            if tried.value - pruning.references[g] > pruning.limits.tolerance:
                needed.append(k)
                break
    return tuple(needed)


def common_symmetry_plan(problems: Sequence[Problem], full: FamilyStage) -> tuple[PrunePlan, list[Vector]]:
    """Return the plan that drops and ties what symmetry drops and ties for every problem, and angles to start from.

    Ties are by +1 or -1, so that all problems share one ansatz; where partners do not commute this costs a little
    (see `vqe_prune.prune.symmetry.symmetry_plan`).

    Args:
        problems: Aligned problems.
        full: The ansatz as built with its optima.

    """
    plans = [
        symmetry_plan(problem, full.ansatz, optimum.angles)
        for problem, optimum in zip(problems, full.optima, strict=True)
    ]
    decisions = []
    for fates in zip(*(plan.decisions for plan in plans), strict=True):
        kinds = {(each.action, each.leader, each.coefficient > 0) for each in fates}
        if len(kinds) > 1:
            decisions.append(Decision(action=Action.KEEP, reason="symmetry does not treat it alike in all problems"))
        else:
            decisions.append(replace(fates[0], coefficient=float(np.sign(fates[0].coefficient))))
    plan = PrunePlan(rule="symmetry", decisions=tuple(decisions))
    return plan, [carry_angles(plan, full.ansatz, optimum.angles) for optimum in full.optima]


def _check_arguments(
    problems: Sequence[Problem], ansatz: Ansatz, rule: str, members: Sequence[int] | None, attempts: int | None
) -> None:
    rules = (*RANKINGS, SUMMED, "random")
    if rule not in rules:
        raise InputError(f"unknown rule {rule!r} for a family{near_misses(rule, rules)}")
    if attempts is not None and attempts < 1:
        raise InputError(f"attempts={attempts} must be at least 1, or None for all")
    if members is not None and not members:
        raise InputError("members must name at least one problem to prune on, or be None for all")
    for member in members or ():
        if not -len(problems) <= member < len(problems):
            raise InputError(f"members names problem {member}, but there are {len(problems)}, counted from 0")
    for problem in problems:
        if not isinstance(problem, Problem):
            raise InputError(f"{problem.name} is of qubits; a family is of electrons: use molecular_problem")
        check_ansatz(problem, ansatz)


@dataclass(frozen=True, eq=False)
class _Elimination:
    """Deleting one parameter after the other for all members at once."""

    family: Family
    rule: str
    ranking: Ranking
    limits: Limits
    references: Vector
    attempts: int | None
    say: Callable[[str], None]
    journal: FamilyJournal

    def run(
        self, start: FamilyStage, members: tuple[int, ...]
    ) -> tuple[tuple[int, ...], tuple[Deletion, ...], list[Optimum]]:
        """Return the parameters that stay, those that went, and the members' optima."""
        kept, deletions = tuple(range(start.ansatz.n_parameters)), list[Deletion]()
        optima = [start.optima[g] for g in members]
        known = self.journal.deletions(members)
        if known:
            deletions = [deletion for deletion, _ in known]
            kept = tuple(p for p in kept if p not in {deletion.parameter for deletion in deletions})
            ansatz = restrict(start.ansatz, kept)
            optima = [self.family.minimum(g, ansatz, angles) for g, angles in zip(members, known[-1][1], strict=True)]
        while len(kept) > (self.limits.parameters or 0) and not any(map(self._misses, members, optima)):
            accepted = self._best_deletion(start.ansatz, kept, members, optima)
            if accepted is None:
                break
            deletion, optima = accepted
            deletions.append(deletion)
            self.journal.deleted(members, deletion, [optimum.angles for optimum in optima])
            kept = tuple(p for p in kept if p != deletion.parameter)
            self.say(
                f"{self.rule}: {counted(len(kept), 'parameter')}, largest error {1e3 * deletion.measured_error:.4f} mHa"
            )
        return kept, tuple(deletions), optima

    def _best_deletion(
        self, whole: Ansatz, kept: tuple[int, ...], members: tuple[int, ...], optima: Sequence[Optimum]
    ) -> tuple[Deletion, list[Optimum]] | None:
        """Return the deletion with the lowest score that keeps all members within the tolerance, and their optima."""
        ansatz = restrict(whole, kept)
        inverses = [self._inverse(g, ansatz, optimum) for g, optimum in zip(members, optima, strict=True)]
        errors = self._errors(members, optima)
        costs = np.array([deletion_costs(o.angles, m) for o, m in zip(optima, inverses, strict=True)])
        scores = self._scores(ansatz, members, optima, inverses, errors)
        for n_refused, k in enumerate(np.argsort(scores, kind="stable")[: self.attempts].tolist()):
            predicted = errors + costs[:, k]
            smaller = restrict(whole, kept[:k] + kept[k + 1 :])
            found = self._without(k, smaller, members, optima, inverses, predicted)
            if found is not None:
                deletion = Deletion(
                    parameter=kept[k],
                    score=float(scores[k]),
                    n_refused=n_refused,
                    predicted_error=float(predicted.max()),
                    measured_error=float(self._errors(members, found).max()),
                )
                return deletion, found
        return None

    def _scores(
        self,
        ansatz: Ansatz,
        members: Sequence[int],
        optima: Sequence[Optimum],
        inverses: Sequence[Vector],
        errors: Vector,
    ) -> Vector:
        """Score of each parameter over all members, the lowest goes first; shape (n_parameters,)."""
        rows = zip(members, optima, inverses, strict=True)
        scores = np.array([self.ranking(self.family.objective(g, ansatz), o.angles, inverse) for g, o, inverse in rows])
        if self.rule == SUMMED:
            return scores.sum(axis=0)
        if self.rule == "curvature" and self.limits.parameters is None:
            scores /= np.maximum(self.limits.tolerance - errors, SMALLEST_ALLOWANCE)[:, None]
        return scores.max(axis=0)

    def _without(
        self,
        k: int,
        smaller: Ansatz,
        members: Sequence[int],
        optima: Sequence[Optimum],
        inverses: Sequence[Vector],
        predicted: Vector,
    ) -> list[Optimum] | None:
        """Return the members' optima without parameter k, None where one ends above the tolerance.

        The member with the largest predicted error is tried first, since one is enough to refuse.
        """
        starts = [deletion_response(o.angles, m, k) for o, m in zip(optima, inverses, strict=True)]
        found: dict[int, Optimum] = {}
        for m in np.argsort(-predicted, kind="stable").tolist():
            g = members[m]
            optimum = self.family.minimum(g, smaller, starts[m], remaining_inverse_hessian(inverses[m], k))
            if self._misses(g, optimum):
                optimum = min(optimum, self.family.lowest(g, smaller, [starts[m], *beside(starts, m)]), key=_value)
                if self._misses(g, optimum):
                    return None
            found[m] = optimum
        return [found[m] for m in range(len(members))]

    def _inverse(self, g: int, ansatz: Ansatz, optimum: Optimum) -> Vector:
        """Inverse Hessian of a member, the optimiser's own where Hessians are expensive and it has one."""
        objective = self.family.objective(g, ansatz)
        if optimum.inverse_hessian is not None and not objective.cheap_hessian:
            return optimum.inverse_hessian
        return inverse_hessian_at(objective, optimum.angles)

    def _errors(self, members: Sequence[int], optima: Sequence[Optimum]) -> Vector:
        return np.array([optimum.value for optimum in optima]) - self.references[list(members)]

    def _misses(self, g: int, optimum: Optimum) -> bool:
        return self.limits.parameters is None and optimum.value - self.references[g] > self.limits.tolerance


def _value(optimum: Optimum) -> float:
    return optimum.value


def _follow(
    family: Family, name: str, before: FamilyStage, kept: tuple[int, ...], known: Mapping[int, Optimum]
) -> FamilyStage:
    """Return the stage of the pruned ansatz: optima known of members, those of the other problems found from them."""
    ansatz = restrict(before.ansatz, kept)
    starts: list[Vector | Optimum] = []
    for g, optimum in enumerate(before.optima):
        if g in known:
            starts.append(replace(known[g], inverse_hessian=None))  # a matrix a problem would fill the memory
            continue
        nearest = known[min(known, key=lambda member: abs(member - g))]
        starts.append(family.lowest(g, ansatz, [optimum.angles[list(kept)], nearest.angles]))
    return family.settle(name, ansatz, starts)


def _deletion_plan(rule: str, ansatz: Ansatz, kept: tuple[int, ...], deletions: Sequence[Deletion]) -> PrunePlan:
    """Return the plan that drops the rotations of the parameters that went."""
    gone = {deletion.parameter: (place, deletion) for place, deletion in enumerate(deletions)}
    decisions = []
    for rotation in ansatz.rotations:
        if rotation.parameter is None or rotation.parameter in kept:
            decisions.append(Decision(action=Action.KEEP, reason=f"kept by {rule}"))
            continue
        place, deletion = gone[rotation.parameter]
        reason = f"lowest {rule} score over the problems of {ansatz.n_parameters - place} parameters"
        if deletion.n_refused:
            reason += f" but {deletion.n_refused}, without which a problem misses the tolerance"
        decisions.append(Decision(action=Action.DROP, reason=reason, score=deletion.score))
    return PrunePlan(rule=rule, decisions=tuple(decisions))


def _check_variational(problems: Sequence[Problem], stages: Sequence[FamilyStage]) -> None:
    for stage in stages:
        for problem, optimum in zip(problems, stage.optima, strict=True):
            exact = problem.energies["exact"]
            if exact is not None and optimum.value < exact - VARIATIONAL_SLACK:
                raise ConvergenceError(
                    f"the {stage.name} ansatz of {problem.name} gave {optimum.value:.8f}, below the exact "
                    f"{exact:.8f}: one of them is wrong; please report this with the input"
                )


def _notes(pruning: FamilyPruning) -> tuple[str, ...]:
    """Say in words what the family's numbers mean."""
    factor, unit = error_unit()
    limits, problems, (full, symmetric, pruned) = pruning.limits, pruning.problems, pruning.stages
    notes = [f"{problem.name}: {warning}" for problem in problems for warning in problem.warnings]
    rises = pruning.errors(symmetric) - pruning.errors(full)
    if rises.max() > VARIATIONAL_SLACK:
        notes.append(
            f"sharing angles by symmetry raises the energy by up to {factor * rises.max():.4f} {unit} "
            f"(at {problems[int(rises.argmax())].name}), since partners act one after the other"
        )
    if limits.parameters is None:
        for stage in (symmetric, pruned):
            errors = pruning.errors(stage)
            worst = int(errors.argmax())
            if errors[worst] > limits.tolerance:
                notes.append(
                    f"{stage.name}: {problems[worst].name} has an error of {factor * errors[worst]:.4f} {unit}, more "
                    f"than the {factor * limits.tolerance:g} {unit} allowed; raise the tolerance, count errors from "
                    f"the full ansatz (relative_to=full), or leave this problem out"
                )
                break
    return tuple(notes)
