"""Orbital rotations: the same as rotated integrals, found together with the angles, absorbed exactly."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyscf import gto, mcscf, scf
from scipy.linalg import expm

import vqe_prune as vp
from vqe_prune import config
from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.fcidump import fcidump_text
from vqe_prune.objective import energy_of
from vqe_prune.orbitals import (
    TREATMENTS,
    in_orbitals,
    orbital_matrix,
    orbital_pairs,
    rotated_electrons,
    state_in_old_orbitals,
    with_orbital_rotations,
)
from vqe_prune.prune.absorption import absorption_plan, steps_of
from vqe_prune.prune.plan import Action, apply_plan, carry_angles
from vqe_prune.study import run

LIH = (("Li", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.595)))
SINGLE, PAIR = ((4,), (2,)), ((10, 11), (2, 3))


@pytest.fixture(scope="module")
def lih() -> vp.Problem:
    return vp.molecular_problem(vp.Molecule(name="LiH", atoms=LIH))


@pytest.fixture(scope="module")
def lih_ansatz(lih: vp.Problem) -> Ansatz:
    return vp.uccsd(lih.n_orbitals, *lih.n_electrons)


def error(problem: vp.Problem, energy: float) -> float:
    assert problem.energies["exact"] is not None
    return 1e3 * (energy - problem.energies["exact"])


def circuit(*generators: tuple[tuple[int, ...], tuple[int, ...]], parameters: list[int]) -> Ansatz:
    rotations = tuple(Rotation(Excitation(*g), k) for g, k in zip(generators, parameters, strict=True))
    return Ansatz(name="test", rotations=rotations, n_parameters=max(parameters) + 1)


def test_orbital_matrix_is_the_exponential_of_each_rotation_in_turn() -> None:
    pairs, angles = [(0, 2), (1, 2), (0, 1)], [0.3, -1.1, 2.0]
    expected = np.eye(3)
    for (p, q), x in zip(pairs, angles, strict=True):
        kappa = np.zeros((3, 3))
        kappa[q, p], kappa[p, q] = x, -x
        expected = expm(kappa) @ expected
    np.testing.assert_allclose(orbital_matrix(3, pairs, angles), expected, atol=1e-14)


def test_rotations_behind_a_circuit_are_rotated_integrals(lih: vp.Problem, lih_ansatz: Ansatz) -> None:
    rng = np.random.default_rng(3)
    pairs = orbital_pairs(lih.electrons)
    assert pairs == ((0, 1), (0, 2), (0, 5), (1, 2), (1, 5), (2, 5))  # the sigma orbitals; the two pi have no partner
    angles, turns = 0.1 * rng.normal(size=lih_ansatz.n_parameters), rng.normal(size=len(pairs))
    behind = energy_of(lih)(with_orbital_rotations(lih_ansatz, pairs))
    together = np.append(angles, turns)
    orbitals = orbital_matrix(lih.n_orbitals, pairs, turns)
    rotated = energy_of(in_orbitals(lih, orbitals))(lih_ansatz)
    # rounding of a sum over 225 determinants
    assert abs(behind.value_and_gradient(together)[0] - rotated.value_and_gradient(angles)[0]) < 1e-12
    back = state_in_old_orbitals(rotated.engine.state(angles).real, lih.electrons, orbitals)
    np.testing.assert_allclose(back, behind.engine.state(together), atol=1e-13)


def test_rotated_electrons_have_the_same_exact_energy(lih: vp.Problem) -> None:
    pairs = orbital_pairs(lih.electrons)
    orbitals = orbital_matrix(6, pairs, np.random.default_rng(5).normal(size=len(pairs)))
    turned = rotated_electrons(lih.electrons, orbitals)
    assert turned.reference_energy > lih.electrons.reference_energy + 0.1  # another determinant
    own = vp.problem_from_integrals(turned.one_body, turned.two_body, (2, 2), constant=turned.constant)
    assert abs((own.energies["exact"] or 0.0) - (lih.energies["exact"] or 0.0)) < 1e-9  # Davidson's tolerance
    with pytest.raises(ValueError, match="orthogonal"):
        rotated_electrons(lih.electrons, 1.01 * orbitals)
    with pytest.raises(vp.InputError, match="irreps"):
        rotated_electrons(lih.electrons, orbital_matrix(6, [(2, 3)], [0.5]))  # sigma with pi


def test_one_pair_in_optimised_orbitals_is_casscf_2_2(lih: vp.Problem, lih_ansatz: Ansatz) -> None:
    pruning = vp.prune_ansatz(lih, lih_ansatz, orbitals="optimise", limits=vp.Limits(parameters=1))
    assert [r.generator.label for r in pruning.final.ansatz.rotations] == ["1a 1b -> 5a 5b"]
    mol = gto.M(atom=list(LIH), basis="sto-3g", verbose=0)
    casscf = mcscf.CASSCF(scf.RHF(mol).run(conv_tol=1e-12), 2, 2)
    casscf.conv_tol, casscf.conv_tol_grad = 1e-12, 1e-7
    bonding = casscf.sort_mo([2, 6])  # sigma and sigma*, counted from 1: where the pair goes
    assert abs(pruning.final.optimum.value - casscf.kernel(bonding)[0]) < 1e-8  # both gradients are below 1e-7
    assert error(lih, pruning.final.optimum.value) < 1.594


def test_lih_needs_one_and_two_parameters_in_optimised_orbitals(lih: vp.Problem, lih_ansatz: Ansatz) -> None:
    for bound, expected in ((1.594, 1), (0.25, 2)):
        pruning = vp.prune_ansatz(lih, lih_ansatz, orbitals="optimise", limits=vp.Limits(tolerance=1e-3 * bound))
        assert pruning.final.ansatz.n_parameters == expected
        assert error(lih, pruning.final.optimum.value) <= bound
        assert [stage.name for stage in pruning.stages] == ["full", "symmetry", "orbitals", "curvature"]
        assert any("hamiltonian.fcidump" in note for note in pruning.notes)
        rebound = energy_of(pruning.final_problem)(pruning.final.ansatz)
        value, gradient = rebound.value_and_gradient(pruning.final.optimum.angles)
        assert abs(value - pruning.final.optimum.value) < 1e-11
        assert np.abs(gradient).max() < 1e-6  # the optimiser's 1e-7, in other coordinates
        assert abs(pruning.certificate.measured_increase) <= pruning.certificate.bound


def test_free_orbitals_never_need_more_parameters_than_fixed_ones() -> None:
    # second order promises 0.11 mHa for a deletion that costs 1.65: without trials BeH2 would end with 9 parameters
    atoms = (("Be", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 1.33)), ("H", (0.0, 0.0, -1.33)))
    problem = vp.molecular_problem(vp.Molecule(name="BeH2", atoms=atoms))
    ansatz = vp.uccsd(problem.n_orbitals, *problem.n_electrons)
    paths = [vp.prune_ansatz(problem, ansatz, orbitals=orbitals).path for orbitals in ("fixed", "optimise")]
    fixed, free = ({len(point.kept): point.value for point in path} for path in paths)
    for n in range(1, 21):
        least = min(value for k, value in free.items() if k <= n)
        assert least <= min(value for k, value in fixed.items() if k <= n) + 1e-8, n
    assert error(problem, free[7]) < 0.8


def test_absorption_takes_singles_at_the_end_only(lih: vp.Problem) -> None:
    mirror = ((5,), (3,))
    after = circuit(PAIR, SINGLE, mirror, parameters=[0, 1, 1])
    angles = np.array([-0.2, 0.4])
    plan, orbitals = absorption_plan(after, angles, 6)
    assert [each.action for each in plan.decisions] == [Action.KEEP, Action.ABSORB, Action.ABSORB]
    before = energy_of(lih)(after).value_and_gradient(angles)[0]
    left = energy_of(in_orbitals(lih, orbitals))(apply_plan(plan, after))
    assert abs(left.value_and_gradient(carry_angles(plan, after, angles))[0] - before) < 1e-12
    in_front = circuit(SINGLE, mirror, PAIR, parameters=[1, 1, 0])
    assert absorption_plan(in_front, angles, 6)[0].survivors == [0, 1, 2]  # the pair does not commute with them
    apart = circuit(SINGLE, mirror, ((8, 9), (0, 1)), parameters=[1, 1, 0])
    assert absorption_plan(apart, angles, 6)[0].survivors == [2]  # this one does


def test_absorption_needs_alpha_and_beta_alike() -> None:
    angles = np.array([-0.2, 0.4])
    alone = circuit(PAIR, SINGLE, parameters=[0, 1])
    assert len(absorption_plan(alone, angles, 6)[0].survivors) == 2
    other = circuit(PAIR, SINGLE, ((11,), (3,)), parameters=[0, 1, 1])
    assert len(absorption_plan(other, angles, 6)[0].survivors) == 3
    uneven = circuit(PAIR, SINGLE, ((5,), (3,)), parameters=[0, 1, 1])
    uneven = replace(uneven, rotations=(*uneven.rotations[:2], replace(uneven.rotations[2], coefficient=1.01)))
    assert len(absorption_plan(uneven, angles, 6)[0].survivors) == 3
    crossed = circuit(SINGLE, ((6,), (4,)), ((7,), (5,)), ((5,), (3,)), parameters=[0, 1, 1, 0])
    assert len(absorption_plan(crossed, angles, 6)[0].survivors) == 4  # alpha and beta turn in different orders


def test_absorbing_in_a_study_keeps_the_energy(lih: vp.Problem) -> None:
    ansatz = circuit(PAIR, SINGLE, ((5,), (3,)), parameters=[0, 1, 1])
    limits = vp.Limits(parameters=2)
    kept, absorbed = (
        vp.prune_ansatz(lih, ansatz, rules=["curvature"], orbitals=o, limits=limits) for o in ("fixed", "absorb")
    )
    assert [stage.name for stage in absorbed.stages] == ["full", "curvature", "absorb"]
    assert (absorbed.final.ansatz.n_parameters, kept.final.ansatz.n_parameters) == (1, 2)
    assert [each.action.value for each in absorbed.plan.decisions] == ["keep", "absorb", "absorb"]
    value, _ = energy_of(absorbed.final_problem)(absorbed.final.ansatz).value_and_gradient(
        absorbed.final.optimum.angles
    )
    assert abs(value - kept.final.optimum.value) < 1e-10  # alpha and beta differ by the optimiser's 1e-6, squared


def test_steps_of_a_pruning() -> None:
    assert steps_of(["symmetry", "curvature"], "fixed") == ["symmetry", "curvature"]
    assert steps_of(["symmetry", "lie"], "absorb") == ["symmetry", "lie", "absorb"]
    assert steps_of(["symmetry", "lie"], "optimise") == ["symmetry", "orbitals", "lie", "absorb"]
    assert steps_of(["curvature"], "optimise") == ["orbitals", "curvature", "absorb"]
    assert TREATMENTS == config.TREATMENTS


def test_what_has_no_effect_is_refused(lih: vp.Problem, lih_ansatz: Ansatz) -> None:
    with pytest.raises(vp.InputError, match="did you mean optimise"):
        vp.prune_ansatz(lih, lih_ansatz, orbitals="optimize")
    model = vp.model_problem(vp.transverse_field_ising(vp.ring(3), j=1.0, h=1.0))
    with pytest.raises(vp.InputError, match="of qubits"):
        vp.prune_ansatz(model, vp.qaoa(model.hamiltonian, 1), orbitals="optimise")
    h2 = vp.molecular_problem(vp.Molecule(name="H2", atoms=(("H", (0, 0, 0)), ("H", (0, 0, 0.74)))))
    with pytest.raises(vp.InputError, match="no two of the 2 orbitals of H2 share an irrep"):
        vp.prune_ansatz(h2, vp.uccsd(2, 1, 1), orbitals="optimise")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pruner.orbitals=optimize"], "unknown pruner.orbitals=optimize; did you mean optimise"),
        (["model=tfim", "pruner.orbitals=absorb"], "is for ansatz=uccsd"),
        (["pruner=symmetry", "pruner.orbitals=absorb"], "no effect with pruner=symmetry"),
    ],
)
def test_settings_without_effect_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(vp.InputError, match=message):
        config.parse_settings(arguments)


def test_a_study_writes_the_hamiltonian_of_its_orbitals(tmp_path: Path) -> None:
    arguments = ["molecule=H4", "pruner.orbitals=optimise", f"output_dir={tmp_path}/run"]
    record = run(config.parse_settings(arguments), write=lambda text: None)
    again = run(config.parse_settings(arguments), write=lambda text: None)
    assert again.stages == record.stages  # read back with its orbitals
    orbitals = np.array(record.stages[-1]["orbitals"])
    np.testing.assert_allclose(orbitals.T @ orbitals, np.eye(4), atol=1e-12)
    assert abs(record.qsim["difference"] or 0.0) < 1e-6  # single precision
    arrays = np.load(tmp_path / "run" / "angles.npz")
    np.testing.assert_array_equal(arrays["orbitals"], orbitals)
    read = vp.problem_from_fcidump(tmp_path / "run" / "hamiltonian.fcidump", exact=False, keep_order=True)
    excitations = [Excitation(*map(tuple, json.loads(text))) for text in arrays["rotations"]]
    rows = zip(excitations, arrays["parameters"].tolist(), arrays["coefficients"].tolist(), strict=True)
    rotations = tuple(Rotation(*row) for row in rows)
    ansatz = Ansatz(name="read", rotations=rotations, n_parameters=len(arrays["curvature_angles"]))
    value, _ = energy_of(read)(ansatz).value_and_gradient(arrays["curvature_angles"])
    assert abs(value - record.stages[-1]["energy"]) < 1e-10  # 17 digits are kept
    text = (tmp_path / "run" / "record.json").read_text()
    assert record.stages[-1]["encoding"] != "pairs"  # four electrons of H4 need more than pairs
    (tmp_path / "run" / "record.json").write_text(text.replace('"orbitals": [', '"orbitals": [1, '))
    with pytest.raises(vp.InputError, match="square matrix"):
        vp.read_record(tmp_path / "run")


def test_a_circuit_of_pairs_is_counted_checked_and_written_as_one(tmp_path: Path) -> None:
    common = ["molecule=LiH", "molecule.frozen_core=true", "pruner.orbitals=optimise", "pruner.tolerance=2.5e-4"]
    run(config.parse_settings([*common, f"output_dir={tmp_path}/run"]), write=lambda text: None)
    record = vp.read_record(tmp_path / "run")
    last = record.stages[-1]
    assert (last["encoding"], last["wires"]) == ("pairs", "0ab 2ab 3ab 4ab")
    assert (last["n_parameters"], last["n_two_qubit_gates"], last["n_qubits"]) == (2, 5, 4)
    assert abs(record.qsim["difference"] or 0.0) < 1e-6  # on the Hamiltonian of pairs, in single precision
    assert "qreg q[4];" in (tmp_path / "run" / "circuit.qasm").read_text()
    spread = run(
        config.parse_settings([*common, "encoding=jordan_wigner", f"output_dir={tmp_path}/spread"]),
        write=lambda text: None,
    )
    last = spread.stages[-1]
    assert (last["n_two_qubit_gates"], last["encoding"], last["n_qubits"]) == (11, "jordan_wigner", 8)
    for arguments in (["encoding=pairs"], ["model=tfim", "encoding=auto"]):
        with pytest.raises(vp.InputError, match="encoding="):
            config.parse_settings(arguments)


def test_fcidump_text_reads_back(lih: vp.Problem, tmp_path: Path) -> None:
    (tmp_path / "lih.fcidump").write_text(fcidump_text(lih.electrons))
    read = vp.problem_from_fcidump(tmp_path / "lih.fcidump", exact=False)
    np.testing.assert_allclose(read.electrons.two_body, lih.electrons.two_body, atol=1e-14)
    np.testing.assert_allclose(read.electrons.one_body, lih.electrons.one_body, atol=1e-14)
    assert read.electrons.irreps.tolist() == lih.electrons.irreps.tolist()
    assert read.n_electrons == (2, 2)
    assert abs(read.electrons.constant - lih.electrons.constant) < 1e-12
