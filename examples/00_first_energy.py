"""Lithium hydride from geometry to a pruned circuit, and the numbers that must come out."""

import vqe_prune as vp

molecule = vp.Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.595))))
problem = vp.molecular_problem(molecule)
ansatz = vp.uccsd(problem.n_orbitals, *problem.n_electrons)
pruning = vp.prune_ansatz(problem, ansatz, limits=vp.Limits(tolerance=1.5e-3))
print(pruning)
for rotation in pruning.final.ansatz.rotations:
    print(rotation.generator.label, "on parameter", rotation.parameter)

full, symmetric, pruned = pruning.stages
assert full.ansatz.n_parameters == 92
assert symmetric.ansatz.n_parameters == 18
assert abs(symmetric.optimum.value - full.optimum.value) < 1e-9  # symmetry costs nothing
assert pruned.ansatz.n_parameters == 3
exact = problem.energies["exact"]
assert exact is not None
assert 0 < pruned.optimum.value - exact < 1.5e-3  # hartree
