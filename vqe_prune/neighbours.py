"""Mean fields along a curve: solutions handed on from neighbour to neighbour, orbitals followed, changes in words."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.alignment import difference, follow_orbitals
from vqe_prune.chemistry import MeanField, Molecule, solve_mean_field
from vqe_prune.dipole import Dipole
from vqe_prune.electrons import Electrons
from vqe_prune.errors import ConvergenceError, InputError
from vqe_prune.parallel import Failure, failure_of
from vqe_prune.problem import Problem, mean_field_problem
from vqe_prune.run_folder import read_arrays, write_atomically
from vqe_prune.symmetry import spin_orbital_symmetries
from vqe_prune.wording import listed

Vector = NDArray[np.float64]

LOWER_SOLUTION = 1e-6
"""Another solution of SCF must lie this much (hartree) lower to be one; SCF converges to 1e-10."""

OTHER_REFERENCE = 0.5
"""Overlap of two neighbours' references, squared, below which the reference is said to change between them."""

OTHER_ORBITAL = 0.5
"""Overlap of two neighbours' orbitals, squared, below which an orbital is said to change its character."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CurvePoint:
    """The problem of one point of a curve.

    Attributes:
        problem: Its problem.
        frame: Its active orbitals in orthonormal functions that move with the atoms; shape (n_atomic, n_active).

    """

    problem: Problem
    frame: Vector


@dataclass(frozen=True, eq=False, kw_only=True)
class Segment:
    """Neighbouring points that can share an ansatz.

    Attributes:
        positions: Of the points on the curve, ascending.
        problems: Their problems, orbitals in one order and with one sign.

    """

    positions: tuple[int, ...]
    problems: tuple[Problem, ...]


def solve_curve(
    molecules: Sequence[Molecule], names: Sequence[str]
) -> tuple[list[Vector | Failure], list[float | None], list[str]]:
    """Solve the mean field of every point, from the usual guess and from its neighbours' densities; the lower counts.

    Far from equilibrium SCF ends at several solutions, and the usual guess may lead to a higher one. From the point of
    lowest energy outwards, and back, each point is solved from the density of the one before as well, carried along
    with the atoms, S^(1/2) D S^(1/2). Ours.

    Args:
        molecules: Neighbours in the order of the curve.
        names: What each point is called, such as ``1.5 angstrom``.

    Returns:
        For each point the density matrix in atomic orbitals or why there is none; SCF energies (hartree); and in words
        where a neighbour led lower, and where the reference changes.

    """
    usual = [_attempt(molecule) for molecule in molecules]
    found = list(usual)
    solved = [k for k, each in enumerate(found) if isinstance(each, MeanField)]
    if solved:
        seed = min(solved, key=lambda k: _energy(found[k]))
        outwards = [(k - 1, k) for k in range(seed + 1, len(found))] + [(k + 1, k) for k in reversed(range(seed))]
        for source, k in (*outwards, *((k, source) for source, k in reversed(outwards))):
            before = found[source]
            if isinstance(before, MeanField):
                other = _attempt(molecules[k], continued(before))
                if _energy(other) < _energy(found[k]) - LOWER_SOLUTION:
                    found[k] = other
    return (
        [np.asarray(each.scf.make_rdm1()) if isinstance(each, MeanField) else each for each in found],
        [each.energy if isinstance(each, MeanField) else None for each in found],
        [*_replaced(usual, found, names), *_changes(found, names)],
    )


def _attempt(molecule: Molecule, start: Callable[[Any], Vector] | None = None) -> MeanField | Failure:
    try:
        return solve_mean_field(molecule, start=start)
    except (InputError, ConvergenceError) as error:  # orbitals=uno where UHF is RHF: a matter of this point alone
        return failure_of(error)


def _energy(found: MeanField | Failure) -> float:
    return found.energy if isinstance(found, MeanField) else np.inf


def _power(overlap: Vector, exponent: float) -> Vector:
    values, vectors = np.linalg.eigh(overlap)
    return (vectors * values**exponent) @ vectors.T


def carried_orbitals(mean_field: MeanField) -> Vector:
    """Return S^(1/2) C: the active orbitals in Löwdin's orthonormal functions, which move with the atoms.

    The product of two neighbours' matrices holds the overlaps of their orbitals but for what the motion of the atoms
    itself takes away, so that the same orbital has overlap near 1 at any step.
    """
    return _power(mean_field.scf.get_ovlp(), 0.5) @ mean_field.orbitals


def continued(before: MeanField) -> Callable[[Any], Vector]:
    """Return what makes the density that a neighbour's SCF starts from, out of PySCF's molecule of the neighbour."""
    root = _power(before.scf.get_ovlp(), 0.5)
    carried = root @ np.asarray(before.scf.make_rdm1()) @ root

    def start(mol: Any) -> Vector:
        inverse = _power(mol.intor_symmetric("int1e_ovlp"), -0.5)
        return inverse @ carried @ inverse

    return start


def _replaced(
    usual: Sequence[MeanField | Failure], found: Sequence[MeanField | Failure], names: Sequence[str]
) -> list[str]:
    """Say where a neighbour's density led lower than the usual guess."""
    notes = []
    lower = [k for k, each in enumerate(found) if each is not usual[k] and isinstance(usual[k], MeanField)]
    if lower:
        gain = max(1e3 * (_energy(usual[k]) - _energy(found[k])) for k in lower)
        notes.append(
            f"at {listed([names[k] for k in lower])} SCF from the usual guess ends up to {gain:.3f} mHa above the "
            f"solution that continues the neighbour's: the lower one is the reference"
        )
    rescued = [k for k, each in enumerate(found) if each is not usual[k] and isinstance(usual[k], Failure)]
    if rescued:
        where = listed([names[k] for k in rescued])
        notes.append(f"at {where} SCF converges from the neighbour's density only, not from the usual guess")
    return notes


