"""Real commands killed with SIGKILL at random moments, and on a disk that is full: what they end with all the same.

Each command runs once undisturbed. Then it is started, with all its processes killed at a moment drawn over the time
that it took (seed 20), and started again in the same folder, until a start is not overtaken; then in a fresh one, until
all kills are spent. Claims, of each command:

- what every folder ends with equals the undisturbed record: energies within 1e-8 hartree (or of the unit), names,
  decisions and counts exactly, all other numbers within 1e-4, times and the steps that it took left out;
- an optimum that was printed before a kill stands in the trace afterwards and is not computed again, no line of a trace
  is lost, and no record that was complete is written again;
- JSON files are whole at every kill, and no temporary file is left at the end.

On a file system of a few kilobytes (of root alone: it is mounted) the command ends with status 2 and one line, and goes
on when there is room. A run and a multirun are killed ``--kills`` times (50), the others a fifth as often; ``--only``
takes one command by the start of its name.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cases import one_thread, show, verdict

from vqe_prune.run_folder import TEMPORARY, read_events

SEED = 20
SAME_ENERGY, SAME_NUMBER = 1e-8, 1e-4
OWN = ("times", "versions", "seconds", "steps", "full_steps", "gradient", "folder", "settings", "launcher", "command")
"""What a record says about how it came about, not about what was found."""

SIZES = (40, 72, 80, 88, 96, 104, 116)
"""Of a disk, KiB; the first is refused before anything is computed."""

Saved = tuple[dict[Path, bytes], dict[Path, tuple[int, bytes]]]


@dataclass(frozen=True)
class Case:
    """A command that is killed.

    Attributes:
        name: In the table.
        words: Of the command line.
        often: Whether it is killed as often as was asked for.

    """

    name: str
    words: tuple[str, ...]
    often: bool = False


CASES = (
    Case("LiH", ("molecule=LiH",), often=True),
    Case(
        "several studies",
        ("--multirun", "molecule=H2,HeH+", "pruner=[symmetry,curvature],[symmetry,magnitude]", "threads=2"),
        often=True,
    ),
    Case("restarts, lie", ("molecule=LiH", "ansatz.restarts=2", "pruner=[symmetry,lie,curvature]")),
    Case("Ising, trained", ("model=tfim", "model.n=4", "ansatz=hardware_efficient", "ansatz.layers=4", "pruner=eqntk")),
    Case("scan", ("study=scan", "molecule=LiH", "scan.bond_length=[1.4,2.0,0.2]", "threads=2")),
    Case("Born machine", ("task=generate", "task.seeds=2", "task.epochs=20", "ansatz.layers=2", "threads=2")),
    Case("classifier", ("task=classify", "task.samples=[60,30,30]", "task.epochs=4", "task.seeds=1")),
)


@dataclass
class Tally:
    """What was seen of one command."""

    kills: int = 0
    starts: int = 0
    folders: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    energy: float = 0.0
    number: float = 0.0
    faults: list[str] = field(default_factory=list)


def command(case: Case, folder: Path) -> list[str]:
    """Return the command of a case in a folder."""
    return [sys.executable, "-m", "vqe_prune", *case.words, f"output_dir={folder}"]


def records(folder: Path) -> dict[str, Any]:
    """Return what the complete results below a folder hold, by their places."""
    names = [path for name in ("record.json", "scan.json", "multirun.json") for path in folder.rglob(name)]
    return {str(path.relative_to(folder)): json.loads(path.read_text()) for path in names}


def compare(tally: Tally, place: str, mine: Any, theirs: Any, *, energy: bool = False) -> None:
    """Add the differences of two results to a tally."""
    if isinstance(theirs, dict) and isinstance(mine, dict) and set(mine) == set(theirs):
        for key in theirs.keys() - OWN:
            compare(
                tally, f"{place}.{key}", mine[key], theirs[key], energy="energ" in key or (energy and key != "error")
            )
    elif isinstance(theirs, list) and isinstance(mine, list) and len(mine) == len(theirs):
        for k, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            compare(tally, f"{place}[{k}]", one, other, energy=energy)
    elif isinstance(theirs, float) and isinstance(mine, float):
        far = abs(mine - theirs)
        if energy:
            tally.energy = max(tally.energy, far)
        else:
            tally.number = max(tally.number, far)
        if far > (SAME_ENERGY if energy else SAME_NUMBER):
            tally.faults.append(f"{place} is {mine!r}, undisturbed {theirs!r}")
    elif isinstance(theirs, str) and isinstance(mine, str):
        if re.sub(r"[-+.\d]+(e-?\d+)?", "#", mine) != re.sub(r"[-+.\d]+(e-?\d+)?", "#", theirs):
            tally.faults.append(f"{place} is {mine!r}, undisturbed {theirs!r}")
    elif mine != theirs:
        tally.faults.append(f"{place} is {mine!r}, undisturbed {theirs!r}")


def phase(folder: Path) -> str:
    """Return how far a run was when it was killed."""
    if any((folder / name).exists() for name in ("record.json", "scan.json")) or list(
        folder.glob("multirun/*/report.html")
    ):
        return "written"
    if list(folder.rglob("angles.npz")) or (folder / "report.html").exists():
        return "writing"
    traces = [path.read_bytes().count(b"\n") for path in folder.rglob("trace.jsonl")]
    return "computing" if sum(traces) > 1 else "start"


def saved(folder: Path) -> Saved:
    """Return the whole lines of all traces below a folder, and the records with their times."""
    traces = {path: path.read_bytes() for path in folder.rglob("trace.jsonl")}
    whole = {path: data[: read_events(data)[1]] for path, data in traces.items()}
    return whole, {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("record.json")}


def check_kept(tally: Tally, folder: Path, printed: str, before: Saved) -> None:
    """Add what was lost or done twice between a kill and the end of the next start."""
    traces, complete = before
    for path, data in traces.items():
        if not path.read_bytes().startswith(data):
            tally.faults.append(f"{path.name} lost lines")
    for path, found in complete.items():
        if (path.stat().st_mtime_ns, path.read_bytes()) != found:
            tally.faults.append(f"a complete {path.relative_to(folder)} was written again")
    trace = folder / "trace.jsonl"
    if trace.exists():
        stages = Counter(event["stage"] for event in read_events(trace.read_bytes())[0] if event["event"] == "optimum")
        tally.faults += [f"the optimum of {stage} was found {n} times" for stage, n in stages.items() if n > 1]
        for stage in re.findall(r"^(\S[^:\n]*): \d+ parameters?, E = .* in [\d.]+ s$", printed, re.MULTILINE):
            if stage not in stages:
                tally.faults.append(f"the optimum of {stage} was printed and is not in the trace")


def start(case: Case, folder: Path, after: float | None) -> tuple[int | None, str]:
    """Start a command; None where it was killed, with all its processes, else its status; and what it printed."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command(case, folder), stdout=output, stderr=subprocess.STDOUT, env=one_thread(), start_new_session=True
        )
        try:
            status: int | None = process.wait(after)
        except subprocess.TimeoutExpired:
            status = None
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return status, output.read()


