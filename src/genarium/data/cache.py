"""The cache on disk: one folder for each data set, size and policy, memory-mapped.

    <root>/images/<name>-<H>x<W>x<C>-<key>/
        meta.json                 key, shape, type, classes, info; size and CRC-32 of the rest
        meta.crc32                CRC-32 of meta.json
        train.bin ...             [N,C,H,W] as stored, C order, little-endian, no header
        train.npz ...             labels and extra arrays
        train.json ...            captions, where there are any

A folder is built under a temporary name and renamed when it is whole, so a cache is either absent
or complete. A damaged one (wrong size or checksum) is built again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from genarium.data.collection import (
    DTYPES,
    Collection,
    Part,
    complete,
    conform,
    fingerprint,
    policy,
)
from genarium.data.options import DataOptions
from genarium.data.registry import Request
from genarium.errors import UserError, unreadable

FORMAT = 1
STALE = 24 * 3600  # seconds after which an unfinished folder is nobody's, on disks without locks


def root(options: DataOptions) -> Path:
    """The cache folder: the option, GENARIUM_CACHE, or the user's cache folder."""
    named = options.cache or os.environ.get("GENARIUM_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "genarium"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns a full, read-only or missing disk into a `UserError` that says what to do."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cache folder {folder} cannot be written ({error.strerror or error}): free some "
            "space, or name another folder with --cache DIR or GENARIUM_CACHE"
        ) from error


@contextmanager
def lock(folder: Path, name: str) -> Iterator[None]:
    """Only one process at a time inside; freed by the system when a process dies.

    It saves double work. Correctness never depends on it (every result is renamed into place),
    so a system or disk without such locks goes on without.
    """
    with writing(folder):
        (folder / "locks").mkdir(parents=True, exist_ok=True)
        file = (folder / "locks" / f"{name}.lock").open("w")
    with file:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def entry(
    options: DataOptions,
    name: str,
    shape: tuple[int, int, int],
    identity: str,
    dtype: str = "uint8",
) -> Path:
    """The folder of a data set at (C, H, W) `shape`, of `dtype`, under the policy of `options`."""
    channels, height, width = shape
    known = {"format": FORMAT, "identity": identity, "policy": policy(options, shape)}
    key = fingerprint(known if dtype == "uint8" else {**known, "dtype": dtype})
    slug = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:40].strip("._") or "images"
    return root(options) / "images" / f"{slug}-{height}x{width}x{channels}-{key[:24]}"


