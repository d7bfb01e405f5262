"""The command at its edges: odd numbers, files and streams. The whole is in tools/campaigns."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genarium import errors, verbs
from genarium.cli import main
from genarium.cli import verbs as of_signature
from genarium.cli.parser import Parser
from genarium.errors import UserError
from genarium.features.subsets import small
from genarium.signatures import Field, check
from tests.cli.test_faults import fails, here  # noqa: F401
from tests.conftest import make_trainer, tiny_dataset

CAMPAIGNS = Path(__file__).parents[2] / "tools" / "campaigns"
COMMAND = [sys.executable, "-m", "genarium"]


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every verb, and every action of those that have some."""
    for name, entry in verbs.catalogue().items():
        parser = Parser(prog=f"genarium {name}")
        of_signature.add_arguments(parser, entry.load(), ["vae"])
        yield name, parser


PARSERS = dict(parsers())


# ------------------------------------------------------------------ flags


@pytest.mark.parametrize("verb", PARSERS)
def test_misspelt_flags_of_every_verb_and_action_get_the_right_one(
    capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    needs = [a for a in PARSERS[verb]._actions if not a.option_strings and a.nargs != "*"]
    head = [*verb.split(), *("vae" if verb == "train" else "x" for _ in needs)]
    flags = [f for a in PARSERS[verb]._actions for f in a.option_strings if len(f) > 4]
    for flag in flags:
        line = fails(capsys, *head, f"{flag[:-1]}q{flag[-1]}", "1")
        assert "is unknown: did you mean --" in line


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("train vae --shift 2", "flag --shift is not taken here, it is of `genarium "),
        (
            "sample x --schedule cosine",
            "is not taken here, it is of `genarium train`: see `genariu",
        ),
        ("sample x --processes 2", "it is of `genarium resume`, `genarium train`: see"),
        ("sample x --lr 3", "it is of `genarium train`, `genarium invert`, "),
        (
            "train tarflow --width 16",
            "more, in training, and of `genarium features train`: see `genarium train",
        ),
        ("train vae --bins 3", "it is of the recipe spline-flow, in training: see `genarium train"),
        ("sample x --patch 2", "--patch is not taken here, it is of the recipes ddpm, edm, flow-"),
    ],
)
def test_a_flag_of_another_verb_or_recipe_is_not_taken_for_a_misspelt_one(
    capsys: pytest.CaptureFixture[str], command: str, line: str
) -> None:
    assert line in fails(capsys, *command.split())


@pytest.mark.parametrize("verb", [v for v, p in PARSERS.items() if "--seed" in str(vars(p))])
@pytest.mark.parametrize("seed", [-1, 2**63, 2**64, 10**40])
def test_seeds_that_no_generator_takes_are_refused(
    capsys: pytest.CaptureFixture[str], verb: str, seed: int
) -> None:
    needs = [a for a in PARSERS[verb]._actions if not a.option_strings and a.nargs != "*"]
    head = [*verb.split(), *("vae" if verb == "train" else "x" for _ in needs)]
    assert "--seed" in fails(capsys, *head, "--seed", str(seed))


@pytest.mark.parametrize(
    "arguments",
    [["sample", ""], ["sample", "x", "--out="], ["data", "show", ""], ["compare", "x", ""],
     ["train", "vae", "--data="], ["arithmetic", "x", "--plus", "0-1", "--plus="],
     ["demo", "--out", ""]],
)  # fmt: skip
def test_empty_texts_are_refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert "is empty: give a value" in fails(capsys, *arguments)


def test_scikit_learn_gets_seeds_of_32_bits() -> None:
    assert [small(seed) for seed in (0, 1, 2**32 - 1)] == [0, 1, 2**32 - 1]
    large = {small(seed) for seed in (2**32, 2**32 + 1, 2**63 - 1)}
    assert len(large) == 3
    assert all(0 <= seed < 2**32 for seed in large)


def test_a_message_is_one_line_whatever_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    for odd in ("a\nb", "a\rb", "\x1b[2J", "a\u2028b", os.fsdecode(b"\xff")):
        line = fails(capsys, "sample", odd)
        assert line.isprintable()


