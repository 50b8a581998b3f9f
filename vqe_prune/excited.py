"""The excited states that a study asks for, out of its pruned ground state."""

from __future__ import annotations

from vqe_prune.deflation import deflate_states
from vqe_prune.problem import Problem
from vqe_prune.prune.journal import Journal
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.pruning import Pruning
from vqe_prune.settings import Settings
from vqe_prune.spectrum import Spectrum
from vqe_prune.subspace import expand_states


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