class Writer:
    """Writes one cache folder, image by image. A failing disk is a `UserError`."""

    def __init__(self, folder: Path, shape: tuple[int, int, int], base: Path):
        self.folder, self.shape, self.base = folder, shape, base
        self.counts: dict[str, int] = {}
        self.dtype = ""
        self._open: dict[str, IO[bytes]] = {}
        self._sums: dict[str, int] = {}

    def append(self, split: str, images: NDArray) -> None:
        """Add images [N,C,H,W] to a split, all of one type."""
        assert images.shape[1:] == self.shape, (images.shape, self.shape)
        self.dtype = self.dtype or str(images.dtype)
        assert self.dtype == str(images.dtype) in DTYPES, (images.dtype, self.dtype)
        data = np.ascontiguousarray(images).data
        with writing(self.base):
            if split not in self._open:
                self._open[split] = (self.folder / f"{split}.bin").open("wb")
                self.counts[split] = self._sums[split] = 0
            self._open[split].write(data)
        self._sums[split] = zlib.crc32(data, self._sums[split])
        self.counts[split] += len(images)

    def finish(self, collection: Collection) -> None:
        """Write all but the images of `collection`, then meta.json."""
        files = {}
        with writing(self.base):
            for split, stream in self._open.items():
                stream.flush()
                os.fsync(stream.fileno())
                files[f"{split}.bin"] = [stream.tell(), self._sums[split]]
            for split, part in collection.parts.items():
                arrays = (
                    dict(part.extra) if part.labels is None else {"": part.labels, **part.extra}
                )
                if arrays or part.unpaired:
                    # a prefix leaves every name to the extra arrays, and "" to the labels
                    prefixed = {f"_{name}": values for name, values in arrays.items()}
                    prefixed |= {f"~{name}": values for name, values in part.unpaired.items()}
                    np.savez(self.folder / f"{split}.npz", allow_pickle=False, **prefixed)
                    files[f"{split}.npz"] = _sum(self.folder / f"{split}.npz")
                if part.captions is not None:
                    (self.folder / f"{split}.json").write_text(json.dumps(part.captions))
                    files[f"{split}.json"] = _sum(self.folder / f"{split}.json")
            meta = {
                "format": FORMAT,
                "identity": collection.identity,
                "shape": self.shape,
                "dtype": self.dtype or "uint8",
                "full": collection.full,
                "unit": collection.unit,
                "counts": {split: self.counts.get(split, 0) for split in collection.parts},
                "classes": collection.classes,
                "info": collection.info,
                "files": files,
            }
            text = json.dumps(meta, indent=1).encode()
            (self.folder / "meta.crc32").write_text(f"{zlib.crc32(text):08x}")
            with (self.folder / "meta.json").open("wb") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())

    def close(self) -> None:
        for stream in self._open.values():
            # closing flushes; on a full disk that raises what writing has said already
            with contextlib.suppress(OSError):
                stream.close()


def obtain(
    options: DataOptions,
    name: str,
    shape: tuple[int, int, int],
    identity: str,
    fill: Callable[[Writer], Collection],
    dtype: str = "uint8",
) -> Collection:
    """The collection from the cache; built first by `fill` where it is absent or damaged.

    fill: appends all images, of `dtype`, to the writer and returns everything else (its images are
    ignored).
    """
    place = entry(options, name, shape, identity, dtype)
    result = read(place)
    if result is not None:
        return result
    base = root(options)
    with lock(base, place.name):
        result = read(place)  # another process may have built it meanwhile
        if result is not None:
            return result
        with _building(base, place, shape) as writer:
            made = fill(writer)
            made.identity = identity
            writer.finish(made)
    result = read(place)
    if result is None:
        raise UserError(
            f"cache folder {base} does not give back what was written to it: name another one "
            "with --cache DIR or GENARIUM_CACHE"
        )
    return result


@contextmanager
def _building(base: Path, place: Path, shape: tuple[int, int, int]) -> Iterator[Writer]:
    """A `Writer` on a temporary folder that becomes `place` when the block ends well."""
    with writing(base):
        folder = temporary(place.parent)
    writer = Writer(folder, shape, base)
    try:
        yield writer
        writer.close()
        with writing(base):
            if read(place) is not None:
                return  # built by another process meanwhile, which may be reading it
            if place.exists():  # a damaged one: out of the way in one step
                place.rename(folder.with_name(folder.name + "-damaged"))
            try:
                folder.rename(place)
            except OSError:
                if read(place) is None:
                    raise
    finally:
        writer.close()
        discard(folder)
        shutil.rmtree(folder.with_name(folder.name + "-damaged"), ignore_errors=True)


_held: dict[Path, int] = {}  # the folders that this process builds in, each with its lock


def temporary(parent: Path) -> Path:
    """A new folder in `parent` to build in, with the permissions that the user's folders have.

    It is locked for as long as this process lives, until `discard`. Sweeps away what builds that
    were killed have left.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(".tmp-*"):
        with contextlib.suppress(OSError):
            _sweep(left)
    while True:
        folder = parent / f".tmp-{uuid.uuid4().hex}"
        folder.mkdir()
        with contextlib.suppress(FileNotFoundError):  # swept before it was locked: once more
            descriptor = os.open(folder, os.O_RDONLY)
            _lock(descriptor, wait=True)
            if folder.exists():
                _held[folder] = descriptor
                return folder
            os.close(descriptor)


def discard(folder: Path) -> None:
    """Let go of a folder that `temporary` gave, and remove it where it was not renamed."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder in _held:
        os.close(_held.pop(folder))


