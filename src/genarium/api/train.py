"""Training a recipe on images."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from genarium import recipes
from genarium.api._types import Named, RecipeName, Source
from genarium.errors import UserError
from genarium.runs import configuration
from genarium.signatures import checked, dataclass_fields
from genarium.verbs import Flag, Settings, verb

if TYPE_CHECKING:
    from typing import TypeAlias

    from genarium.data import DataOptions, Dataset
    from genarium.recipes import Recipe
    from genarium.runs.configuration import Config
    from genarium.runs.presets import Preset
    from genarium.runs.trained import Trained
    from genarium.training.progress import Progress

    Layers: TypeAlias = Mapping[str, Mapping[str, Any]]
    File: TypeAlias = Layers | str | os.PathLike[str]
    Size: TypeAlias = Preset | Literal["quick", "standard", "large", "paper"]
else:
    Size = Literal["quick", "standard", "large", "paper"]
    File = Annotated[Any, Flag(metavar="FILE", raw=True)]


LINE = 78  # of the list of recipes


def settings_of(words: Sequence[str]) -> Settings:
    """The settings of the recipe that the command line names, of the data and of the training."""
    name = words[0] if words and not words[0].startswith("-") else _named_in_a_file(words)
    common = [each for each in configuration.common_fields() if each.name != "source"]
    groups: Settings = {}
    if name is not None:
        recipe = recipes.get(name)
        about = [f"settings of {recipe.name}", recipe.doc.split("\n", 1)[0]]
        about += [f"{recipe.paper}."] if recipe.paper else []
        groups["\n".join(about)] = configuration.recipe_fields(recipe)
    for section in ("data", "training"):
        groups[section] = [each for each in common if each.section == section]
    return groups


def _named_in_a_file(words: Sequence[str]) -> str | None:
    """The recipe that `--config FILE` names, when the command line names none."""
    for flag, value in zip(words, [*words[1:], ""]):
        path = value if flag == "--config" else flag.removeprefix("--config=")
        if flag == "--config" or flag.startswith("--config="):
            recipe = configuration.read_yaml(Path(path)).get("recipe")
            return str(recipe) if recipe else None
    return None


def resolved(
    recipe: str | Recipe | None = None,
    data: Dataset | str | os.PathLike[str] | None = None,
    config: Layers | str | os.PathLike[str] | None = None,
    out: object = None,
    preset: str | None = None,
    **settings: Any,
) -> tuple[Recipe, Config]:
    """The recipe and every setting, checked; arguments as of `train`, without any training.

    A preset changes nothing here: what it stands for follows from the data.
    """
    return _resolved(recipe, data, config, settings, {})


def _resolved(
    recipe: str | Recipe | None,
    data: Dataset | str | os.PathLike[str] | None,
    config: File | None,
    settings: Mapping[str, Any],
    under: Layers,
) -> tuple[Recipe, Config]:
    """The same; under: a layer of settings beneath those that are given."""
    if isinstance(config, str | os.PathLike):
        config = configuration.read_given(Path(config))
    layers = dict(config or {})
    of_file = layers.pop("recipe", None)
    for section, values in layers.items():
        if not isinstance(values, Mapping):
            raise UserError(f"--config: {section} {values!r}: give its settings by name")
    named = recipe or of_file
    if named is None:
        raise UserError(
            f"name a recipe: genarium train {'|'.join(recipes.catalogue())} (or --config FILE)"
        )
    result = recipes.get(named)
    given: Layers = {}
    if isinstance(data, str | os.PathLike):
        given = {"data": {"source": os.fspath(data)}}
    elif data is not None:
        from genarium.runs import inputs

        given = {"data": _how_read(inputs.dataset(data, "data"))}
    routed = configuration.route(result, settings)
    return result, configuration.resolve(result, under, layers, routed, given)


def _how_read(dataset: Dataset) -> dict[str, Any]:
    """The settings under which a `Dataset` was loaded, as far as it has them."""
    policy = dataset.info.get("policy", {})
    given = {k: policy[k] for k in ("fit", "background", "binarize") if policy.get(k)}
    if "size" in policy:
        given["size"] = "x".join(map(str, policy["size"]))
    return {"source": str(dataset.info.get("source", dataset.name)), **given}


def _read_as(settings: Mapping[str, Any]) -> DataOptions:
    """How images that are given in Python are read: the options of the data among the settings."""
    from genarium.data import DataOptions

    fields = dataclass_fields("data", DataOptions)
    named = {field.name for field in fields}
    return DataOptions(**checked(fields, {k: v for k, v in settings.items() if k in named}))


def _preset(
    name: Any,
    recipe: Recipe,
    resolved: Config,
    dataset: Dataset,
    config: File | None,
    settings: Mapping[str, Any],
) -> Layers:
    """The settings that a preset stands for, beside those that are given."""
    from genarium.runs import presets
    from genarium.training.engine import on_cpu

    if isinstance(config, str | os.PathLike):
        config = configuration.read_given(Path(config))
    layers: dict[str, Any] = dict(config or {})
    given = {**layers.get("arguments", {}), **layers.get("training", {}), **settings}
    checked = {**resolved.arguments, **resolved.training}
    return presets.chosen(
        name,
        recipe,
        dataset.spec,
        len(dataset.train),
        accelerated=not on_cpu(resolved.training["device"]),
        given={k: checked[k] for k, v in given.items() if v is not None and k in checked},
    )


def notes() -> str:
    """The recipes by name, for the end of the help."""
    entries = recipes.catalogue().values()
    margin = " " * (4 + max(len(entry.name) for entry in entries))
    lines = [
        textwrap.fill(
            entry.summary,
            width=LINE,
            initial_indent=f"  {entry.name}".ljust(len(margin)),
            subsequent_indent=margin,
        )
        for entry in entries
    ]
    last = "`genarium train RECIPE --help` shows the settings of a recipe too."
    return "\n".join(["recipes:", *lines, "", last])


@verb("training", notes=notes, settings=settings_of, processes=resolved)
def train(
    recipe: RecipeName | None = None,
    data: Source | None = None,
    *,
    out: Annotated[Named | None, Flag(metavar="DIR", raw=True)] = None,
    config: File | None = None,
    preset: Size | None = None,
    progress: Progress | bool | None = None,
    **settings: Any,
) -> Trained:
    """Train a recipe on images.

    Gives the run, ready to use. In Python, any argument of the recipe, of `DataOptions` and of
    `TrainOptions` is one of `settings`, by name; they win over `config`.

    recipe: what to train (see below).
    data: a built-in data set or a folder of images; in Python also a Dataset, arrays, tensors, a
        list of pictures, any Sequence or PyTorch Dataset, or (images, labels) (default: digits).
    out: the run folder (default: runs/RECIPE-DATA-N).
    config: a configuration file; flags override it. In Python also its sections as dicts.
    preset: sizes and steps that fit the images, their number and the device: quick (some ten
        minutes of two cores), standard, large (for a GPU), or those of the paper; what is given
        otherwise wins (default: the recipe's own).

    Raises UserError for a wrong setting, RunError for a run that had to stop.
    """
    from genarium.runs import fitting, inputs
    from genarium.runs.building import load_configured

    if data is not None and not isinstance(data, str | os.PathLike):
        data = inputs.dataset(data, "data", _read_as(settings))
    chosen, all_settings = _resolved(recipe, data, config, settings, {})
    said: list[str] = []
    if data is None or isinstance(data, str | os.PathLike):
        dataset = load_configured(all_settings, progress=bool(progress))
    else:
        dataset = inputs.dataset(data, "data")
    if preset is not None:
        under = _preset(preset, chosen, all_settings, dataset, config, settings)
        chosen, all_settings = _resolved(recipe, data, config, settings, under)
        sizes = {**under["arguments"], **under["training"]}
        flags = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in sizes.items())
        said.append(f"--preset {preset} is here {flags}")
    return fitting.begin(
        all_settings, dataset, out=out, progress=progress, recipe=chosen, notes=said
    )
