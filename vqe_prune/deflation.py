"""Excited states one by one: the lowest state that has no overlap with those below it, and its ansatz pruned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.ansatz.ucc import uccgsd, uccsd
from vqe_prune.electrons import excitation_irrep
from vqe_prune.engine.determinants import (
    MATRIX_DIMENSION,
    Sector,
    SectorHamiltonian,
    SparseMatrix,
    hamiltonian_matrix,
    string_excitations,
)
from vqe_prune.engine.sector import SectorEngine
from vqe_prune.errors import InputError, check_choice
from vqe_prune.objective import EnergyObjective, energy_of, sector_hamiltonian
from vqe_prune.observables import observables_of
from vqe_prune.optimize import Optimum, minimize
from vqe_prune.problem import Problem
from vqe_prune.prune.curvature import rank_by_curvature
from vqe_prune.prune.elimination import eliminate, restrict
from vqe_prune.prune.journal import Journal
from vqe_prune.prune.limits import Limits, choose
from vqe_prune.spectrum import ElectronicState, FoundState, Spectrum, State, by_energy, list_states
from vqe_prune.subspace import THRESHOLD, expand_states, fewer_notes, orthonormal_basis, with_irreps_of

Vector = NDArray[np.float64]

DEFLATION_ANSATZE = ("uccsd", "uccgsd")

SMALLEST_PENALTY = 1.0
"""Hartree; twice the highest excitation energy that is looked for, where that is more."""

SPIN_PENALTY = 0.25
"""Hartree for each (<S^2> - S (S + 1))^2: a triplet among singlets is lifted by one hartree."""

OVERLAPPING = 1e-3
"""A squared overlap with a lower state above this is said."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DeflatedHamiltonian(SectorHamiltonian):
    """H + penalty sum_k |k><k| + spin_penalty (S^2 - spin_squared)^2: known states and other spins are lifted.

    Attributes:
        known: The states k, orthonormal or nearly; shape of the sector each.
        penalty: By how much, hartree.
        spin_squared: <S^2> of the states that are not lifted.
        spin_penalty: Hartree; 0 leaves spins alone.

    """

    known: tuple[State, ...]
    penalty: float
    spin_squared: float = 0.0
    spin_penalty: float = 0.0

    @cached_property
    def _spin(self) -> Any:
        """S^2 - spin_squared as a sparse matrix."""
        import scipy.sparse as sparse

        raising, s_z = spin_raising(self.sector), 0.5 * (self.sector.n_alpha - self.sector.n_beta)
        shift = s_z * (s_z + 1.0) - self.spin_squared
        return raising.T @ raising + shift * sparse.eye_array(self.sector.dimension, format="csr")

    @cached_property
    def matrix(self) -> SparseMatrix | None:
        """The sum without the constant in compressed rows, None where the sector is too large to keep it."""
        import scipy.sparse as sparse

        if self.sector.dimension > MATRIX_DIMENSION:
            return None
        indptr, indices, values = hamiltonian_matrix(self.sector, self.one_body, self.two_body, self.irreps)
        total = sparse.csr_array((values, indices, indptr), shape=(self.sector.dimension,) * 2)
        for state in self.known:
            column = sparse.csr_array(state.reshape(-1, 1))
            total = total + self.penalty * (column @ column.T)
        if self.spin_penalty:
            total = total + self.spin_penalty * (self._spin @ self._spin)
        total = sparse.csr_array(total)
        total.sort_indices()
        return total.indptr.astype(np.int64), total.indices.astype(np.int32), total.data

    def apply(self, psi: State, irrep: int | None = None) -> State:
        """Return the sum without the constant times psi, psi of the sector's shape."""
        image = super().apply(psi, irrep)
        if self.matrix is None:
            for state in self.known:
                image = image + self.penalty * np.vdot(state, psi) * state
            if self.spin_penalty:
                image = image + self.spin_penalty * (self._spin @ (self._spin @ psi.ravel())).reshape(psi.shape)
        return image


