"""What a study leaves in its folder, how the same settings find it again, and the numbers that must come out."""

import tempfile
from pathlib import Path

import cirq
import numpy as np

import vqe_prune as vp

with tempfile.TemporaryDirectory() as scratch:
    folder = Path(scratch) / "LiH"
    settings = vp.parse_settings(["molecule=LiH", f"output_dir={folder}"])  # what follows `python -m vqe_prune`
    said: list[str] = []
    record = vp.run(settings, write=said.append)
    print("files:", *sorted(path.name for path in folder.iterdir() if path.is_file()))

    # The same settings again: nothing is computed.
    again = vp.run(settings, write=said.append)
    print(said[-1].splitlines()[-1].replace(scratch, "..."))
    assert "This study is complete" in said[-1]

    read = vp.read_record(folder / "record.json")
    for stage in read.stages:
        print(f"{stage['name']:10} {stage['n_parameters']:3} parameters, error {1e3 * stage['error_to_exact']:.4f} mHa")
    assert read.stages == record.stages == again.stages

    # The circuit and the Hamiltonian, for any other program.
    circuit = cirq.read_json(folder / "circuit.json")
    two_qubit = sum(len(operation.qubits) == 2 for operation in circuit.all_operations())
    print(f"{len(circuit.all_qubits())} qubits, {two_qubit} two-qubit gates")
    hamiltonian = vp.problem_from_fcidump(folder / "hamiltonian.fcidump", keep_order=True)
    angles = np.load(folder / "angles.npz")
    print("angles of:", *angles.files)

assert [stage["n_parameters"] for stage in read.stages] == [92, 18, 3]
assert two_qubit == read.stages[-1]["n_two_qubit_gates"] == 16
exact = hamiltonian.energies["exact"]
assert exact is not None and abs(exact - read.energies["exact"]) < 1e-9  # hartree
