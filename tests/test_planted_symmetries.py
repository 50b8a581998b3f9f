"""Random Hamiltonians with planted symmetries, hundreds of them: every one is found and none is invented."""

from itertools import permutations, product

import numpy as np
import pytest

from vqe_prune.automorphism import permutation_symmetries, permuted
from vqe_prune.paulis import PauliString, QubitHamiltonian
from vqe_prune.problem import problem_from_integrals, qubit_hamiltonian
from vqe_prune.symmetry import hamiltonian_symmetries, pauli_symmetries, terms_of

Bits = tuple[int, int]
"""x and z of a Pauli string, bit q of qubit q."""


def bits_of(string: PauliString) -> Bits:
    return sum(1 << q for q, c in string if c != "Z"), sum(1 << q for q, c in string if c != "X")


def string_of(bits: Bits, n: int) -> PauliString:
    letters = {(1, 0): "X", (0, 1): "Z", (1, 1): "Y"}
    pairs = [(q, (bits[0] >> q & 1, bits[1] >> q & 1)) for q in range(n)]
    return tuple((q, letters[pair]) for q, pair in pairs if pair != (0, 0))


def commutes(a: Bits, b: Bits) -> bool:
    return ((a[0] & b[1]).bit_count() + (a[1] & b[0]).bit_count()) % 2 == 0


def turned(bits: Bits, gates: list[tuple[str, int, int]]) -> Bits:
    """A string after Clifford gates, its sign left out."""
    x, z = bits
    for name, a, b in gates:
        if name == "h":
            swap = (x >> a ^ z >> a) & 1
            x, z = x ^ swap << a, z ^ swap << a
        elif name == "s":
            z ^= (x >> a & 1) << a
        else:  # cx
            x ^= (x >> a & 1) << b
            z ^= (z >> b & 1) << a
    return x, z


def spanned(generators: list[Bits]) -> set[Bits]:
    group = {(0, 0)}
    for x, z in generators:
        group |= {(x ^ a, z ^ b) for a, b in group}
    return group


def planted_sum(seed: int) -> tuple[int, list[Bits], list[Bits], set[Bits]]:
    """Number of qubits, terms, planted generators, everything that commutes with all terms by trying all strings.

    Before a random Clifford circuit the terms have I or Z on some qubits, which plants their Z, and nothing on others,
    which plants X and Z there, of which only one can be kept.
    """
    rng = np.random.default_rng([9, seed])
    n = int(rng.integers(2, 6))
    parities = int(rng.integers(0, n))
    idle = int(rng.integers(0, 2)) if parities < n - 1 else 0
    kinds = ["Z"] * parities + ["idle"] * idle + ["free"] * (n - parities - idle)
    order = rng.permutation(n)
    masks = {kind: sum(1 << int(q) for q, k in zip(order, kinds, strict=True) if k == kind) for kind in set(kinds)}
    free, fixed = masks.get("free", 0), masks.get("Z", 0)
    names = ["h", "s", "cx"] if n > 1 else ["h", "s"]
    gates = []
    for _ in range(8 * n):
        a, b = (int(q) for q in rng.choice(n, size=2, replace=False))
        gates.append((str(rng.choice(names)), a, b))
    terms = set()
    while len(terms) < 6 * n and len(terms) < 4 ** free.bit_count() * 2 ** fixed.bit_count() - 1:
        x, z = (int(v) for v in rng.integers(0, 1 << n, size=2))
        string = x & free, z & (free | fixed)
        if string != (0, 0):
            terms.add(turned(string, gates))
    planted = [turned((0, 1 << int(q)), gates) for q, k in zip(order, kinds, strict=True) if k != "free"]
    everything = {s for s in product(range(1 << n), repeat=2) if all(commutes(s, t) for t in terms)}
    return n, sorted(terms), planted, everything


