"""The record's layout, its round trip, its refusals, and the page."""

import json
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from vqe_prune.errors import InputError
from vqe_prune.report import (
    DrawnGate,
    Record,
    format_certificate,
    format_check,
    format_energies,
    format_error,
    format_scores,
    format_training,
    read_record,
    record_text,
    summary,
    write_page,
    write_record,
)
from vqe_prune.report.circuit_picture import circuit_picture, pack, qubit_circuit_picture
from vqe_prune.report.layout import DARK, LIGHT
from vqe_prune.report.pictures import COLOURS, energy_picture, path_picture
from vqe_prune.report.score_pictures import kernel_picture, scores_picture, training_picture
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
EXCITATIONS = [
    DrawnGate("1a 1b -> 5a 5b", (10, 11, 2, 3), ("^", "^", "v", "v"), 0, -0.117),
    DrawnGate("1a -> 2a", (4, 2), ("^", "v"), 1, 0.02),
]
ORBITALS = [f"{q // 2}{'ab'[q % 2]} {'●' if q < 4 else '○'}" for q in range(12)]

QUBITS = [
    DrawnGate("x 0", (0,), ("X",), None, None),
    DrawnGate("ry 1", (1,), ("Ry",), None, 0.5),
    DrawnGate("cx 0 2", (0, 2), ("cx", "cx"), None, None),
    DrawnGate("h 1", (1,), ("H",), None, None),
]

SCORES = {
    "d_eff": 1024, "d_eff_whole": False, "lie_dimension": 65536, "lie_whole": False, "fisher_rank": 3,
    "qntk": 0.0512, "qntk_error": 0.0031, "haar_eqntk": 0.0498, "gradient_variance": 2.5e-4,
    "fisher_spectrum": [4.0, 1.5, 0.25, 0.0],
}  # fmt: skip
TRAINING = {
    "method": "adam", "n_seeds": 8, "threshold": 1e-3, "n_successes": 7, "steps_quartiles": [100, 112.5, 150],
    "error_quartiles": [1e-6, 3e-5, 2e-3],
    "curve": {"steps": [0, 50, 100], "low": [1.0, 0.1, 0.0], "median": [2.0, 0.2, 1e-4], "high": [3.0, 0.4, 2e-3]},
}  # fmt: skip


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


def spin_record(**changes) -> Record:
    """A spin model in units of its coupling, scored and trained."""
    full = {
        **STAGE, "n_parameters": 16, "n_qubits": 4, "energy": -4.758770483, "error_to_exact": 1e-9,
        "scores": SCORES, "training": TRAINING,
    }  # fmt: skip
    tied = {
        **full, "name": "tied", "n_parameters": 4,
        "scores": {"d_eff": 6, "d_eff_whole": True, "fisher_rank": 4, "qntk": None},
        "training": {**TRAINING, "n_successes": 0, "steps_quartiles": None},
    }  # fmt: skip
    record = make_record(
        problem={
            "name": "tfim-ring-4", "n_qubits": 4, "n_electrons": None, "sector_dimension": 6, "unit": "J",
            "symmetries": ["parity X0 X1 X2 X3", "8 permutations of <qubits>"],
        },
        energies={"reference": -4.0, "hf": None, "mp2": None, "ccsd": None, "exact": -4.758770483},
        stages=[full, tied],
        plan=[{"rotation": "Y0", "decision": "replace", "score": None, "reason": "symmetrised"}],
    )  # fmt: skip
    return replace(record, **changes)


SPINS = [
    *(DrawnGate(f"0.5 Z{k} Z{k + 1}", (k, k + 1), ("Z", "Z"), 0, 0.3) for k in range(3)),
    *(DrawnGate(f"0.5 X{k}", (k,), ("X",), 1, -0.7) for k in range(4)),
    DrawnGate("h 0", (0,), ("h",), None, 1.0),
    DrawnGate("cx 0 2", (0, 2), ("cx", "cx"), None, 1.0),
    DrawnGate("cz 0 2", (0, 2), ("cz", "cz"), None, 1.0),
    DrawnGate("swap 1 3", (1, 3), ("swap", "swap"), None, 1.0),
    DrawnGate("0.5 X0 Y1", (0, 1), ("X", "Y"), None, 0.25),
]


