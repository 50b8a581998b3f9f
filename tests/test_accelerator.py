"""The engine on JAX: its numbers are those of the sector engine, which dense matrices and finite differences hold.

Kernels run on JAX's CPU backend here; the last test runs the setting itself where there is a GPU.
"""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from conftest import GEOMETRIES
from test_sector import general_ansatz, random_problem

from vqe_prune import parse_settings, prune_ansatz, uccd, uccsd
from vqe_prune.__main__ import main
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.chemistry import Molecule
from vqe_prune.engine import accelerator, blocks
from vqe_prune.engine.accelerator import LEAST_FILLED, LOOP, AcceleratedEngine, find_gpu, on_device
from vqe_prune.engine.blocks import Layout
from vqe_prune.engine.determinants import SectorHamiltonian
from vqe_prune.engine.sector import SectorEngine, is_symmetric
from vqe_prune.errors import InputError
from vqe_prune.inputs import open_accelerator
from vqe_prune.objective import energy_of, sector_hamiltonian
from vqe_prune.problem import molecular_problem
from vqe_prune.qubit_problem import molecular_qubit_problem
from vqe_prune.report import read_record
from vqe_prune.settings import digest

needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed: pip install jax")

ROUNDING = 1e-12
"""Hartree, times the largest number compared: double precision through some hundred rotations."""


def gpu() -> object | None:
    """A GPU; asked for in tests only, since JAX takes a second to import."""
    try:
        return find_gpu()
    except InputError:
        return None


def processor():
    """JAX's CPU backend."""
    import jax

    return jax.devices("cpu")[0]


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    """Most of the time here is compilation: kernels that run once need not be fast."""
    if find_spec("jax") is None:
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def engines(hamiltonian: SectorHamiltonian, ansatz: Ansatz) -> tuple[SectorEngine, AcceleratedEngine]:
    moved = on_device(hamiltonian, processor())
    return SectorEngine(hamiltonian=hamiltonian, ansatz=ansatz), AcceleratedEngine(hamiltonian=moved, ansatz=ansatz)


def symmetric(ansatz: Ansatz, irreps: np.ndarray) -> Ansatz:
    kept = [r for r, e in zip(ansatz.rotations, ansatz.excitations, strict=True) if is_symmetric(e, irreps)]
    rotations = tuple(replace(rotation, parameter=k) for k, rotation in enumerate(kept))
    return replace(ansatz, rotations=rotations, n_parameters=len(rotations))


def assert_equal(found, expected) -> None:
    expected = np.asarray(expected)
    assert np.abs(found - expected).max() < ROUNDING * max(1.0, np.abs(expected).max())


def assert_same_gradient(device: SectorEngine, cores: SectorEngine, angles: np.ndarray) -> None:
    for found, expected in zip(device.energy_and_gradient(angles), cores.energy_and_gradient(angles), strict=True):
        assert_equal(found, expected)


@needs_jax
def test_all_it_computes_is_what_the_sector_engine_computes(monkeypatch) -> None:
    """Triples, parts of both spins in either order, shared parameters, a constant angle; irreps that are broken."""
    monkeypatch.setattr(accelerator, "MOST_TOGETHER", 2)  # a second group of directions is filled up
    monkeypatch.setattr(blocks, "BATCH_NUMBERS", 200)  # ten columns, four at a time, filled up to twelve
    problem = random_problem(5, 3, 2, seed=51, irreps=[0, 1, 1, 2, 3])
    rng = np.random.default_rng(52)
    angles, directions = rng.normal(size=6), rng.normal(size=(3, 6))
    cores, device = engines(sector_hamiltonian(problem), general_ansatz(5))
    assert Layout(cores.hamiltonian.sector, problem.electrons.irreps, None).shape == (1, 10, 12)
    assert device.irrep is None
    assert_same_gradient(device, cores, angles)
    assert_equal(device.energy(angles), cores.energy(angles))
    assert_equal(device.state(angles), cores.state(angles))
    psi = rng.normal(size=cores.hamiltonian.sector.shape)
    assert_equal(device.hamiltonian.apply(psi), cores.hamiltonian.apply(psi))
    assert_equal(device.hessian_products(angles, directions), cores.hessian_products(angles, directions))
    tangents = cores.tangents(angles, directions)
    for found, expected in zip(device.tangents(angles, directions), tangents, strict=True):
        assert_equal(found, expected)


