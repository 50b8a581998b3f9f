"""Training from random angles: Adam against a loop by hand, independent seeds, and success on known energies."""

import numpy as np
import openfermion
import pytest

from vqe_prune import lattice as lat
from vqe_prune import models, training
from vqe_prune.ansatz.layered import hamiltonian_variational, hardware_efficient
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.errors import InputError
from vqe_prune.paulis import product_state
from vqe_prune.training import Training, TrainingRun, TrainingStudy, random_angles, train

RING_6 = -7.72740661031  # docs/reference_numbers.md: H = -sum ZZ - sum X on a ring of six


def dense(terms, n: int) -> np.ndarray:
    operator = openfermion.QubitOperator()
    for coefficient, string in terms:
        operator += openfermion.QubitOperator(string, coefficient)
    return openfermion.get_sparse_operator(operator, n).toarray()


def ising(n: int):
    model = models.transverse_field_ising(lat.ring(n) if n > 2 else lat.chain(2), h=0.8)
    return model.hamiltonian, product_state(model.reference)


def adam_by_hand(hamiltonian, ansatz: Ansatz, psi: np.ndarray, angles: np.ndarray, steps: int, rate: float):
    """Algorithm 1 of arXiv 1412.6980 with its defaults, gradients by the parameter-shift rule, all dense."""
    matrix = dense(hamiltonian.terms, hamiltonian.n_qubits)
    strings = [2.0 * dense(r.generator.terms, hamiltonian.n_qubits) for r in ansatz.rotations]  # squares are 1

    def energy(x: np.ndarray) -> float:
        state = psi
        for string, angle in zip(strings, x, strict=True):
            state = np.cos(0.5 * angle) * state - 1j * np.sin(0.5 * angle) * (string @ state)
        return np.vdot(state, matrix @ state).real

    m, v, values = np.zeros(len(angles)), np.zeros(len(angles)), [energy(angles)]
    for t in range(1, steps + 1):
        shifts = 0.5 * np.pi * np.eye(len(angles))
        g = np.array([0.5 * (energy(angles + shift) - energy(angles - shift)) for shift in shifts])
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        angles = angles - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        values.append(energy(angles))
    return np.array(values), angles


def test_adam_is_the_published_algorithm() -> None:
    hamiltonian, psi = ising(2)
    ansatz = hardware_efficient(2, 1, blocks=("y", "z"))
    study = train(hamiltonian, ansatz, psi, Training(n_seeds=2, steps=25, learning_rate=0.1), seed=7)
    assert [run.seed for run in study.runs] == [7, 8]
    for run in study.runs:
        start = np.random.default_rng(run.seed).uniform(0.0, 2.0 * np.pi, ansatz.n_parameters)
        assert np.array_equal(random_angles(ansatz, run.seed), start)
        values, angles = adam_by_hand(hamiltonian, ansatz, psi, start, 25, 0.1)
        assert run.values == pytest.approx(values, abs=1e-9)  # 25 steps, each with rounding of 1e-15 over a root of v
        assert run.angles == pytest.approx(angles, abs=1e-9)
        assert run.values[-1] < run.values[0] - 0.1


@pytest.mark.parametrize("method", ["adam", "l-bfgs"])
def test_a_run_depends_on_its_own_seed_alone(method: str) -> None:
    hamiltonian, psi = ising(4)
    ansatz = hamiltonian_variational(hamiltonian, 2, "++++")
    settings = Training(method=method, n_seeds=4, steps=40)
    together = train(hamiltonian, ansatz, psi, settings, seed=2)
    assert [run.seed for run in together.runs] == [2, 3, 4, 5]
    for run in together.runs:
        alone = train(hamiltonian, ansatz, psi, Training(method=method, n_seeds=1, steps=40), seed=run.seed).runs[0]
        assert alone.values == pytest.approx(run.values, abs=1e-10)  # batches may add in another order
        assert alone.angles == pytest.approx(run.angles, abs=1e-8)
    firsts = [run.values[0] for run in together.runs]
    assert len(set(np.round(firsts, 6))) == 4


def test_lbfgs_reaches_the_ground_state_of_the_tied_ring() -> None:
    model = models.transverse_field_ising(lat.ring(6))
    ansatz = hamiltonian_variational(model.hamiltonian, 4, model.reference)
    psi = product_state(model.reference)
    study = train(model.hamiltonian, ansatz, psi, Training(method="l-bfgs", n_seeds=8), exact=RING_6)
    assert ansatz.n_parameters == 8
    assert len(study.successes) == 8  # docs/reference_numbers.md: 8 of 8 with 4 layers
    assert study.lowest_errors == pytest.approx(
        np.zeros(8), abs=1e-9
    )  # gradients of 1e-7, the energy to its square; RING_6 to 1e-11
    assert study.best.values[-1] == min(run.values[-1] for run in study.runs)
    for run in study.runs:
        assert np.all(np.diff(run.values) < 1e-12)  # L-BFGS goes down, up to rounding


