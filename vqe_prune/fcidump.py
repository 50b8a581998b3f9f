"""FCIDUMP files: integrals of other programs in, integrals of ours out.

P. J. Knowles and N. C. Handy, A determinant based full configuration interaction program, Comput. Phys. Commun. 54, 75
(1989). PySCF's reader is not used: it stops silently at an empty line, takes a row of orbital energies for the
constant, lets contradicting rows overwrite each other, and knows headers of ten lines only; its writer is ours too.
"""

from __future__ import annotations

import math
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vqe_prune.errors import InputError, first_line, shortened
from vqe_prune.files import check_ordinary, is_ordinary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vqe_prune.electrons import Electrons

LARGEST_FILE = 2**28
"""Bytes of the largest file that is read: all integrals of some 85 orbitals."""

LARGEST_HEADER = 2**16
"""Characters in which the header must end."""

MOST_ORBITALS = 200
"""More orbitals than this are taken for a mistake: their integrals would fill 48 GiB."""

LARGEST_VALUE = 1e8
"""Hartree; the inner electrons of the heaviest atoms have some 1e4, and all their nuclei together less than this."""

SAME_INTEGRAL = 1e-8
"""Rows (hartree) of the same integral may differ by this."""

LETTERS_OF_HEADER = re.compile(r"\s*[&$]FCI\b", re.IGNORECASE)
END_OF_HEADER = re.compile(r"[&$]END\b|/", re.IGNORECASE)

LINEAR = {"Dooh": "D2h", "Coov": "C2v"}
"""Linear molecules: the subgroup whose irreps orbitals are labelled with."""

GROUPS = {1: "C1", 2: "Cs, C2 or Ci", 4: "C2v, C2h or D2", 8: "D2h"}
"""Point groups by their number of irreps: a file names irreps by number and leaves the group out."""

NUMBERED_AS = {**LINEAR, GROUPS[2]: "Cs", GROUPS[4]: "C2v"}
"""Groups whose irreps are numbered as those of another one."""


class Header(NamedTuple):
    """What an FCIDUMP says before its integrals.

    Attributes:
        n_orbitals: NORB.
        n_electrons: NELEC.
        spin: MS2, alpha minus beta electrons.
        labels: ORBSYM as it stands in the file, empty where it is missing.
        length: Characters up to the end of the header.

    """

    n_orbitals: int
    n_electrons: int
    spin: int
    labels: tuple[int, ...]
    length: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Integrals:
    """Integrals as they stand in a file.

    Attributes:
        one_body: h_pq in hartree; shape (n, n).
        two_body: (pq|rs) in chemists' order, hartree; shape (n, n, n, n).
        constant: Nuclear repulsion and frozen electrons, hartree.

    """

    one_body: NDArray[np.float64]
    two_body: NDArray[np.float64]
    constant: float


def is_fcidump(path: Path) -> bool:
    """Return whether a name or the content behind it is that of an FCIDUMP: *.fcidump, *FCIDUMP, or &FCI first."""
    if path.suffix.lower() == ".fcidump" or path.name.upper().endswith("FCIDUMP"):
        return True
    if not is_ordinary(path):  # a pipe would be waited for
        return False
    try:
        with path.open(errors="replace") as file:
            return LETTERS_OF_HEADER.match(file.read(200)) is not None
    except OSError:
        return False


