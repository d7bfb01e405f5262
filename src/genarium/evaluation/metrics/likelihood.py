"""Likelihoods as the field quotes them."""

from __future__ import annotations

import io
import math
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

T = TypeVar("T", float, Tensor)


def bits_per_dim(nats: T, dims: int) -> T:
    """-ln p(x) / (D ln 2): bits per dimension from a negative log-likelihood in nats.

    nats: -ln p(x) (so a model's `log_prob`, negated), a number or a tensor. dims: D = C·H·W.
    An image of L grey levels costs log2 L bits per dimension under the uniform distribution.
    """
    if dims < 1:
        raise ValueError(f"dims must be at least 1, not {dims}")
    return nats / (dims * math.log(2))


def png_bytes(images: Tensor) -> Tensor:
    """Bytes of each image in a PNG file of its own, [N] float64.

    images: uint8 [N,C,H,W]. Grey images of nothing but 0 and 255 take a bit a pixel.
    """
    sizes = []
    for image in images.cpu():
        pixels = image.permute(1, 2, 0).numpy() if len(image) == 3 else image[0].numpy()
        picture = Image.fromarray(pixels)
        if len(image) == 1 and bool(((image == 0) | (image == 255)).all()):
            picture = picture.convert("1", dither=Image.Dither.NONE)
        file = io.BytesIO()
        picture.save(file, "png", optimize=True)
        sizes.append(len(file.getvalue()))
    return torch.tensor(sizes, dtype=torch.float64)


def auroc(usual: Tensor, strange: Tensor) -> float:
    """P(usual > strange) + P(usual = strange)/2 of a random pair: the area under the ROC curve.

    usual, strange: [N], [M] scores that are to be higher for the usual images, such as ln p(x).
    1 separates the two without error, 0.5 is chance, and below 0.5 the strange images score
    higher. Raises ValueError where one of the two is empty or holds NaN.
    """
    if not len(usual) or not len(strange):
        raise ValueError(f"auroc of {len(usual)} and {len(strange)} scores: both need some")
    if bool(usual.isnan().any()) or bool(strange.isnan().any()):
        raise ValueError("auroc of scores that are not numbers")
    below = strange.double().sort().values
    above = usual.double().contiguous()
    less = torch.searchsorted(below, above, right=False)  # strange ones < each usual one
    up_to = torch.searchsorted(below, above, right=True)  # and <= it
    pairs = (less + up_to).double().sum() / 2
    return float(pairs / (len(usual) * len(strange)))
