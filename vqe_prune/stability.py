"""Whether a mean field is a minimum of its energy: its lowest curvature, in words, and the way down from a saddle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.errors import ConvergenceError

Vector = NDArray[np.float64]

UNSTABLE = 1e-3
"""Curvature (hartree per squared radian) below minus this is a way down: SCF noise and symmetries leave 1e-6."""

SAME_SOLUTION = 1e-6
"""Mean fields (hartree) closer than this are one: SCF ends within 1e-9."""

DENSE_ROTATIONS = 24
"""Up to here every column of the Hessian is computed, which takes no longer than an iteration for the lowest one."""

MOST_ROTATIONS = 2000
"""Of more rotations of orbitals only ``follow`` looks at the curvature: it would take as long as SCF itself."""

SMALL_TURN = 0.01
"""Radian of the turns that curvature is measured by: rounding of 1e-13 hartree leaves 1e-8 of it."""

FIRST_STEP = 0.3
"""Radian along the lowest curvature before second-order SCF takes over."""

FLAT_VALLEY = 1e-10
"""Change of the energy (hartree) at which second-order SCF ends: 1e-12 is not reached along a flat valley."""

MOST_STEPS = 8
"""Saddle points in a row after which the way down is given up."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Curvature:
    """The lowest curvature of a mean field's energy.

    Attributes:
        value: d^2 E / d t^2 along exp(t K), K of norm one, hartree per squared radian.
        rotation: K, from orbital q (column) to p (row), antisymmetric; shape (n_orbitals, n_orbitals).

    """

    value: float
    rotation: Vector


def restricted_curvature(method: Any, *, in_group: bool = False) -> Curvature:
    """Return the lowest curvature among restricted determinants, RHF or ROHF (internal stability).

    The search starts from a random vector: one as symmetric as the orbitals would never see a rotation that breaks
    the point group.

    Args:
        method: PySCF's converged RHF or ROHF.
        in_group: Turn orbitals of one irrep into each other alone.

    """
    from pyscf.soscf import newton_ah

    field = _plain(method)
    occupations = np.asarray(field.mo_occ)
    closed = not np.any(occupations == 1)
    generate = newton_ah.gen_g_hop_rhf if closed else newton_ah.gen_g_hop_rohf
    _, product, _ = generate(field, field.mo_coeff, occupations, with_symmetry=False)
    rotates = occupations[:, None] < occupations[None, :]
    allowed = rotates
    if in_group and field.mol.symmetry and field.mol.groupname != "C1":
        labels = np.asarray(field.get_orbsym(field.mo_coeff))
        allowed = rotates & (labels[:, None] == labels[None, :])
    kept = allowed[rotates]

    def inside(vector: Vector) -> Vector:
        whole = np.zeros(len(kept))
        whole[kept] = vector
        return np.asarray(product(whole))[kept]

    generator = np.zeros(rotates.shape)
    generator[allowed] = _lowest(inside, int(kept.sum()))[1]
    rotation = generator - generator.T
    return Curvature(value=_measured(field, rotation) if kept.any() else np.inf, rotation=rotation)


def _measured(field: Any, rotation: Vector) -> float:
    """Curvature from three energies: PySCF's Hessian of ROHF lacks some products of two rotations."""
    import scipy.linalg

    def energy(angle: float) -> float:
        turned = field.mo_coeff @ scipy.linalg.expm(angle * rotation)
        return float(field.energy_tot(dm=field.make_rdm1(turned, field.mo_occ)))

    return (energy(SMALL_TURN) + energy(-SMALL_TURN) - 2.0 * energy(0.0)) / SMALL_TURN**2


def unrestricted_curvature(method: Any) -> float:
    """Return the lowest curvature of RHF towards UHF, alpha and beta orbitals turned oppositely (external stability).

    Args:
        method: PySCF's converged RHF.

    Returns:
        Hartree per squared radian, for turns of alpha and beta orbitals of norm one each.

    """
    from pyscf.soscf import newton_ah

    field = _plain(method)
    filled = np.asarray(field.mo_occ) > 0
    both = field.to_uhf()
    _, product, _ = newton_ah.gen_g_hop_uhf(both, (field.mo_coeff,) * 2, (filled, filled), with_symmetry=False)
    n = int(filled.sum() * (~filled).sum())
    value, _ = _lowest(lambda x: 0.5 * (product(np.concatenate([x, -x]))[:n] - product(np.concatenate([x, -x]))[n:]), n)
    return 4.0 * value


def _plain(method: Any) -> Any:
    """The mean field without PySCF's second-order solver around it, its orbitals kept."""
    field = method.undo_soscf() if hasattr(method, "undo_soscf") else method
    if field is not method:
        field.mo_coeff, field.mo_occ, field.mo_energy = method.mo_coeff, method.mo_occ, method.mo_energy
        field.e_tot, field.converged = method.e_tot, method.converged
    return field


