"""The sector engine on a GPU, by JAX in double precision: the same passes over the same rotations, states stay there.

Angles go to the device, an energy and its gradient come back. A rotation reads its pairs of amplitudes, turns them and
writes them back; sixteen rotations of one shape are one compiled loop, whatever their order is, so that an ansatz that
loses a rotation is not compiled again. H psi is a product with H of either spin alone, and for electrons of both
spins single excitations of one, a matrix product with (pq|rs), and single excitations of the other, for so many columns
at a time that memory stays bounded (after P. J. Knowles, N. C. Handy, A new determinant-based full configuration
interaction method, 1984; the order of the work is ours).

JAX is an extra: it is imported where it is used. Kernels also run on its CPU backend, which the tests use.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqe_prune.chemistry import require_memory
from vqe_prune.engine.blocks import (
    BATCH_NUMBERS,
    Layout,
    column_pairs,
    link_tables,
    most_pairs,
    row_pairs,
    runs,
    same_spin_blocks,
    widened,
)
from vqe_prune.engine.determinants import SectorHamiltonian
from vqe_prune.engine.jax_kernels import Array, compiled
from vqe_prune.engine.sector import Part, SectorEngine, State, Vector, split_spins
from vqe_prune.errors import InputError, first_line

Device = Any
"""A JAX device."""

LOOP = 16
"""Rotations in one compiled loop."""

LEAST_FILLED = 4
"""Runs of fewer rotations of one shape go one at a time; longer ones are filled up to whole loops."""

ONE_SHAPE = 20_000
"""Sectors of fewer determinants fill up all tables to one shape: starting a kernel costs more than what it reads."""

TOGETHER = 2**20
"""Numbers in the derivatives of a state that are carried along at once."""

MOST_TOGETHER = 16

VECTORS = 10
"""States that a Hessian product holds at once: a state, its derivative, H psi of both, and six as large as what single
excitations read and write of them."""

INSTALL = "pip install 'vqe-prune[gpu]'"


def find_gpu() -> Device:
    """Return the first GPU that JAX sees.

    Raises:
        InputError: JAX is not installed or sees none.

    """
    if importlib.util.find_spec("jax") is None:
        raise InputError(f"engine=gpu needs JAX with CUDA: {INSTALL}")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else JAX takes three quarters of the memory
    jax = import_module("jax")
    try:
        return jax.devices("gpu")[0]
    except RuntimeError as error:
        raise InputError(
            f"engine=gpu: JAX {jax.__version__} sees no GPU ({first_line(error)}); where there is one {INSTALL}, "
            f"else leave engine=gpu out"
        ) from error


def device_label(device: Device) -> str:
    """Return a device's name and the version of JAX, as in "NVIDIA H100 (JAX 0.10.2)"."""
    return f"{device.device_kind} (JAX {import_module('jax').__version__})"


@contextmanager
def _on(device: Device) -> Iterator[None]:
    """Compute on a device in double precision, whatever else this process does with JAX."""
    jax = import_module("jax")
    try:
        with jax.enable_x64(True), jax.default_device(device):
            yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            raise MemoryError(f"{device_label(device)}: {first_line(error)}") from error
        raise


@dataclass(frozen=True, eq=False, kw_only=True)
class DeviceHamiltonian(SectorHamiltonian):
    """A sector Hamiltonian whose products are computed on a device; states come and go as NumPy arrays.

    Attributes:
        device: A JAX device.

    """

    device: Device
    _blocks: dict[int | None, DeviceBlocks] = field(default_factory=dict, init=False, repr=False)

    def blocks(self, irrep: int | None) -> DeviceBlocks:
        """Return what is kept on the device for states of one irrep, or of all."""
        if irrep not in self._blocks:
            self._blocks[irrep] = DeviceBlocks(Layout(self.sector, self.irreps, irrep), self)
        return self._blocks[irrep]

    def apply(self, psi: State, irrep: int | None = None) -> State:
        """Return (H - constant) psi for psi of the sector's shape; faster where psi is known to be in one irrep."""
        blocks = self.blocks(irrep)
        with _on(self.device):
            return blocks.download(blocks.apply(blocks.upload(psi))[0])


