"""Results: the record of a run, its tables, its pictures and its page."""

from vqe_prune.report.page import write_page
from vqe_prune.report.record import Record, read_record, record_text, write_record
from vqe_prune.report.table import (
    format_certificate,
    format_check,
    format_energies,
    format_plan,
    format_stages,
    summary,
)

__all__ = [
    "Record",
    "format_certificate",
    "format_check",
    "format_energies",
    "format_plan",
    "format_stages",
    "read_record",
    "record_text",
    "summary",
    "write_page",
    "write_record",
]
