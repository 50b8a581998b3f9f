"""Problems that several test files share; each is computed once."""

import json
import math
import os
from typing import Any

import pytest

# as the command line does, before NumPy and PySCF are imported: idle threads that spin slow a busy machine down
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if "PYTEST_XDIST_WORKER" in os.environ:  # processes beside each other: one thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from vqe_prune.chemistry import Molecule
from vqe_prune.problem import Problem, molecular_problem

CHAIN = tuple(("H", (0.0, 0.0, float(k))) for k in range(6))
GEOMETRIES = {
    "LiH": (("Li", (0, 0, 0)), ("H", (0, 0, 1.595))),
    "LiH 3.0": (("Li", (0, 0, 0)), ("H", (0, 0, 3.0))),
    "LiH 6.0": (("Li", (0, 0, 0)), ("H", (0, 0, 6.0))),
    "BeH2": (("Be", (0, 0, 0)), ("H", (0, 0, 1.33)), ("H", (0, 0, -1.33))),
    "H2O": (("O", (0, 0, 0)), ("H", (0.7586, 0, 0.5043)), ("H", (-0.7586, 0, 0.5043))),
    "H6": CHAIN,
    "H2": (("H", (0, 0, 0)), ("H", (0, 0, 0.7414))),
}


@pytest.fixture(scope="session")
def molecular():
    """Return the problem of a named geometry in a minimal basis."""
    known: dict[str, Problem] = {}

    def problem(name: str) -> Problem:
        if name not in known:
            known[name] = molecular_problem(Molecule(name=name, atoms=GEOMETRIES[name]))
        return known[name]

    return problem


@pytest.fixture(scope="session")
def h2_record(tmp_path_factory) -> dict[str, Any]:
    """Return what record.json holds after the command for H2."""
    from vqe_prune.__main__ import main

    folder = tmp_path_factory.mktemp("h2")
    assert main(["molecule=H2", f"output_dir={folder}"]) == 0
    return json.loads((folder / "record.json").read_text())


def error_mha(problem: Problem, energy: float) -> float:
    """Error to the exact energy in mHa."""
    exact = problem.energies["exact"]
    assert exact is not None and math.isfinite(exact)
    return 1e3 * (energy - exact)
