"""What was measured on a processor, as text and as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vqe_prune.report.optimization import format_optimization
from vqe_prune.report.table import format_error
from vqe_prune.units import HARTREE, error_unit
from vqe_prune.wording import counted

NOTHING_LEFT = "nothing is left to measure: its energy is known"
"""Why an ansatz without qubits is not measured, which is no shortcoming."""

WIDTHS = (12, 38, 20, 14, 16, 8)


def device_header(unit: str = HARTREE) -> list[str]:
    """Return what the texts of `device_rows` are."""
    name = error_unit(unit)[1]
    return ["stage", "estimate", f"energy / {unit}", f"+- / {name}", f"error / {name}", "kept"]


def device_rows(device: Mapping[str, Any], unit: str = HARTREE) -> list[list[str]]:
    """Return one row of texts for each estimate, after the noiseless energy of its circuit; * marks the mitigated one.

    Args:
        device: Of the record.
        unit: Of the energies.

    """
    rows = []
    for measured in device["measurements"]:
        if not measured["estimates"]:
            continue
        exact = measured["noiseless_energy"]
        rows.append([str(measured["stage"]), "noiseless", f"{exact:.8f}", "", "", ""])
        for each in measured["estimates"]:
            mark = " *" if each["name"] == measured["mitigated"] else ""
            rows.append(
                [
                    str(measured["stage"]),
                    each["name"] + mark,
                    f"{each['energy']:.6f}",
                    _digits(each["error_bar"], unit),
                    _digits(each["error_to_exact"], unit),
                    f"{min(each['kept'], 1.0):.3f}",  # a weight after readout correction, which noise may move above 1
                ]
            )
    return rows


def device_lines(device: Mapping[str, Any]) -> list[str]:
    """Return a line for each stage: what it took on the device, or why it was not measured."""
    lines = []
    for measured in device["measurements"]:
        lost = measured["expected_error"]
        doubt = "" if lost is None else f", some gate of which errs with probability {lost:.3g}"
        qubits = counted(measured["n_qubits"], "qubit")
        gates = f"{counted(measured['n_two_qubit_gates'], 'two-qubit gate')} on {qubits}{doubt}"
        if measured["estimates"]:
            doubt = "" if lost is None else f"; some gate or reading of a circuit errs with probability {lost:.3g}"
            gates = (
                f"at most {counted(measured['n_two_qubit_gates'], 'native two-qubit gate')} in a circuit, with what "
                f"measures and routes it, on {qubits}{doubt}"
            )
            where = ", ".join(measured["qubits"])
            fewer = measured.get("shots", device["shots"])
            short = "" if fewer == device["shots"] else f", {fewer} shots: more would take longer than was allowed"
            lines.append(
                f"{measured['stage']}: {gates}; {counted(measured['n_settings'], 'setting')} at {where}{short}"
            )
            lines += [f"{measured['stage']}: {name} left out or in doubt: {why}" for name, why in measured["left_out"]]
            lines += _scale_lines(measured)
        else:
            lines.append(f"{measured['stage']}: {gates}; not measured: {measured['left_out'][0][1]}")
    return lines


def _scale_lines(measured: Mapping[str, Any]) -> list[str]:
    """How good the processor must be, with infinitely many shots."""
    words, cancels = [], ""
    for name, scale in measured.get("critical_noise_scales", {}).items():
        mitigated = "mitigated" if name == measured["mitigated"] and name != "raw" else name
        if mitigated == "mitigated" and scale:
            cancels = " (the smallest; errors of both signs cancel in it, so only its order of magnitude counts)"
        if scale == 0.0:
            words.append(f"{mitigated} not even without noise")
        else:
            words.append(
                f"{mitigated} " + ("at any noise that was tried" if scale is None else f"at noise x {scale:.2g}")
            )
    return [f"{measured['stage']}: with enough shots within 1 kcal/mol {', '.join(words)}{cancels}"] if words else []


def device_title(device: Mapping[str, Any]) -> str:
    """Return the name of the device and what was asked of it."""
    configuration = device.get("configuration", {}).values()
    name = " ".join(str(part) for part in (device["name"], device["processor"], *configuration) if part)
    if not any(measured["estimates"] for measured in device["measurements"]):
        return f"Nothing was measured on {name}"
    scaled = "" if device["noise_scale"] == 1.0 else f", noise times {device['noise_scale']:g}"
    frames = f", circuits in up to {device['twirls']} random frames" if device.get("twirls") else ""
    return f"Measured on {name}{scaled}, {device['shots']} shots an ansatz{frames}; * is mitigated as chosen beforehand"


def format_device(device: Mapping[str, Any], unit: str = HARTREE) -> str:
    """Return what was measured on a processor.

    Args:
        device: Of the record.
        unit: Of the energies; errors are in mHa for hartree.

    """
    lines = [device_title(device), *(f"  {line}" for line in device_lines(device))]
    rows = device_rows(device, unit)
    if rows:
        header = _line(device_header(unit))
        lines += [header, "-" * len(header), *map(_line, rows)]
    if "optimization" in device:
        lines += ["", format_optimization(device["optimization"], unit)]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    left = [f"{cell:<{width}}" for cell, width in zip(cells[:2], WIDTHS[:2], strict=True)]
    return "".join([*left, *(f"{cell:>{width}}" for cell, width in zip(cells[2:], WIDTHS[2:], strict=True))])


def _digits(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{1e3 * value:.2f}" if unit == HARTREE else format_error(value, unit)
