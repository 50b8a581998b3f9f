"""Hardware-efficient ansätze of molecules: compressed more than ten times at the same energy, electrons counted."""

from functools import cache

import numpy as np
import openfermion
import pytest
from conftest import GEOMETRIES

import vqe_prune as vp
from vqe_prune.ansatz.layered import connected_pairs
from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.chemistry import Molecule
from vqe_prune.objective import QubitEnergyObjective, energy_of
from vqe_prune.optimize import Optimum, StopReason
from vqe_prune.paulis import PauliSum
from vqe_prune.problem import molecular_problem
from vqe_prune.prune import eqntk
from vqe_prune.prune.elimination import eliminate
from vqe_prune.prune.eqntk import symmetric_passes
from vqe_prune.prune.passes import broken_symmetry, couplings
from vqe_prune.qubit_problem import QubitProblem, molecular_qubit_problem
from vqe_prune.score.curvature import deletion_costs


@cache
def lih(n_orbitals: int) -> QubitProblem:
    molecule = Molecule(name="LiH", atoms=GEOMETRIES["LiH"], active_space=(2, n_orbitals))
    return molecular_qubit_problem(molecular_problem(molecule, exact=False))


def on_line(problem: QubitProblem, connectivity: str, layers: int) -> Ansatz:
    pairs = connected_pairs(connectivity, problem.n_qubits)
    return vp.hardware_efficient(problem.n_qubits, layers, pairs=pairs)


@pytest.mark.parametrize("connectivity", ["circular", "full"])
def test_lih_is_compressed_ten_times_and_keeps_its_electrons(connectivity: str) -> None:
    problem = lih(2)
    full = on_line(problem, connectivity, 12)
    pruning = vp.prune_ansatz(
        problem, full, rules=["eqntk", "curvature"], limits=vp.Limits(tolerance=1e-6), training=vp.Training(n_seeds=4)
    )
    final = pruning.final
    assert full.n_parameters >= 10 * final.ansatz.n_parameters
    assert final.optimum.value <= pruning.stages[0].optimum.value + 1e-6
    psi = energy_of(problem)(final.ansatz).engine.state(final.optimum.angles)
    hamiltonian = openfermion.QubitOperator()
    for coefficient, string in problem.hamiltonian.terms:
        hamiltonian += openfermion.QubitOperator(string, coefficient)
    lowest = np.linalg.eigvalsh(openfermion.get_sparse_operator(hamiltonian, 4).toarray())
    matrix = openfermion.get_sparse_operator(hamiltonian, 4)
    energy = float(np.vdot(psi, matrix @ psi).real)
    assert energy + problem.hamiltonian.constant == pytest.approx(final.optimum.value, abs=1e-10)
    assert energy > lowest[0] - 1e-10
    counts = np.array([bin(k).count("1") for k in range(16)])
    weights = np.abs(psi) ** 2
    assert weights @ counts == pytest.approx(2.0, abs=1e-10)  # 16 amplitudes in double precision
    assert weights @ counts**2 == pytest.approx(4.0, abs=1e-10)  # no other number of electrons mixes in
    spin = openfermion.get_sparse_operator(openfermion.s_squared_operator(2), n_qubits=4)
    assert np.vdot(psi, spin @ psi).real == pytest.approx(0.0, abs=1e-3)  # the energy's 1e-6 allows its root


@pytest.mark.parametrize(("connectivity", "n_orbitals"), [("linear", 2), ("circular", 2), ("circular", 3)])
def test_sparsely_connected_entanglers_get_every_move_they_need(connectivity: str, n_orbitals: int) -> None:
    """Before, moves went to pairs of qubits without an entangler, and hops over a qubit had no place at all."""
    problem = lih(n_orbitals)
    ansatz = on_line(problem, connectivity, 4)
    passes, notes = symmetric_passes(problem, ansatz)
    assert next(each.name for each in passes) == "structure"
    assert notes == []
    pairs = {tuple(sorted(pair)) for pair in connected_pairs(connectivity, problem.n_qubits)}
    for option in couplings(problem, ansatz)[2:]:
        moved = {pair: gate for pair, gate in option.items() if len(gate.qubits) > 2}
        assert moved.keys() <= pairs
    kept = passes[-1].ansatz.rotations
    assert all(broken_symmetry(each.generator, problem.symmetries.register_wide) is None for each in kept)


def test_a_refused_symmetry_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without couplings to replace them by, gates that change the number of electrons must stay; the user is told."""
    monkeypatch.setattr(eqntk, "couplings", lambda problem, ansatz: [])
    passes, notes = symmetric_passes(lih(2), on_line(lih(2), "circular", 4))
    assert passes == []
    assert [note for note in notes if "no gate is removed by symmetry: " in note and "cannot reach" in note]


def test_of_free_parameters_the_most_entangling_goes_first() -> None:
    """Z0 Z1, Z0 and Z1 only multiply |00> by a phase, so all three are free; the coupling is the expensive one."""
    problem = vp.model_problem(vp.transverse_field_ising(vp.chain(2)), reference="00")
    strings = [((0, "Z"),), ((0, "Z"), (1, "Z")), ((1, "Z"),), ((0, "X"),)]
    ansatz = Ansatz(
        name="own",
        rotations=tuple(Rotation(PauliSum(((0.5, string),)), k) for k, string in enumerate(strings)),
        n_parameters=4,
    )

    def bind(smaller: Ansatz) -> QubitEnergyObjective:
        return QubitEnergyObjective(problem.hamiltonian, smaller, problem.reference_state)

    angles = np.array([0.1, 0.3, 0.2, -np.pi / 2])
    value, gradient = bind(ansatz).value_and_gradient(angles)
    optimum = Optimum(
        angles=angles, value=value, gradient=float(np.abs(gradient).max()), steps=0, reason=StopReason.GRADIENT
    )

    def order(free: float) -> list[int | None]:
        path = eliminate(bind, ansatz, optimum, lambda _, x, inverse: deletion_costs(x, inverse), free=free,
                         enough=lambda point: len(point.kept) == 1)  # fmt: skip
        return [gone for point in path[1:] for gone in point.removed]

    assert order(1e-6)[0] == 1
    assert order(0.0)[0] == 0
