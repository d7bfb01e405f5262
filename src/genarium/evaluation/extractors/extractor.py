"""Feature extractors: what stands between images and the scores computed on features.

Every extractor takes uint8 images of any size, resizes them in a stated way and gives pooled
features and, if it is a classifier, logits. One of grey or RGB pictures looks at any other number
of channels one by one, each as a grey picture (`of_channels`). Its name and the digest of its
weights go with every score, because a Fréchet distance on other features is another number.

`from_module` makes one of any network; `extractors.by_name` knows those that have a name.

Shapes: N images · C channels · D pooled features · K classes
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genarium.errors import UserError
from genarium.evaluation.extractors.classifier import SIDE
from genarium.evaluation.metrics.grey import check_images, to_grey

GREY_28 = "ITU-R 601 luma, antialiased bilinear to 28x28, aspect not kept; 28x28 grey as it is"
ROUGH = "the extractor was trained on other images, so only a rough guide"


class Features(NamedTuple):
    """What an extractor says of N images.

    pool: [N,D] float32 pooled features. logits: [N,K] float32; K = 0 where there are no classes.
    """

    pool: Tensor
    logits: Tensor


@dataclass(frozen=True, eq=False)
class Extractor:
    """A network with its preprocessing, called with uint8 [N,C,H,W].

    name: as it stands in the names of scores. hash: first 12 hex digits of the SHA-256 of its
    weights. classes: class names, empty if class-based scores make no sense with it. dims: D.
    resize: the preprocessing, in words. network: floats -> (pool [B,D], logits [B,K]).
    prepare: uint8 [B,C,H,W] -> the floats that the network takes. batch: images a pass.
    outputs: K where it is not one a class. soft_classes: K where the softmax of the logits is over
    classes that the images do not have, but that the Inception Score is taken over nevertheless.
    caveat: what the note of a Fréchet distance says of an extractor without classes. colours:
    whether it knows nothing but grey and RGB pictures. one: the extractor itself, of one that looks
    at each channel with it.
    """

    name: str
    hash: str
    classes: tuple[str, ...]
    dims: int
    resize: str
    network: nn.Module
    prepare: Callable[[Tensor], Tensor]
    batch: int = 256
    outputs: int | None = None
    soft_classes: int = 0
    caveat: str = ROUGH
    colours: bool = False
    one: Extractor | None = None

    def __call__(self, images: Tensor) -> Features:
        """Features of uint8 [N,C,H,W], computed in batches without gradients, on the CPU.

        Raises ValueError if the images are of another type or shape, UserError for a number of
        channels that it was not made for.
        """
        check_images(images)
        if self.colours and self.one is None and images.shape[1] not in (1, 3):
            raise UserError(
                f"--extractor {self.name}: takes grey and RGB images, these have "
                f"{images.shape[1]} channels and the reference has others: give both the same"
            )
        device = next((p.device for p in self.network.parameters()), torch.device("cpu"))
        width = len(self.classes) if self.outputs is None else self.outputs
        pools, logits = [torch.empty(0, self.dims)], [torch.empty(0, width)]
        with torch.inference_mode():
            for part in images.split(self.batch):
                pool, logit = self.network(self.prepare(part.to(device)))
                pools.append(pool.float().cpu())
                # A proxy's logits name classes that the images do not have.
                logits.append(logit.float().cpu() if width else torch.empty(len(part), 0))
        return Features(torch.cat(pools), torch.cat(logits))


class _Channels(nn.Module):
    """A network of grey pictures on each of C channels [B·C,...]: pools [B,C·D] in a row."""

    def __init__(self, network: nn.Module, channels: int):
        super().__init__()
        self.network, self.channels = network, channels

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pool, _ = self.network(x)
        pool = pool.reshape(len(pool) // self.channels, -1)
        return pool, pool.new_empty(len(pool), 0)


def of_channels(extractor: Extractor, channels: int) -> Extractor:
    """The extractor for images of so many channels: one of grey or RGB pictures takes each channel
    of others as a grey picture and puts the features side by side, C·D of them, without classes."""
    base = extractor.one or extractor
    if channels in (1, 3) or not base.colours:
        return base

    def prepare(images: Tensor) -> Tensor:
        if images.shape[1] != channels:
            raise UserError(
                f"--extractor {base.name}: the images have {images.shape[1]} channels, the "
                f"reference {channels}: give both the same"
            )
        return base.prepare(images.flatten(0, 1).unsqueeze(1))

    return replace(
        base,
        classes=(),
        dims=channels * base.dims,
        resize=f"each of {channels} channels as a grey picture: {base.resize}",
        network=_Channels(base.network, channels),
        prepare=prepare,
        batch=max(1, base.batch // channels),
        outputs=None,
        soft_classes=0,
        caveat=f"{base.caveat}, of each channel by itself",
        one=base,
    )


def grey_28(images: Tensor) -> Tensor:
    """uint8 [N,C,H,W] -> grey floats on [0, 1], [N,1,28,28], as `GREY_28` says."""
    grey = to_grey(images)
    if grey.shape[2:] == (SIDE, SIDE):
        return grey
    return F.interpolate(grey, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)


def from_module(
    network: nn.Module,
    *,
    name: str,
    dims: int,
    prepare: Callable[[Tensor], Tensor],
    resize: str,
    classes: tuple[str, ...] = (),
    batch: int = 256,
) -> Extractor:
    """An extractor of your own network; its hash is taken over the names and values of its state.

    network: floats -> (pool [B,D], logits [B,K]); without classes the logits are ignored.
    """
    digest = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        digest.update(f"{key}{value.dtype}{list(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    network.eval()
    return Extractor(name, digest.hexdigest()[:12], classes, dims, resize, network, prepare, batch)
