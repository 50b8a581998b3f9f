"""Opening a processor by name: a virtual one, or one of Google's service with the reason where it cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from vqe_prune.errors import ConvergenceError, InputError, first_line, near_misses
from vqe_prune.lie_settings import CALIBRATIONS

if TYPE_CHECKING:
    from cirq_google.engine import AbstractProcessor

GOOGLE = "google"

DEVICES = (*CALIBRATIONS, GOOGLE)
"""Names that `open_processor` knows: virtual processors, and Google's service."""

LOG_IN = "run `gcloud auth application-default login` or set GOOGLE_APPLICATION_CREDENTIALS to a key file"


def open_processor(
    name: str,
    *,
    project: str | None = None,
    processor: str | None = None,
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
        return _open_google(project, processor)
    if project is not None or processor is not None:
        given = "device.project" if project is not None else "device.processor"
        raise InputError(f"{given} has no effect with the virtual device={name}; leave it out or try device=google")
    from vqe_prune.hardware.virtual import VirtualProcessor

    return VirtualProcessor(name, noise_scale, seed)


def describe_processor(processor: AbstractProcessor) -> dict[str, Any]:
    """Return the arguments of `open_processor` that open a processor again, as JSON values."""
    from vqe_prune.hardware.virtual import VirtualProcessor

    if isinstance(processor, VirtualProcessor):
        return {"name": processor.processor_id, "noise_scale": processor.noise_scale, "seed": processor.seed}
    engine = processor.engine()
    project = getattr(engine, "project_id", None)
    return {"name": GOOGLE, "project": project, "processor": getattr(processor, "processor_id", None)}


def _open_google(project: str | None, processor: str | None) -> AbstractProcessor:
    import cirq_google

    with _explained(project, processor):
        engine = cirq_google.get_engine(project)
        if processor is None:
            raise InputError(f"device=google needs device.processor=ID{_processors_of(engine)}")
        found = engine.get_processor(processor)
        found.get_device()  # the first call that reaches the service
    return found


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
    names = sorted(each.processor_id for each in engine.list_processors())
    return f"; project {engine.project_id} has {', '.join(names) or 'none'}"


def _explain(error: Exception, project: str | None, processor: str | None) -> NoReturn:
    """Raise what an error of Google's service means in one line, with what to type."""
    from cirq_google.engine.engine_client import EngineException
    from google.auth import exceptions

    where = f"device.project={project}" if project else "the default project of the credentials"
    if isinstance(error, exceptions.DefaultCredentialsError):
        reason = first_line(error).split(" To set up")[0].rstrip(".")
        raise InputError(f"device=google finds no credentials ({reason}); {LOG_IN}") from error
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
        raise InputError("device=google needs a project: give device.project=ID or set GOOGLE_CLOUD_PROJECT") from error
    raise ConvergenceError(
        f"device=google: the service failed ({type(error).__name__}: {first_line(error)}); "
        f"try again, or device=willow_pink for a virtual processor"
    ) from error
