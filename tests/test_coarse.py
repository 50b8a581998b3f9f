"""Deletion in groups ends where deletion one by one does, and never above the limit."""

from functools import cache

import numpy as np
import pytest

import vqe_prune as vp
from vqe_prune.objective import EnergyObjective, energy_of
from vqe_prune.prune import steps
from vqe_prune.prune.coarse import eliminate_coarsely, estimate_curvatures
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.pruning import Pruning, prune_ansatz


@cache
def water() -> tuple[vp.Problem, Pruning]:
    angle = np.radians(104.5)
    other = (0.9584 * np.sin(angle), 0.0, 0.9584 * np.cos(angle))
    atoms = (("O", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.9584)), ("H", other))
    problem = vp.molecular_problem(vp.Molecule(name="H2O", atoms=atoms))
    return problem, prune_ansatz(problem, vp.uccsd(7, 5, 5), limits=Limits(relative_to="full", tolerance=1e-3))


def in_groups(monkeypatch: pytest.MonkeyPatch, limits: Limits, costly: bool = True) -> Pruning:
    monkeypatch.setattr(EnergyObjective, "cheap_hessian", False)
    monkeypatch.setattr(EnergyObjective, "costly", costly)
    return prune_ansatz(water()[0], vp.uccsd(7, 5, 5), limits=limits)


def test_the_diagonal_is_estimated() -> None:
    """Twelve probes: off-diagonal elements are a tenth of the diagonal, so 25 % is more than five deviations."""
    problem, pruning = water()
    stage = pruning.stages[1]
    objective = energy_of(problem)(stage.ansatz)
    exact = np.diag(objective.hessian(stage.optimum.angles))
    estimate = estimate_curvatures(objective, stage.optimum.angles)
    assert np.abs(estimate / exact - 1).max() < 0.25
    assert np.abs(np.diag(np.diag(exact)) - objective.hessian(stage.optimum.angles)).max() > 0.01 * exact.max()


def test_groups_end_where_single_deletions_do(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = water()[1]
    quick = in_groups(monkeypatch, Limits(relative_to="full", tolerance=1e-3))
    assert quick.final.ansatz.n_parameters == slow.final.ansatz.n_parameters == 13
    assert quick.final.optimum.value == pytest.approx(slow.final.optimum.value, abs=1e-8)
    assert len(quick.path) < 0.5 * len(slow.path)
    full = quick.stages[0].optimum.value
    assert all(point.value - full <= 1e-3 for point in quick.path)
    assert quick.certificate.predicted_increase > quick.certificate.measured_increase > 0  # others do follow
    reasons = {decision.reason for decision in quick.plan.decisions}
    assert any(reason.startswith("one of the ") for reason in reasons)


def test_a_budget_is_met_exactly_and_the_rest_is_deleted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = in_groups(monkeypatch, Limits(parameters=9))
    assert budget.final.ansatz.n_parameters == 9
    assert all(len(point.removed) <= 2 for point in budget.path[1:])  # a twentieth of 29, and at least one
    monkeypatch.setattr(steps, "EXACT_HESSIANS", 20)
    mixed = in_groups(monkeypatch, Limits(relative_to="full", tolerance=1e-3), costly=False)
    sizes = [len(point.removed) for point in mixed.path[1:]]
    assert sizes[0] > 1 == sizes[-1]
    assert mixed.final.ansatz.n_parameters == 13


def test_an_interrupted_path_goes_on() -> None:
    problem, pruning = water()
    stage, bind = pruning.stages[1], energy_of(problem)
    limit = stage.optimum.value + 1e-3

    def path(stop: int, earlier=()) -> list:
        return eliminate_coarsely(
            bind, stage.ansatz, stage.optimum, highest=limit, enough=lambda p: len(p.kept) <= stop, earlier=earlier
        )

    whole, part = path(0), path(15)
    assert [p.kept for p in path(0, earlier=part)] == [p.kept for p in whole]
    assert len(part) < len(whole)
