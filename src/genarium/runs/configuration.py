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
import os
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genarium.errors import UserError
from genarium.training import files
from genarium.training.options import BUDGET

LARGEST = 10**9
"""The largest whole number of a setting that has no limit of its own."""

SEEDS = 2**63
"""Seeds are below this: what torch's generators take."""

DEEPEST = 20
"""Levels of a configuration file; the parser calls itself for each."""


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
    """`value` as the setting's type, or a `UserError` that names it (as `shown`).

    A text is read as the type says (flags are texts). Other types are not turned into one
    another: true is no number, a number no text (a size may be one), 1 is not true.
    """
    from pydantic import TypeAdapter, ValidationError

    shown = shown or setting.flag
    if isinstance(value, str) and value.lower() in ("none", "null") and _optional(setting.type):
        return None
    if setting.name == "size" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # size: 32 in a file
    if _is_sequence(setting.type) and isinstance(value, str):
        value = [part for part in value.replace(",", " ").split() if part]
    _strict(setting.type, value, shown)
    try:
        found = TypeAdapter(setting.type).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{shown} {value!r}: {_remedy(first)}") from None
    for each in found if isinstance(found, (tuple, list)) else (found,):
        if isinstance(each, float) and not math.isfinite(each):
            raise UserError(f"{shown} {value!r}: give a finite number")
        if isinstance(each, int) and abs(each) > LARGEST and not _limited(setting.type):
            raise UserError(f"{shown} {value!r}: give a number of at most {LARGEST}")
    return found


def _strict(kind: Any, value: Any, shown: str) -> None:
    """Raise for values that pydantic would turn into the type without a word."""
    bare = set(_parts(kind))
    given = value if isinstance(value, (tuple, list)) else (value,)
    for each in given:
        if isinstance(each, bool) and bool not in bare:
            wanted = "number" if bare & {int, float} else "text"
            raise UserError(f"{shown} {value!r}: give a {wanted}, not true or false")
        if isinstance(each, (int, float)) and not isinstance(each, bool) and bool in bare:
            raise UserError(f"{shown} {value!r}: give true or false")
        if isinstance(each, str) and not _readable(each):
            raise UserError(f"{shown} {each!r}: a text cannot hold NUL or half a character")
        if isinstance(each, (bytes, bytearray)):
            raise UserError(f"{shown} {value!r}: give a text or a number")


def _readable(text: str) -> bool:
    """Whether a text could be a name of a file: the system knows it, Unicode or not."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _parts(kind: Any) -> Iterator[Any]:
    """A type and all types in it: of Annotated[int, Gt(0)] | None also int."""
    yield kind
    for inner in typing.get_args(kind):
        yield from _parts(inner)


def _limited(kind: Any) -> bool:
    """Whether a type says an upper limit itself."""
    return any(hasattr(part, "lt") or hasattr(part, "le") for part in _parts(kind))


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
    # a recipe's budget holds where none is given; its other defaults lie under what is given
    budget = {name: recipe.training[name] for name in BUDGET if name in recipe.training}
    budget = {name: check(fields["training", name], value) for name, value in budget.items()}
    own = {name: value for name, value in recipe.training.items() if name not in BUDGET}
    for layer in ({"training": own}, *layers):
        for section, values in layer.items():
            for name, value in values.items():
                found = fields.get((section, name))
                if found is None:
                    known = [n for s, n in fields if s == section]
                    raise unknown(name, known, f"{section} setting")
                shown = found.flag if names == "flag" else found.name
                getattr(config, section)[name] = check(found, value, shown)
    training = config.training
    if all(training[name] is None for name in BUDGET):
        training |= budget
    if training["batch"] is None:
        training["batch"] = recipe.training["batch"]
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
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise UserError(f"{where}: key {key!r} is not a text: quote it")
            if key in found:
                line = key_node.start_mark.line + 1
                raise UserError(f"{where}: key {key} twice, again in line {line}: keep one")
            found[key] = loader.construct_object(value_node, deep=True)
        return found

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
