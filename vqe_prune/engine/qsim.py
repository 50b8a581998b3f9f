"""A circuit on qsim, Google's simulator: the second opinion on every published energy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vqe_prune.circuit import Gate, to_cirq
from vqe_prune.engine.determinants import Sector, SectorHamiltonian, interleaving_signs
from vqe_prune.paulis import QubitHamiltonian


def sector_state(
    gates: Sequence[Gate], sector: Sector, reference_occupied: Sequence[int]
) -> tuple[NDArray[np.complex128], float]:
    """Simulate a circuit and return its amplitudes on a sector's determinants.

    qsim computes in single precision and does not normalise, so amplitudes are cast to double and normalised here;
    they are good to about 1e-6. Qubits that no gate but X touches are not simulated: they keep their occupation.

    Args:
        gates: A circuit made by `vqe_prune.circuit.ansatz_gates`.
        sector: The determinants.
        reference_occupied: Spin orbitals that the reference fills.

    Returns:
        The state, shape sector.shape, comparable with `SectorEngine.state` from the same reference, and the weight
        outside the sector.

    Raises:
        ValueError: The reference has other numbers of electrons than the sector.

    """
    reference = _reference_index(sector, reference_occupied)
    touched = sorted({qubit for gate in gates if gate.name != "x" for qubit in gate.qubits})
    position = {qubit: k for k, qubit in enumerate(touched)}
    active = [
        gate._replace(qubits=tuple(position[qubit] for qubit in gate.qubits))
        for gate in gates
        if gate.qubits[0] in position
    ]
    amplitudes = _simulate(active, len(touched))
    weight = float(np.vdot(amplitudes, amplitudes).real)
    state = amplitudes[_addresses(sector, position)] * _quiet_match(sector, position, set(reference_occupied))
    inside = float(np.vdot(state, state).real)
    signs = interleaving_signs(sector)
    signs *= signs[reference]  # positive on the reference, as the engine's states are
    return state * signs / np.sqrt(inside), max(0.0, 1.0 - inside / weight)


def qsim_energy(
    gates: Sequence[Gate], hamiltonian: SectorHamiltonian, reference_occupied: Sequence[int]
) -> tuple[float, float]:
    """Return <H> in hartree of a circuit's state by qsim, and the weight of that state outside the sector.

    Args:
        gates: A circuit made by `vqe_prune.circuit.ansatz_gates`.
        hamiltonian: H on the sector.
        reference_occupied: Spin orbitals that the reference fills.

    Raises:
        ValueError: The reference has other numbers of electrons than the sector.

    """
    state, leaked = sector_state(gates, hamiltonian.sector, reference_occupied)
    parts = [np.ascontiguousarray(part) for part in (state.real, state.imag)]
    energy = sum(float(np.vdot(part, hamiltonian.apply(part))) for part in parts)
    return energy + hamiltonian.constant, leaked


def qsim_qubit_energy(gates: Sequence[Gate], hamiltonian: QubitHamiltonian) -> float:
    """Return <H> of a circuit's state by qsim, in the Hamiltonian's unit; the state is normalised in double precision.

    Args:
        gates: A circuit made by `vqe_prune.circuit.qubit_gates`, on all qubits of the Hamiltonian.
        hamiltonian: The Hamiltonian.

    """
    state = _simulate(gates, hamiltonian.n_qubits)
    state /= np.linalg.norm(state)
    return float(np.vdot(state, hamiltonian.apply(state)).real) + hamiltonian.constant


def _reference_index(sector: Sector, occupied: Sequence[int]) -> tuple[int, int]:
    """Alpha and beta string index of the reference determinant."""
    filled = [[p for p in range(sector.n_orbitals) if 2 * p + spin in occupied] for spin in (0, 1)]
    if [len(orbitals) for orbitals in filled] != [sector.n_alpha, sector.n_beta]:
        raise ValueError(
            f"Argument `reference_occupied` must fill {sector.n_alpha} alpha (even) and {sector.n_beta} beta (odd) "
            f"spin orbitals like the sector, but it is {tuple(occupied)}"
        )
    masks = [sum(1 << orbital for orbital in orbitals) for orbitals in filled]
    return int(np.searchsorted(sector.alpha_strings, masks[0])), int(np.searchsorted(sector.beta_strings, masks[1]))


def _simulate(gates: Sequence[Gate], n_qubits: int) -> NDArray[np.complex128]:
    if n_qubits == 0:
        return np.ones(1, dtype=np.complex128)
    import cirq
    import qsimcirq

    order = cirq.LineQubit.range(n_qubits)
    amplitudes = qsimcirq.QSimSimulator().simulate_into_1d_array(to_cirq(gates), qubit_order=order)[1]
    return np.asarray(amplitudes, dtype=np.complex128)


def _addresses(sector: Sector, position: dict[int, int]) -> NDArray[np.int64]:
    """Index of each determinant's amplitude among the simulated qubits; shape sector.shape."""
    spins = []
    for spin, strings in enumerate((sector.alpha_strings, sector.beta_strings)):
        address = np.zeros(len(strings), dtype=np.int64)
        for orbital in range(sector.n_orbitals):
            place = position.get(2 * orbital + spin)
            if place is not None:
                address |= ((strings >> orbital) & 1) << (len(position) - 1 - place)  # qubit 0 is most significant
        spins.append(address)
    return spins[0][:, None] | spins[1][None, :]


def _quiet_match(sector: Sector, position: dict[int, int], occupied: set[int]) -> NDArray[np.float64]:
    """One for determinants whose other qubits have the reference's occupation, zero elsewhere; shape sector.shape."""
    spins = []
    for spin, strings in enumerate((sector.alpha_strings, sector.beta_strings)):
        match = np.ones(len(strings), dtype=bool)
        for orbital in range(sector.n_orbitals):
            if 2 * orbital + spin not in position:
                match &= ((strings >> orbital) & 1) == (2 * orbital + spin in occupied)
        spins.append(match)
    return (spins[0][:, None] & spins[1][None, :]).astype(np.float64)
