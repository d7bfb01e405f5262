"""Objectives of adversarial training: two pure functions each, of the discriminator's logits.

    l_r, l_f [B]  logits of real and of fake images · σ the logistic function · s the smoothing
    softplus(l) = ln(1 + eˡ), so -ln σ(l) = softplus(-l) and -ln(1 - σ(l)) = softplus(l)

Both functions give a scalar to minimise: the mean over the batch, in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from genarium.errors import UserError


class Objective(Protocol):
    """What the two players minimise.

    sees_real: whether `generator_loss` needs the logits of real images, which are then computed.
    differences: whether it is the same when all logits move by a constant, so that the last
    layer's bias would do nothing. unbounded: whether the discriminator's loss has no minimum
    unless its slope is kept bounded. boundary: the logit that means neither real nor fake, for
    objectives that judge single images (of `differences` there is none).
    """

    sees_real: ClassVar[bool] = False
    differences: ClassVar[bool] = False
    unbounded: ClassVar[bool] = False

    @property
    def boundary(self) -> float:
        """A logit above it calls an image real."""
        return 0.0

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's loss, [], of its logits [B] on real and on fake images."""
        ...

    def generator_loss(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """The generator's loss, [], of the discriminator's logits [B] on real and fake images.

        real: None, unless `sees_real`.
        """
        ...

    def output(self, logits: Tensor) -> Tensor:
        """The discriminator's output as the objective reads it (a probability, a score), [B]."""
        ...


@dataclass(frozen=True)
class Minimax(Objective):
    """The minimax value as both players' loss (Goodfellow et al. 2014, equation 1).

    L_D = -E[(1-s)·ln σ(l_r) + s·ln(1 - σ(l_r))] - E[ln(1 - σ(l_f))];  L_G = E[ln(1 - σ(l_f))].
    Its generator's gradient vanishes where the discriminator is sure: dL_G/dl_f = -σ(l_f).

    smoothing: s, one-sided: the target of real images is 1-s, that of fakes stays 0 (a smoothed
    fake side would reward the generator where there are no data: Salimans et al. 2016, 3.4).
    """

    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.smoothing < 0.5:
            raise UserError(f"--smoothing {self.smoothing}: give 0 or more and less than 0.5")

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        real, fake = real.float(), fake.float()
        # (1-s)·softplus(-l) + s·softplus(l) = softplus(-l) + s·l
        return (softplus(-real) + self.smoothing * real).mean() + softplus(fake).mean()

    def generator_loss(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -softplus(fake.float()).mean()

    def output(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits.float())


@dataclass(frozen=True)
class NonSaturating(Minimax):
    """The discriminator of `Minimax`; the generator maximises ln D (Goodfellow et al. 2014, 3).

    L_G = -E[ln σ(l_f)], whose gradient is largest where the discriminator is sure:
    dL_G/dl_f = -σ(-l_f).
    """

    def generator_loss(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return softplus(-fake.float()).mean()


@dataclass(frozen=True)
class LeastSquares(Objective):
    """LSGAN (Mao et al. 2017), equation 9: targets 0 for fakes, 1 for reals and for the generator.

    L_D = ½E[(l_r - (1-s))²] + ½E[l_f²];  L_G = ½E[(l_f - 1)²].  smoothing: s, real side only.
    """

    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.smoothing < 0.5:
            raise UserError(f"--smoothing {self.smoothing}: give 0 or more and less than 0.5")

    @property
    def boundary(self) -> float:
        return 0.5 * (1.0 - self.smoothing)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        target = 1.0 - self.smoothing
        return 0.5 * ((real.float() - target).square().mean() + fake.float().square().mean())

    def generator_loss(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return 0.5 * (fake.float() - 1.0).square().mean()

    def output(self, logits: Tensor) -> Tensor:
        return logits.float()


@dataclass(frozen=True)
class Hinge(Objective):
    """The hinge loss (Lim & Ye 2017, Tran, Ranganath & Blei 2017): what is judged right by a margin
    of 1 teaches the discriminator nothing more.

    L_D = E[max(0, 1 - l_r)] + E[max(0, 1 + l_f)];  L_G = -E[l_f].
    """

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return relu(1 - real.float()).mean() + relu(1 + fake.float()).mean()

    def generator_loss(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -fake.float().mean()

    def output(self, logits: Tensor) -> Tensor:
        return logits.float()


@dataclass(frozen=True)
class Wasserstein(Objective):
    """The earth mover's distance as its dual sees it (Arjovsky et al. 2017, equation 2).

    L_D = E[l_f] - E[l_r];  L_G = -E[l_f]. The logits are scores without bounds: -L_D estimates
    K·W₁(data, samples) as far as the critic is kept K-Lipschitz, by the regularizer
    `WeightClipping` or `GradientPenalty`; alone it has no minimum.
    """

    differences: ClassVar[bool] = True
    unbounded: ClassVar[bool] = True

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.float().mean() - real.float().mean()

    def generator_loss(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -fake.float().mean()

    def output(self, logits: Tensor) -> Tensor:
        return logits.float()


@dataclass(frozen=True)
class Relativistic(Objective):
    """RpGAN (Jolicoeur-Martineau 2018, section 3.2): is a real image more real than a fake one?

    L_D = -E[ln σ(l_r - l_f)];  L_G = -E[ln σ(l_f - l_r)], each real image beside one fake image of
    the batch. Both players move the same difference, so the generator's gradient depends on how the
    real images are judged: dL_G/dl_f = -σ(l_r - l_f).
    """

    sees_real: ClassVar[bool] = True
    differences: ClassVar[bool] = True

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(fake.float() - real.float()).mean()

    def generator_loss(self, real: Tensor | None, fake: Tensor) -> Tensor:
        assert real is not None
        return softplus(real.float() - fake.float()).mean()

    def output(self, logits: Tensor) -> Tensor:
        return logits.float()


OBJECTIVES: dict[str, type[Objective]] = {
    "minimax": Minimax,
    "non-saturating": NonSaturating,
    "least-squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
    "relativistic": Relativistic,
}
"""By the name that recipes give them. One with smoothing has the field `smoothing`."""