def read_header(path: Path) -> Header:
    """Read the header of an FCIDUMP.

    Raises:
        InputError: It is missing or contradicts itself, or the integrals are not those of real restricted orbitals.

    """
    text = _start_of(path)
    begin = LETTERS_OF_HEADER.match(text)
    if begin is None:
        raise InputError(f"{path}: not an FCIDUMP file: it must begin with &FCI, but it is {shortened(text[:60])!r}")
    end = END_OF_HEADER.search(text, begin.end())
    if end is None:
        raise InputError(f"{path}: the header of an FCIDUMP file must end with &END or /")
    fields = _fields(path, text[begin.end() : end.start()])
    numbers = {key: _whole(path, key, fields) for key in ("NORB", "NELEC", "MS2")}
    n, electrons, spin = numbers["NORB"], numbers["NELEC"], numbers["MS2"]
    if not 1 <= n <= MOST_ORBITALS:
        raise InputError(f"{path}: NORB={n} must be from 1 to {MOST_ORBITALS} orbitals")
    if not 1 <= electrons <= 2 * n:
        raise InputError(f"{path}: NELEC={electrons} must be from 1 to {2 * n}, the most that {n} orbitals hold")
    check_spin(f"{path}: MS2={spin}", n, electrons, spin)
    if fields.get("IUHF", "0").strip(",") not in ("0", "") or "T" in fields.get("UHF", "F").upper():
        raise InputError(
            f"{path}: integrals of unrestricted orbitals, alpha and beta apart; write those of restricted ones (RHF, "
            f"ROHF or natural orbitals)"
        )
    return Header(n, electrons, spin, _labels(path, fields, n), end.end())


def check_spin(where: str, n_orbitals: int, n_electrons: int, spin: int) -> None:
    """Raise InputError where so many electrons in so many orbitals cannot have a spin (alpha minus beta electrons)."""
    if spin < 0 or (n_electrons - spin) % 2 or spin > min(n_electrons, 2 * n_orbitals - n_electrons):
        raise InputError(
            f"{where} (alpha minus beta electrons, 0 or more) is impossible with {n_electrons} electrons in "
            f"{n_orbitals} orbitals"
        )


def _start_of(path: Path) -> str:
    try:
        check_ordinary(path, str(path))
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path}: larger than {LARGEST_FILE} bytes; write the integrals of an active space")
        with path.open(encoding="ascii", errors="replace") as file:
            return file.read(LARGEST_HEADER)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def _fields(path: Path, text: str) -> dict[str, str]:
    """Entries of a Fortran namelist, their names in capitals."""
    parts = re.split(r"([A-Za-z_]\w*)\s*=", text)
    if parts[0].strip(" ,\n\r\t"):
        raise InputError(f"{path}: {shortened(parts[0].strip())!r} in the header is not NAME=VALUE")
    return {key.upper(): value.strip() for key, value in zip(parts[1::2], parts[2::2], strict=True)}


def _whole(path: Path, key: str, fields: dict[str, str]) -> int:
    if key not in fields and key != "MS2":
        raise InputError(f"{path}: {key} is missing in the header")
    text = fields.get(key, "0").rstrip(", ")
    if not re.fullmatch(r"[+-]?\d{1,9}", text):
        raise InputError(f"{path}: {key}={shortened(text)} must be a whole number")
    return int(text)


def _labels(path: Path, fields: dict[str, str], n_orbitals: int) -> tuple[int, ...]:
    """ORBSYM, in which Fortran may write 3*1 for 1,1,1."""
    if "ORBSYM" not in fields:
        return ()
    labels: list[int] = []
    for token in re.split(r"[,\s]+", fields["ORBSYM"].strip(", \n\r\t")):
        found = re.fullmatch(r"(?:(\d{1,4})\*)?(\d{1,4})", token)
        if found is None:
            raise InputError(f"{path}: ORBSYM must be a list of whole numbers, but it has {shortened(token)!r}")
        labels += [int(found[2])] * int(found[1] or 1)
    if len(labels) != n_orbitals:
        raise InputError(f"{path}: ORBSYM has {len(labels)} entries, but NORB is {n_orbitals}")
    return tuple(labels)


