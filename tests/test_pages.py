"""Every command and every piece of Python on every page is checked; a page cannot leave itself out.

The rule, for README.md, CONTRIBUTING.md, docs/*.md and experiments/README.md:

- A line of a shell block is `genarium ...`, `python FILE ...`, `make TARGET`, `pip install` of an
  extra, `git ...` or `export ...`; anything else fails. So do an unknown language of a block and a
  heading that stands twice.
- Each `genarium ...`, in a block or in the text, goes through the real command up to the call of
  the library: its verb and flags exist, each value is one of its flag's type, the recipe and its
  settings resolve, --out has an ending that the verb can write. Names in capitals stand for
  something of the reader's: N, S for a number, RECIPE for vae.
- A file of Python that a page names is there.
- Each block of Python compiles, what it imports of `genarium` is there, each `genarium.x.y` can be
  reached, and a verb is called with arguments that it has.

What the pages show as a course of commands is run, with few steps and images: the quick start of
README.md here, others in `test_docs.py` and `test_errands.py`.
"""

from __future__ import annotations

import ast
import functools
import importlib
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import genarium
from genarium import cli, plugins, verbs
from genarium.cli import processes

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "experiments" / "README.md",
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DOTTED = re.compile(r"genarium(\.\w+)+")
LANGUAGES = {"", "sh", "python", "yaml", "diff"}
STANDS_FOR = {"N": "3", "S": "3", "RECIPE": "vae", "...": ""}

pages = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def blocks(text: str, language: str) -> list[str]:
    return [block for kind, block in BLOCK.findall(text) if kind == language]


def shell(text: str) -> list[list[str]]:
    """The words of each line of the shell blocks."""
    lines = "\n".join(blocks(text, "sh")).replace("\\\n", " ").split("\n")
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def commands(text: str) -> list[list[str]]:
    """The words behind `genarium`, of blocks and of the text."""
    plain = BLOCK.sub("", text)
    inline = [shlex.split(part) for part in re.findall(r"`(genarium\s[^`]+)`", plain)]
    results = [words[1:] for words in [*shell(text), *inline] if words[0] == "genarium"]
    return [
        [word for given in words if (word := STANDS_FOR.get(given, given))] for words in results
    ]


class Called(Exception):
    """The library would be called now."""


