"""FCIDUMP files in and out against PySCF's reader and writer, and one line for everything that is wrong with one."""

from pathlib import Path

import numpy as np
import pytest
from conftest import GEOMETRIES

import vqe_prune as vp
from vqe_prune import config
from vqe_prune.__main__ import main
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.electrons import Electrons, aufbau_order
from vqe_prune.errors import InputError
from vqe_prune.fcidump import fcidump_text, read_header, read_integrals
from vqe_prune.inputs import set_up
from vqe_prune.problem import Problem, molecular_problem, problem_from_fcidump
from vqe_prune.prune.symmetry import symmetry_plan

HEADER = "&FCI NORB=2,NELEC=2,MS2=0,\n ORBSYM=1,5,\n ISYM=1,\n&END\n"
BODY = "0.7 1 1 1 1\n0.2 1 2 1 2\n0.6 2 2 1 1\n0.7 2 2 2 2\n-1.2 1 1 0 0\n-0.5 2 2 0 0\n0.7 0 0 0 0\n"


def shuffled(electrons: Electrons, order: list[int]) -> Electrons:
    """The same integrals in another order; the reference then fills other orbitals than the file means."""
    return Electrons(
        one_body=electrons.one_body[np.ix_(order, order)],
        two_body=electrons.two_body[np.ix_(order, order, order, order)],
        constant=electrons.constant,
        n_alpha=electrons.n_alpha,
        n_beta=electrons.n_beta,
        irreps=electrons.irreps[order],
        group=electrons.group,
    )


def same_energies(one: Problem, other: Problem, keys: tuple[str, ...] = ("hf", "mp2", "ccsd", "exact")) -> None:
    for key in keys:
        assert one.energies[key] == pytest.approx(other.energies[key], abs=1e-10), key  # the file keeps 17 digits


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [4, 2, 5, 1, 0, 3]])
def test_a_round_trip_keeps_all_energies_in_any_order_of_orbitals(molecular, tmp_path: Path, order) -> None:
    lih, path = molecular("LiH"), tmp_path / "LiH.fcidump"
    path.write_text(fcidump_text(shuffled(lih.electrons, order)))
    read = problem_from_fcidump(path)
    same_energies(read, lih)
    assert read.electrons.group == "C2v, C2h or D2" and read.notes[0] == "Irreps: those of ORBSYM, 3 of C2v, C2h or D2"
    assert (len(read.notes) == 2) == (order[0] != 0)  # orbitals that were moved are named
    if order[0] != 0:
        assert read.notes[1].endswith("5 4 2 1 6 3")  # where the six were in the file, the pi pair as it stood there
    listed = [order.index(k) + 1 for k in (1, 2, 5)]  # by their numbers in this file
    molecule = vp.Molecule(name="LiH", atoms=GEOMETRIES["LiH"], active_orbitals=(2, 3, 6))
    same_energies(problem_from_fcidump(path, active_orbitals=listed), molecular_problem(molecule))
    ansatz = uccsd(6, 2, 2)
    kept = [len(symmetry_plan(each, ansatz).survivors) for each in (read, lih)]
    assert kept[0] == kept[1] < 60


def test_integrals_are_those_that_pyscf_reads(molecular, tmp_path: Path) -> None:
    from pyscf import ao2mo
    from pyscf.tools import fcidump

    for name in ("LiH", "H6"):
        path = tmp_path / name
        path.write_text(fcidump_text(molecular(name).electrons))
        theirs, ours = (
            fcidump.read(str(path), molpro_orbsym=True, verbose=False),
            read_integrals(path, read_header(path)),
        )
        n = theirs["NORB"]
        np.testing.assert_array_equal(ours.one_body, theirs["H1"])
        np.testing.assert_array_equal(ours.two_body, ao2mo.restore(1, theirs["H2"], n))
        assert ours.constant == theirs["ECORE"]
        labels = problem_from_fcidump(path, exact=False).electrons.irreps
        assert labels.tolist() == theirs["ORBSYM"]  # PySCF's own numbers, where it takes the file's for MOLPRO's


def test_open_shells_and_active_spaces_of_files_are_those_of_molecules(molecular, tmp_path: Path) -> None:
    oh = molecular_problem(vp.Molecule(name="OH", atoms=(("O", (0, 0, 0)), ("H", (0, 0, 0.97))), spin=1))
    path = tmp_path / "OH.fcidump"
    path.write_text(fcidump_text(oh.electrons))
    same_energies(problem_from_fcidump(path), oh)
    atoms = GEOMETRIES["H2O"]
    path.write_text(fcidump_text(molecular("H2O").electrons))
    for fields in ({"active_space": (4, 4)}, {"active_orbitals": (2, 4, 6, 7)}):
        same_energies(
            problem_from_fcidump(path, **fields), molecular_problem(vp.Molecule(name="H2O", atoms=atoms, **fields))
        )
    triplet = problem_from_fcidump(path, spin=2, exact=False)
    assert triplet.n_electrons == (6, 4)


