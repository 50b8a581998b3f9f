"""Exact levels, symmetries found from the terms, and qubit problems with their warnings; oracles are dense or PySCF."""

import math
from itertools import pairwise, permutations, product

import networkx as nx
import numpy as np
import openfermion
import pytest
from conftest import GEOMETRIES
from networkx.algorithms.isomorphism import GraphMatcher, numerical_edge_match

from vqe_prune import exact, models, qubit_problem
from vqe_prune import lattice as lat
from vqe_prune.chemistry import Molecule
from vqe_prune.errors import InputError
from vqe_prune.exact import GroundLevel, QubitSector, apply_string, ground_level
from vqe_prune.paulis import Clifford, QubitHamiltonian, commutator, multiply_strings, product_state
from vqe_prune.problem import molecular_problem
from vqe_prune.qubit_problem import (
    QubitProblem,
    model_problem,
    molecular_qubit_problem,
    pauli_problem,
    reference_sector,
)
from vqe_prune.symmetry import HamiltonianSymmetries, conserved_sums, hamiltonian_symmetries, sum_label


def dense(terms, n: int) -> np.ndarray:
    operator = openfermion.QubitOperator()
    for coefficient, string in terms:
        operator += openfermion.QubitOperator(string, coefficient)
    return openfermion.get_sparse_operator(operator, n).toarray()


def matrix(hamiltonian: QubitHamiltonian) -> np.ndarray:
    size = 1 << hamiltonian.n_qubits
    return dense(hamiltonian.terms, hamiltonian.n_qubits) + hamiltonian.constant * np.eye(size)


def everywhere(letter: str, n: int):
    return tuple((q, letter) for q in range(n))


def total(letter: str, n: int):
    return tuple((1.0, ((q, letter),)) for q in range(n))


def random_string(n: int, rng: np.random.Generator, letters: str = "XYZ"):
    qubits = np.sort(rng.choice(n, size=int(rng.integers(1, n + 1)), replace=False))
    return tuple((int(q), str(rng.choice(list(letters)))) for q in qubits)


def random_hamiltonian(n: int, seed: int, size: int = 12) -> QubitHamiltonian:
    rng = np.random.default_rng([61, seed])
    terms = {random_string(n, rng): float(rng.normal()) for _ in range(size)}
    return QubitHamiltonian(n_qubits=n, terms=tuple((c, s) for s, c in terms.items()), constant=float(rng.normal()))


def levels(values: np.ndarray) -> tuple[float, int, float]:
    """Lowest value, how often it occurs, and the distance to the next one."""
    count = int(np.sum(values - values[0] < 1e-7))
    return float(values[0]), count, float(values[count] - values[0]) if count < len(values) else math.inf


def check_states(level: GroundLevel, hamiltonian: QubitHamiltonian) -> None:
    gram = level.states @ level.states.conj().T
    assert np.abs(gram - np.eye(len(gram))).max() < 1e-6  # Lanczos states of a level are good to about 1e-7
    for psi in level.states:
        residual = hamiltonian.apply(psi) + (hamiltonian.constant - level.energy) * psi
        assert np.linalg.norm(residual) < 1e-5


DEGENERATE = {
    "random 3": (random_hamiltonian(3, 0), None),
    "random 5": (random_hamiltonian(5, 1), None),
    "random 6": (random_hamiltonian(6, 2, 25), None),
    "heisenberg ring 3": (models.heisenberg(lat.ring(3)).hamiltonian, 4),
    "heisenberg ring 5": (models.heisenberg(lat.ring(5)).hamiltonian, 4),
    "heisenberg chain 5": (models.heisenberg(lat.chain(5)).hamiltonian, 2),
    "majumdar ghosh": (models.j1j2(lat.ring(6), j2=0.5).hamiltonian, 2),
    "ising without field": (models.transverse_field_ising(lat.ring(6), h=0.0).hamiltonian, 2),
    "tfim": (models.transverse_field_ising(lat.ring(6)).hamiltonian, 1),
}


