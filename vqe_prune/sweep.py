"""The points of a multirun: Hydra's sweep grammar turned into checked settings, wrong points named before any starts.

``a,b``, ``range(5)``, ``choice(a,b)``, ``glob(L*)``, ``interval(a,b)``: Hydra parses them, and they are data here too.
"""

from __future__ import annotations

import glob
import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vqe_prune import config
from vqe_prune.device_settings import DEVICES
from vqe_prune.errors import InputError, as_typed, near_misses
from vqe_prune.google_credentials import GOOGLE, check_credentials
from vqe_prune.launcher_settings import SEARCHED, multirun_keys
from vqe_prune.molecule_input import molecule_names
from vqe_prune.overrides import parse_override
from vqe_prune.setting_types import kinds
from vqe_prune.settings import Settings, digest

RAW = ("molecule", "model", "model.reference", "molecule.basis", "molecule.ecp")
"""Settings whose text is taken as it is: names such as 6-31g(d,p) are no value in Hydra's grammar."""

FUNCTIONS = ("choice(", "range(", "interval(", "glob(", "sort(", "shuffle(", "tag(", "str(", "int(", "float(")

OF_ALL = ("output_dir", "threads", "output")
"""Settings that are one for all points."""

MOST_POINTS = 5_000

DECIMALS = 10
"""Of a number out of a range: 0.8 + 3 * 0.1 is 1.1."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Numbers between two ends, for a search; on a logarithmic scale where tagged ``log``."""

    low: float
    high: float
    log: bool
    whole: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Point:
    """One study of a multirun.

    Attributes:
        arguments: What to type for it alone, without ``output_dir=``.
        swept: Texts of the settings that differ between points.
        settings: Checked.

    """

    arguments: tuple[str, ...]
    swept: Mapping[str, str]
    settings: Settings

    @property
    def name(self) -> str:
        """The settings that tell it from other points."""
        return " ".join(f"{key}={text}" for key, text in self.swept.items()) or "the only point"

    @property
    def digest(self) -> str:
        """Hash of everything its result depends on."""
        return digest(self.settings)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sweep:
    """What a command line with ``--multirun`` asks for.

    Attributes:
        own: Values of the multirun's own settings: launcher, sweeper and their groups.
        fixed: Texts of settings that all points share.
        swept: For each setting with several values, their texts or an interval.
        root: Folder of all results.
        cores: As ``threads=`` says, None for all there are.
        output: As ``output=`` says, how much is told.

    """

    own: Mapping[str, Any]
    fixed: Mapping[str, str]
    swept: Mapping[str, tuple[str, ...] | Interval]
    root: Path
    cores: int | None
    output: str

    def point(self, chosen: Mapping[str, str]) -> Point:
        """Return the study with one text for each swept setting.

        Raises:
            InputError: These settings do not go together.

        """
        texts = {**self.fixed, **chosen}
        arguments = tuple(f"{key}={text}" for key, text in texts.items())
        settings = config.parse_settings(arguments)
        if self.root != Path("outputs"):
            settings.output_dir = str(self.root / config.output_folder(settings).relative_to("outputs"))
        return Point(arguments=arguments, swept=dict(chosen), settings=settings)


def read_sweep(arguments: Sequence[str]) -> Sweep:
    """Sort a multirun's arguments into its own settings, fixed ones and swept ones.

    Raises:
        InputError: One cannot be read, or stands twice.

    """
    own: dict[str, Any] = {}
    texts: dict[str, str] = {}
    swept: dict[str, tuple[str, ...] | Interval] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if argument.startswith("-") or not equals:
            config.parse_settings([argument])  # says what is wrong with it
        if key in own or key in texts or key in swept:
            raise InputError(f"{argument}: {key} is set twice; leave one of them out, or list its values: {key}=a,b")
        if key.partition(".")[0] in ("launcher", "sweeper"):
            own[key] = _own_value(key, argument)
            continue
        values = _values(key, text, argument)
        if isinstance(values, Interval) or len(values) > 1:
            swept[key] = values
        else:
            texts[key] = values[0]
    for key in OF_ALL:
        if key in swept:
            raise InputError(f"{key} is one for all points of a multirun; give one value")
    if "task" in texts or "task" in swept:
        raise InputError("task= has its own seeds and parallel processes (task.seeds=5); leave --multirun out")
    if "study" in swept:
        raise InputError("study is one for all points of a multirun; run one multirun for each")
    whole = config.parse_settings([f"{key}={texts[key]}" for key in OF_ALL if key in texts])
    fixed = {key: text for key, text in texts.items() if key not in OF_ALL}
    root = Path(whole.output_dir) if whole.output_dir is not None else Path("outputs")
    return Sweep(own=own, fixed=fixed, swept=swept, root=root, cores=whole.threads, output=whole.output)


