"""Every pruning rule beside ADAPT and circuits trained from scratch: size, gates, errors, <N> and <S^2>, five seeds.

All methods stop at the same error to the exact energy: 1.594 mHa (1 kcal/mol) for molecules in STO-3G with UCCSD, and
1e-3 J for rings of 8 spins. A seed optimises the full UCCSD from normal angles of 0.05 rad instead of zero, trains an
ansatz on qubits from one start uniform in [0, 2 pi), draws the rule random, ADAPT's choice among equal gradients and
the angles and the structure of circuits that are trained from scratch.

A point is dominated where another method has at most as many parameters, at most as many two-qubit gates and at most
the error, and less of one of them. The claim is that no point of another method, at the tolerance or on its path and
with any seed, dominates where symmetry (eqntk on qubits) and curvature end with the median seed, with the orbitals of
the mean field and (`, orbitals`) with orbitals that follow, each judged without the other. Single seeds that are
dominated are named. Of planes of one cost and the error (front_p, front_g), and of sizes within the tolerance whatever
the error (`smallest`: none has at most as many parameters and gates, and fewer of one), nothing is claimed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from itertools import combinations, product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from cases import load_problem, show, verdict
from compare_methods import (
    START_SPREAD,
    GateCounter,
    Memory,
    Outcome,
    by_adapt,
    by_rules,
    from_scratch,
    grown,
    lie_path,
    symmetric_stage,
    trained,
    trained_stage,
)
from pareto import Point, dominators, front, pareto_picture, smaller

from vqe_prune.adapt import fermionic_pool
from vqe_prune.ansatz.layered import connected_pairs, hamiltonian_variational, hardware_efficient
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.lattice import ring
from vqe_prune.models import transverse_field_ising, xxz
from vqe_prune.paulis import PauliSum
from vqe_prune.problem import Problem
from vqe_prune.prune.steps import Stage
from vqe_prune.qubit_problem import QubitProblem, model_problem
from vqe_prune.units import HARTREE

MOLECULES = {name: (f"molecule={name}",) for name in ("LiH", "BeH2", "H2O", "H6")}
ELECTRONS = {"LiH": 4, "BeH2": 6, "H2O": 10, "H6": 6}
SPINS = ("TFIM 8", "XXZ 8", "XXZ 8 free")
CASES = (*MOLECULES, *SPINS)
OPTIONAL = ("XXZ 8 free",)
"""Not part of the table unless asked for: three minutes a seed."""

XXZ_DELTA = 0.5

TOLERANCES = {HARTREE: 1.594e-3, "J": 1e-3}

MOLECULAR_CHAIN = "symmetry,curvature"
SPIN_CHAIN = "eqntk,curvature"
FREE = ", orbitals"
"""Marks the molecular chain whose orbitals follow the angles: ours too, so neither counts against the other."""

MOLECULAR_RULES = (
    ("lie",),
    ("curvature",),
    ("symmetry",),
    ("symmetry", "curvature"),
    ("symmetry", "lie"),
    ("symmetry", "lie", "curvature"),
    ("symmetry", "magnitude"),
    ("symmetry", "random"),
    ("symmetry", "fisher"),
)
SPIN_RULES = (("curvature",), ("lie",), ("lie", "curvature"), ("magnitude",), ("random",), ("fisher",))
"""After eqntk."""

POOL_LETTERS = {"TFIM 8": (2,), "XXZ 8": (2, 3), "XXZ 8 free": (2, 3)}
"""Of ADAPT's strings; on singlet pairs no string of two or four letters has a gradient."""

PLANES = {
    "front": ("n_parameters", "n_two_qubit_gates"),
    "front_p": ("n_parameters",),
    "front_g": ("n_two_qubit_gates",),
}
"""Costs that count: both, parameters alone, gates alone."""


@lru_cache(maxsize=1)
def molecule(name: str) -> tuple[Problem, Ansatz]:
    problem = load_problem(*MOLECULES[name])
    return problem, uccsd(problem.n_orbitals, *problem.n_electrons)


@lru_cache(maxsize=1)
def spins(name: str) -> tuple[QubitProblem, Ansatz]:
    """Return a ring of 8 spins with its ansatz.

    Hardware-efficient ones with a parameter a gate for the Ising model (X, Z, ZZ) and for XXZ free (Y, Z, ZZ), the
    Hamiltonian's own with a parameter a group of terms for XXZ.
    """
    pairs = connected_pairs("circular", 8)
    if name == "TFIM 8":
        return model_problem(transverse_field_ising(ring(8))), hardware_efficient(8, 6, pairs=pairs, backwards=True)
    problem = model_problem(xxz(ring(8), delta=XXZ_DELTA))
    if name == "XXZ 8 free":
        return problem, hardware_efficient(8, 12, blocks=("y", "z"), pairs=pairs)
    return problem, hamiltonian_variational(problem.hamiltonian, 16)


