"""JAX kernels of the sector engine: Givens rotations on pairs of amplitudes, forwards and backwards, and H psi.

States have shape (n_states, size): the first is a state, the others are its derivatives along some direction each.
Amplitudes are read and overwritten, never added to by several at once, which would round differently every time. JAX is
imported where it is used, since it is an extra.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

Array = Any
"""A JAX array."""


@cache
def compiled() -> dict[str, Any]:
    """Return the kernels by name, each compiled for a shape when it is first met."""
    jax = import_module("jax")
    return {
        "start": jax.jit(_start, static_argnums=0),
        "apply": jax.jit(_apply, static_argnames=("shape", "batch")),
        "rotate": jax.jit(_rotate, donate_argnums=0),
        "unwind": jax.jit(_unwind, donate_argnums=(0, 1)),
    }


def _start(shape: tuple[int, int], index: int) -> Array:
    jnp = import_module("jax.numpy")
    return jnp.zeros(shape).at[0, index].set(1.0)


def _pairs_of(rows: tuple[Array, ...], columns: tuple[Array, ...], row: Array, column: Array) -> tuple[Array, ...]:
    """Where both amplitudes of each pair of one rotation lie, and its sign; shape (n_row_pairs, n_column_pairs)."""
    source, target, sign, kind = (table[row] for table in rows)
    here = tuple(table[column] for table in columns)
    if here[0].shape[0] > 1:
        j, j_to, g = (table[kind] for table in here)
    else:  # one block: all rows have the same columns
        j, j_to, g = here
    return source[:, None] + j, target[:, None] + j_to, sign[:, None] * g


def _read(states: Array, places: Array) -> Array:
    return states.at[:, places].get(mode="fill", fill_value=0.0)


def _write(states: Array, places: Array, values: Array) -> Array:
    return states.at[:, places].set(values, mode="drop", unique_indices=True)


def _rotate(
    states: Array,
    rows: tuple[Array, ...],
    columns: tuple[Array, ...],
    row: Array,
    column: Array,
    cosines: Array,
    sines: Array,
    speeds: Array,
) -> Array:
    """Apply rotations to the first state, and carry the others along as its derivatives; shape (n_states, size).

    With s the sign of a pair: x' = c x - s t y, y' = c y + s t x; a derivative of speed w also gains -s w y', s w x'.
    """
    lax = import_module("jax.lax")

    def turn(states: Array, step: tuple[Array, ...]) -> tuple[Array, None]:
        row, column, cosine, sine, speed = step
        source, target, sign = _pairs_of(rows, columns, row, column)
        x, y = _read(states, source), _read(states, target)
        x, y = cosine * x - (sine * sign) * y, cosine * y + (sine * sign) * x
        if states.shape[0] > 1:
            moving = speed[:, None, None] * sign  # none for the first state
            x, y = x - moving * y[:1], y + moving * x[:1]
        return _write(_write(states, source, x), target, y), None

    return lax.scan(turn, states, (row, column, cosines, sines, speeds))[0]


def _unwind(
    states: Array,
    images: Array,
    rows: tuple[Array, ...],
    columns: tuple[Array, ...],
    row: Array,
    column: Array,
    cosines: Array,
    sines: Array,
    speeds: Array,
) -> tuple[Array, Array, Array]:
    """Undo rotations on states and images; return both and <image| T - T^dagger |state>, derivatives behind it.

    The overlaps have shape (n_rotations, n_states), without the sign of the operators' order; beside derivatives the
    first column is twice the overlap.
    """
    lax = import_module("jax.lax")

    def turn(pair: tuple[Array, Array], step: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        row, column, cosine, sine, speed = step
        source, target, sign = _pairs_of(rows, columns, row, column)
        read = [(_read(each, source), _read(each, target)) for each in pair]
        (x, y), (u, v) = read
        density = v * x[:1] - u * y[:1]
        if pair[0].shape[0] > 1:
            density = density + v[:1] * x - u[:1] * y
        overlaps = (density * sign).sum(axis=(1, 2))
        undone = []
        for each, (p, q) in zip(pair, read, strict=True):
            if each.shape[0] > 1:
                moving = speed[:, None, None] * sign
                p, q = p + moving * q[:1], q - moving * p[:1]
            p, q = cosine * p + (sine * sign) * q, cosine * q - (sine * sign) * p
            undone.append(_write(_write(each, source, p), target, q))
        return (undone[0], undone[1]), overlaps

    steps = (row, column, cosines, sines, speeds)
    (states, images), overlaps = lax.scan(turn, (states, images), steps, reverse=True)
    return states, images, overlaps


def _apply(
    states: Array, alpha: Array, beta: Array, links: list[tuple[Array, ...]], *, shape: tuple[int, ...], batch: int
) -> tuple[Array, Array]:
    """Return H psi of each state, (n_states, size), `batch` columns at a time, and <H> of the first."""
    jnp, lax = import_module("jax.numpy"), import_module("jax.lax")
    n_blocks, n_rows, n_columns = shape

    def image(flat: Array) -> Array:
        psi = flat.reshape(shape)
        found = jnp.matmul(alpha, psi) + jnp.matmul(psi, beta)
        if not links:
            return found.reshape(-1)

        def add(k: Array, found: Array) -> Array:
            block, first = k // (n_columns // batch), (k % (n_columns // batch)) * batch
            total = lax.dynamic_slice(found, (block, 0, first), (1, n_rows, batch))[0]
            for link in links:
                total = total + _excited_twice(psi, block, first, batch, *link)
            return lax.dynamic_update_slice(found, total[None], (block, 0, first))

        return lax.fori_loop(0, n_blocks * (n_columns // batch), add, found).reshape(-1)

    images = lax.map(image, states)
    return images, states[0] @ images[0]


def _excited_twice(
    psi: Array,
    block: Array,
    first: Array,
    batch: int,
    integrals: Array,
    source: Array,
    rows: Array,
    row_signs: Array,
    columns: Array,
    column_signs: Array,
) -> Array:
    """Return sum (pq|rs) E_pq(alpha) E_rs(beta) psi in some columns of a block, over pairs of one irrep."""
    jnp, lax = import_module("jax.numpy"), import_module("jax.lax")
    n_pairs, n_rows = rows.shape[1:]
    here = psi[source[block]]
    column = lax.dynamic_slice(columns, (block, 0, first), (1, n_pairs, batch))[0]
    signs = lax.dynamic_slice(column_signs, (block, 0, first), (1, n_pairs, batch))[0]
    row = jnp.arange(n_rows)[None, :, None]
    inside = "promise_in_bounds"
    excited = here.at[row, column[:, None, :]].get(mode=inside) * signs[:, None, :]
    weighted = (integrals @ excited.reshape(n_pairs, -1)).reshape(excited.shape)
    pair = jnp.arange(n_pairs)[:, None]
    return (weighted.at[pair, rows[block]].get(mode=inside) * row_signs[block][:, :, None]).sum(axis=0)
