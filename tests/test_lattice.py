"""Lattices, models on them and sums of Pauli strings, against networkx, OpenFermion and closed forms."""

import math
from collections import Counter
from itertools import combinations

import networkx as nx
import numpy as np
import openfermion
import pytest

from vqe_prune import lattice as lat
from vqe_prune import models
from vqe_prune.errors import InputError


def degrees(lattice, second=False):
    counts = Counter(site for bond in (lattice.second_bonds if second else lattice.bonds) for site in bond[:2])
    return [counts[site] for site in range(lattice.n_sites)]


def graph_of(bonds, n):
    graph = nx.empty_graph(n)
    graph.add_edges_from((i, j) for i, j, _ in bonds)
    return graph


def matrix(hamiltonian):
    operator = openfermion.QubitOperator((), hamiltonian.constant)
    for coefficient, string in hamiltonian.terms:
        operator += openfermion.QubitOperator(string, coefficient)
    return openfermion.get_sparse_operator(operator, hamiltonian.n_qubits).toarray()


def spectrum(model):
    dense = matrix(model.hamiltonian)
    assert not dense.imag.any()  # an even number of Y in each string, so the faster real solver will do
    return np.linalg.eigvalsh(dense.real)


def refused(function, *args, **kwargs):
    """Return the message of the one-line InputError that the call must raise."""
    with pytest.raises(InputError) as caught:
        function(*args, **kwargs)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and len(message) < 400
    return message


# Lattices


