"""Seconds of the Fréchet distance at 2,048 dimensions: ours, scipy, torchmetrics, in one run.

    OMP_NUM_THREADS=2 python benchmarks/frechet.py [--dims 2048] [--count 10000] [--few 1000]

From statistics (mean and covariance, float64, of --count images):
  ours          genarium.evaluation.metrics.frechet.frechet_distance
  scipy         scipy.linalg.sqrtm of the product, as pytorch-fid has it, written afresh
  torchmetrics  torchmetrics.image.fid._compute_fid, eigenvalues of the product, where it is there:

    pip install --target /tmp/torchmetrics torchmetrics --no-deps    # with lightning-utilities
    PYTHONPATH=/tmp/torchmetrics OMP_NUM_THREADS=2 python benchmarks/frechet.py

and from the features of fewer images (--few) than dimensions:
  ours          genarium.evaluation.metrics.frechet.frechet_distance_of_features
  scipy         the same, statistics included

Every side gives the same number; the relative differences are printed beside the seconds. Rounds
alternate; a ratio is of medians. The floor is D³/3 operations for a Cholesky factor, 4/3 D³ for the
product with the other covariance and 4/3 D³ for its eigenvalues. Features have standard deviations
that fall from 1 to 1/30, so that they are as uneven as a network's.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics as stats
from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch
from _floor import line
from _rounds import alternated
from torch import Tensor

from genarium.evaluation.metrics.frechet import (
    frechet_distance,
    frechet_distance_of_features,
    statistics,
)


def features(count: int, dims: int, seed: int) -> Tensor:
    """Gaussian features [count,dims] in a rotated frame, float32."""
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.logspace(0, -1.5, dims)
    frame = torch.linalg.qr(torch.randn(dims, dims, generator=torch.Generator().manual_seed(9)))[0]
    drawn = torch.randn(count, dims, generator=generator) * spectrum * (1 + 0.1 * seed)
    return drawn @ frame + 0.02 * seed


def by_scipy(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """The definition, by the root of a general matrix."""
    root = scipy.linalg.sqrtm(cov1.numpy() @ cov2.numpy())
    gap = (mean1 - mean2).square().sum().item()
    return float(gap + cov1.trace() + cov2.trace() - 2 * np.trace(root).real)


def by_torchmetrics(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """What torchmetrics computes from its statistics."""
    from torchmetrics.image.fid import _compute_fid  # type: ignore[import-not-found]

    return float(_compute_fid(mean1, cov1, mean2, cov2))


def compare(title: str, sides: dict[str, Callable[[], float]], rounds: int) -> None:
    """Time the sides in turn and print medians, ratios and how far the values differ."""
    seconds, values = alternated(sides, rounds)
    ours = stats.median(seconds["ours"])
    print(title)
    for name, taken in seconds.items():
        median = stats.median(taken)
        off = abs(values[name] - values["ours"]) / max(abs(values["ours"]), 1e-30)
        print(
            f"  {name:<13} {median:8.3f} s   (least {min(taken):.3f})   {median / ours:7.1f}x ours"
            f"   value {values[name]:.9g}, differs by {off:.1e}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dims", type=int, default=2048)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    dims = args.dims
    one, two = (statistics(features(args.count, dims, seed)) for seed in (0, 1))
    frechet_distance(*one, *two)  # warm
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    sides = {
        "ours": lambda: frechet_distance(*one, *two),
        "scipy": lambda: by_scipy(*one, *two),
    }
    if importlib.util.find_spec("torchmetrics"):
        sides["torchmetrics"] = lambda: by_torchmetrics(*one, *two)
    else:
        print("torchmetrics is not there (see the first lines of this file): left out")
    compare(f"from statistics, {dims} dimensions", sides, args.rounds)
    print(line("factor, product, eigenvalues", 3.0 * dims**3, torch.float64))
    x, y = (features(args.few, dims, seed) for seed in (0, 1))
    compare(
        f"from the features of {args.few} images, {dims} dimensions",
        {
            "ours": lambda: frechet_distance_of_features(x, y),
            "scipy": lambda: by_scipy(*statistics(x), *statistics(y)),
        },
        args.rounds,
    )
    same = frechet_distance_of_features(x, x.clone())
    print(f"  of {args.few} images to themselves: {same:.1e}")


if __name__ == "__main__":
    main()