def test_files_as_other_programs_write_them(tmp_path: Path) -> None:
    plain, other = tmp_path / "plain", tmp_path / "other"
    plain.write_text(HEADER + BODY)
    other.write_text(
        " $fci norb = 2 , nelec=2,\n orbsym= 2*1\n uhf=.false., nprop=0 /\n\n 0.7D+00 1 1 1 1\n2.0d-1 1 2 1 2\n"
        "0.2 2 1 2 1\n0.6 1 1 2 2\n0.6 2 2 1 1\n0.7 2 2 2 2\n\n-1.2 1 1 0 0\n-.5 2 2 0 0\n-0.9 1 0 0 0\n0.1 2 0 0 0\n"
        "0.7 0 0 0 0\n"
    )
    one, two = problem_from_fcidump(plain), problem_from_fcidump(other)
    same_energies(one, two)
    assert one.energies["hf"] == pytest.approx(2 * -1.2 + 0.7 + 0.7, abs=1e-14)
    mean, gap = (-1.0 + 0.4) / 2, np.hypot((0.4 + 1.0) / 2, 0.2)  # two determinants: 2 h + J each, coupled by K
    assert one.energies["exact"] == pytest.approx(mean - gap, abs=1e-9)
    assert (one.electrons.group, two.electrons.group) == ("D2h", "C1")
    assert one.electrons.irreps.tolist() == [0, 5]  # B1u is MOLPRO's 5th irrep of D2h
    first = tmp_path / "wrong"
    first.write_text(HEADER.replace("1,5", "1,2") + BODY + "0.3 2 1 0 0\n")
    wrong = problem_from_fcidump(first)
    assert "forbids an integral of 3.0e-01" in wrong.warnings[0] and not wrong.electrons.irreps.any()
    assert any("not a Hartree-Fock state" in note for note in wrong.notes) and wrong.energies["mp2"] is None


def test_the_reference_is_the_lowest_determinant_of_its_own_fock_operator(molecular) -> None:
    from itertools import combinations

    electrons = molecular("H2O").electrons
    order = np.random.default_rng(3).permutation(7).tolist()
    moved = shuffled(electrons, order)
    found = aufbau_order(moved.one_body, moved.two_body, 5, 5)
    energies = {}
    for filled in combinations(range(7), 5):
        rest = [p for p in range(7) if p not in filled]
        energies[filled] = shuffled(moved, [*filled, *rest]).reference_energy
    assert tuple(sorted(found[:5].tolist())) == min(energies, key=energies.get)


BAD = {
    "": "must begin with &FCI",
    "hello": "must begin with &FCI",
    "\x00\xff": "must begin with &FCI",
    "&FCI NORB=2,NELEC=2": "must end with &END",
    "&FCI 2,2 &END\n": "is not NAME=VALUE",
    "&FCI NELEC=2 &END\n": "NORB is missing",
    "&FCI NORB=2 &END\n": "NELEC is missing",
    "&FCI NORB=x,NELEC=2 &END\n": "NORB=x must be a whole number",
    "&FCI NORB=2.5,NELEC=2 &END\n": "NORB=2.5 must be a whole number",
    "&FCI NORB=0,NELEC=2 &END\n": "NORB=0 must be from 1",
    "&FCI NORB=999999999,NELEC=2 &END\n": "NORB=999999999 must be from 1",
    "&FCI NORB=2,NELEC=0 &END\n": "NELEC=0 must be from 1 to 4",
    "&FCI NORB=2,NELEC=5 &END\n": "NELEC=5 must be from 1 to 4",
    "&FCI NORB=2,NELEC=2,MS2=1 &END\n": "MS2=1 (alpha minus beta",
    "&FCI NORB=2,NELEC=2,MS2=-2 &END\n": "MS2=-2 (alpha minus beta",
    "&FCI NORB=2,NELEC=4,MS2=2 &END\n": "MS2=2 (alpha minus beta",
    "&FCI NORB=2,NELEC=2,IUHF=1 &END\n": "unrestricted orbitals",
    "&FCI NORB=2,NELEC=2,UHF=.TRUE. &END\n": "unrestricted orbitals",
    "&FCI NORB=2,NELEC=2,ORBSYM=1 &END\n": "ORBSYM has 1 entries, but NORB is 2",
    "&FCI NORB=2,NELEC=2,ORBSYM=1,A &END\n": "ORBSYM must be a list of whole numbers",
    "&FCI NORB=2,NELEC=2,ORBSYM=1,-2 &END\n": "ORBSYM must be a list of whole numbers",
    HEADER: "no integrals follow",
    HEADER + "nonsense": "rows must be a value and four indices: could not convert string 'nonsense'",
    HEADER + "0.7 1 1 1\n": "but they have 4 numbers",
    HEADER + "0.7 1 1 1 1\n0.2 1 2 1\n": "rows must be a value and four indices",
    HEADER + BODY.replace("0.2", "nan"): "row 2 after the header holds a number that is not finite",
    HEADER + BODY.replace("0.2", "inf"): "row 2 after the header holds a number that is not finite",
    HEADER + BODY.replace("2 2 2 2", "2 2 2 3"): "row 4 after the header has the indices 2 2 2 3, but orbitals count",
    HEADER + BODY.replace("2 2 2 2", "2 2 2 -1"): "has the indices 2 2 2 -1",
    HEADER + BODY.replace("2 2 2 2", "2 2 2 1.5"): "has the indices 2 2 2 1.5",
    HEADER + BODY.replace("2 2 2 2", "2 0 2 2"): "has the indices 2 0 2 2, which mean nothing",
    HEADER + BODY.replace("0.7 0 0 0 0\n", ""): "the file is cut off",
    HEADER + BODY + "0.0 0 0 0 0\n": "but 2 do (integrals of unrestricted",
    HEADER + BODY + "0.3 1 2 2 1\n": "are one integral of real orbitals, but they hold 0.2 and 0.3",
    HEADER + BODY + "0.3 1 1 0 0\n": "are one integral of real orbitals, but they hold -1.2 and 0.3",
    HEADER + "(0.7,0.1) 1 1 1 1\n": "complex integrals",
    HEADER + "0.0 1 1 1 1\n0.0 0 0 0 0\n": "holds no integral",
}


