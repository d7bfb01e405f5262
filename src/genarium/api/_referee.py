"""What `evaluate` is given: a run, a folder, a file, a data set, a tensor or a function, as images.

referee.score("runs/dcgan-digits-1", against="photos/")
referee.score("samples.npz", against="digits")
referee.score(lambda n: my_model.draw(n), against=test_images, n=5000)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from genarium.contract import Samples, Spec
from genarium.data import DataOptions
from genarium.data import load as load_data
from genarium.data.names import shown
from genarium.data.stream import stream
from genarium.errors import UserError
from genarium.evaluation.diagnostics.watch import for_images
from genarium.evaluation.evaluate import evaluate_images
from genarium.evaluation.extractors import extractor as features
from genarium.evaluation.images import Drawn, Images, Stored, shape_of
from genarium.evaluation.scores.registry import Metric
from genarium.evaluation.scores.score import Scores
from genarium.runs import inputs
from genarium.runs.selection import options as options_for
from genarium.runs.trained import Trained

if TYPE_CHECKING:
    from genarium.evaluation.extractors.extractor import Extractor

DRAWN = 1000  # samples where nobody says how many

Source = Trained | inputs.Pictures | Callable[[int], Tensor] | str | os.PathLike[str]


def score(
    given: Source,
    against: Source,
    *,
    train: Source | None = None,
    n: int | None = None,
    seed: int = 0,
    extractor: str | Extractor | None = None,
    weights: str | None = None,
    metrics: tuple[Metric, ...],
    options: DataOptions | None = None,
) -> Scores:
    """Score images against reference images; no model is needed.

    given, against: a folder of images, an .npz file, a run (its samples), a data set by name (its
    test split), a uint8 tensor [N,C,H,W], or a function of a number that draws that many. train:
    the training images, for scores that see copying; of a data set its training split. n: images of
    either side at most; None is all of a set and 1,000 of a run or function. options: how images
    from files are read; default: as the data of the run were, their own size and channels where
    there is no run.
    """
    given, against = _opened(given), _opened(against)
    train = None if train is None else _opened(train)
    run = next((side for side in (given, against) if isinstance(side, Trained)), None)
    if options is None and run is not None:
        options = options_for(run)
    name, reference = images(against, "--against", n, seed, options)
    _, ours = images(given, "", n, seed, options)
    known = None if train is None else images(train, "--train", n, seed, options, "train")[1]
    if extractor is None:
        extractor = features.PROXY
        if isinstance(reference, Stored) and isinstance(against, str) and not _is_path(against):
            channels, height, width = reference.images.shape[1:]
            extractor = features.default_for(
                against.partition(":")[0], Spec(channels, height, width)
            )
    if isinstance(extractor, str):
        extractor = features.extractor(extractor, shape=shape_of(reference), weights=weights)
    watch = None if known is None else for_images(known, reference)
    return evaluate_images(
        ours,
        reference,
        train=known,
        extractor=extractor,
        n=n,
        split=name,
        metrics=(*metrics, *(watch.metrics() if watch else ())),
    )


def images(
    source: Source,
    flag: str,
    n: int | None,
    seed: int,
    options: DataOptions | None,
    split: str = "test",
) -> tuple[str, Images]:
    """(what to call them, the images) of any source; flag: for errors."""
    source = _opened(source)
    if isinstance(source, Trained):
        return source.name, _samples(source, n or DRAWN, seed)
    if callable(source):
        draw = source  # for mypy: `source` is known to be a function here only

        def checked(count: int) -> Tensor:
            return inputs.images(draw(count), "evaluate: what the function gives")

        return "drawn", Drawn(checked, n or DRAWN)
    if not isinstance(source, str | os.PathLike):
        return "given", Stored(inputs.images(source, f"evaluate: {flag.strip('-') or 'images'}"))
    if _is_path(source):
        path = Path(source)
        return shown(path.resolve().name), stream(path, options)
    where = f"{flag} {shown(str(source))}".strip()
    if not flag:
        raise UserError(f"{where}: does not exist: name a run, a folder of images or an .npz file")
    try:
        data = load_data(str(source), options or DataOptions(), progress=False)
    except UserError:
        raise UserError(
            f"{where}: does not exist: name a folder of images, an .npz file or a data set"
        ) from None
    part = data.split(split)
    return f"{data.name} {split}", Stored(part.images)


def _opened(source: Source) -> Source:
    """The run that a path leads to; anything else as it is."""
    if isinstance(source, str | os.PathLike) and (Path(source) / "run.json").is_file():
        from genarium.runs import loading

        return loading.load(source)
    return source


def _is_path(source: Any) -> bool:
    return Path(source).exists()


def _samples(trained: Trained, n: int, seed: int) -> Images:
    trained.can("sample")
    generator = torch.Generator().manual_seed(seed)

    def draw(count: int) -> Tensor:
        with torch.inference_mode():
            return cast(Samples, trained.model).sample(count, generator=generator)

    return Drawn(draw, n)
