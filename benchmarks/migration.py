"""One job in four programs: LiH in a minimal basis with a frozen core, UCCSD, and the ansätze of the others read here.

First the code of docs/migration.md is run as it stands there, each program in a process of its own and with its own
chemistry, and the energies that it prints are put side by side. Then each program is given the same problems, random
integrals of four electrons in four orbitals and molecules of random geometries, and asked for the energy of its own
UCCSD circuit at random angles; `vqe_prune` reads the excitations that the program names and must find that energy at
the same angles: numbering of spin orbitals, signs, order and sharing of parameters are then right, as random integrals
have no symmetry that would hide a wrong one. (PennyLane's other template, of gates that leave out fermionic signs, is
compared too.)

None of the programs is needed by vqe_prune, and they exclude one another's versions of NumPy: each may live in an
environment of its own, `--python qiskit=ENV/bin/python`. A program that is not there is left out, and said so.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

PAGE = Path(__file__).parent.parent / "docs" / "migration.md"

MODULES = {"pennylane": "pennylane", "qiskit": "qiskit_nature", "tencirchem": "tencirchem"}
"""Programs and what they are imported as."""

SAME_JOB = 2e-5
"""Claim: hartree between the UCCSD energies of all programs, whose products have another order and other parameters."""

SAME_REFERENCE = 1e-6
"""Claim: hartree between Hartree-Fock energies; each program converges its own."""

AGREEMENT = 1e-8
"""Claim: hartree between a program's energy and that of the ansatz read from it, at the same angles."""

ENERGIES = re.compile(r"(\d+) parameters, HF (-\d+\.\d+), UCCSD (-\d+\.\d+) hartree")

ENERGY_KEYS = ("hf", "uccsd", "energy", "our_energy")

FIRST_SEED = 7
"""Of the angles of the first problem; the next ones follow."""

MOST_SECONDS = 1800.0
"""After which a process is given up."""


GEOMETRIES = {
    "H4 cloud": ("H H H H", {}, 1.2),
    "H6 cloud": ("H H H H H H", {"active_space": (4, 4)}, 1.5),
    "LiH2+ cloud": ("Li H H", {"charge": 1, "active_space": (2, 4)}, 1.5),
    "BeH2 cloud": ("Be H H", {"frozen_core": True}, 1.3),
    "H2O cloud": ("O H H", {"active_space": (6, 5)}, 1.0),
}
"""Atoms, what else describes the molecule, and the spread (angstrom) of the positions that are drawn for them."""

LEAST_DISTANCE = 0.7
"""Angstrom between atoms of a random geometry."""


def angles_of(n: int, seed: int = 7) -> np.ndarray:
    """Return the same random angles to everybody."""
    return np.random.default_rng(seed).normal(scale=0.3, size=n)


def problems() -> dict[str, Any]:
    """Return random integrals and the molecules of `GEOMETRIES` at random positions."""
    import vqe_prune as vp
    from vqe_prune.errors import ConvergenceError

    found, random = {"integrals": random_problem()}, np.random.default_rng(13)
    for name, (symbols, settings, spread) in GEOMETRIES.items():
        elements = symbols.split()
        while name not in found:
            places = random.normal(scale=spread, size=(len(elements), 3))
            if min(np.linalg.norm(a - b) for k, a in enumerate(places) for b in places[:k]) < LEAST_DISTANCE:
                continue
            atoms = tuple((element, tuple(map(float, place))) for element, place in zip(elements, places, strict=True))
            with suppress(ConvergenceError):  # of an SCF: other positions are drawn
                found[name] = vp.molecular_problem(vp.Molecule(name=name, atoms=atoms, **settings), exact=False)
    return found


def random_problem() -> Any:
    """Return a problem of four electrons in four orbitals with random integrals, which no symmetry helps."""
    import vqe_prune as vp

    random = np.random.default_rng(11)
    h, g = random.normal(size=(4, 4)), 0.3 * random.normal(size=(4, 4, 4, 4))
    for axes in ((1, 0, 2, 3), (0, 1, 3, 2), (2, 3, 0, 1)):
        g = 0.5 * (g + g.transpose(axes))
    return vp.problem_from_integrals(0.5 * (h + h.T), g, (2, 2), constant=0.7, exact=False)


