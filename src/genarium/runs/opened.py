"""An opened run folder: its configuration, its model, its data and how it samples."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import torch

from genarium import recipes
from genarium.contract import Model, Settings, Spec, capabilities
from genarium.data import DataOptions
from genarium.data.options import EIGHT_BIT, PER_IMAGE
from genarium.errors import UserError
from genarium.recipes import Recipe
from genarium.runs import sampling
from genarium.runs.building import build, own_data
from genarium.runs.configuration import current
from genarium.runs.folder import RunFolder, spec_from_dict
from genarium.runs.summary import Summary
from genarium.training import best, log
from genarium.training import checkpoint as checkpoints

if TYPE_CHECKING:
    from genarium.data import Dataset
    from genarium.evaluation.diagnostics.findings import Originals


class OpenedRun(Summary):
    """What a run folder holds; `Trained`, which adds what its model can do, is what users see.

    model: in evaluation mode, holding the averaged weights if the run keeps them. step: the
    checkpoint's, the best one's where the run keeps it. settings: how it samples, None for the
    model's own way (`with_settings`). data, accept_changes: see `data_at`. code_scales: mean and
    deviation of test codes, by the seed that draws them, as far as they were asked for.
    """

    def __init__(
        self,
        folder: RunFolder,
        step: int | str | None = None,
        device: str = "cpu",
        *,
        data: Dataset | str | os.PathLike[str] | None = None,
        accept_changes: bool = False,
    ):
        self.folder = folder
        self.path = folder.path
        self.name = folder.name
        stored = folder.config()
        self.recipe: Recipe = recipes.get(stored.recipe)
        self._config = current(stored, self.recipe)
        self.config = self._config.to_dict()
        self.about = folder.about()
        self.taxonomy: tuple[str, ...] = tuple(self.about["taxonomy"])
        self.spec: Spec = spec_from_dict(self.about["data"]["spec"])
        saved = best.load(folder.checkpoints, step)
        self.step = saved.step
        arguments = self._config.arguments
        self.model: Model = build(self.recipe, self.spec, arguments, seed=0, stored=True)
        where = f"{folder.checkpoints / f'{saved.step:08d}'}"
        checkpoints.load_weights(self.model, saved.ema or saved.model, where)
        self.model.to(device).eval()
        self.capabilities = capabilities(self.model)
        self.settings: Settings | None = None
        self._dataset: Dataset | None = None
        self.data_at(data, accept_changes)

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

    def with_settings(self, settings: Mapping[str, Any] | Settings | None) -> Self:
        """This run, sampling so wherever it draws: {"temperature": 0.8}; the model is shared.

        settings: those that the model declares (`Model.settings`); UserError for others. None or
        none of them: as before.
        """
        result = copy.copy(self)
        result.settings = sampling.settings_of(self, settings) or self.settings
        return result

    @property
    def label(self) -> str:
        """The name in tables and on pages: with its settings, where they are not the defaults."""
        own = self.model.settings
        used = self.settings if self.settings is not None or own is None else own()
        how = str(used) if used is not None else ""  # some say what a sample costs by default too
        return f"{self.name} ({how})" if how else self.name

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    @property
    def mixture(self) -> Mapping[str, Any] | None:
        """The Gaussians that the data were drawn from, None where that is not how they are made."""
        result: Mapping[str, Any] | None = self.about["data"].get("info", {}).get("mixture")
        return result

    @property
    def noise(self) -> int | None:
        """How many leading columns of a code are noise, None for all: a GAN's condition follows."""
        size = getattr(self.model, "latent", None)
        return size if isinstance(size, int) else None

    def history(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl."""
        return log.read(self.folder.metrics)

    def data_at(
        self, data: Dataset | str | os.PathLike[str] | None, accept_changes: bool = False
    ) -> None:
        """Say where the run's own data are now; None: where they were at training.

        data: the path or name, or the `Dataset` itself. accept_changes: take them with a warning
        where their manifest is another than at training; else `dataset` refuses them.
        """
        self._place, self._accept = data, accept_changes
        self._dataset = None
        self.code_scales: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.__dict__.pop("originals", None)

    def dataset(self, progress: bool = False) -> Dataset:
        """The data that the run was trained on, with their splits; read at the first call.

        They are known by their manifest. Raises UserError where they are not there, or changed.
        """
        if self._dataset is None:
            self._dataset = own_data(
                self.folder,
                self._config,
                self._place,
                accept_changes=self._accept,
                progress=progress,
            )
        return self._dataset

    @cached_property
    def originals(self) -> Originals:
        """The run's training images and unseen ones, to search what samples are alike to.

        Raises UserError where there are no images that could be compared, or the data are not
        there.
        """
        from genarium.evaluation.diagnostics import watch
        from genarium.evaluation.scores.score import Undefined

        watcher = watch.for_data(self.dataset())
        if watcher is None:
            raise UserError(f"{self.path}: its data have no images that samples are compared with")
        try:
            return watcher.originals
        except Undefined as error:
            raise UserError(f"{self.path}: {error}") from None

    def data_options(self, **changes: Any) -> DataOptions:
        """How to read other images as the run's data were: size, channels, and all that was set.

        changes: other settings, by name.
        """
        policy = {k: v for k, v in self.config["data"].items() if k not in ("source", "from_dir")}
        if self.spec.binarized == "static":
            policy["binarize"] = "static"  # of a set that comes so, too
        policy["range"] = range_of(self.spec, policy.get("range", "auto"))
        policy |= {"size": f"{self.spec.height}x{self.spec.width}", "channels": self.spec.channels}
        return DataOptions(**(policy | changes))


def range_of(spec: Spec, asked: str) -> str:
    """The option `range` that reads other images as a run's data are: 8 bits as such, else the very
    numbers of the run. asked: the run's own."""
    if asked == PER_IMAGE:
        return asked
    if spec.values.eight_bit:
        return EIGHT_BIT
    return spec.values.as_option()
