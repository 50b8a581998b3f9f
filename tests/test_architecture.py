"""The house: imports point one way, nothing heavy is imported early, nothing runs text."""

import ast
import subprocess
import sys
from pathlib import Path

import vqe_prune

PACKAGE = Path(vqe_prune.__file__).parent
ORDER = [
    "errors", "files", "overrides", "units", "parallel", "launcher_settings", "launchers", "wording", "time_left",
    "run_folder", "console", "google_credentials", "settings", "setting_types", "lie_settings", "device_settings",
    "excitation_settings", "scan_settings", "excited_settings", "molecule_settings", "ctr_settings", "task_settings",
    "engine_settings", "dipole", "electrons", "fcidump", "molecule_input", "basis_sets", "active_space", "correlation",
    "natural_orbitals", "reference_irrep", "stability", "chemistry", "engine.pauli_kernels", "paulis", "lattice",
    "models", "automorphism", "symmetry", "problem", "alignment", "neighbours", "ansatz.rotation", "ansatz.ucc",
    "ansatz.fabric", "ansatz.amplitudes", "ansatz.order", "starts", "ansatz.layered", "ansatz.imported",
    "engine.determinants", "engine.kernels", "engine.sector", "engine.blocks", "engine.jax_kernels",
    "engine.accelerator", "engine.statevector", "engine.sample_kernels", "engine.samples", "exact", "qubit_problem",
    "objective", "observables", "spectrum", "subspace", "other_states", "optimize", "score.curvature", "continuation",
    "training", "orbitals", "forces", "score.information", "score.space", "score.lie", "score.kernel", "score.summary",
    "score.identifiers", "gates", "multiplexed", "circuit", "linear_map", "encoding", "clifford", "basis_change",
    "grouping", "clifford_points", "mitigation", "measurement_plan", "measure", "shift_rules", "shot_energy",
    "shot_vqe", "prune.plan", "prune.symmetry", "prune.curvature", "prune.elimination", "prune.rounds", "prune.journal",
    "prune.coarse", "prune.controls", "prune.certificate", "prune.rule", "prune.absorption", "prune.passes",
    "prune.eqntk", "prune.cells", "prune.distances", "prune.condense", "prune.calibration", "prune.limits",
    "prune.merge_certificate", "prune.lie_options", "prune.lie", "deflation", "prune.notes", "prune.steps",
    "prune.minimum", "prune.symmetry_notes", "prune.pruning", "geometry", "prune.family", "adapt", "excitation_lists",
    "openfermion_operators", "engine.qsim", "hardware.placement", "hardware.twirling", "hardware.compilation",
    "hardware.cost", "hardware.transfer", "hardware.virtual", "hardware.processors", "hardware.jobs", "hardware.runner",
    "hardware", "noisy_energy", "report.record", "report.properties", "report.table", "report.pictures",
    "report.circuit_picture", "report.layout", "report.score_pictures", "report.optimization", "report.device_picture",
    "report.device_table", "report.complaints", "report.excited_table", "report.geometry_table", "report.summary",
    "report.page", "report.scan_table", "report.scan_pictures", "report.scan_page", "report.task_table",
    "report.stored", "report.comparison", "report", "report.merge", "report.merge_table", "report.merge_pictures",
    "report.merge_page", "report.__main__", "excited", "journal", "config", "choices", "catalogue", "completion",
    "commands", "inputs", "results", "device_time", "device_vqe", "on_device", "study", "batch", "curve", "scan",
    "report.task_pictures", "report.task_page", "tasks.memory", "tasks.losses", "tasks.objective", "tasks.training",
    "tasks.one_shot", "tasks.comparison", "tasks.idx", "tasks.data", "tasks.encoding", "tasks.classify",
    "tasks.generate", "tasks.click_logs", "tasks.click_synthetic", "tasks.click_files", "tasks.click_metrics",
    "tasks.fragments", "tasks.ctr_models", "tasks.fin", "tasks.circuit_head", "tasks.ctr_training", "tasks.ctr_runs",
    "tasks.ctr_pruning", "tasks.ctr_pictures", "tasks.ctr", "tasks.study", "sweep", "search", "multirun", "__main__",
]  # fmt: skip


def modules() -> dict[str, Path]:
    names = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if path.read_text().count("import") and name not in ("", "ansatz", "engine", "prune", "score", "tasks"):
            names[name] = path
    return names


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vqe_prune"):
            base = (node.module or "").removeprefix("vqe_prune").lstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                found.add(inner if inner in ORDER else base)
    return found - {""}


def test_imports_point_one_way() -> None:
    assert set(modules()) == set(ORDER), "list every module in ORDER, where its physics puts it"
    for name, path in modules().items():
        for other in imported(path):
            assert ORDER.index(other) < ORDER.index(name), f"{name} must not import {other}"


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, vqe_prune, vqe_prune.config, vqe_prune.__main__; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"cirq", "openfermion", "pyscf", "scipy", "numba", "numpy", "matplotlib", "qsimcirq", "hydra"}


def test_public_names_are_there() -> None:
    assert not set(vqe_prune.__all__) & set(modules()), "importing a module puts it in the place of the public name"
    for name in vqe_prune.__all__:
        assert getattr(vqe_prune, name).__doc__, name
        assert name in dir(vqe_prune)


def test_nothing_runs_text_or_unpickles() -> None:
    forbidden = {"eval", "exec", "compile", "__import__", "pickle", "instantiate", "locate"}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                text = isinstance(node.func, ast.Name) or name != "compile"
                assert not (name in forbidden and text), f"{path}:{node.lineno}"
            if isinstance(node, ast.Import):
                assert not {alias.name for alias in node.names} & forbidden, path


def test_files_and_functions_stay_readable() -> None:
    for path in PACKAGE.rglob("*.py"):
        lines = path.read_text().splitlines()
        assert len(lines) <= 500, path
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                first = node.body[0]
                documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
                start = first.end_lineno if documented and first.end_lineno else node.lineno
                assert node.end_lineno - start <= 60, f"{path}:{node.name}"
