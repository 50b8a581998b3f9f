"""Pruning an ansatz from end to end: optimise it, apply the rules in turn, certify what they did."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.objective import EnergyObjective, QubitEnergyObjective, check_ansatz, energy_of
from vqe_prune.optimize import Optimum, minimize
from vqe_prune.orbitals import (
    Matrix,
    Pair,
    free_pairs,
    in_orbitals,
    orbital_matrix,
    state_in_old_orbitals,
    with_orbital_rotations,
)
from vqe_prune.paulis import PauliSum
from vqe_prune.problem import Problem
from vqe_prune.prune.absorption import absorption_plan, steps_of
from vqe_prune.prune.certificate import Certificate, energy_change_bound
from vqe_prune.prune.controls import rank_at_random, rank_by_fisher, rank_by_magnitude
from vqe_prune.prune.curvature import rank_by_curvature
from vqe_prune.prune.elimination import PathPoint, Ranking, eliminate, elimination_plan, restrict
from vqe_prune.prune.eqntk import SymmetricPass, symmetric_passes
from vqe_prune.prune.journal import Journal
from vqe_prune.prune.lie import LieMerge, LieOptions, lie_merge
from vqe_prune.prune.limits import Limits, choose, reference_energy, rounding_of
from vqe_prune.prune.notes import merge_notes, orbital_notes, shortfall_notes, training_notes
from vqe_prune.prune.plan import Action, Decision, PrunePlan, apply_plan, carry_angles, chain
from vqe_prune.prune.symmetry import symmetry_plan
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.score.summary import score_ansatz
from vqe_prune.training import Training, train
from vqe_prune.units import HARTREE, error_unit

Vector = NDArray[np.float64]

HESSIAN_COLUMN = 2.5
"""Time of a column of the Hessian in gradients: two states and their derivatives instead of two states."""

NOTICEABLE_SECONDS = 3.0

LONG_SCORES_QUBITS = 11
"""From here on scores take long enough to be announced."""

NOTICEABLE_RISE = 1e-7
"""Rise of the energy, times the sum of all coefficients, from which on a pass of ``eqntk`` is not kept."""

SMALLEST_TRUST = 1e-3
"""Below this fraction of the tolerance no prediction of the rule ``lie`` is asked for: only what is exact is merged."""

LOOK_AHEAD = 2.0
"""Where steps are expensive a path ends once its error is this many times the tolerance."""

RANKINGS: dict[str, Ranking] = {
    "curvature": rank_by_curvature,
    "magnitude": rank_by_magnitude,
    "fisher": rank_by_fisher,
}
"""Rules that delete parameters one at a time; ``random`` is made with its seed.

