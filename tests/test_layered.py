"""Layered ansätze: their gates in order, their groups and symmetries, against dense matrices and networkx."""

from itertools import combinations

import networkx as nx
import numpy as np
import openfermion
import pytest

from vqe_prune import lattice as lat
from vqe_prune import models
from vqe_prune.ansatz.layered import (
    CONNECTIVITIES,
    commuting_groups,
    connected_pairs,
    hamiltonian_variational,
    hardware_efficient,
    qaoa,
)
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.engine.statevector import StatevectorEngine
from vqe_prune.errors import InputError
from vqe_prune.paulis import Clifford, PauliSum, QubitHamiltonian, product_state
from vqe_prune.qubit_problem import prepared_state


def dense(terms, n: int) -> np.ndarray:
    operator = openfermion.QubitOperator()
    for coefficient, string in terms:
        operator += openfermion.QubitOperator(string, coefficient)
    return openfermion.get_sparse_operator(operator, n).toarray()


def letters(ansatz: Ansatz) -> list[str]:
    """The letters of each gate, in the order in which they act."""
    names = []
    for rotation in ansatz.rotations:
        generator = rotation.generator
        if isinstance(generator, Clifford):
            names.append(generator.name)
        else:
            names.append("+".join("".join(letter for _, letter in s) for _, s in generator.terms))
    return names


def state_of(hamiltonian: QubitHamiltonian, ansatz: Ansatz, reference: np.ndarray, seed: int) -> np.ndarray:
    angles = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, ansatz.n_parameters)
    return StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, reference=reference).state(angles)


def test_the_default_ansatz_of_six_qubits_has_216_parameters() -> None:
    ansatz = hardware_efficient(6, 12)
    assert ansatz.n_parameters == len(ansatz.rotations) == 216  # docs/reference_numbers.md
    assert [rotation.parameter for rotation in ansatz.rotations] == list(range(216))
    assert letters(ansatz) == (["X"] * 6 + ["Z"] * 6 + ["ZZ"] * 6) * 12
    first = ansatz.rotations[12].generator
    assert isinstance(first, PauliSum)
    assert first.terms == ((0.5, ((0, "Z"), (1, "Z"))),)  # exp(-i angle ZZ / 2)


def test_backwards_layers_end_with_the_first_block() -> None:
    ansatz = hardware_efficient(3, 2, blocks=("x", "z"), backwards=True)
    assert letters(ansatz) == (["ZZ"] * 3 + ["Z"] * 3 + ["X"] * 3) * 2
    assert letters(hardware_efficient(3, 2, blocks=("z", "y"))) == (["Z"] * 3 + ["Y"] * 3 + ["ZZ"] * 3) * 2


@pytest.mark.parametrize(
    ("entangler", "gate", "free"),
    [
        ("cz", "cz", 0), ("cx", "cx", 0), ("zz", "ZZ", 1), ("xx", "XX", 1), ("yy", "YY", 1),
        ("xy", "XX+YY", 1), ("heisenberg", "XX+YY+ZZ", 1),
    ],
)  # fmt: skip
def test_entanglers(entangler: str, gate: str, free: int) -> None:
    ansatz = hardware_efficient(4, 3, blocks=("y",), entangler=entangler, pairs=[(0, 2), (1, 3)])
    assert letters(ansatz) == (["Y"] * 4 + [gate] * 2) * 3
    assert ansatz.n_parameters == 3 * (4 + 2 * free)
    assert [r.parameter is None for r in ansatz.rotations] == ([False] * 4 + [not free] * 2) * 3
    assert ansatz.rotations[4].generator.qubits == (0, 2)


