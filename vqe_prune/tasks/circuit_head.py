"""A quantum circuit as the head of a click-through-rate model: numbers in as angles, one expectation value out.

This module imports PyTorch; `vqe_prune.tasks.ctr` imports it when a model has such a head.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vqe_prune.ansatz.layered import hardware_efficient
from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.engine.statevector import StatevectorEngine
from vqe_prune.paulis import PauliSum, QubitHamiltonian

FIRST_ANGLES = 0.3
"""Spread of the first angles, radian: near the identity gradients do not vanish."""

FIRST_SCALE = 4.0
"""Of <Z>: with 1 no probability could be below a quarter."""


def head_circuit(n_qubits: int, layers: int) -> Ansatz:
    """Return a circuit with data re-uploading: in each layer, Y rotations by the data, then trained X, Z and ZZ.

    A layer turns by its share of the data's angle, so that all layers together turn by the whole.

    Args:
        n_qubits: Number of qubits, each of which takes one number.
        layers: Number of layers; n_qubits * 3 parameters each (2 qubits: 5).

    """
    layer = hardware_efficient(n_qubits, 1)
    rotations: list[Rotation] = []
    for k in range(layers):
        rotations += [Rotation(PauliSum(((0.5, ((q, "Y"),)),)), None, 1.0 / layers, feature=q) for q in range(n_qubits)]
        for rotation in layer.rotations:
            assert rotation.parameter is not None
            rotations.append(replace(rotation, parameter=rotation.parameter + k * layer.n_parameters))
    return Ansatz(name="re-uploading", rotations=tuple(rotations), n_parameters=layers * layer.n_parameters)


def mean_z(n_qubits: int) -> QubitHamiltonian:
    """Return what is read out: the mean of Z over all qubits."""
    return QubitHamiltonian(n_qubits=n_qubits, terms=tuple((1.0 / n_qubits, ((q, "Z"),)) for q in range(n_qubits)))


def with_data_as_parameters(ansatz: Ansatz) -> Ansatz:
    """Return the circuit whose last parameters are the data, so that one set of parameters is one sample."""
    rotations = tuple(
        each if each.feature is None else Rotation(each.generator, ansatz.n_parameters + each.feature, each.coefficient)
        for each in ansatz.rotations
    )
    n_features = 1 + max(each.feature for each in ansatz.rotations if each.feature is not None)
    return replace(ansatz, rotations=rotations, n_parameters=ansatz.n_parameters + n_features)


class _Expectation(torch.autograd.Function):
    """<Z> of every sample with its gradient by all angles, from one call of the state-vector engine."""

    @staticmethod
    def forward(ctx: Any, angles: Tensor, data: Tensor, engine: StatevectorEngine) -> Tensor:
        common = angles.detach().double().expand(len(data), -1)
        values, gradients = engine.energies_and_gradients(torch.cat([common, data.detach().double()], dim=1).numpy())
        ctx.save_for_backward(torch.from_numpy(gradients))
        ctx.n_angles, ctx.dtype = len(angles), data.dtype
        return torch.from_numpy(values).to(data.dtype)

    @staticmethod
    def backward(ctx: Any, *outside: Tensor) -> tuple[Tensor | None, ...]:
        (gradients,) = ctx.saved_tensors
        slopes = outside[0].double()
        of_angles = slopes @ gradients[:, : ctx.n_angles]
        of_data = slopes[:, None] * gradients[:, ctx.n_angles :]
        return of_angles.to(ctx.dtype), of_data.to(ctx.dtype), None


def expectation(angles: Tensor, data: Tensor, engine: StatevectorEngine) -> Tensor:
    """Return <Z> of every sample, differentiable by angles and data.

    Args:
        angles: Of the trained rotations, radian; shape (n_parameters,).
        data: Angles of the rotations by the data, radian; shape (n_samples, n_features).
        engine: Of `with_data_as_parameters` of the circuit.

    """
    return _Expectation.apply(angles, data, engine)


class CircuitHead(nn.Module):
    """Features, brought to mean 0 and variance 1, to an angle for each qubit, to the logit scale * <Z> + bias.

    The linear layer in front has n_inputs * n_qubits weights, which pruning the circuit leaves alone.

    Args:
        n_inputs: Number of features.
        n_qubits: Number of qubits.
        ansatz: As `head_circuit` makes it, or what pruning left of it.
        start: First angles, radian; shape (n_parameters,).
        threads: Threads that share the samples of a batch.
        dropout: Share of features left out in training.

    """

    def __init__(
        self,
        n_inputs: int,
        n_qubits: int,
        ansatz: Ansatz,
        start: NDArray[np.float64],
        threads: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_qubits, self.ansatz, self.threads = n_qubits, ansatz, threads
        self.reduce = nn.Sequential(nn.BatchNorm1d(n_inputs), nn.Dropout(dropout), nn.Linear(n_inputs, n_qubits))
        self.scale, self.bias = nn.Parameter(torch.tensor(FIRST_SCALE)), nn.Parameter(torch.tensor(0.0))
        self.angles = nn.Parameter(torch.tensor(start, dtype=torch.float32))
        joint = with_data_as_parameters(ansatz)
        self.engine = StatevectorEngine(hamiltonian=mean_z(n_qubits), ansatz=joint, threads=threads)

    def data(self, inputs: Tensor) -> Tensor:
        """Return the angles by the data, (1 + tanh) pi / 2, from 0 to pi; shape (n, n_qubits).

        All layers of a circuit without trained angles turn each qubit once by it, so that <Z> falls from 1 to -1: a
        circuit near the identity begins as something that can be learned from.
        """
        return 0.5 * math.pi * (1.0 + torch.tanh(self.reduce(inputs)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits; shape (n,) for inputs of (n, n_inputs)."""
        return self.scale * expectation(self.angles, self.data(inputs), self.engine) + self.bias
