"""The LiePrune rule: gates of one subgroup that are nearly the same become one, in one shot, with bounds of the cost.

Gates are sorted into cells: the same one-parameter subgroup up to a symmetry of the problem. Inside a cell a gate near
the identity is dropped, gates near each other share one angle (their mean), and a gate that can be moved up to an
earlier one of its subgroup, because it commutes with all between, is merged into it. What follows a parameter moves
together: where rotations share an angle, they are one member of a cell.

Source: H. Shao, B. Yang, W. Liu, X. Deng, Y. Jiang, LiePrune: Lie Group and Quantum Geometric Dual Representation for
    One-Shot Structured Pruning of Quantum Neural Networks, arXiv 2512.09469, gives the partition by subgroups, the
    kinds of merges and the claim of guarantees; distances, symmetric cells, the search for the tolerance and the
    bounds are our reconstruction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.errors import InputError
from vqe_prune.objective import EnergyObjective, Objective, QubitEnergyObjective, energy_of
from vqe_prune.paulis import Clifford
from vqe_prune.problem import Problem
from vqe_prune.prune.calibration import Calibration, cell_error, geometric_tolerance, rotation_errors
from vqe_prune.prune.cells import Unit, cells_of, same_ratios, units_of
from vqe_prune.prune.certificate import energy_change_bound, spectral_ends
from vqe_prune.prune.distances import CellDistances, geometric_distances, task_distances
from vqe_prune.prune.lie_options import ONE_LIMIT, LieOptions
from vqe_prune.prune.merge_certificate import LieCertificate, check_certificate
from vqe_prune.prune.plan import Action, Decision, PrunePlan, apply_plan, carry_angles, chain
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.score.curvature import EXACT_HESSIANS, invert_hessian
from vqe_prune.score.identifiers import (
    Identifier,
    fubini_study,
    generators_commute,
    identify,
    input_weights,
    operator_distance,
    reduced,
    subgroup_of,
)

Vector = NDArray[np.float64]

ROUNDING = 1e-12
"""Distances this much above the tolerance are within it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LieMerge:
    """A plan of the rule, with what it needs to be applied and judged.

    Attributes:
        plan: One decision a rotation.
        angles: The parameters before, each moved by whole periods so that partners can be averaged; (n_parameters,).
        start: The parameters of the smaller ansatz, where tuning starts.
        certificate: What the merge cost.

    """

    plan: PrunePlan
    angles: Vector
    start: Vector
    certificate: LieCertificate


def lie_plan(problem: Problem | QubitProblem, ansatz: Ansatz, angles: Vector, options: LieOptions) -> PrunePlan:
    """Return the plan of `lie_merge`; `carry_angles` is right with its `angles`, which may differ by whole periods."""
    return lie_merge(problem, ansatz, angles, options).plan


