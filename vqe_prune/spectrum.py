"""Lists of electronic states: what tells one from another, how bright they are, and the exact ones to compare with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.electrons import Electrons
from vqe_prune.engine.determinants import Sector, string_irreps
from vqe_prune.engine.sector import THREADED_DIMENSION
from vqe_prune.errors import ConvergenceError
from vqe_prune.problem import Problem
from vqe_prune.reference_irrep import irrep_name

State = NDArray[np.float64]
Numbers = tuple[int, int]
"""Alpha and beta electrons."""

DEGENERATE = 1e-7
"""States of one irrep closer than this (hartree) are turned until each has a definite spin."""

LARGEST_SHIFT = 1e-6
"""Exact states this much (hartree) below a state that was found have been missed."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ElectronicState:
    """A state beside the ground state; energies in hartree.

    Attributes:
        irrep: Name of its irrep in the molecule's Abelian point group, of linear molecules in D2h or C2v.
        spin_squared: <S^2>.
        multiplicity: 2 S + 1 of the nearest definite spin.
        energy: Its energy.
        excitation_energy: Above the ground state that the same method finds.
        exact_energy: Of the exact state with this irrep, multiplicity and rank among them; None where not computed.
        exact_excitation_energy: Above the exact ground state.
        oscillator_strength: For light absorbed by the ground state, 2/3 dE |<0|mu|k>|^2 in atomic units; None where the
            dipole operator is not known or deflated states have collapsed into one another.
        vector: The state on the determinants of its sector, PySCF's order; shape (n_alpha_strings, n_beta_strings).
        details: What only one method has to say: numbers by name.

    """

    irrep: str
    spin_squared: float
    multiplicity: int
    energy: float
    excitation_energy: float
    exact_energy: float | None
    exact_excitation_energy: float | None
    oscillator_strength: float | None
    vector: State
    details: dict[str, Any]

    @property
    def error_to_exact(self) -> float | None:
        """Error of the energy in hartree."""
        return None if self.exact_energy is None else self.energy - self.exact_energy

    @property
    def excitation_error(self) -> float | None:
        """Error of the excitation energy in hartree, in which errors of the two states may cancel."""
        exact = self.exact_excitation_energy
        return None if exact is None else self.excitation_energy - exact

    def as_row(self) -> dict[str, Any]:
        """Return the state as a record holds it, its vector left out."""
        row = asdict(replace(self, vector=np.zeros((0, 0))))
        details = row.pop("details")
        del row["vector"]
        return {**row, **details}


