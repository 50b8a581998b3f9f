"""A circuit that tells handwritten 4 from 9, pruned: scikit-learn's digits, 64 pixels as amplitudes of 6 qubits.

Needs scikit-learn: pip install 'vqe-prune[tasks]'
"""

import numpy as np

from vqe_prune.ansatz.layered import connected_pairs, hardware_efficient
from vqe_prune.engine.samples import SampleEngine
from vqe_prune.optimize import minimize
from vqe_prune.prune.controls import rank_at_random
from vqe_prune.prune.curvature import rank_by_curvature
from vqe_prune.prune.elimination import restrict
from vqe_prune.prune.rounds import eliminate_in_rounds
from vqe_prune.tasks.data import load_images, split_images
from vqe_prune.tasks.encoding import amplitude_states
from vqe_prune.tasks.losses import LogLoss, z_diagonals
from vqe_prune.tasks.objective import SampleObjective

images = load_images("digits", [4, 9])
split = split_images(images, [180, 72, 109], seed=0)
states = amplitude_states(images.pixels.reshape(-1, 64))
# class 4 reads Z on qubits 0, 2 and 4, class 9 on 1, 3 and 5
read = np.array([z_diagonals(6, [0, 2, 4]).sum(axis=0), z_diagonals(6, [1, 3, 5]).sum(axis=0)])
loss = LogLoss(diagonals=read, labels=images.labels, scale=4.0)


def log_loss(ansatz, rows=split.train):
    """The mean loss of an ansatz over some images, default the training ones."""
    return SampleObjective(SampleEngine(n_qubits=6, ansatz=ansatz, references=states), loss, rows, damping=0.01)


def accuracy(ansatz, angles):
    """Share of test images that are told right, percent."""
    classes = loss.predictions(log_loss(ansatz, split.test).probabilities(angles)).argmax(axis=0)
    return 100 * np.mean(classes == images.labels[split.test])


full = hardware_efficient(6, 24, blocks=["y"], entangler="cz", pairs=connected_pairs("linear", 6))
start = np.random.default_rng(0).normal(0.0, 0.3, full.n_parameters)
optimum = minimize(log_loss(full), start, gradient_tolerance=3e-3, max_steps=60)
print(f"full:      {full.n_parameters} parameters, test accuracy {accuracy(full, optimum.angles):.1f} %")
found = {}
for name, rule in (("curvature", rank_by_curvature), ("random", rank_at_random(0))):
    path = eliminate_in_rounds(log_loss, full, optimum, rule, budget=14, share=0.1, max_steps=60)
    small = restrict(full, path[-1].kept)
    found[name] = accuracy(small, path[-1].angles)
    print(f"{name + ':':10} {small.n_parameters} parameters, test accuracy {found[name]:.1f} %")

assert accuracy(full, optimum.angles) > 93
assert found["curvature"] > 93
