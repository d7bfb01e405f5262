"""The field's terms: private words of earlier versions come back neither as names nor in texts."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGES = [
    ROOT / "README.md",
    ROOT / "experiments" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]

NAMES = {
    "found": "args, result, or what it is",
    "Found": "ScannedFile",
    "told": "conditioned_on, conditioning, context",
    "Told": "Conditioned",
    "trick": "regularizer",
    "tricks": "regularizers",
    "Trick": "Regularizer",
    "Tricks": "Regularizers",
    "TRICKS": "REGULARIZERS",
    "tricks_of": "regularizers_of",
    "each_trick": "each_regularizer",
    "game": "adversarial",
    "unaligned": "unpaired",
    "apart": "unpaired, distances, stride",
    "LOUDNESS": "CONDITION_SCALE",
    "Middle": "DeterministicNoise",
    "lies_last": "is_channels_last",
    "walks": "interpolations",
    "walks_of": "interpolations_of",
    "replay": "copying",
    "honest": "control",
    "accused": "detected, false positive",
}
"""Identifiers of earlier versions -> what to write."""

WORDS = {
    r"tricks?": "regularizer, augmentation, normalization",
    r"games?": "adversarial training, adversarial loss",
    r"(?:is|are|was|were|be) (?:never |not )?told (?:a |the )?"
    r"(?:class|label|caption|text|attribute|row|code|vector)\w*": "conditioned on",
    r"told the class": "conditioned on the class",
    r"packs? of": "group (PacGAN)",
    r"unaligned": "unpaired",
    r"found out": "detected",
    r"accus\w+": "false positive",
    r"honest(?:ly)?": "control",
    r"replay\w*": "copy, reproduce",
    r"(?:samples?|that) pays? for": "say what got worse and by how much",
    r"walks? (?:between|of \d|a row)": "interpolation",
}
"""Words of texts (docstrings, comments, messages, pages) -> what to write."""

STAY = {
    ("src/genarium/models/gan/gan.py", "tricks"),  # a name in checkpoints
    ("src/genarium/models/gan/arguments.py", "tricks"),  # the old name that is still read
    ("src/genarium/models/text_to_image/fusion.py", "told"),  # a name in checkpoints
    ("src/genarium/models/gan/gan.py", "trick"),  # the truncation trick of Brock et al.
    ("docs/adversarial.md", "trick"),  # the same
    ("src/genarium/report/history.py", "game"),  # a loss's name in old logs
    ("docs/glossary.md", "game"),  # the theory's minimax game
}
"""(file, word) that are right where they are."""


def misplaced(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, word and what to write, for each private word of a file."""
    name = path.relative_to(ROOT).as_posix()
    if path.suffix == ".py":
        with tokenize.open(path) as stream:
            for token in tokenize.generate_tokens(stream.readline):
                word = token.string
                if token.type == tokenize.NAME and word in NAMES and (name, word) not in STAY:
                    yield token.start[0], word, NAMES[word]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        for pattern, instead in WORDS.items():
            for match in re.finditer(rf"(?<![\w.-]){pattern}(?![\w-])", line, re.IGNORECASE):
                if (name, match[0].lower()) not in STAY:
                    yield number, match[0], instead


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_private_word(path: Path) -> None:
    lines = [f"line {line}: {word!r}: write {new}" for line, word, new in misplaced(path)]
    assert not lines, f"{path.relative_to(ROOT)}:\n" + "\n".join(lines)


def test_what_stays_is_there() -> None:
    """An exception that nobody needs any more is taken out of the list."""
    for name, word in STAY:
        assert re.search(rf"\b{word}\b", (ROOT / name).read_text(encoding="utf-8")), (name, word)


def test_a_private_word_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_words.ROOT", tmp_path)
    source, page = tmp_path / "a.py", tmp_path / "a.md"
    source.write_text('"""A copy is found out."""\nfound = 1  # it was found\nx.told = found\n')
    page.write_text(
        "A GAN that is told the class, by a trick.\nThe samples pay for it.\nPacks of two.\n"
    )
    assert [(line, word) for line, word, _ in misplaced(source)] == [
        (2, "found"),
        (3, "told"),
        (3, "found"),
        (1, "found out"),
    ]
    assert [(line, word) for line, word, _ in misplaced(page)] == [
        (1, "trick"),
        (1, "is told the class"),
        (1, "told the class"),
        (2, "samples pay for"),
        (3, "Packs of"),
    ]
