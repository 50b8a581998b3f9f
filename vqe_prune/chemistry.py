"""Molecules to integrals: geometry, mean field, active space, orbital irreps and exact energies, all by PySCF."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune import basis_sets
from vqe_prune.active_space import (
    ActiveSpace,
    Shells,
    space_by_count,
    space_by_list,
    space_by_occupation,
    space_without_core,
)
from vqe_prune.correlation import SINGULAR_DIIS
from vqe_prune.dipole import Dipole
from vqe_prune.electrons import FORBIDDEN, Electrons, forbidden_noise, irrep_product
from vqe_prune.errors import ConvergenceError, InputError, check_choice
from vqe_prune.molecule_settings import AUTO, ORBITALS, STABILITIES, USUAL_THRESHOLD, basis_text
from vqe_prune.natural_orbitals import natural_orbitals
from vqe_prune.reference_irrep import order_for_irrep, reordered
from vqe_prune.stability import followed

CLOSEST_ATOMS = 0.1
"""Atoms nearer than this (angstrom) are taken for a mistake: no bond is shorter than 0.7."""

FARTHEST_ATOM = 1e4
"""Positions (angstrom) beyond this are taken for a mistake, and their squares would overflow in PySCF."""

SCF_CYCLES = 100
"""Iterations of each kind of SCF before it is given up."""

STATE_COPIES = 30
"""States held at once at the peak: PySCF's Davidson space (12 vectors and their images) and the engine's few."""

SMALLER = "a smaller molecule.basis, molecule.active_space or molecule.frozen_core=true"
"""What makes the sector of a molecule smaller."""

INTEGRAL_COPIES = 4
"""Copies of the two-electron integrals held at once while they are transformed."""

Atom = tuple[str, tuple[float, float, float]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Molecule:
    """What is needed to set up an electronic-structure calculation.

    Attributes:
        name: Name for printing and for the output folder.
        atoms: Element symbol and position (x, y, z) in angstrom of each atom.
        basis: A basis set that PySCF knows, or one for each element.
        charge: Total charge in elementary charges.
        spin: Number of alpha minus number of beta electrons, 2 S of the reference.
        active_space: Numbers of electrons and of orbitals kept around the Fermi level, ``auto`` for the natural
            orbitals whose occupation is neither near 2 nor near 0, or None for all.
        frozen_core: Leave the chemical core orbitals doubly occupied.
        ecp: An effective core potential of PySCF for all elements that it covers, one for each element, or None.
        orbitals: ``hf``, ``uno`` or ``mp2_natural``: canonical, or natural orbitals of UHF or of MP2.
        active_orbitals: The orbitals that are kept, counted from 1 through doubly occupied, singly occupied and empty
            ones, each by energy or natural occupation; None where `active_space` says which.
        occupation_threshold: With ``auto``, how far (electrons) an occupation must be from 0 and from 2.
        irrep: Irrep of the reference in the Abelian point group, None for what SCF ends in.
        stability: ``check`` says where SCF ended in a saddle point, ``follow`` goes down, ``none`` does not look.

    Raises:
        InputError: A field is not physical.

    """

    name: str
    atoms: tuple[Atom, ...]
    basis: basis_sets.Names = "sto-3g"
    charge: int = 0
    spin: int = 0
    active_space: tuple[int, int] | str | None = None
    frozen_core: bool = False
    ecp: basis_sets.Names | None = None
    orbitals: str = "hf"
    active_orbitals: tuple[int, ...] | None = None
    occupation_threshold: float = USUAL_THRESHOLD
    irrep: str | None = None
    stability: str = STABILITIES[0]

    def __post_init__(self) -> None:
        if not self.atoms:
            raise InputError(f"molecule {self.name}: no atoms are given")
        basis_sets.check_elements([symbol for symbol, _ in self.atoms], f"molecule {self.name}")
        for symbol, position in self.atoms:
            if not all(abs(x) <= FARTHEST_ATOM for x in position):  # false for NaN too
                raise InputError(
                    f"molecule {self.name}: the position {position} of {symbol} is not a length in angstrom up to "
                    f"{FARTHEST_ATOM:g}"
                )
        self._check_distances()
        self._check_electrons()
        if self.frozen_core and (self.active_space is not None or self.active_orbitals is not None):
            key = "active_space" if self.active_space is not None else "active_orbitals"
            raise InputError(f"molecule.frozen_core has no effect beside molecule.{key}; leave one of them out")
        if self.active_space is not None and self.active_orbitals is not None:
            raise InputError("molecule.active_space has no effect beside molecule.active_orbitals; leave one out")
        check_choice("molecule.orbitals", self.orbitals, ORBITALS)
        check_choice("molecule.stability", self.stability, STABILITIES)
        if self.active_space == AUTO and self.orbitals == "hf":
            raise InputError("molecule.active_space=auto needs natural orbitals: molecule.orbitals=mp2_natural or uno")

    @property
    def n_electrons(self) -> int:
        """Number of electrons, those of the core included, those of effective core potentials not."""
        from pyscf.data.elements import charge

        replaced = basis_sets.core_electrons(basis_sets.ecp_by_element(self.ecp, self.elements))
        return sum(int(charge(symbol)) - replaced.get(symbol, 0) for symbol, _ in self.atoms) - self.charge

    @property
    def elements(self) -> list[str]:
        """The elements, each once."""
        return list(dict.fromkeys(symbol for symbol, _ in self.atoms))

    def _check_distances(self) -> None:
        positions = np.array([position for _, position in self.atoms])
        for k in range(1, len(positions)):
            distances = np.linalg.norm(positions[:k] - positions[k], axis=1)
            if distances.min() < CLOSEST_ATOMS:
                raise InputError(
                    f"molecule {self.name}: atoms {int(distances.argmin()) + 1} and {k + 1} are "
                    f"{distances.min():.3g} angstrom apart (closest allowed: {CLOSEST_ATOMS})"
                )

    def _check_electrons(self) -> None:
        n = self.n_electrons
        if n < 1:
            raise InputError(f"molecule {self.name}: charge {self.charge} leaves {n} electrons")
        if self.spin < 0 or self.spin > n or (n - self.spin) % 2:
            allowed = list(range(n % 2, min(n, 6) + 1, 2))
            raise InputError(
                f"molecule {self.name}: spin {self.spin} (alpha minus beta electrons) is impossible with {n} "
                f"electrons; try molecule.spin={allowed[0]}, or another molecule.charge"
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class MeanField:
    """A converged restricted mean field and the orbitals that stay active.

    Attributes:
        electrons: The active electrons.
        energy: SCF energy in hartree; the reference determinant of `electrons` has it too, but in natural orbitals.
        scf: PySCF's mean-field object.
        orbitals: The active orbitals in atomic ones, a column for each; shape (n_atomic, n_active).
        core: Columns of its coefficients that are doubly occupied and left out, None where natural orbitals are used.
        active: Columns that are the orbitals of `electrons`, in their order; likewise.
        notes: Which orbitals were taken, in words.

    """

    electrons: Electrons
    energy: float
    scf: Any
    orbitals: NDArray[np.float64]
    core: tuple[int, ...] | None = None
    active: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()


def solve_mean_field(
    molecule: Molecule, memory_gib: float | None = None, *, start: Callable[[Any], NDArray[np.float64]] | None = None
) -> MeanField:
    """Run RHF (closed shell) or ROHF (open shell) with point-group symmetry and cut out the active space.

    Args:
        molecule: Geometry, basis, charge, spin, kind of orbitals and active space.
        memory_gib: Refuse sectors that need more than this, default what is free.
        start: Makes the density matrix in atomic orbitals that SCF starts from, of alpha and of beta electrons for an
            open shell, out of PySCF's molecule; default PySCF's guess. Far from equilibrium SCF has several solutions.

    Returns:
        Electrons in orbitals that are doubly occupied, singly occupied, empty, each by energy or natural occupation.

    Raises:
        InputError: The basis, the orbitals or the active space do not fit the molecule.
        ConvergenceError: SCF does not converge, by DIIS or at second order.

    """
    mol = _build(molecule)
    space = None
    if molecule.active_space != AUTO:  # what does not fit is said before SCF
        space = _active_space(molecule, mol)
        check_memory(len(space.active), space.n_alpha, space.n_beta, memory_gib)
    method, energy = _converge(molecule, mol, start)
    order = np.lexsort((np.round(method.mo_energy, 9), -np.round(method.mo_occ)))
    orbitals, notes = method.mo_coeff[:, order], []
    labels = np.zeros(len(order), dtype=np.int64)
    if method.mol.symmetry and method.mol.groupname != "C1":  # PySCF's mean fields without symmetry have no labels
        labels = np.array(method.get_orbsym(method.mo_coeff), dtype=np.int64)[order]
    if molecule.orbitals != "hf":
        n_frozen = len(space.core) if space is not None and molecule.frozen_core else 0
        natural = natural_orbitals(method, order, labels, molecule.orbitals, n_frozen, molecule.name)
        orbitals, labels = orbitals @ natural.turn, natural.irreps
        if space is None:
            space = space_by_occupation(_shells(molecule, mol), natural.occupations, molecule.occupation_threshold)
            check_memory(len(space.active), space.n_alpha, space.n_beta, memory_gib)
        notes.append(_space_note(molecule, space, natural.occupations))
    elif molecule.active_orbitals is not None and space is not None:
        notes.append(_space_note(molecule, space, method.mo_occ[order]))
    assert space is not None
    electrons = _electrons_in(method, orbitals, space, labels)
    chosen = order_for_irrep(electrons, molecule.irrep, molecule.name)
    if molecule.irrep is not None:
        electrons = reordered(electrons, chosen)
        space = replace(space, active=tuple(np.array(space.active)[chosen].tolist()))
    elif molecule.orbitals == "hf" and abs(electrons.reference_energy - energy) > 1e-7:
        raise ConvergenceError(  # hartree; a wrong core or orbital order costs 1e-2 and more
            f"the active-space Hamiltonian of {molecule.name} has the reference energy "
            f"{electrons.reference_energy:.8f} but SCF gave {energy:.8f}; please report this with the input"
        )
    return MeanField(
        electrons=electrons,
        energy=float(energy),
        scf=method,
        orbitals=orbitals[:, list(space.active)],
        core=tuple(order[list(space.core)].tolist()) if molecule.orbitals == "hf" else None,
        active=tuple(order[list(space.active)].tolist()) if molecule.orbitals == "hf" else None,
        notes=tuple(notes),
    )


def _space_note(molecule: Molecule, space: ActiveSpace, occupations: NDArray[np.float64]) -> str:
    """Which orbitals are active, and their occupations."""
    kinds = {"hf": "orbitals", "uno": "natural orbitals of UHF", "mp2_natural": "natural orbitals of MP2"}
    threshold = molecule.occupation_threshold
    why = f", occupied by {threshold:g} to {2 - threshold:g}" if molecule.active_space == AUTO else ""
    shown = " ".join(
        f"{occupations[p]:.4f}" if molecule.orbitals != "hf" else f"{occupations[p]:.0f}" for p in space.active
    )
    kind = f"{kinds[molecule.orbitals]}{why}"
    return (
        f"Active space: {space.n_alpha + space.n_beta} electrons in {len(space.active)} {kind}: "
        f"numbers {_ranges(space.active)} of {len(occupations)}, occupations {shown}"
    )


def _ranges(positions: tuple[int, ...]) -> str:
    """Positions from 0 as numbers from 1, neighbours joined."""
    runs: list[list[int]] = []
    for p in positions:
        if runs and runs[-1][1] == p:
            runs[-1][1] = p + 1
        else:
            runs.append([p + 1, p + 1])
    return ", ".join(f"{low}-{high}" if high > low else f"{low}" for low, high in runs)


def _electrons_in(
    method: Any, orbitals: NDArray[np.float64], space: ActiveSpace, labels: NDArray[np.int64]
) -> Electrons:
    """Integrals of the active orbitals, with the core's field and energy."""
    from pyscf import ao2mo, mcscf

    mol, core, active = method.mol, list(space.core), list(space.active)
    n_active, symmetric = len(active), bool(mol.symmetry)
    cas = mcscf.CASCI(method, n_active, (space.n_alpha, space.n_beta), ncore=len(core))
    sorted_orbitals = orbitals[:, core + active]
    one_body, constant = cas.get_h1eff(sorted_orbitals)
    two_body = ao2mo.restore(1, np.asarray(cas.get_h2eff(sorted_orbitals)), n_active)
    irreps = labels[active] % 10  # of linear molecules, E2 and above, as in the Abelian subgroup
    if forbidden_noise(one_body, two_body, irreps) > FORBIDDEN:  # positions of few digits: PySCF allows for 1e-5
        irreps, symmetric = np.zeros_like(irreps), False
    return Electrons(
        one_body=one_body,
        two_body=two_body,
        constant=float(constant),
        n_alpha=space.n_alpha,
        n_beta=space.n_beta,
        irreps=irreps,
        group=str(mol.groupname) if symmetric else "C1",
        dipole=_dipole(mol, orbitals[:, core], orbitals[:, active]),
    )


