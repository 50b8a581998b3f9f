"""From settings to the problem and the ansatz that they name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vqe_prune import config
from vqe_prune.ansatz.fabric import qnp_fabric, tups
from vqe_prune.ansatz.imported import read_ansatz
from vqe_prune.ansatz.layered import connected_pairs, hamiltonian_variational, hardware_efficient, qaoa
from vqe_prune.ansatz.order import ordered
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.ansatz.ucc import kupccgsd, puccd, uccd, uccgsd, uccsd
from vqe_prune.chemistry import Molecule, solve_mean_field
from vqe_prune.engine.accelerator import find_gpu
from vqe_prune.errors import InputError
from vqe_prune.excitation_settings import USUAL_K, USUAL_ORDERS
from vqe_prune.lattice import Lattice, build_lattice, read_lattice
from vqe_prune.models import MODELS, SpinModel, read_pauli_sum
from vqe_prune.molecule_input import read_geometry
from vqe_prune.molecule_settings import USUAL_THRESHOLD, basis_text
from vqe_prune.problem import Problem, mean_field_problem, problem_from_fcidump
from vqe_prune.qubit_problem import (
    MOST_EXACT_QUBITS,
    QubitProblem,
    model_problem,
    molecular_qubit_problem,
    pauli_problem,
)
from vqe_prune.settings import ModelSettings, MoleculeSettings, Settings

LONG_LANCZOS_QUBITS = 17
"""From here on an exact energy takes long enough to be announced: 20 qubits take some 20 seconds."""

MOST_QUBITS = 24
"""Larger state vectors are not made: an energy and its gradient would need more than a gigabyte and many seconds."""


def open_accelerator(settings: Settings) -> Any:
    """Return the GPU that ``engine=gpu`` asks for, as a JAX device, None for the processor's cores.

    Raises:
        InputError: There is no GPU, or no JAX.

    """
    return find_gpu() if settings.engine == "gpu" else None


def set_up(
    settings: Settings, say: Callable[[str], None], known: Problem | None = None
) -> tuple[Problem | QubitProblem, Ansatz]:
    """Make the problem and the ansatz of a study.

    Args:
        settings: Checked settings.
        say: Told what is being computed, one line.
        known: The problem of electrons where it has been solved already.

    Raises:
        InputError: The input cannot be used.
        ConvergenceError: A calculation does not converge.

    """
    problem: Problem | QubitProblem
    if known is not None:
        return known, build_ansatz(settings, known)
    if settings.model.name is None:
        problem = _of_molecule(settings, say)
        for note in problem.notes:
            say(note)
        if settings.on_qubits:
            return _molecule_on_qubits(settings, problem, say)
        return problem, build_ansatz(settings, problem)
    problem = _model(settings, exact=False)
    ansatz = _ansatz(settings, problem)  # what is wrong with it is said before the long part
    _announce(problem.name, problem.n_qubits, settings.exact, say)
    return _model(settings, exact=settings.exact), ansatz


def _of_molecule(settings: Settings, say: Callable[[str], None]) -> Problem:
    chosen, exact = settings.molecule, settings.exact
    if chosen.fcidump is None:
        say(f"{_label(chosen)}: mean field, reference energies, exact energy ...")
        molecule = read_molecule(chosen)
        mean_field = solve_mean_field(molecule)
        if settings.on_qubits:  # before the exact energy, which is the long part
            _check_qubits(2 * mean_field.electrons.n_orbitals, _label(chosen), "molecule.active_space")
        return mean_field_problem(molecule, mean_field, exact=exact)
    say(f"{_label(chosen)}: reference energies, exact energy ...")
    space, listed = chosen.active_space, chosen.active_orbitals
    read = partial(
        problem_from_fcidump,
        chosen.fcidump,
        spin=chosen.spin,
        active_space=None if space is None else (space[0], space[1]),
        active_orbitals=listed,
        irrep=chosen.irrep,
    )
    if settings.on_qubits:
        _check_qubits(read(exact=False).n_qubits, _label(chosen), "molecule.active_space")
    return replace(read(exact=exact), name=chosen.name)


def _label(chosen: MoleculeSettings) -> str:
    """A molecule and its basis in words."""
    return chosen.name if chosen.fcidump is not None else f"{chosen.name} in {basis_text(chosen.basis)}"


def _molecule_on_qubits(
    settings: Settings, problem: Problem, say: Callable[[str], None]
) -> tuple[QubitProblem, Ansatz]:
    """Put a molecule on qubits; its exact energy is then found there, in the sector of its electrons."""
    name = _label(settings.molecule)
    ansatz = _ansatz(settings, molecular_qubit_problem(problem, exact=False))
    if problem.n_qubits >= LONG_LANCZOS_QUBITS:
        _announce(name, problem.n_qubits, settings.exact, say)
    return molecular_qubit_problem(problem, exact=settings.exact), ansatz


def read_molecule(chosen: MoleculeSettings) -> Molecule:
    """Make the molecule that settings describe."""
    return Molecule(
        name=chosen.name,
        atoms=read_geometry(chosen),
        basis=chosen.basis,
        charge=chosen.charge,
        spin=chosen.spin,
        active_space=tuple(chosen.active_space) if isinstance(chosen.active_space, list) else chosen.active_space,
        frozen_core=chosen.frozen_core,
        ecp=chosen.ecp,
        orbitals=chosen.orbitals or "hf",
        active_orbitals=None if chosen.active_orbitals is None else tuple(chosen.active_orbitals),
        occupation_threshold=chosen.occupation_threshold or USUAL_THRESHOLD,
        irrep=chosen.irrep,
        stability=chosen.stability,
    )


def _model(settings: Settings, exact: bool) -> QubitProblem:
    chosen = settings.model
    assert chosen.name is not None
    if chosen.name not in MODELS:
        hamiltonian = read_pauli_sum(Path(chosen.name))
        _check_qubits(hamiltonian.n_qubits, chosen.name, "a smaller sum")
        return pauli_problem(hamiltonian, reference=chosen.reference, name=Path(chosen.name).stem, exact=exact)
    model = build_model(chosen)
    name = f"{model.name}-{model.lattice.name}"
    _check_qubits(model.hamiltonian.n_qubits, name, "a smaller model.n or model.shape")
    return model_problem(model, reference=chosen.reference, exact=exact)


def build_model(chosen: ModelSettings) -> SpinModel:
    """Make the model on its lattice that settings describe."""
    assert chosen.name is not None
    lattice = _lattice(chosen)
    couplings = {key: getattr(chosen, key) for key in config.MODELS[chosen.name] if key != "electrons"}
    keywords = {key: value for key, value in couplings.items() if value is not None}
    if chosen.electrons is not None:
        keywords["n_electrons"] = (chosen.electrons[0], chosen.electrons[1])
    return MODELS[chosen.name](lattice, **keywords)


def _lattice(chosen: ModelSettings) -> Lattice:
    assert chosen.lattice is not None
    if chosen.lattice not in config.LATTICES:
        return read_lattice(Path(chosen.lattice))
    shape = None if chosen.shape is None else (chosen.shape[0], chosen.shape[1])
    return build_lattice(chosen.lattice, chosen.n, shape, bool(chosen.periodic))


def _check_qubits(n_qubits: int, name: str, remedy: str) -> None:
    if n_qubits > MOST_QUBITS:
        raise InputError(f"{name} needs {n_qubits} qubits, more than the {MOST_QUBITS} of a state vector; try {remedy}")


def _announce(name: str, n_qubits: int, exact: bool, say: Callable[[str], None]) -> None:
    lanczos = exact and LONG_LANCZOS_QUBITS <= n_qubits <= MOST_EXACT_QUBITS
    seconds = 20.0 * 2.0 ** (n_qubits - 20)
    say(f"{name}: symmetries, exact energy{f' by Lanczos, about {seconds:.0f} s' if lanczos else ''} ...")


def _ansatz(settings: Settings, problem: QubitProblem) -> Ansatz:
    chosen = settings.ansatz
    name, layers, n_qubits = chosen.name or "", chosen.layers or 1, problem.n_qubits
    if name == "hva":
        return hamiltonian_variational(
            problem.hamiltonian, layers, problem.reference if not problem.preparation else None
        )
    if name == "qaoa":
        return qaoa(problem.hamiltonian, layers)
    if name != "hardware_efficient":
        ansatz = read_ansatz(name, n_qubits)
        if not ansatz.n_parameters:
            raise InputError(f"{name}: no gate has a parameter: there is nothing to optimise")
        return ansatz
    lattice = problem.lattice
    bonds = lattice.bonds if lattice is not None and lattice.n_sites == n_qubits else None
    pairs = connected_pairs(chosen.connectivity or "circular", n_qubits, bonds)
    return hardware_efficient(
        n_qubits,
        layers,
        blocks=chosen.blocks or (),
        entangler=chosen.entangler or "zz",
        pairs=pairs,
        backwards=set(problem.reference) <= {"+", "-"},  # turning these about X only gives a phase
    )


def build_ansatz(settings: Settings, problem: Problem) -> Ansatz:
    """Make the ansatz of excitations that settings name, for a problem of electrons."""
    chosen, (n_alpha, n_beta), n = settings.ansatz, problem.n_electrons, problem.n_orbitals
    builders = {
        "uccsd": lambda: uccsd(n, n_alpha, n_beta, singlet=chosen.singlet),
        "uccd": lambda: uccd(n, n_alpha, n_beta, singlet=chosen.singlet),
        "puccd": lambda: puccd(n, n_alpha, n_beta),
        "uccgsd": lambda: uccgsd(n),
        "tups": lambda: tups(n, n_alpha, n_beta, chosen.layers or 1),
        "qnp": lambda: qnp_fabric(n, n_alpha, n_beta, chosen.layers or 1),
        "kupccgsd": lambda: kupccgsd(n, chosen.k or USUAL_K, singlet=chosen.singlet),
    }
    name = chosen.name or "uccsd"
    ansatz = builders[name]()
    if not ansatz.rotations:
        raise InputError(
            f"{_label(settings.molecule)} has no excitation: nothing is left to correlate by "
            f"ansatz={name}; try a larger molecule.basis or molecule.active_space"
        )
    usual = (None, USUAL_ORDERS.get(name))
    return ansatz if chosen.order in usual else ordered(ansatz, chosen.order or "", problem.electrons)
