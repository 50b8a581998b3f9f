"""The methods that `compare_pruners.py` compares: rules of the package, ADAPT, and training from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pareto import Point

from vqe_prune.adapt import PrunedAdapt, fermionic_pool, grow, pauli_pool, qubit_pool
from vqe_prune.ansatz.rotation import Ansatz, Excitation
from vqe_prune.circuit import cancel_neighbours, count_resources, excitation_gates, problem_gates
from vqe_prune.encoding import moves_pair
from vqe_prune.objective import energy_of
from vqe_prune.observables import observe
from vqe_prune.optimize import Optimum, minimize
from vqe_prune.paulis import PauliSum
from vqe_prune.problem import Problem
from vqe_prune.prune.elimination import restrict
from vqe_prune.prune.eqntk import symmetric_passes
from vqe_prune.prune.journal import Journal
from vqe_prune.prune.lie import lie_merge
from vqe_prune.prune.lie_options import LieOptions
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.plan import Action, Decision, PrunePlan, apply_plan, carry_angles, chain
from vqe_prune.prune.pruning import Pruning, prune_ansatz
from vqe_prune.prune.steps import NOTICEABLE_RISE, Stage, folded_angles
from vqe_prune.qubit_problem import QubitProblem, molecular_qubit_problem
from vqe_prune.training import Training, train

AnyProblem = Problem | QubitProblem
Vector = NDArray[np.float64]

START_SPREAD = 0.05
"""Radian; standard deviation of the random angles from which a seed optimises the full coupled-cluster ansatz."""

TRAINING = Training(method="l-bfgs", n_seeds=1, steps=600)
"""How a seed trains an ansatz on qubits: from one start uniform in [0, 2 pi)."""

LIE_BUDGETS = 40
"""Budgets of the rule lie that are tried at most to draw its path."""

MOST_OPERATORS = 100
"""Longest ansatz of ADAPT."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """What one method makes of one case with one seed.

    Attributes:
        method: Its name.
        seed: Seed.
        problem: What its ansatz acts on.
        ansatz: The pruned or grown ansatz.
        optimum: Its optimum.
        n_two_qubit_gates: Of its circuit.
        full: Energy before pruning, None where nothing is pruned.
        untuned: Energy of the smaller ansatz at the angles that it inherits, None where it inherits none.
        path: What else the method offers: other sizes at other errors.

    """

    method: str
    seed: int
    problem: AnyProblem
    ansatz: Ansatz
    optimum: Optimum
    n_two_qubit_gates: int
    full: float | None = None
    untuned: float | None = None
    path: tuple[Point, ...] = ()

    def row(self, case: str, exact: float, tolerance: float) -> dict[str, Any]:
        """Return the outcome as a row of the table."""
        seen = observe(self.problem, self.ansatz, self.optimum.angles)
        error = self.optimum.value - exact
        return {
            "case": case,
            "method": self.method,
            "seed": self.seed,
            "n_parameters": self.ansatz.n_parameters,
            "n_rotations": len(self.ansatz.rotations),
            "n_two_qubit_gates": self.n_two_qubit_gates,
            "error_full": None if self.full is None else self.full - exact,
            "error_untuned": None if self.untuned is None else self.untuned - exact,
            "error": error,
            "n_electrons": seen.n_electrons_mean,
            "n_electrons_variance": seen.n_electrons_variance,
            "spin_z": seen.spin_z,
            "spin_squared": seen.spin_squared,
            "within": bool(error <= tolerance),
        }

    def point(self, exact: float) -> Point:
        """Return where it ended."""
        return Point(self.ansatz.n_parameters, self.n_two_qubit_gates, self.optimum.value - exact)


class Memory(Journal):
    """A journal that gives the first stage its start or its optimum, so that methods share what is the same."""

    def __init__(self, optima: dict[str, Optimum], start: Vector | None = None) -> None:
        self._optima, self._start = optima, start

    def optimum(self, stage: str) -> Optimum | None:
        """Return a stage's optimum where it is known."""
        return self._optima.get(stage)

    def angles(self, stage: str) -> Vector | None:
        """Return where the full ansatz starts."""
        return self._start if stage == "full" else None

    def noted(self, stage: str) -> dict[str, Any] | None:
        """Return no scores: they are not compared here."""
        return {"training": None, "scores": None} if stage in self._optima else None


