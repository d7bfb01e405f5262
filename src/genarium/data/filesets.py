"""A set of image files, whatever is in them: from a scan and an index, through the cache."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genarium.data import cache, depths
from genarium.data.collection import Collection, Part, fingerprint
from genarium.data.decode import Bad, Facts
from genarium.data.files.render import Common, common_to, rendered
from genarium.data.index import Index, parallel
from genarium.data.layout import Layout, arrange
from genarium.data.names import shown
from genarium.data.options import DataOptions
from genarium.data.progress import bar
from genarium.data.registry import Request
from genarium.data.resize import check_channels
from genarium.data.scan import Scan, ScannedFile, uncollected
from genarium.data.sizes import chosen_size
from genarium.data.splits import SPLITS, divide
from genarium.errors import UserError

FRACTION = 0.1  # of validation and of test, where the folders do not say
ATTEMPTS = 5
FIRST = 5  # examples in a message


class Changed(Exception):
    """Files were deleted or changed between being inspected and being read."""

    def __init__(self, rows: list[int]):
        super().__init__(rows)
        self.rows = rows


class Cut(NamedTuple):
    """A part of each picture. name: for the identity of the result. columns: of a picture that is
    twice as wide as said."""

    name: str
    columns: Callable[[int], slice]


@dataclass
class _Plan:
    """Everything decided before a pixel is written; the lists run over the usable images."""

    rows: list[int]  # into the scan's files
    splits: list[str]
    layout: Layout
    shape: tuple[int, int, int]
    common: Common
    identity: str
    info: dict[str, Any]


def read_indexed(name: str, scanned: Scan, index: Index, request: Request) -> Collection:
    """The files of `scanned`, known by `index`, from the cache or into it."""
    facts = index.facts(scanned.files, request.progress)

    def attempt() -> Collection:
        try:
            return read_files(name, scanned, facts, request, index=index)
        except Changed as changed:
            for row in changed.rows:
                facts[row] = index.look(scanned.files[row])
            raise

    collection = patiently(request, attempt)
    index.save()
    return collection


def patiently(request: Request, attempt: Callable[[], Collection]) -> Collection:
    """`attempt`, again where it raises `Changed`. UserError: the files do not come to rest."""
    for _ in range(ATTEMPTS):
        with contextlib.suppress(Changed):
            return attempt()
    raise UserError(f"--data {request.label}: files keep changing while they are read; try again")


def read_files(
    name: str,
    scanned: Scan,
    facts: list[Facts],
    request: Request,
    cut: Cut | None = None,
    *,
    index: Index,
) -> Collection:
    """The files of `scanned` that `facts` finds usable, from the cache or into it.

    cut: the part of each picture that is meant, where it is not all of it. index: how they are
    read. Raises `Changed` for files that are no longer what `facts` says, and UserError as
    `read_folder` does.
    """
    plan = _plan(request.label, scanned, facts, request.options, cut)
    stored = cache.obtain(
        request.options,
        name,
        plan.shape,
        plan.identity,
        lambda writer: _fill(writer, plan, scanned, facts, request, cut, index),
        plan.common.dtype,
    )
    named: dict[str, list[str]] = {split: [] for split in SPLITS}
    for row, split in zip(plan.rows, plan.splits, strict=True):
        own, count = shown(scanned.files[row].name), facts[row].images
        named[split] += [own] if count == 1 else [f"{own}:{number}" for number in range(count)]
    parts = {key: replace(part, names=named[key]) for key, part in stored.parts.items()}
    return replace(stored, parts=parts, info={"name": shown(name), **plan.info})


def made_here(scanned: Scan) -> str:
    """What was left out as this program's own, for a message."""
    few = ", ".join(map(shown, scanned.made[:FIRST]))
    return few + (f" and {len(scanned.made) - FIRST} more" if len(scanned.made) > FIRST else "")


def _identity(file: ScannedFile, fact: Facts) -> list[Any]:
    """What the manifest holds of a file; more only where its pixels are read in another way."""
    known = [file.name, fact.sha256, not fact.error]
    if fact.channels:  # of other values than 8 bits, or of other channels than a picture's
        full = None if fact.full is None else list(fact.full)
        return [*known, fact.corrected, fact.dtype, fact.channels, fact.images, full, fact.unit]
    return [*known, fact.corrected] if fact.corrected else known


