"""Symmetric pruning: find the symmetric ansatz inside an asymmetric one, before any training.

Passes: system (gates that break a symmetry of the whole register go), structure (gates that do not occur in the
Hamiltonian go, fixed entanglers become couplings of the Hamiltonian), spatial (one parameter an orbit of the
Hamiltonian's permutations, a layer) and depth (layers that add no new direction go). A pass is taken only if the
smaller ansatz passes an acceptance test.

Source: the effective quantum neural tangent kernel and symmetric pruning are those of X. Wang, J. Liu, T. Liu, Y. Luo,
Y. Du, D. Tao, Symmetric pruning in quantum neural networks, arXiv 2208.14057. The passes as they are here, the
acceptance test and the depth pass are our reconstruction.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.errors import InputError
from vqe_prune.paulis import PauliSum, State
from vqe_prune.prune.passes import (
    broken_symmetry,
    couplings,
    depth_plan,
    gate_key,
    spatial_plan,
    structure_plan,
    system_plan,
)
from vqe_prune.prune.plan import Action, PrunePlan, apply_plan, chain
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.score.kernel import haar_gradient_of, projected_traces
from vqe_prune.score.lie import cliffords_first
from vqe_prune.score.space import (
    EffectiveSpace,
    apply_gates,
    fixed_gates,
    independent_generators,
    prepared_reference,
    project_sum,
)
from vqe_prune.score.summary import space_of
from vqe_prune.symmetry import Sum

LARGEST_SQUARED = 16
"""Of spaces up to this dimension the invariants of two copies are compared too: those have d_eff (d_eff + 1) / 2."""

SAME_ENERGY = 1e-8
"""Difference of two exact energies that is rounding, times the sum of all coefficients."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SymmetricPass:
    """One accepted pass.

    Attributes:
        name: ``system``, ``structure``, ``spatial`` or ``depth``.
        plan: One decision a rotation of the ansatz before it.
        ansatz: The ansatz after it.

    """

    name: str
    plan: PrunePlan
    ansatz: Ansatz


def symmetric_passes(problem: QubitProblem, ansatz: Ansatz) -> tuple[list[SymmetricPass], list[str]]:
    """Prune an ansatz by the symmetries of its Hamiltonian, in one shot.

    Args:
        problem: Hamiltonian, reference, symmetries and exact energy.
        ansatz: Pauli rotations and Clifford gates, over-parameterised.

    Returns:
        The accepted passes that change something, in their order, and what the user should know, in words.

    Raises:
        InputError: The exact energy, which the acceptance test needs, is not known.

    """
    if problem.energies.get("exact") is None:
        raise InputError("pruner=eqntk needs the exact energy for its acceptance test; leave out exact=false")
    test = _Test(problem, ansatz)
    passes, notes = _gate_passes(test, ansatz)
    current = passes[-1].ansatz if passes else ansatz
    spatial = spatial_plan(problem, current)
    if _changes(spatial):
        verdict = test.judge(apply_plan(spatial, current), final=True)
        if verdict.accepted:
            passes.append(_as_pass("spatial", spatial, current))
            current = passes[-1].ansatz
        else:
            notes.append(f"eqntk: no angles are shared by spatial symmetry: {verdict.reason}")
    depth, note = depth_plan(problem, current)
    notes += [note] if note else []
    if _changes(depth):
        passes.append(_as_pass("depth", depth, current))
        current = passes[-1].ansatz
    verdict = test.judge(current, final=True)
    if not verdict.accepted:
        return [], [f"eqntk removed nothing: {verdict.reason}"]
    return passes, notes


def _as_pass(name: str, plan: PrunePlan, ansatz: Ansatz) -> SymmetricPass:
    return SymmetricPass(name=name, plan=replace(plan, rule=name), ansatz=apply_plan(plan, ansatz))


def _changes(plan: PrunePlan) -> bool:
    return any(decision.action is not Action.KEEP for decision in plan.decisions)


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    """Whether a smaller ansatz is as good as the one before it, and if not, why."""

    accepted: bool
    reason: str = ""


