"""Generative adversarial networks (Goodfellow et al. 2014), as axes that compose.

    GAN(spec, generator, discriminator, objective, conditioning, regularizers, critic_steps)

generator, discriminator: networks. objective: two pure functions of the discriminator's logits
(`objectives`). conditioning: what the generator is conditioned on, and how the discriminator sees
it.
regularizers: named losses, an augmentation, a hook after an update. Layers that help (minibatch
discrimination, virtual batch norm) are part of the networks.

    B batch · Z latent size · S size of the condition · F features of the discriminator
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from genarium.contract import (
    Batch,
    Condition,
    Judgement,
    Model,
    Optim,
    Phase,
    Settings,
    Spec,
    Step,
)
from genarium.contract.exports import Function, example_codes
from genarium.models.conditioning import Conditioning
from genarium.models.gan import cautions, rules
from genarium.models.gan.chance import AtChance
from genarium.models.gan.networks.virtual_batch_norm import WithReference
from genarium.models.gan.objectives import NonSaturating, Objective
from genarium.nn.norm import unrecorded
from genarium.recipes import PositiveFloat

ADAM = Optim("adam", lr=2e-4, betas=(0.5, 0.999))
"""Radford, Metz & Chintala 2016: at β1 = 0.9 training oscillates."""


class Generator(Protocol):
    """A network [B, Z+S] -> images [B,C,H,W] on [-1, 1] that knows its input's size Z+S."""

    inputs: int

    def __call__(self, z: Tensor) -> Tensor: ...


class Discriminator(Protocol):
    """A network in two parts: logits [B] = head(features(images)), features [B, F]. One that
    judges P parts of an image by themselves gives [B, P]; losses are means over all of them."""

    def features(self, images: Tensor) -> Tensor: ...

    def head(self, features: Tensor) -> Tensor: ...


class Judged(NamedTuple):
    """What the discriminator makes of some images: features [B,F], and logits [B], or [B,P] of P
    parts. images: as it saw them, augmented."""

    features: Tensor
    logits: Tensor
    images: Tensor


class Regularizer(nn.Module):
    """An addition to adversarial training; this base class adds nothing. Override what is needed.

    flag: its name in `--regularizers`, for errors. real_gradient: whether it differentiates the
    discriminator by the real images. The rest is what `rules` decides by: slope: whether it keeps
    the discriminator Lipschitz. own_gradient: whether it needs each logit to depend on its own
    images alone. mixes: whether it lets a logit depend on the whole batch. augments: whether it
    changes what the discriminator sees of an image. replaces: whether the generator's loss is its.
    """

    flag: str = ""
    real_gradient: bool = False
    slope: bool = False
    own_gradient: bool = False
    mixes: bool = False
    augments: bool = False
    replaces: bool = False

    def prepare(self, gan: GAN) -> None:
        """Called once, when `gan` is made: a change of the networks."""

    def augment(self, images: Tensor, turn: Turn) -> Tensor:
        """What the discriminator gets for images [B,C,H,W], real or fake; differentiable."""
        return images

    def discriminator_losses(self, turn: Turn) -> dict[str, Tensor]:
        """Named losses of the discriminator's turn; "discriminator" replaces the objective's."""
        return {}

    def generator_losses(self, turn: Turn) -> dict[str, Tensor]:
        """Named losses of the generator's turn; the name "generator" replaces the objective's."""
        return {}

    def after(self, gan: GAN, phase: str) -> None:
        """Called after the optimizer's step of `phase`."""