@pytest.mark.parametrize("branch", ["dense", "lanczos"])
@pytest.mark.parametrize("name", DEGENERATE)
def test_ground_levels_against_dense_eigenvalues(name: str, branch: str, monkeypatch) -> None:
    hamiltonian, count = DEGENERATE[name]
    if branch == "lanczos":
        if hamiltonian.n_qubits < 5:
            return  # Lanczos keeps 24 vectors, more than there are
        monkeypatch.setattr(exact, "DENSE_QUBITS", 0)
    energy, copies, gap = levels(np.linalg.eigvalsh(matrix(hamiltonian)))
    assert count is None or copies == count
    level = ground_level(hamiltonian)
    assert level.energy == pytest.approx(energy, abs=1e-9)  # the state to 1e-10, the energy to its square
    assert len(level.states) == copies
    assert level.gap == pytest.approx(gap, abs=1e-7)  # the next level is searched to 1e-7
    check_states(level, hamiltonian)


def test_levels_of_free_fermions_on_ten_qubits() -> None:
    """Ring: antiperiodic momenta; chain: 1 - 1/sin(pi / (4 n + 2)), P. Pfeuty, Ann. Phys. 57, 79 (1970)."""
    for h in (1.0, 0.6):
        ring = models.transverse_field_ising(lat.ring(10), h=h).hamiltonian
        momenta = (2 * np.arange(10) + 1) * np.pi / 10
        energy = -np.sqrt(1 + h * h + 2 * h * np.cos(momenta)).sum()
        assert ground_level(ring).energy == pytest.approx(energy, abs=1e-9)
    level = ground_level(models.transverse_field_ising(lat.chain(10)).hamiltonian)
    assert level.energy == pytest.approx(1 - 1 / math.sin(math.pi / 42), abs=1e-9)
    assert level.gap == pytest.approx(4 * math.sin(math.pi / 42), abs=1e-7)  # lowest quasiparticle of the same source


def test_other_parity_of_ten_qubits_by_free_fermions() -> None:
    """Odd fermion parity on the critical ring: periodic momenta, whose mode at the gap's closing costs nothing."""
    hamiltonian = models.transverse_field_ising(lat.ring(10)).hamiltonian
    energy = -2 * np.abs(np.cos(np.pi * np.arange(10) / 10)).sum()
    level = ground_level(hamiltonian, QubitSector(parities=((everywhere("X", 10), -1),)))
    assert level.energy == pytest.approx(energy, abs=1e-9)
    parity = [np.vdot(psi, apply_string(everywhere("X", 10), psi, 10)).real for psi in level.states]
    assert parity == pytest.approx([-1.0], abs=1e-9)


def z_sector(n: int, weight: int) -> np.ndarray:
    """Basis states with so many ones."""
    return np.array([bin(k).count("1") == weight for k in range(1 << n)])


def projector(sector: QubitSector, n: int) -> np.ndarray:
    """Product of (1 + value P) / 2 and of the allowed basis states, from dense matrices."""
    p = np.eye(1 << n) if sector.allowed is None else np.diag(sector.allowed.astype(float))
    for string, value in sector.parities:
        p = p @ (np.eye(1 << n) + value * dense([(1.0, string)], n)) / 2
    return p


def shifted(hamiltonian: QubitHamiltonian, constant: float) -> QubitHamiltonian:
    return QubitHamiltonian(n_qubits=hamiltonian.n_qubits, terms=hamiltonian.terms, constant=constant)


SECTORS = {
    "odd parity": (
        models.transverse_field_ising(lat.ring(6)).hamiltonian,
        QubitSector(parities=((everywhere("X", 6), -1),)),
    ),
    "one flipped spin": (models.xxz(lat.ring(6), delta=3.0).hamiltonian, QubitSector(allowed=z_sector(6, 1))),
    "no flipped spin": (models.xxz(lat.ring(6), delta=3.0).hamiltonian, QubitSector(allowed=z_sector(6, 0))),
    "half filling, odd": (
        models.xxz(lat.ring(6), delta=0.5).hamiltonian,
        QubitSector(allowed=z_sector(6, 3), parities=((everywhere("X", 6), -1),)),
    ),
    "complex": (
        models.heisenberg(lat.ring(5)).hamiltonian,
        QubitSector(parities=((everywhere("Y", 5), 1),)),
    ),
}


