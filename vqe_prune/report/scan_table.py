"""The results of a scan as text and as rows: energies and errors of every point, and how smooth each curve is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vqe_prune.report.table import format_error
from vqe_prune.units import error_unit
from vqe_prune.wording import counted

SCAN_SCHEMA = 2
"""Version of scan.json: digest, settings, name, coordinate (name, unit), unit of energies, structure; points, each with
value, folder (of its run, relative), failed (a text or null), energies as in record.json, stages (name, n_parameters,
n_rotations, n_two_qubit_gates, energy, error_to_exact), alone (the last stage where the point was also pruned on its
own, else null), warnings (of its records) and unfinished (whether one is not done: exit status 3); segments of points
that share a structure (positions, n_parameters, rotations, parameters, full_steps, pruned_on); curves (what `curve_row`
returns); notes (the warnings among them), seconds, versions. Since version 2 the largest error is that of magnitude."""

METHODS = {"hf": "HF", "mp2": "MP2", "ccsd": "CCSD", "reference": "reference"}

FINAL, ALONE = "final", "alone"

Content = Mapping[str, Any]


def scan_curves(content: Content) -> list[str]:
    """Return the keys of the curves that a scan has: methods, stages, ``final`` and ``alone``.

    Args:
        content: Of scan.json.

    """
    points = [point for point in content["points"] if not point["failed"]]
    if not points:
        return []
    methods = [key for key in METHODS if any(point["energies"].get(key) is not None for point in points)]
    names = [stage["name"] for stage in points[0]["stages"][:-1]]
    shared = [name for name in names if all(name in [s["name"] for s in p["stages"][:-1]] for p in points)]
    return [*methods, *shared, FINAL, *([ALONE] if any(point["alone"] for point in points) else [])]


def curve_label(content: Content, key: str) -> str:
    """Return what a curve is called: ``final`` is one structure for all or each point's own."""
    if key == FINAL:
        return "each" if content["structure"] == "each" else "common"
    return {ALONE: "each"}.get(key, METHODS.get(key, key))


def stage_of(point: Content, key: str) -> Content | None:
    """Return the stage of a point that belongs to a curve, None for methods and where there is none."""
    if key == ALONE:
        return point["alone"]
    if not point["stages"]:
        return None
    if key == FINAL:
        return point["stages"][-1]
    return next((stage for stage in point["stages"] if stage["name"] == key), None)


def energy_at(point: Content, key: str) -> float | None:
    """Return the energy of a curve at a point, None where it is not known."""
    if key in METHODS or key == "exact":
        return point["energies"].get(key)
    stage = stage_of(point, key)
    return None if stage is None else stage["energy"]


def error_at(point: Content, key: str) -> float | None:
    """Return the error of a curve at a point: to the exact energy, without one to the ansatz as built."""
    energy, exact = energy_at(point, key), energy_at(point, "exact")
    exact = energy_at(point, "full") if exact is None else exact
    return None if energy is None or exact is None else energy - exact


def curve_row(content: Content, key: str) -> dict[str, Any]:
    """Return how good and how smooth a curve is.

    The non-parallelity error is the largest minus the smallest error along the curve. Kinks show in second differences
    of the error, e_(k-1) - 2 e_k + e_(k+1): the largest jump from one of them to the next is that of four neighbouring
    points; the exact curve is smooth and drops out.

    Args:
        content: Of scan.json.
        key: One of `scan_curves`.

    Returns:
        key, label, n_parameters and n_two_qubit_gates (smallest and largest, or None), largest_error (of magnitude, so
        never negative), the value of the coordinate ``at`` it, non_parallelity and largest_jump in the unit of
        energies, None where not known.

    """
    points = content["points"]
    errors = [None if point["failed"] else error_at(point, key) for point in points]
    known = [(error, point["value"]) for error, point in zip(errors, points, strict=True) if error is not None]
    worst = max(known, key=lambda each: abs(each[0]), default=None)
    stages = [stage for stage in (stage_of(p, key) for p in points if not p["failed"] and key not in METHODS) if stage]
    counts = {
        name: [min(s[name] for s in stages), max(s[name] for s in stages)] if stages else None
        for name in ("n_parameters", "n_two_qubit_gates")
    }
    return {
        "key": key,
        "label": curve_label(content, key),
        **counts,
        "largest_error": None if worst is None else abs(worst[0]),
        "at": None if worst is None else worst[1],
        "non_parallelity": max(known)[0] - min(known)[0] if known else None,
        "largest_jump": largest_jump(errors),
    }


def largest_jump(errors: Sequence[float | None]) -> float | None:
    """Return the largest jump between neighbouring second differences, None where no four neighbours are known."""
    jumps = []
    for k in range(len(errors) - 3):
        four = [error for error in errors[k : k + 4] if error is not None]
        if len(four) == 4:
            jumps.append(abs(four[3] - 3.0 * four[2] + 3.0 * four[1] - four[0]))
    return max(jumps, default=None)