@pytest.mark.parametrize(
    "arguments",
    ["sample {}", "data show {}", "train vae --config {}", "train vae --out {}", "evaluate {}",
     "study serve {}", "compare {}", "reconstruct {}", "train vae --data {}"],
)  # fmt: skip
def test_names_that_are_too_long_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    fails(capsys, *(word.format("x" * 300) for word in arguments.split()))
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ values and YAML

INT = Field("training", "steps", int, 1)
FLOAT = Field("training", "lr", float, 1.0)
BOOL = Field("training", "flip", bool, False)
TEXT = Field("data", "cache", str | None, None)
INTS = Field("arguments", "categories", tuple[int, ...], ())
SIZE = Field("data", "size", str | None, None)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *((INT, v) for v in (True, "yes", b"1", [1], {"a": 1}, 1.5, float("nan"), 10**12)),
        *((FLOAT, v) for v in (True, False, "yes", b"1", [1.0], float("inf"), "nan")),
        *((BOOL, v) for v in (1, 0, 1.0, "maybe", [True], b"1")),
        *((TEXT, v) for v in (-1, 5, 1.5, True, b"x", ["x"], "a\0b", "\ud800")),
        *((INTS, v) for v in ([True], [1, False], ["x"], {"a": 1}, [[1]], [10**12])),
        *((SIZE, v) for v in (True, 1.5, b"28", [28])),
    ],
)  # fmt: skip
def test_values_of_another_type_are_refused(setting: Field, value: Any) -> None:
    with pytest.raises(UserError, match=setting.flag):
        check(setting, value)


@pytest.mark.parametrize(
    ("setting", "value", "result"),
    [
        *[(INT, "8", 8), (INT, 8, 8), (INT, 8.0, 8), (FLOAT, 1, 1.0), (FLOAT, "1e-4", 1e-4)],
        *[(BOOL, "true", True), (BOOL, False, False), (TEXT, "none", None), (TEXT, "é", "é")],
        *[(INTS, "1,2", (1, 2)), (INTS, [1, 2], (1, 2)), (SIZE, 28, "28"), (SIZE, None, None)],
    ],
)
def test_values_are_read_by_type(setting: Field, value: Any, result: Any) -> None:
    read = check(setting, value)
    assert read == result
    assert type(read) is type(result)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("recipe: [vae]", "recipe must be the name"),
        ("recipe: 2020-01-01", "2020-01-01"),
        ("recipe: !!binary aGVsbG8=", "a tag in line 1"),
        ("recipe: vae\ntraining: {seed: 2020-01-01}", "--seed '2020-01-01'"),
        ("recipe: vae\ntraining: {steps: 1:30}", "1:30 in line 2 is no number"),
        ("recipe: vae\ntraining: {steps: 0b_}", "is no number"),
        (f"recipe: vae\ntraining: {{steps: {'9' * 5000}}}", "is no number"),
        ("recipe: dcgan\narguments: {lr: yes}", "--lr True: give a number, not true or false"),
        ("recipe: vae\ntraining: {keep: true}", "--keep True"),
        ("recipe: vae\ndata: {cache: -1}", "--cache -1"),
        ("recipe: vae\ndata: {source: 5}", "--data 5"),
        ("[" * 5000, "levels deep"),
        ("{" * 5000, "levels deep"),
        ("- " * 5000, "levels deep"),
    ],
)
def test_yaml_that_is_no_plain_configuration(
    here: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    text: str,
    words: str,
) -> None:
    (here / "c.yaml").write_text(text)
    assert words in fails(capsys, "train", "--config", "c.yaml")
    assert [p.name for p in here.iterdir()] == ["c.yaml"]


