"""The library: `train`, `resume`, `load`, `evaluate` and `compare`, the same as the verbs.

import genarium

vae = genarium.train("vae", data="digits", steps=500, latent=8)
images = vae.sample(64, seed=0)            # [64,1,28,28] on [-1,1]
genarium.save_grid(images, "samples.png")
print(genarium.evaluate(vae).table())
genarium.compare([vae, "runs/dcgan-digits-1"], out="report.html")
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genarium import recipes
from genarium.config import Config, resolve, route, write_yaml
from genarium.contract import Model, Spec, capabilities, from_uint8, to_uint8
from genarium.data import DataOptions
from genarium.data import load as load_data
from genarium.errors import UserError
from genarium.latent import Inversion, invert, nearest_draws
from genarium.recipes import Recipe
from genarium.report import points
from genarium.report.images import save_png
from genarium.runs import RunFolder, hardware, spec_from_dict, spec_to_dict
from genarium.training import checkpoint as checkpoints
from genarium.training import log
from genarium.training.engine import Engine
from genarium.training.options import TrainOptions
from genarium.training.order import derive
from genarium.training.progress import Progress, for_terminal
from genarium.training.trainer import Trainer, TrainingData

if TYPE_CHECKING:
    from genarium.data import Dataset
    from genarium.evaluation.scores import Scores
    from genarium.report.compare import Comparison

CHUNK = 256
"""Images drawn at a time; a fixed number, so that sample(n, seed) is one definite set."""

POOL = 512
"""Draws of the prior among which an inversion looks for its starts."""


class Trained:
    """A trained model and its run folder: what `train` and `load` give.

    model: in evaluation mode, holding the averaged weights if the run keeps them. step: the
    checkpoint's.
    """

    def __init__(self, folder: RunFolder, step: int | None = None, device: str = "cpu"):
        self.folder = folder
        self.path = folder.path
        self.name = folder.path.resolve().name
        self._config = folder.config()
        self.config = self._config.to_dict()
        self.about = folder.about()
        self.recipe: Recipe = recipes.get(self._config.recipe)
        self.taxonomy: tuple[str, ...] = tuple(self.about["taxonomy"])
        self.spec: Spec = spec_from_dict(self.about["data"]["spec"])
        saved = checkpoints.load(folder.checkpoints, step, weights_only=True)
        self.step = saved.step
        self.model: Model = build(self.recipe, self.spec, self._config.arguments, seed=0)
        where = f"{folder.checkpoints / f'{saved.step:08d}'}"
        checkpoints.load_weights(self.model, saved.ema or saved.model, where)
        self.model.to(device).eval()
        self.capabilities = capabilities(self.model)

    def __repr__(self) -> str:
        can = ", ".join(self.capabilities)
        return f"<{self.name}: {self.recipe.name} at step {self.step}; can {can}>"

    def can(self, capability: str) -> None:
        """Raise a `UserError` unless the model has this capability."""
        if capability not in self.capabilities:
            raise UserError(
                f"{self.path} is a {self.recipe.name}, which cannot {capability}: it can "
                f"{', '.join(self.capabilities)}"
            )

    @torch.no_grad()
    def sample(
        self, n: int = 64, seed: int = 0, condition: Tensor | int | str | None = None
    ) -> Tensor:
        """n new images, [n,C,H,W] float32 on [-1, 1]; the same for the same seed.

        condition: a class name or number for all images, or [n] labels; for a model with a
        learned code also what `code` gives.
        """
        self.can("sample")
        labels = self.labels(condition, n)
        generator = torch.Generator().manual_seed(derive(seed, "sample"))
        parts = []
        for start in range(0, n, CHUNK):
            count = min(CHUNK, n - start)
            own = None if labels is None else labels[start : start + count]
            parts.append(
                self.model.sample(count, condition=own, generator=generator).cpu()  # type: ignore[operator]
            )
        return torch.cat(parts) if parts else torch.empty(0, *self.spec.shape)

    @torch.no_grad()
    def codes(
        self, n: int = 64, seed: int = 0, condition: Tensor | int | str | None = None
    ) -> Tensor:
        """The codes of `sample(n, seed, condition)`, [n,D] float32: `decode` gives those images.

        So the number of an image in the grid of `genarium sample` is a row here.
        """
        for capability in ("sample", "prior", "decode"):
            self.can(capability)
        labels = self.labels(condition, n)
        generator = torch.Generator().manual_seed(derive(seed, "sample"))
        parts = []
        for start in range(0, n, CHUNK):
            count = min(CHUNK, n - start)
            # `condition` is asked of the prior only where the model is conditional
            own = {} if labels is None else {"condition": labels[start : start + count]}
            parts.append(self.model.prior(count, generator=generator, **own).cpu())  # type: ignore[operator]
        return torch.cat(parts) if parts else torch.empty(0, 0)

    @property
    def mixture(self) -> Mapping[str, Any] | None:
        """The Gaussians that the data were drawn from, None where that is not how they are made."""
        found: Mapping[str, Any] | None = self.about["data"].get("info", {}).get("mixture")
        return found

    @property
    def noise(self) -> int | None:
        """How many leading columns of a code are noise, None for all: a GAN's condition follows."""
        size = getattr(self.model, "latent", None)
        return size if isinstance(size, int) else None

    def invert(
        self,
        images: Tensor,
        *,
        steps: int = 200,
        restarts: int = 4,
        lr: float = 0.2,
        prior_weight: float = 1e-3,
        seed: int = 0,
    ) -> Inversion:
        """The codes whose images are nearest to uint8 [N,C,H,W]; see `genarium.latent.invert`.

        The search starts from the encoder's code where there is one, and for the other restarts
        from the nearest of `POOL` draws of the prior. A GAN's condition is that of the start.
        """
        self.can("decode")
        device = next(self.model.parameters()).device
        wanted, starts = from_uint8(images).to(device), []
        decode: Callable[[Tensor], Tensor] = self.model.decode  # type: ignore[assignment]
        if "encode" in self.capabilities:
            starts.append(self.encode(images).to(device)[None])
        if "prior" in self.capabilities and restarts > len(starts):
            generator = torch.Generator().manual_seed(derive(seed, "invert"))
            with torch.no_grad():
                draws = self.model.prior(max(POOL, restarts), generator=generator)  # type: ignore[operator]
            starts.append(nearest_draws(decode, draws, wanted, restarts - len(starts)))
        if not starts:
            raise UserError(f"{self.path} has no encoder and no prior to start a search from")
        settings: dict[str, Any] = {"steps": steps, "lr": lr, "prior_weight": prior_weight}
        found = invert(decode, torch.cat(starts), wanted, free=self.noise, **settings)
        return Inversion(found.codes.cpu(), found.mse.cpu())

    def labels(self, condition: Tensor | int | str | None, n: int) -> Tensor | None:
        """A condition as [n] class labels; UserError for a class that the model does not know.

        A learned code [n, codes] (see `code`) passes as it is.
        """
        if condition is None:
            return None
        if isinstance(condition, Tensor) and condition.is_floating_point() and self.model.codes:
            return condition
        if not self.model.conditional:
            raise UserError(
                f"{self.path} is not conditional, so --class {condition} means nothing to it: "
                "leave --class away"
            )
        if isinstance(condition, Tensor):
            return condition
        classes = self.spec.classes
        if isinstance(condition, str) and condition in classes:
            number = classes.index(condition)
        else:
            try:
                number = int(condition)
            except ValueError:
                raise UserError(
                    f"--class {condition}: choose one of {', '.join(classes)}"
                ) from None
        if not 0 <= number < len(classes):
            raise UserError(f"--class {condition}: choose one of {', '.join(classes)}")
        return torch.full((n,), number, dtype=torch.int64)

    def code(self, text: str, n: int) -> Tensor:
        """A learned code as a condition [n, codes]: "3,0.5" or "3,*,-1"; * leaves it to chance."""
        most = self.model.codes
        if not most:
            raise UserError(f"{self.path} has no learned code (InfoGAN has): leave --code away")
        values = [part.strip() for part in text.split(",")]
        if len(values) > most:
            raise UserError(f"--code {text}: {self.path} has {most} values, not {len(values)}")
        values += ["*"] * (most - len(values))
        try:
            found = [math.nan if value == "*" else float(value) for value in values]
        except ValueError:
            raise UserError(
                f"--code {text}: give {most} numbers separated by commas, * leaves one to chance"
            ) from None
        if any(math.isinf(value) for value in found):
            raise UserError(f"--code {text}: give finite numbers")
        return torch.tensor([found]).expand(n, -1)

    @torch.no_grad()
    def reconstruct(self, images: Tensor) -> Tensor:
        """uint8 [B,C,H,W] -> the model's reconstructions, float32 on [-1, 1]."""
        self.can("reconstruct")
        return torch.cat([self.model.reconstruct(x).cpu() for x in images.split(CHUNK)])  # type: ignore[operator]

    @torch.no_grad()
    def complete(
        self,
        images: Tensor,
        keep: Tensor,
        seed: int = 0,
        condition: Tensor | int | str | None = None,
    ) -> Tensor:
        """uint8 [N,C,H,W] -> float32 on [-1, 1]: kept where `keep` (bool, [H,W] or [N,1 or C,H,W])
        is true, drawn elsewhere; the same for the same seed."""
        self.can("complete")
        labels = self.labels(condition, len(images))
        generator = torch.Generator().manual_seed(derive(seed, "complete"))
        keep = keep.expand(len(images), self.spec.channels, *keep.shape[-2:])
        parts = []
        for start in range(0, len(images), CHUNK):
            mine = slice(start, start + CHUNK)
            own = None if labels is None else labels[mine]
            parts.append(
                self.model.complete(  # type: ignore[operator]
                    images[mine], keep[mine], condition=own, generator=generator
                ).cpu()
            )
        return torch.cat(parts)

    @torch.no_grad()
    def score(
        self, images: Tensor, seed: int = 0, condition: Tensor | int | str | None = None
    ) -> Tensor:
        """ln p(x) of uint8 images [N,C,H,W], [N] nats, of `model.density`: exact, or the ELBO.

        seed: of the ELBO's samples. Raises UserError for a model without a likelihood.
        """
        exact = "log_prob" in self.capabilities
        if not exact and "elbo" not in self.capabilities:
            raise UserError(
                f"{self.path} is a {self.recipe.name}, which has no likelihood: it can "
                f"{', '.join(self.capabilities)}"
            )
        labels = self.labels(condition, len(images))
        generator = torch.Generator().manual_seed(derive(seed, "score"))
        parts = []
        for start in range(0, len(images), CHUNK):
            part = images[start : start + CHUNK]
            own = None if labels is None else labels[start : start + CHUNK]
            if exact:
                parts.append(self.model.log_prob(part, own).cpu())  # type: ignore[operator]
            else:
                nats = self.model.elbo(part, own, generator=generator)  # type: ignore[operator]
                parts.append(nats.cpu())
        return torch.cat(parts)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """uint8 [B,C,H,W] -> codes [B,D] float32."""
        self.can("encode")
        return torch.cat([self.model.encode(x).cpu() for x in images.split(CHUNK)])  # type: ignore[operator]

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Codes [B,D] -> images [B,C,H,W] float32 on [-1, 1]."""
        self.can("decode")
        return torch.cat([self.model.decode(x).cpu() for x in z.split(CHUNK)])  # type: ignore[operator]

    def history(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl."""
        return log.read(self.folder.metrics)

    def dataset(self) -> Dataset:
        """The data that the run was trained on, with their splits."""
        return load_configured(self._config, progress=False)


