"""A Hamiltonian and the generators of an ansatz as OpenFermion operators.

Operators are read through their ``terms``, a mapping from tuples of (index, action) to coefficients; nothing else of
OpenFermion is needed, and spin orbitals are interleaved as there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.errors import InputError, shortened
from vqe_prune.paulis import NEGLIGIBLE, PauliSum, qubit_hamiltonian_of, string_label, strings_commute
from vqe_prune.problem import Problem, problem_from_integrals
from vqe_prune.qubit_problem import QubitProblem, pauli_problem
from vqe_prune.units import HARTREE

SAME = 1e-8
"""Hartree by which the Hamiltonian of the integrals that were found may differ from the operator in any coefficient."""

Terms = Mapping[tuple[tuple[int, Any], ...], complex]


def problem_from_openfermion(
    hamiltonian: Any, n_electrons: tuple[int, int], *, irreps: NDArray[np.int64] | None = None,
    n_orbitals: int | None = None, name: str = "openfermion", exact: bool = True,
) -> Problem | QubitProblem:  # fmt: skip
    """Set up the problem of a Hamiltonian that is an OpenFermion operator.

    A FermionOperator gives a problem of electrons: integrals are read off the terms a+_pa a+_rb a_sb a_qa, whose
    coefficient is (pq|rs) in chemists' order, and the operator is compared with that of the integrals term by term. A
    QubitOperator, under Jordan-Wigner with qubit k = spin orbital k, gives one on qubits.

    Args:
        hamiltonian: FermionOperator or QubitOperator in hartree, spin orbitals interleaved alpha, beta.
        n_electrons: Numbers of alpha and of beta electrons; the reference fills the first orbitals of each spin.
        irreps: Abelian irrep of each orbital, products by exclusive or, shape (n,), default all the same; of a
            FermionOperator alone.
        n_orbitals: Number n of spatial orbitals, default as many as the operator names.
        name: Name for printing.
        exact: Compute the exact energy.

    Returns:
        A `Problem` or a `QubitProblem`.

    Raises:
        InputError: The operator is not Hermitian and real, depends on spin, or has more than two-body terms.

    """
    terms = _terms(hamiltonian, "the Hamiltonian")
    needed = 1 + max((index for term in terms for index, _ in term), default=0)
    n = (needed + 1) // 2 if n_orbitals is None else n_orbitals
    if 2 * n < needed:
        raise InputError(f"n_orbitals={n} has {2 * n} spin orbitals, but the operator names {needed}")
    if any(not 0 <= count <= n for count in n_electrons):
        raise InputError(f"n_electrons={n_electrons} must be numbers of alpha and beta electrons up to {n} orbitals")
    if not _is_fermionic(terms):
        if irreps is not None:
            raise InputError("irreps are of a FermionOperator; leave them out, a QubitOperator shows its symmetries")
        letters = "".join("1" if q // 2 < n_electrons[q % 2] else "0" for q in range(2 * n))
        known: dict[str, Any] = {"reference": letters, "n_electrons": n_electrons, "unit": HARTREE}
        return pauli_problem(qubit_hamiltonian_of(terms, 2 * n), name=name, exact=exact, **known)
    constant, one_body, two_body = integrals_of(terms, n)
    return problem_from_integrals(
        one_body, two_body, n_electrons, constant=constant, irreps=irreps, name=name, exact=exact
    )


def integrals_of(terms: Terms, n_orbitals: int) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Return constant, h_pq and (pq|rs) of a spin-free Hamiltonian, hartree.

    Args:
        terms: Of a FermionOperator in any order.
        n_orbitals: Number n of spatial orbitals.

    Returns:
        The constant; shape (n, n); shape (n, n, n, n) in chemists' order.

    Raises:
        InputError: No such integrals give the operator.

    """
    constant, one, two = _coefficients(terms, 2 * n_orbitals)
    # <pq|sr> of spins alpha beta: a+_pa a+_rb a_sb a_qa has (pq|rs) once from each order of the two electrons
    two_body = two[0::2, 1::2, 1::2, 0::2].transpose(0, 3, 1, 2)
    one_body = one[0::2, 0::2]
    for complex_part in (one_body.imag, two_body.imag):
        if complex_part.size and abs(complex_part).max() > SAME:
            raise InputError("the Hamiltonian must have real integrals, but some are complex; take real orbitals")
    h, g = one_body.real, two_body.real
    rebuilt_one, rebuilt_two = np.zeros_like(one), np.zeros_like(two)
    for s in (0, 1):
        rebuilt_one[s::2, s::2] = h
        for t in (0, 1):
            direct = g.transpose(0, 2, 3, 1)
            rebuilt_two[s::2, t::2, t::2, s::2] += direct
            rebuilt_two[s::2, t::2, s::2, t::2] -= direct.transpose(0, 1, 3, 2)
    difference = max(abs(rebuilt_one - one).max(), abs(rebuilt_two - two).max(), abs(complex(constant).imag))
    asymmetry = max(abs(h - h.T).max(), *(abs(g - g.transpose(p)).max() for p in ((1, 0, 2, 3), (2, 3, 0, 1))))
    if not max(difference, asymmetry) <= SAME:
        raise InputError(
            f"the Hamiltonian must be Hermitian, real and the same for alpha and beta electrons of interleaved spin "
            f"orbitals, but that of its integrals differs by {max(difference, asymmetry):.1e} hartree; "
            f"openfermion.reorder(operator, openfermion.up_then_down, reverse=True) interleaves blocked ones"
        )
    return float(complex(constant).real), h, g


