"""Scores that need the model itself: speed, reconstruction, latents, groups, size.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch
from torch import Tensor, nn

from genarium.contract import (
    Clusters,
    HasPosterior,
    HasPriorRatio,
    Reconstructs,
    Values,
    to_uint8,
)
from genarium.evaluation.draws import Draws
from genarium.evaluation.images import Stored
from genarium.evaluation.scores.heldout import (
    Progress,
    basis_of,
    device_of,
    held,
    mean_over,
    stored,
)
from genarium.evaluation.scores.measured import Measured
from genarium.evaluation.scores.score import Score, Undefined, sampled_with

ACTIVE = 0.01
"""Least variance of a posterior mean over the images at which a latent counts as active."""
COLLAPSED = 0.01
"""Least KL, nats an image, at which a latent does not count as collapsed to the prior."""
DRAWS = 16
"""Codes an image from which the KL to a prior without a closed form is estimated."""


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
    settings = getattr(model, "settings", None)
    if settings is not None and "settings" in inspect.signature(model.reconstruct).parameters:
        notes.append(f"by the model's own sampler ({settings()})")  # not by that of the samples
    mse = mean_over(
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
    note = f"10 log10(1/MSE); {held(context)}"
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
    size, basis = len(each), basis_of(context)
    order = each.sort(descending=True)
    most = ", ".join(f"{d}: {nats:.2f}" for d, nats in zip(order.indices[:5], order.values[:5]))
    ratio = _prior_ratio(model, means, log_variances)
    one = ", of N(0, 1) each" if ratio.any() else ""
    return [
        Score(
            "active units",
            active,
            unit=f"of {size} latents",
            note=f"posterior means vary by more than {ACTIVE:g}; {held(context)}",
            basis=basis,
        ),
        mean_over(
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
            f"{held(context)}",
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
    information = mean_over(
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
    error = mean_over(
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
