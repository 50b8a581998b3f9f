"""Wrong answers on purpose, each said in words: precision, norms, saddle points of SCF and of the angles, sectors."""

from dataclasses import replace

import numpy as np
import pytest
from pyscf import gto, scf
from pyscf.scf import stability
from scipy.linalg import expm

import vqe_prune as vp
from vqe_prune import config, models
from vqe_prune import lattice as lat
from vqe_prune.ansatz.layered import hamiltonian_variational
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.chemistry import Molecule, solve_mean_field
from vqe_prune.engine.sector import SectorEngine
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.inputs import read_molecule
from vqe_prune.objective import energy_of
from vqe_prune.optimize import minimize
from vqe_prune.problem import molecular_problem, problem_from_integrals
from vqe_prune.prune.minimum import lowest_curvature, saddle_notes
from vqe_prune.prune.pruning import prune_ansatz
from vqe_prune.prune.steps import Stage
from vqe_prune.qubit_problem import model_problem
from vqe_prune.report import Record
from vqe_prune.report.complaints import complaints
from vqe_prune.stability import restricted_curvature, unrestricted_curvature
from vqe_prune.starts import starting_angles
from vqe_prune.training import Training

SQUARE = tuple(("H", (x, y, 0.0)) for x in (0.0, 1.2) for y in (0.0, 1.2))
FLUORIDE = (("H", (0, 0, 0)), ("F", (0, 0, 2.8)))


@pytest.mark.parametrize("wrong", ["single precision", "norm", "nan"])
def test_states_of_another_norm(molecular, monkeypatch, wrong: str) -> None:
    problem = molecular("LiH")
    state = SectorEngine.state
    broken = {
        "single precision": lambda psi: psi.astype(np.float32),
        "norm": lambda psi: psi * (1 + 1e-8),
        "nan": lambda psi: psi * np.nan,
    }[wrong]
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    assert prune_ansatz(problem, ansatz, rules=["symmetry"]).final
    monkeypatch.setattr(SectorEngine, "state", lambda engine, angles: broken(state(engine, angles)))
    with pytest.raises(ConvergenceError, match=r"has the norm 1 .* double precision does not explain"):
        prune_ansatz(problem, ansatz, rules=["symmetry"])


def test_integrals_of_single_precision(molecular) -> None:
    electrons = molecular("LiH").electrons
    single = [a.astype(np.float32) for a in (electrons.one_body, electrons.two_body)]
    rough = problem_from_integrals(*single, (2, 2), exact=False)
    assert any("single precision" in note for note in rough.notes)
    fine = problem_from_integrals(electrons.one_body, electrons.two_body, (2, 2), exact=False)
    assert fine.notes == ()
    hubbard = np.zeros((2, 2, 2, 2))
    hubbard[0, 0, 0, 0] = hubbard[1, 1, 1, 1] = 4.0
    assert problem_from_integrals(np.array([[0, -1.0], [-1.0, 0]]), hubbard, (1, 1), exact=False).notes == ()


def test_reference_methods_below_the_exact_energy() -> None:
    nitrogen = (("N", (0, 0, 0)), ("N", (0, 0, 2.2)))
    problem = molecular_problem(Molecule(name="N2", atoms=nitrogen, active_space=(6, 6)))
    assert problem.energies["mp2"] < problem.energies["exact"] - 0.1
    assert [note for note in problem.notes if note.startswith("MP2 is 478.66") and "not variational" in note]
    assert problem.warnings == ()


def test_measured_energies_below_the_exact_one(h2_record) -> None:
    def record(error: float) -> Record:
        estimate = {"name": "extrapolated", "energy": -1.2, "error_bar": 1e-3, "error_to_exact": error, "kept": 1.0}
        rows = [{"stage": "full", "mitigated": "extrapolated", "estimates": [estimate], "left_out": []}]
        return replace(Record(**{k: v for k, v in h2_record.items() if k != "schema"}), device={"measurements": rows})

    assert [text for text in complaints(record(-4e-3)) if "below the exact energy" in text and "4.0 error bars" in text]
    assert complaints(record(-2e-3)) == complaints(record(5e-3)) == []


