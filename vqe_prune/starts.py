"""Where the optimisation of an excitation ansatz starts: zero angles, cluster amplitudes, and random restarts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.amplitudes import angles_of, cluster_amplitudes
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.electrons import excitation_irrep
from vqe_prune.errors import check_choice
from vqe_prune.excitation_settings import STARTS
from vqe_prune.problem import Problem

Vector = NDArray[np.float64]

SPREADS = (0.1, 0.5)
"""Standard deviations (radian) of the restarts, in turn: the first leave a saddle point, the second a minimum."""


def starting_angles(
    problem: Problem,
    ansatz: Ansatz,
    start: str = "zero",
    *,
    restarts: int = 0,
    seed: int = 0,
    keep_irrep: bool = True,
) -> tuple[Vector, ...]:
    """Return first angles of an ansatz of excitations, to optimise from each and keep the lowest optimum.

    Args:
        problem: Integrals that amplitudes come from.
        ansatz: Excitation rotations.
        start: ``zero``; ``mp2`` or ``ccsd``: the amplitudes of that method, see `angles_of`.
        restarts: So many further starts, each the first one plus normal random angles, of standard deviation 0.1 and
            0.5 radian in turn.
        seed: Of the first restart; each depends on its own seed alone.
        keep_irrep: Draw no angle of a rotation that leaves the reference's irrep, so that every start keeps the point
            group. Without it an optimum may be lower and of broken symmetry: look at its <S^2>.

    Returns:
        Angles in radian, (n_parameters,) each, the one that is not random first.

    Raises:
        InputError: The start is unknown, or MP2 has no finite amplitudes.
        ConvergenceError: CCSD does not converge.

    """
    check_choice("ansatz.start", start, STARTS)
    first = np.zeros(ansatz.n_parameters)
    if start != "zero":
        first = angles_of(ansatz, cluster_amplitudes(problem.electrons, start))
    free = np.ones(ansatz.n_parameters, dtype=bool)
    if keep_irrep:
        for rotation, excitation in zip(ansatz.rotations, ansatz.excitations, strict=True):
            leaves = excitation_irrep(problem.electrons.irreps, excitation.spin_orbitals) != 0
            if leaves and rotation.parameter is not None:
                free[rotation.parameter] = False
    starts = [first]
    for k in range(restarts):
        draws = np.random.default_rng(seed + k).normal(scale=SPREADS[k % len(SPREADS)], size=ansatz.n_parameters)
        starts.append(first + np.where(free, draws, 0.0))
    return tuple(starts)
