"""Effective spaces, Lie algebras and tangent kernels, against the measured table, brute force and Monte Carlo."""

from itertools import product

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.objective import QubitEnergyObjective
from vqe_prune.paulis import Clifford, PauliString, PauliSum, QubitHamiltonian, product_state
from vqe_prune.score.information import fisher_rank
from vqe_prune.score.kernel import (
    gradient_variance,
    haar_eqntk,
    haar_gradient_square,
    mean_qntk,
    plateau_exponent,
    qntk,
)
from vqe_prune.score.lie import cliffords_first, lie_algebra_dimension
from vqe_prune.score.space import (
    effective_space,
    fixed_gates,
    independent_generators,
    parameter_generators,
    prepared_reference,
    project_sum,
    sampled_dimension,
)

PAULIS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}
TWO_QUBIT_GATES = {
    "cx": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
    "cz": np.diag([1, 1, 1, -1]).tolist(),
    "swap": [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]],
}
RING_6 = -7.72740661031


def bonds(n: int, ring: bool) -> list[tuple[int, ...]]:
    return [tuple(sorted((q, (q + 1) % n))) for q in range(n if ring else n - 1)]


def ising(n: int, ring: bool = True) -> QubitHamiltonian:
    terms = [(-1.0, tuple((q, "Z") for q in bond)) for bond in bonds(n, ring)]
    return QubitHamiltonian(n_qubits=n, terms=(*terms, *((-1.0, ((q, "X"),)) for q in range(n))))


def layered(n: int, kind: str, ring: bool = True, layers: int = 1) -> Ansatz:
    """Layers of X, Z and ZZ gates exp(-i theta P / 2); `kind` is XZ, X (no Z gates) or tied (X on orbits)."""
    sites = [(q,) for q in range(n)]
    families = [("X", sites), *([("Z", sites)] if kind == "XZ" else []), ("ZZ", bonds(n, ring))]
    rotations, parameters = [], {}
    for layer, (letters, places) in product(range(layers), families):
        for qubits in places:
            mirrored = tuple(sorted(n - 1 - q for q in qubits))
            orbit = qubits if kind != "tied" else () if ring else min(qubits, mirrored)
            parameter = parameters.setdefault((layer, letters, orbit), len(parameters))
            string = tuple(zip(qubits, letters, strict=True))
            rotations.append(Rotation(PauliSum(((1.0, string),)), parameter, 0.5))
    return Ansatz(name=kind, rotations=tuple(rotations), n_parameters=len(parameters))


def objective(n: int, kind: str, layers: int) -> QubitEnergyObjective:
    return QubitEnergyObjective(ising(n), layered(n, kind, layers=layers), product_state("+" * n))


def circuit(*gates: tuple[str | Clifford, int | None, float]) -> Ansatz:
    """Rotations from strings such as ``XIZ+ZIX``, with parameter and coefficient."""
    rotations = []
    for text, parameter, coefficient in gates:
        generator = text if isinstance(text, Clifford) else PauliSum(tuple((1.0, at(s)) for s in text.split("+")))
        rotations.append(Rotation(generator, parameter, coefficient))
    used = {parameter for _, parameter, _ in gates} - {None}
    return Ansatz(name="test", rotations=tuple(rotations), n_parameters=len(used))


def at(letters: str) -> PauliString:
    return tuple((q, letter) for q, letter in enumerate(letters) if letter != "I")


def dense(string: PauliString, n: int) -> np.ndarray:
    matrix, letters = np.eye(1), dict(string)
    for qubit in range(n):
        matrix = np.kron(matrix, PAULIS[letters.get(qubit, "I")])
    return matrix


def dense_sum(terms, n: int) -> np.ndarray:
    return sum(weight * dense(string, n) for weight, string in terms)


def dense_clifford(gate: Clifford, n: int) -> np.ndarray:
    if len(gate.qubits) == 1:
        single = {"h": (PAULIS["X"] + PAULIS["Z"]) / 2**0.5, "s": np.diag([1, 1j]), "sdg": np.diag([1, -1j])}
        small = single[gate.name] if gate.name in single else PAULIS[gate.name.upper()]
    else:
        small = np.array(TWO_QUBIT_GATES[gate.name])
    tensor = np.eye(1 << n).reshape((2,) * n + (-1,))
    k = len(gate.qubits)
    moved = np.tensordot(small.reshape((2,) * 2 * k), tensor, axes=(range(k, 2 * k), gate.qubits))
    return np.moveaxis(moved, range(k), gate.qubits).reshape(1 << n, -1)


