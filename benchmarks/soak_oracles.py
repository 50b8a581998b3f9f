"""What `soak.py` compares a run with: plain matrices made from the drawn problem and from the files of the run.

Nothing of `vqe_prune` is used. Annihilators are Kronecker products, a Hamiltonian is a matrix of all determinants with
the electron numbers (or of all qubits), and its lowest eigenvalue the exact energy; states are rebuilt from angles.npz
by matrix exponentials and from circuit.json by Cirq. PySCF does the mean field of a molecule again, without symmetry.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sparse

PAULIS = {
    "I": sparse.identity(2, format="csr"),
    "X": sparse.csr_matrix([[0, 1], [1, 0]]),
    "Y": sparse.csr_matrix([[0, -1j], [1j, 0]]),
    "Z": sparse.csr_matrix([[1, 0], [0, -1]]),
}
GATES = {
    "h": sparse.csr_matrix(np.array([[1, 1], [1, -1]]) / np.sqrt(2)),
    "s": sparse.csr_matrix(np.diag([1, 1j])),
    "sdg": sparse.csr_matrix(np.diag([1, -1j])),
    **{letter.lower(): PAULIS[letter] for letter in "XYZ"},
}
LOWER = sparse.csr_matrix([[0, 1], [0, 0]])

SAME_MEAN_FIELD = 1e-6
"""Hartree between two mean fields that are the same one."""

CLEAR_GAP = 1e-3
"""Hartree between orbital energies at the edge of an active space that is the same whoever cuts it out."""


def kron(factors: list[Any]) -> Any:
    """Return the Kronecker product, qubit 0 most significant."""
    return reduce(lambda a, b: sparse.kron(a, b, format="csr"), factors)


def pauli(string: list[tuple[int, str]], n: int) -> Any:
    """Return the matrix of a Pauli string."""
    letters = dict(string)
    return kron([PAULIS[letters.get(q, "I")] for q in range(n)])


@cache
def annihilators(n: int) -> tuple[Any, ...]:
    """Return Jordan and Wigner's matrices of n spin orbitals."""
    return tuple(kron([PAULIS["Z"]] * p + [LOWER] + [PAULIS["I"]] * (n - p - 1)) for p in range(n))


@cache
def sector_of(n: int, n_alpha: int, n_beta: int) -> np.ndarray:
    """Return the basis states with these electron numbers, alpha on even qubits."""
    ones = [(np.arange(2**n)[:, None] >> (n - 1 - np.arange(spin, n, 2))) & 1 for spin in (0, 1)]
    return np.flatnonzero((ones[0].sum(axis=1) == n_alpha) & (ones[1].sum(axis=1) == n_beta))


@dataclass(frozen=True, eq=False)
class Space:
    """States, as indices of basis states of n qubits, and the Hamiltonian's matrix on them."""

    n: int
    states: np.ndarray
    matrix: np.ndarray

    def energy(self, state: np.ndarray) -> float:
        """Return <H> of amplitudes on `states`."""
        return float(np.vdot(state, self.matrix @ state).real)

    def lowest(self) -> float:
        """Return the lowest eigenvalue."""
        return float(np.linalg.eigvalsh(self.matrix)[0])


def electrons_space(integrals: dict[str, Any], states: np.ndarray) -> Space:
    """Return the matrix of one- and two-electron integrals (chemists' order) on some states."""
    h, g, n = integrals["one_body"], integrals["two_body"], len(integrals["one_body"])
    a = annihilators(2 * n)
    moves = []
    for p in range(n):
        for q in range(n):
            full = sum(a[2 * p + s].conj().T @ a[2 * q + s] for s in (0, 1))
            moves.append(full[states][:, states])
    size = len(states)
    stack = sparse.vstack([move.reshape(1, size * size) for move in moves]).tocsr()
    inner = (g.reshape(n * n, n * n) @ stack).reshape(n, n, size, size)
    matrix = integrals["constant"] * np.eye(size)
    for k, move in enumerate(moves):
        p, q = divmod(k, n)
        one = h[p, q] - 0.5 * np.einsum("rr", g[p, :, :, q])  # delta_qr of E_pq E_rs - delta_qr E_ps
        matrix += one * move.toarray() + 0.5 * (move @ inner[p, q])
    return Space(2 * n, states, matrix)


