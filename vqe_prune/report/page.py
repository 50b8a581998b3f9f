"""The page of a run: one self-contained HTML file, for phone and desk, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from vqe_prune.report.pictures import Rotations, circuit_picture, energy_picture, path_picture
from vqe_prune.report.record import Record
from vqe_prune.report.table import NAMES, millihartree, removal_counts
from vqe_prune.run_folder import write_atomically

STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th.text, td.text { text-align: left; white-space: normal; }
figure { margin: 1rem 0; } figcaption { font-size: .9rem; opacity: .8; } svg { height: auto; }
code { background: var(--soft); padding: .1rem .3rem; border-radius: .2rem; overflow-wrap: anywhere; }
"""


def write_page(
    folder: Path,
    record: Record,
    *,
    steps: Sequence[Mapping[str, Any]],
    path: Sequence[Mapping[str, Any]],
    chosen: int | None,
    tolerance: float | None,
    rotations: Rotations,
    occupied: Sequence[int],
    command: str,
    notes: Sequence[str] = (),
) -> None:
    """Write report.html.

    Args:
        folder: The run's folder.
        record: The run's record.
        steps: stage, step, energy and error (hartree) of each optimiser step.
        path: n_parameters, n_rotations and error (hartree) of each point of the pruning path.
        chosen: Index of the chosen point.
        tolerance: Largest allowed error (hartree), None where a budget was set.
        rotations: Label, created, annihilated, parameter and angle (radian) of each rotation that is left.
        occupied: Spin orbitals that the reference fills.
        command: What to type to repeat the run.
        notes: What the user should know.

    """
    sections = [
        _headline(record),
        *(f"<p><strong>Note:</strong> {escape(note)}</p>" for note in notes),
        _energies(record),
        _stages(record),
    ]
    if path:
        caption = "Every point of the pruning path, re-optimised; the circle is the chosen one."
        sections.append(_figure("What each parameter is worth", path_picture(path, chosen, tolerance), caption))
    caption = (
        "The rotations that are left, first one at the left: ▼ emptied, ▲ filled spin orbitals (orbital from 0, "
        "a alpha, b beta), ● filled in the reference; p is the parameter, below is the angle in radian."
    )
    sections.append(_figure("Pruned ansatz", circuit_picture(rotations, occupied), caption))
    if steps:
        caption = "Energy and error at every step of the optimiser, stage after stage."
        sections.append(_figure("Optimisation", energy_picture(steps), caption))
    sections += [_certificate(record), _plan(record), _origin(record, command)]
    title = f"{escape(str(record.problem['name']))}: pruned ansatz"
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>\n" + "\n".join(sections) + "\n</body></html>\n"
    )
    write_atomically(folder / "report.html", page)


def _headline(record: Record) -> str:
    first, last = record.stages[0], record.stages[-1]
    error = last["error_to_exact"]
    distance = "" if error is None else f", {millihartree(error)} mHa from the exact energy"
    return (
        f"<h1>{escape(str(record.problem['name']))}: {first['n_parameters']} → {last['n_parameters']} parameters, "
        f"{first['n_two_qubit_gates']} → {last['n_two_qubit_gates']} two-qubit gates{distance}</h1>"
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: Sequence[int] = ()) -> str:
    head = "".join(
        f"<th{' class=text' if k in text_columns else ''}>{escape(cell)}</th>" for k, cell in enumerate(header)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=text' if k in text_columns else ''}>{escape(cell)}</td>" for k, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _energies(record: Record) -> str:
    exact = record.energies["exact"]
    rows = []
    for key, label in NAMES.items():
        energy = record.energies[key]
        error = None if energy is None or exact is None else energy - exact
        rows.append([label, "not computed" if energy is None else f"{energy:.8f}", millihartree(error)])
    return "<h2>Reference energies</h2>" + _table(["method", "energy / hartree", "error / mHa"], rows)


def _stages(record: Record) -> str:
    header = [
        "stage",
        "parameters",
        "rotations",
        "two-qubit gates",
        "depth",
        "qubits",
        "energy / hartree",
        "error / mHa",
    ]
    keys = ("name", "n_parameters", "n_rotations", "n_two_qubit_gates", "depth", "n_qubits")
    rows = [
        [*(str(stage[key]) for key in keys), f"{stage['energy']:.8f}", millihartree(stage["error_to_exact"])]
        for stage in record.stages
    ]
    return "<h2>Stages</h2>" + _table(header, rows)


def _figure(title: str, picture: str, caption: str) -> str:
    return (
        f"<h2>{escape(title)}</h2><figure><div class=scroll>{picture}</div>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _certificate(record: Record) -> str:
    predicted, measured, bound = (
        millihartree(record.certificate[key]) for key in ("predicted_increase", "measured_increase", "bound")
    )
    text = (
        f"<h2>Certificate</h2><p>Pruning was predicted to raise the energy by {predicted} mHa and raised it by "
        f"{measured} mHa. The overlap of the two states alone proves that it cannot have moved by more than {bound} "
        f"mHa.</p>"
    )
    energy, difference = record.qsim["energy"], record.qsim["difference"]
    if energy is None or difference is None:
        return text + "<p>The final circuit was not simulated on qsim.</p>"
    return (
        text + f"<p>qsim gives {energy:.7f} hartree for the final circuit, {difference:+.1e} from the exact engine.</p>"
    )


def _plan(record: Record) -> str:
    counts = [[str(count), decision, reason] for count, decision, reason in removal_counts(record.plan)]
    rows = [
        [row["rotation"], row["decision"], "" if row["score"] is None else f"{row['score']:.3e}", row["reason"]]
        for row in record.plan
    ]
    return (
        "<h2>What was removed and why</h2>"
        + _table(["rotations", "decision", "reason"], counts, text_columns=(1, 2))
        + f"<details><summary>All {len(rows)} rotations</summary>"
        + _table(["rotation", "decision", "score", "reason"], rows, text_columns=(1, 3))
        + "</details>"
    )


def _origin(record: Record, command: str) -> str:
    times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in record.times.items())
    versions = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    return (
        f"<h2>How it was made</h2><p><code>{escape(command)}</code></p><p>{escape(times)}</p><p>{escape(versions)}</p>"
    )
