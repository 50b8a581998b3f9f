"""Images with labels: scikit-learn's digits, MNIST and Fashion-MNIST from files or fetched once; splits by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqe_prune.errors import InputError
from vqe_prune.tasks.idx import read_idx

Vector = NDArray[np.float64]
Rows = NDArray[np.int64]

ORIGINS = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion_mnist": "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
}
"""Where files are fetched from."""

CHECKSUMS = {
    "mnist": {
        "train-images-idx3-ubyte.gz": "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
    },
}
"""Of the files as their authors published them."""

NEEDS_EXTRA = "needs {package}, which is not installed: pip install 'vqe-prune[tasks]'"

MOST_SAMPLES = (1000, 400, 1000)
"""Training, validation and test images by default, where there are enough; else halves, a fifth and the rest."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Images:
    """Images of some classes.

    Attributes:
        pixels: From 0 to 1; shape (n_images, height, width).
        labels: Position of each image's class among the chosen ones; shape (n_images,).

    """

    pixels: Vector
    labels: Rows


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """Rows of the images that are trained on, decide when to stop, and are only ever scored; no row is in two."""

    train: Rows
    validation: Rows
    test: Rows


def load_images(dataset: str, classes: Sequence[int], data_dir: str | None = None) -> Images:
    """Return the images of some classes.

    Args:
        dataset: ``digits`` (1,797 of 8 x 8 pixels out of scikit-learn), ``mnist`` or ``fashion_mnist`` (28 x 28).
        classes: Labels, at least two.
        data_dir: Folder of IDX files of the latter two, any pairs named ...-images-idx3-ubyte[.gz] and
            ...-labels-idx1-ubyte[.gz]; None fetches the published files into the user's cache, once.

    Raises:
        InputError: The data cannot be had, or a class has no image.

    """
    pixels, labels = _digits() if dataset == "digits" else _from_files(dataset, data_dir)
    for label in classes:
        if not np.any(labels == label):
            there = ", ".join(str(each) for each in np.unique(labels))
            raise InputError(f"task.classes: {dataset} has no image with label {label}; there are {there}")
    chosen = np.isin(labels, classes)
    places = np.searchsorted(np.sort(classes), labels[chosen])
    return Images(pixels=pixels[chosen], labels=np.argsort(classes)[places])


def split_images(images: Images, samples: Sequence[int] | None, seed: int) -> Split:
    """Split images at random, each class in the same shares.

    Args:
        images: All images.
        samples: Training, validation and test images; None for `MOST_SAMPLES`, or half, a fifth and the rest.
        seed: Of the split.

    Raises:
        InputError: There are not as many.

    """
    n = len(images.labels)
    if samples is None:
        samples = MOST_SAMPLES if sum(MOST_SAMPLES) <= n else _shares(n)
    if len(samples) != 3 or min(samples) < 1:
        raise InputError(f"task.samples={list(samples)} must be three counts of 1 and more: [training,validation,test]")
    if sum(samples) > n:
        raise InputError(f"task.samples={list(samples)} are {sum(samples)} images, but there are {n} of these classes")
    rng = np.random.default_rng([seed, 0])
    order = rng.permutation(n)
    rank = np.empty(n)  # place of each image among those of its class, as a fraction: sorted by it, classes mix evenly
    for label in np.unique(images.labels):
        own = order[images.labels[order] == label]
        rank[own] = (np.arange(len(own)) + rng.random()) / len(own)
    mixed = np.argsort(rank, kind="stable")
    ends = np.cumsum(samples)
    train, validation, test = (mixed[end - size : end] for end, size in zip(ends, samples, strict=True))
    return Split(train=np.sort(train), validation=np.sort(validation), test=np.sort(test))


def _shares(n: int) -> tuple[int, int, int]:
    train, validation = n // 2, n // 5
    return train, validation, n - train - validation


def _digits() -> tuple[Vector, Rows]:
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise InputError(f"task.dataset=digits {NEEDS_EXTRA.format(package='scikit-learn')}") from error
    found = load_digits()
    return found.images / 16.0, found.target.astype(np.int64)