def point_header(content: Content, *, errors: bool = True) -> list[str]:
    """Return what the texts of `point_rows` are."""
    coordinate, unit = content["coordinate"], content["unit"]
    name = coordinate["name"].replace("_", " ") + (f" / {coordinate['unit']}" if coordinate["unit"] else "")
    labels = [curve_label(content, key) for key in scan_curves(content)]
    return [name, f"exact / {unit}", *labels, *(["parameters", "2-qubit gates"] if errors else [])]


def point_rows(content: Content, *, errors: bool = True) -> list[list[str]]:
    """Return texts of every point: its value, exact energy, the errors of all curves and its size; or energies."""
    rows = []
    for point in content["points"]:
        value, exact = f"{point['value']:.10g}", energy_at(point, "exact")
        if point["failed"]:
            rows.append([value, "failed"])
            continue
        cells = []
        for key in scan_curves(content):
            number = error_at(point, key) if errors else energy_at(point, key)
            energy = "" if number is None else f"{number:.8f}"
            cells.append(format_error(number, content["unit"]) if errors else energy)
        sizes = [str(point["stages"][-1][name]) for name in ("n_parameters", "n_two_qubit_gates")]
        rows.append([value, "" if exact is None else f"{exact:.8f}", *cells, *(sizes if errors else [])])
    return rows


def curve_header(content: Content) -> list[str]:
    """Return what the texts of `curve_rows` are."""
    coordinate, name = content["coordinate"], error_unit(content["unit"])[1]
    at = f"at / {coordinate['unit']}" if coordinate["unit"] else f"at {coordinate['name']}"
    sizes = ["curve", "parameters", "2-qubit gates"]
    return [*sizes, f"largest |error| / {name}", at, f"non-parallelity / {name}", f"largest jump / {name}"]


def curve_rows(content: Content) -> list[list[str]]:
    """Return one row of texts a curve: its size, its largest error and how smooth it is."""
    rows = []
    for row in content["curves"]:
        counts = [_range(row[name]) for name in ("n_parameters", "n_two_qubit_gates")]
        at = "" if row["at"] is None else f"{row['at']:.10g}"
        numbers = [format_error(row[name], content["unit"]) for name in ("largest_error", "non_parallelity")]
        jump = format_error(row["largest_jump"], content["unit"])
        rows.append([row["label"], *counts, numbers[0], at, numbers[1], jump])
    return rows


def _range(pair: Sequence[int] | None) -> str:
    if pair is None:
        return ""
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}-{pair[1]}"


def scan_headline(content: Content) -> str:
    """Return what a scan found in one line: where it went, the sizes, and the largest error."""
    values, coordinate = [point["value"] for point in content["points"]], content["coordinate"]
    span = f"{coordinate['name'].replace('_', ' ')} {values[0]:.10g} to {values[-1]:.10g} {coordinate['unit']}".strip()
    row = next((row for row in content["curves"] if row["key"] == FINAL), None)
    if row is None or row["largest_error"] is None:
        return f"{content['name']}, {span}"
    low, high = row["n_parameters"]
    sizes = counted(high, "parameter") if low == high else f"{low}-{high} parameters"
    worst = f"{format_error(row['largest_error'], content['unit'])} {error_unit(content['unit'])[1]}"
    return f"{content['name']}, {span}: {sizes}, error at most {worst}"


def scan_lines(content: Content) -> list[str]:
    """Return in words what structure the curve has, and what the user must know."""
    lines = []
    for piece in content["segments"]:
        first, last = (content["points"][piece["positions"][k]]["value"] for k in (0, -1))
        span = f"{first:.10g}" if first == last else f"{first:.10g} to {last:.10g}"
        sizes = f"{counted(piece['n_parameters'], 'parameter')} on {counted(len(piece['rotations']), 'rotation')}"
        lines.append(": ".join([f"{span}: one structure, {sizes}", *filter(None, [", ".join(piece["rotations"])])]))
    lines += [f"failed at {p['value']:.10g}: {p['failed']}" for p in content["points"] if p["failed"]]
    return [*lines, *(f"Note: {note}" for note in content["notes"])]


def format_scan(content: Content) -> str:
    """Return the tables of a scan as text.

    Args:
        content: Of scan.json.

    """
    name = error_unit(content["unit"])[1]
    versus = "exact" if any(energy_at(p, "exact") is not None for p in content["points"]) else "full"
    return "\n".join(
        [
            f"\n{content['name']}, errors to the {versus} energy in {name}",
            _columns(point_header(content), point_rows(content)),
            "",
            _columns(curve_header(content), curve_rows(content)),
            "non-parallelity: largest minus smallest error; jump: of neighbouring second differences of the error",
            *scan_lines(content),
        ]
    )


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as wide as its texts; rows may end early."""
    widths = [max(len(line[k]) for line in (header, *rows) if k < len(line)) for k in range(len(header))]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=False)) for line in (header, *rows)
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
