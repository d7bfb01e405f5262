"""Your own files: the one loader of GENARIUM_PATH, a list of folders like PATH.

A Python file in one of these folders may hold recipes, data sources, feature extractors, metrics,
verbs and objectives of GANs, each a function (an objective: a class) under the decorator of its
kind:

    @recipe(...)  @source(...)  @feature_extractor(...)  @metric(...)  @verb(...)  @objective(...)

Files are read with `ast` first, so that listing what there is runs none of them; a file is imported
once, when something of it is used.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeAlias, TypeVar

from genarium.errors import UserError

PATH = "GENARIUM_PATH"
T = TypeVar("T")
Declared: TypeAlias = ast.FunctionDef | ast.ClassDef

USER = "genarium_user_"
"""What the names of modules of these files begin with."""


def files() -> tuple[Path, ...]:
    """Every Python file of the folders, by name; absolute, as modules say it."""
    results: list[Path] = []
    for folder in filter(None, os.environ.get(PATH, "").split(os.pathsep)):
        results += sorted(Path(folder).absolute().glob("*.py"))
    return tuple(results)


def declared(file: Path, decorator: str) -> list[Declared]:
    """The functions and classes of a file under `@decorator(...)`, unimported.

    Raises UserError for a file that cannot be read or is no Python.
    """
    try:
        stamp = file.stat().st_mtime_ns
    except OSError as error:
        raise _unreadable(file, error) from error
    return [node for node in _definitions(file, stamp) if decorator in _decorators(node)]


PACKAGE = Path(__file__).resolve().parent


@lru_cache(maxsize=512)
def _definitions(file: Path, stamp: int) -> tuple[Declared, ...]:
    try:
        text = file.read_text(encoding="utf-8")
        # of the package's own files only what is asked for: the help has to be there at once
        text = _heads(text) if file.is_relative_to(PACKAGE) else text
        tree = ast.parse(text, filename=str(file))
    except (SyntaxError, ValueError, OSError) as error:
        raise _unreadable(file, error) from error
    return tuple(node for node in tree.body if isinstance(node, Declared))


def _heads(text: str) -> str:
    """The decorated definitions of a file, without what comes after their docstrings."""
    parts = re.split(r"^(?=[^\s)\]}#])", text, flags=re.MULTILINE)  # at each statement
    kept, decorated = [], False
    for part in parts:
        if part.startswith("@"):
            kept.append(part)
        elif decorated:
            body = re.search(r':\n    """.*?"""\n', part, re.DOTALL)
            kept.append(part[: body.end()] if body else part)
        decorated = part.startswith("@")
    return "".join(kept)


def _decorators(node: Declared) -> set[str]:
    return {
        ast.unparse(decorator.func).split(".")[-1]
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
    }


def _unreadable(file: Path, error: Exception) -> UserError:
    shown = os.fsencode(file).decode("utf-8", "replace")
    return UserError(f"{PATH}: {shown} cannot be read: {error}")


def load(file: Path) -> ModuleType:
    """Import a file of the user's, once."""
    name = f"{USER}{file.stem}"
    if name in sys.modules and sys.modules[name].__file__ != str(file):
        name += f"_{abs(hash(str(file)))}"  # a file of another folder has this name
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def load_all(decorator: str) -> None:
    """Import every file that holds something under `@decorator(...)`."""
    for file in files():
        if declared(file, decorator):
            load(file)


class Registry(Generic[T]):
    """What stands under one decorator, by name, in the package, in a script and in these files."""

    def __init__(self, decorator: str):
        self.decorator = decorator
        self._known: dict[tuple[str, str], T] = {}

    def add(self, name: str, value: T, decorated: Callable[..., Any]) -> None:
        """Register `value` as what a function or class was decorated for."""
        home = decorated.__module__
        file = sys.modules[home].__file__ if home.startswith(USER) else None
        self._known[name, file or ""] = value

    def all(self) -> dict[str, T]:
        """Everything by name; of files, those of GENARIUM_PATH as it is now."""
        load_all(self.decorator)
        here = {"", *map(str, files())}
        return {name: value for (name, file), value in self._known.items() if file in here}
