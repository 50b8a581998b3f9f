"""Energy plus gradient of symmetric UCCSD on JAX's device and on this machine's cores, in one run, with their ratio.

Chains of 8, 10 and 12 hydrogen atoms, with --large of 14, a process each; the first call, which compiles, is counted
apart. Before that, energies, gradients and Hessian products of small molecules with all excitations at random angles.
Claimed is that both engines agree; on a GPU also that the longest chain is faster there than on the cores. Without a
GPU the same kernels run on JAX's CPU backend, which says nothing about speed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

if __name__ == "__main__":  # before NumPy and PySCF read them, as the command line does: idle threads would spin
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from cases import load_problem, show, verdict
from scaling import symmetric_excitations

import vqe_prune as vp
from vqe_prune.ansatz.ucc import uccsd
from vqe_prune.engine.accelerator import (
    INSTALL,
    AcceleratedEngine,
    DeviceHamiltonian,
    device_label,
    find_gpu,
    on_device,
)
from vqe_prune.engine.blocks import link_tables
from vqe_prune.engine.sector import SectorEngine
from vqe_prune.errors import InputError
from vqe_prune.objective import sector_hamiltonian
from vqe_prune.parallel import usable_cores

CHAINS, LARGE = (8, 10, 12), 14

MOLECULES = ("LiH", "H2O", "BeH2", "OH")

OPEN_SHELL = vp.Molecule(name="OH", atoms=(("O", (0.0, 0.0, 0.0)), ("H", (0.0, 0.0, 0.97))), spin=1)

AGREEMENT = 1e-11
"""Largest difference between the engines over the largest number compared: rounding through some hundred rotations."""

REPEATS = 5

ENOUGH_SECONDS = 20.0
"""No further repeat begins after this."""


def open_device() -> tuple[Any, str]:
    """Return a GPU, or JAX's CPU backend where there is none, and what to call it."""
    if importlib.util.find_spec("jax") is None:
        raise SystemExit(f"this compares with JAX: {INSTALL}, or pip install jax")
    try:
        gpu = find_gpu()
        return gpu, device_label(gpu)
    except InputError:
        import jax

        processor = jax.devices("cpu")[0]
        return processor, f"no GPU: CPU backend of JAX {jax.__version__}"


def difference(found: Any, expected: Any) -> float:
    """Return the largest difference over the largest number, at least 1."""
    scale = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(np.asarray(found) - expected).max()) / scale


def agreement(name: str) -> dict[str, Any]:
    """Compare both engines on a molecule at random angles of all excitations, and of the symmetric ones alone."""
    device, label = open_device()
    open_shell = name == OPEN_SHELL.name
    problem = (
        vp.molecular_problem(OPEN_SHELL, exact=False) if open_shell else load_problem(f"molecule={name}", exact=False)
    )
    whole = uccsd(problem.n_orbitals, *problem.n_electrons)
    hamiltonian, row = sector_hamiltonian(problem), {"case": name, "device": label}
    moved = on_device(hamiltonian, device)
    for kind, ansatz in (("all", whole), ("symmetric", symmetric_excitations(whole, problem.electrons.irreps))):
        cores = SectorEngine(hamiltonian=hamiltonian, ansatz=ansatz)
        engine = AcceleratedEngine(hamiltonian=moved, ansatz=ansatz)
        rng = np.random.default_rng(3)
        angles, directions = rng.normal(size=ansatz.n_parameters), rng.normal(size=(2, ansatz.n_parameters))
        (energy, gradient), (value, slopes) = cores.energy_and_gradient(angles), engine.energy_and_gradient(angles)
        products = cores.hessian_products(angles, directions), engine.hessian_products(angles, directions)
        row[f"{kind}_energy"] = difference(value, energy)
        row[f"{kind}_gradient"] = difference(slopes, gradient)
        row[f"{kind}_hessian"] = difference(products[1], products[0])
    return row


def seconds(function: Callable[[], Any]) -> float:
    """Return the shortest of some runs."""
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < ENOUGH_SECONDS:
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


