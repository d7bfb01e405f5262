"""Modes: how many of the known modes of a data set a model reaches, and how evenly.

    Metz et al. 2017, Unrolled generative adversarial networks
    Srivastava et al. 2017, VEEGAN: reducing mode collapse in GANs
    Lin, Khetan, Fanti & Oh 2018, PacGAN: the power of two samples

A sample of a Gaussian mixture belongs to the mode with the nearest centre, and is of high quality
within 3 σ of it: Euclidean distance |x - μ| < 3 σ, as PacGAN's published code has it. A sample of
stacked digits belongs to the mode that a classifier reads off its channels. A mode is captured as
soon as one sample (of high quality) belongs to it. With p the shares of the modes among those
samples and q those of the data, 1/K each unless given otherwise,

    KL(p ‖ q) = Σ_k p_k ln(p_k / q_k)        nats, samples against data, 0 ln 0 = 0

Both numbers depend on how many samples there are: N draws from q itself leave modes out where N is
not much larger than K, and have a KL of about (K-1)/(2N).

Shapes: N samples · M or K modes · D dimensions
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genarium.contract import from_uint8
from genarium.evaluation.diagnostics.dropping import dropping
from genarium.evaluation.diagnostics.findings import classes_finding
from genarium.evaluation.scores.measured import Measured, Metric
from genarium.evaluation.scores.score import Score, Undefined, Z, wilson

RADIUS = 3.0  # in σ
NOWHERE = -1  # the mode of a sample that belongs to none


@dataclass(frozen=True)
class ModeScores:
    """What is known of N samples and K modes.

    captured: modes with at least one sample. high_quality: share of the samples that belong to a
    mode. kl: KL(samples ‖ data) in nats; None where no sample belongs to any. counts: [K] int64.
    """

    captured: int
    high_quality: float
    kl: float | None
    counts: Tensor

    @property
    def modes(self) -> int:
        """K."""
        return len(self.counts)


def assign(points: Tensor, centres: Tensor, sigma: float, radius: float = RADIUS) -> Tensor:
    """The mode of each of `points` [N,D], [N] int64: the nearest of `centres` [M,D], or -1.

    It is -1 where the Euclidean distance to that centre is not below radius·sigma.
    """
    if points.ndim != 2 or centres.ndim != 2 or points.shape[1] != centres.shape[1]:
        raise ValueError(f"points {list(points.shape)} and centres {list(centres.shape)}: [N,D]")
    distance = torch.cdist(
        points.double(), centres.double(), compute_mode="donot_use_mm_for_euclid_dist"
    )
    nearest, mode = distance.min(dim=1)
    return torch.where(nearest < radius * sigma, mode, NOWHERE)


def label_modes(labels: Tensor, classes: int, target: Tensor | None = None) -> ModeScores:
    """Modes of samples with known labels, [N] integers from 0 to classes-1; -1 belongs to none.

    target: q, the shares of the modes in the data, [K] summing to 1; None is 1/K each, as in the
    literature on stacked MNIST. The KL is infinite where a sample belongs to a mode of share 0.

    Raises ValueError for no labels, labels out of range, or a target of another size or sum.
    """
    if not len(labels):
        raise ValueError("modes of no samples")
    if labels.min() < NOWHERE or labels.max() >= classes:
        raise ValueError(f"labels from {labels.min()} to {labels.max()}, {classes} classes")
    q = torch.full((classes,), 1 / classes, dtype=torch.float64)
    if target is not None:
        q = target.double()
        if q.shape != (classes,) or not math.isclose(q.sum().item(), 1, abs_tol=1e-6):
            raise ValueError(f"target {list(q.shape)}, sum {q.sum():.3g}: {classes} shares of 1")
    counts = labels[labels != NOWHERE].long().bincount(minlength=classes)
    total = int(counts.sum())
    kl = None
    if total:
        p = counts.double() / total
        kl = max(0.0, (torch.xlogy(p, p) - torch.xlogy(p, q)).sum().item())
    return ModeScores(int((counts > 0).sum()), total / len(labels), kl, counts)


def mixture_modes(
    points: Tensor, centres: Tensor, sigma: float, radius: float = RADIUS
) -> ModeScores:
    """Modes of `points` [N,D] of an even mixture of Gaussians, `centres` [M,D] and one `sigma`.

    Raises ValueError for no points, or points and centres of different dimensions.
    """
    return label_modes(assign(points, centres, sigma, radius), len(centres))


# ---------------------------------------------------------------------------------------------
# As scores of the table


def for_data(info: Mapping[str, Any]) -> tuple[Metric, ...]:
    """The metrics that a data set asks for by the facts in its `info`; none for most."""
    return tuple(m for key, make in ASKED_BY.items() if key in info for m in make(info[key]))


def mixture_metrics(mixture: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Modes of points of the plane.

    mixture: `centres` [M,2] and `sigma` in data units, and `scale`: data units = scale · pixels on
    [-1, 1].
    """
    centres = torch.tensor(mixture["centres"], dtype=torch.float64)
    sigma, scale = float(mixture["sigma"]), float(mixture["scale"])

    def mode(images: Tensor) -> Tensor:
        return assign(from_uint8(images).flatten(1).double() * scale, centres, sigma)

    def modes_of(measured: Measured) -> ModeScores:
        return label_modes(measured.per_image["mode"], len(centres))

    def quality(samples: Measured, reference: Measured) -> Score:
        share = modes_of(samples).high_quality
        return Score(
            "high quality",
            share,
            (share * (1 - share) / samples.count) ** 0.5,
            better="higher",
            unit="share",
            note=f"within {RADIUS:g} σ of the nearest centre",
            reference=modes_of(reference).high_quality,
            interval=wilson(share, samples.count),
        )

    within = f"a sample within {RADIUS:g} σ counts"
    kl = _divergence(modes_of, f"those within {RADIUS:g} σ")
    scores = (_captured(modes_of, within), quality, kl, _missing(modes_of))
    return tuple(Metric(score, {"mode": mode}, on_features=False) for score in scores)


