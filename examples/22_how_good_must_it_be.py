"""How good must the processor be? Lithium hydride under willow_pink's noise, multiplied by a factor."""

import vqe_prune as vp
from vqe_prune.measurement_plan import plan_measurement

molecule = vp.Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.595))))
problem = vp.molecular_problem(molecule)
pruning = vp.prune_ansatz(problem, vp.uccsd(problem.n_orbitals, *problem.n_electrons), orbitals="optimise")
final = pruning.final
circuit = vp.encode(pruning.final_problem, final.ansatz, final.optimum.angles, "pairs")

errors = {}
for factor in (0.0, 0.25, 1.0, 4.0):
    runner = vp.DeviceRunner(vp.open_processor("willow_pink", noise_scale=factor, seed=2), circuit.n_qubits, twirls=16)
    measured = vp.measure_energy(circuit, runner, shots=100_000, mitigation=["post_selection"])
    errors[factor] = {each.name: 1e3 * (each.value - final.optimum.value) for each in measured.estimates}
    bar = 1e3 * measured["post_selection"].error
    raw, kept = errors[factor]["raw"], errors[factor]["post_selection"]
    print(f"noise times {factor:<4g} raw {raw:6.2f} mHa, post-selected {kept:5.2f} +- {bar:.2f} mHa")
    if factor == 0.0:
        assert abs(raw) < 4 * bar and abs(raw - kept) < 1e-9  # nothing to reject

# Without shots: exact probabilities under the noise, and the factor at which an error is 1 kcal/mol.
plan = plan_measurement(circuit, shots=100_000, mitigation=["post_selection"])
runner = vp.DeviceRunner(vp.open_processor("willow_pink"), circuit.n_qubits)


def energies(factor: float) -> dict[str, float]:
    """Energies by the name of the estimate, hartree."""
    return vp.noisy_energies(plan, runner, "willow_pink", factor)


factors = vp.critical_noise_scales(energies, final.optimum.value, 1.594e-3)
for name, found in factors.items():
    assert found is not None
    print(f"{name} within 1 kcal/mol of the noiseless energy up to {found:.3g} times the noise of willow_pink")

assert errors[0.25]["raw"] < errors[1.0]["raw"] < errors[4.0]["raw"]
assert errors[0.25]["raw"] > 2.0  # mHa
raw_factor, kept_factor = factors["raw"], factors["post_selection"]
assert raw_factor is not None and kept_factor is not None
assert raw_factor < 0.25 < 1.0 < kept_factor  # checking the number of pairs is worth more than a better processor
