"""Where a flag belongs that the verb at hand does not take."""

from __future__ import annotations

import functools

from genarium import recipes, verbs
from genarium.cli.processes import PROCESSES

SHOWN = 3
"""Verbs or recipes that are named, at most."""


def place_of(flag: str) -> str:
    """ "it is of `genarium sample`, ...", "it is of the recipe tarflow, ...", both, or nothing.

    Read from the signatures, which imports the recipes.
    """
    parts = []
    of_verbs = [name for name in verbs.catalogue() if flag in _of_verb(name)]
    if "train" not in of_verbs:
        of_recipes = [name for name in recipes.catalogue() if flag in _of_recipe(name)]
        if len(of_recipes) == len(recipes.catalogue()):
            of_verbs = ["train", *of_verbs]
        elif of_recipes:
            several = "s" if len(of_recipes) > 1 else ""
            parts = [f"of the recipe{several} {_some(of_recipes)}, in training"]
    if of_verbs:
        parts.append(f"of {_some([f'`genarium {name}`' for name in of_verbs])}")
    return f"it is {', and '.join(parts)}" if parts else ""


@functools.cache
def _of_verb(name: str) -> frozenset[str]:
    verb = verbs.catalogue()[name].load()
    own = {argument.flag for argument in verb.arguments.values() if not argument.place}
    own |= {PROCESSES.flag} if verb.processes else set()
    return frozenset(own | _settings(name, []))


@functools.cache
def _of_recipe(name: str) -> frozenset[str]:
    return frozenset(_settings("train", [name]))


def _settings(verb: str, words: list[str]) -> set[str]:
    """The flags of the further settings that a verb takes with these words behind it."""
    of = verbs.catalogue()[verb].load().settings
    return {field.flag for fields in of(words).values() for field in fields} if of else set()


def _some(names: list[str]) -> str:
    shown, rest = names[:SHOWN], len(names) - SHOWN
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
