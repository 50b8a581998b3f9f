"""Every reader on files that Hypothesis has damaged: it reads them or says in one line what is wrong with them.

The examples are the same in each run (`derandomize`); `VQE_PRUNE_EXAMPLES=5000` takes that many for each reader.
"""

import gzip
import io
import json
import os
import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_bad_input import idx, is_one_line, watched

from vqe_prune.__main__ import main
from vqe_prune.ansatz.imported import read_ansatz
from vqe_prune.basis_sets import basis_by_element, check_elements
from vqe_prune.config import parse_settings, settings_of_run
from vqe_prune.errors import InputError, one_line
from vqe_prune.fcidump import read_header, read_integrals
from vqe_prune.hardware.jobs import collect, read_batch
from vqe_prune.inputs import read_molecule
from vqe_prune.lattice import read_lattice
from vqe_prune.models import read_pauli_sum
from vqe_prune.report.merge import merge_folders
from vqe_prune.report.merge_table import csv_text, data_of, format_merged
from vqe_prune.report.stored import read_stored
from vqe_prune.tasks.click_files import eleme_log, foursquare_log
from vqe_prune.tasks.data import load_images

EXAMPLES = int(os.environ.get("VQE_PRUNE_EXAMPLES", "25"))
FIXED = settings(
    max_examples=EXAMPLES,
    derandomize=True,  # the seed of each test is made of its own code
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

TOKENS = (
    b"\0", b"\n", b"\r", b"\t", b" ", b"-", b"*", b"&a ", b"*a", b"!!", b"!!python/name:os.system ", b"[", b"]", b"{",
    b"}", b":", b": ", b",", b"'", b'"', b"#", b"<<: ", b"---\n", b"1e400", b"nan", b".nan", b"-inf", b"0", b"-1",
    b"1" * 30, b"9" * 5000, b"1:1:1", b"0x", b"1.5D+03", b"${oc.env:HOME}",
    b"\xff", b"\xef\xbb\xbf", b"\xc3\xa4", b"\xe2\x80\xa8",
    b"\x1b[2J", b"__import__", b"../", b"/dev/zero", b"null", b"true", b"!!bool x", b"!!int ''",
    b"!!timestamp x", b"2001-99-99",
)  # fmt: skip
"""Pieces that formats mean something by."""

pieces = st.one_of(st.sampled_from(TOKENS), st.binary(max_size=6))
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), pieces), min_size=1, max_size=5)


def damaged(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """A content in which pieces have been taken out and put in."""
    for where, length, piece in changes:
        place = int(where * len(content))
        content = content[:place] + piece + content[place + length :]
    return content


VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 10**400, 1.5, 1e308, -1e-308, "", "x", "\ud800", "a\nb\x1b", "9" * 5000, [], [[]], [None],
    {}, {"": {}}, ["a", 1], [10**400] * 3, {"name": "x"}, "__import__('os')", "<script>", "../../x",
)  # fmt: skip


def replaced(content: Any, choices: list[tuple[list[float], int]]) -> Any:
    """A tree of JSON in which some branches are of another kind or have gone."""
    content = deepcopy(content)
    for path, kind in choices:
        place, parent, key = content, None, None
        for step in path:
            keys = (
                list(place) if isinstance(place, dict) else list(range(len(place))) if isinstance(place, list) else []
            )
            if not keys:
                break
            parent, key = place, keys[int(step * (len(keys) - 1) + 0.5)]
            place = parent[key]
        if parent is not None:
            if kind < len(VALUES):
                parent[key] = deepcopy(VALUES[kind])
            else:
                del parent[key]
    return content


branches = st.lists(
    st.tuples(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(0, len(VALUES))), min_size=1, max_size=3
)


def read(reader: Callable[[], Any], folder: Path) -> None:
    """Read a file; what is wrong with it is said in one line."""
    with watched(folder), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            reader()
        except InputError as error:
            assert is_one_line(f"vqe_prune: {one_line(error)}\n")


