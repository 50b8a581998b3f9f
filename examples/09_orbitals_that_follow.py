"""Orbitals that follow the angles: lithium hydride with one parameter, PySCF's CASSCF, and what must come out."""

from pyscf import gto, mcscf, scf

import vqe_prune as vp

molecule = vp.Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.595))))
problem = vp.molecular_problem(molecule)
ansatz = vp.uccsd(problem.n_orbitals, *problem.n_electrons)
fixed = vp.prune_ansatz(problem, ansatz)
free = vp.prune_ansatz(problem, ansatz, orbitals="optimise")
print(free)

rotated = free.final_problem  # the Hamiltonian in the orbitals that the circuit acts in
assert isinstance(rotated, vp.Problem)
(rotation,) = free.final.ansatz.rotations
print("the only rotation:", rotation.generator.label)
circuit = vp.encode(rotated, free.final.ansatz, free.final.optimum.angles, "pairs")
print("two-qubit gates, an orbital on each qubit:", vp.count_resources(circuit.gates).n_two_qubit_gates)

atoms = gto.M(atom=list(molecule.atoms), basis="sto-3g", verbose=0)
casscf = mcscf.CASSCF(scf.RHF(atoms).run(verbose=0), 2, 2).run(conv_tol=1e-10, verbose=0)
print(f"one parameter {free.final.optimum.value:.8f} hartree, CASSCF(2,2) {casscf.e_tot:.8f}")

assert fixed.final.ansatz.n_parameters == 3 and free.final.ansatz.n_parameters == 1
assert abs(free.final.optimum.value - casscf.e_tot) < 1e-6  # hartree: the same ansatz and the same orbitals
exact = problem.energies["exact"]
assert exact is not None and 1.2e-3 < free.final.optimum.value - exact < 1.5e-3
