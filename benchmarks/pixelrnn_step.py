"""A training step of PixelRNN: the scan of whole rows or diagonals against one cell a pixel.

    python benchmarks/pixelrnn_step.py --net diagonal --layers 2 --width 64 --batch 16

Both compute the same loss and gradients with the same weights: forward and backward pass of the
whole network, without the optimizer. The loop, too, has the input's part of all gates from one
matrix product; it only goes through the recurrence pixel by pixel. One run measures both,
alternating, and prints the medians, their ratio, and the greatest difference of a gradient,
relative to the greatest gradient of the same parameter.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genarium.contract import Batch, Spec
from genarium.models.autoregressive.lstm2d import DiagonalBiLSTM, RowLSTM, lstm_cell
from genarium.models.autoregressive.pixelrnn import PixelRNN, diagonal_bilstm, row_lstm


def pixels_of(x: Tensor) -> list[list[Tensor]]:
    """[H,W,B,C] as rows of pixels [B,C], whose gradients are gathered in one go."""
    return [list(row.unbind()) for row in x.unbind()]


class RowByPixel(nn.Module):
    """A `RowLSTM`'s maths, a pixel at a time."""

    def __init__(self, layer: RowLSTM):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, front: None = None) -> Tensor:
        (height, width, batch, _), layer = x.shape, self.layer
        gates = pixels_of(layer.input(x))
        h_start, c_start = (start.expand(batch, -1) for start in layer.start)
        states: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        for r, k in itertools.product(range(height), range(width)):
            sums = gates[r][k]
            for tap, column in enumerate((k - 1, k, k + 1)):
                if 0 <= column < width:
                    seen = h_start if r == 0 else states[r - 1, column][0]
                    sums = torch.addmm(sums, seen, layer.state[tap])
            states[r, k] = lstm_cell(sums, c_start if r == 0 else states[r - 1, k][1])
        return torch.stack([h for h, _ in states.values()]).unflatten(0, (height, width))


class DiagonalByPixel(nn.Module):
    """A `DiagonalBiLSTM`'s maths, a pixel at a time."""

    def __init__(self, layer: DiagonalBiLSTM):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, front: None = None) -> Tensor:
        (height, width, batch, _), layer = x.shape, self.layer
        maps = []
        for scan, of_scan in enumerate(layer.input(x).chunk(2, dim=3)):
            gates = pixels_of(of_scan)
            start = tuple(start.expand(batch, -1) for start in layer.start[scan])
            above, beside = layer.state[scan]
            states: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
            columns = range(width) if scan == 0 else range(width - 1, -1, -1)
            for r, k in itertools.product(range(height), columns):
                h, c = states.get((r, k + (1 if scan else -1)), start)
                sums = torch.addmm(gates[r][k], states.get((r - 1, k), start)[0], above)
                states[r, k] = lstm_cell(torch.addmm(sums, h, beside), c)
            places = itertools.product(range(height), range(width))
            result = torch.stack([states[place][0] for place in places])
            maps.append(result.unflatten(0, (height, width)))
        left, right = maps
        return left + F.pad(right[:-1], (0, 0, 0, 0, 0, 0, 1, 0))


NETS = {"row": (row_lstm, RowByPixel), "diagonal": (diagonal_bilstm, DiagonalByPixel)}


def step(model: PixelRNN, batch: Batch) -> tuple[float, dict[str, Tensor]]:
    """Seconds of a forward and backward pass, and the gradients."""
    model.zero_grad()
    start = time.perf_counter()
    model.step(batch, "model").losses["bits_per_dim"].backward()
    seconds = time.perf_counter() - start
    gradients = {}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        gradients[name.replace("lstm.layer.", "lstm.")] = parameter.grad
    return seconds, gradients


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--net", choices=sorted(NETS), default="diagonal")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", default="28x28", help="HxW")
    parser.add_argument("--channels", type=int, choices=(1, 3), default=1)
    parser.add_argument("--levels", type=int, default=2)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument(
        "--width", type=int, default=64, help="of the features; the LSTMs have half"
    )
    parser.add_argument("--head", type=int, default=32)
    parser.add_argument("--threads", type=int, default=0, help="0: torch's default")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    height, width = (int(side) for side in arguments.size.split("x"))
    spec = Spec(arguments.channels, height, width)
    recipe, by_pixel = NETS[arguments.net]
    sizes = {name: getattr(arguments, name) for name in ("levels", "layers", "width", "head")}
    fast, slow = recipe(spec, **sizes), recipe(spec, **sizes)
    slow.load_state_dict(fast.state_dict())
    for layer in slow.network.layers:
        layer.lstm = by_pixel(layer.lstm)
    images = torch.randint(256, (arguments.batch, *spec.shape), dtype=torch.uint8)
    batch = Batch(images)

    step(fast, batch)
    times: dict[str, list[float]] = {"scan": [], "pixels": []}
    for _ in range(arguments.rounds):
        seconds, mine = step(fast, batch)
        times["scan"].append(seconds)
        seconds, theirs = step(slow, batch)
        times["pixels"].append(seconds)
    worst = max(
        float((mine[name] - theirs[name]).abs().max() / theirs[name].abs().max()) for name in mine
    )
    scan, pixels = (statistics.median(result) for result in times.values())
    print(
        f"{recipe.name}, {arguments.layers} layers, width {arguments.width}, "
        f"{arguments.channels}x{arguments.size}, batch {arguments.batch}, float32, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    print(f"scan   {scan:8.3f} s a step {arguments.batch / scan:8.1f} images/s")
    print(f"pixels {pixels:8.3f} s a step {arguments.batch / pixels:8.1f} images/s")
    print(f"ratio  {pixels / scan:8.2f}")
    print(f"greatest relative difference of a gradient: {worst:.1e}")


if __name__ == "__main__":
    main()