def of_molecule(path: Path) -> None:
    """As far as the mean field, which is not bad input's."""
    chosen = parse_settings([f"molecule={path}"]).molecule
    if chosen.fcidump is None:
        molecule = read_molecule(chosen)
        symbols = [symbol for symbol, _ in molecule.atoms]
        check_elements(symbols, "molecule")
        basis_by_element(molecule.basis, symbols)


HEADER = "&FCI NORB=2,NELEC=2,MS2=0,\n ORBSYM=1,1,\n ISYM=1,\n&END\n"
ROWS = "0.7 1 1 1 1\n0.2D0 2 1 2 1\n0.5 1 1 2 2\n0.7 2 2 2 2\n-1.2 1 1 0 0\n-0.5 2 2 0 0\n0.7 0 0 0 0\n"
VISIT = "1\tb\tc\tNote\t40.7\t-74.0\t-240\tTue Apr 03 18:00:09 +0000 2012\n"
TEXTS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "x.yaml": (
        "name: water\nbasis: {O: 6-31g, H: sto-3g}\ncharge: 0\nspin: 0\nactive_space: [4, 4]\nangle: 104.5\n"
        "geometry: |\n  O\n  H 1 0.96\n  H 1 0.96 2 angle\n",
        of_molecule,
    ),
    "x.xyz": ("2\ncomment\nH 0 0 0\nLi 0.0 -1e-3 1.5\n", of_molecule),
    "x.FCIDUMP": (HEADER + ROWS, lambda path: read_integrals(path, read_header(path))),
    "gates.yaml": (
        "name: own\ngates:\n  - h 0\n  - {rotate: X0 X1 - 0.5 Y0 Y1, parameter: a, factor: -1.0}\n"
        "  - {rotate: Z0, angle: 1e-3}\n  - cx 0 1\n",
        lambda path: read_ansatz(path, 4),
    ),
    "lattice.yaml": ("name: own\nn_sites: 4\nbonds: [[0, 1], [1, 2, 0.5]]\nsecond_bonds: [[0, 3]]\n", read_lattice),
    "sum.txt": ("-1.0 Z0 Z1  # bond\n0.5 X0\n0.25\n-0.5 I\n", read_pauli_sum),
    "dense.txt": ("-1.0 ZZII\n0.5 XIII\n", read_pauli_sum),
    "brackets.txt": ("1.5 [X0 Z1] +\n-0.5 [] +\n(0.25+0j) [Y2]\n", read_pauli_sum),
    "x.csv": (",".join(["1", "2", *["3"] * 37]) + "\n", lambda path: eleme_log(path, 100)),
    "visits.txt": (
        VISIT + VISIT.replace("\tb", "\td").replace("03 18", "04 18") + VISIT.replace("03 18", "05 18") * 3,
        lambda path: foursquare_log(path, negatives=2, fewest=1, seed=0),
    ),
}
"""By file: a good content, and what reads it."""


@pytest.mark.parametrize("name", TEXTS)
def test_damaged_texts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text, reader = TEXTS[name]
    path = Path(name)
    path.write_text(text)
    reader(path)

    @FIXED
    @given(edits)
    def check(changes: list[tuple[float, int, bytes]]) -> None:
        path.write_bytes(damaged(text.encode(), changes))
        read(lambda: reader(path), tmp_path)

    check()


@pytest.mark.parametrize("packed", [False, True])
def test_damaged_images(packed: bool, tmp_path: Path) -> None:
    images, labels = idx((6, 2, 2), bytes(range(24))), idx((6,), bytes([4, 9, 4, 9, 1, 0]))
    place, other = tmp_path / "x-images-idx3-ubyte", tmp_path / "x-labels-idx1-ubyte"

    @FIXED
    @given(edits, edits, st.booleans(), st.booleans())
    def check(one: list[Any], two: list[Any], first: bool, second: bool) -> None:
        for path, content, changes, wanted in ((place, images, one, first), (other, labels, two, second)):
            whole = gzip.compress(content, mtime=0) if packed else content
            path.write_bytes(damaged(whole, changes) if wanted else whole)
        read(lambda: load_images("mnist", (4, 9), str(tmp_path)), tmp_path)

    check()