@pytest.mark.parametrize("branch", ["dense", "lanczos"])
@pytest.mark.parametrize("name", SECTORS)
def test_levels_of_sectors(name: str, branch: str, monkeypatch) -> None:
    """Energies inside may be positive, and zero, that of every state outside, would be taken by mistake."""
    bare, sector = SECTORS[name]
    n = bare.n_qubits
    if branch == "lanczos":
        monkeypatch.setattr(exact, "DENSE_QUBITS", 0)
    p = projector(sector, n)
    weights, vectors = np.linalg.eigh(p)
    inside = vectors[:, weights > 0.5]
    for hamiltonian in (bare, shifted(bare, 50.0)):
        values = np.linalg.eigvalsh(inside.conj().T @ matrix(hamiltonian) @ inside)
        energy, copies, gap = levels(values)
        level = ground_level(hamiltonian, sector)
        assert level.energy == pytest.approx(energy, abs=1e-9)  # as above
        assert len(level.states) == copies
        assert (math.inf if level.gap is None else level.gap) == pytest.approx(gap, abs=1e-7)
        for psi in level.states:
            assert np.linalg.norm(p @ psi - psi) < 1e-9
    if name in ("one flipped spin", "no flipped spin"):
        assert levels(np.linalg.eigvalsh(inside.conj().T @ matrix(bare) @ inside))[0] > 1.0
    assert sector.dimension(n) == inside.shape[1]


def test_long_levels_are_counted_to_eight() -> None:
    for n in (5, 9):  # dense, and Lanczos
        hamiltonian = QubitHamiltonian(n_qubits=n, terms=((1.0, ((0, "Z"),)),))
        assert len(ground_level(hamiltonian).states) == 8
    assert ground_level(QubitHamiltonian(n_qubits=5, terms=((1.0, ((0, "Z"),)),))).gap == pytest.approx(2.0)


def test_an_operator_of_nothing_has_one_level() -> None:
    level = ground_level(QubitHamiltonian(n_qubits=2, terms=(), constant=0.5))
    assert (level.energy, len(level.states), level.gap) == (pytest.approx(0.5), 4, None)


def test_sector_dimensions_are_ranks_of_projectors() -> None:
    x, y, z = (everywhere(letter, 4) for letter in "XYZ")
    half = z_sector(4, 2)
    for parities, allowed in (
        ([(x, 1)], None),
        ([(z, -1)], None),
        ([(x, -1), (z, 1)], None),
        ([(x, 1), (z, 1)], half),
        ([(x, 1), (z, -1)], half),  # empty
        ([(x, 1), (y, 1)], half),  # the product of X and Y parities is a string of Z
        ([(x, 1), (y, -1)], half),
        ([(((0, "X"), (1, "X")), 1), (((0, "Y"), (1, "Y")), -1), (((2, "X"), (3, "Y")), 1)], None),
        ([(((0, "Z"),), 1), (((2, "Y"),), 1)], None),
        ([], half),
    ):
        sector = QubitSector(parities=tuple(parities), allowed=allowed)
        assert sector.dimension(4) == round(np.trace(projector(sector, 4)).real)


@pytest.mark.parametrize("seed", range(6))
def test_random_sector_dimensions(seed: int) -> None:
    rng = np.random.default_rng([62, seed])
    strings = []
    for string in (random_string(4, rng) for _ in range(20)):
        new = dense([(1.0, string)], 4)
        together = [new, *(dense([(1.0, s)], 4) for s in strings)]
        if all(np.abs(new @ other - other @ new).max() < 1e-12 for other in together):
            strings.append(string)
    sector = QubitSector(parities=tuple((s, int(rng.choice([-1, 1]))) for s in strings[:3]))
    assert sector.dimension(4) == np.linalg.matrix_rank(projector(sector, 4))


