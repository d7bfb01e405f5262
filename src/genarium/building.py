"""From a configuration to what it names: the model, the data."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from genarium.config import Config
from genarium.contract import Model, Spec
from genarium.data import DataOptions
from genarium.data import load as load_data
from genarium.errors import UserError
from genarium.recipes import Recipe, of_a_run
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
    options = {k: v for k, v in config.data.items() if k != "source"}
    return load_data(config.data["source"], DataOptions(**options), progress=progress)
