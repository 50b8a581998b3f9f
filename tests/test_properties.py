"""Density matrices, dipole moments and natural occupations against PySCF's own mean field and FCI."""

import numpy as np
import pytest
from pyscf import fci, mcscf
from test_report import make_record
from test_sector import random_problem

from vqe_prune.__main__ import main
from vqe_prune.alignment import _reordered, align_problems
from vqe_prune.ansatz.ucc import uccgsd, uccsd
from vqe_prune.chemistry import Molecule, exact_ground_state, solve_mean_field
from vqe_prune.errors import InputError
from vqe_prune.objective import energy_of
from vqe_prune.observables import density_matrices, properties_of
from vqe_prune.optimize import minimize
from vqe_prune.orbitals import in_orbitals, orbital_matrix, orbital_pairs
from vqe_prune.problem import molecular_problem
from vqe_prune.report import read_record, summary

MOLECULES = {
    "H2": Molecule(name="H2", atoms=(("H", (0, 0, 0)), ("H", (0, 0, 0.9))), basis="6-31g"),
    "HeH+": Molecule(name="HeH+", atoms=(("He", (0, 0, 0.1)), ("H", (0.2, 0, 0.9))), charge=1, basis="6-31g"),
    "LiH": Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.595))), frozen_core=True),
}
"""Two electrons each: singles and doubles reach the exact state."""


@pytest.mark.parametrize("name", MOLECULES)
def test_properties_of_exact_states_are_those_of_pyscfs_fci(name: str) -> None:
    molecule = MOLECULES[name]
    problem = molecular_problem(molecule)
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    objective = energy_of(problem)(ansatz)
    optimum = minimize(objective, np.zeros(ansatz.n_parameters), gradient_tolerance=1e-9)
    assert optimum.value == pytest.approx(problem.energies["exact"], abs=1e-9)
    field = solve_mean_field(molecule)
    cas = mcscf.CASCI(field.scf, problem.n_orbitals, 2).set(verbose=0)  # its own core, its own exact state
    cas.fcisolver.conv_tol = 1e-13
    cas.kernel()
    dipole = field.scf.dip_moment(dm=cas.make_rdm1(), verbose=0)
    found = properties_of(problem, objective.engine.state(optimum.angles))
    assert found.dipole == pytest.approx(dipole, abs=1e-5)  # states agree to the root of their energies' 1e-10
    assert problem.dipoles["exact"] == pytest.approx(dipole, abs=1e-5)
    assert problem.dipoles["hf"] == pytest.approx(field.scf.dip_moment(verbose=0), abs=1e-6)
    assert (np.linalg.norm(dipole) > 0.5) == (name != "H2")
    occupations = np.linalg.eigvalsh(cas.fcisolver.make_rdm1(cas.ci, problem.n_orbitals, 2))[::-1]
    assert found.natural_occupations == pytest.approx(occupations, abs=1e-5)
    assert sum(found.natural_occupations) == pytest.approx(2.0, abs=1e-12)
    assert 1.9 < found.natural_occupations[0] < 2.0


@pytest.mark.parametrize("shape", [(4, 2, 2), (4, 3, 1)])
def test_density_matrices_give_the_energy_and_are_pyscfs(shape: tuple[int, int, int]) -> None:
    problem = random_problem(*shape, seed=81)
    ansatz = uccgsd(4)
    angles = np.random.default_rng(82).normal(size=ansatz.n_parameters)
    found, engine = density_matrices(problem, ansatz, angles), energy_of(problem)(ansatz).engine
    electrons = problem.electrons
    energy = electrons.constant + np.sum(electrons.one_body * found.one_body)
    energy += 0.5 * np.sum(electrons.two_body * found.two_body)
    assert energy == pytest.approx(engine.energy(angles), abs=1e-10)
    assert (np.trace(found.alpha), np.trace(found.beta)) == pytest.approx(shape[1:], abs=1e-12)
    n = sum(shape[1:])
    assert np.einsum("pqrr->pq", found.two_body) == pytest.approx((n - 1) * found.one_body, abs=1e-12)
    one, two = fci.direct_spin1.make_rdm12(engine.state(angles), 4, shape[1:])
    assert np.abs(found.one_body - one).max() < 1e-12 and np.abs(found.two_body - two).max() < 1e-12
    assert properties_of(problem, engine.state(angles)).dipole is None  # integrals do not tell


