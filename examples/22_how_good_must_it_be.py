"""How good must the processor be? Lithium hydride under willow_pink's noise, multiplied by a factor."""

import vqe_prune as vp
from vqe_prune.encoding import encode
from vqe_prune.hardware import DeviceRunner, open_processor
from vqe_prune.measure import measure_energy

molecule = vp.Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.595))))
problem = vp.molecular_problem(molecule)
pruning = vp.prune_ansatz(problem, vp.uccsd(problem.n_orbitals, *problem.n_electrons), orbitals="optimise")
circuit = encode(pruning.final_problem, pruning.final.ansatz, pruning.final.optimum.angles)

errors = {}
for factor in (0.0, 0.25, 1.0, 4.0):
    runner = DeviceRunner(open_processor("willow_pink", noise_scale=factor, seed=2), circuit.n_qubits, twirls=16)
    measured = measure_energy(circuit, runner, shots=100_000, mitigation=["post_selection"])
    errors[factor] = {each.name: 1e3 * (each.value - pruning.final.optimum.value) for each in measured.estimates}
    bar = 1e3 * measured["post_selection"].error
    raw, kept = errors[factor]["raw"], errors[factor]["post_selection"]
    print(f"noise times {factor:<4g} raw {raw:6.2f} mHa, post-selected {kept:5.2f} +- {bar:.2f} mHa")
    if factor == 0.0:
        assert abs(raw) < 4 * bar and abs(raw - kept) < 1e-9  # nothing to reject

assert errors[0.25]["raw"] < errors[1.0]["raw"] < errors[4.0]["raw"]
assert errors[0.25]["raw"] > 2.0  # a quarter of the noise is still too much for 1.594 mHa without mitigation,
assert abs(errors[1.0]["post_selection"]) < 4.0  # and a few mHa after it at today's; bars are 0.8 mHa
assert errors[4.0]["raw"] > 5 * abs(errors[4.0]["post_selection"])