def test_chain_ring_and_ladder():
    assert lat.chain(4).bonds == ((0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0))
    assert [bond[:2] for bond in lat.chain(4).second_bonds] == [(0, 2), (1, 3)]
    for n in range(4, 12):
        assert nx.is_isomorphic(graph_of(lat.ring(n).bonds, n), nx.cycle_graph(n))
        assert degrees(lat.ring(n), second=True) == [1 if n == 4 else 2] * n
    assert len(lat.ring(3).bonds) == 3 and not lat.ring(3).second_bonds
    for n in range(4, 13, 2):
        ladder = lat.ladder(n)
        assert nx.is_isomorphic(graph_of(ladder.bonds, n), nx.ladder_graph(n // 2))
        assert (0, 1, 1.0) in ladder.bonds and (0, 2, 1.0) in ladder.bonds and (1, 3, 1.0) in ladder.bonds
        assert len(ladder.second_bonds) == 2 * (n // 2 - 1) and (0, 3, 1.0) in ladder.second_bonds
        assert all(i % 2 != j % 2 for i, j, _ in ladder.second_bonds)


def test_ring_positions_are_a_bond_apart():
    ring = lat.ring(7)
    assert all(math.dist(ring.positions[i], ring.positions[j]) == pytest.approx(1) for i, j, _ in ring.bonds)


@pytest.mark.parametrize("shape", [(3, 3), (3, 4), (5, 4), (3, 10)])
def test_square_against_networkx(shape):
    for periodic in (False, True):
        square = lat.square(*shape, periodic)
        grid = nx.grid_2d_graph(*shape, periodic=periodic)
        wanted = {frozenset(a * shape[1] + b for a, b in edge) for edge in grid.edges}
        assert {frozenset(bond[:2]) for bond in square.bonds} == wanted
        assert nx.is_isomorphic(graph_of(square.bonds, square.n_sites), grid)
    assert degrees(lat.square(*shape, True)) == degrees(lat.square(*shape, True), second=True) == [4] * math.prod(shape)
    assert len(lat.square(*shape).second_bonds) == 2 * (shape[0] - 1) * (shape[1] - 1)


def test_triangular_counts():
    for rows, columns in ((3, 4), (4, 5)):
        open_patch = lat.triangular(rows, columns)
        expected = rows * (columns - 1) + columns * (rows - 1) + (rows - 1) * (columns - 1)
        assert len(open_patch.bonds) == expected
        assert degrees(lat.triangular(rows, columns, True)) == [6] * (rows * columns)
    assert degrees(lat.triangular(5, 5, True), second=True) == [6] * 25
    assert lat.sublattices(lat.triangular(2, 2)) is None


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (2, 5)])
def test_kagome_shares_corners_of_triangles(shape):
    cells = math.prod(shape)
    torus = lat.kagome(*shape, True)
    assert degrees(torus) == [4] * 3 * cells and len(torus.bonds) == 6 * cells
    around = graph_of(torus.bonds, 3 * cells)
    straight = {
        frozenset(loop)
        for loop in combinations(range(3 * cells), 3)
        if all(around.has_edge(a, b) for a, b in combinations(loop, 2))
    }
    assert len(straight) == 2 * cells
    assert degrees(torus, second=True) == [4] * 3 * cells
    patch = lat.kagome(*shape)
    rows, columns = shape
    downward = rows * (columns - 1) + columns * (rows - 1) + (rows - 1) * (columns - 1)
    assert len(patch.bonds) == 3 * cells + downward
    triangles = [
        loop for loop in combinations(range(3 * cells), 3) if graph_of(patch.bonds, 99).subgraph(loop).size() == 3
    ]
    assert len(triangles) == cells + (rows - 1) * (columns - 1)
    assert all(len(set(a) & set(b)) <= 1 for a, b in combinations(triangles, 2))


def test_second_neighbours_of_an_infinite_kagome_lattice():
    torus = lat.kagome(3, 3, True)
    paths = dict(nx.all_pairs_shortest_path_length(graph_of(torus.bonds, 27)))
    assert all(paths[i][j] == 2 for i, j, _ in torus.second_bonds)
    assert all(i % 3 != j % 3 for i, j, _ in torus.second_bonds)  # sites two bonds along a line are one corner


def test_sublattices_against_networkx():
    assert lat.sublattices(lat.ring(5)) is None and lat.sublattices(lat.kagome(1, 1)) is None
    for lattice in (lat.ring(6), lat.square(3, 4), lat.ladder(8), lat.square(4, 4, True)):
        colours = lat.sublattices(lattice)
        assert colours is not None and all(colours[i] != colours[j] for i, j, _ in lattice.bonds)
    for seed in range(30):
        graph = nx.gnp_random_graph(8, 0.2, seed=seed)
        if graph.size():
            assert (lat.sublattices(lat.lattice_from_graph(graph)) is not None) == nx.is_bipartite(graph)


def test_lattice_refuses_what_is_not_one():
    for bonds in (((1, 0, 1.0),), ((0, 2, 1.0),), ((0, 1, math.nan),), ((0, 1, 1.0), (0, 1, 1.0))):
        for field in ("bonds", "second_bonds"):
            with pytest.raises(ValueError, match=field):
                lat.Lattice(name="x", n_sites=2, **{"bonds": (), field: bonds})
    with pytest.raises(ValueError, match="positions"):
        lat.Lattice(name="x", n_sites=2, bonds=(), positions=((0.0, 0.0),))


def test_build_lattice():
    assert lat.build_lattice("chain", 5, None, False).name == "chain-5"
    assert lat.build_lattice("kagome", None, (2, 3), True).n_sites == 18
    assert set(lat.LATTICES) == {"chain", "ring", "ladder", "square", "triangular", "kagome"}


@pytest.mark.parametrize(
    ("name", "n", "shape", "periodic", "word"),
    [
        ("squar", None, (2, 2), False, "did you mean square"),
        ("", None, None, False, "chain"),
        ("chain", None, (2, 2), False, "number of sites n"),
        ("chain", 4, (2, 2), False, "no shape"),
        ("square", 4, None, False, "shape"),
        ("square", 4, (2, 2), False, "shape"),
        ("square", None, (2, 2, 2), False, "shape"),
        ("square", None, (2, 2.0), False, "whole"),
        ("square", None, (0, 4), False, "whole"),
        ("square", None, (1, 1), False, "2 to 30"),
        ("kagome", None, (11, 1), False, "2 to 30"),
        ("square", None, (2, 4), True, "double"),
        ("triangular", None, (4, 2), True, "double"),
        ("kagome", None, (1, 4), True, "double"),
        ("chain", 4, None, True, "ring"),
        ("ladder", 4, None, True, "ring"),
        ("ring", 4, None, True, "always"),
        ("ring", 2, None, False, "double"),
        ("ladder", 5, None, False, "even"),
        ("chain", 1, None, False, "2 to 30"),
        ("chain", 31, None, False, "2 to 30"),
        ("chain", "4", None, False, "2 to 30"),
        ("chain", True, None, False, "2 to 30"),
    ],
)
def test_build_lattice_refuses(name, n, shape, periodic, word):
    assert word in refused(lat.build_lattice, name, n, shape, periodic)


def test_lattice_from_bonds_and_graph():
    lattice = lat.lattice_from_bonds([[2, 0], [1, 2, 0.5]])
    assert lattice.bonds == ((0, 2, 1.0), (1, 2, 0.5)) and lattice.n_sites == 3
    assert lat.lattice_from_bonds([[0, 1]], n_sites=4).n_sites == 4
    graph = nx.Graph()
    graph.add_nodes_from("cab")
    graph.add_edge("a", "b", weight=2)
    graph.add_edge("c", "b")
    assert set(lat.lattice_from_graph(graph).bonds) == {(1, 2, 2.0), (0, 2, 1.0)}


@pytest.mark.parametrize(
    ("bonds", "n_sites", "word"),
    [
        ([], None, "no bonds"),
        ("0 1", None, "list of"),
        (None, None, "list of"),
        ([[0]], None, "[0]"),
        ([[0, 1, 2, 3]], None, "list of"),
        ([[0, 1], [1, 0]], None, "once"),
        ([[1, 1]], None, "different"),
        ([[-1, 1]], None, "different"),
        ([[0, 1.0]], None, "different"),
        ([[0, True]], None, "different"),
        ([[0, "1"]], None, "different"),
        ([[0, 1, math.inf]], None, "finite"),
        ([[0, 1, math.nan]], None, "finite"),
        ([[0, 1, "1"]], None, "finite"),
        ([[0, 1, 10**400]], None, "finite"),
        ([[0, 1, 1j]], None, "finite"),
        ([[0, 3]], None, "site 1 has no bond"),
        ([[1, 2]], None, "site 0 has no bond"),
        ([[0, 3]], 3, "site 3"),
        ([[0, 1]], 31, "2 to 30"),
        ([[0, 10**30]], None, "2 to 30"),
        ([[0, 10**5000]], None, "2 to 30"),
        ([[0, 1, 10**5000]], None, "finite"),
    ],
)
def test_lattice_from_bonds_refuses(bonds, n_sites, word):
    assert word in refused(lat.lattice_from_bonds, bonds, n_sites=n_sites)


def test_lattice_from_graph_refuses():
    for graph in (nx.DiGraph([(0, 1)]), nx.MultiGraph([(0, 1), (0, 1)])):
        assert "undirected" in refused(lat.lattice_from_graph, graph)
    assert "different" in refused(lat.lattice_from_graph, nx.Graph([(0, 0)]))
    assert "no bonds" in refused(lat.lattice_from_graph, nx.empty_graph(3))


def test_read_lattice(tmp_path):
    path = tmp_path / "star.yaml"
    path.write_text("bonds: [[0, 1], [0, 2, -0.5]]\nsecond_bonds: [[1, 2]]\n")
    lattice = lat.read_lattice(path)
    assert (lattice.name, lattice.n_sites) == ("star", 3)
    assert lattice.bonds == ((0, 1, 1.0), (0, 2, -0.5)) and lattice.second_bonds == ((1, 2, 1.0),)
    path.write_text("name: mine\nn_sites: 4\nbonds: [[0, 1]]\n")
    assert (lat.read_lattice(path).name, lat.read_lattice(path).n_sites) == ("mine", 4)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("bonds: [[0, 1]\n", "not YAML"),
        ("- 1\n", "bonds"),
        ("", "bonds"),
        ("n_sites: 3\n", "missing"),
        ("bond: [[0, 1]]\nbonds: []\n", "did you mean bonds"),
        ("bonds: [[0, 1]]\n[1, 2]: 3\n", "not YAML"),
        ("bonds: [[0, 1]]\n3: 3\n", "unknown field 3"),
        ("bonds: 3\n", "list of"),
        ("bonds: [[0, 1]]\nn_sites: two\n", "2 to 30"),
        ("bonds: [[0, 1]]\nname: [1]\n", "name"),
        ('bonds: [[0, 1]]\nname: "a\\nb"\n', "name"),
        ("bonds: [[0, 1]]\nsecond_bonds: [[0, 0]]\n", "second_bonds"),
        ("bonds: !!python/object/apply:os.system ['true']\n", "not YAML"),
        ("bonds: " + "[" * 1200 + "\n", "not YAML"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))
            + "bonds: *i\n",
            "aliases (*name) are not allowed",
        ),
        ("#" * (1 << 20) + "\nbonds: [[0, 1]]\n", "larger"),
    ],
)
def test_read_lattice_refuses(tmp_path, text, word):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert word in refused(lat.read_lattice, path)


