"""EfficientNet-Lite0, the extractor for pictures: trained on ImageNet's photographs.

Inverted residuals (Sandler et al. 2018): a 1x1 convolution that widens, a depthwise one, a 1x1
convolution that narrows without an activation, and the input added where shapes agree. `STAGES` is
the table of B0 in Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks"; the Lite variant leaves out squeeze-and-excitation and has ReLU6 for swish. Convolutions
of stride 2 pad as TensorFlow's "same": the odd pixel right and below. Normalisation is folded into
the convolutions, as the weights ship (`tools/convert_efficientnet.py`).

The features are the maps of the first five stages averaged over the positions, over 4: grain and
edges from the early ones, parts from the late ones. The last layer, which names objects, was tried
and sees less: it is trained not to tell a blurred, grey or noisy cat from another cat, and a few
hundred pictures do not fill its 1,280 dimensions. docs/evaluation.md has the figures.

Shapes: B images · D features
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STAGES = (  # widening, channels, blocks, stride of the first, kernel
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
STEM = 32
DEPTH = 5  # stages whose maps are the features
DIMS = sum(channels for _, channels, *_ in STAGES[:DEPTH])
SIDE = 96
SCALE = 4.0  # brings the numbers to about 1, as the kernel of KID (x·y/D + 1)³ wants them
RESIZE = f"antialiased bilinear to {SIDE}x{SIDE}, aspect not kept; (x - 127) / 128; grey tiled"


class Same(nn.Conv2d):
    """A convolution with bias that pads as TensorFlow's "same"."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups)

    def forward(self, input: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        extra = [max(0, (-(-n // stride) - 1) * stride + kernel - n) for n in input.shape[2:]]
        if all(e % 2 == 0 for e in extra):  # as much on either side: no copy
            sides = [e // 2 for e in extra]
            weight, bias = self.weight, self.bias
            return F.conv2d(input, weight, bias, self.stride, sides, groups=self.groups)
        return super().forward(F.pad(input, [s for e in extra[::-1] for s in (e // 2, e - e // 2)]))


class Block(nn.Module):
    """An inverted residual."""

    def __init__(self, inputs: int, outputs: int, widening: int, stride: int, kernel: int):
        super().__init__()
        wide = widening * inputs
        self.expand = Same(inputs, wide, 1) if widening > 1 else None
        self.depthwise = Same(wide, wide, kernel, stride, groups=wide)
        self.project = Same(wide, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return y.add_(x) if self.residual else y


class EfficientNetLite0(nn.Module):
    """Floats [B,3,H,W] about [-1, 1] -> features [B,D] and no logits [B,0].

    depth: how many of the seven stages there are.
    """

    def __init__(self, depth: int = DEPTH):
        super().__init__()
        self.stem = Same(3, STEM, 3, 2)
        inputs, stages = STEM, []
        for widening, channels, count, stride, kernel in STAGES[:depth]:
            blocks = []
            for number in range(count):
                step = 1 if number else stride
                blocks.append(Block(inputs, channels, widening, step, kernel))
                inputs = channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)

    def maps(self, x: Tensor) -> list[Tensor]:
        """What each stage gives: [B,16,H/2,W/2], then 24, 40, 80, 112, 192, 320 maps."""
        x, results = F.relu6(self.stem(x), inplace=True), []
        for stage in self.stages:
            x = stage(x)
            results.append(x)
        return results

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return _means(self.maps(x))


def _means(maps: list[Tensor]) -> tuple[Tensor, Tensor]:
    pool = torch.cat([each.mean((2, 3)) for each in maps], 1) / SCALE
    return pool, pool.new_empty(len(pool), 0)


class Turned(EfficientNetLite0):
    """The same function in fewer operations: of pictures turned by 180°, with turned filters.

    TensorFlow pads the odd pixel of a stride right and below, which PyTorch's convolutions cannot:
    the maps are copied into larger ones, the widest of all among them. Of turned pictures it is
    left and above, where a padding on both sides has it too: with even sides no filter reaches what
    is right and below. Means over positions are the same, and so are the features up to rounding
    (1e-6 of the largest). The sides of the pictures have to be multiples of 16.
    """

    def __init__(self, network: EfficientNetLite0):
        super().__init__(len(network.stages))
        for name, module in network.named_modules():
            if isinstance(module, Same):
                self.set_submodule(name, _turned(module))
        self.requires_grad_(False).eval()

    def maps(self, x: Tensor) -> list[Tensor]:
        return [each.flip(2, 3) for each in self._turned_maps(x)]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return _means(self._turned_maps(x))

    def _turned_maps(self, x: Tensor) -> list[Tensor]:
        if any(side % 16 for side in x.shape[2:]):
            raise ValueError(f"pictures {list(x.shape)}: sides that are multiples of 16 are needed")
        return super().maps(x.flip(2, 3))


def _turned(conv: Same) -> nn.Conv2d:
    """The convolution with its filters turned, padded on both sides."""
    (size, _), (stride, _) = conv.kernel_size, conv.stride
    channels = conv.in_channels, conv.out_channels
    result = nn.Conv2d(*channels, size, stride, size // 2, groups=conv.groups)
    weight = conv.weight.detach().flip(2, 3).contiguous(memory_format=torch.channels_last)
    result.weight, result.bias = nn.Parameter(weight), conv.bias
    return result


def prepare(images: Tensor) -> Tensor:
    """uint8 [B,1 or 3,H,W] -> [B,3,96,96] as `RESIZE` says."""
    x = images.to(torch.float32)
    if x.shape[2:] != (SIDE, SIDE):
        x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    x = (x - 127.0) / 128.0
    return x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