def run_molecule(name: str, seed: int) -> list[Outcome]:
    """Return what every method makes of a molecule with one seed."""
    problem, ansatz = molecule(name)
    tolerance, gates = TOLERANCES[HARTREE], GateCounter(problem)
    start = START_SPREAD * np.random.default_rng(seed).normal(size=ansatz.n_parameters)
    full = Stage(name="full", ansatz=ansatz, optimum=trained(problem, ansatz, start))
    memory = Memory({"full": full.optimum})
    exact = problem.energies["exact"]
    assert exact is not None
    found = [unpruned(problem, full, seed, gates)]
    symmetric = full
    for rules in MOLECULAR_RULES:
        outcome, run = by_rules(problem, full, rules, tolerance, seed, gates, memory=memory)
        if rules == ("symmetry",):
            symmetric = run.final
        if rules[-1] == "lie":
            before = full if len(rules) == 1 else symmetric
            outcome = Outcome(**{**vars(outcome), "path": lie_path(problem, before, gates)})
        found.append(outcome)
    rules = tuple(MOLECULAR_CHAIN.split(","))
    free = by_rules(problem, full, rules, tolerance, seed, gates, memory=memory, orbitals="optimise")
    found.append(free[0])
    chained = next(outcome for outcome in found if outcome.method == MOLECULAR_CHAIN)
    found += from_scratch(chained, symmetric.ansatz, gates, zero=True)
    return found + by_adapt(problem, tolerance, seed, gates)


def beyond(name: str) -> str:
    """Say where ADAPT from the fermionic pool goes below the error of the full UCCSD, where pruning cannot follow."""
    problem, ansatz = molecule(name)
    exact = problem.energies["exact"]
    assert exact is not None
    own = trained(problem, ansatz, np.zeros(ansatz.n_parameters)).value - exact
    outcome = grown("ADAPT, fermionic", problem, fermionic_pool(problem), own, 0, GateCounter(problem))
    reached = outcome.optimum.value - exact
    verb = "reaches" if reached <= own else "does not reach"
    return f"{name}: ADAPT, fermionic {verb} the {_milli(own)} mHa of UCCSD: {_place(outcome.point(exact))}"


def run_spins(name: str, seed: int) -> list[Outcome]:
    """Return what every method makes of a spin ring with one seed."""
    problem, ansatz = spins(name)
    tolerance, gates = TOLERANCES["J"], GateCounter(problem)
    full = trained_stage(problem, ansatz, seed)
    found = [unpruned(problem, full, seed, gates)]
    for rules in (("lie",), ("curvature",)):
        memory = Memory({"full": full.optimum})
        found.append(by_rules(problem, full, rules, tolerance, seed, gates, memory=memory)[0])
    symmetric, plan = symmetric_stage(problem, full, seed)
    memory = Memory({"full": symmetric.optimum})
    outcome, _ = by_rules(problem, symmetric, (), tolerance, seed, gates, memory=memory, before=plan, origin=full)
    found.append(outcome)
    for rules in SPIN_RULES:
        common = {"memory": memory, "before": plan, "origin": full}
        outcome, _ = by_rules(problem, symmetric, rules, tolerance, seed, gates, **common)
        if rules == ("lie",):
            outcome = Outcome(**{**vars(outcome), "path": lie_path(problem, symmetric, gates)})
        found.append(outcome)
    chained = next(outcome for outcome in found if outcome.method == SPIN_CHAIN)
    found += from_scratch(chained, symmetric.ansatz, gates, zero=False)
    pool = odd_strings(problem.n_qubits, POOL_LETTERS[name])
    return [*found, grown("ADAPT, Pauli", problem, pool, tolerance, seed, gates)]


def odd_strings(n_qubits: int, sizes: Sequence[int]) -> tuple[PauliSum, ...]:
    """Return all strings of some numbers of letters with an odd number of Y, which turn real states into real ones."""
    places = [qubits for size in sizes for qubits in combinations(range(n_qubits), size)]
    words = [(qubits, word) for qubits in places for word in product("XYZ", repeat=len(qubits)) if word.count("Y") % 2]
    return tuple(PauliSum(((0.5, tuple(zip(qubits, word, strict=True))),)) for qubits, word in words)


def unpruned(problem: Problem | QubitProblem, full: Stage, seed: int, gates: GateCounter) -> Outcome:
    return Outcome(
        method="full",
        seed=seed,
        problem=problem,
        ansatz=full.ansatz,
        optimum=full.optimum,
        n_two_qubit_gates=gates(full.ansatz),
        full=full.optimum.value,
    )


Task = tuple[str, int]
Report = tuple[list[dict[str, Any]], dict[str, tuple[Point, ...]], float]