def test_pairs_of_every_connectivity() -> None:
    for n in (2, 3, 6, 7):
        assert connected_pairs("linear", n) == [(q, q + 1) for q in range(n - 1)]
        assert connected_pairs("full", n) == list(combinations(range(n), 2))
        ring = {frozenset(pair) for pair in connected_pairs("circular", n)}
        assert len(connected_pairs("circular", n)) == len(ring)  # two qubits are joined once
        assert ring == {frozenset(edge) for edge in (nx.cycle_graph(n) if n > 2 else nx.path_graph(n)).edges}
    for n, shape in ((4, (2, 2)), (6, (2, 3)), (9, (3, 3)), (12, (3, 4)), (7, (1, 7))):
        grid = {frozenset(a * shape[1] + b for a, b in edge) for edge in nx.grid_2d_graph(*shape).edges}
        found = connected_pairs("grid", n)
        assert len(found) == len(grid) and {frozenset(pair) for pair in found} == grid
    lattice = lat.kagome(1, 2)
    assert connected_pairs("lattice", 6, lattice.bonds) == [bond[:2] for bond in lattice.bonds]


def test_what_does_not_fit_is_refused() -> None:
    for name in CONNECTIVITIES:
        if name != "lattice":
            assert connected_pairs(name, 4)
    ising = models.transverse_field_ising(lat.ring(4)).hamiltonian
    field = QubitHamiltonian(n_qubits=2, terms=((1.0, ((0, "X"),)),))
    refusals = [
        (lambda: connected_pairs("star", 4), "unknown ansatz.connectivity=star; available: linear"),
        (lambda: connected_pairs("lattice", 4), "needs a model with one qubit a site"),
        (lambda: hardware_efficient(4, 1, blocks=("x", "w")), "unknown gate 'w'.*try x, y, z"),
        (lambda: hardware_efficient(4, 1, entangler="iswap"), "unknown gate 'iswap'.*try cz, cx"),
        (lambda: hardware_efficient(4, 0), "at least one layer, but 0"),
        (lambda: hardware_efficient(4, 1, blocks=(), entangler="cz"), "with a parameter"),
        (lambda: hamiltonian_variational(ising, 0), "needs a layer"),
        (lambda: hamiltonian_variational(QubitHamiltonian(n_qubits=2, terms=()), 1), "with terms"),
        (lambda: qaoa(ising, 0), "needs a layer"),
        (lambda: qaoa(field, 1), "strings of Z; try ansatz=hva"),
    ]
    for call, message in refusals:
        with pytest.raises(InputError, match=message):
            call()


def test_hva_of_the_ising_model_has_two_groups_and_begins_with_what_moves_the_reference() -> None:
    hamiltonian = models.transverse_field_ising(lat.ring(6), h=0.5).hamiltonian
    ansatz = hamiltonian_variational(hamiltonian, 3, "++++++")
    assert ansatz.n_parameters == 6
    assert letters(ansatz) == (["ZZ"] * 6 + ["X"] * 6) * 3
    assert [r.parameter for r in ansatz.rotations] == [k // 6 for k in range(36)]
    coefficients = {abs(c) for r in ansatz.rotations for c, _ in r.generator.terms}
    assert coefficients == {0.5}  # each group is scaled to a largest coefficient 1, and halved like RX
    assert letters(hamiltonian_variational(hamiltonian, 1, "010010")) == ["X"] * 6 + ["ZZ"] * 6
    assert letters(hamiltonian_variational(hamiltonian, 1)) == ["ZZ"] * 6 + ["X"] * 6
    moving = QubitHamiltonian(n_qubits=2, terms=((1.0, ((0, "Y"), (1, "Y"))), (0.3, ((0, "Z"),)), (0.3, ((1, "Z"),))))
    assert letters(hamiltonian_variational(moving, 1, "++")) == ["YY", "Z", "Z"]  # Y turns |+>, it is no phase


@pytest.mark.parametrize(("lattice", "groups"), [(lat.chain(6), 2), (lat.ring(6), 2), (lat.ring(5), 3)])
def test_heisenberg_bonds_stay_whole_and_neighbours_apart(lattice: lat.Lattice, groups: int) -> None:
    """Bonds that share a site do not commute: as many groups as an edge colouring needs."""
    hamiltonian = models.heisenberg(lattice).hamiltonian
    found = commuting_groups(hamiltonian)
    assert len(found) == groups
    gates = [gate for group in found for gate in group]
    assert sorted(gate.qubits for gate in gates) == sorted(bond[:2] for bond in lattice.bonds)
    for gate in gates:
        assert {string[0][1] + string[1][1] for _, string in gate.terms} == {"XX", "YY", "ZZ"}
    for group in found:
        sites = [q for gate in group for q in gate.qubits]
        assert len(sites) == len(set(sites))


def random_hamiltonian(n: int, seed: int) -> QubitHamiltonian:
    rng = np.random.default_rng(seed)
    terms = {}
    for _ in range(14):
        qubits = np.sort(rng.choice(n, size=int(rng.integers(1, 4)), replace=False))
        terms[tuple((int(q), str(rng.choice(["X", "Y", "Z"]))) for q in qubits)] = float(rng.normal())
    return QubitHamiltonian(n_qubits=n, terms=tuple((c, s) for s, c in terms.items()))


@pytest.mark.parametrize("seed", range(8))
def test_groups_commute_and_make_up_the_hamiltonian(seed: int) -> None:
    hamiltonian = random_hamiltonian(4, seed)
    coefficient = {string: c for c, string in hamiltonian.terms}
    seen = []
    for group in commuting_groups(hamiltonian):
        matrices = [dense(gate.terms, 4) for gate in group]
        for first, second in combinations(matrices, 2):
            assert np.abs(first @ second - second @ first).max() < 1e-12  # sums of a few rounded products
        terms = [term for gate in group for term in gate.terms]
        ratios = [c / coefficient[string] for c, string in terms]
        assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=1e-12)  # one scale a group
        assert max(abs(c) for c, _ in terms) == pytest.approx(0.5, rel=1e-12)
        seen += [string for _, string in terms]
    assert sorted(seen) == sorted(coefficient)


