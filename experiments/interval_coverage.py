"""Do the 95 % intervals of the scores cover the truth 95 % of the time?

    python experiments/interval_coverage.py

Samples and reference are drawn anew 100 times a seed (of fewer than 500 images 50 times) from
distributions that are known: Gaussian features, class probabilities of known shares, noise images.
Where a score has a closed form the truth is that (KID, FID∞, shares); where its expectation depends
on the number of images (FID, Inception Score, overlap, entropy), the truth is that expectation at
this number, the mean over draws of all seeds' repetitions that are not counted otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from torch import Tensor, nn

from genarium.evaluation.extractors.extractor import Extractor, Features, from_module
from genarium.evaluation.scores import features as feature_scores
from genarium.evaluation.scores import registry as measure
from genarium.evaluation.scores.measured import Measured as Set
from genarium.evaluation.scores.score import Score
from genarium.evaluation.scores.verdicts import verdict


@dataclass(frozen=True)
class Settings:
    """n: images of either set. small: the same of further runs, with half of the repetitions.
    dims: features. classes: of the classifier. repetitions: a seed. truth: further repetitions, for
    truths that have no closed form."""

    n: int = 500
    small: tuple[int, ...] = (50, 100, 200, 400)
    dims: int = 16
    classes: int = 5
    repetitions: int = 100
    truth: int = 100
    shift: float = 0.3
    scale: float = 1.2


CLASSES = ("inception_score", "recognised", "class_entropy")
FUNCTIONS: dict[str, Any] = {
    "fid": feature_scores.fid,
    "kid": feature_scores.kid_score,
    "fid_infinity": feature_scores.fid_infinity,
    "precision": feature_scores.precision,
    "recall": feature_scores.recall,
    "density": feature_scores.density,
    "coverage": feature_scores.coverage,
    "inception_score": measure.classifier_score,
    "recognised": measure.recognised,
    "class_entropy": measure.class_entropy,
    "sharpness": measure.sharpness_score,
}
COMPARED = ("fid", "kid", "precision", "recall")
DIFFERENCES = tuple(f"{name}_difference" for name in COMPARED)
METRICS = tuple(metric for metric in (*measure.METRICS, *measure.MORE))


def extractor(s: Settings) -> Extractor:
    names = tuple(str(k) for k in range(s.classes))
    return from_module(
        nn.Identity(), name="known", dims=s.dims, prepare=lambda x: x, resize="none", classes=names
    )


def spectrum(s: Settings) -> Tensor:
    """Standard deviations of the features, from 1 down."""
    return torch.logspace(0, -1, s.dims, dtype=torch.float64)


def logits(s: Settings, n: int, generator: torch.Generator) -> Tensor:
    """An uneven choice of classes; 80 % are certain (p = .99), the others not (p = .5)."""
    shares = torch.arange(1, s.classes + 1, dtype=torch.float64)
    label = torch.multinomial(shares, n, replacement=True, generator=generator)
    sure = torch.rand(n, generator=generator) < 0.8
    top = torch.where(sure, 0.99, 0.5).double()
    rest = ((1 - top) / (s.classes - 1))[:, None].expand(-1, s.classes)
    return rest.clone().scatter_(1, label[:, None], top[:, None]).log()


def drawn(name: str, s: Settings, generator: torch.Generator, moved: bool) -> Set:
    """A measured set: of the samples' distribution if `moved`, else of the reference's."""
    result = Set(name, extractor(s), METRICS)
    pool = torch.randn(s.n, s.dims, generator=generator, dtype=torch.float64) * spectrum(s)
    if moved:
        pool = s.scale * pool
        pool[:, 0] += s.shift
    result.add_features(Features(pool, logits(s, s.n, generator)))
    images = torch.randint(256, (s.n, 1, 6, 6), generator=generator).to(torch.uint8)
    for key, (function, _) in result._functions.items():
        result._kept[key].append(function(images))
    return result


def closed_forms(s: Settings) -> dict[str, float]:
    """The truths that do not depend on the number of images."""
    variance, move = spectrum(s).square(), torch.zeros(s.dims, dtype=torch.float64)
    move[0] = s.shift
    frechet = s.shift**2 + (s.scale - 1) ** 2 * variance.sum().item()

    def kernel(s1: float, m1: Tensor, s2: float, m2: Tensor) -> float:
        """E (x·y/D + 1)³ of independent Gaussians, one mean 0 or both on the first axis."""
        v1, v2, d = s1**2 * variance, s2**2 * variance, s.dims
        first = (m1 @ m2).item()
        second = ((v1 + m1**2) @ (v2 + m2**2)).item() + first**2 - (m1**2 @ m2**2).item()
        a, b = m1[0].item(), m2[0].item()
        # given y: x·y is normal with mean a·y₀ and variance Σ v1 y²
        cubed = a**3 * (b**3 + 3 * b * v2[0].item())
        spread = b**3 * v1[0] + 3 * b * v1[0] * v2[0] + b * (v1[1:] @ v2[1:])
        third = cubed + 3 * a * spread.item()
        return third / d**3 + 3 * second / d**2 + 3 * first / d + 1

    zero = torch.zeros_like(move)
    kid = kernel(s.scale, move, s.scale, move) + kernel(1, zero, 1, zero)
    kid -= 2 * kernel(s.scale, move, 1, zero)
    return {"fid_infinity": frechet, "kid": kid, "recognised": 0.8}


def scored(s: Settings, generator: torch.Generator, theirs: Set, names: Any) -> dict[str, Score]:
    """The scores of new samples against a reference."""
    ours = drawn("sample", s, generator, True)
    return {name: FUNCTIONS[name](ours, theirs) for name in names}


def measure_seed(seed: int, s: Settings) -> Measured:
    numbers, curves = coverage(seed, s)
    few = {
        n: coverage(
            seed, replace(s, n=n, repetitions=-(-s.repetitions // 2), truth=-(-s.truth // 2))
        )
        for n in s.small
    }
    for name in [*numbers]:
        results = [covered[name] for covered, _ in few.values() if name in covered]
        curves[f"{name} of few"] = {str(n): c[name] for n, (c, _) in few.items() if name in c}
        numbers[f"{name}_few"] = sum(results) / len(results)
    return Measured(numbers, curves)


def coverage(seed: int, s: Settings) -> tuple[dict[str, float], dict[str, Any]]:
    """How often each interval covers the truth, and the truths."""
    generator = torch.Generator().manual_seed(seed)
    truths, means = closed_forms(s), {}
    names = [name for name in FUNCTIONS if name != "fid_infinity" or s.n >= 5 * s.dims]
    further = [
        scored(s, generator, drawn("test", s, generator, False), names) for _ in range(s.truth)
    ]
    for name in names:
        means[name] = sum(scores[name].value for scores in further) / len(further)
    truths = {**means, **truths}
    covered = dict.fromkeys([*names, *DIFFERENCES], 0)
    for _ in range(s.repetitions):
        theirs = drawn("test", s, generator, False)
        one = scored(s, generator, theirs, names)
        for name, score in one.items():
            assert score.interval is not None
            covered[name] += score.interval[0] <= truths[name] <= score.interval[1]
        other = scored(s, generator, theirs, COMPARED)
        for name, score in other.items():
            judged = verdict(one[name], score, ("A", "B")).interval
            assert judged is not None
            covered[f"{name}_difference"] += judged[0] <= 0 <= judged[1]
    numbers = {name: count / s.repetitions for name, count in covered.items()}
    return numbers, {"truth": truths, "mean": means}


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    axes = figure.subplots()
    names = [name for name in next(iter(measured.values())).numbers if not name.endswith("_few")]
    for k, n in enumerate((*s.small, s.n)):
        for m in measured.values():
            results = [m.curves[f"{name} of few"].get(str(n), m.numbers[name]) for name in names]
            places = [i + 0.14 * (k - 2) for i in range(len(names))]
            label = f"{n} images" if m is measured[min(measured)] else None
            axes.plot([100 * x for x in results], places, "o", color=f"C{k}", ms=3, label=label)
    axes.legend(fontsize=7)
    axes.axvspan(93, 97, color="C0", alpha=0.15, lw=0)
    axes.axvline(95, color="C0", lw=1)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("% of the intervals that cover the truth, a dot a seed")


def _bounds(*names: str) -> tuple[Bound, ...]:
    return tuple(Bound(name, at_least=0.93, at_most=0.99, each=False) for name in names)


def _few(*names: str) -> tuple[Bound, ...]:
    return tuple(Bound(f"{name}_few", at_least=0.93, each=False) for name in names)


CLAIM = Claim(
    name="interval_coverage",
    title="95 % intervals cover the truth",
    paper="our own intervals",
    setup="500 samples against 500 reference images drawn anew 100 times a seed from known "
    "distributions: 16 Gaussian features, 5 classes of known shares, noise images; and 50, 100, "
    "200 and 400 against as many 50 times each.",
    criteria=(
        Criterion(
            "95 % intervals of the distances cover the truth 93 to 99 % of the time.",
            _bounds("fid", "kid", "fid_infinity"),
        ),
        Criterion(
            "Those of precision, recall, density and coverage do.",
            _bounds("precision", "recall", "density", "coverage"),
        ),
        Criterion("Those of scores by class and of sharpness do.", _bounds(*CLASSES, "sharpness")),
        Criterion(
            "Those of differences of two equal models on one reference cover 0 so often.",
            _bounds(*DIFFERENCES),
        ),
        Criterion(
            "Of 50, 100, 200 and 400 images they cover the truth at least 93 % of the time.",
            _few(*FUNCTIONS),
        ),
        Criterion(
            "And those of differences.",
            _few(*DIFFERENCES),
        ),
    ),
    measure=measure_seed,
    draw=draw,
    settings=Settings(),
    quick=Settings(n=80, small=(60,), dims=3, repetitions=3, truth=3),
    size=(8.0, 4.5),
)

if __name__ == "__main__":
    CLAIM.main()
