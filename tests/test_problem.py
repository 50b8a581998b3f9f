"""Problems against PySCF and OpenFermion: integrals, active spaces, open shells, symmetries, tapering."""

import numpy as np
import openfermion
import pytest
from conftest import GEOMETRIES

from vqe_prune import chemistry, config
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.chemistry import Molecule
from vqe_prune.electrons import Electrons
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.molecule_input import molecule_names, read_geometry
from vqe_prune.problem import (
    Problem,
    molecular_problem,
    problem_from_fcidump,
    problem_from_integrals,
    qubit_hamiltonian,
    taper,
)
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.pruning import prune_ansatz
from vqe_prune.symmetry import pauli_symmetries, spin_orbital_symmetries, terms_of


def build(**fields) -> Problem:
    return molecular_problem(Molecule(**{"name": "test", **fields}))


@pytest.mark.parametrize("name", molecule_names())
def test_every_molecule_file_is_a_closed_shell_that_scf_converges(name: str) -> None:
    settings = config.parse_settings([f"molecule={name}"]).molecule
    molecule = Molecule(name=name, atoms=read_geometry(settings), charge=settings.charge, basis=settings.basis)
    mean_field = chemistry.solve_mean_field(molecule)
    assert mean_field.electrons.reference_energy == pytest.approx(mean_field.energy, abs=1e-8)
    groups = {"H2O": "C2v", "NH3": "Cs", "LiH": "Coov", "HF": "Coov", "HeH+": "Coov"}
    assert mean_field.electrons.group == groups.get(name, "Dooh")
    assert mean_field.scf.mol.topgroup == ("C3v" if name == "NH3" else groups.get(name, "Dooh"))


def test_energies_are_those_of_pyscf() -> None:
    from pyscf import cc, fci, gto, mp, scf

    problem = build(atoms=GEOMETRIES["H2O"])
    mol = gto.M(atom="O 0 0 0; H 0.7586 0 0.5043; H -0.7586 0 0.5043", basis="sto-3g", verbose=0)
    mean_field = scf.RHF(mol).run(conv_tol=1e-12)
    expected = {
        "hf": mean_field.e_tot,
        "mp2": mp.MP2(mean_field).run().e_tot,
        "ccsd": cc.CCSD(mean_field).run(conv_tol=1e-9).e_tot,
        "exact": fci.FCI(mean_field).run().e_tot,
    }
    for key, energy in expected.items():
        assert problem.energies[key] == pytest.approx(energy, abs=1e-7), key  # CCSD amplitudes converge to 1e-6


@pytest.mark.parametrize(
    ("fields", "multiplicity"),
    [
        ({"atoms": (("O", (0, 0, 0)), ("O", (0, 0, 1.208))), "spin": 2}, 3),
        ({"atoms": (("O", (0, 0, 0)), ("H", (0, 0, 0.97))), "spin": 1}, 2),
    ],
    ids=["O2 triplet", "OH radical"],
)
def test_open_shells(fields, multiplicity: int) -> None:
    from pyscf import fci, gto, scf

    problem = build(**fields)
    mol = gto.M(atom=[list(a) for a in fields["atoms"]], basis="sto-3g", spin=fields["spin"], verbose=0)
    mean_field = scf.ROHF(mol).run(conv_tol=1e-12)
    n = mol.nao
    h = mean_field.mo_coeff.T @ mean_field.get_hcore() @ mean_field.mo_coeff
    from pyscf import ao2mo

    g = ao2mo.restore(1, ao2mo.kernel(mol, mean_field.mo_coeff), n)
    solver = fci.direct_spin1.FCISolver()
    roots = solver.kernel(h, g, n, mol.nelec, nroots=4, ecore=mol.energy_nuc())[0]
    assert problem.energies["exact"] == pytest.approx(min(roots), abs=1e-8)
    assert problem.warnings == ()
    pruning = prune_ansatz(problem, uccsd(problem.n_orbitals, *problem.n_electrons))
    error = pruning.stages[0].optimum.value - problem.energies["exact"]
    assert 0 <= error < 1.5e-3  # hartree; single-reference states of a minimal basis
    assert abs(pruning.stages[1].optimum.value - pruning.stages[0].optimum.value) < 1e-9
    assert pruning.final.optimum.value - problem.energies["exact"] < 1.5e-3
    assert multiplicity == fields["spin"] + 1