def _dipole(mol: Any, core: Any, active: Any) -> Dipole:
    """The dipole operator on the active orbitals; nuclei and doubly filled core orbitals are fixed."""
    position = mol.intor_symmetric("int1e_r", comp=3)
    nuclei = mol.atom_charges() @ mol.atom_coords()
    return Dipole(
        fixed=nuclei - 2.0 * np.einsum("xij,ik,jk->x", position, core, core), position=active.T @ position @ active
    )


def _converge(
    molecule: Molecule, mol: Any, start: Callable[[Any], NDArray[np.float64]] | None = None
) -> tuple[Any, float]:
    """PySCF's converged mean field and its energy: DIIS first, second order where that fails."""
    from pyscf import scf

    method = scf.RHF(mol) if molecule.spin == 0 else scf.ROHF(mol)
    method.conv_tol = 1e-12
    method.max_cycle = SCF_CYCLES
    try:
        method.kernel(dm0=None if start is None else start(mol))
        if not method.converged:
            method = method.newton()
            method.kernel()
    except SINGULAR_DIIS as error:
        raise ConvergenceError(f"SCF of {molecule.name} failed: {error}; try another geometry or basis") from error
    if not method.converged:
        raise ConvergenceError(
            f"SCF of {molecule.name} did not converge, by DIIS or at second order; "
            f"try another molecule.spin, a shorter molecule.bond_length or a smaller molecule.basis"
        )
    method = followed(method, molecule.name) if molecule.stability == "follow" else method
    return method, float(method.e_tot)


