"""The record's layout, its round trip, its refusals, and the page."""

import json
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser

import pytest

from vqe_prune.errors import InputError
from vqe_prune.report import Record, read_record, record_text, summary, write_page, write_record
from vqe_prune.report.pictures import circuit_picture, path_picture
from vqe_prune.report.table import format_plan, format_stages, millihartree

STAGE = {
    "name": "full",
    "n_parameters": 92,
    "n_rotations": 92,
    "n_two_qubit_gates": 1354,
    "depth": 1959,
    "n_qubits": 12,
    "energy": -7.882391290124661,
    "error_to_exact": 1.0642165e-5,
}
ROTATIONS = [("1a 1b -> 5a 5b", (10, 11), (2, 3), 0, -0.117), ("1a -> 2a", (4,), (2,), 1, 0.02)]


def make_record(**changes) -> Record:
    record = Record(
        problem={"name": "LiH", "n_qubits": 12, "n_electrons": 4, "sector_dimension": 225, "group": "Coov"},
        energies={"hf": -7.862, "mp2": None, "ccsd": -7.8823, "exact": -7.8824},
        stages=[STAGE, {**STAGE, "name": "curvature", "n_parameters": 3, "n_two_qubit_gates": 81}],
        plan=[{"rotation": "1a -> 2a", "decision": "drop", "score": 0.1, "reason": "lowest curvature score of 3"}],
        certificate={"predicted_increase": 1e-3, "measured_increase": 1.1e-3, "bound": 0.03},
        qsim={"energy": -7.8812, "difference": -1e-7},
        times={"total": 1.5},
        versions={"numpy": "2.4"},
        seed=0,
    )
    return replace(record, **changes)


def test_the_record_has_exactly_its_keys_and_survives_a_round_trip(tmp_path) -> None:
    record = make_record()
    write_record(tmp_path, record)
    content = json.loads((tmp_path / "record.json").read_text())
    assert set(content) == {
        "schema", "problem", "energies", "stages", "plan", "certificate", "qsim", "times", "versions", "seed",
    }  # fmt: skip
    assert content["schema"] == 1
    assert asdict(read_record(tmp_path)) == asdict(record)
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def without(name: str) -> str:
    content = json.loads(record_text(make_record()))
    del content[name]
    return json.dumps(content)


def with_value(path: str, value: object) -> str:
    content = json.loads(record_text(make_record()))
    target, keys = content, path.split(".")
    for key in keys[:-1]:
        target = target[int(key) if key.isdigit() else key]
    target[keys[-1]] = value
    return json.dumps(content)


BROKEN = [
    "", "[]", "{", "null", "\x00", "[" * 100_000, record_text(make_record())[:-20], without("seed"), without("schema"),
    with_value("schema", 2), with_value("extra", 1), with_value("problem", []), with_value("problem.name", 3),
    with_value("energies", {}), with_value("energies.hf", "low"), with_value("energies.hf", float("nan")),
    with_value("stages", []), with_value("stages", {}), with_value("stages", [1]), with_value("stages.0.energy", None),
    with_value("stages.0.extra", 1), with_value("stages.0.name", 4), with_value("plan", [[]]),
    with_value("plan.0.score", "x"), with_value("plan.0.rotation", None), with_value("certificate.bound", []),
    with_value("times", {}), with_value("times.total", None), with_value("seed", 1.5), with_value("seed", True),
]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_broken_records_are_refused_in_one_line(text: str, tmp_path) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read_record(tmp_path)
    assert "\n" not in str(caught.value) and "record.json" in str(caught.value)


def test_a_missing_or_binary_record_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_record(tmp_path)
    (tmp_path / "record.json").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(InputError, match="not a record"):
        read_record(tmp_path)


def test_not_a_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        record_text(make_record(energies={"hf": float("nan"), "mp2": None, "ccsd": None, "exact": None}))


def test_tables_fit_and_show_the_numbers() -> None:
    table = format_stages(make_record().stages)
    assert max(map(len, table.splitlines())) <= 100
    assert "-7.88239129" in table and "0.0106" in table and "1354" in table
    assert millihartree(-1e-12) == "0.0000" and millihartree(None) == "" and millihartree(-1e-3) == "-1.0000"
    text = summary(make_record())
    assert "not computed" in text and "predicted increase 1.0000 mHa" in text
    assert "   1 dropped: lowest curvature score" in format_plan(make_record().plan, [])


class Balanced(HTMLParser):
    """Checks that tags close in order and collects what the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.fetched += [value for key, value in attrs if key in ("src", "href") and not (value or "").startswith("#")]
        if tag not in ("meta", "br", "img", "link", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def page(tmp_path, record: Record) -> str:
    steps = [{"stage": "full", "step": k, "energy": -7.8 - 0.1 / k, "error": 0.1 / k} for k in range(1, 5)]
    path = [{"n_parameters": 3 - k, "n_rotations": 5 - k, "error": 10.0 ** (k - 5)} for k in range(3)]
    write_page(
        tmp_path,
        record,
        steps=steps,
        path=path,
        chosen=1,
        tolerance=1.5e-3,
        rotations=ROTATIONS,
        occupied=(0, 1, 2, 3),
        command="python -m vqe_prune molecule=LiH",
        notes=["a <note>"],
    )
    return (tmp_path / "report.html").read_text()


def test_the_page_is_whole_self_contained_and_repeatable(tmp_path) -> None:
    text = page(tmp_path, make_record())
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert parser.fetched == []
    assert parser.tags.count("svg") == 3
    assert "script" not in parser.tags
    assert "1354 → 81 two-qubit gates" in text and "a &lt;note&gt;" in text
    assert page(tmp_path, make_record()) == text


def test_names_from_files_cannot_become_markup(tmp_path) -> None:
    record = make_record(problem={**make_record().problem, "name": "<script>alert(1)</script>"})
    assert "<script>" not in page(tmp_path, record)


def test_pictures_of_nothing_and_of_too_much() -> None:
    assert circuit_picture([], ()) == "<p>0 rotations: not drawn.</p>"
    assert "not drawn" in circuit_picture(ROTATIONS * 50, ())
    points = [{"n_parameters": 1, "n_rotations": 1, "error": -1e-15}]
    assert re.match(r"<svg ", path_picture(points, None, None))
