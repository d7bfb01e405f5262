"""The library: `train`, `resume`, `load`, `evaluate` and `compare`, the same as the verbs.

import genarium

vae = genarium.train("vae", data="digits", steps=500, latent=8)
images = vae.sample(64, seed=0)            # [64,1,28,28] on [-1,1]
genarium.save_grid(images, "samples.png")
print(genarium.evaluate(vae).table())
genarium.compare([vae, "runs/dcgan-digits-1"], out="report.html")
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from genarium import recipes
from genarium.contract import TRANSLATED, Model, Reconstructs, capabilities, draw
from genarium.data import DataOptions, places, text
from genarium.data.names import shown
from genarium.data.splits import SPLITS
from genarium.drawing import points
from genarium.drawing.images import save_png
from genarium.errors import UserError
from genarium.recipes import Recipe
from genarium.report import translations
from genarium.runs import budget, inputs
from genarium.runs import selection as given
from genarium.runs.building import build, load_configured, own_data, placed
from genarium.runs.configuration import Config, resolve, route
from genarium.runs.folder import RunFolder, hardware, spec_to_dict
from genarium.runs.loading import load
from genarium.runs.selection import dataset_for
from genarium.runs.trained import Images, Trained
from genarium.training import checkpoint as checkpoints
from genarium.training.engine import Engine
from genarium.training.options import TrainOptions
from genarium.training.order import derive
from genarium.training.progress import Progress, for_terminal
from genarium.training.trainer import Trainer, TrainingData

if TYPE_CHECKING:
    from genarium.data import Dataset
    from genarium.features import Table

    Data = Dataset | str | os.PathLike[str]
    Run = Trained | str | os.PathLike[str]
    from genarium.api._referee import Source
    from genarium.evaluation.extractors.extractor import Extractor
    from genarium.evaluation.scores.score import Scores
    from genarium.report.compare import Comparison

# ------------------------------------------------------------------------------ training


def train(
    recipe: str | Recipe,
    data: Data = "digits",
    *,
    out: str | os.PathLike[str] | None = None,
    config: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | bool = False,
    **settings: Any,
) -> Trained:
    """Train a recipe and give the result.

    data: a built-in data set, a folder of images (its path), or a `Dataset`. out: the run folder
    (default: the next free runs/RECIPE-DATA-N). config: sections of settings, as in a file.
    settings: any argument of the recipe, of `DataOptions` or of `TrainOptions`, by name; they
    win over `config`. progress: True shows a live bar on stderr.

    Raises UserError for a wrong setting, RunError for a run that had to stop.
    """
    found = recipes.get(recipe)
    layers: list[Mapping[str, Mapping[str, Any]]] = [config or {}, route(found, settings)]
    if isinstance(data, str | os.PathLike):
        layers.append({"data": {"source": os.fspath(data)}})
        resolved = resolve(found, *layers, names="argument" if config is None else "flag")
        dataset = load_configured(resolved, progress=bool(progress))
    else:
        dataset = inputs.dataset(data, "data")
        resolved = resolve(found, *layers, {"data": _how_read(dataset)}, names="argument")
    return train_config(resolved, dataset, out=out, progress=progress, recipe=found)


def _how_read(dataset: Dataset) -> dict[str, Any]:
    """The settings under which a `Dataset` was loaded, as far as it tells."""
    policy = dataset.info.get("policy", {})
    found = {k: policy[k] for k in ("fit", "background", "binarize") if policy.get(k)}
    if "size" in policy:
        found["size"] = "x".join(map(str, policy["size"]))
    return {"source": str(dataset.info.get("source", dataset.name)), **found}


def train_config(
    config: Config,
    dataset: Dataset,
    *,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | bool = False,
    recipe: Recipe | None = None,
) -> Trained:
    """Train what a resolved configuration describes, on loaded data."""
    recipe = recipe or recipes.get(config.recipe)
    trainer = _trainer(recipe, config, dataset)  # refuses bad input before there is a folder
    engine = trainer.engine
    if not engine.main:
        # the other processes compute; the run's folder belongs to the first
        folder = RunFolder(Path(engine.share("")))
        _run(trainer, folder, dataset, False)
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
        engine.share(os.fspath(folder.path))
        _run(trainer, folder, dataset, progress)
    return Trained(folder, data=dataset)


def resume(
    path: str | os.PathLike[str],
    *,
    data: Data | None = None,
    accept_changes: bool = False,
    progress: Progress | bool = False,
    **training: Any,
) -> Trained:
    """Go on with a run exactly where its newest whole checkpoint stands, or from step 0.

    training: settings that may change: a budget (steps, epochs, minutes), which replaces the
    run's, log_every, sample_every, checkpoint_every, keep, tensorboard, device. data: where the
    run's data are now, or the `Dataset` again for a run that was given one. accept_changes: go on
    although the data, the number of processes or config.yaml changed.

    Raises UserError for a budget that is used already and for other settings.
    """
    folder = RunFolder.open(inputs.path(path, "resume: path"))
    before = folder.config(accept_changes)
    recipe = recipes.get(before.recipe)
    config = budget.changed(before, recipe, training)
    dataset = own_data(folder, config, data, accept_changes=accept_changes, progress=bool(progress))
    if isinstance(data, str | os.PathLike) and not config.data["from_dir"]:
        config = placed(replace(config, data={**config.data, "source": os.fspath(data)}))
    about = folder.about()
    trainer = _trainer(recipe, config, dataset, stored=True)
    engine = trainer.engine
    with folder.locked() if engine.main else nullcontext():
        if engine.main:
            checkpoints.sweep(folder.checkpoints)
        engine.wait()  # the others read what the first has mended
        saved = checkpoints.load(folder.checkpoints) if folder.saved() else None
        if saved is None:
            note = f"{folder.path} holds no checkpoint yet: it starts at step 0"
            warnings.warn(note, stacklevel=2)
        elif budget.used(trainer, saved, before, training, folder.path):
            return Trained(folder)
        elif saved.state["world"] != engine.world and not accept_changes:
            raise UserError(
                f"{folder.path} was trained by {saved.state['world']} processes, here are "
                f"{engine.world}: use --processes {saved.state['world']}, or go on with "
                "--accept-changes"
            )
        if engine.main:
            threads = about["hardware"]["threads"]
            if threads != hardware()["threads"]:
                warnings.warn(
                    f"{folder.path} was trained with {threads} threads and goes on with "
                    f"{hardware()['threads']}: sums may differ in the last bits",
                    stacklevel=2,
                )
            folder.configure(config)
        _run(trainer, folder, dataset, progress if engine.main else False, saved)
    return Trained(folder, data=dataset)


def _trainer(recipe: Recipe, config: Config, dataset: Dataset, stored: bool = False) -> Trainer:
    options = TrainOptions(**config.training)
    engine = Engine(options.device, options.precision)
    model = build(recipe, dataset.spec, config.arguments, options.seed, stored=stored)
    return Trainer(model, _training_data(dataset), options, engine=engine)


def _training_data(dataset: Dataset) -> TrainingData:
    split = dataset.train
    return TrainingData(split.images, split.labels, dict(split.extra), dict(split.unaligned))


def _run(
    trainer: Trainer,
    folder: RunFolder,
    dataset: Dataset,
    progress: Progress | bool,
    saved: checkpoints.Checkpoint | None = None,
) -> None:
    if trainer.engine.main:
        trainer.attach(
            folder.path,
            for_terminal(folder.path.name) if progress is True else (progress or None),
            _painter(folder, dataset, trainer.options.seed),
        )
    if saved is not None:
        trainer.restore(saved, str(folder.checkpoints))
    else:
        trainer.log.rewind(0)
    trainer.fit()
    trainer.engine.wait()


def _painter(folder: RunFolder, dataset: Dataset, seed: int) -> Callable[[Model, int], None]:
    """Writes the sample grid of a step: samples, or originals beside their translations or
    reconstructions.

    Where images are points of the plane it is a plot of them over real ones.
    """
    planar, mixture = dataset.spec.planar, dataset.info.get("mixture")
    shown = points.SHOWN if planar else 64
    held = dataset.validation
    if not len(held) or (dataset.spec.second is not None and not len(held.domain("b"))):
        held = dataset.train  # of one picture, or of one and its copies, none is left for it
    some = held.images[: shown if planar else shown // 2]
    asked = text.grid(held.captions or (), dataset.spec.caption_bytes, shown)

    @torch.no_grad()
    def paint(model: Model, step: int) -> None:
        can = capabilities(model)
        if "sample" in can:
            generator = torch.Generator().manual_seed(derive(seed, "grid"))
            labels = None
            if model.conditional and dataset.spec.classes:
                labels = torch.arange(shown) % len(dataset.spec.classes)
            if model.told == "captions" and asked is not None:
                labels = torch.from_numpy(asked[1])
            images = draw(model, shown, condition=labels, generator=generator)
            picture = points.sheet(images, columns=8, real=some, mixture=mixture)
        elif "translate" in can:
            rows = torch.arange(TRANSLATED)
            found = translations.of_split(model, held, rows, derive(seed, "grid"))
            picture = translations.sheet(found)
        elif "reconstruct" in can:
            device = next(model.parameters()).device
            again = cast(Reconstructs, model).reconstruct(some.to(device)).cpu()
            picture = points.pairs(some, again, columns=8, mixture=mixture)
        else:
            return
        folder.samples.mkdir(exist_ok=True)
        save_png(folder.samples / f"{step:08d}.png", picture)

    return paint


# ------------------------------------------------------------------------------ using a run


def loaded(run: Run, data: Data | None = None, accept_changes: bool = False) -> Trained:
    """A run as `Trained`: itself, or what lies at a path. data, accept_changes: as for `load`."""
    if not isinstance(run, Trained):
        return load(inputs.path(run, "run"), data=data, accept_changes=accept_changes)
    if data is not None or accept_changes:
        run.data_at(data, accept_changes)
    return run


def evaluate(
    run: Source,
    *,
    against: Source | None = None,
    n: int | None = None,
    seed: int = 0,
    extractor: str | Extractor | None = None,
    weights: str | None = None,
    metrics: str | None = None,
    train: Source | None = None,
    data: Data | None = None,
    accept_changes: bool = False,
    options: DataOptions | None = None,
) -> Scores:
    """Score a run on the test split of its data, or any images against others.

    run: a run, or with `against` also a folder of images, an .npz file, images [N,C,H,W] (see
    `genarium.runs.inputs`) or a function n -> n images. against: the reference, likewise, or a data set
    by name. n: images drawn, and reference images taken (default: 1,000 of a run, all of a folder).
    extractor: whose features FID uses. weights: a path or an address, for an extractor that comes
    without ("inception", "dinov2"). metrics: "all", or names, e.g. "fid,kid,coverage". train:
    training images for the scores that see copying; a run knows its own. data, accept_changes: the
    run's own data, as for `load`. options: how images of files are read (default: as the run's data
    were; without a run, as they are). See `docs/evaluation.md` for every score.
    """
    from genarium.api import _referee as referee
    from genarium.evaluation import evaluate as evaluator
    from genarium.evaluation.diagnostics.watch import watched
    from genarium.evaluation.extractors import extractor as features
    from genarium.evaluation.scores import modes
    from genarium.evaluation.scores.registry import choose

    if against is not None:
        if data is not None:
            raise UserError("evaluate: against is compared with, so data has no use: give one")
        return referee.score(
            run,
            against,
            train=train,
            n=n,
            seed=seed,
            extractor=extractor,
            weights=weights,
            metrics=choose(metrics),
            options=options,
        )
    if not isinstance(run, Trained | str | os.PathLike):
        raise UserError("evaluate: say with against=... what to score these images against")
    trained = loaded(run, data, accept_changes)
    dataset = trained.dataset()
    if extractor is None or isinstance(extractor, str):
        name = extractor or features.default_for(dataset.name, trained.spec)
        extractor = features.extractor(name, shape=trained.spec.shape, weights=weights)
    further = (*modes.for_data(dataset.info), *watched(dataset, metrics))
    return evaluator.evaluate_model(
        trained.model,
        reference=dataset.test.images,
        labels=dataset.test.labels,
        train=dataset.train.images,
        extractor=extractor,
        n=n or 1000,
        seed=seed,
        # those of the data are of samples like them
        metrics=choose(metrics, further if "sample" in trained.capabilities else ()),
        second=None if dataset.spec.second is None else dataset.test.domain("b"),
        paired=dataset.spec.paired,
    )


def compare(
    runs: Sequence[Run] | Run,
    *,
    out: str | os.PathLike[str] = "comparison.html",
    n: int = 1000,
    seed: int = 0,
    title: str = "",
    data: Data | None = None,
    accept_changes: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Write one self-contained HTML page that compares runs on the same data.

    n: samples a model for the scores. data, accept_changes: the runs' own data, as for `load`.
    progress: called with what is being done. The result has
    the page's `path`, the scores as `table()` and every number as `to_dict()`, which is also in
    results.json beside the page.
    """
    from genarium.report import compare as report

    trained = [loaded(run, data, accept_changes) for run in several(runs)]
    return report.write(
        trained,
        inputs.path(out, "compare: out"),
        n=n,
        seed=seed,
        title=title,
        accept_changes=accept_changes,
        progress=progress,
    )


