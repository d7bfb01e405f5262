""".npy and .npz: mapped from the disk where they lie there as they are, else read forward.

Nothing is unpickled. A header must say what the file holds to the byte.
"""

from __future__ import annotations

import math
import mmap
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from genarium.data.decode import MEMORY
from genarium.data.files import beside
from genarium.data.files.reader import Asked, Reader, arranged, number, sensible
from genarium.data.formats import Bad
from genarium.data.names import shown
from genarium.errors import unreadable

LABELS = ("labels", "label", "y", "targets")  # arrays beside the images that are their labels
MOST_LABELS = 1 << 28  # bytes


class Header(NamedTuple):
    """shape, Fortran order and type of a stored array; start: where its values begin."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    start: int

    @property
    def bytes(self) -> int:
        return int(math.prod(self.shape)) * self.dtype.itemsize


def header(stream: IO[bytes]) -> Header:
    """The header of an array; the stream then stands at its first byte. Raises what numpy does."""
    version = npy_format.read_magic(stream)
    read = (
        npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    )
    shape, fortran, dtype = read(stream)
    return Header(shape, fortran, dtype, stream.tell())


@contextmanager
def npy(path: Path, asked: Asked) -> Iterator[Reader]:
    """The images of a .npy file, mapped."""
    with path.open("rb") as stream:
        known = _checked(stream, path.stat().st_size)
    yield _mapped(path, known, known.start, asked)


def image(data: bytes, asked: Asked) -> Reader:
    """One image, the content of a .npy file."""
    import io

    known = _checked(io.BytesIO(data), len(data))
    flat = np.frombuffer(data, known.dtype, math.prod(known.shape), known.start)
    values = shaped(flat, known)
    return arranged(known.shape, known.dtype, asked, lambda rows: values[rows], one=True)


def values(path: Path) -> NDArray:
    """A small array of a .npy file: labels."""
    with path.open("rb") as stream:
        known = _checked(stream, path.stat().st_size, texts=True)
        return _content(stream, known)


def _checked(stream: IO[bytes], size: int, texts: bool = False) -> Header:
    try:
        known = header(stream)
    except unreadable():
        raise Bad("not a readable .npy file") from None
    if not texts or known.dtype.kind not in "US":
        number(known.dtype)  # before anything of it is read: objects are pickles
    if min(known.shape, default=1) < 0 or size != known.start + known.bytes:
        raise Bad(f"does not hold the {list(known.shape)} values that it claims: write it again")
    return known


def _mapped(path: Path, known: Header, start: int, asked: Asked) -> Reader:
    if not known.bytes:
        raise Bad(f"an array of shape {list(known.shape)} holds nothing")
    order = "F" if known.fortran else "C"
    mapped = np.memmap(path, known.dtype, "r", start, known.shape, order)  # type: ignore[call-overload]

    def get(rows: tuple[slice, ...]) -> NDArray:
        let_go(mapped)
        return mapped[rows]

    return arranged(known.shape, known.dtype, asked, get)


def let_go(mapped: np.memmap) -> None:
    """Give back the memory of what was read of a file: it would count as this process's."""
    whole = getattr(mapped, "_mmap", None)
    if isinstance(whole, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        whole.madvise(mmap.MADV_DONTNEED)


def _content(stream: IO[bytes], known: Header) -> NDArray:
    if known.bytes > MOST_LABELS:
        raise Bad(f"labels of shape {list(known.shape)} take {known.bytes >> 20} MiB")
    data = stream.read(known.bytes)
    if len(data) != known.bytes:
        raise Bad("ends within an array: write it again")
    return shaped(np.frombuffer(data, known.dtype), known)


def shaped(flat: NDArray, known: Header) -> NDArray:
    """The values of a file in the axes that its header says."""
    if known.fortran:
        return flat.reshape(known.shape[::-1]).transpose()
    return flat.reshape(known.shape)


# ------------------------------------------------------------------------ npz


@contextmanager
def npz(path: Path, asked: Asked) -> Iterator[Reader]:
    """The images of an array in a .npz file: the one that is named, `images`, or the only one that
    may be images."""
    try:
        archive = zipfile.ZipFile(path)
    except unreadable():
        raise Bad("not a readable .npz file") from None
    with archive:
        members, seen = _members(archive)
        name = _chosen(members, seen, asked)
        info, known = members[name]
        sensible(known.shape, known.dtype, info.compress_size)
        plain = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1
        if plain:
            reader = _mapped(path, known, _start(path, info) + known.start, asked)
        else:
            reader = _forward(archive, info, known, asked)
        named = asked.labels if asked.labels in members else ""
        if not asked.labels:
            named = next((each for each in LABELS if each in members and each != name), "")
        if named:
            own, about = members[named]
            with archive.open(own) as stream:
                reader = replace(reader, labels=_content(stream, header(stream)._replace(start=0)))
            number(about.dtype) if about.dtype.kind not in "US" else None
        yield _with_range(archive, members, reader)


Members = dict[str, tuple[zipfile.ZipInfo, Header]]


def _with_range(archive: zipfile.ZipFile, members: Members, reader: Reader) -> Reader:
    """The reader with the range and the unit that stand beside its images."""
    entries = {}
    for key in beside.KEYS:
        if key not in members or members[key][1].bytes > beside.LONGEST:
            return reader
        with archive.open(members[key][0]) as stream:
            entries[key] = _content(stream, header(stream)._replace(start=0))
    full, unit = beside.said(entries, reader.dtype, reader.shape[1])
    return replace(reader, full=full, unit=unit)


def _members(archive: zipfile.ZipFile) -> tuple[Members, list[str]]:
    """The arrays that may be read, by name; and what there is, in words."""
    result: Members = {}
    seen: list[str] = []
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        try:
            with archive.open(info) as stream:
                known = header(stream)
        except unreadable():
            continue
        if known.dtype.hasobject:  # a pickle, which is never opened
            seen.append(f"{shown(name)} of Python objects")
            continue
        if min(known.shape, default=1) < 0 or info.file_size != known.start + known.bytes:
            raise Bad(
                f"{shown(name)} does not hold the {list(known.shape)} values that it claims: "
                "write it again"
            )
        seen.append(f"{shown(name)} {known.dtype} {list(known.shape)}")
        result[name] = (info, known)
    return result, seen


def _chosen(members: Members, seen: list[str], asked: Asked) -> str:
    if asked.name:
        if asked.name in members:
            return asked.name
        raise Bad(f"no array {shown(asked.name)}: there are {'; '.join(seen) or 'none'}")
    fitting = [
        name
        for name, (_, known) in members.items()
        if len(known.shape) in (3, 4) and known.dtype.kind in "buif" and known.bytes
    ]
    if "images" in fitting:
        return "images"
    if len(fitting) != 1:
        raise Bad(
            f"holds {'; '.join(seen) or 'no arrays'}: name the one of images behind a colon, or "
            "give one array `images`, [N,H,W,C]"
        )
    return fitting[0]


def _start(path: Path, info: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin in the file."""
    with path.open("rb") as stream:
        stream.seek(info.header_offset)
        local = stream.read(30)
    if len(local) != 30 or local[:4] != b"PK\3\4":
        raise Bad("not a readable .npz file")
    name, extra = struct.unpack("<HH", local[26:30])
    return info.header_offset + 30 + int(name) + int(extra)


def _forward(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, known: Header, asked: Asked
) -> Reader:
    """A compressed array, read from its start: of a block of images nothing else is kept."""
    first = arranged(known.shape, known.dtype, asked, lambda rows: np.empty(0))
    row = known.bytes // max(1, known.shape[0])
    if known.fortran or first.shape[0] != known.shape[0] or len(first) * row != known.bytes:
        if known.bytes > MEMORY:
            raise Bad("the images do not lie one after another: save it without compression")
        with archive.open(info) as stream:
            header(stream)
            whole = np.frombuffer(_exactly(stream, known.bytes, 0), known.dtype)
        values = shaped(whole, known)
        return arranged(known.shape, known.dtype, asked, lambda rows: values[rows])
    state = _Forward(archive, info, row)

    def get(rows: tuple[slice, ...]) -> NDArray:
        data = state.rows(rows[0].start, rows[0].stop)
        return np.frombuffer(data, known.dtype).reshape(-1, *known.shape[1:])

    return arranged(known.shape, known.dtype, asked, get)


class _Forward:
    """Rows of `size` bytes of a compressed array."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int):
        self.archive, self.info, self.size = archive, info, size
        self.stream: IO[bytes] | None = None
        self.at = 0

    def rows(self, start: int, stop: int) -> bytes:
        if self.stream is None or start < self.at:
            try:
                self.stream = self.archive.open(self.info)
                header(self.stream)
            except unreadable():
                raise Bad("not a readable .npz file") from None
            self.at = 0
        while self.at < start:
            few = min(start - self.at, max(1, (1 << 24) // self.size))
            _exactly(self.stream, few * self.size, self.at)
            self.at += few
        data = _exactly(self.stream, (stop - start) * self.size, start)
        self.at = stop
        return data


def _exactly(stream: IO[bytes], size: int, row: int) -> bytes:
    try:
        data = stream.read(size)
    except unreadable():
        data = b""
    if len(data) != size:
        raise Bad(f"the file is damaged or ends after image {row}: write it again")
    return data