def test_the_record_has_exactly_its_keys_and_survives_a_round_trip(tmp_path) -> None:
    record = make_record()
    write_record(tmp_path, record)
    content = json.loads((tmp_path / "record.json").read_text())
    assert set(content) == {
        "schema", "problem", "energies", "stages", "plan", "certificate", "qsim", "times", "versions", "seed",
    }  # fmt: skip
    assert content["schema"] == 1
    assert asdict(read_record(tmp_path)) == asdict(record)
    assert record.unit == "hartree"
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_a_spin_model_with_scores_and_training_survives_a_round_trip(tmp_path) -> None:
    write_record(tmp_path, spin_record())
    read = read_record(tmp_path)
    assert asdict(read) == asdict(spin_record())
    assert read.unit == "J" and read.problem["n_electrons"] is None


def without(name: str) -> str:
    content = json.loads(record_text(make_record()))
    del content[name]
    return json.dumps(content)


def with_value(path: str, value: object) -> str:
    content = json.loads(record_text(spin_record() if "scores" in path or "training" in path else make_record()))
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
    with_value("problem.unit", 1), with_value("problem.symmetries", "text"), with_value("problem.symmetries", [1]),
    with_value("stages.0.scores", None), with_value("stages.0.scores", []), with_value("stages.0.scores.extra", 1),
    with_value("stages.0.scores.qntk", "x"), with_value("stages.0.scores.d_eff", True),
    with_value("stages.0.scores.lie_whole", 1), with_value("stages.0.scores.fisher_spectrum", [None]),
    with_value("stages.0.scores.fisher_spectrum", 1.0), with_value("stages.0.training", None),
    with_value("stages.0.training.extra", 1), with_value("stages.0.training.method", 1),
    with_value("stages.0.training.threshold", None), with_value("stages.0.training.steps_quartiles", [1, 2]),
    with_value("stages.0.training.error_quartiles", None), with_value("stages.0.training.curve", [1]),
    with_value("stages.0.training.curve.low", [1]), with_value("stages.0.training.curve.median", None),
]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_broken_records_are_refused_in_one_line(text: str, tmp_path) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read_record(tmp_path)
    assert "\n" not in str(caught.value) and "record.json" in str(caught.value)


def test_a_missing_or_binary_record_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="no such file"):
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


def test_molecules_print_hartree_and_millihartree() -> None:
    """Literal lines as released: scripts read them."""
    record = make_record()
    assert format_energies(record.energies, "LiH").splitlines() == [
        "LiH             energy / hartree   error / mHa",
        "  HF                 -7.86200000       20.4000",
        "  MP2               not computed",
        "  CCSD               -7.88230000        0.1000",
        "  exact              -7.88240000        0.0000",
    ]
    assert format_certificate(record.certificate) == (
        "Certificate: predicted increase 1.0000 mHa, measured 1.1000 mHa, at most 30.0000 mHa"
    )
    assert format_check(record.qsim, record.times, None).startswith(
        "qsim: final circuit -7.8812000 hartree, -1.0e-07 from the exact engine\nSeconds"
    )
    assert "reference" in format_energies({**record.energies, "reference": -7.8}, "LiH")  # on qubits
    assert format_scores(record.stages) == format_training(record.stages) == ""


def test_spin_models_print_their_coupling() -> None:
    record = spin_record()
    assert format_energies(record.energies, "tfim-ring-4", "J").splitlines() == [
        "tfim-ring-4           energy / J     error / J",
        "  reference          -4.00000000     7.588e-01",
        "  exact              -4.75877048             0",
    ]
    long = format_energies(record.energies, "a-model-of-a-long-name", "J").splitlines()
    assert len({len(line) for line in long}) == 1
    text = summary(record)
    assert "hartree" not in text and "mHa" not in text and "not computed" not in text
    assert "predicted increase 1.000e-03 J, measured 1.100e-03 J, at most 3.000e-02 J" in text
    assert format_error(-0.0, "J") == "0" and format_error(None, "J") == "" and format_error(-9e-13, "J") == "<1e-12"
    assert "   1 replaced: symmetrised" in format_plan(record.plan, [("h 0", -1, 1.0)])
    assert max(map(len, text.splitlines())) <= 100


