"""Seconds of the Kernel Inception Distance against the algorithm of published code.

    OMP_NUM_THREADS=2 python benchmarks/kid.py [--count 5000] [--dims 2048] [--subsets 100]

The other side is the algorithm of the paper's authors' code (Bińkowski et al. 2018), which
torch-fidelity has too, written afresh: of each subset of 1,000 the three matrices of the cubic
kernel by NumPy in the features' own float32, and sums without the diagonals. Both draw other
subsets, so the values agree within the standard error of the mean over subsets, and the run stops
if they do not. Where torch-fidelity is there it is timed beside them:

    pip install --target /tmp/fidelity torch-fidelity --no-deps
    PYTHONPATH=/tmp/fidelity OMP_NUM_THREADS=2 python benchmarks/kid.py

The floor is the arithmetic of the kernel matrices at the rate of products of this machine: of all
pairs of images, or of the subsets' where those are fewer; of symmetric ones half. Last, a few
subsets are computed in float64 too, which says what is lost.
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

from genarium.evaluation.metrics import kid as module
from genarium.evaluation.metrics.kid import kid
from genarium.training.allocator import keep_memory

SIZE = 1000


def by_published_algorithm(x: np.ndarray, y: np.ndarray, subsets: int) -> tuple[float, float]:
    """Mean and standard deviation of MMD² over the subsets."""
    draw = np.random.RandomState(0)
    values = []
    for _ in range(subsets):
        one = x[draw.choice(len(x), SIZE, replace=False)]
        other = y[draw.choice(len(y), SIZE, replace=False)]
        k_xx, k_yy, k_xy = (
            (a @ b.T / a.shape[1] + 1) ** 3 for a, b in ((one, one), (other, other), (one, other))
        )
        sums = [(k.sum(axis=1) - np.diagonal(k)).sum() for k in (k_xx, k_yy)]
        values.append(sum(sums) / (SIZE * (SIZE - 1)) - 2 * k_xy.sum() / SIZE**2)
    return float(np.mean(values)), float(np.std(values))


def by_torch_fidelity(x: torch.Tensor, y: torch.Tensor, subsets: int) -> tuple[float, float]:
    """The package."""
    from torch_fidelity.metric_kid import kid_features_to_metric  # type: ignore[import-not-found]

    result = kid_features_to_metric(x, y, kid_subsets=subsets, kid_subset_size=SIZE, verbose=False)
    return tuple(float(value) for value in result.values())  # type: ignore[return-value]


def lost(x: torch.Tensor, y: torch.Tensor, subsets: int) -> float:
    """How far the mean over subsets is from that in float64."""
    fast, usual = kid(x, y, subsets=subsets, size=SIZE).value, module.FROM
    module.FROM = SIZE + 1
    exact = kid(x, y, subsets=subsets, size=SIZE).value
    module.FROM = usual
    return abs(fast - exact)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--dims", type=int, default=2048)
    parser.add_argument("--subsets", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    spectrum = torch.logspace(0, -1.5, args.dims)
    x, y = (
        (torch.randn(args.count, args.dims, generator=generator) * spectrum * wide).abs()
        for wide in (1.0, 1.05)
    )
    keep_memory()
    sides: dict[str, Callable[[], tuple[float, float]]] = {
        "ours": lambda: tuple(kid(x, y, subsets=args.subsets, size=SIZE)),
        "published algorithm": lambda: by_published_algorithm(x.numpy(), y.numpy(), args.subsets),
    }
    if importlib.util.find_spec("torch_fidelity"):
        sides["torch-fidelity"] = lambda: by_torch_fidelity(x, y, args.subsets)
    else:
        print("torch-fidelity is not there (see the first lines of this file): not timed")
    seconds, values = alternated(sides, args.rounds, said=True)
    ours = statistics.median(seconds["ours"])
    print(f"{args.subsets} subsets of {SIZE} x {args.dims}, {torch.get_num_threads()} threads")
    pairs = 2 * min(args.count**2, args.subsets * SIZE**2)
    print(line("the products", 2.0 * pairs * args.dims, torch.float32))
    for name, taken in seconds.items():
        mean, deviation = values[name]
        ratio = statistics.median(taken) / ours
        print(f"{name:<20} {mean:.6e} ± {deviation:.1e}   {ratio:.2f} times ours")
        error = 6 * deviation * (2 / args.subsets) ** 0.5
        if abs(mean - values["ours"][0]) > error:
            raise SystemExit(f"{name}: its value differs by more than {error:.1e}")
    print(f"difference to float64 over 5 subsets: {lost(x, y, 5):.1e}")


if __name__ == "__main__":
    main()
