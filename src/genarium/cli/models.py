"""`genarium models`: the catalogue as the tree of families."""

from __future__ import annotations

import argparse
from typing import Any

from genarium import recipes


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("--json", action="store_true", help="print the catalogue as JSON")


def run(found: Any) -> int:
    from genarium.cli import show
    from genarium.contract import capabilities

    rows: list[dict[str, Any]] = []
    for entry in recipes.catalogue().values():
        recipe = entry.load()
        rows.append(
            {
                "name": entry.name,
                "taxonomy": list(entry.taxonomy),
                "summary": entry.summary,
                "paper": recipe.paper,
                "capabilities": list(capabilities(recipe.returns())),
                "arguments": recipe.defaults(),
            }
        )
    if found.json:
        show.as_json(rows)
        return 0
    rows.sort(key=lambda row: _rank(row["taxonomy"]))
    above: list[str] = []
    for row in rows:
        path = row["taxonomy"]
        for depth, part in enumerate(path):
            if path[: depth + 1] != above[: depth + 1]:
                print("  " * depth + part)
        above = path
        indent = "  " * len(path)
        print(f"{indent}{row['name']:<{24 - len(indent)}} {row['summary']}")
        print(f"{' ' * 25}{row['paper']}; can {', '.join(row['capabilities'])}")
    return 0


def _rank(taxonomy: list[str]) -> tuple[int, list[str]]:
    order = ["nonprobabilistic", "explicit", "implicit", "hybrid", "yours"]
    first = taxonomy[0] if taxonomy else ""
    # tractable before approximate, as the theory tells it
    rest = [{"tractable": "0", "approximate": "1"}.get(part, part) for part in taxonomy[1:]]
    return (order.index(first) if first in order else len(order), rest)
