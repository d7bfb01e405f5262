"""The sample grids of a run: pictures of what the model makes, drawn while it is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import torch

from genarium.contract import TRANSLATED, Model, Reconstructs, capabilities, draw
from genarium.data import text
from genarium.data.choice import fair_rows
from genarium.drawing import points
from genarium.drawing.images import for_the_eye, save_png
from genarium.report import translations
from genarium.runs.folder import RunFolder
from genarium.training.order import derive

if TYPE_CHECKING:
    from genarium.data import Dataset
    from genarium.data.dataset import Split


def sampler(dataset: Dataset, seed: int) -> Callable[[Model, int], torch.Tensor]:
    """Draws the first n of the samples of a grid, [n,C,H,W] on [-1, 1], the same noise each time:
    of a conditional model of the classes in turn, of one with captions for held-out ones."""
    held = _held(dataset)
    captions = _captions(held, fair_rows(held, seed=seed))

    def sample(model: Model, n: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(derive(seed, "grid"))
        labels = None
        if model.conditional and dataset.spec.classes:
            labels = torch.arange(n) % len(dataset.spec.classes)
        if model.conditioned_on == "captions":
            asked = text.grid(captions, dataset.spec.caption_bytes, n)
            labels = None if asked is None else torch.from_numpy(asked[1])
        return draw(model, n, condition=labels, generator=generator)

    return sample


def _held(dataset: Dataset) -> Split:
    """The images that a grid shows: held-out ones, training ones where there are none."""
    held = dataset.validation
    if not len(held) or (dataset.spec.second is not None and not len(held.domain("b"))):
        held = dataset.train  # of one picture, or of one and its copies, none is left for it
    return held


def _captions(held: Split, rows: torch.Tensor) -> list[str]:
    return [held.captions[row] for row in rows.tolist()] if held.captions else []


def painter(
    folder: RunFolder, dataset: Dataset, seed: int
) -> Callable[[Model, int], torch.Tensor | None]:
    """Writes the sample grid of a step, and gives the samples if it shows some: samples, or
    originals beside their translations or reconstructions; of held-out images that `seed` draws,
    the same ones at each step.

    Where images are points of the plane it is a plot of them over real ones.
    """
    planar, mixture = dataset.spec.planar, dataset.info.get("mixture")
    shown = points.SHOWN if planar else 64
    held = _held(dataset)
    chosen = fair_rows(held, seed=seed)
    some = held.images[chosen[: shown if planar else shown // 2]]
    spec = dataset.spec
    real = for_the_eye(some, spec, stored=True)
    sample = sampler(dataset, seed)

    @torch.no_grad()
    def paint(model: Model, step: int) -> torch.Tensor | None:
        can, images = capabilities(model), None
        if "sample" in can:
            images = sample(model, shown)
            picture = points.sheet(for_the_eye(images, spec), columns=8, real=real, mixture=mixture)
        elif "translate" in can:
            rows = translations.of_split(model, spec, held, TRANSLATED, derive(seed, "grid"), seed)
            picture = translations.sheet(rows)
        elif "reconstruct" in can:
            device = next(model.parameters()).device
            again = cast(Reconstructs, model).reconstruct(some.to(device)).cpu()
            made = for_the_eye(again, spec)
            picture = points.pairs(real, made, columns=8, mixture=mixture)
        else:
            return None
        folder.samples.mkdir(exist_ok=True)
        save_png(folder.samples / f"{step:08d}.png", picture)
        return images

    return paint
