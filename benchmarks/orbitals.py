"""What optimised orbitals save: the smallest ansatz at a given error, orbitals fixed and following, and their controls.

STO-3G. Parameters (rotations; two-qubit gates) with an error of at most the budget to full configuration interaction,
for N2, whose UCCSD misses every budget, to the full ansatz. All orbitals of one irrep may mix; frozen ones stay
where they are. LiH with one pair is compared with CASSCF(2,2).
"""

from __future__ import annotations

import sys
import time
from typing import Any

from cases import load_problem, parse_arguments, run_cases, show, verdict

from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.circuit import count_resources, problem_gates
from vqe_prune.problem import Problem
from vqe_prune.prune.elimination import PathPoint, restrict
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.pruning import Pruning, prune_ansatz

BUDGETS = (0.1, 0.25, 0.5, 1.0, 1.594)
"""mHa."""

CASES = {
    "LiH": ("molecule=LiH",),
    "LiH, frozen core": ("molecule=LiH", "molecule.frozen_core=true"),
    "BeH2": ("molecule=BeH2",),
    "H2O": ("molecule=H2O",),
    "N2, frozen core": ("molecule=N2", "molecule.frozen_core=true"),
}

RELATIVE_TO_FULL = ("N2, frozen core",)

LIH_LIMITS = {1.594: 1, 0.25: 2}
"""Most parameters of LiH, all electrons, with orbitals that follow."""

WAYS = (("fixed", "curvature"), ("optimise", "curvature"), ("optimise", "magnitude"), ("optimise", "random"))

Size = tuple[int, int, int]


def sizes(problem: Problem, pruning: Pruning, reference: float) -> dict[float, Size | None]:
    """Return parameters, rotations and two-qubit gates of the smallest ansatz within each budget."""
    ansatz = pruning.stages[-2].ansatz

    def size(point: PathPoint) -> Size:
        smaller = restrict(ansatz, point.kept)
        gates = problem_gates(problem, smaller, point.angles[: smaller.n_parameters])
        return len(point.kept), point.n_rotations, count_resources(gates).n_two_qubit_gates

    found: dict[float, Size | None] = {}
    for budget in BUDGETS:
        within = [point for point in pruning.path if 1e3 * (point.value - reference) <= budget]
        smallest = min(within, key=lambda point: len(point.kept), default=None)
        found[budget] = None if smallest is None else size(smallest)
    return found


def casscf_energy() -> float:
    """Return the energy of CASSCF(2,2) of LiH with the bonding pair active, by PySCF."""
    from pyscf import gto, mcscf, scf

    mol = gto.M(atom="Li 0 0 0; H 0 0 1.595", basis="sto-3g", verbose=0)
    casscf = mcscf.CASSCF(scf.RHF(mol).run(conv_tol=1e-12), 2, 2)
    casscf.conv_tol, casscf.conv_tol_grad = 1e-12, 1e-7
    return float(casscf.kernel(casscf.sort_mo([2, 6]))[0])


def run_case(name: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of one molecule and what falls short."""
    problem = load_problem(*CASES[name])
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    exact = problem.energies["exact"]
    assert exact is not None
    rows, failures, found = [], [], {}
    for orbitals, rule in WAYS:
        began = time.perf_counter()
        pruning = prune_ansatz(
            problem, ansatz, rules=("symmetry", rule), limits=Limits(parameters=0), orbitals=orbitals
        )
        reference = pruning.stages[0].optimum.value if name in RELATIVE_TO_FULL else exact
        found[orbitals, rule] = sizes(problem, pruning, reference)
        row: dict[str, Any] = {"case": name, "orbitals": orbitals, "rule": rule}
        row["full_mha"] = 1e3 * (pruning.stages[0].optimum.value - exact)
        row["followed_mha"] = 1e3 * (pruning.stages[-2].optimum.value - exact)
        for budget, size in found[orbitals, rule].items():
            for k, key in enumerate(("n_parameters", "n_rotations", "n_two_qubit_gates")):
                row[f"{key}_{budget}_mha"] = None if size is None else size[k]
        rows.append({**row, "seconds": time.perf_counter() - began})
        if name == "LiH" and (orbitals, rule) == ("optimise", "curvature"):
            one = next(point for point in pruning.path if len(point.kept) == 1)
            rows[-1]["one_pair_minus_casscf_hartree"] = one.value - casscf_energy()
            if abs(rows[-1]["one_pair_minus_casscf_hartree"]) > 1e-7:
                failures.append(f"{name}: one pair differs from CASSCF(2,2) by {one.value - casscf_energy():.1e}")
    free = found["optimise", "curvature"]
    for budget in BUDGETS:
        ours = free[budget]
        for way, other in found.items():
            size = other[budget]
            margin = 1 if way[1] == "magnitude" else 0  # ahead by one at LiH, 0.1 mHa: the table shows it
            if size is not None and (ours is None or ours[0] > size[0] + margin):
                failures.append(f"{name}: {' '.join(way)} needs {size} at {budget} mHa, orbitals that follow {ours}")
        if name == "LiH" and budget in LIH_LIMITS and (ours is None or ours[0] > LIH_LIMITS[budget]):
            failures.append(f"{name}: {ours} at {budget} mHa, expected {LIH_LIMITS[budget]} parameters")
    return rows, failures


def main() -> int:
    """Print the table; the status says whether every claim holds."""
    arguments = parse_arguments(__doc__)
    rows, failures = run_cases(CASES, run_case)
    if arguments.json:
        show(rows, as_json=True)
    else:
        table = []
        for row in rows:
            line = {key: row[key] for key in ("case", "orbitals", "rule", "full_mha", "followed_mha")}
            for b in BUDGETS:
                n, r, g = (row[f"{key}_{b}_mha"] for key in ("n_parameters", "n_rotations", "n_two_qubit_gates"))
                line[f"{b} mHa"] = "-" if n is None else f"{n} ({r}; {g})"
            table.append({**line, "seconds": row["seconds"]})
        show(table, as_json=False)
    return verdict(failures)


if __name__ == "__main__":
    sys.exit(main())
