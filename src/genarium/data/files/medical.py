"""DICOM and NIfTI: slices and frames in the units that the file states.

DICOM. v = slope · stored + intercept (PS3.3 C.7.6.16.2.9.1); of CT the unit is HU. Where the values
stay whole numbers of 0 or more they are kept as such, else as floats. The range that the file
states is its first window, [centre - width/2, centre + width/2]; without one, that of its bits.
MONOCHROME1, where 0 is white, is turned over within its bits.

NIfTI. v = scl_slope · stored + scl_inter. Slices lie along the last of the three axes, `axis=x`,
`y` or `z`; rows and columns are the other two, as they lie in the file. A fourth axis is further
images.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genarium.data.collection import Ends
from genarium.data.decode import LARGEST_FILE, MEMORY
from genarium.data.files.reader import Asked, Reader, arranged, number, optional, sensible
from genarium.data.formats import Bad

AXES = {"x": 0, "y": 1, "z": 2}
GREY = ("MONOCHROME1", "MONOCHROME2")


@contextmanager
def dicom(source: Path | bytes, asked: Asked) -> Iterator[Reader]:
    """The frames of a DICOM file."""
    library = optional("pydicom", "DICOM")
    if isinstance(source, Path) and source.stat().st_size > LARGEST_FILE:
        raise Bad(f"larger than {LARGEST_FILE >> 20} MiB")
    data = source if isinstance(source, bytes) else source.read_bytes()
    yield _frames(library, library.dcmread(io.BytesIO(data)), len(data))


def patient(data: bytes) -> str:
    """Whose picture a DICOM file is: images of one patient belong into one split; "" if not
    said."""
    library = optional("pydicom", "DICOM")
    head = library.dcmread(io.BytesIO(data), stop_before_pixels=True)
    return str(head.get("PatientID", "") or head.get("StudyInstanceUID", "") or "")


def _frames(library: Any, file: Any, stored: int) -> Reader:
    if "PixelData" not in file:
        raise Bad("a DICOM file without whole-number pixels")
    frames = int(file.get("NumberOfFrames", 1) or 1)
    rows, columns = int(file.Rows), int(file.Columns)
    samples, bits = int(file.get("SamplesPerPixel", 1)), int(file.BitsAllocated)
    kind = str(file.get("PhotometricInterpretation", ""))
    if bits not in (8, 16, 32) or samples not in (1, 3) or int(file.BitsStored) > bits:
        raise Bad(f"a DICOM file of {samples} samples of {bits} bits: give 1 or 3 of 8, 16 or 32")
    sensible((frames, samples, rows, columns), np.dtype(f"u{bits // 8}"), stored)
    size = frames * samples * rows * columns * bits // 8
    if size * 2 > MEMORY:
        raise Bad(f"takes {size >> 20} MiB to decode at once, more than {MEMORY >> 21} MiB")
    if samples == 1 and kind not in GREY and "PALETTE" not in kind:
        raise Bad(f"a DICOM file of the kind {kind or 'nobody says'}: grey and RGB are read")
    pixels = np.asarray(file.pixel_array)
    if kind.startswith("YBR"):
        pixels = library.pixels.convert_color_space(pixels, kind, "RGB")
    if "PALETTE" in kind:
        pixels = library.pixels.apply_color_lut(pixels, file)
        samples = 3
    pixels = pixels.reshape(frames, rows, columns, -1)
    bits, signed = int(file.BitsStored), pixels.dtype.kind == "i"
    held = (-float(1 << bits - 1), float((1 << bits - 1) - 1)) if signed else (0.0, 2.0**bits - 1)
    full: Ends | None = None if signed else ((held[0],), (held[1],))
    if samples == 1:
        pixels, full = _in_units(file, pixels, held, kind == GREY[0])
    if full == ((0.0,), (_top(pixels.dtype),)):
        full = None  # all that the type holds: nothing more is stated
    asked = Asked(layout="NHWC")
    reader = arranged(pixels.shape, pixels.dtype, asked, lambda part: pixels[part])
    unit = str(file.get("RescaleType", "") or "")
    if not unit and str(file.get("Modality", "")) == "CT" and "RescaleIntercept" in file:
        unit = "HU"
    return replace(reader, full=full, unit="" if unit in ("US", "UNSPECIFIED") else unit)


def _top(dtype: np.dtype) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind == "u" else math.inf


def _in_units(
    file: Any, pixels: NDArray, held: tuple[float, float], inverted: bool
) -> tuple[NDArray, Ends | None]:
    """Grey values by slope and intercept, and the range that the file states of them.

    held: the smallest and largest value that the stored bits hold.
    """
    slope = float(file.get("RescaleSlope", 1) or 1)
    intercept = float(file.get("RescaleIntercept", 0) or 0)
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise Bad("slope or intercept is no number")
    low, high = sorted(slope * end + intercept for end in held)
    values = pixels
    if (slope, intercept) != (1.0, 0.0):
        whole = slope == int(slope) and intercept == int(intercept)
        fits = whole and low >= 0 and high <= 65535
        scaled = pixels.astype(np.float64) * slope + intercept
        values = scaled.astype(np.uint16 if fits else np.float32)
    window = _window(file)
    if inverted:  # 0 is white: turned over within what the bits hold
        values = (low + high - values.astype(np.float64)).astype(values.dtype)
        if window is not None:
            window = (low + high - window[1][0],), (low + high - window[0][0],)
    if values.dtype.kind != "u":
        return values, window
    if window is not None:
        ends = max(0.0, round(window[0][0])), min(_top(values.dtype), round(window[1][0]))
        window = ((float(ends[0]),), (float(ends[1]),)) if ends[0] < ends[1] else None
    return values, window or ((low,), (high,))


def _window(file: Any) -> Ends | None:
    """The first window of the file."""
    centre, width = file.get("WindowCenter"), file.get("WindowWidth")
    if centre is None or width is None:
        return None
    centre, width = (float(v[0] if hasattr(v, "__len__") else v) for v in (centre, width))
    if not (math.isfinite(centre) and math.isfinite(width) and width > 0):
        return None
    return (centre - width / 2,), (centre + width / 2,)


@contextmanager
def nifti(source: Path | bytes, asked: Asked) -> Iterator[Reader]:
    """The slices of a NIfTI volume."""
    library = optional("nibabel", "NIfTI")
    if asked.axis and asked.axis not in AXES:
        raise Bad(f"axis={asked.axis}: choose x, y or z")
    if isinstance(source, bytes):
        import gzip

        if source[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(source)) as stream:
                data = stream.read(MEMORY // 2 + 1)
            if len(data) > MEMORY // 2:
                raise Bad(f"unpacks to more than {MEMORY >> 21} MiB")
        else:
            data = source
        image, stored = _from_bytes(library, data), len(source)
    else:
        image, stored = library.load(source), source.stat().st_size
    shape, dtype = tuple(image.shape), np.dtype(image.get_data_dtype())
    number(dtype)
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise Bad(f"a volume of shape {list(shape)}: give three axes, or four")
    sensible(shape, dtype, stored)
    along = AXES[asked.axis or "z"]
    slope, intercept = image.dataobj.slope, image.dataobj.inter
    plain = (float(slope), float(intercept)) == (1.0, 0.0)
    scaled = dtype if plain else np.dtype(np.float64)
    flat = [axis for axis in range(3) if axis != along]
    steps = shape[3] if len(shape) == 4 else 1
    count = shape[along] * steps
    # rows are the second of the two axes and columns the first, as the file's order is Fortran's
    height, width = shape[flat[1]], shape[flat[0]]

    def slices(start: int, stop: int) -> NDArray:
        planes = []
        for number_ in range(start, stop):
            step, place = divmod(number_, shape[along])
            index: list[Any] = [slice(None)] * 3
            index[along] = place
            if len(shape) == 4:
                index.append(step)
            plane = np.asarray(image.dataobj[tuple(index)])
            planes.append(plane.T[None])
        return np.stack(planes).astype(scaled, copy=False)

    base = arranged(
        (count, 1, height, width), scaled, Asked(layout="NCHW"), lambda rows: np.empty(0)
    )
    yield replace(base, fetch=slices)


def _from_bytes(library: Any, data: bytes) -> Any:
    size = int.from_bytes(data[:4], "little")
    swapped = int.from_bytes(data[:4], "big")
    kind = library.Nifti2Image if 540 in (size, swapped) else library.Nifti1Image
    return kind.from_bytes(data)