@pytest.mark.parametrize("seed", range(4))
def test_strings_products_and_commutators_against_dense_matrices(seed: int) -> None:
    rng = np.random.default_rng([63, seed])
    n = 4
    for _ in range(20):
        first, second = random_string(n, rng), random_string(n, rng)
        phase, string = multiply_strings(first, second)
        a, b = dense([(1.0, first)], n), dense([(1.0, second)], n)
        assert np.abs(a @ b - phase * dense([(1.0, string)], n)).max() < 1e-12  # entries are 0, 1, -1, i, -i
        psi = rng.normal(size=(2, 1 << n)) + 1j * rng.normal(size=(2, 1 << n))
        assert np.abs(apply_string(first, psi, n) - psi @ a.T).max() < 1e-12
    sums = [[(float(rng.normal()), random_string(n, rng)) for _ in range(6)] for _ in range(2)]
    a, b = (dense(terms, n) for terms in sums)
    found = commutator(*sums)
    total_terms = [(value, string) for string, value in found.items()]
    assert np.abs(-1j * (a @ b - b @ a) - dense(total_terms, n)).max() < 1e-10  # 36 products


def charge_names(symmetries: HamiltonianSymmetries) -> set[str]:
    return {sum_label(charge) for charge in symmetries.charges}


def test_symmetries_of_the_models() -> None:
    xxz = hamiltonian_symmetries(models.xxz(lat.ring(6), delta=0.5).hamiltonian)
    assert xxz.charges == (total("Z", 6),) and not xxz.su2
    assert set(xxz.parities) == {everywhere("X", 6), everywhere("Z", 6)}
    heisenberg = hamiltonian_symmetries(models.heisenberg(lat.chain(4)).hamiltonian)
    assert heisenberg.charges == (total("Z", 4), total("X", 4), total("Y", 4)) and heisenberg.su2
    ising = hamiltonian_symmetries(models.transverse_field_ising(lat.ring(6)).hamiltonian)
    assert ising.charges == () and ising.parities == (everywhere("X", 6),) and not ising.su2
    assert ising.permutations.order == 12
    hubbard = hamiltonian_symmetries(models.fermi_hubbard(lat.chain(3)).hamiltonian)
    assert charge_names(hubbard) == {"Z0 + Z2 + Z4", "Z1 + Z3 + Z5"} and not hubbard.su2
    assert hubbard.permutations.order == 2  # mirror of the chain together with that of the spins, or it would sign
    words = "; ".join(heisenberg.describe())
    assert "SU(2)" in words and "2 permutations" in words and "Z0 + Z1 + Z2 + Z3" in words
    assert len(heisenberg.register_wide) == 5
    assert sum_label(total("Z", 12)) == "sum of Z on 12 qubits"


