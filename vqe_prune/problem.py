"""The problem of a study: a Hamiltonian in its sector, its symmetries and the energies to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vqe_prune import chemistry
from vqe_prune.active_space import Shells, space_by_count, space_by_list, space_without_core
from vqe_prune.chemistry import MeanField, Molecule
from vqe_prune.correlation import STATIONARY, brillouin_residual, correlated_energies
from vqe_prune.electrons import Electrons, aufbau_order, electrons_in_space
from vqe_prune.fcidump import Header, check_spin, irreps_of_labels, read_header, read_integrals
from vqe_prune.reference_irrep import SAME_LEVEL, multiplicity, order_for_irrep, reordered, wrong_sector
from vqe_prune.stability import stability_texts
from vqe_prune.symmetry import SignedPermutation, pauli_symmetries, spin_orbital_symmetries, terms_of
from vqe_prune.units import HARTREE

if TYPE_CHECKING:
    from openfermion import QubitOperator

LOOKED_AT = 50_000
"""Determinants of the sectors in which states of smaller spin are looked for: a second."""

SAME_STATE = 1e-7
"""A reference determinant this near (hartree) to the energy of SCF is the state that SCF found."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """A ground-state problem.

    Attributes:
        name: Name for printing and for the output folder.
        electrons: Hamiltonian, electron numbers and orbital irreps.
        symmetries: Signed permutations of spin orbitals that keep Hamiltonian and reference.
        energies: ``hf``, ``mp2``, ``ccsd`` and ``exact`` in hartree, None where not computed. ``hf`` is the energy of
            Hartree-Fock, of a user's own integrals that of the reference determinant; where this is another state, as
            in natural orbitals of UHF, its energy is in ``reference``.
        molecule: What it was made from, None for a user's own integrals.
        dipoles: Dipole moments in debye (x, y, z) of the reference (``hf``, or ``reference`` where `energies` has
            that too) and of the ground state (``exact``), where they are known.
        warnings: What the user must know about this problem, in words.
        notes: Which orbitals were taken, in words.

    """

    name: str
    electrons: Electrons
    symmetries: tuple[SignedPermutation, ...]
    energies: Mapping[str, float | None]
    molecule: Molecule | None = None
    dipoles: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())

    @property
    def unit(self) -> str:
        """Unit of energies."""
        return HARTREE

    @property
    def n_orbitals(self) -> int:
        """Number of spatial orbitals."""
        return self.electrons.n_orbitals

    @property
    def n_electrons(self) -> tuple[int, int]:
        """Numbers of alpha and of beta electrons."""
        return self.electrons.n_alpha, self.electrons.n_beta

    @property
    def n_qubits(self) -> int:
        """Number of spin orbitals, one qubit each."""
        return 2 * self.electrons.n_orbitals

    @property
    def reference_occupied(self) -> tuple[int, ...]:
        """Spin orbitals that the reference determinant fills, ascending."""
        alpha = [2 * p for p in range(self.electrons.n_alpha)]
        return tuple(sorted(alpha + [2 * p + 1 for p in range(self.electrons.n_beta)]))


def molecular_problem(molecule: Molecule, *, exact: bool = True, memory_gib: float | None = None) -> Problem:
    """Set up the ground-state problem of a molecule.

    Args:
        molecule: Geometry, basis, charge, spin and active space.
        exact: Compute the exact energy.
        memory_gib: Refuse sectors that need more than this, default what is free.

    Returns:
        The problem, with HF, MP2, CCSD and exact energies in its active space.

    Raises:
        InputError: The molecule is not physical or too large.
        ConvergenceError: SCF or the exact solver does not converge.

    """
    return mean_field_problem(molecule, chemistry.solve_mean_field(molecule, memory_gib), exact=exact)


def mean_field_problem(molecule: Molecule, mean_field: MeanField, *, exact: bool = True) -> Problem:
    """Set up the ground-state problem of a molecule whose mean field is known.

    Args:
        molecule: What the mean field is of.
        mean_field: A solution of SCF, there may be several.
        exact: Compute the exact energy.

    Returns:
        The problem, with HF, MP2, CCSD and exact energies in its active space.

    Raises:
        ConvergenceError: The exact solver does not converge.

    """
    electrons = mean_field.electrons
    energies = {"hf": mean_field.energy, **correlated_energies(electrons)}
    if abs(electrons.reference_energy - mean_field.energy) > SAME_STATE:
        energies["reference"] = electrons.reference_energy
    texts: tuple[list[str], list[str]] = ([], [])
    if molecule.stability == "check":
        texts = stability_texts(mean_field.scf, molecule.name)
    return _assemble(molecule.name, electrons, energies, exact, molecule, mean_field.notes, texts)


def problem_from_integrals(
    one_body: NDArray[np.float64],
    two_body: NDArray[np.float64],
    n_electrons: tuple[int, int],
    *,
    constant: float = 0.0,
    irreps: NDArray[np.int64] | None = None,
    name: str = "integrals",
    exact: bool = True,
    memory_gib: float | None = None,
) -> Problem:
    """Set up the problem of a user's own integrals in orthonormal orbitals.

    Args:
        one_body: h_pq in hartree; shape (n, n).
        two_body: (pq|rs) in chemists' order, hartree; shape (n, n, n, n).
        n_electrons: Numbers of alpha and of beta electrons; the reference fills the first orbitals.
        constant: Energy to add, such as the nuclear repulsion.
        irreps: Abelian irrep of each orbital, products by exclusive or; shape (n,), default all the same.
        name: Name for printing.
        exact: Compute the exact energy.
        memory_gib: Refuse sectors that need more than this, default what is free.

    Returns:
        The problem; its HF energy is that of the reference determinant, MP2 and CCSD are not computed.

    Raises:
        InputError: Shapes, symmetry or electron numbers do not fit.

    """
    h = np.asarray(one_body, dtype=float)
    electrons = Electrons(
        one_body=h,
        two_body=np.asarray(two_body, dtype=float),
        constant=float(constant),
        n_alpha=n_electrons[0],
        n_beta=n_electrons[1],
        irreps=np.zeros(len(h), dtype=np.int64) if irreps is None else irreps,
    )
    chemistry.check_memory(electrons.n_orbitals, *n_electrons, memory_gib)
    energies: dict[str, float | None] = {"hf": electrons.reference_energy, "mp2": None, "ccsd": None}
    return _assemble(name, electrons, energies, exact, None, _precision_notes(h, electrons.two_body))


def problem_from_fcidump(
    path: str | Path,
    *,
    spin: int | None = None,
    active_space: tuple[int, int] | None = None,
    active_orbitals: Sequence[int] | None = None,
    irrep: str | None = None,
    keep_order: bool = False,
    exact: bool = True,
    memory_gib: float | None = None,
) -> Problem:
    """Set up the problem of an FCIDUMP file.

    The reference fills the orbitals of lowest energy on the diagonal of its own Fock operator (aufbau), or the file's
    first ones where that determinant is lower; doubly occupied, singly occupied and empty orbitals are then put in the
    order of these energies. ORBSYM gives the irreps where it fits the
    integrals; ISYM is not used, since many programs write 1 whatever the state.

    Args:
        path: The file, with integrals of real restricted orbitals.
        spin: Alpha minus beta electrons, default the file's MS2.
        active_space: Numbers of electrons and of orbitals kept around the Fermi level, default all.
        active_orbitals: Orbitals that are kept, by their numbers in the file, from 1; instead of `active_space`.
        irrep: Irrep of the reference, by its name in the group of ORBSYM; default that of the lowest determinant found.
        keep_order: Let the reference fill the first orbitals of the file whatever their energies, as in the files that
            a study writes.
        exact: Compute the exact energy.
        memory_gib: Refuse sectors that need more than this, default what is free.

    Returns:
        The problem; its HF energy is that of the reference determinant, MP2 is computed where this is a Hartree-Fock
        state, CCSD where it converges.

    Raises:
        InputError: The file cannot be read as an FCIDUMP, or the active space does not fit.

    """
    path = Path(path)
    header = read_header(path)
    header = header if spin is None else header._replace(spin=spin)
    n = header.n_orbitals
    check_spin(f"molecule.spin={header.spin}", n, header.n_electrons, header.spin)
    numbers = (header.n_electrons + header.spin) // 2, (header.n_electrons - header.spin) // 2
    remedy = "a smaller molecule.active_space=[electrons,orbitals]"
    chemistry.check_memory(n, 0, 0, memory_gib, "a file of fewer orbitals")  # its integrals alone
    if active_space is None and active_orbitals is None:
        chemistry.check_memory(n, *numbers, memory_gib, remedy)
    found = read_integrals(path, header)
    irreps, group, complaint = irreps_of_labels(header.labels, found.one_body, found.two_body)
    order = np.arange(n) if keep_order else aufbau_order(found.one_body, found.two_body, *numbers)
    whole = Electrons(
        one_body=found.one_body[np.ix_(order, order)],
        two_body=found.two_body[np.ix_(order, order, order, order)],
        constant=found.constant,
        n_alpha=numbers[0],
        n_beta=numbers[1],
        irreps=irreps[order],
        group=group,
    )
    shells = Shells(name=path.name, n_electrons=header.n_electrons, spin=header.spin, n_orbitals=n)
    if active_orbitals is not None:
        space = space_by_list(shells, active_orbitals, order.tolist())
    else:
        space = space_without_core(shells, 0) if active_space is None else space_by_count(shells, *active_space)
    chemistry.check_memory(len(space.active), space.n_alpha, space.n_beta, memory_gib, remedy)
    electrons = electrons_in_space(whole, space.core, space.active, space.n_alpha, space.n_beta)
    turned = order_for_irrep(electrons, irrep, path.stem)
    electrons = reordered(electrons, turned) if irrep is not None else electrons
    energies: dict[str, float | None] = {"hf": electrons.reference_energy, **correlated_energies(electrons)}
    rough = _precision_notes(found.one_body, found.two_body)
    problem = _assemble(path.stem, electrons, energies, exact, None, rough)
    kept = order[np.array(space.active)[turned]] + 1
    notes = _file_notes(header, electrons, kept)
    return replace(
        problem, notes=(*notes, *problem.notes), warnings=(*([complaint] if complaint else []), *problem.warnings)
    )


def _file_notes(header: Header, electrons: Electrons, kept: NDArray[np.int64]) -> tuple[str, ...]:
    """What was made of a file, in words."""
    notes = []
    n_irreps = len(set(electrons.irreps.tolist()))
    if n_irreps > 1:
        notes.append(f"Irreps: those of ORBSYM, {n_irreps} of {electrons.group}")
    if kept.tolist() != list(range(1, header.n_orbitals + 1)):
        numbers = electrons.n_alpha + electrons.n_beta
        shown = " ".join(map(str, kept))
        notes.append(f"Orbitals of the file, the reference's {electrons.n_alpha} first ({numbers} electrons): {shown}")
    residual = brillouin_residual(electrons)
    if residual > STATIONARY:
        notes.append(
            f"The reference determinant is not a Hartree-Fock state of these integrals (Fock elements up to "
            f"{residual:.1e} hartree): HF is its energy"
        )
    return tuple(notes)


def _assemble(
    name: str,
    electrons: Electrons,
    energies: dict[str, float | None],
    exact: bool,
    molecule: Molecule | None,
    notes: tuple[str, ...] = (),
    stability: tuple[list[str], list[str]] = ([], []),
) -> Problem:
    reference = "reference" if "reference" in energies else "hf"
    warnings, densities = list(stability[0]), {reference: _reference_density(electrons)}
    said = [*notes, *stability[1]]
    energies["exact"] = None
    if exact:
        state = chemistry.exact_ground_state(electrons)
        energies["exact"], densities["exact"] = state.energy, state.density
        above = state.reference_irrep_energy - state.energy
        broken = any("molecule.stability=follow" in note for note in stability[1])
        warnings += wrong_sector(electrons, state.irrep, state.spin_squared, above, unstable=broken)
        said += [*_lower_spin(electrons, state.energy), *_overshooting(energies, state.energy)]
    return Problem(
        name=name,
        electrons=electrons,
        symmetries=spin_orbital_symmetries(electrons),
        energies=energies,
        molecule=molecule,
        dipoles={} if electrons.dipole is None else {k: electrons.dipole.moment(d) for k, d in densities.items()},
        warnings=tuple(warnings),
        notes=tuple(said),
    )


def _precision_notes(*integrals: NDArray[np.float64]) -> tuple[str, ...]:
    """Say where integrals have been through single precision; numbers of a model, such as 0.5, are exact in half."""
    single = all(np.array_equal(array, array.astype(np.float32)) for array in integrals)
    with np.errstate(over="ignore"):
        exact = all(np.array_equal(array, array.astype(np.float16)) for array in integrals)
    if not single or exact:
        return ()
    rounding = float(np.finfo(np.float32).eps) / 2 * max(float(np.abs(array).max()) for array in integrals)
    return (
        f"The integrals are of single precision, rounded by up to {rounding:.0e} hartree each: energies are those of "
        f"these integrals, and of the molecule only to about 1e-6",
    )


def _lower_spin(electrons: Electrons, energy: float) -> list[str]:
    """Say where states of a smaller spin than was asked for are lower; small sectors alone are looked at."""
    spin = electrons.n_alpha - electrons.n_beta
    if spin < 2:
        return []
    other = replace(electrons, n_alpha=electrons.n_alpha - 1, n_beta=electrons.n_beta + 1)
    if other.sector_dimension > LOOKED_AT:
        return []
    gap = energy - chemistry.exact_ground_state(other).energy
    if gap < SAME_LEVEL:
        return []
    return [
        f"A state of smaller spin is {1e3 * gap:.3f} mHa lower than any {multiplicity(spin)}: type "
        f"molecule.spin={spin - 2} where the ground state of all spins is meant"
    ]


def _overshooting(energies: Mapping[str, float | None], exact: float) -> list[str]:
    """Say which reference energies are below the exact one, as those of methods without a bound may be."""
    known = {name: energies.get(name) for name in ("mp2", "ccsd")}
    return [
        f"{name.upper()} is {1e3 * (exact - energy):.3f} mHa below the exact energy: it is not variational, and fails "
        f"here; do not start from it or compare with it"
        for name, energy in known.items()
        if energy is not None and energy < exact - SAME_LEVEL
    ]


def _reference_density(electrons: Electrons) -> NDArray[np.float64]:
    orbitals = np.arange(electrons.n_orbitals)
    return np.diag((orbitals < electrons.n_alpha).astype(np.float64) + (orbitals < electrons.n_beta))


def qubit_hamiltonian(problem: Problem) -> QubitOperator:
    """Return the Jordan-Wigner Hamiltonian as OpenFermion's QubitOperator, qubit k = spin orbital k, hartree."""
    import openfermion

    electrons = problem.electrons
    physicists = np.asarray(electrons.two_body).transpose(0, 2, 3, 1)  # <pq|sr> order of InteractionOperator
    one, two = openfermion.chem.molecular_data.spinorb_from_spatial(np.asarray(electrons.one_body), physicists)
    interaction = openfermion.InteractionOperator(electrons.constant, one, 0.5 * two)
    operator = openfermion.jordan_wigner(interaction)
    operator.compress(1e-12)
    return operator


def taper(problem: Problem) -> QubitOperator:
    """Return the qubit Hamiltonian with every Z2 symmetry's qubit removed, in the reference's sector.

    The symmetries come from the Hamiltonian's terms alone; OpenFermion's `taper_off_qubits` removes the qubits.

    Reference: S. Bravyi et al., Tapering off qubits to simulate fermionic Hamiltonians, arXiv 1701.08213.
    """
    import openfermion

    operator = qubit_hamiltonian(problem)
    occupied = set(problem.reference_occupied)
    stabilizers = []
    for string in pauli_symmetries(terms_of(operator), problem.n_qubits):
        if any(letter != "Z" for _, letter in string):
            continue  # the reference has no definite value of it
        sign = (-1) ** len(occupied & {qubit for qubit, _ in string})
        stabilizers.append(openfermion.QubitOperator(string, float(sign)))
    return openfermion.taper_off_qubits(operator, stabilizers)
