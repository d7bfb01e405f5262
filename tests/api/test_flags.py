"""From a signature to flags: what an argument says of itself, and values that are given again."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from genarium import cli, verbs
from genarium.api._results import Result
from genarium.api._types import Images, Seed
from genarium.cli import verbs as of_signature
from genarium.verbs import Flag, Help, verb


@dataclass(repr=False)
class Said(Result):
    given: dict[str, Any]

    def text(self) -> str:
        return str(self.given)

    def to_dict(self) -> dict[str, Any]:
        return self.given


@verb("about")
def say(
    *,
    start: Annotated[Images | None, Flag("--from", "START", raw=True), Help("the first")] = None,
    word: Annotated[list[str] | None, Flag(metavar="WORD", repeat=True)] = None,
    others: Annotated[Images | None, Flag(metavar="IMAGES", several=True, raw=True)] = None,
    seed: Annotated[Seed, Help("of this")] = 0,
    old: Annotated[str | None, Flag(hidden=True)] = None,
) -> Said:
    """Say what was given."""
    return Said({"start": start, "word": word, "others": others, "seed": seed, "old": old})


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser()
    of_signature.add_arguments(result, verbs.of(say), [])
    return result


def test_an_argument_s_own_flag_and_help_win_over_its_type_s(parser) -> None:
    arguments = verbs.of(say).arguments
    assert arguments["start"].flag == "--from"
    assert arguments["start"].help == "the first"
    assert not arguments["start"].look.repeat  # as `Images` itself has
    assert arguments["seed"].help == "of this"
    assert "--from START" in parser.format_help()


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("", {}),
        ("--word a", {"word": ["a"]}),
        ("--word a --word b", {"word": ["a", "b"]}),
        ("--others a b", {"others": ["a", "b"]}),
        ("--others a b --others c", {"others": ["a", "b", "c"]}),
        ("--old x", {"old": "x"}),
    ],
)
def test_values_that_are_given_repeatedly(words: str, given: dict, parser, capsys) -> None:
    assert of_signature.run(verbs.of(say), parser.parse_args(words.split())) == 0
    nothing = {"start": None, "word": None, "others": None, "seed": 0, "old": None}
    assert capsys.readouterr().out == f"{ {**nothing, **given} }\n"


def test_an_old_name_is_not_in_the_help(parser) -> None:
    assert "--old" not in parser.format_help()


@pytest.mark.parametrize("words", [["sample"], ["data", "list"], ["study", "serve"]])
def test_help_and_errors_name_the_verb_alone(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Not the usage of the whole command, which stands above the list of verbs."""
    name = " ".join(["genarium", *words])
    with pytest.raises(SystemExit):
        cli.main([*words, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: {name} [-h]")
    assert cli.main([*words, "x", "--qqq"]) == 2
    assert f"see `{name} --help`" in capsys.readouterr().err


EVERY = [(name, []) for name in verbs.catalogue()] + [("train", ["dcgan"]), ("train", ["vae"])]


@pytest.mark.parametrize(("name", "words"), EVERY, ids=str)
def test_help_says_every_default_that_is_a_number_and_ends_alike(
    name: str, words: list[str]
) -> None:
    verb = verbs.catalogue()[name].load()
    parser = argparse.ArgumentParser()
    of_signature.add_arguments(parser, verb, words)
    actions = [action for action in parser._actions if action.help not in (argparse.SUPPRESS, None)]
    texts = {max(a.option_strings, key=len, default=a.dest): str(a.help) for a in actions}
    assert not {flag for flag, text in texts.items() if text.endswith(".")}
    settings = verb.settings(words) if verb.settings else {}
    fields = [*verb.arguments.values(), *(f for each in settings.values() for f in each)]
    numbers = [f for f in fields if isinstance(f.default, int | float) and f.default is not False]
    assert not {f.flag for f in numbers if "default" not in texts.get(f.flag, "default")}
