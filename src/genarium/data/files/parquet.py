"""Parquet files with a column of images, as the Hugging Face hub keeps data sets.

An image is {"bytes": ..., "path": ...}, or bytes: an encoded picture. Files called train-...,
test-... and validation-... are splits. The column is the one that the schema calls an image, else
the only one that may be. Labels: the column that the schema calls a ClassLabel, with its names,
else one called label. Rows are read a row group at a time, and two groups are kept.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from genarium.data.decode import MEMORY
from genarium.data.files.reader import optional
from genarium.data.formats import Bad
from genarium.data.layout import SPLIT_NAMES
from genarium.data.names import shown
from genarium.data.scan import ScannedFile
from genarium.errors import unreadable

KEPT = 2  # row groups
LABELS = ("label", "labels", "fine_label", "class", "target")
CAPTIONS = ("text", "caption", "prompt")
MOST_ROWS = 20_000_000
SHARD = re.compile(r"(.+?)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?\.parquet", re.IGNORECASE)
UNSAFE = re.compile(r"[^\w.()+ -]+")


class Columns(NamedTuple):
    """image, label, caption: names of the columns, "" where there is none. names: of the
    classes."""

    image: str
    label: str
    caption: str
    names: tuple[str, ...]


class Shards:
    """Several parquet files of the same columns, as rows with a name each."""

    def __init__(self, tables: Sequence[ScannedFile], image: str = "", label: str = ""):
        optional("pyarrow", "parquet", "parquet")
        self.tables = list(tables)
        self._files: dict[str, Any] = {}
        self._groups: OrderedDict[tuple[str, int], list[bytes | None]] = OrderedDict()
        self._lock = threading.RLock()
        self.columns = self._columns(image, label)
        self.rows: list[ScannedFile] = []
        for number, table in enumerate(self.tables):
            self._add(number, table)
        if not self.rows:
            raise Bad("holds no rows")

    def _open(self, path: str) -> Any:
        if path not in self._files:
            from pyarrow import parquet

            try:
                if len(self._files) > 64:
                    self._files.clear()
                self._files[path] = parquet.ParquetFile(path)
            except unreadable() as error:
                words = " ".join(str(error).split())[:100]
                raise Bad(f"{shown(path)}: not a readable parquet file ({words})") from None
        return self._files[path]

    def _columns(self, image: str, label: str) -> Columns:
        schema = self._open(self.tables[0].file).schema_arrow
        features = _features(schema.metadata)
        names = schema.names
        for asked in (image, label):
            if asked and asked not in names:
                raise Bad(f"no column {shown(asked)}: there are {', '.join(map(shown, names))}")
        kinds = {name: str(features.get(name, {}).get("_type", "")) for name in names}
        images = [name for name in names if kinds[name] == "Image"]
        images = images or [name for name in names if _may_be_image(schema.field(name).type)]
        if not image and len(images) != 1:
            there = ", ".join(f"{shown(n)} {schema.field(n).type}"[:60] for n in names)
            raise Bad(f"{len(images)} columns may be of images: name one, image=COLUMN ({there})")
        image = image or images[0]
        if not _may_be_image(schema.field(image).type):
            raise Bad(
                f"column {shown(image)} holds {schema.field(image).type}, no encoded pictures"
            )
        classes = [name for name in names if kinds[name] == "ClassLabel"]
        label = label or next(iter(classes), next((n for n in LABELS if n in names), ""))
        caption = next(
            (n for n in CAPTIONS if n in names and str(schema.field(n).type) == "string"), ""
        )
        known = features.get(label, {}).get("names", ()) if label else ()
        return Columns(image, label, caption, tuple(map(str, known)))

    def _add(self, number: int, table: ScannedFile) -> None:
        file = self._open(table.file)
        missing = {self.columns.image, self.columns.label} - {"", *file.schema_arrow.names}
        if missing:
            raise Bad(f"{shown(table.name)} has no column {', '.join(map(shown, sorted(missing)))}")
        shard = SHARD.fullmatch(table.name.rpartition("/")[2])
        stem = shard.group(1).lower() if shard else ""
        split = f"{stem}/" if stem in SPLIT_NAMES else ""
        folder = table.name.rpartition("/")[0]
        split = split or (f"{folder}/" if folder.rpartition("/")[2].lower() in SPLIT_NAMES else "")
        at = 0
        for group in range(file.num_row_groups):
            about = file.metadata.row_group(group)
            if about.total_byte_size > MEMORY:
                raise Bad(
                    f"{shown(table.name)}: a row group of {about.total_byte_size >> 20} MiB, "
                    f"more than {MEMORY >> 20} MiB: write it in smaller ones"
                )
            if len(self.rows) + about.num_rows > MOST_ROWS:
                raise Bad(f"claims more than {MOST_ROWS} rows")
            for row in range(about.num_rows):
                place = f"{table.file}\0{group}/{row}"
                self.rows.append(ScannedFile(place, f"{split}{number:05d}-{at:07d}"))
                at += 1

    def content(self, row: ScannedFile) -> bytes:
        """The encoded picture of a row. `Bad`: there is none."""
        path, _, place = row.file.partition("\0")
        group, _, number = place.partition("/")
        content = self._group(path, int(group))[int(number)]
        if content is None:
            raise Bad("a row without an image")
        return content

    def _group(self, path: str, group: int) -> list[bytes | None]:
        key = (path, group)
        with self._lock:
            if key in self._groups:
                self._groups.move_to_end(key)
                return self._groups[key]
            try:
                column = self._open(path).read_row_group(group, columns=[self.columns.image])
                rows = column.column(self.columns.image).to_pylist()
            except unreadable() as error:
                raise Bad(f"not readable ({type(error).__name__})") from None
            made = [_content(value) for value in rows]
            self._groups[key] = made
            while len(self._groups) > KEPT:
                self._groups.popitem(last=False)
            return made

    def values(self, column: str) -> list[Any]:
        """A column of all rows, in their order."""
        result: list[Any] = []
        for table in self.tables:
            try:
                result += self._open(table.file).read(columns=[column]).column(column).to_pylist()
            except unreadable() as error:
                words = f"({type(error).__name__})"
                raise Bad(
                    f"column {shown(column)} of {shown(table.name)}: not readable {words}"
                ) from None
        return result


def _features(metadata: Any) -> dict[str, Any]:
    """What the hub's library wrote of the columns."""
    try:
        known = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {str(k): v for k, v in known.items() if isinstance(v, dict)}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _may_be_image(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        names = {kind.field(i).name for i in range(kind.num_fields)}
        return "bytes" in names and types.is_binary(kind.field(kind.get_field_index("bytes")).type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _content(value: Any) -> bytes | None:
    if isinstance(value, dict):
        value = value.get("bytes")
    return value if isinstance(value, bytes) else None
