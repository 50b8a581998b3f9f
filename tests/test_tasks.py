"""Tasks: batched states and their derivatives, losses, data, encodings, and the whole study."""

from __future__ import annotations

import gzip
import json
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

from vqe_prune import config
from vqe_prune.__main__ import main
from vqe_prune.ansatz.layered import hardware_efficient
from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.engine.samples import SampleEngine
from vqe_prune.engine.statevector import StatevectorEngine
from vqe_prune.errors import InputError
from vqe_prune.optimize import minimize
from vqe_prune.paulis import Clifford, PauliSum, QubitHamiltonian
from vqe_prune.prune.curvature import rank_by_curvature
from vqe_prune.prune.elimination import restrict
from vqe_prune.prune.rounds import eliminate_in_rounds
from vqe_prune.tasks.comparison import without_idle_gates
from vqe_prune.tasks.data import Images, fetch, load_images, principal_components, resized, split_images
from vqe_prune.tasks.encoding import amplitude_states, angle_states, reuploading
from vqe_prune.tasks.generate import bars_and_stripes
from vqe_prune.tasks.idx import read_idx
from vqe_prune.tasks.losses import Discrepancy, Divergence, LogLoss, hamming_kernel, z_diagonals
from vqe_prune.tasks.memory import Memory
from vqe_prune.tasks.objective import SampleObjective
from vqe_prune.tasks.training import Schedule, train_in_batches

PAULI = {
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0 + 0j, -1.0]),
}
STEP = 1e-6
CLOSE = 1e-7  # central differences with steps of 1e-6: rounding of 1e-16 / 1e-6, some hundred times


def matrix_of(generator: PauliSum, n: int) -> np.ndarray:
    total = np.zeros((1 << n, 1 << n), dtype=complex)
    for factor, string in generator.terms:
        letters = dict(string)
        total += factor * reduce(np.kron, [PAULI[letters[q]] if q in letters else np.eye(2) for q in range(n)])
    return total


def dense_state(ansatz: Ansatz, angles: np.ndarray, first: np.ndarray, features: np.ndarray | None, n: int):
    """The state by matrix exponentials, gate by gate."""
    psi = first.astype(complex)
    for rotation in ansatz.rotations:
        if isinstance(rotation.generator, Clifford):
            raise NotImplementedError
        angle = rotation.coefficient
        if rotation.parameter is not None:
            angle *= angles[rotation.parameter]
        if rotation.feature is not None:
            assert features is not None
            angle *= features[rotation.feature]
        values, vectors = np.linalg.eigh(matrix_of(rotation.generator, n))
        psi = vectors @ (np.exp(-1j * angle * values) * (vectors.conj().T @ psi))
    return psi


def derivative(function, x: np.ndarray) -> np.ndarray:
    return np.array([(function(x + STEP * e) - function(x - STEP * e)) / (2 * STEP) for e in np.eye(len(x))])


def reuploaded(n_classes: int, seed: int = 0) -> tuple[SampleObjective, np.ndarray]:
    """Re-uploading on 3 qubits, 11 samples, so that a block is filled up with empty ones; a gate of each kind."""
    rng = np.random.default_rng(seed)
    ansatz = reuploading(3, 4, 2, blocks=["y", "z"], entangler="xx", pairs=[(0, 1), (1, 2)])
    diagonal = Rotation(PauliSum(((0.5, ((1, "Z"),)), (0.25, ((0, "Z"), (2, "Z"))))), None, 1.0, 2)
    ansatz = Ansatz(
        name="test",
        rotations=(*ansatz.rotations[:9], diagonal, *ansatz.rotations[9:]),
        n_parameters=ansatz.n_parameters,
    )
    first = np.zeros(8, dtype=complex)
    first[0] = 1.0
    engine = SampleEngine(n_qubits=3, ansatz=ansatz, references=first, features=rng.normal(size=(13, 4)))
    readout = [0] if n_classes == 2 else range(n_classes)
    loss = LogLoss(diagonals=z_diagonals(3, readout), labels=rng.integers(0, n_classes, 13), scale=3.0)
    return SampleObjective(engine, loss, np.arange(2, 13)), rng.normal(size=ansatz.n_parameters)