def _from_files(dataset: str, data_dir: str | None) -> tuple[Vector, Rows]:
    folder = fetch(dataset) if data_dir is None else Path(data_dir)
    if not folder.is_dir():
        raise InputError(f"task.data_dir={data_dir} is not a folder")
    pixels: list[NDArray[np.uint8]] = []
    labels: list[NDArray[np.uint8]] = []
    for path in sorted(folder.glob("*-images-idx3-ubyte*")):
        partner = path.with_name(path.name.replace("-images-idx3-", "-labels-idx1-"))
        bare = partner.with_name(partner.name.removesuffix(".gz"))
        partner = next((each for each in (partner, bare, bare.with_name(f"{bare.name}.gz")) if each.exists()), partner)
        images, marks = read_idx(path), read_idx(partner)
        if images.ndim != 3 or marks.ndim != 1 or len(images) != len(marks):
            raise InputError(
                f"{path} and {partner.name}: shapes {images.shape} and {marks.shape} are not images and labels"
            )
        if pixels and images.shape[1:] != pixels[0].shape[1:]:
            raise InputError(
                f"{path}: images of {images.shape[1]} x {images.shape[2]} pixels beside others of another size"
            )
        pixels.append(images)
        labels.append(marks)
    if not pixels:
        raise InputError(
            f"task.data_dir={data_dir} has no file ...-images-idx3-ubyte or ...-images-idx3-ubyte.gz; leave it out to "
            f"fetch {dataset} once"
        )
    return np.concatenate(pixels) / 255.0, np.concatenate(labels).astype(np.int64)


def fetch(dataset: str, origin: str | None = None) -> Path:
    """Return the folder in the user's cache that holds a data set, fetched and checked where it is not there.

    Args:
        dataset: ``mnist`` or ``fashion_mnist``.
        origin: Where from, default as `ORIGINS`.

    Raises:
        InputError: It cannot be fetched, or is not what was published.

    """
    both = f"task.dataset={dataset} is read from its IDX files: give their folder as task.data_dir="
    try:
        import pooch
    except ModuleNotFoundError as error:
        needs = NEEDS_EXTRA.format(package="pooch")
        raise InputError(f"{both}, or let it be fetched, which {needs}") from error
    base, folder = origin or ORIGINS[dataset], Path(pooch.os_cache("vqe_prune")) / dataset
    pooch.get_logger().setLevel("ERROR")
    keeper = pooch.create(path=folder, base_url=base, registry=CHECKSUMS[dataset], retry_if_failed=1)
    try:
        for name in CHECKSUMS[dataset]:
            keeper.fetch(name)
    except Exception as error:  # requests, urllib3, hashes: whatever it was, the way out is the same
        why = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise InputError(f"{both}; fetching it from {base} into {folder} failed ({why})") from error
    return folder


def resized(pixels: Vector, height: int, width: int) -> Vector:
    """Return images of height x width pixels, each the mean of the area it covers; shape (n_images, height, width)."""
    rows, columns = (_averages(*sizes) for sizes in zip(pixels.shape[1:], (height, width), strict=True))
    return np.einsum("ai,nij,bj->nab", rows, pixels, columns, optimize=True)


def _averages(size: int, parts: int) -> Vector:
    """The matrix that replaces `size` pixels in a row by `parts` means, pixels on a border shared."""
    edges = np.linspace(0.0, size, parts + 1)
    low, high = edges[:-1, None], edges[1:, None]
    covered = np.minimum(high, np.arange(1, size + 1)) - np.maximum(low, np.arange(size))
    return np.maximum(covered, 0.0) * parts / size


def principal_components(pixels: Vector, train: Rows, n: int) -> Vector:
    """Return the first n principal components of all images, found on the training images alone.

    Components are centred and scaled to mean square 1 on the training images; shape (n_images, n).
    """
    flat = pixels.reshape(len(pixels), -1)
    mean = flat[train].mean(axis=0)
    _, _, axes = np.linalg.svd(flat[train] - mean, full_matrices=False)
    for axis in axes[:n]:  # the sign of a singular vector is chance
        axis *= np.sign(axis[np.argmax(np.abs(axis))]) or 1.0
    found = (flat - mean) @ axes[:n].T
    spread = np.sqrt((found[train] ** 2).mean(axis=0))
    return found / np.where(spread > 1e-12, spread, 1.0)
