"""Opening a processor by name: a virtual one, or one of Google's service with the reason where it cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from vqe_prune.errors import ConvergenceError, InputError, first_line, near_misses
from vqe_prune.google_credentials import GOOGLE, LOG_IN, NEEDS_PROJECT, no_credentials
from vqe_prune.lie_settings import CALIBRATIONS

if TYPE_CHECKING:
    import cirq
    import cirq_google
    from cirq_google.engine import AbstractProcessor

DEVICES = (*CALIBRATIONS, GOOGLE)
"""Names that `open_processor` knows: virtual processors, and Google's service."""

OF_GOOGLE = ("project", "processor", "run", "snapshot", "config")
"""Arguments of `open_processor` that virtual processors do not have."""


def open_processor(
    name: str,
    *,
    project: str | None = None,
    processor: str | None = None,
    run: str | None = None,
    snapshot: str | None = None,
    config: str | None = None,
    noise_scale: float = 1.0,
    seed: int | None = None,
) -> AbstractProcessor:
    """Open a processor; nothing is ever run on a noiseless simulator unless ``noise_scale=0`` asks for it.

    Args:
        name: ``rainbow``, ``weber`` or ``willow_pink`` for the virtual machine of that name (calibrations of 2021, 2021
            and 2024; no network), ``google`` for a processor of Google's service.
        project: With ``google``: id of the Google Cloud project; None takes GOOGLE_CLOUD_PROJECT or the default
            project of the credentials.
        processor: With ``google``: id of the processor.
        run: With ``google``: name of an automation run, whose device configurations are used instead of the current
            ones.
        snapshot: With ``google``: id of a snapshot of device configurations, instead of a run.
        config: With ``google``: name of a device configuration, which fixes qubits, couplers and gates; None takes the
            processor's default.
        noise_scale: Of a virtual one: factor of all its error rates.
        seed: Of a virtual one's shots; None draws one.

    Returns:
        The processor. A real one has answered once, so that wrong credentials and ids show before anything is computed.

    Raises:
        InputError: The name is unknown, an argument has no effect, or the service lacks a credential, project or id.
        ConvergenceError: The service does not answer.

    """
    if name not in DEVICES:
        raise InputError(f"unknown device={name!r}{near_misses(name, DEVICES)}")
    if name == GOOGLE:
        if noise_scale != 1.0 or seed is not None:
            raise InputError("noise scale and seed have no effect with device=google; leave them out")
        return _open_google(project, processor, run, snapshot, config)
    for key, value in zip(OF_GOOGLE, (project, processor, run, snapshot, config), strict=True):
        if value is not None:
            raise InputError(
                f"device.{key} has no effect with the virtual device={name}; leave it out or try device=google"
            )
    from vqe_prune.hardware.virtual import VirtualProcessor

    return VirtualProcessor(name, noise_scale, seed)


def describe_processor(processor: AbstractProcessor) -> dict[str, Any]:
    """Return the arguments of `open_processor` that open a processor again, as JSON values."""
    from vqe_prune.hardware.virtual import VirtualProcessor

    if isinstance(processor, VirtualProcessor):
        return {"name": processor.processor_id, "noise_scale": processor.noise_scale, "seed": processor.seed}
    engine = processor.engine()
    place = {"name": GOOGLE, "project": getattr(engine, "project_id", None)}
    place["processor"] = getattr(processor, "processor_id", None)
    if isinstance(processor, ConfiguredProcessor):
        place |= {"run": processor.run, "snapshot": processor.snapshot, "config": processor.config}
    return place


