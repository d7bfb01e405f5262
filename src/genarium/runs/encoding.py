"""What the verbs on codes share: whose images they take, and how many labels they learn from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from genarium.data import Dataset
from genarium.data.splits import SPLITS
from genarium.errors import UserError
from genarium.features.subsets import balanced
from genarium.runs import inputs, selection
from genarium.runs.loading import opened

if TYPE_CHECKING:
    from genarium.runs.trained import Trained


class Labelled(NamedTuple):
    """Data with labels. train, validation, test: (stored images [N,C,H,W], labels [N] int64)."""

    name: str
    classes: tuple[str, ...]
    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def that_encodes(
    run: Any,
    source: Any = None,
    step: int | str | None = None,
    device: str = "auto",
    *,
    data: Any = None,
    accept_changes: bool = False,
) -> Trained:
    """A run whose model encodes; arguments as for `loading.opened`.

    source: images to take instead of the run's own data, which `data` says the place of: UserError
    where both are given.
    """
    if source is not None and (data is not None or accept_changes):
        texts = selection.names_of(source)
        if not texts or not all(map(selection.is_test, texts)):
            place = os.fspath(data) if isinstance(data, str | os.PathLike) else ""
            flag = f"--data {place}".rstrip() if data is not None else "--accept-changes"
            what = " ".join(texts) or "another source"
            raise UserError(
                f"{flag} is of the run's own data, and {what} was given instead of them: leave one "
                "of the two out"
            )
    trained = opened(run, step, device, data=data, accept_changes=accept_changes)
    trained.can("encode")
    return trained


def splits_of(flag: str, asked: str | Iterable[str]) -> tuple[str, ...]:
    """ "all", "test", "train,test" or a sequence of names -> names of splits, each once."""
    names = asked.split(",") if isinstance(asked, str) else list(asked)
    for name in names:
        if name not in (*SPLITS, "all"):
            raise UserError(f"{flag} {name}: choose {', '.join(SPLITS)} or all")
    return SPLITS if "all" in names else tuple(dict.fromkeys(names))


class Pictures(NamedTuple):
    """What codes are made of. name: of all. images: [N,C,H,W] as stored. labels: [N] int64 or None.
    splits: the split of each image, "" where there are none."""

    name: str
    names: list[str]
    images: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    splits: list[str]


def is_loose(source: Any) -> bool:
    """Whether a source is some images without splits: files, test:NUMBERS, pixels."""
    if source is None or isinstance(source, Dataset):
        return False
    text = _alone(source)
    return text is None or selection.is_loose(text)


def pictures(
    trained: Trained, source: Any, splits: Sequence[str] = SPLITS, progress: bool = False
) -> Pictures:
    """The run's own data, a data set, a folder (some splits of them), or some images."""
    text = _alone(source)
    if is_loose(source):
        called = text or " ".join(selection.names_of(source)) or "given images"
        some = selection.named(trained, source, text or "source")
        return Pictures(called, some.names, some.images, None, (), [""] * len(some.names))
    dataset = selection.dataset_for(trained, source if text is None else text, progress=progress)
    names, images, labels = rows(dataset, splits)
    of = [name for name in splits for _ in range(len(dataset.split(name)))]
    return Pictures(dataset.name, names, images, labels, dataset.spec.classes, of)


def _alone(source: Any) -> str | None:
    """A name or path that stands by itself, also as the only one of a list."""
    texts = selection.names_of(source)
    return texts[0] if len(texts) == 1 else None


def rows(dataset: Dataset, splits: Sequence[str]) -> tuple[list[str], Tensor, Tensor | None]:
    """Names, stored images [N,C,H,W] and labels [N] of some splits, in that order.

    An image without a file's name is called "test:7". Raises UserError where there is none.
    """
    parts = [(name, dataset.split(name)) for name in splits]
    parts = [(name, split) for name, split in parts if len(split)]
    if not parts:
        raise UserError(f"{dataset.name} has no images in {', '.join(splits)}")
    names = [
        own
        for name, split in parts
        for own in split.names or [f"{name}:{row}" for row in range(len(split))]
    ]
    labels = [split.labels for _, split in parts if split.labels is not None]
    known = torch.cat(labels) if len(labels) == len(parts) else None
    return names, torch.cat([split.images for _, split in parts]), known


def labelled(
    trained: Trained,
    source: Any = None,
    progress: bool = False,
    needed: Sequence[str] = ("train", "test"),
) -> Labelled:
    """The run's own data or those of `source`, which must have labels of at least two classes.

    needed: splits that must hold images. Raises UserError where they do not.
    """
    dataset = selection.dataset_for(trained, source, progress=progress)
    where = os.fspath(source) if isinstance(source, str | os.PathLike) else dataset.name
    where = str(trained.path) if source is None else where
    splits = (dataset.train, dataset.validation, dataset.test)
    parts = [(split.images, split.labels) for split in splits if split.labels is not None]
    if len(parts) < len(splits) or len(dataset.spec.classes) < 2:
        raise UserError(
            f"{where}: the data have no labels: put the images into one sub-folder a class"
        )
    for name, (images, _) in zip(SPLITS, parts):
        if name in needed and not len(images):
            raise UserError(f"{where}: the {name} split holds no images: give more of them")
    return Labelled(dataset.name, dataset.spec.classes, *parts)


def count_of(flag: str, value: Any) -> int | None:
    """100 or "100", or None for "all"."""
    if value == "all":
        return None
    if isinstance(value, str) and value.isdecimal() and len(value) < 19:
        value = int(value)
    if isinstance(value, str) or value is None:
        raise UserError(f"{flag} {value}: give a number of labelled images, or all")
    return inputs.count(value, flag, 1)


def counts_of(flag: str, value: Any) -> list[int | None]:
    """ "100,1000,all", one of them, or a sequence."""
    several = isinstance(value, Sequence) and not isinstance(value, str)
    parts = value if several else value.split(",") if isinstance(value, str) else [value]
    if not parts:
        raise UserError(f"{flag}: there are none: give numbers of labelled images, or all")
    return [count_of(flag, part) for part in parts]


def chosen(flag: str, count: int | None, labels: Tensor, seed: int) -> Tensor:
    """Rows of `count` labelled images, balanced by class; all of them for None."""
    if count is None:
        return torch.arange(len(labels))
    enough(flag, count, len(labels))
    return balanced(labels, count, seed)


def enough(flag: str, count: int | None, there: int) -> None:
    """Raise UserError for more labelled images than there are."""
    if count is not None and count > there:
        raise UserError(f"{flag} {count}: there are {there} training images with labels")
