"""The sector engine against dense matrices, finite differences, PySCF and itself on another path."""

from dataclasses import replace

import numpy as np
import openfermion
import pytest
from dense_twin import anti_hermitian, dense_state, determinant, embed

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.engine import determinants, sector
from vqe_prune.engine.determinants import Sector, SectorHamiltonian
from vqe_prune.engine.sector import SectorEngine
from vqe_prune.objective import sector_hamiltonian
from vqe_prune.problem import Problem, problem_from_integrals, qubit_hamiltonian


def random_problem(n: int, n_alpha: int, n_beta: int, seed: int, irreps: list[int] | None = None) -> Problem:
    """Random integrals with the eightfold symmetry of real orbitals and, where given, with orbital irreps."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(n, dtype=np.int64) if irreps is None else np.array(irreps)
    one, two = rng.normal(size=(n, n)), rng.normal(size=(n, n, n, n))
    for axes in ((1, 0, 2, 3), (0, 1, 3, 2), (2, 3, 0, 1)):
        two = two + two.transpose(axes)
    pair = labels[:, None] ^ labels[None, :]
    one = np.where(pair == 0, one + one.T, 0.0)
    two = np.where(pair[:, :, None, None] == pair[None, None], two / 8, 0.0)
    return problem_from_integrals(one, two, (n_alpha, n_beta), constant=0.7, irreps=labels, exact=False)


def general_ansatz(n: int) -> Ansatz:
    """Every excitation type, in an order without segments, parameters shared, one with a constant angle."""
    excitations = [
        Excitation((4,), (0,)),
        Excitation((5,), (1,)),
        Excitation((4, 5), (0, 1)),
        Excitation((6, 5), (0, 3)),
        Excitation((5, 6), (0, 1)),
        Excitation((4, 6), (0, 2)),
        Excitation((6, 4), (2, 0)),
        Excitation((5, 7), (3, 1)),
        Excitation((2,), (6,)),
        Excitation((4, 6, 5), (0, 2, 1)),
        Excitation((7, 4, 6), (0, 3, 2)),
    ]
    usable = [e for e in excitations if max(e.spin_orbitals) < 2 * n]
    rotations = [Rotation(e, k % 6, (-1.0) ** k * (1 + 0.1 * k)) for k, e in enumerate(usable)]
    rotations.append(Rotation(Excitation((6, 7), (2, 3)), None, 0.37))
    return Ansatz(name="test", rotations=tuple(rotations), n_parameters=6)


SECTORS = [(4, 2, 2), (4, 2, 1), (4, 3, 1), (5, 2, 2), (4, 1, 0), (4, 4, 2)]


@pytest.mark.parametrize("shape", SECTORS)
def test_state_and_energy_are_those_of_dense_matrices(shape: tuple[int, int, int]) -> None:
    problem = random_problem(*shape, seed=11)
    ansatz = general_ansatz(shape[0])
    angles = np.random.default_rng(12).normal(size=ansatz.n_parameters)
    engine = SectorEngine(hamiltonian=sector_hamiltonian(problem), ansatz=ansatz)
    dense = dense_state(ansatz, angles, problem.reference_occupied, problem.n_qubits)
    state = embed(engine.state(angles), engine.hamiltonian.sector)
    assert np.abs(state - dense).max() < 1e-12  # double precision, twelve rotations
    hamiltonian = openfermion.get_sparse_operator(qubit_hamiltonian(problem), problem.n_qubits)
    energy = (dense.conj() @ hamiltonian @ dense).real
    assert engine.energy(angles) == pytest.approx(energy, abs=1e-9)
    assert engine.energy_and_gradient(angles)[0] == pytest.approx(energy, abs=1e-9)


@pytest.mark.parametrize("shape", SECTORS)
def test_gradient_and_hessian_are_finite_differences(shape: tuple[int, int, int]) -> None:
    problem = random_problem(*shape, seed=21)
    ansatz = general_ansatz(shape[0])
    angles = np.random.default_rng(22).normal(size=ansatz.n_parameters)
    engine = SectorEngine(hamiltonian=sector_hamiltonian(problem), ansatz=ansatz)

    def differences(function, step: float = 2e-3) -> np.ndarray:
        """Sixth-order central differences: truncation and rounding are both below 1e-10 here."""
        weights = ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))
        moves = np.eye(len(angles)) * step
        return np.array(
            [sum(w * (function(angles + k * m) - function(angles - k * m)) for k, w in weights) / step for m in moves]
        )

    assert np.abs(engine.energy_and_gradient(angles)[1] - differences(engine.energy)).max() < 1e-9
    hessian = engine.hessian(angles)
    assert np.abs(hessian - differences(lambda x: engine.energy_and_gradient(x)[1])).max() < 1e-8
    tangents = np.array(list(engine.tangents(angles, np.eye(len(angles)))))
    assert np.abs(tangents - differences(engine.state)).max() < 1e-9


@pytest.mark.parametrize("shape", [(5, 2, 2), (5, 3, 2)])
def test_matrix_contraction_and_threads_agree(shape: tuple[int, int, int], monkeypatch) -> None:
    problem = random_problem(*shape, seed=31, irreps=[0, 1, 1, 2, 3])
    ansatz = uccsd(*shape)
    angles = np.random.default_rng(32).normal(size=ansatz.n_parameters)
    small = SectorEngine(hamiltonian=sector_hamiltonian(problem), ansatz=ansatz)
    assert small.hamiltonian.matrix is not None
    monkeypatch.setattr(determinants, "MATRIX_DIMENSION", 0)
    monkeypatch.setattr(sector, "THREADED_DIMENSION", 0)
    hamiltonian = sector_hamiltonian(problem)
    assert hamiltonian.matrix is None
    for threads in (1, 2, 3):
        large = SectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, threads=threads)
        for mine, other in zip(small.energy_and_gradient(angles), large.energy_and_gradient(angles), strict=True):
            assert np.abs(mine - other).max() < 1e-11  # double precision, energies of 10
        assert np.abs(small.hessian(angles) - large.hessian(angles)).max() < 1e-10


@pytest.mark.parametrize("shape", [(5, 2, 2), (5, 3, 2), (4, 1, 1)])
def test_going_through_one_irrep_only_changes_nothing(shape: tuple[int, int, int], monkeypatch) -> None:
    """Symmetric excitations in every order; the reference is in another irrep than the first where a shell is open."""
    irreps = [1, 2, 1, 3, 0][: shape[0]]
    problem = random_problem(*shape, seed=33, irreps=irreps)
    every = uccsd(*shape)
    kept = [e for e in every.excitations if not np.bitwise_xor.reduce([irreps[q // 2] for q in e.spin_orbitals])]
    order = np.random.default_rng(34).permutation(2 * len(kept)) % len(kept)
    rotations = tuple(Rotation(kept[k], n) for n, k in enumerate(order))
    ansatz = Ansatz(name="symmetric", rotations=rotations, n_parameters=len(rotations))
    angles = np.random.default_rng(35).normal(size=ansatz.n_parameters)
    hamiltonian = sector_hamiltonian(problem)
    careful = SectorEngine(hamiltonian=replace(hamiltonian, irreps=np.zeros(shape[0], dtype=np.int64)), ansatz=ansatz)
    assert careful.irrep is None
    engines = [SectorEngine(hamiltonian=hamiltonian, ansatz=ansatz)]
    with monkeypatch.context() as patch:
        patch.setattr(determinants, "MATRIX_DIMENSION", 0)
        large = sector_hamiltonian(problem)
        assert large.matrix is None
        engines.append(SectorEngine(hamiltonian=large, ansatz=ansatz))
    for engine in engines:
        assert engine.irrep == (irreps[2] if shape == (5, 3, 2) else 0)
        assert np.abs(engine.state(angles) - careful.state(angles)).max() < 1e-13
        for mine, other in zip(engine.energy_and_gradient(angles), careful.energy_and_gradient(angles), strict=True):
            assert np.abs(mine - other).max() < 1e-11  # double precision, energies of 10
        assert np.abs(engine.hessian(angles) - careful.hessian(angles)).max() < 1e-10
    pairs = [(e.tables.b_stop - e.tables.b_start)[:, e.tables.row_class].sum() for e in (engines[0], careful)]
    assert pairs[0] < 0.6 * pairs[1]
    forbidden = next(e for e in every.excitations if e not in kept)
    broken = Ansatz(name="broken", rotations=(Rotation(kept[0], 0), Rotation(forbidden, None, 0.3)), n_parameters=1)
    assert SectorEngine(hamiltonian=hamiltonian, ansatz=broken).irrep is None


def test_rotations_that_break_symmetry_cost_nothing_while_their_angles_are_zero() -> None:
    irreps = [0, 1, 0, 1, 2]
    problem = random_problem(5, 2, 2, seed=36, irreps=irreps)
    ansatz = uccsd(5, 2, 2)
    symmetric = [not np.bitwise_xor.reduce([irreps[q // 2] for q in e.spin_orbitals]) for e in ansatz.excitations]
    rotations = tuple(  # parameters shared within each kind, with coefficients
        replace(r, parameter=k // 2 if keep else 40 + k, coefficient=1.0 + 0.1 * k)
        for k, (r, keep) in enumerate(zip(ansatz.rotations, symmetric, strict=True))
    )
    numbers = {p: n for n, p in enumerate(sorted({r.parameter for r in rotations if r.parameter is not None}))}
    rotations = tuple(replace(r, parameter=numbers[r.parameter]) for r in rotations if r.parameter is not None)
    shared = Ansatz(name="shared", rotations=rotations, n_parameters=len(numbers))
    first_broken = sum(p < 40 for p in numbers)
    angles = np.where(np.arange(len(numbers)) < first_broken, np.random.default_rng(37).normal(size=len(numbers)), 0.0)
    hamiltonian = sector_hamiltonian(problem)
    engine = SectorEngine(hamiltonian=hamiltonian, ansatz=shared)
    plain = SectorEngine(hamiltonian=replace(hamiltonian, irreps=np.zeros(5, dtype=np.int64)), ansatz=shared)
    for shift in (0.0, 0.3):  # with the second every rotation turns
        x = angles + shift * (np.arange(len(numbers)) >= first_broken)
        (energy, gradient), (other, slopes) = engine.energy_and_gradient(x), plain.energy_and_gradient(x)
        assert energy == pytest.approx(other, abs=1e-11)
        assert np.abs(gradient - slopes).max() < 1e-11
        assert (gradient[first_broken:] == 0.0).all() == (shift == 0.0)


def test_numbers_of_electrons_and_spin_projection_are_kept() -> None:
    problem = random_problem(4, 2, 1, seed=41)
    ansatz = general_ansatz(4)
    engine = SectorEngine(hamiltonian=sector_hamiltonian(problem), ansatz=ansatz)
    state = embed(engine.state(np.random.default_rng(42).normal(size=6)), engine.hamiltonian.sector)
    numbers = [openfermion.get_sparse_operator(openfermion.FermionOperator(((q, 1), (q, 0))), 8) for q in range(8)]
    assert np.vdot(state, state) == pytest.approx(1.0, abs=1e-13)
    assert sum(np.vdot(state, n @ state).real for n in numbers[::2]) == pytest.approx(2.0, abs=1e-12)
    assert sum(np.vdot(state, n @ state).real for n in numbers[1::2]) == pytest.approx(1.0, abs=1e-12)


def test_sparse_matrix_is_the_contraction_in_larger_sectors() -> None:
    irreps = np.array([0, 1, 2, 3, 0, 1, 2])
    problem = random_problem(7, 4, 3, seed=51, irreps=irreps.tolist())
    hamiltonian = sector_hamiltonian(problem)
    assert hamiltonian.matrix is not None
    from pyscf.fci import direct_spin1

    vector = np.random.default_rng(52).normal(size=hamiltonian.sector.shape)
    electrons = problem.electrons
    absorbed = direct_spin1.absorb_h1e(electrons.one_body, electrons.two_body, 7, (4, 3), 0.5)
    expected = direct_spin1.contract_2e(absorbed, vector, 7, (4, 3))
    assert np.abs(hamiltonian.apply(vector) - expected).max() < 1e-10  # double precision, energies of 100


def test_generator_acts_as_its_matrix() -> None:
    """A pi rotation sends each determinant it couples to minus itself, so signs of both passes are visible."""
    box = Sector(n_orbitals=4, n_alpha=2, n_beta=2)
    hamiltonian = SectorHamiltonian(
        sector=box,
        constant=0.0,
        one_body=np.zeros((4, 4)),
        two_body=np.zeros((4, 4, 4, 4)),
        irreps=np.zeros(4, dtype=np.int64),
    )
    excitation = Excitation((4, 7), (0, 3))
    ansatz = Ansatz(name="one", rotations=(Rotation(excitation, 0),), n_parameters=1)
    engine = SectorEngine(hamiltonian=hamiltonian, ansatz=ansatz)
    moved = embed(engine.state(np.array([np.pi / 2])), box)
    assert np.abs(moved - anti_hermitian(excitation, 8) @ determinant((0, 1, 2, 3), 8)).max() < 1e-14


def test_excitations_outside_the_orbitals_are_refused() -> None:
    problem = random_problem(3, 1, 1, seed=61)
    ansatz = Ansatz(name="far", rotations=(Rotation(Excitation((6,), (0,)), 0),), n_parameters=1)
    with pytest.raises(ValueError, match="must act on 6 spin orbitals"):
        SectorEngine(hamiltonian=sector_hamiltonian(problem), ansatz=ansatz).energy(np.zeros(1))


@pytest.mark.parametrize(
    ("created", "annihilated"), [((2,), (0, 1)), ((), ()), ((2,), (2,)), ((3,), (0,)), ((2, 4), (0, 1)), ((-2,), (0,))]
)
def test_impossible_excitations_are_refused(created: tuple[int, ...], annihilated: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must"):
        Excitation(created, annihilated)


def test_a_determinant_that_no_integral_reaches_counts_too() -> None:
    one_body = np.diag([-1.0, 0.0, 0.0])
    problem = problem_from_integrals(one_body, np.zeros((3,) * 4), (1, 1), exact=False)
    psi = np.random.default_rng(4).normal(size=(3, 3))  # only rows and columns of orbital 0 have an energy
    expected = one_body @ psi + psi @ one_body
    np.testing.assert_allclose(sector_hamiltonian(problem).apply(psi), expected, atol=1e-14)