@pytest.mark.parametrize("seed", range(12))
def test_planted_charges_are_found_and_no_others(seed: int) -> None:
    """Exchange inside two random groups and their Z, then a random basis change of all letters."""
    rng = np.random.default_rng([64, seed])
    n = 5
    order = [int(q) for q in rng.permutation(n)]
    groups = [order[:2], order[2:]] if seed % 2 else [order[:3], order[3:4], order[4:]]
    terms: dict = {}
    for group in groups:
        for a, b in pairwise(group):
            pair = tuple(sorted((a, b)))
            value = float(rng.normal())
            for letter in "XY":
                terms[tuple((q, letter) for q in pair)] = value
    for q in range(n):
        terms[((q, "Z"),)] = float(rng.normal())
    terms[tuple((q, "Z") for q in sorted(order[1:3]))] = 0.4
    turn = dict(zip("XYZ", ["XYZ", "YZX", "ZXY"][seed % 3], strict=True))
    turned = tuple((c, tuple((q, turn[letter]) for q, letter in s)) for s, c in terms.items())
    shuffled = tuple(turned[k] for k in rng.permutation(len(turned)))
    hamiltonian = QubitHamiltonian(n_qubits=n, terms=shuffled)
    expected = {tuple((1.0, ((q, turn["Z"]),)) for q in sorted(group)) for group in groups}
    assert set(hamiltonian_symmetries(hamiltonian).charges) == expected


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("letter", "XYZ")
def test_conserved_sums_against_the_dense_null_space(seed: int, letter: str) -> None:
    """Random terms, in part flip-flops of three qubits, which conserve sums with unequal weights."""
    rng = np.random.default_rng([65, seed])
    n = 4
    terms = {random_string(n, rng, "Z"): float(rng.normal()) for _ in range(3)}
    if seed % 2:  # s+_a s+_b s-_c and its adjoint: XXX + XYY + YXY - YYX
        a, b, c = (int(q) for q in rng.choice(n, size=3, replace=False))
        for sign, ops in ((1, "XXX"), (1, "XYY"), (1, "YXY"), (-1, "YYX")):
            terms[tuple(sorted(zip((a, b, c), ops, strict=True)))] = 0.3 * sign
    else:
        terms |= {random_string(n, rng): float(rng.normal())}
    hamiltonian = QubitHamiltonian(n_qubits=n, terms=tuple((c, s) for s, c in terms.items()))
    h = matrix(hamiltonian)
    columns = []
    for q in range(n):
        one = dense([(1.0, ((q, letter),))], n)
        columns.append((h @ one - one @ h).ravel())
    nullity = n - np.linalg.matrix_rank(np.array(columns), tol=1e-9)
    found = conserved_sums(hamiltonian, letter)
    assert len(found) == nullity
    for charge in found:
        q = dense(charge, n)
        assert np.abs(h @ q - q @ h).max() < 1e-8  # coefficients are rounded to nine digits
    if found:
        rows = np.array([[dict((s[0][0], a) for a, s in charge).get(q, 0.0) for q in range(n)] for charge in found])
        assert np.linalg.matrix_rank(rows) == len(found)


def ising_of(graph: nx.Graph) -> QubitHamiltonian:
    n = graph.number_of_nodes()
    return models.transverse_field_ising(lat.lattice_from_graph(graph), h=0.7).hamiltonian if n else None


def test_permutations_of_lattices_and_graphs() -> None:
    kagome = lat.kagome(2, 2)
    graph = nx.empty_graph(12)
    graph.add_weighted_edges_from(kagome.bonds)
    found = hamiltonian_symmetries(models.transverse_field_ising(kagome).hamiltonian).permutations
    assert found.order == sum(1 for _ in GraphMatcher(graph, graph).isomorphisms_iter()) > 1
    for weights in ([1, 2, 1, 2, 1, 2], [1, 1, 2, 1, 1, 2], [1, 2, 3, 1, 2, 3], [1, 2, 3, 4, 5, 6]):
        ring = nx.Graph()
        ring.add_nodes_from(range(6))
        ring.add_weighted_edges_from((q, (q + 1) % 6, float(w)) for q, w in enumerate(weights))
        match = numerical_edge_match("weight", 1.0)
        order = sum(1 for _ in GraphMatcher(ring, ring, edge_match=match).isomorphisms_iter())
        assert hamiltonian_symmetries(ising_of(ring)).permutations.order == order
    none = next(
        g
        for g in (nx.gnp_random_graph(7, 0.45, seed=seed) for seed in range(200))
        if nx.is_connected(g) and sum(1 for _ in GraphMatcher(g, g).isomorphisms_iter()) == 1
    )
    assert hamiltonian_symmetries(ising_of(none)).permutations.order == 1
    assert "spatial: none but identity" in hamiltonian_symmetries(ising_of(none)).describe()
    square = nx.cycle_graph(4)
    matrices = dense(ising_of(square).terms, 4)
    kept = 0
    for g in permutations(range(4)):
        image = np.moveaxis(matrices.reshape((2,) * 8), range(8), [*g, *(4 + q for q in g)]).reshape(16, 16)
        kept += np.abs(image - matrices).max() < 1e-12
    assert hamiltonian_symmetries(ising_of(square)).permutations.order == kept == 8


# Problems


def warned(problem: QubitProblem, *words: str) -> None:
    """Exactly these warnings are there, one a word."""
    assert len(problem.warnings) == len(words), problem.warnings
    for word in words:
        assert any(word in text for text in problem.warnings), problem.warnings


