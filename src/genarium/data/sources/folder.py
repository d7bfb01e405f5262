"""Any folder of images, whatever is in it."""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genarium.data import cache, captions, depths
from genarium.data.collection import Collection, Part, fingerprint
from genarium.data.decode import Bad, Facts, decode, flatten, read_bytes
from genarium.data.decode import inspect as inspect_file
from genarium.data.index import Index, parallel
from genarium.data.layout import Layout, arrange
from genarium.data.names import shown
from genarium.data.options import DataOptions
from genarium.data.progress import bar
from genarium.data.registry import Request, source
from genarium.data.resize import fit_image, to_chw
from genarium.data.scan import Scan, ScannedFile, scan, uncollected
from genarium.data.splits import SPLITS, divide
from genarium.errors import UserError

FRACTION = 0.1  # of validation and of test, where the folders do not say
NATIVE_LIMIT = 256  # images of one size keep it up to here
DEFAULT_LIMIT = 64  # larger or mixed ones get at most this
ATTEMPTS = 5
FIRST = 5  # examples in a message


class Changed(Exception):
    """Files were deleted or changed between being inspected and being read."""

    def __init__(self, rows: list[int]):
        super().__init__(rows)
        self.rows = rows


class Cut(NamedTuple):
    """A part of each picture. name: for the identity of the result."""

    name: str
    of: Callable[[Image.Image], Image.Image]


@dataclass
class _Plan:
    """Everything decided before a pixel is written; the lists run over the usable images."""

    rows: list[int]  # into the scan's files
    splits: list[str]
    layout: Layout
    shape: tuple[int, int, int]
    identity: str
    info: dict[str, Any]


def _is_folder(text: str) -> bool:
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # NUL, unknown ~user
        return Path(text).expanduser().is_dir()
    return False


@source(
    "FOLDER",
    summary="any folder of images; class sub-folders become labels, train/ and test/ splits",
    licence="yours",
    matches=_is_folder,
)
def folder(request: Request) -> Collection:
    """A folder named by its path."""
    return read_folder(Path(request.source).expanduser(), request)


def read_folder(path: Path, request: Request) -> Collection:
    """The images below `path`, from the cache or into it. UserError: nothing usable is there, too
    many files are bad, an image is in two splits, or the cache cannot be written."""
    scanned = files_below(path, request)
    index = Index(path, request.options)
    facts = index.facts(scanned.files, request.progress)

    def attempt() -> Collection:
        try:
            return read_files(path.resolve().name or "images", scanned, facts, request)
        except Changed as changed:
            for row in changed.rows:
                facts[row] = inspect_file(scanned.files[row].path)
            raise

    collection = captions.attach(patiently(request, attempt), scanned, request.label)
    index.save()
    return collection


def files_below(path: Path, request: Request) -> Scan:
    """The image files below a folder. UserError: there are none."""
    scanned = scan(path)
    if not scanned.files:
        made = f"; left out what genarium made: {made_here(scanned)}" if scanned.made else ""
        raise UserError(
            f"--data {request.label}: no images in this folder, nor below it "
            f"(looked for .png, .jpg, .gif, .webp, .bmp, .tif, .ppm{made})"
        )
    return scanned


def patiently(request: Request, attempt: Callable[[], Collection]) -> Collection:
    """`attempt`, again where it raises `Changed`. UserError: the files do not come to rest."""
    for _ in range(ATTEMPTS):
        with contextlib.suppress(Changed):
            return attempt()
    raise UserError(f"--data {request.label}: files keep changing while they are read; try again")


def read_files(
    name: str, scanned: Scan, facts: list[Facts], request: Request, cut: Cut | None = None
) -> Collection:
    """The files of `scanned` that `facts` finds usable, from the cache or into it.

    cut: the part of each picture that is meant, where it is not all of it. Raises `Changed` for
    files that are no longer what `facts` says, and UserError as `read_folder` does.
    """
    plan = _plan(request.label, scanned, facts, request.options, cut)
    stored = cache.obtain(
        request.options,
        name,
        plan.shape,
        plan.identity,
        lambda writer: _fill(writer, plan, scanned, facts, request, cut),
    )
    named: dict[str, list[str]] = {split: [] for split in SPLITS}
    for row, split in zip(plan.rows, plan.splits, strict=True):
        named[split].append(shown(scanned.files[row].name))
    parts = {key: replace(part, names=named[key]) for key, part in stored.parts.items()}
    return replace(stored, parts=parts, info={"name": shown(name), **plan.info})


def made_here(scanned: Scan) -> str:
    """What was left out as this program's own, for a message."""
    few = ", ".join(map(shown, scanned.made[:FIRST]))
    return few + (f" and {len(scanned.made) - FIRST} more" if len(scanned.made) > FIRST else "")


def _identity(file: ScannedFile, fact: Facts) -> list[Any]:
    """What the manifest holds of a file; more only where its pixels are read in another way."""
    known = [file.name, fact.sha256, not fact.error]
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
    splits = _assign(layout, [fact.pixels for fact in good])
    shape, chosen = _shape(good, options)
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
    return _Plan(rows, splits, layout, shape, identity, info)


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


def _shape(facts: list[Facts], options: DataOptions) -> tuple[tuple[int, int, int], dict[str, str]]:
    """(C, H, W) and, in words, who chose them."""
    sizes = {(fact.height, fact.width) for fact in facts}
    if options.height_width:
        (height, width), chosen = options.height_width, "as asked for"
    elif len(sizes) == 1 and max(next(iter(sizes))) <= NATIVE_LIMIT:
        (height, width), chosen = next(iter(sizes)), "the size of all images"
    else:
        median = int(np.median([min(fact.height, fact.width) for fact in facts]))
        height = width = min(DEFAULT_LIMIT, 1 << (max(1, median).bit_length() - 1))
        chosen = f"chosen from a median shorter side of {median}; set it with --size"
    if options.channels:
        return (options.channels, height, width), {
            "size_is": chosen,
            "channels_are": "as asked for",
        }
    grey_under = len(set(options.colour)) == 1
    grey = all(fact.grey and (grey_under or not fact.alpha) for fact in facts)
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
) -> Collection:
    """Decode, fit and write every usable image; gives labels and classes."""
    options = request.options
    channels, height, width = plan.shape
    colour = options.colour

    def render(row: int) -> NDArray[np.uint8] | None:
        try:
            data = read_bytes(scanned.files[row].path)
            image, _ = decode(data)
        except Bad:
            return None
        if hashlib.sha256(data).hexdigest() != facts[row].sha256:
            return None
        image = flatten(cut.of(image) if cut else image, colour, channels)
        return to_chw(fit_image(image, height, width, options.fit, colour))

    lost: list[int] = []
    with bar("resizing images", len(plan.rows), request.progress) as advance:
        rendered = parallel(render, plan.rows)
        for row, split, image in zip(plan.rows, plan.splits, rendered, strict=True):
            if image is None:
                lost.append(row)
            elif not lost:
                writer.append(split, image[None])
            advance(1)
    if lost:
        raise Changed(lost)
    parts: dict[str, Part] = {}
    for split in SPLITS:
        labels = plan.layout.labels
        if labels is not None:
            labels = [n for n, home in zip(labels, plan.splits, strict=True) if home == split]
        nothing = np.empty((0, *plan.shape), np.uint8)
        parts[split] = Part(nothing, None if labels is None else np.array(labels, np.int64))
    return Collection(parts, tuple(shown(c) for c in plan.layout.classes), plan.info)
