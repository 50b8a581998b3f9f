"""The page of a run: one self-contained HTML file, for phone and desk, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from vqe_prune.report.circuit_picture import DrawnGate, circuit_picture, qubit_circuit_picture
from vqe_prune.report.complaints import complaints
from vqe_prune.report.device_picture import device_picture, explanations
from vqe_prune.report.device_table import device_header, device_lines, device_rows, device_title
from vqe_prune.report.excited_table import excited_header, excited_rows, excited_titles
from vqe_prune.report.geometry_table import format_nuclei
from vqe_prune.report.layout import cards, figure, note, page, pair, preformatted, table, warning
from vqe_prune.report.optimization import (
    optimization_header,
    optimization_picture,
    optimization_rows,
    optimization_title,
)
from vqe_prune.report.pictures import energy_picture, path_picture
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
from vqe_prune.wording import counted

MOST_LISTED = 2000
"""Gates after these are not listed in words."""


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
    qubit_gates: Sequence[DrawnGate] = (),
    qubit_wires: Sequence[str] = (),
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
        qubit_gates: Gates of the circuit on qubits.
        qubit_wires: Label of each qubit.

    """
    path_figure = energy_figure = ""
    if path:
        caption = "Every point of the pruning path, re-optimised; the circle is the chosen one."
        picture = path_picture(path, chosen, tolerance, record.unit)
        path_figure = figure("What each parameter is worth", picture, caption)
    if steps:
        caption = "Energy and error at every step of the optimiser, stage after stage."
        energy_figure = figure("Optimisation", energy_picture(steps, record.unit), caption)
    sections = [
        _head(record),
        *map(warning, complaints(record)),
        *map(note, notes),
        _stages(record),
        pair(_energies(record), _states(record)),
        _symmetries(record),
        pair(path_figure, energy_figure),
        _circuit(gates, wires),
        _on_qubits(record, qubit_gates, qubit_wires),
        _device(record), _properties(record), _excited(record), _scores(record), _training(record),
        _certificate(record), _plan(record), _origin(record, command),
    ]  # fmt: skip
    write_atomically(folder / "report.html", page(headline(record, "→"), sections))


def _head(record: Record) -> str:
    """The headline, and the numbers that matter most."""
    first, last = record.stages[0], record.stages[-1]
    counts = (
        ("parameters", "n_parameters"),
        ("two-qubit gates", "n_two_qubit_gates"),
        ("depth", "depth"),
        ("qubits", "n_qubits"),
    )
    entries = [(name, str(first[key]), str(last[key])) for name, key in counts]
    if last["error_to_exact"] is not None:
        number = format_error(last["error_to_exact"], record.unit)
        entries.append(("error to the exact energy", "", f"{number} {error_unit(record.unit)[1]}"))
    return f"<h1>{escape(headline(record, '→'))}</h1>" + cards(entries)


def _energies(record: Record) -> str:
    header = ["method", f"energy / {record.unit}", f"error / {error_unit(record.unit)[1]}"]
    return "<h2>Reference energies</h2>" + table(header, energy_rows(record.energies, record.unit), name="Energies")


def _symmetries(record: Record) -> str:
    lines = record.problem.get("symmetries")
    if not lines:
        return ""
    return "<h2>Symmetries</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _stages(record: Record) -> str:
    header = [  # soft hyphens: a phone breaks long words; what it has no room for stands at the end
        "stage",
        "para\u00admeters",
        "2-qubit gates",
        f"error / {error_unit(record.unit)[1]}",
        f"energy / {record.unit}",
        "rota\u00adtions",
        "depth",
        "qubits",
    ]
    rows = [
        [
            str(stage["name"]),
            str(stage["n_parameters"]),
            str(stage["n_two_qubit_gates"]),
            format_error(stage["error_to_exact"], record.unit),
            f"{stage['energy']:.8f}",
            *(str(stage[key]) for key in ("n_rotations", "depth", "n_qubits")),
        ]
        for stage in record.stages
    ]
    return "<h2>Stages</h2>" + table(header, rows, name="Stages")


def _states(record: Record) -> str:
    """Expectation values in the state of each stage."""
    observables = [observable_texts(stage) for stage in record.stages]
    labels = list(dict.fromkeys(label for texts in observables for label in texts))
    rows = [
        [str(stage["name"]), *(texts.get(label, "") for label in labels)]
        for stage, texts in zip(record.stages, observables, strict=True)
    ]
    return "<h2>States</h2>" + table(["state", *labels], rows, name="Expectation values") if labels else ""


def _circuit(gates: Sequence[DrawnGate], wires: Sequence[str]) -> str:
    """The ansatz as a picture and in words."""
    drawn = figure("Pruned ansatz", circuit_picture(gates, wires), _circuit_caption(gates))
    if not gates:
        return drawn
    rows = [
        [str(k), gate.label, "fixed" if gate.parameter is None else f"p{gate.parameter}", gate.angle_text]
        for k, gate in enumerate(gates[:MOST_LISTED], start=1)
    ]
    more = f"<p>{len(gates) - MOST_LISTED} more gates not listed.</p>" if len(gates) > MOST_LISTED else ""
    header = ["", "gate", "parameter", "angle / radian"]
    words = table(header, rows, text_columns=(1,), name="Gates of the pruned ansatz")
    return f"{drawn}<details><summary>{_all(len(gates), 'gate')} in words</summary>{words}{more}</details>"


def _all(number: int, noun: str) -> str:
    return f"The {noun}" if number == 1 else f"All {number} {noun}s"