def check_memory(
    n_orbitals: int, n_alpha: int, n_beta: int, memory_gib: float | None = None, remedy: str = SMALLER
) -> None:
    """Raise InputError where a sector's states would not fit into memory, before any is allocated.

    Args:
        n_orbitals: Number of spatial orbitals.
        n_alpha: Number of alpha electrons.
        n_beta: Number of beta electrons.
        memory_gib: Memory to stay within, default what is free now.
        remedy: What to choose instead.

    """
    dimension = math.comb(n_orbitals, n_alpha) * math.comb(n_orbitals, n_beta)
    what = (
        f"the sector of {n_alpha} alpha and {n_beta} beta electrons in {n_orbitals} orbitals has {dimension:.3g} "
        f"determinants and"
    )
    require_memory(STATE_COPIES * dimension + INTEGRAL_COPIES * n_orbitals**4, what, remedy, memory_gib)


def require_memory(numbers: float, what: str, remedy: str, memory_gib: float | None = None) -> None:
    """Raise InputError where so many real numbers would not fit into memory.

    Args:
        numbers: How many are held at once, 8 bytes each.
        what: Would take them, for the message.
        remedy: What to choose instead.
        memory_gib: Memory to stay within, default what is free now.

    """
    needed, available = 8 * numbers / 2**30, _free_memory_gib() if memory_gib is None else memory_gib
    if needed > available:
        raise InputError(f"{what} would take {needed:.3g} GiB ({available:.3g} GiB are free); choose {remedy}")


