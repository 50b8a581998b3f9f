"""vqe_prune: ground states with the smallest ansätze that can be run.

Public names are loaded when they are first used, so that importing the package imports none of PySCF, OpenFermion and
Cirq.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
    from vqe_prune.ansatz.ucc import uccsd
    from vqe_prune.chemistry import Molecule
    from vqe_prune.circuit import ansatz_gates, count_resources, to_cirq
    from vqe_prune.config import parse_settings
    from vqe_prune.electrons import Electrons
    from vqe_prune.errors import ConvergenceError, InputError
    from vqe_prune.objective import EnergyObjective, Objective, sector_hamiltonian
    from vqe_prune.optimize import Optimum, minimize
    from vqe_prune.problem import (
        Problem,
        molecular_problem,
        problem_from_fcidump,
        problem_from_integrals,
        qubit_hamiltonian,
        taper,
    )
    from vqe_prune.prune.plan import PrunePlan, apply_plan
    from vqe_prune.prune.pruning import Limits, Pruning, prune_ansatz
    from vqe_prune.report import Record, read_record
    from vqe_prune.study import run

_HOMES = {
    "Ansatz": "ansatz.rotation",
    "ConvergenceError": "errors",
    "Electrons": "electrons",
    "EnergyObjective": "objective",
    "Excitation": "ansatz.rotation",
    "InputError": "errors",
    "Limits": "prune.pruning",
    "Molecule": "chemistry",
    "Objective": "objective",
    "Optimum": "optimize",
    "Problem": "problem",
    "PrunePlan": "prune.plan",
    "Pruning": "prune.pruning",
    "Record": "report",
    "Rotation": "ansatz.rotation",
    "ansatz_gates": "circuit",
    "apply_plan": "prune.plan",
    "count_resources": "circuit",
    "minimize": "optimize",
    "molecular_problem": "problem",
    "parse_settings": "config",
    "problem_from_fcidump": "problem",
    "problem_from_integrals": "problem",
    "prune_ansatz": "prune.pruning",
    "qubit_hamiltonian": "problem",
    "read_record": "report",
    "run": "study",
    "sector_hamiltonian": "objective",
    "taper": "problem",
    "to_cirq": "circuit",
    "uccsd": "ansatz.ucc",
}

__all__ = sorted(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vqe_prune' has no attribute {name!r}")
    return getattr(import_module(f"vqe_prune.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
