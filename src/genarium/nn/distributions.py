"""Closed-form divergences, log-likelihoods and importance-weighted bounds, in nats.

Everything here is elementwise or says over which axis it reduces; `per_image` sums the elementwise
terms of each image. Half-precision inputs are raised to float32 first, float64 stays float64.

Shapes: B batch · D latent size · C channels · H, W pixels · L grey levels · k importance samples
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genarium.contract import EIGHT_BIT, Batch, Noise, Spec, Values, dequantize
from genarium.errors import UserError
from genarium.nn.patches import is_plain

LN_2PI = math.log(2.0 * math.pi)


def _full(x: Tensor) -> Tensor:
    """At least float32: sums of hundreds of pixel terms lose whole nats in half precision."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def per_image(terms: Tensor) -> Tensor:
    """Sum of all axes but the first: [B, ...] -> [B]."""
    return terms.flatten(1).sum(1)


# ---------------------------------------------------------------------------------------------
# Gaussians


def normal_log_prob(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Log density of a Gaussian, elementwise, in nats per unit of x.

    ln N(x; μ, σ²) = −½ [ln 2π + ln σ² + (x − μ)²/σ²]. The arguments broadcast.
    """
    x, mean, log_variance = _full(x), _full(mean), _full(log_variance)
    return -0.5 * (LN_2PI + log_variance + (x - mean).square() * torch.exp(-log_variance))


def kl_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL( N(μ, σ²) ‖ N(0, 1) ), elementwise, in nats.

    ½ [μ² + σ² − 1 − ln σ²]; sum over the latent axis for a diagonal Gaussian.
    Source: Kingma & Welling 2014, appendix B.
    """
    mean, log_variance = _full(mean), _full(log_variance)
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)


def kl_normal(
    mean_q: Tensor, log_variance_q: Tensor, mean_p: Tensor, log_variance_p: Tensor
) -> Tensor:
    """KL( N(μ_q, σ_q²) ‖ N(μ_p, σ_p²) ), elementwise, in nats.

    ½ [ln σ_p² − ln σ_q² + (σ_q² + (μ_q − μ_p)²)/σ_p² − 1]. The arguments broadcast.
    """
    mean_q, log_variance_q = _full(mean_q), _full(log_variance_q)
    mean_p, log_variance_p = _full(mean_p), _full(log_variance_p)
    gap = log_variance_q - log_variance_p
    shift = (mean_q - mean_p).square() * torch.exp(-log_variance_p)
    return 0.5 * (gap.exp() + shift - 1.0 - gap)


