"""Every verb: the function and the command are one thing, and `genarium` shows them all."""

from __future__ import annotations

import argparse
import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import genarium
from genarium import plugins, verbs
from genarium.cli import verbs as command
from genarium.cli.parser import Parser
from genarium.errors import UserError
from genarium.runs.sampling import declared
from genarium.signatures import Field, check, name_of

CATALOGUE = verbs.catalogue()
OF_THE_COMMAND = {"out", "overwrite", "form", "json", "quiet", "processes", "help"}
"""What the command adds: where and how a result is shown, and how many processes work."""


def parser_of(name: str, *words: str) -> tuple[verbs.Verb, argparse.ArgumentParser]:
    verb = CATALOGUE[name].load()
    parser = Parser(prog=f"genarium {name}")
    command.add_arguments(parser, verb, words)
    return verb, parser


def settings_of(verb: verbs.Verb, *words: str) -> list[Field]:
    return (
        [field for fields in verb.settings(words).values() for field in fields]
        if (verb.settings)
        else []
    )


def flags_of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The actions of a parser by the name of the argument that they are."""
    results = {}
    for action in parser._actions:
        flags = [f for f in action.option_strings if not f.startswith("--no-")]
        flag = max(flags, key=len, default="")
        results[name_of(flag) if flag else action.dest] = action
    return results


@pytest.mark.parametrize("name", CATALOGUE)
def test_function_and_command_have_the_same_arguments(name: str) -> None:
    words = ["vae"] if name == "train" else []
    verb, parser = parser_of(name, *words)
    parameters = dict(inspect.signature(verb.function).parameters)
    progress = parameters.pop("progress", None)
    rest = [p.name for p in parameters.values() if p.kind is p.VAR_KEYWORD]
    settings = settings_of(verb, *words)
    sampler = {*declared()} if rest == ["sampler"] else set()
    assert bool(rest) == bool(settings or sampler)
    assert bool(settings) == verb.takes_settings
    of_function = {*parameters} - {*rest} | {field.name for field in settings} | sampler
    # flags that have another name than their argument: --class is `condition`
    names = {name_of(a.flag): a.name for a in verb.arguments.values() if not a.place}
    of_command = {names.get(flag, flag) for flag in flags_of(parser)}
    assert of_command - of_function <= OF_THE_COMMAND
    assert of_function <= of_command
    assert ("quiet" in of_command) == (progress is not None)
    assert ("processes" in of_command) == (verb.processes is not None)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_bare_command_calls_with_the_function_s_own_defaults(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command passes on what was given, and nothing else."""
    verb, parser = parser_of(name)
    needs = [a for a in verb.arguments.values() if a.required]
    assert all(a.place for a in needs), "what must be given is given by place"
    args = parser.parse_args(["x" for _ in needs])
    seen: dict[str, Any] = {}

    class Done(Exception): ...

    def function(**values: Any) -> None:
        seen.update(values)
        raise Done

    monkeypatch.setattr(verb, "function", function)
    monkeypatch.setattr(verb, "processes", None)
    with pytest.raises(Done):
        command.run(verb, args)
    assert {*seen} - {"progress"} == {a.name for a in needs}


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_argument_has_help_and_a_default_of_its_type(name: str) -> None:
    verb = CATALOGUE[name].load()
    for field in [*verb.arguments.values(), *settings_of(verb)]:
        assert field.help, f"{name}: {field.name}"
        if not field.required and field.default is not None and not field.look.raw:
            assert check(field, field.default) == field.default
    assert verb.summary.endswith(".")
    assert verb.group in verbs.GROUPS


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_misspelt_argument_gets_the_right_one(name: str) -> None:
    verb = CATALOGUE[name].load()
    if verb.takes_settings:
        pytest.skip("further settings are those of a recipe or of the data: test below")
    for field in (f for f in verb.arguments.values() if len(f.name) > 3):
        wrong = field.name[:-1] + "q" + field.name[-1]
        with pytest.raises(UserError, match=f"argument {wrong} is unknown: did you mean"):
            CATALOGUE[name].call()(**{wrong: 1})


