"""`genarium cluster RUN [DATA]`: groups in the codes, scored by classes that they were not told."""

from __future__ import annotations

import argparse
from typing import Any

from genarium.cli import coded
from genarium.cli.parser import positive


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    coded.add_flags(parser, "clusters.json")
    parser.add_argument(
        "--groups", type=positive("--groups"), help="how many (default: as many as classes)"
    )
    parser.add_argument(
        "-n",
        type=positive("-n"),
        default=10000,
        help="training images in which groups are sought, at most (default: 10000)",
    )


def run(found: Any) -> int:
    from genarium.cli import show
    from genarium.errors import UserError
    from genarium.features import METHODS, cluster

    trained, out = coded.open_run(found, ".json")
    data = coded.labelled(trained, found.data)
    count = found.groups or len(data.classes)
    train = trained.encode(data.train[0][: found.n])
    if count > len(train):
        raise UserError(f"--groups {count}: there are {len(train)} training images")
    test = trained.encode(data.test[0])
    results = [
        cluster(train, test, data.test[1], count=count, method=method, seed=found.seed)
        for method in METHODS
    ]
    facts: dict[str, Any] = {
        "run": str(trained.path),
        "data": data.name,
        "groups": count,
        "train": len(train),
        "test": len(test),
        "seed": found.seed,
        "results": {
            r.method: {"accuracy": r.accuracy, "nmi": r.nmi, "ari": r.ari, "reduced": r.reduced}
            for r in results
        },
    }
    path = coded.keep(out or trained.path / "clusters.json", facts)
    if found.json:
        show.as_json({**facts, "out": str(path)})
        return 0
    print(f"{count} groups found in {len(train):,} codes, scored on {len(test):,} test images")
    print(f"  {'':<10}{'accuracy':>9}{'NMI':>8}{'ARI':>8}")
    for r in results:
        note = f"   (on {r.reduced} principal components)" if r.reduced else ""
        print(f"  {r.method:<10}{r.accuracy:>9.4f}{r.nmi:>8.4f}{r.ari:>8.4f}{note}")
    print(f"saved: {path}")
    return 0
