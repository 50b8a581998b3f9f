"""The energy of an ansatz as an optimiser on a processor sees it: many circuits in one batch, values with error bars.

Nothing here simulates the circuit: what is known of its state comes from shots alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.circuit import Gate, cancel_neighbours
from vqe_prune.encoding import CHECK_WORTH, Encoding, encode
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.grouping import Grouping, allocate, settings_of
from vqe_prune.measure import Runner
from vqe_prune.measurement_plan import REFERENCE_ANGLE
from vqe_prune.mitigation import UnusableDataError, read_energy, tally
from vqe_prune.problem import Problem
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.shift_rules import with_fixed_angles

Vector = NDArray[np.float64]

FEWEST_SHOTS = 20
"""Of one setting of one energy: with fewer its spread says nothing about its error."""


class Energies(NamedTuple):
    """Energies of several circuits, measured together.

    Attributes:
        values: Energy of each; shape (n_circuits,).
        errors: One standard error of each; shape (n_circuits,).
        kept: Fraction of all shots that post-selection kept.
        variances: Of one shot of each setting, mean over the circuits; shape (n_settings,).

    """

    values: Vector
    errors: Vector
    kept: float
    variances: Vector


@dataclass(frozen=True, eq=False, kw_only=True)
class ShotEnergy:
    """What is measured: the energy of an ansatz, all settings on every circuit.

    Attributes:
        problem: In the orbitals that the ansatz acts in.
        ansatz: Whose angles are moved.
        encoding: Of electrons, see `vqe_prune.encoding.encode`.
        post_select: Whether shots that break a conserved number are left out.

    Raises:
        InputError: The ansatz has no parameter, nothing is to be measured, or no setting keeps a conserved number.

    """

    problem: Problem | QubitProblem
    ansatz: Ansatz
    encoding: str = "auto"
    post_select: bool = False

    def __post_init__(self) -> None:
        if self.ansatz.n_parameters == 0:
            raise InputError(f"ansatz {self.ansatz.name} has no parameter: there is nothing to optimise")
        if not self.grouping.settings:
            raise InputError("this Hamiltonian is a constant on the circuit's states: there is nothing to measure")
        if self.post_select and not any(setting.checks for setting in self.grouping.settings):
            raise InputError("post_selection has no effect: no setting keeps a conserved number; leave it out")

    @cached_property
    def encoded(self) -> Encoding:
        """Circuit and Hamiltonian at small angles, where no gate is the identity."""
        small = np.full(self.ansatz.n_parameters, REFERENCE_ANGLE)
        return encode(self.problem, self.ansatz, small, self.encoding, check_worth=CHECK_WORTH)

    @cached_property
    def grouping(self) -> Grouping:
        """The settings, with the variances that they have on the maximally mixed state."""
        encoded = self.encoded
        return settings_of(encoded.hamiltonian, encoded.conserved, keep_conserved=self.post_select)

    @property
    def least_shots(self) -> int:
        """Fewest shots of one energy."""
        return FEWEST_SHOTS * len(self.grouping.settings)

    def gates(self, fixed: Ansatz) -> tuple[Gate, ...]:
        """Return the circuit of an ansatz at fixed angles, out of `with_fixed_angles`, without any setting's gates."""
        name = "auto" if isinstance(self.problem, QubitProblem) else self.encoded.name
        return encode(self.problem, fixed, np.zeros(0), name).gates

    def circuits(self, fixed: Ansatz) -> list[tuple[Gate, ...]]:
        """Return the circuit of each setting for an ansatz at fixed angles."""
        gates = self.gates(fixed)
        return [tuple(cancel_neighbours([*gates, *setting.gates])) for setting in self.grouping.settings]

    def typical_circuits(self) -> list[tuple[Gate, ...]]:
        """Return the circuits by which a processor's qubits may be chosen."""
        return self.circuits(with_fixed_angles(self.ansatz, np.full(self.ansatz.n_parameters, REFERENCE_ANGLE)))

    def measure(
        self, fixed: Sequence[Ansatz], shots: Sequence[int], runner: Runner, variances: Vector | None = None
    ) -> Energies:
        """Measure energies in one batch of the runner.

        Each bar is that of the sampled values. A setting's variance of one shot is not taken below sum_j c_j^2 / n,
        with the coefficients c_j of its strings: n shots may all miss an outcome of probability 1/n.

        Args:
            fixed: Ansätze at fixed angles.
            shots: Of each, all its settings together; at least `least_shots`.
            runner: What runs circuits.
            variances: Of one shot of each setting as far as they are known, by which its shots are shared out; None
                for those of the maximally mixed state. Shape (n_settings,).

        Raises:
            ConvergenceError: Post-selection leaves too little.

        """
        settings, mixed = self.grouping.settings, self.grouping.variances
        parts = [allocate(mixed if variances is None else variances, number) for number in shots]
        circuits = [gates for each in fixed for gates in self.circuits(each)]
        outcomes = runner.run(circuits, [int(number) for part in parts for number in part])
        tallies = [tally(each) for each in outcomes]
        means, spreads, kept = np.zeros((3, len(fixed), len(settings)))
        for k, part in enumerate(parts):
            for s, setting in enumerate(settings):
                counted = tallies[k * len(settings) + s]
                least = np.array([mixed[s] / part[s]])
                try:
                    read = read_energy(0.0, [setting], [counted], least, post_select=self.post_select)
                except UnusableDataError as error:
                    raise ConvergenceError(f"{error}; give more shots, or leave post_selection out") from None
                means[k, s], spreads[k, s], kept[k, s] = read.value, read.variance, read.kept
        numbers = np.array(parts, dtype=np.float64)
        return Energies(
            values=self.encoded.hamiltonian.constant + means.sum(axis=1),
            errors=np.sqrt(spreads.sum(axis=1)),
            kept=float((numbers * kept).sum() / numbers.sum()),
            variances=(numbers * spreads).mean(axis=0),
        )