def check(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command up to the call of the library; raise AssertionError with what it says."""
    entries = verbs.catalogue()
    name = next((n for n in (" ".join(words[:2]), *words[:1]) if n in entries), None)
    if name is not None and words == name.split():
        return  # a verb that the text names
    with monkeypatch.context() as patch:
        if name is not None:
            verb = entries[name].load()
            assert isinstance(verb.arguments, dict)  # and what it returns: of its own function
            assert verb.result if verb.out else True

            @functools.wraps(verb.function)
            def reached(**_: Any) -> None:
                raise Called

            patch.setattr(verb, "function", reached)
            patch.setattr(processes, "several", lambda *_: None)
            if name == "resume":  # whose first look is at the run
                patch.setattr(verb, "processes", lambda **_: None)
        status: Any = 0
        try:
            status = cli.main(words)
            ended = name is not None
        except Called:
            ended = False
        except SystemExit as end:  # --help
            status, ended = end.code, False
        assert not status
        assert not ended, f"{name} ended before its call"


def test_the_check_sees_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in (
        "train vea",
        "train vae --latent x",
        "train vae --latnet 3",
        "train vae --steps 0",
        "sample RUN --out samples.gif",
        "smaple RUN",
        "sample --seed 1",
        "data lst",
        "train vae extra words",
    ):
        with pytest.raises(AssertionError):
            check(wrong.split(), monkeypatch)
    for right in ("train vae --latent 3", "sample RUN --out a.png", "data list", "train --help"):
        check(right.split(), monkeypatch)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of GENARIUM_PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(plugins.PATH, str(tmp_path))
    _forget()
    yield tmp_path
    _forget()


def _forget() -> None:
    """Flags that a page's own samplers add are of this page alone; a process reads them once."""
    for entry in verbs.catalogue().values():
        vars(entry.load()).pop("arguments", None)


@pages
def test_each_command_is_one_that_the_program_has(
    page: Path, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page.read_text(encoding="utf-8")
    for name, code in re.findall(r"<!-- runnable: (\S+) -->\n```python\n(.*?)```", text, re.DOTALL):
        if "\n@" in code:  # what a page shows how to add, its commands use
            (own / name).write_text(code, encoding="utf-8")
    (own / "run.yaml").write_text("recipe: vae\n", encoding="utf-8")
    for words in commands(text):
        try:
            check(words, monkeypatch)
        except AssertionError as error:
            said = capsys.readouterr().err
            raise AssertionError(f"{page.name}: genarium {' '.join(words)}: {said}") from error


@pages
def test_each_other_line_of_a_shell_block_names_what_is_there(page: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    extras = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    for first, *rest in shell(page.read_text(encoding="utf-8")):
        if first == "make":
            assert rest[0] in targets, rest
        elif first == "pip":
            assert rest[0] == "install"
            named = re.fullmatch(r"genarium(?:\[([\w,]+)\])?|torch", rest[1])
            assert named, rest[1]
            assert {*(named[1] or "hub").split(",")} <= {*extras}
        elif first == "python":
            check_script(*rest)
        else:
            assert first in {"genarium", "export", "git", "uvx", "uv", "pipx"}, first


def check_script(file: str, *rest: str) -> None:
    """A script of the repository, and flags that its source or its helpers' names."""
    assert (ROOT / file).is_file(), file
    helpers = (ROOT / file).parent.glob("_*.py")
    source = "".join(f.read_text(encoding="utf-8") for f in (ROOT / file, *helpers))
    for flag in (word for word in rest if word.startswith("--")):
        assert f'"{flag}"' in source, f"{file} {flag}"


@pages
def test_blocks_say_their_language_and_no_section_stands_twice(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# ")  # an empty page has nothing wrong
    assert {kind for kind, _ in BLOCK.findall(text)} <= LANGUAGES
    assert text.count("\n```") == 2 * len(BLOCK.findall(text))
    above, seen = "", Counter[str]()
    for level, title in re.findall(r"^(#+) (.+)$", BLOCK.sub("", text), re.MULTILINE):
        above = title if level == "##" else above
        seen[f"{above}/{title}" if len(level) > 2 else title] += 1
    assert [title for title, times in seen.items() if times > 1] == []


@pages
def test_each_file_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8").partition("\n### Before\n")[0]  # of an old checkout
    known = {str(file) for file in ROOT.rglob("*.py")}
    own = {*re.findall(r"<!-- runnable: (\S+) -->", text)}
    named = {*re.findall(r"`([\w/]+\.py)`", text)} - own
    lost = [name for name in named if not any(file.endswith(f"/{name}") for file in known)]
    assert lost == []


def is_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


@pages
def test_each_name_of_the_library_that_python_uses_is_there(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8"), "python"):
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("genarium"):
                home = importlib.import_module(str(node.module))
                for alias in node.names:
                    name = f"{node.module}.{alias.name}"
                    # a module of a package is its attribute only once it has been imported
                    assert hasattr(home, alias.name) or is_module(name), name
            elif isinstance(node, ast.Attribute) and DOTTED.fullmatch(ast.unparse(node)):
                functools.reduce(getattr, ast.unparse(node).split(".")[1:], genarium)
            elif isinstance(node, ast.Call) and DOTTED.fullmatch(ast.unparse(node.func)):
                check_call(node)


def check_call(node: ast.Call) -> None:
    """A verb is called with arguments that it has."""
    name = ast.unparse(node.func).removeprefix("genarium.")
    function = functools.reduce(getattr, name.split("."), genarium)
    if not hasattr(function, "verb"):
        return
    verb = verbs.of(function)  # type: ignore[arg-type]
    given = {keyword.arg for keyword in node.keywords}
    if verb.takes_settings:
        place = next((a.value for a in node.args[:1] if isinstance(a, ast.Constant)), "vae")
        settings = verb.settings([str(place)]) if verb.settings else {}
        given -= {field.name for fields in settings.values() for field in fields}
    assert given <= {*verb.arguments, *verb.places, "progress"}, ast.unparse(node)


FEW = {
    "train": ["--steps", "3", "--batch", "8", "--width", "4", "--device", "cpu", "--quiet"],
    "resume": ["--steps", "5", "--quiet"],
    "evaluate": ["-n", "32", "--metrics", "fid"],
    "compare": ["-n", "32", "--metrics", "fid"],
}


def test_the_readme_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands of its quick start in their order, then its Python."""
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    for folder in ("photos/a", "photos/b", "samples"):
        (tmp_path / folder).mkdir(parents=True)
        for shade in range(16):
            color = (16 * shade, len(folder), 255 - 7 * shade)
            Image.new("RGB", (40, 32), color).save(tmp_path / folder / f"{shade}.png")
    for name in ("one.png", "two.png"):
        Image.new("L", (28, 28)).save(tmp_path / name)
    cells = np.random.default_rng(0).integers(0, 4096, (40, 16, 16, 4)).astype(np.uint16)
    np.save(tmp_path / "cells.npy", cells)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    quick = text[text.index("## Quick start") : text.index("## Which one is better")]
    course = [words for words in commands(quick) if "--help" not in words]
    assert len(course) == 16
    for words in course:
        assert cli.main([*words, *FEW.get(words[0], [])]) == 0, capsys.readouterr().err
    assert (tmp_path / "samples.png").is_file()
    assert (tmp_path / "report.html").is_file()
    (script,) = blocks(text, "python")
    for full, few in (
        ("steps=500", "steps=3, batch=8, width=4, device='cpu'"),
        ("evaluate(vae)", "evaluate(vae, n=32, metrics='fid')"),
        ("compare([vae, gan])", "compare([vae, gan], n=32, metrics='fid')"),
    ):
        assert full in script
        script = script.replace(full, few)
    results: dict[str, Any] = {}
    exec(compile(script, "README.md", "exec"), results)
    assert results["codes"].shape[0] == 2
    assert (tmp_path / "walk.png").is_file()