def test_scf_that_ends_in_a_saddle_point() -> None:
    """HF at 2.8 angstrom: DIIS ends 0.3 hartree too high, where UCCSD has a spin that is none."""
    molecule = Molecule(name="HF", atoms=FLUORIDE)
    problem = molecular_problem(molecule)
    assert [text for text in problem.warnings if "saddle point" in text and "molecule.stability=follow" in text]
    lower = molecular_problem(replace(molecule, stability="follow"))
    mol = gto.M(atom=list(FLUORIDE), basis="sto-3g", verbose=0)
    start = scf.RHF(gto.M(atom=[("H", (0, 0, 0)), ("F", (0, 0, 1.4))], basis="sto-3g", verbose=0)).run()
    expected = scf.RHF(mol).run(start.make_rdm1(), conv_tol=1e-11).e_tot  # the solution that a short bond leads to
    assert lower.energies["hf"] == pytest.approx(expected, abs=1e-7)
    assert lower.energies["hf"] < problem.energies["hf"] - 0.3 and lower.warnings == ()
    assert lower.energies["exact"] == pytest.approx(problem.energies["exact"], abs=1e-7)  # it does not depend on SCF
    assert lower.electrons.group == "Coov"  # the point group is kept where the solution has it
    assert molecular_problem(replace(molecule, stability="none")).warnings == ()


def test_curvatures_of_mean_fields_are_second_derivatives() -> None:
    """Of RHF by PySCF's Hessian against energies; of RHF towards UHF against energies of turned alpha and beta."""
    lithium = solve_mean_field(Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 3.0))))).scf
    assert restricted_curvature(lithium).value > 0 > unrestricted_curvature(lithium)
    stable = stability.rhf_internal(lithium, with_symmetry=False, return_status=True)[1]
    assert stable and not stability.rhf_external(lithium, with_symmetry=False, return_status=True)[1]
    fields, filled = lithium.to_uhf(), np.asarray(lithium.mo_occ) > 0
    step, n = 1e-2, len(filled)
    places = [(p, q) for p in range(n) if not filled[p] for q in range(n) if filled[q]]

    def energy(vector: np.ndarray) -> float:
        generator = np.zeros((n, n))
        for value, (p, q) in zip(vector, places, strict=True):
            generator[p, q], generator[q, p] = value, -value
        turned = [lithium.mo_coeff @ expm(sign * generator) for sign in (1, -1)]
        return float(fields.energy_tot(dm=np.array([c[:, filled] @ c[:, filled].T for c in turned])))

    units = step * np.eye(len(places))
    hessian = [[energy(a + b) - energy(a - b) for b in units] for a in units]
    lowest = np.linalg.eigvalsh(np.array(hessian) / (2 * step**2))[0]
    assert unrestricted_curvature(lithium) == pytest.approx(lowest, abs=1e-3)  # step^2


@pytest.mark.parametrize(
    ("atoms", "spin", "offer"),
    [
        ((("C", (0, 0, 0)), ("H", (0, 0.99, 0.4)), ("H", (0, -0.99, 0.4))), 0, "molecule.spin=2 molecule.irrep=B1"),
        ((("C", (0, 0, 0)), ("H", (0, 0.99, 0.4)), ("H", (0, -0.99, 0.4))), "A1", "molecule.irrep=B1"),
        ((("O", (0, 0, 0)), ("O", (0, 0, 1.208))), 0, "molecule.spin=2 molecule.irrep=B1g"),
        (SQUARE, 0, "molecule.stability=follow"),
    ],
    ids=["CH2", "CH2 of A1", "O2", "H4 square"],
)
def test_the_sector_that_is_offered_holds_the_ground_state(atoms, spin, offer: str, tmp_path) -> None:
    """What a warning says to type is typed, and the warning is gone and the exact energy the same."""
    file = tmp_path / "molecule.yaml"
    rows = "\n".join(f"  {symbol} {x} {y} {z}" for symbol, (x, y, z) in atoms)
    file.write_text(f"name: M\ngeometry: |\n{rows}\n")
    words = [f"molecule={file}", *(["molecule.spin=2", "molecule.irrep=A1"] if spin == "A1" else [])]
    problem = molecular_problem(read_molecule(config.parse_settings(words).molecule))
    (warning,) = problem.warnings
    assert "another symmetry sector" in warning and offer in warning and "an ansatz that keeps symmetries" in warning
    kept = [word for word in words if word.partition("=")[0] not in offer.replace("=", " ").split()]
    right = molecular_problem(read_molecule(config.parse_settings([*kept, *offer.split()]).molecule))
    assert right.warnings == ()
    assert right.energies["exact"] == pytest.approx(problem.energies["exact"], abs=1e-6)
    full = prune_ansatz(right, uccsd(right.n_orbitals, *right.n_electrons), rules=["symmetry"])
    assert full.final.optimum.value - right.energies["exact"] < 2e-3  # 38, 460 and 149 mHa in the wrong sector


