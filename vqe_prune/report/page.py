"""The page of a run: one self-contained HTML file, for phone and desk, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from vqe_prune.report.complaints import complaints
from vqe_prune.report.device_picture import device_picture, explanations
from vqe_prune.report.device_table import device_header, device_lines, device_rows, device_title
from vqe_prune.report.excited_table import format_excited
from vqe_prune.report.geometry_table import format_nuclei
from vqe_prune.report.optimization import (
    optimization_header,
    optimization_picture,
    optimization_rows,
    optimization_title,
)
from vqe_prune.report.pictures import (
    DrawnGate,
    circuit_picture,
    energy_picture,
    path_picture,
)
from vqe_prune.report.properties import dipole_rows, occupations_text
from vqe_prune.report.record import Record
from vqe_prune.report.score_pictures import kernel_picture, scores_picture, training_picture
from vqe_prune.report.summary import headline
from vqe_prune.report.table import (
    SCORE_HEADER,
    UNCERTIFIED,
    certificate_texts,
    energy_rows,
    format_error,
    merge_rows,
    merge_texts,
    observable_texts,
    removal_counts,
    score_rows,
    training_header,
    training_rows,
)
from vqe_prune.run_folder import write_atomically
from vqe_prune.units import error_unit

STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h1 span { white-space: nowrap; }
h2 { font-size: 1.15rem; margin-top: 2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; } th.text, td.text { text-align: left; white-space: normal; }
figure { margin: 1rem 0; } figcaption { font-size: .9rem; opacity: .8; } svg { height: auto; }
dt { float: left; clear: left; margin-right: .4rem; font-weight: 600; } dd { margin: 0 0 .3rem 0; }
code { background: var(--soft); padding: .1rem .3rem; border-radius: .2rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) { table { font-size: .75rem; } th, td { padding: .25rem .3rem; } }
"""


def write_page(
    folder: Path,
    record: Record,
    *,
    steps: Sequence[Mapping[str, Any]],
    path: Sequence[Mapping[str, Any]],
    chosen: int | None,
    tolerance: float | None,
    gates: Sequence[DrawnGate],
    wires: Sequence[str],
    command: str,
    notes: Sequence[str] = (),
) -> None:
    """Write report.html.

    Args:
        folder: The run's folder.
        record: The run's record.
        steps: stage, step, energy and error (the problem's unit) of each optimiser step.
        path: n_parameters, n_rotations and error (the problem's unit) of each point of the pruning path.
        chosen: Index of the chosen point.
        tolerance: Largest allowed error (the problem's unit), None where a budget was set.
        gates: The gates that are left, first one first.
        wires: Label of each wire that gates may act on, such as ``0a ●`` or ``q0 |+>``.
        command: What to type to repeat the run.
        notes: What the user should know.

    """
    sections = [
        _headline(record),
        *(f"<p><strong>WARNING: {escape(complaint)}</strong></p>" for complaint in complaints(record)),
        *(f"<p><strong>Note:</strong> {escape(note)}</p>" for note in notes),
        _energies(record),
        _symmetries(record),
        _stages(record),
    ]
    if path:
        caption = "Every point of the pruning path, re-optimised; the circle is the chosen one."
        picture = path_picture(path, chosen, tolerance, record.unit)
        sections.append(_figure("What each parameter is worth", picture, caption))
    sections.append(_figure("Pruned ansatz", circuit_picture(gates, wires), _circuit_caption(gates)))
    if steps:
        caption = "Energy and error at every step of the optimiser, stage after stage."
        sections.append(_figure("Optimisation", energy_picture(steps, record.unit), caption))
    sections += [
        _properties(record), _device(record), _scores(record), _training(record),
        _certificate(record), _plan(record), _origin(record, command),
    ]  # fmt: skip
    title = f"{escape(str(record.problem['name']))}: pruned ansatz"
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body></html>\n"
    )
    write_atomically(folder / "report.html", page)


def _headline(record: Record) -> str:
    return f"<h1>{escape(headline(record, '→'))}</h1>"


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
    header = ["method", f"energy / {record.unit}", f"error / {error_unit(record.unit)[1]}"]
    return "<h2>Reference energies</h2>" + _table(header, energy_rows(record.energies, record.unit))