def run_task(task: Task) -> Report:
    """Return rows, all points of each method and seconds of one case and seed."""
    name, seed = task
    began = time.perf_counter()
    outcomes = run_molecule(name, seed) if name in MOLECULES else run_spins(name, seed)
    exact = outcomes[0].problem.energies["exact"]
    assert exact is not None
    tolerance = TOLERANCES[outcomes[0].problem.unit]
    rows = [outcome.row(name, exact, tolerance) for outcome in outcomes]
    points = {outcome.method: (*outcome.path, outcome.point(exact)) for outcome in outcomes}
    return rows, points, time.perf_counter() - began


def median_row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the row of the median seed by parameters, gates and error; seeds that miss the tolerance come last."""
    keys = ("n_parameters", "n_two_qubit_gates", "error")
    ordered = sorted(rows, key=lambda row: (not row["within"], *(row[key] for key in keys)))
    counts = sorted(row["n_parameters"] for row in rows)
    within = sum(row["within"] for row in rows)
    return {
        **ordered[len(rows) // 2],
        "n_within": within,
        "n_seeds": len(rows),
        "fewest": counts[0],
        "most": counts[-1],
    }


def summarise(rows: list[dict[str, Any]], points: dict[str, dict[str, list[Point]]]) -> list[dict[str, Any]]:
    """Return the median row of each case and method, with the methods that beat it in space and in each plane."""
    table = []
    for case in dict.fromkeys(row["case"] for row in rows):
        for method in dict.fromkeys(row["method"] for row in rows if row["case"] == case):
            row = median_row([r for r in rows if (r["case"], r["method"]) == (case, method)])
            here = Point(row["n_parameters"], row["n_two_qubit_gates"], row["error"])
            others = {name: found for name, found in points[case].items() if name.removesuffix(FREE) != method}
            others = {name: found for name, found in others.items() if name != method.removesuffix(FREE)}
            for column, axes in PLANES.items():
                row[column] = sorted(dominators(here, others, axes=axes))
            row["smallest"] = sorted(smaller(here, others, tolerance_of(case)) if row["within"] else ["all"])
            table.append(row)
    return table


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the summary as printed; errors in mHa or 1e-3 J."""
    count = str(row["n_parameters"])
    if row["fewest"] != row["most"]:
        count += f" ({row['fewest']}-{row['most']})"
    line = {"method": row["method"], "within": f"{row['n_within']}/{row['n_seeds']}"}
    line |= {"parameters": count, "rotations": row["n_rotations"], "gates": row["n_two_qubit_gates"]}
    for key, name in (("error_full", "full"), ("error_untuned", "pruned"), ("error", "tuned")):
        line[name] = "" if row[key] is None else _milli(row[key])
    line["<N>"] = _number(row["n_electrons"], row["n_electrons_variance"])
    line["<S_z>"] = _number(row["spin_z"], None)
    line["<S^2>"] = _number(row["spin_squared"], None)
    return line | {column: "yes" if not row[column] else "no" for column in (*PLANES, "smallest")}


def _milli(error: float) -> str:
    return "0.0000" if abs(error) < 5e-8 else f"{1e3 * error:.4f}"


def _number(value: float | None, variance: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}".replace("-0.0000", "0.0000") + (f" +-{variance**0.5:.2f}" if (variance or 0) > 1e-4 else "")


def judge(
    rows: list[dict[str, Any]], table: list[dict[str, Any]], points: dict[str, dict[str, list[Point]]]
) -> tuple[list[str], list[str]]:
    """Return what falls short of the claims, and what should be known beside them."""
    failures, remarks = [], []
    for case, chain in [(name, chain) for name in points for chain in chains_of(name)]:
        methods = points[case]
        others = {name: found for name, found in methods.items() if name not in chains_of(case)}
        ends = next(r for r in table if (r["case"], r["method"]) == (case, chain))
        if ends["n_within"] < ends["n_seeds"]:
            failures.append(f"{case}: {chain} misses the tolerance with {ends['n_seeds'] - ends['n_within']} seeds")
        failures += [f"{case}: {name} dominates {chain}" for name in ends["front"]]
        for row in (r for r in rows if r["case"] == case and case in MOLECULES and "Pauli" not in r["method"]):
            if abs(row["n_electrons"] - ELECTRONS[case]) > 1e-6:
                failures.append(f"{case}: {row['method']} has <N> = {row['n_electrons']}")
        own = front(methods[chain])
        beaten = {p: sorted(dominators(p, others)) for p in own}
        free = sum(not names for names in beaten.values())
        remarks.append(f"{case}: {free} of {len(own)} points of the path's front of {chain} are undominated")
        remarks += [f"  {_place(p)}: dominated by {', '.join(names)}" for p, names in beaten.items() if names]
        for row in (r for r in rows if (r["case"], r["method"]) == (case, chain)):
            here = Point(row["n_parameters"], row["n_two_qubit_gates"], row["error"])
            names = sorted({*dominators(here, others), *smaller(here, others, tolerance_of(case))})
            if names:
                remarks.append(f"  seed {row['seed']} ends at {_place(here)}: beaten by {', '.join(names)}")
        if ends["smallest"]:
            remarks.append(f"  with some seed {', '.join(ends['smallest'])} ends smaller, at a larger error")
        for column, cost in (("front_p", "parameters"), ("front_g", "two-qubit gates")):
            if ends[column]:
                remarks.append(f"  its end is dominated in the plane of {cost} and error by {', '.join(ends[column])}")
    return failures, remarks


