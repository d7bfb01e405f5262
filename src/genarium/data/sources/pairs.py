"""Images of two domains: pairs in two folders or side by side in a file, and two unpaired folders.

    pairs:a=DIR,b=DIR       two folders that hold the same names: masks/7.png and photos/7.jpg
    pairs:dir=DIR           the same in DIR/A and DIR/B
    side-by-side:dir=DIR    each file holds both, A in its left half and B in its right
    unpaired:a=DIR,b=DIR    two folders that need not have anything in common
    unpaired:dir=DIR        DIR/trainA and DIR/trainB, with DIR/testA and DIR/testB (valA, valB)

Each folder may hold train/, val/ and test/ (beside `dir=` of unpaired, where the names say it).
Files are read, checked and cached as those of any folder. Both images of a pair are brought to one
size under one policy, so they are cut alike.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from genarium.data.collection import Collection, Part, fingerprint
from genarium.data.decode import Facts
from genarium.data.filesets import Cut, patiently, read_files
from genarium.data.index import Index
from genarium.data.layout import SPLIT_NAMES
from genarium.data.names import shown
from genarium.data.registry import Request, source
from genarium.data.scan import Scan, ScannedFile, scan
from genarium.data.sources.folder import files_below
from genarium.errors import UserError

ASPECT = 0.02  # how far the aspect ratios of a pair may differ: a pixel of rounding in 50


@source(
    "pairs",
    summary="pairs of images: the same names in two folders",
    licence="yours",
    paths=("a", "b", "dir"),
)
def pairs(request: Request, *, a: str = "", b: str = "", dir: str = "") -> Collection:
    """Files of two folders that have the same name but for its suffix."""
    first, second = _two(request, "pairs", a, b, dir, ("A", "B"))

    def attempt() -> Collection:
        indices = [Index(path, request.options) for path in (first, second)]
        scans = [files_below(path, request) for path in (first, second)]
        facts = [
            index.facts(scanned.files, request.progress) for index, scanned in zip(indices, scans)
        ]
        files, known = _matched(scans, facts, (first, second), request.options.fit == "stretch")
        files_a, files_b = (replace(scans[0], files=own) for own in files)
        of_a = read_files(f"{_name(first)}-a", files_a, known[0], request, index=indices[0])
        sized = _sized(request, of_a)
        of_b = read_files(f"{_name(first)}-b", files_b, known[1], sized, index=indices[1])
        for index in indices:
            index.save()
        return _joined(of_a, of_b, f"{_name(first)}-{_name(second)}")

    return patiently(request, attempt)


@source(
    "side-by-side",
    summary="pairs of images: both in one file, A in its left half and B in its right",
    licence="yours",
    paths=("dir",),
)
def side_by_side(request: Request, *, dir: str = "") -> Collection:
    """Files of even width, each two images of one size."""
    if not dir:
        raise UserError(f"--data {request.label}: say side-by-side:dir=DIR")
    path = _folder(request, Path(dir))

    def attempt() -> Collection:
        index, scanned = Index(path, request.options), files_below(path, request)
        facts = [_halved(fact) for fact in index.facts(scanned.files, request.progress)]
        left, right = (
            read_files(f"{_name(path)}-{cut.name}", scanned, facts, asked, cut, index=index)
            for cut, asked in ((LEFT, request), (RIGHT, request))
        )
        index.save()
        return _joined(left, right, _name(path))

    return patiently(request, attempt)


@source(
    "unpaired",
    summary="two folders of images of two kinds, without pairs",
    licence="yours",
    paths=("a", "b", "dir"),
)
def unpaired(request: Request, *, a: str = "", b: str = "", dir: str = "") -> Collection:
    """The images of two folders, each with its own number and splits."""
    parts = _two(request, "unpaired", a, b, dir, ("trainA", "trainB"))
    if dir:
        root = Path(dir).expanduser()
        scans = [_of_side(root, side) for side in "AB"]
    else:
        scans = [files_below(path, request) for path in parts]
    for scanned, path in zip(scans, parts):
        if not [
            file
            for file in scanned.files
            if not dir or file.name.startswith(("train/", "training/"))
        ]:
            raise UserError(f"--data {request.label}: no images in {shown(str(path))}")
    names = [_name(path) for path in parts]

    def attempt() -> Collection:
        if dir:  # the index of a folder holds all that was asked about, so both are asked at once
            indices = [Index(root, request.options)]
            every = indices[0].facts([*scans[0].files, *scans[1].files], request.progress)
            facts = [every[: len(scans[0].files)], every[len(scans[0].files) :]]
        else:
            indices = [Index(path, request.options) for path in parts]
            facts = [
                index.facts(scanned.files, request.progress)
                for index, scanned in zip(indices, scans)
            ]
        of_a = read_files(f"{names[0]}-a", scans[0], facts[0], request, index=indices[0])
        sized = _sized(request, of_a)
        of_b = read_files(f"{names[1]}-b", scans[1], facts[1], sized, index=indices[-1])
        for index in indices:
            index.save()
        return _joined(of_a, of_b, _name(root) if dir else "-".join(names), paired=False)

    return patiently(request, attempt)


# ---------------------------------------------------------------------------------- which files


def _two(
    request: Request, name: str, a: str, b: str, whole: str, parts: tuple[str, str]
) -> tuple[Path, Path]:
    """The two folders that the arguments name. UserError: which are missing."""
    if bool(whole) == bool(a or b) or bool(a) != bool(b):
        raise UserError(f"--data {request.label}: say {name}:a=DIR,b=DIR or {name}:dir=DIR")
    if not whole:
        return _folder(request, Path(a)), _folder(request, Path(b))
    root = Path(whole).expanduser()
    folders = [next(iter(_called(root, part)), root / part) for part in parts]
    return _folder(request, folders[0]), _folder(request, folders[1])


def _folder(request: Request, path: Path) -> Path:
    path = path.expanduser()
    if not path.is_dir():
        raise UserError(
            f"--data {request.label}: {shown(str(path))} is no folder: name folders of images"
        )
    return path


def _name(path: Path) -> str:
    return path.resolve().name or "images"


def _of_side(path: Path, side: str) -> Scan:
    """trainA, valA and testA below a folder (side "A") as the splits of one folder."""
    result = Scan()
    for split in SPLIT_NAMES:
        for folder in _called(path, f"{split}{side}"):
            below = scan(folder)
            result.files += [ScannedFile(file.file, f"{split}/{file.name}") for file in below.files]
            result.folders |= {split, *(f"{split}/{name}" for name in below.folders)}
            result.others += below.others
            result.aliases += below.aliases
            result.made += below.made
    return result


def _called(path: Path, name: str) -> list[Path]:
    """The folders of this name in `path`, in small letters or capitals."""
    try:
        inside = sorted(path.iterdir())
    except OSError:
        return []
    return [entry for entry in inside if entry.name.lower() == name.lower() and entry.is_dir()]


def _matched(
    scans: list[Scan], facts: list[list[Facts]], folders: tuple[Path, Path], stretch: bool
) -> tuple[list[list[ScannedFile]], list[list[Facts]]]:
    """The files of A and of B row by row, and what is known of them.

    A file without a partner, beside another of its name, or of another shape than its partner has
    an error in both lists, as has a pair of which one file cannot be read. Both sides of a row have
    A's name and content, for these decide its split and class.
    """
    sides: list[dict[str, tuple[ScannedFile, Facts]]] = [{}, {}]
    twice: list[tuple[ScannedFile, Facts]] = []
    for side, scanned, known in zip(sides, scans, facts):
        for file, fact in zip(scanned.files, known, strict=True):
            stem = file.name.rpartition(".")[0]
            if stem in side:
                twice.append((file, fact._replace(error="a second file of this name")))
            else:
                side[stem] = (file, fact)
    rows: list[tuple[tuple[ScannedFile, Facts], tuple[ScannedFile, Facts]]] = []
    for stem in sorted({*sides[0], *sides[1]}):
        one, other = sides[0].get(stem), sides[1].get(stem)
        if one is None or other is None:
            file, fact = one or other  # type: ignore[misc]
            where = shown(_name(folders[1 if other is None else 0]))
            alone = (file, fact._replace(error=f"no image of this name in {where}"))
            rows.append((alone, alone))
            continue
        error = one[1].error or other[1].error or ("" if stretch else _misfit(one[1], other[1]))
        partner = other[1]._replace(error=error, pixels=one[1].pixels)
        rows.append(
            (
                (one[0], one[1]._replace(error=error)),
                (ScannedFile(other[0].file, one[0].name), partner),
            )
        )
    rows += [(each, each) for each in twice]
    files = [[row[side][0] for row in rows] for side in (0, 1)]
    return files, [[row[side][1] for row in rows] for side in (0, 1)]


def _misfit(a: Facts, b: Facts) -> str:
    if abs(a.width * b.height / (a.height * b.width) - 1) <= ASPECT:
        return ""
    return f"of {a.width}x{a.height}, its partner of {b.width}x{b.height}: they do not overlie"


# -------------------------------------------------------------------------------------- reading


LEFT = Cut("left", lambda half: slice(0, half))
RIGHT = Cut("right", lambda half: slice(half, 2 * half))


def _halved(fact: Facts) -> Facts:
    """What is known of either half of a picture."""
    if fact.error or fact.width % 2 == 0:
        return fact._replace(width=fact.width // 2)
    return fact._replace(error=f"of odd width ({fact.width}): not two halves")


def _sized(request: Request, like: Collection) -> Request:
    """The request for the second domain: at the size that the first one has."""
    height, width = like.shape[1:]
    return replace(request, options=replace(request.options, size=f"{height}x{width}"))


def _joined(a: Collection, b: Collection, name: str, paired: bool = True) -> Collection:
    """Two collections as one of two domains."""
    parts: dict[str, Part] = {}
    for split, part in a.parts.items():
        beside = {"b": b.parts[split].images}
        if paired:
            parts[split] = replace(part, extra={**part.extra, **beside})
        else:
            parts[split] = replace(part, unpaired=beside)
    facts: dict[str, Any] = {
        "paired": paired,
        "channels": b.shape[0],
        "counts": {split: len(part) for split, part in b.parts.items()},
    }
    info = {**a.info, "name": shown(name), "second": facts}
    said = a.info.get("warnings", ())
    info["warnings"] = [*said, *(w for w in b.info.get("warnings", ()) if w not in said)]
    if not paired:
        facts["skipped"] = b.info["skipped"]
    identity = fingerprint([a.identity, b.identity, paired])
    return replace(a, parts=parts, info=info, identity=identity)
