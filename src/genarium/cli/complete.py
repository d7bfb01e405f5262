"""`genarium complete RUN [IMAGES...]`: keep part of each image and draw the rest."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genarium.cli.given import add_data, open_run
from genarium.cli.parser import positive, seed
from genarium.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from genarium.contract import Spec


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder whose model completes")
    parser.add_argument(
        "images",
        metavar="IMAGES",
        nargs="*",
        help="image files, folders of them, or test:NUMBERS (default: test:0-15)",
    )
    parser.add_argument(
        "--keep",
        default="top",
        metavar="top|left|MASK.png",
        help="what stays: the upper or left half, or where a mask of the images' size is white "
        "(default: top)",
    )
    parser.add_argument(
        "--draws",
        type=positive("--draws"),
        default=4,
        help="different completions of each image (default: 4)",
    )
    parser.add_argument("--seed", type=seed, default=0, help="same seed, same completions")
    parser.add_argument("--class", dest="condition", help="complete as this class (name or number)")
    add_data(parser)
    parser.add_argument("--step", type=positive("--step", 0), help="the checkpoint of this step")
    parser.add_argument(
        "--out",
        metavar="FILE.png",
        help="original | what was kept | the completions (default: RUN/completions.png)",
    )
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")


def run(found: Any) -> int:
    import torch

    from genarium.api import _old as api
    from genarium.cli import show
    from genarium.contract import from_uint8
    from genarium.runs.selection import all_given

    if found.out and Path(found.out).suffix.lower() != ".png":
        raise UserError(f"--out {found.out}: the picture is a PNG file, end it in .png")
    trained = open_run(found)
    trained.can("complete")
    keep = _mask(found.keep, trained.spec)
    images = all_given(trained, found.images, "test:0-15").images
    repeated = images.repeat_interleave(found.draws, 0)
    drawn = trained.complete(repeated, keep, found.seed, found.condition)
    originals = from_uint8(images)
    kept = torch.where(keep, originals, torch.zeros(()))  # grey where something is missing
    rows = torch.cat([originals[:, None], kept[:, None], drawn.unflatten(0, (len(images), -1))], 1)
    out = Path(found.out) if found.out else trained.path / "completions.png"
    api.write_images(rows.flatten(0, 1), out, columns=2 + found.draws)
    if found.json:
        facts = {"run": str(trained.path), "n": len(images), "draws": found.draws}
        show.as_json({**facts, "keep": found.keep, "out": str(out)})
    else:
        print(f"{len(images)} images, {found.draws} completions each: {out}")
    return 0


def _mask(text: str, spec: Spec) -> Tensor:
    """What --keep says, bool [H,W]."""
    import torch

    keep = torch.zeros(spec.height, spec.width, dtype=torch.bool)
    if text == "top":
        keep[: spec.height // 2] = True
        return keep
    if text == "left":
        keep[:, : spec.width // 2] = True
        return keep
    from genarium.data.decode import Bad, decode, flatten, read_bytes
    from genarium.data.resize import to_chw

    path = Path(text)
    if not path.is_file():
        raise UserError(f"--keep {text}: give top, left, or a mask file that exists")
    try:
        image, _ = decode(read_bytes(path))
    except Bad as bad:
        raise UserError(f"--keep {text}: {bad}: give another mask") from None
    if image.size != (spec.width, spec.height):
        size = f"{image.size[1]}x{image.size[0]}"
        raise UserError(
            f"--keep {text}: the mask is {size}, the model's images {spec.height}x{spec.width}: "
            "give one of their size"
        )
    return torch.from_numpy(to_chw(flatten(image, (0, 0, 0), 1))[0] >= 128)
