"""What a stage's state has lost of the reference's symmetry, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.objective import EnergyObjective, QubitEnergyObjective
from vqe_prune.observables import observables_of, weight_outside
from vqe_prune.orbitals import state_in_old_orbitals
from vqe_prune.problem import Problem
from vqe_prune.prune.steps import Stage
from vqe_prune.qubit_problem import QubitProblem

MIXED = 1e-6
"""Weight in other irreps from which on the point group is broken: optimising leaves some 1e-12."""

CONTAMINATED = 1e-3
"""Change of <S^2> from which on the spin is: products of excitations of alpha and of beta electrons conserve it only
nearly, to 2e-6 in twelve hydrogen atoms."""


def symmetry_notes(
    problem: Problem | QubitProblem,
    stages: Sequence[Stage],
    bind: Callable[[Ansatz], EnergyObjective | QubitEnergyObjective],
) -> list[str]:
    """Say in words where the first or the last stage is of another irrep or spin than the reference.

    Its density, and with it dipole and populations, then lacks the molecule's symmetry. For electrons only.

    Args:
        problem: What was solved, in the orbitals that irreps are of.
        stages: Of the pruning.
        bind: Makes the energy of an ansatz, whose engine gives the states.

    """
    if isinstance(problem, QubitProblem):
        return []
    broken: dict[str, list[str]] = {}
    spin = abs(problem.electrons.n_alpha - problem.electrons.n_beta) / 2
    for stage in dict.fromkeys((stages[0], stages[-1])):
        own = bind(stage.ansatz).engine.state(stage.optimum.angles)
        state = state_in_old_orbitals(own.real, problem.electrons, stage.orbitals)
        weight, squared = weight_outside(problem, state), observables_of(problem, state).spin_squared
        lost = []
        if weight > MIXED:
            lost.append(f"{weight:.1e} of it is in other irreps of {problem.electrons.group} than the reference")
        if squared is not None and abs(squared - spin * (spin + 1)) > CONTAMINATED:
            lost.append(f"<S^2> is {squared:.6f} instead of {spin * (spin + 1):g}")
        if lost:
            broken.setdefault(", ".join(lost), []).append(stage.name)
    return [
        f"the state of {' and '.join(names)} breaks the symmetry of the reference: {lost}; neither its density nor its "
        "energy is that of a state of the same symmetry"
        for lost, names in broken.items()
    ]
