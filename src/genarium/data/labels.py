"""Labels and attributes of images: from arrays beside them, or from a table of files.

    photos.csv     file,class,age,stain          --labels photos.csv --label-column class
                   a/1.png,tumour,61,HE

A table is CSV, TSV (or CSV with semicolons) with a line of names at its head, or parquet. One
column names the files, as they lie below the folder of the data: `file_name`, `file`, `filename`,
`path`, `image` or `name`, else the first one. The label is the column of `--label-column`, else one
called `label`, `class`, `target` or `category`; its values are the classes, in the order of the
numbers where all are numbers, else of the alphabet. All other columns are attributes: of numbers,
or of at most `MOST_VALUES` different texts; what is neither is left out with a warning.
"""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genarium.data.collection import Collection, Part, fingerprint
from genarium.data.decode import read_bytes
from genarium.data.files.reader import optional
from genarium.data.formats import Bad
from genarium.data.names import shown
from genarium.data.options import DataOptions
from genarium.errors import UserError, unreadable

FILES = ("file_name", "file", "filename", "path", "image", "name")
LABELS = ("label", "class", "target", "category")
SPLIT = ("split", "set", "fold")
MOST_CLASSES = 10_000
MOST_VALUES = 64
LARGE = 10.0  # numbers beyond it are worth a word
LARGEST = 1 << 28  # bytes of a table
FIRST = 3  # examples in a message


@dataclass
class Table:
    """names: of the images' files, each once. columns: a value a file, by name: text, or a
    number."""

    names: list[str]
    columns: dict[str, list[Any]]
    warnings: list[str] = field(default_factory=list)


def classes_of(values: NDArray) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """An array of labels [N] as numbers from 0 and the names of the classes, in sorted order.
    `Bad`: it is none."""
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "iubfUS":
        raise Bad(f"labels of type {values.dtype} {list(values.shape)}: give one whole number each")
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or (values != np.rint(values)).any():
            raise Bad("labels that are no whole numbers: numbers belong into a table, --labels")
        values = values.astype(np.int64)
    names, numbers = np.unique(values, return_inverse=True)
    if len(names) > MOST_CLASSES:
        raise Bad(f"{len(names)} different labels: more than {MOST_CLASSES} classes")
    return numbers.reshape(-1).astype(np.int64), tuple(shown(str(name)) for name in names)


# ------------------------------------------------------------------------ tables


def attach(collection: Collection, options: DataOptions, label: str) -> Collection:
    """The collection with the labels and attributes that `options.labels` names, where it does.

    UserError: the table cannot be read, an image has no line in it or two that differ, the images
    have no names.
    """
    if options.labels is None:
        return collection
    where = f"--labels {shown(options.labels)}"
    if any(part.names is None and len(part) for part in collection.parts.values()):
        raise UserError(
            f"{where}: the images of {label} have no files' names: put the labels into the file, "
            "or name an array of them with labels=FILE.npy"
        )
    path = Path(options.labels).expanduser()
    if not path.exists():
        raise UserError(f"{where}: does not exist: name a .csv, .tsv or .parquet file")
    try:
        table = read(path)
        return joined(collection, table, options.label_column, where)
    except Bad as reason:
        raise UserError(f"{where}: {reason}") from None


