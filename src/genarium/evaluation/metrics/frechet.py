"""Fréchet distance between Gaussians, from statistics or from features.

    d² = |μ₁ - μ₂|² + tr Σ₁ + tr Σ₂ - 2 tr (Σ₁ Σ₂)^½

On features of the Inception network this is the FID (Heusel et al. 2017); on other features it is
the same formula and another number. Here everything is float64, and the root of the product is
never formed: its trace is the nuclear norm of AᵀB for any factors Σ₁ = A Aᵀ, Σ₂ = B Bᵀ, which
symmetric decompositions give without complex numbers, regularisation or NaN.

Shapes: N samples · D features
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

EPS = torch.finfo(torch.float64).eps
COLUMNS = 256  # of a block, where products of triangular matrices go by blocks


class Moments:
    """Mean and covariance of a stream of features, in float64: `add` batches, `merge` streams.

    Merging is exact up to rounding (Chan, Golub & LeVeque 1983), so processes may count apart.
    """

    def __init__(self, dims: int):
        self.count = 0
        self.mean = torch.zeros(dims, dtype=torch.float64)
        self.scatter = torch.zeros(dims, dims, dtype=torch.float64)  # Σ (x-μ)(x-μ)ᵀ

    def add(self, features: Tensor) -> Moments:
        """Count in features [N,D]. Raises ValueError if they are of another size or not finite."""
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise ValueError(f"features must be [N,{len(self.mean)}], not {list(features.shape)}")
        if not torch.isfinite(features).all():
            raise ValueError("features hold a value that is not finite")
        if len(features):
            x = features.detach().to("cpu", torch.float64)
            mean = x.mean(dim=0)
            x = x - mean
            self._combine(len(x), mean, x.T @ x)
        return self

    def merge(self, other: Moments) -> Moments:
        """Count in what another stream has counted."""
        if other.count:
            self._combine(other.count, other.mean, other.scatter)
        return self

    def _combine(self, count: int, mean: Tensor, scatter: Tensor) -> None:
        total = self.count + count
        gap = mean - self.mean
        self.scatter = self.scatter + scatter + torch.outer(gap, gap) * (self.count * count / total)
        self.mean = self.mean + gap * (count / total)
        self.count = total

    def statistics(self) -> tuple[Tensor, Tensor]:
        """(mean [D], unbiased covariance [D,D]). Raises ValueError for fewer than two samples."""
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 samples, not {self.count}")
        return self.mean, self.scatter / (self.count - 1)


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """(mean [D], unbiased covariance [D,D]) of features [N,D], float64."""
    if features.ndim != 2:
        raise ValueError(f"features must be [N,D], not {list(features.shape)}")
    return Moments(features.shape[1]).add(features).statistics()


def frechet_distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """Squared Fréchet distance (the FID's formula) of two Gaussians, from their statistics.

    means [D], covariances [D,D] symmetric positive semi-definite, of any rank. Never negative,
    never NaN. Raises ValueError for shapes that do not fit or values that are not finite.
    """
    tensors = [t.detach().to("cpu", torch.float64) for t in (mean1, cov1, mean2, cov2)]
    mean1, cov1, mean2, cov2 = tensors
    dims = len(mean1)
    if any(t.shape != s for t, s in zip(tensors, [(dims,), (dims, dims)] * 2)):
        raise ValueError(f"statistics do not fit: {[list(t.shape) for t in tensors]}")
    if not all(torch.isfinite(t).all() for t in tensors):
        raise ValueError("statistics hold a value that is not finite")
    gap = (mean1 - mean2).square().sum()
    traces = cov1.trace() + cov2.trace()
    # Equal covariances have an exact answer; rounding would make it a small negative number.
    root = cov1.trace() if torch.equal(cov1, cov2) else _trace_root(cov1, cov2)
    return max(0.0, (gap + traces - 2 * root).item())


def frechet_distance_of_features(features1: Tensor, features2: Tensor) -> float:
    """The same from features [N,D] and [M,D], by the cheaper way.

    Where there are fewer samples than features the covariances are singular, and the root's trace
    is the sum of the singular values of Xc Ycᵀ / √((N-1)(M-1)), N x M instead of D x D.
    """
    dims = features1.shape[-1]
    counts = (len(features1), len(features2))
    if min(counts) < 2 or max(counts) > dims:
        return frechet_distance(*statistics(features1), *statistics(features2))
    x, y = (f.detach().to("cpu", torch.float64) for f in (features1, features2))
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise ValueError("features hold a value that is not finite")
    gap = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    x, y = ((f - f.mean(dim=0)) / (len(f) - 1) ** 0.5 for f in (x, y))
    root = torch.linalg.svdvals(x @ y.T).sum()
    return max(0.0, (gap + x.square().sum() + y.square().sum() - 2 * root).item())


class Extrapolated(NamedTuple):
    """value: the distance at infinitely many images. std: what the choice of subsets adds to its
    error, beside that of the images themselves."""

    value: float
    std: float


def frechet_infinity(
    samples: Tensor,
    reference: Tensor,
    *,
    points: int = 15,
    thin_reference: bool = True,
    seed: int = 0,
) -> Extrapolated:
    """The distance extrapolated to infinitely many images (Chong & Forsyth 2020).

    The bias of the distance falls with 1/N, so a line through its values on random subsets of N
    images, over 1/N, meets 1/N = 0 at a value without that bias. samples [N,D], reference [M,D]:
    features. points: sizes, at even steps from the larger of N/10 and 3 D to N. thin_reference:
    draw the subsets of the reference too, and take the bias of both away; False keeps it whole, as
    published, where the reference is much the larger set.

    Raises ValueError for fewer than 5 D images: under that the bias is no line over 1/N.
    """
    count, dims = len(samples), samples.shape[1]
    if thin_reference:
        count = min(count, len(reference))
    if count < 5 * dims or points < 3:
        raise ValueError(
            f"{count} images and {points} sizes: the line over 1/N needs 5 times as many images as "
            f"the {dims} features, and 3 sizes"
        )
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.linspace(max(count / 10, 3 * dims), count, points).round().long()
    whole = None if thin_reference else statistics(reference)
    values = []
    for size in sizes.tolist():
        x = samples[torch.randperm(len(samples), generator=generator)[:size]]
        if whole is None:
            y = reference[torch.randperm(len(reference), generator=generator)[:size]]
        values.append(frechet_distance(*statistics(x), *(whole or statistics(y))))
    measured, inverse = torch.tensor(values, dtype=torch.float64), 1 / sizes.double()
    design = torch.stack([torch.ones_like(inverse), inverse], dim=1)
    solver = torch.linalg.pinv(design)  # [2,points]: the line of least squares
    line = solver @ measured
    left = measured - design @ line
    # residuals shrink by their leverage; without that the spread would come out too small
    left = left / (1 - (design @ solver).diagonal())
    return Extrapolated(line[0].item(), (solver[0] * left).square().sum().sqrt().item())


def frechet_influence(features1: Tensor, features2: Tensor) -> tuple[Tensor, Tensor]:
    """What each image adds to the error of the distance of two sets: ([N], [M]) float64, sum 0.

    The sum of all squares is the variance of the distance at these counts, by the derivative of
    d² for the weight of an image (Rippl, Munk & Sturm 2016 prove the limit law):

        2 (μ₁-μ₂)·(x-μ₁) + |x-μ₁|² - (x-μ₁)ᵀ T (x-μ₁),   T = Σ₁^-½ (Σ₁^½ Σ₂ Σ₁^½)^½ Σ₁^-½

    centred, over √(N (N-1)). It knows nothing of the bias, and is conservative (up to twice the
    variance) where both sets are of one distribution.
    """
    x, y = (f.detach().to("cpu", torch.float64) for f in (features1, features2))
    if min(len(x), len(y)) < 2 or x.shape[1:] != y.shape[1:]:
        raise ValueError(f"features do not fit: {list(x.shape)} and {list(y.shape)}")
    mean1, mean2 = x.mean(dim=0), y.mean(dim=0)
    gap = mean1 - mean2
    x, y = x - mean1, y - mean2
    root1, root2 = _root_terms(x, y)
    results = []
    for rows, move, root in ((x, gap, root1), (y, -gap, root2)):
        change = 2 * (rows @ move) + rows.square().sum(dim=1) - root
        results.append((change - change.mean()) / (len(rows) * (len(rows) - 1)) ** 0.5)
    return results[0], results[1]


def _root_terms(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """xᵀTx of centred rows x [N,D], and the same of y [M,D] with the sets exchanged."""
    n, m, dims = len(x) - 1, len(y) - 1, x.shape[1]
    if max(n, m) < dims:  # as in `frechet_distance_of_features`
        u, s, vh = torch.linalg.svd(x @ y.T / (n * m) ** 0.5, full_matrices=False)
        return n * (u.square() @ s), m * (vh.square().T @ s)
    factor1, factor2 = (_factor(f.T @ f / (len(f) - 1)) for f in (x, y))
    if not min(factor1.shape[1], factor2.shape[1]):
        return x.new_zeros(len(x)), y.new_zeros(len(y))
    product = factor1.T @ factor2
    values, u = torch.linalg.eigh(product @ product.T)
    keep = values > 1e-14 * values[-1]
    s, u = values[keep].sqrt(), u[:, keep]
    # AAᵀ = Σ₁, BBᵀ = Σ₂, AᵀB = U S Vᵀ: xᵀTx = |S^½ Uᵀ A⁺x|² and yᵀT'y = |S^½ Vᵀ B⁺y|²
    ours = _inverse(factor1, x) @ u
    theirs = _inverse(factor2, y) @ (product.T @ u / s)
    return ours.square() @ s, theirs.square() @ s


def _inverse(factor: Tensor, rows: Tensor) -> Tensor:
    """A⁺x of rows x [N,D] for a factor A [D,R] of `_factor`, [N,R]."""
    if _triangular(factor):
        return torch.linalg.solve_triangular(factor, rows.T, upper=False).T
    return rows @ (factor / factor.square().sum(dim=0))  # its columns are orthogonal


def _trace_root(cov1: Tensor, cov2: Tensor) -> Tensor:
    """tr (Σ₁ Σ₂)^½ = Σ √λ(AᵀΣ₂A) = Σ σ(AᵀB)."""
    factor1 = _factor(cov1)
    if not factor1.shape[1]:
        return cov1.new_zeros(())
    values = torch.linalg.eigvalsh(_sandwich(factor1, cov2))
    if values[0] > 1e-10 * values[-1]:
        return values.sqrt().sum()
    # Eigenvalues know the small ones to ε·λmax only, and the root makes that √ε. Singular values
    # cost more and know their roots to ε.
    return torch.linalg.svdvals(factor1.T @ _factor(cov2)).sum()


def _sandwich(factor: Tensor, cov: Tensor) -> Tensor:
    """AᵀΣA [R,R] for a factor A [D,R] of `_factor`; only its lower triangle where A is triangular.

    By blocks of columns what is zero in A and twice in the product is not computed: 4/3 D³
    operations for 4 D³.
    """
    if not _triangular(factor):
        return factor.T @ cov @ factor
    result = torch.zeros_like(factor)
    starts = range(0, len(factor), COLUMNS)
    right = [cov[:, j:] @ factor[j:, j : j + COLUMNS] for j in starts]
    for i in starts:
        left = factor[i:, i : i + COLUMNS].T
        for j, columns in zip(range(0, i + 1, COLUMNS), right):
            result[i : i + COLUMNS, j : j + COLUMNS] = left @ columns[i:]
    return result


def _triangular(factor: Tensor) -> bool:
    """Whether it is Cholesky's."""
    return factor.shape[0] == factor.shape[1] and not factor.triu(1).any()


def _factor(cov: Tensor) -> Tensor:
    """A [D,R] with A Aᵀ = cov: Cholesky's, or if cov is singular the R eigenvectors that count."""
    lower, failed = torch.linalg.cholesky_ex(cov)
    tolerance = len(cov) * EPS
    if not failed:
        pivots = lower.diagonal().square()
        # Rounding can let a singular matrix pass: its last pivots are then noise.
        if pivots.min() > 10 * tolerance * pivots.max():
            return lower
    values, vectors = torch.linalg.eigh(cov)
    keep = values > tolerance * values[-1].clamp(min=0)
    return vectors[:, keep] * values[keep].sqrt()
