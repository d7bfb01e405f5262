"""Feature extractors: what stands between images and the scores computed on features.

Every extractor takes uint8 images of any size and channel count, resizes them in a stated way and
gives pooled features and, if it is a classifier, logits. Its name and the digest of its weights go
with every score, because a Fréchet distance on other features is another number.

`extractor("digits")` and `extractor("fashion")` are the classifiers that ship with the package,
`extractor("stacked-digits")` looks at each channel with the first, `extractor("pixels", shape=...)`
takes the pixels as they are. `extractor("inception", weights=...)` and `"dinov2"` are the networks
of published scores, with weights that you bring. `from_module` makes one of any network, and the
decorator of `evaluation.own` gives it a name.

Shapes: N images · C 1 or 3 channels · D pooled features · K classes
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional as F

from genarium.contract import Spec
from genarium.errors import UserError
from genarium.evaluation.extractors.classifier import POOL, SIDE, Classifier

WEIGHTS = Path(__file__).parent / "weights"
GREY_28 = "ITU-R 601 luma, antialiased bilinear to 28x28, aspect not kept; 28x28 grey as it is"
PROXY = "fashion-proxy"
STACKED = "stacked-digits"
PIXELS = "pixels"
ROUGH = "the extractor was trained on other images, so only a rough guide"


class Features(NamedTuple):
    """What an extractor says of N images.

    pool: [N,D] float32 pooled features. logits: [N,K] float32; K = 0 where there are no classes.
    """

    pool: Tensor
    logits: Tensor


@dataclass(frozen=True, eq=False)
class Extractor:
    """A network with its preprocessing, called with uint8 [N,C,H,W] (C = 1 or 3).

    name: as it stands in the names of scores. hash: first 12 hex digits of the SHA-256 of its
    weights. classes: class names, empty if class-based scores make no sense with it. dims: D.
    resize: the preprocessing, in words. network: floats -> (pool [B,D], logits [B,K]).
    prepare: uint8 [B,C,H,W] -> the floats that the network takes. batch: images a pass.
    outputs: K where it is not one a class. soft_classes: K where the softmax of the logits is over
    classes that the images do not have, but that the Inception Score is taken over nevertheless.
    caveat: what the note of a Fréchet distance says of an extractor without classes.
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

    def __call__(self, images: Tensor) -> Features:
        """Features of uint8 [N,C,H,W], computed in batches without gradients, on the CPU.

        Raises ValueError if the images are of another type or shape.
        """
        check_images(images)
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


