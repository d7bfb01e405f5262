"""Images by name, read as a run's own data were: the one place where names become pixels.

test, test:3,17, test:0-7   the test split of the run's data
PATH                        an image, a folder or an archive of them, a file of arrays; what is
                            said behind a colon is as in `--data`
NAME                        a data set: its test split

test:3,17 and a file are a choice; of a set of many (test, a folder, an archive, an array, a data
set) the verbs that show some draw them by a seed, the classes in turn (`drawn`, `some`).

Everything that is not the run's own data is read with the run's size, channels, fit, background
and binarization (`Trained.data_options`), so one picture has the same pixels by every name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from genarium.data import DataOptions, Dataset, list_sources
from genarium.data import load as load_data
from genarium.data.addresses import address
from genarium.data.choice import fair_rows
from genarium.errors import UserError
from genarium.runs import inputs
from genarium.runs.listing import Given, Listed, is_archive, of_path, of_split, picked

if TYPE_CHECKING:
    from genarium.runs.trained import Trained

NUMBERS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


def given(
    trained: Trained, where: str, text: str, from_dir: str | None = None, domain: str = "a"
) -> Given:
    """The images that `text` names.

    where: the flag and its value, for errors. from_dir: a folder of a named data set's official
    files. domain: "b" for images of the second domain of the run's data. Raises UserError for what
    does not exist or cannot be read.
    """
    return listed(trained, where, text, from_dir, domain).all()


def listed(
    trained: Trained, where: str, text: str, from_dir: str | None = None, domain: str = "a"
) -> Listed:
    """`given`, before anything is read. Images of another type than the data are refused."""
    every = _listed(trained, where, text, from_dir, domain)
    values = trained.spec.values_of(domain)

    def each(rows: list[int]) -> Any:
        images = every.each(rows)
        for some in [images] if isinstance(images, torch.Tensor) else images[:1]:
            values.check(some, where)
        return images

    return replace(every, each=each)


def _listed(trained: Trained, where: str, text: str, from_dir: str | None, domain: str) -> Listed:
    kind, colon, rest = text.partition(":")
    if is_test(text):
        split = trained.dataset().test
        count = len(split.domain(domain))
        if not count:
            raise UserError(f"{where}: the run's test split holds no images: name a folder of some")
        if not colon:
            return of_split(split, "test", domain, trained.spec.classes)
        rows = numbers(where, rest, count, "test images")
        images = split.domain(domain)
        names = [f"test:{row}" for row in rows]
        return Listed(names, lambda some: images[[rows[i] for i in some]], chosen=True)
    place = address(text)
    name = kind.strip() if place is None or place.rest else text
    if place is not None and not is_source(name):  # the name of a data set wins, as in training
        return of_path(where, place.path, options(trained, domain=domain), place.rest)
    if is_source(kind.strip()):
        result = dataset_for(trained, text, from_dir=from_dir)
        return of_split(result.test, kind.strip(), domain, result.spec.classes)
    raise UserError(f"{where} does not exist: name an image, a folder, test:NUMBERS or a data set")


def all_given(trained: Trained, texts: Sequence[str], default: str, domain: str = "a") -> Given:
    """The images of several names, one after another; of `default` where there are none."""
    parts = [given(trained, text, text, domain=domain) for text in texts or [default]]
    return Given([n for part in parts for n in part.names], torch.cat([p.images for p in parts]))


def drawn(trained: Trained, value: Any, where: str, n: int, seed: int, domain: str = "a") -> Given:
    """`named`, but of sets of many no more than `n`: drawn by `seed`, the classes in turn.

    What was named one by one (test:3,17, a file, a list of pictures) is all there, in front.
    """
    return Given(*picked(lists_of(trained, value, where, domain), n, seed)[:2])


def lists_of(trained: Trained, value: Any, where: str, domain: str = "a") -> list[Listed]:
    """Whatever a caller means by images, before anything is chosen or read; see `pictures`."""
    texts = [os.fspath(value)] if isinstance(value, str | os.PathLike) else names_of(value)
    if texts:
        return [listed(trained, f"{where}: {text}", text, domain=domain) for text in texts]
    if isinstance(value, Dataset):
        return [of_split(value.test, "test", domain, value.spec.classes)]
    result = named(trained, value, where, domain)
    one_by_one = isinstance(value, list | tuple)
    return [Listed(result.names, lambda rows: result.images[rows], chosen=one_by_one)]


def some(trained: Trained, n: int, seed: int, domain: str = "a", start: int = 0) -> str:
    """`n` test images of the run's own data by name, "test:5,17,3": what stands for pictures where
    nobody names any.

    They are drawn by `seed`, the classes in turn; start: how many of them are passed over. Of fewer
    there are fewer, but one at least. Raises UserError where the test split holds none.
    """
    split = trained.dataset().test
    rows = fair_rows(split, seed=seed, domain=domain)
    if not len(rows):
        raise UserError(f"{trained.path}: the test split holds no images: name some")
    start = start if start < len(rows) else 0
    return "test:" + ",".join(str(row) for row in rows[start : start + n].tolist())


def pictures(trained: Trained, value: Any, where: str, domain: str = "a") -> Tensor:
    """Whatever a caller means by images, [N,C,H,W] as the run's model takes them.

    value: a name or a path (see above), several of them, pictures of Pillow (fitted as files are),
    or what `genarium.runs.inputs.images` takes, which must have the model's shape.
    """
    return named(trained, value, where, domain).images


def named(trained: Trained, value: Any, where: str, domain: str = "a") -> Given:
    """`pictures` with their names; those of images that have none are their numbers."""
    if isinstance(value, str | os.PathLike):
        text = os.fspath(value)
        return given(trained, f"{where}: {text}", text, domain=domain)
    texts = names_of(value)
    if texts:
        return all_given(trained, texts, "", domain)
    if isinstance(value, Image.Image):
        value = [value]
    pillow = isinstance(value, list | tuple) and all(isinstance(x, Image.Image) for x in value)
    if pillow and len(value):
        value = inputs.pillow(value, where, options(trained, domain=domain))
    spec = trained.spec
    images = inputs.images(value, where, spec.domain(domain), spec.values_of(domain))
    return Given([str(row) for row in range(len(images))], images)


def names_of(value: Any) -> list[str]:
    """The names and paths among what a caller gives as images, as texts; [] for pixels."""
    items = value if isinstance(value, list | tuple) else [value]
    results = [os.fspath(item) for item in items if isinstance(item, str | os.PathLike)]
    return results if len(results) == len(items) else []


def dataset_for(
    trained: Trained,
    source: Dataset | str | os.PathLike[str] | None,
    *,
    from_dir: str | None = None,
    progress: bool = False,
) -> Dataset:
    """The run's own data, or those of `source` (a folder, a data set) read as the run's were.

    A `Dataset` is taken as it is. Raises UserError for data that cannot be read.
    """
    if source is None:
        return trained.dataset()
    if not isinstance(source, str | os.PathLike):
        return inputs.dataset(source, "source")
    text = os.fspath(source)
    known = trained.about["data"]["manifest"]
    return load_data(text, options(trained, text, from_dir), progress=progress, expected=known)


def options(
    trained: Trained, source: str = "", from_dir: str | None = None, domain: str = "a"
) -> DataOptions:
    """How to read `source` as the run's data were; from_dir: as in `given`."""
    own = trained.config["data"]
    if from_dir is None and source and source.partition(":")[0] == own["source"].partition(":")[0]:
        from_dir = own.get("from_dir")
    settings = trained.data_options(allow_overlap=True, from_dir=from_dir)
    channels, height, width = trained.spec.domain(domain)
    if trained.spec.second is not None and source and is_source(source.partition(":")[0].strip()):
        channels = own.get("channels")  # two domains may differ in that
    return replace(settings, size=f"{height}x{width}", channels=channels)


