"""Sampling time against the size of the image: the fast samplers and naive ancestral sampling.

    python benchmarks/sampling_by_size.py --out sampling.png        # about ten minutes on two cores

Both draw the same images from the same network. Naive sampling is a full pass for each pixel;
`--passes` of them are timed and scaled up. A row of the table, and a point of the picture, is the
median of `--rounds`, taken in turns. The number of pixels grows as n², so naive sampling does as n⁴
(n² passes of n² pixels). The fast samplers compute every pixel once: their time grows as n², and
the wavefront takes only W + lag·(H - 1) sequential steps. With the extra `fast` the fast sampler is
the compiled one, but for GENARIUM_FAST=0. Writes the JSON beside --out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from genarium.contract import Spec, dequantize
from genarium.models.autoregressive.autoregressive import Autoregressive
from genarium.models.autoregressive.pixelcnn import pixelcnn
from genarium.models.autoregressive.pixelrnn import diagonal_bilstm, row_lstm

NETS: dict[str, tuple[Any, dict[str, Any]]] = {
    "pixelcnn": (pixelcnn, {"blocks": 8}),
    "gated": (pixelcnn, {"net": "gated", "blocks": 5}),
    "row-lstm": (row_lstm, {"layers": 3}),
    "diagonal-bilstm": (diagonal_bilstm, {"layers": 2}),
}


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(model: Autoregressive, batch: int, passes: int, rounds: int) -> dict[str, float]:
    """Median seconds of a fast sample, of one full pass, and of a naive sample by scaling up."""
    spec = model.spec
    x = dequantize(torch.randint(model.levels, (batch, *spec.shape)), model.levels)
    passes = min(passes, spec.dims)

    def fast() -> None:
        model.sample_levels(batch, generator=torch.Generator().manual_seed(1), chunk=batch)

    def naive() -> None:
        with torch.inference_mode():
            for _ in range(passes):
                model.network(x, None, None)

    fast(), naive()  # the first time pays for allocation
    times = [(seconds(fast), seconds(naive) / passes) for _ in range(rounds)]
    sample, forward = (statistics.median(column) for column in zip(*times))
    return {"fast": sample, "pass": forward, "naive": forward * spec.dims}


def draw(path: Path, result: list[dict[str, Any]], batch: int) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.6), layout="constrained")
    axes = figure.subplots()
    for number, net in enumerate(dict.fromkeys(row["net"] for row in result)):
        rows = [row for row in result if row["net"] == net]
        sides = [row["size"] for row in rows]
        colour = f"C{number}"
        axes.loglog(sides, [r["fast"] for r in rows], "o-", color=colour, ms=4, label=net)
        axes.loglog(sides, [r["naive"] for r in rows], "s--", color=colour, ms=3, alpha=0.6)
    sides = sorted({row["size"] for row in result})
    axes.set_xticks(sides, [str(side) for side in sides])
    axes.minorticks_off()
    axes.set(
        xlabel="height and width of the image, pixels",
        ylabel=f"seconds for {batch} images",
        title="solid: fast sampler; dashed: naive ancestral sampling",
    )
    axes.legend()
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 16, 28, 32, 48, 64])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--levels", type=int, default=2)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--passes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: torch's default")
    parser.add_argument("--out", type=Path, default=Path("sampling_by_size.png"))
    o = parser.parse_args()
    if o.threads:
        torch.set_num_threads(o.threads)
    results: list[dict[str, Any]] = []
    print("| net | size | fast, s | one pass, s | naive, s | naive / fast | fast / pass |")
    print("|---|---|---|---|---|---|---|")
    for net in o.nets:
        recipe, arguments = NETS[net]
        for size in o.sizes:
            torch.manual_seed(0)
            sizes = {"levels": o.levels, "width": o.width, "head": o.width, **arguments}
            model = recipe(Spec(1, size, size), position=False, **sizes).eval()
            row = {"net": net, "size": size, **measure(model, o.batch, o.passes, o.rounds)}
            results.append(row)
            fast, once, naive = row["fast"], row["pass"], row["naive"]
            print(
                f"| {net} | {size} | {fast:.3f} | {once:.4f} | {naive:.1f} | {naive / fast:.0f} "
                f"| {fast / once:.2f} |",
                flush=True,
            )
    facts = {"batch": o.batch, "threads": torch.get_num_threads(), "torch": torch.__version__}
    o.out.with_suffix(".json").write_text(json.dumps({**facts, "rows": results}, indent=1) + "\n")
    draw(o.out, results, o.batch)


if __name__ == "__main__":
    main()
