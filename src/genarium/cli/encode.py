"""`genarium encode RUN [DATA]`: the codes of images as a table."""

from __future__ import annotations

import argparse
import time
from typing import Any

from genarium.cli import coded

SPLITS = ("train", "validation", "test")


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    coded.add_source(parser)
    parser.add_argument(
        "--split", choices=(*SPLITS, "all"), default="all", help="which images (default: all)"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the table, .npz, .parquet or .csv: names, codes, and labels where they are known "
        "(default: RUN/codes.npz)",
    )
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")


def run(found: Any) -> int:
    from genarium import features as codes
    from genarium.api import _old as api
    from genarium.cli import show
    from genarium.runs import selection as given

    out = codes.check(found.out) if found.out else None
    trained = coded.one_source(found)
    trained.can("encode")
    start = time.monotonic()
    loose = found.data is not None and given.is_loose(found.data)
    data = found.data if loose else given.dataset_for(trained, found.data, progress=not found.json)
    read = time.monotonic() - start
    start = time.monotonic()
    table = api.encode(trained, data, splits=SPLITS if found.split == "all" else (found.split,))
    encoded = time.monotonic() - start
    out = out or trained.path / "codes.npz"
    codes.write(table, out)
    n, size = table.codes.shape
    rate = n / max(encoded, 1e-9)
    name = data if isinstance(data, str) else data.name
    facts = {"run": str(trained.path), "data": name, "images": n, "dims": size}
    if found.json:
        seconds = {"seconds_reading": round(read, 3), "seconds_encoding": round(encoded, 3)}
        show.as_json({**facts, "labels": table.labels is not None, **seconds, "out": str(out)})
    else:
        labels = "with labels" if table.labels is not None else "without labels"
        print(f"{n:,} codes of {size} numbers, {labels}: {out}")
        print(f"read in {read:.1f} s, encoded in {encoded:.1f} s ({rate:,.0f} images/s)")
    return 0
