"""Results: the record of a run, its tables, its pictures and its page."""

from vqe_prune.report.page import write_page
from vqe_prune.report.pictures import DrawnGate
from vqe_prune.report.record import Record, read_record, record_text, write_record
from vqe_prune.report.table import (
    format_certificate,
    format_check,
    format_energies,
    format_error,
    format_observables,
    format_plan,
    format_scores,
    format_stages,
    format_training,
    sector_complaints,
    summary,
)

__all__ = [
    "DrawnGate",
    "Record",
    "format_certificate",
    "format_check",
    "format_energies",
    "format_error",
    "format_observables",
    "format_plan",
    "format_scores",
    "format_stages",
    "format_training",
    "read_record",
    "record_text",
    "sector_complaints",
    "summary",
    "write_page",
    "write_record",
]