def test_files_that_cannot_be_read(tmp_path):
    binary = tmp_path / "binary"
    for reader in (lat.read_lattice, models.read_pauli_sum):
        assert "no such file" in refused(reader, tmp_path / "none")
        assert "no such file" in refused(reader, tmp_path)
        for content in (bytes(range(256)), b"1.0 Z0\0"):
            binary.write_bytes(content)
            assert "not a text file" in refused(reader, binary)


# Models


@pytest.mark.parametrize("h", [1.0, 0.5, 2.0])
def test_tfim_ring_has_the_closed_form_energy(h):
    model = models.transverse_field_ising(lat.ring(6), h=h)
    momenta = (2 * np.arange(6) + 1) * np.pi / 6
    expected = -np.sqrt(1 + h * h + 2 * h * np.cos(momenta)).sum()
    assert spectrum(model)[0] == pytest.approx(expected, abs=1e-9)
    if h == 1:
        assert expected == pytest.approx(-7.72740661031, abs=1e-10)
    assert model.reference == "++++++" and model.n_electrons is None


def test_couplings_and_weights_enter_once():
    lattice = lat.lattice_from_bonds([[0, 1, 0.5], [1, 2]])
    assert dict(map(reversed, models.transverse_field_ising(lattice, j=2, h=0.3).hamiltonian.terms)) == {
        ((0, "Z"), (1, "Z")): -1.0,
        ((1, "Z"), (2, "Z")): -2.0,
        **{((site, "X"),): -0.3 for site in range(3)},
    }
    found = dict(map(reversed, models.xxz(lattice, j=2, delta=0.25).hamiltonian.terms))
    assert found[(0, "X"), (1, "X")] == found[(0, "Y"), (1, "Y")] == 1.0 and found[(0, "Z"), (1, "Z")] == 0.25
    assert found[(1, "Y"), (2, "Y")] == 2.0 and found[(1, "Z"), (2, "Z")] == 0.5 and len(found) == 6


