"""What the rest of the program sees: three splits of uint8 tensors and what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from genarium.contract import Attribute, Spec
from genarium.data.collection import Collection, Part
from genarium.data.splits import SPLITS
from genarium.errors import UserError


@dataclass
class Split:
    """Aligned tensors of one split.

    images: uint8 [N,C,H,W] (memory-mapped where the data set is cached on disk). labels: int64
    [N] or None. extra: further tensors of N rows, by name. captions: N texts or None. names: of
    the images (their files, relative to the folder) or None.
    """

    images: Tensor
    labels: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)
    captions: list[str] | None = None
    names: list[str] | None = None

    def __len__(self) -> int:
        return self.images.shape[0]


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
        found: Split = getattr(self, key)
        return found

    @property
    def captions(self) -> dict[str, list[str] | None]:
        """The captions of each split, None where there are none."""
        return {name: self.split(name).captions for name in SPLITS}


def _split(part: Part) -> Split:
    images = part.images
    if not images.flags.writeable or not images.flags.c_contiguous:
        images = images.copy()  # torch has no read-only tensors
    labels = None if part.labels is None else torch.tensor(part.labels, dtype=torch.int64)
    extra = {name: torch.tensor(values) for name, values in part.extra.items()}
    return Split(torch.from_numpy(images), labels, extra, part.captions, part.names)


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


def to_dataset(collection: Collection, name: str, manifest: str) -> Dataset:
    """A complete collection as tensors."""
    channels, height, width = collection.shape
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
        ),
        manifest=manifest,
        info=collection.info,
        train=_split(collection.parts["train"]),
        validation=_split(collection.parts["validation"]),
        test=_split(collection.parts["test"]),
    )
