"""Settings: what is accepted, and one line for everything that is not."""

import shlex
import subprocess
import sys
from typing import Any

import pytest

from vqe_prune import config, setting_types
from vqe_prune.__main__ import main
from vqe_prune.config import parse_settings
from vqe_prune.errors import InputError
from vqe_prune.molecule_input import read_geometry
from vqe_prune.settings import MoleculeSettings

BAD = {
    "molecule=LiF": "did you mean LiH",
    "molecule=": "needs a name or a file",
    "molecule=nowhere.yaml": "no such file",
    "molecule=/etc/hosts": "must end in .yaml or .xyz",
    "molecul=LiH": "did you mean molecule",
    "LiH": "write molecule=LiH",
    "--molecule": "unknown option",
    "pruner=curvatur": "did you mean curvature",
    "pruner=[]": "must name each rule once",
    "pruner=[curvature,curvature]": "must name each rule once",
    "pruner=[curvature,symmetry]": "symmetry comes first",
    "pruner.tolerence=1e-3": "did you mean pruner.tolerance",
    "pruner.tolerance=0": "above 0",
    "pruner.tolerance=nan": "above 0",
    "pruner.tolerance=-1e-3": "above 0",
    "pruner.tolerance=small": "pruner.tolerance=small is not a number",
    "pruner.weights=2": "pruner.weights=2 is not a list of numbers in brackets: [1,1,0.1]",
    "pruner.condense=maybe": "pruner.condense=maybe is not true or false",
    "molecule.active_space=[a,b]": "molecule.active_space=[a,b] must be [electrons,orbitals]",
    "molecule.active_space=[1,[2]]": "molecule.active_space=[1,[2]] must be [electrons,orbitals]",
    "pruner=[[a]]": "pruner.rules=[[a]] is not a list of names",
    "pruner=[null]": "pruner.rules=[null] is not a list of names",
    "encoding=pairs": "did you mean partial_pairs",
    "seed=null": "seed=null is not a whole number",
    "device.wait=maybe": "device.wait=maybe is not true or false",
    "device.shots=1.5": "device.shots=1.5 is not a whole number",
    "pruner.parameters=-1": "0 or more",
    "pruner.parameters=2.5": "pruner.parameters=2.5 is not a whole number",
    "pruner.relative_to=fci": "unknown pruner.relative_to",
    "ansatz=uccs": "did you mean uccsd",
    "molecule.charge=one": "molecule.charge=one is not a whole number",
    "molecule.charge=true": "molecule.charge=true is not a whole number",
    "molecule.active_space=4": "molecule.active_space=4 must be [electrons,orbitals]",
    "molecule.active_space=[4]": "[electrons,orbitals]",
    "molecule.active_space=[0,2]": "[electrons,orbitals]",
    "molecule.basis={a: 1}": "must be a name, or a name for each element",
    "seed={a: 1}": "a mapping is not a value",
    "model=tfin": "did you mean tfim",
    "model=": "needs a name or a file",
    "model=nowhere.txt": "no such file",
    "model.n=4": "need a model",
    "ansatz=hva2": "did you mean hva",
    "training.method=adam": "no effect with ansatz=uccsd",
    "pruner=eqntk": "not for an ansatz of excitations",
    "ansatz.layers=3": "no effect with ansatz=uccsd",
    "seed=-1": "0 or more",
    "seed=1,2": "several values for one run",
    "seed=range(3)": "several values for one run",
    "seed=[": "cannot be read",
    "threads=0": "above 0",
    "optimizer.max_steps=0": "above 0",
    "output_dir=${oc.env:HOME}": "interpolation",
    "hydra.launcher._target_=os.system": "unknown setting",
    "hydra/launcher=submitit": "unknown setting",
    "+molecule.spin=2": "unknown setting",
    "~seed": "not a setting",
}


