"""Nuclear gradients against finite differences and PySCF's CASCI, geometries, and states of other irreps."""

from dataclasses import replace

import numpy as np
import pytest
from pyscf import mcscf
from test_report import make_record

from vqe_prune import geometry
from vqe_prune.__main__ import main
from vqe_prune.alignment import align_problems, align_with
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.chemistry import Molecule, solve_mean_field
from vqe_prune.errors import InputError
from vqe_prune.forces import nuclear_gradient
from vqe_prune.geometry import BOHR, GeometryStep, optimise_geometry
from vqe_prune.objective import energy_of
from vqe_prune.optimize import minimize
from vqe_prune.orbitals import in_orbitals, orbital_pairs, with_orbital_rotations
from vqe_prune.other_states import state_problem
from vqe_prune.problem import molecular_problem, problem_from_integrals
from vqe_prune.prune.pruning import prune_ansatz
from vqe_prune.reference_irrep import irrep_name
from vqe_prune.report import read_record, summary, write_record


def lih(bond: float, **settings) -> Molecule:
    return Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, bond))), **settings)


def h3(bond: float) -> Molecule:
    return Molecule(name="H3", atoms=(("H", (0, 0, -1.0)), ("H", (0, 0, 0)), ("H", (0, 0, bond))), spin=1)


CASES = {
    "all electrons": (lih, 1.7, {}, "fixed"),
    "frozen core, orbitals that follow": (lih, 1.7, {"frozen_core": True}, "optimise"),
    "listed orbitals": (lih, 1.7, {"active_orbitals": (2, 3, 6)}, "fixed"),
    "open shell, orbitals that follow": (h3, 1.1, {}, "optimise"),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_finite_differences(name: str) -> None:
    """The ansatz is held, its angles (and orbitals that follow) are optimised again at both displaced geometries."""
    make, where, settings, orbitals = CASES[name]
    problem = molecular_problem(make(where, **settings), exact=False)
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    pruning = prune_ansatz(problem, ansatz, orbitals=orbitals, gradient_tolerance=1e-9)
    final = pruning.final
    gradient = nuclear_gradient(problem, final.ansatz, final.optimum.angles, orbitals=final.orbitals)
    energies, step = [], 1e-3
    for sign in (1, -1):
        other = molecular_problem(make(where + sign * step, **settings), exact=False)
        turned = in_orbitals(align_problems([problem, other])[1], final.orbitals)
        pairs = orbital_pairs(turned.electrons) if orbitals == "optimise" else ()
        objective = energy_of(turned)(with_orbital_rotations(final.ansatz, pairs))
        start = np.append(final.optimum.angles, np.zeros(len(pairs)))
        energies.append(minimize(objective, start, gradient_tolerance=1e-9).value)
    numerical = (energies[0] - energies[1]) / (2.0 * step) * BOHR
    assert gradient[-1, 2] == pytest.approx(numerical, abs=1e-6)  # third derivative times the step squared
    assert abs(numerical) > 2e-3
    assert gradient.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-7)  # nobody pushes the molecule as a whole


def test_the_gradient_of_an_exact_state_is_pyscfs() -> None:
    problem = molecular_problem(lih(1.7, frozen_core=True, basis="6-31g"))
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    optimum = minimize(energy_of(problem)(ansatz), np.zeros(ansatz.n_parameters), gradient_tolerance=1e-9)
    cas = mcscf.CASCI(solve_mean_field(problem.molecule).scf, problem.n_orbitals, 2).set(verbose=0)
    cas.fcisolver.conv_tol = 1e-13
    cas.kernel()
    theirs = cas.nuc_grad_method().set(verbose=0).kernel()
    assert nuclear_gradient(problem, ansatz, optimum.angles) == pytest.approx(theirs, abs=1e-5)


def test_renamed_orbitals_have_the_same_gradient() -> None:
    problem, near = (molecular_problem(lih(bond), exact=False) for bond in (1.5, 1.9))
    aligned, place = align_with(problem, problem, near)
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    zero = np.zeros(ansatz.n_parameters)
    optima = [minimize(energy_of(each)(ansatz), zero, gradient_tolerance=1e-9) for each in (near, aligned)]
    theirs = nuclear_gradient(near, ansatz, optima[0].angles)
    assert nuclear_gradient(aligned, ansatz, optima[1].angles, place=place) == pytest.approx(theirs, abs=1e-6)
    assert np.abs(place).sum() == pytest.approx(problem.n_orbitals, abs=0)


def test_what_has_no_gradient_is_said() -> None:
    problem = molecular_problem(h3(1.1), exact=False)
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    with pytest.raises(InputError, match="open shell"):
        nuclear_gradient(problem, ansatz, np.full(ansatz.n_parameters, 0.1))
    own = problem_from_integrals(np.diag([-1.0, 0.0]), np.zeros((2,) * 4), (1, 1))
    with pytest.raises(InputError, match="has no geometry"):
        nuclear_gradient(own, uccsd(2, 1, 1), np.zeros(3))
    with pytest.raises(InputError, match="has no geometry"):
        optimise_geometry(prune_ansatz(own, uccsd(2, 1, 1)))
    atom = molecular_problem(Molecule(name="Be", atoms=(("Be", (0, 0, 0)),)))
    with pytest.raises(InputError, match="one atom"):
        optimise_geometry(prune_ansatz(atom, uccsd(atom.n_orbitals, *atom.n_electrons)))


