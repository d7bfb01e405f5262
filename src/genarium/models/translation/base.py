"""What models that turn images of one domain into those of another share.

Domain A is a batch's `images`, domain B its `extra["b"]`.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from genarium.contract import Batch, Noise, Spec
from genarium.errors import UserError
from genarium.models.translation.networks.unet import Draw

Direction = Literal["a2b", "b2a"]


def domains(batch: Batch, spec: Spec) -> tuple[Tensor, Tensor]:
    """The images of A and of B on [-1, 1], each [B,C,H,W] with its own C and values."""
    return batch.signed(), spec.second_values.signed(batch.extra["b"])


def jittered(x: Tensor, places: Tensor | None, pixels: int) -> Tensor:
    """Images [B,C,H,W] enlarged by `pixels` a side, and of each a crop of the old size; bilinear.

    places: [B,2] int64 of 0 .. pixels, where each crop begins (down, across); None: x itself.
    """
    if places is None:
        return x
    height, width = x.shape[2:]
    larger = functional.interpolate(x, (height + pixels, width + pixels), mode="bilinear")
    crops = [
        image[:, down : down + height, across : across + width]
        for image, (down, across) in zip(larger, places.tolist())
    ]
    return torch.stack(crops)


def places_of(noise: Noise, pixels: int) -> Tensor | None:
    """Draws for `jittered`; None where nothing is to move."""
    return noise.integers(pixels + 1, 2) if pixels else None


def second_of(spec: Spec) -> tuple[int, int, int]:
    """(C, H, W) of domain B. Raises UserError where there is none, or of another size."""
    if spec.second is None:
        raise UserError("the data have one domain: name pairs:a=DIR,b=DIR or unpaired:a=DIR,b=DIR")
    if spec.second[1:] != spec.shape[1:]:
        sizes = " and ".join(f"{s[1]}x{s[2]}" for s in (spec.shape, spec.second))
        raise UserError(f"the two domains have images of {sizes}: give --size")
    return spec.second


def chosen(direction: str | None, known: tuple[str, ...]) -> str:
    """`direction`, or the first of those that a model knows; UserError for any other."""
    if direction is None:
        return known[0]
    if direction not in known:
        raise UserError(f"--direction {direction}: this model translates {' and '.join(known)}")
    return direction


def random_numbers(rows: int, generator: torch.Generator | None, device: torch.device) -> Draw:
    """Uniform numbers for dropout at test time, drawn where `generator` lives (else the CPU)."""
    at = generator.device if generator is not None else torch.device("cpu")

    def draw(*shape: int) -> Tensor:
        return torch.rand(rows, *shape, generator=generator, device=at).to(device)

    return draw


def device_of(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
