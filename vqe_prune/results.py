"""From a pruning to what is printed and written: rows of the record, gates of the pictures, files of the folder."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vqe_prune import config, report
from vqe_prune.ansatz.rotation import Excitation, Generator
from vqe_prune.circuit import Gate, count_resources, problem_gates, write_circuit
from vqe_prune.encoding import Encoding, encode
from vqe_prune.fcidump import fcidump_text
from vqe_prune.objective import energy_of, sector_hamiltonian
from vqe_prune.observables import density_matrices, observables_of, properties_of
from vqe_prune.optimize import StopReason
from vqe_prune.paulis import Clifford
from vqe_prune.problem import Problem
from vqe_prune.prune.limits import Limits, choose, reference_energy
from vqe_prune.prune.pruning import Pruning
from vqe_prune.prune.steps import Stage
from vqe_prune.qubit_problem import QubitProblem
from vqe_prune.report import DrawnGate, Record
from vqe_prune.run_folder import Trace, write_atomically
from vqe_prune.settings import Settings, digest

QSIM_AGREEMENT = 1e-5
"""Largest difference (hartree or J) between qsim, in single precision, and the exact engine that is not an error."""

QSIM_QUBITS = 28
"""Largest circuit that is checked on qsim: 2 GiB of single-precision amplitudes."""

QSIM_WORK = 5e10
"""Most two-qubit gates times amplitudes that are checked on qsim: some 20 seconds on two cores."""

MOST_DETERMINANTS = 100_000
"""Largest sector whose two-electron density matrix is written: half a second; Python computes it for any."""

PACKAGES = ("vqe-prune", "pyscf", "numpy", "scipy", "numba", "openfermion", "cirq-core", "cirq-google", "qsimcirq")

AnyProblem = Problem | QubitProblem


class StageCircuit(NamedTuple):
    """The circuit of a stage.

    Attributes:
        gates: Its gates.
        encoding: What each qubit holds; None for a problem of qubits, where qubit k is qubit k.
        spread: Whether the gates are on qubit k for spin orbital k, those without a gate included.

    """

    gates: list[Gate]
    encoding: Encoding | None = None
    spread: bool = False


def circuit_of(problem: AnyProblem, stage: Stage, encoding: str = "auto") -> StageCircuit:
    """Return the circuit of a stage, of electrons in the encoding asked for.

    Args:
        problem: What was solved, in the orbitals of the stage.
        stage: The ansatz and its angles.
        encoding: One of `vqe_prune.encoding.ENCODINGS`.

    """
    if isinstance(problem, Problem):
        found = encode(problem, stage.ansatz, stage.optimum.angles, encoding)
        if found.name == "jordan_wigner":  # as the exact engine counts them, which qsim is compared with
            return StageCircuit(found.on_spin_orbitals(), found, spread=True)
        return StageCircuit(list(found.gates), found)
    return StageCircuit(problem_gates(problem, stage.ansatz, stage.optimum.angles))


def stage_row(problem: AnyProblem, stage: Stage, encoding: str = "auto") -> dict[str, Any]:
    """Return a stage as the record holds it."""
    circuit = circuit_of(problem, stage, encoding)
    resources = count_resources(circuit.gates)
    exact = problem.energies["exact"]
    state = energy_of(problem)(stage.ansatz).engine.state(stage.optimum.angles)
    row: dict[str, Any] = {
        "name": stage.name,
        "n_parameters": stage.ansatz.n_parameters,
        "n_rotations": len(stage.ansatz.rotations),
        "n_two_qubit_gates": resources.n_two_qubit_gates,
        "depth": resources.depth,
        "n_qubits": resources.n_qubits,
        "energy": stage.optimum.value,
        "error_to_exact": None if exact is None else stage.optimum.value - exact,
        **observables_of(problem, state).as_row(),
        "converged": stage.optimum.reason is not StopReason.STEPS,
    }
    if isinstance(problem, Problem):
        row["properties"] = properties_of(problem, state, stage.orbitals).as_row()
    if circuit.encoding is not None:
        row["encoding"] = circuit.encoding.name
        row["wires"] = " ".join(circuit.encoding.wires)
    if stage.scores is not None:
        row["scores"] = dict(stage.scores)
    if stage.orbitals is not None:
        row["orbitals"] = stage.orbitals.tolist()
    if stage.training is not None:
        row["training"] = dict(stage.training)
    return row


def plan_rows(pruning: Pruning) -> list[dict[str, Any]]:
    """Return what happened to each rotation, as the record holds it."""
    rotations = pruning.stages[0].ansatz.rotations
    return [
        {
            "rotation": rotation.generator.label,
            "decision": decision.action.value,
            "score": decision.score,
            "reason": decision.reason,
        }
        for rotation, decision in zip(rotations, pruning.plan.decisions, strict=True)
    ]


def certificate_row(pruning: Pruning) -> dict[str, Any]:
    """Return what pruning cost, as the record holds it; ``merge`` is the certificate of the rule ``lie``."""
    row = asdict(pruning.certificate)
    if any(stage.optimum.reason is StopReason.STEPS for stage in pruning.stages):
        row["predicted_increase"] = None  # curvature predicts from a minimum
    return {**row, "merge": asdict(pruning.merges[-1].certificate)} if pruning.merges else row


def kept_rotations(stage: Stage) -> list[tuple[str, int, float]]:
    """Return label, parameter (-1 for none) and angle (radian) of each rotation that is left."""
    angles = stage.ansatz.rotation_angles(stage.optimum.angles)
    return [
        (rotation.generator.label, -1 if rotation.parameter is None else rotation.parameter, float(angle))
        for rotation, angle in zip(stage.ansatz.rotations, angles, strict=True)
    ]


def drawn_gates(stage: Stage) -> list[DrawnGate]:
    """Return the rotations of a stage as the page draws them."""
    angles = stage.ansatz.rotation_angles(stage.optimum.angles)
    drawn = []
    for rotation, angle in zip(stage.ansatz.rotations, angles, strict=True):
        wires, letters = _wires(rotation.generator)
        drawn.append(DrawnGate(rotation.generator.label, wires, letters, rotation.parameter, float(angle)))
    return drawn


def _wires(generator: Generator) -> tuple[tuple[int, ...], tuple[str, ...]]:
    if isinstance(generator, Excitation):
        letters = ("^",) * len(generator.created) + ("v",) * len(generator.annihilated)
        return generator.created + generator.annihilated, letters
    if isinstance(generator, Clifford):
        return generator.qubits, (generator.name,) * len(generator.qubits)
    on_wire = {
        q: "".join(dict.fromkeys(dict(s)[q] for _, s in generator.terms if q in dict(s))) for q in generator.qubits
    }
    return generator.qubits, tuple(on_wire.values())


def wire_labels(problem: AnyProblem) -> list[str]:
    """Return the name of each wire with what the reference has there."""
    if isinstance(problem, QubitProblem):
        return [f"q{q} |{letter}>" for q, letter in enumerate(problem.reference)]
    filled = set(problem.reference_occupied)
    return [f"{q // 2}{'ab'[q % 2]} {'●' if q in filled else '○'}" for q in range(problem.n_qubits)]


def too_much_for_qsim(n_two_qubit_gates: int, n_qubits: int) -> str:
    """Return why a circuit is not checked on qsim, empty where it is."""
    if n_qubits > QSIM_QUBITS:
        return f"{n_qubits} qubits are more than {QSIM_QUBITS}"
    if n_two_qubit_gates * 2.0**n_qubits > QSIM_WORK:
        return f"{n_two_qubit_gates} two-qubit gates on {n_qubits} qubits would take minutes"
    return ""


def check_on_qsim(
    problem: AnyProblem, stage: Stage, circuit: StageCircuit, n_qubits: int
) -> tuple[dict[str, float | None], str]:
    """Return qsim's energy of the final circuit beside the exact engine's, and a complaint where they disagree."""
    gates = circuit.gates
    left_out = too_much_for_qsim(count_resources(gates).n_two_qubit_gates, n_qubits)
    if left_out:
        return {"energy": None, "difference": None}, f"not checked on qsim: {left_out}"
    from vqe_prune.engine.qsim import qsim_energy, qsim_qubit_energy

    if isinstance(problem, QubitProblem):
        energy, leaked = qsim_qubit_energy(gates, problem.hamiltonian), 0.0
    elif circuit.spread or circuit.encoding is None:
        energy, leaked = qsim_energy(gates, sector_hamiltonian(problem), problem.reference_occupied)
    else:
        energy, leaked = qsim_qubit_energy(gates, circuit.encoding.hamiltonian), 0.0
    difference = energy - stage.optimum.value
    complaint = ""
    scale = max(1.0, 0.1 * problem.hamiltonian.norm_bound) if isinstance(problem, QubitProblem) else 1.0
    if abs(difference) > QSIM_AGREEMENT * scale or leaked > QSIM_AGREEMENT:
        complaint = (
            f"qsim gives {energy:.8f} {problem.unit} for the final circuit, {difference:.1e} from the exact engine, "
            f"with {leaked:.1e} of its weight outside the sector: do not trust this circuit, please report it"
        )
    return {"energy": energy, "difference": difference}, complaint


def problem_row(problem: AnyProblem, settings: Settings) -> dict[str, Any]:
    """Return the problem as the record holds it."""
    known = {"settings": asdict(settings), "digest": digest(settings)}
    if isinstance(problem, QubitProblem):
        numbers = problem.n_electrons
        return {
            "name": problem.name,
            "n_qubits": problem.n_qubits,
            "n_electrons": None if numbers is None else sum(numbers),
            "n_alpha": None if numbers is None else numbers[0],
            "n_beta": None if numbers is None else numbers[1],
            "sector_dimension": problem.sector_dimension,
            "unit": problem.unit,
            "reference": problem.reference,
            "preparation": [gate.label for gate in problem.preparation],
            "degeneracy": problem.degeneracy,
            "floor": problem.floor,
            "symmetries": problem.symmetries.describe(),
            "bonds": None if problem.lattice is None else [list(bond) for bond in problem.lattice.bonds],
            **known,
        }
    electrons, molecule = problem.electrons, problem.molecule
    return {
        "name": problem.name,
        "n_qubits": problem.n_qubits,
        "n_electrons": electrons.n_alpha + electrons.n_beta,
        "sector_dimension": electrons.sector_dimension,
        "n_orbitals": electrons.n_orbitals,
        "n_alpha": electrons.n_alpha,
        "n_beta": electrons.n_beta,
        "unit": problem.unit,
        "group": electrons.group,
        "geometry": None if molecule is None else [[symbol, *position] for symbol, position in molecule.atoms],
        "basis": None if molecule is None else molecule.basis,
        "dipoles": {name: list(moment) for name, moment in problem.dipoles.items()},
        "notes": list(problem.notes),
        "warnings": list(problem.warnings),
        **known,
    }


def versions() -> dict[str, str]:
    """Return the versions of everything that a result depends on."""
    found = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a checkout that is not installed
            found[package] = "not installed"
    return found


def write_results(
    folder: Path, record: Record, pruning: Pruning, gates: list[Gate], trace: Trace, limits: Limits
) -> None:
    """Write angles, circuit and page; the record comes last, so that a folder with a record is complete."""
    final, problem = pruning.final, pruning.problem
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"{stage.name}_angles": stage.optimum.angles for stage in pruning.stages}
    if final.orbitals is not None:
        arrays["orbitals"] = final.orbitals
    arrays["rotations"] = np.array([_as_text(r.generator) for r in final.ansatz.rotations])  # text: no pickle
    arrays["parameters"], arrays["coefficients"] = final.ansatz.parameters, final.ansatz.coefficients
    np.savez(buffer, **arrays)
    write_atomically(folder / "angles.npz", buffer.getvalue())
    write_circuit(gates, folder / "circuit.json", folder / "circuit.qasm")
    if pruning.final_problem.electrons is not None:
        write_atomically(folder / "hamiltonian.fcidump", fcidump_text(pruning.final_problem.electrons))
    if isinstance(pruning.final_problem, Problem):
        _write_densities(folder, pruning.final_problem, final)
    reference = reference_energy(pruning.problem, limits, pruning.stages[0].optimum.value)
    path = [
        {
            "n_parameters": len(point.kept),
            "n_rotations": point.n_rotations,
            "energy": point.value,
            "error": point.value - reference,
            "predicted_increase": point.predicted,
        }
        for point in pruning.path
    ]
    chosen = None
    if pruning.path:
        chosen = pruning.path.index(choose(pruning.path, limits, reference))
    report.write_page(
        folder,
        record,
        steps=[{key: event[key] for key in ("stage", "step", "energy", "error")} for event in trace.find("step")],
        path=path,
        chosen=chosen,
        tolerance=None if limits.parameters is not None else limits.tolerance,
        gates=drawn_gates(final),
        wires=wire_labels(problem),
        command=config.command_line(record.problem["settings"]),
        qubit_gates=[_drawn(gate) for gate in gates],
        qubit_wires=_qubit_wires(record, gates, problem),
        notes=[*(problem.notes if isinstance(problem, Problem) else ()), *pruning.notes],
    )


def _drawn(gate: Gate) -> DrawnGate:
    """A gate of a circuit as the page draws it."""
    label = f"{gate.name} {' '.join(map(str, gate.qubits))}"
    clifford = gate.name in ("cx", "cz", "swap")
    letter = gate.name if clifford else {"sdg": "S†"}.get(gate.name, gate.name.capitalize())
    return DrawnGate(label, gate.qubits, (letter,) * len(gate.qubits), None, gate.angle)


def _qubit_wires(record: Record, gates: list[Gate], problem: AnyProblem) -> list[str]:
    """What each qubit of the final circuit holds."""
    wires = str(record.stages[-1].get("wires", "")).split()
    n_qubits = 1 + max((qubit for gate in gates for qubit in gate.qubits), default=-1)
    if len(wires) >= n_qubits:
        return wires
    return [label.partition(" ")[0] for label in wire_labels(problem)]


def _write_densities(folder: Path, problem: Problem, stage: Stage) -> None:
    """Write the density matrices of a stage in its own orbitals, the two-electron one where it takes no time."""
    small = problem.electrons.sector_dimension <= MOST_DETERMINANTS
    found = density_matrices(problem, stage.ansatz, stage.optimum.angles, two_body=small)
    arrays: dict[str, Any] = {"alpha": found.alpha, "beta": found.beta}
    if found.two_body is not None:
        arrays["two_body"] = found.two_body
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(folder / "density_matrices.npz", buffer.getvalue())


def _as_text(generator: Generator) -> str:
    """A generator as JSON: lists of created and annihilated spin orbitals, of strings, or a fixed gate."""
    if isinstance(generator, Excitation):
        return json.dumps([generator.created, generator.annihilated])
    if isinstance(generator, Clifford):
        return json.dumps({"gate": generator.name, "qubits": generator.qubits})
    return json.dumps({"strings": generator.terms})