def build(recipe: Recipe, spec: Spec, arguments: Mapping[str, Any], seed: int) -> Model:
    """Build a recipe's model with weights drawn from `seed`; torch's generator is left alone."""
    _check_needs(recipe, spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "weights"))
        try:
            return recipe(spec, **arguments)
        except ValueError as error:
            # a recipe refuses sizes and arguments that its networks cannot take
            raise UserError(f"recipe {recipe.name}: {error}") from error


def _check_needs(recipe: Recipe, spec: Spec) -> None:
    if "labels" in recipe.needs and not spec.classes:
        raise UserError(
            f"recipe {recipe.name} needs class labels and the data have none: put the images "
            "into one sub-folder a class"
        )


def load_configured(config: Config, progress: bool) -> Dataset:
    """The data that a configuration names."""
    options = {k: v for k, v in config.data.items() if k != "source"}
    return load_data(config.data["source"], DataOptions(**options), progress=progress)


# ------------------------------------------------------------------------------ training


def train(
    recipe: str | Recipe,
    data: str | Dataset = "digits",
    *,
    out: str | os.PathLike[str] | None = None,
    config: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | bool = False,
    **settings: Any,
) -> Trained:
    """Train a recipe and give the result.

    data: a built-in data set, a folder of images, or a `Dataset`. out: the run folder (default:
    the next free runs/RECIPE-DATA-N). config: sections of settings, as in a configuration file.
    settings: any argument of the recipe, of `DataOptions` or of `TrainOptions`, by name; they
    win over `config`. progress: True shows a live bar on stderr.

    Raises UserError for a wrong setting, RunError for a run that had to stop.
    """
    found = recipes.get(recipe)
    layers: list[Mapping[str, Mapping[str, Any]]] = [config or {}, route(found, settings)]
    if isinstance(data, str):
        layers.append({"data": {"source": data}})
        resolved = resolve(found, *layers, names="argument" if config is None else "flag")
        dataset = load_configured(resolved, progress=bool(progress))
    else:
        resolved = resolve(found, *layers, {"data": {"source": data.name}}, names="argument")
        dataset = data
    return train_config(resolved, dataset, out=out, progress=progress, recipe=found)


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
    folder = RunFolder.create(out, recipe.name, dataset.name)
    entry = recipes.catalogue().get(recipe.name)
    with folder.locked():
        about = {
            "name": dataset.name,
            "manifest": dataset.manifest,
            "spec": spec_to_dict(dataset.spec),
            "info": dataset.info,
        }
        folder.describe(config, about, entry.taxonomy if entry else ("yours",), recipe.paper)
        engine.share(os.fspath(folder.path))
        _run(trainer, folder, dataset, progress)
    return Trained(folder)


