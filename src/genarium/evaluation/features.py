"""Feature extractors: what stands between images and the scores computed on features.

Every extractor takes uint8 images of any size and channel count, resizes them in a stated way and
gives pooled features and, if it is a classifier, logits. Its name and the digest of its weights go
with every score, because a Fréchet distance on other features is another number.

`extractor("digits")` and `extractor("fashion")` are the classifiers that ship with the package;
`from_module` makes one of any network.

Shapes: N images · C 1 or 3 channels · D pooled features · K classes
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
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
from genarium.evaluation.classifier import POOL, SIDE, Classifier

WEIGHTS = Path(__file__).parent / "weights"
GREY_28 = "ITU-R 601 luma, antialiased bilinear to 28x28, aspect not kept; 28x28 grey as it is"
PROXY = "fashion-proxy"


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
    """

    name: str
    hash: str
    classes: tuple[str, ...]
    dims: int
    resize: str
    network: nn.Module
    prepare: Callable[[Tensor], Tensor]
    batch: int = 256

    def __call__(self, images: Tensor) -> Features:
        """Features of uint8 [N,C,H,W], computed in batches without gradients, on the CPU.

        Raises ValueError if the images are of another type or shape.
        """
        check_images(images)
        device = next((p.device for p in self.network.parameters()), torch.device("cpu"))
        pools, logits = [torch.empty(0, self.dims)], [torch.empty(0, len(self.classes))]
        with torch.inference_mode():
            for part in images.split(self.batch):
                pool, logit = self.network(self.prepare(part.to(device)))
                pools.append(pool.float().cpu())
                # A proxy's logits name classes that the images do not have.
                logits.append(logit.float().cpu() if self.classes else torch.empty(len(part), 0))
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


NAMES = ("digits", "fashion", PROXY)


def extractor(name: str, device: str = "cpu") -> Extractor:
    """A shipped extractor: "digits" (trained on MNIST), "fashion" (Fashion-MNIST).

    "fashion-proxy" is the second without its classes: for images of anything else, where its
    features still tell sets apart but its classes mean nothing. The `name` of an extractor
    ("digits-cnn") is accepted too.

    Raises UserError for an unknown name, or weights that are missing or changed.
    """
    key = name.replace("-cnn", "")
    if key not in NAMES:
        close = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UserError(f"--extractor {name}: {hint}Known extractors: {', '.join(NAMES)}")
    return _shipped(key, device)


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


def card(name: str) -> dict[str, object]:
    """What is known of a shipped extractor: accuracy, training data and digests, command."""
    found: dict[str, object] = json.loads((WEIGHTS / f"{name}.json").read_text())
    return found


def default_for(dataset: str, spec: Spec) -> str:
    """The extractor for a data set, by the data set's name.

    "digits" for the handwritten digits, "fashion" for Fashion-MNIST, and for everything else
    "fashion-proxy": good for a Fréchet distance between sets, silent on classes. A data set that
    carries such a name but not ten classes (or none) is not the one that is meant.
    """
    known = {"digits": "digits", "mnist": "digits", "fashion-mnist": "fashion"}
    return known.get(dataset, PROXY) if len(spec.classes) in (0, 10) else PROXY
