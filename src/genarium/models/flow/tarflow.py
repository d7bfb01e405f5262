"""TarFlow: causal transformers over patches, in alternating direction.

Zhai et al. 2024, Normalizing Flows are Capable Generative Models. There images get Gaussian noise
in training, and samples are denoised by one step along the score; here that is `--noise`, and
without it they are dequantized uniformly, so that the density is one of grey levels.
"""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor

from genarium.contract import Condition, Optim, Spec
from genarium.errors import UserError
from genarium.models.flow.arguments import ALPHA, Common
from genarium.models.flow.bijections import Bijection, Chain, Flatten
from genarium.models.flow.dequantization import Dequantization, Gaussian, Uniform
from genarium.models.flow.model import Flow
from genarium.models.flow.multiscale import conditioning, expect_levels, scaled
from genarium.models.flow.settings import Denoised, Latents
from genarium.models.flow.transformer import CausalFlow, Patches
from genarium.recipes import NonNegativeFloat, PositiveInt, recipe, refuse_unused


class TarFlow(Flow):
    """A flow of causal transformers; see `Flow` and `transformer.CausalFlow`."""

    settings = Denoised

    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Latents | Denoised | None = None,
    ) -> Tensor:
        """n new images, [n,C,H,W] on [−1, 1]: draws of the prior, decoded as `settings` say."""
        with torch.no_grad():
            z = self.prior(n, generator, condition=condition, settings=settings)
            return self.decode(z, settings=settings)

    def decode(self, z: Tensor, *, settings: Latents | Denoised | None = None) -> Tensor:
        """As `Flow.decode`; with `denoise` moved to the mean of what the images are noisy images
        of, t + σ²·∇ ln p(t) (Tweedie's formula), σ that of the noise in training. The step itself
        counts as constant in z.

        Raises UserError for `denoise` of a model that was trained without noise.
        """
        if not (isinstance(settings, Denoised) and settings.denoise):
            return super().decode(z)
        if not isinstance(self.dequantization, Gaussian):
            raise UserError("--denoise: this model was trained without --noise: leave it out")
        y = z[:, self.latent :] if self.conditioning.size else None
        t = self.flow.inverse(z[:, : self.latent], y)
        # what inference mode made has no gradient, a copy outside of it does
        with torch.inference_mode(False), torch.enable_grad():
            noisy = t.detach().clone().requires_grad_()
            given = None if y is None else y.detach().clone()
            (score,) = torch.autograd.grad(self.log_density(noisy, given).sum(), noisy)
        return self.image(t + self.dequantization.deviation**2 * score)


def _block(spec: Spec, patch: int) -> tuple[int, int]:
    """Pixels of a patch: `patch` along each side, 1 along one that is shorter than two of them.

    Raises UserError for a side that it does not divide.
    """
    sides = {"height": spec.height, "width": spec.width}
    block = [patch if side >= 2 * patch else 1 for side in sides.values()]
    for (name, side), of in zip(sides.items(), block):
        if side % of:
            least = min(spec.height, spec.width)
            common = [str(n) for n in range(1, least) if spec.height % n == spec.width % n == 0]
            raise UserError(
                f"--patch {patch}: it does not divide the {name} of {spec.height}x{spec.width} "
                f"images: choose {' or '.join(common)}, or another --size"
            )
    if block == [spec.height, spec.width]:
        raise UserError("images of one patch: nothing comes before it: choose a larger --size")
    return block[0], block[1]


@recipe(
    family="explicit/tractable/change of variables",
    tiny={"embedding": 8, "blocks": 2, "layers": 1},
    paper="Zhai et al. 2024, Normalizing Flows are Capable Generative Models",
    batch=64,
    steps=3000,
    training={"ema": 0.999, "clip": 1.0},
)
def tarflow(
    spec: Spec,
    *,
    patch: PositiveInt = 4,
    blocks: PositiveInt = 4,
    layers: PositiveInt = 2,
    embedding: PositiveInt = 128,
    noise: NonNegativeFloat = 0.0,
    **common: Unpack[Common],
) -> TarFlow:
    """TarFlow: causal transformers over patches, in alternating direction; the largest networks.

    patch: pixels of a patch a side.
    blocks: transformers, each in the direction opposite to the one before.
    layers: of a transformer.
    embedding: numbers that stand for a patch inside.
    noise: deviation of Gaussian noise that is added to images in training, on [-1, 1]; 0: they are
        dequantized uniformly. With noise the density is that of noisy images, see --denoise.
    """
    expect_levels(spec)
    alpha = common["alpha"]
    if noise:
        refuse_unused("a noisy pixel may have no logit", alpha=(alpha, ALPHA))
        alpha = 0.0
    levels = common["levels"] or spec.values.likelihood_levels()
    given = conditioning(spec, common["condition"])
    block = _block(spec, patch)
    cut = Patches(spec.shape, block)
    numbers = spec.channels * block[0] * block[1]
    count = spec.dims // numbers
    layered: list[Bijection] = [
        CausalFlow(
            count,
            numbers,
            width=embedding,
            layers=layers,
            backwards=number % 2 == 1,
            condition=given.size,
        )
        for number in range(blocks)
    ]
    dequantization: Dequantization = (
        Gaussian(levels, noise, spec.values) if noise else Uniform(levels, spec.values)
    )
    return TarFlow(
        spec,
        Chain([scaled(levels, alpha), cut, *layered, Flatten((count, numbers))]),
        dequantization,
        conditioning=given,
        optim=Optim(lr=common["lr"]),
    )