def test_a_configuration_file_that_is_no_text(
    here: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    (here / "c.yaml").write_bytes(bytes(range(256)))
    assert "no UTF-8 text" in fails(capsys, "train", "--config", "c.yaml")


def test_one_image_a_batch_is_refused_where_the_batch_is_normalized(
    here: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = fails(capsys, "train", "infogan", "--batch", "1", "--steps", "1", "--out", "r")
    assert "--batch 1" in line
    assert list(here.iterdir()) == []
    make_trainer("dcgan", tiny_dataset(), batch=1)  # whose maps have pixels to normalize over


# ------------------------------------------------------------------ memory

BLOCKS = {
    "torch": lambda: torch.empty(2**55),
    "torch, more than 64 bits": lambda: torch.empty(2**62, 2**62),
    "torch, a view": lambda: torch.zeros(1).repeat(2**62),
    "numpy": lambda: np.empty(2**55),
    "numpy, more than 64 bits": lambda: np.empty((2**62, 2**62)),
}


@pytest.mark.parametrize("block", BLOCKS)
def test_memory_that_is_not_there_is_one_line_in_any_verb(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, block: str
) -> None:
    monkeypatch.setattr("genarium.recipes.catalogue", lambda: BLOCKS[block]())
    assert "out of memory" in fails(capsys, "models", status=1)


@pytest.mark.parametrize("kind", [RuntimeError, ValueError])
def test_other_errors_are_not_called_out_of_memory(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def broken() -> int:
        raise kind("the size of tensor a (3) must match the size of tensor b (4)")

    monkeypatch.setattr("genarium.recipes.catalogue", broken)
    with pytest.raises(kind, match="must match"):
        main(["models"])
    assert errors.out_of_memory(MemoryError())


# ------------------------------------------------------------------ streams and signals


def shell(line: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A shell's command line, `genarium` in it this package's."""
    words = line.replace("genarium", " ".join(COMMAND), 1)
    return subprocess.run(
        ["sh", "-c", words], capture_output=True, text=True, env={**os.environ, **env}, check=False
    )


@pytest.mark.parametrize("arguments", ["models", "models --json", "data list", "--version"])
def test_a_full_stdout_is_one_line(arguments: str) -> None:
    done = shell(f"genarium {arguments} > /dev/full")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("genarium: stopped: ")
    assert "No space left" in line


@pytest.mark.parametrize(
    ("closed", "status"),
    [(">&-", 2), ("2>&-", 2), ("<&- >&- 2>&-", 2), ("2>/dev/full", 2), (">/dev/full", 2)],
)
def test_closed_and_full_streams_change_no_status(closed: str, status: int) -> None:
    done = shell(f"genarium models --zz {closed}")
    assert done.returncode == status
    assert "Traceback" not in done.stdout + done.stderr


def test_a_locale_without_the_sign_shows_it_as_an_escape() -> None:
    script = "from genarium.cli.streams import ensure; ensure(); print('FID ↓ \\udcff')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "FID \\u2193 \\udcff\n")


def test_ctrl_c_in_the_first_moments_is_one_line() -> None:
    """Once `genarium` has begun: before that Python itself answers."""
    sys.path.insert(0, str(CAMPAIGNS))
    try:
        import usages
    finally:
        sys.path.remove(str(CAMPAIGNS))
    draw = random.Random(0)
    for _, status, said in usages.interrupts([draw.uniform(0, 0.6) for _ in range(8)]):
        # python's own start answers with a traceback, and so may the line that starts `main`
        assert "/genarium/cli/" not in said, said
        assert "Traceback" in said or said in ("", "genarium: interrupted\n") or status == 2


def test_a_part_of_the_campaign_of_wrong_usages(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, CAMPAIGNS / "usages.py", "--stride", "20", "--base", tmp_path,
         "--kinds", "flags", "settings", "names", "surroundings"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 tracebacks, 0 faults" in done.stdout


def test_a_warning_of_the_data_is_said_once_with_a_picture(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    np.save(tmp_path / "x.npy", np.full((30, 8, 8), 900, np.uint16))
    out = str(tmp_path / "x.png")
    assert main(["data", "show", str(tmp_path / "x.npy"), "--show", "0", "--out", out]) == 0
    assert [record.message.count("(10 bits)") for record in caplog.records].count(1) == 1
