"""A run is trained: from a configuration and its data, or on from its newest checkpoint."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genarium import recipes
from genarium.data import places
from genarium.data.names import shown
from genarium.errors import UserError
from genarium.recipes import Recipe
from genarium.runs import budget, inputs, validation
from genarium.runs.announcement import Announcement
from genarium.runs.building import build, own_data, placed
from genarium.runs.configuration import Config, current
from genarium.runs.folder import RunFolder, spec_to_dict
from genarium.runs.painting import painter
from genarium.runs.trained import Trained
from genarium.runs.watching import monitor_of, tensors_of
from genarium.signatures import flag_of
from genarium.training import checkpoint as checkpoints
from genarium.training import threads
from genarium.training.device import expect_device
from genarium.training.engine import Engine
from genarium.training.options import TrainOptions
from genarium.training.progress import Progress, live
from genarium.training.trainer import Trainer, TrainingData

if TYPE_CHECKING:
    from genarium.data import Dataset


def begin(
    config: Config,
    dataset: Dataset,
    *,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | bool | None = False,
    recipe: Recipe | None = None,
    notes: Sequence[str] = (),
) -> Trained:
    """Train what a resolved configuration describes, on loaded data. notes: said at its start."""
    recipe = recipe or recipes.get(config.recipe)
    chosen = recipe.chosen(dataset.spec, config.arguments)
    config = replace(config, arguments={**config.arguments, **chosen})
    what = (
        f"{flag_of(name)} auto: {_plain(value)}, by what the data are"
        for name, value in chosen.items()
    )
    stored = dataset.spec.in_words()
    values = [f"images are {stored}; --range says what -1 and 1 stand for"] if stored else []
    notes = [*notes, *values, *what]
    engine = engine_of(config)
    count = threads.chosen(TrainOptions(**config.training), engine)
    config = with_threads(config, count)
    # bad input is refused before there is a folder
    trainer = trainer_of(recipe, config, dataset, engine)
    if not engine.main:
        # the other processes compute; the run's folder belongs to the first
        folder = RunFolder(Path(engine.broadcast("")))
        _run(trainer, recipe, config, folder, dataset, False)
        return Trained(folder)
    # a run knows its data by what is in them; where they are is said so that it holds everywhere
    source = config.data["source"]
    named = dataset.info.get("source") == shown(source) and not places.gone(source)
    if named:
        config = placed(config)
    folder = RunFolder.create(out, recipe.name, dataset.name)
    with folder.locked():
        about = {
            "name": dataset.name,
            "given": source if named else None,
            "manifest": dataset.manifest,
            "spec": spec_to_dict(dataset.spec),
            "info": dataset.info,
        }
        folder.describe(config, about, recipe.family, recipe.paper)
        engine.broadcast(os.fspath(folder.path))
        _run(trainer, recipe, config, folder, dataset, progress, notes=notes)
    return Trained(folder, data=dataset)


def go_on(
    path: str | os.PathLike[str],
    *,
    data: Dataset | str | os.PathLike[str] | None = None,
    accept_changes: bool = False,
    progress: Progress | bool | None = False,
    **training: Any,
) -> Trained:
    """Go on with a run exactly where its newest whole checkpoint stands, or from step 0.

    training: settings that may change: a budget (steps, epochs, minutes), which replaces the
    run's, log_every, sample_every, checkpoint_every, keep, patience, monitor, tensorboard, device,
    threads.
    data: where the run's data are now, or the `Dataset` again for a run that was given one.
    accept_changes: go on although the data, the number of processes or config.yaml changed.

    Raises UserError for a budget that is used already and for other settings.
    """
    folder = RunFolder.to_resume(inputs.path(path, "resume: path"))
    stored = folder.config(accept_changes)
    recipe = recipes.get(stored.recipe)
    before = current(stored, recipe)
    config = budget.changed(before, recipe, training)
    expect_device(TrainOptions(**config.training).device)  # before the data are read
    dataset = own_data(folder, config, data, accept_changes=accept_changes, progress=bool(progress))
    if isinstance(data, str | os.PathLike) and not config.data["from_dir"]:
        config = placed(replace(config, data={**config.data, "source": os.fspath(data)}))
    then = threads_of(folder)
    config = with_threads(config, config.training["threads"] or then)
    engine = engine_of(config)
    trainer = trainer_of(recipe, config, dataset, engine, stored=True)
    with folder.locked() if engine.main else nullcontext():
        if engine.main:
            checkpoints.sweep(folder.checkpoints)
        engine.wait()  # the others read what the first has mended
        saved = checkpoints.load(folder.checkpoints) if folder.saved() else None
        if saved is None:
            note = f"{folder.path} holds no checkpoint yet: it starts at step 0"
            warnings.warn(note, stacklevel=2)
        elif budget.used(trainer, saved, before, training, folder.path):
            if engine.main and config.data != before.data:  # where the data are now is kept
                folder.configure(replace(before, data=config.data))
            return Trained(folder, data=dataset)
        elif saved.state["world"] != engine.world and not accept_changes:
            raise UserError(
                f"{folder.path} was trained by {saved.state['world']} processes, here are "
                f"{engine.world}: use --processes {saved.state['world']}, or go on with "
                "--accept-changes"
            )
        if engine.main:
            now = config.training["threads"]
            if saved is not None and then not in (None, now):
                warnings.warn(
                    f"{folder.path} was trained with {then} threads and goes on with {now}: sums "
                    "may differ in the last bits",
                    stacklevel=2,
                )
            folder.configure(config)
        _run(trainer, recipe, config, folder, dataset, progress if engine.main else False, saved)
    return Trained(folder, data=dataset)


def threads_of(folder: RunFolder) -> int | None:
    """The threads that a run was trained with so far, None where it does not say."""
    said = folder.config(accept_changes=True).training.get("threads")
    result = said or folder.about()["hardware"].get("threads")
    return result if type(result) is int and result > 0 else None


def with_threads(config: Config, count: int | None) -> Config:
    return replace(config, training={**config.training, "threads": count})


def engine_of(config: Config) -> Engine:
    return Engine(config.training["device"], config.training["precision"])


def trainer_of(
    recipe: Recipe, config: Config, dataset: Dataset, engine: Engine, stored: bool = False
) -> Trainer:
    options = TrainOptions(**config.training)
    with threads.using(options.threads):
        model = build(recipe, dataset.spec, config.arguments, options.seed, stored=stored)
    scorer = validation.scorer(model, dataset, options)
    return Trainer(model, training_data(dataset), options, engine=engine, scorer=scorer)


def training_data(dataset: Dataset) -> TrainingData:
    return tensors_of(dataset.train, dataset.spec)


def _run(
    trainer: Trainer,
    recipe: Recipe,
    config: Config,
    folder: RunFolder,
    dataset: Dataset,
    progress: Progress | bool | None,
    saved: checkpoints.Checkpoint | None = None,
    notes: Sequence[str] = (),
) -> None:
    if trainer.engine.main:
        watchers: list[Callable[[Trainer], None]]
        watchers = [Announcement(recipe.name, dataset, config.arguments)]
        if trainer.options.monitor:
            watchers.append(monitor_of(trainer.model, dataset, trainer.options.seed))
        trainer.attach(
            folder.path,
            live(folder.path.name) if progress is True else (progress or None),
            painter(folder, dataset, trainer.options.seed),
            watchers,
        )
        for note in notes:
            trainer.progress.note(note)
    if saved is not None:
        trainer.restore(saved, str(folder.checkpoints))
    else:
        trainer.log.rewind(0)
    with threads.using(trainer.options.threads):
        trainer.fit()
    trainer.engine.wait()


def _plain(value: Any) -> str:
    """A chosen value as its flag takes it."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value)) or "none"
    return str(value)
