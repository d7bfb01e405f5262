"""Inception Score (Salimans et al. 2016), on the class probabilities of any classifier.

    IS = exp( E_x KL( p(y|x) ‖ p(y) ) ),   p(y) the mean of p(y|x) over the samples

1 if the classifier says the same of every image, K if it is certain of each and the K classes are
even. It looks at samples only: one perfect image a class, repeated, scores K.

Shapes: N images · K classes
"""

from __future__ import annotations

import torch
from torch import Tensor


def inception_score(
    logits: Tensor, splits: int = 10, *, seed: int = 0, probabilities: bool = False
) -> tuple[float, float]:
    """(mean, standard deviation) of the score over `splits` parts of the samples.

    logits: [N,K]; with probabilities=True, class probabilities instead. The samples are shuffled
    by `seed` first: a set sorted by class would score 1 in every part. Fewer samples than splits
    are scored one part each. Float64; the standard deviation is the population's, as published.

    Raises ValueError for no samples, no classes, or values that are not finite.
    """
    if logits.ndim != 2 or 0 in logits.shape:
        raise ValueError(f"logits must be [N,K] with N and K at least 1, not {list(logits.shape)}")
    if splits < 1:
        raise ValueError(f"splits must be at least 1, not {splits}")
    if not torch.isfinite(logits).all():
        raise ValueError("logits hold a value that is not finite")
    given = logits.detach().to("cpu", torch.float64)
    p = given / given.sum(dim=1, keepdim=True) if probabilities else given.softmax(dim=1)
    order = torch.randperm(len(p), generator=torch.Generator().manual_seed(seed))
    scores = []
    for part in p[order].tensor_split(min(splits, len(p))):
        marginal = part.mean(dim=0, keepdim=True)
        # xlogy takes 0 ln 0 as 0; where the marginal is 0, so is every p.
        divergence = torch.xlogy(part, part) - torch.xlogy(part, marginal)
        scores.append(divergence.sum(dim=1).mean().exp())
    result = torch.stack(scores)
    return result.mean().item(), result.std(correction=0).item()
