"""What the ELBO of a batch is made of, and how many latents follow the images."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from genarium.contract import Posterior
from genarium.nn.distributions import reparametrize


class Terms(NamedTuple):
    """Of one draw z = μ + σ·eps an image. B batch · D latents

    log_likelihood: ln p(x|z), [B] nats. kl: of each latent to N(0, 1), [B,D] nats. posterior:
    q(z|x) in a code's units. eps: [B,D].
    """

    log_likelihood: Tensor
    kl: Tensor
    posterior: Posterior
    eps: Tensor

    @property
    def codes(self) -> Tensor:
        """The draws in a code's units, [B,D]."""
        return reparametrize(*self.posterior, self.eps)


def active_units(means: Tensor, threshold: float = 0.01) -> Tensor:
    """How many latents follow the image: Var_x(E_q[z_d]) > threshold, a float scalar.

    means: [B,D] posterior means of B images. Source: Burda et al. 2016, section 5.
    """
    return (means.var(0, correction=0) > threshold).sum().float()