def reparametrize(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ·ε with ε ~ N(0, 1): a draw whose gradient reaches μ and σ.

    Source: Kingma & Welling 2014, section 2.4.
    """
    return mean + torch.exp(0.5 * log_variance) * noise


# ---------------------------------------------------------------------------------------------
# Likelihoods of pixels


def bernoulli_log_prob(logits: Tensor, x: Tensor) -> Tensor:
    """ln Bernoulli(x; σ(logits)), elementwise, in nats, for x in {0, 1}.

    x·l − ln(1 + eˡ). For x strictly between 0 and 1 this is a cross-entropy and no likelihood.
    """
    logits = _full(logits)
    return (x * logits).sub_(F.softplus(logits))


def discretized_logistic_log_prob(
    location: Tensor, log_scale: Tensor, levels: Tensor, n: int = 256
) -> Tensor:
    """Log probability of a grey level under a logistic integrated over its bin, elementwise.

    Level v of n lies at x = 2v/(n−1) − 1 on [−1, 1], its bin reaches h = 1/(n−1) to either side,
    and the end bins are open. With a = (x + h − μ)/s and b = (x − h − μ)/s,

        P(v) = σ(a) − σ(b) = σ(a)·σ(−b)·(1 − e^{b−a}),

    whose logarithm is taken factor by factor: nothing is subtracted, so nothing cancels, and the n
    probabilities telescope to 1 exactly. (σ(b) is dropped at level 0, 1 − σ(a) at level n−1.)

    location, log_scale: μ and ln s on the [−1, 1] scale, broadcasting with levels.
    levels: integers 0 .. n−1. Returns nats. Source: Salimans et al. 2017 (PixelCNN++), section 2.1.
    """
    location, log_scale = _full(location), _full(log_scale)
    half = 1.0 / (n - 1)
    centred = levels.to(location.dtype) * (2.0 * half) - 1.0 - location
    inverse_scale = torch.exp(-log_scale)
    first, last = levels == 0, levels == n - 1
    below_upper = F.logsigmoid(inverse_scale * (centred + half)).masked_fill(last, 0.0)
    above_lower = F.logsigmoid(inverse_scale * (half - centred)).masked_fill(first, 0.0)
    width = torch.log(-torch.expm1(-2.0 * half * inverse_scale))
    return below_upper + above_lower + width.masked_fill(first | last, 0.0)


def categorical_log_prob(logits: Tensor, levels: Tensor) -> Tensor:
    """Log probability of grey levels under independent softmaxes, in nats.

    logits: [B, L, ...] scores of the L levels. levels: [B, ...] integers 0 .. L−1.
    Returns [B, ...]: l_v − ln Σ_u e^{l_u}.
    """
    if is_plain():  # of this, PyTorch's exporter (2.13) makes a sum over all
        return _full(logits).log_softmax(1).gather(1, levels.unsqueeze(1)).squeeze(1)
    return -F.cross_entropy(_full(logits), levels, reduction="none")


# ---------------------------------------------------------------------------------------------
# Bounds and units


def importance_weighted_bound(log_weights: Tensor, dim: int = 0) -> Tensor:
    """ln (1/k) Σᵢ wᵢ over axis `dim`, from log weights, summed in float64.

    With wᵢ = p(x, zᵢ)/q(zᵢ|x) and zᵢ ~ q this is the k-sample bound on ln p(x): in expectation
    it never falls as k grows, and k = 1 is the ELBO. float64 because near the top of a
    thousand-sample sum float32 drops the small weights that make the difference.
    Source: Burda, Grosse & Salakhutdinov 2016, eq. 8.
    """
    k = log_weights.shape[dim]
    return torch.logsumexp(log_weights.to(torch.float64), dim) - math.log(k)


def bits_per_dim(nats: Tensor, dims: int) -> Tensor:
    """Log-likelihood in nats per image -> bits per dimension: −nats / (dims · ln 2).

    dims: C·H·W. Lower is better.
    """
    return nats / (-dims * math.log(2.0))


# ---------------------------------------------------------------------------------------------
# What a decoder's outputs mean: likelihoods as objects


class Likelihood(nn.Module):
    """p(x|z): what the pixels are taken to be, and what a decoder's outputs say about them.

    A subclass gives the four methods. `outputs` is the number of decoder channels per image
    channel; `density` says in words what `log_prob` is a density of.
    """

    outputs: int = 1
    density: str = ""

    def target(self, batch: Batch) -> Tensor:
        """The x that the likelihood is of, [B,C,H,W]; any randomness from `batch.noise`."""
        raise NotImplementedError

    def signed(self, target: Tensor) -> Tensor:
        """The same x as floats on [−1, 1], which is what an encoder sees."""
        raise NotImplementedError

    def log_prob(self, output: Tensor, target: Tensor) -> Tensor:
        """ln p(x|z), [B] nats, of the decoder's output [B, outputs·C, H, W]."""
        raise NotImplementedError

    def start(self, mean: Tensor) -> Tensor:
        """The output [outputs·C, H, W] whose p(x) has the mean `mean` [C,H,W] of targets.

        Where a decoder should begin: Adam moves a bias by the learning rate a step at most, and a
        pixel that is nearly always black needs a logit far from 0.
        """
        return mean

    def mean(self, output: Tensor) -> Tensor:
        """The image to show for a decoder's output: its mean, [B,C,H,W] float32 on [−1, 1]."""
        raise NotImplementedError

    def draw(self, output: Tensor, noise: Noise) -> Tensor:
        """An image drawn from p(x|z), [B,C,H,W] float32 on [−1, 1]."""
        raise NotImplementedError


class Bernoulli(Likelihood):
    """Binary pixels; the decoder gives logits.

    Values other than 8-bit ones are binarized too: white with their share of the range.

    Grey images are binarized anew at each use: dynamic binarization. Of images that are binary
    already (`static`: `--binarize static`) it is the likelihood of those fixed bits. The two differ
    by some nats an image and are never to be compared.
    """

    def __init__(self, static: bool = False):
        super().__init__()
        self.static = static
        self.density = f"{'statically' if static else 'dynamically'} binarized pixels (Bernoulli)"

    def target(self, batch: Batch) -> Tensor:
        # of bits 0 and 255 the draw would give the same, at the cost of the random numbers
        return (batch.images > 127).to(torch.float32) if self.static else batch.bits()

    def signed(self, target: Tensor) -> Tensor:
        return (target * 2.0).sub_(1.0)

    def start(self, mean: Tensor) -> Tensor:
        return mean.clamp(0.01, 0.99).logit()

    def log_prob(self, output: Tensor, target: Tensor) -> Tensor:
        return per_image(bernoulli_log_prob(output, target))

    def mean(self, output: Tensor) -> Tensor:
        return torch.tanh(0.5 * _full(output))  # 2σ(l) − 1

    def draw(self, output: Tensor, noise: Noise) -> Tensor:
        return (noise.uniform(*output.shape[1:]) < torch.sigmoid(output)).to(torch.float32) * 2 - 1


class Gaussian(Likelihood):
    """Real pixels with one learned variance for all of them; the decoder gives the means.

    A density on the 256 grey levels themselves has no upper limit (the variance may vanish), so
    the levels are first dequantized: y = v + u, u ~ U[0, 1). The density of y per grey level then
    is, on average, a lower bound on the probability of the level v, and so comparable with an
    8-bit likelihood in bits per dimension. The network works on x = y/128 − 1 in [−1, 1);
    ln p(y) = ln N(x; μ, σ²) + ln(1/128). Source: Theis, van den Oord & Bethge 2016, section 3.1.
    Of n = high − low + 1 whole numbers x = 2 (v − low + u)/n − 1 and the unit is 2/n, in each
    channel its own where ranges differ. Floats have no levels: x is what they are on the range, and
    the density is that of their share of it, unit 2: bits per dimension may be negative.

    unit: length of the density's unit on the network's scale; 1.0 gives the plain density of x;
    None: that of `values`, the images'.
    bounded: the decoder's outputs o become means tanh(2·o): most pixels of drawings and cut-outs
    are at black or white exactly, and a mean that nothing holds sways about them.
    """

    density = "8-bit grey levels (lower bound: Gaussian density of uniformly dequantized levels)"
    floats = "floats, {} (Gaussian density of their share of the range)"

    # Adam moves a parameter by about lr a step, whatever its gradient; ln σ² has to travel several
    # units within the first epochs, so the parameter is ln σ² divided by this.
    GAIN = 10.0

    def __init__(
        self,
        unit: float | None = None,
        log_variance: float = -2.0,
        bounded: bool = False,
        values: Values = EIGHT_BIT,
    ):
        super().__init__()
        self.bounded, self.values = bounded, values
        pairs = list(zip(values.low, values.high, strict=True))
        self.counts = [high - low + 1 if values.integer else 1.0 for low, high in pairs]
        # of channels with units of their own the mean: each has as many pixels as another
        logs = [math.log(2.0 / count if unit is None else unit) for count in self.counts]
        self.log_unit = sum(logs) / len(logs)
        if not values.eight_bit:
            words, floats = values.whole_in_words(), self.floats.format(values.span)
            bound = "(lower bound: Gaussian density of uniformly dequantized levels)"
            self.density = f"{words} {bound}" if values.integer else floats
        self.scaled = nn.Parameter(torch.tensor(log_variance / self.GAIN))

    @property
    def log_variance(self) -> Tensor:
        """ln σ² on the network's scale, a scalar."""
        return self.scaled * self.GAIN

    def means(self, output: Tensor) -> Tensor:
        """The mean of each pixel on the network's scale, [B,C,H,W]."""
        return torch.tanh(2.0 * _full(output)) if self.bounded else _full(output)

    def start(self, mean: Tensor) -> Tensor:
        return 0.5 * torch.atanh(mean.clamp(-0.98, 0.98)) if self.bounded else mean

    def target(self, batch: Batch) -> Tensor:
        if not self.values.integer:
            return batch.signed()
        levels = self.values.above_low(batch.images)
        half = torch.tensor(self.counts, device=levels.device).view(-1, 1, 1) / 2.0
        return (levels + batch.noise.uniform(*levels.shape[1:])).div_(half).sub_(1.0)

    def signed(self, target: Tensor) -> Tensor:
        return target

    def log_prob(self, output: Tensor, target: Tensor) -> Tensor:
        # One sum of squares an image and the constants outside: the variance is shared.
        dims = math.prod(target.shape[1:])
        squares = per_image((target - self.means(output)).square())
        constant = LN_2PI + self.log_variance - 2.0 * self.log_unit
        return -0.5 * (dims * constant + squares * torch.exp(-self.log_variance))

    def mean(self, output: Tensor) -> Tensor:
        return self._image(self.means(output))

    def draw(self, output: Tensor, noise: Noise) -> Tensor:
        spread = torch.exp(0.5 * self.log_variance)
        return self._image(self.means(output) + spread * noise.normal(*output.shape[1:]))

    def _image(self, x: Tensor) -> Tensor:
        # Level v lies at x = (v + ½)/128 − 1 here and at v/127.5 − 1 in an image.
        if self.values.eight_bit:
            return (x * (256.0 / 255.0)).clamp(-1.0, 1.0)
        if not self.values.integer:
            return x.clamp(-1.0, 1.0)
        count = torch.tensor(self.counts, device=x.device).view(-1, 1, 1)
        return (x * (count / (count - 1.0))).clamp(-1.0, 1.0)


class Logistic(Likelihood):
    """All 256 grey levels by a discretized logistic; location and scale a pixel from the decoder.

    A true likelihood of 8-bit images, or of all levels that other whole numbers have; floats, and
    channels whose ranges differ in length, are reduced to 256 equal parts of the range. Decoder
    channels: C locations, then C log scales.
    """

    outputs = 2
    density = "256 grey levels (discretized logistic)"

    def __init__(self, values: Values = EIGHT_BIT):
        super().__init__()
        self.levels = values.likelihood_levels()
        # a ninth of a level's bin, of 256 levels or more
        self.floor = -7.0 - max(0.0, math.log((self.levels - 1) / 255))
        if not values.eight_bit:
            self.density = f"{values.levels_in_words(self.levels)} (discretized logistic)"

    def target(self, batch: Batch) -> Tensor:
        return batch.levels(self.levels)

    def signed(self, target: Tensor) -> Tensor:
        return dequantize(target, self.levels)

    def start(self, mean: Tensor) -> Tensor:
        location = mean * (2.0 / (self.levels - 1)) - 1.0
        return torch.cat([location, torch.zeros_like(location)])

    def _split(self, output: Tensor) -> tuple[Tensor, Tensor]:
        location, log_scale = _full(output).chunk(2, dim=1)
        # Scales below e⁻⁷ (a ninth of a level's bin) only add rounding; the offset starts
        # training at a width of some 30 levels rather than the whole range.
        return location, (log_scale - 2.0).clamp(min=self.floor)

    def log_prob(self, output: Tensor, target: Tensor) -> Tensor:
        each = discretized_logistic_log_prob(*self._split(output), target, self.levels)
        return per_image(each)

    def mean(self, output: Tensor) -> Tensor:
        return self._split(output)[0].clamp(-1.0, 1.0)

    def draw(self, output: Tensor, noise: Noise) -> Tensor:
        location, log_scale = self._split(output)
        u = noise.uniform(*location.shape[1:]).clamp(1e-6, 1.0 - 1e-6)
        x = location + torch.exp(log_scale) * torch.logit(u)
        half = (self.levels - 1) / 2
        return x.clamp(-1.0, 1.0).add(1.0).mul(half).round().div(half).sub(1.0)


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "logistic": Logistic,
}


