"""From the content of a file to images of the data set: one type, one number of channels, one size.

Types. All of one type stay. Pictures of 8 bits among others of 16 become 16 by v · 257, which maps
their range onto the other's; where those state fewer bits, and for floats, there is no such rule
and the set is refused. Channels. Grey and RGB become RGB; any other mixture is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genarium.data.collection import Ends
from genarium.data.decode import Facts, flatten
from genarium.data.files.wide import Content
from genarium.data.names import shown
from genarium.data.options import DataOptions
from genarium.data.resize import check_channels, fit_array, fit_image, to_chw
from genarium.errors import UserError

WIDEN = 257  # 255 · 257 = 65535
FEW = 3  # examples in a message


@dataclass(frozen=True)
class Common:
    """What the images of a set have in common. dtype: as they are stored. channels: 0 for pictures
    of 8 bits, grey and RGB. full: the range that the files state, None: that of the type. unit: of
    the values."""

    dtype: str = "uint8"
    channels: int = 0
    full: tuple[float, float] | None = None
    unit: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def ends(self) -> Ends | None:
        """`full` as a `Collection` has it."""
        return None if self.full is None else ((self.full[0],), (self.full[1],))


def common_to(
    facts: Sequence[Facts], names: Sequence[str], where: str, options: DataOptions
) -> Common:
    """What usable files have in common. UserError: nothing that they can be brought to."""
    kinds = Counter(fact.dtype for fact in facts)
    if list(kinds) == ["uint8"] and not any(fact.channels for fact in facts):
        return Common()
    warnings: list[str] = []
    if len(kinds) > 1:
        stated = {fact.full for fact in facts if fact.dtype == "uint16"}
        if set(kinds) != {"uint8", "uint16"} or stated != {None}:
            bits = sorted(f" up to {end[1]:g}" for end in stated if end is not None)
            each = " and ".join(f"{count} of {kind}" for kind, count in sorted(kinds.items()))
            raise UserError(
                f"{where}: files of several types, {each}{''.join(bits[:1])}: bring them to one, "
                "or name a folder of one"
            )
        first = [n for n, fact in zip(names, facts, strict=True) if fact.dtype == "uint8"]
        warnings.append(
            f"{kinds['uint8']} files of 8 bits ({', '.join(map(shown, first[:FEW]))}) beside "
            f"{kinds['uint16']} of 16: their values times {WIDEN} (--range 8-bit reads all as "
            "8 bits, which --fit pad --background and --binarize need)"
        )
    dtype = next(iter(kinds)) if len(kinds) == 1 else "uint16"
    channels = _channels(facts, where, options)
    units = {fact.unit for fact in facts}
    if len(units) > 1:
        each = " and ".join(sorted(unit or "none" for unit in units))
        raise UserError(f"{where}: values in several units ({each}): name a folder of one")
    ends = {fact.full for fact in facts}
    known = [end for end in ends if end is not None]
    full = (min(low for low, _ in known), max(high for _, high in known)) if known else None
    if None in ends and known:
        full = None if dtype == "uint16" else full
    if len(known) > 1:
        warnings.append(
            f"files that state {len(known)} ranges: the widest holds, {full[0]:g} to {full[1]:g}"
            if full
            else f"files that state {len(known)} ranges, and some none: that of {dtype} holds"
        )
    return Common(dtype, channels, full, units.pop(), tuple(warnings))


def _channels(facts: Sequence[Facts], where: str, options: DataOptions) -> int:
    counts = Counter(fact.channels or (1 if fact.grey else 3) for fact in facts)
    coloured = len(set(options.colour)) > 1 and any(fact.alpha for fact in facts)
    if set(counts) <= {1, 3}:
        return 1 if set(counts) == {1} and not coloured else 3
    if len(counts) > 1:
        each = " and ".join(f"{count} of {channels}" for channels, count in sorted(counts.items()))
        raise UserError(f"{where}: files of several numbers of channels, {each}: name those of one")
    return next(iter(counts))


def rendered(
    made: Content, common: Common, shape: tuple[int, int, int], options: DataOptions
) -> NDArray:
    """The images of a file as [k,C,H,W] of the set's type and `shape`."""
    channels, height, width = shape
    if isinstance(made.image, Image.Image) and common.dtype == "uint8":
        image = flatten(made.image, options.colour, channels)
        pixels = to_chw(fit_image(image, height, width, options.fit, options.colour))
        return np.ascontiguousarray(np.broadcast_to(pixels, shape)[None])
    images = widened(made, common.dtype, channels, options)
    check_channels(images.shape[1], channels)
    return fit_array(images, height, width, channels, options.fit, options.colour)


def widened(made: Content, dtype: str, channels: int, options: DataOptions) -> NDArray:
    """A file's images as [k,C,H,W] of `dtype`, each in its own size; transparency shows the
    background. channels: 3 where colours are wanted."""
    if isinstance(made.image, Image.Image):
        grey = channels == 1 or made.image.mode == "L"
        images = to_chw(flatten(made.image, options.colour, 1 if grey else 3))[None]
    else:
        images = _over(made, options)
    if dtype == "uint16" and images.dtype == np.uint8:
        return images.astype(np.uint16) * np.uint16(WIDEN)
    return images


def _over(made: Content, options: DataOptions) -> NDArray:
    """Images with transparent parts laid over the background."""
    images = np.asarray(made.image)
    if made.alpha is None:
        return images
    if len(set(options.colour)) > 1 and images.shape[1] == 1:
        images = np.repeat(images, 3, axis=1)
    top = max(made.full[1]) if made.full is not None else _top(images.dtype)
    colour = options.colour[:1] if images.shape[1] == 1 else options.colour
    behind = np.array(colour, np.float64)[:, None, None] / 255 * top
    if images.shape[1] not in (1, 3):
        behind = np.zeros((images.shape[1], 1, 1))
    laid = images * made.alpha.astype(np.float64) + behind * (1 - made.alpha.astype(np.float64))
    return (laid.round() if images.dtype.kind == "u" else laid).astype(images.dtype)


def _top(dtype: np.dtype) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind == "u" else 1.0
