"""From a path and what is said behind it to the reader of its format."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from genarium.data.files import arrays, containers, medical, tiff
from genarium.data.files.reader import Asked, Reader
from genarium.data.formats import Bad, strict
from genarium.errors import unreadable


class Format(NamedTuple):
    """endings: of file names. open: (path, what is asked) -> a context that gives the reader.
    takes: the arguments that mean something to it."""

    endings: tuple[str, ...]
    open: Callable[..., contextlib.AbstractContextManager[Reader]]
    takes: tuple[str, ...]


FORMATS = (
    Format((".npy",), arrays.npy, ("layout", "labels")),
    Format((".npz",), arrays.npz, ("name", "layout", "labels")),
    Format((".h5", ".hdf5", ".hdf"), containers.hdf5, ("name", "layout", "labels")),
    Format((".zarr",), containers.zarr, ("name", "layout", "labels")),
    Format((".tif", ".tiff"), tiff.tiff, ("pages", "labels")),
    Format((".dcm", ".dicom"), medical.dicom, ("labels",)),
    Format((".nii", ".nii.gz"), medical.nifti, ("axis", "labels")),
)


def format_of(path: Path) -> Format | None:
    """The format of a file by its ending, or of a zarr folder."""
    name = path.name.lower()
    with contextlib.suppress(OSError):
        if path.is_dir():
            return FORMATS[3] if containers.is_zarr(path) else None
        for each in FORMATS:
            if name.endswith(each.endings) and path.is_file():
                return each
    return None


@contextmanager
def opened(path: Path, asked: Asked) -> Iterator[Reader]:
    """The reader of a file. `Bad`: with the reason, whatever its bytes are. Enter it in the main
    thread (see `strict`)."""
    form = format_of(path)
    if form is None:
        raise Bad("no file of arrays: .npy, .npz, .h5, .zarr, .tif, .dcm or .nii")
    for name in Asked._fields:
        if getattr(asked, name) and name not in form.takes:
            raise Bad(
                f"{name}={getattr(asked, name)} means nothing to {form.endings[0]}: leave it out"
            )
    with strict(), sound(), form.open(path, asked) as reader:
        yield reader


@contextmanager
def sound() -> Iterator[None]:
    """Turns what the readers raise on damaged files into `Bad`."""
    try:
        yield
    except Bad:
        raise
    except broken() as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise Bad(f"cannot be read ({error.strerror})") from None
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise Bad(f"damaged, or not what its name says ({words})") from None


def broken() -> tuple[type[BaseException], ...]:
    """What Python's, numpy's and the extras' readers raise on damaged files."""
    import sys

    # what numcodecs lets happen where a chunk of zarr claims a negative size
    errors: list[type[BaseException]] = [*unreadable(), SystemError]
    for module, names in (
        ("pydicom.errors", ("InvalidDicomError", "BytesLengthException")),
        ("nibabel.filebasedimages", ("ImageFileError",)),
        ("nibabel.spatialimages", ("HeaderDataError",)),
        ("nibabel.wrapstruct", ("WrapStructError",)),
        ("zarr.errors", ("BaseZarrError",)),
    ):
        for name in names:
            kind = getattr(sys.modules.get(module), name, None)
            if isinstance(kind, type) and issubclass(kind, BaseException):
                errors.append(kind)
    return tuple(errors)


def stamp(path: Path) -> list[int] | None:
    """[bytes, latest change of content, latest change of status] of a file, or of all in a folder:
    what has it is taken for unchanged. None: it cannot be looked at."""
    total = changed = status = 0
    try:
        below = [path]
        if path.is_dir():
            below = [Path(home) / name for home, _, names in os.walk(path) for name in names]
        for each in below:
            known = each.stat()
            total += known.st_size
            changed = max(changed, known.st_mtime_ns)
            status = max(status, known.st_ctime_ns if os.name == "posix" else known.st_mtime_ns)
    except OSError:
        return None
    return [total, changed, status]
