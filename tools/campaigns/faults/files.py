"""Readers of arrays, stacks and slices; pictures with all their bits; tables of labels."""

from __future__ import annotations

from faults.fault import of

FILES = "tests/data/test_files.py"
MEDICAL = "tests/data/test_medical.py"
WIDE = "tests/data/test_wide.py"
LABELS = "tests/data/test_labels.py"

FAULTS = (
    *of(
        "data/files/reader.py",
        FILES,
        (
            "axes: channels last taken for first",
            'return "NCHW" if colours[0] else "NHWC"',
            'return "NHWC" if colours[0] else "NCHW"',
            "an image is read along its columns",
        ),
        (
            "types: whole numbers of 25 bits as floats",
            "EXACT = 1 << 24",
            "EXACT = 1 << 25",
            "a whole number that floats do not have is rounded",
        ),
        (
            "types: a float64 that loses",
            "largest * ROUNDING > ALLOWED * (high - low)",
            "largest * ROUNDING > high - low",
            "small differences of large values are lost",
        ),
    ),
    *of(
        "data/files/medical.py",
        MEDICAL,
        (
            "DICOM: intercept forgotten",
            "scaled = pixels.astype(np.float64) * slope + intercept",
            "scaled = pixels.astype(np.float64) * slope",
            "values are not in HU",
        ),
        (
            "DICOM: window off by its half",
            "return (centre - width / 2,), (centre + width / 2,)",
            "return (centre - width,), (centre + width,)",
            "the range that the file states is twice as long",
        ),
        (
            "NIfTI: rows and columns changed",
            "planes.append(plane.T[None])",
            "planes.append(plane.reshape(height, width)[None])",
            "a slice is read along the other axis",
        ),
    ),
    *of(
        "data/files/render.py",
        WIDE,
        (
            "8 bits beside 16: times 256",
            "WIDEN = 257",
            "WIDEN = 256",
            "white of 8 bits is not white of 16",
        ),
    ),
    *of(
        "data/filesets.py",
        WIDE,
        (
            "pages of a file in several splits",
            "named[split] += [own] if count == 1",
            'named["train"] += [own] if count == 1',
            "names are not those of the images",
        ),
    ),
    *of(
        "data/labels.py",
        LABELS,
        (
            "labels: by the table's order",
            "own_labels = part.labels if numbers is None else numbers[chosen]",
            "own_labels = part.labels if numbers is None else numbers[: len(chosen)]",
            "an image has the label of another",
        ),
    ),
    *of(
        "data/stacks.py",
        FILES,
        (
            "labels of a stack not split",
            "rows.labels[rows.splits == split]",
            "rows.labels[: int((rows.splits == split).sum())]",
            "an image has the label of another",
        ),
    ),
)
