"""Captions that lie beside the images of a folder: one table, or a text file for each image.

    photos/metadata.jsonl     {"file_name": "a.png", "text": "a red circle"}, a line an image
    photos/metadata.csv       the same as a table with a head line
    photos/a.txt              the captions of a.png, a line each (a.TXT too)

The tables are those of the Hugging Face image folder: `file_name` is relative to the table, so one
may lie in each folder (train/, test/ ...); the caption is the column text, caption or prompt,
several of them a list (in .jsonl). Every text is UTF-8.
"""

from __future__ import annotations

import csv
import io
import json
import posixpath
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from genarium.data.collection import Collection, fingerprint
from genarium.data.decode import Bad, read_bytes
from genarium.data.names import shown
from genarium.data.scan import Scan, ScannedFile
from genarium.data.text import clean
from genarium.errors import UserError

TABLES = ("metadata.jsonl", "metadata.csv")
COLUMNS = ("text", "caption", "prompt")
FIRST = 3  # examples in a message
LARGEST = 1 << 28  # bytes of a file with captions


def attach(collection: Collection, scanned: Scan, label: str) -> Collection:
    """The images of a folder with the captions that lie beside them, if there are any.

    An image without one gets the empty caption, and a warning says how many do. UserError: a text
    that cannot be read, an image with two entries, captions of more than one kind.
    """
    where = f"--data {label}: "
    tables = [file for file in scanned.texts if _kind(file) in TABLES]
    warnings: list[str] = []
    kinds: dict[str, dict[str, str]] = {}
    for file in tables:
        kind = _kind(file)
        for name, caption in _table(file, where, warnings):
            home = kinds.setdefault(kind, {})
            if name in home:
                raise UserError(
                    f"{where}{shown(file.name)} names {shown(name)} twice: keep one entry, with "
                    "several captions as a list"
                )
            home[name] = caption
    if beside := _beside(scanned, where):
        kinds["NAME.txt"] = beside
    if len(kinds) > 1:
        raise UserError(f"{where}captions in {' and '.join(sorted(kinds))}: keep one of the kinds")
    if not kinds:
        return _warned(collection, warnings)
    ((kind, captions),) = kinds.items()
    if kind in TABLES:
        warnings += _missing(captions, scanned, kind, where)
    used = sum(_kind(file) == kind for file in tables) or len(captions)
    collection.info["ignored"] -= used
    return _warned(_captioned(collection, kind, captions, warnings), warnings)


def _kind(file: ScannedFile) -> str:
    """The name of a file below its folder, in small letters: METADATA.CSV is a table too."""
    return file.name.rpartition("/")[2].lower()


def _captioned(
    collection: Collection, kind: str, captions: dict[str, str], warnings: list[str]
) -> Collection:
    by_shown = {shown(name): caption for name, caption in captions.items()}
    parts = {
        key: replace(part, captions=[by_shown.get(name, "") for name in part.names or ()])
        for key, part in collection.parts.items()
    }
    every = [c for part in parts.values() for c in part.captions or ()]
    without = sum(not caption for caption in every)
    if without:
        warnings.append(f"{without} of {len(every)} images have no caption: theirs is empty")
    facts = {"from": kind, "images": len(every) - without, "without": without}
    # not part of the images' cache: a corrected caption leaves them as they are
    identity = fingerprint([collection.identity, [part.captions for part in parts.values()]])
    info = {**collection.info, "captions": facts}
    return replace(collection, parts=parts, info=info, identity=identity)


def _warned(collection: Collection, warnings: list[str]) -> Collection:
    if not warnings:
        return collection
    said = [*collection.info.get("warnings", ()), *map(shown, warnings)]
    return replace(collection, info={**collection.info, "warnings": said})


def _missing(captions: dict[str, str], scanned: Scan, kind: str, where: str) -> list[str]:
    """A warning for entries without an image; UserError where no entry has one."""
    names = {file.name for file in scanned.files}
    lost = [name for name in captions if name not in names]
    few = ", ".join(map(shown, lost[:FIRST]))
    if lost and len(lost) == len(captions):
        raise UserError(
            f"{where}{kind} names no image that is there ({few}): file_name is relative to the "
            "folder of the table"
        )
    return [f"{kind} names {len(lost)} images that are not there ({few})"] if lost else []


def _read(file: ScannedFile, where: str) -> str:
    try:
        return read_bytes(file.path, LARGEST).decode("utf-8-sig")
    except Bad as reason:
        raise UserError(f"{where}{shown(file.name)} cannot be read ({reason})") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where}{shown(file.name)} is not UTF-8 (byte {error.start}): save it as UTF-8"
        ) from None


def _beside(scanned: Scan, where: str) -> dict[str, str]:
    """The captions of images with a text file of their name."""
    texts: dict[str, ScannedFile] = {}
    stems = {image.name.rpartition(".")[0] for image in scanned.files}
    for file in scanned.texts:
        stem, _, suffix = file.name.rpartition(".")
        if suffix.lower() != "txt" or stem not in stems:
            continue
        if stem in texts:
            raise UserError(
                f"{where}{shown(texts[stem].name)} and {shown(file.name)} are of one image: keep "
                "one of them"
            )
        texts[stem] = file
    read = {stem: _read(file, where) for stem, file in texts.items()}
    return {
        image.name: read[image.name.rpartition(".")[0]]
        for image in scanned.files
        if image.name.rpartition(".")[0] in read
    }


def _table(file: ScannedFile, where: str, warnings: list[str]) -> Iterator[tuple[str, str]]:
    """(name of the image, captions, a line each) of every row that has a caption."""
    read = _json_lines if _kind(file).endswith(".jsonl") else _csv_lines
    folder, column, rows = posixpath.dirname(file.name), "", 0
    for number, row in read(_read(file, where), f"{where}{shown(file.name)}"):
        rows += 1
        column = column or next((name for name in COLUMNS if name in row), "")
        if "file_name" not in row or column not in row or row[column] is None:
            continue
        name = posixpath.normpath(posixpath.join(folder, str(row["file_name"])))
        line = f"{where}{shown(file.name)} line {number}"
        yield unicodedata.normalize("NFC", name), _words(row[column], line, column)
    if rows and not column:
        warnings.append(f"{file.name} has no column {', '.join(COLUMNS)}: no captions from it")


def _words(value: Any, line: str, column: str) -> str:
    """One caption, or several, a line each."""
    captions = value if isinstance(value, list) else [value]
    if not all(isinstance(caption, str) for caption in captions):
        raise UserError(f"{line}: {column} is {json.dumps(value)[:40]}: give a text")
    return "\n".join(map(clean, captions))


def _json_lines(text: str, where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):  # splitlines would cut within a text
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where} line {number} is not JSON ({error}): mend it") from None
        if not isinstance(row, dict):
            raise UserError(f'{where} line {number}: give an object, {{"file_name": ...}}')
        yield number, row


def _csv_lines(text: str, where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for row in lines:
            yield lines.line_num, row
    except csv.Error as error:
        raise UserError(f"{where} line {lines.line_num}: not CSV ({error}): mend it") from None
