"""Clifford points near an optimum: angles where the same circuit has an energy that is known, and errs alike."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.encoding import Encoding
from vqe_prune.grouping import EXACT_QUBITS, exact_state
from vqe_prune.paulis import PauliSum

N_POINTS = 6
"""Training circuits: their spread is the error bar of what they predict."""

MOST_FLIPPED = 8
"""Parameters that may go to the farther one of their two neighbouring points, those that it takes least far."""

MOST_LOOKED_AT = 64
"""Points whose energy is computed, the nearest first."""

LEAST_SHARE = 0.5
"""Of the optimum's energy, counted from that of complete mixing: smaller ones say little of how noise shrinks it."""

OFFSET = 1e-3
"""Radian, added to every angle: at the points themselves a compiler would remove the gates whose error is learned."""


def clifford_points(
    ansatz: Ansatz, angles: NDArray[np.float64], build: Callable[[NDArray[np.float64]], Encoding]
) -> tuple[Encoding, ...]:
    """Return a circuit at the Clifford points nearest to its angles where energy is left.

    A rotation exp(-i t P) of a Pauli string is a Clifford gate where t is a multiple of pi/4, one of an excitation
    takes determinants to determinants where its angle is a multiple of pi/2. Points are ordered by the sum of the
    changes of all parameters, each counted in its own steps; they keep what is tied tied.

    Args:
        ansatz: The circuit.
        angles: Its parameters, radian, (n_parameters,).
        build: Puts the ansatz on qubits at given angles, as `encode` does.

    Returns:
        At most `N_POINTS` circuits `OFFSET` away from such points; fewer, or none, where energies there are small or
        the circuit has more qubits than `EXACT_QUBITS`.

    Reference: P. Czarnik, A. Arrasmith, P. J. Coles, L. Cincio, Error mitigation with Clifford quantum-circuit data,
        arXiv 2005.10189; the choice of points, all gates Clifford and nearest first, is our reconstruction.

    """
    target = build(angles)
    wanted = _energy(target)
    if wanted is None or not target.hamiltonian.terms or not ansatz.n_parameters:
        return ()
    steps = _steps(ansatz)
    counts = np.asarray(angles, dtype=np.float64) / steps
    near = np.round(counts)
    other = near + np.where(counts >= near, 1.0, -1.0)
    extra = np.abs(other - counts) - np.abs(near - counts)
    free = np.argsort(extra, kind="stable")[:MOST_FLIPPED]
    flips = [chosen for k in range(len(free) + 1) for chosen in combinations(free.tolist(), k)]
    flips.sort(key=lambda chosen: float(extra[list(chosen)].sum()))  # stable: fewer flips first where they tie
    mixed, found = target.hamiltonian.constant, []
    for chosen in flips[:MOST_LOOKED_AT]:
        point = near.copy()
        point[list(chosen)] = other[list(chosen)]
        circuit = build(point * steps + OFFSET)
        energy = _energy(circuit)
        same = circuit.wires == target.wires and len(circuit.gates) == len(target.gates)
        if same and energy is not None and (energy - mixed) / (wanted - mixed) >= LEAST_SHARE:
            found.append(circuit)
        if len(found) == N_POINTS:
            break
    return tuple(found)


def _energy(circuit: Encoding) -> float | None:
    state = exact_state(circuit.gates, circuit.n_qubits) if circuit.n_qubits <= EXACT_QUBITS else None
    if state is None:
        return None
    return float(np.vdot(state, circuit.hamiltonian.apply(state)).real) + circuit.hamiltonian.constant


def _steps(ansatz: Ansatz) -> NDArray[np.float64]:
    """Change of each parameter from one Clifford point to the next, radian, (n_parameters,).

    Where rotations that share a parameter have other ratios than whole numbers, the finest of them counts.
    """
    steps = np.full(ansatz.n_parameters, np.inf)
    for rotation in ansatz.rotations:
        if rotation.parameter is None:
            continue
        step = np.pi / 2
        if isinstance(rotation.generator, PauliSum):
            step = np.pi / 4 / min(abs(coefficient) for coefficient, _ in rotation.generator.terms)
        steps[rotation.parameter] = min(steps[rotation.parameter], step / abs(rotation.coefficient or 1.0))
    return steps