def gate_matrix(rotation: Rotation, angle: float, n: int) -> np.ndarray:
    if isinstance(rotation.generator, Clifford):
        return dense_clifford(rotation.generator, n)
    return scipy.linalg.expm(-1j * angle * dense_sum(rotation.generator.terms, n))


def cyclic_dimension(matrices: list[np.ndarray], start: np.ndarray) -> int:
    """Dimension of the span of all products of the matrices on a vector."""
    span, rank = start[:, None], 0
    while span.shape[1] > rank:
        rank = span.shape[1]
        left, singular, _ = np.linalg.svd(np.hstack([span, *(m @ span for m in matrices)]), full_matrices=False)
        span = left[:, singular > 1e-8]
    return rank


def algebra_dimension(matrices: list[np.ndarray]) -> int:
    """Dimension of the real span of all nested commutators, every pair of elements in turn."""
    elements, rank = [1j * m for m in matrices], 0
    while len(elements) > rank:
        rank = len(elements)
        found = [*elements, *(a @ b - b @ a for a in elements for b in elements)]
        rows = np.array([np.concatenate([m.real.ravel(), m.imag.ravel()]) for m in found])
        _, singular, right = np.linalg.svd(rows, full_matrices=False)
        half = right.shape[1] // 2
        kept = right[singular > 1e-8]
        elements = [(v[:half] + 1j * v[half:]).reshape(matrices[0].shape) for v in kept]
    return rank


def random_circuit(n: int, rng: np.random.Generator, gates: int) -> Ansatz:
    """Random generators of one to three commuting strings."""
    strings = [at("".join(letters)) for letters in product("IXYZ", repeat=n)][1:]
    rotations: list[Rotation] = []
    while len(rotations) < gates:
        chosen = rng.choice(len(strings), size=rng.integers(1, 4), replace=False)
        try:
            generator = PauliSum(tuple((float(rng.normal()), strings[k]) for k in chosen))
        except ValueError:  # they do not commute
            continue
        rotations.append(Rotation(generator, len(rotations), 0.5))
    return Ansatz(name="random", rotations=tuple(rotations), n_parameters=gates)


DIMENSIONS = [
    ("XZ", True, {4: 16, 6: 64, 8: 256}),
    ("X", True, {4: 8, 6: 32, 8: 128}),
    ("tied", True, {4: 4, 6: 8, 8: 16, 10: 32, 12: 64}),
    ("XZ", False, {4: 16, 6: 64, 8: 256}),
    ("X", False, {4: 8, 6: 32, 8: 128}),
    ("tied", False, {4: 6, 6: 20, 8: 70}),
]


@pytest.mark.parametrize(("kind", "ring", "expected"), DIMENSIONS)
def test_effective_dimensions_of_the_table(kind: str, ring: bool, expected: dict[int, int]) -> None:
    for n, dimension in expected.items():
        hamiltonian = ising(n, ring)
        space = effective_space(hamiltonian, layered(n, kind, ring), product_state("+" * n))
        assert (space.dimension, space.whole) == (dimension, True)
        np.testing.assert_allclose(space.basis @ space.basis.conj().T, np.eye(dimension), atol=1e-10)
        assert space.leaves < 1e-9
        if n <= 8:
            exact = np.linalg.eigvalsh(dense_sum(hamiltonian.terms, n))[0]
        elif ring:  # free fermions, antiperiodic
            exact = -sum(2 * abs(np.cos(k / 2)) for k in 2 * np.pi * (np.arange(n) + 0.5) / n)
        assert space.ground_energy == pytest.approx(exact, abs=1e-9)
    if ring:
        six = effective_space(ising(6), layered(6, kind), product_state("+" * 6))
        assert six.ground_energy == pytest.approx(RING_6, abs=1e-11)


def test_a_search_stops_at_its_limit() -> None:
    space = effective_space(ising(6), layered(6, "XZ"), product_state("+" * 6), limit=10)
    assert (space.dimension, space.whole, space.basis.shape) == (10, False, (10, 64))
    assert space.leaves > 0.1
    exact = effective_space(ising(6), layered(6, "tied"), product_state("+" * 6), limit=8)
    assert (exact.dimension, exact.whole) == (8, True)
    with pytest.raises(ValueError, match="whole"):
        haar_eqntk(ising(6), space, [])
    with pytest.raises(ValueError, match="reference"):
        effective_space(ising(6), layered(6, "tied"), product_state("+" * 5))


