"""Ground-state problems on qubits: spin models, any Pauli sum, and molecules under Jordan-Wigner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from vqe_prune.electrons import Electrons
from vqe_prune.errors import InputError, shortened
from vqe_prune.exact import GroundLevel, QubitSector, apply_string, ground_level
from vqe_prune.lattice import Lattice
from vqe_prune.models import SpinModel
from vqe_prune.paulis import (
    PRODUCT_STATES,
    Clifford,
    PauliString,
    QubitHamiltonian,
    State,
    product_state,
    qubit_hamiltonian_of,
    string_label,
)
from vqe_prune.problem import Problem, qubit_hamiltonian
from vqe_prune.symmetry import HamiltonianSymmetries, hamiltonian_symmetries, sum_label
from vqe_prune.units import HARTREE

MOST_EXACT_QUBITS = 20
"""Larger Hamiltonians are not diagonalised: Lanczos would take minutes a state."""

SAME_ENERGY = 1e-7
"""Energies closer than this, times the sum of all coefficients, are the same level of two calculations."""


@dataclass(frozen=True, eq=False, kw_only=True)
class QubitProblem:
    """A ground-state problem on qubits.

    Attributes:
        name: Name for printing and for the output folder.
        hamiltonian: The Hamiltonian, in units of `unit`.
        reference: The product state to start from: 0, 1, + or - for each qubit, qubit 0 first.
        preparation: Clifford gates after it that belong to the reference, such as those that make singlet pairs.
        symmetries: What the Hamiltonian commutes with.
        energies: ``hf``, ``mp2``, ``ccsd``, ``exact`` and ``reference``, None where not computed; ``exact`` is the
            lowest energy of all, with electrons the lowest one in the symmetry sector of the reference.
        floor: Lowest energy of any state, None where not computed; no energy may be below it.
        degeneracy: Number of states of the exact level, counted up to 8; None where not computed.
        sector_dimension: Number of independent states with the reference's parities and sums of Z.
        unit: Unit of energies: hartree, or J for a model.
        n_electrons: Numbers of alpha and beta electrons, None for spins.
        lattice: Where a model lives.
        warnings: What the user must know about this problem, in words.
        electrons: The integrals behind it, None where there are none.

    """

    name: str
    hamiltonian: QubitHamiltonian
    reference: str
    symmetries: HamiltonianSymmetries
    energies: Mapping[str, float | None]
    preparation: tuple[Clifford, ...] = ()
    floor: float | None = None
    degeneracy: int | None = None
    sector_dimension: int = 0
    unit: str = "J"
    n_electrons: tuple[int, int] | None = None
    lattice: Lattice | None = None
    warnings: tuple[str, ...] = field(default=())
    electrons: Electrons | None = None

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self.hamiltonian.n_qubits

    @property
    def reference_label(self) -> str:
        """The reference in words."""
        pairs = [f"{gate.qubits[0]}-{gate.qubits[1]}" for gate in self.preparation]
        return f"|{self.reference}>" if not pairs else f"singlet pairs {', '.join(pairs)}"

    @cached_property
    def reference_state(self) -> State:
        """The state that an ansatz acts on; shape (2^n,)."""
        return prepared_state(self.reference, self.preparation)


def prepared_state(reference: str, preparation: tuple[Clifford, ...]) -> State:
    """Return a product state after some Clifford gates, shape (2^n,)."""
    from vqe_prune.ansatz.rotation import Ansatz, Rotation
    from vqe_prune.engine.statevector import StatevectorEngine

    state = product_state(reference)
    if not preparation:
        return state
    ansatz = Ansatz(name="preparation", rotations=tuple(Rotation(gate, None) for gate in preparation), n_parameters=0)
    nothing = QubitHamiltonian(n_qubits=len(reference), terms=())
    return StatevectorEngine(hamiltonian=nothing, ansatz=ansatz, reference=state).state(np.zeros(0))


def model_problem(model: SpinModel, *, reference: str | None = None, exact: bool = True) -> QubitProblem:
    """Set up the ground-state problem of a spin model.

    Where the model's product state breaks a symmetry (a Neel state mixes total spins, which gates that conserve spin
    cannot mend) and singlet pairs on bonds break fewer, those are the default reference.

    Args:
        model: Hamiltonian and lattice.
        reference: Product state of 0, 1, + and -, default the model's.
        exact: Compute the exact energy.

    Returns:
        The problem, its symmetries found from the Hamiltonian alone.

    Raises:
        InputError: The reference does not fit.

    """
    symmetries = hamiltonian_symmetries(model.hamiltonian)
    letters = reference or model.reference
    preparation: tuple[Clifford, ...] = ()
    if reference is None:
        letters, preparation = _unbroken_reference(model, symmetries)
    return _assemble(
        model.hamiltonian,
        symmetries,
        exact,
        name=f"{model.name}-{model.lattice.name}",
        reference=letters,
        preparation=preparation,
        n_electrons=model.n_electrons,
        lattice=model.lattice,
    )


def _unbroken_reference(model: SpinModel, symmetries: HamiltonianSymmetries) -> tuple[str, tuple[Clifford, ...]]:
    """The model's product state, or singlet pairs where those break fewer symmetries of the Hamiltonian."""
    n = model.hamiltonian.n_qubits
    _, broken = reference_sector(symmetries, product_state(model.reference), n)
    pairs = _pairing(model.lattice) if broken and n == model.lattice.n_sites else ()
    letters = [*model.reference]
    preparation: list[Clifford] = []
    for first, second in pairs:
        letters[first], letters[second] = "-", "1"  # (|0> - |1>)|1> becomes |01> - |10>
        preparation.append(Clifford("cx", (first, second)))
    candidate = "".join(letters), tuple(preparation)
    _, still_broken = reference_sector(symmetries, prepared_state(*candidate), n)
    return candidate if len(still_broken) < len(broken) else (model.reference, ())