@pytest.mark.parametrize(
    "model",
    [
        models.heisenberg(lat.ring(6)), models.heisenberg(lat.chain(4)), models.xxz(lat.ring(6), delta=0.5),
        models.heisenberg(lat.square(2, 3)),
    ],
    ids=lambda m: f"{m.name} {m.lattice.name}",
)  # fmt: skip
def test_singlet_pairs_are_the_default_where_a_neel_state_breaks_a_symmetry(model: models.SpinModel) -> None:
    problem = model_problem(model)
    n = problem.n_qubits
    assert len(problem.preparation) == n // 2
    bonds = {bond[:2] for bond in model.lattice.bonds}
    for gate in problem.preparation:
        pair = tuple(sorted(gate.qubits))
        assert pair in bonds
        swap = [(0.5, ()), *((0.5, ((pair[0], letter), (pair[1], letter))) for letter in "XYZ")]
        flipped = dense(swap[1:], n) + 0.5 * np.eye(1 << n)
        assert np.abs(flipped @ problem.reference_state + problem.reference_state).max() < 1e-12  # antisymmetric
    spin = sum(np.linalg.norm(dense(total(letter, n), n) @ problem.reference_state) for letter in "XYZ")
    assert spin == pytest.approx(0.0, abs=1e-12)
    energy, copies, _ = levels(np.linalg.eigvalsh(matrix(problem.hamiltonian)))
    assert problem.energies["exact"] == pytest.approx(energy, abs=1e-9)
    assert problem.floor == problem.energies["exact"]
    assert problem.degeneracy == copies == 1
    warned(problem)


def test_product_states_are_kept_where_they_break_nothing() -> None:
    problem = model_problem(models.transverse_field_ising(lat.ring(6)))
    assert (problem.reference, problem.preparation, problem.name) == ("++++++", (), "tfim-ring-6")
    assert problem.energies["exact"] == pytest.approx(-7.72740661031, abs=1e-10)  # docs/reference_numbers.md
    assert problem.energies["reference"] == pytest.approx(-6.0, abs=1e-12)
    assert (problem.degeneracy, problem.sector_dimension, problem.unit) == (1, 32, "J")
    warned(problem)
    odd = model_problem(models.heisenberg(lat.ring(5)))  # no pairing of five sites
    assert (odd.reference, odd.preparation) == ("01010", ())
    still = model_problem(models.transverse_field_ising(lat.ring(6), h=0.0))  # pairs break every Z_q as well
    assert (still.reference, still.preparation) == ("++++++", ())
    star = model_problem(models.heisenberg(lat.lattice_from_bonds([[0, 1], [0, 2], [0, 3]])))
    assert star.preparation == ()  # four sites, but bonds pair only two


def test_degenerate_ground_states_are_told() -> None:
    problem = model_problem(models.j1j2(lat.ring(6), j2=0.5))
    assert problem.degeneracy == 2
    warned(problem, "2-fold degenerate")
    ghz = model_problem(models.transverse_field_ising(lat.ring(4), h=0.0), reference="0000")
    assert ghz.degeneracy == 2  # of all states, though one of them alone is in the sector of |0000>
    assert not any("degenerate" in text for text in ghz.warnings)


