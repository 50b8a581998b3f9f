"""What a measurement will run: settings, the circuits of each mitigation, and the shots of all of them.

A plan follows from the encoding and the arguments alone, so it can be made again when outcomes arrive much later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqe_prune.basis_change import Setting
from vqe_prune.circuit import Gate, cancel_neighbours, count_resources
from vqe_prune.encoding import Encoding
from vqe_prune.errors import InputError, near_misses
from vqe_prune.grouping import (
    EXACT_QUBITS,
    FEWEST_SHOTS,
    GatePrice,
    Grouping,
    allocate,
    exact_state,
    settings_of,
    variances_of,
)

SHARES = {"post_selection": 0.0, "readout": 0.3, "reference": 0.5, "clifford": 0.5, "zne": 0.5}
"""Names of the mitigations, and the shots of circuits that each adds, over those of the energy's own circuits."""

MITIGATIONS = tuple(SHARES)

FOLD = 3
"""How often zero-noise extrapolation applies each two-qubit gate."""

GATE_ERROR = 4e-3
"""Probability that a two-qubit gate errs on a processor of today: the median of willow_pink's calibration is 3.4e-3."""

REFERENCE_ANGLE = 2e-2
"""Radian; angles of a reference circuit. At zero a compiler would remove the very gates whose error is measured, and at
1e-3 it still took 4 two-qubit gates for 9: it prepares what is nearly a product state without any."""


