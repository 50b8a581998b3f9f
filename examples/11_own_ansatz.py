"""An ansatz of one's own: a parameterised Cirq circuit, scored and pruned for a Hamiltonian from a text."""

import tempfile
from pathlib import Path

import cirq
import sympy

import vqe_prune as vp

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "hamiltonian.txt"
    file.write_text("-1.0 Z0 Z1\n-1.0 Z1 Z2\n-0.5 X0\n-0.5 X1\n-0.5 X2\n")
    problem = vp.pauli_problem(vp.read_pauli_sum(file), reference="+++", name="three spins")

qubits = cirq.LineQubit.range(3)
circuit, count = cirq.Circuit(), 0
for _ in range(4):
    for gate, places in ((cirq.ZZPowGate, [(0, 1), (1, 2)]), (cirq.XPowGate, [(0,), (1,), (2,)])):
        for place in places:
            circuit.append(gate(exponent=sympy.Symbol(f"a{count}") / sympy.pi).on(*(qubits[q] for q in place)))
            count += 1
ansatz, numbers = vp.ansatz_from_cirq(circuit)
print(ansatz.n_parameters, "parameters from Cirq, the first of them", min(numbers, key=lambda name: numbers[name]))

pruning = vp.prune_ansatz(problem, ansatz, rules=["eqntk"])
print(pruning)
exact = problem.energies["exact"]
assert exact is not None
assert pruning.final.ansatz.n_parameters < ansatz.n_parameters
assert abs(pruning.final.optimum.value - exact) < 1e-9
