"""The classifiers that ship with the package, and what is made of them.

Shapes: B images · D pooled features · K classes
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from genarium.errors import UserError
from genarium.evaluation.extractors.classifier import POOL, SIDE, Classifier
from genarium.evaluation.extractors.extractor import GREY_28, Extractor, grey_28

WEIGHTS = Path(__file__).parent / "weights"
PROXY = "fashion-proxy"
STACKED = "stacked-digits"


@lru_cache(maxsize=8)
def shipped(name: str, device: str) -> Extractor:
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
    )


def card(name: str) -> dict[str, object]:
    """What is known of a shipped extractor: accuracy, training data and digests, command."""
    record: dict[str, object] = json.loads((WEIGHTS / f"{name}.json").read_text())
    return record
