"""The data sets that are built in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genarium.api._results import Result
from genarium.verbs import verb

if TYPE_CHECKING:
    from genarium.data import SourceInfo


@dataclass(repr=False)
class Sources(Result):
    """Data sets by name: name, summary and licence each, and those of GENARIUM_PATH."""

    rows: list[SourceInfo]

    def to_dict(self) -> dict[str, Any]:
        return {"sources": self.facts()}

    def facts(self) -> Any:
        return [row._asdict() for row in self.rows]

    def text(self) -> str:
        return "\n".join(f"{r.name:<14} {r.summary}\n{'':<14} {r.licence}" for r in self.rows)


@verb("data", name="data list")
def list_data() -> Sources:
    """List the built-in data sets."""
    from genarium.data import list_sources

    return Sources(list_sources())