def test_a_missing_geometric_is_said_before_anything_long(monkeypatch, capsys) -> None:
    monkeypatch.setattr(geometry.importlib.util, "find_spec", lambda name: None)
    assert main(["molecule=LiH", "nuclei=optimise"]) == 2
    assert "pip install 'vqe-prune[geometry]'" in capsys.readouterr().err


def test_a_geometry_is_optimised_with_the_pruned_ansatz() -> None:
    pytest.importorskip("geometric", reason="the extra vqe-prune[geometry] is not installed")
    pruning = prune_ansatz(*_pruned_lih())
    found = optimise_geometry(pruning)
    assert found.converged and found.steps[-1].gradient_norm < 3e-4
    assert found.ansatz is pruning.final.ansatz and 0 < found.error_to_exact < 1.6e-3
    bond = found.steps[-1].atoms[1][1][2] - found.steps[-1].atoms[0][1][2]
    for shift in (-0.01, 0.01):  # the same ansatz, optimised at both sides: a minimum
        other = align_problems([pruning.problem, molecular_problem(lih(bond + shift), exact=False)])[1]
        beside = minimize(energy_of(other)(found.ansatz), found.angles).value
        assert 1e-6 < beside - found.steps[-1].energy < 1e-4
    assert "LiH energy" in found.xyz() and str(found).endswith("mHa")


def _pruned_lih():
    problem = molecular_problem(lih(1.55))
    return problem, uccsd(problem.n_orbitals, *problem.n_electrons)


def test_a_study_tells_the_forces(tmp_path, capsys) -> None:
    words = ["molecule=H2", "nuclei=gradient", f"output_dir={tmp_path / 'o'}"]
    assert main(words) == 0
    record, out = read_record(tmp_path / "o"), capsys.readouterr().out
    step = record.stages[-1]["nuclei"]["steps"][0]
    assert step["gradient"][0][2] == pytest.approx(-step["gradient"][1][2], abs=1e-7)
    assert f"{step['gradient_norm']:.2e} hartree/bohr" in out and "dE/dR" in summary(record)
    assert main(["molecule=H2", "nuclei=optimize"]) == 2 and "did you mean optimise" in capsys.readouterr().err
    assert main(["model=tfim", "nuclei=gradient"]) == 2
    assert main(["molecule=H2", "molecule.orbitals=uno", "nuclei=gradient"]) == 2
    assert "molecule.orbitals=uno" in capsys.readouterr().err
    assert main(["molecule=H2", "molecule.spin=2", "nuclei=gradient"]) == 2
    assert "add pruner.orbitals=optimise" in capsys.readouterr().err


@pytest.mark.parametrize("nuclei", [[], {"steps": [{}]}, {"steps": [{"energy": 1.0, "gradient_norm": 1.0}]}])
def test_broken_geometries_are_refused(nuclei, tmp_path) -> None:
    record = make_record()
    write_record(tmp_path, replace(record, stages=[{**record.stages[0], "nuclei": nuclei}]))
    with pytest.raises(InputError, match="nuclei of a stage"):
        read_record(tmp_path)


def test_a_step_says_its_norm() -> None:
    step = GeometryStep(
        atoms=(("H", (0, 0, 0)), ("H", (0, 0, 1))), energy=0.0, gradient=np.array([[3, 0, 4], [0, 0, 5]])
    )
    assert step.gradient_norm == pytest.approx(5.0, abs=1e-12)


def test_the_lowest_state_of_another_irrep_is_pruned_like_a_ground_state(molecular) -> None:
    problem = molecular("LiH")
    triplet = state_problem(problem, "B1", spin=2)
    assert triplet.n_electrons == (3, 1) and triplet.name == "LiH 3B1"
    pruning = prune_ansatz(triplet, uccsd(triplet.n_orbitals, *triplet.n_electrons))
    counts = [stage.ansatz.n_parameters for stage in pruning.stages]
    assert counts[0] == 68 and counts[-1] <= 3 and counts[1] < 30
    assert pruning.stages[0].optimum.value == pytest.approx(triplet.energies["exact"], abs=1e-6)
    assert pruning.final.optimum.value - triplet.energies["exact"] < 1.5e-3
    assert state_problem(problem, irrep_name(problem.electrons, 0)).energies["exact"] == pytest.approx(
        problem.energies["exact"], abs=1e-9
    )
    with pytest.raises(InputError, match="B1"):
        state_problem(problem, "B5", spin=2)
    with pytest.raises(InputError, match="impossible"):
        state_problem(problem, "A1", spin=3)
