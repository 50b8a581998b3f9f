"""A whole record in plain text."""

from __future__ import annotations

from vqe_prune.report.complaints import complaints
from vqe_prune.report.device_table import format_device
from vqe_prune.report.excited_table import format_excited
from vqe_prune.report.geometry_table import format_nuclei
from vqe_prune.report.properties import format_properties
from vqe_prune.report.record import Record
from vqe_prune.report.table import (
    format_certificate,
    format_check,
    format_energies,
    format_error,
    format_observables,
    format_scores,
    format_stages,
    format_training,
)
from vqe_prune.units import error_unit
from vqe_prune.wording import counted


def headline(record: Record, arrow: str = "->") -> str:
    """Return what a run found in one line: sizes before and after, and the error."""
    first, last = record.stages[0], record.stages[-1]
    text = (
        f"{record.problem['name']}: {first['n_parameters']} {arrow} {counted(last['n_parameters'], 'parameter')}, "
        f"{first['n_two_qubit_gates']} {arrow} {counted(last['n_two_qubit_gates'], 'two-qubit gate')}"
    )
    error = last["error_to_exact"]
    if error is None:
        return text
    below = error < -1e-8 * max(1.0, abs(last["energy"]))
    where = "below the exact energy of its sector" if below else "from the exact energy"
    number, unit = format_error(error, record.unit).removeprefix("-"), error_unit(record.unit)[1]
    return f"{text}, {number} {unit} {where}"


def summary(record: Record) -> str:
    """Return a whole record as text."""
    unit = record.unit
    parts = [
        format_energies(record.energies, str(record.problem["name"]), unit),
        format_stages(record.stages, unit),
        format_observables(record.stages),
        format_properties(record.stages, record.problem.get("dipoles", {})),
        "".join(format_excited(stage["excited"]) for stage in record.stages if "excited" in stage),
        "".join(format_nuclei(stage["nuclei"]) for stage in record.stages if "nuclei" in stage),
        format_scores(record.stages),
        format_training(record.stages, unit),
        format_certificate(record.certificate, unit),
        "" if record.device is None else format_device(record.device, unit),
        format_check(record.qsim, record.times, None, unit),
        *(f"WARNING: {complaint}" for complaint in complaints(record)),
    ]
    return "\n".join(part for part in parts if part)
