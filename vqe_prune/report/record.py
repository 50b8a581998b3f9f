"""The record of a run: what record.json holds, written whole and read back with care."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vqe_prune.errors import InputError, first_line
from vqe_prune.files import check_ordinary, whole_number
from vqe_prune.run_folder import Trace, write_atomically, write_last
from vqe_prune.units import HARTREE

SCHEMA = 1

LARGEST_RECORD = 64 * 2**20
"""Bytes; a record of 10,000 rotations takes 2 MiB."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "problem": ("name", "n_qubits", "n_electrons", "sector_dimension"),
    "energies": ("hf", "mp2", "ccsd", "exact"),
    "certificate": ("predicted_increase", "measured_increase", "bound"),
    "qsim": ("energy", "difference"),
    "times": ("total",),
}
STAGE_KEYS = (
    "name",
    "n_parameters",
    "n_rotations",
    "n_two_qubit_gates",
    "depth",
    "n_qubits",
    "energy",
    "error_to_exact",
)
OBSERVABLE_KEYS = ("n_electrons_mean", "n_electrons_variance", "spin_z", "spin_z_variance", "spin_squared")
"""Of a stage's state; None where they mean nothing for the problem, absent in older records."""

OPTIONAL_STAGE_KEYS = {
    "scores",
    "training",
    "orbitals",
    "encoding",
    "wires",
    "properties",
    "excited",
    "nuclei",
    "converged",
    *OBSERVABLE_KEYS,
}

MEASUREMENT_KEYS = {
    "stage", "encoding", "n_qubits", "n_two_qubit_gates", "noiseless_energy", "expected_error", "qubits", "estimates",
    "mitigated", "left_out",
}  # fmt: skip
EXCITED_NUMBERS = ("energy", "excitation_energy", "spin_squared", "multiplicity")
EXCITED_COMPARISONS = ("exact_energy", "exact_excitation_energy", "oscillator_strength")
"""Of each excited state; the latter are None where they are not known."""

ITERATION_NUMBERS = ("energy", "error_bar", "noiseless_energy", "shots", "kept")
"""Of each iteration of an optimisation on a processor."""

PLAN_KEYS = ("rotation", "decision", "score", "reason")
SCORE_KEYS = (
    "d_eff",
    "d_eff_whole",
    "lie_dimension",
    "lie_whole",
    "fisher_rank",
    "qntk",
    "qntk_error",
    "haar_eqntk",
    "gradient_variance",
    "fisher_spectrum",
)
"""Any of them may be absent or None; a stage without scores has no ``scores``."""

MERGE_KEYS = (
    "epsilon",
    "n_cells",
    "n_comparisons",
    "n_pairs",
    "widest_merge",
    "left_apart",
    "redundancy_checked",
    "predicted_increase",
    "measured_increase",
    "state_deviation",
    "state_distance",
    "operator_deviation",
    "path_distance",
    "operator_bound",
    "path_bound",
    "state_bound",
    "overlap_bound",
)
"""Of ``certificate.merge``, which only runs with the rule ``lie`` have; there may be more."""

TRAINING_KEYS = ("method", "n_seeds", "threshold", "n_successes", "steps_quartiles", "error_quartiles", "curve")
CURVE_KEYS = ("steps", "low", "median", "high")


@dataclass(frozen=True, eq=False, kw_only=True)
class Record:
    """What record.json holds; energies in the problem's unit, times in seconds, None where a number was not computed.

    Attributes:
        problem: name, n_qubits, n_electrons (None for spins), sector_dimension and more; unit of energies, "hartree"
            where it is absent; symmetries, a list of text lines, where they are known.
        energies: hf, mp2, ccsd, exact, and reference for problems on qubits.
        stages: First the ansatz as built, last the pruned and re-optimised one; keys STAGE_KEYS and OBSERVABLE_KEYS,
            and where there is something to say "scores" (any of SCORE_KEYS; a dimension is a lower bound where its
            "whole" is false), "training" (TRAINING_KEYS; the curve holds error quartiles over seeds at its steps),
            "orbitals" (the matrix of the orbitals that the ansatz acts in where these are not the problem's), for
            electrons "encoding" (its name) and "wires" (what each qubit of the circuit holds, a text) and "properties"
            (its dipole in debye, None where not known, and its natural_occupations); "converged" is false where its
            optimisation stopped at the largest number of steps; the final stage also "excited", the excited states out
            of it with their method, and "nuclei", the geometries with their gradients (hartree per bohr; the first is
            the molecule's own), where they were asked for.
        plan: One entry a rotation of the ansatz as built; keys PLAN_KEYS.
        certificate: predicted_increase (None where a stage did not converge), measured_increase, bound; with the rule
            ``lie`` also merge, a mapping of MERGE_KEYS.
        qsim: energy of the final circuit on qsim, and its difference to the exact engine.
        times: total and its parts.
        versions: Package versions.
        seed: Seed of every random choice.
        schema: Version of this layout.
        device: What was measured on a processor: its name, shots and measurements, and ``optimization`` where angles
            were optimised there (method, stop, shots, angles, iterations, or why it was left out); None, and absent
            from the file, where nothing was.

    """

    problem: Mapping[str, Any]
    energies: Mapping[str, float | None]
    stages: list[dict[str, Any]]
    plan: list[dict[str, Any]]
    certificate: Mapping[str, Any]
    qsim: Mapping[str, float | None]
    times: Mapping[str, float]
    versions: Mapping[str, str]
    seed: int
    schema: int = SCHEMA
    device: Mapping[str, Any] | None = None

    @property
    def unit(self) -> str:
        """Unit of energies."""
        return str(self.problem.get("unit", HARTREE))