def test_states_of_samples_are_those_of_matrix_exponentials() -> None:
    objective, angles = reuploaded(2)
    found, engine = objective.probabilities(angles), objective.engine
    assert engine.features is not None
    for column, row in zip(found.T, objective.rows, strict=True):
        psi = dense_state(engine.ansatz, angles, engine.references, engine.features[row], 3)
        np.testing.assert_allclose(column, np.abs(psi) ** 2, atol=1e-13)  # some 30 gates of rounding


def test_blocks_do_not_change_anything(monkeypatch) -> None:
    from vqe_prune.engine import samples

    objective, angles = reuploaded(3)
    value, gradient = objective.value_and_gradient(angles)
    monkeypatch.setattr(samples, "BLOCK_AMPLITUDES", 32)  # blocks of 4, 4 and 3 samples, on two threads
    smaller = SampleObjective(objective.engine, objective.loss, objective.rows, threads=2)
    other, slope = smaller.value_and_gradient(angles)
    assert other == pytest.approx(value, abs=1e-13)
    np.testing.assert_allclose(slope, gradient, atol=1e-13)
    np.testing.assert_allclose(smaller.hessian(angles), objective.hessian(angles), atol=1e-13)


def test_a_sample_alone_is_what_the_statevector_engine_makes_of_it() -> None:
    rng = np.random.default_rng(1)
    ansatz = hardware_efficient(4, 2, blocks=["x", "z"], entangler="cx")  # Clifford gates among the rotations
    references = amplitude_states(rng.normal(size=(3, 16)))
    angles = rng.normal(size=ansatz.n_parameters)
    objective = SampleObjective(
        SampleEngine(n_qubits=4, ansatz=ansatz, references=references),
        LogLoss(diagonals=z_diagonals(4, [1]), labels=np.zeros(3, dtype=int), scale=1.0),
        np.arange(3),
    )
    nothing = QubitHamiltonian(n_qubits=4, terms=())
    for k, column in enumerate(objective.probabilities(angles).T):
        psi = StatevectorEngine(hamiltonian=nothing, ansatz=ansatz, reference=references[k]).state(angles)
        np.testing.assert_allclose(column, np.abs(psi) ** 2, atol=1e-13)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_derivatives_of_the_log_loss_are_finite_differences(n_classes) -> None:
    objective, angles = reuploaded(n_classes)
    value, gradient = objective.value_and_gradient(angles)
    assert objective.value(angles) == pytest.approx(value, abs=1e-14)
    np.testing.assert_allclose(gradient, derivative(objective.value, angles), atol=CLOSE)
    by_differences = derivative(lambda x: objective.value_and_gradient(x)[1], angles)
    np.testing.assert_allclose(objective.exact_hessian(angles), by_differences, atol=CLOSE)


