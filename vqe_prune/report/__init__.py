"""Results: the record of a run, its tables, its pictures and its page."""

from vqe_prune.report.circuit_picture import DrawnGate
from vqe_prune.report.complaints import complaints, unfinished
from vqe_prune.report.device_table import format_device
from vqe_prune.report.excited_table import format_excited
from vqe_prune.report.page import write_page
from vqe_prune.report.properties import format_properties
from vqe_prune.report.record import Record, read_record, record_text, write_record
from vqe_prune.report.scan_page import write_scan_page
from vqe_prune.report.scan_table import curve_row, format_scan, scan_curves
from vqe_prune.report.summary import headline, summary
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
)

__all__ = [
    "DrawnGate",
    "Record",
    "complaints",
    "curve_row",
    "format_certificate",
    "format_check",
    "format_device",
    "format_energies",
    "format_error",
    "format_excited",
    "format_observables",
    "format_plan",
    "format_properties",
    "format_scan",
    "format_scores",
    "format_stages",
    "format_training",
    "headline",
    "read_record",
    "record_text",
    "scan_curves",
    "sector_complaints",
    "summary",
    "unfinished",
    "write_page",
    "write_record",
    "write_scan_page",
]
