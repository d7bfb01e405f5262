"""At which size images are read where nobody says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from genarium.data.options import DataOptions

NATIVE_LIMIT = 256  # images of one size keep it up to here
DEFAULT_LIMIT = 64  # larger or mixed ones get at most this


def chosen_size(
    sizes: Mapping[tuple[int, int], int], options: DataOptions
) -> tuple[tuple[int, int], str]:
    """(H, W) for images of these (H, W), each as often as said, and in words who chose it."""
    if options.height_width:
        return options.height_width, "as asked for"
    if len(sizes) == 1 and max(next(iter(sizes))) <= NATIVE_LIMIT:
        return next(iter(sizes)), "the size of all images"
    shorter = np.repeat([min(size) for size in sizes], list(sizes.values()))
    median = int(np.median(shorter))
    side = min(DEFAULT_LIMIT, 1 << (max(1, median).bit_length() - 1))
    return (side, side), f"chosen from a median shorter side of {median}; set it with --size"