def resume(
    path: str | os.PathLike[str],
    *,
    data: Dataset | None = None,
    accept_changes: bool = False,
    progress: Progress | bool = False,
    **training: Any,
) -> Trained:
    """Go on with a run exactly where its newest whole checkpoint stands.

    training: settings to change, mostly a larger budget (steps, epochs, minutes). data: the
    `Dataset` again, for a run that was given one. accept_changes: go on although the data or
    the number of processes changed.
    """
    folder = RunFolder.open(path)
    config = folder.config()
    recipe = recipes.get(config.recipe)
    layers: list[Mapping[str, Mapping[str, Any]]] = [
        {"arguments": config.arguments, "data": config.data, "training": config.training},
        {"training": training},
    ]
    config = resolve(recipe, *layers)
    dataset = data or load_configured(config, progress=bool(progress))
    about = folder.about()
    if dataset.manifest != about["data"]["manifest"] and not accept_changes:
        raise UserError(
            f"the data {config.data['source']} changed since {folder.path} was trained: restore "
            "them, or go on with --accept-changes"
        )
    trainer = _trainer(recipe, config, dataset)
    engine = trainer.engine
    saved = checkpoints.load(folder.checkpoints)
    if saved.state["world"] != engine.world and not accept_changes:
        raise UserError(
            f"{folder.path} was trained by {saved.state['world']} processes, here are "
            f"{engine.world}: use as many, or go on with --accept-changes"
        )
    if not engine.main:
        _run(trainer, folder, dataset, False, saved)
        return Trained(folder)
    with folder.locked():
        checkpoints.sweep(folder.checkpoints)
        threads = about["hardware"]["threads"]
        if threads != hardware()["threads"]:
            warnings.warn(
                f"{folder.path} was trained with {threads} threads and goes on with "
                f"{hardware()['threads']}: sums may differ in the last bits",
                stacklevel=2,
            )
        write_yaml(folder.path / "config.yaml", config)
        _run(trainer, folder, dataset, progress, saved)
    return Trained(folder)