@dataclass(frozen=True, eq=False)
class _Test:
    """The acceptance test: V* holds the ground state, is not larger than before, and the reference is all in reach."""

    problem: QubitProblem
    before: Ansatz

    @cached_property
    def space_before(self) -> EffectiveSpace:
        return self.space(self.before)

    def space(self, ansatz: Ansatz) -> EffectiveSpace:
        return space_of(self.problem, ansatz)

    def judge(self, ansatz: Ansatz, *, final: bool = False) -> _Verdict:
        """Judge an ansatz; spaces too large to close pass unless it is the `final` one, which must be certain."""
        if ansatz.n_parameters == 0:
            return _Verdict(accepted=False, reason="no gate with a parameter would be left")
        ansatz = cliffords_first(ansatz)
        space = self.space(ansatz)
        if not space.whole:
            reason = f"the space of the pruned ansatz has {space.dimension} dimensions or more, too many to check"
            return _Verdict(accepted=not final, reason=reason)
        exact = self.problem.energies["exact"] or 0.0
        missing = space.ground_energy - exact
        tolerance = SAME_ENERGY * max(self.problem.hamiltonian.norm_bound, 1.0)
        if missing > tolerance:
            reason = f"the gates that would be left cannot reach the ground state (at best {missing:.3e} above it)"
            return _Verdict(accepted=False, reason=reason)
        if self.space_before.whole and space.dimension > self.space_before.dimension:
            reason = f"d_eff would grow from {self.space_before.dimension} to {space.dimension}"
            return _Verdict(accepted=False, reason=reason)
        overlap = self._reachable_overlap(ansatz, space)
        if overlap < 1.0 - 1e-8:
            reason = (
                f"the gates that would be left split the space into parts that they never mix, and with the weights "
                f"of the reference in them the overlap with the ground state is at most {overlap:.4f}"
            )
            return _Verdict(accepted=False, reason=reason)
        return _Verdict(accepted=True)

    def _reachable_overlap(self, ansatz: Ansatz, space: EffectiveSpace) -> float:
        """Largest |<ground|psi>|^2 that the weights in the irreducible parts of V* allow (ours).

        V* may split into parts that no gate connects; each keeps the weight that the reference has in it. So do the
        parts of two copies of V*, which tell gates that cannot entangle from gates that can.
        """
        hamiltonian = self.problem.hamiltonian
        energies, vectors = np.linalg.eigh(project_sum(hamiltonian.terms, space))
        level = vectors[:, energies - energies[0] < SAME_ENERGY * max(hamiltonian.norm_bound, 1.0)]
        reference = space.basis.conj() @ prepared_reference(ansatz, self.problem.reference_state)
        ground = level @ (level.conj().T @ reference)
        if np.linalg.norm(ground) < 1e-9:  # gates may lead there all the same
            ground = level[:, 0]
        ground /= np.linalg.norm(ground)
        generators = [project_sum(terms, space) for terms in independent_generators(ansatz)]
        unitaries = [space.basis.conj() @ apply_gates(gates, space.basis).T for gates in fixed_gates(ansatz)[1]]
        overlap = _allowed_overlap(reference, ground, generators, unitaries)
        if level.shape[1] > 1 or space.dimension > LARGEST_SQUARED:
            return overlap  # of a degenerate level another state may be the one in reach
        states, generators, unitaries = _two_copies([reference, ground], generators, unitaries)
        return min(overlap, float(np.sqrt(_allowed_overlap(states[0], states[1], generators, unitaries))))