@pytest.mark.parametrize("argument", BAD)
def test_bad_settings_are_one_line_with_a_hint(argument: str, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([argument]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("vqe_prune: ") and err.count("\n") == 1
    assert BAD[argument] in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pruner=symmetry", "pruner.tolerance=1e-3"], "no effect with pruner=symmetry"),
        (["pruner.parameters=3", "pruner.tolerance=1e-3"], "no effect beside pruner.parameters"),
        (["exact=false", "pruner.relative_to=exact"], "needs the exact energy"),
        (["seed=1", "seed=2"], "set twice"),
        (["model=tfim", "molecule=LiH"], "no effect beside model"),
        (["model=tfim", "model.delta=1"], "model.delta has no effect with model=tfim"),
        (["model=tfim", "model.lattice=rin"], "did you mean ring"),
        (["model=tfim", "ansatz=uccsd"], "needs a molecule"),
        (["model=tfim", "ansatz=hva", "ansatz.entangler=zz"], "no effect with ansatz=hva"),
        (["model=tfim", "ansatz.entangler=czz"], "did you mean"),
        (["model=tfim", "ansatz.blocks=[x,w]"], "unknown ansatz.blocks=w"),
        (["model=tfim", "ansatz.layers=0"], "at least 1"),
        (["model=tfim", "pruner=symmetry"], "try pruner=eqntk"),
        (["model=tfim", "pruner=[curvature,eqntk]"], "comes first"),
        (["model=tfim", "pruner.tolerance=1e-3"], "no effect with pruner=eqntk"),
        (["model=tfim", "exact=false"], "needs the exact energy"),
        (["model=tfim", "training.method=sgd"], "unknown training.method"),
        (["model=tfim", "training.method=l-bfgs", "training.learning_rate=0.1"], "no effect with training.method"),
        (["model=tfim", "training.seeds=0"], "above 0"),
        (["model=xxz", "model.electrons=[1,1]"], "no effect with model=xxz"),
        (["model=sum.txt", "model.n=3"], "no effect with a Pauli sum"),
        (["pruner=random", "pruner.rules=[random]"], "set twice"),
    ],
)
def test_settings_without_effect_are_errors(arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_settings(arguments)


def test_a_single_word_is_a_list_of_one() -> None:
    device = ["device=weber"]
    for word, listed in {"device.stages": "pruned", "device.mitigation": "readout"}.items():
        assert parse_settings([*device, f"{word}={listed}"]) == parse_settings([*device, f"{word}=[{listed}]"])
    for none in ("none", "[none]"):
        settings = parse_settings([*device, f"device.mitigation={none}"])
        assert settings == parse_settings([*device, "device.mitigation=[]"])
    assert parse_settings([*device, "device.mitigation=auto"]) == parse_settings(device)
    assert parse_settings(["pruner.rules=fisher"]) == parse_settings(["pruner=fisher"])
    qubits = ["model=tfim", "ansatz=hardware_efficient"]
    assert parse_settings([*qubits, "ansatz.blocks=x"]) == parse_settings([*qubits, "ansatz.blocks=[x]"])
    with pytest.raises(InputError, match="did you mean readout"):
        parse_settings([*device, "device.mitigation=readouts"])


def test_every_kind_of_setting_has_words() -> None:
    unset = set(config.OF_PROGRAM)
    assert set(setting_types.kinds()) == {*config._known_keys(config.Settings), *unset}
    kinds = {kind for key, kind in setting_types.kinds().items() if key not in unset}
    assert kinds == {*setting_types.KINDS, Any}


FILES = {
    "empty.xyz": (b"", "the file is empty"),
    "binary.xyz": (b"\x80\x81\xff\x00", "not a text file"),
    "count.xyz": (b"3\n\nH 0 0 0\nH 0 0 1\n", "announces 3 atoms, but 2"),
    "first.xyz": (b"H 0 0 0\n", "must be the number of atoms"),
    "row.xyz": (b"1\n\nH 0 0\n", "an element and x y z"),
    "empty.yaml": (b" \n", "the file is empty"),
    "binary.yaml": (b"\x80\x81\xff\x00", "not a text file"),
    "list.yaml": (b"[1, 2]", "must hold fields"),
    "broken.yaml": (b"[1, 2", "not YAML"),
    "field.yaml": (b"geometry: H 0 0 0\nbond: 1\n", "unknown field 'bond'"),
    "missing.yaml": (b"basis: sto-3g\n", "the field geometry is missing"),
    "nested.yaml": (b"geometry: {a: b}\n", "must be text or a number"),
    "type.yaml": (b"geometry: H 0 0 0\ncharge: [1]\n", "must be text or a number"),
    "number.yaml": (b"geometry: H 0 0 0\ncharge: much\n", "molecule.charge=much is not a whole number"),
    "call.yaml": (b'geometry: !!python/object/apply:os.system ["touch ran"]\n', "not YAML"),
    "interpolation.yaml": (b"geometry: ${oc.env:HOME}\n", "interpolation"),
    "deep.yaml": (b"geometry: " + b"[" * 5000, "not YAML"),
    "large.yaml": (b"geometry: H 0 0 0\n" + b"#" * 2**20, "larger than"),
}


@pytest.mark.parametrize("name", FILES)
def test_broken_molecule_files_are_one_line(name: str, tmp_path, monkeypatch) -> None:
    content, message = FILES[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        parse_settings([f"molecule={name}"])
    assert message in str(caught.value) and name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


GEOMETRIES = {
    "": "is empty",
    "H 0 0": "Z-matrix row",
    "H 0 0 0\nH 1 1": "symbol x y z",
    "H 0 0 0\nH 0 0 x": "neither a number nor",
    "H 0 0 0\nH 0 0 nan": "not a finite number",
    "H 0 0 0\nH 0 0 __import__('os')": "neither a number nor",
    "H 0 0 0\nH 0 0 2*angle": "molecule.angle is used but has no value",
    "O\nH 2 1.0": "different earlier atoms",
    "O\nH 1 1.0\nH 1 1.0 1 90": "different earlier atoms",
    "O\nH 1 -1.0": "a length above 0",
    "O\nH 1 1.0\nH 1 1.0 2 200": "an angle in",
}


@pytest.mark.parametrize("text", GEOMETRIES)
def test_broken_geometries_are_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_geometry(MoleculeSettings(name="test", geometry=text))
    assert GEOMETRIES[text] in str(caught.value) and "\n" not in str(caught.value)


def test_geometries_are_read() -> None:
    rows = read_geometry(MoleculeSettings(geometry="h 0 0 -bond_length; LI 1e0 0 .5*bond_length", bond_length=2.0))
    assert rows == (("H", (0.0, 0.0, -2.0)), ("Li", (1.0, 0.0, 1.0)))
    water = read_geometry(MoleculeSettings(geometry="O\nH 1 1.0\nH 1 1.0 2 angle", angle=90.0))
    first, second = (position for _, position in water[1:])
    assert sum(a * b for a, b in zip(first, second, strict=True)) == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(InputError, match="no effect"):
        read_geometry(MoleculeSettings(geometry="H 0 0 0", bond_length=1.0))


def test_settings_are_parsed_with_their_types(tmp_path) -> None:
    file = tmp_path / "water.yaml"
    file.write_text("geometry: |\n  O\n  H 1 bond_length\n  H 1 bond_length 2 104.5\nbond_length: 0.96\ncharge: 0\n")
    settings = parse_settings(
        [
            f"molecule={file}",
            "molecule.bond_length=1",
            "molecule.active_space=[4,4]",
            "pruner=magnitude",
            "pruner.tolerance=1e-3",
            "seed=7",
        ]
    )
    assert settings.molecule.name == "water"
    assert settings.molecule.bond_length == 1.0
    assert settings.molecule.active_space == [4, 4]
    assert settings.pruner.rules == ["symmetry", "magnitude"]
    assert settings.seed == 7
    assert parse_settings(["pruner=[magnitude]"]).pruner.rules == ["magnitude"]
    assert parse_settings([]).molecule.name == "LiH"


def test_the_digest_names_what_decides_the_result() -> None:
    base = config.digest(parse_settings([]))
    assert config.digest(parse_settings(["output_dir=elsewhere", "threads=1"])) == base
    assert config.digest(parse_settings(["molecule.bond_length=1.595"])) == base
    assert config.digest(parse_settings(["molecule.bond_length=1.6"])) != base
    odd = parse_settings(["molecule.name='../../etc'"])
    assert config.output_folder(odd).parts[:2] == ("outputs", "______etc")


def test_the_command_line_repeats_the_settings(tmp_path, monkeypatch) -> None:
    from dataclasses import asdict

    arguments = ["molecule=H2O", "molecule.active_space=[4,4]", "pruner=fisher", "pruner.parameters=2"]
    settings = parse_settings(arguments)
    command = config.command_line(asdict(settings))
    assert parse_settings(shlex.split(command)[3:]) == settings
    assert config.command_line(asdict(parse_settings([]))) == "python -m vqe_prune molecule=LiH"
    (tmp_path / "LiH.xyz").write_text("2\n\nLi 0 0 0\nH 0 0 1.7\n")  # not the molecule of this name
    monkeypatch.chdir(tmp_path)
    arguments = ["molecule=LiH.xyz", "molecule.basis=6-31g"]
    command = config.command_line(asdict(parse_settings(arguments)))
    assert command == "python -m vqe_prune molecule=LiH.xyz molecule.basis=6-31g"
    renamed = parse_settings(["molecule=H2", "molecule.name=../H2"])
    assert config.command_line(asdict(renamed)) == "python -m vqe_prune molecule=H2 molecule.name=../H2"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["study=scan", "scan.bond_length=[1.0,3.5,0.1]"], "'scan.bond_length=[1.0,3.5,0.1]'"),
        (["molecule=H2", "pruner=lie"], "'pruner=[symmetry,lie]'"),
        (["device=weber", "device.mitigation=[readout,zne]"], "device=weber 'device.mitigation=[readout,zne]'"),
        (["molecule=H2", "molecule.geometry='H 0 0 0; H 0 0 bond_length'"], '="H 0 0 0; H 0 0 bond_length"\''),
        (["molecule=H2", "molecule.name='a \"b, c'"], '\'molecule.name="a \\"b, c"\''),
    ],
)
def test_the_command_line_can_be_pasted_into_any_shell(arguments: list[str], expected: str) -> None:
    """Zsh takes brackets for patterns, and all shells take spaces and semicolons for their own."""
    from dataclasses import asdict

    settings = parse_settings(arguments)
    command = config.command_line(asdict(settings))
    assert expected in command and parse_settings(shlex.split(command)[3:]) == settings