def test_heisenberg_and_j1j2_energies():
    assert spectrum(models.heisenberg(lat.ring(4)))[0] == pytest.approx(-8)
    assert models.heisenberg(lat.ring(4)).name == "heisenberg"
    assert spectrum(models.heisenberg(lat.chain(2)))[0] == pytest.approx(-3)
    dimers = models.j1j2(lat.ring(6), j2=0.5)  # Majumdar and Ghosh: singlets on every other bond
    assert spectrum(dimers)[:2] == pytest.approx([-9, -9])
    assert spectrum(models.j1j2(lat.chain(5), j2=0))[0] == pytest.approx(spectrum(models.heisenberg(lat.chain(5)))[0])


def test_references_of_spin_models():
    assert models.xxz(lat.chain(5)).reference == "01010"
    assert models.heisenberg(lat.square(2, 3)).reference == "010101"
    assert models.heisenberg(lat.ladder(6)).reference == "011001"
    assert models.xxz(lat.ring(5)).reference == "01010"
    assert models.j1j2(lat.square(2, 2)).reference == "0110"


def test_fermi_hubbard_has_the_spectrum_of_openfermion():
    cases = [(lat.chain(3), 1, 3), (lat.square(2, 2), 2, 2), (lat.square(3, 1), 3, 1)]
    for lattice, x, y in cases:
        grid = openfermion.fermi_hubbard(x, y, tunneling=0.7, coulomb=3.0, periodic=False)
        expected = np.linalg.eigvalsh(openfermion.get_sparse_operator(grid, 2 * lattice.n_sites).toarray().real)
        assert spectrum(models.fermi_hubbard(lattice, t=0.7, u=3.0)) == pytest.approx(expected, abs=1e-9)


