"""Time of energy plus full gradient on the state-vector engine, beside PennyLane's lightning.qubit in the same run.

A ring: layers of RX and RZ on every qubit and RZZ on every neighbouring pair, transverse-field Ising Hamiltonian, all
cores. The best of several repeats in turn, since other work on the machine only ever adds time.
"""

from __future__ import annotations

import os
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from cases import parse_arguments, show
from numpy.typing import NDArray

from vqe_prune.ansatz.rotation import Ansatz, Rotation
from vqe_prune.engine.statevector import StatevectorEngine
from vqe_prune.paulis import PauliSum, product_state, qubit_hamiltonian_of

LAYERS = 4
STATES = 4.0
"""State vectors of memory claimed: two, the reference and the Hamiltonian's diagonal of real numbers."""

AGREEMENT = 1e-8
"""Largest difference to the peer in the energy and in any derivative; both are double precision."""

SECONDS = 1.5
"""How long each contender may repeat itself."""

PEER = "lightning.qubit"


def ring_ansatz(n: int, layers: int) -> Ansatz:
    """Return RX, RZ and RZZ around the ring, each with a parameter of its own."""
    strings = [((q, "X"),) for q in range(n)] + [((q, "Z"),) for q in range(n)]
    strings += [tuple(sorted(((q, "Z"), ((q + 1) % n, "Z")))) for q in range(n)]
    rotations = tuple(Rotation(PauliSum(((0.5, string),)), k) for k, string in enumerate(strings * layers))
    return Ansatz(name="ring", rotations=rotations, n_parameters=len(rotations))


def ring_engine(n: int, layers: int) -> StatevectorEngine:
    """Return the engine of the ring with every qubit in |+> at first."""
    pairs = {tuple(sorted(((q, "Z"), ((q + 1) % n, "Z")))): -1.0 for q in range(n)}
    hamiltonian = qubit_hamiltonian_of(pairs | {((q, "X"),): -1.0 for q in range(n)})
    ansatz, reference = ring_ansatz(n, layers), product_state("+" * n)
    return StatevectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, reference=reference, threads=os.cpu_count() or 1)


def random_angles(*shape: int) -> NDArray[np.float64]:
    """Return the same random angles (radian) every time."""
    return np.random.default_rng(1).uniform(0.0, 2.0 * np.pi, shape)


def best_milliseconds(*functions: Callable[[], object]) -> list[float]:
    """Return the shortest run of each function, run in turn so that a busy moment hits all of them."""
    shortest = [np.inf] * len(functions)
    for function in functions:
        function()
    began, rounds = time.perf_counter(), 0
    while rounds < 3 or time.perf_counter() - began < SECONDS * len(functions):
        for k, function in enumerate(functions):
            start = time.perf_counter()
            function()
            shortest[k] = min(shortest[k], time.perf_counter() - start)
        rounds += 1
    return [1e3 * seconds for seconds in shortest]


def states_in_memory(n: int) -> float:
    """Return the peak of a gradient in state vectors, the reference and the Hamiltonian counted."""
    tracemalloc.start()
    engine, angles = ring_engine(n, 1), random_angles(3 * n)
    engine.energy_and_gradient(angles)
    tracemalloc.reset_peak()
    engine.energy_and_gradient(angles)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / (16 << n)