class Turn:
    """One player's turn as conditioning and regularizers see it; computes only what is asked for.

    batch: the images and this turn's noise. code: conditions [B,S]. fake: generated images.
    metrics: detached scalars that a regularizer adds to the log.
    """

    def __init__(self, gan: GAN, batch: Batch, code: Tensor, fake: Tensor):
        self.gan, self.batch, self.code, self.fake = gan, batch, code, fake
        self.metrics: dict[str, Tensor] = {}

    @cached_property
    def real(self) -> Tensor:
        """The real images, [B,C,H,W] on [-1, 1]."""
        wanted = any(regularizer.real_gradient for regularizer in self.gan.each_regularizer())
        return self.batch.signed().requires_grad_(wanted and torch.is_grad_enabled())

    @property
    def discriminator(self) -> Discriminator:
        """The GAN's discriminator."""
        return cast(Discriminator, self.gan.discriminator)

    def judge(self, images: Tensor) -> Judged:
        """One pass of the discriminator over images [B,C,H,W] with this turn's conditions."""
        for regularizer in self.gan.each_regularizer():
            images = regularizer.augment(images, self)
        features = self.discriminator.features(self.gan.conditioning.join(images, self.code))
        return Judged(features, self.score(features, self.code), images)

    def score(self, features: Tensor, code: Tensor) -> Tensor:
        """The discriminator's logits [B] of features [B,F] under conditions [B,S]."""
        return self.discriminator.head(self.gan.conditioning.condition(features, code))

    # Real and fake go through in two passes: batch norm keeps their statistics apart. Its running
    # statistics, by which images are read after training, are those of real images alone.

    @cached_property
    def of_real(self) -> Judged:
        """The discriminator on the real images."""
        if any(regularizer.augments for regularizer in self.gan.each_regularizer()):
            return self.unrecorded(self.real)
        return self.judge(self.real)

    @cached_property
    def of_fake(self) -> Judged:
        """The discriminator on the fake images."""
        return self.unrecorded(self.fake)

    def unrecorded(self, images: Tensor) -> Judged:
        """`judge` of images that are not the data's own: the running statistics stay."""
        with unrecorded(self.gan.discriminator):
            return self.judge(images)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within, `network` passes gradients on but its parameters get none; then all is as before."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@dataclass(frozen=True)
class Truncation(Settings):
    """How a GAN samples.

    truncation: of a GAN: draw each number of the noise from N(0, 1) within ±this (Brock et al.
        2019); small values give typical images and less variety (default: no bound).
    """

    truncation: PositiveFloat | None = None


def truncated(z: Tensor, bound: float) -> Tensor:
    """Draws z of N(0, 1), moved monotonically to draws of N(0, 1) within ±bound.

        z -> √2·erf⁻¹(erf(bound/√2)·erf(z/√2))

    erf(z/√2) is uniform on (-1, 1), so the result has the truncated density exactly: that of
    drawing again what falls outside (the truncation trick of Brock, Donahue & Simonyan 2019,
    section 3.1), without a loop and with the draws of the same seed at every bound.
    """
    inside = math.erf(bound / math.sqrt(2)) * torch.erf(z.double() / math.sqrt(2))
    moved = math.sqrt(2) * torch.erfinv(inside)
    return moved.clamp(-bound, bound).to(z.dtype)  # erfinv(±1) is infinite