def test_adam_finds_it_too_and_two_layers_cannot() -> None:
    model = models.transverse_field_ising(lat.ring(6))
    psi = product_state(model.reference)
    enough, few = (hamiltonian_variational(model.hamiltonian, layers, model.reference) for layers in (4, 2))
    study = train(model.hamiltonian, enough, psi, Training(steps=600), exact=RING_6)
    assert len(study.successes) == 8  # docs/reference_numbers.md: 8 of 8, median 247 steps
    assert 100 < np.median(study.successes) < 500
    short = train(model.hamiltonian, few, psi, Training(method="l-bfgs", n_seeds=4), exact=RING_6)
    assert not short.successes and short.as_row()["steps_quartiles"] is None
    assert min(short.lowest_errors) > 0.01


def test_processes_share_the_seeds_and_change_nothing(monkeypatch) -> None:
    hamiltonian, psi = ising(3)
    ansatz = hamiltonian_variational(hamiltonian, 2, "+++")
    settings = Training(n_seeds=3, steps=15)
    alone = train(hamiltonian, ansatz, psi, settings, seed=4)
    monkeypatch.setattr(training, "WORTH_PROCESSES", 0.0)
    started = []
    pool = training.ProcessPoolExecutor
    monkeypatch.setattr(training, "ProcessPoolExecutor", lambda *a, **k: started.append(a[0]) or pool(*a, **k))
    shared = train(hamiltonian, ansatz, psi, settings, seed=4, workers=2)
    assert started == [2]
    assert [run.seed for run in shared.runs] == [4, 5, 6]
    for first, second in zip(alone.runs, shared.runs, strict=True):
        assert second.values == pytest.approx(first.values, abs=1e-10)  # batches may add in another order
        assert second.angles == pytest.approx(first.angles, abs=1e-8)


def study_of(*rows: list[float], exact: float = 0.0) -> TrainingStudy:
    runs = [TrainingRun(seed=k, values=np.array(row), angles=np.zeros(1)) for k, row in enumerate(rows)]
    return TrainingStudy(method="adam", runs=tuple(runs), exact=exact, threshold=0.1)


def test_rows_of_known_runs() -> None:
    study = study_of([5.0, 4.0, 1.05], [9.0, 1.01], [3.0, 2.0, 1.5, 1.3], [7.0, 1.02, 1.0, 0.99], exact=1.0)
    assert study.successes == [1, 1, 2]
    assert [run.steps_to(1.1) for run in study.runs] == [2, 1, None, 1]
    assert study.lowest_errors == pytest.approx([-0.01, 0.01, 0.05, 0.3], abs=1e-12)  # decimals in binary
    assert study.best.seed == 3
    steps, errors = study.quartiles()
    assert steps.tolist() == [0, 1, 2, 3]
    assert errors[:, 0] == pytest.approx(np.quantile([4.0, 8.0, 2.0, 6.0], [0.25, 0.5, 0.75]))
    assert errors[:, 3] == pytest.approx(np.quantile([0.05, 0.01, 0.3, -0.01], [0.25, 0.5, 0.75]))  # ended runs stay
    row = study.as_row()
    assert (row["n_seeds"], row["n_successes"], row["method"], row["threshold"]) == (4, 3, "adam", 0.1)
    assert row["steps_quartiles"] == [1.0, 1.0, 1.5]
    assert row["error_quartiles"] == pytest.approx([0.005, 0.03, 0.1125])
    assert row["curve"]["steps"] == [0, 1, 2, 3] and len(row["curve"]["median"]) == 4


def test_an_energy_of_another_sector_is_no_success() -> None:
    study = study_of([1.0, 0.52], [1.0, 0.55], [1.0, 0.4], exact=0.6)  # threshold 0.1: the last one is far below
    assert study.successes == [1, 1]
    assert study.as_row()["error_quartiles"] == pytest.approx([-0.14, -0.08, -0.065])
    assert study.as_row()["curve"]["median"] == pytest.approx([0.4, -0.08])


def test_long_curves_are_thinned_to_200_points() -> None:
    steps, errors = study_of(list(np.linspace(2.0, 1.0, 1001)), exact=1.0).quartiles()
    assert len(steps) == 200 and steps[0] == 0 and steps[-1] == 1000
    assert errors[1] == pytest.approx(1.0 - steps / 1000, abs=1e-12)


def test_without_an_exact_energy_the_lowest_run_is_zero() -> None:
    hamiltonian, psi = ising(3)
    ansatz = hamiltonian_variational(hamiltonian, 1, "+++")
    study = train(hamiltonian, ansatz, psi, Training(n_seeds=3, steps=5))
    assert study.lowest_errors[0] == 0.0 and study.exact == study.best.values[-1]


def test_the_time_of_long_trainings_is_announced() -> None:
    hamiltonian, psi = ising(3)
    ansatz = hamiltonian_variational(hamiltonian, 1, "+++")
    said: list[str] = []
    train(hamiltonian, ansatz, psi, Training(n_seeds=2, steps=3), progress=said.append)
    assert not said  # milliseconds


def test_an_unknown_method_is_refused() -> None:
    hamiltonian, psi = ising(3)
    ansatz = hamiltonian_variational(hamiltonian, 1, "+++")
    with pytest.raises(InputError, match=r"unknown training\.method=sgd; available: adam, l-bfgs"):
        train(hamiltonian, ansatz, psi, Training(method="sgd"))
