"""What benchmarks compare, said on the command line."""

from __future__ import annotations


def side(text: str) -> tuple[str, str, dict[str, str]]:
    """NAME=RECIPE:ARGUMENT=VALUE,... as the name, the recipe and the arguments."""
    name, _, rest = text.partition("=")
    recipe, _, arguments = rest.partition(":")
    return name, recipe, dict(pair.split("=", 1) for pair in arguments.split(",") if pair)
