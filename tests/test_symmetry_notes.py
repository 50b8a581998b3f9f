"""Notes on what a state has lost of its symmetry, and on what to try where an optimisation is stuck."""

import numpy as np
import pytest

import vqe_prune as vp
from vqe_prune.objective import energy_of
from vqe_prune.observables import observables_of, properties_of
from vqe_prune.optimize import Optimum, StopReason
from vqe_prune.prune.notes import training_notes
from vqe_prune.prune.symmetry_notes import MIXED, symmetry_notes, weight_outside
from vqe_prune.starts import starting_angles

ATOMS = tuple(("H", (0.0, 0.0, float(k))) for k in range(4))


@pytest.fixture(scope="module")
def h4() -> vp.Problem:
    return vp.molecular_problem(vp.Molecule(name="H4", atoms=ATOMS))


def test_the_weight_outside_is_that_of_the_state_turned_upside_down(h4: vp.Problem) -> None:
    """Of a centrosymmetric chain, with its Abelian irreps: psi - P psi has twice the weight of the other parity."""
    rng = np.random.default_rng(5)
    state = rng.normal(size=(6, 6))
    state /= np.linalg.norm(state)
    odd = [int(irrep != h4.electrons.irreps[0]) for irrep in h4.electrons.irreps]
    strings = [(p, q) for q in range(4) for p in range(q)]  # PySCF's order of two electrons in four orbitals
    parity = np.array([(-1) ** (odd[p] + odd[q]) for p, q in strings])
    image = parity[:, None] * state * parity
    assert weight_outside(h4, state) == pytest.approx(0.25 * np.linalg.norm(state - image) ** 2, abs=1e-14)
    assert weight_outside(h4, (state + image) / 2) == pytest.approx(0.0, abs=1e-14)


def test_a_pruning_that_mixes_irreps_says_so(h4: vp.Problem) -> None:
    """Tiles of tups are lopsided: the full one reaches the exact, symmetric state, the pruned one has a dipole."""
    ansatz = vp.tups(4, 2, 2, layers=3)
    starts = starting_angles(h4, ansatz, restarts=1, keep_irrep=False)
    pruning = vp.prune_ansatz(h4, ansatz, rules=["curvature"], starts=starts)
    (note,) = [note for note in pruning.notes if "symmetry" in note]
    assert note.startswith("the state of curvature breaks the symmetry of the reference: ")
    assert "other irreps of Dooh" in note and "<S^2>" not in note
    final = pruning.final
    state = energy_of(h4)(final.ansatz).engine.state(final.optimum.angles)
    assert np.linalg.norm(properties_of(h4, state, None).dipole or ()) > 1e-3  # debye; H4 has none
    assert observables_of(h4, state).spin_squared == pytest.approx(0.0, abs=MIXED)
    assert not any("<S^2>" in note for note in pruning.notes)  # tups keeps the spin: no word of broken spin


def test_a_start_that_is_stuck_says_what_to_try(h4: vp.Problem) -> None:
    ansatz = vp.kupccgsd(4, 2)
    pruning = vp.prune_ansatz(h4, ansatz, rules=["symmetry"])
    (note,) = [note for note in pruning.notes if "try ansatz.restarts" in note]
    assert "from zero angles, 11.2211 mHa above the exact energy; try ansatz.restarts=5 or ansatz.start=mp2" in note
    start = starting_angles(h4, ansatz, "mp2")
    (note,) = [
        note
        for note in vp.prune_ansatz(h4, ansatz, rules=["symmetry"], starts=start).notes
        if "try ansatz.restarts" in note
    ]
    assert note.endswith("try ansatz.restarts=5")
    good = vp.prune_ansatz(h4, vp.uccsd(4, 2, 2), rules=["symmetry"])
    assert good.notes == () and symmetry_notes(h4, good.stages, energy_of(h4)) == []


@pytest.mark.parametrize("after", [[], ["curvature"]])
def test_a_pass_that_trains_less_surely_says_so_whatever_follows(after: list[str]) -> None:
    problem = vp.model_problem(vp.transverse_field_ising(vp.ring(3)))
    angles = Optimum(
        angles=np.zeros(1), value=problem.energies["exact"] or 0.0, gradient=0.0, steps=0, reason=StopReason.GRADIENT
    )
    trained = [("full", 8), ("spatial", 8), ("depth", 5)]
    stages = [(name, angles, {"n_successes": number, "n_seeds": 8}) for name, number in trained]
    notes = training_notes(problem, [*stages, *((name, angles, None) for name in after)])
    assert [note[:45] for note in notes] == ["the depth stage trains less surely than the o"]
    assert "5 instead of 8 of 8 starts" in notes[0]
