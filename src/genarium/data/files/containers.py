"""HDF5 and zarr: `file.h5:name`, `folder.zarr:name`. What is asked for is read, chunk by chunk."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genarium.data.files.arrays import LABELS, MOST_LABELS
from genarium.data.files.reader import Asked, Reader, arranged, number, optional, sensible
from genarium.data.formats import Bad
from genarium.data.names import shown

ZARR = ("zarr.json", ".zarray", ".zgroup")  # one of them lies in a zarr's folder
SEEN = 10_000  # arrays of a file that are looked at
FEW = 8  # that a message names


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr array or group."""
    with contextlib.suppress(OSError):
        return any((path / mark).is_file() for mark in ZARR)
    return False


@contextmanager
def hdf5(path: Path, asked: Asked) -> Iterator[Reader]:
    """The images of a data set in an HDF5 file."""
    h5py = optional("h5py", "HDF5")
    with h5py.File(path, "r") as file:
        named: dict[str, Any] = {}

        def note(name: str, item: Any) -> bool | None:
            if isinstance(item, h5py.Dataset):
                named[name] = item
            return True if len(named) >= SEEN else None

        file.visititems(note)  # soft and external links are not followed
        array = _chosen(named, asked)
        if array.external or array.is_virtual:
            raise Bad("its values lie in other files: copy them into this one")
        yield _reader(array, named, asked, array.id.get_storage_size())


@contextmanager
def zarr(path: Path, asked: Asked) -> Iterator[Reader]:
    """The images of an array in a zarr folder."""
    library = optional("zarr", "zarr")
    opened = library.open(path, mode="r")
    if isinstance(opened, library.Array):
        named = {"": opened}
        array = _chosen(named, asked) if asked.name else opened
    else:
        named = {}
        for name, item in opened.members(max_depth=None):
            if isinstance(item, library.Array):
                named[name] = item
            if len(named) >= SEEN:
                break
        array = _chosen(named, asked)
    yield _reader(array, named, asked, int(array.nbytes_stored()))


def _chosen(named: dict[str, Any], asked: Asked) -> Any:
    words = [f"{shown(name)} {item.dtype} {list(item.shape)}" for name, item in named.items()]
    there = "; ".join(words[:FEW]) + (f" and {len(words) - FEW} more" if len(words) > FEW else "")
    if asked.name:
        if asked.name.strip("/") in named:
            return named[asked.name.strip("/")]
        raise Bad(f"no array {shown(asked.name)}: there are {there or 'none'}")
    fitting = [
        name
        for name, item in named.items()
        if len(item.shape) in (3, 4) and item.dtype.kind in "buif" and math.prod(item.shape)
    ]
    if len(fitting) != 1:
        raise Bad(f"holds {there or 'no arrays'}: name the one of images behind a colon")
    return named[fitting[0]]


def _reader(array: Any, named: dict[str, Any], asked: Asked, stored: int) -> Reader:
    dtype = np.dtype(array.dtype)
    number(dtype)
    chunk = math.prod(array.chunks or (1,)) * dtype.itemsize
    sensible(tuple(array.shape), dtype, stored or 1, chunk)

    def get(rows: tuple[slice, ...]) -> NDArray:
        return np.asarray(array[rows])

    reader = arranged(tuple(array.shape), dtype, asked, get)
    unit = array.attrs.get("units", array.attrs.get("unit", ""))
    if isinstance(unit, str) and len(unit) < 40:
        reader = replace(reader, unit=unit)
    said = asked.labels.strip("/")
    here = next((name for name, item in named.items() if item is array), "")
    beside = here.rpartition("/")[0]
    places = [said] if said else [f"{beside}/{each}".strip("/") for each in LABELS]
    labels = next((name for name in places if name in named and named[name] is not array), "")
    if labels:
        of = named[labels]
        if math.prod(of.shape) * of.dtype.itemsize > MOST_LABELS:
            raise Bad(f"labels {shown(labels)} of shape {list(of.shape)} are too many")
        reader = replace(reader, labels=_texts(np.asarray(of[...])))
    return reader


def _texts(labels: NDArray) -> NDArray:
    """HDF5 gives texts as Python bytes."""
    if labels.dtype.kind != "O":
        return labels
    return np.array(
        [
            each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each)
            for each in labels
        ]
    )