def ask_pennylane(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Energies of both of PennyLane's templates."""
    import pennylane as qml
    from scipy.sparse import csr_matrix

    n_qubits, n_electrons = 2 * len(case["one_body"]), int(case["n_electrons"])
    matrix = csr_matrix((case["data"], case["indices"], case["indptr"]))
    hamiltonian = qml.SparseHamiltonian(matrix, wires=range(n_qubits))
    singles, doubles = qml.qchem.excitations(n_electrons, n_qubits)
    reference = qml.qchem.hf_state(n_electrons, n_qubits)
    weights = angles_of(len(singles) + len(doubles), int(case["seed"]))

    @qml.qnode(qml.device("lightning.qubit", wires=n_qubits))
    def energy(template: str) -> Any:
        if template == "UCCSD":
            wires = qml.qchem.excitations_to_wires(singles, doubles)
            qml.UCCSD(weights, range(n_qubits), *wires, init_state=reference)
        else:
            qml.AllSinglesDoubles(weights, range(n_qubits), reference, singles, doubles)
        return qml.expval(hamiltonian)

    lists = {"singles": singles, "doubles": doubles}
    return [{**lists, "template": name, "energy": float(energy(name))} for name in ("UCCSD", "AllSinglesDoubles")]


def ask_qiskit(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Energy of Qiskit Nature's UCCSD."""
    from qiskit.quantum_info import Statevector
    from qiskit_nature.second_q.circuit.library import UCCSD, HartreeFock
    from qiskit_nature.second_q.hamiltonians import ElectronicEnergy
    from qiskit_nature.second_q.mappers import JordanWignerMapper

    n, half, mapper = len(case["one_body"]), int(case["n_electrons"]) // 2, JordanWignerMapper()
    electronic = ElectronicEnergy.from_raw_integrals(case["one_body"], case["two_body"])
    operator = mapper.map(electronic.second_q_op())
    ansatz = UCCSD(n, (half, half), mapper, initial_state=HartreeFock(n, (half, half), mapper))
    bound = ansatz.decompose(reps=2).assign_parameters(angles_of(ansatz.num_parameters, int(case["seed"])))
    energy = Statevector(bound).expectation_value(operator).real + float(case["core"])
    return [{"excitations": ansatz.excitation_list, "energy": energy}]


def ask_tencirchem(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Energy of TenCirChem's UCCSD, whose excitations share parameters."""
    import tencirchem

    tencirchem.set_dtype("complex128")
    n = len(case["one_body"])
    ucc = tencirchem.UCCSD.from_integral(
        case["one_body"], case["two_body"], int(case["n_electrons"]), float(case["core"]),
        mo_coeff=np.eye(n), engine="civector", run_fci=False, run_ccsd=False,
    )  # fmt: skip
    lists = {"ex_ops": ucc.ex_ops, "param_ids": ucc.param_ids}
    return [{**lists, "energy": float(ucc.energy(angles_of(ucc.n_params, int(case["seed"]))))}]


ASK: dict[str, Callable[[dict[str, Any]], list[dict[str, Any]]]] = {
    "pennylane": ask_pennylane,
    "qiskit": ask_qiskit,
    "tencirchem": ask_tencirchem,
}


def read_here(tool: str, row: dict[str, Any], problem: Any, seed: int) -> tuple[Any, float]:
    """Return the ansatz of a program, read here, and its energy at the same angles."""
    import vqe_prune as vp
    from vqe_prune.objective import energy_of

    qubits = False
    if tool == "pennylane":
        qubits = row["template"] != "UCCSD"
        ansatz = vp.ansatz_from_pennylane(row["singles"], row["doubles"], template=row["template"])
    elif tool == "qiskit":
        ansatz = vp.ansatz_from_qiskit(row["excitations"], problem.n_orbitals)
    else:
        ansatz = vp.ansatz_from_tencirchem(row["ex_ops"], problem.n_orbitals, row["param_ids"])
    place = vp.molecular_qubit_problem(problem, exact=False) if qubits else problem
    return ansatz, energy_of(place)(ansatz).value_and_gradient(angles_of(ansatz.n_parameters, seed))[0]


def write_case(problem: Any, path: Path, seed: int) -> None:
    """Write what the processes need: integrals, and the sparse matrix on qubits."""
    import openfermion

    from vqe_prune.problem import qubit_hamiltonian

    electrons = problem.electrons
    matrix = openfermion.get_sparse_operator(qubit_hamiltonian(problem), problem.n_qubits).tocsr()
    np.savez(
        path, one_body=electrons.one_body, two_body=electrons.two_body, core=electrons.constant,
        n_electrons=sum(problem.n_electrons), seed=seed, data=matrix.data, indices=matrix.indices, indptr=matrix.indptr,
    )  # fmt: skip


def snippets() -> dict[str, str]:
    """Return the code of docs/migration.md by its program."""
    found = re.findall(r"^## (\w+).*?^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return {name.lower(): code for name, code in found}


def run(python: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in an empty folder, on one thread."""
    from cases import one_thread

    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            [python, *words], capture_output=True, text=True, cwd=folder, env=one_thread(), timeout=MOST_SECONDS
        )


def run_job(tool: str, python: str, code: str) -> dict[str, Any]:
    """Run the code of the page and return what it prints last."""
    from cases import last_line

    done = run(python, "-c", code)
    found = ENERGIES.search(done.stdout)
    if done.returncode or found is None:
        return {"program": tool, "failed": last_line(done, "no energies printed")}
    return {"program": tool, "n_parameters": int(found[1]), "hf": float(found[2]), "uccsd": float(found[3])}


def compare(tool: str, python: str, known: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    """Return rows with a program's energies at random angles and ours, for every problem."""
    from cases import last_line

    paths = []
    for number, problem in enumerate(known.values()):
        paths.append(str(scratch / f"{tool}-{number}.npz"))
        write_case(problem, Path(paths[-1]), FIRST_SEED + number)
    done = run(python, str(Path(__file__).resolve()), "--worker", tool, *paths)
    if done.returncode:
        return [{"program": tool, "failed": last_line(done)}]
    rows = []
    for number, ((name, problem), found) in enumerate(
        zip(known.items(), done.stdout.splitlines()[-len(paths) :], strict=True)
    ):
        for row in json.loads(found):
            ansatz, ours = read_here(tool, row, problem, FIRST_SEED + number)
            sizes = {"n_rotations": len(ansatz.rotations), "n_parameters": ansatz.n_parameters}
            energies = {"energy": row["energy"], "our_energy": ours, "difference": abs(row["energy"] - ours)}
            rows.append({"program": tool, "problem": name, "ansatz": row.get("template", "UCCSD"), **sizes, **energies})
    return rows


def judge(jobs: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[str]:
    """Return what falls short of the claims."""
    failures = [f"{row['program']}: {row['failed']}" for row in (*jobs, *rows) if "failed" in row]
    done = [row for row in jobs if "failed" not in row]
    for key, most in (("hf", SAME_REFERENCE), ("uccsd", SAME_JOB)):
        spread = max(row[key] for row in done) - min(row[key] for row in done) if done else 0.0
        if spread > most:
            failures.append(f"{key} energies differ by {spread:.1e} hartree")
    failures += [
        f"{row['program']} {row['ansatz']}, {row['problem']}: our energy differs by {row['difference']:.1e} hartree"
        for row in rows
        if row.get("difference", 0.0) > AGREEMENT
    ]
    return failures


def main() -> int:
    """Print both tables; the status says whether every claim holds."""
    from cases import has_module, show, verdict

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--python", action="append", default=[], metavar="PROGRAM=PATH", help="its interpreter")
    arguments = parser.parse_args()
    interpreters = dict(each.partition("=")[::2] for each in arguments.python)
    for tool in interpreters:
        if tool not in ASK:
            parser.error(f"--python {tool}: no such program; choose from {', '.join(ASK)}")
    known, codes = problems(), snippets()
    jobs, rows = [run_job("vqe_prune", sys.executable, codes["vqe_prune"])], []
    with tempfile.TemporaryDirectory() as scratch:
        for tool in ASK:
            python = interpreters.get(tool, sys.executable)
            if not has_module(python, MODULES[tool]):
                print(f"{tool} is left out: not installed; see docs/migration.md, and --python", file=sys.stderr)
                continue
            jobs.append(run_job(tool, python, codes[tool]))
            rows += compare(tool, python, known, Path(scratch))
    for number, table in enumerate(filter(None, (jobs, rows))):
        print(end="\n" if number and not arguments.json else "")
        show(table if arguments.json else [in_full(row) for row in table], as_json=arguments.json)
    return verdict(judge(jobs, rows))


def in_full(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with energies to eight decimals."""
    return {key: f"{value:.8f}" if key in ENERGY_KEYS else value for key, value in row.items()}


def work(tool: str, *paths: str) -> None:
    """Ask a program and print a line for each problem: what a process of its own does."""
    for path in paths:
        with np.load(path) as arrays:
            case = {key: arrays[key] for key in arrays.files}
        print(json.dumps(ASK[tool](case), default=int))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(*sys.argv[2:])
    else:
        sys.exit(main())
