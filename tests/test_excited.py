"""Excited states by expansion and by deflation against PySCF: full and truncated CI, fields, creation operators."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from pyscf import ci, fci
from test_report import make_record
from test_sector import random_problem

from vqe_prune.__main__ import main
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.chemistry import Molecule, exact_ground_state, solve_mean_field
from vqe_prune.deflation import DeflatedHamiltonian, deflate_states, excited_ansatz, spin_exchange
from vqe_prune.engine.determinants import Sector
from vqe_prune.errors import InputError
from vqe_prune.objective import energy_of, sector_hamiltonian
from vqe_prune.optimize import minimize
from vqe_prune.problem import molecular_problem
from vqe_prune.prune.limits import Limits
from vqe_prune.prune.pruning import prune_ansatz
from vqe_prune.report import read_record, summary, write_record
from vqe_prune.spectrum import FoundState, by_energy, exact_levels
from vqe_prune.subspace import excited_state, expand_states, operators

H2 = Molecule(name="H2", atoms=(("H", (0, 0, 0)), ("H", (0, 0, 0.9))), basis="6-31g")
TRIPLET = Molecule(name="O", atoms=(("O", (0, 0, 0)),), spin=2)


@pytest.fixture(scope="module")
def hydrogen():
    problem = molecular_problem(H2)
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    return problem, ansatz, minimize(energy_of(problem)(ansatz), np.zeros(ansatz.n_parameters)).angles


@pytest.fixture(scope="module")
def pruned_lih():
    atoms = (("Li", (0, 0, 0)), ("H", (0, 0, 1.595)))
    problem = molecular_problem(Molecule(name="LiH", atoms=atoms, frozen_core=True))
    return problem, prune_ansatz(problem, uccsd(problem.n_orbitals, *problem.n_electrons)).final


def test_an_operator_is_a_product_of_pyscfs_creation_and_annihilation_operators() -> None:
    problem = random_problem(4, 2, 1, seed=61)
    source = Sector(n_orbitals=4, n_alpha=2, n_beta=1)
    psi = np.random.default_rng(62).normal(size=source.shape)
    for numbers in ((2, 1), (1, 2), (3, 0)):
        target = Sector(n_orbitals=4, n_alpha=numbers[0], n_beta=numbers[1])
        for operator in operators(problem, numbers):
            image, electrons = psi, [2, 1]
            for step, indices in ((-1, operator[1]), (1, operator[0])):
                for p in indices:
                    name = f"{'cre' if step == 1 else 'des'}_{'ab'[p % 2]}"
                    image = getattr(fci.addons, name)(image, 4, tuple(electrons), p // 2)
                    electrons[p % 2] += step
            mine = excited_state(psi, source, target, operator)
            sign = np.sign(np.vdot(mine, image)) or 1.0
            assert np.abs(mine - sign * np.asarray(image).reshape(mine.shape)).max() < 1e-14
    assert sum(1 for _ in operators(problem, (2, 1))) == 1 + (2 * 2 + 3) + (1 + 2 * 2 * 3)  # same and opposite spins


@pytest.mark.parametrize("method", ["expansion", "self_consistent"])
def test_two_electrons_have_all_their_excited_states(hydrogen, method: str) -> None:
    """Singles and doubles of two electrons are everything: 15 states above the lowest, of every spin and irrep."""
    problem, ansatz, angles = hydrogen
    found = expand_states(problem, ansatz, angles, states=15, method=method)
    assert len(found.states) == 15 and not found.notes
    assert Counter(state.multiplicity for state in found.states) == {1: 9, 3: 6}
    h, g, n = problem.electrons.one_body, problem.electrons.two_body, problem.n_orbitals
    _, matrix = fci.direct_spin1.pspace(h, g, n, (1, 1), np=17)
    roots = np.linalg.eigvalsh(matrix) + problem.electrons.constant
    assert [state.energy for state in found.states] == pytest.approx(roots[1:], abs=1e-9)
    assert [state.error_to_exact for state in found.states] == pytest.approx(np.zeros(15), abs=1e-8)
    flipped = expand_states(problem, ansatz, angles, states=6, spin=2)
    triplets = [state.energy for state in found.states if state.multiplicity == 3]
    assert [state.energy for state in flipped.states] == pytest.approx(triplets, abs=1e-9)
    assert {state.oscillator_strength for state in flipped.states} == {0.0}
    assert str(found).count("\n") == 14


def test_oscillator_strengths_sum_to_the_polarizability(hydrogen) -> None:
    """sum_k f_k / dE_k^2 is the mean polarizability; the oracle is the energy in a static field."""
    problem, ansatz, angles = hydrogen
    states = expand_states(problem, ansatz, angles, states=15, exact=False).states
    assert all(state.exact_energy is None for state in states)
    mine = sum(state.oscillator_strength / state.excitation_energy**2 for state in states)
    bare = replace(problem.electrons, irreps=np.zeros(4, dtype=np.int64))
    field = 5e-3
    curvatures = []
    for position in problem.electrons.dipole.position:
        inside = [
            exact_ground_state(replace(bare, one_body=bare.one_body + sign * field * position)).energy
            for sign in (1, -1)
        ]
        curvatures.append((2.0 * problem.energies["exact"] - sum(inside)) / field**2)
    assert mine == pytest.approx(np.mean(curvatures), rel=1e-3)  # fourth order of the field


def test_expansion_out_of_the_bare_reference_is_cisd(molecular) -> None:
    problem = molecular("LiH")
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    found = expand_states(problem, ansatz, np.zeros(ansatz.n_parameters), states=1, exact=False)
    field = solve_mean_field(Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.595)))))
    assert found.ground_energy == pytest.approx(ci.CISD(field.scf).run(verbose=0, conv_tol=1e-11).e_tot, abs=1e-8)
    assert found.details["subspace_dimension"] == found.details["n_operators"] == 93


def test_expansion_out_of_a_pruned_state_keeps_the_excitation_energies(molecular) -> None:
    problem = molecular("LiH")
    pruning = prune_ansatz(problem, uccsd(problem.n_orbitals, *problem.n_electrons))
    errors = []
    for stage in (pruning.stages[0], pruning.final):
        found = expand_states(problem, stage.ansatz, stage.optimum.angles, states=6)
        assert [(s.multiplicity, s.irrep) for s in found.states[:2]] == [(3, "A1"), (1, "A1")]
        assert all(s.error_to_exact > 0 for s in found.states)  # each is an upper bound of its own exact state
        assert found.states[4].energy == pytest.approx(found.states[5].energy, abs=1e-6)  # the pi partners
        errors.append(max(abs(s.excitation_error) for s in found.states))
    assert pruning.final.ansatz.n_parameters == 3 and errors[0] < errors[1] < 2e-4


def test_exact_levels_have_definite_spins() -> None:
    """Oxygen: 3P, 1D and 1S; the levels of a term agree though irreps and S_z differ."""
    electrons = molecular_problem(TRIPLET, exact=False).electrons
    wanted = Counter({(irrep, 1): 1 for irrep in (0, 1, 2, 3)})
    levels = exact_levels(electrons, (4, 4), wanted)
    triplets = [level.energy for level in levels if level.multiplicity == 3]
    assert triplets[:3] == pytest.approx([triplets[0]] * 3, abs=1e-8) and triplets[3] > triplets[2] + 0.05
    assert exact_ground_state(electrons).energy == pytest.approx(min(triplets), abs=1e-8)
    singlets = sorted(level.energy for level in levels if level.multiplicity == 1)
    assert singlets[:5] == pytest.approx([singlets[0]] * 5, abs=1e-8) and singlets[5] > singlets[4] + 0.05


def test_spin_flips_lead_from_a_triplet_to_singlets() -> None:
    problem = molecular_problem(TRIPLET)
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    found = expand_states(problem, ansatz, np.zeros(ansatz.n_parameters), states=8, spin=0)
    kinds = [state.multiplicity for state in found.states]
    assert sorted(kinds) == [1] * 5 + [3] * 3  # 1D and 3P in a minimal basis
    with pytest.raises(InputError, match="impossible with 8 electrons"):
        expand_states(problem, ansatz, np.zeros(ansatz.n_parameters), spin=-4)


def test_deflation_lifts_known_states_alike_with_and_without_a_matrix(hydrogen) -> None:
    problem, _, _ = hydrogen
    bare = sector_hamiltonian(problem)
    known = np.random.default_rng(63).normal(size=bare.sector.shape)
    known /= np.linalg.norm(known)
    lifted = DeflatedHamiltonian(
        sector=bare.sector, constant=bare.constant, one_body=bare.one_body, two_body=bare.two_body,
        irreps=bare.irreps, known=(known,), penalty=0.7,
    )  # fmt: skip
    psi = np.random.default_rng(64).normal(size=bare.sector.shape)
    expected = bare.apply(psi) + 0.7 * np.vdot(known, psi) * known
    assert np.abs(lifted.apply(psi) - expected).max() < 1e-12
    lifted.__dict__["matrix"] = None
    assert np.abs(lifted.apply(psi) - expected).max() < 1e-12


@pytest.mark.parametrize("shape", [(4, 2, 2), (4, 3, 1), (3, 2, 0)])
def test_other_spins_are_lifted_by_pyscfs_spin_operator(shape) -> None:
    problem = random_problem(*shape, seed=65)
    bare = sector_hamiltonian(problem)
    psi = np.random.default_rng(66).normal(size=bare.sector.shape)
    once = fci.spin_op.contract_ss(psi, shape[0], shape[1:]) - 2.0 * psi
    twice = fci.spin_op.contract_ss(once, shape[0], shape[1:]) - 2.0 * once
    lifted = DeflatedHamiltonian(
        sector=bare.sector, constant=bare.constant, one_body=bare.one_body, two_body=bare.two_body,
        irreps=bare.irreps, known=(), penalty=1.0, spin_squared=2.0, spin_penalty=0.3,
    )  # fmt: skip
    expected = bare.apply(psi) + 0.3 * twice
    assert np.abs(lifted.apply(psi) - expected).max() < 1e-12
    lifted.__dict__["matrix"] = None
    assert np.abs(lifted.apply(psi) - expected).max() < 1e-12


def test_deflation_finds_exact_states_and_prunes_them(hydrogen) -> None:
    problem, ansatz, angles = hydrogen
    found = deflate_states(problem, ansatz, angles, states=3, limits=Limits(tolerance=1e-3))
    for state, circuit in zip(found.spectrum.states, found.circuits, strict=True):
        assert state.details["energy_full"] == pytest.approx(state.exact_energy, abs=1e-6)
        assert -1e-3 < state.error_to_exact < 1e-3
        assert circuit.ansatz.n_parameters < circuit.full.n_parameters
        assert state.details["largest_overlap"] < 1e-3
    assert found.spectrum.notes == ()
    with pytest.raises(InputError, match="did you mean uccsd"):
        deflate_states(problem, ansatz, angles, kind="ucsd")
    with pytest.raises(InputError, match="penalty"):
        deflate_states(problem, ansatz, angles, penalty=-1.0)


def test_a_collapsed_state_is_named_as_listed(pruned_lih) -> None:
    """Found second, the first singlet of LiH falls onto the ground state and is listed first."""
    problem, final = pruned_lih
    found = deflate_states(problem, final.ansatz, final.optimum.angles, states=2, penalty=0.01).spectrum
    place = int(np.argmax([state.details["largest_overlap"] for state in found.states]))
    collapsed = found.states[place]
    notes = "\n".join(found.notes)
    assert collapsed.details["largest_overlap"] > 0.9 and collapsed.oscillator_strength is None
    assert found.states[place].energy == min(state.energy for state in found.states)
    assert re.findall(r"(state \d+) has a squared overlap of \S+ with the ground state", notes) == [
        f"state {place + 1}"
    ]
    assert f"state {place + 1} has no oscillator strength" in notes
    assert "excited.penalty=0.01 is not above the highest excitation energy" in notes


def test_equal_energies_stand_in_the_order_of_irreps(molecular) -> None:
    """LiH's third excited state is one of a pi pair: the same partner with each method, the other one in a note."""
    problem = molecular("LiH")
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    for method in ("expansion", "self_consistent"):
        found = expand_states(problem, ansatz, np.zeros(ansatz.n_parameters), states=3, method=method)
        assert found.states[2].irrep == "B1"
        assert [note.split(", which")[0] for note in found.notes] == [
            "state 3 has a partner of the same energy, of irrep B2 and multiplicity 3"
        ]
    kinds = [(0.0, 2, 0.0), (0.5e-6, 1, 2.0), (-0.3e-6, 1, 0.0), (-1.0, 3, 0.0)]
    states = [FoundState(energy=e, irrep=i, vector=np.zeros((1, 1)), spin_squared=s) for e, i, s in kinds]
    assert by_energy(states) == [3, 2, 1, 0]


