"""Ansätze of excitations: which rotations they have, that layers and ties are right, their order, their starts."""

import shlex
from itertools import combinations, product
from math import comb

import numpy as np
import openfermion
import pytest
from conftest import error_mha
from dense_twin import anti_hermitian, dense_state, embed
from test_sector import random_problem

from vqe_prune.__main__ import main
from vqe_prune.ansatz.amplitudes import angles_of, cluster_amplitudes
from vqe_prune.ansatz.order import ORDERS, ordered
from vqe_prune.ansatz.rotation import Ansatz, Excitation
from vqe_prune.ansatz.ucc import kupccgsd, puccd, uccd, uccgsd, uccsd
from vqe_prune.chemistry import Molecule, solve_mean_field
from vqe_prune.config import parse_settings
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.objective import energy_of, sector_hamiltonian
from vqe_prune.observables import observe
from vqe_prune.optimize import minimize
from vqe_prune.problem import Problem, molecular_problem
from vqe_prune.prune.plan import Action, apply_plan
from vqe_prune.prune.pruning import prune_ansatz
from vqe_prune.prune.symmetry import symmetry_plan
from vqe_prune.report import read_record
from vqe_prune.starts import starting_angles


def key(created: tuple[int, ...], annihilated: tuple[int, ...]) -> frozenset:
    """A generator up to its sign: an excitation and its inverse are one."""
    return frozenset((frozenset(created), frozenset(annihilated)))


def keys(ansatz: Ansatz) -> list[frozenset]:
    return [key(e.created, e.annihilated) for e in ansatz.excitations]


def enumerated(n: int, rank: int) -> set[frozenset]:
    """Every generator of `rank` distinct spin orbitals to as many others that keeps S_z, by brute force."""
    sets = list(combinations(range(2 * n), rank))
    spin = {each: sum(p % 2 for p in each) for each in sets}
    return {key(c, d) for c, d in product(sets, sets) if not set(c) & set(d) and spin[c] == spin[d]}