def test_damping_bends_every_direction_upwards() -> None:
    objective, angles = reuploaded(2)
    damped = SampleObjective(objective.engine, objective.loss, objective.rows, damping=0.1)
    plain = objective.hessian(angles)
    mean = np.trace(plain) / len(plain)
    assert mean > 0.0
    np.testing.assert_allclose(damped.hessian(angles), plain + 0.1 * mean * np.eye(len(plain)), atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_fisher_information_is_that_of_the_class_probabilities(n_classes) -> None:
    objective, angles = reuploaded(n_classes)
    assert isinstance(objective.loss, LogLoss)

    def classes(x):
        return objective.loss.predictions(objective.probabilities(x))

    rates = derivative(classes, angles)  # (n_parameters, n_classes, n_rows)
    expected = np.einsum("iks,jks->ij", rates / classes(angles), rates) / len(objective.rows)
    np.testing.assert_allclose(objective.hessian(angles), expected, atol=CLOSE)
    jacobian = objective.jacobian(angles)
    np.testing.assert_allclose(4.0 * jacobian @ jacobian.T, expected, atol=CLOSE)


def test_the_log_loss_by_hand() -> None:
    """One qubit, <Z> = 0.6, scale 2: p = 1 / (1 + exp(-1.2)) for the first class."""
    loss = LogLoss(diagonals=z_diagonals(1, [0]), labels=np.array([0, 1]), scale=2.0)
    probabilities = np.array([[0.8, 0.8], [0.2, 0.2]])
    p = 1.0 / (1.0 + np.exp(-1.2))
    value, slopes = loss.value_and_slopes(probabilities, np.array([0, 1]))
    assert value == pytest.approx(-np.log(p) - np.log(1 - p))
    np.testing.assert_allclose(slopes, 2.0 * np.array([[p - 1, p], [1 - p, -p]]))


@pytest.mark.parametrize("kind", ["kl", "mmd"])
def test_derivatives_of_divergences_are_finite_differences(kind) -> None:
    rng = np.random.default_rng(2)
    ansatz = hardware_efficient(3, 2, blocks=["y", "z"], entangler="xx")
    target = rng.dirichlet(np.ones(8))
    kernel = hamming_kernel(3)
    loss = Divergence(target=target) if kind == "kl" else Discrepancy(target=target, kernel=kernel)
    first = np.zeros(8, dtype=complex)
    first[0] = 1.0
    objective = SampleObjective(
        SampleEngine(n_qubits=3, ansatz=ansatz, references=first), loss, np.zeros(1, dtype=np.int64)
    )
    angles = rng.normal(size=ansatz.n_parameters)
    q = objective.probabilities(angles)[:, 0]
    expected = np.sum(target * np.log(target / q)) if kind == "kl" else (q - target) @ kernel @ (q - target)
    value, gradient = objective.value_and_gradient(angles)
    assert value == pytest.approx(expected, abs=1e-14)
    np.testing.assert_allclose(gradient, derivative(objective.value, angles), atol=CLOSE)
    by_differences = derivative(lambda x: objective.value_and_gradient(x)[1], angles)
    scale = np.abs(by_differences).max()
    np.testing.assert_allclose(objective.exact_hessian(angles), by_differences, atol=CLOSE * scale)
    rates = derivative(lambda x: objective.probabilities(x)[:, 0], angles)
    curve = np.diag(target / q**2) if kind == "kl" else 2.0 * kernel
    np.testing.assert_allclose(objective.hessian(angles), rates @ curve @ rates.T, atol=CLOSE * scale)
    jacobian = objective.jacobian(angles)
    np.testing.assert_allclose(4.0 * jacobian @ jacobian.T, (rates / q) @ rates.T, atol=CLOSE)


def test_the_gradient_of_shots_is_right_on_average() -> None:
    rng = np.random.default_rng(3)
    ansatz = hardware_efficient(2, 1, blocks=["y"], entangler="xx")
    loss = Discrepancy(target=np.array([0.5, 0.0, 0.0, 0.5]), kernel=hamming_kernel(2))
    first = np.array([1.0, 0.0, 0.0, 0.0], dtype=complex)
    objective = SampleObjective(SampleEngine(n_qubits=2, ansatz=ansatz, references=first), loss, np.zeros(1, dtype=int))
    angles = rng.normal(size=ansatz.n_parameters)
    drawn = np.array([objective.sampled(angles, 50, rng)[1] for _ in range(400)])
    error = drawn.std(axis=0) / 20.0
    assert np.all(np.abs(drawn.mean(axis=0) - objective.value_and_gradient(angles)[1]) < 4.0 * error)


def test_encodings_by_hand() -> None:
    features = np.array([[0.5, -1.0]])
    psi = angle_states(features)[0].reshape(2, 2)
    z = [
        np.sum(np.abs(psi[0]) ** 2) - np.sum(np.abs(psi[1]) ** 2),
        np.sum(np.abs(psi[:, 0]) ** 2 - np.abs(psi[:, 1]) ** 2),
    ]
    np.testing.assert_allclose(z, -np.sin(0.8 * features[0]), atol=1e-15)  # cos(pi/2 + 0.8 x)
    np.testing.assert_allclose(amplitude_states(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [1.0, 0.0]])


def test_a_gate_with_a_feature_has_no_parameter_and_no_other_engine_takes_it() -> None:
    turn = PauliSum(((0.5, ((0, "Y"),)),))
    with pytest.raises(ValueError, match="without a parameter"):
        Rotation(turn, 0, 1.0, 1)
    ansatz = Ansatz(name="test", rotations=(Rotation(turn, None, 1.0, 0),), n_parameters=0)
    with pytest.raises(ValueError, match="must not encode data"):
        StatevectorEngine(hamiltonian=QubitHamiltonian(n_qubits=1, terms=()), ansatz=ansatz).state(np.zeros(0))
    with pytest.raises(ValueError, match="feature 0"):
        SampleEngine(n_qubits=1, ansatz=ansatz, references=np.array([1.0, 0.0], dtype=complex))


def test_bars_and_stripes_are_counted_right() -> None:
    assert [np.count_nonzero(bars_and_stripes(r, c)) for r, c in ((2, 2), (2, 3), (3, 3))] == [6, 10, 14]  # 2^r+2^c-2
    assert set(np.flatnonzero(bars_and_stripes(2, 2))) == {0b0000, 0b0011, 0b1100, 0b0101, 0b1010, 0b1111}


def test_resizing_keeps_the_mean_and_components_come_from_training_images_alone() -> None:
    rng = np.random.default_rng(4)
    pixels = rng.random((6, 7, 5))
    np.testing.assert_allclose(resized(pixels, 3, 4).mean(axis=(1, 2)), pixels.mean(axis=(1, 2)))
    np.testing.assert_allclose(resized(np.arange(4.0).reshape(1, 1, 4), 1, 2), [[[0.5, 2.5]]])
    train = np.arange(4)
    before = principal_components(pixels, train, 3)
    pixels[4:] += 1.0
    np.testing.assert_allclose(principal_components(pixels, train, 3)[:4], before[:4])
    np.testing.assert_allclose((before[:4] ** 2).mean(axis=0), 1.0)


def test_splits_share_no_image_and_keep_the_shares_of_the_classes() -> None:
    images = Images(pixels=np.zeros((200, 1, 1)), labels=np.repeat([0, 1], [150, 50]))
    split = split_images(images, [100, 20, 40], 0)
    rows = np.concatenate([split.train, split.validation, split.test])
    assert len(set(rows.tolist())) == 160
    assert images.labels[split.train].sum() == pytest.approx(25, abs=1)
    assert not np.array_equal(split.train, split_images(images, [100, 20, 40], 1).train)
    with pytest.raises(InputError, match="there are 200"):
        split_images(images, [100, 100, 100], 0)


def idx_bytes(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_images(folder: Path, n: int = 60, *, packed: bool = True) -> None:
    """Two classes that differ in which half is bright, with noise."""
    rng = np.random.default_rng(5)
    labels = np.arange(n) % 2 * 5 + 4  # 4 and 9
    pixels = rng.integers(0, 120, (n, 4, 4))
    pixels[labels == 4, :2] += 110
    pixels[labels == 9, 2:] += 110
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("some-images-idx3-ubyte", pixels), ("some-labels-idx1-ubyte", labels)):
        data = idx_bytes(array)
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_are_read_with_and_without_gzip(tmp_path, packed) -> None:
    write_images(tmp_path, packed=packed)
    images = load_images("mnist", [9, 4], str(tmp_path))
    assert images.pixels.shape == (60, 4, 4) and images.pixels.max() <= 1.0
    assert images.labels.tolist()[:2] == [1, 0]  # of [9, 4], 4 is the second


def test_bad_idx_files_are_one_line(tmp_path) -> None:
    good = idx_bytes(np.zeros((3, 2, 2)))
    bad = {
        "no IDX file": b"PK\x03\x04" + good,
        "of type 0x0d": good[:2] + b"\x0d" + good[3:],
        "fewer": good[:-1],
        "more": good + b"x",
        "elements, more than": good[:4] + b"\xff" * 12,
        "cut off or damaged": gzip.compress(good)[:-9],
        "begins with": b"",
    }
    for message, data in bad.items():
        path = tmp_path / "bad-images-idx3-ubyte"
        path.write_bytes(data)
        with pytest.raises(InputError, match=message):
            read_idx(path)


def test_fetching_checks_what_it_gets(tmp_path, monkeypatch) -> None:
    pooch = pytest.importorskip("pooch", reason="pooch is of the extra tasks")
    import functools
    import hashlib
    import http.server
    import threading

    from vqe_prune.tasks import data

    write_images(tmp_path / "served")
    served = sorted((tmp_path / "served").iterdir())
    right = {path.name: f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in served}
    monkeypatch.setattr(pooch, "os_cache", lambda name: str(tmp_path / "cache" / name))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path / "served")
    ) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            origin = f"http://127.0.0.1:{server.server_address[1]}/"
            monkeypatch.setitem(data.CHECKSUMS, "mnist", {**right, served[0].name: "sha256:" + "0" * 64})
            with pytest.raises(InputError, match=r"task.data_dir=.*fetching it from http"):
                fetch("mnist", origin)
            monkeypatch.setitem(data.CHECKSUMS, "mnist", right)
            folder = fetch("mnist", origin)
        finally:
            server.shutdown()
            thread.join()
    monkeypatch.setitem(data.ORIGINS, "mnist", "http://127.0.0.1:9/")  # all is in the cache: nothing is asked for
    assert load_images("mnist", [4, 9]).pixels.shape == (60, 4, 4)
    assert folder.parent.parent == tmp_path / "cache"