def _free_memory_gib() -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return 8.0  # a common laptop, where the system does not tell
    return kib / 2**20


def _build(molecule: Molecule) -> Any:
    """PySCF's molecule; symbols, basis and potential are checked first: PySCF opens files and evaluates text."""
    from pyscf import gto

    ecp = basis_sets.ecp_by_element(molecule.ecp, molecule.elements)
    basis = basis_sets.basis_by_element(molecule.basis, molecule.elements)
    basis_sets.check_pairing(basis, ecp)
    settings = {
        "atom": [(symbol, position) for symbol, position in molecule.atoms],
        "basis": basis,
        "ecp": ecp,
        "charge": molecule.charge,
        "spin": molecule.spin,
        "verbose": 0,
    }
    try:
        mol = gto.M(symmetry=True, **settings)
        if mol.groupname == "SO3":  # atoms: irreps of the full rotation group do not multiply by exclusive or
            mol = gto.M(symmetry="D2h", **settings)
    except RuntimeError as error:
        raise InputError(f"molecule {molecule.name}: {str(error).splitlines()[0]}") from error
    if mol.nelectron != molecule.n_electrons or 2 * mol.nao < mol.nelectron + molecule.spin:
        raise InputError(
            f"molecule {molecule.name}: {mol.nelectron} electrons do not fit {mol.nao} functions of "
            f"molecule.basis={basis_text(molecule.basis)}; is it made for an effective core potential?"
        )
    return mol


