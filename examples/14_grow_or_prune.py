"""ADAPT from a pool of one's own choice beside pruning, on one Hamiltonian; and the numbers that must come out."""

import vqe_prune as vp

molecule = vp.Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.595))))
problem = vp.molecular_problem(molecule)
pool = vp.fermionic_pool(problem)
growth = vp.grow(problem, pool, target_error=1.594e-3)  # hartree, 1 kcal/mol
exact = problem.energies["exact"]
assert exact is not None
for point in growth.points[1:]:
    assert isinstance(point.chosen, vp.Excitation)
    error = 1e3 * (point.optimum.value - exact)
    print(f"{point.ansatz.n_parameters} operators, the last {point.chosen.label:15}: {error:8.4f} mHa")

pruning = vp.prune_ansatz(
    problem, vp.uccsd(problem.n_orbitals, *problem.n_electrons), limits=vp.Limits(tolerance=1.594e-3)
)
print(pruning)

grown, pruned = growth.final.ansatz, pruning.final.ansatz
print(f"grown {grown.n_parameters} parameters, pruned {pruned.n_parameters}; both {len(pruned.rotations)} rotations")
assert grown.n_parameters == 5 and pruned.n_parameters == 3  # pruning ties what symmetry maps onto each other
assert len(grown.rotations) == len(pruned.rotations) == 5
assert 0 < growth.final.optimum.value - exact < 1.594e-3
