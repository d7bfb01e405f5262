"""Codes in the plane.

    van der Maaten & Hinton 2008, Visualizing data using t-SNE

Shapes: N images · D latent size
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from genarium.features.probe import pca
from genarium.features.subsets import small

Method = Literal["pca", "tsne", "none"]


def project(
    codes: Tensor, method: Method = "pca", *, seed: int = 0, perplexity: float = 30.0
) -> Tensor:
    """Codes [N,D] -> places in the plane [N,2] float32; the same for the same seed.

    pca: the first two principal components: distances are as large as they seem at most. tsne:
    neighbours stay neighbours, but sizes of groups and distances between them mean nothing. none:
    the two columns of a code that has two. Raises ValueError for too few codes.
    """
    if method == "none":
        if codes.shape[1] != 2:
            raise ValueError(f"the codes have {codes.shape[1]} columns, not 2")
        return codes.float()
    if method == "pca":
        (places,) = pca(codes, 2)
        return torch.nn.functional.pad(places, (0, 2 - places.shape[1]))
    from sklearn.manifold import TSNE

    if len(codes) <= 3 * perplexity:
        raise ValueError(f"{len(codes)} codes are too few for a perplexity of {perplexity:g}")
    # by t-SNE's own advice many columns are first reduced to 50
    start = pca(codes, 50)[0] if codes.shape[1] > 50 else codes
    model = TSNE(perplexity=perplexity, init="pca", random_state=small(seed))
    return torch.from_numpy(model.fit_transform(start.double().numpy())).float()