def on_device(hamiltonian: SectorHamiltonian, device: Device) -> DeviceHamiltonian:
    """Return a Hamiltonian that is applied on a device.

    Raises:
        InputError: The states do not fit into what the device has free, where JAX tells.

    """
    sector = hamiltonian.sector
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        n_alpha, n_beta = sector.shape
        numbers = VECTORS * sector.dimension + n_alpha**2 + n_beta**2 + 3 * BATCH_NUMBERS
        free = (stats["bytes_limit"] - stats.get("bytes_in_use", 0)) / 2**30
        what = f"engine=gpu: the states of {sector.dimension:.3g} determinants on {device.device_kind}"
        require_memory(numbers, what, "a smaller molecule.active_space, or leave engine=gpu out", free)
    own = {each.name: getattr(hamiltonian, each.name) for each in fields(SectorHamiltonian)}
    return DeviceHamiltonian(**own, device=device)


@dataclass(frozen=True, eq=False)
class Loop:
    """Rotations of one shape that one compiled loop goes through.

    Attributes:
        tables: Which tables of rows and of columns they use.
        first: The first rotation.
        count: How many there are; what fills up the loop turns by nothing.
        rows: Place of each alpha part in its table; shape (length,).
        columns: Place of each beta part; shape (length,).

    """

    tables: tuple[int, int]
    first: int
    count: int
    rows: Array
    columns: Array

    def filled(self, values: NDArray[np.float64], filling: float) -> NDArray[np.float64]:
        """Return the values of these rotations, (..., n_rotations), filled up to the loop's length first."""
        chosen = values[..., self.first : self.first + self.count].T
        found = np.full((len(self.rows), *chosen.shape[1:]), filling)
        found[: self.count] = chosen
        return found