@pytest.mark.parametrize("seed", range(6))
def test_effective_space_against_dense_matrices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hamiltonian = QubitHamiltonian(n_qubits=3, terms=((0.3, at("ZIX")), (-0.7, at("XYI"))), constant=0.25)
    ansatz = random_circuit(3, rng, int(rng.integers(1, 4)))
    reference = product_state("".join(rng.choice(list("01+-"), size=3)))
    matrices = [dense_sum(r.generator.terms, 3) for r in ansatz.rotations]
    if seed % 2:
        middle = [Rotation(Clifford("cx", (2, 0)), None), Rotation(PauliSum(((1.0, at("IYI")),)), None, 0.4)]
        ansatz = Ansatz(
            name="fixed",
            rotations=(Rotation(Clifford("h", (1,)), None), ansatz.rotations[0], *middle, *ansatz.rotations[1:]),
            n_parameters=ansatz.n_parameters,
        )
        matrices.append(gate_matrix(middle[1], 0.4, 3) @ dense_clifford(middle[0].generator, 3))
        prepared = dense_clifford(Clifford("h", (1,)), 3) @ reference
        np.testing.assert_allclose(prepared_reference(ansatz, reference), prepared, atol=1e-14)
        assert fixed_gates(ansatz) == (ansatz.rotations[:1], [tuple(middle)])
    else:
        prepared = reference
    space = effective_space(hamiltonian, ansatz, reference)
    assert space.whole
    assert space.dimension == cyclic_dimension(matrices, prepared)
    h = dense_sum(hamiltonian.terms, 3)
    projector = space.basis.T @ space.basis.conj()
    for matrix in matrices:
        assert np.linalg.norm((np.eye(8) - projector) @ matrix @ projector) < 1e-9
    assert space.leaves == pytest.approx(np.linalg.norm((np.eye(8) - projector) @ h @ projector, 2), abs=1e-9)
    small = space.basis.conj() @ h @ space.basis.T
    np.testing.assert_allclose(project_sum(hamiltonian.terms, space), small, atol=1e-12)
    assert space.ground_energy == pytest.approx(np.linalg.eigvalsh(small)[0] + 0.25)


@pytest.mark.parametrize("name", ["h", "s", "sdg", "x", "y", "z", "cx", "cz", "swap"])
def test_clifford_gates_against_dense_matrices(name: str) -> None:
    gate = Clifford(name, (2, 0)[: 2 if name in TWO_QUBIT_GATES else 1])
    rng = np.random.default_rng(5)
    state = rng.normal(size=8) + 1j * rng.normal(size=8)
    ansatz = circuit((gate, None, 0.0), ("XII", 0, 1.0))
    np.testing.assert_allclose(prepared_reference(ansatz, state), dense_clifford(gate, 3) @ state, atol=1e-14)


def test_clifford_gates_first_make_the_same_states() -> None:
    cx, s, h, swap = Clifford("cx", (0, 1)), Clifford("s", (2,)), Clifford("h", (1,)), Clifford("swap", (0, 2))
    original = circuit(
        ("YIX+XIY", 0, 0.5), (cx, None, 0.0), ("ZYX", None, 0.7), (s, None, 0.0), ("IZX+IXZ", 1, -0.3), (h, None, 0.0),
        (swap, None, 0.0), ("XYZ", 0, 0.9), (Clifford("sdg", (0,)), None, 0.0), (Clifford("cz", (2, 1)), None, 0.0),
    )  # fmt: skip
    moved = cliffords_first(original)
    assert [isinstance(r.generator, Clifford) for r in moved.rotations] == [True] * 6 + [False] * 4
    hamiltonian = QubitHamiltonian(n_qubits=3, terms=((1.0, at("ZZI")),))
    angles = np.array([0.8, -1.7])
    before, after = (
        QubitEnergyObjective(hamiltonian, a, product_state("0+-")).engine.state(angles) for a in (original, moved)
    )
    assert abs(np.vdot(before, after)) == pytest.approx(1.0, abs=1e-13)


def test_compiled_two_qubit_rotations_keep_their_space() -> None:
    """CX RZ CX is a rotation about ZZ: the closure under CX itself would be far larger."""
    gates: list[tuple[str | Clifford, int | None, float]] = [(letters, 0, 0.5) for letters in ("XII", "IXI", "IIX")]
    for a, b in ((0, 1), (1, 2), (0, 2)):
        z = "".join("Z" if q == b else "I" for q in range(3))
        gates += [(Clifford("cx", (a, b)), None, 0.0), (z, 1, 0.5), (Clifford("cx", (a, b)), None, 0.0)]
    compiled = circuit(*gates)
    plus = product_state("+++")
    assert effective_space(ising(3), cliffords_first(compiled), plus).dimension == 2
    assert effective_space(ising(3), layered(3, "tied"), plus).dimension == 2
    assert effective_space(ising(3), compiled, plus).dimension > 2
    assert lie_algebra_dimension(cliffords_first(compiled), 3).dimension == 8