def record_text(record: Record) -> str:
    """Return record.json's text; floats keep all their digits."""
    content = asdict(record)
    ordered = {"schema": content.pop("schema"), **content}
    if ordered["device"] is None:
        del ordered["device"]
    return json.dumps(ordered, indent=1, allow_nan=False) + "\n"


def write_record(folder: Path, record: Record, trace: Trace | None = None) -> None:
    """Write record.json into a run's folder, whole or not at all; with its trace, its checksum goes there first."""
    file, text = folder / "record.json", record_text(record)
    if trace is None:
        write_atomically(file, text)
    else:
        write_last(trace, file, text)


def read_record(path: Path) -> Record:
    """Read a record and check its layout.

    Args:
        path: record.json, or the folder that holds it.

    Raises:
        InputError: The file is missing, broken or of another layout.

    """
    file = path / "record.json" if path.is_dir() else path
    return checked_record(read_content(file), file)


def read_content(file: Path) -> Any:
    """Return what the JSON file of a record holds, of whatever kind.

    Raises:
        InputError: The file is missing, broken or too large.

    """
    try:
        check_ordinary(file, str(file))
        if file.stat().st_size > LARGEST_RECORD:
            raise InputError(f"{file}: larger than {LARGEST_RECORD} bytes, not a record")
        return json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse_constant, parse_int=whole_number)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: not a record ({first_line(error)})") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not allowed")


def is_task(content: Any) -> bool:
    """Whether the content of a record is of a task on data, which has a layout of its own."""
    return isinstance(content, dict) and content.get("kind") == "task"


def checked_record(content: Any, file: Path) -> Record:
    """Return the record that a file holds; InputError where its layout is another."""
    names = {entry.name for entry in fields(Record)} - {"device"}
    if is_task(content):
        raise InputError(
            f"{file}: of a task on data, not of a ground state; show prints it, report.html has its tables"
        )
    if not isinstance(content, dict) or set(content) - {"device"} != names:
        raise InputError(f"{file}: not a record, its keys must be {', '.join(sorted(names))}")
    if "device" in content:
        _check_device(content["device"], file)
    if content["schema"] != SCHEMA:
        raise InputError(f"{file}: schema {content['schema']!r}, but this version reads {SCHEMA}")
    for key in ("problem", "energies", "certificate", "qsim", "times", "versions"):
        if not isinstance(content[key], dict):
            raise InputError(f"{file}: {key} must be a mapping")
    for key, required in REQUIRED.items():
        missing = [name for name in required if name not in content[key]]
        if missing:
            raise InputError(f"{file}: {key} lacks {', '.join(missing)}")
    for key in ("energies", "certificate", "qsim", "times"):
        for name, value in content[key].items():
            if (key, name) == ("certificate", "merge"):
                _check_merge(value, file)
            elif not _is_number(value, optional=key != "times"):
                raise InputError(f"{file}: {key}.{name} must be a number")
    _check_rows(content, file)
    if not content["stages"] or not isinstance(content["problem"]["name"], str) or type(content["seed"]) is not int:
        raise InputError(f"{file}: a record needs stages, a problem's name and a whole seed")
    lines = content["problem"].get("symmetries", [])
    dipoles = content["problem"].get("dipoles", {})
    if not isinstance(dipoles, dict) or not all(_is_list_of(d, float) and len(d) == 3 for d in dipoles.values()):
        raise InputError(f"{file}: a problem's dipoles must be lists of three numbers")
    if not isinstance(content["problem"].get("unit", HARTREE), str) or not _is_list_of(lines, str):
        raise InputError(f"{file}: a problem's unit must be a text and its symmetries a list of texts")
    return Record(**content)