class _PairTable:
    """Pairs of strings of one spin, of all parts met so far; on the device with room for as many again.

    Args:
        tabulate: Gives the pairs of a part.
        columns: Whether these are columns, whose number of pairs differs from part to part.
        layout: Of the states.

    """

    def __init__(self, tabulate: Callable[[Part], tuple[Any, ...]], columns: bool, layout: Layout) -> None:
        self._tabulate, self._columns, self._layout = tabulate, columns, layout
        self._place: dict[Part, int] = {}
        self._pairs: list[tuple[Any, ...]] = []
        self._moved: tuple[Array, ...] = ()

    def place(self, part: Part) -> int:
        if part not in self._place:
            self._place[part] = len(self._pairs)
            self._pairs.append(self._tabulate(part))
            self._moved = ()
        return self._place[part]

    def on_device(self) -> tuple[Array, ...]:
        """The tables, padded so that a few more parts do not change their shape, which would compile again."""
        if not self._moved:
            jax, pairs = import_module("jax"), self._pairs
            if self._columns:
                width = 8 * -(-max(each[0].shape[1] for each in pairs) // 8)
                pairs = [widened(each, width, self._layout.size) for each in self._pairs]
            room = max(LOOP, 1 << (len(pairs) - 1).bit_length())
            stacks = [np.stack(each) for each in zip(*pairs, strict=True)]
            padded = [np.concatenate([each, np.repeat(each[:1], room - len(each), axis=0)]) for each in stacks]
            self._moved = tuple(jax.device_put(each) for each in padded)
        return self._moved


class DeviceBlocks:
    """States of one irrep on a device: H among them, and the pairs that rotations couple, shared by all ansätze.

    Args:
        layout: Where amplitudes lie.
        hamiltonian: Whose products these are.

    """

    def __init__(self, layout: Layout, hamiltonian: DeviceHamiltonian) -> None:
        self.layout, self._hamiltonian = layout, hamiltonian
        self._rows: dict[int, _PairTable] = {}
        self._columns: dict[int, _PairTable] = {}

    @cached_property
    def _operators(self) -> tuple[Any, ...]:
        """H of either spin, and the link tables, on the device."""
        jax = import_module("jax")
        layout, hamiltonian = self.layout, self._hamiltonian
        links = [tuple(vars(each).values()) for each in link_tables(layout, hamiltonian)]
        return jax.device_put((*same_spin_blocks(layout, hamiltonian), links))

    def tables(self, alpha: Part, beta: Part) -> tuple[int, int]:
        """Return which tables hold a rotation's pairs: one for each number of electrons moved, in small sectors one."""
        small = self.layout.sector.dimension < ONE_SHAPE
        return (0, 0) if small else (len(alpha[0]), len(beta[0]))

    def places(self, alpha: Part, beta: Part) -> tuple[int, int]:
        """Return where a rotation's alpha part and beta part stand in their tables."""
        rows, columns = self.tables(alpha, beta)
        layout, sector = self.layout, self.layout.sector
        if rows not in self._rows:
            n_pairs = most_pairs(sector.n_orbitals, sector.n_alpha, rows)
            self._rows[rows] = _PairTable(lambda part: row_pairs(layout, part, n_pairs), False, layout)
        if columns not in self._columns:
            self._columns[columns] = _PairTable(lambda part: column_pairs(layout, part), True, layout)
        return self._rows[rows].place(alpha), self._columns[columns].place(beta)

    def pairs(self, tables: tuple[int, int]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return tables of rows and of columns on the device."""
        return self._rows[tables[0]].on_device(), self._columns[tables[1]].on_device()

    def upload(self, psi: State) -> Array:
        """Return a state of the sector's shape on the device, flattened; shape (1, size)."""
        return import_module("jax").device_put(self.layout.pack(psi).reshape(1, -1))

    def download(self, psi: Array) -> State:
        """Return a state on the device, `size` numbers, in the sector's shape."""
        return self.layout.unpack(np.asarray(psi).reshape(self.layout.shape))

    def start(self, reference: tuple[int, int], n_derivatives: int) -> Array:
        """Return the reference and derivatives of zero; shape (1 + n_derivatives, size)."""
        shape = 1 + n_derivatives, self.layout.size
        return compiled()["start"](shape, self.layout.index(*reference))

    def apply(self, states: Array) -> tuple[Array, Array]:
        """Return (H - constant) psi of each state, (n_states, size), and the first one's energy."""
        return compiled()["apply"](states, *self._operators, shape=self.layout.shape, batch=self.layout.batch)


@dataclass(frozen=True, eq=False, kw_only=True)
class AcceleratedEngine(SectorEngine):
    """A `SectorEngine` whose states stay on the device of its `DeviceHamiltonian`; `threads` are not used."""

    @cached_property
    def _on_device(self) -> tuple[DeviceBlocks, Device]:
        assert isinstance(self.hamiltonian, DeviceHamiltonian)
        return self.hamiltonian.blocks(self.irrep), self.hamiltonian.device

    @cached_property
    def _parts(self) -> list[tuple[float, Part, Part]]:
        return [split_spins(excitation) for excitation in self.ansatz.excitations]

    @cached_property
    def order_signs(self) -> Vector:
        """Sign of moving each rotation's alpha operators before its beta ones; shape (n_rotations,)."""
        return np.array([sign for sign, _, _ in self._parts], dtype=np.float64)

    @cached_property
    def loops(self) -> list[Loop]:
        """The rotations, in loops that are compiled once for all ansätze of a sector."""
        blocks, _ = self._on_device
        self._check_orbitals()
        tables = [blocks.tables(alpha, beta) for _, alpha, beta in self._parts]
        places = np.array([blocks.places(alpha, beta) for _, alpha, beta in self._parts], dtype=np.int32).reshape(-1, 2)
        found = []
        for first, last in runs(tables):
            length = 1 if last - first < LEAST_FILLED and tables[first] != (0, 0) else LOOP
            for lo in range(first, last, length):
                rows, columns = np.zeros((2, length), dtype=np.int32)
                count = min(length, last - lo)
                rows[:count], columns[:count] = places[lo : lo + count].T
                found.append(Loop(tables[first], lo, count, rows, columns))
        return found

    def _check_orbitals(self) -> None:
        n = self.hamiltonian.sector.n_orbitals
        for index, excitation in enumerate(self.ansatz.excitations):
            if excitation.spin_orbitals[-1] >= 2 * n:
                raise ValueError(
                    f"Argument `ansatz` must act on {2 * n} spin orbitals, but rotation {index} is {excitation.label}"
                )

    def rotated(self, psi: State, angles: Vector) -> State:
        """Return another state than the reference, of the same irrep, after the rotations; it is overwritten."""
        blocks, device = self._on_device
        cosines, sines = self._trigonometry(angles)
        with _on(device):
            psi[...] = blocks.download(self._forwards(blocks.upload(psi), cosines, sines)[0])
        return psi

    def energy(self, angles: Vector) -> float:
        """Return <H> in hartree."""
        blocks, device = self._on_device
        with _on(device):
            states = self._forwards(blocks.start(self.reference, 0), *self._trigonometry(angles))
            return float(blocks.apply(states)[1]) + self.hamiltonian.constant

    def tangents(self, angles: Vector, directions: Vector) -> Iterator[State]:
        """Yield the derivative of the state along each direction (n_parameters,), one state at a time."""
        blocks, device = self._on_device
        cosines, sines = self._trigonometry(angles)
        for speeds, count in self._together(self._speeds(directions)):
            with _on(device):
                states = self._forwards(blocks.start(self.reference, len(speeds)), cosines, sines, speeds)
                found = np.asarray(states)
            for row in found[1 : 1 + count]:
                yield blocks.download(row)

    def _energy_and_overlaps(self, cosines: Vector, sines: Vector) -> tuple[float, Vector]:
        blocks, device = self._on_device
        with _on(device):
            states = self._forwards(blocks.start(self.reference, 0), cosines, sines)
            images, energy = blocks.apply(states)
            overlaps = self._backwards(states, images, cosines, sines)
            return float(energy), overlaps[0]

    def _overlap_derivatives(self, cosines: Vector, sines: Vector, speeds: Vector) -> Vector:
        blocks, device = self._on_device
        found = np.zeros((0, speeds.shape[1]))
        for some, count in self._together(speeds):
            with _on(device):
                states = self._forwards(blocks.start(self.reference, len(some)), cosines, sines, some)
                overlaps = self._backwards(states, blocks.apply(states)[0], cosines, sines, some)
            found = np.concatenate([found, overlaps[1 : 1 + count]])
        return found

    def _together(self, speeds: Vector) -> Iterator[tuple[Vector, int]]:
        """Directions in groups of one size, the last filled up with zeros, and how many of each are meant."""
        size = max(1, min(MOST_TOGETHER, TOGETHER // self._on_device[0].layout.size))
        for first in range(0, len(speeds), size):
            some = speeds[first : first + size]
            yield np.concatenate([some, np.zeros((size - len(some), some.shape[1]))]), len(some)

    def _forwards(self, states: Array, cosines: Vector, sines: Vector, speeds: Vector | None = None) -> Array:
        """Return the states after all rotations, derivatives carried along."""
        blocks, _ = self._on_device
        turns = self._turns(cosines, sines, speeds)
        for loop, values in zip(self.loops, turns, strict=True):
            states = compiled()["rotate"](states, *blocks.pairs(loop.tables), loop.rows, loop.columns, *values)
        return states

    def _backwards(
        self, states: Array, images: Array, cosines: Vector, sines: Vector, speeds: Vector | None = None
    ) -> Vector:
        """Return the overlaps, (1, n_rotations), and their derivatives behind them; both states are used up."""
        blocks, _ = self._on_device
        turns = self._turns(cosines, sines, speeds)
        found: list[Array] = []
        for loop, values in zip(self.loops[::-1], turns[::-1], strict=True):
            pairs = blocks.pairs(loop.tables)
            states, images, overlaps = compiled()["unwind"](states, images, *pairs, loop.rows, loop.columns, *values)
            found.append(overlaps)
        collected = import_module("jax").device_get(found)[::-1]  # all copies at once, and only now
        parts = [each[: loop.count] for each, loop in zip(collected, self.loops, strict=True)]
        n_states = states.shape[0]
        return np.concatenate([np.zeros((0, n_states)), *parts]).T * self.order_signs

    def _turns(self, cosines: Vector, sines: Vector, speeds: Vector | None) -> list[tuple[NDArray[np.float64], ...]]:
        """Cosines, sines and speeds of each loop; the first state has no speed."""
        moving = np.zeros((0, len(cosines))) if speeds is None else speeds * self.order_signs
        moving = np.concatenate([np.zeros((1, len(cosines))), moving])
        return [(loop.filled(cosines, 1.0), loop.filled(sines, 0.0), loop.filled(moving, 0.0)) for loop in self.loops]
