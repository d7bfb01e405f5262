"""`genarium probe RUN [DATA]`: what simple classifiers find in frozen codes."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from genarium.cli import coded
from genarium.errors import UserError


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    coded.add_flags(parser, "probe.json")
    parser.add_argument(
        "--labels",
        default="2000",
        metavar="N",
        help="labelled training images, the classes balanced, or all (default: 2000)",
    )


def run(found: Any) -> int:
    from genarium.cli import show
    from genarium.features import pca, probe

    count = coded.count_of("--labels", found.labels)
    trained, out = coded.open_run(found, ".json")
    data = coded.labelled(trained, found.data)
    rows = coded.chosen("--labels", count, data.train[1], found.seed)
    images = [data.train[0][rows], data.validation[0], data.test[0]]
    labels = [data.train[1][rows], data.validation[1], data.test[1]]
    if len(labels[0].unique()) < 2:
        raise UserError(f"--labels {found.labels}: a probe needs two classes at least, give more")
    codes = [trained.encode(x) for x in images]
    pixels = [x.flatten(1).float() for x in images]
    size = codes[0].shape[1]
    parts = pca(pixels[0], size, *pixels[1:])
    features = {
        "codes": codes,
        f"PCA, {parts[0].shape[1]} components": parts,
        "pixels": pixels,
    }
    results = {}
    for name, columns in features.items():
        train, validation, test = zip(columns, labels)
        results[name] = probe(train, validation, test)
    facts: dict[str, Any] = {"run": str(trained.path), "data": data.name, "seed": found.seed}
    facts["features"] = {name: asdict(result) for name, result in results.items()}
    path = coded.keep(out or trained.path / "probe.json", facts)
    if found.json:
        show.as_json({**facts, "out": str(path)})
        return 0
    first = results["codes"]
    print(f"accuracy on {first.test:,} test images, {first.labels:,} labels (± standard error)")
    print(f"  {'':<24}{'columns':>8}   {'linear':<16}k nearest")
    for name, r in results.items():
        linear = f"{r.linear:.4f} ± {r.linear_error:.4f}"
        knn = f"{r.knn:.4f} ± {r.knn_error:.4f}  (k = {r.neighbours})"
        print(f"  {name:<24}{r.dims:>8}   {linear:<16}{knn}")
    print(f"saved: {path}")
    return 0
