"""How far the members of a cell are from the identity and from each other: by geometry, or by what merging them costs.

The geometric distance compares gates; the task's compares what happens to the energy when two of them become one:

    d(i, j) = |g . v| + v^T |M| v / 2,   v: both coordinates move to their mean;   to the identity v: x moves to 0,

g the gradient and |M| the Hessian at these angles, its negative curvatures turned positive. Two gates far apart in
their subgroup are close for the task where their difference goes along a flat direction, and a gate that only gives the
state a phase is close to the identity at any angle.

Source: H. Shao et al., LiePrune, arXiv 2512.09469, gives the geometric terms; the sequel q-iPrune, arXiv 2512.24019,
    of which we know the abstract alone, conditions distances on the task. This distance is our reconstruction: nothing
    in it is taken from the sequel's text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vqe_prune.prune.cells import Cell, Unit
from vqe_prune.score.identifiers import Identifier, Weights, common_period, fubini_study, reduced

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class CellDistances:
    """Where the members of a cell are and how far from the identity and from each other.

    Attributes:
        cell: The cell, with n members.
        gates: For each member its rotations' identifiers, with their coordinates divided by the cell's.
        period: Of the cell's coordinate.
        scales: Coordinate divided by the parameter, (n,).
        coordinates: In half a period either side of 0, (n,).
        shifts: Differences of coordinates modulo the period, column minus row, (n, n).
        identity: Distances from the identity, (n,).
        pairs: Distances from each other, (n, n).
        share: The cell's tolerance divided by the rule's.

    """

    cell: Cell
    gates: tuple[tuple[tuple[Identifier, float], ...], ...]
    period: float
    scales: Vector
    coordinates: Vector
    shifts: Vector
    identity: Vector
    pairs: Vector
    share: float = 1.0

    @property
    def n_comparisons(self) -> int:
        """Distances of this cell: each member from the identity, each pair once."""
        return len(self.identity) + len(self.pairs[np.triu_indices(len(self.pairs), 1)])

    @property
    def information(self) -> Vector:
        """Fisher information of the cell's coordinate of each member, cross terms of its rotations left out, (n,)."""
        return np.array([sum(ratio**2 * each.information for each, ratio in own) for own in self.gates])


def geometric_distances(
    cell: Cell, identifiers: Sequence[Identifier | None], angles: Vector, weights: Weights
) -> CellDistances:
    """Return the distances of `identifiers.distance` between the parameters of a cell.

    Where a parameter turns several rotations their Fubini-Study distances and Fisher informations are added.

    Args:
        cell: Parameters of the ansatz.
        identifiers: Of each rotation of the ansatz.
        angles: Its parameters, radian, (n_parameters,).
        weights: Of the three terms.

    """
    gates = tuple(_gates(unit, factor, identifiers) for unit, factor in zip(cell.members, cell.factors, strict=True))
    frequencies: list[float] = []
    for identifier, ratio in gates[0]:
        values = identifier.eigenvalues or (0.0, 1.0, math.sqrt(2.0))  # incommensurate: no period is known
        frequencies += [ratio * (value - values[0]) for value in values]
    period = common_period(frequencies)
    scales = np.array([f * unit.scale for unit, f in zip(cell.members, cell.factors, strict=True)])
    raw = scales * angles[[unit.parameter for unit in cell.members]]
    coordinates = np.array([reduced(float(x), period) for x in raw])
    shifts = coordinates - coordinates[:, None]
    if math.isfinite(period):
        shifts -= period * np.round(shifts / period)
    fubini = np.array([_fubini(own, row) for own, row in zip(gates, shifts, strict=True)])
    alone = np.array([_fubini(own, x) for own, x in zip(gates, coordinates, strict=True)])
    found = CellDistances(
        cell=cell,
        gates=gates,
        period=period,
        scales=scales,
        coordinates=coordinates,
        shifts=shifts,
        identity=weights.algebra * np.abs(coordinates) + weights.fubini * alone,
        pairs=weights.algebra * np.abs(shifts) + weights.fubini * np.maximum(fubini, fubini.T),
    )
    roots = np.sqrt(found.information)
    return replace(found, pairs=found.pairs + weights.fisher * np.abs(roots - roots[:, None]))


def task_distances(
    cell: CellDistances, gradient: Vector, curvature: Vector | None, height: float, width: float
) -> CellDistances:
    """Return a cell with what each merge of two members, or of one with the identity, does to the energy (ours).

    |g . v| + v^T |M| v / 2 with v the change of the angles. Without a Hessian, which may cost too much, its bound at
    a ground state takes its place, M_kl <= (E_max - E) F_kl / 2, of the Fisher information F only the diagonal.

    Args:
        cell: With any distances.
        gradient: Of the energy at these angles, (n_parameters,).
        curvature: |M|, (n_parameters, n_parameters), or None.
        height: E_max - E; the smallest energy change that counts is rounding of it.
        width: Largest energy change that can be, E_max - E_min: what quadratic growth is cut off at.

    """
    parameters = [unit.parameter for unit in cell.cell.members]
    slopes = gradient[parameters] / cell.scales
    if curvature is None:
        bends = np.diag(0.5 * height * cell.information)
    else:
        bends = curvature[np.ix_(parameters, parameters)] / np.outer(cell.scales, cell.scales)
    own, half = np.diag(bends), 0.5 * cell.shifts
    identity = np.abs(slopes * cell.coordinates) + 0.5 * own * cell.coordinates**2
    relative = np.maximum(own + own[:, None] - 2.0 * bends, 0.0)  # |M| is positive, up to rounding
    pairs = np.abs((slopes - slopes[:, None]) * half) + 0.5 * relative * half**2
    return replace(cell, identity=np.minimum(identity, width), pairs=np.minimum(0.5 * (pairs + pairs.T), width))


def _gates(unit: Unit, factor: float, identifiers: Sequence[Identifier | None]) -> tuple[tuple[Identifier, float], ...]:
    gates = []
    for k, value in zip(unit.ordered, unit.values, strict=True):
        identifier = identifiers[k]
        assert identifier is not None
        gates.append((identifier, value / (unit.scale * factor)))
    return tuple(gates)


def _fubini(gates: Iterable[tuple[Identifier, float]], shifts: Vector) -> Vector:
    """Return the sum of a parameter's gates' Fubini-Study distances, for shifts of the cell's coordinate."""
    return np.sum([fubini_study(identifier, ratio * shifts) for identifier, ratio in gates], axis=0)
