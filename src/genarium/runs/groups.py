"""Codes by name: the groups that `interpolate`, `arithmetic`, `traverse` and `manifold` take.

3,17 or 0-7         samples by their number in the grid of `genarium sample RUN -n N --seed S`
test:3,17           images of the test split of the run's data
PATH                an image file, a folder of them, or the .npz of `genarium invert`
class:7             the mean of a class, by its name or number
colour:red, x:low   the mean of a factor's value (low, high: its lowest, highest third)
class:star+colour:red   of images with both; class:!star: of images without it
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genarium.contract import Decodes
from genarium.data.choice import fair
from genarium.errors import UserError
from genarium.runs import inputs, labelled, sampling
from genarium.runs.parts import as_set
from genarium.runs.selection import NUMBERS, given, numbers, pictures, some

if TYPE_CHECKING:
    from genarium.data import Dataset
    from genarium.runs.conditions import Condition
    from genarium.runs.trained import Trained


@dataclass(frozen=True)
class Group:
    """Codes that belong together.

    codes: [n,D]. originals: their images where they were encoded, [n,C,H,W] as stored.
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


class Groups:
    """Turns names of codes into codes, for one run; call it with a flag and its value."""

    def __init__(
        self,
        trained: Trained,
        *,
        n: int = 64,
        seed: int = 0,
        condition: Condition = None,
        code: str | None = None,
        invert: bool = False,
    ):
        """n, seed, condition, code: of the samples that numbers name, as for `sample`.

        invert: search the codes of images, for a model that does not encode.
        """
        self.trained, self.n, self.seed, self.search = trained, n, seed, invert
        if code is not None and condition is not None:
            raise UserError("--class and --code: give one of the two")
        self.condition = condition if code is None else trained.code(code, n)
        self._drawn = False
        trained.labels(self.condition, 1)  # refuses --class before anything is computed

    @property
    def samples(self) -> bool:
        """Whether the model has samples to name by number."""
        return "prior" in self.trained.capabilities

    def first(self, start: int, count: int) -> str:
        """The name of some samples; where the model has no prior of test images that the seed draws
        (`selection.some`)."""
        if self.samples:
            return f"{start}-{start + count - 1}"
        return some(self.trained, count, self.seed, start=start)

    def __call__(self, flag: str, name: Any) -> Group:
        """The codes that a name means; codes [n,D] and groups stand for themselves, and pictures
        (of Pillow, stored [n,C,H,W], several paths) for their codes."""
        if isinstance(name, Group):
            return name
        if isinstance(name, os.PathLike):
            name = os.fspath(name)
        if _is_pictures(name):
            return self._of_images(flag, pictures(self.trained, name, flag))
        if not isinstance(name, str):
            return Group(inputs.floats(name, flag, self.trained.code_size))
        text, where = name, f"{flag} {name}".strip()
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
            images = labelled.images(self.trained, self.dataset, where, text, self.seed)
            return Group(self.trained.encode(images), images, average=True)
        self._drawn = True
        codes = labelled.samples(self.trained, self.seed, where, text)
        return Group(codes, average=True)

    def expect_samples(self, sampler: Mapping[str, Any]) -> None:
        """Raise UserError for settings of a sampler that do nothing where no name was that of
        samples: all of them, but of a model that decodes by them."""
        if self._drawn:
            return
        if as_set(cast(Decodes, self.trained.model).decode, self.trained.settings):
            sampling.expect_used(self.trained, sampler, "decode")
        else:
            sampling.expect_none(sampler, "no name is that of samples")

    def images(self, where: str, text: str) -> Tensor:
        """Images by name, stored [n,C,H,W]: test:NUMBERS, a file or a folder."""
        return given(self.trained, where, text).images

    # -- by number and by file ----------------------------------------------------------------

    def _samples(self, where: str, text: str) -> Group:
        if not self.samples:
            raise UserError(
                f"{where}: {self.trained.path} has no samples, it is a "
                f"{self.trained.recipe.name}: name test images, as test:{text}"
            )
        rows = numbers(where, text, self.n, "samples", "more with -n, as in `genarium sample`")
        self._drawn = True
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
        if self.samples:
            return torch.zeros(size), torch.ones(size)
        known = self.trained.code_scales
        if self.seed not in known:
            images = self.dataset.test.images
            codes = self.trained.encode(images[fair(len(images), 1000, self.seed)])
            known[self.seed] = codes.mean(0), codes.std(0, correction=0)
        return known[self.seed]

    @property
    def dataset(self) -> Dataset:
        """The data of the run."""
        return self.trained.dataset()


def _is_pictures(value: Any) -> bool:
    """Whether a value is pictures, not codes [n,D] nor a name."""
    if isinstance(value, Tensor | np.ndarray):
        return value.ndim == 4
    if isinstance(value, list | tuple) and len(value):
        return all(isinstance(x, Image.Image | str | os.PathLike) for x in value)
    return isinstance(value, Image.Image)
