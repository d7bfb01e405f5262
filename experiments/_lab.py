"""What the experiments share: data, training in memory, scores of digits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import _kept
import torch
from torch import Tensor

from genarium import data, recipes
from genarium.contract import Model, Spec, to_uint8
from genarium.data.dataset import Dataset
from genarium.evaluation.extractors.by_name import extractor
from genarium.evaluation.metrics.frechet import frechet_distance, statistics
from genarium.runs.building import build
from genarium.signatures import AUTO
from genarium.training.options import TrainOptions
from genarium.training.order import derive
from genarium.training.trainer import Trainer, TrainingData

SURE = 0.9  # class probability from which on an image counts as recognised


@lru_cache
def load(source: str, size: int | None = None) -> Dataset:
    """A data set by name, once; size: pixels a side, if not its own."""
    return data.load(source, data.DataOptions(size=str(size) if size else None))


def trainer_of(
    model: Model, source: str, seed: int, *, size: int | None = None, **options: Any
) -> Trainer:
    """A trainer of `model` on a data set's training split."""
    split = load(source, size).train
    return trainer_on(model, TrainingData(split.images, split.labels), seed, **options)


def trainer_on(model: Model, known: TrainingData, seed: int, **options: Any) -> Trainer:
    """A trainer of `model` on `known`; 32-bit, on the CPU, nothing on disk."""
    settings = {"device": "cpu", "precision": "fp32", "seed": seed, **options}
    return Trainer(model, known, TrainOptions(**settings))


def make(recipe: str, spec: Spec, seed: int, **arguments: Any) -> Any:
    """A recipe's model with weights drawn from `seed`. Where a recipe's default became another one
    after the experiments were measured, it is as it was then (`Recipe.former`)."""
    result = recipes.get(recipe)
    # a GAN's regularizers went by what was asked for alone
    plain = {"regularizers": ()} if result.defaults().get("regularizers") == AUTO else {}
    return build(result, spec, {**result.former, **plain, **arguments}, seed)


def train(trainer: Trainer, steps: int | None = None) -> Iterator[int]:
    """Train until so many steps are done, all of its options' if None; gives their number after
    each one."""
    steps = steps or trainer.options.steps
    assert steps
    trainer.model.train()
    while trainer.step < steps:
        trainer.one_step()
        yield trainer.step


def drawn_rows(source: str, seed: int, size: int | None, images: int | None) -> Tensor:
    """The rows of the training split that `trained` sees."""
    count = len(load(source, size).train)
    if images is None:
        return torch.arange(count)
    return torch.randperm(count, generator=generator_of(seed, "rows"))[:images]


def trained(
    recipe: str,
    source: str,
    seed: int,
    training: dict[str, Any],
    *,
    size: int | None = None,
    images: int | None = None,
    **arguments: Any,
) -> Any:
    """A recipe's model after `training` on a data set, with averaged weights where it has `ema`.

    images: of the training split, drawn by the seed; all of it by default. With `--keep` it goes
    on where it was stopped.
    """
    data = load(source, size)
    rows = drawn_rows(source, seed, size, images)
    labels = None if data.train.labels is None else data.train.labels[rows]
    model = make(recipe, data.spec, seed, **arguments)
    trainer = trainer_on(model, TrainingData(data.train.images[rows], labels), seed, **training)
    follows_from = {"source": source, "size": size, "images": images, "seed": seed}
    named = {"training": training, "arguments": arguments, **follows_from}
    _kept.fit(trainer, _kept.place(recipe, named))
    with trainer.sampling_weights():
        weights = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(weights)
    return model


@contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """The model in evaluation mode, without gradients."""
    before = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(before)


def sample(model: Any, n: int, seed: int = 0) -> Tensor:
    """n images in evaluation mode, uint8 [n,C,H,W]; the same for the same seed."""
    with evaluating(model):
        return to_uint8(model.sample(n, generator=torch.Generator().manual_seed(seed)))


@lru_cache
def _reference(size: int, n: int) -> tuple[Tensor, Tensor]:
    return statistics(extractor("digits")(load("digits", size).test.images[:n]).pool)


def score(images: Tensor) -> dict[str, float]:
    """Scores of digits, uint8 [N,1,S,S], against as many of the test split (2,000 at most).

    fid: Fréchet distance in the features of the shipped classifier (`FID (digits-cnn)`).
    recognised: share of the images that it is sure of.
    """
    result = extractor("digits")(images)
    sure = (result.logits.softmax(1).amax(1) >= SURE).float().mean().item()
    return {
        "fid": frechet_distance(
            *statistics(result.pool), *_reference(images.shape[2], len(images))
        ),
        "recognised": sure,
    }


def sheet(images: Tensor, columns: int) -> Tensor:
    """Images [N,C,H,W] as one picture [h,w] or [h,w,3], for `imshow`."""
    n, channels, height, width = images.shape
    rows = -(-n // columns)
    full = images.new_zeros(rows * columns, channels, height, width)
    full[:n] = images
    grid = full.view(rows, columns, channels, height, width).permute(0, 3, 1, 4, 2)
    grid = grid.reshape(rows * height, columns * width, channels)
    return grid.squeeze(2) if channels == 1 else grid


def generator_of(seed: int, name: str) -> torch.Generator:
    """A generator for one named use."""
    return torch.Generator().manual_seed(derive(seed, name))