@pytest.mark.parametrize("text", BAD)
def test_broken_files_are_one_line(text: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.FCIDUMP").write_bytes(text.encode("latin-1"))
    assert main(["molecule=broken.FCIDUMP"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("vqe_prune: broken.FCIDUMP: ") and err.count("\n") == 1
    assert BAD[text] in err
    assert [path.name for path in tmp_path.iterdir()] == ["broken.FCIDUMP"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("molecule.basis=6-31g", "molecule.basis has no effect on the integrals"),
        ("molecule.charge=1", "molecule.charge has no effect"),
        ("molecule.bond_length=1.0", "molecule.bond_length has no effect"),
        ("molecule.frozen_core=true", "molecule.frozen_core has no effect"),
        ("molecule.orbitals=uno", "molecule.orbitals has no effect"),
        ("molecule.ecp=lanl2dz", "molecule.ecp has no effect"),
        ("molecule.geometry=H", "molecule.geometry has no effect"),
        ("molecule.active_space=auto", "needs a geometry"),
        ("molecule.active_space=[4,2]", "larger than"),
        ("molecule.active_orbitals=[2]", "holds empty orbitals alone"),
        ("molecule.active_orbitals=[3]", "from 1 to 2"),
        ("molecule.spin=1", "impossible with 2 electrons in 2 orbitals"),
        ("molecule.fcidump=other", "unknown setting"),
    ],
)
def test_settings_that_a_file_has_no_use_for_are_errors(
    setting: str, message: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("integrals.txt").write_text(HEADER + BODY)  # known by its content
    with pytest.raises(InputError) as caught:
        set_up(config.parse_settings(["molecule=integrals.txt", setting]), lambda text: None)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_decides_the_study_by_its_content_and_the_command_names_it(tmp_path: Path, monkeypatch) -> None:
    from dataclasses import asdict

    monkeypatch.chdir(tmp_path)
    Path("LiH.fcidump").write_text(HEADER + BODY)  # not the molecule of that name
    settings = config.parse_settings(["molecule=LiH.fcidump"])
    assert (settings.molecule.name, settings.molecule.basis, settings.molecule.orbitals) == ("LiH", None, None)
    assert list(settings.file_contents) == ["molecule"]
    assert config.command_line(asdict(settings)) == "python -m vqe_prune molecule=LiH.fcidump"
    Path("LiH.fcidump").write_text(HEADER + BODY.replace("0.6", "0.5"))
    assert config.digest(config.parse_settings(["molecule=LiH.fcidump"])) != config.digest(settings)
    said: list[str] = []
    problem, ansatz = set_up(settings, said.append)
    assert said == ["LiH: reference energies, exact energy ...", "Irreps: those of ORBSYM, 2 of D2h"]
    assert isinstance(problem, Problem) and problem.name == "LiH" and len(ansatz.rotations) == 3
    qubits, _ = set_up(
        config.parse_settings(["molecule=LiH.fcidump", "ansatz=hva", "exact=false", "pruner=fisher"]), said.append
    )
    assert qubits.electrons is not None and qubits.n_qubits == 4