def several(runs: Sequence[Run] | Run) -> list[Run]:
    """Runs as a list, also where only one is given."""
    return [runs] if isinstance(runs, Trained | str | os.PathLike) else list(runs)


def encode(
    run: Run,
    data: Data | Images | None = None,
    *,
    splits: Sequence[str] = SPLITS,
) -> Table:
    """The codes of images as a table: names, codes [N,D], and labels where they are known.

    data: a folder, a data set by name, a `Dataset`, or any images that `Trained.encode` takes, such
    as one file; None: what the run was trained on. splits: of data that have them.
    `genarium.features.write` writes the table. Raises UserError for a model that does not encode.
    """
    from genarium.data import Dataset
    from genarium.features import Table

    trained = loaded(run)
    trained.can("encode")
    if isinstance(data, str | os.PathLike) and given.is_loose(os.fspath(data)):
        if {*splits} != {*SPLITS}:
            raise UserError(f"{os.fspath(data)}: has no splits: leave --split out")
        some = given.given(trained, os.fspath(data), os.fspath(data))
        return Table(some.names, trained.encode(some.images), None, ())
    if data is None or isinstance(data, str | os.PathLike):
        found = dataset_for(trained, data)
    elif isinstance(data, Dataset):
        found = data
    else:
        codes = trained.encode(data)
        return Table([str(row) for row in range(len(codes))], codes, None, ())
    parts = [(name, found.split(name)) for name in splits]
    parts = [(name, split) for name, split in parts if len(split)]
    if not parts:
        raise UserError(f"{found.name} has no images in {', '.join(splits)}")
    names = [
        own
        for name, split in parts
        for own in split.names or [f"{name}:{row}" for row in range(len(split))]
    ]
    known = [split.labels for _, split in parts]
    labels = (
        None if any(x is None for x in known) else torch.cat([x for x in known if x is not None])
    )
    codes = torch.cat([trained.encode(split.images) for _, split in parts])
    return Table(names, codes, labels, found.spec.classes)