def _symmetries(record: Record) -> str:
    lines = record.problem.get("symmetries")
    if not lines:
        return ""
    return "<h2>Symmetries</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _stages(record: Record) -> str:
    header = [  # soft hyphens: a phone breaks long words
        "stage",
        "para\u00admeters",
        "rota\u00adtions",
        "2-qubit gates",
        "depth",
        "qubits",
        f"energy / {record.unit}",
        f"error / {error_unit(record.unit)[1]}",
    ]
    keys = ("name", "n_parameters", "n_rotations", "n_two_qubit_gates", "depth", "n_qubits")
    observables = [observable_texts(stage) for stage in record.stages]
    labels = list(dict.fromkeys(label for texts in observables for label in texts))
    rows = [
        [
            *(str(stage[key]) for key in keys),
            f"{stage['energy']:.8f}",
            format_error(stage["error_to_exact"], record.unit),
        ]
        for stage in record.stages
    ]
    states = [
        [str(stage["name"]), *(texts.get(label, "") for label in labels)]
        for stage, texts in zip(record.stages, observables, strict=True)
    ]
    return "<h2>Stages</h2>" + _table(header, rows) + ("<br>" + _table(["state", *labels], states) if labels else "")


def _figure(title: str, picture: str, caption: str) -> str:
    heading = f"<h2>{escape(title)}</h2>" if title else ""
    return f"{heading}<figure><div class=scroll>{picture}</div><figcaption>{escape(caption)}</figcaption></figure>"


def _circuit_caption(gates: Sequence[DrawnGate]) -> str:
    """What the signs mean that this circuit has."""
    if not gates:
        return "No gate is left: the reference alone."
    letters = {letter for gate in gates for letter in gate.letters}
    signs = []
    if letters & {"^", "v"}:
        signs.append("▼ emptied, ▲ filled spin orbitals (orbital from 0, a alpha, b beta), ● filled in the reference")
    if any(letter.isupper() for letter in letters):
        signs.append(
            "boxes joined by a line are one rotation about the product of their letters, or about a sum of such "
            "products where a box has several"
        )
    if any(gate.is_clifford for gate in gates):
        signs.append("grey gates are fixed")
    return (
        f"The gates that are left, first one at the left: {'; '.join(signs)}; p is the parameter, below is the angle "
        "in radian. Gates that commute share a column where parameter and angle are the same."
    )


def _properties(record: Record) -> str:
    rows = dipole_rows(record.stages, record.problem.get("dipoles", {}))
    occupations = occupations_text(record.stages[-1])
    if not rows and not occupations:
        return ""
    table = _table(["state", "dipole / debye", "x y z"], rows) if rows else ""
    note = "<p>Dipole moments are about the origin of the geometry, on which those of ions depend.</p>"
    text = f"<p>Natural occupations of the final state: {escape(occupations)}</p>" if occupations else ""
    last = record.stages[-1]
    further = [format_excited(last["excited"])] if "excited" in last else []
    further += [format_nuclei(last["nuclei"])] if "nuclei" in last else []
    text += "".join(f"<pre>{escape(each)}</pre>" for each in further)
    return f"<h2>Properties</h2>{table}{note if rows else ''}{text}"


def _device(record: Record) -> str:
    if record.device is None:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in device_lines(record.device))
    rows = device_rows(record.device, record.unit)
    table = _table(device_header(record.unit), rows, text_columns=(0, 1)) if rows else ""
    if rows:
        caption = (
            "Each measured energy with two standard errors; the star is the estimate that was chosen beforehand as the "
            "mitigated one, the dashed line the noiseless energy of the circuit, the dotted line the exact energy."
        )
        words = "".join(
            f"<dt>{escape(word)}</dt><dd>{escape(text)}.</dd>" for word, text in explanations(record.device)
        )
        picture = device_picture(record.device, record.energies["exact"], record.unit)
        table = _figure("", picture, caption) + table + f"<dl>{words}</dl>"
    found = _optimization(record.device["optimization"], record.unit) if "optimization" in record.device else ""
    return f"<h2>On the processor</h2><p>{escape(device_title(record.device))}</p><ul>{lines}</ul>{table}{found}"