def test_active_space_and_frozen_core_are_those_of_casci() -> None:
    from pyscf import gto, mcscf, scf

    mean_field = scf.RHF(gto.M(atom="Li 0 0 0; H 0 0 1.595", basis="6-31g", verbose=0)).run(conv_tol=1e-12)
    for space in ((2, 2), (2, 4), (4, 6)):
        problem = build(atoms=GEOMETRIES["LiH"], basis="6-31g", active_space=space)
        expected = mcscf.CASCI(mean_field, space[1], space[0]).run().e_tot
        assert problem.energies["exact"] == pytest.approx(expected, abs=1e-8)
        assert problem.energies["hf"] == pytest.approx(mean_field.e_tot, abs=1e-8)
    frozen = build(atoms=GEOMETRIES["LiH"], frozen_core=True)
    assert (frozen.n_orbitals, frozen.n_electrons) == (5, (1, 1))


def test_ground_state_outside_the_reference_sector_is_reported() -> None:
    singlet = build(atoms=(("O", (0, 0, 0)), ("O", (0, 0, 1.208))))
    assert any("<S^2> = 2.00" in warning and "molecule.spin=2" in warning for warning in singlet.warnings)
    square = build(atoms=tuple(("H", (x, y, 0)) for x in (0, 1.2) for y in (0, 1.2)))
    assert any("another symmetry sector" in warning for warning in square.warnings)


def test_own_integrals_and_fcidump_give_the_same_problem(tmp_path, molecular) -> None:
    from pyscf import gto, scf
    from pyscf.tools import fcidump

    lih = molecular("LiH")
    electrons = lih.electrons
    own = problem_from_integrals(electrons.one_body, electrons.two_body, (2, 2), constant=electrons.constant)
    assert own.energies["exact"] == pytest.approx(lih.energies["exact"], abs=1e-9)
    assert own.energies["hf"] == pytest.approx(lih.energies["hf"], abs=1e-8)
    mean_field = scf.RHF(gto.M(atom="Li 0 0 0; H 0 0 1.595", basis="sto-3g", symmetry=True, verbose=0))
    mean_field.conv_tol = 1e-12
    mean_field.kernel()
    for molpro in (False, True):
        path = tmp_path / f"LiH{molpro}"
        fcidump.from_scf(mean_field, str(path), tol=1e-15, molpro_orbsym=molpro)
        read = problem_from_fcidump(path)
        assert read.energies["exact"] == pytest.approx(lih.energies["exact"], abs=1e-9)
        assert len(set(read.electrons.irreps.tolist())) == 3  # A1 and the two pi components survive
        pruning = prune_ansatz(read, uccsd(6, 2, 2), limits=Limits())
        assert [stage.ansatz.n_parameters for stage in pruning.stages] == [92, 18, 3]


