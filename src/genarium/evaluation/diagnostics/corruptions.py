"""Ten ways to spoil pictures, each with a strength: what a score of pictures ought to notice.

    spoiled = corrupt("blur", images, 0.5)

Strength 0 changes nothing, 1 is plain to see, and the same call gives the same pictures.

| name | at strength s |
|---|---|
| colour removed | each pixel moves the share s of its way to its luma |
| channels swapped | in the share s of the pictures red and blue are swapped |
| tiles shuffled | the share s of 4x4 tiles change places, in each picture others |
| blur | Gaussian, a standard deviation of s/32 of the shorter side |
| noise | Gaussian, s * 48 grey levels |
| JPEG | quality 95 - 90 s |
| contrast | deviations from the picture's mean are multiplied by 1 - 3s/4 |
| rotation | by s * 45 degrees, half of the pictures to each side, edges mirrored |
| mixed classes | the share s of the pictures become averages with one of another class |
| dropped classes | s (K-1) of the K classes, the last in part, give way to pictures of the others |

Shapes: N images · C 1 or 3 channels · H, W height and width · K classes
"""

from __future__ import annotations

import io
import math

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from genarium.evaluation.metrics.grey import check_images, to_grey

COLOUR = ("colour removed", "channels swapped")
CLASSES = ("dropped classes",)
PIXELS = ("tiles shuffled", "blur", "noise", "JPEG", "contrast", "rotation")
NAMES = (*COLOUR, *PIXELS, "mixed classes", *CLASSES)
TILES = 4  # a side


def applicable(images: Tensor, labels: Tensor | None) -> tuple[str, ...]:
    """Those of `NAMES` that change these images: grey ones have no colour to lose, and classes can
    be dropped where there are two or more."""
    colour = images.shape[1] == 3 and bool((images != images[:, :1]).any())
    several = labels is not None and len(labels.unique()) > 1
    out = (() if colour else COLOUR) + (() if several else CLASSES)
    return tuple(name for name in NAMES if name not in out)


def corrupt(
    name: str, images: Tensor, strength: float, labels: Tensor | None = None, seed: int = 0
) -> Tensor:
    """uint8 [N,C,H,W] spoiled, of the same shape.

    labels: classes [N] int64, for `mixed classes` and `dropped classes` (which needs them). seed:
    of what is drawn; a stronger form goes on from the same draws.
    """
    check_images(images)
    if not 0 <= strength <= 1:
        raise ValueError(f"strength {strength}: give 0 to 1")
    if strength == 0 or not len(images):
        return images
    draw = torch.Generator().manual_seed(seed)
    if name in CLASSES:
        return images[_others(_needed(labels, name), strength, draw)]
    if name == "JPEG":
        return torch.stack([_jpeg(image, round(95 - 90 * strength)) for image in images])
    x = images.float()
    if name == "colour removed":
        x = x.lerp(255 * to_grey(images).expand_as(x), strength)
    elif name == "channels swapped":
        some = _share(len(x), strength, draw)
        x[some] = x[some].flip(1)
    elif name == "tiles shuffled":
        x = _shuffled(x, strength, draw)
    elif name == "blur":
        x = _blurred(x, strength * min(x.shape[2:]) / 32)
    elif name == "noise":
        x = x + 48 * strength * torch.randn(x.shape, generator=draw)
    elif name == "contrast":
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        x = mean + (1 - 0.75 * strength) * (x - mean)
    elif name == "rotation":
        x = _rotated(x, strength * math.pi / 4)
    elif name == "mixed classes":
        x = _mixed(x, labels, strength, draw)
    else:
        raise ValueError(f"{name!r} is none of {', '.join(NAMES)}")
    return x.round().clamp(0, 255).to(torch.uint8)


def _needed(labels: Tensor | None, name: str) -> Tensor:
    if labels is None:
        raise ValueError(f"{name} needs labels")
    return labels


