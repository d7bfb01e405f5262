"""DINOv2's vision transformer as a plain PyTorch module; its class token is the feature.

A patch embedding (14x14 pixels, stride 14), a class token, position embeddings resized to the
number of patches, then blocks

    x <- x + λ₁ · attention(norm₁ x),   x <- x + λ₂ · mlp(norm₂ x)

with a learnt scale λ a channel (LayerScale), and a last layer norm. The state has the key names of
the Transformers library, so `model.safetensors` of facebook/dinov2-small, -base and -large on the
Hub fits as it is; width and depth are read off the tensors. The giant (another mlp) and the
variants with register tokens are refused.

Images are resized to 224x224 as the study that introduced DINOv2 for this purpose does: bicubic
with antialiasing, aspect not kept, then normalised by ImageNet's mean and standard deviation.

Oquab et al. 2024, "DINOv2: Learning Robust Visual Features without Supervision"; Stein et al.
2023, "Exposing flaws of generative model evaluation metrics".
Shapes: B images · T = 1 + 16 * 16 tokens · D width (384, 768, 1024)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genarium.data import pretrained
from genarium.errors import UserError
from genarium.evaluation.extractors.extractor import Extractor, from_module

SIDE, PATCH = 224, 14
HEAD = 64  # width of an attention head
EPSILON = 1e-6
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = {384: "small", 768: "base", 1024: "large"}
RESIZE = "antialiased bicubic to 224x224, aspect not kept; ImageNet mean and deviation; grey tiled"
UNUSED = ("embeddings.mask_token",)  # serves training only


def prepare(images: Tensor) -> Tensor:
    """uint8 [B,C,H,W] -> [B,3,224,224], bicubic (a = -1/2, as Pillow's), clipped, normalised."""
    x = images.to(torch.float32) / 255.0
    if x.shape[2:] != (SIDE, SIDE):
        x = F.interpolate(x, (SIDE, SIDE), mode="bicubic", align_corners=False, antialias=True)
    mean, std = (x.new_tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (x.clamp(0, 1) - mean) / std


def _module(**children: nn.Module) -> nn.Module:
    """A module that only holds others under names: a level of the keys, without a function."""
    made = nn.Module()
    for name, child in children.items():
        made.add_module(name, child)
    return made


class Scale(nn.Module):
    """LayerScale: one factor a channel."""

    def __init__(self, width: int):
        super().__init__()
        self.lambda1 = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.lambda1


class Attention(nn.Module):
    """Softmax attention of D/64 heads: softmax(Q Kᵀ / 8) V, then a linear layer."""

    def __init__(self, width: int):
        super().__init__()
        names = ("query", "key", "value")
        self.attention = _module(**{name: nn.Linear(width, width) for name in names})
        self.output = _module(dense=nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (-1, HEAD)).transpose(1, 2)
            for layer in self.attention.children()
        )
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.output.get_submodule("dense")(mixed)


class MLP(nn.Module):
    """Two linear layers with the exact GELU between."""

    def __init__(self, width: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """One layer of the transformer, as in the module's text."""

    def __init__(self, width: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.attention = Attention(width)
        self.layer_scale1 = Scale(width)
        self.norm2 = nn.LayerNorm(width, eps=EPSILON)
        self.mlp = MLP(width)
        self.layer_scale2 = Scale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.layer_scale1(self.attention(self.norm1(x)))
        return x + self.layer_scale2(self.mlp(self.norm2(x)))


class Embeddings(nn.Module):
    """Patches and class token plus their positions, [B,3,H,W] -> [B,T,D]."""

    def __init__(self, width: int, positions: int):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position_embeddings = nn.Parameter(torch.zeros(1, positions + 1, width))
        self.patch_embeddings = _module(projection=nn.Conv2d(3, width, PATCH, PATCH))

    def positions(self, height: int, width: int) -> Tensor:
        """Position embeddings of a grid of patches, [1,T,D]: bicubic from the grid they have."""
        kept, grid = self.position_embeddings.split([1, self.position_embeddings.shape[1] - 1], 1)
        side = round(grid.shape[1] ** 0.5)
        if (side, side) == (height, width):
            return self.position_embeddings
        grid = grid.unflatten(1, (side, side)).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, (height, width), mode="bicubic", align_corners=False)
        return torch.cat([kept, grid.flatten(2).transpose(1, 2)], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch_embeddings.get_submodule("projection")(x)
        height, width = patches.shape[2:]
        tokens = patches.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], dim=1)
        return tokens + self.positions(height, width)


class DINOv2(nn.Module):
    """[B,3,H,W] normalised, H and W multiples of 14 -> class token [B,D] and no logits [B,0]."""

    def __init__(self, width: int, depth: int, positions: int):
        super().__init__()
        self.embeddings = Embeddings(width, positions)
        self.encoder = _module(layer=nn.ModuleList([Block(width) for _ in range(depth)]))
        self.layernorm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.embeddings(x)
        for block in self.encoder.get_submodule("layer").children():
            x = block(x)
        token = self.layernorm(x[:, 0])
        return token, token.new_empty(len(token), 0)


def sized(tensors: Mapping[str, Tensor], path: Path) -> DINOv2:
    """An empty network of the size that the tensors have."""
    position = tensors.get("embeddings.position_embeddings", torch.empty(0))
    layers = {m[1] for k in tensors if (m := re.match(r"encoder\.layer\.(\d+)\.", k))}
    count = position.shape[1] - 1 if position.ndim == 3 else 0
    if count < 1 or round(count**0.5) ** 2 != count or position.shape[2] % HEAD or not layers:
        raise UserError(
            f"--weights {path}: not a DINOv2 of the Transformers library (no square of "
            "embeddings.position_embeddings, or no encoder.layer); see docs/evaluation.md"
        )
    return DINOv2(position.shape[2], len(layers), count)


def dinov2(weights: str | None, device: str = "cpu") -> Extractor:
    """The extractor "dinov2-small", "-base" or "-large", as the weights are.

    Raises UserError without weights, or if they are not those of this network.
    """
    if weights is None:
        raise UserError(
            "--extractor dinov2: needs the weights of the network: add --weights PATH; "
            "docs/evaluation.md says where they are"
        )
    path = pretrained.locate(weights)
    tensors = {k: v for k, v in pretrained.read(path).items() if k not in UNUSED}
    network = sized(tensors, path)
    pretrained.fit(network, tensors, path)
    width = network.layernorm.normalized_shape[0]
    place = torch.device(device)
    made = from_module(
        network.requires_grad_(False),
        name=f"dinov2-{SIZES.get(width, width)}",
        dims=width,
        prepare=prepare,
        resize=RESIZE,
        batch=16 if place.type == "cpu" else 128,
    )
    words = "features of photographs (LVD-142M)"
    return replace(made, network=network.to(place), caveat=words, colours=True)
