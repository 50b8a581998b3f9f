"""Settings of a study: what can be set, its defaults, and checks that say what to type instead.

The command line is Hydra's override grammar, parsed by Hydra and type-checked by OmegaConf. Settings are data: no value
is ever imported, called, evaluated or interpolated, and a molecule file from a stranger runs nothing.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from vqe_prune.errors import InputError

LARGEST_FILE = 2**20
"""Bytes of the largest molecule file that is read; a geometry of 10,000 atoms takes less."""

ANSATZE = ("uccsd",)
RULES = ("symmetry", "curvature", "magnitude", "random", "fisher")
REFERENCES = ("exact", "full")


@dataclass
class MoleculeSettings:
    """A molecule: a geometry in XYZ rows or as a Z-matrix, in which bond_length, angle and dihedral may stand."""

    name: str = "LiH"
    geometry: str = ""
    bond_length: float | None = None
    angle: float | None = None
    dihedral: float | None = None
    basis: str = "sto-3g"
    charge: int = 0
    spin: int = 0
    active_space: list[int] | None = None
    frozen_core: bool = False


@dataclass
class AnsatzSettings:
    """The ansatz to start from."""

    name: str = "uccsd"


@dataclass
class OptimizerSettings:
    """When an optimisation is done."""

    gradient_tolerance: float = 1e-7
    max_steps: int = 2000


@dataclass
class PrunerSettings:
    """The rules in their order, and how far they go: to an error (hartree) or to a number of parameters."""

    rules: list[str] = field(default_factory=lambda: ["symmetry", "curvature"])
    tolerance: float = 1.5e-3
    relative_to: str = "exact"
    parameters: int | None = None


@dataclass
class Settings:
    """Everything a study depends on."""

    molecule: MoleculeSettings = field(default_factory=MoleculeSettings)
    ansatz: AnsatzSettings = field(default_factory=AnsatzSettings)
    pruner: PrunerSettings = field(default_factory=PrunerSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    exact: bool = True
    seed: int = 0
    threads: int | None = None
    output_dir: str | None = None


GROUPS = {"molecule": "name", "ansatz": "name", "pruner": "rules"}
"""Short forms: ``pruner=curvature`` sets ``pruner.rules`` to [symmetry,curvature]; a list is taken as it is."""

NOT_IN_DIGEST = ("output_dir", "threads")
"""Settings that change where or how fast a study runs, not what it finds."""


def digest(settings: Settings) -> str:
    """Return the first 12 hex digits of the SHA-256 of the settings that decide the result."""
    content = {key: value for key, value in asdict(settings).items() if key not in NOT_IN_DIGEST}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def command_line(settings: Mapping[str, Any]) -> str:
    """Return the command that repeats a study with these settings (the fields of `Settings` as mappings).

    Settings at their default are left out; a molecule that does not come with the package stands as FILE.
    """
    name = settings["molecule"]["name"]
    shipped = name in molecule_names()
    usual = asdict(Settings(molecule=MoleculeSettings(**(_molecule_source(name) if shipped else settings["molecule"]))))
    words = ["python -m vqe_prune", f"molecule={name if shipped else 'FILE'}"]
    for key in _known_keys(Settings):
        group, _, field_name = key.partition(".")
        value, default = settings[group], usual[group]
        if field_name:
            value, default = value[field_name], default[field_name]
        if value != default and key not in NOT_IN_DIGEST:
            words.append(f"{key}={str(value).replace(' ', '')}")
    return " ".join(words)


def output_folder(settings: Settings) -> Path:
    """Return the run's folder: ``output_dir``, else outputs/<problem>/<digest of the settings>."""
    if settings.output_dir is not None:
        return Path(settings.output_dir)
    return Path("outputs") / re.sub(r"[^A-Za-z0-9+_-]", "_", settings.molecule.name)[:80] / digest(settings)