def test_what_is_not_installed_is_named(monkeypatch) -> None:
    import sys

    for module in ("sklearn.datasets", "pooch"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"scikit-learn, which is not installed: pip install 'vqe-prune\[tasks\]'"):
        load_images("digits", [4, 9])
    with pytest.raises(InputError, match=r"task.data_dir=.*pooch, which is not installed"):
        load_images("mnist", [4, 9])


def test_training_goes_on_from_a_checkpoint_as_if_nothing_had_been(tmp_path) -> None:
    objective, angles = reuploaded(2)
    schedule = Schedule(epochs=6, batch=4, n_samples=11, learning_rate=0.05, patience=None, seed=0)

    def gradient(x, places):
        return objective.of(objective.rows[places]).value_and_gradient(x)

    straight, curve = train_in_batches(gradient, objective.value, angles, schedule, Memory(tmp_path / "a"), "train")
    assert curve["validation"][curve["best"]] < curve["validation"][0]
    memory, calls = Memory(tmp_path / "b"), 0
    memory._saved = -1e9  # a checkpoint after the next epoch

    def interrupted(x, places):
        nonlocal calls
        calls += 1
        if calls == 8:  # three batches an epoch: in the third
            raise KeyboardInterrupt
        return gradient(x, places)

    with pytest.raises(KeyboardInterrupt):
        train_in_batches(interrupted, objective.value, angles, schedule, memory, "train")
    again, other = train_in_batches(gradient, objective.value, angles, schedule, Memory(tmp_path / "b"), "train")
    np.testing.assert_array_equal(again, straight)
    assert other == curve