@dataclass(frozen=True, eq=False, kw_only=True)
class KnownCircuit:
    """The measured circuit at other angles, where its energy is known.

    Attributes:
        encoding: The circuit.
        energy: Without noise.
        variances: Of one shot of each setting on it; shape (n_settings,).

    """

    encoding: Encoding
    energy: float
    variances: NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class MeasurementPlan:
    """All circuits that a measurement runs.

    Attributes:
        encoding: Whose energy is measured.
        known: Circuits of known energy by the mitigation that uses them: one of ``reference``, those of ``clifford``.
        grouping: Settings with their predicted variances.
        setting_shots: Shots of each setting of the energy itself; shape (n_settings,).
        mitigation: Names out of `MITIGATIONS`.
        circuits: By fold, the circuits in the order: settings, those of each known circuit, all zeros, all
            ones.
        shots: By fold, the shots of each.

    """

    encoding: Encoding
    known: Mapping[str, tuple[KnownCircuit, ...]]
    grouping: Grouping
    setting_shots: NDArray[np.int64]
    mitigation: tuple[str, ...]
    circuits: dict[int, tuple[tuple[Gate, ...], ...]]
    shots: dict[int, tuple[int, ...]]

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings."""
        return self.grouping.settings

    @property
    def total_shots(self) -> int:
        """Shots of all circuits."""
        return sum(sum(shots) for shots in self.shots.values())

    @property
    def predicted_error(self) -> float:
        """Standard error of the raw energy without noise."""
        return math.sqrt(float((self.grouping.variances / np.maximum(self.setting_shots, 1)).sum()))


def available_mitigations(
    encoding: Encoding, *, reference: Encoding | None = None, training: Sequence[Encoding] = ()
) -> tuple[str, ...]:
    """Return the mitigations that can have an effect on an encoding.

    Args:
        encoding: Whose energy is measured.
        reference: The same circuit at other angles, where there is one.
        training: The same circuit at Clifford points, where there are any.

    """
    if not encoding.hamiltonian.terms:
        return ()
    state = exact_state(encoding.gates, encoding.n_qubits)
    usable = {
        "post_selection": any(
            setting.n_checks
            for setting in settings_of(
                encoding.hamiltonian, encoding.conserved, state=state, keep_conserved=True
            ).settings
        ),
        "readout": True,
        "reference": reference is not None and encoding.n_qubits <= EXACT_QUBITS,
        "clifford": len(training) > 1 and encoding.n_qubits <= EXACT_QUBITS,
        "zne": any(len(gate.qubits) == 2 for gate in encoding.gates),
    }
    return tuple(name for name in MITIGATIONS if usable[name])


def plan_measurement(
    encoding: Encoding,
    *,
    shots: int,
    mitigation: Sequence[str] = (),
    reference: Encoding | None = None,
    training: Sequence[Encoding] = (),
    gate_error: float = 0.0,
    entangle: bool = True,
) -> MeasurementPlan:
    """Choose settings and share out the shots.

    Args:
        encoding: Whose energy is measured.
        shots: Of all circuits together, those that mitigation adds included (`SHARES`).
        mitigation: Any of `MITIGATIONS`. With ``post_selection`` settings that keep the conserved numbers go first.
        reference: For ``reference``: the same circuit at other angles, such as `encode` with all angles at
            `REFERENCE_ANGLE`.
        training: For ``clifford``: the same circuit at several other angles, from `clifford_points`.
        gate_error: Probability that a two-qubit gate errs where circuits will run, default 0: settings that need many
            of them are then worth their fewer shots less, see `settings_of`.
        entangle: False leaves two-qubit gates out of the settings: all circuits then begin alike.

    Returns:
        Every circuit with its shots.

    Raises:
        InputError: A mitigation is unknown, given twice or can have no effect, or there are too few shots.

    """
    for name in mitigation:
        if name not in MITIGATIONS:
            raise InputError(f"unknown mitigation={name!r}{near_misses(name, MITIGATIONS)}")
    if len(set(mitigation)) < len(mitigation):
        raise InputError(f"mitigation={','.join(mitigation)} names one twice; give each once")
    mitigation = tuple(name for name in MITIGATIONS if name in mitigation)
    state = exact_state(encoding.gates, encoding.n_qubits)
    keep = "post_selection" in mitigation
    price = _price(encoding, shots, gate_error)
    grouping = settings_of(
        encoding.hamiltonian, encoding.conserved, state=state, keep_conserved=keep, price=price, entangle=entangle
    )
    others = {"reference": () if reference is None else (reference,), "clifford": tuple(training)}
    _check_effects(encoding, grouping, mitigation, others)
    parts = _share(shots, mitigation, len(grouping.settings), len(others["clifford"]))
    known = {name: tuple(_known(encoding, grouping, each) for each in own) for name, own in others.items()}
    setting_shots = allocate(grouping.variances, parts["energy"])
    circuits: dict[int, tuple[tuple[Gate, ...], ...]] = {}
    counts: dict[int, tuple[int, ...]] = {}
    for name, n in parts.items():
        if name == "readout":
            continue
        fold = FOLD if name == "zne" else 1
        measured = [each.encoding for each in known[name]] if name in known else [encoding]
        for k, each in enumerate(measured):
            share = n // len(measured) + (k < n % len(measured))
            circuits[fold] = (*circuits.get(fold, ()), *_measured(each.gates, grouping.settings))
            counts[fold] = (*counts.get(fold, ()), *map(int, allocate(grouping.variances, share)))
    if "readout" in parts:
        ones = tuple(Gate("x", (q,)) for q in range(encoding.n_qubits))
        circuits[1] += ((), ones)
        counts[1] += (parts["readout"] - parts["readout"] // 2, parts["readout"] // 2)
    return MeasurementPlan(
        encoding=encoding,
        known=known,
        grouping=grouping,
        setting_shots=setting_shots,
        mitigation=mitigation,
        circuits=circuits,
        shots=counts,
    )


def _price(encoding: Encoding, shots: int, gate_error: float) -> GatePrice | None:
    """What gates of settings cost; where nothing errs, nothing."""
    if gate_error == 0.0:
        return None
    return GatePrice(error=gate_error, shots=shots, n_circuit_gates=count_resources(encoding.gates).n_two_qubit_gates)


def _known(encoding: Encoding, grouping: Grouping, other: Encoding) -> KnownCircuit:
    """The energy and the variances of a circuit at other angles, in the settings of the measured one."""
    state = exact_state(other.gates, other.n_qubits)
    assert state is not None  # `_check_effects` saw to it
    energy = float(np.vdot(state, encoding.hamiltonian.apply(state)).real) + encoding.hamiltonian.constant
    variances = variances_of(grouping.settings, encoding.n_qubits, state)
    return KnownCircuit(encoding=other, energy=energy, variances=variances)


def _check_effects(
    encoding: Encoding, grouping: Grouping, mitigation: Sequence[str], others: Mapping[str, Sequence[Encoding]]
) -> None:
    """Refuse what would change nothing."""
    if mitigation and not grouping.settings:
        raise InputError(
            f"mitigation={','.join(mitigation)} has no effect: this Hamiltonian is a constant; leave it out"
        )
    if "post_selection" in mitigation and not any(setting.n_checks for setting in grouping.settings):
        raise InputError("mitigation=post_selection has no effect: no setting keeps what is conserved; leave it out")
    if "zne" in mitigation and not any(len(gate.qubits) == 2 for gate in encoding.gates):
        raise InputError("mitigation=zne has no effect: the circuit has no two-qubit gate; leave it out")
    for name, circuits in others.items():
        argument = {"reference": "reference", "clifford": "training"}[name]
        if (name in mitigation) != bool(circuits):
            missing = f"mitigation={name} needs the argument `{argument}`"
            raise InputError(f"`{argument}` has no effect without mitigation={name}" if circuits else missing)
        for each in circuits:
            if each.wires != encoding.wires or len(each.gates) != len(encoding.gates):
                raise InputError(f"`{argument}` must be the circuit at other angles, but its wires or gates differ")
        if circuits and encoding.n_qubits > EXACT_QUBITS:
            raise InputError(f"mitigation={name} computes energies on at most {EXACT_QUBITS} qubits; leave it out")
    if len(others["clifford"]) == 1:
        raise InputError("mitigation=clifford needs two circuits or more in `training`; leave it out")
    if {"post_selection", "readout"} <= set(mitigation) and encoding.n_qubits > EXACT_QUBITS:
        raise InputError(
            f"mitigation=post_selection,readout together need at most {EXACT_QUBITS} qubits; leave one of them out"
        )


def _share(shots: int, mitigation: Sequence[str], n_settings: int, n_training: int) -> dict[str, int]:
    """Shots of the energy's own circuits and of those that each mitigation adds; they add up to all of them."""
    if n_settings == 0:
        return {"energy": 0}
    weights = {"energy": 1.0} | {name: SHARES[name] for name in mitigation if SHARES[name] > 0.0}
    whole = sum(weights.values())
    parts = {name: int(shots * weight / whole) for name, weight in weights.items()}
    parts["energy"] += shots - sum(parts.values())
    for name, n in parts.items():
        least = FEWEST_SHOTS * {"readout": 2, "clifford": n_settings * n_training}.get(name, n_settings)
        if n < least:
            most = max(FEWEST_SHOTS * n_settings * max(n_training, 1), 4)
            enough = math.ceil(most * whole / min(weights.values()))
            raise InputError(f"shots={shots} is too few for {n_settings} settings and {name}; try shots={enough}")
    return parts


def _measured(gates: Sequence[Gate], settings: Sequence[Setting]) -> Iterator[tuple[Gate, ...]]:
    for setting in settings:
        yield tuple(cancel_neighbours([*gates, *setting.gates]))
