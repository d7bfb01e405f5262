"""The reference, from what the program itself knows: verbs, settings of recipes, the library."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import genarium
from genarium import recipes, verbs
from genarium.cli import verbs as command
from genarium.cli.parser import Parser
from genarium.runs.configuration import common_fields, recipe_fields
from genarium.signatures import Field

WIDTH = 88
"""Characters of a line of code that the page shows without scrolling."""


def escaped(text: str) -> str:
    """Plain text for a cell of a table in Markdown."""
    return re.sub(r"([\\*_\[\]<>|])", r"\\\1", " ".join(text.split()))


def of_command() -> str:
    """Each verb's help, as the command prints it."""
    lines = ["# The command", "", "What `genarium VERB --help` prints, of every verb.", ""]
    for group, entries in _groups():
        lines += [f"## {group.capitalize()}", ""]
        for entry in entries:
            verb = entry.load()
            parser = Parser(prog=f"genarium {entry.name}")
            command.add_arguments(parser, verb, ["vae"] if entry.name == "train" else [])
            lines += [f"### genarium {entry.name}", ""]
            lines += ["```text", _wide(parser).rstrip(), "```", ""]
    return "\n".join(lines)


def _wide(parser: Any) -> str:
    import argparse
    import functools

    parser.formatter_class = functools.partial(argparse.RawDescriptionHelpFormatter, width=WIDTH)
    return str(parser.format_help())


def _groups() -> Iterator[tuple[str, list[verbs.Entry]]]:
    known: dict[str, list[verbs.Entry]] = {}
    for entry in verbs.catalogue().values():
        known.setdefault(entry.group, []).append(entry)
    for group, entries in known.items():
        yield verbs.GROUPS.get(group, group), entries


def of_library() -> str:
    """Each verb as a function, then the classes of the public face."""
    lines = ["# The library", "", "`import genarium` loads nothing; each name on first use.", ""]
    lines += ["## Verbs", ""]
    for entry in verbs.catalogue().values():
        verb = entry.load()
        lines += [f"### genarium.{entry.function}", ""]
        lines += _signature(entry.function, entry.call(), typed=False)
        lines += [escaped(verb.summary), "", f"On the command line: `genarium {entry.name}`.", ""]
        lines += _table(verb.arguments.values())
        if verb.out:
            lines += [f"Its result is saved by `out=` or `.save()`: {escaped(verb.out)}", ""]
    lines += ["## Classes and functions", ""]
    named = {entry.function for entry in verbs.catalogue().values()}
    for name in genarium.__all__:
        if name not in named:
            lines += _thing(f"genarium.{name}", getattr(genarium, name))
    return "\n".join(lines)


def _signature(name: str, function: Any, typed: bool = True) -> list[str]:
    """How it is called, in lines that fit the page. typed: with the types of its arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        text = "(...)"
    else:
        if not typed:
            bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
            signature = signature.replace(
                parameters=bare, return_annotation=inspect.Signature.empty
            )
        # types that were written as text, without its quotes
        text = re.sub(r"ForwardRef\('(.*?)'\)", r"\1", str(signature))
        text = re.sub(r"((?:: |-> ))(['\"])(.*?)\2(?=[,)=]| =|$)", r"\1\3", text)
    wrapped = textwrap.wrap(
        name + text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return ["```python", *wrapped, "```", ""]


def _thing(name: str, value: Any) -> list[str]:
    lines = [f"### {name}", "", *_signature(name.rpartition(".")[2], value)]
    if doc := inspect.getdoc(value):
        lines += ["```text", doc, "```", ""]
    if inspect.isclass(value) and not issubclass(value, Exception):
        for key, member in inspect.getmembers(value):
            own = getattr(member, "__module__", "") or ""
            is_own = inspect.isfunction(member) and own.startswith("genarium.")
            if not key.startswith("_") and is_own and inspect.getdoc(member):
                lines += [f"#### {name}.{key}", "", *_signature(key, member)]
                lines += ["```text", inspect.getdoc(member) or "", "```", ""]
    return lines


def of_recipes() -> str:
    """Each recipe's own settings, then those that all have."""
    lines = ["# Recipes", "", "`genarium train RECIPE --SETTING VALUE`, or by name in Python.", ""]
    for entry in recipes.catalogue().values():
        recipe = entry.load()
        lines += [f"## {entry.name}", "", escaped(entry.summary), ""]
        lines += [f"{escaped(' / '.join(entry.taxonomy))}. {escaped(recipe.paper)}", ""]
        lines += _table(recipe_fields(recipe))
    lines += [
        "## Settings of every training",
        "",
        "Of data and training; see [data](../docs/data.md)",
    ]
    lines += ["and [training](../docs/training.md).", "", *_table(common_fields())]
    return "\n".join(lines)


def _table(fields: Any) -> list[str]:
    rows = [
        f"| `{field.name}` | {f'`{field.flag}`' if not field.place else escaped(field.shown)} "
        f"| {_default(field)} | {escaped(field.help)} |"
        for field in fields
        if not field.look.hidden
    ]
    heads = ["| name | on the command line | default | |", "|---|---|---|---|"]
    return [*heads, *rows, ""] if rows else []


def _default(field: Field) -> str:
    if field.required:
        return "needed"
    return "" if field.default is None else f"`{field.default!r}`".replace("|", "\\|")
