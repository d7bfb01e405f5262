"""An extractor trained on your own pictures, for what no photographs teach: micrographs, scans.

`genarium features train DATA` makes one. It is a folder of `weights.safetensors` and
`features.json`, and its path is the name of an extractor: `--extractor FOLDER`. How it is trained:
`genarium.features.selfsupervised`.

The network: a convolution, then four stages that halve the maps, each a convolution of stride 2 and
one added to its input. The features are the maps of all stages averaged over the positions: grain
from the early ones, larger forms from the late ones.

Shapes: B images · C channels · H, W the height and width that it was trained at · D features
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from genarium.contract import from_uint8
from genarium.data import pretrained
from genarium.errors import UserError, unreadable
from genarium.evaluation.extractors.extractor import Extractor, from_module

WEIGHTS, CARD = "weights.safetensors", "features.json"
FORMAT = 1
STAGES = 4


def _layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Stage(nn.Module):
    """Half the size: y = relu(norm(conv x)), then relu(y + norm(conv y))."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.halve = _layer(inputs, outputs, 2)
        self.refine = _layer(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.halve(x))
        return torch.relu(x + self.refine(x))


class Trunk(nn.Module):
    """Floats [B,C,H,W] on [-1, 1] -> features [B,D] and no logits [B,0]; D = 16 width.

    channels: C, any number. width: of the first stage; the next ones have 2, 4 and 8 times as many
    maps, and the stem as many as the first.
    """

    def __init__(self, channels: int, width: int = 16):
        super().__init__()
        self.channels, self.width = channels, width
        sizes = [width, *(width << i for i in range(STAGES))]
        self.stem = _layer(channels, width)
        self.stages = nn.ModuleList(Stage(a, b) for a, b in pairwise(sizes))
        self.dims = sum(sizes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.stem(x))
        results = [x.mean((2, 3))]
        for stage in self.stages:
            x = stage(x)
            results.append(x.mean((2, 3)))
        return torch.cat(results, 1), x.new_empty(len(x), 0)


def files(trunk: Trunk, shape: tuple[int, ...], facts: Mapping[str, Any]) -> dict[str, bytes]:
    """The two files of an extractor by name. shape: (C, H, W) that it was trained at. facts: what
    else its card says."""
    state = {k: v.detach().cpu().contiguous() for k, v in trunk.state_dict().items()}
    content = save(state)
    card = {
        "format": FORMAT,
        "shape": list(shape),
        "width": trunk.width,
        "sha256": hashlib.sha256(content).hexdigest(),
        **facts,
    }
    return {WEIGHTS: content, CARD: (json.dumps(card, indent=1) + "\n").encode()}


def is_one(path: str) -> bool:
    """Whether a path names such a folder."""
    return (Path(path).expanduser() / CARD).is_file()


def selftrained(path: str, device: str = "cpu") -> Extractor:
    """The extractor of a folder that `genarium features train` made.

    Raises UserError where files are missing, changed or of another kind.
    """
    folder = Path(path).expanduser()
    card = _card(folder / CARD)
    (channels, height, width), wide = card["shape"], card["width"]
    weights = folder / WEIGHTS
    try:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"--extractor {path}: {weights.name}: {reason}") from None
    if digest != card["sha256"]:
        raise UserError(
            f"--extractor {path}: {weights.name} is not the file that {CARD} describes: train it "
            "again"
        )
    trunk = Trunk(channels, wide)
    pretrained.fit(trunk, pretrained.read(weights), weights)

    def prepare(images: Tensor) -> Tensor:
        if images.shape[1] != channels:
            raise UserError(
                f"--extractor {path}: was trained on images of {channels} channels, these have "
                f"{images.shape[1]}"
            )
        x = from_uint8(images)
        if x.shape[2:] == (height, width):
            return x
        return F.interpolate(
            x, (height, width), mode="bilinear", align_corners=False, antialias=True
        )

    place = torch.device(device)
    made = from_module(
        trunk.requires_grad_(False),
        name=str(card.get("name", "selftrained")),
        dims=trunk.dims,
        prepare=prepare,
        resize=f"antialiased bilinear to {height}x{width}, aspect not kept",
        batch=64,
    )
    words = f"features trained without labels on {card.get('data', 'other images')}"
    return replace(made, network=made.network.to(place), caveat=words)


def _card(path: Path) -> dict[str, Any]:
    """What an extractor's card says, checked as far as it is read."""
    try:
        record = json.loads(path.read_bytes())
        shape, width = record["shape"], record["width"]
        known = record["format"] == FORMAT and isinstance(record["sha256"], str)
        sizes = (*shape, width)
        good = known and len(sizes) == 4 and all(type(n) is int and 1 <= n <= 4096 for n in sizes)
    except unreadable():
        good = False
    if not good:
        raise UserError(f"--extractor {path.parent}: {CARD} is not that of an extractor")
    return record
