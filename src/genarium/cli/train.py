"""`genarium train RECIPE`: flags come from the recipe's signature."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genarium import recipes
from genarium.cli import processes
from genarium.cli.parser import add_settings, given
from genarium.errors import UserError
from genarium.runs import configuration as config
from genarium.training import world


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    name = rest[0] if rest and not rest[0].startswith("-") else _from_file(rest)
    lines = [f"  {e.name:14} {e.summary}" for e in recipes.catalogue().values()]
    parser.epilog = "recipes:\n" + "\n".join(lines)
    parser.epilog += "\n\n`genarium train RECIPE --help` shows the settings of a recipe too."
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="what to train (see below)")
    parser.add_argument("--config", metavar="FILE", help="a configuration file; flags override it")
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: runs/RECIPE-DATA-N)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    processes.add_arguments(parser, ["train", *rest])
    settings = _common()
    if name is not None:
        recipe = recipes.get(name)
        parser.description = f"Train {recipe.name}: {recipe.doc.split(chr(10), 1)[0]}"
        if recipe.paper:
            parser.description += f"\n{recipe.paper}."
        own = config.recipe_fields(recipe)
        add_settings(parser, f"settings of {recipe.name}", own)
        settings += own
    add_settings(parser, "data", [_as_data_flag(f) for f in settings if f.section == "data"])
    add_settings(parser, "training", [f for f in settings if f.section == "training"])
    parser.set_defaults(settings=settings)


def _from_file(rest: list[str]) -> str | None:
    """The recipe that `--config FILE` names, when the command line names none."""
    for flag, value in zip(rest, [*rest[1:], ""]):
        path = value if flag == "--config" else flag.removeprefix("--config=")
        if flag == "--config" or flag.startswith("--config="):
            recipe = config.read_yaml(Path(path)).get("recipe")
            return str(recipe) if recipe else None
    return None


def _common() -> list[config.Field]:
    return config.common_fields()


def _as_data_flag(setting: config.Field) -> config.Field:
    """`data.source` is the flag --data on the command line."""
    if setting.name != "source":
        return setting
    return config.Field("data", "data", setting.type, setting.default, setting.help)


def layers(found: Any) -> list[Mapping[str, Mapping[str, Any]]]:
    """The configuration file and the flags, lowest first."""
    file: dict[str, Any] = {}
    if found.config:
        file = config.read_yaml(Path(found.config))
        file.pop("recipe", None)
    flags = given(found, [_as_data_flag(f) for f in found.settings])
    if "data" in flags.get("data", {}):
        flags["data"]["source"] = flags["data"].pop("data")
    return [file, flags]


def run(found: Any) -> int:
    name = found.recipe or _from_file(["--config", found.config] if found.config else [])
    if name is None:
        raise UserError(
            f"name a recipe: genarium train {'|'.join(recipes.catalogue())} (or --config FILE)"
        )
    recipe = recipes.get(name)
    resolved = config.resolve(recipe, *layers(found))
    status = processes.several(found.processes, found.command)
    if status is not None:
        return status
    from genarium.api import _old as api
    from genarium.cli import show
    from genarium.runs.building import load_configured

    first = world.rank() == 0
    progress = first and not found.quiet
    dataset = load_configured(resolved, progress=progress)
    trained = api.train_config(resolved, dataset, out=found.out, progress=progress)
    if first:
        show.trained(trained, as_json=found.json)
    return 0
