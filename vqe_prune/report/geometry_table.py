"""Forces on nuclei and geometries of a run, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vqe_prune.report.table import millihartree


def format_gradient(nuclei: Mapping[str, Any]) -> str:
    """Return dE/dR of the first geometry, a row an atom."""
    step = nuclei["steps"][0]
    lines = [f"{'dE/dR / hartree/bohr':<22}{'x':>12}{'y':>12}{'z':>12}"]
    for symbol, row in zip(step["symbols"], step["gradient"], strict=True):
        lines.append(f"  {symbol:<20}" + "".join(f"{value:>12.6f}".replace("-0.000000", " 0.000000") for value in row))
    lines.append(f"Root mean square over atoms: {step['gradient_norm']:.2e} hartree/bohr")
    return "\n".join(lines)


def format_steps(nuclei: Mapping[str, Any]) -> str:
    """Return a row for each geometry, the positions at the end and how far its energy is from the exact one."""
    lines = [f"{'geometry':<10}{'energy / hartree':>18}{'change / mHa':>15}{'gradient / hartree/bohr':>26}"]
    before = None
    for number, step in enumerate(nuclei["steps"]):
        change = "" if before is None else millihartree(step["energy"] - before)
        lines.append(f"{number:<10}{step['energy']:>18.8f}{change:>15}{step['gradient_norm']:>26.2e}")
        before = step["energy"]
    last = nuclei["steps"][-1]
    for symbol, row in zip(last["symbols"], last["positions"], strict=True):
        lines.append(f"  {symbol:<4}" + "".join(f"{value:>12.6f}".replace("-0.000000", " 0.000000") for value in row))
    end = "converged" if nuclei["converged"] else "NOT converged: start from another geometry"
    error = nuclei["error_to_exact"]
    known = "" if error is None else f"; error to the exact energy of this geometry {millihartree(error)} mHa"
    return "\n".join([*lines, f"Geometry {end}{known}"])


def format_nuclei(nuclei: Mapping[str, Any]) -> str:
    """Return what a run says about nuclei."""
    return format_steps(nuclei) if "converged" in nuclei else format_gradient(nuclei)
