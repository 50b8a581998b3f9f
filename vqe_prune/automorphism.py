"""Permutations of the qubits that map a Hamiltonian onto itself: the symmetries of a lattice, found from its terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from vqe_prune.errors import InputError

if TYPE_CHECKING:
    from vqe_prune.paulis import PauliString, QubitHamiltonian

Permutation = tuple[int, ...]
"""Image of each of 0 .. n-1."""

Item = TypeVar("Item", bound=Hashable)

LETTER_COLOURS = {"X": 1, "Y": 2, "Z": 3}
"""Colours of the letter vertices in the graph; qubits have 0 and terms the colours after these."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PermutationGroup:
    """A group of permutations of the points 0 .. n-1, held by generators.

    Attributes:
        n: Number of points.
        generators: Images of 0 .. n-1 under each generator; empty for the trivial group.
        order: Number of elements of the group.

    """

    n: int
    generators: tuple[Permutation, ...]
    order: int

    @property
    def orbits(self) -> tuple[tuple[int, ...], ...]:
        """The orbits of the points, each ascending, ordered by their smallest points."""
        return tuple(tuple(orbit) for orbit in self.orbits_of(range(self.n), lambda generator, point: generator[point]))

    def orbits_of(self, items: Sequence[Item], images: Callable[[Permutation, Item], Item]) -> list[list[Item]]:
        """Split items such as pairs of points or Pauli strings into orbits under the group.

        Two items share an orbit when a product of generators maps one onto the other, so that it is enough to join
        each item with its images under the generators.

        Args:
            items: Distinct items, a set that the group maps onto itself.
            images: Image of an item under a permutation, such as ``lambda g, pair: (g[pair[0]], g[pair[1]])``.

        Returns:
            The orbits; orbits and the items in them are in the order of `items`.

        Raises:
            ValueError: The image of an item is not one of the items.

        """
        parents = {item: item for item in items}

        def root(item: Item) -> Item:
            while parents[item] != item:
                parents[item] = parents[parents[item]]
                item = parents[item]
            return item

        for generator in self.generators:
            for item in items:
                image = images(generator, item)
                if image not in parents:
                    raise ValueError(f"Argument `items` must hold the image of each item, but {image!r} is missing")
                parents[root(image)] = root(item)
        orbits: dict[Item, list[Item]] = {}
        for item in items:
            orbits.setdefault(root(item), []).append(item)
        return list(orbits.values())

    def elements(self, most: int) -> list[Permutation]:
        """Return all elements but the identity, or the generators alone where the group has more than `most`."""
        if self.order > most:
            return list(self.generators)
        identity = tuple(range(self.n))
        found, queue = {identity}, [identity]
        for element in queue:  # it grows while it is read
            for generator in self.generators:
                image = tuple(generator[p] for p in element)
                if image not in found:
                    found.add(image)
                    queue.append(image)
        return queue[1:]


def permuted(string: PauliString, permutation: Permutation) -> PauliString:
    """Return the string with the letter at each qubit q moved to qubit permutation[q]."""
    return tuple(sorted((permutation[q], letter) for q, letter in string))


def permutation_symmetries(
    hamiltonian: QubitHamiltonian, *, tolerance: float = 1e-9, method: str = "auto"
) -> PermutationGroup:
    """Find the group of all qubit permutations that map a Hamiltonian onto itself.

    A permutation g is in the group when sum_j c_j P_j = sum_j c_j g(P_j), where g moves the letter at qubit q to
    qubit g[q]. Both methods are exact once the coefficients are put into classes; qubits that occur in no term may be
    permuted freely.

    Args:
        hamiltonian: The Pauli strings with their coefficients; the constant does not matter.
        tolerance: Coefficients closer than this times the largest |c_j| count as equal, and as zero when they are as
            close to zero; equality is passed on, so a chain of close values is one class.
        method: "igraph" (bliss), "pure" (a search in Python, for up to some 30 qubits), or "auto" for igraph where it
            is installed and the pure search elsewhere.

    Returns:
        The group on the qubits. The two methods may return different generators of the same group.

    Raises:
        InputError: The method is unknown, or igraph is asked for and not installed.

    Source:
        McKay and Piperno, "Practical graph isomorphism, II", J. Symb. Comput. 60, 94 (2014), for the refinement and
        the search; Junttila and Kaski, "Engineering an efficient canonical labeling tool for large and sparse graphs",
        ALENEX 2007, for bliss.

    """
    if method not in ("auto", "igraph", "pure"):
        raise InputError(f"the method must be auto, igraph or pure, but it is {method!r}")
    installed = find_spec("igraph") is not None
    if method == "igraph" and not installed:
        raise InputError("the method igraph needs the package igraph: try pip install igraph, or the method pure")
    classes = _coefficient_classes(hamiltonian.terms, tolerance)
    search = _pure_group if method == "pure" or not installed else _igraph_group
    return search(hamiltonian.n_qubits, classes)


def _coefficient_classes(terms: Iterable[tuple[float, PauliString]], tolerance: float) -> dict[PauliString, int]:
    """Class 0, 1, .. of each string's coefficient; strings whose coefficient is in the class of zero are left out."""
    terms = list(terms)
    values = sorted({0.0, *(coefficient for coefficient, _ in terms)})
    gap = tolerance * max(abs(value) for value in values)
    class_of = {values[0]: 0}
    for previous, value in pairwise(values):
        class_of[value] = class_of[previous] + (value - previous > gap)
    return {string: class_of[value] for value, string in terms if class_of[value] != class_of[0.0]}


