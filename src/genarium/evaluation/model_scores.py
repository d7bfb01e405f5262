"""Scores that need the model itself: speed, likelihood, reconstruction, size.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from genarium.contract import Clusters, HasElbo, HasLogProb, Reconstructs, Samples, to_uint8
from genarium.evaluation.likelihood import bits_per_dim
from genarium.evaluation.measure import Measured, standard_error
from genarium.evaluation.scores import Score, Undefined

Progress = Callable[[str, int, int], None]
"""Called as (what is being done, images done, images in all)."""


def sample_into(
    measured: Measured, model: Samples, like: Tensor, seed: int, batch: int, report: Progress
) -> Score:
    """Draw as many samples as `like` has images, measure them, and score the speed of drawing."""
    generator = torch.Generator().manual_seed(seed)
    total, times = len(like), []
    for start in range(0, total, batch):
        size = min(batch, total - start)
        begin = _now()
        drawn = model.sample(size, generator=generator)
        times.append((size, _now() - begin))
        if drawn.shape != (size, *like.shape[1:]):
            raise ValueError(f"sample gave {list(drawn.shape)}, images are {list(like.shape[1:])}")
        if not torch.isfinite(drawn).all():
            bad = (~torch.isfinite(drawn)).flatten(1).any(dim=1).sum().item()
            raise Undefined(f"{bad} of {size} samples hold pixels that are not finite")
        measured.add(to_uint8(drawn).cpu())
        report("sample", start + size, total)
    warm = times[1:] or times  # the first batch also pays for allocation
    images, seconds = sum(size for size, _ in warm), sum(spent for _, spent in warm)
    device = drawn.device.type
    return Score(
        "samples/s",
        images / max(seconds, 1e-9),
        better="higher",
        unit="images/s",
        note=f"batch {batch}, {device}, {torch.get_num_threads()} threads"
        + (", first batch not counted" if len(times) > 1 else ", one batch"),
        basis={"batch": batch, "device": device, "threads": torch.get_num_threads()},
    )


def likelihood(
    model: nn.Module, heldout: Tensor, context: dict[str, Any], report: Progress
) -> list[Score]:
    """Bits per dimension: exact where the model has a likelihood, a bound where it has an ELBO."""
    if not isinstance(model, HasLogProb | HasElbo):
        return []
    exact = isinstance(model, HasLogProb)
    name, kind = ("bits/dim", "exact") if exact else ("bits/dim (upper bound)", "from the ELBO")
    generator = torch.Generator().manual_seed(context["seed"])
    values = []
    for done, part in batches(heldout, context["batch"], _device(model)):
        if isinstance(model, HasLogProb):
            values.append(model.log_prob(part))
        else:
            values.append(model.elbo(part, generator=generator))
        report("likelihood", done, len(heldout))
    nats = -torch.cat([value.double().cpu() for value in values])
    infinite = int((~torch.isfinite(nats)).sum())
    if infinite:
        raise Undefined(f"{name}: not finite for {infinite} of {len(heldout)} images")
    dims = heldout[0].numel()
    density = str(getattr(model, "density", "")) or "a density that the model does not name"
    bits = bits_per_dim(nats, dims)
    mean = nats.mean().item()
    return [
        Score(
            name,
            bits.mean().item(),
            standard_error(bits),
            better="lower",
            unit="bits",
            note=f"{kind}, of {density}; {mean:.2f} nats an image; {_held(context)}; "
            "± standard error",
            basis={"density": density, "dims": dims, **_held_basis(context)},
        )
    ]


def reconstruction(
    model: nn.Module, heldout: Tensor, context: dict[str, Any], report: Progress
) -> list[Score]:
    """Mean squared error per pixel of held-out images on [0,1], and the PSNR that it amounts to."""
    if not isinstance(model, Reconstructs):
        return []
    errors = []
    for done, part in batches(heldout, context["batch"], _device(model)):
        given = (model.reconstruct(part).double() + 1) / 2
        errors.append((given - part.double() / 255).square().flatten(1).mean(dim=1).cpu())
        report("reconstruct", done, len(heldout))
    each = torch.cat(errors)
    error = each.mean().item()
    if not torch.isfinite(each).all():
        raise Undefined("reconstruction MSE: the model gave pixels that are not finite")
    basis = _held_basis(context)
    mse = Score(
        "reconstruction MSE",
        error,
        standard_error(each),
        better="lower",
        unit="per pixel on [0,1]",
        note=f"{_held(context)}; ± standard error",
        basis=basis,
    )
    if error == 0:  # without loss: the ratio is infinite
        return [mse]
    psnr = -10 * math.log10(error)
    note = f"10 log10(1/MSE); {_held(context)}"
    return [mse, Score("PSNR", psnr, better="higher", unit="dB", note=note, basis=basis)]


def clustering(
    model: nn.Module,
    heldout: Tensor,
    labels: Tensor | None,
    context: dict[str, Any],
    report: Progress,
) -> list[Score]:
    """Cluster error of held-out images: a group speaks for the class that is most common in it.

    Which class that is, one random half of the images says, and the other half is scored; then the
    halves change places. So no image votes on its own group's name.
    """
    if not isinstance(model, Clusters) or labels is None or len(heldout) < 2:
        return []
    groups = []
    for done, part in batches(heldout, context["batch"], _device(model)):
        groups.append(model.cluster(part).cpu())
        report("cluster", done, len(heldout))
    wrong = cluster_errors(torch.cat(groups), labels.cpu())
    return [
        Score(
            "cluster error",
            wrong.mean().item(),
            standard_error(wrong),
            better="lower",
            unit="share",
            note=f"groups named by the other half's majority; {_held(context)}; ± standard error",
            basis=_held_basis(context),
        )
    ]


def cluster_errors(groups: Tensor, labels: Tensor) -> Tensor:
    """1.0 where an image's group does not speak for its class, else 0.0, [N] float64.

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


def batches(images: Tensor, batch: int, device: torch.device) -> Iterator[tuple[int, Tensor]]:
    """(images so far, the next `batch` images on `device`)."""
    for start in range(0, len(images), batch):
        part = images[start : start + batch].to(device)
        yield start + len(part), part


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _held(context: dict[str, Any]) -> str:
    return f"{context['heldout']['count']:,} {context['heldout']['split']} images"


def _held_basis(context: dict[str, Any]) -> dict[str, str | int]:
    held = context["heldout"]
    return {
        "held-out split": held["split"],
        "held-out images": held["count"],
        "held-out SHA-256": held["sha256"],
    }
