"""Lattices: sites and weighted bonds, built by name, from a list, a graph or a file."""

from __future__ import annotations

import difflib
import math
import numbers
import reprlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqe_prune.errors import InputError, first_line
from vqe_prune.files import check_name, check_ordinary, parse_yaml

MOST_QUBITS = 30
"""Lattices and sums with more sites or qubits than this are taken for a mistake: their state fills 16 GiB."""

LARGEST_LATTICE_FILE = 1 << 17
"""Bytes beyond which a file is not a lattice."""

LATTICE_FIELDS = ("bonds", "n_sites", "second_bonds", "name")

Bond = tuple[int, int, float]
Position = tuple[float, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Lattice:
    """Sites and the pairs of them that are coupled.

    Attributes:
        name: Name for printing and for the output folder.
        n_sites: Number of sites, numbered from 0.
        bonds: Sites i < j and the weight (1 is neutral) of each pair of neighbours, each pair once.
        second_bonds: The same for second neighbours, which J1-J2 models couple.
        positions: Position (x, y) of each site in bond lengths, or None where it is not known.

    Raises:
        ValueError: A bond repeats, or is not of two sites i < j and a finite weight; a position is missing.

    """

    name: str
    n_sites: int
    bonds: tuple[Bond, ...]
    second_bonds: tuple[Bond, ...] = ()
    positions: tuple[Position, ...] | None = None

    def __post_init__(self) -> None:
        for field, bonds in (("bonds", self.bonds), ("second_bonds", self.second_bonds)):
            for i, j, weight in bonds:
                if not 0 <= i < j < self.n_sites or not math.isfinite(weight):
                    raise ValueError(
                        f"Argument `{field}` must hold sites i < j below {self.n_sites} with finite weights, "
                        f"but {(i, j, weight)} was given"
                    )
            if len({(i, j) for i, j, _ in bonds}) != len(bonds):
                raise ValueError(f"Argument `{field}` must hold each pair once, but one repeats")
        if self.positions is not None and len(self.positions) != self.n_sites:
            raise ValueError(f"Argument `positions` must hold {self.n_sites}, but it holds {len(self.positions)}")


def sublattices(lattice: Lattice) -> tuple[int, ...] | None:
    """Return the sublattice, 0 or 1, of each site so that every bond joins both; None where an odd cycle forbids it."""
    neighbours: list[list[int]] = [[] for _ in range(lattice.n_sites)]
    for i, j, _ in lattice.bonds:
        neighbours[i].append(j)
        neighbours[j].append(i)
    colours: dict[int, int] = {}
    for start in range(lattice.n_sites):
        queue = [] if start in colours else [start]
        colours.setdefault(start, 0)
        for site in queue:  # it grows while it is read: breadth first
            for other in neighbours[site]:
                if other not in colours:
                    colours[other] = 1 - colours[site]
                    queue.append(other)
                elif colours[other] == colours[site]:
                    return None
    return tuple(colours[site] for site in range(lattice.n_sites))


def chain(n: int) -> Lattice:
    """Return an open chain of n sites; second neighbours are two bonds apart."""
    _check_size("chain", n)
    return _by_distance(f"chain-{n}", [(float(k), 0.0) for k in range(n)], 2.0)


def ring(n: int) -> Lattice:
    """Return a closed chain of n >= 3 sites; second neighbours are two bonds apart, each pair once also at n = 4."""
    _check_size("ring", n)
    if n < 3:
        raise InputError(f"lattice ring: {n} sites would double a bond; take at least 3, or a chain")
    first, second = ({tuple(sorted((k, (k + step) % n))) for k in range(n)} for step in (1, 2))
    radius = 0.5 / math.sin(math.pi / n)
    angles = [2 * math.pi * k / n for k in range(n)]
    return Lattice(
        name=f"ring-{n}",
        n_sites=n,
        bonds=tuple((i, j, 1.0) for i, j in sorted(first)),
        second_bonds=tuple((i, j, 1.0) for i, j in sorted(second - first)),
        positions=tuple((radius * math.cos(angle), radius * math.sin(angle)) for angle in angles),
    )


def ladder(n: int) -> Lattice:
    """Return an open ladder of n/2 rungs, site 2 rung + leg; second neighbours are the diagonals of its plaquettes."""
    _check_size("ladder", n)
    if n % 2:
        raise InputError(f"lattice ladder: two legs need an even number of sites, but {n} was given")
    return _by_distance(f"ladder-{n}", [(float(k // 2), float(k % 2)) for k in range(n)], math.sqrt(2))


def square(rows: int, columns: int, periodic: bool = False) -> Lattice:
    """Return a square lattice, site columns * row + column; second neighbours are the diagonals."""
    cell = ((1.0, 0.0), (0.0, 1.0))
    return _patch("square", (rows, columns), periodic, cell, [(0.0, 0.0)], math.sqrt(2))


def triangular(rows: int, columns: int, periodic: bool = False) -> Lattice:
    """Return a triangular lattice, site columns * row + column; second neighbours are sqrt(3) apart, a pair once."""
    cell = ((1.0, 0.0), (0.5, math.sqrt(0.75)))
    return _patch("triangular", (rows, columns), periodic, cell, [(0.0, 0.0)], math.sqrt(3))


def kagome(rows: int, columns: int, periodic: bool = False) -> Lattice:
    """Return a kagome lattice, site 3 (columns * row + column) + corner of a triangle; second ones sqrt(3) apart."""
    cell = ((2.0, 0.0), (1.0, math.sqrt(3)))
    corners = [(0.0, 0.0), (1.0, 0.0), (0.5, math.sqrt(0.75))]
    return _patch("kagome", (rows, columns), periodic, cell, corners, math.sqrt(3))


LATTICES: dict[str, Callable[..., Lattice]] = {
    "chain": chain, "ring": ring, "ladder": ladder,
    "square": square, "triangular": triangular, "kagome": kagome,
}  # fmt: skip
SHAPED = ("square", "triangular", "kagome")
"""The lattices that take rows and columns; the others take a number of sites."""


def build_lattice(name: str, n: int | None, shape: tuple[int, int] | None, periodic: bool = False) -> Lattice:
    """Return a lattice by its name.

    Args:
        name: A key of `LATTICES`.
        n: Number of sites of a chain, ring or ladder, None for the others.
        shape: Numbers of rows and columns of a square, triangular or kagome lattice, None for the others.
        periodic: Close a lattice with a shape to a torus.

    Raises:
        InputError: The name is unknown, the size is of the wrong kind or not 2 to 30 sites, or it cannot be periodic.

    """
    if name not in LATTICES:
        raise InputError(f"unknown lattice {shown(name)}{_near(name, LATTICES)}")
    if name in SHAPED:
        if n is not None or not isinstance(shape, list | tuple) or len(shape) != 2:
            raise InputError(f"lattice {name}: give its shape, two numbers (rows, columns), and no number of sites n")
        return LATTICES[name](shape[0], shape[1], periodic)
    if shape is not None or n is None:
        raise InputError(f"lattice {name}: give its number of sites n, and no shape")
    if periodic:
        hint = "it always is" if name == "ring" else "for a closed chain take the lattice ring"
        raise InputError(f"lattice {name}: periodic has no meaning here; {hint}")
    return LATTICES[name](n)


def lattice_from_bonds(
    bonds: Sequence[Any], name: str = "bonds", n_sites: int | None = None, second_bonds: Sequence[Any] = ()
) -> Lattice:
    """Return a lattice from a list of its bonds.

    Args:
        bonds: [i, j] or [i, j, weight] for each, sites from 0, weight 1 by default.
        name: Name of the lattice.
        n_sites: Number of sites, default as many as the bonds name; given, sites without a bond are allowed.
        second_bonds: Second neighbours in the same form.

    Raises:
        InputError: A bond cannot be used or repeats, a site has none, or there are not 2 to 30 sites.

    """
    first = _read_bonds(bonds, f"lattice {name}: bonds")
    second = _read_bonds(second_bonds, f"lattice {name}: second_bonds")
    if not first:
        raise InputError(f"lattice {name}: there are no bonds")
    named = {site for bond in (*first, *second) for site in bond[:2]}
    n = 1 + max(named) if n_sites is None else n_sites
    _check_size(name, n)
    if max(named) >= n:
        raise InputError(f"lattice {name}: a bond names site {max(named)}, but the last of {n} sites is {n - 1}")
    lonely = sorted(set(range(n)) - named)
    if lonely and n_sites is None:
        raise InputError(f"lattice {name}: site {lonely[0]} has no bond; sites count from 0, or give n_sites")
    return Lattice(name=name, n_sites=n, bonds=first, second_bonds=second)


def lattice_from_graph(graph: Any) -> Lattice:
    """Return a lattice from an undirected networkx.Graph; its nodes, in its order, are the sites 0 to n - 1.

    The edge attribute `weight`, default 1, is the weight of a bond; InputError where an edge cannot be a bond.
    """
    if graph.is_directed() or graph.is_multigraph():
        raise InputError("the graph of a lattice must be an undirected networkx.Graph without parallel edges")
    sites = {node: k for k, node in enumerate(graph.nodes)}
    bonds = [(sites[a], sites[b], weight) for a, b, weight in graph.edges(data="weight", default=1.0)]
    return lattice_from_bonds(bonds, name=str(graph.name or "graph"), n_sites=len(sites))


def read_lattice(path: Path) -> Lattice:
    """Return the lattice of a YAML file with the field bonds and, if wanted, n_sites, second_bonds and name.

    InputError where the file is missing, too large or not YAML, or a field is unknown or of the wrong type.
    """
    text = read_text(path, LARGEST_LATTICE_FILE)
    try:
        content = parse_yaml(text)
    except ValueError as error:
        raise InputError(f"{path}: not YAML ({first_line(error)})") from error
    if not isinstance(content, dict) or "bonds" not in content:
        raise InputError(f"{path}: the field bonds is missing; known fields: {', '.join(LATTICE_FIELDS)}")
    for key in content:
        if key not in LATTICE_FIELDS:
            raise InputError(f"{path}: unknown field {shown(key)}{_near(key, LATTICE_FIELDS)}")
    name = content.get("name", Path(path).stem)
    if "name" in content:
        check_name(name, f"{path}: name")
    try:
        return lattice_from_bonds(content["bonds"], name, content.get("n_sites"), content.get("second_bonds", ()))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_text(path: Path, largest: int) -> str:
    """Return the text of a file of at most `largest` bytes in UTF-8; InputError where it is not one."""
    try:
        check_ordinary(Path(path), str(path))
        with open(path, "rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if len(content) > largest:
        raise InputError(f"{path}: larger than {largest} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file") from error
    if "\0" in text:
        raise InputError(f"{path}: not a text file")
    return text.replace("\r\n", "\n")


def shown(value: object) -> str:
    """Return a short one-line form of anything for a message; nested lists stay short too."""
    try:
        return " ".join(reprlib.repr(value).split())
    except ValueError:  # Python writes no integers of thousands of digits
        return "a huge number"


def _near(word: object, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word[:40], list(known), n=3, cutoff=0.5) if isinstance(word, str) else []
    return f"; did you mean {', '.join(close)}?" if close else f"; known: {', '.join(known)}"


def is_integer(value: object) -> bool:
    """Return whether a value is a whole number of any type, booleans left out."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Return whether a value is a real number that a float can hold, booleans left out."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and bool(abs(value) <= 1e300)  # false for NaN too, and whole numbers can be larger than floats


def _check_size(name: str, n: Any) -> None:
    if not is_integer(n) or not 2 <= n <= MOST_QUBITS:
        raise InputError(f"lattice {name}: it must have 2 to {MOST_QUBITS} sites, but {shown(n)} was given")


def _read_bonds(bonds: Any, where: str) -> tuple[Bond, ...]:
    found: dict[tuple[int, int], float] = {}
    for bond in bonds if isinstance(bonds, list | tuple) else [bonds]:
        given = shown(bond)
        if not isinstance(bond, list | tuple) or len(bond) not in (2, 3):
            raise InputError(f"{where} must be a list of [i, j] or [i, j, weight], but {given} was given")
        i, j, weight = bond if len(bond) == 3 else (*bond, 1.0)
        if not (is_integer(i) and is_integer(j)) or min(i, j) < 0 or i == j:
            raise InputError(f"{where} must join two different sites numbered from 0, but {given} was given")
        if not is_finite(weight):
            raise InputError(f"{where} must have finite numbers as weights, but {given} was given")
        pair = (int(min(i, j)), int(max(i, j)))
        if pair in found:
            raise InputError(f"{where} must hold each pair once, but {given} repeats")
        found[pair] = float(weight)
    return tuple((i, j, weight) for (i, j), weight in found.items())


def _patch(
    name: str, shape: tuple[int, int], periodic: bool, cell: Sequence[Position], corners: list[Position], second: float
) -> Lattice:
    """Return rows times columns cells, spanned by two vectors (along a row first), with a site at each corner."""
    if any(not is_integer(side) or side < 1 for side in shape):
        given = shown(shape)
        raise InputError(f"lattice {name}: rows and columns must be whole numbers from 1, but {given} was given")
    rows, columns = shape
    _check_size(name, rows * columns * len(corners))
    shortest = 3 if len(corners) == 1 else 2  # cells of several sites have room between a site and its image
    if periodic and min(rows, columns) < shortest:
        given = f"{rows} x {columns}"
        raise InputError(f"lattice {name}: a periodic side shorter than {shortest} would double a bond, as in {given}")
    (ax, ay), (bx, by) = cell
    cells = [(column * ax + row * bx, column * ay + row * by) for row in range(rows) for column in range(columns)]
    positions = [(ox + x, oy + y) for ox, oy in cells for x, y in corners]
    turns = (-1, 0, 1) if periodic else (0,)
    shifts = [(a * columns * ax + b * rows * bx, a * columns * ay + b * rows * by) for a in turns for b in turns]
    return _by_distance(f"{name}-{rows}x{columns}{'-periodic' * periodic}", positions, second, shifts)


def _by_distance(
    name: str, positions: list[Position], second: float, shifts: Sequence[Position] = ((0.0, 0.0),)
) -> Lattice:
    """Return the lattice whose bonds have length 1 and whose second bonds have length `second`, by nearest image."""
    found: dict[float, list[Bond]] = {1.0: [], second: []}
    for i, (xi, yi) in enumerate(positions):
        for j, (xj, yj) in enumerate(positions[i + 1 :], start=i + 1):
            nearest = min(math.hypot(xj - xi + x, yj - yi + y) for x, y in shifts)
            for length, bonds in found.items():
                if abs(nearest - length) < 1e-6:
                    bonds.append((i, j, 1.0))
    bonds, others = found.values()
    return Lattice(
        name=name, n_sites=len(positions), bonds=tuple(bonds), second_bonds=tuple(others), positions=tuple(positions)
    )
