"""500 random small problems through the whole pipeline, each against exact diagonalisation by plain matrices.

`soak_problems.py` draws molecules (chains and clouds of hydrogen, hydrides; bases, charges, spins, active spaces) and
spin models (lattices, random graphs, couplings of any sign) with an ansatz, rules, limits and an encoding. Each runs as
the command line runs it, in process, into a folder of its own. `soak_oracles.py` then makes the Hamiltonian's matrix
anew and rebuilds the final state out of angles.npz and, by Cirq, out of circuit.json. What a run may do: end with every
number right and with an error within what was asked for or said in words; refuse the input in one line; say that SCF
does not converge. Anything else is a failure, and one of them fails the script.

`--keep FILE` holds a JSON line for every problem, and the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soak_oracles as oracle
from soak_problems import Draw, draw

SEED, PROBLEMS = 20261121, 500

ENERGY = 1e-8
"""Claim: hartree or J between a recorded energy and that of the state rebuilt from the files; for a model times the
number of its couplings, whose rounding adds up."""

BELOW_EXACT = 1e-9
"""Claim: hartree or J by which no energy is below the lowest eigenvalue."""

ACTIVE_SPACE = 1e-6
"""Claim: the same for the exact energy in an active space of a mean field that PySCF converges anew: orbitals are right
to the root of the energy's 1e-12 only, and an energy of some of them is linear in that."""

OBSERVABLE = 1e-7
"""Claim: difference between recorded and measured <S^2>."""

QSIM = 5e-5
"""Claim: hartree or J between qsim, in single precision, and the exact engine. A run complains by itself beyond 1e-5
for each ten of the sum of all coefficients, and a complaint is a failure."""

GROWTH = 1.10
"""Claim: resident memory at the end over that after the first problems of a process."""

MOST_SECONDS = 240
"""Of processor time, after which a problem counts as hanging."""

WARM = (50, 100)
"""Problems of a process whose median memory is the start; its end is that of the last ones, as many. Single ones differ
by what the allocator has not given back yet."""

MOST_CIRCUIT_GATES = 6_000
"""Of circuits that Cirq simulates in some seconds."""

IN_WORDS = ("removed nothing: the ansatz before it already", "above the exact energy", "mHa above it")
"""Parts of sentences that tell of an error larger than asked for."""

LIMITED = {"curvature", "magnitude", "random", "fisher", "lie"}


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in what takes more processor time, however busy the machine is."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"more than {seconds} s")

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def run_problem(seed: int, number: int) -> dict[str, Any]:
    """Draw a problem, run it and judge it; whatever happens ends in a row."""
    from vqe_prune.errors import ConvergenceError, InputError

    drawn, began = draw(seed, number), time.perf_counter()
    row: dict[str, Any] = {"number": number, "kind": drawn.kind, "words": drawn.words, "unit": drawn.facts["unit"]}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            with at_most(MOST_SECONDS):
                row |= {"status": "done", **run_drawn(drawn, folder)}
        except InputError as error:
            row |= {"status": "refused", "message": str(error).replace(scratch, "FOLDER")}
            row["failures"] = [] if "\n" not in str(error) else ["the refusal has several lines"]
            row["failures"] += ["refused, yet something is written"] if (folder / "run").exists() else []
        except ConvergenceError as error:
            row |= {"status": "not converged", "message": str(error)}
            row["failures"] = [str(error)] if "report" in str(error) or "wrong" in str(error) else []
        except Exception as error:
            row |= {"status": "failed", "failures": [f"{type(error).__name__}: {error}"]}
            row["traceback"] = traceback.format_exc()[-1500:]
    return row | {"seconds": time.perf_counter() - began, "mib": resident(), "process": os.getpid()}


