"""qsim computes in single precision and loses norm as it goes: energies must not lose it too."""

import cirq
import numpy as np
import pytest
import qsimcirq

from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.circuit import Gate, ansatz_gates, to_cirq
from vqe_prune.engine.determinants import Sector
from vqe_prune.engine.qsim import qsim_qubit_energy, sector_state
from vqe_prune.paulis import QubitHamiltonian


def there_and_back() -> list[Gate]:
    """Four thousand rotations and their inverses: nothing at all, but for rounding."""
    rng = np.random.default_rng(3)
    there: list[Gate] = []
    for _ in range(500):
        there += [Gate("ry", (q,), float(rng.normal())) for q in range(4)]
        there += [Gate("rz", (q,), float(rng.normal())) for q in range(4)] + [Gate("cx", (0, 1)), Gate("cx", (2, 3))]
    back = [gate if gate.angle is None else gate._replace(angle=-gate.angle) for gate in reversed(there)]
    return there + back


def test_the_energy_is_that_of_the_normalised_state() -> None:
    gates = there_and_back()
    order = cirq.LineQubit.range(4)
    raw = qsimcirq.QSimSimulator().simulate_into_1d_array(to_cirq(gates), qubit_order=order)[1]
    lost = abs(float(np.vdot(raw, raw).real) - 1.0)
    assert lost > 1e-6  # else there is nothing to test
    hamiltonian = QubitHamiltonian(n_qubits=4, terms=((1.0, ((0, "Z"), (2, "Z"))),), constant=0.25)
    assert qsim_qubit_energy(gates, hamiltonian) == pytest.approx(1.25, abs=0.1 * lost)


def test_states_on_a_sector_are_normalised() -> None:
    """Three orbitals, one alpha and one beta electron, full UCCSD at large angles, 40 times over."""
    ansatz = uccsd(3, 1, 1)
    gates = ansatz_gates(ansatz, np.full(ansatz.n_parameters, 0.7), (0, 1))
    more = ansatz_gates(ansatz, np.full(ansatz.n_parameters, 0.3), ())
    sector = Sector(n_orbitals=3, n_alpha=1, n_beta=1)
    state, leaked = sector_state([*gates, *(40 * more)], sector, (0, 1))
    assert np.linalg.norm(state) == pytest.approx(1.0, abs=1e-12)
    assert leaked < 1e-5  # single precision