def _pairing(lattice: Lattice) -> tuple[tuple[int, int], ...]:
    """Bonds that hold every site exactly once, empty where there are none; lower sites are paired first."""
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(range(lattice.n_sites))
    graph.add_edges_from((i, j) for i, j, _ in lattice.bonds)
    matching = networkx.max_weight_matching(graph, maxcardinality=True)
    if 2 * len(matching) < lattice.n_sites:
        return ()
    return tuple(sorted((min(pair), max(pair)) for pair in matching))


def pauli_problem(
    hamiltonian: QubitHamiltonian,
    *,
    reference: str | None = None,
    name: str = "pauli sum",
    exact: bool = True,
    n_electrons: tuple[int, int] | None = None,
    unit: str = "J",
) -> QubitProblem:
    """Set up the problem of a user's own Pauli sum.

    Args:
        hamiltonian: The Hamiltonian.
        reference: Product state of 0, 1, + and -, default + on every qubit.
        name: Name for printing.
        exact: Compute the exact energy.
        n_electrons: Numbers of alpha and beta electrons where qubit k is spin orbital k; the exact energy is then that
            of the reference's sector.
        unit: Of the energies.

    Raises:
        InputError: The reference does not fit.

    """
    letters, symmetries = reference or "+" * hamiltonian.n_qubits, hamiltonian_symmetries(hamiltonian)
    return _assemble(hamiltonian, symmetries, exact, name=name, reference=letters, n_electrons=n_electrons, unit=unit)


def molecular_qubit_problem(problem: Problem, *, exact: bool = True) -> QubitProblem:
    """Put a molecule on qubits by Jordan-Wigner, qubit k = spin orbital k, so that qubit ansätze can prepare it.

    Args:
        problem: The molecular problem.
        exact: Compute the exact energy in the sector of its electron numbers.

    """
    hamiltonian = qubit_hamiltonian_of(qubit_hamiltonian(problem).terms, problem.n_qubits)
    occupied = set(problem.reference_occupied)
    qubits = _assemble(
        hamiltonian,
        hamiltonian_symmetries(hamiltonian),
        exact,
        name=problem.name,
        reference="".join("1" if q in occupied else "0" for q in range(problem.n_qubits)),
        n_electrons=problem.n_electrons,
        unit=HARTREE,
        known=problem.energies,
        warnings=problem.warnings,
    )
    return replace(qubits, electrons=problem.electrons)