class GateCounter:
    """Counts two-qubit gates of a problem's ansätze, each structure once.

    Circuits are those of Jordan and Wigner, one rotation after the other, for all methods alike; `encode` finds shorter
    ones, for none of them more than for others.

    An ansatz that only moves pairs is on one qubit an orbital, 2 gates a rotation, whoever made it. Another qubit
    excitation counts as its own circuit, 2 gates for a single and 13 for a double one (those of the fermionic one
    without the parity of the qubits between), not as the Pauli strings that it is a sum of.
    """

    def __init__(self, problem: AnyProblem, named: dict[PauliSum, Excitation] | None = None) -> None:
        self._problem, self._named, self._known = problem, named, dict[Any, int]()

    def __call__(self, ansatz: Ansatz) -> int:
        """Return the number of two-qubit gates."""
        key = tuple(rotation.generator for rotation in ansatz.rotations)
        if key not in self._known:
            if self._named is None:
                excitations = [] if isinstance(self._problem, QubitProblem) else ansatz.excitations
                if excitations and all(map(moves_pair, excitations)):
                    self._known[key] = 2 * len(key)
                    return self._known[key]
                gates = problem_gates(self._problem, ansatz, np.ones(ansatz.n_parameters))
            elif all(moves_pair(self._named[each]) for each in key):
                self._known[key] = 2 * len(key)
                return self._known[key]
            else:
                everyone = [1 << q for q in range(self._problem.n_qubits)]  # no parity between is collected
                circuits = [excitation_gates(self._named[each], 1.0, conserved=everyone) for each in key]
                gates = cancel_neighbours(gate for circuit in circuits for gate in circuit)
            self._known[key] = count_resources(gates).n_two_qubit_gates
        return self._known[key]


def aligned(plan: PrunePlan, ansatz: Ansatz, angles: Vector) -> Vector:
    """Move tied angles by whole turns next to their leader's, so that a mean of them makes sense; qubits only."""
    moved = angles.copy()
    for rotation, decision in zip(ansatz.rotations, plan.decisions, strict=True):
        if decision.action is Action.TIE and decision.leader is not None and rotation.parameter is not None:
            leader = ansatz.rotations[decision.leader].parameter
            if leader is not None and isinstance(rotation.generator, PauliSum):
                target = decision.coefficient * moved[leader]
                moved[rotation.parameter] += 2 * np.pi * round((target - moved[rotation.parameter]) / (2 * np.pi))
    return moved


def untuned_energy(problem: AnyProblem, plan: PrunePlan, ansatz: Ansatz, angles: Vector) -> float:
    """Return the energy of the smaller ansatz at the angles that it inherits from the trained full one."""
    start = carry_angles(plan, ansatz, aligned(plan, ansatz, angles))
    return energy_of(problem)(apply_plan(plan, ansatz)).value_and_gradient(start)[0]


def by_rules(
    problem: AnyProblem,
    first: Stage,
    rules: Sequence[str],
    tolerance: float,
    seed: int,
    gates: GateCounter,
    *,
    memory: Memory,
    before: PrunePlan | None = None,
    origin: Stage | None = None,
    orbitals: str = "fixed",
) -> tuple[Outcome, Pruning]:
    """Prune by a chain of rules up to a tolerance.

    Args:
        problem: What is solved.
        first: Where the rules start.
        rules: In their order.
        tolerance: Largest error.
        seed: Of the random rule.
        gates: Counts.
        memory: Holds the optimum of `first` as ``full``.
        before: A plan that led from `origin` to `first`.
        origin: The full ansatz, default `first`.
        orbitals: As in `prune_ansatz`; where they follow, no angles are inherited alone, so none is untuned.

    Angles are inherited from `first`: eqntk trains anew.

    """
    limits = Limits(tolerance=tolerance)
    run = prune_ansatz(problem, first.ansatz, rules=rules, limits=limits, seed=seed, journal=memory, orbitals=orbitals)
    whole, start, plan = origin or first, first, run.plan
    if before is not None and not rules:  # nothing came after the plan before: what it makes of the full ansatz
        start, plan = whole, before
    name = ",".join((*((before.rule,) if before else ()), *rules)) + (", orbitals" if orbitals != "fixed" else "")
    exact = problem.energies["exact"]
    assert exact is not None
    points: tuple[Point, ...] = ()
    if run.path:
        smaller = [(restrict(run.stages[-2].ansatz, point.kept), point.value) for point in run.path]
        points = tuple(Point(a.n_parameters, gates(a), value - exact) for a, value in smaller)
    outcome = Outcome(
        method=name,
        seed=seed,
        problem=problem,
        ansatz=run.final.ansatz,
        optimum=run.final.optimum,
        n_two_qubit_gates=gates(run.final.ansatz),
        full=whole.optimum.value,
        untuned=untuned_energy(problem, plan, start.ansatz, start.optimum.angles) if orbitals == "fixed" else None,
        path=points,
    )
    return outcome, run


def lie_path(problem: AnyProblem, before: Stage, gates: GateCounter) -> tuple[Point, ...]:
    """Return what the rule lie makes of each budget, tuned."""
    bind, exact = energy_of(problem), problem.energies["exact"]
    assert exact is not None
    found = []
    most = before.ansatz.n_parameters
    for budget in np.unique(np.linspace(1, most, min(most, LIE_BUDGETS)).astype(int)).tolist():
        merge = lie_merge(problem, before.ansatz, before.optimum.angles, LieOptions(parameters=budget))
        smaller = apply_plan(merge.plan, before.ansatz)
        value = minimize(bind(smaller), merge.start).value
        found.append(Point(smaller.n_parameters, gates(smaller), value - exact))
    return tuple(found)


