"""A pruning rule of one's own: a plan from a function, a score for deletions, and the numbers that must come out."""

import numpy as np
from numpy.typing import NDArray

import vqe_prune as vp

Vector = NDArray[np.float64]


def pairs_only(problem: vp.Problem | vp.QubitProblem, ansatz: vp.Ansatz, angles: Vector) -> vp.PrunePlan:
    """Keep what moves a pair of electrons from one orbital to another: such a gate takes two two-qubit gates."""
    decisions = []
    for excitation in ansatz.excitations:
        before = {p // 2 for p in excitation.annihilated}
        after = {p // 2 for p in excitation.created}
        if len(excitation.created) == 2 and len(before) == len(after) == 1:
            decisions.append(vp.Decision(action=vp.Action.KEEP, reason="moves a pair"))
        else:
            decisions.append(vp.Decision(action=vp.Action.DROP, reason="breaks a pair or moves one electron"))
    return vp.PrunePlan(rule="pairs only", decisions=tuple(decisions))


def cost_per_gate(objective: vp.Objective, angles: Vector, inverse_hessian: Vector) -> Vector:
    """What deleting a parameter costs, to second order, for each two-qubit gate that goes with it."""
    gates = np.zeros(len(angles))
    for rotation in objective.ansatz.rotations:
        if rotation.parameter is not None and isinstance(rotation.generator, vp.Excitation):
            gates[rotation.parameter] += 2 if len(rotation.generator.created) == 1 else 13
    return 0.5 * angles**2 / np.diag(inverse_hessian) / np.maximum(gates, 1)


molecule = vp.Molecule(name="LiH", atoms=(("Li", (0, 0, 0)), ("H", (0, 0, 1.595))))
problem = vp.molecular_problem(molecule)
ansatz = vp.uccsd(problem.n_orbitals, *problem.n_electrons)

pairs = vp.prune_ansatz(problem, ansatz, rules=["symmetry", pairs_only])
print(pairs)
certificate = pairs.certificate
print(
    f"the rule costs {1e3 * certificate.measured_increase:.4f} mHa; "
    f"{1e3 * certificate.predicted_increase:.4f} were predicted, at most {1e3 * certificate.bound:.1f} possible"
)

by_gates = vp.DeletionRule(name="by gates", score=cost_per_gate)
for rule in ("curvature", by_gates):
    pruning = vp.prune_ansatz(problem, ansatz, rules=["symmetry", rule], limits=vp.Limits(tolerance=1.5e-3))
    gates = vp.ansatz_gates(pruning.final.ansatz, pruning.final.optimum.angles, problem.reference_occupied)
    n_parameters, n_gates = pruning.final.ansatz.n_parameters, vp.count_resources(gates).n_two_qubit_gates
    print(f"{pruning.final.name}: {n_parameters} parameters, {n_gates} two-qubit gates")

assert [stage.name for stage in pairs.stages] == ["full", "symmetry", "pairs only"]
assert [stage.ansatz.n_parameters for stage in pairs.stages] == [92, 18, 6]
assert abs(certificate.predicted_increase / certificate.measured_increase - 1) < 1e-3
assert certificate.measured_increase < certificate.bound
assert (n_parameters, n_gates) == (4, 54)  # one parameter more and three gates fewer than curvature