def _shells(molecule: Molecule, mol: Any) -> Shells:
    return Shells(name=molecule.name, n_electrons=mol.nelectron, spin=molecule.spin, n_orbitals=int(mol.nao))


def _active_space(molecule: Molecule, mol: Any) -> ActiveSpace:
    """The active space where it does not depend on the orbitals themselves."""
    shells = _shells(molecule, mol)
    if molecule.active_orbitals is not None:
        return space_by_list(shells, molecule.active_orbitals, range(shells.n_orbitals))
    if isinstance(molecule.active_space, tuple):
        return space_by_count(shells, *molecule.active_space)
    n_core = _core_orbitals(mol) if molecule.frozen_core else 0
    if molecule.frozen_core and not n_core:
        raise InputError(f"molecule.frozen_core=true has no effect: {molecule.name} has no core orbitals")
    return space_without_core(shells, n_core)


def _core_orbitals(mol: Any) -> int:
    """Number of orbitals of the noble-gas cores that no effective core potential takes the place of.

    PySCF's own count leaves 1s of Li, Be and 2s 2p of Na, Mg out.
    """
    from pyscf.data.elements import charge, chemcore_atm

    n_core = 0
    for k in range(mol.natm):
        z = int(charge(mol.atom_pure_symbol(k)))
        n_core += max(max(chemcore_atm[z], (z > 2) + 4 * (z > 10)) - mol.atom_nelec_core(k) // 2, 0)
    return n_core


@dataclass(frozen=True, eq=False, kw_only=True)
class ExactState:
    """The lowest exact state with the given numbers of electrons.

    Attributes:
        energy: Energy in hartree.
        spin_squared: <S^2>.
        density: <E_pq> of alpha and beta electrons together; shape (n_orbitals, n_orbitals).
        irrep: Product of its occupied orbitals' irreps; the reference may be in another one.
        reference_irrep_energy: Lowest energy in the reference's irrep, what a symmetric ansatz can reach.

    """

    energy: float
    spin_squared: float
    density: NDArray[np.float64]
    irrep: int
    reference_irrep_energy: float


def exact_ground_state(electrons: Electrons) -> ExactState:
    """Find the lowest state of every irrep by PySCF's full configuration interaction and return the lowest.

    Raises:
        ConvergenceError: Davidson's iteration does not converge.

    """
    from pyscf.fci import direct_spin1, direct_spin1_symm, spin_op

    n, numbers = electrons.n_orbitals, (electrons.n_alpha, electrons.n_beta)
    reference = irrep_product(electrons.irreps[: electrons.n_alpha]) ^ irrep_product(
        electrons.irreps[: electrons.n_beta]
    )
    found = {}
    for irrep in _sector_irreps(electrons):
        solver = direct_spin1_symm.FCISolver()
        solver.verbose, solver.conv_tol, solver.max_cycle = 0, 1e-12, 300
        energy, vector = solver.kernel(
            electrons.one_body,
            electrons.two_body,
            n,
            numbers,
            orbsym=electrons.irreps,
            wfnsym=irrep,
            ecore=electrons.constant,
        )
        if not np.all(solver.converged):
            raise ConvergenceError(
                "full configuration interaction did not converge; try a smaller molecule.active_space"
            )
        found[irrep] = (float(energy), vector)
    lowest = min(found, key=lambda irrep: (round(found[irrep][0], 9), irrep != reference))
    spin_squared = spin_op.spin_square0(np.asarray(found[lowest][1]), n, numbers)[0]
    return ExactState(
        energy=found[lowest][0],
        spin_squared=float(spin_squared),
        density=np.asarray(direct_spin1.make_rdm1(np.asarray(found[lowest][1]), n, numbers)),
        irrep=lowest,
        reference_irrep_energy=found[reference][0],
    )


def _sector_irreps(electrons: Electrons) -> list[int]:
    """Irreps that at least one determinant of the sector has."""

    def reached(n_electrons: int) -> set[int]:
        products = [{0}] + [set() for _ in range(n_electrons)]
        for irrep in electrons.irreps:
            for k in range(n_electrons, 0, -1):
                products[k] |= {p ^ int(irrep) for p in products[k - 1]}
        return products[n_electrons]

    return sorted({a ^ b for a in reached(electrons.n_alpha) for b in reached(electrons.n_beta)})
