"""Which channels pictures for the eye show: `DataOptions.show`. No torch.

A picture of what a model made, or of the data, has one channel (grey) or three (RGB). Images of
other channels are shown so, unless `--show` says otherwise:

    2 channels    the first in magenta, the second in green: where both are bright it is white
    more          the first three in red, green and blue
"""

from __future__ import annotations

import re

from genarium.errors import UserError

EACH = (-1,)
"""`Spec.shown` of `--show each`: every channel in grey, side by side."""

WORDS = "give one channel (grey), two (magenta, green), three (red, green, blue) or each"


def parse(text: str) -> tuple[int, ...]:
    """ "0,2,1" -> (0, 2, 1); "each" -> `EACH`. UserError for anything else."""
    bare = text.replace(" ", "")
    if bare == "each":
        return EACH
    if not re.fullmatch(r"\d{1,6}(,\d{1,6}){0,2}", bare):
        raise UserError(f"--show {text}: {WORDS}")
    return tuple(map(int, bare.split(",")))


def chosen(text: str | None, channels: int) -> tuple[int, ...]:
    """`Spec.shown` of images of so many channels; UserError for a channel that they have not."""
    shown = parse(text) if text is not None else ()
    if any(channel >= channels for channel in shown):
        there = f"channels 0 to {channels - 1}" if channels > 1 else "one channel, 0"
        raise UserError(f"--show {text}: the images have {there}: {WORDS}")
    return shown


def usual(channels: int) -> tuple[int, ...]:
    """The channels that are shown where nobody says."""
    return tuple(range(min(channels, 3)))


def in_words(shown: tuple[int, ...], channels: int) -> str:
    """Which channels pictures show and how, "" for grey and RGB as they are."""
    if shown == EACH:
        return "each channel in grey, side by side" if channels > 1 else ""
    if (shown or usual(channels)) == usual(channels) and channels in (1, 3):
        return ""
    shown = shown or usual(channels)
    if len(shown) == 1:
        return f"channel {shown[0]} of {channels} in grey"
    if len(shown) == 2:
        return f"channel {shown[0]} in magenta and {shown[1]} in green, of {channels}"
    red, green, blue = shown
    return f"channels {red}, {green} and {blue} of {channels} in red, green and blue"