def _lock(descriptor: int, *, wait: bool) -> bool | None:
    """Lock an open folder; False where another process has it, None where there are no locks."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


def _sweep(left: Path) -> None:
    """Remove an unfinished folder unless the process that builds in it lives."""
    descriptor = os.open(left, os.O_RDONLY)
    try:
        free = _lock(descriptor, wait=False)
        if free is None:  # no locks on this disk: by age
            free = time.time() - left.stat().st_mtime > STALE
        if free:
            shutil.rmtree(left, ignore_errors=True)
    finally:
        os.close(descriptor)


def _sum(path: Path) -> list[int]:
    """[bytes, CRC-32] of a file."""
    size = total = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            total = zlib.crc32(block, total)
            size += len(block)
    return [size, total]


def read(place: Path) -> Collection | None:
    """The cached collection, images memory-mapped; None where it is absent or damaged."""
    try:
        text = (place / "meta.json").read_bytes()
        total = place / "meta.crc32"  # folders of earlier versions have none
        if total.exists() and total.read_text() != f"{zlib.crc32(text):08x}":
            return None
        meta = json.loads(text)
        if meta["format"] != FORMAT:
            return None
        if any(_sum(place / name) != said for name, said in meta["files"].items()):
            return None
        shape = tuple(meta["shape"])
        dtype = np.dtype(meta.get("dtype", "uint8")).newbyteorder("<")  # earlier ones: 8 bits
        parts = {
            split: _part(place, split, (n, *shape), dtype) for split, n in meta["counts"].items()
        }
        full = meta.get("full")
        return Collection(
            parts,
            tuple(meta["classes"]),
            meta["info"],
            meta["identity"],
            full=None if full is None else (tuple(full[0]), tuple(full[1])),
            unit=meta.get("unit", ""),
        )
    except unreadable():
        return None  # whatever is wrong with it, it can be built again


def _part(place: Path, split: str, shape: tuple[int, ...], dtype: np.dtype) -> Part:
    if shape[0] == 0:  # nothing cannot be mapped
        images = np.empty(shape, dtype)
    else:
        # copy-on-write: a stray in-place change stays private to the process
        images = np.memmap(place / f"{split}.bin", dtype, "c", shape=shape)
    arrays: dict[str, NDArray] = {}
    unpaired: dict[str, NDArray] = {}
    if (place / f"{split}.npz").exists():
        with np.load(place / f"{split}.npz", allow_pickle=False) as stored:
            arrays = {name[1:]: stored[name] for name in stored.files if name[0] == "_"}
            unpaired = {name[1:]: stored[name] for name in stored.files if name[0] == "~"}
    captions = None
    if (place / f"{split}.json").exists():
        captions = json.loads((place / f"{split}.json").read_text())
    return Part(images, arrays.pop("", None), arrays, captions, unpaired=unpaired)


def cached(
    request: Request,
    name: str,
    identity: str,
    native: tuple[int, int, int],
    make: Callable[[], Collection],
    dtype: str = "uint8",
) -> Collection:
    """`make()` at the size that the request asks for, from the cache if it is there.

    identity: what `make` would read, in words that need no reading. native, dtype: (C, H, W) and
    the type of what `make` gives.
    """
    options = request.options
    height, width = options.height_width or native[1:]

    def fill(writer: Writer) -> Collection:
        made = conform(complete(make()), options)
        for split, part in made.parts.items():
            for start in range(0, len(part), 4096):
                writer.append(split, part.images[start : start + 4096])
        return made

    shape = (options.channels or native[0], height, width)
    eight = options.eight_bit and dtype == "uint16"
    return obtain(options, name, shape, identity, fill, "uint8" if eight else dtype)
