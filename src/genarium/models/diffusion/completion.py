"""The missing part of an image, drawn by a model that was trained on whole ones.

Lugmayr et al. 2022, RePaint: Inpainting using Denoising Diffusion Probabilistic Models

An ancestral step draws all of x_s; what is known of the image is then put in its place, with the
noise that belongs to time s. The two halves do not fit each other yet, so noise is added up to time
t again and the step repeated, several times for each: the model brings them into agreement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from genarium.models.diffusion.solvers import Draw, Field, Watch, posterior, silent, steps

REPEATS = 5
"""How often each step is taken."""


def repaint(
    field: Field,
    known: Tensor,
    keep: Tensor,
    times: Sequence[float],
    watch: Watch = silent,
    *,
    draw: Draw,
    repeats: int = REPEATS,
) -> Tensor:
    """Images [B,C,H,W], `known` where `keep` (bool, the same shape) is true, drawn elsewhere.

    Costs `repeats` evaluations a step, but for the last, which is taken once. It is not exact: a
    draw of the model given the known part would need the posterior of the noise.
    """
    _, deviation = field.alpha_sigma(times[0])
    x = deviation * draw(known)
    for done, of, t, s in steps(times):
        (alpha_t, sigma_t), (alpha_s, sigma_s) = (field.alpha_sigma(at) for at in (t, s))
        again = alpha_t / alpha_s
        added = math.sqrt(max(sigma_t**2 - (again * sigma_s) ** 2, 0.0))
        turns = repeats if s > 0 else 1
        for turn in range(turns):
            image = field.image(x, t).clamp(-1, 1)
            mean, spread = posterior(field, x, image, t, s)
            drawn = mean + spread * draw(x) if spread else mean
            kept = alpha_s * known + sigma_s * draw(x) if sigma_s else known
            x = torch.where(keep, kept, drawn)
            if turn + 1 < turns:
                x = again * x + added * draw(x)
        watch(done, of, x)
    return x