def _coefficients(terms: Terms, n: int) -> tuple[complex, NDArray[np.complex128], NDArray[np.complex128]]:
    """Constant, coefficients of a+_p a_q, and antisymmetric ones of a+_p a+_q a_r a_s, over all p, q, r, s.

    The sum over p > q and r > s of the latter is the operator: each of four equal terms stands at its own place.
    """
    constant, one, two = 0.0j, np.zeros((n, n), dtype=complex), np.zeros((n,) * 4, dtype=complex)
    for term, coefficient in terms.items():
        for operators, factor in _normal_ordered(list(term)):
            value = factor * complex(coefficient)
            if not operators:
                constant += value
            elif len(operators) == 2:
                one[operators[0], operators[1]] += value
            else:
                p, q, r, s = operators
                for a, b, sign in ((p, q, 1.0), (q, p, -1.0)):
                    two[a, b, r, s] += sign * value
                    two[a, b, s, r] -= sign * value
    return constant, one, two


def _normal_ordered(term: list[tuple[int, int]]) -> list[tuple[tuple[int, ...], float]]:
    """Indices and factors of the terms with creation operators first that make up one term of at most two bodies."""
    if len(term) not in (0, 2, 4) or 2 * sum(action for _, action in term) != len(term):
        raise InputError(
            f"the Hamiltonian must have one-body and two-body terms that conserve the number of electrons, but one is "
            f"{shortened(term)}"
        )
    for k in range(len(term) - 1):
        (p, left), (q, right) = term[k : k + 2]
        if left == 0 and right == 1:  # a_p a+_q = delta_pq - a+_q a_p
            swapped = [*term[:k], term[k + 1], term[k], *term[k + 2 :]]
            found = [(operators, -factor) for operators, factor in _normal_ordered(swapped)]
            return found + (_normal_ordered([*term[:k], *term[k + 2 :]]) if p == q else [])
    indices = tuple(index for index, _ in term)
    half = len(indices) // 2
    vanishes = any(len(set(part)) < len(part) for part in (indices[:half], indices[half:]))
    return [] if vanishes else [(indices, 1.0)]


def ansatz_from_openfermion(generators: Sequence[Any], *, name: str = "openfermion") -> Ansatz:
    """Make an ansatz out of a list of generators, one parameter each; the first one acts first.

    A generator is anti-Hermitian, A = T - T^dagger, and its gate exp(angle A); or it is Hermitian, G, and its gate is
    exp(-i angle G). FermionOperators must be excitations with a coefficient, or sums of excitations that commute, as
    a sum for alpha and beta electrons does; QubitOperators sums of Pauli strings that commute.

    Args:
        generators: FermionOperators for a `Problem`, or QubitOperators for a `QubitProblem`.
        name: Name of the ansatz.

    Returns:
        The ansatz; parameter k is that of generator k, an excitation of a sum is a rotation of its own.

    Raises:
        InputError: A generator is neither anti-Hermitian nor Hermitian, or is no product of commuting gates.

    """
    if hasattr(generators, "terms"):
        raise InputError("generators must be a list of operators, one a parameter, but a single operator was given")
    rotations: list[Rotation] = []
    for number, generator in enumerate(generators):
        where = f"generator {number + 1}"
        terms = _terms(generator, where)
        if not terms:
            raise InputError(f"{where} is zero: it has no terms")
        try:
            gates = _excitations(terms) if _is_fermionic(terms) else [(_pauli_generator(terms), 1.0)]
            rotations += [Rotation(made, number, factor) for made, factor in gates]
        except ValueError as error:
            raise InputError(f"{where}: {error}") from error
    if len({isinstance(rotation.generator, Excitation) for rotation in rotations}) != 1:
        raise InputError("generators must all be FermionOperators or all QubitOperators, and at least one")
    return Ansatz(name=name, rotations=tuple(rotations), n_parameters=len(generators))


