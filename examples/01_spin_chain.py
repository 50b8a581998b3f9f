"""The symmetric ansatz inside an asymmetric one: a transverse-field Ising ring, without being told its symmetry."""

import vqe_prune as vp

problem = vp.model_problem(vp.transverse_field_ising(vp.ring(6), j=1.0, h=1.0))
for line in problem.symmetries.describe():
    print(line)
ansatz = vp.hardware_efficient(6, layers=12, blocks=("x", "z"), entangler="zz", backwards=True)
pruning = vp.prune_ansatz(problem, ansatz, rules=["eqntk"])
print(pruning)
for stage in pruning.stages:
    assert stage.training is not None and stage.scores is not None
    print(f"{stage.name}: {stage.training['n_successes']} of 8 trainings succeed, d_eff {stage.scores['d_eff']}")

exact = problem.energies["exact"]
assert exact is not None and abs(exact + 7.72740661031) < 1e-10  # free fermions
assert [stage.ansatz.n_parameters for stage in pruning.stages] == [216, 144, 24, 8]
assert abs(pruning.final.optimum.value - exact) < 1e-9
gates = vp.qubit_gates(pruning.final.ansatz, pruning.final.optimum.angles, problem.reference)
print(vp.count_resources(gates).n_two_qubit_gates, "two-qubit gates")
