"""Permutation symmetries of Hamiltonians, against enumeration, NetworkX and textbook groups."""

import math
from itertools import combinations, permutations

import networkx as nx
import numpy as np
import pytest
from networkx.algorithms.isomorphism import GraphMatcher

from vqe_prune import automorphism
from vqe_prune.automorphism import PermutationGroup, permutation_symmetries
from vqe_prune.errors import InputError
from vqe_prune.paulis import QubitHamiltonian

Terms = dict[tuple[tuple[int, str], ...], float]


def hamiltonian(n: int, terms: Terms) -> QubitHamiltonian:
    merged = {tuple(sorted(string)): value for string, value in terms.items()}
    assert len(merged) == len(terms)
    return QubitHamiltonian(n_qubits=n, terms=tuple((value, string) for string, value in merged.items()))


def bond(a: int, b: int, letters: str = "ZZ") -> tuple[tuple[int, str], ...]:
    return ((a, letters[0]), (b, letters[1]))


def field(n: int, value: float = 0.7) -> Terms:
    return {((q, "X"),): value for q in range(n)}


def ring(n: int, weights: list[float] | None = None) -> QubitHamiltonian:
    weights = weights or [1.0] * n
    return hamiltonian(n, {bond(q, (q + 1) % n): weights[q] for q in range(n)} | field(n))


def chain(n: int) -> QubitHamiltonian:
    return hamiltonian(n, {bond(q, q + 1): 1.0 for q in range(n - 1)} | field(n))


def torus(side: int) -> QubitHamiltonian:
    graph = nx.convert_node_labels_to_integers(nx.grid_2d_graph(side, side, periodic=True))
    return hamiltonian(side**2, {bond(a, b): 1.0 for a, b in graph.edges} | field(side**2))


def kagome() -> nx.Graph:
    return nx.convert_node_labels_to_integers(nx.line_graph(nx.hexagonal_lattice_graph(2, 2)), ordering="sorted")


def mapped(terms: Terms, g: tuple[int, ...]) -> Terms:
    return {tuple(sorted((g[q], letter) for q, letter in string)): value for string, value in terms.items()}


def as_terms(problem: QubitHamiltonian) -> Terms:
    return {string: value for value, string in problem.terms}


def brute_force(problem: QubitHamiltonian) -> set[tuple[int, ...]]:
    terms = as_terms(problem)
    return {g for g in permutations(range(problem.n_qubits)) if mapped(terms, g) == terms}


def closure(group: PermutationGroup) -> set[tuple[int, ...]]:
    reached = {tuple(range(group.n))}
    waiting = list(reached)
    while waiting:
        current = waiting.pop()
        new = {tuple(g[image] for image in current) for g in group.generators} - reached
        reached |= new
        waiting.extend(new)
    return reached


def random_hamiltonian(seed: int) -> QubitHamiltonian:
    """Few strings and coefficients; two of three follow a random permutation, so that some have symmetries."""
    rng = np.random.default_rng(seed)
    n = 5 + seed % 2
    terms: Terms = {}
    g = tuple(int(q) for q in rng.permutation(n))
    for _ in range(int(rng.integers(1, 6))):
        qubits = sorted(rng.choice(n, size=int(rng.integers(1, 4)), replace=False))
        string = tuple((int(q), str(rng.choice(["X", "Y", "Z"]))) for q in qubits)
        value = float(rng.choice([-1.0, 0.5, 2.0]))
        while string not in terms:
            terms[string] = value
            if seed % 3:
                (string,) = mapped({string: value}, g)
    return hamiltonian(n, terms)