def _terms(operator: Any, what: str) -> dict[tuple[tuple[int, Any], ...], complex]:
    """Terms of an operator that are not rounding."""
    terms = getattr(operator, "terms", None)
    if not isinstance(terms, Mapping):
        raise InputError(f"{what} must be an OpenFermion operator, but it is {type(operator).__name__}")
    kept = {term: complex(value) for term, value in terms.items() if not abs(complex(value)) <= NEGLIGIBLE}
    if not all(np.isfinite(value) for value in kept.values()):
        raise InputError(f"{what} has a coefficient that is not finite")
    actions = {action for term in kept for _, action in term}
    if not actions <= {0, 1} and not actions <= {"X", "Y", "Z"}:
        raise InputError(f"{what} must be a FermionOperator or a QubitOperator; transform it into one of them")
    return kept


def _is_fermionic(terms: Terms) -> bool:
    return any(action in (0, 1) for term in terms for _, action in term)


def _excitations(terms: Terms) -> list[tuple[Excitation, float]]:
    """Excitations and factors of A = sum c (T - T^dagger), or of G = sum i c (T - T^dagger)."""
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], complex] = {}
    for term, value in terms.items():
        created = [index for index, action in term if action == 1]
        annihilated = [index for index, action in term if action == 0]
        if sorted(created + annihilated) != sorted({*created, *annihilated}) or len(created) != len(annihilated):
            raise InputError(
                f"must be made of excitations between distinct spin orbitals, but has the term {_shown(term)}"
            )
        order = [(index, action) for index, action in term]
        target = [*((p, 1) for p in sorted(created)), *((p, 0) for p in sorted(annihilated, reverse=True))]
        sign = _sorting_sign([target.index(each) for each in order])
        key = tuple(sorted(created)), tuple(sorted(annihilated))
        found[key] = found.get(key, 0.0) + sign * value
    gates: list[tuple[Excitation, float]] = []
    hermitian = all(abs(value - found.get(key[::-1], 0.0).conjugate()) <= NEGLIGIBLE for key, value in found.items())
    factor = -1.0j if hermitian else 1.0  # exp(-i angle G) = exp(angle A), A = -i G
    for key, value in found.items():
        amplitude, partner = factor * value, factor * found.get(key[::-1], 0.0)
        if abs(amplitude + partner.conjugate()) > NEGLIGIBLE or abs(amplitude.imag) > NEGLIGIBLE:
            raise InputError(
                "must be anti-Hermitian with real amplitudes, T - T^dagger; subtract "
                "openfermion.hermitian_conjugated(T) from an excitation T"
            )
        if key[0] > key[1] or key[::-1] not in found:  # one of the two
            gates.append((Excitation(*key), float(amplitude.real)))
    for k, (first, _) in enumerate(gates):
        for second, _ in gates[k + 1 :]:
            if not _commute(first, second):
                raise InputError(
                    f"is the sum of {first.label} and {second.label}, which do not commute, so that no product is its "
                    f"exponential; give each as a generator of its own"
                )
    return gates


def _sorting_sign(places: Sequence[int]) -> float:
    return (-1.0) ** sum(p > q for k, p in enumerate(places) for q in places[k + 1 :])


def _commute(first: Excitation, second: Excitation) -> bool:
    """Whether two excitations commute for certain: no spin orbital in common, or shared ones whose products vanish."""
    shared = set(first.spin_orbitals) & set(second.spin_orbitals)
    if not shared:
        return True
    # in T1 T2 one spin orbital is filled or emptied twice, which is zero in either order; likewise in T1 T2^dagger
    fills = set(first.created) & set(second.created), set(first.annihilated) & set(second.annihilated)
    crosses = set(first.created) & set(second.annihilated), set(first.annihilated) & set(second.created)
    return any(fills) and any(crosses)


def _pauli_generator(terms: Terms) -> PauliSum:
    """G of exp(-i angle G) for A = -i G, or for G itself."""
    values = list(terms.values())
    if all(abs(value.real) <= NEGLIGIBLE for value in values):
        scale = 1.0j  # A = -i G
    elif all(abs(value.imag) <= NEGLIGIBLE for value in values):
        scale = 1.0
    else:
        raise InputError("must be anti-Hermitian, i times a real Pauli sum, or Hermitian, a real one")
    strings = list(terms)
    if () in strings:
        raise InputError("must not hold the identity, which only gives a phase; leave it out")
    for k, first in enumerate(strings):
        for second in strings[k + 1 :]:
            if not strings_commute(first, second):
                raise InputError(
                    f"is a sum of {string_label(first)} and {string_label(second)}, which do not commute; give each as "
                    f"a generator of its own"
                )
    return PauliSum(tuple((float((scale * value).real), string) for string, value in terms.items()))


def _shown(term: Sequence[tuple[int, Any]]) -> str:
    return " ".join(f"{index}{'^' if action else ''}" for index, action in term)
