"""Operators on qubits as data: Pauli strings, sums of commuting ones, Clifford gates, and Hamiltonians.

A string is a tuple of (qubit, letter) with ascending qubits, as OpenFermion writes it; qubit 0 is the most significant
bit of a basis state, as in Cirq.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.engine import pauli_kernels as kernels
from vqe_prune.errors import InputError, shortened

State = NDArray[np.complex128]

PauliString = tuple[tuple[int, str], ...]
"""Qubits, ascending, each with its letter X, Y or Z."""

NEGLIGIBLE = 1e-12
"""Coefficients and imaginary parts below this are rounding of a mapping, not physics."""

LARGEST_COEFFICIENT = 1e12
"""Larger coefficients leave no digits for what they are added to."""

CLIFFORD_QUBITS = {"h": 1, "s": 1, "sdg": 1, "x": 1, "y": 1, "z": 1, "cx": 2, "cz": 2, "swap": 2}
"""How many qubits each Clifford gate acts on."""


@dataclass(frozen=True)
class PauliSum:
    """A Hermitian generator G = sum_j c_j P_j of commuting Pauli strings, so that exp(-i t G) is a product.

    exp(-i t G) = prod_j exp(-i t c_j P_j); qubit 0 is the most significant bit of a basis state, as in Cirq.

    Attributes:
        terms: Pairs of a real coefficient c_j and a string P_j such as ``((0, "X"), (1, "X"))``.

    Raises:
        ValueError: No term, an empty or repeated string, a qubit that repeats or is not in ascending order, a letter
            other than X, Y or Z, a coefficient that is not finite, or strings that do not commute.

    """

    terms: tuple[tuple[float, PauliString], ...]

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("Argument `terms` must hold at least one Pauli string, but it is empty")
        for coefficient, string in self.terms:
            check_string(string)
            if not string:
                raise ValueError("Argument `terms` must not hold the empty string, but the identity was given")
            if not math.isfinite(coefficient):
                raise ValueError(f"Argument `terms` must have finite coefficients, but {coefficient} was given")
        strings = [string for _, string in self.terms]
        if len(set(strings)) != len(strings):
            raise ValueError(
                f"Argument `terms` must hold each Pauli string once, but one repeats in {shortened(self.label)}"
            )
        for k, first in enumerate(strings):
            for second in strings[k + 1 :]:
                if not strings_commute(first, second):
                    raise ValueError(
                        f"Argument `terms` must hold commuting strings, but {string_label(first)} and "
                        f"{string_label(second)} do not commute; try one rotation for each"
                    )

    @property
    def qubits(self) -> tuple[int, ...]:
        """All qubits it acts on, ascending."""
        return tuple(sorted({qubit for _, string in self.terms for qubit, _ in string}))

    @property
    def label(self) -> str:
        """Readable name, for example ``0.5 X0 X1 + 0.5 Y0 Y1``."""
        return " + ".join(f"{coefficient:.12g} {string_label(string)}" for coefficient, string in self.terms)

    def commutes_with(self, other: PauliSum) -> bool:
        """Return whether every string commutes with every string of `other`, which is sufficient, not necessary."""
        return all(strings_commute(first, second) for _, first in self.terms for _, second in other.terms)


@dataclass(frozen=True)
class Clifford:
    """A fixed gate, held by a rotation whose parameter is None; the rotation's angle has no meaning.

    Attributes:
        name: h, s, sdg, x, y, z, cx (control first), cz or swap.
        qubits: The qubits it acts on.

    Raises:
        ValueError: The name is unknown, or the qubits are too many, too few, negative or equal.

    """

    name: str
    qubits: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.name not in CLIFFORD_QUBITS:
            raise ValueError(f"Argument `name` must be one of {', '.join(CLIFFORD_QUBITS)}, but it is {self.name!r}")
        wanted = CLIFFORD_QUBITS[self.name]
        if len(self.qubits) != wanted or len(set(self.qubits)) != wanted or min(self.qubits) < 0:
            raise ValueError(
                f"Argument `qubits` of {self.name} must be {wanted} distinct qubits from 0, but {self.qubits} was given"
            )

    @property
    def label(self) -> str:
        """Readable name, for example ``cx 0 1``."""
        return " ".join([self.name, *map(str, self.qubits)])


def string_label(string: PauliString) -> str:
    """Return a readable name of a string, for example ``X0 Z3``; the empty string is ``I``."""
    return " ".join(f"{letter}{qubit}" for qubit, letter in string) or "I"


def strings_commute(first: PauliString, second: PauliString) -> bool:
    """Return whether two strings commute: they differ on an even number of the qubits that they share."""
    letters = dict(first)
    return sum(1 for qubit, letter in second if letters.get(qubit, letter) != letter) % 2 == 0


def multiply_strings(first: PauliString, second: PauliString) -> tuple[complex, PauliString]:
    """Return the phase and the string of a product P Q, such as (1j, Z0) for X0 Y0."""
    letters, phase = dict(first), 1.0 + 0.0j
    for qubit, letter in second:
        own = letters.pop(qubit, None)
        if own is None:
            letters[qubit] = letter
        elif own != letter:
            cyclic = (own + letter) in ("XY", "YZ", "ZX")
            phase *= 1.0j if cyclic else -1.0j
            letters[qubit] = ({"X", "Y", "Z"} - {own, letter}).pop()
    return phase, tuple(sorted(letters.items()))


def commutator(
    first: Iterable[tuple[float, PauliString]], second: Iterable[tuple[float, PauliString]]
) -> dict[PauliString, float]:
    """Return -i [A, B] of two real sums of strings, which is Hermitian: coefficient of each string."""
    result: dict[PauliString, float] = {}
    first, second = list(first), list(second)
    scale = max((abs(c) for c, _ in first), default=1.0) * max((abs(c) for c, _ in second), default=1.0)
    for a, p in first:
        for b, q in second:
            if not strings_commute(p, q):
                phase, string = multiply_strings(p, q)
                result[string] = result.get(string, 0.0) + 2.0 * a * b * phase.imag
    return {string: value for string, value in result.items() if abs(value) > NEGLIGIBLE * scale}


def check_string(string: PauliString) -> None:
    """Raise ValueError unless the qubits ascend from 0 and the letters are X, Y or Z."""
    qubits = [qubit for qubit, _ in string]
    if qubits != sorted(set(qubits)) or (qubits and qubits[0] < 0):
        raise ValueError(f"A Pauli string must name distinct qubits from 0 in ascending order, but {string} was given")
    if any(letter not in ("X", "Y", "Z") for _, letter in string):
        raise ValueError(f"A Pauli string must be made of X, Y and Z, but {string} was given")


def string_masks(string: PauliString, n_qubits: int) -> tuple[int, int]:
    """Return the bit masks x (letters X and Y) and z (letters Y and Z) of a string.

    P |k> = i^(number of Y) (-1)^(bits of k & z) |k ^ x>; qubit q is bit n_qubits - 1 - q.

    Args:
        string: Qubits with their letters.
        n_qubits: Number of qubits of the basis state.

    Returns:
        The two masks.

    Raises:
        ValueError: The string names a qubit that is not there.

    """
    if string and string[-1][0] >= n_qubits:
        raise ValueError(f"A Pauli string must act on {n_qubits} qubits, but it is {string_label(string)}")
    x = sum(1 << (n_qubits - 1 - qubit) for qubit, letter in string if letter != "Z")
    z = sum(1 << (n_qubits - 1 - qubit) for qubit, letter in string if letter != "X")
    return x, z


@dataclass(frozen=True, eq=False, kw_only=True)
class QubitHamiltonian:
    """A Hermitian sum of Pauli strings, H = constant + sum_j c_j P_j; `qubit_hamiltonian_of` makes it.

    Attributes:
        n_qubits: Number of qubits n.
        terms: Pairs of a real coefficient c_j and a string P_j, each string once.
        constant: Coefficient of the identity.

    Raises:
        ValueError: A string is empty, repeats or acts on a qubit that is not there, or a coefficient is not finite.

    """

    n_qubits: int
    terms: tuple[tuple[float, PauliString], ...]
    constant: float = 0.0

    def __post_init__(self) -> None:
        for coefficient, string in self.terms:
            check_string(string)
            if not string or string[-1][0] >= self.n_qubits or not math.isfinite(coefficient):
                raise ValueError(
                    f"Argument `terms` must hold strings on {self.n_qubits} qubits with finite coefficients, "
                    f"but {coefficient} {string_label(string)} was given"
                )
        if len({string for _, string in self.terms}) != len(self.terms):
            raise ValueError("Argument `terms` must hold each Pauli string once, but one repeats")

    @property
    def strings(self) -> list[PauliString]:
        """The Pauli strings, the identity left out."""
        return [string for _, string in self.terms]

    @cached_property
    def norm_bound(self) -> float:
        """Sum of |c_j|: no eigenvalue is farther from the constant."""
        return float(sum(abs(coefficient) for coefficient, _ in self.terms))

    @cached_property
    def compiled(self) -> kernels.Terms:
        """The strings in the form that the kernels read, grouped by the bits that they flip."""
        diagonal = np.zeros(1 << self.n_qubits)
        groups: dict[int, dict[int, complex]] = {}
        for coefficient, string in self.terms:
            x, z = string_masks(string, self.n_qubits)
            if x == 0:
                diagonal[z] += coefficient
            else:
                groups.setdefault(x, {})[z] = coefficient * (-1.0j) ** (x & z).bit_count()
        kernels.transform(diagonal, len(diagonal))
        diagonal.setflags(write=False)
        ordered = sorted(groups.items())
        return kernels.Terms(
            diagonal=diagonal,
            flips=np.array([x for x, _ in ordered], dtype=np.int64),
            starts=np.cumsum([0, *(len(group) for _, group in ordered)], dtype=np.int64),
            z=np.array([z for _, group in ordered for z in group], dtype=np.int64),
            weights=np.array([w for _, group in ordered for w in group.values()], dtype=np.complex128),
        )

    def apply(self, psi: State) -> State:
        """Return H psi without the constant.

        Args:
            psi: Amplitudes, shape (2^n,).

        Returns:
            A new array of the same shape.

        """
        out = np.empty_like(psi)
        kernels.multiply(self.compiled, psi, out, 0, len(psi))
        return out


def qubit_hamiltonian_of(terms: Mapping[PauliString, complex], n_qubits: int | None = None) -> QubitHamiltonian:
    """Return the Hamiltonian of Pauli strings with coefficients, such as the `.terms` of an OpenFermion QubitOperator.

    Args:
        terms: Coefficient of each string; the empty string is the constant.
        n_qubits: Number of qubits, default as many as the strings name.

    Raises:
        InputError: A coefficient is not real and finite, so that the sum is not a Hamiltonian.

    """
    kept: list[tuple[float, PauliString]] = []
    constant = 0.0
    for string, coefficient in terms.items():
        value = complex(coefficient)
        if not math.isfinite(abs(value)):
            raise InputError(f"the coefficient of {string_label(string)} is not finite: {coefficient}")
        if abs(value) > LARGEST_COEFFICIENT:
            raise InputError(
                f"the coefficient of {string_label(string)} is {coefficient:.3g}, more than {LARGEST_COEFFICIENT:.0e}: "
                f"give the Hamiltonian in units of its largest coupling"
            )
        if abs(value.imag) > NEGLIGIBLE:
            raise InputError(f"the coefficient of {string_label(string)} must be real, but it is {coefficient}")
        if not string:
            constant += value.real
        elif abs(value.real) > NEGLIGIBLE:
            kept.append((value.real, tuple(sorted(string))))
    needed = 1 + max((string[-1][0] for _, string in kept), default=-1)
    return QubitHamiltonian(n_qubits=needed if n_qubits is None else n_qubits, terms=tuple(kept), constant=constant)


PRODUCT_STATES = {"0": (1.0, 0.0), "1": (0.0, 1.0), "+": (0.5**0.5, 0.5**0.5), "-": (0.5**0.5, -(0.5**0.5))}
"""Amplitudes of the one-qubit states that a reference is made of."""


def product_state(letters: str) -> State:
    """Return the product state of one-qubit states 0, 1, + and -, qubit 0 first; shape (2^n,)."""
    state: NDArray[Any] = np.ones(1, dtype=np.complex128)
    for letter in letters:
        state = np.kron(state, np.array(PRODUCT_STATES[letter]))
    return state
