"""Rules of one's own in prune_ansatz: plans and scores, their certificates, and mistakes that a function may make."""

import numpy as np
import pytest

import vqe_prune as vp
from vqe_prune.prune.controls import rank_by_magnitude
from vqe_prune.prune.rule import expected_value
from vqe_prune.prune.symmetry import symmetry_plan


def pairs_only(problem, ansatz, angles) -> vp.PrunePlan:
    """Keep what moves a pair from one orbital to another."""
    decisions = []
    for rotation in ansatz.rotations:
        from_orbitals, to_orbitals = (
            {p // 2 for p in indices} for indices in (rotation.generator.annihilated, rotation.generator.created)
        )
        pair = len(rotation.generator.created) == 2 and len(from_orbitals) == len(to_orbitals) == 1
        action = vp.Action.KEEP if pair else vp.Action.DROP
        decisions.append(vp.Decision(action=action, reason="a pair" if pair else "breaks a pair"))
    return vp.PrunePlan(rule="pairs only", decisions=tuple(decisions))


def uccsd(problem) -> vp.Ansatz:
    return vp.uccsd(problem.n_orbitals, *problem.n_electrons)


def test_the_package_s_rules_written_as_one_s_own_do_the_same(molecular) -> None:
    lih = molecular("LiH")

    def mirror(problem, ansatz, angles) -> vp.PrunePlan:
        return vp.PrunePlan(rule="mirror", decisions=symmetry_plan(problem, ansatz, angles).decisions)

    smallest = vp.DeletionRule(name="smallest angle", score=rank_by_magnitude)
    own = vp.prune_ansatz(lih, uccsd(lih), rules=[mirror, smallest])
    package = vp.prune_ansatz(lih, uccsd(lih), rules=["symmetry", "magnitude"])
    assert [stage.name for stage in own.stages] == ["full", "mirror", "smallest angle"]
    assert own.final.ansatz.rotations == package.final.ansatz.rotations
    assert own.final.optimum.value == pytest.approx(package.final.optimum.value, abs=1e-12)
    assert own.certificate.predicted_increase == pytest.approx(package.certificate.predicted_increase, abs=1e-9)
    assert own.plan.rule == "mirror, smallest angle"


def test_a_plan_of_one_s_own_is_applied_composed_and_certified(molecular) -> None:
    lih = molecular("LiH")
    pruning = vp.prune_ansatz(
        lih, uccsd(lih), rules=["symmetry", pairs_only, "curvature"], limits=vp.Limits(parameters=2)
    )
    alone = pruning.stages[2]
    assert alone.name == "pairs only"
    assert [stage.ansatz.n_parameters for stage in pruning.stages] == [92, 18, 6, 2]
    # the same pairs without the package's symmetry rule: their irreps allow them all, only the ties differ
    pairs = vp.prune_ansatz(lih, vp.puccd(lih.n_orbitals, *lih.n_electrons), rules=["symmetry"])
    assert alone.optimum.value == pytest.approx(pairs.final.optimum.value, abs=1e-9)
    assert vp.apply_plan(pruning.plan, pruning.stages[0].ansatz).rotations == pruning.final.ansatz.rotations
    certificate = pruning.certificate  # one Newton step is third order: 4 mHa are predicted to a thousandth
    assert certificate.predicted_increase == pytest.approx(certificate.measured_increase, rel=1e-3)
    assert certificate.measured_increase < certificate.bound


def test_what_a_newton_step_predicts_is_never_below_the_minimum(molecular) -> None:
    lih = molecular("LiH")
    objective = vp.EnergyObjective(vp.sector_hamiltonian(lih), vp.puccd(lih.n_orbitals, *lih.n_electrons))
    lowest = vp.minimize(objective, np.zeros(objective.ansatz.n_parameters)).value
    for seed in range(5):
        start = np.random.default_rng(seed).normal(scale=0.3 * seed, size=objective.ansatz.n_parameters)
        expected = expected_value(objective, start)
        assert lowest - 1e-9 <= expected <= objective.value_and_gradient(start)[0]
    near = np.random.default_rng(5).normal(scale=0.01, size=objective.ansatz.n_parameters)
    assert expected_value(objective, near) == pytest.approx(lowest, abs=2e-5)  # from 0.8 mHa above


def test_a_rule_on_qubits_that_drops_what_breaks_parity() -> None:
    problem = vp.model_problem(vp.transverse_field_ising(vp.ring(4)))
    ansatz = vp.hardware_efficient(4, layers=3, blocks=("x", "z"), entangler="zz", backwards=True)

    def without_z(problem, ansatz, angles) -> vp.PrunePlan:
        angles[:] = 0.0  # a copy: what a rule does to it changes nothing
        decisions = []
        for rotation in ansatz.rotations:
            ((_, string),) = rotation.generator.terms
            breaks = [letter for _, letter in string] == ["Z"]
            decisions.append(vp.Decision(action=vp.Action.DROP if breaks else vp.Action.KEEP, reason="parity"))
        return vp.PrunePlan(rule="without Z", decisions=tuple(decisions))

    pruning = vp.prune_ansatz(problem, ansatz, rules=[without_z])
    assert [stage.ansatz.n_parameters for stage in pruning.stages] == [36, 24]
    assert pruning.final.optimum.value == pytest.approx(problem.energies["exact"], abs=1e-8)


def test_a_rule_may_stand_before_orbitals_that_follow(molecular) -> None:
    lih = molecular("LiH")
    pruning = vp.prune_ansatz(lih, uccsd(lih), rules=["symmetry", pairs_only, "curvature"], orbitals="optimise")
    assert [stage.ansatz.n_parameters for stage in pruning.stages] == [92, 18, 18, 6, 1]
    assert pruning.final.optimum.value - lih.energies["exact"] == pytest.approx(1.2835e-3, abs=1e-6)  # CASSCF(2,2)


def test_mistakes_are_said_in_one_line(molecular) -> None:
    h2 = molecular("H2")
    keep = vp.Decision(action=vp.Action.KEEP, reason="")

    def plan(rule: str, n: int):
        return lambda problem, ansatz, angles: vp.PrunePlan(rule=rule, decisions=(keep,) * n)

    cases = [
        (lambda problem, ansatz, angles: None, "the rule <lambda> returned NoneType; it must return a PrunePlan"),
        (plan("mine", 2), "decided on 2 rotations; the ansatz has 3: return one Decision for each"),
        (plan("curvature", 3), "a rule of your own is called 'curvature', which is taken; give it another name"),
        (vp.DeletionRule(name="lie", score=rank_by_magnitude), "called 'lie', which is taken"),
        (3, "rules hold names and functions, not int"),
        ("mine", "unknown rule 'mine'"),
    ]
    for rule, message in cases:
        with pytest.raises(vp.InputError, match=message):
            vp.prune_ansatz(h2, vp.uccsd(2, 1, 1), rules=["symmetry", rule] if isinstance(rule, str) else [rule])
