"""What an optimiser minimises and a pruning rule asks about: the objective, and the energy as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation
from vqe_prune.engine.determinants import Sector, SectorHamiltonian
from vqe_prune.engine.sector import SectorEngine
from vqe_prune.engine.statevector import COMPILED_QUBITS, StatevectorEngine
from vqe_prune.errors import InputError
from vqe_prune.paulis import QubitHamiltonian, State
from vqe_prune.problem import Problem
from vqe_prune.qubit_problem import QubitProblem

Vector = NDArray[np.float64]

MOST_ROTATIONS = 100_000
"""Longer ansätze are refused: every step would take seconds."""


COSTLY_DIMENSION = 200_000
"""Determinants of sectors in which a gradient takes a tenth of a second and more."""


class Objective(Protocol):
    """A real function of the angles of an ansatz, shape (n_parameters,), with its derivatives."""

    @property
    def ansatz(self) -> Ansatz:
        """The ansatz whose angles are the arguments."""
        ...

    @property
    def cheap_hessian(self) -> bool:
        """Whether a Hessian costs little beside a re-optimisation."""
        ...

    def value_and_gradient(self, angles: Vector) -> tuple[float, Vector]:
        """Return the value and its gradient, shape (n_parameters,)."""
        ...

    def hessian(self, angles: Vector) -> Vector:
        """Return the matrix of second derivatives, shape (n_parameters, n_parameters)."""
        ...

    def jacobian(self, angles: Vector) -> NDArray[Any]:
        """Return the derivative of the state (without its part along the state) or of the outputs.

        Shape (n_parameters, n_outputs); complex for complex states.
        """
        ...


class EnergyObjective:
    """The energy <psi(angles)|H|psi(angles)> of excitation rotations on a problem's reference, in hartree.

    Args:
        hamiltonian: The problem's Hamiltonian on its sector, as `sector_hamiltonian` makes it.
        ansatz: Excitation rotations.
        threads: Threads for large sectors.
        reference: Alpha and beta string index of the determinant that the rotations act on.
        engine: What evaluates them.

    """

    def __init__(
        self,
        hamiltonian: SectorHamiltonian,
        ansatz: Ansatz,
        threads: int = 1,
        reference: tuple[int, int] = (0, 0),
        engine: type[SectorEngine] = SectorEngine,
    ) -> None:
        self.engine = engine(hamiltonian=hamiltonian, ansatz=ansatz, reference=reference, threads=threads)

    @property
    def ansatz(self) -> Ansatz:
        """The ansatz whose angles are the arguments."""
        return self.engine.ansatz

    @property
    def cheap_hessian(self) -> bool:
        """True where the Hamiltonian is kept as a matrix: small sectors."""
        return self.engine.hamiltonian.matrix is not None

    @property
    def costly(self) -> bool:
        """True where a gradient takes so long that nothing can be done for each parameter."""
        return self.engine.hamiltonian.sector.dimension > COSTLY_DIMENSION

    def value_and_gradient(self, angles: Vector) -> tuple[float, Vector]:
        """Return the energy (hartree) and its gradient, shape (n_parameters,)."""
        return self.engine.energy_and_gradient(angles)

    def hessian(self, angles: Vector) -> Vector:
        """Return the second derivatives of the energy in hartree, shape (n_parameters, n_parameters)."""
        return self.engine.hessian(angles)

    def hessian_products(self, angles: Vector, directions: Vector) -> Vector:
        """Return the Hessian times each of the directions, both of shape (n_directions, n_parameters)."""
        return self.engine.hessian_products(angles, directions)

    def jacobian(self, angles: Vector) -> Vector:
        """Return the derivative of the state, shape (n_parameters, dimension)."""
        directions = np.eye(self.ansatz.n_parameters)
        return np.array([tangent.ravel() for tangent in self.engine.tangents(angles, directions)])


class QubitEnergyObjective:
    """The energy <psi(angles)|H|psi(angles)> of Pauli rotations on a qubit Hamiltonian, in its unit.

    Args:
        hamiltonian: The Hamiltonian.
        ansatz: Pauli rotations and Clifford gates.
        reference: The state that they act on, shape (2^n,).
        threads: Threads for large states and for batches.

    """

    def __init__(self, hamiltonian: QubitHamiltonian, ansatz: Ansatz, reference: State, threads: int = 1) -> None:
        self.engine = StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, reference=reference, threads=threads)

    @property
    def ansatz(self) -> Ansatz:
        """The ansatz whose angles are the arguments."""
        return self.engine.ansatz

    @property
    def costly(self) -> bool:
        """False: nothing larger than what a gradient a parameter can be paid for fits here."""
        return False

    @property
    def cheap_hessian(self) -> bool:
        """True for states small enough that a gradient is one compiled call."""
        return self.engine.hamiltonian.n_qubits <= COMPILED_QUBITS

    def value_and_gradient(self, angles: Vector) -> tuple[float, Vector]:
        """Return the energy and its gradient, shape (n_parameters,)."""
        return self.engine.energy_and_gradient(angles)

    def values_and_gradients(self, angles: Vector) -> tuple[Vector, Vector]:
        """Return energies (n_sets,) and gradients (n_sets, n_parameters) of many angles, shape of the gradients."""
        return self.engine.energies_and_gradients(angles)

    def hessian(self, angles: Vector) -> Vector:
        """Return the second derivatives of the energy, shape (n_parameters, n_parameters)."""
        return self.engine.hessian(angles)

    def hessian_products(self, angles: Vector, directions: Vector) -> Vector:
        """Return the Hessian times each of the directions, both of shape (n_directions, n_parameters)."""
        return self.engine.hessian_products(angles, directions)

    def jacobian(self, angles: Vector) -> NDArray[Any]:
        """Return the derivative of the state without its part along the state, shape (n_parameters, 2^n)."""
        rows, psi = self.engine.jacobian(angles), self.engine.state(angles)
        for row in rows:  # one at a time: the rows may fill most of the memory
            row -= np.vdot(psi, row) * psi
        return rows


def sector_hamiltonian(problem: Problem) -> SectorHamiltonian:
    """Return the problem's Hamiltonian on the determinants of its sector."""
    electrons = problem.electrons
    sector = Sector(n_orbitals=electrons.n_orbitals, n_alpha=electrons.n_alpha, n_beta=electrons.n_beta)
    return SectorHamiltonian(
        sector=sector,
        constant=electrons.constant,
        one_body=electrons.one_body,
        two_body=electrons.two_body,
        irreps=electrons.irreps,
    )


