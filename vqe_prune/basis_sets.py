"""Basis sets and effective core potentials of PySCF, by name or by element, checked before PySCF sees them.

PySCF takes a name that it does not know for a file or for text to evaluate, and an all-electron calculation in a basis
made for a core potential is silently wrong.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vqe_prune.errors import InputError, near_misses

Names = str | Mapping[str, str]
"""One name for all elements, or one for each."""

USUAL, USUAL_POTENTIALS = "sto-3g, 6-31g, cc-pvdz, lanl2dz", "lanl2dz, stuttgart, crenbl"
"""What is proposed where no name is near."""

POPLE = re.compile(r"(321|431|631|6311)\+{0,2}g(\*{0,2}|\([0-9a-z,]{1,12}\))")
CONTRACTION = re.compile(r"[0-9spdfgh]{1,16}")
POLARISED = re.compile(r"ecpds\d+\w*so")
"""Spin-orbit potentials, of which an energy without spin-orbit coupling has no use."""


def check_elements(symbols: Iterable[str], where: str) -> None:
    """Raise InputError for a symbol that is no element."""
    from pyscf.data.elements import ELEMENTS

    for symbol in symbols:
        if symbol not in ELEMENTS[1:]:
            close = near_misses(symbol, ELEMENTS[1:])
            raise InputError(f"{where}: unknown element {symbol!r}{close if 'did you' in close else ''}")


def basis_by_element(basis: Names, symbols: Sequence[str]) -> dict[str, str]:
    """Return PySCF's name of the basis set of each element.

    Args:
        basis: One name, or one for each element; a prefix ``unc-`` and a suffix ``@3s2p`` are PySCF's.
        symbols: Elements of the molecule.

    Raises:
        InputError: A name is unknown, does not cover an element, or an element has none or is not there.

    """
    from pyscf.gto.basis import ALIAS

    found = {}
    for symbol, name in _each("molecule.basis", basis, symbols).items():
        if symbol not in found and symbol not in symbols:
            raise InputError(f"molecule.basis of {symbol} has no effect: the molecule has {_listed(symbols)}")
        plain, _, scheme = _plain(name).partition("@")
        core = plain.removeprefix("unc")
        if (core not in ALIAS and not POPLE.fullmatch(core)) or (scheme and not CONTRACTION.fullmatch(scheme)):
            raise InputError(f"molecule.basis={name}: PySCF has no such basis set{_near(core, _spelled(ALIAS), USUAL)}")
        found[symbol] = plain + (f"@{scheme}" if scheme else "")
    missing = [symbol for symbol in symbols if symbol not in found]
    if missing:
        raise InputError(f"molecule.basis has no basis set for {_listed(missing)}; add {missing[0]}: NAME")
    for symbol, name in found.items():
        if not _load_basis(name, symbol):
            given = basis if isinstance(basis, str) else basis[symbol]
            raise InputError(f"molecule.basis={given} does not cover {symbol}: try sto-3g or def2-svp")
    return found


def ecp_by_element(ecp: Names | None, symbols: Sequence[str]) -> dict[str, str]:
    """Return PySCF's name of the effective core potential of each element that has one.

    Args:
        ecp: One name for all elements for which that potential exists, one for each element, or None for none.
        symbols: Elements of the molecule.

    Raises:
        InputError: A name is unknown, or there is no such potential for an element or for any.

    """
    from pyscf.gto.basis import ALIAS

    if ecp is None:
        return {}
    found = {}
    for symbol, name in _each("molecule.ecp", ecp, symbols).items():
        if symbol not in symbols:
            raise InputError(f"molecule.ecp of {symbol} has no effect: the molecule has {_listed(symbols)}")
        plain = _plain(name)
        if plain not in ALIAS or not (potential_names([plain])):
            raise InputError(
                f"molecule.ecp={name}: PySCF has no such effective core potential"
                f"{_near(plain, potential_names(ALIAS), USUAL_POTENTIALS)}"
            )
        if potential(plain, symbol) is not None:
            found[symbol] = plain
        elif not isinstance(ecp, str):
            raise InputError(f"molecule.ecp={name}: has no potential for {symbol}; leave {symbol} out")
    if not found:
        raise InputError(f"molecule.ecp={ecp} has no effect: it has no potential for {_listed(symbols)}; leave it out")
    return found


def check_pairing(basis: Mapping[str, str], ecp: Mapping[str, str]) -> None:
    """Raise InputError for a basis without core functions on an element without a core potential.

    Args:
        basis: From `basis_by_element`.
        ecp: From `ecp_by_element`.

    """
    for symbol, name in basis.items():
        own = None if symbol in ecp else potential(name.removeprefix("unc").partition("@")[0], symbol)
        if own is not None and own[0] > 0:
            raise InputError(
                f"molecule.basis={name} of {symbol} is made for a potential in place of {own[0]} core electrons; "
                f"add molecule.ecp={name}, or take an all-electron basis such as sto-3g"
            )


def core_electrons(ecp: Mapping[str, str]) -> dict[str, int]:
    """Return how many electrons the potential of each element takes the place of."""
    found = {symbol: potential(name, symbol) for symbol, name in ecp.items()}
    return {symbol: int(data[0]) for symbol, data in found.items() if data is not None}


def potential(name: str, symbol: str) -> list[Any] | None:
    """Return PySCF's data of an effective core potential, None where there is none."""
    from pyscf.gto.basis import ALIAS, load_ecp
    from pyscf.lib.exceptions import BasisNotFoundError

    file = ALIAS.get(name)
    if not isinstance(file, str) or not file.endswith(".dat"):
        return None
    try:
        return load_ecp(name, symbol) or None
    except (BasisNotFoundError, RuntimeError, KeyError, ValueError, IndexError):
        return None


def potential_names(names: Iterable[str]) -> list[str]:
    """Return those of PySCF's names whose files hold effective core potentials."""
    from pathlib import Path

    import pyscf.gto.basis as library

    folder, found = Path(library.__file__).parent, []
    for name in names:
        file = library.ALIAS.get(name)
        if isinstance(file, str) and file.endswith(".dat") and not POLARISED.fullmatch(name):
            path = folder / file
            if path.is_file() and "ECP" in path.read_text(errors="replace").upper().split():
                found.append(name)
    return found


def _each(key: str, names: Names, symbols: Sequence[str]) -> dict[str, str]:
    if isinstance(names, str):
        return dict.fromkeys(symbols, names)
    given = {symbol[:1].upper() + symbol[1:].lower(): name for symbol, name in names.items()}
    check_elements(given, key)
    return given


def _load_basis(name: str, symbol: str) -> bool:
    from pyscf.gto.basis import load
    from pyscf.lib.exceptions import BasisNotFoundError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # PySCF suggests another package for an unknown basis
            return bool(load(name.removeprefix("unc"), symbol))
    except (BasisNotFoundError, AssertionError, OSError, KeyError, RuntimeError, ValueError, IndexError, TypeError):
        return False


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())


def _spelled(names: Iterable[str]) -> list[str]:
    return sorted({_plain(name) for name in names})


def _near(name: str, known: Sequence[str], usual: str) -> str:
    close = near_misses(name, known)
    return close if "did you mean" in close else f"; try {usual}"


def _listed(symbols: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(symbols))
