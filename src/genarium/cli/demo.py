"""`genarium demo`: the main job in small. Four families learn the same digits, side by side."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from genarium.cli.parser import positive, seed

# Sizes and budgets for a laptop without a GPU: some minutes for all four together. The steps are
# fixed, not the minutes, so that everybody sees the same pictures.
PROGRAMME: dict[str, dict[str, Any]] = {
    "autoencoder": {"steps": 400, "schedule": "cosine", "warmup": 50},
    "vae": {"latent": 8, "steps": 1750, "schedule": "cosine", "warmup": 50, "ema": 0.995},
    "dcgan": {
        "width": 16,
        "latent": 16,
        "lr": 2e-3,
        "beta1": 0.0,
        "smoothing": 0.1,
        "batch": 64,
        "steps": 3000,
        "schedule": "linear",
        "ema": 0.99,
    },
    # Two levels and the class as a condition: the likelihood of 256 levels takes hours to learn.
    "pixelcnn": {
        "levels": 2,
        "conditional": True,
        "blocks": 5,
        "dilation": 4,
        "batch": 16,
        "steps": 1500,
        "schedule": "cosine",
        "warmup": 50,
        "clip": 1.0,
        "ema": 0.998,
    },
}
TITLE = "Four families of generative models on the same handwritten digits"


def add_arguments(parser: argparse.ArgumentParser, rest: list[str]) -> None:
    parser.add_argument("--out", metavar="DIR", help="where the runs and the report go")
    parser.add_argument("--seed", type=seed, default=0, help="default: 0")
    parser.add_argument(
        "-n", type=positive("-n", 2), default=1000, help="images drawn a model (default: 1000)"
    )
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def run(found: Any) -> int:
    from genarium.api import _old as api
    from genarium.api.compare import compare
    from genarium.cli import show
    from genarium.runs.folder import RunFolder

    begin = time.monotonic()
    home = Path(found.out) if found.out else next_free(Path("runs") / "demo")
    RunFolder.create(home, "demo", "digits")

    def say(text: str) -> None:
        if not found.quiet:
            print(text, file=sys.stderr, flush=True)

    runs = []
    for number, (recipe, settings) in enumerate(PROGRAMME.items(), 1):
        say(f"[{number}/{len(PROGRAMME)}] training {recipe}")
        runs.append(
            api.train(
                recipe,
                "digits",
                out=home / recipe,
                seed=found.seed,
                progress=not found.quiet,
                **settings,
            )
        )
    say("scoring and comparing")
    comparison = compare(runs, n=found.n, seed=found.seed, title=TITLE)
    comparison.save(home / "report.html")
    if found.json:
        show.as_json(comparison.to_dict())
        return 0
    print(comparison.table())
    print(f"\n{time.monotonic() - begin:.0f} seconds. Open the report: {comparison.path}")
    return 0


def next_free(path: Path) -> Path:
    """`path`, or path-2, path-3 ...: the first that does not exist."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found