@needs_jax
def test_tables_of_several_shapes_and_loops_of_one_rotation(monkeypatch) -> None:
    """As in large sectors: sixteen rotations of one shape in a loop, and one by one where there are fewer than four."""
    monkeypatch.setattr(accelerator, "ONE_SHAPE", 0)
    problem = random_problem(4, 2, 2, seed=81)
    ansatz = uccd(4, 2, 2)
    ansatz = replace(ansatz, rotations=ansatz.rotations[:-1], n_parameters=ansatz.n_parameters - 1)
    labels = [rotation.generator.label for rotation in ansatz.rotations]
    assert labels[15:] == ["1a 1b -> 3a 3b", "0a 1a -> 2a 3a"]  # sixteen of both spins, one of alpha alone
    cores, device = engines(sector_hamiltonian(problem), ansatz)
    assert {len(loop.rows) for loop in device.loops} == {1, LOOP}
    assert all(loop.count == 1 for loop in device.loops if len(loop.rows) == 1) and LEAST_FILLED > 1
    assert sum(loop.count for loop in device.loops) == len(ansatz.rotations)
    assert_same_gradient(device, cores, np.random.default_rng(82).normal(size=ansatz.n_parameters))


@needs_jax
def test_electrons_of_one_spin_alone() -> None:
    problem, ansatz = random_problem(4, 2, 0, seed=85), uccsd(4, 2, 0)
    cores, device = engines(sector_hamiltonian(problem), ansatz)
    assert_same_gradient(device, cores, np.random.default_rng(86).normal(size=ansatz.n_parameters))


@needs_jax
def test_an_open_shell_in_one_irrep_keeps_nothing_else() -> None:
    """Blocks differ in size, and strings that no string of the other spin completes are in none."""
    problem = random_problem(5, 3, 1, seed=71, irreps=[0, 0, 1, 2, 2])
    hamiltonian = sector_hamiltonian(problem)
    ansatz = symmetric(uccsd(5, 3, 1), problem.electrons.irreps)
    cores, device = engines(hamiltonian, ansatz)
    angles = np.random.default_rng(72).normal(size=ansatz.n_parameters)
    assert device.irrep == cores.irrep is not None
    layout = device.hamiltonian.blocks(device.irrep).layout
    rows, _ = layout.classes
    assert (rows < 0).any() and len({int(np.sum(rows == b)) for b in range(len(layout.labels))}) > 1
    assert layout.size < hamiltonian.sector.dimension
    assert_same_gradient(device, cores, angles)
    psi = cores.state(angles)
    assert_equal(layout.unpack(layout.pack(psi)), psi)


@needs_jax
def test_a_smaller_ansatz_meets_the_same_tables_and_loops() -> None:
    """So that nothing is compiled again when a rotation is deleted."""
    moved = on_device(sector_hamiltonian(random_problem(4, 2, 2, seed=81)), processor())
    ansatz = uccsd(4, 2, 2)
    assert {len(loop.rows) for loop in AcceleratedEngine(hamiltonian=moved, ansatz=ansatz).loops} == {LOOP}
    before = moved.blocks(None).pairs((0, 0))
    smaller = replace(ansatz, rotations=ansatz.rotations[:-3], n_parameters=ansatz.n_parameters - 3)
    assert {len(loop.rows) for loop in AcceleratedEngine(hamiltonian=moved, ansatz=smaller).loops} == {LOOP}
    assert moved.blocks(None).pairs((0, 0))[0] is before[0]


