"""Break chosen lines of the package, one at a time, and require that a test fails for each.

Each line is a sign, a factor, an order or a phase that a wrong answer could hide behind, with the test that is to see
it. Package and tests are copied into a temporary folder; there the named tests must pass as they are, and then fail
once for each line. A line that no longer stands in its file just once is an error, also in `tests/test_mutations.py`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent

COPIED = ("vqe_prune", "tests", "molecules", "benchmarks", "docs", "pyproject.toml", "conftest.py")

FAILED, PASSED = 1, 0
"""Exit statuses of pytest; others mean that it did not run the test."""

MOST_SECONDS = 300.0
"""After which a broken line counts as seen: the test hangs."""


class Mutation(NamedTuple):
    """A line to break.

    Attributes:
        what: What is wrong then.
        file: In the package.
        old: Text of the file, there just once.
        new: What takes its place.
        tests: Files and functions of tests, one of which must fail.

    """

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "Jordan-Wigner phase of a sector",
        "engine/determinants.py",
        "return 1.0 - 2.0 * (below & 1)",
        "return 1.0 - 0.0 * (below & 1)",
        ("test_sector.py::test_state_and_energy_are_those_of_dense_matrices",),
    ),
    Mutation(
        "sign of a Givens rotation",
        "engine/kernels.py",
        "psi[row, j] = c * x - t * y",
        "psi[row, j] = c * x + t * y",
        ("test_sector.py::test_state_and_energy_are_those_of_dense_matrices",),
    ),
    Mutation(
        "sign of the adjoint gradient",
        "engine/sector.py",
        "return energy + self.hamiltonian.constant, 2.0 * self._fold(overlaps)",
        "return energy + self.hamiltonian.constant, -2.0 * self._fold(overlaps)",
        ("test_sector.py::test_gradient_and_hessian_are_finite_differences",),
    ),
    Mutation(
        "factor of the Hessian",
        "engine/sector.py",
        "return 2.0 * np.array([self._fold(row) for row in overlaps])",
        "return 1.0 * np.array([self._fold(row) for row in overlaps])",
        ("test_sector.py::test_gradient_and_hessian_are_finite_differences",),
    ),
    Mutation(
        "factor of the gradient of Pauli rotations on split states",
        "engine/statevector.py",
        "2.0 * self._fold(partials.sum(axis=0))",
        "1.0 * self._fold(partials.sum(axis=0))",
        ("test_statevector.py::test_split_states_and_threads_change_nothing",),
    ),
    Mutation(
        "S_z (S_z + 1) of <S^2>",
        "observables.py",
        "weights @ (spin_z * (spin_z + 1.0))",
        "weights @ (spin_z * (spin_z + 0.5))",
        ("test_observables.py::test_states_of_qubits_have_the_observables_of_openfermions_matrices",),
    ),
    Mutation(
        "qubit 0 as the least significant bit",
        "observables.py",
        "mask = sum(1 << (n_qubits - 1 - q) for q in qubits)",
        "mask = sum(1 << q for q in qubits)",
        ("test_observables.py::test_states_of_qubits_have_the_observables_of_openfermions_matrices",),
    ),
    Mutation(
        "sign of the core's exchange energy",
        "electrons.py",
        "(2.0 * coulomb - exchange).sum()",
        "(2.0 * coulomb + exchange).sum()",
        ("test_fcidump.py::test_open_shells_and_active_spaces_of_files_are_those_of_molecules",),
    ),
    Mutation(
        "the core's field on active orbitals",
        "electrons.py",
        'field = 2.0 * np.einsum("pqii->pq"',
        'field = 1.0 * np.einsum("pqii->pq"',
        ("test_fcidump.py::test_open_shells_and_active_spaces_of_files_are_those_of_molecules",),
    ),
    Mutation(
        "factor 1/2 of two-electron terms on qubits",
        "problem.py",
        "InteractionOperator(electrons.constant, one, 0.5 * two)",
        "InteractionOperator(electrons.constant, one, 1.0 * two)",
        ("test_problem.py::test_pauli_symmetries_commute_and_taper_to_the_same_ground_state",),
    ),
    Mutation(
        "sector of a tapered parity",
        "problem.py",
        "sign = (-1) ** len(occupied & {qubit for qubit, _ in string})",
        "sign = (+1) ** len(occupied & {qubit for qubit, _ in string})",
        ("test_problem.py::test_pauli_symmetries_commute_and_taper_to_the_same_ground_state",),
    ),
    Mutation(
        "sign of the Ising coupling",
        "models.py",
        '((a, "Z"), (b, "Z")): -j * weight',
        '((a, "Z"), (b, "Z")): j * weight',
        ("test_lattice.py::test_couplings_and_weights_enter_once", "test_conventions.py"),
    ),
    Mutation(
        "order of creation operators",
        "circuit.py",
        "for orbital in reversed(excitation.created):",
        "for orbital in excitation.created:",
        ("test_circuit.py::test_gates_are_the_matrix_exponential",),
    ),
    Mutation(
        "factor 2 of a Pauli rotation's angle",
        "circuit.py",
        "gates += _pauli_rotation(string, 2.0 * angle * coefficient)",
        "gates += _pauli_rotation(string, 1.0 * angle * coefficient)",
        ("test_circuit.py::test_qubit_circuits_make_the_state_of_the_engine",),
    ),
    Mutation(
        "order of a CX ladder on its way back",
        "circuit.py",
        'Gate("rz", (chain[-1],), angle), *reversed(ladder), *back]',
        'Gate("rz", (chain[-1],), angle), *ladder, *back]',
        (
            "test_circuit.py::test_longer_strings_take_a_ladder",
            "test_circuit.py::test_gates_are_the_matrix_exponential",
        ),
    ),
    Mutation(
        "parity of filled qubits in between",
        "circuit.py",
        "exponent = (used & occupied).bit_count() + (best & own & annihilated).bit_count()",
        "exponent = (best & own & annihilated).bit_count()",
        ("test_circuit.py::test_conserved_parities_shorten_circuits_and_keep_the_state",),
    ),
    Mutation(
        "control and target in Cirq",
        "gates.py",
        "operation.on(*map(cirq.LineQubit, gate.qubits))",
        "operation.on(*map(cirq.LineQubit, gate.qubits[::-1]))",
        ("test_circuit.py::test_qubit_circuits_make_the_state_of_the_engine",),
    ),
    Mutation(
        "sign of an encoded excitation",
        "linear_map.py",
        "scale = -2.0 * angle * operator_sign(excitation) * (-1) ** sign / 2**rank",
        "scale = -2.0 * angle * operator_sign(excitation) / 2**rank",
        ("test_linear_map.py::test_circuits_are_products_of_exponentials",),
    ),
    Mutation(
        "hopping of electron pairs",
        "encoding.py",
        "0.5 * hop[p, q]",
        "1.0 * hop[p, q]",
        ("test_encoding.py::test_the_pair_hamiltonian_is_that_of_doubly_occupied_determinants",),
    ),
    Mutation(
        "gates cancelled past one that does not commute",
        "gates.py",
        "if axis is None or axis != _axis(second, qubit):",
        "if axis is None:",
        ("test_linear_map.py::test_gates_that_are_said_to_commute_do",),
    ),
    Mutation(
        "sign of a same-spin double in a singlet",
        "ansatz/ucc.py",
        "created, sign = ((a, b), 1.0) if a < b else ((b, a), -1.0)",
        "created, sign = ((a, b), 1.0) if a < b else ((b, a), 1.0)",
        ("test_ansatze.py::test_singlet_generators_are_openfermions",),
    ),
    Mutation(
        "sign of a symmetry image",
        "prune/symmetry.py",
        "factor * sign * int(np.prod(symmetry.signs[list(created + annihilated)]))",
        "factor * sign",
        ("test_pruning.py::test_a_partner_of_opposite_sign_is_tied_by_the_opposite_angle",),
    ),
    Mutation(
        "factor 1/2 of the cost of a deletion",
        "score/curvature.py",
        "return 0.5 * angles**2 / np.diag(inverse_hessian)",
        "return 1.0 * angles**2 / np.diag(inverse_hessian)",
        ("test_pruning.py::test_deletion_response_is_the_constrained_minimum_of_a_quadratic",),
    ),
    Mutation(
        "direction in which the others follow a deletion",
        "score/curvature.py",
        "angles - angles[parameter] * column / column[parameter]",
        "angles + angles[parameter] * column / column[parameter]",
        ("test_pruning.py::test_deletion_response_is_the_constrained_minimum_of_a_quadratic",),
    ),
    Mutation(
        "Schur complement of the inverse Hessian",
        "score/curvature.py",
        "rest = inverse_hessian - np.outer(column, column) / column[parameter]",
        "rest = inverse_hessian - 0.0 * np.outer(column, column) / column[parameter]",
        ("test_pruning.py::test_what_a_deletion_leaves_has_the_inverse_of_its_own_hessian",),
    ),
    Mutation(
        "cross term of the certificate's bound",
        "prune/certificate.py",
        "2.0 * sine * min(overlap, 1.0) * deviation",
        "0.5 * sine * min(overlap, 1.0) * deviation",
        ("test_pruning.py::test_certificate_bound_holds_for_two_levels",),
    ),
    Mutation(
        "normalisation of the EQNTK",
        "score/kernel.py",
        "width = d * observable[1] - observable[0] ** 2",
        "width = observable[1] - observable[0] ** 2",
        ("test_score.py::test_haar_mean_against_monte_carlo",),
    ),
    Mutation(
        "factor 4 of the Fisher information",
        "score/information.py",
        "return 4.0 * rows @ rows.T",
        "return 2.0 * rows @ rows.T",
        ("test_lie.py::test_fisher_information_is_the_diagonal_of_the_fisher_matrix",),
    ),
    Mutation(
        "angles modulo pi instead of 2 pi",
        "score/identifiers.py",
        "else 2.0 * math.pi / divisor",
        "else 1.0 * math.pi / divisor",
        ("test_lie.py::test_coordinates_are_reduced_modulo_the_period_of_the_gate",),
    ),
    Mutation(
        "square root of the Fubini-Study distance",
        "score/identifiers.py",
        "sine = np.sqrt(np.clip(squares, 0.0, 1.0))",
        "sine = np.clip(squares, 0.0, 1.0)",
        ("test_lie.py::test_fubini_study_fisher_and_norm_of_strings_are_those_of_matrices",),
    ),
    Mutation(
        "rotations merged across one that does not commute",
        "prune/lie.py",
        "decisions[k].action is Action.KEEP and not generators_commute(",
        "decisions[k].action is Action.DROP and not generators_commute(",
        ("test_lie.py::test_contraction_is_exact_and_asks_that_all_between_commute",),
    ),
    Mutation(
        "offset of misread qubits",
        "mitigation.py",
        "corrected = (signs - (rates[1] - rates[0]))",
        "corrected = (signs + (rates[1] - rates[0]))",
        ("test_measure.py::test_readout_correction_is_that_of_cirqs_confusion_matrices",),
    ),
    Mutation(
        "inverse of the readout matrix",
        "mitigation.py",
        "(1.0 - high) * zero - low * one",
        "(1.0 - high) * zero + low * one",
        (
            "test_measure.py::test_readout_correction_is_that_of_cirqs_confusion_matrices",
            "test_measure.py::test_flipped_bits_of_a_noisy_simulator_are_removed",
        ),
    ),
    Mutation(
        "sign of the reference's error",
        "mitigation.py",
        "measured.value - (reference.value - exact)",
        "measured.value + (reference.value - exact)",
        ("test_measure.py::test_a_reference_removes_mixing_up_to_its_stated_bias",),
    ),
    Mutation(
        "weights of the extrapolation to no noise",
        "mitigation.py",
        "1.5 * single.value - 0.5 * triple.value",
        "2.0 * single.value - 1.0 * triple.value",
        ("test_measure.py::test_extrapolation_of_exact_decays",),
    ),
    Mutation(
        "error bar of post-selected shots",
        "mitigation.py",
        "max(sample, least * weight) / (n * weight**2)",
        "max(sample, least * weight) / (4 * n * weight**2)",
        ("test_measure.py::test_estimates_without_noise_are_unbiased_with_honest_bars",),
    ),
    Mutation(
        "shots by the spread, not by the variance",
        "grouping.py",
        "sigmas = np.sqrt(variances)",
        "sigmas = variances + 0.0",
        ("test_measure.py::test_allocation_beats_equal_shots",),
    ),
    Mutation(
        "weights of the four-term shift rule",
        "shift_rules.py",
        "NEAR, FAR = (2.0 + np.sqrt(2.0)) / 4.0, (2.0 - np.sqrt(2.0)) / 4.0",
        "NEAR, FAR = (2.0 - np.sqrt(2.0)) / 4.0, (2.0 + np.sqrt(2.0)) / 4.0",
        ("test_shot_vqe.py::test_shifted_energies_give_the_exact_gradient",),
    ),
    Mutation(
        "inverse gate of a folded circuit",
        "hardware/compilation.py",
        "cirq.Moment(_inverse(operation) for operation in forward)",
        "cirq.Moment(operation for operation in forward)",
        ("test_hardware.py::test_folding_multiplies_two_qubit_gates_and_keeps_the_unitary",),
    ),
    Mutation(
        "sign of angles on a processor",
        "hardware/compilation.py",
        "gate._replace(angle=math.pi * round(",
        "gate._replace(angle=-math.pi * round(",
        ("test_hardware.py::test_a_compiled_circuit_is_the_logical_one_on_its_qubits",),
    ),
    Mutation(
        "sign of the electrons' dipole moment",
        "dipole.py",
        "DEBYE * (self.fixed - np.einsum(",
        "DEBYE * (self.fixed + np.einsum(",
        ("test_properties.py::test_properties_of_exact_states_are_those_of_pyscfs_fci",),
    ),
    Mutation(
        "density turned into orbitals the wrong way",
        "observables.py",
        "density = orbitals @ density @ orbitals.T",
        "density = orbitals.T @ density @ orbitals",
        ("test_properties.py::test_orbitals_may_turn_and_be_renumbered",),
    ),
    Mutation(
        "factor 2/3 of oscillator strengths",
        "spectrum.py",
        "2.0 / 3.0 * excitation_energy * moment @ moment",
        "1.0 / 3.0 * excitation_energy * moment @ moment",
        ("test_excited.py::test_oscillator_strengths_sum_to_the_polarizability",),
    ),
    Mutation(
        "overlap term of a nuclear gradient",
        "forces.py",
        'out[atom] -= 2.0 * np.einsum("xij,ij->x", overlap[:, p0:p1], w[p0:p1])',
        'out[atom] += 2.0 * np.einsum("xij,ij->x", overlap[:, p0:p1], w[p0:p1])',
        ("test_nuclei.py::test_gradients_are_finite_differences",),
    ),
    Mutation(
        "sign of the exponent in a softmax",
        "tasks/losses.py",
        "found = np.exp(logits - logits.max(axis=0))",
        "found = np.exp(logits.min(axis=0) - logits)",
        ("test_tasks.py::test_the_log_loss_by_hand",),
    ),
    Mutation(
        "direction of the Kullback-Leibler divergence",
        "tasks/losses.py",
        "np.log(np.where(inside, p, 1.0) / bounded)",
        "np.log(bounded / np.where(inside, p, 1.0))",
        ("test_tasks.py::test_derivatives_of_divergences_are_finite_differences",),
    ),
    Mutation(
        "damping of a loss's Hessian",
        "tasks/objective.py",
        "return found + self.damping * np.trace(found)",
        "return found - self.damping * np.trace(found)",
        ("test_tasks.py::test_damping_bends_every_direction_upwards",),
    ),
)


def breakage(mutation: Mutation, root: Path = ROOT) -> str:
    """Return the file's text with the line broken; ValueError where it is not there just once."""
    text = (root / "vqe_prune" / mutation.file).read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        raise ValueError(f"{mutation.file}: {mutation.old!r} is there {text.count(mutation.old)} times, not once")
    return text.replace(mutation.old, mutation.new)