def test_misspelt_settings_get_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="argument widht is unknown: did you mean width"):
        genarium.train("vae", widht=3)
    with pytest.raises(UserError, match="argument siez is unknown: did you mean size"):
        genarium.show_data("digits", siez=3)
    with pytest.raises(UserError, match=r"^width 0: give a number above 0$"):
        genarium.train("vae", width=0)
    with pytest.raises(UserError, match=r"^log_every 0: "):
        genarium.train("vae", log_every=0)


# ------------------------------------------------------------------ the public face


def named_for_editors() -> Iterator[tuple[str, str]]:
    """(module, name) of the imports that only type checkers and editors follow."""
    tree = ast.parse(Path(genarium.__file__).read_text(encoding="utf-8"))
    for block in (node for node in tree.body if isinstance(node, ast.If)):
        for node in (n for n in block.body if isinstance(n, ast.ImportFrom)):
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_the_face_names_every_verb_for_editors_and_for_people() -> None:
    functions = {entry.function: entry for entry in CATALOGUE.values()}
    shown = {name: module for module, name in named_for_editors()}
    assert {*functions} <= {*shown}
    assert {*shown} == {*genarium.__all__}
    assert len(genarium.__all__) == len({*genarium.__all__})
    for name, entry in functions.items():
        assert shown[name] == f"genarium.api.{entry.file.stem}"
        assert getattr(genarium, name) is entry.call()
    for name in genarium.__all__:
        assert getattr(genarium, name) is not None
    assert {*genarium.__all__} <= {*dir(genarium)}


@pytest.mark.parametrize(
    "room",
    [
        "data",
        "models",
        "evaluation",
        "features",
        "latent",
        "nn",
        "runs",
        "study",
        "report",
        "studio",
    ],
)
def test_rooms_resolve_to_packages(room: str) -> None:
    assert getattr(genarium, room).__name__ == f"genarium.{room}"
    assert room in dir(genarium)


def test_a_name_that_is_not_there_is_no_import_error() -> None:
    with pytest.raises(AttributeError, match="'smaple'"):
        genarium.smaple  # noqa: B018


def test_own_verbs_join_the_face_and_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The errand "add a verb": one file, and it is in the library, the command and the help."""
    (tmp_path / "brightness.py").write_text(OWN, encoding="utf-8")
    monkeypatch.setenv(plugins.PATH, str(tmp_path))
    from genarium.cli import main

    assert genarium.brightness(3).to_dict() == {"level": 6}
    assert "brightness" in dir(genarium)
    assert main(["brightness", "3", "--factor", "4"]) == 0
    assert capsys.readouterr().out == "level 12\n"
    assert main(["brightness", "3", "--json"]) == 0
    assert '"level": 6' in capsys.readouterr().out
    assert main(["brightness", "3", "--factor", "0"]) == 2
    assert "--factor '0': give a number above 0" in capsys.readouterr().err
    assert main([]) == 0
    assert "yours:\n  brightness" in capsys.readouterr().out


OWN = '''
from dataclasses import dataclass
from typing import Annotated
from annotated_types import Gt
from genarium.api._results import Result
from genarium.verbs import verb

@dataclass(repr=False)
class Level(Result):
    level: int
    def text(self):
        return f"level {self.level}"
    def to_dict(self):
        return {"level": self.level}

@verb("yours")
def brightness(start: int, *, factor: Annotated[int, Gt(0)] = 2) -> Level:
    """A number, multiplied.

    start: where it begins.
    factor: how many times.
    """
    return Level(start * factor)
'''


# ------------------------------------------------------------------ nothing heavy before it is used


def test_the_face_and_every_help_load_no_torch() -> None:
    """One process for all: each parser of each verb, its help written out."""
    program = """
import sys
import genarium
assert "torch" not in sys.modules, "import genarium"
dir(genarium)
from genarium import verbs
from genarium.cli import main
for name in ("", *verbs.catalogue()):
    try:
        main([*name.split(), "--help"])
    except SystemExit as end:
        assert not end.code
    assert "torch" not in sys.modules, name
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: genarium") == 1 + len(CATALOGUE)
