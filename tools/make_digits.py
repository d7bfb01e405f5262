"""Make the embedded data set `digits` from the official MNIST files.

    python tools/make_digits.py --from DIR            # writes the files
    python tools/make_digits.py --from DIR --check    # compares what they hold, pixel by pixel

DIR holds the four idx files of MNIST, gzip-compressed or not; each is checked by SHA-256. The
first 12,000 training and the first 2,000 test images with their labels are written, in this
order, as xz-compressed IDX files into src/genarium/data/embedded. Lossless.
"""

from __future__ import annotations

import argparse
import lzma
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genarium.data import idx
from genarium.data.sources.digits import IMAGES, LABELS, TEST, TRAIN, VALIDATION
from genarium.data.sources.mnist import MNIST, read_official

OUT = Path(__file__).resolve().parents[1] / "src" / "genarium" / "data" / "embedded"
# more context bits for the literals: greys follow their neighbours
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}]


def write(name: str, array: NDArray[np.uint8]) -> None:
    data = lzma.compress(
        idx.dump(array), format=lzma.FORMAT_XZ, check=lzma.CHECK_SHA256, filters=FILTERS
    )
    (OUT / name).write_bytes(data)
    print(f"{OUT / name}: {array.shape}, {len(data):,} bytes")


def check(name: str, array: NDArray[np.uint8]) -> None:
    if lzma.decompress((OUT / name).read_bytes()) != idx.dump(array):
        raise SystemExit(f"{OUT / name} does not hold the official data")
    print(f"{OUT / name}: {array.shape}, as in the official files")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--from", dest="folder", type=Path, required=True, metavar="DIR")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    arguments = parser.parse_args()
    arrays = read_official(MNIST, arguments.folder)
    n = TRAIN + VALIDATION
    do = check if arguments.check else write
    do(IMAGES, np.concatenate([arrays["train-images"][:n], arrays["t10k-images"][:TEST]]))
    do(LABELS, np.concatenate([arrays["train-labels"][:n], arrays["t10k-labels"][:TEST]]))


if __name__ == "__main__":
    main()