def _changes(found: Sequence[MeanField | Failure], names: Sequence[str]) -> list[str]:
    """Say where two neighbours' references hardly overlap."""
    notes = []
    solved = [
        (k, each.electrons, carried_orbitals(each)) for k, each in enumerate(found) if isinstance(each, MeanField)
    ]
    for (k, electrons, one), (m, _, other) in pairwise(solved):
        overlaps = one.T @ other
        alpha, beta = (float(np.linalg.det(overlaps[:n, :n])) for n in (electrons.n_alpha, electrons.n_beta))
        if overlaps.shape[0] == overlaps.shape[1] and (alpha * beta) ** 2 < OTHER_REFERENCE:
            notes.append(
                f"between {names[k]} and {names[m]} the Hartree-Fock reference changes: the two overlap by "
                f"{(alpha * beta) ** 2:.2f} only (1 for the same), so energies that start from it may jump"
            )
    return notes


def solve_point(molecule: Molecule, density: Vector, exact: bool, path: Path, key: str) -> CurvePoint:
    """Return the problem of a point, out of its file where it is there, else computed and written.

    Args:
        molecule: The point's molecule.
        density: Of its mean field, in atomic orbitals.
        exact: Compute the exact energy.
        path: The file, in an existing folder.
        key: What the file must be of; another file is computed anew.

    Raises:
        ConvergenceError: SCF or the exact solver does not converge.

    """
    known = read_point(molecule, path, key)
    if known is not None:
        return known
    mean_field = solve_mean_field(molecule, start=lambda mol: density)
    point = CurvePoint(
        problem=mean_field_problem(molecule, mean_field, exact=exact), frame=carried_orbitals(mean_field)
    )
    _write_point(point, path, key)
    return point