def copy_to(folder: Path) -> Path:
    """Copy package and tests, compiled kernels with them, which belong to the files' times."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy2(source, folder / name)
    return folder


def run_tests(folder: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run tests of a copy until one fails; return pytest's status and the first failure, or its last line."""
    names = [f"tests/{each}" for each in tests]
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--no-header", *names]
    try:
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        return FAILED, "took too long"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode, next((line for line in lines if line.startswith("FAILED")), (lines or ["no output"])[-1])


def try_mutation(mutation: Mutation, folder: Path) -> dict[str, Any]:
    """Break a line in a copy, run its tests and mend it; return what happened."""
    path, began = folder / "vqe_prune" / mutation.file, time.perf_counter()
    broken, times = breakage(mutation, folder), path.stat()
    whole = path.read_text(encoding="utf-8")
    path.write_text(broken, encoding="utf-8")
    try:
        status, line = run_tests(folder, mutation.tests)
    finally:
        path.write_text(whole, encoding="utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # compiled kernels of the whole file stay valid
    seen = {FAILED: "seen", PASSED: "NOT SEEN"}.get(status, f"NOT RUN: {line}")
    by = line.partition("::")[2].partition(" ")[0].partition("[")[0] if status == FAILED else ""
    return {
        "broken": mutation.what, "file": mutation.file, "result": seen, "by": by,
        "seconds": time.perf_counter() - began,
    }  # fmt: skip


def main() -> int:
    """Run every mutation, print the table; the status says whether all of them were seen."""
    from cases import show, verdict

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--only", default="", help="those whose description or file holds this text")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    chosen = [each for each in MUTATIONS if arguments.only in f"{each.what} {each.file}"]
    for each in chosen:
        breakage(each)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(arguments.processes) as pool:
        folders: SimpleQueue[Path] = SimpleQueue()
        for k in range(arguments.processes):
            folders.put(copy_to(Path(scratch) / f"{k}"))

        def in_a_copy(mutation: Mutation) -> dict[str, Any]:
            folder = folders.get()
            try:
                row = try_mutation(mutation, folder)
            finally:
                folders.put(folder)
            print(f"{row['result']}: {mutation.what} ({row['seconds']:.0f} s)", file=sys.stderr, flush=True)
            return row

        first = folders.get()
        status, line = run_tests(first, list(dict.fromkeys(test for each in chosen for test in each.tests)))
        folders.put(first)
        if status != PASSED:
            return verdict([f"the tests do not pass as they are: {line}"])
        rows = list(pool.map(in_a_copy, chosen))
    show(rows, as_json=arguments.json)
    print(f"{sum(row['result'] == 'seen' for row in rows)} of {len(rows)} broken lines are seen", file=sys.stderr)
    return verdict([f"{row['broken']} ({row['file']}): {row['result']}" for row in rows if row["result"] != "seen"])


if __name__ == "__main__":
    sys.exit(main())
