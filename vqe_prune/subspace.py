"""Excited states from a subspace around an optimised ground state: one- and two-electron excitations out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.chemistry import require_memory
from vqe_prune.electrons import Electrons, excitation_irrep
from vqe_prune.engine.determinants import Sector, SectorHamiltonian, string_excitations
from vqe_prune.engine.sector import SectorEngine
from vqe_prune.errors import InputError, check_choice
from vqe_prune.objective import energy_of, sector_hamiltonian
from vqe_prune.observables import weight_outside
from vqe_prune.problem import Problem
from vqe_prune.spectrum import (
    FoundState,
    Numbers,
    Spectrum,
    State,
    by_energy,
    determinant_irreps,
    list_states,
    with_definite_spins,
)

Vector = NDArray[np.float64]
Operator = tuple[tuple[int, ...], tuple[int, ...]]
"""Created and annihilated spin orbitals of a+_{c1} ... a+_{ck} a_{dk} ... a_{d1}; none for the identity."""

SUBSPACES = ("expansion", "self_consistent")

THRESHOLD = 1e-6
"""Eigenvectors of the overlap matrix with smaller eigenvalues are left out."""

FORBIDDEN_WEIGHT = 1e-9
"""A state with more than this outside the reference's irrep is treated as one without irreps."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Block:
    """States of one irrep in a subspace: energies (hartree), vectors, <S^2>, and the dimension after conditioning."""

    irrep: int
    energies: list[float]
    states: list[State]
    spins_squared: list[float]
    kept: int


def expand_states(
    problem: Problem,
    ansatz: Ansatz,
    angles: Vector,
    *,
    states: int = 3,
    method: str = "expansion",
    spin: int | None = None,
    threshold: float = THRESHOLD,
    exact: bool = True,
) -> Spectrum:
    """Find excited states in the space of single and double excitations out of an optimised state.

    ``expansion``: H c = E S c with H_ij = <psi|O_i^+ H O_j|psi>, S_ij = <psi|O_i^+ O_j|psi>, where the O_i are the
    identity and all one- and two-electron excitations from spin orbitals that the reference fills to those it does not,
    of every irrep. S is conditioned by canonical orthogonalisation: eigenvectors with eigenvalues below `threshold` are
    left out. ``self_consistent``: the same with U O_i U^+ for O_i, psi = U|reference>; the U O_i|reference> are
    orthonormal, so that nothing has to be conditioned, and the ground state is not changed where it is stationary under
    all O_i.

    Args:
        problem: Of electrons, in the orbitals of the ansatz (`Pruning.final_problem`).
        ansatz: Excitation rotations, such as a pruned ansatz.
        angles: Its angles at the optimum, radian; shape (n_parameters,).
        states: How many excited states, the lowest ones.
        method: ``expansion`` or ``self_consistent``.
        spin: Alpha minus beta electrons of the excited states, default those of the problem, whose sector has singlets,
            triplets and all others; another value takes excitations that flip spins.
        threshold: Smallest eigenvalue of S that is kept.
        exact: Compute the exact states to compare with, where the problem has its exact energy.

    Returns:
        The states, lowest first.

    Raises:
        InputError: `states`, `method`, `spin` or `threshold` cannot be used, or the subspace needs too much memory.

    Source: J. R. McClean, M. E. Kimchi-Schwartz, J. Carter, W. A. de Jong, Hybrid quantum-classical hierarchy for
        mitigation of decoherence and determination of excited states, arXiv 1603.05681; self-consistent operators:
        A. Asthana et al., Quantum self-consistent equation-of-motion method for computing molecular excitation
        energies, ionization potentials, and electron affinities on a quantum computer, arXiv 2206.10502. That the
        operators are those of UCCSD, and the threshold, are our choice.

    """
    check_choice("excited.method", method, SUBSPACES)
    if states < 1 or not 0 < threshold < 1:
        raise InputError(
            f"excited.states={states} must be at least 1 and excited.threshold={threshold} between 0 and 1"
        )
    engine = energy_of(problem)(ansatz).engine
    assert isinstance(engine, SectorEngine)
    angles = np.asarray(angles, dtype=np.float64)
    psi, numbers = engine.state(angles), target_numbers(problem, spin)
    electrons = with_irreps_of(problem, psi)
    own = _diagonalise(problem, electrons, engine, angles, psi, problem.n_electrons, method, threshold, states + 2)
    place, ground_block = _ground(own, psi)
    ground_energy, ground = ground_block.energies[place], ground_block.states[place]
    blocks = own
    if numbers != problem.n_electrons:
        blocks = _diagonalise(problem, electrons, engine, angles, psi, numbers, method, threshold, states + 2)
    found = [
        FoundState(energy=energy, irrep=block.irrep, vector=vector, spin_squared=square)
        for block in blocks
        for k, (energy, vector, square) in enumerate(
            zip(block.energies, block.states, block.spins_squared, strict=True)
        )
        if not (block is ground_block and k == place)
    ]
    found = [found[place] for place in by_energy(found)][:states]
    sector = Sector(n_orbitals=problem.n_orbitals, n_alpha=numbers[0], n_beta=numbers[1])
    details = {
        "threshold": threshold,
        "n_operators": sum(1 for _ in operators(problem, numbers)),
        "subspace_dimension": sum(block.kept for block in blocks),
        "sector_dimension": sector.dimension,
    }
    return list_states(
        replace(problem, electrons=electrons),
        method,
        numbers,
        FoundState(
            energy=ground_energy,
            irrep=ground_block.irrep,
            vector=ground,
            spin_squared=ground_block.spins_squared[place],
        ),
        found,
        exact=exact,
        details=details,
        notes=fewer_notes(states, len(found), details),
    )


