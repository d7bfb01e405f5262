"""Codes by name: the groups that `interpolate`, `arithmetic`, `traverse` and `invert` take.

3,17 or 0-7         samples by their number in the grid of `genarium sample RUN -n N --seed S`
test:3,17           images of the test split of the run's data
PATH                an image file, a folder of them, or the .npz of `genarium invert`
class:7             the mean of a class, by its name or number
colour:red, x:low   the mean of a factor's value (low, high: its lowest, highest third)
class:star+colour:red   of images with both; class:!star: of images without it
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genarium.cli import given
from genarium.cli.given import add_data
from genarium.cli.parser import positive, seed
from genarium.errors import UserError
from genarium.runs import labelled

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.data import Dataset
    from genarium.runs.trained import Trained

EPILOG = "how to name codes (GROUP):\n" + "\n".join(
    f"  {line}" for line in (__doc__ or "").splitlines()[2:]
)


@dataclass(frozen=True)
class Group:
    """Codes that belong together.

    codes: [n,D]. originals: their images where they were encoded, uint8 [n,C,H,W].
    average: the group stands for its mean (a class), not its members.
    """

    codes: Tensor
    originals: Tensor | None = None
    average: bool = False

    @property
    def mean(self) -> Tensor:
        """[1,D]."""
        return self.codes.mean(0, keepdim=True)

    @property
    def rows(self) -> Tensor:
        """What the group adds to a picture of several rows: each member, or the mean."""
        return self.mean if self.average else self.codes


def add_flags(parser: argparse.ArgumentParser, out: str) -> None:
    """The flags that say which codes; `out`: the picture's name in the run folder."""
    parser.epilog = EPILOG
    parser.add_argument("--seed", type=seed, default=0, help="of the samples that numbers name")
    parser.add_argument(
        "-n",
        type=positive("-n"),
        default=64,
        help="samples in the grid that numbers refer to, as for `sample` (default: 64)",
    )
    parser.add_argument("--class", dest="condition", help="samples of this class (name or number)")
    parser.add_argument("--code", help="samples of this learned code, as for `sample`")
    parser.add_argument(
        "--invert",
        action="store_true",
        help="search the codes of images, for a model that does not encode",
    )
    add_place(parser, out)


def add_place(parser: argparse.ArgumentParser, out: str) -> None:
    """--data, --step, --out and --json."""
    add_data(parser)
    parser.add_argument(
        "--step", type=positive("--step", 0), help="the checkpoint of this training step"
    )
    parser.add_argument("--out", metavar="FILE.png", help=f"the picture (default: RUN/{out})")
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")


def open_run(found: Any) -> Trained:
    """The run that a verb names. UserError if it does not decode, or --out is no PNG file."""
    if found.out and Path(found.out).suffix.lower() != ".png":
        raise UserError(f"--out {found.out}: the picture is a PNG file, end it in .png")
    trained = given.open_run(found)
    trained.can("decode")
    if trained.spec.planar:
        raise UserError(f"{trained.path} makes points of the plane: this verb needs images")
    return trained


def picture(found: Any, trained: Trained, image: Tensor, name: str) -> Path:
    """Write the picture to --out, or as `name` into the run folder."""
    from genarium.drawing.images import save_png

    return save_png(Path(found.out) if found.out else trained.path / name, image)


class Groups:
    """Turns names of codes into codes, for one run; call it with a flag and its value."""

    def __init__(self, trained: Trained, found: Any):
        self.trained, self.seed = trained, found.seed
        self.n = getattr(found, "n", 0)
        self.condition: Tensor | str | None = getattr(found, "condition", None)
        self.search = getattr(found, "invert", False)
        code = getattr(found, "code", None)
        if code is not None and self.condition is not None:
            raise UserError("--class and --code: give one of the two")
        if code is not None:
            self.condition = trained.code(code, self.n)
        trained.labels(self.condition, 1)  # refuses --class before anything is computed

    @property
    def samples(self) -> bool:
        """Whether the model has samples to name by number."""
        return "prior" in self.trained.capabilities

    def first(self, start: int, count: int) -> str:
        """The name of some samples, of some test images where the model has no prior."""
        return f"{'' if self.samples else 'test:'}{start}-{start + count - 1}"

    def __call__(self, flag: str, text: str) -> Group:
        from genarium.runs.selection import NUMBERS

        where = f"{flag} {text}".strip()
        if NUMBERS.fullmatch(text):
            return self._samples(where, text)
        kind, colon, rest = text.partition(":")
        if text.endswith(".npz") and Path(text).exists():
            return Group(self._stored(where, Path(text)))
        if (kind == "test" and colon) or Path(text).exists():
            return self._of_images(where, self.images(where, text))
        if not colon or not kind or not rest:
            raise UserError(
                f"{where}: no such file, and not sample numbers (3,17), test:NUMBERS or class:NAME"
            )
        if "encode" in self.trained.capabilities:
            images = labelled.images(self.trained, self.dataset, where, text)
            return Group(self.trained.encode(images), images, average=True)
        codes = labelled.samples(self.trained, self.seed, where, text)
        return Group(codes, average=True)

    def images(self, where: str, text: str) -> Tensor:
        """Images by name, uint8 [n,C,H,W]: test:NUMBERS, a file or a folder."""
        from genarium.runs.selection import given

        return given(self.trained, where, text).images

    # -- by number and by file ----------------------------------------------------------------

    def _samples(self, where: str, text: str) -> Group:
        if not self.samples:
            raise UserError(
                f"{where}: {self.trained.path} has no samples, it is a "
                f"{self.trained.recipe.name}: name test images, as test:{text}"
            )
        from genarium.runs.selection import numbers

        rows = numbers(where, text, self.n, "samples", "more with -n, as in `genarium sample`")
        return Group(self.trained.codes(self.n, self.seed, self.condition)[rows])

    def _of_images(self, where: str, images: Tensor) -> Group:
        if "encode" in self.trained.capabilities and not self.search:
            return Group(self.trained.encode(images), images)
        if not self.search:
            raise UserError(
                f"{where}: {self.trained.path} is a {self.trained.recipe.name}, which does not "
                "encode: add --invert to search the codes of images"
            )
        return Group(self.trained.invert(images, seed=self.seed).codes, images)

    def _stored(self, where: str, path: Path) -> Tensor:
        import zipfile

        import numpy as np
        import torch

        try:
            with np.load(path, allow_pickle=False) as stored:
                codes = torch.from_numpy(stored["codes"]).float()
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            raise UserError(f"{where}: not codes that `genarium invert` wrote") from None
        size = self.trained.code_size
        if codes.ndim != 2 or not len(codes) or codes.shape[1] != size:
            raise UserError(f"{where}: codes {list(codes.shape)}, the model's have {size} columns")
        return codes

    def scale(self, size: int) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each dimension [size]: of the prior, or of test codes."""
        import torch

        if self.samples:
            return torch.zeros(size), torch.ones(size)
        codes = self.trained.encode(self.dataset.test.images[:1000])
        return codes.mean(0), codes.std(0, correction=0)

    @property
    def dataset(self) -> Dataset:
        """The data of the run."""
        return self.trained.dataset()
