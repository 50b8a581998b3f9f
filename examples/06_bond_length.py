"""The bond length of lithium hydride by three parameters, against full CI, and the numbers that must come out.

It needs geomeTRIC: pip install 'vqe-prune[geometry]'.
"""

import numpy as np
from pyscf import fci, gto, scf

import vqe_prune as vp

start = vp.Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.55))))
problem = vp.molecular_problem(start)
pruning = vp.prune_ansatz(problem, vp.uccsd(problem.n_orbitals, *problem.n_electrons))
found = vp.optimise_geometry(pruning)  # the pruned ansatz held, its angles optimised at every geometry
print(found)
print(found.xyz())


def bond_length(molecule: vp.Molecule) -> float:
    """Angstrom."""
    (_, lithium), (_, hydrogen) = molecule.atoms
    return float(np.linalg.norm(np.subtract(hydrogen, lithium)))


def full_ci(bond: float) -> float:
    """Exact energy, hartree, by PySCF alone."""
    molecule = gto.M(atom=[("Li", (0, 0, 0)), ("H", (0, 0, bond))], basis="sto-3g", verbose=0)
    return float(fci.FCI(scf.RHF(molecule).run(verbose=0)).kernel()[0])


pruned = bond_length(found.molecule)
around = [pruned - 0.02, pruned, pruned + 0.02]
quadratic, linear, _ = np.polyfit(around, [full_ci(bond) for bond in around], 2)
exact = -linear / (2 * quadratic)  # the minimum of the parabola
print(f"bond length {pruned:.4f} angstrom with {pruning.final.ansatz.n_parameters} parameters, full CI {exact:.4f}")

assert found.converged and pruning.final.ansatz.n_parameters == 3
assert abs(pruned - exact) < 5e-3  # angstrom
assert found.steps[-1].gradient_norm < 4.5e-4  # geomeTRIC's criterion, hartree/bohr
