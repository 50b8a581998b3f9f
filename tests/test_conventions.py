"""One test for each line of docs/conventions.md."""

import re
from dataclasses import replace
from pathlib import Path

import cirq
import numpy as np
import openfermion
import pytest
from conftest import GEOMETRIES
from dense_twin import anti_hermitian, dense_state, determinant, embed

from vqe_prune.ansatz.layered import hardware_efficient
from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.chemistry import Molecule, solve_mean_field
from vqe_prune.circuit import Gate, ansatz_gates, to_cirq
from vqe_prune.config import parse_settings
from vqe_prune.engine.determinants import Sector, interleaving_signs, occupation_strings
from vqe_prune.engine.sector import SectorEngine
from vqe_prune.engine.statevector import StatevectorEngine
from vqe_prune.fcidump import fcidump_text
from vqe_prune.lattice import chain
from vqe_prune.models import heisenberg
from vqe_prune.molecule_input import read_geometry
from vqe_prune.objective import sector_hamiltonian
from vqe_prune.orbitals import in_orbitals
from vqe_prune.paulis import QubitHamiltonian, product_state
from vqe_prune.problem import molecular_problem, problem_from_fcidump, qubit_hamiltonian
from vqe_prune.qubit_problem import model_problem


def engine(molecular, *rotations: Rotation) -> SectorEngine:
    used = {r.parameter for r in rotations} - {None}
    ansatz = Ansatz(name="test", rotations=rotations, n_parameters=len(used))
    return SectorEngine(hamiltonian=sector_hamiltonian(molecular("H2")), ansatz=ansatz)


def test_01_units(molecular) -> None:
    assert molecular("H2").energies["exact"] == pytest.approx(-1.1373, abs=1e-4)  # Szabo, Ostlund: hartree, 1.4 bohr
    assert read_geometry(parse_settings(["molecule=H2"]).molecule)[1][1][2] == 0.7414  # angstrom: 1.4 bohr
    turned = engine(molecular, Rotation(Excitation((2, 3), (0, 1)), 0)).state(np.array([np.pi / 2]))  # radian
    assert abs(turned[1, 1]) == pytest.approx(1.0)


def test_02_spin_orbitals_are_interleaved() -> None:
    assert Excitation((4,), (0,)).label == "0a -> 2a"
    assert Excitation((5,), (1,)).label == "0b -> 2b"
    one = openfermion.chem.molecular_data.spinorb_from_spatial(np.diag([1.0, 2.0]), np.zeros((2,) * 4))[0]
    assert np.diag(one).tolist() == [1.0, 1.0, 2.0, 2.0]


def test_03_qubit_zero_is_most_significant() -> None:
    full = to_cirq([Gate("x", (0,)), Gate("x", (1,)), Gate("x", (1,))]).final_state_vector()
    assert abs(full[0b10]) == pytest.approx(1.0, abs=1e-6)  # single precision
    assert determinant((0,), 2).argmax() == 0b10


def test_04_two_body_integrals_are_in_chemists_order(molecular) -> None:
    electrons = molecular("LiH").electrons
    h, g = electrons.one_body, electrons.two_body
    occupied = range(2)
    energy = electrons.constant + sum(2 * h[i, i] for i in occupied)
    energy += sum(2 * g[i, i, j, j] - g[i, j, j, i] for i in occupied for j in occupied)
    assert energy == pytest.approx(molecular("LiH").energies["hf"], abs=1e-8)


def test_05_excitations_and_their_sign(molecular) -> None:
    excitation = Excitation((4, 7), (0, 3))
    t = openfermion.FermionOperator("4^ 7^ 3 0")
    matrix = openfermion.get_sparse_operator(t - openfermion.hermitian_conjugated(t), 8)
    assert abs(matrix - anti_hermitian(excitation, 8)).max() == 0.0
    moved = engine(molecular, Rotation(Excitation((2,), (0,)), 0)).state(np.array([0.3]))
    assert moved[0, 0] == pytest.approx(np.cos(0.3))
    assert moved[1, 0] == pytest.approx(np.sin(0.3))  # exp(+angle (T - T^dagger))


def test_06_the_first_rotation_acts_first(molecular) -> None:
    up, pair = Rotation(Excitation((2,), (0,)), 0), Rotation(Excitation((2, 3), (0, 1)), 1)
    angles = np.array([np.pi / 2, np.pi / 2])
    assert abs(engine(molecular, up, pair).state(angles)[1, 0]) == pytest.approx(1.0)  # the pair is gone already
    other = engine(molecular, pair, up).state(angles)
    assert abs(other[0, 1]) == pytest.approx(1.0)  # both electrons up, then alpha down again


def test_07_angles_are_coefficient_times_parameter() -> None:
    single = Excitation((2,), (0,))
    ansatz = Ansatz(name="t", rotations=(Rotation(single, 0, -2.0), Rotation(single, None, 0.25)), n_parameters=1)
    assert ansatz.rotation_angles(np.array([0.5])).tolist() == [-1.0, 0.25]


def test_08_the_reference_fills_the_first_orbitals() -> None:
    radical = Molecule(name="OH", atoms=(("O", (0, 0, 0)), ("H", (0, 0, 0.97))), spin=1)
    mean_field = solve_mean_field(radical)
    assert (mean_field.electrons.n_alpha, mean_field.electrons.n_beta) == (5, 4)
    assert mean_field.electrons.reference_energy == pytest.approx(mean_field.energy, abs=1e-8)