def test_scores_and_training_are_tables() -> None:
    stages = spin_record().stages
    header, _, full, tied = format_scores(stages).splitlines()
    assert max(map(len, format_scores(stages).splitlines())) <= 100
    assert full.split() == [
        "full", "16", ">=", "1024", ">=", "65536", "3", "5.120e-02", "4.980e-02", "2.500e-04",
    ]  # fmt: skip
    assert tied.split() == ["tied", "4", "6", "-", "4", "-", "-", "-"]
    assert len(header) == len(full) == len(tied)
    _, _, full, tied = format_training(stages, "J").splitlines()
    assert full.split() == ["full", "16", "adam", "7/8", "1.000e-03", "112", "(100", "to", "150)", "3.000e-05"]
    assert tied.split() == ["tied", "4", "adam", "0/8", "1.000e-03", "-", "3.000e-05"]
    assert "error / mHa" in format_training(stages) and "0.0300" in format_training(stages)


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
        gates=SPINS if record.unit == "J" else EXCITATIONS,
        wires=[f"q{q} |+>" for q in range(4)] if record.unit == "J" else ORBITALS,
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
    assert text.count('<svg role="img" aria-label="') + text.count('<svg class="circuit" role="img" aria-label="') == 3
    assert "script" not in parser.tags
    assert "1354 → 81 two-qubit gates" in text and "a &lt;note&gt;" in text
    assert page(tmp_path, make_record()) == text


def test_names_from_files_cannot_become_markup(tmp_path) -> None:
    record = make_record(problem={**make_record().problem, "name": "<script>alert(1)</script>"})
    assert "<script>" not in page(tmp_path, record)


def test_the_page_of_a_spin_model_has_its_scores_and_its_training(tmp_path) -> None:
    text = page(tmp_path, spin_record())
    parser = Balanced()
    parser.feed(text)
    assert parser.open == [] and parser.fetched == []
    drawn = len(re.findall('<svg class="circuit"', text))
    assert parser.tags.count("svg") == 5 + drawn and drawn == 3  # a row on a desk, two on a phone
    for part in ("Symmetries", "<li>8 permutations of &lt;qubits&gt;</li>", "Scores", "Training", "q3 |+⟩"):
        assert part in text
    assert "energy / J" in text and "5.120e-02 ± 3.1e-03" in text and "&gt;= 1024" in text
    assert "hartree" not in text and "mHa" not in text and "kcal" not in text
    assert page(tmp_path, spin_record()) == text


def test_pictures_of_nothing_and_of_too_much() -> None:
    assert circuit_picture([], []) == "<p>0 rotations: not drawn.</p>"
    assert "60 more gates not drawn" in circuit_picture(EXCITATIONS * 150, ORBITALS)
    assert "59360 more gates not drawn" in circuit_picture(EXCITATIONS * 29_800, ORBITALS)
    assert "100 more gates not drawn" in qubit_circuit_picture(QUBITS * 125, ["1ab", "2a", "2b"])
    assert qubit_circuit_picture([], []) == "<p>0 gates: not drawn.</p>"
    points = [{"n_parameters": 1, "n_rotations": 1, "error": -1e-15}]
    assert re.match(r"<svg ", path_picture(points, None, None))
    assert scores_picture([STAGE]) == training_picture([STAGE]) == kernel_picture([STAGE]) == ""
    assert re.match(r"<svg ", kernel_picture([{**STAGE, "scores": {"qntk": 0.1, "haar_eqntk": None}}]))
    assert re.match(r"<svg ", scores_picture([{**STAGE, "scores": {"fisher_spectrum": [0.0], "fisher_rank": 0}}]))


