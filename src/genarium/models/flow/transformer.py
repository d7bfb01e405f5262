"""A causal transformer over patches as an invertible layer, and its exact inverse with a cache.

    z_t = (x_t − μ(x_<t))·e^s(x_<t),     ln|det ∂z/∂x| = Σ_t Σ_i s_i(x_<t)

Zhai et al. 2024, Normalizing Flows are Capable Generative Models (TarFlow). The forward pass sees
all patches at once; the inverse draws one patch after another and keeps keys and values of those
before.

Shapes: B batch · T patches · d numbers a patch · E width · S size of the condition
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genarium.models.flow.bijections import Bijection, Context, nothing
from genarium.models.flow.elementwise import Affine
from genarium.nn.norm import full_precision

HEAD = 32
"""Numbers of an attention head, at most."""


@dataclass
class Cache:
    """Keys and values [B,heads,t,E/heads] of the patches so far, a pair a layer."""

    pairs: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def extended(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Those of `layer` with the newest behind."""
        if layer in self.pairs:
            before = self.pairs[layer]
            key, value = torch.cat([before[0], key], 2), torch.cat([before[1], value], 2)
        self.pairs[layer] = (key, value)
        return key, value


class CausalLayer(nn.Module):
    """h + attention(norm(h)), then + dense(norm(h)): [B,T,E] -> [B,T,E]; no look ahead."""

    def __init__(self, width: int):
        super().__init__()
        self.heads = next(n for n in range(-(-width // HEAD), width + 1) if width % n == 0)
        self.before = nn.LayerNorm(width)
        # A bias of keys changes no attention: its gradient is rounding, of which Adam makes steps.
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.dense = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
        )

    def forward(self, h: Tensor, cache: Cache | None = None, number: int = 0) -> Tensor:
        parts = self.qkv(self.before(h)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        if cache is not None:  # one patch, which may see all that are kept
            key, value = cache.extended(number, key, value)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=cache is None)
        h = h + self.out(seen.transpose(1, 2).flatten(2))
        return h + self.dense(h)


class CausalFlow(Bijection):
    """One causal transformer of `layers` layers on patches [B,T,d], in their order or backwards.

    The parameters of a patch come from the patches before it; those of the first from a learned
    start, as which the sequence moves down by one place. They begin at the identity.
    """

    def __init__(
        self,
        patches: int,
        numbers: int,
        *,
        width: int,
        layers: int,
        backwards: bool,
        condition: int = 0,
    ):
        super().__init__()
        self.backwards = backwards
        self.function = Affine()
        self.into = nn.Linear(numbers, width)
        self.start = nn.Parameter(0.02 * torch.randn(width))
        self.place = nn.Parameter(0.02 * torch.randn(patches, width))
        self.condition = nn.Linear(condition, width, bias=False) if condition else None
        self.layers = nn.ModuleList(CausalLayer(width) for _ in range(layers))
        last = nn.Linear(width, numbers * self.function.outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.out = nn.Sequential(nn.LayerNorm(width), last)

    def _given(
        self, before: Tensor, places: slice, context: Context, cache: Cache | None = None
    ) -> Tensor:
        """Parameters [B,n,d,P] of the patches at `places`, from the embeddings `before` them."""
        h = before + self.place[places]
        if self.condition is not None:
            assert context is not None
            h = h + self.condition(context)[:, None]
        for number, layer in enumerate(self.layers):
            h = layer(h, cache, number)
        return full_precision(self.out(h)).unflatten(-1, (-1, self.function.outputs))

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        if self.backwards:
            x = x.flip(1)
        first = self.start.expand(x.shape[0], 1, -1)
        before = torch.cat([first.to(x.dtype), self.into(x[:, :-1]).to(x.dtype)], 1)
        z, terms = self.function.forward(x, self._given(before, slice(None), context))
        return z.flip(1) if self.backwards else z, terms.flatten(1).sum(1)

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        if self.backwards:
            z = z.flip(1)
        cache, drawn = Cache(), []
        before = self.start.expand(z.shape[0], 1, -1)
        for t in range(z.shape[1]):
            at = slice(t, t + 1)
            patch = self.function.inverse(z[:, at], self._given(before, at, context, cache))
            drawn.append(patch)
            before = self.into(patch)
        x = torch.cat(drawn, 1)
        return x.flip(1) if self.backwards else x


class Patches(Bijection):
    """[B,C,H,W] -> [B,T,d]: p×q pixels of all channels a patch, row by row."""

    def __init__(self, shape: tuple[int, int, int], block: tuple[int, int]):
        super().__init__()
        self.shape, self.block = shape, block

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        (b, c, h, w), (p, q) = x.shape, self.block
        cut = x.view(b, c, h // p, p, w // q, q).permute(0, 2, 4, 1, 3, 5)
        return cut.reshape(b, (h // p) * (w // q), c * p * q), nothing(x)

    def inverse(self, z: Tensor, context: Context = None) -> Tensor:
        (c, h, w), (p, q) = self.shape, self.block
        cut = z.reshape(z.shape[0], h // p, w // q, c, p, q).permute(0, 3, 1, 4, 2, 5)
        return cut.reshape(z.shape[0], c, h, w)
