"""From a configuration to what it names: the model, and the data, known by their content."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genarium.contract import Model, Spec
from genarium.data import DataOptions, places
from genarium.data import load as load_data
from genarium.data.names import shown
from genarium.data.options import PER_IMAGE
from genarium.errors import UserError
from genarium.recipes import Recipe, of_a_run
from genarium.runs import inputs
from genarium.runs.configuration import Config
from genarium.runs.folder import RunFolder, spec_from_dict
from genarium.training.order import derive
from genarium.training.randomness import seeded

if TYPE_CHECKING:
    from genarium.data import Dataset


def build(
    recipe: Recipe, spec: Spec, arguments: Mapping[str, Any], seed: int, *, stored: bool = False
) -> Model:
    """Build a recipe's model with weights drawn from `seed`; torch's generator is left alone.

    stored: the arguments are those of a run that is there, which loads even where a new one would
    be refused (`recipes.refuse`).
    """
    _check_needs(recipe, spec)
    with seeded(derive(seed, "weights")), of_a_run() if stored else nullcontext():
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
    if {"pairs", "domains"} & set(recipe.needs) and spec.second is None:
        raise UserError(
            f"recipe {recipe.name} needs images of two domains and the data have one: name "
            "pairs:a=DIR,b=DIR or unpaired:a=DIR,b=DIR (or try shape-masks)"
        )
    if "pairs" in recipe.needs and not spec.paired:
        raise UserError(
            f"recipe {recipe.name} needs pairs and the data's two domains are not paired: name "
            "pairs:a=DIR,b=DIR, or train cyclegan"
        )
    if "captions" in recipe.needs and not spec.caption_bytes:
        raise UserError(
            f"recipe {recipe.name} needs captions and the data have none: put a metadata.jsonl or "
            "NAME.txt files beside the images, see docs/text.md"
        )


def load_configured(config: Config, progress: bool) -> Dataset:
    """The data that a configuration names."""
    return load_data(config.data["source"], _options(config), progress=progress)


def placed(config: Config) -> Config:
    """The configuration with every path absolute, so that it means the same data everywhere."""
    data = dict(config.data)
    data["source"] = places.resolved(data["source"])
    for name in ("from_dir", "cache", "labels"):
        if data.get(name):
            data[name] = places.absolute(data[name])
    return replace(config, data=data)


def own_data(
    folder: RunFolder,
    config: Config,
    data: Dataset | str | os.PathLike[str] | None = None,
    *,
    accept_changes: bool = False,
    progress: bool = False,
) -> Dataset:
    """The data that a run was trained on: whatever has their manifest.

    data: where they are now, or the `Dataset` itself, for data that were moved or given in Python.
    accept_changes: take them with a warning where the manifest differs. They are looked for where
    they were at training, then (a run that was moved together with its data) at the same path
    from here. Raises UserError where they are not there, or differ.
    """
    known = folder.about()["data"]
    if data is not None and not isinstance(data, str | os.PathLike):
        given = inputs.dataset(data, "data", _options(config))
        return same_data(folder, known, given, given.name, True, accept_changes)
    options = _options(config)
    if accept_changes and config.data.get("size") is None:
        # a size that follows from the files may follow otherwise from other files
        spec = known["spec"]
        options = replace(options, size=f"{spec['height']}x{spec['width']}")
        if not spec.get("second"):
            options = replace(options, channels=spec["channels"])
    if accept_changes and options.range != PER_IMAGE:  # so may a range
        values = spec_from_dict(known["spec"]).values
        if not values.eight_bit:
            options = replace(options, range=values.as_option())
    sources = [config.data["source"], known.get("given") or config.data["source"]]
    if data is not None:
        sources = [os.fspath(data)]
        if options.from_dir and Path(data).is_dir():  # the official files of the same data set
            sources, options = [config.data["source"]], replace(options, from_dir=sources[0])
        elif options.from_dir and sources[0] != config.data["source"]:
            options = replace(options, from_dir=None)
    result: Dataset | None = None
    for source in dict.fromkeys(sources):
        if not places.gone(source) and (not options.from_dir or Path(options.from_dir).is_dir()):
            expected = known["manifest"]
            dataset = load_data(source, options, progress=progress, expected=expected)
            if dataset.manifest == expected:
                return dataset
            if source == sources[0]:
                result = dataset
    if result is not None:
        return same_data(folder, known, result, sources[0], data is not None, accept_changes)
    if data is not None:
        raise UserError(
            f"--data {shown(sources[0])} does not exist: name the data of {folder.path}, or the "
            "place they are at now"
        )
    if "given" in known and known["given"] is None:
        raise UserError(
            f"{folder.path} was trained on a Dataset given in Python ({known['name']}): give it "
            "again with data=, or name the same images with --data"
        )
    where = options.from_dir or sources[0]
    raise UserError(
        f"the data of {folder.path} ({shown(where)}) are not there: put them back, or say with "
        "--data where they are now"
    )


def same_data(
    folder: RunFolder,
    known: Mapping[str, Any],
    dataset: Dataset,
    source: str,
    named: bool = False,
    accept_changes: bool = False,
) -> Dataset:
    """`dataset`, if it has the manifest in `known`, what a run knows of its data.

    source: how `dataset` was named. named: by the caller, not by the run. accept_changes: only
    warn.
    Raises UserError for other data, and for images of another shape in any case.
    """
    if dataset.manifest == known["manifest"]:
        return dataset
    shapes = (known["spec"][k] for k in ("channels", "height", "width"))
    if dataset.spec.shape != tuple(shapes) or bool(dataset.spec.second) != bool(
        known["spec"].get("second")
    ):
        raise UserError(
            f"{'--data ' if named else ''}{shown(source)} is not what {folder.path} was trained "
            f"on: its images are {'x'.join(map(str, dataset.spec.shape))} (channels x height x "
            "width), or of another number of domains: restore the data, or name them with --data"
        )
    dataset = _in_range(folder, known, dataset, source)
    then = known.get("info", {}).get("counts", {}).get("total")
    now = dataset.info.get("counts", {}).get("total")
    counts = f" ({then:,} images then, {now:,} now)" if then and now and then != now else ""
    if named:
        what = f"--data {shown(source)} is not what {folder.path} was trained on{counts}"
        remedy = "name the same images, or go on with --accept-changes"
    else:
        what = f"the data {shown(source)} changed since {folder.path} was trained{counts}"
        remedy = "restore them, name them with --data, or go on with --accept-changes"
    if not accept_changes:
        raise UserError(f"{what}: {remedy}")
    warnings.warn(
        f"{what}: images that it was trained on may be among the test images", stacklevel=3
    )
    return dataset


def _in_range(
    folder: RunFolder, known: Mapping[str, Any], dataset: Dataset, source: str
) -> Dataset:
    """`dataset` with the ranges that the run was trained with; UserError for another type."""
    spec = spec_from_dict(known["spec"])
    for own, given in (
        (spec.values, dataset.spec.values),
        (spec.second_values, dataset.spec.second_values),
    ):
        if own.dtype != given.dtype:
            raise UserError(
                f"{shown(source)}: images of {given.dtype}, {folder.path} was trained on "
                f"{own.dtype}: restore the data, or name them with --data"
            )
    if (spec.values, spec.second_values) == (dataset.spec.values, dataset.spec.second_values):
        return dataset
    ranged = replace(dataset.spec, values=spec.values, second_values=spec.second_values)
    return replace(dataset, spec=ranged)


def _options(config: Config) -> DataOptions:
    return DataOptions(**{k: v for k, v in config.data.items() if k != "source"})