def lie_merge(problem: Problem | QubitProblem, ansatz: Ansatz, angles: Vector, options: LieOptions) -> LieMerge:
    """Contract, drop and tie the gates of a trained ansatz that are redundant within a tolerance.

    Contractions are exact at these angles and need no tolerance: they come first, and again at the end, when gates
    that stood between are gone. Reachable states can only grow fewer where gates are dropped or tied.

    Args:
        problem: Gives the Hamiltonian, the reference and the symmetries that relate cells.
        ansatz: Excitations on a `Problem`, Pauli rotations and Clifford gates on a `QubitProblem`.
        angles: Its trained parameters, radian, (n_parameters,).
        options: Tolerance, budget or largest increase, and how distances are measured.

    Returns:
        The plan, angles and certificate.

    Raises:
        InputError: The options have no limit, or do not fit the problem.
        ConvergenceError: The circuit moved further than the certificate's bounds allow.

    """
    found = _merge(problem, energy_of(problem), ansatz, angles, options)
    search, second = found.search, found.second
    certificate = search.certificate(found.epsilon, found.clustering, second, found.shifted)
    n_gates = sum(rotation.parameter is not None for rotation in ansatz.rotations)
    certificate = replace(certificate, n_pairs=n_gates * (n_gates - 1) // 2)
    check_certificate(certificate, problem)
    moved = np.array(angles, dtype=np.float64)
    origin = {p: k for k, p in zip(found.first.survivors, search.ansatz.parameters.tolist(), strict=True) if p >= 0}
    for parameter, index in origin.items():
        moved[ansatz.parameters[index]] += found.shifted[parameter] - search.angles[parameter]
    return LieMerge(plan=found.plan, angles=moved, start=found.start, certificate=certificate)


def lie_merge_of_loss(
    problem: QubitProblem, bind: Callable[[Ansatz], Objective], ansatz: Ansatz, angles: Vector, options: LieOptions
) -> tuple[PrunePlan, Vector]:
    """Do what `lie_merge` does to a circuit that is trained by a loss, which has no spectrum to bound its changes by.

    Args:
        problem: Gives the qubits, the first state and the symmetries of the loss; its Hamiltonian has no effect.
        bind: Makes the loss of an ansatz.
        ansatz: Pauli rotations and Clifford gates.
        angles: Its trained parameters, radian, (n_parameters,).
        options: Without a calibration.

    Returns:
        The plan, and the parameters of the smaller ansatz, where tuning starts.

    Raises:
        InputError: The options have no limit, or do not fit.

    """
    if options.calibration is not None:
        raise InputError("a calibration says what errors do to an energy; leave it out for a loss")
    found = _merge(problem, bind, ansatz, angles, options)
    return found.plan, found.start


@dataclass(frozen=True, eq=False, kw_only=True)
class _Merged:
    """What became one: exact contractions first, then the clustering of what was left, and contractions again."""

    search: _Search
    epsilon: float
    clustering: list[Clusters]
    first: PrunePlan
    second: PrunePlan
    third: PrunePlan
    shifted: Vector
    start: Vector

    @property
    def plan(self) -> PrunePlan:
        return PrunePlan(rule="lie", decisions=chain([self.first, self.second, self.third]).decisions)


def _merge(
    problem: Problem | QubitProblem,
    bind: Callable[[Ansatz], Objective],
    ansatz: Ansatz,
    angles: Vector,
    options: LieOptions,
) -> _Merged:
    if not options.limited:
        raise InputError(f"{ONE_LIMIT}; it was given none")
    angles = np.asarray(angles, dtype=np.float64)
    first = contraction_plan(problem, ansatz)
    middle, carried = apply_plan(first, ansatz), carry_angles(first, ansatz, angles)
    search = _Search(problem, bind, middle, carried, options, first.survivors)
    epsilon = search.epsilon()
    clustering = search.clustering(epsilon)
    second, shifted = search.plan(clustering)
    smaller, tied = apply_plan(second, middle), carry_angles(second, middle, shifted)
    third = contraction_plan(problem, smaller, [first.survivors[k] for k in second.survivors])
    start = carry_angles(third, smaller, tied)
    plans = {"first": first, "second": second, "third": third}
    return _Merged(search=search, epsilon=epsilon, clustering=clustering, shifted=shifted, start=start, **plans)


def contraction_plan(problem: Problem | QubitProblem, ansatz: Ansatz, names: Sequence[int] | None = None) -> PrunePlan:
    """Merge rotations into earlier ones of the same subgroup where all between commute with them: R(a) R(b) = R(a + b).

    A parameter goes only as a whole, into one other parameter that turns the same gates.

    Args:
        problem: Gives the number of qubits.
        ansatz: Any rotations.
        names: What reasons call each rotation, default its index.

    Returns:
        The plan, exact at all angles; nothing is merged where anything between fails to commute.

    """
    names = range(len(ansatz.rotations)) if names is None else names
    decisions = [Decision(action=Action.KEEP, reason="") for _ in ansatz.rotations]
    generators = [rotation.generator for rotation in ansatz.rotations]
    scales = [0.0 if isinstance(each, Clifford) else subgroup_of(each)[1] for each in generators]
    alive: list[Unit] = []

    def blocked(early: int, late: int) -> bool:
        return any(
            decisions[k].action is Action.KEEP and not generators_commute(generators[k], generators[late], n_qubits)
            for k in range(min(early, late) + 1, max(early, late))
        )

    n_qubits = problem.n_qubits
    for unit in sorted(units_of(ansatz), key=lambda each: each.rotations[0]):
        same = (each for each in reversed(alive) if each.key == unit.key and same_ratios(each, unit))
        leader = next(same, None)  # what is in the way of the latest one is in the way of all
        pairs = [] if leader is None else list(zip(leader.ordered, unit.ordered, strict=True))
        if not pairs or any(blocked(i, j) for i, j in pairs):
            alive.append(unit)
            continue
        for i, j in pairs:
            reason = f"same subgroup as gate {names[i]}, and all between commute: its angle is added there"
            decisions[j] = Decision(action=Action.MERGE, reason=reason, leader=i, coefficient=scales[j] / scales[i])
    return PrunePlan(rule="contraction", decisions=tuple(decisions))


Clusters = list[list[int]]
"""Members of a cell that become one; dropped ones are in none."""


@dataclass(frozen=True, eq=False)
class _Search:
    """What all tolerances share: an ansatz without exact redundancy, its cells and the distances inside them."""

    problem: Problem | QubitProblem
    bind: Callable[[Ansatz], Objective]
    ansatz: Ansatz
    angles: Vector
    options: LieOptions
    names: Sequence[int]

    @cached_property
    def identifiers(self) -> list[Identifier | None]:
        options = self.options
        return identify(self.problem, self.ansatz, self.angles, ensemble=options.ensemble, data=options.data)

    @cached_property
    def cells(self) -> list[CellDistances]:
        options = self.options
        found = [
            geometric_distances(cell, self.identifiers, self.angles, options.weights)
            for cell in cells_of(self.problem, self.ansatz)
        ]
        if options.distance == "task":
            gradient = self.objective.value_and_gradient(self.angles)[1]
            height, width = self.ends[1] - self.energy, self.ends[1] - self.ends[0]
            found = [task_distances(each, gradient, self._curvature, height, width) for each in found]
        if options.calibration is None:
            return found
        tolerances = self._tolerances(found, options.calibration)
        largest = max(tolerances, default=0.0)
        shares = [each / largest if largest else 1.0 for each in tolerances]
        return [replace(each, share=share) for each, share in zip(found, shares, strict=True)]

    def _tolerances(self, cells: Sequence[CellDistances], calibration: Calibration) -> list[float]:
        """Return what the device's gate errors blur in each cell."""
        errors = rotation_errors(self.problem, self.ansatz, calibration)
        blurs = [cell_error(cell, errors) for cell in cells]
        if self.options.distance == "task":
            return [blur * (0.5 * sum(self.ends) - self.energy) for blur in blurs]
        return [geometric_tolerance(cell, blur, self.options.weights) for cell, blur in zip(cells, blurs, strict=True)]

    @property
    def n_comparisons(self) -> int:
        return sum(each.n_comparisons for each in self.cells)

    def epsilon(self) -> float:
        """Return the tolerance that the options ask for, one of the distances that occur."""
        options = self.options
        if options.epsilon is not None:
            return options.epsilon
        if options.calibration is not None:
            return max(self._tolerances(self.cells, options.calibration), default=0.0)
        distances = [each.identity for each in self.cells]
        distances += [each.pairs[np.triu_indices(len(each.pairs), 1)] for each in self.cells]
        candidates = np.unique(np.concatenate([np.zeros(1), *distances]))

        def too_far(place: int) -> bool:
            """Whether a tolerance is as large as needed, or larger than allowed."""
            clustering = self.clustering(float(candidates[place]))
            if options.parameters is not None:
                return sum(len(clusters) for clusters in clustering) <= options.parameters
            assert options.largest_increase is not None
            return self.predicted_increase(clustering) > options.largest_increase

        low, high = -1, len(candidates)  # too_far is false at low and true at high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if too_far(middle) else (middle, high)
        place = high if options.parameters is not None else low
        return float(candidates[min(max(place, 0), len(candidates) - 1)])

    def clustering(self, epsilon: float) -> list[Clusters]:
        """Return what becomes one in each cell: gates near the identity first, then complete linkage of the rest."""
        from scipy.cluster.hierarchy import fcluster, linkage
        from scipy.spatial.distance import squareform

        found = []
        for each in self.cells:
            limit = epsilon * each.share + ROUNDING
            kept = np.flatnonzero(each.identity > limit)
            labels = np.arange(len(kept))
            if len(kept) > 1:
                condensed = squareform(each.pairs[np.ix_(kept, kept)], checks=False)
                labels = fcluster(linkage(condensed, "complete"), limit, "distance")
            clusters: dict[int, list[int]] = {}
            for member, label in zip(kept.tolist(), labels.tolist(), strict=True):
                clusters.setdefault(label, []).append(member)
            found.append(list(clusters.values()))
        return found

    def plan(self, clustering: Sequence[Clusters]) -> tuple[PrunePlan, Vector]:
        """Return the plan of a clustering, and the angles with each parameter in its leader's period."""
        decisions = [Decision(action=Action.KEEP, reason="") for _ in self.ansatz.rotations]
        shifted = self.angles.copy()
        for each, clusters in zip(self.cells, clustering, strict=True):
            members = each.cell.members
            scales = each.scales
            for member in set(range(len(members))) - {m for cluster in clusters for m in cluster}:
                score = float(each.identity[member])
                shifted[members[member].parameter] = each.coordinates[member] / scales[member]
                for k in members[member].ordered:
                    reason = f"distance {score:.3g}{self.unit} from the identity: dropped"
                    decisions[k] = Decision(action=Action.DROP, reason=reason, score=score)
            for cluster in clusters:
                leader = cluster[0]
                first, x = members[leader].rotations[0], float(each.coordinates[leader])
                lead = self.ansatz.rotations[first].coefficient
                shifted[members[leader].parameter] = x / scales[leader]
                for m in cluster[1:]:
                    near = x + reduced(float(each.coordinates[m]) - x, each.period)
                    shifted[members[m].parameter] = near / scales[m]
                    score = float(each.pairs[leader, m])
                    relation = "same subgroup as" if members[m].key == members[leader].key else "symmetry image of"
                    reason = f"{relation} gate {self.names[first]}, distance {score:.3g}{self.unit}: tied"
                    for k in members[m].ordered:
                        factor = self.ansatz.rotations[k].coefficient * scales[leader] / (scales[m] * lead)
                        decisions[k] = Decision(
                            action=Action.TIE, reason=reason, score=score, leader=first, coefficient=factor
                        )
        return PrunePlan(rule="lie", decisions=tuple(decisions)), shifted

    @cached_property
    def objective(self) -> Objective:
        return self.bind(self.ansatz)

    @property
    def unit(self) -> str:
        """Of distances, as reasons have it."""
        return f" {self.problem.unit}" if self.options.distance == "task" else ""

    @cached_property
    def energy(self) -> float:
        return self.objective.value_and_gradient(self.angles)[0]

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest value: of an energy those of the Hamiltonian, of another loss none are known."""
        if isinstance(self.objective, EnergyObjective | QubitEnergyObjective):
            return spectral_ends(self.objective.engine.hamiltonian)
        return -math.inf, math.inf

    @cached_property
    def _hessian(self) -> Vector:
        return self.objective.hessian(self.angles)

    @cached_property
    def _inverse_hessian(self) -> Vector:
        return invert_hessian(self._hessian)

    @cached_property
    def _curvature(self) -> Vector | None:
        """The Hessian with positive curvatures alone, None where it costs too much."""
        if len(self.angles) > EXACT_HESSIANS:
            return None
        values, vectors = np.linalg.eigh(self._hessian)
        return (vectors * np.abs(values)) @ vectors.T

    def predicted_increase(self, clustering: Sequence[Clusters]) -> float:
        """Return what the energy will rise once the parameters that are left have followed, to second order.

        The constraints C x = 0 of a clustering, missed by r = C angles, cost r^T (C M^-1 C^T)^-1 r / 2 (ours: optimal
        brain surgeon for many constraints at once). Where a Hessian costs too much, the rise before any tuning.
        """
        plan, shifted = self.plan(clustering)
        smaller = apply_plan(plan, self.ansatz)
        start = carry_angles(plan, self.ansatz, shifted)
        if len(self.angles) > EXACT_HESSIANS:
            return self.bind(smaller).value_and_gradient(start)[0] - self.energy
        rows = []
        for each, clusters in zip(self.cells, clustering, strict=True):
            units, factors = each.cell.members, each.cell.factors
            left = {m for cluster in clusters for m in cluster}
            rows += [np.eye(len(shifted))[units[m].parameter] for m in range(len(units)) if m not in left]
            for cluster in clusters:
                for m in cluster[1:]:
                    row = np.zeros(len(shifted))
                    row[units[m].parameter] = factors[m] * units[m].scale
                    row[units[cluster[0]].parameter] = -factors[cluster[0]] * units[cluster[0]].scale
                    rows.append(row)
        if not rows:
            return 0.0
        constraints = np.array(rows)
        missed = constraints @ shifted
        return float(0.5 * missed @ np.linalg.solve(constraints @ self._inverse_hessian @ constraints.T, missed))

    def certificate(
        self, epsilon: float, clustering: Sequence[Clusters], plan: PrunePlan, shifted: Vector
    ) -> LieCertificate:
        """Return what a clustering's plan costs before tuning."""
        smaller, start = apply_plan(plan, self.ansatz), carry_angles(plan, self.ansatz, shifted)
        whole, merged = self.objective, self.bind(smaller)
        assert isinstance(whole, EnergyObjective | QubitEnergyObjective) and isinstance(merged, type(whole))
        states = [whole.engine.state(self.angles), merged.engine.state(start)]
        overlap = np.vdot(states[0], states[1])
        sine = min(float(np.linalg.norm(states[1] - overlap * states[0])), 1.0)
        distance = math.asin(sine) if abs(overlap) ** 2 > 0.5 else math.acos(min(float(abs(overlap)), 1.0))
        after = np.zeros(len(self.ansatz.rotations))
        after[plan.survivors] = smaller.rotation_angles(start)
        changes = after - self.ansatz.rotation_angles(shifted)
        operators, path = 0.0, 0.0
        entering = input_weights(self.problem, self.ansatz, self.angles)
        for identifier, change, row in zip(self.identifiers, changes.tolist(), entering, strict=True):
            if identifier is not None:
                operators += operator_distance(identifier, change * identifier.scale)
                here = replace(identifier, weights=(row,))
                path += float(fubini_study(here, np.array(change * identifier.scale)))
        hamiltonian = whole.engine.hamiltonian
        lowest, highest = self.ends
        widest, apart, sound = self._recheck(epsilon, clustering)
        smallest = min((each.share for each in self.cells), default=1.0)
        return LieCertificate(
            epsilon=epsilon,
            n_cells=len(self.cells),
            n_comparisons=self.n_comparisons,
            n_pairs=0,  # of the whole ansatz, which `lie_merge` knows
            widest_merge=widest,
            left_apart=apart,
            redundancy_checked=sound,
            predicted_increase=self.predicted_increase(clustering),
            measured_increase=merged.value_and_gradient(start)[0] - self.energy,
            state_deviation=2.0 * math.sin(0.5 * distance),
            state_distance=distance,
            operator_deviation=operators,
            path_distance=path,
            operator_bound=(highest - lowest) * operators,
            path_bound=(highest - lowest) * math.sin(min(path, 0.5 * math.pi)),
            state_bound=(highest - lowest) * math.sin(distance),
            overlap_bound=energy_change_bound(hamiltonian, states[0], states[1], (lowest, highest)),
            distance=self.options.distance,
            calibration=self.options.calibration,
            smallest_epsilon=None if self.options.calibration is None else epsilon * smallest,
        )

    def _recheck(self, epsilon: float, clustering: Sequence[Clusters]) -> tuple[float, int, bool]:
        """Return the widest merge, pairs left apart, and whether every pair was treated as it should have been."""
        widest, apart, sound = 0.0, 0, True
        for each, clusters in zip(self.cells, clustering, strict=True):
            limit = epsilon * each.share + ROUNDING
            kept = sorted(m for cluster in clusters for m in cluster)
            dropped = sorted(set(range(len(each.identity))) - set(kept))
            merged = float(each.identity[dropped].max(initial=0.0))
            sound &= not np.any(each.identity[kept] <= limit)
            for cluster in clusters:
                merged = max(merged, float(each.pairs[np.ix_(cluster, cluster)].max()))
            sound &= merged <= limit
            widest = max(widest, merged)
            for first, second in combinations(clusters, 2):
                close = int(np.sum(each.pairs[np.ix_(first, second)] <= limit))
                together = float(each.pairs[np.ix_(first, second)].max())
                sound &= close == 0 or together > limit
                apart += close
        return widest, apart, sound
