"""Dipole, natural occupations, spin and density matrices of a pruned state, and the numbers that must come out."""

import numpy as np

import vqe_prune as vp

molecule = vp.Molecule(name="H2O", atoms=(("O", (0, 0, 0)), ("H", (0.7586, 0, 0.5043)), ("H", (-0.7586, 0, 0.5043))))
problem = vp.molecular_problem(molecule)
pruning = vp.prune_ansatz(problem, vp.uccsd(problem.n_orbitals, *problem.n_electrons))
print(pruning)

states = {}
for stage in pruning.stages:
    states[stage.name] = vp.EnergyObjective(vp.sector_hamiltonian(problem), stage.ansatz).engine.state(
        stage.optimum.angles
    )
    properties = vp.properties_of(problem, states[stage.name])
    spin = vp.observe(problem, stage.ansatz, stage.optimum.angles).spin_squared
    assert properties.dipole is not None and spin is not None
    occupations = " ".join(f"{each:.3f}" for each in properties.natural_occupations)
    print(f"{stage.name:10} dipole {properties.dipole[2]:.4f} debye, <S^2> {spin:.4f}, occupations {occupations}")

final = pruning.final
matrices = vp.density_matrices(problem, final.ansatz, final.optimum.angles)
electrons = problem.electrons
assert matrices.two_body is not None
energy = electrons.constant + np.einsum("pq,pq", electrons.one_body, matrices.one_body)
energy += 0.5 * np.einsum("pqrs,pqrs", electrons.two_body, matrices.two_body)
print(f"energy from the density matrices: {energy:.8f} hartree")

assert final.ansatz.n_parameters == 12
assert abs(energy - final.optimum.value) < 1e-9  # two ways to one number
assert abs(np.trace(matrices.one_body) - 10) < 1e-9  # electrons
full, pruned = (vp.properties_of(problem, states[name]) for name in ("full", "curvature"))
assert full.dipole is not None and pruned.dipole is not None
assert 0.02 < abs(full.dipole[2] - pruned.dipole[2]) < 0.1  # debye: first order, where the energy's error is second
assert abs(sum(pruned.natural_occupations) - 10) < 1e-9
