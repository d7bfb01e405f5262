"""The main job in small: five families learn the same digits, side by side."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from genarium.api._results import Result
from genarium.api._types import Device, Named, Seed
from genarium.verbs import Flag, verb

if TYPE_CHECKING:
    from genarium.api.compare import Comparison

# Sizes and budgets for a laptop without a GPU: some minutes for all five together. The steps are
# fixed, not the minutes, so that everybody sees the same pictures; grids at checkpoints are enough.
PROGRAMME: dict[str, dict[str, Any]] = {
    "autoencoder": {"net": "conv", "steps": 400, "schedule": "cosine", "warmup": 50},
    # Dense layers fold the prior into ten kinds of digit: more samples of a clear class than by the
    # default net, which rebuilds better.
    "vae": {
        "net": "conv",
        "prior": "fixed",
        "latent": 8,
        "steps": 1750,
        "schedule": "cosine",
        "warmup": 50,
        "ema": 0.995,
    },
    "dcgan": {
        "architecture": "dcgan",
        "regularizers": [],
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
    # Pixels in blocks of 2×2: a quarter of the cost; a sample takes 19 evaluations.
    "flow-matching": {
        "patch": 2,
        "width": 32,
        "condition": "class",
        "batch": 64,
        "lr": 2e-3,
        "steps": 1000,
        "warmup": 30,
        "ema": 0.99,
    },
}
TITLE = "Five families of generative models on the same handwritten digits"


@dataclass(repr=False)
class Demo(Result):
    """Five families compared. comparison: the page, its scores; seconds: that it took."""

    comparison: Comparison
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        return self.comparison.to_dict()

    def text(self) -> str:
        where = f"{self.seconds:.0f} seconds. Open the report: {self.comparison.path}"
        return f"{self.comparison.table()}\n\n{where}"


@verb("about")
def demo(
    *,
    out: Annotated[Named | None, Flag(metavar="DIR", raw=True)] = None,
    n: Annotated[int, Ge(2)] = 1000,
    seed: Seed = 0,
    device: Device = "auto",
    progress: bool | None = None,
) -> Demo:
    """Train five families on digits and compare them.

    out: where the runs and the report go (default: runs/demo).
    n: images drawn a model.
    """
    import genarium
    from genarium.runs import inputs
    from genarium.runs.folder import RunFolder
    from genarium.training.device import expect_device

    expect_device(device)
    begin = time.monotonic()
    home = next_free(Path("runs") / "demo") if out is None else inputs.path(out, "--out")
    RunFolder.create(home, "demo", "digits")

    def note(text: str) -> None:
        if progress:
            print(text, file=sys.stderr, flush=True)

    runs = []
    for number, (recipe, settings) in enumerate(PROGRAMME.items(), 1):
        note(f"[{number}/{len(PROGRAMME)}] training {recipe}")
        place = home / recipe
        run = genarium.train(
            recipe,
            "digits",
            out=place,
            seed=seed,
            device=device,
            sample_every=500,
            progress=progress,
            **settings,
        )
        runs.append(run)
    note("scoring and comparing")
    page = home / "report.html"
    comparison = genarium.compare(runs, n=n, seed=seed, title=TITLE)
    comparison.save(page)
    return Demo(comparison, time.monotonic() - begin)


def next_free(path: Path) -> Path:
    """`path`, or path-2, path-3 ...: the first that does not exist."""
    free, number = path, 1
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
