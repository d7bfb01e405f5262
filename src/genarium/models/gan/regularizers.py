"""Regularizers, augmentations and normalizations of adversarial training.

Each is one object for `GAN(regularizers=...)`, and they compose.

B batch · C channels · H, W pixels · F features of the discriminator · D its logit (a score)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from genarium.errors import UserError
from genarium.models.gan.gan import GAN, Regularizer, Turn
from genarium.models.gan.networks.minibatch import MinibatchScore
from genarium.nn.augmentation import KINDS
from genarium.nn.norm import global_mean


def _gradients(logits: Tensor, images: Tensor, group_size: int) -> Tensor:
    """∇D(X_i) of each logit by its own images, [B/m, m·C·H·W], itself differentiable.

    X_i: one image, or the m images of a group, all their values as one vector. It is the gradient
    of the logits' sum as long as no logit depends on another's images.
    """
    (gradients,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradients.float().unflatten(0, (-1, group_size)).flatten(1)


class WeightClipping(Regularizer):
    """Keeps the critic Lipschitz by a box for its weights (Arjovsky et al. 2017).

    After each of the critic's updates, every parameter is clamped to [-limit, limit].
    """

    flag = "weight-clipping"
    slope = True

    def __init__(self, limit: float = 0.01):
        super().__init__()
        self.limit = limit

    @torch.no_grad()
    def after(self, gan: GAN, phase: str) -> None:
        if phase == "discriminator":
            for parameter in gan.discriminator.parameters():
                parameter.clamp_(-self.limit, self.limit)


class GradientPenalty(Regularizer):
    """Keeps the critic's slope at 1 between data and samples (Gulrajani et al. 2017).

    λ·E[(‖∇D(x̂)‖₂ - 1)²] at x̂ = αx + (1-α)G(z), one α ~ U(0, 1) a logit. Where the critic judges
    groups (Lin et al. 2018), x̂ is a group: one α for its m images, and the norm is over the values
    of all of them, for the distance that is estimated is that of distributions of groups. The
    critic must not let a logit depend on other images: no batch norm in it, no minibatch
    discrimination.
    """

    flag = "gradient-penalty"
    slope = own_gradient = True

    def __init__(self, weight: float = 10.0):
        super().__init__()
        self.weight = weight

    def discriminator_losses(self, turn: Turn) -> dict[str, Tensor]:
        group_size = turn.gan.group_size
        mix = turn.batch.noise.uniform(1, 1, 1)[::group_size].repeat_interleave(group_size, 0)
        real = turn.real.detach()
        between = torch.lerp(turn.fake.detach().to(real.dtype), real, mix).requires_grad_()
        norms = _gradients(turn.unrecorded(between).logits, between, group_size).norm(dim=1)
        return {"gradient_penalty": self.weight * (norms - 1).square().mean()}


class R1(Regularizer):
    """Flattens the discriminator at the data (Mescheder et al. 2018): ½γ·E[‖∇D(x)‖²].

    Of groups it is the squared norm over all of a group's values, and the mean over groups. weight:
    γ; the paper's is 10.
    """

    flag = "r1"
    real_gradient = own_gradient = True

    def __init__(self, weight: float = 1.0):
        super().__init__()
        self.weight = weight

    def discriminator_losses(self, turn: Turn) -> dict[str, Tensor]:
        gradients = _gradients(turn.of_real.logits, turn.real, turn.gan.group_size)
        return {"r1": 0.5 * self.weight * gradients.square().sum(1).mean()}


class SpectralNorm(Regularizer):
    """Divides each of the discriminator's weights by its largest singular value (Miyato et al.
    2018), found by one power iteration a call; a convolution's is that of its flattened kernel.
    """

    flag = "spectral-norm"
    slope = True

    def prepare(self, gan: GAN) -> None:
        for module in gan.discriminator.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                spectral_norm(module)


class FeatureMatching(Regularizer):
    """The generator matches the mean features of the data (Salimans et al. 2016, 3.1).

    ‖E f(x) - E f(G(z))‖² over the discriminator's last hidden layer, means over the global batch.
    weight: of the loss. alone: it replaces the objective's loss of the generator, as in the paper;
    else it is added.
    """

    flag = "feature-matching"

    def __init__(self, weight: float = 1.0, alone: bool = True):
        super().__init__()
        self.weight, self.replaces = weight, alone
        self.name = "generator" if alone else "feature_matching"

    def generator_losses(self, turn: Turn) -> dict[str, Tensor]:
        with torch.no_grad():
            wanted = global_mean(turn.of_real.features.float())
        result = global_mean(turn.of_fake.features.float())
        return {self.name: self.weight * (wanted - result).square().sum()}


class MinibatchDiscrimination(Regularizer):
    """The discriminator sees how alike a batch is; see `genarium.models.gan.networks.minibatch`."""

    flag = "minibatch-discrimination"
    mixes = True

    def __init__(self, kernels: int = 100, size: int = 5):
        super().__init__()
        self.kernels, self.size = kernels, size

    def prepare(self, gan: GAN) -> None:
        network = gan.discriminator
        score = MinibatchScore(int(network.outputs), self.kernels, self.size)  # type: ignore[arg-type]
        # a group's score stands in the network that judges groups
        inner: Any = getattr(network, "network", network)
        if inner.score.bias is None:  # a difference of scores gives a bias no gradient
            score.score.bias.requires_grad_(False)
        inner.score = score


class DiffAugment(Regularizer):
    """The same kinds of random change for real and fake images (Zhao et al. 2020).

    The discriminator of a small data set can no longer know its images by heart, and since the
    changes are differentiable the generator learns from what is left.

    policies: names of `nn.augmentation.KINDS`, made in this order. probability: of each change of
    each image, or "adaptive" (Karras et al. 2020, "Training Generative Adversarial Networks with
    Limited Data", ADA): it starts at 0 and every four turns of the discriminator moves up if more
    real images are called real than `TARGET` asks for, else down,

        r = E[sign(l_real - b)],    p <- p + sign(r - TARGET)·(images since then)/`PACE`

    b the logit that the objective takes for neither (0; ½ of least squares).
    """

    flag = "diffaugment"
    augments = True
    state: Tensor

    TARGET, EVERY = 0.6, 4
    PACE = 100_000
    """Images from p = 0 to 1. The paper's 500,000 is for trainings of 25 million."""

    def __init__(
        self,
        policies: Iterable[str] = ("color", "translation", "cutout"),
        probability: float | Literal["adaptive"] = 1.0,
    ):
        super().__init__()
        self.policies = tuple(policies)
        for name in self.policies:
            if name not in KINDS:
                raise UserError(f"DiffAugment {name!r}: choose from {', '.join(KINDS)}")
        self.adaptive = probability == "adaptive"
        self.probability = 0.0 if probability == "adaptive" else probability
        if self.adaptive:
            # state of the training: a checkpoint holds it. [p, the sum of r, its turns]
            self.register_buffer("state", torch.zeros(3))

    def augment(self, images: Tensor, turn: Turn) -> Tensor:
        noise = turn.batch.noise
        p = self.state[0].item() if self.adaptive else self.probability
        for name in self.policies if p else ():
            changed = KINDS[name](images, noise)
            images = changed if p == 1 else torch.where(noise.uniform(1, 1, 1) < p, changed, images)
        return images

    def discriminator_losses(self, turn: Turn) -> dict[str, Tensor]:
        if self.adaptive:
            turn.metrics["augmented"] = self.state[0].clone()
            self._adapt(turn)
        return {}

    @torch.no_grad()
    def _adapt(self, turn: Turn) -> None:
        logits = turn.of_real.logits.float()
        called = global_mean((logits - turn.gan.objective.boundary).sign()).mean()
        self.state[1:] += torch.stack([called, torch.ones_like(called)])
        if self.state[2] >= self.EVERY:
            way = (self.state[1] / self.state[2] - self.TARGET).sign()
            step = self.state[2] * turn.batch.noise.total / self.PACE
            self.state[0] = (self.state[0] + way * step).clamp(0, 1)
            self.state[1:] = 0