def _lowest(product: Callable[[Vector], Vector], n: int) -> tuple[float, Vector]:
    """Lowest eigenvalue and vector of a symmetric operator; no rotation at all has no curvature."""
    if n == 0:
        return np.inf, np.zeros(0)
    if n <= DENSE_ROTATIONS:
        matrix = np.array([product(column) for column in np.eye(n)])
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        return float(values[0]), vectors[:, 0]
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    start = np.random.default_rng(1).normal(size=n)  # a literal seed: repeatable
    operator = LinearOperator((n, n), matvec=lambda x: product(np.asarray(x).ravel()), dtype=np.float64)
    try:
        found, rows = eigsh(operator, k=1, which="SA", v0=start, tol=1e-3)
    except ArpackNoConvergence as error:
        raise ConvergenceError(
            "the stability analysis of the mean field did not converge; set molecule.stability=none"
        ) from error
    return float(found[0]), np.asarray(rows[:, 0], dtype=np.float64)


def stability_texts(method: Any, name: str) -> tuple[list[str], list[str]]:
    """Say in words where a mean field is no minimum of its energy, and what to type.

    Args:
        method: PySCF's converged RHF or ROHF.
        name: Of the molecule.

    Returns:
        Warnings, where it is a saddle point within its own point group; notes, where what is below breaks the point
        group or, of RHF, the spin.

    """
    occupations = np.asarray(method.mo_occ)
    kind = "ROHF" if np.any(occupations == 1) else "RHF"
    if np.sum(occupations > 0) * np.sum(occupations < 2) > MOST_ROTATIONS:
        return [], []
    follow = "type molecule.stability=follow for the solution below"
    within = restricted_curvature(method, in_group=True).value
    if within < -UNSTABLE:
        return [
            f"SCF of {name} ended in a saddle point: turning orbitals lowers the {kind} energy (curvature "
            f"{within:.3f} hartree); {follow}"
        ], []
    broken = restricted_curvature(method).value
    if broken < -UNSTABLE:
        return [], [
            f"{kind} of {name} is a minimum within its point group, but mixing orbitals of different irreps lowers "
            f"it (curvature {broken:.3f} hartree); {follow}, which breaks the point group"
        ]
    if kind == "RHF" and np.any(occupations == 0):
        outer = unrestricted_curvature(method)
        if outer < -UNSTABLE:
            return [], [
                f"UHF of {name} is below RHF (curvature {outer:.3f} hartree): a bond is stretched or the ground state "
                f"is no singlet; natural orbitals of UHF are molecule.orbitals=uno"
            ]
    return [], []


def followed(method: Any, name: str) -> Any:
    """Go down from saddle points of SCF to a minimum, with as much of the point group as the minimum has.

    Each step turns the orbitals along the lowest curvature, converges at second order without the point group, and
    then tries SCF with the point group from there, which counts where it has the same energy.

    Args:
        method: PySCF's converged RHF or ROHF.
        name: Of the molecule, for messages.

    Returns:
        A mean field without a direction down, the same one where it has none; without its point group where the
        solution breaks that.

    Raises:
        ConvergenceError: There is no end, or SCF does not converge.

    """
    import scipy.linalg

    field = _plain(method)
    for _ in range(MOST_STEPS):
        found = restricted_curvature(field)
        if found.value > -UNSTABLE:
            return field
        turned = field.mo_coeff @ scipy.linalg.expm(FIRST_STEP * found.rotation)
        mol = field.mol.copy()
        mol.symmetry = False
        mol.build(dump_input=False, parse_arg=False)
        free = _like(field, mol).newton()
        free.verbose, free.conv_tol = 0, FLAT_VALLEY  # a broken point group may leave a direction without curvature
        free.kernel(turned, np.asarray(field.mo_occ))
        if not free.converged:
            break
        field = _with_group(field, free)
    raise ConvergenceError(
        f"SCF of {name} has no minimum that can be reached: every solution found is a saddle point or does not "
        f"converge; leave molecule.stability=follow out"
    )


def _like(field: Any, mol: Any) -> Any:
    """A new mean field of the same kind and accuracy for another molecule object."""
    from pyscf import scf

    made = (scf.ROHF if np.any(np.asarray(field.mo_occ) == 1) else scf.RHF)(mol)
    made.verbose, made.conv_tol, made.max_cycle = 0, field.conv_tol, field.max_cycle
    return made


def _with_group(field: Any, free: Any) -> Any:
    """The solution in the point group of the mean field before it, where it has that; else as it is."""
    if field.mol.symmetry:
        symmetric = _like(field, field.mol)
        symmetric.kernel(dm0=free.make_rdm1())
        if symmetric.converged and abs(symmetric.e_tot - free.e_tot) < SAME_SOLUTION:
            return symmetric
    return _plain(free)
