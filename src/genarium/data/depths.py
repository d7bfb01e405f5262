"""Words for files whose pixels may not be what they seem: few of 16 bits used, channels not used.

A camera or a microscope of 12 or 14 bits mostly writes them into files of 16 as they are. Nothing
in the file says so, and as 16-bit values they are nearly black; so the figures are said.
"""

from __future__ import annotations

from collections.abc import Iterable

from genarium.data.decode import Facts
from genarium.data.names import shown

FULL = 65535
HALF = 1 << 15  # a set of pictures of which none is brighter than half is worth a word
FEW = 1 << 14  # as is one of which most have 14 bits at most
FIRST = 3  # examples in a message


def said(files: Iterable[tuple[str, Facts]]) -> list[str]:
    """Warnings for the usable files among (name, facts)."""
    notes: dict[str, list[str]] = {}
    wide: list[tuple[str, int]] = []
    for name, fact in files:
        if fact.error:
            continue
        if fact.note:
            notes.setdefault(fact.note, []).append(name)
        if fact.brightest >= 0:
            wide.append((name, fact.brightest))
    words = [f"{_files(names)}: {note}" for note, names in sorted(notes.items())]
    return words + dark(wide)


def dark(wide: list[tuple[str, int]]) -> list[str]:
    """A warning where the (name, largest value) of 16-bit files lie far below what 16 bits hold."""
    lit = sorted(value for _, value in wide if value > 0)
    if not lit:
        return []
    largest, middle = lit[-1], lit[len(lit) // 2]
    if largest < HALF:
        value, which = largest, "none of them is brighter than"
        names = [name for name, _ in wide]
    elif middle < FEW:
        value, which = middle, "half of them are not brighter than"
        names = [name for name, brightest in wide if 0 < brightest <= middle]
    else:
        return []
    return [
        f"{_files(names)} of 16 bits: {which} {value} of {FULL} ({value.bit_length()} bits), which "
        f"comes out as {(value + 128) // 257} of 255; they are taken as they are (x/257): if the "
        "camera has fewer bits, scale the files to 16"
    ]


def _files(names: list[str]) -> str:
    few = ", ".join(map(shown, names[:FIRST]))
    return f"{len(names)} file{'s' if len(names) > 1 else ''} ({few})"