def test_commuting_gates_of_one_parameter_share_columns() -> None:
    """Bonds 01, 12, 23 of a chain commute: two columns, not a staircase; then all fields in one."""
    columns = [[gate.label for gate in column] for column in pack(SPINS)]
    assert columns[:3] == [["0.5 Z0 Z1", "0.5 Z2 Z3"], ["0.5 Z1 Z2"], [f"0.5 X{k}" for k in range(4)]]
    assert sorted(label for column in columns for label in column) == sorted(gate.label for gate in SPINS)
    x, y = DrawnGate("x", (0,), ("X",), 0, 0.1), DrawnGate("y", (0,), ("Y",), 1, 0.1)
    assert pack([x, y, x]) == [[x], [y], [x]]  # X and Y do not commute
    bond = DrawnGate("bond", (0, 1), ("Z", "Z"), 1, 0.1)
    assert len(pack([x, bond, x._replace(wires=(1,))])) == 3  # the last X may not pass the bond
    assert len(pack([x, bond._replace(letters=("X", "Z")), x])) == 3  # may pass it, but has no room beside itself
    assert len(pack([x, bond._replace(letters=("Z", "X")), x._replace(wires=(1,))])) == 2
    other = x._replace(wires=(1,), angle=-0.1)
    assert pack([x, other]) == [[x], [other]]  # one angle is written below a column
    crossing = [DrawnGate("a", (0, 2), ("Z", "Z"), 0, 0.1), DrawnGate("b", (1, 3), ("Z", "Z"), 0, 0.1)]
    assert len(pack(crossing)) == 2
    excitation = EXCITATIONS[1]
    assert len(pack([excitation, EXCITATIONS[0], excitation])) == 3  # they share a spin orbital


def test_circuits_show_their_signs_and_names() -> None:
    picture = circuit_picture(SPINS, [f"q{q} |{'+-01'[q]}>" for q in range(4)])
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", picture)
    assert {"X", "Y", "Z", "h", "p0", "p1", "+0.300", "-0.700", "+0.250", "q0 |+⟩", "q1 |-⟩"} <= set(shown)
    assert "+1.000" not in shown  # a Clifford gate has no angle
    assert "<title>0.5 Z0 Z1 +0.300</title>" in picture and "<title>h 0</title>" in picture
    assert "<title>1a -&gt; 2a +0.020</title>" in circuit_picture(EXCITATIONS, ORBITALS)


def rows(picture: str, kind: str) -> list[float]:
    """Widths of the rows of a drawing for wide or narrow windows."""
    part = re.search(rf'<div class="{kind}">(.*?)</div>', picture, flags=re.DOTALL)[1]
    return [float(width) for width in re.findall(r'<svg [^>]*width="([0-9]+)"', part)]


def test_excitations_have_their_labels_and_rows_that_fit_the_window() -> None:
    picture = circuit_picture([gate._replace(parameter=k) for k, gate in enumerate(EXCITATIONS * 24)], ORBITALS)
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", picture)
    for text in ("1a 1b", "→ 5a 5b", "1a", "→ 2a", "-0.117", "p47", "1a ●", "5b ○"):
        assert text in shown
    assert shown.count("→ 5a 5b") == 2 * 24  # drawn for wide and for narrow windows
    assert max(rows(picture, "broad")) <= 966 and max(rows(picture, "narrow")) <= 336  # pixels of desk and phone
    assert len(rows(picture, "narrow")) > len(rows(picture, "broad")) > 1
    assert 'class="narrow"' not in circuit_picture(EXCITATIONS, ORBITALS)  # one row is one drawing
    assert "columns 1 to " in picture and "0a" not in shown  # no wire without a gate


