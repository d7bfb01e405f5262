"""Images that a verb is given by name: test:NUMBERS, a file, a folder of files, or a data set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from genarium.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.data import DataOptions
    from genarium.trained import Trained

NUMBERS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


class Given(NamedTuple):
    """names: of the images, as a table would show them. images: uint8 [n,C,H,W]."""

    names: list[str]
    images: Tensor


def given(
    trained: Trained, where: str, text: str, from_dir: str | None = None, domain: str = "a"
) -> Given:
    """The images that `text` names, resized (and binarized) as the run's data were.

    where: the flag and its value, for errors. `test` is the whole test split; the name of a data
    source stands for its test split. from_dir: a folder of that source's official files. domain:
    "b" for images of the second domain of the run's data.
    """
    kind, colon, rest = text.partition(":")
    if text == "test" or (kind == "test" and colon):
        images = trained.dataset().test.domain(domain)
        if not len(images):
            raise UserError(f"{where}: the run's test split holds no images: name a folder of some")
        rows = numbers(where, rest, len(images), "test images") if colon else range(len(images))
        return Given([f"test:{row}" for row in rows], images[list(rows)])
    if Path(text).exists():
        return _read(trained, where, Path(text), domain)
    if _is_source(kind.strip()):
        return _test_split(trained, text, from_dir, domain)
    raise UserError(f"{where} does not exist: name an image, a folder, test:NUMBERS or a data set")


def _is_source(name: str) -> bool:
    from genarium.data import list_sources

    return name in {known.name for known in list_sources()}


def _options(trained: Trained, from_dir: str | None = None) -> DataOptions:
    """How the run's own data were read and binarized, for other images."""
    return trained.data_options(binarize=trained.config["data"].get("binarize"), from_dir=from_dir)


def _test_split(trained: Trained, text: str, from_dir: str | None, domain: str) -> Given:
    from genarium.data import load

    images = load(text, _options(trained, from_dir), progress=False).test.domain(domain)
    name = text.partition(":")[0].strip()
    return Given([f"{name}:{row}" for row in range(len(images))], images)


def all_given(trained: Trained, texts: Sequence[str], default: str, domain: str = "a") -> Given:
    """The images of several names, one after another; of `default` where there are none."""
    import torch

    parts = [given(trained, text, text, domain=domain) for text in texts or [default]]
    return Given([n for part in parts for n in part.names], torch.cat([p.images for p in parts]))


def _read(trained: Trained, where: str, path: Path, domain: str) -> Given:
    import numpy as np
    import torch

    from genarium.data.collection import bits
    from genarium.data.decode import Bad, decode, flatten, read_bytes, strict
    from genarium.data.names import shown
    from genarium.data.resize import fit_image, to_chw
    from genarium.data.scan import scan
    from genarium.data.splits import SPLITS

    spec, options = trained.spec, _options(trained)
    channels, height, width = spec.domain(domain)
    files = [found.path for found in scan(path).files] if path.is_dir() else [path]
    if not files:
        raise UserError(f"{where}: the folder holds no images")
    arrays = []
    with strict():
        for file in files:
            try:
                image, _ = decode(read_bytes(file))
            except Bad as bad:
                raise UserError(f"{shown(str(file))}: {bad}: leave the file out") from None
            image = flatten(image, options.colour, channels)
            image = fit_image(image, height, width, options.fit, options.colour)
            arrays.append(np.broadcast_to(to_chw(image), (channels, height, width)))
    images = np.stack(arrays)
    if spec.binarized == "static":  # as the run's own data, by a draw beside those of its splits
        images = bits(images, len(SPLITS))
    return Given([shown(str(file)) for file in files], torch.from_numpy(images))


def numbers(where: str, text: str, count: int, what: str, remedy: str = "") -> list[int]:
    """ "3,5-7" -> [3, 5, 6, 7], each below `count`."""
    if not NUMBERS.fullmatch(text):
        raise UserError(f"{where}: give numbers, as 3,17 or 0-7")
    rows: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        if high < low:
            raise UserError(f"{where}: {part} runs backwards, write {last}-{first}")
        if high >= count:
            hint = f"; {remedy}" if remedy else ""
            there = f"are {what} 0 to {count - 1}" if count else f"are no {what}"
            raise UserError(f"{where}: there {there}{hint}")
        rows += range(low, high + 1)
    return rows