def _assemble(
    hamiltonian: QubitHamiltonian,
    symmetries: HamiltonianSymmetries,
    exact: bool,
    *,
    name: str,
    reference: str,
    preparation: tuple[Clifford, ...] = (),
    n_electrons: tuple[int, int] | None = None,
    lattice: Lattice | None = None,
    unit: str = "J",
    known: Mapping[str, float | None] | None = None,
    warnings: tuple[str, ...] = (),
) -> QubitProblem:
    n = hamiltonian.n_qubits
    if not hamiltonian.terms:
        raise InputError(f"{name}: every coupling is zero, so that every state is a ground state; set one of them")
    if len(reference) != n or set(reference) - set(PRODUCT_STATES):
        raise InputError(
            f"reference {shortened(reference)!r} must be {n} letters out of 0, 1, + and -, one for each qubit"
        )
    state = prepared_state(reference, preparation)
    energies: dict[str, float | None] = {"hf": None, "mp2": None, "ccsd": None, **(known or {}), "exact": None}
    energies["reference"] = float(np.vdot(state, hamiltonian.apply(state)).real) + hamiltonian.constant
    sector, broken = reference_sector(symmetries, state, n)
    notes = list(warnings)
    floor: GroundLevel | None = None
    inside: GroundLevel | None = None
    if exact and n > MOST_EXACT_QUBITS:
        notes.append(f"no exact energy: {n} qubits are more than {MOST_EXACT_QUBITS}")
    elif exact:
        floor = ground_level(hamiltonian)
        inside = _level_inside(hamiltonian, sector, floor)
        given = n_electrons is not None  # their number is what the user asked for, not a wrong sector
        notes += _sector_warnings(hamiltonian, symmetries, state, inside if given else floor, inside, broken, unit)
        inside = floor if n_electrons is None else inside
        energies["exact"] = inside.energy
    return QubitProblem(
        name=name,
        hamiltonian=hamiltonian,
        reference=reference,
        preparation=preparation,
        symmetries=symmetries,
        energies=energies,
        floor=None if floor is None else floor.energy,
        degeneracy=None if inside is None else len(inside.states),
        sector_dimension=sector.dimension(n),
        unit=unit,
        n_electrons=n_electrons,
        lattice=lattice,
        warnings=tuple(notes),
    )


def _level_inside(hamiltonian: QubitHamiltonian, sector: QubitSector, floor: GroundLevel) -> GroundLevel:
    """Lowest level of a sector: what the sector holds of the lowest level of all, else found by itself."""
    states = sector.inside(floor, hamiltonian.n_qubits)
    if floor.whole and len(states):
        return GroundLevel(energy=floor.energy, states=states, gap=None)
    return ground_level(hamiltonian, sector)


def reference_sector(symmetries: HamiltonianSymmetries, state: State, n_qubits: int) -> tuple[QubitSector, list[str]]:
    """Return the symmetry sector that a state lies in, and names of the symmetries that it has no definite value of.

    Args:
        symmetries: Of the Hamiltonian.
        state: A normalised state, shape (2^n,).
        n_qubits: Number of qubits n.

    """
    parities, broken = [], []
    for string in symmetries.parities:
        value = float(np.vdot(state, apply_string(string, state, n_qubits)).real)
        if abs(abs(value) - 1.0) < 1e-9:
            parities.append((string, round(value)))
        else:
            broken.append(string_label(string))
    index = np.arange(1 << n_qubits)
    allowed = np.ones(len(index), dtype=bool)
    for charge in symmetries.charges:
        if charge[0][1][0][1] != "Z":
            continue  # total X and Y do not commute with total Z; one value of one of them is enough
        values = np.zeros(len(index))
        for a, string in charge:
            values += a * (1.0 - 2.0 * ((index >> (n_qubits - 1 - string[0][0])) & 1))
        met = values[np.abs(state) > 1e-9]
        if np.ptp(met) < 1e-9:
            allowed &= np.abs(values - met[0]) < 1e-9
        else:
            broken.append(sum_label(charge))
    return QubitSector(parities=tuple(parities), allowed=None if allowed.all() else allowed), broken