def _allowed_overlap(reference: State, ground: State, generators: list[State], unitaries: list[State]) -> float:
    """Largest |<ground|psi>|^2 of states with the reference's weights in the irreducible parts of the gates' algebra.

    The parts are the connected pieces of one random element of the algebra in the eigenbasis of another one.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    rng = np.random.default_rng(0)
    matrices = list(generators)
    for unitary in unitaries:
        matrices += [unitary + unitary.conj().T, 1.0j * (unitary - unitary.conj().T)]

    def random_element() -> State:
        first, second = (np.einsum("k,kij->ij", rng.normal(size=len(matrices)), matrices) for _ in range(2))
        return first + first @ second + second @ first + 1.0j * (first @ second - second @ first)

    _, basis = np.linalg.eigh(random_element())
    other = np.abs(basis.conj().T @ random_element() @ basis)
    _, parts = connected_components(csr_array(other > 1e-9 * other.max()), directed=False)
    sums = [np.bincount(parts, weights=np.abs(basis.conj().T @ state) ** 2) for state in (reference, ground)]
    return float(np.sum(np.sqrt(sums[0] * sums[1])) ** 2)


def _two_copies(
    states: list[State], generators: list[State], unitaries: list[State]
) -> tuple[list[State], list[State], list[State]]:
    """States, generators and unitaries on the symmetric half of two copies of their space."""
    d = len(states[0])
    first, second = np.triu_indices(d)
    scale = np.where(first == second, 0.5, 0.5**0.5)  # (e_i e_j + e_j e_i) / sqrt 2, and e_i e_i
    rows = np.zeros((len(first), d, d))
    np.add.at(rows, (np.arange(len(first)), first, second), scale)
    np.add.at(rows, (np.arange(len(first)), second, first), scale)
    half = rows.reshape(-1, d * d).astype(np.complex128)
    return (
        [half @ np.kron(state, state) for state in states],
        [2.0 * half @ np.kron(generator, np.eye(d)) @ half.T for generator in generators],
        [half @ np.kron(unitary, unitary) @ half.T for unitary in unitaries],
    )


def _gate_passes(test: _Test, ansatz: Ansatz) -> tuple[list[SymmetricPass], list[str]]:
    """System and structure passes with the strictest symmetries and the closest structure that are accepted."""
    problem = test.problem
    refusals: list[str] = []
    scores = _gate_scores(test, ansatz)
    for symmetries in _symmetry_sets(problem):
        system = system_plan(symmetries, ansatz, scores)
        smaller = apply_plan(system, ansatz)
        passes = [_as_pass("system", system, ansatz)] if _changes(system) else []
        keeps = all(broken_symmetry(rotation.generator, symmetries) is None for rotation in smaller.rotations)
        verdict = test.judge(smaller) if keeps else _Verdict(accepted=False, reason="fixed gates break the symmetry")
        for options in couplings(problem, smaller):
            structure = structure_plan(problem, smaller, symmetries, options)
            if not _changes(structure):
                continue
            better = test.judge(apply_plan(structure, smaller))
            if better.accepted and verdict.accepted:
                return [*passes, _as_pass("structure", structure, smaller)], []
            if better.accepted:  # the first pass alone would fail: it is one with the second
                return [_as_pass("structure", chain([system, structure]), ansatz)], []
            verdict = verdict if verdict.accepted else better
        if verdict.accepted and (passes or not refusals):
            return passes, []
        refusals += [] if verdict.accepted else [verdict.reason]
    return [], [f"eqntk: no gate is removed by symmetry: {refusals[0]}"] if refusals else []


def _symmetry_sets(problem: QubitProblem) -> Iterator[list[Sum]]:
    """All symmetries of the register, then those of Z2 alone, then none (structure may still help)."""
    yield problem.symmetries.register_wide
    if problem.symmetries.charges and problem.symmetries.parities:
        yield [((1.0, string),) for string in problem.symmetries.parities]
    if problem.symmetries.register_wide:
        yield []


def _gate_scores(test: _Test, ansatz: Ansatz) -> list[float | None]:
    """Haar mean of each gate's squared gradient on V*, its share of the EQNTK.

    None where V* is too large, and where fixed gates between the rotations turn each of them differently.
    """
    space = test.space_before
    if not space.whole or space.dimension < 2 or fixed_gates(ansatz)[1]:
        return [None] * len(ansatz.rotations)
    observable = projected_traces(test.problem.hamiltonian.terms, space)
    known: dict[Hashable, float | None] = {}
    for rotation in ansatz.rotations:
        key, generator = gate_key(rotation.generator), rotation.generator
        if key not in known:
            known[key] = None
            if isinstance(generator, PauliSum) and rotation.parameter is not None:
                known[key] = haar_gradient_of(projected_traces(generator.terms, space), observable, space)
    found = [(known[gate_key(rotation.generator)], rotation.coefficient) for rotation in ansatz.rotations]
    return [None if score is None else score * coefficient**2 for score, coefficient in found]
