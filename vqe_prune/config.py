"""What a study can be told: the command line turned into checked settings, with errors that say what to type instead.

The command line is Hydra's override grammar, parsed by Hydra and type-checked by OmegaConf. Settings are data: no value
is ever imported, called, evaluated or interpolated, and a molecule file from a stranger runs nothing.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vqe_prune.console import check_level
from vqe_prune.device_settings import check_device
from vqe_prune.engine_settings import check_engine
from vqe_prune.errors import InputError, check_choice, near_misses
from vqe_prune.excitation_settings import FABRICS, check_excitations, fill_excitation_defaults
from vqe_prune.excited_settings import check_excited
from vqe_prune.files import LONGEST_LINE, check_name, hash_of
from vqe_prune.lie_settings import check_lie
from vqe_prune.molecule_input import molecule_names, molecule_source
from vqe_prune.molecule_settings import check_molecule
from vqe_prune.overrides import parse_override
from vqe_prune.scan_settings import check_scan, fill_scan_defaults, scanned_key
from vqe_prune.setting_types import listed, typed, wrong_kind
from vqe_prune.settings import (
    BLOCKS,
    CONNECTIVITIES,
    ENTANGLERS,
    NOT_IN_DIGEST,
    OF_ELECTRONS,
    OF_PROGRAM,
    MoleculeSettings,
    Settings,
    digest,
)
from vqe_prune.task_settings import check_task, data_files, fill_task_defaults, task_name, usual_task

ANSATZE = (*OF_ELECTRONS, "hardware_efficient", "hva", "qaoa")
RULES = ("symmetry", "eqntk", "lie", "curvature", "magnitude", "random", "fisher")
REFERENCES = ("exact", "full")
ENCODINGS = (
    "auto", "jordan_wigner", "parity", "bravyi_kitaev", "partial_pairs",
    "tapered_jordan_wigner", "tapered_parity", "tapered_bravyi_kitaev",
)  # fmt: skip
TREATMENTS = ("fixed", "absorb", "optimise")
METHODS = ("adam", "l-bfgs")

MODELS = {
    "tfim": ("j", "h"),
    "xxz": ("j", "delta"),
    "heisenberg": ("j",),
    "j1j2": ("j1", "j2"),
    "fermi_hubbard": ("t", "u", "electrons"),
}
"""Models and the settings that only some of them have."""

LATTICES = ("ring", "chain", "ladder", "square", "triangular", "kagome")
"""Lattices by name; those after ladder take model.shape, the others model.n."""

LAYERED = {"hardware_efficient": 12, "hva": 8, "qaoa": 8, **FABRICS}
"""Ansätze made of layers, and how many by default."""

MOST_LAYERS, MOST_THREADS = 5_000, 4_096

GROUPS = {
    "molecule": "name",
    "model": "name",
    "ansatz": "name",
    "pruner": "rules",
    "device": "name",
    "excited": "states",
    "task": "name",
}
"""Short forms: ``pruner=curvature`` sets ``pruner.rules``, for excitations to [symmetry,curvature]; lists stay."""

WITH_SYMMETRY = "with symmetry"
"""Marks a single rule until it is known whether the symmetry rule, which is exact, comes before it."""


def command_line(settings: Mapping[str, Any]) -> str:
    """Return the command that repeats a study with these settings (the fields of `Settings` as mappings), quoted.

    Settings at their default are left out, and those that the molecule's file gives; where the file has gone, its
    settings are taken for the study's.
    """
    if settings.get("task", {}).get("name") is not None:
        words, usual = [f"task={settings['task']['name']}"], usual_task(settings)
    elif settings["model"]["name"] is None:
        given = settings["molecule"]
        name = given.get("source") or given["name"]
        words = [f"molecule={name}"]
        try:
            usual = Settings(molecule=MoleculeSettings(**molecule_source(name)))
        except InputError:
            usual = Settings(molecule=MoleculeSettings(**given))
    else:
        words = [f"model={settings['model']['name']}"]
        if settings["model"]["lattice"] not in (None, "ring"):
            words.append(f"model.lattice={settings['model']['lattice']}")
        usual = Settings(molecule=MoleculeSettings(**settings["molecule"]))
        usual.model.name = settings["model"]["name"]
        usual.model.lattice = settings["model"]["lattice"]
    if usual.task.name is None:
        usual.ansatz.name = settings["ansatz"]["name"]
        check_molecule(usual.molecule, set())
        _fill_defaults(usual)
    if usual.task.name is None and settings["ansatz"]["name"] != _default_ansatz(usual):
        words.append(f"ansatz={settings['ansatz']['name']}")
    default_values = asdict(usual)
    short = {f"{group}.{name}": group for group, name in GROUPS.items() if group != "molecule"}
    scanned = scanned_key(settings.get("scan", {}))
    for key in _known_keys(Settings):
        group, _, field_name = key.partition(".")
        value, default = settings[group], default_values[group]
        if field_name:
            value, default = value[field_name], default[field_name]
        if value != default and value is not None and key not in (*NOT_IN_DIGEST, "model.lattice", scanned):
            words.append(f"{short.get(key, key)}={typed(value)}")
    return f"python -m vqe_prune {shlex.join(words)}"


def settings_of_run(folder: Path) -> Settings:
    """Return the settings with which a study began in a folder, out of its trace.

    Raises:
        InputError: The folder holds no study, or one of another version or of files that have changed since.

    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    path = folder / "trace.jsonl"
    if not path.is_file():
        raise InputError(f"{folder} holds no study: there is no trace.jsonl; give the folder that a study has printed")
    try:
        with path.open(errors="replace") as file:
            begun = json.loads(file.readline(LONGEST_LINE))
        if begun["event"] != "settings" or "${" in json.dumps(begun["settings"]):
            raise ValueError
        settings = OmegaConf.to_object(OmegaConf.merge(_schema(), begun["settings"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OmegaConfBaseException) as error:
        raise InputError(f"{path} cannot be read as the trace of a study; run the study's own command") from error
    assert isinstance(settings, Settings)
    for key, name in _files_of(settings).items():
        if hash_of(Path(name)) != settings.file_contents.get(key):
            raise InputError(f"{key}={name} has changed or is not there since the study in {folder} began")
    if digest(settings) != begun.get("digest"):
        raise InputError(f"{path} was written by another version of vqe_prune; run the study's own command")
    settings.output_dir = str(folder)
    return settings


def output_folder(settings: Settings) -> Path:
    """Return the run's folder: ``output_dir``, else outputs/<problem>/<digest of the settings>."""
    if settings.output_dir is not None:
        return Path(settings.output_dir)
    return Path("outputs") / re.sub(r"[^A-Za-z0-9+_-]", "_", _problem_name(settings))[:80] / digest(settings)


def _problem_name(settings: Settings) -> str:
    if settings.task.name is not None:
        return task_name(settings.task)
    model = settings.model
    if model.name is None:
        return settings.molecule.name
    size = "x".join(map(str, model.shape)) if model.shape else str(model.n or "")
    return "-".join(part for part in (Path(model.name).stem, Path(model.lattice or "").stem, size) if part)


@cache
def _schema() -> Any:
    """The settings with their types; merging copies them."""
    from omegaconf import OmegaConf

    return OmegaConf.structured(Settings)


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
    molecular = sorted(key for key in values if key == "molecule" or key.startswith("molecule."))
    if "model.name" in values and molecular:
        raise InputError(f"{molecular[0]} has no effect beside model={values['model.name']}; leave one of them out")
    if any(key.startswith("model.") for key in values) and "model.name" not in values:
        raise InputError(f"model. settings need a model; write model=NAME, available: {', '.join(MODELS)}")
    chosen_molecule = values.pop("molecule", MoleculeSettings.name)
    tree["molecule"] = molecule_source(chosen_molecule)
    try:
        merged = OmegaConf.merge(_schema(), tree)
    except OmegaConfBaseException as error:
        name = str(error.full_key).rpartition(".")[2]
        wrong = wrong_kind(f"molecule.{name}", tree["molecule"].get(name))
        raise InputError(f"molecule={chosen_molecule}: {wrong}") from error
    for key, value in values.items():
        try:
            OmegaConf.update(merged, key, value)
        except OmegaConfBaseException as error:
            raise InputError(wrong_kind(key, value)) from error
    settings = OmegaConf.to_object(merged)
    assert isinstance(settings, Settings)
    _check(settings, set(values) | set(molecular))
    _fill_defaults(settings)
    return settings


def _parse_overrides(arguments: Sequence[str]) -> dict[str, Any]:
    """Keys in dotted form and their plain values; group names stand for their main key."""
    known = _known_keys(Settings)
    values: dict[str, Any] = {}
    for argument in arguments:
        if argument.startswith("-"):
            raise InputError(f"unknown option {argument}; settings are written key=value, see --help")
        if "=" not in argument:
            hint = f"molecule={argument}" if "/" in argument or argument in molecule_names() else "key=value"
            raise InputError(f"{argument!r} is not a setting; write {hint}, see --help")
        key, _, text = argument.partition("=")
        if key.partition(".")[0] in ("launcher", "sweeper"):
            raise InputError(f"{key} has no effect without --multirun; add it or leave {key} out")
        if key not in known and key not in GROUPS:
            raise InputError(f"unknown setting {key!r}{near_misses(key, [*known, *GROUPS])}")
        named = key in ("molecule.basis", "molecule.ecp") and not text.startswith("{")
        if key in ("molecule", "model", "model.reference") or text == "":
            value: Any = text
        elif named:  # 6-31g(d,p) is no value in Hydra's grammar
            value = text.strip("'\"")
        else:
            override = parse_override(argument)
            if override.is_sweep_override():
                raise InputError(
                    f"{argument}: several values for one run; give one, a list in brackets: [a,b], or add --multirun"
                )
            value = override.value()
        if "${" in str(value):
            raise InputError(f"{argument}: interpolation is not allowed in settings")
        if key == "model" and not text:
            raise InputError(f"model= needs a name or a file; available: {', '.join(MODELS)}")
        if key == "molecule" and not text:
            raise InputError(f"molecule= needs a name or a file; available: {', '.join(molecule_names())}")
        if _main_key(key) in values:
            raise InputError(f"{argument}: {_main_key(key)} is set twice; leave one of them out")
        values[_main_key(key)] = listed(_main_key(key), _plain(value, key))
    return values


def _main_key(key: str) -> str:
    return key if key == "molecule" or key not in GROUPS else f"{key}.{GROUPS[key]}"


def _plain(value: Any, key: str) -> Any:
    """Hydra's parsed value as plain Python; a single rule is a list of one that symmetry comes before later."""
    if isinstance(value, list):
        return [_plain(item, "") for item in value]
    if isinstance(value, dict) and key in ("molecule.basis", "molecule.ecp"):
        return {str(element): _plain(name, "") for element, name in value.items()}
    if isinstance(value, dict):
        raise InputError(f"{key}: a mapping is not a value here; set its entries one by one")
    if key in ("pruner", "pruner.rules"):
        return [WITH_SYMMETRY, str(value)]
    return str(value) if type(value).__name__ == "QuotedString" else value


def _known_keys(schema: type, prefix: str = "") -> list[str]:
    """Dotted names of all settings."""
    keys = []
    for entry in fields(schema):
        default = entry.default_factory() if callable(entry.default_factory) else entry.default
        if is_dataclass(default):
            keys += _known_keys(type(default), f"{prefix}{entry.name}.")
        elif prefix + entry.name not in OF_PROGRAM:
            keys.append(prefix + entry.name)
    return keys


def _default_ansatz(settings: Settings) -> str:
    return "uccsd" if settings.model.name is None else "hardware_efficient"


def _files_of(settings: Settings) -> dict[str, str]:
    """Names of the files that settings name."""
    named = {"model": settings.model.name, "model.lattice": settings.model.lattice, "ansatz": settings.ansatz.name}
    files = {key: name for key, name in named.items() if name and Path(name).suffix}
    return files | ({"molecule": settings.molecule.fcidump} if settings.molecule.fcidump else {})


def _fill_defaults(settings: Settings) -> None:
    """Put in what None stands for, so that the record says what was done."""
    model, ansatz, rules = settings.model, settings.ansatz, settings.pruner.rules
    if settings.task.name is not None:
        settings.pruner.rules = [rule for rule in rules if rule != WITH_SYMMETRY]
        fill_task_defaults(settings)
        settings.file_contents = {key: hash_of(Path(name)) for key, name in data_files(settings.task).items()}
        return
    ansatz.name = ansatz.name or _default_ansatz(settings)
    if ansatz.name in LAYERED:
        ansatz.layers = ansatz.layers or LAYERED[ansatz.name]
    if ansatz.name == "hardware_efficient":
        ansatz.blocks = ["x", "z"] if ansatz.blocks is None else ansatz.blocks
        ansatz.entangler = ansatz.entangler or "zz"
        ansatz.connectivity = ansatz.connectivity or "circular"
    fill_excitation_defaults(ansatz)
    if not rules:
        settings.pruner.rules = ["eqntk"] if settings.on_qubits else [*_exact_rules(settings), "curvature"]
    elif rules[0] == WITH_SYMMETRY:
        first = [] if settings.on_qubits or rules[1] == "symmetry" else _exact_rules(settings)
        settings.pruner.rules = [*first, *rules[1:]]
    fill_scan_defaults(settings)
    settings.file_contents = {key: hash_of(Path(name)) for key, name in _files_of(settings).items()}
    if model.name in MODELS:
        model.lattice = model.lattice or "ring"
        if model.lattice in LATTICES[:3] and model.n is None:
            model.n = 6


def _check(settings: Settings, given: set[str]) -> None:
    """Raise InputError for values out of range and for settings without effect."""
    pruner = settings.pruner
    check_level(settings.output)
    if settings.output_dir == "":
        raise InputError("output_dir= is empty; give a folder, or leave it out")
    if settings.seed < 0:
        raise InputError(f"seed={settings.seed} must be 0 or more")
    if settings.threads is not None and settings.threads > MOST_THREADS:
        raise InputError(f"threads={settings.threads} is more than {MOST_THREADS}")
    if "molecule.name" in given:
        check_name(settings.molecule.name, "molecule.name")
    if check_task(settings, given, [rule for rule in pruner.rules if rule != WITH_SYMMETRY]):
        return
    check_molecule(settings.molecule, given)
    _check_model(settings, given)
    _check_ansatz(settings, given)
    rules = _check_rules(settings, given)
    check_device(settings, given, rules)
    check_excited(settings, given, _on_qubits(settings))
    check_engine(settings, _on_qubits(settings))
    before = _exact_rules(settings) if pruner.rules[:1] == [WITH_SYMMETRY] and rules != ["symmetry"] else []
    check_scan(settings, given, [*before, *rules], MODELS.get(settings.model.name or ""), _on_qubits(settings))
    check_choice("pruner.relative_to", pruner.relative_to, REFERENCES)
    check_choice("encoding", settings.encoding, ENCODINGS)
    if "encoding" in given and _on_qubits(settings):
        raise InputError(f"encoding={settings.encoding} is for ansätze of electrons such as uccsd; leave it out")
    check_choice("pruner.orbitals", pruner.orbitals, TREATMENTS)
    if pruner.orbitals != "fixed" and _on_qubits(settings):
        raise InputError(f"pruner.orbitals={pruner.orbitals} is for ansatz=uccsd and others of electrons; leave it out")
    if pruner.orbitals == "absorb" and rules == ["symmetry"]:
        raise InputError("pruner.orbitals=absorb has no effect with pruner=symmetry; add a rule: [symmetry,curvature]")
    check_lie(pruner, given, rules)
    limits = {"pruner.tolerance", "pruner.relative_to", "pruner.parameters"} & given
    if rules in (["symmetry"], ["eqntk"]) and limits:
        raise InputError(
            f"{min(limits)} has no effect with pruner={rules[0]}, which has no tolerance; "
            f"add a rule: [{rules[0]},curvature]"
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
        "training.seeds": settings.training.seeds,
        "training.steps": settings.training.steps,
        "training.learning_rate": settings.training.learning_rate,
        "training.threshold": settings.training.threshold,
        "threads": 1 if settings.threads is None else settings.threads,
    }
    for key, value in positive.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{key}={value} must be above 0")


def _check_rules(settings: Settings, given: set[str]) -> list[str]:
    """Return the rules, symmetry not yet put before a single one."""
    on_qubits = _on_qubits(settings)
    rules = [rule for rule in settings.pruner.rules if rule != WITH_SYMMETRY]
    if not rules and "pruner.rules" not in given:
        rules = ["eqntk"] if on_qubits else [*_exact_rules(settings), "curvature"]
    for rule in rules:
        if rule not in RULES:
            raise InputError(f"unknown pruner {rule!r}{near_misses(rule, RULES)}")
    if len(set(rules)) != len(rules) or not rules:
        raise InputError(f"pruner={rules} must name each rule once; available: {', '.join(RULES)}")
    exact, other = ("eqntk", "symmetry") if on_qubits else ("symmetry", "eqntk")
    if other in rules:
        kind = "Pauli rotations" if on_qubits else "excitations"
        raise InputError(f"pruner={other} is not for an ansatz of {kind}; try pruner={exact}")
    if exact in rules[1:]:
        raise InputError(f"pruner: {exact} comes first; write [{exact},...]")
    if "eqntk" in rules and not settings.exact:
        raise InputError("pruner=eqntk needs the exact energy for its acceptance test; leave out exact=false")
    return rules


def _exact_rules(settings: Settings) -> list[str]:
    """The rule that comes before others on its own, for ansätze of electrons."""
    return [] if settings.ansatz.name in FABRICS else ["symmetry"]


def _on_qubits(settings: Settings) -> bool:
    return (settings.ansatz.name or _default_ansatz(settings)) not in OF_ELECTRONS


def _check_ansatz(settings: Settings, given: set[str]) -> None:
    name = settings.ansatz.name or _default_ansatz(settings)
    is_file = Path(name).suffix.lower() in (".yaml", ".yml")
    if name not in ANSATZE and not is_file:
        hint = near_misses(name, ANSATZE)
        raise InputError(f"unknown ansatz {name!r}{hint}")
    if name in OF_ELECTRONS and settings.model.name is not None:
        raise InputError(f"ansatz={name} needs a molecule, but model={settings.model.name} is set; try ansatz=hva")
    check_excitations(settings.ansatz, name, given)
    belonging = {"layers": LAYERED, "blocks": {"hardware_efficient"}}
    for key in ("layers", "blocks", "entangler", "connectivity"):
        if f"ansatz.{key}" in given and name not in belonging.get(key, belonging["blocks"]):
            raise InputError(f"ansatz.{key} has no effect with ansatz={name}; leave it out")
    choices: list[tuple[str, str | None, tuple[str, ...]]] = [("entangler", settings.ansatz.entangler, ENTANGLERS)]
    choices += [("connectivity", settings.ansatz.connectivity, CONNECTIVITIES)]
    choices += [("blocks", block, BLOCKS) for block in settings.ansatz.blocks or ()]
    for key, value, known in choices:
        if value is not None:
            check_choice(f"ansatz.{key}", value, known)
    if settings.ansatz.layers is not None and settings.ansatz.layers < 1:
        raise InputError(f"ansatz.layers={settings.ansatz.layers} must be at least 1")
    if settings.ansatz.layers is not None and settings.ansatz.layers > MOST_LAYERS:
        raise InputError(
            f"ansatz.layers={settings.ansatz.layers} is more than {MOST_LAYERS}: a step would take seconds"
        )
    trained = sorted(key for key in given if key.startswith("training."))
    if trained and not _on_qubits(settings):
        raise InputError(f"{trained[0]} has no effect with ansatz={name}; see ansatz.start and ansatz.restarts")
    check_choice("training.method", settings.training.method, METHODS)
    if "training.learning_rate" in given and settings.training.method != "adam":
        raise InputError("training.learning_rate has no effect with training.method=l-bfgs; leave it out")


def _check_model(settings: Settings, given: set[str]) -> None:
    model = settings.model
    if model.name is None:
        return
    if model.name not in MODELS:
        if "/" not in model.name and not Path(model.name).suffix:
            raise InputError(f"unknown model {model.name!r}{near_misses(model.name, MODELS)}")
        useless = sorted(
            key for key in given if key.startswith("model.") and key not in ("model.name", "model.reference")
        )
        if useless:
            raise InputError(f"{useless[0]} has no effect with a Pauli sum from a file; leave it out")
        return
    special = {key for keys in MODELS.values() for key in keys}
    if "model.reference" in given and not model.reference:
        raise InputError("model.reference= is empty; give 0, 1, + or - for each qubit, or leave it out")
    if "model.periodic" in given and (model.lattice or "ring") in LATTICES[:3]:
        raise InputError("model.periodic has no effect on a ring, chain or ladder; choose model.lattice=ring or chain")
    for key in sorted(special - set(MODELS[model.name])):
        if f"model.{key}" in given:
            own = ", ".join(f"model.{name}" for name in MODELS[model.name])
            raise InputError(f"model.{key} has no effect with model={model.name}, which has {own}")
    lattice = model.lattice or "ring"
    if lattice not in LATTICES:
        if Path(lattice).suffix.lower() not in (".yaml", ".yml"):
            raise InputError(f"unknown model.lattice={lattice}{near_misses(lattice, LATTICES)}")
        for key in ("n", "shape", "periodic"):
            if f"model.{key}" in given:
                raise InputError(f"model.{key} has no effect with a lattice from a file; leave it out")
    if model.electrons is not None and len(model.electrons) != 2:
        raise InputError(f"model.electrons={model.electrons} must be [alpha,beta]")
    if model.shape is not None and len(model.shape) != 2:
        raise InputError(f"model.shape={model.shape} must be [rows,columns]")
