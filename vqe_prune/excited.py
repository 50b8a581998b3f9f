"""What a study asks of its pruned ground state besides: excited states, forces on the nuclei, a better geometry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vqe_prune.deflation import deflate_states
from vqe_prune.forces import nuclear_gradient
from vqe_prune.geometry import GeometryStep, check_installed, optimise_geometry
from vqe_prune.problem import Problem
from vqe_prune.prune.journal import Journal
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.pruning import Pruning
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.report.geometry_table import format_gradient, format_steps
from vqe_prune.run_folder import write_atomically
from vqe_prune.settings import Settings
from vqe_prune.spectrum import Spectrum
from vqe_prune.subspace import expand_states, target_numbers


def excited_states(settings: Settings, pruning: Pruning, journal: Journal) -> Spectrum | None:
    """Return the excited states that settings ask for, None where they ask for none.

    Args:
        settings: Checked settings.
        pruning: Of electrons; its final state is the ground state.
        journal: Where progress goes.

    """
    chosen, problem, final = settings.excited, pruning.final_problem, pruning.final
    if not chosen.states or not isinstance(problem, Problem):
        return None
    if chosen.method != "deflation":
        return expand_states(
            problem,
            final.ansatz,
            final.optimum.angles,
            states=chosen.states,
            method=chosen.method,
            spin=chosen.spin,
            threshold=chosen.threshold,
        )
    return deflate_states(
        problem,
        final.ansatz,
        final.optimum.angles,
        states=chosen.states,
        kind=chosen.ansatz,
        penalty=chosen.penalty,
        limits=Limits(tolerance=settings.pruner.tolerance, relative_to=settings.pruner.relative_to),
        gradient_tolerance=settings.optimizer.gradient_tolerance,
        max_steps=settings.optimizer.max_steps,
        journal=journal,
    ).spectrum


def add_nuclei(
    settings: Settings, pruning: Pruning, rows: list[dict[str, Any]], folder: Path, journal: Journal
) -> None:
    """Compute the forces or the geometry that settings ask for, say them and put them into the final stage's row.

    Args:
        settings: Checked settings.
        pruning: Of electrons.
        rows: Rows of the record's stages.
        folder: Where the optimised geometry is written.
        journal: Where progress goes.

    """
    problem, final = pruning.problem, pruning.final
    if settings.nuclei == "fixed" or not isinstance(problem, Problem) or problem.molecule is None:
        return
    row: dict[str, Any]
    if settings.nuclei == "gradient":
        gradient = nuclear_gradient(problem, final.ansatz, final.optimum.angles, orbitals=final.orbitals)
        step = GeometryStep(atoms=problem.molecule.atoms, energy=final.optimum.value, gradient=gradient)
        row = {"steps": [step.as_row()]}
        journal.say("\n" + format_gradient(row))
    else:
        found = optimise_geometry(
            pruning,
            gradient_tolerance=settings.optimizer.gradient_tolerance,
            exact=settings.exact,
            progress=lambda step: journal.say(
                f"geometry: {step.energy:.8f} hartree, gradient {step.gradient_norm:.1e} hartree/bohr"
            ),
        )
        row = {
            "steps": [step.as_row() for step in found.steps],
            "converged": found.converged,
            "error_to_exact": found.error_to_exact,
        }
        write_atomically(folder / "geometry.xyz", found.xyz())
        journal.say("\n" + format_steps(row))
    rows[-1]["nuclei"] = row


def check_nuclei(settings: Settings) -> None:
    """Raise InputError, before anything long, where a geometry is to be optimised and geomeTRIC is not there."""
    if settings.nuclei == "optimise":
        check_installed()


def check_spin(settings: Settings, problem: Problem | QubitProblem) -> None:
    """Raise InputError, before anything long, where excited states cannot have the spin that settings ask for."""
    if settings.excited.states and isinstance(problem, Problem):
        target_numbers(problem, settings.excited.spin)