def test_help_and_version_need_no_chemistry() -> None:
    code = "import sys; from vqe_prune.__main__ import main; main(sys.argv[1:]); print(sorted(sys.modules))"
    for option, text in (("--help", "molecule=NAME"), ("--version", "0.1.0")):
        done = subprocess.run([sys.executable, "-c", code, option], capture_output=True, text=True, check=True)
        assert text in done.stdout
        for heavy in ("pyscf", "cirq", "openfermion", "numba", "scipy", "matplotlib"):
            assert f"'{heavy}'" not in done.stdout


def test_every_setting_is_in_the_help(capsys) -> None:
    main(["--help"])
    text = capsys.readouterr().out
    for key in config._known_keys(config.Settings):
        short = {
            "molecule.name": "molecule=NAME",
            "molecule.geometry": "geometry",
            "ansatz.name": "ansatz=",
            "model.name": "model=NAME",
            "device.name": "device=",
            "task.name": "task=",
        }
        shown = short.get(key, "pruner=" if key == "pruner.rules" else f"{key}=")
        assert shown in text, key


def test_the_help_explains_what_a_name_does_not_say(capsys) -> None:
    main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    text = " ".join(" ".join(lines).split())
    for words in (
        "training.steps= of adam from each random start",
        "also pairs: one qubit for each orbital",
        "reference subtracts the error of the same circuit at angles of almost zero",
        "it starts at the reference, angles of almost zero, or at the angles of the pruned ansatz",
        "four points between zero angles and the optimum, or to the reference state",
    ):
        assert words in text
