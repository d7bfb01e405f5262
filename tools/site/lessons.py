"""The notebooks as pages, from their text sources.

Without outputs: a page with outputs would show what an earlier version computed, or cost each build
half an hour of a core. docs/notebooks.md has a picture of each, with its time.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import notebooks  # noqa: E402

DISPLAYED = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
INLINE = re.compile(r"(?<![\\$])\$([^$]+?)\$(?!\$)")
OTHER = re.compile(r"\]\((\w+)\.ipynb\)")


def pages() -> dict[str, str]:
    """Each notebook's page, by its name without ending, in the order in which to read them."""
    return {f"notebooks/{path.stem}": page(path) for path in notebooks.sources()}


def page(path: Path) -> str:
    """A notebook's page in MyST Markdown."""
    first, *cells = notebooks.read(path)
    title, _, rest = first.text.partition("\n")
    head = f"{{download}}`{path.stem}.ipynb` opens in Jupyter, VS Code and free notebook services."
    parts = [title, f"{head} [About the notebooks](../docs/notebooks.md).", text(rest.strip("\n"))]
    for cell in cells:
        if cell.kind == "markdown":
            parts.append(text(cell.text))
        else:
            parts.append(f"```python\n{notebooks.COMMAND.sub('', cell.text)}\n```")
    return "\n\n".join(parts) + "\n"


def text(markdown: str) -> str:
    """Markdown of a notebook -> MyST: formulas, and links to other notebooks."""
    markdown = DISPLAYED.sub(lambda m: f"```{{math}}\n{m[1].strip()}\n```", markdown)
    markdown = INLINE.sub(lambda m: "{math}`" + " ".join(m[1].split()) + "`", markdown)
    return OTHER.sub(r"](\1.md)", markdown)
