"""Pruning an ansatz from end to end: optimise it, apply the rules in turn, certify what they did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.objective import check_ansatz, energy_of
from vqe_prune.orbitals import (
    free_pairs,
    in_orbitals,
)
from vqe_prune.problem import Problem
from vqe_prune.prune.absorption import steps_of
from vqe_prune.prune.certificate import Certificate
from vqe_prune.prune.elimination import PathPoint
from vqe_prune.prune.eqntk import symmetric_passes
from vqe_prune.prune.journal import Journal
from vqe_prune.prune.lie import LieMerge
from vqe_prune.prune.lie_options import LieOptions
from vqe_prune.prune.limits import Limits, rounding_of
from vqe_prune.prune.minimum import check_norms, saddle_notes
from vqe_prune.prune.notes import orbital_notes, single_start_notes, start_notes, training_notes
from vqe_prune.prune.plan import Action, Decision, PrunePlan, chain
from vqe_prune.prune.rule import AnyRule, DeletionRule, check_own_name
from vqe_prune.prune.steps import RANKINGS, RULES, Stage, Step, Work
from vqe_prune.prune.symmetry_notes import symmetry_notes
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.training import Training
from vqe_prune.units import HARTREE, error_unit
from vqe_prune.wording import counted

Vector = NDArray[np.float64]

SAME_ENERGY = 8
"""Decimals to which optima of several starts are compared: they are accurate to 1e-10."""


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

    def problem_of(self, stage: Stage) -> Problem | QubitProblem:
        """Return the problem in the orbitals of a stage, those that its circuit acts in."""
        return self.problem if isinstance(self.problem, QubitProblem) else in_orbitals(self.problem, stage.orbitals)

    @property
    def final_problem(self) -> Problem | QubitProblem:
        """The problem in the orbitals of the final stage."""
        return self.problem_of(self.final)

    @property
    def final(self) -> Stage:
        """The pruned and re-optimised ansatz."""
        return self.stages[-1]

    def __str__(self) -> str:
        """Return one line a stage: parameters, rotations, energy and its error."""
        exact = self.problem.energies.get("exact")
        unit = self.problem.unit
        factor, name = error_unit(unit)
        form = "z.4f" if unit == HARTREE else ".1e"  # z: no sign of a zero
        lines = []
        for stage in self.stages:
            energy, error = stage.optimum.value, ""
            if exact is not None:
                error = f", error {format(factor * (energy - exact), form)} {name}"
            lines.append(
                f"{stage.name}: {counted(stage.ansatz.n_parameters, 'parameter')}, "
                f"{counted(len(stage.ansatz.rotations), 'rotation')}, "
                f"energy {energy:.6f} {unit}{error}"
            )
        return "\n".join(lines)


def prune_ansatz(
    problem: Problem | QubitProblem,
    ansatz: Ansatz,
    *,
    rules: Sequence[AnyRule] | None = None,
    limits: Limits | None = None,
    lie: LieOptions | None = None,
    training: Training | None = None,
    starts: Sequence[Vector] = (),
    orbitals: str = "fixed",
    seed: int = 0,
    gradient_tolerance: float = 1e-7,
    max_steps: int = 2000,
    threads: int = 1,
    journal: Journal | None = None,
    accelerator: Any = None,
) -> Pruning:
    """Optimise an ansatz, prune it rule by rule, and certify the result.

    Args:
        problem: The ground-state problem, of electrons or of qubits.
        ansatz: Excitation rotations on its spin orbitals; Pauli rotations and Clifford gates on its qubits.
        rules: For electrons ``symmetry`` and then any of ``curvature``, ``magnitude``, ``random``, ``fisher``, default
            symmetry and curvature; for qubits ``eqntk``, the default, and then any of these without symmetry. Rules of
            one's own may stand anywhere among them: functions that return a plan (`Rule`) and `DeletionRule`.
        limits: How far to prune, default an error of 1.5e-3 (hartree or the problem's unit) to the exact energy.
        lie: How the rule ``lie`` compares gates; where it has no limit of its own it goes as far as `limits` allows.
        training: How angles of qubit ansätze are found from random starts.
        starts: First angles of an ansatz of excitations, radian, (n_parameters,) each, default zero angles; the lowest
            optimum counts (`vqe_prune.starts.starting_angles`).
        orbitals: ``fixed``; ``absorb``, which takes rotations of orbitals at the end of the circuit into the
            Hamiltonian, exactly; ``optimise``, which also lets orbitals of one irrep follow all angles after the
            symmetry rule. For excitations only.
        seed: Seed of the random rule, and the first seed of trainings.
        gradient_tolerance: Largest gradient component of an optimum, hartree per radian.
        max_steps: Largest number of optimiser steps.
        threads: Threads for large sectors, and processes for long trainings.
        journal: Where progress goes and an interrupted run's past comes from.
        accelerator: JAX device that evaluates excitations (`vqe_prune.find_gpu`), None for this machine's cores.

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
    _check_starts(starts, ansatz, on_qubits)
    pairs = free_pairs(problem, orbitals)
    passes = None
    if isinstance(problem, QubitProblem) and rules[:1] == ["eqntk"]:
        passes = symmetric_passes(problem, ansatz)  # what is wrong with them is said before the long part
    work = Work(
        problem=problem,
        bind=energy_of(problem, threads, accelerator),
        journal=journal,
        limits=limits,
        lie=lie or LieOptions(),
        training=training or Training(),
        gradient_tolerance=gradient_tolerance,
        max_steps=max_steps,
        threads=threads,
        seed=seed,
        scores="eqntk" in rules,
        passes=passes,
        accelerator=accelerator,
    )
    if on_qubits:
        found = [work.train("full", ansatz)]
    else:
        found = work.optimise_from("full", ansatz, starts or [np.zeros(ansatz.n_parameters)])
    stages = [min(found, key=lambda stage: round(stage.optimum.value, SAME_ENERGY))]  # of equal ones the first
    steps: list[Step] = []
    for rule in steps_of(rules, orbitals):
        here = work.in_orbitals_of(stages[-1], () if rule == "symmetry" else pairs)
        steps.append(here.step(rule, stages[-1], stages[0].optimum.value))
        stages += steps[-1].stages
    plans = [plan for step in steps for plan in step.plans]
    notes = [*problem.warnings, *(note for step in steps for note in step.notes)]
    _check_variational(problem, stages)
    check_norms(problem, stages, work.bind)
    notes += orbital_notes(pairs, stages[-1].orbitals)
    notes += start_notes([stage.optimum.value for stage in found], problem.unit)
    notes += [] if on_qubits or starts[1:] else single_start_notes(problem, found[0].optimum, limits, *starts)
    notes += saddle_notes(problem, stages, work.bind)
    notes += symmetry_notes(problem, stages, work.bind)
    notes += training_notes(problem, [(stage.name, stage.optimum, stage.training) for stage in stages])
    return Pruning(
        problem=problem,
        stages=tuple(stages),
        plan=chain(plans) if plans else _keep_all(ansatz),
        path=next((step.path for step in reversed(steps) if step.path), ()),
        certificate=work.certify(stages[0], stages[-1], sum(step.predicted for step in steps)),
        notes=tuple(notes),
        merges=tuple(step.merge for step in steps if step.merge is not None),
    )


def _check_rules(rules: Sequence[AnyRule], on_qubits: bool) -> None:
    known = ("eqntk" if on_qubits else "symmetry", "lie", "random", *RANKINGS)
    for rule in rules:
        if isinstance(rule, DeletionRule):
            check_own_name(rule.name, RULES)
        elif not isinstance(rule, str) and not callable(rule):
            raise InputError(f"rules hold names and functions, not {type(rule).__name__}")
    unknown = [rule for rule in rules if isinstance(rule, str) and rule not in known]
    if unknown == ["symmetry"] or unknown == ["eqntk"]:
        there, here = ("excitations", "eqntk") if on_qubits else ("qubit ansätze", "symmetry")
        raise InputError(f"the rule {unknown[0]} is for {there}; here use {here}")
    if unknown:
        raise InputError(f"unknown rule {unknown[0]!r}; available: {', '.join(known)}")


def _check_starts(starts: Sequence[Vector], ansatz: Ansatz, on_qubits: bool) -> None:
    if starts and on_qubits:
        raise InputError("starts have no effect on an ansatz on qubits, which is trained; leave them out")
    if any(np.shape(start) != (ansatz.n_parameters,) for start in starts):
        raise InputError(f"each of starts must hold {ansatz.n_parameters} angles, as the ansatz has parameters")


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