def test_circuits_on_qubits_start_each_gate_as_early_as_its_line_allows() -> None:
    """Ry beside X; the CX over all wires after both; then H and S in one column."""
    picture = qubit_circuit_picture(QUBITS, ["1ab", "2a", "2b"])
    boxes = {text: int(x) for x, text in re.findall(r'<text class="on" x="([0-9]+)" y="[0-9]+">([^<]*)<', picture)}
    assert boxes["X"] == boxes["Ry"] < boxes["H"]
    ring = re.search(r'<circle class="ring" cx="([0-9]+)"', picture)[1]
    assert boxes["X"] < int(ring) < boxes["H"]
    assert "<title>ry 1 +0.500</title>" in picture and "<title>cx 0 2</title>" in picture and ">1ab<" in picture


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_all_text_has_the_contrast_of_level_aa(palette: dict[str, str]) -> None:
    """4.5 of WCAG 2.2, 1.4.3, on the page and on panels; letters on the colours of parameters too."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    inks = ["text", "soft", *(f"c{k}" for k in range(len(COLOURS)))]
    pairs = [(ink, ground) for ink in inks for ground in ("page", "panel")]
    pairs += [("on", ink) for ink in inks[1:]] + [("text", "warned"), ("warn", "warned")]
    for ink, ground in pairs:
        assert contrast(palette[ink], palette[ground]) >= 4.5, (ink, ground)


def test_pictures_follow_the_colours_of_the_page(tmp_path) -> None:
    text = page(tmp_path, make_record())
    pictures = "".join(re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL))
    assert not re.findall(r"(?:stroke|fill): ?#(?!ffffff)", pictures)  # each by its name
    assert "var(--c0, #2f7fd8)" in pictures and "prefers-color-scheme: dark" in text


def test_headings_are_in_order_and_every_link_has_its_place(tmp_path) -> None:
    for record in (make_record(), spin_record()):
        text = page(tmp_path, record)
        levels = [int(level) for level in re.findall(r"<h([1-6])", text)]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        anchors = re.findall(r'<h2 id="([^"]*)"', text)
        links = re.search(r"<nav.*?</nav>", text)[0]
        assert re.findall(r'href="#([^"]*)"', links) == anchors
        outside = re.sub(r"<defs>.*?</defs>", "", text, flags=re.DOTALL)  # markers of equal pictures have equal names
        names = re.findall(r' id="([^"]*)"', outside)
        assert len(set(names)) == len(names)
        assert text.count("<table") == text.count('tabindex="0" aria-label="') - text.count("<figure")


def y_labels(picture: str) -> list[float]:
    """Tick labels of y axes that are plain numbers."""
    axes = re.findall(r'<g id="ytick_[0-9]+">.*?<text[^>]*>([^<]*)</text>', picture, flags=re.DOTALL)
    return [float(text.replace("\u2212", "-")) for text in axes]


def test_a_logarithmic_axis_within_one_decade_has_labels() -> None:
    for errors in ([14e-3, 13e-3, 12e-3], [2e-3, 6e-3, 9e-3], [2.14e-3, 2.1400001e-3], [1.2e-7, 1.9e-7]):
        points = [{"n_parameters": 9 - k, "n_rotations": 9, "error": error} for k, error in enumerate(errors)]
        labels = y_labels(path_picture(points, 0, None))
        assert len(labels) >= 2 and len(set(labels)) == len(labels)
        assert 1e3 * min(errors) / 2 < labels[0] < labels[-1] < 1e3 * max(errors) * 2
    steps = [{"stage": "full", "step": k, "energy": -107.0, "error": 12e-3 + 1e-3 * k} for k in range(3)]
    labels = y_labels(energy_picture(steps, "J"))
    assert sum(0.012 <= label <= 0.014 for label in labels) >= 2


def test_long_tick_labels_leave_room_for_the_axis_label() -> None:
    """The turned label's baseline must be one ascent, 0.76 of 10 points, inside the picture; it was 4 points."""
    for energy in (-1.5, -107.654321, -107654.321):
        steps = [{"stage": "full", "step": k, "energy": energy + 1e-5 * k, "error": None} for k in range(5)]
        found = re.search(r'x="([0-9.-]+)"[^>]*>energy / hartree<', energy_picture(steps))
        assert 8.0 < float(found[1]) < 25.0


def test_an_error_below_the_axis_is_not_printed_as_measured() -> None:
    points = [
        {"n_parameters": 2, "n_rotations": 3, "error": 1e-13},
        {"n_parameters": 1, "n_rotations": 1, "error": 0.1},
    ]
    assert "2 parameters, 3 rotations, &lt; 1e-6 mHa" in path_picture(points, 0, 1e-3)
    assert "2 parameters, 3 rotations, &lt; 1e-9 J" in path_picture(points, 0, 1e-3, "J")
    assert "1 parameter, 1 rotation, 100 mHa" in path_picture(points, 1, 1e-3)
