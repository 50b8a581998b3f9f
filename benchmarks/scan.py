"""Potential-energy scans: one pruned structure for the curve against one for each point, and warm against cold starts.

STO-3G, errors in mHa to full configuration interaction; every structure keeps 1.594 mHa at all points but the control.
``each`` prunes every point on its own; ``union`` keeps the rotations that any of them keeps, ``union, pruned`` prunes
that on; ``lowest alone`` takes the structure of the lowest point everywhere; ``common`` is what ``study=scan`` takes.
``needed`` is how many parameters every structure within the tolerance has. Jumps are those of neighbouring second
differences of the error. Steps are of the full ansatz on its symmetric rotations, at all points: each from zero angles;
from the neighbour's angles; and as a scan goes, extrapolated and with the inverse Hessian handed on.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does, before NumPy is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")  # PySCF's threads would wait for each other on a busy machine

import numpy as np
from cases import parse_arguments, run_cases, show, verdict

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.chemistry import solve_mean_field
from vqe_prune.config import parse_settings
from vqe_prune.continuation import Family, FamilyStage, follow
from vqe_prune.curve import prune_segment
from vqe_prune.electrons import excitation_irrep
from vqe_prune.inputs import read_molecule
from vqe_prune.neighbours import CurvePoint, Segment, carried_orbitals, segments, solve_curve
from vqe_prune.problem import Problem, mean_field_problem
from vqe_prune.prune.elimination import restrict
from vqe_prune.prune.family import FamilyPruning, needed_parameters, prune_family
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.pruning import prune_ansatz
from vqe_prune.report.scan_table import largest_jump
from vqe_prune.scan_settings import scan_values

TOLERANCE = 1.594e-3
"""Hartree, 1 kcal/mol."""


class Case(NamedTuple):
    """A curve and what is claimed of it.

    Attributes:
        molecule: Its name.
        limits: Start, stop and step, angstrom.
        relative_to: What errors are counted from.
        most_parameters: Of the common structure.
        saved: How many times fewer steps warm starts take, at least; the ends' cold starts are among them.
        parallel: Whether its non-parallelity error is smaller than that of each point on its own.

    """

    molecule: str
    limits: tuple[float, float, float]
    relative_to: str
    most_parameters: int
    saved: float
    parallel: bool


CASES = (
    Case("LiH", (1.0, 3.5, 0.1), "exact", 6, 4.0, True),
    Case("HF", (0.8, 2.8, 0.1), "exact", 4, 3.0, True),
    Case("BeH2", (1.0, 1.8, 0.1), "exact", 12, 1.8, False),
)


def points_of(case: Case) -> Segment:
    """Return the problems of a curve, which is one piece."""
    values = scan_values("bond_length", case.limits)
    names = [f"{value:g} angstrom" for value in values]
    settings = [parse_settings([f"molecule={case.molecule}", f"molecule.bond_length={value}"]) for value in values]
    molecules = [read_molecule(each.molecule) for each in settings]
    densities, _, notes = solve_curve(molecules, names)
    for note in notes:
        print(f"{case.molecule}: {note}", file=sys.stderr)
    points = []
    for molecule, density in zip(molecules, densities, strict=True):
        field = solve_mean_field(molecule, start=lambda mol, density=density: density)
        points.append(CurvePoint(problem=mean_field_problem(molecule, field), frame=carried_orbitals(field)))
    (piece,), _ = segments(points, names)
    return piece


def symmetric_part(problem: Problem, ansatz: Ansatz) -> Ansatz:
    """Return the rotations that keep the reference's irrep."""
    irreps = problem.electrons.irreps
    allowed = [excitation_irrep(irreps, each.spin_orbitals) == 0 for each in ansatz.excitations]
    return restrict(ansatz, [k for k, fits in enumerate(allowed) if fits])


def steps_of(problems: tuple[Problem, ...], ansatz: Ansatz) -> tuple[dict[str, Any], list[str]]:
    """Return steps and seconds of cold and warm starts, and what falls short."""
    family, smaller = Family(problems), symmetric_part(problems[0], ansatz)
    zero = np.zeros(smaller.n_parameters)
    family.minimum(0, smaller, zero)  # compiles
    began = time.perf_counter()
    cold = [family.minimum(g, smaller, zero) for g in range(len(problems))]
    cold_seconds = time.perf_counter() - began
    lowest = min(range(len(problems)), key=lambda g: cold[g].value)
    neighbour, ways = cold[lowest].steps, (range(lowest + 1, len(problems)), range(lowest - 1, -1, -1))
    for way in ways:
        angles = cold[lowest].angles
        for g in way:
            optimum = family.minimum(g, smaller, angles)
            neighbour, angles = neighbour + optimum.steps, optimum.angles
    began = time.perf_counter()
    first = family.minimum(lowest, smaller, zero)
    right, left = (follow(each, smaller, first) for each in (problems[lowest:], problems[lowest::-1]))
    warm_seconds = time.perf_counter() - began
    warm = [*reversed(left[0][1:]), *right[0]]
    gaps = [one.value - other.value for one, other in zip(warm, cold, strict=True)]
    failures = [f"a warm start ends {max(gaps):.1e} hartree above the cold one"] if max(gaps) > 1e-8 else []
    return {
        "steps_cold": sum(each.steps for each in cold),
        "steps_neighbour": neighbour,
        "steps_warm": first.steps + right[1] + left[1],
        "seconds_cold": cold_seconds,
        "seconds_warm": warm_seconds,
    }, failures


