"""What the scores of held-out images share: going through them, and the mean over them.

Shapes: N images · C channels · H, W height and width
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genarium.evaluation.images import Images, Stored
from genarium.evaluation.scores.score import Score, standard_error, student

Progress = Callable[[str, int, int], None]
"""Called as (what is being done, images done, images in all)."""


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


def mean_over(
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
        note="; ".join(filter(None, (note, held(context)))),
        basis={**(basis or {}), **basis_of(context)},
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


def held(context: dict[str, Any]) -> str:
    """How many held-out images there are, in words."""
    return f"{context['heldout']['count']:,} {context['heldout']['split']} images"


def basis_of(context: dict[str, Any]) -> dict[str, str | int]:
    """What two scores of held-out images must agree in, to be compared."""
    known = context["heldout"]
    return {
        "held-out split": known["split"],
        "held-out images": known["count"],
        "held-out SHA-256": known["sha256"],
    }
