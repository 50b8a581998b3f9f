"""Rotations and ansätze: a circuit as data, which pruning edits without touching a gate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqe_prune.paulis import Clifford, PauliSum

SPIN_LETTERS = "ab"


@dataclass(frozen=True)
class Excitation:
    """A fermionic excitation, the Hermitian generator G = i (T - T^dagger).

    T = a+_{c1} ... a+_{ck} a_{dk} ... a_{d1}, so that exp(-i angle G) = exp(angle (T - T^dagger)).

    Attributes:
        created: Spin orbitals c1 ... ck filled by T; spin orbital 2p is orbital p alpha, 2p+1 beta.
        annihilated: Spin orbitals d1 ... dk emptied by T, as many as are created.

    Raises:
        ValueError: An index repeats, the two lists differ in length, or T changes N or S_z.

    """

    created: tuple[int, ...]
    annihilated: tuple[int, ...]

    def __post_init__(self) -> None:
        indices = self.created + self.annihilated
        if len(self.created) != len(self.annihilated) or not self.created:
            raise ValueError(
                f"Argument `created` must name as many spin orbitals as `annihilated` (at least one), "
                f"but {self.created} and {self.annihilated} differ"
            )
        if len(set(indices)) != len(indices) or min(indices) < 0:
            raise ValueError(
                f"Arguments `created` and `annihilated` must name distinct spin orbitals from 0, "
                f"but {self.created} and {self.annihilated} were given"
            )
        if sum(p % 2 for p in self.created) != sum(p % 2 for p in self.annihilated):
            raise ValueError(f"Excitation {self.label} must conserve S_z, but it changes the number of beta electrons")

    @property
    def spin_orbitals(self) -> tuple[int, ...]:
        """All spin orbitals it acts on, ascending."""
        return tuple(sorted(self.created + self.annihilated))

    @property
    def label(self) -> str:
        """Readable name, for example ``1a 1b -> 5a 5b`` (orbitals from 0, a alpha, b beta)."""

        def names(indices: tuple[int, ...]) -> str:
            return " ".join(f"{p // 2}{SPIN_LETTERS[p % 2]}" for p in indices)

        return f"{names(self.annihilated)} -> {names(self.created)}"


Generator = Excitation | PauliSum | Clifford
"""What a gate is made of; a Clifford gate is itself, not the exponential of anything."""


@dataclass(frozen=True)
class Rotation:
    """One gate exp(-i angle G), angle = coefficient * angles[parameter], or a fixed Clifford gate.

    Attributes:
        generator: The Hermitian generator G; a Clifford gate has no parameter and its angle no meaning.
        parameter: Index of the parameter it follows, or None for a constant angle.
        coefficient: Factor of that parameter; the angle itself (radian) where `parameter` is None.
        feature: Of a gate that encodes data, which of a sample's features its angle follows, coefficient *
            sample[feature]; such a gate has no parameter, so that pruning leaves it alone. None for all others.

    """

    generator: Generator
    parameter: int | None
    coefficient: float = 1.0
    feature: int | None = None

    def __post_init__(self) -> None:
        if self.feature is not None and (self.parameter is not None or isinstance(self.generator, Clifford)):
            raise ValueError("A gate with a feature must be a rotation without a parameter")
        if isinstance(self.generator, Clifford) and self.parameter is not None:
            raise ValueError(f"A Clifford gate must have no parameter, but {self.generator.label} follows one")


@dataclass(frozen=True, eq=False, kw_only=True)
class Ansatz:
    """A list of rotations that share `n_parameters` angles; the first one acts first.

    Attributes:
        name: Family it was built from, such as ``uccsd``.
        rotations: The gates in the order in which they act on the reference.
        n_parameters: Number of free angles; every one of them moves at least one rotation.

    """

    name: str
    rotations: tuple[Rotation, ...]
    n_parameters: int

    def __post_init__(self) -> None:
        used = {rotation.parameter for rotation in self.rotations} - {None}
        if used != set(range(self.n_parameters)):
            raise ValueError(
                f"Argument `n_parameters` must count the parameters that rotations use, but it is "
                f"{self.n_parameters} and they use {sorted(p for p in used if p is not None)}"
            )

    @property
    def parameters(self) -> NDArray[np.int64]:
        """Parameter of each rotation, -1 for a constant angle; shape (n_rotations,)."""
        return np.array([-1 if r.parameter is None else r.parameter for r in self.rotations], dtype=np.int64)

    @property
    def coefficients(self) -> NDArray[np.float64]:
        """Coefficient of each rotation; shape (n_rotations,)."""
        return np.array([r.coefficient for r in self.rotations], dtype=np.float64)

    @property
    def excitations(self) -> list[Excitation]:
        """The generators of an ansatz of electrons; ValueError where one acts on qubits."""
        found = [rotation.generator for rotation in self.rotations if isinstance(rotation.generator, Excitation)]
        if len(found) < len(self.rotations):
            raise ValueError(f"Ansatz {self.name} must consist of excitations, but it has gates on qubits")
        return found

    def rotation_angles(self, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the angle of each rotation (radian, shape (n_rotations,)) for the parameters `angles`."""
        extended = np.append(np.asarray(angles, dtype=np.float64), 1.0)  # index -1: a constant is coefficient * 1
        return self.coefficients * extended[self.parameters]