def row_of(case: str, name: str, counts: list[int], rotations: list[int], errors: Any) -> dict[str, Any]:
    """Return the row of one way to have a structure."""

    def span(numbers: list[int]) -> str:
        return str(min(numbers)) if min(numbers) == max(numbers) else f"{min(numbers)}-{max(numbers)}"

    jump = largest_jump([float(error) for error in errors])
    return {
        "case": case,
        "structure": name,
        "n_parameters": span(counts),
        "n_rotations": span(rotations),
        "largest_error_mha": 1e3 * float(max(errors)),
        "non_parallelity_mha": 1e3 * float(max(errors) - min(errors)),
        "largest_jump_mha": None if jump is None else 1e3 * jump,
    }


def union_rows(case: str, pruning: FamilyPruning, limits: Limits) -> list[dict[str, Any]]:
    """Return the rows of each point on its own, of the union, and of the lowest point's structure everywhere."""
    problems, symmetric = pruning.problems, pruning.stages[1]
    alone = [prune_ansatz(problem, pruning.stages[0].ansatz, limits=limits) for problem in problems]
    finals = [each.final for each in alone]
    errors = np.array([each.optimum.value for each in finals]) - pruning.references
    sizes = [each.ansatz.n_parameters for each in finals], [len(each.ansatz.rotations) for each in finals]
    rows = [row_of(case, "each", *sizes, errors)]
    kept = []
    for one in (prune_family([problem], symmetric.ansatz, limits=limits) for problem in problems):
        labels = {rotation.generator.label for rotation in one.final.ansatz.rotations}
        kept.append({r.parameter for r in symmetric.ansatz.rotations if r.generator.label in labels})
    family = Family(problems)
    lowest = min(range(len(problems)), key=lambda g: problems[g].electrons.reference_energy)
    wholes = {"union": sorted(set().union(*kept)), "lowest alone": sorted(kept[lowest])}
    for name, parameters in wholes.items():
        smaller = restrict(symmetric.ansatz, parameters)
        stage = family.settle(name, smaller, [optimum.angles[parameters] for optimum in symmetric.optima])
        rows.append(_stage_row(case, name, stage, pruning))
        if name == "union":
            again = prune_family(problems, smaller, limits=limits, full=stage)
            rows.append(_stage_row(case, "union, pruned", again.final, pruning))
    return rows


def _stage_row(case: str, name: str, stage: FamilyStage, pruning: FamilyPruning) -> dict[str, Any]:
    counts = [stage.ansatz.n_parameters], [len(stage.ansatz.rotations)]
    return row_of(case, name, *counts, pruning.errors(stage))


def run_case(case: Case) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of one curve and what falls short."""
    problems = points_of(case).problems
    ansatz = uccsd(problems[0].n_orbitals, *problems[0].n_electrons)
    name = f"{case.molecule} {case.limits[0]}-{case.limits[1]}"
    limits = Limits(tolerance=TOLERANCE, relative_to=case.relative_to)
    steps, failures = steps_of(problems, ansatz)
    began = time.perf_counter()
    pruning, _ = prune_segment(problems, ansatz, limits=limits)
    seconds = time.perf_counter() - began
    rows = [_stage_row(name, stage.name, stage, pruning) for stage in pruning.stages[:2]]
    ours = _stage_row(name, "common", pruning.final, pruning)
    ours.update(needed=len(needed_parameters(pruning)), seconds=seconds, **steps)
    others = union_rows(name, pruning, limits)
    rows += [ours, *others]
    if ours["largest_error_mha"] > 1e3 * TOLERANCE:
        failures.append(f"the largest error is {ours['largest_error_mha']:.3f} mHa")
    if int(ours["n_parameters"]) > case.most_parameters:
        failures.append(f"{ours['n_parameters']} parameters are left, not {case.most_parameters}")
    each, union = others[0], others[1]
    for key in ("non_parallelity_mha",) * case.parallel + ("largest_jump_mha",):
        if ours[key] > each[key]:
            failures.append(f"{key} is {ours[key]:.3f} for common, {each[key]:.3f} for each")
    if int(ours["n_parameters"]) > int(union["n_parameters"]):
        failures.append(f"the union has {union['n_parameters']} parameters, fewer than {ours['n_parameters']}")
    if 10.0 * ours["largest_jump_mha"] > each["largest_jump_mha"]:
        failures.append("jumps are less than ten times smaller than those of points pruned on their own")
    if others[-1]["largest_error_mha"] <= 1e3 * TOLERANCE:
        failures.append("the structure of the lowest point alone would have been enough")
    if steps["steps_cold"] < case.saved * steps["steps_warm"]:
        failures.append(f"{steps['steps_warm']} warm steps against {steps['steps_cold']} cold ones")
    return rows, [f"{name}: {failure}" for failure in failures]


def main() -> int:
    """Print the table; the status says whether every claim holds."""
    arguments = parse_arguments(__doc__)
    rows, failures = run_cases(CASES, run_case)
    show(rows, as_json=arguments.json)
    return verdict(failures)


if __name__ == "__main__":
    sys.exit(main())