CASES = {
    "ring": (ring(6), 12),
    "ring 3": (ring(3), 6),
    "chain": (chain(6), 2),
    "alternating weights": (ring(6, [1.0, 0.4] * 3), 6),
    "one different bond": (ring(6, [1.0] * 5 + [0.4]), 2),
    "one bond of the other sign": (ring(6, [1.0] * 5 + [-1.0]), 2),
    "coloured bonds": (hamiltonian(6, {bond(q, (q + 1) % 6, "XX" if q % 2 else "ZZ"): 1.0 for q in range(6)}), 6),
    "three colours": (hamiltonian(6, {bond(q, (q + 1) % 6, 2 * "XYZ"[q % 3]): 1.0 for q in range(6)}), 2),
    "three bodies": (hamiltonian(6, {((q, "X"), (q + 1, "Z"), (q + 2, "X")): 1.0 for q in range(4)}), 2),
    "three bodies, one way": (hamiltonian(6, {((q, "X"), (q + 1, "Z"), (q + 2, "Y")): 1.0 for q in range(4)}), 1),
    "cluster ring": (
        hamiltonian(7, {((q, "X"), ((q + 1) % 7, "Z"), ((q + 2) % 7, "X")): 1.0 for q in range(7)}),
        14,
    ),
    "field at one end": (hamiltonian(4, {bond(q, q + 1): 1.0 for q in range(3)} | {((0, "Z"),): 0.1}), 1),
    "equal to all": (hamiltonian(7, {bond(a, b): 1.0 for a, b in combinations(range(7), 2)}), math.factorial(7)),
    "two rings": (
        hamiltonian(8, {bond(4 * k + q, 4 * k + (q + 1) % 4): 1.0 for q in range(4) for k in range(2)}),
        128,
    ),
    "torus": (torus(4), 384),
    "free qubits": (hamiltonian(6, {bond(0, 1): 1.0}), 48),
    "no terms": (hamiltonian(4, {}), 24),
    "no qubits": (hamiltonian(0, {}), 1),
    "one qubit": (hamiltonian(1, {((0, "X"),): 1.0}), 1),
}


@pytest.fixture(params=["pure", "igraph"])
def method(request: pytest.FixtureRequest) -> str:
    if request.param == "igraph":
        pytest.importorskip("igraph")
    return str(request.param)


@pytest.mark.parametrize("name", CASES)
def test_textbook_groups(name: str, method: str) -> None:
    problem, order = CASES[name]
    group = permutation_symmetries(problem, method=method)
    assert (group.n, group.order) == (problem.n_qubits, order)
    for g in group.generators:
        assert g != tuple(range(group.n))
        assert mapped(as_terms(problem), g) == as_terms(problem)
    assert len(closure(group)) == order
    if problem.n_qubits <= 6:
        assert closure(group) == brute_force(problem)


@pytest.mark.parametrize("seed", range(30))
def test_random_hamiltonians_against_enumeration(seed: int, method: str) -> None:
    problem = random_hamiltonian(seed)
    group = permutation_symmetries(problem, method=method)
    wanted = brute_force(problem)
    assert group.order == len(wanted)
    assert closure(group) == wanted


def test_random_hamiltonians_are_not_all_trivial() -> None:
    orders = {len(brute_force(random_hamiltonian(seed))) for seed in range(30)}
    assert 1 in orders and len(orders) >= 4


@pytest.mark.parametrize(("weights", "order"), [("uniform", 4), ("rim", 4), ("one", 1)])
def test_kagome_patch_against_networkx(weights: str, order: int, method: str) -> None:
    graph = kagome()
    for a, b in graph.edges:
        graph.edges[a, b]["weight"] = 1.0 / (graph.degree[a] + graph.degree[b]) if weights == "rim" else 1.0
    if weights == "one":
        graph.edges[next(iter(graph.edges))]["weight"] = 0.9
    problem = hamiltonian(len(graph), {bond(a, b): w for a, b, w in graph.edges(data="weight")} | field(len(graph)))
    matcher = GraphMatcher(graph, graph, edge_match=lambda one, two: one["weight"] == two["weight"])
    wanted = {tuple(found[q] for q in range(len(graph))) for found in matcher.isomorphisms_iter()}
    group = permutation_symmetries(problem, method=method)
    assert group.order == len(wanted) == order
    assert closure(group) == wanted


def test_regular_graphs_against_networkx(method: str) -> None:
    for seed in range(4):  # refinement alone sees nothing in a regular graph
        graph = nx.random_regular_graph(3, 12, seed=seed)
        problem = hamiltonian(12, {bond(a, b): 1.0 for a, b in graph.edges})
        wanted = {tuple(found[q] for q in range(12)) for found in GraphMatcher(graph, graph).isomorphisms_iter()}
        assert closure(permutation_symmetries(problem, method=method)) == wanted
    petersen = hamiltonian(10, {bond(a, b): 1.0 for a, b in nx.petersen_graph().edges})
    assert permutation_symmetries(petersen, method=method).order == 120


