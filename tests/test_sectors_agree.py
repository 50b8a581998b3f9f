"""One ground energy by five ways: PySCF, qubits, tapered qubits, pairs and the sector engine, for many molecules.

Core orbitals are frozen and spaces are cut to six orbitals where all qubits would take more than a second a molecule:
what is compared is the encoding, not the basis.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import openfermion
import pytest
from pyscf import fci, gto, mcscf, scf
from scipy.sparse import coo_array
from scipy.sparse.linalg import eigsh
from test_encoding import energy, pairs_ansatz, state_of

import vqe_prune as vp
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.chemistry import Molecule
from vqe_prune.encoding import encode
from vqe_prune.linear_map import parity_rows
from vqe_prune.objective import energy_of, sector_hamiltonian
from vqe_prune.paulis import PauliString
from vqe_prune.problem import molecular_problem, qubit_hamiltonian, taper

SAME = 1e-8
"""Hartree: Davidson's and ARPACK's eigenvalues end within 1e-10, SCF of two programs within 1e-9."""

CASES = {
    "H2": {"atoms": "H 0 0 0; H 0 0 0.7414"},
    "HeH+": {"atoms": "He 0 0 0; H 0 0 0.774", "charge": 1},
    "LiH": {"atoms": "Li 0 0 0; H 0 0 1.595", "frozen_core": True},
    "LiH stretched": {"atoms": "Li 0 0 0; H 0 0 3.0", "frozen_core": True},
    "BeH2": {"atoms": "Be 0 0 0; H 0 0 1.33; H 0 0 -1.33", "active_space": (4, 5)},
    "H2O": {"atoms": "O 0 0 0; H 0.7586 0 0.5043; H -0.7586 0 0.5043", "active_space": (6, 5)},
    "OH": {"atoms": "O 0 0 0; H 0 0 0.97", "spin": 1, "frozen_core": True},
    "H4 square": {"atoms": "H 0 0 0; H 1.2 0 0; H 0 1.2 0; H 1.2 1.2 0"},
    "N2": {"atoms": "N 0 0 0; N 0 0 1.098", "active_space": (6, 6)},
    "N2 stretched": {"atoms": "N 0 0 0; N 0 0 1.8", "active_space": (6, 6)},
    "O2": {"atoms": "O 0 0 0; O 0 0 1.208", "spin": 2, "active_space": (8, 6)},
}


@functools.cache
def solved(name: str) -> tuple[dict, vp.Problem, Mapping[PauliString, complex]]:
    """The settings, the problem and its Jordan-Wigner terms."""
    fields = dict(CASES[name])
    rows = [row.split() for row in fields.pop("atoms").split(";")]
    atoms = tuple((row[0], tuple(float(x) for x in row[1:])) for row in rows)
    problem = molecular_problem(Molecule(name=name, atoms=atoms, **fields))
    return {"atoms": atoms, **fields}, problem, qubit_hamiltonian(problem).terms


def occupations(problem: vp.Problem) -> list[int]:
    """Bit q is spin orbital q: every determinant with the numbers of alpha and beta electrons."""
    n, (a, b) = problem.n_orbitals, problem.n_electrons
    strings = [int(x) for x in range(1 << n)]
    spread = {x: sum((x >> p & 1) << 2 * p for p in range(n)) for x in strings}
    return [spread[x] | spread[y] << 1 for x in strings if x.bit_count() == a for y in strings if y.bit_count() == b]


def lowest(terms: Mapping[PauliString, complex], states: Iterable[int]) -> float:
    """Lowest eigenvalue of a Pauli sum among basis states (bit q is qubit q) that it does not leave."""
    basis = np.sort(np.fromiter(states, dtype=np.int64))
    rows, columns, values = [], [], []
    for string, coefficient in terms.items():
        x = sum(1 << q for q, letter in string if letter != "Z")
        z = sum(1 << q for q, letter in string if letter != "X")
        images = basis ^ x
        places = np.searchsorted(basis, images).clip(max=len(basis) - 1)
        inside = basis[places] == images
        signs = 1 - 2 * (np.bitwise_count(basis & z).astype(np.int64) & 1)
        rows.append(places[inside])
        columns.append(np.flatnonzero(inside))
        values.append((coefficient * (1j ** ((x & z).bit_count())) * signs)[inside])
    matrix = coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(len(basis),) * 2
    ).tocsr()
    assert abs(matrix - matrix.conj().T).max() < 1e-12  # rounding
    if len(basis) <= 300:
        return float(np.linalg.eigvalsh(matrix.toarray())[0])
    start = np.random.default_rng(3).normal(size=len(basis))
    return float(eigsh(matrix.real.tocsr(), k=1, which="SA", v0=start, tol=1e-12)[0][0])


@pytest.mark.parametrize("name", CASES)
def test_pyscf_qubits_and_sector(name: str) -> None:
    fields, problem, terms = solved(name)
    mol = gto.M(
        atom=list(fields["atoms"]), charge=fields.get("charge", 0), spin=fields.get("spin", 0), symmetry=True, verbose=0
    )
    mean_field = (scf.ROHF if mol.spin else scf.RHF)(mol)
    mean_field.conv_tol = 1e-12
    mean_field.kernel()
    n, (a, b) = problem.n_orbitals, problem.n_electrons
    space = mcscf.CASCI(mean_field, n, (a, b))
    space.fcisolver = fci.direct_spin1.FCISolver()  # all irreps of the point group and all spins together
    space.fcisolver.conv_tol, space.fcisolver.nroots = 1e-12, 3
    exact = min(np.atleast_1d(space.kernel()[0]))
    assert problem.energies["exact"] == pytest.approx(exact, abs=SAME)

    inside = occupations(problem)
    assert lowest(terms, inside) == pytest.approx(exact, abs=SAME)
    hamiltonian = sector_hamiltonian(problem)
    whole = np.array([hamiltonian.apply(row.reshape(hamiltonian.sector.shape)).ravel()
                      for row in np.eye(hamiltonian.sector.dimension)])  # fmt: skip
    assert np.linalg.eigvalsh(whole)[0] + hamiltonian.constant == pytest.approx(exact, abs=SAME)


@pytest.mark.parametrize("name", ["H2", "HeH+", "H4 square"])
@pytest.mark.parametrize("mapping", ["parity", "bravyi_kitaev"])
def test_other_mappings_in_the_right_sector(name: str, mapping: str) -> None:
    """OpenFermion's own transforms, which take seconds for ten qubits; the states are those of the project's rows."""
    problem = solved(name)[1]
    n = problem.n_qubits
    if n > 8:
        pytest.skip(
            "OpenFermion takes seconds for a parity transform of ten qubits; the map of occupations is the same"
        )
    physicists = np.asarray(problem.electrons.two_body).transpose(0, 2, 3, 1)
    one, two = openfermion.chem.molecular_data.spinorb_from_spatial(np.asarray(problem.electrons.one_body), physicists)
    electrons = openfermion.get_fermion_operator(
        openfermion.InteractionOperator(problem.electrons.constant, one, 0.5 * two)
    )
    if mapping == "parity":
        operator = openfermion.binary_code_transform(electrons, openfermion.parity_code(n))
    else:
        operator = openfermion.bravyi_kitaev(electrons, n)
    rows = parity_rows(mapping, n)
    states = [sum(((row & x).bit_count() & 1) << q for q, row in enumerate(rows)) for x in occupations(problem)]
    assert lowest(operator.terms, states) == pytest.approx(problem.energies["exact"], abs=SAME)


@pytest.mark.parametrize("name", CASES)
def test_tapered_hamiltonian_holds_the_ground_state_of_the_reference_sector(name: str) -> None:
    """Tapering knows parities of electron numbers and irreps, not the numbers; of these no ion of two more is lower."""
    problem = solved(name)[1]
    tapered = taper(problem)
    n = openfermion.count_qubits(tapered)
    assert problem.n_qubits - n >= 2  # the parities of alpha and beta electrons at least
    exact = problem.energies["exact"]
    if problem.name == "H4 square":  # the ground state is of another irrep: the reference's sector is above it
        assert any("B1g" in text and "type excited=1" in text for text in problem.warnings)
        exact = _lowest_of_reference_irrep(problem)
        assert exact > problem.energies["exact"] + 0.1
    else:
        assert problem.warnings == ()
    assert lowest(tapered.terms, range(1 << n)) == pytest.approx(exact, abs=SAME)


def _lowest_of_reference_irrep(problem: vp.Problem) -> float:
    solver = fci.direct_spin1_symm.FCISolver()
    solver.conv_tol = 1e-12
    electrons = problem.electrons
    energy, _ = solver.kernel(
        electrons.one_body, electrons.two_body, problem.n_orbitals, problem.n_electrons,
        orbsym=electrons.irreps, wfnsym=0, ecore=electrons.constant,
    )  # fmt: skip
    return float(energy)


@pytest.mark.parametrize("name", CASES)
def test_encodings_of_one_state_have_one_energy(name: str) -> None:
    """The energy of UCCSD's circuit in each encoding is the sector engine's, at angles that are no optimum."""
    problem = solved(name)[1]
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    chosen = ansatz.rotations[:: max(1, len(ansatz.rotations) // 5)]
    rotations = tuple(replace(rotation, parameter=k) for k, rotation in enumerate(chosen))
    few = Ansatz(name="few", rotations=rotations, n_parameters=len(rotations))
    angles = np.random.default_rng(5).normal(scale=0.3, size=len(rotations))
    wanted, _ = energy_of(problem)(few).value_and_gradient(angles)
    for name in (
        "jordan_wigner",
        "parity",
        "bravyi_kitaev",
        "partial_pairs",
        "tapered_jordan_wigner",
        "tapered_parity",
    ):
        encoding = encode(problem, few, angles, name)
        assert energy(encoding, state_of(encoding)) == pytest.approx(wanted, abs=1e-10), name  # some hundred gates


@pytest.mark.parametrize("name", [name for name, fields in CASES.items() if "spin" not in fields])
def test_pairs_have_the_energy_of_the_same_state_on_spin_orbitals(name: str) -> None:
    """Where every electron has a partner: pairs moved by some angles, and the lowest seniority-zero state."""
    _, problem, terms = solved(name)
    ansatz = pairs_ansatz(problem.n_orbitals, problem.n_electrons[0], extra=False)
    angles = np.random.default_rng(6).normal(scale=0.4, size=ansatz.n_parameters)
    wanted, _ = energy_of(problem)(ansatz).value_and_gradient(angles)
    for each in ("pairs", "jordan_wigner"):
        encoding = encode(problem, ansatz, angles, each)
        assert energy(encoding, state_of(encoding)) == pytest.approx(wanted, abs=1e-10), each
    pairs = encode(problem, ansatz, angles, "pairs")
    assert pairs.n_qubits == problem.n_orbitals
    n, filled = problem.n_orbitals, problem.n_electrons[0]
    alone = {string: c for c, string in pairs.hamiltonian.terms} | {(): pairs.hamiltonian.constant}
    in_pairs = lowest(alone, [x for x in range(1 << n) if x.bit_count() == filled])
    doubled = [sum(3 << 2 * p for p in range(n) if x >> p & 1) for x in range(1 << n) if x.bit_count() == filled]
    assert in_pairs == pytest.approx(lowest(terms, doubled), abs=1e-10)
    assert in_pairs >= problem.energies["exact"] - SAME
