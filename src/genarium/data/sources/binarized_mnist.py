"""binarized-mnist: the fixed bits of MNIST that the field's static likelihoods are of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genarium.data.collection import Collection, Part
from genarium.data.registry import Request, source
from genarium.errors import UserError

ROWS = {"train": 50_000, "valid": 10_000, "test": 10_000}
SPLITS = {"train": "train", "valid": "validation", "test": "test"}
SIDE = 28


@source(
    "binarized-mnist",
    summary="MNIST in fixed bits, 28x28, 70,000 images, from your .amat files (--from DIR)",
    licence="CC BY-SA 3.0",
    files=True,
)
def binarized_mnist(request: Request) -> Collection:
    """The static binarization of Larochelle & Murray 2011, "The Neural Autoregressive Distribution
    Estimator": binarized_mnist_train.amat, _valid.amat and _test.amat, a line of 784 digits 0 or 1
    an image, without labels."""
    if request.options.from_dir is None:
        raise UserError(
            "--data binarized-mnist is read from files of yours: name the folder of "
            "binarized_mnist_train.amat, _valid.amat and _test.amat with --from DIR"
        )
    if request.options.height_width not in (None, (SIDE, SIDE)) or request.options.channels == 3:
        raise UserError(
            "--data binarized-mnist is 28x28 and black and white: leave out --size and --channels, "
            "or take --data mnist --binarize static"
        )
    folder = Path(request.options.from_dir).expanduser()
    parts = {
        split: Part(read_amat(folder / f"binarized_mnist_{key}.amat", ROWS[key]))
        for key, split in SPLITS.items()
    }
    info = {
        "attribution": "MNIST (Yann LeCun, Corinna Cortes), CC BY-SA 3.0; bits by Hugo Larochelle",
        "splits": "as in the files",
        "policy": {"binarize": "static"},
    }
    return Collection(parts, (), info)


def read_amat(path: Path, rows: int) -> NDArray[np.uint8]:
    """Lines of 784 digits 0 or 1 with spaces between -> uint8 [rows,1,28,28] of 0 and 255.

    Raises UserError for a file that is missing, or not of `rows` such lines.
    """
    try:
        text = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"--from {path.parent}: {path.name}: {reason}") from None
    digits = text[~np.isin(text, np.frombuffer(b" \t\r\n", np.uint8))] - ord("0")
    if len(digits) != rows * SIDE**2 or digits.max(initial=0) > 1:
        raise UserError(
            f"--from {path.parent}: {path.name} does not hold {rows} lines of {SIDE**2} digits 0 "
            "or 1: get the file again"
        )
    return (digits * np.uint8(255)).reshape(rows, 1, SIDE, SIDE)
