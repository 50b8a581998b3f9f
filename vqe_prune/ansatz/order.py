"""In which order the rotations of an ansatz act: products of exponentials depend on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from vqe_prune.ansatz.amplitudes import cluster_amplitudes
from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
from vqe_prune.electrons import Electrons
from vqe_prune.errors import InputError, check_choice
from vqe_prune.excitation_settings import ORDERS
from vqe_prune.symmetry import orbital_energies

SAME_KEY = 6
"""Decimals to which amplitudes and energies are compared: equal ones keep their order, SCF noise decides nothing."""


def ordered(ansatz: Ansatz, order: str, electrons: Electrons) -> Ansatz:
    """Return an ansatz whose rotations act in another order within each of its layers; equal ones stay as they were.

    Args:
        ansatz: Excitation rotations; those of one parameter stay together.
        order: ``singles_first``, ``doubles_first``; ``mp2_amplitude``, the largest first-order amplitudes act first;
            ``excitation_energy``, the smallest differences of orbital energies act first.
        electrons: Integrals that amplitudes and orbital energies come from.

    Raises:
        InputError: The order is unknown.

    Reference: H. R. Grimsley et al., Is the trotterized UCCSD ansatz chemically well-defined?, arXiv 1910.10329, on how
        much the order matters.

    """
    check_choice("ansatz.order", order, ORDERS)
    groups: list[list[Rotation]] = [[] for _ in range(ansatz.n_parameters)]
    for rotation in ansatz.rotations:
        if rotation.parameter is None:
            raise InputError(f"ansatz.order={order} is for ansätze without constant angles")
        groups[rotation.parameter].append(rotation)
    keys = _keys(
        [[r.generator for r in group if isinstance(r.generator, Excitation)] for group in groups], order, electrons
    )
    seen: Counter[frozenset[object]] = Counter()
    layers = []
    for group in groups:
        same = frozenset(rotation.generator for rotation in group)
        layers.append(seen[same])
        seen[same] += 1
    sequence = sorted(range(len(groups)), key=lambda p: (layers[p], keys[p]))  # stable
    rotations = [replace(rotation, parameter=k) for k, p in enumerate(sequence) for rotation in groups[p]]
    return replace(ansatz, rotations=tuple(rotations))


def _keys(groups: list[list[Excitation]], order: str, electrons: Electrons) -> list[float]:
    """What the groups of rotations are sorted by, the lowest first."""
    if order in ("singles_first", "doubles_first"):
        sign = 1.0 if order == "singles_first" else -1.0
        return [sign * len(group[0].created) for group in groups]
    if order == "mp2_amplitude":
        amplitudes = cluster_amplitudes(electrons, "mp2")
        return [-round(max(abs(amplitudes.of(each)) for each in group), SAME_KEY) for group in groups]
    energies = np.repeat(orbital_energies(electrons), 2)
    return [
        round(abs(float(energies[list(group[0].created)].sum() - energies[list(group[0].annihilated)].sum())), SAME_KEY)
        for group in groups
    ]