def strike(case: Case, kills: int, place: Path) -> tuple[dict[str, Any], list[str]]:
    """Kill a command at random moments; return a row and what falls short."""
    moments, tally = random.Random(SEED), Tally()
    began = time.monotonic()
    status, text = start(case, place / "whole", None)
    seconds = time.monotonic() - began
    if status != 0:
        return {"case": case.name}, [f"{case.name}: {text.strip().splitlines()[-1]}"]
    whole = records(place / "whole")
    while tally.kills < kills:
        folder, printed = place / str(tally.folders), ""
        tally.folders += 1
        before: Saved = ({}, {})
        status = None
        while status is None:
            last = tally.kills >= kills
            status, text = start(case, folder, None if last else moments.uniform(0.0, seconds))
            tally.starts += 1
            printed += text
            if folder.exists():
                check_kept(tally, folder, printed, before)
                before = saved(folder)
                records(folder)  # whole at every kill
            if status is None:
                tally.kills += 1
                tally.phases[phase(folder)] += 1
        if status != 0:
            tally.faults.append(f"status {status}: {text.strip().splitlines()[-1]}")
            break
        found = records(folder)
        compare(tally, "", found, whole)
        left = [path.name for path in folder.rglob(f".*{TEMPORARY}")]
        tally.faults += [f"{name} is left" for name in left]
    return row(case, tally, seconds), [f"{case.name}: {fault}" for fault in dict.fromkeys(tally.faults)]


def row(case: Case, tally: Tally, seconds: float) -> dict[str, Any]:
    """Return a line of the table."""
    return {
        "case": case.name,
        "seconds": round(seconds, 1),
        "kills": tally.kills,
        **{name: tally.phases[name] for name in ("start", "computing", "writing", "written")},
        "starts": tally.starts,
        "folders": tally.folders,
        "energy_differs": f"{tally.energy:.1e}",
        "others_differ": f"{tally.number:.1e}",
        "faults": len(tally.faults),
    }


def fill(place: Path) -> tuple[dict[str, Any], list[str]]:
    """Run a small command on disks that are too small, give the last one room, and compare."""
    name, case, tally = "disk full", Case("disk full", ("molecule=H2",)), Tally()
    began = time.monotonic()
    start(case, place / "whole", None)
    seconds, disk = time.monotonic() - began, place / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZES[0]}k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        return {"case": f"{name}: not tried, only root may mount"}, []
    try:
        for size in SIZES:
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)
            status, text = start(case, disk / "run", None)
            tally.starts += 1
            line = text.strip().splitlines()[-1]
            if status != 2 or "No space left" not in line or "Traceback" in text:
                tally.faults.append(f"{size} KiB: status {status}: {line}")
            records(disk)
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        status, text = start(case, disk / "run", None)
        tally.starts += 1
        if status != 0:
            tally.faults.append(f"with room: status {status}: {text.strip().splitlines()[-1]}")
        compare(tally, "", records(disk / "run"), records(place / "whole"))
    finally:
        subprocess.run(["umount", str(disk)], check=False)
    return row(case, tally, seconds), [f"{name}: {fault}" for fault in tally.faults]


def main() -> int:
    """Print the table; the status says whether every claim holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    rows, failures = [], []
    with tempfile.TemporaryDirectory() as place:
        for case in (case for case in CASES if case.name.startswith(arguments.only)):
            if case.name == "classifier" and find_spec("sklearn") is None:
                rows.append({"case": "classifier: not tried, it needs pip install '.[tasks]'"})
                continue
            kills = arguments.kills if case.often else -(-arguments.kills // 5)
            folder = Path(place) / re.sub(r"\W", "_", case.name)
            folder.mkdir()
            found, missed = strike(case, kills, folder)
            rows.append(found)
            failures += missed
        if "disk full".startswith(arguments.only):
            found, missed = fill(Path(place))
            rows.append(found)
            failures += missed
    show(rows, as_json=arguments.json)
    return verdict(failures)


if __name__ == "__main__":
    sys.exit(main())