def _sector_warnings(
    hamiltonian: QubitHamiltonian,
    symmetries: HamiltonianSymmetries,
    state: State,
    floor: GroundLevel,
    inside: GroundLevel,
    broken: list[str],
    unit: str,
) -> list[str]:
    """Say in words what makes a symmetric ansatz miss the ground state, and what to do."""
    same = SAME_ENERGY * max(hamiltonian.norm_bound, 1e-300)
    notes = []
    if len(inside.states) > 1:
        fold = f"{'' if inside.whole else 'at least '}{len(inside.states)}-fold"
        notes.append(f"the ground state is {fold} degenerate: the energy is well defined, the state is not")
    if inside.energy - floor.energy > same:
        inner = _product_inside(symmetries, floor, hamiltonian.n_qubits, len(broken))
        remedy = f"type model.reference={inner}" if inner else "choose another reference"
        notes.append(
            f"the reference is outside the sector of the lowest state: gates that keep the symmetries stop at "
            f"{inside.energy:.8f} {unit}, {inside.energy - floor.energy:.6f} above it; {remedy}"
        )
    if broken:
        notes.append(
            f"the reference breaks a symmetry of the Hamiltonian ({', '.join(dict.fromkeys(broken))}): gates that keep "
            f"it keep the mixture as well and may stop above the ground state; choose a reference with a definite value"
        )
    elif symmetries.su2 and not _has_total_spin(state, inside, hamiltonian.n_qubits):
        notes.append(
            "the reference mixes total spins: gates that conserve spin keep the mixture and may stop above the ground "
            "state; the default reference of singlet pairs does not mix them"
        )
    return notes


def _product_inside(symmetries: HamiltonianSymmetries, floor: GroundLevel, n_qubits: int, most_broken: int) -> str:
    """Return the likeliest product state of a level, in Z or in X, that lies in its sector; empty where none does.

    It may break as many symmetries as the reference does.
    """
    state = floor.states[0]
    for letters in ("01", "+-"):
        if letters == "+-":  # amplitudes in the X basis: a Hadamard on each qubit
            for qubit in range(n_qubits):
                halves = state.reshape(1 << qubit, 2, -1)
                state = np.stack([halves[:, 0] + halves[:, 1], halves[:, 0] - halves[:, 1]], axis=1).ravel()
        best = int(np.argmax(np.abs(state)))
        found = "".join(letters[best >> (n_qubits - 1 - q) & 1] for q in range(n_qubits))
        sector, broken = reference_sector(symmetries, product_state(found), n_qubits)
        if len(broken) <= most_broken and len(sector.inside(floor, n_qubits)):
            return found
    return ""


def _has_total_spin(state: State, level: GroundLevel, n_qubits: int) -> bool:
    """Whether a state has the total spin of one of the level's states and no other."""

    def spin_squared(psi: State) -> State:
        total = np.zeros_like(psi)
        for letter in "XYZ":
            strings: list[PauliString] = [((q, letter),) for q in range(n_qubits)]
            once = np.sum([apply_string(string, psi, n_qubits) for string in strings], axis=0)
            total += 0.25 * np.sum([apply_string(string, once, n_qubits) for string in strings], axis=0)
        return total

    image = spin_squared(state)
    mean = float(np.vdot(state, image).real)
    if np.linalg.norm(image - mean * state) > 1e-6:
        return False
    matrix = level.states.conj() @ np.array([spin_squared(psi) for psi in level.states]).T
    return bool(np.any(np.abs(np.linalg.eigvalsh(matrix) - mean) < 1e-6))