def read(path: Path) -> Table:
    """A table of files. `Bad`: it cannot be read."""
    kind = path.suffix.lower()
    if kind == ".parquet":
        return _table(*_of_parquet(path))
    if kind not in (".csv", ".tsv", ".txt"):
        raise Bad("a table is .csv, .tsv or .parquet")
    try:
        text = read_bytes(path, LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Bad("not UTF-8 text: save it so") from None
    head = text.partition("\n")[0]
    comma = (
        "\t"
        if kind == ".tsv" or "\t" in head
        else ";"
        if head.count(";") > head.count(",")
        else ","
    )
    try:
        lines = [
            line for line in csv.reader(io.StringIO(text), delimiter=comma, strict=True) if line
        ]
    except csv.Error as error:
        raise Bad(f"not a table ({error})") from None
    if len(lines) < 2:
        raise Bad("holds no lines below its head")
    names = [name.strip() for name in lines[0]]
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(names):
            raise Bad(f"line {number} has {len(line)} entries, the head {len(names)}")
    columns = [list(column) for column in zip(*lines[1:], strict=True)]
    return _table(names, columns)


def _of_parquet(path: Path) -> tuple[list[str], list[list[Any]]]:
    optional("pyarrow", "a parquet table", "parquet")
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        flat = [n for n in file.schema_arrow.names if not _nested(file.schema_arrow.field(n).type)]
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
        if size > LARGEST:
            raise Bad(f"takes {size >> 20} MiB, more than {LARGEST >> 20} MiB")
        content = file.read(columns=flat)
        columns = [content.column(name).to_pylist() for name in flat]
    except unreadable() as error:
        raise Bad(f"not a readable parquet file ({type(error).__name__})") from None
    return flat, columns


def _nested(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind))


def _table(names: list[str], columns: list[list[Any]]) -> Table:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Bad(f"two columns are called {shown(twice[0])}: rename one")
    by_name = dict(zip(names, columns, strict=True))
    lower = {name.lower(): name for name in reversed(names)}
    key = next((lower[each] for each in FILES if each in lower), names[0] if names else "")
    if not key:
        raise Bad("holds no columns")
    files = [str(value) for value in by_name.pop(key)]
    return _without_copies(files, by_name)


def _without_copies(files: list[str], columns: dict[str, list[Any]]) -> Table:
    seen: dict[str, int] = {}
    keep: list[int] = []
    copies = 0
    for row, name in enumerate(files):
        clean = unicodedata.normalize("NFC", name.replace("\\", "/").removeprefix("./"))
        if clean not in seen:
            seen[clean] = row
            keep.append(row)
            continue
        copies += 1
        if any(column[row] != column[seen[clean]] for column in columns.values()):
            raise Bad(f"{shown(clean)} has two lines that differ: keep one")
    warnings = [f"{copies} lines stand twice"] if copies else []
    kept = {name: [column[row] for row in keep] for name, column in columns.items()}
    return Table(list(seen), kept, warnings)


# ------------------------------------------------------------------------ joining


def joined(
    collection: Collection, table: Table, label_column: str | None, where: str
) -> Collection:
    """The collection with the table's label as its classes and the other columns as attributes."""
    if label_column is not None and label_column not in table.columns:
        there = ", ".join(map(shown, table.columns)) or "none"
        raise Bad(f"--label-column {shown(label_column)}: there is no such column: {there}")
    label = label_column or next((n for n in table.columns if n.lower() in LABELS), None)
    rows, warnings = _rows(collection, table)
    used = sorted({row for part in rows.values() for row in part})
    facts: dict[str, Any] = {"names": []}
    values: list[NDArray[np.float32]] = []
    classes = collection.classes
    numbers: NDArray[np.int64] | None = None
    for name, column in table.columns.items():
        if name == label:
            numbers, classes = _classes(name, column, used)
        elif name.lower() not in SPLIT:
            made = _attribute(column, used)
            if made is None:
                warnings.append(
                    f"column {shown(name)} is left out: neither numbers nor at most {MOST_VALUES} "
                    "different texts"
                )
                continue
            if not isinstance(made[1][0], str) and max(map(abs, made[1])) > LARGE:
                warnings.append(
                    f"column {shown(name)} goes from {made[1][0]:g} to {made[1][1]:g}: models take "
                    "numbers as they are, so bring them to about -1 to 1"
                )
            values.append(made[0])
            facts["names"].append(name)
            facts[name] = made[1]
    parts: dict[str, Part] = {}
    for split, part in collection.parts.items():
        chosen = rows[split]
        extra = dict(part.extra)
        if values:
            own = [column[chosen] for column in values]
            extra["factors"] = np.stack(own, axis=1).reshape(len(chosen), len(values))
        own_labels = part.labels if numbers is None else numbers[chosen]
        parts[split] = replace(part, labels=own_labels, extra=extra)
    info = {**collection.info, "classes": list(classes)}
    if values:
        info["factors"] = facts
    said = [*table.warnings, *warnings]
    info["warnings"] = [*info.get("warnings", ()), *(f"{where}: {word}" for word in said)]
    info["labels"] = {"column": label or "none", "attributes": list(facts["names"])}
    # not part of the images' cache: a corrected label leaves them as they are
    hashed = {
        split: [
            None if part.labels is None else part.labels.tolist(),
            part.extra["factors"].tolist() if values else None,
        ]
        for split, part in parts.items()
    }
    identity = fingerprint([collection.identity, "labels", list(classes), facts, hashed])
    return replace(collection, parts=parts, classes=classes, info=info, identity=identity)