def read_integrals(path: Path, header: Header) -> Integrals:
    """Read the integrals of an FCIDUMP; rows of orbital energies are passed over.

    Args:
        path: The file.
        header: What `read_header` found in it.

    Raises:
        InputError: A row cannot be read or contradicts another one, or the constant at the end is missing.

    """
    import numpy as np

    values, indices = _rows(path, header)
    n = header.n_orbitals
    used = (indices > 0).astype(int)
    kinds = used @ [8, 4, 2, 1]
    unknown = np.flatnonzero(~np.isin(kinds, (15, 12, 8, 0)))
    if len(unknown):
        raise InputError(f"{_row(path, unknown[0])} has the indices {_text(indices[unknown[0]])}, which mean nothing")
    constants = values[kinds == 0]
    if len(constants) != 1:
        reason = "the file is cut off, or write 0.0 0 0 0 0" if not len(constants) else "integrals of unrestricted"
        raise InputError(
            f"{path}: one row must hold the constant, with indices 0 0 0 0, but {len(constants)} do ({reason}"
            f"{' orbitals?' if len(constants) else ''})"
        )
    p, q, r, s = (indices[kinds == 15] - 1).T
    two_body = np.zeros((n,) * 4)
    _check_repeated(path, values[kinds == 15], _pair(_pair(p, q), _pair(r, s)), indices[kinds == 15])
    for a, b, c, d in ((p, q, r, s), (q, p, r, s), (p, q, s, r), (q, p, s, r)):
        two_body[a, b, c, d] = two_body[c, d, a, b] = values[kinds == 15]
    p, q = (indices[kinds == 12, :2] - 1).T
    one_body = np.zeros((n, n))
    _check_repeated(path, values[kinds == 12], _pair(p, q), indices[kinds == 12])
    one_body[p, q] = one_body[q, p] = values[kinds == 12]
    if not one_body.any() and not two_body.any():
        raise InputError(f"{path}: holds no integral that is not zero")
    return Integrals(one_body=one_body, two_body=two_body, constant=float(constants[0]))


def _rows(path: Path, header: Header) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Values and indices of all rows, (n_rows,) and (n_rows, 4)."""
    import numpy as np

    try:
        text = path.read_text(encoding="ascii", errors="replace")[header.length :]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if not text.strip():
        raise InputError(f"{path}: no integrals follow the header")
    if "(" in text:
        raise InputError(f"{path}: complex integrals cannot be used; write those of real orbitals")
    lines = re.sub(r"(?<=[\d.])[dD](?=[+-]?\d)", "E", text).splitlines()
    try:
        table = np.loadtxt(lines, ndmin=2, comments=None)
    except ValueError as error:
        reason = re.sub(r"at row (\d+).*", lambda m: f"in row {int(m[1]) + 1} after the header", first_line(error))
        cut = "" if text.endswith("\n") else "; the file does not end with a line, as if it were cut off"
        raise InputError(f"{path}: rows must be a value and four indices: {reason}{cut}") from error
    if table.shape[1] != 5:
        raise InputError(f"{path}: rows must be a value and four indices, but they have {table.shape[1]} numbers")
    broken = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if len(broken):
        raise InputError(f"{_row(path, broken[0])} holds a number that is not finite")
    huge = np.flatnonzero(np.abs(table[:, 0]) > LARGEST_VALUE)
    if len(huge):
        raise InputError(
            f"{_row(path, huge[0])} holds {table[huge[0], 0]:g} hartree, which no integral of a molecule reaches"
        )
    wrong = np.flatnonzero(((table[:, 1:] % 1 != 0) | (table[:, 1:] < 0) | (table[:, 1:] > header.n_orbitals)).any(1))
    if len(wrong):
        raise InputError(
            f"{_row(path, wrong[0])} has the indices {_text(table[wrong[0], 1:])}, but orbitals count from 1 to "
            f"NORB={header.n_orbitals}"
        )
    return table[:, 0], table[:, 1:].astype(np.int64)


def _row(path: Path, number: Any) -> str:
    return f"{path}: row {int(number) + 1} after the header"


def _text(indices: Any) -> str:
    return " ".join(f"{x:g}" for x in indices)


def _pair(p: NDArray[np.int64], q: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of an unordered pair."""
    import numpy as np

    high, low = np.maximum(p, q), np.minimum(p, q)
    return high * (high + 1) // 2 + low


