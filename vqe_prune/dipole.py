"""The dipole moment as an operator on orbitals: how it turns with them, and its value for a density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEBYE = 2.541746473
"""One atomic unit of dipole, e a_0, in debye; CODATA 2018."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Dipole:
    """The dipole operator mu = fixed - sum_pq r_pq E_pq about the origin of the geometry, in e a_0.

    Attributes:
        fixed: Of the nuclei and of electrons in frozen orbitals; shape (3,).
        position: <p|x|q>, <p|y|q>, <p|z|q> of the orbitals, bohr; shape (3, n_orbitals, n_orbitals).

    """

    fixed: NDArray[np.float64]
    position: NDArray[np.float64]

    def turned(self, orbitals: NDArray[np.float64]) -> Dipole:
        """Return the operator in other orbitals, the columns of `orbitals`; shape (n_orbitals, n_orbitals)."""
        return Dipole(fixed=self.fixed, position=orbitals.T @ self.position @ orbitals)

    def moment(self, density: NDArray[np.float64]) -> tuple[float, float, float]:
        """Return <mu_x>, <mu_y>, <mu_z> in debye; of an ion they depend on the origin.

        Args:
            density: <E_pq> of alpha and beta electrons together; shape (n_orbitals, n_orbitals).

        """
        x, y, z = DEBYE * (self.fixed - np.einsum("xpq,pq->x", self.position, density))
        return float(x), float(y), float(z)