def _rows(collection: Collection, table: Table) -> tuple[dict[str, list[int]], list[str]]:
    """The table's line of each image, by split; and what is to be said."""
    place = {shown(name): row for row, name in enumerate(table.names)}
    result: dict[str, list[int]] = {}
    missing: list[str] = []
    for split, part in collection.parts.items():
        places = [(name, place.get(name, -1)) for name in part.names or ()]
        missing += [name for name, row in places if row < 0]
        result[split] = [row for _, row in places]
    total = sum(len(part) for part in collection.parts.values())
    if missing:
        few = ", ".join(missing[:FIRST])
        hint = f"; its first line is of {shown(table.names[0])}" if len(missing) == total else ""
        raise Bad(f"{len(missing)} of {total} images have no line in it ({few}{hint}): add them")
    used = {row for rows in result.values() for row in rows}
    spare = [shown(name) for row, name in enumerate(table.names) if row not in used]
    words = f"{len(spare)} lines are of no image that is used ({', '.join(spare[:FIRST])})"
    return result, [words] if spare else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _classes(
    name: str, column: Sequence[Any], used: Sequence[int]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    empty = [row for row in used if column[row] is None or not str(column[row]).strip()]
    if empty:
        raise Bad(f"column {shown(name)} says nothing of {len(empty)} images: fill it in")
    texts = [str(value).strip() if value is not None else "" for value in column]
    different = {texts[row] for row in used}
    numbers = {text: _number(text) for text in different}
    if all(number is not None for number in numbers.values()):
        if any(number != int(number) for number in numbers.values() if number is not None):
            raise Bad(
                f"column {shown(name)} holds numbers that are not whole: that is an attribute, not "
                "a class; name another with --label-column"
            )
        names = sorted(different, key=lambda text: (numbers[text] or 0.0, text))
    else:
        names = sorted(different)
    if len(names) > MOST_CLASSES:
        raise Bad(f"column {shown(name)} has {len(names)} different values: too many classes")
    place = {text: number for number, text in enumerate(names)}
    return np.array([place.get(text, -1) for text in texts], np.int64), tuple(map(shown, names))


def _attribute(
    column: Sequence[Any], used: Sequence[int]
) -> tuple[NDArray[np.float32], list[Any]] | None:
    """The values of an attribute, and the names of its values or [lowest, highest]."""
    numbers = [_number(value) for value in column]
    if all(numbers[row] is not None for row in used):
        made = np.array([0.0 if number is None else number for number in numbers], np.float32)
        chosen = made[list(used)]
        return made, [float(chosen.min()), float(chosen.max())] if len(chosen) else [0.0, 0.0]
    texts = ["" if value is None else str(value).strip() for value in column]
    names = sorted({texts[row] for row in used})
    if len(names) > MOST_VALUES or "" in names:
        return None
    place = {text: number for number, text in enumerate(names)}
    return np.array([place.get(text, 0) for text in texts], np.float32), [*map(shown, names)]


def of_rows(names: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> Table:
    """A table that a source knows of its own images."""
    return Table(list(names), {name: list(column) for name, column in columns.items()})
