"""Directions in a latent space: arithmetic with means of exemplars, attributes, traversals.

    Radford, Metz & Chintala 2016, section 6.3.2 (vector arithmetic, the "turn" vector)
    Larsen et al. 2016 (attribute vectors) · Higgins et al. 2017 (traversals)

The code of one sample is noisy, so the paper averages three; every function here takes groups.

Shapes: n codes of a group · D latent size · V values
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def _mean(codes: Tensor, what: str) -> Tensor:
    if codes.ndim != 2 or not len(codes):
        raise ValueError(f"{what} must be codes [n,D] with n at least 1, not {list(codes.shape)}")
    return codes.mean(0)


def analogy(plus: Sequence[Tensor], minus: Sequence[Tensor] = ()) -> Tensor:
    """Sum of the means of the groups `plus` less those of `minus`, [D].

    analogy([smiling_women, neutral_men], [neutral_women]) is the code of a smiling man in
    Radford et al. 2016, with three exemplars a group. Each group is [n,D]. Raises ValueError for
    an empty group, or no group in `plus`.
    """
    if not plus:
        raise ValueError("plus is empty: an analogy starts from at least one group")
    total = torch.stack([_mean(group, "plus") for group in plus]).sum(0)
    for group in minus:
        total = total - _mean(group, "minus")
    return total


def turn_vector(start: Tensor, end: Tensor) -> Tensor:
    """Mean of the codes `end` less the mean of the codes `start`, [D].

    Radford et al. 2016 call it "turn" where `start` are faces that look left and `end` faces that
    look right. Adding shares of it to other codes turns those faces. start, end: [n,D].
    """
    return _mean(end, "end") - _mean(start, "start")


def attribute_vector(codes: Tensor, mask: Tensor) -> Tensor:
    """Mean of the codes with an attribute less the mean of those without it, [D].

    codes: [n,D]. mask: [n] bool, where the attribute holds. Raises ValueError where all or none
    have it.
    """
    if mask.dtype != torch.bool or mask.shape != codes.shape[:1]:
        raise ValueError(f"mask must be bool [{len(codes)}], not {mask.dtype} {list(mask.shape)}")
    return turn_vector(_mean(codes[~mask], "without")[None], _mean(codes[mask], "with")[None])


def traverse(codes: Tensor, along: int | Tensor, values: Tensor | Sequence[float]) -> Tensor:
    """Each code at each place along a dimension or a direction, [n,D] -> [n,V,D].

    along: a number sets that dimension to each of `values`, whatever it was (Higgins et al.
    2017); a direction [D] is added, times each of them. values: V numbers.
    Raises ValueError for a dimension or a direction that the codes do not have.
    """
    steps = torch.as_tensor(values, dtype=codes.dtype, device=codes.device)
    if codes.ndim != 2 or steps.ndim != 1:
        raise ValueError(f"codes must be [n,D] and values [V], not {list(codes.shape)}")
    size = codes.shape[1]
    path = codes[:, None].repeat(1, len(steps), 1)
    if isinstance(along, Tensor):
        if along.shape != (size,):
            raise ValueError(f"the direction has shape {list(along.shape)}, the codes {size}")
        return path + steps[:, None] * along
    if not 0 <= along < size:
        raise ValueError(f"dimension {along}: the codes have 0 .. {size - 1}")
    path[:, :, along] = steps
    return path


def quantiles(count: int) -> Tensor:
    """Values with equal shares of N(0, 1) between them, [count]: Φ⁻¹((i + ½)/count), i = 0, 1 ...

    Two numbers of a code on a grid of these give the picture of Kingma & Welling 2014, figure 4:
    each image stands for as much of the prior as any other.
    """
    return torch.special.ndtri((torch.arange(count) + 0.5) / count)