def fewer_notes(asked: int, found: int, details: Mapping[str, Any]) -> list[str]:
    """Say where there are fewer states than were asked for; `details` are those of an expansion."""
    if found >= asked:
        return []
    determinants, kept = details["sector_dimension"], details["subspace_dimension"]
    why = f"there are no more, electrons and orbitals make {determinants} states in all"
    if kept < determinants:
        why = f"the space of single and double excitations, {kept} of {determinants} dimensions, has no more"
    return [f"excited.states={asked} were asked for and {found} found: {why}"]


def target_numbers(problem: Problem, spin: int | None) -> Numbers:
    """Return alpha and beta electrons of excited states with `spin` = alpha - beta, None for the problem's own."""
    total, (n_alpha, n_beta) = sum(problem.n_electrons), problem.n_electrons
    if spin is None:
        return n_alpha, n_beta
    alpha, beta = (total + spin) // 2, (total - spin) // 2
    if (total - spin) % 2 or not 0 <= beta <= problem.n_orbitals or not 0 <= alpha <= problem.n_orbitals:
        raise InputError(
            f"excited.spin={spin} (alpha minus beta electrons) is impossible with {total} electrons in "
            f"{problem.n_orbitals} orbitals; try excited.spin={n_alpha - n_beta}"
        )
    if abs(alpha - n_alpha) > 2:
        raise InputError(
            f"excited.spin={spin} is more than two spin flips from the {n_alpha - n_beta} of {problem.name}; "
            f"try another molecule.spin"
        )
    return alpha, beta


def operators(problem: Problem, numbers: Numbers) -> Iterator[Operator]:
    """Yield the identity and the single and double excitations out of the reference that lead to a sector.

    Args:
        problem: Gives the reference determinant.
        numbers: Alpha and beta electrons afterwards.

    """
    flips = numbers[0] - problem.n_electrons[0]
    filled = problem.reference_occupied
    empty = [p for p in range(problem.n_qubits) if p not in filled]
    if flips == 0:
        yield (), ()
    for size in (1, 2):
        for annihilated, created in product(combinations(filled, size), combinations(empty, size)):
            if sum(p % 2 for p in annihilated) - sum(p % 2 for p in created) == flips:
                yield created, annihilated


