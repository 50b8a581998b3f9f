"""Which orbitals a small active space should be made of: canonical, natural by UHF or by MP2, at stretched bonds.

The same number of electrons and orbitals in each kind of orbitals; the exact energy in the active space (CASCI) is
variational, so that lower is better. Exits with 1 where UHF natural orbitals are not the lowest, or where
``molecule.active_space=auto`` does not find the space by itself.
"""

from __future__ import annotations

import sys

from cases import load_problem, parse_arguments, show, verdict

CASES = {
    "N2 1.8": ("molecule=N2", "molecule.bond_length=1.8"),
    "HF 1.8": ("molecule=HF", "molecule.bond_length=1.8"),
    "LiH 3.5": ("molecule=LiH", "molecule.bond_length=3.5"),
}
SPACES = {"N2 1.8": "[6,6]", "HF 1.8": "[2,2]", "LiH 3.5": "[2,2]"}


def main() -> int:
    arguments = parse_arguments(__doc__)
    rows, failures = [], []
    for case, words in CASES.items():
        problems = {}
        for kind in ("hf", "mp2_natural", "uno"):
            chosen = (f"molecule.active_space={SPACES[case]}", f"molecule.orbitals={kind}")
            problems[kind] = load_problem(*words, "molecule.basis=cc-pvdz", *chosen)
        exact = {kind: float(problem.energies["exact"] or 0.0) for kind, problem in problems.items()}
        for kind, problem in problems.items():
            rows.append(
                {
                    "case": case,
                    "space": SPACES[case],
                    "orbitals": kind,
                    "reference_hartree": f"{problem.electrons.reference_energy:.6f}",
                    "exact_hartree": f"{exact[kind]:.6f}",
                    "above_lowest_mha": f"{1e3 * (exact[kind] - min(exact.values())):.3f}",
                }
            )
        if exact["uno"] > min(exact.values()):
            failures.append(f"{case}: UHF natural orbitals are not the lowest")
        found = load_problem(*words, "molecule.basis=cc-pvdz", "molecule.active_space=auto", "molecule.orbitals=uno")
        space = f"[{sum(found.n_electrons)},{found.n_orbitals}]"
        if space != SPACES[case]:
            failures.append(f"{case}: auto found {space}, not {SPACES[case]}")
    show(rows, as_json=arguments.json)
    return verdict(failures)


if __name__ == "__main__":
    sys.exit(main())
