"""Exact autoregressive sampling: compiled, by the wavefront, naive; against one pass and the floor.

    python benchmarks/pixelcnn_sampling.py --batch 1 16 64 256
    OMP_NUM_THREADS=1 taskset -c 1 python benchmarks/pixelcnn_sampling.py --clock processor

One run measures, for each batch size and alternating, a sample by the compiled sampler (the extra
`fast`), one by the wavefront of PyTorch, one parallel forward pass, and the naive sampler: H·W·C
forward passes, of which `--naive-passes` are timed and scaled up (`--naive-passes 0` times all of
them). The naive sampler is timed on two forward passes of the same weights: our own (only the
visible rows of a kernel, channels last), and, for a PixelCNN, one as it is commonly written (whole
k×k kernels times their mask at each pass, channels first); their outputs are compared first. Prints
medians and their ratios. The floor is the arithmetic that a sample needs at the rate of one large
float32 matrix product. `--clock processor` counts processor seconds of all threads, which other
work on the machine moves less.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from _floor import product_rate
from torch import Tensor, nn

from genarium.contract import Spec, dequantize
from genarium.models.autoregressive.autoregressive import Autoregressive
from genarium.models.autoregressive.masked import MaskedConv2d
from genarium.models.autoregressive.pixelcnn import pixelcnn
from genarium.models.autoregressive.pixelrnn import diagonal_bilstm, row_lstm


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


CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    work()
    return clock() - start


def operations(model: Autoregressive) -> float:
    """Multiplications and additions of the products of one sample, masked taps left out."""
    sampler = model.compiled()
    if sampler is None:
        return float("nan")
    entries = (*sampler.recorder.early, *sampler.recorder.pixels)
    each = sum(record.n * record.k for _, _, record in entries if record.k)
    return 2.0 * each * model.spec.height * model.spec.width


def build(arguments: argparse.Namespace) -> Autoregressive:
    height, width = (int(side) for side in arguments.size.split("x"))
    spec = Spec(arguments.channels, height, width)
    sizes = {"levels": arguments.levels, "width": arguments.width, "head": arguments.head}
    torch.manual_seed(0)
    if arguments.net in RECURRENT:
        recipe = RECURRENT[arguments.net]
        return recipe(spec, layers=arguments.blocks, position=False, **sizes).eval()
    wide = {"dilation": arguments.dilation} if arguments.net == "plain" else {}
    depth = {"net": arguments.net, "blocks": arguments.blocks}
    return pixelcnn(spec, position=False, **depth, **wide, **sizes).eval()


RECURRENT = {"row-lstm": row_lstm, "diagonal-bilstm": diagonal_bilstm}


def measure(
    arguments: argparse.Namespace, model: Autoregressive, batch: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds of each, and the shares of pixels that agree with the naive sampler's."""
    spec, clock = model.spec, CLOCKS[arguments.clock]
    levels = torch.randint(model.levels, (batch, *spec.shape))
    x = dequantize(levels, model.levels)
    last = x.contiguous(memory_format=torch.channels_last)
    common = None if arguments.net in RECURRENT else as_commonly_written(model.network)
    network = model.network.to(memory_format=torch.channels_last)
    passes = spec.dims if arguments.naive_passes == 0 else min(arguments.naive_passes, spec.dims)

    def sample(which: str) -> Tensor:
        os.environ["GENARIUM_FAST"] = "1" if which == "compiled" else "0"
        generator, naive = torch.Generator().manual_seed(1), which == "naive"
        try:
            return model.sample_levels(batch, generator=generator, chunk=batch, naive=naive)
        finally:
            os.environ["GENARIUM_FAST"] = "1"

    def forward() -> None:
        with torch.inference_mode():
            network(last, None, None)

    def common_forward() -> None:
        assert common is not None
        with torch.inference_mode():
            common(x, None, None)

    works: dict[str, Callable[[], object]] = {
        "wavefront": lambda: sample("wavefront"),
        "forward": forward,
    }
    if model.compiled() is not None:
        works = {"compiled": lambda: sample("compiled"), **works}
    for warm_up in works.values():
        warm_up()
    naive = {"own": forward}
    if common is not None:
        with torch.inference_mode():
            expected = network(last, None, None)
            torch.testing.assert_close(common(x, None, None), expected, rtol=1e-3, atol=1e-3)
        naive["common"] = common_forward
    times: dict[str, list[float]] = {name: [] for name in (*works, *naive)}
    for _ in range(arguments.rounds):
        for name, work in works.items():
            times[name].append(seconds(work, clock))
        for name, work in naive.items():
            took = sum(seconds(work, clock) for _ in range(passes))
            times[name].append(took * spec.dims / passes)
    agree = {}
    if arguments.check:
        reference = sample("naive")
        for name in works.keys() - {"forward"}:
            agree[name] = (reference == sample(name)).double().mean().item()
    return {name: statistics.median(result) for name, result in times.items()}, agree


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--net", choices=("plain", "gated", *RECURRENT), default="plain")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--size", default="28x28", help="HxW")
    parser.add_argument("--channels", type=int, choices=(1, 3), default=1)
    parser.add_argument("--levels", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--head", type=int, default=64)
    parser.add_argument("--dilation", type=int, default=1)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--threads", type=int, default=0, help="0: torch's default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--naive-passes", type=int, default=4, help="timed; 0: all of them")
    parser.add_argument("--check", action="store_true", help="also compare with naive samples")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    model = build(arguments)
    clock = CLOCKS[arguments.clock]
    work = operations(model)
    print(
        f"{arguments.net}, {arguments.blocks} blocks, width {arguments.width}, "
        f"{arguments.levels} levels, {arguments.channels}x{arguments.size}, float32, "
        f"{torch.get_num_threads()} threads, {arguments.clock} seconds, torch {torch.__version__}"
    )
    if model.compiled() is None:
        print("the extra fast does not serve here")
    else:
        first = seconds(lambda: model.sample_levels(1), clock)
        print(
            f"compiled sampler: {first:.1f} s at its first use (compiled, or read from the cache)"
        )
    speed = product_rate(torch.float32, clock)
    print(f"{work / 1e9:.3f} GFLOP a sample; the floor is at {speed / 1e9:.0f} GFLOP/s")
    heads = ("batch", "compiled s", "wavefront s", "forward s", "floor s", "compiled/forward")
    heads += ("wave/forward", "naive/compiled", "common/compiled", "naive/wave", "same pixels")
    print("  ".join(heads))
    for batch in arguments.batch:
        took, agree = measure(arguments, model, batch)
        nothing = float("nan")
        fast, wave, forward = took.get("compiled", nothing), took["wavefront"], took["forward"]
        row = (f"{batch}", f"{fast:.3f}", f"{wave:.3f}", f"{forward:.4f}")
        row += (f"{batch * work / speed:.3f}", f"{fast / forward:.2f}", f"{wave / forward:.2f}")
        row += (f"{took['own'] / fast:.0f}x", f"{took.get('common', nothing) / fast:.0f}x")
        row += (f"{took['own'] / wave:.0f}x", " ".join(f"{share:.5f}" for share in agree.values()))
        print("  ".join(cell.rjust(len(head)) for cell, head in zip(row, heads)), flush=True)


if __name__ == "__main__":
    main()
