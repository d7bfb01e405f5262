"""Layers that can be undone: z = f(x), ln|det ∂z/∂x|, and x = f⁻¹(z).

    ln p(x) = ln p(z) + ln|det ∂z/∂x|                            (change of variables)

Every layer is a pair, `forward` and `inverse`, and a chain of layers is a layer. Here are those
that reshape, scale or mix; couplings stand in `couplings.py`, the transformer's in
`transformer.py`.

Shapes: B batch · C channels · H, W pixels · D = C·H·W · S size of the condition
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from genarium.nn.norm import full_precision, global_mean

Context = Tensor | None
"""What a layer may depend on beside its input: conditions [B,S], or maps [B,F,H,W]."""


class Bijection(nn.Module):
    """A layer with an inverse. The sum of the log-determinants of a chain is that of the whole."""

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        """z = f(x; context) and ln|det ∂z/∂x|, [B] nats."""
        raise NotImplementedError

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        """x with f(x; context) = z."""
        raise NotImplementedError


def nothing(x: Tensor) -> Tensor:
    """The log-determinant of a layer that keeps volumes, [B] zeros."""
    return x.new_zeros(x.shape[0])


class Chain(Bijection):
    """One layer after another."""

    def __init__(self, layers: Iterable[Bijection]):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        total = nothing(x)
        for layer in self.layers:
            x, logdet = layer(x, context)
            total = total + logdet
        return x, total

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        for layer in reversed(self.layers):
            assert isinstance(layer, Bijection)
            z = layer.inverse(z, context)
        return z


# ------------------------------------------------------------------ from grey levels to numbers


class Scale(Bijection):
    """Levels t on [0, L] -> x = 2t/L − 1 on [−1, 1]."""

    def __init__(self, levels: int):
        super().__init__()
        self.factor = 2.0 / levels

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        return x * self.factor - 1.0, nothing(x) + math.log(self.factor) * x[0].numel()

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        return (z + 1.0) / self.factor


class Logit(Bijection):
    """Levels t on [0, L] -> x = logit(α + (1 − 2α)·t/L), so that the ends of the range are far off.

    With p = α + (1 − 2α)·t/L, dx/dt = (1 − 2α) / (L·p·(1 − p)). Source: Dinh et al. 2017 (RealNVP),
    section 4.1, with α = 0.05.
    """

    def __init__(self, levels: int, alpha: float):
        super().__init__()
        self.slope, self.alpha = (1.0 - 2.0 * alpha) / levels, alpha

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        p = self.alpha + self.slope * x
        terms = math.log(self.slope) - torch.log(p) - torch.log1p(-p)
        return torch.logit(p), terms.flatten(1).sum(1)

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        return (torch.sigmoid(z) - self.alpha) / self.slope


class Sigmoid(Bijection):
    """x -> σ(x) on (0, 1): numbers become noise within a grey level."""

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        log = nn.functional.logsigmoid
        return torch.sigmoid(x), (log(x) + log(-x)).flatten(1).sum(1)

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        return torch.logit(z)


# ------------------------------------------------------------------ reshaping


class Squeeze(Bijection):
    """[B,C,H,W] -> [B, f·g·C, H/f, W/g]: blocks of f×g pixels become channels.

    The sub-pixels of a block come one after another, each with all its channels, and those of one
    colour of a checkerboard first; so the first half of the channels is a checkerboard mask.
    """

    def __init__(self, down: int, right: int):
        super().__init__()
        self.block = (down, right)
        places = [(i, j) for i in range(down) for j in range(right)]
        self.order = sorted(range(len(places)), key=lambda n: sum(places[n]) % 2)
        self.back = [self.order.index(n) for n in range(len(places))]

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        (f, g), (b, c, h, w) = self.block, x.shape
        cut = x.view(b, c, h // f, f, w // g, g).permute(0, 3, 5, 1, 2, 4)
        cut = cut.flatten(1, 2)[:, self.order]  # [B, f·g, C, H/f, W/g]
        return cut.flatten(1, 2), nothing(x)

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        (f, g), (b, c, h, w) = self.block, z.shape
        cut = z.view(b, f * g, c // (f * g), h, w)[:, self.back].unflatten(1, (f, g))
        return cut.permute(0, 3, 4, 1, 5, 2).reshape(b, c // (f * g), h * f, w * g)


class Flatten(Bijection):
    """[B, *shape] -> [B,D]."""

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        return x.flatten(1), nothing(x)

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        return z.unflatten(1, self.shape)


# ------------------------------------------------------------------ scaling and mixing channels


class ActNorm(Bijection):
    """z = (x + b)·e^s with a shift and a scale a channel (Kingma & Dhariwal 2018, Glow).

    `start` sets them so that each channel of the first batch has mean 0 and deviation 1.
    """

    LEAST = 1e-3  # deviation: a channel that is constant is not blown up without end

    def __init__(self, channels: int):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(channels, 1, 1))

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Take mean and deviation of the global batch x [B,C,H,W]."""
        x = x.double()
        moments = torch.stack([x, x.square()]).mean((3, 4)).transpose(0, 1)
        mean, square = global_mean(moments)
        deviation = (square - mean.square()).clamp_min(0).sqrt().clamp_min(self.LEAST)
        self.shift.copy_(-mean.view_as(self.shift))
        self.log_scale.copy_(-deviation.log().view_as(self.shift))

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        logdet = self.log_scale.sum() * (x.shape[2] * x.shape[3])
        return (x + self.shift) * self.log_scale.exp(), logdet.expand(x.shape[0])

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        return z * (-self.log_scale).exp() - self.shift


