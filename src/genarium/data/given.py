"""Images that a caller has in Python, as a data set.

    arrays       [N,H,W], [N,C,H,W] or [N,H,W,C] by the rule of `genarium.data.files.reader`
    tensors      [N,C,H,W] or [N,H,W]
    lists        of pictures of Pillow, or of arrays or tensors of one image each, of any sizes
    sequences    anything with a length and items by number, as PyTorch's `Dataset`: an item is an
                 image, (image, label) or {"image": ..., "label": ...}; all of one size
    pairs        (any of these, labels [N])

Values stay as they are, by the rule for types. What is in memory stays there; sequences and arrays
that are mapped from a file go through the cache, read an item at a time. The manifest follows from
the content.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genarium.data import labels as labelling
from genarium.data.collection import Collection, Ends, Part
from genarium.data.decode import flatten, of_pillow, strict
from genarium.data.files.opening import sound
from genarium.data.files.reader import Asked, Reader, arranged, settled
from genarium.data.files.render import Common, common_to, rendered
from genarium.data.files.wide import WIDE, Content, finite, known, of_values
from genarium.data.formats import Bad
from genarium.data.options import DataOptions
from genarium.data.registry import Request
from genarium.data.resize import to_chw
from genarium.data.sizes import chosen_size
from genarium.data.stacks import read_stack
from genarium.errors import UserError, unreadable

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.data.dataset import Dataset

SOURCE = "given in Python"
NAME = "arrays"
KEYS = (("image", "img", "images", "pixel_values"), ("label", "labels", "target", "class"))


class Items(Protocol):
    """Images by number, as PyTorch's `Dataset` has them."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


if TYPE_CHECKING:
    Given: TypeAlias = Tensor | NDArray[Any] | Sequence[Any] | Items | tuple[Any, Any]
    """What is taken as images; see above."""


def may_be(value: Any) -> bool:
    """Whether it is of a kind that may be images."""
    if isinstance(value, str | bytes | Mapping):
        return False
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")


def from_arrays(
    images: Any,
    labels: Any = None,
    *,
    classes: Sequence[str] = (),
    layout: str = "",
    full: tuple[float, float] | None = None,
    unit: str = "",
    options: DataOptions | None = None,
    name: str = NAME,
) -> Dataset:
    """A data set of images that are there in Python.

    images: arrays, tensors, a list of pictures or arrays, any sequence or PyTorch `Dataset`; see
    the module. labels: [N] whole numbers or texts. classes: names of the classes in the order of
    the sorted labels. layout: a letter an axis of an array, as NHWC. full: the range that the
    values may have (12 bits: 0, 4095). unit: of the values, in words. Raises UserError for what is
    none of it.
    """
    return dataset(
        (images, labels),
        options,
        where="from_arrays",
        classes=tuple(classes),
        layout=layout,
        full=None if full is None else _ends(full),
        unit=unit,
        name=name,
    )


def _ends(full: Any) -> Ends:
    """The range that a caller states, as a `Collection` has it."""
    try:
        low, high = (float(end) for end in full)
    except (TypeError, ValueError):
        low = high = 0.0
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"from_arrays: full={full!r}: give two numbers, as (0, 4095)")
    return (low,), (high,)


def dataset(
    value: Any,
    options: DataOptions | None,
    *,
    where: str,
    classes: tuple[str, ...] = (),
    layout: str = "",
    full: Ends | None = None,
    unit: str = "",
    name: str = NAME,
) -> Dataset:
    """The data set of `value`; arguments as of `from_arrays`. where: for errors."""
    from genarium.data.api import finished
    from genarium.data.dataset import to_dataset

    options = options or DataOptions()
    if not isinstance(unit, str):
        raise UserError(f"{where}: unit={unit!r}: give a text")
    images, labels = _pair(value)
    try:
        with strict(), sound():
            collection = _collection(images, _array(labels), layout, options, name)
            if classes:
                if len(classes) != len(collection.classes):
                    raise Bad(f"{len(classes)} classes, the labels are {len(collection.classes)}")
                collection = replace(collection, classes=classes)
    except Bad as reason:
        raise UserError(f"{where}: {reason}") from None
    if full is not None or unit:
        collection = replace(collection, full=full or collection.full, unit=unit)
    collection.info = {"name": name, **collection.info}
    made, manifest = finished(collection, options, SOURCE, "yours")
    return to_dataset(made, name, manifest)


