"""Energies under noise without shots: the probabilities of cirq's simulator, exact without noise, a right crossing."""

import sys
from pathlib import Path

import cirq
import numpy as np
import pytest

from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.chemistry import Molecule
from vqe_prune.circuit import Gate, pair_gates
from vqe_prune.encoding import encode
from vqe_prune.hardware import DeviceRunner, open_processor
from vqe_prune.hardware.virtual import scaled_device_noise
from vqe_prune.measurement_plan import plan_measurement
from vqe_prune.problem import molecular_problem
from vqe_prune.prune.pruning import prune_ansatz

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from noisy import critical_factor, noisy_energies, outcome_probabilities


def test_probabilities_of_circuits_that_begin_alike_are_those_of_each_alone() -> None:
    """A routed triangle; the oracle samples the noisy program, measurement included, 20,000 times: four errors."""
    whole = [Gate("x", (0,)), *pair_gates(0, 1, 0.4), *pair_gates(1, 2, 0.7), *pair_gates(0, 2, -0.9)]
    runner = DeviceRunner(open_processor("rainbow"), 3)
    circuits = runner.compile([whole, [*whole, Gate("h", (1,))], [*whole, Gate("h", (0,)), Gate("h", (2,))]])
    assert circuits[0].ends != circuits[0].starts
    noise = scaled_device_noise("rainbow", 1.0, circuits[0].program().all_qubits())
    for circuit, exact in zip(circuits, outcome_probabilities(circuits, noise), strict=True):
        simulator = cirq.DensityMatrixSimulator(noise=noise, seed=5)
        outcomes = simulator.run(circuit.program(), repetitions=20_000).measurements["m"]
        seen = np.bincount(outcomes @ [4, 2, 1], minlength=8) / 20_000
        assert exact.sum() == pytest.approx(1.0, abs=1e-9)
        assert (np.abs(seen - exact) < 4 * np.sqrt(exact * (1 - exact) / 20_000) + 1e-4).all()


def test_without_noise_both_energies_are_the_exact_one_and_noise_is_in_the_raw_one() -> None:
    """H2, whose UCCSD is exact; 1e-6 hartree: angles are compiled to seven digits, the exact solver has 1e-9."""
    problem = molecular_problem(Molecule(name="H2", atoms=(("H", (0, 0, 0)), ("H", (0, 0, 0.74)))))
    stage = prune_ansatz(problem, uccsd(2, 1, 1), rules=["symmetry"]).final
    plan = plan_measurement(
        encode(problem, stage.ansatz, stage.optimum.angles), shots=100, mitigation=["post_selection"]
    )
    circuits = DeviceRunner(open_processor("weber"), 2).compile(plan.circuits[1])
    exact = problem.energies["exact"]
    assert noisy_energies(plan, circuits, "weber", 0.0) == pytest.approx((exact, exact), abs=1e-6)
    assert noisy_energies(plan, circuits, "weber", 0.0, (3, 4)) == pytest.approx((exact, exact), abs=1e-6)
    raw, kept = noisy_energies(plan, circuits, "weber", 1.0)
    assert exact is not None and kept is not None
    assert raw - exact > 10 * abs(kept - exact)  # almost all of it changes the number of pairs


def test_the_critical_factor_is_the_smallest_crossing() -> None:
    assert critical_factor(lambda f: 0.1 + 4.0 * f, 0.5) == pytest.approx(0.1, rel=2e-3)
    assert critical_factor(lambda f: 0.1 + 0.02 * f, 0.5) == pytest.approx(20.0, rel=2e-3)
    assert critical_factor(lambda f: 2.0 + f, 0.5) == 0.0
    assert critical_factor(lambda f: 0.1 * min(f, 1.0), 0.5) is None
    # above the budget from 0.1 on, below it again in between, and above it in the end
    assert critical_factor(lambda f: abs(np.sin(5.0 * f)) + f, 0.5) == pytest.approx(0.0838, abs=2e-3)
