"""Whether a stage is what it is taken for: a normalised state, and a minimum instead of a saddle point."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.electrons import excitation_irrep
from vqe_prune.errors import ConvergenceError
from vqe_prune.objective import EnergyObjective, QubitEnergyObjective
from vqe_prune.optimize import StopReason
from vqe_prune.problem import Problem
from vqe_prune.prune.steps import Stage
from vqe_prune.qubit_problem import QubitProblem

Vector = NDArray[np.float64]
Bind = Callable[[Ansatz], EnergyObjective | QubitEnergyObjective]

WRONG_NORM = 1e-10
"""A norm that is this far from one: ten thousand rotations in double precision leave 1e-12, one in single 1e-8."""

DOWNWARD = 1e-5
"""Curvature (hartree or J per squared radian, of models times the sum of all coefficients) below minus this leads down:
gradients of 1e-7 leave less."""

CHECKED_PARAMETERS = 250
"""Of longer ansätze the curvature is not looked at: their Hessian takes more than a tenth of a second."""

MOSTLY = 0.5
"""Weight of a direction on rotations that leave the irrep from which on it is taken for one that does."""


def check_norms(problem: Problem | QubitProblem, stages: Sequence[Stage], bind: Bind) -> None:
    """Raise ConvergenceError where the state of the first or the last stage is not normalised to double precision.

    Rotations keep norms. A state of another norm comes from single precision or from a wrong kernel, and so does its
    energy.

    Args:
        problem: What was solved.
        stages: Of the pruning.
        bind: Makes the energy of an ansatz, whose engine gives the states.

    """
    for stage in dict.fromkeys((stages[0], stages[-1])):
        state = np.asarray(bind(stage.ansatz).engine.state(stage.optimum.angles))
        excess = float(np.linalg.norm(state.ravel().astype(np.complex128))) - 1.0
        if not abs(excess) < WRONG_NORM:  # true for NaN too
            raise ConvergenceError(
                f"the state of the {stage.name} ansatz of {problem.name} has the norm 1 {excess:+.1e}, which double "
                f"precision does not explain: it is of single precision or a rotation is wrong; please report this "
                f"with the input"
            )


def lowest_curvature(objective: EnergyObjective | QubitEnergyObjective, angles: Vector) -> tuple[float, Vector]:
    """Return the lowest eigenvalue of the Hessian of an energy and its direction, shape (n_parameters,).

    Args:
        objective: The energy.
        angles: Radian, (n_parameters,); at least one.

    """
    hessian = objective.hessian(angles)
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    return float(values[0]), vectors[:, 0]


def saddle_notes(problem: Problem | QubitProblem, stages: Sequence[Stage], bind: Bind) -> list[str]:
    """Say in words where the first or the last stage is a saddle point: no gradient, but a direction that leads down.

    An optimiser that starts at a symmetric point, such as zero angles, never sees the directions that break the
    symmetry: their gradient is zero along its whole way. Long ansätze and those whose Hessian takes seconds are not
    looked at.

    Args:
        problem: What was solved.
        stages: Of the pruning; those in orbitals of their own are left out.
        bind: Makes the energy of an ansatz.

    """
    scale = max(problem.hamiltonian.norm_bound, 1.0) if isinstance(problem, QubitProblem) else 1.0
    names: dict[str, list[str]] = {}
    for stage in dict.fromkeys((stages[0], stages[-1])):
        objective, n = bind(stage.ansatz), stage.ansatz.n_parameters
        looked_at = objective.cheap_hessian and 0 < n <= CHECKED_PARAMETERS and stage.orbitals is None
        if not looked_at or stage.optimum.reason is StopReason.STEPS:
            continue
        value, direction = lowest_curvature(objective, stage.optimum.angles)
        if value < -DOWNWARD * scale:
            text = f"(curvature {value:.1e} {problem.unit}): {_way_out(problem, stage.ansatz, direction)}"
            names.setdefault(text, []).append(stage.name)
    return [
        f"the optimiser stopped in a saddle point of {' and '.join(stages)}: the gradient is zero, but a direction "
        f"leads down {text}"
        for text, stages in names.items()
    ]


def _way_out(problem: Problem | QubitProblem, ansatz: Ansatz, direction: Vector) -> str:
    """What a direction breaks, and what to type."""
    if isinstance(problem, QubitProblem):
        return "type training.seeds=32 for more random starts, or another seed="
    leaving = np.zeros(ansatz.n_parameters, dtype=bool)
    for rotation, excitation in zip(ansatz.rotations, ansatz.excitations, strict=True):
        if rotation.parameter is not None and excitation_irrep(problem.electrons.irreps, excitation.spin_orbitals):
            leaving[rotation.parameter] = True
    if float(np.sum(direction[leaving] ** 2)) > MOSTLY:
        return (
            "it leaves the irrep of the reference, towards a lower state of another one; type what a warning about the "
            "sector says, or pruner.rules=[curvature] ansatz.restarts=5 to break the symmetry"
        )
    return "type ansatz.restarts=5 for random starts beside it"
