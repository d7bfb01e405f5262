"""Autoregressive models: an image's probability as a product of one conditional a pixel and colour.

    ln p(x) = sum_i ln p(x_i | x_<i)

The pixels come row by row, from left to right, the colours R → G → B. A causal network gives all
conditionals in one pass, so the likelihood is exact and training parallel; a sampler draws the
same conditionals one after another.

Shapes: B batch · C colours · L grey levels · O outputs of the network a pixel and colour
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from genarium.contract import (
    Batch,
    Condition,
    Model,
    Optim,
    Phase,
    Progress,
    Settings,
    Spec,
    Step,
    dequantize,
    part_of,
)
from genarium.errors import UserError
from genarium.models.autoregressive import fast
from genarium.models.autoregressive.heads import Head, tempered
from genarium.models.autoregressive.wavefront import (
    Choose,
    Given,
    Wavefront,
    sample_naive,
    sample_wavefront,
)
from genarium.nn.distributions import bits_per_dim, per_image
from genarium.recipes import PositiveFloat


class Conditioned(nn.Module):
    """A conditional network with its labels [B] filled in: what a sampler can run."""

    def __init__(self, network: nn.Module, labels: Tensor | None):
        super().__init__()
        self.network, self.labels = network, labels

    def forward(self, x: Tensor, front: Wavefront | None = None) -> Tensor:
        outputs: Tensor = self.network(x, front, self.labels)
        return outputs


@dataclass(frozen=True)
class Temperature(Settings):
    """How an autoregressive model samples.

    temperature: of an autoregressive model: divides the logits of each pixel; below 1 likely levels
        become likelier, 1 is exact.
    """

    temperature: PositiveFloat = 1.0


class Autoregressive(Model):
    """A causal network and the distribution that its outputs stand for.

    network: (x [B,C,H,W] floats on [-1, 1], front or None, labels [B] or None) -> [B,C·O,H,W], the
    outputs of R before those of G before those of B. head: the distribution of a level; an image's
    x becomes the level of one of L equal parts of the range (of 8 bits floor(x·L/256)), for
    training, likelihood and sampling alike, or with dynamic binarization (`spec.binarized`) a draw
    of Bernoulli(x/255), anew in each step. classes: K of a conditional network, whose prior is
    p(y) = 1/K.

    Raises UserError for binarized data and another number of levels than 2.
    """

    settings = Temperature

    def __init__(self, spec: Spec, network: nn.Module, head: Head, optim: Optim, classes: int = 0):
        super().__init__()
        self.spec, self.head, self.levels, self.classes = spec, head, head.levels, classes
        self.conditional = classes > 0
        self.network = network
        self.phases = (Phase("model", optim=optim),)
        self.density = _density(spec, self.levels)
        self.dynamic = spec.binarized == "dynamic"

    def step(self, batch: Batch, phase: str) -> Step:
        labels = batch.labels if self.conditional else None
        levels = batch.bits().long() if self.dynamic else batch.levels(self.levels)
        nats = self._log_prob(levels, labels).mean()
        bits = bits_per_dim(nats, self.spec.dims)
        return Step({"bits_per_dim": bits}, {"log_prob": nats.detach()})

    # -- likelihood ---------------------------------------------------------------------------

    def log_prob(self, images: Tensor, condition: Condition = None) -> Tensor:
        """ln p(x), [B] nats, exact, of stored [B,C,H,W] quantised to L levels (see `density`).

        With dynamic binarization it is that of one draw, which depends on the image alone. With a
        condition [B] it is ln p(x|y). A conditional model without one gives the mixture
        ln Σ_y p(x|y)/K, at the cost of K passes.
        """
        self._expect(condition)
        levels = self.quantize(images)
        if not self.conditional or condition is not None:
            return self._log_prob(levels, condition)
        each = [self._log_prob(levels, self._labels(len(levels), y)) for y in range(self.classes)]
        return torch.stack(each).logsumexp(0) - math.log(self.classes)

    def quantize(self, images: Tensor) -> Tensor:
        """Stored [B,C,H,W] -> the levels 0 .. L-1 that the density is of, int64."""
        if self.dynamic:
            return drawn_bits(images)
        return self.spec.values.quantize(images, self.levels)

    def _labels(self, n: int, label: int) -> Tensor:
        return torch.full((n,), label, device=next(self.parameters()).device)

    def _expect(self, condition: Condition) -> None:
        if condition is not None and not self.conditional:
            raise UserError("--class: this model was trained without labels: leave it out")

    def _log_prob(self, levels: Tensor, labels: Tensor | None) -> Tensor:
        outputs = self.network(self._embed(levels), None, labels)
        b, c, h, w = levels.shape
        # The channels-last view: the outputs of a pixel and colour lie together.
        outputs = outputs.permute(0, 2, 3, 1).reshape(-1, self.head.outputs)
        terms = self.head.log_prob(outputs, levels.permute(0, 2, 3, 1).reshape(-1))
        return per_image(terms.view(b, h * w * c))

    # -- samples ------------------------------------------------------------------------------

    def sample(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Temperature | None = None,
        progress: Progress | None = None,
    ) -> Tensor:
        """n ancestral samples, [n,C,H,W] on [-1, 1]; exact at temperature 1.

        A conditional model without a condition draws the classes too, uniformly. progress: of the
        sampler's steps, each of which draws one pixel or a diagonal of them in every image.
        """
        drawn = self.sample_levels(
            n,
            condition=condition,
            generator=generator,
            temperature=1.0 if settings is None else settings.temperature,
            progress=progress,
        )
        return self._image(drawn)

    def complete(
        self,
        images: Tensor,
        keep: Tensor,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        settings: Temperature | None = None,
    ) -> Tensor:
        """Stored [B,C,H,W] with the pixels outside `keep` drawn anew, [B,C,H,W] on [-1, 1].

        keep: bool, [H,W] or [B,1 or C,H,W], true where a pixel stays. Pixels are drawn in order,
        each given all kept and drawn ones before it: exact where what is kept comes first (the
        upper part); kept pixels further on are copied but not foreseen. Other than of 8 bits, kept
        pixels come back as they are, not as their levels.
        """
        kept = self.quantize(images)
        given = Given(kept, keep.to(images.device).expand_as(kept))
        drawn = self.sample_levels(
            len(images),
            condition=condition,
            generator=generator,
            given=given,
            temperature=1.0 if settings is None else settings.temperature,
        )
        image = self._image(drawn)
        if self.spec.values.eight_bit:
            return image
        return torch.where(given.keep, self.spec.values.signed(images).to(image), image)

    def sample_levels(
        self,
        n: int,
        *,
        condition: Condition = None,
        generator: torch.Generator | None = None,
        given: Given | None = None,
        naive: bool = False,
        chunk: int = 256,
        temperature: float = 1.0,
        progress: Progress | None = None,
    ) -> Tensor:
        """n samples as grey levels, [n,C,H,W] int64 in 0 .. L-1.

        given: pixels to keep, the rest is drawn. naive: by full passes (slow; the reference).
        chunk: images drawn together, where the compiled sampler does not serve (see `fast`);
        changes memory and time, not the samples. temperature: see `heads.tempered`.
        """
        self._expect(condition)
        weight = next(self.parameters())
        # One number decides each pixel, so the samples do not depend on how they are computed.
        device = "cpu" if generator is None else generator.device
        noise = torch.rand(n, *self.spec.shape, generator=generator, device=device).to(weight)
        labels = condition
        if self.conditional and labels is None:
            labels = torch.randint(self.classes, (n,), generator=generator, device=device)
        walk = None if naive else self.compiled(temperature)
        if walk is not None:
            return walk.draw(noise, labels, given, progress)
        parts = []
        for start in range(0, n, chunk):
            mine = slice(start, start + chunk)
            kept = None if given is None else Given(*(t[mine] for t in given))
            conditioned = Conditioned(
                self.network, None if labels is None else labels[mine].to(weight.device)
            )
            draw = sample_naive if naive else self.draw
            choose = tempered(self.head, temperature)
            shown = part_of(progress, start, len(noise[mine]), n)
            parts.append(draw(conditioned, noise[mine], choose, self._embed, kept, shown))
        return torch.cat(parts) if parts else noise.long()

    def walk(self, symbols: Tensor, choose: Choose, labels: Tensor | None = None) -> Tensor:
        """The way of the fast sampler with choices of another kind, [B,C,H,W] int64 on the CPU.

        choose: (outputs [M,O], symbols [M] of those pixels as floats) -> levels [M] int64. Pixels
        come in the sampler's order, and for the same levels with the same outputs, bit for bit, if
        B is the same.
        """
        self._expect(labels)
        weight = next(self.parameters())
        conditioned = Conditioned(
            self.network, None if labels is None else labels.to(weight.device)
        )
        return self.draw(conditioned, symbols.to(weight), choose, self._embed, None).cpu()

    def compiled(self, temperature: float = 1.0) -> fast.Compiled | None:
        """The compiled sampler with the weights of now, where it serves; see `fast`."""
        every = torch.arange(self.levels, device=next(self.parameters()).device)
        return fast.serving(
            self.network,
            self.head,
            self.spec.shape,
            self._embed(every),
            self.classes,
            temperature,
        )

    draw = staticmethod(sample_wavefront)
    """The fast sampler of the architecture; it must give the images of `sample_naive`."""

    def _image(self, levels: Tensor) -> Tensor:
        """Levels [B,C,H,W] -> the image that has them, on [-1, 1]."""
        return self.spec.values.from_levels(levels, self.levels)

    def _embed(self, levels: Tensor) -> Tensor:
        return dequantize(levels, self.levels).to(next(self.parameters()).dtype)


def _density(spec: Spec, levels: int) -> str:
    """What the likelihood is of, in words that differ where two must not be compared."""
    if spec.binarized:
        if levels != 2:
            raise UserError(
                f"--binarize {spec.binarized} makes the images black and white and the model has "
                f"{levels} levels: add --levels 2"
            )
        return f"{spec.binarized}ally binarized pixels (Bernoulli)"
    if not spec.values.eight_bit:
        return spec.values.levels_in_words(levels)
    what = "grey levels" if spec.channels == 1 else "levels a colour"
    how = {256: "", 2: ", threshold at 128"}.get(levels, f", floor(x·{levels}/256)")
    return f"{levels} {what}{how}"


def drawn_bits(images: Tensor) -> Tensor:
    """Dynamic binarization of images that are scored: Bernoulli(x/255) a pixel, int64 of 0 or 1.

    images: uint8 [B,C,H,W]. Each image's draw is seeded by its bytes, so that its likelihood can be
    repeated and does not depend on the images beside it; over a set of images the draws are
    independent.
    """
    generator = torch.Generator()
    results = []
    for image in images.cpu():
        generator.manual_seed(zlib.crc32(image.contiguous().numpy().tobytes()))
        results.append(torch.rand(image.shape, generator=generator) * 255 < image)
    bits = torch.stack(results) if results else torch.zeros(images.shape)
    return bits.long().to(images.device)
