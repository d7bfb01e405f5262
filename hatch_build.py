"""What an index page needs of the package, made at build time: addresses, and a README for there.

Where `[tool.genarium] repository` of pyproject.toml is filled in, the package gets its addresses,
and what the README names relatively (pictures, pages, files) is named by that address at the tag
of this version. Where it is empty nothing points anywhere: pictures are left out, links are their
text.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")
CAPTION = re.compile(r"\n+\*[^*\n][^*]*\*\n")
"""A paragraph in italics, as it stands below a picture."""


def addresses(repository: str, version: str) -> dict[str, str]:
    """The addresses of a project at `repository`, a GitHub or GitLab page."""
    return {
        "Repository": repository,
        "Documentation": f"{repository}/tree/v{version}/docs",
        "Changelog": f"{repository}/blob/v{version}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def page(text: str, repository: str, version: str) -> str:
    """A README as an index shows it; `repository` may be empty."""

    def absolute(match: re.Match[str]) -> str:
        picture, words, target = match.groups()
        kind = "raw" if picture else "blob"
        return f"{picture}[{words}]({repository}/{kind}/v{version}/{target})"

    def plain(match: re.Match[str]) -> str:
        return "" if match[1] else match[2]

    if repository:
        return LINK.sub(absolute, text)
    without = re.sub(LINK.pattern.replace("(!?)", "(!)", 1) + CAPTION.pattern, "\n", text)
    return re.sub(r"\n{3,}", "\n\n", LINK.sub(plain, without))


class Hook(MetadataHookInterface):
    """Fills in `readme` and `urls`."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        root = Path(self.root)
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        repository = project["tool"]["genarium"]["repository"].rstrip("/")
        text = (root / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": page(text, repository, metadata["version"]),
        }
        if repository:
            metadata["urls"] = addresses(repository, metadata["version"])