def _igraph_group(n: int, classes: Mapping[PauliString, int]) -> PermutationGroup:
    """Automorphisms of a coloured graph, cut down to the qubits.

    Qubits have a vertex each, joined to one vertex for each letter that occurs there, which is joined to the terms
    that hold it. An automorphism that fixes all qubits fixes their letters, and so the terms, since no two terms have
    the same letters: nothing is lost by the cut, and the order stays the same.
    """
    igraph = import_module("igraph")  # as text, so that types are checked alike where the optional igraph is missing
    letters = sorted({letter for string in classes for letter in string})
    vertex_of = {letter: n + k for k, letter in enumerate(letters)}
    first_term = n + len(letters)
    edges = [(vertex, qubit) for (qubit, _), vertex in vertex_of.items()]
    edges += [(first_term + k, vertex_of[letter]) for k, string in enumerate(classes) for letter in string]
    colours = [0] * n + [LETTER_COLOURS[letter] for _, letter in letters]
    colours += [len(LETTER_COLOURS) + 1 + number for number in classes.values()]
    graph = igraph.Graph(n=first_term + len(classes), edges=edges)
    found = [tuple(int(image) for image in images[:n]) for images in graph.automorphism_group(color=colours)]
    return PermutationGroup(
        n=n,
        generators=tuple(g for g in dict.fromkeys(found) if g != tuple(range(n))),
        order=int(graph.count_automorphisms(color=colours)),
    )


def _pure_group(n: int, classes: Mapping[PauliString, int]) -> PermutationGroup:
    """Build the group along its chain of stabilisers, the deepest first.

    |G| = prod_i |orbit of i under the elements that fix 0 .. i-1|.
    """
    levels = []  # levels[i]: refined colours with 0 .. i-1 told apart
    colours = [0] * n
    for i in range(n):
        refined = _refined(classes, colours, colours)
        assert refined is not None, "a colouring always matches itself"
        levels.append(refined[0])
        colours = _single_out(refined[0], i)
    generators: list[Permutation] = []
    order = 1
    for i in reversed(range(n)):
        failed: set[int] = set()
        for image in range(i + 1, n):
            if levels[i][image] != levels[i][i]:
                continue
            # What fails for one image fails for all of its orbit, since the generators found fix 0 .. i-1 as well.
            if not failed.union([i]).isdisjoint(_orbit(image, generators)):
                continue
            found = _find(classes, levels[i], levels[i], i, image)
            if found is None:
                failed.add(image)
            else:
                generators.append(found)
        order *= len(_orbit(i, generators))
    return PermutationGroup(n=n, generators=tuple(generators), order=order)


def _orbit(point: int, generators: Iterable[Permutation]) -> set[int]:
    """All images of a point; inverses are powers, so the generators alone reach them."""
    reached, waiting = {point}, [point]
    while waiting:
        current = waiting.pop()
        new = {generator[current] for generator in generators} - reached
        reached |= new
        waiting.extend(new)
    return reached


def _find(
    classes: Mapping[PauliString, int], source: Sequence[int], target: Sequence[int], point: int, image: int
) -> Permutation | None:
    """An automorphism that maps each colour of `source` onto the same colour of `target`, and `point` onto `image`."""
    refined = _refined(classes, _single_out(source, point), _single_out(target, image))
    if refined is None:
        return None
    source, target = refined
    sizes = Counter(source)
    undecided = next((q for q, colour in enumerate(source) if sizes[colour] > 1), None)
    if undecided is None:
        place = {colour: q for q, colour in enumerate(target)}
        found = tuple(place[colour] for colour in source)
        return found if _maps_onto_itself(classes, found) else None
    choices = [q for q, colour in enumerate(target) if colour == source[undecided]]
    for choice in sorted(choices, key=lambda q: q != undecided):  # stay in place where possible: simpler generators
        found_below = _find(classes, source, target, undecided, choice)
        if found_below is not None:
            return found_below
    return None


def _single_out(colours: Sequence[int], point: int) -> list[int]:
    """Give one point a colour of its own, one that no refined colouring uses."""
    return [len(colours) if q == point else colour for q, colour in enumerate(colours)]


def _refined(
    classes: Mapping[PauliString, int], source: Sequence[int], target: Sequence[int]
) -> tuple[list[int], list[int]] | None:
    """Refine two colourings side by side until stable, None once no automorphism can map one onto the other.

    A qubit's new colour is its colour with the sorted list, over the terms that contain it, of the term's class, its
    letters with the colours of their qubits, and its own letter there. The new colours are numbered in sorted order,
    so that they mean the same in both.
    """
    pair = (list(source), list(target))
    n_colours = len(set(source))
    while True:
        keys = [
            [(k, tuple(sorted((letter, colours[q]) for q, letter in string))) for string, k in classes.items()]
            for colours in pair
        ]
        ordered = sorted(keys[0])
        if ordered != sorted(keys[1]):
            return None
        rank = {key: k for k, key in enumerate(ordered)}
        signatures = []
        for colours, term_keys in zip(pair, keys, strict=True):
            seen: list[list[tuple[int, str]]] = [[] for _ in colours]
            for string, key in zip(classes, term_keys, strict=True):
                for q, letter in string:
                    seen[q].append((rank[key], letter))
            signatures.append([(colour, tuple(sorted(terms))) for colour, terms in zip(colours, seen, strict=True)])
        if sorted(signatures[0]) != sorted(signatures[1]):
            return None
        number_of = {signature: k for k, signature in enumerate(sorted(set(signatures[0])))}
        pair = ([number_of[s] for s in signatures[0]], [number_of[s] for s in signatures[1]])
        if len(number_of) == n_colours:
            return pair
        n_colours = len(number_of)


def _maps_onto_itself(classes: Mapping[PauliString, int], images: Permutation) -> bool:
    """Whether every string maps onto one of the same class; distinct strings have distinct images, so all are hit."""
    return all(classes.get(permuted(string, images)) == number for string, number in classes.items())
