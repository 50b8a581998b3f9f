"""What pruning removes from lithium hydride, in which order, at what cost, and the numbers that must come out."""

from collections import Counter

import matplotlib.pyplot as plt

import vqe_prune as vp

molecule = vp.Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.595))))
problem = vp.molecular_problem(molecule)
ansatz = vp.uccsd(problem.n_orbitals, *problem.n_electrons)
pruning = vp.prune_ansatz(problem, ansatz, limits=vp.Limits(tolerance=1.5e-3))
print(pruning)

# Why each of the 92 rotations stays or goes.
for action, count in Counter(decision.action for decision in pruning.plan.decisions).items():
    print(f"{count:2} rotations: {action.value}")
for rotation, decision in zip(ansatz.rotations, pruning.plan.decisions, strict=True):
    if decision.action in (vp.Action.KEEP, vp.Action.TIE):
        print(f"{rotation.generator.label:16} {decision.action.value}: {decision.reason}")

# The rule goes on to the last parameter, and then takes the smallest ansatz within the tolerance.
exact = problem.energies["exact"]
assert exact is not None
sizes = [len(point.kept) for point in pruning.path]
errors = [1e3 * (point.value - exact) for point in pruning.path]  # mHa
for size, error in zip(sizes, errors, strict=True):
    print(f"{size:2} left, {error:7.4f} mHa above full CI")

certificate = pruning.certificate
print(f"predicted {1e3 * certificate.predicted_increase:.4f} mHa, measured {1e3 * certificate.measured_increase:.4f}")

figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.semilogy(sizes, errors, "o-", label="curvature")
axes.axhline(1.5, color="gray", linestyle=":", label="tolerance")
axes.set(xlabel="parameters", ylabel="error to full CI / mHa", title="LiH, STO-3G")
axes.legend()
plt.show()

assert [len(point.kept) for point in pruning.path] == list(range(18, -1, -1))
assert len(pruning.plan.survivors) == 5
assert abs(dict(zip(sizes, errors, strict=True))[3] - 1.1139) < 1e-3  # mHa; docs/reference_numbers.md: 1.114
assert abs(errors[-1] - 1e3 * (problem.energies["hf"] - exact)) < 1e-6  # without parameters it is Hartree-Fock
assert abs(certificate.predicted_increase / certificate.measured_increase - 1) < 1e-3
assert certificate.measured_increase < certificate.bound