def tolerance_of(case: str) -> float:
    """Return the error at which all methods of a case stop, hartree or J."""
    return TOLERANCES[HARTREE if case in MOLECULES else "J"]


def chain_of(case: str) -> str:
    """Return the rules whose front is claimed: symmetry, of qubits eqntk, and then curvature."""
    return MOLECULAR_CHAIN if case in MOLECULES else SPIN_CHAIN


def chains_of(case: str) -> tuple[str, ...]:
    """Return the chain, and of molecules also the one whose orbitals follow."""
    return (chain_of(case), chain_of(case) + FREE) if case in MOLECULES else (chain_of(case),)


def _place(point: Point) -> str:
    return f"{point.n_parameters} parameters, {point.n_two_qubit_gates} gates, error {_milli(point.error)}"


def draw(folder: Path, points: dict[str, dict[str, list[Point]]], rows: list[dict[str, Any]]) -> None:
    """Write one picture a case: the chain, its rivals and the controls."""
    folder.mkdir(parents=True, exist_ok=True)
    for case, methods in points.items():
        chain = chain_of(case)
        first = chain.split(",")[0]
        lines = [*chains_of(case), f"{first},lie", f"{first},magnitude", f"{first},random"]
        lines += [name for name in methods if "ADAPT" in name]
        ends = {
            name: [
                Point(row["n_parameters"], row["n_two_qubit_gates"], row["error"])
                for row in rows
                if (row["case"], row["method"]) == (case, name)
            ]
            for name in methods
            if name in ("lie", "full", first, f"{first},lie,curvature", f"{first},fisher") or "scratch" in name
        }
        unit = HARTREE if case in MOLECULES else "J"
        picture = pareto_picture(case, {name: methods[name] for name in lines}, ends, tolerance_of(case), unit)
        (folder / f"pareto_{case.lower().replace(' ', '_')}.svg").write_text(picture, encoding="utf-8")


def run_all(tasks: list[Task], processes: int) -> list[Report]:
    if processes == 1:
        return [run_task(task) for task in tasks]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return list(pool.map(run_task, tasks))


def main() -> int:
    """Print the table; the status says whether the claims hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line: every case, method and seed")
    usual = [case for case in CASES if case not in OPTIONAL]
    parser.add_argument("--cases", nargs="+", choices=CASES, default=usual, metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 0 (default 5)")
    parser.add_argument("--processes", type=int, default=2, help="processes of one thread each (default 2)")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write a picture of the fronts of every case")
    arguments = parser.parse_args()
    if arguments.seeds < 1 or arguments.processes < 1:
        parser.error("--seeds and --processes must be at least 1")
    tasks = [(case, seed) for case in arguments.cases for seed in range(arguments.seeds)]
    rows: list[dict[str, Any]] = []
    points: dict[str, dict[str, list[Point]]] = {}
    seconds = 0.0
    for (case, _), (found, offered, spent) in zip(tasks, run_all(tasks, arguments.processes), strict=True):
        rows += found
        seconds += spent
        for method, own in offered.items():
            points.setdefault(case, {}).setdefault(method, []).extend(own)
    table = summarise(rows, points)
    failures, remarks = judge(rows, table, points)
    if arguments.json:
        show(rows, as_json=True)
        print(json.dumps({"case": "all", "seconds": seconds}))
    else:
        print(
            "median seed; errors in mHa or 1e-3 J, full: before pruning, pruned: before tuning; "
            "front: not dominated; _p, _g: in one plane; smallest: of those within"
        )
        for case in arguments.cases:
            print(f"\n{case}")
            show([shown(row) for row in table if row["case"] == case], as_json=False)
        remarks += [beyond(case) for case in arguments.cases if case in MOLECULES]
        print("\n" + "\n".join(remarks), f"\n{seconds:.0f} s of computing", sep="")
    if arguments.pictures is not None:
        draw(arguments.pictures, points, rows)
    return verdict(failures)


if __name__ == "__main__":
    sys.exit(main())
