"""Tricks of the adversarial game; each is one object for `GAN(tricks=...)`, and they compose.

B batch · C channels · H, W pixels · F features of the discriminator · D its logit (a score)
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from genarium.errors import UserError
from genarium.models.implicit.conditioning import Codes
from genarium.models.implicit.gan import GAN, Trick, Turn
from genarium.nn.minibatch import MinibatchScore
from genarium.nn.norm import global_mean


def _gradient(logits: Tensor, images: Tensor) -> Tensor:
    """dD(x_i)/dx_i, [B,C,H,W], itself differentiable. The logits' sum has it as its gradient as
    long as no logit depends on another image."""
    (found,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return found


class WeightClipping(Trick):
    """Keeps the critic Lipschitz by a box for its weights (Arjovsky et al. 2017).

    After each of the critic's updates, every parameter is clamped to [-limit, limit].
    """

    def __init__(self, limit: float = 0.01):
        super().__init__()
        self.limit = limit

    @torch.no_grad()
    def after(self, gan: GAN, phase: str) -> None:
        if phase == "discriminator":
            for parameter in gan.discriminator.parameters():
                parameter.clamp_(-self.limit, self.limit)


class GradientPenalty(Trick):
    """Keeps the critic's slope at 1 between data and samples (Gulrajani et al. 2017).

    λ·E[(‖∇D(x̂)‖₂ - 1)²] at x̂ = αx + (1-α)G(z), one α ~ U(0, 1) an image; the norm is an
    image's, over all its values. The critic must not mix images: no batch norm in it.
    """

    def __init__(self, weight: float = 10.0):
        super().__init__()
        self.weight = weight

    def discriminator_losses(self, turn: Turn) -> dict[str, Tensor]:
        mix = turn.batch.noise.uniform(1, 1, 1)
        between = torch.lerp(turn.fake.detach(), turn.real.detach(), mix).requires_grad_()
        gradient = _gradient(turn.judge(between).logits, between)
        norms = gradient.float().flatten(1).norm(dim=1)
        return {"gradient_penalty": self.weight * (norms - 1).square().mean()}


class R1(Trick):
    """Flattens the discriminator at the data (Mescheder et al. 2018): ½γ·E[‖∇D(x)‖²]."""

    real_gradient = True

    def __init__(self, weight: float = 1.0):
        super().__init__()
        self.weight = weight

    def discriminator_losses(self, turn: Turn) -> dict[str, Tensor]:
        gradient = _gradient(turn.of_real.logits, turn.real).float()
        return {"r1": 0.5 * self.weight * gradient.square().flatten(1).sum(1).mean()}


class SpectralNorm(Trick):
    """Divides each of the discriminator's weights by its largest singular value (Miyato et al.
    2018), found by one power iteration a call; a convolution's is that of its flattened kernel.
    """

    def prepare(self, gan: GAN) -> None:
        for module in gan.discriminator.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                spectral_norm(module)


class FeatureMatching(Trick):
    """The generator matches the mean features of the data (Salimans et al. 2016, 3.1).

    ‖E f(x) - E f(G(z))‖² over the discriminator's last hidden layer, means over the global batch.
    weight: of the loss. alone: it replaces the objective's loss of the generator, as in the paper;
    else it is added.
    """

    def __init__(self, weight: float = 1.0, alone: bool = True):
        super().__init__()
        self.weight = weight
        self.name = "generator" if alone else "feature_matching"

    def generator_losses(self, turn: Turn) -> dict[str, Tensor]:
        with torch.no_grad():
            wanted = global_mean(turn.of_real.features.float())
        found = global_mean(turn.of_fake.features.float())
        return {self.name: self.weight * (wanted - found).square().sum()}


class MinibatchDiscrimination(Trick):
    """The discriminator sees how alike a batch is; see `genarium.nn.minibatch`."""

    def __init__(self, kernels: int = 100, size: int = 5):
        super().__init__()
        self.kernels, self.size = kernels, size

    def prepare(self, gan: GAN) -> None:
        network = gan.discriminator
        score = MinibatchScore(int(network.outputs), self.kernels, self.size)  # type: ignore[arg-type]
        # a pack's score stands in the network that judges packs
        inner = getattr(network, "network", network)
        inner.score = score


class Balance(Trick):
    """Reads each value of InfoGAN's categories off equally many real images (Springenberg 2016).

    ln K - H(p̄), p̄ the mean of q(c|x) over the real images of the global batch, for each category
    of K values, in the discriminator's turn: CatGAN's first term. Without it two values can share
    a class of the data while two classes share a value, and the game has no reason to leave that.
    weight: of the sum.
    """

    def __init__(self, weight: float = 1.0):
        super().__init__()
        self.weight = weight

    def prepare(self, gan: GAN) -> None:
        if not getattr(gan.conditioning, "categories", ()):
            raise UserError(
                "trick balance: it is about a code's categories, which infogan has: leave it out "
                "of --tricks, or give --categories"
            )

    def discriminator_losses(self, turn: Turn) -> dict[str, Tensor]:
        codes = turn.gan.conditioning
        assert isinstance(codes, Codes)
        *logits, _ = codes.read(turn.of_real.features)
        missing = turn.of_real.logits.new_zeros((), dtype=torch.float32)
        for each in logits:
            mean = global_mean(each.float().softmax(1))
            missing = missing + math.log(len(mean)) + torch.xlogy(mean, mean).sum()
        return {"balance": self.weight * missing}


class DiffAugment(Trick):
    """The same kinds of random change for real and fake images (Zhao et al. 2020).

    The discriminator of a small data set can no longer know its images by heart, and since the
    changes are differentiable the generator learns from what is left.

    policies: of "color" (brightness ±½, saturation ×0..2, contrast ×½..1½, by images of their own),
    "translation" (by up to an eighth of a side, zeros move in) and "cutout" (a square of half the
    side becomes zero).
    """

    def __init__(self, policies: Iterable[str] = ("color", "translation", "cutout")):
        super().__init__()
        known = {"color": _color, "translation": _translation, "cutout": _cutout}
        self.policies = tuple(policies)
        for name in self.policies:
            if name not in known:
                raise UserError(f"DiffAugment {name!r}: choose from {', '.join(known)}")
        self.changes = [known[name] for name in self.policies]

    def augment(self, images: Tensor, turn: Turn) -> Tensor:
        for change in self.changes:
            images = change(images, turn)
        return images


class Shift(Trick):
    """Moves each image that the discriminator gets, real or fake, by up to `most` pixels.

    Along each axis by a whole number of its own, edge pixels repeated: the mildest of DiffAugment's
    changes. A discriminator that cannot tell where exactly a stroke lies has to know its form; for
    InfoGAN's codes, which are read off its features, that is what a class is.
    """

    def __init__(self, most: int = 1):
        super().__init__()
        self.most = most

    def augment(self, images: Tensor, turn: Turn) -> Tensor:
        for axis in (2, 3):
            shift = turn.batch.noise.integers(2 * self.most + 1) - self.most
            images = _taken(images, axis, _moved(images, axis, shift))
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
    for axis in (2, 3):
        most = int(x.shape[axis] / 8 + 0.5)
        source = _moved(x, axis, turn.batch.noise.integers(2 * most + 1) - most)
        inside = (source >= 0) & (source < x.shape[axis])
        x = _taken(x, axis, source) * _along(inside, axis)
    return x


def _moved(x: Tensor, axis: int, shift: Tensor) -> Tensor:
    """Where the lines of images moved by `shift` [B] pixels along an axis come from, [B,size]."""
    return _lines(x.shape[axis], x)[None] - shift[:, None]


def _along(values: Tensor, axis: int) -> Tensor:
    """[B,size] as a tensor of images that differ along one axis only."""
    shape = [len(values), 1, 1, 1]
    shape[axis] = values.shape[1]
    return values.view(shape)


def _taken(x: Tensor, axis: int, source: Tensor) -> Tensor:
    """Lines `source` [B,size] of images along an axis; the edge line where there is none."""
    index = _along(source.clamp(0, x.shape[axis] - 1), axis)
    return x.gather(axis, index.expand_as(x))


def _cutout(x: Tensor, turn: Turn) -> Tensor:
    _, _, height, width = x.shape
    hidden = None
    for axis, size in ((2, height), (3, width)):
        side = int(size / 2 + 0.5)
        # The square may stick out, so that every pixel is hidden equally often.
        start = turn.batch.noise.integers(size + 1 - side % 2) - side // 2
        offset = _lines(size, x)[None] - start[:, None]
        within = _along((offset >= 0) & (offset < side), axis)
        hidden = within if hidden is None else hidden & within
    assert hidden is not None
    return x * ~hidden