def _empty_splits(splits: list[str], good: list[Facts]) -> list[str]:
    """A warning for splits that get no image: of one picture, or of one and its copies."""
    empty = [name for name in SPLITS if name not in splits]
    if not empty:
        return []
    different = len({fact.pixels for fact in good})
    many = "1 image" if len(good) == 1 else f"{len(good)} images"
    kinds = f", {different} of them different" if different < len(good) else ""
    return [
        f"no image is left for {' and '.join(empty)} ({many}{kinds}): what is chosen or scored "
        "there stays without; add different images"
    ]


@uncollected()
def _plan(
    text: str, scanned: Scan, facts: list[Facts], options: DataOptions, cut: Cut | None
) -> _Plan:
    skipped = _skipped(text, scanned, facts, options)
    rows = [i for i, fact in enumerate(facts) if not fact.error]
    layout = arrange([scanned.files[i].name for i in rows], scanned.folders)
    if layout.error:
        raise UserError(f"--data {shown(text)}: {layout.error}")
    inside = [k for k, split in enumerate(layout.splits) if split != ""]
    rows = [rows[k] for k in inside]
    layout.splits = [layout.splits[k] for k in inside]
    if layout.labels is not None:
        layout.labels = [layout.labels[k] for k in inside]
    good = [facts[i] for i in rows]
    overlap = _overlap(text, [scanned.files[i] for i in rows], good, layout, options)
    common = common_to(
        good, [scanned.files[i].name for i in rows], f"--data {shown(text)}", options
    )
    groups, grouped = _groups(good)
    splits = _assign(layout, groups)
    shape, chosen = _shape(good, common, options)
    identity = fingerprint(
        [_identity(file, fact) for file, fact in zip(scanned.files, facts)]
        + ([cut.name] if cut else [])
        + ([layout.rule] if layout.rule else [])
    )
    warnings = list(layout.warnings)
    if skipped["count"]:
        few = "; ".join(f"{name}: {why}" for name, why in skipped["first"])
        warnings.insert(0, f"left out {skipped['count']} of {len(facts)} files ({few})")
    if scanned.aliases:
        few = ", ".join(map(shown, scanned.aliases[:FIRST]))
        warnings.append(f"links to folders that are in already: {few}")
    if scanned.made:
        warnings.append(f"left out what genarium made, no data: {made_here(scanned)}")
    if overlap:
        warnings.append(f"{overlap} images are in more than one split, as allowed")
    warnings += depths.said([(file.name, fact) for file, fact in zip(scanned.files, facts)])
    warnings += [*common.warnings, *grouped]
    warnings += _empty_splits(splits, good)
    info = {
        "classes": [shown(c) for c in layout.classes],
        "policy": chosen,
        "splits": _how(layout),
        "skipped": skipped,
        "ignored": scanned.others,
        "duplicates": len(good) - len({fact.pixels for fact in good}),
        "overlap": overlap,
        "animated": sum(fact.frames for fact in good),
        "transparent": sum(fact.alpha for fact in good),
        "sizes": _sizes(good),
        "warnings": [shown(warning) for warning in warnings],
    }
    return _Plan(rows, splits, layout, shape, common, identity, info)


def _skipped(text: str, scanned: Scan, facts: list[Facts], options: DataOptions) -> dict[str, Any]:
    bad = [
        (shown(file.name), fact.error)
        for file, fact in zip(scanned.files, facts, strict=True)
        if fact.error
    ]
    fraction = len(bad) / len(facts)
    if len(bad) == len(facts) or fraction > options.max_bad:
        first = "; ".join(f"{name}: {why}" for name, why in bad[:FIRST])
        many = f"{len(bad)} of {len(facts)} files are bad"
        if len(bad) == len(facts):
            raise UserError(f"--data {text}: all {many} ({first})")
        raise UserError(
            f"--data {text}: {many} ({first}): mend them, or allow more than "
            f"{100 * options.max_bad:g} % with --max-bad {min(1.0, fraction + 0.005):.2f}"
        )
    return {
        "count": len(bad),
        "fraction": round(fraction, 6),
        "reasons": dict(Counter(why.partition(" (")[0] for _, why in bad).most_common()),
        "first": [list(pair) for pair in bad[:FIRST]],
    }


def _overlap(
    text: str, files: list[ScannedFile], facts: list[Facts], layout: Layout, options: DataOptions
) -> int:
    """How many images are in more than one split; a `UserError` unless that is allowed."""
    homes: dict[str, dict[str | None, str]] = {}
    for file, fact, split in zip(files, facts, layout.splits, strict=True):
        homes.setdefault(fact.pixels, {}).setdefault(split, file.name)
    shared = [home for home in homes.values() if len(home) > 1]
    if shared and not options.allow_overlap:
        pair = " = ".join(shown(name) for name in list(shared[0].values())[:2])
        raise UserError(
            f"--data {text}: {len(shared)} images are in more than one split ({pair}): "
            "remove them from one, or accept it with --allow-overlap"
        )
    return len(shared)


