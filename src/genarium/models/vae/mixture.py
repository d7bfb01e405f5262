"""A mixture of Gaussians as the prior of a VAE's code, fitted to the codes beside the training.

Hoffman & Johnson 2016, ELBO surgery (what a prior can gain: the KL of all codes to it)
Ghosh et al. 2020, From Variational to Deterministic Autoencoders (a fit to the codes)
Cappé & Moulines 2009, On-line expectation-maximization
Linde, Buzo & Gray 1980, An algorithm for vector quantizer design (splitting)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genarium.nn.distributions import LN_2PI
from genarium.nn.norm import global_mean


class Mixture(nn.Module):
    """p(u) = Σ_k w_k N(u; m_k, diag s_k²), the prior of codes u in the units of `LearnedPrior`.

    A prior enters the ELBO by E_x E_q(u|x)[ln p(u)] alone. So for networks as they are the best one
    is the maximum-likelihood fit to the codes of all images, and that needs no gradient: online EM
    keeps averages of r_k, r_k·u and r_k·u² over the batches' draws, r_k = p(k|u), and w_k, m_k and
    s_k² are what these say. The networks do not feel it: they are trained towards N(0, I), which
    keeps the code a smooth one, latent by latent, and the mixture says what is left.

    Begins as N(0, I), one component and K − 1 without weight. As long as one has less than `DEAD`/K
    of it, the heaviest is split along its longest axis into two halves that together have its mean
    and variances, one in a step. So nothing in it is drawn, and none is lost for good.

    Shapes: B batch · D latents · K components
    """

    MEMORY = 0.99  # of the averages; that of the first t steps is (1 + t)/(10 + t) at most
    DEAD = 0.2
    APART = 0.8  # of halves from the middle, in deviations
    FLOOR = 1e-4  # of s_k², in squared units of the code

    def __init__(self, latent: int, components: int):
        super().__init__()
        self.latent = latent
        moments = torch.zeros(components, 1 + 2 * latent)
        moments[0, 0], moments[0, 1 + latent :] = 1.0, 1.0
        self.register_buffer("moments", moments)  # w, w·m, w·(s² + m²)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.moments: Tensor
        self.steps: Tensor

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """w [K], m [K,D], s² [K,D]; the sum of w is 1, m and s² of one without weight 0 and 1."""
        weight, first, second = self.moments.split([1, self.latent, self.latent], 1)
        some = weight > 1e-12
        mean = torch.where(some, first / weight.clamp(min=1e-12), 0.0)
        variance = (second / weight.clamp(min=1e-12) - mean.square()).clamp(min=self.FLOOR)
        weight = torch.where(some, weight, 0.0)[:, 0]
        return weight / weight.sum(), mean, torch.where(some, variance, 1.0)

    def log_joint(self, u: Tensor) -> Tensor:
        """ln w_k N(u; m_k, diag s_k²), [B,K] nats, of codes u [B,D]."""
        weight, mean, variance = (part.to(u.dtype) for part in self.parts())
        squares = ((u[:, None] - mean).square() / variance).sum(2)
        return weight.log() - 0.5 * (squares + variance.log().sum(1) + self.latent * LN_2PI)

    def log_ratio(self, u: Tensor) -> Tensor:
        """ln p(u) − ln N(u; 0, I), [B] nats, of codes u [B,D]."""
        return self.log_joint(u).logsumexp(1) + 0.5 * (u.square() + LN_2PI).sum(1)

    def placed(self, draws: Tensor, chance: Tensor) -> Tensor:
        """Draws of N(0, T²·I) [n,D] and uniform ones [n] -> draws of the mixture, [n,D].

        m_k + s_k·draw, the component k by `chance`. The temperature T narrows each component.
        """
        weight, mean, variance = (part.to(draws.device) for part in self.parts())
        each = torch.searchsorted(weight.cumsum(0), chance.to(weight.device), right=True)
        each = each.clamp(max=int((weight > 0).nonzero().max()))
        return mean[each] + variance[each].sqrt() * draws

    @torch.no_grad()
    def update(self, u: Tensor) -> None:
        """One step of EM on draws u [B,D] of the posteriors of a batch; of all processes' share."""
        with torch.autocast(u.device.type, enabled=False):
            u = u.detach().to(self.moments.dtype)
            share = self.log_joint(u).softmax(1)
            said = torch.cat([torch.ones_like(u[:, :1]), u, u.square()], 1)
            fresh = global_mean((share.T @ said / len(u))[None])
            memory = ((1 + self.steps) / (10 + self.steps)).clamp(max=self.MEMORY)
            self.moments.lerp_(fresh, (1.0 - memory).to(fresh.dtype))
            self.steps.add_(1)
            self._split()

    def _split(self) -> None:
        """Give the lightest component half of the heaviest, if it has next to no weight."""
        weight, mean, variance = self.parts()
        light, heavy = weight.argmin(), weight.argmax()
        longest = variance[heavy].argmax()
        aside = torch.zeros_like(mean[heavy])
        aside[longest] = self.APART * variance[heavy, longest].sqrt()
        within = variance[heavy] - aside.square()
        halves = []
        for middle in (mean[heavy] + aside, mean[heavy] - aside):
            said = [torch.ones_like(middle[:1]), middle, within + middle.square()]
            halves.append(0.5 * self.moments[heavy, 0] * torch.cat(said))
        split = self.moments.index_copy(0, torch.stack([heavy, light]), torch.stack(halves))
        wanted = (weight[light] < self.DEAD / len(weight)) & (light != heavy)
        self.moments.copy_(torch.where(wanted, split, self.moments))
