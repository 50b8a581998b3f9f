"""Active spaces and natural orbitals against PySCF's CASCI, FCI and densities; elements with core potentials."""

import numpy as np
import pytest
from conftest import GEOMETRIES
from pyscf import ao2mo, fci, gto, mcscf, mp, scf
from pyscf.data.elements import chemcore

import vqe_prune as vp
from vqe_prune import basis_sets, config
from vqe_prune.__main__ import main
from vqe_prune.active_space import Shells, space_by_list
from vqe_prune.chemistry import Molecule, _build, _core_orbitals, solve_mean_field
from vqe_prune.errors import InputError
from vqe_prune.problem import molecular_problem, problem_from_fcidump
from vqe_prune.report import read_record

WATER = {"name": "H2O", "atoms": GEOMETRIES["H2O"]}
STRETCHED = {"name": "N2", "atoms": (("N", (0, 0, 0)), ("N", (0, 0, 1.8)))}
AGH = {
    "name": "AgH",
    "atoms": (("Ag", (0, 0, 0)), ("H", (0, 0, 1.617))),
    "basis": {"Ag": "lanl2dz", "H": "6-31g"},
    "ecp": "lanl2dz",
}


def test_listed_orbitals_are_those_of_pyscfs_sort_mo() -> None:
    mean_field = scf.RHF(gto.M(atom=list(GEOMETRIES["H2O"]), basis="sto-3g", verbose=0)).run(conv_tol=1e-12)
    for listed, electrons in (((2, 4, 6, 7), 4), ((3, 6), 2), ((7, 1, 5), 4)):
        problem = molecular_problem(Molecule(**WATER, active_orbitals=listed))
        cas = mcscf.CASCI(mean_field, len(listed), electrons)
        expected = cas.kernel(cas.sort_mo(sorted(listed)))[0]  # PySCF too counts from 1
        assert problem.energies["exact"] == pytest.approx(expected, abs=1e-8)
        assert problem.energies["hf"] == pytest.approx(mean_field.e_tot, abs=1e-8)
        assert problem.n_electrons == (electrons // 2, electrons // 2)
    assert "4 electrons in 3 orbitals: numbers 1, 5, 7 of 7, occupations 2 2 0" in problem.notes[0]


def test_uhf_natural_orbitals_are_those_of_its_density() -> None:
    mol = gto.M(atom=list(STRETCHED["atoms"]), basis="sto-3g", verbose=0)
    start = [np.diag(x) for x in ([1.0, 1, 1, 1, 1, 1, 1, 0, 0, 0], [1.0, 1, 0, 0, 0, 1, 1, 1, 1, 1])]  # 2p up, 2p down
    unrestricted = scf.UHF(mol).set(conv_tol=1e-12)
    unrestricted.kernel(dm0=np.array(start))
    overlap = mol.intor("int1e_ovlp")
    values, vectors = np.linalg.eigh(overlap)
    root = vectors * np.sqrt(values) @ vectors.T
    density = root @ sum(unrestricted.make_rdm1()) @ root
    occupations, orbitals = np.linalg.eigh(density)
    problem = molecular_problem(Molecule(**STRETCHED, orbitals="uno", active_space="auto"))
    shown = [float(word) for word in problem.notes[0].rpartition("occupations ")[2].split()]
    inside = np.sort(occupations[(occupations > 0.02) & (occupations < 1.98)])[::-1]
    assert shown == pytest.approx(inside, abs=6e-5)  # four decimals are shown, SCF ends at 1e-6 in its density
    assert problem.n_electrons == (3, 3) and len(set(problem.electrons.irreps.tolist())) == 6
    natural = np.linalg.solve(root, orbitals[:, ::-1])
    cas = mcscf.CASCI(scf.RHF(mol).run(), 6, 6)
    assert problem.energies["exact"] == pytest.approx(cas.kernel(natural)[0], abs=1e-6)  # second order in the orbitals
    determinant = scf.RHF(mol).energy_tot(dm=2 * natural[:, :7] @ natural[:, :7].T)
    assert problem.energies["reference"] == pytest.approx(determinant, abs=1e-5)  # first order in them
    assert problem.energies["hf"] == pytest.approx(scf.RHF(mol).run(conv_tol=1e-12).e_tot, abs=1e-8)
    assert problem.energies["reference"] > problem.energies["hf"] + 1e-3


def test_natural_orbitals_of_all_orbitals_leave_the_exact_energy(molecular) -> None:
    water = molecular("H2O")
    natural = molecular_problem(Molecule(**WATER, orbitals="mp2_natural"))
    assert natural.energies["exact"] == pytest.approx(water.energies["exact"], abs=1e-9)
    for key in ("hf", "mp2", "ccsd"):  # filled orbitals turn among themselves: the reference is the same state
        assert natural.energies[key] == pytest.approx(water.energies[key], abs=1e-7)
    assert natural.electrons.reference_energy == pytest.approx(water.energies["hf"], abs=1e-9)
    assert "reference" not in natural.energies and set(natural.dipoles) == {"hf", "exact"}
    assert np.abs(natural.electrons.two_body - water.electrons.two_body).max() > 1e-3
    assert sorted(natural.electrons.irreps.tolist()) == sorted(water.electrons.irreps.tolist())
    field = scf.RHF(gto.M(atom=list(GEOMETRIES["H2O"]), basis="sto-3g", verbose=0)).run(conv_tol=1e-12)
    expected = np.linalg.eigvalsh(mp.MP2(field).run(verbose=0).make_rdm1())[::-1]
    shown = [float(word) for word in natural.notes[0].rpartition("occupations ")[2].split()]
    assert shown == pytest.approx(expected, abs=6e-5)
    frozen = {"name": "LiH", "atoms": GEOMETRIES["LiH"], "frozen_core": True}
    energies = [molecular_problem(Molecule(**frozen, orbitals=k)).energies["exact"] for k in ("hf", "mp2_natural")]
    assert energies[0] == pytest.approx(energies[1], abs=1e-9)  # the core is that of RHF in both
    hydroxyl = {"name": "OH", "atoms": (("O", (0, 0, 0)), ("H", (0, 0, 0.97))), "spin": 1}
    for kind in ("uno", "mp2_natural"):
        radical = molecular_problem(Molecule(**hydroxyl, orbitals=kind))
        mol = gto.M(atom=list(hydroxyl["atoms"]), basis="sto-3g", spin=1, verbose=0)
        c = scf.ROHF(mol).run().mo_coeff
        h, g = c.T @ scf.hf.get_hcore(mol) @ c, ao2mo.kernel(mol, c)
        assert radical.energies["exact"] == pytest.approx(
            fci.direct_spin1.kernel(h, g, 6, mol.nelec, ecore=mol.energy_nuc(), conv_tol=1e-11)[0], abs=1e-7
        )


BAD = {
    "molecule.active_orbitals=[]": "must be a list of orbitals",
    "molecule.active_orbitals=[0,1]": "counted from 1",
    "molecule.active_orbitals=[2,2]": "must name each orbital once",
    "molecule.active_orbitals=[2,9]": "from 1 to 6",
    "molecule.active_orbitals=[3,4]": "holds empty orbitals alone",
    "molecule.active_orbitals=3": "molecule.active_orbitals",
    "molecule.active_space=[4,4.5]": "[electrons,orbitals], both at least 1, or auto",
    "molecule.active_space=automatic": "[electrons,orbitals], both at least 1, or auto",
    "molecule.active_space=auto": "leaves nothing to correlate in LiH: natural occupations around the Fermi level are",
    "molecule.orbitals=rohf": "did you mean hf?",
    "molecule.orbitals=uno": "UHF of LiH is RHF",
    "molecule.occupation_threshold=0.1": "is of molecule.active_space=auto",
    "molecule.active_space=auto molecule.occupation_threshold=1": "between 0 and 1",
    "molecule.active_space=auto molecule.occupation_threshold=nan": "between 0 and 1",
    "molecule.active_space=auto molecule.orbitals=hf": "needs natural orbitals",
    "molecule.active_space=auto molecule.frozen_core=true": "molecule.frozen_core has no effect beside",
    "molecule.active_orbitals=[2,3] molecule.frozen_core=true": "molecule.frozen_core has no effect beside",
    "molecule.active_orbitals=[2,3] molecule.active_space=[2,2]": "no effect beside molecule.active_orbitals",
    "molecule.basis=cc-pvdx": "did you mean ccpvdz",
    "molecule.basis=6-31g(d,q,p)": "does not cover",
    "molecule.basis=/etc/passwd": "PySCF has no such basis set",
    "molecule.basis=sto-3g@x": "PySCF has no such basis set",
    "molecule.basis={Li:cc-pvdz}": "has no basis set for H; add H: NAME",
    "molecule.basis={Li:cc-pvdz,H:sto-3g,O:sto-3g}": "molecule.basis of O has no effect",
    "molecule.basis={Li:cc-pvdz,Hx:sto-3g}": "unknown element 'Hx'; did you mean H",
    "molecule.basis={Li:cc-pvdz,H:3}": "must be a name, or a name for each element",
    "molecule.basis={}": "must be a name, or a name for each element",
    "molecule.basis={Li:stuttgart,H:sto-3g}": "is made for a potential in place of 2 core electrons; add molecule.ecp",
    "molecule.ecp=lanl2dx": "no such effective core potential; did you mean lanl2dz",
    "molecule.ecp=lanl2dz": "it has no potential for Li, H",
    "molecule.ecp={H:lanl2dz}": "has no potential for H; leave H out",
    "molecule.ecp={Ag:lanl2dz}": "molecule.ecp of Ag has no effect",
    "molecule.ecp=stuttgart molecule.charge=2": "charge 2 leaves 0 electrons",
    "molecule.ecp={Li:stuttgart} molecule.frozen_core=true": "molecule.frozen_core=true has no effect",
}


@pytest.mark.parametrize("arguments", BAD)
def test_what_cannot_be_is_one_line(arguments: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["molecule=LiH", *arguments.split()]) == 2
    err = capsys.readouterr().err
    assert err.startswith("vqe_prune: ") and err.count("\n") == 1
    assert BAD[arguments] in err
    assert list(tmp_path.iterdir()) == []


def test_singly_occupied_orbitals_must_be_active() -> None:
    shells = Shells(name="O2", n_electrons=16, spin=2, n_orbitals=10)
    with pytest.raises(InputError, match="singly occupied orbitals too: add 9"):
        space_by_list(shells, (7, 8), range(10))
    space = space_by_list(shells, (9, 8, 5), range(10))
    assert (space.core, space.active, space.n_alpha, space.n_beta) == ((0, 1, 2, 3, 5, 6), (4, 7, 8), 3, 1)


def test_core_potentials_take_the_place_of_electrons_and_of_frozen_orbitals() -> None:
    potentials = {"Ag": 28, "I": 46}
    assert basis_sets.core_electrons({symbol: "lanl2dz" for symbol in potentials}) == potentials  # Hay, Wadt 1985
    assert Molecule(**AGH).n_electrons == 47 - 28 + 1
    small = Molecule(**AGH, active_space=(2, 2))
    mol = gto.M(atom=list(AGH["atoms"]), basis=dict(AGH["basis"]), ecp={"Ag": "lanl2dz"}, verbose=0)
    mean_field = scf.RHF(mol).run(conv_tol=1e-12)
    problem = molecular_problem(small)
    assert problem.energies["hf"] == pytest.approx(mean_field.e_tot, abs=1e-8)
    assert problem.energies["exact"] == pytest.approx(mcscf.CASCI(mean_field, 2, 2).run().e_tot, abs=1e-8)
    iodide = Molecule(
        name="HI",
        atoms=(("H", (0, 0, 0)), ("I", (0, 0, 1.609))),
        basis={"H": "6-31g", "I": "lanl2dz"},
        ecp={"I": "lanl2dz"},
        frozen_core=True,
    )
    assert iodide.n_electrons == 8
    with pytest.raises(InputError, match="frozen_core=true has no effect: HI has no core orbitals"):
        solve_mean_field(iodide)
    for name, n_left in (("def2-svp", 4), ("crenbl", 0)):  # 4s 4p are left of the krypton core, or nothing
        mol = _build(Molecule(name="HI", atoms=iodide.atoms, basis={"H": "6-31g", "I": name}, ecp=name))
        assert _core_orbitals(mol) == chemcore(mol) == n_left


def test_a_heavy_element_runs_whole_and_its_integrals_read_back(tmp_path) -> None:
    file = tmp_path / "AgH.yaml"
    file.write_text(
        "geometry: |\n  Ag 0 0 0\n  H 0 0 bond_length\nbond_length: 1.617\nbasis: {Ag: lanl2dz, H: 6-31g}\n"
        "ecp: {Ag: lanl2dz}\nactive_orbitals: [10, 11]\n"
    )
    settings = config.parse_settings([f"molecule={file}", f"output_dir={tmp_path / 'run'}", "pruner.parameters=2"])
    record = vp.run(settings, write=lambda text: None)
    assert abs(record.stages[-1]["error_to_exact"]) < 1e-9  # two electrons in two orbitals: a pair and a single
    assert record.problem["notes"] == ["Active space: 2 electrons in 2 orbitals: numbers 10-11 of 24, occupations 2 0"]
    written = problem_from_fcidump(tmp_path / "run" / "hamiltonian.fcidump")
    for key, energy in read_record(tmp_path / "run").energies.items():
        assert written.energies[key] == pytest.approx(energy, abs=1e-10)
    command = config.command_line(record.problem["settings"])
    assert command == f"python -m vqe_prune molecule={file} pruner.parameters=2"


def test_bases_by_element_are_those_of_pyscf() -> None:
    mixed = {"Li": "6-31+G*", "H": "unc-sto-3g"}
    mean_field = solve_mean_field(Molecule(name="LiH", atoms=GEOMETRIES["LiH"], basis=mixed))
    mol = gto.M(atom=list(GEOMETRIES["LiH"]), basis=mixed, verbose=0)
    assert mean_field.energy == pytest.approx(scf.RHF(mol).run(conv_tol=1e-12).e_tot, abs=1e-9)
    assert config.parse_settings(["molecule.basis='6-31g(d,p)'"]).molecule.basis == "6-31g(d,p)"
    arguments = ["molecule=LiH", "molecule.basis={Li:6-31g,H:sto-3g}"]
    settings = config.parse_settings(arguments)
    from dataclasses import asdict

    command = config.command_line(asdict(settings))
    assert command == "python -m vqe_prune molecule=LiH 'molecule.basis={Li:6-31g,H:sto-3g}'"