def _groups(facts: list[Facts]) -> tuple[list[str], list[str]]:
    """What each file is divided by, so that what belongs together stays so; and what is to be said.

    Images of one patient are one group, as are the slices of one file: neighbours are alike.
    """
    groups = [fact.group or fact.pixels for fact in facts]
    if len(set(groups)) >= len(SPLITS) or groups == [fact.pixels for fact in facts]:
        return groups, []
    words = (
        "all images are of the same few patients: each is divided by itself, so that images of one "
        "patient are on both sides"
    )
    return [fact.pixels for fact in facts], [words]


def _assign(layout: Layout, pixels: list[str]) -> list[str]:
    """The split of each image: as the folders say, the missing ones cut from train by content."""
    said = [split or "train" for split in layout.splits]
    missing = {name: FRACTION for name in SPLITS if name not in said}
    rows = [k for k, split in enumerate(said) if split == "train"]
    for k, split in zip(rows, divide([pixels[k] for k in rows], missing), strict=True):
        said[k] = split
    return said


def _how(layout: Layout) -> str:
    given = {split for split in layout.splits if split}
    if not given:
        return "80/10/10 by the images' content"
    cut = [name for name in SPLITS if name not in given]
    rest = f"; {' and '.join(cut)} cut from train/ by content" if cut else ""
    return f"as the folders say{rest}"


def _shape(
    facts: list[Facts], common: Common, options: DataOptions
) -> tuple[tuple[int, int, int], dict[str, str]]:
    """(C, H, W) and, in words, who chose them."""
    sizes = Counter((fact.height, fact.width) for fact in facts)
    (height, width), chosen = chosen_size(sizes, options)
    grey_under = len(set(options.colour)) == 1
    grey = all(fact.grey and (grey_under or not fact.alpha) for fact in facts)
    if options.channels:
        check_channels(common.channels or (1 if grey else 3), options.channels)
        return (options.channels, height, width), {
            "size_is": chosen,
            "channels_are": "as asked for",
        }
    if common.channels:
        return (common.channels, height, width), {
            "size_is": chosen,
            "channels_are": "those of the files",
        }
    why = "all images are grey" if grey else "some images have colour"
    return (1 if grey else 3, height, width), {"size_is": chosen, "channels_are": why}


def _sizes(facts: list[Facts]) -> dict[str, Any]:
    """Histogram of the original sizes (width x height) for the report."""
    counts = Counter(f"{fact.width}x{fact.height}" for fact in facts)
    shorter = Counter(1 << (min(fact.width, fact.height) - 1).bit_length() for fact in facts)
    return {
        "different": len(counts),
        "most_common": dict(counts.most_common(10)),
        "shorter_side_up_to": {str(side): n for side, n in sorted(shorter.items())},
    }


def _fill(
    writer: cache.Writer,
    plan: _Plan,
    scanned: Scan,
    facts: list[Facts],
    request: Request,
    cut: Cut | None,
    index: Index,
) -> Collection:
    """Decode, fit and write every usable image; gives labels and classes."""
    options = request.options

    def render(row: int) -> NDArray | None:
        file = scanned.files[row]
        try:
            made = index.content(file, facts[row].sha256)
        except Bad:
            return None
        if made is None:
            return None
        if cut is not None:
            made = made.part(cut.columns(facts[row].width))
        return rendered(made, plan.common, plan.shape, options)

    lost: list[int] = []
    with bar("resizing images", len(plan.rows), request.progress) as advance:
        every = parallel(render, plan.rows)
        for row, split, images in zip(plan.rows, plan.splits, every, strict=True):
            if images is None:
                lost.append(row)
            elif not lost:
                writer.append(split, images)
            advance(1)
    if lost:
        raise Changed(lost)
    counts = [facts[row].images for row in plan.rows]
    parts: dict[str, Part] = {}
    for split in SPLITS:
        labels = plan.layout.labels
        if labels is not None:
            each = zip(labels, plan.splits, counts, strict=True)
            labels = [n for n, home, count in each if home == split for _ in range(count)]
        nothing = np.empty((0, *plan.shape), np.uint8)
        parts[split] = Part(nothing, None if labels is None else np.array(labels, np.int64))
    classes = tuple(shown(c) for c in plan.layout.classes)
    common = plan.common
    return Collection(parts, classes, plan.info, full=common.ends, unit=common.unit)
