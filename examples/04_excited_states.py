"""Excited states out of a pruned ground state, a triplet pruned alone, forces, and the numbers that must come out."""

import vqe_prune as vp

problem = vp.molecular_problem(vp.Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.595)))))
pruning = vp.prune_ansatz(problem, vp.uccsd(problem.n_orbitals, *problem.n_electrons))
final = pruning.final
spectrum = vp.expand_states(problem, final.ansatz, final.optimum.angles, states=4)
print(spectrum)

triplet = vp.state_problem(problem, "A1", spin=2)  # the lowest triplet, as a ground state of its own
alone = vp.prune_ansatz(triplet, vp.uccsd(triplet.n_orbitals, *triplet.n_electrons))
print(alone)

gradient = vp.nuclear_gradient(problem, final.ansatz, final.optimum.angles)
print("force along the bond:", -gradient[1, 2], "hartree/bohr")

assert final.ansatz.n_parameters == 3
assert [(state.multiplicity, state.irrep) for state in spectrum.states[:2]] == [(3, "A1"), (1, "A1")]
assert all(abs(state.excitation_error or 1.0) < 2e-4 for state in spectrum.states)  # hartree
assert alone.final.ansatz.n_parameters == 2
exact = triplet.energies["exact"]
assert exact is not None and 0 < alone.final.optimum.value - exact < 1.5e-3
assert abs(gradient[0, 2] + gradient[1, 2]) < 1e-7  # nobody pushes the molecule as a whole
