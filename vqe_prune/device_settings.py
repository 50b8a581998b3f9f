"""Settings of the processor that circuits are measured on, and what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vqe_prune.errors import InputError, check_choice, near_misses
from vqe_prune.google_credentials import GOOGLE
from vqe_prune.lie_settings import CALIBRATIONS
from vqe_prune.settings import Settings

FEWEST_SHOTS = 1000
DEVICES = (*CALIBRATIONS, GOOGLE)
MOST_TWIRLS = 1000
OF_GOOGLE = ("project", "processor", "run", "snapshot", "config", "wait")
OF_VIRTUAL = ("noise_scale", "seconds")
DEVICE_STAGES = ("full", "symmetry", "pruned")
AUTO = "auto"
MITIGATIONS = ("post_selection", "readout", "reference", "clifford", "zne")
OPTIMIZERS = ("none", "spsa", "parameter_shift")
DEVICE_STARTS = ("zero", "pruned")
MOST_ITERATIONS = 1000


def check_device(settings: Settings, given: set[str], rules: Sequence[str]) -> None:
    """Raise InputError where a setting of the device is wrong or has no effect.

    Args:
        settings: All of them.
        given: Names of those that the user gave.
        rules: Of the pruner.

    """
    device = settings.device
    others = sorted(key for key in given if key.startswith("device.") and key != "device.name")
    if device.name is None:
        if others:
            raise InputError(
                f"{others[0]} has no effect without a device; write device=NAME, one of {', '.join(DEVICES)}"
            )
        return
    check_choice("device", device.name, DEVICES)
    virtual = device.name != GOOGLE
    for key in OF_GOOGLE if virtual else OF_VIRTUAL:
        if f"device.{key}" in given:
            kind = "the virtual device" if virtual else "device"
            raise InputError(f"device.{key} has no effect with {kind}={device.name}; leave it out")
    if not virtual and not device.processor:
        raise InputError("device=google needs device.processor=ID, the id of a processor of Google's service")
    if device.run is not None and device.snapshot is not None:
        raise InputError("device.run and device.snapshot exclude each other; leave one of them out")
    for name in device.stages:
        check_choice("device.stages", name, DEVICE_STAGES)
    if "symmetry" in device.stages and "symmetry" not in rules:
        raise InputError("device.stages=symmetry has no effect without pruner=[symmetry,...]; leave it out")
    if "device.stages" in given and not 0 < len(device.stages) == len(set(device.stages)):
        raise InputError(f"device.stages={device.stages} must name each once; available: {', '.join(DEVICE_STAGES)}")
    if not (math.isfinite(device.seconds) and device.seconds > 0):
        raise InputError(f"device.seconds={device.seconds} must be above 0")
    for name in device.mitigation if device.mitigation != [AUTO] else ():
        if name not in MITIGATIONS:
            raise InputError(f"unknown device.mitigation={name}{near_misses(name, (*MITIGATIONS, AUTO))}")
    if len(set(device.mitigation)) < len(device.mitigation):
        raise InputError(f"device.mitigation={','.join(device.mitigation)} names one twice; give each once")
    if device.shots < FEWEST_SHOTS:
        raise InputError(f"device.shots={device.shots} must be at least {FEWEST_SHOTS}: error bars would mean nothing")
    if not 0 <= device.noise_scale <= 100:
        raise InputError(f"device.noise_scale={device.noise_scale} must be from 0 to 100")
    if not 0 <= device.twirls <= MOST_TWIRLS or device.twirls == 1:
        raise InputError(f"device.twirls={device.twirls} must be 0 (none) or from 2 to {MOST_TWIRLS}")
    _check_device_optimizer(settings, given)


def _check_device_optimizer(settings: Settings, given: set[str]) -> None:
    device = settings.device
    check_choice("device.optimizer", device.optimizer, OPTIMIZERS)
    if device.optimizer == "none":
        for key in ("iterations", "start"):
            if f"device.{key}" in given:
                raise InputError(
                    f"device.{key} has no effect without an optimiser on the device; "
                    f"write device.optimizer=NAME, one of {', '.join(OPTIMIZERS[1:])}"
                )
    elif device.stages and "pruned" not in device.stages:
        raise InputError(
            f"device.optimizer={device.optimizer} optimises the pruned ansatz, which device.stages="
            f"[{','.join(device.stages)}] leaves out; add pruned to it"
        )
    if device.start is not None and device.start not in DEVICE_STARTS:
        raise InputError(f"unknown device.start={device.start}{near_misses(device.start, DEVICE_STARTS)}")
    if not 1 <= device.iterations <= MOST_ITERATIONS:
        raise InputError(f"device.iterations={device.iterations} must be from 1 to {MOST_ITERATIONS}")
