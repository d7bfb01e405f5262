"""Under batch norm an image depends on its batch, under virtual batch norm it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import load, sample, score, sheet, train, trainer_of

from genarium.contract import Optim, to_uint8
from genarium.models.gan.gan import GAN
from genarium.models.gan.networks.virtual_batch_norm import WithReference
from genarium.nn.dcgan import DCGANDiscriminator, DCGANGenerator

NORMS = {"batch": "batch norm", "virtual": "virtual batch norm"}


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    width: int = 16
    latent: int = 16
    lr: float = 2e-3
    batch: int = 64
    reference: int = 64
    steps: int = 300
    codes: int = 8  # z_i whose images are watched
    batches: int = 16  # in so many different batches
    samples: int = 2000


def networks(name: str, s: Settings, seed: int) -> GAN:
    """DCGAN with either norm in its generator."""
    spec = load("digits").spec
    torch.manual_seed(seed)
    if name == "virtual":
        generator: torch.nn.Module = WithReference(
            s.latent,
            s.reference,
            lambda norm: DCGANGenerator(s.latent, spec.shape, s.width, norm),
        )
    else:
        generator = DCGANGenerator(s.latent, spec.shape, s.width)
    optim = Optim("adam", lr=s.lr, betas=(0.0, 0.999))
    return GAN(spec, generator, DCGANDiscriminator(spec.shape, s.width), optimizers=(optim, optim))


@torch.no_grad()
def neighbours(model: GAN, s: Settings, seed: int) -> torch.Tensor:
    """Images [codes, batches, C, H, W] of the same codes, each in batches of other neighbours."""
    draws = torch.Generator().manual_seed(seed)
    fixed = torch.randn(s.codes, s.latent, generator=draws)
    model.train()  # as the generator is trained: by the statistics of the batch
    results = []
    for _ in range(s.batches):
        others = torch.randn(s.batch - 1, s.latent, generator=draws)
        # one watched code a batch, so that not even the watched ones see each other
        rows = [model.generator(torch.cat([z[None], others]))[:1] for z in fixed]
        results.append(torch.cat(rows))
    return torch.stack(results, 1)


def measure(seed: int, s: Settings) -> Measured:
    numbers, images = {}, {}
    for name in NORMS:
        model = networks(name, s, seed)
        for _ in train(trainer_of(model, "digits", seed, steps=s.steps, batch=s.batch)):
            pass
        numbers[f"{name}_fid"] = score(sample(model, s.samples, seed))["fid"]
        result = neighbours(model, s, seed)
        within = result.var(1, correction=0).mean()
        total = result.flatten(0, 1).var(0, correction=0).mean()
        change = (result - result[:, :1]).abs()
        numbers[f"{name}_share"] = (within / total).item()
        numbers[f"{name}_largest"] = change.max().item() / 2 * 255
        images[name] = to_uint8(result[:4, :8].flatten(0, 1))
        # the pixels' standard deviation over the batches, black 0 to white a quarter of the range
        spread = result[:4].std(1, correction=0) / 2
        images[f"{name}_spread"] = (spread * 4 * 255).clamp(0, 255).to(torch.uint8)
    return Measured(numbers, {}, images)


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    first = next(iter(measured.values()))
    panels = figure.subplots(2, 2, width_ratios=(8, 1.4))
    for row, (name, words) in zip(panels, NORMS.items()):
        row[0].imshow(
            sheet(first.images[name], 8), cmap="gray", vmin=0, vmax=255, interpolation="nearest"
        )
        largest = first.numbers[f"{name}_largest"]
        row[0].set_title(f"{words}: a row a code, a column a batch; up to {largest:.2g} of 255")
        row[1].imshow(
            sheet(first.images[f"{name}_spread"], 1),
            cmap="gray",
            vmin=0,
            vmax=255,
            interpolation="nearest",
        )
        row[1].set_title("sd, white: 64")
        for axes in row:
            axes.axis("off")


CLAIM = Claim(
    name="virtual_batch_norm",
    title="Virtual batch norm removes the dependence on the batch",
    paper="Salimans et al. 2016, section 3.4",
    setup="DCGAN of width 16, trained 300 steps on the digits with either norm in its generator. "
    "8 codes in 16 batches each of other neighbours, in training mode. share: of the pixels' "
    "variance, what the neighbours alone make; largest: a pixel's largest change, in grey levels.",
    criteria=(
        Criterion(
            "Under batch norm an image's neighbours in the batch make a hundredth of the pixels' "
            "variance or more, and change pixels by 25 grey levels or more.",
            (
                Bound("batch_share", at_least=0.01, unit="of the variance"),
                Bound("batch_largest", at_least=25, unit="grey levels of 255"),
            ),
        ),
        Criterion(
            "Under virtual batch norm an image does not depend on its neighbours.",
            (Bound("virtual_largest", at_most=0.01, unit="grey levels of 255"),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(4, 4, batch=8, reference=4, steps=2, codes=6, batches=8, samples=100),
    size=(7.0, 5.2),
)

if __name__ == "__main__":
    CLAIM.main()