def test_09_and_10_sector_states(molecular) -> None:
    assert occupation_strings(4, 2).tolist() == [0b0011, 0b0101, 0b0110, 0b1001, 0b1010, 0b1100]
    sector = Sector(n_orbitals=4, n_alpha=2, n_beta=2)
    signs = interleaving_signs(sector)
    assert signs[0, 0] == 1.0
    state = np.random.default_rng(1).normal(size=sector.shape)
    dense = embed(state, sector)
    for row, alpha in enumerate(sector.alpha_strings):
        for column, beta in enumerate(sector.beta_strings):
            filled = [2 * p for p in range(4) if alpha >> p & 1] + [2 * p + 1 for p in range(4) if beta >> p & 1]
            occupied = tuple(sorted(filled))
            assert dense @ determinant(occupied, 8) == pytest.approx(signs[row, column] * state[row, column])
    ansatz = Ansatz(name="t", rotations=(Rotation(Excitation((4, 7), (0, 3)), 0),), n_parameters=1)
    circuit = to_cirq(ansatz_gates(ansatz, np.array([0.4]), (0, 1, 2, 3)))
    vector = circuit.final_state_vector(qubit_order=sorted(circuit.all_qubits()), dtype=np.complex128)
    touched = sorted(q.x for q in circuit.all_qubits())
    assert touched == [0, 1, 2, 3, 4, 7]
    assert np.abs(vector).max() == pytest.approx(np.abs(dense_state(ansatz, np.array([0.4]), (0, 1, 2, 3), 8)).max())


def test_11_labels() -> None:
    assert Excitation((10, 11), (2, 3)).label == "1a 1b -> 5a 5b"


def test_12_spin_is_alpha_minus_beta() -> None:
    triplet = solve_mean_field(Molecule(name="O2", atoms=(("O", (0, 0, 0)), ("O", (0, 0, 1.2))), spin=2))
    assert triplet.electrons.n_alpha - triplet.electrons.n_beta == 2


def test_13_irreps_multiply_by_exclusive_or() -> None:
    from pyscf import symm

    mean_field = solve_mean_field(Molecule(name="H2O", atoms=GEOMETRIES["H2O"]))
    names = [symm.irrep_id2name("C2v", int(i)) for i in mean_field.electrons.irreps]
    assert set(names) == {"A1", "B1", "B2"}
    ids = {name: symm.irrep_name2id("C2v", name) for name in ("A1", "A2", "B1", "B2")}
    assert ids["B1"] ^ ids["B2"] == ids["A2"]
    assert ids["A2"] ^ ids["B1"] == ids["B2"]


def test_14_pauli_rotations_are_those_of_cirq() -> None:
    ansatz = hardware_efficient(2, 1, blocks=("x",), entangler="zz")
    angles = np.array([0.3, -0.7, 1.1])
    circuit = cirq.Circuit(
        cirq.rx(0.3).on(cirq.LineQubit(0)),
        cirq.rx(-0.7).on(cirq.LineQubit(1)),
        cirq.ZZPowGate(exponent=1.1 / np.pi, global_shift=-0.5).on(*cirq.LineQubit.range(2)),
    )
    nothing = QubitHamiltonian(n_qubits=2, terms=())
    state = StatevectorEngine(hamiltonian=nothing, ansatz=ansatz).state(angles)
    assert np.abs(state - circuit.final_state_vector(dtype=np.complex128)).max() < 1e-12


def test_15_models_are_in_pauli_matrices() -> None:
    """Two spins: J (XX + YY + ZZ) has the singlet at -3 J; with spins 1/2 it would be at -3/4 J."""
    assert model_problem(heisenberg(chain(2), j=2.0)).energies["exact"] == pytest.approx(-6.0, abs=1e-12)


def test_16_references_are_letters() -> None:
    state = product_state("1+-0")
    signs = {0b1000: 0.5, 0b1100: 0.5, 0b1010: -0.5, 0b1110: -0.5}
    assert [state[k].real for k in signs] == pytest.approx(list(signs.values()))
    assert np.linalg.norm(state) == pytest.approx(1.0)


def test_17_orbitals_are_columns() -> None:
    problem = molecular_problem(Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.6)))), exact=False)
    orbitals = np.eye(6)
    orbitals[:3, :3] = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]  # the first two change places
    orbitals[:, 0] *= -1.0
    one_body = in_orbitals(problem, orbitals).electrons.one_body
    assert one_body[0, 2] == pytest.approx(-problem.electrons.one_body[1, 2])


def test_18_listed_orbitals_count_from_1(tmp_path) -> None:
    water = Molecule(name="H2O", atoms=GEOMETRIES["H2O"])
    whole = solve_mean_field(water).electrons
    problem = molecular_problem(replace(water, active_orbitals=(5, 6)), exact=False)  # the last filled, the first empty
    np.testing.assert_allclose(problem.electrons.two_body, whole.two_body[4:6, 4:6, 4:6, 4:6], atol=1e-9)
    path = tmp_path / "H2O.fcidump"
    path.write_text(fcidump_text(whole))
    read = problem_from_fcidump(path, active_orbitals=(5, 6), exact=False)
    np.testing.assert_allclose(read.electrons.one_body, problem.electrons.one_body, atol=1e-9)


def test_every_line_has_its_test() -> None:
    lines = re.findall(r"^(\d+)\. ", (Path(__file__).parent.parent / "docs" / "conventions.md").read_text(), re.M)
    tested = re.findall(r"def test_(\d\d)(?:_and_(\d\d))?", Path(__file__).read_text())
    assert {int(n) for n in lines} == {int(n) for pair in tested for n in pair if n}
    assert openfermion.count_qubits(qubit_hamiltonian_of_h2()) == 4


def qubit_hamiltonian_of_h2():
    from vqe_prune.problem import molecular_problem

    return qubit_hamiltonian(molecular_problem(Molecule(name="H2", atoms=GEOMETRIES["H2"])))