def test_references_outside_the_lowest_sector_are_told() -> None:
    hamiltonian = models.transverse_field_ising(lat.ring(6)).hamiltonian
    problem = model_problem(models.transverse_field_ising(lat.ring(6)), reference="-+++++")
    p = projector(QubitSector(parities=((everywhere("X", 6), -1),)), 6)
    energy = np.linalg.eigvalsh(p @ matrix(hamiltonian) @ p)[0]
    assert energy > -7.5
    assert problem.energies["exact"] == problem.floor == pytest.approx(-7.72740661031, abs=1e-10)
    warned(problem, f"stop at {energy:.8f} J, {energy + 7.72740661031:.6f} above it")
    offered = problem.warnings[0].partition("type model.reference=")[2]
    assert offered == "++++++"
    assert model_problem(models.transverse_field_ising(lat.ring(6)), reference=offered).warnings == ()
    magnet = model_problem(models.xxz(lat.chain(4), delta=0.5), reference="0111")
    offered = next(text for text in magnet.warnings if "outside" in text).partition("type model.reference=")[2]
    assert sorted(offered) == ["0", "0", "1", "1"]  # the ground state has no magnetisation
    right = model_problem(models.xxz(lat.chain(4), delta=0.5), reference=offered)
    assert not any("outside the sector" in text for text in right.warnings)
    hubbard = model_problem(models.fermi_hubbard(lat.chain(2), u=4.0))
    assert hubbard.energies["exact"] == pytest.approx(2 - math.sqrt(8), abs=1e-9)  # (U - sqrt(U^2 + 16 t^2)) / 2
    assert hubbard.floor == pytest.approx(-1.0, abs=1e-9)  # one electron in the bonding orbital
    assert (hubbard.n_electrons, hubbard.sector_dimension, hubbard.degeneracy) == ((1, 1), 4, 1)
    assert not any("outside the sector" in text for text in hubbard.warnings)  # the number of electrons was asked for


def test_starts_that_break_a_symmetry_are_told() -> None:
    ising = model_problem(models.transverse_field_ising(lat.ring(6)), reference="000000")
    warned(ising, "breaks a symmetry of the Hamiltonian (X0 X1 X2 X3 X4 X5)")
    assert ising.sector_dimension == 64
    neel = model_problem(models.heisenberg(lat.ring(6)), reference="010101")
    assert neel.preparation == ()
    warned(neel, "breaks a symmetry of the Hamiltonian (X0 X1 X2 X3 X4 X5)")
    tilted = model_problem(models.xxz(lat.ring(4), delta=0.5), reference="++++")
    warned(tilted, "Z0 + Z1 + Z2 + Z3")


def test_mixtures_of_total_spins_are_told() -> None:
    """Two triplet bonds with no Z: X and Z parity and total Z are sharp, the total spin is 0 or 2."""
    model = models.heisenberg(lat.ring(4))
    symmetries = hamiltonian_symmetries(model.hamiltonian)
    pairs = (Clifford("cx", (0, 1)), Clifford("cx", (2, 3)))
    mixed, pure = (
        qubit_problem._assemble(model.hamiltonian, symmetries, True, name="pairs", reference=letters, preparation=pairs)
        for letters in ("+1+1", "-1-1")
    )
    n = 4
    squared = sum(0.25 * np.linalg.matrix_power(dense(total(letter, n), n), 2) for letter in "XYZ")
    mean = np.vdot(mixed.reference_state, squared @ mixed.reference_state).real
    spread = np.linalg.norm(squared @ mixed.reference_state - mean * mixed.reference_state)
    assert mean == pytest.approx(4.0, abs=1e-12) and spread > 1.0  # 2/3 of 6 and 1/3 of 0
    warned(mixed, "mixes total spins")
    warned(pure)


def test_a_mean_is_not_a_total_spin() -> None:
    """Two thirds of a singlet and a third of S = 2 have the mean of S = 1."""
    n = 4
    squared = sum(0.25 * np.linalg.matrix_power(dense(total(letter, n), n), 2) for letter in "XYZ")
    values, vectors = np.linalg.eigh(squared)
    spins = {s: vectors[:, int(np.flatnonzero(np.abs(values - s * (s + 1)) < 1e-9)[0])] for s in (0, 1, 2)}
    level = GroundLevel(energy=0.0, states=spins[1][None], gap=None)
    mixed = math.sqrt(2 / 3) * spins[0] + math.sqrt(1 / 3) * spins[2]
    assert not qubit_problem._has_total_spin(mixed, level, n)
    assert not qubit_problem._has_total_spin(spins[0], level, n)
    assert qubit_problem._has_total_spin(spins[1], level, n)


def test_reference_sectors() -> None:
    model = models.xxz(lat.ring(4), delta=0.5)
    symmetries = hamiltonian_symmetries(model.hamiltonian)
    sector, broken = reference_sector(symmetries, product_state("0111"), 4)
    assert broken == ["X0 X1 X2 X3"]
    assert sector.parities == ((everywhere("Z", 4), -1),)
    assert np.array_equal(sector.allowed, z_sector(4, 3))


