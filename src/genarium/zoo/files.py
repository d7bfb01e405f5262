"""Where the files of an entry are, and how they get there: each is held against its SHA-256.

An entry lies in the package, or in a checkout beside it (zoo/NAME), or in the cache, into which it
is fetched once. What is fetched are files by the names of the catalogue alone; nothing of them is
executed, and none is a pickle.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from genarium.data import cache
from genarium.data.download import Official
from genarium.data.download import fetch as download
from genarium.data.options import DataOptions
from genarium.errors import UserError
from genarium.zoo.catalogue import Entry, File, catalogue

PACKAGE = Path(__file__).parent / "runs"
CHECKOUT = Path(__file__).parents[3] / "zoo"
"""Beside the source of a checkout; of an installed package no such folder is there."""
ADDRESSES = ("https://", "http://")


def folder(name: str, place: str | None = None, *, progress: bool = False) -> Path:
    """The run folder of an entry, fetched where it is not here yet.

    place: an address or a folder that has it as NAME/FILE (default: that of the catalogue). Raises
    UserError for an unknown name, for an entry that is nowhere, and for a damaged one.
    """
    entry = catalogue().get(name)
    if own(entry).is_dir():
        return _checked(own(entry), entry, "restore it, or install Genarium again")
    here = cached(entry)
    if not wrong(here, entry.files):
        return here
    source = place or catalogue().place
    if not source:
        raise UserError(
            f"zoo:{name} is not in the package: `genarium zoo fetch {name} --from PLACE` takes it "
            "from an address or a folder that has it, once"
        )
    for path, file in entry.files.items():
        if wrong(here, {path: file}):
            _fetch(entry, path, file, source, progress)
    return _checked(here, entry, f"remove {here}")


def own(entry: Entry) -> Path:
    """Where an entry lies that came with the package or the checkout."""
    return (PACKAGE if entry.shipped else CHECKOUT) / entry.name


def cached(entry: Entry) -> Path:
    """Where in the cache an entry lies: other weights of the same name lie elsewhere."""
    sums = "".join(file.sha256 for file in entry.files.values())
    digest = hashlib.sha256(sums.encode()).hexdigest()[:12]
    return cache.root(DataOptions()) / "zoo" / f"{entry.name}-{digest}"


def whereabouts(entry: Entry) -> str:
    """Where an entry can be loaded from without a network, in words; "" where nowhere."""
    if (own(entry) / "run.json").is_file():
        return "in the package" if entry.shipped else "in this copy of the source"
    return "in the cache" if (cached(entry) / "run.json").is_file() else ""


def is_here(entry: Entry) -> bool:
    """Whether an entry can be loaded without a network."""
    return bool(whereabouts(entry))


def wrong(folder: Path, files: Mapping[str, File]) -> str:
    """What is wrong with the files of a folder; "" where all are as their sums say."""
    for name, file in files.items():
        try:
            content = (folder / name).read_bytes()
        except OSError:
            return f"{name} is missing"
        if hashlib.sha256(content).hexdigest() != file.sha256:
            return f"{name} is damaged (its SHA-256 is not that of the catalogue)"
    return ""


def _checked(folder: Path, entry: Entry, remedy: str) -> Path:
    problem = wrong(folder, entry.files)
    if problem:
        raise UserError(f"zoo:{entry.name}: {problem}: {remedy}")
    return folder


def _fetch(entry: Entry, path: str, file: File, source: str, progress: bool) -> None:
    """One file into the cache, from an address or a folder."""
    target = cached(entry) / path
    root = cache.root(DataOptions())
    with cache.writing(root):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # a damaged one
    if source.startswith(ADDRESSES):
        base, _, name = f"{source.rstrip('/')}/{entry.name}/{path}".rpartition("/")
        official = Official(entry.name, name, file.sha256, file.size)
        remedy = f"name another place: `genarium zoo fetch {entry.name} --from PLACE`"
        download(official, (f"{base}/",), target.parent, root, progress, otherwise=remedy)
        return
    origin = Path(source).expanduser() / entry.name
    problem = wrong(origin, {path: file})
    if problem:
        raise UserError(f"--from {source}: {entry.name}/{problem}: name another place")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with cache.writing(root):
        temporary.write_bytes((origin / path).read_bytes())
        temporary.replace(target)