def energy_of(
    problem: Problem | QubitProblem, threads: int = 1, accelerator: Any = None
) -> Callable[[Ansatz], EnergyObjective | QubitEnergyObjective]:
    """Return what gives the energy of an ansatz on a problem, whose Hamiltonian is set up once for all of them.

    Args:
        problem: Of electrons for excitations, of qubits for Pauli rotations and Clifford gates.
        threads: Threads for large sectors and states.
        accelerator: JAX device that evaluates excitations (`vqe_prune.find_gpu`), None for this machine's cores.

    Raises:
        InputError: The states do not fit into the accelerator's memory, or the problem is of qubits.

    """
    if isinstance(problem, QubitProblem):
        if accelerator is not None:
            raise InputError("an accelerator has no effect on an ansatz on qubits; leave it out")
        on_qubits, reference = problem.hamiltonian, problem.reference_state
        return lambda ansatz: QubitEnergyObjective(on_qubits, ansatz, reference, threads)
    in_sector = sector_hamiltonian(problem)
    if accelerator is not None:
        from vqe_prune.engine.accelerator import AcceleratedEngine, on_device

        moved = on_device(in_sector, accelerator)
        return lambda ansatz: EnergyObjective(moved, ansatz, threads, engine=AcceleratedEngine)
    return lambda ansatz: EnergyObjective(in_sector, ansatz, threads)


def check_ansatz(problem: Problem | QubitProblem, ansatz: Ansatz) -> None:
    """Raise InputError where an ansatz does not fit a problem.

    Args:
        problem: Of electrons or of qubits.
        ansatz: On qubits it must also have an angle to turn, and not be too long.

    """
    if isinstance(problem, QubitProblem):
        _check_on_qubits(problem, ansatz)
    else:
        _check_on_electrons(problem, ansatz)


def _check_on_electrons(problem: Problem, ansatz: Ansatz) -> None:
    """Raise InputError where an ansatz names spin orbitals that the problem does not have."""
    for index, rotation in enumerate(ansatz.rotations):
        generator = rotation.generator
        if not isinstance(generator, Excitation):
            raise InputError(f"rotation {index} ({generator.label}) is of qubits, but {problem.name} is of electrons")
        if generator.spin_orbitals[-1] >= problem.n_qubits:
            raise InputError(
                f"rotation {index} ({generator.label}) needs more than the {problem.electrons.n_orbitals} "
                f"orbitals of {problem.name}"
            )


def _check_on_qubits(problem: QubitProblem, ansatz: Ansatz) -> None:
    """Raise InputError where an ansatz is not one of the problem's qubits, has nothing to turn, or is too long."""
    if ansatz.n_parameters == 0:
        raise InputError(f"ansatz {ansatz.name} has no parameter: there is nothing to optimise")
    if len(ansatz.rotations) > MOST_ROTATIONS:
        raise InputError(
            f"ansatz {ansatz.name} has {len(ansatz.rotations)} gates, more than {MOST_ROTATIONS}; try fewer layers"
        )
    for index, rotation in enumerate(ansatz.rotations):
        generator = rotation.generator
        if isinstance(generator, Excitation):
            raise InputError(f"rotation {index} ({generator.label}) is an excitation, but {problem.name} is of qubits")
        if max(generator.qubits) >= problem.n_qubits:
            raise InputError(
                f"rotation {index} ({generator.label}) needs more than the {problem.n_qubits} qubits of {problem.name}"
            )
