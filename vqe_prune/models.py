"""Spin and Hubbard models on lattices, and sums of Pauli strings read from a file."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from vqe_prune.errors import InputError
from vqe_prune.lattice import MOST_QUBITS, Bond, Lattice, is_finite, is_integer, read_text, shown, sublattices
from vqe_prune.paulis import NEGLIGIBLE, PauliString, QubitHamiltonian, qubit_hamiltonian_of

LARGEST_SUM_FILE = 1 << 22
"""Bytes beyond which a file is not a sum of Pauli strings."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SpinModel:
    """A Hamiltonian on a lattice with a product state to start from.

    Attributes:
        name: Name of the model, a key of `MODELS`.
        lattice: Where it lives.
        hamiltonian: The sum of Pauli strings.
        reference: One letter out of 0, 1, + and - for each qubit, qubit 0 first.
        n_electrons: Numbers of alpha and beta electrons of a Hubbard model, None for spins.

    """

    name: str
    lattice: Lattice
    hamiltonian: QubitHamiltonian
    reference: str
    n_electrons: tuple[int, int] | None = None


def transverse_field_ising(lattice: Lattice, *, j: float = 1.0, h: float = 1.0) -> SpinModel:
    """Return H = -j sum_b w_b Z_i Z_j - h sum_i X_i, which starts from all spins along the field."""
    _check_couplings("tfim", j=j, h=h)
    terms: dict[PauliString, complex] = {((a, "Z"), (b, "Z")): -j * weight for a, b, weight in lattice.bonds}
    terms |= {((site, "X"),): -h for site in range(lattice.n_sites)}
    hamiltonian = qubit_hamiltonian_of(terms, lattice.n_sites)
    along = "+" if h >= 0 else "-"
    return SpinModel(name="tfim", lattice=lattice, hamiltonian=hamiltonian, reference=along * lattice.n_sites)


def xxz(lattice: Lattice, *, j: float = 1.0, delta: float = 1.0) -> SpinModel:
    """Return H = j sum_b w_b (X_i X_j + Y_i Y_j + delta Z_i Z_j), which starts from the Neel state.

    X, Y and Z are Pauli matrices, not spins 1/2: with spins the energies are a quarter. Without two sublattices the
    reference alternates by site number.
    """
    _check_couplings("xxz", j=j, delta=delta)
    return _exchange("xxz", lattice, [(lattice.bonds, j, delta)])


def heisenberg(lattice: Lattice, *, j: float = 1.0) -> SpinModel:
    """Return `xxz` with delta = 1: H = j sum_b w_b (X_i X_j + Y_i Y_j + Z_i Z_j) in Pauli matrices."""
    return replace(xxz(lattice, j=j), name="heisenberg")


def j1j2(lattice: Lattice, *, j1: float = 1.0, j2: float = 0.5) -> SpinModel:
    """Return the Heisenberg coupling in Pauli matrices, j1 on bonds and j2 on second bonds, of which there must be."""
    _check_couplings("j1j2", j1=j1, j2=j2)
    if not lattice.second_bonds:
        raise InputError(f"model j1j2: the lattice {lattice.name} has no second_bonds; take the model heisenberg")
    return _exchange("j1j2", lattice, [(lattice.bonds, j1, 1.0), (lattice.second_bonds, j2, 1.0)])


