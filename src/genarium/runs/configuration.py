"""The configuration of a run: recipe + arguments, data, training; from a file, from flags.

Defaults < configuration file < flags. Every value is checked against the type in a signature:
the recipe's for its arguments, `DataOptions` and `TrainOptions` for the rest. The sections of a
file are those that a run writes to its config.yaml:

    recipe: vae
    arguments: {latent: 16}
    data: {source: digits, size: "28"}
    training: {steps: 2000, batch: 128, seed: 0}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genarium.data.options import FORMER
from genarium.errors import UserError
from genarium.signatures import (
    Field,
    Flag,
    check,
    dataclass_fields,
    fields_of,
    renamed,
    unknown,
)
from genarium.training import files
from genarium.training.options import BUDGET

DEEPEST = 20
"""Levels of a configuration file; the parser calls itself for each."""


@dataclass
class Config:
    """A resolved configuration: every setting has its value."""

    recipe: str
    arguments: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def common_fields() -> list[Field]:
    """The settings of the data and of the training, the same for every recipe."""
    from genarium.data import DataOptions
    from genarium.training.options import TrainOptions

    source = Field("data", "source", str, "digits", "what to train on", Flag("--data"))
    return [
        source,
        *dataclass_fields("data", DataOptions),
        *dataclass_fields("training", TrainOptions),
    ]


def recipe_fields(recipe: Any) -> list[Field]:
    """The settings of a recipe: its signature."""
    return fields_of("arguments", recipe.function, recipe.parameters())


def resolve(recipe: Any, *layers: Mapping[str, Mapping[str, Any]]) -> Config:
    """Defaults overlaid by `layers` (section -> name -> value), each value checked."""
    from genarium.recipes import Recipe

    assert isinstance(recipe, Recipe)
    fields = {(f.section, f.name): f for f in [*recipe_fields(recipe), *common_fields()]}
    config = Config(recipe.name)
    for setting in fields.values():
        getattr(config, setting.section)[setting.name] = setting.default
    # a recipe's budget holds where none is given; its other defaults lie under what is given
    budget = {name: recipe.training[name] for name in BUDGET if name in recipe.training}
    budget = {name: check(fields["training", name], value) for name, value in budget.items()}
    own = {name: value for name, value in recipe.training.items() if name not in BUDGET}
    for layer in ({"training": own}, *layers):
        for section, values in layer.items():
            mine = [each for each in fields.values() if each.section == section]
            for name, value in renamed(mine, values).items():
                declared = fields.get((section, name))
                if declared is None:
                    known = [n for s, n in fields if s == section]
                    raise unknown(name, known, f"{section} setting")
                getattr(config, section)[name] = check(declared, value)
    training = config.training
    if all(training[name] is None for name in BUDGET):
        training |= budget
    if training["batch"] is None:
        training["batch"] = recipe.training["batch"]
    return config


def current(config: Config, recipe: Any) -> Config:
    """A run's configuration with its arguments by the names that the recipe has today."""
    arguments = renamed(recipe_fields(recipe), config.arguments)
    return dataclasses.replace(config, arguments=arguments)


