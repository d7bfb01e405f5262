"""Scores that need the model itself: speed, likelihood, reconstruction, size.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genarium.contract import (
    Clusters,
    EstimatesElbo,
    EstimatesLogProb,
    HasElbo,
    HasLevels,
    HasLogProb,
    HasPosterior,
    HasPriorRatio,
    Reconstructs,
    Values,
    to_uint8,
)
from genarium.evaluation.draws import Draws
from genarium.evaluation.images import Images, Stored, thin
from genarium.evaluation.metrics.likelihood import bits_per_dim
from genarium.evaluation.scores.measured import Measured
from genarium.evaluation.scores.png import png_bytes
from genarium.evaluation.scores.score import (
    Score,
    Undefined,
    sampled_with,
    standard_error,
    student,
)

ACTIVE = 0.01
"""Least variance of a posterior mean over the images at which a latent counts as active."""
COLLAPSED = 0.01
"""Least KL, nats an image, at which a latent does not count as collapsed to the prior."""
DRAWS = 16
"""Codes an image from which the KL to a prior without a closed form is estimated."""

ESTIMATED = 64
"""Held-out images whose likelihood is estimated, at most: each costs hundreds of evaluations."""

PNG_IMAGES = 500
"""Held-out images (at least, if there are as many) that are written as PNG for comparison."""

Progress = Callable[[str, int, int], None]
"""Called as (what is being done, images done, images in all)."""


def sample_into(
    measured: Measured,
    draws: Draws,
    total: int,
    shape: tuple[int, ...],
    batch: int,
    report: Progress,
) -> Score:
    """Draw `total` samples of `shape` (C, H, W), measure them, and score the speed of drawing."""
    for start in range(0, total, batch):
        size = min(batch, total - start)
        drawn = draws.draw(size)
        if drawn.shape != (size, *shape):
            raise ValueError(f"sample gave {list(drawn.shape)}, images are {list(shape)}")
        if not torch.isfinite(drawn).all():
            bad = (~torch.isfinite(drawn)).flatten(1).any(dim=1).sum().item()
            raise Undefined(f"{bad} of {size} samples hold pixels that are not finite")
        measured.add(to_uint8(drawn).cpu())
        report("sample", start + size, total)
    measured.labels, measured.conditions = draws.labels, draws.conditions
    rate, deviation = draws.rate()
    device, threads = draws.device.type, torch.get_num_threads()
    return Score(
        "samples/s",
        rate,
        deviation,
        better="higher",
        unit="images/s",
        note=f"batch {batch}, {device}, {threads} threads"
        + (", first batch not counted" if draws.batches > 1 else ", one batch"),
        basis={
            "batch": batch,
            "device": device,
            "threads": threads,
            **sampled_with(draws.settings),
        },
    )


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
        _mean_over(
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
        _mean_over(
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
        _mean_over(
            "bytes/image",
            each,
            context,
            better="lower",
            unit="bytes",
            note=f"ideal lossless code of {density}; PNG {files.mean().item():.0f}, raw {raw:.0f}",
            basis={"density": density, "dims": dims},
        )
    ]


def reconstruction(
    model: nn.Module, heldout: Stored, context: dict[str, Any], report: Progress
) -> list[Score]:
    """Mean squared error per pixel of held-out images on [0,1] of the range, and the PSNR that it
    amounts to."""
    if not isinstance(model, Reconstructs):
        return []
    errors = []
    for done, part in stored(heldout, context["batch"], device_of(model)):
        given = (model.reconstruct(part).double() + 1) / 2
        errors.append((given - _unit(part, heldout.values)).square().flatten(1).mean(dim=1).cpu())
        report("reconstruct", done, len(heldout))
    each = torch.cat(errors)
    error = each.mean().item()
    if not torch.isfinite(each).all():
        raise Undefined("reconstruction MSE: the model gave pixels that are not finite")
    values = heldout.values
    notes = [] if values.eight_bit else [f"[0,1] is {values.span}"]
    basis: dict[str, str | int] = {}
    latent = getattr(model, "latent", None)
    if isinstance(latent, int) and latent >= part[0].numel():  # nothing has to be lost
        basis = {"code": "not smaller than the image"}
        notes.append("from a code not smaller than the image")
    mse = _mean_over(
        "reconstruction MSE",
        each,
        context,
        better="lower",
        unit="per pixel on [0,1]",
        note="; ".join(notes),
        basis=basis,
    )
    if error == 0:  # without loss: the ratio is infinite
        return [mse]
    psnr = -10 * math.log10(error)
    note = f"10 log10(1/MSE); {_held(context)}"
    slope = -10 / math.log(10) / error  # of the PSNR in the error
    spread = None if mse.std is None else abs(slope) * mse.std
    shared = None if mse.shared is None else slope * mse.shared
    shown = Score("PSNR", psnr, spread, "higher", "dB", note, basis=mse.basis, shared=shared)
    return [mse, shown]


def _unit(images: Tensor, values: Values) -> Tensor:
    """Stored images on [0, 1] of the range, float64."""
    return images.double() / 255 if values.eight_bit else values.unit_interval(images).double()


def latents(
    model: nn.Module, heldout: Stored, context: dict[str, Any], report: Progress
) -> list[Score]:
    """How much of the code is used: active units, the KL to the prior, latents that collapsed.

    A latent is active if its posterior mean follows the image, Var_x(E[z_d|x]) > 0.01 (Burda et
    al. 2016), and has collapsed if its posterior is N(0, 1) whatever the image is: a KL under
    0.01 nats on average. The KL to a prior that is not N(0, I) is estimated by `DRAWS` draws.
    """
    if not isinstance(model, HasPosterior):
        return []
    parts = []
    for done, part in stored(heldout, context["batch"], device_of(model)):
        parts.append([values.double().cpu() for values in model.posterior(part)])
        report("latents", done, len(heldout))
    means, log_variances = (torch.cat(values) for values in zip(*parts, strict=True))
    kl = 0.5 * (means.square() + log_variances.exp() - 1 - log_variances)
    if not torch.isfinite(kl).all():
        raise Undefined("active units: the posterior of some images is not finite")
    each = kl.mean(0)
    active = int((means.var(0, correction=0) > ACTIVE).sum())
    collapsed = int((each < COLLAPSED).sum())
    size, basis = len(each), _held_basis(context)
    order = each.sort(descending=True)
    most = ", ".join(f"{d}: {nats:.2f}" for d, nats in zip(order.indices[:5], order.values[:5]))
    ratio = _prior_ratio(model, means, log_variances)
    one = ", of N(0, 1) each" if ratio.any() else ""
    return [
        Score(
            "active units",
            active,
            unit=f"of {size} latents",
            note=f"posterior means vary by more than {ACTIVE:g}; {_held(context)}",
            basis=basis,
        ),
        _mean_over(
            "KL to the prior",
            kl.sum(1) - ratio,
            context,
            unit="nats an image",
            note=f"information of the code about an image; most by latent{one} {most}",
        ),
        Score(
            "collapsed latents",
            collapsed / size,
            better="lower",
            unit="share",
            note=f"{collapsed} of {size} stay at the prior, KL under {COLLAPSED:g} nats; "
            f"{_held(context)}",
            basis=basis,
        ),
    ]


def _prior_ratio(model: nn.Module, means: Tensor, log_variances: Tensor) -> Tensor:
    """E_q[ln p(z) − ln N(z; 0, I)] of posteriors [N,D], [N] nats."""
    result = means.new_zeros(len(means))
    if not isinstance(model, HasPriorRatio):
        return result
    generator = torch.Generator().manual_seed(0)
    for _ in range(DRAWS):
        eps = torch.randn(means.shape, dtype=means.dtype, generator=generator)
        z = (means + (0.5 * log_variances).exp() * eps).float().to(device_of(model))
        with torch.no_grad():
            each = [model.log_prior_ratio(part) for part in z.split(1024)]
        result += torch.cat(each).double().cpu() / DRAWS
    return result


def clustering(
    model: nn.Module,
    heldout: Stored,
    labels: Tensor | None,
    context: dict[str, Any],
    report: Progress,
) -> list[Score]:
    """What a model's groups say of held-out images, and where these have labels, how often they
    err: a group counts as the class that is most common in it.

    Which class that is, one random half of the images says, and the other half is scored; then the
    halves change places. So no image votes on its own group's name.
    """
    if not isinstance(model, Clusters) or len(heldout) < 2:
        return []
    results = []
    for done, part in stored(heldout, context["batch"], device_of(model)):
        results.append(model.memberships(part).cpu())
        report("cluster", done, len(heldout))
    memberships = torch.cat(results)
    groups = memberships.shape[1]
    information = _mean_over(
        "group information",
        group_information(memberships),
        context,
        better="higher",
        unit="nats",
        note=f"of at most {math.log(groups):.2f} for {groups} groups",
        basis={"groups": groups},
    )
    if labels is None:
        return [information]
    error = _mean_over(
        "cluster error",
        cluster_errors(memberships.argmax(1), labels.cpu()),
        context,
        better="lower",
        unit="share",
        note="groups named by the other half's majority",
    )
    return [information, error]


def group_information(memberships: Tensor) -> Tensor:
    """KL(q(k|x) || E q(k|x)) in nats for each of the images' q(k|x), [N,K] -> [N] float64.

    Its mean is the mutual information I(k; x) = H(E q(k|x)) - E H(q(k|x)): ln K where every image
    is surely in one group and the groups are of one size, 0 where the image says nothing. To first
    order the mean's error is that of a mean over the images. No label is needed, so it can choose
    among runs of a model that gets caught in groupings where one group holds two kinds and two
    groups share one.
    """
    q = memberships.double()
    return (torch.xlogy(q, q) - torch.xlogy(q, q.mean(0))).sum(1)


def cluster_errors(groups: Tensor, labels: Tensor) -> Tensor:
    """1.0 where an image's group counts as another class, else 0.0, [N] float64.

    groups, labels: [N] int64. Each half of the images is scored with the names that the other
    half gives: to every group the class most common in it, the lowest of equals. A group that the
    other half does not know is wrong.
    """
    # drawn: the classes of a set may follow one another, or go round
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randperm(len(groups), generator=generator) % 2
    wrong = torch.ones(len(groups), dtype=torch.float64)
    for half in (0, 1):
        naming, scored = drawn != half, drawn == half
        votes = torch.zeros(int(groups.max()) + 1, int(labels.max()) + 1, dtype=torch.int64)
        one = torch.ones((), dtype=torch.int64)
        votes.index_put_((groups[naming], labels[naming]), one, accumulate=True)
        named = torch.where(votes.sum(1) > 0, votes.argmax(1), -1)
        wrong[scored] = (named[groups[scored]] != labels[scored]).double()
    return wrong


def parameters(model: nn.Module) -> Score:
    """Size of the model: how many numbers training adjusts."""
    count = sum(p.numel() for p in model.parameters())
    return Score("parameters", count, unit="numbers", note="all networks of the model together")


def batches(
    images: Images, batch: int, device: torch.device | str = "cpu"
) -> Iterator[tuple[int, Tensor]]:
    """(images so far, the next `batch` images on `device`), as pictures of 8 bits."""
    return _counted(images.batches(batch), device)


def stored(
    images: Stored, batch: int, device: torch.device | str = "cpu"
) -> Iterator[tuple[int, Tensor]]:
    """As `batches`, of the values that a model takes."""
    return _counted(images.kept(batch), device)


def _counted(parts: Iterator[Tensor], device: torch.device | str) -> Iterator[tuple[int, Tensor]]:
    done = 0
    for part in parts:
        done += len(part)
        yield done, part.to(device)


def _mean_over(
    name: str,
    values: Tensor,
    context: dict[str, Any],
    *,
    unit: str,
    better: Literal["higher", "lower"] | None = None,
    note: str = "",
    basis: Mapping[str, str | int] | None = None,
) -> Score:
    """The mean of one value [N] an image of the held-out ones, with its standard error."""
    mean, std = values.mean().item(), standard_error(values)
    return Score(
        name,
        mean,
        std,
        interval=student(mean, std, len(values)),
        better=better,
        unit=unit,
        note="; ".join(filter(None, (note, _held(context)))),
        basis={**(basis or {}), **_held_basis(context)},
        shared=spread_of(values),
    )


def spread_of(values: Tensor) -> Tensor | None:
    """What each image adds to the error of the mean of [N] values; see `Score.shared`."""
    if len(values) < 2:
        return None
    values = values.double()
    return (values - values.mean()) / (len(values) * (len(values) - 1)) ** 0.5


def device_of(model: nn.Module) -> torch.device:
    """Where a model's weights are; the CPU where it has none."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _samples(k: int) -> dict[str, str | int]:
    # a bound of more samples is tighter by itself: not to be held against the ELBO
    return {"importance samples": k} if k > 1 else {}


def _held(context: dict[str, Any]) -> str:
    return f"{context['heldout']['count']:,} {context['heldout']['split']} images"


def _held_basis(context: dict[str, Any]) -> dict[str, str | int]:
    held = context["heldout"]
    return {
        "held-out split": held["split"],
        "held-out images": held["count"],
        "held-out SHA-256": held["sha256"],
    }
