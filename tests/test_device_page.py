"""What the page tells of a measurement: the picture, what estimates mean, and words for one of a kind."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from vqe_prune.measure import NOTES
from vqe_prune.report import Record, format_device, write_page
from vqe_prune.report.device_picture import EXPLANATIONS, device_picture, explanations
from vqe_prune.report.device_table import device_rows

STAGE = {
    "name": "full", "n_parameters": 3, "n_rotations": 3, "n_two_qubit_gates": 4, "depth": 9, "n_qubits": 3,
    "energy": -1.137, "error_to_exact": 0.0, "n_electrons_mean": 2.0, "spin_z": 0.0, "spin_squared": 0.0,
}  # fmt: skip
RECORD = Record(
    problem={"name": "H2", "n_qubits": 4, "n_electrons": 2, "sector_dimension": 4},
    energies={"hf": -1.117, "mp2": None, "ccsd": None, "exact": -1.1373},
    stages=[STAGE, {**STAGE, "name": "curvature", "n_parameters": 1, "n_two_qubit_gates": 1}],
    plan=[],
    certificate={"predicted_increase": 0.0, "measured_increase": 0.0, "bound": 0.0},
    qsim={"energy": None, "difference": None},
    times={"total": 1.0},
    versions={},
    seed=0,
)


def estimates(*names: str) -> list[dict[str, object]]:
    rows = [{"name": name, "energy": -1.12 - 0.001 * k, "kept": 1.001 - 0.1 * k} for k, name in enumerate(names)]
    return [{**row, "error_bar": 0.002, "shots": 1000, "error_to_exact": 0.01, "assumes": ""} for row in rows]


def measurement(stage: str, *names: str) -> dict[str, object]:
    return {
        "stage": stage, "encoding": "pairs", "n_qubits": 1, "n_two_qubit_gates": 1, "noiseless_energy": -1.1371,
        "expected_error": 0.1, "qubits": ["q(1, 2)"], "n_settings": 1, "shots": 1000,
        "mitigated": names[-1] if names else None, "estimates": estimates(*names),
        "left_out": [] if names else [[stage, "too long"]],
    }  # fmt: skip


DEVICE = {
    "name": "weber", "processor": None, "noise_scale": 1.0, "twirls": 0, "shots": 1000,
    "measurements": [
        measurement("full"),
        measurement("symmetry", "raw", "readout, post_selection"),
        measurement("curvature", "raw", "post_selection, zne linear"),
    ],
}  # fmt: skip


def test_every_estimate_is_drawn_with_the_noiseless_and_the_exact_energy() -> None:
    picture = device_picture(DEVICE, -1.1373)
    for text in ("raw", "readout, post_selection *", "post_selection, zne linear *", "symmetry", "curvature", "exact"):
        assert f">{text}</text>" in picture
    assert ">full</text>" not in picture  # not measured
    assert "exact" not in device_picture(DEVICE, None)
    assert device_picture({**DEVICE, "measurements": [measurement("full")]}, -1.1373) == ""


def test_each_word_of_an_estimate_is_explained_once() -> None:
    words = [word for word, _ in explanations(DEVICE)]
    assert words == ["raw", "post_selection", "readout", "zne", "kept"]
    assert set(EXPLANATIONS) == set(NOTES)
    assert explanations({**DEVICE, "measurements": [measurement("full")]}) == []


def test_a_share_of_shots_is_at_most_one() -> None:
    """Readout correction makes weights of shots, of which noise makes somewhat more than 1."""
    kept = [row[-1] for row in device_rows(DEVICE)]
    assert kept == ["", "1.000", "0.901", "", "1.000", "0.901"]


def test_the_page_shows_them_and_counts_one_in_the_singular(tmp_path: Path) -> None:
    write_page(
        tmp_path, replace(RECORD, device=DEVICE), steps=[], path=[], chosen=None, tolerance=None, gates=[], wires=[],
        command="",
    )  # fmt: skip
    page = (tmp_path / "report.html").read_text()
    assert "H2: 3 → 1 parameter, 4 → 1 two-qubit gate," in page
    assert page.count("<dt>") == page.count("<dd>") == 5 and "two standard errors" in page
    assert "at most 1 native two-qubit gate in a circuit" in page
    assert not re.search(r"\b1 (parameters|rotations|qubits|settings|two-qubit gates)", page + format_device(DEVICE))
    stages = page[page.index('<h2 id="stages"') :]
    assert stages.index("error / mHa") < stages.index("⟨S_z⟩") and stages.count("<table") >= 2  # both fit
    assert "para\u00admeters" in stages


@pytest.mark.parametrize("n_settings", [1, 2])
def test_lines_count(n_settings: int) -> None:
    measured = {**measurement("curvature", "raw"), "n_settings": n_settings}
    text = format_device({**DEVICE, "measurements": [measured]})
    assert f"{n_settings} setting{'s' if n_settings > 1 else ''} at q(1, 2)" in text
