"""Fabrics: layers of blocks between neighbours on a chain of orbitals, which keep N, S_z and S^2 exactly."""

from __future__ import annotations

from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.errors import InputError

BLOCKS = {"tups": ("turn", "pair", "turn"), "qnp": ("pair", "turn")}
"""What a block does, first one first: it turns two orbitals, or moves a pair of electrons between them."""


def tups(n_orbitals: int, n_alpha: int, n_beta: int, layers: int) -> Ansatz:
    """Build a tiled unitary product state: layers of blocks on the neighbours (0, 1), (2, 3), ..., then (1, 2), ...

    A block is exp(a K1) exp(b K2) exp(c K1), with K1 = sum_s (q+_s p_s - h.c.), an orbital rotation, and K2 the move of
    a pair from p to q. Neighbours are those of `pairing_chain`.

    Args:
        n_orbitals: Number of spatial orbitals.
        n_alpha: Alpha electrons.
        n_beta: Beta electrons.
        layers: Number of layers.

    Returns:
        The ansatz; 3 layers (n_orbitals - 1) parameters.

    Raises:
        InputError: There is no layer.

    Source: H. G. A. Burton, Accurate and gate-efficient quantum ansätze for electronic states without adaptive
        optimisation, arXiv 2312.09761; there the first turn of the first layer is left out where orbitals are optimised
        as well.

    """
    return _fabric("tups", n_orbitals, n_alpha, n_beta, layers)


def qnp_fabric(n_orbitals: int, n_alpha: int, n_beta: int, layers: int) -> Ansatz:
    """Build a fabric of quantum-number-preserving gates: blocks of a pair move and one orbital rotation.

    The blocks stand as in `tups`.

    Args:
        n_orbitals: Number of spatial orbitals.
        n_alpha: Alpha electrons.
        n_beta: Beta electrons.
        layers: Number of layers.

    Returns:
        The ansatz; 2 layers (n_orbitals - 1) parameters.

    Raises:
        InputError: There is no layer.

    Source: G.-L. R. Anselmetti, D. Wierichs, C. Gogolin, R. M. Parrish, Local, expressive, quantum-number-preserving
        VQE ansätze for fermionic systems, arXiv 2104.05695.

    """
    return _fabric("qnp", n_orbitals, n_alpha, n_beta, layers)


def pairing_chain(n_orbitals: int, n_alpha: int, n_beta: int) -> list[int]:
    """Return orbitals in the order of the chain: each filled one beside an empty one, as perfect pairing has it.

    The highest doubly filled orbital has the lowest empty one for a neighbour, the next lower one the next higher one,
    and so on; what is left over follows. The reference's orbitals are by energy, so neighbours would mostly be both
    filled or both empty without it. The order is ours.

    Args:
        n_orbitals: Number of spatial orbitals.
        n_alpha: Alpha electrons.
        n_beta: Beta electrons.

    """
    filled, empty = list(range(n_beta))[::-1], list(range(n_alpha, n_orbitals))
    chain = [orbital for pair in zip(filled, empty, strict=False) for orbital in pair]
    return chain + [orbital for orbital in range(n_orbitals) if orbital not in chain]


def _fabric(name: str, n_orbitals: int, n_alpha: int, n_beta: int, layers: int) -> Ansatz:
    if layers < 1:
        raise InputError(f"ansatz.layers={layers} must be at least 1")
    chain = pairing_chain(n_orbitals, n_alpha, n_beta)
    rotations: list[Rotation] = []
    count = 0
    for _ in range(layers):
        for first in (0, 1):
            for at in range(first, n_orbitals - 1, 2):
                p, q = sorted(chain[at : at + 2])
                for part in BLOCKS[name]:
                    created, annihilated = (2 * q, 2 * q + 1), (2 * p, 2 * p + 1)
                    if part == "pair":
                        rotations.append(Rotation(Excitation(created, annihilated), count))
                    else:
                        turns = zip(created, annihilated, strict=True)
                        rotations += [Rotation(Excitation((c,), (d,)), count) for c, d in turns]
                    count += 1
    return Ansatz(name=name, rotations=tuple(rotations), n_parameters=count)