def test_irreps_that_no_reference_has_are_refused() -> None:
    water = (("O", (0, 0, 0)), ("H", (0.7586, 0, 0.5043)), ("H", (-0.7586, 0, 0.5043)))
    with pytest.raises(InputError, match=r"molecule.irrep=B1: no reference .* a closed shell has A1"):
        molecular_problem(Molecule(name="H2O", atoms=water, irrep="B1"))
    with pytest.raises(InputError, match=r"irrep in C2v; available: A1"):
        molecular_problem(Molecule(name="H2O", atoms=water, irrep="B7", spin=2))
    with pytest.raises(InputError, match=r"unknown molecule.stability=folow; did you mean follow"):
        config.parse_settings(["molecule=H2", "molecule.stability=folow"])


def test_states_of_smaller_spin_are_told(molecular) -> None:
    triplet = molecular_problem(Molecule(name="H2", atoms=(("H", (0, 0, 0)), ("H", (0, 0, 0.7414))), spin=2))
    gap = 1e3 * (triplet.energies["exact"] - molecular("H2").energies["exact"])
    (note,) = [note for note in triplet.notes if "smaller spin" in note]
    assert f"{gap:.3f} mHa" in note and "molecule.spin=0" in note and triplet.warnings == ()


def test_an_optimiser_in_a_saddle_point_says_so_and_the_way_out_leads_out(molecular) -> None:
    """Turns of orbitals alone leave RHF at a stretched bond where it is: no gradient, and no minimum."""
    problem = molecular("LiH 3.0")
    whole = uccsd(problem.n_orbitals, *problem.n_electrons)
    singles = [r for r in whole.rotations if len(r.generator.created) == 1]
    ansatz = Ansatz(
        name="singles",
        rotations=tuple(replace(r, parameter=k) for k, r in enumerate(singles)),
        n_parameters=len(singles),
    )
    stuck = prune_ansatz(problem, ansatz, rules=["symmetry"])
    assert stuck.stages[0].optimum.value == pytest.approx(problem.energies["hf"], abs=1e-8)
    assert [note for note in stuck.notes if "saddle point" in note and "type ansatz.restarts=5" in note]
    starts = starting_angles(problem, ansatz, restarts=5)
    free = prune_ansatz(problem, ansatz, rules=["lie"], starts=starts)
    uhf = scf.UHF(gto.M(atom="Li 0 0 0; H 0 0 3.0", basis="sto-3g", verbose=0))
    density = np.array(uhf.get_init_guess())
    density[0][-1, -1], density[1][-1, -1] = 1.0, 0.0  # the electron at H
    lowest = uhf.run(density, conv_tol=1e-10).e_tot
    assert free.stages[0].optimum.value == pytest.approx(lowest, abs=1e-6)  # turned alpha and beta orbitals are UHF
    assert not [note for note in free.notes if "saddle point of full" in note]
    assert vp.prune_ansatz(problem, whole).notes == ()  # with double excitations it is a minimum


def test_symmetric_starts_of_models_are_saddle_points() -> None:
    """All angles zero is where the reference has no gradient; trainings start at random and end in a minimum."""
    problem = model_problem(models.transverse_field_ising(lat.ring(4), h=0.5))
    ansatz = hamiltonian_variational(problem.hamiltonian, 2, problem.reference)
    objective = energy_of(problem)(ansatz)
    stopped = minimize(objective, np.zeros(ansatz.n_parameters))
    assert stopped.steps == 0 and stopped.gradient < 1e-10
    value, direction = lowest_curvature(objective, stopped.angles)
    step = 1e-3
    ends = [objective.value_and_gradient(stopped.angles + s * step * direction)[0] for s in (-1, 0, 1)]
    assert value == pytest.approx((ends[0] - 2 * ends[1] + ends[2]) / step**2, abs=1e-4) and value < -0.1
    stage = Stage(name="full", ansatz=ansatz, optimum=stopped)
    notes = saddle_notes(problem, [stage], energy_of(problem))
    assert len(notes) == 1 and "training.seeds" in notes[0]
    trained = prune_ansatz(problem, ansatz, rules=["magnitude"], training=Training(n_seeds=2, steps=100))
    assert not [note for note in trained.notes if "saddle point" in note]
