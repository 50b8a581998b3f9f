"""IDX files, as MNIST and its relatives are published: arrays of bytes, with or without gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqe_prune.errors import InputError
from vqe_prune.files import check_ordinary

MOST_BYTES = 1 << 28
"""Of an array; the largest of MNIST's has 47 million."""

UNSIGNED_BYTES = 8
"""The type of the elements, the third byte of a file."""

MOST_DIMENSIONS = 4


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of an IDX file.

    The file holds two zeros, the type (8 for unsigned bytes), the number of dimensions, every dimension as four bytes
    with the highest first, and the elements, the last index running fastest.

    Args:
        path: Of the file, gzip or not: its first bytes say which.

    Raises:
        InputError: The file cannot be read, is no such file, is cut off, has more in it than it says, or is too large.

    Source: Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits, 1998, which describes the
        format.

    """
    try:
        check_ordinary(path, str(path))
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or not 1 <= head[3] <= MOST_DIMENSIONS:
                raise InputError(f"{path} is no IDX file: it begins with {head.hex()}, not with 0000 08 and dimensions")
            if head[2] != UNSIGNED_BYTES:
                raise InputError(
                    f"{path}: its elements are of type {head[2]:#04x}; only unsigned bytes (0x08) are read"
                )
            sizes = file.read(4 * head[3])
            shape = tuple(int.from_bytes(sizes[k : k + 4], "big") for k in range(0, len(sizes), 4))
            n_bytes = math.prod(shape)
            if len(sizes) == 4 * head[3] and max(n_bytes, *shape) > MOST_BYTES:
                raise InputError(f"{path} has {'x'.join(map(str, shape))} elements, more than {MOST_BYTES}")
            data = file.read(min(n_bytes, MOST_BYTES) + 1)  # never more than it says, whatever gzip unpacks to
    except (OSError, EOFError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is cut off or damaged"
        raise InputError(f"{path} cannot be read: {why}") from error
    if len(sizes) < 4 * head[3] or len(data) != n_bytes:
        other = "more" if len(data) > n_bytes else "fewer"
        raise InputError(f"{path} should hold {'x'.join(map(str, shape))} bytes, but it has {other}")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)
