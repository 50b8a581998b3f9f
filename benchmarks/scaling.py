"""What a gradient of UCCSD costs as hydrogen chains grow from 8 to 28 qubits, beside a model fitted to two of them.

Symmetric excitations alone, two threads, one process a chain. The model: rotations cost in proportion to the pairs of
determinants that they turn, forwards once and backwards on two states; H psi in proportion to determinants times
squared orbital pairs over irreps. Its two constants are fitted to H10 and H12, everything larger is predicted.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from math import comb
from typing import Any

import numpy as np
from cases import show, verdict

import vqe_prune as vp
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.engine.sector import is_symmetric
from vqe_prune.objective import energy_of

MEASURED = (4, 6, 8, 10, 12, 14)
FITTED = (10, 12)
PREDICTED = (16, 18)
"""Chains that need a larger machine: 32 and 36 qubits."""

THREADS = 2

MOST_SECONDS, MOST_GIB = 30.0, 4.0
"""Claimed for H14: one energy with its gradient, and the memory of the process."""

IRREPS = 2
"""Irreps that the orbitals of a chain have in STO-3G: even and odd sigma."""


def symmetric_excitations(ansatz: Ansatz, irreps: np.ndarray) -> Ansatz:
    kept = [
        rotation
        for rotation, excitation in zip(ansatz.rotations, ansatz.excitations, strict=True)
        if is_symmetric(excitation, irreps)
    ]
    rotations = tuple(replace(rotation, parameter=k) for k, rotation in enumerate(kept))
    return Ansatz(name="uccsd", rotations=rotations, n_parameters=len(rotations))


def measure(n: int) -> dict[str, Any]:
    """Return what a chain of n atoms costs."""
    from pyscf import lib

    lib.num_threads(THREADS)
    atoms = tuple(("H", (0.0, 0.0, float(k))) for k in range(n))
    problem = vp.molecular_problem(vp.Molecule(name=f"H{n}", atoms=atoms), exact=False)
    whole = uccsd(n, n // 2, n // 2)
    ansatz = symmetric_excitations(whole, problem.electrons.irreps)
    began = time.perf_counter()
    engine = energy_of(problem, THREADS)(ansatz).engine
    tables = engine.tables
    setup = time.perf_counter() - began
    angles = np.random.default_rng(0).normal(0.0, 0.02, ansatz.n_parameters)
    engine.energy_and_gradient(angles)  # compiles, and warms caches
    began = time.perf_counter()
    psi = engine.state(angles)
    forward = time.perf_counter() - began
    began = time.perf_counter()
    engine.hamiltonian.apply(psi, engine.irrep)
    image = time.perf_counter() - began
    began = time.perf_counter()
    engine.energy_and_gradient(angles)
    gradient = time.perf_counter() - began
    columns = tables.b_stop - tables.b_start
    pairs = sum(
        int(columns[first:last][:, tables.row_class[tables.a_from[lo:hi]]].sum())
        for first, last, lo, hi in tables.segments
    )
    return {
        "case": f"H{n}",
        "qubits": 2 * n,
        "determinants": engine.hamiltonian.sector.dimension,
        "excitations": len(whole.rotations),
        "symmetric": ansatz.n_parameters,
        "pairs": pairs,
        "setup_s": setup,
        "state_s": forward,
        "h_psi_s": image,
        "gradient_s": gradient,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
    }


def contraction_work(n: int) -> float:
    """Multiplications of H psi: each determinant meets the pairs of orbitals twice, irrep by irrep."""
    return comb(n, n // 2) ** 2 * (n * (n + 1) / 2) ** 2 / IRREPS


def rotation_work(n: int, rows: list[dict[str, Any]]) -> float:
    """Pairs of determinants that all rotations turn; for chains not measured by the growth of a count.

    A double excitation between spins acts where i and j are filled and a and b empty: a share (k/n)^4 of all
    determinants, half of them by irrep; singles and same-spin doubles add little.
    """
    for row in rows:
        if row["case"] == f"H{n}":
            return float(row["pairs"])
    last = rows[-1]
    m = last["qubits"] // 2

    def estimate(k: int) -> float:
        return comb(k, k // 2) ** 2 * (k / 2) ** 4

    return float(last["pairs"]) * estimate(n) / estimate(m)


def fit(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Return seconds of one pair in one forward pass and seconds of one multiplication of H psi."""
    chosen = [row for row in rows if row["qubits"] // 2 in FITTED]
    per_pair = np.mean([(row["gradient_s"] - row["h_psi_s"]) / (3.0 * row["pairs"]) for row in chosen])
    per_product = np.mean([row["h_psi_s"] / contraction_work(row["qubits"] // 2) for row in chosen])
    return float(per_pair), float(per_product)


def with_model(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the model's seconds and memory, and rows of the chains that are only predicted."""
    per_pair, per_product = fit(rows)
    found = [dict(row) for row in rows]
    for n in PREDICTED:
        excitations = uccsd(n, n // 2, n // 2)
        found.append({"case": f"H{n}", "qubits": 2 * n, "determinants": comb(n, n // 2) ** 2})
        found[-1]["excitations"] = len(excitations.rotations)
    for row in found:
        n = row["qubits"] // 2
        row["model_s"] = 3.0 * per_pair * rotation_work(n, rows) + per_product * contraction_work(n)
        row["vectors_gib"] = 4 * 8 * row["determinants"] / 1024**3  # psi, H psi, and the two in blocks
    return found


def growth(rows: list[dict[str, Any]], key: str) -> float:
    """Return by what factor a quantity grows with two more atoms, from the two largest measured chains."""
    return float(rows[-1][key] / rows[-2][key])


def main() -> int:
    """Print the table; the status says whether the claims for H14 hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--only", type=int, choices=MEASURED, help="measure one chain in this process")
    arguments = parser.parse_args()
    if arguments.only is not None:
        show([measure(arguments.only)], as_json=True)
        return 0
    rows = []
    for n in MEASURED:
        command = [sys.executable, __file__, "--only", str(n)]
        rows.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    show(with_model(rows), as_json=arguments.json)
    for key in ("determinants", "pairs", "state_s", "h_psi_s", "gradient_s"):
        print(f"{key}: times {growth(rows, key):.3g} from {rows[-2]['case']} to {rows[-1]['case']}")
    last = rows[-1]
    failures = []
    if last["gradient_s"] > MOST_SECONDS:
        failures.append(f"{last['case']}: {last['gradient_s']:.1f} s are more than {MOST_SECONDS:g}")
    if last["peak_gib"] > MOST_GIB:
        failures.append(f"{last['case']}: {last['peak_gib']:.1f} GiB are more than {MOST_GIB:g}")
    return verdict(failures)


if __name__ == "__main__":
    sys.exit(main())
