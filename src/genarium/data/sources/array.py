"""A file of arrays, or one of many images: .npy, .npz, HDF5, zarr, a TIFF stack, DICOM, NIfTI.

set.npz:images,layout=NHWC   set.h5:train/x,labels=train/y   stack.tif:pages=channels
scan.npy:labels=names.npy    volume.nii.gz:axis=z            data.zarr:images
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from genarium.data.addresses import address
from genarium.data.collection import Collection
from genarium.data.files import arrays
from genarium.data.files.opening import format_of, opened, sound, stamp
from genarium.data.files.reader import Asked, Reader
from genarium.data.formats import Bad
from genarium.data.index import Memory
from genarium.data.registry import Request, source
from genarium.data.stacks import read_stack


def _is_array(text: str) -> bool:
    named = address(text)
    return named is not None and format_of(named.path) is not None


@source(
    "FILE",
    summary="arrays of images: .npy, .npz, .h5, .zarr, a TIFF stack, DICOM, NIfTI",
    licence="yours",
    matches=_is_array,
    paths=("labels",),
    positional="name",
)
def array(
    request: Request,
    *,
    name: str = "",
    layout: str = "",
    labels: str = "",
    pages: str = "",
    axis: str = "",
) -> Collection:
    """A file of arrays named by its path.

    name: of the array in it. layout: a letter an axis, NHWC, NCHW, NHW. labels: the array of labels
    in the file, or a .npy file of them. pages: of a TIFF: images or channels. axis: of a volume: x,
    y or z, along which slices are taken.
    """
    named = address(request.source)
    assert named is not None
    asked = Asked(name, layout, labels, pages, axis)
    path = named.path
    beside = Path(labels).expanduser() if labels else None
    own = beside is not None and beside.suffix.lower() == ".npy" and beside.is_file()
    if own:
        asked = asked._replace(labels="")
    marks = [stamp(path), stamp(beside) if own and beside else None]
    memory = Memory(path, request.options, marks, [*asked, labels])
    open_it = functools.partial(_with_labels, path, asked, beside if own else None, labels)
    return read_stack(path.resolve().name, request, open_it, memory)


@contextmanager
def _with_labels(path: Path, asked: Asked, file: Path | None, said: str) -> Iterator[Reader]:
    """The reader, with the labels of a file beside it."""
    with opened(path, asked) as reader:
        if file is not None:
            with sound():
                reader = replace(reader, labels=arrays.values(file))
        elif said and reader.labels is None:
            raise Bad(f"labels={said}: there is no such array in it, nor a .npy file")
        yield reader
