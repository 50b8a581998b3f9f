"""Whole commands on long hydrogen chains: full UCCSD, then pruning to 1.5 mHa above it, in a process of its own.

H12 (24 qubits, 853,776 determinants) is claimed to take under three minutes with its full UCCSD under one; with
``--large`` also H14 (28 qubits, 11.8 million determinants) under an hour. Errors are to the full ansatz: the exact
energies are left out, since the chains' UCCSD misses them by more than the tolerance. The control is one gradient of
the full ansatz in the same process, which says how fast the machine was.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cases import parse_arguments, show, verdict

SETTINGS = ("exact=false", "pruner.relative_to=full")
TOLERANCE_MHA = 1.5

MOST_SECONDS = {"H12": (60.0, 180.0), "H14": (1800.0, 3600.0)}
"""Claimed: the optimisation of the full ansatz, and the whole command; H14's first one follows from the second."""

REPORTED = """
import json, resource, sys, time
from vqe_prune.__main__ import main
began = time.perf_counter()
status = main(sys.argv[1:])
seconds = time.perf_counter() - began
peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20
print("@" + json.dumps([status, seconds, peak]))
"""


def run_chain(name: str) -> dict[str, Any]:
    """Return what the command of a chain took and found."""
    with tempfile.TemporaryDirectory() as folder:
        words = [f"molecule={name}", *SETTINGS, f"output_dir={folder}/run"]
        done = subprocess.run([sys.executable, "-c", REPORTED, *words], capture_output=True, text=True, check=True)
        status, seconds, peak = json.loads(done.stdout.rsplit("@", 1)[1])
        assert status == 0, done.stdout
        record = json.loads((Path(folder) / "run" / "record.json").read_text())
    full, last = record["stages"][0], record["stages"][-1]
    steps = [line for line in done.stdout.splitlines() if line.startswith("full: ") and " steps in " in line]
    return {
        "case": name,
        "qubits": record["problem"]["n_qubits"],
        "full_parameters": full["n_parameters"],
        "parameters": last["n_parameters"],
        "two_qubit_gates": last["n_two_qubit_gates"],
        "rise_millihartree": 1e3 * (last["energy"] - full["energy"]),
        "full_seconds": float(steps[-1].rsplit(" steps in ", 1)[1].split()[0]),
        "whole_seconds": seconds,
        "peak_gib": peak,
        "gradient_seconds": gradient_seconds(name),
    }


def gradient_seconds(name: str) -> float:
    """Time one energy with its gradient of the full ansatz, symmetric excitations turned by a little."""
    import numpy as np
    from cases import load_problem

    from vqe_prune.ansatz.ucc import uccsd
    from vqe_prune.engine.sector import is_symmetric
    from vqe_prune.objective import energy_of

    problem = load_problem(f"molecule={name}", exact=False)
    ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    objective = energy_of(problem, threads=2)(ansatz)
    kept = [is_symmetric(excitation, problem.electrons.irreps) for excitation in ansatz.excitations]
    angles = 0.01 * np.array(kept, dtype=float)
    objective.value_and_gradient(angles)  # compiled, tables made
    began = time.perf_counter()
    objective.value_and_gradient(angles)
    return time.perf_counter() - began


def main() -> int:
    arguments = parse_arguments(__doc__, "--large")
    names = ["H12", "H14"] if arguments.large else ["H12"]
    rows, failures = [], []
    for name in names:
        row = run_chain(name)
        rows.append(row)
        for key, most in zip(("full_seconds", "whole_seconds"), MOST_SECONDS[name], strict=True):
            if row[key] > most:
                failures.append(f"{name}: {key} {row[key]:.0f}, claimed under {most:.0f}")
        if row["rise_millihartree"] > TOLERANCE_MHA:
            failures.append(f"{name}: {row['rise_millihartree']:.3f} mHa above the full ansatz")
    show(rows, as_json=arguments.json)
    return verdict(failures)


if __name__ == "__main__":
    sys.exit(main())