def test_generators_of_tied_rotations() -> None:
    tied = layered(4, "tied", layers=3)
    assert [len(g) for g in parameter_generators(tied)] == [4] * 6
    assert {weight for g in parameter_generators(tied) for weight, _ in g} == {0.5}
    assert [len(g) for g in independent_generators(tied)] == [4, 4]
    apart = circuit(("XI", 0, 1.0), ("ZZ", 1, 1.0), ("IX", 0, -2.0))
    assert independent_generators(apart) == [((1.0, at("XI")),), ((1.0, at("ZZ")),), ((1.0, at("IX")),)]
    between = circuit(("XI", 0, 1.0), ("ZI", 1, 1.0), ("IX", 0, -2.0))
    assert independent_generators(between)[0] == ((0.5, at("XI")), (-1.0, at("IX")))
    blocked = circuit(("XI", 0, 1.0), (Clifford("h", (1,)), None, 0.0), ("IX", 0, 1.0))
    assert len(independent_generators(blocked)) == 2
    cancelled = circuit(("XI", 0, 1.0), ("XI", 0, -1.0), ("ZZ", 1, 2.0))
    assert independent_generators(cancelled) == [((1.0, at("ZZ")),)]
    with pytest.raises(ValueError, match="Pauli sums"):
        independent_generators(Ansatz(name="t", rotations=(Rotation(Excitation((2,), (0,)), 0),), n_parameters=1))


def test_clusters_do_not_rely_on_orders_that_exclude_each_other() -> None:
    """X0(a) Z1(b) X1(a) Z0(b) is not a product of exp(-i a (X0 + X1)) and exp(-i b (Z0 + Z1))."""
    crossed = circuit(("XI", 0, 0.5), ("IZ", 1, 0.5), ("IX", 0, 0.5), ("ZI", 1, 0.5))
    assert sorted(len(g) for g in independent_generators(crossed)) == [1, 1, 2]
    hamiltonian = ising(2, ring=False)
    space = effective_space(hamiltonian, crossed, product_state("00"))
    sampled = sampled_dimension(QubitEnergyObjective(hamiltonian, crossed, product_state("00")), seed=3)
    assert (sampled, space.dimension) == (4, 4)


@pytest.mark.parametrize(("kind", "dimension"), [("XZ", 64), ("X", 32), ("tied", 8)])
def test_sampled_dimension_reaches_the_exact_one(kind: str, dimension: int) -> None:
    deep = objective(6, kind, 12)
    assert sampled_dimension(deep, seed=11) == dimension
    assert sampled_dimension(deep, samples=5, seed=11) == 5


def test_lie_algebras_of_ising_circuits() -> None:
    for n in range(4, 11):
        tied = lie_algebra_dimension(layered(n, "tied"), n)
        assert (tied.dimension, tied.whole) == (3 * n - 1, True)
    for n in (4, 6, 8):
        assert lie_algebra_dimension(layered(n, "XZ"), n).dimension == 4**n - 1
        assert lie_algebra_dimension(layered(n, "X", ring=False), n).dimension == n * (2 * n - 1)
        assert lie_algebra_dimension(layered(n, "X", ring=True), n).dimension == 2 * n * (2 * n - 1)


def test_lie_algebra_search_stops_at_its_limit() -> None:
    stopped = lie_algebra_dimension(layered(6, "XZ"), 6, limit=1000)
    assert (stopped.dimension, stopped.whole) == (1000, False)
    stopped = lie_algebra_dimension(layered(6, "tied"), 6, limit=9)
    assert (stopped.dimension, stopped.whole) == (9, False)
    assert lie_algebra_dimension(layered(6, "tied"), 6, limit=17).whole
    assert lie_algebra_dimension(circuit((Clifford("h", (0,)), None, 0.0)), 1).dimension == 0


