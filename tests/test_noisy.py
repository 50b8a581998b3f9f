"""Infinitely many shots in random frames: nothing changes without noise, and frames are what the processor runs."""

import numpy as np
import pytest

from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.chemistry import Molecule
from vqe_prune.encoding import encode
from vqe_prune.hardware import DeviceRunner, open_processor
from vqe_prune.measure import measure_energy
from vqe_prune.measurement_plan import plan_measurement
from vqe_prune.noisy_energy import noisy_energies
from vqe_prune.problem import molecular_problem
from vqe_prune.prune.pruning import prune_ansatz


def test_frames_change_noisy_energies_alone_and_have_the_mean_of_shots_in_frames() -> None:
    """H2, whose UCCSD is exact; 1e-6 hartree: angles are compiled to seven digits, the exact solver has 1e-9."""
    problem = molecular_problem(Molecule(name="H2", atoms=(("H", (0, 0, 0)), ("H", (0, 0, 0.74)))))
    stage = prune_ansatz(problem, uccsd(2, 1, 1), rules=["symmetry"]).final
    encoded = encode(problem, stage.ansatz, stage.optimum.angles, "pairs")
    chosen = ["post_selection", "readout"]
    plan = plan_measurement(encoded, shots=1000, mitigation=chosen)
    processor = open_processor("weber", seed=3)
    runner = DeviceRunner(processor, 2, twirls=200, seed=4)
    exact = problem.energies["exact"]
    for energy in noisy_energies(plan, runner, "weber", 0.0, (None, 3, 4)).values():
        assert energy == pytest.approx(exact, abs=1e-6)
    compiled = noisy_energies(plan, runner, "weber", 1.0, (None, None))
    assert compiled == pytest.approx(noisy_energies(plan, runner, "weber", 1.0), abs=1e-9)
    framed = noisy_energies(plan, runner, "weber", 1.0, range(60))
    single = [noisy_energies(plan, runner, "weber", 1.0, (k,))["raw"] for k in range(20)]
    assert np.ptp(single) > 1e-3  # a coherent error is another one in every frame
    measured = measure_energy(encoded, runner, shots=400_000, mitigation=chosen)
    for each in measured.estimates:  # four bars, and the spread of 60 frames about their mean
        assert abs(each.value - framed[each.name]) < 4 * each.error + 4 * np.std(single) / np.sqrt(60), each