def test_fermi_hubbard_references_hold_the_electrons():
    for lattice in (
        lat.chain(4),
        lat.ring(5),
        lat.square(2, 3),
        lat.kagome(1, 2),
        lat.lattice_from_bonds([[0, 1], [0, 2]]),
    ):
        n = lattice.n_sites
        model = models.fermi_hubbard(lattice)
        assert model.n_electrons == ((n + 1) // 2, n // 2)
        for electrons in (model.n_electrons, (0, 0), (n, n), (1, n), (n, 0)):
            model = models.fermi_hubbard(lattice, n_electrons=electrons)
            alpha, beta = model.reference[::2], model.reference[1::2]
            assert (alpha.count("1"), beta.count("1")) == electrons == model.n_electrons
            double = sum(a == b == "1" for a, b in zip(alpha, beta, strict=True))
            assert double == max(0, sum(electrons) - n)
    assert models.fermi_hubbard(lat.chain(4)).reference == "10011001"


def test_reference_energy_of_fermi_hubbard_is_the_interaction():
    model = models.fermi_hubbard(lat.chain(3), u=4.0, n_electrons=(2, 2))
    state = int(model.reference, 2)
    assert matrix(model.hamiltonian)[state, state].real == pytest.approx(4.0)


def test_models_refuse():
    assert set(models.MODELS) == {"tfim", "xxz", "heisenberg", "j1j2", "fermi_hubbard"}
    ring = lat.ring(4)
    for value in (math.nan, math.inf, "1", None, True, 1j):
        assert "h must be" in refused(models.transverse_field_ising, ring, h=value)
        assert "delta must be" in refused(models.xxz, ring, delta=value)
        assert "u must be" in refused(models.fermi_hubbard, ring, u=value)
    assert "second_bonds" in refused(models.j1j2, lat.chain(2))
    assert "32 qubits" in refused(models.fermi_hubbard, lat.ring(16))
    for electrons in ((5, 0), (0, -1), (1,), (1, 2, 3), (1.0, 1), (True, 1), 4):
        assert "n_electrons" in refused(models.fermi_hubbard, ring, n_electrons=electrons)


# Sums of Pauli strings


def read(tmp_path, text):
    path = tmp_path / "sum.txt"
    path.write_text(text)
    return models.read_pauli_sum(path)


def as_dict(hamiltonian):
    return {**dict(map(reversed, hamiltonian.terms)), (): hamiltonian.constant}


def test_openfermion_round_trip(tmp_path):
    rng = np.random.default_rng(7)
    for scale in (1.0, 1e-7, 1e9, 1 + 0j):
        operator = openfermion.QubitOperator((), -0.5)
        for _ in range(40):
            qubits = rng.choice(30, size=rng.integers(1, 6), replace=False)
            operator += openfermion.QubitOperator(
                [(int(qubit), "XYZ"[rng.integers(3)]) for qubit in qubits], float(rng.normal()) * scale
            )
        hamiltonian = read(tmp_path, str(operator))
        assert as_dict(hamiltonian) == {string: complex(value).real for string, value in operator.terms.items()}
    assert read(tmp_path, "1.5 [X0 Z1] +\n(0.25+0j) [Z0] + -0.5 []  # end\n").constant == -0.5


def test_lines_of_letters_and_of_qubits(tmp_path):
    dense = read(tmp_path, "# Ising\n-1.0 ZZII\n\n-1 IIZZ # last\n 0.5 XIII\r\n0.3 I\n0.2\n1e-1 IIII\n")
    sparse = read(tmp_path, "-1.0 Z1 Z0\n-0.5 Z2 Z3\n-0.5 Z3 Z2\n(0.5+0j) X0\n0.6 I\n")
    assert dense.n_qubits == sparse.n_qubits == 4
    wanted = {((0, "Z"), (1, "Z")): -1.0, ((2, "Z"), (3, "Z")): -1.0, ((0, "X"),): 0.5, (): pytest.approx(0.6)}
    assert as_dict(dense) == wanted and as_dict(sparse) == wanted
    assert read(tmp_path, "1 ZII\n").n_qubits == 3
    assert read(tmp_path, "1 Z29\n").n_qubits == 30


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no term"),
        ("# nothing\n\n", "no term"),
        ("0.3 I\n", "no term"),
        ("1 Z0\n-1 Z0\n", "no term"),
        ("1 Z0\n1 A0\n", "line 2"),
        ("1 ZZ\n1 ZA\n", "line 2"),
        ("1 zz\n", "line 1"),
        ("1 Z0 Z0\n", "line 1: 'Z0' repeats"),
        ("1 Z0 X0\n", "repeats"),
        ("1 Z30\n", "last qubit"),
        ("1 Z" + "9" * 9999 + "\n", "last qubit"),
        ("1 Z-1\n", "line 1"),
        ("1 Z\u0661\n", "line 1"),
        ("1 " + "Z" * 31 + "\n", "line 1"),
        ("1 ZZ\n1 ZZZ\n", "line 2"),
        ("1 ZZ\n1 Z0\n", "line 2"),
        ("1 Z0\n1 ZZ\n", "line 2"),
        ("Z0 1\n", "number"),
        ("one Z0\n", "number"),
        ("1_0 Z0\n", "number"),
        ("\u0661 Z0\n", "number"),
        ("9" * 9999 + " Z0\n", "finite"),
        ("nan Z0\n", "finite"),
        ("1 Z0\n\ninf Z0\n", "line 3"),
        ("1e999 Z0\n", "finite"),
        ("1j Z0\n", "real"),
        ("(1+2j) Z0\n", "real"),
        ("1 Z0, Z1\n", "line 1"),
        ("__import__('os').getcwd() Z0\n", "number"),
        ("1e308 Z0\n1e308 Z0\n", "finite"),
        ("1 [Z0] +\n1 [Q1]\n", "line 2"),
        ("1 [Z0] +\n\n1 [Z1 Z1]\n", "line 3"),
        ("1 [Z0]\n1 [Z1]\n", "line 2"),
        ("1 [Z0] +\n", "line 1"),
        ("1 [Z0] +\n1 Z1\n", "line 1"),
        ("1 [Z0] +\n[Z1]\n", "line 2"),
        ("1 [Z0\n", "line 1"),
        ("1 Z0]\n", "line 1"),
        ("1 [[Z0]]\n", "line 1"),
        ("1 [Z0] + 2j [Z1]", "real"),
        ("1 [Z0] + nan [Z1]", "finite"),
        ("1 [Z0] + 1 [Z30]", "last qubit"),
        ("1 [ZZ]", "line 1"),
        ("1 []", "no term"),
        ("# " + "x" * (1 << 22) + "\n1 Z0\n", "larger"),
    ],
)
def test_bad_sums_are_refused(tmp_path, text, word):
    assert word in refused(read, tmp_path, text)