@pytest.mark.parametrize(("n", "seed"), [(2, 0), (2, 1), (2, 2), (2, 3), (3, 4), (3, 5), (3, 6)])
def test_lie_algebra_against_dense_commutators(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ansatz = random_circuit(n, rng, 2)
    matrices = [dense_sum(r.generator.terms, n) for r in ansatz.rotations]
    assert lie_algebra_dimension(ansatz, n).dimension == algebra_dimension(matrices)


@pytest.mark.parametrize(
    ("kind", "rank", "measured", "mean"),
    [("XZ", 126, 0.084, 0.0830), ("X", 30, 0.298, 0.3035), ("tied", 6, 22.5, 18.2)],
)
def test_fisher_ranks_and_kernels_of_the_measured_ring(kind: str, rank: int, measured: float, mean: float) -> None:
    """`measured` is a mean over the 8 starts of the trainings, `mean` our own over 4096 draws."""
    deep = objective(6, kind, 12)
    n_parameters = deep.ansatz.n_parameters
    assert fisher_rank(deep, np.random.default_rng(2).uniform(0.0, 2 * np.pi, n_parameters)) == rank
    estimate = mean_qntk(deep, samples=512, seed=1)
    assert abs(estimate.mean / n_parameters - mean) < 4.0 * estimate.error / n_parameters
    error_of_eight = estimate.error / n_parameters * 8.0
    assert abs(estimate.mean / n_parameters - measured) < 2.0 * error_of_eight


def test_kernel_is_the_square_of_the_gradient() -> None:
    deep = objective(4, "tied", 2)
    angles = np.random.default_rng(3).uniform(0.0, 2 * np.pi, deep.ansatz.n_parameters)
    step = 1e-5 * np.eye(len(angles))
    slopes = [(deep.engine.energy(angles + d) - deep.engine.energy(angles - d)) / 2e-5 for d in step]
    assert qntk(deep, angles) == pytest.approx(np.sum(np.square(slopes)), rel=1e-7)
    with pytest.raises(ValueError, match="samples"):
        mean_qntk(deep, samples=1)


def test_haar_mean_against_monte_carlo() -> None:
    d, draws = 4, 20_000
    rng = np.random.default_rng(7)
    x, o = ((m + m.conj().T) / 2 for m in rng.normal(size=(2, d, d)) + 1j * rng.normal(size=(2, d, d)))
    before = scipy.stats.unitary_group.rvs(d, size=draws, random_state=rng)[:, :, 0]
    after = scipy.stats.unitary_group.rvs(d, size=draws, random_state=rng)
    turned = after.conj().swapaxes(1, 2) @ o @ after
    slopes = 1j * np.einsum("si,sij,sj->s", before.conj(), x @ turned - turned @ x, before)
    squares = slopes.real**2
    error = squares.std() / np.sqrt(draws)
    assert error < 0.02 * squares.mean()
    assert abs(squares.mean() - haar_gradient_square(x, o)) < 4.0 * error
    assert haar_gradient_square(np.eye(1), np.eye(1)) == 0.0


def test_haar_kernel_of_the_universal_ring() -> None:
    deep = objective(4, "XZ", 40)
    space = effective_space(ising(4), deep.ansatz, product_state("++++"))
    generators = parameter_generators(deep.ansatz)
    assert len(generators) == deep.ansatz.n_parameters
    estimate = mean_qntk(deep, samples=400, seed=4)
    assert haar_eqntk(ising(4), space, generators) == pytest.approx(estimate.mean, rel=0.1)
    one = haar_eqntk(ising(4), space, generators[:1])
    assert one == pytest.approx(haar_gradient_square(dense_sum(generators[0], 4), dense_sum(ising(4).terms, 4)))


def test_gradient_variance_against_a_loop() -> None:
    shallow = objective(4, "XZ", 2)
    angles = np.random.default_rng(9).uniform(0.0, 2 * np.pi, (50, shallow.ansatz.n_parameters))
    gradients = np.array([shallow.value_and_gradient(row)[1] for row in angles])
    expected = np.mean(gradients**2, axis=0) - np.mean(gradients, axis=0) ** 2
    np.testing.assert_allclose(gradient_variance(shallow, samples=50, seed=9), expected, atol=1e-13)


def test_plateau_exponent() -> None:
    sizes = [4, 6, 8, 10]
    assert plateau_exponent(sizes, [3.0 * 2.0 ** (-1.5 * n) for n in sizes]) == pytest.approx(1.5)
    deep = {n: gradient_variance(objective(n, "XZ", 10 * n), samples=60, seed=1).mean() for n in (3, 4, 5, 6)}
    assert plateau_exponent(list(deep), list(deep.values())) > 0.5
    with pytest.raises(ValueError, match="positive"):
        plateau_exponent([4, 6], [0.1, 0.0])
    with pytest.raises(ValueError, match="sizes"):
        plateau_exponent([4, 4], [0.1, 0.2])