def test_a_hamiltonian_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="every coupling is zero"):
        model_problem(models.transverse_field_ising(lat.ring(4), j=0.0, h=0.0))


def test_bad_references_are_refused() -> None:
    model = models.transverse_field_ising(lat.ring(4))
    for reference in ("+++", "+++++", "+++2", "++ +", "abcd"):
        with pytest.raises(InputError, match=r"must be 4 letters out of 0, 1, \+ and -"):
            model_problem(model, reference=reference)
        with pytest.raises(InputError, match="must be 4 letters"):
            pauli_problem(model.hamiltonian, reference=reference)


def test_large_problems_have_no_exact_energy_and_say_so(monkeypatch) -> None:
    model = models.transverse_field_ising(lat.ring(6))
    monkeypatch.setattr(qubit_problem, "MOST_EXACT_QUBITS", 5)
    monkeypatch.setattr(qubit_problem, "ground_level", None)  # it must not be called
    problem = model_problem(model)
    warned(problem, "no exact energy: 6 qubits are more than 5")
    assert (problem.energies["exact"], problem.floor, problem.degeneracy) == (None, None, None)
    assert problem.energies["reference"] == pytest.approx(-6.0)
    warned(model_problem(model, exact=False))
    assert model_problem(model, exact=False).energies["exact"] is None


def test_pauli_sums_of_the_user() -> None:
    hamiltonian = random_hamiltonian(4, 9)
    problem = pauli_problem(hamiltonian, name="mine")
    energy = np.linalg.eigvalsh(matrix(hamiltonian))[0]
    assert (problem.name, problem.reference, problem.lattice) == ("mine", "++++", None)
    assert problem.floor == pytest.approx(energy, abs=1e-9)
    plus = np.full(16, 0.25)
    assert problem.energies["reference"] == pytest.approx((plus @ matrix(hamiltonian) @ plus).real, abs=1e-12)


def irreps_allow(problem, wanted: int = 0) -> int:
    """Determinants with the reference's numbers of electrons and the product of irreps of a closed shell."""
    irreps, electrons = problem.electrons.irreps, problem.electrons
    count = 0
    for bits in product((0, 1), repeat=2 * electrons.n_orbitals):
        if (sum(bits[::2]), sum(bits[1::2])) == (electrons.n_alpha, electrons.n_beta):
            total_irrep = 0
            for spin_orbital, filled in enumerate(bits):
                total_irrep ^= int(irreps[spin_orbital // 2]) if filled else 0
            count += total_irrep == wanted
    return count


@pytest.mark.parametrize(
    ("name", "active", "dimension"), [("H2", None, 2), ("LiH", (2, 2), 4), ("LiH", (2, 3), 5)]
)  # fmt: skip
def test_molecules_on_qubits_have_the_energy_of_pyscf(name: str, active, dimension: int) -> None:
    from pyscf import gto, mcscf, scf

    molecule = molecular_problem(Molecule(name=name, atoms=GEOMETRIES[name], active_space=active))
    problem = molecular_qubit_problem(molecule)
    mol = gto.M(atom=[list(atom) for atom in GEOMETRIES[name]], basis="sto-3g", verbose=0)
    mean_field = scf.RHF(mol).run(conv_tol=1e-12)
    electrons, orbitals = active or (2, 2)
    fci = mcscf.CASCI(mean_field, orbitals, electrons).run(verbose=0).e_tot
    assert problem.energies["exact"] == pytest.approx(fci, abs=1e-8)  # both SCF converge to about 1e-10
    assert problem.energies["reference"] == pytest.approx(mean_field.e_tot, abs=1e-8)
    assert problem.energies["reference"] == pytest.approx(molecule.energies["hf"], abs=1e-10)
    assert problem.reference == "11" + "0" * (2 * orbitals - 2)
    assert (problem.unit, problem.n_electrons, problem.degeneracy) == ("hartree", (1, 1), 1)
    assert problem.sector_dimension == irreps_allow(molecule) == dimension
    warned(problem)
