"""Molecules as users give them: by name, as a YAML or XYZ file, with names for lengths and angles in the geometry."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from vqe_prune.errors import InputError, first_line, near_misses, shortened
from vqe_prune.fcidump import is_fcidump, read_header
from vqe_prune.files import check_name, check_ordinary, parse_yaml
from vqe_prune.overrides import LARGEST_WHOLE
from vqe_prune.settings import OF_PROGRAM, MoleculeSettings

LARGEST_FILE = 2**20
"""Bytes of the largest molecule file that is read; a geometry of 10,000 atoms takes less."""

LARGEST_YAML = 2**18
"""Likewise of YAML, which is slow to read."""


@cache
def molecules_folder() -> Path:
    """Return the folder of molecule files: inside the installed package, else beside it in a checkout."""
    package = Path(__file__).parent
    return package / "molecules" if (package / "molecules").is_dir() else package.parent / "molecules"


def molecule_names() -> list[str]:
    """Return the names of the molecules that come with the package."""
    return list(_names_in(molecules_folder()))


@cache
def _names_in(folder: Path) -> tuple[str, ...]:
    return tuple(sorted((path.stem for path in folder.glob("*.yaml")), key=lambda name: (len(name), name)))


def molecule_source(name: str) -> dict[str, Any]:
    """Fields of a molecule given by name, YAML file, XYZ file or FCIDUMP."""
    path = Path(name)
    if name in molecule_names():
        return {**_read_yaml(molecules_folder() / f"{name}.yaml"), "source": name}
    if path.suffix.lower() in (".yaml", ".yml"):
        return {**_read_yaml(path), "source": name}
    if path.suffix.lower() == ".xyz":
        return {"name": path.stem, "geometry": _read_xyz(path), "source": name}
    if is_fcidump(path):
        spin = read_header(path).spin
        return {"name": path.stem, "fcidump": name, "source": name, "basis": None, "spin": spin}
    if "/" in name or path.exists():
        raise InputError(f"molecule={name}: a molecule file must end in .yaml or .xyz, or be an FCIDUMP")
    if "," in name:
        raise InputError(f"unknown molecule {name!r}; for several, one run each, add --multirun")
    raise InputError(f"unknown molecule {name!r}{near_misses(name, molecule_names())}")


def _read_text(path: Path, largest: int = LARGEST_FILE) -> str:
    try:
        check_ordinary(path, f"molecule={path}")
        if path.stat().st_size > largest:
            raise InputError(f"molecule={path}: larger than {largest} bytes, not a molecule file")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"molecule={path}: not a text file") from error
    except OSError as error:
        raise InputError(f"molecule={path}: {error.strerror}") from error
    if not text.strip():
        raise InputError(f"molecule={path}: the file is empty")
    if "\0" in text:
        raise InputError(f"molecule={path}: not a text file")
    if "${" in text:
        raise InputError(f"molecule={path}: interpolation is not allowed in molecule files")
    return text


def _read_yaml(path: Path) -> dict[str, Any]:
    """Fields of a molecule file; names and types are checked."""
    text = _read_text(path, LARGEST_YAML)
    try:
        content = parse_yaml(text)
    except ValueError as error:
        raise InputError(f"molecule={path}: not YAML ({first_line(error)})") from error
    if not isinstance(content, dict):
        raise InputError(f"molecule={path}: must hold fields such as geometry and basis")
    known = [entry.name for entry in fields(MoleculeSettings) if f"molecule.{entry.name}" not in OF_PROGRAM]
    for key, value in content.items():
        if key not in known:
            raise InputError(f"molecule={path}: unknown field {shortened(key)!r}{near_misses(shortened(key), known)}")
        if isinstance(value, list) and key.startswith("active_") and all(type(item) is int for item in value):
            continue
        if isinstance(value, dict) and key in ("basis", "ecp"):
            continue  # names of elements and of basis sets are checked later
        if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
            raise InputError(f"molecule={path}: field {key!r} must be at most {LARGEST_WHOLE}")
        if not isinstance(value, str | int | float | None):
            raise InputError(f"molecule={path}: field {key!r} must be text or a number")
    if "geometry" not in content:
        raise InputError(f"molecule={path}: the field geometry is missing")
    if "name" in content:
        check_name(content["name"], f"molecule={path}: the field name")
    return {"name": path.stem, **content}


def _read_xyz(path: Path) -> str:
    """Rows of an XYZ file as geometry text."""
    lines = _read_text(path).splitlines()
    try:
        count = int(lines[0].split()[0])
    except (ValueError, IndexError) as error:
        raise InputError(
            f"molecule={path}: line 1 must be the number of atoms, but it is {shortened(lines[0])!r}"
        ) from error
    rows = [line for line in lines[2:] if line.strip()]
    if count < 1 or len(rows) != count:
        raise InputError(f"molecule={path}: line 1 announces {count} atoms, but {len(rows)} rows follow line 2")
    for number, row in enumerate(rows, start=3):
        if len(row.split()) < 4:
            raise InputError(
                f"molecule={path}: line {number} must be an element and x y z, but it is {shortened(row)!r}"
            )
    return "\n".join(" ".join(row.split()[:4]) for row in rows)


def read_geometry(settings: MoleculeSettings) -> tuple[tuple[str, tuple[float, float, float]], ...]:
    """Turn geometry text into atoms.

    A row is ``symbol x y z`` in angstrom, or a Z-matrix row ``symbol [atom length [atom angle [atom dihedral]]]`` in
    angstrom and degrees with atoms counted from 1. For a number may stand a name, with a sign or a factor:
    ``-bond_length``, ``2*bond_length``.

    Args:
        settings: Geometry text and the values of its names.

    Returns:
        Symbol and position (angstrom) of each atom.

    Raises:
        InputError: A row cannot be read, or a name has no value or no use.

    """
    where = f"molecule {settings.name}"
    rows = [row.split() for row in settings.geometry.replace(";", "\n").splitlines() if row.strip()]
    if not rows:
        raise InputError(f"{where}: the geometry is empty")
    names = ("bond_length", "angle", "dihedral")
    used = {name for name in names if any(name in token for row in rows for token in row)}
    for name in names:
        value = getattr(settings, name)
        if value is not None and name not in used:
            raise InputError(f"molecule.{name} has no effect: the geometry of {settings.name} does not use it")
        if value is not None and not math.isfinite(value):
            raise InputError(f"molecule.{name}={value} must be a finite number")
    cartesian = len(rows[0]) == 4
    atoms = []
    for number, row in enumerate(rows, start=1):
        expected = 4 if cartesian else (1, 3, 5, 7)[min(number, 4) - 1]
        if len(row) != expected:
            kind = "symbol x y z" if cartesian else "a Z-matrix row"
            raise InputError(
                f"{where}: row {number} of the geometry must be {kind}, but it is {shortened(' '.join(row))!r}"
            )
        symbol = row[0][:1].upper() + row[0][1:].lower()
        if not re.fullmatch("[A-Z][a-z]{0,9}", symbol):  # elements are checked later, but this is none
            raise InputError(f"{where}, row {number}: unknown element {shortened(row[0])!r}")
        atoms.append((symbol, [_number(token, settings, f"{where}, row {number}") for token in row[1:]]))
    if cartesian:
        return tuple((symbol, (numbers[0], numbers[1], numbers[2])) for symbol, numbers in atoms)
    return _from_z_matrix(atoms, where)


def _number(token: str, settings: MoleculeSettings, where: str) -> float:
    match = re.fullmatch(r"([+-]?)(?:([0-9.]+)\*)?(bond_length|angle|dihedral)", token)
    try:
        if match is None:
            value = float(token)
        else:
            sign, factor, name = match.groups()
            named = getattr(settings, name)
            if named is None:
                raise InputError(f"{where}: molecule.{name} is used but has no value; set molecule.{name}=...")
            value = float(f"{sign}1") * float(factor or 1) * named
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{where}: {shortened(token)!r} is neither a number nor bond_length, angle or dihedral"
        ) from error
    if not math.isfinite(value):
        raise InputError(f"{where}: {shortened(token)!r} is not a finite number")
    return value


def _from_z_matrix(
    rows: list[tuple[str, list[float]]], where: str
) -> tuple[tuple[str, tuple[float, float, float]], ...]:
    """Positions by PySCF, after checking what it would only assert."""
    from pyscf import gto
    from pyscf.data.elements import ELEMENTS

    for number, (symbol, values) in enumerate(rows, start=1):
        if symbol not in ELEMENTS[1:]:
            raise InputError(f"{where}, row {number}: unknown element {symbol!r}")
        partners = values[0::2]
        if any(p != int(p) or not 1 <= p < number for p in partners) or len(set(partners)) != len(partners):
            raise InputError(f"{where}: row {number} of the Z-matrix must refer to different earlier atoms")
        if (values and values[1] <= 0) or (len(values) > 3 and not 0 < values[3] <= 180):
            raise InputError(f"{where}: row {number} needs a length above 0 and an angle in (0, 180]")
    text = "\n".join(
        " ".join([symbol, *(f"{int(v)}" if k % 2 == 0 else repr(v) for k, v in enumerate(values))])
        for symbol, values in rows
    )
    positions = gto.mole.from_zmatrix(text)
    return tuple(
        (symbol, (float(p[0]), float(p[1]), float(p[2]))) for (symbol, _), (_, p) in zip(rows, positions, strict=True)
    )
