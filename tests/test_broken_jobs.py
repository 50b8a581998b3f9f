"""Files of jobs that are broken, of another version or of another study: named, and never to be removed."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vqe_prune.circuit import Gate
from vqe_prune.errors import InputError
from vqe_prune.hardware import DeviceRunner, collect, open_processor
from vqe_prune.hardware.jobs import read_batch

CIRCUITS, SHOTS = [[Gate("x", (0,))], [Gate("x", (1,))]], [20, 30]


def run_in(folder: Path, settings: str = "") -> list[Any]:
    processor = open_processor("willow_pink", seed=1)
    return DeviceRunner(processor, 2, folder=folder, settings_digest=settings, say=lambda text: None).run(
        CIRCUITS, SHOTS
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of a batch that was measured."""
    folder = tmp_path_factory.mktemp("whole")
    run_in(folder)
    return {path.name: path.read_bytes() for path in (folder / "0000").iterdir()}


def placed(folder: Path, files: dict[str, bytes]) -> Path:
    (folder / "0000").mkdir()
    for name, content in files.items():
        (folder / "0000" / name).write_bytes(content)
    return folder / "0000"


def is_kind(message: str, folder: Path) -> None:
    """One line that names the folder, and advises to move and keep, not to remove."""
    assert "\n" not in message and "remove" not in message and "delete" not in message
    assert f"mv {folder}" in message


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no mapping": lambda content: [],
    "no jobs": lambda content: {key: value for key, value in content.items() if key != "jobs"},
    "a moment that is not there": lambda content: content | {"circuits": [[99], [0]]},
    "jobs of other circuits": lambda content: content | {"jobs": content["jobs"][:1]},
    "shots of other circuits": lambda content: content | {"shots": [20]},
    "no processor": lambda content: content | {"processor": {}},
    "a job that is a text": lambda content: content | {"jobs": ["job"]},
    "moments that are a text": lambda content: content | {"moments": "none"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_batch_is_named_and_kept(name: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    folder = placed(tmp_path, whole)
    (folder / "job.json").write_text(json.dumps(BROKEN[name](json.loads(whole["job.json"]))))
    with pytest.raises(InputError, match="cannot be read as a batch") as caught:
        collect(folder)
    assert str(folder / "job.json") in str(caught.value) and "stored results of 2 jobs are then lost" in str(
        caught.value
    )
    is_kind(str(caught.value), folder)


def test_no_damaged_byte_of_a_batch_is_taken_for_a_circuit(whole: dict[str, bytes], tmp_path: Path) -> None:
    rng, data = random.Random(23), whole["job.json"]
    folder = placed(tmp_path, whole)
    known, refused = read_batch(folder), 0
    for _ in range(60):
        k = rng.randrange(len(data))
        (folder / "job.json").write_bytes(data[:k] + bytes([data[k] ^ 1 << rng.randrange(7)]) + data[k + 1 :])
        try:
            batch = read_batch(folder)
        except InputError as error:
            refused += 1
            is_kind(str(error), folder)
        else:
            assert vars(batch) == vars(known)
    assert refused > 50  # a letter in the name of the checksum, or whether e is E, matters not


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x80"])
def test_what_is_no_json_is_named_and_kept(text: str, tmp_path: Path) -> None:
    folder = placed(tmp_path, {"job.json": text.encode("latin-1")})
    with pytest.raises(InputError, match="cannot be read as a batch") as caught:
        collect(folder)
    is_kind(str(caught.value), folder)


def test_a_batch_of_another_version_is_for_that_version(whole: dict[str, bytes], tmp_path: Path) -> None:
    folder = placed(tmp_path, whole)
    (folder / "job.json").write_text(json.dumps(json.loads(whole["job.json"]) | {"schema": 3}))
    with pytest.raises(InputError, match=r"another version of vqe_prune .schema 3, this one reads 1 to 2") as caught:
        collect(folder)
    assert str(folder / "job.json") in str(caught.value)
    is_kind(str(caught.value), folder)


def test_a_batch_of_another_study_is_kept(whole: dict[str, bytes], tmp_path: Path) -> None:
    folder = placed(tmp_path, whole)
    with pytest.raises(InputError, match="other circuits or settings") as caught:
        run_in(tmp_path, settings="another")
    assert str(folder / "job.json") in str(caught.value)
    is_kind(str(caught.value), folder)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive"])
def test_broken_results_come_again(content: bytes, whole: dict[str, bytes], tmp_path: Path) -> None:
    folder = placed(tmp_path, whole | {"results_1.npz": content})
    with pytest.raises(InputError, match=r"results_1.npz cannot be read .* its job is run again") as caught:
        run_in(tmp_path)
    is_kind(str(caught.value), folder / "results_1.npz")
    (folder / "results_1.npz").rename(folder / "results_1.npz.aside")
    again = run_in(tmp_path)
    assert [len(each) for each in again] == SHOTS
    assert np.asarray(again[1]).any()


def test_a_results_file_cut_short_is_one_line(whole: dict[str, bytes], tmp_path: Path) -> None:
    folder = placed(tmp_path, whole | {"results_0.npz": whole["results_0.npz"][:-30]})
    with pytest.raises(InputError, match="cannot be read"):
        collect(folder)