@dataclass(frozen=True, eq=False, kw_only=True)
class Spectrum:
    """Excited states by one method.

    Attributes:
        method: ``expansion``, ``self_consistent`` or ``deflation``.
        ground_energy: Of the ground state that excitations are counted from, hartree.
        exact_ground_energy: Of the exact ground state, None where not computed.
        spin: Twice S_z of the sector that the states were looked for in.
        states: Lowest first.
        details: Sizes and thresholds of the method, by name.
        notes: What the user should know, in words.

    """

    method: str
    ground_energy: float
    exact_ground_energy: float | None
    spin: int
    states: tuple[ElectronicState, ...]
    details: dict[str, Any]
    notes: tuple[str, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """Return the states as a record holds them."""
        return {
            "method": self.method,
            "ground_energy": self.ground_energy,
            "exact_ground_energy": self.exact_ground_energy,
            "spin": self.spin,
            "states": [state.as_row() for state in self.states],
            "notes": list(self.notes),
            **self.details,
        }

    def __str__(self) -> str:
        """Return one line a state."""
        lines = []
        for state in self.states:
            error = "" if state.excitation_error is None else f", error {1e3 * state.excitation_error:.4f} mHa"
            lines.append(
                f"{state.multiplicity} {state.irrep}: {state.excitation_energy:.6f} hartree above the ground state"
                f"{error}, <S^2> = {state.spin_squared:.4f}"
            )
        return "\n".join(lines)


def determinant_irreps(sector: Sector, irreps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the irrep of every determinant; shape of the sector."""
    alpha, beta = (string_irreps(strings, irreps) for strings in (sector.alpha_strings, sector.beta_strings))
    return alpha[:, None] ^ beta[None, :]


def multiplicity_of(spin_squared: float) -> int:
    """Return 2 S + 1 of the definite spin nearest to <S^2> = S (S + 1)."""
    return round(np.sqrt(1.0 + 4.0 * max(spin_squared, 0.0)))


def with_definite_spins(
    energies: NDArray[np.float64], states: Sequence[State], n_orbitals: int, numbers: Numbers
) -> tuple[list[float], list[State], list[float]]:
    """Turn states of equal energy among themselves until each has a definite spin.

    Args:
        energies: Ascending, hartree; shape (n_states,).
        states: Orthonormal, each of shape (n_alpha_strings, n_beta_strings).
        n_orbitals: Number of orbitals.
        numbers: Alpha and beta electrons.

    Returns:
        Energies, states and <S^2>, by energy and of equal energies by spin.

    """
    from pyscf import lib
    from pyscf.fci import spin_op

    found: tuple[list[float], list[State], list[float]] = ([], [], [])
    first = 0
    with lib.with_omp_threads(1 if states and states[0].size < THREADED_DIMENSION else None):
        while first < len(energies):
            last = first + 1
            while last < len(energies) and energies[last] - energies[last - 1] < DEGENERATE:
                last += 1
            level = [np.ascontiguousarray(state) for state in states[first:last]]
            images = [spin_op.contract_ss(state, n_orbitals, numbers) for state in level]
            squares, turn = np.linalg.eigh([[np.vdot(left, right) for right in images] for left in level])
            found[0].extend(float(energy) for energy in energies[first:last])
            found[1].extend(np.asarray(np.tensordot(column, level, axes=1)) for column in turn.T)
            found[2].extend(float(square) for square in squares)
            first = last
    return found


@dataclass(frozen=True, kw_only=True)
class ExactLevel:
    """An exact state: energy (hartree), irrep and 2 S + 1."""

    energy: float
    irrep: int
    multiplicity: int


def exact_levels(electrons: Electrons, numbers: Numbers, wanted: Counter[tuple[int, int]]) -> list[ExactLevel]:
    """Return the lowest exact states, at least as many of every irrep and multiplicity as are wanted.

    Args:
        electrons: The Hamiltonian; its own electron numbers do not count.
        numbers: Alpha and beta electrons.
        wanted: How many states for an irrep and a multiplicity.

    Returns:
        States by energy; for irreps without a wanted state the lowest, where there is one.

    Raises:
        ConvergenceError: Davidson's iteration does not converge.

    """
    found = []
    sector = Sector(n_orbitals=electrons.n_orbitals, n_alpha=numbers[0], n_beta=numbers[1])
    sizes = Counter(determinant_irreps(sector, electrons.irreps).ravel().tolist())
    for irrep in sorted(sizes):
        needed = {key[1]: count for key, count in wanted.items() if key[0] == irrep}
        n_roots = max(sum(needed.values()), 1) + 1
        while True:
            n_roots = min(n_roots, sizes[irrep])
            levels = [
                ExactLevel(energy=energy, irrep=irrep, multiplicity=multiplicity_of(square))
                for energy, square in _roots(electrons, numbers, irrep, n_roots)
            ]
            have = Counter(level.multiplicity for level in levels)
            if n_roots == sizes[irrep] or all(have[key] >= count for key, count in needed.items()):
                break
            n_roots *= 2
        found += levels
    return sorted(found, key=lambda level: level.energy)


def _roots(electrons: Electrons, numbers: Numbers, irrep: int, n_roots: int) -> list[tuple[float, float]]:
    """Energies and <S^2> of the lowest roots of an irrep, by PySCF."""
    from pyscf.fci import direct_spin1_symm

    solver = direct_spin1_symm.FCISolver()
    solver.verbose, solver.conv_tol, solver.max_cycle = 0, 1e-11, 300
    solver.max_space = max(12, 4 * n_roots)
    energies, vectors = solver.kernel(
        electrons.one_body, electrons.two_body, electrons.n_orbitals, numbers,
        orbsym=electrons.irreps, wfnsym=irrep, ecore=electrons.constant, nroots=n_roots,
    )  # fmt: skip
    if not np.all(solver.converged):
        raise ConvergenceError(
            f"full configuration interaction of {n_roots} states of one irrep did not converge; ask for fewer "
            f"excited.states or set exact=false"
        )
    energies = np.atleast_1d(energies)
    states = [np.asarray(vector) for vector in (vectors if n_roots > 1 else [vectors])]
    order = np.argsort(energies)
    resolved = with_definite_spins(energies[order], [states[k] for k in order], electrons.n_orbitals, numbers)
    return list(zip(resolved[0], resolved[2], strict=True))


def oscillator_strength(
    problem: Problem, ground: State | None, excited: State | None, excitation_energy: float
) -> float | None:
    """Return 2/3 dE |<0|mu|k>|^2 in atomic units, None where the dipole operator or a state is not known.

    Args:
        problem: Gives the dipole operator and the electron numbers of both states; of another sector all are dark.
        ground: The state that absorbs; shape (n_alpha_strings, n_beta_strings).
        excited: The other.
        excitation_energy: dE in hartree.

    """
    from pyscf.fci import direct_spin1

    dipole = problem.electrons.dipole
    if dipole is None or ground is None or excited is None:
        return None
    density = direct_spin1.trans_rdm1(
        np.ascontiguousarray(ground), np.ascontiguousarray(excited), problem.n_orbitals, problem.n_electrons
    )
    moment = np.einsum("xpq,pq->x", dipole.position, density)
    return float(2.0 / 3.0 * excitation_energy * moment @ moment)


@dataclass(frozen=True, eq=False, kw_only=True)
class FoundState:
    """A state as a method finds it, before it is compared.

    Attributes:
        energy: Hartree.
        irrep: Abelian irrep, a number.
        vector: Amplitudes; shape (n_alpha_strings, n_beta_strings).
        spin_squared: <S^2>.
        details: What only the method has to say: numbers by name.

    """

    energy: float
    irrep: int
    vector: State
    spin_squared: float
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[int, int]:
        """Irrep and multiplicity."""
        return self.irrep, multiplicity_of(self.spin_squared)


def by_energy(found: Sequence[FoundState]) -> list[int]:
    """Return the order of states by energy, of those within 1e-6 hartree of each other by irrep and spin."""
    left, order = sorted(range(len(found)), key=lambda place: found[place].energy), []
    while left:
        highest = found[left[0]].energy + LARGEST_SHIFT
        level = [place for place in left if found[place].energy <= highest]
        order += sorted(level, key=lambda place: found[place].kind)
        left = left[len(level) :]
    return order


def list_states(
    problem: Problem,
    method: str,
    numbers: Numbers,
    ground: FoundState,
    found: Sequence[FoundState],
    *,
    exact: bool,
    details: dict[str, Any],
    notes: Sequence[str] = (),
    uncoupled: Sequence[State | None] | None = None,
) -> Spectrum:
    """Set exact energies beside the states that a method has found, the k-th of a kind beside the k-th.

    Args:
        problem: Gives Hamiltonian, dipole operator and exact ground energy.
        method: How they were found.
        numbers: Alpha and beta electrons of the excited states.
        ground: The ground state that excitations are counted from, in the problem's own sector.
        found: Excited states, lowest first.
        exact: Compute exact states where the exact ground energy is known.
        details: Of the method.
        notes: Of the method.
        uncoupled: Ground and excited states to compute transition dipoles from, default those found; None for a state
            whose transition is not known.

    """
    exact_ground = problem.energies["exact"]
    same_sector = numbers == problem.n_electrons
    levels: list[ExactLevel] = []
    if exact and exact_ground is not None:
        levels = exact_levels(problem.electrons, numbers, Counter(each.kind for each in (ground, *found)))
    by_kind: dict[tuple[int, int], list[float]] = {}
    for level in levels:
        by_kind.setdefault((level.irrep, level.multiplicity), []).append(level.energy)
    if same_sector and by_kind:
        by_kind[ground.kind] = by_kind[ground.kind][1:]
    absorbing, *bright = uncoupled or [ground.vector, *(each.vector for each in found)]
    states = []
    for each, vector in zip(found, bright, strict=True):
        energies = by_kind.get(each.kind, [])
        exact_energy = energies.pop(0) if energies else None
        above = each.energy - ground.energy
        exact_above = None
        if exact_energy is not None and exact_ground is not None:
            exact_above = exact_energy - exact_ground
        states.append(
            ElectronicState(
                irrep=irrep_name(problem.electrons, each.irrep),
                spin_squared=each.spin_squared,
                multiplicity=each.kind[1],
                energy=each.energy,
                excitation_energy=above,
                exact_energy=exact_energy,
                exact_excitation_energy=exact_above,
                oscillator_strength=oscillator_strength(problem, absorbing, vector, above) if same_sector else 0.0,
                vector=each.vector,
                details=each.details,
            )
        )
    return Spectrum(
        method=method,
        ground_energy=ground.energy,
        exact_ground_energy=exact_ground,
        spin=numbers[0] - numbers[1],
        states=tuple(states),
        details=details,
        notes=(
            *notes,
            *_missed(problem, levels, ground if same_sector else None, found, states),
            *(
                f"state {number} has no oscillator strength f: it has collapsed into another one of the list or into "
                f"the ground state"
                for number, vector in enumerate(bright, start=1)
                if vector is None
            ),
        ),
    )


def _missed(
    problem: Problem,
    levels: Sequence[ExactLevel],
    ground: FoundState | None,
    found: Sequence[FoundState],
    states: Sequence[ElectronicState],
) -> list[str]:
    """Say which exact states lie below the highest one found and are not among those found."""
    if not found or not levels:
        return []
    have = Counter(each.kind for each in found) + Counter([] if ground is None else [ground.kind])
    seen: Counter[tuple[int, int]] = Counter()
    highest, missed = max(each.energy for each in found), []
    for level in levels:
        kind = level.irrep, level.multiplicity
        seen[kind] += 1
        if seen[kind] <= have[kind] or level.energy >= highest - LARGEST_SHIFT:
            continue
        name = irrep_name(problem.electrons, level.irrep)
        partner = _partner(level, name, states)
        if partner:
            missed.append(
                f"state {partner} has a partner of the same energy, of irrep {name} and multiplicity "
                f"{level.multiplicity}, which is not listed: to see it ask for more excited.states"
            )
        else:
            missed.append(
                f"an exact state of irrep {name} and multiplicity {level.multiplicity} lies at {level.energy:.6f} "
                f"hartree, below the highest one listed, and is not among them: ask for more excited.states"
            )
    return missed


def _partner(level: ExactLevel, name: str, states: Sequence[ElectronicState]) -> int:
    """Return the number of the listed state of another irrep whose exact energy is that of the level, else 0."""
    for number, state in enumerate(states, start=1):
        if (
            state.exact_energy is not None
            and (state.irrep != name and state.multiplicity == level.multiplicity)
            and abs(state.exact_energy - level.energy) < LARGEST_SHIFT
        ):
            return number
    return 0
