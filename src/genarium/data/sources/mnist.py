"""mnist and fashion-mnist: the official files, downloaded or from a folder of the user's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genarium.data import cache, idx
from genarium.data.collection import Collection, Part
from genarium.data.download import Official, fetch, from_folder
from genarium.data.registry import Request, source
from genarium.data.splits import digest, holdout

VALIDATION = 5_000
NATIVE = (1, 28, 28)


def _official(sums: tuple[str, str, str, str]) -> tuple[Official, ...]:
    """The four files of the MNIST family; `sums` are the SHA-256 of their IDX content."""
    files = (
        ("train-images", "train-images-idx3-ubyte.gz", 47_040_016),
        ("train-labels", "train-labels-idx1-ubyte.gz", 60_008),
        ("t10k-images", "t10k-images-idx3-ubyte.gz", 7_840_016),
        ("t10k-labels", "t10k-labels-idx1-ubyte.gz", 10_008),
    )
    return tuple(
        Official(key, name, sha256, size)
        for (key, name, size), sha256 in zip(files, sums, strict=True)
    )


MNIST = _official(
    (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    )
)
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FASHION = _official(
    (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    )
)
FASHION_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)


def read_official(files: tuple[Official, ...], folder: Path) -> dict[str, NDArray[np.uint8]]:
    """The four arrays by key ("train-images" ...) from a folder of official files."""
    return {f.key: _parse(f, from_folder(f, folder)) for f in files}


def _parse(file: Official, data: bytes) -> NDArray[np.uint8]:
    return idx.parse(data, 3 if file.key.endswith("images") else 1)


def _read(
    request: Request,
    name: str,
    files: tuple[Official, ...],
    mirrors: tuple[str, ...],
    classes: tuple[str, ...],
    attribution: str,
) -> Collection:
    def make() -> Collection:
        options = request.options
        if options.from_dir is not None:
            arrays = read_official(files, Path(options.from_dir).expanduser())
        else:
            root = cache.root(options)
            arrays = {
                f.key: _parse(
                    f, fetch(f, mirrors, root / "downloads" / name, root, request.progress)
                )
                for f in files
            }
        official = Part(arrays["train-images"][:, None], arrays["train-labels"])
        held = holdout([digest(image) for image in official.images], VALIDATION)
        return Collection(
            {
                "train": official.take(~held),
                "validation": official.take(held),
                "test": Part(arrays["t10k-images"][:, None], arrays["t10k-labels"]),
            },
            classes,
            {
                "attribution": attribution,
                "splits": "official test split; validation cut from the official training split",
            },
        )

    identity = ":".join((name, "1", *(f.sha256 for f in files)))
    return cache.cached(request, name, identity, NATIVE, make)


@source(
    "mnist",
    summary="handwritten digits, 28x28 grey, 70,000 images, downloads 11 MB",
    licence="CC BY-SA 3.0",
    files=True,
)
def mnist(request: Request) -> Collection:
    """MNIST (LeCun, Bottou, Bengio & Haffner 1998)."""
    return _read(
        request,
        "mnist",
        MNIST,
        MNIST_MIRRORS,
        tuple("0123456789"),
        "MNIST (Yann LeCun, Corinna Cortes), CC BY-SA 3.0",
    )


@source(
    "fashion-mnist",
    summary="articles of clothing, 28x28 grey, 70,000 images, downloads 30 MB",
    licence="MIT",
    files=True,
)
def fashion_mnist(request: Request) -> Collection:
    """Fashion-MNIST (Xiao, Rasul & Vollgraf 2017)."""
    return _read(
        request,
        "fashion-mnist",
        FASHION,
        FASHION_MIRRORS,
        (
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        "Fashion-MNIST (Han Xiao, Kashif Rasul, Roland Vollgraf; Zalando SE), MIT licence",
    )