def test_early_stopping_keeps_the_best_angles(tmp_path) -> None:
    watched = iter([3.0, 2.0, 2.5, 2.6, 2.7])
    schedule = Schedule(epochs=50, batch=1, n_samples=1, learning_rate=0.1, patience=3, seed=0)
    angles, curve = train_in_batches(
        lambda x, places: (0.0, np.ones(1)), lambda x: next(watched), np.zeros(1), schedule, Memory(tmp_path / "a"), "t"
    )
    assert curve["best"] == 1 and len(curve["validation"]) == 5
    assert angles[0] == pytest.approx(-0.1)  # the first step of Adam is the learning rate


class Form:
    """0.5 (x - c)^T M (x - c) of the angles of RY gates, qubit q for component q."""

    cheap_hessian = True

    def __init__(self, matrix: np.ndarray, centre: np.ndarray, ansatz: Ansatz) -> None:
        self.matrix, self.centre, self.ansatz = matrix, centre, ansatz
        self.places = np.array([rotation.generator.qubits[0] for rotation in ansatz.rotations])

    def value_and_gradient(self, angles):
        x = np.zeros(len(self.centre))
        x[self.places] = angles
        slope = self.matrix @ (x - self.centre)
        return 0.5 * float((x - self.centre) @ slope), slope[self.places]

    def hessian(self, angles):
        return self.matrix[np.ix_(self.places, self.places)]