def parse_settings(arguments: Sequence[str]) -> Settings:
    """Turn ``key=value`` arguments into checked settings.

    Args:
        arguments: Hydra overrides such as ``molecule=LiH`` or ``pruner.tolerance=1e-4``.

    Returns:
        The settings.

    Raises:
        InputError: A name or value is wrong or has no effect; the message names near misses.

    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    values = _parse_overrides(arguments)
    tree: dict[str, Any] = {}
    chosen_molecule = values.pop("molecule", MoleculeSettings.name)
    tree["molecule"] = _molecule_source(chosen_molecule)
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Settings), tree)
    except OmegaConfBaseException as error:
        raise InputError(f"molecule={chosen_molecule}: {error.full_key}: {_first_line(error)}") from error
    for key, value in values.items():
        try:
            OmegaConf.update(merged, key, value)
        except OmegaConfBaseException as error:
            raise InputError(f"{key}={_short(value)}: {_first_line(error)}") from error
    settings = OmegaConf.to_object(merged)
    assert isinstance(settings, Settings)
    _check(settings, set(values))
    return settings


def _parse_overrides(arguments: Sequence[str]) -> dict[str, Any]:
    """Keys in dotted form and their plain values; group names stand for their main key."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    known = _known_keys(Settings)
    values: dict[str, Any] = {}
    for argument in arguments:
        if argument.startswith("-"):
            raise InputError(f"unknown option {argument}; settings are written key=value, see --help")
        if "=" not in argument:
            hint = f"molecule={argument}" if "/" in argument or argument in molecule_names() else "key=value"
            raise InputError(f"{argument!r} is not a setting; write {hint}, see --help")
        key, _, text = argument.partition("=")
        if key not in known and key not in GROUPS:
            raise InputError(f"unknown setting {key!r}{_near(key, [*known, *GROUPS])}")
        if key == "molecule" or text == "":
            value: Any = text
        else:
            try:
                override = OverridesParser.create().parse_override(argument)
            except HydraException as error:
                raise InputError(
                    f"{argument}: cannot be read ({_first_line(error)}); quote text with spaces"
                ) from error
            if override.is_sweep_override():
                raise InputError(f"{argument}: several values for one run; give one, or a list in brackets: [a,b]")
            value = override.value()
        if "${" in str(value):
            raise InputError(f"{argument}: interpolation is not allowed in settings")
        if key == "molecule" and not text:
            raise InputError(f"molecule= needs a name or a file; available: {', '.join(molecule_names())}")
        if _main_key(key) in values:
            raise InputError(f"{argument}: {_main_key(key)} is set twice; leave one of them out")
        values[_main_key(key)] = _plain(value, key)
    return values


def _main_key(key: str) -> str:
    return key if key == "molecule" or key not in GROUPS else f"{key}.{GROUPS[key]}"


def _plain(value: Any, key: str) -> Any:
    """Hydra's parsed value as plain Python; a single rule has symmetry, which is exact, before it."""
    if isinstance(value, list):
        return [_plain(item, "") for item in value]
    if isinstance(value, dict):
        raise InputError(f"{key}: a mapping is not a value here; set its entries one by one")
    if key == "pruner":
        return ["symmetry"] if value == "symmetry" else ["symmetry", str(value)]
    return str(value) if type(value).__name__ == "QuotedString" else value


def _known_keys(schema: type, prefix: str = "") -> list[str]:
    """Dotted names of all settings."""
    keys = []
    for entry in fields(schema):
        default = entry.default_factory() if callable(entry.default_factory) else entry.default
        if is_dataclass(default):
            keys += _known_keys(type(default), f"{prefix}{entry.name}.")
        else:
            keys.append(prefix + entry.name)
    return keys


def _near(name: str, options: Iterable[str]) -> str:
    options = list(options)
    lowered = {option.lower(): option for option in options}
    close = [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.55)]
    if close:
        return f"; did you mean {', '.join(close)}?"
    return f"; available: {', '.join(options)}"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def molecules_folder() -> Path:
    """Return the folder of molecule files: inside the installed package, else beside it in a checkout."""
    package = Path(__file__).parent
    return package / "molecules" if (package / "molecules").is_dir() else package.parent / "molecules"


def molecule_names() -> list[str]:
    """Return the names of the molecules that come with the package."""
    return sorted((path.stem for path in molecules_folder().glob("*.yaml")), key=lambda name: (len(name), name))


def _molecule_source(name: str) -> dict[str, Any]:
    """Fields of a molecule given by name, YAML file or XYZ file."""
    path = Path(name)
    if name in molecule_names():
        return _read_yaml(molecules_folder() / f"{name}.yaml")
    if path.suffix.lower() in (".yaml", ".yml"):
        return _read_yaml(path)
    if path.suffix.lower() == ".xyz":
        return {"name": path.stem, "geometry": _read_xyz(path)}
    if "/" in name or path.exists():
        raise InputError(f"molecule={name}: a molecule file must end in .yaml or .xyz")
    raise InputError(f"unknown molecule {name!r}{_near(name, molecule_names())}")


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise InputError(f"molecule={path}: no such file")
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"molecule={path}: larger than {LARGEST_FILE} bytes, not a molecule file")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"molecule={path}: not a text file") from error
    except OSError as error:
        raise InputError(f"molecule={path}: {error.strerror}") from error
    if not text.strip():
        raise InputError(f"molecule={path}: the file is empty")
    if "${" in text:
        raise InputError(f"molecule={path}: interpolation is not allowed in molecule files")
    return text


