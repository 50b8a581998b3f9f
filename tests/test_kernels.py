"""The compiled kernels as plain Python: the same oracles, and bounds checks, which compiled code does not make."""

import numpy as np
import pytest
import test_click_logs
import test_sector
import test_statevector
import test_tasks
from numba.core.dispatcher import Dispatcher

from vqe_prune.engine import kernels, pauli_kernels, sample_kernels
from vqe_prune.engine.sector import SectorEngine
from vqe_prune.objective import sector_hamiltonian
from vqe_prune.tasks import fragments
from vqe_prune.tasks.click_logs import ClickLog

log = test_click_logs.log  # the fixture


@pytest.fixture
def plain(monkeypatch) -> list[str]:
    """Put the Python function in the place of every kernel, and return the kernels' names."""
    replaced = []
    for module in (kernels, pauli_kernels, sample_kernels, fragments):
        for name, kernel in vars(module).items():
            if isinstance(kernel, Dispatcher):
                monkeypatch.setattr(module, name, kernel.py_func)
                replaced.append(name)
    return replaced


def sector_numbers() -> list[np.ndarray]:
    """Energy, gradient, curvatures and tangents of every type of excitation, by a stored matrix and without one."""
    problem = test_sector.random_problem(4, 2, 1, seed=21)
    ansatz = test_sector.general_ansatz(4)
    engine = SectorEngine(hamiltonian=sector_hamiltonian(problem), ansatz=ansatz)
    angles, directions = np.random.default_rng(22).normal(size=(2, 3, ansatz.n_parameters))
    energy, gradient = engine.energy_and_gradient(angles[0])
    tangents = [*engine.tangents(angles[0], directions)]
    return [np.array(energy), gradient, engine.hessian(angles[0]), *tangents, engine.state(angles[1])]


def test_sectors_in_plain_python_are_those_compiled(request) -> None:
    compiled = sector_numbers()
    assert len(request.getfixturevalue("plain")) > 30
    for one, other in zip(compiled, sector_numbers(), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-12)  # double precision; sums may be in another order


def test_circuits_in_plain_python_are_those_of_dense_matrices(plain, monkeypatch) -> None:
    case = test_statevector.CASES[0]
    test_statevector.test_state_and_energy_are_those_of_dense_matrices(*case)
    test_statevector.test_gradient_hessian_and_jacobian_are_finite_differences(*case)
    test_statevector.test_a_batch_is_many_single_calls(1)
    test_statevector.test_split_states_and_threads_change_nothing(monkeypatch, test_statevector.SPLITS[0], 6, 41, 2)


def test_samples_in_plain_python_are_those_of_matrix_exponentials(plain, monkeypatch) -> None:
    test_tasks.test_states_of_samples_are_those_of_matrix_exponentials()
    test_tasks.test_blocks_do_not_change_anything(monkeypatch)


def test_fragments_in_plain_python_are_those_of_a_slow_loop(plain, log: ClickLog) -> None:
    test_click_logs.test_fragments_as_a_slow_loop_finds_them(log)
    test_click_logs.test_sets_of_items_as_python_finds_them(log)