def test_fewer_states_than_asked_for_are_said(hydrogen, molecular) -> None:
    problem, ansatz, angles = hydrogen
    found = expand_states(problem, ansatz, angles, states=50)
    assert len(found.states) == 15 and "excited.states=50 were asked for and 15 found: there are no" in found.notes[0]
    small = molecular("H2")
    one = uccsd(small.n_orbitals, *small.n_electrons)
    deflated = deflate_states(small, one, np.zeros(one.n_parameters), states=5).spectrum
    assert len(deflated.states) == 3 and "5 were asked for and 3 found" in deflated.notes[0]
    lithium = molecular("LiH")
    bare = uccsd(lithium.n_orbitals, *lithium.n_electrons)
    found = expand_states(lithium, bare, np.zeros(bare.n_parameters), states=100, exact=False)
    assert len(found.states) == 92 and "single and double excitations, 93 of 225 dimensions" in found.notes[0]


@pytest.mark.parametrize("spin", [1, 6])
def test_an_impossible_spin_is_refused_before_anything_is_pruned(spin, tmp_path, capsys) -> None:
    folder = tmp_path / "o"
    assert main(["molecule=H2", "excited=3", f"excited.spin={spin}", f"output_dir={folder}"]) == 2
    out, err = capsys.readouterr()
    assert f"excited.spin={spin}" in err and "try excited.spin=0" in err
    assert "parameters" not in out and not folder.exists()