def _own_value(key: str, argument: str) -> Any:
    """A setting of the multirun itself, which has one value."""
    if key not in multirun_keys():
        raise InputError(f"unknown setting {key!r}{near_misses(key, multirun_keys())}")
    text = argument.partition("=")[2]
    if key in ("launcher.address", "launcher.partition", "launcher.account"):
        return text
    override = parse_override(argument)
    if override.is_sweep_override():
        several = "; for several numbers at once write a list: [error,depth]" if key == "sweeper.minimise" else ""
        raise InputError(f"{argument}: {key} has one value{several}")
    value = override.value()
    return str(value) if type(value).__name__ == "QuotedString" else value


def _values(key: str, text: str, argument: str) -> tuple[str, ...] | Interval:
    """The texts of all values of a setting; one where it is not swept."""
    from hydra.core.override_parser.types import Glob

    if key in RAW and not text.startswith(FUNCTIONS):
        return tuple(_split(text))
    if not text or not key:
        return (text,)
    override = parse_override(argument)
    if not override.is_sweep_override():
        return (text,)
    value: Any = override.value()
    if isinstance(value, Glob):
        return _matching(key, value.include, value.exclude, argument)
    if override.is_interval_sweep():
        whole = kinds().get(key) is int or (isinstance(value.start, int) and isinstance(value.end, int))
        if value.start >= value.end:
            raise InputError(f"{argument}: the interval is empty; give the smaller end first")
        log = "log" in value.tags
        if log and value.start <= 0:
            raise InputError(f"{argument}: a logarithmic scale needs ends above 0")
        return Interval(low=value.start, high=value.end, log=log, whole=whole)
    if override.is_range_sweep():
        _check_range(value, argument)
    each: Any = override.sweep_iterator()
    if override.is_range_sweep():  # a sum of steps that falls short of the stop by rounding is the stop, and left out
        each = [x for x in each if abs(float(x) - float(value.stop)) > 10.0**-DECIMALS]
    found = tuple(dict.fromkeys(map(_text_of, each)))
    if not found:
        raise InputError(f"{argument}: there is no value in it")
    return found


def _check_range(value: Any, argument: str) -> None:
    """Raise InputError where a range has no end that can be waited for: Hydra counts its numbers one by one."""
    start, stop, step = (float(x) for x in (value.start, value.stop, value.step))
    if not all(map(math.isfinite, (start, stop, step))) or step == 0.0:
        raise InputError(f"{argument}: write range(start,stop,step) with finite numbers and a step other than 0")
    if (stop - start) / step > MOST_POINTS:
        raise InputError(f"{argument}: more than {MOST_POINTS} values; give a larger step")


def _text_of(value: Any) -> str:
    """A value of Hydra's as it is typed."""
    if type(value).__name__ == "QuotedString":
        return str(value.text)
    if isinstance(value, float):
        return f"{round(value, DECIMALS):.12g}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_text_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{','.join(map(_text_of, value))}]"
    return as_typed(value)


