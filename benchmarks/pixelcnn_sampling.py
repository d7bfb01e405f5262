"""Exact PixelCNN sampling: the wavefront against naive full passes, and against one pass.

    python benchmarks/pixelcnn_sampling.py --batch 1 16 64 256

One run measures, for each batch size and alternating, a sample by the wavefront, one parallel
forward pass, and the naive sampler: H·W·C forward passes, of which `--naive-passes` are timed
and scaled up (`--naive-passes 0` times all of them). The naive sampler is timed on two forward
passes of the same weights: our own (only the visible rows of a kernel, channels last), and one as
it is commonly written (whole k×k kernels times their mask at each pass, channels first); their
outputs are compared first. Prints medians and their ratios.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genarium.contract import Spec, dequantize
from genarium.models.autoregressive.masked import MaskedConv2d
from genarium.models.autoregressive.pixelcnn import pixelcnn


class WholeKernel(nn.Module):
    """A masked convolution as it is commonly written: a k×k kernel, multiplied by its mask."""

    def __init__(self, conv: MaskedConv2d):
        super().__init__()
        up, side = -conv.rows[0] // conv.dilation, max(-conv.columns[0], conv.columns[-1])
        side //= conv.dilation
        shape = (conv.out_channels, conv.in_channels, 2 * up + 1, 2 * side + 1)
        at = [column // conv.dilation + side for column in conv.columns]
        self.weight, self.mask = torch.zeros(shape), torch.zeros(shape)
        rows = slice(0, len(conv.rows))
        self.weight[:, :, rows, at] = conv.masked_weight().detach()
        self.mask[:, :, rows, at] = 1.0 if conv.mask is None else conv.mask
        self.bias, self.dilation = conv.bias, conv.dilation
        self.padding = (up * conv.dilation, side * conv.dilation)

    def forward(self, x: Tensor, front: None = None) -> Tensor:
        weight = self.weight * self.mask
        return F.conv2d(x, weight, self.bias, padding=self.padding, dilation=self.dilation)


def as_commonly_written(network: nn.Module) -> nn.Module:
    """The same network with `WholeKernel`s."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, MaskedConv2d):
                setattr(module, name, WholeKernel(child))
    return network


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(arguments: argparse.Namespace, batch: int) -> tuple[dict[str, float], float]:
    """Median seconds of each, and the share of pixels that agree."""
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
    common = as_commonly_written(model.network)
    network = model.network.to(memory_format=torch.channels_last)
    x = dequantize(torch.randint(arguments.levels, (batch, *spec.shape)), arguments.levels)
    last = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        torch.testing.assert_close(common(x), network(last), rtol=1e-3, atol=1e-3)
    passes = spec.dims if arguments.naive_passes == 0 else min(arguments.naive_passes, spec.dims)

    def wavefront() -> torch.Tensor:
        generator = torch.Generator().manual_seed(1)
        return model.sample_levels(batch, generator=generator, chunk=batch)

    def forward() -> None:
        with torch.inference_mode():
            network(last)

    def common_forward() -> None:
        with torch.inference_mode():
            common(x)

    for warm_up in (wavefront, forward, common_forward):
        warm_up()
    times: dict[str, list[float]] = {"wavefront": [], "forward": [], "own": [], "common": []}
    for _ in range(arguments.rounds):
        times["wavefront"].append(seconds(wavefront))
        times["forward"].append(seconds(forward))
        for name, work in (("own", forward), ("common", common_forward)):
            passes_took = sum(seconds(work) for _ in range(passes))
            times[name].append(passes_took * spec.dims / passes)
    agree = float("nan")
    if arguments.check:
        generator = torch.Generator().manual_seed(1)
        reference = model.sample_levels(batch, generator=generator, naive=True, chunk=batch)
        agree = (reference == wavefront()).double().mean().item()
    return {name: statistics.median(result) for name, result in times.items()}, agree


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
    heads = ("batch", "wavefront s", "forward s", "naive s", "common naive s", "naive/wave")
    heads += ("common/wave", "wave/forward", "same pixels")
    print("  ".join(heads))
    for batch in arguments.batch:
        took, agree = measure(arguments, batch)
        wave, forward = took["wavefront"], took["forward"]
        row = (f"{batch}", f"{wave:.3f}", f"{forward:.4f}", f"{took['own']:.1f}")
        row += (f"{took['common']:.1f}", f"{took['own'] / wave:.0f}x")
        row += (f"{took['common'] / wave:.0f}x", f"{wave / forward:.2f}", f"{agree:.5f}")
        print("  ".join(cell.rjust(len(head)) for cell, head in zip(row, heads)), flush=True)


if __name__ == "__main__":
    main()