@pytest.mark.parametrize(
    "text", ["", "hello", "&FCI NORB=2,NELEC=2,MS2=0,\n&END\n nonsense", "&FCI NORB=x\n&END\n", "\x00\xff"]
)
def test_broken_fcidumps_are_refused_in_one_line(tmp_path, text: str) -> None:
    path = tmp_path / "dump"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        problem_from_fcidump(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        problem_from_fcidump(tmp_path / "missing")


def test_integrals_that_do_not_fit_are_refused() -> None:
    h, g = np.eye(2), np.zeros((2, 2, 2, 2))
    with pytest.raises(InputError, match="must have shapes"):
        problem_from_integrals(h, g[0], (1, 1))
    with pytest.raises(InputError, match="must be finite"):
        problem_from_integrals(h * np.nan, g, (1, 1))
    with pytest.raises(InputError, match="electron numbers"):
        problem_from_integrals(h, g, (1, 2))
    physicists = np.random.default_rng(1).normal(size=(2, 2, 2, 2))
    with pytest.raises(InputError, match="chemists' order"):
        problem_from_integrals(h, physicists, (1, 1))
    off_diagonal = np.array([[1.0, 0.1], [0.1, 1.0]])
    with pytest.raises(InputError, match="irreps do not fit"):
        problem_from_integrals(off_diagonal, g, (1, 1), irreps=np.array([0, 1]))
    with pytest.raises(InputError, match="would take"):
        problem_from_integrals(np.eye(6), np.zeros((6,) * 4), (3, 3), memory_gib=1e-6)


def test_a_mean_field_that_does_not_converge_is_reported(monkeypatch) -> None:
    monkeypatch.setattr(chemistry, "SCF_CYCLES", 1)
    with pytest.raises(ConvergenceError, match="did not converge"):
        build(atoms=GEOMETRIES["H2O"])


@pytest.mark.parametrize(("name", "count"), [("LiH", 4), ("H2O", 4), ("H2", 3)])
def test_pauli_symmetries_commute_and_taper_to_the_same_ground_state(molecular, name: str, count: int) -> None:
    problem = molecular(name)
    operator = qubit_hamiltonian(problem)
    found = pauli_symmetries(terms_of(operator), problem.n_qubits)
    assert len(found) == count
    for string in found:
        symmetry = openfermion.QubitOperator(string)
        assert openfermion.commutator(symmetry, operator).induced_norm() < 1e-10
    tapered = taper(problem)
    assert openfermion.count_qubits(tapered) == problem.n_qubits - count
    if name != "H2O":  # 2^10 amplitudes would do, but building the sparse matrix takes 3 s
        ground = np.linalg.eigvalsh(openfermion.get_sparse_operator(tapered).toarray())[0]
        assert ground == pytest.approx(problem.energies["exact"], abs=1e-8)


def test_planted_pauli_symmetries_are_found_and_none_invented() -> None:
    rng = np.random.default_rng(9)
    for n in (3, 4, 5):
        for planted in range(3):
            terms = []
            while len(terms) < 40:  # random strings that commute with Z on the first `planted` qubits
                letters = rng.choice(list("IXYZ"), size=n)
                letters[:planted] = rng.choice(list("IZ"), size=planted)
                term = tuple((q, str(p)) for q, p in enumerate(letters) if p != "I")
                if term:
                    terms.append(term)
            found = pauli_symmetries(terms, n)
            assert len(found) == planted
            assert all(letter == "Z" and q < planted for string in found for q, letter in string)


def test_degenerate_partners_are_found_with_their_signs(molecular) -> None:
    mirror, partner = molecular("LiH").symmetries
    assert mirror.targets.tolist() == [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10]
    assert partner.targets.tolist()[::2] == [0, 2, 4, 8, 6, 10]
    assert len(molecular("H2O").symmetries) == 1  # no degenerate irrep in C2v
    nitrogen = Molecule(name="N2", atoms=(("N", (0, 0, 0)), ("N", (0, 0, 1.098))))
    electrons = chemistry.solve_mean_field(nitrogen).electrons  # pi pairs 4, 5 and 7, 8
    signs = np.array([1, -1, 1, 1, 1, 1, -1, 1, -1, 1])  # the second partner of one pair is reversed, of the other not
    flipped = Electrons(
        one_body=electrons.one_body * np.outer(signs, signs),
        two_body=electrons.two_body * np.einsum("p,q,r,s->pqrs", signs, signs, signs, signs),
        constant=0.0,
        n_alpha=7,
        n_beta=7,
        irreps=electrons.irreps,
    )
    plain, found = spin_orbital_symmetries(electrons)[1], spin_orbital_symmetries(flipped)[1]
    image = found.signs[::2]
    targets = found.targets[::2] // 2
    assert targets.tolist() == [0, 1, 2, 3, 5, 4, 6, 8, 7, 9]
    assert plain.signs[8] * plain.signs[14] * image[4] * image[7] == -1  # only their relative sign means anything
    one = flipped.one_body[np.ix_(targets, targets)] * np.outer(image, image)
    two = flipped.two_body[np.ix_(*[targets] * 4)] * np.einsum("p,q,r,s->pqrs", image, image, image, image)
    assert np.abs(one - flipped.one_body).max() < 1e-6
    assert np.abs(two - flipped.two_body).max() < 1e-6


@pytest.mark.parametrize("error", [np.linalg.LinAlgError("Singular matrix"), AttributeError("no attribute 'linalg'")])
def test_coupled_cluster_that_breaks_down_is_left_out(error: Exception, monkeypatch) -> None:
    from pyscf.cc import ccsd

    def broken(*arguments: object, **options: object) -> None:
        raise error  # as PySCF's DIIS does for hydrogen fluoride at 3 angstrom, on some runs

    monkeypatch.setattr(ccsd, "kernel", broken)
    problem = molecular_problem(Molecule(name="H2", atoms=(("H", (0, 0, 0)), ("H", (0, 0, 0.7414)))))
    assert problem.energies["ccsd"] is None
    assert problem.energies["mp2"] is not None and problem.energies["exact"] is not None
