"""The steps of a pruning, each from one stage to the next: a rule's plan, applied and re-optimised."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.errors import ConvergenceError
from vqe_prune.objective import EnergyObjective, QubitEnergyObjective, energy_of
from vqe_prune.optimize import Optimum, minimize
from vqe_prune.orbitals import (
    Matrix,
    Pair,
    in_orbitals,
    orbital_matrix,
    state_in_old_orbitals,
    with_orbital_rotations,
)
from vqe_prune.paulis import PauliSum
from vqe_prune.problem import Problem
from vqe_prune.prune.absorption import absorption_plan
from vqe_prune.prune.certificate import Certificate, energy_change_bound
from vqe_prune.prune.coarse import LOOSE_GRADIENT, eliminate_coarsely, remembered_curvatures
from vqe_prune.prune.condense import STRENGTHS, condense
from vqe_prune.prune.controls import rank_at_random, rank_by_fisher, rank_by_magnitude
from vqe_prune.prune.curvature import rank_by_curvature
from vqe_prune.prune.elimination import (
    PathPoint,
    Ranking,
    eliminate,
    elimination_plan,
    restrict,
)
from vqe_prune.prune.eqntk import SymmetricPass, symmetric_passes
from vqe_prune.prune.journal import Journal
from vqe_prune.prune.lie import LieMerge, lie_merge
from vqe_prune.prune.lie_options import LieOptions
from vqe_prune.prune.limits import Limits, choose, reference_energy, rounding_of
from vqe_prune.prune.notes import merge_notes, shortfall_notes
from vqe_prune.prune.plan import PrunePlan, apply_plan, carry_angles
from vqe_prune.prune.rule import AnyRule, DeletionRule, Rule, expected_value, plan_of
from vqe_prune.prune.symmetry import symmetry_plan
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.score.curvature import EXACT_HESSIANS
from vqe_prune.score.summary import score_ansatz
from vqe_prune.training import Training, train

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

RULES = ("symmetry", "eqntk", "lie", "random", *RANKINGS)
"""Names of all rules of the package."""


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
class Step:
    """What one step of a pruning did.

    Attributes:
        stages: New stages, none where nothing changed.
        plans: One a stage, none for a stage whose rotations are those before.
        path: Points of the step's path, empty where it traded no energy.
        predicted: By how much the energy should have risen.
        notes: What the user should know, in words.
        merge: What the rule ``lie`` merged.

    """

    stages: tuple[Stage, ...] = ()
    plans: tuple[PrunePlan, ...] = ()
    path: tuple[PathPoint, ...] = ()
    predicted: float = 0.0
    notes: tuple[str, ...] = ()
    merge: LieMerge | None = None


Passes = tuple[list[SymmetricPass], list[str]]
"""What `symmetric_passes` returns."""


@dataclass(frozen=True, eq=False)
class Work:
    """What all steps of one pruning share.

    Attributes:
        problem: What is solved, in the orbitals of the stage at hand.
        bind: Makes the energy of an ansatz; with free orbitals their angles stand behind those of the ansatz.
        journal: Where progress goes and an interrupted run's past comes from.
        limits: How far rules prune.
        lie: Of the rule ``lie``.
        training: How angles of qubit ansätze are found.
        gradient_tolerance: Largest gradient component of an optimum.
        max_steps: Largest number of optimiser steps.
        threads: Threads for large sectors, and processes for long trainings.
        seed: Seed of the random rule, and the first seed of trainings.
        scores: Whether stages on qubits are scored.
        passes: Those of ``eqntk`` for the ansatz as built, where they were found before its training.
        orbitals: Orbitals of `problem` in terms of the user's problem, None where they are the same.
        pairs: Pairs of orbitals that turn while an ansatz is optimised.
        accelerator: JAX device that evaluates excitations, None for this machine's cores.

    """

    problem: Problem | QubitProblem
    bind: Callable[[Ansatz], EnergyObjective | QubitEnergyObjective]
    journal: Journal
    limits: Limits
    lie: LieOptions
    training: Training
    gradient_tolerance: float
    max_steps: int
    threads: int
    seed: int
    scores: bool
    passes: Passes | None = None
    orbitals: Matrix | None = None
    pairs: tuple[Pair, ...] = ()
    accelerator: Any = None

    def step(self, rule: AnyRule, before: Stage, full_energy: float) -> Step:
        """Do one step: a rule, ``orbitals`` or ``absorb``.

        Args:
            rule: Its name, or a rule of one's own.
            before: The stage to start from, in this work's orbitals.
            full_energy: Of the ansatz as built, what errors may refer to.

        """
        if isinstance(rule, DeletionRule):
            return self._eliminate(rule.name, before, full_energy, rule.score)
        if not isinstance(rule, str):
            return self._follow(rule, before)
        if rule == "eqntk":
            return self._pass(before)
        if rule == "symmetry":
            assert isinstance(self.problem, Problem)
            plan = symmetry_plan(self.problem, before.ansatz, before.optimum.angles)
            start = carry_angles(plan, before.ansatz, before.optimum.angles)
            return Step(plans=(plan,), stages=(self.optimise(rule, apply_plan(plan, before.ansatz), start),))
        if rule == "orbitals":
            stage = self.optimise(rule, before.ansatz, before.optimum.angles)
            return Step(stages=(stage,), predicted=stage.optimum.value - before.optimum.value)
        if rule == "absorb":
            return self._absorb(before)
        if rule == "lie":
            return self._merge(before, full_energy)
        ranking = rank_at_random(self.seed) if rule == "random" else RANKINGS[rule]
        return self._eliminate(rule, before, full_energy, ranking)

    def _follow(self, rule: Rule, before: Stage) -> Step:
        """Apply the plan of a rule of one's own."""
        plan = plan_of(rule, self.problem, before.ansatz, before.optimum.angles, RULES)
        smaller = apply_plan(plan, before.ansatz)
        start = carry_angles(plan, before.ansatz, before.optimum.angles)
        expected = expected_value(self.bind(smaller), np.append(start, np.zeros(len(self.pairs))))
        stage = self.optimise(plan.rule, smaller, start)
        return Step(plans=(plan,), stages=(stage,), predicted=expected - before.optimum.value)

    def in_orbitals_of(self, stage: Stage, pairs: tuple[Pair, ...]) -> Work:
        """Return the work that goes on in a stage's orbitals, with the given pairs of them free to turn."""
        if isinstance(self.problem, QubitProblem) or (stage.orbitals is None and not pairs):
            return self
        turned = stage.orbitals
        if turned is not None and self.orbitals is not None:
            turned = self.orbitals.T @ turned
        problem = in_orbitals(self.problem, turned)
        bind = energy_of(problem, self.threads, self.accelerator)

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

    def _absorb(self, before: Stage) -> Step:
        """Take what turns orbitals at the end of the circuit into the Hamiltonian."""
        assert isinstance(self.problem, Problem)
        plan, turned = absorption_plan(before.ansatz, before.optimum.angles, self.problem.n_orbitals)
        if len(plan.survivors) == len(before.ansatz.rotations):
            return Step()
        orbitals = turned if before.orbitals is None else before.orbitals @ turned
        optimum = replace(before.optimum, angles=carry_angles(plan, before.ansatz, before.optimum.angles))
        smaller = apply_plan(plan, before.ansatz)
        return Step(plans=(plan,), stages=(Stage(name="absorb", ansatz=smaller, optimum=optimum, orbitals=orbitals),))

    def _merge(self, before: Stage, full_energy: float) -> Step:
        """Merge at the optimum, and where asked for at condensed ones; return the best with the stages to it.

        Best has, within the tolerance, the fewest parameters, then the lowest energy; with a budget the lowest energy.
        """
        limits = self.limits
        reference = reference_energy(self.problem, limits, full_energy)
        merge, stage = self._merge_from(before, reference, "")
        found = [(merge, [stage])]
        for k in range(len(STRENGTHS) if self.lie.condense else 0):
            start = self._condensed(before, k)
            if limits.parameters is not None or start.optimum.value - reference <= limits.tolerance:
                merge, stage = self._merge_from(start, reference, f" {k + 1}")
                found.append((merge, [replace(start, name="condensed"), stage]))

        def cost(merged: tuple[LieMerge, list[Stage]]) -> tuple[bool, int, float]:
            last = merged[1][-1]
            if limits.parameters is not None:
                return False, 0, last.optimum.value
            too_high = last.optimum.value - reference > limits.tolerance + rounding_of(self.problem)
            return too_high, last.ansatz.n_parameters, last.optimum.value

        merge, stages = min(found, key=cost)
        begun = stages[0] if len(stages) > 1 else before  # a condensed optimum may be higher or lower
        return Step(
            plans=(merge.plan,),
            stages=tuple(stages),
            predicted=begun.optimum.value - before.optimum.value + merge.certificate.predicted_increase,
            notes=tuple(merge_notes(merge.certificate, stages[-1].ansatz.n_parameters)),
            merge=merge,
        )

    def _condensed(self, before: Stage, k: int) -> Stage:
        """Return an optimum with fewer distinct angles, led there by the k-th strength of the penalty."""
        name = f"condensed {k + 1}"
        start, known = before.optimum.angles, self.journal.optimum(name)
        if known is None or len(known.angles) != len(start) + len(self.pairs):
            objective = energy_of(self.problem, self.threads, self.accelerator)(before.ansatz)
            start = condense(self.problem, objective, start, STRENGTHS[k])
        stage = self.optimise(name, before.ansatz, start)
        folded = folded_angles(before.ansatz, stage.optimum.angles)
        return replace(stage, optimum=replace(stage.optimum, angles=folded))

    def _merge_from(self, before: Stage, reference: float, mark: str) -> tuple[LieMerge, Stage]:
        """Merge in one shot and tune; where tuning ends above the limit, merge less and tune again."""
        limits, options = self.limits, self.lie
        work = self if before.orbitals is self.orbitals else self.in_orbitals_of(before, self.pairs)
        allowed = max(limits.tolerance - (before.optimum.value - reference), 0.0)
        searching = not options.limited and limits.parameters is None
        if not options.limited:
            options = replace(options, parameters=limits.parameters)
        trust = 1.0
        while True:
            if searching:
                options = replace(options, largest_increase=trust * allowed)
            merge = lie_merge(work.problem, before.ansatz, before.optimum.angles, options)
            name = f"lie{mark}" if trust == 1.0 else f"lie{mark}, {trust:g} of the tolerance"
            stage = work.optimise(name, apply_plan(merge.plan, before.ansatz), merge.start)
            within = stage.optimum.value - before.optimum.value <= allowed + rounding_of(self.problem)
            if not searching or within or trust < SMALLEST_TRUST:
                return merge, replace(stage, name="lie")
            trust = 0.0 if trust / 4 < SMALLEST_TRUST else trust / 4  # second order promises too much on flat ground

    def _pass(self, before: Stage) -> Step:
        """Train the passes of ``eqntk``, up to one that costs energy.

        A pass is found without training and leaves the ground state in reach; where training finds a higher energy all
        the same, whatever the reason, it is not kept.
        """
        assert isinstance(self.problem, QubitProblem)
        passes, said = self.passes or symmetric_passes(self.problem, before.ansatz)
        allowed = NOTICEABLE_RISE * max(self.problem.hamiltonian.norm_bound, 1.0)
        stages = [before]
        for each in passes:
            stage = self.train(each.name, each.ansatz)
            rise = stage.optimum.value - stages[-1].optimum.value
            if rise > allowed:
                text = f"the {each.name} pass is not kept: training ends {rise:.3e} {self.problem.unit} higher with it"
                later = [other.name for other in passes[len(stages) :]]
                said = [*said, text + (f"; {' and '.join(later)}, found after it, fall with it" if later else "")]
                break
            stages.append(stage)
        plans = tuple(each.plan for each in passes[: len(stages) - 1])
        return Step(plans=plans, stages=tuple(stages[1:]), notes=tuple(said))

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

    def optimise_from(self, name: str, ansatz: Ansatz, starts: Sequence[Vector]) -> list[Stage]:
        """Return the stage of each start; where there are several, progress and the journal number them."""
        if len(starts) == 1:
            return [self.optimise(name, ansatz, starts[0])]
        found = [self.optimise(f"{name}, start {k}", ansatz, start) for k, start in enumerate(starts, start=1)]
        return [replace(stage, name=name) for stage in found]

    def optimise(self, name: str, ansatz: Ansatz, start: Vector) -> Stage:
        """Return a stage's optimum, from the journal where it was reached before; free orbitals may start from zero."""
        known = self.journal.optimum(name)
        start = np.append(start, np.zeros(ansatz.n_parameters + len(self.pairs) - len(start)))
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

    def _eliminate(self, rule: str, before: Stage, full_energy: float, ranking: Ranking) -> Step:
        """Go a rule's path, to the last parameter where that is cheap, else a little past the limits; then choose."""
        limits = self.limits
        reference = reference_energy(self.problem, limits, full_energy)
        path = self._path(rule, before, reference, ranking)
        chosen = choose(path, limits, reference)
        smaller = restrict(before.ansatz, chosen.kept)
        stage = self.stage(rule, smaller, chosen.optimum)
        if chosen.removed and self._is_loose(rule, before.ansatz):
            stage = self.optimise(rule, smaller, chosen.angles)
        return Step(
            plans=(elimination_plan(rule, before.ansatz, path, chosen),),
            stages=(stage,),
            path=tuple(path),
            predicted=chosen.predicted,
            notes=tuple(shortfall_notes(rule, path, chosen, limits, reference, self.problem.unit)),
        )

    def _path(self, rule: str, before: Stage, reference: float, ranking: Ranking) -> list[PathPoint]:
        """Delete parameters one at a time; where a gradient takes seconds or there are very many, first in groups."""
        limits, objective = self.limits, self.bind(before.ansatz)
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

        least = LOOSE_GRADIENT if self._is_loose(rule, before.ansatz) else 0.0
        common: dict[str, Any] = {"progress": partial(self.journal.pruned, rule)}
        common["gradient_tolerance"] = max(self.gradient_tolerance, least)
        path = self.journal.path(rule)
        grouped = rule == "curvature" and isinstance(self.problem, Problem) and not (whole or hopeless)
        if grouped and (objective.costly or before.ansatz.n_parameters > EXACT_HESSIANS):
            if path and objective.costly and self.journal.optimum(rule) is not None:
                return path  # its end was reached before
            fine = 0 if objective.costly else EXACT_HESSIANS
            path = eliminate_coarsely(
                self.bind,
                before.ansatz,
                optimum,
                highest=np.inf if limits.parameters is not None else reference + limits.tolerance,
                fewest=limits.parameters or 0,
                enough=lambda point: enough(point) or len(point.kept) <= fine,
                earlier=path,
                curvatures=remembered_curvatures(self.journal, rule, objective, optimum.angles),
                **common,
            )
            if objective.costly:
                return path
        on_qubits = isinstance(self.problem, QubitProblem)
        free = rounding_of(self.problem) if rule == "curvature" and on_qubits else 0.0
        verify = rule == "curvature"
        options: dict[str, Any] = {"enough": enough, "verify": verify, "free": free, "earlier": path}
        return eliminate(self.bind, before.ansatz, optimum, ranking, **options, **common)

    def _is_loose(self, rule: str, ansatz: Ansatz) -> bool:
        """Whether the points of a rule's path are minima only roughly: where a gradient takes seconds."""
        return rule == "curvature" and self.bind(ansatz).costly

    def _announce_hessian(self, rule: str, objective: EnergyObjective | QubitEnergyObjective, angles: Vector) -> None:
        """Say how long the Hessian will take where the user would notice."""
        began = time.perf_counter()
        objective.value_and_gradient(angles)
        gradient = time.perf_counter() - began
        seconds = HESSIAN_COLUMN * min(len(angles), EXACT_HESSIANS) * gradient
        if self.journal.path(rule):
            return
        if objective.costly:
            self.journal.say(f"{rule}: {len(angles)} parameters, deleted in groups; {gradient:.2g} s a gradient")
        elif seconds > NOTICEABLE_SECONDS:
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