def _optimization(found: Mapping[str, Any], unit: str) -> str:
    text = f"<p>{escape(optimization_title(found))}</p>"
    if not found["iterations"]:
        return text
    caption = (
        "Energy that the optimiser measured at every iteration, with two standard errors, beside the noiseless energy "
        "at the same angles, which it never saw. The final angles are the mean over the last iterations, not those of "
        "the lowest energy: the lowest of many noisy values is too low. The stage optimised above is measured there "
        "with fresh shots."
    )
    table = _table(optimization_header(unit), optimization_rows(found, unit))
    return text + _figure("", optimization_picture(found, unit), caption) + table


def _scores(record: Record) -> str:
    rows = score_rows(record.stages)
    if not rows:
        return ""
    for row, scores in zip(rows, [stage["scores"] for stage in record.stages if stage.get("scores")], strict=True):
        if scores.get("qntk") is not None and scores.get("qntk_error") is not None:
            row[SCORE_HEADER.index("QNTK/param.")] += f" ± {scores['qntk_error']:.1e}"
    caption = (
        "Top: eigenvalues of the quantum Fisher information, largest first; those below 1e-10 of the largest are drawn "
        "at it. Bottom: parameters, the independent directions among them (Fisher rank), the dimension of the space "
        "that the state moves in (d_eff) and that of the Lie algebra of the generators; hollow dots and >= are lower "
        "bounds."
    )
    kernels = (
        "QNTK is the quantum neural tangent kernel per parameter, the mean of the squared gradient over random angles; "
        "EQNTK is its value for Haar-random circuits on the space V* of dimension d_eff; the gradient variance is the "
        "mean over the parameters, and tiny where training meets a barren plateau."
    )
    pictures = _figure("", scores_picture(record.stages), caption) + _figure("", kernel_picture(record.stages), kernels)
    return "<h2>Scores</h2>" + _table(SCORE_HEADER, rows) + pictures


def _training(record: Record) -> str:
    rows = training_rows(record.stages, record.unit)
    if not rows:
        return ""
    caption = (
        "Error against optimiser step: the line is the median over the seeds, the band goes from the lower to the "
        "upper quartile, the dotted line is the threshold of success. In the table steps are those of the seeds that "
        "succeeded, median and quartiles; the error is the median over all seeds of the lowest each one found."
    )
    picture = training_picture(record.stages, record.unit)
    return "<h2>Training</h2>" + _table(training_header(record.unit), rows) + _figure("", picture, caption)


def _certificate(record: Record) -> str:
    predicted, measured, bound = map(escape, certificate_texts(record.certificate, record.unit))
    if record.certificate["predicted_increase"] is None:
        text = (
            f"<h2>No certificate</h2><p>{UNCERTIFIED.capitalize()}. The last energy minus the first is {measured}; the "
            f"overlap of the two states alone proves that they cannot differ by more than {bound}.</p>"
        )
    else:
        text = (
            f"<h2>Certificate</h2><p>Pruning was predicted to raise the energy by {predicted} and raised it by "
            f"{measured}. The overlap of the two states alone proves that it cannot have moved by more than "
            f"{bound}.</p>"
        )
    if "merge" in record.certificate:
        text += _merge(record.certificate["merge"], record.unit)
    energy, difference = record.qsim["energy"], record.qsim["difference"]
    if energy is None or difference is None:
        return text + "<p>The final circuit was not simulated on qsim.</p>"
    return (
        text + f"<p>qsim gives {energy:.7f} {escape(record.unit)} for the final circuit, {difference:+.1e} from the "
        "exact engine.</p>"
    )


def _merge(merge: Mapping[str, Any], unit: str) -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in merge_texts(merge, unit))
    header = ["what merging changed, before tuning", "measured", "at most"]
    return (
        f"<p>Merging gates of one subgroup:</p><ul>{lines}</ul>{_table(header, merge_rows(merge, unit))}<p>The path "
        "adds up how far each gate moves the state that enters it, the operators how far it can move any state. Every "
        "run checks each measured number against its bounds.</p>"
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
