"""Copying: whether a model reproduces its training images, by comparison with unseen ones.

Training images and held-out images of the same origin are mixed into one pool, and the image of
the pool is found that is most alike to each sample (`lookalikes`). Two tests follow; both let a
sampler be blurred, noisy or poor, for that makes it no more alike to one side than to the other.

*Side.* If the sampler has learnt nothing of single training images, which images of the pool it
was trained on is a matter of chance. Then among the k samples closest to the pool, for every k, the
nearest is a training image as often as the pool holds them. With t the share found and p that of
the pool, the statistic is max over k of k KL(t ‖ p), t > p, and its distribution under chance that
of labels drawn anew. It is exact at any size and for any distance.

*Closeness.* A copy is far closer to one image than to others: r = d₁ / d₅, the distance to the
nearest over that to the fifth. Real images of the pool have the same ratio to the rest of it. If
samples are no closer to single images than real ones, the closest of all are as likely real as
sampled, so the chance that j samples come before the first of m real images is, with n samples,
the product of (n - i) / (n + m - i), i < j. Samples that repeat one image count once.

Copying is detected if either test rejects, at 2 % and .5 %: a sampler that does not copy is a
false positive in at most 2.5 % of cases. The share comes from the ratios: a sampler of copies with
share x and else like real images has the distribution function x + (1 - x) F(r) where copies are,
so x = (G - F) / (1 - F) with F of real images, G of the samples.

After Meehan, Chaudhuri & Dasgupta 2020, A non-parametric test to detect data-copying, who compare
d(sample, train) with d(test, train); that takes blur for copying, and the pool does not.

Shapes: N images of the pool · n samples · m real images
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genarium.evaluation import tails
from genarium.evaluation.diagnostics.lookalikes import Lookalikes
from genarium.evaluation.scores.score import Z

FIFTH = 4  # column of the distance that the nearest is compared with
SIDE_ALPHA, CLOSE_ALPHA = 0.02, 0.005
DRAWS, BLOCK, ENOUGH = 1000, 250, 30  # of labels; at a time; with so many extreme ones no more
LEVELS = (0.0, 0.01, 0.05, 0.2)  # of the real images' ratios, at which the share is estimated


@dataclass(frozen=True)
class Copying:
    """What the tests found of n samples.

    p_side, p_close: their p-values. share: of the samples that are copies, at most 1, and its 95 %
    interval. nearest: [n] index in the pool. ratio: [n], d₁ / d₅. trained: [n] bool, whether the
    nearest is a training image.
    """

    p_side: float
    p_close: float
    share: float
    interval: tuple[float, float]
    nearest: Tensor
    ratio: Tensor
    trained: Tensor

    @property
    def detected(self) -> bool:
        """Whether it copies: one of the tests rejects."""
        return self.p_side <= SIDE_ALPHA or self.p_close <= CLOSE_ALPHA

    @property
    def text(self) -> str:
        """The verdict in words."""
        if not self.detected:
            return "no sign of copying"
        if self.p_close > CLOSE_ALPHA and self.interval[0] < 0.001:
            return "leans on its training images, without plain copies"
        share, low, high = (_percent(value) for value in (self.share, *self.interval))
        return f"copies about {share} % of its samples ({low} to {high} %)"

    def worst(self, count: int) -> Tensor:
        """Samples whose nearest is a training image, the closest first, at most `count`."""
        order = self.ratio.argsort(stable=True)
        return order[self.trained[order]][:count]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if 0 < share < 0.02 else f"{100 * share:.0f}"


def copying(samples: Lookalikes, real: Lookalikes, trained: Tensor, *, seed: int = 0) -> Copying:
    """Both tests and the share. samples: what the pool holds for each sample, 5 or more. real: for
    images of the pool, each without itself. trained: [N] bool, the pool's training images; the
    others are held out. seed: of the labels drawn.

    Raises ValueError without samples, real images, or either kind of images in the pool.
    """
    both = bool(trained.any()) and not bool(trained.all())
    if not len(samples.index) or not len(real.index) or not both:
        raise ValueError("copying needs samples, real images, and a pool with both kinds")
    ratio, other = closeness(samples.distance), closeness(real.distance)
    nearest = samples.index[:, 0]
    p_side = _side(nearest[ratio.argsort(stable=True)], trained, seed)
    p_close = _close(ratio, nearest, trained, other)
    share, interval = _share(ratio, other, nearest, trained)
    return Copying(p_side, p_close, share, interval, nearest, ratio, trained[nearest])


def closeness(distance: Tensor) -> Tensor:
    """r = d₁ / d₅ of ascending distances [n,5 or more], [n] float64; 1 where d₅ is 0."""
    first, fifth = distance[:, 0].double(), distance[:, FIFTH].double()
    return torch.where(fifth > 0, first / fifth.clamp(min=1e-12), 1.0)


def _side(nearest: Tensor, trained: Tensor, seed: int) -> float:
    """p-value of the test of the side; nearest: of the samples, closest first."""
    hit, position = nearest.unique(return_inverse=True)
    chance = trained.double().mean().item()
    observed = _scan(trained[hit][position][None], chance)
    generator, extreme, draws = torch.Generator().manual_seed(seed), 0, 0
    while draws < DRAWS:
        labels = _labels(len(hit), int(trained.sum()), len(trained), generator)
        # a sum in another order is no larger value
        extreme += int((_scan(labels[:, position], chance) >= observed * (1 - 1e-12)).sum())
        draws += BLOCK
        if extreme >= ENOUGH:  # far from saying anything
            break
    return (1 + extreme) / (1 + draws)


def _labels(count: int, trained: int, total: int, generator: torch.Generator) -> Tensor:
    """Labels of `count` images of the pool, drawn anew without replacement, bool [BLOCK,count]."""
    uniform = torch.rand(count, BLOCK, generator=generator, dtype=torch.float64)
    left = torch.full((BLOCK,), float(trained), dtype=torch.float64)
    labels = torch.empty(count, BLOCK, dtype=torch.bool)
    for i in range(count):
        labels[i] = uniform[i] * (total - i) < left
        left -= labels[i].double()
    return labels.T


def _scan(labels: Tensor, chance: float) -> Tensor:
    """max over k of k KL(t_k ‖ chance) where t_k > chance; labels bool [B,n] -> [B].

    With m = k t_k: k KL = m ln m + (k - m) ln(k - m) - k ln k - m ln p - (k - m) ln(1 - p).
    """
    k = torch.arange(labels.shape[1] + 1)
    entropy = torch.xlogy(k.double(), k.double())
    hits = labels.cumsum(dim=1, dtype=torch.int32).long()
    misses = k[1:] - hits
    gap = entropy[hits] + entropy[misses] - entropy[1:]
    gap -= hits * math.log(chance) + misses * math.log(1 - chance)
    return torch.where(hits > k[1:] * chance, gap, 0.0).amax(dim=1)


def _close(ratio: Tensor, nearest: Tensor, trained: Tensor, real: Tensor) -> float:
    """p-value of the test of the closeness."""
    before = (ratio < real.min()) & trained[nearest]
    count, m = len(nearest[before].unique()), len(real)
    distinct = max(count, len(nearest.unique()))
    chance = 1.0
    for i in range(count):
        chance *= (distinct - i) / (distinct + m - i)
    return chance


def _share(
    ratio: Tensor, real: Tensor, nearest: Tensor, trained: Tensor
) -> tuple[float, tuple[float, float]]:
    """Share of copies and its interval.

    At each level, the ratio below which so many real images lie, the share follows from the number
    of samples below. The first level is the strictest; the next is taken where it finds more than
    the interval of this one allows, so copies that are not that close. And of samples that are no
    copies the nearest is a held-out image as often as the pool holds them: far noisier, but it sees
    copies however they are changed.
    """
    n, m = len(ratio), len(real)
    share, ends = 0.0, (0.0, 0.0)
    for level in LEVELS:
        below = int((ratio < real.quantile(level)).sum())
        estimate, low, high = ((s - level) / (1 - level) for s in (below / n, *_binomial(below, n)))
        # the quantile of m real images errs too
        error = Z * (1 - estimate) / (1 - level) * math.sqrt(max(level, 1 / m) * (1 - level) / m)
        low = estimate - math.hypot(estimate - low, error)
        high = estimate + math.hypot(high - estimate, error)
        if estimate > ends[1] or level == LEVELS[0]:
            share, ends = estimate, (low, high)
    held = 1 - trained.double().mean().item()
    strangers = int((~trained[nearest]).sum())
    estimate, high, low = (1 - s / held for s in (strangers / n, *_binomial(strangers, n)))
    if low > ends[1]:
        share, ends = estimate, (low, high)
    return max(0.0, share), (max(0.0, ends[0]), min(1.0, max(0.0, ends[1])))


def _binomial(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Clopper & Pearson 1934)."""
    low = tails.beta_quantile(successes, n - successes + 1, 0.025) if successes else 0.0
    high = tails.beta_quantile(successes + 1, n - successes, 0.975) if successes < n else 1.0
    return low, high
