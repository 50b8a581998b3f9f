"""Energy with gradient, whole optimisation and memory of UCCSD here, in TenCirChem, in PennyLane and in ffsim.

Each tool runs in a process of its own on one core, its compilers warmed up, and then we do in another with the same
integrals; times are processor time, the shortest of repeats, and a ratio is theirs to ours. TenCirChem (its fastest
engine, `civector`, on JAX) names its excitations and the parameters that they share; we take just these in the same
order, so that both energies at the same random angles must agree. Times are for random angles of the excitations that
keep the point group, the others zero, as every optimisation from the reference meets them: their gradient vanishes, and
we leave out the irreps that they would reach. `any` is the ratio where all angles are random. PennyLane
(lightning.qubit, adjoint gradient, sparse Hamiltonian) takes its own fast gates SingleExcitation and DoubleExcitation,
which leave out the signs of fermions: as many excitations as our UCCSD, another state. ffsim has exp(T - T^dagger) as a
whole and no gradient: its energy alone is timed beside our energy with gradient, and nothing is optimised.

None of them is needed by vqe_prune, and they want versions of NumPy that exclude one another: each may live in an
environment of its own, `--python tencirchem=ENV/bin/python`. A tool that is not there is left out, and said so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CASES = {"LiH": "molecule=LiH", "H2O": "molecule=H2O", "H6": "molecule=H6", "N2": "molecule=N2", "H10": "molecule=H10"}

LEAST_RATIO = 10.0
"""Claim: how many times longer each peer takes for energy and gradient (ffsim: energy) of as many excitations, at
angles that an optimisation meets."""

AGREEMENT = 1e-8
"""Claim: hartree between TenCirChem's energy and ours at the same angles of the same excitations."""

MOST_PENNYLANE_QUBITS = 14
"""On 20 qubits its sparse Hamiltonian has some 10^9 entries and does not fit this machine's memory."""

MOST_OPTIMISED = {"tencirchem": ("LiH", "H2O", "H6"), "pennylane": ("LiH", "H6")}
"""Cases that the peers optimise in less than some minutes."""

GRADIENT_TOLERANCE = 1e-5
"""Of both optimisers, hartree per radian."""

SECONDS = 2.0
"""For which evaluations are repeated, at least two after the one that warms up."""

MOST_SECONDS = 1200.0
"""After which a process is given up."""


def best_milliseconds(function: Callable[[], object]) -> float:
    """Return the shortest of the runs within `SECONDS`, after one that is not counted."""
    function()
    shortest, began, n = np.inf, time.perf_counter(), 0
    while n < 2 or time.perf_counter() - began < SECONDS:
        mark = time.process_time()
        function()
        shortest, n = min(shortest, time.process_time() - mark), n + 1
    return 1e3 * shortest


def random_angles(n: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=n) * 0.05


