"""CycleGAN: image to image without pairs (Zhu, Park, Isola & Efros 2017).

Two generators, G: A → B and F: B → A, and two discriminators that share no weights. For images a,
b of the two domains the generators minimise together

    E[(D_B(G(a)) - 1)²] + E[(D_A(F(b)) - 1)²]                        least squares
    + λ·(E[|F(G(a)) - a|₁] + E[|G(F(b)) - b|₁])                      cycle: λ = 10
    + λ·identity·(E[|G(b) - b|₁] + E[|F(a) - a|₁])                   identity = 0.5

and each discriminator ½·(E[(D(real) - 1)²] + E[D(fake)²]), pixels on [-1, 1]. The paper names the
identity loss for paintings and photographs, where it keeps colours; its code has it always.

A discriminator sees fakes from a pool of the last 50 (`ImagePool`), so that it does not forget
what the generators did before. The learning rate stays for half of the budget and falls to 0 over
the other half. All norms are instance norms, so passes of several images are exact.

Shapes: B batch · N images of all processes together · C channels · H, W pixels
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genarium.contract import Batch, Judgement, Model, Noise, Optim, Phase, Spec, Step
from genarium.errors import UserError
from genarium.models.gan.arguments import Beta1, LearningRate
from genarium.models.gan.composition import adam
from genarium.models.gan.gan import ADAM, frozen
from genarium.models.gan.objectives import LeastSquares
from genarium.models.translation.arguments import DiscWidth, Jitter, Patch
from genarium.models.translation.base import (
    chosen,
    device_of,
    domains,
    jittered,
    places_of,
    second_of,
)
from genarium.models.translation.networks.patchgan import PatchGAN
from genarium.models.translation.networks.resnet import ResnetTranslator
from genarium.nn.norm import gather_rows
from genarium.recipes import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    recipe,
    refuse_unused,
)


class ImagePool(nn.Module):
    """A history of generated images (Shrivastava et al. 2017), as CycleGAN keeps it.

    Images come one by one. Until `size` of them are there each is kept and handed on; from then on
    each is, with probability ½, handed on as it is, or takes the place of a random one that is
    handed on instead. The images are buffers, so a checkpoint holds them; with several processes
    each keeps the whole pool, of the images of all.

    images: [size,C,H,W]. held: how many of them are there.
    """

    images: Tensor
    held: Tensor

    def __init__(self, size: int, shape: tuple[int, int, int]):
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("held", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def query(self, images: Tensor, noise: Noise) -> Tensor:
        """What a discriminator is to see in place of this process's images [B,C,H,W]."""
        if not self.size:
            return images
        rows = gather_rows(images.float().contiguous())
        draws = noise.shared_uniform(len(rows), 2).tolist()
        results, held = [], int(self.held)
        for image, (keep, place) in zip(rows, draws):
            if held < self.size:
                self.images[held] = image
                held += 1
            elif keep < 0.5:
                row = int(place * self.size)
                image, self.images[row] = self.images[row].clone(), image
            results.append(image)
        self.held.fill_(held)
        return torch.stack(results)[noise.rows]