def _pair(value: Any) -> tuple[Any, Any]:
    """Images and labels of (images, labels); anything else has no labels beside it."""
    if isinstance(value, tuple) and len(value) == 2:
        images, labels = value
        if labels is None or (
            not isinstance(images, Image.Image) and _rank(images) != _rank(labels)
        ):
            return images, labels
    return value, None


def _rank(value: Any) -> int:
    """How many axes: of a list one more than of its items, as far as they say."""
    if hasattr(value, "ndim"):
        return int(value.ndim)
    if isinstance(value, Image.Image):
        return 2
    if may_be(value) and len(value):
        return 1 + _rank(value[0]) if isinstance(value, Sequence) else 3
    return 0


def _array(value: Any) -> NDArray | None:
    """Labels as an array; tensors too."""
    if value is None:
        return None
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    made = np.asarray(value)
    if made.dtype == object:
        raise Bad("labels of Python objects: give whole numbers or texts")
    return made


def _collection(
    images: Any, labels: NDArray | None, layout: str, options: DataOptions, name: str
) -> Collection:
    if hasattr(images, "detach"):  # a tensor
        layout = layout or {3: "NHW", 4: "NCHW"}.get(images.ndim, "")
        images = _of_tensor(images)
    if isinstance(images, np.ndarray):
        if images.dtype.hasobject:
            raise Bad("an array of Python objects: give numbers, or a list of images")
        whole = images
        reader = arranged(whole.shape, whole.dtype, Asked(layout=layout), lambda rows: whole[rows])
        if isinstance(images, np.memmap):
            return _cached(lambda: reader, labels, options, name)
        return _in_memory(reader, labels)
    if layout:
        raise Bad(f"layout={layout}: is of one array: leave it out")
    if isinstance(images, list | tuple):
        return _of_list(images, labels, options)
    if not may_be(images) or isinstance(images, Image.Image):
        raise Bad(f"{type(images).__name__}: give arrays, tensors, or a Sequence of images")
    if not len(images):
        raise Bad("there are none: give at least one image")
    first, _ = _item(_taken(images, 0))
    shape, dtype = _shape_of(first, options)

    def fresh() -> Reader:
        known_labels: dict[int, Any] = {}

        def fetch(start: int, stop: int) -> NDArray:
            rows = []
            for number in range(start, stop):
                content, label = _item(_taken(images, number))
                if label is not None:
                    known_labels[number] = label
                rows.append(_same(content, number, shape, dtype, options))
            return np.concatenate(rows)

        def said() -> NDArray | None:
            if not known_labels:
                return None
            if len(known_labels) != len(images):
                raise Bad(
                    f"{len(known_labels)} of {len(images)} items have a label: give all, or none"
                )
            return _array([_plain(known_labels[number]) for number in range(len(images))])

        return Reader((len(images), *shape), np.dtype(dtype), fetch, labels=said)

    return _cached(fresh, labels, options, name)


def _of_tensor(images: Any) -> NDArray:
    images = images.detach().cpu()
    if str(images.dtype) == "torch.bfloat16":
        images = images.float()
    return np.asarray(images.numpy())


def _in_memory(reader: Reader, labels: NDArray | None) -> Collection:
    reader, _ = settled(reader)
    images = np.ascontiguousarray(reader.fetch(0, len(reader)))
    finite(images)
    return _made(images, labels)


def _made(images: NDArray, labels: NDArray | None, common: Common | None = None) -> Collection:
    numbers: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    if labels is not None:
        if labels.ndim < 1 or len(labels) != len(images):
            raise Bad(f"labels of shape {list(labels.shape)} for {len(images)} images: one each")
        numbers, classes = labelling.classes_of(labels)
    info = {"splits": "80/10/10 by the images' content", "duplicates": 0}
    if common is None:
        return Collection({"train": Part(images, numbers)}, classes, info)
    info["warnings"] = [*common.warnings]
    part = Part(images, numbers)
    return Collection({"train": part}, classes, info, full=common.ends, unit=common.unit)


def _cached(
    fresh: Callable[[], Reader], labels: NDArray | None, options: DataOptions, name: str
) -> Collection:
    """The images of a reader, through the cache."""

    @contextmanager
    def opened() -> Iterator[Reader]:
        reader = fresh()
        yield reader if labels is None else replace(reader, labels=labels)

    return read_stack(name, Request(SOURCE, options, progress=False), opened)