def _read_yaml(path: Path) -> dict[str, Any]:
    """Fields of a molecule file; names and types are checked."""
    import yaml

    text = _read_text(path)
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"molecule={path}: not YAML ({_first_line(error)})") from error
    if not isinstance(content, dict):
        raise InputError(f"molecule={path}: must hold fields such as geometry and basis")
    known = [entry.name for entry in fields(MoleculeSettings)]
    for key, value in content.items():
        if key not in known:
            raise InputError(f"molecule={path}: unknown field {key!r}{_near(str(key), known)}")
        if isinstance(value, list) and key == "active_space" and all(type(item) is int for item in value):
            continue
        if not isinstance(value, str | int | float | None):
            raise InputError(f"molecule={path}: field {key!r} must be text or a number")
    if "geometry" not in content:
        raise InputError(f"molecule={path}: the field geometry is missing")
    content.setdefault("name", path.stem)
    return content


def _read_xyz(path: Path) -> str:
    """Rows of an XYZ file as geometry text."""
    lines = _read_text(path).splitlines()
    try:
        count = int(lines[0].split()[0])
    except (ValueError, IndexError) as error:
        raise InputError(
            f"molecule={path}: line 1 must be the number of atoms, but it is {_short(lines[0])!r}"
        ) from error
    rows = [line for line in lines[2:] if line.strip()]
    if count < 1 or len(rows) != count:
        raise InputError(f"molecule={path}: line 1 announces {count} atoms, but {len(rows)} rows follow line 2")
    for number, row in enumerate(rows, start=3):
        if len(row.split()) < 4:
            raise InputError(f"molecule={path}: line {number} must be an element and x y z, but it is {_short(row)!r}")
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
                f"{where}: row {number} of the geometry must be {kind}, but it is {_short(' '.join(row))!r}"
            )
        symbol = row[0][:1].upper() + row[0][1:].lower()
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
            f"{where}: {_short(token)!r} is neither a number nor bond_length, angle or dihedral"
        ) from error
    if not math.isfinite(value):
        raise InputError(f"{where}: {_short(token)!r} is not a finite number")
    return value


def _from_z_matrix(
    rows: list[tuple[str, list[float]]], where: str
) -> tuple[tuple[str, tuple[float, float, float]], ...]:
    """Positions by PySCF, after checking what it would only assert."""
    from pyscf import gto

    for number, (_, values) in enumerate(rows, start=1):
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


def _check(settings: Settings, given: set[str]) -> None:
    """Raise InputError for values out of range and for settings without effect."""
    pruner = settings.pruner
    for rule in pruner.rules:
        if rule not in RULES:
            raise InputError(f"unknown pruner {rule!r}{_near(rule, RULES)}")
    if len(set(pruner.rules)) != len(pruner.rules) or not pruner.rules:
        raise InputError(f"pruner={pruner.rules} must name each rule once; available: {', '.join(RULES)}")
    if "symmetry" in pruner.rules[1:]:
        raise InputError("pruner: symmetry comes first, it is exact; write [symmetry,...]")
    if settings.ansatz.name not in ANSATZE:
        raise InputError(f"unknown ansatz {settings.ansatz.name!r}{_near(settings.ansatz.name, ANSATZE)}")
    if pruner.relative_to not in REFERENCES:
        raise InputError(f"unknown pruner.relative_to={pruner.relative_to}{_near(pruner.relative_to, REFERENCES)}")
    limits = {"pruner.tolerance", "pruner.relative_to", "pruner.parameters"} & given
    if pruner.rules == ["symmetry"] and limits:
        raise InputError(
            f"{min(limits)} has no effect with pruner=symmetry, which is exact; add a rule: [symmetry,curvature]"
        )
    if pruner.parameters is not None:
        useless = sorted(limits - {"pruner.parameters"})
        if useless:
            raise InputError(f"{useless[0]} has no effect beside pruner.parameters; leave one of them out")
        if pruner.parameters < 0:
            raise InputError(f"pruner.parameters={pruner.parameters} must be 0 or more")
    if "pruner.relative_to" in given and pruner.relative_to == "exact" and not settings.exact:
        raise InputError("pruner.relative_to=exact needs the exact energy; leave out exact=false")
    positive = {
        "pruner.tolerance": pruner.tolerance,
        "optimizer.gradient_tolerance": settings.optimizer.gradient_tolerance,
        "optimizer.max_steps": settings.optimizer.max_steps,
        "threads": 1 if settings.threads is None else settings.threads,
    }
    for key, value in positive.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{key}={value} must be above 0")
    if settings.seed < 0:
        raise InputError(f"seed={settings.seed} must be 0 or more")
    space = settings.molecule.active_space
    if space is not None and (len(space) != 2 or min(space) < 1):
        raise InputError(f"molecule.active_space={space} must be [electrons,orbitals], both at least 1")