class CycleGAN(Model):
    """Two generators that undo each other and two discriminators. Translates in both directions.

    a2b, b2a: images of one domain on [-1, 1] -> those of the other. discriminator_a, _b: images ->
    logits of patches. cycle: λ; 0 leaves the cycle out. identity: weight of the identity loss as
    a share of λ. pool: images in each pool, 0 for none. jitter: pixels by which training images are
    enlarged before a crop. optim: of all.
    """

    unpaired = ("b",)  # row i of A must not meet the same image of B each time

    def __init__(
        self,
        spec: Spec,
        generators: tuple[nn.Module, nn.Module],
        discriminators: tuple[nn.Module, nn.Module],
        *,
        cycle: float = 10.0,
        identity: float = 0.5,
        pool: int = 50,
        jitter: int = 0,
        optim: Optim = ADAM,
    ):
        super().__init__()
        self.spec, self.cycle, self.identity, self.jitter = spec, cycle, identity, jitter
        self.directions = ("a2b", "b2a")
        self.a2b, self.b2a = generators
        self.discriminator_a, self.discriminator_b = discriminators
        self.pool_a, self.pool_b = ImagePool(pool, spec.shape), ImagePool(pool, second_of(spec))
        self.objective = LeastSquares()
        self.phases = (
            Phase("generators", ("a2b", "b2a"), optim),
            Phase("discriminators", ("discriminator_a", "discriminator_b"), optim),
        )
        self._made: tuple[Tensor, Tensor, Tensor, Tensor] | None = None

    # Training ------------------------------------------------------------------------------

    def step(self, batch: Batch, phase: str) -> Step:
        """The losses above, of both generators or of both discriminators."""
        return self._generators_turn(batch) if phase == "generators" else self._judge(batch)

    def _images(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The images of A and of B on [-1, 1], each moved by draws of its own."""
        a, b = domains(batch, self.spec)
        places = [places_of(batch.noise, self.jitter) for _ in range(2)]
        return jittered(a, places[0], self.jitter), jittered(b, places[1], self.jitter)

    def _generators_turn(self, batch: Batch) -> Step:
        a, b = self._images(batch)
        n, weight = len(a), self.cycle * self.identity
        # one pass over what a generator makes anew and what it should leave alone
        of_b = self.a2b(torch.cat([a, b]) if weight else a).float()
        of_a = self.b2a(torch.cat([b, a]) if weight else b).float()
        fake_b, fake_a = of_b[:n], of_a[:n]
        losses: dict[str, Tensor] = {}
        with frozen(self.discriminator_a), frozen(self.discriminator_b):
            for name, judge, fake in (
                ("adversarial_a2b", self.discriminator_b, fake_b),
                ("adversarial_b2a", self.discriminator_a, fake_a),
            ):
                # the objective has ½ before each square, the paper has none in the generators'
                losses[name] = 2 * self.objective.generator_loss(None, judge(fake))
        back_a, back_b = self.b2a(fake_b).float(), self.a2b(fake_a).float()
        errors = {"cycle_a": (back_a - a).abs().mean(), "cycle_b": (back_b - b).abs().mean()}
        if self.cycle:
            losses |= {name: self.cycle * error for name, error in errors.items()}
        if weight:
            losses["identity_a"] = weight * (of_a[n:] - a).abs().mean()
            losses["identity_b"] = weight * (of_b[n:] - b).abs().mean()
        self._made = (a, b, fake_a.detach(), fake_b.detach())
        return Step(losses, {name: error.detach() / 2 for name, error in errors.items()})

    def _judge(self, batch: Batch) -> Step:
        # Each turn has its own draws (a mirroring, say): the fakes of the turn before, and with
        # them what they were made of. They were made before the generators' last update.
        made, self._made = self._made, None
        if made is None:
            a, b = self._images(batch)
            with torch.no_grad():
                made = (a, b, self.b2a(b).float(), self.a2b(a).float())
        a, b, fake_a, fake_b = made
        losses: dict[str, Tensor] = {}
        metrics: dict[str, Tensor] = {}
        for name, judge, real, fake in (
            ("a", self.discriminator_a, a, self.pool_a.query(fake_a, batch.noise)),
            ("b", self.discriminator_b, b, self.pool_b.query(fake_b, batch.noise)),
        ):
            of_real, of_fake = judge(torch.cat([real, fake])).float().split(len(real))
            losses[f"discriminator_{name}"] = self.objective.discriminator_loss(of_real, of_fake)
            metrics[f"d_{name}_real"] = of_real.detach().mean()
            metrics[f"d_{name}_fake"] = of_fake.detach().mean()
        return Step(losses, metrics)

    @torch.no_grad()
    def judgements(self, batch: Batch) -> dict[str, Judgement]:
        """The logits of both domains' images and translations, [B,P] of P patches; see `Judges`."""
        a, b = self._images(batch)
        seen = {"discriminator_a": (a, self.b2a(b)), "discriminator_b": (b, self.a2b(a))}
        judged: dict[str, Judgement] = {}
        for name, pair in seen.items():
            real, fake = (self.get_submodule(name)(images).flatten(1) for images in pair)
            judged[name] = Judgement(real, fake)
        return judged

    # Capabilities --------------------------------------------------------------------------

    @torch.no_grad()
    def translate(
        self,
        images: Tensor,
        *,
        direction: str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """As stored [B,C,H,W] of one domain -> the other, on [-1, 1]; nothing is random."""
        way = chosen(direction, self.directions)
        network = self.a2b if way == "a2b" else self.b2a
        seen = self.spec.values_of(way[0]).signed(images.to(device_of(network)))
        result: Tensor = network(seen)
        return result.float()


@recipe(
    family="implicit",
    tiny={"width": 4, "blocks": 1, "disc_width": 4, "patch": 16, "pool": 6},
    paper="Zhu et al. 2017",
    batch=1,
    steps=20_000,
    needs=("domains",),
    training={"schedule": "constant-linear"},
)
def cyclegan(
    spec: Spec,
    *,
    width: PositiveInt = 64,
    blocks: NonNegativeInt = 0,
    patch: Patch = 70,
    disc_width: DiscWidth = 64,
    cycle: NonNegativeFloat = 10.0,
    identity: NonNegativeFloat = 0.5,
    pool: NonNegativeInt = 50,
    jitter: Jitter = 0,
    lr: LearningRate = 2e-4,
    beta1: Beta1 = 0.5,
) -> CycleGAN:
    """CycleGAN: translates images of one domain into another and back, from unpaired sets.

    width: channels of the generators' first map.
    blocks: residual blocks of the generators; 0: the paper's 6 up to 128 pixels, 9 above.
    cycle: weight of the cycle loss, L1 of pixels on [-1, 1]; 0 leaves it out.
    identity: weight of the identity loss on the target domain, as a share of --cycle (so
        without a cycle there is none).
    pool: generated images that each discriminator is shown again at random.
    lr: learning rate of all players' Adam; it falls to 0 over the second half of the budget.
    """
    if not cycle:
        refuse_unused("it is a share of --cycle, which is 0", identity=(identity, 0.5))
    first, second = spec.shape, second_of(spec)
    if cycle * identity and first[0] != second[0]:
        raise UserError(
            f"--identity {identity:g}: the domains have {first[0]} and {second[0]} channels, so no "
            "image can stay what it is: give --identity 0, or --channels 3"
        )
    height, wide = first[1:]
    sides = (height, wide)
    return CycleGAN(
        spec,
        (
            ResnetTranslator(first[0], second[0], sides, width, blocks),
            ResnetTranslator(second[0], first[0], sides, width, blocks),
        ),
        (PatchGAN(first, patch, disc_width), PatchGAN(second, patch, disc_width)),
        cycle=cycle,
        identity=identity,
        pool=pool,
        jitter=jitter,
        optim=adam(lr, beta1),
    )
