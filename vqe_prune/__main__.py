"""The command line: ``python -m vqe_prune molecule=LiH``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from vqe_prune import config
from vqe_prune.errors import ConvergenceError, InputError

USAGE = """\
Usage: python -m vqe_prune [setting=value ...]

Prepares a ground state, prunes the ansatz and checks the result; the same command again resumes or shows it.

  molecule=NAME           {molecules}
  molecule=FILE           a .yaml file of these fields, or an .xyz geometry
  molecule.bond_length=   angstrom; also molecule.angle= (degrees), molecule.dihedral=
  molecule.basis=         a basis set of PySCF (sto-3g)
  molecule.charge=        total charge (0)
  molecule.spin=          alpha minus beta electrons (0)
  molecule.active_space=  [electrons,orbitals] around the Fermi level
  molecule.frozen_core=   true leaves the core orbitals doubly occupied (false)
  pruner=                 {rules} (curvature); symmetry comes first
                          a list in brackets is taken as it is: [symmetry,curvature]
  pruner.tolerance=       largest error to the exact energy, hartree (1.5e-3)
  pruner.relative_to=     exact, or full: the increase over the full ansatz (exact)
  pruner.parameters=      number of parameters to prune to, instead of a tolerance
  ansatz=                 {ansatze} (uccsd)
  optimizer.gradient_tolerance=   hartree per radian (1e-7)
  optimizer.max_steps=    (2000)
  exact=                  false leaves out the exact energy (true)
  seed=                   of the random rule (0)
  threads=                for large problems (all cores)
  output_dir=             folder of the results (outputs/NAME/DIGEST)

Examples:
  python -m vqe_prune molecule=LiH
  python -m vqe_prune molecule=H2O pruner.tolerance=5e-4
  python -m vqe_prune molecule=LiH molecule.bond_length=2.4 pruner.parameters=4

Exit status: 0 done, 2 the input cannot be used, 3 a calculation did not converge, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments, default those of the process.

    Returns:
        The exit status.

    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # PySCF's idle threads would spin on a busy machine
    arguments = list(sys.argv[1:] if argv is None else argv)
    if {"-h", "--help"} & set(arguments):
        molecules = " ".join(config.molecule_names())
        print(USAGE.format(molecules=molecules, rules=", ".join(config.RULES), ansatze=", ".join(config.ANSATZE)))
        return 0
    if "--version" in arguments:
        from vqe_prune import __version__

        print(__version__)
        return 0
    try:
        settings = config.parse_settings(arguments)
        from vqe_prune import study  # imports PySCF: only once the settings are known to be good

        study.run(settings)
    except (InputError, ConvergenceError) as error:
        print(f"vqe_prune: {error}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:  # the reader of our output has gone, as with | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return 141
    except OSError as error:
        print(f"vqe_prune: {error.filename or 'file'}: {error.strerror or error}", file=sys.stderr)
        return InputError.exit_status
    except MemoryError:
        print("vqe_prune: out of memory; choose a smaller molecule.basis or molecule.active_space", file=sys.stderr)
        return InputError.exit_status
    except KeyboardInterrupt:
        print("\nvqe_prune: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
