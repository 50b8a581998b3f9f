"""Merged reports: every kind of folder, foreign and broken ones, tables, files, the Pareto picture and the page."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vqe_prune.report.__main__ import main
from vqe_prune.report.merge import COLUMNS, Merged, merge_folders
from vqe_prune.report.merge_pictures import pareto_front, pareto_picture
from vqe_prune.report.merge_table import data_of, format_merged, passed_over, seeds_of, write_parquet

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, h2_record) -> Make:
    """Write a record with a final stage and settings of its own."""

    def write(name: str, *, rule: str = "curvature", gates: int = 4, error: float | None = 1e-3, seed: int = 0) -> Path:
        content = json.loads(json.dumps(h2_record))
        content["problem"] |= {"digest": name, "name": "LiH"}
        content["problem"]["settings"]["pruner"]["rules"] = ["symmetry", rule]
        content["problem"]["settings"]["seed"] = content["seed"] = seed
        content["stages"][-1] |= {"n_two_qubit_gates": gates, "n_parameters": gates // 2, "error_to_exact": error}
        folder = tmp_path / "outputs" / "LiH" / name
        folder.mkdir(parents=True)
        (folder / "record.json").write_text(json.dumps(content))
        return folder

    return write


def test_every_record_is_a_row_and_each_study_counts_once(make: Make, tmp_path: Path) -> None:
    make("a", gates=4, error=2e-3)
    make("b", rule="random", gates=8, error=3e-3)
    make("copy", gates=9)
    path = tmp_path / "outputs" / "LiH" / "copy" / "record.json"
    path.write_text(path.read_text().replace('"digest": "copy"', '"digest": "a"'))
    merged = merge_folders([tmp_path / "outputs"])
    assert [(row.values["folder"], row.values["two_qubit_gates"]) for row in merged.rows] == [
        ("LiH/a", 4), ("LiH/b", 8),
    ]  # fmt: skip
    assert merged.doubled == [("LiH/copy", "LiH/a")]
    assert passed_over(merged) == ["counted once: 1 run of the same study as another one, such as LiH/copy and LiH/a"]
    assert [row.values["control"] for row in merged.rows] == [False, True]
    assert all(set(row.values) == set(COLUMNS) for row in merged.rows)
    text = format_merged(merged)
    assert "LiH, errors in mHa" in text and "2.0000" in text and "control" in text
    assert len(merge_folders([tmp_path / "outputs", tmp_path / "outputs" / "LiH"]).rows) == 2


def test_foreign_and_broken_folders_are_named_and_passed_over(make: Make, tmp_path: Path, capsys) -> None:
    make("good")
    for name, text in {
        "empty": "",
        "list": "[]",
        "other": '{"loss": 0.1}',
        "cut": '{"schema": 1, "problem": {',
        "deep": "[" * 100_000,
        "bytes": "\x00\xff",
    }.items():
        folder = make(name)
        (folder / "record.json").write_text(text)
    old = make("old")
    content = json.loads((old / "record.json").read_text())
    del content["problem"]["settings"], content["problem"]["digest"]
    (old / "record.json").write_text(json.dumps(content))
    strange = make("strange")  # fits the layout; its settings are not ours
    content["problem"] |= {"settings": {"pruner": 3, "molecule": {"a": [1]}, "file_contents": 5, "seed": {"x": 1}}}
    (strange / "record.json").write_text(json.dumps(content))
    outputs = tmp_path / "outputs"
    for name, text in {"scan.json": '{"points": 3}', "multirun.json": '{"points": [{}]}', "trace.jsonl": "{}"}.items():
        (outputs / name.partition(".")[0]).mkdir()
        (outputs / name.partition(".")[0] / name).write_text(text)
    (outputs / "scan2").mkdir()
    fields = {
        "name": "x",
        "coordinate": {"name": "h"},
        "unit": "J",
        "curves": [{}],
        "segments": [],
        "structure": "each",
    }
    (outputs / "scan2" / "scan.json").write_text(
        json.dumps({**fields, "points": [{"value": 1, "failed": None}], "notes": []})
    )
    (outputs / "link").symlink_to(outputs)
    assert main([str(outputs)]) == 0
    out = capsys.readouterr().out
    assert out.count("passed over:") == 8 and "trace: not finished; its command goes on with it" in out
    merged = merge_folders([outputs])
    assert {row.values["folder"] for row in merged.rows} == {"LiH/good", "LiH/old", "LiH/strange"}
    page = (outputs / "merged.html").read_text()
    assert "Not drawn: its scan.json is of another version." in page and page.count("passed over:") == 8


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nowhere"], "nowhere is not a folder"),
        ([], "give a folder with results"),
        (["--csv"], "unknown option --csv"),
        (["."], "there is no finished run"),
        ([".", "output_dir="], "give one folder"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], message: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and message in captured.err and not list(tmp_path.iterdir())
    assert main(["--help"]) == 0


def test_files_hold_all_digits_and_what_differs(make: Make, tmp_path: Path, monkeypatch, capsys) -> None:
    make("a", error=1.23456789012e-3)
    make("b", error=None, seed=3)
    place = tmp_path / "report"
    assert main([str(tmp_path / "outputs"), f"output_dir={place}"]) == 0
    with (place / "merged.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["error"] for row in rows] == ["0.00123456789012", ""] and [row["seed"] for row in rows] == ["0", "3"]
    assert rows[0]["finished"] == "true" and "pruner.tolerance" not in rows[0]
    monkeypatch.setattr("vqe_prune.report.merge_table.find_spec", lambda name: None)
    (place / "merged.parquet").unlink(missing_ok=True)
    assert main([str(tmp_path / "outputs"), f"output_dir={place}"]) == 0
    assert "pip install 'vqe-prune[tables]'" in capsys.readouterr().out and not (place / "merged.parquet").exists()


def test_parquet_holds_the_same(make: Make, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="merged.parquet is tried where pyarrow is installed")
    make("a")
    make("b", error=None)
    data = data_of(merge_folders([tmp_path / "outputs"]))
    mixed = {**data, "any": [1, "x"], "number": [1, 2.5], "nothing": [None, None]}
    assert write_parquet(mixed, tmp_path / "table.parquet")
    back = parquet.read_table(tmp_path / "table.parquet").to_pydict()
    assert {name: back[name] for name in data} == data
    assert back["any"] == ["1", "x"] and back["number"] == [1.0, 2.5] and back["nothing"] == [None, None]


def test_seeds_are_gathered(make: Make, tmp_path: Path) -> None:
    for seed, (gates, error) in enumerate([(4, 1e-3), (8, 3e-3), (6, 2e-3)]):
        make(f"s{seed}", rule="random", gates=gates, error=error, seed=seed)
    make("c", gates=2)
    merged = merge_folders([tmp_path / "outputs"])
    header, lines = seeds_of(merged, merged.rows)
    (line,) = [dict(zip(header, line, strict=True)) for line in lines]
    assert (line["seeds"], line["2-qubit gates"], line["parameters"]) == ("3", "4-8", "2-4")
    assert (line["smallest error"], line["median"], line["largest"]) == ("1.0000", "2.0000", "3.0000")


def test_the_pareto_front_is_what_no_run_beats(make: Make, tmp_path: Path) -> None:
    points = [(float(x), float(y)) for x, y in [(5, 1), (4, 2), (4, 3), (6, 1), (1, 9), (2, 9), (3, 4)]]
    slow = [p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)]
    assert pareto_front(points) == sorted(set(slow))
    make("a", gates=4)
    make("b", rule="magnitude", gates=900, error=5e-4)
    make("c", gates=2, error=-2e-4)
    picture = pareto_picture(merge_folders([tmp_path / "outputs"]).rows)
    assert ">magnitude (control)<" in picture and "as built" in picture and "1 kcal/mol" in picture
    assert picture == pareto_picture(merge_folders([tmp_path / "outputs"]).rows)
    make("d", error=None)
    rows = merge_folders([tmp_path / "outputs"]).rows
    assert len(rows) == 4 and pareto_picture([row for row in rows if row.values["error"] is None]) == ""
    assert format_merged(Merged()) == "no finished run"
