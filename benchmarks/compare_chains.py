"""Which chain of rules should be the default: sizes at several errors of every order of symmetry, lie and curvature.

STO-3G, UCCSD. Beside the chains of the package two variants of curvature: `undivided` ranks parameters by the cost of
deleting them alone, `by gates` by that cost for each two-qubit gate that goes from the circuit, where the package
divides by rotations; and `lie 0` merges only what is exact before curvature. Printed: parameters, two-qubit gates.
The claim is that no chain ends with fewer parameters than symmetry,curvature at 1.594 mHa (1 kcal/mol); where one does
at another error, it is said.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from cases import load_problem, parse_arguments, show, verdict
from compare_methods import GateCounter, Memory, lie_path
from pareto import Point

from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.objective import Objective, energy_of
from vqe_prune.prune.curvature import rank_by_curvature
from vqe_prune.prune.elimination import Ranking, eliminate, restrict
from vqe_prune.prune.lie import lie_merge
from vqe_prune.prune.lie_options import LieOptions
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.plan import apply_plan
from vqe_prune.prune.pruning import prune_ansatz
from vqe_prune.prune.steps import Stage
from vqe_prune.score.curvature import deletion_costs

BUDGETS = (0.1, 0.2, 0.5, 1.0, 1.594)
"""mHa."""

CASES = {
    "LiH 1.595": ("molecule=LiH",),
    "LiH 3.0": ("molecule=LiH", "molecule.bond_length=3.0"),
    "BeH2": ("molecule=BeH2",),
    "H2O": ("molecule=H2O",),
    "H6": ("molecule=H6",),
}

DEFAULT = "symmetry,curvature"


def undivided(objective: Objective, angles: np.ndarray, inverse_hessian: np.ndarray) -> np.ndarray:
    return deletion_costs(angles, inverse_hessian)


def by_gates(gates: GateCounter, objective: Objective, angles: np.ndarray, inverse_hessian: np.ndarray) -> np.ndarray:
    """Score parameters by the predicted increase for each two-qubit gate that goes from the circuit with them."""
    ansatz, whole = objective.ansatz, gates(objective.ansatz)
    everyone = range(ansatz.n_parameters)
    saved = [whole - gates(restrict(ansatz, [p for p in everyone if p != k])) for k in everyone]
    return deletion_costs(angles, inverse_hessian) / np.maximum(saved, 1)


def run_case(name: str) -> dict[str, dict[float, Point | None]]:
    """Return for each chain the smallest ansatz at each error."""
    problem = load_problem(*CASES[name])
    ansatz, gates = uccsd(problem.n_orbitals, *problem.n_electrons), GateCounter(problem)
    exact = problem.energies["exact"]
    assert exact is not None
    stages = prune_ansatz(problem, ansatz, rules=["symmetry"]).stages
    symmetric, memory = stages[1], Memory({stage.name: stage.optimum for stage in stages})

    def along(stage: Stage, rank: Ranking) -> list[Point]:
        path = eliminate(energy_of(problem), stage.ansatz, stage.optimum, rank, enough=lambda point: False)
        smaller = [(restrict(stage.ansatz, point.kept), point.value) for point in path]
        return [Point(each.n_parameters, gates(each), value - exact) for each, value in smaller]

    def ended(rules: list[str], budget: float) -> Point:
        limits = Limits(tolerance=1e-3 * budget)
        final = prune_ansatz(problem, ansatz, rules=rules, limits=limits, journal=memory).final
        return Point(final.ansatz.n_parameters, gates(final.ansatz), final.optimum.value - exact)

    found: dict[str, dict[float, Point | None]] = {}
    merge = lie_merge(problem, symmetric.ansatz, symmetric.optimum.angles, LieOptions(epsilon=0.0))
    merged = apply_plan(merge.plan, symmetric.ansatz)
    exactly = prune_ansatz(problem, merged, rules=[]).final
    paths: dict[str, Callable[[], list[Point]]] = {
        DEFAULT: partial(along, symmetric, rank_by_curvature),
        "symmetry,lie 0,curvature": partial(along, exactly, rank_by_curvature),
        "symmetry,curvature undivided": partial(along, symmetric, undivided),
        "symmetry,curvature by gates": partial(along, symmetric, partial(by_gates, gates)),
        "symmetry,lie, any budget": lambda: list(lie_path(problem, symmetric, gates)),
    }
    for chain, make in paths.items():
        points = make()
        found[chain] = {}
        for budget in BUDGETS:
            within = [point for point in points if 1e3 * point.error <= budget]
            found[chain][budget] = min(within, default=None)
    for rules in (["symmetry", "lie"], ["symmetry", "lie", "curvature"], ["lie"]):
        ends = {budget: ended(rules, budget) for budget in BUDGETS}
        found[",".join(rules)] = {b: point if 1e3 * point.error <= b else None for b, point in ends.items()}
    return found


def _size(point: Point | None) -> str:
    return "more than it has" if point is None else f"{point.n_parameters} parameters, {point.n_two_qubit_gates} gates"


def main() -> int:
    """Print the table; the status says whether the default is never beaten in parameters at 1 kcal/mol."""
    arguments = parse_arguments(__doc__)
    rows: list[dict[str, Any]] = []
    failures, remarks = [], []
    for name in CASES:
        found = run_case(name)
        for chain, sizes in found.items():
            row: dict[str, Any] = {"case": name, "chain": chain}
            for budget, point in sizes.items():
                if arguments.json:
                    row[f"n_parameters_{budget}_mha"] = None if point is None else point.n_parameters
                    row[f"n_two_qubit_gates_{budget}_mha"] = None if point is None else point.n_two_qubit_gates
                else:
                    row[f"{budget} mHa"] = (
                        "-" if point is None else f"{point.n_parameters} {point.n_two_qubit_gates:>4}"
                    )
                ours = found[DEFAULT][budget]
                if point is not None and (ours is None or point.n_parameters < ours.n_parameters):
                    text = f"{name}: at {budget} mHa {chain} needs {_size(point)}, {DEFAULT} {_size(ours)}"
                    (failures if budget == BUDGETS[-1] else remarks).append(text)
            rows.append(row)
    show(rows, as_json=arguments.json)
    if not arguments.json:
        print("\n".join(["", *remarks]))
    return verdict(failures)


if __name__ == "__main__":
    sys.exit(main())