def _on_qubits(record: Record, gates: Sequence[DrawnGate], wires: Sequence[str]) -> str:
    """The circuit that is counted, checked and measured, folded away."""
    if not gates:
        return ""
    last = record.stages[-1]
    name = str(last.get("encoding", "")).replace("_", " ")
    encoded = f", {name} encoding" if name else ""
    caption = (
        "Every gate as circuit.qasm holds it, those that prepare the reference first; two-qubit gates are lines, the "
        "angle of a turn shows when the pointer rests on it."
    )
    if not all(wire.startswith("q") for wire in wires):
        caption += (
            " Wires are named by what they hold: a spin orbital (1a), an orbital that only pairs enter and leave "
            "(1ab), or the parity of a range (0a-1b)."
        )
    return (
        f"<details><summary>The circuit on {counted(last['n_qubits'], 'qubit')}{escape(encoded)}: "
        f"{counted(len(gates), 'gate')}, {counted(last['n_two_qubit_gates'], 'two-qubit gate')}</summary>"
        f"{figure('', qubit_circuit_picture(gates, wires), caption)}</details>"
    )


def _circuit_caption(gates: Sequence[DrawnGate]) -> str:
    """What the signs mean that this circuit has."""
    if not gates:
        return "No gate is left: the reference alone."
    letters = {letter for gate in gates for letter in gate.letters}
    signs = []
    if letters & {"^", "v"}:
        signs.append(
            "▼ emptied, ▲ filled spin orbitals as the label below says (orbital from 0, a alpha, b beta), ● filled in "
            "the reference"
        )
    if any(letter.isupper() for letter in letters):
        signs.append(
            "boxes joined by a line are one rotation about the product of their letters, or about a sum of such "
            "products where a box has several"
        )
    if any(gate.is_clifford for gate in gates):
        signs.append("grey gates are fixed")
    shared = (
        "" if letters & {"^", "v"} else " Gates that commute share a column where parameter and angle are the same."
    )
    return (
        f"The gates that are left, first one at the left: {'; '.join(signs)}; p is the parameter, at the bottom is the "
        f"angle in radian.{shared}"
    )


def _properties(record: Record) -> str:
    rows = dipole_rows(record.stages, record.problem.get("dipoles", {}))
    occupations = occupations_text(record.stages[-1])
    if not rows and not occupations:
        return ""
    shown = table(["state", "dipole / debye", "x y z"], rows, name="Dipole moments") if rows else ""
    origin = "<p>Dipole moments are about the origin of the geometry, on which those of ions depend.</p>"
    text = f"<p>Natural occupations of the final state: {escape(occupations)}</p>" if occupations else ""
    last = record.stages[-1]
    if "nuclei" in last:
        text += "<h3>Forces on nuclei</h3>" + preformatted(format_nuclei(last["nuclei"]), "Forces and geometries")
    return f"<h2>Properties</h2>{shown}{origin if rows else ''}{text}"


def _excited(record: Record) -> str:
    excited = record.stages[-1].get("excited")
    if excited is None:
        return ""
    titles = "".join(f"<p>{escape(title)}</p>" for title in excited_titles(excited))
    header = excited_header(any("n_parameters" in state for state in excited["states"]))
    words = "".join(note(each) for each in excited.get("notes", ()))
    return f"<h2>Excited states</h2>{titles}{table(header, excited_rows(excited), name='Excited states')}{words}"


def _device(record: Record) -> str:
    if record.device is None:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in device_lines(record.device))
    rows = device_rows(record.device, record.unit)
    shown = table(device_header(record.unit), rows, (0, 1), "Measured energies") if rows else ""
    if rows:
        caption = (
            "Each measured energy with two standard errors; the star is the estimate that was chosen beforehand as the "
            "mitigated one, the dashed line the noiseless energy of the circuit, the dotted line the exact energy."
        )
        words = "".join(
            f"<dt>{escape(word)}</dt><dd>{escape(text)}.</dd>" for word, text in explanations(record.device)
        )
        picture = device_picture(record.device, record.energies["exact"], record.unit)
        shown = figure("", picture, caption) + shown + f"<dl>{words}</dl>"
    found = _optimization(record.device["optimization"], record.unit) if "optimization" in record.device else ""
    return f"<h2>On the processor</h2><p>{escape(device_title(record.device))}</p><ul>{lines}</ul>{shown}{found}"


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
    shown = table(optimization_header(unit), optimization_rows(found, unit), name="Iterations")
    return text + figure("", optimization_picture(found, unit), caption) + shown


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
    pictures = pair(
        figure("", scores_picture(record.stages), caption), figure("", kernel_picture(record.stages), kernels)
    )
    return "<h2>Scores</h2>" + table(SCORE_HEADER, rows) + pictures


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
    return "<h2>Training</h2>" + table(training_header(record.unit), rows) + figure("", picture, caption)


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
        f"<p>Merging gates of one subgroup:</p><ul>{lines}</ul>{table(header, merge_rows(merge, unit))}<p>The path "
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
        + table(["rotations", "decision", "reason"], counts, text_columns=(1, 2))
        + f"<details><summary>All {len(rows)} rotations</summary>"
        + table(["rotation", "decision", "score", "reason"], rows, text_columns=(1, 3))
        + "</details>"
    )


def _origin(record: Record, command: str) -> str:
    times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in record.times.items())
    versions = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    return (
        f'<h2>How it was made</h2><pre class="command">{escape(command)}</pre>'
        f"<p>{escape(times)}</p><p>{escape(versions)}</p>"
    )
