"""The task ctr: click-through rates from long histories of clicks with places and times.

A seed makes its log (or reads it), splits it by time, trains the fragment and integrate network and the baselines, and
measures the area under the ROC curve on the test part, over all and by meal time. With a circuit as head it then prunes
the circuit by the project's rules and compares with controls.

Source: J. Li et al., Fragment and Integrate Network (FIN): A Novel Spatial-Temporal Modeling Based on Long Sequential
    Behavior for Online Food Ordering Click-Through Rate Prediction, arXiv 2308.15703; `vqe_prune.tasks.fin` says what
    of it is given and what is ours. The area by meal time follows B. Du et al., BASM: A Bottom-up Adaptive
    Spatiotemporal Model for Online Food Ordering Service, arXiv 2211.12033, which averages it over the requests' times.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vqe_prune.errors import InputError
from vqe_prune.parallel import usable_cores
from vqe_prune.report.task_pictures import pruning_picture
from vqe_prune.settings import Settings
from vqe_prune.tasks.click_logs import ClickLog, split_by_time
from vqe_prune.tasks.ctr_pictures import fits_picture, period_picture
from vqe_prune.tasks.memory import Memory

Content = dict[str, Any]
Say = Callable[[str], Any]

NEEDED = {"torch": "torch", "sklearn": "scikit-learn"}
"""Modules and the packages that bring them."""

FEWEST_CHECK_INS = 20
"""Of a user, before the first request that is made of them."""


def check(settings: Settings) -> Content:
    """Return facts about the log of the first seed.

    Raises:
        InputError: A package is missing, or the log cannot be had.

    """
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise InputError(
            f"task=ctr needs {' and '.join(missing)}: pip install 'vqe-prune[tasks]' (see docs/click_through.md "
            f"for PyTorch without gigabytes for graphics processors)"
        )
    log = read_log(settings, settings.seed)
    split = split_by_time(log)
    parts = [len(rows) for rows in (split.training, split.validation, split.test)]
    new = 100 * float((~split.known_items[log.items[log.candidates(split.test)]]).mean())
    lines = [
        log.summary(),
        f"Split by time: {parts[0]:,} requests for training, then {parts[1]:,} for validation, then {parts[2]:,} for "
        f"the test; {new:.1f} % of the test's candidates are items that training has not seen",
    ]
    return {"lines": lines, "periods": list(log.periods)}


def read_log(settings: Settings, seed: int) -> ClickLog:
    """Return the log of a seed: made with it, or read from files, where the seed draws what was not visited."""
    task = settings.task
    if task.dataset == "synthetic":
        from vqe_prune.tasks.click_synthetic import synthetic_log

        return synthetic_log(seed)
    from vqe_prune.tasks.click_files import eleme_log, foursquare_log

    source = Path(str(task.data_dir))
    if not source.exists():
        raise InputError(f"task.data_dir={source} does not exist; give a file or folder, see docs/click_through.md")
    if task.dataset == "eleme":
        return eleme_log(source, int(task.rows or 0))
    if source.is_dir():
        raise InputError(f"task.data_dir={source} is a folder; for task.dataset=foursquare give the file of check-ins")
    return foursquare_log(source, negatives=int(task.negatives or 0), fewest=FEWEST_CHECK_INS, seed=seed)


def run_seed(settings: Settings, seed: int, memory: Memory, say: Say) -> Content:
    """Train and measure everything for one seed.

    Args:
        settings: Of the task.
        seed: Of the log, the first weights and the order of the requests.
        memory: What has been done; checkpoints of trainings lie beside it.
        say: Told each epoch.

    """
    from vqe_prune.tasks.ctr_models import ModelSizes
    from vqe_prune.tasks.ctr_runs import Bench

    task = settings.task
    cores = settings.threads or usable_cores()
    log = read_log(settings, seed)
    bench = Bench(
        log=log,
        split=split_by_time(log),
        sizes=ModelSizes(events=int(task.events or 0), sets=str(task.sets)),
        settings=settings,
        seed=seed,
        threads=max(1, cores // min(cores, task.seeds or 1)),
        memory=memory,
        say=say,
    )
    say(log.summary())
    if task.head == "circuit":
        from vqe_prune.tasks.ctr_pruning import circuit_run

        return circuit_run(bench, str((task.models or ["fin"])[0]))
    rows = [bench.train(name, "mlp") for name in task.models or ()]
    fits = {row["name"]: {key: row[key] for key in ("losses", "areas")} for row in rows}
    return {"rows": [{key: row[key] for key in ("name", "n_parameters", "scores")} for row in rows], "fits": fits}


def figures(content: Content) -> list[tuple[str, str, str]]:
    """Return the pictures of the page: loss and validation area along the training, and areas by meal time."""
    runs, periods = content["runs"], content["facts"]["periods"]
    by_time = "Area under the ROC curve among the requests of each meal time, mean and deviation over the seeds."
    pictures = [
        (
            "Training",
            fits_picture(runs),
            "Training loss and area under the ROC curve on the validation part after each pass, a thin line a seed, "
            "thick their mean. The weights of the best pass are kept.",
        ),
        ("By meal time", period_picture(content["summary"], periods), by_time),
    ]
    if content["settings"]["task"]["head"] == "circuit":
        about = "Loss of every re-optimised circuit on the way, one line a seed."
        pictures.append(("Pruning", pruning_picture(content, "training log-loss"), about))
    return [each for each in pictures if each[1]]