def stacked_metrics(stacked: Mapping[str, Any]) -> tuple[Metric, ...]:
    """Modes of images that hold one class a channel, by the extractor's classifier.

    stacked: `channels` C and `classes` K; there are K^C modes, the first channel counts most.
    """
    channels, classes = int(stacked["channels"]), int(stacked["classes"])
    places = torch.tensor([classes**c for c in reversed(range(channels))])

    def modes_of(measured: Measured) -> ModeScores:
        extractor = measured.extractor
        if extractor.outputs != channels * classes:
            raise Undefined(
                f"modes: {extractor.name} does not read the channels one by one: leave "
                "--extractor out"
            )
        guess = measured.logits.view(-1, channels, classes).argmax(dim=2)
        return label_modes((guess * places).sum(dim=1), classes**channels)

    kl = _divergence(modes_of, "modes as read")
    return tuple(
        Metric(score)
        for score in (_captured(modes_of, "read by the classifier"), kl, _missing(modes_of))
    )


ASKED_BY: dict[str, Callable[[Mapping[str, Any]], tuple[Metric, ...]]] = {
    "mixture": mixture_metrics,
    "stacked": stacked_metrics,
}
"""The fact of a data set's `info` that asks for metrics, and what makes them of it."""

ModesOf = Callable[[Measured], ModeScores]
Scored = Callable[[Measured, Measured], Score | None]


def _captured(modes_of: ModesOf, words: str) -> Scored:
    def captured(samples: Measured, reference: Measured) -> Score:
        ours, theirs = modes_of(samples), modes_of(reference)
        # the jackknife's: without one sample there is a mode less if it was alone in it
        alone = int((ours.counts == 1).sum())
        std = (alone * (1 - alone / samples.count)) ** 0.5
        ends = ours.captured - Z * std, ours.captured + Z * std
        return Score(
            "modes captured",
            ours.captured,
            std,
            better="higher",
            interval=(max(0.0, ends[0]), min(float(ours.modes), ends[1])),
            unit=f"of {ours.modes:,}",
            note=f"{words}, one is enough; {samples.count:,} samples",
            reference=theirs.captured,
        )

    return captured


def _divergence(modes_of: ModesOf, words: str) -> Scored:
    def divergence(samples: Measured, reference: Measured) -> Score:
        ours, theirs = modes_of(samples), modes_of(reference)
        if ours.kl is None:
            raise Undefined(f"KL of modes: no {samples.name} belongs to a mode")
        chance = (ours.modes - 1) / (2 * samples.count)
        # the KL is the mean of ln(p/q) of a sample's mode; its derivative is that too
        share = ours.counts.double() / ours.counts.sum()
        surprise = (share.clamp(min=1e-300) * ours.modes).log()
        spread = max(0.0, (share * surprise.square()).sum().item() - ours.kl**2)
        std = (spread / int(ours.counts.sum())) ** 0.5
        return Score(
            "KL of modes",
            ours.kl,
            std,
            better="lower",
            interval=(max(0.0, ours.kl - Z * std), ours.kl + Z * std),
            unit="nats",
            note=f"samples ({words}) against even shares; about {chance:.2g} by chance at "
            "this count",
            reference=theirs.kl,
        )

    return divergence


def _missing(modes_of: ModesOf) -> Scored:
    """The verdict on modes that are not there, left in the findings of the samples too.

    Modes are recognised without a classifier, or by one whose few slips only make the verdict more
    careful, so every sample counts as rightly named.
    """

    def missing(samples: Measured, reference: Measured) -> Score | None:
        ours = modes_of(samples)
        if not int(ours.counts.sum()):  # as the KL says
            return None
        even, right = torch.ones(ours.modes), torch.zeros(ours.modes, ours.modes)
        names = tuple(str(k + 1) for k in range(ours.modes))
        finding = classes_finding(dropping(ours.counts, even, right, names, "mode"))
        samples.findings.append(finding)
        return Score(
            "missing modes",
            len(finding.numbers["missing"]),
            better="lower",
            unit=f"of {ours.modes:,}",
            note=finding.text,
            reference=0.0,
        )

    return missing
