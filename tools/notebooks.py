"""The notebooks from their text sources: notebooks/NAME.py -> notebooks/NAME.ipynb.

    python tools/notebooks.py                        # writes all; `make notebooks` does it
    python tools/notebooks.py --run vae --out DIR    # runs one as plain Python in DIR, and writes
                                                     # DIR/index.html: cells and what they showed

A source is Python in the percent format, which Jupytext, VS Code and PyCharm read too: `# %%`
begins a cell of code, `# %% [markdown]` one of text. A line `# %pip ...` is a command of the
notebook and a comment of the script. Two cells have a tag: "install", which tests leave out, and
"parameters": the numbers that cost time, with `quick={...}`, the values that tests take instead.

Read and written by hand, in the few lines below: tests and the documentation site need the cells
as well, in environments where no notebook can run. tests/test_notebooks.py holds the files to
Jupytext's reading and nbformat's schema where these are installed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import html
import io
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HEAD = re.compile(r"# %%(?: \[(markdown)\])?(.*)")
OPTION = re.compile(r"(\w+)=(.*?)(?=\s+\w+=|$)")
COMMAND = re.compile(r"^# (?=%\w)", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """kind: "code" or "markdown"; text: without what marks a comment; tags; quick: see above."""

    kind: str
    text: str
    tags: tuple[str, ...] = ()
    quick: Mapping[str, Any] = field(default_factory=dict)


def sources() -> list[Path]:
    """The text sources, in the order in which to read them."""
    order = (
        *("first_hour", "autoencoders", "vae", "autoregressive", "flows", "diffusion", "gans"),
        *("latent_space", "likelihoods", "which_is_better", "human_study", "own_images"),
    )
    files = {file.stem: file for file in (ROOT / "notebooks").glob("*.py")}
    return [files.pop(name) for name in order if name in files] + sorted(files.values())


def read(path: Path) -> list[Cell]:
    """The cells of a source. ValueError for text before the first cell, or options nobody knows."""
    cells: list[Cell] = []
    lines: list[str] = []
    kind, options = "", ""

    def close() -> None:
        text = "\n".join(lines).strip("\n")
        if not kind:
            if text:
                raise ValueError(f"{path.name}: begin with a cell, '# %%' or '# %% [markdown]'")
            return
        if kind == "markdown":
            text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.split("\n"))
        found = {name: ast.literal_eval(value) for name, value in OPTION.findall(options.strip())}
        if unknown := {*found} - {"tags", "quick"}:
            raise ValueError(f"{path.name}: a cell has the option {unknown.pop()}")
        cells.append(Cell(kind, text, tuple(found.get("tags", ())), found.get("quick", {})))

    for line in path.read_text(encoding="utf-8").split("\n"):
        head = HEAD.fullmatch(line)
        if head is None:
            lines.append(line)
            continue
        close()
        kind, options, lines = head[1] or "code", head[2], []
    close()
    return cells


def notebook(cells: list[Cell], *, quick: bool = False) -> dict[str, Any]:
    """The notebook (nbformat 4.5), without outputs.

    quick: as tests run it: nothing is installed, and the quick values follow the parameters.
    """
    made = []
    for cell in cells:
        if quick and "install" in cell.tags:
            continue
        made.append(_entry(cell, len(made)))
        if quick and cell.quick:
            made.append(_entry(Cell("code", _assignments(cell)), len(made)))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _entry(cell: Cell, number: int) -> dict[str, Any]:
    text = COMMAND.sub("", cell.text) if cell.kind == "code" else cell.text
    entry: dict[str, Any] = {"cell_type": cell.kind, "id": f"cell-{number}"}
    if cell.kind == "code":
        entry |= {"execution_count": None}
    entry |= {"metadata": {"tags": [*cell.tags]} if cell.tags else {}}
    if cell.kind == "code":
        entry |= {"outputs": []}
    return {**entry, "source": text.splitlines(keepends=True)}


def _assignments(cell: Cell) -> str:
    """The quick values as code. ValueError for one that the parameters do not have."""
    named = {
        target.id
        for node in ast.parse(cell.text).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    if unknown := {*cell.quick} - named:
        raise ValueError(f"quick has {unknown.pop()}, which the cell of parameters does not")
    return "\n".join(f"{name} = {value!r}" for name, value in cell.quick.items())


def dumped(cells: list[Cell]) -> str:
    """The file's text."""
    return json.dumps(notebook(cells), indent=1, ensure_ascii=False) + "\n"


@dataclass
class Shown:
    """What a cell gave: printed text, and the value of its last line, where that is not None."""

    cell: Cell
    text: str = ""
    value: Any = None
    seconds: float = 0.0


def run(cells: list[Cell], *, quick: bool = False) -> Iterator[Shown]:
    """Run the cells as plain Python, as a kernel would, and yield what each showed.

    quick: with the quick values in place of the parameters'. Works in the current folder.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        if cell.kind == "markdown":
            yield Shown(cell)
            continue
        tree = ast.parse(cell.text)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        printed, value, began = io.StringIO(), None, time.process_time()
        where = f"cell {number}"
        with contextlib.redirect_stdout(printed):
            exec(compile(tree, where, "exec"), names)
            if quick and cell.quick:
                exec(_assignments(cell), names)
            if last is not None:
                value = eval(compile(ast.Expression(last.value), where, "eval"), names)
        yield Shown(cell, printed.getvalue(), value, time.process_time() - began)


def page(shown: list[Shown]) -> str:
    """Cells and what they showed, as plain HTML to look at."""
    style = "body{max-width:60rem;margin:2rem auto;font:16px sans-serif}pre{background:#eee;"
    style += "padding:.5rem;white-space:pre-wrap}img{max-width:100%}"
    parts = [f"<!doctype html><meta charset=utf-8><style>{style}</style>"]
    for each in shown:
        text = html.escape(each.cell.text)
        if each.cell.kind == "markdown":
            parts.append(f'<div style="white-space:pre-wrap">{text}</div>')
            continue
        parts.append(f"<pre>{text}</pre><small>{each.seconds:.1f} s</small>")
        if each.text:
            parts.append(f"<pre>{html.escape(each.text)}</pre>")
        if each.value is not None:
            parts.append(view(each.value))
    return "\n".join(parts)


def view(value: Any) -> str:
    """What a notebook shows of a value."""
    as_html = getattr(value, "_repr_html_", None)
    return as_html() if as_html is not None else f"<pre>{html.escape(repr(value))}</pre>"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--run", metavar="NAME", help="run this one instead")
    parser.add_argument("--quick", action="store_true", help="with the values that tests take")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where --run works, a new folder")
    args = parser.parse_args()
    if args.run is None:
        for path in sources():
            path.with_suffix(".ipynb").write_text(dumped(read(path)), encoding="utf-8")
            print(path.with_suffix(".ipynb").relative_to(ROOT))
        return
    cells = read(ROOT / "notebooks" / f"{args.run}.py")
    out = args.out or ROOT / "build" / "notebooks" / args.run
    out.mkdir(parents=True)
    os.chdir(out)
    shown, began = [], time.monotonic()
    for each in run(cells, quick=args.quick):
        shown.append(each)
        Path("index.html").write_text(page(shown), encoding="utf-8")
    minutes, wall = time.process_time() / 60, (time.monotonic() - began) / 60
    print(f"{args.run}: {minutes:.1f} processor minutes, {wall:.1f} minutes; {out / 'index.html'}")


if __name__ == "__main__":
    main()