class ConfiguredProcessor:
    """A processor of the service in one of its device configurations; all else is the processor's own.

    Attributes:
        run: Name of the automation run, None for the current one or where a snapshot is given.
        snapshot: Id of the snapshot, or None.
        config: Name of the configuration.

    """

    def __init__(
        self,
        processor: AbstractProcessor,
        found: cirq_google.engine.ProcessorConfig,
        run: str | None,
        snapshot: str | None,
    ) -> None:
        self._processor, self._found = processor, found
        self.run, self.snapshot, self.config = run, snapshot, str(found.config_name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def get_device(self) -> cirq.Device:
        """Return the device of the configuration."""
        return self._found.effective_device

    def get_current_calibration(self) -> cirq_google.Calibration:
        """Return the calibration of the configuration."""
        return self._found.calibration


def configuration_of(processor: AbstractProcessor) -> dict[str, str]:
    """Return the arguments of `AbstractProcessor.run_sweep` that name a device configuration."""
    if isinstance(processor, ConfiguredProcessor):
        revision = {"snapshot_id": processor.snapshot} if processor.snapshot else {"run_name": processor.run or ""}
        return {**revision, "device_config_name": processor.config}
    sampler = processor.get_sampler()  # knows the processor's default configuration
    return {"run_name": sampler.run_name, "device_config_name": sampler.device_config_name}


def _open_google(
    project: str | None, processor: str | None, run: str | None, snapshot: str | None, config: str | None
) -> AbstractProcessor:
    import cirq_google

    if run is not None and snapshot is not None:
        raise InputError("device.run and device.snapshot exclude each other; leave one of them out")
    with _explained(project, processor):
        engine = cirq_google.get_engine(project)
        if processor is None:
            raise InputError(f"device=google needs device.processor=ID{_processors_of(engine)}")
        try:
            found = engine.get_processor(processor)
            found.get_device()  # the first call that reaches the service
        except Exception as error:
            if not _is_missing(error):
                raise
            where = f"device.project={project}" if project else "the default project of the credentials"
            raise InputError(
                f"device=google: {where} has no processor {processor} ({first_line(error)}); "
                f"check device.processor=ID{_processors_of(engine)}"
            ) from error
        if run is None and snapshot is None and config is None:
            return found
        return _configured(found, run, snapshot, config)


def _configured(
    processor: AbstractProcessor, run: str | None, snapshot: str | None, config: str | None
) -> AbstractProcessor:
    """The processor in a configuration that it has; what it does not have is never replaced by another."""
    from cirq_google.engine.processor_config import Run, Snapshot

    default = processor.get_sampler()
    if snapshot is None and run is None:
        run = default.run_name or None
    revision = Snapshot(snapshot) if snapshot is not None else Run(run) if run is not None else None
    where = f"device.snapshot={snapshot}" if snapshot is not None else f"device.run={run or 'the default'}"
    name = config or default.device_config_name
    try:
        found = processor.get_config(device_config_revision=revision, config_name=name)
        names = [] if found else sorted(each.config_name for each in processor.list_configs(revision))
    except Exception as error:
        if not _is_missing(error):
            raise
        found, names = None, []
    if found is None:
        has = f"; it has {', '.join(names)}" if names else " or no such run or snapshot"
        raise InputError(f"device.config={name}: {processor.processor_id} has no such configuration in {where}{has}")
    return ConfiguredProcessor(processor, found, run if snapshot is None else None, snapshot)


def _is_missing(error: Exception) -> bool:
    """Whether the service says that there is no such thing."""
    code = getattr(error, "code", None)
    return isinstance(error, KeyError) or getattr(code, "value", code) == 404


@contextmanager
def explained(processor: AbstractProcessor) -> Iterator[None]:
    """Turn what goes wrong at Google's service into one line; errors of virtual processors are ours and pass."""
    place = describe_processor(processor)
    if place["name"] != GOOGLE:
        yield
        return
    with _explained(place["project"], place["processor"]):
        yield


@contextmanager
def _explained(project: str | None, processor: str | None) -> Iterator[None]:
    try:
        yield
    except (InputError, ConvergenceError):
        raise
    except Exception as error:
        _explain(error, project, processor)


def _processors_of(engine: Any) -> str:
    try:
        names = sorted(each.processor_id for each in engine.list_processors())
    except Exception:  # it only completes a message
        return "; check device.project=ID"
    return f"; project {engine.project_id} has {', '.join(names) or 'none'}"


def _explain(error: Exception, project: str | None, processor: str | None) -> NoReturn:
    """Raise what an error of Google's service means in one line, with what to type."""
    from cirq_google.engine.engine_client import EngineException
    from google.auth import exceptions

    where = f"device.project={project}" if project else "the default project of the credentials"
    if isinstance(error, exceptions.DefaultCredentialsError):
        raise InputError(no_credentials(error)) from error
    if isinstance(error, exceptions.RefreshError):
        raise InputError(f"device=google: the credentials are refused ({first_line(error)}); {LOG_IN}") from error
    if isinstance(error, EngineException):
        code = getattr(error.code, "value", error.code)
        if code in (401, 403):
            raise InputError(
                f"device=google: {where} may not use processor {processor} ({first_line(error)}); "
                f"check device.project=ID, or ask Google for access"
            ) from error
        if code == 404:
            raise InputError(
                f"device=google: {where} has no processor {processor} ({first_line(error)}); "
                f"check device.processor=ID and device.project=ID"
            ) from error
    elif isinstance(error, OSError) and not isinstance(error, TimeoutError | ConnectionError):
        raise InputError(NEEDS_PROJECT) from error
    raise ConvergenceError(
        f"device=google: the service failed ({type(error).__name__}: {first_line(error)}); "
        f"try again, or device=willow_pink for a virtual processor"
    ) from error