NEARLY_BINARY = 0.8
"""Share of a grey picture's values at black or white from which on it counts as black and white:
digits of 16 to 64 pixels have .86 to .92, line art with filled areas in grey at most .77."""


def likelihood_for(spec: Spec) -> str:
    """The name of the likelihood that suits data of `spec`.

    Bits for one channel that is nearly black and white, for what is to be binarized, and for one
    channel of which nothing is known; grey levels with a learned variance for everything else.
    """
    if spec.binarized:
        return "bernoulli"
    if spec.channels > 1 or spec.planar or not spec.values.eight_bit:
        return "gaussian"
    binary = spec.tones is None or spec.tones.ends >= NEARLY_BINARY
    return "bernoulli" if binary else "gaussian"


def likelihood_of(name: str, spec: Spec, bounded: bool = False) -> Likelihood:
    """The likelihood of that name for images of `spec`; its `density` says how they are binary.

    bounded: let the means of `gaussian` lie between black and white.

    Raises UserError for binarized data and a likelihood of grey levels.
    """
    if name == "bernoulli":
        return Bernoulli(static=spec.binarized == "static")
    if spec.binarized:
        raise UserError(
            f"--binarize {spec.binarized} makes the images black and white, --decoder {name} is of "
            "grey levels: use --decoder bernoulli, or leave --binarize out"
        )
    if name == "gaussian" and bounded:
        return Gaussian(log_variance=0.0, bounded=True, values=spec.values)
    if name == "gaussian":
        return Gaussian(values=spec.values)
    return Logistic(spec.values) if name == "logistic" else LIKELIHOODS[name]()
