"""The problem of the lowest state of another irrep or spin, to be solved and pruned as a ground state is."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np

from vqe_prune.electrons import Electrons, determinant_energies, excitation_irrep
from vqe_prune.errors import InputError, near_misses
from vqe_prune.problem import Problem
from vqe_prune.reference_irrep import irrep_name, reordered
from vqe_prune.spectrum import exact_levels, multiplicity_of
from vqe_prune.symmetry import spin_orbital_symmetries


def state_problem(problem: Problem, irrep: str, *, spin: int | None = None, exact: bool = True) -> Problem:
    """Return the problem whose reference is the lowest determinant of an irrep and spin.

    Excitations that keep the irrep never leave it, so that `prune_ansatz` prunes an ansatz for the lowest state of this
    irrep as it does for the ground state: symmetry, curvature, circuits and encodings need nothing else. Orbitals stay
    those of the problem, in another order: first the doubly filled ones of the determinant, then those with an alpha
    electron alone. Open-shell singlets are no such determinant: see `vqe_prune.deflation`.

    Args:
        problem: Of electrons.
        irrep: Name in the Abelian point group (of linear molecules in D2h or C2v), such as ``B1``.
        spin: Alpha minus beta electrons, 2 for a triplet; default that of the problem.
        exact: Compute the energy of the lowest exact state of this irrep and multiplicity spin + 1.

    Returns:
        The problem; its ``hf`` energy is that of the determinant, ``exact`` that of the state.

    Raises:
        InputError: There is no such irrep, spin or determinant.

    """
    electrons, total = problem.electrons, sum(problem.n_electrons)
    spin = problem.n_electrons[0] - problem.n_electrons[1] if spin is None else spin
    n_alpha, n_beta = (total + spin) // 2, (total - spin) // 2
    if spin < 0 or (total - spin) % 2 or not 0 <= n_beta <= n_alpha <= problem.n_orbitals:
        raise InputError(f"spin={spin} (alpha minus beta electrons) is impossible with {total} electrons here")
    energy_of = determinant_energies(electrons.one_body, electrons.two_body)
    named: dict[str, tuple[float, tuple[int, ...], tuple[int, ...]]] = {}
    for both in combinations(range(problem.n_orbitals), n_beta):
        for single in combinations([p for p in range(problem.n_orbitals) if p not in both], spin):
            energy = energy_of((*both, *single), both)
            name = irrep_name(electrons, excitation_irrep(electrons.irreps, [2 * p for p in single]))
            named[name] = min(named.get(name, (np.inf, (), ())), (energy, both, single))
    if irrep not in named:
        raise InputError(
            f"no determinant of {problem.name} with {n_alpha} alpha and {n_beta} beta electrons in the same orbitals "
            f"has the irrep {irrep!r}{near_misses(irrep, named)}; another spin has others"
        )
    chosen = _reordered(electrons, *named[irrep][1:])
    energies: dict[str, float | None] = {
        "hf": chosen.reference_energy, "mp2": None, "ccsd": None, "exact": None
    }  # fmt: skip
    if exact:
        number = excitation_irrep(chosen.irreps, [2 * p for p in range(n_beta, n_alpha)])
        levels = exact_levels(chosen, (n_alpha, n_beta), Counter({(number, spin + 1): 1}))
        kinds = [level.energy for level in levels if (level.irrep, level.multiplicity) == (number, spin + 1)]
        energies["exact"] = min(kinds)
    return replace(
        problem,
        name=f"{problem.name} {multiplicity_of(spin / 2 * (spin / 2 + 1))}{irrep}",
        electrons=chosen,
        symmetries=spin_orbital_symmetries(chosen),
        energies=energies,
        dipoles={},
        warnings=(),
    )


def _reordered(electrons: Electrons, both: tuple[int, ...], single: tuple[int, ...]) -> Electrons:
    """Electrons whose reference fills `both` twice and `single` once."""
    rest = [p for p in range(electrons.n_orbitals) if p not in (*both, *single)]
    order = np.array([*both, *single, *rest])
    return replace(reordered(electrons, order), n_alpha=len(both) + len(single), n_beta=len(both))