def spin_raising(sector: Sector) -> Any:
    """Return S_+ = sum_p a+_(p alpha) a_(p beta), up to a sign, as a sparse matrix from a sector to the next one."""
    import scipy.sparse as sparse

    n, n_alpha, n_beta = sector.n_orbitals, sector.n_alpha, sector.n_beta
    if n_beta == 0 or n_alpha == n:
        return sparse.csr_array((1, sector.dimension))  # nothing to raise: a row of zeros
    above = Sector(n_orbitals=n, n_alpha=n_alpha + 1, n_beta=n_beta - 1)
    total = sparse.csr_array((above.dimension, sector.dimension))
    for p in range(n):
        parts = []
        for spin, (strings, targets) in enumerate(
            ((sector.alpha_strings, above.alpha_strings), (sector.beta_strings, above.beta_strings))
        ):
            source, target, sign = string_excitations(strings, (p,) * (spin == 0), (p,) * (spin == 1), targets)
            parts.append(sparse.csr_array((sign, (target, source)), shape=(len(targets), len(strings))))
        total = total + sparse.kron(parts[0], parts[1], format="csr")
    return sparse.csr_array(total)


@dataclass(frozen=True, eq=False, kw_only=True)
class DeflatedState:
    """An ansatz for one excited state, as built and pruned.

    Attributes:
        occupied: Spin orbitals of the determinant that rotations act on, ascending.
        full: The ansatz as built, rotations that leave the irrep left out.
        full_optimum: Its optimum; the value has the penalty in it.
        ansatz: The pruned one.
        optimum: Its optimum.

    """

    occupied: tuple[int, ...]
    full: Ansatz
    full_optimum: Optimum
    ansatz: Ansatz
    optimum: Optimum


@dataclass(frozen=True, eq=False, kw_only=True)
class Deflation:
    """Excited states by deflation.

    Attributes:
        spectrum: The states, lowest first, those of the pruned ansätze.
        circuits: The ansatz of each.

    """

    spectrum: Spectrum
    circuits: tuple[DeflatedState, ...]


def deflate_states(
    problem: Problem,
    ansatz: Ansatz,
    angles: Vector,
    *,
    states: int = 3,
    kind: str = "uccsd",
    penalty: float | None = None,
    limits: Limits | None = None,
    gradient_tolerance: float = 1e-7,
    max_steps: int = 2000,
    exact: bool = True,
    journal: Journal | None = None,
) -> Deflation:
    """Find excited states by minimising F over an ansatz for each, and prune these.

    F = <H> + penalty sum_k |<k|psi>|^2 + 0.25 hartree <(S^2 - S (S + 1))^2>. States of different irreps are orthogonal
    anyway, so that k runs over the lower states of the same irrep, the pruned ground state among them. An expansion
    (`expand_states`) says which irreps and spins S come next and which determinant each state mostly is; there its
    ansatz starts, at zero angles. Rotations that leave the irrep are left out; then the curvature rule deletes
    parameters of F as long as the energy is within the limits.

    Args:
        problem: Of electrons, in the orbitals of the ansatz (`Pruning.final_problem`).
        ansatz: Of the ground state.
        angles: Its angles at the optimum, radian; shape (n_parameters,).
        states: How many excited states, the lowest ones.
        kind: ``uccsd`` or ``uccgsd``, see `excited_ansatz`.
        penalty: Hartree, above every excitation energy; default twice the highest one expected, at least 1.
        limits: How far to prune each state, default an error of 1.5e-3 hartree to its exact energy.
        gradient_tolerance: Largest gradient component of an optimum, hartree per radian.
        max_steps: Largest number of optimiser steps.
        exact: Compute the exact states to compare with and to prune against, where the problem has its exact energy.
        journal: Where progress goes.

    Returns:
        States and their ansätze. As the states below are not quite exact, an energy may be a little below the exact
        one.

    Raises:
        InputError: `states`, `kind` or `penalty` cannot be used.

    Source: O. Higgott, D. Wang, S. Brierley, Variational quantum computation of excited states, arXiv 1805.08138; the
        penalty on other spins: I. G. Ryabinkin, S. N. Genin, A. F. Izmaylov, Constrained variational quantum
        eigensolver: quantum computer search engine in the Fock space, arXiv 1806.00461. The start from an expansion and
        the pruning are ours.

    """
    check_choice("excited.ansatz", kind, DEFLATION_ANSATZE)
    if penalty is not None and not penalty > 0:
        raise InputError(f"excited.penalty={penalty} must be above 0")
    expected = expand_states(problem, ansatz, angles, states=states, exact=exact)
    energies = [state.excitation_energy for state in expected.states]
    penalty = max(SMALLEST_PENALTY, 2.0 * max(energies, default=0.0)) if penalty is None else penalty
    ground_vector = energy_of(problem)(ansatz).engine.state(np.asarray(angles, dtype=np.float64)).real
    problem = replace(problem, electrons=with_irreps_of(problem, ground_vector))
    hamiltonian = sector_hamiltonian(problem)
    ground = _found(problem, hamiltonian, ground_vector)
    search = _Search(
        problem=problem,
        hamiltonian=hamiltonian,
        penalty=penalty,
        limits=limits or Limits(),
        build=lambda occupied: excited_ansatz(kind, problem, occupied),
        gradient_tolerance=gradient_tolerance,
        max_steps=max_steps,
        journal=journal or Journal(),
    )
    found, circuits = [ground], []
    for number, target in enumerate(expected.states, start=1):
        circuit, state = search.next_state(f"search {number}", target, found)
        found.append(state)
        circuits.append(circuit)
    order = by_energy(found[1:])
    highest = max([*energies, *(each.energy - ground.energy for each in found)])
    notes = [
        *fewer_notes(states, len(circuits), expected.details),
        *_penalty_notes(penalty, highest),
        *search.notes(found, circuits, expected.states, order),
    ]
    spectrum = list_states(
        problem,
        "deflation",
        problem.n_electrons,
        ground,
        [found[1 + position] for position in order],
        exact=exact,
        details={"ansatz": kind, "penalty": penalty},
        notes=notes,
        uncoupled=uncoupled_states(hamiltonian, [ground, *(found[1 + position] for position in order)]),
    )
    return Deflation(spectrum=spectrum, circuits=tuple(circuits[position] for position in order))


