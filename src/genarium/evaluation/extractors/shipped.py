"""The networks that ship with the package, and what is made of them.

Shapes: B images · D pooled features · K classes
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from genarium.errors import UserError
from genarium.evaluation.extractors import efficientnet
from genarium.evaluation.extractors.classifier import POOL, SIDE, Classifier
from genarium.evaluation.extractors.extractor import GREY_28, Extractor, grey_28

WEIGHTS = Path(__file__).parent / "weights"
PROXY = "fashion-proxy"
STACKED = "stacked-digits"
PICTURES = "efficientnet-lite0"


def _load(network: nn.Module, stem: str, content: bytes, device: str) -> nn.Module:
    """A network with the weights of a file, ready to be asked."""
    try:
        network.load_state_dict({k: v.float() for k, v in load(content).items()})
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        path = WEIGHTS / f"{stem}.safetensors"
        raise UserError(f"{path}: {reason}; install genarium again") from None
    network.requires_grad_(False).eval().to(torch.device(device))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _files(stem: str) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a weights file, checked against its card, and the card."""
    weights, about = WEIGHTS / f"{stem}.safetensors", WEIGHTS / f"{stem}.json"
    try:
        content = weights.read_bytes()
        described: dict[str, Any] = json.loads(about.read_text())
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; install genarium again") from None
    if hashlib.sha256(content).hexdigest() != described["sha256"]:
        raise UserError(f"{weights}: not the file that its card describes; install genarium again")
    return content, described


@lru_cache(maxsize=8)
def shipped(name: str, device: str) -> Extractor:
    """A classifier: "digits", "fashion", or "fashion-proxy" without its classes."""
    stem = name.removesuffix("-proxy")
    content, described = _files(stem)
    proxy = name == PROXY
    return Extractor(
        name=f"{stem}-cnn-proxy" if proxy else f"{stem}-cnn",
        hash=described["sha256"][:12],
        classes=() if proxy else tuple(described["classes"]),
        dims=POOL,
        resize=GREY_28,
        network=_load(Classifier(len(described["classes"])), stem, content, device),
        prepare=grey_28,
        colours=True,
    )


@lru_cache(maxsize=2)
def pictures(device: str) -> Extractor:
    """EfficientNet-Lite0's first five stages: for any pictures, without classes."""
    content, described = _files(PICTURES)
    network = _load(efficientnet.EfficientNetLite0(), PICTURES, content, device)
    assert isinstance(network, efficientnet.EfficientNetLite0)
    return Extractor(
        name=PICTURES,
        hash=described["sha256"][:12],
        classes=(),
        dims=efficientnet.DIMS,
        resize=efficientnet.RESIZE,
        network=efficientnet.Turned(network),
        prepare=efficientnet.prepare,
        batch=16 if torch.device(device).type == "cpu" else 256,
        caveat="features of photographs (ImageNet)",
        colours=True,
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
        raise UserError(f"--extractor {STACKED}: takes RGB images, a digit a channel, no others")
    return grey_28(images.flatten(0, 1).unsqueeze(1)).view(len(images), 3, SIDE, SIDE)


@lru_cache(maxsize=2)
def stacked(device: str) -> Extractor:
    digits = shipped("digits", device)
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
        colours=False,
    )


def card(name: str) -> dict[str, object]:
    """What is known of a shipped extractor: accuracy, training data and digests, command."""
    record: dict[str, object] = json.loads((WEIGHTS / f"{name}.json").read_text())
    return record
