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
import difflib
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genarium.errors import UserError
from genarium.training import files


@dataclass(frozen=True)
class Field:
    """One setting: where it belongs, its type and default, and its help text."""

    section: str  # "arguments", "data" or "training"
    name: str
    type: Any
    default: Any
    help: str = ""

    @property
    def flag(self) -> str:
        # `from` cannot be a Python name
        return "--from" if self.name == "from_dir" else "--" + self.name.replace("_", "-")


@dataclass
class Config:
    """A resolved configuration: every setting has its value."""

    recipe: str
    arguments: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def dataclass_fields(section: str, kind: type) -> list[Field]:
    """The settings that a dataclass of options holds."""
    from genarium.recipes import argument_help

    hints = typing.get_type_hints(kind, include_extras=True)
    texts = argument_help(_dedent(kind.__doc__ or ""))
    found = []
    for f in dataclasses.fields(kind):
        found.append(Field(section, f.name, hints[f.name], f.default, texts.get(f.name, "")))
    return found


def _dedent(doc: str) -> str:
    import inspect

    return inspect.cleandoc(doc)


def common_fields() -> list[Field]:
    """The settings of the data and of the training, the same for every recipe."""
    from genarium.data import DataOptions
    from genarium.training.options import TrainOptions

    source = Field("data", "source", str, "digits", "a built-in data set or a folder of images")
    return [
        source,
        *dataclass_fields("data", DataOptions),
        *dataclass_fields("training", TrainOptions),
    ]


def recipe_fields(recipe: Any) -> list[Field]:
    """The settings of a recipe: its signature."""
    from genarium.recipes import argument_help

    texts = argument_help(recipe.doc)
    return [
        Field("arguments", name, p.annotation, p.default, texts.get(name, ""))
        for name, p in recipe.parameters().items()
    ]


def check(setting: Field, value: Any, shown: str | None = None) -> Any:
    """`value` as the setting's type, or a `UserError` that names it (as `shown`)."""
    from pydantic import TypeAdapter, ValidationError

    shown = shown or setting.flag
    if isinstance(value, str) and value.lower() in ("none", "null") and _optional(setting.type):
        return None
    if setting.type is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if _optional_str(setting.type) and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # size: 32 in a file
    if _is_sequence(setting.type) and isinstance(value, str):
        value = [part for part in value.replace(",", " ").split() if part]
    try:
        found = TypeAdapter(setting.type).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{shown} {value!r}: {_remedy(first)}") from None
    if isinstance(found, float) and not math.isfinite(found):
        raise UserError(f"{shown} {value!r}: give a finite number")
    return found


def _remedy(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    words = {
        "greater_than": "give a number above {gt}",
        "greater_than_equal": "give a number of at least {ge}",
        "less_than": "give a number below {lt}",
        "less_than_equal": "give a number of at most {le}",
        "literal_error": "choose {expected}",
        "int_parsing": "give a whole number",
        "int_from_float": "give a whole number",
        "int_type": "give a whole number",
        "float_parsing": "give a number",
        "float_type": "give a number",
        "bool_parsing": "give true or false",
        "bool_type": "give true or false",
        "string_type": "give a text (quote it in a YAML file)",
    }
    if kind in words:
        return words[kind].format(**context)
    message: str = error["msg"]
    return message[:1].lower() + message[1:]


def _optional(kind: Any) -> bool:
    return type(None) in typing.get_args(kind)


def _optional_str(kind: Any) -> bool:
    return set(typing.get_args(kind)) == {str, type(None)}


def _is_sequence(kind: Any) -> bool:
    return typing.get_origin(kind) in (tuple, list)


def unknown(name: str, known: list[str], what: str, where: str = "") -> UserError:
    """The error for a misspelt key or flag, with the nearest right one."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known))}"
    return UserError(f"{where}{what} {name} is unknown: {hint}")


def resolve(recipe: Any, *layers: Mapping[str, Mapping[str, Any]], names: str = "flag") -> Config:
    """Defaults overlaid by `layers` (section -> name -> value), each value checked.

    names: how errors call a setting: by its "flag" or its "argument" name.
    """
    from genarium.recipes import Recipe

    assert isinstance(recipe, Recipe)
    fields = {(f.section, f.name): f for f in [*recipe_fields(recipe), *common_fields()]}
    config = Config(recipe.name)
    for setting in fields.values():
        getattr(config, setting.section)[setting.name] = setting.default
    config.training["schedule"] = recipe.schedule
    for layer in layers:
        for section, values in layer.items():
            for name, value in values.items():
                found = fields.get((section, name))
                if found is None:
                    known = [n for s, n in fields if s == section]
                    raise unknown(name, known, f"{section} setting")
                shown = found.flag if names == "flag" else found.name
                getattr(config, section)[name] = check(found, value, shown)
    training = config.training
    if training["steps"] is None and training["epochs"] is None and training["minutes"] is None:
        training["steps"] = recipe.steps
    if training["batch"] is None:
        training["batch"] = recipe.batch
    return config


def route(recipe: Any, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Sort flat keyword arguments into their sections, by name."""
    fields = {f.name: f for f in [*common_fields(), *recipe_fields(recipe)]}
    layer: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name not in fields:
            raise unknown(name, list(fields), "argument")
        layer.setdefault(fields[name].section, {})[name] = value
    return layer


# ------------------------------------------------------------------------------ files


def read_yaml(path: Path) -> dict[str, Any]:
    """A configuration file as a dict: plain data only, no tags, no aliases, no duplicate keys."""
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise UserError(f"--config {path}: aliases (*name) are not allowed: write it out")
            return super().compose_node(parent, index)

    def mapping(loader: Any, node: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise UserError(f"--config {path}: key {key!r} is not a text: quote it")
            if key in found:
                line = key_node.start_mark.line + 1
                raise UserError(f"--config {path}: key {key} twice, again in line {line}: keep one")
            found[key] = loader.construct_object(value_node, deep=True)
        return found

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)
    except FileNotFoundError:
        raise UserError(f"--config {path} does not exist: check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        text = " ".join(str(error).split())
        raise UserError(f"--config {path} is not plain YAML: {text}") from None
    if not isinstance(content, dict):
        raise UserError(f"--config {path}: expected the keys recipe, arguments, data, training")
    known = ["recipe", "arguments", "data", "training"]
    for key, value in content.items():
        if key not in known:
            raise unknown(key, known, "key", f"--config {path}: ")
        if key != "recipe" and not isinstance(value, dict):
            raise UserError(f"--config {path}: {key} must hold `name: value` lines")
    return content


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
