"""From grey levels to real numbers: what is added to a level before a density can be fitted to it.

A density on the levels themselves has no upper limit, so noise u in [0, 1) is added: t = k + u on
[0, L). With q(u|k) the density of the noise,

    ln P(k) = ln ∫ p(k + u) du >= E_q[ln p(k + u) − ln q(u|k)],

so what a flow says of t, less ln q, is on average a lower bound on the log-probability of the
level, in nats, whatever range the levels stand for. Of L levels, uniform p has log₂ L bits a
dimension.

    uniform      q = 1 (Theis, van den Oord & Bethge 2016)
    variational  q a flow of its own that sees the image; the bound is tighter (Ho et al. 2019,
                 Flow++, section 3.1)
    gaussian     t = k + ½ + σ·ε, no bound at all: the density of noisy images (Zhai et al. 2024,
                 TarFlow, section 2.4)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genarium.contract import EIGHT_BIT, Noise, Spec, Values
from genarium.models.flow.bijections import Bijection, Chain, Sigmoid, Squeeze
from genarium.models.flow.couplings import Coupling, CouplingNet, checkerboard
from genarium.models.flow.elementwise import Affine
from genarium.nn.distributions import normal_log_prob, per_image


class Dequantization(nn.Module):
    """Noise for levels. density: what a likelihood of t = k + u then is of, in words."""

    density: str = ""

    def __init__(self, levels: int, values: Values = EIGHT_BIT):
        super().__init__()
        self.levels = levels
        if not values.eight_bit:
            self.of = values.levels_in_words(levels)
        else:
            self.of = "8-bit levels" if levels == 256 else f"{levels} levels, floor(x·{levels}/256)"

    def forward(self, k: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Levels k [B,C,H,W] int64 -> t, and ln q(t|k), [B] nats."""
        raise NotImplementedError

    def middle(self, k: Tensor) -> Tensor:
        """The point that a level is encoded by: the middle of its bin, k + ½."""
        return k.float() + 0.5


class Uniform(Dequantization):
    """u ~ U[0, 1)."""

    def __init__(self, levels: int, values: Values = EIGHT_BIT):
        super().__init__(levels, values)
        self.density = f"uniformly dequantized {self.of} (lower bound for the levels)"

    def forward(self, k: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        t = k.float() + noise.uniform(*k.shape[1:])
        return t, t.new_zeros(t.shape[0])


class Gaussian(Dequantization):
    """ε ~ N(0, 1) times σ, which is on the scale [−1, 1] of the images."""

    def __init__(self, levels: int, sigma: float, values: Values = EIGHT_BIT):
        super().__init__(levels, values)
        self.sigma = sigma
        self.density = (
            f"{self.of} with Gaussian noise of {sigma:g} (on [-1, 1]) added: a density of noisy "
            "images, no bound for the levels"
        )

    @property
    def deviation(self) -> float:
        """σ in levels."""
        return self.sigma * self.levels / 2

    def forward(self, k: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        t = self.middle(k) + self.deviation * noise.normal(*k.shape[1:])
        return t, t.new_zeros(t.shape[0])


class Variational(Dequantization):
    """u = σ(g(ε; image)), ε ~ N(0, 1): g are affine couplings on a checkerboard that see the image.

    ln q(u|k) = ln N(ε) − ln|det ∂u/∂ε|. It begins at σ(1.7·ε), which is nearly uniform.
    """

    def __init__(self, spec: Spec, levels: int, block: tuple[int, int], width: int, couplings: int):
        super().__init__(levels, spec.values)
        self.density = f"variationally dequantized {self.of} (lower bound for the levels)"
        f, g = block
        self.squeeze = Squeeze(f, g)
        c, size = spec.channels * f * g, (spec.height // f, spec.width // g)
        layers: list[Bijection] = []
        for number in range(couplings):
            kept = checkerboard(c, number % 2 == 1)
            into, function = int(kept.sum()), Affine()
            out = (c - into) * function.outputs
            net = CouplingNet(into, out, size, width=width, blocks=1, maps=c)
            layers.append(Coupling(kept, function, net))
        self.noise_flow = Chain([*layers, Sigmoid()])

    def forward(self, k: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        image, _ = self.squeeze(k.float() * (2.0 / (self.levels - 1)) - 1.0)
        eps = noise.normal(*image.shape[1:])
        u, logdet = self.noise_flow(LOGISTIC * eps, image)
        ln_q = per_image(normal_log_prob(eps, eps.new_zeros(()), eps.new_zeros(())))
        ln_q = ln_q - logdet - eps[0].numel() * LN_LOGISTIC
        return k.float() + self.squeeze.inverse(u), ln_q


LOGISTIC = 1.7
"""σ(1.7·ε) is within .01 of the normal distribution function of ε, so nearly uniform."""
LN_LOGISTIC = float(torch.tensor(LOGISTIC).log())
