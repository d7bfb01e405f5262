"""PixelCNN: an image's probability as a product of one conditional a pixel and colour.

    ln p(x) = sum_i ln p(x_i | x_<i),  each conditional from a causal network of masked convolutions

van den Oord, Kalchbrenner, Kavukcuoglu 2016, "Pixel Recurrent Neural Networks" (masked
convolutions, residual blocks, 256-way softmax); van den Oord et al. 2016, "Conditional Image
Generation with PixelCNN Decoders" (gated layers; a vertical and a horizontal stack, so that no
pixel of the past is hidden in a blind spot); Salimans et al. 2017, "PixelCNN++" (the mixture head).

Shapes: B batch · C colours · L grey levels · O outputs a pixel and colour
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, NamedTuple, Unpack

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from genarium.contract import Optim, Spec
from genarium.errors import UserError
from genarium.models.autoregressive.arguments import Common
from genarium.models.autoregressive.autoregressive import Autoregressive
from genarium.models.autoregressive.heads import head_of
from genarium.models.autoregressive.masked import ClassBias, MaskedConv2d, PixelBias
from genarium.models.autoregressive.wavefront import Wavefront
from genarium.recipes import recipe, refuse_unused


class Sizes(NamedTuple):
    """The arguments of the recipe that shape a network; see `pixelcnn`."""

    blocks: int
    width: int
    head: int
    dilation: int
    position: bool
    classes: int


def sizes_of(spec: Spec, common: Common, *, blocks: int, dilation: int = 1) -> Sizes:
    """A recipe's arguments as sizes: channels rounded up to a multiple of the colours.

    Raises UserError for a conditional network of data without labels.
    """
    c, classes = spec.channels, len(spec.classes) if common["conditional"] else 0
    if common["conditional"] and not classes:
        raise UserError("--conditional needs class labels and the data have none: leave it out")
    width, head = (-(-size // c) * c for size in (common["width"], common["head"]))
    return Sizes(blocks, width, head, dilation, common["position"], classes)


class ResidualBlock(nn.Module):
    """x + 1x1(relu(3x3(relu(1x1(relu(x)))))), the 3x3 on half the channels, all mask B."""

    def __init__(self, width: int, colours: int, dilation: int = 1):
        super().__init__()
        half = colours * max(1, width // colours // 2)
        self.reduce = _features(width, half, 1, colours)
        self.look = _features(half, half, 3, colours, dilation)
        self.expand = _features(half, width, 1, colours)

    def forward(self, x: Tensor, front: Wavefront | None = None) -> Tensor:
        h = self.reduce(F.relu(x), front)
        h = self.look(F.relu(h, inplace=True), front)
        return self.expand(F.relu(h, inplace=True), front).add_(x)


class PlainNet(nn.Module):
    """7x7 mask A, residual blocks, a head of two 1x1 layers: [B,C,H,W] -> [B,C·O,H,W].

    dilation: the blocks' dilations are 1, 2, 4 .. up to this one, over and over.
    """

    def __init__(self, spec: Spec, outputs: int, sizes: Sizes):
        super().__init__()
        c, width = spec.channels, sizes.width
        self.first = MaskedConv2d(c, width, 7, "A", in_colours=c, out_colours=c)
        self.place = Place(spec, sizes)
        cycle = sizes.dilation.bit_length()
        self.blocks = nn.ModuleList(
            ResidualBlock(width, c, 2 ** (i % cycle)) for i in range(sizes.blocks)
        )
        self.head = Head(c, outputs, sizes)

    def forward(
        self, x: Tensor, front: Wavefront | None = None, labels: Tensor | None = None
    ) -> Tensor:
        x = self.place(self.first(x, front), front, labels)
        for block in self.blocks:
            x = block(x, front)
        return self.head(x, front)


class GatedLayer(nn.Module):
    """One layer of both stacks: tanh(a)·sigmoid(b) of a convolution, in each.

    The vertical stack sees the rows above to their ends; the horizontal one sees it and the own
    row up to the pixel. No residual in the first layer, whose input is the image. ahead: columns
    that the vertical stack's (input, output) runs ahead.
    """

    def __init__(self, width: int, colours: int, ahead: tuple[int, int], first: bool = False):
        super().__init__()
        c, k, into = colours, 7 if first else 3, colours if first else width
        self.first = first
        self.vertical = MaskedConv2d(
            into, 2 * width, k, "VA" if first else "VB", in_colours=c if first else 1, ahead=ahead
        )
        self.horizontal = MaskedConv2d(
            into,
            2 * width,
            k,
            "A" if first else "B",
            horizontal=True,
            in_colours=c,
            out_colours=c,
            out_parts=2,
        )
        self.down = MaskedConv2d(
            2 * width, 2 * width, out_colours=c, out_parts=2, ahead=(ahead[1], 0)
        )
        self.out = _features(width, width, 1, c)

    def forward(
        self, v: Tensor, h: Tensor, front: Wavefront | None = None
    ) -> tuple[Tensor, Tensor]:
        v = self.vertical(v if self.first else _gate(v), front)
        out = self.out(_gate(self.horizontal(h, front) + self.down(v, front)), front)
        return v, out if self.first else h + out


class GatedNet(nn.Module):
    """Gated layers and the same head: [B,C,H,W] -> [B,C·O,H,W]. No blind spot."""

    def __init__(self, spec: Spec, outputs: int, sizes: Sizes):
        super().__init__()
        c, width = spec.channels, sizes.width
        # How far the vertical stack must run ahead after each layer: what later layers look
        # to the right.
        ahead = list(range(sizes.blocks, -1, -1))
        self.first = GatedLayer(width, c, (ahead[0], ahead[0]), first=True)
        self.place = Place(spec, sizes)
        self.layers = nn.ModuleList(
            GatedLayer(width, c, (before, after)) for before, after in pairwise(ahead)
        )
        self.head = Head(c, outputs, sizes)

    def forward(
        self, x: Tensor, front: Wavefront | None = None, labels: Tensor | None = None
    ) -> Tensor:
        v, h = self.first(x, x, front)
        h = self.place(h, front, labels)
        for layer in self.layers:
            v, h = layer(v, h, front)
        return self.head(h, front)


class Head(nn.Module):
    """relu, 1x1, relu, 1x1, mask B: the outputs of R before those of G before those of B."""

    def __init__(self, colours: int, outputs: int, sizes: Sizes):
        super().__init__()
        self.hidden = _features(sizes.width, sizes.head, 1, colours)
        self.out = _features(sizes.head, colours * outputs, 1, colours)

    def forward(self, x: Tensor, front: Wavefront | None = None) -> Tensor:
        return self.out(F.relu(self.hidden(F.relu(x), front)), front)


def _features(into: int, out: int, kernel: int, colours: int, dilation: int = 1) -> MaskedConv2d:
    return MaskedConv2d(
        into, out, kernel, "B", in_colours=colours, out_colours=colours, dilation=dilation
    )


class Place(nn.Module):
    """What is added to the features after the first layer: where the pixel is, and of which
    class."""

    def __init__(self, spec: Spec, sizes: Sizes):
        super().__init__()
        c, height, width = spec.shape
        self.position = PixelBias(sizes.width, height, width, colours=c) if sizes.position else None
        self.classes = (
            ClassBias(sizes.classes, sizes.width, height, width, colours=c)
            if sizes.classes
            else None
        )

    def forward(self, x: Tensor, front: Wavefront | None, labels: Tensor | None) -> Tensor:
        if self.position is not None:
            x = self.position(x, front)
        if self.classes is not None:
            assert labels is not None
            x = self.classes(x, labels, front)
        return x


def _gate(x: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=1)
    return torch.tanh(a) * torch.sigmoid(b)


class PixelCNN(Autoregressive):
    """A network of masked convolutions, sampled by the wavefront; see `Autoregressive`."""


@recipe(
    family="explicit/tractable",
    tiny={"levels": 4, "blocks": 1, "width": 6, "head": 6},
    paper="van den Oord et al. 2016, Pixel Recurrent Neural Networks",
    batch=64,
    steps=3000,
)
def pixelcnn(
    spec: Spec,
    *,
    net: Literal["plain", "gated"] = "plain",
    blocks: Annotated[int, Ge(0)] = 8,
    dilation: Annotated[int, Ge(1)] = 8,
    **common: Unpack[Common],
) -> PixelCNN:
    """Autoregressive model with masked convolutions; exact likelihood, exact fast sampling.

    net: plain residual blocks, or gated layers with a vertical and a horizontal stack.
    blocks: residual blocks, or gated layers after the first.
    dilation: dilations of the plain blocks: 1, 2, 4 .. up to this, repeated.
    """
    if net == "gated":
        refuse_unused("gated layers see everything before a pixel", dilation=(dilation, 8))
    sizes = sizes_of(spec, common, blocks=blocks, dilation=dilation)
    output_head = head_of(common["output"], common["levels"], common["components"], spec.values)
    network = {"plain": PlainNet, "gated": GatedNet}[net](spec, output_head.outputs, sizes)
    return PixelCNN(spec, network, output_head, Optim("adam", lr=common["lr"]), sizes.classes)
