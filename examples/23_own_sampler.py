"""Energies from shots of any Cirq sampler: error bars, post-selection, noise of one's own; and what must come out."""

import cirq

import vqe_prune as vp

problem = vp.molecular_problem(vp.Molecule(name="H2", atoms=(("H", (0, 0, 0)), ("H", (0, 0, 0.7414)))))
pruning = vp.prune_ansatz(problem, vp.uccsd(2, 1, 1), rules=["symmetry"])
final = pruning.final
circuit = vp.encode(problem, final.ansatz, final.optimum.angles, "pairs")  # one qubit an orbital
print(circuit.n_qubits, "qubits,", vp.count_resources(circuit.gates).n_two_qubit_gates, "two-qubit gates")

samplers = {
    "noiseless": cirq.Simulator(seed=1),
    "depolarising": cirq.DensityMatrixSimulator(noise=cirq.ConstantQubitNoiseModel(cirq.depolarize(0.005)), seed=1),
}
errors = {}
for name, sampler in samplers.items():
    runner = vp.sampler_runner(sampler, circuit.n_qubits)
    measured = vp.measure_energy(circuit, runner, shots=40_000, mitigation=["post_selection"])
    for estimate in measured.estimates:
        error = 1e3 * (estimate.value - final.optimum.value)
        errors[name, estimate.name] = error, 1e3 * estimate.error
        print(f"{name:13} {estimate.name:15} {error:6.2f} +- {1e3 * estimate.error:.2f} mHa, kept {estimate.kept:.3f}")

error, bar = errors["noiseless", "raw"]
assert abs(error) < 4 * bar
raw, kept = errors["depolarising", "raw"][0], errors["depolarising", "post_selection"][0]
assert abs(kept) < raw / 3  # wrong numbers of pairs are seen and left out