@needs_jax
def test_pruning_ends_with_the_same_ansatz() -> None:
    """LiH in C2v without its core: excitations of other irreps, Hessians, and the bound's states of all irreps."""
    problem = molecular_problem(Molecule(name="LiH", atoms=GEOMETRIES["LiH"], frozen_core=True))
    usual = prune_ansatz(problem, uccsd(5, 1, 1))
    found = prune_ansatz(problem, uccsd(5, 1, 1), accelerator=processor())
    assert [r.generator for r in found.final.ansatz.rotations] == [r.generator for r in usual.final.ansatz.rotations]
    for stage, expected in zip(found.stages, usual.stages, strict=True):
        assert stage.name == expected.name
        assert stage.optimum.value == pytest.approx(expected.optimum.value, abs=1e-10)  # both converged to 1e-7 rad
    assert found.certificate.bound == pytest.approx(usual.certificate.bound, rel=1e-6)


@needs_jax
def test_what_does_not_fit_or_is_not_there_is_said() -> None:
    class Small:
        device_kind = "a small device"

        def memory_stats(self) -> dict[str, int]:
            return {"bytes_limit": 2**28, "bytes_in_use": 2**20}

    problem = random_problem(4, 2, 2, seed=91)
    with pytest.raises(InputError, match=r"engine=gpu: .* on a small device would take .* GiB \(0.249 GiB are free\)"):
        on_device(sector_hamiltonian(problem), Small())
    with pytest.raises(InputError, match="no effect on an ansatz on qubits"):
        energy_of(molecular_qubit_problem(problem, exact=False), accelerator=processor())
    large = replace(uccsd(5, 2, 2), name="too large")
    with pytest.raises(ValueError, match="must act on 8 spin orbitals"):
        AcceleratedEngine(hamiltonian=on_device(sector_hamiltonian(problem), processor()), ansatz=large).energy(
            np.zeros(large.n_parameters)
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["engine=cuda"], "unknown engine=cuda; did you mean cpu"),
        (["engine=gpu", "model=tfim"], "engine=gpu is for ansätze of electrons"),
        (["engine=gpu", "ansatz=hardware_efficient"], "engine=gpu is for ansätze of electrons"),
        (["engine=gpu", "study=scan", "scan.bond_length=[1,2,1]"], "engine=gpu is not for study=scan"),
    ],
)
def test_an_engine_without_effect_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_settings(arguments)


def test_a_study_is_the_same_on_any_engine() -> None:
    assert digest(parse_settings(["engine=gpu"])) == digest(parse_settings([]))


def test_without_jax_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(accelerator.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^engine=gpu needs JAX with CUDA: pip install 'vqe-prune\[gpu\]'$"):
        open_accelerator(parse_settings(["molecule=H2", "engine=gpu"]))


@needs_jax
def test_without_a_gpu_the_setting_ends_in_one_line(tmp_path, capsys) -> None:
    if gpu() is not None:
        pytest.skip("JAX sees a GPU")
    assert main(["molecule=H2", "engine=gpu", f"output_dir={tmp_path / 'run'}"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("vqe_prune: engine=gpu: JAX ") and "sees no GPU" in message and message.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_study_on_the_gpu_ends_where_one_on_the_cores_does(tmp_path) -> None:
    if gpu() is None:
        pytest.skip("JAX sees no GPU here, or is not installed")
    records = []
    for engine in ("cpu", "gpu"):
        assert main(["molecule=LiH", f"engine={engine}", f"output_dir={tmp_path / engine}"]) == 0
        records.append(read_record(tmp_path / engine))
    for one, other in zip(records[0].stages, records[1].stages, strict=True):
        assert one["n_parameters"] == other["n_parameters"]
        assert one["energy"] == pytest.approx(other["energy"], abs=1e-10)
    assert "engine" in records[1].versions and "engine" not in records[0].versions
