"""Image files read one batch at a time: folders and .npz arrays of any size, for scoring.

Nothing is cached and nothing has to have one size. A file that cannot be read is left out with a
warning; `genarium.data.load` is for training, where sets are checked, split and cached.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.lib import format as npy
from PIL import Image
from torch import Tensor

from genarium.data import depths
from genarium.data.collection import bits
from genarium.data.decode import (
    LARGEST_IMAGE,
    Bad,
    Facts,
    flatten,
    open_image,
    read_bytes,
    strict,
)
from genarium.data.names import shown
from genarium.data.options import DataOptions
from genarium.data.resize import fit_array, fit_image, to_chw
from genarium.data.scan import ScannedFile, scan
from genarium.errors import UserError, unreadable

NAMED = 3  # broken files that a warning names
LARGEST = 3 * LARGEST_IMAGE  # values of an image in an array


def render(image: Image.Image, options: DataOptions) -> Tensor:
    """A decoded picture (mode L, RGB or RGBA) as `options` say, uint8 [C,H,W].

    Grey pictures come as one channel, all others as three, each in its own size, where `options`
    do not say. It is what `genarium.data.load` makes of the file with the same options.
    """
    channels = options.channels or (1 if image.mode == "L" else 3)
    image = flatten(image, options.colour, channels)
    if options.height_width:
        image = fit_image(image, *options.height_width, options.fit, options.colour)
    pixels = np.broadcast_to(to_chw(image), (channels, image.height, image.width))
    return torch.from_numpy(
        bits(pixels[None])[0] if options.binarize == "static" else pixels.copy()
    )


class Folder:
    """The images of a folder and of those below it, in the order of their names.

    Grey pictures come as one channel, all others as three, each in its own size; `options` may say
    otherwise (size, fit, channels, background). Batches hold neighbours of one shape.
    """

    def __init__(self, path: Path, options: DataOptions, files: list[ScannedFile] | None = None):
        self.path, self.options = path, options
        self.made: list[str] = []
        if files is None:
            scanned = scan(path)
            files, self.made = scanned.files, scanned.made
        self.files = files
        self.warnings: list[str] = []
        if not self.files:
            made = f" but what genarium made ({', '.join(self.made[:NAMED])})" if self.made else ""
            raise UserError(f"{shown(str(path))}: the folder holds no images{made}")

    def __len__(self) -> int:
        return len(self.files)

    def take(self, rows: Tensor) -> Folder:
        part = Folder(self.path, self.options, [self.files[row] for row in rows.tolist()])
        part.made = self.made
        return part

    def batches(self, batch: int) -> Iterator[Tensor]:
        """Raises UserError if no file can be read."""
        waiting: list[torch.Tensor] = []
        broken: list[str] = []
        facts: list[tuple[str, Facts]] = []
        for file in self.files:
            try:
                with strict():
                    image, fact = self._read(file)
                facts.append((file.name, fact))
            except Bad as reason:
                broken.append(f"{shown(file.name)}: {reason}")
                continue
            if waiting and (len(waiting) == batch or image.shape != waiting[0].shape):
                yield torch.stack(waiting)
                waiting = []
            waiting.append(image)
        self.warnings = []
        if broken:
            few = "; ".join(broken[:NAMED])
            words = f"{len(broken)} of {len(self.files)} files are not readable ({few})"
            if len(broken) == len(self.files):
                raise UserError(f"{shown(str(self.path))}: all {words}: name another folder")
            self.warnings = [f"{shown(str(self.path))}: left out {words}"]
        if self.made:
            few = ", ".join(map(shown, self.made[:NAMED]))
            self.warnings.append(f"{shown(str(self.path))}: left out what genarium made: {few}")
        self.warnings += [f"{shown(str(self.path))}: {words}" for words in depths.said(facts)]
        if waiting:
            yield torch.stack(waiting)

    def _read(self, file: ScannedFile) -> tuple[Tensor, Facts]:
        opened = open_image(read_bytes(file.path))
        fact = Facts(brightest=opened.brightest, note=opened.note)
        return render(opened.image, self.options), fact


class Array:
    """The images of an array in an .npz file: uint8 [N,H,W,C], [N,C,H,W] or [N,H,W].

    The array is `images`, or the only one that fits. It is read from the file as it is needed, also
    where the file is compressed.
    """

    def __init__(self, path: Path, options: DataOptions, rows: Tensor | None = None):
        self.path, self.options, self.rows = path, options, rows
        self.warnings: list[str] = []
        self.member, self.shape = self._find()

    def __len__(self) -> int:
        return self.shape[0] if self.rows is None else len(self.rows)

    def take(self, rows: Tensor) -> Array:
        return Array(self.path, self.options, rows if self.rows is None else self.rows[rows])

    def batches(self, batch: int) -> Iterator[Tensor]:
        wanted = torch.ones(self.shape[0], dtype=torch.bool)
        if self.rows is not None:
            wanted.zero_()
            wanted[self.rows] = True
        size = int(np.prod(self.shape[1:]))
        waiting: list[np.ndarray] = []
        with self._opened() as archive, self._member(archive) as stream:
            _header(stream)
            for row in range(self.shape[0]):
                try:
                    content = stream.read(size)
                except unreadable():
                    content = b""
                if len(content) != size:
                    raise UserError(
                        f"{self._name}: the file is damaged or ends within image {row}: write it "
                        "again"
                    )
                if wanted[row]:
                    waiting.append(np.frombuffer(content, np.uint8).reshape(self.shape[1:]))
                if len(waiting) == batch:
                    yield self._tensor(waiting)
                    waiting = []
        if waiting:
            yield self._tensor(waiting)

    def _tensor(self, rows: list[np.ndarray]) -> Tensor:
        images = np.stack(rows)
        if images.ndim == 3:
            images = images[:, None]
        elif images.shape[1] not in (1, 3):  # channels last, as `genarium sample` writes
            images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        channels, (height, width) = images.shape[1], images.shape[2:]
        height, width = self.options.height_width or (height, width)
        fitted = fit_array(
            images,
            height,
            width,
            self.options.channels or channels,
            self.options.fit,
            self.options.colour,
        )
        static = self.options.binarize == "static"
        return torch.from_numpy(bits(fitted) if static else fitted.copy())

    @property
    def _name(self) -> str:
        return shown(str(self.path))

    def _opened(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except unreadable():
            raise UserError(f"{self._name}: not a readable .npz file") from None

    def _member(self, archive: zipfile.ZipFile) -> IO[bytes]:
        try:
            return archive.open(self.member)
        except unreadable():  # it changed since its shape was read
            raise UserError(f"{self._name}: not a readable .npz file") from None

    def _find(self) -> tuple[str, tuple[int, ...]]:
        seen, fitting = [], {}
        with self._opened() as archive:
            for member in archive.infolist():
                try:
                    with archive.open(member) as stream:
                        shape, fortran, kind = _header(stream)
                        start = stream.tell()
                except unreadable():
                    continue
                name = member.filename.removesuffix(".npy")
                if kind.hasobject:  # a pickle, which is never opened
                    seen.append(f"{shown(name)} of Python objects")
                    continue
                count = math.prod(shape)
                if min(shape, default=1) < 0 or member.file_size != start + count * kind.itemsize:
                    raise UserError(
                        f"{self._name}: {shown(name)} does not hold the {list(shape)} values "
                        "that it claims: write it again"
                    )
                seen.append(f"{shown(name)} {kind} {list(shape)}")
                square = len(shape) == 3 or (len(shape) == 4 and {shape[1], shape[3]} & {1, 3})
                if kind == np.uint8 and square and not fortran and count:
                    if math.prod(shape[1:]) > LARGEST:
                        raise UserError(
                            f"{self._name}: images of {list(shape[1:])} values are too large: at "
                            f"most {LARGEST}"
                        )
                    fitting[name] = (member.filename, shape)
        name = "images" if "images" in fitting else next(iter(fitting), "")
        if not name or (name != "images" and len(fitting) > 1):
            raise UserError(
                f"{self._name}: holds {'; '.join(seen) or 'no arrays'}: give one array `images`, "
                "uint8 [N,H,W,C]"
            )
        return fitting[name]


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(shape, Fortran order, type) of an array; the stream then stands at its first byte."""
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, kind = read(stream)
    return shape, fortran, kind


def stream(path: Path, options: DataOptions | None = None) -> Folder | Array:
    """The images of a folder or of an .npz file, read as they are needed.

    Raises UserError for a path that is neither, or holds no images.
    """
    options = options or DataOptions()
    if path.is_dir():
        return Folder(path, options)
    if path.suffix.lower() == ".npz" and path.is_file():
        return Array(path, options)
    raise UserError(f"{shown(str(path))}: not a folder of images, nor an .npz file")
