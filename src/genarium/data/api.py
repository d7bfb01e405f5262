"""load, prepare and describe: from a source's name to a data set."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from genarium.data import labels, ranges, showing
from genarium.data.collection import (
    Collection,
    binarize,
    complete,
    conform,
    fingerprint,
    policy,
)
from genarium.data.names import shown
from genarium.data.options import DataOptions
from genarium.data.registry import Request, Source, find
from genarium.errors import UserError

if TYPE_CHECKING:
    from genarium.data.dataset import Dataset

log = logging.getLogger("genarium.data")


def collect(
    source: str | os.PathLike[str],
    options: DataOptions,
    *,
    progress: bool = True,
    expected: str = "",
    warn: bool = True,
) -> tuple[Source, Collection, str]:
    """The source, its images as numpy arrays, and the manifest; imports no torch.

    expected: the manifest that is hoped for. That of data which an earlier version binarized gives
    the same bits again; they were drawn in another way.
    """
    if not isinstance(source, str | os.PathLike):
        raise UserError(f"data: of type {type(source).__name__}: give a path or a name")
    source = os.fspath(source)
    entry = find(source)
    collection = entry.read(Request(source, options, progress))
    made = finished(collection, options, source, entry.licence, expected=expected, warn=warn)
    return entry, *made


def finished(
    collection: Collection,
    options: DataOptions,
    source: str,
    licence: str,
    *,
    expected: str = "",
    warn: bool = True,
) -> tuple[Collection, str]:
    """What a source gave, as the options ask: all splits, size, labels, range; and its manifest."""
    collection = conform(complete(collection), options)
    collection = labels.attach(collection, options, shown(source))
    train = collection.parts["train"]
    if options.binarize and "b" in {**train.extra, **train.unpaired}:
        raise UserError(f"--binarize {options.binarize}: images of two domains stay as they are")
    collection = ranges.applied(collection, options, source)
    if options.binarize and ranges.hashed(collection):
        kind = f"{collection.dtype}, {collection.info['values']['range']}"
        if collection.dtype == "uint16":
            kind += ": read them as 8 bits with --range 8-bit"
        raise UserError(
            f"--binarize {options.binarize}: of images of 8 bits on 0 to 255; these are {kind}"
        )
    rules = {**policy(options, collection.shape), **ranges.hashed(collection)}
    if options.binarize:
        rules = {**rules, "binarize": options.binarize}
    manifest = fingerprint({"identity": collection.identity, "policy": rules})
    if options.binarize == "static":  # after the cache, which grey and binarized data share
        by_place = manifest == expected
        collection = binarize(collection, by_place)
        if not by_place:
            rules = {**rules, "draw": "by content"}
            manifest = fingerprint({"identity": collection.identity, "policy": rules})
    counts = {name: len(part) for name, part in collection.parts.items()}
    collection.shown = showing.chosen(options.show, collection.shape[0])
    shown_as = showing.in_words(collection.shown, collection.shape[0])
    collection.info = {
        "source": shown(source),
        "licence": licence,
        "classes": list(collection.classes),
        **collection.info,
        "policy": {**rules, **collection.info.get("policy", {})},
        "counts": {**counts, "total": sum(counts.values())},
    }
    if shown_as:
        collection.info["shown"] = shown_as
    for warning in collection.info.get("warnings", ()) if warn else ():
        log.warning("%s: %s", shown(source), warning)
    return collection, manifest


def load(
    source: str | os.PathLike[str],
    options: DataOptions | None = None,
    *,
    progress: bool = True,
    expected: str = "",
    warn: bool = True,
) -> Dataset:
    """A data set by the name of its source, or by the path of a folder or archive of images.

    Built once and cached where that takes time. UserError: the source does not exist, is broken
    beyond `max_bad`, leaks images between splits, or the cache cannot be written. expected: see
    `collect`. warn: log what `info["warnings"]` holds.
    """
    from genarium.data.dataset import to_dataset

    entry, collection, manifest = collect(
        source, options or DataOptions(), progress=progress, expected=expected, warn=warn
    )
    name = collection.info.get("name", entry.name)
    return to_dataset(collection, name, manifest)


def describe(
    source: str | os.PathLike[str], options: DataOptions | None = None, *, progress: bool = True
) -> dict[str, Any]:
    """JSON-able facts of a data set (shape, counts, policy, what was skipped ...); no torch."""
    entry, collection, manifest = collect(source, options or DataOptions(), progress=progress)
    channels, height, width = collection.shape
    return {
        "name": collection.info.get("name", entry.name),
        "manifest": manifest,
        "channels": channels,
        "height": height,
        "width": width,
        **collection.info,
    }


def prepare(
    source: str | os.PathLike[str], options: DataOptions | None = None, *, progress: bool = True
) -> dict[str, Any]:
    """Download and cache a data set so that later verbs start at once; gives `describe`."""
    return describe(source, options, progress=progress)