def test_pruning_in_rounds_finds_the_minimum_of_what_is_left() -> None:
    rng = np.random.default_rng(6)
    root = rng.normal(size=(8, 8))
    matrix, centre = root @ root.T + np.eye(8), rng.normal(size=8)
    turns = [Rotation(PauliSum(((0.5, ((q, "Y"),)),)), q) for q in range(8)]
    ansatz = Ansatz(name="test", rotations=tuple(turns), n_parameters=8)
    path = eliminate_in_rounds(
        lambda smaller: Form(matrix, centre, smaller),
        ansatz,
        minimize(Form(matrix, centre, ansatz), np.zeros(8), gradient_tolerance=1e-10),
        rank_by_curvature,
        budget=3,
        share=0.3,
        gradient_tolerance=1e-8,
    )
    assert [len(point.kept) for point in path] == [8, 6, 5, 4, 3]
    for point in path[1:]:
        kept, gone = np.array(point.kept), np.setdiff1d(np.arange(8), point.kept)
        best = centre[kept] + np.linalg.solve(matrix[np.ix_(kept, kept)], matrix[np.ix_(kept, gone)] @ centre[gone])
        np.testing.assert_allclose(point.angles, best, atol=1e-7)
        assert point.optimum.steps == 0  # it was put there
        assert point.value == pytest.approx(point.predicted, abs=1e-7)  # the start is a minimum to 1e-8


def test_idle_entanglers_cancel_and_leave_the_circuit_as_it_is() -> None:
    full = hardware_efficient(4, 6, blocks=["y", "z"], entangler="cz", pairs=[(0, 1), (1, 2), (2, 3)])
    rng = np.random.default_rng(7)
    kept = np.sort(rng.choice(full.n_parameters, 8, replace=False))
    small = restrict(full, kept)
    fewer, angles = without_idle_gates(small), rng.normal(size=8)
    assert len(fewer.rotations) < len(small.rotations) and fewer.n_parameters == 8
    first = amplitude_states(rng.normal(size=(1, 16)))[0]
    states = [
        StatevectorEngine(hamiltonian=QubitHamiltonian(n_qubits=4, terms=()), ansatz=each, reference=first).state(
            angles
        )
        for each in (small, fewer)
    ]
    np.testing.assert_allclose(states[0], states[1], atol=1e-13)
    assert not without_idle_gates(restrict(full, [])).rotations  # six equal layers


def finished(folder: Path) -> dict:
    return json.loads((folder / "record.json").read_text())


GENERATE = ["task=generate", "ansatz.layers=1", "task.epochs=40", "task.seeds=1", "pruner=[curvature,magnitude]"]


def test_a_generator_is_trained_pruned_compared_and_shown(tmp_path, capsys) -> None:
    folder = tmp_path / "run"
    assert main([*GENERATE, f"output_dir={folder}"]) == 0
    assert "curvature, tuned" in capsys.readouterr().out
    content = finished(folder)
    names = [row["name"] for row in content["summary"]]
    assert names[:3] == ["full", "curvature", "curvature, tuned"] and "magnitude, tuned" in names
    assert names[-2:] == ["random", "random, tuned"] or names[-1].startswith("same gates")
    row = next(row for row in content["summary"] if row["name"] == "curvature")
    assert row["n_parameters"] == [1, 1]  # 12 by the compression of 10
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 3 and "task=generate" in page
    assert main([*GENERATE, f"output_dir={folder}"]) == 0
    assert "This task is complete" in capsys.readouterr().out
    assert main([*GENERATE, "seed=1", f"output_dir={folder}"]) == 2
    assert "another study" in capsys.readouterr().err


