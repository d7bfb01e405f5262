"""Results that are images which a model made: their values, their pictures, their files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from genarium.api._results import Picture
from genarium.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.contract import Values

Form = Literal["pictures", "values"]

IMAGES = (
    "FILE.npy, .npz, .tif: the images as values of the data's type, in their units and channels; a "
    "folder: a PNG file each"
)
"""What --out may be, beside the picture that a verb makes of all."""
MOVING = "FILE.gif, .webp: an animation, a step a frame, there and back"
"""What --out of codes that move may be, too."""


@dataclass(repr=False)
class Made(Picture):
    """Images that a model made, in three ways.

    images: floats on [-1, 1], [...,C,H,W]. values: the same as the data are stored, in their type,
    units and channels. pictures: for the eye, uint8, of 1 channel or 3 (`--show`).

    What a file holds follows from its ending: .png and a folder pictures, .npy, .npz and .tif
    values. `form` decides otherwise: `save("out/", form="values")`.
    """

    SUFFIXES: ClassVar[tuple[str, ...]] = (".png", ".npy", ".npz", ".tif", ".tiff", "")
    FORMS: ClassVar[tuple[str, ...]] = ("pictures", "values")

    images: Tensor
    form: Form = field(init=False, default="pictures", compare=False)

    @property
    def domain(self) -> str:
        """The domain of the images, "a" or, of a translation, "b"."""
        return "a"

    @property
    def about(self) -> Values:
        """What `values` mean: type, range, unit."""
        return self.spec.values_of(self.domain)

    @property
    def values(self) -> Tensor:
        """The images as the data are stored, [...,C,H,W]; what is not finite is mid-range."""
        return self.about.stored(self.images.nan_to_num(nan=0.0, posinf=1.0, neginf=-1.0))

    @property
    def pictures(self) -> Tensor:
        """The images for the eye, uint8 [...,1 or 3,H,W]."""
        return self.seen(self.images)

    def seen(self, images: Tensor, domain: str = "", *, stored: bool = False) -> Tensor:
        """Images beside the made ones for the eye; see `genarium.drawing.images.for_the_eye`."""
        from genarium.drawing.images import for_the_eye

        return for_the_eye(images, self.spec, domain or self.domain, stored=stored)

    @classmethod
    def check(
        cls,
        out: str | os.PathLike[str],
        overwrite: bool = False,
        form: Form | None = None,
    ) -> Path:
        from genarium.drawing.values import expect_writer

        path = super().check(out, overwrite)
        if form is not None and form not in cls.FORMS:
            raise UserError(f"--form {form}: choose {' or '.join(cls.FORMS)}")
        expect_writer(path)
        return path

    def save(
        self,
        out: str | os.PathLike[str] | None = None,
        *,
        overwrite: bool = False,
        form: Form | None = None,
    ) -> Path:
        """Write it to `out`, or to its place in the run folder; gives the path.

        form: "values" or "pictures", where the ending of `out` says another. Else as
        `Result.save`.
        """
        from genarium.drawing.values import ONE_FILE

        path = self.check(self.home / self.NAME if out is None else out, overwrite, form)
        self.form = form or ("values" if path.suffix.lower() in ONE_FILE else "pictures")
        self.saved = self.write(path, overwrite)
        return path

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        from genarium.contract import EIGHT_BIT
        from genarium.drawing import folder, values
        from genarium.drawing.files import write

        seen = self.form == "pictures"
        if seen and path.suffix.lower() == ".png":
            return super().write(path, overwrite)
        rows = self.pictures if seen else self.values
        rows, about = rows.flatten(0, -4), EIGHT_BIT if seen else self.about
        if path.suffix:
            return [write(path, values.encoded(rows, path, about))]
        ending = values.ending(rows)
        each = (
            (name, values.encoded(rows[row : row + 1], Path(name), about, alone=True))
            for row, name in enumerate(stem + ending for stem in self.stems(path))
        )
        folder.save(path, [*each, *self.beside()], overwrite)
        return [path]

    def stems(self, out: Path) -> list[str]:
        """What the files of the folder `out` are called, in the order of the images."""
        return [f"{number:06d}" for number in range(len(self.images.flatten(0, -4)))]

    def beside(self) -> list[tuple[str, Tensor]]:
        """Further pictures of a folder, by name."""
        return []

    def legend(self) -> str:
        """What was saved stands for, in words; "" for grey or RGB of 8 bits."""
        from genarium.drawing.images import legend

        if self.form == "pictures":
            return legend(self.spec, self.domain)
        return "" if self.about.eight_bit else f"values: {self.about.dtype}, {self.about.span}"

    def caption(self) -> str:
        return "; ".join(part for part in (self.text(), self.legend()) if part)

    def report(self) -> str:
        legend = self.legend() if self.saved else ""
        return f"{super().report()}\n{legend}" if legend else super().report()


@dataclass(repr=False)
class Walk(Made):
    """Images of moved codes, [rows,steps,C,H,W], which can be seen as an animation too: the rows
    side by side, a step a frame, there and back."""

    SUFFIXES: ClassVar[tuple[str, ...]] = (*Made.SUFFIXES[:1], ".gif", ".webp", *Made.SUFFIXES[1:])

    @property
    def frames(self) -> Tensor:
        """The pictures of each step, uint8 [steps,C,H',W']."""
        import torch

        from genarium.drawing.images import grid

        rows = self.pictures
        if len(rows) == 1:
            return rows[0]
        columns = min(3, len(rows))
        return torch.stack([grid(some, columns=columns) for some in rows.unbind(1)])

    def write(self, path: Path, overwrite: bool) -> list[Path]:
        from genarium.drawing.animation import animation
        from genarium.drawing.files import write

        kind = path.suffix.lower()
        if kind in (".gif", ".webp"):
            return [write(path, animation(self.frames, "gif" if kind == ".gif" else "webp"))]
        return super().write(path, overwrite)
