"""What the folders of a data set say: which split an image belongs to, and which class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

SPLIT_NAMES = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


@dataclass
class Layout:
    """splits: a name an image, None where the folders do not say, "" for an image outside the
    splits. labels: a class number an image, or None. warnings: what the user should know."""

    splits: list[str | None]
    labels: list[int] | None
    classes: tuple[str, ...]
    warnings: list[str] = field(default_factory=list)


def arrange(names: Sequence[str], folders: set[str]) -> Layout:
    """Read the layout from the images' relative names (with "/") and all folder names.

    Splits: train/ beside test/ or val/ (valid/, validation/), or train/ alone when everything is
    in it. Classes: the sub-folders, when every image lies in one.
    """
    tops = [name.partition("/")[0].lower() if "/" in name else "" for name in names]
    present = {SPLIT_NAMES[top] for top in tops if top in SPLIT_NAMES}
    divided = "train" in present and (
        len(present) > 1 or all(SPLIT_NAMES.get(top) == "train" for top in tops)
    )
    warnings: list[str] = []
    if divided:
        splits: list[str | None] = [SPLIT_NAMES.get(top, "") for top in tops]
        outside = splits.count("")
        if outside:
            warnings.append(f"{outside} images lie outside train/, test/ ...: left out")
    else:
        splits = [None] * len(names)
    depth = 1 if divided else 0
    inside = [name.split("/")[depth:] for name, split in zip(names, splits) if split != ""]
    in_classes = sum(len(parts) > 1 for parts in inside)
    if in_classes < len(inside):
        if in_classes:
            beside = len(inside) - in_classes
            warnings.append(f"{beside} images lie beside the class folders: no labels are used")
        return Layout(splits, None, (), warnings)
    classes = tuple(sorted({parts[0] for parts in inside}))
    number = {name: i for i, name in enumerate(classes)}
    labels = [
        -1 if split == "" else number[name.split("/")[depth]] for name, split in zip(names, splits)
    ]
    warnings += _empty(names, folders, depth)
    return Layout(splits, labels, classes, warnings)


def _empty(names: Sequence[str], folders: set[str], depth: int) -> list[str]:
    """A warning for the class folders without a usable image."""
    full = {"/".join(name.split("/")[: depth + 1]) for name in names}
    level = {
        folder
        for folder in folders
        if folder.count("/") == depth
        and (depth == 0 or folder.partition("/")[0].lower() in SPLIT_NAMES)
    }
    empty = sorted(level - full)
    if not empty:
        return []
    return [f"class folders without a usable image: {', '.join(empty[:5])} ({len(empty)} in all)"]