def read_integrals(path: Path) -> dict[str, Any]:
    """Return what an FCIDUMP holds, read by PySCF."""
    from pyscf import ao2mo
    from pyscf.tools import fcidump

    found = fcidump.read(str(path), verbose=False)
    n, electrons, spin = found["NORB"], found["NELEC"], found["MS2"]
    return {
        "one_body": found["H1"],
        "two_body": ao2mo.restore(1, found["H2"], n),
        "constant": found["ECORE"],
        "numbers": ((electrons + spin) // 2, (electrons - spin) // 2),
    }


def model_space(facts: dict[str, Any]) -> Space:
    """Return the matrix of a spin or Hubbard model on all qubits."""
    model, n, c = facts["model"], facts["n"], facts["couplings"]
    if model == "fermi_hubbard":
        a = annihilators(2 * n)
        total = sparse.csr_matrix((4**n, 4**n))
        for i, j, weight in facts["bonds"]:
            for s in (0, 1):
                hop = a[2 * i + s].conj().T @ a[2 * j + s]
                total = total - c["t"] * weight * (hop + hop.conj().T)
        for i in range(n):
            total = total + c["u"] * (a[2 * i].conj().T @ a[2 * i] @ a[2 * i + 1].conj().T @ a[2 * i + 1])
        return Space(2 * n, np.arange(4**n), total.toarray().astype(complex))
    total = sparse.csr_matrix((2**n, 2**n), dtype=complex)
    if model == "tfim":
        for i, j, weight in facts["bonds"]:
            total = total - c["j"] * weight * pauli([(i, "Z"), (j, "Z")], n)
        for i in range(n):
            total = total - c["h"] * pauli([(i, "X")], n)
        return Space(n, np.arange(2**n), total.toarray())
    kinds = [(facts["bonds"], c["j1"] if model == "j1j2" else c["j"], c["delta"] if model == "xxz" else 1.0)]
    kinds += [(facts["second"], c["j2"], 1.0)] if model == "j1j2" else []
    for bonds, j, delta in kinds:
        for a_site, b_site, weight in bonds:
            for letter, scale in (("X", 1.0), ("Y", 1.0), ("Z", delta)):
                total = total + j * weight * scale * pauli([(int(a_site), letter), (int(b_site), letter)], n)
    return Space(n, np.arange(2**n), total.toarray())


def reference_of(record: dict[str, Any], space: Space) -> np.ndarray:
    """Return the amplitudes that an ansatz acts on."""
    problem, n = record["problem"], space.n
    if "reference" not in problem:
        filled = [2 * p for p in range(problem["n_alpha"])] + [2 * p + 1 for p in range(problem["n_beta"])]
        index = sum(1 << (n - 1 - q) for q in filled)
        return (space.states == index).astype(complex)
    columns = {"0": [1, 0], "1": [0, 1], "+": [np.sqrt(0.5)] * 2, "-": [np.sqrt(0.5), -np.sqrt(0.5)]}
    state = reduce(np.kron, [np.array(columns[letter], dtype=complex) for letter in problem["reference"]])
    for label in problem["preparation"]:
        name, *qubits = label.split()
        state = gate_matrix(name, [int(q) for q in qubits], n) @ state
    return state


def gate_matrix(name: str, qubits: list[int], n: int) -> Any:
    """Return the matrix of a Clifford gate."""
    if name in GATES:
        return kron([GATES[name] if q == qubits[0] else PAULIS["I"] for q in range(n)])
    first, second = qubits
    if name == "swap":
        return 0.5 * sum(pauli([(first, x), (second, x)] if x != "I" else [], n) for x in "IXYZ")
    target = {"cx": "X", "cz": "Z"}[name]
    off, on = (0.5 * (pauli([], n) + sign * pauli([(first, "Z")], n)) for sign in (1, -1))
    return off + on @ pauli([(second, target)], n)


def state_of_angles(folder: Path, record: dict[str, Any], space: Space) -> np.ndarray:
    """Return the final state by the exponentials of the rotations in angles.npz."""
    with np.load(folder / "angles.npz") as arrays:
        angles = arrays[f"{record['stages'][-1]['name']}_angles"]
        generators = [json.loads(str(text)) for text in arrays["rotations"]]
        parameters, coefficients = arrays["parameters"], arrays["coefficients"]
    state = reference_of(record, space)
    for generator, parameter, coefficient in zip(generators, parameters, coefficients, strict=True):
        angle = coefficient * (1.0 if parameter < 0 else angles[parameter])
        state = rotate(state, generator, float(angle), space)
    return state


def rotate(state: np.ndarray, generator: Any, angle: float, space: Space) -> np.ndarray:
    """Return exp(-i angle G) of a state; G^3 = G for excitations, P^2 = 1 for Pauli strings."""
    if isinstance(generator, dict) and "gate" in generator:
        return gate_matrix(generator["gate"], generator["qubits"], space.n) @ state
    if isinstance(generator, dict):
        for coefficient, string in generator["strings"]:
            turned = pauli([(int(q), letter) for q, letter in string], space.n) @ state
            state = np.cos(angle * coefficient) * state - 1j * np.sin(angle * coefficient) * turned
        return state
    created, annihilated = generator
    a = annihilators(space.n)
    half = reduce(lambda x, y: x @ y, [*(a[p].conj().T for p in created), *(a[p] for p in reversed(annihilated))])
    half = half[space.states][:, space.states]
    once = half @ state - half.conj().T @ state
    twice = half @ once - half.conj().T @ once
    return state + np.sin(angle) * once + (1.0 - np.cos(angle)) * twice


def state_of_circuit(folder: Path, n: int) -> np.ndarray:
    """Return what Cirq makes of circuit.json, in double precision."""
    import cirq

    circuit = cirq.read_json(str(folder / "circuit.json"))
    done = cirq.Simulator(dtype=np.complex128).simulate(circuit, qubit_order=cirq.LineQubit.range(n))
    return np.asarray(done.final_state_vector)


def encoded(state: np.ndarray, space: Space, wires: list[str]) -> np.ndarray:
    """Return a state of determinants on qubits that hold what `wires` says: 0a, 1ab (a pair) or 0a-1b (a parity)."""
    bits = (space.states[:, None] >> (space.n - 1 - np.arange(space.n))) & 1
    index = np.zeros(len(bits), dtype=np.int64)
    for wire in wires:
        first, _, last = wire.partition("-")
        low, high = ((2 * int(w.rstrip("ab")) + (w[-1] == "b")) for w in (first, last or first))
        if first.endswith("ab"):
            low = high = high - 1
        index = 2 * index + bits[:, low : high + 1].sum(axis=1) % 2
    found = np.zeros(2 ** len(wires), dtype=complex)
    np.add.at(found, index, state)
    return found


def spin_squared(state: np.ndarray, space: Space) -> float:
    """Return <S^2> of electrons with definite electron numbers, or of any state of all qubits."""
    a = annihilators(space.n)
    full = np.zeros(2**space.n, dtype=complex)
    full[space.states] = state
    raised = sum(a[p].conj().T @ (a[p + 1] @ full) for p in range(0, space.n, 2))
    z = sum((0.5, -0.5)[p % 2] * (a[p].conj().T @ (a[p] @ full)) for p in range(space.n))
    z_twice = sum((0.5, -0.5)[p % 2] * (a[p].conj().T @ (a[p] @ z)) for p in range(space.n))
    return float((np.vdot(raised, raised) + np.vdot(full, z_twice) + np.vdot(full, z)).real)


def energy_of_densities(folder: Path, integrals: dict[str, Any]) -> float:
    """Return the energy of density_matrices.npz with the integrals of hamiltonian.fcidump."""
    with np.load(folder / "density_matrices.npz") as arrays:
        one, two = arrays["alpha"] + arrays["beta"], arrays["two_body"]
    energy = integrals["constant"] + np.sum(integrals["one_body"] * one)
    return float(energy + 0.5 * np.sum(integrals["two_body"] * two))


def molecule_of(facts: dict[str, Any]) -> Any:
    """Return PySCF's molecule, without symmetry."""
    from pyscf import gto

    spin, charge = facts["spin"], facts["charge"]
    return gto.M(atom=facts["atoms"], basis=facts["basis"], charge=charge, spin=spin, unit="Angstrom", verbose=0)


def exact_energy(facts: dict[str, Any], hf: float) -> tuple[float, str]:
    """Return the exact energy of a drawn molecule and how it was found; empty where there is nothing to compare with.

    All orbitals: in orthogonalised atomic ones, so that no mean field matters. With an active space: in the canonical
    orbitals of a mean field of its own, where that is the same one and its orbitals are cut where there is a gap.
    """
    from pyscf import ao2mo, scf

    mol = molecule_of(facts)
    h = scf.hf.get_hcore(mol)
    if not any("active" in word or "frozen" in word for word in facts["space"]):
        values, vectors = np.linalg.eigh(mol.intor("int1e_ovlp"))
        c = vectors / np.sqrt(values)
        n = c.shape[1]
        integrals = {
            "one_body": c.T @ h @ c, "two_body": ao2mo.restore(1, ao2mo.full(mol, c), n), "constant": mol.energy_nuc()
        }  # fmt: skip
        return electrons_space(integrals, sector_of(2 * n, *mol.nelec)).lowest(), "all orbitals"
    if any("orbitals=" in word and "active" not in word for word in facts["space"]):
        return np.nan, "natural orbitals"
    field = scf.ROHF(mol) if mol.spin else scf.RHF(mol)
    field.conv_tol, field.conv_tol_grad, field.max_cycle = 1e-12, 1e-7, 200
    found = field.kernel()
    if not field.converged or abs(found - hf) > SAME_MEAN_FIELD:
        return np.nan, "another mean field"
    return in_active_space(facts, mol, field)


def in_active_space(facts: dict[str, Any], mol: Any, field: Any) -> tuple[float, str]:
    """Return the exact energy in the active space that is asked for, of a converged mean field."""
    from pyscf import ao2mo

    order = np.lexsort((field.mo_energy, -field.mo_occ))
    c, n_electrons, word = field.mo_coeff[:, order], mol.nelectron, facts["space"][-1]
    key, _, text = word.partition("=")
    if key.endswith("frozen_core"):
        core = sum(1 for element, _ in facts["atoms"] if element not in ("H", "He"))
        active = list(range(core, c.shape[1]))
    elif key.endswith("active_space"):
        electrons, n = json.loads(text)
        core = (n_electrons - electrons) // 2
        active = list(range(core, core + n))
    else:
        active = [p - 1 for p in json.loads(text)]
        filled = [p for p in range(c.shape[1]) if field.mo_occ[order][p] == 2]
        core = len([p for p in filled if p not in active])
    inner = [p for p in range(c.shape[1]) if p not in active and field.mo_occ[order][p] == 2]
    levels, kinds = field.mo_energy[order], field.mo_occ[order]
    out = [p for p in range(c.shape[1]) if p not in active]
    gaps = [abs(levels[p] - levels[q]) for p in active for q in out if kinds[p] == kinds[q]]
    if min(gaps, default=1.0) < CLEAR_GAP:
        return np.nan, "orbitals of one energy cut apart"
    density = 2 * c[:, inner] @ c[:, inner].T
    coulomb, exchange = field.get_jk(mol, density) if inner else (0.0, 0.0)
    potential, h = coulomb - 0.5 * exchange, field.get_hcore()
    constant = mol.energy_nuc() + (np.sum((h + 0.5 * potential) * density) if inner else 0.0)
    own = c[:, active]
    two = ao2mo.restore(1, ao2mo.full(mol, own), len(active))
    integrals = {"one_body": own.T @ (h + potential) @ own, "two_body": two, "constant": constant}
    numbers = mol.nelec[0] - len(inner), mol.nelec[1] - len(inner)
    return electrons_space(integrals, sector_of(2 * len(active), *numbers)).lowest(), "active space"
