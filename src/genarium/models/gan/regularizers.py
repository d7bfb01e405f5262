"""Regularizers, augmentations and normalizations of adversarial training.

Each is one object for `GAN(regularizers=...)`, and they compose.

B batch · C channels · H, W pixels · F features of the discriminator · D its logit (a score)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from genarium.errors import UserError
from genarium.models.gan.gan import GAN, Regularizer, Turn
from genarium.models.gan.networks.minibatch import MinibatchScore
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

    policies: of "color" (brightness ±½, saturation ×0..2, contrast ×½..1½, by images of their own),
    "translation" (by up to an eighth of a side, zeros move in) and "cutout" (a square of half the
    side becomes zero).
    """

    flag = "diffaugment"
    augments = True

    def __init__(self, policies: Iterable[str] = ("color", "translation", "cutout")):
        super().__init__()
        self.policies = tuple(policies)
        for name in self.policies:
            if name not in POLICIES:
                raise UserError(f"DiffAugment {name!r}: choose from {', '.join(POLICIES)}")
        self.changes = [POLICIES[name] for name in self.policies]

    def augment(self, images: Tensor, turn: Turn) -> Tensor:
        for change in self.changes:
            images = change(images, turn)
        return images


def _color(x: Tensor, turn: Turn) -> Tensor:
    uniform = turn.batch.noise.uniform
    x = x + (uniform(1, 1, 1) - 0.5)
    if x.shape[1] > 1:
        grey = x.mean(1, keepdim=True)
        x = torch.lerp(grey, x, 2 * uniform(1, 1, 1))
    return torch.lerp(x.mean((1, 2, 3), keepdim=True), x, uniform(1, 1, 1) + 0.5)


def _lines(size: int, like: Tensor) -> Tensor:
    return torch.arange(size, device=like.device)


def _translation(x: Tensor, turn: Turn) -> Tensor:
    batch, _, height, width = x.shape
    for axis, size in ((2, height), (3, width)):
        most = int(size / 8 + 0.5)
        shift = turn.batch.noise.integers(2 * most + 1) - most
        source = _lines(size, x)[None] - shift[:, None]
        shape = [batch, 1, 1, 1]
        shape[axis] = size
        inside = ((source >= 0) & (source < size)).view(shape)
        index = source.clamp(0, size - 1).view(shape).expand_as(x)
        x = x.gather(axis, index) * inside
    return x


def _cutout(x: Tensor, turn: Turn) -> Tensor:
    _, _, height, width = x.shape
    hidden = None
    for axis, size in ((2, height), (3, width)):
        side = int(size / 2 + 0.5)
        # The square may stick out, so that every pixel is hidden equally often.
        start = turn.batch.noise.integers(size + 1 - side % 2) - side // 2
        offset = _lines(size, x)[None] - start[:, None]
        shape = [len(x), 1, 1, 1]
        shape[axis] = size
        within = ((offset >= 0) & (offset < side)).view(shape)
        hidden = within if hidden is None else hidden & within
    assert hidden is not None
    return x * ~hidden


POLICIES = {"color": _color, "translation": _translation, "cutout": _cutout}
"""The changes of `DiffAugment`, by name."""
