"""`genarium finetune RUN [DATA]`: a classifier begun with the encoder, and one from scratch."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from genarium.cli import coded
from genarium.cli.parser import positive, real


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    coded.add_flags(parser, "finetune.json")
    parser.add_argument(
        "--labels",
        default="100,1000,all",
        metavar="N,...",
        help="labelled training images, the classes balanced (default: 100,1000,all)",
    )
    parser.add_argument(
        "--seeds",
        type=positive("--seeds"),
        default=3,
        help="how many times, from --seed on (default: 3)",
    )
    parser.add_argument(
        "--steps", type=positive("--steps"), default=500, help="of each classifier (default: 500)"
    )
    parser.add_argument(
        "--batch", type=positive("--batch"), default=100, help="images a step (default: 100)"
    )
    parser.add_argument(
        "--lr", type=real("--lr", above=0), default=1e-3, help="of Adam (default: 0.001)"
    )


def run(found: Any) -> int:
    from genarium.cli import show
    from genarium.features import finetune
    from genarium.runs.building import build

    counts = [coded.count_of("--labels", text) for text in found.labels.split(",")]
    trained, out = coded.open_run(found, ".json")
    data = coded.labelled(trained, found.data)
    seeds = range(found.seed, found.seed + found.seeds)
    results = []
    for count in counts:
        results.append(
            finetune(
                trained.model,
                lambda seed: build(
                    trained.recipe, trained.spec, trained.config["arguments"], seed, stored=True
                ),
                data.train,
                data.test,
                classes=len(data.classes),
                labels=count,
                seeds=seeds,
                steps=found.steps,
                batch=found.batch,
                lr=found.lr,
                progress=lambda line: print(line, file=sys.stderr, flush=True),
            )
        )
    settings = {"steps": found.steps, "batch": found.batch, "lr": found.lr, "seeds": [*seeds]}
    facts: dict[str, Any] = {"run": str(trained.path), "data": data.name, **settings}
    facts["results"] = [
        {"labels": r.labels, "pretrained": r.pretrained, "scratch": r.scratch, "gain": r.gain}
        for r in results
    ]
    path = coded.keep(out or trained.path / "finetune.json", facts)
    if found.json:
        show.as_json({**facts, "out": str(path)})
        return 0
    tried, times = len(data.test[1]), len(seeds)
    print(f"error on {tried:,} test images, mean ± standard deviation of {times} seeds")
    print(f"  {'labels':>8}   {'from the encoder':<20}from scratch")
    for r in results:
        print(f"  {r.labels:>8,}   {_spread(r.pretrained):<20}{_spread(r.scratch)}")
    print(f"saved: {path}")
    return 0


def _spread(errors: Sequence[float]) -> str:
    mean = f"{100 * statistics.fmean(errors):.2f}"
    return f"{mean} ± {100 * statistics.stdev(errors):.2f} %" if len(errors) > 1 else f"{mean} %"
