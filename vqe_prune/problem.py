"""The problem of a study: a Hamiltonian in its sector, its symmetries and the energies to compare with."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vqe_prune import chemistry
from vqe_prune.chemistry import Molecule
from vqe_prune.electrons import FORBIDDEN, Electrons, forbidden_noise
from vqe_prune.errors import InputError
from vqe_prune.symmetry import SignedPermutation, pauli_symmetries, spin_orbital_symmetries, terms_of
from vqe_prune.units import HARTREE

if TYPE_CHECKING:
    from openfermion import QubitOperator


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """A ground-state problem.

    Attributes:
        name: Name for printing and for the output folder.
        electrons: Hamiltonian, electron numbers and orbital irreps.
        symmetries: Signed permutations of spin orbitals that keep Hamiltonian and reference.
        energies: ``hf``, ``mp2``, ``ccsd`` and ``exact`` in hartree, None where not computed.
        molecule: What it was made from, None for a user's own integrals.
        dipoles: Dipole moments in debye (x, y, z) of the reference (``hf``) and of the ground state (``exact``), where
            they are known.
        warnings: What the user must know about this problem, in words.

    """

    name: str
    electrons: Electrons
    symmetries: tuple[SignedPermutation, ...]
    energies: Mapping[str, float | None]
    molecule: Molecule | None = None
    dipoles: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = field(default=())

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
    mean_field = chemistry.solve_mean_field(molecule, memory_gib)
    energies = {"hf": mean_field.energy, **chemistry.correlated_energies(mean_field)}
    return _assemble(molecule.name, mean_field.electrons, energies, exact, molecule)


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
    return _assemble(name, electrons, energies, exact, None)


def problem_from_fcidump(path: str | Path, *, exact: bool = True, memory_gib: float | None = None) -> Problem:
    """Set up the problem of an FCIDUMP file; orbitals must be in the reference's order.

    Args:
        path: The file.
        exact: Compute the exact energy.
        memory_gib: Refuse sectors that need more than this, default what is free.

    Raises:
        InputError: The file cannot be read as an FCIDUMP.

    """
    from pyscf import ao2mo
    from pyscf.tools import fcidump

    try:
        content = fcidump.read(str(path), verbose=False)
        n, electrons, spin = int(content["NORB"]), int(content["NELEC"]), int(content.get("MS2", 0))
        two_body = ao2mo.restore(1, np.asarray(content["H2"]), n)
        one_body = np.asarray(content["H1"])
        labels = np.asarray(content.get("ORBSYM") or np.zeros(n), dtype=np.int64)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (KeyError, ValueError, IndexError, TypeError, AttributeError, RuntimeError, MemoryError) as error:
        raise InputError(f"{path}: not an FCIDUMP file with real integrals ({type(error).__name__})") from error
    return problem_from_integrals(
        one_body,
        two_body,
        ((electrons + spin) // 2, (electrons - spin) // 2),
        constant=float(content.get("ECORE", 0.0)),
        irreps=_fitting_irreps(one_body, two_body, labels),
        name=Path(path).stem,
        exact=exact,
        memory_gib=memory_gib,
    )


def fcidump_text(problem: Problem) -> str:
    """Return a problem's integrals as the text of an FCIDUMP file, which `problem_from_fcidump` reads back."""
    from pyscf.tools import fcidump

    electrons = problem.electrons
    with tempfile.TemporaryDirectory() as folder:  # PySCF writes to names only
        path = Path(folder) / "fcidump"
        fcidump.from_integrals(
            str(path),
            electrons.one_body,
            electrons.two_body,
            electrons.n_orbitals,
            electrons.n_alpha + electrons.n_beta,
            nuc=electrons.constant,
            ms=electrons.n_alpha - electrons.n_beta,
            orbsym=electrons.irreps.tolist(),
            tol=1e-14,
            float_format=" %.17g",
        )
        return path.read_text()


def _fitting_irreps(
    one_body: NDArray[np.float64], two_body: NDArray[np.float64], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Irreps from the labels of a file, which count from 0 (PySCF) or from 1 (MOLPRO); all zero where neither fits."""
    for irreps in (labels % 10, labels - 1):
        if irreps.shape == (len(one_body),) and irreps.min() >= 0:
            if forbidden_noise(one_body, two_body, irreps) < FORBIDDEN:
                return irreps
    return np.zeros(len(one_body), dtype=np.int64)


def _assemble(
    name: str, electrons: Electrons, energies: dict[str, float | None], exact: bool, molecule: Molecule | None
) -> Problem:
    warnings, densities = [], {"hf": _reference_density(electrons)}
    energies["exact"] = None
    if exact:
        state = chemistry.exact_ground_state(electrons)
        energies["exact"], densities["exact"] = state.energy, state.density
        spin = (electrons.n_alpha - electrons.n_beta) / 2
        excess = state.reference_irrep_energy - state.energy
        if excess > 1e-6:  # hartree; far above the exact solver's 1e-9
            warnings.append(
                f"the ground state is in another symmetry sector than the reference: an ansatz that keeps the "
                f"reference's symmetry stays {1e3 * excess:.3f} mHa above it; try another molecule.spin"
            )
        if state.spin_squared > spin * (spin + 1) + 0.1:
            total = round(2 * (-0.5 + np.sqrt(0.25 + state.spin_squared)))
            warnings.append(
                f"the exact state has <S^2> = {state.spin_squared:.2f}, more than the reference's "
                f"{spin * (spin + 1):.2f}: try molecule.spin={total}"
            )
    return Problem(
        name=name,
        electrons=electrons,
        symmetries=spin_orbital_symmetries(electrons),
        energies=energies,
        molecule=molecule,
        dipoles={} if electrons.dipole is None else {k: electrons.dipole.moment(d) for k, d in densities.items()},
        warnings=tuple(warnings),
    )


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