def test_deflation_has_the_oscillator_strengths_of_full_ci(pruned_lih) -> None:
    """H couples the pruned states: transition dipoles straight from them give half of LiH's first strength."""
    problem, final = pruned_lih
    dipole, electrons = problem.electrons.dipole, problem.electrons
    shifted = replace(dipole, position=dipole.position + 3.0 * np.eye(problem.n_orbitals))
    elsewhere = replace(problem, electrons=replace(electrons, dipole=shifted))
    found = [
        deflate_states(each, final.ansatz, final.optimum.angles, states=2).spectrum.states[1]
        for each in (problem, elsewhere)
    ]
    n, numbers = problem.n_orbitals, problem.n_electrons
    energies, vectors = fci.direct_spin0.FCI().kernel(electrons.one_body, electrons.two_body, n, numbers, nroots=2)
    moment = np.einsum(
        "xpq,pq->x", dipole.position, fci.direct_spin1.trans_rdm1(vectors[0], vectors[1], n, numbers)
    )  # direct_spin0: singlets alone
    expected = 2.0 / 3.0 * (energies[1] - energies[0]) * moment @ moment
    assert found[0].multiplicity == 1
    assert found[0].oscillator_strength == pytest.approx(expected, rel=0.1)  # states stay pruned: within 1.5 mHa
    assert found[1].oscillator_strength == pytest.approx(found[0].oscillator_strength, abs=1e-9)  # any origin


