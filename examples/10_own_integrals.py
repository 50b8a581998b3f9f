"""A Hubbard chain from its own integrals and from an FCIDUMP file, and the numbers that must come out."""

import tempfile
from pathlib import Path

import numpy as np
from pyscf.tools import fcidump

import vqe_prune as vp

levels, orbitals = np.linalg.eigh(-np.eye(4, k=1) - np.eye(4, k=-1))  # a Hubbard chain, t = 1
repulsion = 2.0 * np.einsum("ip,iq,ir,is->pqrs", *[orbitals] * 4)  # U = 2, chemists' order
own = vp.problem_from_integrals(np.diag(levels), repulsion, (2, 2), name="Hubbard chain")
print(vp.prune_ansatz(own, vp.uccsd(own.n_orbitals, *own.n_electrons)))

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "hubbard.fcidump"
    fcidump.from_integrals(str(path), np.diag(levels), repulsion, 4, 4)
    read = vp.problem_from_fcidump(path)
print("the same from the file:", abs(read.energies["exact"] - own.energies["exact"]) < 1e-9)

assert own.energies["exact"] is not None and read.energies["exact"] is not None
assert abs(own.energies["exact"] + 2.8759428090) < 1e-9  # in units of t; by PySCF's FCI, and in the site basis below
sites = vp.problem_from_integrals(
    -np.eye(4, k=1) - np.eye(4, k=-1), 2.0 * np.einsum("ip,iq,ir,is->pqrs", *[np.eye(4)] * 4), (2, 2)
)
assert sites.energies["exact"] is not None
assert abs(sites.energies["exact"] - own.energies["exact"]) < 1e-9
