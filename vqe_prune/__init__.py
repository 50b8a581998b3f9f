"""vqe_prune: ground states with the smallest ansätze that can be run.

Public names are loaded when they are first used, so that importing the package imports none of PySCF, OpenFermion and
Cirq.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vqe_prune.adapt import Growth, PrunedAdapt, fermionic_pool, grow, pauli_pool, qubit_pool
    from vqe_prune.alignment import align_problems
    from vqe_prune.ansatz.fabric import qnp_fabric, tups
    from vqe_prune.ansatz.imported import ansatz_from_cirq, read_ansatz
    from vqe_prune.ansatz.layered import hamiltonian_variational, hardware_efficient, qaoa
    from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
    from vqe_prune.ansatz.ucc import kupccgsd, puccd, uccd, uccgsd, uccsd
    from vqe_prune.automorphism import permutation_symmetries
    from vqe_prune.chemistry import Molecule
    from vqe_prune.circuit import ansatz_gates, count_resources, qubit_gates, to_cirq
    from vqe_prune.config import parse_settings
    from vqe_prune.deflation import Deflation, deflate_states
    from vqe_prune.electrons import Electrons
    from vqe_prune.encoding import Encoding, encode
    from vqe_prune.engine.accelerator import find_gpu
    from vqe_prune.engine.statevector import StatevectorEngine
    from vqe_prune.errors import ConvergenceError, InputError
    from vqe_prune.excitation_lists import ansatz_from_pennylane, ansatz_from_qiskit, ansatz_from_tencirchem
    from vqe_prune.fcidump import fcidump_text
    from vqe_prune.forces import nuclear_gradient
    from vqe_prune.geometry import GeometryOptimisation, optimise_geometry
    from vqe_prune.hardware import DeviceRunner, open_processor
    from vqe_prune.lattice import Lattice, build_lattice, chain, lattice_from_bonds, lattice_from_graph, ring
    from vqe_prune.measure import Measurement, measure_energy, sampler_runner
    from vqe_prune.models import SpinModel, fermi_hubbard, heisenberg, j1j2, read_pauli_sum, transverse_field_ising, xxz
    from vqe_prune.noisy_energy import critical_noise_scales, noisy_energies
    from vqe_prune.objective import EnergyObjective, Objective, QubitEnergyObjective, sector_hamiltonian
    from vqe_prune.observables import Observables, Properties, density_matrices, observe, properties_of
    from vqe_prune.openfermion_operators import ansatz_from_openfermion, problem_from_openfermion
    from vqe_prune.optimize import Optimum, minimize
    from vqe_prune.other_states import state_problem
    from vqe_prune.paulis import Clifford, PauliSum, QubitHamiltonian, qubit_hamiltonian_of
    from vqe_prune.problem import (
        Problem,
        molecular_problem,
        problem_from_fcidump,
        problem_from_integrals,
        qubit_hamiltonian,
        taper,
    )
    from vqe_prune.prune.eqntk import symmetric_passes
    from vqe_prune.prune.family import FamilyPruning, needed_parameters, prune_family
    from vqe_prune.prune.lie import lie_merge
    from vqe_prune.prune.lie_options import LieOptions
    from vqe_prune.prune.limits import Limits
    from vqe_prune.prune.plan import Action, Decision, PrunePlan, apply_plan
    from vqe_prune.prune.pruning import Pruning, prune_ansatz
    from vqe_prune.prune.rule import DeletionRule, Rule
    from vqe_prune.qubit_problem import QubitProblem, model_problem, molecular_qubit_problem, pauli_problem
    from vqe_prune.report import Record, read_record
    from vqe_prune.score.summary import AnsatzScores, score_ansatz
    from vqe_prune.spectrum import ElectronicState, Spectrum
    from vqe_prune.starts import starting_angles
    from vqe_prune.study import run
    from vqe_prune.subspace import expand_states
    from vqe_prune.symmetry import HamiltonianSymmetries, hamiltonian_symmetries
    from vqe_prune.training import Training, TrainingStudy, train

_HOMES = {
    "Action": "prune.plan",
    "Ansatz": "ansatz.rotation",
    "AnsatzScores": "score.summary",
    "Clifford": "paulis",
    "ConvergenceError": "errors",
    "Decision": "prune.plan",
    "Deflation": "deflation",
    "DeletionRule": "prune.rule",
    "DeviceRunner": "hardware",
    "ElectronicState": "spectrum",
    "Electrons": "electrons",
    "Encoding": "encoding",
    "EnergyObjective": "objective",
    "Excitation": "ansatz.rotation",
    "FamilyPruning": "prune.family",
    "GeometryOptimisation": "geometry",
    "Growth": "adapt",
    "HamiltonianSymmetries": "symmetry",
    "InputError": "errors",
    "Lattice": "lattice",
    "LieOptions": "prune.lie_options",
    "Limits": "prune.limits",
    "Measurement": "measure",
    "Molecule": "chemistry",
    "Objective": "objective",
    "Observables": "observables",
    "Optimum": "optimize",
    "PauliSum": "paulis",
    "Problem": "problem",
    "Properties": "observables",
    "PrunePlan": "prune.plan",
    "PrunedAdapt": "adapt",
    "Pruning": "prune.pruning",
    "QubitEnergyObjective": "objective",
    "QubitHamiltonian": "paulis",
    "QubitProblem": "qubit_problem",
    "Record": "report",
    "Rotation": "ansatz.rotation",
    "Rule": "prune.rule",
    "Spectrum": "spectrum",
    "SpinModel": "models",
    "StatevectorEngine": "engine.statevector",
    "Training": "training",
    "TrainingStudy": "training",
    "align_problems": "alignment",
    "ansatz_from_cirq": "ansatz.imported",
    "ansatz_from_openfermion": "openfermion_operators",
    "ansatz_from_pennylane": "excitation_lists",
    "ansatz_from_qiskit": "excitation_lists",
    "ansatz_from_tencirchem": "excitation_lists",
    "ansatz_gates": "circuit",
    "apply_plan": "prune.plan",
    "build_lattice": "lattice",
    "chain": "lattice",
    "count_resources": "circuit",
    "critical_noise_scales": "noisy_energy",
    "deflate_states": "deflation",
    "density_matrices": "observables",
    "encode": "encoding",
    "expand_states": "subspace",
    "fcidump_text": "fcidump",
    "fermi_hubbard": "models",
    "fermionic_pool": "adapt",
    "find_gpu": "engine.accelerator",
    "grow": "adapt",
    "hamiltonian_symmetries": "symmetry",
    "hamiltonian_variational": "ansatz.layered",
    "hardware_efficient": "ansatz.layered",
    "heisenberg": "models",
    "j1j2": "models",
    "kupccgsd": "ansatz.ucc",
    "lattice_from_bonds": "lattice",
    "lattice_from_graph": "lattice",
    "lie_merge": "prune.lie",
    "measure_energy": "measure",
    "minimize": "optimize",
    "model_problem": "qubit_problem",
    "molecular_problem": "problem",
    "molecular_qubit_problem": "qubit_problem",
    "parse_settings": "config",
    "needed_parameters": "prune.family",
    "noisy_energies": "noisy_energy",
    "nuclear_gradient": "forces",
    "observe": "observables",
    "open_processor": "hardware",
    "optimise_geometry": "geometry",
    "pauli_pool": "adapt",
    "pauli_problem": "qubit_problem",
    "permutation_symmetries": "automorphism",
    "problem_from_fcidump": "problem",
    "problem_from_integrals": "problem",
    "problem_from_openfermion": "openfermion_operators",
    "prune_ansatz": "prune.pruning",
    "prune_family": "prune.family",
    "properties_of": "observables",
    "puccd": "ansatz.ucc",
    "qaoa": "ansatz.layered",
    "qnp_fabric": "ansatz.fabric",
    "qubit_gates": "circuit",
    "qubit_hamiltonian": "problem",
    "qubit_hamiltonian_of": "paulis",
    "qubit_pool": "adapt",
    "read_ansatz": "ansatz.imported",
    "read_pauli_sum": "models",
    "read_record": "report",
    "ring": "lattice",
    "run": "study",
    "sampler_runner": "measure",
    "score_ansatz": "score.summary",
    "sector_hamiltonian": "objective",
    "starting_angles": "starts",
    "state_problem": "other_states",
    "symmetric_passes": "prune.eqntk",
    "taper": "problem",
    "to_cirq": "circuit",
    "train": "training",
    "transverse_field_ising": "models",
    "tups": "ansatz.fabric",
    "uccd": "ansatz.ucc",
    "uccgsd": "ansatz.ucc",
    "uccsd": "ansatz.ucc",
    "xxz": "models",
}

__all__ = sorted(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vqe_prune' has no attribute {name!r}")
    return getattr(import_module(f"vqe_prune.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
