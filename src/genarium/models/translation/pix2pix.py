"""pix2pix: image to image from pairs (Isola, Zhu, Zhou & Efros 2017), a conditional GAN with L1.

For pairs (x, y), a generator G whose noise z is dropout, and a discriminator D of patches:

    discriminator   ½·(E[-ln D(x, y)] + E[-ln(1 - D(x, G(x, z)))])
    generator       E[-ln D(x, G(x, z))] + λ·E[|y - G(x, z)|₁]      λ = 100, pixels on [-1, 1]

L1 gets the low frequencies right and averages where several answers are possible; the adversarial
loss makes every patch look like one that is real beside its input. D's loss is halved, which slows
it.

The generator's turn comes first and the discriminator judges the images of that same turn, so each
image is made once a step. At test time dropout stays on, as in the paper, and batch norm (where
it is asked for) takes the statistics of the images that are translated together; with instance
norm, which is what batch norm is for a batch of one, an image's translation is its own.

Shapes: B batch · C, C' channels of input and output · H, W pixels · h, w patches
"""

from __future__ import annotations

import torch
from torch import Tensor

from genarium.contract import Batch, Judgement, Model, Optim, Phase, Settings, Spec, Step
from genarium.contract.exports import Function, example_images
from genarium.models.gan.arguments import Beta1, LearningRate
from genarium.models.gan.composition import adam
from genarium.models.gan.gan import ADAM, frozen
from genarium.models.gan.objectives import NonSaturating
from genarium.models.translation.arguments import DiscWidth, Jitter, Patch
from genarium.models.translation.base import (
    Direction,
    chosen,
    device_of,
    domains,
    jittered,
    places_of,
    random_numbers,
    second_of,
)
from genarium.models.translation.networks.patchgan import PatchGAN
from genarium.models.translation.networks.unet import UNet
from genarium.nn.norm import NormName
from genarium.recipes import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    recipe,
    refuse_unused,
)


