"""Unitary coupled cluster: products of excitation exponentials on a reference determinant."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.errors import InputError

Hop = tuple[int, int]
"""A spatial orbital and the one that its electron goes to."""


def uccsd(n_orbitals: int, n_alpha: int, n_beta: int, *, singlet: bool = False) -> Ansatz:
    """Build UCCSD as a product of spin-orbital excitation exponentials.

    |psi> = prod_k exp(angle_k (T_k - T_k^dagger)) |reference>; singles act first, then alpha-beta doubles, then
    same-spin doubles; every excitation has its own parameter.

    Args:
        n_orbitals: Number of spatial orbitals.
        n_alpha: Alpha electrons; the reference fills the lowest orbitals of each spin.
        n_beta: Beta electrons.
        singlet: Share parameters as `singlet_doubles` says: one for each E_ai and each E_ai E_bj.

    Returns:
        The ansatz; LiH in a minimal basis has 92 rotations, as singlets 104 on 44 parameters.

    Raises:
        InputError: `singlet` with other numbers of alpha than of beta electrons.

    """
    singles, doubles = _excitations(n_orbitals, n_alpha, n_beta)
    if not singlet:
        return _free("uccsd", [*singles[0], *singles[1], *doubles])
    hops = _closed_shell_hops(n_orbitals, n_alpha, n_beta)
    return _grouped("uccsd", [*(_orbital_turn(hop) for hop in hops), *singlet_doubles(hops)])


def uccd(n_orbitals: int, n_alpha: int, n_beta: int, *, singlet: bool = False) -> Ansatz:
    """Build UCCD: the doubles of `uccsd`, alpha-beta ones first.

    Args:
        n_orbitals: Number of spatial orbitals.
        n_alpha: Alpha electrons; the reference fills the lowest orbitals of each spin.
        n_beta: Beta electrons.
        singlet: Share parameters as `singlet_doubles` says.

    Returns:
        The ansatz; LiH in a minimal basis has 76 rotations.

    Raises:
        InputError: `singlet` with other numbers of alpha than of beta electrons.

    """
    if not singlet:
        return _free("uccd", _excitations(n_orbitals, n_alpha, n_beta)[1])
    return _grouped("uccd", singlet_doubles(_closed_shell_hops(n_orbitals, n_alpha, n_beta)))


def puccd(n_orbitals: int, n_alpha: int, n_beta: int) -> Ansatz:
    """Build pair CCD: a alpha a beta <- i alpha i beta for every doubly filled i and empty a.

    Electrons stay in pairs, so that one qubit can hold an orbital (``encoding``). Every rotation commutes with S^2: the
    spin of the reference is kept exactly.

    Args:
        n_orbitals: Number of spatial orbitals.
        n_alpha: Alpha electrons; the reference fills the lowest orbitals of each spin.
        n_beta: Beta electrons.

    Returns:
        The ansatz; LiH in a minimal basis has 8 rotations.

    Reference: T. M. Henderson, I. W. Bulik, T. Stein, G. E. Scuseria, Seniority-based coupled cluster theory, arXiv
        1410.6529, for pair CCD; unitary and on qubits: V. E. Elfving et al., Simulating quantum chemistry in the
        seniority-zero space on qubit-based quantum computers, arXiv 2002.00035.

    """
    return _free("puccd", [_pair(hop) for hop in product(range(min(n_alpha, n_beta)), range(n_alpha, n_orbitals))])


def uccgsd(n_orbitals: int) -> Ansatz:
    """Build UCCGSD: generalised singles and doubles between all spin orbitals, filled or not.

    Each excitation stands for its inverse too. Doubles with an index in common, singles that ask for a filled orbital,
    are left out, as in most programs. Singles act first, then alpha-beta doubles, then same-spin doubles.

    Args:
        n_orbitals: Number n of spatial orbitals.

    Returns:
        The ansatz; 2 C(n, 2) singles, 2 C(n, 2)^2 alpha-beta and 6 C(n, 4) same-spin doubles.

    Source: J. Lee, W. J. Huggins, M. Head-Gordon, K. B. Whaley, Generalized unitary coupled cluster wavefunctions for
        quantum computation, arXiv 1810.02327; written there as one exponential, here as a product.

    """
    singles = [[_single(hop, spin) for hop in combinations(range(n_orbitals), 2)] for spin in (0, 1)]
    mixed = []
    for (i, a), (j, b) in product(*([(*e.annihilated, *e.created) for e in spin] for spin in singles)):
        mixed += [Excitation((a, b), (i, j)), Excitation((a, j), (i, b))]
    same = []
    for four in combinations(range(n_orbitals), 4):
        for spin in (0, 1):
            p, q, r, s = (2 * orbital + spin for orbital in four)
            same += [Excitation((r, s), (p, q)), Excitation((q, s), (p, r)), Excitation((q, r), (p, s))]
    return _free("uccgsd", [*singles[0], *singles[1], *mixed, *same])


def kupccgsd(n_orbitals: int, k: int = 2, *, singlet: bool = False) -> Ansatz:
    """Build k-UpCCGSD: k layers of generalised pair doubles and generalised singles, each layer with its own angles.

    A layer moves pairs p alpha p beta -> q alpha q beta for all p < q, then single electrons p -> q of each spin.

    Args:
        n_orbitals: Number n of spatial orbitals.
        k: Number of layers.
        singlet: One parameter for the alpha and the beta single: together they turn orbitals, pairs are singlets
            anyway, so that every factor commutes with S^2 and the spin of the reference is kept exactly.

    Returns:
        The ansatz; 3 k C(n, 2) rotations, with `singlet` on 2 k C(n, 2) parameters.

    Raises:
        InputError: There is no layer.

    Source: J. Lee, W. J. Huggins, M. Head-Gordon, K. B. Whaley, Generalized unitary coupled cluster wavefunctions for
        quantum computation, arXiv 1810.02327; each layer is one exponential there, a product here.

    """
    if k < 1:
        raise InputError(f"ansatz.k={k} must be at least 1")
    hops = list(combinations(range(n_orbitals), 2))
    groups = [[(_pair(hop), 1.0)] for hop in hops]
    for turn in map(_orbital_turn, hops):
        groups += [turn] if singlet else [[single] for single in turn]
    return _grouped("kupccgsd", groups * k)


def singlet_doubles(hops: Sequence[Hop]) -> list[list[tuple[Excitation, float]]]:
    """Return the rotations of every E_ai E_bj - h.c., in which alpha and beta electrons share one amplitude.

    E_ai E_bj = (a i)_alpha (b j)_beta + (a i)_beta (b j)_alpha + the same-spin doubles with i < j, a < b, which get the
    amplitude t_ij^ab - t_ij^ba and so stand once behind each of the two. The sum of a parameter's generators commutes
    with S^2, its product of exponentials does not, but where both electrons come from one orbital and go to one. On a
    closed shell, singles first, <S^2> departs from 0 in the sixth order of the angles (measured); with an angle for
    each excitation in the second.

    Args:
        hops: Pairs (i, a) of filled and empty orbitals.

    Returns:
        Excitations and their coefficients, a list a parameter; h hops give h (h + 1) / 2 of them.

    """
    groups = []
    for position, (i, a) in enumerate(hops):
        groups.append([(_pair((i, a)), 1.0)])
        for j, b in hops[position + 1 :]:
            group = [
                (Excitation((2 * a, 2 * b + 1), (2 * i, 2 * j + 1)), 1.0),
                (Excitation((2 * b, 2 * a + 1), (2 * j, 2 * i + 1)), 1.0),
            ]
            if i != j and a != b:
                created, sign = ((a, b), 1.0) if a < b else ((b, a), -1.0)  # hops are sorted: i < j
                for spin in (0, 1):
                    same = Excitation(tuple(2 * p + spin for p in created), (2 * i + spin, 2 * j + spin))
                    group.append((same, sign))
            groups.append(group)
    return groups


def _excitations(n_orbitals: int, n_alpha: int, n_beta: int) -> tuple[list[list[Excitation]], list[Excitation]]:
    """Singles of each spin, and doubles, from filled to empty spin orbitals."""
    spins = tuple(enumerate((n_alpha, n_beta)))
    hops = [[(2 * i + s, 2 * a + s) for i, a in product(range(n), range(n, n_orbitals))] for s, n in spins]
    singles = [[Excitation((a,), (i,)) for i, a in spin] for spin in hops]
    doubles = [Excitation((a, b), (i, j)) for (i, a), (j, b) in product(*hops)]
    for s, n in spins:
        filled, empty = (range(s, 2 * n, 2), range(2 * n + s, 2 * n_orbitals, 2))
        doubles += [Excitation(ab, ij) for ij in combinations(filled, 2) for ab in combinations(empty, 2)]
    return singles, doubles


def _closed_shell_hops(n_orbitals: int, n_alpha: int, n_beta: int) -> list[Hop]:
    if n_alpha != n_beta:
        raise InputError(
            f"ansatz.singlet=true needs as many alpha as beta electrons, but there are {n_alpha} and {n_beta}; "
            f"leave it out"
        )
    return list(product(range(n_alpha), range(n_alpha, n_orbitals)))


def _single(hop: Hop, spin: int) -> Excitation:
    return Excitation((2 * hop[1] + spin,), (2 * hop[0] + spin,))


def _pair(hop: Hop) -> Excitation:
    p, q = hop
    return Excitation((2 * q, 2 * q + 1), (2 * p, 2 * p + 1))


def _orbital_turn(hop: Hop) -> list[tuple[Excitation, float]]:
    return [(_single(hop, spin), 1.0) for spin in (0, 1)]


def _free(name: str, excitations: Sequence[Excitation]) -> Ansatz:
    """One parameter a rotation."""
    return _grouped(name, [[(excitation, 1.0)] for excitation in excitations])


def _grouped(name: str, groups: Sequence[Sequence[tuple[Excitation, float]]]) -> Ansatz:
    """One parameter a group."""
    rotations = [Rotation(excitation, k, factor) for k, group in enumerate(groups) for excitation, factor in group]
    return Ansatz(name=name, rotations=tuple(rotations), n_parameters=len(groups))
