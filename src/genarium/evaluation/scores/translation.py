"""Scores of a model that turns images of one domain into those of another, in each direction.

Held-out images are translated and the results held against held-out images of the target domain:
by the metrics of samples (FID and the like), by L1 where row i of both domains belongs together,
and by the way back where the model knows it. Translations are rounded to uint8, as they would be
saved, before anything is measured or translated back.

    L1 = mean over pixels of |translation - target|        cycle L1 = mean of |back - image|

both on [0, 1]. A translator that changes nothing has a cycle L1 of 0: read it beside the others.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genarium.contract import EIGHT_BIT, Translates, Values
from genarium.errors import UserError
from genarium.evaluation.extractors.extractor import Extractor, of_channels
from genarium.evaluation.images import thinned
from genarium.evaluation.scores.heldout import Progress, device_of, spread_of
from genarium.evaluation.scores.measured import Measured, Metric, score_all, suited
from genarium.evaluation.scores.score import Score, Undefined, number, standard_error, student


def translations(
    model: Any,
    domains: tuple[Tensor, Tensor],
    paired: bool,
    *,
    extractor: Extractor,
    metrics: Sequence[Metric],
    n: int,
    seed: int,
    batch: int,
    split: str,
    report: Progress,
    warnings: list[str],
    values: Mapping[str, Values] | None = None,
) -> list[Score]:
    """The rows of every direction that `model` knows, e.g. "a2b FID (digits-cnn)".

    domains: held-out images of A and of B, [N,C,H,W] as stored; paired: whether their rows belong
    together. n: images of either at most. warnings: gets what could not be scored. values: what the
    stored values of "a" and of "b" mean; 8 bits if None.
    """
    if not isinstance(model, Translates):
        return []
    images = dict(zip("ab", (_thinned(some, n) for some in domains)))
    known = values or dict.fromkeys("ab", EIGHT_BIT)
    rows: list[Score] = []
    for direction in model.directions:
        given, wanted = images[direction[0]], images[direction[2]]
        there = known[direction[2]]
        chosen = of_channels(extractor, wanted.shape[1])
        ours = Measured(f"{direction} translation", chosen, metrics)
        generator = torch.Generator().manual_seed(seed)
        target = wanted if paired else None
        try:
            result = _run(model, direction, given, target, ours, generator, batch, report, known)
        except Undefined as reason:
            warnings.append(f"left out the scores of {direction}: {reason}")
            continue
        theirs = Measured(f"{split} {direction[2].upper()}", chosen, metrics)
        for part in wanted.split(batch):
            theirs.add(there.pictures(part))
        fitting, mixed = suited(metrics, ours, theirs)
        basis: dict[str, str | int] = {
            "translations": ours.count,
            "reference split": theirs.name,
            "reference images": theirs.count,
            "reference SHA-256": theirs.digest,
        }
        if not there.eight_bit:
            basis["pictures"] = f"8 bits over {there.span}"
        scored, undefined = score_all(ours, theirs, fitting, basis)
        warnings += [f"{direction}: {words}" for words in (*mixed, *undefined)]
        note = f"{len(given):,} {split} images"
        note += "" if there.eight_bit else f"; [0,1] is {there.span}"
        rows += [replace(row, name=f"{direction} {row.name}") for row in scored]
        rows += [_error(f"{direction} {name}", *values, note, basis) for name, values in result]
    return rows


def _thinned(images: Tensor, n: int) -> Tensor:
    """At most n of the images; of two domains of one size the same rows, so pairs stay pairs."""
    if not len(images):
        raise UserError("a test split of the data's two kinds holds no images: give more images")
    rows = thinned(len(images), n)
    return images if rows is None else images[rows]


def _run(
    model: Any,
    direction: str,
    given: Tensor,
    target: Tensor | None,
    measured: Measured,
    generator: torch.Generator,
    batch: int,
    report: Progress,
    values: Mapping[str, Values],
) -> list[tuple[str, tuple[Tensor, Tensor | None]]]:
    """Translate and measure all; gives named errors [N] with those of doing nothing, if defined."""
    back = direction[::-1]
    known = back in model.directions
    here, there = values[direction[0]], values[direction[2]]
    device = device_of(model)
    errors: dict[str, list[Tensor]] = {"L1": [], "cycle L1": [], "idle": []}
    for start in range(0, len(given), batch):
        rows = slice(start, start + batch)
        some = given[rows].to(device)
        drawn = model.translate(some, direction=direction, generator=generator)
        if not torch.isfinite(drawn).all():
            raise Undefined("some translations hold pixels that are not finite")
        made = there.stored(drawn)
        measured.add(there.pictures(made).cpu())
        if target is not None:
            errors["L1"].append(_distance(made.cpu(), target[rows], there))
            if target.shape[1:] == given.shape[1:] and here == there:
                errors["idle"].append(_distance(given[rows], target[rows], there))
        if known:
            again = model.translate(made, direction=back, generator=generator)
            errors["cycle L1"].append(_distance(here.stored(again).cpu(), given[rows], here))
        report(measured.name, min(len(given), start + batch), len(given))
    joined = {name: torch.cat(parts) for name, parts in errors.items() if parts}
    idle = joined.pop("idle", None)
    return [(name, (each, idle if name == "L1" else None)) for name, each in joined.items()]


def _distance(a: Tensor, b: Tensor, values: Values = EIGHT_BIT) -> Tensor:
    """Mean absolute error of each image of two sets as stored, pixels on [0, 1] of the range, [N]
    float64."""
    if not values.eight_bit:
        a, b = (values.unit_interval(images).double() for images in (a, b))
        return (a - b).abs().flatten(1).mean(1)
    return (a.double() - b.double()).abs().flatten(1).mean(1) / 255


def _error(
    name: str, each: Tensor, idle: Tensor | None, note: str, basis: dict[str, str | int]
) -> Score:
    # no `reference`: that would be the score of real images
    if idle is not None:
        note += f"; {number(idle.mean().item())} for the input as it is"
    mean, std = each.mean().item(), standard_error(each)
    return Score(
        name,
        mean,
        std,
        interval=student(mean, std, len(each)),
        better="lower",
        unit="per pixel on [0,1]",
        note=note,
        basis=basis,
        shared=spread_of(each),
    )