@dataclass(frozen=True, eq=False, kw_only=True)
class _Search:
    """What the searches for all states share."""

    problem: Problem
    hamiltonian: SectorHamiltonian
    penalty: float
    limits: Limits
    build: Any
    gradient_tolerance: float
    max_steps: int
    journal: Journal

    def next_state(
        self, name: str, target: ElectronicState, found: Sequence[FoundState]
    ) -> tuple[DeflatedState, FoundState]:
        """Optimise and prune the state that is expected next, above those of its irrep that are known."""
        sector, electrons = self.hamiltonian.sector, self.problem.electrons
        row, column = np.unravel_index(int(np.argmax(np.abs(target.vector))), sector.shape)
        reference = int(row), int(column)
        occupied = occupied_of(sector, reference)
        irrep = excitation_irrep(electrons.irreps, occupied)
        known = tuple(each.vector for each in found if each.irrep == irrep)
        bare = {each.name: getattr(self.hamiltonian, each.name) for each in fields(SectorHamiltonian)}
        lifted = DeflatedHamiltonian(
            **bare,
            known=known,
            penalty=self.penalty,
            spin_squared=(target.multiplicity**2 - 1) / 4,
            spin_penalty=SPIN_PENALTY,
        )
        lifted.matrix  # noqa: B018 - built once for all objectives

        def bind(ansatz: Ansatz) -> EnergyObjective:
            return EnergyObjective(lifted, ansatz, reference=reference)

        full = self.build(occupied)
        optimum = minimize(
            bind(full),
            _start(bind(full).engine, target.vector),
            gradient_tolerance=self.gradient_tolerance,
            max_steps=self.max_steps,
        )
        reference_energy = optimum.value
        if self.limits.relative_to == "exact" and target.exact_energy is not None:
            reference_energy = target.exact_energy
        path = eliminate(
            bind, full, optimum, rank_by_curvature,
            enough=lambda point: point.value - reference_energy > 2.0 * self.limits.tolerance,
            verify=True, gradient_tolerance=self.gradient_tolerance,
        )  # fmt: skip
        chosen = choose(path, self.limits, reference_energy)
        pruned = restrict(full, chosen.kept)
        circuit = DeflatedState(
            occupied=occupied, full=full, full_optimum=optimum, ansatz=pruned, optimum=chosen.optimum
        )
        full_vector = bind(full).engine.state(optimum.angles)
        state = _found(self.problem, self.hamiltonian, bind(pruned).engine.state(chosen.optimum.angles))
        overlap = max((float(np.vdot(each, state.vector)) ** 2 for each in known), default=0.0)
        full_energy = _energy(self.hamiltonian, full_vector)
        details = {
            "n_parameters_full": full.n_parameters,
            "n_rotations_full": len(full.rotations),
            "energy_full": full_energy,
            "n_parameters": pruned.n_parameters,
            "n_rotations": len(pruned.rotations),
            "largest_overlap": overlap,
        }
        self.journal.say(
            f"{name}: {full.n_parameters} parameters {full_energy:.8f} hartree, pruned to {pruned.n_parameters} "
            f"{state.energy:.8f}"
        )
        return circuit, replace(state, details=details)

    def notes(
        self,
        found: Sequence[FoundState],
        circuits: Sequence[DeflatedState],
        targets: Sequence[ElectronicState],
        order: Sequence[int],
    ) -> list[str]:
        """Say what is wrong with states, by their numbers in the list; `found` begins with the ground state."""
        numbers = {position: number for number, position in enumerate(order, start=1)}
        names = ["the ground state", *(f"state {numbers[position]}" for position in range(len(circuits)))]
        notes = []
        for position in order:
            name, state, circuit = names[1 + position], found[1 + position], circuits[position]
            if self.limits.parameters is None and circuit.ansatz.n_parameters == circuit.full.n_parameters:
                notes.append(f"{name}: nothing can be pruned within {1e3 * self.limits.tolerance:.2f} mHa")
            before = [float(np.vdot(each.vector, state.vector)) ** 2 for each in found[: 1 + position]]
            other = int(np.argmax(before))
            if before[other] > OVERLAPPING:
                notes.append(
                    f"{name} has a squared overlap of {before[other]:.1e} with {names[other]}: raise excited.penalty, "
                    f"or its ansatz does not reach further"
                )
            multiplicity = targets[position].multiplicity
            if state.kind[1] != multiplicity:
                notes.append(
                    f"{name} came out with <S^2> = {state.spin_squared:.3f}, but a state of multiplicity "
                    f"{multiplicity} was expected next"
                )
        return notes