def test_qaoa_alternates_cost_and_mixer() -> None:
    model = models.transverse_field_ising(lat.lattice_from_bonds([[0, 1, 2.0], [1, 2]]), h=0.3)
    ansatz = qaoa(model.hamiltonian, 2)
    assert (ansatz.name, ansatz.n_parameters) == ("qaoa", 4)
    assert letters(ansatz) == (["ZZ"] * 2 + ["X"] * 3) * 2
    assert [r.parameter for r in ansatz.rotations] == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]
    assert sorted(r.generator.terms[0][0] for r in ansatz.rotations[:2]) == [-0.5, -0.25]
    assert {r.generator.terms[0][0] for r in ansatz.rotations[2:5]} == {0.5}


@pytest.mark.parametrize("seed", range(3))
def test_hva_states_keep_the_symmetries(seed: int) -> None:
    ising = models.transverse_field_ising(lat.ring(6), h=0.7).hamiltonian
    parity = dense([(1.0, tuple((q, "X") for q in range(6)))], 6)
    total = dense([(1.0, ((q, "Z"),)) for q in range(6)], 6)
    for reference, value in (("++++++", 1.0), ("+-++++", -1.0)):
        ansatz = hamiltonian_variational(ising, 3, reference)
        psi = state_of(ising, ansatz, product_state(reference), seed)
        assert np.vdot(psi, parity @ psi).real == pytest.approx(value, abs=1e-10)  # double precision, 36 gates
        assert abs(np.vdot(psi, product_state(reference))) < 0.99  # it has moved
    heisenberg = models.heisenberg(lat.ring(6)).hamiltonian
    pairs = tuple(Clifford("cx", (q, q + 1)) for q in (0, 2, 4))
    singlets = prepared_state("-1-1-1", pairs)
    spin = sum(
        0.25 * dense([(1.0, ((q, letter),)) for q in range(6)], 6) @ dense([(1.0, ((q, letter),)) for q in range(6)], 6)
        for letter in "XYZ"
    )
    psi = state_of(heisenberg, hamiltonian_variational(heisenberg, 3), singlets, seed)
    assert np.vdot(psi, spin @ psi).real == pytest.approx(0.0, abs=1e-10)  # total spin, double precision
    assert abs(np.vdot(psi, singlets)) < 0.99
    xxz = models.xxz(lat.ring(6), delta=0.4).hamiltonian
    psi = state_of(xxz, hamiltonian_variational(xxz, 3), product_state("010110"), seed)
    assert np.linalg.norm(total @ psi) == pytest.approx(0.0, abs=1e-10)