def route(recipe: Any, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Sort flat keyword arguments into their sections, by name."""
    fields = {f.name: f for f in [*common_fields(), *recipe_fields(recipe)]}
    layer: dict[str, dict[str, Any]] = {}
    for name, value in renamed(fields.values(), values).items():
        if name not in fields:
            raise unknown(name, list(fields), "argument")
        layer.setdefault(fields[name].section, {})[name] = value
    return layer


# ------------------------------------------------------------------------------ files


def read_yaml(path: Path) -> dict[str, Any]:
    """A configuration file as a dict: texts, numbers, true, false, null, lists and mappings.

    Tags, aliases, duplicate keys, deep nesting and what YAML 1.1 reads as something else than it
    looks like (dates, 1:30 as 90) are a `UserError`.
    """
    import yaml

    where = f"--config {path}"
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader(where))
    except FileNotFoundError:
        raise UserError(f"{where} does not exist: check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UserError(f"{where} cannot be read ({reason}): name another file") from None
    except yaml.YAMLError as error:
        text = " ".join(str(error).split())
        raise UserError(f"{where} is not plain YAML: {text}") from None
    if not isinstance(content, dict):
        raise UserError(f"{where}: expected the keys recipe, arguments, data, training")
    known = ["recipe", "arguments", "data", "training"]
    for key, value in content.items():
        if key not in known:
            raise unknown(key, known, "key", f"{where}: ")
        if key == "recipe" and not isinstance(value, str):
            raise UserError(f"{where}: recipe must be the name of one recipe, not {value!r}")
        if key != "recipe" and not isinstance(value, dict):
            raise UserError(f"{where}: {key} must hold `name: value` lines")
    return content


def read_given(path: Path) -> dict[str, Any]:
    """What `--config FILE` says.

    A file that a run wrote, and nobody changed, names every setting that there was: what it lacks
    came later, and is as it was then, so that training it again is the same training.
    """
    content = read_yaml(path)
    return as_it_was(content) if files.intact(path.read_bytes()) else content


def as_it_was(content: Mapping[str, Any]) -> dict[str, Any]:
    """A run's configuration with the values, at its time, of the settings that are newer."""
    from genarium.recipes import catalogue

    entry = catalogue().get(content.get("recipe", ""))
    former = entry.former if entry is not None else {}
    return {
        **content,
        "arguments": {**former, **content.get("arguments", {})},
        "data": {**FORMER, **content.get("data", {})},
    }


def _loader(where: str) -> Any:
    """A YAML loader for plain data; where: for errors."""
    import yaml

    class Loader(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()
            line = event.start_mark.line + 1
            if isinstance(event, yaml.events.AliasEvent):
                raise UserError(f"{where}: aliases (*name) are not allowed: write it out")
            if getattr(event, "tag", None) not in (None, "!"):
                raise UserError(f"{where}: not plain YAML, a tag in line {line}: leave it out")
            self.depth += 1
            if self.depth > DEEPEST:
                raise UserError(f"{where}: more than {DEEPEST} levels deep in line {line}")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    def mapping(loader: Any, node: Any) -> dict[str, Any]:
        results: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise UserError(f"{where}: key {key!r} is not a text: quote it")
            if key in results:
                line = key_node.start_mark.line + 1
                raise UserError(f"{where}: key {key} twice, again in line {line}: keep one")
            results[key] = loader.construct_object(value_node, deep=True)
        return results

    def number(kind: Any) -> Any:
        def construct(loader: Any, node: Any) -> Any:
            try:
                if ":" in node.value:
                    raise ValueError
                return kind(loader, node)
            except ValueError:
                line = node.start_mark.line + 1
                text = node.value if len(node.value) <= 40 else node.value[:40] + "..."
                raise UserError(
                    f"{where}: {text} in line {line} is no number: quote it if it is a text"
                ) from None

        return construct

    resolver = yaml.resolver.BaseResolver
    Loader.add_constructor(resolver.DEFAULT_MAPPING_TAG, mapping)
    Loader.add_constructor("tag:yaml.org,2002:int", number(Loader.construct_yaml_int))
    Loader.add_constructor("tag:yaml.org,2002:float", number(Loader.construct_yaml_float))
    # a date is the text that it looks like
    Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)
    return Loader


def write_yaml(path: Path, config: Config) -> None:
    """Write a configuration so that `--config` reads it back; a kill leaves the old or the new.

    Raises OSError when the disk does not take it.
    """
    import yaml

    def plain(value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return [plain(v) for v in value]
        if isinstance(value, Mapping):
            return {k: plain(v) for k, v in value.items()}
        return value

    # the last line, a comment, is the checksum of all above it
    text = yaml.safe_dump(plain(config.to_dict()), sort_keys=False)
    files.write(path, files.marked(text))
