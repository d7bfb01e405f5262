"""Seconds of precision, recall, density and coverage against the algorithm of the `prdc` package.

    OMP_NUM_THREADS=2 python benchmarks/manifold.py [--count 10000] [--dims 2048]

The other side is prdc's algorithm (Naeem et al. 2020) written afresh: `prdc` asks scikit-learn for
whole distance matrices, which are computed in float64 by |x|² + |y|² - 2 x·y (its path for float32
rows too), takes the k-th smallest of each row by a partition, and compares matrix with radii. Where
the package is there it is timed beside it:

    pip install --target /tmp/prdc prdc --no-deps
    PYTHONPATH=/tmp/prdc OMP_NUM_THREADS=2 python benchmarks/manifold.py

prdc takes one k for all four scores, so both sides use k = 5. The values must be the same; the run
stops if they are not. Both have glibc keep its memory, as the command does. The floor is that of
two matrices of distances, of one set to the other and half of each to itself, at the rate of
products of this machine; the package computes three.

--data: "decaying" has standard deviations that fall from 1 to 1/30, as a network's features have;
"isotropic" has equal ones in all directions.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
from collections.abc import Callable

import numpy as np
import torch
from _floor import line
from _rounds import alternated
from torch import Tensor

from genarium.evaluation.metrics.manifold import manifold
from genarium.training.allocator import keep_memory

Means = tuple[float, float, float, float]
K = 5


def features(count: int, dims: int, seed: int, data: str) -> Tensor:
    """Gaussian features [count,dims], float32; the second set is wider."""
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.ones(dims) if data == "isotropic" else torch.logspace(0, -1.5, dims)
    return torch.randn(count, dims, generator=generator) * spectrum * (1 + 0.02 * seed)


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean distances of float32 rows, computed in float64 blocks as scikit-learn does."""
    result = np.empty((len(x), len(y)), np.float32)
    norms = np.einsum("ij,ij->i", y, y, dtype=np.float64)
    wide = y.astype(np.float64)
    for start in range(0, len(x), 1024):
        part = x[start : start + 1024].astype(np.float64)
        squared = -2 * part @ wide.T
        squared += np.einsum("ij,ij->i", part, part)[:, None]
        squared += norms
        np.maximum(squared, 0, out=squared)
        result[start : start + 1024] = np.sqrt(squared)
    return result


def by_prdc_algorithm(real: np.ndarray, fake: np.ndarray) -> Means:
    """prdc's four scores from whole distance matrices."""
    radii = []
    for rows in (real, fake):
        own = distances(rows, rows)
        np.fill_diagonal(own, 0)
        nearest = np.take_along_axis(own, np.argpartition(own, K + 1, axis=-1)[:, : K + 1], axis=-1)
        radii.append(nearest.max(axis=-1))
    cross = distances(real, fake)
    inside = cross < radii[0][:, None]
    precision = inside.any(axis=0).mean()
    recall = (cross < radii[1][None]).any(axis=1).mean()
    density = inside.sum(axis=0).mean() / K
    coverage = (cross.min(axis=1) < radii[0]).mean()
    return float(precision), float(recall), float(density), float(coverage)


def by_prdc(real: np.ndarray, fake: np.ndarray) -> Means:
    """The package."""
    from prdc import compute_prdc  # type: ignore[import-not-found]

    result = compute_prdc(real_features=real, fake_features=fake, nearest_k=K)
    return tuple(float(result[name]) for name in ("precision", "recall", "density", "coverage"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--dims", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--data", choices=("decaying", "isotropic"), default="decaying")
    args = parser.parse_args()
    real, fake = (features(args.count, args.dims, seed, args.data) for seed in (0, 1))
    keep_memory()
    sides: dict[str, Callable[[], Means]] = {
        "ours": lambda: manifold(real, fake, k=K, k_density=K).means(),
        "prdc's algorithm": lambda: by_prdc_algorithm(real.numpy(), fake.numpy()),
    }
    if importlib.util.find_spec("prdc"):
        sides["prdc"] = lambda: by_prdc(real.numpy(), fake.numpy())
    else:
        print("prdc is not there (see the first lines of this file): its algorithm stands for it")
    seconds, values = alternated(sides, args.rounds, said=True)
    ours = statistics.median(seconds["ours"])
    print(
        f"{args.count} x {args.count} x {args.dims}, {args.data}, {torch.get_num_threads()} threads"
    )
    for name, taken in seconds.items():
        shown = ", ".join(f"{value:.6f}" for value in values[name])
        ratio = statistics.median(taken) / ours
        print(f"  {name:<17} {statistics.median(taken):8.2f} s  {ratio:6.1f}x ours  {shown}")
    operations = 4.0 * args.count**2 * args.dims
    for dtype in (torch.int8, torch.float32):
        print(line("two matrices of distances", operations, dtype))
    for name, value in values.items():
        if not np.allclose(value, values["ours"], rtol=0, atol=1.5 / args.count):
            raise SystemExit(f"{name} gives other values")


if __name__ == "__main__":
    main()
