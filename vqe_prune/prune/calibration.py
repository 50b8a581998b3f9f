"""A tolerance taken from a device: gates whose difference its noise blurs anyway are one (our reconstruction).

A gate's Pauli error r is the probability that something else happened, and a coherent shift that moves no state by more
than the Fubini-Study distance D happens to be something else with probability sin^2 D at most. So two gates of one
subgroup are indistinguishable on the device where sin^2 D <= r, with

    r = 1 - (1 - r_1)^n1 (1 - r_2)^n2

of a rotation that takes n1 one-qubit and n2 two-qubit gates. Shifts of the coordinate by s move no state further than
D = s spread(G) / 2, spread the difference of the extreme eigenvalues, so in the distance of `identifiers.distance` the
tolerance is

    epsilon = w_algebra 2 arcsin(sqrt r) / spread(G) + w_fubini arcsin(sqrt r).

For the task's distance, an energy, it is r (c - E): what the energy loses where with probability r the state is one in
which nothing is left of it, with the energy c in the middle of the spectrum.

Source: the sequel q-iPrune, arXiv 2512.24019, of which we know the abstract alone, calibrates its tolerance by noise;
    these formulas are our reconstruction. Calibrations are those that come with cirq-google, medians of 2021 (rainbow,
    weber) and 2024 (willow_pink).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.circuit import Gate, conserved_parities, excitation_gates, qubit_gates
from vqe_prune.errors import InputError, near_misses
from vqe_prune.lie_settings import CALIBRATIONS
from vqe_prune.paulis import Clifford
from vqe_prune.problem import Problem
from vqe_prune.prune.distances import CellDistances
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.score.identifiers import Weights

NATIVE_PER_CX = {"CZPowGate": 1, "SycamoreGate": 2, "ISwapPowGate": 2}
"""Native two-qubit gates that a CX or CZ takes (cirq's target gate sets); ISwapPowGate is the square root of iSWAP."""

TWO_QUBIT_GATES = {"cx": 1, "cz": 1, "swap": 3}
"""Gates of our circuits on two qubits, in CX."""

VIRTUAL_GATES = ("rz", "z", "s", "sdg")
"""Rotations about Z are changes of frame on Google's processors: they take no time and err by nothing."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Gate errors of a device.

    Attributes:
        name: Of the device.
        one_qubit_error: Median Pauli error of a one-qubit gate.
        two_qubit_error: Of a CX or CZ: 1 - (1 - median Pauli error of the native gate)^(how many it takes).

    """

    name: str
    one_qubit_error: float
    two_qubit_error: float

    def __post_init__(self) -> None:
        for key in ("one_qubit_error", "two_qubit_error"):
            if not 0.0 <= getattr(self, key) <= 1.0:
                raise InputError(f"calibration {self.name}: {key}={getattr(self, key)} must be from 0 to 1")

    def rotation_error(self, gates: Sequence[Gate]) -> float:
        """Return the probability that any of some gates errs, rotations about Z left out."""
        counts = Counter(gate.name for gate in gates if gate.name not in VIRTUAL_GATES)
        n_cx = sum(counts[name] * number for name, number in TWO_QUBIT_GATES.items())
        n_single = sum(number for name, number in counts.items() if name not in TWO_QUBIT_GATES)
        return 1.0 - (1.0 - self.one_qubit_error) ** n_single * (1.0 - self.two_qubit_error) ** n_cx


def load_calibration(name: str) -> Calibration:
    """Return the median errors of a virtual processor of cirq-google, for its best kind of two-qubit gate.

    Args:
        name: ``rainbow``, ``weber`` or ``willow_pink``.

    Raises:
        InputError: The name is unknown.

    """
    if name not in CALIBRATIONS:
        raise InputError(f"unknown calibration {name!r}{near_misses(name, CALIBRATIONS)}")
    from cirq_google.engine import load_device_noise_properties

    errors: dict[str, list[float]] = {}
    for operation, error in load_device_noise_properties(name).gate_pauli_errors.items():
        errors.setdefault(operation.gate_type.__name__, []).append(float(error))
    of_cx = [1.0 - (1.0 - float(np.median(errors[kind]))) ** n for kind, n in NATIVE_PER_CX.items() if kind in errors]
    one_qubit = float(np.median(errors["PhasedXZGate"]))
    return Calibration(name=name, one_qubit_error=one_qubit, two_qubit_error=min(of_cx))


def rotation_errors(problem: Problem | QubitProblem, ansatz: Ansatz, calibration: Calibration) -> list[float]:
    """Return the error r of each rotation's circuit on a device, 0 for fixed gates.

    Gates are those of `circuit`, all pairs of qubits taken to be neighbours; what routing adds is left out.

    Args:
        problem: Gives the reference.
        ansatz: Excitations on a `Problem`, Pauli rotations and Clifford gates on a `QubitProblem`.
        calibration: The device.

    """
    found = []
    conserved = [] if isinstance(problem, QubitProblem) else conserved_parities(ansatz)
    for rotation in ansatz.rotations:
        if isinstance(rotation.generator, Clifford):
            found.append(0.0)
        elif isinstance(problem, QubitProblem):
            alone = replace(ansatz, rotations=(Rotation(rotation.generator, 0),), n_parameters=1)
            gates = qubit_gates(alone, np.ones(1), "0" * problem.n_qubits)
            found.append(calibration.rotation_error(gates))
        else:
            assert isinstance(rotation.generator, Excitation)
            occupied = problem.reference_occupied
            gates = excitation_gates(rotation.generator, 1.0, conserved=conserved, occupied=occupied)
            found.append(calibration.rotation_error(gates))
    return found


def cell_error(cell: CellDistances, errors: Sequence[float]) -> float:
    """Return the smallest error of a cell's members; a parameter errs where any of its rotations does."""
    return min(1.0 - math.prod(1.0 - errors[k] for k in unit.ordered) for unit in cell.cell.members)


def geometric_tolerance(cell: CellDistances, error: float, weights: Weights) -> float:
    """Return the distance up to which an error blurs two members of a cell.

    w_algebra 2 D / spread + w_fubini D with sin^2 D = r, the spreads of a parameter's rotations added.

    Args:
        cell: The cell.
        error: r.
        weights: Of the distance.

    """
    blurred = math.asin(math.sqrt(min(error, 1.0)))
    spread = 0.0
    for identifier, ratio in cell.gates[0]:
        values = identifier.eigenvalues
        bound = 2.0 * sum(abs(c) for c, _ in identifier.subgroup) if not values else values[-1] - values[0]
        spread += abs(ratio) * bound
    return weights.algebra * 2.0 * blurred / spread + weights.fubini * blurred if spread else 0.0