class GAN(Model):
    """A generator and a discriminator that train each other. Samples; has no likelihood.

    generator, discriminator: modules that are a `Generator` and a `Discriminator`.
    objective: see `objectives`. conditioning, regularizers: see above. critic_steps: updates of the
    discriminator for each one of the generator. optimizers: of the discriminator and of the
    generator. Raises UserError for parts that cannot act together (`rules`).

    A code z [B, Z+S] is the generator's whole input: the noise N(0, I), then the condition.
    """

    settings = Truncation

    def __init__(
        self,
        spec: Spec,
        generator: nn.Module,
        discriminator: nn.Module,
        objective: Objective | None = None,
        *,
        conditioning: Conditioning | None = None,
        regularizers: Sequence[Regularizer] = (),
        critic_steps: int = 1,
        optimizers: tuple[Optim, Optim] = (ADAM, ADAM),
    ):
        super().__init__()
        self.spec = spec
        self.generator = generator
        self.discriminator = discriminator
        self.group_size = getattr(discriminator, "group_size", 1)
        self.objective: Objective = objective if objective is not None else NonSaturating()
        self.conditioning = conditioning if conditioning is not None else Conditioning()
        self.tricks = nn.ModuleList(regularizers)  # a name in checkpoints: it stays
        self.conditional = self.conditioning.classes
        self.latent_codes = self.conditioning.latent_codes
        self.latent = cast(Generator, generator).inputs - self.conditioning.size
        # Networks that read the condition back train with the discriminator, whose trunk they use.
        readers = ("conditioning",) if [*self.conditioning.parameters()] else ()
        self.phases = (
            Phase("discriminator", ("discriminator", *readers), optimizers[0], critic_steps),
            Phase("generator", ("generator",), optimizers[1]),
        )
        rules.check(self)
        for regularizer in self.each_regularizer():
            regularizer.prepare(self)
        held = any(regularizer.own_gradient for regularizer in self.each_regularizer())
        named = ",".join(
            regularizer.flag for regularizer in self.each_regularizer() if regularizer.flag
        )
        single = not self.objective.differences  # of differences one output says nothing
        self._chance = AtChance(named) if held and single else None
        self._warned = False

    def each_regularizer(self) -> Iterator[Regularizer]:
        """The regularizers, in order."""
        return (cast(Regularizer, regularizer) for regularizer in self.tricks)

    def _turn(self, batch: Batch, code: Tensor) -> Turn:
        z = torch.cat([batch.noise.normal(self.latent), code.detach()], 1)
        return Turn(self, batch, code, self.generator(z))

    def step(self, batch: Batch, phase: str) -> Step:
        """Losses by name; D(real) and D(fake) as `objective.output` reads them, to log."""
        if phase == "discriminator":
            return self._discriminator_turn(batch)
        # Whoever steps the model: the generator's loss leaves no gradient on the discriminator.
        with frozen(self.discriminator), frozen(self.conditioning):
            return self._generator_turn(batch)

    def _discriminator_turn(self, batch: Batch) -> Step:
        if not self._warned:  # when a training begins, not when a model is opened
            cautions.warn_of(self)
            self._warned = True
        code = self.conditioning.of_batch(batch)
        with torch.no_grad():
            turn = self._turn(batch, code)
        real, fake = turn.of_real.logits, turn.of_fake.logits
        losses = {"discriminator": self.objective.discriminator_loss(real, fake)}
        losses |= self.conditioning.losses(turn)
        self.conditioning.observe(turn)
        for regularizer in self.each_regularizer():
            losses |= regularizer.discriminator_losses(turn)
        metrics = {
            "d_real": self.objective.output(real.detach()).mean(),
            "d_fake": self.objective.output(fake.detach()).mean(),
        }
        if self._chance is not None:
            self._chance.see(metrics["d_real"], metrics["d_fake"])
        return Step(losses, metrics | turn.metrics)

    def _generator_turn(self, batch: Batch) -> Step:
        code = self.conditioning.of_generator(batch)
        with unrecorded(self.generator) if self.conditioning.interpolated else nullcontext():
            turn = self._turn(batch, code)
        real = None
        if self.objective.sees_real:
            with torch.no_grad():
                real = turn.of_real.logits
        losses = {"generator": self.objective.generator_loss(real, turn.of_fake.logits)}
        losses |= self.conditioning.losses(turn)
        for regularizer in self.each_regularizer():
            losses |= regularizer.generator_losses(turn)
        return Step(losses, turn.metrics)

    def after(self, phase: str) -> None:
        for regularizer in self.each_regularizer():
            regularizer.after(self, phase)

    @torch.no_grad()
    def judgements(self, batch: Batch) -> dict[str, Judgement]:
        """The logits of a batch's images and of as many samples; see `Judges`."""
        turn = self._turn(batch, self.conditioning.of_batch(batch))
        return {"discriminator": Judgement(turn.of_real.logits, turn.of_fake.logits)}

    @property
    def continuous_columns(self) -> list[int]:
        """The columns of a code that are continuous, not parts of a category."""
        size = self.latent + self.conditioning.size
        return [*range(self.latent), *range(size - self.conditioning.continuous_codes, size)]

    # -- capabilities -------------------------------------------------------------------------

    def prior(
        self,
        n: int,
        generator: torch.Generator | None = None,
        *,
        condition: Condition = None,
        settings: Truncation | None = None,
    ) -> Tensor:
        """n codes [n, Z+S]: noise N(0, I), truncated as `settings` say; then what `condition` asks
        for, else its own prior."""
        # Drawn where `generator` lives (the CPU by default): the same numbers on every device.
        at = generator.device if generator is not None else torch.device("cpu")
        noise = torch.randn(n, self.latent, generator=generator, device=at)
        code = self.conditioning.draw(n, condition, generator)
        codes = torch.cat([noise, code.to(at)], 1).to(next(self.parameters()).device)
        if settings is None or settings.truncation is None:
            return codes
        noise = truncated(codes[:, : self.latent], settings.truncation)
        return torch.cat([noise, codes[:, self.latent :]], 1)

    def decode(self, z: Tensor) -> Tensor:
        """Codes [B, Z+S] -> images [B,C,H,W] on [-1, 1]; differentiable in z."""
        images: Tensor = self.generator(z)
        return images

    def exports(self, settings: Settings | None = None) -> dict[str, Function]:
        """`decode`; virtual batch norm takes the reference as it was (`WithReference.alone`)."""
        generator = self.generator
        if isinstance(generator, WithReference):
            generator = generator.alone()
        decode = Function("decode", generator, example_codes(self), "images", (generator,))
        return {"decode": decode}

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Truncation | None = None,
    ) -> Tensor:
        """n new images [n,C,H,W] on [-1, 1], with the running statistics in evaluation mode."""
        codes = self.prior(n, generator, condition=condition, settings=settings)
        # In pieces, so that ten thousand samples need no more memory than a training batch.
        return torch.cat([self.decode(z) for z in codes.split(256)])