def peak_mib(device: Any) -> float:
    """Return the largest memory so far, of the device where it tells, else of this process."""
    stats = device.memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return float(stats["peak_bytes_in_use"]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def work(engine: AcceleratedEngine) -> tuple[float, float]:
    """Return the GB that one energy with its gradient moves, and the GFLOP of its H psi, by a count of both.

    A pair of amplitudes and its two indices are read, turned, and written by way of a buffer: five times 16 bytes,
    three times a gradient. H psi writes and reads the excited states twice: 32 bytes a number.
    """
    hamiltonian = engine.hamiltonian
    assert isinstance(hamiltonian, DeviceHamiltonian)
    layout = hamiltonian.blocks(engine.irrep).layout
    pairs = 0
    for loop in engine.loops:
        rows, columns = hamiltonian.blocks(engine.irrep).pairs(loop.tables)
        pairs += len(loop.rows) * rows[0].shape[1] * columns[0].shape[2]
    products = np.bincount([len(links.integrals) for links in link_tables(layout, hamiltonian)])
    excited = layout.size * int(products @ np.arange(len(products)))
    flops = 2.0 * layout.size * (int(products @ np.arange(len(products)) ** 2) + layout.shape[1] + layout.shape[2])
    return (3 * 80 * pairs + 32 * excited) / 1e9, flops / 1e9


def measure(n: int) -> dict[str, Any]:
    """Return what a chain of n atoms costs on the device and on the cores."""
    from pyscf import lib

    device, label = open_device()
    threads = usable_cores()
    lib.num_threads(threads)
    atoms = tuple(("H", (0.0, 0.0, float(k))) for k in range(n))
    problem = vp.molecular_problem(vp.Molecule(name=f"H{n}", atoms=atoms), exact=False)
    ansatz = symmetric_excitations(uccsd(n, n // 2, n // 2), problem.electrons.irreps)
    angles = np.random.default_rng(0).normal(0.0, 0.02, ansatz.n_parameters)
    hamiltonian = sector_hamiltonian(problem)
    began = time.perf_counter()
    engine = AcceleratedEngine(hamiltonian=on_device(hamiltonian, device), ansatz=ansatz)
    value, slopes = engine.energy_and_gradient(angles)
    first = time.perf_counter() - began
    here = seconds(lambda: engine.energy_and_gradient(angles))
    peak = peak_mib(device)
    cores = SectorEngine(hamiltonian=hamiltonian, ansatz=ansatz, threads=threads)
    energy, gradient = cores.energy_and_gradient(angles)
    there = seconds(lambda: cores.energy_and_gradient(angles))
    gigabytes, gigaflops = work(engine)
    return {
        "case": f"H{n}",
        "device": label,
        "is_gpu": device.platform != "cpu",
        "determinants": hamiltonian.sector.dimension,
        "rotations": len(ansatz.rotations),
        "loops": len(engine.loops),
        "first_call_s": first,
        "device_s": here,
        "threads": threads,
        "cores_s": there,
        "cores_over_device": there / here,
        "peak_mib": peak,
        "moved_gb": gigabytes,
        "h_psi_gflop": gigaflops,
        "energy": difference(value, energy),
        "gradient": difference(slopes, gradient),
    }


def apart(flag: str, name: str) -> dict[str, Any]:
    """Run one case in a process of its own, whose memory is its own."""
    done = subprocess.run([sys.executable, __file__, flag, name], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"{name} failed")
    return json.loads(done.stdout)


def main() -> int:
    """Print both tables; the status says whether the claims hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--large", action="store_true", help=f"H{LARGE} as well")
    parser.add_argument("--molecule", choices=MOLECULES, help="compare one molecule in this process")
    parser.add_argument("--chain", type=int, help="measure one chain in this process")
    arguments = parser.parse_args()
    if arguments.molecule or arguments.chain:
        show([agreement(arguments.molecule) if arguments.molecule else measure(arguments.chain)], as_json=True)
        return 0
    molecules = [apart("--molecule", name) for name in MOLECULES]
    show(molecules, as_json=arguments.json)
    chains = [apart("--chain", str(n)) for n in (*CHAINS, *((LARGE,) if arguments.large else ()))]
    show(chains, as_json=arguments.json)
    failures = [
        f"{row['case']}: {key} differs by {value:.1e}"
        for row in (*molecules, *chains)
        for key, value in row.items()
        if key.endswith(("energy", "gradient", "hessian")) and not value <= AGREEMENT  # NaN too
    ]
    last = chains[-1]
    if last["is_gpu"] and not last["cores_over_device"] > 1.0:
        failures.append(f"{last['case']}: {last['device_s']:.3g} s on the GPU, {last['cores_s']:.3g} s on the cores")
    return verdict(failures)


if __name__ == "__main__":
    sys.exit(main())