def _check_repeated(
    path: Path, values: NDArray[np.float64], numbers: NDArray[np.int64], indices: NDArray[np.int64]
) -> None:
    """Raise InputError where one integral has two values, as in files of complex or of non-Hermitian Hamiltonians."""
    import numpy as np

    order = np.argsort(numbers, kind="stable")
    same = np.diff(numbers[order]) == 0
    apart = np.flatnonzero(same & (np.abs(np.diff(values[order])) > SAME_INTEGRAL))
    if len(apart):
        one, other = order[apart[0]], order[apart[0] + 1]
        raise InputError(
            f"{path}: the rows {_text(indices[one])} and {_text(indices[other])} are one integral of real orbitals, "
            f"but they hold {values[one]:.8g} and {values[other]:.8g}"
        )


def irreps_of_labels(
    labels: tuple[int, ...], one_body: NDArray[np.float64], two_body: NDArray[np.float64]
) -> tuple[NDArray[np.int64], str, str | None]:
    """Turn ORBSYM into irreps whose products are exclusive or, numbered as in PySCF, where the integrals allow it.

    Labels from 1 are MOLPRO's numbers, labels from 0 PySCF's own; both are tried on the integrals, since only labels of
    the very orbitals leave no integral that they forbid.

    Args:
        labels: ORBSYM, a label an orbital or none.
        one_body: h_pq in hartree; shape (n, n).
        two_body: (pq|rs) in hartree; shape (n, n, n, n).

    Returns:
        Irreps, (n,), all zero where the labels say nothing; what is known of the point group; what is wrong in words.

    """
    import numpy as np
    from pyscf.tools.fcidump import ORBSYM_MAP

    from vqe_prune.electrons import FORBIDDEN, forbidden_noise

    none = np.zeros(len(one_body), dtype=np.int64)
    given = np.array(labels, dtype=np.int64)
    if not labels or len(set(labels)) == 1:
        return none, "C1", None
    candidates = []
    if given.min() >= 1 and given.max() <= 8:
        order = _order_of(int(given.max()))
        numbering = ORBSYM_MAP[NUMBERED_AS.get(GROUPS[order], GROUPS[order])]
        candidates.append((np.array([numbering.index(label) for label in labels]), order))
    own = given % 10  # irreps of linear molecules, E2 and above, map onto those of the Abelian subgroup
    if own.max() <= 7:
        candidates.append((own, _order_of(int(own.max()) + 1)))
    noise = math.inf
    for irreps, order in candidates:
        found = forbidden_noise(one_body, two_body, irreps)
        if found < FORBIDDEN:
            return irreps.astype(np.int64), GROUPS[order], None
        noise = min(noise, found)
    reason = "its numbers are no irreps" if not candidates else f"it forbids an integral of {noise:.1e} hartree"
    return none, "C1", f"ORBSYM does not fit the orbitals and is not used: {reason}"


def _order_of(n_irreps: int) -> int:
    return next(order for order in GROUPS if order >= n_irreps)


def fcidump_text(electrons: Electrons) -> str:
    """Return integrals as the text of an FCIDUMP file, ORBSYM in MOLPRO's numbering and 17 digits.

    Args:
        electrons: Integrals in the orbitals that are to be written, the reference in the first ones.

    """
    from pyscf.tools import fcidump

    with tempfile.TemporaryDirectory() as folder:  # PySCF writes to names only
        path = Path(folder) / "fcidump"
        fcidump.from_integrals(
            str(path),
            electrons.one_body,
            electrons.two_body,
            electrons.n_orbitals,
            electrons.n_alpha + electrons.n_beta,
            nuc=electrons.constant,
            ms=electrons.n_alpha - electrons.n_beta,
            orbsym=_molpro_labels(electrons),
            tol=1e-14,
            float_format=" %.17g",
        )
        return path.read_text()


def _molpro_labels(electrons: Electrons) -> list[int]:
    from pyscf.tools.fcidump import ORBSYM_MAP

    irreps = electrons.irreps.tolist()
    if max(irreps) > 7:
        return [1] * len(irreps)  # of a user's own group, for which the format has no numbers
    name = NUMBERED_AS.get(electrons.group, electrons.group)
    if max(irreps) >= len(ORBSYM_MAP.get(name, ())):
        name = NUMBERED_AS.get(GROUPS[_order_of(max(irreps) + 1)], "D2h")
    return [int(ORBSYM_MAP[name][irrep]) for irrep in irreps]
