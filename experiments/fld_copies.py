"""FLD of samplers of which a known share are training images: in order, and 0 without copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import generator_of
from _planted import digits, noised

from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.metrics.likelihood_divergence import feature_likelihood_divergence

SHARES = (0, 5, 20, 50, 90, 100)  # %


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment. sizes: of the training sets. noise: of noised copies, grey levels.
    images: that all are taken from."""

    sizes: tuple[int, ...] = (1000, 3000, 10_000)
    samples: int = 500
    test: int = 1000
    noise: float = 20.0
    images: int = 14_000


def measure(seed: int, s: Settings) -> Measured:
    images, _ = digits(s.images)
    network = extractor("digits")
    known = network(images).pool
    generator = generator_of(seed, "division")
    order = torch.randperm(s.images, generator=generator)
    test, control, rest = order.split([s.test, s.samples, s.images - s.test - s.samples])
    values: dict[str, list[float]] = {}
    for size in s.sizes:
        train = rest[:size]
        copied = train[torch.randperm(size, generator=generator)[: s.samples]]
        exact, rough = known[copied], network(noised(images[copied], s.noise, seed)).pool

        def planted(share: int, copies: torch.Tensor, train: torch.Tensor = train) -> float:
            count = len(copies) * share // 100
            samples = torch.cat([copies[:count], known[control[count:]]])
            return feature_likelihood_divergence(samples, known[train], known[test])

        values[str(size)] = [planted(share, exact) for share in SHARES]
        values[f"{size} noised"] = [planted(100, rough)]
    results = [values[str(size)] for size in s.sizes]
    numbers = {
        "in_order": float(all(v == sorted(v) and len({*v}) == len(v) for v in results)),
        "control": max(abs(v[0]) for v in results),
        "rise_20": min(v[SHARES.index(20)] - v[0] for v in results),
        "all_copied": min(v[-1] for v in results),
        "all_noised": min(values[f"{size} noised"][0] for size in s.sizes),
    }
    return Measured(numbers, {"values": values})


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    axes = figure.subplots()
    for k, size in enumerate(s.sizes):
        for measurement in measured.values():
            values = measurement.curves["values"][str(size)]
            label = f"{size:,} training images" if measurement is measured[min(measured)] else None
            axes.plot(SHARES[:-1], values[:-1], "o-", color=f"C{k}", ms=3, lw=1, label=label)
    axes.axhline(0, color="0.6", lw=1)
    axes.set_xlabel("% of the samples are training images (100 %: more than 10,000, not shown)")
    axes.set_ylabel("FLD")
    axes.legend()


CLAIM = Claim(
    name="fld_copies",
    title="FLD rises with the share of copies",
    paper="Jiralerspong et al. 2023",
    setup="500 real digits that nobody trained on, of which 0, 5, 20, 50, 90 or 100 % are replaced "
    "by training images, against 1,000 test images and all of 1,000, 3,000 or 10,000 training "
    "images; and nothing but copies with noise of 20 grey levels.",
    criteria=(
        Criterion(
            "The more copies, the higher, at every step and size",
            (Bound("in_order", at_least=1),),
        ),
        Criterion("Without copies it is within 4 of 0", (Bound("control", at_most=4),)),
        Criterion("Nothing but copies is above 10,000", (Bound("all_copied", at_least=1e4),)),
        Criterion(
            "Nothing but noised copies is above control samples",
            (Bound("all_noised", at_least=4),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(sizes=(60, 120), samples=30, test=40, images=300),
)

if __name__ == "__main__":
    CLAIM.main()
