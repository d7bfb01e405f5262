"""The catalogue of recipes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genarium.api._results import Result
from genarium.verbs import verb


@dataclass(repr=False)
class Models(Result):
    """Every recipe: name, taxonomy, summary, paper, capabilities, arguments; a dict each."""

    rows: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        return {"models": self.rows}

    def facts(self) -> Any:
        return self.rows

    def text(self) -> str:
        lines: list[str] = []
        above: list[str] = []
        for row in sorted(self.rows, key=lambda row: _rank(row["taxonomy"])):
            path = row["taxonomy"]
            for depth, part in enumerate(path):
                if path[: depth + 1] != above[: depth + 1]:
                    lines.append("  " * depth + part)
            above = path
            indent = "  " * len(path)
            lines.append(f"{indent}{row['name']:<{24 - len(indent)}} {row['summary']}")
            facts = [row["paper"], f"can {', '.join(row['capabilities'])}"]
            lines.append(f"{' ' * 25}{'; '.join(filter(None, facts))}")
        return "\n".join(lines)


@verb("about", name="models")
def list_models() -> Models:
    """List every recipe as the tree of families, with what each can do."""
    from genarium import recipes
    from genarium.contract import capabilities

    rows = []
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
    return Models(rows)


def _rank(taxonomy: list[str]) -> tuple[int, list[str]]:
    order = ["nonprobabilistic", "explicit", "implicit", "hybrid", "yours"]
    first = taxonomy[0] if taxonomy else ""
    # tractable before approximate, as the theory has it
    places = {"tractable": "0", "approximate": "1", "path": "2"}
    rest = [places.get(part, part) for part in taxonomy[1:]]
    return (order.index(first) if first in order else len(order), rest)
