"""`genarium denoise RUN [IMAGES...]`: what a denoising autoencoder makes of damaged images."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genarium.cli.given import add_data, open_run
from genarium.cli.parser import positive, seed
from genarium.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("gaussian", "masking", "salt-and-pepper")


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder whose model reconstructs")
    parser.add_argument(
        "images",
        metavar="IMAGES",
        nargs="*",
        help="damaged images: files, folders of them, test, or test:NUMBERS (default: clean ones "
        "of the test split, damaged as in training)",
    )
    parser.add_argument(
        "--noise",
        metavar="KIND:AMOUNT",
        help=f"damage the images first: {', '.join(KINDS)}, as masking:0.3",
    )
    parser.add_argument("-n", type=positive("-n"), default=16, help="how many (default: 16)")
    parser.add_argument("--seed", type=seed, default=0, help="of the damage")
    add_data(parser)
    parser.add_argument("--step", type=positive("--step", 0), help="the checkpoint of this step")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="FILE.png: (clean |) damaged | denoised; a folder or .npz: the denoised images alone "
        "(default: RUN/denoised.png)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the pictures that an earlier call wrote into the folder --out",
    )
    parser.add_argument("--json", action="store_true", help="print the errors as JSON")


def run(found: Any) -> int:
    import torch

    from genarium.api import _old as api
    from genarium.cli import show
    from genarium.contract import from_uint8
    from genarium.drawing import folder
    from genarium.drawing.images import as_uint8
    from genarium.runs.selection import all_given

    noise = _noise(found.noise) if found.noise else None
    trained = open_run(found)
    trained.can("reconstruct")
    out = Path(found.out) if found.out else trained.path / "denoised.png"
    folder.check(out, found.overwrite)
    if trained.spec.planar:
        raise UserError(f"{trained.path} makes points of the plane: this verb needs images")
    if noise is None and not found.images:
        noise = getattr(trained.model, "corruption", None)
        if noise is None:
            raise UserError(
                f"{trained.path} was not trained on damaged images: name some, or say how to "
                "damage clean ones, as --noise masking:0.3"
            )
    given = all_given(trained, found.images, "test").images[: found.n]
    damaged = given if noise is None else _damaged(given, noise, found.seed)
    cleaned = as_uint8(trained.reconstruct(damaged))
    if out.suffix.lower() == ".png":
        rows = [damaged, cleaned] if noise is None else [given, damaged, cleaned]
        shown = torch.stack(rows, 1).flatten(0, 1)
        per_row = max(1, 12 // len(rows)) * len(rows)
        api.write_images(shown, out, columns=min(per_row, len(shown)))
    else:
        api.write_images(cleaned, out, overwrite=found.overwrite)
    facts: dict[str, Any] = {"run": str(trained.path), "n": len(given), "out": str(out)}
    if noise is not None:
        clean = from_uint8(given)
        for name, images in (("damaged", damaged), ("denoised", cleaned)):
            mse = ((from_uint8(images) - clean) / 2).square().mean().item()
            facts[name] = {"mse": mse, "psnr": -10 * math.log10(mse) if mse else None}
    if found.json:
        show.as_json(facts)
        return 0
    words = ""
    if noise is not None:
        before, after = (facts[name]["psnr"] or math.inf for name in ("damaged", "denoised"))
        words = f", {before:.1f} dB before and {after:.1f} dB after"
    print(f"{len(given)} images denoised{words}: {out}")
    return 0


def _noise(text: str) -> Any:
    """A corruption by KIND:AMOUNT."""
    from genarium.models.autoencoder.denoising import corruption_of

    kind, _, amount = text.partition(":")
    try:
        size = float(amount)
    except ValueError:
        size = math.nan
    if kind not in KINDS or not math.isfinite(size) or size < 0:
        raise UserError(f"--noise {text}: say one of {', '.join(KINDS)} and how much, masking:0.3")
    if kind != "gaussian" and size > 1:
        raise UserError(f"--noise {text}: a share of the pixels is at most 1")
    return corruption_of(kind, size)


def _damaged(images: Tensor, noise: Any, seed: int) -> Tensor:
    """uint8 images damaged and rounded to what a file can hold."""
    from genarium.contract import Noise, to_uint8
    from genarium.training.order import derive

    draws = Noise(derive(seed, "denoise"), len(images))
    return to_uint8(noise(images.float() / 255.0, draws) * 2.0 - 1.0)