def test_damaged_records(h2_record: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """As shown, as compared and as merged; what can be read is printed, what cannot is named."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    path, good = tmp_path / "one" / "record.json", tmp_path / "two" / "record.json"
    good.write_text(json.dumps(h2_record))

    @FIXED
    @given(branches)
    def check(choices: list[Any]) -> None:
        path.write_text(json.dumps(replaced(h2_record, choices)))
        read(lambda: read_stored(path), tmp_path)
        for arguments in (["show", str(path)], ["compare", str(path), str(good)]):
            with watched(tmp_path):
                assert main(arguments) in (0, 2)
        with watched(tmp_path):
            merged = merge_folders([tmp_path])
            format_merged(merged)
            csv_text(data_of(merged))

    check()
    capsys.readouterr()


def test_damaged_json(h2_record: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    texts = {"record.json": json.dumps(h2_record), "scan.json": SCAN, "multirun.json": MULTIRUN}

    @FIXED
    @given(st.sampled_from(sorted(texts)), edits)
    def check(name: str, changes: list[Any]) -> None:
        path = tmp_path / name
        path.write_bytes(damaged(texts[name].encode(), changes))
        with watched(tmp_path):
            assert main(["show", str(path)]) in (0, 2)
            merge_folders([tmp_path])
        path.unlink()

    check()
    assert "Traceback" not in capsys.readouterr().err


SCAN = json.dumps(
    {"schema": 2, "digest": "x", "name": "H2", "unit": "hartree", "coordinate": {"name": "bond_length"}, "points": []}
)
POINT = {"swept": {"seed": "1"}, "folder": "x", "status": "failed", "reason": "it did", "arguments": []}
MULTIRUN = json.dumps({"schema": 1, "digest": "x", "points": [POINT, POINT | {"folder": "../x"}]})


def test_damaged_multiruns(tmp_path: Path) -> None:
    content = json.loads(MULTIRUN)

    @FIXED
    @given(branches)
    def check(choices: list[Any]) -> None:
        (tmp_path / "multirun.json").write_text(json.dumps(replaced(content, choices)))
        with watched(tmp_path):
            merged = merge_folders([tmp_path])
            format_merged(merged)

    check()


def test_damaged_traces(tmp_path: Path) -> None:
    """The settings of a run that is collected."""
    from dataclasses import asdict

    begun = {"event": "settings", "digest": "x", "settings": asdict(parse_settings(["molecule=H2"]))}

    @FIXED
    @given(branches, edits, st.booleans())
    def check(choices: list[Any], changes: list[Any], torn: bool) -> None:
        text = (json.dumps(replaced(begun, choices)) + "\n").encode()
        (tmp_path / "trace.jsonl").write_bytes(damaged(text, changes) if torn else text)
        read(lambda: settings_of_run(tmp_path), tmp_path)

    check()


@pytest.fixture(scope="module")
def batch() -> dict[str, Any]:
    """What job.json holds of two small circuits."""
    import cirq

    qubits = cirq.GridQubit(0, 0), cirq.GridQubit(0, 1)
    gates = cirq.X(qubits[0]), cirq.CZ(*qubits) ** 0.5, cirq.measure(*qubits, key="m")
    moments = [cirq.Moment(gate) for gate in gates]
    placement = {
        "qubits": json.loads(cirq.to_json(list(qubits))),
        "expected_error": 0.1,
        "gate": "cz",
        "adjacent": True,
    }
    jobs = [{"program_id": f"p{k}", "job_id": f"j{k}", "shots": 20, "circuits": [k]} for k in (0, 1)]
    return {
        "schema": 2, "processor": {"name": "willow_pink"}, "digest": "x", "placement": placement,
        "frames": [], "shots": [20, 20], "jobs": jobs, "moments": json.loads(cirq.to_json(moments)),
        "circuits": [[0, 2], [0, 1, 2]],
    }  # fmt: skip


def test_damaged_jobs(batch: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps(batch))
    assert len(read_batch(tmp_path).programs) == 2

    @FIXED
    @given(branches, edits, st.booleans())
    def check(choices: list[Any], changes: list[Any], torn: bool) -> None:
        text = json.dumps(replaced(batch, choices)).encode()
        (tmp_path / "job.json").write_bytes(damaged(text, changes) if torn else text)
        read(lambda: read_batch(tmp_path), tmp_path)

    check()


words = st.text(st.characters(codec=None), max_size=12) | st.sampled_from([piece.decode("latin-1") for piece in TOKENS])
KEYS = (
    "molecule", "molecule.bond_length", "molecule.charge", "molecule.basis", "molecule.active_space", "model",
    "model.n", "ansatz", "ansatz.layers", "pruner", "pruner.tolerance", "seed", "device.shots", "excited", "study",
    "scan.bond_length",    "task", "task.classes", "output_dir", "encoding", "launcher", "-m", "", "molecule.geometry",
)  # fmt: skip


def test_damaged_command_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """Only the reading: what is right would run."""
    monkeypatch.chdir(tmp_path)

    @FIXED
    @given(st.lists(st.tuples(st.sampled_from(KEYS), st.lists(words, max_size=3)), min_size=1, max_size=3))
    def check(given_words: list[tuple[str, list[str]]]) -> None:
        arguments = [f"{key}={''.join(parts)}" for key, parts in given_words]
        read(lambda: parse_settings(arguments), tmp_path)

    check()
    assert list(tmp_path.iterdir()) == []


def archive(content: dict[str, Any]) -> bytes:
    """An .npz file, object arrays pickled."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **content)
    return buffer.getvalue()


class Payload:
    """Runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch ran",)


OUTCOMES = np.zeros((20, 2), dtype=np.bool_)
ARCHIVES: dict[str, bytes] = {
    "pickle": archive({"circuit_0": np.array([Payload()], dtype=object)}),
    "bomb": archive({"circuit_0": np.zeros((20, 10**7), dtype=np.bool_)}),
    "flat": archive({"circuit_0": np.zeros(40, dtype=np.bool_)}),
    "shots": archive({"circuit_0": OUTCOMES[:5]}),
    "text": archive({"circuit_0": np.full((20, 2), "x")}),
    "nan": archive({"circuit_0": np.full((20, 2), np.nan)}),
    "name": archive({"../../circuit_0": OUTCOMES}),
    "empty": archive({}),
    "scalar": archive({"circuit_0": np.array(True)}),
    "cut": archive({"circuit_0": OUTCOMES})[:-40],
    "pickle alone": b"\x80\x04cos\nsystem\n(S'touch ran'\ntR.",
    "array alone": b"\x93NUMPY\x01\x00v\x00{'descr': '|b1', 'fortran_order': False, 'shape': (20, 99999999999), }",
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_malformed_archives(name: str, batch: dict[str, Any], tmp_path: Path) -> None:
    for k in (0, 1):
        (tmp_path / f"results_{k}.npz").write_bytes(archive({f"circuit_{k}": OUTCOMES}))
    (tmp_path / "job.json").write_text(json.dumps(batch))
    assert [len(each) for each in collect(tmp_path)] == [20, 20]
    (tmp_path / "results_0.npz").write_bytes(ARCHIVES[name])
    with watched(tmp_path), pytest.raises(InputError) as caught:
        collect(tmp_path)
    assert is_one_line(f"vqe_prune: {one_line(caught.value)}\n") and "results_0.npz" in str(caught.value)


def test_damaged_archives(batch: dict[str, Any], tmp_path: Path) -> None:
    whole = archive({"circuit_0": OUTCOMES})
    (tmp_path / "job.json").write_text(json.dumps(batch))
    (tmp_path / "results_1.npz").write_bytes(archive({"circuit_1": OUTCOMES}))

    @FIXED
    @given(edits)
    def check(changes: list[Any]) -> None:
        (tmp_path / "results_0.npz").write_bytes(damaged(whole, changes))
        read(lambda: collect(tmp_path), tmp_path)

    check()