def keeps_irrep(case: dict[str, Any], excitations: list[tuple[list[int], list[int], int]]) -> np.ndarray:
    """Return for each parameter whether all its excitations are totally symmetric."""
    kept = np.ones(1 + max(k for *_, k in excitations), dtype=bool)
    for created, annihilated, k in excitations:
        kept[k] &= np.bitwise_xor.reduce([case["irreps"][p // 2] for p in (*created, *annihilated)]) == 0
    return kept


def optimise(function: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray) -> dict[str, float]:
    """Minimise by SciPy's L-BFGS; the same for everybody."""
    from scipy.optimize import minimize

    began = time.process_time()
    options = {"gtol": GRADIENT_TOLERANCE, "ftol": 0.0, "maxiter": 500, "maxcor": 20}
    done = minimize(function, start, jac=True, method="L-BFGS-B", options=options)
    return {"seconds": time.process_time() - began, "minimum": float(done.fun), "n_gradients": int(done.nfev)}


def measure_tencirchem(case: dict[str, Any], wanted: bool) -> dict[str, Any]:
    import tencirchem

    tencirchem.set_backend("jax")
    tencirchem.set_dtype("complex128")
    n = len(case["one_body"])
    ucc = tencirchem.UCCSD.from_integral(
        case["one_body"], case["two_body"], int(case["n_electrons"]), float(case["core"]),
        mo_coeff=np.eye(n), engine="civector", run_fci=False, run_ccsd=False,
    )  # fmt: skip
    ids = np.asarray(ucc.param_ids if ucc.param_ids is not None else np.arange(len(ucc.ex_ops)))
    angles = random_angles(ucc.n_params)

    def function(x: np.ndarray) -> tuple[float, np.ndarray]:
        energy, gradient = ucc.energy_and_grad(x)
        return float(energy), np.asarray(gradient, dtype=float)

    def interleaved(p: int) -> int:  # theirs: beta first, then alpha
        return 2 * p + 1 if p < n else 2 * (p - n)

    excitations = []
    for operator, k in zip(ucc.ex_ops, ids, strict=True):
        half = len(operator) // 2
        created = [interleaved(p) for p in operator[:half]]
        annihilated = [interleaved(p) for p in operator[half:]][::-1]  # ours are named in the order of filling
        excitations.append((created, annihilated, int(k)))
    symmetric = angles * keeps_irrep(case, excitations)
    row: dict[str, Any] = {"energy": function(angles)[0], "excitations": excitations}
    row |= {"milliseconds": best_milliseconds(lambda: function(symmetric))}
    row |= {"any_milliseconds": best_milliseconds(lambda: function(angles))}
    return row | (optimise(function, np.zeros(ucc.n_params)) if wanted else {})


def measure_pennylane(case: dict[str, Any], wanted: bool) -> dict[str, Any]:
    import pennylane as qml
    from scipy.sparse import csr_matrix

    n_qubits, n_electrons = 2 * len(case["one_body"]), int(case["n_electrons"])
    matrix = csr_matrix((case["data"], case["indices"], case["indptr"]))
    hamiltonian = qml.SparseHamiltonian(matrix, wires=range(n_qubits))
    singles, doubles = qml.qchem.excitations(n_electrons, n_qubits)
    device = qml.device("lightning.qubit", wires=n_qubits)

    @qml.qnode(device, diff_method="adjoint")
    def circuit(angles: Any) -> Any:
        qml.BasisState(np.arange(n_qubits) < n_electrons, wires=range(n_qubits))
        for angle, wires in zip(angles, [*doubles, *singles], strict=True):
            (qml.DoubleExcitation if len(wires) == 4 else qml.SingleExcitation)(angle, wires=wires)
        return qml.expval(hamiltonian)

    gradient = qml.grad(circuit)

    def function(x: np.ndarray) -> tuple[float, np.ndarray]:
        found = gradient(qml.numpy.array(x, requires_grad=True))
        return float(gradient.forward), np.asarray(found)

    n = len(singles) + len(doubles)
    row: dict[str, Any] = {"milliseconds": best_milliseconds(lambda: function(random_angles(n)))}
    if wanted:
        row |= optimise(function, np.full(n, 1e-3))  # some gradients vanish at zero
    return row | {"n_excitations": n}


def measure_ffsim(case: dict[str, Any], wanted: bool) -> dict[str, Any]:
    import ffsim

    n, n_electrons = len(case["one_body"]), int(case["n_electrons"])
    occupied = n_electrons // 2
    random = np.random.default_rng(1)
    t1 = random.normal(size=(occupied, n - occupied)) * 0.05
    t2 = random.normal(size=(occupied, occupied, n - occupied, n - occupied)) * 0.05
    operator = ffsim.UCCSDOpRestrictedReal(t1=t1, t2=t2 + t2.transpose(1, 0, 3, 2))
    sector = (occupied, occupied)
    reference = ffsim.hartree_fock_state(n, sector)
    hamiltonian = ffsim.MolecularHamiltonian(case["one_body"], case["two_body"], float(case["core"]))
    linear = ffsim.linear_operator(hamiltonian, norb=n, nelec=sector)

    def energy() -> float:
        state = ffsim.apply_unitary(reference, operator, norb=n, nelec=sector)
        return float(np.vdot(state, linear @ state).real)

    return {"milliseconds": best_milliseconds(energy)}


def measure_ours(case: dict[str, Any], wanted: bool) -> dict[str, Any]:
    """Energy and gradient of the excitations that stand in the case, of UCCSD where none do."""
    from vqe_prune.ansatz.rotation import Ansatz, Excitation, Rotation
    from vqe_prune.ansatz.ucc import uccsd
    from vqe_prune.engine.sector import SectorEngine
    from vqe_prune.objective import sector_hamiltonian

    problem = _problem(str(case["name"]))
    given = json.loads(str(case["excitations"]))
    if given:
        made = [Excitation(created=tuple(c), annihilated=tuple(a)) for c, a, _ in given]
        rotations = tuple(Rotation(e, parameter=k) for e, (*_, k) in zip(made, given, strict=True))
        ansatz = Ansatz(name="theirs", rotations=rotations, n_parameters=1 + max(k for *_, k in given))
    else:
        ansatz = uccsd(problem.n_orbitals, *problem.n_electrons)
    engine = SectorEngine(hamiltonian=sector_hamiltonian(problem), ansatz=ansatz, threads=1)
    angles = random_angles(ansatz.n_parameters)
    listed = [(list(r.generator.created), list(r.generator.annihilated), r.parameter) for r in ansatz.rotations]
    symmetric = angles * keeps_irrep(case, listed)
    row: dict[str, Any] = {
        "milliseconds": best_milliseconds(lambda: engine.energy_and_gradient(symmetric)),
        "any_milliseconds": best_milliseconds(lambda: engine.energy_and_gradient(angles)),
        "energy": engine.energy(angles),
        "n_excitations": len(ansatz.rotations),
        "n_parameters": ansatz.n_parameters,
    }
    if wanted:
        row |= optimise(engine.energy_and_gradient, np.zeros(ansatz.n_parameters))
    return row


MEASURES = {
    "tencirchem": measure_tencirchem,
    "pennylane": measure_pennylane,
    "ffsim": measure_ffsim,
    "ours": measure_ours,
}


def _problem(name: str) -> Any:
    from cases import load_problem

    return load_problem(CASES[name], exact=False)


def write_case(name: str, path: Path, with_matrix: bool) -> None:
    """Write what the processes need: the integrals of a case, and its sparse matrix on qubits."""
    problem = _problem(name)
    electrons = problem.electrons
    arrays: dict[str, Any] = {
        "name": name,
        "one_body": electrons.one_body,
        "two_body": electrons.two_body,
        "core": electrons.constant,
        "irreps": electrons.irreps,
        "n_electrons": sum(problem.n_electrons),
        "excitations": "[]",
    }
    if with_matrix:
        import openfermion

        from vqe_prune.problem import qubit_hamiltonian

        matrix = openfermion.get_sparse_operator(qubit_hamiltonian(problem), problem.n_qubits).tocsr()
        arrays |= {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
    np.savez(path, **arrays)


def run(python: str, tool: str, case: Path, wanted: bool) -> dict[str, Any]:
    """Measure a tool in a process of its own; the row says why where it gives none."""
    from cases import last_line, one_thread

    xla = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"}
    command = [python, __file__, "--worker", tool, str(case), *(["--optimise"] if wanted else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=one_thread() | xla, timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        return {"failed": f"more than {MOST_SECONDS:.0f} s"}
    if done.returncode:
        return {"failed": last_line(done)}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(tool: str, python: str, name: str, scratch: Path) -> dict[str, Any]:
    """Return the row of a peer and a case."""
    row: dict[str, Any] = {"case": name, "peer": tool}
    if tool == "pennylane" and 2 * _problem(name).n_orbitals > MOST_PENNYLANE_QUBITS:
        return row | {"left_out": f"sparse matrix on more than {MOST_PENNYLANE_QUBITS} qubits"}
    path = scratch / f"{tool}_{name}.npz"
    write_case(name, path, with_matrix=tool == "pennylane")
    wanted = name in MOST_OPTIMISED.get(tool, ())
    theirs = run(python, tool, path, wanted)
    if "failed" in theirs:
        return row | {"left_out": theirs["failed"]}
    if "excitations" in theirs:
        with np.load(path) as arrays:
            kept = dict(arrays)
        np.savez(path, **{**kept, "excitations": json.dumps(theirs["excitations"])})
    ours = run(sys.executable, "ours", path, wanted)
    if "failed" in ours:
        raise SystemExit(f"{name}: {ours['failed']}")
    row |= {"n_excitations": ours["n_excitations"], "n_parameters": ours["n_parameters"]}
    row |= {"milliseconds": theirs["milliseconds"], "our_milliseconds": ours["milliseconds"]}
    row |= {"ratio": theirs["milliseconds"] / ours["milliseconds"]}
    row |= {"any": theirs.get("any_milliseconds", theirs["milliseconds"]) / ours["any_milliseconds"]}
    if "excitations" in theirs:
        row |= {"energy_difference": abs(theirs["energy"] - ours["energy"])}
    if wanted:
        row |= {"seconds": theirs["seconds"], "our_seconds": ours["seconds"]}
        row |= {"seconds_ratio": theirs["seconds"] / ours["seconds"]}
        row |= {"minimum": theirs["minimum"], "our_minimum": ours["minimum"]}
    return row | {"peak_mib": theirs["peak_mib"], "our_peak_mib": ours["peak_mib"]}


def judge(rows: list[dict[str, Any]]) -> list[str]:
    """Return what falls short of the claims."""
    failures = []
    for row in rows:
        if "ratio" in row and row["ratio"] < LEAST_RATIO:
            failures.append(f"{row['case']}: {row['peer']} takes {row['ratio']:.3g} times as long, not {LEAST_RATIO:g}")
        if row.get("energy_difference", 0.0) > AGREEMENT:
            failures.append(f"{row['case']}: {row['peer']}'s energy differs by {row['energy_difference']:.1e} hartree")
    return failures


def main() -> int:
    """Print the table; the status says whether every claim holds."""
    from cases import has_module, show, verdict

    peers = [tool for tool in MEASURES if tool != "ours"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--case", choices=CASES, action="append", help="only this one (more than once: only these)")
    parser.add_argument("--peer", choices=peers, action="append", help="only this one (more than once: only these)")
    parser.add_argument("--python", action="append", default=[], metavar="PEER=PATH", help="interpreter of a peer")
    arguments = parser.parse_args()
    interpreters = dict(each.partition("=")[::2] for each in arguments.python)
    for tool in interpreters:
        if tool not in peers:
            parser.error(f"--python {tool}: no such peer; choose from {', '.join(peers)}")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for tool in arguments.peer or peers:
            python = interpreters.get(tool, sys.executable)
            if not has_module(python, tool):
                print(f"{tool} is left out: not installed; try pip install {tool} and --python", file=sys.stderr)
                continue
            rows += [compare(tool, python, name, Path(scratch)) for name in arguments.case or CASES]
    if not rows:
        return verdict(["nothing was compared: no peer is installed"])
    show(rows, as_json=arguments.json)
    return verdict(judge(rows))


def peak_mib() -> float | None:
    """Return the largest memory of this process, None where the system does not tell.

    getrusage will not do: it begins with what the process that started this one had.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def work(tool: str, path: str, *flags: str) -> None:
    """Measure a tool and print one JSON object: what a process of its own does."""
    with np.load(path) as arrays:
        case = {key: arrays[key] for key in arrays.files}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    row = MEASURES[tool](case, "--optimise" in flags)
    row["peak_mib"] = peak_mib()
    print(json.dumps(row))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(*sys.argv[2:])
    else:
        sys.exit(main())