def _trainer(recipe: Recipe, config: Config, dataset: Dataset) -> Trainer:
    options = TrainOptions(**config.training)
    engine = Engine(options.device, options.precision)
    model = build(recipe, dataset.spec, config.arguments, options.seed)
    return Trainer(model, _training_data(dataset), options, engine=engine)


def _training_data(dataset: Dataset) -> TrainingData:
    split = dataset.train
    return TrainingData(split.images, split.labels, dict(split.extra))


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
    trainer.fit()
    trainer.engine.wait()


def _painter(folder: RunFolder, dataset: Dataset, seed: int) -> Callable[[Model, int], None]:
    """Writes the sample grid of a step: samples, or originals beside their reconstructions.

    Where images are points of the plane it is a plot of them over real ones.
    """
    planar, mixture = dataset.spec.planar, dataset.info.get("mixture")
    shown = points.SHOWN if planar else 64
    some = dataset.validation.images[: shown if planar else shown // 2]

    @torch.no_grad()
    def paint(model: Model, step: int) -> None:
        can = capabilities(model)
        if "sample" in can:
            generator = torch.Generator().manual_seed(derive(seed, "grid"))
            labels = None
            if model.conditional and dataset.spec.classes:
                labels = torch.arange(shown) % len(dataset.spec.classes)
            images = model.sample(shown, condition=labels, generator=generator)  # type: ignore[operator]
            picture = points.sheet(images, columns=8, real=some, mixture=mixture)
        elif "reconstruct" in can:
            device = next(model.parameters()).device
            again = model.reconstruct(some.to(device)).cpu()  # type: ignore[operator]
            picture = points.pairs(some, again, columns=8, mixture=mixture)
        else:
            return
        folder.samples.mkdir(exist_ok=True)
        save_png(folder.samples / f"{step:08d}.png", picture)

    return paint


# ------------------------------------------------------------------------------ using a run


def load(path: str | os.PathLike[str], step: int | None = None, device: str = "cpu") -> Trained:
    """A trained run, ready to use; needs only the run folder, never the data.

    step: take the checkpoint of this step instead of the newest.
    """
    return Trained(RunFolder.open(path), step, device)


def _trained(run: Trained | str | os.PathLike[str]) -> Trained:
    return run if isinstance(run, Trained) else load(run)


def evaluate(
    run: Trained | str | os.PathLike[str],
    *,
    n: int = 1000,
    seed: int = 0,
    extractor: str | None = None,
    dataset: Dataset | None = None,
) -> Scores:
    """Score a run on the test split of its data; see `docs/evaluation.md` for every score.

    n: images drawn (and as many test images taken). extractor: whose features FID uses.
    """
    from genarium.evaluation import evaluate as referee
    from genarium.evaluation import features, modes
    from genarium.evaluation.measure import METRICS

    trained = _trained(run)
    data = dataset or trained.dataset()
    return referee.evaluate_model(
        trained.model,
        reference=data.test.images,
        labels=data.test.labels,
        extractor=extractor or features.default_for(data.name, trained.spec),
        n=n,
        seed=seed,
        metrics=(*METRICS, *modes.for_data(data.info)),
    )


def compare(
    runs: Sequence[Trained | str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str] = "comparison.html",
    n: int = 1000,
    seed: int = 0,
    title: str = "",
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Write one self-contained HTML page that compares runs on the same data.

    n: samples a model for the scores. progress: called with what is being done. The result has
    the page's `path`, the scores as `table()` and every number as `to_dict()`, which is also in
    results.json beside the page.
    """
    from genarium.report import compare as report

    trained = [_trained(run) for run in runs]
    return report.write(trained, out, n=n, seed=seed, title=title, progress=progress)


def images_for(trained: Trained, source: str | None) -> Tensor:
    """uint8 images that fit a model: the test split of its data, or of a folder, all of it."""
    if source is None:
        return trained.dataset().test.images
    spec = trained.spec
    options = DataOptions(size=f"{spec.height}x{spec.width}", channels=spec.channels)
    found = load_data(source, options, progress=False)
    return torch.cat([found.train.images, found.validation.images, found.test.images])


def write_images(
    images: Tensor,
    out: Path,
    columns: int | None = None,
    *,
    real: Tensor | None = None,
    mixture: Mapping[str, Any] | None = None,
) -> None:
    """Write images [N,C,H,W] as the suffix says: .png a grid, .npz an array, none: single files.

    The array is `images`, uint8 [N,H,W,C]. Points of the plane make a plot instead of a grid, over
    `real` points and with the modes of a `mixture`. Raises UserError for another suffix or a place
    that cannot be written.
    """
    import numpy as np

    pixels = images if images.dtype == torch.uint8 else to_uint8(images)
    try:
        if out.suffix.lower() == ".png":
            out.parent.mkdir(parents=True, exist_ok=True)
            save_png(out, points.sheet(pixels, columns, real=real, mixture=mixture))
        elif out.suffix.lower() == ".npz":
            out.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(out, images=pixels.permute(0, 2, 3, 1).numpy())
        elif out.suffix == "":
            out.mkdir(parents=True, exist_ok=True)
            for number, image in enumerate(pixels):
                save_png(out / f"{number:06d}.png", image)
        else:
            raise UserError(f"--out {out}: end it in .png or .npz, or name a folder")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"--out {out} cannot be written ({reason}): name another place") from None


def save_grid(images: Tensor, path: str | os.PathLike[str], columns: int | None = None) -> None:
    """Write images [N,C,H,W] (uint8, or floats on [-1, 1]) as one PNG grid; points as a plot."""
    save_png(Path(path), points.sheet(images, columns))