def _split(text: str) -> list[str]:
    """Parts between the commas that no bracket and no quotation mark encloses, each once."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter in "([{") - (letter in ")]}")
            if letter == "," and depth == 0:
                parts.append("")
                continue
        parts[-1] += letter
    return list(dict.fromkeys(part.strip().strip("'\"") for part in parts)) if len(parts) > 1 else parts


def _matching(key: str, include: Sequence[str], exclude: Sequence[str], argument: str) -> tuple[str, ...]:
    """Names, or files where a pattern looks like one, that fit a ``glob``."""
    known: dict[str, Sequence[str]] = {
        "molecule": molecule_names(),
        "model": tuple(config.MODELS),
        "ansatz": config.ANSATZE,
        "pruner": config.RULES,
        "device": tuple(name for name in DEVICES if name != GOOGLE),
        "encoding": config.ENCODINGS,
    }
    if key not in known:
        raise InputError(f"{argument}: glob is for names: {', '.join(known)}; list the values: {key}=a,b")
    found: list[str] = []
    for pattern in include:
        of_files = key in ("molecule", "model", "ansatz") and ("/" in pattern or Path(pattern).suffix not in ("", ".*"))
        found += sorted(glob.glob(pattern)) if of_files else [n for n in known[key] if fnmatchcase(n, pattern)]
    kept = tuple(dict.fromkeys(n for n in found if not any(fnmatchcase(n, pattern) for pattern in exclude)))
    if not kept:
        raise InputError(f"{argument}: nothing fits; names: {', '.join(known[key])}")
    return kept


def grid_points(sweep: Sweep) -> tuple[list[Point], list[str]]:
    """Return the points of a grid in the order of the command line, each study once, and what to tell of them.

    Raises:
        InputError: There are too many points, or some cannot be used.

    """
    for key, values in sweep.swept.items():
        if isinstance(values, Interval):
            raise InputError(
                f"{key}: an interval has no points; add sweeper=optuna, or write {key}=a,b or range(a,b,c)"
            )
    texts: list[list[str]] = [list(values) for values in sweep.swept.values() if not isinstance(values, Interval)]
    count = 1
    for each in texts:
        count *= len(each)
    if count > MOST_POINTS:
        raise InputError(f"a multirun of {count} points is more than {MOST_POINTS}; sweep fewer settings at once")
    points: list[Point] = []
    wrong: list[tuple[str, InputError]] = []
    for combination in itertools.product(*texts):
        chosen = dict(zip(sweep.swept, combination, strict=True))
        try:
            points.append(sweep.point(chosen))
        except InputError as error:
            wrong.append((" ".join(f"{key}={text}" for key, text in chosen.items()), error))
    wrong += [(point.name, reason) for point, reason in _unusable(points)]
    if wrong:
        name, reason = wrong[0]
        if count == 1:
            raise reason
        others = f"; {len(wrong)} of {count} points cannot be used" if len(wrong) > 1 else ""
        raise InputError(f"at {name}: {reason}{others}")
    single = {point.digest: point for point in reversed(points)}
    found = [point for point in points if single[point.digest] is point]
    doubled = len(points) - len(found)
    notes = [f"{doubled} of {count} points are the same study as another one and run once"] if doubled else []
    return found, notes


def check_searched(sweep: Sweep) -> None:
    """Raise InputError where a search by Optuna would compare what cannot be compared."""
    if not sweep.swept:
        raise InputError("sweeper=optuna needs something to search, such as pruner.tolerance=interval(1e-4,5e-3)")
    for key in sweep.swept:
        if key.partition(".")[0] not in SEARCHED:
            raise InputError(
                f"{key}: sweeper=optuna searches settings of one problem ({', '.join(SEARCHED)}); give {key} one "
                "value, or use sweeper=grid"
            )
    if sweep.fixed.get("study", "ground_state") != "ground_state":
        raise InputError("sweeper=optuna is for study=ground_state; run a scan with what it finds")


def _unusable(points: Sequence[Point]) -> list[tuple[Point, InputError]]:
    """Points whose molecule, model or device cannot be used, as far as that is known without computing."""
    from vqe_prune.inputs import build_model, read_molecule
    from vqe_prune.scan import check_points
    from vqe_prune.scan_settings import coordinate_of

    known: dict[str, InputError | None] = {}
    found = []
    for point in points:
        settings = point.settings
        asks = settings.device.name == GOOGLE and not (config.output_folder(settings) / "record.json").exists()
        key = repr((settings.molecule, settings.model, settings.scan, asks and settings.device.project, asks))
        if key not in known:
            try:
                if settings.study == "scan":
                    check_points(settings, coordinate_of(settings))
                elif settings.model.name is None and settings.molecule.fcidump is None:
                    read_molecule(settings.molecule)
                elif settings.model.name in config.MODELS:
                    build_model(settings.model)
                if asks:
                    check_credentials(settings.device.project)
                known[key] = None
            except InputError as error:
                known[key] = error
        error_here = known[key]
        if error_here is not None:
            found.append((point, error_here))
    return found


def multirun_digest(content: Sequence[str]) -> str:
    """Return the first 12 hex digits of the SHA-256 of what tells a multirun from others, in any order."""
    return hashlib.sha256("\n".join(sorted(content)).encode()).hexdigest()[:12]
