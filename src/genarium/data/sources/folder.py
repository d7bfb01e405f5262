"""Any folder of images, whatever is in it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from genarium.data import captions
from genarium.data.addresses import address
from genarium.data.collection import Collection
from genarium.data.files.containers import is_zarr
from genarium.data.files.medical import AXES
from genarium.data.files.reader import Asked
from genarium.data.files.tiff import PAGES
from genarium.data.files.wide import Reading
from genarium.data.filesets import made_here, read_indexed
from genarium.data.index import Index
from genarium.data.registry import Request, source
from genarium.data.scan import Scan, scan
from genarium.data.sources import parquet
from genarium.errors import UserError


def _is_folder(text: str) -> bool:
    named = address(text)
    with contextlib.suppress(OSError):
        return named is not None and named.path.is_dir() and not is_zarr(named.path)
    return False


@source(
    "FOLDER",
    summary="any folder of images; class sub-folders become labels, train/ and test/ splits",
    licence="yours",
    matches=_is_folder,
)
def folder(
    request: Request,
    *,
    pages: str = "",
    layout: str = "",
    axis: str = "",
    image: str = "",
    label: str = "",
) -> Collection:
    """A folder named by its path.

    pages: of TIFFs of several: images, channels or first. layout: of arrays, HW, CHW or HWC. axis:
    of volumes, along which slices are taken. image, label: columns of parquet files.
    """
    named = address(request.source)
    assert named is not None
    scanned = scan(named.path)
    if scanned.tables and not scanned.files:
        if pages or layout or axis:
            raise UserError(
                f"--data {request.label}: pages, layout and axis mean nothing to parquet"
            )
        return parquet.read(named.path.resolve().name, scanned.tables, request, image, label)
    if image or label:
        raise UserError(f"--data {request.label}: image= and label= are of parquet files")
    reading = Reading(request.options.eight_bit, Asked(layout=layout, pages=pages, axis=axis))
    if pages not in ("", *PAGES) or axis not in ("", *AXES):
        raise UserError(
            f"--data {request.label}: pages is one of {', '.join(PAGES)}, axis of {', '.join(AXES)}"
        )
    return read_folder(named.path, request, reading)


def read_folder(path: Path, request: Request, reading: Reading | None = None) -> Collection:
    """The images below `path`, from the cache or into it. UserError: nothing usable is there, too
    many files are bad, an image is in two splits, or the cache cannot be written."""
    scanned = files_below(path, request)
    index = Index(path, request.options, reading)
    collection = read_indexed(path.resolve().name or "images", scanned, index, request)
    return captions.attach(collection, scanned, request.label)


def files_below(path: Path, request: Request) -> Scan:
    """The image files below a folder. UserError: there are none."""
    scanned = scan(path)
    if not scanned.files:
        made = f"; left out what genarium made: {made_here(scanned)}" if scanned.made else ""
        raise UserError(
            f"--data {request.label}: no images in this folder, nor below it "
            f"(looked for .png, .jpg, .gif, .webp, .bmp, .tif, .ppm, .npy, .dcm, .nii{made})"
        )
    return scanned
