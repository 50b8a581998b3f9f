"""An Ising model on a graph of one's own: its symmetries found, its ansatz pruned by them, and what must come out."""

import networkx as nx
import numpy as np

import vqe_prune as vp

prism = nx.circular_ladder_graph(3)  # two triangles, one above the other
lattice = vp.lattice_from_graph(prism)
problem = vp.model_problem(vp.transverse_field_ising(lattice, j=1.0, h=2.0))
for line in problem.symmetries.describe():
    print(line)

pairs = [(a, b) for a, b, _ in lattice.bonds]
ansatz = vp.hardware_efficient(6, layers=6, blocks=("x", "z"), entangler="zz", pairs=pairs, backwards=True)
pruning = vp.prune_ansatz(problem, ansatz, rules=["eqntk"], training=vp.Training(n_seeds=4))
print(pruning)
for stage in pruning.stages:
    assert stage.training is not None
    print(f"{stage.name}: {stage.training['n_successes']} of 4 trainings succeed")

x, z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
dense = np.zeros((64, 64))
for letters, weight in [*(({a: z, b: z}, -1.0) for a, b in pairs), *(({q: x}, -2.0) for q in range(6))]:
    term = np.eye(1)
    for q in range(6):
        term = np.kron(term, letters.get(q, np.eye(2)))
    dense += weight * term

exact = problem.energies["exact"]
assert exact is not None and abs(exact - np.linalg.eigvalsh(dense)[0]) < 1e-9  # J
assert abs(pruning.final.optimum.value - exact) < 1e-8
assert [stage.ansatz.n_parameters for stage in pruning.stages] == [126, 90, 18]
