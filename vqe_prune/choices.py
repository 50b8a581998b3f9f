"""The fixed choices of settings, out of the registries that the checks use."""

from __future__ import annotations

from vqe_prune import config, device_settings, excited_settings
from vqe_prune.console import OUTPUTS
from vqe_prune.ctr_settings import CTR_MODELS, HEADS, SET_READINGS
from vqe_prune.engine_settings import ENGINES
from vqe_prune.excitation_settings import ORDERS, STARTS
from vqe_prune.launcher_settings import LAUNCHERS, OBJECTIVES, SWEEPERS, multirun_keys
from vqe_prune.lie_settings import CALIBRATIONS, DISTANCES, ENSEMBLES
from vqe_prune.molecule_input import molecule_names
from vqe_prune.molecule_settings import AUTO, ORBITALS, STABILITIES
from vqe_prune.scan_settings import STRUCTURES, STUDIES
from vqe_prune.setting_types import NONE, kinds
from vqe_prune.settings import BLOCKS, CONNECTIVITIES, ENTANGLERS, Settings
from vqe_prune.task_settings import DATASETS, LOSSES, TASK_ENCODINGS, TASKS

FILES = ("molecule", "model", "model.lattice", "ansatz", "task.data_dir", "output_dir")
"""Settings whose value may be a file or a folder."""


def choices() -> dict[str, tuple[str, ...]]:
    """Return what may be typed for each setting, in its short form; nothing for a number or a free text."""
    known = {key: ("true", "false") if kind is bool else () for key, kind in kinds().items()}
    found = {_short(key): known[key] for key in config._known_keys(Settings)}
    named: dict[str, tuple[str, ...]] = {
        "molecule": tuple(molecule_names()),
        "molecule.orbitals": ORBITALS,
        "molecule.stability": STABILITIES,
        "molecule.active_space": (AUTO,),
        "model": tuple(config.MODELS),
        "model.lattice": config.LATTICES,
        "ansatz": config.ANSATZE,
        "ansatz.order": ORDERS,
        "ansatz.start": STARTS,
        "ansatz.entangler": ENTANGLERS,
        "ansatz.connectivity": CONNECTIVITIES,
        "ansatz.blocks": BLOCKS,
        "pruner": config.RULES,
        "pruner.relative_to": config.REFERENCES,
        "pruner.orbitals": config.TREATMENTS,
        "pruner.calibration": CALIBRATIONS,
        "pruner.distance": DISTANCES,
        "pruner.ensemble": ENSEMBLES,
        "training.method": config.METHODS,
        "encoding": config.ENCODINGS,
        "device": device_settings.DEVICES,
        "device.stages": device_settings.DEVICE_STAGES,
        "device.mitigation": (*device_settings.MITIGATIONS, device_settings.AUTO, NONE),
        "device.optimizer": device_settings.OPTIMIZERS,
        "device.start": device_settings.DEVICE_STARTS,
        "excited.method": excited_settings.METHODS,
        "excited.ansatz": excited_settings.ANSATZE,
        "nuclei": excited_settings.NUCLEI,
        "study": STUDIES,
        "scan.structure": STRUCTURES,
        "task": tuple(TASKS),
        "task.dataset": tuple(name for names in DATASETS.values() for name in names),
        "task.encoding": TASK_ENCODINGS,
        "task.loss": LOSSES,
        "task.models": CTR_MODELS,
        "task.sets": SET_READINGS,
        "task.head": HEADS,
        "engine": ENGINES,
        "output": OUTPUTS,
        "launcher": tuple(LAUNCHERS),
        "sweeper": SWEEPERS,
        "sweeper.minimise": tuple(OBJECTIVES),
    }
    return {**found, **dict.fromkeys(multirun_keys(), ()), **named}


def lists() -> tuple[str, ...]:
    """Return the settings that take several names in brackets, in their short form."""
    return (*(_short(key) for key, kind in kinds().items() if kind == list[str]), "sweeper.minimise")


def _short(key: str) -> str:
    """``molecule`` for ``molecule.name`` and the like."""
    group, _, name = key.partition(".")
    return group if config.GROUPS.get(group) == name else key
