"""Likelihood of held-out images as scores: exact, a bound or an estimate, and the length of a code.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from genarium.contract import EstimatesElbo, EstimatesLogProb, HasElbo, HasLevels, HasLogProb
from genarium.evaluation.images import Stored, thin
from genarium.evaluation.metrics.likelihood import bits_per_dim
from genarium.evaluation.scores.heldout import Progress, device_of, mean_over, stored
from genarium.evaluation.scores.png import png_bytes
from genarium.evaluation.scores.score import Score, Undefined

ESTIMATED = 64
"""Held-out images whose likelihood is estimated, at most: each costs hundreds of evaluations."""

PNG_IMAGES = 500
"""Held-out images (at least, if there are as many) that are written as PNG for comparison."""


def likelihood(
    model: nn.Module, heldout: Stored, context: dict[str, Any], report: Progress
) -> list[Score]:
    """Bits per dimension: exact where the model has a likelihood, a bound where it has an ELBO, an
    estimate where it can estimate one."""
    if not isinstance(model, HasLogProb | HasElbo):
        return _estimated(model, heldout, context, report)
    exact = isinstance(model, HasLogProb)
    k = 1 if exact else int(getattr(model, "samples", 1))
    name, kind = ("bits/dim", "exact") if exact else ("bits/dim (upper bound)", "from the ELBO")
    if k > 1:
        kind = f"from the importance-weighted bound of {k} samples"
    elif isinstance(model, EstimatesElbo):
        kind = f"from the ELBO by {model.estimator}, 1 draw an image"
    generator = torch.Generator().manual_seed(context["seed"])
    values, files = [], []
    for done, part in stored(heldout, context["batch"], device_of(model)):
        if isinstance(model, HasLogProb):
            values.append(model.log_prob(part))
            if done - len(part) < PNG_IMAGES:
                files.append(_png_bytes(model, part))
        else:
            values.append(model.elbo(part, k=k, generator=generator))
        dims = part[0].numel()
        report("likelihood", done, len(heldout))
    nats = -torch.cat([value.double().cpu() for value in values])
    density = _density(model, nats, name)
    bits = bits_per_dim(nats, dims)
    mean = nats.mean().item()
    return [
        mean_over(
            name,
            bits,
            context,
            better="lower",
            unit="bits",
            note=f"{kind}, of {density}; {mean:.2f} nats an image",
            basis={"density": density, "dims": dims, **_samples(k)},
        ),
        *_compressed(model, nats, dims, torch.cat(files or [nats[:0]]), density, context),
    ]


def _density(model: nn.Module, nats: Tensor, name: str) -> str:
    """What the likelihoods `nats` [N] are of, in words; Undefined where some are not finite."""
    infinite = int((~torch.isfinite(nats)).sum())
    if infinite:
        raise Undefined(f"{name}: not finite for {infinite} of {len(nats)} images")
    return str(getattr(model, "density", "")) or "a density that the model does not name"


def _estimated(
    model: nn.Module, heldout: Stored, context: dict[str, Any], report: Progress
) -> list[Score]:
    """Bits per dimension from the estimates of a likelihood, of at most `ESTIMATED` images.

    The error is over the images, so that of the estimates' draws, one an image, is in it; that of
    a solver with a tolerance is not, and the tolerance is said.
    """
    if not isinstance(model, EstimatesLogProb):
        return []
    some = thin(heldout, ESTIMATED)
    generator = torch.Generator().manual_seed(context["seed"])
    values = []
    for done, part in stored(some, min(context["batch"], ESTIMATED), device_of(model)):
        values.append(model.estimate_log_prob(part, generator=generator).value.double().cpu())
        dims = part[0].numel()
        report("likelihood", done, len(some))
    nats, name = -torch.cat(values), "bits/dim (estimate)"
    density = _density(model, nats, name)
    context = {**context, "heldout": {**context["heldout"], "count": len(some)}}
    how = f"by {model.estimator}, 1 draw an image"
    return [
        mean_over(
            name,
            bits_per_dim(nats, dims),
            context,
            better="lower",
            unit="bits",
            note=f"{how}, of {density}; {nats.mean().item():.2f} nats an image",
            basis={"density": density, "dims": dims, "estimated": how},
        )
    ]


def _png_bytes(model: nn.Module, images: Tensor) -> Tensor:
    """PNG sizes of what the model's density is of; empty where it does not name its levels."""
    if not isinstance(model, HasLevels):
        return torch.zeros(0, dtype=torch.float64)
    levels = model.quantize(images)
    if model.levels > 256:  # as files of 16 bits would hold them
        return png_bytes(levels)
    return png_bytes((levels * 255 // (model.levels - 1)).to(torch.uint8))


def _compressed(
    model: nn.Module,
    nats: Tensor,
    dims: int,
    files: Tensor,
    density: str,
    context: dict[str, Any],
) -> list[Score]:
    """The length that a lossless code of the images would have with the model inside."""
    if not len(files) or not isinstance(model, HasLevels):
        return []
    each = nats / (8 * math.log(2))
    raw = dims * math.log2(model.levels) / 8
    return [
        mean_over(
            "bytes/image",
            each,
            context,
            better="lower",
            unit="bytes",
            note=f"ideal lossless code of {density}; PNG {files.mean().item():.0f}, raw {raw:.0f}",
            basis={"density": density, "dims": dims},
        )
    ]


def _samples(k: int) -> dict[str, str | int]:
    # a bound of more samples is tighter by itself: not to be held against the ELBO
    return {"importance samples": k} if k > 1 else {}