def _of_list(items: Sequence[Any], labels: NDArray | None, options: DataOptions) -> Collection:
    if not items:
        raise Bad("there are none: give at least one image")
    contents, known_labels = [], []
    for number, item in enumerate(items):
        try:
            content, label = _item(item)
        except Bad as reason:
            raise Bad(f"item {number}: {reason}") from None
        contents.append(content)
        known_labels.append(label)
    facts = [known(content) for content in contents]
    names = [f"item {number}" for number in range(len(items))]
    common = common_to(facts, names, "data", options)
    sizes: dict[tuple[int, int], int] = {}
    for fact in facts:
        sizes[fact.height, fact.width] = sizes.get((fact.height, fact.width), 0) + 1
    (height, width), _ = chosen_size(sizes, options)
    grey = 1 if all(fact.grey and not fact.alpha for fact in facts) else 3
    channels = options.channels or common.channels or grey
    images = [rendered(each, common, (channels, height, width), options) for each in contents]
    if labels is None and any(label is not None for label in known_labels):
        if any(label is None for label in known_labels):
            raise Bad("some items have a label and some have none: give all one")
        labels = _array([_plain(label) for label in known_labels])
    return _made(np.concatenate(images), labels, common)


# ------------------------------------------------------------------------ one item


def _taken(items: Any, number: int) -> Any:
    """An item of a caller's own sequence; whatever its code raises is the caller's to see."""
    try:
        return items[number]
    except unreadable() as error:
        said = " ".join(str(error).split())[:200]
        raise Bad(f"item {number} raises {type(error).__name__} ({said})") from error


def _item(item: Any) -> tuple[Content, Any]:
    """The image of an item, and its label or None."""
    label = None
    if isinstance(item, Mapping):
        keys = [next((key for key in names if key in item), None) for names in KEYS]
        if keys[0] is None:
            raise Bad(f"a dict with {', '.join(map(str, item))[:60]}: name its image `image`")
        label = None if keys[1] is None else item[keys[1]]
        item = item[keys[0]]
    elif isinstance(item, tuple) and len(item) == 2:
        item, label = item
    return _content(item), label


def _content(item: Any) -> Content:
    if isinstance(item, Image.Image):
        if item.mode in WIDE:
            return of_values(np.asarray(item)[None, None])
        return Content(of_pillow(item))
    layout = ""
    if hasattr(item, "detach"):
        layout = {2: "HW", 3: "CHW"}.get(item.ndim, "")
        item = _of_tensor(item)
    if not isinstance(item, np.ndarray):
        raise Bad(f"an item of type {type(item).__name__}: give a picture of Pillow or an array")
    array = item
    reader = arranged(
        array.shape, array.dtype, Asked(layout=layout), lambda rows: array[rows], one=True
    )
    return of_values(reader.fetch(0, 1))


def _plain(label: Any) -> Any:
    """A label of one entry as a number or a text."""
    return label.item() if hasattr(label, "item") and getattr(label, "ndim", 0) == 0 else label


def _pixels(content: Content, options: DataOptions) -> NDArray:
    """The image of an item in its own size, [1,C,H,W]."""
    if isinstance(content.image, Image.Image):
        channels = options.channels or (1 if content.image.mode == "L" else 3)
        return to_chw(flatten(content.image, options.colour, channels))[None]
    return np.asarray(content.image)


def _shape_of(content: Content, options: DataOptions) -> tuple[tuple[int, int, int], str]:
    """(C, H, W) and type that all items have."""
    pixels = _pixels(content, options)
    height, width = options.height_width or pixels.shape[2:]
    return (options.channels or pixels.shape[1], height, width), str(pixels.dtype)


def _same(
    content: Content,
    number: int,
    shape: tuple[int, int, int],
    dtype: str,
    options: DataOptions,
) -> NDArray:
    """An item as the first one is; where a size is asked for, at that size."""
    pixels = _pixels(content, options)
    if pixels.dtype == dtype and pixels.shape[1] in (shape[0], 1 if shape[0] == 3 else shape[0]):
        common = Common(dtype, pixels.shape[1])
        if options.height_width or pixels.shape[2:] == shape[1:]:
            return rendered(Content(pixels), common, shape, options)
    said = f"{pixels.dtype} {list(pixels.shape[1:])}, the first is {dtype} {list(shape)}"
    raise Bad(f"item {number} is {said}: bring them to one, or say a size")
