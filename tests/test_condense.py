"""Optima with fewer distinct angles: the penalty against finite differences, and what merging gains by it."""

import math

import numpy as np
import pytest
import scipy.optimize
from test_lie import CONTROLLED_X, bind, circuit, qubits, turn

from vqe_prune.ansatz.layered import hardware_efficient
from vqe_prune.errors import InputError
from vqe_prune.lattice import ring
from vqe_prune.models import transverse_field_ising
from vqe_prune.optimize import minimize
from vqe_prune.paulis import PauliSum
from vqe_prune.prune.calibration import Calibration
from vqe_prune.prune.cells import cells_of
from vqe_prune.prune.condense import WIDTH, SparsityPenalty, condense
from vqe_prune.prune.distances import geometric_distances
from vqe_prune.prune.lie_options import LieOptions
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.pruning import prune_ansatz
from vqe_prune.qubit_problem import model_problem
from vqe_prune.score.identifiers import Weights, identify
from vqe_prune.training import Training

ENDLESS = PauliSum(((0.5, ((0, "X"),)), (0.5 * math.sqrt(2.0), ((1, "X"),))))
"""Its eigenvalues have no common divisor: no period."""


def penalty_of(problem, ansatz, angles) -> SparsityPenalty:
    identifiers = identify(problem, ansatz, angles)
    cells = [geometric_distances(cell, identifiers, angles, Weights()) for cell in cells_of(problem, ansatz)]
    return SparsityPenalty(cells, ansatz.n_parameters)


def test_the_penalty_is_its_formula_and_its_gradient_the_slope() -> None:
    problem = qubits(2)
    gates = [turn("X", 0), turn("Z", 1, factor=-1.5), CONTROLLED_X, turn("X", 0), ENDLESS, turn("X", 0), ENDLESS]
    ansatz = circuit(*gates)
    angles = np.random.default_rng(31).uniform(-7.0, 7.0, 7)
    penalty = penalty_of(problem, ansatz, angles)
    value, gradient = penalty(angles)

    def worth(x: float, period: float) -> float:
        reach = x / 2 if math.isinf(period) else period / (2 * math.pi) * math.sin(math.pi * x / period)
        return math.log1p((reach / WIDTH) ** 2)

    x = [angles[0], angles[3], angles[5]]
    expected = sum(worth(each, 2 * math.pi) for each in x)
    expected += sum(worth(x[i] - x[j], 2 * math.pi) for i in range(3) for j in range(i)) / 3
    expected += worth(3.0 * angles[1], 2 * math.pi) + worth(0.5 * angles[2], 2 * math.pi)
    expected += sum(worth(math.sqrt(2.0) * angles[k], math.inf) for k in (4, 6))
    expected += worth(math.sqrt(2.0) * (angles[4] - angles[6]), math.inf) / 2
    assert value == pytest.approx(expected)
    assert gradient == pytest.approx(scipy.optimize.approx_fprime(angles, lambda t: penalty(t)[0]), rel=1e-4, abs=1e-4)
    turned = angles + 2.0 * math.pi * np.array([3, 0, 2, -1, 0, 0, 0])  # CX has 4 pi
    assert penalty(turned)[0] == pytest.approx(value)


def test_a_valley_is_left_at_its_sparsest_point() -> None:
    """Six angles for a state of one qubit, that has two: angles of a subgroup come together."""
    problem = qubits(1, "0", 2)
    ansatz = circuit(turn("X", 0), turn("Z", 0), turn("X", 0), turn("Z", 0), turn("X", 0), turn("Y", 0))
    objective = bind(problem, ansatz)
    best = minimize(objective, np.random.default_rng(32).uniform(0.2, 1.2, 6))
    start = condense(problem, objective, best.angles, 0.1)
    sparse = minimize(objective, start)
    assert sparse.value == pytest.approx(best.value, abs=1e-9)  # one qubit: the ground state
    penalty = penalty_of(problem, ansatz, best.angles)
    assert penalty(sparse.angles)[0] < 0.8 * penalty(best.angles)[0]
    widths = [np.ptp(optimum.angles[[0, 2, 4]]) + np.ptp(optimum.angles[[1, 3]]) for optimum in (best, sparse)]
    assert widths[1] < 0.2 * widths[0]


@pytest.mark.parametrize("seed", [1, 3])
def test_random_optima_of_a_ring_merge_further(seed: int) -> None:
    """Untied optima of 36 angles (Fisher rank 30): geometry < task < condensed, within the same tolerance."""
    problem = model_problem(transverse_field_ising(ring(6)))
    ansatz = hardware_efficient(6, 2)
    limits = Limits(tolerance=1.5e-3, relative_to="full")
    sizes = []
    for lie in (LieOptions(), LieOptions(distance="task"), LieOptions(distance="task", condense=True)):
        training = Training(n_seeds=1, steps=200)
        pruning = prune_ansatz(problem, ansatz, rules=["lie"], limits=limits, lie=lie, training=training, seed=seed)
        sizes.append(pruning.final.ansatz.n_parameters)
        rise = pruning.final.optimum.value - pruning.stages[0].optimum.value
        assert rise <= 1.5e-3 + 1e-8
        assert pruning.certificate.measured_increase == pytest.approx(rise)
    assert sizes[2] < sizes[1] < sizes[0]
    names = [stage.name for stage in pruning.stages]
    assert names == ["full", "condensed", "lie"]
    assert pruning.stages[1].ansatz is ansatz
    condensing = pruning.stages[1].optimum.value - pruning.stages[0].optimum.value
    predicted = pruning.merges[0].certificate.predicted_increase + condensing
    assert pruning.certificate.predicted_increase == pytest.approx(predicted)


def test_with_a_budget_the_lowest_energy_wins(molecular) -> None:
    problem = model_problem(transverse_field_ising(ring(4)))
    ansatz = hardware_efficient(4, 2)
    values = []
    for condense_first in (False, True):
        lie = LieOptions(distance="task", condense=condense_first)
        training = Training(n_seeds=1, steps=200)
        limits = Limits(parameters=6)
        pruning = prune_ansatz(problem, ansatz, rules=["lie"], limits=limits, lie=lie, training=training)
        assert pruning.final.ansatz.n_parameters <= 6
        values.append(pruning.final.optimum.value)
    assert values[1] <= values[0] + 1e-9


def test_a_fixed_tolerance_has_no_use_for_it() -> None:
    device = Calibration(name="test", one_qubit_error=0.0, two_qubit_error=0.0)
    for limit in ({"epsilon": 0.1}, {"calibration": device}):
        with pytest.raises(InputError, match="condense has no effect"):
            LieOptions(condense=True, **limit)
