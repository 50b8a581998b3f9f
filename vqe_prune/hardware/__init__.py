"""Google processors, virtual and real: opening, placement, compilation, jobs."""

from vqe_prune.hardware.compilation import CompiledCircuit, compile_circuit, find_targets, place_circuits
from vqe_prune.hardware.jobs import collect
from vqe_prune.hardware.placement import Placement, choose_placement, read_errors
from vqe_prune.hardware.processors import DEVICES, open_processor
from vqe_prune.hardware.runner import DeviceRunner

__all__ = [
    "DEVICES",
    "CompiledCircuit",
    "DeviceRunner",
    "Placement",
    "choose_placement",
    "collect",
    "compile_circuit",
    "find_targets",
    "open_processor",
    "place_circuits",
    "read_errors",
]