class Pix2Pix(Model):
    """A U-Net and a PatchGAN that sees its input too. Translates in one direction.

    generator: x [B,C,H,W] on [-1, 1], numbers for its dropout -> [B,C',H,W]. discriminator: x and
    an output side by side, [B,C+C',H,W] -> logits [B,1,h,w]. l1: λ. gan: weight of the
    adversarial loss of the generator; 0 leaves L1 alone, and there is no discriminator. dropout:
    whether there is any; test_dropout: at test time too. jitter: pixels by which training pairs are
    enlarged before a crop. optim: of both.
    """

    def __init__(
        self,
        spec: Spec,
        generator: UNet,
        discriminator: PatchGAN | None,
        *,
        direction: Direction = "a2b",
        l1: float = 100.0,
        gan: float = 1.0,
        dropout: bool = True,
        test_dropout: bool = True,
        jitter: int = 0,
        optim: Optim = ADAM,
    ):
        super().__init__()
        self.spec, self.directions, self.jitter = spec, (direction,), jitter
        self.generator = generator
        self.l1, self.gan, self.dropout, self.test_dropout = l1, gan, dropout, test_dropout
        self.objective = NonSaturating()
        self.phases = (Phase("generator", ("generator",), optim),)
        if gan:
            if discriminator is None:
                raise ValueError("adversarial training needs a discriminator")
            self.discriminator = discriminator
            self.phases += (Phase("discriminator", ("discriminator",), optim),)
        self._made: tuple[Tensor, Tensor, Tensor] | None = None

    # Training ------------------------------------------------------------------------------

    def step(self, batch: Batch, phase: str) -> Step:
        """The losses above, of one player."""
        return self._generator_turn(batch) if phase == "generator" else self._judge(batch)

    def _pair(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Input and target, on [-1, 1], moved alike."""
        places = places_of(batch.noise, self.jitter)
        a, b = (jittered(x, places, self.jitter) for x in domains(batch, self.spec))
        return (a, b) if self.directions[0] == "a2b" else (b, a)

    def _make(self, batch: Batch, x: Tensor) -> Tensor:
        fake: Tensor = self.generator(x, batch.noise.uniform if self.dropout else None)
        return fake.float()

    def _generator_turn(self, batch: Batch) -> Step:
        x, y = self._pair(batch)
        fake = self._make(batch, x)
        error = (fake - y).abs().mean()
        losses = {"l1": self.l1 * error}
        if self.gan:
            with frozen(self.discriminator):
                logits = self.discriminator(torch.cat([x, fake], 1))
            losses["adversarial"] = self.gan * self.objective.generator_loss(None, logits)
            self._made = (x, y, fake.detach())
        return Step(losses, {"error": error.detach() / 2})

    def _judge(self, batch: Batch) -> Step:
        # Each turn has its own draws (a mirroring, say), so input and output are kept together.
        made, self._made = self._made, None
        if made is None:
            with torch.no_grad():
                x, y = self._pair(batch)
                made = (x, y, self._make(batch, x))
        x, y, fake = made
        # in two passes, so that batch norm keeps the statistics of real and fake apart
        real = self.discriminator(torch.cat([x, y], 1)).float()
        false = self.discriminator(torch.cat([x, fake], 1)).float()
        loss = 0.5 * self.objective.discriminator_loss(real, false)
        outputs = {"d_real": real, "d_fake": false}
        metrics = {k: self.objective.output(v.detach()).mean() for k, v in outputs.items()}
        return Step({"discriminator": loss}, metrics)

    @torch.no_grad()
    def judgements(self, batch: Batch) -> dict[str, Judgement]:
        """The logits of pairs and of translations, [B,P] of P patches; see `Judges`."""
        if not self.gan:
            return {}
        x, y = self._pair(batch)
        real, fake = (self.discriminator(torch.cat([x, z], 1)) for z in (y, self._make(batch, x)))
        return {"discriminator": Judgement(real.flatten(1), fake.flatten(1))}

    # Capabilities --------------------------------------------------------------------------

    @torch.no_grad()
    def translate(
        self,
        images: Tensor,
        *,
        direction: str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """As stored [B,C,H,W] -> [B,C',H,W] on [-1, 1]; dropout draws from `generator`."""
        values = self.spec.values_of(chosen(direction, self.directions)[0])
        device = device_of(self.generator)
        noisy = self.dropout and self.test_dropout
        draw = random_numbers(len(images), generator, device) if noisy else None
        result: Tensor = self.generator(values.signed(images.to(device)), draw)
        return result.float()

    def exports(self, settings: Settings | None = None) -> dict[str, Function]:
        """`translate`. A graph draws nothing, so dropout is that of one draw, the same for all."""
        way = self.directions[0]
        device, kept = device_of(self.generator), list[Tensor]()
        drawn = random_numbers(1, torch.Generator().manual_seed(0), device)
        images = example_images(self, way[0])

        def first(*shape: int) -> Tensor:
            kept.append(drawn(*shape))
            return kept[-1]

        noisy = self.dropout and self.test_dropout
        signed = self.spec.values_of(way[0]).signed
        with torch.no_grad():
            self.generator(signed(images.to(device)), first if noisy else None)

        def translate(images: Tensor) -> Tensor:
            masks = iter(kept)
            result: Tensor = self.generator(
                signed(images), (lambda *shape: next(masks)) if noisy else None
            )
            return result.float()

        return {"translate": Function("translate", translate, {"images": images}, "images")}


@recipe(
    family="implicit",
    tiny={"width": 4, "disc_width": 4, "patch": 16},
    paper="Isola et al. 2017",
    batch=1,
    steps=20_000,
    needs=("pairs",),
)
def pix2pix(
    spec: Spec,
    *,
    direction: Direction = "a2b",
    width: PositiveInt = 64,
    depth: NonNegativeInt = 0,
    norm: NormName = "instance",
    skips: bool = True,
    dropout: bool = True,
    test_dropout: bool = True,
    patch: Patch = 70,
    disc_width: DiscWidth = 64,
    l1: NonNegativeFloat = 100.0,
    gan: NonNegativeFloat = 1.0,
    jitter: Jitter = 0,
    lr: LearningRate = 2e-4,
    beta1: Beta1 = 0.5,
) -> Pix2Pix:
    """pix2pix: translates images, learnt from pairs, by L1 and a conditional GAN.

    direction: a2b learns to make the second image of a pair from the first, b2a the reverse.
    width: channels of the U-Net's first map; each next has twice as many, at most 8 times.
    depth: how often the U-Net halves the sides; 0: as often as they allow, at most 8 times.
    norm: instance (statistics of one image) or batch (of those translated together).
    skips: skip connections of the U-Net; without, everything passes the bottleneck.
    dropout: in the first three layers of the U-Net's decoder, the only noise.
    test_dropout: keep it when translating, as the paper does; without, there is one answer.
    l1: weight of the mean absolute error, pixels on [-1, 1].
    gan: weight of the adversarial loss of the generator; 0: L1 alone, without a discriminator.
    """
    if not gan:
        none = "with --gan 0 there is no discriminator"
        refuse_unused(none, patch=(patch, 70), disc_width=(disc_width, 64))
    if not dropout:
        refuse_unused("with --no-dropout there is none", test_dropout=(test_dropout, True))
    height, wide = second_of(spec)[1:]
    inputs, outputs = spec.domain(direction[0]), spec.domain(direction[2])
    return Pix2Pix(
        spec,
        UNet(inputs[0], outputs[0], (height, wide), width, depth, norm, skips),
        PatchGAN((inputs[0] + outputs[0], height, wide), patch, disc_width, norm) if gan else None,
        direction=direction,
        l1=l1,
        gan=gan,
        dropout=dropout,
        test_dropout=test_dropout,
        jitter=jitter,
        optim=adam(lr, beta1),
    )
