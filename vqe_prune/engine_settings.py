"""What a study may be told about the engine that computes its energies."""

from __future__ import annotations

from vqe_prune.errors import InputError, check_choice
from vqe_prune.settings import Settings

ENGINES = ("cpu", "gpu")


def check_engine(settings: Settings, on_qubits: bool) -> None:
    """Raise InputError for an engine that is unknown or would have no effect.

    Whether there is a GPU is seen later, when it is needed: a study that is complete is shown without one.

    Args:
        settings: All settings.
        on_qubits: Whether the ansatz acts on qubits.

    """
    check_choice("engine", settings.engine, ENGINES)
    if settings.engine == "gpu" and on_qubits:
        raise InputError("engine=gpu is for ansätze of electrons such as uccsd; leave it out")
    if settings.engine == "gpu" and settings.study == "scan":
        raise InputError(
            "engine=gpu is not for study=scan, whose points share the cores; run one point: leave study=scan out"
        )
