"""Click-through rates: FIN against both baselines and its ablations, and a quantum head before and after pruning.

Claims, over five seeds (each makes its own log, first weights and order of requests), exit status 1 where one fails:

- on logs with a planted structure of place and time FIN's AUC is above both baselines' by MARGIN in every seed;
- on logs without it (a user likes the same everywhere and always) FIN is not above mean pooling by MARGIN: what it
  gains above is the structure, not its size;
- curvature prunes the circuit at FIN's head to a tenth of its parameters, and the mean AUC falls by LOSS at most.

Everything else is printed, flattering or not: DIN on all 1,000 clicks (--long), the readings of the set operations, and
every control of the pruned circuit with whether it is worse.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from cases import parse_arguments, show

from vqe_prune.config import parse_settings
from vqe_prune.parallel import usable_cores

SEEDS = range(5)
MARGIN = 0.08
LOSS = 0.005

CASES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "fin": ("fin", {}, True),
    "fin, sets of items": ("fin", {"sets": "items"}, True),
    "fin, sets of vectors": ("fin", {"sets": "vectors"}, True),
    "fin, no sets": ("fin", {"sets": "none"}, True),
    "din, last 100": ("din", {}, True),
    "mean pooling": ("mean_pooling", {}, True),
    "no structure: fin": ("fin", {}, False),
    "no structure: din, last 100": ("din", {}, False),
    "no structure: mean pooling": ("mean_pooling", {}, False),
}
"""Model, sizes other than the usual ones, and whether the log has a structure of place and time."""

LONG = {"din, last 1000": ("din", {"last": 1_000}, True)}


def run(case: str, seed: int, folder: Path) -> list[dict[str, Any]]:
    """Return the rows of one case and seed."""
    from vqe_prune.tasks.click_logs import split_by_time
    from vqe_prune.tasks.click_synthetic import Synthetic, synthetic_log
    from vqe_prune.tasks.ctr_models import ModelSizes
    from vqe_prune.tasks.ctr_pruning import circuit_run
    from vqe_prune.tasks.ctr_runs import Bench
    from vqe_prune.tasks.memory import Memory

    circuit = case == "circuit"
    words = ["task=ctr", *(["task.head=circuit", "pruner=[curvature,magnitude,fisher]"] if circuit else [])]
    model, sizes, structure = ("fin", {}, True) if circuit else (CASES | LONG)[case]
    plain = replace(Synthetic(), user_strength=3.0, place_strength=0.0, period_strength=0.0, both_strength=0.0)
    log = synthetic_log(seed, Synthetic() if structure else plain)
    bench = Bench(
        log=log,
        split=split_by_time(log),
        sizes=ModelSizes(**sizes),
        settings=parse_settings(words),
        seed=seed,
        threads=1,
        memory=Memory(folder / f"{case}-{seed}" / "trace.jsonl"),
        say=lambda text: None,
    )
    if circuit:
        rows = circuit_run(bench, model)["rows"]
        return [row for row in rows if row["name"] != "fin"]  # the perceptron once more
    return [bench.train(model, "mlp") | {"name": case}]


def main() -> int:
    arguments = parse_arguments(__doc__, "--long", "--quick")
    cases = [*CASES, *(LONG if arguments.long else ()), "circuit"]
    seeds = SEEDS[:1] if arguments.quick else SEEDS
    processes = min(2, usable_cores())
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
    ):
        waiting = [pool.submit(run, case, seed, Path(folder)) for case in cases for seed in seeds]
        for k, _ in enumerate(as_completed(waiting), 1):
            print(f"{k}/{len(waiting)}", file=sys.stderr, end=" ", flush=True)
        found = [each.result() for each in waiting]
    print(file=sys.stderr)
    table = gathered([row for rows in found for row in rows])
    show([shown(name, row) for name, row in table.items()], as_json=arguments.json)
    areas, losses = ({name: np.array(row[key]) for name, row in table.items()} for key in ("AUC", "log-loss"))
    complaints = shortfalls(areas)
    if not arguments.json:
        print("\nAUC (higher is better)")
        remarks(areas)
        print("\nlog-loss (lower is better)")
        remarks(losses)
    for complaint in complaints:
        print(f"SHORT: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def gathered(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Scores of every seed by the name of the row."""
    table: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        name = {"fin, linear": "fin, linear head"}.get(row["name"], row["name"])
        for key, value in {"parameters": row["n_parameters"], **row["scores"]}.items():
            table.setdefault(name, {}).setdefault(key, []).append(value)
    return table


def shown(name: str, row: dict[str, list[float]]) -> dict[str, Any]:
    by_time = [key for key in row if key.startswith("AUC ")]
    content = {"case": name, "n_parameters": int(row["parameters"][0]), "auc": round(float(np.mean(row["AUC"])), 4)}
    content |= {"auc_deviation": round(deviation(row["AUC"]), 4), "log_loss": round(float(np.mean(row["log-loss"])), 4)}
    content |= {f"auc_{key[4:]}": round(float(np.mean(row[key])), 4) for key in by_time}
    if "events/s" in row:
        content["events_per_second"] = round(float(np.mean(row["events/s"])))
    return content


def deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def shortfalls(areas: dict[str, Any]) -> list[str]:
    complaints = []
    for baseline in ("din, last 100", "mean pooling"):
        least = float((areas["fin"] - areas[baseline]).min())
        if least < MARGIN:
            complaints.append(f"fin is above {baseline} by {least:.4f} only in one seed, {MARGIN} is claimed")
    gain = float((areas["no structure: fin"] - areas["no structure: mean pooling"]).mean())
    if gain > MARGIN:
        complaints.append(f"fin is above mean pooling by {gain:.4f} without a structure as well")
    lost = float((areas["full"] - areas["curvature, tuned"]).mean())
    if lost > LOSS:
        complaints.append(f"pruning the circuit costs {lost:.4f} of AUC, {LOSS} at most is claimed")
    return complaints


def remarks(areas: dict[str, Any]) -> None:
    """Say for every control whether it clearly differs from what it is a control of: by two standard errors."""
    pairs = [("fin", name) for name in areas if name.startswith("fin, ") or name.startswith("din")]
    pairs += [("curvature, tuned", name) for name in areas if "random" in name or "scratch" in name or name == "full"]
    pairs += [("full", "fin, linear head"), ("full", "fin")]
    for name, control in pairs:
        gaps = areas[name] - areas[control]
        error = deviation(gaps.tolist()) / max(len(gaps), 1) ** 0.5
        clear = abs(gaps.mean()) > 2 * error and len(gaps) > 1
        word = "not clearly different from" if not clear else "above" if gaps.mean() > 0 else "below"
        print(f"{name} is {word} {control}: {gaps.mean():+.4f} +- {error:.4f} (standard error over seeds)")


if __name__ == "__main__":
    sys.exit(main())
