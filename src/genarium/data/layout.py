"""What the folders of a data set say: which split an image belongs to, and which class.

train/1.png           test/2.png             splits
train/cat/1.png       Testing/cat/2.png      splits with classes; any case
photos/train/1.png    photos/test/2.png      the same below one folder that holds all
cat/train/1.png       dog/test/2.png         classes that each hold their splits
cat/1.png             dog/2.png              classes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
FIRST_NAMES = (
    "train",
    "val",
    "valid",
    "validation",
    "test",
)  # those that were known from the start
SHOWN = 3  # examples in a message


@dataclass
class Layout:
    """splits: a name an image, None where the folders do not say, "" for an image outside the
    splits. labels: a class number an image, or None. warnings: what the user should know. error:
    why the folders cannot be understood, with the remedy, or "". rule: how the splits were found
    where earlier versions found other ones, or "": it makes other splits of the same files."""

    splits: list[str | None]
    labels: list[int] | None
    classes: tuple[str, ...]
    warnings: list[str] = field(default_factory=list)
    error: str = ""
    rule: str = ""


def arrange(names: Sequence[str], folders: set[str]) -> Layout:
    """Read the layout from the images' relative names (with "/") and all folder names.

    Splits: train/ (training/) beside test/ or val/ (testing/, valid/, validation/), or train/ alone
    when everything is in it; all of them may lie below one folder, or in each of the class folders.
    Classes: the sub-folders, when every image lies in one.
    """
    paths = [name.split("/") for name in names]
    depth, error = _depth(paths)
    if error:
        return Layout([None] * len(names), None, (), error=error)
    if depth is None:
        return _undivided(names, paths, folders)
    result = [_split_of(path, depth) for path in paths]
    splits: list[str | None] = [split or "" for split in result]
    warnings: list[str] = []
    outside = splits.count("")
    if outside:
        warnings.append(f"{outside} images lie outside train/, test/ ...: left out")
    rule = "" if depth == 0 and _as_ever(paths) else f"splits {depth}"
    several = len({path[0] for path in paths}) > 1
    if depth == 1 and several:  # cat/train, dog/train: what is above the splits is the class
        rest = [[path[0], *path[2:]] for path in paths]
        return _classes(names, rest, splits, warnings, set(), 0, rule)
    rest = [path[depth + 1 :] if split else [] for path, split in zip(paths, splits)]
    return _classes(names, rest, splits, warnings, folders, depth + 1, rule)


def _undivided(names: Sequence[str], paths: list[list[str]], folders: set[str]) -> Layout:
    warnings = []
    named = sorted(
        {
            "/".join(path[: i + 1]) + "/"
            for path in paths
            for i, part in enumerate(path[:-1])
            if part.lower() in SPLIT_NAMES
        }
    )
    if named:
        few = ", ".join(named[:SHOWN])
        warnings.append(
            f"{few}: named like a split and read as any other folder, for not all images lie in "
            "train/ and test/ or val/; move them there if they are splits"
        )
    return _classes(names, paths, [None] * len(names), warnings, folders, 0, "")


def _depth(paths: list[list[str]]) -> tuple[int | None, str]:
    """At which level the split folders are, None where there are none; and what is wrong."""
    depth = 0
    while True:
        divided, error = _divided(paths, depth)
        if divided or error:
            return (depth if divided else None), error
        level = {path[depth] if len(path) > depth + 1 else "" for path in paths}
        if len(level) != 1 or "" in level:
            break
        depth += 1  # one folder holds all
    # in every class folder: cat/train/1.png
    if depth == 0 and all(len(path) > 2 and path[1].lower() in SPLIT_NAMES for path in paths):
        present = {SPLIT_NAMES[path[1].lower()] for path in paths}
        if "train" in present and len(present) > 1:
            return 1, ""
    return None, ""


def _divided(paths: list[list[str]], depth: int) -> tuple[bool, str]:
    """Whether the folders at a level are splits; what is wrong where that is undecided."""
    tops = [path[depth].lower() if len(path) > depth + 1 else "" for path in paths]
    named = {top for top in tops if top in SPLIT_NAMES}
    present = {SPLIT_NAMES[top] for top in named}
    others = sorted({path[depth] for path, top in zip(paths, tops) if top and top not in named})
    if "train" in present:
        return len(present) > 1 or all(top in named for top in tops), ""
    if "test" not in present:
        return False, ""  # also valid/ beside invalid/, which are classes
    split = next(top for top in sorted(named) if SPLIT_NAMES[top] == "test")
    if others:
        few = ", ".join(f"{name}/" for name in others[:SHOWN])
        return False, (
            f"{split}/ lies beside {few}, and there is no train/: move the training images into "
            f"train/, or rename {split}/ if it is a class"
        )
    if all(top in named for top in tops):
        return False, (
            f"holds {' and '.join(f'{name}/' for name in sorted(named))} and no train/: add "
            f"train/, or name the folder {split}/ itself"
        )
    return False, (
        f"{split}/ lies beside single images, and there is no train/: move those into train/"
    )


def _split_of(path: list[str], depth: int) -> str:
    return SPLIT_NAMES.get(path[depth].lower(), "") if len(path) > depth + 1 else ""


def _as_ever(paths: list[list[str]]) -> bool:
    """Whether the first version, which knew fewer names, found the same splits."""
    named = {path[0].lower() for path in paths if len(path) > 1}
    known = {SPLIT_NAMES[name] for name in named if name in FIRST_NAMES}
    return all(name in FIRST_NAMES for name in named if name in SPLIT_NAMES) and "train" in known


def _classes(
    names: Sequence[str],
    rest: list[list[str]],
    splits: list[str | None],
    warnings: list[str],
    folders: set[str],
    depth: int,
    rule: str,
) -> Layout:
    """The layout with the first folders of `rest`, what is left of each path, as classes."""
    inside = [path for path, split in zip(rest, splits) if split != ""]
    in_classes = sum(len(path) > 1 for path in inside)
    if in_classes < len(inside):
        if in_classes:
            beside = len(inside) - in_classes
            warnings.append(f"{beside} images lie beside the class folders: no labels are used")
        return Layout(splits, None, (), warnings, rule=rule)
    classes = tuple(sorted({path[0] for path in inside}))
    number = {name: i for i, name in enumerate(classes)}
    labels = [-1 if split == "" else number[path[0]] for path, split in zip(rest, splits)]
    return Layout(splits, labels, classes, warnings + _empty(names, folders, depth), rule=rule)


def _empty(names: Sequence[str], folders: set[str], depth: int) -> list[str]:
    """A warning for the class folders without a usable image."""
    full = {"/".join(name.split("/")[: depth + 1]) for name in names}
    level = {
        folder
        for folder in folders
        if folder.count("/") == depth
        and (depth == 0 or folder.split("/")[depth - 1].lower() in SPLIT_NAMES)
    }
    empty = sorted(level - full)
    if not empty:
        return []
    return [f"class folders without a usable image: {', '.join(empty[:5])} ({len(empty)} in all)"]