def test_random_weights_leave_nothing(method: str) -> None:
    graph = nx.gnm_random_graph(20, 60, seed=7)
    weights = np.random.default_rng(8).normal(size=60)
    problem = hamiltonian(20, {bond(a, b): float(w) for (a, b), w in zip(graph.edges, weights, strict=True)})
    group = permutation_symmetries(problem, method=method)
    assert (group.order, group.generators) == (1, ())
    assert group.orbits == tuple((q,) for q in range(20))


def test_asymmetric_exchange_has_a_direction(method: str) -> None:
    directed = {bond(0, 1, "XY"): 1.0, bond(0, 1, "YX"): -1.0}
    assert permutation_symmetries(hamiltonian(2, directed), method=method).order == 1
    even = {bond(0, 1, "XY"): 1.0, bond(0, 1, "YX"): 1.0}
    assert permutation_symmetries(hamiltonian(2, even), method=method).order == 2
    loop: Terms = {}
    for q in range(5):
        loop[bond(q, (q + 1) % 5, "XY")] = 1.0
        loop[bond(q, (q + 1) % 5, "YX")] = -1.0
    group = permutation_symmetries(hamiltonian(5, loop), method=method)
    assert closure(group) == {tuple((q + shift) % 5 for q in range(5)) for shift in range(5)}


def test_large_groups_have_exact_orders(method: str) -> None:
    problem = hamiltonian(25, {})
    assert permutation_symmetries(problem, method=method).order == math.factorial(25)


def test_tolerance_is_relative_to_the_largest_coefficient(method: str) -> None:
    near = ring(6, [1e3, 1e3 + 1e-8, 1e3, 1e3 - 1e-8, 1e3, 1e3])
    assert permutation_symmetries(near, method=method).order == 12
    assert permutation_symmetries(near, method=method, tolerance=1e-15).order == len(brute_force(near)) == 1
    rounding = hamiltonian(6, as_terms(ring(6)) | {((2, "Z"),): 1e-14})
    assert permutation_symmetries(rounding, method=method).order == 12
    assert permutation_symmetries(rounding, method=method, tolerance=0.0).order == 2


def test_orbits_of_points_pairs_and_terms(method: str) -> None:
    group = permutation_symmetries(ring(6), method=method)
    assert group.orbits == (tuple(range(6)),)
    assert permutation_symmetries(chain(5), method=method).orbits == ((0, 4), (1, 3), (2,))
    pairs = list(combinations(range(6), 2))
    orbits = group.orbits_of(pairs, lambda g, pair: (min(g[pair[0]], g[pair[1]]), max(g[pair[0]], g[pair[1]])))
    distances = [{min(b - a, 6 - b + a) for a, b in orbit} for orbit in orbits]
    assert distances == [{1}, {2}, {3}]
    assert [len(orbit) for orbit in orbits] == [6, 6, 3]
    strings = group.orbits_of(ring(6).strings, lambda g, string: tuple(sorted((g[q], s) for q, s in string)))
    assert [len(orbit) for orbit in strings] == [6, 6]
    with pytest.raises(ValueError, match="image"):
        group.orbits_of([0, 1], lambda g, point: g[point])


def test_methods_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert permutation_symmetries(ring(4)).order == 8
    with pytest.raises(InputError, match="auto, igraph or pure"):
        permutation_symmetries(ring(4), method="nauty")
    monkeypatch.setattr(automorphism, "find_spec", lambda name: None)
    pure = permutation_symmetries(ring(4), method="pure")
    assert permutation_symmetries(ring(4)).generators == pure.generators
    with pytest.raises(InputError, match="pip install igraph"):
        permutation_symmetries(ring(4), method="igraph")


def test_methods_generate_the_same_group() -> None:
    pytest.importorskip("igraph")
    for problem, _ in CASES.values():
        groups = [permutation_symmetries(problem, method=method) for method in ("pure", "igraph")]
        assert closure(groups[0]) == closure(groups[1])
        assert groups[0].orbits == groups[1].orbits
