"""FID depends on the number of samples, KID and the extrapolated FID (almost) do not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from _claim import Bound, Claim, Criterion, Measured
from _lab import generator_of
from _planted import features

from genarium.evaluation.metrics.frechet import frechet_distance_of_features, frechet_infinity
from genarium.evaluation.metrics.kid import mmd2


@dataclass(frozen=True)
class Settings:
    """Sizes of the experiment."""

    counts: tuple[int, ...] = (100, 200, 500, 1000, 2000, 4000)
    repetitions: int = 20
    extrapolated: tuple[int, ...] = (1000, 2000, 4000)
    images: int = 14_000


def measure(seed: int, s: Settings) -> Measured:
    """Two samples of one population, so that the true distance is 0."""
    pool = features(s.images).pool
    generator = generator_of(seed, "division")
    fid: dict[int, list[float]] = {count: [] for count in s.counts}
    kid: dict[int, list[float]] = {count: [] for count in s.counts}
    limit: dict[int, list[float]] = {count: [] for count in s.extrapolated}
    for _ in range(s.repetitions):
        order = torch.randperm(s.images, generator=generator)
        for count in s.counts:
            x, y = pool[order[:count]], pool[order[-count:]]
            fid[count].append(frechet_distance_of_features(x, y))
            kid[count].append(mmd2(x, y))
            if count in limit:
                limit[count].append(frechet_infinity(x, y).value)

    def means(values: dict[int, list[float]]) -> list[float]:
        return [sum(v) / len(v) for v in values.values()]

    fids, kids, limits = means(fid), means(kid), means(limit)
    first, last = s.counts[0], s.counts[-1]
    middle = s.counts.index(s.extrapolated[0])
    errors = [
        math.sqrt(sum((v - m) ** 2 for v in values) / max(1, len(values) - 1) / len(values))
        for values, m in zip(kid.values(), kids)
    ]
    numbers = {
        "fid_ratio": fids[0] / fids[-1],
        "slope": math.log(fids[middle] / fids[-1]) / math.log(s.counts[middle] / last),
        "kid_bias": max(abs(m) / e for m, e in zip(kids, errors)) if min(errors) else 0.0,
        "extrapolated": max(abs(v) / f for v, f in zip(limits, fids[middle:])),
        f"fid_at_{first}": fids[0],
        f"fid_at_{last}": fids[-1],
    }
    return Measured(numbers, {"fid": fids, "kid": kids, "limit": limits})


def draw(figure: Any, measured: dict[int, Measured], s: Settings) -> None:
    left, right = figure.subplots(1, 2)
    for seed, measurement in measured.items():
        left.plot(s.counts, measurement.curves["fid"], "o-", ms=4, label=f"FID, seed {seed}")
        left.plot(
            s.extrapolated, [abs(v) for v in measurement.curves["limit"]], "x--", ms=5, color="0.5"
        )
        right.plot(s.counts, measurement.curves["kid"], "o-", ms=4, label=f"seed {seed}")
    left.plot([], [], "x--", color="0.5", label="|FID extrapolated|")
    left.set(xscale="log", yscale="log", xlabel="images of each set", ylabel="FID (digits-cnn)")
    left.set_title("the true value is 0")
    left.legend()
    right.axhline(0, color="0.7", lw=1)
    right.set(xscale="log", xlabel="images of each set", ylabel="KID (digits-cnn)")
    right.legend()


CLAIM = Claim(
    name="fid_sample_bias",
    title="FID is biased by the number of samples",
    paper="Chong & Forsyth 2020; Bińkowski et al. 2018",
    setup="Two disjoint random halves of the same real digits, so that the true distance is 0; "
    "mean of 20 divisions a seed, features of the shipped classifier.",
    criteria=(
        Criterion(
            "FID of 100 images each is at least 10 times that of 4,000",
            (Bound("fid_ratio", at_least=10),),
        ),
        Criterion(
            "From 1,000 images on it falls as 1/N: a slope of -1 ± .2 on logarithmic axes",
            (Bound("slope", at_least=-1.2, at_most=-0.8),),
        ),
        Criterion(
            "The extrapolated FID is at most a third of the FID at the same count",
            (Bound("extrapolated", at_most=1 / 3),),
        ),
        Criterion(
            "KID shows no bias: its mean is within 4 standard errors of 0 at every count",
            (Bound("kid_bias", at_most=4),),
        ),
    ),
    measure=measure,
    draw=draw,
    settings=Settings(),
    quick=Settings(counts=(100, 500, 1000), repetitions=2, extrapolated=(500,), images=2000),
)

if __name__ == "__main__":
    CLAIM.main()