def _penalty_notes(penalty: float, highest: float) -> list[str]:
    """Say where the penalty does not keep states from those below them; `highest` is an excitation energy."""
    if penalty > highest:
        return []
    return [
        f"excited.penalty={penalty:g} is not above the highest excitation energy, {highest:.6f} hartree: states may "
        f"fall onto lower ones; leave it out, or raise it to {2.0 * highest:.2g}"
    ]


def uncoupled_states(hamiltonian: SectorHamiltonian, found: Sequence[FoundState]) -> list[State | None]:
    """Return the eigenstates of H in the span of the states of each irrep and spin, for transition dipoles.

    States of pruned ansätze are nearly orthogonal, but H couples them: two are turned among themselves by an angle of
    H_01 / dE (0.06 in LiH), which costs them H_01^2 / dE of energy, within the tolerance. A transition dipole feels it
    at first order, times the difference of their permanent dipoles; H c = E S c in their span takes it out.

    Args:
        hamiltonian: H without penalties.
        found: The states, the ground state among them.

    Returns:
        The eigenstate that each state mostly is, in the same order; None where there is no such, since states have
        collapsed into one another.

    This is the subspace diagonalisation of `expand_states`, arXiv 1603.05681, on the states found; our choice.

    """
    from scipy.optimize import linear_sum_assignment

    uncoupled: list[State | None] = [None] * len(found)
    for kind in {each.kind for each in found}:
        places = [place for place, each in enumerate(found) if each.kind == kind]
        rows = np.array([found[place].vector.ravel() for place in places])
        basis = orthonormal_basis(rows, THRESHOLD)
        images = np.array([hamiltonian.apply(row.reshape(hamiltonian.sector.shape)).ravel() for row in basis])
        eigenstates = np.linalg.eigh(basis @ images.T)[1].T @ basis
        weights = (rows @ eigenstates.T) ** 2
        for row, column in zip(*linear_sum_assignment(weights, maximize=True), strict=True):
            if weights[row, column] > 0.5:
                uncoupled[places[row]] = eigenstates[column].reshape(hamiltonian.sector.shape)
    return uncoupled


