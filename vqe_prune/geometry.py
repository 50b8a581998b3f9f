"""Geometry optimisation with a pruned ansatz: geomeTRIC moves the nuclei, our gradients say where."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.alignment import align_with
from vqe_prune.ansatz.rotation import Ansatz
from vqe_prune.chemistry import Atom, Molecule, solve_mean_field
from vqe_prune.errors import InputError
from vqe_prune.forces import nuclear_gradient
from vqe_prune.objective import energy_of
from vqe_prune.optimize import minimize
from vqe_prune.orbitals import in_orbitals, orbital_matrix, orbital_pairs, with_orbital_rotations
from vqe_prune.problem import Problem, molecular_problem
from vqe_prune.prune.pruning import Pruning

BOHR = 0.529177210903
"""One bohr in angstrom; CODATA 2018."""

INSTALL = "geometry optimisation needs geomeTRIC, which is not installed: pip install 'vqe-prune[geometry]'"


@dataclass(frozen=True, eq=False, kw_only=True)
class GeometryStep:
    """One geometry on the way.

    Attributes:
        atoms: Symbols and positions in angstrom.
        energy: Of the re-optimised ansatz, hartree.
        gradient: dE/dR in hartree per bohr; shape (n_atoms, 3).

    """

    atoms: tuple[Atom, ...]
    energy: float
    gradient: NDArray[np.float64]

    @property
    def gradient_norm(self) -> float:
        """Root mean square over atoms of the gradient's length, what geomeTRIC looks at; hartree per bohr."""
        return float(np.sqrt(np.mean(np.sum(self.gradient**2, axis=1))))

    def as_row(self) -> dict[str, Any]:
        """Return the step as a record holds it."""
        return {
            "symbols": [symbol for symbol, _ in self.atoms],
            "positions": [list(map(float, position)) for _, position in self.atoms],
            "energy": self.energy,
            "gradient": self.gradient.tolist(),
            "gradient_norm": self.gradient_norm,
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class GeometryOptimisation:
    """The end of a geometry optimisation.

    Attributes:
        steps: Geometries in the order in which they were tried; the last one is the result.
        converged: Whether geomeTRIC's criteria are met.
        problem: The problem at the last geometry, with its exact energy, orbitals in the order of the first one's.
        ansatz: The ansatz, the same everywhere.
        angles: Its optimum at the last geometry, radian.
        orbitals: Orbitals of the ansatz in terms of the problem's, None for its own.

    """

    steps: tuple[GeometryStep, ...]
    converged: bool
    problem: Problem
    ansatz: Ansatz
    angles: NDArray[np.float64]
    orbitals: NDArray[np.float64] | None

    @property
    def molecule(self) -> Molecule:
        """The molecule at the last geometry."""
        assert self.problem.molecule is not None
        return self.problem.molecule

    @property
    def error_to_exact(self) -> float | None:
        """Error of the energy at the last geometry, hartree."""
        exact = self.problem.energies["exact"]
        return None if exact is None else self.steps[-1].energy - exact

    def xyz(self) -> str:
        """Return the last geometry as the text of an XYZ file, which ``molecule=FILE`` reads."""
        step = self.steps[-1]
        head = f"{self.problem.name} energy {step.energy:.8f} hartree, gradient {step.gradient_norm:.1e} hartree/bohr"
        rows = [f"{symbol:<3}" + "".join(f"{x:14.8f}" for x in position) for symbol, position in step.atoms]
        return "\n".join([str(len(rows)), head, *rows]) + "\n"

    def __str__(self) -> str:
        """Return a line for each step and the error at the end."""
        lines = [
            f"{number}: {step.energy:.8f} hartree, gradient {step.gradient_norm:.1e} hartree/bohr"
            for number, step in enumerate(self.steps)
        ]
        error = self.error_to_exact
        end = "" if error is None else f", error to the exact energy there {1e3 * error:.4f} mHa"
        return "\n".join([*lines, ("converged" if self.converged else "not converged") + end])


def optimise_geometry(
    pruning: Pruning,
    *,
    max_steps: int = 100,
    gradient_tolerance: float = 1e-7,
    exact: bool = True,
    progress: Callable[[GeometryStep], None] | None = None,
) -> GeometryOptimisation:
    """Move the nuclei of a pruned molecule to a minimum of its energy, the pruned ansatz held, its angles re-optimised.

    geomeTRIC (internal coordinates, its default criteria: 1e-6 hartree, 3e-4 hartree/bohr, 1.2e-3 angstrom) drives
    `nuclear_gradient`. Point group and orbitals are kept as they are at the first geometry; orbitals that were
    optimised are re-optimised, others are those of Hartree-Fock at each geometry.

    Args:
        pruning: Of a molecule; its final ansatz is the one.
        max_steps: Largest number of geometries.
        gradient_tolerance: Largest gradient component of the angles' optimum, hartree per radian.
        exact: Compute the exact energy at the end.
        progress: Called with each geometry.

    Returns:
        All steps and the last problem.

    Raises:
        InputError: geomeTRIC is not installed, the problem has no geometry or its gradient does not exist, or a
            geometry on the way has another point group or reference.

    Reference: L.-P. Wang, C. Song, Geometry optimization made simple with translation and rotation coordinates, J.
        Chem. Phys. 144, 214108 (2016).

    """
    problem = pruning.problem
    if not isinstance(problem, Problem) or problem.molecule is None:
        raise InputError(f"{problem.name} has no geometry to optimise: a molecule is needed, not integrals or qubits")
    if len(problem.molecule.atoms) < 2:
        raise InputError(f"{problem.name} has one atom: there is no geometry to optimise")
    check_installed()
    walk = _Walk(pruning, gradient_tolerance, progress)
    mol = solve_mean_field(problem.molecule).scf.mol
    with _silenced():
        from pyscf.geomopt import as_pyscf_method, geometric_solver

        converged, _ = geometric_solver.kernel(as_pyscf_method(mol, walk.at), maxsteps=max_steps)
    last = walk.problem
    if exact:
        assert last.molecule is not None
        last = replace(last, energies=molecular_problem(last.molecule).energies)
    return GeometryOptimisation(
        steps=tuple(walk.steps),
        converged=bool(converged),
        problem=last,
        ansatz=walk.ansatz,
        angles=walk.angles,
        orbitals=walk.orbitals,
    )


def check_installed() -> None:
    """Raise InputError where geomeTRIC is not installed."""
    if importlib.util.find_spec("geometric") is None:
        raise InputError(INSTALL)


class _Walk:
    """Energy and gradient at each geometry that geomeTRIC asks for, angles and orbitals handed on."""

    def __init__(
        self, pruning: Pruning, gradient_tolerance: float, progress: Callable[[GeometryStep], None] | None
    ) -> None:
        assert isinstance(pruning.problem, Problem)
        self.first = self.problem = pruning.problem
        self.ansatz, self.angles = pruning.final.ansatz, pruning.final.optimum.angles
        self.orbitals = pruning.final.orbitals
        self.follow = any(stage.name == "orbitals" for stage in pruning.stages)
        self.steps: list[GeometryStep] = []
        self._gradient_tolerance, self._progress = gradient_tolerance, progress

    def at(self, mol: Any) -> tuple[float, NDArray[np.float64]]:
        """Return energy (hartree) and gradient (hartree per bohr) at the geometry of PySCF's molecule."""
        molecule = self.first.molecule
        assert molecule is not None
        places = (BOHR * mol.atom_coords()).tolist()
        atoms: tuple[Atom, ...] = tuple(
            (symbol, (x, y, z)) for (symbol, _), (x, y, z) in zip(molecule.atoms, places, strict=True)
        )
        there = molecular_problem(replace(molecule, atoms=atoms), exact=False)
        self.problem, place = align_with(self.first, self.problem, there)
        energy = self._settle()
        gradient = nuclear_gradient(self.problem, self.ansatz, self.angles, orbitals=self.orbitals, place=place)
        self.steps.append(GeometryStep(atoms=atoms, energy=energy, gradient=gradient))
        if self._progress is not None:
            self._progress(self.steps[-1])
        return energy, gradient

    def _settle(self) -> float:
        """Re-optimise angles, and orbitals where they follow."""
        turned = in_orbitals(self.problem, self.orbitals)
        pairs = orbital_pairs(turned.electrons) if self.follow else ()
        objective = energy_of(turned)(with_orbital_rotations(self.ansatz, pairs))
        start = np.append(self.angles, np.zeros(len(pairs)))
        optimum = minimize(objective, start, gradient_tolerance=self._gradient_tolerance)
        n = self.ansatz.n_parameters
        self.angles = optimum.angles[:n]
        if pairs:
            turn = orbital_matrix(self.problem.n_orbitals, pairs, optimum.angles[n:])
            self.orbitals = turn if self.orbitals is None else self.orbitals @ turn
        return optimum.value


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep geomeTRIC, which sets up logging for the whole process, from writing."""
    root = logging.getLogger()
    before, level, disabled = list(root.handlers), root.level, logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = before
        root.setLevel(level)