def trained(problem: AnyProblem, ansatz: Ansatz, start: Vector) -> Optimum:
    """Return the optimum that a start leads to."""
    return minimize(energy_of(problem)(ansatz), start)


def from_scratch(chained: Outcome, pool: Ansatz, gates: GateCounter, *, zero: bool) -> list[Outcome]:
    """Train circuits of the pruned size: the pruned one with fresh angles, and as many parameters chosen by chance.

    Args:
        chained: The pruned ansatz; its seed draws the angles and the structure.
        pool: What parameters are drawn from.
        gates: Counts.
        zero: Whether angles of 0 are a start too; on qubits they are often a stationary point.

    """
    problem, ansatz, seed = chained.problem, chained.ansatz, chained.seed
    rng = np.random.default_rng([seed, ansatz.n_parameters])
    size = ansatz.n_parameters
    drawn = restrict(pool, sorted(rng.choice(pool.n_parameters, size, replace=False).tolist()))
    turn = rng.uniform(-np.pi, np.pi, size)
    starts = [("scratch, random angles", ansatz, turn)]
    starts += [("scratch, angles 0", ansatz, np.zeros(size))] if zero else []
    starts += [("scratch, random circuit", drawn, np.zeros(size) if zero else turn)]
    return [
        Outcome(
            method=name,
            seed=seed,
            problem=problem,
            ansatz=each,
            optimum=trained(problem, each, start),
            n_two_qubit_gates=gates(each),
        )
        for name, each, start in starts
    ]


def by_adapt(problem: Problem, tolerance: float, seed: int, gates: GateCounter) -> list[Outcome]:
    """Grow by ADAPT from the fermionic, the qubit-excitation and the Pauli pool, and by Pruned-ADAPT."""
    fermionic = fermionic_pool(problem)
    qubits = on_qubits(problem)
    named = dict(zip(qubit_pool(problem), fermionic, strict=True))
    runs: list[tuple[str, AnyProblem, Any, GateCounter, PrunedAdapt | None]] = [
        ("ADAPT, fermionic", problem, fermionic, gates, None),
        ("Pruned-ADAPT", problem, fermionic, gates, PrunedAdapt()),
        ("ADAPT, qubit exc.", qubits, tuple(named), GateCounter(qubits, named), None),
        ("ADAPT, Pauli", qubits, pauli_pool(qubits), GateCounter(qubits), None),
    ]
    return [grown(name, p, pool, tolerance, seed, count, prune) for name, p, pool, count, prune in runs]


def grown(
    name: str,
    problem: AnyProblem,
    pool: Sequence[Any],
    tolerance: float,
    seed: int,
    gates: GateCounter,
    prune: PrunedAdapt | None = None,
) -> Outcome:
    """Grow until the error is within the tolerance; the seed draws among equal gradients."""
    exact = problem.energies["exact"]
    assert exact is not None
    growth = grow(problem, pool, target_error=tolerance, max_operators=MOST_OPERATORS, seed=seed, prune=prune)
    points = [Point(p.ansatz.n_parameters, gates(p.ansatz), p.optimum.value - exact) for p in growth.points]
    final = growth.final
    return Outcome(
        method=name,
        seed=seed,
        problem=problem,
        ansatz=final.ansatz,
        optimum=final.optimum,
        n_two_qubit_gates=gates(final.ansatz),
        path=tuple(points),
    )


def on_qubits(problem: Problem) -> QubitProblem:
    """Return a molecule on qubits with the exact energy that is known already."""
    qubits = molecular_qubit_problem(problem, exact=False)
    return replace(qubits, energies={**qubits.energies, "exact": problem.energies["exact"]})


def symmetric_stage(problem: QubitProblem, full: Stage, seed: int) -> tuple[Stage, PrunePlan]:
    """Prune by eqntk and train every pass from one start; a pass that costs energy is not kept."""
    stage, plans = full, []
    passes, _ = symmetric_passes(problem, full.ansatz)
    for each in passes:
        after = trained_stage(problem, each.ansatz, seed)
        if after.optimum.value - stage.optimum.value > NOTICEABLE_RISE * problem.hamiltonian.norm_bound:
            break
        stage, plans = after, [*plans, each.plan]
    plan = chain(plans) if plans else None
    return stage, replace(plan or _nothing(full.ansatz), rule="eqntk")


def trained_stage(problem: QubitProblem, ansatz: Ansatz, seed: int) -> Stage:
    """Train an ansatz on qubits from one random start, to the end."""
    study = train(problem.hamiltonian, ansatz, problem.reference_state, TRAINING, seed=seed)
    optimum = trained(problem, ansatz, folded_angles(ansatz, study.best.angles))
    return Stage(name="full", ansatz=ansatz, optimum=optimum)


def _nothing(ansatz: Ansatz) -> PrunePlan:
    return PrunePlan(rule="eqntk", decisions=tuple(Decision(action=Action.KEEP, reason="") for _ in ansatz.rotations))
