"""What the rule ``lie`` guarantees: what it compared, how far the circuit moved, and bounds that it is held to."""

from __future__ import annotations

from dataclasses import dataclass

from vqe_prune.errors import ConvergenceError
from vqe_prune.problem import Problem
from vqe_prune.prune.calibration import Calibration
from vqe_prune.prune.limits import rounding_of
from vqe_prune.qubit_problem import QubitProblem

STATE_ROUNDING = 1e-9
"""States this much further apart than a bound are rounding: a thousand gates in double precision stay below it."""


@dataclass(frozen=True, kw_only=True)
class LieCertificate:
    """What the rule looked at, and how far the merged circuit can be from the one before, before any tuning.

    Energies in the problem's unit, D the Fubini-Study distance of the two final states, c the middle of the spectrum.

    Attributes:
        epsilon: The tolerance; with a calibration, which gives each cell its own, the largest.
        n_cells: Cells with at least one parameter.
        n_comparisons: Distances that were computed: to the identity and inside cells, O(sum of their sizes squared).
        n_pairs: Pairs of gates with an angle, what comparing all with all would take.
        widest_merge: Largest distance inside a cluster or from a dropped gate to the identity, at most epsilon.
        left_apart: Pairs within epsilon in different clusters: with them gates further apart would come together.
        redundancy_checked: Whether every pair was looked at again and is merged, further than epsilon, or left apart
            rightly.
        predicted_increase: Energy after tuning, to second order; after merging alone where Hessians are too large.
        measured_increase: Energy after merging, before tuning.
        state_deviation: ||psi - psi'|| up to a phase.
        state_distance: D.
        operator_deviation: sum_l ||U_l - V_l||, not less than the deviation.
        path_distance: sum_l arccos |<phi_l|U_l^dagger V_l|phi_l>| at the states that enter the gates, not less than D.
        operator_bound: 2 ||H - c|| sum_l ||U_l - V_l||.
        path_bound: 2 ||H - c|| sin(min(path_distance, pi / 2)).
        state_bound: 2 ||H - c|| sin D.
        overlap_bound: What `energy_change_bound` makes of the two states: not above the state bound.
        distance: What the tolerance is of: ``geometric``, or ``task``, an energy.
        calibration: The device that the tolerances are taken from.
        smallest_epsilon: The smallest tolerance of a cell, None where all are epsilon.

    """

    epsilon: float
    n_cells: int
    n_comparisons: int
    n_pairs: int
    widest_merge: float
    left_apart: int
    redundancy_checked: bool
    predicted_increase: float
    measured_increase: float
    state_deviation: float
    state_distance: float
    operator_deviation: float
    path_distance: float
    operator_bound: float
    path_bound: float
    state_bound: float
    overlap_bound: float
    distance: str = "geometric"
    calibration: Calibration | None = None
    smallest_epsilon: float | None = None


def check_certificate(certificate: LieCertificate, problem: Problem | QubitProblem) -> None:
    """Raise ConvergenceError where a measured deviation is above its bound, or a gate was merged that must not be.

    ||psi - psi'|| <= sum_l ||U_l - V_l||, D <= path distance, and |dE| <= each of the four bounds.

    Args:
        certificate: As `lie_merge` makes it.
        problem: Gives the rounding and the unit of energies.

    """
    found, unit = certificate, problem.unit
    rise = abs(found.measured_increase)
    claims = [
        ("the norm between the states before and after", found.state_deviation, found.operator_deviation, ""),
        ("the Fubini-Study distance of the states before and after", found.state_distance, found.path_distance, ""),
        ("the energy, by the operators,", rise, found.operator_bound, unit),
        ("the energy, by the path,", rise, found.path_bound, unit),
        ("the energy, by the states,", rise, found.state_bound, unit),
        ("the energy, by their overlap,", rise, found.overlap_bound, unit),
    ]
    for what, measured, bound, of_unit in claims:
        slack = rounding_of(problem) if of_unit else STATE_ROUNDING
        if not measured <= bound + slack:  # a nan is no proof
            raise ConvergenceError(
                f"lie: merging changed {what} by {measured:.3e} {of_unit}".rstrip()
                + f", more than the {bound:.3e} that its gates allow: one of them is wrong; please report this "
                "with the input"
            )
    if not found.redundancy_checked:
        raise ConvergenceError(
            f"lie: looked at again, not every pair of gates is treated as the tolerance {found.epsilon:.3g} asks for; "
            "please report this with the input"
        )