def fermi_hubbard(
    lattice: Lattice, *, t: float = 1.0, u: float = 4.0, n_electrons: tuple[int, int] | None = None
) -> SpinModel:
    """Return H = -t sum_b,s w_b (c+_is c_js + c+_js c_is) + u sum_i n_i,alpha n_i,beta by Jordan and Wigner.

    Args:
        lattice: At most 15 sites; qubit 2 site + spin is a spin orbital, alpha (spin 0) first.
        t: Hopping.
        u: Repulsion on a site, in the unit of t.
        n_electrons: Numbers of alpha and beta electrons, default half filling.

    Returns:
        The model; its reference fills sublattice 0 with alpha and sublattice 1 with beta electrons first.

    Raises:
        InputError: The lattice is too large, or the electrons do not fit.

    """
    from openfermion import FermionOperator, jordan_wigner

    _check_couplings("fermi_hubbard", t=t, u=u)
    n = lattice.n_sites
    if 2 * n > MOST_QUBITS:
        raise InputError(f"model fermi_hubbard: {n} sites need {2 * n} qubits, at most {MOST_QUBITS} are allowed")
    electrons = ((n + 1) // 2, n // 2) if n_electrons is None else n_electrons
    pair = isinstance(electrons, list | tuple) and len(electrons) == 2
    if not pair or any(not is_integer(count) or not 0 <= count <= n for count in electrons):
        given = shown(n_electrons)
        raise InputError(f"model fermi_hubbard: n_electrons must be two numbers from 0 to {n}, but it is {given}")
    operator = FermionOperator()
    for i, j, weight in lattice.bonds:
        for a, b in ((2 * i, 2 * j), (2 * i + 1, 2 * j + 1)):
            operator += FermionOperator(((a, 1), (b, 0)), -t * weight) + FermionOperator(((b, 1), (a, 0)), -t * weight)
    for site in range(n):
        operator += FermionOperator(((2 * site, 1), (2 * site, 0), (2 * site + 1, 1), (2 * site + 1, 0)), u)
    colours = _neel(lattice)
    zeros, ones = ([site for site in range(n) if colours[site] == colour] for colour in (0, 1))
    order = zeros + ones[::-1]  # beta electrons take it backwards, so no site is filled twice up to half filling
    filled = {2 * site for site in order[: electrons[0]]} | {2 * site + 1 for site in order[::-1][: electrons[1]]}
    return SpinModel(
        name="fermi_hubbard",
        lattice=lattice,
        hamiltonian=qubit_hamiltonian_of(jordan_wigner(operator).terms, 2 * n),
        reference="".join("1" if qubit in filled else "0" for qubit in range(2 * n)),
        n_electrons=(electrons[0], electrons[1]),
    )


MODELS: dict[str, Callable[..., SpinModel]] = {
    "tfim": transverse_field_ising, "xxz": xxz, "heisenberg": heisenberg, "j1j2": j1j2, "fermi_hubbard": fermi_hubbard,
}  # fmt: skip
"""Each model: a function of the lattice and of its couplings by keyword."""


def _check_couplings(model: str, **couplings: float) -> None:
    for key, value in couplings.items():
        if not is_finite(value):
            raise InputError(f"model {model}: {key} must be a finite number, but it is {shown(value)}")


def _neel(lattice: Lattice) -> tuple[int, ...]:
    """Return 0 or 1 for each site: its sublattice, or by turns where there are none."""
    return sublattices(lattice) or tuple(site % 2 for site in range(lattice.n_sites))


def _exchange(name: str, lattice: Lattice, parts: list[tuple[tuple[Bond, ...], float, float]]) -> SpinModel:
    """Return the sum over parts of bonds, coupling j and anisotropy delta, with the Neel state."""
    terms: dict[PauliString, complex] = {}
    for bonds, j, delta in parts:
        for a, b, weight in bonds:
            for letter, scale in (("X", 1.0), ("Y", 1.0), ("Z", delta)):
                string = ((a, letter), (b, letter))
                terms[string] = terms.get(string, 0.0) + j * weight * scale
    reference = "".join(map(str, _neel(lattice)))
    return SpinModel(
        name=name, lattice=lattice, hamiltonian=qubit_hamiltonian_of(terms, lattice.n_sites), reference=reference
    )


def read_pauli_sum(path: Path) -> QubitHamiltonian:
    """Return the Hamiltonian of a text file of Pauli strings.

    Either what OpenFermion prints, ``1.5 [X0 Z1] + -0.5 []``, or a term a line: ``-1.0 Z0 Z1`` or ``-1.0 ZZII`` (qubit
    0 first), ``0.3 I`` or ``0.3`` for the constant. Equal strings add up; ``#`` starts a comment.

    InputError names the line that is not such a term.
    """
    lines = [line.partition("#")[0].strip() for line in read_text(path, LARGEST_SUM_FILE).split("\n")]
    width = 0
    if any("[" in line or "]" in line for line in lines):
        found = _bracket_terms(lines, path)
    else:
        found, width = _line_terms(lines, path)
    terms: dict[PauliString, complex] = {}
    for coefficient, string in found:
        terms[string] = terms.get(string, 0.0) + coefficient
    named = 1 + max((string[-1][0] for string in terms if string), default=-1)
    try:
        hamiltonian = qubit_hamiltonian_of(terms, width or named)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if not hamiltonian.terms:
        raise InputError(f"{path}: no term acts on a qubit")
    return hamiltonian


def _bracket_terms(lines: list[str], path: Path) -> list[tuple[float, PauliString]]:
    *pieces, rest = "\n".join(lines).split("]")
    line, terms = 1, []
    for k, piece in enumerate(pieces):
        head, bracket, inside = piece.partition("[")
        where = f"{path}: line {line + head.count(chr(10))}"
        line += piece.count("\n")
        head = head.strip()
        if not bracket or "[" in inside or (k > 0 and not head.startswith("+")):
            raise InputError(f"{where}: terms must be written like 1.5 [X0 Z1] + -0.5 []")
        terms.append((_coefficient(head[k > 0 :].strip(), where), _string(inside.split(), where)))
    if rest.strip():
        line += rest[: len(rest) - len(rest.lstrip())].count("\n")
        raise InputError(f"{path}: line {line}: {shown(rest.strip())} is left after the last term")
    return terms


def _line_terms(lines: list[str], path: Path) -> tuple[list[tuple[float, PauliString]], int]:
    terms: list[tuple[float, PauliString]] = []
    widths: list[int] = []  # letters of each dense line, 0 for lines that name their qubits
    for number, line in enumerate(lines, start=1):
        where = f"{path}: line {number}"
        text, *tokens = line.split() or [""]
        if not text:
            continue
        coefficient = _coefficient(text, where)
        if tokens == ["I"]:
            tokens = []
        elif tokens:
            dense = len(tokens) == 1 and tokens[0].isalpha()
            widths.append(len(tokens[0]) if dense else 0)
            if widths[-1] != widths[0] or widths[-1] > MOST_QUBITS:
                raise InputError(f"{where}: all lines must name qubits, or all must hold as many letters (at most 30)")
            if dense:
                tokens = [f"{letter}{qubit}" for qubit, letter in enumerate(tokens[0]) if letter != "I"]
        terms.append((coefficient, _string(tokens, where)))
    return terms, widths[0] if widths else 0


def _coefficient(text: str, where: str) -> float:
    try:
        value = complex(text) if text.isascii() and "_" not in text else None
    except ValueError:
        value = None
    if value is None or not math.isfinite(value.real) or not abs(value.imag) <= NEGLIGIBLE:  # false for NaN too
        raise InputError(f"{where}: the coefficient must be a finite real number, but it is {shown(text)}")
    return value.real


def _string(tokens: list[str], where: str) -> PauliString:
    letters: dict[int, str] = {}
    for token in tokens:
        letter, digits = token[0], token[1:]
        if letter not in "XYZ" or not digits.isascii() or not digits.isdigit():
            raise InputError(f"{where}: {shown(token)} is not X, Y or Z and a qubit, such as Z0")
        qubit = int(digits) if len(digits) < 10 else MOST_QUBITS
        if qubit >= MOST_QUBITS or qubit in letters:
            fault = "repeats a qubit" if qubit in letters else f"is beyond the last qubit allowed, {MOST_QUBITS - 1}"
            raise InputError(f"{where}: {shown(token)} {fault}")
        letters[qubit] = letter
    return tuple(sorted(letters.items()))