def excited_state(psi: State, source: Sector, target: Sector, operator: Operator) -> State:
    """Return O psi of one operator, up to a sign that depends on the operator alone; shape of the target sector."""
    created, annihilated = operator
    parts = []
    for spin, (before, after) in enumerate(
        ((source.alpha_strings, target.alpha_strings), (source.beta_strings, target.beta_strings))
    ):
        own = [tuple(p // 2 for p in indices if p % 2 == spin) for indices in (created, annihilated)]
        parts.append(string_excitations(before, own[0], own[1], after))
    (a_from, a_to, a_sign), (b_from, b_to, b_sign) = parts
    image = np.zeros(target.shape)
    image[np.ix_(a_to, b_to)] = psi[np.ix_(a_from, b_from)] * np.outer(a_sign, b_sign)
    return image


def with_irreps_of(problem: Problem, psi: State) -> Electrons:
    """Return the electrons as they are, or without irreps where the state breaks the point group."""
    electrons = problem.electrons
    if weight_outside(problem, psi) < FORBIDDEN_WEIGHT:
        return electrons
    return replace(electrons, irreps=np.zeros_like(electrons.irreps), group="C1")


def _diagonalise(
    problem: Problem,
    electrons: Electrons,
    engine: SectorEngine,
    angles: Vector,
    psi: State,
    numbers: Numbers,
    method: str,
    threshold: float,
    n_states: int,
) -> list[_Block]:
    """Diagonalise H in the subspace, an irrep at a time."""
    source = engine.hamiltonian.sector
    target = Sector(n_orbitals=problem.n_orbitals, n_alpha=numbers[0], n_beta=numbers[1])
    hamiltonian = replace(sector_hamiltonian(problem), sector=target)
    irreps = determinant_irreps(target, electrons.irreps)
    own_irrep = int(determinant_irreps(source, electrons.irreps)[0, 0])
    by_irrep: dict[int, list[Operator]] = {}
    for operator in operators(problem, numbers):
        irrep = own_irrep ^ excitation_irrep(electrons.irreps, operator[0] + operator[1])
        by_irrep.setdefault(irrep, []).append(operator)
    reference = np.zeros(source.shape)
    reference[0, 0] = 1.0
    blocks = []
    for irrep, chosen in sorted(by_irrep.items()):
        places = np.flatnonzero(irreps.ravel() == irrep)
        require_memory(
            3 * len(chosen) * len(places),
            f"a subspace of {len(chosen)} operators on {len(places)} determinants",
            "a smaller molecule.active_space or leave excited.states out",
        )
        rows = np.empty((len(chosen), len(places)))
        first = (int(places[0]) // target.shape[1], int(places[0]) % target.shape[1])
        rotating = SectorEngine(hamiltonian=hamiltonian, ansatz=engine.ansatz, reference=first)
        for k, operator in enumerate(chosen):
            if method == "expansion":
                vector = excited_state(psi, source, target, operator)
            else:
                vector = rotating.rotated(excited_state(reference, source, target, operator), angles)
            rows[k] = vector.ravel()[places]
        blocks.append(_solve(rows, places, irrep, hamiltonian, threshold, n_states))
    return blocks


def _solve(
    rows: Vector,
    places: NDArray[np.int64],
    irrep: int,
    hamiltonian: SectorHamiltonian,
    threshold: float,
    n_states: int,
) -> _Block:
    """Solve H c = E S c by canonical orthogonalisation in the space of `rows`, amplitudes at `places`."""
    basis = orthonormal_basis(rows, threshold)
    shape = hamiltonian.sector.shape

    def whole(amplitudes: Vector) -> State:
        state = np.zeros(shape[0] * shape[1])
        state[places] = amplitudes
        return state.reshape(shape)

    images = np.array([hamiltonian.apply(whole(row)).ravel()[places] for row in basis])
    values, mixing = np.linalg.eigh(basis @ images.T)
    states = [whole(row) for row in mixing.T[:n_states] @ basis]
    numbers = hamiltonian.sector.n_alpha, hamiltonian.sector.n_beta
    energies, states, squares = with_definite_spins(
        values[:n_states] + hamiltonian.constant, states, hamiltonian.sector.n_orbitals, numbers
    )
    return _Block(irrep=irrep, energies=energies, states=states, spins_squared=squares, kept=len(basis))


def orthonormal_basis(rows: Vector, threshold: float) -> Vector:
    """Return an orthonormal basis of the span of `rows` by canonical orthogonalisation.

    Args:
        rows: States, an amplitude a column; shape (n_states, n_amplitudes).
        threshold: Directions in which their overlap matrix has no larger eigenvalue are left out.

    """
    values, vectors = np.linalg.eigh(rows @ rows.T)
    keep = values > threshold
    return np.asarray((vectors[:, keep] / np.sqrt(values[keep])).T @ rows)


def _ground(blocks: Sequence[_Block], psi: State) -> tuple[int, _Block]:
    """Return where the state most like psi is."""
    overlaps = [
        (abs(float(np.vdot(state, psi))), k, position)
        for position, block in enumerate(blocks)
        for k, state in enumerate(block.states)
    ]
    _, k, position = max(overlaps)
    return k, blocks[position]