def check_images(images: Tensor) -> None:
    """Raise ValueError unless `images` is uint8 [N,C,H,W] with one or three channels."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"images must be uint8 [N,C,H,W] with C 1 or 3, "
            f"not {images.dtype} {list(images.shape)}".replace("torch.", "")
        )


def to_grey(images: Tensor) -> Tensor:
    """uint8 [N,C,H,W] -> grey floats on [0, 1], [N,1,H,W]: Y = .299 R + .587 G + .114 B."""
    unit = images.to(torch.float32) / 255.0
    if images.shape[1] == 1:
        return unit
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device).view(1, 3, 1, 1)
    return (unit * weights).sum(dim=1, keepdim=True)


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


SHIPPED = ("digits", "fashion", PROXY, STACKED, PIXELS)
BROUGHT = ("inception", "dinov2")  # their weights come from the user
NAMES = (*SHIPPED, *BROUGHT)


def extractor(
    name: str,
    device: str = "cpu",
    *,
    shape: tuple[int, ...] | None = None,
    weights: str | None = None,
) -> Extractor:
    """An extractor by name: "digits" (trained on MNIST), "fashion" (Fashion-MNIST).

    "fashion-proxy" is the second without its classes: for images of anything else, where its
    features still tell sets apart but its classes mean nothing. "stacked-digits" is the first on
    each channel of an RGB image. "pixels" takes the pixels themselves and needs the `shape`
    (C, H, W) of the images. The `name` of an extractor ("digits-cnn") is accepted too.

    "inception" is the network of published FIDs and Inception Scores, "dinov2" a vision
    transformer; their `weights` are a path, or an address with "#sha256=...". Any other name is
    one that `evaluation.own.feature_extractor` registered.

    Raises UserError for an unknown name, or weights that are missing, changed, or not asked for.
    """
    key = name.replace("-cnn", "")
    if key in SHIPPED:
        if weights is not None:
            raise UserError(f"--weights {weights}: the extractor {name} has its own, leave it out")
        if key == PIXELS:
            from genarium.evaluation.extractors.pixels import pixels

            if shape is None:
                raise ValueError("the extractor of pixels needs the shape of the images")
            return pixels(shape)
        return _stacked(device) if key == STACKED else _shipped(key, device)
    if name == "inception":
        from genarium.evaluation.extractors.inception_weights import inception

        return inception(weights, device)
    if name == "dinov2":
        from genarium.evaluation.extractors.dinov2 import dinov2

        return dinov2(weights, device)
    return _own(name, device, weights)


def _own(name: str, device: str, weights: str | None) -> Extractor:
    from genarium.evaluation.extractors.own import registered

    found = registered()
    if name not in found:
        names = (*NAMES, *found)
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UserError(f"--extractor {name}: {hint}Known extractors: {', '.join(names)}")
    made = found[name](weights)
    if not isinstance(made, Extractor):
        raise UserError(
            f"--extractor {name}: its function gave {type(made).__name__}, not an Extractor: "
            "let it return from_module(...)"
        )
    made.network.to(torch.device(device))
    return made


@lru_cache(maxsize=8)
def _shipped(name: str, device: str) -> Extractor:
    stem = name.removesuffix("-proxy")
    weights, card = WEIGHTS / f"{stem}.safetensors", WEIGHTS / f"{stem}.json"
    try:
        content = weights.read_bytes()
        described = json.loads(card.read_text())
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; install genarium again") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != described["sha256"]:
        raise UserError(f"{weights}: not the file that its card describes; install genarium again")
    network = Classifier(len(described["classes"]))
    try:
        network.load_state_dict({k: v.float() for k, v in load(content).items()})
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{weights}: {reason}; install genarium again") from None
    network.requires_grad_(False).eval().to(torch.device(device))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    proxy = name == PROXY
    return Extractor(
        name=f"{stem}-cnn-proxy" if proxy else f"{stem}-cnn",
        hash=digest[:12],
        classes=() if proxy else tuple(described["classes"]),
        dims=POOL,
        resize=GREY_28,
        network=network,
        prepare=grey_28,
    )


class _Channels(nn.Module):
    """A grey network on each channel of [B,3,H,W]: pools [B,3·D] and logits [B,3·K] in a row."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pool, logits = self.network(x.flatten(0, 1).unsqueeze(1))
        return pool.reshape(len(x), -1), logits.reshape(len(x), -1)


def _channels_28(images: Tensor) -> Tensor:
    """uint8 [B,3,H,W] -> floats on [0, 1], [B,3,28,28], each channel by itself."""
    if images.shape[1] != 3:
        raise UserError(f"--extractor {STACKED}: takes RGB images, a digit a channel, not grey")
    return grey_28(images.flatten(0, 1).unsqueeze(1)).view(len(images), 3, SIDE, SIDE)


@lru_cache(maxsize=2)
def _stacked(device: str) -> Extractor:
    digits = _shipped("digits", device)
    return replace(
        digits,
        name=f"{STACKED}-cnn",
        classes=(),
        dims=3 * digits.dims,
        resize=f"each channel: {GREY_28}",
        network=_Channels(digits.network),
        prepare=_channels_28,
        outputs=3 * len(digits.classes),
        caveat="features of the three channels side by side",
    )


def card(name: str) -> dict[str, object]:
    """What is known of a shipped extractor: accuracy, training data and digests, command."""
    found: dict[str, object] = json.loads((WEIGHTS / f"{name}.json").read_text())
    return found


DEFAULTS = {  # by the name of a data set: its extractor, how many classes it has
    "digits": ("digits", 10),
    "mnist": ("digits", 10),
    "fashion-mnist": ("fashion", 10),
    "stacked-mnist": (STACKED, 1000),
}


def default_for(dataset: str, spec: Spec) -> str:
    """The extractor for a data set, by the data set's name.

    "digits" for the handwritten digits, "fashion" for Fashion-MNIST, "stacked-digits" for stacked
    MNIST, "pixels" for points in the plane, and for everything else "fashion-proxy": good for a
    Fréchet distance between sets, silent on classes. A data set that carries such a name but
    another number of classes (or none) is not the one that is meant.
    """
    if spec.planar:
        return PIXELS
    name, classes = DEFAULTS.get(dataset, (PROXY, 0))
    return name if len(spec.classes) in (0, classes) else PROXY