def peer_function(n: int, layers: int, angles: NDArray[np.float64]) -> Callable[[], tuple[float, NDArray[np.float64]]]:
    """Return what computes energy and gradient by PennyLane's adjoint differentiation of the same circuit.

    Built once: the timed call is the device's own, without PennyLane's Python around it.
    """
    import pennylane as qml

    device = qml.device(PEER, wires=n)
    pairs = [qml.PauliZ(q) @ qml.PauliZ((q + 1) % n) for q in range(n)]
    hamiltonian = qml.Hamiltonian([-1.0] * (2 * n), pairs + [qml.PauliX(q) for q in range(n)])
    gates, left = [qml.Hadamard(q) for q in range(n)], iter(angles)
    for _ in range(layers):
        gates += [qml.RX(next(left), q) for q in range(n)]
        gates += [qml.RZ(next(left), q) for q in range(n)]
        gates += [qml.IsingZZ(next(left), [q, (q + 1) % n]) for q in range(n)]
    tape = qml.tape.QuantumScript(gates, [qml.expval(hamiltonian)])
    settings = device.setup_execution_config(qml.devices.ExecutionConfig(gradient_method="adjoint"))
    (tape,), _ = device.preprocess_transforms(settings)((tape,))
    tape.trainable_params = list(range(len(angles)))

    def run() -> tuple[float, NDArray[np.float64]]:
        energies, gradients = device.execute_and_compute_derivatives([tape], settings)
        return float(np.ravel(energies)[0]), np.ravel(gradients[0])

    return run


def has_peer() -> bool:
    """Return whether the peer can be imported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pennylane

            pennylane.device(PEER, wires=1)
    except Exception:  # not installed, or one that does not fit the others: either way there is no peer
        return False
    return True


def size_row(n: int, peer: bool) -> dict[str, Any]:
    """Return one size: our milliseconds and memory, and the peer's on the same circuit, Hamiltonian and angles."""
    engine = ring_engine(n, LAYERS)
    angles = random_angles(engine.ansatz.n_parameters)
    functions: list[Callable[[], Any]] = [lambda: engine.energy_and_gradient(angles)]
    if peer:
        functions.append(peer_function(n, LAYERS, angles))
    milliseconds = best_milliseconds(*functions)
    row = {
        "case": f"{n} qubits",
        "n_gates": len(angles),
        "threads": engine.threads,
        "milliseconds": milliseconds[0],
        "ns_per_gate_and_amplitude": 1e6 * milliseconds[0] / len(angles) / 2**n,
    }
    if n >= 16:  # below, Python's own objects are not small beside a state
        row["states_in_memory"] = states_in_memory(n)
    if peer:
        (energy, gradient), (peer_energy, peer_gradient) = (function() for function in functions)
        row["peer_milliseconds"] = milliseconds[1]
        row["peer_to_ours"] = milliseconds[1] / milliseconds[0]
        row["difference"] = float(max(abs(energy - peer_energy), np.abs(gradient - peer_gradient).max()))
    return row


def batch_row() -> dict[str, Any]:
    """Return 64 parameter sets of a small circuit at once, beside 64 calls."""
    engine = ring_engine(6, 12)
    sets = random_angles(64, engine.ansatz.n_parameters)
    together, single = best_milliseconds(
        lambda: engine.energies_and_gradients(sets), lambda: [engine.energy_and_gradient(row) for row in sets]
    )
    return {
        "case": "6 qubits, 64 sets",
        "n_gates": engine.ansatz.n_parameters,
        "threads": engine.threads,
        "milliseconds": together,
        "ns_per_gate_and_amplitude": 1e6 * together / sets.size / 2**6,
        "single_calls_milliseconds": single,
    }


def main() -> int:
    """Print the table; the status says whether every claim holds."""
    arguments = parse_arguments(__doc__, "--quick")
    peer = has_peer()
    rows = [size_row(n, peer) for n in ((8, 12, 16) if arguments.quick else (8, 12, 16, 20))]
    show([*rows, batch_row()], as_json=arguments.json)
    if not peer:
        print(f"without {PEER} to compare with: pip install pennylane pennylane-lightning", file=sys.stderr)
    missed = [f"{row['case']}, memory" for row in rows if row.get("states_in_memory", 0.0) > STATES]
    missed += [f"{row['case']}, slower than {PEER}" for row in rows if not row.get("peer_to_ours", 1.0) >= 1.0]
    missed += [f"{row['case']}, values" for row in rows if not row.get("difference", 0.0) <= AGREEMENT]  # NaN too
    if missed:
        print(f"short of the claim: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
