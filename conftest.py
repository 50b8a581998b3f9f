"""Modules whose examples cannot be collected where an optional package is missing."""

from importlib.util import find_spec

NEED_TORCH = ("fin", "circuit_head", "ctr_training", "ctr_runs", "ctr_pruning")

collect_ignore = [] if find_spec("torch") else [f"vqe_prune/tasks/{name}.py" for name in NEED_TORCH]