@pytest.mark.parametrize("shape", [(4, 2, 2), (5, 2, 2), (5, 3, 2), (4, 1, 0), (3, 1, 1)])
def test_rotations_are_those_of_an_enumeration(shape: tuple[int, int, int]) -> None:
    n, *electrons = shape
    singles, doubles = enumerated(n, 1), enumerated(n, 2)
    filled = {2 * p + spin for spin in (0, 1) for p in range(electrons[spin])}

    def from_filled(found: set[frozenset]) -> set[frozenset]:
        return {
            each for each in found if any(side <= filled for side in each) and any(not side & filled for side in each)
        }

    def is_pair(each: frozenset) -> bool:
        return all({p // 2 for p in side} == {min(side) // 2} for side in each)

    wanted = {
        uccsd(*shape): from_filled(singles) | from_filled(doubles),
        uccd(*shape): from_filled(doubles),
        puccd(*shape): {each for each in from_filled(doubles) if is_pair(each)},
        uccgsd(n): singles | doubles,
        kupccgsd(n, 1): singles | {each for each in doubles if is_pair(each)},
    }
    for ansatz, generators in wanted.items():
        assert len(keys(ansatz)) == len(set(keys(ansatz))) == ansatz.n_parameters
        assert set(keys(ansatz)) == generators, ansatz.name


@pytest.mark.parametrize("n", [2, 4, 6])
def test_sizes_are_those_of_the_formulas(n: int) -> None:
    pairs = comb(n, 2)
    assert uccgsd(n).n_parameters == 2 * pairs + 2 * pairs**2 + 6 * comb(n, 4)
    for k in (1, 3):  # arXiv 1810.02327: generalised singles and pair doubles, k times
        assert kupccgsd(n, k).n_parameters == 3 * k * pairs
        assert kupccgsd(n, k, singlet=True).n_parameters == 2 * k * pairs
        assert len(kupccgsd(n, k, singlet=True).rotations) == 3 * k * pairs
    assert len(puccd(n, 1, 1).rotations) == n - 1


@pytest.mark.parametrize(("n", "electrons"), [(3, 2), (4, 4)])
def test_singlet_generators_are_openfermions(n: int, electrons: int) -> None:
    """Each parameter turns one of the generators that OpenFermion's singlet UCCSD has, up to a factor."""
    size = openfermion.uccsd_singlet_paramsize(2 * n, electrons)
    ansatz = uccsd(n, electrons // 2, electrons // 2, singlet=True)
    assert ansatz.n_parameters == size

    def unit(matrix) -> np.ndarray:
        dense = matrix.toarray().real.ravel()
        return dense / np.linalg.norm(dense)

    theirs = []
    for row in np.eye(size):
        operator = openfermion.normal_ordered(openfermion.uccsd_singlet_generator(row, 2 * n, electrons))
        theirs.append(unit(openfermion.get_sparse_operator(operator, 2 * n)))
    own = []
    for p in range(size):
        turned = [r for r in ansatz.rotations if r.parameter == p]
        own.append(unit(sum(r.coefficient * anti_hermitian(r.generator, 2 * n) for r in turned)))
    overlaps = np.abs(np.array(theirs) @ np.array(own).T)
    assert np.allclose(np.sort(overlaps.max(axis=0)), 1.0) and len(set(overlaps.argmax(axis=0))) == size


REPEATED = {
    (3, 2, 1): lambda: [kupccgsd(3, 2), kupccgsd(3, 3, singlet=True), uccgsd(3), puccd(3, 2, 1), uccd(3, 2, 1)],
    (4, 2, 2): lambda: [uccsd(4, 2, 2, singlet=True)],
}


@pytest.mark.parametrize("shape", REPEATED)
def test_repeated_and_tied_rotations_are_dense_matrices_and_finite_differences(shape) -> None:
    problem = random_problem(*shape, seed=71)
    for ansatz in REPEATED[shape]():
        angles = np.random.default_rng(72).normal(scale=0.4, size=ansatz.n_parameters)
        engine = energy_of(problem)(ansatz).engine
        dense = dense_state(ansatz, angles, problem.reference_occupied, problem.n_qubits)
        assert (
            np.abs(embed(engine.state(angles), engine.hamiltonian.sector) - dense).max() < 1e-12
        )  # 36 rotations at most
        direction = np.random.default_rng(73).normal(size=ansatz.n_parameters)
        step = 1e-4
        slope = (engine.energy(angles + step * direction) - engine.energy(angles - step * direction)) / (2 * step)
        gradient = engine.energy_and_gradient(angles)[1]
        scale = 1.0 + np.linalg.norm(direction) ** 3
        assert gradient @ direction == pytest.approx(slope, abs=1e-7 * scale)  # truncation: step^2 times third order


def spin_squared(problem: Problem, ansatz: Ansatz, scale: float) -> float:
    angles = scale * np.random.default_rng(74).normal(size=ansatz.n_parameters)
    return observe(problem, ansatz, angles).spin_squared


def test_what_singlets_keep_of_the_total_spin() -> None:
    problem = random_problem(4, 2, 2, seed=75)
    for ansatz in (puccd(4, 2, 2), kupccgsd(4, 2, singlet=True)):
        assert spin_squared(problem, ansatz, 1.0) == pytest.approx(0.0, abs=1e-12)  # exactly, at any angles
    open_shell = random_problem(4, 2, 1, seed=75)
    assert spin_squared(open_shell, kupccgsd(4, 2, singlet=True), 1.0) == pytest.approx(0.75, abs=1e-12)
    free, tied = uccsd(4, 2, 2), uccsd(4, 2, 2, singlet=True)
    fall = [spin_squared(problem, ansatz, 0.04) / spin_squared(problem, ansatz, 0.02) for ansatz in (free, tied)]
    assert fall[0] == pytest.approx(2.0**2, rel=0.05)  # amplitudes of other spins are of first order in the angles
    assert fall[1] == pytest.approx(2.0**6, rel=0.05)  # of third order
    assert 0.0 < spin_squared(problem, tied, 0.08) < 1e-4 < 1e-1 < spin_squared(problem, free, 0.08)
    with pytest.raises(InputError, match="as many alpha as beta"):
        uccsd(4, 2, 1, singlet=True)
    with pytest.raises(InputError, match="at least 1"):
        kupccgsd(4, 0)


def test_orders_move_parameters_and_keep_layers(molecular) -> None:
    problem = molecular("LiH")
    n_alpha, n_beta = problem.n_electrons
    full = uccsd(6, n_alpha, n_beta, singlet=True)
    for order in ORDERS:
        other = ordered(full, order, problem.electrons)
        assert sorted(keys(other), key=str) == sorted(keys(full), key=str)
        assert np.all(np.diff(other.parameters) >= 0)  # rotations of a parameter stay together
    singles = [len(e.created) == 1 for e in ordered(full, "doubles_first", problem.electrons).excitations]
    assert singles == sorted(singles)
    assert keys(ordered(full, "singles_first", problem.electrons)) == keys(full)
    energies = np.repeat([problem.electrons.one_body[p, p] for p in range(6)], 2)
    coulomb, exchange = (np.einsum(axes, problem.electrons.two_body) for axes in ("iijj->ij", "ijji->ij"))
    energies = energies + np.repeat((2 * coulomb - exchange)[:, :n_alpha].sum(axis=1), 2)
    gaps = [
        energies[list(e.created)].sum() - energies[list(e.annihilated)].sum()
        for e in ordered(full, "excitation_energy", problem.electrons).excitations
    ]
    assert np.all(np.diff(gaps) > -2e-6)  # sorted to 6 decimals
    layers = ordered(kupccgsd(6, 2), "singles_first", problem.electrons)
    halves = keys(layers)[:45], keys(layers)[45:]
    assert set(halves[0]) == set(halves[1]) and all(len(e.created) == 1 for e in layers.excitations[:30])
    with pytest.raises(InputError, match="did you mean doubles_first"):
        ordered(full, "double_first", problem.electrons)


def test_order_by_amplitude_is_that_of_pyscfs_mp2() -> None:
    from pyscf import mp

    molecule = Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.595))))
    field = solve_mean_field(molecule)
    t2 = mp.MP2(field.scf).run(verbose=0).t2
    found = ordered(uccd(6, 2, 2), "mp2_amplitude", field.electrons)
    sizes = []
    for e in found.excitations:
        (a, b), (i, j) = ([p // 2 for p in side] for side in (e.created, e.annihilated))
        same = e.created[0] % 2 == e.created[1] % 2
        sizes.append(abs(t2[i, j, a - 2, b - 2] - same * t2[i, j, b - 2, a - 2]))
    assert np.all(np.diff(sizes) < 2e-6) and sizes[0] == pytest.approx(abs(t2).max(), abs=1e-6)


def test_ccsd_amplitudes_are_pyscfs_own() -> None:
    from pyscf import cc

    for name, spin in (("closed", 0), ("open", 2)):
        atoms = (("Li", (0, 0, 0)), ("H", (0, 0, 1.595)))
        field = solve_mean_field(Molecule(name=name, atoms=atoms, spin=spin))
        numbers = field.electrons.n_alpha, field.electrons.n_beta
        solver = cc.UCCSD(field.scf.to_uhf())
        solver.verbose, solver.conv_tol, solver.conv_tol_normt = 0, 1e-10, 1e-8
        solver.kernel()
        found = cluster_amplitudes(field.electrons, "ccsd")
        for spin_index in (0, 1):
            assert np.abs(found.singles[spin_index] - solver.t1[spin_index]).max() < 1e-5  # convergence of either
            assert np.abs(found.same[spin_index] - solver.t2[2 * spin_index]).max(initial=0.0) < 1e-5
        assert np.abs(found.mixed - solver.t2[1]).max() < 1e-5
        i, j, a, b = np.unravel_index(np.abs(found.mixed).argmax(), found.mixed.shape)
        filled = (2 * i, 2 * j + 1)
        empty = (2 * (a + numbers[0]), 2 * (b + numbers[1]) + 1)
        assert found.of(Excitation(empty, filled)) == -found.of(Excitation(empty[::-1], filled)) != 0.0
        assert found.of(Excitation(filled, empty)) == -found.of(Excitation(empty, filled)) == -found.mixed[i, j, a, b]


@pytest.mark.parametrize("build", [uccsd, lambda *s: uccsd(*s, singlet=True), lambda n, *_: kupccgsd(n, 3)])
def test_mp2_starts_below_hartree_fock_with_a_smaller_gradient(molecular, build) -> None:
    for name in ("LiH", "H2O", "BeH2"):
        problem = molecular(name)
        ansatz = build(problem.n_orbitals, *problem.n_electrons)
        objective = energy_of(problem)(ansatz)
        zero, mp2 = (starting_angles(problem, ansatz, start)[0] for start in ("zero", "mp2"))
        (high, steep), (low, flat) = (objective.value_and_gradient(x) for x in (zero, mp2))
        assert high == pytest.approx(problem.energies["hf"], abs=1e-7)
        assert low < high - 1e-3 and np.linalg.norm(flat) < 0.8 * np.linalg.norm(steep)
        wrong = objective.value_and_gradient(-mp2)[0]
        assert wrong > high  # the other sign goes up


def test_ccsd_starts_lih_near_its_optimum(molecular) -> None:
    problem = molecular("LiH")
    for ansatz in (uccsd(6, 2, 2), uccsd(6, 2, 2, singlet=True)):
        objective = energy_of(problem)(ansatz)
        (start,) = starting_angles(problem, ansatz, "ccsd")
        optimum = minimize(objective, start)
        assert objective.value_and_gradient(start)[0] - optimum.value < 2e-4  # hartree; Hartree-Fock is 2e-2 above
        assert np.abs(start - optimum.angles).max() < 0.02


def test_layers_share_an_amplitude() -> None:
    problem = random_problem(4, 2, 2, seed=76)
    amplitudes = cluster_amplitudes(problem.electrons, "mp2")
    one, three = (angles_of(kupccgsd(4, k), amplitudes) for k in (1, 3))
    assert three == pytest.approx(np.tile(one / 3, 3), abs=1e-9)
    constant = angles_of(uccsd(4, 2, 2), amplitudes)
    assert constant == pytest.approx([amplitudes.of(e) for e in uccsd(4, 2, 2).excitations], abs=1e-9)


def test_symmetry_costs_nothing_for_layers_and_ties(molecular) -> None:
    """Layers are tied within themselves, shared parameters go together, and restarts keep the irrep."""
    problem = molecular("LiH")
    for ansatz in (uccsd(6, 2, 2, singlet=True), puccd(6, 2, 2), kupccgsd(6, 2)):
        starts = starting_angles(problem, ansatz, restarts=1, seed=3) if ansatz.name == "uccsd" else ()
        pruning = prune_ansatz(problem, ansatz, rules=["symmetry"], starts=starts, max_steps=400)
        full, small = pruning.stages
        assert small.ansatz.n_parameters < full.ansatz.n_parameters
        assert small.optimum.value < full.optimum.value + 1e-9  # not converged after 400 steps: it may go on falling
        if ansatz.name != "kupccgsd":
            assert small.optimum.steps == 0
    assert error_mha(problem, full.optimum.value) < 0.1


def test_ties_are_mirror_images_within_their_layer() -> None:
    """Also where the image of an excitation is the inverse of one that the ansatz has, and where it repeats."""
    problem = random_problem(3, 2, 2, seed=77)

    def total(rotations, mirrored: bool) -> np.ndarray:
        swap = (lambda p: p ^ 1) if mirrored else (lambda p: p)
        sides = [(r.coefficient, *(tuple(map(swap, s)) for s in (r.generator.created, r.generator.annihilated)))
                 for r in rotations]  # fmt: skip
        return sum(c * anti_hermitian(Excitation(*lists), 6) for c, *lists in sides)

    generalised = uccgsd(3)
    plan = symmetry_plan(problem, generalised)
    tied = apply_plan(plan, generalised)
    assert {decision.action for decision in plan.decisions} == {Action.KEEP, Action.TIE, Action.DROP}
    groups = [[r for r in tied.rotations if r.parameter == p] for p in range(tied.n_parameters)]
    assert max(abs(total(group, True) - total(group, False)).max() for group in groups) < 1e-14
    dropped = [r for r, each in zip(generalised.rotations, plan.decisions, strict=True) if each.action is Action.DROP]
    assert max(abs(total([r], True) + total([r], False)).max() for r in dropped) < 1e-14
    layers = symmetry_plan(problem, kupccgsd(3, 2))
    ties = [(k, each.leader) for k, each in enumerate(layers.decisions) if each.action is Action.TIE]
    assert len(ties) == 6 and all(k // 9 == leader // 9 for k, leader in ties)


def nitrogen() -> Problem:
    """N2 at 2.5 angstrom, six electrons in six orbitals."""
    atoms = (("N", (0, 0, 0)), ("N", (0, 0, 2.5)))
    return molecular_problem(Molecule(name="N2", atoms=atoms, active_space=(6, 6)))


def test_stretched_nitrogen_has_minima_that_better_starts_do_not_leave() -> None:
    """18.3 mHa is a minimum of the symmetric state; what lies lower breaks the spin, or needs another ansatz."""
    problem = nitrogen()

    def ended(ansatz: Ansatz, start: np.ndarray) -> tuple[float, float]:
        optimum = minimize(energy_of(problem)(ansatz), start)
        return error_mha(problem, optimum.value), observe(problem, ansatz, optimum.angles).spin_squared

    ansatz = uccsd(6, 3, 3)
    zero, *near = starting_angles(problem, ansatz, restarts=3)
    first = ended(ansatz, zero)
    assert first == pytest.approx((18.337, 0.119), abs=2e-3)
    hessian = energy_of(problem)(ansatz).hessian(minimize(energy_of(problem)(ansatz), zero).angles)
    assert np.linalg.eigvalsh(hessian)[0] > 0.04  # hartree: a minimum, not a saddle point
    assert ended(ansatz, starting_angles(problem, ansatz, "mp2")[0]) == pytest.approx(first, abs=2e-3)
    assert min(ended(ansatz, each)[0] for each in near) > 18.3
    with pytest.raises(ConvergenceError, match="CCSD did not converge"):
        starting_angles(problem, ansatz, "ccsd")
    broken = ended(ansatz, starting_angles(problem, ansatz, restarts=1, keep_irrep=False)[1])
    assert broken[0] < 1.0 and broken[1] > 2.0  # a mixture with quintets and septets
    by_energy = ordered(ansatz, "excitation_energy", problem.electrons)
    assert ended(by_energy, zero)[0] < 14.0
    generalised = uccgsd(6)
    assert ended(generalised, np.zeros(generalised.n_parameters)) == pytest.approx((0.0, 0.0), abs=1e-3)


@pytest.mark.parametrize(
    ("words", "sizes", "error"),
    [
        (["ansatz=uccd"], (18, 18), 1.0),
        (["ansatz=puccd"], (4, 4), 60.0),
        (["ansatz=uccsd", "ansatz.singlet=true", "ansatz.start=ccsd"], (14, 28), 0.2),
        (["ansatz=kupccgsd", "ansatz.k=1", "ansatz.order=singles_first", "ansatz.restarts=1"], (18, 18), 60.0),
        (["ansatz=uccgsd", "ansatz.order=mp2_amplitude", "ansatz.start=mp2"], (90, 90), 0.01),
    ],
)
def test_ansatze_on_the_command_line(words, sizes, error, tmp_path, capsys) -> None:
    assert main(["molecule=H4", "pruner=symmetry", *words, f"output_dir={tmp_path / 'o'}"]) == 0
    record = read_record(tmp_path / "o")
    stage = record.stages[0]
    assert (stage["n_parameters"], stage["n_rotations"]) == sizes
    assert 0.0 <= 1e3 * stage["error_to_exact"] < error
    assert abs(record.qsim["difference"]) < 1e-6
    assert record.stages[-1]["energy"] == pytest.approx(stage["energy"], abs=1e-8)
    out = capsys.readouterr().out
    assert ("full, start 2" in out) == ("ansatz.restarts=1" in words) == ("restarts ends lower" in out)


BAD = {
    "ansatz=ucc": "did you mean uccd",
    "ansatz=kupccgs": "did you mean kupccgsd",
    "ansatz.k=2": "no effect with ansatz=uccsd",
    "ansatz.order=mp2": "available: singles_first, doubles_first, mp2_amplitude, excitation_energy",
    "ansatz.order=double_first": "did you mean doubles_first",
    "ansatz.start=ccd": "did you mean ccsd",
    "ansatz.restarts=-1": "must be from 0",
    "ansatz=kupccgsd ansatz.k=0": "must be from 1",
    "ansatz=puccd ansatz.singlet=true": "keeps the total spin anyway",
    "ansatz=uccgsd ansatz.singlet=true": "no form with singlets",
    "ansatz=uccd ansatz.order=doubles_first": "has no singles",
    "ansatz=hva ansatz.start=mp2": "of excitations: uccsd",
    "ansatz=uccgsd training.seeds=2": "see ansatz.start and ansatz.restarts",
    "model=tfim ansatz=puccd": "ansatz=puccd needs a molecule",
    "molecule=H4 molecule.charge=1 molecule.spin=1 ansatz.singlet=true": "as many alpha as beta",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_settings_are_one_line(words: str, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    err = capsys.readouterr().err
    assert BAD[words] in err and err.count("\n") == 1


def test_defaults_are_filled_in_and_the_command_repeats_them() -> None:
    from dataclasses import asdict

    from vqe_prune.config import command_line

    settings = parse_settings(["ansatz=kupccgsd", "ansatz.singlet=true", "ansatz.restarts=3"])
    assert (settings.ansatz.k, settings.ansatz.order) == (2, "doubles_first") and not settings.on_qubits
    words = shlex.split(command_line(asdict(settings)))[3:]
    assert words == ["molecule=LiH", "ansatz=kupccgsd", "ansatz.singlet=true", "ansatz.restarts=3"]
    assert parse_settings(words) == settings


def test_starts_that_do_not_fit_are_refused(molecular) -> None:
    problem, ansatz = molecular("H2"), uccsd(2, 1, 1)
    with pytest.raises(InputError, match="each of starts must hold 3 angles"):
        prune_ansatz(problem, ansatz, starts=[np.zeros(2)])
    with pytest.raises(InputError, match="did you mean mp2"):
        starting_angles(problem, ansatz, "mp")
    with pytest.raises(InputError, match="no empty or no filled"):
        cluster_amplitudes(random_problem(2, 2, 1, seed=1).electrons, "mp2")
    assert sector_hamiltonian(problem).sector.dimension == 4
