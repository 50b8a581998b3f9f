"""Lithium hydride, pruned to one pair rotation, measured on a virtual Google processor; and what must come out."""

import numpy as np

import vqe_prune as vp
from vqe_prune.measurement_plan import REFERENCE_ANGLE

molecule = vp.Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.595))))
problem = vp.molecular_problem(molecule)
pruning = vp.prune_ansatz(problem, vp.uccsd(problem.n_orbitals, *problem.n_electrons), orbitals="optimise")
print(pruning)

final, rotated = pruning.final, pruning.final_problem  # the Hamiltonian in the orbitals of the pruned circuit
circuit = vp.encode(rotated, final.ansatz, final.optimum.angles, "pairs")  # whose number every shot can be checked for
nearly_reference = vp.encode(rotated, final.ansatz, np.full(final.ansatz.n_parameters, REFERENCE_ANGLE), "pairs")
runner = vp.DeviceRunner(vp.open_processor("willow_pink", seed=1), circuit.n_qubits, twirls=16, seed=1)
measured = vp.measure_energy(
    circuit,
    runner,
    shots=200_000,
    mitigation=["post_selection", "readout", "reference"],
    reference=nearly_reference,
)
assert runner.placement is not None
print(f"{runner.n_two_qubit_gates} two-qubit gate on {', '.join(map(str, runner.placement.qubits))}")
exact = problem.energies["exact"]
assert exact is not None
for each in measured.estimates:
    print(f"{each.name:38} {1e3 * (each.value - exact):7.2f} +- {1e3 * each.error:.2f} mHa from full CI")

assert circuit.n_qubits == 2 and runner.n_two_qubit_gates == 1
mitigated = measured["readout, post_selection, reference"]
assert measured["raw"].value - exact > 0.010  # hartree: noise costs more than the correlation that it hides
assert abs(mitigated.value - final.optimum.value) < 4 * mitigated.error + 0.001  # 1 mHa for errors that keep pairs
