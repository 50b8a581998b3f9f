"""What a scan may be told: one coordinate with its start, stop and step, and whose structure the points have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from typing import Any

from vqe_prune.errors import InputError, check_choice, near_misses
from vqe_prune.excitation_settings import FABRICS
from vqe_prune.settings import ScanSettings, Settings
from vqe_prune.wording import MOST_NAMED, listed

STUDIES = ("ground_state", "scan")

STRUCTURES = ("common", "each", "both")
"""One pruned structure for all points; one for each; or both beside each other."""

COMMON_RULES = ("curvature", "magnitude", "fisher", "random")
"""Rules that prune for several geometries at once, after symmetry."""

COORDINATES = {"bond_length": "angstrom", "angle": "degrees", "dihedral": "degrees"}
"""Coordinates of molecules and their units; the others are couplings of models, in units of J or t."""

MOST_POINTS = 200

ROUNDING = 10
"""Decimals of a coordinate: 1.0 + 3 * 0.1 is 1.3."""


@dataclass(frozen=True, kw_only=True)
class Coordinate:
    """What a scan goes along.

    Attributes:
        name: Of the setting in its group, such as ``bond_length``.
        group: ``molecule`` or ``model``.
        values: All points, ascending or descending, both ends included.

    """

    name: str
    group: str
    values: tuple[float, ...]

    @property
    def unit(self) -> str:
        """Angstrom or degrees, empty for a coupling."""
        return COORDINATES.get(self.name, "")

    def text(self, value: float) -> str:
        """Return a value as it is printed and as its folder is called."""
        return f"{value:.10g}"

    def listed(self, values: Sequence[float]) -> str:
        """Return several values with their unit, more than six as how many there are and which are the outer ones."""
        texts = listed([self.text(value) for value in values], [self.with_unit(value) for value in values])
        if len(values) > MOST_NAMED:
            return texts
        return f"{texts} {self.unit}" if self.unit else f"{self.name} = {texts}"

    def with_unit(self, value: float) -> str:
        """Return a value with its unit, as in a sentence."""
        return f"{self.text(value)} {self.unit}" if self.unit else f"{self.name} = {self.text(value)}"


def scanned_key(scan: Mapping[str, Any]) -> str | None:
    """Return the setting that a scan sets at each point, such as ``molecule.bond_length``; None without a scan."""
    for name, value in scan.items():
        if name != "structure" and value is not None:
            return f"{'molecule' if name in COORDINATES else 'model'}.{name}"
    return None


def coordinate_of(settings: Settings) -> Coordinate:
    """Return what a checked scan goes along."""
    key = scanned_key(vars(settings.scan))
    assert key is not None
    group, _, name = key.partition(".")
    return Coordinate(name=name, group=group, values=scan_values(name, getattr(settings.scan, name)))


def scan_values(name: str, limits: Sequence[float]) -> tuple[float, ...]:
    """Return the points of [start,stop,step], both ends included.

    Args:
        name: Of the coordinate, for messages.
        limits: Start, stop and step.

    Raises:
        InputError: The range is empty, the step leads away from the stop or misses it, or there are too many points.

    """
    where = f"scan.{name}=[{','.join(f'{x:.10g}' for x in limits)}]"
    if len(limits) != 3 or not all(math.isfinite(x) for x in limits):
        raise InputError(f"{where} must be three numbers: [start,stop,step]")
    start, stop, step = limits
    if step == 0:
        raise InputError(f"{where}: the step is 0; give the distance between two points")
    if start == stop:
        raise InputError(f"{where} has one point; for one {name} leave study=scan out and set it alone")
    intervals = (stop - start) / step
    if intervals < 0:
        raise InputError(f"{where}: the step leads away from {stop:g}; write [{start:g},{stop:g},{-step:g}]")
    if intervals + 1 > MOST_POINTS + 0.5:
        raise InputError(f"{where} has {intervals + 1:.4g} points, more than {MOST_POINTS}; choose a larger step")
    whole = round(intervals)
    if abs(intervals - whole) > 1e-6 or whole < 1:
        last = round(start + math.floor(intervals) * step, ROUNDING)
        nearest = f"[{start:g},{last:g},{step:g}] or " if math.floor(intervals) else ""
        even = f"[{start:g},{stop:g},{(stop - start) / max(1, whole):.10g}]"
        raise InputError(f"{where}: steps of {step:g} do not end at {stop:g}, which is a point; try {nearest}{even}")
    return tuple(round(start + k * step, ROUNDING) + 0.0 for k in range(whole + 1))


def point_settings(settings: Settings, value: float, *, alone: bool = False) -> Settings:
    """Return the settings of one point of a scan.

    Args:
        settings: Of the scan.
        value: Of its coordinate.
        alone: Whether the point is an ordinary study that knows of no scan.

    """
    coordinate, point = coordinate_of(settings), deepcopy(settings)
    setattr(getattr(point, coordinate.group), coordinate.name, value)
    point.threads = 1
    if alone:
        point.study, point.scan = Settings.study, ScanSettings()
    return point


def fill_scan_defaults(settings: Settings) -> None:
    """Put in what None stands for."""
    if settings.study == "scan" and settings.scan.structure is None:
        shared = not settings.on_qubits and settings.ansatz.name not in FABRICS and _common_rules(settings.pruner.rules)
        settings.scan.structure = "common" if shared else "each"


def _common_rules(rules: Sequence[str]) -> bool:
    """Whether rules can prune for several geometries at once."""
    return len(rules) == 2 and rules[0] == "symmetry" and rules[1] in COMMON_RULES


def check_scan(
    settings: Settings, given: set[str], rules: Sequence[str], couplings: Sequence[str] | None, on_qubits: bool
) -> None:
    """Raise InputError for settings of a scan that cannot be used or have no effect.

    Args:
        settings: All settings.
        given: Names of those that the user gave.
        rules: The pruning rules in their order.
        couplings: What can be set of the model, None without a model that has couplings.
        on_qubits: Whether the ansatz acts on qubits.

    """
    own = sorted(key for key in given if key.startswith("scan."))
    check_choice("study", settings.study, STUDIES)
    if settings.study != "scan":
        if own:
            raise InputError(f"{own[0]} has no effect without study=scan; add it or leave {own[0]} out")
        return
    names = [each.name for each in fields(ScanSettings) if each.name != "structure"]
    named = [name for name in names if getattr(settings.scan, name) is not None]
    possible = _possible(settings, couplings)
    example = f"scan.{possible[0] if possible else 'bond_length'}=[start,stop,step]"
    if not named:
        raise InputError(f"study=scan needs a coordinate: {example}")
    if len(named) > 1:
        raise InputError(f"scan.{named[0]} and scan.{named[1]} are two coordinates; a scan has one")
    _check_coordinate(settings, named[0], possible, given)
    scan_values(named[0], getattr(settings.scan, named[0]))
    if settings.device.name is not None:
        raise InputError(
            f"device={settings.device.name} is not for study=scan; measure one point: leave study=scan out and set "
            f"{scanned_key(vars(settings.scan))}"
        )
    if settings.excited.states or settings.nuclei != Settings.nuclei:
        single = "excited.states" if settings.excited.states else "nuclei"
        raise InputError(f"{single} is not for study=scan; run one point: leave study=scan out")
    structure = settings.scan.structure
    if structure is not None and structure not in STRUCTURES:
        raise InputError(f"unknown scan.structure={structure}{near_misses(structure, STRUCTURES)}")
    if structure != "each":
        _check_common(settings, given, rules, on_qubits)


def _possible(settings: Settings, couplings: Sequence[str] | None) -> list[str]:
    """Names of the coordinates that the molecule or the model has."""
    if settings.model.name is not None:
        return [name for name in couplings or () if name != "electrons"]
    return [name for name in COORDINATES if name in settings.molecule.geometry]


def _check_coordinate(settings: Settings, name: str, possible: Sequence[str], given: set[str]) -> None:
    if name not in possible:
        what = settings.model.name or settings.molecule.name
        if settings.model.name is None:
            kind = "its geometry has no name such as bond_length; write one into a .yaml file"
        else:
            kind = "it has no couplings to scan"
        known = f"it has {', '.join(f'scan.{each}' for each in possible)}" if possible else kind
        raise InputError(f"scan.{name} is no coordinate of {what}: {known}")
    key = scanned_key(vars(settings.scan))
    if key in given:
        raise InputError(f"{key} has no effect beside scan.{name}, which sets it; leave one of them out")


def _check_common(settings: Settings, given: set[str], rules: Sequence[str], on_qubits: bool) -> None:
    """Refuse what one structure for all points cannot have, where it is asked for or where settings need it."""
    name = settings.ansatz.name
    asked = settings.scan.structure is not None
    reasons = {
        "ansatz of qubits, which is pruned at each point": on_qubits,
        f"ansatz={name}, which starts at random angles": name in FABRICS,
        f"pruner={'[' + ','.join(rules) + ']'}": not _common_rules(rules),
    }
    found = [reason for reason, holds in reasons.items() if holds]
    if found and asked:
        raise InputError(
            f"scan.structure={settings.scan.structure} is not for {found[0]}: one structure for all points is of "
            f"excitations, pruned by symmetry and one of {', '.join(COMMON_RULES)}; write scan.structure=each"
        )
    if found:
        return
    for key, usual in (("ansatz.start", "zero"), ("ansatz.restarts", None), ("pruner.orbitals", "fixed")):
        group, _, field_name = key.partition(".")
        if key in given and getattr(getattr(settings, group), field_name) != usual:
            raise InputError(
                f"{key} is not for one structure for all points, whose angles come from their neighbours; "
                f"add scan.structure=each"
            )
