"""Twirling: the same circuit in several random frames, so that errors that always turn the same way average out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import cirq

SHOTS_PER_TWIRL = 1_000
"""Of circuits with few shots fewer frames are made: each is another circuit to load."""

FEWEST_TWIRLS = 4
"""But not fewer: the spread between frames enters the error bar."""


def split_shots(shots: int, twirls: int) -> tuple[int, ...]:
    """Share the shots of a circuit among random frames.

    Args:
        shots: Of the circuit.
        twirls: Frames at most; 0 or 1 leave it as it is.

    Returns:
        Shots of each frame, equal to within one.

    """
    n = min(twirls, shots, max(FEWEST_TWIRLS, shots // SHOTS_PER_TWIRL))
    if n < 2:
        return (shots,)
    return tuple(shots // n + (k < shots % n) for k in range(n))


def can_twirl(circuit: cirq.AbstractCircuit) -> bool:
    """Return whether a circuit has two-qubit gates and all of them have frames: CZ or the root of iSWAP."""
    import cirq

    gates = {operation.gate for operation in circuit.all_operations() if cirq.num_qubits(operation) == 2}
    gates -= {gate for gate in gates if cirq.is_measurement(gate)}
    return bool(gates) and gates <= {cirq.CZ, cirq.SQRT_ISWAP, cirq.SQRT_ISWAP_INV}


def twirl_circuit(circuit: cirq.AbstractCircuit, random: np.random.Generator) -> cirq.Circuit:
    """Put random one-qubit gates around every two-qubit gate U so that the circuit does the same: U = V' U V.

    A coherent error of U is then another one in every frame, and the mean over frames is a channel without
    preferred direction. For CZ the frames are the 16 pairs of Pauli operators (Pauli twirling), for the root of iSWAP
    and its inverse equal rotations about Z, or about an axis in the plane of X and Y, of both qubits. Two-qubit gates
    stay as they are, the others have to be merged afterwards.

    Args:
        circuit: For which `can_twirl` holds.
        random: Chooses the frames.

    Reference: J. J. Wallman, J. Emerson, Noise tailoring for scalable quantum computation via randomized compiling,
        arXiv 1512.01098; the frames are those of `cirq.transformers.gauge_compiling`.

    """
    import cirq
    from cirq.transformers.gauge_compiling.gauge_compiling import SameGateGauge
    from cirq.transformers.gauge_compiling.sqrt_iswap_gauge import SqrtISWAPGaugeSelector

    def frame(generator: np.random.Generator) -> SameGateGauge:
        """A frame of the root of iSWAP, which is one of its inverse too; cirq's would put the root in its place."""
        of_root = SqrtISWAPGaugeSelector(generator).sample(cirq.SQRT_ISWAP, generator)
        (before, other), (after, last) = of_root.pre, of_root.post
        return SameGateGauge(pre_q0=before, pre_q1=other, post_q0=after, post_q1=last)

    transformers = [cirq.transformers.CZGaugeTransformer]
    transformers += [
        cirq.transformers.GaugeTransformer(target=root, gauge_selector=frame)
        for root in (cirq.SQRT_ISWAP, cirq.SQRT_ISWAP_INV)
    ]
    for transform in transformers:
        circuit = transform(circuit, prng=random)
    return cirq.Circuit(circuit)
