"""A few of the random problems of benchmarks/soak.py, and whether its oracle sees what is wrong."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import soak
import soak_oracles as oracle
import soak_problems

from vqe_prune.chemistry import Molecule
from vqe_prune.problem import molecular_problem


@pytest.mark.parametrize("number", [100, 224, 77, 101, 179, 123, 164, 203])
def test_random_problems_agree_with_plain_matrices(number: int) -> None:
    row = soak.run_problem(soak.SEED, number)
    assert (row["status"], row["failures"]) == ("done", [])


@pytest.mark.parametrize(("number", "words"), [(10, "no two of the 2 orbitals"), (20, "spin 4"), (102, "ansatz.start")])
def test_what_cannot_be_is_refused_before_anything_is_written(number: int, words: str) -> None:
    row = soak.run_problem(soak.SEED, number)
    assert (row["status"], row["failures"]) == ("refused", [])
    assert words in row["message"]


def test_a_wrong_hamiltonian_circuit_or_file_is_seen(monkeypatch) -> None:
    drawn = soak_problems.draw(soak.SEED, 203)
    right = oracle.model_space
    monkeypatch.setattr(oracle, "model_space", lambda facts: right({**facts, "bonds": [[0, 1, 1.01]]}))
    assert drawn.kind == "fermi_hubbard" and drawn.facts["n"] == 2
    row = soak.run_problem(soak.SEED, 203)
    assert row["status"] == "done" and any(each.startswith("state") for each in row["failures"])
    monkeypatch.undo()
    made = oracle.state_of_circuit
    monkeypatch.setattr(oracle, "state_of_circuit", lambda folder, n: np.roll(made(folder, n), 1))
    row = soak.run_problem(soak.SEED, 203)
    assert any(each.startswith("overlap") for each in row["failures"])


@pytest.mark.parametrize(("charge", "spin"), [(0, 0), (1, 1)])
def test_molecules_without_any_symmetry(charge: int, spin: int) -> None:
    places = [(0.0, 0.0, 0.0), (0.1, 0.9, 0.0), (1.0, 0.2, 0.3), (1.5, 1.1, 1.2)]
    atoms = tuple(("H", place) for place in places)
    problem = molecular_problem(Molecule(name="H4", atoms=atoms, charge=charge, spin=spin))
    assert problem.electrons.group == "C1"
    facts = {"atoms": atoms, "basis": "sto-3g", "charge": charge, "spin": spin, "space": []}
    expected, how = oracle.exact_energy(facts, 0.0)
    assert how == "all orbitals"
    assert problem.energies["exact"] == pytest.approx(expected, abs=1e-9)  # Davidson's tolerance is tighter


def test_positions_of_six_digits_are_no_error() -> None:
    """A turned chain: PySCF takes it for linear, its integrals are so to 1e-6 only."""
    assert soak.run_problem(soak.SEED, 283)["failures"] == []
    drawn = soak_problems.draw(soak.SEED, 226)
    problem = molecular_problem(
        Molecule(name="H5", atoms=tuple((e, tuple(p)) for e, p in drawn.facts["atoms"]), spin=drawn.facts["spin"])
    )
    expected, _ = oracle.exact_energy({**drawn.facts, "space": []}, 0.0)
    assert problem.electrons.group == "C1"
    assert problem.energies["exact"] == pytest.approx(expected, abs=1e-8)


def test_angles_of_many_turns_are_right_in_single_precision() -> None:
    assert soak.run_problem(soak.SEED, 337)["failures"] == []  # its training ends at angles of 10^5 radian
