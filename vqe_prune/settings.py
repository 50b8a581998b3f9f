"""Settings of a study as plain data, with their defaults."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class MoleculeSettings:
    """A molecule: a geometry in XYZ rows or as a Z-matrix, in which bond_length, angle and dihedral may stand.

    The basis and the core potential are names, or mappings from elements to names; the active space is
    [electrons,orbitals] or ``auto``. With a file of integrals there is no geometry, basis or kind of orbitals.
    """

    name: str = "LiH"
    geometry: str = ""
    bond_length: float | None = None
    angle: float | None = None
    dihedral: float | None = None
    basis: Any = "sto-3g"
    charge: int = 0
    spin: int = 0
    active_space: Any = None
    frozen_core: bool = False
    ecp: Any = None
    orbitals: str | None = None
    active_orbitals: list[int] | None = None
    occupation_threshold: float | None = None
    irrep: str | None = None
    stability: str = "check"
    fcidump: str | None = None  # set by molecule=FILE alone
    source: str | None = None  # likewise, what was given as molecule=


@dataclass
class ModelSettings:
    """A model on a lattice, or a file with a Pauli sum; None stands for the model's own default."""

    name: str | None = None
    n: int | None = None
    lattice: str | None = None
    shape: list[int] | None = None
    periodic: bool | None = None
    j: float | None = None
    h: float | None = None
    delta: float | None = None
    j1: float | None = None
    j2: float | None = None
    t: float | None = None
    u: float | None = None
    electrons: list[int] | None = None
    reference: str | None = None


@dataclass
class AnsatzSettings:
    """The ansatz to start from; None stands for the default of the problem or of the ansatz."""

    name: str | None = None
    layers: int | None = None
    blocks: list[str] | None = None
    entangler: str | None = None
    connectivity: str | None = None
    k: int | None = None
    singlet: bool = False
    order: str | None = None
    start: str = "zero"
    restarts: int | None = None


@dataclass
class TrainingSettings:
    """How angles of a qubit ansatz are found from random starts."""

    method: str = "adam"
    seeds: int = 8
    steps: int = 600
    learning_rate: float = 0.05
    threshold: float = 1e-6


@dataclass
class OptimizerSettings:
    """When an optimisation is done."""

    gradient_tolerance: float = 1e-7
    max_steps: int = 2000


@dataclass
class PrunerSettings:
    """The rules in their order, and how far they go: to an error (hartree or J) or to a number of parameters.

    The rest is of the rule ``lie`` alone.
    """

    rules: list[str] = field(default_factory=list)
    tolerance: float = 1.5e-3
    relative_to: str = "exact"
    parameters: int | None = None
    orbitals: str = "fixed"
    epsilon: float | None = None
    calibration: str | None = None
    distance: str = "geometric"
    condense: bool = False
    weights: list[float] = field(default_factory=lambda: [1.0, 1.0, 0.1])
    ensemble: str = "trajectory"


@dataclass
class DeviceSettings:
    """The processor that circuits are measured on, None for none, and how; no stages stands for all there are."""

    name: str | None = None
    project: str | None = None
    processor: str | None = None
    run: str | None = None
    snapshot: str | None = None
    config: str | None = None
    wait: bool = True
    stages: list[str] = field(default_factory=list)
    shots: int = 100_000
    mitigation: list[str] = field(default_factory=lambda: ["auto"])
    noise_scale: float = 1.0
    twirls: int = 16
    seconds: float = 120.0
    optimizer: str = "none"
    iterations: int = 40
    start: str | None = None


@dataclass
class ExcitedSettings:
    """Excited states out of the pruned ground state, how many and by which method; None stands for a default."""

    states: int = 0
    method: str = "expansion"
    spin: int | None = None
    threshold: float = 1e-6
    ansatz: str = "uccsd"
    penalty: float | None = None


@dataclass
class ScanSettings:
    """What ``study=scan`` goes along, [start,stop,step] of one coordinate, and whose structure its points have."""

    bond_length: list[float] | None = None
    angle: list[float] | None = None
    dihedral: list[float] | None = None
    j: list[float] | None = None
    h: list[float] | None = None
    delta: list[float] | None = None
    j1: list[float] | None = None
    j2: list[float] | None = None
    t: list[float] | None = None
    u: list[float] | None = None
    structure: str | None = None


@dataclass
class TaskSettings:
    """A task that is no ground state, and what each task has of its own; None stands for the task's default.

    `vqe_prune.task_settings` says which field belongs to which task.
    """

    name: str | None = None
    dataset: str | None = None
    data_dir: str | None = None
    classes: list[int] | None = None
    size: list[int] | None = None
    samples: list[int] | None = None  # training, validation, test
    qubits: int | None = None
    features: int | None = None
    encoding: str | None = None
    readout: list[int] | None = None
    scale: float | None = None
    loss: str | None = None
    shots: int | None = None
    epochs: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    patience: int | None = None
    models: list[str] | None = None
    sets: str | None = None
    head: str | None = None
    events: int | None = None
    negatives: int | None = None
    rows: int | None = None
    compression: float | None = None
    seeds: int | None = None


ENTANGLERS = ("cz", "cx", "zz", "xx", "yy", "xy", "heisenberg")
CONNECTIVITIES = ("linear", "circular", "full", "grid", "lattice")
BLOCKS = ("x", "y", "z")
"""Names that `vqe_prune.ansatz.layered` knows, here without importing the engine."""

OF_ELECTRONS = ("uccsd", "uccd", "puccd", "uccgsd", "kupccgsd", "tups", "qnp")
"""Ansätze of excitations; all others act on qubits."""


@dataclass
class Settings:
    """Everything a study depends on."""

    molecule: MoleculeSettings = field(default_factory=MoleculeSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    ansatz: AnsatzSettings = field(default_factory=AnsatzSettings)
    pruner: PrunerSettings = field(default_factory=PrunerSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    device: DeviceSettings = field(default_factory=DeviceSettings)
    excited: ExcitedSettings = field(default_factory=ExcitedSettings)
    nuclei: str = "fixed"
    scan: ScanSettings = field(default_factory=ScanSettings)
    task: TaskSettings = field(default_factory=TaskSettings)
    study: str = "ground_state"
    encoding: str = "auto"
    exact: bool = True
    seed: int = 0
    engine: str = "cpu"
    threads: int | None = None
    output: str = "normal"
    output_dir: str | None = None
    file_contents: dict[str, str] = field(default_factory=dict)  # SHA-256 of each file that a setting names

    @property
    def on_qubits(self) -> bool:
        """Whether the ansatz acts on qubits, not on electrons."""
        return self.ansatz.name not in OF_ELECTRONS


OF_PROGRAM = ("file_contents", "molecule.fcidump", "molecule.source")
"""Settings that are put in, not typed."""

NOT_IN_DIGEST = ("engine", "output", "output_dir", "threads", "device.wait", "molecule.source")
"""Settings that change where or how fast a study runs or what it says meanwhile, not what it finds."""


LATER = (("irrep", None), ("stability", "check"))
"""Settings of molecules that came later, with what studies without them did: their digests stay as they were."""


def digest(settings: Settings) -> str:
    """Return the first 12 hex digits of the SHA-256 of the settings that decide the result."""
    content = asdict(settings)
    for key in NOT_IN_DIGEST:
        group, _, name = key.rpartition(".")
        del (content[group] if group else content)[name]
    for name, usual in LATER:
        if content["molecule"][name] == usual:
            del content["molecule"][name]
    if settings.task.name is None:
        del content["task"]  # studies of ground states keep the digests they had before there were tasks
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
