"""A stretched bond in an active space found by natural occupation; and the numbers that must come out."""

from pyscf import gto, mcscf, scf

import vqe_prune as vp

atoms = (("H", (0, 0, 0)), ("F", (0, 0, 1.8)))
spaces = {}
for orbitals in ("hf", "uno"):
    molecule = vp.Molecule(
        name=f"HF {orbitals}",
        atoms=atoms,
        basis="6-31g",
        orbitals=orbitals,
        active_space=(2, 2) if orbitals == "hf" else "auto",
    )
    spaces[orbitals] = vp.molecular_problem(molecule)
    problem = spaces[orbitals]
    print(f"{orbitals}: {sum(problem.n_electrons)} electrons in {problem.n_orbitals} orbitals, exact energy there")
    print(f"    {problem.energies['exact']:.6f} hartree")

canonical, natural = spaces["hf"].energies["exact"], spaces["uno"].energies["exact"]
assert canonical is not None and natural is not None
print(f"natural orbitals of UHF are {1e3 * (canonical - natural):.1f} mHa lower in a space of the same size")

mean_field = scf.RHF(gto.M(atom=list(atoms), basis="6-31g", verbose=0)).run(verbose=0)
casci = mcscf.CASCI(mean_field, 2, 2).run(verbose=0).e_tot
assert abs(canonical - casci) < 1e-7  # hartree, PySCF's own
assert spaces["uno"].n_orbitals == 2 and spaces["uno"].n_electrons == (1, 1)
assert natural < canonical - 0.01