def _write_point(point: CurvePoint, path: Path, key: str) -> None:
    """Write a point as arrays and a text; no pickle."""
    electrons, problem = point.problem.electrons, point.problem
    content = {
        "key": key,
        "constant": electrons.constant,
        "n_alpha": electrons.n_alpha,
        "n_beta": electrons.n_beta,
        "group": electrons.group,
        "energies": dict(problem.energies),
        "dipoles": {name: list(moment) for name, moment in problem.dipoles.items()},
        "warnings": list(problem.warnings),
    }
    arrays: dict[str, Any] = {
        "one_body": electrons.one_body,
        "two_body": electrons.two_body,
        "irreps": electrons.irreps,
        "frame": point.frame,
        "content": np.array(json.dumps(content)),
    }
    if electrons.dipole is not None:
        arrays["dipole_fixed"], arrays["dipole_position"] = electrons.dipole.fixed, electrons.dipole.position
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def read_point(molecule: Molecule, path: Path, key: str) -> CurvePoint | None:
    """Return the point in a file, None where there is none or it is of something else."""
    try:
        arrays: dict[str, Any] = read_arrays(path)
        content = json.loads(str(arrays["content"]))
        if content["key"] != key:
            return None
        dipole = None
        if "dipole_fixed" in arrays:
            dipole = Dipole(fixed=arrays["dipole_fixed"], position=arrays["dipole_position"])
        electrons = Electrons(
            one_body=arrays["one_body"],
            two_body=arrays["two_body"],
            constant=content["constant"],
            n_alpha=content["n_alpha"],
            n_beta=content["n_beta"],
            irreps=arrays["irreps"],
            group=content["group"],
            dipole=dipole,
        )
        frame = arrays["frame"]
    except (OSError, ValueError, KeyError):
        return None  # it is solved again
    problem = Problem(
        name=molecule.name,
        electrons=electrons,
        symmetries=spin_orbital_symmetries(electrons),
        energies=content["energies"],
        molecule=molecule,
        dipoles={name: tuple(moment) for name, moment in content["dipoles"].items()},
        warnings=tuple(content["warnings"]),
    )
    return CurvePoint(problem=problem, frame=frame)


def segments(points: Sequence[CurvePoint | Failure], names: Sequence[str]) -> tuple[list[Segment], list[str]]:
    """Cut a curve where neighbours cannot share an ansatz, and follow the orbitals along each piece.

    Args:
        points: In the order of the curve; failed ones are left out, their neighbours are each other's.
        names: What each point is called.

    Returns:
        The pieces, and in words where and why the curve is cut and where an orbital changes its character.

    """
    notes: list[str] = []
    pieces: list[list[int]] = []
    for k, point in enumerate(points):
        if isinstance(point, Failure):
            continue
        before = points[pieces[-1][0]] if pieces else None
        reason = difference(before.problem, point.problem) if isinstance(before, CurvePoint) else ""
        if pieces and not reason:
            pieces[-1].append(k)
            continue
        if pieces:
            notes.append(
                f"between {names[pieces[-1][-1]]} and {names[k]} the problem changes: at {names[k]} {reason}; each "
                f"side has its own structure"
            )
        pieces.append([k])
    found = []
    for piece in pieces:
        chosen = [point for point in (points[k] for k in piece) if isinstance(point, CurvePoint)]
        named = [
            replace(each.problem, name=f"{each.problem.name} {names[k]}") for k, each in zip(piece, chosen, strict=True)
        ]
        problems, frames = follow_orbitals(named, [each.frame for each in chosen])
        found.append(Segment(positions=tuple(piece), problems=problems))
        for k, m, one, other in zip(piece, piece[1:], frames, frames[1:], strict=False):
            kept = np.einsum("ap,ap->p", one, other) ** 2
            if kept.min() < OTHER_ORBITAL:
                notes.append(
                    f"between {names[k]} and {names[m]} orbital {int(kept.argmin())} keeps {kept.min():.2f} of itself "
                    f"(overlap squared): an avoided crossing; smaller steps would follow it better"
                )
    return found, notes
