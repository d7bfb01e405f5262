"""What the rest of the program sees: three splits of tensors and what they mean."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genarium.contract import EIGHT_BIT, Attribute, Spec, Tones, Values
from genarium.data import text
from genarium.data.collection import Collection, Part, pictures
from genarium.data.splits import SPLITS
from genarium.errors import UserError

log = logging.getLogger("genarium.data")

LOOKED_AT = 2**24
"""Values that `tones_of` reads at most, in whole images evenly spaced: a moment's work."""


@dataclass
class Split:
    """Aligned tensors of one split.

    images: [N,C,H,W] as stored (`Spec.values`; memory-mapped where cached on disk). labels: int64
    [N] or None. extra: further tensors of N rows, by name. captions: N texts or None, a line a
    caption; as bytes they are `extra["captions"]`, see `genarium.data.text`. names: of
    the images (their files, relative to the folder) or None. unpaired: tensors of any other
    number of rows, by name. The images of a second domain are `extra["b"]` where they are paired
    with the first's, else `unpaired["b"]`.
    """

    images: Tensor
    labels: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)
    captions: list[str] | None = None
    names: list[str] | None = None
    unpaired: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.images.shape[0]

    def domain(self, name: str) -> Tensor:
        """The images of domain "a" or "b", [N,C,H,W] as stored. UserError: there is no "b"."""
        if name == "a":
            return self.images
        second = self.extra.get("b", self.unpaired.get("b"))
        if second is None:
            raise UserError("the data have no second domain: name pairs or two folders of images")
        return second


@dataclass
class Dataset:
    """A data set ready to train on.

    name: short name. spec: shape and classes. manifest: SHA-256 (hex) of what went in and of the
    policy; equal manifests mean equal tensors. info: JSON-able facts: source, policy, counts,
    what was skipped and why, licence, attribution.
    """

    name: str
    spec: Spec
    manifest: str
    info: dict[str, Any]
    train: Split
    validation: Split
    test: Split

    def split(self, name: str) -> Split:
        """The split "train", "validation" (or "val", "valid") or "test"."""
        key = {"val": "validation", "valid": "validation"}.get(name, name)
        if key not in SPLITS:
            raise UserError(f"split {name!r} does not exist: choose {', '.join(SPLITS)}")
        part: Split = getattr(self, key)
        return part

    @property
    def captions(self) -> dict[str, list[str] | None]:
        """The captions of each split, None where there are none."""
        return {name: self.split(name).captions for name in SPLITS}


def _images(values: NDArray) -> Tensor:
    """Images stay where they are: on the disk, where they are cached."""
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    if not values.flags.writeable or not values.flags.c_contiguous:
        values = values.copy()  # torch has no read-only tensors
    return torch.from_numpy(values)


def _tensor(name: str, values: NDArray) -> Tensor:
    """All but images are copied."""
    return _images(values) if pictures(name, values) else torch.tensor(values)


def _split(part: Part, length: int = 0, each: int = 0) -> Split:
    labels = None if part.labels is None else torch.tensor(part.labels, dtype=torch.int64)
    extra = {name: _tensor(name, values) for name, values in part.extra.items()}
    if length and part.captions is not None:
        extra["captions"] = torch.from_numpy(text.table(part.captions, length, each))
    unpaired = {name: _tensor(name, values) for name, values in part.unpaired.items()}
    return Split(_images(part.images), labels, extra, part.captions, part.names, unpaired)


def _second(collection: Collection) -> tuple[tuple[int, int, int] | None, bool]:
    """(C, H, W) of the images "b", None where there are none; whether they are paired."""
    train = collection.parts["train"]
    paired = "b" in train.extra
    second = train.extra.get("b", train.unpaired.get("b"))
    if second is None or not pictures("b", second):
        return None, False
    channels, height, width = second.shape[1:]
    return (channels, height, width), paired


def _captions(collection: Collection, name: str) -> tuple[int, int]:
    """(T, K) of the captions of all splits, with a warning where some are cut; 0 for none."""
    if not any(collection.parts["train"].captions or ()):
        return 0, 0
    every = [c for part in collection.parts.values() for c in part.captions or ()]
    length, each, cut = text.shape_of(every)
    if cut:
        log.warning("%s: %d captions are cut to %d bytes", name, cut, length)
    return length, each


def _attributes(collection: Collection) -> tuple[Attribute, ...]:
    """The columns of the extra array "factors", as `info["factors"]` describes them."""
    facts = collection.info.get("factors", {})
    return tuple(
        Attribute(name, tuple(v for v in facts.get(name, ()) if isinstance(v, str)))
        for name in facts.get("names", ())
    )


def _vectors(collection: Collection) -> tuple[tuple[str, int], ...]:
    """Names and lengths of the other extra arrays that hold a float vector for each image."""
    return tuple(
        (name, values.shape[1])
        for name, values in collection.parts["train"].extra.items()
        if name != "factors" and values.ndim == 2 and values.dtype.kind == "f"
    )


def tones_of(images: NDArray, values: Values = EIGHT_BIT) -> Tones:
    """What images [N,C,H,W] of these values are, as 8 bits, from an even choice of them."""
    size = int(np.prod(images.shape[1:]))
    chosen = images[:: max(1, -(-len(images) * size // LOOKED_AT))]
    if not values.eight_bit:
        chosen = values.pictures(_images(np.array(chosen))).numpy()
    counts = np.stack([np.bincount(c.ravel(), minlength=256) for c in chosen.swapaxes(0, 1)])
    total = max(1, int(counts[0].sum()))
    means = counts @ np.arange(256) / (255 * total)
    ends = counts[:, :32].sum() + counts[:, -32:].sum()
    return Tones(tuple(float(m) for m in means), float(ends / (total * len(counts))))


def values_of(collection: Collection, domain: str = "a") -> Values:
    """What the stored values of a domain's images mean."""
    chosen = collection.range if domain == "a" else collection.second_range
    if chosen is None:
        return EIGHT_BIT
    dtype = str(next(iter(collection.domain(domain).values())).dtype)
    return Values(dtype, *chosen.ends, chosen.rule, collection.unit)


def to_dataset(collection: Collection, name: str, manifest: str) -> Dataset:
    """A complete collection as tensors."""
    channels, height, width = collection.shape
    captions = _captions(collection, name)
    values = values_of(collection)
    return Dataset(
        name=name,
        spec=Spec(
            channels,
            height,
            width,
            collection.classes,
            _attributes(collection),
            _vectors(collection),
            str(collection.info.get("policy", {}).get("binarize", "")),
            *_second(collection),
            caption_bytes=captions[0],
            tones=tones_of(collection.parts["train"].images, values),
            values=values,
            second_values=values_of(collection, "b"),
            shown=collection.shown,
        ),
        manifest=manifest,
        info=collection.info,
        train=_split(collection.parts["train"], *captions),
        validation=_split(collection.parts["validation"], *captions),
        test=_split(collection.parts["test"], *captions),
    )