def is_test(text: str) -> bool:
    """Whether a name means test images of the run's own data."""
    kind, colon, _ = text.partition(":")
    return text == "test" or (kind == "test" and bool(colon))


def is_loose(text: str) -> bool:
    """Whether a name means some images without splits: test:NUMBERS, one image, an .npz array."""
    place = address(text)
    return is_test(text) or (
        place is not None and place.path.is_file() and not is_archive(str(place.path))
    )


def is_source(name: str) -> bool:
    """Whether a name is that of a built-in data set, or of one of GENARIUM_PATH."""
    return name in {known.name for known in list_sources()}


def numbers(where: str, text: str, count: int, what: str, remedy: str = "") -> list[int]:
    """ "3,5-7" -> [3, 5, 6, 7], each below `count`."""
    if not NUMBERS.fullmatch(text):
        raise UserError(f"{where}: give numbers, as 3,17 or 0-7")
    rows: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        # Python refuses to read thousands of digits; eighteen are too many images as well
        low, high = (int(end) if len(end) < 19 else 10**18 for end in (first, last or first))
        if high < low:
            raise UserError(f"{where}: {part} runs backwards, write {last}-{first}")
        if high >= count:
            hint = f"; {remedy}" if remedy else ""
            there = f"are {what} 0 to {count - 1}" if count else f"are no {what}"
            raise UserError(f"{where}: there {there}{hint}")
        rows += range(low, high + 1)
    return rows
