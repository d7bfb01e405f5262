"""Packages that export names of their modules, loaded on first use.

A package lists what it exports as imports that only a type checker runs, so that editors know the
names too; these lists are read here. The rest of a package's names are its modules.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from pathlib import Path


def homes(file: str) -> dict[str, str]:
    """Name -> module of what the imports under `if TYPE_CHECKING:` in `file` name."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"), filename=file)
    return {
        alias.asname or alias.name: str(node.module)
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def exports(
    package: str, file: str
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package that exports lazily."""
    known = homes(file)
    modules = {p.stem for p in Path(file).parent.iterdir() if p.suffix == ".py" or p.is_dir()}
    modules = {name for name in modules if not name.startswith("_")}

    def get(name: str) -> object:
        if name in known:
            return getattr(importlib.import_module(known[name]), name)
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: sorted({*known, *modules}), sorted(known)
