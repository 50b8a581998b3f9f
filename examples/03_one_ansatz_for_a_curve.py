"""One pruned ansatz for the whole dissociation curve of lithium hydride, and the numbers that must come out."""

import matplotlib.pyplot as plt

import vqe_prune as vp

bonds = [1.0 + 0.25 * k for k in range(11)]  # angstrom
problems = [
    vp.molecular_problem(vp.Molecule(name=f"LiH {bond:.2f}", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, bond)))))
    for bond in bonds
]
ansatz = vp.uccsd(problems[0].n_orbitals, *problems[0].n_electrons)
curve = vp.prune_family(problems, ansatz, limits=vp.Limits(tolerance=1.594e-3), members=[0, 5, 10])
print(curve)
for bond, optimum, error in zip(bonds, curve.final.optima, curve.errors(), strict=True):
    print(f"{bond:.2f} angstrom: {optimum.value:.6f} hartree, error {1e3 * error:.3f} mHa")
needed = vp.needed_parameters(curve)
print(
    f"{len(needed)} of the {curve.stages[1].ansatz.n_parameters} symmetric parameters are needed by every such ansatz"
)

figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.semilogy(bonds, 1e3 * curve.errors(), "o-", label="one structure, 6 parameters")
axes.axhline(1.594, color="gray", linestyle=":", label="1 kcal/mol")
axes.set(xlabel="bond length / angstrom", ylabel="error to full CI / mHa", title="LiH, STO-3G")
axes.legend()
plt.show()

assert curve.final.ansatz.n_parameters == 6
assert len(curve.final.ansatz.rotations) == 10
assert 0 < curve.errors().max() < 1.594e-3  # hartree, on all eleven geometries
assert len(needed) == 6  # so none is left to prune

alone = vp.prune_ansatz(problems[2], ansatz, limits=vp.Limits(tolerance=1.594e-3)).final
assert alone.ansatz.n_parameters == 3  # enough for one geometry
