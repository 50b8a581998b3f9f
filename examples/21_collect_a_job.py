"""A job that is written down before it is sent, and collected after the process that sent it is gone."""

import json
import tempfile
from pathlib import Path

import numpy as np

import vqe_prune as vp
from vqe_prune.circuit import Gate, pair_gates
from vqe_prune.hardware import collect

pair = [Gate("x", (0,)), *pair_gates(0, 1, 0.4)]  # cos 0.4 |10> + sin 0.4 |01>

with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch) / "run"
    runner = vp.DeviceRunner(vp.open_processor("willow_pink", seed=5), 2, folder=folder)
    outcomes = runner.run([pair, [*pair, Gate("h", (0,)), Gate("h", (1,))]], [4000, 1000])
    batch = folder / "0000"  # the first call of run
    written = json.loads((batch / "job.json").read_text())
    print("sent to", written["processor"], "as", [(job["shots"], job["circuits"]) for job in written["jobs"]])

    # The same call on the same folder sends nothing.
    again = vp.DeviceRunner(vp.open_processor("willow_pink", seed=5), 2, folder=folder)
    same = again.run([pair, [*pair, Gate("h", (0,)), Gate("h", (1,))]], [4000, 1000])
    assert all(np.array_equal(a, b) for a, b in zip(outcomes, same, strict=True))

    # What a process leaves that is killed while it waits: job.json and the results that had come. Jobs of Google's
    # service are then fetched by their ids; virtual ones die with their process, so what is missing is run again.
    (batch / "results_1.npz").unlink()
    said: list[str] = []
    later = collect(batch, say=said.append)
    print(*said, sep="\n")
    assert said == ["1 of 2 jobs on the virtual willow_pink ended with their process: run again"]
    assert all(np.array_equal(a, b) for a, b in zip(outcomes, later, strict=True))  # the seed gives the same shots

kept = outcomes[0].sum(axis=1) == 1
moved = outcomes[0][kept][:, 1].mean()
print(f"{kept.mean():.3f} of the shots hold one pair; in {moved:.3f} of these it has moved, sin^2 0.4 = 0.152")
assert 0.97 < kept.mean() < 1.0
assert abs(moved - np.sin(0.4) ** 2) < 4 * np.sqrt(0.152 * 0.848 / kept.sum()) + 0.01  # 0.01 for what noise moves
