"""Training an extractor of your own, for scores of what no photographs teach."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from annotated_types import Ge, Gt

from genarium.api._results import Result
from genarium.api._types import Count, Device, Named, Seed
from genarium.errors import UserError
from genarium.signatures import checked, dataclass_fields
from genarium.verbs import Flag, Settings, verb

if TYPE_CHECKING:
    from genarium.data import Dataset
    from genarium.evaluation.extractors.extractor import Extractor
    from genarium.training.progress import Progress

    Pictures: TypeAlias = Dataset | str | os.PathLike[str]
else:
    Pictures = Annotated[
        Any, Flag(metavar="DATA", raw=True), "a folder of images or a built-in data set"
    ]


@dataclass(repr=False)
class TrainedFeatures(Result):
    """An extractor that was trained. folder: where it is; the path is its name for `--extractor`.

    data: what it learnt from. images, steps, batch: how much. seconds: how long it took.
    """

    folder: Path
    data: str
    images: int
    dims: int
    steps: int
    batch: int
    seconds: float

    @property
    def extractor(self) -> Extractor:
        """The extractor itself: uint8 images -> features."""
        from genarium.evaluation.extractors.by_name import extractor

        return extractor(str(self.folder))

    def to_dict(self) -> dict[str, Any]:
        return {
            "features": str(self.folder),
            "data": self.data,
            "images": self.images,
            "dims": self.dims,
            "steps": self.steps,
            "batch": self.batch,
            "seconds": round(self.seconds, 1),
        }

    def text(self) -> str:
        return (
            f"{self.folder}: {self.dims} features, trained on {self.images:,} images of "
            f"{self.data} for {self.steps} steps in {self.seconds:.0f} s\n"
            f"next: genarium evaluate RUN --extractor {self.folder}"
        )


def settings_of(words: Sequence[str]) -> Settings:
    """How the images are read."""
    from genarium.data import DataOptions

    return {"how the images are read": dataclass_fields("data", DataOptions)}


@verb("features", name="features train", settings=settings_of)
def train_features(
    data: Pictures,
    *,
    out: Annotated[Named | None, Flag(metavar="FOLDER", raw=True)] = None,
    steps: Count | None = None,
    batch: Annotated[int, Ge(16)] = 128,
    width: Count = 16,
    lr: Annotated[float, Gt(0)] = 1e-3,
    seed: Seed = 0,
    device: Device = "auto",
    progress: Progress | bool | None = None,
    **settings: Any,
) -> TrainedFeatures:
    """Train an extractor for scores on your own images, without labels.

    For images that are no photographs: `evaluate` and `compare` take its folder as --extractor.
    It learns from the training split by VICReg (Bardes et al. 2022). In Python, any argument of
    `DataOptions` is one of `settings`, by name.

    data: a folder of images or a built-in data set.
    out: a new folder (default: features/DATA).
    steps: of training (default: 100 passes, from 300 to 2000 steps).
    batch: images a step, of which two views are made each.
    width: maps of the first stage; there are 16 times as many features.
    lr: of AdamW, falling to 0 as half a cosine.
    seed: of the weights, the order of the images and their views.

    Raises UserError for a folder that holds something, and fewer images than a batch.
    """
    import time

    from genarium.data import DataOptions, load
    from genarium.drawing.files import write
    from genarium.evaluation.extractors.selftrained import Trunk, files
    from genarium.features.selfsupervised import VIEWS, VICReg, steps_for
    from genarium.runs import inputs
    from genarium.training.device import expect_device
    from genarium.training.options import TrainOptions
    from genarium.training.progress import live
    from genarium.training.randomness import seeded
    from genarium.training.trainer import Trainer, TrainingData

    expect_device(device)  # before the data are read
    (fields,) = settings_of(()).values()
    options = checked(fields, settings)
    if isinstance(data, str | os.PathLike):
        dataset = load(data, DataOptions(**options), progress=bool(progress))
    elif options:
        raise UserError(f"--{next(iter(options))}: a Dataset is read already: leave it out")
    else:
        dataset = inputs.dataset(data, "data")
    if dataset.spec.planar:
        raise UserError(f"{dataset.name}: points of the plane are their own features, see `pixels`")
    folder = _new(out, dataset.name)
    count = len(dataset.train)
    if count < batch:
        raise UserError(f"--batch {batch}: there are {count} training images: give at most these")
    todo = steps or steps_for(count, batch)
    spec = dataset.spec
    with seeded(seed):
        trunk = Trunk(spec.channels, width)
        model = VICReg(spec, trunk, trunk.dims, lr=lr)
    trainer = Trainer(
        model,
        TrainingData(dataset.train.images, values=spec.values),
        TrainOptions(
            steps=todo,
            batch=batch,
            seed=seed,
            schedule="cosine",
            warmup=min(20, todo),
            device=device,
            precision="fp32",
        ),
    )
    if progress:
        trainer.attach(None, live("features") if progress is True else progress)
    began = time.monotonic()
    trainer.fit()
    seconds = time.monotonic() - began
    facts = {
        "name": f"vicreg-{dataset.name}",
        "method": "VICReg (Bardes, Ponce & LeCun 2022)",
        "views": VIEWS,
        "data": dataset.name,
        "data_manifest": dataset.manifest,
        "images": count,
        "steps": todo,
        "batch": batch,
        "lr": lr,
        "seed": seed,
    }
    for name, content in files(trunk, spec.shape, facts).items():
        write(folder / name, content)
    return TrainedFeatures(folder, dataset.name, count, trunk.dims, todo, batch, seconds)


def _new(out: str | os.PathLike[str] | None, data: str) -> Path:
    """The folder to write into, which holds nothing."""
    from genarium.runs import inputs

    folder = Path("features") / data if out is None else inputs.path(out, "--out")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--out {folder}: is there already: name a new folder")
    return folder
