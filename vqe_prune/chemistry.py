"""Molecules to integrals: geometry, mean field, active space, orbital irreps and reference energies, all by PySCF."""

from __future__ import annotations

import difflib
import math
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.dipole import Dipole
from vqe_prune.electrons import Electrons, irrep_product
from vqe_prune.errors import ConvergenceError, InputError

CLOSEST_ATOMS = 0.1
"""Atoms nearer than this (angstrom) are taken for a mistake: no bond is shorter than 0.7."""

FARTHEST_ATOM = 1e4
"""Positions (angstrom) beyond this are taken for a mistake, and their squares would overflow in PySCF."""

SCF_CYCLES = 100
"""Iterations of each kind of SCF before it is given up."""

STATE_COPIES = 30
"""States held at once at the peak: PySCF's Davidson space (12 vectors and their images) and the engine's few."""

INTEGRAL_COPIES = 4
"""Copies of the two-electron integrals held at once while they are transformed."""

SINGULAR_DIIS = (np.linalg.LinAlgError, AttributeError)
"""Raised by PySCF where its DIIS meets a singular matrix, stretched HF for one: it looks for NumPy's error where NumPy
2 no longer has it, in `numpy.linalg.linalg`."""

Atom = tuple[str, tuple[float, float, float]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Molecule:
    """What is needed to set up an electronic-structure calculation.

    Attributes:
        name: Name for printing and for the output folder.
        atoms: Element symbol and position (x, y, z) in angstrom of each atom.
        basis: A basis set that PySCF knows.
        charge: Total charge in elementary charges.
        spin: Number of alpha minus number of beta electrons, 2 S of the reference.
        active_space: Numbers of electrons and of orbitals kept around the Fermi level, or None for all.
        frozen_core: Leave the chemical core orbitals doubly occupied.

    Raises:
        InputError: A field is not physical.

    """

    name: str
    atoms: tuple[Atom, ...]
    basis: str = "sto-3g"
    charge: int = 0
    spin: int = 0
    active_space: tuple[int, int] | None = None
    frozen_core: bool = False

    def __post_init__(self) -> None:
        from pyscf.data.elements import ELEMENTS

        if not self.atoms:
            raise InputError(f"molecule {self.name}: no atoms are given")
        for symbol, position in self.atoms:
            if symbol not in ELEMENTS[1:]:
                close = difflib.get_close_matches(symbol.capitalize(), ELEMENTS[1:], n=3, cutoff=0.5)
                hint = f"; did you mean {', '.join(close)}?" if close else ""
                raise InputError(f"molecule {self.name}: unknown element {symbol!r}{hint}")
            if not all(abs(x) <= FARTHEST_ATOM for x in position):  # false for NaN too
                raise InputError(
                    f"molecule {self.name}: the position {position} of {symbol} is not a length in angstrom up to "
                    f"{FARTHEST_ATOM:g}"
                )
        self._check_distances()
        self._check_electrons(ELEMENTS)
        if self.active_space is not None and self.frozen_core:
            raise InputError("molecule.frozen_core has no effect beside molecule.active_space; leave one of them out")

    @property
    def n_electrons(self) -> int:
        """Number of electrons, core included."""
        from pyscf.data.elements import ELEMENTS

        return sum(ELEMENTS.index(symbol) for symbol, _ in self.atoms) - self.charge

    def _check_distances(self) -> None:
        positions = np.array([position for _, position in self.atoms])
        for k in range(1, len(positions)):
            distances = np.linalg.norm(positions[:k] - positions[k], axis=1)
            if distances.min() < CLOSEST_ATOMS:
                raise InputError(
                    f"molecule {self.name}: atoms {int(distances.argmin()) + 1} and {k + 1} are "
                    f"{distances.min():.3g} angstrom apart (closest allowed: {CLOSEST_ATOMS})"
                )

    def _check_electrons(self, elements: list[str]) -> None:
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
        energy: SCF energy in hartree; the reference determinant of `electrons` has it too.
        scf: PySCF's mean-field object.
        removed: Orbitals of `scf` outside the active space, for its `frozen` arguments.

    """

    electrons: Electrons
    energy: float
    scf: Any
    removed: list[int]


def solve_mean_field(molecule: Molecule, memory_gib: float | None = None) -> MeanField:
    """Run RHF (closed shell) or ROHF (open shell) with point-group symmetry and cut out the active space.

    Args:
        molecule: Geometry, basis, charge, spin and active space.
        memory_gib: Refuse sectors that need more than this, default what is free.

    Returns:
        Electrons in molecular orbitals: doubly occupied, singly occupied, empty, each by orbital energy.

    Raises:
        InputError: The basis or the active space does not fit the molecule.
        ConvergenceError: SCF does not converge, by DIIS or at second order.

    """
    from pyscf import ao2mo, mcscf

    mol = _build(molecule)
    n_core, n_active, n_alpha, n_beta = _active_space(molecule, mol, int(mol.nao))
    check_memory(n_active, n_alpha, n_beta, memory_gib)
    method, energy = _converge(molecule, mol)
    order = np.lexsort((np.round(method.mo_energy, 9), -np.round(method.mo_occ)))
    active = order[n_core : n_core + n_active]
    orbitals = method.mo_coeff[:, order]
    cas = mcscf.CASCI(method, n_active, (n_alpha, n_beta), ncore=n_core)
    one_body, constant = cas.get_h1eff(orbitals)
    two_body = ao2mo.restore(1, np.asarray(cas.get_h2eff(orbitals)), n_active)
    symmetric = bool(mol.symmetry)
    irreps = np.asarray(method.get_orbsym(method.mo_coeff))[active] % 10 if symmetric else np.zeros(n_active)
    electrons = Electrons(
        one_body=one_body,
        two_body=two_body,
        constant=float(constant),
        n_alpha=n_alpha,
        n_beta=n_beta,
        irreps=irreps.astype(np.int64),
        group=str(mol.groupname) if symmetric else "C1",
        dipole=_dipole(mol, orbitals[:, :n_core], orbitals[:, n_core : n_core + n_active]),
    )
    if abs(electrons.reference_energy - energy) > 1e-7:  # hartree; a wrong core or orbital order costs 1e-2 and more
        raise ConvergenceError(
            f"the active-space Hamiltonian of {molecule.name} has the reference energy "
            f"{electrons.reference_energy:.8f} but SCF gave {energy:.8f}; please report this with the input"
        )
    removed = sorted(set(range(len(order))) - set(active.tolist()))
    return MeanField(electrons=electrons, energy=float(energy), scf=method, removed=removed)


def _dipole(mol: Any, core: Any, active: Any) -> Dipole:
    """The dipole operator on the active orbitals; nuclei and doubly filled core orbitals are fixed."""
    position = mol.intor_symmetric("int1e_r", comp=3)
    nuclei = mol.atom_charges() @ mol.atom_coords()
    return Dipole(
        fixed=nuclei - 2.0 * np.einsum("xij,ik,jk->x", position, core, core), position=active.T @ position @ active
    )


def _converge(molecule: Molecule, mol: Any) -> tuple[Any, float]:
    """PySCF's converged mean field and its energy: DIIS first, second order where that fails."""
    from pyscf import scf

    method = scf.RHF(mol) if molecule.spin == 0 else scf.ROHF(mol)
    method.conv_tol = 1e-12
    method.max_cycle = SCF_CYCLES
    try:
        energy = method.kernel()
        if not method.converged:
            method = method.newton()
            energy = method.kernel()
    except SINGULAR_DIIS as error:
        raise ConvergenceError(f"SCF of {molecule.name} failed: {error}; try another geometry or basis") from error
    if not method.converged:
        raise ConvergenceError(
            f"SCF of {molecule.name} did not converge, by DIIS or at second order; "
            f"try another molecule.spin, a shorter molecule.bond_length or a smaller molecule.basis"
        )
    return method, float(energy)


def check_memory(n_orbitals: int, n_alpha: int, n_beta: int, memory_gib: float | None = None) -> None:
    """Raise InputError where a sector's states would not fit into memory, before any is allocated.

    Args:
        n_orbitals: Number of spatial orbitals.
        n_alpha: Number of alpha electrons.
        n_beta: Number of beta electrons.
        memory_gib: Memory to stay within, default what is free now.

    """
    dimension = math.comb(n_orbitals, n_alpha) * math.comb(n_orbitals, n_beta)
    needed = 8 * (STATE_COPIES * dimension + INTEGRAL_COPIES * n_orbitals**4) / 2**30
    available = free_memory_gib() if memory_gib is None else memory_gib
    if needed > available:
        raise InputError(
            f"the sector of {n_alpha} alpha and {n_beta} beta electrons in {n_orbitals} orbitals has {dimension:.3g} "
            f"determinants and would take {needed:.3g} GiB ({available:.3g} GiB are free); choose a smaller "
            f"molecule.basis, molecule.active_space or molecule.frozen_core=true"
        )


def free_memory_gib() -> float:
    """Return the memory that is free now, in GiB."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return 8.0  # a common laptop, where the system does not tell
    return kib / 2**20


def _build(molecule: Molecule) -> Any:
    """PySCF's molecule; symbols and basis are checked first because PySCF opens files and evaluates text."""
    from pyscf import gto
    from pyscf.gto.basis import ALIAS
    from pyscf.lib.exceptions import BasisNotFoundError

    basis = re.sub(r"[-_ ]", "", molecule.basis.lower())
    known = {re.sub(r"[-_ ]", "", name.lower()): name for name in ALIAS}
    if basis not in known:
        close = difflib.get_close_matches(basis, known, n=3, cutoff=0.6)
        hint = (
            f"; did you mean {', '.join(known[name] for name in close)}?" if close else "; try sto-3g, 6-31g, cc-pvdz"
        )
        raise InputError(f"molecule.basis={molecule.basis}: PySCF has no such basis set{hint}")
    settings = {
        "atom": [(symbol, position) for symbol, position in molecule.atoms],
        "basis": basis,
        "charge": molecule.charge,
        "spin": molecule.spin,
        "verbose": 0,
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # PySCF suggests another package for an unknown basis
            mol = gto.M(symmetry=True, **settings)
        if mol.groupname == "SO3":  # atoms: irreps of the full rotation group do not multiply by exclusive or
            mol = gto.M(symmetry="D2h", **settings)
    except BasisNotFoundError as error:
        elements = ", ".join(sorted({symbol for symbol, _ in molecule.atoms}))
        raise InputError(
            f"molecule.basis={molecule.basis} does not cover {elements}: try sto-3g or def2-svp"
        ) from error
    except RuntimeError as error:
        raise InputError(f"molecule {molecule.name}: {str(error).splitlines()[0]}") from error
    return mol


def _active_space(molecule: Molecule, mol: Any, n_orbitals: int) -> tuple[int, int, int, int]:
    """Numbers of core and active orbitals, and of active alpha and beta electrons."""
    n_electrons, spin = mol.nelectron, molecule.spin
    if molecule.active_space is None:
        n_core = _core_orbitals(mol) if molecule.frozen_core else 0
        if molecule.frozen_core and not n_core:
            raise InputError(f"molecule.frozen_core=true has no effect: {molecule.name} has no core orbitals")
        n_core = min(n_core, (n_electrons - spin) // 2)
        n_active_electrons, n_active = n_electrons - 2 * n_core, n_orbitals - n_core
    else:
        n_active_electrons, n_active = molecule.active_space
        where = f"molecule.active_space=[{n_active_electrons},{n_active}]"
        if n_active_electrons > n_electrons or n_active > n_orbitals:
            raise InputError(
                f"{where} is larger than {molecule.name}, which has {n_electrons} electrons in {n_orbitals} orbitals"
            )
        if (n_electrons - n_active_electrons) % 2 or n_active_electrons < max(spin, 1):
            raise InputError(f"{where} must leave pairs of the {n_electrons} electrons (spin {spin}) in the core")
        n_core = (n_electrons - n_active_electrons) // 2
        if n_core + n_active > n_orbitals or (n_active_electrons + spin) // 2 > n_active:
            raise InputError(
                f"{where} does not fit: {n_core} core orbitals leave {n_orbitals - n_core} of {n_orbitals} orbitals, "
                f"and {n_active} orbitals hold at most {2 * n_active - spin} electrons of spin {spin}"
            )
    return n_core, n_active, (n_active_electrons + spin) // 2, (n_active_electrons - spin) // 2


def _core_orbitals(mol: Any) -> int:
    """Number of orbitals of the noble-gas cores; PySCF's own count leaves 1s of Li, Be and 2s 2p of Na, Mg out."""
    from pyscf.data.elements import chemcore_atm

    charges = [mol.atom_charge(k) for k in range(mol.natm)]
    return sum(max(chemcore_atm[z], (z > 2) + 4 * (z > 10)) for z in charges)


def correlated_energies(mean_field: MeanField) -> dict[str, float | None]:
    """Return MP2 and CCSD energies (hartree) in the active space, None where the method does not apply.

    MP2 is left out for open shells: ROHF orbitals are not canonical, and PySCF's formula would be wrong.
    """
    from pyscf import cc, mp

    electrons = mean_field.electrons
    if electrons.n_beta == 0 or electrons.n_alpha == electrons.n_orbitals:
        return {"mp2": None, "ccsd": None}  # no electron pair or no empty orbital: nothing to correlate
    frozen = mean_field.removed or None
    closed = electrons.n_alpha == electrons.n_beta
    with np.errstate(divide="ignore", invalid="ignore"):  # degenerate occupied and empty orbitals: MP2 is infinite
        mp2 = float(mp.MP2(mean_field.scf, frozen=frozen).run(verbose=0).e_tot) if closed else None
    if mp2 is not None and not math.isfinite(mp2):
        mp2 = None
    coupled_cluster = cc.CCSD(mean_field.scf, frozen=frozen)
    coupled_cluster.verbose = 0
    coupled_cluster.conv_tol = 1e-9
    try:
        coupled_cluster.kernel()
    except SINGULAR_DIIS:
        return {"mp2": mp2, "ccsd": None}
    return {"mp2": mp2, "ccsd": float(coupled_cluster.e_tot) if coupled_cluster.converged else None}


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
