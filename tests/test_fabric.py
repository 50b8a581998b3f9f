"""tUPS and fabrics of quantum-number-preserving gates: sizes, blocks, what they keep and how far they go."""

import numpy as np
import pytest
from conftest import error_mha
from dense_twin import anti_hermitian, determinant, embed
from scipy.sparse.linalg import expm_multiply
from test_sector import random_problem

from vqe_prune.__main__ import main
from vqe_prune.ansatz.fabric import pairing_chain, qnp_fabric, tups
from vqe_prune.ansatz.rotation import Excitation
from vqe_prune.chemistry import Molecule
from vqe_prune.config import parse_settings
from vqe_prune.errors import InputError
from vqe_prune.objective import energy_of
from vqe_prune.observables import observe
from vqe_prune.optimize import minimize
from vqe_prune.problem import molecular_problem
from vqe_prune.report import read_record
from vqe_prune.starts import starting_angles


def test_the_chain_puts_filled_beside_empty() -> None:
    assert pairing_chain(6, 3, 3) == [2, 3, 1, 4, 0, 5]
    assert pairing_chain(6, 2, 2) == [1, 2, 0, 3, 4, 5]
    assert pairing_chain(5, 4, 4) == [3, 4, 0, 1, 2]
    assert pairing_chain(5, 3, 1) == [0, 3, 1, 2, 4]  # singly filled orbitals are neither


@pytest.mark.parametrize(("n", "layers"), [(4, 1), (5, 3), (6, 2)])
def test_sizes_are_published_ones(n: int, layers: int) -> None:
    """arXiv 2312.09761: three angles a block, n - 1 blocks a layer; PennyLane's GateFabric: (layers, n - 1, 2)."""
    assert tups(n, 2, 2, layers).n_parameters == 3 * layers * (n - 1)
    assert qnp_fabric(n, 2, 2, layers).n_parameters == 2 * layers * (n - 1)
    assert len(tups(n, 2, 2, layers).rotations) == 5 * layers * (n - 1)
    with pytest.raises(InputError, match="at least 1"):
        tups(n, 2, 2, 0)


def test_a_layer_is_the_product_of_spin_adapted_exponentials() -> None:
    """Blocks (1, 2), (0, 3), then (2, 0) of four orbitals with two pairs, each factor one dense exponential."""
    problem = random_problem(4, 2, 2, seed=91)
    ansatz = tups(4, 2, 2, 1)
    angles = np.random.default_rng(92).normal(size=9)
    state, k = determinant((0, 1, 2, 3), 8), 0
    for p, q in ((1, 2), (0, 3), (0, 2)):
        turn = sum(anti_hermitian(Excitation((2 * q + s,), (2 * p + s,)), 8) for s in (0, 1))
        pair = anti_hermitian(Excitation((2 * q, 2 * q + 1), (2 * p, 2 * p + 1)), 8)
        for generator in (turn, pair, turn):
            state = expm_multiply(angles[k] * generator, state).real
            k += 1
    engine = energy_of(problem)(ansatz).engine
    assert np.abs(embed(engine.state(angles), engine.hamiltonian.sector) - state).max() < 1e-12  # nine exponentials


@pytest.mark.parametrize("shape", [(4, 2, 2), (5, 3, 2)])
def test_the_spin_is_kept_exactly(shape: tuple[int, int, int]) -> None:
    problem, spin = random_problem(*shape, seed=93), (shape[1] - shape[2]) / 2
    for build in (tups, qnp_fabric):
        ansatz = build(*shape, 2)
        angles = np.random.default_rng(94).normal(size=ansatz.n_parameters)
        assert observe(problem, ansatz, angles).spin_squared == pytest.approx(spin * (spin + 1), abs=1e-12)
        objective, step = energy_of(problem)(ansatz), 1e-5
        slopes = [
            (objective.engine.energy(angles + step * e) - objective.engine.energy(angles - step * e)) / (2 * step)
            for e in np.eye(ansatz.n_parameters)
        ]
        assert objective.value_and_gradient(angles)[1] == pytest.approx(slopes, abs=1e-7)  # third order times step^2


def test_three_layers_are_exact_for_four_hydrogens_from_random_starts_only() -> None:
    atoms = tuple(("H", (0.0, 0.0, float(k))) for k in range(4))
    problem = molecular_problem(Molecule(name="H4", atoms=atoms))
    ansatz = tups(4, 2, 2, 3)
    zero, *free = starting_angles(problem, ansatz, restarts=3, keep_irrep=False)
    _, *kept = starting_angles(problem, ansatz, restarts=3)
    errors = [error_mha(problem, minimize(energy_of(problem)(ansatz), x, max_steps=500).value) for x in (zero, *kept)]
    assert min(errors) > 30.0
    best = min(minimize(energy_of(problem)(ansatz), x, max_steps=500).value for x in free)
    assert -1e-6 < error_mha(problem, best) < 0.01


def test_fabrics_on_the_command_line(tmp_path, capsys) -> None:
    words = ["molecule=LiH", "molecule.frozen_core=true", "ansatz=tups", "ansatz.layers=2", "ansatz.restarts=3"]
    assert main([*words, f"output_dir={tmp_path / 'o'}"]) == 0
    record = read_record(tmp_path / "o")
    assert [stage["name"] for stage in record.stages] == ["full", "curvature"]
    assert record.stages[0]["n_parameters"] == 24 and record.stages[0]["error_to_exact"] < 1e-4
    assert record.stages[1]["error_to_exact"] < 1.5e-3 and abs(record.qsim["difference"]) < 1e-6
    assert "restarts ends" in capsys.readouterr().out
    settings = parse_settings(["ansatz=qnp"])
    assert (settings.ansatz.layers, settings.ansatz.restarts, settings.pruner.rules) == (4, 5, ["curvature"])
    assert parse_settings(["ansatz=tups", "pruner=magnitude"]).pruner.rules == ["magnitude"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ansatz=tup"], "did you mean tups"),
        (["ansatz=tups", "ansatz.order=mp2_amplitude"], "whose blocks have their own"),
        (["ansatz=qnp", "ansatz.singlet=true"], "keeps the total spin anyway"),
        (["ansatz=qnp", "ansatz.blocks=[x]"], "no effect with ansatz=qnp"),
        (["ansatz=qnp", "ansatz.layers=0"], "at least 1"),
        (["ansatz=tups", "ansatz.k=2"], "layers of ansatz=kupccgsd"),
        (["model=tfim", "ansatz=tups"], "needs a molecule"),
    ],
)
def test_bad_settings_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_settings(words)
