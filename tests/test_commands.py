"""Commands beside the study: list, show, compare and completion."""

import json
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

from vqe_prune import catalogue, config, device_settings, multirun, task_settings
from vqe_prune.__main__ import main
from vqe_prune.choices import FILES, choices
from vqe_prune.completion import SHELLS, completion_script
from vqe_prune.config import parse_settings
from vqe_prune.errors import InputError
from vqe_prune.setting_types import kinds

FREE_TEXTS = {
    "molecule.geometry", "model.reference", "device.project", "device.processor", "device.run", "device.snapshot",
    "device.config", "output_dir", "molecule.name", "molecule.irrep", "task.data_dir",
}  # fmt: skip
"""Settings that are texts without choices; a new one belongs here or into `choices`."""

SURROUNDINGS = {
    "sweeper.minimise": ["sweeper=optuna"],
    "ansatz.entangler": ["model=tfim"],
    "ansatz.connectivity": ["model=tfim"],
    "ansatz.blocks": ["model=tfim"],
    "model.lattice": ["model=tfim"],
    "training.method": ["model=tfim"],
    "pruner.calibration": ["pruner=lie"],
    "pruner.distance": ["pruner=lie"],
    "pruner.ensemble": ["pruner=lie"],
    "device.stages": ["device=weber"],
    "device.mitigation": ["device=weber"],
    "device.optimizer": ["device=weber"],
    "device.start": ["device=weber", "device.optimizer=spsa"],
    "excited.method": ["excited=2"],
    "excited.ansatz": ["excited=2", "excited.method=deflation"],
    "task.dataset": ["task=classify"],
    "task.encoding": ["task=classify"],
    "task.loss": ["task=generate"],
    "task.models": ["task=ctr"],
    "task.sets": ["task=ctr"],
    "task.head": ["task=ctr"],
    "scan.structure": ["study=scan", "scan.bond_length=[1,2,0.5]"],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Return a folder with a run of H2, and records made out of its own as other settings leave them."""
    folder = tmp_path_factory.mktemp("runs")
    assert main(["molecule=H2", f"output_dir={folder / 'curvature'}"]) == 0
    for name in ("tight", "stretched", "ising"):
        record = json.loads((folder / "curvature" / "record.json").read_text())
        settings, problem = record["problem"]["settings"], record["problem"]
        if name == "tight":
            settings["pruner"] |= {"tolerance": 1e-4, "rules": ["symmetry", "magnitude"]}
            record["stages"][-1]["name"] = "magnitude"
        elif name == "stretched":
            settings["molecule"]["bond_length"] = 2.0
            record["energies"]["exact"] += 0.2
        else:
            settings["model"]["name"], problem["unit"] = "tfim", "J"
        (folder / name).mkdir()
        (folder / name / "record.json").write_text(json.dumps(record))
    return folder


def out(capsys, *words: object) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


def refused(capsys, *words: object) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and "Traceback" not in text
    return text


def test_every_choice_has_a_line_and_no_line_is_left_over() -> None:
    for described, names in (
        (catalogue.MODELS, config.MODELS),
        (catalogue.LATTICES, config.LATTICES),
        (catalogue.ANSATZE, config.ANSATZE),
        (catalogue.PRUNERS, config.RULES),
        (catalogue.DEVICES, device_settings.DEVICES),
        (catalogue.TASKS, task_settings.TASKS),
    ):
        assert list(described) == list(names)
    for kind in catalogue.KINDS:
        for entry in catalogue.entries(kind):
            assert entry.description and len(entry.name) + len(entry.description) < 116, entry


def test_list_says_what_there_is(capsys) -> None:
    text = out(capsys, "list")
    assert all(f"{kind} (" in text for kind in catalogue.KINDS)
    assert "LiH   Lithium hydride at its equilibrium bond length; bond_length=1.595" in text
    assert out(capsys, "list", "ansätze") == out(capsys, "list", "ansatze")
    content = json.loads(out(capsys, "list", "pruners", "--json"))
    assert [entry["name"] for entry in content["pruners"]] == list(config.RULES)
    assert "did you mean pruners" in refused(capsys, "list", "pruner")
    assert "did you mean list" in refused(capsys, "lsit")
    assert "python -m vqe_prune.report FOLDER" in refused(capsys, "report", "outputs")
    assert "add --multirun" in refused(capsys, "molecule=H2,LiH")


def test_every_choice_is_one_that_the_checks_take_their_own_from() -> None:
    texts = {
        key for key, kind in kinds().items() if kind in (str, list[str]) and key in config._known_keys(config.Settings)
    }
    known = {config._main_key(key) for key, names in choices().items() if names}
    assert texts - FREE_TEXTS == {key for key in texts if key in known} - FREE_TEXTS
    for key, names in choices().items():
        if not names or key in ("molecule", "molecule.active_space", "device.mitigation") or "false" in names:
            continue
        words = SURROUNDINGS.get(key, [])
        read = multirun.run if key.startswith(("launcher", "sweeper")) else parse_settings
        with pytest.raises(InputError) as caught:
            read([*words, f"{key}=qqqq"])
        first = names[:3] if key != "device.mitigation" else names[:2]
        assert f"available: {', '.join(first)}" in str(caught.value), key


def test_show_prints_what_the_run_printed(runs, capsys) -> None:
    again = out(capsys, "molecule=H2", f"output_dir={runs / 'curvature'}")
    shown = out(capsys, "show", runs / "curvature")
    assert shown.splitlines()[:-1] == [line for line in again.splitlines() if line and "is complete" not in line]
    assert shown == out(capsys, "show", runs / "curvature" / "record.json")
    listed = {"points": [{"folder": "../curvature", "swept": {}, "status": "done", "reason": ""}]}
    (runs / "multirun").mkdir()
    (runs / "multirun" / "multirun.json").write_text(json.dumps(listed))
    assert "1 run of 1 problem" in out(capsys, "show", runs / "multirun")
    (runs / "multirun" / "multirun.json").write_text("{}")
    assert "no finished run" in refused(capsys, "show", runs / "multirun")
    assert "holds 4 runs" in refused(capsys, "show", runs)
    assert "no such folder" in refused(capsys, "show", runs / "none")
    assert "one folder" in refused(capsys, "show")


def test_an_unfinished_run_is_said(runs, tmp_path, capsys) -> None:
    shutil.copy(runs / "curvature" / "trace.jsonl", tmp_path)
    assert "not finished" in refused(capsys, "show", tmp_path)


def test_broken_records_end_in_one_line(runs, tmp_path, capsys) -> None:
    good = json.loads((runs / "curvature" / "record.json").read_text())
    file = tmp_path / "record.json"
    for path in _paths(good, 3):
        for wrong in (None, "x", [], {}):
            content = deepcopy(good)
            place = content
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = wrong
            file.write_text(json.dumps(content))
            status = main(["show", str(file)])
            assert status in (0, 2), path
            assert main(["compare", str(file), str(runs / "tight")]) in (0, 2), path
    capsys.readouterr()
    for text in ("", "{", "[]", "{}", '{"schema": 99}', '{"schema": 2}', "NaN", '{"schema": 2, "points": [1]}'):
        for name in ("record.json", "scan.json"):
            (tmp_path / name).write_text(text)
            refused(capsys, "show", tmp_path / name)


def _paths(value: object, depth: int) -> list[list]:
    """Places in a record; of lists the first entry stands for all."""
    items = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))[:1]
        if isinstance(value, list)
        else []
    )
    found = [[key] for key, _ in items]
    if depth > 1:
        found += [[key, *rest] for key, each in items if key != "settings" for rest in _paths(each, depth - 1)]
    return found


def test_compare_aligns_settings_energies_and_sizes(runs, capsys) -> None:
    lines = out(capsys, "compare", runs / "curvature", runs / "tight").splitlines()
    assert ["pruner.tolerance", "0.0015", "0.0001"] in [line.split() for line in lines]
    assert ["exact", "-1.13727017", "-1.13727017"] in [line.split() for line in lines]
    assert sum(line.split()[:1] == ["parameters"] for line in lines) == 3  # full, symmetry, pruned
    table = lines[4:]
    assert len({len(line) for line in table if line.startswith("  ")}) == 1
    assert "no setting differs" in out(capsys, "compare", runs / "tight", runs / "tight")
    many = out(capsys, "compare", *[runs / "tight", runs / "curvature"] * 5)
    assert max(map(len, many.splitlines()[11:])) <= 100


def test_different_problems_are_not_compared_by_energy(runs, capsys) -> None:
    text = out(capsys, "compare", runs / "curvature", runs / "stretched")
    assert "different problems" in text and "energies / hartree" not in text and "error / mHa" in text
    text = out(capsys, "compare", runs / "curvature", runs / "ising")
    assert "energies are in J and hartree" in text and " mHa" in text and "error / " not in text
    assert "two or more" in refused(capsys, "compare", runs / "ising")


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_hold_every_setting_and_choice(shell: str) -> None:
    script = completion_script(shell, ("list",))
    assert "@" not in script.replace("$@", "")
    for key, names in choices().items():
        assert f"{key}=" in script
        assert not names or " ".join(names) in script
    with pytest.raises(InputError, match="did you mean"):
        completion_script("csh", ())


TRY = """
source /dev/stdin
COMP_LINE="$1"; COMP_POINT=${#1}; words=${1//=/ = }
read -ra COMP_WORDS <<< "$words"; COMP_CWORD=$((${#COMP_WORDS[@]}-1))
$2 2> /dev/null  # compopt wants a line editor
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vqe-prune molecule=Li", ["LiH"]),
        ("vqe-prune pruner.toler", ["pruner.tolerance="]),
        ("vqe-prune molecule=LiH pruner=[symmetry,cur", ["[symmetry,curvature"]),
        ("vqe-prune device.wait=f", ["false"]),
        ("vqe-prune --multirun molecule=H2,LiH,Be", ["H2,LiH,BeH2"]),
        ("vqe-prune sho", ["show"]),
        ("vqe-prune list pru", ["pruners"]),
        ("python -m vqe_prune ansatz=kup", ["kupccgsd"]),
    ],
)
def test_bash_completes(line: str, expected: list[str], tmp_path) -> None:
    script = completion_script("bash", ("list", "show"))
    function = "_vqe_prune_python" if line.startswith("python") else "_vqe_prune"
    done = subprocess.run(
        ["bash", "-c", TRY, "bash", line, function], input=script, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.split() == expected


def test_files_are_completed_where_they_are_allowed() -> None:
    for key in FILES:
        assert f"{key}) values=" in completion_script("bash", ())


def test_commands_import_nothing_heavy() -> None:
    code = (
        "import sys; from vqe_prune.__main__ import main; main(['list']); main(['completion', 'bash']); "
        "print('LOADED', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.partition("LOADED")[2].split()}
    assert not loaded & {"numpy", "scipy", "pyscf", "cirq", "openfermion", "numba", "matplotlib", "hydra"}


def test_show_prints_a_task_and_compare_refuses_it(tmp_path, capsys) -> None:
    row = {"name": "full", "n_parameters": [4, 4], "scores": {"kl": {"values": [0.25], "mean": 0.25, "deviation": 0.0}}}
    content = {"schema": 1, "kind": "task", "task": "generate", "name": "bars", "runs": [{}], "summary": [row]}
    (tmp_path / "record.json").write_text(json.dumps(content))
    assert "bars: one seed" in out(capsys, "show", str(tmp_path))
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 2
    assert "is of a task on data" in capsys.readouterr().err
    (tmp_path / "record.json").write_text(json.dumps(content | {"schema": 99}))
    assert main(["show", str(tmp_path)]) == 2
    assert "schema 99, but this version reads up to" in capsys.readouterr().err