def _check_device(device: Any, file: Path) -> None:
    """Check what was measured on a processor."""
    measurements = device.get("measurements") if isinstance(device, dict) else None
    numbers = ("n_qubits", "n_two_qubit_gates", "noiseless_energy")
    fits = (
        isinstance(measurements, list)
        and isinstance(device.get("name"), str)
        and isinstance(device.get("processor"), str | None)
        and all(_is_number(device.get(key), optional=False) for key in ("shots", "noise_scale"))
        and all(
            isinstance(each, dict)
            and set(each) >= MEASUREMENT_KEYS
            and all(_is_number(each[key], optional=False) for key in numbers)
            and _is_number(each["expected_error"], optional=True)
            and _is_list_of(each["qubits"], str)
            and isinstance(each["estimates"], list)
            and all(_is_estimate(estimate) for estimate in each["estimates"])
            and (each["estimates"] or each["left_out"])
            and all(_is_list_of(pair, str) and len(pair) == 2 for pair in each["left_out"])
            for each in measurements
        )
    )
    if fits and "optimization" in device:
        fits = _is_optimization(device["optimization"])
    if not fits:
        raise InputError(f"{file}: device must hold its name, shots, noise_scale and measurements with their estimates")


def _is_estimate(estimate: Any) -> bool:
    return (
        isinstance(estimate, dict)
        and isinstance(estimate.get("name"), str)
        and all(_is_number(estimate.get(key), optional=False) for key in ("energy", "error_bar", "shots", "kept"))
        and _is_number(estimate.get("error_to_exact"), optional=True)
    )


def _is_optimization(found: Any) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("iterations"), list):
        return False
    texts = ("method", "left_out") if found.get("left_out") else ("method", "left_out", "start", "stop")
    numbers = () if found.get("left_out") else ("n_circuits", "shots", "calibration_shots")
    return (
        all(isinstance(found.get(key), str) for key in texts)
        and all(_is_number(found.get(key), optional=False) for key in numbers)
        and (bool(found["left_out"]) or isinstance(found.get("post_selection"), bool))
        and all(
            isinstance(each, dict)
            and all(_is_number(each.get(key), optional=False) for key in ITERATION_NUMBERS)
            and all(_is_list_of(each.get(key), float) for key in ("angles", "gradient", "gradient_bars"))
            for each in found["iterations"]
        )
    )


def _check_merge(merge: Any, file: Path) -> None:
    if not isinstance(merge, dict) or not set(MERGE_KEYS) <= set(merge):
        raise InputError(f"{file}: certificate.merge must have the keys {', '.join(MERGE_KEYS)}")
    for name in MERGE_KEYS:
        value = merge[name]
        if not (isinstance(value, bool) if name == "redundancy_checked" else _is_number(value, optional=False)):
            raise InputError(f"{file}: certificate.merge.{name} must be a number, redundancy_checked true or false")


