"""A .zip or .tar of images: unpacked once into the cache, then read like a folder.

An archive is refused as a whole when it tries to reach outside (`../`, absolute paths, links),
when it would grow beyond reason (a bomb), or when it is encrypted or damaged. Only image files
are unpacked.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import hashlib
import io
import lzma
import re
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from genarium.data import cache
from genarium.data.addresses import address
from genarium.data.collection import Collection
from genarium.data.decode import SUFFIXES
from genarium.data.layout import SPLIT_NAMES
from genarium.data.names import shown
from genarium.data.registry import Request, source
from genarium.data.scan import KINDS, LITTER, OUTPUT, RUN, STUDY, TEXTS
from genarium.data.sources.folder import read_folder
from genarium.errors import UserError, unreadable

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ALWAYS_ALLOWED = 1 << 30  # bytes unpacked; beyond it the growth decides
GROWTH = 100  # images hardly compress, so this is far beyond any archive of images
MEMBERS = 2_000_000
UNPACKED = 4  # raise it when other kinds of members are taken out
ENDINGS_INSIDE = (*SUFFIXES, *TEXTS, *KINDS)
MARKS = (RUN, "config.yaml", OUTPUT, STUDY)  # tell what this program made
BLOCK = 1 << 20  # bytes that are unpacked together
HEADER = 1 << 24  # bytes that the reader of an archive may ask for at once: names, not pictures


class _Refused(Exception):
    """The reason why an archive is not unpacked."""


class _Member(NamedTuple):
    name: str
    size: int
    kind: str  # "file", "folder" or what else it is
    stream: IO[bytes] | None


def _is_archive(text: str) -> bool:
    named = address(text)
    with contextlib.suppress(OSError):
        return (
            named is not None and named.path.name.lower().endswith(ENDINGS) and named.path.is_file()
        )
    return False


@source(
    "ARCHIVE",
    summary="a .zip or .tar of such a folder",
    licence="yours",
    matches=_is_archive,
)
def archive(request: Request) -> Collection:
    """An archive named by its path."""
    named = address(request.source)
    assert named is not None
    path = named.path
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"--data {request.label}: cannot be read ({error.strerror})") from error
    root = cache.root(request.options)
    place = root / "archives" / f"{sha256[:32]}-{UNPACKED}"
    if not place.is_dir():
        try:
            with cache.lock(root, f"archive-{place.name}"):
                if not place.is_dir():
                    _unpack(path, place, root)
        except _Refused as reason:
            raise UserError(
                f"--data {request.label}: the archive is refused: {reason}; "
                "unpack it yourself and name the folder"
            ) from reason
        except unreadable() as error:
            words = shown(str(error) or type(error).__name__)
            raise UserError(
                f"--data {request.label}: the archive is damaged or encrypted ({words}): "
                "get it again, or unpack it yourself and name the folder"
            ) from error
    collection = read_folder(_heart(place), request)
    collection.info["name"] = shown(path.name)
    return collection


def _heart(place: Path) -> Path:
    """Below folders that hold nothing but one folder: most archives wrap theirs into one."""
    while True:
        inside = list(place.iterdir())
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].name.lower() in SPLIT_NAMES:
            return place
        place = inside[0]


def _unpack(path: Path, place: Path, root: Path) -> None:
    allowed = max(ALWAYS_ALLOWED, GROWTH * path.stat().st_size)
    with cache.writing(root):
        folder = cache.temporary(place.parent)
    try:
        total = 0
        for count, member in enumerate(_members(path)):
            target = _safe(member)
            total += member.size
            if total > allowed or count > MEMBERS:
                raise _Refused(f"it unpacks to more than {GROWTH} times its size (a bomb)")
            if target is not None and member.stream is not None:
                _write(folder / target, member, root)
        with cache.writing(root):
            folder.rename(place)
    finally:
        cache.discard(folder)


def _write(target: Path, member: _Member, root: Path) -> None:
    """A member's content into a file. What is wrong with the archive and what with the disk are
    told apart: only writing blames the cache folder."""
    assert member.stream is not None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        taken = target.exists()
    except (FileExistsError, NotADirectoryError):
        taken = True
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _Refused(f"{shown(member.name)[:80]}... is too long a name") from None
        with cache.writing(root):
            raise
    if taken:
        raise _Refused(f"{shown(member.name)} is in it twice")
    with cache.writing(root):
        out = target.open("wb")
    with out:
        while block := member.stream.read(BLOCK):
            with cache.writing(root):
                out.write(block)


class _Bounded(io.RawIOBase):
    """A stream of which nobody reads more than `HEADER` bytes at once.

    A tar may claim a name of gigabytes, and a compressed one holds them in a few bytes.
    """

    def __init__(self, stream: IO[bytes]):
        super().__init__()
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > HEADER:
            raise _Refused(f"a header of {size} bytes")
        return self.stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        return self.stream.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def _decompressed(file: IO[bytes]) -> IO[bytes]:
    """The tar in a file, by its first bytes and not by its name."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start.startswith((b"\xfd7zXZ\x00", b"]\0\0\x80")):
        return lzma.LZMAFile(file)
    return file


def _members(path: Path) -> Iterator[_Member]:
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as zipped:
            for info in zipped.infolist():
                mode = info.external_attr >> 16
                kind = "link" if stat.S_ISLNK(mode) else "folder" if info.is_dir() else "file"
                if kind == "file":
                    with zipped.open(info) as stream:
                        yield _Member(info.filename, info.file_size, kind, stream)
                else:
                    yield _Member(info.filename, info.file_size, kind, None)
    else:
        with (
            path.open("rb") as file,
            _decompressed(file) as stream,
            tarfile.open(fileobj=_Bounded(stream), mode="r:") as tar,
        ):
            for item in tar:
                link = item.issym() or item.islnk()
                kind = "folder" if item.isdir() else "link" if link else "special file"
                if item.isfile():
                    yield _Member(item.name, item.size, "file", tar.extractfile(item))
                else:
                    yield _Member(item.name, item.size, kind, None)
            # tarfile takes the end of the file for the end of the archive; a whole one ends in
            # a block of zeros, which it has read by now
            if tar.fileobj is None or tar.fileobj.tell() < tar.offset + tarfile.BLOCKSIZE:
                raise EOFError("it is cut short")


def _safe(member: _Member) -> Path | None:
    """Where below the folder a member belongs; None for what is left packed."""
    name = member.name.replace("\\", "/")
    label = shown(member.name)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise _Refused(f"{label} is an absolute path")
    if ".." in parts or "\0" in name:
        raise _Refused(f"{label} leads outside")
    if member.kind not in ("file", "folder"):
        raise _Refused(f"{label} is a {member.kind}")
    if member.kind == "folder" or not parts:
        return None
    if parts[-1] in MARKS:
        return Path(*parts)
    hidden = any(part.startswith(".") or part.lower() in LITTER for part in parts)
    if hidden or not parts[-1].lower().endswith(ENDINGS_INSIDE):
        return None
    return Path(*parts)
