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


def painter(folder: RunFolder, dataset: Dataset, seed: int) -> Callable[[Model, int], None]:
    """Writes the sample grid of a step: samples, or originals beside their translations or
    reconstructions; of held-out images that `seed` draws, the same ones at each step.

    Where images are points of the plane it is a plot of them over real ones.
    """
    planar, mixture = dataset.spec.planar, dataset.info.get("mixture")
    shown = points.SHOWN if planar else 64
    held = dataset.validation
    if not len(held) or (dataset.spec.second is not None and not len(held.domain("b"))):
        held = dataset.train  # of one picture, or of one and its copies, none is left for it
    chosen = fair_rows(held, seed=seed)
    some = held.images[chosen[: shown if planar else shown // 2]]
    spec = dataset.spec
    real = for_the_eye(some, spec, stored=True)
    captions = [held.captions[row] for row in chosen.tolist()] if held.captions else ()
    asked = text.grid(captions, dataset.spec.caption_bytes, shown)

    @torch.no_grad()
    def paint(model: Model, step: int) -> None:
        can = capabilities(model)
        if "sample" in can:
            generator = torch.Generator().manual_seed(derive(seed, "grid"))
            labels = None
            if model.conditional and dataset.spec.classes:
                labels = torch.arange(shown) % len(dataset.spec.classes)
            if model.conditioned_on == "captions" and asked is not None:
                labels = torch.from_numpy(asked[1])
            images = draw(model, shown, condition=labels, generator=generator)
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
            return
        folder.samples.mkdir(exist_ok=True)
        save_png(folder.samples / f"{step:08d}.png", picture)

    return paint
