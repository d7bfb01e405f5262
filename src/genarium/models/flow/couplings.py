"""Couplings: one part of the channels is changed by what the other part says.

    z_kept = x_kept,   z_changed = f(x_changed; network(x_kept, context))

The Jacobian is triangular, so its log-determinant is the sum of ln dz/dx of what is changed, and
the network itself need not be inverted.

Shapes: B batch · C channels · H, W pixels · P parameters a number · S size of the condition
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genarium.models.flow.bijections import Bijection, Context, Flatten
from genarium.models.flow.elementwise import Affine, Elementwise
from genarium.nn.norm import full_precision

Shape = tuple[int, int, int]


class CouplingNet(nn.Module):
    """Residual network of convolutions that begins at zero, [B,C,H,W] -> [B,out,H,W].

    Where the map is one pixel, as points of the plane are, they are dense layers. Each place of the
    map has a bias of its own after the first layer. condition: S numbers of the context [B,S],
    which are a bias too; maps: channels of a context [B,maps,H,W], which stand beside the input.
    """

    def __init__(
        self,
        into: int,
        out: int,
        size: tuple[int, int],
        *,
        width: int,
        blocks: int,
        condition: int = 0,
        maps: int = 0,
    ):
        super().__init__()
        kernel = 3 if max(size) > 1 else 1
        same = kernel // 2
        self.into = into
        self.first = nn.Conv2d(max(1, into + maps), width, kernel, padding=same)
        self.place = nn.Parameter(torch.zeros(width, *size)) if max(size) > 1 else None
        self.condition = nn.Linear(condition, width, bias=False) if condition else None
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.SiLU(),
                nn.Conv2d(width, width, kernel, padding=same),
                nn.SiLU(),
                nn.Conv2d(width, width, 1),
            )
            for _ in range(blocks)
        )
        self.last = nn.Conv2d(width, out, 1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, context: Context = None) -> Tensor:
        if context is not None and context.ndim == 4:
            x = torch.cat([x, context], 1)
        h = self.first(x)
        if self.place is not None:
            h = h + self.place.to(h.dtype)
        if self.condition is not None:
            assert context is not None
            h = h + self.condition(context)[:, :, None, None].to(h.dtype)
        for block in self.blocks:
            h = h + block(h)
        return full_precision(self.last(F.silu(h)))


class Coupling(Bijection):
    """Changes the channels that `kept` [C] does not mark, by what it marks."""

    def __init__(self, kept: Tensor, function: Elementwise, network: nn.Module):
        super().__init__()
        self.function, self.network = function, network
        kept_at, changed_at = kept.nonzero()[:, 0], (~kept).nonzero()[:, 0]
        self.register_buffer("kept", kept_at, persistent=False)
        self.register_buffer("changed", changed_at, persistent=False)
        self.register_buffer("back", torch.cat([kept_at, changed_at]).argsort(), persistent=False)
        self.kept: Tensor
        self.changed: Tensor
        self.back: Tensor

    def _given(self, kept: Tensor, context: Context) -> Tensor:
        """[B, H, W, changed, P]: as the outputs lie in memory where maps are channels-last."""
        outputs: Tensor = self.network(kept, context)
        return outputs.permute(0, 2, 3, 1).unflatten(-1, (len(self.changed), -1))

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        kept, changed = x[:, self.kept], x[:, self.changed].permute(0, 2, 3, 1)
        changed, terms = self.function.forward(changed, self._given(kept, context))
        z = torch.cat([kept, changed.permute(0, 3, 1, 2)], 1)
        return z[:, self.back], terms.flatten(1).sum(1)

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        kept, changed = z[:, self.kept], z[:, self.changed].permute(0, 2, 3, 1)
        changed = self.function.inverse(changed, self._given(kept, context))
        return torch.cat([kept, changed.permute(0, 3, 1, 2)], 1)[:, self.back]


class Split(Bijection):
    """Half of the channels is done here, the rest goes on to coarser scales: [B,C,H,W] -> [B,D].

    The half that leaves has a prior given the half that stays, N(μ, e^(−2s)) by a network; divided
    out, z = (x − μ)·e^s, the code of all scales together is one of N(0, I), coarse scales first.
    Source: Dinh et al. 2017, section 3.6; the learned prior Kingma & Dhariwal 2018.
    """

    def __init__(self, shape: Shape, coarser: Bijection, network: nn.Module, function: Elementwise):
        super().__init__()
        c, h, w = shape
        self.stay = c - c // 2
        self.coarser = coarser
        self.prior = Coupling(torch.arange(c) < self.stay, function, network)
        self.flatten = Flatten((c // 2, h, w))

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        x, logdet = self.prior(x, context)
        coarse, further = self.coarser(x[:, : self.stay], context)
        return torch.cat([coarse, x[:, self.stay :].flatten(1)], 1), logdet + further

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        c, h, w = self.flatten.shape
        coarse, fine = z[:, : -c * h * w], z[:, -c * h * w :]
        coarse = self.coarser.inverse(coarse, context)
        x = torch.cat([coarse, self.flatten.inverse(fine)], 1)
        return self.prior.inverse(x, context)


class ConditionalPrior(Bijection):
    """z = (x − μ(y))·e^s(y), a mean and a scale a channel: the prior of a class is its own."""

    def __init__(self, channels: int, condition: int):
        super().__init__()
        self.function = Affine()
        self.of = nn.Linear(condition, channels * self.function.outputs)
        nn.init.zeros_(self.of.weight)
        nn.init.zeros_(self.of.bias)

    def _given(self, x: Tensor, context: Context) -> Tensor:
        given = full_precision(self.of(context)).unflatten(1, (-1, 1, 1, self.function.outputs))
        return given.expand(*x.shape, -1)

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        z, terms = self.function.forward(x, self._given(x, context))
        return z, terms.flatten(1).sum(1)

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        return self.function.inverse(z, self._given(z, context))


def checkerboard(channels: int, odd: bool) -> Tensor:
    """[channels] bool after `Squeeze`: the pixels of one colour of a checkerboard are kept."""
    first = torch.arange(channels) < channels - channels // 2
    return ~first if odd else first


def channelwise(channels: int, block: int, odd: bool) -> Tensor:
    """[channels] bool after a `Squeeze` of `block` sub-pixels: half of the channels is kept,
    counted colour by colour and row by row within a block (of one channel: its upper row)."""
    order = sorted(range(block), key=lambda n: (n // 2 + n % 2) % 2) if block == 4 else range(block)
    colours = channels // block
    raw = torch.tensor([c * block + sub for sub in order for c in range(colours)])
    first = raw < channels - channels // 2
    return ~first if odd else first