``symmetry`` (excitations), ``eqntk`` (qubits) and ``lie`` make plans of their own.
"""


@dataclass(frozen=True, eq=False, kw_only=True)
class Stage:
    """An ansatz and its optimum at one stage of a pruning.

    Attributes:
        name: ``full``, ``symmetry``, a pass of ``eqntk`` or the rule's name.
        ansatz: The ansatz.
        optimum: Its optimum, value in hartree or the problem's unit; of several trainings the best.
        training: How training went from several seeds, None where one start was enough.
        scores: What the ansatz is worth at random angles, None where not asked for.
        orbitals: The orbitals that the ansatz acts in, a column for each in terms of the problem's, None for the
            problem's own: its energy is that of `vqe_prune.orbitals.in_orbitals`. Shape (n_orbitals, n_orbitals).

    """

    name: str
    ansatz: Ansatz
    optimum: Optimum
    training: Mapping[str, Any] | None = None
    scores: Mapping[str, Any] | None = None
    orbitals: Matrix | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Pruning:
    """The result of pruning.

    Attributes:
        problem: What was solved.
        stages: The ansatz as built, after each rule, each re-optimised.
        plan: What happened to each rotation of the ansatz as built.
        path: Points of the last rule's path, empty where no rule traded energy.
        certificate: What pruning cost.
        notes: What the user should know, in words.
        merges: What each run of the rule ``lie`` merged, with its certificate.

    """

    problem: Problem | QubitProblem
    stages: tuple[Stage, ...]
    plan: PrunePlan
    path: tuple[PathPoint, ...]
    certificate: Certificate
    notes: tuple[str, ...]
    merges: tuple[LieMerge, ...] = ()

    @property
    def final_problem(self) -> Problem | QubitProblem:
        """The problem in the orbitals of the final stage, those that its circuit acts in."""
        return (
            self.problem if isinstance(self.problem, QubitProblem) else in_orbitals(self.problem, self.final.orbitals)
        )

    @property
    def final(self) -> Stage:
        """The pruned and re-optimised ansatz."""
        return self.stages[-1]

    def __str__(self) -> str:
        """Return one line a stage: parameters, rotations, energy and its error."""
        exact = self.problem.energies.get("exact")
        unit = self.problem.unit
        factor, name = error_unit(unit)
        form = ".4f" if unit == HARTREE else ".1e"
        lines = []
        for stage in self.stages:
            energy, error = stage.optimum.value, ""
            if exact is not None:
                error = f", error {format(factor * (energy - exact), form)} {name}"
            lines.append(
                f"{stage.name}: {stage.ansatz.n_parameters} parameters, {len(stage.ansatz.rotations)} rotations, "
                f"energy {energy:.6f} {unit}{error}"
            )
        return "\n".join(lines)


def prune_ansatz(
    problem: Problem | QubitProblem,
    ansatz: Ansatz,
    *,
    rules: Sequence[str] | None = None,
    limits: Limits | None = None,
    lie: LieOptions | None = None,
    training: Training | None = None,
    orbitals: str = "fixed",
    seed: int = 0,
    gradient_tolerance: float = 1e-7,
    max_steps: int = 2000,
    threads: int = 1,
    journal: Journal | None = None,
) -> Pruning:
    """Optimise an ansatz, prune it rule by rule, and certify the result.

    Args:
        problem: The ground-state problem, of electrons or of qubits.
        ansatz: Excitation rotations on its spin orbitals; Pauli rotations and Clifford gates on its qubits.
        rules: For electrons ``symmetry`` and then any of ``curvature``, ``magnitude``, ``random``, ``fisher``, default
            symmetry and curvature; for qubits ``eqntk``, the default, and then any of these without symmetry.
        limits: How far to prune, default an error of 1.5e-3 (hartree or the problem's unit) to the exact energy.
        lie: How the rule ``lie`` compares gates; where it has no limit of its own it goes as far as `limits` allows.
        training: How angles of qubit ansätze are found from random starts.
        orbitals: ``fixed``; ``absorb``, which takes rotations of orbitals at the end of the circuit into the
            Hamiltonian, exactly; ``optimise``, which also lets orbitals of one irrep follow all angles after the
            symmetry rule. For excitations only.
        seed: Seed of the random rule, and the first seed of trainings.
        gradient_tolerance: Largest gradient component of an optimum, hartree per radian.
        max_steps: Largest number of optimiser steps.
        threads: Threads for large sectors, and processes for long trainings.
        journal: Where progress goes and an interrupted run's past comes from.

    Returns:
        Stages, plan, path and certificate.

    Raises:
        InputError: A rule is unknown or the ansatz does not fit the problem.
        ConvergenceError: An energy is below the exact one, so something is wrong.

    """
    journal, limits = journal or Journal(), limits or Limits()
    on_qubits = isinstance(problem, QubitProblem)
    rules = list((("eqntk",) if on_qubits else ("symmetry", "curvature")) if rules is None else rules)
    _check_rules(rules, on_qubits)
    check_ansatz(problem, ansatz)
    pairs = free_pairs(problem, orbitals)
    options = (gradient_tolerance, max_steps, threads, training or Training(), seed, "eqntk" in rules)
    first = work = _Work(problem, energy_of(problem, threads), journal, *options)
    found = symmetric_passes(problem, ansatz) if isinstance(problem, QubitProblem) and rules[:1] == ["eqntk"] else None
    stages = [work.train("full", ansatz) if on_qubits else work.optimise("full", ansatz, np.zeros(ansatz.n_parameters))]
    plans: list[PrunePlan] = []
    merges: list[LieMerge] = []
    path: list[PathPoint] = []
    predicted, notes = 0.0, list(problem.warnings)
    for rule in steps_of(rules, orbitals):
        before = stages[-1]
        work = first.in_orbitals_of(before, () if rule == "symmetry" else pairs)
        if isinstance(problem, QubitProblem) and rule == "eqntk":
            passes, said = found or symmetric_passes(problem, before.ansatz)
            accepted, refusal = work.train_passes(passes, before)
            plans += [each.plan for each in passes[: len(accepted)]]
            stages += accepted
            notes += said + refusal
        elif isinstance(problem, Problem) and rule == "symmetry":
            plans.append(symmetry_plan(problem, before.ansatz, before.optimum.angles))
            start = carry_angles(plans[-1], before.ansatz, before.optimum.angles)
            stages.append(work.optimise(rule, apply_plan(plans[-1], before.ansatz), start))
        elif rule == "orbitals":
            stages.append(work.optimise(rule, before.ansatz, before.optimum.angles))
            predicted += stages[-1].optimum.value - before.optimum.value
        elif rule == "absorb":
            plan, stage = work.absorb(before)
            if plan is not None:
                plans.append(plan)
                stages.append(stage)
        elif rule == "lie":
            merge, stage = work.merge(before, limits, stages[0].optimum.value, lie or LieOptions())
            plans.append(merge.plan)
            stages.append(stage)
            predicted += merge.certificate.predicted_increase
            merges.append(merge)
            notes += merge_notes(merge.certificate, stage.ansatz.n_parameters)
        else:
            ranking = rank_at_random(seed) if rule == "random" else RANKINGS[rule]
            path = work.eliminate(rule, ranking, before, limits, stages[0].optimum.value)
            reference = reference_energy(problem, limits, stages[0].optimum.value)
            chosen = choose(path, limits, reference)
            notes += shortfall_notes(rule, path, chosen, limits, reference, problem.unit)
            plans.append(elimination_plan(rule, before.ansatz, path, chosen))
            stages.append(work.stage(rule, restrict(before.ansatz, chosen.kept), chosen.optimum))
            predicted += chosen.predicted
    _check_variational(problem, stages)
    notes += orbital_notes(pairs, stages[-1].orbitals)
    notes += training_notes(problem, [(stage.name, stage.optimum, stage.training) for stage in stages])
    return Pruning(
        problem=problem,
        stages=tuple(stages),
        plan=chain(plans) if plans else _keep_all(ansatz),
        path=tuple(path),
        certificate=first.certify(stages[0], stages[-1], predicted),
        notes=tuple(notes),
        merges=tuple(merges),
    )


def _check_rules(rules: Sequence[str], on_qubits: bool) -> None:
    known = ("eqntk" if on_qubits else "symmetry", "lie", "random", *RANKINGS)
    unknown = [rule for rule in rules if rule not in known]
    if unknown == ["symmetry"] or unknown == ["eqntk"]:
        there, here = ("excitations", "eqntk") if on_qubits else ("qubit ansätze", "symmetry")
        raise InputError(f"the rule {unknown[0]} is for {there}; here use {here}")
    if unknown:
        raise InputError(f"unknown rule {unknown[0]!r}; available: {', '.join(known)}")


def _keep_all(ansatz: Ansatz) -> PrunePlan:
    decisions = tuple(Decision(action=Action.KEEP, reason="no rule was asked for") for _ in ansatz.rotations)
    return PrunePlan(rule="none", decisions=decisions)


def _check_variational(problem: Problem | QubitProblem, stages: Sequence[Stage]) -> None:
    exact = problem.floor if isinstance(problem, QubitProblem) else problem.energies.get("exact")
    slack = rounding_of(problem)
    for stage in stages:
        if exact is not None and stage.optimum.value < exact - slack:
            raise ConvergenceError(
                f"the {stage.name} ansatz of {problem.name} gave {stage.optimum.value:.8f}, below the exact "
                f"{exact:.8f}: one of them is wrong; please report this with the input"
            )


@dataclass(frozen=True, eq=False)
class _Work:
    """What all steps of one pruning share."""

    problem: Problem | QubitProblem
    bind: Callable[[Ansatz], EnergyObjective | QubitEnergyObjective]
    journal: Journal
    gradient_tolerance: float
    max_steps: int
    threads: int
    training: Training
    seed: int
    scores: bool
    orbitals: Matrix | None = None
    pairs: tuple[Pair, ...] = ()

    def in_orbitals_of(self, stage: Stage, pairs: tuple[Pair, ...]) -> _Work:
        """Return the work that goes on in a stage's orbitals, with the given pairs of them free to turn."""
        if isinstance(self.problem, QubitProblem) or (stage.orbitals is None and not pairs):
            return self
        problem = in_orbitals(self.problem, stage.orbitals)
        bind = energy_of(problem, self.threads)

        def bind_free(ansatz: Ansatz) -> EnergyObjective | QubitEnergyObjective:
            return bind(with_orbital_rotations(ansatz, pairs))

        return replace(self, problem=problem, bind=bind_free, orbitals=stage.orbitals, pairs=pairs)

    def stage(self, name: str, ansatz: Ansatz, optimum: Optimum) -> Stage:
        """Return a stage from an optimum of all angles, those of free orbitals turned into orbitals."""
        orbitals, n = self.orbitals, ansatz.n_parameters
        if self.pairs and isinstance(self.problem, Problem):
            turned = orbital_matrix(self.problem.n_orbitals, self.pairs, optimum.angles[n:])
            orbitals = turned if orbitals is None else orbitals @ turned
        return Stage(name=name, ansatz=ansatz, optimum=replace(optimum, angles=optimum.angles[:n]), orbitals=orbitals)

    def absorb(self, before: Stage) -> tuple[PrunePlan | None, Stage]:
        """Take what turns orbitals at the end of the circuit into the Hamiltonian; no plan where there is nothing."""
        assert isinstance(self.problem, Problem)
        n = self.problem.electrons.n_orbitals
        plan, turned = absorption_plan(before.ansatz, before.optimum.angles, n)
        if len(plan.survivors) == len(before.ansatz.rotations):
            return None, before
        orbitals = turned if before.orbitals is None else before.orbitals @ turned
        angles = carry_angles(plan, before.ansatz, before.optimum.angles)
        optimum = replace(before.optimum, angles=angles)
        return plan, Stage(name="absorb", ansatz=apply_plan(plan, before.ansatz), optimum=optimum, orbitals=orbitals)

    def merge(self, before: Stage, limits: Limits, full_energy: float, options: LieOptions) -> tuple[LieMerge, Stage]:
        """Merge in one shot and tune; where tuning ends above the limit, merge less and tune again."""
        reference = reference_energy(self.problem, limits, full_energy)
        allowed = max(limits.tolerance - (before.optimum.value - reference), 0.0)
        searching = not options.limited and limits.parameters is None
        if not options.limited:
            options = replace(options, parameters=limits.parameters)
        trust = 1.0
        while True:
            if searching:
                options = replace(options, largest_increase=trust * allowed)
            merge = lie_merge(self.problem, before.ansatz, before.optimum.angles, options)
            name = "lie" if trust == 1.0 else f"lie, {trust:g} of the tolerance"
            stage = self.optimise(name, apply_plan(merge.plan, before.ansatz), merge.start)
            within = stage.optimum.value - before.optimum.value <= allowed + rounding_of(self.problem)
            if not searching or within or trust < SMALLEST_TRUST:
                return merge, replace(stage, name="lie")
            trust = 0.0 if trust / 4 < SMALLEST_TRUST else trust / 4  # second order promises too much on flat ground

    def train_passes(self, passes: Sequence[SymmetricPass], before: Stage) -> tuple[list[Stage], list[str]]:
        """Return the trained stages of passes, up to one that costs energy, and what to say about it.

        A pass is found without training and leaves the ground state in reach; where training finds a higher energy all
        the same, whatever the reason, it is not kept.
        """
        assert isinstance(self.problem, QubitProblem)
        allowed = NOTICEABLE_RISE * max(self.problem.hamiltonian.norm_bound, 1.0)
        stages = [before]
        for each in passes:
            stage = self.train(each.name, each.ansatz)
            rise = stage.optimum.value - stages[-1].optimum.value
            if rise > allowed:
                unit = self.problem.unit
                text = f"the {each.name} pass is not kept: training ends {rise:.3e} {unit} higher with it"
                later = [other.name for other in passes[len(stages) :]]
                return stages[1:], [text + (f"; {' and '.join(later)}, found after it, fall with it" if later else "")]
            stages.append(stage)
        return stages[1:], []

    def train(self, name: str, ansatz: Ansatz) -> Stage:
        """Return the best of several trainings of a qubit ansatz, led to its minimum, with its scores."""
        problem = self.problem
        assert isinstance(problem, QubitProblem)
        known, remembered = self.journal.optimum(name), self.journal.noted(name)
        if known is not None and remembered is not None and len(known.angles) == ansatz.n_parameters:
            return Stage(name=name, ansatz=ansatz, optimum=known, **remembered)
        exact = problem.energies["exact"]
        study = train(
            problem.hamiltonian,
            ansatz,
            problem.reference_state,
            self.training,
            seed=self.seed,
            exact=exact,
            workers=self.threads,
            progress=lambda text: self.journal.say(f"{name}: {text}"),
        )
        if self.scores and problem.n_qubits >= LONG_SCORES_QUBITS:
            self.journal.say(f"{name}: effective space, Lie algebra and kernels, some seconds to a minute")
        scores = score_ansatz(problem, ansatz).as_row() if self.scores else None
        noted: dict[str, Any] = {"training": study.as_row() if exact is not None else None, "scores": scores}
        self.journal.note(name, noted)
        stage = self.optimise(name, ansatz, folded_angles(ansatz, study.best.angles))
        return Stage(name=name, ansatz=ansatz, optimum=stage.optimum, **noted)

    def optimise(self, name: str, ansatz: Ansatz, start: Vector) -> Stage:
        """Return a stage's optimum, from the journal where it was reached before."""
        known = self.journal.optimum(name)
        start = np.append(start, np.zeros(len(self.pairs)))
        if known is not None and known.angles.shape == start.shape:
            return self.stage(name, ansatz, known)
        resumed = self.journal.angles(name)
        if resumed is not None and resumed.shape == start.shape:
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
        return self.stage(name, ansatz, optimum)

    def eliminate(
        self, rule: str, ranking: Ranking, before: Stage, limits: Limits, full_energy: float
    ) -> list[PathPoint]:
        """Return a rule's path: to the last parameter where that is cheap, else a little past the limits."""
        reference = reference_energy(self.problem, limits, full_energy)
        objective = self.bind(before.ansatz)
        optimum = replace(before.optimum, angles=np.append(before.optimum.angles, np.zeros(len(self.pairs))))
        whole = objective.cheap_hessian
        hopeless = limits.parameters is None and before.optimum.value - reference > limits.tolerance
        if not whole and not hopeless:
            self._announce_hessian(rule, objective, optimum.angles)

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
            optimum,
            ranking,
            enough=enough,
            verify=rule == "curvature",
            earlier=self.journal.path(rule),
            gradient_tolerance=self.gradient_tolerance,
            progress=partial(self.journal.pruned, rule),
        )

    def _announce_hessian(self, rule: str, objective: EnergyObjective | QubitEnergyObjective, angles: Vector) -> None:
        """Say how long the Hessian will take where the user would notice."""
        began = time.perf_counter()
        objective.value_and_gradient(angles)
        seconds = HESSIAN_COLUMN * len(angles) * (time.perf_counter() - began)
        if seconds > NOTICEABLE_SECONDS and not self.journal.path(rule):
            self.journal.say(f"{rule}: Hessian of {len(angles)} parameters, about {seconds:.0f} s")

    def certify(self, first: Stage, last: Stage, predicted: float) -> Certificate:
        """Compare what pruning cost with what was predicted and with what the two states allow."""
        engines = [self.bind(stage.ansatz).engine for stage in (first, last)]
        states = [engine.state(stage.optimum.angles) for engine, stage in zip(engines, (first, last), strict=True)]
        if isinstance(self.problem, Problem):
            states[1] = state_in_old_orbitals(states[1].real, self.problem.electrons, last.orbitals)
        measured = last.optimum.value - first.optimum.value
        bound = energy_change_bound(engines[0].hamiltonian, states[0], states[1])
        if abs(measured) > bound + rounding_of(self.problem):
            raise ConvergenceError(
                f"pruning changed the energy by {measured:.3e} {self.problem.unit}, more than the {bound:.3e} "
                f"that the two states allow: one of them is wrong; please report this with the input"
            )
        return Certificate(predicted_increase=predicted, measured_increase=measured, bound=bound)


def folded_angles(ansatz: Ansatz, angles: Vector) -> Vector:
    """Return angles in [-pi, pi] where a whole turn changes nothing: rules compare an angle with none at all.

    exp(-i angle c P) has the period 2 pi, up to a sign, where 2 c is a whole number.
    """
    periodic = np.ones(ansatz.n_parameters, dtype=bool)
    for rotation in ansatz.rotations:
        if rotation.parameter is not None and isinstance(rotation.generator, PauliSum):
            doubled = [2.0 * rotation.coefficient * factor for factor, _ in rotation.generator.terms]
            periodic[rotation.parameter] &= all(abs(value - round(value)) < 1e-12 for value in doubled)
    return np.where(periodic, angles - 2.0 * np.pi * np.round(angles / (2.0 * np.pi)), angles)
