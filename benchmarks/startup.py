"""How long a user waits: the help, the tables and the end of ``molecule=LiH``, with warm caches.

Medians of three whole processes after one that is not counted, beside the imports of PySCF, Cirq, qsim and Matplotlib
alone.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from cases import parse_arguments, show

CLAIMS = {"--help": 1.0, "LiH, tables": 2.0, "LiH, written": 5.0}
"""Seconds from the start of the process."""


def measure(command: list[str], mark: str | None = None) -> tuple[float, float]:
    """Return the seconds until a line that starts with the mark, and until the end."""
    began = time.perf_counter()
    marked = 0.0
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if mark is not None and line.startswith(mark):
            marked = time.perf_counter() - began
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    if mark is not None and not marked:
        raise SystemExit(f"{' '.join(command)} printed no line that starts with {mark!r}")  # 0 s would pass any claim
    return marked, time.perf_counter() - began


def main() -> int:
    """Print the table; the status says whether every claim holds."""
    arguments = parse_arguments(__doc__)
    python = [sys.executable]
    figures: dict[str, list[float]] = {"--help": [], "LiH, tables": [], "LiH, written": [], "imports alone": []}
    for count in range(4):
        with tempfile.TemporaryDirectory() as folder:
            run = [*python, "-m", "vqe_prune", "molecule=LiH", f"output_dir={folder}/run"]
            tables, written = measure(run, "Certificate")  # the line under the tables
        _, usage = measure([*python, "-m", "vqe_prune", "--help"])
        _, imports = measure(
            [*python, "-c", "import pyscf.scf, pyscf.fci, pyscf.cc, cirq, qsimcirq, matplotlib.figure"]
        )
        if count:
            for name, seconds in zip(figures, (usage, tables, written, imports), strict=True):
                figures[name].append(seconds)
    yardstick = statistics.median(figures["imports alone"])
    rows: list[dict[str, Any]] = [
        {
            "case": name,
            "seconds": statistics.median(values),
            "claimed_seconds": CLAIMS.get(name),
            "ratio_to_imports": statistics.median(values) / yardstick,
        }
        for name, values in figures.items()
    ]
    show(rows, as_json=arguments.json)
    missed = [row["case"] for row in rows if row["claimed_seconds"] and row["seconds"] > row["claimed_seconds"]]
    if missed:
        print(f"short of the claim: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