def _share(n: int, share: float, draw: torch.Generator) -> Tensor:
    """The first `share` of a random order of n."""
    return torch.randperm(n, generator=draw)[: round(share * n)]


def _others(labels: Tensor, strength: float, draw: torch.Generator) -> Tensor:
    """Rows [N] in which those of dropped classes are replaced by rows of what stays."""
    classes, kinds = labels.unique(return_inverse=True)
    places = torch.randperm(len(classes), generator=draw)[kinds]
    lost = strength * (len(classes) - 1) - places  # of a class, all from 1 on
    gone = torch.rand(len(labels), generator=draw) < lost
    rows, kept = torch.arange(len(labels)), torch.nonzero(~gone).flatten()
    picked = torch.rand(len(labels), generator=draw)
    rows[gone] = kept[(picked[gone] * len(kept)).long()]
    return rows


def _jpeg(image: Tensor, quality: int) -> Tensor:
    """[C,H,W] written and read again; channels that are not RGB each by itself."""
    if len(image) not in (1, 3):
        return torch.cat([_jpeg(channel[None], quality) for channel in image])
    grey = len(image) == 1
    pixels = image[0] if grey else image.permute(1, 2, 0).contiguous()
    stream = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(stream, "JPEG", quality=quality)
    with Image.open(stream) as read:
        result = torch.frombuffer(bytearray(read.tobytes()), dtype=torch.uint8)
    return result.view(*image.shape[1:], len(image)).permute(2, 0, 1).contiguous()


def _shuffled(x: Tensor, share: float, draw: torch.Generator) -> Tensor:
    """The first `share` of a random order of the tiles go round by one; what does not divide by
    four stays at the right and below."""
    n, _, height, width = x.shape
    h, w = height // TILES, width // TILES
    if not h or not w:
        return x
    orders = torch.stack([torch.randperm(TILES**2, generator=draw) for _ in range(n)])
    moving = orders[:, : max(2, round(share * TILES**2))]
    source = torch.arange(TILES**2).repeat(n, 1).scatter(1, moving, moving.roll(1, 1))
    inner = x[:, :, : h * TILES, : w * TILES]
    tiles = inner.unflatten(2, (TILES, h)).unflatten(4, (TILES, w)).permute(0, 2, 4, 1, 3, 5)
    tiles = tiles.flatten(1, 2)[torch.arange(n)[:, None], source].unflatten(1, (TILES, TILES))
    out = x.clone()
    out[:, :, : h * TILES, : w * TILES] = tiles.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)
    return out


def _blurred(x: Tensor, sigma: float) -> Tensor:
    """Gaussian of `sigma` pixels, cut off at three of them, edges repeated."""
    reach = max(1, math.ceil(3 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).view(1, 1, -1, 1)
    y = F.pad(x.flatten(0, 1)[:, None], (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(y, weights), weights.mT).view(x.shape)


def _rotated(x: Tensor, angle: float) -> Tensor:
    """By `angle`, every second picture the other way; bilinear, in pixels, so aspect is kept."""
    n, _, height, width = x.shape
    angles = torch.where(torch.arange(n) % 2 == 0, angle, -angle)
    cos, sin = angles.cos(), angles.sin()
    rows = [
        torch.stack([cos, -sin * height / width, torch.zeros(n)], 1),
        torch.stack([sin * width / height, cos, torch.zeros(n)], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _mixed(x: Tensor, labels: Tensor | None, share: float, draw: torch.Generator) -> Tensor:
    """Some are averaged with a picture of another class; where there are no classes, or but one,
    with another picture."""
    n = len(x)
    chosen = _share(n, share, draw)
    shift = torch.randperm(n, generator=draw)
    kinds = torch.arange(n) if labels is None or len(labels.unique()) < 2 else labels
    out = x.clone()
    for place in chosen.tolist():
        others = shift[kinds[shift] != kinds[place]]
        if len(others):
            out[place] = (x[place] + x[others[place % len(others)]]) / 2
    return out