@pytest.mark.parametrize("block", range(10))
def test_planted_parities(block: int) -> None:
    generic = 0
    for seed in range(40 * block, 40 * block + 40):
        n, terms, planted, everything = planted_sum(seed)
        strings = [string_of(term, n) for term in terms]
        found = [bits_of(string) for string in pauli_symmetries(strings, n)]
        assert all(commutes(a, b) for a in found for b in [*terms, *found])
        group = spanned(found)
        assert len(group) == 1 << len(found)  # independent
        assert group <= everything
        center = {s for s in everything if all(commutes(s, t) for t in everything)}
        pairs = (len(everything).bit_length() - len(center).bit_length()) // 2  # that do not commute: one of each stays
        assert len(found) == len(center).bit_length() - 1 + pairs >= len(planted)
        assert not [s for s in everything - group if all(commutes(s, f) for f in found)]
        if not pairs:
            assert group == everything >= spanned(planted)
        generic += group == everything == spanned(planted)
    assert generic >= 20  # most Hamiltonians have what was planted and nothing by accident


@pytest.mark.parametrize("block", range(6))
def test_planted_permutations(block: int) -> None:
    """A random sum made symmetric under random permutations, against every permutation of the qubits."""
    for seed in range(30 * block, 30 * block + 30):
        rng = np.random.default_rng([10, seed])
        n = 3 + seed % 3
        group = {tuple(range(n))}
        for _ in range(seed % 3):
            image = tuple(int(q) for q in rng.permutation(n))
            while True:
                larger = group | {tuple(a[b[q]] for q in range(n)) for a in [*group, image] for b in [*group, image]}
                if larger == group:
                    break
                group = larger
        terms: dict[PauliString, float] = {}
        for _ in range(4):
            bits = int(rng.integers(1, 1 << n)), int(rng.integers(1, 1 << n))
            value = float(rng.normal())
            for each in group:
                string = permuted(string_of(bits, n), each)
                terms[string] = terms.get(string, 0.0) + value
        hamiltonian = QubitHamiltonian(n_qubits=n, terms=tuple((c, s) for s, c in terms.items()))
        kept = {
            g for g in permutations(range(n))
            if all(abs(terms.get(permuted(s, g), 0.0) - c) < 1e-9 for s, c in terms.items())
        }  # fmt: skip
        found = permutation_symmetries(hamiltonian)
        assert group <= kept and found.order == len(kept) and set(found.generators) <= kept
        assert hamiltonian_symmetries(hamiltonian).permutations.order == len(kept)


@pytest.mark.parametrize("seed", range(9))
def test_planted_irreps_of_electrons(seed: int) -> None:
    """Random integrals that keep labels: the Hamiltonian has a Z2 for each label and for alpha and beta electrons."""
    rng = np.random.default_rng([11, seed])
    n, n_labels = 3, seed % 3
    irreps = np.array([0, 1, 2, 3, 1, 2])[:n] % (1 << n_labels) if n_labels else np.zeros(n, dtype=int)
    one = rng.normal(size=(n, n))
    factors = rng.normal(size=(2, n, n))
    factors += factors.transpose(0, 2, 1)
    two = np.einsum("kpq,krs->pqrs", factors, factors)
    pair = irreps[:, None] ^ irreps[None, :]
    one = np.where(pair == 0, one + one.T, 0.0)
    two = np.where(pair[:, :, None, None] == pair[None, None], two, 0.0)
    problem = problem_from_integrals(one, two, (1, 1), exact=False)
    found = [bits_of(s) for s in pauli_symmetries(terms_of(qubit_hamiltonian(problem)), 2 * n)]
    labels = [sum(3 << 2 * p for p in range(n) if irreps[p] >> bit & 1) for bit in range(n_labels)]
    alpha, beta = (sum(1 << 2 * p + spin for p in range(n)) for spin in (0, 1))
    assert spanned(found) == spanned([(0, mask) for mask in (alpha, beta, *labels)])
