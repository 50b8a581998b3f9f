"""What may happen to a run from outside: it is killed, the disk is full, the clock jumps, files are damaged."""

import errno
import fcntl
import json
import os
import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from forked import start_program

from vqe_prune.errors import InputError
from vqe_prune.run_folder import (
    TEMPORARY,
    Trace,
    check_written,
    locked,
    read_arrays,
    with_checksum,
    without_checksum,
    write_last,
)

DAMAGE = (lambda byte: byte ^ 1, lambda byte: byte ^ 64, lambda byte: 0)


def program(tmp_path: Path, name: str) -> str:
    """Do what a function of `struck` does, in a process of its own."""
    status, output, errors = start_program(
        tmp_path, f"import pathlib, struck\nstruck.{name}(pathlib.Path.cwd())"
    ).finish()
    assert status == 0, errors[-3000:]
    return output


@pytest.mark.parametrize("name", ["kills", "full", "limited", "stopped", "jumping", "damaged"])
def test_a_run_that_is_struck_ends_alike(name: str, tmp_path: Path) -> None:
    program(tmp_path, name)


def trace_of(path: Path) -> Trace:
    trace = Trace(path)
    trace.add("settings", digest="0123", settings={"name": "Ansätze", "tolerance": 1e-300, "nothing": None})
    trace.remember("step", step=1, energy=-7.882324378883489)
    trace.add("optimum", energy=-0.1, angles=[0.1 + 0.2, float("inf"), -1e22], kept=[3, 4], flat=True)
    return trace


def test_no_damaged_byte_of_a_trace_is_taken_for_a_result(tmp_path: Path, monkeypatch) -> None:
    """Every byte, damaged in one of three ways, and every length."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    path = tmp_path / "trace.jsonl"
    whole = trace_of(path).events
    data = path.read_bytes()
    for k, byte in enumerate(data):
        for content in (data[:k] + bytes([DAMAGE[k % 3](byte)]) + data[k + 1 :], data[:k]):
            path.write_bytes(content)
            said: list[str] = []
            events = Trace(path, said.append).events
            known = [
                {key: value for key, value in event.items() if key in first}
                for event, first in zip(events, whole[: len(events)], strict=True)
            ]
            assert known == whole[: len(events)]  # what is damaged in the name of the checksum leaves the rest as it is
            assert said or len(events) == len(whole) or content == b"".join(data.splitlines(True)[: len(events)])
            again = Trace(path, said.append)
            assert again.events == events and len(said) < 2  # the file is whole again


def test_older_traces_have_no_checksums(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text('{"event": "settings", "digest": "0"}\n{"event": "path", "energy": -1}\n')
    trace = Trace(path)
    assert len(trace.events) == 2
    trace.add("path", energy=-2.0)
    assert [event.get("energy") for event in Trace(path).events] == [None, -1, -2.0]
    path.write_text(path.read_text() + '{"event": "path", "energy": -3}\n')
    assert len(Trace(path).events) == 3


def test_a_record_that_is_not_what_was_written_is_refused(tmp_path: Path) -> None:
    file, text = tmp_path / "record.json", json.dumps({"energy": -7.882324, "stages": [1, 2, 3]})
    trace = Trace(tmp_path / "trace.jsonl")
    write_last(trace, file, text)
    check_written(file)
    for k, byte in enumerate(text.encode()):
        for content in (text[:k].encode() + bytes([byte ^ 1]) + text[k + 1 :].encode(), text[:k].encode()):
            file.write_bytes(content)
            with pytest.raises(InputError, match=r"damaged or was changed.*mv .*record.json") as caught:
                check_written(file)
            assert "\n" not in str(caught.value)
    trace.add("written", file="record.json", content="killed before the file was written")
    file.write_text(text)
    check_written(file)
    (tmp_path / "trace.jsonl").unlink()
    file.write_text("of a folder without a trace")
    check_written(file)


def test_damaged_arrays_and_json_are_known(tmp_path: Path) -> None:
    rng = random.Random(17)
    path = tmp_path / "a.npz"
    arrays = {"energies": np.linspace(0.0, 1.0, 7), "content": np.array('{"key": 1}')}
    np.savez(path, **arrays)
    data = path.read_bytes()
    for k in range(len(data)):
        flipped = data[:k] + bytes([data[k] ^ 1 << rng.randrange(8)]) + data[k + 1 :]
        for content in (flipped, data[:k]) if k % 7 == 0 else (flipped,):
            path.write_bytes(content)
            try:
                found = read_arrays(path)
            except ValueError as error:
                assert "\n" not in str(error)
                continue
            for name in set(found) & set(arrays):  # of a name that is damaged nothing is found
                assert found[name].tolist() == arrays[name].tolist()
    content = {"schema": 2, "shots": [100, 3], "angles": [0.1, -1e-9], "who": "willow"}
    text = json.dumps(with_checksum(content))
    for k, byte in enumerate(text.encode()):
        for change in DAMAGE:
            try:
                found = without_checksum(json.loads(text[:k].encode() + bytes([change(byte)]) + text[k + 1 :].encode()))
            except ValueError:
                continue
            assert {key: value for key, value in found.items() if key in content} == content


def test_what_killed_runs_left_goes_with_the_lock_and_nothing_else(tmp_path: Path) -> None:
    left, others = (
        tmp_path / f".record.json.abcdefgh{TEMPORARY}",
        [tmp_path / ".bashrc.original", tmp_path / "a.vqe_prune"],
    )
    for path in (left, *others):
        path.write_text("")
    with locked(tmp_path, print):
        assert not left.exists() and all(path.exists() for path in others)


def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    said: list[str] = []
    with locked(tmp_path, said.append):
        pass
    assert len(said) == 1 and "without locks" in said[0] and str(tmp_path) in said[0]


READ_ONLY = """
import logging.config, os, sys
from vqe_prune import __main__ as command, config, study
from vqe_prune.errors import InputError
study.set_up = None  # before anything is computed
found = [config.parse_settings(["molecule=H2", f"output_dir={folder}"]) for folder in sys.argv[1:]]
if os.geteuid() == 0:
    os.setuid(65534)  # permissions do not bind root; from here on the package's own files may be closed
for settings in found:
    try:
        command._check_surroundings(settings)
        study.run(settings)
    except InputError as error:
        print(f"vqe_prune: {error}", file=sys.stderr)
        print(error.exit_status)
"""


def test_folders_that_are_only_read_are_refused_at_once(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are closed to other users
        os.chmod(place, 0o755)
        cases = {"folder": "", "above/new": "", "points": "points", "file": "trace.jsonl"}
        for name, inside in cases.items():
            folder = Path(place) / name
            (folder.parent if name == "above/new" else folder).mkdir(parents=True)
            if inside == "points":
                (folder / inside).mkdir(mode=0o555)
            elif inside:
                (folder / inside).write_text("")
                (folder / inside).chmod(0o444)
            folder.parent.chmod(0o555 if name == "above/new" else 0o755)
            if folder.exists():
                folder.chmod(0o777 if inside else 0o555)
        folders = [str(Path(place) / name) for name in cases]
        text = READ_ONLY.replace("sys.argv[1:]", repr(folders))
        status, output, errors = start_program(tmp_path, text).finish()
        (Path(place) / "above").chmod(0o755)
    assert (status, output.split()) == (0, ["2"] * len(cases)), errors
    lines = errors.splitlines()
    assert len(lines) == len(cases)
    for folder, inside, line in zip(folders, cases.values(), lines, strict=True):
        assert line.startswith(f"vqe_prune: output_dir={folder} cannot be written (") and inside in line
        assert "ermission denied" in line or "may not be written" in line