def test_orbitals_may_turn_and_be_renumbered() -> None:
    """The same state has the same dipole, whichever orbitals it is written in."""
    problem = molecular_problem(MOLECULES["LiH"], exact=False)
    pairs = orbital_pairs(problem.electrons)
    turned = orbital_matrix(problem.n_orbitals, pairs, np.random.default_rng(83).normal(size=len(pairs)))
    there = in_orbitals(problem, turned)
    ansatz = uccsd(problem.n_orbitals, 1, 1)
    state = energy_of(there)(ansatz).engine.state(np.random.default_rng(84).normal(size=ansatz.n_parameters))
    mine, theirs = properties_of(problem, state, turned), properties_of(there, state)
    assert mine.dipole == pytest.approx(theirs.dipole, abs=1e-10)
    assert mine.natural_occupations == pytest.approx(theirs.natural_occupations, abs=1e-12)
    assert abs(np.array(mine.dipole) - properties_of(problem, state).dipole).max() > 0.1
    signs, order = np.array([1.0, -1.0, 1.0, -1.0, 1.0]), np.array([0, 3, 1, 4, 2])
    renamed = _reordered(problem.electrons, order, signs)
    moments = [each.dipole.moment(exact_ground_state(each).density) for each in (problem.electrons, renamed)]
    assert moments[0] == pytest.approx(moments[1], abs=1e-6) and abs(moments[0][2]) > 4.0
    near = molecular_problem(Molecule(name="near", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.7))), frozen_core=True))
    aligned = align_problems([problem, near])[1]
    states = [energy_of(each)(ansatz) for each in (near, aligned)]
    optima = [minimize(each, np.zeros(ansatz.n_parameters), gradient_tolerance=1e-9) for each in states]
    for each, objective, optimum in zip((near, aligned), states, optima, strict=True):
        found = properties_of(each, objective.engine.state(optimum.angles))
        assert found.dipole == pytest.approx(near.dipoles["exact"], abs=1e-5)


def test_a_study_tells_the_properties_also_in_turned_orbitals(tmp_path, capsys) -> None:
    folder = tmp_path / "o"
    words = ["molecule=LiH", "molecule.frozen_core=true", "pruner.orbitals=optimise", "pruner.tolerance=1e-3"]
    assert main([*words, f"output_dir={folder}"]) == 0
    out = capsys.readouterr().out
    record = read_record(folder)
    exact = record.problem["dipoles"]["exact"]
    dipoles = [stage["properties"]["dipole"] for stage in record.stages]
    assert dipoles[0] == pytest.approx(exact, abs=1e-4)  # two electrons: UCCSD is exact
    assert dipoles[-1] == pytest.approx(exact, abs=0.1) and record.stages[-1]["orbitals"]
    line = f"Dipole / debye: HF {np.linalg.norm(record.problem['dipoles']['hf']):.4f}, full {abs(exact[2]):.4f}"
    assert line in out and f"exact {abs(exact[2]):.4f}" in out
    occupations = record.stages[-1]["properties"]["natural_occupations"]
    assert f"Natural occupations: {occupations[0]:.4f} {occupations[1]:.4f}" in out
    assert "Properties" in (folder / "report.html").read_text() and "Dipole / debye" in summary(record)
    with np.load(folder / "density_matrices.npz") as arrays:
        assert np.linalg.eigvalsh(arrays["alpha"] + arrays["beta"])[::-1] == pytest.approx(occupations, abs=1e-10)
        assert np.einsum("pprr->", arrays["two_body"]) == pytest.approx(2.0, abs=1e-10)


@pytest.mark.parametrize(
    "properties", [[], {"dipole": [1.0]}, {"dipole": [1.0, 2.0], "natural_occupations": []}, {"dipole": None}]
)
def test_broken_properties_are_refused(properties, tmp_path) -> None:
    from dataclasses import replace

    from vqe_prune.report import write_record

    record = make_record()
    write_record(tmp_path, replace(record, stages=[{**record.stages[0], "properties": properties}]))
    with pytest.raises(InputError, match="properties must be"):
        read_record(tmp_path)
