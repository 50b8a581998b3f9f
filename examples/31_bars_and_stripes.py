"""A circuit Born machine for bars and stripes of 2 x 2 pixels, pruned from 60 parameters to 6."""

import numpy as np

from vqe_prune.ansatz.layered import connected_pairs, hardware_efficient
from vqe_prune.engine.samples import SampleEngine
from vqe_prune.optimize import minimize
from vqe_prune.prune.curvature import rank_by_curvature
from vqe_prune.prune.elimination import eliminate, restrict
from vqe_prune.tasks.generate import bars_and_stripes
from vqe_prune.tasks.losses import Divergence
from vqe_prune.tasks.objective import SampleObjective

target = bars_and_stripes(2, 2)
zero = np.zeros(16, dtype=complex)
zero[0] = 1.0


def divergence(ansatz):
    """The Kullback-Leibler divergence of an ansatz from bars and stripes: all that the pruner knows of the task."""
    return SampleObjective(SampleEngine(n_qubits=4, ansatz=ansatz, references=zero), Divergence(target=target), [0])


full = hardware_efficient(4, 6, blocks=["y"], entangler="xx", pairs=connected_pairs("full", 4))
start = np.random.default_rng(0).normal(0.0, 0.5, full.n_parameters)
optimum = minimize(divergence(full), start, gradient_tolerance=1e-6)
path = eliminate(
    divergence,
    full,
    optimum,
    rank_by_curvature,
    enough=lambda point: len(point.kept) == 6,
    gradient_tolerance=1e-6,
    verify=True,
)
small = restrict(full, path[-1].kept)
q = divergence(small).probabilities(path[-1].angles)[:, 0]
print(f"full:   {full.n_parameters} parameters, KL {optimum.value:.1e}")
print(f"pruned: {small.n_parameters} parameters, KL {path[-1].value:.1e}")
print(f"        {100 * q[target > 0].sum():.4f} % of its samples are bars or stripes")
print("gates: ", ", ".join(rotation.generator.label for rotation in small.rotations))

assert optimum.value < 1e-6
assert path[-1].value < 1e-6
