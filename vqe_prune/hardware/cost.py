"""How long a measurement on a virtual processor takes, predicted from gates, qubits and shots.

The constants are seconds of one core of 2.5 GHz, fitted to UCCSD circuits of LiH and to chains of pair rotations on 4
to 16 qubits. The prediction is arithmetic, never a stopwatch: what is measured, and with how many shots, must not
depend on how busy a machine is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vqe_prune.gates import Gate, count_resources
from vqe_prune.hardware.compilation import split_turns
from vqe_prune.hardware.twirling import split_shots

MOST_QUBITS = 12
"""Up to here outcomes have exact probabilities, 134 MB of numbers; above each shot is a trajectory."""

COMPILED = 0.07
"""Seconds of compiling a two-qubit gate, routing on some placements included."""

CIRCUIT = (0.06, 2e-4)
"""Of a circuit that begins like another one, and of each of its two-qubit gates: compiling its end, checks, files."""

NOISY_GATE = (1.5e-3, 3e-9)
"""Of a two-qubit gate with its noise, and of each of the 4^n numbers that it acts on."""

NOISY_END = 2e-3
"""Of the last one-qubit gates of a circuit with their noise."""

FRAMED = 1e-2
"""Of putting a two-qubit gate into a random frame, and of checking and writing it once more."""

TRANSLATED = 6e-3
"""Of handing a two-qubit gate with its noise to qsim."""

TRAJECTORY = (2.5e-5, 3.5e-10)
"""Of a two-qubit gate with its noise in one trajectory, and of each of the 2^n amplitudes."""

PLANNED = (0.2, 5e-3, 4e-3)
"""Of grouping an ansatz's terms and predicting what fits, whether it is measured or not; of each term and each gate."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds of a measurement.

    Attributes:
        fixed: Whatever the number of shots.
        per_shot: Of each shot; 0 up to `MOST_QUBITS` qubits, above which each is a trajectory.

    """

    fixed: float
    per_shot: float

    def seconds(self, shots: int) -> float:
        """Seconds with a number of shots."""
        return self.fixed + shots * self.per_shot


def noise_seconds(circuits: Sequence[Sequence[Gate]], n_qubits: int) -> float:
    """Predict how long the exact probabilities of circuits take under a noise that was not asked for before."""
    heads = {tuple(split_turns(gates)[0]) for gates in circuits}
    coupled = sum(count_resources(head).n_two_qubit_gates for head in heads)
    return coupled * _noisy_gate(n_qubits) + NOISY_END * len(circuits)


def planning_seconds(n_terms: int, n_gates: int) -> float:
    """Predict how long it takes to plan a measurement: terms of the Hamiltonian, gates of the ansatz."""
    return PLANNED[0] + PLANNED[1] * n_terms + PLANNED[2] * n_gates


def _noisy_gate(n_qubits: int) -> float:
    return NOISY_GATE[0] + NOISY_GATE[1] * 4**n_qubits


def predict_cost(
    circuits: Mapping[int, Sequence[Sequence[Gate]]],
    shots: Mapping[int, Sequence[int]],
    n_qubits: int,
    twirls: int = 0,
) -> Cost:
    """Predict how long circuits take on a virtual processor.

    Args:
        circuits: Gates of each, by fold.
        shots: Of each, by fold; only the number of random frames depends on them.
        n_qubits: Number of qubits n.
        twirls: Random frames of each circuit at most; each is compiled and simulated by itself.

    """
    fixed, gates_of_all, n_circuits = 0.0, 0, 0
    compiled: set[tuple[Gate, ...]] = set()
    noise = _noisy_gate(n_qubits) if n_qubits <= MOST_QUBITS else TRANSLATED
    for fold, same_fold in circuits.items():
        simulated: set[tuple[Gate, ...]] = set()
        for gates, number in zip(same_fold, shots[fold], strict=True):
            head = tuple(split_turns(gates)[0])
            coupled = count_resources(head).n_two_qubit_gates
            frames = len(split_shots(number, twirls)) if coupled else 1
            fixed += CIRCUIT[0] + CIRCUIT[1] * coupled + (0.0 if head in compiled else COMPILED * coupled)
            if frames > 1:
                fixed += frames * fold * coupled * (FRAMED + noise)
            elif head not in simulated or n_qubits > MOST_QUBITS:
                fixed += fold * coupled * noise
            simulated.add(head)
            compiled.add(head)
            gates_of_all, n_circuits = gates_of_all + fold * coupled, n_circuits + 1
    if n_qubits <= MOST_QUBITS:
        return Cost(fixed=fixed, per_shot=0.0)
    per_gate = TRAJECTORY[0] + TRAJECTORY[1] * 2**n_qubits
    return Cost(fixed=fixed, per_shot=per_gate * gates_of_all / max(n_circuits, 1))