def _check_rows(content: Mapping[str, Any], file: Path) -> None:
    """Check every stage and every entry of the plan."""
    for key, keys, optional in (("stages", STAGE_KEYS, OPTIONAL_STAGE_KEYS), ("plan", PLAN_KEYS, set())):
        rows = content[key]
        if not isinstance(rows, list) or any(
            not isinstance(row, dict) or set(row) - optional != set(keys) for row in rows
        ):
            raise InputError(f"{file}: each entry of {key} must have the keys {', '.join(keys)}")
    for stage in content["stages"]:
        if not isinstance(stage["name"], str) or not all(
            _is_number(stage[name], optional=name == "error_to_exact") for name in STAGE_KEYS[1:]
        ):
            raise InputError(f"{file}: a stage must have a name and numbers")
        if "orbitals" in stage and not _is_square(stage["orbitals"]):
            raise InputError(f"{file}: a stage's orbitals must be a square matrix of numbers")
        if not isinstance(stage.get("converged", True), bool):
            raise InputError(f"{file}: converged of a stage must be true or false")
        if not all(isinstance(stage.get(name, ""), str) for name in ("encoding", "wires")):
            raise InputError(f"{file}: encoding and wires of a stage must be texts")
        if "properties" in stage and not _are_properties(stage["properties"]):
            raise InputError(f"{file}: a stage's properties must be a dipole of three numbers and natural_occupations")
        if "excited" in stage and not _is_spectrum(stage["excited"]):
            raise InputError(f"{file}: excited of a stage must hold a method and states with their energies")
        if "nuclei" in stage and not _are_geometries(stage["nuclei"]):
            raise InputError(f"{file}: nuclei of a stage must hold steps with atoms, an energy and its gradient")
        if not all(_is_number(stage.get(name), optional=True) for name in OBSERVABLE_KEYS):
            raise InputError(f"{file}: {', '.join(OBSERVABLE_KEYS)} of a stage must be numbers or null")
        if "scores" in stage and not _are_scores(stage["scores"]):
            raise InputError(f"{file}: scores must be numbers or null, under {', '.join(SCORE_KEYS)}")
        if "training" in stage and not _is_training(stage["training"]):
            raise InputError(f"{file}: training must be a method and its numbers, under {', '.join(TRAINING_KEYS)}")
    for row in content["plan"]:
        texts = (row["rotation"], row["decision"], row["reason"])
        if not all(isinstance(text, str) for text in texts) or not _is_number(row["score"], optional=True):
            raise InputError(f"{file}: an entry of the plan must have texts and a score")


def _are_scores(scores: Any) -> bool:
    if not isinstance(scores, dict) or not set(scores) <= set(SCORE_KEYS):
        return False
    for name, value in scores.items():
        if name == "fisher_spectrum":
            fits = _is_list_of(value, float)
        elif name.endswith("_whole"):
            fits = isinstance(value, bool)
        else:
            fits = _is_number(value, optional=False)
        if value is not None and not fits:
            return False
    return True


def _is_training(training: Any) -> bool:
    if not isinstance(training, dict) or set(training) != set(TRAINING_KEYS):
        return False
    steps, errors, curve = training["steps_quartiles"], training["error_quartiles"], training["curve"]
    if not isinstance(curve, dict) or set(curve) != set(CURVE_KEYS):
        return False
    return (
        isinstance(training["method"], str)
        and all(_is_number(training[name], optional=False) for name in ("n_seeds", "threshold", "n_successes"))
        and (steps is None or (_is_list_of(steps, float) and len(steps) == 3))
        and (_is_list_of(errors, float) and len(errors) == 3)
        and all(_is_list_of(values, float) for values in curve.values())
        and len({len(values) for values in curve.values()}) == 1
    )


def _are_properties(properties: Any) -> bool:
    if not isinstance(properties, dict) or set(properties) != {"dipole", "natural_occupations"}:
        return False
    dipole = properties["dipole"]
    fits = dipole is None or (_is_list_of(dipole, float) and len(dipole) == 3)
    return fits and _is_list_of(properties["natural_occupations"], float)


def _is_spectrum(excited: Any) -> bool:
    if not isinstance(excited, dict) or not isinstance(excited.get("states"), list):
        return False
    return (
        isinstance(excited.get("method"), str)
        and _is_number(excited.get("ground_energy"), optional=False)
        and all(
            isinstance(state, dict)
            and isinstance(state.get("irrep"), str)
            and all(_is_number(state.get(key), optional=False) for key in EXCITED_NUMBERS)
            and all(key in state and _is_number(state[key], optional=True) for key in EXCITED_COMPARISONS)
            for state in excited["states"]
        )
    )


def _are_geometries(nuclei: Any) -> bool:
    steps = nuclei.get("steps") if isinstance(nuclei, dict) else None
    return isinstance(steps, list) and all(
        isinstance(step, dict)
        and all(_is_number(step.get(key), optional=False) for key in ("energy", "gradient_norm"))
        and _is_list_of(step.get("symbols"), str)
        and all(
            isinstance(step.get(key), list) and all(_is_list_of(row, float) for row in step[key])
            for key in ("positions", "gradient")
        )
        for step in steps
    )


def _is_square(matrix: Any) -> bool:
    return isinstance(matrix, list) and all(_is_list_of(row, float) and len(row) == len(matrix) for row in matrix)


def _is_list_of(values: Any, kind: type) -> bool:
    """Return whether `values` is a list of texts (str) or numbers (float)."""
    return isinstance(values, list) and all(
        isinstance(value, str) if kind is str else _is_number(value, optional=False) for value in values
    )


def _is_number(value: Any, *, optional: bool) -> bool:
    return (optional and value is None) or (isinstance(value, int | float) and not isinstance(value, bool))