def excited_ansatz(kind: str, problem: Problem, occupied: Sequence[int]) -> Ansatz:
    """Return an ansatz for a state that is mostly one determinant, rotations that leave its irrep left out.

    A determinant with one alpha and one beta electron in orbitals of their own is half of a singlet and half of a
    triplet. There the first rotation, at +-pi/4, turns it into either with the determinant in which these two have
    changed their spins, and excitations out of both follow.

    Args:
        kind: ``uccsd``, excitations from the spin orbitals that the determinant fills, or ``uccgsd``.
        problem: Gives orbitals and irreps.
        occupied: Spin orbitals of the determinant.

    """
    n, irreps = problem.n_orbitals, problem.electrons.irreps
    if kind == "uccgsd":
        excitations = uccgsd(n).excitations
    else:
        whole = uccsd(n, *problem.n_electrons)
        excitations = _renamed(whole.excitations, [_filled_first(n, occupied, spin) for spin in (0, 1)])
    exchange = spin_exchange(occupied)
    if exchange is not None:
        partner = sorted(p ^ 1 if p // 2 in {q // 2 for q in exchange.spin_orbitals} else p for p in occupied)
        if kind == "uccsd":
            excitations += _renamed(whole.excitations, [_filled_first(n, partner, spin) for spin in (0, 1)])
        excitations = [exchange, *excitations]
    chosen: dict[frozenset[frozenset[int]], Excitation] = {}  # an excitation and its inverse are one
    for excitation in excitations:
        if not excitation_irrep(irreps, excitation.spin_orbitals):
            chosen.setdefault(frozenset(map(frozenset, (excitation.created, excitation.annihilated))), excitation)
    ordered = list(chosen.values())
    head = ordered[: exchange is not None]
    ordered = head + sorted(ordered[len(head) :], key=lambda each: len(each.created))
    rotations = tuple(Rotation(excitation, k) for k, excitation in enumerate(ordered))
    return Ansatz(name=kind, rotations=rotations, n_parameters=len(rotations))


def spin_exchange(occupied: Sequence[int]) -> Excitation | None:
    """Return what exchanges the spins of two electrons in orbitals of their own, None unless there are two such."""
    alone = [p for p in occupied if p ^ 1 not in occupied]
    if sorted(p % 2 for p in alone) != [0, 1]:
        return None
    return Excitation(tuple(p ^ 1 for p in alone), tuple(alone))


def _filled_first(n_orbitals: int, occupied: Sequence[int], spin: int) -> list[int]:
    filled = [p // 2 for p in occupied if p % 2 == spin]
    return filled + [p for p in range(n_orbitals) if p not in filled]


def _renamed(excitations: Sequence[Excitation], orders: Sequence[Sequence[int]]) -> list[Excitation]:
    """The same excitations of other orbitals: orbital p of a spin becomes orders[spin][p]."""

    def moved(indices: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(2 * orders[p % 2][p // 2] + p % 2 for p in indices)

    return [Excitation(moved(each.created), moved(each.annihilated)) for each in excitations]


def occupied_of(sector: Sector, reference: tuple[int, int]) -> tuple[int, ...]:
    """Return the spin orbitals that a determinant fills, ascending, from its alpha and beta string index."""
    masks = int(sector.alpha_strings[reference[0]]), int(sector.beta_strings[reference[1]])
    return tuple(2 * p + s for p in range(sector.n_orbitals) for s in (0, 1) if masks[s] >> p & 1)


def _start(engine: SectorEngine, expected: State) -> Vector:
    """Zero angles, but +-pi/4 for an exchange of spins that comes first, whichever is more like what is expected."""
    angles = np.zeros(engine.ansatz.n_parameters)
    starts = [angles, *(angles + sign * (np.arange(len(angles)) == 0) for sign in (np.pi / 4, -np.pi / 4))]
    if not engine.ansatz.rotations or engine.ansatz.excitations[0] != spin_exchange(
        occupied_of(engine.hamiltonian.sector, engine.reference)
    ):
        return angles
    return max(starts, key=lambda each: float(np.vdot(engine.state(each), expected)) ** 2)


def _found(problem: Problem, hamiltonian: SectorHamiltonian, vector: State) -> FoundState:
    sector = hamiltonian.sector
    top = np.unravel_index(int(np.argmax(np.abs(vector))), sector.shape)
    square = observables_of(problem, vector).spin_squared
    assert square is not None
    return FoundState(
        energy=_energy(hamiltonian, vector),
        irrep=excitation_irrep(problem.electrons.irreps, occupied_of(sector, (int(top[0]), int(top[1])))),
        vector=vector,
        spin_squared=square,
    )


def _energy(hamiltonian: SectorHamiltonian, vector: State) -> float:
    return float(np.vdot(vector, hamiltonian.apply(vector))) + hamiltonian.constant
