"""The Inception network of the published FID and Inception Scores, as a plain PyTorch module.

This is the network of TensorFlow's archive `inception-2015-12-05.tgz`, not the Inception v3 of
torchvision. What the frozen graph does differently, and so does this module:

- the image is resized to 299x299 by TensorFlow 1's bilinear rule: output pixel i samples the input
  at i * in/out (no half-pixel centres, no antialiasing), then (x - 128) / 128;
- average pools inside the blocks leave the padding out of the mean;
- the last block (`Mixed_7c`) pools with a maximum where the paper has an average;
- batch normalisation has epsilon 1e-3; there is no auxiliary classifier; 1,008 outputs.

The features are those of `pool_3`, 2,048 numbers; the logits are `pool_3` times the weights of the
last layer *without its bias*, as in the code that published the Inception Score (Salimans et al.
2016) and in what followed it.

The state uses the key names of the ports to PyTorch (`Mixed_5b.branch5x5_1.conv.weight`), so their
weights fit. `fold` gives the same function in fewer, larger operations.

Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision".
Shapes: B images · [B,3,299,299] input · [B,2048] features · [B,1008] logits
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 299
FEATURES = 2048
OUTPUTS = 1008  # classes of ImageNet, and eight that stand for nothing
EPSILON = 1e-3
RESIZE = "TensorFlow 1 bilinear to 299x299, no half-pixel centres, no antialiasing; grey tiled"


def resize_tf1(images: Tensor, side: int = SIDE) -> Tensor:
    """Floats [B,C,H,W] -> [B,C,side,side] as `tf.image.resize_bilinear` of TensorFlow 1 does.

    y_i = x[l] + (x[min(l+1, n-1)] - x[l]) * (s - l) with s = i * n/side in float32 and
    l = floor(s): along rows first, then along columns, in the order of TensorFlow's own kernel.
    """
    for dim in (3, 2):
        size = images.shape[dim]
        scale = torch.tensor(size, dtype=torch.float32) / side
        at = torch.arange(side, dtype=torch.float32) * scale
        low = at.long()
        high = (low + 1).clamp(max=size - 1).to(images.device)
        weight = (at - low).to(images.device).view(-1, *[1] * (3 - dim))
        low = low.to(images.device)
        left, right = images.index_select(dim, low), images.index_select(dim, high)
        images = left + (right - left) * weight
    return images


def prepare(images: Tensor) -> Tensor:
    """uint8 [B,C,H,W] -> [B,3,299,299] on [-1, 1), channels last."""
    x = (resize_tf1(images.to(torch.float32)) - 128.0) / 128.0
    return x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


# ---------------------------------------------------------------------------------------------
# The graph


class Layer(NamedTuple):
    """A convolution with batch normalisation and ReLU. Stride 1 pads to keep the size."""

    name: str
    outputs: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1


class Tower(NamedTuple):
    """One branch of a block: a pool if any, layers in a row, then `ends` side by side."""

    layers: tuple[Layer, ...]
    ends: tuple[Layer, ...] = ()
    pool: str = ""  # "average", "maximum" (3x3, stride 1) or "halve" (3x3 maximum, stride 2)


ROW, COLUMN = (1, 7), (7, 1)


def _block_a(pool: int) -> tuple[Tower, ...]:
    return (
        Tower((Layer("branch1x1", 64),)),
        Tower((Layer("branch5x5_1", 48), Layer("branch5x5_2", 64, (5, 5)))),
        Tower(
            (
                Layer("branch3x3dbl_1", 64),
                Layer("branch3x3dbl_2", 96, (3, 3)),
                Layer("branch3x3dbl_3", 96, (3, 3)),
            )
        ),
        Tower((Layer("branch_pool", pool),), pool="average"),
    )


def _block_c(width: int) -> tuple[Tower, ...]:
    return (
        Tower((Layer("branch1x1", 192),)),
        Tower(
            (
                Layer("branch7x7_1", width),
                Layer("branch7x7_2", width, ROW),
                Layer("branch7x7_3", 192, COLUMN),
            )
        ),
        Tower(
            (
                Layer("branch7x7dbl_1", width),
                Layer("branch7x7dbl_2", width, COLUMN),
                Layer("branch7x7dbl_3", width, ROW),
                Layer("branch7x7dbl_4", width, COLUMN),
                Layer("branch7x7dbl_5", 192, ROW),
            )
        ),
        Tower((Layer("branch_pool", 192),), pool="average"),
    )


def _block_e(pool: str) -> tuple[Tower, ...]:
    def split(name: str) -> tuple[Layer, ...]:
        return Layer(f"{name}a", 384, (1, 3)), Layer(f"{name}b", 384, (3, 1))

    return (
        Tower((Layer("branch1x1", 320),)),
        Tower((Layer("branch3x3_1", 384),), split("branch3x3_2")),
        Tower(
            (Layer("branch3x3dbl_1", 448), Layer("branch3x3dbl_2", 384, (3, 3))),
            split("branch3x3dbl_3"),
        ),
        Tower((Layer("branch_pool", 192),), pool=pool),
    )


_BLOCK_B = (
    Tower((Layer("branch3x3", 384, (3, 3), 2),)),
    Tower(
        (
            Layer("branch3x3dbl_1", 64),
            Layer("branch3x3dbl_2", 96, (3, 3)),
            Layer("branch3x3dbl_3", 96, (3, 3), 2),
        )
    ),
    Tower((), pool="halve"),
)
_BLOCK_D = (
    Tower((Layer("branch3x3_1", 192), Layer("branch3x3_2", 320, (3, 3), 2))),
    Tower(
        (
            Layer("branch7x7x3_1", 192),
            Layer("branch7x7x3_2", 192, ROW),
            Layer("branch7x7x3_3", 192, COLUMN),
            Layer("branch7x7x3_4", 192, (3, 3), 2),
        )
    ),
    Tower((), pool="halve"),
)
BLOCKS: dict[str, tuple[Tower, ...]] = {  # in the order of the graph: mixed, mixed_1 ... mixed_10
    "Mixed_5b": _block_a(32),
    "Mixed_5c": _block_a(64),
    "Mixed_5d": _block_a(64),
    "Mixed_6a": _BLOCK_B,
    "Mixed_6b": _block_c(128),
    "Mixed_6c": _block_c(160),
    "Mixed_6d": _block_c(160),
    "Mixed_6e": _block_c(192),
    "Mixed_7a": _BLOCK_D,
    "Mixed_7b": _block_e("average"),
    "Mixed_7c": _block_e("maximum"),
}


class Conv(nn.Module):
    """Convolution, batch normalisation (until folded), ReLU."""

    def __init__(self, inputs: int, layer: Layer, padding: tuple[int, int] | None = None):
        super().__init__()
        if padding is None:
            padding = (layer.kernel[0] // 2, layer.kernel[1] // 2)
        if layer.stride != 1:
            padding = (0, 0)
        self.conv = nn.Conv2d(
            inputs, layer.outputs, layer.kernel, layer.stride, padding, bias=False
        )
        self.bn: nn.Module = nn.BatchNorm2d(layer.outputs, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


def pooled(x: Tensor, pool: str) -> Tensor:
    """The pools of the blocks, by the name that a `Tower` has for them."""
    if pool == "average":
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    if pool == "maximum":
        return F.max_pool2d(x, 3, stride=1, padding=1)
    return F.max_pool2d(x, 3, stride=2) if pool == "halve" else x


class Mixed(nn.Module):
    """A block: towers beside each other on the same input, their outputs concatenated."""

    def __init__(self, inputs: int, towers: tuple[Tower, ...]):
        super().__init__()
        self.towers = towers
        self.outputs = 0
        for tower in towers:
            width = inputs
            for layer in tower.layers:
                self.add_module(layer.name, Conv(width, layer))
                width = layer.outputs
            for layer in tower.ends:
                self.add_module(layer.name, Conv(width, layer))
            self.outputs += sum(end.outputs for end in tower.ends) or width

    def rest(self, x: Tensor, tower: Tower, done: int = 0) -> list[Tensor]:
        """What a tower makes of `x`, its first `done` layers being done."""
        for layer in tower.layers[done:]:
            x = self.get_submodule(layer.name)(x)
        return [self.get_submodule(end.name)(x) for end in tower.ends] or [x]

    def forward(self, x: Tensor) -> Tensor:
        outputs = [self.rest(pooled(x, tower.pool), tower) for tower in self.towers]
        return torch.cat([part for parts in outputs for part in parts], dim=1)


class Inception(nn.Module):
    """[B,3,299,299] on [-1, 1) -> features [B,2048] and logits [B,1008], see the module's text."""

    def __init__(self) -> None:
        super().__init__()
        none = (0, 0)
        self.Conv2d_1a_3x3 = Conv(3, Layer("", 32, (3, 3), 2))
        self.Conv2d_2a_3x3 = Conv(32, Layer("", 32, (3, 3)), none)
        self.Conv2d_2b_3x3 = Conv(32, Layer("", 64, (3, 3)))
        self.Conv2d_3b_1x1 = Conv(64, Layer("", 80))
        self.Conv2d_4a_3x3 = Conv(80, Layer("", 192, (3, 3)), none)
        width = 192
        for name, towers in BLOCKS.items():
            block = Mixed(width, towers)
            self.add_module(name, block)
            width = block.outputs
        self.fc = nn.Linear(width, OUTPUTS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))
        x = pooled(self.Conv2d_2b_3x3(x), "halve")
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = pooled(x, "halve")
        for name in BLOCKS:
            x = self.get_submodule(name)(x)
        pool = x.mean(dim=(2, 3))
        return pool, F.linear(pool, self.fc.weight)  # without the bias, see the module's text


STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")


def scopes() -> Iterator[tuple[str, str]]:
    """(our name, TensorFlow's scope) of each convolution: "Mixed_5b.branch1x1", "mixed/conv"."""

    def numbered(name: str, number: int) -> str:
        return f"{name}_{number}" if number else name

    for number, name in enumerate(STEM):
        yield name, numbered("conv", number)
    for position, (block, towers) in enumerate(BLOCKS.items()):
        count = 0
        for tower in towers:
            scope = numbered("mixed", position) + "/"
            if len(tower.layers) > 1 or tower.ends or tower.pool:
                scope += numbered("tower", count) + "/"
                count += 1
            for number, layer in enumerate(tower.layers):
                yield f"{block}.{layer.name}", scope + numbered("conv", number)
            for number, layer in enumerate(tower.ends):
                yield f"{block}.{layer.name}", f"{scope}mixed/{numbered('conv', number)}"
