"""What is scored, however it was given: a run, a folder, a file, a data set, a tensor, a function.

images("runs/dcgan-digits-1", "", n=500, seed=0)      its samples
images("samples.npz", "")                              all of them
images("digits", "--against")                          the test split
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor

from genarium.contract import EIGHT_BIT, Values
from genarium.data import DataOptions
from genarium.data import load as load_data
from genarium.data.names import shown
from genarium.data.options import EIGHT_BIT as READ_AS_8
from genarium.data.stream import stream
from genarium.errors import UserError
from genarium.evaluation.draws import Draws, conditions_for
from genarium.evaluation.images import Drawn, Images, Seen, Stored
from genarium.hub import address
from genarium.runs import inputs
from genarium.runs.trained import Trained

DRAWN = 1000  # samples where nobody says how many

Source = Trained | inputs.Pictures | Callable[[int], Tensor] | str | os.PathLike[str]


class Named(NamedTuple):
    """Images and what to call them. data: the name of the data set that they are of."""

    name: str
    images: Images
    data: str = ""


def is_run(source: object) -> TypeGuard[Trained | str | os.PathLike[str]]:
    """Whether it is a run, or a path or a name of the Hub that leads to one."""
    if isinstance(source, str | os.PathLike):
        return address.of(source) is not None or exists(Path(source) / "run.json")
    return isinstance(source, Trained)


def exists(source: object) -> bool:
    """Whether it is a path to something."""
    if not isinstance(source, str | os.PathLike):
        return False
    try:
        return Path(source).exists()
    except (OSError, ValueError):  # a name that is too long, a NUL
        return False


def images(
    source: Source,
    flag: str,
    n: int | None = None,
    seed: int = 0,
    options: DataOptions | None = None,
    split: str = "test",
    values: Values | None = None,
) -> Named:
    """The images of any source but a path to a run.

    flag: for errors; "" for what is scored. n: samples of a run or a function (default: 1,000).
    options: how images of files are read (default: their own size and channels, as 8 bits). split:
    of a data set. values: what stored values mean, those of a run that they are held against; all
    images become pictures of 8 bits over that range. Raises UserError for what does not exist.
    """
    known = values or EIGHT_BIT
    if isinstance(source, Trained):
        return Named(source.label, samples(source, n or DRAWN, seed))
    if callable(source):
        draw = source  # for mypy: `source` is known to be a function here only

        def checked(count: int) -> Tensor:
            what = "evaluate: what the function gives"
            return known.pictures(inputs.images(draw(count), what, values=known))

        return Named("drawn", Drawn(checked, n or DRAWN))
    if not isinstance(source, str | os.PathLike):
        what = f"evaluate: {flag.strip('-') or 'images'}"
        return Named("given", Stored(inputs.images(source, what, values=known), values=known))
    if exists(source):
        path = Path(source)
        name = shown(path.resolve().name)
        asked = options or DataOptions()
        if known.eight_bit:
            return Named(name, stream(path, replace(asked, range=READ_AS_8)))
        asked = replace(asked, range=known.as_option())
        return Named(name, Seen(stream(path, asked), known, name))
    where = f"{flag} {shown(str(source))}".strip()
    if not flag:
        raise UserError(f"{where}: does not exist: name a run, a folder of images or an .npz file")
    try:
        data = load_data(str(source), options or DataOptions(), progress=False)
    except UserError:
        raise UserError(
            f"{where}: does not exist: name a folder of images, an .npz file or a data set"
        ) from None
    part = data.split(split)
    same = values is not None and values.dtype == data.spec.values.dtype
    own = values if values is not None and same else data.spec.values
    held = Stored(part.images, values=own)
    return Named(f"{data.name} {split}", held, str(source).partition(":")[0])


def samples(trained: Trained, n: int, seed: int) -> Images:
    """The samples of a run that are scored on its own data too."""
    trained.can("sample")
    draws = Draws(trained.model, seed, conditions_for(trained.model), settings=trained.settings)

    def draw(count: int) -> Tensor:
        with torch.inference_mode():
            return draws.draw(count)

    return Drawn(draw, n)
