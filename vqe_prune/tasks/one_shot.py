"""Rules that make a task's circuit smaller in one shot, before it is trained again: ``eqntk`` ties, ``lie`` merges.

Both need to know what the loss looks like from outside: which permutations of the qubits leave it alone and which
states enter. `Register` holds that in the form in which these rules know problems.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.automorphism import PermutationGroup, permutation_symmetries
from vqe_prune.errors import InputError
from vqe_prune.objective import Objective
from vqe_prune.paulis import QubitHamiltonian
from vqe_prune.prune.lie import lie_merge_of_loss
from vqe_prune.prune.lie_options import LieOptions
from vqe_prune.prune.passes import depth_plan, spatial_plan
from vqe_prune.prune.plan import PrunePlan, apply_plan, carry_angles, chain
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.symmetry import HamiltonianSymmetries

Vector = NDArray[np.float64]
State = NDArray[np.complex128]

MOST_STATES = 32
"""Of the states that enter a circuit so many say how far apart its gates are."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Register:
    """The qubits of a task as rules see them.

    Attributes:
        problem: Qubits, first state and symmetries; its Hamiltonian says nothing about the loss.
        states: What enters the circuit, shape (n_states, 2^n).

    """

    problem: QubitProblem
    states: Sequence[State]


def register_of(n_qubits: int, states: State, permutations: PermutationGroup | None = None) -> Register:
    """Return the register of a task.

    Args:
        n_qubits: Number of qubits n.
        states: What enters the circuit, shape (n_states, 2^n); the first `MOST_STATES` count.
        permutations: Of the qubits, those that leave the loss as it is; default the identity alone.

    """
    none = PermutationGroup(n=n_qubits, generators=(), order=1)
    problem = QubitProblem(
        name="the task",
        hamiltonian=QubitHamiltonian(n_qubits=n_qubits, terms=()),
        reference="0" * n_qubits,
        symmetries=HamiltonianSymmetries(parities=(), charges=(), su2=False, permutations=permutations or none),
        energies={},
        unit="",
    )
    return Register(problem=problem, states=list(states[:MOST_STATES]))


def permutations_of(target: Vector) -> PermutationGroup:
    """Return the permutations of the bits that leave a distribution over bit strings as it is, shape (2^n,).

    They are those of sum_x p(x) |x><x|, whose strings of Z have the Walsh-Hadamard transform of p as coefficients.
    """
    n = len(target).bit_length() - 1
    transform = np.array(target, dtype=np.float64).reshape((2,) * n)
    for axis in range(n):
        first, second = np.split(transform, 2, axis=axis)
        transform = np.concatenate([first + second, first - second], axis=axis)
    terms = []
    for index, coefficient in enumerate((transform / len(target)).ravel().tolist()):
        string = tuple((q, "Z") for q in range(n) if index >> (n - 1 - q) & 1)
        if string and abs(coefficient) > 1e-12:
            terms.append((coefficient, string))
    return permutation_symmetries(QubitHamiltonian(n_qubits=n, terms=tuple(terms)))


def tied_by_symmetry(register: Register, ansatz: Ansatz, angles: Vector) -> tuple[PrunePlan, Vector]:
    """Tie the gates of a layer that a symmetry maps onto each other, and drop layers that add no direction.

    What symmetric pruning does with a Hamiltonian's permutations, here with those of the loss; there is no ground state
    whose place in the smaller space could be tested, so that only the training shows whether it is large enough (ours).

    Args:
        register: Of the task.
        ansatz: Layers of Pauli rotations and Clifford gates.
        angles: Its trained parameters, radian, (n_parameters,); the mean of those tied is where training starts.

    Returns:
        The plan and the parameters of the smaller ansatz.

    Raises:
        InputError: No gates are related by a symmetry.

    Source: X. Wang, J. Liu, T. Liu, Y. Luo, Y. Du, D. Tao, Symmetric Pruning in Quantum Neural Networks, arXiv
        2208.14057; tying by the permutations of a distribution is our reconstruction.

    """
    spatial = spatial_plan(register.problem, ansatz)
    tied = apply_plan(spatial, ansatz)
    if tied.n_parameters == ansatz.n_parameters:
        raise InputError(
            "pruner=eqntk: no symmetry of the task maps the gates of a layer onto each other; try "
            "ansatz.connectivity=full, or another rule"
        )
    depth, _ = depth_plan(register.problem, tied)
    plan = replace(chain([spatial, depth]), rule="eqntk")
    return plan, carry_angles(plan, ansatz, angles)


def merged_by_distance(
    register: Register, bind: Callable[[Ansatz], Objective], ansatz: Ansatz, angles: Vector, options: LieOptions
) -> tuple[PrunePlan, Vector]:
    """Drop and tie gates of one subgroup that are nearly the same, to a budget, at the states that enter the circuit.

    Args:
        register: Of the task.
        bind: Makes the loss of an ansatz.
        ansatz: Pauli rotations and Clifford gates.
        angles: Its trained parameters, radian, (n_parameters,).
        options: With a budget; the ensemble is that of the states that enter.

    Returns:
        The plan, and the parameters of the smaller ansatz, where tuning starts.

    """
    if options.distance == "geometric":
        options = replace(options, ensemble="data", data=register.states)
    return lie_merge_of_loss(register.problem, bind, ansatz, angles, options)