def run_drawn(drawn: Draw, folder: Path) -> dict[str, Any]:
    """Run a problem into folder/run and return what is found there, with what is wrong about it."""
    from vqe_prune import config, report, study

    for name, content in drawn.files.items():
        (folder / name).write_text(content)
    words = [word.replace("{folder}", str(folder)) for word in drawn.words]
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        settings = config.parse_settings([*words, "threads=1", f"output_dir={folder / 'run'}"])
        study.run(settings, write=said.append)
    text = "".join(said)
    report.read_record(folder / "run")  # it must be valid by its own reader
    record = json.loads((folder / "run" / "record.json").read_text())
    found = {
        "n_qubits": record["problem"]["n_qubits"],
        "n_parameters": [stage["n_parameters"] for stage in record["stages"]],
        "notes": [masked(line.removeprefix("Note: ")) for line in text.splitlines() if line.startswith("Note: ")],
        "warnings": sorted({f"{each.category.__name__}: {each.message}" for each in caught}),
    }
    found |= measure(drawn, record, folder / "run")
    again: list[str] = []
    study.run(settings, write=again.append)
    failures = [] if "This study is complete" in "".join(again) else ["the same command does not find it complete"]
    return found | {"failures": failures + judge(found, record, text, settings)}


def measure(drawn: Draw, record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return errors and differences between the record and the oracle."""
    facts, last, found = drawn.facts, record["stages"][-1], dict[str, Any]()
    energy, exact = last["energy"], record["energies"]["exact"]
    if drawn.facts["unit"] == "J":
        space = oracle.model_space(facts)
        wanted = space
        if facts["model"] == "fermi_hubbard":
            numbers = record["problem"]["n_alpha"], record["problem"]["n_beta"]
            inside = oracle.sector_of(space.n, *numbers)
            wanted = oracle.Space(space.n, inside, space.matrix[np.ix_(inside, inside)])
    else:
        integrals = oracle.read_integrals(folder / "hamiltonian.fcidump")
        inside = oracle.sector_of(2 * len(integrals["one_body"]), *integrals["numbers"])
        wanted = space = oracle.electrons_space(integrals, inside)
        if facts["on_qubits"]:
            space = oracle.electrons_space(integrals, np.arange(2**space.n))
        else:
            found["densities"] = abs(oracle.energy_of_densities(folder, integrals) - energy)
        own, found["oracle"] = oracle.exact_energy(facts, record["energies"]["hf"])
        found["own_exact"] = None if np.isnan(own) else abs(own - wanted.lowest())
    state = oracle.state_of_angles(folder, record, space)
    found["rounding"] = max(1.0, 0.1 * float(np.abs(space.matrix).sum(axis=1).max()))
    found["state"] = abs(space.energy(state) - energy)
    found["norm"] = abs(np.linalg.norm(state) - 1.0)
    found["lowest"], found["exact"] = abs(wanted.lowest() - exact), exact - wanted.lowest()
    found["below"] = space.lowest() - min(stage["energy"] for stage in record["stages"])
    found["error_full"], found["error"] = record["stages"][0]["energy"] - exact, energy - exact
    found["measured_error"] = abs(space.energy(state) - exact - last["error_to_exact"])
    if facts["unit"] == "hartree" or facts["model"] == "fermi_hubbard":
        found["spin"] = abs(oracle.spin_squared(state, space) - last["spin_squared"])
    return found | measure_circuit(record, folder, state, space)


def measure_circuit(record: dict[str, Any], folder: Path, state: np.ndarray, space: oracle.Space) -> dict[str, Any]:
    """Return how far what Cirq makes of the circuit is from a state: 1 - overlap, and the energy's difference."""
    last = record["stages"][-1]
    if last["n_two_qubit_gates"] > MOST_CIRCUIT_GATES:
        return {"circuit": None}
    name, expected = last.get("encoding"), np.zeros(2**space.n, dtype=complex)
    expected[space.states] = state
    if name is not None and name != "jordan_wigner":
        expected = oracle.encoded(state, space, last["wires"].split())
        made = oracle.state_of_circuit(folder, int(np.log2(len(expected))))
        return {"encoding": name, "overlap": 1.0 - abs(np.vdot(expected, made))}
    made = oracle.state_of_circuit(folder, space.n)
    difference = abs(space.energy(made[space.states]) - last["energy"])
    return {"encoding": name or "qubits", "overlap": 1.0 - abs(np.vdot(expected, made)), "circuit": difference}


def judge(found: dict[str, Any], record: dict[str, Any], text: str, settings: Any) -> list[str]:
    """Return what is wrong with a run that ended."""
    scale = found["rounding"] if found.get("unit") == "J" or record["problem"]["unit"] == "J" else 1.0
    claims = {
        "state": ENERGY * scale, "circuit": ENERGY * scale, "densities": ENERGY, "measured_error": ENERGY * scale,
        "own_exact": ENERGY if found.get("oracle") == "all orbitals" else ACTIVE_SPACE,
        "below": BELOW_EXACT * scale, "spin": OBSERVABLE, "norm": ENERGY, "overlap": ENERGY,
    }  # fmt: skip
    wrong = [
        f"{key} {found[key]:.1e}" for key, most in claims.items() if found.get(key) is not None and found[key] > most
    ]
    on_qubits = "reference" in record["problem"]
    if found["exact"] < -ENERGY * scale:
        wrong.append(f"the exact energy is {-found['exact']:.1e} too low")
    if found["exact"] > ENERGY * scale and not (on_qubits and "sector" in text):
        wrong.append(f"the exact energy is {found['exact']:.1e} too high, and nothing is said of a sector")
    qsim = record["qsim"]["difference"]
    if qsim is None or abs(qsim) > QSIM * scale or "do not trust" in text:
        wrong.append(f"qsim differs by {qsim}")
    certificate, stages = record["certificate"], record["stages"]
    increase = stages[-1]["energy"] - stages[0]["energy"]
    if abs(certificate["measured_increase"] - increase) > BELOW_EXACT * scale:
        wrong.append("the certificate's increase is not that of the stages")
    if certificate["bound"] is not None and increase > certificate["bound"] + ENERGY * scale:
        wrong.append(f"the increase {increase:.1e} is above its bound {certificate['bound']:.1e}")
    return wrong + [f"warning {each}" for each in found["warnings"]] + unsaid(found, record, text, settings)


def unsaid(found: dict[str, Any], record: dict[str, Any], text: str, settings: Any) -> list[str]:
    """Return what is further off than was asked for without a sentence about it."""
    pruner, full, last = settings.pruner, record["stages"][0], record["stages"][-1]
    limited = [rule for rule in pruner.rules if rule in LIMITED]
    if not limited:
        if last["energy"] - full["energy"] > 1e-6 and "eqntk" not in pruner.rules:
            return [f"an exact rule raised the energy by {last['energy'] - full['energy']:.1e}"]
        return []
    if pruner.parameters is not None:
        over = last["n_parameters"] - max(pruner.parameters, 0)
        fits = full["n_parameters"] <= pruner.parameters or over <= 0
        return [] if fits or "removed nothing" in text else [f"{over} parameters more than the budget"]
    start = full["energy"] if pruner.relative_to == "full" else record["energies"]["exact"]
    over = last["energy"] - start - pruner.tolerance
    if over > ENERGY and not any(words in text for words in IN_WORDS):
        return [f"the error is {over:.1e} above the tolerance, and nothing is said of it"]
    return []


def resident() -> float:
    """Return the resident memory of this process, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def masked(text: str) -> str:
    """Return a sentence without its numbers and names."""
    text = re.sub(r"'[^']*'", "'...'", text)
    text = re.sub(r"(molecule|FOLDER\S*|active_space=\S+|molecule\.\w+=\S+)[ :](\S+:)?", r"\1 ", text)
    return re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?", "#", text)[:150]


def run_all(seed: int, numbers: list[int], processes: int, keep: Path | None) -> Iterator[dict[str, Any]]:
    """Run problems in processes of their own and hand over each row as it comes."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(run_problem, seed, number) for number in numbers]
        for each in as_completed(waiting):
            row = each.result()
            if keep is not None:
                with keep.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            yield row


def largest(rows: Iterable[dict[str, Any]], *keys: str) -> float | None:
    """Return the largest of some numbers of rows, those that they have."""
    return max((row[key] for row in rows for key in keys if row.get(key) is not None), default=None)


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a line for each kind of problem and one for all."""
    lines = []
    for kind in [*sorted({row["kind"] for row in rows}), "all"]:
        here = [row for row in rows if kind in (row["kind"], "all")]
        done = [row for row in here if row["status"] == "done"]
        lines.append({
            "kind": kind, "problems": len(here), "done": len(done),
            "refused": sum(row["status"] == "refused" for row in here),
            "not_converged": sum(row["status"] == "not converged" for row in here),
            "error_full": largest(done, "error_full"), "error_final": largest(done, "error"),
            "exact_differs": largest(done, "own_exact"), "energy_differs": largest(done, "state", "densities"),
            "circuit_differs": largest(done, "circuit"), "overlap_lacks": largest(done, "overlap"),
            "failed": sum(bool(row["failures"]) for row in here),
        })  # fmt: skip
    return lines


def memory(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return for each process with enough problems its memory after the first ones and at its end."""
    lines = []
    for process in sorted({row["process"] for row in rows}):
        sizes = [row["mib"] for row in rows if row["process"] == process]
        first, last = WARM
        if len(sizes) >= last + (last - first):
            start, end = median(sizes[first:last]), median(sizes[first - last :])
            lines.append({"process": process, "problems": len(sizes), "mib_start": start, "mib_end": end})
    return lines


def counted(title: str, counts: Counter[str]) -> None:
    """Print how often each sentence was said."""
    print(f"\n{title}:")
    for text, n in counts.most_common():
        print(f"{n:5d}  {text}")


def main() -> int:
    """Run what is left, print the tables; the status says whether every claim holds."""
    from cases import show, verdict

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--problems", type=int, default=PROBLEMS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", type=int, help="run the problem of this number and show its row")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="file of JSON lines; what stands there is not run again")
    arguments = parser.parse_args()
    for name in ("OPENBLAS", "OMP", "NUMBA"):
        os.environ.setdefault(f"{name}_NUM_THREADS", "1")
    if arguments.only is not None:
        row = run_problem(arguments.seed, arguments.only)
        print(row.pop("traceback", ""), end="")
        print(json.dumps(row, indent=1))
        return verdict(row["failures"])
    rows = [] if arguments.keep is None or not arguments.keep.exists() else read_rows(arguments.keep)
    rows = [row for row in rows if row["number"] < arguments.problems]
    left = sorted(set(range(arguments.problems)) - {row["number"] for row in rows})
    began = time.perf_counter()
    for row in run_all(arguments.seed, left, arguments.processes, arguments.keep):
        rows.append(row)
        if sys.stderr.isatty():
            print(f"\r{len(rows)} of {arguments.problems}", end="", file=sys.stderr)
    show(table(rows), as_json=arguments.json)
    sizes = memory(rows)
    if not arguments.json:
        counted("refused or not converged", Counter(masked(row["message"]) for row in rows if "message" in row))
        counted("notes", Counter(note for row in rows for note in row.get("notes", ())))
        counted("exact energies compared in", Counter(row["oracle"] for row in rows if "oracle" in row))
        counted("circuits compared in", Counter(row["encoding"] for row in rows if "encoding" in row))
        print(f"\n{len(left)} problems in {time.perf_counter() - began:.0f} s; memory of each process, MiB:")
    show(sizes, as_json=arguments.json)
    failures = [f"{row['number']} ({row['kind']}): {each}" for row in rows for each in row["failures"]]
    failures += [
        f"memory grew from {each['mib_start']:.0f} to {each['mib_end']:.0f} MiB"
        for each in sizes
        if each["mib_end"] > GROWTH * each["mib_start"]
    ]
    return verdict(failures)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of an earlier run; a line that it did not finish is left out."""
    rows = []
    for line in path.read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows


if __name__ == "__main__":
    sys.exit(main())
