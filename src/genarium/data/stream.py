"""Image files read one batch at a time: folders and arrays of any size, for scoring.

Nothing is cached and nothing has to have one size. A file that cannot be read is left out with a
warning; `genarium.data.load` is for training, where sets are checked, split and cached.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genarium.data import depths
from genarium.data.collection import bits, eight_bits
from genarium.data.decode import Bad, Facts, flatten, read_bytes, strict
from genarium.data.files.opening import format_of, opened, sound
from genarium.data.files.reader import Ambiguous, Asked, Reader, settled
from genarium.data.files.render import widened
from genarium.data.files.wide import Content, Reading, content, finite
from genarium.data.names import shown
from genarium.data.options import DataOptions
from genarium.data.resize import check_channels, fit_array, fit_image, to_chw
from genarium.data.scan import ScannedFile, scan
from genarium.errors import UserError

TOGETHER = 16  # files read before the first of them is given: entering `strict` is dear
NAMED = 3  # broken files that a warning names


def render(image: Image.Image, options: DataOptions) -> Tensor:
    """A decoded picture of 8 bits (mode L, RGB or RGBA) as `options` say, uint8 [C,H,W].

    Grey pictures come as one channel, all others as three, each in its own size, where `options`
    do not say. It is what `genarium.data.load` makes of the file with the same options.
    """
    own = 1 if image.mode == "L" else 3
    channels = options.channels or own
    check_channels(own, channels)
    image = flatten(image, options.colour, channels)
    if options.height_width:
        image = fit_image(image, *options.height_width, options.fit, options.colour)
    pixels = np.broadcast_to(to_chw(image), (channels, image.height, image.width))
    return torch.from_numpy(
        bits(pixels[None])[0] if options.binarize == "static" else pixels.copy()
    )


def images_of(made: Content, options: DataOptions) -> Tensor:
    """The images of a file as `options` say, [k,C,H,W] as they are stored; see `render`."""
    if isinstance(made.image, Image.Image) and not options.sixteen_bit:
        return render(made.image, options)[None]
    dtype = "uint16" if options.sixteen_bit else ""
    images = widened(made, dtype, options.channels or 0, options)
    return torch.from_numpy(_fitted(images, options))


def image_of(path: Path, options: DataOptions) -> tuple[Tensor, Facts]:
    """The (first) image of a file as `options` say, [C,H,W] as it is stored, and what a user should
    know of it. Raises `Bad`."""
    made = content(read_bytes(path), path.name, Reading(options.eight_bit))
    return images_of(made, options)[0], Facts(note=made.note)


def _fitted(images: np.ndarray, options: DataOptions) -> np.ndarray:
    """[N,C,H,W] in the type, size, and channels that `options` ask for."""
    if options.eight_bit:
        images = eight_bits(images)
    channels, (height, width) = images.shape[1], images.shape[2:]
    height, width = options.height_width or (height, width)
    fitted = fit_array(
        images, height, width, options.channels or channels, options.fit, options.colour
    )
    if options.binarize == "static" and fitted.dtype == np.uint8:
        return bits(fitted)
    return np.array(fitted, order="C")


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
        for file, result in self._results():
            if isinstance(result, Bad):
                broken.append(f"{shown(file.name)}: {result}")
                continue
            images, fact = result
            facts.append((file.name, fact))
            for image in images:
                alike = not waiting or (
                    image.shape == waiting[0].shape and image.dtype == waiting[0].dtype
                )
                if len(waiting) == batch or not alike:
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

    def _results(self) -> Iterator[tuple[ScannedFile, tuple[Tensor, Facts] | Bad]]:
        """What each file holds, or why it cannot be read."""
        for start in range(0, len(self.files), TOGETHER):
            part = self.files[start : start + TOGETHER]
            with strict():  # not over a yield: it would be the caller's too
                read = [self._tried(file) for file in part]
            yield from zip(part, read, strict=True)

    def _tried(self, file: ScannedFile) -> tuple[Tensor, Facts] | Bad:
        try:
            return self._read(file)
        except Bad as reason:
            return reason

    def _read(self, file: ScannedFile) -> tuple[Tensor, Facts]:
        reading = Reading(self.options.eight_bit)
        made = content(read_bytes(file.path), file.name, reading)
        fact = Facts(brightest=made.brightest, note=made.note)
        return images_of(made, self.options), fact


class Array:
    """The images of a file of arrays (.npy, .npz, HDF5, zarr, a TIFF stack, DICOM, NIfTI).

    Of an .npz it is the array `images`, or the only one that fits; asked: what is said of the file
    behind its path. They are read from the file as they are needed, also where it is compressed.
    Raises UserError for what cannot be read.
    """

    def __init__(
        self,
        path: Path,
        options: DataOptions,
        rows: Tensor | None = None,
        asked: Asked = Asked(),  # noqa: B008 -- it cannot change
    ):
        self.path, self.options, self.rows, self.asked = path, options, rows, asked
        self.warnings: list[str] = []
        with self._opened() as reader:
            self.shape = reader.shape

    def __len__(self) -> int:
        return self.shape[0] if self.rows is None else len(self.rows)

    def take(self, rows: Tensor) -> Array:
        rows = rows if self.rows is None else self.rows[rows]
        return Array(self.path, self.options, rows, self.asked)

    def batches(self, batch: int) -> Iterator[Tensor]:
        with self._opened() as reader, self._said():
            reader, _ = settled(reader)
            for start in range(0, len(self), batch):
                stop = min(start + batch, len(self))
                if self.rows is None:
                    images = reader.fetch(start, stop)
                else:
                    rows = [int(row) for row in self.rows[start:stop]]
                    images = np.concatenate([reader.fetch(row, row + 1) for row in rows])
                finite(images)
                yield torch.from_numpy(_fitted(images, self.options))

    @contextmanager
    def _opened(self) -> Iterator[Reader]:
        with self._said():
            context = opened(self.path, self.asked)
            try:
                reader = context.__enter__()
            except Ambiguous as unclear:
                # four axes of which two may be the channels: an .npz as `genarium sample` writes it
                if self.path.suffix.lower() != ".npz" or not unclear.colours:
                    raise
                context = opened(self.path, self.asked._replace(layout="NCHW"))
                reader = context.__enter__()
        try:
            yield reader
        finally:
            context.__exit__(None, None, None)

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            with sound():
                yield
        except Bad as reason:
            raise UserError(f"{shown(str(self.path))}: {reason}") from None


def stream(path: Path, options: DataOptions | None = None) -> Folder | Array:
    """The images of a folder or of a file of arrays, read as they are needed.

    Raises UserError for a path that is neither, or holds no images.
    """
    options = options or DataOptions()
    if format_of(path) is not None:
        return Array(path, options)
    if path.is_dir():
        return Folder(path, options)
    raise UserError(
        f"{shown(str(path))}: not a folder of images, nor an .npz or another array file"
    )
