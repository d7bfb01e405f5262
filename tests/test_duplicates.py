"""No ten lines of the same logic stand twice in `src`."""

from __future__ import annotations

import ast
import itertools
import textwrap
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

import genarium

PACKAGE = Path(genarium.__file__).parent
LINES = 10
"""As many lines one after another, the same in two places, are one thing too many."""


class Line(NamedTuple):
    """A line of code as it is compared, and where it stands."""

    text: str
    file: str
    number: int


def lines(source: str, file: str) -> list[Line]:
    """The lines that hold logic, stripped: no comments, docstrings, imports or lone brackets.

    The arguments of a verb do not count either: they are what users, editors and `help` read, so
    they stand there in full, and what each is (type, check, help) is said once by its type.
    """
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node):
            left_out |= {*range(node.lineno, (node.end_lineno or node.lineno) + 1)}  # type: ignore[attr-defined]
        if isinstance(node, ast.FunctionDef) and any(map(_is_verb, node.decorator_list)):
            left_out |= {*range(node.lineno, node.body[0].lineno)}
    results = []
    for number, line in enumerate(source.splitlines(), 1):
        text = line.strip()
        if number not in left_out and text.strip("()[]{},:") and not text.startswith("#"):
            results.append(Line(text, file, number))
    return results


def _is_text(node: ast.AST) -> bool:
    """A docstring, or the ... of a protocol."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_verb(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "verb"


def repeated(modules: dict[str, str], least: int = LINES) -> list[str]:
    """Where `least` lines in a row or more stand a second time: "a.py:3 and b.py:7: 12 lines"."""
    code = [lines(source, file) for file, source in modules.items()]
    places: defaultdict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for module, written in enumerate(code):
        for i in range(len(written) - least + 1):
            places[tuple(line.text for line in written[i : i + least])].append((module, i))
    results = []
    for here, there in itertools.chain.from_iterable(
        itertools.combinations(each, 2) for each in places.values() if len(each) > 1
    ):
        (a, i), (b, j) = here, there
        if a == b and j - i < least:
            continue  # it overlaps itself
        if i and j and code[a][i - 1].text == code[b][j - 1].text:
            continue  # told of where it begins
        size = 0
        for one, other in zip(code[a][i:], code[b][j:]):
            if one.text != other.text:
                break
            size += 1
        first, second = code[a][i], code[b][j]
        results.append(
            f"{first.file}:{first.number} and {second.file}:{second.number}: {size} lines"
        )
    return sorted(results)


def test_no_ten_lines_stand_twice() -> None:
    modules = {
        str(file.relative_to(PACKAGE)): file.read_text(encoding="utf-8")
        for file in sorted(PACKAGE.rglob("*.py"))
    }
    assert repeated(modules) == []


BODY = "\n".join(f"x{i} = f(x{i - 1}) + {i}" for i in range(1, 11))
ARGUMENTS = "*,\n" + "\n".join(f"a{i}: int = {i}," for i in range(10)) + "\n"


@pytest.mark.parametrize(
    ("one", "other", "is_found"),
    [
        (BODY, f"def f(x0):\n{textwrap.indent(BODY, '    ')}\n", True),
        (BODY, f'"""Text."""\n# a comment\n{BODY}'.replace("\n", "\n\n"), True),
        (BODY, BODY.replace("x5 =", "x5 = 2 *"), False),
        (BODY.replace("x5", "y"), BODY.replace("x5", "z"), False),
        (f"def f({ARGUMENTS}): return 1", f"def g({ARGUMENTS}): return 2", True),
        (f"@verb('a')\ndef f({ARGUMENTS}):\n  1", f"@verb('a')\ndef g({ARGUMENTS}):\n  2", False),
        ("import a, b\n" * 12, "import a, b\n" * 12, False),
    ],
)
def test_the_rule_sees_what_is_the_same(one: str, other: str, is_found: bool) -> None:
    result = repeated({"one.py": one, "other.py": other})
    assert any("one.py" in line and "other.py" in line for line in result) == is_found


def test_a_file_that_repeats_itself_is_found() -> None:
    assert repeated({"one.py": f"{BODY}\ny = 1\n{BODY}"}) == ["one.py:1 and one.py:12: 10 lines"]