def test_an_exchange_of_spins_makes_singlet_and_triplet(molecular) -> None:
    problem = molecular("LiH")
    occupied = (0, 1, 2, 5)
    exchange = spin_exchange(occupied)
    assert exchange is not None and {exchange.created, exchange.annihilated} == {(3, 4), (2, 5)}
    assert spin_exchange((0, 1, 2, 3)) is None and spin_exchange((0, 1, 2, 4)) is None
    ansatz = excited_ansatz("uccsd", problem, occupied)
    assert ansatz.excitations[0] == exchange
    assert len(set(map(frozenset, (e.spin_orbitals for e in ansatz.excitations)))) <= ansatz.n_parameters


def test_a_study_lists_excited_states(tmp_path, capsys) -> None:
    words = ["molecule=LiH", "molecule.frozen_core=true", "excited=2"]
    assert main([*words, f"output_dir={tmp_path / 'o'}"]) == 0
    record, out = read_record(tmp_path / "o"), capsys.readouterr().out
    states = record.stages[-1]["excited"]["states"]
    assert [state["multiplicity"] for state in states] == [3, 1]
    assert "Excited states by expansion" in out and f"{states[1]['excitation_energy']:.6f}" in out
    assert "Excited states by expansion" in summary(record)


@pytest.mark.parametrize("excited", [[], {"method": "x"}, {"method": "x", "states": [{}], "ground_energy": 1.0}])
def test_broken_excited_states_are_refused(excited, tmp_path) -> None:
    record = make_record()
    write_record(tmp_path, replace(record, stages=[{**record.stages[0], "excited": excited}]))
    with pytest.raises(InputError, match="excited of a stage"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["excited.method=expansion"], "add excited.states=3"),
        (["excited=2", "excited.method=expanson"], "did you mean expansion"),
        (["excited=2", "excited.penalty=2"], "belongs to excited.method=deflation"),
        (["excited=2", "excited.method=deflation", "excited.spin=2"], "expansion or self_consistent"),
        (["excited=-1"], "must be from 0"),
        (["excited=0", "excited.method=deflation"], "no effect with excited.states=0"),
        (["excited=2", "ansatz=hardware_efficient"], "molecules and excitations"),
        (["excited=2", "excited.threshold=2"], "between 0 and 1"),
    ],
)
def test_settings_of_excited_states_are_checked(words, message, capsys) -> None:
    assert main(["molecule=H2", *words]) == 2
    assert message in capsys.readouterr().err
