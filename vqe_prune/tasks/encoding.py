"""How a sample's features enter a circuit: as angles of its first state, as amplitudes, or again in every layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.layered import hardware_efficient
from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.paulis import PauliSum

State = NDArray[np.complex128]
Vector = NDArray[np.float64]

MIDDLE, SPREAD = 0.5 * np.pi, 0.8
"""Angle (radian) of a feature that is 0, where <Z> changes fastest with it, and of a standard deviation."""


def angle_states(features: Vector) -> State:
    """Return product states of RY(pi/2 + 0.8 feature) |0>, qubit q for feature q; shape (n_samples, 2^n_features).

    Args:
        features: Of mean square 1, shape (n_samples, n_features).

    """
    halves = 0.5 * (MIDDLE + SPREAD * features)
    states = np.ones((len(features), 1))
    for cosine, sine in zip(np.cos(halves).T, np.sin(halves).T, strict=True):
        states = np.stack([states * cosine[:, None], states * sine[:, None]], axis=-1).reshape(len(features), -1)
    return states.astype(np.complex128)


def amplitude_states(numbers: Vector) -> State:
    """Return states whose amplitudes are the given numbers, normalised; a sample of zeros is the state |0...0>.

    Args:
        numbers: Shape (n_samples, 2^n).

    """
    states = numbers.astype(np.complex128)
    norms = np.linalg.norm(states, axis=1)
    states[norms == 0.0, 0] = 1.0
    return states / np.where(norms == 0.0, 1.0, norms)[:, None]


def reuploading(
    n_qubits: int,
    n_features: int,
    layers: int,
    *,
    blocks: Sequence[str],
    entangler: str,
    pairs: Sequence[tuple[int, int]],
) -> Ansatz:
    """Build a hardware-efficient circuit with RY(0.8 feature) on every qubit before each of its layers.

    The qubits are turned by RY(pi/2) at first. Layer l encodes the features from l * n_qubits on, in turn.

    Args:
        n_qubits: Number of qubits.
        n_features: Number of features.
        layers: Number of layers.
        blocks: Rotations of every qubit in a layer.
        entangler: A key of `vqe_prune.ansatz.layered.ENTANGLERS`.
        pairs: Qubits that entanglers act on.

    Source: A. Pérez-Salinas, A. Cervera-Lierta, E. Gil-Fuster, J. I. Latorre, Data re-uploading for a universal quantum
        classifier, arXiv 1907.02085.

    """
    turn = [PauliSum(((0.5, ((q, "Y"),)),)) for q in range(n_qubits)]
    rotations = [Rotation(generator, None, MIDDLE) for generator in turn]
    count = 0
    for layer in range(layers):
        for q, generator in enumerate(turn):
            rotations.append(Rotation(generator, None, SPREAD, (layer * n_qubits + q) % n_features))
        part = hardware_efficient(n_qubits, 1, blocks=blocks, entangler=entangler, pairs=pairs)
        for each in part.rotations:
            shifted = None if each.parameter is None else count + each.parameter
            rotations.append(Rotation(each.generator, shifted, each.coefficient))
        count += part.n_parameters
    return Ansatz(name="reuploading", rotations=tuple(rotations), n_parameters=count)
