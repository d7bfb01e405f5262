"""Exact PixelCNN sampling: the wavefront against naive full passes, and against one pass.

    python benchmarks/pixelcnn_sampling.py --batch 1 16 64 256

One run measures, for each batch size and alternating, a sample by the wavefront, one parallel
forward pass, and the naive sampler: H·W·C forward passes, of which `--naive-passes` are timed
and scaled up (`--naive-passes 0` times all of them). Prints medians and their ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from genarium.contract import Spec, dequantize
from genarium.models.explicit.tractable.pixelcnn import pixelcnn


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(arguments: argparse.Namespace, batch: int) -> tuple[float, float, float, float]:
    """(wavefront, forward, naive) median seconds, and the share of pixels that agree."""
    height, width = (int(side) for side in arguments.size.split("x"))
    spec = Spec(arguments.channels, height, width)
    torch.manual_seed(0)
    model = pixelcnn(
        spec,
        net=arguments.net,
        levels=arguments.levels,
        blocks=arguments.blocks,
        width=arguments.width,
        head=arguments.head,
        dilation=arguments.dilation,
        position=False,
    ).eval()
    network = model.network.to(memory_format=torch.channels_last)
    x = dequantize(torch.randint(arguments.levels, (batch, *spec.shape)), arguments.levels)
    x = x.contiguous(memory_format=torch.channels_last)
    passes = spec.dims if arguments.naive_passes == 0 else min(arguments.naive_passes, spec.dims)

    def wavefront() -> torch.Tensor:
        generator = torch.Generator().manual_seed(1)
        return model.sample_levels(batch, generator=generator, chunk=batch)

    def forward() -> torch.Tensor:
        with torch.inference_mode():
            return network(x)

    def naive() -> None:
        for _ in range(passes):
            forward()

    for warm_up in (wavefront, forward):
        warm_up()
    times: dict[str, list[float]] = {"wavefront": [], "forward": [], "naive": []}
    for _ in range(arguments.rounds):
        times["wavefront"].append(seconds(wavefront))
        times["forward"].append(seconds(forward))
        times["naive"].append(seconds(naive) * spec.dims / passes)
    agree = float("nan")
    if arguments.check:
        generator = torch.Generator().manual_seed(1)
        reference = model.sample_levels(batch, generator=generator, naive=True, chunk=batch)
        agree = (reference == wavefront()).double().mean().item()
    fast, once, slow = (statistics.median(times[name]) for name in times)
    return fast, once, slow, agree


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--net", choices=("plain", "gated"), default="plain")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--size", default="28x28", help="HxW")
    parser.add_argument("--channels", type=int, choices=(1, 3), default=1)
    parser.add_argument("--levels", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--head", type=int, default=64)
    parser.add_argument("--dilation", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="0: torch's default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--naive-passes", type=int, default=4, help="timed; 0: all of them")
    parser.add_argument("--check", action="store_true", help="also compare with naive samples")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    print(
        f"{arguments.net}, {arguments.blocks} blocks, width {arguments.width}, "
        f"{arguments.levels} levels, {arguments.channels}x{arguments.size}, float32, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    print(f"{'batch':>6}{'wavefront s':>13}{'forward s':>11}{'naive s':>10}", end="")
    print(f"{'naive/wave':>12}{'wave/forward':>14}{'same pixels':>13}")
    for batch in arguments.batch:
        fast, once, slow, agree = measure(arguments, batch)
        print(f"{batch:>6}{fast:>13.3f}{once:>11.4f}{slow:>10.1f}", end="")
        print(f"{slow / fast:>11.0f}x{fast / once:>14.2f}{agree:>13.5f}", flush=True)


if __name__ == "__main__":
    main()
