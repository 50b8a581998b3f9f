"""<N>, <S_z> and <S^2> against OpenFermion's operators as matrices, and what a study says of a wrong sector."""

from dataclasses import replace

import numpy as np
import openfermion
import pytest
from dense_twin import embed
from test_report import make_record

from vqe_prune.__main__ import main
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.engine.determinants import Sector
from vqe_prune.lattice import ring
from vqe_prune.models import heisenberg, transverse_field_ising, xxz
from vqe_prune.observables import observables_of, observe
from vqe_prune.problem import problem_from_integrals
from vqe_prune.qubit_problem import model_problem, molecular_qubit_problem
from vqe_prune.report import format_observables, read_record, sector_complaints, summary

ORBITALS = 3
CLOSE = 1e-12  # double precision, at most 64 amplitudes


def electrons(n_alpha: int, n_beta: int):
    return problem_from_integrals(np.diag([0.0, 1.0, 2.0]), np.zeros((3, 3, 3, 3)), (n_alpha, n_beta), exact=False)


def moments(operator: openfermion.FermionOperator, state: np.ndarray) -> tuple[float, float]:
    """Mean and variance by the operator's matrix."""
    image = openfermion.get_sparse_operator(operator, 2 * ORBITALS) @ state
    mean = np.vdot(state, image).real
    return mean, np.vdot(image, image).real - mean**2


def check_electrons(found, state: np.ndarray) -> None:
    numbers = moments(openfermion.number_operator(2 * ORBITALS), state)
    spin_z = moments(openfermion.hamiltonians.sz_operator(ORBITALS), state)
    spin_squared, _ = moments(openfermion.hamiltonians.s_squared_operator(ORBITALS), state)
    assert (found.n_electrons_mean, found.n_electrons_variance) == pytest.approx(numbers, abs=CLOSE)
    assert (found.spin_z, found.spin_z_variance) == pytest.approx(spin_z, abs=CLOSE)
    assert found.spin_squared == pytest.approx(spin_squared, abs=CLOSE)


@pytest.mark.parametrize("n_electrons", [(1, 1), (2, 1), (2, 2), (3, 1), (2, 0)])
def test_states_of_a_sector_have_the_observables_of_openfermions_matrices(n_electrons) -> None:
    sector = Sector(n_orbitals=ORBITALS, n_alpha=n_electrons[0], n_beta=n_electrons[1])
    state = np.random.default_rng(3).normal(size=sector.shape)
    state /= np.linalg.norm(state)
    check_electrons(observables_of(electrons(*n_electrons), state), embed(state, sector))


def test_states_of_qubits_have_the_observables_of_openfermions_matrices() -> None:
    problem = molecular_qubit_problem(electrons(2, 1), exact=False)
    rng = np.random.default_rng(4)
    state = rng.normal(size=64) + 1j * rng.normal(size=64)  # every electron number and both spins at once
    state /= np.linalg.norm(state)
    found = observables_of(problem, state)
    check_electrons(found, state)
    assert found.n_electrons_variance > 1.0


def test_an_ansatz_of_excitations_and_the_same_state_on_qubits_agree() -> None:
    problem = electrons(2, 1)
    ansatz = uccsd(ORBITALS, 2, 1)
    angles = np.random.default_rng(5).normal(size=ansatz.n_parameters)
    found = observe(problem, ansatz, angles)
    assert (found.n_electrons_mean, found.spin_z) == pytest.approx((3.0, 0.5), abs=CLOSE)
    assert found.spin_squared > 0.75 + 1e-3  # spin-orbital excitations with angles of their own mix a quartet in


@pytest.mark.parametrize(
    ("model", "conserved"),
    [
        (heisenberg(ring(4)), {"spin_z", "spin_squared"}),
        (xxz(ring(4), delta=0.5), {"spin_z"}),
        (transverse_field_ising(ring(4)), set()),
    ],
)
def test_spins_have_what_their_model_conserves(model, conserved) -> None:
    problem = model_problem(model, exact=False)
    rng = np.random.default_rng(6)
    state = rng.normal(size=16) + 1j * rng.normal(size=16)
    state /= np.linalg.norm(state)
    spin = {}
    for letter in "XYZ":
        total = sum((openfermion.QubitOperator(f"{letter}{q}", 0.5) for q in range(4)), openfermion.QubitOperator())
        spin[letter] = openfermion.get_sparse_operator(total, 4)
    squared = sum(np.vdot(spin[letter] @ state, spin[letter] @ state).real for letter in "XYZ")
    mean = np.vdot(state, spin["Z"] @ state).real
    variance = np.linalg.norm(spin["Z"] @ state) ** 2 - mean**2
    found = observables_of(problem, state)
    assert found.n_electrons_mean is None and found.n_electrons_variance is None
    given = {name for name in ("spin_z", "spin_squared") if getattr(found, name) is not None}
    assert given == conserved
    if conserved:
        assert (found.spin_z, found.spin_z_variance) == pytest.approx((mean, variance), abs=CLOSE)
    if "spin_squared" in conserved:
        assert found.spin_squared == pytest.approx(squared, abs=CLOSE)


RIGHT = {"n_electrons_mean": 4.0, "n_electrons_variance": 0.0, "spin_z": 0.0, "spin_squared": 0.0}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, None),
        ({"n_electrons_mean": 4.0 + 5e-7, "spin_squared": 5e-4}, None),
        ({"n_electrons_mean": 3.999}, "<N> = 3.999000 instead of 4"),
        ({"n_electrons_variance": 0.5}, "variance of 5.0e-01"),
        ({"spin_z": 1.0, "spin_squared": 2.0}, "<S_z> = 1.000000 instead of 0"),
        ({"spin_squared": 0.002}, "spin contamination: the final state has <S^2> = 0.002000 instead of 0"),
        ({"spin_squared": 2.0}, "wrong sector: the final state has <S^2> = 2.000000 instead of 0"),
    ],
)
def test_a_wrong_sector_is_complained_about(change, word) -> None:
    record = make_record()
    stages = [record.stages[0], {**record.stages[1], **RIGHT, **change}]
    record = replace(record, stages=stages, problem={**record.problem, "n_alpha": 2, "n_beta": 2})
    complaints = sector_complaints(record)
    assert format_observables(stages).startswith("Final state: <N> = ")
    if word is None:
        assert complaints == []
        assert "WARNING" not in summary(record)
    else:
        assert word in complaints[0]
        assert f"WARNING: {complaints[0]}" in summary(record)


def test_nothing_is_said_of_records_without_observables() -> None:
    record = make_record()
    assert format_observables(record.stages) == ""
    assert sector_complaints(replace(record, problem={**record.problem, "n_alpha": 2, "n_beta": 2})) == []


def test_a_study_that_ends_with_another_number_of_electrons_says_so(tmp_path, capsys) -> None:
    """Neutral H2 lies below its cation, whose one electron rotations about Y do not keep."""
    words = ["molecule=H2", "molecule.charge=1", "molecule.spin=1", "ansatz=hardware_efficient", "pruner=magnitude"]
    words += [
        "ansatz.layers=2",
        "ansatz.blocks=[y]",
        "training.seeds=2",
        "pruner.parameters=14",
        f"output_dir={tmp_path / 'o'}",
    ]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "WARNING: wrong sector: the final state has <N> = 2.0000" in out
    record = read_record(tmp_path / "o")
    assert record.stages[-1]["n_electrons_mean"] == pytest.approx(2.0, abs=1e-3)  # as far as the ansatz goes
    assert "WARNING: wrong sector" in (tmp_path / "o" / "report.html").read_text()