class Mix(Bijection):
    """An invertible 1×1 convolution, W = P·L·(U + diag(±e^s)), ln|det W| = Σ s (Glow, section 3.2).

    P, a permutation, and the signs stay as they were drawn: a random rotation. L has ones on its
    diagonal, U is strictly upper triangular.
    """

    def __init__(self, channels: int):
        super().__init__()
        rotation, _ = torch.linalg.qr(torch.randn(channels, channels))
        p, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.lower = nn.Parameter(lower.tril(-1))
        self.upper = nn.Parameter(upper.triu(1))
        self.log_scale = nn.Parameter(diagonal.abs().log())
        self.register_buffer("sign", diagonal.sign().to(torch.int8))
        self.register_buffer("order", p.argmax(1))  # row i of P·A is row order[i] of A
        self.sign: Tensor
        self.order: Tensor
        self.inverted: Tensor | None = None

    def freeze(self) -> None:
        """Keep W⁻¹ as it is now, for graphs, which solve no equations. Not to be trained after."""
        one = torch.eye(len(self.order), dtype=self.lower.dtype, device=self.lower.device)
        with torch.no_grad():
            self.inverted = self.inverse(one[None, :, None])[0, :, 0, :, None, None]

    def _factors(self) -> tuple[Tensor, Tensor]:
        one = torch.eye(len(self.order), dtype=self.lower.dtype, device=self.lower.device)
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_scale.exp())
        return self.lower.tril(-1) + one, upper

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        lower, upper = self._factors()
        with torch.autocast(x.device.type, enabled=False):  # half precision would lose the noise
            weight = (lower @ upper)[self.order]
            z = nn.functional.conv2d(full_precision(x), weight[:, :, None, None])
        logdet = self.log_scale.sum() * (x.shape[2] * x.shape[3])
        return z, logdet.expand(x.shape[0])

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        if self.inverted is not None:
            return nn.functional.conv2d(full_precision(z), self.inverted)
        lower, upper = self._factors()
        flat = z.flatten(2)[:, self.order.argsort()]
        x = torch.linalg.solve_triangular(lower, flat, upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(upper, x, upper=True).view_as(z)