def test_a_killed_task_goes_on_and_ends_alike(tmp_path) -> None:
    for name in ("whole", "killed"):
        assert main([*GENERATE, f"output_dir={tmp_path / name}"]) == 0
    trace = tmp_path / "killed" / "seed-0" / "trace.jsonl"
    lines = trace.read_text().splitlines(keepends=True)
    trace.write_text("".join(lines[: len(lines) // 2]) + lines[len(lines) // 2][:20])
    (tmp_path / "killed" / "record.json").unlink()
    assert main([*GENERATE, f"output_dir={tmp_path / 'killed'}"]) == 0
    whole, again = (finished(tmp_path / name)["runs"][0]["rows"] for name in ("whole", "killed"))
    for one, other in zip(whole, again, strict=True):
        assert one["name"] == other["name"]
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-8)


def test_classifying_images_from_files(tmp_path, capsys) -> None:
    write_images(tmp_path / "data")
    words = ["task=classify", "task.dataset=mnist", f"task.data_dir={tmp_path / 'data'}", "task.qubits=4"]
    words += [
        "task.encoding=reuploading",
        "task.features=2",  # the rest is noise
        "task.epochs=60",
        "task.learning_rate=0.1",
        "task.seeds=1",
        "ansatz.layers=2",
    ]
    assert main([*words, "ansatz.connectivity=linear", f"output_dir={tmp_path / 'run'}"]) == 0
    content = finished(tmp_path / "run")
    rows = {row["name"]: row for row in content["summary"]}
    assert rows["curvature"]["scores"]["training accuracy / %"]["mean"] > 90.0  # halves differ by four deviations
    counts = content["runs"][0]["details"]["full"]["confusion"]
    assert np.sum(counts) == content["facts"]["samples"][2] == 18
    write_images(tmp_path / "data", n=50)  # other data: another study
    assert main([*words, "ansatz.connectivity=linear", f"output_dir={tmp_path / 'run'}"]) == 2
    assert "another study" in capsys.readouterr().err


BAD = {
    "task=clasify": "did you mean classify",
    "task.classes=[4,9]": "without a task",
    "task=classify task.size=[2,2]": "task.size has no effect with task=classify",
    "task=classify molecule=LiH": "molecule has no effect",
    "task=classify molecule.basis=sto-3g": "molecule.basis has no effect",
    "task=classify device=willow_pink": "device.name has no effect",
    "task=classify study=scan": "study has no effect",
    "task=classify pruner=eqntk": "pruner=eqntk is not for task=classify",
    "task=classify pruner.parameters=5 task.compression=4": "no effect beside pruner.parameters",
    "task=classify task.dataset=cifar": "available: digits, mnist, fashion_mnist",
    "task=classify task.data_dir=x": "task.data_dir has no effect with task.dataset=digits",
    "task=classify task.dataset=mnist task.data_dir=/does/not/exist": "is not a folder",
    "task=classify task.classes=[4]": "two or more",
    "task=classify task.classes=[4,4]": "two or more",
    "task=classify task.classes=[0,1,2,3,4,5,6,7,8,9]": "10 classes need as many qubits",
    "task=classify task.readout=[9]": "from 0 to 5",
    "task=classify task.encoding=angel": "did you mean angle",
    "task=classify task.features=9": "no effect with task.encoding=amplitude",
    "task=classify task.qubits=40": "more than 12",
    "task=classify task.samples=[1,2]": "three counts",
    "task=classify task.scale=0": "above 0",
    "task=classify task.batch=2.5": "is not a whole number",
    "task=classify task.compression=0.5": "at least 1",
    "task=classify ansatz=uccsd": "ansatz=uccsd is not for task=classify",
    "task=classify ansatz.entangler=xz": "ansatz.entangler=xz",
    "task=classify ansatz.layers=5000": "more than 100",
    "task=generate task.size=[4,4]": "[2,2], [2,3], [3,3]",
    "task=generate task.shots=10": "task.loss=mmd",
    "task=generate task.loss=js": "available: kl, mmd",
    "task=generate seed=-1": "0 or more",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line(words, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and BAD[words] in text
    assert not list(tmp_path.iterdir())


def test_the_command_repeats_the_settings() -> None:
    import shlex
    from dataclasses import asdict

    for words in (["task=generate", "task.loss=mmd", "task.shots=50"], ["task=classify", "task.encoding=reuploading"]):
        settings = config.parse_settings([*words, "pruner=[fisher]", "seed=3"])
        again = config.parse_settings(shlex.split(config.command_line(asdict(settings)))[3:])
        assert asdict(again) == asdict(settings)
